/* SPDX-License-Identifier: MIT */
/* What a peer that SACKs with malice costs (RFC 2018): 4 MB are in flight in the smallest segments there
 * are, and the peer acknowledges so that the scoreboard has as much to do as possible. A step is one look
 * at a record of it; steps are counted by standing between the scoreboard and its memory.
 *
 * Two things must hold for each kind of malice, with RACK and with RFC 6675: an acknowledgement, with all
 * that is sent because of it, costs a bounded number of steps on average, and twice the flight costs about
 * twice as much for twice the acknowledgements.
 *
 * link: -Wl,--wrap=buffer_at
 */
#include "rig.h"

#include "base/prng.h"

#include <stdlib.h>

enum { MSS = 216, FLIGHT = 4 << 20, STEPS_MAX = 250 };

static uint64_t steps;

void *__real_buffer_at(const struct buffer_space *space, const struct buffer *buffer,
                       uint32_t offset);
void *__wrap_buffer_at(const struct buffer_space *space, const struct buffer *buffer,
                       uint32_t offset);

void *__wrap_buffer_at(const struct buffer_space *space, const struct buffer *buffer,
                       uint32_t offset)
{
    steps++;
    return __real_buffer_at(space, buffer, offset);
}

struct victim {
    struct rig rig;
    struct rig_conn conn;
    struct tcp_conn *c;
    uint32_t count;    /* segments in flight */
    uint32_t una;      /* of them, those acknowledged */
    uint64_t messages; /* acknowledgements, and packets sent since the flight left */
    struct prng prng;
};

static void victim_start(struct victim *v, uint32_t count, bool rack)
{
    static const uint8_t text[65536];
    struct duet_config config;
    rig_config(&config);
    config.pages_max = 8192;
    config.page_size = 4096;
    config.send_buffer = 2 * FLIGHT;
    config.rack = rack;
    rig_start(&v->rig, &config);
    v->conn = (struct rig_conn){.tuple = rig_tuple(1000, 2000), .timestamps = true, .tsval = 1};
    rig_connect(&v->rig, &v->conn,
                &(struct rig_segment){.mss = MSS + 12,
                                      .window = 65535,
                                      .sack = true,
                                      .timestamps = true,
                                      .tsval = 1,
                                      .scaling = true,
                                      .scale = 10});
    v->c = conn_at(v->rig.stack, v->conn.handle.index);
    v->c->cwnd = count * MSS;
    v->c->snd.wnd = v->c->snd.wnd_max = 65535 << 10;
    for (uint32_t left = count * MSS; left > 0;) {
        const uint32_t size = left < sizeof text ? left : (uint32_t)sizeof text;
        rig_write(&v->rig, &v->conn, text, size);
        left -= size;
    }
    v->rig.packet = (struct duet_packet){.data = v->rig.out, .size = sizeof v->rig.out};
    while (duet_output(v->rig.stack, v->rig.now, &v->rig.packet)) {
    }
    EXPECT_EQUAL("all is in flight", transfer_of(v->rig.stack, v->c)->flight.count, count);
    v->count = count;
    v->una = 0;
    v->messages = 0;
    prng_seed(&v->prng, 1);
    v->rig.now += 100 * DUET_MILLISECOND;
    steps = 0;
}

static void victim_end(struct victim *v)
{
    const char *broken = duet_check(v->rig.stack);
    EXPECT_TEXT("sound", broken == NULL ? "" : broken, "");
    rig_end(&v->rig);
}

static uint32_t edge(const struct victim *v, uint32_t segment)
{
    return v->conn.iss + 1 + segment * MSS;
}

/* An acknowledgement up to byte `more` of the oldest segment, with blocks; everything that may leave
 * because of it leaves. */
static void say(struct victim *v, struct rig_segment *segment, uint32_t more)
{
    segment->flags = DUET_ACK;
    segment->seq = v->conn.seq;
    segment->ack = edge(v, v->una) + more;
    segment->window = segment->window == 0 ? 65535 : 0;
    segment->timestamps = true;
    segment->tsval = 2;
    const struct duet_packet packet = {.data = v->rig.in,
                                       .size = sizeof v->rig.in,
                                       .length = rig_encode(v->rig.in, &v->conn.tuple, segment)};
    v->rig.now += 10 * DUET_MICROSECOND;
    duet_input(v->rig.stack, v->rig.now, &packet);
    v->messages++;
    v->rig.packet = (struct duet_packet){.data = v->rig.out, .size = sizeof v->rig.out};
    while (duet_output(v->rig.stack, v->rig.now, &v->rig.packet))
        v->messages++;
}

static void sack(struct victim *v, uint32_t from, uint32_t to)
{
    say(v, &(struct rig_segment){.blocks = 1, .block = {{edge(v, from), edge(v, to)}}}, 0);
}

/* ---- kinds of malice ---- */

static void every_second_from_the_tail(struct victim *v)
{
    for (uint32_t i = v->count - 1; i > 1; i -= 2)
        sack(v, i, i + 1);
}

