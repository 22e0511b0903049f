/* SPDX-License-Identifier: MIT */
/* From a world that fails to the smallest one that fails the same way.
 *
 * Nothing that is left out changes what the seed chose for the rest (luck.h), so leaving out is
 * trying: first connections, then kinds of faults, then single faults, then bytes, then time, and
 * again until nothing more can go. Lists are reduced by delta debugging (Zeller and Hildebrandt,
 * 2002): without one half, without the other, then without quarters, and so on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "duet/sim.h"
#include "sim/swarm/swarm.h"

enum { HITS_MOST = 1 << 16 };

struct shrinker {
    const struct duet_sim_shrinking *how;
    struct duet_sim_recipe *best;
    struct duet_sim_result *result; /* of best */
    unsigned runs;
    bool failed; /* no memory */
};

/* Two violations are the same if they name the same invariant; those that have no number, if they
 * are worded alike up to the particulars. */
static bool is_same(const char *a, const char *b)
{
    const char *end = strchr(a, a[0] == 'I' ? ':' : '(');
    size_t length = end != NULL ? (size_t)(end - a) : strlen(a);

    return strncmp(a, b, length) == 0;
}

static bool is_spent(const struct shrinker *s)
{
    return s->failed || s->runs >= s->how->runs_most;
}

/* Does this world fail, too? Then it is the best one. */
static bool try_recipe(struct shrinker *s, const struct duet_sim_recipe *recipe)
{
    struct duet_sim_result result;
    struct duet_sim_recipe copy;

    if (is_spent(s))
        return false;
    s->runs++;
    if (s->how->told != NULL)
        s->how->told(s->how->context, s->runs, s->best);
    if (s->how->run(s->how->context, recipe, &result) != 0 || !result.failed ||
        !is_same(s->result->violation, result.violation))
        return false;
    if (duet_sim_recipe_copy(recipe, &copy) != 0) {
        s->failed = true;
        return false;
    }
    duet_sim_recipe_free(s->best);
    *s->best = copy;
    *s->result = result;
    return true;
}

/* ---- lists ---- */

/* Puts a list into a recipe. */
typedef void put_list(struct duet_sim_recipe *recipe, void *items, uint32_t count);

static void put_connections(struct duet_sim_recipe *recipe, void *items, uint32_t count)
{
    recipe->connections = items;
    recipe->connection_count = count;
}

static void put_hits(struct duet_sim_recipe *recipe, void *items, uint32_t count)
{
    recipe->has_hits = true;
    recipe->hits = items;
    recipe->hit_count = count;
}

struct list {
    uint8_t *items, *part; /* part: room for as many */
    uint32_t count;
    size_t size; /* of an item */
    put_list *put;
};

/* Without items [from, to). */
static bool try_without(struct shrinker *s, struct list *list, uint32_t from, uint32_t to)
{
    struct duet_sim_recipe recipe = *s->best;
    uint32_t left = list->count - (to - from);

    memcpy(list->part, list->items, from * list->size);
    memcpy(list->part + from * list->size, list->items + to * list->size,
           (list->count - to) * list->size);
    list->put(&recipe, list->part, left);
    if (!try_recipe(s, &recipe))
        return false;
    memcpy(list->items, list->part, left * list->size);
    list->count = left;
    return true;
}

static bool reduce(struct shrinker *s, struct list *list, uint32_t least)
{
    uint32_t chunk = list->count;
    bool has_shrunk = false;

    while (chunk > 0 && !is_spent(s)) {
        for (uint32_t from = 0; from < list->count && !is_spent(s);) {
            uint32_t to = from + chunk < list->count ? from + chunk : list->count;

            if (list->count - (to - from) >= least && try_without(s, list, from, to))
                has_shrunk = true;
            else
                from = to;
        }
        chunk /= 2;
    }
    return has_shrunk;
}

/* A copy of items in a list; what is in it is freed by free_list. */
static bool open_list(struct shrinker *s, struct list *list, const void *items)
{
    list->items = malloc(list->count * list->size + 1);
    list->part = malloc(list->count * list->size + 1);
    s->failed = s->failed || list->items == NULL || list->part == NULL;
    if (!s->failed && items != NULL)
        memcpy(list->items, items, list->count * list->size);
    return !s->failed;
}

static void free_list(struct list *list)
{
    free(list->items);
    free(list->part);
}

/* ---- what can be left out ---- */

