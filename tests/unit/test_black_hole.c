/* SPDX-License-Identifier: MIT */
/* Two stacks, a wire, and a path that swallows what is larger than its MTU without a word (RFC 2923,
 * 2.1; RFC 4821, 7): the transfer completes, segments grow to what the path takes, and nothing but
 * probes is ever larger. */
#include "rig.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "duet/link.h"
#include "host/coverage.h"

#define MS DUET_MILLISECOND

enum { PORT = 80, CHUNK = 1 << 16 };

struct end {
    struct duet_stack *stack;
    void *block;
    struct duet_link *link;
    struct duet_handle handle;
    uint32_t largest; /* packet sent */
};

struct pair {
    struct end a, b;
    duet_time now;
    uint64_t to_send, received;
    bool accepted, failed;
    unsigned swallowed;
    uint8_t sum_sent, sum_received; /* of the bytes */
};

struct path_case {
    const char *name;
    uint32_t link_mtu, path_mtu, initial;
    bool ipv6, timestamps;
    uint16_t least, most; /* what the search ends with */
};

static void told(void *context, enum duet_fault fault, duet_time now,
                 const struct duet_packet *packet)
{
    struct pair *pair = context;
    (void)now;
    (void)packet;
    assert_int_equal(fault, DUET_FAULT_MTU);
    pair->swallowed++;
}

static void start_end(struct end *end, const struct path_case *row, struct tcp_tuple tuple,
                      uint8_t seed)
{
    struct duet_config config;
    rig_config(&config);
    for (unsigned i = 0; i < DUET_SECRET_SIZE; i++)
        config.secret[i] = (uint8_t)(seed + i);
    config.interfaces[0] = (struct duet_interface){tuple.local, 24};
    config.interface_count = 1;
    config.mtu = row->link_mtu;
    config.mtu_initial = row->initial;
    config.timestamps = row->timestamps;
    config.pages_max = 2048;
    config.send_buffer = config.receive_buffer = 512 * 1024;
    size_t size = duet_stack_footprint(&config);
    assert_true(size > 0);
    end->block = malloc(size);
    assert_int_equal(duet_stack_init(end->block, size, &config, &end->stack), DUET_OK);
}

static void start_pair_over(struct pair *pair, const struct path_case *row, duet_time delay)
{
    *pair = (struct pair){0};
    const struct duet_fault_choice choice = {.told = told, .context = pair};
    struct tcp_tuple tuple = row->ipv6 ? rig_tuple6(0, PORT) : rig_tuple(0, PORT);
    struct tcp_tuple other = {.local = tuple.remote, .remote = tuple.local};
    start_end(&pair->a, row, tuple, 1);
    start_end(&pair->b, row, other, 2);
    assert_int_equal(duet_wire_pair(delay, &pair->a.link, &pair->b.link), 0);
    assert_int_equal(duet_fault_mtu(pair->a.link, &choice, row->path_mtu, &pair->a.link), 0);
    const struct duet_listen_options listen = {.local = {.address = other.local, .port = PORT},
                                               .backlog = 1};
    assert_int_equal(duet_listen(pair->b.stack, 0, &listen, &pair->b.handle), DUET_OK);
    const struct duet_connect_options connect = {.local = {.address = tuple.local},
                                                 .remote = {.address = tuple.remote, .port = PORT}};
    assert_int_equal(duet_connect(pair->a.stack, 0, &connect, &pair->a.handle), DUET_OK);
}

static void start_pair(struct pair *pair, const struct path_case *row)
{
    start_pair_over(pair, row, 10 * MS);
}

static void end_pair(struct pair *pair)
{
    assert_null(duet_check(pair->a.stack));
    duet_coverage_note(pair->a.stack);
    pair->a.link->close(pair->a.link);
    pair->b.link->close(pair->b.link);
    free(pair->a.block);
    free(pair->b.block);
}

