/* SPDX-License-Identifier: MIT */
/* Path MTU discovery of one stack by hand: packet-too-big of every size at every stage, forged ones
 * among them, and the corners of probing. Timelines are in tests/lifecycle/icmp and mtu. */
#include "rig.h"

#include "base/bytes.h"
#include "host/coverage.h"

enum { PORT = 80, TEXT = 14400, FULL = 1500, SEQUENCE = 1000 };

/* The RTO of these round trips is 200 ms, the second one twice that. */
#define ONE_TIMEOUT (250 * DUET_MILLISECOND)
#define TEN_MINUTES (600 * DUET_SECOND)

static uint8_t octets[60000];

static void finish(struct rig *rig)
{
    assert_null(duet_check(rig->stack));
    duet_coverage_note(rig->stack);
    rig_end(rig);
}

/* Open, with ISS a little below 2^32, so that what is in flight lies on both sides of it. The clock
 * of the ISN ticks every 4 microseconds. */
static void open_by(struct rig *rig, struct rig_conn *conn, struct tcp_tuple tuple, bool sack)
{
    const struct rig_segment offer = {.seq = SEQUENCE, .window = 65535, .mss = 1460, .sack = sack};
    *conn = (struct rig_conn){.tuple = tuple, .trip = 10 * DUET_MILLISECOND};
    uint32_t ticks = 0xfffffc00 - tcp_isn(rig->stack, &tuple).raw;
    rig->now += (duet_time)ticks * 4 * DUET_MICROSECOND;
    rig_connect(rig, conn, &offer);
    rig_take_events(rig);
}

static void open_conn(struct rig *rig, struct rig_conn *conn, struct tcp_tuple tuple)
{
    open_by(rig, conn, tuple, false);
}

static void start(struct rig *rig, struct rig_conn *conn, struct tcp_tuple tuple)
{
    struct duet_config config;
    rig_config(&config);
    rig_start(rig, &config);
    open_conn(rig, conn, tuple);
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

static bool is_ipv6(const struct tcp_tuple *tuple)
{
    return tuple->local.bytes[0] == 0xfd;
}

/* An IPv4 or IPv6 header at bytes, between these two; its length. */
static uint32_t put_ip(uint8_t *bytes, const struct duet_address *from,
                       const struct duet_address *to, uint8_t protocol, uint32_t payload)
{
    if (from->bytes[0] == 0xfd) {
        memset(bytes, 0, 40);
        bytes[0] = 0x60;
        put16(bytes + 4, payload);
        bytes[6] = protocol;
        bytes[7] = 64;
        memcpy(bytes + 8, from->bytes, 16);
        memcpy(bytes + 24, to->bytes, 16);
        return 40;
    }
    memset(bytes, 0, 20);
    bytes[0] = 0x45;
    put16(bytes + 2, 20 + payload);
    put16(bytes + 6, 0x4000);
    bytes[8] = 64;
    bytes[9] = protocol;
    memcpy(bytes + 12, from->bytes + 12, 4);
    memcpy(bytes + 16, to->bytes + 12, 4);
    put16(bytes + 10, ~rig_sum(0, bytes, 20) & 0xffff);
    return 20;
}

/* An ICMP message of the family, its checksum filled in, to the stack. */
static void input_icmp(struct rig *rig, const struct tcp_tuple *tuple, uint8_t *icmp,
                       uint32_t length)
{
    static uint8_t bytes[2048];
    bool six = is_ipv6(tuple);
    uint32_t head = put_ip(bytes, &tuple->remote, &tuple->local, six ? 58 : 1, length);
    memcpy(bytes + head, icmp, length);
    uint32_t sum = 0;
    if (six) {
        sum = rig_sum(0, bytes + 8, 32);
        sum = rig_sum(sum + length + 58, bytes, 0);
    }
    put16(bytes + head + 2, 0);
    put16(bytes + head + 2, ~rig_sum(sum, bytes + head, length) & 0xffff);
    const struct duet_packet packet = {
        .data = bytes, .size = head + length, .length = head + length};
    duet_input(rig->stack, rig->now, &packet);
}

/* Packet too big, about a packet of size bytes that began with the octet at offset. */
static void say_too_big(struct rig *rig, const struct rig_conn *conn, uint32_t mtu, uint32_t size,
                        uint32_t offset)
{
    uint8_t icmp[8 + 40 + 8] = {0};
    const struct tcp_tuple *tuple = &conn->tuple;
    bool six = is_ipv6(tuple);
    icmp[0] = six ? 2 : 3;
    icmp[1] = six ? 0 : 4;
    if (six)
        put32(icmp + 4, mtu);
    else
        put16(icmp + 6, mtu);
    uint32_t head = put_ip(icmp + 8, &tuple->local, &tuple->remote, 6, size - (six ? 40 : 20));
    put16(icmp + 8 + head, tuple->local_port);
    put16(icmp + 8 + head + 2, tuple->remote_port);
    put32(icmp + 8 + head + 4, conn->iss + 1 + offset);
    input_icmp(rig, tuple, icmp, 8 + head + 8);
}

static uint16_t mtu_of(const struct rig *rig, const struct rig_conn *conn)
{
    return conn_at(rig->stack, conn->handle.index)->mtu;
}

static uint32_t cwnd_of(const struct rig *rig, const struct rig_conn *conn)
{
    return conn_at(rig->stack, conn->handle.index)->cwnd;
}

static void acknowledge(struct rig *rig, struct rig_conn *conn, uint32_t upto)
{
    conn->ack = conn->iss + 1 + upto;
    rig_say(rig, conn, 0, 0, NULL, 0);
}

/* Plays a peer that takes everything, until upto octets have arrived; a round trip is 10 ms. Returns
 * the number of packets that left. largest: of them; smallest: of those that were not the last. */
struct packets {
    unsigned count;
    uint32_t largest, smallest;
};
static struct packets deliver(struct rig *rig, struct rig_conn *conn, uint32_t upto)
{
    struct packets packets = {.smallest = UINT32_MAX};
    uint32_t next = conn->ack - (conn->iss + 1);
    while (next < upto) {
        struct rig_segment segment;
        while (rig_output(rig, NULL, &segment)) {
            uint32_t at = segment.seq - (conn->iss + 1);
            EXPECT_BYTES("text", segment.text, octets + at, segment.length);
            packets.count++;
            packets.largest = max_u32(packets.largest, rig->packet.length);
            if (at + segment.length < upto)
                packets.smallest = min_u32(packets.smallest, rig->packet.length);
            if (at <= next && at + segment.length > next)
                next = at + segment.length;
        }
        rig_pass(rig, rig->now + 10 * DUET_MILLISECOND);
        acknowledge(rig, conn, next);
    }
    return packets;
}

/* E3, 1191-1, 1191-3, 5927-6, 8201-1, 8201-2, 8899-7: before anything was acknowledged. */
static void claims_of_every_size(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t claim;
        uint16_t ipv4, ipv6; /* what follows; IPv4: 0 is the next plateau */
    } rows[] = {
        {"0", 0, 1492, 1500},       {"1", 1, 552, 1500},          {"67", 67, 552, 1500},
        {"68", 68, 552, 1500},      {"551", 551, 552, 1500},      {"552", 552, 552, 1500},
        {"553", 553, 553, 1500},    {"1279", 1279, 1279, 1500},   {"1280", 1280, 1280, 1280},
        {"1281", 1281, 1281, 1281}, {"1499", 1499, 1499, 1499},   {"1500", 1500, 1500, 1500},
        {"1501", 1501, 1500, 1500}, {"65535", 65535, 1500, 1500},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (unsigned six = 0; six < 2; six++) {
            struct rig rig;
            struct rig_conn conn;
            start(&rig, &conn, six ? rig_tuple6(PORT, 1) : rig_tuple(PORT, 1));
            rig_write(&rig, &conn, octets, TEXT);
            (void)rig_drain(&rig);
            uint16_t mtu = six ? rows[i].ipv6 : rows[i].ipv4;
            say_too_big(&rig, &conn, rows[i].claim, FULL, 1460);
            EXPECT_EQUAL(rows[i].name, mtu_of(&rig, &conn), mtu);
            say_too_big(&rig, &conn, rows[i].claim, FULL, 1460); /* again: no lower for it */
            if (rows[i].claim != 0)
                EXPECT_EQUAL(rows[i].name, mtu_of(&rig, &conn), mtu);
            mtu = mtu_of(&rig, &conn);
            struct packets packets = deliver(&rig, &conn, TEXT);
            EXPECT(rows[i].name, packets.largest <= mtu);
            EXPECT(rows[i].name, packets.count <= 2 * (TEXT / (mtu - 60U) + 1));
            finish(&rig);
        }
    }
}

