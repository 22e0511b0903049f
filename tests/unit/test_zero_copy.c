/* SPDX-License-Identifier: MIT */
/* Sending and receiving in place beside the copying calls: two stacks get the same packets, one is
 * used with copies and one without, and nobody outside can tell which is which. */
#include "rig.h"

#include <stdlib.h>

#include "base/prng.h"

static const struct rig_segment offer = {
    .seq = 0xffffff00, .window = 60000, .mss = 1400, .scaling = true, .scale = 3};

struct pair {
    struct rig copying, in_place;
    struct rig_conn a, b; /* of copying, of in_place */
    struct prng prng;
};

static struct pair *pair_new(uint64_t seed)
{
    struct pair *p = malloc(sizeof *p);
    struct duet_config config;
    assert_non_null(p);
    rig_config(&config);
    config.page_size = 512;
    config.pages_max = 400;
    config.send_buffer = config.receive_buffer = 100000;
    rig_start(&p->copying, &config);
    rig_start(&p->in_place, &config);
    p->a = p->b = (struct rig_conn){.tuple = rig_tuple6(1000, 4000)};
    rig_connect(&p->copying, &p->a, &offer);
    rig_connect(&p->in_place, &p->b, &offer);
    prng_seed(&p->prng, seed);
    return p;
}

static void pair_free(struct pair *p)
{
    rig_end(&p->copying);
    rig_end(&p->in_place);
    free(p);
}

static uint32_t below(struct pair *p, uint64_t limit)
{
    return (uint32_t)prng_below(&p->prng, limit);
}

/* Both send the same packets now, bit for bit; how many bytes of text there were. */
static uint32_t expect_same_packets(const char *row, struct pair *p)
{
    struct rig_segment x, y;
    uint32_t text = 0;
    for (;;) {
        const bool more = rig_output(&p->copying, NULL, &x);
        EXPECT_EQUAL(row, rig_output(&p->in_place, NULL, &y), more);
        if (!more)
            return text;
        EXPECT_EQUAL(row, p->in_place.packet.length, p->copying.packet.length);
        EXPECT_BYTES(row, p->in_place.out, p->copying.out, p->copying.packet.length);
        const uint32_t end = x.seq + x.length;
        if ((int32_t)(end - p->a.ack) > 0)
            p->a.ack = p->b.ack = end;
        text += x.length;
    }
}

static void say_to_both(struct pair *p, uint16_t flags, uint32_t offset, const void *text,
                        uint32_t length)
{
    rig_say(&p->copying, &p->a, flags, offset, text, length);
    rig_say(&p->in_place, &p->b, flags, offset, text, length);
}

static void pass_both(struct pair *p, duet_time time)
{
    rig_pass(&p->copying, p->copying.now + time);
    rig_pass(&p->in_place, p->in_place.now + time);
}

/* ---- sending ---- */

/* Reserves, fills a part or all of the room and commits it; the other one gets the same bytes. */
static bool send_some(struct pair *p, uint64_t *stream)
{
    void *room = NULL;
    size_t size = 0;
    uint8_t bytes[512];
    const unsigned flags = below(p, 4) == 0 ? DUET_SEND_MORE : 0;
    const int error = duet_send_reserve(p->in_place.stack, p->b.handle, &room, &size);
    if (error != DUET_OK) {
        EXPECT_EQUAL("no room", error, DUET_E_AGAIN);
        EXPECT_EQUAL("no room for copies either",
                     duet_send(p->copying.stack, p->copying.now, p->a.handle, bytes, 1, 0),
                     DUET_E_AGAIN);
        return false;
    }
    EXPECT("room", size >= 1 && size <= sizeof bytes);
    const uint32_t used = below(p, 3) == 0 ? (uint32_t)size : 1 + below(p, size);
    for (uint32_t i = 0; i < used; i++)
        bytes[i] = (uint8_t)((*stream)++ * 31 >> 3);
    memcpy(room, bytes, used);
    EXPECT_EQUAL("commit",
                 duet_send_commit(p->in_place.stack, p->in_place.now, p->b.handle, used, flags),
                 DUET_OK);
    EXPECT_EQUAL(
        "send", duet_send(p->copying.stack, p->copying.now, p->a.handle, bytes, used, flags), used);
    return true;
}

