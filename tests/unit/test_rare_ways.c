/* SPDX-License-Identifier: MIT */
/* Ways through the core that only rare situations take: a queue of answers that is full, a memory that is, an option of
 * the configuration that hardly anybody sets, what a peer sends only if it is broken. */
#include "rig.h"

#include <stdlib.h>

#define MS(n)  ((duet_time)(n)*DUET_MILLISECOND)
#define SEC(n) ((duet_time)(n)*DUET_SECOND)

static const struct rig_segment offer = {.seq = 0xfffffc00, .window = 60000, .mss = 1000};
static const struct rig_segment with_sack = {
    .seq = 0xfffffc00, .window = 60000, .mss = 1000, .sack = true};

static struct duet_config config;

static struct rig *start(void)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig_start(rig, &config);
    return rig;
}

static int defaults(void **state)
{
    (void)state;
    rig_config(&config);
    return 0;
}

static void stop(struct rig *rig)
{
    rig_end(rig);
    free(rig);
}

static struct rig_conn accepted(struct rig *rig, const struct rig_segment *syn)
{
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
    rig_accept(rig, &conn, syn);
    return conn;
}

static struct duet_handle listen_at(struct rig *rig, uint16_t port)
{
    const struct duet_listen_options options = {.local = {.port = port}, .backlog = 8};
    struct duet_handle handle;
    assert_int_equal(duet_listen(rig->stack, rig->now, &options, &handle), DUET_OK);
    return handle;
}

static void syn_from(struct rig *rig, const struct tcp_tuple *tuple)
{
    struct rig_segment syn = offer;
    syn.flags = DUET_SYN;
    rig_input(rig, tuple, &syn);
}

static struct duet_counters counters_of(const struct rig *rig)
{
    struct duet_counters counters;
    duet_counters(rig->stack, &counters);
    return counters;
}

/* How long it takes; a deadline may be that of a slot of the wheel, at which nothing happens yet. */
static duet_time until_something_leaves(struct rig *rig, struct rig_segment *segment)
{
    const duet_time from = rig->now;
    for (unsigned i = 0; i < 100; i++) {
        if (rig_output(rig, NULL, segment))
            return rig->now - from;
        rig_pass(rig, duet_deadline(rig->stack));
    }
    fail();
    return 0;
}

/* ---- the queue of answers is full ---- */

/* Nobody listens at port 81, so the SYN is owed a RST, which waits for the link. */
static void fill_the_queue_of_answers(struct rig *rig)
{
    const struct tcp_tuple stranger = rig_tuple(81, 4444);
    syn_from(rig, &stranger);
    assert_int_equal(rig_hits(rig, TCP_RULE_REPLY_NO_ROOM), 0);
}

static void expect_only_the_rst(struct rig *rig)
{
    struct tcp_tuple tuple;
    struct rig_segment segment;
    assert_int_equal(rig_hits(rig, TCP_RULE_REPLY_NO_ROOM), 1);
    assert_true(rig_output(rig, &tuple, &segment));
    assert_int_equal(tuple.local_port, 81);
    assert_true((segment.flags & DUET_RST) != 0);
    rig_silence("the other answer found no room", rig);
}

static void abort_finds_no_room_for_its_rst(void **state)
{
    (void)state;
    config.replies_max = 1;
    struct rig *rig = start();
    const struct rig_conn conn = accepted(rig, &offer);
    fill_the_queue_of_answers(rig);
    assert_int_equal(duet_abort(rig->stack, rig->now, conn.handle), DUET_OK);
    expect_only_the_rst(rig);
    rig_take_events(rig);
    assert_int_equal(counters_of(rig).connections, 0);
    stop(rig);
}

static void half_open_record_finds_no_room_for_its_ack(void **state)
{
    (void)state;
    config.replies_max = 1;
    struct rig *rig = start();
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000), .seq = offer.seq + 1, .window = 100};
    struct rig_segment answer;
    (void)listen_at(rig, 80);
    syn_from(rig, &conn.tuple);
    assert_true(rig_output(rig, NULL, &answer));
    conn.ack = answer.seq + 1;
    fill_the_queue_of_answers(rig);
    rig_say(rig, &conn, 0, 200000, "far away", 8);
    expect_only_the_rst(rig);
    assert_int_equal(counters_of(rig).half_open, 1);
    stop(rig);
}

