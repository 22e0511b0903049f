/* SPDX-License-Identifier: MIT */
/* A whole connection at the edges of the sequence space. Timelines say where the peer's numbers begin; ours are
 * chosen by the stack, from the clock among other things. So the clock is set such that ISS is the number
 * wanted: 2^32-1, just before, 0, and around 2^31, where signed arithmetic turns over. */
#include "rig.h"

#include "host/coverage.h"

enum { PORT = 80, MSS = 100, TEXT = 1000 };

static const uint32_t edges[] = {0xffffffff, 0xfffffff0, 0xffffff00, 0,
                                 0x7fffffff, 0x7ffffff0, 0x80000000, 1};

static uint8_t octets[TEXT];

/* The clock of the ISN ticks every 4 microseconds: when does it give this number to this pair? */
static duet_time when_iss_is(const struct rig *rig, const struct tcp_tuple *tuple, uint32_t iss)
{
    return (duet_time)(iss - tcp_isn(rig->stack, tuple).raw) * 4 * DUET_MICROSECOND;
}

static void start(struct rig *rig, struct rig_conn *conn, uint32_t iss)
{
    struct duet_config config;
    rig_config(&config);
    config.mss_min = MSS;
    rig_start(rig, &config);
    *conn = (struct rig_conn){.tuple = rig_tuple(PORT, 1), .trip = 10 * DUET_MILLISECOND};
    rig->now = when_iss_is(rig, &conn->tuple, iss);
}

static void finish(struct rig *rig)
{
    duet_coverage_note(rig->stack);
    rig_end(rig);
}

static void expect_segment(const char *row, struct rig *rig, const struct rig_conn *conn,
                           uint16_t flags, uint32_t offset, uint32_t length)
{
    struct rig_segment segment;
    EXPECT(row, rig_output(rig, NULL, &segment));
    EXPECT_EQUAL(row, segment.flags & ~(unsigned)DUET_PSH, flags);
    EXPECT_EQUAL(row, segment.seq, conn->iss + 1 + offset);
    EXPECT_EQUAL(row, segment.length, length);
    EXPECT_BYTES(row, segment.text, octets + offset, length);
}

static void acknowledge(struct rig *rig, struct rig_conn *conn, uint32_t upto)
{
    conn->ack = conn->iss + 1 + upto;
    rig_say(rig, conn, 0, 0, NULL, 0);
}

/* Ten segments, the third is lost: duplicate ACKs, fast retransmit, and a late old ACK that changes nothing. */
static void send_with_a_loss(struct rig *rig, struct rig_conn *conn)
{
    rig_write(rig, conn, octets, TEXT);
    for (uint32_t i = 0; i < TEXT / MSS; i++)
        expect_segment("first flight", rig, conn, DUET_ACK, i * MSS, MSS);
    rig_silence("first flight", rig);
    rig_pass(rig, rig->now + 10 * DUET_MILLISECOND);
    acknowledge(rig, conn, 2 * MSS);
    for (unsigned i = 0; i < 3; i++) {
        rig_silence("too few duplicates", rig);
        acknowledge(rig, conn, 2 * MSS);
    }
    expect_segment("fast retransmit", rig, conn, DUET_ACK, 2 * MSS, MSS);
    acknowledge(rig, conn, TEXT);
    acknowledge(rig, conn, MSS);
    EXPECT_EQUAL("all acknowledged", rig_status(rig, conn).snd_una, conn->iss + 1 + TEXT);
    EXPECT_EQUAL("nothing in flight", rig_status(rig, conn).in_flight, 0);
    conn->ack = conn->iss + 1 + TEXT;
    rig_silence("afterwards", rig);
}

/* Text with a hole, a duplicate, urgent octets, and segments just outside the window. */
static void receive_with_a_hole(struct rig *rig, struct rig_conn *conn)
{
    rig_say(rig, conn, 0, 20, octets + 20, 20);
    EXPECT_EQUAL("hole", rig_drain(rig), 1);
    rig_say(rig, conn, DUET_RST, 0xffffffff, NULL, 0);
    rig_silence("RST before the window", rig);
    rig_say(rig, conn, DUET_RST, 65536, NULL, 0);
    rig_silence("RST behind the window", rig);
    rig_say(rig, conn, 0, 0, octets, 20);
    EXPECT_EQUAL("filled", rig_drain(rig), 1);
    conn->seq += 40;
    rig_say(rig, conn, 0, 0xffffffec, octets + 20, 20);
    EXPECT_EQUAL("old text", rig_drain(rig), 1);
    const struct rig_segment urgent = {.flags = DUET_ACK | DUET_URG,
                                       .seq = conn->seq,
                                       .ack = conn->ack,
                                       .window = 65535,
                                       .urgent = 10,
                                       .text = octets + 40,
                                       .length = 20};
    rig_input(rig, &conn->tuple, &urgent);
    conn->seq += 20;
    const struct duet_status status = rig_status(rig, conn);
    EXPECT_EQUAL("received", status.receive_queued, 60);
    EXPECT_EQUAL("RCV.NXT", status.rcv_nxt, conn->seq);
    EXPECT_EQUAL("urgent", status.urgent_left, 50);
    uint8_t read[100];
    EXPECT("read", duet_receive(rig->stack, rig->now, conn->handle, read, sizeof read) == 60);
    EXPECT_BYTES("read", read, octets, 60);
    rig_pass(rig, rig->now + DUET_SECOND);
    rig_drain(rig);
}