static void every_second_from_the_head(struct victim *v)
{
    for (uint32_t i = 1; i < v->count; i += 2)
        sack(v, i, i + 1);
}

static void at_random(struct victim *v)
{
    for (uint32_t i = 0; i < v->count; i++) {
        const uint32_t at = 1 + (uint32_t)prng_below(&v->prng, v->count - 1);
        sack(v, at, at + 1);
    }
}

static void three_random_blocks(struct victim *v)
{
    for (uint32_t i = 0; i < v->count; i++) {
        struct rig_segment segment = {.blocks = 3};
        for (uint32_t k = 0; k < 3; k++) {
            const uint32_t at = 1 + (uint32_t)prng_below(&v->prng, v->count - 1);
            segment.block[k].left = edge(v, at);
            segment.block[k].right = edge(v, at + 1);
        }
        say(v, &segment, 0);
    }
}

/* The whole flight but its first segment, again and again. */
static void the_same_large_block(struct victim *v)
{
    for (uint32_t i = 0; i < v->count; i++)
        sack(v, 1, v->count);
}

static void every_second_and_then_all_between(struct victim *v)
{
    every_second_from_the_tail(v);
    for (uint32_t i = 1; i < v->count; i++)
        sack(v, 1, i + 1);
}

/* Blocks that cover no segment whole. */
static void single_bytes(struct victim *v)
{
    for (uint32_t i = 0; i < v->count; i++) {
        const uint32_t at = edge(v, 1 + (uint32_t)prng_below(&v->prng, v->count - 1)) + 1;
        say(v, &(struct rig_segment){.blocks = 1, .block = {{at, at + 1}}}, 0);
    }
}

/* Two small runs far away, which are not enough for RFC 6675, then many acknowledgements. */
static void just_not_enough(struct victim *v)
{
    sack(v, v->count - 1, v->count);
    for (uint32_t i = 0; i < v->count; i++)
        sack(v, v->count - 3, v->count - 2);
}

/* The tail is SACKed, all before it is lost; then a byte of the oldest segment is acknowledged with an
 * echo from before it was sent again, and nothing was lost. And so on. */
static void losses_that_were_none(struct victim *v)
{
    for (uint32_t i = 0; i < v->count; i++) {
        sack(v, v->count - 1 - i % (v->count / 2), v->count);
        say(v, &(struct rig_segment){.tsecr = v->conn.tsecr - 1000}, i % (MSS - 1) + 1);
        if (i % (MSS - 1) == MSS - 2)
            v->una++;
    }
}

/* The window closes and opens. */
static void window_that_flickers(struct victim *v)
{
    for (uint32_t i = 0; i < v->count; i++) {
        say(v, &(struct rig_segment){.window = 1}, 0);
        say(v, &(struct rig_segment){0}, 0);
    }
}

/* ---- the count ---- */

static double steps_a_message(void (*play)(struct victim *v), uint32_t count, bool rack)
{
    struct victim *v = calloc(1, sizeof *v);
    assert_non_null(v);
    victim_start(v, count, rack);
    play(v);
    const double average = (double)steps / (double)v->messages;
    assert_true(steps > v->messages); /* or nothing stands between */
    victim_end(v);
    free(v);
    return average;
}

static void expect_bounded(const char *row, void (*play)(struct victim *v))
{
    for (unsigned rack = 0; rack < 2; rack++) {
        const double half = steps_a_message(play, FLIGHT / MSS / 2, rack == 1);
        const double whole = steps_a_message(play, FLIGHT / MSS, rack == 1);
        print_message("%-34s %s: %6.1f steps a message, %6.1f in half the flight\n", row,
                      rack == 1 ? "RACK" : "6675", whole, half);
        EXPECT(row, whole < STEPS_MAX);
        EXPECT(row, whole < 1.3 * half + 10); /* what is left of quadratic: a logarithm */
    }
}

#define MALICE(name)                                                                               \
    static void malice_##name(void **state)                                                        \
    {                                                                                              \
        (void)state;                                                                               \
        expect_bounded(#name, name);                                                               \
    }

MALICE(every_second_from_the_tail)
MALICE(every_second_from_the_head)
MALICE(at_random)
MALICE(three_random_blocks)
MALICE(the_same_large_block)
MALICE(every_second_and_then_all_between)
MALICE(single_bytes)
MALICE(just_not_enough)
MALICE(losses_that_were_none)
MALICE(window_that_flickers)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malice_every_second_from_the_tail),
        cmocka_unit_test(malice_every_second_from_the_head),
        cmocka_unit_test(malice_at_random),
        cmocka_unit_test(malice_three_random_blocks),
        cmocka_unit_test(malice_the_same_large_block),
        cmocka_unit_test(malice_every_second_and_then_all_between),
        cmocka_unit_test(malice_single_bytes),
        cmocka_unit_test(malice_just_not_enough),
        cmocka_unit_test(malice_losses_that_were_none),
        cmocka_unit_test(malice_window_that_flickers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
