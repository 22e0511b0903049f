/* SPDX-License-Identifier: MIT */
/* The scoreboard alone (tcp_flight.h): what is in flight of a connection whose window is moved by hand.
 * Each test is a timeline of what was sent and what was heard; the last one plays thousands of random
 * ones beside a plain array that does the same. Sequence numbers are about to wrap.
 */
#include "rig.h"

#include "base/bytes.h"
#include "base/prng.h"

#include <stdlib.h>

enum { MSS = 100, AGAIN = FLIGHT_AGAIN, LOST = FLIGHT_LOST, SACKED = FLIGHT_SACKED };

struct board {
    struct rig rig;
    struct duet_stack *s;
    struct tcp_conn *c;
    struct tcp_flight *f;
    struct seq una; /* where it all began */
};

static struct board *board_new(void)
{
    struct board *b = calloc(1, sizeof *b);
    struct duet_config config;
    assert_non_null(b);
    rig_config(&config);
    rig_start(&b->rig, &config);
    struct rig_conn conn = {.tuple = rig_tuple(1000, 2000)};
    rig_connect(&b->rig, &conn, &(struct rig_segment){.mss = 1000, .window = 65535, .sack = true});
    b->s = b->rig.stack;
    b->c = conn_at(b->s, conn.handle.index);
    b->una = seq_of(UINT32_MAX - 250);
    b->c->snd.una = b->c->snd.nxt = b->una;
    tcp_return_transfer(b->s, b->c);
    assert_true(tcp_borrow_transfer(b->s, b->c));
    b->f = &transfer_of(b->s, b->c)->flight;
    return b;
}

static void board_free(struct board *b)
{
    rig_end(&b->rig);
    free(b);
}

static void well(const char *row, const struct board *b)
{
    const char *fault = flight_check(b->s, b->c);
    EXPECT_TEXT(row, fault == NULL ? "" : fault, "");
}

/* ---- words of the timelines; offsets are from una ---- */

static bool append(struct board *b, uint32_t bytes)
{
    if (flight_reserve(b->s, b->c, 1) == 0)
        return false;
    const struct seq end = seq_add(b->c->snd.nxt, bytes);
    flight_append(b->s, b->c, b->c->snd.nxt, end);
    b->c->snd.nxt = end;
    return true;
}

/* count segments of MSS, a millisecond apart. */
static void send(struct board *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        stack_now(b->s, b->s->now + DUET_MILLISECOND);
        assert_true(append(b, MSS));
    }
}

static uint32_t acknowledge(struct board *b, uint32_t to)
{
    struct flight_segment segment;
    const uint32_t before = b->f->count;
    flight_allow(b->s, b->c);
    while (flight_acked(b->s, b->c, seq_add(b->una, to), &segment))
        continue;
    const uint32_t whole = before - b->f->count;
    b->c->snd.una = seq_add(b->una, to);
    well("acknowledged", b);
    return whole;
}

static uint32_t sack(struct board *b, uint32_t left, uint32_t right)
{
    struct flight_segment segment = {.number = FLIGHT_NONE};
    struct seq from = seq_add(b->una, left);
    uint32_t news = 0;
    flight_allow(b->s, b->c);
    while (flight_sack(b->s, b->c, &from, seq_add(b->una, right), &segment))
        news++;
    well("sacked", b);
    return news;
}

/* The record that begins there. */
static struct flight_segment at(const struct board *b, uint32_t offset)
{
    struct flight_segment segment;
    bool more = flight_oldest(b->s, b->c, &segment);
    while (more && !seq_eq(segment.start, seq_add(b->una, offset)))
        more = flight_after(b->s, b->c, segment.number, &segment);
    assert_true(more);
    return segment;
}

static void lose(struct board *b, uint32_t offset)
{
    flight_mark_lost(b->s, b->c, at(b, offset).number);
    well("lost", b);
}

