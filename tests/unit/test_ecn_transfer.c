/* SPDX-License-Identifier: MIT */
/* Two stacks on a wire whose router marks: the sender slows down by what is reported, and nothing is
 * lost, and nothing sent twice. And the marking link itself. */
#include "rig.h"

#include "duet/link.h"

#include <stdlib.h>

enum { BYTES = 2000000, PIECE = 65536, PORT = 80 };

struct end {
    struct duet_stack *stack;
    void *block;
    struct duet_link *link;
    uint8_t packet[2048];
};

struct outcome {
    duet_time took;
    uint64_t reductions, segments_retransmitted;
    struct duet_status sender, receiver;
};

static void make_end(struct end *end, unsigned host, enum duet_ecn wish, bool ipv6)
{
    struct duet_config config;
    duet_config_default(&config);
    for (unsigned i = 0; i < DUET_SECRET_SIZE; i++)
        config.secret[i] = (uint8_t)(i + host);
    config.interfaces[0] = (struct duet_interface){duet_ipv4(10, 0, 0, (uint8_t)(host + 1)), 24};
    if (ipv6)
        assert_int_equal(
            duet_address_parse(host == 0 ? "fd00::1" : "fd00::2", &config.interfaces[0].address),
            DUET_OK);
    config.interface_count = 1;
    config.ecn = (uint8_t)wish;
    size_t size = duet_stack_footprint(&config);
    end->block = malloc(size);
    assert_non_null(end->block);
    assert_int_equal(duet_stack_init(end->block, size, &config, &end->stack), DUET_OK);
}

/* Packets in, timers, packets out, of one end at this instant. True: anything happened. */
static bool turn(struct end *end, duet_time now)
{
    struct duet_packet packet = {.data = end->packet, .size = sizeof end->packet};
    struct duet_event event;
    bool busy = false;
    while (end->link->receive(end->link, now, &packet)) {
        duet_input(end->stack, now, &packet);
        busy = true;
    }
    if (duet_deadline(end->stack) <= now)
        duet_expire(end->stack, now);
    while (duet_next_event(end->stack, &event))
        busy = true;
    packet = (struct duet_packet){.data = end->packet, .size = sizeof end->packet};
    while (duet_output(end->stack, now, &packet)) {
        assert_true(end->link->send(end->link, now, &packet));
        busy = true;
    }
    assert_null(duet_check(end->stack));
    return busy;
}

static duet_time next_time(const struct end *ends)
{
    duet_time next = DUET_NEVER;
    for (unsigned i = 0; i < 2; i++) {
        duet_time link = ends[i].link->deadline(ends[i].link);
        duet_time stack = duet_deadline(ends[i].stack);
        next = link < next ? link : next;
        next = stack < next ? stack : next;
    }
    return next;
}

/* End 0 opens and sends BYTES to end 1, over a router that marks a part of what end 0 sends. */
static struct outcome transfer(enum duet_ecn client, double marked, bool ipv6)
{
    static uint8_t bytes[PIECE];
    struct outcome outcome = {0};
    struct end ends[2];
    struct duet_handle listener, handles[2] = {{0}};
    const struct duet_fault_choice choice = {.probability = marked, .seed = 7};
    make_end(&ends[0], 0, client, ipv6);
    make_end(&ends[1], 1, DUET_ECN_ANSWER, ipv6);
    assert_int_equal(duet_wire_pair(10 * DUET_MILLISECOND, &ends[0].link, &ends[1].link), 0);
    assert_int_equal(duet_fault_mark(ends[0].link, &choice, true, &ends[0].link), 0);

    const struct duet_listen_options listen = {.local = {{{0}}, PORT}, .backlog = 1};
    struct duet_connect_options connect = {.remote = {duet_ipv4(10, 0, 0, 2), PORT}};
    if (ipv6)
        assert_int_equal(duet_address_parse("fd00::2", &connect.remote.address), DUET_OK);
    assert_int_equal(duet_listen(ends[1].stack, 0, &listen, &listener), DUET_OK);
    assert_int_equal(duet_connect(ends[0].stack, 0, &connect, &handles[0]), DUET_OK);

