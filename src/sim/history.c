/* SPDX-License-Identifier: MIT */
/* Adds up what a stack shows of itself: see history.h. It knows the public interface only. */
#include "sim/history.h"

#define ADD(value) hash = history_add(hash, (uint64_t)(value))

uint64_t history_add_bytes(uint64_t hash, const uint8_t *bytes, size_t length)
{
    ADD(length);
    for (size_t i = 0; i < length; i += 8) {
        uint64_t word = 0;

        for (size_t k = i; k < i + 8 && k < length; k++)
            word = word << 8 | bytes[k];
        ADD(word);
    }
    return hash;
}

static uint64_t name_hash(const char *name)
{
    uint64_t hash = 0;

    for (; *name != '\0'; name++)
        ADD((unsigned char)*name);
    return hash;
}

static uint64_t address(uint64_t hash, const struct duet_socket_address *socket)
{
    ADD(socket->port);
    return history_add_bytes(hash, socket->address.bytes, sizeof socket->address.bytes);
}

/* ---- trace events ---- */

static uint64_t segment(uint64_t hash, const struct duet_trace_event *e)
{
    ADD((uint64_t)e->u.segment.seq << 32 | e->u.segment.ack);
    ADD((uint64_t)e->u.segment.length << 32 | e->u.segment.window);
    ADD((uint64_t)e->u.segment.tsval << 32 | e->u.segment.tsecr);
    ADD((uint64_t)e->u.segment.sack_left << 32 | e->u.segment.sack_right);
    ADD((uint64_t)e->u.segment.flags << 32 | (uint64_t)e->u.segment.urgent << 16 |
        e->u.segment.mss);
    ADD((uint64_t)e->u.segment.local_port << 32 | (uint64_t)e->u.segment.remote_port << 16 |
        e->u.segment.options);
    ADD((uint64_t)e->u.segment.window_scale << 24 | (uint64_t)e->u.segment.sack_blocks << 16 |
        (uint64_t)e->u.segment.retransmission << 8 | e->u.segment.ecn);
    return hash;
}

static uint64_t rule(uint64_t hash, const struct duet_trace_event *e)
{
    ADD((uint64_t)e->u.tcb.una << 32 | e->u.tcb.nxt);
    ADD((uint64_t)e->u.tcb.wnd << 32 | e->u.tcb.rcv_nxt);
    ADD((uint64_t)e->u.tcb.rcv_wnd << 32 | e->u.tcb.seq);
    ADD((uint64_t)e->u.tcb.ack << 32 | e->u.tcb.length);
    return hash;
}

static uint64_t state_change(uint64_t hash, const struct duet_trace_event *e)
{
    ADD((uint64_t)e->u.state_change.from << 8 | e->u.state_change.to);
    ADD((uint64_t)e->u.state_change.iss << 32 | e->u.state_change.irs);
    ADD((uint64_t)e->u.state_change.una << 32 | e->u.state_change.nxt);
    ADD((uint64_t)e->u.state_change.wnd << 32 | e->u.state_change.rcv_nxt);
    ADD(e->u.state_change.rcv_wnd);
    return hash;
}

static uint64_t timer(uint64_t hash, const struct duet_trace_event *e)
{
    ADD((uint64_t)e->u.timer.timer << 16 | (uint64_t)e->u.timer.action << 8 | e->u.timer.count);
    if (e->u.timer.action == DUET_TIMER_STARTED)
        ADD(e->u.timer.deadline);
    return hash;
}

static uint64_t call(uint64_t hash, const struct duet_trace_event *e)
{
    ADD(e->u.call.call);
    ADD(e->u.call.result);
    ADD(e->u.call.size);
    return hash;
}

static uint64_t congestion(uint64_t hash, const struct duet_trace_event *e)
{
    ADD((uint64_t)e->u.congestion.cwnd << 32 | e->u.congestion.ssthresh);
    ADD((uint64_t)e->u.congestion.flight << 32 | e->u.congestion.mss);
    ADD(e->u.congestion.srtt);
    ADD(e->u.congestion.rto);
    ADD(e->u.congestion.rtt);
    ADD((uint64_t)e->u.congestion.pipe << 8 | e->u.congestion.phase);
    return hash;
}

