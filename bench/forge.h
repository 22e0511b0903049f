/* SPDX-License-Identifier: MIT */
/* Segments made by hand, as a peer with timestamps, window scaling and SACK sends them over IPv4: for
 * measurements of one stack whose other end costs nothing. */
#ifndef BENCH_FORGE_H
#define BENCH_FORGE_H

#include <stdint.h>

enum {
    FORGE_ROOM = 2048,
    FORGE_FIN = 1,
    FORGE_SYN = 2,
    FORGE_RST = 4,
    FORGE_PSH = 8,
    FORGE_ACK = 16
};

struct forge_segment {
    uint16_t port;   /* the peer's */
    uint16_t beside; /* added to the port of the stack, which is 80 */
    uint16_t flags;
    uint32_t seq, ack, tsval, tsecr;
    uint32_t sack_left, sack_right; /* different: a block */
    uint32_t text;                  /* bytes */
};

/* From 10.0.0.2 to 10.0.0.1. Returns the length of the packet. */
uint32_t bench_forge(uint8_t *bytes, const struct forge_segment *segment);

/* Of a packet that the stack has sent. */
struct forge_read {
    uint16_t port; /* the peer's */
    uint16_t flags;
    uint32_t seq, ack, tsval, text;
};
struct forge_read bench_forge_read(const uint8_t *bytes);

#endif
