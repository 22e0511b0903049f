/* SPDX-License-Identifier: MIT */
/* IPv4 or IPv6? In a small build src/small/wire/family.h stands in for this header, and knows. */
#ifndef WIRE_FAMILY_H
#define WIRE_FAMILY_H

#include <string.h>

#include "duet/stack.h"

static inline bool address_is_ipv4(const struct duet_address *address)
{
    static const uint8_t behind[4] = {0, 0, 0xff, 0xff};
    uint64_t zeros; /* in words, for memcmp() is a call */
    uint32_t word, ones;
    memcpy(&zeros, address->bytes, sizeof zeros);
    memcpy(&word, address->bytes + 8, sizeof word);
    memcpy(&ones, behind, sizeof ones);
    return zeros == 0 && word == ones;
}

/* The same of the version in the head of a packet. */
static inline bool version_is_ipv4(unsigned version)
{
    return version == 4;
}

#endif
