/* SPDX-License-Identifier: MIT */
/* The set of states that were found: 63 bits of the hash of each, and one bit that says whether a
 * kind network leads from it to a good end.
 *
 * An open-addressed table in memory that all processes of an exploration share; entries are set by
 * compare-and-swap and never removed. Two states have the same 63 bits with probability 2^-63: that
 * any two of n states do is at most n^2 / 2^64, one in 180,000 for ten million. Then one of them
 * would not be looked at.
 */
#ifndef SIM_EXPLORE_VISITED_H
#define SIM_EXPLORE_VISITED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct visited {
    uint64_t *slots; /* 0: empty */
    uint64_t mask;   /* slots - 1 */
    uint64_t *used;  /* count, shared like the slots; belongs to the caller */
};

enum visited_answer { VISITED_NEW, VISITED_KNOWN, VISITED_GOOD, VISITED_FULL };

/* As many slots as fit into bytes, a power of two; memory is used as they fill. -1 and errno ENOMEM. */
int visited_open(struct visited *set, uint64_t bytes, uint64_t *used);
void visited_close(struct visited *set);
/* More slots, at most as many as fit into bytes; not while others use the set. False: there is no
 * more memory. */
bool visited_grow(struct visited *set, uint64_t bytes);
/* NEW: it was not there and now is. GOOD: it was, and is known to end well. */
enum visited_answer visited_add(struct visited *set, uint64_t hash);
void visited_mark_good(struct visited *set, uint64_t hash);
uint64_t visited_count(const struct visited *set);

#endif
