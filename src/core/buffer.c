/* SPDX-License-Identifier: MIT */
/* A byte queue made of pages borrowed from a pool; see buffer.h. Knows nothing of TCP. */
#include "core/buffer.h"

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

/* ---- the tree of pages ----
 * An entry is the number of a page, or POOL_NONE. The page that an entry of level 0 names holds
 * bytes, that of a higher level entries of the level below. The record holds entries of the level
 * that is the buffer's height. */

/* Of one that has an index record. */
static uint32_t height_of(const struct buffer *buffer)
{
    return FEATURE_LARGE_BUFFERS ? buffer->height : 0;
}

static uint32_t page_size(const struct buffer_space *space)
{
    return UINT32_C(1) << space->page_log;
}

static uint32_t entries_in_page(const struct buffer_space *space)
{
    return page_size(space) / sizeof(uint32_t);
}

/* Of the bytes under an entry of this level. */
static uint32_t log2_under(const struct buffer_space *space, uint32_t level)
{
    return space->page_log + level * (space->page_log - 2);
}

/* Is this position the first one under an entry of this level? */
static bool is_first_under(const struct buffer_space *space, uint32_t position, uint32_t level)
{
    return (position & ((UINT64_C(1) << log2_under(space, level)) - 1)) == 0;
}

static bool has_one_page(const struct buffer *buffer)
{
    return buffer->height == BUFFER_ONE_PAGE; /* never while it is empty */
}

static uint8_t *one_page_of(const struct buffer_space *space, const struct buffer *buffer)
{
    return pool_at(&space->pages, buffer->index);
}

static struct buffer_index *record_of(const struct buffer_space *space, const struct buffer *buffer)
{
    return pool_at(&space->indexes, buffer->index);
}

static uint32_t *entries_of(const struct buffer_space *space, uint32_t page)
{
    return pool_at(&space->pages, page);
}

static void clear_entries(uint32_t *entries, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        entries[i] = POOL_NONE;
}

static uint32_t pages_left(const struct buffer_space *space)
{
    return space->pages.count - space->pages.used;
}

/* ---- who may take a page; see enum buffer_claim ---- */

void buffer_share(struct buffer_space *space)
{
    uint32_t aside = space->pages.count / 4;
    space->share = max_u32(1, aside / space->indexes.count);
    space->beyond_max = space->pages.count - aside;
}

/* More than this many pages must be free. */
static uint32_t kept_back(enum buffer_claim claim, uint32_t pages)
{
    switch (claim) {
    case BUFFER_IN_ORDER:
        return 0;
    case BUFFER_OUT_OF_ORDER:
    case BUFFER_IN_FLIGHT:
        return pages / 8;
    case BUFFER_FIRST_TO_SEND:
        return pages / 16 * 3;
    case BUFFER_TO_SEND:
        return pages / 4;
    }
    unreachable("five claims");
}

static bool may_take(const struct buffer_space *space, uint32_t has, enum buffer_claim claim)
{
    if (space->share == 0)
        return pages_left(space) > kept_back(claim, space->pages.count);
    if (has < space->share)
        return pages_left(space) > kept_back(claim, space->pages.count / 4);
    return space->beyond_max - space->beyond > kept_back(claim, space->pages.count / 2);
}

static uint32_t take(struct buffer_space *space, struct buffer_index *record)
{
    uint32_t page = pool_take(&space->pages);
    if (page == POOL_NONE)
        return POOL_NONE;
    space->beyond += record->pages >= space->share;
    record->pages++;
    return page;
}

/* The first page of a buffer that is empty, for bytes that all lie in it: without a record, for the
 * first is within every share. */
static bool take_one_page(struct buffer_space *space, struct buffer *buffer,
                          enum buffer_claim claim)
{
    uint32_t page = may_take(space, 0, claim) ? pool_take(&space->pages) : POOL_NONE;
    if (page == POOL_NONE)
        return false;
    space->beyond += space->share == 0;
    *buffer = (struct buffer){.index = page & POOL_NONE, .height = BUFFER_ONE_PAGE};
    return true;
}

static void give_one_page(struct buffer_space *space, struct buffer *buffer)
{
    space->beyond -= space->share == 0;
    pool_give(&space->pages, buffer->index);
    buffer_init(buffer);
}

static void give(struct buffer_space *space, struct buffer_index *record, uint32_t *entry)
{
    CHECK(record->pages > 0);
    record->pages--;
    space->beyond -= record->pages >= space->share;
    pool_give(&space->pages, *entry);
    *entry = POOL_NONE;
}

