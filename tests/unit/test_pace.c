/* SPDX-License-Identifier: MIT */
/* When segments leave (tcp_pace.c), exact to the nanosecond; where a timer has to wake the stack, to the
 * tick of 1024 ns that ends a wait. The window is 100 segments of 1000 octets and
 * the round trip 100 ms, so 1.2 MB leave in a second; a packet of 1040 octets takes 866.666 us of it.
 */
#include "rig.h"

#include "host/coverage.h"

#include <stdlib.h>

enum {
    MSS = 1000,
    PACKET = MSS + 40,
    WINDOW = 100 * MSS,
    TRIP_MS = 100,
    RATE = WINDOW * 6 / 5 * (1000 / TRIP_MS), /* a second */
};
#define APART  (INT64_C(1000000000) * PACKET / RATE)
#define START  INT64_C(0)
#define CREDIT (INT64_C(1000000000) * (10 * (MSS + 80)) / RATE) /* of the initial window */

/* When a timer for that time runs out. */
static duet_time woken(duet_time at)
{
    return (at + 1023) / 1024 * 1024;
}

struct line {
    struct rig rig;
    struct rig_conn conn;
    struct tcp_conn *c;
};

static struct line *line_new(uint32_t offload, bool pacing)
{
    struct line *l = calloc(1, sizeof *l);
    struct duet_config config;
    assert_non_null(l);
    rig_config(&config);
    config.pacing = pacing;
    config.offload = offload;
    config.pages_max = 4096;
    config.page_size = 4096;
    config.send_buffer = 4 << 20;
    rig_start(&l->rig, &config);
    l->conn = (struct rig_conn){.tuple = rig_tuple(1000, 2000)};
    rig_connect(&l->rig, &l->conn, &(struct rig_segment){.mss = MSS, .window = 65535});
    l->c = conn_at(l->rig.stack, l->conn.handle.index);
    l->c->cwnd = l->c->ssthresh = WINDOW;
    l->c->srtt_us = (TRIP_MS * 1000) << 3;
    l->c->snd.wnd = l->c->snd.wnd_max = 1 << 30;
    assert_int_equal(l->rig.now, START);
    return l;
}

static void line_free(struct line *l)
{
    duet_coverage_note(l->rig.stack);
    rig_end(&l->rig);
    free(l);
}

static void write_segments(struct line *l, uint32_t count)
{
    static const uint8_t text[MSS];
    for (uint32_t i = 0; i < count; i++)
        rig_write(&l->rig, &l->conn, text, sizeof text);
}

/* How many packets leave at once. */
static uint32_t burst(struct line *l)
{
    struct rig_segment segment;
    uint32_t count = 0;
    while (rig_output(&l->rig, NULL, &segment)) {
        EXPECT_EQUAL("a full segment", segment.length, MSS);
        EXPECT_EQUAL("a full segment", l->rig.packet.length, PACKET);
        count++;
    }
    return count;
}

/* Waits until something leaves. */
static uint32_t next_burst(struct line *l)
{
    uint32_t count = 0;
    while (count == 0) {
        assert_true(duet_deadline(l->rig.stack) != DUET_NEVER);
        rig_pass(&l->rig, duet_deadline(l->rig.stack));
        count = burst(l);
    }
    return count;
}

/* Everything that was sent is acknowledged; what the controller and the estimator make of it is undone. */
static void acknowledge_all(struct line *l)
{
    l->conn.ack = l->c->snd.nxt.raw;
    rig_say(&l->rig, &l->conn, DUET_ACK, 0, NULL, 0);
    l->c->cwnd = l->c->ssthresh = WINDOW;
    l->c->srtt_us = (TRIP_MS * 1000) << 3;
    l->c->snd.wnd = 1 << 30;
}

