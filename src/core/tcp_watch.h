/* SPDX-License-Identifier: MIT */
/* The invariants that need a memory: what never goes back, what a refused segment must leave as it
 * was, what a packet that leaves must look like (docs/INVARIANTS.md). Only with config.watch, for
 * tests, simulation and fuzzing: a stack that is not watched has a null pointer here and pays one
 * comparison a door.
 *
 * What is remembered lies in the block like everything else, so that a copy of the block put back
 * is a watched stack put back. The first violation stays and is what duet_check() says from then on.
 */
#ifndef CORE_TCP_WATCH_H
#define CORE_TCP_WATCH_H

#include "core/tcp.h"

struct duet_stack;

/* A connection as it was at the end of the door that touched it last. */
struct watch_conn {
    uint32_t generation; /* of the connection; 0: of none yet */
    struct seq una, nxt;
    struct seq end;   /* behind the last byte that the user has written */
    struct seq right; /* largest right edge that the peer ever offered */
    struct seq rcv_nxt, adv;
    uint32_t wnd, transfer, flags;
    uint32_t tsval; /* latest sent, at ts_at, with has_tsval */
    duet_time ts_at;
    uint8_t state;
    uint8_t retransmissions;
    bool has_tsval;
};

struct watch {
    const char *broken; /* the first invariant that was, or NULL */
    duet_time now;
    uint32_t outputs; /* packets in a row, with no other door between them */

    /* While a segment is being processed: its connection as it was before. */
    struct tcp_conn before;
    struct tcp_transfer transfer;
    uint32_t held; /* ranges */
    uint64_t replies;
    uint16_t dropped; /* enum tcp_rule: why the segment was refused */

    struct watch_conn conns[]; /* by record */
};

uint64_t watch_size(const struct duet_config *config);

/* Compares a connection with what it was, and remembers it in its place. */
void watch_compare(struct duet_stack *s, const struct tcp_conn *c);
/* User calls, timers and arriving segments have touched the connection. */
void watch_settled(struct duet_stack *s, const struct tcp_conn *c);
/* The user has written so many bytes more, which stand in the queue. */
void watch_written(struct duet_stack *s, const struct tcp_conn *c, uint32_t bytes);
/* A segment for the connection, before and after its processing. */
void watch_before(struct duet_stack *s, const struct tcp_conn *c);
void watch_after(struct duet_stack *s, const struct tcp_conn *c, const struct tcp_segment *seg);
/* Any packet that arrived has been processed; replies: s->replies.tail before. */
void watch_input(struct duet_stack *s, const struct duet_packet *packet, uint64_t replies);
/* A packet leaves; is_reply: of no connection. */
void watch_output(struct duet_stack *s, const struct duet_packet *packet, bool is_reply);
void watch_expired(struct duet_stack *s);

/* ---- within the watch ---- */

/* A packet of ours as a reader of its own understands it (tcp_watch_read.c), who is stricter than a
 * receiver would be and knows nothing of src/wire. */
struct watch_segment {
    struct tcp_tuple tuple;
    struct seq seq, ack;
    uint16_t flags; /* enum duet_flag */
    uint32_t window;
    uint32_t text_length;
    bool is_tcp;
    bool has_mss, has_scale, has_timestamps;
    uint8_t scale;
    uint32_t tsval, tsecr;
    uint32_t blocks;
    struct range block[4];
};

/* NULL: well formed; else what is not. */
const char *watch_read(const struct duet_stack *s, const struct duet_packet *packet,
                       struct watch_segment *segment);

/* What is remembered of a connection; what it is now, if nothing is. */
struct watch_conn *watch_of(struct duet_stack *s, const struct tcp_conn *c);
void watch_broken(struct duet_stack *s, const char *what);

#endif
