/* SPDX-License-Identifier: MIT */
/* The grid of paths that `duet bench paths` measures, and what is measured on each. */
#ifndef TOOLS_BENCH_GRID_H
#define TOOLS_BENCH_GRID_H

#include "duet/bench.h"

/* One path: an index into the values of each property. */
enum grid_property {
    GRID_FLOWS,
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

/* Cell number of the grid, in the order of the table. False past the end. */
bool grid_cell(size_t number, struct grid_cell *cell);

/* Parts of the grid. */
bool grid_is_in_table(const struct grid_cell *cell);  /* what `duet bench paths` measures */
bool grid_is_quick(const struct grid_cell *cell);     /* with --quick */
bool grid_is_in_kernel(const struct grid_cell *cell); /* with --against kernel */
bool grid_is_quick_in_kernel(const struct grid_cell *cell);
/* Of those: little is carried, and losses decide how much. */
bool grid_is_light(const struct grid_cell *cell);

/* A filter: words PROPERTY=VALUE[,VALUE]... that must all hold. Puts the first wrong word, cut to
 * size, into wrong and returns false if there is one. */
struct grid_filter {
    bool has[GRID_PROPERTIES][16];
};
bool grid_filter_parse(const char *text, struct grid_filter *filter, char *wrong, size_t size);
bool grid_filter_takes(const struct grid_filter *filter, const struct grid_cell *cell);

/* The path of a cell, and what runs over it. */
bool grid_is_single(const struct grid_cell *cell); /* one flow, and short flows after it */
bool grid_is_lossy(const struct grid_cell *cell);  /* loses 1 % or more */
uint64_t grid_rate(const struct grid_cell *cell);
uint64_t grid_loss(const struct grid_cell *cell); /* packets in a million */ /* bit/s */
duet_time grid_rtt(const struct grid_cell *cell);
uint64_t grid_full_path(const struct grid_cell *cell); /* bytes that fill it */
void grid_options(const struct grid_cell *cell, uint64_t seed, struct duet_bench_options *options);
enum duet_controller grid_controller(const struct grid_cell *cell);
/* Also sets packets_max to what the table allows. */
void grid_bulk(const struct grid_cell *cell, struct duet_bench_bulk *bulk);

#endif