/* What a claim says about itself counts, too: a packet that fits was not too big. */
static void claim_about_a_packet_that_fits(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_conn conn;
    start(&rig, &conn, rig_tuple(PORT, 1));
    rig_write(&rig, &conn, octets, 900); /* nothing larger than 940 was sent */
    assert_int_equal(rig_drain(&rig), 1);
    say_too_big(&rig, &conn, 1400, FULL, 0);
    say_too_big(&rig, &conn, 940, FULL, 0);
    say_too_big(&rig, &conn, 939, 939, 0);
    assert_int_equal(mtu_of(&rig, &conn), FULL);
    assert_int_equal(rig_hits(&rig, TCP_RULE_ICMP_MTU_NOT_LOWER), 3);
    say_too_big(&rig, &conn, 939, 940, 0);
    assert_int_equal(mtu_of(&rig, &conn), 939);
    (void)deliver(&rig, &conn, 900);
    finish(&rig);
}

/* C14, 8201-5: a forged one for one flow changes neither echo replies nor other hosts. */
static void forged_claim_leaves_others_alone(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_conn conn, other;
    start(&rig, &conn, rig_tuple(PORT, 1));
    struct tcp_tuple neighbour = rig_tuple(PORT, 1);
    neighbour.remote.bytes[15] = 3;
    rig_write(&rig, &conn, octets, TEXT);
    (void)rig_drain(&rig);
    say_too_big(&rig, &conn, 552, FULL, 0);
    assert_int_equal(mtu_of(&rig, &conn), 552);
    (void)deliver(&rig, &conn, TEXT);

    static uint8_t echo[FULL - 20] = {8};
    input_icmp(&rig, &conn.tuple, echo, sizeof echo);
    static uint8_t out[FULL];
    struct duet_packet packet = {.data = out, .size = sizeof out};
    assert_true(duet_output(rig.stack, rig.now, &packet));
    assert_int_equal(packet.length, FULL);

    open_conn(&rig, &other, neighbour);
    assert_int_equal(mtu_of(&rig, &other), FULL);
    finish(&rig);
}

