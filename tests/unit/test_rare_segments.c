/* SPDX-License-Identifier: MIT */
/* Segments and timers that come together as they seldom do: holes in rings, what is lost beside what was kept back, a
 * duplicate for the three hundredth time, an echo from another age. */
#include "rig.h"

#include "base/bytes.h"
#include "host/coverage.h"

#include <stdlib.h>

#define MS(n)  ((duet_time)(n)*DUET_MILLISECOND)
#define SEC(n) ((duet_time)(n)*DUET_SECOND)

enum { MSS = 1000 };

static const struct rig_segment offer = {.seq = 0xfffffc00, .window = 60000, .mss = MSS};
static const struct rig_segment with_sack = {
    .seq = 0xfffffc00, .window = 60000, .mss = MSS, .sack = true};
static const struct rig_segment timed = {
    .seq = 0xfffffc00, .window = 60000, .mss = MSS, .timestamps = true, .tsval = 5000};

static struct duet_config config;

static int defaults(void **state)
{
    (void)state;
    rig_config(&config);
    return 0;
}

static struct rig *start(void)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig_start(rig, &config);
    return rig;
}

static void stop(struct rig *rig)
{
    assert_null(duet_check(rig->stack));
    duet_coverage_note(rig->stack);
    rig_end(rig);
    free(rig);
}

/* An active open, so that its round trip is measured: 10 ms. */
static struct rig_conn connected(struct rig *rig, const struct rig_segment *answer)
{
    struct rig_conn conn = {.tuple = rig_tuple(1000, 2000), .trip = MS(10)};
    rig_connect(rig, &conn, answer);
    rig_take_events(rig);
    assert_int_equal(duet_set(rig->stack, rig->now, conn.handle, DUET_OPTION_NODELAY, 1), DUET_OK);
    return conn;
}

static struct tcp_conn *conn_of(const struct rig *rig, const struct rig_conn *conn)
{
    return conn_at(rig->stack, conn->handle.index);
}

static struct tcp_transfer *sending(const struct rig *rig, const struct rig_conn *conn)
{
    struct tcp_transfer *t = transfer_of(rig->stack, conn_of(rig, conn));
    assert_non_null(t);
    return t;
}

/* Segments of MSS that leave at once; their number. */
static unsigned send(struct rig *rig, const struct rig_conn *conn, uint32_t bytes)
{
    static const uint8_t text[60000];
    rig_write(rig, conn, text, bytes);
    return rig_drain(rig);
}

/* All up to ack has arrived, and [left, right), if that is not empty. */
static void say(struct rig *rig, const struct rig_conn *conn, uint32_t ack, uint32_t left,
                uint32_t right)
{
    const uint32_t first = conn->iss + 1;
    const struct rig_segment segment = {.flags = DUET_ACK,
                                        .seq = conn->seq,
                                        .ack = first + ack,
                                        .window = conn->window,
                                        .blocks = left < right,
                                        .block = {{first + left, first + right}}};
    rig_input(rig, &conn->tuple, &segment);
}

static void listen_at(struct rig *rig, uint16_t port)
{
    const struct duet_listen_options options = {.local = {.port = port}, .backlog = 8};
    struct duet_handle handle;
    assert_int_equal(duet_listen(rig->stack, rig->now, &options, &handle), DUET_OK);
}

static struct duet_counters counters_of(const struct rig *rig)
{
    struct duet_counters counters;
    duet_counters(rig->stack, &counters);
    return counters;
}

/* ---- holes in the rings of small records ---- */

/* More records in a row have ended than one packet may skip; the ring goes on around them. */
static void more_half_open_records_have_ended_than_one_packet_skips(void **state)
{
    (void)state;
    enum { MANY = 3 * AGE_RING_SKIPS };
    config.half_open_max = 2 * MANY;
    config.syn_cookies = false;
    struct rig *rig = start();
    listen_at(rig, 80);
    struct rig_segment syn = offer;
    syn.flags = DUET_SYN;
    const struct rig_segment rst = {.flags = DUET_RST, .seq = offer.seq + 1};
    for (unsigned i = 0; i < MANY; i++) {
        const struct tcp_tuple tuple = rig_tuple(80, (uint16_t)(4000 + i));
        rig_input(rig, &tuple, &syn);
        rig_drain(rig);
    }
    for (unsigned i = MANY; i-- > 0;) { /* the oldest last */
        const struct tcp_tuple tuple = rig_tuple(80, (uint16_t)(4000 + i));
        rig_input(rig, &tuple, &rst);
        EXPECT_EQUAL("ended", counters_of(rig).half_open, i);
        assert_null(duet_check(rig->stack));
    }
    const struct tcp_tuple next = rig_tuple(80, 3000);
    rig_input(rig, &next, &syn);
    assert_int_equal(rig_drain(rig), 1);
    assert_int_equal(counters_of(rig).half_open, 1);
    rig_pass(rig, rig->now + config.rto_initial);
    assert_int_equal(rig_drain(rig), 1); /* its SYN,ACK again, and nobody else's */
    stop(rig);
}

