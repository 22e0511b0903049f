/* SPDX-License-Identifier: MIT */
/* What happens when a pool is empty or a bound is reached: each case has a rule, nobody else suffers, and the
 * stack works again when there is room. And that no segment whatever, at whatever edge of the sequence space,
 * can stop an open connection's stack. */
#include "rig.h"

#include "host/coverage.h"

#include <stdlib.h>

enum { PORT = 80 };

static uint8_t octets[65536];

static const struct rig_segment plain_offer = {.seq = 1000, .window = 65535, .mss = 1460};

static void finish(struct rig *rig)
{
    duet_coverage_note(rig->stack);
    rig_end(rig);
}

static void listen_at(struct rig *rig, uint16_t port, uint32_t backlog)
{
    const struct tcp_tuple tuple = rig_tuple(port, 1);
    const struct duet_listen_options options = {.local = {tuple.local, port}, .backlog = backlog};
    struct duet_handle listener;
    assert_int_equal(duet_listen(rig->stack, rig->now, &options, &listener), DUET_OK);
}

static void syn_from(struct rig *rig, uint16_t remote_port)
{
    const struct tcp_tuple tuple = rig_tuple(PORT, remote_port);
    const struct rig_segment syn = {.flags = DUET_SYN, .seq = 1000, .window = 65535, .mss = 1460};
    rig_input(rig, &tuple, &syn);
}

static struct duet_counters counters_of(const struct rig *rig)
{
    struct duet_counters counters;
    duet_counters(rig->stack, &counters);
    return counters;
}

/* ---- any record, refused on purpose ---- */

/* The user writes, and a record that this takes is not there, nor any after it: nothing is in flight whose
 * acknowledgement would wake it, so a timer must. */
static void writer_without_memory_is_woken(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 2; n++) { /* the transfer, the page */
        struct rig rig;
        struct duet_config config;
        struct rig_conn conn = {.tuple = rig_tuple(PORT, 1)};
        struct duet_event event;
        rig_config(&config);
        rig_start(&rig, &config);
        rig_accept(&rig, &conn, &plain_offer);
        rig_take_events(&rig);
        (void)duet_refuse_record(rig.stack, duet_refuse_record(rig.stack, 0, false) + n, true);
        int64_t taken = duet_send(rig.stack, rig.now, conn.handle, octets, 100, 0);
        (void)duet_refuse_record(rig.stack, 0, false);
        EXPECT("refused", taken == DUET_E_AGAIN);
        EXPECT("a timer", duet_deadline(rig.stack) < rig.now + DUET_SECOND);
        rig_pass(&rig, rig.now + DUET_SECOND);
        EXPECT("woken", duet_next_event(rig.stack, &event));
        EXPECT("writable", (event.bits & DUET_EVENT_WRITABLE) != 0);
        EXPECT("memory", duet_send(rig.stack, rig.now, conn.handle, octets, 100, 0) == 100);
        EXPECT_EQUAL("packets", rig_drain(&rig), 1);
        finish(&rig);
    }
}

/* Once, or from then on, until it is taken back. */
static void refusal_is_counted_from_init(void **state)
{
    (void)state;
    struct rig rig;
    struct duet_config config;
    struct duet_handle handle;
    rig_config(&config);
    rig_start(&rig, &config);
    const struct tcp_tuple tuple = rig_tuple(0, 9);
    const struct duet_connect_options options = {.remote = {tuple.remote, 9}};
    EXPECT_EQUAL("none yet", duet_refuse_record(rig.stack, 3, false), 0);
    EXPECT("two records", duet_connect(rig.stack, 0, &options, &handle) == DUET_OK);
    EXPECT("the third", duet_connect(rig.stack, 0, &options, &handle) == DUET_E_RES);
    EXPECT("once", duet_connect(rig.stack, 0, &options, &handle) == DUET_OK);
    EXPECT_EQUAL("asked", duet_refuse_record(rig.stack, 6, true), 5);
    for (unsigned i = 0; i < 3; i++)
        EXPECT("from then on", duet_connect(rig.stack, 0, &options, &handle) == DUET_E_RES);
    (void)duet_refuse_record(rig.stack, 0, false);
    EXPECT("again", duet_connect(rig.stack, 0, &options, &handle) == DUET_OK);
    finish(&rig);
}

/* ---- answers ---- */

