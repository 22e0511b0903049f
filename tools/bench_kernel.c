/* SPDX-License-Identifier: MIT */
/* See bench_kernel.h. Kernel and duet have the same time: real for the one, virtual for the other,
 * of which the first quarter is not counted. */
#include "bench_kernel.h"

#include <string.h>

#include "duet/kernel.h"

/* 60 round trips, but at least 6 s: at 20 ms and 1 % loss that is some hundred losses. */
enum { RUN_ROUND_TRIPS = 60 };
#define RUN_LEAST  (6 * DUET_SECOND)
#define SHORT_MOST (20 * DUET_SECOND)

/* The sockets' buffers may grow as those of duet may, but to no less than the system's usual 4 MB. */
enum { KERNEL_BUFFER_LEAST = 4 << 20 };

/* Where losses, not bursts of the sender, decide, duet is to be as fast; elsewhere it may be 3 %
 * slower. */
enum { BAR_LOSSY = 1000, BAR = 970 };

/* Of full packets so much is text; a path that loses a share of them carries that much less. A
 * thousandth below that it counts as full: more losses were drawn than on average. */
enum { PACKET = 1500, TEXT = 1448, ALL_BUT_LUCK = 999 };

static uint32_t most_of(const struct grid_cell *cell)
{
    const uint64_t million = 1000000, arrives = million - grid_loss(cell);

    return (uint32_t)(arrives * TEXT / PACKET * ALL_BUT_LUCK / 1000);
}

static duet_time run_time(const struct grid_cell *cell)
{
    const duet_time wanted = RUN_ROUND_TRIPS * grid_rtt(cell);

    return wanted > RUN_LEAST ? wanted : RUN_LEAST;
}

duet_time kernel_round_time(const struct grid_cell *cell)
{
    return run_time(cell) + SHORT_MOST;
}

static bool measure_kernel(const struct grid_cell *cell, const struct duet_bench_options *options,
                           struct kernel_round *round)
{
    struct duet_kernel_path_options kernel = {.path = options->path,
                                              .controller = "cubic",
                                              .buffer = options->buffer,
                                              .time_max = options->time_max};
    struct duet_kernel_path_result result;

    if (kernel.buffer < KERNEL_BUFFER_LEAST)
        kernel.buffer = KERNEL_BUFFER_LEAST;
    if (duet_kernel_path(&kernel, &result, round->why, sizeof(round->why)) != 0)
        return false;
    round->kernel = measure_goodput(result.received, result.span, grid_rate(cell));
    round->late = result.late;
    kernel.bytes = KERNEL_SHORT;
    kernel.time_max = SHORT_MOST;
    if (duet_kernel_path(&kernel, &result, round->why, sizeof(round->why)) != 0)
        return false;
    round->kernel_short = result.time;
    return true;
}

static bool measure_duet(const struct grid_cell *cell, const struct duet_bench_options *options,
                         struct kernel_round *round)
{
    const struct duet_bench_short flow = {.bytes = KERNEL_SHORT,
                                          .controller = grid_controller(cell)};
    struct duet_bench_options own = *options;
    struct duet_bench_short_result one;
    struct duet_bench_bulk_result result;
    struct duet_bench_bulk bulk;

    grid_bulk(cell, &bulk);
    bulk.packets_max = UINT64_MAX;
    if (duet_bench_bulk(&own, &bulk, &result, round->why, sizeof(round->why)) != 0)
        return false;
    round->duet = measure_goodput(result.bytes[0], result.span, grid_rate(cell));
    own.time_max = SHORT_MOST;
    if (duet_bench_short(&own, &flow, &one, round->why, sizeof(round->why)) != 0)
        return false;
    round->duet_short = one.time;
    return true;
}

void kernel_measure(const struct grid_cell *cell, uint64_t seed, struct kernel_round *round)
{
    struct duet_bench_options options;

    memset(round, 0, sizeof(*round));
    grid_options(cell, seed, &options);
    options.time_max = run_time(cell);
    if (measure_kernel(cell, &options, round))
        (void)measure_duet(cell, &options, round);
}

void kernel_sum_up(const struct grid_cell *cell, const struct kernel_round *rounds, unsigned count,
                   struct kernel_summary *summary)
{
    duet_time kernel[KERNEL_ROUNDS_LIGHT], duet[KERNEL_ROUNDS_LIGHT];

    *summary = (struct kernel_summary){.bar = grid_is_lossy(cell) ? BAR_LOSSY : BAR};
    for (unsigned i = 0; i < count; i++) {
        kernel[i] = rounds[i].kernel;
        duet[i] = rounds[i].duet;
        if (rounds[i].late > summary->late)
            summary->late = rounds[i].late;
    }
    summary->kernel = (uint32_t)measure_percentile(kernel, count, 50);
    summary->duet = (uint32_t)measure_percentile(duet, count, 50);
    summary->kernel_least = (uint32_t)kernel[0]; /* sorted by now */
    summary->kernel_most = (uint32_t)kernel[count - 1];
    summary->full = summary->duet >= most_of(cell);
    if (summary->kernel > 0)
        summary->ratio = (uint32_t)((uint64_t)summary->duet * 1000 / summary->kernel);
    for (unsigned i = 0; i < count; i++) {
        kernel[i] = rounds[i].kernel_short;
        duet[i] = rounds[i].duet_short;
    }
    summary->kernel_short = measure_percentile(kernel, count, 50);
    summary->duet_short = measure_percentile(duet, count, 50);
}