static void more_time_wait_records_have_ended_than_one_packet_skips(void **state)
{
    (void)state;
    enum { MANY = 3 * AGE_RING_SKIPS };
    config.time_wait_max = 2 * MANY;
    config.time_wait_rst = true;
    struct rig *rig = start();
    static struct rig_conn conns[MANY];
    for (unsigned i = 0; i < MANY; i++)
        conns[i] = rig_time_wait(rig, rig_tuple(80, (uint16_t)(4000 + i)), NOBODY, &offer);
    for (unsigned i = MANY; i-- > 0;) {
        rig_say(rig, &conns[i], DUET_RST, 0, NULL, 0);
        EXPECT_EQUAL("ended", counters_of(rig).time_wait, i);
        assert_null(duet_check(rig->stack));
    }
    (void)rig_time_wait(rig, rig_tuple(80, 3000), NOBODY, &offer);
    assert_int_equal(counters_of(rig).time_wait, 1);
    rig_pass(rig, rig->now + 2 * config.msl);
    assert_int_equal(counters_of(rig).time_wait, 0);
    stop(rig);
}

/* RFC 7323, 3.2 and RFC 5961, 4.2: a SYN without timestamps is judged by its number like any other. */
static void syn_ack_without_timestamps_in_time_wait(void **state)
{
    (void)state;
    struct rig *rig = start();
    const struct rig_conn conn = rig_time_wait(rig, rig_tuple(80, 4000), NOBODY, &timed);
    const struct rig_segment again = {
        .flags = DUET_SYN | DUET_ACK, .seq = offer.seq, .ack = conn.ack, .window = 100};
    struct rig_segment answer;
    rig_input(rig, &conn.tuple, &again);
    assert_int_equal(rig_hits(rig, TCP_RULE_TIMESTAMP_MISSING), 0);
    assert_true(rig_output(rig, NULL, &answer));
    assert_int_equal(answer.flags, DUET_ACK);
    assert_int_equal(answer.ack, conn.seq);
    assert_int_equal(counters_of(rig).time_wait, 1);
    stop(rig);
}

/* RFC 7323, 4.3: TS.Recent follows what begins at or before RCV.NXT, not what lies behind a hole. */
static void timestamp_behind_a_hole_in_time_wait(void **state)
{
    (void)state;
    struct rig *rig = start();
    struct rig_conn conn = rig_time_wait(rig, rig_tuple(80, 4000), NOBODY, &timed);
    const uint32_t recent = conn.tsval;
    conn.tsval = recent + 1000;
    rig_say(rig, &conn, 0, 10, "text", 4);
    rig_drain(rig);
    conn.tsval = recent + 500;
    rig_say(rig, &conn, 0, 0, "text", 4);
    assert_int_equal(rig_hits(rig, TCP_RULE_PAWS_REJECTED), 0);
    conn.tsval = recent + 499; /* and that one it has followed */
    rig_say(rig, &conn, 0, 0, "text", 4);
    assert_int_equal(rig_hits(rig, TCP_RULE_PAWS_REJECTED), 1);
    stop(rig);
}

/* ---- a segment is kept back (tcp_verify.c) ---- */

/* Everything is ready for it: enough text, window, congestion window, and it is due. */
static struct rig_conn ready_to_withhold(struct rig *rig, uint32_t in_flight, uint32_t queued)
{
    static const uint8_t text[60000];
    struct rig_conn conn = connected(rig, &with_sack);
    if (in_flight > 0)
        send(rig, &conn, in_flight);
    rig_write(rig, &conn, text, queued);
    struct tcp_transfer *t = sending(rig, &conn);
    t->verify.due = true;
    t->verify.since = seq_sub(conn_of(rig, &conn)->snd.nxt, 1 << 20);
    return conn;
}

static void when_a_segment_may_be_kept_back(void **state)
{
    (void)state;
    enum { FOUR = 4 * MSS };
    static const struct {
        const char *name;
        uint32_t in_flight, queued, window, cwnd;
        bool excused, urgent, probed, timed_out, early, may;
    } rows[] = {
        {"all is well", 0, FOUR, FOUR, FOUR, .may = true},
        {"the text is short by one", 0, FOUR - 1, FOUR, FOUR, .may = false},
        {"the window is short by one", 0, FOUR, FOUR - 1, FOUR, .may = false},
        {"the window is closed", 0, FOUR, 0, FOUR, .may = false},
        {"the congestion window is short by one", 0, FOUR, FOUR, FOUR - 1, .may = false},
        {"some is in flight", 2 * MSS, FOUR, 6 * MSS, FOUR, .may = true},
        {"and leaves no room for it", 4 * MSS, FOUR, 8 * MSS, 5 * MSS - 1, .may = false},
        {"but just enough", 4 * MSS, FOUR, 8 * MSS, 5 * MSS, .may = true},
        {"a lost probe is excused", 0, FOUR, FOUR, FOUR, .excused = true},
        {"there is urgent text", 0, FOUR, FOUR, FOUR, .urgent = true},
        {"the window was probed", 0, FOUR, FOUR, FOUR, .probed = true},
        {"the timer has run out", 0, FOUR, FOUR, FOUR, .timed_out = true},
        {"the handshake goes on", 0, FOUR, FOUR, FOUR, .early = true},
    };
    config.watch = false;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig *rig = start();
        const struct rig_conn conn = ready_to_withhold(rig, rows[i].in_flight, rows[i].queued);
        struct tcp_conn *c = conn_of(rig, &conn);
        struct tcp_transfer *t = sending(rig, &conn);
        const struct seq nxt = c->snd.nxt;
        c->snd.wnd = rows[i].window;
        c->cwnd = rows[i].cwnd;
        t->mtu.excused = rows[i].excused;
        t->urgent = rows[i].urgent;
        t->probed = rows[i].probed;
        t->retransmissions = rows[i].timed_out;
        if (rows[i].early)
            c->state = DUET_SYN_RECEIVED;
        tcp_verify_withhold(rig->stack, c);
        EXPECT_EQUAL(rows[i].name, t->verify.withheld, rows[i].may);
        EXPECT_EQUAL(rows[i].name, seq_distance(nxt, c->snd.nxt), rows[i].may ? MSS : 0);
        rig_end(rig);
        free(rig);
    }
}

