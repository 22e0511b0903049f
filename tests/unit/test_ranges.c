/* SPDX-License-Identifier: MIT */
/* Sets of ranges beside a map with one flag a number, in every order that an attacker may choose; how
 * deep their trees become; who may take the last nodes. */
#include "unit.h"

#include <stdlib.h>

#include "base/prng.h"
#include "core/ranges.h"

enum { SPAN = 3000 };

static struct range_space space_new(uint32_t count, uint64_t secret)
{
    struct range_space space = {.random = secret};
    struct range_node *nodes = calloc(count, sizeof *nodes);
    assert_non_null(nodes);
    pool_init(&space.nodes, nodes, sizeof *nodes, count);
    ranges_space_init(&space);
    return space;
}

static void space_free(struct range_space *space)
{
    free(space->nodes.records);
}

/* Order and heap, all the way down; the number of nodes. */
static uint32_t check_tree(const char *row, const struct range_space *space, uint32_t index,
                           uint32_t depth, uint32_t *deepest)
{
    if (index == POOL_NONE)
        return 0;
    const struct range_node *node = pool_at(&space->nodes, index);
    uint32_t count = 1;
    if (depth > *deepest)
        *deepest = depth;
    for (unsigned side = 0; side < 2; side++) {
        const struct range_node *next = pool_at(&space->nodes, node->below[side]);
        if (node->below[side] == POOL_NONE)
            continue;
        EXPECT(row, next->priority <= node->priority);
        EXPECT(row, side == 0 ? seq_lt(next->range.right, node->range.left)
                              : seq_lt(node->range.right, next->range.left));
        count += check_tree(row, space, node->below[side], depth + 1, deepest);
    }
    return count;
}

static void compare(const char *row, const struct range_space *space, const struct ranges *set,
                    struct seq base, const bool *map)
{
    struct range range;
    bool more = ranges_first(space, set, &range);
    for (uint32_t i = 0; i < SPAN;) {
        uint32_t left = i;
        while (left < SPAN && !map[left])
            left++;
        uint32_t right = left;
        while (right < SPAN && map[right])
            right++;
        EXPECT_EQUAL(row, more, left < right);
        if (!more)
            break;
        EXPECT_EQUAL(row, seq_distance(base, range.left), left);
        EXPECT_EQUAL(row, seq_distance(base, range.right), right);
        i = right;
        more = ranges_find(space, set, range.right, &range);
    }
    EXPECT(row, !more);
    uint32_t deepest = 0;
    EXPECT_EQUAL(row, check_tree(row, space, set->root, 1, &deepest), set->count);
    EXPECT_EQUAL(row, ranges_used(space), set->count);
}

static void beside_a_map(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t base, longest;
    } rows[] = {
        {"single numbers", 5, 1},
        {"single numbers across the wrap", (uint32_t)-SPAN / 2, 1},
        {"short", 0x7fffff00, 8},
        {"long", (uint32_t)-100, 200},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct range_space space = space_new(2 * SPAN, i);
        struct ranges set;
        struct prng prng;
        bool map[SPAN] = {false};
        const struct seq base = seq_of(rows[i].base);
        ranges_init(&set);
        prng_seed(&prng, i);
        for (unsigned n = 0; n < 4000; n++) {
            const uint32_t left = (uint32_t)prng_below(&prng, SPAN - 200);
            const uint32_t size = 1 + (uint32_t)prng_below(&prng, rows[i].longest);
            EXPECT(rows[i].name,
                   ranges_add(&space, &set, seq_add(base, left), seq_add(base, left + size)));
            memset(map + left, true, size);
            if (prng_below(&prng, 3) == 0) {
                struct range first;
                EXPECT(rows[i].name, ranges_first(&space, &set, &first));
                memset(map + seq_distance(base, first.left), false,
                       seq_distance(first.left, first.right));
                ranges_drop_first(&space, &set);
            }
            if (n % 40 == 0)
                compare(rows[i].name, &space, &set, base, map);
        }
        compare(rows[i].name, &space, &set, base, map);
        ranges_clear(&space, &set);
        EXPECT_EQUAL(rows[i].name, ranges_used(&space), 0);
        EXPECT_EQUAL(rows[i].name, set.count, 0);
        space_free(&space);
    }
}

