/* SPDX-License-Identifier: MIT */
/* TIME-WAIT: how long it lasts, who makes room for whom, and what each segment means there: RFC
 * 9293, 3.10.7.4, RFC 1337, RFC 6191 and RFC 7323, for the small record and for a connection whose
 * user still holds the handle. */
#include "rig.h"

#include <stdlib.h>

#include "base/prng.h"

#define US(n)  ((duet_time)(n)*DUET_MICROSECOND)
#define SEC(n) ((duet_time)(n)*DUET_SECOND)

enum holder { NOBODY, USER };

static struct rig *rig_new(uint32_t capacity, duet_time msl, bool rst)
{
    struct rig *rig = malloc(sizeof *rig);
    struct duet_config config;
    assert_non_null(rig);
    rig_config(&config);
    config.time_wait_max = capacity;
    config.msl = msl;
    config.time_wait_rst = rst;
    rig_start(rig, &config);
    return rig;
}

static void rig_free(struct rig *rig)
{
    rig_end(rig);
    free(rig);
}

static void take_events(struct rig *rig)
{
    struct duet_event event;
    while (duet_next_event(rig->stack, &event))
        continue;
}

/* Opens at once, closes first, and gets the peer's FIN: conn.seq and conn.ack are then what the
 * record has as RCV.NXT and SND.NXT. */
static struct rig_conn enter(struct rig *rig, struct tcp_tuple tuple, enum holder holder,
                             const struct rig_segment *offer)
{
    struct rig_conn conn = {.tuple = tuple};
    struct rig_segment last;
    rig_connect(rig, &conn, offer);
    const int error = holder == USER ? duet_shutdown(rig->stack, rig->now, conn.handle)
                                     : duet_close(rig->stack, rig->now, conn.handle);
    assert_int_equal(error, DUET_OK);
    assert_int_equal(rig_drain(rig), 1);
    conn.ack++;
    rig_say(rig, &conn, DUET_FIN, 0, NULL, 0);
    conn.seq++;
    assert_true(rig_output(rig, NULL, &last));
    assert_int_equal(last.flags, DUET_ACK);
    assert_int_equal(last.ack, conn.seq);
    rig_silence("the last ACK", rig);
    take_events(rig);
    return conn;
}

static const struct rig_segment plain = {.seq = 0xfffffff0, .window = 60000, .mss = 1000};
static const struct rig_segment timed = {
    .seq = 0xfffffff0, .window = 60000, .mss = 1000, .timestamps = true, .tsval = 0xfffffffe};

/* What is known of a pair of sockets: the state of its record, CLOSED: none. */
static enum duet_state state_of(const struct rig *rig, const struct tcp_tuple *tuple)
{
    struct duet_handle handle;
    struct duet_status status;
    uint64_t cursor = 0;
    while (duet_next_status(rig->stack, &cursor, &handle, &status))
        if (status.local.port == tuple->local_port && status.remote.port == tuple->remote_port &&
            duet_address_equal(&status.remote.address, &tuple->remote))
            return status.state;
    return DUET_CLOSED;
}

static uint32_t alive(const struct rig *rig)
{
    struct duet_counters counters;
    duet_counters(rig->stack, &counters);
    return counters.time_wait;
}

/* ---- how long ---- */

/* Up to the next tick: of a microsecond for a record, of the wheel for a connection. */
static void expect_end(const char *row, struct rig *rig, const struct tcp_tuple *tuple,
                       duet_time due)
{
    EXPECT(row, duet_deadline(rig->stack) <= due + US(2));
    rig_pass(rig, due - 1);
    EXPECT_EQUAL(row, state_of(rig, tuple), DUET_TIME_WAIT);
    rig_pass(rig, due + US(2));
    EXPECT_EQUAL(row, state_of(rig, tuple), DUET_CLOSED);
    EXPECT_EQUAL(row, duet_deadline(rig->stack), DUET_NEVER);
    rig_silence(row, rig);
}