static void committed_bytes_are_sent_like_copied_ones(void **state)
{
    (void)state;
    struct pair *p = pair_new(1);
    uint64_t stream = 0, blocked = 0, text = 0;
    assert_int_equal(duet_set(p->copying.stack, 0, p->a.handle, DUET_OPTION_SEND_BUFFER, 5000), 0);
    assert_int_equal(duet_set(p->in_place.stack, 0, p->b.handle, DUET_OPTION_SEND_BUFFER, 5000), 0);
    while (text < 400000) {
        for (uint32_t n = below(p, 40); n > 0; n--)
            blocked += !send_some(p, &stream);
        text += expect_same_packets("data", p);
        if (below(p, 3) == 0)
            continue;
        pass_both(p, DUET_MILLISECOND * below(p, 400));
        text += expect_same_packets("time", p);
        say_to_both(p, 0, 0, NULL, 0);
    }
    EXPECT("the buffer was full at times", blocked > 10);
    pair_free(p);
}

static void reserve_alone_sends_nothing(void **state)
{
    (void)state;
    struct pair *p = pair_new(2);
    struct rig *rig = &p->in_place;
    void *room = NULL, *again = NULL;
    size_t size = 0, size_again = 0;
    assert_int_equal(duet_send_reserve(rig->stack, p->b.handle, &room, &size), DUET_OK);
    EXPECT_EQUAL("a page", size, 512);
    memset(room, 0x5a, size);
    EXPECT_EQUAL("queue", rig_status(rig, &p->b).send_queued, 0);
    rig_pass(rig, 10 * DUET_SECOND);
    rig_silence("nothing", rig);
    assert_int_equal(duet_send_reserve(rig->stack, p->b.handle, &again, &size_again), DUET_OK);
    EXPECT("same room", again == room && size_again == size);
    EXPECT_EQUAL("too much", duet_send_commit(rig->stack, 0, p->b.handle, size + 1, 0), DUET_E_ARG);
    rig_silence("too much", rig);
    EXPECT_EQUAL("none", duet_send_commit(rig->stack, 0, p->b.handle, 0, 0), DUET_OK);
    rig_silence("none", rig);
    EXPECT_EQUAL("given back", rig->stack->buffers.pages.used, 0);
    EXPECT_EQUAL("given back", rig->stack->transfers.used, 0);
    EXPECT_EQUAL("without room", duet_send_commit(rig->stack, 0, p->b.handle, 1 << 20, 0),
                 DUET_E_ARG);
    pair_free(p);
}

/* Room ends with the page, or where the buffer of the connection ends. */
static void room_is_bounded(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t buffer, queued, room; /* room 0: DUET_E_AGAIN */
    } rows[] = {
        {"a page", 65536, 0, 512},          {"the rest of a page", 65536, 500, 12},
        {"the next page", 65536, 512, 512}, {"a small buffer", 100, 0, 100},
        {"its rest", 100, 99, 1},           {"full", 100, 100, 0},
        {"full at a page", 512, 512, 0},    {"across a page", 600, 512, 88},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        static const uint8_t bytes[512];
        struct pair *p = pair_new(3);
        struct rig *rig = &p->in_place;
        void *room;
        size_t size = 0;
        assert_int_equal(
            duet_set(rig->stack, 0, p->b.handle, DUET_OPTION_SEND_BUFFER, rows[i].buffer), DUET_OK);
        if (rows[i].queued > 0)
            rig_write(rig, &p->b, bytes, rows[i].queued);
        EXPECT_EQUAL(rows[i].name, duet_send_reserve(rig->stack, p->b.handle, &room, &size),
                     rows[i].room == 0 ? DUET_E_AGAIN : DUET_OK);
        EXPECT_EQUAL(rows[i].name, size, rows[i].room);
        pair_free(p);
    }
}

/* ---- sending what is lent ---- */

enum { STREAM = 420000 };

