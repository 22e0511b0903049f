/* SPDX-License-Identifier: MIT */
/* Windows (RFC 9293, 3.8.6; RFC 7323, 2): silly-window avoidance of both sides, scales, whose window
 * is believed, and that the right edge never moves left, whatever happens. */
#include "rig.h"

#include <stdlib.h>

#include "base/prng.h"

#define MS(n) ((duet_time)(n)*DUET_MILLISECOND)

static uint8_t text[70000];

static struct rig *rig_with(const struct duet_config *config)
{
    struct rig *rig = malloc(sizeof *rig);
    assert_non_null(rig);
    rig_start(rig, config);
    return rig;
}

static struct rig *rig_new(void)
{
    struct duet_config config;
    rig_config(&config);
    return rig_with(&config);
}

static void rig_free(struct rig *rig)
{
    rig_end(rig);
    free(rig);
}

/* ---- the sender's side: RFC 9293, 3.8.6.2.1 ---- */

enum { MSS = 1000 };

/* The largest window of the peer, what it offers now, what is queued at once: what leaves at once,
 * and what the override timeout lets go. */
static void peer_with_a_small_window(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint16_t largest, window;
        uint32_t queued, at_once[3], later;
    } rows[] = {
        {"a full segment", 4000, 4000, 1000, {1000}, 0},
        {"all of a short one", 4000, 4000, 300, {300}, 0},
        {"several, and the rest", 4000, 4000, 2300, {1000, 1000, 300}, 0},
        {"the window takes one segment", 4000, 1000, 5000, {1000}, 0},
        {"one segment and less than half", 4000, 1999, 5000, {1000}, 0},
        {"half of the largest window", 1200, 600, 5000, {600}, 0},
        {"just below half", 1200, 599, 5000, {0}, 599},
        {"just below half, but it is all", 1200, 599, 599, {599}, 0},
        {"just below half, one too many", 1200, 599, 600, {0}, 599},
        {"one octet", 4000, 1, 2, {0}, 1},
        {"one octet for one octet", 4000, 1, 1, {1}, 0},
        {"a small peer: half is enough", 500, 250, 1000, {250}, 0},
        {"a small peer: less is not", 500, 249, 1000, {0}, 249},
        {"a tiny peer", 1, 1, 10, {1}, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *name = rows[i].name;
        struct rig *rig = rig_new();
        struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
        struct rig_segment segment;
        rig_connect(rig, &conn,
                    &(struct rig_segment){
                        .seq = 0xffffffff, .window = rows[i].largest, .mss = MSS, .tsval = 1});
        conn.window = rows[i].window;
        rig_say(rig, &conn, 0, 0, NULL, 0);
        rig_write(rig, &conn, text, rows[i].queued);
        for (unsigned n = 0; n < 3 && rows[i].at_once[n] > 0; n++) {
            EXPECT(name, rig_output(rig, NULL, &segment));
            EXPECT_EQUAL(name, segment.length, rows[i].at_once[n]);
        }
        rig_silence(name, rig);
        if (rows[i].later == 0) {
            rig_free(rig);
            continue;
        }
        rig_pass(rig, rig->now + MS(100) - 1); /* the override: 0.1 to 1.0 s */
        rig_silence(name, rig);
        rig_pass(rig, rig->now + MS(901));
        EXPECT(name, rig_output(rig, NULL, &segment));
        EXPECT_EQUAL(name, segment.length, rows[i].later);
        rig_silence(name, rig);
        rig_free(rig);
    }
}

/* SHLD-7, with Minshall's modification: of incomplete segments one is in flight at a time. The
 * writes follow each other before anything is acknowledged. */
