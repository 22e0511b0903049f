/* SPDX-License-Identifier: MIT */
/* The congestion controllers through tcp_cc.h, with numbers that can be checked by hand. What they do over
 * thousands of random connections is compared with a model in tests/model/.
 *
 * The connection is open and its sending side is moved by hand; segments are 1000 bytes and sequence
 * numbers are about to wrap.
 */
#include "rig.h"

#include "host/coverage.h"

#include <stdlib.h>

#define MS(n) ((duet_time)(n)*DUET_MILLISECOND)

enum { MSS = 1000, HIGH = 1 << 30 };

struct subject {
    struct rig rig;
    struct duet_stack *s;
    struct tcp_conn *c;
};

static struct subject *subject_new(enum duet_controller controller, bool hystart, bool pacing)
{
    struct subject *x = calloc(1, sizeof *x);
    struct duet_config config;
    assert_non_null(x);
    rig_config(&config);
    config.controller = controller;
    config.hystart = hystart;
    config.pacing = pacing;
    rig_start(&x->rig, &config);
    struct rig_conn conn = {.tuple = rig_tuple(1000, 2000)};
    rig_connect(&x->rig, &conn, &(struct rig_segment){.mss = MSS, .window = 65535});
    x->s = x->rig.stack;
    x->c = conn_at(x->s, conn.handle.index);
    x->c->snd.iss = seq_of(UINT32_MAX - 20000);
    x->c->snd.una = x->c->snd.nxt = seq_add(x->c->snd.iss, 1);
    tcp_return_transfer(x->s, x->c);
    assert_true(tcp_borrow_transfer(x->s, x->c));
    return x;
}

static void subject_free(struct subject *x)
{
    x->c->snd.nxt = x->c->snd.una; /* nothing was really sent */
    duet_coverage_note(x->rig.stack);
    rig_end(&x->rig);
    free(x);
}

static struct tcp_cc_memory *memory_of(const struct subject *x)
{
    return &transfer_of(x->s, x->c)->cc;
}

static void send(struct subject *x, uint32_t bytes)
{
    if (seq_eq(x->c->snd.una, x->c->snd.nxt))
        tcp_cc_restart_after_idle(x->s, x->c);
    x->c->snd.nxt = seq_add(x->c->snd.nxt, bytes);
    x->c->sent_at = (uint32_t)(x->s->now / DUET_MILLISECOND);
}

static void fill(struct subject *x)
{
    const uint32_t flight = tcp_flight(x->c);
    if (x->c->cwnd >= flight + MSS)
        send(x, (x->c->cwnd - flight) / MSS * MSS);
}

static void acknowledge(struct subject *x, uint32_t bytes)
{
    const uint32_t flight = tcp_flight(x->c);
    x->c->snd.una = seq_add(x->c->snd.una, bytes);
    tcp_cc_acked(x->s, x->c, bytes, flight);
}

/* The window is full, all of it is acknowledged after a round trip, in pieces. */
static void round_trip(struct subject *x, duet_time trip, uint32_t piece)
{
    fill(x);
    stack_now(x->s, x->s->now + trip);
    for (uint32_t left = tcp_flight(x->c); left > 0;) {
        const uint32_t one = left < piece ? left : piece;
        acknowledge(x, one);
        left -= one;
    }
}

/* The window stays full, and a segment is acknowledged at a time, evenly, for as long as said. */
static void steady(struct subject *x, duet_time duration, uint32_t trip_ms)
{
    const duet_time until = x->s->now + duration;
    for (fill(x); x->s->now < until; fill(x)) {
        stack_now(x->s, x->s->now + MS(trip_ms) * MSS / x->c->cwnd);
        acknowledge(x, MSS);
    }
}

static void congestion(struct subject *x, enum tcp_congestion kind, uint32_t flight)
{
    tcp_cc_remember(x->s, x->c);
    tcp_cc_congestion(x->s, x->c, kind, flight);
    if (kind != TCP_CONGESTION_ECN)
        x->c->cwnd = kind == TCP_CONGESTION_LOSS ? x->c->ssthresh : MSS;
}

static void set_trip(struct subject *x, uint32_t us)
{
    x->c->srtt_us = 8 * us;
}

static uint32_t apart(uint32_t a, uint32_t b)
{
    return a < b ? b - a : a - b;
}

/* ---- growth by bytes ---- */

/* 5681-4, 3465, attack D1: whoever divides an acknowledgement gains nothing, in slow start and in
 * congestion avoidance, with both controllers. */