static void no_memory_to_keep_a_segment_back(void **state)
{
    (void)state;
    struct rig *rig = start();
    const struct rig_conn conn = ready_to_withhold(rig, MSS, 8 * MSS);
    struct pool *pages = &rig->stack->buffers.pages;
    uint32_t taken[512];
    uint32_t count = 0;
    while (count < COUNT_OF(taken) && (taken[count] = pool_take(pages)) != POOL_NONE)
        count++;
    tcp_verify_withhold(rig->stack,
                        conn_of(rig, &conn)); /* three records are left, four are needed */
    assert_false(sending(rig, &conn)->verify.withheld);
    while (count > 0)
        pool_give(pages, taken[--count]);
    tcp_verify_withhold(rig->stack, conn_of(rig, &conn));
    assert_true(sending(rig, &conn)->verify.withheld);
    assert_true(rig_drain(rig) > 0);
    stop(rig);
}

/* A segment before it is really lost: that is congestion, whatever was kept back beside it. */
static void loss_beside_what_is_kept_back(void **state)
{
    (void)state;
    struct rig *rig = start();
    const struct rig_conn conn = ready_to_withhold(rig, 2 * MSS, 8 * MSS);
    assert_true(rig_drain(rig) > 3);
    assert_int_equal(rig_hits(rig, TCP_RULE_SEGMENT_WITHHELD), 1);
    rig_pass(rig, rig->now + MS(10));
    say(rig, &conn, 0, MSS, 2 * MSS); /* below it: no lie */
    assert_int_equal(rig_hits(rig, TCP_RULE_ACK_OF_WITHHELD), 0);
    say(rig, &conn, 0, 3 * MSS, 7 * MSS);
    assert_int_equal(rig_hits(rig, TCP_RULE_WITHHELD_MISSED), 1);
    assert_int_equal(rig_hits(rig, TCP_RULE_RECOVERY_BY_SACK), 1);
    assert_false(sending(rig, &conn)->mtu.excused);
    struct rig_segment again;
    assert_true(rig_output(rig, NULL, &again));
    assert_int_equal(again.seq, conn.iss + 1);
    rig_drain(rig);
    say(rig, &conn, 10 * MSS, 0, 0);
    stop(rig);
}

/* RFC 6675 finds the real loss first, and what was kept back in the recovery from it: one signal of congestion. */
static void what_is_kept_back_is_missed_in_recovery(void **state)
{
    (void)state;
    config.rack = false;
    struct rig *rig = start();
    const struct rig_conn conn = ready_to_withhold(rig, 2 * MSS, 8 * MSS);
    assert_true(rig_drain(rig) > 4);
    assert_int_equal(rig_hits(rig, TCP_RULE_SEGMENT_WITHHELD), 1);
    rig_pass(rig, rig->now + MS(10));
    say(rig, &conn, 0, MSS, 2 * MSS);
    for (uint32_t n = 4; n <= 7; n++)
        say(rig, &conn, 0, 3 * MSS, n * MSS);
    assert_int_equal(rig_hits(rig, TCP_RULE_WITHHELD_MISSED), 1);
    assert_int_equal(rig_hits(rig, TCP_RULE_RECOVERY_BY_SACK), 1);
    assert_false(sending(rig, &conn)->mtu.excused);
    rig_drain(rig);
    stop(rig);
}

