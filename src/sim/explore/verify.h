/* SPDX-License-Identifier: MIT */
/* Whether states that look alike behave alike (I-60). */
#ifndef SIM_EXPLORE_VERIFY_H
#define SIM_EXPLORE_VERIFY_H

#include "model.h"

struct verify_entry {
    uint64_t hash, sum; /* of a state, of its successors; 0: empty */
};

struct verify {
    struct verify_entry *entries;
    uint64_t slots, used;
    uint8_t *blocks[ENDS];
    struct model model;
};

/* The world as it is now has this hash: compares it with what had the hash before, if anything did.
 * Leaves the world as it is. */
void verify_state(struct verify *verify, struct machine *machine, uint64_t hash);

#endif
