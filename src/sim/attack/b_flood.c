/* SPDX-License-Identifier: MIT */
/* Section B of the attack table: floods of SYNs and of guesses. */
#include <string.h>

#include "sim/attack/attack.h"

/* ---- B1 ---- */

enum { FLOOD_RATE = 1000000, HONEST_RATE = 100, ROUND_TRIP_US = 50000, HONEST_PORT = 2000 };
enum { FLOOD_SECONDS = 10, CLIENTS = FLOOD_SECONDS * HONEST_RATE };

/* An honest client on a path of 50 ms, among forged SYNs, one each microsecond. */
struct client {
    struct peer peer;
    bool asked, connected;
    duet_time began, took;
};

static void begin(struct client *client, struct target *target, uint16_t number)
{
    const struct ends ends = ends_of(TARGET_PORT, (uint16_t)(HONEST_PORT + number));

    client->began = target->now;
    client->asked = peer_syn(&client->peer, target, &ends, &peer_full);
}

static void finish(struct client *client)
{
    struct target *target = client->peer.target;

    if (!client->asked)
        return;
    peer_third(&client->peer);
    client->connected = peer_accepted(&client->peer);
    client->took = target->now - client->began;
    if (!client->connected)
        return;
    duet_abort(target->stack, target->now, client->peer.handle);
    target_take_events(target);
}

static void flood(struct target *target, struct client *clients, uint32_t from, uint32_t to)
{
    enum { EVERY = FLOOD_RATE / HONEST_RATE, LATER = ROUND_TRIP_US };

    for (uint32_t i = from; i < to; i++) {
        struct ends ends = ends_forged(i);
        const struct forged syn = {.flags = DUET_SYN, .seq = i * 77, .window = 1000};

        target->now += DUET_MICROSECOND;
        if (i % 1024 == 0)
            duet_expire(target->stack, target->now);
        target_send(target, &ends, &syn);
        target_drain(target);
        if (i % EVERY == 0 && i / EVERY < CLIENTS)
            begin(&clients[i / EVERY], target, (uint16_t)(i / EVERY));
        if (i >= LATER && (i - LATER) % EVERY == 0)
            finish(&clients[(i - LATER) / EVERY]);
    }
}

/* SYNs that no honest host sends: neither answered nor remembered. */
static void try_odd_syns(struct target *target)
{
    for (uint16_t i = 0; i < 1000; i++) {
        const struct ends ends = ends_forged(i);
        const struct forged odd = {.flags = DUET_SYN | (i % 2 == 0 ? DUET_FIN : DUET_RST)};

        target_send(target, &ends, &odd);
    }
    attack_expect(target->attack,
                  target_drain(target) == 0 && target_counters(target).half_open == 0,
                  "SYN,FIN or SYN,RST was taken");
}

static void judge_flood(struct target *target, const struct client *clients, unsigned count,
                        uint32_t pages_before, long grown_kb)
{
    struct attack *attack = target->attack;
    struct duet_counters after = target_counters(target);
    duet_time longest = 0;
    unsigned connected = 0;

    for (unsigned i = 0; i < count; i++) {
        bool in_time = clients[i].connected && clients[i].took <= DUET_SECOND;

        connected += in_time;
        longest = in_time && clients[i].took > longest ? clients[i].took : longest;
    }
    attack_expect(attack, after.half_open <= target->config.half_open_max, "%u half-open records",
                  after.half_open);
    /* Builds that check, which are quick, have memory of their own. */
    attack_expect(attack, after.pages_used == pages_before && (grown_kb <= 0 || attack->quick),
                  "the flood has taken memory: %u pages, %ld KB", after.pages_used - pages_before,
                  grown_kb);
    attack_expect(attack, connected * 100 >= count * 99, "%u of %u honest clients connect",
                  connected, count);
    attack_did(attack,
               "%u of %u honest clients were connected, each within %lld ms, by cookies; %u "
               "half-open records, memory grew by 0 bytes",
               connected, count, (long long)(longest / DUET_MILLISECOND), after.half_open);
}

