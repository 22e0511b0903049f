/* SPDX-License-Identifier: MIT */
/* What came of rounds: their median, and between which values half of them lie. */
#ifndef BENCH_SPREAD_H
#define BENCH_SPREAD_H

#include <stdint.h>

enum { SPREAD_MAX = 41 }; /* rounds */

struct spread {
    uint64_t median, low, high;
};

/* Of values[0, count), at most SPREAD_MAX of them, in any order, which stays. */
struct spread spread_of(const uint64_t *values, uint64_t count);

/* One value over another, of the same round each, in thousandths. */
struct spread spread_of_ratios(const uint64_t *over, const uint64_t *under, uint64_t count);

/* Thousandths on standard output with two digits behind the point, the three of a spread in turn. */
void spread_print_ratio(uint64_t thousandths);
void spread_print(struct spread ratio);

#endif
