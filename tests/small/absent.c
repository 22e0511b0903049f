/* SPDX-License-Identifier: MIT */
/* What the player of timelines asks of every stack, and a small one has not: it then has nothing to tell. */
#include <duet/trace.h>

const char *duet_check(const struct duet_stack *stack)
{
    (void)stack;
    return NULL;
}

bool duet_next_trace(struct duet_stack *stack, struct duet_trace_event *event)
{
    (void)stack;
    (void)event;
    return false;
}

uint64_t duet_rule_hits(const struct duet_stack *stack, unsigned index)
{
    (void)stack;
    (void)index;
    return UINT64_MAX;
}

uint64_t duet_edge_hits(const struct duet_stack *stack, unsigned index)
{
    (void)stack;
    (void)index;
    return UINT64_MAX;
}