static void resend(struct board *b, uint32_t offset, uint32_t bytes)
{
    stack_now(b->s, b->s->now + DUET_MILLISECOND);
    flight_resent(b->s, b->c, at(b, offset).number, seq_add(b->una, offset + bytes));
    well("sent again", b);
}

static void totals(const char *row, const struct board *b, uint32_t network, uint32_t sacked,
                   uint32_t lost)
{
    EXPECT_EQUAL(row, flight_in_network(b->s, b->c), network);
    EXPECT_EQUAL(row, b->f->sacked, sacked);
    EXPECT_EQUAL(row, b->f->lost, lost);
}

/* What is to be sent again, oldest first, as offsets: all of it, marking each as sent. */
static void resend_all(const char *row, struct board *b, const uint32_t *offsets, uint32_t count)
{
    struct flight_segment segment;
    for (uint32_t i = 0; i < count; i++) {
        EXPECT(row, flight_first_lost(b->s, b->c, &segment));
        EXPECT_EQUAL(row, seq_distance(b->una, segment.start), offsets[i]);
        flight_resent(b->s, b->c, segment.number, segment.end);
    }
    EXPECT(row, !flight_first_lost(b->s, b->c, &segment));
}

/* In order of their latest transmission, as offsets. */
static void expect_order(const char *row, struct board *b, bool again, const uint32_t *offsets,
                         uint32_t count)
{
    struct flight_segment segment;
    flight_allow(b->s, b->c);
    bool more = flight_oldest_sent(b->s, b->c, again, &segment);
    for (uint32_t i = 0; i < count; i++) {
        EXPECT(row, more);
        EXPECT_EQUAL(row, seq_distance(b->una, segment.start), offsets[i]);
        more = flight_next_sent(b->s, b->c, &segment);
    }
    EXPECT(row, !more);
}

/* ---- timelines ---- */

static void nothing_is_in_flight(void **state)
{
    (void)state;
    struct board *b = board_new();
    struct flight_segment segment;
    EXPECT("empty", !flight_oldest(b->s, b->c, &segment));
    EXPECT("empty", !flight_newest(b->s, b->c, &segment));
    EXPECT("empty", !flight_first_lost(b->s, b->c, &segment));
    flight_allow(b->s, b->c);
    EXPECT("empty", !flight_oldest_sent(b->s, b->c, false, &segment));
    EXPECT("empty", !flight_oldest_sent(b->s, b->c, true, &segment));
    EXPECT_EQUAL("empty", sack(b, 0, 1000), 0);
    EXPECT_EQUAL("empty", acknowledge(b, 0), 0);
    EXPECT("empty", seq_eq(flight_reach(b->s, b->c, seq_add(b->una, 7)), seq_add(b->una, 7)));
    totals("empty", b, 0, 0, 0);
    board_free(b);
}

/* What was merged for want of memory cannot be taken in parts: it counts as a whole. */
static void record_of_more_text_than_one_acknowledgement_gives_back(void **state)
{
    (void)state;
    struct board *b = board_new();
    const uint32_t most = (uint32_t)FLIGHT_PAGES << b->s->buffers.page_log;
    assert_true(append(b, most + 1));
    assert_true(append(b, MSS));
    const struct seq ack = b->c->snd.nxt;
    EXPECT("all of it", seq_eq(flight_reach(b->s, b->c, ack), ack));
    EXPECT_EQUAL("both", acknowledge(b, most + 1 + MSS), 2);
    board_free(b);
}

static void nothing_is_found_without_allowance(void **state)
{
    (void)state;
    struct board *b = board_new();
    struct flight_segment segment;
    send(b, 4);
    lose(b, 0);
    resend(b, 0, MSS);
    flight_allow(b->s, b->c);
    EXPECT("sent once", flight_oldest_sent(b->s, b->c, false, &segment));
    b->f->allowance = 0;
    EXPECT("no next", !flight_next_sent(b->s, b->c, &segment));
    EXPECT("none of those sent again", !flight_oldest_sent(b->s, b->c, true, &segment));
    EXPECT("none of those sent once", !flight_oldest_sent(b->s, b->c, false, &segment));
    EXPECT("spent", flight_is_spent(b->s, b->c));
    expect_order("with it", b, false, (const uint32_t[]){100, 200, 300}, 3);
    board_free(b);
}

