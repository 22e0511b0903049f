/* SPDX-License-Identifier: MIT */
/* The one writer of the state. Every change is looked up in tcp_edges.def, counted, and traced with
 * the rule that caused it; a change that is not in the table is a bug and stops the stack. */
#include "base/check.h"
#include "core/state.h"

static const struct duet_edge edges[TCP_EDGES] = {
#define EDGE(from, to, section) {DUET_##from, DUET_##to, "RFC 9293 " section},
#include "core/tcp_edges.def"
#undef EDGE
};

static const struct duet_rule rules[TCP_RULES] = {
    {"NONE", "", "no rule"},
#define RULE(name, section, sentence) {#name, "RFC " section, sentence},
#include "core/tcp_rules.def"
#undef RULE
};

/* One more than the edge between two states; 0: there is none. */
static const uint8_t edge_between[DUET_STATES][DUET_STATES] = {
#define EDGE(from, to, section) [DUET_##from][DUET_##to] = TCP_EDGE_##from##_TO_##to + 1,
#include "core/tcp_edges.def"
#undef EDGE
};

static enum tcp_edge find_edge(enum duet_state from, enum duet_state to)
{
    if (edge_between[from][to] == 0)
        check_failed("a change of state that tcp_edges.def does not allow", __FILE__, __LINE__);
    return (enum tcp_edge)(edge_between[from][to] - 1);
}

static struct duet_trace_event *next_slot(struct duet_stack *s)
{
    if (s->trace_count == s->config.trace_events) {
        if (s->config.trace_events != 0)
            s->counters.trace_lost++;
        return NULL;
    }
    return &s->trace[(s->trace_head + s->trace_count++) % s->config.trace_events];
}

/* Counts and traces an edge; c only where there is a connection whose numbers can be shown. */
static void record(struct duet_stack *s, const struct tcp_tuple *tuple, const struct tcp_conn *c,
                   enum duet_state from, enum duet_state to, enum tcp_rule rule)
{
    enum tcp_edge edge = find_edge(from, to);
    s->edge_hits[edge]++;
    s->rule_hits[rule]++;

    struct duet_trace_event *event = next_slot(s);
    if (event == NULL)
        return;
    *event = (struct duet_trace_event){
        .time = s->now,
        .flow = (uint32_t)demux_hash(s, tuple),
        .rule = (uint16_t)rule,
        .kind = DUET_TRACE_STATE,
        .state = (uint8_t)from,
    };
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

void tcp_record_edge(struct duet_stack *s, const struct tcp_tuple *tuple, enum duet_state from,
                     enum duet_state to, enum tcp_rule rule)
{
    record(s, tuple, NULL, from, to, rule);
}

void tcp_set_state(struct duet_stack *s, struct tcp_conn *c, enum duet_state to, enum tcp_rule rule)
{
    record(s, &c->tuple, c, (enum duet_state)c->state, to, rule);
    c->state = (uint8_t)(to & 15);
    c->rule = rule & 1023u;
}

/* The first state of a record: CLOSED, or SYN-RECEIVED for a connection whose half-open record has
 * already recorded the edge. */
void tcp_inherit_state(struct tcp_conn *c, enum duet_state state)
{
    c->state = (uint8_t)(state & 15);
    c->rule = TCP_RULE_NONE;
}

const struct duet_rule *duet_rule(unsigned index)
{
    return &rules[index < TCP_RULES ? index : 0];
}

unsigned duet_rule_count(void)
{
    return TCP_RULES;
}

uint64_t duet_rule_hits(const struct duet_stack *s, unsigned index)
{
    return index < TCP_RULES ? s->rule_hits[index] : 0;
}

const struct duet_edge *duet_edge(unsigned index)
{
    return index < TCP_EDGES ? &edges[index] : NULL;
}

unsigned duet_edge_count(void)
{
    return TCP_EDGES;
}

uint64_t duet_edge_hits(const struct duet_stack *s, unsigned index)
{
    return index < TCP_EDGES ? s->edge_hits[index] : 0;
}
