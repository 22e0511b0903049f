/* SPDX-License-Identifier: MIT */
/* In which order a picture shows the moments.
 *
 * Only two orders are real: that of the moments at each end, and that a packet arrives after it
 * left. Within these, a packet's departure and arrival are put in one row where nothing happened
 * between them that a reader must see between them. Two packets that crossed on the way, one that
 * was overtaken, and something the receiver did while the packet was under way keep their two
 * moments apart.
 */
#include <errno.h>
#include <stdlib.h>

#include "observe/ladder.h"

struct order {
    const struct ladder *ladder;
    bool *shown;                           /* by moment */
    size_t *under_way[DUET_RECORDER_ENDS]; /* arrows in order of departure, by the end they left */
    size_t under_way_count[DUET_RECORDER_ENDS];
    size_t looked_at[DUET_RECORDER_ENDS]; /* earlier ones arrived before anything that is left */
    struct ladder_row *rows;
    size_t count;
};

static void show(struct order *order, size_t moment, size_t arrival)
{
    order->rows[order->count++] = (struct ladder_row){.moment = moment, .arrival = arrival};
    order->shown[moment] = true;
    if (arrival != LADDER_NONE)
        order->shown[arrival] = true;
}

static duet_time end_of(const struct ladder_arrow *arrow)
{
    return arrow->arrived != DUET_NEVER ? arrow->arrived : arrow->sent;
}

/* Whether a was under way only while b was: then b's moments stand around a's, and a needs one
 * row. */
static bool is_within(const struct ladder_arrow *a, const struct ladder_arrow *b)
{
    return a->sent > b->sent && end_of(a) < end_of(b);
}

/* Whether a packet of the other direction was under way at the same time, for more than an
 * instant. */
static bool is_crossed(struct order *order, const struct ladder_arrow *arrow)
{
    unsigned other = arrow->to;
    size_t *first = &order->looked_at[other];

    while (*first < order->under_way_count[other] &&
           end_of(&order->ladder->arrows[order->under_way[other][*first]]) <= arrow->sent)
        (*first)++;
    for (size_t i = *first; i < order->under_way_count[other]; i++) {
        const struct ladder_arrow *opposite = &order->ladder->arrows[order->under_way[other][i]];

        if (opposite->sent >= arrow->arrived)
            break;
        if (end_of(opposite) > arrow->sent && !is_within(arrow, opposite) &&
            !is_within(opposite, arrow))
            return true;
    }
    return false;
}

/* Whether departure and arrival can share a row: what the receiver still has to do before the
 * arrival is of the same instant, so that it can be shown first. */
static bool can_join(struct order *order, size_t departure)
{
    const struct ladder *ladder = order->ladder;
    const struct ladder_arrow *arrow = &ladder->arrows[ladder->moments[departure].arrow];

    if (arrow->arrival == LADDER_NONE || is_crossed(order, arrow))
        return false;
    for (size_t i = departure + 1; i < arrow->arrival; i++) {
        const struct ladder_moment *moment = &ladder->moments[i];

        if (order->shown[i] || moment->end == arrow->from)
            continue;
        if (moment->end == LADDER_BOTH_ENDS || moment->time != arrow->arrived)
            return false;
        if (moment->kind == LADDER_ARRIVAL &&
            ladder->arrows[moment->arrow].departure != LADDER_NONE &&
            !order->shown[ladder->arrows[moment->arrow].departure])
            return false;
    }
    return true;
}

static void show_departure(struct order *order, size_t departure)
{
    const struct ladder *ladder = order->ladder;
    const struct ladder_arrow *arrow = &ladder->arrows[ladder->moments[departure].arrow];

    if (!can_join(order, departure)) {
        show(order, departure, LADDER_NONE);
        return;
    }
    for (size_t i = departure + 1; i < arrow->arrival; i++)
        if (!order->shown[i] && ladder->moments[i].end == arrow->to)
            show(order, i, LADDER_NONE);
    show(order, departure, arrow->arrival);
}

static void run(struct order *order)
{
    const struct ladder *ladder = order->ladder;

    for (size_t i = 0; i < ladder->arrow_count; i++)
        if (ladder->arrows[i].departure != LADDER_NONE) {
            unsigned from = ladder->arrows[i].from;

            order->under_way[from][order->under_way_count[from]++] = i;
        }
    for (size_t i = 0; i < ladder->moment_count; i++) {
        if (order->shown[i])
            continue;
        if (ladder->moments[i].kind == LADDER_DEPARTURE)
            show_departure(order, i);
        else
            show(order, i, LADDER_NONE);
    }
}

int ladder_order(const struct ladder *ladder, struct ladder_row **rows, size_t *count)
{
    struct order order = {
        .ladder = ladder,
        .shown = calloc(ladder->moment_count + 1, sizeof *order.shown),
        .under_way = {calloc(ladder->arrow_count + 1, sizeof(size_t)),
                      calloc(ladder->arrow_count + 1, sizeof(size_t))},
        .rows = calloc(ladder->moment_count + 1, sizeof *order.rows),
    };
    bool ok = order.shown != NULL && order.under_way[0] != NULL && order.under_way[1] != NULL &&
              order.rows != NULL;

    if (ok)
        run(&order);
    free(order.shown);
    free(order.under_way[0]);
    free(order.under_way[1]);
    if (!ok) {
        free(order.rows);
        errno = ENOMEM;
        return -1;
    }
    *rows = order.rows;
    *count = order.count;
    return 0;
}
