/* SPDX-License-Identifier: MIT */
/* Section B of the attack table: peers that hold what they get. */
#include <stdlib.h>

#include "base/check.h"
#include "sim/attack/attack.h"

/* ---- B3 ---- */

enum { HOLDERS = 50000, HOLDERS_QUICK = 500, HOLD_MAX_S = 400, HOLDER_PORT = 1000 };
enum { SERVED = 1000 };

struct crowd {
    struct peer *holders;
    unsigned count;
};

/* Answers every packet to a holder by an acknowledgement of nothing, with a closed window. */
static void answer_probes(struct target *target, const struct crowd *crowd)
{
    struct seen seen;

    while (target_next(target, &seen)) {
        uint32_t number = seen.tcp.destination_port - HOLDER_PORT;

        if (number < crowd->count && (seen.tcp.flags & DUET_RST) == 0) {
            crowd->holders[number].ack = seen.tcp.seq;
            peer_say(&crowd->holders[number], 0, 0, 0, NULL, 0);
        }
    }
}

/* Sends a kilobyte to the peer, as fast as there is memory for it: bytes that came. */
static uint32_t answer(struct peer *peer)
{
    static const uint8_t text[SERVED];
    struct target *target = peer->target;
    uint32_t given = 0, came = 0;

    for (unsigned turn = 0; turn < 10 && came < SERVED; turn++) {
        int64_t took =
            duet_send(target->stack, target->now, peer->handle, text + given, SERVED - given, 0);

        given += took > 0 ? (uint32_t)took : 0;
        came += peer_take(peer);
        peer_say(peer, 0, 0, 0, NULL, 0);
    }
    return came;
}

/* Can somebody else still ask for a kilobyte, and get one? */
static bool serves(struct target *target, uint16_t remote_port)
{
    static const uint8_t text[SERVED];
    struct ends ends = ends_of(TARGET_PORT, remote_port);
    struct peer peer;
    bool good;

    ends.remote = duet_ipv4(10, 0, 0, 44);
    if (!peer_syn(&peer, target, &ends, &peer_plain))
        return false;
    peer_third(&peer);
    if (!peer_accepted(&peer))
        return false;
    peer_say(&peer, DUET_PSH, 0, 0, text, sizeof text);
    peer.seq += sizeof text;
    good = peer_delivered(&peer) == sizeof text && answer(&peer) == sizeof text;
    duet_abort(target->stack, target->now, peer.handle);
    target_take_events(target);
    target_drain(target);
    return good;
}

static bool hold_all(struct target *target, const struct crowd *crowd)
{
    static const uint8_t text[65536];

    CHECK(crowd->holders != NULL);
    for (unsigned i = 0; i < crowd->count; i++) {
        struct peer *holder = &crowd->holders[i];
        struct forged offer = peer_plain;

        offer.window = 0;
        if (!peer_open(holder, target, (uint16_t)(HOLDER_PORT + i), &offer))
            return false;
        (void)duet_send(target->stack, target->now, holder->handle, text, sizeof text, 0);
    }
    return true;
}

/* Seconds of these in which others were served. */
static unsigned serve_others(struct target *target, const struct crowd *crowd, unsigned seconds)
{
    unsigned served = 0;

    for (unsigned s = 0; s < seconds; s++) {
        duet_expire(target->stack, target->now += DUET_SECOND);
        answer_probes(target, crowd);
        served += serves(target, (uint16_t)(4000 + s));
    }
    return served;
}

static void let_go(struct target *target, const struct crowd *crowd)
{
    for (unsigned i = 0; i < crowd->count; i++)
        duet_close(target->stack, target->now, crowd->holders[i].handle);
    for (unsigned s = 0; s < HOLD_MAX_S; s++) {
        duet_expire(target->stack, target->now += DUET_SECOND);
        answer_probes(target, crowd);
        target_take_events(target);
    }
    attack_expect(target->attack, target_counters(target).connections == 0, "%u are held for ever",
                  target_counters(target).connections);
}

/* With 16 pages for each connection, where each holder asks for more than a hundred. */
static struct target *target_for(struct attack *attack, const struct crowd *crowd)
{
    struct duet_config config;

    target_config(attack, &config);
    config.connections_max = config.transfers_max = crowd->count + 64;
    config.page_size = 512;
    config.pages_max = 16 * config.connections_max;
    return target_new(attack, &config);
}

void attack_B3(struct attack *attack)
{
    enum { SECONDS = 60 };
    struct crowd crowd = {.count = attack->quick ? HOLDERS_QUICK : HOLDERS};
    struct target *target = target_for(attack, &crowd);
    unsigned served;

    attack_sent(attack,
                "%u connections that ask for 64 KB each with a window of 0 and answer every "
                "probe, then are closed",
                crowd.count);
    crowd.holders = calloc(crowd.count, sizeof *crowd.holders);
    if (target != NULL && attack_expect(attack, crowd.holders != NULL, "no memory") &&
        hold_all(target, &crowd)) {
        served = serve_others(target, &crowd, SECONDS);
        attack_expect(attack, served == SECONDS, "%u of %u others were served", served, SECONDS);
        attack_expect(attack, target_counters(target).pages_used <= target->config.pages_max,
                      "too much memory");
        let_go(target, &crowd);
    }
    attack_did(attack, "served all others meanwhile; what the user had closed was gone within the "
                       "user timeout");
    target_free(target);
    free(crowd.holders);
}

