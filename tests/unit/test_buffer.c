/* SPDX-License-Identifier: MIT */
/* Buffers beside a model: a plain array of bytes for each, and for each page of its stream whether
 * it has been borrowed. The model knows nothing of rings, slots or indexes; positions only grow. Of
 * pages of numbers it knows that a buffer within one record has none. */
#include "unit.h"

#include <stdlib.h>

#include "base/prng.h"
#include "core/buffer.h"

enum {
    BUFFERS = 5,
    STREAM = 1 << 17,
    PAGE_MIN = 64,
    NARROW = BUFFER_SLOTS - 1 /* pages: reached without growing */
};

struct model {
    uint8_t bytes[STREAM];
    bool known[STREAM];           /* written, or in the queue */
    bool held[STREAM / PAGE_MIN]; /* by page of the stream */
    bool used;    /* a page or a record is held, of which the buffer knows the number */
    bool indexed; /* a record */
    uint32_t start, length;
};

struct world {
    struct buffer_space space;
    struct buffer buffers[BUFFERS];
    struct model models[BUFFERS];
    struct prng prng;
    uint8_t *pages;
    struct buffer_index *indexes;
    uint32_t page_size, page_count, index_count;
    uint32_t reach; /* in pages, that offsets keep to */
};

static void world_start(struct world *w, uint32_t page_size, uint32_t page_count,
                        uint32_t index_count, uint32_t reach, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->page_size = page_size;
    w->page_count = page_count;
    w->index_count = index_count;
    w->reach = reach;
    w->pages = malloc((size_t)page_size * page_count);
    w->indexes = malloc(sizeof(struct buffer_index) * index_count);
    assert_true(w->pages != NULL && w->indexes != NULL);
    pool_init(&w->space.pages, w->pages, page_size, page_count);
    pool_init(&w->space.indexes, w->indexes, sizeof(struct buffer_index), index_count);
    while (page_size >> w->space.page_log > 1)
        w->space.page_log++;
    prng_seed(&w->prng, seed);
    for (unsigned i = 0; i < BUFFERS; i++)
        buffer_init(&w->buffers[i]);
}

static void world_end(struct world *w)
{
    free(w->pages);
    free(w->indexes);
}

static uint32_t below(struct world *w, uint64_t limit)
{
    return (uint32_t)prng_below(&w->prng, limit);
}

/* ---- the model ---- */

static uint32_t held_pages(const struct world *w)
{
    uint32_t held = 0;
    for (unsigned i = 0; i < BUFFERS; i++)
        for (unsigned page = 0; page < STREAM / PAGE_MIN; page++)
            held += w->models[i].held[page];
    return held;
}

static uint32_t indexes_taken(const struct world *w)
{
    uint32_t taken = 0;
    for (unsigned i = 0; i < BUFFERS; i++)
        taken += w->models[i].indexed;
    return taken;
}

/* The words of buffer.h: every page; while more than a quarter is free; more than an eighth. */
static bool model_may_take(const struct world *w, enum buffer_claim claim)
{
    const uint32_t free = w->page_count - held_pages(w);
    const uint32_t kept = claim == BUFFER_IN_ORDER        ? 0
                          : claim == BUFFER_TO_SEND       ? w->page_count / 4
                          : claim == BUFFER_FIRST_TO_SEND ? w->page_count / 16 * 3
                                                          : w->page_count / 8;
    return free > kept;
}

static bool model_page(const struct world *w, struct model *m, uint32_t position,
                       enum buffer_claim claim)
{
    bool *held = &m->held[position / w->page_size];
    *held = *held || model_may_take(w, claim);
    return *held;
}

static bool model_index(const struct world *w, struct model *m)
{
    m->indexed = m->indexed || indexes_taken(w) < w->index_count;
    m->used = m->used || m->indexed;
    return m->indexed;
}

/* How many of these bytes have a place: one page needs no record, and is all there is without one. */
static uint32_t model_reach(const struct world *w, struct model *m, enum buffer_claim claim,
                            uint32_t offset, uint32_t size)
{
    const uint32_t first = m->start % w->page_size + offset;
    const bool in_vain = !m->used && !model_may_take(w, claim);
    if (size == 0 || in_vain)
        return 0;
    if (!m->indexed && first + size <= w->page_size)
        return size;
    if (model_index(w, m))
        return size;
    return m->used && first < w->page_size ? w->page_size - first : 0;
}

