/* SPDX-License-Identifier: MIT */
/* What each segment means in TIME-WAIT: RFC 9293, 3.10.7.4, RFC 1337, RFC 6191 and RFC 7323, for the
 * small record and for a connection whose user still holds the handle. How long it lasts: see
 * test_time_wait.c. */
#include "rig.h"

#include <stdlib.h>

#define US(n)  ((duet_time)(n)*DUET_MICROSECOND)
#define SEC(n) ((duet_time)(n)*DUET_SECOND)

static struct rig *rig_new(bool rst)
{
    struct rig *rig = malloc(sizeof *rig);
    struct duet_config config;
    assert_non_null(rig);
    rig_config(&config);
    config.time_wait_rst = rst;
    rig_start(rig, &config);
    return rig;
}

static void rig_free(struct rig *rig)
{
    rig_end(rig);
    free(rig);
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

static void check_arrival(const struct arrival *arrival, enum rig_holder holder,
                          const struct rig_segment *offer, bool rst)
{
    char row[96];
    struct rig *rig = rig_new(rst);
    snprintf(row, sizeof row, "%s%s%s%s", arrival->name, holder == USER ? ", user there" : "",
             offer->timestamps ? ", timestamps" : "", rst ? ", RST deletes" : "");
    const struct rig_conn conn = rig_time_wait(rig, rig_tuple(1000, 4000), holder, offer);
    rig_pass(rig, SEC(100));
    send_arrival(rig, &conn, arrival);
    expect_outcome(row, rig, &conn, rst ? arrival->outcome_rst : arrival->outcome);
    rig_free(rig);
}

static void arrivals_by_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(arrivals); i++)
        for (enum rig_holder holder = NOBODY; holder <= USER; holder++)
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
        for (enum rig_holder holder = NOBODY; holder <= USER; holder++)
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
        for (enum rig_holder holder = NOBODY; holder <= USER; holder++) {
            const char *row = rebirths[i].name;
            struct rig *rig = rig_new(false);
            const struct rig_conn conn = rig_time_wait(
                rig, rig_tuple(80, 4000), holder, rebirths[i].old_timestamps ? &timed : &plain);
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
        for (enum rig_holder holder = NOBODY; holder <= USER; holder++) {
            const char *row = rebirths[i].name;
            struct rig *rig = rig_new(false);
            const struct rig_conn conn = rig_time_wait(
                rig, rig_tuple(80, 4000), holder, rebirths[i].old_timestamps ? &timed : &plain);
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
    for (enum rig_holder holder = NOBODY; holder <= USER; holder++) {
        struct rig *rig = rig_new(false);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrivals_by_the_table), cmocka_unit_test(old_timestamps),
        cmocka_unit_test(new_incarnations),      cmocka_unit_test(nobody_listens),
        cmocka_unit_test(new_isn_lies_above),
    };
    return cmocka_run_group_tests_name("segments in TIME-WAIT", tests, NULL, NULL);
}