/* Gives an entry its page, if it has none and there is one for this claim. */
static bool fill(struct buffer_space *space, struct buffer_index *record, uint32_t *entry,
                 uint32_t level, enum buffer_claim claim)
{
    if (*entry != POOL_NONE)
        return true;
    if (!may_take(space, record->pages, claim))
        return false;
    *entry = take(space, record);
    if (*entry == POOL_NONE)
        return false;
    if (level > 0)
        clear_entries(entries_of(space, *entry), entries_in_page(space));
    return true;
}

/* The entry of this level above a position; the pages of numbers on the way must be there. */
static uint32_t *entry_at(const struct buffer_space *space, const struct buffer *buffer,
                          uint32_t position, uint32_t level)
{
    uint32_t *entries = record_of(space, buffer)->entries;
    uint32_t count = BUFFER_SLOTS;
    if (height_of(buffer) == 0) /* as nearly every buffer */
        return &entries[(position >> space->page_log) & (BUFFER_SLOTS - 1)];
    uint64_t at = position;
    for (uint32_t i = height_of(buffer); i > level; i--) {
        uint32_t page = entries[(at >> log2_under(space, i)) & (count - 1)];
        CHECK(page != POOL_NONE);
        entries = entries_of(space, page);
        count = entries_in_page(space);
    }
    return &entries[(at >> log2_under(space, level)) & (count - 1)];
}

/* The page of bytes at a position, borrowed if need be with all that leads to it. */
static uint8_t *page_for(struct buffer_space *space, const struct buffer *buffer, uint32_t position,
                         enum buffer_claim claim)
{
    if (has_one_page(buffer))
        return one_page_of(space, buffer);
    struct buffer_index *record = record_of(space, buffer);
    for (uint32_t level = height_of(buffer); level > 0; level--)
        if (!fill(space, record, entry_at(space, buffer, position, level), level, claim))
            return NULL;
    uint32_t *entry = entry_at(space, buffer, position, 0);
    return fill(space, record, entry, 0, claim) ? pool_at(&space->pages, *entry) : NULL;
}

/* ---- its height ---- */

/* Bytes from offset 0 on that have their own places in the tree. */
static uint64_t reach(const struct buffer_space *space, const struct buffer *buffer)
{
    uint32_t log = log2_under(space, height_of(buffer));
    uint64_t passed = buffer->start & ((UINT64_C(1) << log) - 1);
    return ((uint64_t)BUFFER_SLOTS << log) - passed;
}

/* The record's entries move into a page of numbers, the front one first, which becomes the first
 * entry of the record: positions are counted anew. */
static bool grow(struct buffer_space *space, struct buffer *buffer, enum buffer_claim claim)
{
    struct buffer_index *record = record_of(space, buffer);
    uint32_t log = log2_under(space, height_of(buffer));
    uint32_t front = (uint32_t)((uint64_t)buffer->start >> log);
    uint32_t page = POOL_NONE;
    if (!fill(space, record, &page, buffer->height + 1u, claim))
        return false;
    for (uint32_t i = 0; i < BUFFER_SLOTS; i++)
        entries_of(space, page)[i] = record->entries[(front + i) & (BUFFER_SLOTS - 1)];
    clear_entries(record->entries, BUFFER_SLOTS);
    record->entries[0] = page;
    buffer->start &= (uint32_t)((UINT64_C(1) << log) - 1);
    buffer->height++;
    return true;
}

/* Bytes lie further apart than a page reaches: an index record, of which the page that is there
 * becomes the first. */
static bool take_record(struct buffer_space *space, struct buffer *buffer)
{
    uint32_t page = has_one_page(buffer) ? buffer->index : POOL_NONE;
    uint32_t index = pool_take(&space->indexes);
    if (index == POOL_NONE)
        return false;
    if (page == POOL_NONE)
        buffer->start = 0;
    buffer->index = index & POOL_NONE;
    buffer->height = 0;
    struct buffer_index *record = record_of(space, buffer);
    clear_entries(record->entries, BUFFER_SLOTS);
    record->entries[0] = page;
    record->pages = page != POOL_NONE;
    return true;
}

static uint32_t at_most(uint64_t reached, uint32_t offset, uint32_t size)
{
    return reached <= offset ? 0 : reached - offset < size ? (uint32_t)(reached - offset) : size;
}