/* May buffers have pages of numbers? Then what is left for bytes is theirs to say. */
static bool is_wide(const struct world *w)
{
    return w->reach > NARROW;
}

/* What was written went in: done bytes. */
static void model_take(const struct world *w, struct model *m, uint32_t offset, const uint8_t *from,
                       uint32_t done)
{
    for (uint32_t i = 0; i < done; i++) {
        const uint32_t position = m->start + offset + i;
        m->held[position / w->page_size] = true;
        m->bytes[position] = from[i];
        m->known[position] = true;
    }
}

static uint32_t model_write(const struct world *w, struct model *m, enum buffer_claim claim,
                            uint32_t offset, const uint8_t *from, uint32_t size)
{
    size = model_reach(w, m, claim, offset, size);
    for (uint32_t i = 0; i < size; i++) {
        const uint32_t position = m->start + offset + i;
        if (!model_page(w, m, position, claim))
            return i;
        m->used = true;
        m->bytes[position] = from[i];
        m->known[position] = true;
    }
    return size;
}

static void model_drop(const struct world *w, struct model *m, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++, m->start++, m->length--)
        if (m->start % w->page_size == w->page_size - 1) {
            m->held[m->start / w->page_size] = false;
            m->used = m->indexed; /* the only page has been passed */
        }
}

static void model_clear(struct model *m)
{
    memset(m, 0, sizeof *m);
}

/* ---- one random operation on both ---- */

static uint32_t reach(const struct world *w)
{
    return w->reach * w->page_size;
}

static void write_some(const char *row, struct world *w, struct buffer *b, struct model *m,
                       enum buffer_claim claim, uint32_t offset)
{
    uint8_t bytes[PAGE_MIN * 40];
    const uint32_t room = reach(w) - offset;
    const uint32_t limit = room < sizeof bytes ? room : (uint32_t)sizeof bytes;
    const uint32_t size = below(w, limit + 1);
    for (uint32_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)prng_next(&w->prng);
    uint32_t expected;
    if (is_wide(w)) {
        expected = buffer_write(&w->space, b, claim, offset, bytes, size);
        EXPECT(row, expected <= size);
        EXPECT(row, expected == size || w->space.pages.used >= w->page_count - w->page_count / 4);
        model_take(w, m, offset, bytes, expected);
        m->used = b->index != POOL_NONE;
        m->indexed = buffer_has_record(b);
    } else {
        expected = model_write(w, m, claim, offset, bytes, size);
        EXPECT_EQUAL(row, buffer_write(&w->space, b, claim, offset, bytes, size), expected);
    }
    if (offset == m->length) {
        buffer_extend(b, expected);
        m->length += expected;
    }
}

static void extend_over_known(struct buffer *b, struct model *m)
{
    uint32_t size = 0;
    while (m->known[m->start + m->length + size])
        size++;
    buffer_extend(b, size);
    m->length += size;
}

static void read_some(const char *row, struct world *w, const struct buffer *b,
                      const struct model *m)
{
    uint8_t to[STREAM];
    const uint32_t offset = below(w, m->length + 1);
    const uint32_t size = below(w, m->length - offset + 1);
    const uint8_t *expected = m->bytes + m->start + offset;
    struct checksum sum = {0}, expected_sum = {0};
    buffer_read(&w->space, b, offset, to, size, below(w, 2) == 0 ? &sum : NULL);
    EXPECT_BYTES(row, to, expected, size);
    if (sum.sum == 0)
        return;
    checksum_add(&expected_sum, expected, size);
    EXPECT_EQUAL(row, checksum_finish(&sum), checksum_finish(&expected_sum));
}

static void peek(const char *row, const struct world *w, const struct buffer *b,
                 const struct model *m)
{
    uint32_t size = 0;
    const uint8_t *at = buffer_peek(&w->space, b, &size);
    EXPECT_EQUAL(row, at != NULL, m->length > 0);
    if (at == NULL)
        return;
    const uint32_t in_page = w->page_size - m->start % w->page_size;
    EXPECT_EQUAL(row, size, in_page < m->length ? in_page : m->length);
    EXPECT_BYTES(row, at, m->bytes + m->start, size);
}

