/* SPDX-License-Identifier: MIT */
/* The fault that loses packets: the sender believes they were sent, nobody receives them. */
#include "link/fault/fault.h"

static bool drop(struct fault *fault, duet_time now, const struct duet_packet *packet)
{
    (void)fault;
    (void)now;
    (void)packet;
    return true;
}

int duet_fault_drop(struct duet_link *inner, const struct duet_fault_choice *choice,
                    struct duet_link **link)
{
    struct fault *fault = fault_new(inner, choice, DUET_FAULT_DROP, drop);

    if (fault == NULL)
        return -1;
    *link = &fault->link;
    return 0;
}
