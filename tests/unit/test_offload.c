/* SPDX-License-Identifier: MIT */
/* What a link does for the stack: sums that it fills in or has verified, packets of many segments
 * that it cuts or has put together. A helper does here what a link does; then nobody can tell the
 * difference to a stack that does it all itself. */
#include "rig.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/prng.h"

static uint8_t text[70000];

static const struct rig_segment offer = {.seq = 0xfffffe00,
                                         .window = 60000,
                                         .mss = 1000,
                                         .scaling = true,
                                         .scale = 2,
                                         .sack = true,
                                         .timestamps = true,
                                         .tsval = 0xfffffff0};

/* ---- what a link does ---- */

/* Fills in the sum: from checksum_start to the end, what stands in the field included. */
static void complete_checksum(struct duet_packet *packet)
{
    if ((packet->flags & DUET_PACKET_CHECKSUM_PARTIAL) == 0)
        return;
    uint8_t *from = packet->data + packet->checksum_start;
    const uint32_t sum = rig_sum(0, from, packet->length - packet->checksum_start);
    bytes_put16(from + packet->checksum_offset, (uint16_t)(0xffff - sum));
    packet->flags &= (uint16_t)~DUET_PACKET_CHECKSUM_PARTIAL;
}

enum { CUTS_MAX = 512, CUT_MAX = 1500 };

struct cuts {
    struct {
        uint8_t bytes[CUT_MAX];
        uint32_t length;
    } packets[CUTS_MAX];
    uint32_t count;
};

/* One segment of a larger packet: its headers with the lengths and numbers of its own. FIN and PSH
 * belong to the last one. */
static void cut_one(struct cuts *cuts, const struct duet_packet *packet, uint32_t headers,
                    uint32_t offset, uint32_t size)
{
    assert_true(cuts->count < CUTS_MAX && headers + size <= CUT_MAX);
    uint8_t *to = cuts->packets[cuts->count].bytes;
    const bool is_ipv4 = to[0] >> 4 == 4 || packet->data[0] >> 4 == 4;
    const uint32_t ip = is_ipv4 ? 20 : 40;
    const bool is_last = headers + offset + size == packet->length;
    memcpy(to, packet->data, headers);
    memcpy(to + headers, packet->data + headers + offset, size);
    bytes_put32(to + ip + 4, bytes_get32(to + ip + 4) + offset);
    if (!is_last)
        to[ip + 13] &= (uint8_t) ~(DUET_FIN | DUET_PSH);
    const uint32_t length = headers + size;
    bytes_put16(to + (is_ipv4 ? 2 : 4), (uint16_t)(is_ipv4 ? length : length - 40));
    if (is_ipv4) {
        bytes_put16(to + 10, 0);
        bytes_put16(to + 10, (uint16_t)(0xffff - rig_sum(0, to, 20)));
    }
    /* The sum anew, pseudo-header and all. */
    uint8_t tail[4] = {0, 0, 0, 6};
    const uint32_t addresses = is_ipv4 ? 12 : 8;
    bytes_put16(to + ip + 16, 0);
    uint32_t sum = rig_sum(length - ip, to + addresses, ip - addresses);
    sum = rig_sum(sum, tail, sizeof tail);
    sum = rig_sum(sum, to + ip, length - ip);
    bytes_put16(to + ip + 16, (uint16_t)(0xffff - sum));
    cuts->packets[cuts->count++].length = length;
}

/* What leaves the link: the packet itself, or its segments. */
static void cut(struct cuts *cuts, struct duet_packet *packet)
{
    const uint32_t ip = packet->data[0] >> 4 == 4 ? 20 : 40;
    const uint32_t headers = ip + (packet->data[ip + 12] >> 4) * 4U;
    const uint32_t size = packet->segment_size != 0 ? packet->segment_size : CUT_MAX;
    uint32_t offset = 0;
    complete_checksum(packet);
    do {
        const uint32_t left = packet->length - headers - offset;
        cut_one(cuts, packet, headers, offset, left < size ? left : size);
        offset += left < size ? left : size;
    } while (headers + offset < packet->length);
}

/* Text that the stack has left where it has it: how often. */
static unsigned gathered;

