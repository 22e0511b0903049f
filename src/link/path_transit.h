/* SPDX-License-Identifier: MIT */
/* Packets on their way to one end of a path, in the order of their arrival.
 *
 * Nearly all arrive in the order in which they were sent: these stand in a ring. The few that take
 * longer stand in a heap. Bytes lie in slots of one size, which are made in slabs and used again, so
 * that a packet costs a copy in and a copy out and no allocation. */
#ifndef LINK_PATH_TRANSIT_H
#define LINK_PATH_TRANSIT_H

#include <stdbool.h>
#include <stddef.h>

#include "duet/stack.h"

struct transit_entry {
    duet_time arrival;
    uint64_t number; /* of two that arrive at the same instant the one sent first comes first */
    uint8_t *slot;
};

struct transit {
    size_t slot_size;
    uint8_t *free_slots; /* the first bytes of each point to the next */
    struct transit_slab *slabs;
    struct transit_entry *ring; /* entry n at n % ring_room */
    size_t ring_room;           /* a power of two */
    size_t head, tail;
    struct transit_entry *heap;
    size_t heap_room, heap_count;
    uint64_t number;
};

void transit_init(struct transit *transit, uint32_t mtu);
void transit_free(struct transit *transit);

/* Keeps a copy of the packet, of at most mtu bytes, until arrival. is_late: it may be later than one
 * that is added after it; of the others each arrives no earlier than the one before. False: out of
 * memory. */
bool transit_add(struct transit *transit, duet_time arrival, bool is_late,
                 const struct duet_packet *packet);

/* When the next one arrives, or DUET_NEVER. */
duet_time transit_next(const struct transit *transit);

/* Takes the next one out of a transit that has one; what is more than packet->size is cut. Returns
 * the length it had. */
uint32_t transit_take(struct transit *transit, struct duet_packet *packet);

#endif
