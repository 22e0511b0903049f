/* SPDX-License-Identifier: MIT */
/* A byte queue made of pages borrowed from a pool; see buffer.h. Knows nothing of TCP, nor where the pages
 * come from (buffer_tree.c). */
#include "core/buffer_tree.h"

#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/cold.h"
#include "base/features.h"
#include "duet/stack.h"

void buffer_init(struct buffer *buffer)
{
    *buffer = (struct buffer){.index = POOL_NONE};
}

/* ---- bytes ---- */

/* Where the byte at offset stands, and in left how many stand in the same page from there on. */
static uint8_t *place_of(const struct buffer_space *space, const struct buffer *buffer,
                         uint32_t offset, uint32_t *left)
{
    uint32_t position = buffer->start + offset;
    uint32_t page =
        buffer_has_one_page(buffer) ? buffer->index : *buffer_entry(space, buffer, position, 0);
    CHECK(page != POOL_NONE);
    *left = buffer_left_in_page(space, position);
    uint8_t *first = pool_at(&space->pages, page & POOL_NONE);
    if (FEATURE_LARGE_BUFFERS && (page & BUFFER_LENT) != 0) {
        uint8_t *users;
        memcpy(&users, first, sizeof users);
        first = users;
    }
    return first + (buffer_page_size(space) - *left);
}

/* The same; the page is borrowed if need be. NULL: there is none for this claim. */
static uint8_t *room_for(struct buffer_space *space, const struct buffer *buffer,
                         enum buffer_claim claim, uint32_t offset, uint32_t *left)
{
    uint32_t position = buffer->start + offset;
    uint8_t *page = buffer_page_for(space, buffer, position, claim);
    *left = buffer_left_in_page(space, position);
    return page == NULL ? NULL : page + (buffer_page_size(space) - *left);
}

uint32_t buffer_make_room(struct buffer_space *space, struct buffer *buffer,
                          enum buffer_claim claim, uint32_t offset, uint32_t size)
{
    size = buffer_make_reach(space, buffer, claim, offset, size);
    uint32_t done = 0;
    uint32_t left;
    while (done < size && room_for(space, buffer, claim, offset + done, &left) != NULL)
        done += min_u32(left, size - done);
    return done;
}

/* buffer_write() where it takes more than a copy. */
static COLD uint32_t write_pages(struct buffer_space *space, struct buffer *buffer,
                                 enum buffer_claim claim, uint32_t offset, const uint8_t *from,
                                 uint32_t size)
{
    size = buffer_make_reach(space, buffer, claim, offset, size);
    uint32_t done = 0;
    while (done < size) {
        uint32_t left;
        uint8_t *to = room_for(space, buffer, claim, offset + done, &left);
        if (to == NULL)
            break;
        uint32_t n = min_u32(left, size - done);
        memcpy(to, from + done, n);
        done += n;
    }
    return done;
}

uint32_t buffer_write(struct buffer_space *space, struct buffer *buffer, enum buffer_claim claim,
                      uint32_t offset, const uint8_t *from, uint32_t size)
{
    uint8_t *place;
    if (buffer->index != POOL_NONE) {
        place = buffer_in_one_page(space, buffer, offset, size);
    } else {
        uint32_t page = buffer_page_size(space);
        bool is_small = size > 0 && size <= page && offset <= page - size;
        if (is_small && !buffer_take_one_page(space, buffer, claim))
            return 0;
        place = is_small ? buffer_one_page(space, buffer) + offset : NULL;
    }
    if (place == NULL)
        return write_pages(space, buffer, claim, offset, from, size);
    memcpy(place, from, size);
    return size;
}

void buffer_extend(struct buffer *buffer, uint32_t size)
{
    /* The height first: of a page taken a moment ago it can be read before all of the word is there. */
    CHECK(size == 0 || buffer_has_one_page(buffer) || buffer->index != POOL_NONE);
    buffer->length += size;
}

void buffer_shorten(struct buffer *buffer, uint32_t size)
{
    CHECK(size <= buffer->length);
    buffer->length -= size;
}

void *buffer_at(const struct buffer_space *space, const struct buffer *buffer, uint32_t offset)
{
    uint32_t left;
    return place_of(space, buffer, offset, &left);
}