/* 5927-7: the proof that a size passes outlives the transfer in which it was seen. */
static void proof_outlives_the_transfer(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_conn conn;
    start(&rig, &conn, rig_tuple6(PORT, 1));
    rig_write(&rig, &conn, octets, 1440);
    (void)deliver(&rig, &conn, 1440);
    rig_pass(&rig, rig.now + 3600 * DUET_SECOND);
    rig_write(&rig, &conn, octets + 1440, 1440);
    assert_int_equal(rig_drain(&rig), 1);
    say_too_big(&rig, &conn, 1280, FULL, 1440);
    assert_int_equal(mtu_of(&rig, &conn), FULL);
    assert_int_equal(rig_hits(&rig, TCP_RULE_ICMP_MTU_UNCONFIRMED), 1);
    rig_pass(&rig, rig.now + 5 * DUET_SECOND);
    assert_int_equal(mtu_of(&rig, &conn), 1280);
    assert_int_equal(rig_hits(&rig, TCP_RULE_ICMP_MTU_CONFIRMED), 1);
    (void)deliver(&rig, &conn, 2880);
    finish(&rig);
}

/* Nothing that is sent in SYN-SENT is large. */
static void claim_about_a_syn(void **state)
{
    (void)state;
    struct rig rig;
    struct duet_config config;
    struct rig_conn conn = {.tuple = rig_tuple(PORT, 1)};
    rig_config(&config);
    rig_start(&rig, &config);
    const struct duet_connect_options options = {.local = {conn.tuple.local, PORT},
                                                 .remote = {conn.tuple.remote, 1}};
    assert_int_equal(duet_connect(rig.stack, 0, &options, &conn.handle), DUET_OK);
    struct rig_segment syn;
    assert_true(rig_output(&rig, NULL, &syn));
    conn.iss = syn.seq - 1; /* say_too_big adds one */
    say_too_big(&rig, &conn, 552, 60, 0);
    say_too_big(&rig, &conn, 552, FULL, 0);
    assert_int_equal(mtu_of(&rig, &conn), FULL);
    assert_int_equal(rig_hits(&rig, TCP_RULE_ICMP_MTU_NOT_LOWER), 2);
    finish(&rig);
}

/* A limit that the user has set is not raised by what the path takes, but lowered. */
static void limit_of_the_user_stays(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_conn conn;
    start(&rig, &conn, rig_tuple(PORT, 1));
    assert_int_equal(duet_set(rig.stack, rig.now, conn.handle, DUET_OPTION_MSS, 1160), DUET_OK);
    rig_write(&rig, &conn, octets, TEXT);
    assert_int_equal(deliver(&rig, &conn, TEXT).largest, 1200);
    struct path *path = path_obtain(rig.stack, &conn.tuple.remote);
    path_raise(rig.stack, path, FULL);
    rig_write(&rig, &conn, octets + TEXT, TEXT);
    assert_int_equal(deliver(&rig, &conn, 2 * TEXT).largest, 1200);
    path_lower(rig.stack, &conn.tuple.remote, 1000);
    rig_write(&rig, &conn, octets + 2 * TEXT, TEXT);
    assert_int_equal(deliver(&rig, &conn, 3 * TEXT).largest, 1000);
    finish(&rig);
}

/* A path of 1300 bytes of which a probe is due, and text for it queued. */
static void start_probing(struct rig *rig, struct rig_conn *conn)
{
    start(rig, conn, rig_tuple(PORT, 1));
    struct path *path = path_obtain(rig->stack, &conn->tuple.remote);
    path->search_low = path->mtu = 1300;
    rig->stack->paths.epoch++;
    rig_write(rig, conn, octets, TEXT);
    struct rig_segment segment;
    assert_true(rig_output(rig, NULL, &segment));
    assert_int_equal(rig->packet.length, FULL);
    assert_int_equal(rig_hits(rig, TCP_RULE_MTU_PROBE), 1);
}

/* 4821-7: no second probe before the first is resolved. 4821-5: the window in bytes stays. */
static void one_probe_at_a_time(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_conn conn;
    start_probing(&rig, &conn);
    struct rig_segment segment;
    uint32_t window = cwnd_of(&rig, &conn);
    while (rig_output(&rig, NULL, &segment))
        EXPECT("segment", rig.packet.length <= 1300);
    rig_pass(&rig, rig.now + 10 * DUET_MILLISECOND);
    acknowledge(&rig, &conn, 1460);
    assert_int_equal(mtu_of(&rig, &conn), FULL);
    assert_in_range(cwnd_of(&rig, &conn), window, window + 1460); /* slow start */
    (void)deliver(&rig, &conn, TEXT);
    assert_int_equal(rig_hits(&rig, TCP_RULE_MTU_PROBE), 1);
    finish(&rig);
}

/* A link that cuts packets itself must not cut the probe, nor take more than it for one. */
static void probe_is_one_segment_though_the_link_cuts(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_conn conn;
    struct duet_config config;
    rig_config(&config);
    config.offload = DUET_OFFLOAD_SEGMENT;
    config.mtu_initial = 1300;
    rig_start(&rig, &config);
    open_conn(&rig, &conn, rig_tuple(PORT, 1));
    rig_write(&rig, &conn, octets, TEXT);
    assert_true(rig_output(&rig, NULL, NULL));
    assert_int_equal(rig.packet.length, FULL);
    assert_int_equal(rig.packet.segment_size, 0);
    assert_true(rig_output(&rig, NULL, NULL));
    assert_int_equal(rig.packet.segment_size, 1260);
    finish(&rig);
}

