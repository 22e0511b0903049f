/* SPDX-License-Identifier: MIT */
/* The small build's stand-in for src/base/pool_take.h: calls, which cost less than copies. No record is
 * refused for a test (duet_refuse_record). */
#ifndef BASE_POOL_TAKE_H
#define BASE_POOL_TAKE_H

#include "base/pool.h"

/* POOL_NONE: empty. The content is whatever was there. */
uint32_t pool_take(struct pool *pool);
void pool_give(struct pool *pool, uint32_t index);

#endif
