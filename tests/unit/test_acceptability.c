/* SPDX-License-Identifier: MIT */
/* Which segments are acceptable (RFC 9293, 3.10.7.4, table 6), at every edge of windows of 0 to 8
 * octets and of a large one, with RCV.NXT on both sides of the wrap, through the doors: an
 * acceptable segment is one whose ACK field counts, and of whose text just the part inside the window
 * is taken. Positions are relative to RCV.NXT and never wrap in the model. */
#include "rig.h"

#include <stdlib.h>

enum { SENT = 4 }; /* octets of ours in flight: an ACK that counts acknowledges them */

struct scene {
    struct rig rig;
    struct rig_conn conn;
    uint8_t *saved; /* the block before each segment */
    struct duet_status before;
    int64_t window;
    uint8_t text[4096];
};

/* A connection whose next octet is nxt and whose window is that many octets of the buffer. */
static struct scene *scene_new(uint32_t buffer, uint32_t window, uint32_t nxt)
{
    struct scene *scene = malloc(sizeof *scene);
    struct duet_config config;
    assert_non_null(scene);
    rig_config(&config);
    config.window_scaling = false;
    config.timestamps = false;
    config.page_size = 512;
    config.pages_max = 160;
    config.receive_buffer = buffer;
    config.connections_max = config.half_open_max = config.time_wait_max = 1;
    config.transfers_max = config.reassemblies_max = config.listeners_max = 1;
    rig_start(&scene->rig, &config);
    struct rig *rig = &scene->rig;
    struct rig_conn *conn = &scene->conn;
    *conn = (struct rig_conn){.tuple = rig_tuple(80, 4000)};
    const uint32_t filled = buffer - window;
    rig_accept(rig, conn, &(struct rig_segment){.seq = nxt - 1 - filled, .window = 1000});
    for (size_t i = 0; i < sizeof scene->text; i++)
        scene->text[i] = (uint8_t)(i * 13 + i / 256);
    if (filled > 0)
        rig_say(rig, conn, 0, 0, scene->text, filled);
    conn->seq += filled;
    rig_pass(rig, DUET_SECOND);
    rig_drain(rig);
    rig_write(rig, conn, "sent", SENT);
    assert_int_equal(rig_drain(rig), 1);
    conn->ack += SENT;
    scene->before = rig_status(rig, conn);
    assert_int_equal(scene->before.rcv_nxt, nxt);
    assert_int_equal(scene->before.rcv_wnd, window);
    scene->window = window;
    scene->saved = malloc(rig->size);
    assert_non_null(scene->saved);
    memcpy(scene->saved, rig->block, rig->size);
    return scene;
}

static void scene_free(struct scene *scene)
{
    rig_end(&scene->rig);
    free(scene->saved);
    free(scene);
}

/* The text from a position relative to RCV.NXT, as the peer has it; far away from there any bytes. */
static const uint8_t *text_at(const struct scene *scene, int64_t position)
{
    const bool is_near = position >= -2048 && position <= 600;
    return scene->text + (is_near ? 2048 + position : 0);
}

struct segment {
    int64_t seq; /* relative to RCV.NXT */
    int64_t text;
    bool fin;
};

/* ---- the model ---- */

static bool inside(int64_t position, int64_t window)
{
    return position >= 0 && position < window;
}

/* Table 6. */
static bool is_acceptable(const struct segment *segment, int64_t window)
{
    const int64_t len = segment->text + segment->fin;
    if (len == 0 && window == 0)
        return segment->seq == 0;
    if (len == 0)
        return inside(segment->seq, window);
    if (window == 0)
        return false;
    return inside(segment->seq, window) || inside(segment->seq + len - 1, window);
}

/* Not acceptable, but the ACK counts: at a closed window (MUST-66), and one before RCV.NXT
 * (docs/decisions/rfc.md, D5). */
static bool counts_all_the_same(const struct segment *segment, int64_t window)
{
    if (window == 0 && segment->seq == 0)
        return true;
    return segment->seq == -1 && segment->text + segment->fin <= 1;
}

/* Where the text that is kept ends; what begins before RCV.NXT is kept from there. */
static int64_t kept_end(const struct segment *segment, int64_t window)
{
    const int64_t end = segment->seq + segment->text;
    return end < window ? end : window;
}

