/* SPDX-License-Identifier: MIT */
/* The fault that holds packets back for a fixed time, counted from when they would have left.
 * Others pass them meanwhile. */
#include <errno.h>

#include "link/fault/fault.h"

static bool delay(struct fault *fault, duet_time now, const struct duet_packet *packet)
{
    duet_time leaves = packet->departure > now ? packet->departure : now;

    return fault_hold(fault, fault_later(leaves, fault->time), packet) != NULL;
}

int duet_fault_delay(struct duet_link *inner, const struct duet_fault_choice *choice,
                     duet_time extra, struct duet_link **link)
{
    struct fault *fault;

    if (extra < 0) {
        errno = EINVAL;
        return -1;
    }
    fault = fault_new(inner, choice, DUET_FAULT_DELAY, delay);
    if (fault == NULL)
        return -1;
    fault->time = extra;
    *link = &fault->link;
    return 0;
}