static void flight_begins_with_the_initial_window(void **state)
{
    (void)state;
    struct line *l = line_new(0, true);
    write_segments(l, 50);
    /* Ten segments with long headers are eleven with short ones: the credit is in octets. */
    EXPECT_EQUAL("at once", burst(l), CREDIT / APART + 1);
    for (int64_t k = CREDIT / APART + 1; k < 50; k++) {
        const duet_time departure = START - CREDIT + k * APART;
        EXPECT("it asks to be woken", duet_deadline(l->rig.stack) <= woken(departure));
        rig_pass(&l->rig, departure - 1);
        EXPECT_EQUAL("early", burst(l), 0);
        rig_pass(&l->rig, woken(departure));
        EXPECT_EQUAL("in time", burst(l), 1);
    }
    line_free(l);
}

static void link_that_holds_packets_is_told_when(void **state)
{
    (void)state;
    struct line *l = line_new(DUET_OFFLOAD_PACE, true);
    l->c->cwnd = l->c->ssthresh = 2 * WINDOW;
    l->c->srtt_us = (2 * TRIP_MS * 1000) << 3; /* the same rate */
    write_segments(l, 200);
    int64_t k = 0;
    for (; rig_output(&l->rig, NULL, NULL); k++) {
        const duet_time departure = START - CREDIT + k * APART;
        EXPECT_EQUAL("departure", l->rig.packet.departure, departure > START ? departure : START);
    }
    const duet_time ahead = START - CREDIT + k * APART - START;
    EXPECT("not more than 100 ms ahead", ahead > 100 * DUET_MILLISECOND);
    EXPECT("up to 100 ms ahead", ahead - APART <= 100 * DUET_MILLISECOND);
    line_free(l);
}

/* What a pause in a flight gives back: a millisecond's worth, two segments at least. */
static void pause_gives_credit_for_two_segments(void **state)
{
    (void)state;
    struct line *l = line_new(0, true);
    write_segments(l, 100);
    (void)burst(l);
    const int64_t credit = INT64_C(1000000000) * (2 * (MSS + 80)) / RATE;
    rig_pass(&l->rig, START + 50 * DUET_MILLISECOND);
    EXPECT_EQUAL("at once", burst(l), credit / APART + 1);
    const duet_time departure = START + 50 * DUET_MILLISECOND - credit + 3 * APART;
    rig_pass(&l->rig, departure - 1);
    EXPECT_EQUAL("early", burst(l), 0);
    rig_pass(&l->rig, woken(departure));
    EXPECT_EQUAL("the next", burst(l), 1);
    line_free(l);
}

static void pause_gives_at_most_64_kilobytes(void **state)
{
    (void)state;
    struct line *l = line_new(0, true);
    l->c->cwnd = l->c->ssthresh = 1000 * MSS;
    l->c->srtt_us = 1000 << 3;
    const int64_t rate = INT64_C(1200) * 1000 * MSS;
    const int64_t apart = INT64_C(1000000000) * PACKET / rate;
    write_segments(l, 1000);
    (void)burst(l);
    rig_pass(&l->rig, START + 50 * DUET_MILLISECOND);
    EXPECT_EQUAL("at once", burst(l), INT64_C(1000000000) * 65536 / rate / apart + 1);
    line_free(l);
}

static void no_pause_gives_no_credit(void **state)
{
    (void)state;
    struct line *l = line_new(0, true);
    write_segments(l, 60);
    uint32_t sent = burst(l);
    while (sent < 60)
        sent += next_burst(l);
    EXPECT_EQUAL("as fast as the rate allows", l->rig.now, woken(START - CREDIT + 59 * APART));
    line_free(l);
}

static void window_leaves_within_a_round_trip(void **state)
{
    static const struct {
        const char *name;
        uint32_t ssthresh, numerator, denominator;
    } rows[] = {
        {"avoidance: in five sixths of it", WINDOW, 6, 5},
        {"slow start: in half of it", 2 * WINDOW, 2, 1},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct line *l = line_new(0, true);
        l->c->ssthresh = rows[i].ssthresh;
        write_segments(l, 200);
        uint32_t sent = burst(l);
        while (sent < 100)
            sent += next_burst(l);
        const int64_t rate = RATE / 6 * 5 * rows[i].numerator / rows[i].denominator;
        const int64_t credit = INT64_C(1000000000) * (10 * (MSS + 80)) / rate;
        const int64_t apart = INT64_C(1000000000) * PACKET / rate;
        EXPECT_EQUAL(rows[i].name, l->rig.now, woken(START - credit + 99 * apart));
        rig_pass(&l->rig, START + 150 * DUET_MILLISECOND);
        EXPECT_EQUAL("the window is full", burst(l), 0);
        EXPECT_EQUAL("the window is full", tcp_flight(l->c), WINDOW);
        line_free(l);
    }
}

