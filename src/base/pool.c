/* SPDX-License-Identifier: MIT */
/* The free list goes through the records themselves, last given first taken, because what was given
 * last is likely still in the cache. */
#include "base/pool.h"

#include <string.h>

#include "base/check.h"

void pool_init(struct pool *pool, void *records, size_t record_size, uint32_t count)
{
    CHECK(record_size >= sizeof(uint32_t));
    CHECK(count < POOL_NONE);
    *pool = (struct pool){
        .records = records,
        .record_size = record_size,
        .count = count,
        .free = POOL_NONE,
    };
}

uint32_t pool_take(struct pool *pool)
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

void pool_give(struct pool *pool, uint32_t index)
{
    CHECK(index < pool->fresh);
    CHECK(index != pool->free);
    CHECK(pool->used > 0);
    memcpy(pool_at(pool, index), &pool->free, sizeof pool->free);
    pool->free = index;
    pool->used--;
}
