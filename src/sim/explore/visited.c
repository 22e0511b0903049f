/* SPDX-License-Identifier: MIT */
/* The shared set of states; see visited.h. */
#include "visited.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { GOOD = 1, SLOTS_LEAST = 1 << 12 };

/* The low bit is the mark, so that a state is 63 bits; 0 is no state. */
static uint64_t name_of(uint64_t hash)
{
    uint64_t name = hash & ~(uint64_t)GOOD;

    return name == 0 ? 2 : name;
}

static _Atomic uint64_t *slot_at(const struct visited *set, uint64_t at)
{
    return (_Atomic uint64_t *)&set->slots[at & set->mask];
}

int visited_open(struct visited *set, uint64_t bytes, uint64_t *used)
{
    uint64_t slots = SLOTS_LEAST;
    void *memory;

    while (slots * 2 * sizeof *set->slots <= bytes)
        slots *= 2;
    memory = mmap(NULL, slots * sizeof *set->slots, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        errno = ENOMEM;
        return -1;
    }
    set->slots = memory;
    set->mask = slots - 1;
    set->used = used;
    return 0;
}

void visited_close(struct visited *set)
{
    munmap(set->slots, (set->mask + 1) * sizeof *set->slots);
}

bool visited_grow(struct visited *set, uint64_t bytes)
{
    struct visited larger;
    uint64_t size = (set->mask + 1) * sizeof *set->slots;

    if (size * 4 <= bytes)
        bytes = size * 4;
    if (bytes < size * 2 || visited_open(&larger, bytes, set->used) != 0)
        return false;
    for (uint64_t i = 0; i <= set->mask; i++) {
        uint64_t at = set->slots[i] >> 20;
        if (set->slots[i] == 0)
            continue;
        while (larger.slots[at & larger.mask] != 0)
            at++;
        larger.slots[at & larger.mask] = set->slots[i];
    }
    visited_close(set);
    *set = larger;
    return true;
}

uint64_t visited_count(const struct visited *set)
{
    return atomic_load_explicit((_Atomic uint64_t *)set->used, memory_order_relaxed);
}

enum visited_answer visited_add(struct visited *set, uint64_t hash)
{
    uint64_t name = name_of(hash);

    /* The upper half chooses the slot: the low bits of the sum are no worse, but bit 0 is taken. */
    for (uint64_t at = name >> 20;; at++) {
        uint64_t found = atomic_load_explicit(slot_at(set, at), memory_order_acquire);
        if (found == 0) {
            if (visited_count(set) >= (set->mask + 1) / 8 * 7)
                return VISITED_FULL;
            if (atomic_compare_exchange_strong(slot_at(set, at), &found, name)) {
                atomic_fetch_add((_Atomic uint64_t *)set->used, 1);
                return VISITED_NEW;
            }
        }
        if ((found & ~(uint64_t)GOOD) == name)
            return (found & GOOD) != 0 ? VISITED_GOOD : VISITED_KNOWN;
    }
}

void visited_mark_good(struct visited *set, uint64_t hash)
{
    uint64_t name = name_of(hash);

    for (uint64_t at = name >> 20;; at++) {
        uint64_t found = atomic_load_explicit(slot_at(set, at), memory_order_acquire);
        if ((found & ~(uint64_t)GOOD) == name) {
            atomic_fetch_or(slot_at(set, at), GOOD);
            return;
        }
        if (found == 0)
            return;
    }
}
