/* SPDX-License-Identifier: MIT */
/* Round-trip time and retransmission timeout beside the formulas of RFC 6298 in floating point:
 * first the arithmetic alone, then through the doors, with lost segments and misleading echoes. */
#include "rig.h"

#include <stdlib.h>

#include "base/prng.h"

#define US(n)  ((duet_time)(n)*DUET_MICROSECOND)
#define MS(n)  ((duet_time)(n)*DUET_MILLISECOND)
#define SEC(n) ((duet_time)(n)*DUET_SECOND)

/* ---- the formulas ---- */

struct estimate {
    bool has;
    double srtt, rttvar; /* seconds */
};

static double seconds(duet_time t)
{
    return (double)t / 1e9;
}

static double absolute(double x)
{
    return x < 0 ? -x : x;
}

/* RFC 6298, 2.2 and 2.3; RTTVAR first, with the old SRTT. */
static void estimate_take(struct estimate *e, double r)
{
    if (!e->has) {
        e->srtt = r;
        e->rttvar = r / 2;
        e->has = true;
        return;
    }
    e->rttvar = 0.75 * e->rttvar + 0.25 * absolute(e->srtt - r);
    e->srtt = 0.875 * e->srtt + 0.125 * r;
}

/* 2.2 to 2.5, with G = 1 ms. */
static double estimate_rto(const struct estimate *e, double least, double most)
{
    const double k = 4 * e->rttvar;
    const double rto = e->srtt + (k > 0.001 ? k : 0.001);
    return rto < least ? least : rto > most ? most : rto;
}

/* ---- the arithmetic ---- */

struct leaf {
    struct duet_stack stack;
    struct tcp_conn conn;
};

static void leaf_start(struct leaf *leaf, duet_time least, duet_time most)
{
    memset(leaf, 0, sizeof *leaf);
    leaf->stack.config.rto_initial = SEC(1);
    leaf->stack.config.rto_min = least;
    leaf->stack.config.rto_max = most;
    leaf->conn.transfer = POOL_NONE;
    tcp_rtt_init_stack(&leaf->stack);
    tcp_rtt_init(&leaf->stack, &leaf->conn);
}

static double leaf_rto(const struct leaf *leaf)
{
    return leaf->conn.rto_us / 1e6;
}

/* Takes the sample on both sides and compares. A dozen microseconds is what integers may lose. */
static void take(const char *row, struct leaf *leaf, struct estimate *e, duet_time r)
{
    const double least = seconds(leaf->stack.config.rto_min);
    const double most = seconds(leaf->stack.config.rto_max);
    tcp_rtt_sample(&leaf->stack, &leaf->conn, r);
    estimate_take(e, seconds(r) < most ? seconds(r) : most);
    EXPECT(row, absolute(leaf->conn.srtt_us / 8e6 - e->srtt) < 2e-6);
    EXPECT(row, absolute(leaf->conn.rttvar_us / 4e6 - e->rttvar) < 4e-6);
    EXPECT(row, absolute(leaf_rto(leaf) - estimate_rto(e, least, most)) < 12e-6);
}

static void sequences_of_samples(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        duet_time least, most;
        duet_time samples[8];
    } rows[] = {
        {"the first: SRTT = R, RTTVAR = R/2", MS(1), SEC(120), {MS(100)}},
        {"steady", MS(1), SEC(120), {MS(80), MS(80), MS(80), MS(80), MS(80), MS(80)}},
        {"a step up", MS(1), SEC(120), {MS(20), MS(20), MS(400), MS(400), MS(400), MS(400)}},
        {"a step down", MS(1), SEC(120), {MS(400), MS(400), MS(20), MS(20), MS(20), MS(20)}},
        {"up and down", MS(1), SEC(120), {MS(10), MS(500), MS(10), MS(500), MS(10), MS(500)}},
        {"odd microseconds", MS(1), SEC(120), {US(33333), US(77777), US(11111), US(99999)}},
        {"below the granularity", MS(1), SEC(120), {US(200), US(210), US(190), US(200), US(200)}},
        {"below the minimum", MS(200), SEC(120), {MS(20), MS(25), MS(20), MS(22)}},
        {"just around the minimum", MS(300), SEC(120), {MS(100), MS(101), MS(250), MS(99)}},
        {"above the maximum", MS(200), SEC(1), {MS(900), MS(100), MS(950), MS(10)}},
        {"longer than the maximum", MS(200), SEC(1), {SEC(5), MS(100), MS(100), SEC(70)}},
        {"minutes", MS(200), SEC(500), {SEC(100), SEC(250), SEC(400), SEC(450)}},
        {"the longest that the configuration allows", MS(200), SEC(500), {SEC(500), SEC(500)}},
        {"a clock that stood still", MS(200), SEC(120), {MS(100), SEC(4295), SEC(7200)}},
        {"weeks", MS(200), SEC(120), {SEC(1000000), SEC(4294968)}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct leaf leaf;
        struct estimate e = {0};
        leaf_start(&leaf, rows[i].least, rows[i].most);
        EXPECT(rows[i].name, leaf_rto(&leaf) == 1.0);
        for (size_t n = 0; n < COUNT_OF(rows[i].samples) && rows[i].samples[n] != 0; n++)
            take(rows[i].name, &leaf, &e, rows[i].samples[n]);
    }
}

