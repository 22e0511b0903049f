/* SPDX-License-Identifier: MIT */
/* The fault that marks packets as a router with active queue management does (RFC 3168, 5): CE where
 * the packet says that its ends understand it, and otherwise a loss. No TCP checksum covers the
 * field, so no offload is lost on the way. */
#include "link/fault/fault.h"

enum { ECN_MASK = 3, ECN_CE = 3 };

/* The sum of the IPv4 header follows the change of one of its bytes, the second of its word, by
 * the arithmetic of RFC 1624. */
static void mark_ipv4(uint8_t *header)
{
    uint32_t sum = (uint16_t) ~(header[10] << 8 | header[11]);

    sum += (uint16_t)~header[1];
    header[1] |= ECN_CE;
    sum += header[1];
    while (sum > UINT16_MAX)
        sum = (sum & UINT16_MAX) + (sum >> 16);
    header[10] = (uint8_t)(~sum >> 8 & 0xff);
    header[11] = (uint8_t)(~sum & 0xff);
}

static unsigned ecn_of(const struct duet_packet *packet)
{
    unsigned version = packet->length >= 20 ? packet->data[0] >> 4 : 0;

    if (version == 4)
        return packet->data[1] & ECN_MASK;
    return version == 6 ? packet->data[1] >> 4 & ECN_MASK : 0;
}

static bool mark(struct fault *fault, duet_time now, const struct duet_packet *packet)
{
    struct fault_held *held;

    if (ecn_of(packet) == 0) {
        fault->deed = fault->spare_others ? DUET_FAULTS : DUET_FAULT_DROP;
        return fault->spare_others ? fault_pass(fault, now, packet) : true;
    }
    held = fault_hold(fault, now, packet);
    if (held == NULL)
        return false;
    if (held->packet.data[0] >> 4 == 4)
        mark_ipv4(held->packet.data);
    else
        held->packet.data[1] |= ECN_CE << 4;
    fault_release(fault, now);
    return true;
}

int duet_fault_mark(struct duet_link *inner, const struct duet_fault_choice *choice,
                    bool spare_others, struct duet_link **link)
{
    struct fault *fault = fault_new(inner, choice, DUET_FAULT_MARK, mark);

    if (fault == NULL)
        return -1;
    fault->spare_others = spare_others;
    *link = &fault->link;
    return 0;
}