static void divided_acks_gain_nothing(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 4; n++) {
        const enum duet_controller controller = n % 2 == 0 ? DUET_CUBIC : DUET_NEWRENO;
        uint32_t windows[2];
        for (unsigned divided = 0; divided < 2; divided++) {
            struct subject *x = subject_new(controller, false, false);
            x->c->ssthresh = n < 2 ? HIGH : 10000;
            set_trip(x, 100000);
            for (unsigned trip = 0; trip < 12; trip++)
                round_trip(x, MS(100), divided ? MSS / 100 : MSS);
            windows[divided] = x->c->cwnd;
            subject_free(x);
        }
        EXPECT(n < 2 ? "slow start" : "avoidance", windows[1] <= windows[0] + MSS / 100);
        EXPECT(n < 2 ? "slow start" : "avoidance", windows[0] > 10000);
    }
}

/* 5681-4: one segment for an acknowledgement at most, though it covers ten. */
static void plain_slow_start_counts_one_segment_an_ack(void **state)
{
    (void)state;
    struct subject *x = subject_new(DUET_NEWRENO, false, false);
    round_trip(x, MS(100), 10 * MSS);
    EXPECT_EQUAL("an ACK of ten", x->c->cwnd, 11 * MSS);
    subject_free(x);
}

/* 5681-5: NewReno grows by one segment a round trip, whether each segment is acknowledged or all at once. */
static void newreno_grows_by_a_segment_a_trip(void **state)
{
    (void)state;
    for (uint32_t piece = MSS; piece <= 100 * MSS; piece *= 100) {
        struct subject *x = subject_new(DUET_NEWRENO, true, true);
        x->c->ssthresh = 10 * MSS;
        for (uint32_t trip = 1; trip <= 100; trip++) {
            round_trip(x, MS(100), piece);
            EXPECT("at most", x->c->cwnd <= (10 + trip) * MSS);
            EXPECT("nearly", x->c->cwnd >= (9 + trip * 9 / 10) * MSS);
        }
        subject_free(x);
    }
}

/* 5681-2: opening the connection has not enlarged it. 5681-6, 6928-1. */
static void initial_values(void **state)
{
    (void)state;
    struct subject *x = subject_new(DUET_CUBIC, true, true);
    EXPECT_EQUAL("IW", x->c->cwnd, 10 * MSS);
    EXPECT_EQUAL("ssthresh", x->c->ssthresh, HIGH);
    subject_free(x);
}

/* ---- was the window in use? ---- */

static void unused_window_stays(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 4; n++) {
        struct subject *x = subject_new(n % 2 == 0 ? DUET_CUBIC : DUET_NEWRENO, n < 2, true);
        x->c->cwnd = 40 * MSS;
        x->c->ssthresh = n < 2 ? HIGH : 40 * MSS;
        set_trip(x, 100000);
        for (unsigned trip = 0; trip < 100; trip++) {
            send(x, 10 * MSS);
            stack_now(x->s, x->s->now + MS(100));
            acknowledge(x, 10 * MSS);
        }
        EXPECT_EQUAL("quarter", x->c->cwnd, 40 * MSS); /* 9438-7 */
        subject_free(x);
    }
}

/* More than a window is no more than a round trip: an acknowledgement of a hundred segments grows a window of ten as one
 * of ten does. */
static void acknowledgement_of_more_than_a_window(void **state)
{
    (void)state;
    uint32_t grown[2];
    for (unsigned i = 0; i < 2; i++) {
        struct subject *x = subject_new(DUET_CUBIC, false, true);
        x->c->cwnd = 100 * MSS;
        congestion(x, TCP_CONGESTION_LOSS, 100 * MSS);
        set_trip(x, 100000);
        for (unsigned trip = 0; trip < 5; trip++)
            round_trip(x, MS(100), MSS);
        send(x, 100 * MSS);
        x->c->cwnd = 10 * MSS;
        x->c->ssthresh = 10 * MSS;
        stack_now(x->s, x->s->now + MS(100));
        acknowledge(x, i == 0 ? 10 * MSS : 100 * MSS);
        grown[i] = x->c->cwnd;
        subject_free(x);
    }
    assert_true(grown[0] > 10 * MSS);
    assert_int_equal(grown[1], grown[0]);
}

/* All acknowledgements arrive in one bunch before anything more can be sent: the last ones find little in
 * the network, and count all the same. */
static void bunch_of_acks_counts_as_a_whole(void **state)
{
    (void)state;
    struct subject *x = subject_new(DUET_CUBIC, true, true);
    round_trip(x, MS(100), MSS);
    EXPECT_EQUAL("doubled", x->c->cwnd, 20 * MSS);
    subject_free(x);
}