/* From now on the next page to be had lies before the last one. */
static void turn_pages_round(struct board *b)
{
    uint32_t pages[16];
    for (size_t i = 0; i < COUNT_OF(pages); i++)
        pages[i] = pool_take(&b->s->buffers.pages);
    for (size_t i = 0; i < COUNT_OF(pages); i++)
        pool_give(&b->s->buffers.pages, pages[i]);
}

/* A page has 128 records: they lie within one, across two or three, fill one, begin at its start. */
static void segments_of_one_packet_have_a_record_each(void **state)
{
    (void)state;
    static const uint32_t counts[] = {3, 2, 45, 100, 1, 105, 128, 300};
    struct board *b = board_new();
    uint32_t end = 0, acked = 0;
    turn_pages_round(b);
    for (size_t row = 0; row < COUNT_OF(counts); row++) {
        EXPECT_EQUAL("memory", flight_reserve(b->s, b->c, counts[row]), counts[row]);
        flight_append_full(b->s, b->c, b->c->snd.nxt, MSS, counts[row]);
        end += counts[row];
        b->c->snd.nxt = seq_add(b->una, end * MSS);
        EXPECT_EQUAL("records", b->f->count, end - acked);
        for (uint32_t i = acked; i < end; i++)
            EXPECT_EQUAL("bytes", seq_distance(at(b, i * MSS).start, at(b, i * MSS).end), MSS);
        if (row % 2 == 1) { /* but for the last 3 */
            EXPECT_EQUAL("acknowledged", acknowledge(b, (end - 3) * MSS), end - 3 - acked);
            acked = end - 3;
        }
    }
    board_free(b);
}

static void segments_are_acknowledged_across_the_wrap(void **state)
{
    (void)state;
    struct board *b = board_new();
    send(b, 6);
    totals("sent", b, 600, 0, 0);
    EXPECT_EQUAL("none whole", acknowledge(b, 99), 0);
    totals("a part", b, 501, 0, 0);
    EXPECT_EQUAL("one whole", acknowledge(b, 150), 1);
    totals("one and a part", b, 450, 0, 0);
    EXPECT_EQUAL("up to the wrap", acknowledge(b, 251), 1);
    EXPECT_EQUAL("up to the wrap", b->c->snd.una.raw, 0);
    EXPECT_EQUAL("the rest", acknowledge(b, 600), 4);
    totals("all", b, 0, 0, 0);
    board_free(b);
}

static void block_covers_whole_records_only(void **state)
{
    (void)state;
    struct board *b = board_new();
    send(b, 6);
    EXPECT_EQUAL("inside one", sack(b, 110, 190), 0);
    EXPECT_EQUAL("two halves", sack(b, 150, 250), 0);
    EXPECT_EQUAL("one of three", sack(b, 150, 350), 1);
    totals("one of three", b, 500, 100, 0);
    EXPECT_EQUAL("again", sack(b, 200, 300), 0);
    EXPECT_EQUAL("across the wrap", sack(b, 100, 400), 2);
    totals("across the wrap", b, 300, 300, 0);
    EXPECT_EQUAL("acknowledged in the middle", acknowledge(b, 250), 2);
    totals("acknowledged in the middle", b, 200, 150, 0);
    EXPECT_EQUAL("all", acknowledge(b, 600), 4);
    totals("all", b, 0, 0, 0);
    board_free(b);
}

