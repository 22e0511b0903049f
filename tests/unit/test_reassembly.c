/* SPDX-License-Identifier: MIT */
/* What arrives out of order or twice, through the doors, beside a model: a map that has one flag
 * for each byte of the stream, and the blocks in the order in which they were touched (RFC 2018, 4;
 * RFC 2883, 4). Rows 2018-3 to 2018-6, 2018-10, 2883-1 to 2883-4. */
#include "rig.h"

#include <stdlib.h>
#include <time.h>

#include "base/prng.h"

/* Ranges that one connection may hold, of which the latest are remembered as such. */
enum { STREAM = 200000, RANGES_MAX = 32, RECENT_MAX = 8, JOINED_MAX = 16 };

struct block {
    uint32_t left, right; /* [left, right), positions in the stream */
};

struct model {
    bool have[STREAM];
    uint32_t nxt;                        /* the first byte that is missing */
    uint32_t read;                       /* by the user */
    struct block recent[RECENT_MAX + 1]; /* the one touched last first */
    uint32_t recent_count;
    uint32_t count; /* of all blocks */
};

struct scene {
    struct rig rig;
    struct rig_conn conn;
    uint32_t base; /* sequence number of position 0 */
    struct model model;
    struct prng prng;
    uint8_t stream[STREAM];
};

static struct scene *scene_new(bool timestamps, uint32_t irs, uint64_t seed)
{
    struct scene *scene = calloc(1, sizeof *scene);
    struct duet_config config;
    assert_non_null(scene);
    rig_config(&config);
    config.receive_buffer = 60000;
    config.reassemblies_max = 1;
    config.ranges_max = 2 * RANGES_MAX; /* half of it for one who is greedy */
    config.connections_max = 2;
    rig_start(&scene->rig, &config);
    scene->conn.tuple = rig_tuple(80, 4000);
    rig_accept(&scene->rig, &scene->conn,
               &(struct rig_segment){.seq = irs,
                                     .window = 1000,
                                     .sack = true,
                                     .timestamps = timestamps,
                                     .tsval = 0xffffffff});
    scene->base = irs + 1;
    prng_seed(&scene->prng, seed);
    for (uint32_t i = 0; i < STREAM; i++)
        scene->stream[i] = (uint8_t)(i * 31 + i / 251);
    return scene;
}

static void scene_free(struct scene *scene)
{
    rig_end(&scene->rig);
    free(scene);
}

static uint32_t below(struct scene *scene, uint64_t limit)
{
    return (uint32_t)prng_below(&scene->prng, limit);
}

/* ---- the model ---- */

static void forget_block(struct model *m, uint32_t i)
{
    m->recent_count--;
    for (; i < m->recent_count; i++)
        m->recent[i] = m->recent[i + 1];
}

/* The first block behind at. False: there is none. */
static bool next_block(const struct model *m, uint32_t at, struct block *block)
{
    const uint32_t window = 60000;
    while (at < STREAM && at < m->nxt + window && !m->have[at])
        at++;
    *block = (struct block){at, at};
    while (block->right < STREAM && m->have[block->right])
        block->right++;
    return block->left < block->right;
}

static void count_blocks(struct model *m)
{
    struct block block = {0, m->nxt};
    m->count = 0;
    while (next_block(m, block.right, &block))
        m->count++;
}

/* Blocks below nxt are no longer out of order. */
static void advance(struct model *m)
{
    while (m->nxt < STREAM && m->have[m->nxt])
        m->nxt++;
    for (uint32_t i = m->recent_count; i > 0; i--)
        if (m->recent[i - 1].left <= m->nxt)
            forget_block(m, i - 1);
}

/* The run of bytes around one that has come. */
static struct block run_around(const struct model *m, uint32_t at)
{
    struct block block = {at, at};
    while (block.left > m->nxt && m->have[block.left - 1])
        block.left--;
    while (block.right < STREAM && m->have[block.right])
        block.right++;
    return block;
}

static bool touches_a_block(const struct model *m, uint32_t left, uint32_t right)
{
    for (uint32_t i = left - 1; i <= right && i < STREAM; i++)
        if (m->have[i])
            return true;
    return false;
}

