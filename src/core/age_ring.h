/* SPDX-License-Identifier: MIT */
/* Positions of a ring of records in order of age, for lives that all last equally long: who came
 * first is due first, so that no record needs a timer or links. Half-open and TIME-WAIT records
 * live in such rings.
 *
 *     head                read         write                    tail
 *   ---|--o--o-x-o--x--x--|--x--x--x--x--|o-o-o-o-o-o-o-x-o-o-o--|---
 *        not yet swept          holes       swept, and arrivals
 *
 * Positions run on for ever; position % capacity is the index. A record that ends in the middle
 * leaves a hole (x). So that holes do not use the ring up, a sweep moves the living up over them,
 * from young to old, a few with each arrival: once at most three quarters of the records have been
 * alive for capacity / 8 arrivals, no living one must give way to a hole.
 *
 * Clocks of records have 32 bits of microseconds; newest_us is the whole clock of the youngest,
 * from which the others lie back by less than an hour.
 */
#ifndef CORE_AGE_RING_H
#define CORE_AGE_RING_H

#include <stdbool.h>
#include <stdint.h>

enum { AGE_RING_SWEEP_STEPS = 8, AGE_RING_SKIPS = 64 }; /* with each arrival */

struct age_ring {
    uint32_t capacity;
    uint32_t alive;
    uint64_t head, tail; /* [head, tail) may be alive */
    uint64_t read, write;
    int64_t newest_us;
    bool sweeping;
};

static inline uint32_t age_ring_index(const struct age_ring *ring, uint64_t position)
{
    return (uint32_t)(position % ring->capacity);
}

static inline bool age_ring_is_full(const struct age_ring *ring)
{
    return ring->tail - ring->head == ring->capacity;
}

/* The position of a new record, the youngest, whose clock says us. The ring must not be full. */
static inline uint64_t age_ring_append(struct age_ring *ring, int64_t us)
{
    ring->alive++;
    ring->newest_us = us;
    return ring->tail++;
}

/* The whole clock of a record from its low bits. */
static inline int64_t age_ring_clock(const struct age_ring *ring, uint32_t us)
{
    return ring->newest_us - (int64_t)((uint32_t)ring->newest_us - us);
}

/* Begins a sweep if one is worth its while. */
static inline void age_ring_sweep_begin(struct age_ring *ring)
{
    uint64_t span = ring->tail - ring->head;
    if (ring->sweeping || span == ring->alive || span < (uint64_t)ring->capacity * 3 / 4)
        return;
    ring->sweeping = true;
    ring->read = ring->tail;
    ring->write = ring->tail;
}

/* The next position to look at. False: nothing is being swept, or this was the end of it. */
static inline bool age_ring_sweep_next(struct age_ring *ring, uint64_t *position)
{
    if (!ring->sweeping)
        return false;
    if (ring->read <= ring->head) {
        ring->head = ring->head < ring->write ? ring->write : ring->head;
        ring->sweeping = false;
        return false;
    }
    *position = --ring->read;
    return true;
}

/* Where the living record at the position just looked at goes; never below it. */
static inline uint64_t age_ring_sweep_keep(struct age_ring *ring)
{
    return --ring->write;
}

#endif