/* The same where the peer has no SACK: three duplicate acknowledgements of the segment before it. */
static void loss_beside_what_is_kept_back_without_sack(void **state)
{
    (void)state;
    static const uint8_t text[8 * MSS];
    struct rig *rig = start();
    const struct rig_conn conn = connected(rig, &offer);
    send(rig, &conn, MSS);
    rig_write(rig, &conn, text, sizeof text);
    struct tcp_transfer *t = sending(rig, &conn);
    t->verify.due = true;
    t->verify.since = seq_sub(conn_of(rig, &conn)->snd.nxt, 1 << 20);
    assert_true(rig_drain(rig) > 3);
    assert_true(t->verify.withheld);
    rig_pass(rig, rig->now + MS(10));
    for (unsigned i = 0; i < 3; i++)
        say(rig, &conn, 0, 0, 0);
    assert_int_equal(rig_hits(rig, TCP_RULE_FAST_RETRANSMIT), 1);
    assert_int_equal(rig_hits(rig, TCP_RULE_WITHHELD_MISSED), 0);
    struct rig_segment again;
    assert_true(rig_output(rig, NULL, &again));
    assert_int_equal(again.seq, conn.iss + 1);
    rig_drain(rig);
    stop(rig);
}

/* ---- acknowledgements ---- */

/* RFC 5681, 3.2 step 4: cwnd grows by no more than what was outstanding, however many come. */
static void three_hundred_duplicate_acknowledgements(void **state)
{
    (void)state;
    struct rig *rig = start();
    const struct rig_conn conn = connected(rig, &offer);
    assert_int_equal(send(rig, &conn, 8 * MSS), 8);
    rig_pass(rig, rig->now + MS(10));
    for (unsigned i = 0; i < 300; i++)
        say(rig, &conn, 0, 0, 0);
    const struct tcp_conn *c = conn_of(rig, &conn);
    assert_int_equal(sending(rig, &conn)->dupacks, 255);
    assert_int_equal(rig_hits(rig, TCP_RULE_FAST_RETRANSMIT), 1);
    assert_int_equal(rig_hits(rig, TCP_RULE_ACK_DUPLICATE) > 255, true);
    assert_in_range(c->cwnd, c->ssthresh, c->ssthresh + 8 * MSS + MSS);
    rig_drain(rig);
    say(rig, &conn, 8 * MSS, 0, 0);
    stop(rig);
}

/* RFC 6675 in the place of RACK: the peer says that it holds all, and acknowledges nothing. There is no hole to fill,
 * and no segment that a rescue could be. */
static void all_is_sacked_and_nothing_acknowledged(void **state)
{
    (void)state;
    config.rack = false;
    struct rig *rig = start();
    const struct rig_conn conn = connected(rig, &with_sack);
    assert_int_equal(send(rig, &conn, 8 * MSS), 8);
    rig_pass(rig, rig->now + MS(10));
    for (uint32_t n = 2; n <= 8; n++)
        say(rig, &conn, 0, MSS, n * MSS);
    assert_int_equal(rig_hits(rig, TCP_RULE_RECOVERY_BY_SACK), 1);
    rig_drain(rig);
    say(rig, &conn, 0, 0, 8 * MSS);
    rig_silence("nothing to send", rig);
    send(rig, &conn, MSS);
    rig_pass(rig, rig->now + MS(10));
    say(rig, &conn, 9 * MSS, 0, 0);
    stop(rig);
}

/* NextSeg (3) and (4) stay inside the peer's window, which has become smaller than what is in flight. */
static void window_shrinks_in_a_recovery_by_sack_alone(void **state)
{
    (void)state;
    config.rack = false;
    struct rig *rig = start();
    const struct rig_conn conn = connected(rig, &with_sack);
    assert_int_equal(send(rig, &conn, 8 * MSS), 8);
    rig_pass(rig, rig->now + MS(10));
    say(rig, &conn, 0, MSS, 2 * MSS);
    say(rig, &conn, 0, MSS, 3 * MSS);
    say(rig, &conn, 0, 4 * MSS, 5 * MSS);
    assert_int_equal(rig_hits(rig, TCP_RULE_RECOVERY_BY_SACK), 1);
    rig_drain(rig);
    struct tcp_conn *c = conn_of(rig, &conn);
    const uint32_t window = c->snd.wnd;
    struct tcp_offer next;
    c->snd.wnd = MSS;
    assert_false(tcp_6675_next(rig->stack, c, 10 * MSS, &next));
    c->snd.wnd = window;
    assert_true(tcp_6675_next(rig->stack, c, 10 * MSS, &next));
    assert_int_equal(next.seq.raw, conn.iss + 1 + 3 * MSS);
    assert_true(next.unlost);
    say(rig, &conn, 0, 3 * MSS, 5 * MSS); /* no hole has anything SACKed behind it any more */
    rig_drain(rig);
    sending(rig, &conn)->rescued = false; /* by what has left just now */
    c->snd.wnd = MSS;
    assert_false(tcp_6675_next(rig->stack, c, 10 * MSS, &next));
    c->snd.wnd = window;
    assert_true(tcp_6675_next(rig->stack, c, 10 * MSS, &next));
    assert_int_equal(next.seq.raw, conn.iss + 1 + 7 * MSS);
    assert_true(next.rescue);
    say(rig, &conn, 8 * MSS, 0, 0);
    stop(rig);
}

/* RFC 8985, 7.4.2: a probe of the tail has repaired something, as it seems. In a recovery that was answered already that
 * is no news. */