    duet_time now = 0;
    uint32_t sent = 0, received = 0;
    while (received < BYTES) {
        bool busy = turn(&ends[0], now);
        busy = turn(&ends[1], now) || busy;
        if (handles[1].generation == 0)
            (void)duet_accept(ends[1].stack, now, listener, &handles[1], NULL);
        int64_t n = sent < BYTES ? duet_send(ends[0].stack, now, handles[0], bytes,
                                             BYTES - sent < PIECE ? BYTES - sent : PIECE, 0)
                                 : 0;
        sent += n > 0 ? (uint32_t)n : 0;
        busy = busy || n > 0;
        n = handles[1].generation != 0
                ? duet_receive(ends[1].stack, now, handles[1], bytes, sizeof bytes)
                : 0;
        received += n > 0 ? (uint32_t)n : 0;
        if (busy || n > 0)
            continue;
        now = next_time(ends);
        assert_true(now < 1000 * DUET_SECOND);
    }
    outcome.took = now;
    outcome.reductions = duet_rule_hits(ends[0].stack, TCP_RULE_ECN_REDUCED);
    assert_int_equal(duet_status(ends[0].stack, handles[0], &outcome.sender), DUET_OK);
    assert_int_equal(duet_status(ends[1].stack, handles[1], &outcome.receiver), DUET_OK);
    for (unsigned i = 0; i < 2; i++) {
        struct duet_counters counters;
        duet_counters(ends[i].stack, &counters);
        outcome.segments_retransmitted += counters.segments_retransmitted;
        ends[i].link->close(ends[i].link);
        free(ends[i].block);
    }
    return outcome;
}

/* 3168-6, 3168-10, 9768-11: goodput reacts without a single loss. */
static void marks_slow_the_sender_and_nothing_is_sent_twice(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum duet_ecn client;
        enum duet_ecn_agreed agreed;
        bool ipv6;
    } rows[] = {{"classic", DUET_ECN_REQUEST, DUET_ECN_CLASSIC, false},
                {"classic, IPv6", DUET_ECN_REQUEST, DUET_ECN_CLASSIC, true},
                {"accurate", DUET_ECN_REQUEST_ACCURATE, DUET_ECN_ACCURATE, false},
                {"accurate, IPv6", DUET_ECN_REQUEST_ACCURATE, DUET_ECN_ACCURATE, true}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct outcome clear = transfer(rows[i].client, 0, rows[i].ipv6);
        const struct outcome marked = transfer(rows[i].client, 0.05, rows[i].ipv6);
        EXPECT_EQUAL(rows[i].name, clear.sender.ecn, rows[i].agreed);
        EXPECT_EQUAL(rows[i].name, clear.reductions, 0);
        EXPECT_EQUAL(rows[i].name, clear.sender.ecn_capable, true);
        EXPECT_EQUAL(rows[i].name, marked.sender.ecn_capable, true);
        EXPECT_EQUAL(rows[i].name, marked.segments_retransmitted, 0);
        EXPECT(rows[i].name, marked.reductions >= 5);
        EXPECT(rows[i].name, marked.took > 2 * clear.took);
        /* At most one reduction in a round trip of 20 ms. */
        EXPECT(rows[i].name,
               (duet_time)marked.reductions <= marked.took / (20 * DUET_MILLISECOND) + 1);
        EXPECT_EQUAL(rows[i].name, marked.receiver.ecn_received > 0,
                     rows[i].agreed == DUET_ECN_ACCURATE);
    }
}

/* 9768-11, 9768-15: what arrived marked and what the sender has heard of agree to the packet, but for
 * what was still on its way. */
