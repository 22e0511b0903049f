/* SPDX-License-Identifier: MIT */
/* A peer that lies about what it has received, to be served faster than others, or to break the sender:
 * what it gains, in numbers, beside a peer that tells the truth on the same path. One segment of 1000
 * octets is a unit of everything; a round trip takes 100 ms, and sequence numbers are about to wrap.
 */
#include "rig.h"

#include "base/prng.h"
#include "host/coverage.h"

#include <stdlib.h>

#define TRIP (100 * DUET_MILLISECOND)

enum { MSS = 1000, WINDOW = 65535 };

struct sender {
    struct rig rig;
    struct rig_conn conn;
    struct tcp_conn *c;
    uint32_t told; /* highest acknowledgement that was sent to it */
};

static struct sender *sender_new(enum duet_controller controller, bool sack, bool timestamps)
{
    struct sender *x = calloc(1, sizeof *x);
    struct duet_config config;
    assert_non_null(x);
    rig_config(&config);
    config.controller = controller;
    config.pages_max = 4096;
    config.send_buffer = 1 << 20;
    config.user_timeout = 3600 * DUET_SECOND;
    config.verify_acks = false; /* one lie at a time; what catches early ones: test_verify.c */
    rig_start(&x->rig, &config);
    x->conn = (struct rig_conn){
        .tuple = rig_tuple(1000, 2000), .trip = TRIP, .timestamps = timestamps, .tsval = 1};
    rig_connect(&x->rig, &x->conn,
                &(struct rig_segment){.mss = timestamps ? MSS + 12 : MSS,
                                      .window = WINDOW,
                                      .sack = sack,
                                      .scaling = true,
                                      .scale = 4,
                                      .timestamps = timestamps,
                                      .tsval = 1});
    x->c = conn_at(x->rig.stack, x->conn.handle.index);
    x->told = x->conn.ack;
    return x;
}

static void sender_free(struct sender *x)
{
    duet_coverage_note(x->rig.stack);
    rig_end(&x->rig);
    free(x);
}

/* The user always has something to send. */
static void feed(struct sender *x)
{
    static const uint8_t text[50 * MSS];
    while (duet_send(x->rig.stack, x->rig.now, x->conn.handle, text, sizeof text, 0) > 0) {
    }
}

static uint32_t sent_up_to(const struct sender *x)
{
    return x->c->snd.nxt.raw;
}

static void acknowledge(struct sender *x, uint32_t ack)
{
    x->conn.ack = ack;
    rig_say(&x->rig, &x->conn, DUET_ACK, 0, NULL, 0);
}

static void acknowledge_blocks(struct sender *x, uint32_t ack, const uint32_t *edges,
                               uint32_t blocks)
{
    struct rig_segment segment = {.flags = DUET_ACK,
                                  .seq = x->conn.seq,
                                  .ack = ack,
                                  .window = WINDOW,
                                  .blocks = blocks,
                                  .timestamps = x->conn.timestamps,
                                  .tsval = x->conn.tsval,
                                  .tsecr = x->conn.tsecr};
    for (uint32_t i = 0; i < blocks; i++) {
        segment.block[i].left = edges[2 * i];
        segment.block[i].right = edges[2 * i + 1];
    }
    rig_input(&x->rig, &x->conn.tuple, &segment);
}

/* A round trip: what may leave leaves, and is acknowledged segment by segment, each in pieces. */
static void round_trip(struct sender *x, uint32_t pieces)
{
    feed(x);
    (void)rig_drain(&x->rig);
    const uint32_t end = sent_up_to(x);
    rig_pass(&x->rig, x->rig.now + TRIP);
    while (x->told != end) {
        const uint32_t segment = end - x->told < MSS ? end - x->told : MSS;
        for (uint32_t i = 1; i <= pieces; i++)
            acknowledge(x, x->told + segment * i / pieces);
        x->told += segment;
        (void)rig_drain(&x->rig);
    }
}

/* All that is in flight is lost, the timer runs out, and recovery is complete. */
static void suffer_a_timeout(struct sender *x)
{
    feed(x);
    (void)rig_drain(&x->rig);
    const uint32_t end = sent_up_to(x);
    while (transfer_of(x->rig.stack, x->c)->phase != TCP_PHASE_LOSS) {
        (void)rig_drain(&x->rig);
        rig_pass(&x->rig, duet_deadline(x->rig.stack));
    }
    (void)rig_drain(&x->rig);
    acknowledge(x, end);
    x->told = end;
}

/* ---- D1: acknowledgements in pieces ---- */

static uint32_t window_after(enum duet_controller controller, uint32_t pieces, bool avoidance,
                             bool timeout)
{
    struct sender *x = sender_new(controller, true, false);
    if (timeout)
        suffer_a_timeout(x);
    if (avoidance)
        x->c->ssthresh = 8 * MSS;
    for (unsigned i = 0; i < 4; i++)
        round_trip(x, pieces);
    const uint32_t window = x->c->cwnd;
    sender_free(x);
    return window;
}