static bool fewer_connections(struct shrinker *s)
{
    struct list list = {
        .count = s->best->connection_count, .size = sizeof(uint32_t), .put = put_connections};
    bool has_shrunk = false;

    if (s->best->connections == NULL) {
        struct plan plan;

        if (s->result->connection >= 0) {
            struct duet_sim_recipe recipe = *s->best;
            uint32_t only = (uint32_t)s->result->connection;

            put_connections(&recipe, &only, 1);
            if (try_recipe(s, &recipe))
                return true;
        }
        if (plan_make(s->best, &plan) != 0)
            return false;
        list.count = plan.session_count;
        plan_free(&plan);
    }
    if (open_list(s, &list, s->best->connections)) {
        if (s->best->connections == NULL)
            for (uint32_t i = 0; i < list.count; i++)
                memcpy(list.items + i * list.size, &i, list.size);
        has_shrunk = reduce(s, &list, 1);
    }
    free_list(&list);
    return has_shrunk;
}

static bool fewer_kinds(struct shrinker *s)
{
    bool has_shrunk = false;

    for (unsigned fault = 0; fault < DUET_SIM_FAULTS && !is_spent(s); fault++) {
        struct duet_sim_recipe recipe = *s->best;

        recipe.faults_off |= UINT64_C(1) << fault;
        if (recipe.faults_off != s->best->faults_off)
            has_shrunk = try_recipe(s, &recipe) || has_shrunk;
    }
    return has_shrunk;
}

/* What strikes is written down, and then the list is reduced. */
static bool fewer_hits(struct shrinker *s)
{
    struct list list = {.size = sizeof(struct duet_sim_hit), .put = put_hits};
    struct duet_sim_hits hits = {.room = HITS_MOST};
    struct duet_sim_options options = {.check = s->how->check, .hits = &hits};
    struct duet_sim_recipe recipe = *s->best;
    struct duet_sim_result result;
    bool has_shrunk = false;

    if (s->best->has_hits) {
        list.count = s->best->hit_count;
        if (open_list(s, &list, s->best->hits))
            has_shrunk = reduce(s, &list, 0);
        free_list(&list);
        return has_shrunk;
    }
    hits.hits = malloc(HITS_MOST * sizeof *hits.hits);
    if (hits.hits != NULL && duet_sim_run(s->best, &options, &result) == 0 && !hits.lost) {
        put_hits(&recipe, hits.hits, (uint32_t)hits.count);
        has_shrunk = try_recipe(s, &recipe);
    }
    free(hits.hits);
    return has_shrunk;
}

static bool fewer_bytes(struct shrinker *s)
{
    static const uint32_t sizes[] = {1, 10, 100, 1000, 3000, 10000, 100000, 1000000};

    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct duet_sim_recipe recipe = *s->best;

        recipe.bytes_max = sizes[i];
        if (s->best->bytes_max != 0 && sizes[i] >= s->best->bytes_max)
            return false;
        if (try_recipe(s, &recipe))
            return true;
    }
    return false;
}

static bool less_time(struct shrinker *s)
{
    for (duet_time heal = DUET_MICROSECOND; heal < 10000 * DUET_SECOND; heal *= 10) {
        struct duet_sim_recipe recipe = *s->best;

        recipe.heal_at = heal;
        if (s->best->heal_at != 0 && heal >= s->best->heal_at)
            return false;
        if (try_recipe(s, &recipe))
            return true;
    }
    return false;
}

int duet_sim_shrink(const struct duet_sim_recipe *recipe, const struct duet_sim_shrinking *how,
                    struct duet_sim_recipe *smallest, struct duet_sim_result *result)
{
    struct shrinker s = {.how = how, .best = smallest, .result = result};
    bool has_shrunk;

    if (duet_sim_recipe_copy(recipe, smallest) != 0) {
        errno = ENOMEM;
        return -1;
    }
    if (how->run(how->context, recipe, result) != 0 || !result->failed)
        return 0;
    do {
        has_shrunk = fewer_connections(&s);
        has_shrunk = fewer_kinds(&s) || has_shrunk;
        has_shrunk = fewer_hits(&s) || has_shrunk;
        has_shrunk = fewer_bytes(&s) || has_shrunk;
        has_shrunk = less_time(&s) || has_shrunk;
    } while (has_shrunk && !is_spent(&s));
    errno = s.failed ? ENOMEM : 0;
    return s.failed ? -1 : 0;
}