/* Lends a part of the stream that may fill no page or many; the other one gets the same bytes. */
static uint32_t lend_some(struct pair *p, const uint8_t *from)
{
    const uint32_t size = below(p, 3) == 0 ? 1 + below(p, 600) : 1 + below(p, 6000);
    const unsigned flags = below(p, 4) == 0 ? DUET_SEND_MORE : 0;
    const int64_t taken =
        duet_send_lent(p->in_place.stack, p->in_place.now, p->b.handle, from, size, flags);
    EXPECT_EQUAL("as many",
                 duet_send(p->copying.stack, p->copying.now, p->a.handle, from, size, flags),
                 taken);
    return taken > 0 ? (uint32_t)taken : 0;
}

static void expect_same_state(struct pair *p)
{
    static const struct duet_canonical_base base;
    struct duet_canonical x, y;
    duet_canonical(p->copying.stack, &base, &x);
    duet_canonical(p->in_place.stack, &base, &y);
    EXPECT("same state", x.hash == y.hash && x.deadline == y.deadline);
    EXPECT_EQUAL("same pages", p->in_place.stack->buffers.pages.used,
                 p->copying.stack->buffers.pages.used);
}

/* All that has left, or a part, so that the queue is not always empty afterwards. */
static void acknowledge_some(struct pair *p, uint32_t *said)
{
    const uint32_t left = p->a.ack - *said;
    *said += below(p, 2) == 0 ? left : below(p, left + 1);
    p->a.ack = p->b.ack = *said;
    say_to_both(p, 0, 0, NULL, 0);
}

/* Segments of all sizes, losses, small buffers and such of several levels of pages. */
static void lent_bytes_are_sent_like_copied_ones(void **state)
{
    (void)state;
    static uint8_t stream[STREAM];
    static const uint32_t buffers[] = {5000, 12000, 100000}; /* the second outgrows a record late */
    for (uint32_t i = 0; i < STREAM; i++)
        stream[i] = (uint8_t)(i * 31 >> 3);
    for (size_t row = 0; row < COUNT_OF(buffers); row++) {
        struct pair *p = pair_new(6 + row);
        uint32_t queued = 0, said = p->a.ack;
        assert_int_equal(
            duet_set(p->copying.stack, 0, p->a.handle, DUET_OPTION_SEND_BUFFER, buffers[row]), 0);
        assert_int_equal(
            duet_set(p->in_place.stack, 0, p->b.handle, DUET_OPTION_SEND_BUFFER, buffers[row]), 0);
        while (queued < STREAM - 40 * 6000) {
            for (uint32_t n = below(p, below(p, 2) == 0 ? 40 : 4); n > 0; n--)
                queued += lend_some(p, stream + queued);
            expect_same_state(p);
            expect_same_packets("data", p);
            if (below(p, 3) == 0)
                continue;
            pass_both(p, DUET_MILLISECOND * below(p, 400));
            expect_same_packets("time", p);
            acknowledge_some(p, &said);
        }
        expect_same_state(p);
        pair_free(p);
    }
}

/* Whole pages are not copied, what is before and behind them is; and when all has been acknowledged nothing
 * is held. */
static void lent_bytes_are_read_when_they_leave(void **state)
{
    (void)state;
    struct pair *p = pair_new(8);
    struct rig *rig = &p->in_place;
    struct rig_segment segment;
    uint8_t text[100 + 512 + 512 + 60], wire[sizeof text];
    uint32_t got = 0;
    memset(text, 'a', sizeof text);
    EXPECT_EQUAL("a part of a page",
                 duet_send(rig->stack, 0, p->b.handle, text, 412, DUET_SEND_MORE), 412);
    EXPECT_EQUAL("all", duet_send_lent(rig->stack, 0, p->b.handle, text, sizeof text, 0),
                 sizeof text);
    memset(text, 'b', sizeof text);
    while (rig_output(rig, NULL, &segment)) {
        const uint32_t skip = got == 0 ? 412 : 0;
        memcpy(wire + got, segment.text + skip, segment.length - skip);
        got += segment.length - skip;
        p->b.ack = segment.seq + segment.length;
    }
    EXPECT_EQUAL("all of it left", got, sizeof text);
    for (uint32_t i = 0; i < sizeof wire; i++)
        EXPECT_EQUAL("byte", wire[i], i < 100 || i >= 100 + 1024 ? 'a' : 'b');
    EXPECT_EQUAL("needed until acknowledged", rig_status(rig, &p->b).send_queued,
                 412 + sizeof text);
    rig_say(rig, &p->b, 0, 0, NULL, 0);
    EXPECT_EQUAL("not any more", rig_status(rig, &p->b).send_queued, 0);
    EXPECT_EQUAL("given back", rig->stack->buffers.pages.used, 0);
    pair_free(p);
}

