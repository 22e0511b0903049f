/* SPDX-License-Identifier: MIT */
/* Section D of the attack table: a peer that lies about what it received. */
#include "sim/attack/attack.h"

/* ---- D1 ---- */

/* The congestion window after ten round trips in which each flight is acknowledged in pieces. */
static uint32_t grow(struct attack *attack, uint32_t pieces)
{
    struct target *target;
    struct peer peer;
    uint32_t window = 0;

    if (!peer_hungry(attack, &target, &peer, &peer_plain))
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
        peer_refill(&peer);
    }
    window = peer_status_now(&peer).congestion_window;
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

        if (!peer_hungry(attack, &target, &peer, sack == 0 ? &peer_plain : &peer_full))
            return;
        first = peer.ack;
        (void)peer_take(&peer);
        peer.ack = first;
        before = peer_status_now(&peer);
        for (unsigned i = 0; i < DUPLICATES; i++) {
            peer_say(&peer, 0, 0, 0, NULL, 0);
            target_drain(target);
        }
        after = peer_status_now(&peer);
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

/* Bytes that a peer is sent in the second half of a minute, which acknowledges all that has left a
 * millisecond later, lost or not. */
static uint32_t sent_to_liar(struct attack *attack, bool verifies)
{
    enum { TURNS = 1000, TURN_MS = 60 };
    struct duet_config config;
    struct target *target;
    struct peer peer;
    uint32_t half = 0, all;

    peer_hungry_config(attack, &config);
    config.verify_acks = verifies;
    if (!peer_hungry_with(attack, &target, &peer, &peer_plain, &config))
        return 0;
    for (unsigned turn = 0; turn < TURNS; turn++) {
        if (turn == TURNS / 2)
            half = peer_status_now(&peer).snd_nxt;
        target_pass(target, target->now + DUET_MILLISECOND);
        peer.ack = peer_status_now(&peer).snd_nxt;
        peer_say(&peer, 0, 0, 0, NULL, 0);
        target_pass(target, target->now + (TURN_MS - 1) * DUET_MILLISECOND);
        peer_refill(&peer);
    }
    all = peer_status_now(&peer).snd_nxt;
    target_check(target);
    target_free(target);
    return all - half;
}

static void acknowledge_early(struct attack *attack)
{
    uint32_t believed = sent_to_liar(attack, false), verified = sent_to_liar(attack, true);

    attack_expect(attack, believed > 10000000, "who is believed gets only %u bytes", believed);
    attack_expect(attack, verified < believed / 10,
                  "acknowledging early brings %u bytes, of %u if it is believed", verified,
                  believed);
    attack_did(
        attack,
        "ignored what was never sent, within the limit of challenges; left out a segment "
        "that the liar could not miss, and sent it %u KB in 30 s where it would have had %u KB",
        verified / 1000, believed / 1000);
}

void attack_D3(struct attack *attack)
{
    struct target *target;
    struct peer peer;
    struct duet_status before, after;

    attack_sent(attack,
                "acknowledgements of 1 to 65536 bytes more than were sent, and of powers of "
                "two; then of all that leaves, the moment it does");
    if (!peer_hungry(attack, &target, &peer, &peer_plain))
        return;
    (void)peer_take(&peer);
    before = peer_status_now(&peer);
    for (uint32_t beyond = 1; beyond <= 65536; beyond++)
        peer_say(&peer, 0, 0, beyond, NULL, 0);
    for (unsigned bit = 17; bit < 31; bit++)
        peer_say(&peer, 0, 0, 1u << bit, NULL, 0);
    after = peer_status_now(&peer);
    attack_expect(attack,
                  after.snd_una == before.snd_una &&
                      after.congestion_window == before.congestion_window,
                  "an acknowledgement of what was never sent has an effect");
    attack_expect(attack, target_drain(target) <= target->config.challenge_limit,
                  "each was answered");
    target_free(target);
    acknowledge_early(attack);
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
    if (!peer_hungry(attack, &target, &peer, &peer_full))
        return;
    first = peer.ack;
    (void)peer_take(&peer);
    status = peer_status_now(&peer);
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
    status = peer_status_now(&peer);
    attack_expect(attack, resent >= 3, "the first segment was sent again %u times in 60 s", resent);
    attack_expect(attack, status.send_queued >= status.snd_nxt - first,
                  "what was only SACKed is forgotten");
    peer.ack = status.snd_nxt;
    peer_say(&peer, 0, 0, 0, NULL, 0);
    attack_expect(attack, peer_status_now(&peer).snd_una == status.snd_nxt, "it cannot go on");
    target_check(target);
    target_free(target);
    attack_did(attack,
               "kept all until it was acknowledged, sent the first again %u times, and went "
               "on",
               resent);
}