static void answers_wait_for_the_link(void **state)
{
    (void)state;
    struct rig rig;
    struct duet_config config;
    rig_config(&config);
    config.replies_max = 2;
    rig_start(&rig, &config);
    for (uint16_t port = 1; port <= 5; port++)
        syn_from(&rig, port); /* nobody listens: each would be answered by RST */
    EXPECT_EQUAL("not given", rig_hits(&rig, TCP_RULE_REPLY_NO_ROOM), 3);
    EXPECT_EQUAL("given", rig_drain(&rig), 2);
    syn_from(&rig, 6);
    EXPECT_EQUAL("room again", rig_drain(&rig), 1);
    finish(&rig);
}

/* The SYN,ACK that found no room is made up for by the timer. */
static void lost_syn_ack_is_repeated(void **state)
{
    (void)state;
    struct rig rig;
    struct duet_config config;
    rig_config(&config);
    config.replies_max = 1;
    rig_start(&rig, &config);
    listen_at(&rig, PORT, 8);
    syn_from(&rig, 1);
    syn_from(&rig, 2);
    EXPECT_EQUAL("first", rig_drain(&rig), 1);
    EXPECT_EQUAL("half-open", counters_of(&rig).half_open, 2);
    unsigned repeated = 0;
    for (unsigned second = 0; second < 4; second++) {
        rig_pass(&rig, rig.now + DUET_SECOND);
        repeated += rig_drain(&rig);
    }
    EXPECT("repeated", repeated >= 2);
    finish(&rig);
}

static void output_needs_room_for_a_packet(void **state)
{
    (void)state;
    struct rig rig;
    struct duet_config config;
    rig_config(&config);
    rig_start(&rig, &config);
    syn_from(&rig, 1);
    struct duet_packet packet = {.data = rig.out, .size = config.mtu - 1};
    EXPECT("too small", !duet_output(rig.stack, 0, &packet));
    EXPECT_EQUAL("still there", rig_drain(&rig), 1);
    finish(&rig);
}

/* ---- records ---- */

static void oldest_half_open_goes_first(void **state)
{
    (void)state;
    enum { RECORDS = 4, CALLERS = 100 };
    struct rig rig;
    struct duet_config config;
    rig_config(&config);
    config.half_open_max = RECORDS;
    config.syn_cookies = false;
    rig_start(&rig, &config);
    listen_at(&rig, PORT, 8);
    for (unsigned caller = 1; caller <= CALLERS; caller++) {
        const uint16_t port = (uint16_t)caller;
        syn_from(&rig, port);
        EXPECT_EQUAL("answered", rig_drain(&rig), 1);
        EXPECT("bounded", counters_of(&rig).half_open <= RECORDS);
        /* Every third caller goes away: records die in the middle of the ring, too. */
        if (port % 3 == 0) {
            const struct tcp_tuple tuple = rig_tuple(PORT, port);
            const struct rig_segment rst = {.flags = DUET_RST, .seq = 1001};
            rig_input(&rig, &tuple, &rst);
        }
    }
    EXPECT("recycled", rig_hits(&rig, TCP_RULE_HALF_OPEN_RECYCLED) > CALLERS / 2);
    rig_pass(&rig, 600 * DUET_SECOND);
    rig_drain(&rig);
    EXPECT_EQUAL("all forgotten", counters_of(&rig).half_open, 0);
    finish(&rig);
}

static void oldest_time_wait_ends_early(void **state)
{
    (void)state;
    struct rig rig;
    struct duet_config config;
    rig_config(&config);
    config.time_wait_max = 2;
    rig_start(&rig, &config);
    for (uint16_t port = 1; port <= 5; port++) {
        struct rig_conn conn = {.tuple = rig_tuple((uint16_t)(PORT + port), port)};
        rig_connect(&rig, &conn, &plain_offer);
        assert_int_equal(duet_close(rig.stack, rig.now, conn.handle), DUET_OK);
        EXPECT_EQUAL("FIN", rig_drain(&rig), 1);
        conn.ack++;
        rig_say(&rig, &conn, DUET_FIN, 0, NULL, 0);
        EXPECT_EQUAL("last ACK", rig_drain(&rig), 1);
    }
    EXPECT_EQUAL("in TIME-WAIT", counters_of(&rig).time_wait, 2);
    EXPECT_EQUAL("recycled", rig_hits(&rig, TCP_RULE_TIME_WAIT_RECYCLED), 3);
    rig_pass(&rig, rig.now + 2 * config.msl);
    EXPECT_EQUAL("over", counters_of(&rig).time_wait, 0);
    finish(&rig);
}

