/* SPDX-License-Identifier: MIT */
/* Section D of the attack table: a peer that lies about what it received, what it takes and when. */
#include <string.h>

#include "sim/attack/attack.h"

enum { CHUNK = 64 * 1024 };
static const uint8_t plenty[CHUNK];

/* A connection with plenty to send, of which the first flight is out. */
static bool begin(struct attack *attack, struct target **target, struct peer *peer,
                  const struct forged *offer)
{
    struct duet_config config;

    target_config(attack, &config);
    config.send_buffer = config.send_buffer_initial = 1 << 20;
    config.pages_max = 4096;
    *target = target_new(attack, &config);
    if (*target == NULL || !peer_open(peer, *target, 1000, offer)) {
        target_free(*target);
        return false;
    }
    for (unsigned i = 0; i < 8; i++)
        (void)duet_send((*target)->stack, (*target)->now, peer->handle, plenty, sizeof plenty, 0);
    return true;
}

static struct duet_status status_of(const struct peer *peer)
{
    struct duet_status status = {.state = DUET_CLOSED};

    (void)peer_status(peer, &status);
    return status;
}

static void refill(struct peer *peer)
{
    (void)duet_send(peer->target->stack, peer->target->now, peer->handle, plenty, sizeof plenty, 0);
}

/* ---- D1 ---- */

/* The congestion window after ten round trips in which each flight is acknowledged in pieces. */
static uint32_t grow(struct attack *attack, uint32_t pieces)
{
    struct target *target;
    struct peer peer;
    uint32_t window = 0;

    if (!begin(attack, &target, &peer, &peer_plain))
        return 0;
    for (unsigned trip = 0; trip < 10; trip++) {
        uint32_t from = peer.ack, length = peer_take(&peer);

        peer.ack = from;
        duet_expire(target->stack, target->now += 20 * DUET_MILLISECOND);
        for (uint32_t at = 0; at < length;) {
            uint32_t step = 1460 / pieces;

            at = at + step < length ? at + step : length;
            peer.ack = from + at;
            peer_say(&peer, 0, 0, 0, NULL, 0);
        }
        refill(&peer);
    }
    window = status_of(&peer).congestion_window;
    target_free(target);
    return window;
}

void attack_D1(struct attack *attack)
{
    uint32_t honest, divided;

    attack_sent(attack, "ten flights acknowledged segment by segment, and in 100 pieces each");
    honest = grow(attack, 1);
    divided = grow(attack, 100);
    attack_expect(attack, honest > 0 && divided <= honest + honest / 100,
                  "the window is %u bytes instead of %u", divided, honest);
    attack_did(attack, "counted bytes: a window of %u bytes for %u", divided, honest);
}

/* ---- D2 ---- */

void attack_D2(struct attack *attack)
{
    enum { DUPLICATES = 10000 };
    struct target *target;
    struct peer peer;
    struct duet_status before, after;

    attack_sent(attack, "%u duplicate acknowledgements without SACK, with and without SACK agreed",
                DUPLICATES);
    for (unsigned sack = 0; sack < 2; sack++) {
        uint32_t first;

        if (!begin(attack, &target, &peer, sack == 0 ? &peer_plain : &peer_full))
            return;
        first = peer.ack;
        (void)peer_take(&peer);
        peer.ack = first;
        before = status_of(&peer);
        for (unsigned i = 0; i < DUPLICATES; i++) {
            peer_say(&peer, 0, 0, 0, NULL, 0);
            target_drain(target);
        }
        after = status_of(&peer);
        attack_expect(attack, after.in_flight <= after.snd_wnd, "%u bytes are in flight",
                      after.in_flight);
        attack_expect(attack,
                      after.congestion_window <=
                          after.slow_start_threshold + after.in_flight + after.send_mss,
                      "a congestion window of %u bytes with %u in flight", after.congestion_window,
                      after.in_flight);
        attack_expect(attack, sack == 0 || after.in_flight <= before.in_flight + 3 * 1460,
                      "without any SACK %u bytes are in flight after %u", after.in_flight,
                      before.in_flight);
        target_free(target);
    }
    attack_did(attack, "sent no more than is thought to have left the network; the window shrank");
}

/* ---- D3 ---- */

