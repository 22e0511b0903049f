/* SPDX-License-Identifier: MIT */
/* The small build's stand-in for src/wire/ip_versions.h: IPv6 is a version that nobody knows. */
#ifndef WIRE_IP_VERSIONS_H
#define WIRE_IP_VERSIONS_H

#include "wire/ip.h"

enum { IP_QUOTED_PAYLOAD_MIN = 8 }; /* RFC 792: an error quotes the header and 64 bits more */

enum ip_verdict ipv4_parse(const uint8_t *bytes, uint32_t length, struct ip_packet *packet);
bool ipv4_parse_quoted(const uint8_t *bytes, uint32_t length, struct ip_packet *packet);
uint32_t ipv4_build(uint8_t *bytes, const struct ip_packet *packet);

static inline enum ip_verdict ipv6_parse(const uint8_t *bytes, uint32_t length,
                                         struct ip_packet *packet)
{
    (void)bytes;
    (void)length;
    (void)packet;
    return IP_BAD_VERSION;
}

static inline bool ipv6_parse_quoted(const uint8_t *bytes, uint32_t length,
                                     struct ip_packet *packet)
{
    (void)bytes;
    (void)length;
    (void)packet;
    return false;
}

static inline uint32_t ipv6_build(uint8_t *bytes, const struct ip_packet *packet)
{
    (void)bytes;
    (void)packet;
    return 0;
}

#endif