static void collect(struct duet_packet *packet)
{
    uint32_t at = packet->length;
    for (unsigned i = 0; i < packet->piece_count; i++)
        at -= packet->pieces[i].size;
    for (unsigned i = 0; i < packet->piece_count; at += packet->pieces[i++].size)
        memcpy(packet->data + at, packet->pieces[i].data, packet->pieces[i].size);
    gathered += packet->piece_count > 0;
}

static void cut_all(struct rig *rig, struct cuts *cuts, uint32_t room)
{
    cuts->count = 0;
    for (;;) {
        struct duet_piece pieces[16]; /* more are copied */
        rig->packet = (struct duet_packet){
            .data = rig->out, .size = room, .pieces = pieces, .pieces_max = 16};
        if (!duet_output(rig->stack, rig->now, &rig->packet))
            return;
        collect(&rig->packet);
        rig->packet.pieces = NULL;
        assert_true(rig->packet.length <= room);
        cut(cuts, &rig->packet);
    }
}

/* ---- two stacks side by side ---- */

struct pair {
    struct rig plain, offloaded;
    struct rig_conn a, b; /* of plain, of offloaded */
    struct cuts plain_cuts, cuts;
    uint32_t room, largest;
    struct prng prng;
};

static struct pair *pair_new(uint32_t offload, uint32_t packet_max, uint32_t room, bool ipv6)
{
    struct pair *p = calloc(1, sizeof *p);
    struct duet_config config;
    assert_non_null(p);
    rig_config(&config);
    config.pacing = false; /* packets of different sizes leave at different times */
    config.packet_max = packet_max;
    config.send_buffer = 200000;
    config.receive_buffer = 200000;
    rig_start(&p->plain, &config);
    config.offload = offload;
    config.watch = false; /* it reads packets as a whole, so nothing would be left in pieces */
    rig_start(&p->offloaded, &config);
    p->a.tuple = p->b.tuple = ipv6 ? rig_tuple6(1000, 4000) : rig_tuple(1000, 4000);
    p->room = room;
    return p;
}

static void pair_connect(struct pair *p)
{
    rig_connect(&p->plain, &p->a, &offer);
    rig_connect(&p->offloaded, &p->b, &offer);
}

static void pair_free(struct pair *p)
{
    rig_end(&p->plain);
    rig_end(&p->offloaded);
    free(p);
}

static uint32_t below(struct pair *p, uint64_t limit)
{
    return (uint32_t)prng_below(&p->prng, limit);
}

/* Both stacks say the same now, packet for packet and bit for bit. */
static uint32_t expect_same(const char *row, struct pair *p)
{
    cut_all(&p->plain, &p->plain_cuts, RIG_PACKET_MAX);
    cut_all(&p->offloaded, &p->cuts, p->room);
    for (uint32_t i = 0; i < p->plain_cuts.count && i < p->cuts.count; i++) {
        EXPECT_EQUAL(row, p->cuts.packets[i].length, p->plain_cuts.packets[i].length);
        EXPECT_BYTES(row, p->cuts.packets[i].bytes, p->plain_cuts.packets[i].bytes,
                     p->cuts.packets[i].length);
    }
    EXPECT_EQUAL(row, p->cuts.count, p->plain_cuts.count);
    return p->cuts.count;
}

static void say_to_both(struct pair *p, uint16_t flags, uint32_t offset, const void *bytes,
                        uint32_t length)
{
    rig_say(&p->plain, &p->a, flags, offset, bytes, length);
    rig_say(&p->offloaded, &p->b, flags, offset, bytes, length);
}

/* ---- sums that the link fills in ---- */

static void expect_partial(const char *row, struct rig *rig)
{
    struct tcp_tuple tuple;
    struct rig_segment segment;
    EXPECT(row, rig_output(rig, &tuple, &segment));
    const struct duet_packet *packet = &rig->packet;
    const uint32_t ip = packet->data[0] >> 4 == 4 ? 20 : 40;
    EXPECT_EQUAL(row, packet->flags, DUET_PACKET_CHECKSUM_PARTIAL);
    EXPECT_EQUAL(row, packet->checksum_start, ip);
    EXPECT_EQUAL(row, packet->checksum_offset, 16);
    complete_checksum(&rig->packet);
    rig_decode(&rig->packet, &tuple, &segment); /* which looks at the sum */
}

