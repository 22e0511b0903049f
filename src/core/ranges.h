/* SPDX-License-Identifier: MIT */
/* A set of ranges of sequence numbers: disjoint, not touching, all within half of the sequence
 * space. Nodes come from a pool that many sets share.
 *
 * Each set is a treap: a search tree by sequence number that is also a heap by a number drawn when
 * the range was made. Its shape is that of a tree into which the ranges were put in random order,
 * whatever the order in which they came, so the path to any range is expected to be below
 * 2 ln n + 1 long: 19 steps among 10,000. Finding and adding walk one path. What a range swallows
 * is removed, one path each, and was paid for when it was added. So a segment costs O(log n),
 * amortised, and nobody outside can make it worse: the draw begins at a secret.
 *
 * A set is cleared in one step: its tree is put aside as it is, and whoever takes a node afterwards
 * first gives two of such trees back to the pool.
 *
 * A set may grow while it has fewer ranges than are free. So one greedy set gets half of all nodes,
 * and k of them leave one part in k + 1 for the next.
 */
#ifndef CORE_RANGES_H
#define CORE_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "core/seq.h"

struct range {
    struct seq left, right; /* [left, right) */
};

struct range_node {
    struct range range;
    uint32_t below[2]; /* nodes with ranges to the left and to the right, POOL_NONE: none */
    uint32_t priority; /* at least that of both below */
};

struct range_space {
    struct pool nodes; /* of struct range_node */
    uint64_t random;   /* state of the draw, at first a secret */
    uint32_t cleared;  /* first of the trees that were cleared, linked through left; POOL_NONE */
    uint32_t cleared_nodes; /* nodes of all of them: taken from the pool, and free */
};

struct ranges {
    uint32_t root;
    uint32_t count;
};

void ranges_space_init(struct range_space *space);     /* the pool of nodes is ready */
uint32_t ranges_used(const struct range_space *space); /* nodes of all sets */

void ranges_init(struct ranges *set);
/* Adds [left, right), which is not empty, as one range with all that it overlaps or touches. False:
 * it does neither, and there is no node for it. */
bool ranges_add(struct range_space *space, struct ranges *set, struct seq left, struct seq right);
/* The first range that ends behind at. False: there is none. */
bool ranges_find(const struct range_space *space, const struct ranges *set, struct seq at,
                 struct range *found);
bool ranges_first(const struct range_space *space, const struct ranges *set, struct range *found);
/* Removes the leftmost range, which must exist. */
void ranges_drop_first(struct range_space *space, struct ranges *set);
void ranges_clear(struct range_space *space, struct ranges *set);

#endif