/* Marks do not come ahead of SND.UNA again after 2^31 bytes. */
static void small_flights_over_the_whole_sequence_space(void **state)
{
    (void)state;
    struct subject *x = subject_new(DUET_NEWRENO, false, false);
    round_trip(x, MS(100), MSS);
    const uint32_t cwnd = x->c->cwnd;
    for (unsigned n = 0; n < 2600000; n++) {
        send(x, 2 * MSS);
        acknowledge(x, 2 * MSS);
    }
    EXPECT_EQUAL("5 GB later", x->c->cwnd, cwnd);
    congestion(x, TCP_CONGESTION_LOSS, 2 * MSS);
    EXPECT("not the first window", !conn_is(x->c, TCP_CONN_LARGE_WINDOW_LOST));
    subject_free(x);
}

/* ---- congestion ---- */

/* 5681-7, 5681-8, 9438-5, 9438-10, 3168-6: what remains is of the flight, not of cwnd. */
static void what_congestion_leaves(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum duet_controller controller;
        enum tcp_congestion kind;
        uint32_t flight, ssthresh, cwnd; /* segments, tenths of them */
    } rows[] = {
        {"NewReno, loss", DUET_NEWRENO, TCP_CONGESTION_LOSS, 60, 300, 300},
        {"NewReno, loss of one", DUET_NEWRENO, TCP_CONGESTION_LOSS, 1, 20, 20},
        {"NewReno, timeout", DUET_NEWRENO, TCP_CONGESTION_TIMEOUT, 60, 300, 10},
        {"NewReno, ECN", DUET_NEWRENO, TCP_CONGESTION_ECN, 60, 300, 300},
        {"NewReno, ECN at two", DUET_NEWRENO, TCP_CONGESTION_ECN, 2, 20, 10},
        {"NewReno, ECN at one", DUET_NEWRENO, TCP_CONGESTION_ECN, 1, 20, 10},
        {"CUBIC, loss", DUET_CUBIC, TCP_CONGESTION_LOSS, 60, 420, 420},
        {"CUBIC, loss of two", DUET_CUBIC, TCP_CONGESTION_LOSS, 2, 20, 20},
        {"CUBIC, timeout", DUET_CUBIC, TCP_CONGESTION_TIMEOUT, 60, 420, 10},
        {"CUBIC, ECN", DUET_CUBIC, TCP_CONGESTION_ECN, 60, 420, 420},
        {"CUBIC, ECN at two", DUET_CUBIC, TCP_CONGESTION_ECN, 2, 20, 14},
        {"CUBIC, ECN at one", DUET_CUBIC, TCP_CONGESTION_ECN, 1, 20, 10},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct subject *x = subject_new(rows[i].controller, true, true);
        x->c->cwnd = 100 * MSS;
        congestion(x, rows[i].kind, rows[i].flight * MSS);
        EXPECT_EQUAL(rows[i].name, x->c->ssthresh, rows[i].ssthresh * MSS / 10);
        EXPECT_EQUAL(rows[i].name, x->c->cwnd, rows[i].cwnd * MSS / 10);
        subject_free(x);
    }
}

/* 9438-5: a window that is full, as far as whole segments fill it, counts whole. */
static void cubic_counts_the_part_of_a_segment_that_cannot_be_sent(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum duet_controller controller;
        uint32_t flight, ssthresh; /* tenths of segments */
    } rows[] = {
        {"full but for a part", DUET_CUBIC, 50, 413},
        {"a whole segment is missing", DUET_CUBIC, 49, 343},
        {"full", DUET_CUBIC, 59, 413},
        {"more than the window", DUET_CUBIC, 69, 483},
        {"NewReno by the letter", DUET_NEWRENO, 50, 250},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct subject *x = subject_new(rows[i].controller, true, true);
        x->c->cwnd = 59 * MSS / 10;
        congestion(x, TCP_CONGESTION_LOSS, rows[i].flight * MSS / 10);
        EXPECT_EQUAL(rows[i].name, x->c->ssthresh, rows[i].ssthresh * MSS / 100);
        subject_free(x);
    }
}

/* 9438-6: echo after echo, down to one segment and no further. */
static void echoes_reduce_to_one_segment(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 2; n++) {
        struct subject *x = subject_new(n == 0 ? DUET_CUBIC : DUET_NEWRENO, true, true);
        for (unsigned echo = 0; echo < 10; echo++)
            congestion(x, TCP_CONGESTION_ECN, x->c->cwnd);
        EXPECT_EQUAL("cwnd", x->c->cwnd, MSS);
        EXPECT_EQUAL("ssthresh", x->c->ssthresh, 2 * MSS);
        subject_free(x);
    }
}

