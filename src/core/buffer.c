/* SPDX-License-Identifier: MIT */
/* A byte queue made of pages borrowed from a pool; see buffer.h. Knows nothing of TCP. */
#include "core/buffer.h"

#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

static uint32_t *pages_of(const struct buffer_space *space, const struct buffer *buffer)
{
    return pool_at(&space->indexes, buffer->index);
}

static uint32_t ring_size(const struct buffer_space *space)
{
    return space->slots * space->page_size;
}

void buffer_init(struct buffer *buffer)
{
    *buffer = (struct buffer){.index = POOL_NONE};
}

static bool has_index(struct buffer_space *space, struct buffer *buffer)
{
    if (buffer->index != POOL_NONE)
        return true;
    buffer->index = pool_take(&space->indexes);
    if (buffer->index == POOL_NONE)
        return false;
    buffer->start = 0;
    for (uint32_t i = 0; i < space->slots; i++)
        pages_of(space, buffer)[i] = POOL_NONE;
    return true;
}

/* The piece of one page that holds offset: where it is and how far it goes. */
struct place {
    uint32_t slot;
    uint32_t within;
    uint32_t left;
};

static struct place place_of(const struct buffer_space *space, const struct buffer *buffer,
                             uint32_t offset)
{
    CHECK(offset < ring_size(space));
    uint32_t position = buffer->start + offset;
    if (position >= ring_size(space))
        position -= ring_size(space);
    uint32_t within = position & (space->page_size - 1);
    return (struct place){position / space->page_size, within, space->page_size - within};
}

static uint32_t pages_left(const struct buffer_space *space)
{
    return space->pages.count - space->pages.used;
}

static bool may_take(const struct buffer_space *space, enum buffer_claim claim)
{
    uint32_t free = pages_left(space);
    switch (claim) {
    case BUFFER_IN_ORDER:
        return true;
    case BUFFER_OUT_OF_ORDER:
        return free > space->pages.count / 8;
    case BUFFER_TO_SEND:
        return free > space->pages.count / 4;
    }
    unreachable("three claims");
}

/* The page at a place, borrowed if need be; NULL when there is none for this claim. */
static uint8_t *page_for(struct buffer_space *space, struct buffer *buffer, uint32_t slot,
                         enum buffer_claim claim)
{
    uint32_t *page = &pages_of(space, buffer)[slot];
    if (*page == POOL_NONE && may_take(space, claim))
        *page = pool_take(&space->pages);
    return *page == POOL_NONE ? NULL : pool_at(&space->pages, *page);
}

static bool can_hold(struct buffer_space *space, struct buffer *buffer, enum buffer_claim claim)
{
    bool hopeless =
        buffer->index == POOL_NONE && !(may_take(space, claim) && pages_left(space) > 0);
    return !hopeless && has_index(space, buffer);
}

uint32_t buffer_make_room(struct buffer_space *space, struct buffer *buffer,
                          enum buffer_claim claim, uint32_t offset, uint32_t size)
{
    if (size == 0 || !can_hold(space, buffer, claim))
        return 0;
    size = min_u32(size, (space->slots - 1) * space->page_size - offset);
    uint32_t done = 0;
    while (done < size) {
        struct place place = place_of(space, buffer, offset + done);
        if (page_for(space, buffer, place.slot, claim) == NULL)
            break;
        done += min_u32(place.left, size - done);
    }
    return done;
}

void *buffer_at(const struct buffer_space *space, const struct buffer *buffer, uint32_t offset)
{
    struct place place = place_of(space, buffer, offset);
    uint32_t page = pages_of(space, buffer)[place.slot];
    CHECK(page != POOL_NONE);
    return (uint8_t *)pool_at(&space->pages, page) + place.within;
}