/* Every kind of packet that the stack makes: SYN, data, FIN, ACK, RST of a connection, RST and
 * SYN,ACK without one. */
static void partial_sums(void **state)
{
    (void)state;
    for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
        struct pair *p = pair_new(DUET_OFFLOAD_CHECKSUM_OUT, 65535, RIG_PACKET_MAX, ipv6 != 0);
        struct rig *rig = &p->offloaded;
        struct rig_conn *conn = &p->b;
        const struct duet_connect_options options = {
            .local = {conn->tuple.local, conn->tuple.local_port},
            .remote = {conn->tuple.remote, conn->tuple.remote_port}};
        const struct duet_listen_options listening = {.local = {.port = 80}, .backlog = 1};
        struct duet_handle listener, handle;
        assert_int_equal(duet_listen(rig->stack, 0, &listening, &listener), DUET_OK);
        assert_int_equal(duet_connect(rig->stack, 0, &options, &handle), DUET_OK);
        expect_partial("SYN", rig);
        rig_silence("SYN", rig);
        assert_int_equal(duet_abort(rig->stack, 0, handle), DUET_OK);
        pair_connect(p);
        for (uint32_t size = 1; size < 1000; size += 123) {
            rig_write(rig, conn, text, size);
            expect_partial("data", rig);
            conn->ack += size;
            rig_say(rig, conn, 0, 0, NULL, 0);
        }
        rig_say(rig, conn, 0, 10, text, 10);
        expect_partial("ACK with SACK", rig);
        struct tcp_tuple tuple = conn->tuple;
        tuple.local_port = 9;
        rig_input(rig, &tuple, &(struct rig_segment){.flags = DUET_SYN});
        expect_partial("RST from CLOSED", rig);
        tuple.local_port = 80;
        rig_input(rig, &tuple, &offer);
        rig_input(rig, &tuple, &(struct rig_segment){.flags = DUET_SYN, .mss = 1000});
        expect_partial("SYN,ACK", rig);
        assert_int_equal(duet_shutdown(rig->stack, 0, conn->handle), DUET_OK);
        expect_partial("FIN", rig);
        assert_int_equal(duet_abort(rig->stack, 0, conn->handle), DUET_OK);
        expect_partial("RST", rig);
        rig_silence("all", rig);
        pair_free(p);
    }
}

/* ---- sums that the link has verified ---- */

static void verified_sums(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t offload;
        uint16_t flags;
        bool spoilt, taken;
    } rows[] = {
        {"right", 0, 0, false, true},
        {"wrong", 0, 0, true, false},
        {"right, link may verify", DUET_OFFLOAD_CHECKSUM_IN, 0, false, true},
        {"wrong, link may verify but did not", DUET_OFFLOAD_CHECKSUM_IN, 0, true, false},
        {"verified", DUET_OFFLOAD_CHECKSUM_IN, DUET_PACKET_CHECKED, true, true},
        {"verified by a link that may not", 0, DUET_PACKET_CHECKED, true, false},
        {"verified, other bits", DUET_OFFLOAD_CHECKSUM_OUT | DUET_OFFLOAD_SEGMENT,
         DUET_PACKET_CHECKED, true, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct pair *p = pair_new(rows[i].offload, 65535, RIG_PACKET_MAX, i % 2 != 0);
        struct rig *rig = &p->offloaded;
        pair_connect(p);
        const struct rig_segment segment = {.flags = DUET_ACK,
                                            .seq = p->b.seq,
                                            .ack = p->b.ack,
                                            .window = 1000,
                                            .text = text,
                                            .length = 10,
                                            .timestamps = true,
                                            .tsval = p->b.tsval};
        struct duet_packet packet = {
            .data = rig->in, .size = sizeof rig->in, .flags = rows[i].flags};
        packet.length = rig_encode(rig->in, &p->b.tuple, &segment);
        if (rows[i].spoilt)
            rig->in[packet.length - 1] ^= 1;
        duet_input(rig->stack, rig->now, &packet);
        EXPECT_EQUAL(rows[i].name, rig_status(rig, &p->b).receive_queued, rows[i].taken ? 10 : 0);
        EXPECT_EQUAL(rows[i].name, rig_hits(rig, TCP_RULE_SEGMENT_BAD_CHECKSUM), !rows[i].taken);
        pair_free(p);
    }
}