static void lasts_two_msl(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        duet_time start, msl;
    } rows[] = {
        {"240 s", 0, SEC(120)},
        {"a nanosecond after a tick", 1000001, SEC(120)},
        {"2 ms", 999, DUET_MILLISECOND},
        {"half an hour", 17, SEC(900)},
        {"over 2^31 microseconds", (INT64_C(1) << 31) * 1000 - SEC(20), SEC(120)},
        {"over 2^32 microseconds", (INT64_C(1) << 32) * 1000 - SEC(20) + 1, SEC(900)},
        {"since 1970", INT64_C(1735689600) * SEC(1), SEC(120)},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (enum holder holder = NOBODY; holder <= USER; holder++) {
            struct rig *rig = rig_new(4, rows[i].msl, false);
            rig->now = rows[i].start;
            const struct rig_conn conn = enter(rig, rig_tuple6(1000, 4000), holder, &plain);
            EXPECT_EQUAL(rows[i].name, alive(rig), holder == NOBODY);
            expect_end(rows[i].name, rig, &conn.tuple, rows[i].start + 2 * rows[i].msl);
            rig_free(rig);
        }
    }
}

/* The peer missed our ACK and repeats its FIN: acknowledged again, and the wait starts anew. */
static void repeated_fin_starts_anew(void **state)
{
    (void)state;
    for (enum holder holder = NOBODY; holder <= USER; holder++) {
        struct rig *rig = rig_new(4, SEC(120), false);
        struct rig_conn conn = enter(rig, rig_tuple(1000, 4000), holder, &plain);
        duet_time start = rig->now;
        for (unsigned n = 0; n < 5; n++) {
            struct rig_segment answer;
            rig_pass(rig, start + SEC(239) + 123);
            rig_say(rig, &conn, DUET_FIN, UINT32_MAX, NULL, 0);
            EXPECT("acknowledged", rig_output(rig, NULL, &answer));
            EXPECT_EQUAL("flags", answer.flags, DUET_ACK);
            EXPECT_EQUAL("seq", answer.seq, conn.ack);
            EXPECT_EQUAL("ack", answer.ack, conn.seq);
            start = rig->now;
        }
        expect_end("repeated", rig, &conn.tuple, start + SEC(240));
        rig_free(rig);
    }
}

static void long_sleep(void **state)
{
    (void)state;
    static const duet_time sleeps[] = {SEC(241),  SEC(2148), SEC(2500),  SEC(4295),
                                       SEC(4500), SEC(6500), SEC(10800), SEC(864000)};
    for (size_t i = 0; i < COUNT_OF(sleeps); i++) {
        struct rig *rig = rig_new(4, SEC(120), false);
        char row[32];
        snprintf(row, sizeof row, "%" PRId64 " s", sleeps[i] / SEC(1));
        enter(rig, rig_tuple(1000, 4000), NOBODY, &plain);
        rig->now = sleeps[i];
        duet_expire(rig->stack, rig->now);
        EXPECT_EQUAL(row, alive(rig), 0);
        const struct rig_conn conn = enter(rig, rig_tuple(1000, 4001), NOBODY, &plain);
        expect_end(row, rig, &conn.tuple, sleeps[i] + SEC(240));
        rig_free(rig);
    }
}

/* ---- what a segment means ---- */

enum outcome {
    DROPPED,  /* silence, the wait goes on */
    ANSWERED, /* <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, the wait goes on */
    RESTARTED,
    DELETED,
};

struct arrival {
    const char *name;
    uint16_t flags;
    int32_t seq, ack; /* relative to RCV.NXT and SND.NXT */
    uint32_t length;
    int32_t ts; /* relative to TS.Recent, with timestamps */
    bool no_timestamps;
    enum outcome outcome, outcome_rst; /* the second with config.time_wait_rst */
};

