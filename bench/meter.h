/* SPDX-License-Identifier: MIT */
/* One stack, and what the packets cost that it is given or puts out, by their kind. What arrives is
 * prepared before the clock is read, and what follows from it is cleared away after. */
#ifndef BENCH_METER_H
#define BENCH_METER_H

#include "duet/stack.h"
#include "forge.h"

enum { METER_BATCH = 64 }; /* packets, and connections, at a time */

enum segment_kind {
    IN_DATA,
    IN_ACK,
    IN_REORDERED,
    IN_SACK,
    IN_SYN,
    IN_THIRD,
    IN_FIN,
    IN_RST,
    IN_BAD_SUM,
    IN_STRANGER,
    OUT_DATA,
    OUT_ACK,
    OUT_SYN_ACK,
    OUT_RST,
    KINDS
};

struct meter {
    struct duet_stack *stack;
    void *block;
    duet_time now;
    struct duet_handle listener;
    uint8_t bytes[METER_BATCH][FORGE_ROOM];
    uint32_t lengths[METER_BATCH];
    unsigned count;
    struct duet_packet out;
    struct forge_read sent[METER_BATCH * 2]; /* by the stack, since the latest clear */
    unsigned sent_count;
    int counter; /* of instructions; -1: the kernel does not let us */
    uint64_t ns[KINDS], instructions[KINDS], done[KINDS];
    uint64_t all[KINDS];    /* those too that warmed up */
    enum segment_kind kind; /* that is measured */
    unsigned left;          /* packets, in this batch */
};

/* A stack that listens at the port that bench_forge() has segments sent to. False: it does not start. */
bool meter_open(struct meter *meter);
void meter_close(struct meter *meter);

/* What was measured so far was to warm up. */
void meter_begin(struct meter *meter);

/* A segment for the next meter_arrive(), at most METER_BATCH of them. */
void meter_prepare(struct meter *meter, const struct forge_segment *segment);
void meter_arrive(struct meter *meter);
void meter_arrive_timed(struct meter *meter, enum segment_kind kind);

/* All that is owed leaves; timed, at most METER_BATCH packets do. */
void meter_leave(struct meter *meter);
void meter_leave_timed(struct meter *meter, enum segment_kind kind);

/* Takes events, and closes what has ended. */
void meter_let_go(struct meter *meter);

/* So much time passes. */
void meter_pass(struct meter *meter, duet_time span);

#endif
