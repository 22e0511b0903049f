/* SPDX-License-Identifier: MIT */
/* The grid of paths and the work that is done on each; see bench_grid.h. All arithmetic is on
 * integers, so that the table is the same on every machine. */
#include "bench_grid.h"

#include <stdlib.h>
#include <string.h>

enum { MTU = 1500, SHORT_BUFFER = 1 << 20, BUFFER_LEAST = 1 << 18, BUFFER_MOST = 1 << 28 };

/* The work of a cell ends after a minute, or after as many packets; but at least after those of ten
 * round trips of a full path, because slow start alone takes up to a dozen round trips. */
#define TIME_MAX      (60 * DUET_SECOND)
#define PACKETS_LEAST UINT64_C(120000)
enum { FULL_ROUNDS = 10 };

const uint32_t grid_sizes[GRID_SIZES] = {10000, 100000, 1000000};

struct value {
    const char *name;
    uint64_t number;
    uint32_t burst;
};

static const struct value rtts[] = {{"1", 1, 0}, {"20", 20, 0}, {"100", 100, 0}, {"300", 300, 0}};
static const struct value rates[] = {{"1M", 1000000, 0},
                                     {"10M", 10000000, 0},
                                     {"100M", 100000000, 0},
                                     {"1G", 1000000000, 0},
                                     {"10G", UINT64_C(10000000000), 0}};
/* Packets in a million, each by itself or in runs of 8 on average. */
static const struct value losses[] = {{"0", 0, 1},      {"0.1", 1000, 1},   {"1", 10000, 1},
                                      {"5", 50000, 1},  {"0.1x8", 1000, 8}, {"1x8", 10000, 8},
                                      {"5x8", 50000, 8}};
/* One packet in twenty takes up to so many milliseconds longer. */
enum { REORDER_SHARE = 50000 };
static const struct value reorders[] = {{"0", 0, 0}, {"3", 3, 0}};
enum { SHALLOW, DEEP };
static const struct value buffers[] = {{"shallow", SHALLOW, 0}, {"deep", DEEP, 0}};
static const struct value controllers[] = {{"newreno", 0, 0}};

#define VALUES(array) array, sizeof(array) / sizeof((array)[0])
static const struct property {
    const char *name;
    const struct value *values;
    unsigned count;
} properties[GRID_PROPERTIES] = {
    [GRID_RTT] = {"rtt", VALUES(rtts)},
    [GRID_RATE] = {"rate", VALUES(rates)},
    [GRID_LOSS] = {"loss", VALUES(losses)},
    [GRID_REORDER] = {"reorder", VALUES(reorders)},
    [GRID_BUFFER] = {"buffer", VALUES(buffers)},
    [GRID_CONTROLLER] = {"controller", VALUES(controllers)},
};

const char *grid_property_name(enum grid_property property)
{
    return properties[property].name;
}

unsigned grid_value_count(enum grid_property property)
{
    return properties[property].count;
}

const char *grid_value_name(enum grid_property property, unsigned i)
{
    return properties[property].values[i].name;
}

static const struct value *value_of(const struct grid_cell *cell, enum grid_property property)
{
    return &properties[property].values[cell->at[property]];
}

/* The last property changes fastest. */
bool grid_cell(size_t number, struct grid_cell *cell)
{
    for (unsigned p = GRID_PROPERTIES; p > 0; p--) {
        cell->at[p - 1] = (unsigned char)(number % properties[p - 1].count);
        number /= properties[p - 1].count;
    }
    return number == 0;
}

/* ---- filters ---- */

/* text[0, size) is "NAME=VALUE[,VALUE]...". */
static bool take_word(struct grid_filter *filter, const char *text, size_t size)
{
    const char *end = text + size, *equals = memchr(text, '=', size);
    unsigned p = 0;

    if (equals == NULL)
        return false;
    while (p < GRID_PROPERTIES && (strlen(properties[p].name) != (size_t)(equals - text) ||
                                   strncmp(properties[p].name, text, (size_t)(equals - text)) != 0))
        p++;
    if (p == GRID_PROPERTIES)
        return false;
    memset(filter->has[p], 0, sizeof(filter->has[p]));
    for (const char *at = equals + 1; at <= end;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const size_t length = (size_t)((comma == NULL ? end : comma) - at);
        unsigned v = 0;

        while (v < properties[p].count && (strlen(properties[p].values[v].name) != length ||
                                           strncmp(properties[p].values[v].name, at, length) != 0))
            v++;
        if (v == properties[p].count)
            return false;
        filter->has[p][v] = true;
        at += length + 1;
    }
    return true;
}

bool grid_filter_parse(const char *text, struct grid_filter *filter, char *wrong, size_t size)
{
    memset(filter->has, 1, sizeof(filter->has));
    for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " ")) {
        const size_t length = strcspn(text, " ");

        if (!take_word(filter, text, length)) {
            const size_t kept = length < size ? length : size - 1;

            memcpy(wrong, text, kept);
            wrong[kept] = '\0';
            return false;
        }
        text += length;
    }
    return true;
}