static void random_samples(void **state)
{
    (void)state;
    struct prng prng;
    prng_seed(&prng, 6298);
    for (unsigned i = 0; i < 50; i++) {
        struct leaf leaf;
        struct estimate e = {0};
        leaf_start(&leaf, MS(1), SEC(120));
        const uint64_t scale = UINT64_C(1000) << prng_below(&prng, 20);
        for (unsigned n = 0; n < 200; n++)
            take("random", &leaf, &e, US(1 + prng_below(&prng, scale)));
    }
}

static void smallest_is_remembered(void **state)
{
    (void)state;
    static const duet_time samples[] = {MS(50), MS(40), MS(60), MS(39), MS(500)};
    static const uint32_t least_us[] = {50000, 40000, 40000, 39000, 39000};
    struct leaf leaf;
    leaf_start(&leaf, MS(200), SEC(120));
    for (size_t i = 0; i < COUNT_OF(samples); i++) {
        tcp_rtt_sample(&leaf.stack, &leaf.conn, samples[i]);
        EXPECT_EQUAL("smallest", leaf.conn.rtt_min_us, least_us[i]);
    }
}

/* 5.5: doubled each time, up to the maximum; 2.3 ends it. */
static void backoff(void **state)
{
    (void)state;
    static const double expected[] = {2, 4, 8, 16, 32, 60, 60};
    struct leaf leaf;
    leaf_start(&leaf, MS(200), SEC(60));
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        tcp_rto_back_off(&leaf.stack, &leaf.conn);
        EXPECT("backoff", leaf_rto(&leaf) == expected[i]);
    }
    tcp_rtt_sample(&leaf.stack, &leaf.conn, MS(100));
    EXPECT("a sample ends it", leaf_rto(&leaf) == 0.3);
}

/* 5.7, and not where there is an estimate. */
static void after_a_lost_syn(void **state)
{
    (void)state;
    struct leaf leaf;
    leaf_start(&leaf, MS(200), SEC(120));
    tcp_rto_back_off(&leaf.stack, &leaf.conn);
    tcp_rto_after_lost_syn(&leaf.conn);
    EXPECT("no sample", leaf_rto(&leaf) == 3.0);
    tcp_rtt_sample(&leaf.stack, &leaf.conn, MS(100));
    tcp_rto_after_lost_syn(&leaf.conn);
    EXPECT("a sample", leaf_rto(&leaf) == 0.3);
}

/* ---- through the doors ---- */

static const struct rig_segment plain_offer = {.seq = 0xfffffff0, .window = 60000, .mss = 1000};
static const struct rig_segment timed_offer = {
    .seq = 0xfffffff0, .window = 60000, .mss = 1000, .timestamps = true, .tsval = 0xfffffffe};

static struct rig *rig_new(void)
{
    struct rig *rig = malloc(sizeof *rig);
    struct duet_config config;
    assert_non_null(rig);
    rig_config(&config);
    rig_start(rig, &config);
    rig->now = SEC(1000) + US(123);
    return rig;
}

static void rig_free(struct rig *rig)
{
    rig_end(rig);
    free(rig);
}

static void expect_times(const char *row, const struct rig *rig, const struct rig_conn *conn,
                         duet_time srtt, duet_time rto)
{
    const struct duet_status status = rig_status(rig, conn);
    EXPECT_EQUAL(row, status.smoothed_rtt, srtt);
    EXPECT_EQUAL(row, status.rto, rto);
}

/* The first thing that is timed is the SYN, or the SYN,ACK. */
static void handshake_is_timed(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool passive;
        const struct rig_segment *offer;
        duet_time trip, rto;
    } rows[] = {
        {"active", false, &plain_offer, MS(100), MS(300)},
        {"active, timestamps", false, &timed_offer, MS(100), MS(300)},
        {"passive", true, &plain_offer, MS(100), MS(300)},
        {"passive, timestamps", true, &timed_offer, MS(100), MS(300)},
        {"active, near", false, &plain_offer, US(400), MS(200)},
        {"passive, near", true, &plain_offer, US(400), MS(200)},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig *rig = rig_new();
        struct rig_conn conn = {.tuple = rig_tuple(80, 4000), .trip = rows[i].trip};
        if (rows[i].passive)
            rig_accept(rig, &conn, rows[i].offer);
        else
            rig_connect(rig, &conn, rows[i].offer);
        expect_times(rows[i].name, rig, &conn, rows[i].trip, rows[i].rto);
        rig_free(rig);
    }
}