static void take_events(struct pair *pair, struct end *end)
{
    struct duet_event event;
    while (duet_next_event(end->stack, &event)) {
        struct duet_handle handle;
        if (end == &pair->b && !pair->accepted &&
            duet_accept(end->stack, pair->now, end->handle, &handle, NULL) == DUET_OK) {
            end->handle = handle;
            pair->accepted = true;
        }
        if ((event.bits & DUET_EVENT_CLOSED) != 0)
            pair->failed = true;
    }
}

/* Byte n of the stream is n / 251, so that a piece in the wrong place is noticed. */
static uint8_t byte_at(uint64_t n)
{
    return (uint8_t)(n * 7 + n / 251);
}

static void write_some(struct pair *pair, uint64_t total)
{
    static uint8_t bytes[CHUNK];
    uint64_t from = total - pair->to_send;
    uint32_t n = pair->to_send < CHUNK ? (uint32_t)pair->to_send : CHUNK;
    for (uint32_t i = 0; i < n; i++)
        bytes[i] = byte_at(from + i);
    int64_t sent = n == 0 ? 0 : duet_send(pair->a.stack, pair->now, pair->a.handle, bytes, n, 0);
    if (sent > 0)
        pair->to_send -= (uint64_t)sent;
}

static void read_some(struct pair *pair)
{
    static uint8_t bytes[CHUNK];
    int64_t n;
    while (pair->accepted &&
           (n = duet_receive(pair->b.stack, pair->now, pair->b.handle, bytes, CHUNK)) > 0)
        for (int64_t i = 0; i < n; i++)
            assert_int_equal(bytes[i], byte_at(pair->received++));
}

static bool move(struct pair *pair, struct end *end)
{
    static uint8_t bytes[65536];
    struct duet_packet packet = {.data = bytes, .size = sizeof bytes};
    bool moved = false;
    while (end->link->receive(end->link, pair->now, &packet)) {
        duet_input(end->stack, pair->now, &packet);
        moved = true;
    }
    duet_expire(end->stack, pair->now);
    for (;;) {
        packet = (struct duet_packet){.data = bytes, .size = sizeof bytes};
        if (!duet_output(end->stack, pair->now, &packet))
            return moved;
        end->largest = max_u32(end->largest, packet.length);
        assert_true(end->link->send(end->link, pair->now, &packet));
        moved = true;
    }
}

static duet_time next_of(const struct end *end)
{
    duet_time link = end->link->deadline(end->link);
    duet_time stack = duet_deadline(end->stack);
    return link < stack ? link : stack;
}

/* Sends bytes more from a to b; the virtual time that this took, or DUET_NEVER: it failed. */
static duet_time transfer(struct pair *pair, uint64_t bytes)
{
    duet_time start = pair->now;
    uint64_t goal = pair->received + bytes;
    pair->to_send = bytes;
    while (pair->received < goal && !pair->failed) {
        write_some(pair, goal);
        bool moved = move(pair, &pair->a);
        moved = move(pair, &pair->b) || moved;
        take_events(pair, &pair->a);
        take_events(pair, &pair->b);
        read_some(pair);
        if (moved || pair->failed)
            continue;
        duet_time next =
            next_of(&pair->a) < next_of(&pair->b) ? next_of(&pair->a) : next_of(&pair->b);
        assert_true(next < DUET_NEVER);
        assert_true(next - start < 3600 * DUET_SECOND);
        pair->now = next > pair->now ? next : pair->now + 1;
    }
    return pair->failed ? DUET_NEVER : pair->now - start;
}

static uint16_t found_mtu(const struct pair *pair, const struct path_case *row)
{
    struct duet_address remote = row->ipv6 ? rig_tuple6(1, 1).remote : rig_tuple(1, 1).remote;
    const struct path *path = path_peek(pair->a.stack, &remote);
    return path == NULL ? path_default(pair->a.stack, &remote) : path->mtu;
}

