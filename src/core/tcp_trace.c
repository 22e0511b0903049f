/* SPDX-License-Identifier: MIT */
/* The trace: every decision leaves its name here, with the numbers that decided. Nothing is
 * formatted and nothing is called back: events wait in a ring of the stack's block until
 * duet_next_trace takes them. Without a ring (config.trace_events 0) only the hit counters remain.
 */
#include "base/cold.h"
#include "core/state.h"

#include <string.h>

static struct duet_trace_event *put(struct duet_stack *s, enum duet_trace_kind kind, uint64_t hash,
                                    enum duet_state state, enum tcp_rule rule)
{
    if (s->config.trace_events == 0)
        return NULL;
    if (s->trace_count == s->config.trace_events) {
        s->counters.trace_lost++;
        return NULL;
    }
    uint32_t at = (s->trace_head + s->trace_count++) % s->config.trace_events;
    struct duet_trace_event *event = &s->trace[at];
    *event = (struct duet_trace_event){
        .time = s->now,
        .flow = (uint32_t)hash,
        .rule = (uint16_t)rule,
        .kind = (uint8_t)kind,
        .state = (uint8_t)state,
    };
    return event;
}

/* What tells events of one pair of sockets from those of another, in the same words for both versions of IP.
 */
static uint64_t flow_of(const struct duet_stack *s, const struct tcp_tuple *tuple)
{
    return siphash_1_3(&s->table_key, tuple, sizeof *tuple);
}

static COLD struct duet_trace_event *put_flow(struct duet_stack *s, enum duet_trace_kind kind,
                                              const struct tcp_tuple *tuple, enum duet_state state,
                                              enum tcp_rule rule)
{
    return put(s, kind, flow_of(s, tuple), state, rule);
}

static inline struct duet_trace_event *put_tuple(struct duet_stack *s, enum duet_trace_kind kind,
                                                 const struct tcp_tuple *tuple,
                                                 enum duet_state state, enum tcp_rule rule)
{
    return s->config.trace_events == 0 ? NULL : put_flow(s, kind, tuple, state, rule);
}

bool duet_next_trace(struct duet_stack *s, struct duet_trace_event *event)
{
    if (s->trace_count == 0)
        return false;
    *event = s->trace[s->trace_head];
    s->trace_head = (s->trace_head + 1) % s->config.trace_events;
    s->trace_count--;
    return true;
}

void trace_rule(struct duet_stack *s, const struct tcp_conn *c, enum tcp_rule rule,
                const struct tcp_segment *seg)
{
    struct duet_trace_event *event = put_tuple(s, DUET_TRACE_RULE, &c->tuple, c->state, rule);
    if (event == NULL)
        return;
    event->u.tcb.una = c->snd.una.raw;
    event->u.tcb.nxt = c->snd.nxt.raw;
    event->u.tcb.wnd = c->snd.wnd;
    event->u.tcb.rcv_nxt = c->rcv.nxt.raw;
    event->u.tcb.rcv_wnd = rcv_wnd(c);
    if (seg == NULL)
        return;
    event->u.tcb.seq = seg->seq.raw;
    event->u.tcb.ack = seg->ack.raw;
    event->u.tcb.length = seg->text_length;
}

void stack_rule(struct duet_stack *s, const struct tcp_tuple *tuple, enum duet_state state,
                enum tcp_rule rule)
{
    s->rule_hits[rule]++;
    if (tuple != NULL)
        put_tuple(s, DUET_TRACE_RULE, tuple, state, rule);
    else
        put(s, DUET_TRACE_RULE, 0, state, rule);
}

void trace_segment(struct duet_stack *s, enum duet_trace_kind kind, const struct tcp_tuple *tuple,
                   enum duet_state state, enum tcp_rule rule, const struct tcp_header *header,
                   uint8_t ecn, bool retransmission)
{
    struct duet_trace_event *event = put_tuple(s, kind, tuple, state, rule);
    if (event == NULL)
        return;
    event->u.segment.seq = header->seq;
    event->u.segment.ack = header->ack;
    event->u.segment.length = header->text_length;
    event->u.segment.window = header->window;
    event->u.segment.flags = header->flags;
    event->u.segment.urgent = header->urgent;
    event->u.segment.local_port = tuple->local_port;
    event->u.segment.remote_port = tuple->remote_port;
    event->u.segment.options = header->options.present;
    event->u.segment.mss = header->options.mss;
    event->u.segment.window_scale = header->options.window_scale;
    event->u.segment.tsval = header->options.tsval;
    event->u.segment.tsecr = header->options.tsecr;
    event->u.segment.sack_blocks = header->options.sack_count;
    event->u.segment.sack_left = header->options.sack[0].left;
    event->u.segment.sack_right = header->options.sack[0].right;
    event->u.segment.retransmission = retransmission;
    event->u.segment.ecn = ecn;
}