static void reserve(const char *row, struct world *w, struct buffer *b, struct model *m)
{
    uint32_t size = 0;
    const uint32_t position = m->start + m->length;
    if (m->length >= reach(w) || is_wide(w))
        return;
    const enum buffer_claim claim = m->length == 0 ? BUFFER_FIRST_TO_SEND : BUFFER_TO_SEND;
    const bool may =
        model_reach(w, m, claim, m->length, 1) == 1 && model_page(w, m, position, claim);
    m->used = m->used || may;
    uint8_t *at = buffer_reserve(&w->space, b, &size);
    EXPECT_EQUAL(row, at != NULL, may);
    if (at == NULL)
        return;
    EXPECT_EQUAL(row, size, w->page_size - position % w->page_size);
    uint32_t used = below(w, size + 1);
    used = used < reach(w) - m->length ? used : reach(w) - m->length;
    for (uint32_t i = 0; i < used; i++) {
        at[i] = m->bytes[position + i] = (uint8_t)prng_next(&w->prng);
        m->known[position + i] = true;
    }
    buffer_extend(b, used);
    m->length += used;
}

static void settle(struct world *w, struct buffer *b, struct model *m)
{
    bool beyond = below(w, 4) != 0;
    buffer_settle(&w->space, b, beyond);
    if (m->length == 0 && !beyond)
        model_clear(m);
}

/* All pages are held by somebody, and those beyond the bytes are as few as the heights need: 16
 * numbers stand in a page here, so one for each 15 pages at most, one at the front of each level and
 * one at its end. */
static void expect_pages_of_numbers(const char *row, const struct world *w)
{
    uint32_t pages = 0, heights = 0;
    for (unsigned i = 0; i < BUFFERS; i++) {
        pages += buffer_pages(&w->space, &w->buffers[i]);
        heights += buffer_has_record(&w->buffers[i]) ? w->buffers[i].height : 0;
    }
    EXPECT_EQUAL(row, w->space.pages.used, pages);
    EXPECT(row, pages >= held_pages(w));
    EXPECT(row, heights > 0 || pages == held_pages(w));
}

static void operate(const char *row, struct world *w)
{
    const unsigned i = below(w, BUFFERS);
    struct buffer *b = &w->buffers[i];
    struct model *m = &w->models[i];
    if (m->start + 3 * reach(w) > STREAM) {
        buffer_clear(&w->space, b);
        model_clear(m);
    }
    switch (below(w, 10)) {
    case 0:
    case 1:
        write_some(row, w, b, m, (enum buffer_claim)below(w, BUFFER_TO_SEND + 1), m->length);
        break;
    case 2:
        write_some(row, w, b, m, BUFFER_OUT_OF_ORDER,
                   m->length + below(w, reach(w) - m->length + 1));
        break;
    case 3:
        extend_over_known(b, m);
        break;
    case 4:
    case 5: {
        const uint32_t size = below(w, 3) == 0 ? m->length : below(w, m->length + 1);
        buffer_drop(&w->space, b, size);
        model_drop(w, m, size);
        break;
    }
    case 6:
        reserve(row, w, b, m);
        break;
    case 7:
        settle(w, b, m);
        break;
    default:
        read_some(row, w, b, m);
        peek(row, w, b, m);
        break;
    }
    EXPECT_EQUAL(row, b->length, m->length);
    EXPECT_EQUAL(row, b->index != POOL_NONE, m->used);
    EXPECT_EQUAL(row, buffer_has_record(b), m->indexed);
    if (is_wide(w))
        expect_pages_of_numbers(row, w);
    else
        EXPECT_EQUAL(row, w->space.pages.used, held_pages(w));
    EXPECT_EQUAL(row, w->space.indexes.used, indexes_taken(w));
}

