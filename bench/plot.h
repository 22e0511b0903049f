/* SPDX-License-Identifier: MIT */
/* A picture of what a request costs by the number of open connections. */
#ifndef BENCH_PLOT_H
#define BENCH_PLOT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct plot_point {
    uint32_t connections;
    double ns[2]; /* duet, lwIP; 0: not measured */
};

void bench_plot(FILE *to, const struct plot_point *points, size_t count);

#endif