static void cookie_finds_no_room(void **state)
{
    (void)state;
    config.replies_max = 1;
    config.half_open_max = 1;
    struct rig *rig = start();
    const struct tcp_tuple first = rig_tuple(80, 4000), second = rig_tuple(80, 4001);
    (void)listen_at(rig, 80);
    syn_from(rig, &first);
    assert_int_equal(rig_drain(rig), 1);
    fill_the_queue_of_answers(rig);
    syn_from(rig, &second);
    expect_only_the_rst(rig);
    syn_from(rig, &second); /* again, and now there is room */
    assert_int_equal(rig_drain(rig), 1);
    assert_int_equal(counters_of(rig).half_open, 1);
    stop(rig);
}

/* An echo request with that many bytes of data, from 10.0.0.2. */
static void ping(struct rig *rig, uint32_t data)
{
    uint8_t bytes[256] = {0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 1, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1, 8};
    const uint32_t length = 28 + data;
    bytes[3] = (uint8_t)length;
    const uint32_t ip_sum = ~rig_sum(0, bytes, 20), sum = ~rig_sum(0, bytes + 20, length - 20);
    bytes[10] = (uint8_t)(ip_sum >> 8);
    bytes[11] = (uint8_t)ip_sum;
    bytes[22] = (uint8_t)(sum >> 8);
    bytes[23] = (uint8_t)sum;
    const struct duet_packet packet = {.data = bytes, .size = sizeof bytes, .length = length};
    duet_input(rig->stack, rig->now, &packet);
    assert_null(duet_check(rig->stack));
}

static void echo_finds_no_room_and_gives_its_page_back(void **state)
{
    (void)state;
    config.replies_max = 1;
    struct rig *rig = start();
    fill_the_queue_of_answers(rig);
    ping(rig, 8);
    expect_only_the_rst(rig);
    assert_int_equal(rig_hits(rig, TCP_RULE_ECHO_ANSWERED), 0);
    assert_int_equal(counters_of(rig).pages_used, 0);
    ping(rig, 8);
    assert_int_equal(rig_hits(rig, TCP_RULE_ECHO_ANSWERED), 1);
    stop(rig);
}

static void echo_finds_no_page(void **state)
{
    (void)state;
    struct rig *rig = start();
    (void)duet_refuse_record(rig->stack, 1, false);
    ping(rig, 8);
    assert_int_equal(rig_hits(rig, TCP_RULE_REPLY_NO_ROOM), 1);
    assert_int_equal(rig_hits(rig, TCP_RULE_ECHO_ANSWERED), 0);
    stop(rig);
}

static void echoes_beyond_the_limit_are_dropped(void **state)
{
    (void)state;
    config.replies_per_second = 2;
    struct rig *rig = start();
    for (unsigned i = 0; i < 5; i++)
        ping(rig, 8);
    assert_int_equal(rig_hits(rig, TCP_RULE_ECHO_ANSWERED), 2);
    assert_int_equal(rig_hits(rig, TCP_RULE_REPLY_LIMIT), 3);
    stop(rig);
}

/* A link that cuts could take ten segments at once; only as many leave as there is memory to remember. */
static void large_packet_finds_little_memory(void **state)
{
    (void)state;
    static const uint8_t text[10000];
    config.offload = DUET_OFFLOAD_SEGMENT | DUET_OFFLOAD_CHECKSUM_OUT;
    struct rig *rig = start();
    const struct rig_conn conn = accepted(rig, &offer);
    struct rig_segment segment;
    rig_write(rig, &conn, text, sizeof text);
    (void)duet_refuse_record(rig->stack, duet_refuse_record(rig->stack, 0, false) + 1, true);
    assert_true(rig_output(rig, NULL, &segment));
    assert_int_equal(segment.length, 1000 * FLIGHT_INLINE);
    (void)duet_refuse_record(rig->stack, 0, false);
    assert_true(rig_output(rig, NULL, &segment));
    assert_int_equal(segment.length, 1000 * (10 - FLIGHT_INLINE));
    stop(rig);
}

