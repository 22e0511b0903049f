/* SPDX-License-Identifier: MIT */
/* Does a peer that acknowledges what it has not received gain anything, and does one that tells the
 * truth lose anything? A receiver behind a path of 100 ms, lossy or not, honest or not, beside one
 * whose sender does not verify; what each is sent, in octets. Sequence numbers are about to wrap.
 */
#include "rig.h"

#include "base/prng.h"
#include "host/coverage.h"

#include <stdlib.h>

#define TRIP (100 * DUET_MILLISECOND)
#define STEP DUET_MILLISECOND

enum { MSS = 1000, SCALE = 4, IN_PATH = 1 << 14, HELD = 512 };

struct peer {
    duet_time trip;      /* from a segment that leaves to its acknowledgement */
    bool lies;           /* acknowledges all that it can guess to have left */
    bool sack;           /* agreed */
    uint32_t lost_of;    /* so many segments one is lost; 0: none */
    uint16_t window;     /* as on the wire */
    bool verified;       /* the sender has verify_acks */
    duet_time handshake; /* round trip of the SYN */
};

struct line {
    struct rig rig;
    struct rig_conn conn;
    struct tcp_conn *c;
    const struct peer *peer;
    struct prng prng;
    struct {
        uint32_t left, right;
        duet_time arrival;
    } in_path[IN_PATH];
    uint64_t head, tail;
    struct {
        uint32_t left, right;
    } held[HELD]; /* beyond a hole, the latest last */
    uint32_t holds;
    uint32_t start, guess; /* highest octet that the liar knows of */
    uint64_t octets;       /* of text that left */
};

static struct line *line_new(const struct peer *peer)
{
    struct line *x = calloc(1, sizeof *x);
    struct duet_config config;
    assert_non_null(x);
    x->peer = peer;
    prng_seed(&x->prng, 7);
    rig_config(&config);
    config.pages_max = 4096;
    config.send_buffer = config.send_buffer_initial = 1 << 21;
    config.verify_acks = peer->verified;
    rig_start(&x->rig, &config);
    x->conn = (struct rig_conn){.tuple = rig_tuple(1000, 2000),
                                .trip = peer->handshake != 0 ? peer->handshake : TRIP};
    rig_connect(&x->rig, &x->conn,
                &(struct rig_segment){.mss = MSS,
                                      .window = peer->window,
                                      .sack = peer->sack,
                                      .scaling = true,
                                      .scale = SCALE});
    x->c = conn_at(x->rig.stack, x->conn.handle.index);
    x->start = x->guess = x->conn.ack;
    return x;
}

static void line_free(struct line *x)
{
    assert_null(duet_check(x->rig.stack));
    duet_coverage_note(x->rig.stack);
    rig_end(&x->rig);
    free(x);
}

/* The user always has something to send; what leaves is in the path, if it is not lost. */
static void send_all(struct line *x)
{
    static const uint8_t text[64 * MSS];
    struct rig_segment segment;
    while (duet_send(x->rig.stack, x->rig.now, x->conn.handle, text, sizeof text, 0) > 0) {
    }
    while (rig_output(&x->rig, NULL, &segment)) {
        if (segment.length == 0)
            continue;
        x->octets += segment.length;
        const bool is_lost = x->peer->lost_of != 0 && prng_below(&x->prng, x->peer->lost_of) == 0;
        if (is_lost && !x->peer->lies)
            continue;
        assert_true(x->tail - x->head < IN_PATH);
        x->in_path[x->tail % IN_PATH].left = segment.seq;
        x->in_path[x->tail % IN_PATH].right = segment.seq + segment.length;
        x->in_path[x->tail++ % IN_PATH].arrival = x->rig.now + x->peer->trip;
    }
}