static const struct arrival arrivals[] = {
    {"an old ACK", DUET_ACK, 0, 0, 0, 0, false, DROPPED, DROPPED},
    {"an older ACK", DUET_ACK, 0, -1000, 0, 0, false, DROPPED, DROPPED},
    {"ACK of something never sent", DUET_ACK, 0, 1, 0, 0, false, ANSWERED, ANSWERED},
    {"the FIN again", DUET_ACK | DUET_FIN, -1, 0, 0, 0, false, RESTARTED, RESTARTED},
    {"the FIN again with its text", DUET_ACK | DUET_FIN, -11, 0, 10, 0, false, RESTARTED,
     RESTARTED},
    {"another FIN", DUET_ACK | DUET_FIN, 0, 0, 0, 0, false, ANSWERED, ANSWERED},
    {"late text", DUET_ACK, -100, 0, 50, 0, false, ANSWERED, ANSWERED},
    {"text up to the FIN", DUET_ACK, -11, 0, 10, 0, false, ANSWERED, ANSWERED},
    {"text after the FIN", DUET_ACK, 0, 0, 10, 0, false, ANSWERED, ANSWERED},
    {"text far ahead", DUET_ACK, 1 << 20, 0, 10, 0, false, ANSWERED, ANSWERED},
    {"no ACK bit", 0, 0, 0, 0, 0, false, DROPPED, DROPPED},
    {"a keep-alive", DUET_ACK, -1, 0, 0, 0, false, ANSWERED, ANSWERED},
    {"SYN,ACK", DUET_SYN | DUET_ACK, 0, 0, 0, 0, false, ANSWERED, ANSWERED},
    {"SYN,ACK from long ago", DUET_SYN | DUET_ACK, -1000, 0, 0, 0, false, ANSWERED, ANSWERED},
    {"RST at RCV.NXT", DUET_RST, 0, 0, 0, 0, true, DROPPED, DELETED},
    {"RST,ACK at RCV.NXT", DUET_RST | DUET_ACK, 0, 0, 0, 0, true, DROPPED, DELETED},
    {"RST inside the window", DUET_RST, 100, 0, 0, 0, true, DROPPED, ANSWERED},
    {"RST behind", DUET_RST, -1, 0, 0, 0, true, DROPPED, DROPPED},
    {"RST ahead", DUET_RST, 1 << 20, 0, 0, 0, true, DROPPED, DROPPED},
    {"RST with text over RCV.NXT", DUET_RST, -5, 0, 10, 0, true, DROPPED, DROPPED},
    {"RST,SYN at RCV.NXT", DUET_RST | DUET_SYN, 0, 0, 0, 0, true, DROPPED, DELETED},
};

static void send_arrival(struct rig *rig, const struct rig_conn *conn,
                         const struct arrival *arrival)
{
    static const uint8_t text[64];
    rig_input(rig, &conn->tuple,
              &(struct rig_segment){.flags = arrival->flags,
                                    .seq = conn->seq + (uint32_t)arrival->seq,
                                    .ack = conn->ack + (uint32_t)arrival->ack,
                                    .window = 1000,
                                    .text = text,
                                    .length = arrival->length,
                                    .timestamps = conn->timestamps && !arrival->no_timestamps,
                                    .tsval = conn->tsval + (uint32_t)arrival->ts});
}

static void expect_outcome(const char *row, struct rig *rig, const struct rig_conn *conn,
                           enum outcome outcome)
{
    struct rig_segment answer;
    if (outcome == ANSWERED || outcome == RESTARTED) {
        EXPECT(row, rig_output(rig, NULL, &answer));
        EXPECT_EQUAL(row, answer.flags, DUET_ACK);
        EXPECT_EQUAL(row, answer.seq, conn->ack);
        EXPECT_EQUAL(row, answer.ack, conn->seq);
        EXPECT_EQUAL(row, answer.timestamps, conn->timestamps);
    }
    rig_silence(row, rig);
    EXPECT_EQUAL(row, state_of(rig, &conn->tuple),
                 outcome == DELETED ? DUET_CLOSED : DUET_TIME_WAIT);
    if (outcome == DELETED)
        return;
    rig_pass(rig, SEC(240) + US(4)); /* one minute and a bit after it came */
    EXPECT_EQUAL(row, state_of(rig, &conn->tuple),
                 outcome == RESTARTED ? DUET_TIME_WAIT : DUET_CLOSED);
}