void attack_B1(struct attack *attack)
{
    const uint32_t seconds = attack->quick ? 2 : FLOOD_SECONDS;
    static struct client clients[CLIENTS];
    struct target *target = target_small(attack);
    uint32_t pages;
    long warm_kb;

    attack_sent(attack,
                "1,000,000 forged SYNs a second for %u s of virtual time, SYN,FIN and SYN,RST too; "
                "100 honest clients a second on a path of 50 ms",
                seconds);
    memset(clients, 0, sizeof clients);
    if (target == NULL)
        return;
    try_odd_syns(target);
    pages = target_counters(target).pages_used;
    flood(target, clients, 0, FLOOD_RATE);
    (void)duet_attack_memory_kb();
    warm_kb =
        duet_attack_memory_kb(); /* every table has been touched by now, and what measures has been used */
    flood(target, clients, FLOOD_RATE, seconds * FLOOD_RATE + ROUND_TRIP_US);
    judge_flood(target, clients, seconds * HONEST_RATE, pages, duet_attack_memory_kb() - warm_kb);
    target_free(target);
}

/* ---- B2 ---- */

enum { COOKIE_LIFE_S = 120 };

/* Fills every half-open record, so that the next SYN is answered by a cookie. */
static void press(struct target *target)
{
    for (uint32_t i = 0; i <= target->config.half_open_max; i++) {
        const struct ends ends = ends_forged(i);
        const struct forged syn = {.flags = DUET_SYN, .seq = i, .window = 1000};

        target_send(target, &ends, &syn);
        target_drain(target);
    }
}

void attack_B2(struct attack *attack)
{
    const uint32_t guesses = UINT32_C(1) << (attack->quick ? 21 : 26);
    struct target *target = target_small(attack);
    struct ends victim = ends_of(TARGET_PORT, 1000);
    struct peer honest, replay;

    attack_sent(attack,
                "%u random acknowledgements to a listener under pressure, a half of them from one "
                "address, the others from anywhere, and a cookie replayed for %u s",
                guesses, 2 * COOKIE_LIFE_S);
    victim.remote = duet_ipv4(10, 0, 0, 99);
    if (target == NULL)
        return;
    press(target);
    for (uint32_t i = 0; i < guesses; i++) {
        const struct forged guess = {.flags = DUET_ACK,
                                     .seq = (uint32_t)prng_next(&attack->prng),
                                     .ack = (uint32_t)prng_next(&attack->prng),
                                     .window = 1000};

        if (i >= guesses / 2)
            victim.remote = ends_forged((uint32_t)prng_next(&attack->prng)).remote;
        target_send(target, &victim, &guess);
    }
    attack_expect(attack, target_counters(target).connections == 0, "%u guesses were believed",
                  target_counters(target).connections);
    attack_expect(attack, target_hits(target, "SYN_COOKIE_LIMIT") > guesses / 4,
                  "guesses are not limited");
    target_drain(target);

    /* Another listener's worth of calm: a new stack, one honest cookie, and its replays. */
    target_free(target);
    target = target_small(attack);
    if (target == NULL)
        return;
    victim = ends_of(TARGET_PORT, 1001);
    press(target);
    attack_expect(attack, peer_syn(&honest, target, &victim, &peer_full), "no answer");
    attack_expect(attack, target_hits(target, "SYN_COOKIE_SENT") > 0, "there was no cookie");
    for (unsigned s = COOKIE_LIFE_S; s < 3 * COOKIE_LIFE_S; s++) {
        replay = honest;
        target->now = s * DUET_SECOND;
        press(target);
        peer_third(&replay);
        target_drain(target);
    }
    attack_expect(attack, target_counters(target).connections == 0,
                  "a cookie is good for more than %u s", COOKIE_LIFE_S);
    attack_did(attack,
               "believed none: 1024 guesses from an address are looked at in a minute, with "
               "a chance of 2^-28 each; no cookie outlives two minutes");
    target_free(target);
}

/* ---- B11 ---- */

void attack_B11(struct attack *attack)
{
    enum { RECORDS = 100000 };
    struct duet_config config;
    struct target *target;

    attack_sent(attack, "SYNs from %u pairs of sockets that differ in few bits, each then reset",
                RECORDS);
    target_config(attack, &config);
    config.half_open_max = RECORDS;
    target = target_new(attack, &config);
    for (unsigned way = 0; target != NULL && way < 2; way++)
        for (uint32_t i = 0; i < RECORDS; i++) {
            struct ends ends = ends_of(TARGET_PORT, (uint16_t)(i << 6 | i >> 10 | 1));
            const struct forged segment = {
                .flags = way == 0 ? DUET_SYN : DUET_RST, .seq = way == 0 ? 0 : 1, .window = 1000};

            ends.remote = duet_ipv4(77, 0, (uint8_t)(i >> 10), 1);
            target_send(target, &ends, &segment);
            target_drain(target);
        }
    attack_did(attack, "spread them by a keyed hash, so that none was slow to find");
    target_free(target);
}
