/* SPDX-License-Identifier: MIT */
/* A snapshot of a stack: what of its block can decide what it will do, packed. Copying the whole block
 * away and back does the same for any use; this is for who does it millions of times, as an explorer
 * of states does, and whose stacks are small: of a block of 30 KB seldom more than 4 KB are in use.
 *
 * One walk over the parts serves both directions, so that they cannot disagree about the order:
 * what says how much follows (counts of pools, heads of rings, bits of the wheel) comes before it.
 *
 *   left out          what                            why nothing is lost
 *   always            configuration, keys, the        never change after init; so a snapshot holds no
 *                     hashes that are kept            secret, and is of use to those with this one alone
 *                     hits of rules and edges, trace  nothing reads them: they go on
 *                     what the watch notes while a    dead between two doors
 *                     segment is being processed
 *   the place of the pair looked up last              is found again
 *   records of a pool that were never used            whoever takes one fills it
 *   records outside of a ring                         the same
 *   empty slots of the wheel, empty buckets           are made empty before
 *   counters of RFC 6056 before the first choice      are zero
 *   answers and guesses of a second, or an interval,  the next one begins at zero
 *   that is over
 */
#include "base/check.h"
#include "core/config.h"
#include "core/state.h"

#include <string.h>

/* One of the two is NULL. */
struct walk {
    uint8_t *to;         /* packs */
    const uint8_t *from; /* restores */
};

/* ---- pieces ---- */

static void move(struct walk *walk, void *bytes, size_t size)
{
    if (walk->from != NULL) {
        memcpy(bytes, walk->from, size);
        walk->from += size;
    } else {
        CHECK(walk->to != NULL);
        memcpy(walk->to, bytes, size);
        walk->to += size;
    }
}

static bool restores(const struct walk *walk)
{
    return walk->from != NULL;
}

/* Members [from, to) of the stack. */
static void move_members(struct walk *walk, struct duet_stack *s, size_t from, size_t to)
{
    move(walk, (uint8_t *)s + from, to - from);
}

/* A table that is all zero unless is_used. */
static void move_table(struct walk *walk, void *table, size_t size, bool is_used)
{
    if (is_used)
        move(walk, table, size);
    else if (restores(walk))
        memset(table, 0, size);
}

static void move_pool(struct walk *walk, struct pool *pool)
{
    move(walk, pool->records, pool->fresh * pool->record_size);
}

/* ---- the wheel and the listeners ---- */

static void empty_wheel(struct wheel *wheel)
{
    for (unsigned level = 0; level < WHEEL_LEVELS; level++)
        for (uint64_t left = wheel->occupied[level]; left != 0; left &= left - 1)
            memset(wheel->slots[level][__builtin_ctzll(left)], 0xff, sizeof wheel->slots[0][0]);
}

static void move_wheel(struct walk *walk, struct wheel *wheel)
{
    if (restores(walk))
        empty_wheel(wheel);
    move(walk, wheel, offsetof(struct wheel, slots));
    move(walk, &wheel->count, sizeof wheel->count);
    for (unsigned level = 0; level < WHEEL_LEVELS; level++)
        for (uint64_t left = wheel->occupied[level]; left != 0; left &= left - 1)
            move(walk, wheel->slots[level][__builtin_ctzll(left)], sizeof wheel->slots[0][0]);
}

static uint32_t *bucket_of(struct duet_stack *s, const struct tcp_listener *listener)
{
    return &s->listener_buckets[listener->local.port % LISTENER_BUCKETS];
}

/* Those that share a bucket bring its head more than once. */
static void move_listeners(struct walk *walk, struct duet_stack *s)
{
    uint32_t count = s->config.listeners_max;
    for (uint32_t i = 0; restores(walk) && i < count; i++)
        if (s->listeners[i].used)
            *bucket_of(s, &s->listeners[i]) = LIST_NONE;
    move(walk, s->listeners, count * sizeof *s->listeners);
    for (uint32_t i = 0; i < count; i++)
        if (s->listeners[i].used)
            move(walk, bucket_of(s, &s->listeners[i]), sizeof(uint32_t));
}

/* ---- tables and rings ---- */

