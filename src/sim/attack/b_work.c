/* SPDX-License-Identifier: MIT */
/* Section B of the attack table: work that grows with what a peer sends. */
#include "sim/attack/attack.h"

/* ---- B7 ---- */

enum { WINDOW = 60000, TINY = WINDOW / 2 };

/* In order, backwards, or in random order. */
static void arrange(struct attack *attack, uint32_t *numbers, uint32_t count, unsigned way)
{
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = way == 1 ? count - 1 - i : i;
    for (uint32_t i = count - 1; way == 2 && i > 0; i--) {
        uint32_t j = (uint32_t)prng_below(&attack->prng, i + 1), other = numbers[j];

        numbers[j] = numbers[i];
        numbers[i] = other;
    }
}

/* Every second byte of the window, behind a hole. */
static void scatter(struct peer *peer, const uint32_t *order)
{
    static const uint8_t byte[1] = {7};

    for (uint32_t i = 0; i < TINY; i++) {
        peer_say(peer, 0, 1 + 2 * order[i], 0, byte, 1);
        target_drain(peer->target);
    }
}

/* Sends length bytes in order, from what was acknowledged on, until all are: the peer is honest now. */
static void fill(struct peer *peer, uint32_t length)
{
    static const uint8_t filler[1400];
    uint32_t end = peer->seq + length;
    struct duet_status status;

    for (unsigned turn = 0; turn < WINDOW && (int32_t)(end - peer->seq) > 0; turn++) {
        uint32_t left = end - peer->seq;

        peer_say(peer, 0, 0, 0, filler, left < sizeof filler ? left : sizeof filler);
        target_drain(peer->target);
        if (!peer_status(peer, &status))
            return;
        peer->seq = status.rcv_nxt;
    }
}

/* The connection ends while it holds as much as it can. */
static void end_holding(struct attack *attack, struct peer *peer, const uint32_t *order)
{
    scatter(peer, order);
    peer_say(peer, DUET_RST, 0, 0, NULL, 0);
    target_take_events(peer->target);
    attack_expect(attack,
                  peer_state(peer) == DUET_CLOSED && target_counters(peer->target).pages_used == 0,
                  "what a connection held is not free when it has ended");
}

void attack_B7(struct attack *attack)
{
    enum { ROUNDS = 9 };
    static uint32_t order[TINY];
    struct duet_config config;
    struct target *target;
    struct duet_counters counters;
    struct peer peer;
    uint32_t delivered = 0;

    attack_sent(attack,
                "%u segments of one byte, every second byte of the window upwards, downwards and "
                "in random order, %u times over, filled each time; then RST among as many",
                TINY, ROUNDS);
    target_config(attack, &config);
    config.ranges_max = 2 * TINY;
    target = target_new(attack, &config);
    if (target == NULL || !peer_open(&peer, target, 1000, &peer_plain)) {
        target_free(target);
        return;
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        arrange(attack, order, TINY, round % 3);
        scatter(&peer, order);
        counters = target_counters(target);
        attack_expect(attack, counters.pages_used * config.page_size <= 4 * WINDOW,
                      "%u pages hold %u bytes", counters.pages_used, TINY);
        fill(&peer, WINDOW);
        delivered = peer_delivered(&peer);
        target_drain(target);
        attack_expect(attack, delivered >= WINDOW, "%u bytes of %u are delivered", delivered,
                      WINDOW);
    }
    target_check(target);
    end_holding(attack, &peer, order);
    target_check(target);
    attack_did(attack,
               "held at most %u ranges in a balanced tree and the bytes in their own places, "
               "joined a few at a time; honest text went through",
               config.ranges_max);
    target_free(target);
}

/* ---- B9 ---- */

enum { MSS = 216, SEGMENTS = 4000, CRAFTED = 100000 };

/* A connection with as many segments in flight as fit. */
static bool fly(struct attack *attack, struct target **target, struct peer *peer)
{
    static uint8_t text[SEGMENTS * MSS];
    struct duet_config config;
    struct forged offer = peer_full;

    target_config(attack, &config);
    config.send_buffer = config.send_buffer_initial = 1 << 20;
    *target = target_new(attack, &config);
    offer.options.mss = MSS;
    if (*target == NULL || !peer_open(peer, *target, 1000, &offer)) {
        target_free(*target);
        return false;
    }
    for (unsigned turn = 0; turn < 300; turn++) { /* the window grows while all is well */
        bool is_well = turn < 12;

        (void)duet_send((*target)->stack, (*target)->now, peer->handle, text, sizeof text, 0);
        if (is_well) {
            (void)peer_take(peer);
            peer_say(peer, 0, 0, 0, NULL, 0);
        } else {
            target_drain(*target);
        }
        duet_expire((*target)->stack, (*target)->now += DUET_MILLISECOND);
    }
    attack_expect(attack, peer_status_now(peer).in_flight > 20 * MSS, "nothing is in flight");
    return true;
}

