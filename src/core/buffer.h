/* SPDX-License-Identifier: MIT */
/* A byte queue made of pages borrowed from a pool only while it holds bytes.
 *
 * Offset 0 is the oldest byte. Bytes may be written beyond the length (what arrived out of order)
 * and become part of the queue when buffer_extend moves the length over them.
 *
 * What lies in one page needs nothing but the number of that page, as nearly all that is small does.
 * Else a buffer finds its pages through an index record, a ring of 16 page numbers:
 *
 *   height 0:  [ p7 | p2 | -- | p9 | .. ]      start: position of byte 0 in the ring
 *                   ^start
 *
 * When bytes lie further apart than that, the buffer grows: each slot then names a page full of page
 * numbers, and so on, as in the page tables of a processor. With pages of 4 KiB, 64 KiB are reached
 * in one step, 64 MiB in two, 64 GiB in three. Pages of numbers come from the same pool and go back
 * when the front has passed them, so a connection with a few bytes costs one page, one with more a
 * record of 68 bytes, and one with megabytes one page in a thousand beside them; nothing is set aside
 * for the largest.
 *
 * A page may be lent: its bytes stay where the user has them, and the page holds their address instead.
 * So it counts, is found and goes back as any other page. Only whole pages are lent, so nothing is ever
 * written to one.
 */
#ifndef CORE_BUFFER_H
#define CORE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"
#include "wire/checksum.h"

enum { BUFFER_SLOTS = 16 };              /* of an index record; a power of two */
enum { BUFFER_ONE_PAGE = 255 };          /* in height: index is the number of a page */
#define BUFFER_REACH (UINT32_C(1) << 31) /* offsets are below this */

struct buffer {
    uint32_t index : 24; /* record of the index pool, or the only page; POOL_NONE while empty */
    uint32_t height : 8; /* pages of numbers between the record and a page of bytes, or ONE_PAGE */
    uint32_t start;      /* position of byte 0; positions are counted modulo 2^32 */
    uint32_t length;     /* bytes in the queue */
};

/* Who may take the last pages. Text in order must always find room, or two ends whose send queues
 * have eaten all the memory would wait for each other for ever; text out of order comes before what
 * is only queued to be sent; and of that the first page of each queue before the rest, so that a few
 * peers who read nothing cannot keep all others from being answered.
 *
 * That alone is first come, first served: what a peer that reads nothing has once been given does not
 * come back. So a quarter of the pages may be set aside (buffer_share()) for buffers with less than
 * their share; what all have beyond their shares is never more than the other three. The same order of
 * claims holds in each part: in the quarter, a quarter of the figures below; in the rest, a half. With
 * 16 pages for each connection nobody can keep any of its buffers from its share, whatever is held
 * elsewhere; with 4, hardly the first page of its send queue. */
enum buffer_claim {
    BUFFER_IN_ORDER,      /* every page */
    BUFFER_OUT_OF_ORDER,  /* while more than an eighth of the pages is free */
    BUFFER_IN_FLIGHT,     /* the same: records of what was sent, without which nothing drains */
    BUFFER_FIRST_TO_SEND, /* while more than three sixteenths are: the first page of a queue */
    BUFFER_TO_SEND,       /* while more than a quarter is */
};

struct buffer_index {
    uint32_t entries[BUFFER_SLOTS];
    uint32_t pages; /* that the buffer has, those of numbers too */
};

struct buffer_space {
    struct pool pages;
    struct pool indexes;         /* of struct buffer_index */
    uint32_t page_log;           /* a page has 2^page_log bytes, at least 64 */
    uint32_t share;              /* pages that a buffer may have of those set aside; 0: none are */
    uint32_t beyond, beyond_max; /* pages that buffers have beyond their shares */
};

/* Sets pages aside. Both pools are ready, and nothing has been taken. */
void buffer_share(struct buffer_space *space);
void buffer_init(struct buffer *buffer);
/* Copies up to size bytes to offset; fewer, even 0, when a pool is empty. offset + size is at most
 * BUFFER_REACH. */
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
/* Puts up to size bytes behind the queue, to be sent; fewer, even 0, when a pool is empty. Those that fill
 * a page are lent: they must stay as they are until they are dropped. The others are copied. */
uint32_t buffer_lend(struct buffer_space *space, struct buffer *buffer, const uint8_t *from,
                     uint32_t size);
struct duet_piece;
/* Where the bytes [offset, offset + size) stand, all of which must be there, in at most `most` pieces.
 * Returns their number; 0: they would be more. */
uint32_t buffer_pieces(const struct buffer_space *space, const struct buffer *buffer,
                       uint32_t offset, uint32_t size, struct duet_piece *pieces, uint32_t most);
/* Where size bytes right behind the queue would stand, if that is in one page which is there already.
 * Else NULL. */
uint8_t *buffer_behind(const struct buffer_space *space, const struct buffer *buffer,
                       uint32_t size);
/* The first bytes in place: NULL if empty. */
const uint8_t *buffer_peek(const struct buffer_space *space, const struct buffer *buffer,
                           uint32_t *size);
void buffer_drop(struct buffer_space *space, struct buffer *buffer,
                 uint32_t size); /* from the front */
/* Memory for bytes [offset, offset + size), to be written in place: how many of them there is memory
 * for, from the first on. */
uint32_t buffer_make_room(struct buffer_space *space, struct buffer *buffer,
                          enum buffer_claim claim, uint32_t offset, uint32_t size);
/* A byte that is there or has room, in place; as many behind it as up to the end of its page. */
void *buffer_at(const struct buffer_space *space, const struct buffer *buffer, uint32_t offset);
/* Does it hold an index record? */
static inline bool buffer_has_record(const struct buffer *buffer)
{
    return buffer->index != POOL_NONE && buffer->height != BUFFER_ONE_PAGE;
}

/* Pages borrowed, those of numbers too. Walks all of them. */
uint32_t buffer_pages(const struct buffer_space *space, const struct buffer *buffer);
/* Of them, those beyond its share. */
uint32_t buffer_beyond(const struct buffer_space *space, const struct buffer *buffer);
/* Returns every page, those written beyond the length too. */
void buffer_clear(struct buffer_space *space, struct buffer *buffer);
/* Returns the pages when nothing is in the queue; beyond: bytes held out of order, if any. */
void buffer_settle(struct buffer_space *space, struct buffer *buffer, bool beyond);

#endif