/* Where [left, right) ends that joins so many blocks at most. */
static uint32_t joinable(const struct model *m, uint32_t left, uint32_t right)
{
    struct block block = {left, left};
    uint32_t joined = 0;
    if (left > m->nxt && m->have[left - 1]) {
        block = run_around(m, left - 1);
        joined++;
    }
    for (;;) {
        const uint32_t reached = block.right;
        if (!next_block(m, block.right, &block) || block.left > right)
            return right;
        if (++joined > JOINED_MAX)
            return reached;
    }
}

static void model_take(struct model *m, uint32_t left, uint32_t right)
{
    left = left < m->nxt ? m->nxt : left;
    if (left >= right)
        return;
    right = joinable(m, left, right);
    if (left > m->nxt && m->count == RANGES_MAX && !touches_a_block(m, left, right))
        return; /* no room to remember it: as if it had never come */
    for (uint32_t i = left; i < right; i++)
        m->have[i] = true;
    if (left == m->nxt) {
        advance(m);
        count_blocks(m);
        return;
    }
    const struct block block = run_around(m, left);
    for (uint32_t i = m->recent_count; i > 0; i--)
        if (m->recent[i - 1].left >= block.left && m->recent[i - 1].right <= block.right)
            forget_block(m, i - 1);
    for (uint32_t i = m->recent_count; i > 0; i--)
        m->recent[i] = m->recent[i - 1];
    m->recent[0] = block;
    m->recent_count += m->recent_count < RECENT_MAX;
    count_blocks(m);
}

/* Block i as it is to be reported: those touched last, then the leftmost of the others. */
static struct block block_to_report(const struct model *m, uint32_t i)
{
    struct block block = {0, m->nxt};
    if (i < m->recent_count)
        return m->recent[i];
    i -= m->recent_count;
    while (next_block(m, block.right, &block)) {
        bool is_recent = false;
        for (uint32_t j = 0; j < m->recent_count; j++)
            is_recent = is_recent || m->recent[j].left == block.left;
        if (!is_recent && i-- == 0)
            break;
    }
    return block;
}

/* The first run of [left, right) that has come before; empty if nothing has. */
static struct block run_of_old(const struct model *m, uint32_t left, uint32_t right)
{
    struct block block = {left, left};
    while (block.left < right && !m->have[block.left])
        block.left++;
    for (block.right = block.left; block.right < right && m->have[block.right];)
        block.right++;
    return block;
}

/* ---- the comparison ---- */

/* duplicate: what must be reported first; empty: nothing. */
static void expect_acknowledgement(const char *row, struct scene *scene, struct block duplicate)
{
    const struct model *m = &scene->model;
    const uint32_t reported = duplicate.left < duplicate.right;
    const uint32_t most = (scene->conn.timestamps ? 3 : 4) - reported;
    struct rig_segment ack;
    EXPECT(row, rig_output(&scene->rig, NULL, &ack));
    EXPECT_EQUAL(row, ack.flags, DUET_ACK);
    EXPECT_EQUAL(row, ack.ack, scene->base + m->nxt);
    EXPECT_EQUAL(row, ack.blocks, reported + (m->count < most ? m->count : most));
    if (reported == 1) {
        EXPECT_EQUAL(row, ack.block[0].left, scene->base + duplicate.left);
        EXPECT_EQUAL(row, ack.block[0].right, scene->base + duplicate.right);
    }
    for (uint32_t i = 0; i + reported < ack.blocks; i++) {
        const struct block block = block_to_report(m, i);
        EXPECT_EQUAL(row, ack.block[i + reported].left, scene->base + block.left);
        EXPECT_EQUAL(row, ack.block[i + reported].right, scene->base + block.right);
    }
    rig_silence(row, &scene->rig);
}

/* Hands in [left, right) and expects what RFC 5681, 4.2 asks for: an acknowledgement at once while
 * there is a hole, where one was filled, and for what was here before; else within the delay. */
static void deliver(const char *row, struct scene *scene, uint32_t left, uint32_t right)
{
    struct model *m = &scene->model;
    const struct block duplicate = run_of_old(m, left, right);
    const bool at_once = m->count > 0 || left > m->nxt || duplicate.left < duplicate.right;
    rig_say(&scene->rig, &scene->conn, 0, left, scene->stream + left, right - left);
    model_take(m, left, right);
    if (!at_once)
        rig_pass(&scene->rig, scene->rig.now + scene->rig.config.delayed_ack + 2000);
    expect_acknowledgement(row, scene, duplicate);
    const struct duet_status status = rig_status(&scene->rig, &scene->conn);
    EXPECT_EQUAL(row, status.receive_queued, m->nxt - m->read);
}

