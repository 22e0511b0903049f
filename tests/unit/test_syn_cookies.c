/* SPDX-License-Identifier: MIT */
/* SYN cookies: what is answered and believed when every half-open record is in use. */
#include "rig.h"

#include "host/coverage.h"

#include <stdlib.h>

#define SEC(n) ((n)*DUET_SECOND)

enum { RECORDS = 4, BACKLOG = 3, PORT = 80, INTERVAL_S = 60, GUESSES = 1024 };

static struct duet_handle listener;

static struct rig *rig_with(bool timestamps)
{
    struct rig *rig = malloc(sizeof *rig);
    const struct duet_listen_options options = {.local = {.port = PORT}, .backlog = BACKLOG};
    struct duet_config config;
    assert_non_null(rig);
    rig_config(&config);
    config.half_open_max = RECORDS;
    config.receive_buffer = 1 << 20;
    config.timestamps = timestamps;
    rig_start(rig, &config);
    assert_int_equal(duet_listen(rig->stack, 0, &options, &listener), DUET_OK);
    return rig;
}

static struct rig *rig_new(void)
{
    return rig_with(true);
}

static void rig_free(struct rig *rig)
{
    duet_coverage_note(rig->stack);
    rig_end(rig);
    free(rig);
}

/* A peer as its SYN makes it known. */
struct client {
    struct tcp_tuple tuple;
    struct rig_segment syn, answer;
};

static struct client ask(struct rig *rig, uint8_t host, uint16_t port,
                         const struct rig_segment *syn)
{
    struct client client = {.tuple = rig_tuple(PORT, port), .syn = *syn};
    client.tuple.remote = duet_ipv4(10, 0, 0, host);
    client.syn.flags |= DUET_SYN;
    rig_input(rig, &client.tuple, &client.syn);
    assert_true(rig_output(rig, NULL, &client.answer));
    assert_int_equal(client.answer.flags & (DUET_SYN | DUET_ACK), DUET_SYN | DUET_ACK);
    assert_int_equal(client.answer.ack, client.syn.seq + 1);
    return client;
}

static const struct rig_segment plain = {.seq = 0xfffffffe, .window = 1000, .mss = 1460};
static const struct rig_segment full = {.seq = 0xfffffffe,
                                        .window = 1000,
                                        .mss = 1400,
                                        .scaling = true,
                                        .scale = 9,
                                        .sack = true,
                                        .timestamps = true,
                                        .tsval = 77};

static void fill(struct rig *rig)
{
    for (unsigned i = 0; i < RECORDS; i++)
        (void)ask(rig, 99, (uint16_t)(5000 + i), &plain);
}

/* The third segment, with text if there is some. */
static void acknowledge(struct rig *rig, const struct client *client, uint32_t ack,
                        const char *text)
{
    const struct rig_segment third = {
        .flags = DUET_ACK,
        .seq = client->syn.seq + 1,
        .ack = ack,
        .window = 2000,
        .text = (const uint8_t *)text,
        .length = (uint32_t)strlen(text),
        .timestamps = client->answer.timestamps,
        .tsval = client->syn.tsval + 1,
        .tsecr = client->answer.tsval,
    };
    rig_input(rig, &client->tuple, &third);
}

static bool accepted(struct rig *rig, struct duet_handle *handle)
{
    return duet_accept(rig->stack, rig->now, listener, handle, NULL) == DUET_OK;
}

static uint32_t half_open(const struct rig *rig)
{
    struct duet_counters counters;
    duet_counters(rig->stack, &counters);
    return counters.half_open;
}