static void touching_is_one(void **state)
{
    (void)state;
    struct range_space space = space_new(16, 1);
    struct ranges set;
    struct range range;
    ranges_init(&set);
    EXPECT("empty", !ranges_first(&space, &set, &range));
    EXPECT("one", ranges_add(&space, &set, seq_of(10), seq_of(20)));
    EXPECT("touches on the right", ranges_add(&space, &set, seq_of(20), seq_of(30)));
    EXPECT("touches on the left", ranges_add(&space, &set, seq_of(5), seq_of(10)));
    EXPECT("one apart", ranges_add(&space, &set, seq_of(31), seq_of(32)));
    EXPECT_EQUAL("two", set.count, 2);
    EXPECT("the last one inside", ranges_find(&space, &set, seq_of(29), &range));
    EXPECT_EQUAL("left", range.left.raw, 5);
    EXPECT_EQUAL("right", range.right.raw, 30);
    EXPECT("behind it", ranges_find(&space, &set, seq_of(30), &range));
    EXPECT_EQUAL("the next", range.left.raw, 31);
    EXPECT("nothing behind", !ranges_find(&space, &set, seq_of(32), &range));
    EXPECT("closes the gap", ranges_add(&space, &set, seq_of(30), seq_of(31)));
    EXPECT_EQUAL("one", set.count, 1);
    space_free(&space);
}

/* ---- how deep ---- */

enum order { ASCENDING, DESCENDING, OUTSIDE_IN, RANDOM, ORDERS };

static const char *const order_names[] = {"ascending", "descending", "outside in", "random"};

/* Where piece i of n stands. */
static uint32_t place(enum order order, uint32_t i, uint32_t n, const uint32_t *shuffled)
{
    switch (order) {
    case ASCENDING:
        return i;
    case DESCENDING:
        return n - 1 - i;
    case OUTSIDE_IN:
        return i % 2 == 0 ? i / 2 : n - 1 - i / 2;
    case RANDOM:
        return shuffled[i];
    case ORDERS:
        break;
    }
    return 0;
}

static uint32_t *shuffle(uint32_t n)
{
    uint32_t *at = malloc(n * sizeof *at);
    struct prng prng;
    assert_non_null(at);
    prng_seed(&prng, n);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t j = (uint32_t)prng_below(&prng, i + 1);
        at[i] = at[j];
        at[j] = i;
    }
    return at;
}

/* One number in every two, in each order: the deepest path stays below 5 log2 n + 5, where a list
 * would need n. */
static void depth_is_logarithmic(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {10, 100, 1000, 10000, 100000};
    for (enum order order = 0; order < ORDERS; order++) {
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            const uint32_t n = sizes[i];
            struct range_space space = space_new(2 * n, 77);
            uint32_t *shuffled = shuffle(n);
            struct ranges set;
            ranges_init(&set);
            for (uint32_t k = 0; k < n; k++) {
                const struct seq left = seq_of(0xfffff000 + 2 * place(order, k, n, shuffled));
                EXPECT(order_names[order], ranges_add(&space, &set, left, seq_add(left, 1)));
            }
            uint32_t deepest = 0;
            EXPECT_EQUAL(order_names[order],
                         check_tree(order_names[order], &space, set.root, 1, &deepest), n);
            uint32_t log = 0;
            while (n >> log != 0)
                log++;
            EXPECT(order_names[order], deepest <= 5 * log + 5);
            ranges_clear(&space, &set);
            EXPECT_EQUAL(order_names[order], ranges_used(&space), 0);
            free(shuffled);
            space_free(&space);
        }
    }
}

/* ---- the last nodes ---- */

/* Fills a set until it is refused; how many ranges it has then. */
static uint32_t greedy(struct range_space *space, struct ranges *set)
{
    ranges_init(set);
    for (uint32_t i = 0; i < 1000; i++)
        if (!ranges_add(space, set, seq_of(2 * i), seq_of(2 * i + 1)))
            break;
    return set->count;
}

static void greedy_sets_leave_room(void **state)
{
    (void)state;
    struct range_space space = space_new(120, 3);
    struct ranges sets[3];
    EXPECT_EQUAL("half of all", greedy(&space, &sets[0]), 60);
    EXPECT_EQUAL("half of the rest", greedy(&space, &sets[1]), 30);
    EXPECT_EQUAL("and so on", greedy(&space, &sets[2]), 15);
    EXPECT("refused", !ranges_add(&space, &sets[0], seq_of(5000), seq_of(5001)));
    EXPECT("what touches needs no node", ranges_add(&space, &sets[0], seq_of(1), seq_of(2)));
    EXPECT_EQUAL("and may free one", sets[0].count, 59);
    ranges_clear(&space, &sets[1]);
    EXPECT("room again", ranges_add(&space, &sets[2], seq_of(5000), seq_of(5001)));
    space_free(&space);
    space = space_new(1, 3);
    EXPECT_EQUAL("the only one", greedy(&space, &sets[0]), 1);
    EXPECT_EQUAL("none left", greedy(&space, &sets[1]), 0);
    space_free(&space);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beside_a_map),
        cmocka_unit_test(touching_is_one),
        cmocka_unit_test(depth_is_logarithmic),
        cmocka_unit_test(greedy_sets_leave_room),
    };
    return cmocka_run_group_tests_name("ranges", tests, NULL, NULL);
}