static void read_some(const char *row, struct scene *scene, uint32_t size)
{
    static uint8_t to[STREAM];
    struct model *m = &scene->model;
    struct rig *rig = &scene->rig;
    if (m->nxt == m->read || size == 0)
        return;
    const uint32_t expected = size < m->nxt - m->read ? size : m->nxt - m->read;
    EXPECT_EQUAL(row, duet_receive(rig->stack, rig->now, scene->conn.handle, to, size), expected);
    EXPECT_BYTES(row, to, scene->stream + m->read, expected);
    m->read += expected;
    rig_drain(rig);
}

/* ---- random order ---- */

static void random_order(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool timestamps;
        uint32_t irs;
        uint32_t longest, reach; /* of segments, and how far ahead they may begin */
    } rows[] = {
        {"long segments", false, 0xfffff000, 1400, 20000},
        {"long segments, timestamps", true, 0xfffe0000, 1400, 20000},
        {"short segments", false, 0xffffffff, 40, 2000},
        {"short segments, timestamps", true, 0xffffff00, 40, 2000},
        {"single bytes: the ranges are often used up", false, 0xffffffe0, 1, 150},
        {"many holes", true, 0x7ffff000, 3, 400},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene *scene = scene_new(rows[i].timestamps, rows[i].irs, i + 1);
        struct model *m = &scene->model;
        for (unsigned n = 0; n < 4000 && m->nxt + rows[i].reach + 1500 < STREAM; n++) {
            const uint32_t window = rig_status(&scene->rig, &scene->conn).rcv_wnd;
            const uint32_t reach = below(scene, 12) == 0 ? 1 : rows[i].reach;
            const uint32_t back = below(scene, 8) == 0 && m->nxt > 50 ? below(scene, 50) : 0;
            const uint32_t left = m->nxt + below(scene, reach) - back;
            const uint32_t right = left + 1 + below(scene, rows[i].longest);
            if (right <= m->nxt + window)
                deliver(rows[i].name, scene, left, right);
            if (below(scene, 20) == 0 || window < rows[i].reach + 1500)
                read_some(rows[i].name, scene, below(scene, 60000));
        }
        EXPECT(rows[i].name, m->nxt > 2 * rows[i].reach); /* there was progress */
        for (uint32_t at = m->nxt; at < STREAM && m->count > 0; at = m->nxt) /* fill every hole */
            deliver(rows[i].name, scene, at, at + 1);
        read_some(rows[i].name, scene, STREAM);
        EXPECT_EQUAL(rows[i].name, scene->rig.stack->reassemblies.used, 0);
        EXPECT_EQUAL(rows[i].name, scene->rig.stack->buffers.pages.used, 0);
        scene_free(scene);
    }
}

/* All orders of five pieces, the last one with the FIN, without a model of blocks. */
static void every_order_of_five(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 120; order++) {
        struct scene *scene = scene_new(false, 0xffffffef, order);
        unsigned left[] = {0, 1, 2, 3, 4}, rest = order;
        uint8_t to[64];
        for (unsigned n = 5; n > 0; n--) {
            const unsigned pick = rest % n;
            const unsigned piece = left[pick];
            rest /= n;
            left[pick] = left[n - 1];
            rig_say(&scene->rig, &scene->conn, piece == 4 ? DUET_FIN : 0, piece * 10,
                    scene->stream + piece * 10, 10);
        }
        struct rig *rig = &scene->rig;
        EXPECT_EQUAL("end", rig_status(rig, &scene->conn).state, DUET_CLOSE_WAIT);
        EXPECT_EQUAL("all", duet_receive(rig->stack, 0, scene->conn.handle, to, sizeof to), 50);
        EXPECT_BYTES("all", to, scene->stream, 50);
        EXPECT_EQUAL("record", rig->stack->reassemblies.used, 0);
        scene_free(scene);
    }
}

/* ---- SACK blocks: the examples of RFC 2018, 7 ---- */

struct step {
    uint32_t seq; /* of 500 bytes */
    uint32_t ack;
    struct block blocks[4];
};