static void lost_is_sent_again_oldest_first(void **state)
{
    (void)state;
    static const uint32_t first[] = {100, 400}, second[] = {200, 500};
    struct board *b = board_new();
    send(b, 8);
    sack(b, 300, 400);
    lose(b, 400);
    lose(b, 100); /* older, but found later */
    lose(b, 300); /* SACKed: it is not */
    lose(b, 100); /* no news */
    totals("lost", b, 500, 100, 200);
    resend_all("lost", b, first, 2);
    totals("sent again", b, 700, 100, 0);
    lose(b, 200);
    lose(b, 500);
    EXPECT_EQUAL("late SACK", sack(b, 400, 600), 2);
    totals("late SACK of a lost one", b, 400, 300, 100);
    resend_all("what is left", b, second, 1);
    board_free(b);
}

static void order_is_that_of_the_latest_transmission(void **state)
{
    (void)state;
    static const uint32_t once[] = {0, 300, 400, 600}, twice[] = {500, 100, 200};
    static const uint32_t later[] = {100, 200, 500};
    struct board *b = board_new();
    send(b, 8);
    sack(b, 700, 800);
    for (uint32_t i = 0; i < 3; i++) {
        lose(b, twice[i]);
        resend(b, twice[i], MSS);
    }
    expect_order("sent once", b, false, once, 4);
    expect_order("sent again", b, true, twice, 3);
    EXPECT_EQUAL("flags", at(b, 500).flags, AGAIN);
    lose(b, 500);
    EXPECT_EQUAL("flags", at(b, 500).flags, AGAIN | LOST);
    resend(b, 500, MSS);
    expect_order("a third time", b, true, later, 3);
    sack(b, 300, 500);
    expect_order("sent once, less", b, false, (const uint32_t[]){0, 600}, 2);
    acknowledge(b, 200);
    expect_order("sent once, less", b, false, (const uint32_t[]){600}, 1);
    expect_order("sent again, less", b, true, later + 1, 2);
    board_free(b);
}

/* Time, then sequence, tells what left first, in the same microsecond, too (RFC 8985, 6.2). */
static void what_left_in_one_microsecond_keeps_its_order(void **state)
{
    (void)state;
    struct board *b = board_new();
    stack_now(b->s, 5 * DUET_SECOND);
    const uint32_t now_us = 5000000;
    assert_true(append(b, MSS) && append(b, MSS) && append(b, MSS));
    EXPECT_EQUAL("in sequence", at(b, 200).sent_us, now_us);
    lose(b, 0);
    lose(b, 100);
    flight_resent(b->s, b->c, at(b, 0).number, at(b, 0).end);
    EXPECT_EQUAL("behind new data", at(b, 0).sent_us, now_us + 1);
    flight_resent(b->s, b->c, at(b, 100).number, at(b, 100).end);
    EXPECT_EQUAL("in sequence again", at(b, 100).sent_us, now_us + 1);
    assert_true(append(b, MSS));
    EXPECT_EQUAL("new data behind both", at(b, 300).sent_us, now_us + 1);
    lose(b, 0);
    flight_resent(b->s, b->c, at(b, 0).number, at(b, 0).end);
    EXPECT_EQUAL("a third time", at(b, 0).sent_us, now_us + 2);
    EXPECT_EQUAL("not yet sent, by its stamp", flight_age_us(b->s, at(b, 0).sent_us), 0);
    stack_now(b->s, b->s->now + 10 * DUET_MICROSECOND);
    EXPECT_EQUAL("old", flight_age_us(b->s, at(b, 200).sent_us), 10);
    lose(b, 0);
    flight_resent(b->s, b->c, at(b, 0).number, at(b, 0).end);
    EXPECT_EQUAL("later", at(b, 0).sent_us, now_us + 10);
    stack_now(b->s, b->s->now + INT64_C(4294968) * DUET_MILLISECOND); /* the stamp has gone round */
    lose(b, 0);
    flight_resent(b->s, b->c, at(b, 0).number, at(b, 0).end);
    EXPECT_EQUAL("71 minutes later", flight_age_us(b->s, at(b, 0).sent_us), 0);
    board_free(b);
}