/* RFC 4821, 7.6.4: the timer runs out for what was sent before the probe, so all of it is lost. */
static void probe_lost_with_others_says_nothing(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_conn conn;
    start(&rig, &conn, rig_tuple(PORT, 1));
    rig_write(&rig, &conn, octets, 100);
    struct rig_segment segment;
    assert_true(rig_output(&rig, NULL, &segment));
    struct path *path = path_obtain(rig.stack, &conn.tuple.remote);
    path->search_low = path->mtu = 1300;
    rig.stack->paths.epoch++;
    rig_write(&rig, &conn, octets + 100, TEXT);
    rig_drain(&rig);
    assert_int_equal(rig_hits(&rig, TCP_RULE_MTU_PROBE), 1);
    rig_pass(&rig, rig.now + ONE_TIMEOUT);
    assert_int_equal(rig_hits(&rig, TCP_RULE_MTU_PROBE_INCONCLUSIVE), 1);
    assert_int_equal(path_peek(rig.stack, &conn.tuple.remote)->failures, 0);
    assert_true(path_peek(rig.stack, &conn.tuple.remote)->probe_at > rig.now - TEN_MINUTES);
    (void)deliver(&rig, &conn, TEXT + 100);
    finish(&rig);
}

/* 4821-4: losses without a response come no oftener, over the ten minutes that a search and its rest
 * take, than one in so many round trips as the window has segments. */
static void search_that_ran_ahead_waits(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_conn conn;
    start(&rig, &conn, rig_tuple(PORT, 1));
    struct path *path = path_obtain(rig.stack, &conn.tuple.remote);
    path->search_low = path->mtu = 1300;
    unsigned ahead = 0;
    while (path_next_probe(rig.stack, path, FULL) != 0) {
        path_space_probes(rig.stack, path, TEN_MINUTES / 20);
        assert_true(++ahead <= 21);
    }
    assert_int_equal(ahead, 21);
    rig.stack->now += TEN_MINUTES / 20 - 1;
    assert_int_equal(path_next_probe(rig.stack, path, FULL), 0);
    rig.stack->now++;
    assert_int_equal(path_next_probe(rig.stack, path, FULL), FULL);
    path_space_probes(rig.stack, path, TEN_MINUTES);
    rig.stack->now += TEN_MINUTES - 1; /* nothing is saved but what a pause makes good */
    assert_int_equal(path_next_probe(rig.stack, path, FULL), 0);
    rig.stack->now += 3 * TEN_MINUTES;
    path_space_probes(rig.stack, path, TEN_MINUTES);
    assert_int_equal(path_next_probe(rig.stack, path, FULL), FULL);
    path_space_probes(rig.stack, path, TEN_MINUTES);
    assert_int_equal(path_next_probe(rig.stack, path, FULL), 0);
    finish(&rig);
}

/* The probe itself is what times out: as good as lost alone. */
static void probe_that_times_out_has_failed(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_conn conn;
    start_probing(&rig, &conn);
    rig_drain(&rig);
    rig_pass(&rig, rig.now + ONE_TIMEOUT);
    assert_int_equal(rig_hits(&rig, TCP_RULE_MTU_PROBE_FAILED), 1);
    assert_int_equal(path_peek(rig.stack, &conn.tuple.remote)->failures, 1);
    assert_int_equal(mtu_of(&rig, &conn), 1300);
    assert_true(deliver(&rig, &conn, TEXT).largest <= 1300);
    finish(&rig);
}

/* Its record gave way to others while the probe was under way: nothing is learnt, all goes on. */
static void record_gives_way_during_a_probe(void **state)
{
    (void)state;
    for (unsigned acknowledged = 0; acknowledged < 2; acknowledged++) {
        struct rig rig;
        struct rig_conn conn;
        start_probing(&rig, &conn);
        rig_drain(&rig);
        for (uint32_t i = 0; i < 1000; i++) {
            struct duet_address stranger = duet_ipv4(192, 0, (uint8_t)(i >> 8), (uint8_t)i);
            rig.stack->now++;
            path_lower(rig.stack, &stranger, 1400);
        }
        rig.now = rig.stack->now;
        assert_null(path_peek(rig.stack, &conn.tuple.remote));
        if (acknowledged)
            acknowledge(&rig, &conn, 1460);
        else
            rig_pass(&rig, rig.now + ONE_TIMEOUT);
        assert_int_equal(mtu_of(&rig, &conn), 1300);
        assert_true(deliver(&rig, &conn, TEXT).largest <= 1300);
        finish(&rig);
    }
}

/* A window of less than the larger segment would hold it back for ever: it grows first. */
static void window_grows_before_the_segments(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_conn conn;
    start(&rig, &conn, rig_tuple(PORT, 1));
    path_lower(rig.stack, &conn.tuple.remote, 600);
    rig_write(&rig, &conn, octets, TEXT);
    rig_drain(&rig);
    rig_pass(&rig, rig.now + ONE_TIMEOUT); /* one segment of 560 bytes */
    rig_drain(&rig);
    assert_int_equal(cwnd_of(&rig, &conn), 560);
    struct path *path = path_obtain(rig.stack, &conn.tuple.remote);
    path_raise(rig.stack, path, FULL); /* another connection has found out */
    acknowledge(&rig, &conn, 60);
    rig_drain(&rig);
    assert_int_equal(mtu_of(&rig, &conn), 600);
    assert_int_equal(deliver(&rig, &conn, TEXT).largest, FULL);
    assert_int_equal(mtu_of(&rig, &conn), FULL);
    finish(&rig);
}