static void tail_probe_is_acknowledged_in_recovery(void **state)
{
    (void)state;
    struct rig *rig = start();
    const struct rig_conn conn = connected(rig, &with_sack);
    assert_int_equal(send(rig, &conn, 4 * MSS), 4);
    struct rig_segment probe;
    while (!rig_output(rig, NULL, &probe))
        rig_pass(rig, duet_deadline(rig->stack));
    assert_int_equal(rig_hits(rig, TCP_RULE_TAIL_LOSS_PROBE), 1);
    assert_int_equal(probe.seq, conn.iss + 1 + 3 * MSS);
    assert_int_equal(send(rig, &conn, 2 * MSS), 2);
    rig_pass(rig, rig->now + MS(10));
    say(rig, &conn, 0, MSS, 4 * MSS);
    assert_int_equal(rig_hits(rig, TCP_RULE_RECOVERY_BY_SACK), 1);
    const uint32_t ssthresh = conn_of(rig, &conn)->ssthresh;
    rig_drain(rig);
    rig_pass(rig, rig->now + MS(10));
    say(rig, &conn, 5 * MSS, 0, 0);
    assert_int_equal(sending(rig, &conn)->phase, TCP_PHASE_RECOVERY);
    assert_int_equal(rig_hits(rig, TCP_RULE_PROBE_REPAIRED), 0);
    assert_int_equal(conn_of(rig, &conn)->ssthresh, ssthresh);
    say(rig, &conn, 6 * MSS, 0, 0);
    stop(rig);
}

/* The echo of a SYN,ACK that was sent twice tells which, unless it cannot be one of them. */
static void echo_from_another_age(void **state)
{
    (void)state;
    for (unsigned is_old = 0; is_old < 2; is_old++) {
        struct rig *rig = start();
        struct rig_conn conn = {.tuple = rig_tuple(80, 4000), .window = 60000, .timestamps = true};
        struct rig_segment syn = timed, answer;
        syn.flags = DUET_SYN;
        listen_at(rig, 80);
        rig_input(rig, &conn.tuple, &syn);
        assert_true(rig_output(rig, NULL, &answer));
        rig_pass(rig, rig->now + config.rto_initial);
        assert_true(rig_output(rig, NULL, &answer));
        rig_pass(rig, rig->now + MS(40));
        conn.iss = answer.seq;
        conn.seq = syn.seq + 1;
        conn.ack = answer.seq + 1;
        conn.tsval = timed.tsval + 1;
        conn.tsecr = answer.tsval - (is_old != 0 ? 0x10000000 : 0);
        rig_say(rig, &conn, 0, 0, NULL, 0);
        rig_drain(rig);
        const struct tcp_conn *c = conn_at(rig->stack, 0);
        assert_int_equal(c->state, DUET_ESTABLISHED);
        if (is_old != 0)
            EXPECT_EQUAL("no sample", c->srtt_us, 0);
        else
            EXPECT("40 ms", c->srtt_us >> 3 >= 39000 && c->srtt_us >> 3 <= 41000);
        stop(rig);
    }
}

/* ---- ECN ---- */

/* Text with CE comes before the ACK of the SYN,ACK has left: its mark is counted, and the ACK speaks of the SYN,ACK
 * all the same (RFC 9768, 3.2.2.1). */
static void marked_text_before_the_ack_of_the_handshake(void **state)
{
    (void)state;
    config.ecn = DUET_ECN_REQUEST_ACCURATE;
    struct rig *rig = start();
    const struct duet_connect_options options = {.local = {rig_tuple(1000, 2000).local, 1000},
                                                 .remote = {rig_tuple(1000, 2000).remote, 2000}};
    const struct tcp_tuple tuple = rig_tuple(1000, 2000);
    struct duet_handle handle;
    struct rig_segment syn, out;
    assert_int_equal(duet_connect(rig->stack, rig->now, &options, &handle), DUET_OK);
    assert_true(rig_output(rig, NULL, &syn));
    const struct rig_segment answer = {.flags = DUET_SYN | DUET_ACK | DUET_CWR,
                                       .seq = 100,
                                       .ack = syn.seq + 1,
                                       .window = 60000,
                                       .mss = MSS};
    rig_input(rig, &tuple, &answer);
    const struct rig_segment text = {.flags = DUET_ACK | DUET_AE | DUET_ECE,
                                     .seq = 101,
                                     .ack = syn.seq + 1,
                                     .window = 60000,
                                     .text = (const uint8_t *)"marked",
                                     .length = 6};
    uint8_t bytes[100];
    const uint32_t length = rig_encode(bytes, &tuple, &text);
    bytes[1] |= 3; /* CE, in the header and so in its checksum */
    bytes[10] = bytes[11] = 0;
    const uint32_t sum = rig_sum(0, bytes, 20);
    bytes[10] = (uint8_t)(~sum >> 8);
    bytes[11] = (uint8_t)~sum;
    const struct duet_packet packet = {.data = bytes, .size = sizeof bytes, .length = length};
    duet_input(rig->stack, rig->now, &packet);
    assert_int_equal(rig_hits(rig, TCP_RULE_ECN_MARK_COUNTED), 1);
    const uint16_t ace = DUET_AE | DUET_CWR | DUET_ECE;
    assert_true(rig_output(rig, NULL, &out));
    assert_int_equal(out.ack, 107);
    assert_int_equal(out.flags & ace, DUET_CWR); /* the SYN,ACK came as Not-ECT */
    rig_silence("one ACK", rig);
    const struct rig_segment more = {.flags = DUET_ACK | DUET_AE | DUET_ECE | DUET_PSH,
                                     .seq = 107,
                                     .ack = syn.seq + 1,
                                     .window = 60000,
                                     .text = (const uint8_t *)"more",
                                     .length = 4};
    rig_input(rig, &tuple, &more);
    rig_pass(rig, rig->now + config.delayed_ack + MS(2));
    assert_true(rig_output(rig, NULL, &out));
    assert_int_equal(out.flags & ace, DUET_AE | DUET_CWR); /* 6: one mark */
    stop(rig);
}