static void what_was_sent_again_in_part_is_missing_behind_it(void **state)
{
    (void)state;
    struct board *b = board_new();
    send(b, 3);
    lose(b, 0);
    resend(b, 0, 40);
    totals("in flight", b, 300, 0, 0);
    acknowledge(b, 40);
    totals("the rest of it", b, 200, 0, 60);
    resend_all("the rest of it", b, (const uint32_t[]){40}, 1);
    acknowledge(b, 50);
    totals("whole this time", b, 250, 0, 0);
    acknowledge(b, 300);
    board_free(b);
}

static void all_and_nothing_is_lost(void **state)
{
    (void)state;
    struct board *b = board_new();
    send(b, 6);
    sack(b, 200, 300);
    lose(b, 0);
    resend(b, 0, MSS);
    lose(b, 100);
    flight_none_lost(b->s, b->c);
    well("none", b);
    totals("none", b, 500, 100, 0);
    expect_order("none: sent once", b, false, (const uint32_t[]){100, 300, 400, 500}, 4);
    flight_all_lost(b->s, b->c, false);
    well("all", b);
    totals("all but what is SACKed", b, 0, 100, 500);
    flight_none_lost(b->s, b->c);
    well("none again", b);
    expect_order("none again: sent twice", b, true, (const uint32_t[]){0}, 1);
    flight_all_lost(b->s, b->c, true);
    well("reneged", b);
    totals("reneged", b, 0, 0, 600);
    resend_all("reneged", b, (const uint32_t[]){0, 100, 200, 300, 400, 500}, 6);
    EXPECT_EQUAL("SACKed once more", sack(b, 100, 600), 5);
    acknowledge(b, 600);
    board_free(b);
}

static void smaller_segments_cut_what_is_in_flight(void **state)
{
    (void)state;
    struct board *b = board_new();
    send(b, 3);
    assert_true(append(b, 20));
    send(b, 2);
    sack(b, 320, 420);
    assert_true(flight_cut(b->s, b->c, 40));
    well("cut", b);
    /* 0..300 lie side by side; 20 octets and the SACKed ones are as they were. */
    totals("cut", b, 20, 100, 400);
    resend_all("cut", b, (const uint32_t[]){0, 40, 80, 120, 160, 200, 240, 280, 420, 460, 500}, 11);
    EXPECT_EQUAL("pieces", sack(b, 40, 130), 2);
    EXPECT_EQUAL("pieces", acknowledge(b, 170), 4);
    EXPECT_EQUAL("all", acknowledge(b, 520), 5 + 3 + 3);
    board_free(b);
}

static void few_segments_borrow_no_page(void **state)
{
    (void)state;
    struct board *b = board_new();
    const uint32_t before = b->s->buffers.pages.used;
    send(b, FLIGHT_INLINE);
    EXPECT_EQUAL("few", b->s->buffers.pages.used, before);
    sack(b, 100, 200);
    send(b, 1);
    well("moved", b);
    EXPECT("a page is borrowed", b->s->buffers.pages.used > before);
    totals("what was known moves along", b, 400, 100, 0);
    send(b, 500);
    well("many", b);
    acknowledge(b, 400 * MSS);
    acknowledge(b, 505 * MSS);
    EXPECT_EQUAL("all acknowledged", b->s->buffers.pages.used, before);
    send(b, 2);
    EXPECT_EQUAL("few again", b->s->buffers.pages.used, before);
    tcp_return_transfer(b->s, b->c);
    board_free(b);
}

