/* SPDX-License-Identifier: MIT */
/* The operating system's TCP over a path of the grid in real time, and duet over the same path, with
 * the same losses, in virtual time. */
#ifndef TOOLS_BENCH_KERNEL_H
#define TOOLS_BENCH_KERNEL_H

#include "bench_measure.h"

/* Of paths that losses keep nearly empty more rounds: they differ by half and more. */
enum {
    KERNEL_ROUNDS = 5,
    KERNEL_ROUNDS_LIGHT = 15,
    KERNEL_ROUNDS_QUICK = 3,
    KERNEL_SHORT = 100000
};

/* One round: each with a seed of its own. */
struct kernel_round {
    char why[MEASURE_WHY];              /* what went wrong; "": nothing */
    uint32_t kernel, duet;              /* goodput, in millionths of the bottleneck */
    duet_time kernel_short, duet_short; /* completion of a flow of KERNEL_SHORT bytes */
    duet_time late; /* the longest time by which the path delivered a packet too late */
};

void kernel_measure(const struct grid_cell *cell, uint64_t seed, struct kernel_round *round);

struct kernel_summary {
    uint32_t kernel, duet;              /* medians */
    uint32_t kernel_least, kernel_most; /* of the rounds */
    uint32_t ratio;                     /* of the medians, in thousandths */
    uint32_t bar;                       /* least ratio that is good enough */
    bool full; /* duet fills the path as far as its losses let anyone; then the ratio is luck */
    duet_time kernel_short, duet_short; /* medians */
    duet_time late;
};

void kernel_sum_up(const struct grid_cell *cell, const struct kernel_round *rounds, unsigned count,
                   struct kernel_summary *summary);

/* The longest that one round may take. */
duet_time kernel_round_time(const struct grid_cell *cell);

#endif
