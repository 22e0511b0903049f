/* SPDX-License-Identifier: MIT */
/* Good IP packets for the tests of headers to spoil. */
#ifndef UNIT_PACKETS_H
#define UNIT_PACKETS_H

#include "unit.h"

#include "base/bytes.h"
#include "wire/ip.h"

enum { PACKET_MAX = 1280 };

struct packet {
    uint8_t bytes[PACKET_MAX];
    uint32_t length;
};

/* 10.0.0.1 > 10.0.0.2, TCP, TTL 64, DSCP 46 with ECT(0), some options, 24 bytes of payload. */
static inline struct packet ipv4_packet(const uint8_t *options, uint32_t options_length)
{
    const uint32_t header = 20 + options_length;
    struct packet packet = {.length = header + 24};
    uint8_t *bytes = packet.bytes;
    bytes[0] = (uint8_t)(0x40 | header / 4);
    bytes[1] = 0xba;
    bytes_put16(bytes + 2, (uint16_t)packet.length);
    bytes_put16(bytes + 4, 0x1c46);
    bytes_put16(bytes + 6, 0x4000);
    bytes[8] = 64;
    bytes[9] = 6;
    bytes_put32(bytes + 12, 0x0a000001);
    bytes_put32(bytes + 16, 0x0a000002);
    if (options_length > 0)
        memcpy(bytes + 20, options, options_length);
    for (uint32_t i = header; i < packet.length; i++)
        bytes[i] = (uint8_t)i;
    return packet;
}

/* Sets the header checksum, by the words of RFC 791 and not by our checksum.c. */
static inline void ipv4_seal(struct packet *packet)
{
    const uint32_t header = (packet->bytes[0] & 15U) * 4;
    uint32_t sum = 0;
    bytes_put16(packet->bytes + 10, 0);
    for (uint32_t i = 0; i < header; i += 2)
        sum += bytes_get16(packet->bytes + i);
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    bytes_put16(packet->bytes + 10, (uint16_t)~sum);
}

/* 2001:db8::1 > 2001:db8::2 with these bytes behind the header. */
static inline struct packet ipv6_packet(uint8_t next_header, const uint8_t *behind, uint32_t length)
{
    struct packet packet = {.length = 40 + length};
    uint8_t *bytes = packet.bytes;
    bytes_put32(bytes, 0x6ba54321); /* traffic class ba, flow label 54321 */
    bytes_put16(bytes + 4, (uint16_t)length);
    bytes[6] = next_header;
    bytes[7] = 63;
    bytes_put32(bytes + 8, 0x20010db8);
    bytes[23] = 1;
    bytes_put32(bytes + 24, 0x20010db8);
    bytes[39] = 2;
    if (length > 0)
        memcpy(bytes + 40, behind, length);
    return packet;
}

static inline struct packet ipv6_with_many_extensions(void)
{
    static const uint8_t behind[] = {
        60, 0, 5, 2,  0, 0, 1, 0, /* hop-by-hop */
        43, 1, 1, 12, 0, 0, 0, 0, /* destination */
        0,  0, 0, 0,  0, 0, 0, 0, /* */
        44, 0, 4, 0,  0, 0, 0, 0, /* routing */
        6,  0, 0, 0,  9, 9, 9, 9, /* atomic fragment */
        1,  2, 3, 4,  5, 6, 7, 8, /* payload */
    };
    return ipv6_packet(0, behind, sizeof behind);
}

#endif