static void divided_acknowledgements_gain_nothing(void **state)
{
    static const uint32_t pieces[] = {2, 7, 100};
    (void)state;
    for (unsigned kind = 0; kind < 8; kind++) {
        const enum duet_controller controller = kind % 2 == 0 ? DUET_CUBIC : DUET_NEWRENO;
        const bool avoidance = kind / 2 % 2 == 1, timeout = kind / 4 == 1;
        const uint32_t honest = window_after(controller, 1, avoidance, timeout);
        for (size_t i = 0; i < COUNT_OF(pieces); i++) {
            const uint32_t divided = window_after(controller, pieces[i], avoidance, timeout);
            EXPECT("no larger", divided <= honest);
            EXPECT("nor a punishment", divided >= honest - honest / 4);
        }
    }
}

/* ---- D2: duplicate acknowledgements ---- */

static void duplicate_acknowledgements_gain_nothing(void **state)
{
    (void)state;
    for (unsigned sack = 0; sack < 2; sack++) {
        struct sender *x = sender_new(DUET_CUBIC, sack == 1, false);
        round_trip(x, 1);
        feed(x);
        (void)rig_drain(&x->rig);
        const uint32_t before = x->c->cwnd;
        const uint32_t sent = sent_up_to(x);
        for (unsigned i = 0; i < 10000; i++) {
            if (sack == 0 && i % 100 == 99)
                x->told++; /* an octet more, which is a partial acknowledgement */
            acknowledge(x, x->told);
            (void)rig_drain(&x->rig);
            EXPECT("flight", tcp_flight(x->c) <= before + before * 7 / 10 + MSS);
        }
        if (sack == 1) { /* without news they say nothing */
            EXPECT_EQUAL("cwnd", x->c->cwnd, before);
            EXPECT_EQUAL("nothing left", sent_up_to(x), sent);
        } else { /* each says that one segment has left the network: no more than there were */
            EXPECT("what left", sent_up_to(x) - sent <= before * 7 / 10 + MSS);
            acknowledge(x, sent_up_to(x));
            EXPECT("the window afterwards", x->c->cwnd < before);
        }
        sender_free(x);
    }
}

/* ---- D3: acknowledgements of what was not received ---- */

static void acknowledgement_of_what_was_never_sent_changes_nothing(void **state)
{
    (void)state;
    struct sender *x = sender_new(DUET_CUBIC, true, false);
    round_trip(x, 1);
    feed(x);
    (void)rig_drain(&x->rig);
    const uint32_t cwnd = x->c->cwnd, una = x->c->snd.una.raw, nxt = sent_up_to(x);
    unsigned answers = 0;
    for (uint64_t beyond = 1; beyond < UINT64_C(1) << 31;
         beyond += beyond < 3000 ? 1 : beyond / 7) {
        acknowledge(x, nxt + (uint32_t)beyond);
        answers += rig_drain(&x->rig);
        EXPECT_EQUAL("cwnd", x->c->cwnd, cwnd);
        EXPECT_EQUAL("SND.UNA", x->c->snd.una.raw, una);
        EXPECT_EQUAL("SND.NXT", sent_up_to(x), nxt);
    }
    EXPECT("challenges are limited", answers <= 10);
    EXPECT("it is told once", answers >= 1);
    sender_free(x);
}

/* Who acknowledges everything the moment it leaves, lost or not, gets what slow start gives, a segment for
 * each segment, and not a byte beyond what was acknowledged; and what it has not received is gone. */
static void early_acknowledgements_are_worth_what_they_acknowledge(void **state)
{
    (void)state;
    for (unsigned controller = 0; controller < DUET_CONTROLLERS; controller++) {
        struct sender *x = sender_new((enum duet_controller)controller, true, false);
        feed(x);
        (void)rig_drain(&x->rig);
        const uint32_t start = x->told, window = x->c->cwnd;
        for (unsigned i = 0; i < 30; i++) {
            x->rig.now += DUET_MICROSECOND;
            acknowledge(x, sent_up_to(x));
            feed(x);
            (void)rig_drain(&x->rig);
            EXPECT("growth", x->c->cwnd - window <= sent_up_to(x) - start);
            EXPECT("its own window bounds it", tcp_flight(x->c) <= x->c->snd.wnd);
        }
        EXPECT("RTO", x->c->rto_us >= 200000);
        sender_free(x);
    }
}

/* ---- D4: false SACKs and reports of duplicates ---- */