static void acknowledge(struct line *x, uint32_t ack)
{
    struct rig_segment segment = {
        .flags = DUET_ACK, .seq = x->conn.seq, .ack = ack, .window = x->peer->window};
    x->conn.ack = ack;
    if (x->peer->sack && !x->peer->lies)
        for (uint32_t i = x->holds; i > 0 && segment.blocks < 3; i--) {
            segment.block[segment.blocks].left = x->held[i - 1].left;
            segment.block[segment.blocks++].right = x->held[i - 1].right;
        }
    rig_input(&x->rig, &x->conn.tuple, &segment);
}

/* Joins [left, right) with what touches it, and puts it last. */
static void hold(struct line *x, uint32_t left, uint32_t right)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < x->holds; i++) {
        const uint32_t l = x->held[i].left, r = x->held[i].right;
        if ((int32_t)(l - right) > 0 || (int32_t)(left - r) > 0) {
            x->held[kept++] = x->held[i];
            continue;
        }
        left = (int32_t)(l - left) < 0 ? l : left;
        right = (int32_t)(r - right) > 0 ? r : right;
    }
    assert_true(kept < HELD);
    x->held[kept].left = left;
    x->held[kept].right = right;
    x->holds = kept + 1;
}

static uint32_t receive(struct line *x, uint32_t left, uint32_t right)
{
    uint32_t next = x->conn.ack;
    if ((int32_t)(right - next) <= 0)
        return next;
    hold(x, left, right);
    for (uint32_t i = 0; i < x->holds; i++)
        if ((int32_t)(x->held[i].left - next) <= 0) {
            next = x->held[i].right;
            x->held[i] = x->held[--x->holds];
        }
    return next;
}

static void arrive(struct line *x)
{
    while (x->head < x->tail && x->in_path[x->head % IN_PATH].arrival <= x->rig.now) {
        const uint32_t left = x->in_path[x->head % IN_PATH].left;
        const uint32_t right = x->in_path[x->head++ % IN_PATH].right;
        if ((int32_t)(right - x->guess) > 0)
            x->guess = right;
        acknowledge(x, x->peer->lies ? x->guess : receive(x, left, right));
    }
}

static void run(struct line *x, duet_time duration)
{
    const duet_time end = x->rig.now + duration;
    while (x->rig.now < end) {
        send_all(x);
        rig_pass(&x->rig, x->rig.now + STEP);
        arrive(x);
    }
}

/* Octets that leave in the time between two moments after the handshake. */
static uint64_t octets_between(const struct peer *peer, duet_time from, duet_time to,
                               uint64_t *tests)
{
    struct line *x = line_new(peer);
    run(x, from);
    const uint64_t before = x->octets;
    run(x, to - from);
    const uint64_t octets = x->octets - before;
    *tests = rig_hits(&x->rig, TCP_RULE_SEGMENT_WITHHELD);
    if (!peer->lies) {
        EXPECT("nothing is taken for a lie", rig_hits(&x->rig, TCP_RULE_ACK_OF_WITHHELD) == 0);
        EXPECT("what is held back is missed, or waits",
               *tests - rig_hits(&x->rig, TCP_RULE_WITHHELD_MISSED) <= 1);
    }
    line_free(x);
    return octets;
}

/* ---- acknowledgements that come early ---- */

static void early_acknowledgements_gain_nothing(void **state)
{
    static const duet_time early[] = {DUET_MILLISECOND, 20 * DUET_MILLISECOND};
    (void)state;
    for (unsigned sack = 0; sack < 2; sack++) {
        uint64_t tests;
        struct peer peer = {.trip = TRIP, .sack = sack == 1, .window = 16384, .verified = true};
        const uint64_t honest = octets_between(&peer, 0, DUET_SECOND, &tests);
        EXPECT_EQUAL("the truth is not put to the test", tests, 0);
        for (size_t i = 0; i < COUNT_OF(early); i++) {
            peer.lies = true;
            peer.trip = early[i];
            peer.verified = true;
            const uint64_t caught = octets_between(&peer, 0, DUET_SECOND, &tests);
            peer.verified = false;
            uint64_t none;
            const uint64_t believed = octets_between(&peer, 0, DUET_SECOND, &none);
            if (getenv("DUET_SHOW") != NULL)
                printf("# early %d ms, sack %u: honest %llu, believed %llu, verified %llu\n",
                       (int)(early[i] / DUET_MILLISECOND), sack, (unsigned long long)honest,
                       (unsigned long long)believed, (unsigned long long)caught);
            EXPECT("the attack is one", believed > 4 * honest);
            EXPECT("it is tested", tests > 0);
            EXPECT("and gains nothing", caught < honest);
        }
    }
}