/* make_reach() where there is more to it. */
static COLD uint32_t grow_reach(struct buffer_space *space, struct buffer *buffer,
                                enum buffer_claim claim, uint32_t offset, uint32_t size)
{
    CHECK(size <= BUFFER_REACH);
    CHECK(offset <= BUFFER_REACH - size);
    bool hopeless = buffer->index == POOL_NONE && !may_take(space, 0, claim);
    if (size == 0 || hopeless)
        return 0;
    if (buffer->index == POOL_NONE && offset + size <= page_size(space))
        return take_one_page(space, buffer, claim) ? size : 0;
    if (!buffer_has_record(buffer) && !take_record(space, buffer))
        return has_one_page(buffer) ? at_most(page_size(space) - buffer->start, offset, size) : 0;
    while (reach(space, buffer) < (uint64_t)offset + size)
        if (!FEATURE_LARGE_BUFFERS || !grow(space, buffer, claim))
            break;
    return at_most(reach(space, buffer), offset, size);
}

/* How many of the bytes [offset, offset + size) have a place, after growing if need be. */
static inline uint32_t make_reach(struct buffer_space *space, struct buffer *buffer,
                                  enum buffer_claim claim, uint32_t offset, uint32_t size)
{
    uint32_t passed = buffer->start & (page_size(space) - 1);
    uint32_t pages = has_one_page(buffer) ? 1 : BUFFER_SLOTS;
    uint32_t reached = (pages << space->page_log) - passed;
    bool is_low = buffer->height == 0 || has_one_page(buffer);
    bool is_there =
        buffer->index != POOL_NONE && is_low && offset < reached && size <= reached - offset;
    return is_there ? size : grow_reach(space, buffer, claim, offset, size);
}

/* ---- bytes ---- */

static uint32_t left_in_page(const struct buffer_space *space, uint32_t position)
{
    return page_size(space) - (position & (page_size(space) - 1));
}

/* Where the byte at offset stands, and in left how many stand in the same page from there on. */
static uint8_t *place_of(const struct buffer_space *space, const struct buffer *buffer,
                         uint32_t offset, uint32_t *left)
{
    uint32_t position = buffer->start + offset;
    uint32_t page = has_one_page(buffer) ? buffer->index : *entry_at(space, buffer, position, 0);
    CHECK(page != POOL_NONE);
    *left = left_in_page(space, position);
    return (uint8_t *)pool_at(&space->pages, page) + (page_size(space) - *left);
}

/* The same; the page is borrowed if need be. NULL: there is none for this claim. */
static uint8_t *room_for(struct buffer_space *space, const struct buffer *buffer,
                         enum buffer_claim claim, uint32_t offset, uint32_t *left)
{
    uint32_t position = buffer->start + offset;
    uint8_t *page = page_for(space, buffer, position, claim);
    *left = left_in_page(space, position);
    return page == NULL ? NULL : page + (page_size(space) - *left);
}

uint32_t buffer_make_room(struct buffer_space *space, struct buffer *buffer,
                          enum buffer_claim claim, uint32_t offset, uint32_t size)
{
    size = make_reach(space, buffer, claim, offset, size);
    uint32_t done = 0;
    uint32_t left;
    while (done < size && room_for(space, buffer, claim, offset + done, &left) != NULL)
        done += min_u32(left, size - done);
    return done;
}

/* Where [offset, offset + size) stands, if that is in the only page. Else NULL. */
static inline uint8_t *in_one_page(const struct buffer_space *space, const struct buffer *buffer,
                                   uint32_t offset, uint32_t size)
{
    uint32_t room = page_size(space) - buffer->start;
    bool is_there = has_one_page(buffer) && size <= room && offset <= room - size;
    return is_there ? one_page_of(space, buffer) + buffer->start + offset : NULL;
}