void trace_state(struct duet_stack *s, const struct tcp_tuple *tuple, const struct tcp_conn *c,
                 enum duet_state from, enum tcp_edge edge, enum duet_state to, enum tcp_rule rule)
{
    struct duet_trace_event *event = put_tuple(s, DUET_TRACE_STATE, tuple, from, rule);
    if (event == NULL)
        return;
    event->u.state_change.from = (uint8_t)from;
    event->u.state_change.to = (uint8_t)to;
    event->u.state_change.edge = (uint8_t)edge;
    if (c == NULL)
        return;
    event->u.state_change.iss = c->snd.iss.raw;
    event->u.state_change.irs = c->rcv.irs.raw;
    event->u.state_change.una = c->snd.una.raw;
    event->u.state_change.nxt = c->snd.nxt.raw;
    event->u.state_change.wnd = c->snd.wnd;
    event->u.state_change.rcv_nxt = c->rcv.nxt.raw;
    event->u.state_change.rcv_wnd = rcv_wnd(c);
}

void trace_timer(struct duet_stack *s, const struct tcp_conn *c, enum duet_timer timer,
                 enum duet_timer_action action, uint8_t count, duet_time deadline,
                 enum tcp_rule rule)
{
    struct duet_trace_event *event = put_tuple(s, DUET_TRACE_TIMER, &c->tuple, c->state, rule);
    if (event == NULL)
        return;
    event->u.timer.timer = (uint8_t)timer;
    event->u.timer.action = (uint8_t)action;
    event->u.timer.count = count;
    event->u.timer.deadline = deadline;
}

void trace_put_call(struct duet_stack *s, const struct tcp_tuple *tuple, enum duet_state state,
                    enum duet_call call, int64_t result, uint64_t size)
{
    struct duet_trace_event *event = put_tuple(s, DUET_TRACE_CALL, tuple, state, TCP_RULE_NONE);
    if (event == NULL)
        return;
    event->u.call.call = (uint8_t)call;
    event->u.call.result = result;
    event->u.call.size = size;
}

static enum duet_phase phase_of(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    if (t != NULL && t->phase == TCP_PHASE_RECOVERY)
        return DUET_PHASE_RECOVERY;
    if (t != NULL && t->phase == TCP_PHASE_LOSS)
        return DUET_PHASE_LOSS;
    return c->cwnd < c->ssthresh ? DUET_PHASE_SLOW_START : DUET_PHASE_AVOIDANCE;
}

void trace_put_congestion(struct duet_stack *s, const struct tcp_conn *c, enum tcp_rule rule,
                          duet_time rtt)
{
    struct duet_trace_event *event = put_tuple(s, DUET_TRACE_CONGESTION, &c->tuple, c->state, rule);
    if (event == NULL)
        return;
    event->u.congestion.cwnd = c->cwnd;
    event->u.congestion.ssthresh = c->ssthresh;
    event->u.congestion.flight = tcp_flight(c);
    event->u.congestion.mss = tcp_send_mss(c);
    event->u.congestion.srtt = (int64_t)(c->srtt_us >> 3) * DUET_MICROSECOND;
    event->u.congestion.rto = tcp_rto(c);
    event->u.congestion.rtt = rtt;
    if (transfer_of(s, c) != NULL)
        event->u.congestion.pipe = flight_in_network(s, c);
    event->u.congestion.phase = (uint8_t)phase_of(s, c);
}

/* ---- what was counted ---- */

uint64_t duet_rule_hits(const struct duet_stack *s, unsigned index)
{
    return index < TCP_RULES ? s->rule_hits[index] : 0;
}

uint64_t duet_edge_hits(const struct duet_stack *s, unsigned index)
{
    return index < TCP_EDGES ? s->edge_hits[index] : 0;
}