/* Nothing is remembered, nothing is sent again, and the peer connects all the same. */
static void peer_connects_without_a_record(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct duet_handle handle;
    char text[8] = "";
    fill(rig);
    EXPECT_EQUAL("no cookie yet", rig_hits(rig, TCP_RULE_SYN_COOKIE_SENT), 0);
    const struct client client = ask(rig, 2, 1000, &plain);
    EXPECT_EQUAL("a cookie", rig_hits(rig, TCP_RULE_SYN_COOKIE_SENT), 1);
    EXPECT_EQUAL("no record more", half_open(rig), RECORDS);
    EXPECT_EQUAL("none gave way", rig_hits(rig, TCP_RULE_HALF_OPEN_RECYCLED), 0);
    const struct client again = ask(rig, 2, 1000, &plain);
    EXPECT_EQUAL("the same cookie", again.answer.seq, client.answer.seq);
    acknowledge(rig, &client, client.answer.seq + 1, "early");
    EXPECT_EQUAL("believed", rig_hits(rig, TCP_RULE_SYN_COOKIE_ACCEPTED), 1);
    assert_true(accepted(rig, &handle));
    EXPECT_EQUAL("its text", duet_receive(rig->stack, rig->now, handle, text, sizeof text), 5);
    EXPECT_EQUAL("the others are still there", half_open(rig), RECORDS);
    rig_free(rig);
}

static void cookie_is_never_sent_again(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct rig_segment out;
    struct tcp_tuple tuple;
    fill(rig);
    (void)ask(rig, 2, 1000, &plain);
    for (unsigned s = 1; s <= 300; s++) {
        rig_pass(rig, SEC(s));
        while (rig_output(rig, &tuple, &out))
            EXPECT("only records are repeated", tuple.remote_port >= 5000);
    }
    rig_free(rig);
}

/* With timestamps the options of the SYN come back through them; without, only the size does, and
 * what cannot be kept is not agreed to. */
static void options_are_kept_where_they_can(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct duet_handle handle;
    struct duet_status status;
    fill(rig);
    rig->now = SEC(5);
    struct rig_segment offer = full;
    offer.flags = DUET_ECE | DUET_CWR;
    struct client client = ask(rig, 2, 1000, &offer);
    EXPECT("all agreed", client.answer.scaling && client.answer.sack && client.answer.timestamps);
    EXPECT_EQUAL("ECN, too", client.answer.flags, DUET_SYN | DUET_ACK | DUET_ECE);
    EXPECT_EQUAL("its clock comes back", client.answer.tsecr, 77);
    acknowledge(rig, &client, client.answer.seq + 1, "");
    assert_true(accepted(rig, &handle));
    assert_int_equal(duet_status(rig->stack, handle, &status), DUET_OK);
    EXPECT_EQUAL("scale", status.send_scale, 9);
    EXPECT("SACK and timestamps", status.sack && status.timestamps);
    EXPECT_EQUAL("ECN", status.ecn, DUET_ECN_CLASSIC);
    EXPECT_EQUAL("the size below what it said", status.send_mss, 1360 - 12);

    offer.timestamps = false;
    client = ask(rig, 2, 1001, &offer);
    EXPECT("nothing but the size", !client.answer.scaling && !client.answer.sack);
    EXPECT_EQUAL("no ECN", client.answer.flags, DUET_SYN | DUET_ACK);
    acknowledge(rig, &client, client.answer.seq + 1, "");
    assert_true(accepted(rig, &handle));
    assert_int_equal(duet_status(rig->stack, handle, &status), DUET_OK);
    EXPECT_EQUAL("no scale", status.send_scale, 0);
    EXPECT("neither", !status.sack && !status.timestamps);
    EXPECT_EQUAL("size", status.send_mss, 1360);
    rig_free(rig);
}

/* The clock of a pair never goes back, whatever bits stand in for it, and is never ahead. */
static void timestamps_stay_monotone(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    uint32_t before = 0;
    fill(rig);
    for (unsigned ms = 0; ms < 2000; ms += 3) {
        struct rig_segment offer = full;
        rig->now = SEC(1) + ms * DUET_MILLISECOND;
        const struct client client = ask(rig, 2, 1000, &offer);
        const uint32_t real =
            tcp_timestamp(rig->stack, tcp_timestamp_offset(rig->stack, &client.tuple));
        EXPECT("not ahead, at most 255 ms behind", real - client.answer.tsval < 256);
        EXPECT("not back", ms == 0 || (int32_t)(client.answer.tsval - before) >= 0);
        before = client.answer.tsval;
    }
    rig_free(rig);
}