static void play(const char *row, const struct step *steps, size_t count)
{
    struct scene *scene = scene_new(false, 4999, 0);
    struct rig_segment ack;
    for (size_t i = 0; i < count; i++) {
        rig_say(&scene->rig, &scene->conn, 0, steps[i].seq - 5000, scene->stream, 500);
        if (!rig_output(&scene->rig, NULL, &ack)) {
            rig_pass(&scene->rig, scene->rig.now + DUET_SECOND);
            EXPECT(row, rig_output(&scene->rig, NULL, &ack));
        }
        EXPECT_EQUAL(row, ack.ack, steps[i].ack);
        uint32_t blocks = 0;
        for (; blocks < 4 && steps[i].blocks[blocks].right != 0; blocks++) {
            EXPECT_EQUAL(row, ack.block[blocks].left, steps[i].blocks[blocks].left);
            EXPECT_EQUAL(row, ack.block[blocks].right, steps[i].blocks[blocks].right);
        }
        EXPECT_EQUAL(row, ack.blocks, blocks);
    }
    scene_free(scene);
}

static void examples_of_rfc_2018(void **state)
{
    (void)state;
    static const struct step last_four_lost[] = {
        {5000, 5500, {{0}}}, {5500, 6000, {{0}}}, {6000, 6500, {{0}}}, {6500, 7000, {{0}}}};
    static const struct step first_lost[] = {
        {5500, 5000, {{5500, 6000}}}, {6000, 5000, {{5500, 6500}}}, {6500, 5000, {{5500, 7000}}},
        {7000, 5000, {{5500, 7500}}}, {7500, 5000, {{5500, 8000}}}, {8000, 5000, {{5500, 8500}}},
        {8500, 5000, {{5500, 9000}}}};
    static const struct step every_second_lost[] = {
        {5000, 5500, {{0}}},
        {6000, 5500, {{6000, 6500}}},
        {7000, 5500, {{7000, 7500}, {6000, 6500}}},
        {8000, 5500, {{8000, 8500}, {7000, 7500}, {6000, 6500}}},
        {6500, 5500, {{6000, 7500}, {8000, 8500}}},
        {5500, 7500, {{8000, 8500}}}};
    play("the last four are lost", last_four_lost, COUNT_OF(last_four_lost));
    play("the first is lost", first_lost, COUNT_OF(first_lost));
    play("every second is lost", every_second_lost, COUNT_OF(every_second_lost));
}

/* ---- limits ---- */

/* Range 33 of 32 is not remembered, so it is not reported either (2018-10); what touches a range
 * still is. When the latest ones have become one, older ones are reported again (2018-5). */
static void ranges_are_used_up(void **state)
{
    (void)state;
    struct scene *scene = scene_new(false, 0xfffffff0, 0);
    for (uint32_t i = 0; i < RANGES_MAX; i++)
        deliver("filling", scene, 100 + 10 * i, 105 + 10 * i);
    EXPECT_EQUAL("full", scene->model.count, RANGES_MAX);
    const uint64_t refused = rig_hits(&scene->rig, TCP_RULE_TEXT_NO_MEMORY);
    deliver("one more behind", scene, 1000, 1005);
    deliver("one more in front", scene, 10, 15);
    deliver("one more between", scene, 107, 108);
    EXPECT_EQUAL("refused", rig_hits(&scene->rig, TCP_RULE_TEXT_NO_MEMORY), refused + 3);
    deliver("a larger one", scene, 105, 107);
    deliver("two become one", scene, 105, 110);
    deliver("room again", scene, 1000, 1005);
    deliver("the latest become one", scene, 300, 1002);
    EXPECT_EQUAL("few of the latest are left", scene->model.recent_count, 2);
    deliver("as far as one may join", scene, 0, 1000);
    EXPECT_EQUAL("sixteen", scene->model.nxt, 100 + 10 * 16 + 5);
    deliver("the rest", scene, 0, 1000);
    EXPECT_EQUAL("all", scene->model.nxt, 1005);
    read_some("all", scene, 2000);
    scene_free(scene);
}

/* Another connection; the only record is the scene's. */
static struct rig_conn without_record(struct scene *scene)
{
    struct rig_conn other = {.tuple = rig_tuple(81, 4000)};
    rig_accept(&scene->rig, &other,
               &(struct rig_segment){.seq = 0xffffffff, .window = 1000, .sack = true});
    deliver("the record is taken", scene, 100, 200);
    return other;
}

/* One record for two connections: who finds none drops what is out of order, and takes what is in
 * order. */