static void everything_is_sacked_and_nothing_acknowledged(void **state)
{
    (void)state;
    struct sender *x = sender_new(DUET_CUBIC, true, false);
    feed(x);
    (void)rig_drain(&x->rig);
    const uint32_t cwnd = x->c->cwnd;
    for (unsigned timeouts = 0; timeouts < 10; timeouts++) {
        const uint32_t all[] = {x->told, sent_up_to(x)};
        acknowledge_blocks(x, x->told, all, 1);
        (void)rig_drain(&x->rig);
        EXPECT("the window", x->c->cwnd <= cwnd);
        const uint64_t hits = rig_hits(&x->rig, TCP_RULE_RETRANSMISSION_TIMEOUT);
        struct rig_segment segment = {0};
        bool head_again = false;
        while (rig_hits(&x->rig, TCP_RULE_RETRANSMISSION_TIMEOUT) == hits) {
            rig_pass(&x->rig, duet_deadline(x->rig.stack));
            while (rig_output(&x->rig, NULL, &segment))
                head_again = head_again || (segment.seq == x->told && segment.length > 0);
        }
        EXPECT("the oldest is sent again", head_again);
    }
    sender_free(x);
}

/* A loss that was one, and a peer that says that it was none: it has at most what it had before. */
static uint32_t window_after_a_loss(bool says_duplicate, bool says_early, uint32_t *before)
{
    struct sender *x = sender_new(DUET_CUBIC, true, says_early);
    round_trip(x, 1);
    feed(x);
    (void)rig_drain(&x->rig);
    *before = x->c->cwnd;
    const uint32_t end = sent_up_to(x);
    const uint32_t beyond[] = {x->told + MSS, end};
    rig_pass(&x->rig, x->rig.now + TRIP);
    acknowledge_blocks(x, x->told, beyond, 1);
    (void)rig_drain(&x->rig);
    rig_pass(&x->rig, x->rig.now + TRIP);
    for (unsigned i = 0; i < 100; i++) {
        const uint32_t again[] = {x->told, x->told + MSS};
        x->conn.tsecr -= says_early ? 1000 : 0;
        acknowledge_blocks(x, end, again, says_duplicate ? 1 : 0);
        EXPECT("never more", x->c->cwnd <= *before + MSS);
    }
    const uint32_t after = x->c->cwnd;
    sender_free(x);
    return after;
}

static void loss_that_is_denied_restores_no_more_than_there_was(void **state)
{
    (void)state;
    uint32_t before;
    EXPECT("an honest loss", window_after_a_loss(false, false, &before) < before);
    EXPECT("denied by D-SACKs", window_after_a_loss(true, false, &before) <= before + MSS);
    EXPECT("denied by echoes", window_after_a_loss(false, true, &before) <= before + MSS);
}

/* ---- D5: the window shrinks ---- */

static void window_shrinks_at_every_amount_in_flight(void **state)
{
    static const uint16_t windows[] = {0, 10, 1, 62, 63};
    (void)state;
    for (uint32_t flight = 0; flight <= 12; flight++) {
        struct sender *x = sender_new(DUET_NEWRENO, flight % 2 == 0, false);
        x->c->cwnd = 100 * MSS;
        static const uint8_t text[12 * MSS];
        if (flight > 0)
            rig_write(&x->rig, &x->conn, text, flight * MSS);
        (void)rig_drain(&x->rig);
        EXPECT_EQUAL("in flight", tcp_flight(x->c), flight * MSS);
        feed(x);
        for (size_t i = 0; i < COUNT_OF(windows); i++) {
            x->conn.window = windows[i]; /* of 16 octets each */
            acknowledge(x, x->told);
            const uint32_t right = x->told + windows[i] * 16U;
            const uint32_t nxt = sent_up_to(x);
            for (unsigned t = 0; t < 4; t++) {
                struct rig_segment segment;
                while (rig_output(&x->rig, NULL, &segment)) {
                    const uint32_t end = segment.seq + segment.length;
                    const bool is_probe = segment.seq == x->told && segment.length <= 1;
                    EXPECT("beyond the window",
                           is_probe || (int32_t)(end - right) <= 0 || (int32_t)(right - nxt) > 0);
                }
                rig_pass(&x->rig, duet_deadline(x->rig.stack));
            }
        }
        x->conn.window = WINDOW;
        for (unsigned i = 0; i < 40; i++) { /* it opens, and all goes on */
            acknowledge(x, sent_up_to(x));
            (void)rig_drain(&x->rig);
        }
        EXPECT("it goes on", sent_up_to(x) - x->told > 20 * MSS);
        sender_free(x);
    }
}

/* ---- D8: lies about time ---- */