static void open_without_a_transfer_record(void **state)
{
    (void)state;
    struct rig rig;
    struct duet_config config;
    struct duet_handle first, second;
    struct duet_connect_options options = {.remote = {duet_ipv4(10, 0, 0, 2), 1}};
    rig_config(&config);
    config.transfers_max = 1;
    rig_start(&rig, &config);
    assert_int_equal(duet_connect(rig.stack, 0, &options, &first), DUET_OK);
    assert_int_equal(duet_connect(rig.stack, 0, &options, &second), DUET_E_RES);
    EXPECT_EQUAL("one SYN", rig_drain(&rig), 1);
    EXPECT_EQUAL("one record", counters_of(&rig).connections, 1);
    EXPECT_EQUAL("rule", rig_hits(&rig, TCP_RULE_NO_TRANSFER_LEFT), 1);
    assert_int_equal(duet_abort(rig.stack, 0, first), DUET_OK);
    assert_int_equal(duet_connect(rig.stack, 0, &options, &second), DUET_OK);
    finish(&rig);
}

/* ---- memory for text ---- */

/* One connection's unread text may use up all pages; another one's is then dropped, and taken when sent again
 * after the first user has read. */
static void pages_used_up(void **state)
{
    (void)state;
    enum { PAGES = 4 };
    struct rig rig;
    struct duet_config config;
    rig_config(&config);
    config.pages_max = PAGES;
    rig_start(&rig, &config);
    struct rig_conn greedy = {.tuple = rig_tuple(PORT, 1)}, other = {.tuple = rig_tuple(81, 2)};
    rig_accept(&rig, &greedy, &plain_offer);
    rig_accept(&rig, &other, &plain_offer);
    for (uint32_t sent = 0; sent < PAGES * config.page_size; sent += 1024)
        rig_say(&rig, &greedy, 0, sent, octets, 1024);
    rig_drain(&rig);
    EXPECT_EQUAL("all pages", rig_status(&rig, &greedy).receive_queued, PAGES * config.page_size);
    rig_say(&rig, &other, DUET_FIN, 0, octets, 100);
    EXPECT_EQUAL("dropped", rig_hits(&rig, TCP_RULE_TEXT_NO_MEMORY), 1);
    EXPECT_EQUAL("said so", rig_drain(&rig), 1);
    EXPECT_EQUAL("nothing taken", rig_status(&rig, &other).receive_queued, 0);
    EXPECT_EQUAL("nor its FIN", rig_status(&rig, &other).state, DUET_ESTABLISHED);
    EXPECT("SEND waits", duet_send(rig.stack, 0, other.handle, octets, 1, 0) == DUET_E_AGAIN);
    assert_true(duet_receive(rig.stack, 0, greedy.handle, octets, sizeof octets) > 0);
    rig_say(&rig, &other, DUET_FIN, 0, octets, 100);
    EXPECT_EQUAL("taken", rig_status(&rig, &other).receive_queued, 100);
    EXPECT_EQUAL("with its FIN", rig_status(&rig, &other).state, DUET_CLOSE_WAIT);
    finish(&rig);
}

/* A peer that reads nothing takes the pages for what is to be sent, but not the first one of others. */
static void first_page_of_a_send_queue_comes_before_the_rest(void **state)
{
    (void)state;
    enum { PAGES = 64 };
    static const uint8_t much[65536];
    struct rig rig;
    struct duet_config config;
    struct rig_segment shut = plain_offer;
    rig_config(&config);
    config.pages_max = PAGES;
    rig_start(&rig, &config);
    shut.window = 0;
    struct rig_conn greedy[2] = {{.tuple = rig_tuple(PORT, 1)}, {.tuple = rig_tuple(81, 2)}};
    struct rig_conn other = {.tuple = rig_tuple(82, 3)};
    for (unsigned i = 0; i < 2; i++) {
        rig_accept(&rig, &greedy[i], &shut);
        EXPECT("some of it", duet_send(rig.stack, 0, greedy[i].handle, much, sizeof much, 0) > 0);
    }
    EXPECT("no more", duet_send(rig.stack, 0, greedy[0].handle, much, 1, 0) == DUET_E_AGAIN);
    rig_accept(&rig, &other, &plain_offer);
    EXPECT_EQUAL("a page", duet_send(rig.stack, 0, other.handle, much, sizeof much, 0),
                 config.page_size);
    EXPECT("that can leave", rig_drain(&rig) > 0);
    finish(&rig);
}