static void check_arrival(const struct arrival *arrival, enum holder holder,
                          const struct rig_segment *offer, bool rst)
{
    char row[96];
    struct rig *rig = rig_new(4, SEC(120), rst);
    snprintf(row, sizeof row, "%s%s%s%s", arrival->name, holder == USER ? ", user there" : "",
             offer->timestamps ? ", timestamps" : "", rst ? ", RST deletes" : "");
    const struct rig_conn conn = enter(rig, rig_tuple(1000, 4000), holder, offer);
    rig_pass(rig, SEC(100));
    send_arrival(rig, &conn, arrival);
    expect_outcome(row, rig, &conn, rst ? arrival->outcome_rst : arrival->outcome);
    rig_free(rig);
}

static void arrivals_by_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(arrivals); i++)
        for (enum holder holder = NOBODY; holder <= USER; holder++)
            for (unsigned variant = 0; variant < 4; variant++)
                check_arrival(&arrivals[i], holder, variant % 2 == 0 ? &plain : &timed,
                              variant / 2 != 0);
}

/* RFC 7323, 5: an older timestamp comes before everything else, except for a RST. */
static void old_timestamps(void **state)
{
    (void)state;
    static const struct arrival rows[] = {
        {"ACK", DUET_ACK, 0, 0, 0, -1, false, ANSWERED, ANSWERED},
        {"the FIN again", DUET_ACK | DUET_FIN, -1, 0, 0, -1, false, ANSWERED, ANSWERED},
        {"the FIN again, much older", DUET_ACK | DUET_FIN, -1, 0, 0, INT32_MIN + 1, false, ANSWERED,
         ANSWERED},
        {"the FIN again, newer", DUET_ACK | DUET_FIN, -1, 0, 0, 5000, false, RESTARTED, RESTARTED},
        {"text", DUET_ACK, 0, 0, 10, -1000, false, ANSWERED, ANSWERED},
        {"RST", DUET_RST, 0, 0, 0, -1, false, DROPPED, DELETED},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (enum holder holder = NOBODY; holder <= USER; holder++)
            for (unsigned rst = 0; rst < 2; rst++)
                check_arrival(&rows[i], holder, &timed, rst != 0);
}

/* ---- RFC 6191: a new SYN ---- */

struct rebirth {
    const char *name;
    bool old_timestamps, new_timestamps;
    int32_t ts, seq; /* relative to TS.Recent, to RCV.NXT */
    bool accepted;
};

static const struct rebirth rebirths[] = {
    {"neither, next number", false, false, 0, 0, true},
    {"neither, higher number", false, false, 0, 1 << 30, true},
    {"neither, number of the FIN", false, false, 0, -1, false},
    {"neither, lower number", false, false, 0, -(1 << 30), false},
    {"new one only, higher number", false, true, 0, 1, true},
    {"new one only, lower number", false, true, 0, -1000, true},
    {"old one only, next number", true, false, 0, 0, true},
    {"old one only, number of the FIN", true, false, 0, -1, false},
    {"old one only, lower number", true, false, 0, -1000, false},
    {"later, higher number", true, true, 1, 1, true},
    {"later, lower number", true, true, 1, -1000, true},
    {"much later, lower number", true, true, INT32_MAX, -1, true},
    {"same, next number", true, true, 0, 0, true},
    {"same, higher number", true, true, 0, 1000, true},
    {"same, number of the FIN", true, true, 0, -1, false},
    {"same, lower number", true, true, 0, -1000, false},
    {"earlier, higher number", true, true, -1, 1000, false},
    {"earlier, next number", true, true, -1, 0, false},
    {"earlier, lower number", true, true, -1, -1000, false},
    {"half way round", true, true, INT32_MIN, 1000, false},
};

static void send_rebirth(struct rig *rig, const struct rig_conn *conn,
                         const struct rebirth *rebirth)
{
    rig_input(rig, &conn->tuple,
              &(struct rig_segment){.flags = DUET_SYN,
                                    .seq = conn->seq + (uint32_t)rebirth->seq,
                                    .window = 1000,
                                    .timestamps = rebirth->new_timestamps,
                                    .tsval = conn->tsval + (uint32_t)rebirth->ts});
}

/* MAY-2: where somebody listens, the new ISN is beyond the last number of the old incarnation. */
static void new_incarnations(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rebirths); i++) {
        for (enum holder holder = NOBODY; holder <= USER; holder++) {
            const char *row = rebirths[i].name;
            struct rig *rig = rig_new(4, SEC(120), false);
            const struct rig_conn conn = enter(rig, rig_tuple(80, 4000), holder,
                                               rebirths[i].old_timestamps ? &timed : &plain);
            const struct duet_listen_options options = {.local = {.port = 80}, .backlog = 1};
            struct duet_handle listener;
            struct rig_segment answer;
            assert_int_equal(duet_listen(rig->stack, rig->now, &options, &listener), DUET_OK);
            rig_pass(rig, SEC(1));
            send_rebirth(rig, &conn, &rebirths[i]);
            if (rebirths[i].accepted) {
                EXPECT(row, rig_output(rig, NULL, &answer));
                EXPECT_EQUAL(row, answer.flags, DUET_SYN | DUET_ACK);
                EXPECT_EQUAL(row, answer.ack, conn.seq + (uint32_t)rebirths[i].seq + 1);
                EXPECT(row, (int32_t)(answer.seq - conn.ack) > 0);
                EXPECT_EQUAL(row, answer.timestamps, rebirths[i].new_timestamps);
            }
            rig_silence(row, rig);
            EXPECT_EQUAL(row, state_of(rig, &conn.tuple),
                         rebirths[i].accepted && holder == NOBODY ? DUET_SYN_RECEIVED
                         : rebirths[i].accepted                   ? DUET_CLOSED
                                                                  : DUET_TIME_WAIT);
            rig_free(rig);
        }
    }
}

