/* SPDX-License-Identifier: MIT */
/* The TCP header and its options (RFC 9293, section 3.1 and 3.2): bytes to values and back. */
#ifndef WIRE_TCP_H
#define WIRE_TCP_H

#include "duet/trace.h" /* enum duet_flag */

enum { TCP_HEADER = 20, TCP_OPTIONS_MAX = 40, TCP_SACK_MAX = 4 };
enum { TCP_COOKIE_MIN = 4, TCP_COOKIE_MAX = 16 }; /* RFC 7413, 4.1.1; an even number of bytes */

enum { /* option kinds */
       TCP_OPTION_EOL = 0,
       TCP_OPTION_NOP = 1,
       TCP_OPTION_MSS = 2,
       TCP_OPTION_WINDOW_SCALE = 3,
       TCP_OPTION_SACK_PERMITTED = 4,
       TCP_OPTION_SACK = 5,
       TCP_OPTION_TIMESTAMPS = 8,
       TCP_OPTION_USER_TIMEOUT = 28,
       TCP_OPTION_FAST_OPEN = 34,
};

struct tcp_sack_range {
    uint32_t left, right; /* [left, right), as on the wire */
};

struct tcp_options {
    uint16_t present; /* enum duet_trace_option bits */
    bool
        malformed; /* a length of 0 or 1, or past the header; or a known kind with a wrong length */
    uint16_t mss;
    uint8_t window_scale; /* as sent, may exceed 14 */
    uint8_t sack_count;
    uint32_t tsval, tsecr;
    uint16_t user_timeout; /* RFC 5482, as on the wire: unit in the highest bit, 15 bits of value */
    uint8_t cookie_length; /* RFC 7413: 0 asks for a cookie */
    uint8_t cookie[TCP_COOKIE_MAX];
    struct tcp_sack_range sack[TCP_SACK_MAX];
};

struct tcp_header {
    uint16_t source_port, destination_port;
    uint32_t seq, ack;
    uint16_t flags;  /* enum duet_flag, AE included */
    uint16_t window; /* as on the wire */
    uint16_t urgent;
    uint16_t checksum;
    struct tcp_options options;
    const uint8_t *text;
    uint32_t text_length;
};

enum tcp_verdict_wire {
    TCP_WIRE_OK,
    TCP_WIRE_TRUNCATED,  /* shorter than 20 bytes, or than its Data Offset */
    TCP_WIRE_BAD_OFFSET, /* Data Offset below 5 */
};

/* The checksum is not looked at. Options are walked in at most 40 steps: EOL stops, NOP is one
 * byte, every other kind has a length (MUST-68) of at least 2 within the header; the walk stops at
 * the first that has not, and says malformed (MUST-7). Unknown kinds are skipped (MUST-6); a known
 * kind with a wrong length is skipped and said to be malformed. A kind that comes twice: the last
 * one counts. */
enum tcp_verdict_wire tcp_parse(const uint8_t *bytes, uint32_t length, struct tcp_header *header);

/* Bytes the options in present (with sack_count blocks) take when built, padding included; <= 40.
 * On a SYN: MSS, SACK-permitted + timestamps in one 12-byte group, window scale with a NOP in
 * front, Fast Open with NOPs behind; else NOP NOP timestamps, NOP NOP SACK. The user timeout stands
 * before SACK. What does not fit is left out: the user timeout beside a long cookie, then blocks (a
 * fourth beside timestamps). */
uint32_t tcp_options_size(const struct tcp_options *options);

/* Writes header and options (checksum 0, text not written) and returns their length, Data Offset
 * * 4. */
uint32_t tcp_build(uint8_t *bytes, const struct tcp_header *header);

#endif
