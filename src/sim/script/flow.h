/* SPDX-License-Identifier: MIT */
/* A pair of sockets of a script, and how the script's numbers become those on the wire: sequence
 * numbers of the stack under test are relative to the SYN it sent, timestamps to the first it sent.
 */
#ifndef SCRIPT_FLOW_H
#define SCRIPT_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "duet/stack.h"

enum { FLOW_CLOCK_MARKS = 64 };

struct flow_clock_mark {
    uint32_t script, live;
};

struct flow {
    struct duet_socket_address local, remote; /* local: the stack under test */
    bool local_known;      /* a SYN of the stack was seen, and local_offset is right */
    uint32_t local_offset; /* of the stack's sequence numbers: live = script + offset */
    uint32_t local_isn;    /* live */
    uint32_t remote_offset;

    unsigned clock_marks; /* how many times a timestamp of the stack was seen in the script */
    struct flow_clock_mark clock[FLOW_CLOCK_MARKS]; /* the latest ones, [0] is the first of all */
    duet_time clock_start;                          /* when clock[0] was sent */

    bool text_known;   /* what the stack's user writes follows the pattern */
    uint32_t text_end; /* bytes that the stack's user has written */

    unsigned texts_in;    /* segments with text sent to the stack, since the last pause */
    duet_time text_in_at; /* when the last one was */
    bool replies;         /* the user has answered one at once */
};

/* Byte number offset of every stream in a script, in both directions, counted from the byte after
 * SYN. */
uint8_t flow_pattern(uint32_t n);

/* The stack's user begins to write the pattern from its first byte. */
void flow_begin_text(struct flow *flow);
/* Remembers that the stack sent live where the script says script. */
void flow_clock_learn(struct flow *flow, uint32_t script, uint32_t live, duet_time now);
/* Live value of a script's timestamp and back; the same number while nothing is known. */
uint32_t flow_clock_live(const struct flow *flow, uint32_t script);
uint32_t flow_clock_script(const struct flow *flow, uint32_t live);

#endif