/* The wish for ECN belongs to the first SYN: the next one waits to leave when the user asks. */
static void wish_for_ecn_after_the_first_syn(void **state)
{
    (void)state;
    struct rig *rig = start();
    const struct duet_connect_options options = {.local = {rig_tuple(1000, 2000).local, 1000},
                                                 .remote = {rig_tuple(1000, 2000).remote, 2000}};
    struct duet_handle handle;
    assert_int_equal(duet_connect(rig->stack, rig->now, &options, &handle), DUET_OK);
    assert_int_equal(duet_set(rig->stack, rig->now, handle, DUET_OPTION_ECN, DUET_ECN_REQUEST),
                     DUET_OK);
    assert_int_equal(rig_drain(rig), 1);
    rig_pass(rig, rig->now + config.rto_initial + MS(2));
    assert_int_equal(duet_set(rig->stack, rig->now, handle, DUET_OPTION_ECN, DUET_ECN_REQUEST),
                     DUET_E_PERM);
    assert_int_equal(rig_drain(rig), 1);
    stop(rig);
}

/* Options have taken all room of the SYN,ACK: the counters of bytes stay out, or come in part. */
static void counters_find_no_room_on_the_syn_ack(void **state)
{
    (void)state;
    config.ecn = DUET_ECN_REQUEST_ACCURATE;
    config.accurate_ecn_max = 4;
    struct rig *rig = start();
    const struct tcp_tuple tuple = rig_tuple(1000, 2000);
    const struct duet_connect_options connect = {.local = {tuple.local, 1000},
                                                 .remote = {tuple.remote, 2000}};
    struct duet_handle handle;
    assert_int_equal(duet_connect(rig->stack, rig->now, &connect, &handle), DUET_OK);
    assert_int_equal(rig_drain(rig), 1);
    const struct rig_segment crossing = {
        .flags = DUET_SYN | DUET_AE | DUET_CWR | DUET_ECE, .seq = 100, .window = 60000, .mss = MSS};
    rig_input(rig, &tuple, &crossing);
    const struct tcp_conn *c = conn_at(rig->stack, handle.index);
    assert_int_equal(c->state, DUET_SYN_RECEIVED);
    static const uint8_t lengths[] = {16, 8}; /* of the cookie: 40 bytes of options, and 32 */
    for (unsigned i = 0; i < 2; i++) {
        struct tcp_options options = {.present = DUET_TRACE_MSS | DUET_TRACE_WINDOW_SCALE |
                                                 DUET_TRACE_SACK_PERMITTED | DUET_TRACE_TIMESTAMPS |
                                                 DUET_TRACE_FAST_OPEN,
                                      .cookie_length = lengths[i]};
        tcp_accecn_add_to_syn_ack(rig->stack, c, false, &options);
        EXPECT_EQUAL("present", (options.present & DUET_TRACE_ACCURATE_ECN) != 0, i == 1);
        EXPECT("it fits", tcp_options_size(&options) <= TCP_OPTIONS_MAX);
    }
    stop(rig);
}

/* ---- timers, and calls ---- */

/* Whoever waits for ever does: the count of timeouts ends at 255, and the connection does not. */
static void three_hundred_timeouts_of_one_segment(void **state)
{
    (void)state;
    config.user_timeout = 0;
    config.rto_max = MS(200);
    struct rig *rig = start();
    const struct rig_conn conn = connected(rig, &offer);
    assert_int_equal(send(rig, &conn, 10), 1);
    unsigned sent = 0;
    for (unsigned i = 0; i < 300; i++) {
        rig_pass(rig, rig->now + MS(202));
        sent += rig_drain(rig);
    }
    assert_in_range(sent, 298, 301);
    assert_int_equal(rig_status(rig, &conn).retransmissions, 255);
    assert_int_equal(rig_status(rig, &conn).state, DUET_ESTABLISHED);
    say(rig, &conn, 10, 0, 0);
    assert_int_equal(rig_status(rig, &conn).retransmissions, 0);
    stop(rig);
}