static void accurate_counts_agree_at_both_ends(void **state)
{
    (void)state;
    const struct outcome o = transfer(DUET_ECN_REQUEST_ACCURATE, 0.3, false);
    EXPECT("all but the last", o.sender.ecn_reported <= o.receiver.ecn_received);
    EXPECT("all but the last", o.sender.ecn_reported + 8 >= o.receiver.ecn_received);
    EXPECT("many", o.receiver.ecn_received > 300);
}

/* ---- the link ---- */

static uint32_t ipv4(uint8_t *bytes, unsigned ecn)
{
    const struct tcp_tuple tuple = rig_tuple(1, 2);
    const struct rig_segment segment = {.flags = DUET_ACK, .seq = 5};
    uint32_t length = rig_encode(bytes, &tuple, &segment);
    bytes[1] = (uint8_t)(0xb8 | ecn);
    bytes[10] = bytes[11] = 0;
    const uint32_t sum = 0xffff - rig_sum(0, bytes, 20);
    bytes[10] = (uint8_t)(sum >> 8);
    bytes[11] = (uint8_t)(sum & 0xff);
    return length;
}

static void note(void *context, enum duet_fault fault, duet_time now,
                 const struct duet_packet *packet)
{
    (void)now;
    (void)packet;
    *(enum duet_fault *)context = fault;
}

static void link_marks_what_is_capable_and_drops_the_rest(void **state)
{
    (void)state;
    static const struct {
        unsigned ecn;
        bool spare, arrives;
        unsigned after;
        enum duet_fault told;
    } rows[] = {
        {TCP_NOT_ECT, false, false, 0, DUET_FAULT_DROP},
        {TCP_NOT_ECT, true, true, TCP_NOT_ECT, DUET_FAULTS},
        {TCP_ECT_0, false, true, TCP_CE, DUET_FAULT_MARK},
        {TCP_ECT_1, false, true, TCP_CE, DUET_FAULT_MARK},
        {TCP_CE, true, true, TCP_CE, DUET_FAULT_MARK},
    };
    for (size_t i = 0; i < COUNT_OF(rows) * 2; i++) {
        const size_t row = i / 2;
        const bool is_ipv6 = i % 2 == 1;
        uint8_t bytes[128], arrived[128];
        enum duet_fault told = DUET_FAULTS;
        struct duet_link *a, *b;
        const struct duet_fault_choice choice = {.probability = 1, .told = note, .context = &told};
        assert_int_equal(duet_wire_pair(0, &a, &b), 0);
        assert_int_equal(duet_fault_mark(a, &choice, rows[row].spare, &a), 0);
        struct duet_packet packet = {.data = bytes, .size = sizeof bytes};
        if (is_ipv6) {
            const struct tcp_tuple tuple = rig_tuple6(1, 2);
            const struct rig_segment segment = {.flags = DUET_ACK};
            packet.length = rig_encode(bytes, &tuple, &segment);
            bytes[1] = (uint8_t)(rows[row].ecn << 4);
        } else {
            packet.length = ipv4(bytes, rows[row].ecn);
        }
        assert_true(a->send(a, 0, &packet));
        packet = (struct duet_packet){.data = arrived, .size = sizeof arrived};
        assert_int_equal(b->receive(b, 0, &packet), rows[row].arrives);
        assert_int_equal(told, rows[row].told);
        if (rows[row].arrives && is_ipv6)
            assert_int_equal(arrived[1] >> 4 & 3, rows[row].after);
        if (rows[row].arrives && !is_ipv6) {
            assert_int_equal(arrived[1], 0xb8 | rows[row].after);
            assert_int_equal(rig_sum(0, arrived, 20), 0xffff);
        }
        a->close(a);
        b->close(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_slow_the_sender_and_nothing_is_sent_twice),
        cmocka_unit_test(accurate_counts_agree_at_both_ends),
        cmocka_unit_test(link_marks_what_is_capable_and_drops_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