/* ---- addresses, ports, names ---- */

static void listeners_share_a_bucket(void **state)
{
    (void)state;
    struct rig *rig = start();
    const struct duet_handle first = listen_at(rig, 80);
    (void)listen_at(rig, 80 + LISTENER_BUCKETS);
    (void)listen_at(rig, 80 + 2 * LISTENER_BUCKETS);
    assert_int_equal(duet_close(rig->stack, rig->now, first), DUET_OK);
    for (uint16_t i = 0; i < 3; i++) {
        const struct tcp_tuple tuple =
            rig_tuple((uint16_t)(80 + i * LISTENER_BUCKETS), (uint16_t)(4000 + i));
        struct rig_segment answer;
        syn_from(rig, &tuple);
        assert_true(rig_output(rig, NULL, &answer));
        assert_int_equal(answer.flags, i == 0 ? DUET_RST | DUET_ACK : DUET_SYN | DUET_ACK);
    }
    stop(rig);
}

static void remote_address_of_a_family_that_we_have_not(void **state)
{
    (void)state;
    config.interface_count = 1;
    struct rig *rig = start();
    const struct duet_connect_options options = {.remote = {rig_tuple6(1, 1).remote, 80}};
    struct duet_handle handle;
    assert_int_equal(duet_connect(rig->stack, rig->now, &options, &handle), DUET_E_ADDR);
    stop(rig);
}

/* RFC 6724, rule 8: in whatever order they are configured. */
static void nearest_of_our_addresses_is_the_source(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t order[3]; /* of the third byte */
    } rows[] = {{"first", {5, 9, 64}}, {"second", {9, 5, 64}}, {"last", {64, 9, 5}}};
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        rig_config(&config);
        config.interface_count = 3;
        for (unsigned k = 0; k < 3; k++)
            config.interfaces[k] =
                (struct duet_interface){duet_ipv4(10, 1, rows[i].order[k], 1), 24};
        struct rig *rig = start();
        const struct duet_connect_options options = {.remote = {duet_ipv4(10, 1, 4, 2), 80}};
        struct duet_handle handle;
        struct tcp_tuple tuple;
        assert_int_equal(duet_connect(rig->stack, rig->now, &options, &handle), DUET_OK);
        assert_true(rig_output(rig, &tuple, NULL));
        EXPECT_EQUAL(rows[i].name, tuple.local.bytes[14], 5);
        stop(rig);
    }
}

/* The same for IPv6, where prefixes differ from the first byte on. */
static void nearest_of_our_addresses_of_ipv6_is_the_source(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t first, second; /* bytes of the remote address */
        uint8_t source;        /* last byte of the one that is near */
    } rows[] = {{"one", 0x20, 0x01, 1},
                {"two", 0x30, 0x01, 2},
                {"neither, but nearer to two", 0x38, 0x01, 2}};
    config.interface_count = 2;
    config.interfaces[0] = (struct duet_interface){{{0x20, 0x01, [15] = 1}}, 64};
    config.interfaces[1] = (struct duet_interface){{{0x30, 0x02, [15] = 2}}, 64};
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        struct rig *rig = start();
        const struct duet_connect_options options = {
            .remote = {{{rows[i].first, rows[i].second, [15] = 9}}, 80}};
        struct duet_handle handle;
        struct tcp_tuple tuple;
        assert_int_equal(duet_connect(rig->stack, rig->now, &options, &handle), DUET_OK);
        assert_true(rig_output(rig, &tuple, NULL));
        EXPECT_EQUAL(rows[i].name, tuple.local.bytes[15], rows[i].source);
        stop(rig);
    }
}

static void what_has_no_name_says_so(void **state)
{
    (void)state;
    assert_string_equal(duet_state_name(DUET_STATES), "UNKNOWN");
    assert_string_equal(duet_error_name(-12345), "unknown");
    assert_string_equal(duet_error_posix_name(-12345), "unknown");
    assert_string_equal(duet_error_sentence(-12345), "not an error code of duet");
    assert_string_equal(duet_error_name(DUET_OK), "DUET_OK");
    assert_string_equal(duet_trace_kind_name(DUET_TRACE_KINDS), "unknown");
    assert_string_equal(duet_timer_name(DUET_TIMERS), "unknown");
    assert_string_equal(duet_call_name(DUET_CALLS), "unknown");
    assert_string_equal(duet_phase_name(DUET_PHASES), "unknown");
    assert_string_equal(duet_phase_name(DUET_PHASES - 1), "loss");
}