/* SHLD-29, SHLD-30 where no user timeout bounds them: 200 ms, twice that, and so on up to rto_max. */
static void window_probes_without_a_user_timeout(void **state)
{
    (void)state;
    config.user_timeout = 0;
    config.rto_max = SEC(2);
    struct rig *rig = start();
    struct rig_conn conn = connected(rig, &offer);
    assert_int_equal(send(rig, &conn, 10), 1);
    conn.window = 0;
    say(rig, &conn, 10, 0, 0);
    assert_int_equal(send(rig, &conn, 10), 0);
    static const unsigned waits_ms[] = {200, 400, 800, 1600, 2000, 2000};
    for (unsigned i = 0; i < COUNT_OF(waits_ms); i++) {
        const duet_time from = rig->now;
        while (rig_drain(rig) == 0)
            rig_pass(rig, duet_deadline(rig->stack));
        EXPECT_EQUAL("a probe", (rig->now - from + MS(2)) / MS(10), waits_ms[i] / 10);
        say(rig, &conn, 10, 0, 0);
    }
    stop(rig);
}

static void empty_send_keeps_what_is_held_or_releases_it(void **state)
{
    (void)state;
    struct rig *rig = start();
    const struct rig_conn conn = connected(rig, &offer);
    assert_int_equal(duet_send(rig->stack, rig->now, conn.handle, "held", 4, DUET_SEND_MORE), 4);
    rig_silence("more is to come", rig);
    assert_int_equal(duet_send(rig->stack, rig->now, conn.handle, NULL, 0, DUET_SEND_MORE), 0);
    rig_silence("still", rig);
    assert_int_equal(duet_send(rig->stack, rig->now, conn.handle, NULL, 0, 0), 0);
    assert_int_equal(rig_drain(rig), 1);
    stop(rig);
}

static void commit_of_more_than_there_is_room(void **state)
{
    (void)state;
    struct rig *rig = start();
    const struct rig_conn conn = connected(rig, &offer);
    void *data;
    size_t size;
    assert_int_equal(duet_send_reserve(rig->stack, conn.handle, &data, &size), DUET_OK);
    assert_int_equal(duet_send_commit(rig->stack, rig->now, conn.handle, 1 << 20, 0), DUET_E_ARG);
    memset(data, 'x', 4);
    assert_int_equal(duet_send_commit(rig->stack, rig->now, conn.handle, 4, 0), DUET_OK);
    assert_int_equal(rig_drain(rig), 1);
    stop(rig);
}

static void commit_finds_no_memory_for_what_was_never_reserved(void **state)
{
    (void)state;
    struct rig *rig = start();
    const struct rig_conn conn = connected(rig, &offer);
    static const uint8_t text[2048];
    rig_write(rig, &conn, text, config.page_size); /* a page is full */
    struct pool *pages = &rig->stack->buffers.pages;
    uint32_t taken[512];
    uint32_t count = 0;
    while (count < COUNT_OF(taken) && (taken[count] = pool_take(pages)) != POOL_NONE)
        count++;
    assert_int_equal(duet_send_commit(rig->stack, rig->now, conn.handle, 10, 0), DUET_E_ARG);
    while (count > 0)
        pool_give(pages, taken[--count]);
    assert_true(rig_drain(rig) > 0);
    stop(rig);
}

/* Space that was reserved is nothing to send yet: no window is probed for it. */
static void reserved_space_is_nothing_to_send(void **state)
{
    (void)state;
    struct rig *rig = start();
    struct rig_conn conn = connected(rig, &offer);
    void *data;
    size_t size;
    conn.window = 0;
    rig_say(rig, &conn, DUET_PSH, 4, "text", 4); /* behind a hole: acknowledged at once */
    assert_int_equal(duet_send_reserve(rig->stack, conn.handle, &data, &size), DUET_OK);
    assert_int_equal(rig_drain(rig), 1);
    assert_int_equal(rig_hits(rig, TCP_RULE_WINDOW_CLOSED), 0);
    memset(data, 'x', 4);
    assert_int_equal(duet_send_commit(rig->stack, rig->now, conn.handle, 4, 0), DUET_OK);
    rig_drain(rig);
    assert_int_equal(rig_hits(rig, TCP_RULE_WINDOW_CLOSED), 1);
    stop(rig);
}

/* RFC 5482, 4.2: probes wait for the timeout that was agreed, unless what was agreed is none. */
static void keep_alive_beside_an_agreed_timeout(void **state)
{
    (void)state;
    struct rig *rig = start();
    const struct rig_conn conn = connected(rig, &offer);
    struct tcp_conn *c = conn_of(rig, &conn);
    c->keepalive_idle_ms = 1000;
    c->user_timeout_ms = 5000;
    assert_int_equal(tcp_user_timeout_before_probe(c), 1000);
    c->flags |= TCP_CONN_USER_TIMEOUT_OPTION;
    assert_int_equal(tcp_user_timeout_before_probe(c), 5001);
    c->user_timeout_ms = 0;
    assert_int_equal(tcp_user_timeout_before_probe(c), 1000);
    stop(rig);
}

/* ---- packets that look like the next of the connection that was served last ---- */

