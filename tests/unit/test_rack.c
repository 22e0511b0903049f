/* SPDX-License-Identifier: MIT */
/* RACK's memory of a path that reorders (RFC 8985, 6.2, steps 3 and 4): how the reordering window grows,
 * what bounds it, what it survives and how it shrinks; exact to the microsecond. Timelines of whole
 * recoveries are in tests/lifecycle/recovery/.
 */
#include "rig.h"

#include "host/coverage.h"

enum { TRIP_US = 100000, QUARTER_US = TRIP_US / 4 };

struct subject {
    struct rig rig;
    struct duet_stack *s;
    struct tcp_conn *c;
};

static void subject_start(struct subject *x)
{
    struct duet_config config;
    rig_config(&config);
    rig_start(&x->rig, &config);
    struct rig_conn conn = {.tuple = rig_tuple(1000, 2000)};
    rig_connect(&x->rig, &conn, &(struct rig_segment){.mss = 1000, .window = 65535, .sack = true});
    x->s = x->rig.stack;
    x->c = conn_at(x->s, conn.handle.index);
    x->c->rtt_min_us = TRIP_US;
    x->c->srtt_us = 40 * TRIP_US << 3;
    assert_true(tcp_borrow_transfer(x->s, x->c));
}

static void subject_end(struct subject *x)
{
    duet_coverage_note(x->s);
    rig_end(&x->rig);
}

static void duplicate_is_reported(struct subject *x)
{
    tcp_rack_widen(x->s, x->c, &(struct tcp_news){.dsacked = true});
}

static uint32_t window_us(const struct subject *x)
{
    return tcp_rack_window_us(x->s, x->c);
}

static void window_is_a_quarter_of_the_round_trip(void **state)
{
    (void)state;
    struct subject x;
    subject_start(&x);
    struct tcp_transfer *t = transfer_of(x.s, x.c);
    EXPECT_EQUAL("nothing is known", window_us(&x), QUARTER_US);
    t->flight.sacked_count = 3;
    EXPECT_EQUAL("three are SACKed", window_us(&x), 0);
    t->flight.sacked_count = 2;
    t->phase = TCP_PHASE_RECOVERY;
    EXPECT_EQUAL("recovery runs", window_us(&x), 0);
    x.c->reordering_seen = 1;
    EXPECT_EQUAL("the path reorders", window_us(&x), QUARTER_US);
    t->flight.sacked_count = 0;
    subject_end(&x);
}

static void window_grows_once_a_round_trip(void **state)
{
    (void)state;
    struct subject x;
    subject_start(&x);
    x.c->snd.nxt = seq_add(x.c->snd.una, 5000);
    for (uint32_t i = 0; i < 10; i++)
        duplicate_is_reported(&x);
    EXPECT_EQUAL("ten in one round trip", window_us(&x), 2 * QUARTER_US);
    x.c->snd.una = seq_add(x.c->snd.una, 4999);
    duplicate_is_reported(&x);
    EXPECT_EQUAL("not yet over", window_us(&x), 2 * QUARTER_US);
    x.c->snd.una = x.c->snd.nxt;
    duplicate_is_reported(&x);
    EXPECT_EQUAL("the next one", window_us(&x), 3 * QUARTER_US);
    subject_end(&x);
}

static void window_outlives_the_transfer(void **state)
{
    (void)state;
    struct subject x;
    subject_start(&x);
    duplicate_is_reported(&x);
    tcp_return_transfer(x.s, x.c);
    duplicate_is_reported(&x); /* when all has been acknowledged */
    assert_true(tcp_borrow_transfer(x.s, x.c));
    EXPECT_EQUAL("two rounds", window_us(&x), 3 * QUARTER_US);
    subject_end(&x);
}

static void peer_that_reports_duplicates_for_ever(void **state)
{
    (void)state;
    struct subject x;
    subject_start(&x);
    for (uint32_t i = 0; i < 100000; i++)
        duplicate_is_reported(&x);
    EXPECT_EQUAL("64 quarters", window_us(&x), 64 * QUARTER_US);
    x.c->srtt_us = 2 * TRIP_US << 3;
    EXPECT_EQUAL("a smoothed round trip", window_us(&x), 2 * TRIP_US);
    x.c->rtt_min_us = UINT32_MAX;
    EXPECT_EQUAL("the longest there is", window_us(&x), 2 * TRIP_US);
    subject_end(&x);
}

static void sixteen_recoveries_without_a_report_end_it(void **state)
{
    (void)state;
    struct subject x;
    subject_start(&x);
    duplicate_is_reported(&x);
    duplicate_is_reported(&x);
    for (uint32_t i = 0; i < 15; i++)
        tcp_rack_recovered(x.c);
    EXPECT_EQUAL("fifteen", window_us(&x), 3 * QUARTER_US);
    duplicate_is_reported(&x);
    for (uint32_t i = 0; i < 15; i++)
        tcp_rack_recovered(x.c);
    EXPECT_EQUAL("fifteen more", window_us(&x), 4 * QUARTER_US);
    tcp_rack_recovered(x.c);
    EXPECT_EQUAL("sixteen", window_us(&x), QUARTER_US);
    tcp_rack_recovered(x.c);
    EXPECT_EQUAL("and one", window_us(&x), QUARTER_US);
    subject_end(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window_is_a_quarter_of_the_round_trip),
        cmocka_unit_test(window_grows_once_a_round_trip),
        cmocka_unit_test(window_outlives_the_transfer),
        cmocka_unit_test(peer_that_reports_duplicates_for_ever),
        cmocka_unit_test(sixteen_recoveries_without_a_report_end_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