/* A program that was linked with an older library asks for a rule or an edge that this one has not. */
static void rules_and_edges_beyond_the_last(void **state)
{
    (void)state;
    struct rig *rig = start();
    assert_string_equal(duet_rule(duet_rule_count())->name, "NONE");
    assert_string_equal(duet_rule(UINT32_MAX)->name, "NONE");
    assert_int_equal(duet_rule_hits(rig->stack, duet_rule_count()), 0);
    assert_non_null(duet_edge(duet_edge_count() - 1));
    assert_null(duet_edge(duet_edge_count()));
    assert_int_equal(duet_edge_hits(rig->stack, duet_edge_count()), 0);
    stop(rig);
}

/* RFC 6724, rule 1: whoever talks to an address of ours has that one, not one that is near it. */
static void own_address_is_the_source_of_what_goes_to_it(void **state)
{
    (void)state;
    config.loopback_allowed = true;
    config.interface_count = 2;
    config.interfaces[0] = (struct duet_interface){duet_ipv4(10, 1, 1, 1), 24};
    config.interfaces[1] = (struct duet_interface){duet_ipv4(10, 1, 1, 2), 24};
    for (uint8_t i = 1; i <= 2; i++) {
        struct rig *rig = start();
        const struct duet_connect_options options = {.remote = {duet_ipv4(10, 1, 1, i), 80}};
        struct duet_handle handle;
        struct tcp_tuple tuple;
        assert_int_equal(duet_connect(rig->stack, rig->now, &options, &handle), DUET_OK);
        assert_true(rig_output(rig, &tuple, NULL));
        assert_int_equal(tuple.local.bytes[15], i);
        stop(rig);
    }
}

/* MUST-57: any address that one can talk from, but no group of hosts. */
static void any_local_address_but_a_group(void **state)
{
    (void)state;
    config.any_local_address = true;
    struct rig *rig = start();
    struct duet_connect_options options = {.local = {.address = duet_ipv4(224, 0, 0, 5)},
                                           .remote = {duet_ipv4(10, 0, 0, 2), 80}};
    struct duet_handle handle;
    assert_int_equal(duet_connect(rig->stack, rig->now, &options, &handle), DUET_E_ADDR);
    options.local.address = duet_ipv4(192, 0, 2, 5);
    assert_int_equal(duet_connect(rig->stack, rig->now, &options, &handle), DUET_OK);
    stop(rig);
}

/* ---- segments of broken peers ---- */

static void syn_ack_at_a_half_open_record(void **state)
{
    (void)state;
    struct rig *rig = start();
    const struct tcp_tuple tuple = rig_tuple(80, 4000);
    struct rig_segment segment = offer, answer;
    (void)listen_at(rig, 80);
    syn_from(rig, &tuple);
    assert_true(rig_output(rig, NULL, &answer));
    segment.flags = DUET_SYN | DUET_ACK;
    segment.ack = answer.seq + 1;
    rig_input(rig, &tuple, &segment);
    assert_true(rig_output(rig, NULL, &answer));
    assert_int_equal(answer.flags, DUET_ACK);
    assert_int_equal(answer.ack, offer.seq + 1);
    assert_int_equal(counters_of(rig).half_open, 1);
    stop(rig);
}