void attack_D3(struct attack *attack)
{
    struct target *target;
    struct peer peer;
    struct duet_status before, after;

    attack_sent(attack,
                "acknowledgements of 1 to 65536 bytes more than were sent, and of powers of "
                "two");
    if (!begin(attack, &target, &peer, &peer_plain))
        return;
    (void)peer_take(&peer);
    before = status_of(&peer);
    for (uint32_t beyond = 1; beyond <= 65536; beyond++)
        peer_say(&peer, 0, 0, beyond, NULL, 0);
    for (unsigned bit = 17; bit < 31; bit++)
        peer_say(&peer, 0, 0, 1u << bit, NULL, 0);
    after = status_of(&peer);
    attack_expect(attack,
                  after.snd_una == before.snd_una &&
                      after.congestion_window == before.congestion_window,
                  "an acknowledgement of what was never sent has an effect");
    attack_expect(attack, target_drain(target) <= target->config.challenge_limit,
                  "each was answered");
    target_free(target);
    attack_did(attack,
               "ignored them within the limit of challenges. A peer that acknowledges early "
               "what is in flight cannot be told from a fast one");
}

/* ---- D4 ---- */

void attack_D4(struct attack *attack)
{
    enum { TIMEOUTS = 8 };
    struct target *target;
    struct peer peer;
    struct duet_status status;
    uint32_t first, resent = 0;

    attack_sent(attack,
                "SACKs of everything but the first byte, of everything, and D-SACKs, while "
                "nothing is acknowledged for %u timeouts",
                TIMEOUTS);
    if (!begin(attack, &target, &peer, &peer_full))
        return;
    first = peer.ack;
    (void)peer_take(&peer);
    status = status_of(&peer);
    for (unsigned i = 0; i < 60; i++) {
        const struct forged sack = {
            .seq = peer.seq,
            .ack = first,
            .flags = DUET_ACK,
            .window = peer.window,
            .options = {.present = DUET_TRACE_SACK | DUET_TRACE_TIMESTAMPS,
                        .sack_count = 2,
                        .tsval = peer.tsval,
                        .tsecr = peer.tsecr,
                        .sack = {{first - (i % 2 == 0 ? 100u : 0u), first + (i % 2 == 0 ? 0u : 1u)},
                                 {first + (i % 4 == 3 ? 0u : 1u), status.snd_nxt}}},
        };
        struct seen seen;

        target_send(target, &peer.ends, &sack);
        duet_expire(target->stack, target->now += DUET_SECOND);
        while (target_next(target, &seen))
            resent += seen.tcp.text_length > 0 && seen.tcp.seq == first;
    }
    status = status_of(&peer);
    attack_expect(attack, resent >= 3, "the first segment was sent again %u times in 60 s", resent);
    attack_expect(attack, status.send_queued >= status.snd_nxt - first,
                  "what was only SACKed is forgotten");
    peer.ack = status.snd_nxt;
    peer_say(&peer, 0, 0, 0, NULL, 0);
    attack_expect(attack, status_of(&peer).snd_una == status.snd_nxt, "it cannot go on");
    target_check(target);
    target_free(target);
    attack_did(attack,
               "kept all until it was acknowledged, sent the first again %u times, and went "
               "on",
               resent);
}

/* ---- D5 ---- */

void attack_D5(struct attack *attack)
{
    static const uint16_t windows[] = {0, 10, 1, 65535, 1460, 3, 0, 65535};

    attack_sent(attack, "windows of 64 KB, 0, 10 and others that take back what was offered, at "
                        "every amount of data in flight");
    for (unsigned keep = 0; keep < 20; keep++) {
        struct target *target;
        struct peer peer;
        uint32_t from;

        if (!begin(attack, &target, &peer, &peer_plain))
            return;
        from = peer.ack;
        (void)peer_take(&peer);
        peer.ack = from + keep * 777;
        for (unsigned i = 0; i < sizeof windows / sizeof windows[0]; i++) {
            uint32_t before = status_of(&peer).snd_nxt, edge = peer.ack + windows[i] + 1;

            peer.window = windows[i];
            peer_say(&peer, 0, 0, 0, NULL, 0);
            target_pass(target, target->now + 100 * DUET_MILLISECOND);
            edge = (int32_t)(edge - before) > 0 ? edge : before;
            attack_expect(attack, (int32_t)(status_of(&peer).snd_nxt - edge) <= 0,
                          "%u bytes were sent beyond the window", status_of(&peer).snd_nxt - edge);
            target_check(target);
        }
        for (unsigned i = 0; i < 200; i++) {
            peer.ack = status_of(&peer).snd_nxt;
            peer_say(&peer, 0, 0, 0, NULL, 0);
            target_pass(target, target->now + 100 * DUET_MILLISECOND);
        }
        attack_expect(attack, status_of(&peer).snd_una - from > 500000,
                      "after %u bytes the connection is stuck", keep * 777);
        target_free(target);
    }
    attack_did(attack, "kept its invariants, probed, and went on when the window opened");
}

/* ---- D6 ---- */