/* 9438-11: as if nothing had been, the curve included; and only downwards. */
static void undo(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 2; n++) {
        struct subject *x = subject_new(n == 0 ? DUET_CUBIC : DUET_NEWRENO, true, true);
        x->c->cwnd = 100 * MSS;
        congestion(x, TCP_CONGESTION_LOSS, 100 * MSS);
        set_trip(x, 50000);
        for (unsigned trip = 0; trip < 10; trip++)
            round_trip(x, MS(50), MSS);
        const struct tcp_cubic_curve curve = memory_of(x)->cubic;
        const uint32_t cwnd = x->c->cwnd, ssthresh = x->c->ssthresh;
        const unsigned plateau = x->c->plateau;
        congestion(x, TCP_CONGESTION_TIMEOUT, cwnd);
        EXPECT("another plateau", n == 1 || x->c->plateau != plateau);
        tcp_cc_undo(x->s, x->c);
        EXPECT_EQUAL("plateau", x->c->plateau, plateau);
        EXPECT_EQUAL("cwnd", x->c->cwnd, cwnd);
        EXPECT_EQUAL("ssthresh", x->c->ssthresh, ssthresh);
        EXPECT_BYTES("curve", &memory_of(x)->cubic, &curve, sizeof curve);
        congestion(x, TCP_CONGESTION_LOSS, cwnd);
        x->c->cwnd = 2 * cwnd; /* it has grown since */
        tcp_cc_undo(x->s, x->c);
        EXPECT_EQUAL("grown", x->c->cwnd, 2 * cwnd);
        tcp_cc_undo(x->s, x->c); /* nothing is remembered */
        EXPECT_EQUAL("twice", x->c->cwnd, 2 * cwnd);
        subject_free(x);
    }
}

/* ---- CUBIC ---- */

/* W_max 100 segments, start 70, C 0.4: K is the cube root of 75, 4.217 s. */
static struct subject *on_the_curve(uint32_t trip_ms)
{
    struct subject *x = subject_new(DUET_CUBIC, true, true);
    x->c->cwnd = 100 * MSS;
    congestion(x, TCP_CONGESTION_LOSS, 100 * MSS);
    set_trip(x, trip_ms * 1000);
    x->c->rto_us = 60000000;         /* a longer round trip is no idle time */
    round_trip(x, MS(trip_ms), MSS); /* the stage begins with its acknowledgements */
    return x;
}

static void curve_by_hand(void **state)
{
    (void)state;
    static const struct {
        unsigned at_ms;
        uint32_t hundredths; /* of a segment: 9438-1, 9438-4 */
    } rows[] = {{1000, 8668}, {2000, 9564}, {4200, 10000}, {6000, 10227}};
    struct subject *x = on_the_curve(200);
    EXPECT("K", apart((uint32_t)memory_of(x)->cubic.k_us, 4217163) <= 2);
    for (unsigned row = 0, at_ms = 0; row < COUNT_OF(rows); at_ms = rows[row++].at_ms) {
        steady(x, MS(rows[row].at_ms - at_ms), 200);
        EXPECT("W(t)", apart(x->c->cwnd, rows[row].hundredths * MSS / 100) <= MSS);
    }
    subject_free(x);
}

/* A larger path MTU makes the curve steeper: before its plateau it would begin below nothing. */
static void segments_grow_in_the_middle_of_a_stage(void **state)
{
    (void)state;
    struct subject *x = on_the_curve(200);
    const uint32_t before = x->c->cwnd;
    x->c->peer_mss = 4 * MSS;
    x->c->mtu = 5 * MSS;
    assert_int_equal(tcp_send_mss(x->c), 4 * MSS);
    round_trip(x, MS(200), MSS);
    EXPECT("no step back", x->c->cwnd >= before);
    EXPECT("no leap", x->c->cwnd <= before + 4 * MSS);
    subject_free(x);
}

/* Beyond the numbers that are kept nothing goes round: neither time, nor the windows. */
static void largest_numbers_of_a_stage(void **state)
{
    (void)state;
    struct subject *x = on_the_curve(200);
    struct tcp_cc_memory *m = memory_of(x);
    m->cubic.t_us = INT32_MAX - 1;
    m->cubic.w_est = HIGH - 1;
    round_trip(x, MS(200), MSS);
    EXPECT_EQUAL("time", m->cubic.t_us, INT32_MAX);
    EXPECT_EQUAL("Reno's window", m->cubic.w_est, HIGH);
    for (unsigned trip = 0; trip < 30; trip++)
        round_trip(x, MS(200), HIGH / 4);
    EXPECT_EQUAL("window", x->c->cwnd, HIGH);
    round_trip(x, MS(200), HIGH / 4);
    EXPECT_EQUAL("window", x->c->cwnd, HIGH);
    subject_free(x);
}

