/* SPDX-License-Identifier: MIT */
/* A byte queue made of pages borrowed from a pool only while it holds bytes.
 *
 * Offset 0 is the oldest byte. Bytes may be written beyond the length (what arrived out of order)
 * and become part of the queue when buffer_extend moves the length over them. The pages of a buffer
 * are found through one index record, a ring of page numbers, so that any offset is reached in one
 * step.
 *
 *   index:  [ p7 | p2 | -- | p9 ]      start: offset of byte 0 in the ring of pages
 *               ^start
 */
#ifndef CORE_BUFFER_H
#define CORE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"
#include "wire/checksum.h"

struct buffer {
    uint32_t index;  /* record of the index pool, POOL_NONE while empty */
    uint32_t start;  /* position of byte 0 in the ring, < slots * page size */
    uint32_t length; /* bytes in the queue */
};

/* Who may take the last pages. Text in order must always find room, or two ends whose send queues
 * have eaten all the memory would wait for each other for ever; text out of order comes before what
 * is only queued to be sent. */
enum buffer_claim {
    BUFFER_IN_ORDER,     /* every page */
    BUFFER_OUT_OF_ORDER, /* while more than an eighth of the pages is free */
    BUFFER_TO_SEND,      /* while more than a quarter is */
};

struct buffer_space {
    struct pool pages;
    struct pool indexes;
    uint32_t page_size;
    uint32_t slots; /* pages an index can name; a buffer reaches (slots - 1) * page_size bytes */
};

void buffer_init(struct buffer *buffer);
/* Copies up to size bytes to offset; fewer, even 0, when a pool is empty. offset + size must be
 * within reach. */
uint32_t buffer_write(struct buffer_space *space, struct buffer *buffer, enum buffer_claim claim,
                      uint32_t offset, const uint8_t *from, uint32_t size);
void buffer_extend(struct buffer *buffer, uint32_t size); /* the next size bytes now belong to it */
void buffer_shorten(struct buffer *buffer, uint32_t size); /* the last size bytes no longer do */
/* Copies bytes [offset, offset + size), all of which must be there, adding them to sum if not NULL.
 */
void buffer_read(const struct buffer_space *space, const struct buffer *buffer, uint32_t offset,
                 uint8_t *to, uint32_t size, struct checksum *sum);
/* Room to write in place right behind the queue, to be sent: NULL if a pool is empty. */
uint8_t *buffer_reserve(struct buffer_space *space, struct buffer *buffer, uint32_t *size);
/* The first bytes in place: NULL if empty. */
const uint8_t *buffer_peek(const struct buffer_space *space, const struct buffer *buffer,
                           uint32_t *size);
void buffer_drop(struct buffer_space *space, struct buffer *buffer,
                 uint32_t size); /* from the front */
/* Memory for bytes [offset, offset + size), to be written in place: how many of them there is memory
 * for, from offset on. */
uint32_t buffer_make_room(struct buffer_space *space, struct buffer *buffer,
                          enum buffer_claim claim, uint32_t offset, uint32_t size);
/* The byte at offset, for which there must be memory, and those behind it in its page. */
void *buffer_at(const struct buffer_space *space, const struct buffer *buffer, uint32_t offset);
uint32_t buffer_pages(const struct buffer_space *space, const struct buffer *buffer); /* held */
/* Returns every page, those written beyond the length too. */
void buffer_clear(struct buffer_space *space, struct buffer *buffer);
/* Returns the pages when nothing is in the queue; beyond: bytes held out of order, if any. */
void buffer_settle(struct buffer_space *space, struct buffer *buffer, bool beyond);

#endif
