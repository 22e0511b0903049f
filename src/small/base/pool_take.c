/* SPDX-License-Identifier: MIT */
/* The small build's records of a pool: those given back come first, the latest of them at the head. */
#include "base/pool_take.h"

#include <string.h>

#include "base/check.h"

uint32_t pool_take(struct pool *pool)
{
    uint32_t index = pool->free;
    if (index != POOL_NONE)
        memcpy(&pool->free, pool_at(pool, index), sizeof pool->free);
    else if (pool->fresh < pool->count)
        index = pool->fresh++;
    else
        return POOL_NONE;
    CHECK(index < pool->fresh);
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