/* ---- rare company of a probe, or of a claim ---- */

/* SACK, and no waiting for full segments. */
static void start_with(struct rig *rig, struct rig_conn *conn, bool rack)
{
    struct duet_config config;
    rig_config(&config);
    config.rack = rack;
    rig_start(rig, &config);
    open_by(rig, conn, rig_tuple(PORT, 1), true);
    assert_int_equal(duet_set(rig->stack, rig->now, conn->handle, DUET_OPTION_NODELAY, 1), DUET_OK);
}

static void start_with_sack(struct rig *rig, struct rig_conn *conn)
{
    start_with(rig, conn, true);
}

/* All up to ack has arrived, and [left, right). */
static void say_sack(struct rig *rig, const struct rig_conn *conn, uint32_t ack, uint32_t left,
                     uint32_t right)
{
    const uint32_t first = conn->iss + 1;
    const struct rig_segment segment = {.flags = DUET_ACK,
                                        .seq = conn->seq,
                                        .ack = first + ack,
                                        .window = conn->window,
                                        .blocks = 1,
                                        .block = {{first + left, first + right}}};
    rig_input(rig, &conn->tuple, &segment);
}

/* The path takes 1300, and may take FULL. */
static struct path *path_of_1300(struct rig *rig, const struct rig_conn *conn)
{
    struct path *path = path_obtain(rig->stack, &conn->tuple.remote);
    path->search_low = path->mtu = 1300;
    rig->stack->paths.epoch++;
    return path;
}

/* RFC 4821, 7.6.4, found by SACK: a segment before the probe is missing, too, so there was congestion,
 * and nothing is learnt of the size. */
static void probe_and_the_segment_before_it_are_lost(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_conn conn;
    start_with_sack(&rig, &conn);
    rig_write(&rig, &conn, octets, 100);
    assert_true(rig_output(&rig, NULL, NULL));
    struct path *path = path_of_1300(&rig, &conn);
    rig_write(&rig, &conn, octets + 100, 100 + 1460 + 3 * 1260 - 100);
    assert_true(rig_output(&rig, NULL, NULL));
    assert_int_equal(rig.packet.length, FULL);
    assert_int_equal(rig_drain(&rig), 3);
    const uint32_t before = cwnd_of(&rig, &conn);
    rig_pass(&rig, rig.now + 10 * DUET_MILLISECOND);
    say_sack(&rig, &conn, 0, 1560, 1560 + 3 * 1260);
    assert_int_equal(rig_hits(&rig, TCP_RULE_MTU_PROBE_LOST), 1);
    assert_int_equal(rig_hits(&rig, TCP_RULE_RECOVERY_BY_SACK), 1);
    struct rig_segment segment;
    uint32_t again = 0;
    while (rig_output(&rig, NULL, &segment)) {
        EXPECT("in pieces", rig.packet.length <= 1300);
        again += segment.length;
    }
    rig_pass(&rig, rig.now + 10 * DUET_MILLISECOND);
    while (again < 1560) { /* PRR spreads them over acknowledgements */
        say_sack(&rig, &conn, again, 1560, 1560 + 3 * 1260);
        rig_pass(&rig, rig.now + 10 * DUET_MILLISECOND);
        while (rig_output(&rig, NULL, &segment))
            again += segment.length;
    }
    acknowledge(&rig, &conn, 1560 + 3 * 1260);
    assert_true(cwnd_of(&rig, &conn) < before);
    assert_int_equal(rig_hits(&rig, TCP_RULE_MTU_PROBE_INCONCLUSIVE), 1);
    assert_int_equal(rig_hits(&rig, TCP_RULE_MTU_PROBE_FAILED), 0);
    assert_int_equal(path->failures, 0);
    finish(&rig);
}

/* RFC 6675 without RACK: the segment before the probe is lost, the probe is not, as far as is known. NextSeg (3) would
 * send it once more; a probe is in no hurry. */
static void recovery_leaves_the_probe_alone(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_conn conn;
    start_with(&rig, &conn, false);
    rig_write(&rig, &conn, octets, 100);
    assert_true(rig_output(&rig, NULL, NULL));
    (void)path_of_1300(&rig, &conn);
    rig_write(&rig, &conn, octets + 100, 1460 + 3 * 1260);
    assert_int_equal(rig_drain(&rig), 4);
    const uint32_t end = 100 + 1460 + 3 * 1260;
    for (uint32_t i = 0; i < 3; i++) {
        rig_write(&rig, &conn, octets + end + 10 * i, 10);
        assert_int_equal(rig_drain(&rig), 1);
    }
    rig_pass(&rig, rig.now + 10 * DUET_MILLISECOND);
    struct rig_segment segment;
    unsigned packets = 0;
    for (uint32_t i = 1; i <= 3; i++) {
        say_sack(&rig, &conn, 0, end, end + 10 * i);
        while (rig_output(&rig, NULL, &segment)) {
            EXPECT_EQUAL("the lost one", segment.seq, conn.iss + 1);
            EXPECT_EQUAL("alone", segment.length, 100);
            packets++;
        }
    }
    assert_int_equal(packets, 1);
    assert_int_equal(rig_hits(&rig, TCP_RULE_RECOVERY_BY_SACK), 1);
    struct tcp_conn *c = conn_at(rig.stack, conn.handle.index);
    struct tcp_transfer *t = transfer_of(rig.stack, c);
    struct tcp_offer offer;
    assert_true(t->mtu.probing);
    assert_false(tcp_6675_next(rig.stack, c, 60000, &offer));
    t->mtu.probing = false; /* any other segment there would go */
    assert_true(tcp_6675_next(rig.stack, c, 60000, &offer));
    assert_int_equal(offer.seq.raw, conn.iss + 1 + 100);
    t->mtu.probing = true;
    acknowledge(&rig, &conn, end + 30);
    assert_int_equal(mtu_of(&rig, &conn), FULL);
    finish(&rig);
}