static void no_record_left(void **state)
{
    (void)state;
    struct scene *scene = scene_new(false, 0xfffffff0, 0);
    struct rig *rig = &scene->rig;
    struct rig_conn other = without_record(scene);
    struct rig_segment ack;
    rig_say(rig, &other, 0, 100, scene->stream, 100);
    EXPECT("acknowledged at once", rig_output(rig, NULL, &ack));
    EXPECT_EQUAL("nothing taken", ack.ack, other.seq);
    EXPECT_EQUAL("nothing to report", ack.blocks, 0);
    EXPECT_EQUAL("by name", rig_hits(rig, TCP_RULE_NO_REASSEMBLY_LEFT), 1);
    rig_say(rig, &other, 0, 0, scene->stream, 100);
    EXPECT_EQUAL("in order", rig_status(rig, &other).receive_queued, 100);
    rig_pass(rig, rig->now + DUET_SECOND);
    rig_drain(rig);
    deliver("given back", scene, 0, 100);
    rig_say(rig, &other, 0, 200, scene->stream, 100);
    EXPECT("acknowledged", rig_output(rig, NULL, &ack));
    EXPECT_EQUAL("held", ack.blocks, 1);
    scene_free(scene);
}

/* SACK was not permitted by the peer: the same without a block. */
static void no_blocks_without_permission(void **state)
{
    (void)state;
    struct rig *rig = malloc(sizeof *rig);
    struct duet_config config;
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
    struct rig_segment ack;
    assert_non_null(rig);
    rig_config(&config);
    rig_start(rig, &config);
    rig_accept(rig, &conn, &(struct rig_segment){.seq = 7, .window = 1000});
    rig_say(rig, &conn, 0, 10, "hello", 5);
    EXPECT("acknowledged", rig_output(rig, NULL, &ack));
    EXPECT_EQUAL("no block", ack.blocks, 0);
    EXPECT_EQUAL("held all the same", rig_hits(rig, TCP_RULE_TEXT_OUT_OF_ORDER), 1);
    rig_end(rig);
    free(rig);
}

/* ---- what a segment costs ---- */

enum { FILLER = 2 * JOINED_MAX };

/* Text at offset, through the doors alone: the rig walks all ranges after every door to check them,
 * which is what must not be measured. */
static void say_quickly(struct rig *rig, const struct rig_conn *conn, uint32_t offset,
                        uint32_t length)
{
    static const uint8_t text[FILLER];
    const struct rig_segment segment = {.flags = DUET_ACK,
                                        .seq = conn->seq + offset,
                                        .ack = conn->ack,
                                        .window = conn->window,
                                        .text = text,
                                        .length = length};
    struct duet_packet in = {.data = rig->in, .size = sizeof rig->in};
    struct duet_packet out = {.data = rig->out, .size = sizeof rig->out};
    in.length = rig_encode(rig->in, &conn->tuple, &segment);
    duet_input(rig->stack, rig->now, &in);
    EXPECT("acknowledged", duet_output(rig->stack, rig->now, &out));
}

/* CPU time that one segment takes while n segments of one byte, at every second byte and in random
 * order, come to stand behind a hole; then the hole is filled, and so on. */
static double time_of_a_segment(const uint32_t *order, uint32_t n)
{
    enum { SEGMENTS = 20000 };
    struct rig *rig = malloc(sizeof *rig);
    struct duet_config config;
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
    static uint8_t text[65536];
    assert_non_null(rig);
    rig_config(&config);
    config.ranges_max = 2 * n;
    config.receive_buffer = 65536;
    rig_start(rig, &config);
    rig_accept(rig, &conn, &(struct rig_segment){.seq = 0xffff8000, .window = 1000, .sack = true});
    const clock_t begin = clock();
    for (uint32_t round = 0; round < SEGMENTS / n; round++) {
        for (uint32_t i = 0; i < n; i++)
            say_quickly(rig, &conn, 1 + 2 * order[i], 1);
        EXPECT_EQUAL("all held", ranges_used(&rig->stack->ranges), n);
        for (uint32_t at = 0; at < 2 * n; at += FILLER)
            say_quickly(rig, &conn, at, 2 * n - at < FILLER ? 2 * n - at : FILLER);
        EXPECT_EQUAL("filled", ranges_used(&rig->stack->ranges), 0);
        EXPECT_EQUAL("read", duet_receive(rig->stack, rig->now, conn.handle, text, sizeof text),
                     2 * n);
        rig_drain(rig);
        conn.seq += 2 * n;
    }
    const uint32_t segments = SEGMENTS / n * n;
    const double time = (double)(clock() - begin) / segments;
    rig_end(rig);
    free(rig);
    return time;
}