/* ---- packets that the link cuts ---- */

enum { BOTH = DUET_OFFLOAD_CHECKSUM_OUT | DUET_OFFLOAD_SEGMENT };

static void send_on_both(struct pair *p, uint32_t size, unsigned flags)
{
    const int64_t x = duet_send(p->plain.stack, p->plain.now, p->a.handle, text, size, flags);
    const int64_t y =
        duet_send(p->offloaded.stack, p->offloaded.now, p->b.handle, text, size, flags);
    EXPECT_EQUAL("room", x, y);
}

/* Acknowledges up to one of the segments that have just left, all of them most of the time. */
static void acknowledge_some(struct pair *p)
{
    const uint32_t count = p->cuts.count;
    const uint32_t last = below(p, 4) == 0 ? below(p, count) : count - 1;
    struct duet_packet packet = {.data = p->cuts.packets[last].bytes,
                                 .length = p->cuts.packets[last].length};
    struct tcp_tuple tuple;
    struct rig_segment segment;
    rig_decode(&packet, &tuple, &segment);
    const uint32_t end = segment.seq + segment.length;
    if ((int32_t)(end - p->a.ack) > 0)
        p->a.ack = p->b.ack = end;
    p->a.window = p->b.window = (uint16_t)(below(p, 5) == 0 ? 500 + below(p, 5000) : 16000);
    p->a.tsecr = p->b.tsecr = segment.tsval;
    p->a.tsval = ++p->b.tsval;
    say_to_both(p, 0, 0, NULL, 0);
}

static void cut_segments_equal_single_ones(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t offload, packet_max, room;
        bool ipv6;
    } rows[] = {
        {"as large as it goes", BOTH, 65535, RIG_PACKET_MAX, false},
        {"as large as it goes, IPv6", BOTH, 65535, RIG_PACKET_MAX, true},
        {"the stack sums", DUET_OFFLOAD_SEGMENT, 65535, RIG_PACKET_MAX, false},
        {"packets of 5000", BOTH, 5000, RIG_PACKET_MAX, true},
        {"room for 3000", BOTH, 65535, 3000, false},
        {"room for one segment", BOTH, 65535, 1500, true},
        {"packets of one segment", BOTH, 1500, RIG_PACKET_MAX, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *name = rows[i].name;
        struct pair *p = pair_new(rows[i].offload, rows[i].packet_max, rows[i].room, rows[i].ipv6);
        uint32_t segments = 0;
        prng_seed(&p->prng, i + 1);
        pair_connect(p);
        for (unsigned n = 0; n < 400; n++) {
            send_on_both(p, 1 + below(p, below(p, 2) == 0 ? 100 : 60000),
                         below(p, 5) == 0 ? DUET_SEND_MORE : 0);
            const duet_time pause = DUET_MILLISECOND * below(p, 20);
            segments += expect_same(name, p);
            rig_pass(&p->plain, p->plain.now + pause);
            rig_pass(&p->offloaded, p->offloaded.now + pause);
            if (p->cuts.count > 0)
                acknowledge_some(p);
            segments += expect_same(name, p);
            if (p->cuts.count > 0)
                acknowledge_some(p);
        }
        EXPECT(name, segments > 1000);
        EXPECT(name, (gathered > 10) == (rows[i].offload == BOTH && rows[i].room > 4096 &&
                                         rows[i].packet_max > 5000));
        gathered = 0;
        pair_free(p);
    }
}

/* Where the window of the peer ends within a segment, silly-window avoidance decides for each segment
 * and not for the packet that holds several. */
