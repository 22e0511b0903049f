/* SPDX-License-Identifier: MIT */
/* How the pages of a buffer are found, borrowed and given back: for buffer.c alone, which knows what is in
 * them. */
#ifndef CORE_BUFFER_TREE_H
#define CORE_BUFFER_TREE_H

#include "base/check.h"
#include "core/buffer.h"

/* ---- one page ---- */

static inline uint32_t buffer_page_size(const struct buffer_space *space)
{
    return UINT32_C(1) << space->page_log;
}

static inline uint32_t buffer_left_in_page(const struct buffer_space *space, uint32_t position)
{
    return buffer_page_size(space) - (position & (buffer_page_size(space) - 1));
}

static inline bool buffer_has_one_page(const struct buffer *buffer)
{
    return buffer->height == BUFFER_ONE_PAGE; /* never while it is empty */
}

static inline uint8_t *buffer_one_page(const struct buffer_space *space,
                                       const struct buffer *buffer)
{
    return pool_at(&space->pages, buffer->index);
}

/* Where [offset, offset + size) stands, if that is in the only page. Else NULL. */
static inline uint8_t *buffer_in_one_page(const struct buffer_space *space,
                                          const struct buffer *buffer, uint32_t offset,
                                          uint32_t size)
{
    uint32_t room = buffer_page_size(space) - buffer->start;
    bool is_there = buffer_has_one_page(buffer) && size <= room && offset <= room - size;
    return is_there ? buffer_one_page(space, buffer) + buffer->start + offset : NULL;
}

/* The first page of a buffer that is empty, for bytes that all lie in it. False: there is none for this
 * claim. */
bool buffer_take_one_page(struct buffer_space *space, struct buffer *buffer,
                          enum buffer_claim claim);
void buffer_give_one_page(struct buffer_space *space, struct buffer *buffer);

/* ---- more, through an index record ---- */

/* In the entry of a page of bytes, above its number: the page is lent. */
#define BUFFER_LENT (UINT32_C(1) << 31)

static inline struct buffer_index *buffer_record(const struct buffer_space *space,
                                                 const struct buffer *buffer)
{
    return pool_at(&space->indexes, buffer->index);
}

/* The entry of this level above a position; the pages of numbers on the way must be there. */
uint32_t *buffer_entry(const struct buffer_space *space, const struct buffer *buffer,
                       uint32_t position, uint32_t level);
/* The page of bytes at a position, borrowed if need be with all that leads to it. NULL: there is none for
 * this claim. */
uint8_t *buffer_page_for(struct buffer_space *space, const struct buffer *buffer, uint32_t position,
                         enum buffer_claim claim);
/* buffer_make_reach() where there is more to it. */
uint32_t buffer_grow_reach(struct buffer_space *space, struct buffer *buffer,
                           enum buffer_claim claim, uint32_t offset, uint32_t size);
/* The front has reached this position, the first of a page: the page before it goes, and each page of
 * numbers that it was the last one under. */
void buffer_leave_page(struct buffer_space *space, const struct buffer *buffer, uint32_t position);
/* All pages go, and the record. */
void buffer_clear_record(struct buffer_space *space, struct buffer *buffer);

/* How many of the bytes [offset, offset + size) have a place, after growing if need be. */
static inline uint32_t buffer_make_reach(struct buffer_space *space, struct buffer *buffer,
                                         enum buffer_claim claim, uint32_t offset, uint32_t size)
{
    uint32_t passed = buffer->start & (buffer_page_size(space) - 1);
    uint32_t pages = buffer_has_one_page(buffer) ? 1 : BUFFER_SLOTS;
    uint32_t reached = (pages << space->page_log) - passed;
    bool is_low = buffer->height == 0 || buffer_has_one_page(buffer);
    bool is_there =
        buffer->index != POOL_NONE && is_low && offset < reached && size <= reached - offset;
    return is_there ? size : buffer_grow_reach(space, buffer, claim, offset, size);
}

#endif
