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

void attack_B7(struct attack *attack)
{
    enum { ROUNDS = 9 };
    static uint32_t order[TINY];
    struct duet_config config;
    struct target *target;
    struct duet_counters counters;
    struct peer peer;
    static const uint8_t byte[1] = {7}, filler[1400];

    attack_sent(attack,
                "%u segments of one byte, every second byte of the window upwards, downwards and "
                "in random order, "
                "%u times over",
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
        for (uint32_t i = 0; i < TINY; i++) {
            peer_say(&peer, 0, 1 + 2 * order[i], 0, byte, 1);
            target_drain(target);
        }
        peer_say(&peer, 0, 0, 0, filler, 1); /* all but this hole is still there */
        peer.seq++;
        for (uint32_t at = 0; at < WINDOW - 2; at += 1400) { /* filled, for the next round */
            peer_say(&peer, 0, 0, 0, filler, sizeof filler);
            peer.seq += sizeof filler;
            target_drain(target);
            (void)peer_delivered(&peer);
        }
    }
    counters = target_counters(target);
    attack_expect(attack, counters.pages_used <= target->config.pages_max, "too much memory");
    attack_expect(attack, counters.pages_used * target->config.page_size <= 4 * WINDOW,
                  "%u pages hold %u bytes", counters.pages_used, TINY);
    target_check(target);
    for (uint32_t at = 0; at < WINDOW - 1400; at += 1400) {
        peer_say(&peer, 0, at, 0, filler, sizeof filler);
        target_drain(target);
    }
    attack_expect(attack, peer_delivered(&peer) > WINDOW - 3 * 1400,
                  "honest text is not delivered");
    attack_did(attack,
               "held at most %u ranges in a balanced tree and the bytes in their own places; "
               "honest text went through",
               target->config.ranges_max);
    target_free(target);
}

/* ---- B9 ---- */

void attack_B9(struct attack *attack)
{
    enum { MSS = 216, SEGMENTS = 4000, CRAFTED = 100000 };
    static uint8_t text[SEGMENTS * MSS];
    struct duet_config config;
    struct target *target;
    struct forged offer = peer_full;
    struct peer peer;
    struct duet_status status;
    uint32_t first;

    attack_sent(attack,
                "up to %u segments of %u bytes in flight, then SACKs of every second one "
                "from the tail, and %u of random blocks",
                SEGMENTS, MSS, CRAFTED);
    target_config(attack, &config);
    config.send_buffer = config.send_buffer_initial = 1 << 20;
    target = target_new(attack, &config);
    offer.options.mss = MSS;
    if (target == NULL || !peer_open(&peer, target, 1000, &offer)) {
        target_free(target);
        return;
    }
    for (unsigned turn = 0; turn < 300; turn++) { /* the window grows while all is well */
        (void)duet_send(target->stack, target->now, peer.handle, text, sizeof text, 0);
        if (turn < 12)
            (void)peer_take(&peer);
        else
            target_drain(target);
        if (turn < 12)
            peer_say(&peer, 0, 0, 0, NULL, 0);
        duet_expire(target->stack, target->now += DUET_MILLISECOND);
    }
    attack_expect(attack, peer_status(&peer, &status) && status.in_flight > 20 * MSS,
                  "nothing is in flight");
    first = status.snd_una;
    for (uint32_t i = 0; i < CRAFTED; i++) {
        uint32_t span = status.in_flight;
        uint32_t left =
            i < 2000 ? span - 2 * i % span * 204 : (uint32_t)prng_next(&attack->prng) % (2 * span);
        const struct forged sack = {
            .seq = peer.seq,
            .ack = first,
            .flags = DUET_ACK,
            .window = peer.window,
            .options = {.present = DUET_TRACE_SACK | DUET_TRACE_TIMESTAMPS,
                        .sack_count = 3,
                        .tsval = peer.tsval,
                        .tsecr = peer.tsecr,
                        .sack = {{first + left, first + left + 204},
                                 {first + left + 408, first + left + 612},
                                 {first + left, first - left}}},
        };

        target_send(target, &peer.ends, &sack);
        target_drain(target);
    }
    target_check(target);
    attack_expect(attack, peer_status(&peer, &status) && status.snd_una == first,
                  "a SACK has acknowledged something");
    attack_did(attack, "took what lay inside, ignored the rest, kept every invariant; the work for "
                       "each is counted below");
    target_free(target);
}