/* Nobody listens: what would have been accepted is answered by RST, and the wait goes on. */
static void nobody_listens(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rebirths); i++) {
        for (enum holder holder = NOBODY; holder <= USER; holder++) {
            const char *row = rebirths[i].name;
            struct rig *rig = rig_new(4, SEC(120), false);
            const struct rig_conn conn = enter(rig, rig_tuple(80, 4000), holder,
                                               rebirths[i].old_timestamps ? &timed : &plain);
            struct rig_segment answer;
            send_rebirth(rig, &conn, &rebirths[i]);
            if (rebirths[i].accepted) {
                EXPECT(row, rig_output(rig, NULL, &answer));
                EXPECT_EQUAL(row, answer.flags, DUET_RST | DUET_ACK);
                EXPECT_EQUAL(row, answer.ack, conn.seq + (uint32_t)rebirths[i].seq + 1);
            }
            rig_silence(row, rig);
            EXPECT_EQUAL(row, state_of(rig, &conn.tuple), DUET_TIME_WAIT);
            rig_free(rig);
        }
    }
}

/* The ISN of the new incarnation is beyond the old one's last number even where clock and hash
 * would have put it behind: a connection that has sent more than the clock has counted. */
static void new_isn_lies_above(void **state)
{
    (void)state;
    static const uint8_t text[30000];
    for (enum holder holder = NOBODY; holder <= USER; holder++) {
        struct rig *rig = rig_new(4, SEC(120), false);
        const struct duet_listen_options options = {.local = {.port = 80}, .backlog = 1};
        struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
        struct duet_handle listener;
        struct rig_segment answer;
        rig_connect(rig, &conn, &plain);
        for (unsigned n = 0; n < 50; n++) {
            rig_write(rig, &conn, text, sizeof text);
            while (rig_output(rig, NULL, &answer) || rig_status(rig, &conn).send_queued > 0) {
                conn.ack = answer.seq + answer.length;
                rig_say(rig, &conn, 0, 0, NULL, 0);
            }
        }
        assert_int_equal(holder == USER ? duet_shutdown(rig->stack, rig->now, conn.handle)
                                        : duet_close(rig->stack, rig->now, conn.handle),
                         DUET_OK);
        assert_int_equal(rig_drain(rig), 1);
        conn.ack++;
        rig_say(rig, &conn, DUET_FIN, 0, NULL, 0);
        conn.seq++;
        assert_int_equal(rig_drain(rig), 1);
        EXPECT_EQUAL("sent", conn.ack - conn.iss, 50 * sizeof text + 2);
        EXPECT("the clock is behind", rig->now / 4000 < 50 * (duet_time)sizeof text);
        assert_int_equal(duet_listen(rig->stack, rig->now, &options, &listener), DUET_OK);
        rig_say(rig, &conn, 0, 0, NULL, 0);
        rig_silence("TIME-WAIT", rig);
        rig_input(rig, &conn.tuple,
                  &(struct rig_segment){.flags = DUET_SYN, .seq = conn.seq + 1, .window = 1});
        EXPECT("SYN,ACK", rig_output(rig, NULL, &answer));
        EXPECT("above", (int32_t)(answer.seq - conn.ack) > 0);
        rig_free(rig);
    }
}

