/* SPDX-License-Identifier: MIT */
/* The grid of paths; see bench_grid.h. */
#include "bench_grid.h"

#include <string.h>

enum { MTU = 1500, BUFFER_LEAST = 1 << 18, BUFFER_MOST = 1 << 28 };

/* A run ends after a minute, or after so many packets; but at least after those of ten round trips
 * of a full path, because slow start alone takes up to a dozen round trips, and at most after
 * PACKETS_MOST. Several flows need longer until they have found their shares. */
#define TIME_MAX           (60 * DUET_SECOND)
#define TIME_MAX_SHARED    (300 * DUET_SECOND)
#define PACKETS_MAX        UINT64_C(120000)
#define PACKETS_MAX_SHARED UINT64_C(3000000)
#define PACKETS_MOST       UINT64_C(400000)
enum { FULL_ROUNDS = 10 };

struct value {
    const char *name;
    uint64_t number;
    uint32_t burst;
};

enum { ONE, TWO, TEN, MIXED, TWO_RTTS };
static const struct value flows[] = {
    {"1", ONE, 0}, {"2", TWO, 0}, {"10", TEN, 0}, {"mixed", MIXED, 0}, {"2rtts", TWO_RTTS, 0}};
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
static const struct value controllers[] = {{"cubic", DUET_CUBIC, 0}, {"newreno", DUET_NEWRENO, 0}};

#define VALUES(array) array, sizeof(array) / sizeof((array)[0])
static const struct property {
    const char *name;
    const struct value *values;
    unsigned count;
} properties[GRID_PROPERTIES] = {
    [GRID_FLOWS] = {"flows", VALUES(flows)},
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

static uint64_t number_of(const struct grid_cell *cell, enum grid_property property)
{
    return value_of(cell, property)->number;
}

/* ---- parts of the grid ---- */

bool grid_is_single(const struct grid_cell *cell)
{
    return number_of(cell, GRID_FLOWS) == ONE;
}

bool grid_is_lossy(const struct grid_cell *cell)
{
    return number_of(cell, GRID_LOSS) >= 10000;
}

static bool is_clean(const struct grid_cell *cell)
{
    return number_of(cell, GRID_LOSS) == 0 && number_of(cell, GRID_REORDER) == 0;
}

static bool is_ordinary(const struct grid_cell *cell)
{
    const uint64_t rtt = number_of(cell, GRID_RTT), rate = grid_rate(cell);

    return (rtt == 20 || rtt == 100) && (rate == 10000000 || rate == 100000000);
}

/* Several flows share only ordinary paths that lose nothing but by their queue; NewReno is looked at
 * with its like and, in "mixed", with CUBIC. */
bool grid_is_in_table(const struct grid_cell *cell)
{
    const uint64_t flow_kind = number_of(cell, GRID_FLOWS);

    if (flow_kind == ONE)
        return true;
    return is_clean(cell) && is_ordinary(cell) &&
           (grid_controller(cell) == DUET_CUBIC || flow_kind == TWO);
}

bool grid_is_quick(const struct grid_cell *cell)
{
    const struct value *loss = value_of(cell, GRID_LOSS);

    if (!grid_is_in_table(cell) || !is_ordinary(cell))
        return false;
    if (!grid_is_single(cell))
        return number_of(cell, GRID_FLOWS) == TWO && grid_rate(cell) == 10000000;
    return loss->number == 0 || loss->number == 10000 ||
           (loss->number == 50000 && loss->burst == 8);
}

/* What one process can carry in real time, and not too much of it. */
bool grid_is_in_kernel(const struct grid_cell *cell)
{
    const struct value *loss = value_of(cell, GRID_LOSS);
    const uint64_t rate = grid_rate(cell);
    const bool is_deep = number_of(cell, GRID_BUFFER) == DEEP;
    const bool is_chosen_loss = loss->burst == 1 || loss->number == 10000;

    if (!grid_is_single(cell) || grid_controller(cell) != DUET_CUBIC)
        return false;
    if (number_of(cell, GRID_REORDER) != 0)
        return loss->number == 0 && is_deep && rate == 100000000;
    return (rate == 10000000 || rate == 100000000) &&
           (is_deep ? is_chosen_loss : loss->number == 0);
}

/* Of 1 % loss and more, and a round trip worth mentioning, there is little to carry; and of 10 Mbit/s
 * in any case. */
bool grid_is_light(const struct grid_cell *cell)
{
    const bool is_slow = grid_rate(cell) <= 10000000 && grid_loss(cell) > 0;

    return (grid_is_lossy(cell) || is_slow) && number_of(cell, GRID_RTT) >= 20;
}

bool grid_is_quick_in_kernel(const struct grid_cell *cell)
{
    const struct value *loss = value_of(cell, GRID_LOSS);

    return grid_is_in_kernel(cell) && number_of(cell, GRID_BUFFER) == DEEP &&
           grid_rate(cell) == 100000000 && number_of(cell, GRID_REORDER) == 0 &&
           (number_of(cell, GRID_RTT) == 20 || number_of(cell, GRID_RTT) == 100) &&
           loss->burst == 1 && loss->number != 1000;
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
    return number_of(cell, GRID_RATE);
}

uint64_t grid_loss(const struct grid_cell *cell)
{
    return number_of(cell, GRID_LOSS);
}

duet_time grid_rtt(const struct grid_cell *cell)
{
    return (duet_time)number_of(cell, GRID_RTT) * DUET_MILLISECOND;
}

/* The bandwidth-delay product. */
uint64_t grid_full_path(const struct grid_cell *cell)
{
    return grid_rate(cell) / 8 / 1000 * number_of(cell, GRID_RTT);
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
    return number_of(cell, GRID_BUFFER) == SHALLOW ? larger(20 * MTU, grid_full_path(cell) / 10)
                                                   : larger(40 * MTU, grid_full_path(cell) * 2);
}

void grid_options(const struct grid_cell *cell, uint64_t seed, struct duet_bench_options *options)
{
    const struct value *loss = value_of(cell, GRID_LOSS);
    const uint64_t reorder = number_of(cell, GRID_REORDER);

    *options = (struct duet_bench_options){
        .seed = seed, .time_max = grid_is_single(cell) ? TIME_MAX : TIME_MAX_SHARED};
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
        larger(2 * (grid_full_path(cell) + queue_of(cell)), BUFFER_LEAST), BUFFER_MOST);
}

