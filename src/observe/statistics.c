/* SPDX-License-Identifier: MIT */
/* See statistics.h. */
#include "observe/statistics.h"

/* The whole part by halving and doubling, the rest bit by bit: squaring doubles a logarithm. */
double statistics_log2(double x)
{
    double whole = 0, bit = 1, rest = 0;

    while (x >= 2) {
        x /= 2;
        whole += 1;
    }
    while (x < 1) {
        x *= 2;
        whole -= 1;
    }
    for (unsigned i = 0; i < 40; i++) {
        x *= x;
        bit /= 2;
        if (x >= 2) {
            x /= 2;
            rest += bit;
        }
    }
    return whole + rest;
}

/* Newton's method; from above it converges from any start. */
double statistics_root(double x)
{
    double root = x > 1 ? x : 1;

    if (x <= 0)
        return 0;
    for (unsigned i = 0; i < 200; i++)
        root = (root + x / root) / 2;
    return root;
}

static double sum_of(const uint64_t *bins, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += (double)bins[i];
    return sum;
}

double statistics_uniformity(const uint64_t *bins, size_t count)
{
    double expected = sum_of(bins, count) / (double)count;
    double freedom = (double)count - 1, square = 0;

    for (size_t i = 0; i < count; i++)
        square += ((double)bins[i] - expected) * ((double)bins[i] - expected) / expected;
    return (square - freedom) / statistics_root(2 * freedom);
}

double statistics_entropy(const uint64_t *bins, size_t count)
{
    double sum = sum_of(bins, count), entropy = 0;

    for (size_t i = 0; i < count; i++)
        if (bins[i] > 0)
            entropy -= (double)bins[i] / sum * statistics_log2((double)bins[i] / sum);
    return entropy;
}

double statistics_mutual_information(const uint64_t *counts, size_t rows, size_t columns)
{
    double all = sum_of(counts, rows * columns), bits = 0;
    double filled = 0, filled_rows = 0, filled_columns = 0;
    const double per_bit = 2 * 0.6931471805599453; /* of nats, twice */

    for (size_t x = 0; x < rows; x++)
        filled_rows += sum_of(counts + x * columns, columns) > 0;
    for (size_t y = 0; y < columns; y++) {
        double column = 0;

        for (size_t x = 0; x < rows; x++)
            column += (double)counts[x * columns + y];
        filled_columns += column > 0;
        for (size_t x = 0; x < rows; x++) {
            double here = (double)counts[x * columns + y];

            if (here <= 0)
                continue;
            filled += 1;
            bits += here / all *
                    statistics_log2(here * all / (sum_of(counts + x * columns, columns) * column));
        }
    }
    bits -= (filled - filled_rows - filled_columns + 1) / (all * per_bit);
    return bits > 0 ? bits : 0;
}

double statistics_correlation(const double *x, const double *y, size_t count)
{
    double mean_x = 0, mean_y = 0, xx = 0, yy = 0, xy = 0;

    for (size_t i = 0; i < count; i++) {
        mean_x += x[i] / (double)count;
        mean_y += y[i] / (double)count;
    }
    for (size_t i = 0; i < count; i++) {
        xx += (x[i] - mean_x) * (x[i] - mean_x);
        yy += (y[i] - mean_y) * (y[i] - mean_y);
        xy += (x[i] - mean_x) * (y[i] - mean_y);
    }
    return xx > 0 && yy > 0 ? xy / statistics_root(xx) / statistics_root(yy) : 0;
}