/* ---- who makes room ---- */

static struct tcp_tuple peer(uint32_t i)
{
    return rig_tuple(1000, (uint16_t)(4000 + i));
}

static void oldest_goes_when_full(void **state)
{
    (void)state;
    struct rig *rig = rig_new(5, SEC(120), false);
    for (uint32_t i = 0; i < 20; i++) {
        enter(rig, peer(i), NOBODY, &plain);
        rig_pass(rig, rig->now + SEC(1));
        for (uint32_t j = 0; j <= i; j++) {
            const struct tcp_tuple earlier = peer(j);
            EXPECT_EQUAL("the latest five", state_of(rig, &earlier),
                         j + 5 > i ? DUET_TIME_WAIT : DUET_CLOSED);
        }
        EXPECT_EQUAL("by name", rig_hits(rig, TCP_RULE_TIME_WAIT_RECYCLED), i < 5 ? 0 : i - 4);
    }
    rig_free(rig);
}

/* One that starts anew, again and again, takes no room from the others. */
static void starting_anew_takes_no_room(void **state)
{
    (void)state;
    struct rig *rig = rig_new(5, SEC(120), false);
    enter(rig, peer(0), NOBODY, &plain);
    struct rig_conn conn = enter(rig, peer(1), NOBODY, &plain);
    for (unsigned n = 0; n < 50; n++) {
        const struct tcp_tuple other = peer(0);
        rig_pass(rig, rig->now + SEC(1));
        rig_say(rig, &conn, DUET_FIN, UINT32_MAX, NULL, 0);
        EXPECT_EQUAL("acknowledged", rig_drain(rig), 1);
        EXPECT_EQUAL("the other stays", state_of(rig, &other), DUET_TIME_WAIT);
    }
    EXPECT_EQUAL("both", alive(rig), 2);
    EXPECT_EQUAL("nobody made room", rig_hits(rig, TCP_RULE_TIME_WAIT_RECYCLED), 0);
    rig_free(rig);
}

/* ---- random lives beside a model ---- */

enum { PEERS = 24, CAPACITY = 10, SWEEP = 2 * CAPACITY / AGE_RING_SWEEP_STEPS + 2 };

struct life {
    bool alive;
    duet_time expires;
    uint64_t number; /* in order of entering, or of starting anew */
    struct rig_conn conn;
};

struct world {
    struct rig *rig;
    struct life lives[PEERS];
    uint64_t numbers;
    uint32_t calm; /* arrivals since more than three quarters were alive */
    struct prng prng;
};

static uint32_t below(struct world *w, uint64_t limit)
{
    return (uint32_t)prng_below(&w->prng, limit);
}

static duet_time expiry(const struct world *w)
{
    return (w->rig->now + 2 * w->rig->config.msl + 999) / 1000 * 1000;
}

static uint32_t model_alive(const struct world *w)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < PEERS; i++)
        n += w->lives[i].alive;
    return n;
}

static uint32_t oldest(const struct world *w)
{
    uint32_t found = PEERS;
    for (uint32_t i = 0; i < PEERS; i++)
        if (w->lives[i].alive && (found == PEERS || w->lives[i].number < w->lives[found].number))
            found = i;
    return found;
}

/* Who must give way to a new one: the oldest if all records are alive. Where many were alive a few
 * arrivals ago the oldest may, because holes are not all swept yet (age_ring.h); else nobody. */
