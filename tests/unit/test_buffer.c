/* SPDX-License-Identifier: MIT */
/* Buffers beside a model: a plain array of bytes for each, and for each page of its stream whether
 * it has been borrowed. The model knows nothing of rings, slots or indexes; positions only grow. */
#include "unit.h"

#include <stdlib.h>

#include "base/prng.h"
#include "core/buffer.h"

enum { BUFFERS = 5, STREAM = 1 << 16, PAGE_MIN = 64, PAGES_MAX = 64, SLOTS_MAX = 12 };

struct model {
    uint8_t bytes[STREAM];
    bool known[STREAM];           /* written, or in the queue */
    bool held[STREAM / PAGE_MIN]; /* by page of the stream */
    bool indexed;
    uint32_t start, length;
};

struct world {
    struct buffer_space space;
    struct buffer buffers[BUFFERS];
    struct model models[BUFFERS];
    struct prng prng;
    uint8_t *pages;
    uint32_t *indexes;
    uint32_t page_size, page_count, index_count, slots;
};

static void world_start(struct world *w, uint32_t page_size, uint32_t page_count,
                        uint32_t index_count, uint32_t slots, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->page_size = page_size;
    w->page_count = page_count;
    w->index_count = index_count;
    w->slots = slots;
    w->pages = malloc((size_t)page_size * page_count);
    w->indexes = malloc(sizeof(uint32_t) * slots * index_count);
    assert_true(w->pages != NULL && w->indexes != NULL);
    pool_init(&w->space.pages, w->pages, page_size, page_count);
    pool_init(&w->space.indexes, w->indexes, sizeof(uint32_t) * slots, index_count);
    w->space.page_size = page_size;
    w->space.slots = slots;
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

/* The words of buffer.h: every page; while more than an eighth is free; more than a quarter. */
static bool model_may_take(const struct world *w, enum buffer_claim claim)
{
    const uint32_t free = w->page_count - held_pages(w);
    const uint32_t kept = claim == BUFFER_IN_ORDER       ? 0
                          : claim == BUFFER_OUT_OF_ORDER ? w->page_count / 8
                                                         : w->page_count / 4;
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
    return m->indexed;
}

static uint32_t model_write(const struct world *w, struct model *m, enum buffer_claim claim,
                            uint32_t offset, const uint8_t *from, uint32_t size)
{
    const bool in_vain = !m->indexed && !model_may_take(w, claim);
    if (size == 0 || in_vain || !model_index(w, m))
        return 0;
    for (uint32_t i = 0; i < size; i++) {
        const uint32_t position = m->start + offset + i;
        if (!model_page(w, m, position, claim))
            return i;
        m->bytes[position] = from[i];
        m->known[position] = true;
    }
    return size;
}

static void model_drop(const struct world *w, struct model *m, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++, m->start++, m->length--)
        if (m->start % w->page_size == w->page_size - 1)
            m->held[m->start / w->page_size] = false;
}

static void model_clear(struct model *m)
{
    memset(m, 0, sizeof *m);
}

/* ---- one random operation on both ---- */

static uint32_t reach(const struct world *w)
{
    return (w->slots - 1) * w->page_size;
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
    const uint32_t expected = model_write(w, m, claim, offset, bytes, size);
    EXPECT_EQUAL(row, buffer_write(&w->space, b, claim, offset, bytes, size), expected);
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
    if (m->length >= reach(w))
        return;
    const bool may = model_index(w, m) && model_page(w, m, position, BUFFER_TO_SEND);
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
        write_some(row, w, b, m, (enum buffer_claim)below(w, 3), m->length);
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
    EXPECT_EQUAL(row, b->index != POOL_NONE, m->indexed);
    EXPECT_EQUAL(row, w->space.pages.used, held_pages(w));
    EXPECT_EQUAL(row, w->space.indexes.used, indexes_taken(w));
}

static void random_operations(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t page_size, pages, indexes, slots;
    } rows[] = {
        {"plenty", 64, 64, 5, 12},      {"few pages", 64, 9, 5, 12},
        {"one page", 64, 1, 5, 3},      {"seven pages: an eighth is none", 64, 7, 5, 8},
        {"two indexes", 64, 40, 2, 12}, {"larger pages", 128, 24, 5, 8},
        {"two slots", 64, 20, 5, 2},    {"slots no power of two", 64, 30, 5, 7},
    };
    struct world *w = malloc(sizeof *w);
    assert_non_null(w);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        world_start(w, rows[i].page_size, rows[i].pages, rows[i].indexes, rows[i].slots, i + 1);
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
    static const uint8_t bytes[64 * 20];
    struct world *w = malloc(sizeof *w);
    assert_non_null(w);
    world_start(w, 64, 16, 5, 41, 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations),
        cmocka_unit_test(claims),
    };
    return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