static void without_memory_only_a_few_are_remembered(void **state)
{
    (void)state;
    struct board *b = board_new();
    struct pool *pages = &b->s->buffers.pages;
    send(b, 3);
    uint32_t taken[4096];
    uint32_t count = 0;
    while (count < COUNT_OF(taken) && (taken[count] = pool_take(pages)) != POOL_NONE)
        count++;
    EXPECT("no page is left", count < COUNT_OF(taken));
    EXPECT_EQUAL("one more", flight_reserve(b->s, b->c, 10), 1);
    send(b, 1);
    EXPECT_EQUAL("no more", flight_reserve(b->s, b->c, 10), 0);
    EXPECT("not cut", !flight_cut(b->s, b->c, 30));
    well("not cut", b);
    totals("merged and lost", b, 0, 0, 400);
    resend_all("piece by piece", b, (const uint32_t[]){0}, 1);
    while (count > 0)
        pool_give(pages, taken[--count]);
    EXPECT("cut", flight_cut(b->s, b->c, 30));
    well("cut", b);
    EXPECT_EQUAL("cut", acknowledge(b, 400), 14);
    board_free(b);
}

/* A time up to a millisecond ahead is one of many that left in the same microsecond: just now. */
static void age_of_what_is_ahead_of_the_clock(void **state)
{
    (void)state;
    struct board *b = board_new();
    const uint32_t now = (uint32_t)(b->s->now / DUET_MICROSECOND);
    EXPECT_EQUAL("just now", flight_age_us(b->s, now), 0);
    EXPECT_EQUAL("before", flight_age_us(b->s, now - 1), 1);
    EXPECT_EQUAL("a millisecond ahead", flight_age_us(b->s, now + 1000), 0);
    EXPECT_EQUAL("long ago", flight_age_us(b->s, now + 1001), 0u - 1001);
    board_free(b);
}

static void memory_ends_in_the_middle_of_a_flight(void **state)
{
    (void)state;
    struct board *b = board_new();
    struct pool *pages = &b->s->buffers.pages;
    const uint32_t in_a_page = b->rig.config.page_size / (uint32_t)sizeof(struct flight_record);
    send(b, FLIGHT_INLINE + 1);
    uint32_t taken[4096];
    uint32_t count = 0;
    while (count < COUNT_OF(taken) && (taken[count] = pool_take(pages)) != POOL_NONE)
        count++;
    EXPECT_EQUAL("what is left of the page", flight_reserve(b->s, b->c, 10000),
                 in_a_page - FLIGHT_INLINE - 1);
    while (append(b, MSS))
        continue;
    EXPECT_EQUAL("a page of records", b->f->count, in_a_page);
    EXPECT_EQUAL("no more", flight_reserve(b->s, b->c, 1), 0);
    totals("and nothing is forgotten", b, in_a_page * MSS, 0, 0);
    well("full", b);
    while (count > 0)
        pool_give(pages, taken[--count]);
    EXPECT_EQUAL("all", acknowledge(b, in_a_page * MSS), in_a_page);
    board_free(b);
}

/* Names go round after 2^23 records, sequence numbers after 2^32 octets. */
static void names_go_round(void **state)
{
    (void)state;
    struct board *b = board_new();
    send(b, 6);
    b->f->first = b->f->fresh = (1 << 23) - 3;
    acknowledge(b, 0);
    sack(b, 400, 500);
    lose(b, 100);
    lose(b, 300);
    resend_all("lost", b, (const uint32_t[]){100, 300}, 2);
    expect_order("sent again", b, true, (const uint32_t[]){100, 300}, 2);
    expect_order("sent once", b, false, (const uint32_t[]){0, 200, 500}, 3);
    acknowledge(b, 350);
    expect_order("sent again", b, true, (const uint32_t[]){350}, 1);
    EXPECT_EQUAL("all", acknowledge(b, 600), 3);
    board_free(b);
}

/* ---- beside a plain array ---- */

enum { PLAIN_MAX = 600 };

struct plain {
    struct {
        uint32_t start, end; /* offsets */
        uint32_t sent_us;
        uint8_t flags;
    } of[PLAIN_MAX];
    uint32_t count;
    uint32_t una, nxt;
    uint32_t latest_us, latest_end;
};

