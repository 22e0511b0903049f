/* SPDX-License-Identifier: MIT */
/* What once broke something, each with one line of what it was. */
#include "rig.h"

#include <stdlib.h>

static const struct rig_segment offer = {.seq = 1000, .window = 60000, .mss = 1000};

/* The repeat of a SYN was still owed when the SYN,ACK came; the debt outlived the record that it needs. */
static void syn_ack_overtakes_the_repeated_syn(void **state)
{
    (void)state;
    struct rig *rig = calloc(1, sizeof *rig);
    struct duet_config config;
    struct rig_segment syn, answer;
    struct tcp_tuple tuple;
    struct duet_handle handle;
    const struct duet_connect_options options = {.remote = {duet_ipv4(10, 0, 0, 2), 80}};
    assert_non_null(rig);
    rig_config(&config);
    rig_start(rig, &config);
    assert_int_equal(duet_connect(rig->stack, rig->now, &options, &handle), DUET_OK);
    assert_true(rig_output(rig, &tuple, &syn));
    rig_pass(rig, rig->now + 1100 * DUET_MILLISECOND);
    struct rig_segment syn_ack = offer;
    syn_ack.flags = DUET_SYN | DUET_ACK;
    syn_ack.ack = syn.seq + 1;
    rig_input(rig, &tuple, &syn_ack);
    assert_true(rig_output(rig, NULL, &answer));
    assert_int_equal(answer.flags, DUET_ACK);
    rig_silence("nothing but the ACK", rig);
    rig_end(rig);
    free(rig);
}

/* Nagle was switched off for a connection that its user had closed; it then owed data, though TIME-WAIT lived on in its
 * own record and nothing was left to owe it from. */
static void option_is_set_after_close(void **state)
{
    (void)state;
    struct rig *rig = calloc(1, sizeof *rig);
    struct duet_config config;
    assert_non_null(rig);
    rig_config(&config);
    rig_start(rig, &config);
    const struct rig_conn conn = rig_time_wait(rig, rig_tuple(4000, 80), USER, &offer);
    assert_int_equal(duet_close(rig->stack, rig->now, conn.handle), DUET_OK);
    for (int option = DUET_OPTION_NODELAY; option <= DUET_OPTION_ECN; option++)
        assert_int_equal(duet_set(rig->stack, rig->now, conn.handle, (enum duet_option)option, 1),
                         DUET_E_CLOSING);
    assert_null(duet_check(rig->stack));
    rig_end(rig);
    free(rig);
}

/* In the first millisecond of the clock the time of the last answer was noted as one that was still to come, so that each
 * segment was answered: two confused ends acknowledged each other for ever. */
static void invalid_segments_at_the_origin_of_time(void **state)
{
    (void)state;
    struct rig *rig = calloc(1, sizeof *rig);
    struct duet_config config;
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
    assert_non_null(rig);
    rig_config(&config);
    rig_start(rig, &config);
    rig->now = 0;
    rig_accept(rig, &conn, &offer);
    rig_say(rig, &conn, 0, 100000, NULL, 0);
    assert_int_equal(rig_drain(rig), 1);
    rig_say(rig, &conn, 0, 100000, NULL, 0);
    rig_silence("a second one in the same moment", rig);
    rig_end(rig);
    free(rig);
}

/* The timer of the tail probe had run out, and before the probe left a SACK told that the newest segment had arrived: the
 * probe sent it all the same, though nothing that was reported may be sent again. */
static void sack_overtakes_the_tail_probe(void **state)
{
    (void)state;
    struct rig *rig = calloc(1, sizeof *rig);
    struct duet_config config;
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000), .trip = 20 * DUET_MILLISECOND};
    struct rig_segment with_sack = offer;
    static const uint8_t text[2000];
    assert_non_null(rig);
    rig_config(&config);
    rig_start(rig, &config);
    with_sack.sack = true;
    rig_accept(rig, &conn, &with_sack);
    rig_write(rig, &conn, text, sizeof text);
    assert_int_equal(rig_drain(rig), 2);
    const duet_time probe_at = duet_deadline(rig->stack);
    rig_pass(rig, probe_at + 50 * DUET_MILLISECOND);
    assert_int_equal(rig_hits(rig, TCP_RULE_TAIL_LOSS_PROBE), 1);
    struct rig_segment sack = {
        .flags = DUET_ACK, .seq = conn.seq, .ack = conn.ack, .window = 60000};
    sack.blocks = 1;
    sack.block[0].left = conn.ack + 1000;
    sack.block[0].right = conn.ack + 2000;
    rig_input(rig, &conn.tuple, &sack);
    rig_silence("the newest segment has arrived", rig);
    rig_pass(rig, rig->now + 100 * DUET_MILLISECOND);
    struct rig_segment again;
    assert_true(rig_output(rig, NULL, &again));
    assert_int_equal(again.seq, conn.ack); /* the other one, as RACK finds */
    rig_end(rig);
    free(rig);
}