/* buffer_write() where it takes more than a copy. */
static COLD uint32_t write_pages(struct buffer_space *space, struct buffer *buffer,
                                 enum buffer_claim claim, uint32_t offset, const uint8_t *from,
                                 uint32_t size)
{
    size = make_reach(space, buffer, claim, offset, size);
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
    bool is_small = size > 0 && size <= page_size(space) && offset <= page_size(space) - size;
    if (buffer->index == POOL_NONE && is_small && !take_one_page(space, buffer, claim))
        return 0;
    uint8_t *place = in_one_page(space, buffer, offset, size);
    if (place == NULL)
        return write_pages(space, buffer, claim, offset, from, size);
    memcpy(place, from, size);
    return size;
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

void *buffer_at(const struct buffer_space *space, const struct buffer *buffer, uint32_t offset)
{
    uint32_t left;
    return place_of(space, buffer, offset, &left);
}

void buffer_read(const struct buffer_space *space, const struct buffer *buffer, uint32_t offset,
                 uint8_t *to, uint32_t size, struct checksum *sum)
{
    CHECK(offset + size <= buffer->length);
    const uint8_t *place = in_one_page(space, buffer, offset, size);
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
    if (make_reach(space, buffer, claim, buffer->length, 1) == 0)
        return NULL;
    return room_for(space, buffer, claim, buffer->length, size);
}

uint8_t *buffer_behind(const struct buffer_space *space, const struct buffer *buffer, uint32_t size)
{
    if (has_one_page(buffer))
        return in_one_page(space, buffer, buffer->length, size);
    uint32_t position = buffer->start + buffer->length;
    uint32_t left = left_in_page(space, position);
    /* Only where the byte before stands in the same page is that surely there. */
    bool is_there = buffer->length > 0 && left < page_size(space) && size <= left;
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

/* The front has reached this position, the first of a page: the page before it goes, and each page
 * of numbers that it was the last one under. */
static void leave_page(struct buffer_space *space, const struct buffer *buffer, uint32_t position)
{
    for (uint32_t level = 0; level <= height_of(buffer) && is_first_under(space, position, level);
         level++)
        give(space, record_of(space, buffer), entry_at(space, buffer, position - 1, level));
}

static void drop_pages(struct buffer_space *space, struct buffer *buffer, uint32_t size)
{
    while (size > 0) {
        uint32_t left = left_in_page(space, buffer->start);
        uint32_t n = min_u32(left, size);
        buffer->start += n;
        buffer->length -= n;
        size -= n;
        if (n == left)
            leave_page(space, buffer, buffer->start);
    }
}

void buffer_drop(struct buffer_space *space, struct buffer *buffer, uint32_t size)
{
    CHECK(size <= buffer->length);
    if (!has_one_page(buffer)) {
        drop_pages(space, buffer, size);
        return;
    }
    buffer->start += size;
    buffer->length -= size;
    if (buffer->start == page_size(space)) /* the only page is passed: nothing is left */
        give_one_page(space, buffer);
}

/* Pages under count entries of a level. As deep as the tree is high. */
static uint32_t count_pages(const struct buffer_space *space, const uint32_t *entries,
                            uint32_t count, uint32_t level)
{
    uint32_t pages = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (entries[i] == POOL_NONE)
            continue;
        pages++;
        if (FEATURE_LARGE_BUFFERS && level > 0)
            pages += count_pages(space, entries_of(space, entries[i]), entries_in_page(space),
                                 level - 1);
    }
    return pages;
}

uint32_t buffer_pages(const struct buffer_space *space, const struct buffer *buffer)
{
    if (!buffer_has_record(buffer))
        return buffer->index != POOL_NONE;
    const struct buffer_index *record = record_of(space, buffer);
    uint32_t pages = count_pages(space, record->entries, BUFFER_SLOTS, height_of(buffer));
    CHECK(pages == record->pages);
    return pages;
}

uint32_t buffer_beyond(const struct buffer_space *space, const struct buffer *buffer)
{
    uint32_t pages = buffer->index != POOL_NONE;
    if (buffer_has_record(buffer))
        pages = record_of(space, buffer)->pages;
    return pages > space->share ? pages - space->share : 0;
}

static void give_all(struct buffer_space *space, struct buffer_index *record, uint32_t *entries,
                     uint32_t count, uint32_t level)
{
    for (uint32_t i = 0; i < count; i++) {
        if (entries[i] == POOL_NONE)
            continue;
        if (FEATURE_LARGE_BUFFERS && level > 0)
            give_all(space, record, entries_of(space, entries[i]), entries_in_page(space),
                     level - 1);
        give(space, record, &entries[i]);
    }
}

static COLD void clear_record(struct buffer_space *space, struct buffer *buffer)
{
    struct buffer_index *record = record_of(space, buffer);
    give_all(space, record, record->entries, BUFFER_SLOTS, height_of(buffer));
    CHECK(record->pages == 0);
    pool_give(&space->indexes, buffer->index);
    buffer_init(buffer);
}

void buffer_clear(struct buffer_space *space, struct buffer *buffer)
{
    if (has_one_page(buffer))
        give_one_page(space, buffer);
    else if (buffer->index != POOL_NONE)
        clear_record(space, buffer);
}

void buffer_settle(struct buffer_space *space, struct buffer *buffer, bool beyond)
{
    if (buffer->length == 0 && !beyond)
        buffer_clear(space, buffer);
}