static uint32_t plain_stamp(struct plain *p, const struct board *b, uint32_t end)
{
    const uint32_t now_us = (uint32_t)(b->s->now / DUET_MICROSECOND);
    if (p->latest_us < now_us)
        p->latest_us = now_us;
    else if (end <= p->latest_end)
        p->latest_us++;
    p->latest_end = end;
    return p->latest_us;
}

static void plain_acknowledge(struct plain *p, uint32_t to)
{
    uint32_t gone = 0;
    while (gone < p->count && p->of[gone].end <= to)
        gone++;
    memmove(p->of, p->of + gone, (p->count - gone) * sizeof p->of[0]);
    p->count -= gone;
    if (p->count > 0 && p->of[0].start < to)
        p->of[0].start = to;
    p->una = to;
}

static void plain_sack(struct plain *p, uint32_t left, uint32_t right)
{
    for (uint32_t i = 0; i < p->count; i++)
        if (left <= p->of[i].start && p->of[i].end <= right)
            p->of[i].flags = (uint8_t)((p->of[i].flags | SACKED) & ~LOST);
}

static void compare(const struct board *b, const struct plain *p)
{
    uint32_t sacked = 0, lost = 0;
    struct flight_segment segment;
    bool more = flight_oldest(b->s, b->c, &segment);
    for (uint32_t i = 0; i < p->count; i++) {
        const uint32_t bytes = p->of[i].end - p->of[i].start;
        sacked += (p->of[i].flags & SACKED) != 0 ? bytes : 0;
        lost += (p->of[i].flags & LOST) != 0 ? bytes : 0;
        EXPECT("as many records", more);
        EXPECT_EQUAL("start", seq_distance(b->una, segment.start), p->of[i].start);
        EXPECT_EQUAL("end", seq_distance(b->una, segment.end), p->of[i].end);
        EXPECT_EQUAL("sent", segment.sent_us, p->of[i].sent_us);
        EXPECT_EQUAL("flags", segment.flags, p->of[i].flags);
        more = flight_after(b->s, b->c, segment.number, &segment);
    }
    EXPECT("as many records", !more);
    totals("beside a plain array", b, p->nxt - p->una - sacked - lost, sacked, lost);
    well("beside a plain array", b);
}

/* The oldest in flight that was sent once; NONE: count. */
static uint32_t plain_oldest_once(const struct plain *p)
{
    uint32_t i = 0;
    while (i < p->count && p->of[i].flags != 0)
        i++;
    return i;
}

/* With what is SACKed behind it. */
static void compare_oldest_once(const struct board *b, const struct plain *p)
{
    const uint32_t once = plain_oldest_once(p);
    struct flight_segment segment;
    uint32_t bytes = 0, runs = 0, runs_now;
    flight_allow(b->s, b->c);
    const bool is_there = flight_oldest_sent(b->s, b->c, false, &segment);
    EXPECT_EQUAL("sent once", is_there, once < p->count);
    if (!is_there)
        return;
    EXPECT_EQUAL("sent once", seq_distance(b->una, segment.start), p->of[once].start);
    for (uint32_t i = once + 1; i < p->count; i++) {
        if ((p->of[i].flags & SACKED) == 0)
            continue;
        bytes += p->of[i].end - p->of[i].start;
        runs += (p->of[i - 1].flags & SACKED) == 0;
    }
    EXPECT_EQUAL("behind it", flight_sacked_behind(b->s, b->c, &runs_now), bytes);
    EXPECT_EQUAL("behind it", runs_now, runs);
}

static uint32_t below(struct prng *prng, uint32_t limit)
{
    return (uint32_t)prng_below(prng, limit);
}