/* The FIN had been taken and its acknowledgement was still owed; a later segment then said what time it was, and the
 * acknowledgement of the FIN echoed that (RFC 7323, 4.3: only what begins at or before the last ACK sent). */
static void segment_behind_the_fin_before_the_last_ack(void **state)
{
    (void)state;
    struct rig *rig = calloc(1, sizeof *rig);
    struct duet_config config;
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
    struct rig_segment with_timestamps = offer, last;
    assert_non_null(rig);
    rig_config(&config);
    rig_start(rig, &config);
    with_timestamps.timestamps = true;
    with_timestamps.tsval = 100;
    rig_accept(rig, &conn, &with_timestamps);
    assert_int_equal(duet_shutdown(rig->stack, rig->now, conn.handle), DUET_OK);
    rig_drain(rig);
    conn.ack++;
    conn.tsval = 200;
    rig_say(rig, &conn, DUET_FIN, 0, NULL, 0);
    assert_int_equal(rig_status(rig, &conn).state, DUET_TIME_WAIT);
    conn.tsval = 300;
    rig_say(rig, &conn, 0, 1, NULL, 0);
    assert_true(rig_output(rig, NULL, &last));
    assert_int_equal(last.ack, conn.seq + 1);
    assert_int_equal(last.tsecr, 200);
    rig_end(rig);
    free(rig);
}

/* The persist timer had run out again, and before its probe left the one before was acknowledged, which stopped the timer:
 * the probe sent the next octet, and no timer ran for it. */
static void probe_is_owed_while_the_one_before_is_acknowledged(void **state)
{
    (void)state;
    struct rig *rig = calloc(1, sizeof *rig);
    struct duet_config config;
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
    struct rig_segment shut = offer, probe;
    assert_non_null(rig);
    rig_config(&config);
    rig_start(rig, &config);
    shut.window = 0;
    rig_accept(rig, &conn, &shut);
    rig_write(rig, &conn, "what waits", 10);
    rig_silence("the window is closed", rig);
    rig_pass(rig, rig->now + 2 * DUET_SECOND);
    assert_true(rig_output(rig, NULL, &probe));
    assert_int_equal(probe.length, 1);
    rig_pass(rig, rig->now + 5 * DUET_SECOND); /* the link takes nothing */
    conn.ack++;
    rig_say(rig, &conn, 0, 0, NULL, 0);
    rig_silence("nothing before the timer runs out again", rig);
    rig_pass(rig, rig->now + 5 * DUET_SECOND);
    assert_true(rig_output(rig, NULL, &probe));
    assert_int_equal(probe.seq, conn.ack);
    rig_end(rig);
    free(rig);
}

/* A SYN of ours has left, the peer's has come, and neither is acknowledged. */
static struct rig *cross_syns(const struct duet_config *config, uint16_t flags,
                              struct duet_handle *handle)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct rig_segment segment, crossing = offer;
    struct tcp_tuple tuple;
    const struct duet_connect_options options = {.remote = {duet_ipv4(10, 0, 0, 2), 80}};
    assert_non_null(rig);
    rig_start(rig, config);
    assert_int_equal(duet_connect(rig->stack, rig->now, &options, handle), DUET_OK);
    assert_true(rig_output(rig, &tuple, &segment));
    crossing.flags = flags;
    rig_input(rig, &tuple, &crossing);
    return rig;
}

/* After SYNs had crossed, with accurate ECN agreed, the user shut down before the SYN,ACK left: it then left in FIN-WAIT-1,
 * where a check took it for one of SYN-SENT. */
static void user_shuts_down_before_the_syn_ack_leaves(void **state)
{
    (void)state;
    struct duet_config config;
    struct rig_segment segment;
    struct duet_handle handle;
    rig_config(&config);
    config.ecn = DUET_ECN_REQUEST_ACCURATE;
    config.accurate_ecn_max = 1;
    struct rig *rig = cross_syns(&config, DUET_SYN | DUET_ECE | DUET_CWR | DUET_AE, &handle);
    assert_int_equal(duet_shutdown(rig->stack, rig->now, handle), DUET_OK);
    assert_true(rig_output(rig, NULL, &segment));
    assert_int_equal(segment.flags & (DUET_SYN | DUET_ACK), DUET_SYN | DUET_ACK);
    assert_null(duet_check(rig->stack));
    rig_end(rig);
    free(rig);
}