static void more_holes_than_can_be_noted(void **state)
{
    (void)state;
    enum { RANGES = 32 };
    struct rig rig;
    struct duet_config config;
    rig_config(&config);
    config.ranges_max = 2 * RANGES; /* half of them for one connection */
    rig_start(&rig, &config);
    struct rig_conn conn = {.tuple = rig_tuple(PORT, 1)};
    rig_accept(&rig, &conn, &plain_offer);
    for (uint32_t i = 1; i <= RANGES + 5; i++)
        rig_say(&rig, &conn, 0, 2 * i, octets, 1);
    EXPECT_EQUAL("too many", rig_hits(&rig, TCP_RULE_TEXT_NO_MEMORY), 5);
    rig_drain(&rig);
    rig_say(&rig, &conn, 0, 0, octets, 2 * (RANGES + 5) + 1);
    EXPECT_EQUAL("more than one segment may join", rig_hits(&rig, TCP_RULE_TEXT_JOINS_MUCH), 1);
    EXPECT_EQUAL("as far as sixteen", rig_status(&rig, &conn).receive_queued, 2 * 16 + 1);
    rig_drain(&rig);
    rig_say(&rig, &conn, 0, 33, octets, 32);
    rig_say(&rig, &conn, 0, 65, octets, 2 * (RANGES + 5) + 1 - 65);
    EXPECT_EQUAL("whole", rig_status(&rig, &conn).receive_queued, 2 * (RANGES + 5) + 1);
    finish(&rig);
}

static void no_record_for_a_hole(void **state)
{
    (void)state;
    struct rig rig;
    struct duet_config config;
    rig_config(&config);
    config.reassemblies_max = 1;
    rig_start(&rig, &config);
    struct rig_conn first = {.tuple = rig_tuple(PORT, 1)}, second = {.tuple = rig_tuple(81, 2)};
    rig_accept(&rig, &first, &plain_offer);
    rig_accept(&rig, &second, &plain_offer);
    rig_say(&rig, &first, 0, 10, octets, 10);
    rig_say(&rig, &second, 0, 10, octets, 10);
    EXPECT_EQUAL("no record", rig_hits(&rig, TCP_RULE_NO_REASSEMBLY_LEFT), 1);
    EXPECT_EQUAL("both said what is missing", rig_drain(&rig), 2);
    rig_say(&rig, &first, 0, 0, octets, 10);
    EXPECT_EQUAL("first", rig_status(&rig, &first).receive_queued, 20);
    rig_say(&rig, &second, 0, 10, octets, 10);
    rig_say(&rig, &second, 0, 0, octets, 10);
    EXPECT_EQUAL("second", rig_status(&rig, &second).receive_queued, 20);
    finish(&rig);
}

/* A peer that sends one octet at a time into a full buffer: with a scaled window the field cannot say "one", and
 * rounding must not give away the buffer unit by unit. */
static void closed_window_stays_closed(void **state)
{
    (void)state;
    enum { LIMIT = 5000, OCTETS = 100000 };
    struct rig rig;
    struct duet_config config;
    rig_config(&config);
    config.receive_buffer = 1 << 22;
    config.pages_max = 4096;
    rig_start(&rig, &config);
    struct rig_conn conn = {.tuple = rig_tuple(PORT, 1)};
    struct rig_segment offer = plain_offer;
    offer.scaling = true;
    offer.scale = 7;
    rig_connect(&rig, &conn, &offer);
    const uint32_t unit = (uint32_t)1 << rig_status(&rig, &conn).receive_scale;
    EXPECT("scaled", unit >= 64);
    assert_int_equal(duet_set(rig.stack, 0, conn.handle, DUET_OPTION_RECEIVE_BUFFER, LIMIT),
                     DUET_OK);
    const uint32_t promised = rig_status(&rig, &conn).rcv_wnd;
    uint32_t taken = 0;
    for (uint32_t i = 0; i < OCTETS; i++) {
        rig_say(&rig, &conn, 0, taken, octets, 1);
        rig_drain(&rig);
        rig_pass(&rig, rig.now + DUET_MILLISECOND);
        taken = rig_status(&rig, &conn).receive_queued;
    }
    EXPECT("no more than was promised and one unit", taken <= promised + unit);
    finish(&rig);
}