/* RFC 2883, 4: what is no range, what was never sent, and what is older than a window tells nothing. */
static void reports_of_duplicates_that_tell_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t left, right; /* from SND.UNA */
        unsigned duplicates;
    } rows[] = {
        {"a duplicate", (uint32_t)-100, (uint32_t)-50, 1},
        {"empty", (uint32_t)-100, (uint32_t)-100, 0},
        {"turned round", (uint32_t)-50, (uint32_t)-100, 0},
        {"older than a window", (uint32_t)-70000, (uint32_t)-69000, 0},
        {"just inside of it", (uint32_t)-60000, (uint32_t)-59000, 1},
    };
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        struct rig *rig = start();
        const struct rig_conn conn = accepted(rig, &with_sack);
        rig_write(rig, &conn, "text", 4);
        assert_int_equal(rig_drain(rig), 1);
        struct rig_segment segment = {.flags = DUET_ACK,
                                      .seq = conn.seq,
                                      .ack = conn.ack,
                                      .window = conn.window,
                                      .blocks = 1};
        segment.block[0].left = conn.ack + rows[i].left;
        segment.block[0].right = conn.ack + rows[i].right;
        rig_input(rig, &conn.tuple, &segment);
        EXPECT_EQUAL(rows[i].name, rig_hits(rig, TCP_RULE_DSACK_RECEIVED), rows[i].duplicates);
        stop(rig);
    }
}

/* RFC 2883, 4: a first block in the second is a duplicate, and its edges may be the same. */
static void duplicate_in_the_second_block(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t left, right; /* of the first, from SND.UNA; the second is [10, 20) */
        unsigned duplicates;
    } rows[] = {
        {"within", 12, 18, 1},
        {"the same left edge", 10, 18, 1},
        {"the same right edge", 12, 20, 1},
        {"the same block", 10, 20, 1},
        {"begins before", 9, 18, 0},
        {"ends behind", 12, 21, 0},
    };
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        struct rig *rig = start();
        const struct rig_conn conn = accepted(rig, &with_sack);
        rig_write(rig, &conn, "more than twenty bytes of text", 30);
        assert_int_equal(rig_drain(rig), 1);
        const struct rig_segment segment = {
            .flags = DUET_ACK,
            .seq = conn.seq,
            .ack = conn.ack,
            .window = conn.window,
            .blocks = 2,
            .block = {{conn.ack + rows[i].left, conn.ack + rows[i].right},
                      {conn.ack + 10, conn.ack + 20}}};
        rig_input(rig, &conn.tuple, &segment);
        EXPECT_EQUAL(rows[i].name, rig_hits(rig, TCP_RULE_DSACK_RECEIVED), rows[i].duplicates);
        stop(rig);
    }
}

/* In the second block lies the first one, whose end was never sent. */
static void duplicate_of_what_was_never_sent(void **state)
{
    (void)state;
    struct rig *rig = start();
    const struct rig_conn conn = accepted(rig, &with_sack);
    rig_write(rig, &conn, "text", 4);
    assert_int_equal(rig_drain(rig), 1);
    struct rig_segment segment = {
        .flags = DUET_ACK,
        .seq = conn.seq,
        .ack = conn.ack,
        .window = conn.window,
        .blocks = 2,
        .block = {{conn.ack + 2, conn.ack + 9}, {conn.ack + 1, conn.ack + 10}}};
    rig_input(rig, &conn.tuple, &segment);
    assert_int_equal(rig_hits(rig, TCP_RULE_DSACK_RECEIVED), 0);
    stop(rig);
}

/* The FIN is said to lie in front of text that is held already. What was to be reported of that is no more. */
static void fin_in_front_of_text_that_came_twice(void **state)
{
    (void)state;
    struct rig *rig = start();
    struct rig_conn conn = accepted(rig, &with_sack);
    struct rig_segment answer;
    rig_say(rig, &conn, 0, 10, "held", 4);
    assert_true(rig_output(rig, NULL, &answer));
    assert_int_equal(answer.blocks, 1);
    rig_say(rig, &conn, 0, 10, "held", 4);
    rig_say(rig, &conn, DUET_FIN, 0, NULL, 0);
    assert_true(rig_output(rig, NULL, &answer));
    assert_int_equal(answer.ack, conn.seq + 1);
    assert_int_equal(answer.blocks, 0);
    stop(rig);
}

