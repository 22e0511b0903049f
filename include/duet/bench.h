/* SPDX-License-Identifier: MIT */
/* Measurements of stacks over a path (link.h) in virtual time: the same options, the same result, on
 * every machine. Senders stand at end a of the path and one receiver at end b, so that all flows
 * share one bottleneck. Every byte that a receiver is given is compared with the one sent.
 */
#ifndef DUET_BENCH_H
#define DUET_BENCH_H

#include "link.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { DUET_BENCH_FLOWS_MAX = 16 };

/* One flow: a stack that sends to the receiver as fast as it may. */
struct duet_bench_flow {
    enum duet_controller controller;
    duet_time start;       /* when it connects */
    duet_time extra_delay; /* each way, besides the path's, which no other flow has */
};

struct duet_bench_options {
    struct duet_path_options path; /* offload is chosen here */
    uint64_t seed;                 /* of sequence numbers, ports and bytes */
    uint32_t buffer;               /* send and receive buffer of each connection, bytes */
    duet_time time_max;            /* after that much virtual time a run ends */
};

/* ---- bulk: flows that never end ---- */

struct duet_bench_bulk {
    struct duet_bench_flow flows[DUET_BENCH_FLOWS_MAX]; /* in the order in which they start */
    unsigned flow_count;                                /* 1 .. DUET_BENCH_FLOWS_MAX */
    /* The run ends after so many packets from the senders, or after time_max. */
    uint64_t packets_max;
};

struct duet_bench_bulk_result {
    /* Bytes given to the receiver, in order, and the time that took: without the first quarter of
     * the run, by packets or by time, whichever was over first. */
    uint64_t bytes[DUET_BENCH_FLOWS_MAX];
    duet_time span;
    /* Of the whole run. */
    uint64_t packets;       /* sent by the senders */
    uint64_t retransmitted; /* of these, segments sent again */
    uint64_t timeouts;      /* retransmission timers that ran out */
    duet_time stall;        /* the longest time without a byte for a receiver that had had some */
    /* Of such times, those longer than the RTO that was in force at their end, although nothing that
     * repaired them was lost. */
    uint64_t long_stalls;
    struct duet_path_counts path; /* what became of the packets of the senders */
};

/* 0, or -1 and in why one sentence that says what went wrong. */
int duet_bench_bulk(const struct duet_bench_options *options, const struct duet_bench_bulk *bulk,
                    struct duet_bench_bulk_result *result, char *why, size_t size);

/* ---- short flows ---- */

struct duet_bench_short {
    uint32_t bytes;
    enum duet_controller controller;
    /* The network loses the segment with the last byte the first time it is sent. */
    bool lose_last;
};

struct duet_bench_short_result {
    duet_time time; /* from the connect call to the last byte in the receiver's hands; DUET_NEVER:
                     * not within time_max */
    uint64_t packets, retransmitted, timeouts;
    bool tail_lost; /* lose_last: that happened */
};

/* One connection between two new stacks. */
int duet_bench_short(const struct duet_bench_options *options, const struct duet_bench_short *flow,
                     struct duet_bench_short_result *result, char *why, size_t size);

#ifdef __cplusplus
}
#endif
#endif