/* Every bit of the cookie counts, and so do the sockets and the peer's own number. */
static void wrong_cookies_are_dropped_in_silence(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct duet_handle handle;
    fill(rig);
    const struct client client = ask(rig, 2, 1000, &full);
    for (unsigned bit = 0; bit < 32; bit++)
        acknowledge(rig, &client, (client.answer.seq ^ UINT32_C(1) << bit) + 1, "x");
    struct client other = client;
    other.tuple.remote_port++;
    acknowledge(rig, &other, client.answer.seq + 1, "x");
    other = client;
    other.syn.seq++;
    acknowledge(rig, &other, client.answer.seq + 1, "x");
    other = client;
    other.answer.tsval ^= 1;
    acknowledge(rig, &other, client.answer.seq + 1, "x");
    EXPECT_EQUAL("all", rig_hits(rig, TCP_RULE_SYN_COOKIE_WRONG), 35);
    EXPECT("none got in", !accepted(rig, &handle));
    rig_silence("wrong cookies", rig);
    acknowledge(rig, &client, client.answer.seq + 1, "x");
    EXPECT("the right one does", accepted(rig, &handle));
    rig_free(rig);
}

static void cookie_is_good_for_two_intervals_at_most(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t made_s, used_s;
        bool good;
    } rows[] = {
        {"at once", 30, 30, true},
        {"at the end of the interval", 0, 59, true},
        {"in the next one", 59, 60, true},
        {"at once, in the second one", 90, 90, true},
        {"in the third one", 90, 125, true},
        {"at the end of the next one", 0, 119, true},
        {"in the one after it", 59, 120, false},
        {"two intervals later", 0, 120, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig *rig = rig_new();
        struct duet_handle handle;
        rig->now = SEC(rows[i].made_s);
        fill(rig);
        const struct client client = ask(rig, 2, 1000, &plain);
        rig->now = SEC(rows[i].used_s);
        fill(rig); /* pressure goes on: cookies are believed */
        (void)ask(rig, 3, 1000, &plain);
        acknowledge(rig, &client, client.answer.seq + 1, "");
        EXPECT_EQUAL(rows[i].name, accepted(rig, &handle), rows[i].good);
        rig_free(rig);
    }
}

/* Without pressure nothing is believed, and an acknowledgement out of the blue is answered by RST. */
static void cookies_are_believed_only_under_pressure(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct rig_segment out;
    struct client client = {.tuple = rig_tuple(PORT, 1000), .syn = plain};
    acknowledge(rig, &client, 12345, "");
    assert_true(rig_output(rig, NULL, &out));
    EXPECT_EQUAL("RST", out.flags, DUET_RST);
    fill(rig);
    client = ask(rig, 2, 1000, &plain);
    rig->now = SEC(2 * INTERVAL_S + 1);
    acknowledge(rig, &client, client.answer.seq + 1, "");
    assert_true(rig_output(rig, NULL, &out));
    EXPECT_EQUAL("RST again", out.flags, DUET_RST);
    rig_free(rig);
}

/* Who has guessed too often is not believed any more until the interval ends; others are. From
 * there a SYN gets a record as ever. */
static void guesses_are_limited_by_where_they_come_from(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct duet_handle handle;
    fill(rig);
    const struct client client = ask(rig, 2, 1000, &plain), other = ask(rig, 3, 1000, &plain);
    for (uint32_t i = 0; i < GUESSES; i++)
        acknowledge(rig, &client, client.answer.seq + 2 + i, "");
    acknowledge(rig, &client, client.answer.seq + 1, "");
    EXPECT_EQUAL("not looked at", rig_hits(rig, TCP_RULE_SYN_COOKIE_LIMIT), 1);
    EXPECT("not in", !accepted(rig, &handle));
    acknowledge(rig, &other, other.answer.seq + 1, "");
    EXPECT("another host is", accepted(rig, &handle));
    const struct client recorded = ask(rig, 2, 1001, &plain);
    EXPECT_EQUAL("the oldest record goes", rig_hits(rig, TCP_RULE_HALF_OPEN_RECYCLED), 1);
    acknowledge(rig, &recorded, recorded.answer.seq + 1, "");
    EXPECT("in by its record", accepted(rig, &handle));
    rig->now = SEC(INTERVAL_S);
    acknowledge(rig, &client, client.answer.seq + 1, "");
    EXPECT("in the next interval it is believed again", accepted(rig, &handle));
    rig_free(rig);
}