void buffer_read(const struct buffer_space *space, const struct buffer *buffer, uint32_t offset,
                 uint8_t *to, uint32_t size, struct checksum *sum)
{
    CHECK(offset + size <= buffer->length);
    const uint8_t *place = buffer_in_one_page(space, buffer, offset, size);
    if (place != NULL && sum == NULL) {
        memcpy(to, place, size);
        return;
    }
    if (place != NULL) {
        checksum_copy(sum, to, place, size);
        return;
    }
    for (uint32_t done = 0; done < size;) {
        uint32_t left;
        const uint8_t *from = place_of(space, buffer, offset + done, &left);
        uint32_t n = min_u32(left, size - done);
        if (sum != NULL)
            checksum_copy(sum, to + done, from, n);
        else
            memcpy(to + done, from, n);
        done += n;
    }
}

uint32_t buffer_pieces(const struct buffer_space *space, const struct buffer *buffer,
                       uint32_t offset, uint32_t size, struct duet_piece *pieces, uint32_t most)
{
    CHECK(offset + size <= buffer->length);
    uint32_t count = 0;
    for (uint32_t done = 0; done < size; count++) {
        uint32_t left;
        if (count == most)
            return 0;
        pieces[count].data = place_of(space, buffer, offset + done, &left);
        pieces[count].size = min_u32(left, size - done);
        done += pieces[count].size;
    }
    return count;
}

uint8_t *buffer_reserve(struct buffer_space *space, struct buffer *buffer, uint32_t *size)
{
    enum buffer_claim claim = buffer->length == 0 ? BUFFER_FIRST_TO_SEND : BUFFER_TO_SEND;
    if (buffer_make_reach(space, buffer, claim, buffer->length, 1) == 0)
        return NULL;
    return room_for(space, buffer, claim, buffer->length, size);
}

uint8_t *buffer_behind(const struct buffer_space *space, const struct buffer *buffer, uint32_t size)
{
    if (buffer_has_one_page(buffer))
        return buffer_in_one_page(space, buffer, buffer->length, size);
    uint32_t position = buffer->start + buffer->length;
    uint32_t left = buffer_left_in_page(space, position);
    /* Only where the byte before stands in the same page is that surely there. */
    bool is_there = buffer->length > 0 && left < buffer_page_size(space) && size <= left;
    uint32_t before;
    return is_there ? place_of(space, buffer, buffer->length - 1, &before) + 1 : NULL;
}

const uint8_t *buffer_peek(const struct buffer_space *space, const struct buffer *buffer,
                           uint32_t *size)
{
    if (buffer->length == 0)
        return NULL;
    uint32_t left;
    const uint8_t *first = place_of(space, buffer, 0, &left);
    *size = min_u32(left, buffer->length);
    return first;
}

/* ---- giving back ---- */

static void drop_pages(struct buffer_space *space, struct buffer *buffer, uint32_t size)
{
    while (size > 0) {
        uint32_t left = buffer_left_in_page(space, buffer->start);
        uint32_t n = min_u32(left, size);
        buffer->start += n;
        buffer->length -= n;
        size -= n;
        if (n == left)
            buffer_leave_page(space, buffer, buffer->start);
    }
}

void buffer_drop(struct buffer_space *space, struct buffer *buffer, uint32_t size)
{
    CHECK(size <= buffer->length);
    if (!buffer_has_one_page(buffer)) {
        drop_pages(space, buffer, size);
        return;
    }
    buffer->start += size;
    buffer->length -= size;
    if (buffer->start == buffer_page_size(space)) /* the only page is passed: nothing is left */
        buffer_give_one_page(space, buffer);
}

void buffer_clear(struct buffer_space *space, struct buffer *buffer)
{
    if (buffer_has_one_page(buffer))
        buffer_give_one_page(space, buffer);
    else if (buffer->index != POOL_NONE)
        buffer_clear_record(space, buffer);
}

void buffer_settle(struct buffer_space *space, struct buffer *buffer, bool beyond)
{
    if (buffer->length == 0 && !beyond)
        buffer_clear(space, buffer);
}