/* The acknowledgement of all that was in flight, in a window that was not used: it counts for a round that watches
 * the delay, and for nothing where none does. */
static void last_acknowledgement_of_an_unused_window(void **state)
{
    (void)state;
    for (unsigned watches = 0; watches < 2; watches++) {
        struct subject *x = subject_new(DUET_CUBIC, true, false);
        struct tcp_cc_memory *m = memory_of(x);
        m->round.last_min_us = 1;
        m->round.baseline_us = watches != 0 ? 10000 : 0;
        send(x, 2 * MSS);
        x->c->snd.una = x->c->snd.nxt;
        const uint32_t before = x->c->cwnd;
        tcp_cc_acked_last(x->s, x->c, 10000, 2 * MSS, MSS);
        EXPECT_EQUAL("measured", m->round.last_min_us, watches != 0 ? 10000 : 1);
        EXPECT_EQUAL("window", x->c->cwnd, before);
        subject_free(x);
    }
}

/* 9438-2: however far behind the curve, half as much again in a round trip is the most. */
static void growth_is_at_most_half_a_window_a_trip(void **state)
{
    (void)state;
    struct subject *x = on_the_curve(300);
    for (unsigned trip = 0; trip < 200; trip++) {
        const uint32_t before = x->c->cwnd;
        if (before > 400 * MSS)
            break;
        round_trip(x, MS(10000), MSS); /* the curve runs away from it */
        EXPECT("at most", x->c->cwnd <= before + before / 2 + MSS);
        EXPECT("up", x->c->cwnd >= before);
    }
    subject_free(x);
}

/* 9438-3: ten seconds of silence, or of small talk, in the middle of a stage change nothing after it. */
static void time_without_use_does_not_count(void **state)
{
    (void)state;
    uint32_t windows[3];
    for (unsigned n = 0; n < 3; n++) {
        struct subject *x = on_the_curve(100);
        for (unsigned trip = 0; trip < 20; trip++)
            round_trip(x, MS(100), MSS);
        for (unsigned second = 0; second < 10 && n > 0; second++) {
            stack_now(x->s, x->s->now + DUET_SECOND);
            if (n == 2) {
                send(x, 2 * MSS);
                acknowledge(x, MSS);
            }
        }
        if (n == 2)
            acknowledge(x, tcp_flight(x->c));
        for (unsigned trip = 0; trip < 20; trip++)
            round_trip(x, MS(100), MSS);
        windows[n] = x->c->cwnd;
        subject_free(x);
    }
    EXPECT("silence", apart(windows[0], windows[1]) <= MSS);
    EXPECT("small talk", apart(windows[0], windows[2]) <= MSS);
}

/* 9438-8: over a short round trip CUBIC is as fast as Reno is with 0.7 and 9/17, and then as Reno. */
static void reno_friendly_region(void **state)
{
    (void)state;
    struct subject *x = on_the_curve(1);
    for (unsigned trip = 1; trip < 50; trip++)
        round_trip(x, MS(1), MSS);
    /* 50 round trips at 9/17 of a segment are 26.5. */
    EXPECT("slowly back", apart(x->c->cwnd, 96500) <= MSS);
    for (unsigned trip = 0; trip < 50; trip++)
        round_trip(x, MS(1), MSS);
    /* A few more until 100, the rest by one each: 100 + 50 - 3.5 / 0.53. */
    EXPECT("then by one", apart(x->c->cwnd, 143400) <= 2 * MSS);
    subject_free(x);
}

/* 9438-9: congestion at 100 and then at 80 gives bandwidth to others: W_max is 68. */
static void fast_convergence(void **state)
{
    (void)state;
    struct subject *x = on_the_curve(100);
    EXPECT_EQUAL("first", memory_of(x)->cubic.w_max, 100 * MSS);
    x->c->cwnd = 80 * MSS;
    congestion(x, TCP_CONGESTION_LOSS, 80 * MSS);
    EXPECT_EQUAL("second", memory_of(x)->cubic.w_max, 68 * MSS);
    x->c->cwnd = 90 * MSS;
    congestion(x, TCP_CONGESTION_LOSS, 90 * MSS);
    EXPECT_EQUAL("above it again", memory_of(x)->cubic.w_max, 90 * MSS);
    subject_free(x);
}

