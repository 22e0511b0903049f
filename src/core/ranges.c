/* SPDX-License-Identifier: MIT */
/* A set of ranges of sequence numbers as a treap; see ranges.h. */
#include "core/ranges.h"

#include "base/check.h"

enum side { LEFT, RIGHT };

static struct range_node *node_at(const struct range_space *space, uint32_t index)
{
    return pool_at(&space->nodes, index);
}

void ranges_init(struct ranges *set)
{
    *set = (struct ranges){.root = POOL_NONE};
}

void ranges_space_init(struct range_space *space)
{
    space->cleared = POOL_NONE;
    space->cleared_nodes = 0;
}

uint32_t ranges_used(const struct range_space *space)
{
    return space->nodes.used - space->cleared_nodes;
}

/* ---- trees that were cleared ---- */

static void put_aside(struct range_space *space, uint32_t root)
{
    node_at(space, root)->range.left.raw = space->cleared;
    space->cleared = root;
}

/* The top of the first tree goes back to the pool; what is below it are trees, too. */
static void give_back_one(struct range_space *space)
{
    uint32_t top = space->cleared;
    if (top == POOL_NONE)
        return;
    struct range_node node = *node_at(space, top);
    space->cleared = node.range.left.raw;
    for (enum side side = LEFT; side <= RIGHT; side++)
        if (node.below[side] != POOL_NONE)
            put_aside(space, node.below[side]);
    pool_give(&space->nodes, top);
    space->cleared_nodes--;
}

/* The next number of SplitMix64 (Steele, Lea and Flood 2014), its upper half. */
static uint32_t draw(struct range_space *space)
{
    uint64_t z = space->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(z >> 32);
}

/* ---- the tree ---- */

/* The first node whose range ends behind at, or POOL_NONE. */
static uint32_t find(const struct range_space *space, const struct ranges *set, struct seq at)
{
    uint32_t found = POOL_NONE;
    for (uint32_t index = set->root; index != POOL_NONE;) {
        const struct range_node *node = node_at(space, index);
        bool ends_behind = seq_lt(at, node->range.right);
        if (ends_behind)
            found = index;
        index = node->below[ends_behind ? LEFT : RIGHT];
    }
    return found;
}

/* Puts a node where its priority wants it: it takes the place of a tree, which splits into what
 * lies to the left and to the right of it. */
static void insert(struct range_space *space, struct ranges *set, uint32_t index)
{
    struct range_node *node = node_at(space, index);
    uint32_t *link = &set->root;
    while (*link != POOL_NONE && node_at(space, *link)->priority >= node->priority) {
        struct range_node *above = node_at(space, *link);
        link = &above->below[seq_lt(above->range.left, node->range.left) ? RIGHT : LEFT];
    }
    uint32_t rest = *link;
    *link = index;
    uint32_t *open[] = {&node->below[LEFT], &node->below[RIGHT]};
    while (rest != POOL_NONE) {
        struct range_node *next = node_at(space, rest);
        enum side side = seq_lt(next->range.left, node->range.left) ? LEFT : RIGHT;
        *open[side] = rest;
        open[side] = &next->below[side == LEFT ? RIGHT : LEFT];
        rest = *open[side];
    }
    *open[LEFT] = *open[RIGHT] = POOL_NONE;
}

/* Takes the node at a link out of the tree: the two trees below it become one. */
static void take_out(struct range_space *space, struct ranges *set, uint32_t *link)
{
    uint32_t gone = *link;
    uint32_t left = node_at(space, gone)->below[LEFT];
    uint32_t right = node_at(space, gone)->below[RIGHT];
    while (left != POOL_NONE && right != POOL_NONE) {
        struct range_node *a = node_at(space, left);
        struct range_node *b = node_at(space, right);
        if (a->priority >= b->priority) {
            *link = left;
            link = &a->below[RIGHT];
            left = *link;
        } else {
            *link = right;
            link = &b->below[LEFT];
            right = *link;
        }
    }
    *link = left != POOL_NONE ? left : right;
    pool_give(&space->nodes, gone);
    set->count--;
}

static void take_out_range(struct range_space *space, struct ranges *set, const struct range *range)
{
    uint32_t *link = &set->root;
    CHECK(*link != POOL_NONE);
    while (!seq_eq(node_at(space, *link)->range.left, range->left)) {
        struct range_node *node = node_at(space, *link);
        link = &node->below[seq_lt(node->range.left, range->left) ? RIGHT : LEFT];
        CHECK(*link != POOL_NONE);
    }
    take_out(space, set, link);
}

/* ---- the set ---- */

static bool add_node(struct range_space *space, struct ranges *set, struct seq left,
                     struct seq right)
{
    if (set->count >= space->nodes.count - ranges_used(space))
        return false;
    give_back_one(space);
    give_back_one(space);
    uint32_t index = pool_take(&space->nodes);
    if (index == POOL_NONE)
        return false;
    *node_at(space, index) = (struct range_node){.range = {left, right}, .priority = draw(space)};
    insert(space, set, index);
    set->count++;
    return true;
}

bool ranges_add(struct range_space *space, struct ranges *set, struct seq left, struct seq right)
{
    CHECK(seq_lt(left, right));
    uint32_t first = find(space, set, seq_sub(left, 1));
    if (first == POOL_NONE || seq_lt(right, node_at(space, first)->range.left))
        return add_node(space, set, left, right);
    struct range *grown = &node_at(space, first)->range;
    for (;;) {
        uint32_t next = find(space, set, grown->right);
        if (next == POOL_NONE || seq_lt(right, node_at(space, next)->range.left))
            break;
        struct range swallowed = node_at(space, next)->range;
        right = seq_max(right, swallowed.right);
        take_out_range(space, set, &swallowed);
    }
    grown->left = seq_min(grown->left, left);
    grown->right = seq_max(grown->right, right);
    return true;
}

bool ranges_find(const struct range_space *space, const struct ranges *set, struct seq at,
                 struct range *found)
{
    uint32_t index = find(space, set, at);
    if (index != POOL_NONE)
        *found = node_at(space, index)->range;
    return index != POOL_NONE;
}

static uint32_t *first_link(const struct range_space *space, struct ranges *set)
{
    uint32_t *link = &set->root;
    while (*link != POOL_NONE && node_at(space, *link)->below[LEFT] != POOL_NONE)
        link = &node_at(space, *link)->below[LEFT];
    return link;
}

bool ranges_first(const struct range_space *space, const struct ranges *set, struct range *found)
{
    struct ranges copy = *set;
    uint32_t index = *first_link(space, &copy);
    if (index != POOL_NONE)
        *found = node_at(space, index)->range;
    return index != POOL_NONE;
}

void ranges_drop_first(struct range_space *space, struct ranges *set)
{
    uint32_t *link = first_link(space, set);
    CHECK(*link != POOL_NONE);
    take_out(space, set, link);
}

void ranges_clear(struct range_space *space, struct ranges *set)
{
    if (set->root != POOL_NONE)
        put_aside(space, set->root);
    space->cleared_nodes += set->count;
    ranges_init(set);
}