static void make_room(struct world *w, bool is_new)
{
    const uint32_t i = oldest(w), n = model_alive(w);
    const struct tcp_tuple tuple = peer(i);
    const bool gone = i < PEERS && demux_find(w->rig->stack, &tuple).kind == DEMUX_NONE;
    w->calm = 4 * n > 3 * CAPACITY ? 0 : w->calm + 1;
    if ((is_new && n == CAPACITY) || (w->calm <= SWEEP && gone))
        w->lives[i].alive = false;
}

static void begin_life(struct world *w, uint32_t i)
{
    struct life *life = &w->lives[i];
    if (life->alive)
        return;
    life->conn = enter(w->rig, peer(i), NOBODY, &plain);
    make_room(w, true);
    life->alive = true;
    life->expires = expiry(w);
    life->number = ++w->numbers;
}

static void start_anew(struct world *w, uint32_t i)
{
    struct life *life = &w->lives[i];
    if (!life->alive)
        return;
    rig_say(w->rig, &life->conn, DUET_FIN, UINT32_MAX, NULL, 0);
    EXPECT_EQUAL("acknowledged", rig_drain(w->rig), 1);
    life->alive = false; /* while it moves to the end */
    make_room(w, false);
    life->alive = true;
    life->expires = expiry(w);
    life->number = ++w->numbers;
}

static void reset(struct world *w, uint32_t i)
{
    struct life *life = &w->lives[i];
    if (!life->alive)
        return;
    rig_say(w->rig, &life->conn, DUET_RST, 0, NULL, 0);
    life->alive = false;
}

static void pass(struct world *w, duet_time until)
{
    rig_pass(w->rig, until);
    duet_time next = DUET_NEVER;
    for (uint32_t i = 0; i < PEERS; i++) {
        struct life *life = &w->lives[i];
        life->alive = life->alive && life->expires > until;
        if (life->alive && life->expires < next)
            next = life->expires;
    }
    EXPECT("never later", duet_deadline(w->rig->stack) <= next);
    duet_expire(w->rig->stack, until); /* looks at those that have gone since */
    EXPECT_EQUAL("exact", duet_deadline(w->rig->stack), next);
}

static void random_lives(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct world *w = calloc(1, sizeof *w);
        assert_non_null(w);
        w->rig = rig_new(CAPACITY, SEC(30), true);
        prng_seed(&w->prng, seed);
        w->rig->now = (INT64_C(1) << 32) * 1000 - SEC(100) + 7;
        for (unsigned n = 0; n < 1500; n++) {
            const uint32_t i = below(w, PEERS);
            switch (below(w, 5)) {
            case 0:
            case 1:
                begin_life(w, i);
                break;
            case 2:
                start_anew(w, i);
                break;
            case 3:
                reset(w, i);
                break;
            default:
                pass(w,
                     w->rig->now + (duet_time)below(w, seed % 2 == 0 ? 2000000000 : 20000000000));
                break;
            }
            EXPECT_EQUAL("alive", alive(w->rig), model_alive(w));
            for (uint32_t p = 0; p < PEERS; p++) {
                const struct tcp_tuple tuple = peer(p);
                EXPECT_EQUAL("in the table", demux_find(w->rig->stack, &tuple).kind,
                             w->lives[p].alive ? DEMUX_TIME_WAIT : DEMUX_NONE);
            }
        }
        pass(w, w->rig->now + SEC(61));
        EXPECT_EQUAL("all gone", alive(w->rig), 0);
        EXPECT_EQUAL("table", w->rig->stack->demux.used, 0);
        rig_free(w->rig);
        free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lasts_two_msl),
        cmocka_unit_test(repeated_fin_starts_anew),
        cmocka_unit_test(long_sleep),
        cmocka_unit_test(arrivals_by_the_table),
        cmocka_unit_test(old_timestamps),
        cmocka_unit_test(new_incarnations),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(new_isn_lies_above),
        cmocka_unit_test(oldest_goes_when_full),
        cmocka_unit_test(starting_anew_takes_no_room),
        cmocka_unit_test(random_lives),
    };
    return cmocka_run_group_tests_name("TIME-WAIT", tests, NULL, NULL);
}