/* We close first; the FIN is lost once; both are in the end acknowledged. */
static void close_with_a_lost_fin(struct rig *rig, struct rig_conn *conn)
{
    EXPECT_EQUAL("shutdown", duet_shutdown(rig->stack, rig->now, conn->handle), DUET_OK);
    expect_segment("FIN", rig, conn, DUET_ACK | DUET_FIN, TEXT, 0);
    rig_pass(rig, rig->now + DUET_SECOND);
    expect_segment("FIN again", rig, conn, DUET_ACK | DUET_FIN, TEXT, 0);
    rig_drain(rig);
    acknowledge(rig, conn, TEXT + 1);
    EXPECT_EQUAL("half closed", rig_status(rig, conn).state, DUET_FIN_WAIT_2);
    rig_say(rig, conn, DUET_FIN, 0, NULL, 0);
    EXPECT_EQUAL("closed", rig_status(rig, conn).state, DUET_TIME_WAIT);
    EXPECT_EQUAL("last ACK", rig_drain(rig), 1);
}

static void check_life(struct rig *rig, struct rig_conn *conn, uint32_t iss, uint32_t irs)
{
    EXPECT_EQUAL("ISS", conn->iss, iss);
    EXPECT_EQUAL("IRS", rig_status(rig, conn).irs, irs);
    for (unsigned i = 0; i < TEXT; i++)
        octets[i] = (uint8_t)(i * 31 + 7);
    send_with_a_loss(rig, conn);
    receive_with_a_hole(rig, conn);
    close_with_a_lost_fin(rig, conn);
}

static void active_open_at_every_edge(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(edges); i++) {
        for (size_t j = 0; j < COUNT_OF(edges); j++) {
            struct rig rig;
            struct rig_conn conn;
            const struct rig_segment offer = {.seq = edges[j], .window = 65535, .mss = MSS};
            start(&rig, &conn, edges[i]);
            rig_connect(&rig, &conn, &offer);
            check_life(&rig, &conn, edges[i], edges[j]);
            finish(&rig);
        }
    }
}

static void passive_open_at_every_edge(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(edges); i++) {
        for (size_t j = 0; j < COUNT_OF(edges); j++) {
            struct rig rig;
            struct rig_conn conn;
            const struct rig_segment offer = {.seq = edges[j], .window = 65535, .mss = MSS};
            start(&rig, &conn, edges[i]);
            rig_accept(&rig, &conn, &offer);
            check_life(&rig, &conn, edges[i], edges[j]);
            finish(&rig);
        }
    }
}

/* SYN-SENT at every edge: what acknowledges our SYN, and what does not. */
static void syn_sent_at_every_edge(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(edges); i++) {
        struct rig rig;
        struct rig_conn conn;
        struct rig_segment segment;
        start(&rig, &conn, edges[i]);
        const struct duet_connect_options options = {.local = {conn.tuple.local, PORT},
                                                     .remote = {conn.tuple.remote, 1}};
        assert_int_equal(duet_connect(rig.stack, rig.now, &options, &conn.handle), DUET_OK);
        EXPECT_EQUAL("SYN", rig_drain(&rig), 1);
        const uint32_t bad[] = {0, 2, 0x80000000, 0x80000001, 0xffffffff};
        for (size_t b = 0; b < COUNT_OF(bad); b++) {
            const struct rig_segment ack = {.flags = DUET_ACK, .seq = 5, .ack = edges[i] + bad[b]};
            rig_input(&rig, &conn.tuple, &ack);
            EXPECT("reset", rig_output(&rig, NULL, &segment));
            EXPECT_EQUAL("reset", segment.flags, DUET_RST);
            EXPECT_EQUAL("reset", segment.seq, edges[i] + bad[b]);
            EXPECT_EQUAL("still there", rig_status(&rig, &conn).state, DUET_SYN_SENT);
        }
        const struct rig_segment good = {
            .flags = DUET_SYN | DUET_ACK, .seq = 5, .ack = edges[i] + 1, .window = 1000};
        rig_input(&rig, &conn.tuple, &good);
        EXPECT_EQUAL("open", rig_status(&rig, &conn).state, DUET_ESTABLISHED);
        finish(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(active_open_at_every_edge),
        cmocka_unit_test(passive_open_at_every_edge),
        cmocka_unit_test(syn_sent_at_every_edge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
