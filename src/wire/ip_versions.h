/* SPDX-License-Identifier: MIT */
/* What ip.c needs of ipv4.c and ipv6.c. The length is at least one byte, of which the version was
 * read; the packet is zeroed but for the version. Verdicts as ip.h has them. */
#ifndef WIRE_IP_VERSIONS_H
#define WIRE_IP_VERSIONS_H

#include "wire/ip.h"

enum { IP_QUOTED_PAYLOAD_MIN = 8 }; /* RFC 792: an error quotes the header and 64 bits more */

enum ip_verdict ipv4_parse(const uint8_t *bytes, uint32_t length, struct ip_packet *packet);
bool ipv4_parse_quoted(const uint8_t *bytes, uint32_t length, struct ip_packet *packet);
uint32_t ipv4_build(uint8_t *bytes, const struct ip_packet *packet);

enum ip_verdict ipv6_parse(const uint8_t *bytes, uint32_t length, struct ip_packet *packet);
bool ipv6_parse_quoted(const uint8_t *bytes, uint32_t length, struct ip_packet *packet);
uint32_t ipv6_build(uint8_t *bytes, const struct ip_packet *packet);

#endif
