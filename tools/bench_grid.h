/* SPDX-License-Identifier: MIT */
/* The grid of paths that `duet bench paths` measures, and what is measured on each. */
#ifndef TOOLS_BENCH_GRID_H
#define TOOLS_BENCH_GRID_H

#include "duet/bench.h"

/* One path: an index into the values of each property. */
enum grid_property {
    GRID_RTT,
    GRID_RATE,
    GRID_LOSS,
    GRID_REORDER,
    GRID_BUFFER,
    GRID_CONTROLLER,
    GRID_PROPERTIES
};

struct grid_cell {
    unsigned char at[GRID_PROPERTIES];
};

const char *grid_property_name(enum grid_property property); /* "rtt" */
unsigned grid_value_count(enum grid_property property);
const char *grid_value_name(enum grid_property property, unsigned i); /* "100M" */

/* Cell number of the whole grid, in the order of the table. False past the end. */
bool grid_cell(size_t number, struct grid_cell *cell);

/* A filter: words PROPERTY=VALUE[,VALUE]... that must all hold. Puts the first wrong word, cut to
 * size, into wrong and returns false if there is one. */
struct grid_filter {
    bool has[GRID_PROPERTIES][16];
};
bool grid_filter_parse(const char *text, struct grid_filter *filter, char *wrong, size_t size);
bool grid_filter_takes(const struct grid_filter *filter, const struct grid_cell *cell);

/* The path of a cell. */
uint64_t grid_rate(const struct grid_cell *cell); /* bit/s */
duet_time grid_rtt(const struct grid_cell *cell);
void grid_options(const struct grid_cell *cell, uint64_t seed, struct duet_bench_options *options);

enum { GRID_SIZES = 3, GRID_ROUNDS = 21 };
extern const uint32_t grid_sizes[GRID_SIZES]; /* of short flows, bytes */

struct grid_result {
    char why[160]; /* what went wrong; "": nothing */
    struct duet_bench_bulk_result bulk;
    uint32_t goodput; /* of the bottleneck, in thousandths */
    uint32_t resent;  /* of all packets, in hundredths of a percent */
    /* From connect to the last byte; DUET_NEVER: not within a minute. */
    duet_time median[GRID_SIZES], late[GRID_SIZES]; /* late: the 95th percentile */
};

void grid_measure(const struct grid_cell *cell, uint64_t seed, struct grid_result *result);

#endif
