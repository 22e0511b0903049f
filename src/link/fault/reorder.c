/* SPDX-License-Identifier: MIT */
/* The fault that changes the order: a packet is held until the next one that is not itself held has
 * been sent, and follows it at the same instant. Where no packet comes, it leaves after a limit. */
#include <errno.h>

#include "link/fault/fault.h"

static bool hold_for_next(struct fault *fault, duet_time now, const struct duet_packet *packet)
{
    return fault_hold(fault, fault_later(now, fault->time), packet) != NULL;
}

static void release_behind(struct fault *fault, duet_time now)
{
    for (struct fault_held *held = fault->held; held != NULL; held = held->next)
        held->due = now;
    fault_release(fault, now);
}

int duet_fault_reorder(struct duet_link *inner, const struct duet_fault_choice *choice,
                       duet_time limit, struct duet_link **link)
{
    struct fault *fault;

    if (limit < 0) {
        errno = EINVAL;
        return -1;
    }
    fault = fault_new(inner, choice, DUET_FAULT_REORDER, hold_for_next);
    if (fault == NULL)
        return -1;
    fault->passed = release_behind;
    fault->time = limit;
    *link = &fault->link;
    return 0;
}