static void nagle(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t writes[4];
        uint32_t sent[4];         /* after each write, 0: silence */
        uint32_t sent_nodelay[4]; /* with Nagle off (MUST-17) */
        uint32_t after_ack;       /* of all that was sent */
    } rows[] = {
        {"small, small", {300, 200}, {300, 0}, {300, 200}, 200},
        {"small, small, small", {1, 1, 1}, {1, 0, 0}, {1, 1, 1}, 2},
        {"full, small", {1000, 200}, {1000, 200}, {1000, 200}, 0},
        {"full, small, small", {1000, 200, 100}, {1000, 200, 0}, {1000, 200, 100}, 100},
        {"small, enough for a full one", {300, 1000}, {300, 1000}, {300, 1000}, 0},
        {"small, up to a full one", {300, 999, 1}, {300, 0, 1000}, {300, 999, 1}, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (unsigned nodelay = 0; nodelay < 2; nodelay++) {
            const char *name = rows[i].name;
            struct rig *rig = rig_new();
            struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
            struct rig_segment segment;
            rig_connect(rig, &conn, &(struct rig_segment){.seq = 7, .window = 20000, .mss = MSS});
            assert_int_equal(duet_set(rig->stack, 0, conn.handle, DUET_OPTION_NODELAY, nodelay),
                             DUET_OK);
            for (unsigned n = 0; n < 4 && rows[i].writes[n] > 0; n++) {
                const uint32_t sent = nodelay ? rows[i].sent_nodelay[n] : rows[i].sent[n];
                rig_write(rig, &conn, text, rows[i].writes[n]);
                if (sent > 0) {
                    EXPECT(name, rig_output(rig, NULL, &segment));
                    EXPECT_EQUAL(name, segment.length, sent);
                    conn.ack = segment.seq + segment.length;
                }
                rig_silence(name, rig);
            }
            rig_say(rig, &conn, 0, 0, NULL, 0);
            if (!nodelay && rows[i].after_ack > 0) {
                EXPECT(name, rig_output(rig, NULL, &segment));
                EXPECT_EQUAL(name, segment.length, rows[i].after_ack);
            }
            rig_silence(name, rig);
            rig_free(rig);
        }
    }
}

/* ---- whose window is believed: SND.WL1 and SND.WL2 ---- */

static void newest_window_counts(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t seq;
        int32_t ack; /* beside that of the last update, which came with SEQ 100 */
        bool believed;
    } rows[] = {
        {"same SEQ, same ACK", 100, 0, true},     {"same SEQ, newer ACK", 100, 10, true},
        {"same SEQ, older ACK", 100, -10, false}, {"newer SEQ, same ACK", 200, 0, true},
        {"newer SEQ, newer ACK", 101, 10, true},  {"older SEQ, same ACK", 0, 0, false},
        {"older SEQ, newer ACK", 99, 10, true}, /* sent again, after all that came before */
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig *rig = rig_new();
        struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
        rig_connect(rig, &conn, &(struct rig_segment){.seq = 0xffffff80, .window = 8000});
        rig_write(rig, &conn, text, 500);
        rig_drain(rig);
        conn.ack += 100;
        conn.window = 9000;
        rig_say(rig, &conn, 0, 100, text, 10);
        EXPECT_EQUAL(rows[i].name, rig_status(rig, &conn).snd_wnd, 9000);
        conn.window = 5000;
        conn.ack += (uint32_t)rows[i].ack;
        rig_say(rig, &conn, 0, rows[i].seq, text, 10);
        EXPECT_EQUAL(rows[i].name, rig_status(rig, &conn).snd_wnd, rows[i].believed ? 5000 : 9000);
        rig_free(rig);
    }
}

/* ---- scales: RFC 7323, 2 ---- */

/* The shift that lets 16 bits announce the whole buffer, at most 14; the window of a SYN has none.
 */
static void our_scale(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t buffer;
        uint8_t shift;
        uint16_t first; /* window of the SYN */
    } rows[] = {
        {"one octet", 1, 0, 1},
        {"65535", 65535, 0, 65535},
        {"65536", 65536, 1, 65535},
        {"131071", 131071, 1, 65535},
        {"131072", 131072, 2, 65535},
        {"256 KiB", 262144, 3, 65535},
        {"1 MiB", 1 << 20, 5, 65535},
        {"2^29", 1 << 29, 14, 65535},
        {"2^30 - 1", (1 << 30) - 1, 14, 65535},
        {"2^30", 1 << 30, 14, 65535},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (unsigned passive = 0; passive < 2; passive++) {
            struct duet_config config;
            struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
            const struct rig_segment offer = {.window = 100, .scaling = true};
            rig_config(&config);
            config.receive_buffer = rows[i].buffer;
            config.page_size = 65536;
            config.pages_max = 4;
            struct rig *rig = rig_with(&config);
            if (passive)
                rig_accept(rig, &conn, &offer);
            else
                rig_connect(rig, &conn, &offer);
            EXPECT(rows[i].name, conn.first.scaling);
            EXPECT_EQUAL(rows[i].name, conn.first.scale, rows[i].shift);
            EXPECT_EQUAL(rows[i].name, conn.first.window, rows[i].first);
            EXPECT_EQUAL(rows[i].name, rig_status(rig, &conn).receive_scale, rows[i].shift);
            rig_free(rig);
        }
    }
}

