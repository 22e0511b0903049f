/* SPDX-License-Identifier: MIT */
/* What will happen, by time: a heap with four children a node. Of two things at one time the one
 * noted first comes first, so the order never depends on the shape of the heap. */
#ifndef SIM_SWARM_AGENDA_H
#define SIM_SWARM_AGENDA_H

#include <stddef.h>

#include "duet/stack.h"

struct agenda_entry {
    duet_time at;
    uint64_t order;
    uint32_t what, which; /* the owner's */
};

struct agenda {
    struct agenda_entry *heap;
    size_t count, room;
    uint64_t order;
};

/* False: no memory. */
bool agenda_note(struct agenda *agenda, duet_time at, uint32_t what, uint32_t which);
/* Takes the first entry off. False: there is none. */
bool agenda_take(struct agenda *agenda, struct agenda_entry *entry);
void agenda_free(struct agenda *agenda);

#endif
