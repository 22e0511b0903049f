/* SPDX-License-Identifier: MIT */
/* The one writer of the state. Every change is looked up in tcp_edges.def, counted, and traced with
 * the rule that caused it; a change that is not in the table is a bug and stops the stack. */
#include "base/check.h"
#include "core/state.h"

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

/* Counts and traces an edge; c only where there is a connection whose numbers can be shown. */
static void record(struct duet_stack *s, const struct tcp_tuple *tuple, const struct tcp_conn *c,
                   enum duet_state from, enum duet_state to, enum tcp_rule rule)
{
    enum tcp_edge edge = find_edge(from, to);
    if (FEATURE_RULE_COUNTS)
        s->edge_hits[edge]++;
    count_rule(s, rule);
    trace_state(s, tuple, c, from, edge, to, rule);
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
