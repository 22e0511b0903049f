/* SPDX-License-Identifier: MIT */
/* A pool: records of one size in one piece of memory, named by index, allocated and freed in O(1).
 * Free records hold the index of the next free one in their first 4 bytes. Never-used records are
 * not touched before they are first taken, so that a large pool costs no resident memory. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Above every index, and fits into a bit-field of 24 bits beside something else. */
#define POOL_NONE UINT32_C(0xffffff)

/* For tests: the record asked for when asked reaches refuse_at is not given, nor with lasting any after
 * it, as if the pool were empty. Several pools may count together. */
struct pool_faults {
    uint64_t asked;
    uint64_t refuse_at; /* 0: none is refused */
    bool lasting;
};

static inline bool pool_refuses(struct pool_faults *faults)
{
    faults->asked++;
    if (faults->refuse_at == 0 || faults->asked < faults->refuse_at)
        return false;
    return faults->lasting || faults->asked == faults->refuse_at;
}

struct pool {
    uint8_t *records;
    size_t record_size;
    uint32_t count;             /* records in all */
    uint32_t fresh;             /* records [fresh, count) have never been used */
    uint32_t free;              /* first free record among [0, fresh), or POOL_NONE */
    uint32_t used;              /* records taken */
    struct pool_faults *faults; /* NULL: none */
};

/* records: count * record_size bytes, aligned for what they hold; record_size >= 4; count <=
 * POOL_NONE. */
void pool_init(struct pool *pool, void *records, size_t record_size, uint32_t count);

static inline void *pool_at(const struct pool *pool, uint32_t index)
{
    return pool->records + (size_t)index * pool->record_size;
}

#include "base/pool_take.h"

#endif