/* Each record that is asked for on the way is refused once: what was taken is sent, lent or copied. */
static void lending_without_a_record_sends_what_was_taken(void **state)
{
    (void)state;
    uint8_t text[1200];
    uint32_t all = 0;
    for (uint32_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 7);
    for (uint64_t nth = 1; nth <= 8; nth++) {
        struct pair *p = pair_new(10 + nth);
        struct rig *rig = &p->in_place;
        struct rig_segment segment;
        uint32_t got = 0;
        const uint64_t asked = duet_refuse_record(rig->stack, 0, false);
        (void)duet_refuse_record(rig->stack, asked + nth, false);
        const int64_t taken =
            duet_send_lent(rig->stack, rig->now, p->b.handle, text, sizeof text, 0);
        EXPECT("some or none", taken == DUET_E_AGAIN || taken > 0);
        while (rig_output(rig, NULL, &segment)) {
            EXPECT_BYTES("what was taken", segment.text, text + got, segment.length);
            got += segment.length;
            p->b.ack = segment.seq + segment.length;
        }
        EXPECT_EQUAL("all that was taken", got, taken > 0 ? taken : 0);
        all += got == sizeof text;
        pair_free(p);
    }
    EXPECT("copied where it cannot be lent", all >= 4);
}

/* A page counts as any other, so that who lends gets no more than who does not. */
static void lending_ends_with_the_pages(void **state)
{
    (void)state;
    static const uint8_t bytes[400 * 512];
    struct pair *p = pair_new(9);
    const int64_t copied =
        duet_send(p->copying.stack, p->copying.now, p->a.handle, bytes, sizeof bytes, 0);
    EXPECT("not all", copied > 0 && copied < (int64_t)sizeof bytes);
    EXPECT_EQUAL(
        "as many",
        duet_send_lent(p->in_place.stack, p->in_place.now, p->b.handle, bytes, sizeof bytes, 0),
        copied);
    expect_same_state(p);
    EXPECT_EQUAL("no more",
                 duet_send_lent(p->in_place.stack, p->in_place.now, p->b.handle, bytes, 512, 0),
                 DUET_E_AGAIN);
    assert_int_equal(duet_abort(p->in_place.stack, p->in_place.now, p->b.handle), DUET_OK);
    EXPECT_EQUAL("given back", p->in_place.stack->buffers.pages.used, 0);
    pair_free(p);
}

/* ---- receiving ---- */

static void read_some(struct pair *p, uint64_t *stream)
{
    const void *data = NULL;
    size_t size = 0;
    uint8_t bytes[1024];
    const int error = duet_receive_peek(p->in_place.stack, p->b.handle, &data, &size);
    if (error != DUET_OK) {
        EXPECT_EQUAL("nothing", error, DUET_E_AGAIN);
        EXPECT_EQUAL("nothing for copies either",
                     duet_receive(p->copying.stack, p->copying.now, p->a.handle, bytes, 1),
                     DUET_E_AGAIN);
        return;
    }
    EXPECT("something", size >= 1 && size <= 512);
    const uint32_t used = below(p, 3) == 0 ? (uint32_t)size : 1 + below(p, size);
    EXPECT_EQUAL("receive",
                 duet_receive(p->copying.stack, p->copying.now, p->a.handle, bytes, used), used);
    EXPECT_BYTES("same bytes", data, bytes, used);
    for (uint32_t i = 0; i < used; i++)
        EXPECT_EQUAL("stream", bytes[i], (uint8_t)((*stream)++ * 31 >> 3));
    EXPECT_EQUAL("consume",
                 duet_receive_consume(p->in_place.stack, p->in_place.now, p->b.handle, used),
                 DUET_OK);
}