static void move_limits(struct walk *walk, struct duet_stack *s)
{
    move(walk, &s->port_choices, sizeof s->port_choices);
    move(walk, &s->syn_guess_interval, sizeof s->syn_guess_interval);
    move(walk, &s->limit_second, sizeof s->limit_second);
    move_table(walk, s->ports, sizeof s->ports, s->port_choices != 0);
    if (s->limit_second == s->now / DUET_SECOND)
        move(walk, s->limit_counts, sizeof s->limit_counts);
    if (s->syn_guess_interval == tcp_cookie_interval(s))
        move(walk, s->syn_guesses, sizeof s->syn_guesses);
    move(walk, s->spent_cookies, tcp_cookies_kept(&s->config) * sizeof *s->spent_cookies);
}

static void move_rings(struct walk *walk, struct duet_stack *s)
{
    struct half_open_ring *half_open = &s->half_open;
    struct time_wait_ring *time_wait = &s->time_wait;
    struct reply_ring *replies = &s->replies;
    for (uint64_t at = half_open->age.head; at < half_open->age.tail; at++)
        move(walk, &half_open->records[age_ring_index(&half_open->age, at)],
             sizeof *half_open->records);
    for (uint64_t at = time_wait->age.head; at < time_wait->age.tail; at++)
        move(walk, &time_wait->records[age_ring_index(&time_wait->age, at)],
             sizeof *time_wait->records);
    for (uint64_t at = replies->head; at < replies->tail; at++)
        move(walk, &replies->records[at % replies->capacity], sizeof *replies->records);
}

static void move_paths(struct walk *walk, struct path_table *paths)
{
    for (uint32_t i = 0; i < paths->sets * PATH_WAYS; i++) {
        struct path *path = &paths->records[i];
        move(walk, &path->is_used, sizeof path->is_used);
        if (path->is_used)
            move(walk, path, sizeof *path);
    }
}

/* It remembers nothing of records that were never used, not even what another future had in them. */
static void move_watch(struct walk *walk, const struct duet_stack *s)
{
    struct watch *watch = s->watch;
    if (watch == NULL)
        return;
    move(walk, watch, offsetof(struct watch, before));
    move(walk, watch->conns, s->conns.fresh * sizeof watch->conns[0]);
    if (restores(walk))
        memset(&watch->conns[s->conns.fresh], 0,
               (s->conns.count - s->conns.fresh) * sizeof watch->conns[0]);
}

/* ---- the whole ---- */

static void walk_all(struct walk *walk, struct duet_stack *s)
{
    struct pool *const pools[] = {&s->conns,        &s->transfers,    &s->reassemblies,
                                  &s->accurate_ecn, &s->ranges.nodes, &s->buffers.indexes,
                                  &s->buffers.pages};
    move_members(walk, s, offsetof(struct duet_stack, conns), offsetof(struct duet_stack, config));
    move_members(walk, s, offsetof(struct duet_stack, isn_tick),
                 offsetof(struct duet_stack, isn_key));
    move_members(walk, s, offsetof(struct duet_stack, faults),
                 offsetof(struct duet_stack, listener_buckets));
    move_members(walk, s, offsetof(struct duet_stack, half_open),
                 offsetof(struct duet_stack, wheel));
    move_wheel(walk, &s->wheel);
    move_members(walk, s, offsetof(struct duet_stack, owing), offsetof(struct duet_stack, ports));
    move_limits(walk, s);
    move(walk, &s->counters, sizeof s->counters);
    for (unsigned i = 0; i < sizeof pools / sizeof pools[0]; i++)
        move_pool(walk, pools[i]);
    move(walk, s->demux.slots, s->demux.capacity * sizeof *s->demux.slots);
    s->latest.is_placed = s->latest.is_placed && !restores(walk);
    move_listeners(walk, s);
    move_rings(walk, s);
    move_paths(walk, &s->paths);
    move_watch(walk, s);
}

/* The block, and what is said of a part besides it: heads of buckets, bits of paths. */
size_t duet_snapshot_size(const struct duet_stack *s)
{
    return stack_block_size(&s->config) + s->config.listeners_max * sizeof(uint32_t) +
           path_records(&s->config) * sizeof(bool);
}

size_t duet_snapshot(struct duet_stack *s, void *snapshot)
{
    struct walk walk = {.to = snapshot};
    walk_all(&walk, s);
    return (size_t)(walk.to - (uint8_t *)snapshot);
}

void duet_restore(struct duet_stack *s, const void *snapshot)
{
    struct walk walk = {.from = snapshot};
    walk_all(&walk, s);
}