/* ---- the comparison ---- */

static void row_name(char *row, size_t size, const struct scene *scene,
                     const struct segment *segment)
{
    snprintf(row, size, "RCV.NXT %u, window %d, SEQ %+" PRId64 ", %" PRId64 " octets%s",
             scene->before.rcv_nxt, (int)scene->window, segment->seq, segment->text,
             segment->fin ? " and FIN" : "");
}

static void expect_answer(const char *row, struct scene *scene)
{
    struct rig_segment answer;
    EXPECT(row, rig_output(&scene->rig, NULL, &answer));
    EXPECT_EQUAL(row, answer.flags, DUET_ACK);
    EXPECT_EQUAL(row, answer.seq, scene->before.snd_nxt);
    EXPECT_EQUAL(row, answer.ack, scene->before.rcv_nxt);
    EXPECT_EQUAL(row, answer.length, 0);
    rig_silence(row, &scene->rig);
}

static void expect_text(const char *row, const struct scene *scene, int64_t end)
{
    const struct duet_status status = rig_status(&scene->rig, &scene->conn);
    EXPECT_EQUAL(row, status.receive_queued, scene->before.receive_queued + (uint64_t)end);
}

/* The octets that came, after those that filled the buffer before. */
static void expect_octets(const char *row, struct scene *scene, int64_t end)
{
    static uint8_t to[70000];
    const size_t old = scene->before.receive_queued;
    struct rig *rig = &scene->rig;
    if (old + (size_t)end == 0)
        return;
    EXPECT_EQUAL(row, duet_receive(rig->stack, rig->now, scene->conn.handle, to, sizeof to),
                 old + (size_t)end);
    EXPECT_BYTES(row, to + old, text_at(scene, 0), (size_t)end);
}

static void check(struct scene *scene, const struct segment *segment)
{
    char row[128];
    struct rig *rig = &scene->rig;
    row_name(row, sizeof row, scene, segment);
    memcpy(rig->block, scene->saved, rig->size);
    rig_say(rig, &scene->conn, segment->fin ? DUET_FIN : 0, (uint32_t)segment->seq,
            segment->text > 0 ? text_at(scene, segment->seq) : NULL, (uint32_t)segment->text);

    const bool acceptable = is_acceptable(segment, scene->window);
    const bool counts = acceptable || counts_all_the_same(segment, scene->window);
    const struct duet_status after = rig_status(rig, &scene->conn);
    EXPECT_EQUAL(row, after.snd_una, scene->before.snd_una + (counts ? (uint32_t)SENT : 0));
    if (!acceptable) {
        EXPECT_EQUAL(row, after.state, DUET_ESTABLISHED);
        EXPECT_EQUAL(row, after.rcv_nxt, scene->before.rcv_nxt);
        expect_text(row, scene, 0);
        if (!counts)
            expect_answer(row, scene);
        return;
    }
    const int64_t end = kept_end(segment, scene->window);
    const bool fin = segment->fin && segment->seq + segment->text < scene->window;
    if (segment->seq > 0) { /* kept for later: what was missing comes now */
        EXPECT_EQUAL(row, after.rcv_nxt, scene->before.rcv_nxt);
        if (segment->seq > 600)
            return;
        rig_say(rig, &scene->conn, 0, 0, text_at(scene, 0), (uint32_t)segment->seq);
    }
    const struct duet_status last = rig_status(rig, &scene->conn);
    EXPECT_EQUAL(row, last.rcv_nxt, (uint32_t)(scene->before.rcv_nxt + (uint64_t)(end + fin)));
    EXPECT_EQUAL(row, last.state, fin ? DUET_CLOSE_WAIT : DUET_ESTABLISHED);
    expect_octets(row, scene, end);
}

/* RCV.NXT: far from the wrap, around 2^31, in front of the wrap so that it falls into the window at
 * each of its octets, and behind it. */
static const uint32_t nexts[] = {1000000,    0x7ffffffc, 0x80000000, 0xfffffff6, 0xfffffff9,
                                 0xfffffffd, 0xffffffff, 0,          1,          5};