static const struct path_case cases[] = {
    {"all of it", 1500, 1500, 0, false, true, 1500, 1500},
    {"one byte less", 1500, 1499, 0, false, true, 1492, 1499},
    {"PPPoE", 1500, 1492, 0, false, true, 1485, 1492},
    {"a tunnel", 1500, 1400, 0, false, true, 1393, 1400},
    {"a tunnel, no timestamps", 1500, 1400, 0, false, false, 1393, 1400},
    {"1300", 1500, 1300, 0, false, true, 1293, 1300},
    {"just above the base", 1500, 1065, 0, false, true, 1064, 1065},
    {"the base", 1500, 1064, 0, false, true, 1064, 1064},
    {"below the base", 1500, 1063, 0, false, true, 1056, 1063},
    {"576", 1500, 576, 0, false, true, 569, 576},
    {"the floor", 1500, 552, 0, false, true, 552, 552},
    {"IPv6, a tunnel", 1500, 1400, 0, true, true, 1393, 1400},
    {"IPv6, one byte less", 1500, 1499, 0, true, true, 1492, 1499},
    {"IPv6, just above the least", 1500, 1281, 0, true, true, 1280, 1281},
    {"IPv6, the least", 1500, 1280, 0, true, true, 1280, 1280},
    {"jumbo link, path of Ethernet", 9000, 1500, 0, false, true, 1493, 1500},
    {"jumbo link, IPv6", 9000, 1500, 0, true, true, 1493, 1500},
    {"jumbo link, jumbo path", 9000, 9000, 0, false, true, 9000, 9000},
    {"jumbo link, cautious start", 9000, 9000, 1024, false, true, 9000, 9000},
    {"jumbo link, cautious start, Ethernet", 9000, 1500, 1024, false, true, 1493, 1500},
    {"jumbo link, odd path", 9000, 4470, 1500, true, true, 4463, 4470},
};

/* 4821-1, 4821-2, 4821-8, 4821-9, 8899-2, 8899-6: whatever the path takes, it is found. */
static void transfer_finds_the_mtu_of_the_path(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct path_case *row = &cases[i];
        struct pair pair;
        start_pair(&pair, row);
        duet_time took = transfer(&pair, 12000000);
        uint16_t mtu = found_mtu(&pair, row);
        if (took == DUET_NEVER || mtu < row->least || mtu > row->most)
            fail_msg("%s: took %lld ms, found %u", row->name, (long long)(took / MS), mtu);
        EXPECT(row->name, pair.a.largest <= row->link_mtu);
        /* Found: nothing is swallowed any more. */
        unsigned swallowed = pair.swallowed;
        EXPECT(row->name, transfer(&pair, 2000000) < 60 * DUET_SECOND);
        EXPECT_EQUAL(row->name, pair.swallowed, swallowed);
        if (getenv("SHOW") != NULL)
            print_message("%s: %lld ms, found %u, swallowed %u\n", row->name,
                          (long long)(took / MS), mtu, swallowed);
        end_pair(&pair);
    }
}

/* A path narrower than the floor carries nothing of ours but small writes. */
static void path_below_the_floor_ends_by_timeout(void **state)
{
    (void)state;
    static const struct path_case rows[] = {
        {"IPv4", 1500, 551, 0, false, true, 552, 552},
        {"IPv6", 1500, 1279, 0, true, true, 1280, 1280},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct pair pair;
        start_pair(&pair, &rows[i]);
        EXPECT(rows[i].name, transfer(&pair, 100000) == DUET_NEVER);
        EXPECT_EQUAL(rows[i].name, found_mtu(&pair, &rows[i]), rows[i].least);
        end_pair(&pair);
    }
}

/* The wire of a's side again, with another path on it. */
static void change_path(struct pair *pair, uint32_t path_mtu)
{
    const struct duet_fault_choice choice = {.told = told, .context = pair};
    assert_int_equal(duet_fault_mtu(pair->a.link, &choice, path_mtu, &pair->a.link), 0);
}

/* 4821-8: a path that shrinks in the middle of a transfer, long before R2. */
static void path_shrinks_while_data_flows(void **state)
{
    (void)state;
    static const struct path_case row = {"shrinks", 1500, 1500, 0, false, true, 1293, 1300};
    struct pair pair;
    start_pair(&pair, &row);
    assert_true(transfer(&pair, 1000000) < 60 * DUET_SECOND);
    change_path(&pair, 1300);
    assert_true(transfer(&pair, 10000000) < 120 * DUET_SECOND);
    assert_in_range(found_mtu(&pair, &row), row.least, row.most);
    end_pair(&pair);
}

