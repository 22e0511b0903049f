/* SPDX-License-Identifier: MIT */
/* Addresses as values. IPv4 lives in the mapped range ::ffff:0:0/96 (RFC 4291, 2.5.5.2). */
#include <string.h>

#include "duet/stack.h"

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

struct duet_address duet_ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return (struct duet_address){{[10] = 0xff, [11] = 0xff, [12] = a, b, c, d}};
}

bool duet_address_is_ipv4(const struct duet_address *address)
{
    return memcmp(address->bytes, mapped_prefix, sizeof mapped_prefix) == 0;
}

bool duet_address_is_any(const struct duet_address *address)
{
    static const struct duet_address any;
    const struct duet_address any_ipv4 = duet_ipv4(0, 0, 0, 0);
    return duet_address_equal(address, &any) || duet_address_equal(address, &any_ipv4);
}

bool duet_address_equal(const struct duet_address *a, const struct duet_address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