bool grid_filter_takes(const struct grid_filter *filter, const struct grid_cell *cell)
{
    for (unsigned p = 0; p < GRID_PROPERTIES; p++)
        if (!filter->has[p][cell->at[p]])
            return false;
    return true;
}

/* ---- a cell's path ---- */

uint64_t grid_rate(const struct grid_cell *cell)
{
    return value_of(cell, GRID_RATE)->number;
}

duet_time grid_rtt(const struct grid_cell *cell)
{
    return (duet_time)value_of(cell, GRID_RTT)->number * DUET_MILLISECOND;
}

/* Bytes that fill the path: the bandwidth-delay product. */
static uint64_t full_path(const struct grid_cell *cell)
{
    return grid_rate(cell) / 8 / 1000 * value_of(cell, GRID_RTT)->number;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Shallow: a tenth of a full path, deep: two of them; but no fewer than 20 and 40 packets. */
static uint64_t queue_of(const struct grid_cell *cell)
{
    return value_of(cell, GRID_BUFFER)->number == SHALLOW ? larger(20 * MTU, full_path(cell) / 10)
                                                          : larger(40 * MTU, full_path(cell) * 2);
}

void grid_options(const struct grid_cell *cell, uint64_t seed, struct duet_bench_options *options)
{
    const struct value *loss = value_of(cell, GRID_LOSS);
    const uint64_t reorder = value_of(cell, GRID_REORDER)->number;

    *options = (struct duet_bench_options){.seed = seed, .time_max = TIME_MAX};
    options->path = (struct duet_path_options){
        .from_a = {.rate = grid_rate(cell),
                   .delay = grid_rtt(cell) / 2,
                   .queue = (uint32_t)queue_of(cell),
                   .loss = (uint32_t)loss->number,
                   .burst = loss->burst,
                   .reorder = reorder == 0 ? 0 : REORDER_SHARE,
                   .reorder_delay = (duet_time)reorder * DUET_MILLISECOND},
        .from_b = {.rate = grid_rate(cell), .delay = grid_rtt(cell) / 2},
        .seed = seed,
        .mtu = MTU};
    /* Twice what the path and its queue hold, because a repair takes a round trip in which the
     * sender goes on. */
    options->buffer = (uint32_t)smaller(
        larger(2 * (full_path(cell) + queue_of(cell)), BUFFER_LEAST), BUFFER_MOST);
}

/* ---- measuring ---- */

/* a * b / c without an overflow on the way, for a * 2^20 and b below 2^43. */
static uint32_t goodput_of(const struct grid_cell *cell, const struct duet_bench_bulk_result *bulk)
{
    const uint64_t us = (uint64_t)(bulk->span / DUET_MICROSECOND);

    return us == 0 ? 0 : (uint32_t)(bulk->bytes[0] * 8 * 1000000 / us * 1000 / grid_rate(cell));
}

static int compare_times(const void *a, const void *b)
{
    const duet_time left = *(const duet_time *)a, right = *(const duet_time *)b;

    return (left > right) - (left < right);
}

static bool measure_short(const struct grid_cell *cell, uint64_t seed, unsigned size,
                          struct grid_result *result)
{
    const struct duet_bench_short flow = {.bytes = grid_sizes[size]};
    duet_time times[GRID_ROUNDS];

    for (unsigned i = 0; i < GRID_ROUNDS; i++) {
        struct duet_bench_options options;
        struct duet_bench_short_result one;

        grid_options(cell, seed + i, &options);
        options.buffer = (uint32_t)smaller(options.buffer, SHORT_BUFFER);
        if (duet_bench_short(&options, &flow, &one, result->why, sizeof(result->why)) != 0)
            return false;
        times[i] = one.time;
    }
    qsort(times, GRID_ROUNDS, sizeof(times[0]), compare_times);
    result->median[size] = times[GRID_ROUNDS / 2];
    result->late[size] = times[(GRID_ROUNDS * 95 + 99) / 100 - 1];
    return true;
}

void grid_measure(const struct grid_cell *cell, uint64_t seed, struct grid_result *result)
{
    struct duet_bench_options options;
    struct duet_bench_bulk bulk = {.flow_count = 1};

    memset(result, 0, sizeof(*result));
    grid_options(cell, seed, &options);
    bulk.packets_max = larger(PACKETS_LEAST, FULL_ROUNDS * full_path(cell) / MTU);
    if (duet_bench_bulk(&options, &bulk, &result->bulk, result->why, sizeof(result->why)) != 0)
        return;
    result->goodput = goodput_of(cell, &result->bulk);
    if (result->bulk.packets > 0)
        result->resent = (uint32_t)(result->bulk.retransmitted * 10000 / result->bulk.packets);
    for (unsigned i = 0; i < GRID_SIZES; i++)
        if (!measure_short(cell, seed, i, result))
            return;
}