/* ---- B4 ---- */

void attack_B4(struct attack *attack)
{
    enum { READERS = 200, SECONDS = 60 };
    static struct peer readers[READERS];
    static const uint8_t text[20000];
    struct duet_config config;
    struct target *target;
    uint64_t before, packets;

    attack_sent(attack,
                "%u connections that ask for 20 KB and open their window by one byte a "
                "second",
                READERS);
    target_config(attack, &config);
    config.connections_max = config.transfers_max = 2 * READERS;
    config.pages_max = 32 * READERS;
    target = target_new(attack, &config);
    if (target == NULL)
        return;
    for (unsigned i = 0; i < READERS; i++) {
        struct forged offer = peer_plain;

        offer.window = 2000;
        if (!peer_open(&readers[i], target, (uint16_t)(1000 + i), &offer))
            break;
        (void)duet_send(target->stack, target->now, readers[i].handle, text, sizeof text, 0);
        (void)peer_take(&readers[i]);
    }
    before = target->packets_out;
    for (unsigned s = 1; s <= SECONDS; s++) {
        for (unsigned i = 0; i < READERS; i++) {
            readers[i].window = (uint16_t)s;
            peer_say(&readers[i], 0, 0, 0, NULL, 0);
        }
        for (unsigned i = 0; i < READERS; i++)
            (void)peer_take(&readers[i]);
        duet_expire(target->stack, target->now += DUET_SECOND);
        target_drain(target);
    }
    packets = target->packets_out - before;
    attack_expect(attack, packets <= (uint64_t)READERS * 20,
                  "%llu packets were sent into windows of a few bytes",
                  (unsigned long long)packets);
    attack_expect(attack, serves(target, 5000), "others are not served");
    attack_did(attack,
               "avoided silly windows: at most 20 packets a reader in %u s; how much of it "
               "is enough the user sees in duet_status",
               SECONDS);
    target_free(target);
}

/* ---- B13 ---- */

void attack_B13(struct attack *attack)
{
    static const uint8_t text[5000];
    struct target *target = target_small(attack);
    struct peer peer;
    unsigned packets;

    attack_sent(attack,
                "a peer that takes back its window and falls silent, with a user timeout of "
                "1 s");
    if (target == NULL || !peer_open(&peer, target, 1000, &peer_plain)) {
        target_free(target);
        return;
    }
    duet_set(target->stack, target->now, peer.handle, DUET_OPTION_USER_TIMEOUT, 1000);
    (void)duet_send(target->stack, target->now, peer.handle, text, sizeof text, 0);
    target_drain(target);
    peer.window = 0;
    peer_say(&peer, 0, 0, 0, NULL, 0);
    packets = target_pass(target, 300 * DUET_SECOND);
    attack_expect(attack, packets <= 8, "%u packets were sent", packets);
    attack_expect(attack, peer_state(&peer) == DUET_CLOSED, "the connection is still there");
    attack_did(attack, "sent %u packets, backing off, and gave up", packets);
    target_free(target);
}

/* ---- B14 ---- */

void attack_B14(struct attack *attack)
{
    static const uint8_t text[1000];
    struct duet_config config;
    struct target *target;
    struct peer hog, other;
    uint32_t sent = 0, delivered = 0;

    attack_sent(attack, "one connection whose user reads nothing takes all pages, another's peer "
                        "goes on sending; then the first is read");
    target_config(attack, &config);
    config.pages_max = 32;
    config.page_size = 1024;
    target = target_new(attack, &config);
    if (target == NULL || !peer_open(&hog, target, 1000, &peer_plain) ||
        !peer_open(&other, target, 1001, &peer_plain)) {
        target_free(target);
        return;
    }
    for (unsigned i = 0; i < 60; i++, hog.seq += sizeof text) {
        peer_say(&hog, 0, 0, 0, text, sizeof text);
        target_drain(target);
    }
    for (unsigned i = 0; i < 20; i++) {
        peer_say(&other, 0, 0, 0, text, sizeof text);
        target_pass(target, target->now + 10 * DUET_MILLISECOND);
    }
    (void)peer_delivered(&hog);
    target_pass(target, target->now + DUET_SECOND);
    for (unsigned i = 0; i < 200 && delivered < 100000; i++) {
        struct duet_status status;

        if (!peer_status(&other, &status))
            break;
        sent = status.rcv_nxt - other.seq;
        other.seq += sent;
        if (status.rcv_wnd >= sizeof text)
            peer_say(&other, 0, 0, 0, text, sizeof text);
        delivered += peer_delivered(&other);
        target_pass(target, target->now + 10 * DUET_MILLISECOND);
    }
    attack_expect(attack, delivered >= 100000, "after the squeeze %u bytes were delivered",
                  delivered);
    attack_did(attack, "went on as soon as pages were free again");
    target_free(target);
}