uint32_t buffer_write(struct buffer_space *space, struct buffer *buffer, enum buffer_claim claim,
                      uint32_t offset, const uint8_t *from, uint32_t size)
{
    CHECK(offset + size <= (space->slots - 1) * space->page_size);
    if (size == 0 || !can_hold(space, buffer, claim))
        return 0;
    uint32_t done = 0;
    while (done < size) {
        struct place place = place_of(space, buffer, offset + done);
        uint32_t n = min_u32(place.left, size - done);
        uint8_t *page = page_for(space, buffer, place.slot, claim);
        if (page == NULL)
            break;
        memcpy(page + place.within, from + done, n);
        done += n;
    }
    return done;
}

void buffer_extend(struct buffer *buffer, uint32_t size)
{
    CHECK(size == 0 || buffer->index != POOL_NONE);
    buffer->length += size;
}

void buffer_shorten(struct buffer *buffer, uint32_t size)
{
    CHECK(size <= buffer->length);
    buffer->length -= size;
}

void buffer_read(const struct buffer_space *space, const struct buffer *buffer, uint32_t offset,
                 uint8_t *to, uint32_t size, struct checksum *sum)
{
    CHECK(offset + size <= buffer->length);
    for (uint32_t done = 0; done < size;) {
        struct place place = place_of(space, buffer, offset + done);
        uint32_t n = min_u32(place.left, size - done);
        uint32_t page = pages_of(space, buffer)[place.slot];
        CHECK(page != POOL_NONE);
        const uint8_t *from = (const uint8_t *)pool_at(&space->pages, page) + place.within;
        if (sum != NULL)
            checksum_copy(sum, to + done, from, n);
        else
            memcpy(to + done, from, n);
        done += n;
    }
}

uint8_t *buffer_reserve(struct buffer_space *space, struct buffer *buffer, uint32_t *size)
{
    if (!has_index(space, buffer))
        return NULL;
    struct place place = place_of(space, buffer, buffer->length);
    uint8_t *page = page_for(space, buffer, place.slot, BUFFER_TO_SEND);
    *size = place.left;
    return page == NULL ? NULL : page + place.within;
}

const uint8_t *buffer_peek(const struct buffer_space *space, const struct buffer *buffer,
                           uint32_t *size)
{
    if (buffer->length == 0)
        return NULL;
    struct place place = place_of(space, buffer, 0);
    uint32_t page = pages_of(space, buffer)[place.slot];
    CHECK(page != POOL_NONE);
    *size = min_u32(place.left, buffer->length);
    return (const uint8_t *)pool_at(&space->pages, page) + place.within;
}

static void return_page(struct buffer_space *space, uint32_t *page)
{
    if (*page != POOL_NONE)
        pool_give(&space->pages, *page);
    *page = POOL_NONE;
}

void buffer_drop(struct buffer_space *space, struct buffer *buffer, uint32_t size)
{
    CHECK(size <= buffer->length);
    while (size > 0) {
        struct place place = place_of(space, buffer, 0);
        uint32_t n = min_u32(place.left, size);
        if (n == place.left)
            return_page(space, &pages_of(space, buffer)[place.slot]);
        buffer->start += n;
        if (buffer->start == ring_size(space))
            buffer->start = 0;
        buffer->length -= n;
        size -= n;
    }
}

uint32_t buffer_pages(const struct buffer_space *space, const struct buffer *buffer)
{
    uint32_t pages = 0;
    for (uint32_t i = 0; buffer->index != POOL_NONE && i < space->slots; i++)
        pages += pages_of(space, buffer)[i] != POOL_NONE;
    return pages;
}

void buffer_clear(struct buffer_space *space, struct buffer *buffer)
{
    if (buffer->index == POOL_NONE)
        return;
    for (uint32_t i = 0; i < space->slots; i++)
        return_page(space, &pages_of(space, buffer)[i]);
    pool_give(&space->indexes, buffer->index);
    buffer_init(buffer);
}

void buffer_settle(struct buffer_space *space, struct buffer *buffer, bool beyond)
{
    if (buffer->length == 0 && !beyond)
        buffer_clear(space, buffer);
}
