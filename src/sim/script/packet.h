/* SPDX-License-Identifier: MIT */
/* Packets of a script as bytes and back, as text, and compared. A packet that was seen on the wire
 * is turned into the same structure that the parser makes, with the script's relative numbers, so
 * that there is one way to print and one way to compare.
 */
#ifndef SCRIPT_PACKET_H
#define SCRIPT_PACKET_H

#include "sim/script/flow.h"
#include "sim/script/script.h"

enum { PACKET_BYTES_MAX = 65535, PACKET_PRINT_MAX = 1200 };

/* Writes a packet in to bytes (PACKET_BYTES_MAX of them) and returns its length. flow is whose
 * packet it is. router: where ICMP errors come from. */
uint32_t packet_build(const struct packet_event *packet, const struct flow *flow,
                      const struct duet_address *router, uint8_t *bytes);

/* What a stack sent. */
struct packet_seen {
    struct packet_event event; /* numbers as on the wire; options point to options[] */
    struct packet_option options[SCRIPT_OPTIONS_MAX];
    struct duet_address source, destination;
    uint16_t source_port, destination_port; /* TCP */
    const uint8_t *text;                    /* within the bytes read */
};
/* False, with a reason: the stack sent something that is no packet. Checksums are verified, but for
 * a TCP sum that partial says is left to the link. */
bool packet_read(const uint8_t *bytes, uint32_t length, bool partial, struct packet_seen *seen,
                 const char **reason);
/* From numbers on the wire to those of the script. Learns from a SYN where the stack's numbers
 * begin: script_isn is what the script says there. */
void packet_make_relative(struct packet_seen *seen, struct flow *flow, uint32_t script_isn);

/* In script notation without direction and time; returns to. flow, for timestamps, may be NULL. */
char *packet_print(const struct packet_event *packet, const struct flow *flow, char *to,
                   size_t size);

struct packet_rules {
    bool free_option_order;
    bool any_push;          /* PSH is not compared */
    uint32_t ts_tick_usecs; /* 0: timestamps are not checked */
    uint32_t tolerance_usecs;
};
/* Compares a packet out with what was sent at now, in relative numbers. False: why says what
 * differs. On success the flow learns the timestamps. */
bool packet_matches(const struct packet_event *expected, const struct packet_event *actual,
                    struct flow *flow, const struct packet_rules *rules, duet_time now, char *why,
                    size_t size);

#endif
