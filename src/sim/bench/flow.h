/* SPDX-License-Identifier: MIT */
/* What the applications of a measurement do: each sender connects and writes a stream of known
 * bytes, the receiver accepts, reads and compares. */
#ifndef SIM_BENCH_FLOW_H
#define SIM_BENCH_FLOW_H

#include "sim/bench/net.h"

#define FLOW_ENDLESS UINT64_MAX

struct flow {
    struct net_host *sender;
    struct duet_handle sending, receiving;
    uint64_t size; /* bytes to send, or FLOW_ENDLESS */
    uint64_t sent, received;
    duet_time progress;   /* when the receiver was last given a byte; DUET_NEVER: not yet */
    duet_time stall;      /* the longest time between two such instants */
    unsigned long_stalls; /* longer than an RTO, and without a cause */
    uint32_t first;       /* sequence number of the first byte */
    bool again_lost;      /* what the receiver waits for was lost while it waited */
};

struct flows {
    struct net net;
    struct flow flow[NET_SENDERS_MAX];
    uint8_t *stream; /* see flow.c */
};

/* False: failed, see net.why. flows_close is due in either case. */
bool flows_open(struct flows *flows, const struct duet_bench_options *options, unsigned count,
                const struct duet_bench_flow *which, char *why, size_t why_size);
void flows_close(struct flows *flows);

/* Flow number connects, and sends size bytes. */
void flow_start(struct flows *flows, unsigned number, uint64_t size);

/* The receiver was given nothing for so long. */
void flow_stalled(struct flow *flow, duet_time stall);

#endif