static void small_windows(void **state)
{
    (void)state;
    for (size_t n = 0; n < COUNT_OF(nexts); n++) {
        for (uint32_t window = 0; window <= 8; window++) {
            struct scene *scene = scene_new(8, window, nexts[n]);
            for (int64_t seq = -12; seq <= 12; seq++)
                for (int64_t text = 0; text <= 14; text++)
                    for (int fin = 0; fin < 2; fin++)
                        check(scene, &(struct segment){seq, text, fin != 0});
            scene_free(scene);
        }
    }
}

static void large_window(void **state)
{
    (void)state;
    const int64_t w = 65535, half = INT64_C(1) << 31;
    const int64_t seqs[] = {-half + 1, -half, -65536, -1400,    -1001,    -1000, -999,
                            -2,        -1,    0,      1,        2,        999,   w - 2,
                            w - 1,     w,     w + 1,  w + 1000, half - 1, half,  half + 1};
    static const int64_t texts[] = {0, 1, 2, 999, 1000, 1001, 1400};
    for (size_t n = 0; n < COUNT_OF(nexts); n++) {
        struct scene *scene = scene_new(65535, 65535, nexts[n]);
        for (size_t i = 0; i < COUNT_OF(seqs); i++)
            for (size_t j = 0; j < COUNT_OF(texts); j++)
                for (int fin = 0; fin < 2; fin++)
                    check(scene, &(struct segment){seqs[i], texts[j], fin != 0});
        scene_free(scene);
    }
}

/* RFC 5961, 3.2: SEQ alone decides about a RST. At RCV.NXT it ends the connection, in the window it
 * is challenged, elsewhere nothing happens; at a closed window only RCV.NXT is left. */
static void resets(void **state)
{
    (void)state;
    for (size_t n = 0; n < COUNT_OF(nexts); n++) {
        for (uint32_t window = 0; window <= 8; window += 4) {
            struct scene *scene = scene_new(8, window, nexts[n]);
            struct rig *rig = &scene->rig;
            for (int64_t seq = -12; seq <= 12; seq++) {
                for (int64_t text = 0; text <= 14; text += 7) {
                    char row[128];
                    row_name(row, sizeof row, scene, &(struct segment){seq, text, false});
                    memcpy(rig->block, scene->saved, rig->size);
                    rig_say(rig, &scene->conn, DUET_RST, (uint32_t)seq, text_at(scene, seq),
                            (uint32_t)text);
                    const struct duet_status after = rig_status(rig, &scene->conn);
                    EXPECT_EQUAL(row, after.state, seq == 0 ? DUET_CLOSED : DUET_ESTABLISHED);
                    EXPECT_EQUAL(row, after.error, seq == 0 ? DUET_E_RESET : DUET_OK);
                    EXPECT_EQUAL(row, after.snd_una, scene->before.snd_una);
                    if (seq != 0 && inside(seq, window))
                        expect_answer(row, scene);
                    else
                        rig_silence(row, rig);
                }
            }
            scene_free(scene);
        }
    }
}

/* RFC 5961, 4.2: a SYN is challenged wherever it lies, and changes nothing. */
static void syns(void **state)
{
    (void)state;
    for (size_t n = 0; n < COUNT_OF(nexts); n++) {
        for (uint32_t window = 0; window <= 8; window += 4) {
            struct scene *scene = scene_new(8, window, nexts[n]);
            struct rig *rig = &scene->rig;
            for (int64_t seq = -12; seq <= 12; seq++) {
                char row[128];
                row_name(row, sizeof row, scene, &(struct segment){seq, 1, false});
                memcpy(rig->block, scene->saved, rig->size);
                rig_say(rig, &scene->conn, DUET_SYN, (uint32_t)seq, text_at(scene, seq), 1);
                const struct duet_status after = rig_status(rig, &scene->conn);
                EXPECT_EQUAL(row, after.state, DUET_ESTABLISHED);
                EXPECT_EQUAL(row, after.rcv_nxt, scene->before.rcv_nxt);
                EXPECT_EQUAL(row, after.snd_una, scene->before.snd_una);
                expect_text(row, scene, 0);
                expect_answer(row, scene);
            }
            scene_free(scene);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_windows),
        cmocka_unit_test(large_window),
        cmocka_unit_test(resets),
        cmocka_unit_test(syns),
    };
    return cmocka_run_group_tests_name("acceptability", tests, NULL, NULL);
}
