/* SPDX-License-Identifier: MIT */
/* A few statistics, without libm: what nobody should be able to guess has to look random. */
#ifndef OBSERVE_STATISTICS_H
#define OBSERVE_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

double statistics_log2(double x); /* x > 0; to about 12 digits */
double statistics_root(double x); /* x >= 0 */

/* Bins that should be equally full: how many standard deviations chi-square lies from what chance
 * gives (by the normal approximation; count of bins >= 2, sum of them >= 1). */
double statistics_uniformity(const uint64_t *bins, size_t count);

/* Bits that x and y tell about each other, from how often each pair of values came: counts[x *
 * columns + y]. Corrected for the bias of few samples (Miller and Madow); at least 0. */
double statistics_mutual_information(const uint64_t *counts, size_t rows, size_t columns);

/* Bits of entropy of bins, by Shannon. */
double statistics_entropy(const uint64_t *bins, size_t count);

/* Correlation of x[i] with y[i], -1 .. 1; 0 where one does not vary. */
double statistics_correlation(const double *x, const double *y, size_t count);

#endif
