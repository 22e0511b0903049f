/* SPDX-License-Identifier: MIT */
/* The pages of a buffer: the tree by which they are found (buffer.h), who may take one, and giving them
 * back. Knows nothing of bytes. */
#include "core/buffer_tree.h"

#include "base/bytes.h"
#include "base/cold.h"
#include "base/features.h"

/* ---- the tree of pages ----
 * An entry is the number of a page, or POOL_NONE. The page that an entry of level 0 names holds
 * bytes, that of a higher level entries of the level below. The record holds entries of the level
 * that is the buffer's height. */

/* Of one that has an index record. */
static uint32_t height_of(const struct buffer *buffer)
{
    return FEATURE_LARGE_BUFFERS ? buffer->height : 0;
}

static uint32_t entries_in_page(const struct buffer_space *space)
{
    return buffer_page_size(space) / sizeof(uint32_t);
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

/* More than this many pages must be free: a quarter at most. */
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

static COLD bool may_take_of_few(const struct buffer_space *space, uint32_t has,
                                 enum buffer_claim claim)
{
    if (space->share == 0)
        return pages_left(space) > kept_back(claim, space->pages.count);
    if (has < space->share)
        return pages_left(space) > kept_back(claim, space->pages.count / 4);
    return space->beyond_max - space->beyond > kept_back(claim, space->pages.count / 2);
}

static inline bool may_take(const struct buffer_space *space, uint32_t has, enum buffer_claim claim)
{
    bool is_plenty = pages_left(space) > space->pages.count / 4;
    return (is_plenty && (space->share == 0 || has < space->share)) ||
           may_take_of_few(space, has, claim);
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
bool buffer_take_one_page(struct buffer_space *space, struct buffer *buffer,
                          enum buffer_claim claim)
{
    uint32_t page = may_take(space, 0, claim) ? pool_take(&space->pages) : POOL_NONE;
    if (page == POOL_NONE)
        return false;
    space->beyond += space->share == 0;
    *buffer = (struct buffer){.index = page & POOL_NONE, .height = BUFFER_ONE_PAGE};
    return true;
}

void buffer_give_one_page(struct buffer_space *space, struct buffer *buffer)
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
    pool_give(&space->pages, *entry & POOL_NONE);
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
uint32_t *buffer_entry(const struct buffer_space *space, const struct buffer *buffer,
                       uint32_t position, uint32_t level)
{
    uint32_t *entries = buffer_record(space, buffer)->entries;
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
uint8_t *buffer_page_for(struct buffer_space *space, const struct buffer *buffer, uint32_t position,
                         enum buffer_claim claim)
{
    if (buffer_has_one_page(buffer))
        return buffer_one_page(space, buffer);
    struct buffer_index *record = buffer_record(space, buffer);
    for (uint32_t level = height_of(buffer); level > 0; level--)
        if (!fill(space, record, buffer_entry(space, buffer, position, level), level, claim))
            return NULL;
    uint32_t *entry = buffer_entry(space, buffer, position, 0);
    if (!fill(space, record, entry, 0, claim))
        return NULL;
    CHECK((*entry & BUFFER_LENT) == 0);
    return pool_at(&space->pages, *entry);
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
    struct buffer_index *record = buffer_record(space, buffer);
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
    uint32_t page = buffer_has_one_page(buffer) ? buffer->index : POOL_NONE;
    uint32_t index = pool_take(&space->indexes);
    if (index == POOL_NONE)
        return false;
    if (page == POOL_NONE)
        buffer->start = 0;
    buffer->index = index & POOL_NONE;
    buffer->height = 0;
    struct buffer_index *record = buffer_record(space, buffer);
    clear_entries(record->entries, BUFFER_SLOTS);
    record->entries[0] = page;
    record->pages = page != POOL_NONE;
    return true;
}

static uint32_t at_most(uint64_t reached, uint32_t offset, uint32_t size)
{
    return reached <= offset ? 0 : reached - offset < size ? (uint32_t)(reached - offset) : size;
}

/* buffer_make_reach() where there is more to it. */
COLD uint32_t buffer_grow_reach(struct buffer_space *space, struct buffer *buffer,
                                enum buffer_claim claim, uint32_t offset, uint32_t size)
{
    CHECK(size <= BUFFER_REACH);
    CHECK(offset <= BUFFER_REACH - size);
    bool hopeless = buffer->index == POOL_NONE && !may_take(space, 0, claim);
    if (size == 0 || hopeless)
        return 0;
    if (buffer->index == POOL_NONE && offset + size <= buffer_page_size(space))
        return buffer_take_one_page(space, buffer, claim) ? size : 0;
    if (!buffer_has_record(buffer) && !take_record(space, buffer))
        return buffer_has_one_page(buffer)
                   ? at_most(buffer_page_size(space) - buffer->start, offset, size)
                   : 0;
    while (reach(space, buffer) < (uint64_t)offset + size)
        if (!FEATURE_LARGE_BUFFERS || !grow(space, buffer, claim))
            break;
    return at_most(reach(space, buffer), offset, size);
}

/* ---- giving back ---- */

/* The front has reached this position, the first of a page: the page before it goes, and each page
 * of numbers that it was the last one under. */
void buffer_leave_page(struct buffer_space *space, const struct buffer *buffer, uint32_t position)
{
    for (uint32_t level = 0; level <= height_of(buffer) && is_first_under(space, position, level);
         level++)
        give(space, buffer_record(space, buffer), buffer_entry(space, buffer, position - 1, level));
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
    const struct buffer_index *record = buffer_record(space, buffer);
    uint32_t pages = count_pages(space, record->entries, BUFFER_SLOTS, height_of(buffer));
    CHECK(pages == record->pages);
    return pages;
}

uint32_t buffer_beyond(const struct buffer_space *space, const struct buffer *buffer)
{
    uint32_t pages = buffer->index != POOL_NONE;
    if (buffer_has_record(buffer))
        pages = buffer_record(space, buffer)->pages;
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

COLD void buffer_clear_record(struct buffer_space *space, struct buffer *buffer)
{
    struct buffer_index *record = buffer_record(space, buffer);
    give_all(space, record, record->entries, BUFFER_SLOTS, height_of(buffer));
    CHECK(record->pages == 0);
    pool_give(&space->indexes, buffer->index);
    buffer_init(buffer);
}