/* A SYN that nobody acknowledges is given up after syn_timeout, whatever state the user has brought the connection
 * to meanwhile, and though no user timeout was asked for. */
static void user_shuts_down_and_the_syn_ack_is_never_acknowledged(void **state)
{
    (void)state;
    struct duet_config config;
    struct duet_handle handle;
    struct duet_counters counters;
    rig_config(&config);
    config.user_timeout = 0;
    struct rig *rig = cross_syns(&config, DUET_SYN, &handle);
    assert_int_equal(duet_shutdown(rig->stack, rig->now, handle), DUET_OK);
    assert_int_equal(duet_close(rig->stack, rig->now, handle), DUET_OK);
    for (duet_time left = 2 * config.syn_timeout; left > 0; left -= DUET_SECOND) {
        (void)rig_drain(rig);
        rig_pass(rig, rig->now + DUET_SECOND);
        rig_take_events(rig);
    }
    duet_counters(rig->stack, &counters);
    assert_int_equal(counters.connections, 0);
    rig_end(rig);
    free(rig);
}

/* The user asks for larger segments while ssthresh is that of smaller ones: what a recovery ends with must hold one. */
static void user_asks_for_larger_segments_after_a_loss(void **state)
{
    (void)state;
    struct rig *rig = calloc(1, sizeof *rig);
    struct duet_config config;
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
    static const uint8_t text[2000];
    assert_non_null(rig);
    rig_config(&config);
    rig_start(rig, &config);
    rig_accept(rig, &conn, &offer);
    assert_int_equal(duet_set(rig->stack, rig->now, conn.handle, DUET_OPTION_MSS, 100), DUET_OK);
    rig_write(rig, &conn, text, 100);
    (void)rig_drain(rig);
    rig_pass(rig, rig->now + 5 * DUET_SECOND);
    assert_int_equal(conn_at(rig->stack, conn.handle.index)->ssthresh, 200);
    assert_int_equal(duet_set(rig->stack, rig->now, conn.handle, DUET_OPTION_MSS, 0), DUET_OK);
    const struct tcp_conn *c = conn_at(rig->stack, conn.handle.index);
    assert_true(tcp_send_mss(c) > 200);
    assert_true(c->cwnd >= tcp_send_mss(c));
    assert_true(c->ssthresh >= 2 * tcp_send_mss(c));
    rig_end(rig);
    free(rig);
}

/* A stack that nobody called for two hours took the time of an acknowledgement that had long been due for one
 * that was still to come, for a quarter of an hour more. */
static void an_acknowledgement_is_due_and_the_machine_sleeps(void **state)
{
    (void)state;
    struct rig *rig = calloc(1, sizeof *rig);
    struct duet_config config;
    struct rig_conn conn = {.tuple = rig_tuple(4000, 80)};
    struct rig_segment ack;
    assert_non_null(rig);
    rig_config(&config);
    rig_start(rig, &config);
    rig_accept(rig, &conn, &offer);
    rig_say(rig, &conn, 0, 0, "text", 4);
    rig_silence("it waits", rig);
    rig->now += 7000 * DUET_SECOND;
    assert_true(duet_deadline(rig->stack) <= rig->now);
    duet_expire(rig->stack, rig->now);
    assert_null(duet_check(rig->stack));
    assert_true(rig_output(rig, NULL, &ack));
    assert_int_equal(ack.ack, conn.seq + 4);
    rig_end(rig);
    free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segment_behind_the_fin_before_the_last_ack),
        cmocka_unit_test(sack_overtakes_the_tail_probe),
        cmocka_unit_test(option_is_set_after_close),
        cmocka_unit_test(invalid_segments_at_the_origin_of_time),
        cmocka_unit_test(syn_ack_overtakes_the_repeated_syn),
        cmocka_unit_test(user_shuts_down_before_the_syn_ack_leaves),
        cmocka_unit_test(user_shuts_down_and_the_syn_ack_is_never_acknowledged),
        cmocka_unit_test(user_asks_for_larger_segments_after_a_loss),
        cmocka_unit_test(probe_is_owed_while_the_one_before_is_acknowledged),
        cmocka_unit_test(an_acknowledgement_is_due_and_the_machine_sleeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