static void ipv6_length_that_cannot_be(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t length;
        uint64_t read;
    } rows[] = {{"as it is", 24, 4}, {"beyond the packet", 25, 0}, {"less than a header", 19, 0}};
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        struct rig *rig = start();
        struct rig_conn conn = {.tuple = rig_tuple6(80, 4000)};
        char text[8];
        rig_accept(rig, &conn, &offer);
        const struct rig_segment segment = {.flags = DUET_ACK,
                                            .seq = conn.seq,
                                            .ack = conn.ack,
                                            .window = conn.window,
                                            .text = (const uint8_t *)"text",
                                            .length = 4};
        struct duet_packet packet = {.data = rig->in, .size = sizeof rig->in};
        packet.length = rig_encode(rig->in, &conn.tuple, &segment);
        assert_int_equal(rig->in[5], 24);
        rig->in[5] = rows[i].length;
        duet_input(rig->stack, rig->now, &packet);
        const int64_t got = duet_receive(rig->stack, rig->now, conn.handle, text, sizeof text);
        EXPECT_EQUAL(rows[i].name, got > 0 ? got : 0, rows[i].read);
        stop(rig);
    }
}

/* What another connection has learnt of the path is followed before a router's word is weighed. */
static void claim_about_a_path_that_is_known_to_be_smaller(void **state)
{
    (void)state;
    static const uint8_t text[4000];
    struct rig *rig = start();
    const struct rig_segment large = {.seq = 0xfffffc00, .window = 60000, .mss = 1460};
    const struct rig_conn conn = accepted(rig, &large);
    struct tcp_conn *c = conn_at(rig->stack, conn.handle.index);
    struct rig_segment segment;
    rig_write(rig, &conn, text, sizeof text);
    assert_int_equal(rig_drain(rig), 3);
    path_lower(rig->stack, &c->tuple.remote, 1000);
    assert_int_equal(c->mtu, 1500);
    const struct tcp_mtu_claim claim = {.mtu = 1400, .quoted_size = 1500, .quoted_seq = {conn.ack}};
    tcp_mtu_claimed(rig->stack, c, &claim);
    assert_int_equal(c->mtu, 1000);
    assert_true(rig_output(rig, NULL, &segment));
    assert_int_equal(segment.length, 960);
    assert_null(duet_check(rig->stack));
    stop(rig);
}

/* ---- what hardly anybody configures ---- */

/* As Linux probes: nothing but a number that was acknowledged long ago. */
static void probes_of_a_closed_window_without_text(void **state)
{
    (void)state;
    config.empty_window_probes = true;
    struct rig *rig = start();
    struct rig_conn conn = accepted(rig, &offer);
    struct rig_segment probe;
    conn.window = 0;
    rig_say(rig, &conn, 0, 0, NULL, 0);
    rig_write(rig, &conn, "waits", 5);
    rig_silence("the window is closed", rig);
    for (unsigned i = 0; i < 3; i++) {
        (void)until_something_leaves(rig, &probe);
        assert_int_equal(probe.length, 0);
        assert_int_equal(probe.seq, conn.ack - 1);
        assert_int_equal(rig_hits(rig, TCP_RULE_WINDOW_PROBE), i + 1);
        rig_silence("one probe", rig);
    }
    conn.window = 1;
    rig_say(rig, &conn, 0, 0, NULL, 0);
    (void)until_something_leaves(rig, &probe);
    assert_int_equal(probe.length, 1); /* an open window is probed with text */
    stop(rig);
}

/* RFC 7765: with an ACK the timer starts again, less the time for which the oldest segment has been out. */
static void timer_counts_from_the_oldest_of_few_segments(void **state)
{
    (void)state;
    for (unsigned with = 0; with < 2; with++) {
        rig_config(&config);
        config.rto_restart = with == 1;
        config.rack = false;
        struct rig *rig = start();
        struct rig_conn conn = {.tuple = rig_tuple(80, 4000), .trip = MS(200)};
        rig_accept(rig, &conn, &offer);
        rig_write(rig, &conn, "first", 5);
        assert_int_equal(rig_drain(rig), 1);
        assert_int_equal(duet_set(rig->stack, rig->now, conn.handle, DUET_OPTION_NODELAY, 1),
                         DUET_OK);
        rig_pass(rig, rig->now + MS(100));
        rig_write(rig, &conn, "second", 6);
        assert_int_equal(rig_drain(rig), 1);
        rig_pass(rig, rig->now + MS(150));
        conn.ack += 5;
        rig_say(rig, &conn, 0, 0, NULL, 0);
        const duet_time rto = rig_status(rig, &conn).rto;
        const duet_time due = until_something_leaves(rig, NULL);
        EXPECT("no earlier", due >= rto - (with == 1 ? MS(150) : 0));
        EXPECT("no later", due <= rto - (with == 1 ? MS(150) : 0) + MS(1));
        stop(rig);
    }
}

