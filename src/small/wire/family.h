/* SPDX-License-Identifier: MIT */
/* The small build's stand-in for src/wire/family.h: everything is IPv4, so nobody needs to ask. An address
 * of IPv6 gets no further than ip_address_kind() (ip.c), and the public duet_address_is_ipv4() still looks. */
#ifndef WIRE_FAMILY_H
#define WIRE_FAMILY_H

#include "duet/stack.h"

static inline bool address_is_ipv4(const struct duet_address *address)
{
    (void)address;
    return true;
}

static inline bool version_is_ipv4(unsigned version)
{
    (void)version;
    return true;
}

#endif