static void window_that_cuts_a_segment(void **state)
{
    (void)state;
    static const uint16_t windows[] = {247, 248, 494, 500, 625, 741, 800, 999, 1000};
    for (size_t i = 0; i < COUNT_OF(windows); i++) {
        struct pair *p = pair_new(BOTH, 65535, RIG_PACKET_MAX, false);
        struct rig_segment small = offer;
        small.window = 4000;
        rig_connect(&p->plain, &p->a, &small);
        rig_connect(&p->offloaded, &p->b, &small);
        p->a.window = p->b.window = windows[i]; /* of 4 octets each */
        say_to_both(p, 0, 0, NULL, 0);
        send_on_both(p, 10000, 0);
        expect_same("window", p);
        pair_free(p);
    }
}

/* The end of the stream rides on the last segment alone. */
static void fin_behind_many_segments(void **state)
{
    (void)state;
    for (uint32_t size = 4800; size <= 5200; size += 100) {
        struct pair *p = pair_new(BOTH, 65535, RIG_PACKET_MAX, false);
        pair_connect(p);
        send_on_both(p, size, 0);
        assert_int_equal(duet_shutdown(p->plain.stack, 0, p->a.handle), DUET_OK);
        assert_int_equal(duet_shutdown(p->offloaded.stack, 0, p->b.handle), DUET_OK);
        EXPECT("several", expect_same("FIN", p) >= 5);
        pair_free(p);
    }
}

/* Each segment's urgent pointer counts from its own SEQ, and a link copies the header as it is: it
 * must still point at the same octet. */
static void urgent_pointer_survives_cutting(void **state)
{
    (void)state;
    struct pair *p = pair_new(BOTH, 65535, RIG_PACKET_MAX, false);
    pair_connect(p);
    send_on_both(p, 4321, DUET_SEND_URGENT);
    send_on_both(p, 3000, 0);
    EXPECT("several", expect_same("urgent", p) >= 5);
    pair_free(p);
}

/* With segment_size set there is more than one segment, and the last may be shorter; without it
 * there is one. */
static void segment_size_tells(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t size, length;
        uint16_t segment_size;
    } rows[] = {
        {"less than one", 500, 500, 0},    {"one", 988, 988, 0}, /* 1000 less 12 of timestamps */
        {"one octet more", 989, 989, 988}, {"two", 1976, 1976, 988}, {"five", 4940, 4940, 988},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct pair *p = pair_new(BOTH, 65535, RIG_PACKET_MAX, false);
        struct rig_segment segment;
        pair_connect(p);
        rig_write(&p->offloaded, &p->b, text, rows[i].size);
        EXPECT(rows[i].name, rig_output(&p->offloaded, NULL, &segment));
        EXPECT_EQUAL(rows[i].name, segment.length, rows[i].length);
        EXPECT_EQUAL(rows[i].name, p->offloaded.packet.segment_size, rows[i].segment_size);
        rig_silence(rows[i].name, &p->offloaded);
        pair_free(p);
    }
}

/* ---- packets that the link has put together ---- */

static void hand_in_together(struct pair *p, uint32_t offset, uint32_t count, uint32_t size,
                             uint16_t flags)
{
    struct rig *rig = &p->offloaded;
    const struct rig_segment segment = {.flags = DUET_ACK | flags,
                                        .seq = p->b.seq + offset,
                                        .ack = p->b.ack,
                                        .window = p->b.window,
                                        .text = text + offset,
                                        .length = count * size,
                                        .timestamps = true,
                                        .tsval = p->b.tsval,
                                        .tsecr = p->b.tsecr};
    const struct duet_packet packet = {.data = rig->in,
                                       .size = sizeof rig->in,
                                       .length = rig_encode(rig->in, &p->b.tuple, &segment),
                                       .segment_size = (uint16_t)size,
                                       .flags = DUET_PACKET_CHECKED};
    duet_input(rig->stack, rig->now, &packet);
}

/* The same text in single segments to one stack and together to the other: same acknowledgements
 * in the end, same bytes, same window. */
