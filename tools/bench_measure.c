/* SPDX-License-Identifier: MIT */
/* One flow that never ends, then short ones; or several that share the path. See bench_measure.h. */
#include "bench_measure.h"

#include <stdlib.h>
#include <string.h>

enum { SHORT_BUFFER = 1 << 20 };

const uint32_t measure_sizes[MEASURE_SIZES] = {10000, 100000, 1000000};

/* In steps that do not overflow below 10^12 bytes and 10^13 bit/s. */
uint32_t measure_goodput(uint64_t bytes, duet_time span, uint64_t rate)
{
    const uint64_t us = (uint64_t)(span / DUET_MICROSECOND);

    return us == 0 ? 0 : (uint32_t)(bytes * 8 * 1000000 / us * 1000000 / rate);
}

static int compare_times(const void *a, const void *b)
{
    const duet_time left = *(const duet_time *)a, right = *(const duet_time *)b;

    return (left > right) - (left < right);
}

duet_time measure_percentile(duet_time *times, unsigned count, unsigned percent)
{
    qsort(times, count, sizeof(times[0]), compare_times);
    return times[(count * percent + 99) / 100 - 1];
}

/* (sum of x)^2 / (n * sum of x^2), in thousandths: R. Jain, D. Chiu, W. Hawe, "A quantitative
 * measure of fairness", 1984. In units of 1024 bytes, so that squares of 16 flows fit. */
static uint32_t jain_of(const uint64_t *bytes, unsigned count)
{
    uint64_t sum = 0, squares = 0;

    for (unsigned i = 0; i < count; i++) {
        const uint64_t x = bytes[i] >> 10;

        sum += x;
        squares += x * x;
    }
    return squares == 0 ? 0 : (uint32_t)(sum * sum / (count * squares / 1000 + 1));
}

static bool measure_short(const struct grid_cell *cell, uint64_t seed, unsigned size,
                          struct measure_result *result)
{
    const struct duet_bench_short flow = {.bytes = measure_sizes[size],
                                          .controller = grid_controller(cell)};
    duet_time times[MEASURE_SHORT_ROUNDS];

    for (unsigned i = 0; i < MEASURE_SHORT_ROUNDS; i++) {
        struct duet_bench_options options;
        struct duet_bench_short_result one;

        grid_options(cell, seed + i, &options);
        if (options.buffer > SHORT_BUFFER)
            options.buffer = SHORT_BUFFER;
        if (duet_bench_short(&options, &flow, &one, result->why, sizeof(result->why)) != 0)
            return false;
        times[i] = one.time;
    }
    result->median[size] = measure_percentile(times, MEASURE_SHORT_ROUNDS, 50);
    result->late[size] = measure_percentile(times, MEASURE_SHORT_ROUNDS, 95);
    return true;
}

void measure_cell(const struct grid_cell *cell, uint64_t seed, duet_time time,
                  struct measure_result *result)
{
    struct duet_bench_options options;
    struct duet_bench_bulk bulk;
    uint64_t bytes = 0;

    memset(result, 0, sizeof(*result));
    grid_options(cell, seed, &options);
    grid_bulk(cell, &bulk);
    if (time != 0) {
        options.time_max = time;
        bulk.packets_max = UINT64_MAX;
    }
    if (duet_bench_bulk(&options, &bulk, &result->bulk, result->why, sizeof(result->why)) != 0)
        return;
    for (unsigned i = 0; i < bulk.flow_count; i++)
        bytes += result->bulk.bytes[i];
    result->goodput = measure_goodput(bytes, result->bulk.span, grid_rate(cell));
    if (result->bulk.packets > 0)
        result->resent = (uint32_t)(result->bulk.retransmitted * 10000 / result->bulk.packets);
    result->jain = jain_of(result->bulk.bytes, bulk.flow_count);
    for (unsigned i = 0; i < MEASURE_SIZES && grid_is_single(cell); i++)
        if (!measure_short(cell, seed, i, result))
            return;
}