static void peers_scale(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool ours, theirs;
        uint8_t shift;
        uint32_t window; /* that a field of 3 means */
    } rows[] = {
        {"no shift", true, true, 0, 3},
        {"seven", true, true, 7, 384},
        {"fourteen", true, true, 14, 49152},
        {"fifteen counts as fourteen", true, true, 15, 49152},
        {"255 as well", true, true, 255, 49152},
        {"only theirs", false, true, 7, 3},
        {"only ours", true, false, 7, 3},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (unsigned passive = 0; passive < 2; passive++) {
            struct duet_config config;
            struct rig_conn conn = {.tuple = rig_tuple6(80, 4000)};
            const struct rig_segment offer = {
                .window = 1000, .scaling = rows[i].theirs, .scale = rows[i].shift};
            rig_config(&config);
            config.window_scaling = rows[i].ours;
            struct rig *rig = rig_with(&config);
            if (passive) {
                rig_accept(rig, &conn, &offer);
            } else {
                rig_connect(rig, &conn, &offer);
                EXPECT_EQUAL(rows[i].name, rig_status(rig, &conn).snd_wnd, 1000);
            }
            conn.window = 3;
            rig_say(rig, &conn, 0, 0, NULL, 0);
            EXPECT_EQUAL(rows[i].name, rig_status(rig, &conn).snd_wnd, rows[i].window);
            EXPECT_EQUAL(rows[i].name, conn.first.scaling,
                         rows[i].ours && (!passive || rows[i].theirs));
            rig_free(rig);
        }
    }
}

/* ---- the receiver's side: RFC 9293, 3.8.6.2.2 ---- */

/* What the stack says when the peer asks (a keep-alive, one before RCV.NXT): its window. */
static uint32_t ask_window(const char *row, struct rig *rig, struct rig_conn *conn)
{
    struct rig_segment answer;
    rig_pass(rig, rig->now + MS(600)); /* answers to such segments are spaced */
    rig_drain(rig);
    rig_say(rig, conn, 0, UINT32_MAX, NULL, 0);
    EXPECT(row, rig_output(rig, NULL, &answer));
    EXPECT_EQUAL(row, answer.ack, conn->seq);
    return answer.window;
}

/* MUST-39: the edge moves by the smaller of half the buffer and one segment, or not at all. The
 * window is closed at first; the user reads so much. */
static void edge_moves_in_useful_steps(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t buffer, read, window; /* window: 0, or what is announced then */
    } rows[] = {
        {"one octet", 8000, 1, 0},
        {"just below a segment", 8000, 999, 0},
        {"a segment", 8000, 1000, 1000},
        {"more than a segment", 8000, 1500, 1500},
        {"everything", 8000, 8000, 8000},
        {"small buffer, below half", 1500, 749, 0},
        {"small buffer, half", 1500, 750, 750},
        {"tiny buffer", 2, 1, 1},
        {"one octet of one", 1, 1, 1},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *name = rows[i].name;
        struct duet_config config;
        struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
        struct rig_segment update;
        rig_config(&config);
        config.receive_buffer = rows[i].buffer;
        config.window_scaling = false;
        config.interface_count = 1;
        config.mtu = 1040; /* segments of 1000 */
        struct rig *rig = rig_with(&config);
        rig_accept(rig, &conn, &(struct rig_segment){.seq = 0xfffff000, .window = 100});
        for (uint32_t left = rows[i].buffer; left > 0;) {
            const uint32_t n = left < 1000 ? left : 1000;
            rig_say(rig, &conn, 0, 0, text, n);
            conn.seq += n;
            left -= n;
        }
        EXPECT_EQUAL(name, ask_window(name, rig, &conn), 0);
        EXPECT_EQUAL(name, duet_receive(rig->stack, rig->now, conn.handle, text, rows[i].read),
                     rows[i].read);
        const bool told = rig_output(rig, NULL, &update);
        EXPECT_EQUAL(name, told, rows[i].window > 0);
        if (told)
            EXPECT_EQUAL(name, update.window, rows[i].window);
        rig_silence(name, rig);
        EXPECT_EQUAL(name, ask_window(name, rig, &conn), rows[i].window);
        rig_free(rig);
    }
}