/* A connection whose handshake took 100 ms has sent 100 bytes, timed out once and sent them again
 * 300 ms later. */
static struct rig_conn lose_one(struct rig *rig, const struct rig_segment *offer,
                                uint32_t *first_tsval)
{
    static const uint8_t text[100];
    struct rig_segment segment;
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000), .trip = MS(100)};
    rig_connect(rig, &conn, offer);
    rig_write(rig, &conn, text, sizeof text);
    assert_true(rig_output(rig, NULL, &segment));
    *first_tsval = segment.tsval;
    rig_pass(rig, rig->now + MS(300) + US(2));
    assert_true(rig_output(rig, NULL, &segment));
    assert_int_equal(segment.seq, conn.ack);
    assert_int_equal(segment.length, 100);
    conn.tsecr = segment.tsval;
    conn.ack += 100;
    return conn;
}

/* Karn: whose acknowledgement it is cannot be known, so the doubled timeout stays in force until
 * something sent once is acknowledged. */
static void retransmission_is_not_timed(void **state)
{
    (void)state;
    static const uint8_t text[100];
    struct rig *rig = rig_new();
    uint32_t unused;
    struct rig_conn conn = lose_one(rig, &plain_offer, &unused);
    expect_times("doubled", rig, &conn, MS(100), MS(600));
    rig_pass(rig, rig->now + MS(70));
    rig_say(rig, &conn, 0, 0, NULL, 0);
    EXPECT_EQUAL("acknowledged", rig_status(rig, &conn).send_queued, 0);
    expect_times("still doubled", rig, &conn, MS(100), MS(600));

    rig_write(rig, &conn, text, sizeof text);
    assert_int_equal(rig_drain(rig), 1);
    rig_pass(rig, rig->now + MS(100));
    conn.ack += 100;
    rig_say(rig, &conn, 0, 0, NULL, 0);
    expect_times("a sample", rig, &conn, MS(100), MS(100) + US(150000)); /* 4 * 3/4 * 50 ms */
    rig_free(rig);
}

/* With timestamps the acknowledgement says itself what it answers. An echo that is older than the
 * latest transmission, or of nothing we sent, says nothing. */
static void echoes(void **state)
{
    (void)state;
    enum echo { OF_SECOND, OF_FIRST, OF_NOTHING, OF_FUTURE };
    static const struct {
        const char *name;
        enum echo echo;
        duet_time srtt, rto;
    } rows[] = {
        /* SRTT 7/8 100 + 1/8 80; RTTVAR 3/4 50 + 1/4 20 = 42.5 */
        {"of the second transmission", OF_SECOND, US(97500), US(267500)},
        {"of the first transmission", OF_FIRST, MS(100), MS(600)},
        {"zero", OF_NOTHING, MS(100), MS(600)},
        {"of what was never sent", OF_FUTURE, MS(100), MS(600)},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig *rig = rig_new();
        uint32_t first_tsval;
        struct rig_conn conn = lose_one(rig, &timed_offer, &first_tsval);
        rig_pass(rig, rig->now + MS(80));
        if (rows[i].echo == OF_FIRST)
            conn.tsecr = first_tsval;
        if (rows[i].echo == OF_NOTHING)
            conn.tsecr = 0;
        if (rows[i].echo == OF_FUTURE)
            conn.tsecr += 100;
        rig_say(rig, &conn, 0, 0, NULL, 0);
        EXPECT_EQUAL(rows[i].name, rig_status(rig, &conn).send_queued, 0);
        expect_times(rows[i].name, rig, &conn, rows[i].srtt, rows[i].rto);
        rig_free(rig);
    }
}

/* One segment at a time is timed, from its first transmission to the acknowledgement that covers
 * all of it. */
static void first_of_several_is_timed(void **state)
{
    (void)state;
    static const uint8_t text[1000];
    struct rig *rig = rig_new();
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000), .trip = MS(100)};
    rig_connect(rig, &conn, &plain_offer);
    rig_write(rig, &conn, text, 1000);
    assert_int_equal(rig_drain(rig), 1);
    rig_pass(rig, rig->now + MS(50));
    rig_write(rig, &conn, text, 1000);
    assert_int_equal(rig_drain(rig), 1);
    rig_pass(rig, rig->now + MS(20));
    conn.ack += 999;
    rig_say(rig, &conn, 0, 0, NULL, 0);
    expect_times("not all of it", rig, &conn, MS(100), MS(300));
    rig_pass(rig, rig->now + MS(30));
    conn.ack += 1001;
    rig_say(rig, &conn, 0, 0, NULL, 0);
    expect_times("both", rig, &conn, MS(100), MS(250)); /* R = 100 */
    rig_free(rig);
}

