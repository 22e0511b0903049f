/* SPDX-License-Identifier: MIT */
/* What is asked of an address with each packet, in line: the public functions of the same meaning
 * (duet/stack.h) are calls. */
#ifndef WIRE_ADDRESS_H
#define WIRE_ADDRESS_H

#include <string.h>

#include "duet/stack.h"
#include "wire/family.h"

static inline bool address_equal(const struct duet_address *a, const struct duet_address *b)
{
    uint64_t x[2], y[2];
    memcpy(x, a->bytes, sizeof x);
    memcpy(y, b->bytes, sizeof y);
    return x[0] == y[0] && x[1] == y[1];
}

/* No address of either family. */
static inline bool address_is_any(const struct duet_address *address)
{
    static const uint8_t any_ipv4[16] = {[10] = 0xff, [11] = 0xff};
    uint64_t halves[2], ipv4[2];
    memcpy(halves, address->bytes, sizeof halves);
    memcpy(ipv4, any_ipv4, sizeof ipv4);
    return halves[0] == 0 && (halves[1] == 0 || halves[1] == ipv4[1]);
}

#endif