uint64_t history_add_event(uint64_t hash, const struct duet_trace_event *event)
{
    static uint64_t (*const members[DUET_TRACE_KINDS])(uint64_t,
                                                       const struct duet_trace_event *) = {
        [DUET_TRACE_SEGMENT_IN] = segment,
        [DUET_TRACE_SEGMENT_OUT] = segment,
        [DUET_TRACE_RULE] = rule,
        [DUET_TRACE_STATE] = state_change,
        [DUET_TRACE_TIMER] = timer,
        [DUET_TRACE_CALL] = call,
        [DUET_TRACE_CONGESTION] = congestion,
    };

    ADD(event->time);
    ADD((uint64_t)event->flow << 16 | (uint64_t)event->kind << 8 | event->state);
    ADD(name_hash(duet_rule(event->rule)->name));
    return members[event->kind](hash, event);
}

/* ---- a stack ---- */

static uint64_t status(uint64_t hash, const struct duet_status *s)
{
    ADD((uint64_t)s->state << 32 | (uint64_t)s->controller << 16 | (uint64_t)s->ecn << 8 |
        s->ecn_capable);
    hash = address(hash, &s->local);
    hash = address(hash, &s->remote);
    ADD((uint64_t)s->iss << 32 | s->snd_una);
    ADD((uint64_t)s->snd_nxt << 32 | s->snd_wnd);
    ADD((uint64_t)s->snd_up << 32 | s->irs);
    ADD((uint64_t)s->rcv_nxt << 32 | s->rcv_wnd);
    ADD((uint64_t)s->rcv_up << 32 | s->send_queued);
    ADD((uint64_t)s->receive_queued << 32 | s->send_room);
    ADD((uint64_t)s->urgent_left << 32 | s->send_mss);
    ADD((uint64_t)s->congestion_window << 32 | s->slow_start_threshold);
    ADD(s->in_flight);
    ADD(s->smoothed_rtt);
    ADD(s->rtt_variance);
    ADD(s->rto);
    ADD(s->rtt_min);
    ADD(s->user_timeout);
    ADD((uint64_t)s->retransmissions << 32 | s->retransmitted);
    ADD((uint64_t)s->send_scale << 8 | s->receive_scale);
    ADD((s->timestamps ? 1 : 0) | (s->sack ? 2 : 0) | (s->peer_fin_received ? 4 : 0) |
        (s->fin_acknowledged ? 8 : 0));
    ADD((uint64_t)s->ecn_received << 32 | s->ecn_reported);
    ADD((int64_t)s->error);
    ADD((uint64_t)s->backlog_used << 32 | s->half_open);
    return hash;
}

/* In any order, for that of the tables is nothing that happened. */
static uint64_t rules_and_edges(const struct duet_stack *stack)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < duet_rule_count(); i++) {
        uint64_t hits = duet_rule_hits(stack, i);

        if (hits != 0)
            sum += history_add(name_hash(duet_rule(i)->name), hits);
    }
    for (unsigned i = 0; duet_edge(i) != NULL; i++) {
        uint64_t edge = (uint64_t)duet_edge(i)->from << 8 | duet_edge(i)->to;

        sum += history_add(edge << 48, duet_edge_hits(stack, i));
    }
    return sum;
}

uint64_t history_add_stack(uint64_t hash, const struct duet_stack *stack)
{
    struct duet_counters counters;
    struct duet_status known;
    struct duet_handle handle;
    uint64_t cursor = 0;

    duet_counters(stack, &counters);
    ADD(counters.packets_in);
    ADD(counters.packets_out);
    ADD(counters.bytes_in);
    ADD(counters.bytes_out);
    ADD(counters.segments_in);
    ADD(counters.segments_out);
    ADD(counters.segments_retransmitted);
    ADD((uint64_t)counters.connections << 32 | counters.half_open);
    ADD((uint64_t)counters.time_wait << 32 | counters.listeners);
    ADD(counters.pages_used);
    ADD(rules_and_edges(stack));
    while (duet_next_status(stack, &cursor, &handle, &known))
        hash = status(hash, &known);
    return hash;
}