/* ---- every edge of the sequence space ---- */

/* An open connection with 100 bytes in flight, 100 bytes unread and a hole behind them. */
static void open_busy(struct rig *rig, struct rig_conn *conn)
{
    struct duet_config config;
    rig_config(&config);
    rig_start(rig, &config);
    *conn = (struct rig_conn){.tuple = rig_tuple(PORT, 1)};
    rig_connect(rig, conn, &(struct rig_segment){.seq = 0xffffffc0, .window = 5000, .mss = 1460});
    rig_write(rig, conn, octets, 100);
    rig_say(rig, conn, 0, 0, octets, 100);
    rig_say(rig, conn, 0, 200, octets, 100);
    rig_drain(rig);
}

static void no_segment_stops_the_stack(void **state)
{
    (void)state;
    static const uint32_t edges[] = {0,          1,          99,         100,        101,
                                     65535,      65536,      0x7fffffff, 0x80000000, 0x80000001,
                                     0x80000064, 0xffffff9c, 0xffffffff};
    static const uint32_t lengths[] = {0, 1, 1460};
    for (uint32_t s = 0; s < COUNT_OF(edges); s++) {
        for (uint32_t a = 0; a < COUNT_OF(edges); a++) {
            struct rig rig;
            struct rig_conn conn;
            open_busy(&rig, &conn);
            for (uint16_t flags = 0; flags < 64; flags++) {
                if ((flags & DUET_RST) != 0)
                    continue;
                const struct rig_segment segment = {
                    .flags = flags,
                    .seq = conn.seq + edges[s],
                    .ack = conn.ack + edges[a],
                    .window = (uint16_t)(edges[(s + a) % COUNT_OF(edges)]),
                    .urgent = (uint16_t)edges[a],
                    .text = octets,
                    .length = lengths[(s + a + flags) % COUNT_OF(lengths)],
                };
                rig_input(&rig, &conn.tuple, &segment);
                rig_drain(&rig);
            }
            rig_pass(&rig, rig.now + 10 * DUET_SECOND);
            rig_drain(&rig);
            const struct duet_status status = rig_status(&rig, &conn);
            EXPECT("windows", status.snd_nxt - status.snd_una <= 200);
            EXPECT("text", status.receive_queued <= 65536);
            finish(&rig);
        }
    }
}

/* An acknowledgement half the sequence space away is neither new nor old. */
static void acknowledgement_half_the_space_away(void **state)
{
    (void)state;
    for (unsigned in_flight = 0; in_flight < 2; in_flight++) {
        struct rig rig;
        struct duet_config config;
        rig_config(&config);
        rig_start(&rig, &config);
        struct rig_conn conn = {.tuple = rig_tuple(PORT, 1)};
        rig_connect(&rig, &conn, &plain_offer);
        if (in_flight != 0)
            rig_write(&rig, &conn, octets, 10);
        rig_drain(&rig);
        const uint32_t una = rig_status(&rig, &conn).snd_una;
        conn.ack += 0x80000000;
        rig_say(&rig, &conn, 0, 0, octets, 10);
        EXPECT_EQUAL("SND.UNA", rig_status(&rig, &conn).snd_una, una);
        EXPECT_EQUAL("text", rig_status(&rig, &conn).receive_queued, 0);
        EXPECT_EQUAL("answer", rig_drain(&rig), 1);
        finish(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_wait_for_the_link),
        cmocka_unit_test(lost_syn_ack_is_repeated),
        cmocka_unit_test(output_needs_room_for_a_packet),
        cmocka_unit_test(oldest_half_open_goes_first),
        cmocka_unit_test(oldest_time_wait_ends_early),
        cmocka_unit_test(open_without_a_transfer_record),
        cmocka_unit_test(pages_used_up),
        cmocka_unit_test(first_page_of_a_send_queue_comes_before_the_rest),
        cmocka_unit_test(more_holes_than_can_be_noted),
        cmocka_unit_test(no_record_for_a_hole),
        cmocka_unit_test(writer_without_memory_is_woken),
        cmocka_unit_test(refusal_is_counted_from_init),
        cmocka_unit_test(closed_window_stays_closed),
        cmocka_unit_test(no_segment_stops_the_stack),
        cmocka_unit_test(acknowledgement_half_the_space_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
