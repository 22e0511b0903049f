/* SPDX-License-Identifier: MIT */
/* The fault that damages packets: one bit, anywhere in the packet, is flipped. Which one is drawn
 * from the seed. No offload goes through it for what is sent: a link that fills in checksums
 * afterwards would make the damage good. */
#include "link/fault/fault.h"

static bool corrupt(struct fault *fault, duet_time now, const struct duet_packet *packet)
{
    struct fault_held *held;
    uint64_t bit;

    if (packet->length == 0)
        return fault_pass(fault, now, packet);
    held = fault_hold(fault, now, packet);
    if (held == NULL)
        return false;
    bit = prng_below(&fault->turn.prng, (uint64_t)packet->length * 8);
    held->packet.data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    fault_release(fault, now);
    return true;
}

int duet_fault_corrupt(struct duet_link *inner, const struct duet_fault_choice *choice,
                       struct duet_link **link)
{
    struct fault *fault = fault_new(inner, choice, DUET_FAULT_CORRUPT, corrupt);

    if (fault == NULL)
        return -1;
    fault->link.offload &= (uint32_t)DUET_OFFLOAD_CHECKSUM_IN;
    *link = &fault->link;
    return 0;
}
