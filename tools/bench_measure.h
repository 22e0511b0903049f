/* SPDX-License-Identifier: MIT */
/* What is measured on a path of the grid. All arithmetic is on integers, so that the table is the
 * same on every machine. */
#ifndef TOOLS_BENCH_MEASURE_H
#define TOOLS_BENCH_MEASURE_H

#include "bench_grid.h"

enum { MEASURE_SIZES = 3, MEASURE_SHORT_ROUNDS = 21, MEASURE_WHY = 160 };
extern const uint32_t measure_sizes[MEASURE_SIZES]; /* of short flows, bytes */

struct measure_result {
    char why[MEASURE_WHY]; /* what went wrong; "": nothing */
    struct duet_bench_bulk_result bulk;
    uint32_t goodput; /* of the bottleneck, of all flows, in millionths */
    uint32_t resent;  /* of all packets, in hundredths of a percent */
    uint32_t jain;    /* of several flows, in thousandths */
    /* Of a single flow: from connect to the last byte. DUET_NEVER: not within a minute. */
    duet_time median[MEASURE_SIZES], late[MEASURE_SIZES]; /* late: the 95th percentile */
};

/* time: of the flows that never end, however many packets that is; 0: as the grid says. */
void measure_cell(const struct grid_cell *cell, uint64_t seed, duet_time time,
                  struct measure_result *result);

/* bytes in span, as millionths of rate. */
uint32_t measure_goodput(uint64_t bytes, duet_time span, uint64_t rate);

/* Sorts and returns the given percentile, 1 .. 100. */
duet_time measure_percentile(duet_time *times, unsigned count, unsigned percent);

#endif