/* More losses of a disorder that was answered lower ssthresh as any do, and leave W_max where it was. */
static void congestion_that_goes_on_is_no_new_plateau(void **state)
{
    (void)state;
    struct subject *x = on_the_curve(100);
    const uint32_t w_max = memory_of(x)->cubic.w_max;
    x->c->cwnd = 70 * MSS;
    congestion(x, TCP_CONGESTION_GOES_ON, 70 * MSS);
    EXPECT_EQUAL("W_max", memory_of(x)->cubic.w_max, w_max);
    EXPECT_EQUAL("ssthresh", x->c->ssthresh, 49 * MSS);
    x->c->cwnd = 49 * MSS;
    congestion(x, TCP_CONGESTION_LOSS, 49 * MSS);
    EXPECT("another one", memory_of(x)->cubic.w_max < 49 * MSS);
    subject_free(x);
}

/* 9438-10, 9438-12: slow start up to ssthresh, then a stage with K = 0 and W_max where it begins. */
static void stage_after_a_timeout(void **state)
{
    (void)state;
    struct subject *x = on_the_curve(100);
    congestion(x, TCP_CONGESTION_TIMEOUT, 20 * MSS);
    EXPECT_EQUAL("ssthresh", x->c->ssthresh, 14 * MSS);
    for (unsigned trip = 0; trip < 3; trip++)
        round_trip(x, MS(100), MSS);
    EXPECT_EQUAL("three trips", x->c->cwnd, 8 * MSS);
    round_trip(x, MS(100), MSS);
    EXPECT_EQUAL("W_max", memory_of(x)->cubic.w_max, 14 * MSS);
    EXPECT_EQUAL("K", memory_of(x)->cubic.k_us, 0);
    subject_free(x);
}

/* Each request has a transfer record of its own; the curve goes on where it was, also beyond W_max. */
static void curve_outlives_the_transfer(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned at_ms;
    } rows[] = {{"below W_max", 2000}, {"at W_max", 4200}, {"beyond W_max", 9000}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint32_t windows[2];
        for (unsigned requests = 0; requests < 2; requests++) {
            struct subject *x = on_the_curve(300);
            steady(x, MS(rows[i].at_ms), 300);
            while (tcp_flight(x->c) > 0) {
                stack_now(x->s, x->s->now + MS(300) * MSS / x->c->cwnd);
                acknowledge(x, MSS);
            }
            if (requests != 0) {
                tcp_return_transfer(x->s, x->c);
                assert_true(tcp_borrow_transfer(x->s, x->c));
            }
            steady(x, MS(2000), 300);
            windows[requests] = x->c->cwnd;
            subject_free(x);
        }
        EXPECT(rows[i].name, apart(windows[0], windows[1]) <= 2 * MSS);
    }
}

/* What two bits and ssthresh tell. */
static void plateau_of_an_idle_connection(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum tcp_plateau plateau;
        uint32_t w_max;
    } rows[] = {{"next", TCP_PLATEAU_NEXT, 0},
                {"no loss", TCP_PLATEAU_SSTHRESH, 70000},
                {"loss", TCP_PLATEAU_LOSS, 100000},
                {"convergence", TCP_PLATEAU_CONVERGENCE, 85000}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct subject *x = subject_new(DUET_CUBIC, true, true);
        x->c->ssthresh = 70 * MSS;
        x->c->plateau = (uint8_t)rows[i].plateau & 3u;
        tcp_return_transfer(x->s, x->c);
        assert_true(tcp_borrow_transfer(x->s, x->c));
        EXPECT_EQUAL(rows[i].name, memory_of(x)->cubic.w_max, rows[i].w_max);
        subject_free(x);
    }
}

/* Whoever lowers cwnd for another reason than congestion does not get it back by the next ACK. */
static void lowered_window_stays_low(void **state)
{
    (void)state;
    struct subject *x = on_the_curve(1);
    tcp_cc_lower(x->s, x->c, 75 * MSS);
    tcp_cc_lower(x->s, x->c, 71 * MSS);
    tcp_cc_lower(x->s, x->c, 90 * MSS);
    EXPECT("down only", x->c->cwnd <= 71 * MSS);
    round_trip(x, MS(1), MSS);
    EXPECT("a trip later", x->c->cwnd <= 72 * MSS);
    subject_free(x);
}

static void changing_the_controller(void **state)
{
    (void)state;
    struct subject *x = on_the_curve(100);
    const uint32_t cwnd = x->c->cwnd;
    tcp_cc_choose(x->s, x->c, DUET_NEWRENO);
    round_trip(x, MS(100), MSS);
    EXPECT("by one", x->c->cwnd <= cwnd + MSS);
    tcp_cc_choose(x->s, x->c, DUET_CUBIC);
    round_trip(x, MS(100), MSS);
    EXPECT_EQUAL("from here", memory_of(x)->cubic.k_us, 0);
    tcp_return_transfer(x->s, x->c);
    tcp_cc_choose(x->s, x->c, DUET_NEWRENO);
    EXPECT_EQUAL("without a transfer", x->c->controller, DUET_NEWRENO);
    subject_free(x);
}