/* Octets read one by one: the edge stands still for 999 of them and then moves by 1000. */
static void reading_octet_by_octet(void **state)
{
    (void)state;
    struct duet_config config;
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
    struct rig_segment update;
    unsigned updates = 0;
    rig_config(&config);
    config.receive_buffer = 8000;
    config.window_scaling = false;
    config.interface_count = 1;
    config.mtu = 1040;
    struct rig *rig = rig_with(&config);
    rig_accept(rig, &conn, &(struct rig_segment){.seq = 0xfffff000, .window = 100});
    for (unsigned n = 0; n < 8; n++, conn.seq += 1000)
        rig_say(rig, &conn, 0, 0, text, 1000);
    rig_pass(rig, rig->now + MS(100));
    rig_drain(rig);
    uint32_t edge = conn.seq;
    for (unsigned n = 0; n < 8000; n++) {
        assert_int_equal(duet_receive(rig->stack, rig->now, conn.handle, text, 1), 1);
        if (!rig_output(rig, NULL, &update))
            continue;
        updates++;
        EXPECT("useful steps", update.ack + update.window - edge >= 1000);
        edge = update.ack + update.window;
    }
    EXPECT("few updates", updates >= 2 && updates <= 8);
    rig_free(rig);
}

/* ---- long runs at random ---- */

struct run {
    struct rig *rig;
    struct rig_conn conn;
    uint8_t scale;
    uint64_t sent, read; /* octets of the peer */
    uint64_t edge;       /* the furthest that was promised */
    uint32_t limit;      /* largest buffer that was ever set */
    struct prng prng;
};

static uint32_t below(struct run *run, uint64_t limit)
{
    return (uint32_t)prng_below(&run->prng, limit);
}

/* Every segment out says where the edge is: never left of where it was, never beyond the buffer.
 * With a scale it can only be told in whole units from RCV.NXT (RFC 7323, 2.4), so both hold up to
 * less than one unit; what was once promised is taken all the same. */
static void listen_to_all(const char *row, struct run *run)
{
    struct rig_segment segment;
    while (rig_output(run->rig, NULL, &segment)) {
        const uint64_t ack = run->sent - (uint32_t)(run->conn.seq - segment.ack);
        const uint64_t edge = ack + ((uint64_t)segment.window << run->scale);
        const uint64_t unit = UINT64_C(1) << run->scale;
        EXPECT(row, edge + unit > run->edge);
        EXPECT(row, edge < run->read + run->limit + unit);
        run->edge = edge > run->edge ? edge : run->edge;
        if (segment.length > 0)
            run->conn.ack = segment.seq + segment.length;
    }
}

static void send_within_the_window(const char *row, struct run *run)
{
    uint32_t size = 1 + below(run, below(run, 4) == 0 ? 20 : 1400);
    const uint64_t room = run->edge - run->sent;
    size = size < room ? size : (uint32_t)room;
    if (size == 0)
        return;
    const struct duet_status before = rig_status(run->rig, &run->conn);
    rig_say(run->rig, &run->conn, 0, 0, text, size);
    run->conn.seq += size;
    run->sent += size;
    const struct duet_status after = rig_status(run->rig, &run->conn);
    EXPECT_EQUAL(row, after.receive_queued, before.receive_queued + size); /* a promise is kept */
}

