/* SPDX-License-Identifier: MIT */
/* The fault of a path narrower than the link: what is longer than its MTU vanishes, and no router
 * says a word (a black hole, RFC 2923, 2.1). */
#include "link/fault/fault.h"

#include <errno.h>

static bool swallow(struct fault *fault, duet_time now, const struct duet_packet *packet)
{
    (void)fault;
    (void)now;
    (void)packet;
    return true;
}

int duet_fault_mtu(struct duet_link *inner, const struct duet_fault_choice *choice, uint32_t mtu,
                   struct duet_link **link)
{
    struct fault *fault;

    if (mtu == 0) {
        errno = EINVAL;
        return -1;
    }
    fault = fault_new(inner, choice, DUET_FAULT_MTU, swallow);
    if (fault == NULL)
        return -1;
    fault->size_max = mtu;
    fault->link.offload &= ~(uint32_t)DUET_OFFLOAD_SEGMENT;
    *link = &fault->link;
    return 0;
}