/* RFC 6298, 5.5 and 5.7: SYN at 0, 1 and 3 s; the answer to one that was repeated is no sample, and
 * data begins with 3 s, unless timestamps say which one was answered. */
static void lost_syn(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool timestamps;
        duet_time srtt, rto;
    } rows[] = {
        {"no timestamps", false, 0, SEC(3)},
        {"timestamps", true, MS(40), MS(200)},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *name = rows[i].name;
        struct rig *rig = rig_new();
        struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
        struct rig_segment syn, answer = rows[i].timestamps ? timed_offer : plain_offer;
        const struct duet_connect_options options = {.local = {conn.tuple.local, 80},
                                                     .remote = {conn.tuple.remote, 4000}};
        assert_int_equal(duet_connect(rig->stack, rig->now, &options, &conn.handle), DUET_OK);
        EXPECT_EQUAL(name, rig_drain(rig), 1);
        const duet_time start = rig->now;
        for (unsigned again = 0; again < 2; again++) {
            rig_pass(rig, start + SEC(again == 0 ? 1 : 3) - US(1));
            rig_silence(name, rig);
            rig_pass(rig, rig->now + US(4));
            EXPECT(name, rig_output(rig, NULL, &syn));
        }
        rig_pass(rig, rig->now + MS(40));
        answer.flags = DUET_SYN | DUET_ACK;
        answer.ack = syn.seq + 1;
        answer.tsecr = syn.tsval;
        rig_input(rig, &conn.tuple, &answer);
        EXPECT_EQUAL(name, rig_status(rig, &conn).state, DUET_ESTABLISHED);
        expect_times(name, rig, &conn, rows[i].srtt, rows[i].rto);
        rig_free(rig);
    }
}

/* The timer that ran from the first SYN,ACK; data then begins with 3 s as above. */
static void lost_syn_ack(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000), .trip = SEC(1) + MS(30)};
    const duet_time start = rig->now;
    struct rig_segment offer = plain_offer;
    const struct duet_listen_options options = {.local = {conn.tuple.local, 80}, .backlog = 1};
    struct duet_handle listener;
    assert_int_equal(duet_listen(rig->stack, rig->now, &options, &listener), DUET_OK);
    offer.flags = DUET_SYN;
    rig_input(rig, &conn.tuple, &offer);
    EXPECT("SYN,ACK", rig_output(rig, NULL, &conn.first));
    rig_pass(rig, start + SEC(1) + MS(1));
    EXPECT_EQUAL("again", rig_drain(rig), 1);
    conn.seq = offer.seq + 1;
    conn.ack = conn.first.seq + 1;
    rig_pass(rig, rig->now + MS(30));
    rig_say(rig, &conn, 0, 0, NULL, 0);
    assert_int_equal(duet_accept(rig->stack, rig->now, listener, &conn.handle, NULL), DUET_OK);
    expect_times("SYN,ACK repeated", rig, &conn, 0, SEC(3));
    rig_free(rig);
}

/* Each timeout doubles the next one, which counts from the retransmission, to within the tick of the
 * wheel. */
static void timeouts_double(void **state)
{
    (void)state;
    static const uint8_t text[10];
    struct rig *rig = rig_new();
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000), .trip = MS(100)};
    rig_connect(rig, &conn, &plain_offer);
    rig_write(rig, &conn, text, sizeof text);
    assert_int_equal(rig_drain(rig), 1);
    for (duet_time rto = MS(300); rto < SEC(100); rto *= 2) {
        duet_time due = rig->now + rto;
        rig_pass(rig, due - US(1));
        rig_silence("early", rig);
        rig_pass(rig, due + US(2));
        EXPECT_EQUAL("late", rig_drain(rig), 1);
    }
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_of_samples),
        cmocka_unit_test(random_samples),
        cmocka_unit_test(smallest_is_remembered),
        cmocka_unit_test(backoff),
        cmocka_unit_test(after_a_lost_syn),
        cmocka_unit_test(handshake_is_timed),
        cmocka_unit_test(retransmission_is_not_timed),
        cmocka_unit_test(echoes),
        cmocka_unit_test(first_of_several_is_timed),
        cmocka_unit_test(lost_syn),
        cmocka_unit_test(lost_syn_ack),
        cmocka_unit_test(timeouts_double),
    };
    return cmocka_run_group_tests_name("rtt", tests, NULL, NULL);
}