/* ---- HyStart++ ---- */

/* A round of one acknowledgement for each segment, with the same round trip for all. */
static void measured_round(struct subject *x, uint32_t us, unsigned samples)
{
    fill(x);
    stack_now(x->s, x->s->now + us * DUET_MICROSECOND);
    for (uint32_t left = tcp_flight(x->c); left > 0; left -= MSS) {
        if (samples > 0) {
            samples--;
            tcp_cc_rtt(x->s, x->c, us);
        }
        acknowledge(x, MSS);
    }
}

static bool is_conservative(const struct subject *x)
{
    return memory_of(x)->round.baseline_us != 0;
}

/* 9406-3, 9406-7: an eighth, at least 4 and at most 16 ms, of eight samples. */
static void threshold_of_the_delay(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t last_us, now_us;
        unsigned samples;
        bool conservative;
    } rows[] = {
        {"100 ms, below", 100000, 112499, 99, false}, {"100 ms, at", 100000, 112500, 99, true},
        {"8 ms, below", 8000, 11999, 99, false},      {"8 ms, at", 8000, 12000, 99, true},
        {"400 ms, below", 400000, 415999, 99, false}, {"400 ms, at", 400000, 416000, 99, true},
        {"seven samples", 100000, 200000, 7, false},  {"eight samples", 100000, 200000, 8, true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct subject *x = subject_new(DUET_CUBIC, true, false);
        measured_round(x, rows[i].last_us, 99);
        measured_round(x, rows[i].now_us, rows[i].samples);
        EXPECT_EQUAL(rows[i].name, rig_hits(&x->rig, TCP_RULE_SLOW_START_CONSERVATIVE),
                     rows[i].conservative);
        subject_free(x);
    }
}

/* 9406-1, 9406-4, 9406-6: a quarter of the growth, for five rounds; then ssthresh is cwnd and the curve
 * starts flat. */
static void conservative_slow_start(void **state)
{
    (void)state;
    struct subject *x = subject_new(DUET_CUBIC, true, false);
    measured_round(x, 100000, 99);
    measured_round(x, 150000, 99);
    EXPECT("entered", is_conservative(x));
    for (unsigned round = 2; round <= 5; round++) {
        const uint32_t before = x->c->cwnd;
        EXPECT_EQUAL("not left", x->c->ssthresh, HIGH);
        measured_round(x, 150000, 99);
        EXPECT("a quarter", apart(x->c->cwnd, before + before / 4) <= MSS);
    }
    EXPECT_EQUAL("left", x->c->ssthresh, x->c->cwnd);
    EXPECT_EQUAL("once", rig_hits(&x->rig, TCP_RULE_SLOW_START_LEFT), 1);
    set_trip(x, 150000);
    measured_round(x, 150000, 99);
    EXPECT_EQUAL("K", memory_of(x)->cubic.k_us, 0);
    EXPECT_EQUAL("W_max", memory_of(x)->cubic.w_max, x->c->ssthresh);
    subject_free(x);
}

/* 9406-5: the round trip is short again. 9406-6: congestion ends it for good. */
static void jitter_and_congestion_in_conservative_slow_start(void **state)
{
    (void)state;
    struct subject *x = subject_new(DUET_NEWRENO, true, false);
    measured_round(x, 100000, 99);
    measured_round(x, 150000, 99);
    measured_round(x, 149999, 99);
    EXPECT("resumed", !is_conservative(x));
    EXPECT_EQUAL("resumed", rig_hits(&x->rig, TCP_RULE_SLOW_START_RESUMED), 1);
    EXPECT_EQUAL("untouched", x->c->ssthresh, HIGH);
    measured_round(x, 250000, 99);
    EXPECT("again", is_conservative(x));
    congestion(x, TCP_CONGESTION_LOSS, x->c->cwnd);
    EXPECT("over", !is_conservative(x));
    for (unsigned round = 0; round < 4; round++)
        measured_round(x, 100000 + round * 100000, 99); /* 9406-9 */
    EXPECT("for good", !is_conservative(x));
    subject_free(x);
}

