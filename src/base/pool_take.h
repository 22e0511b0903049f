/* SPDX-License-Identifier: MIT */
/* Taking and giving back a record, in line: several are borrowed for each message. Included by pool.h. */
#ifndef BASE_POOL_TAKE_H
#define BASE_POOL_TAKE_H

#include <string.h>

#include "base/check.h"
#include "base/pool.h"

/* POOL_NONE: empty. The content is whatever was there. */
static inline uint32_t pool_take(struct pool *pool)
{
    uint32_t index = pool->free;
    if (pool->faults != NULL && pool_refuses(pool->faults))
        return POOL_NONE;
    if (index != POOL_NONE) {
        memcpy(&pool->free, pool_at(pool, index), sizeof pool->free);
        CHECK(pool->free == POOL_NONE || pool->free < pool->fresh);
    } else if (pool->fresh < pool->count) {
        index = pool->fresh++;
    } else {
        return POOL_NONE;
    }
    pool->used++;
    return index;
}

static inline void pool_give(struct pool *pool, uint32_t index)
{
    CHECK(index < pool->fresh);
    CHECK(index != pool->free);
    CHECK(pool->used > 0);
    memcpy(pool_at(pool, index), &pool->free, sizeof pool->free);
    pool->free = index;
    pool->used--;
}

#endif