/* Three duplicate acknowledgements of a peer without SACK, and the probe goes in pieces; the second follows the
 * acknowledgement of the first, without waiting for the timer. */
static void pieces_of_a_probe_without_sack(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_conn conn;
    struct rig_segment segment;
    start_probing(&rig, &conn);
    rig_drain(&rig);
    rig_pass(&rig, rig.now + 10 * DUET_MILLISECOND);
    for (unsigned i = 0; i < 3; i++)
        acknowledge(&rig, &conn, 0);
    assert_int_equal(rig_hits(&rig, TCP_RULE_MTU_PROBE_LOST) > 0, true);
    assert_int_equal(rig_hits(&rig, TCP_RULE_FAST_RETRANSMIT), 0);
    assert_true(rig_output(&rig, NULL, &segment));
    assert_int_equal(segment.seq, conn.iss + 1);
    assert_int_equal(segment.length, 1260);
    conn_at(rig.stack, conn.handle.index)->cwnd = 1260; /* no room for the second */
    rig_silence("it waits", &rig);
    rig_pass(&rig, rig.now + 10 * DUET_MILLISECOND);
    acknowledge(&rig, &conn, 1260);
    assert_true(rig_output(&rig, NULL, &segment));
    assert_int_equal(segment.seq, conn.iss + 1 + 1260);
    assert_int_equal(segment.length, 200);
    rig_drain(&rig);
    acknowledge(&rig, &conn, 1460 + 8 * 1260);
    assert_int_equal(rig_hits(&rig, TCP_RULE_MTU_PROBE_FAILED), 1);
    finish(&rig);
}

/* Somebody on the way has cut the probe: half of it is acknowledged, then the rest. That it has arrived proves
 * nothing about packets of its size. */
static void probe_is_acknowledged_in_two_steps(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_conn conn;
    start_probing(&rig, &conn);
    rig_drain(&rig);
    rig_pass(&rig, rig.now + 10 * DUET_MILLISECOND);
    acknowledge(&rig, &conn, 700);
    acknowledge(&rig, &conn, 1460);
    assert_int_equal(mtu_of(&rig, &conn), 1300);
    assert_int_equal(rig_hits(&rig, TCP_RULE_MTU_PROBE_ACKED), 0);
    assert_int_equal(rig_hits(&rig, TCP_RULE_MTU_PROBE_FAILED), 0);
    assert_true(transfer_of(rig.stack, conn_at(rig.stack, conn.handle.index)) != NULL);
    assert_false(transfer_of(rig.stack, conn_at(rig.stack, conn.handle.index))->mtu.probing);
    (void)deliver(&rig, &conn, TEXT);
    finish(&rig);
}

static void user_sets_a_limit_during_a_probe(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_conn conn;
    start_probing(&rig, &conn);
    rig_drain(&rig);
    assert_int_equal(duet_set(rig.stack, rig.now, conn.handle, DUET_OPTION_MSS, 1000), DUET_OK);
    rig_pass(&rig, rig.now + 10 * DUET_MILLISECOND);
    acknowledge(&rig, &conn, 1460);
    assert_int_equal(rig_hits(&rig, TCP_RULE_MTU_PROBE_ACKED), 1);
    assert_int_equal(mtu_of(&rig, &conn), 1040);
    assert_true(deliver(&rig, &conn, TEXT).largest <= 1040);
    finish(&rig);
}

/* The window is used up: nothing smaller takes the room that the probe waits for. */
static void probe_waits_for_room_in_the_window(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_conn conn;
    start(&rig, &conn, rig_tuple(PORT, 1));
    struct path *path = path_of_1300(&rig, &conn);
    path->probe_at = rig.now + 5 * DUET_MILLISECOND;
    rig_write(&rig, &conn, octets, 30000);
    assert_true(rig_output(&rig, NULL, NULL)); /* the path is followed */
    struct tcp_conn *c = conn_at(rig.stack, conn.handle.index);
    c->ssthresh = c->cwnd = 10 * 1260; /* so that it does not grow by a segment an ACK */
    assert_int_equal(rig_drain(&rig), 9);
    rig_pass(&rig, rig.now + 10 * DUET_MILLISECOND);
    acknowledge(&rig, &conn, 1260);
    rig_silence("1260 bytes are no room", &rig);
    assert_int_equal(rig_hits(&rig, TCP_RULE_MTU_PROBE), 0);
    acknowledge(&rig, &conn, 2520);
    assert_true(rig_output(&rig, NULL, NULL));
    assert_int_equal(rig.packet.length, FULL);
    assert_int_equal(rig_hits(&rig, TCP_RULE_MTU_PROBE), 1);
    (void)deliver(&rig, &conn, 30000);
    finish(&rig);
}