static void say_sack(struct peer *peer, uint32_t left, uint32_t right, uint32_t left2,
                     uint32_t right2, uint32_t left3, uint32_t right3)
{
    const uint32_t first = peer_status_now(peer).snd_una;
    const struct forged sack = {
        .seq = peer->seq,
        .ack = first,
        .flags = DUET_ACK,
        .window = peer->window,
        .options = {.present = DUET_TRACE_SACK | DUET_TRACE_TIMESTAMPS,
                    .sack_count = 3,
                    .tsval = peer->tsval,
                    .tsecr = peer->tsecr,
                    .sack = {{first + left, first + right},
                             {first + left2, first + right2},
                             {first + left3, first + right3}}},
    };

    target_send(peer->target, &peer->ends, &sack);
    target_drain(peer->target);
}

/* Every second one from the tail, then random ones, with blocks that cannot be. */
static void craft(struct attack *attack, struct peer *peer)
{
    const uint32_t first = peer_status_now(peer).snd_una;
    const uint32_t span = peer_status_now(peer).in_flight;

    for (uint32_t i = 0; i < CRAFTED; i++) {
        uint32_t left =
            i < 2000 ? span - 2 * i % span * 204 : (uint32_t)prng_next(&attack->prng) % (2 * span);

        say_sack(peer, left, left + 204, left + 408, left + 612, left, 0u - left);
    }
    attack_expect(attack, peer_status_now(peer).snd_una == first,
                  "a SACK has acknowledged something");
}

/* Segments one after the other upwards, so that each is a step of the way through the run; then a block
 * of all; then, after timeouts in which every segment goes again, an acknowledgement of all. */
static void climb(struct peer *peer, unsigned timeouts)
{
    struct target *target = peer->target;
    uint32_t span = peer_status_now(peer).in_flight, at;

    for (at = MSS - 12; at + MSS < span; at += MSS - 12)
        say_sack(peer, at, at + MSS - 12, 0, 0, 0, 0);
    say_sack(peer, MSS - 12, span, 0, 0, 0, 0);
    for (unsigned i = 0; i < timeouts; i++)
        target_pass(target, target->now + 2 * DUET_SECOND);
    span = peer_status_now(peer).in_flight;
    peer->ack = peer_status_now(peer).snd_una;
    peer_say(peer, 0, 0, span, NULL, 0);
    target_pass(target, target->now + DUET_MILLISECOND);
    attack_expect(target->attack, (int32_t)(peer_status_now(peer).snd_una - peer->ack - span) >= 0,
                  "what was acknowledged is not");
}

/* Nothing is SACKed, everything is lost and sent again bit by bit, then all of it is acknowledged. */
static void lose_all(struct peer *peer)
{
    struct target *target = peer->target;
    uint32_t first = peer_status_now(peer).snd_una;

    for (unsigned i = 0; i < 40; i++) {
        target_pass(target, target->now + 400 * DUET_MILLISECOND);
        peer->ack = first;
        peer_say(peer, 0, 0, 0, NULL, 0);
    }
    peer_say(peer, 0, 0, peer_status_now(peer).in_flight, NULL, 0);
    target_pass(target, target->now + DUET_MILLISECOND);
}

void attack_B9(struct attack *attack)
{
    struct target *target;
    struct peer peer;

    attack_sent(attack,
                "up to %u segments of %u bytes in flight: SACKs of every second one from the tail, "
                "%u of random blocks, one after the other upwards, all; acknowledgements of all at "
                "once, after SACKs and timeouts; RST",
                SEGMENTS, MSS, CRAFTED);
    for (unsigned way = 0; way < 4; way++) {
        if (!fly(attack, &target, &peer))
            return;
        if (way == 0)
            craft(attack, &peer);
        else if (way < 3)
            climb(&peer, way == 1 ? 0 : 5);
        else
            lose_all(&peer);
        target_check(target);
        peer_say(&peer, DUET_RST, 0, 0, NULL, 0);
        target_check(target);
        target_free(target);
    }
    attack_did(attack, "took what lay inside, ignored the rest, followed each as far as one packet "
                       "may ask, kept every invariant");
}