static void random_operations(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t page_size, pages, indexes, reach;
    } rows[] = {
        {"plenty", 64, 64, 5, NARROW},      {"few pages", 64, 9, 5, 11},
        {"one page", 64, 1, 5, 3},          {"seven pages: an eighth is none", 64, 7, 5, 8},
        {"two indexes", 64, 40, 2, NARROW}, {"larger pages", 128, 24, 5, 8},
        {"one height", 64, 1500, 5, 200},   {"one height, few pages", 64, 60, 5, 200},
        {"two heights", 64, 1500, 5, 600},  {"two heights, few pages", 64, 100, 5, 600},
    };
    struct world *w = malloc(sizeof *w);
    assert_non_null(w);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        world_start(w, rows[i].page_size, rows[i].pages, rows[i].indexes, rows[i].reach, i + 1);
        for (unsigned n = 0; n < 6000; n++)
            operate(rows[i].name, w);
        for (unsigned b = 0; b < BUFFERS; b++)
            buffer_clear(&w->space, &w->buffers[b]);
        EXPECT_EQUAL(rows[i].name, w->space.pages.used, 0);
        EXPECT_EQUAL(rows[i].name, w->space.indexes.used, 0);
        world_end(w);
    }
    free(w);
}

/* 16 pages: text to be sent may take 12, what is out of order 2 more, text in order the last 2. */
static void claims(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum buffer_claim claim;
        uint32_t pages;
    } rows[] = {
        {"to send", BUFFER_TO_SEND, 12},
        {"to send, once more", BUFFER_TO_SEND, 0},
        {"out of order", BUFFER_OUT_OF_ORDER, 2},
        {"out of order, once more", BUFFER_OUT_OF_ORDER, 0},
        {"in order", BUFFER_IN_ORDER, 2},
        {"in order, once more", BUFFER_IN_ORDER, 0},
    };
    static const uint8_t bytes[64 * NARROW];
    struct world *w = malloc(sizeof *w);
    assert_non_null(w);
    world_start(w, 64, 16, 5, NARROW, 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buffer *b = &w->buffers[rows[i].claim];
        const uint32_t done =
            buffer_write(&w->space, b, rows[i].claim, b->length, bytes, sizeof bytes);
        EXPECT_EQUAL(rows[i].name, done, rows[i].pages * 64);
        buffer_extend(b, done);
    }
    for (unsigned b = 0; b < BUFFERS; b++)
        buffer_clear(&w->space, &w->buffers[b]);
    EXPECT_EQUAL("cleared", w->space.pages.used, 0);
    world_end(w);
    free(w);
}

/* 64 pages, 16 of which are set aside for five buffers: 3 for each, whatever the others hold. Beyond
 * their shares they have 48; what is only queued to be sent leaves 8 of these to the rest. */
static void shares(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned buffer;
        enum buffer_claim claim;
        uint32_t pages; /* of numbers, too */
    } rows[] = {
        {"a greedy queue", 0, BUFFER_TO_SEND, 3 + 40},
        {"a queue that comes after it has its share", 1, BUFFER_TO_SEND, 3},
        {"what comes in order has its share, and what is left", 2, BUFFER_IN_ORDER, 3 + 8},
        {"nothing is left but shares", 2, BUFFER_IN_ORDER, 0},
        {"a share", 3, BUFFER_TO_SEND, 3},
        {"of the last share the first page, to be sent", 4, BUFFER_FIRST_TO_SEND, 1},
        {"of the last share the rest, in order", 4, BUFFER_IN_ORDER, 2},
        {"no more", 4, BUFFER_IN_ORDER, 0},
    };
    static const uint8_t bytes[PAGE_MIN * 100];
    struct world *w = malloc(sizeof *w);
    assert_non_null(w);
    world_start(w, PAGE_MIN, 64, BUFFERS, NARROW, 0);
    buffer_share(&w->space);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buffer *b = &w->buffers[rows[i].buffer];
        const uint32_t before = w->space.pages.used;
        buffer_extend(b, buffer_write(&w->space, b, rows[i].claim, b->length, bytes, sizeof bytes));
        EXPECT_EQUAL(rows[i].name, w->space.pages.used - before, rows[i].pages);
    }
    EXPECT_EQUAL("beyond", w->space.beyond, 48);
    buffer_drop(&w->space, &w->buffers[0], 20 * PAGE_MIN);
    EXPECT("what is given back is there for others",
           buffer_write(&w->space, &w->buffers[4], BUFFER_IN_ORDER, w->buffers[4].length, bytes,
                        10 * PAGE_MIN) == 10 * PAGE_MIN);
    for (unsigned b = 0; b < BUFFERS; b++)
        buffer_clear(&w->space, &w->buffers[b]);
    EXPECT_EQUAL("cleared", w->space.pages.used + w->space.beyond, 0);
    world_end(w);
    free(w);
}