static void step(const char *row, struct run *run, uint32_t buffer)
{
    struct rig *rig = run->rig;
    switch (below(run, 8)) {
    case 0:
    case 1:
    case 2:
        send_within_the_window(row, run);
        break;
    case 3:
    case 4: {
        const int64_t n = duet_receive(rig->stack, rig->now, run->conn.handle, text,
                                       1 + below(run, below(run, 2) == 0 ? 100 : 20000));
        run->read += n > 0 ? (uint64_t)n : 0;
        break;
    }
    case 5:
        if (rig_status(rig, &run->conn).send_room > 2000)
            rig_write(rig, &run->conn, text, 1 + below(run, 2000));
        break;
    case 6:
        rig_say(rig, &run->conn, 0, below(run, 2) == 0 ? UINT32_MAX : 0, NULL, 0);
        rig_pass(rig, rig->now + MS(below(run, 700)));
        break;
    default:
        if (below(run, 10) == 0)
            assert_int_equal(duet_set(rig->stack, rig->now, run->conn.handle,
                                      DUET_OPTION_RECEIVE_BUFFER, 1 + below(run, buffer)),
                             DUET_OK);
        break;
    }
    listen_to_all(row, run);
}

static void right_edge_never_moves_left(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t buffer;
        bool scaling;
        uint32_t irs;
    } rows[] = {
        {"small", 2000, true, 0xfffff800},
        {"65535", 65535, true, 0xffff0000},
        {"no scaling", 262144, false, 0xfffe0000},
        {"256 KiB", 262144, true, 0xfffff000},
        {"16 MiB: units of 256", 1 << 24, true, 0x7fffff00},
        {"2^30: units of 16384", 1 << 30, true, 5},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct duet_config config;
        rig_config(&config);
        config.receive_buffer = rows[i].buffer;
        config.page_size = 65536;
        config.pages_max = 512;
        config.connections_max = 1;
        struct run run = {.rig = rig_with(&config), .conn = {.tuple = rig_tuple(80, 4000)}};
        prng_seed(&run.prng, i + 1);
        rig_accept(
            run.rig, &run.conn,
            &(struct rig_segment){.seq = rows[i].irs, .window = 60000, .scaling = rows[i].scaling});
        run.scale = run.conn.first.scaling ? run.conn.first.scale : 0;
        run.limit = rows[i].buffer;
        run.edge = run.conn.first.window;
        for (unsigned n = 0; n < 8000; n++)
            step(rows[i].name, &run, rows[i].buffer);
        EXPECT(rows[i].name, run.sent > 10000);
        rig_free(run.rig);
    }
}

/* The last ACK is sent by the record that is left of a connection in TIME-WAIT; the number of units that
 * it offers is rounded up, and what was offered counts. */
static void last_acknowledgement_offers_what_counts(void **state)
{
    (void)state;
    struct duet_config config;
    rig_config(&config);
    config.receive_buffer = 1 << 20;
    struct rig *rig = rig_with(&config);
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
    struct rig_segment last;
    rig_connect(rig, &conn,
                &(struct rig_segment){
                    .seq = 7000, .window = 60000, .mss = 1000, .scaling = true, .scale = 2});
    const uint8_t scale = conn.first.scale;
    assert_true(scale > 0);
    assert_int_equal(duet_shutdown(rig->stack, rig->now, conn.handle), DUET_OK);
    assert_int_equal(rig_drain(rig), 1);
    conn.ack++;
    rig_say(rig, &conn, DUET_FIN, 0, NULL, 0);
    assert_int_equal(duet_close(rig->stack, rig->now, conn.handle), DUET_OK);
    assert_true(rig_output(rig, NULL, &last));
    const struct duet_status status = rig_status(rig, &conn);
    assert_int_equal(status.state, DUET_TIME_WAIT);
    assert_int_equal(last.ack, status.rcv_nxt);
    assert_true((uint32_t)last.window << scale <= status.rcv_wnd);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peer_with_a_small_window),
        cmocka_unit_test(nagle),
        cmocka_unit_test(newest_window_counts),
        cmocka_unit_test(our_scale),
        cmocka_unit_test(peers_scale),
        cmocka_unit_test(edge_moves_in_useful_steps),
        cmocka_unit_test(reading_octet_by_octet),
        cmocka_unit_test(right_edge_never_moves_left),
        cmocka_unit_test(last_acknowledgement_offers_what_counts),
    };
    return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