/* One byte in every two, from 10 ranges to 10,000: the dearest segment costs at most four times the
 * cheapest, because the way to its range is logarithmic. The best of several runs, the machine
 * being busy with other things, too. */
static void cost_hardly_grows_with_the_ranges(void **state)
{
    (void)state;
    double cheapest = 1e9, dearest = 0;
    for (uint32_t n = 10; n <= 10000; n *= 10) {
        uint32_t *order = malloc(n * sizeof *order);
        struct prng prng;
        double best = 1e9;
        assert_non_null(order);
        prng_seed(&prng, n);
        for (uint32_t i = 0; i < n; i++) {
            const uint32_t j = (uint32_t)prng_below(&prng, i + 1);
            order[i] = order[j];
            order[j] = i;
        }
        for (unsigned run = 0; run < 5; run++) {
            const double time = time_of_a_segment(order, n);
            best = time < best ? time : best;
        }
        print_message("# %" PRIu32 " ranges: %.2f us a segment\n", n, best);
        cheapest = best < cheapest ? best : cheapest;
        dearest = best > dearest ? best : dearest;
        free(order);
    }
    EXPECT("at most four times", dearest <= 4 * cheapest);
}

/* ---- duplicates: what the random order does not reach ---- */

/* A link that cuts large packets would copy the block to every piece, and a duplicate is reported
 * once (2883-2): the packet that names it is a single segment, with room for the block. */
static void duplicate_rides_on_one_segment(void **state)
{
    (void)state;
    struct rig *rig = malloc(sizeof *rig);
    struct duet_config config;
    struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
    struct rig_segment out;
    static const uint8_t text[6000];
    assert_non_null(rig);
    rig_config(&config);
    config.offload = DUET_OFFLOAD_SEGMENT;
    rig_start(rig, &config);
    rig_accept(rig, &conn,
               &(struct rig_segment){.seq = 7, .window = 60000, .mss = 1000, .sack = true});
    rig_say(rig, &conn, 0, 0, text, 100);
    rig_pass(rig, rig->now + DUET_SECOND);
    rig_drain(rig);
    rig_write(rig, &conn, text, sizeof text);
    rig_say(rig, &conn, 0, 50, text, 20);
    EXPECT("names it", rig_output(rig, NULL, &out));
    EXPECT_EQUAL("one block", out.blocks, 1);
    EXPECT_EQUAL("left", out.block[0].left, conn.seq + 50);
    EXPECT_EQUAL("right", out.block[0].right, conn.seq + 70);
    EXPECT_EQUAL("full, less the block", out.length, 1000 - 12);
    EXPECT_EQUAL("single", rig->packet.segment_size, 0);
    EXPECT("the rest", rig_output(rig, NULL, &out));
    EXPECT_EQUAL("no block", out.blocks, 0);
    EXPECT_EQUAL("large again", rig->packet.segment_size, 1000);
    EXPECT_EQUAL("record", rig->stack->reassemblies.used, 0);
    rig_end(rig);
    free(rig);
}

/* Two pieces before one acknowledgement leaves: those that touch are one, else the later counts. */
static void duplicates_before_one_acknowledgement(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct block first, second, reported;
    } rows[] = {
        {"one behind the other", {10, 20}, {20, 30}, {10, 30}},
        {"one before the other", {20, 30}, {10, 20}, {10, 30}},
        {"the same twice", {10, 20}, {10, 20}, {10, 20}},
        {"overlapping", {10, 25}, {20, 40}, {10, 40}},
        {"apart, the later above", {10, 20}, {21, 30}, {21, 30}},
        {"apart, the later below", {21, 30}, {10, 20}, {10, 20}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene *scene = scene_new(false, 0xffffffe7, 0);
        struct rig *rig = &scene->rig;
        struct rig_segment ack;
        deliver(rows[i].name, scene, 0, 100);
        for (unsigned n = 0; n < 2; n++) {
            const struct block piece = n == 0 ? rows[i].first : rows[i].second;
            rig_say(rig, &scene->conn, 0, piece.left, scene->stream, piece.right - piece.left);
        }
        EXPECT(rows[i].name, rig_output(rig, NULL, &ack));
        EXPECT_EQUAL(rows[i].name, ack.blocks, 1);
        EXPECT_EQUAL(rows[i].name, ack.block[0].left, scene->base + rows[i].reported.left);
        EXPECT_EQUAL(rows[i].name, ack.block[0].right, scene->base + rows[i].reported.right);
        rig_silence(rows[i].name, rig);
        scene_free(scene);
    }
}