static void claim_about_what_left_before_the_probe(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_conn conn;
    start_with_sack(&rig, &conn);
    rig_write(&rig, &conn, octets, 100);
    assert_true(rig_output(&rig, NULL, NULL));
    (void)path_of_1300(&rig, &conn);
    rig_write(&rig, &conn, octets + 100, TEXT);
    assert_true(rig_output(&rig, NULL, NULL));
    assert_int_equal(rig.packet.length, FULL);
    say_too_big(&rig, &conn, 1400, FULL, 0);
    assert_int_equal(rig_hits(&rig, TCP_RULE_ICMP_MTU_NOT_LOWER), 1);
    say_too_big(&rig, &conn, 1400, FULL, 100);
    assert_int_equal(rig_hits(&rig, TCP_RULE_ICMP_MTU_OF_PROBE), 1);
    (void)deliver(&rig, &conn, 100 + TEXT);
    finish(&rig);
}

/* FULL has arrived before; three more are in flight. */
static void start_proven(struct rig *rig, struct rig_conn *conn)
{
    start(rig, conn, rig_tuple(PORT, 1));
    rig_write(rig, conn, octets, 1460);
    (void)deliver(rig, conn, 1460);
    rig_write(rig, conn, octets + 1460, 3 * 1460);
    assert_int_equal(rig_drain(rig), 3);
}

static void claim_outlives_the_acknowledgement_of_what_lies_before_it(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_conn conn;
    start_proven(&rig, &conn);
    say_too_big(&rig, &conn, 1300, FULL, 2 * 1460);
    rig_pass(&rig, rig.now + 10 * DUET_MILLISECOND);
    acknowledge(&rig, &conn, 2 * 1460);
    assert_int_equal(mtu_of(&rig, &conn), FULL);
    rig_pass(&rig, rig.now + ONE_TIMEOUT);
    assert_int_equal(rig_hits(&rig, TCP_RULE_ICMP_MTU_CONFIRMED), 1);
    assert_int_equal(mtu_of(&rig, &conn), 1300);
    (void)deliver(&rig, &conn, 4 * 1460);
    finish(&rig);
}

static void claim_is_confirmed_when_the_path_is_known_to_be_smaller(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_conn conn;
    start_proven(&rig, &conn);
    say_too_big(&rig, &conn, 1400, FULL, 1460);
    assert_int_equal(rig_hits(&rig, TCP_RULE_ICMP_MTU_UNCONFIRMED), 1);
    path_lower(rig.stack, &conn.tuple.remote, 1300); /* another connection has found out */
    rig_write(&rig, &conn, octets + 4 * 1460, 100);
    assert_true(rig_drain(&rig) > 0);
    assert_int_equal(mtu_of(&rig, &conn), 1300);
    rig_pass(&rig, rig.now + ONE_TIMEOUT);
    assert_int_equal(mtu_of(&rig, &conn), 1300);
    assert_int_equal(rig_hits(&rig, TCP_RULE_ICMP_MTU_CONFIRMED), 0);
    (void)deliver(&rig, &conn, 4 * 1460 + 100);
    finish(&rig);
}

/* What was in flight when the path turned out to be smaller is lost without congestion; what left after it, or
 * was sent again, is lost like anything else. */
static void losses_beside_what_was_cut(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t ack, left; /* of what is said; all from left on has arrived */
        unsigned recoveries;
    } rows[] = {
        {"of the same flight", 1460, 1560, 0},
        {"one that left later, too", 1460, 1560 + 1260, 1},
        {"one that was sent again", 0, 1560, 1},
    };
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        struct rig rig;
        struct rig_conn conn;
        start_with_sack(&rig, &conn);
        rig_write(&rig, &conn, octets, 1460);
        assert_int_equal(rig_drain(&rig), 1);
        rig_write(&rig, &conn, octets + 1460, 100);
        assert_int_equal(rig_drain(&rig), 1);
        rig_pass(&rig, rig.now + 5 * DUET_MILLISECOND);
        say_too_big(&rig, &conn, 1300, FULL, 0);
        assert_int_equal(rig_drain(&rig), 2); /* in two pieces */
        rig_write(&rig, &conn, octets + 1560, 5 * 1260);
        assert_int_equal(rig_drain(&rig), 5);
        rig_pass(&rig, rig.now + 10 * DUET_MILLISECOND);
        say_sack(&rig, &conn, rows[i].ack, rows[i].left, 1560 + 5 * 1260);
        EXPECT_EQUAL(rows[i].name, rig_hits(&rig, TCP_RULE_RECOVERY_BY_SACK), rows[i].recoveries);
        assert_true(rig_drain(&rig) > 0);
        acknowledge(&rig, &conn, 1560 + 5 * 1260);
        finish(&rig);
    }
}

static void no_memory_for_the_record_of_a_probe(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_conn conn;
    start_with_sack(&rig, &conn);
    for (uint32_t i = 0; i < FLIGHT_INLINE; i++) {
        rig_write(&rig, &conn, octets + 10 * i, 10);
        assert_int_equal(rig_drain(&rig), 1);
    }
    (void)path_of_1300(&rig, &conn);
    rig_write(&rig, &conn, octets + 10 * FLIGHT_INLINE, TEXT);
    struct pool *pages = &rig.stack->buffers.pages;
    uint32_t taken[512];
    uint32_t count = 0;
    while (count < COUNT_OF(taken) && (taken[count] = pool_take(pages)) != POOL_NONE)
        count++;
    rig_silence("no record", &rig);
    assert_int_equal(rig_hits(&rig, TCP_RULE_MTU_PROBE), 0);
    while (count > 0)
        pool_give(pages, taken[--count]);
    acknowledge(&rig, &conn, 10 * FLIGHT_INLINE);
    assert_true(rig_output(&rig, NULL, NULL));
    assert_int_equal(rig.packet.length, FULL);
    (void)deliver(&rig, &conn, 10 * FLIGHT_INLINE + TEXT);
    finish(&rig);
}