/* ---- acknowledgements that hide losses ---- */

static void hidden_losses_gain_little_for_long(void **state)
{
    (void)state;
    uint64_t tests;
    struct peer peer = {.trip = TRIP, .sack = true, .lost_of = 50, .window = 4095};
    const duet_time from = 30 * DUET_SECOND, to = 60 * DUET_SECOND;
    const uint64_t honest = octets_between(&peer, from, to, &tests);
    peer.lies = true;
    const uint64_t believed = octets_between(&peer, from, to, &tests);
    peer.verified = true;
    const uint64_t caught = octets_between(&peer, from, to, &tests);
    if (getenv("DUET_SHOW") != NULL)
        printf("# hides: honest %llu, believed %llu, verified %llu\n", (unsigned long long)honest,
               (unsigned long long)believed, (unsigned long long)caught);
    EXPECT("the attack is one", believed > 2 * honest);
    EXPECT("it is tested", tests > 0);
    EXPECT("and gains nothing any more", caught < honest);
}

/* ---- what an honest peer pays ---- */

static void honest_peer_hardly_notices(void **state)
{
    static const uint32_t lost_of[] = {0, 1000, 50};
    (void)state;
    for (unsigned sack = 0; sack < 2; sack++)
        for (size_t i = 0; i < COUNT_OF(lost_of); i++) {
            uint64_t tests, none;
            struct peer peer = {
                .trip = TRIP, .sack = sack == 1, .window = 4095, .lost_of = lost_of[i]};
            const uint64_t plain = octets_between(&peer, 0, 40 * DUET_SECOND, &none);
            peer.verified = true;
            const uint64_t verified = octets_between(&peer, 0, 40 * DUET_SECOND, &tests);
            if (getenv("DUET_SHOW") != NULL)
                printf("# honest, sack %u, one of %u lost: %llu, verified %llu, %llu tests\n", sack,
                       lost_of[i], (unsigned long long)plain, (unsigned long long)verified,
                       (unsigned long long)tests);
            EXPECT_EQUAL("nobody asks without the switch", none, 0);
            EXPECT("a hundredth at most", lost_of[i] != 0 || verified >= plain - plain / 100);
            EXPECT("on a clean path it was asked", lost_of[i] != 0 || tests > 0);
        }
}

/* A slow handshake and a path that is shorter: a reason to ask, once. */
static void path_that_became_shorter_is_asked_once(void **state)
{
    (void)state;
    for (unsigned sack = 0; sack < 2; sack++) {
        uint64_t tests, none;
        struct peer peer = {.trip = TRIP, .handshake = 3 * TRIP, .sack = sack == 1, .window = 4095};
        const uint64_t plain = octets_between(&peer, 0, 10 * DUET_SECOND, &none);
        peer.verified = true;
        const uint64_t verified = octets_between(&peer, 0, 10 * DUET_SECOND, &tests);
        EXPECT_EQUAL("once", tests, 1);
        EXPECT("less than two round trips of a hundred", verified >= plain - plain / 50);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(early_acknowledgements_gain_nothing),
        cmocka_unit_test(hidden_losses_gain_little_for_long),
        cmocka_unit_test(honest_peer_hardly_notices),
        cmocka_unit_test(path_that_became_shorter_is_asked_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
