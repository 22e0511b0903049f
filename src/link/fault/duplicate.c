/* SPDX-License-Identifier: MIT */
/* The fault that sends packets twice, the second directly behind the first. Both carry the same
 * tag: to a recorder they are one packet that arrives twice. */
#include "link/fault/fault.h"

static bool duplicate(struct fault *fault, duet_time now, const struct duet_packet *packet)
{
    if (!fault_pass(fault, now, packet))
        return false;
    /* Held and released at once, so that a link without room for the copy gets it later. */
    (void)fault_hold(fault, now, packet);
    fault_release(fault, now);
    return true;
}

int duet_fault_duplicate(struct duet_link *inner, const struct duet_fault_choice *choice,
                         struct duet_link **link)
{
    struct fault *fault = fault_new(inner, choice, DUET_FAULT_DUPLICATE, duplicate);

    if (fault == NULL)
        return -1;
    *link = &fault->link;
    return 0;
}