/* In order, out of order and twice; the acknowledgements and windows are the same. */
static void peeked_bytes_are_those_copied(void **state)
{
    (void)state;
    struct pair *p = pair_new(4);
    uint64_t written = 0, read = 0;
    uint8_t text[3000];
    while (written < 600000) {
        const uint32_t first = below(p, 1400), second = below(p, 1400);
        for (uint32_t i = 0; i < first + second; i++)
            text[i] = (uint8_t)((written + i) * 31 >> 3);
        const uint32_t room = rig_status(&p->copying, &p->a).rcv_wnd;
        if (first + second <= room) {
            if (below(p, 2) == 0)
                say_to_both(p, 0, first, text + first, second);
            say_to_both(p, 0, 0, text, first + second);
            written += first + second;
            p->a.seq = p->b.seq = p->a.seq + first + second;
        }
        expect_same_packets("acknowledgement", p);
        for (uint32_t n = below(p, 8); n > 0; n--)
            read_some(p, &read);
        expect_same_packets("window", p);
        pass_both(p, DUET_MILLISECOND * below(p, 60));
        expect_same_packets("delayed acknowledgement", p);
    }
    pair_free(p);
}

static void peek_shows_and_consume_takes(void **state)
{
    (void)state;
    struct pair *p = pair_new(5);
    struct rig *rig = &p->in_place;
    uint8_t text[700];
    const void *data = NULL, *again = NULL;
    size_t size = 0;
    for (unsigned i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 7);
    rig_say(rig, &p->b, DUET_FIN, 0, text, sizeof text);
    assert_int_equal(duet_receive_peek(rig->stack, p->b.handle, &data, &size), DUET_OK);
    EXPECT_EQUAL("up to the end of the page", size, 512);
    EXPECT_BYTES("the first bytes", data, text, size);
    assert_int_equal(duet_receive_peek(rig->stack, p->b.handle, &again, &size), DUET_OK);
    EXPECT("nothing taken", again == data && size == 512);
    EXPECT_EQUAL("some", duet_receive_consume(rig->stack, 0, p->b.handle, 100), DUET_OK);
    assert_int_equal(duet_receive_peek(rig->stack, p->b.handle, &again, &size), DUET_OK);
    EXPECT("in place", again == (const uint8_t *)data + 100 && size == 412);
    EXPECT_EQUAL("across the page", duet_receive_consume(rig->stack, 0, p->b.handle, 500), DUET_OK);
    assert_int_equal(duet_receive_peek(rig->stack, p->b.handle, &again, &size), DUET_OK);
    EXPECT_EQUAL("the rest", size, 100);
    EXPECT_BYTES("the last bytes", again, text + 600, size);
    EXPECT_EQUAL("one too many", duet_receive_consume(rig->stack, 0, p->b.handle, 101), DUET_E_ARG);
    EXPECT_EQUAL("all", duet_receive_consume(rig->stack, 0, p->b.handle, 100), DUET_OK);
    EXPECT_EQUAL("end of stream", duet_receive_peek(rig->stack, p->b.handle, &data, &size),
                 DUET_E_CLOSING);
    pair_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(committed_bytes_are_sent_like_copied_ones),
        cmocka_unit_test(reserve_alone_sends_nothing),
        cmocka_unit_test(room_is_bounded),
        cmocka_unit_test(lent_bytes_are_sent_like_copied_ones),
        cmocka_unit_test(lent_bytes_are_read_when_they_leave),
        cmocka_unit_test(lending_without_a_record_sends_what_was_taken),
        cmocka_unit_test(lending_ends_with_the_pages),
        cmocka_unit_test(peeked_bytes_are_those_copied),
        cmocka_unit_test(peek_shows_and_consume_takes),
    };
    return cmocka_run_group_tests_name("zero copy", tests, NULL, NULL);
}
