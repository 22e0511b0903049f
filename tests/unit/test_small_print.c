/* SPDX-License-Identifier: MIT */
/* Small things that nobody looked at until mutants of the core survived there: edges of tables, counters, what a trace
 * says of calls, what is listed. */
#include "rig.h"

#include <stdlib.h>

static const struct rig_segment offer = {.seq = 0xfffffc00, .window = 60000, .mss = 1000};

static struct rig *start(const struct duet_config *config)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig_start(rig, config);
    return rig;
}

static void stop(struct rig *rig)
{
    rig_end(rig);
    free(rig);
}

/* The address of an IPv4 interface begins with zeros, right behind the secret. */
static void secret_ends_in_as_many_equal_bytes_as_may_be(void **state)
{
    (void)state;
    struct duet_config config;
    rig_config(&config);
    memset(config.secret + DUET_SECRET_SIZE - 7, 0, 7);
    config.secret[DUET_SECRET_SIZE - 8] = 1;
    assert_true(duet_stack_footprint(&config) > 0);
    config.secret[DUET_SECRET_SIZE - 8] = 0;
    assert_int_equal(duet_stack_footprint(&config), 0);
}

/* Slots are chosen all over the table, else every search would walk past all that is there. */
static void pairs_of_sockets_are_spread_over_the_table(void **state)
{
    (void)state;
    struct duet_config config;
    rig_config(&config);
    config.connections_max = 64;
    config.transfers_max = 64;
    config.pages_max = 256;
    struct rig *rig = start(&config);
    const struct demux *demux = &rig->stack->demux;
    uint32_t quarters[4] = {0};
    for (uint16_t i = 0; i < 64; i++) {
        const struct duet_connect_options options = {
            .remote = {duet_ipv4(10, 0, 0, 2), (uint16_t)(1000 + i)}};
        struct duet_handle handle;
        assert_int_equal(duet_connect(rig->stack, rig->now, &options, &handle), DUET_OK);
    }
    for (uint32_t i = 0; i < demux->capacity; i++)
        quarters[i * 4 / demux->capacity] += demux->slots[i] != 0;
    for (unsigned i = 0; i < 4; i++)
        assert_in_range(quarters[i], 3, 40);
    stop(rig);
}

static void retransmission_is_counted(void **state)
{
    (void)state;
    struct duet_config config;
    struct duet_counters counters;
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
    rig_config(&config);
    struct rig *rig = start(&config);
    rig_accept(rig, &conn, &offer);
    rig_write(rig, &conn, "text", 4);
    assert_int_equal(rig_drain(rig), 1);
    rig_pass(rig, rig->now + 1500 * DUET_MILLISECOND);
    assert_int_equal(rig_drain(rig), 1);
    duet_counters(rig->stack, &counters);
    assert_int_equal(counters.segments_retransmitted, 1);
    stop(rig);
}

static void bare_ack_after_the_fin_is_no_text_after_it(void **state)
{
    (void)state;
    struct duet_config config;
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
    rig_config(&config);
    struct rig *rig = start(&config);
    rig_accept(rig, &conn, &offer);
    rig_say(rig, &conn, DUET_FIN, 0, NULL, 0);
    rig_say(rig, &conn, 0, 1, NULL, 0);
    assert_int_equal(rig_hits(rig, TCP_RULE_TEXT_AFTER_FIN), 0);
    rig_say(rig, &conn, 0, 1, "x", 1);
    assert_int_equal(rig_hits(rig, TCP_RULE_TEXT_AFTER_FIN), 1);
    stop(rig);
}

/* The next event of the trace about this call; it must be there. */
static struct duet_trace_event call_event(struct rig *rig, enum duet_call call)
{
    struct duet_trace_event event;
    while (duet_next_trace(rig->stack, &event))
        if (event.kind == DUET_TRACE_CALL && event.u.call.call == call)
            return event;
    fail();
    return event;
}

static void trace_tells_calls_and_what_came_of_them(void **state)
{
    (void)state;
    struct duet_config config;
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
    uint8_t bytes[8];
    rig_config(&config);
    config.trace_events = 100;
    struct rig *rig = start(&config);
    rig_accept(rig, &conn, &offer);
    assert_int_equal(call_event(rig, DUET_CALL_LISTEN).state, DUET_CLOSED);
    assert_int_equal(call_event(rig, DUET_CALL_ACCEPT).u.call.result, DUET_OK);
    rig_write(rig, &conn, "sent", 4);
    const struct duet_trace_event sent = call_event(rig, DUET_CALL_SEND);
    assert_int_equal(sent.u.call.result, 4);
    assert_int_equal(sent.u.call.size, 4);
    rig_say(rig, &conn, DUET_PSH, 0, "got", 3);
    assert_int_equal(duet_receive(rig->stack, rig->now, conn.handle, bytes, sizeof bytes), 3);
    assert_int_equal(call_event(rig, DUET_CALL_RECEIVE).u.call.result, 3);
    stop(rig);
}

static unsigned listed(const struct rig *rig)
{
    struct duet_handle handle;
    struct duet_status status;
    uint64_t cursor = 0;
    unsigned count = 0;
    while (duet_next_status(rig->stack, &cursor, &handle, &status))
        count++;
    return count;
}

static void record_that_was_given_back_is_not_listed(void **state)
{
    (void)state;
    struct duet_config config;
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
    rig_config(&config);
    struct rig *rig = start(&config);
    rig_accept(rig, &conn, &offer);
    assert_int_equal(listed(rig), 2); /* and the listener */
    assert_int_equal(duet_abort(rig->stack, rig->now, conn.handle), DUET_OK);
    rig_take_events(rig);
    assert_int_equal(listed(rig), 1);
    stop(rig);
}

/* 9293 3.8.6.2.1: what is held back by a small window leaves after 0.1 to 1 s, long before an RTO without a sample. */
static void window_of_one_is_overridden_soon(void **state)
{
    (void)state;
    struct duet_config config;
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
    rig_config(&config);
    struct rig *rig = start(&config);
    rig_accept(rig, &conn, &offer);
    conn.window = 1;
    rig_say(rig, &conn, 0, 0, NULL, 0);
    rig_write(rig, &conn, "more than one byte", 18);
    rig_silence("held back", rig);
    rig_pass(rig, rig->now + 250 * DUET_MILLISECOND);
    struct rig_segment first;
    assert_true(rig_output(rig, NULL, &first));
    assert_int_equal(first.length, 1);
    stop(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secret_ends_in_as_many_equal_bytes_as_may_be),
        cmocka_unit_test(pairs_of_sockets_are_spread_over_the_table),
        cmocka_unit_test(retransmission_is_counted),
        cmocka_unit_test(bare_ack_after_the_fin_is_no_text_after_it),
        cmocka_unit_test(trace_tells_calls_and_what_came_of_them),
        cmocka_unit_test(record_that_was_given_back_is_not_listed),
        cmocka_unit_test(window_of_one_is_overridden_soon),
    };
    return cmocka_run_group_tests_name("small print", tests, NULL, NULL);
}