enum duet_controller grid_controller(const struct grid_cell *cell)
{
    return (enum duet_controller)number_of(cell, GRID_CONTROLLER);
}

/* Flows of different round trips: the second one's is twice the first one's. They begin a little
 * apart, so that they do not go in step. */
void grid_bulk(const struct grid_cell *cell, struct duet_bench_bulk *bulk)
{
    static const unsigned counts[] = {
        [ONE] = 1, [TWO] = 2, [TEN] = 10, [MIXED] = 2, [TWO_RTTS] = 2};

    *bulk = (struct duet_bench_bulk){
        .flow_count = counts[number_of(cell, GRID_FLOWS)],
        .packets_max = grid_is_single(cell)
                           ? smaller(larger(PACKETS_MAX, FULL_ROUNDS * grid_full_path(cell) / MTU),
                                     PACKETS_MOST)
                           : PACKETS_MAX_SHARED};
    for (unsigned i = 0; i < bulk->flow_count; i++) {
        bulk->flows[i].controller = grid_controller(cell);
        bulk->flows[i].start = (duet_time)i * (grid_rtt(cell) + 37 * DUET_MILLISECOND);
    }
    if (number_of(cell, GRID_FLOWS) == MIXED)
        bulk->flows[1].controller = DUET_NEWRENO;
    if (number_of(cell, GRID_FLOWS) == TWO_RTTS)
        bulk->flows[1].extra_delay = grid_rtt(cell) / 2;
}
