/* SPDX-License-Identifier: MIT */
/* Section D of the attack table: a peer that bends when it answers, and what it says of the path,
 * against congestion control. */
#include "sim/attack/attack.h"

/* ---- D7 ---- */

enum strategy { DUPLICATE, DIVIDE, OPTIMISTIC, DELAY, BURST, LIMIT, STRATEGIES };

/* One acknowledgement for what has come, bent by a strategy. */
static void acknowledge(struct peer *peer, enum strategy strategy, unsigned turn, uint32_t from)
{
    uint32_t honest = peer->ack;

    switch (strategy) {
    case DUPLICATE:
        for (unsigned i = 0; i < 4; i++) {
            peer->ack = from;
            peer_say(peer, 0, 0, 0, NULL, 0);
        }
        break;
    case DIVIDE:
        for (peer->ack = from; (int32_t)(honest - peer->ack) > 100; peer->ack += 100)
            peer_say(peer, 0, 0, 0, NULL, 0);
        break;
    case OPTIMISTIC:
        peer_say(peer, 0, 0, 100000, NULL, 0);
        break;
    case DELAY:
        if (turn % 5 != 4) {
            peer->ack = honest;
            return;
        }
        break;
    case BURST:
        for (unsigned i = 0; i < 20; i++)
            peer_say(peer, 0, 0, 0, NULL, 0);
        break;
    case LIMIT:
        peer->window = turn % 3 == 0 ? 1 : 65535;
        break;
    case STRATEGIES:
        break;
    }
    peer->ack = honest;
    peer_say(peer, 0, 0, 0, NULL, 0);
}

void attack_D7(struct attack *attack)
{
    attack_sent(attack,
                "six ways to bend acknowledgements, each in slow start, avoidance, recovery "
                "and after a timeout, then honest ones");
    for (unsigned strategy = 0; strategy < STRATEGIES; strategy++) {
        struct target *target;
        struct peer peer;
        uint32_t before;

        if (!peer_hungry(attack, &target, &peer, &peer_plain))
            return;
        for (unsigned turn = 0; turn < 120; turn++) {
            uint32_t from = peer.ack;

            (void)peer_take(&peer);
            if (turn % 40 == 20)
                target_pass(target, target->now + 3 * DUET_SECOND); /* a timeout */
            acknowledge(&peer, (enum strategy)strategy, turn, from);
            duet_expire(target->stack, target->now += 20 * DUET_MILLISECOND);
            peer_refill(&peer);
            target_check(target);
            attack_expect(attack, peer_status_now(&peer).congestion_window <= 1 << 22,
                          "strategy %u: a window of %u bytes", strategy,
                          peer_status_now(&peer).congestion_window);
        }
        peer.window = 65535;
        before = peer_status_now(&peer).snd_una;
        for (unsigned turn = 0; turn < 200; turn++) {
            (void)peer_take(&peer);
            peer.ack = peer_status_now(&peer).snd_nxt;
            peer_say(&peer, 0, 0, 0, NULL, 0);
            duet_expire(target->stack, target->now += 20 * DUET_MILLISECOND);
            peer_refill(&peer);
        }
        attack_expect(attack, peer_status_now(&peer).snd_una - before > 500000,
                      "strategy %u: the connection does not recover", strategy);
        target_free(target);
    }
    attack_did(attack, "kept its windows in bounds under each, and went on afterwards");
}

/* ---- D8 ---- */

void attack_D8(struct attack *attack)
{
    enum { LIES = 5000 };
    struct target *target;
    struct peer peer;

    attack_sent(attack,
                "%u acknowledgements whose timestamp echo is random, 0, in the future, or "
                "extreme",
                LIES);
    if (!peer_hungry(attack, &target, &peer, &peer_full))
        return;
    for (unsigned i = 0; i < LIES; i++) {
        static const uint32_t extremes[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff};
        struct duet_status status;

        (void)peer_take(&peer);
        peer.tsecr = i % 3 == 0 ? extremes[i / 3 % 5] : (uint32_t)prng_next(&attack->prng);
        peer_say(&peer, 0, 0, 0, NULL, 0);
        duet_expire(target->stack, target->now += DUET_MILLISECOND);
        peer_refill(&peer);
        status = peer_status_now(&peer);
        attack_expect(attack,
                      status.rto >= target->config.rto_min && status.rto <= target->config.rto_max,
                      "an RTO of %lld ns", (long long)status.rto);
    }
    attack_expect(attack, peer_state(&peer) == DUET_ESTABLISHED, "the connection has ended");
    target_free(target);
    attack_did(attack, "kept its RTO between the least and the most at every step");
}

/* ---- D9 ---- */

void attack_D9(struct attack *attack)
{
    enum { ROUNDS = 50 };
    struct target *target;
    struct forged offer = peer_full;
    struct peer peer;
    uint64_t reductions;

    attack_sent(attack, "ECE on every acknowledgement of %u round trips, CWR never sent", ROUNDS);
    offer.flags = DUET_ECE | DUET_CWR;
    if (!peer_hungry(attack, &target, &peer, &offer))
        return;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint32_t from = peer.ack, length = peer_take(&peer);

        for (uint32_t at = 0; at <= length; at += 1000) {
            peer.ack = from + (at + 1000 < length ? at : length);
            peer_say(&peer, DUET_ECE, 0, 0, NULL, 0);
        }
        duet_expire(target->stack, target->now += 20 * DUET_MILLISECOND);
        peer_refill(&peer);
        target_check(target);
    }
    reductions = target_hits(target, "ECN_REDUCED");
    attack_expect(attack, reductions >= 1 && reductions <= ROUNDS,
                  "the window was reduced %llu times in %u round trips",
                  (unsigned long long)reductions, ROUNDS);
    attack_expect(attack, peer_status_now(&peer).congestion_window >= 536,
                  "a window of %u bytes is left", peer_status_now(&peer).congestion_window);
    target_free(target);
    attack_did(attack, "reduced its window at most once in a round trip, never below a segment");
}

/* ---- D10 ---- */

/* A receiver that keeps nothing beyond a hole; in an outage it gets nothing. */
static void take_in_order(struct peer *peer, bool is_lost)
{
    struct seen seen;

    while (target_next(peer->target, &seen)) {
        if (is_lost || seen.tcp.text_length == 0)
            continue;
        if (seen.tcp.seq == peer->ack)
            peer->ack += seen.tcp.text_length;
        peer_say(peer, 0, 0, 0, NULL, 0);
    }
}

void attack_D10(struct attack *attack)
{
    enum { SECONDS = 20 };
    struct target *target;
    struct peer peer;
    uint32_t first, moved;

    attack_sent(attack, "every flight lost for 50 ms out of each second, at which the shortest RTO "
                        "would find it again");
    if (!peer_hungry(attack, &target, &peer, &peer_plain))
        return;
    first = peer.ack;
    for (unsigned ms = 0; ms < SECONDS * 1000; ms += 10) {
        take_in_order(&peer, ms % 1000 < 50);
        duet_expire(target->stack, target->now += 10 * DUET_MILLISECOND);
        peer_refill(&peer);
    }
    moved = peer_status_now(&peer).snd_una - first;
    attack_expect(attack, moved > SECONDS * 20000, "%u bytes in %u s", moved, SECONDS);
    target_free(target);
    attack_did(attack, "went on: %u KB in %u s of such losses", moved / 1000, SECONDS);
}
