/* SPDX-License-Identifier: MIT */
/* The free list goes through the records themselves, last given first taken, because what was given
 * last is likely still in the cache. */
#include "base/pool.h"

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