/* The acknowledgement that opens the window does not let segments leave earlier than the rate does. */
static void window_that_opens_does_not_hurry(void **state)
{
    (void)state;
    struct line *l = line_new(0, true);
    write_segments(l, 50);
    (void)burst(l);
    l->rig.now += 100 * DUET_MICROSECOND;
    l->conn.ack += 5 * MSS;
    rig_say(&l->rig, &l->conn, DUET_ACK, 0, NULL, 0);
    l->c->cwnd = l->c->ssthresh = WINDOW;
    l->c->srtt_us = (TRIP_MS * 1000) << 3;
    l->c->snd.wnd = 1 << 30;
    EXPECT_EQUAL("five were acknowledged", burst(l), 0);
    const duet_time next = START - CREDIT + (CREDIT / APART + 1) * APART;
    rig_pass(&l->rig, next - 1);
    EXPECT_EQUAL("early", burst(l), 0);
    rig_pass(&l->rig, woken(next));
    EXPECT_EQUAL("the same time", burst(l), 1);
    line_free(l);
}

static void acknowledgements_are_not_paced(void **state)
{
    (void)state;
    struct line *l = line_new(0, true);
    struct rig_segment segment;
    write_segments(l, 50);
    (void)burst(l);
    rig_say(&l->rig, &l->conn, DUET_ACK | DUET_PSH, 100, "out of order", 12);
    EXPECT("at once", rig_output(&l->rig, NULL, &segment));
    EXPECT_EQUAL("without text", segment.length, 0);
    EXPECT_EQUAL("it is one", segment.flags, DUET_ACK);
    rig_silence("and nothing else", &l->rig);
    line_free(l);
}

static void next_flight_begins_with_credit_again(void **state)
{
    (void)state;
    struct line *l = line_new(0, true);
    write_segments(l, 20);
    uint32_t sent = burst(l);
    while (sent < 20)
        sent += next_burst(l);
    rig_pass(&l->rig, START + 100 * DUET_MILLISECOND);
    acknowledge_all(l);
    write_segments(l, 20);
    EXPECT_EQUAL("at once", burst(l), CREDIT / APART + 1);
    line_free(l);
}

static void without_an_estimate_or_a_wish_nothing_is_paced(void **state)
{
    (void)state;
    for (unsigned wish = 0; wish < 2; wish++) {
        struct line *l = line_new(DUET_OFFLOAD_PACE, wish == 1);
        if (wish == 1)
            l->c->srtt_us = 0;
        write_segments(l, 100);
        uint32_t count = 0;
        for (; rig_output(&l->rig, NULL, NULL); count++)
            EXPECT_EQUAL("departure", l->rig.packet.departure, START);
        EXPECT_EQUAL("the whole window", count, 100);
        line_free(l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flight_begins_with_the_initial_window),
        cmocka_unit_test(link_that_holds_packets_is_told_when),
        cmocka_unit_test(pause_gives_credit_for_two_segments),
        cmocka_unit_test(pause_gives_at_most_64_kilobytes),
        cmocka_unit_test(no_pause_gives_no_credit),
        cmocka_unit_test(window_leaves_within_a_round_trip),
        cmocka_unit_test(window_that_opens_does_not_hurry),
        cmocka_unit_test(acknowledgements_are_not_paced),
        cmocka_unit_test(next_flight_begins_with_credit_again),
        cmocka_unit_test(without_an_estimate_or_a_wish_nothing_is_paced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