static void no_room_for_the_connection(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct duet_handle handle;
    fill(rig);
    const struct client client = ask(rig, 2, 1000, &plain);
    for (unsigned i = 0; i < BACKLOG; i++) {
        const struct client early = ask(rig, 2, (uint16_t)(2000 + i), &plain);
        acknowledge(rig, &early, early.answer.seq + 1, "");
    }
    acknowledge(rig, &client, client.answer.seq + 1, "");
    EXPECT_EQUAL("the queue is full", rig_hits(rig, TCP_RULE_ACCEPT_QUEUE_FULL), 1);
    rig_silence("dropped", rig);
    while (accepted(rig, &handle))
        continue;
    acknowledge(rig, &client, client.answer.seq + 1, "");
    EXPECT("later there is room", accepted(rig, &handle));
    rig_free(rig);
}

/* Timestamps are switched off here: what a third segment echoes is nothing that we said. */
static void echo_of_what_was_never_sent(void **state)
{
    (void)state;
    struct rig *rig = rig_with(false);
    struct duet_handle handle;
    struct duet_status status;
    fill(rig);
    struct client client = ask(rig, 2, 1000, &full);
    EXPECT("no timestamps", !client.answer.timestamps);
    client.answer.timestamps = true;
    client.answer.tsval = 0xfedcba98;
    acknowledge(rig, &client, client.answer.seq + 1, "");
    EXPECT("in", accepted(rig, &handle));
    assert_int_equal(duet_status(rig->stack, handle, &status), DUET_OK);
    EXPECT("without any option", !status.sack && !status.timestamps && status.send_scale == 0);
    rig_free(rig);
}

/* The number of a SYN,ACK has to lie above those of the incarnation before (RFC 6191), and that of a cookie does
 * not: a record gives way. */
static void successor_of_time_wait_gets_no_cookie(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    const struct rig_segment offer = {.seq = 7000, .window = 1000, .mss = 1460};
    const struct rig_conn before = rig_time_wait(rig, rig_tuple(PORT, 1000), NOBODY, &offer);
    struct rig_segment syn = plain, answer;
    fill(rig);
    syn.flags = DUET_SYN;
    syn.seq = before.seq + 100000;
    rig_input(rig, &before.tuple, &syn);
    assert_true(rig_output(rig, NULL, &answer));
    EXPECT_EQUAL("SYN,ACK", answer.flags, DUET_SYN | DUET_ACK);
    EXPECT("above", (int32_t)(answer.seq - before.ack) > 0);
    EXPECT_EQUAL("no cookie", rig_hits(rig, TCP_RULE_SYN_COOKIE_SENT), 0);
    EXPECT_EQUAL("the oldest gave way", rig_hits(rig, TCP_RULE_HALF_OPEN_RECYCLED), 1);
    rig_free(rig);
}

/* The answer waits for the link when its listener goes: nobody would believe the cookie. */
static void listener_closes_before_the_cookie_leaves(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    const struct tcp_tuple tuple = rig_tuple(PORT, 1000);
    struct rig_segment syn = full, answer;
    fill(rig);
    syn.flags = DUET_SYN;
    rig_input(rig, &tuple, &syn);
    EXPECT_EQUAL("a cookie is owed", rig_hits(rig, TCP_RULE_SYN_COOKIE_SENT), 1);
    assert_int_equal(duet_close(rig->stack, rig->now, listener), DUET_OK);
    while (rig_output(rig, NULL, &answer))
        EXPECT("no SYN,ACK leaves", (answer.flags & DUET_SYN) == 0);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peer_connects_without_a_record),
        cmocka_unit_test(cookie_is_never_sent_again),
        cmocka_unit_test(options_are_kept_where_they_can),
        cmocka_unit_test(timestamps_stay_monotone),
        cmocka_unit_test(wrong_cookies_are_dropped_in_silence),
        cmocka_unit_test(cookie_is_good_for_two_intervals_at_most),
        cmocka_unit_test(cookies_are_believed_only_under_pressure),
        cmocka_unit_test(guesses_are_limited_by_where_they_come_from),
        cmocka_unit_test(no_room_for_the_connection),
        cmocka_unit_test(echo_of_what_was_never_sent),
        cmocka_unit_test(successor_of_time_wait_gets_no_cookie),
        cmocka_unit_test(listener_closes_before_the_cookie_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