static void packets_that_are_nearly_of_the_latest_connection(void **state)
{
    (void)state;
    for (unsigned row = 0; row < 3; row++) {
        struct rig *rig = start();
        struct rig_conn conn = {.tuple = row == 2 ? rig_tuple6(80, 4000) : rig_tuple(80, 4000)};
        if (row == 2)
            conn.tuple.remote.bytes[12] = 10;
        rig_accept(rig, &conn, &offer);
        rig_say(rig, &conn, DUET_PSH, 0, "this one is", 11);
        conn.seq += 11;
        rig_drain(rig);
        assert_int_equal(rig_status(rig, &conn).receive_queued, 11);
        struct rig_conn other = conn;
        if (row == 0) /* another address here, which is not ours */
            other.tuple.local = duet_ipv4(10, 0, 0, 7);
        if (row == 1) /* a mapped address in a header of IPv6 */
            other.tuple = rig_tuple6(80, 4000);
        if (row == 2) { /* the last bytes of both addresses, and the ports, in a header of IPv4 */
            other.tuple.remote = duet_ipv4(10, 0, 0, 2);
            other.tuple.local = duet_ipv4(0, 0, 0, 1);
        }
        const struct rig_segment text = {.flags = DUET_ACK | DUET_PSH,
                                         .seq = other.seq,
                                         .ack = other.ack,
                                         .window = other.window,
                                         .text = (const uint8_t *)"not",
                                         .length = 3};
        uint8_t bytes[200];
        const uint32_t length = rig_encode(bytes, &other.tuple, &text);
        if (row == 1) {
            const struct duet_address mapped = duet_ipv4(10, 0, 0, 1);
            memcpy(bytes + 24, mapped.bytes, 16);
        }
        const struct duet_packet packet = {.data = bytes, .size = sizeof bytes, .length = length};
        duet_input(rig->stack, rig->now, &packet);
        EXPECT_EQUAL("not taken", rig_status(rig, &conn).receive_queued, 11);
        rig_silence("nor answered", rig);
        rig_say(rig, &conn, DUET_PSH, 0, "and this", 8);
        EXPECT_EQUAL("taken", rig_status(rig, &conn).receive_queued, 19);
        rig_drain(rig);
        stop(rig);
    }
}

/* The third segment of a handshake is damaged on its way: nothing has arrived. */
static void third_segment_with_a_wrong_sum(void **state)
{
    (void)state;
    struct rig *rig = start();
    const struct tcp_tuple tuple = rig_tuple(80, 4000);
    struct rig_segment segment = offer, answer;
    listen_at(rig, 80);
    segment.flags = DUET_SYN;
    rig_input(rig, &tuple, &segment);
    assert_true(rig_output(rig, NULL, &answer));
    segment = (struct rig_segment){
        .flags = DUET_ACK, .seq = offer.seq + 1, .ack = answer.seq + 1, .window = 60000};
    uint8_t bytes[100];
    const uint32_t length = rig_encode(bytes, &tuple, &segment);
    bytes[length - 1] ^= 1; /* of the urgent pointer, which means nothing here */
    const struct duet_packet packet = {.data = bytes, .size = sizeof bytes, .length = length};
    duet_input(rig->stack, rig->now, &packet);
    assert_int_equal(counters_of(rig).half_open, 1);
    assert_int_equal(counters_of(rig).connections, 0);
    rig_silence("damaged", rig);
    rig_input(rig, &tuple, &segment);
    assert_int_equal(counters_of(rig).half_open, 0);
    assert_int_equal(counters_of(rig).connections, 1);
    stop(rig);
}

#define TEST(name) cmocka_unit_test_setup(name, defaults)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(more_half_open_records_have_ended_than_one_packet_skips),
        TEST(more_time_wait_records_have_ended_than_one_packet_skips),
        TEST(syn_ack_without_timestamps_in_time_wait),
        TEST(timestamp_behind_a_hole_in_time_wait),
        TEST(when_a_segment_may_be_kept_back),
        TEST(no_memory_to_keep_a_segment_back),
        TEST(loss_beside_what_is_kept_back),
        TEST(what_is_kept_back_is_missed_in_recovery),
        TEST(loss_beside_what_is_kept_back_without_sack),
        TEST(three_hundred_duplicate_acknowledgements),
        TEST(all_is_sacked_and_nothing_acknowledged),
        TEST(window_shrinks_in_a_recovery_by_sack_alone),
        TEST(tail_probe_is_acknowledged_in_recovery),
        TEST(echo_from_another_age),
        TEST(marked_text_before_the_ack_of_the_handshake),
        TEST(wish_for_ecn_after_the_first_syn),
        TEST(counters_find_no_room_on_the_syn_ack),
        TEST(three_hundred_timeouts_of_one_segment),
        TEST(window_probes_without_a_user_timeout),
        TEST(empty_send_keeps_what_is_held_or_releases_it),
        TEST(commit_of_more_than_there_is_room),
        TEST(commit_finds_no_memory_for_what_was_never_reserved),
        TEST(reserved_space_is_nothing_to_send),
        TEST(keep_alive_beside_an_agreed_timeout),
        TEST(packets_that_are_nearly_of_the_latest_connection),
        TEST(third_segment_with_a_wrong_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