/* RFC 1191, 7: a router that does not say how much it takes is taken to have one of the MTUs that links have had. */
static void router_that_does_not_say(void **state)
{
    (void)state;
    static const struct {
        uint16_t size, taken;
    } rows[] = {
        {40000, 32000}, {32001, 32000}, {32000, 17914}, {17915, 17914}, {17914, 8166},
        {8167, 8166},   {8166, 4352},   {4353, 4352},   {4352, 2002},   {2003, 2002},
        {2002, 1492},   {1493, 1492},   {1492, 1006},   {1007, 1006},   {1006, 552},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig rig;
        struct rig_conn conn;
        struct duet_config config;
        rig_config(&config);
        config.mtu = config.packet_max = 50000;
        rig_start(&rig, &config);
        open_conn(&rig, &conn, rig_tuple(PORT, 1));
        rig_write(&rig, &conn, octets, 100);
        struct tcp_conn *c = conn_at(rig.stack, conn.handle.index);
        c->mtu = transfer_of(rig.stack, c)->mtu.size_sent = rows[i].size;
        const struct tcp_mtu_claim claim = {.quoted_seq = c->snd.una, .quoted_size = rows[i].size};
        tcp_mtu_claimed(rig.stack, c, &claim);
        EXPECT_EQUAL("taken", path_mtu(rig.stack, &conn.tuple.remote), rows[i].taken);
        rig_end(&rig);
    }
}

/* Fast Open: a SYN can be large, and may be called so before the connection is open. */
static void claim_about_a_syn_with_text(void **state)
{
    (void)state;
    struct rig rig;
    struct duet_config config;
    struct rig_conn conn = {.tuple = rig_tuple(PORT, 1)};
    rig_config(&config);
    rig_start(&rig, &config);
    const struct duet_connect_options options = {.local = {conn.tuple.local, PORT},
                                                 .remote = {conn.tuple.remote, 1},
                                                 .flags = DUET_CONNECT_FAST_OPEN};
    path_cookie_put(rig.stack, &conn.tuple.remote,
                    &(struct path_cookie){.length = 8, .mss = 1460, .bytes = "cookies"});
    assert_int_equal(duet_connect(rig.stack, 0, &options, &conn.handle), DUET_OK);
    rig_write(&rig, &conn, octets, TEXT);
    struct rig_segment syn;
    assert_true(rig_output(&rig, NULL, &syn));
    assert_in_range(syn.length, 1400, 1460);
    conn.iss = syn.seq;
    say_too_big(&rig, &conn, 1000, rig.packet.length, UINT32_MAX);
    assert_int_equal(rig_hits(&rig, TCP_RULE_ICMP_MTU_LOWERED), 1);
    assert_int_equal(path_peek(rig.stack, &conn.tuple.remote)->mtu, 1000);
    const struct rig_segment answer = {.flags = DUET_SYN | DUET_ACK,
                                       .seq = SEQUENCE,
                                       .ack = conn.iss + 1,
                                       .window = 65535,
                                       .mss = 1460};
    rig_input(&rig, &conn.tuple, &answer);
    conn.seq = SEQUENCE + 1;
    conn.ack = conn.iss + 1;
    conn.window = 65535;
    assert_true(deliver(&rig, &conn, TEXT).largest <= 1000);
    finish(&rig);
}

int main(void)
{
    for (size_t i = 0; i < sizeof octets; i++)
        octets[i] = (uint8_t)(i * 13 + i / 256);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_of_every_size),
        cmocka_unit_test(claim_about_a_packet_that_fits),
        cmocka_unit_test(forged_claim_leaves_others_alone),
        cmocka_unit_test(proof_outlives_the_transfer),
        cmocka_unit_test(claim_about_a_syn),
        cmocka_unit_test(limit_of_the_user_stays),
        cmocka_unit_test(one_probe_at_a_time),
        cmocka_unit_test(probe_is_one_segment_though_the_link_cuts),
        cmocka_unit_test(probe_lost_with_others_says_nothing),
        cmocka_unit_test(search_that_ran_ahead_waits),
        cmocka_unit_test(probe_that_times_out_has_failed),
        cmocka_unit_test(record_gives_way_during_a_probe),
        cmocka_unit_test(window_grows_before_the_segments),
        cmocka_unit_test(probe_and_the_segment_before_it_are_lost),
        cmocka_unit_test(recovery_leaves_the_probe_alone),
        cmocka_unit_test(pieces_of_a_probe_without_sack),
        cmocka_unit_test(probe_is_acknowledged_in_two_steps),
        cmocka_unit_test(user_sets_a_limit_during_a_probe),
        cmocka_unit_test(probe_waits_for_room_in_the_window),
        cmocka_unit_test(claim_about_what_left_before_the_probe),
        cmocka_unit_test(claim_outlives_the_acknowledgement_of_what_lies_before_it),
        cmocka_unit_test(claim_is_confirmed_when_the_path_is_known_to_be_smaller),
        cmocka_unit_test(losses_beside_what_was_cut),
        cmocka_unit_test(no_memory_for_the_record_of_a_probe),
        cmocka_unit_test(router_that_does_not_say),
        cmocka_unit_test(claim_about_a_syn_with_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