/* 9406-2, 9406-10: eight segments for one acknowledgement, or all of it when paced. */
static void limit_of_one_acknowledgement(void **state)
{
    (void)state;
    for (unsigned paced = 0; paced < 2; paced++) {
        struct subject *x = subject_new(DUET_CUBIC, true, paced != 0);
        x->c->cwnd = 20 * MSS;
        round_trip(x, MS(100), 20 * MSS);
        EXPECT_EQUAL("grown", x->c->cwnd, (paced != 0 ? 40 : 28) * MSS);
        congestion(x, TCP_CONGESTION_TIMEOUT, 20 * MSS);
        send(x, 10 * MSS);
        acknowledge(x, 10 * MSS);
        EXPECT_EQUAL("after a timeout", x->c->cwnd, 2 * MSS); /* 9406-9, RFC 3465: L is 1 */
        subject_free(x);
    }
}

/* ---- idle ---- */

/* 5681-13, 6928-3: the restart window, smaller once a segment of a large first window was lost. */
static void restart_windows(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 2; lost++) {
        struct subject *x = subject_new(DUET_CUBIC, false, false);
        fill(x);
        if (lost != 0)
            congestion(x, TCP_CONGESTION_LOSS, 10 * MSS);
        acknowledge(x, 10 * MSS);
        x->c->cwnd = 50 * MSS;
        send(x, MSS);
        acknowledge(x, MSS);
        stack_now(x->s, x->s->now + x->c->rto_us * DUET_MICROSECOND);
        send(x, MSS);
        EXPECT_EQUAL("an RTO", x->c->cwnd, 50 * MSS);
        acknowledge(x, MSS);
        stack_now(x->s, x->s->now + (x->c->rto_us + 1000) * DUET_MICROSECOND);
        send(x, MSS);
        EXPECT_EQUAL("longer", x->c->cwnd, (lost != 0 ? 4 : 10) * MSS);
        subject_free(x);
    }
}

/* ---- pacing ---- */

static void rate(void **state)
{
    (void)state;
    struct subject *x = subject_new(DUET_CUBIC, true, true);
    x->c->srtt_us = 0;
    EXPECT_EQUAL("no sample", tcp_cc_pacing_rate(x->s, x->c), 0);
    set_trip(x, 100000);
    EXPECT_EQUAL("slow start", tcp_cc_pacing_rate(x->s, x->c), 200000);
    x->c->ssthresh = x->c->cwnd;
    EXPECT_EQUAL("avoidance", tcp_cc_pacing_rate(x->s, x->c), 120000);
    x->c->cwnd = HIGH;
    x->c->srtt_us = 8;
    EXPECT_EQUAL("largest", tcp_cc_pacing_rate(x->s, x->c), UINT64_C(1288490188800000));
    subject_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(divided_acks_gain_nothing),
        cmocka_unit_test(plain_slow_start_counts_one_segment_an_ack),
        cmocka_unit_test(newreno_grows_by_a_segment_a_trip),
        cmocka_unit_test(initial_values),
        cmocka_unit_test(unused_window_stays),
        cmocka_unit_test(acknowledgement_of_more_than_a_window),
        cmocka_unit_test(bunch_of_acks_counts_as_a_whole),
        cmocka_unit_test(small_flights_over_the_whole_sequence_space),
        cmocka_unit_test(what_congestion_leaves),
        cmocka_unit_test(cubic_counts_the_part_of_a_segment_that_cannot_be_sent),
        cmocka_unit_test(echoes_reduce_to_one_segment),
        cmocka_unit_test(undo),
        cmocka_unit_test(curve_by_hand),
        cmocka_unit_test(last_acknowledgement_of_an_unused_window),
        cmocka_unit_test(segments_grow_in_the_middle_of_a_stage),
        cmocka_unit_test(largest_numbers_of_a_stage),
        cmocka_unit_test(growth_is_at_most_half_a_window_a_trip),
        cmocka_unit_test(time_without_use_does_not_count),
        cmocka_unit_test(reno_friendly_region),
        cmocka_unit_test(fast_convergence),
        cmocka_unit_test(congestion_that_goes_on_is_no_new_plateau),
        cmocka_unit_test(stage_after_a_timeout),
        cmocka_unit_test(curve_outlives_the_transfer),
        cmocka_unit_test(plateau_of_an_idle_connection),
        cmocka_unit_test(lowered_window_stays_low),
        cmocka_unit_test(changing_the_controller),
        cmocka_unit_test(threshold_of_the_delay),
        cmocka_unit_test(conservative_slow_start),
        cmocka_unit_test(jitter_and_congestion_in_conservative_slow_start),
        cmocka_unit_test(limit_of_one_acknowledgement),
        cmocka_unit_test(restart_windows),
        cmocka_unit_test(rate),
    };
    return cmocka_run_group_tests_name("congestion", tests, NULL, NULL);
}