/* The record is in use by another connection: the duplicate is acknowledged, not reported. Bytes
 * that were all read do not count as unread because of a duplicate. */
static void duplicate_without_a_record(void **state)
{
    (void)state;
    struct scene *scene = scene_new(false, 0xfffffff0, 0);
    struct rig *rig = &scene->rig;
    struct rig_conn other = without_record(scene);
    struct rig_segment ack;
    rig_say(rig, &other, 0, 0, scene->stream, 100);
    rig_pass(rig, rig->now + DUET_SECOND);
    rig_drain(rig);
    rig_say(rig, &other, 0, 0, scene->stream, 100);
    EXPECT("acknowledged", rig_output(rig, NULL, &ack));
    EXPECT_EQUAL("not reported", ack.blocks, 0);
    deliver("given back", scene, 0, 100);
    uint8_t to[100];
    EXPECT_EQUAL("read", duet_receive(rig->stack, rig->now, other.handle, to, 100), 100);
    rig_say(rig, &other, 0, 0, scene->stream, 100);
    EXPECT_EQUAL("noted", rig->stack->reassemblies.used, 1);
    EXPECT_EQUAL("close", duet_close(rig->stack, rig->now, other.handle), DUET_OK);
    EXPECT("FIN", rig_output(rig, NULL, &ack));
    EXPECT_EQUAL("no RST: nothing is unread", ack.flags, DUET_FIN | DUET_ACK);
    EXPECT_EQUAL("reported", ack.blocks, 1);
    scene_free(scene);
}

/* A FIN that comes early waits for what is before it, whether it brought text or not. */
static void early_fin(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t fin_at, fin_text; /* the segment that has it */
        uint32_t pieces[3][2];
    } rows[] = {
        {"bare", 30, 0, {{10, 20}, {0, 10}, {20, 30}}},
        {"with text", 20, 10, {{10, 20}, {0, 10}}},
        {"in one piece", 20, 10, {{0, 20}}},
        {"bare, twice as much", 30, 0, {{0, 30}}},
        {"filled from behind", 25, 5, {{20, 25}, {10, 20}, {0, 10}}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene *scene = scene_new(false, 0xffffffe7, 0);
        struct rig *rig = &scene->rig;
        struct rig_segment ack;
        rig_say(rig, &scene->conn, DUET_FIN, rows[i].fin_at, scene->stream + rows[i].fin_at,
                rows[i].fin_text);
        for (unsigned n = 0; n < 3 && rows[i].pieces[n][1] > 0; n++) {
            const uint32_t *piece = rows[i].pieces[n];
            EXPECT_EQUAL(rows[i].name, rig_status(rig, &scene->conn).state, DUET_ESTABLISHED);
            rig_drain(rig);
            rig_say(rig, &scene->conn, 0, piece[0], scene->stream + piece[0], piece[1] - piece[0]);
        }
        EXPECT_EQUAL(rows[i].name, rig_status(rig, &scene->conn).state, DUET_CLOSE_WAIT);
        EXPECT(rows[i].name, rig_output(rig, NULL, &ack));
        EXPECT_EQUAL(rows[i].name, ack.ack, scene->base + 31);
        EXPECT_EQUAL(rows[i].name, rig->stack->reassemblies.used, 0);
        scene_free(scene);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_order),
        cmocka_unit_test(every_order_of_five),
        cmocka_unit_test(examples_of_rfc_2018),
        cmocka_unit_test(ranges_are_used_up),
        cmocka_unit_test(no_record_left),
        cmocka_unit_test(no_blocks_without_permission),
        cmocka_unit_test(cost_hardly_grows_with_the_ranges),
        cmocka_unit_test(duplicate_rides_on_one_segment),
        cmocka_unit_test(duplicates_before_one_acknowledgement),
        cmocka_unit_test(duplicate_without_a_record),
        cmocka_unit_test(early_fin),
    };
    return cmocka_run_group_tests_name("reassembly", tests, NULL, NULL);
}