/* A queue that grows byte by byte far beyond its record, and is read while it grows: the pages of
 * numbers go with the front, and when it is empty a record of the smallest size is what is left. */
static void grows_and_gives_back(void **state)
{
    (void)state;
    enum { PAGES = 600, TOTAL = PAGES * PAGE_MIN / 2 };
    struct world *w = malloc(sizeof *w);
    assert_non_null(w);
    world_start(w, PAGE_MIN, PAGES, 1, PAGES, 0);
    struct buffer *b = &w->buffers[0];
    uint8_t to[TOTAL];
    for (unsigned round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < TOTAL; i++) {
            const uint8_t byte = (uint8_t)(i * 7 + i / 256);
            EXPECT_EQUAL("write", buffer_write(&w->space, b, BUFFER_IN_ORDER, b->length, &byte, 1),
                         1);
            buffer_extend(b, 1);
        }
        EXPECT_EQUAL("height", b->height, 2);
        buffer_read(&w->space, b, 0, to, TOTAL, NULL);
        for (uint32_t i = 0; i < TOTAL; i++)
            EXPECT_EQUAL("byte", to[i], (uint8_t)(i * 7 + i / 256));
        EXPECT_EQUAL("in place", *(uint8_t *)buffer_at(&w->space, b, TOTAL - 1), to[TOTAL - 1]);
        buffer_drop(&w->space, b, TOTAL - 1);
        EXPECT("hardly anything left", w->space.pages.used <= 1u + b->height);
        buffer_drop(&w->space, b, 1);
        buffer_settle(&w->space, b, false);
        EXPECT_EQUAL("nothing", w->space.pages.used, 0);
    }
    /* Positions are counted modulo 2^32: the front may stand anywhere. */
    EXPECT_EQUAL("room", buffer_make_room(&w->space, b, BUFFER_IN_ORDER, 0, 2000), 2000);
    buffer_clear(&w->space, b);
    EXPECT_EQUAL("far ahead", buffer_write(&w->space, b, BUFFER_OUT_OF_ORDER, 1 << 30, to, 100),
                 100);
    EXPECT_EQUAL("a page for each height, two of bytes at most", b->height, 6);
    EXPECT("few", w->space.pages.used <= 2 + 2u * b->height);
    buffer_clear(&w->space, b);
    EXPECT_EQUAL("cleared", w->space.pages.used, 0);
    world_end(w);
    free(w);
}

/* The last page is worth a byte in a queue that is empty, and none in one that must grow for it. */
static void last_page(void **state)
{
    (void)state;
    static const uint8_t bytes[PAGE_MIN * 20];
    struct world *w = malloc(sizeof *w);
    assert_non_null(w);
    world_start(w, PAGE_MIN, BUFFER_SLOTS + 1, 5, NARROW, 0);
    struct buffer *full = &w->buffers[0];
    EXPECT_EQUAL("as far as the record goes",
                 buffer_write(&w->space, full, BUFFER_IN_ORDER, 0, bytes, sizeof bytes),
                 BUFFER_SLOTS * PAGE_MIN);
    buffer_extend(full, BUFFER_SLOTS * PAGE_MIN);
    EXPECT_EQUAL("the last page holds its numbers", w->space.pages.used, BUFFER_SLOTS + 1);
    EXPECT_EQUAL("none", buffer_write(&w->space, full, BUFFER_IN_ORDER, full->length, bytes, 1), 0);
    buffer_drop(&w->space, full, 2 * PAGE_MIN);
    EXPECT_EQUAL("what was read makes room, less a page of numbers",
                 buffer_write(&w->space, full, BUFFER_IN_ORDER, full->length, bytes, 2 * PAGE_MIN),
                 PAGE_MIN);
    buffer_drop(&w->space, full, PAGE_MIN);
    EXPECT_EQUAL("an empty one",
                 buffer_write(&w->space, &w->buffers[1], BUFFER_IN_ORDER, 0, bytes, 9), 9);
    for (unsigned b = 0; b < BUFFERS; b++)
        buffer_clear(&w->space, &w->buffers[b]);
    EXPECT_EQUAL("cleared", w->space.pages.used, 0);
    world_end(w);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations),
        cmocka_unit_test(claims),
        cmocka_unit_test(shares),
        cmocka_unit_test(grows_and_gives_back),
        cmocka_unit_test(last_page),
    };
    return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