/* 4821-6: ten minutes after it was found a larger one is tried, once if the path carries it. */
static void path_that_has_grown_is_noticed_after_ten_minutes(void **state)
{
    (void)state;
    static const struct path_case row = {"grows", 1500, 1500, 0, false, true, 1500, 1500};
    struct pair pair;
    start_pair(&pair, &row);
    struct duet_address remote = rig_tuple(1, 1).remote;
    path_lower(pair.a.stack, &remote, 1400);
    assert_true(transfer(&pair, 1000000) < 60 * DUET_SECOND);
    assert_int_equal(pair.a.largest, 1400);
    pair.now = 599 * DUET_SECOND;
    assert_true(transfer(&pair, 100000) < DUET_SECOND);
    assert_int_equal(pair.a.largest, 1400);
    pair.now = 600 * DUET_SECOND;
    assert_true(transfer(&pair, 100000) < DUET_SECOND);
    assert_int_equal(found_mtu(&pair, &row), 1500);
    assert_int_equal(pair.swallowed, 0);
    end_pair(&pair);
}

static uint64_t probes_lost(const struct pair *pair)
{
    return pair->a.stack->rule_hits[TCP_RULE_MTU_PROBE_FAILED] +
           pair->a.stack->rule_hits[TCP_RULE_MTU_PROBE_INCONCLUSIVE];
}

/* A round trip for each segment that the window lets out (RFC 4821, 4). */
static duet_time headway_of(const struct pair *pair)
{
    struct tcp_conn *c = conn_at(pair->a.stack, pair->a.handle.index);
    const uint32_t window = min_u32(c->cwnd, c->snd.wnd);
    return (duet_time)(window / tcp_send_mss(c)) * (c->srtt_us >> 3) * DUET_MICROSECOND;
}

/* 4821-4: probes whose loss has no response of congestion control come less often than losses at which TCP
 * would be as fast: one in a headway. A search may run ahead by the ten minutes of its rest, and then waits. */
static void lost_probes_are_rarer_than_losses_would_be(void **state)
{
    (void)state;
    static const struct path_case row = {"far", 9000, 1500, 1500, false, true, 1500, 1500};
    struct pair pair;
    duet_time owed = 0, longest = 0;
    bool waited = false;
    start_pair_over(&pair, &row, 1500 * MS);
    assert_true(transfer(&pair, 4000000) < 120 * DUET_SECOND);
    const duet_time start = pair.now;
    uint64_t failed = probes_lost(&pair); /* while the window was small */
    while (pair.now - start < 3600 * DUET_SECOND) {
        const duet_time before = headway_of(&pair);
        assert_true(transfer(&pair, 600000) < 60 * DUET_SECOND);
        const uint64_t now = probes_lost(&pair);
        const duet_time after = headway_of(&pair);
        const duet_time headway = before < after ? before : after;
        owed += (duet_time)(now - failed) * headway;
        longest = headway > longest ? headway : longest;
        failed = now;
        EXPECT("less often", owed <= pair.now - start + 600 * DUET_SECOND + longest);
        waited = waited || owed > 600 * DUET_SECOND;
    }
    EXPECT("the search was long enough to wait", waited);
    EXPECT("it went on", owed > longest);
    if (getenv("SHOW") != NULL)
        print_message("%d probes lost, headways of %d s in all, %d s at most\n", (int)failed,
                      (int)(owed / DUET_SECOND), (int)(longest / DUET_SECOND));
    end_pair(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transfer_finds_the_mtu_of_the_path),
        cmocka_unit_test(path_below_the_floor_ends_by_timeout),
        cmocka_unit_test(path_shrinks_while_data_flows),
        cmocka_unit_test(path_that_has_grown_is_noticed_after_ten_minutes),
        cmocka_unit_test(lost_probes_are_rarer_than_losses_would_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