static void echoes_that_lie_keep_the_timer_in_bounds(void **state)
{
    (void)state;
    struct sender *x = sender_new(DUET_CUBIC, true, true);
    const duet_time most = x->rig.config.rto_max, least = x->rig.config.rto_min;
    struct prng prng;
    prng_seed(&prng, 8);
    for (unsigned i = 0; i < 300; i++) {
        static const uint32_t extremes[] = {0, 1, UINT32_MAX, 1U << 31, (1U << 31) - 1};
        const uint32_t kind = (uint32_t)prng_below(&prng, 8);
        const uint32_t near = tcp_timestamp(x->rig.stack, x->c->ts_offset);
        x->conn.tsecr = kind < COUNT_OF(extremes) ? extremes[kind]
                        : kind == 5               ? (uint32_t)prng_next(&prng)
                                                  : near + (uint32_t)prng_below(&prng, 64) - 32;
        feed(x);
        (void)rig_drain(&x->rig);
        rig_pass(&x->rig, x->rig.now + (duet_time)prng_below(&prng, 30) * DUET_MILLISECOND);
        const uint32_t flight = tcp_flight(x->c);
        acknowledge(x, x->c->snd.una.raw + (uint32_t)prng_below(&prng, flight + 1));
        EXPECT("not too short", tcp_rto(x->c) >= least);
        EXPECT("not too long", tcp_rto(x->c) <= most);
        EXPECT("of this world", x->c->srtt_us >> 3 < 2000000);
    }
    sender_free(x);
}

/* ---- D7: all of it in any order ---- */

/* One message of a peer that does as it likes with the truth: end is what was really sent. */
static void misbehave(struct sender *x, struct prng *prng)
{
    const uint32_t una = x->c->snd.una.raw, nxt = sent_up_to(x);
    const uint32_t at = una + (uint32_t)prng_below(prng, nxt - una + 1);
    const uint32_t to = at + (uint32_t)prng_below(prng, nxt - at + 1);
    const uint32_t edges[] = {at, to, una - MSS, una, at, nxt};
    switch (prng_below(prng, 8)) {
    case 0: /* repeats itself */
        for (unsigned i = 0; i < 5; i++)
            acknowledge(x, una);
        break;
    case 1: /* in pieces */
        for (unsigned i = 1; i <= 10; i++)
            acknowledge(x, una + (at - una) * i / 10);
        break;
    case 2: /* early */
        acknowledge(x, nxt);
        break;
    case 3: /* of nothing */
        acknowledge(x, nxt + 1 + (uint32_t)prng_below(prng, 100000));
        break;
    case 4:
        acknowledge_blocks(x, una, edges, 1 + (uint32_t)prng_below(prng, 3));
        break;
    case 5: /* a duplicate */
        acknowledge_blocks(x, una, edges + 2, 1 + (uint32_t)prng_below(prng, 2));
        break;
    case 6: /* late, or not at all */
        rig_pass(&x->rig, x->rig.now + (duet_time)prng_below(prng, 500) * DUET_MILLISECOND);
        break;
    default:
        x->conn.window = (uint16_t)prng_below(prng, 4000);
        acknowledge(x, at);
        x->conn.window = WINDOW;
        break;
    }
}

static void sender_serves_again_when_the_attack_is_over(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct sender *x =
            sender_new(seed % 2 == 0 ? DUET_CUBIC : DUET_NEWRENO, seed % 3 > 0, seed % 5 > 2);
        struct prng prng;
        prng_seed(&prng, seed);
        for (unsigned i = 0; i < 60; i++) {
            feed(x);
            (void)rig_drain(&x->rig);
            rig_pass(&x->rig, x->rig.now + DUET_MILLISECOND);
            const uint32_t nxt = sent_up_to(x);
            misbehave(x, &prng);
            EXPECT("cwnd", x->c->cwnd >= MSS);
            EXPECT("flight", (int32_t)(nxt - sent_up_to(x)) <= 0);
        }
        /* The truth from here on: all that arrives is acknowledged, after a round trip. */
        const uint32_t before = sent_up_to(x);
        for (unsigned i = 0; i < 10; i++) {
            feed(x);
            (void)rig_drain(&x->rig);
            rig_pass(&x->rig, x->rig.now + TRIP);
            acknowledge(x, sent_up_to(x));
        }
        EXPECT("ten round trips", sent_up_to(x) - before >= 10 * MSS);
        sender_free(x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(divided_acknowledgements_gain_nothing),
        cmocka_unit_test(duplicate_acknowledgements_gain_nothing),
        cmocka_unit_test(acknowledgement_of_what_was_never_sent_changes_nothing),
        cmocka_unit_test(early_acknowledgements_are_worth_what_they_acknowledge),
        cmocka_unit_test(everything_is_sacked_and_nothing_acknowledged),
        cmocka_unit_test(loss_that_is_denied_restores_no_more_than_there_was),
        cmocka_unit_test(window_shrinks_at_every_amount_in_flight),
        cmocka_unit_test(echoes_that_lie_keep_the_timer_in_bounds),
        cmocka_unit_test(sender_serves_again_when_the_attack_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
