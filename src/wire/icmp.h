/* SPDX-License-Identifier: MIT */
/* ICMP (RFC 792) and ICMPv6 (RFC 4443) messages: bytes to values and back. */
#ifndef WIRE_ICMP_H
#define WIRE_ICMP_H

#include "wire/ip.h"

enum icmp_kind {
    ICMP_MALFORMED, /* too short, bad checksum, or of the wrong family */
    ICMP_IGNORED,   /* anything a TCP end host does not act on */
    ICMP_ECHO_REQUEST,
    ICMP_UNREACHABLE_SOFT, /* net, host, source route failed; v6: no route, beyond scope, address */
    ICMP_UNREACHABLE_HARD, /* protocol, port (v4 2, 3; v6 admin prohibited 1, port 4) */
    ICMP_PACKET_TOO_BIG,   /* v4 unreachable code 4, v6 type 2: mtu is set */
    ICMP_TIME_EXCEEDED,
    ICMP_PARAMETER_PROBLEM,
    ICMP_SOURCE_QUENCH, /* RFC 6633: dropped without effect */
    ICMP_REDIRECT,      /* ignored */
};

struct icmp_message {
    enum icmp_kind kind;
    uint8_t type, code;
    uint32_t mtu;        /* PACKET_TOO_BIG: as claimed, may be 0 */
    uint16_t identifier; /* ECHO_REQUEST */
    uint16_t sequence;   /* ECHO_REQUEST */
    const uint8_t *data; /* ECHO_REQUEST: what to send back; errors: the quoted packet */
    uint32_t data_length;
};

/* packet->payload is the message; family decides the dialect, so an ICMP packet inside IPv6 is
 * malformed. */
void icmp_parse(const struct ip_packet *packet, struct icmp_message *message);

/* Writes the 8-byte head of an echo reply whose data_length bytes of data already stand at bytes +
 * 8, with the checksum over all of it. The addresses are those of the reply. */
void icmp_build_echo_reply(uint8_t *bytes, uint16_t identifier, uint16_t sequence,
                           uint32_t data_length, const struct duet_address *source,
                           const struct duet_address *destination);

#endif