void attack_D6(struct attack *attack)
{
    static uint8_t text[4000];
    struct duet_config config;
    struct target *target;
    struct peer peer;
    uint32_t window, delivered;

    attack_sent(attack, "segments that reach 1 to 3000 bytes beyond the window at many places, in "
                        "and out of order");
    target_config(attack, &config);
    config.receive_buffer = config.receive_buffer_initial = 8192;
    target = target_new(attack, &config);
    if (target == NULL || !peer_open(&peer, target, 1000, &peer_plain)) {
        target_free(target);
        return;
    }
    window = status_of(&peer).rcv_wnd;
    for (uint32_t over = 1; over < 3000; over += 13) {
        peer_say(&peer, DUET_FIN, window - 500, 0, text, 500 + over);
        peer_say(&peer, DUET_FIN, window + over, 0, text, 500);
        target_drain(target);
        target_check(target);
    }
    for (uint32_t at = 0; at < window; at += 1000)
        peer_say(&peer, 0, at, 0, text, window - at < 1000 ? window - at + 900 : 1000);
    delivered = peer_delivered(&peer);
    attack_expect(attack, delivered == window, "%u bytes were delivered of a window of %u",
                  delivered, window);
    attack_expect(attack, peer_state(&peer) == DUET_ESTABLISHED, "a FIN beyond the window counts");
    target_free(target);
    attack_did(attack, "cut each at the right edge, and a FIN behind it with it");
}

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

        if (!begin(attack, &target, &peer, &peer_plain))
            return;
        for (unsigned turn = 0; turn < 120; turn++) {
            uint32_t from = peer.ack;

            (void)peer_take(&peer);
            if (turn % 40 == 20)
                target_pass(target, target->now + 3 * DUET_SECOND); /* a timeout */
            acknowledge(&peer, (enum strategy)strategy, turn, from);
            duet_expire(target->stack, target->now += 20 * DUET_MILLISECOND);
            refill(&peer);
            target_check(target);
            attack_expect(attack, status_of(&peer).congestion_window <= 1 << 22,
                          "strategy %u: a window of %u bytes", strategy,
                          status_of(&peer).congestion_window);
        }
        peer.window = 65535;
        before = status_of(&peer).snd_una;
        for (unsigned turn = 0; turn < 200; turn++) {
            (void)peer_take(&peer);
            peer.ack = status_of(&peer).snd_nxt;
            peer_say(&peer, 0, 0, 0, NULL, 0);
            duet_expire(target->stack, target->now += 20 * DUET_MILLISECOND);
            refill(&peer);
        }
        attack_expect(attack, status_of(&peer).snd_una - before > 500000,
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
    if (!begin(attack, &target, &peer, &peer_full))
        return;
    for (unsigned i = 0; i < LIES; i++) {
        static const uint32_t extremes[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff};
        struct duet_status status;

        (void)peer_take(&peer);
        peer.tsecr = i % 3 == 0 ? extremes[i / 3 % 5] : (uint32_t)prng_next(&attack->prng);
        peer_say(&peer, 0, 0, 0, NULL, 0);
        duet_expire(target->stack, target->now += DUET_MILLISECOND);
        refill(&peer);
        status = status_of(&peer);
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
    if (!begin(attack, &target, &peer, &offer))
        return;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint32_t from = peer.ack, length = peer_take(&peer);

        for (uint32_t at = 0; at <= length; at += 1000) {
            peer.ack = from + (at + 1000 < length ? at : length);
            peer_say(&peer, DUET_ECE, 0, 0, NULL, 0);
        }
        duet_expire(target->stack, target->now += 20 * DUET_MILLISECOND);
        refill(&peer);
        target_check(target);
    }
    reductions = target_hits(target, "ECN_REDUCED");
    attack_expect(attack, reductions >= 1 && reductions <= ROUNDS,
                  "the window was reduced %llu times in %u round trips",
                  (unsigned long long)reductions, ROUNDS);
    attack_expect(attack, status_of(&peer).congestion_window >= 536, "a window of %u bytes is left",
                  status_of(&peer).congestion_window);
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
    if (!begin(attack, &target, &peer, &peer_plain))
        return;
    first = peer.ack;
    for (unsigned ms = 0; ms < SECONDS * 1000; ms += 10) {
        take_in_order(&peer, ms % 1000 < 50);
        duet_expire(target->stack, target->now += 10 * DUET_MILLISECOND);
        refill(&peer);
    }
    moved = status_of(&peer).snd_una - first;
    attack_expect(attack, moved > SECONDS * 20000, "%u bytes in %u s", moved, SECONDS);
    target_free(target);
    attack_did(attack, "went on: %u KB in %u s of such losses", moved / 1000, SECONDS);
}