static void random_step(struct board *b, struct plain *p, struct prng *prng)
{
    const uint32_t what = below(prng, 100);
    const uint32_t span = p->nxt - p->una;
    const uint32_t pick = p->count > 0 ? below(prng, p->count) : 0;
    struct flight_segment segment;
    stack_now(b->s, b->s->now + below(prng, 3) * DUET_MICROSECOND);
    if (p->count < PLAIN_MAX && (what < 40 || p->count == 0)) {
        const uint32_t bytes = 1 + below(prng, 2 * MSS);
        assert_true(append(b, bytes));
        if (p->count == 0)
            p->latest_end = p->nxt;
        p->of[p->count].start = p->nxt;
        p->of[p->count].end = p->nxt + bytes;
        p->of[p->count].sent_us = plain_stamp(p, b, p->nxt + bytes);
        p->of[p->count++].flags = 0;
        p->nxt += bytes;
    } else if (what < 60) {
        const uint32_t left = p->una + below(prng, span);
        const uint32_t right = left + below(prng, p->nxt - left + 1);
        sack(b, left, right);
        plain_sack(p, left, right);
    } else if (what < 70) {
        const uint32_t to = p->una + below(prng, span + 1) / (1 + below(prng, 8));
        acknowledge(b, to);
        plain_acknowledge(p, to);
    } else if (what < 84) {
        lose(b, p->of[pick].start);
        if ((p->of[pick].flags & SACKED) == 0)
            p->of[pick].flags |= LOST;
    } else if (what < 98 && flight_first_lost(b->s, b->c, &segment)) {
        flight_resent(b->s, b->c, segment.number, segment.end);
        uint32_t i = 0;
        while (p->of[i].start != seq_distance(b->una, segment.start))
            i++;
        EXPECT("it is lost", (p->of[i].flags & LOST) != 0);
        p->of[i].flags = AGAIN;
        p->of[i].sent_us = plain_stamp(p, b, p->of[i].end);
    } else if (what == 98) {
        flight_none_lost(b->s, b->c);
        for (uint32_t i = 0; i < p->count; i++)
            p->of[i].flags &= (uint8_t)~LOST;
    } else if (what == 99) {
        const bool forget = below(prng, 2) == 0;
        flight_all_lost(b->s, b->c, forget);
        for (uint32_t i = 0; i < p->count; i++)
            if (forget || (p->of[i].flags & SACKED) == 0)
                p->of[i].flags = (uint8_t)((p->of[i].flags | LOST) & ~SACKED);
    }
    compare_oldest_once(b, p);
}

static void scoreboard_agrees_with_a_plain_array(void **state)
{
    (void)state;
    struct plain *p = calloc(1, sizeof *p);
    assert_non_null(p);
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct board *b = board_new();
        struct prng prng;
        prng_seed(&prng, seed);
        *p = (struct plain){0};
        for (unsigned i = 0; i < 600; i++) {
            random_step(b, p, &prng);
            compare(b, p);
        }
        board_free(b);
    }
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_in_flight),
        cmocka_unit_test(record_of_more_text_than_one_acknowledgement_gives_back),
        cmocka_unit_test(nothing_is_found_without_allowance),
        cmocka_unit_test(age_of_what_is_ahead_of_the_clock),
        cmocka_unit_test(memory_ends_in_the_middle_of_a_flight),
        cmocka_unit_test(segments_of_one_packet_have_a_record_each),
        cmocka_unit_test(segments_are_acknowledged_across_the_wrap),
        cmocka_unit_test(block_covers_whole_records_only),
        cmocka_unit_test(lost_is_sent_again_oldest_first),
        cmocka_unit_test(order_is_that_of_the_latest_transmission),
        cmocka_unit_test(what_left_in_one_microsecond_keeps_its_order),
        cmocka_unit_test(what_was_sent_again_in_part_is_missing_behind_it),
        cmocka_unit_test(all_and_nothing_is_lost),
        cmocka_unit_test(smaller_segments_cut_what_is_in_flight),
        cmocka_unit_test(few_segments_borrow_no_page),
        cmocka_unit_test(without_memory_only_a_few_are_remembered),
        cmocka_unit_test(names_go_round),
        cmocka_unit_test(scoreboard_agrees_with_a_plain_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