static void trace_without_room_counts_what_is_lost(void **state)
{
    (void)state;
    config.trace_events = 1;
    struct rig *rig = start();
    struct duet_trace_event event;
    (void)accepted(rig, &offer);
    const uint64_t lost = counters_of(rig).trace_lost;
    assert_true(lost > 3);
    assert_true(duet_next_trace(rig->stack, &event));
    assert_int_equal(event.kind, DUET_TRACE_CALL);
    assert_false(duet_next_trace(rig->stack, &event));
    stop(rig);
}

/* ---- what is counted ---- */

static void counters_tell_packets_and_bytes(void **state)
{
    (void)state;
    struct rig *rig = start();
    struct rig_conn conn = accepted(rig, &offer); /* SYN, ACK; SYN,ACK with an MSS */
    rig_write(rig, &conn, "text", 4);
    assert_int_equal(rig_drain(rig), 1);
    rig_say(rig, &conn, DUET_PSH, 0, "answer", 6);
    const struct duet_counters counters = counters_of(rig);
    assert_int_equal(counters.packets_in, 3);
    assert_int_equal(counters.segments_in, 3);
    assert_int_equal(counters.bytes_in, 44 + 40 + 46);
    assert_int_equal(counters.packets_out, 2);
    assert_int_equal(counters.segments_out, 2);
    assert_int_equal(counters.bytes_out, 44 + 44);
    assert_int_equal(counters.segments_retransmitted, 0);
    assert_int_equal(counters.listeners, 1);
    assert_int_equal(counters.connections, 1);
    stop(rig);
}

/* Of a transfer that is measured the trace says how long the round trip took. */
static void trace_tells_each_round_trip(void **state)
{
    (void)state;
    config.trace_events = 100;
    struct rig *rig = start();
    struct rig_conn conn = accepted(rig, &offer);
    struct duet_trace_event event;
    bool told = false;
    rig_write(rig, &conn, "text", 4);
    assert_int_equal(rig_drain(rig), 1);
    while (duet_next_trace(rig->stack, &event))
        continue;
    rig_pass(rig, rig->now + MS(70));
    conn.ack += 4;
    rig_say(rig, &conn, 0, 0, NULL, 0);
    while (duet_next_trace(rig->stack, &event))
        told |= event.kind == DUET_TRACE_CONGESTION && event.u.congestion.rtt == MS(70);
    assert_true(told);
    stop(rig);
}

/* ---- ends ---- */

/* Closed while the handle is held, but later than another's record began: records are in order of expiry. */
static void handle_closed_in_time_wait_waits_as_long_as_the_newest(void **state)
{
    (void)state;
    config.msl = SEC(10);
    struct rig *rig = start();
    const struct rig_conn held = rig_time_wait(rig, rig_tuple(80, 4000), USER, &offer);
    rig_pass(rig, rig->now + MS(500));
    (void)rig_time_wait(rig, rig_tuple(80, 4001), NOBODY, &offer);
    assert_int_equal(duet_close(rig->stack, rig->now, held.handle), DUET_OK);
    rig_take_events(rig);
    assert_int_equal(counters_of(rig).time_wait, 2);
    const struct age_ring *age = &rig->stack->time_wait.age;
    const struct tcp_time_wait *records = rig->stack->time_wait.records;
    assert_int_equal(records[age_ring_index(age, age->head)].expires_us,
                     records[age_ring_index(age, age->head + 1)].expires_us);
    rig_pass(rig, rig->now + SEC(20) + MS(1));
    assert_int_equal(counters_of(rig).time_wait, 0);
    stop(rig);
}

/* What leaves is watched (I-06): a FIN that carries no text may follow although recovery has made the window smaller
 * than what is in the network. */
