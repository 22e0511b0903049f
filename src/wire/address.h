/* SPDX-License-Identifier: MIT */
/* What is asked of an address with each packet, in line: the public functions of the same meaning
 * (duet/stack.h) are calls. */
#ifndef WIRE_ADDRESS_H
#define WIRE_ADDRESS_H

#include <string.h>

#include "duet/stack.h"

static inline bool address_is_ipv4(const struct duet_address *address)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(address->bytes, prefix, sizeof prefix) == 0;
}

static inline bool address_equal(const struct duet_address *a, const struct duet_address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

#endif