static void many_in_one_equal_single_ones(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t offset, count, size;
        uint16_t flags;
    } rows[] = {
        {"two full ones", 0, 2, 1448, 0},
        {"ten full ones", 0, 10, 1448, DUET_PSH},
        {"forty", 0, 40, 1448, 0},
        {"two of 500: as full as the peer's get", 0, 2, 500, 0},
        {"three of 100", 0, 3, 100, DUET_PSH},
        {"beyond a hole", 3000, 5, 1000, 0},
        {"and FIN", 0, 7, 1448, DUET_FIN | DUET_PSH},
        {"FIN beyond a hole", 10, 7, 1000, DUET_FIN},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *name = rows[i].name;
        static uint8_t x[70000], y[70000];
        struct rig_segment first = {0}, second = {0};
        struct pair *p = pair_new(DUET_OFFLOAD_CHECKSUM_IN, 65535, RIG_PACKET_MAX, i % 2 != 0);
        pair_connect(p);
        for (uint32_t n = 0; n < sizeof text; n++)
            text[n] = (uint8_t)(n * 11 + n / 256);
        for (uint32_t n = 0; n < rows[i].count; n++)
            rig_say(&p->plain, &p->a, n + 1 == rows[i].count ? rows[i].flags : 0,
                    rows[i].offset + n * rows[i].size, text + rows[i].offset + n * rows[i].size,
                    rows[i].size);
        hand_in_together(p, rows[i].offset, rows[i].count, rows[i].size, rows[i].flags);
        const bool told = rig_output(&p->plain, NULL, &first);
        EXPECT_EQUAL(name, rig_output(&p->offloaded, NULL, &second), told);
        EXPECT_EQUAL(name, second.ack, first.ack);
        EXPECT_EQUAL(name, second.window, first.window);
        EXPECT_EQUAL(name, second.blocks, first.blocks);
        EXPECT_EQUAL(name, second.block[0].left, first.block[0].left);
        EXPECT_EQUAL(name, second.block[0].right, first.block[0].right);
        say_to_both(p, 0, 0, text, rows[i].offset); /* fills the hole */
        EXPECT_EQUAL(name, rig_status(&p->offloaded, &p->b).state,
                     rig_status(&p->plain, &p->a).state);
        const int64_t n = duet_receive(p->plain.stack, p->plain.now, p->a.handle, x, sizeof x);
        EXPECT_EQUAL(name, n, rows[i].offset + rows[i].count * rows[i].size);
        EXPECT_EQUAL(
            name, duet_receive(p->offloaded.stack, p->offloaded.now, p->b.handle, y, sizeof y), n);
        EXPECT_BYTES(name, y, x, (size_t)n);
        pair_free(p);
    }
}

/* Who watches each packet that leaves reads it as a whole: then none leaves in pieces. */
static void watched_stack_gathers_nothing(void **state)
{
    (void)state;
    for (unsigned watch = 0; watch < 2; watch++) {
        struct rig *rig = calloc(1, sizeof *rig);
        struct rig_conn conn = {.tuple = rig_tuple(1000, 4000)};
        struct duet_config config;
        struct duet_piece pieces[16];
        assert_non_null(rig);
        rig_config(&config);
        config.packet_max = 65535;
        config.offload = BOTH;
        config.watch = watch != 0;
        rig_start(rig, &config);
        rig_connect(rig, &conn, &offer);
        rig_write(rig, &conn, text, 30000);
        struct duet_packet packet = {
            .data = rig->out, .size = RIG_PACKET_MAX, .pieces = pieces, .pieces_max = 16};
        assert_true(duet_output(rig->stack, rig->now, &packet));
        assert_true(packet.length > 4096);
        EXPECT_EQUAL("in pieces", packet.piece_count > 0, watch == 0);
        rig_end(rig);
        free(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partial_sums),
        cmocka_unit_test(watched_stack_gathers_nothing),
        cmocka_unit_test(verified_sums),
        cmocka_unit_test(cut_segments_equal_single_ones),
        cmocka_unit_test(window_that_cuts_a_segment),
        cmocka_unit_test(fin_behind_many_segments),
        cmocka_unit_test(urgent_pointer_survives_cutting),
        cmocka_unit_test(segment_size_tells),
        cmocka_unit_test(many_in_one_equal_single_ones),
    };
    return cmocka_run_group_tests_name("offload", tests, NULL, NULL);
}