static void fin_beyond_the_congestion_window(void **state)
{
    (void)state;
    static const uint8_t text[20000];
    config.controller = DUET_NEWRENO;
    struct rig *rig = start();
    struct rig_conn conn = accepted(rig, &offer);
    struct rig_segment segment;
    rig_write(rig, &conn, text, 10000);
    assert_int_equal(rig_drain(rig), 10);
    conn.ack += 10000;
    rig_say(rig, &conn, 0, 0, NULL, 0); /* slow start: the window doubles */
    const uint32_t window = rig_status(rig, &conn).congestion_window;
    rig_write(rig, &conn, text, window);
    assert_int_equal(rig_drain(rig), window / 1000);
    for (unsigned i = 0; i < 3; i++)
        rig_say(rig, &conn, 0, 0, NULL, 0);
    assert_int_equal(rig_drain(rig), 1);
    assert_in_range(rig_status(rig, &conn).congestion_window, 2000, window - 4000);
    assert_int_equal(duet_shutdown(rig->stack, rig->now, conn.handle), DUET_OK);
    assert_true(rig_output(rig, NULL, &segment));
    assert_int_equal(segment.flags, DUET_FIN | DUET_ACK);
    assert_int_equal(segment.seq, conn.ack + window);
    stop(rig);
}

static void shutdown_twice_while_the_first_waits(void **state)
{
    (void)state;
    struct rig *rig = start();
    const struct tcp_tuple tuple = rig_tuple(80, 4000);
    const struct duet_connect_options options = {.local = {tuple.local, 80},
                                                 .remote = {tuple.remote, 4000}};
    struct duet_handle handle;
    struct rig_segment syn = offer;
    assert_int_equal(duet_connect(rig->stack, rig->now, &options, &handle), DUET_OK);
    assert_int_equal(rig_drain(rig), 1);
    assert_int_equal(duet_send(rig->stack, rig->now, handle, "queued", 6, 0), 6);
    syn.flags = DUET_SYN; /* both open: SYN-RECEIVED */
    rig_input(rig, &tuple, &syn);
    assert_int_equal(duet_shutdown(rig->stack, rig->now, handle), DUET_OK);
    assert_int_equal(duet_shutdown(rig->stack, rig->now, handle), DUET_E_CLOSING);
    assert_int_equal(duet_send(rig->stack, rig->now, handle, "more", 4, 0), DUET_E_CLOSING);
    stop(rig);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, defaults)
    const struct CMUnitTest tests[] = {
        TEST(abort_finds_no_room_for_its_rst),
        TEST(half_open_record_finds_no_room_for_its_ack),
        TEST(cookie_finds_no_room),
        TEST(echo_finds_no_room_and_gives_its_page_back),
        TEST(echo_finds_no_page),
        TEST(echoes_beyond_the_limit_are_dropped),
        TEST(large_packet_finds_little_memory),
        TEST(listeners_share_a_bucket),
        TEST(remote_address_of_a_family_that_we_have_not),
        TEST(nearest_of_our_addresses_is_the_source),
        TEST(nearest_of_our_addresses_of_ipv6_is_the_source),
        TEST(what_has_no_name_says_so),
        TEST(rules_and_edges_beyond_the_last),
        TEST(own_address_is_the_source_of_what_goes_to_it),
        TEST(any_local_address_but_a_group),
        TEST(syn_ack_at_a_half_open_record),
        TEST(reports_of_duplicates_that_tell_nothing),
        TEST(duplicate_in_the_second_block),
        TEST(duplicate_of_what_was_never_sent),
        TEST(fin_in_front_of_text_that_came_twice),
        TEST(ipv6_length_that_cannot_be),
        TEST(claim_about_a_path_that_is_known_to_be_smaller),
        TEST(probes_of_a_closed_window_without_text),
        TEST(timer_counts_from_the_oldest_of_few_segments),
        TEST(trace_without_room_counts_what_is_lost),
        TEST(counters_tell_packets_and_bytes),
        TEST(trace_tells_each_round_trip),
        TEST(handle_closed_in_time_wait_waits_as_long_as_the_newest),
        TEST(fin_beyond_the_congestion_window),
        TEST(shutdown_twice_while_the_first_waits),
    };
    return cmocka_run_group_tests_name("rare ways", tests, NULL, NULL);
}
