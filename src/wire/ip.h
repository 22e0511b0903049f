/* SPDX-License-Identifier: MIT */
/* IPv4 and IPv6 headers: bytes to values and back, pure and total. Every ingress path goes through
 * ip_parse, so that later code never sees a length from the wire that was not checked. */
#ifndef WIRE_IP_H
#define WIRE_IP_H

#include "wire/address.h"

enum { IP_PROTOCOL_ICMP = 1, IP_PROTOCOL_TCP = 6, IP_PROTOCOL_ICMPV6 = 58, IP_PROTOCOL_NONE = 59 };
enum { IPV4_HEADER = 20, IPV6_HEADER = 40 };

enum ip_verdict {
    IP_OK,
    IP_TRUNCATED,   /* shorter than its header, or than the length its header claims */
    IP_BAD_VERSION, /* neither 4 nor 6 */
    IP_BAD_HEADER,  /* IHL below 5, total length below the header, options malformed; an IPv6 packet
                     * from or to a mapped IPv4 address, which would pass for one */
    IP_BAD_CHECKSUM,   /* IPv4 header checksum wrong */
    IP_FRAGMENT,       /* any fragment but an atomic one (offset 0 and no more) */
    IP_SOURCE_ROUTE,   /* IPv4 LSRR or SSRR, IPv6 routing header with segments left */
    IP_BAD_EXTENSION,  /* IPv6 extension headers: truncated, hop-by-hop not the first, more than 8,
                          over 512 bytes */
    IP_UNKNOWN_OPTION, /* IPv6 option whose action bits forbid processing */
};

struct ip_packet {
    struct duet_address source, destination;
    uint8_t version;       /* 4 or 6 */
    uint8_t protocol;      /* of the payload: after all extension headers */
    uint8_t ttl;           /* or hop limit */
    uint8_t traffic_class; /* DSCP in the upper 6 bits, ECN in the lower 2 */
    uint32_t flow_label;   /* IPv6 */
    uint16_t identification;
    const uint8_t
        *payload; /* inside the bytes given; link padding beyond the total length trimmed */
    uint32_t payload_length;
    uint32_t header_length; /* all of it, options and extension headers included */
};

/* bytes[0, length) is what the link delivered. On any verdict but IP_OK only version is meaningful,
 * and, for verdicts after IP_BAD_CHECKSUM, source and destination. IPv4 options are checked, then
 * ignored (MUST-50); at most 40 steps. IPv6 extension headers are walked without recursion. */
enum ip_verdict ip_parse(const uint8_t *bytes, uint32_t length, struct ip_packet *packet);

/* What a quoted header inside an ICMP error tells; it may be cut after 8 bytes of payload. Returns
 * false if not even that is there, or if it is a later fragment. */
bool ip_parse_quoted(const uint8_t *bytes, uint32_t length, struct ip_packet *packet);

/* Writes the header in front of payload_length bytes, for the version the addresses have, and
 * returns its length (IPV4_HEADER or IPV6_HEADER). IPv4: DF set, identification 0 (RFC 6864:
 * atomic), checksum filled in. Uses source, destination, protocol, ttl, traffic_class, flow_label
 * and payload_length; the rest is ignored. */
uint32_t ip_build(uint8_t *bytes, const struct ip_packet *packet);

/* What kind of address this is; a unicast address of IPv4 may still be a subnet broadcast. */
enum ip_address_kind {
    IP_ADDRESS_UNICAST,
    IP_ADDRESS_UNSPECIFIED, /* 0.0.0.0/8, :: */
    IP_ADDRESS_LOOPBACK,    /* 127/8, ::1 */
    IP_ADDRESS_MULTICAST,   /* 224/4, ff00::/8 */
    IP_ADDRESS_BROADCAST,   /* 255.255.255.255 */
    IP_ADDRESS_RESERVED, /* 240/4 without broadcast, ::/96 without :: and ::1 (IPv4-compatible) */
};
enum ip_address_kind ip_address_kind(const struct duet_address *address);
/* True if address is the all-ones or all-zeros host of that subnet (IPv4, prefix length <= 30). */
bool ip_is_subnet_broadcast(const struct duet_address *address,
                            const struct duet_interface *interface);

#endif
