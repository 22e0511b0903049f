/* SPDX-License-Identifier: MIT */
/* Section B of the attack table: floods of SYNs, of guesses, of connections. */
#include <stdlib.h>
#include <string.h>

#include "sim/attack/attack.h"

/* ---- B1 ---- */

enum { FLOOD_SYNS = 1000000, FLOOD_HONEST = 100, ROUND_TRIP_US = 50000, HONEST_PORT = 2000 };

/* An honest client on a path of 50 ms, among forged SYNs, one each microsecond. */
struct client {
    struct peer peer;
    bool asked, connected;
};

static struct ends forged_ends(uint32_t number)
{
    struct ends ends = ends_of(TARGET_PORT, (uint16_t)(1024 + number % 60000));

    ends.remote = duet_ipv4((uint8_t)(20 + number % 100), (uint8_t)(number >> 16),
                            (uint8_t)(number >> 8), (uint8_t)(1 + number % 253));
    return ends;
}

static void begin(struct client *client, struct target *target, uint16_t number)
{
    const struct ends ends = ends_of(TARGET_PORT, (uint16_t)(HONEST_PORT + number));

    client->asked = peer_syn(&client->peer, target, &ends, &peer_full);
}

static void finish(struct client *client)
{
    struct target *target = client->peer.target;

    if (!client->asked)
        return;
    peer_third(&client->peer);
    client->connected = peer_accepted(&client->peer);
    if (!client->connected)
        return;
    duet_abort(target->stack, target->now, client->peer.handle);
    target_take_events(target);
}

static void flood(struct target *target, struct client *clients)
{
    enum { EVERY = FLOOD_SYNS / FLOOD_HONEST, LATER = ROUND_TRIP_US };

    for (uint32_t i = 0; i < FLOOD_SYNS + LATER; i++) {
        struct ends ends = forged_ends(i);
        const struct forged syn = {.flags = DUET_SYN, .seq = i * 77, .window = 1000};

        target->now += DUET_MICROSECOND;
        if (i % 1024 == 0)
            duet_expire(target->stack, target->now);
        target_send(target, &ends, &syn);
        target_drain(target);
        if (i % EVERY == 0 && i < FLOOD_SYNS)
            begin(&clients[i / EVERY], target, (uint16_t)(i / EVERY));
        if (i >= LATER && (i - LATER) % EVERY == 0)
            finish(&clients[(i - LATER) / EVERY]);
    }
}

void attack_B1(struct attack *attack)
{
    static struct client clients[FLOOD_HONEST];
    struct target *target = target_small(attack);
    struct duet_counters before, after;
    unsigned connected = 0;

    attack_sent(attack, "1,000,000 forged SYNs a second for a second of virtual time, SYN,FIN and "
                        "SYN,RST too; 100 honest clients a second on a path of 50 ms");
    memset(clients, 0, sizeof clients);
    if (target == NULL)
        return;
    for (uint16_t i = 0; i < 1000; i++) {
        const struct ends ends = forged_ends(i);
        const struct forged odd = {.flags = DUET_SYN | (i % 2 == 0 ? DUET_FIN : DUET_RST)};

        target_send(target, &ends, &odd);
    }
    attack_expect(attack, target_drain(target) == 0 && target_counters(target).half_open == 0,
                  "SYN,FIN or SYN,RST was taken");
    before = target_counters(target);
    flood(target, clients);
    for (unsigned i = 0; i < FLOOD_HONEST; i++)
        connected += clients[i].connected;
    after = target_counters(target);
    attack_expect(attack, after.half_open <= target->config.half_open_max, "%u half-open records",
                  after.half_open);
    attack_expect(attack, after.pages_used == before.pages_used, "the flood has taken memory");
    attack_expect(attack, connected * 100 >= FLOOD_HONEST * 99, "%u of %u honest clients connect",
                  connected, FLOOD_HONEST);
    attack_did(attack,
               "%u of %u honest clients were connected after one round trip, by cookies; "
               "%u half-open records, no memory more than before",
               connected, FLOOD_HONEST, after.half_open);
    target_free(target);
}

/* ---- B2 ---- */

enum { GUESSES = 1 << 20, COOKIE_LIFE_S = 120 };

/* Fills every half-open record, so that the next SYN is answered by a cookie. */
static void press(struct target *target)
{
    for (uint32_t i = 0; i <= target->config.half_open_max; i++) {
        const struct ends ends = forged_ends(i);
        const struct forged syn = {.flags = DUET_SYN, .seq = i, .window = 1000};

        target_send(target, &ends, &syn);
        target_drain(target);
    }
}

void attack_B2(struct attack *attack)
{
    struct target *target = target_small(attack);
    struct ends victim = ends_of(TARGET_PORT, 1000);
    struct peer honest, replay;

    attack_sent(attack,
                "%u random acknowledgements from one address to a listener under pressure, "
                "half as many from random ones, and a cookie replayed for %u s",
                GUESSES, 2 * COOKIE_LIFE_S);
    victim.remote = duet_ipv4(10, 0, 0, 99);
    if (target == NULL)
        return;
    press(target);
    for (uint32_t i = 0; i < GUESSES + GUESSES / 2; i++) {
        const struct forged guess = {.flags = DUET_ACK,
                                     .seq = (uint32_t)prng_next(&attack->prng),
                                     .ack = (uint32_t)prng_next(&attack->prng),
                                     .window = 1000};

        if (i >= GUESSES)
            victim.remote = duet_ipv4(10, 0, (uint8_t)(i % 200), (uint8_t)(2 + i % 250));
        target_send(target, &victim, &guess);
    }
    attack_expect(attack, target_counters(target).connections == 0, "%u guesses were believed",
                  target_counters(target).connections);
    attack_expect(attack, target_hits(target, "SYN_COOKIE_LIMIT") > GUESSES / 2,
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

/* ---- B5 ---- */

void attack_B5(struct attack *attack)
{
    static const enum duet_state states[] = {DUET_SYN_SENT,   DUET_SYN_RECEIVED, DUET_ESTABLISHED,
                                             DUET_FIN_WAIT_1, DUET_FIN_WAIT_2,   DUET_CLOSE_WAIT,
                                             DUET_CLOSING,    DUET_LAST_ACK,     DUET_TIME_WAIT};
    enum { BOUND_S = 400 };

    attack_sent(attack, "connections led to each state, then left by their user and by a silent "
                        "peer");
    for (unsigned i = 0; i < sizeof states / sizeof states[0]; i++) {
        struct target *target = target_small(attack);
        struct duet_counters counters;
        struct peer peer;

        if (target == NULL || !peer_reach(&peer, target, 1000, states[i], &peer_plain)) {
            target_free(target);
            return;
        }
        duet_close(target->stack, target->now, peer.handle);
        target_pass(target, BOUND_S * DUET_SECOND);
        target_take_events(target);
        counters = target_counters(target);
        attack_expect(attack, counters.connections + counters.half_open + counters.time_wait == 0,
                      "%s is still there after %u s", duet_state_name(states[i]), BOUND_S);
        target_free(target);
    }
    attack_did(attack, "every record was free after %u s at most", BOUND_S);
}

/* ---- B6 ---- */

/* A whole life that the target closes first. */
static bool live_and_close(struct target *target, uint32_t number)
{
    const struct ends ends = forged_ends(number);
    struct peer peer;

    if (!peer_syn(&peer, target, &ends, &peer_plain))
        return false;
    peer_third(&peer);
    if (!peer_accepted(&peer))
        return false;
    duet_close(target->stack, target->now, peer.handle);
    target_drain(target);
    peer_say(&peer, DUET_FIN, 0, 1, NULL, 0);
    target_drain(target);
    target_take_events(target);
    return true;
}

void attack_B6(struct attack *attack)
{
    enum { LIVES = 100000 };
    struct target *target = target_small(attack);
    struct duet_counters counters;

    attack_sent(attack, "%u connections that the target closes first, in 100 s of virtual time",
                LIVES);
    for (uint32_t i = 0; target != NULL && i < LIVES; i++) {
        target->now += DUET_MILLISECOND;
        if (!attack_expect(attack, live_and_close(target, i), "life %u does not begin", i))
            break;
    }
    if (target == NULL)
        return;
    counters = target_counters(target);
    attack_expect(
        attack, counters.time_wait == target->config.time_wait_max && counters.connections == 0,
        "%u records wait and %u connections are left", counters.time_wait, counters.connections);
    attack_expect(attack, target_hits(target, "TIME_WAIT_RECYCLED") == LIVES - counters.time_wait,
                  "not every record that ended early was counted");
    attack_did(attack, "kept the latest %u, ended the oldest early and counted each",
               counters.time_wait);
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

/* ---- B15 ---- */

void attack_B15(struct attack *attack)
{
    enum { CLIENTS = 100, SLOW_PORT = 83 };
    struct duet_config config;
    struct target *target;
    const struct duet_listen_options options = {.local = {.port = SLOW_PORT}, .backlog = 1};
    struct duet_handle listener, handle;
    static struct peer peers[CLIENTS];
    bool asked[CLIENTS] = {false};
    unsigned accepted = 0;

    attack_sent(attack,
                "%u clients at a listener with a backlog of 1 whose user accepts five times a "
                "second",
                CLIENTS);
    target_config(attack, &config);
    config.half_open_max = 2 * CLIENTS;
    config.connections_max = 2 * CLIENTS;
    target = target_new(attack, &config);
    if (target == NULL ||
        !attack_expect(attack, duet_listen(target->stack, 0, &options, &listener) == DUET_OK,
                       "no listener")) {
        target_free(target);
        return;
    }
    for (unsigned turn = 0; turn < 400 && accepted < CLIENTS; turn++) {
        struct seen seen;

        for (unsigned i = 0; i < CLIENTS; i++) {
            const struct ends ends = ends_of(SLOW_PORT, (uint16_t)(1000 + i));

            if (!asked[i])
                asked[i] = peer_syn(&peers[i], target, &ends, &peer_plain);
        }
        for (unsigned i = 0; i < CLIENTS; i++)
            if (asked[i])
                peer_third(&peers[i]);
        while (target_next(target, &seen))
            attack_expect(attack, (seen.tcp.flags & DUET_RST) == 0,
                          "an honest client is reset because a queue is full");
        accepted += duet_accept(target->stack, target->now, listener, &handle, NULL) == DUET_OK;
        target_pass(target, target->now + 200 * DUET_MILLISECOND);
    }
    attack_expect(attack, accepted == CLIENTS, "%u of %u clients were accepted", accepted, CLIENTS);
    attack_did(attack,
               "dropped what found the queue full, reset nobody; all were accepted in turn");
    target_free(target);
}

/* ---- B17 ---- */

void attack_B17(struct attack *attack)
{
    enum { CALLS = 2000, FIRST = 60000, LAST = 60999 };
    struct duet_config config;
    struct target *target;
    const struct duet_connect_options to_one = {.remote = {duet_ipv4(10, 0, 0, 2), 443}};
    const struct duet_connect_options to_other = {.remote = {duet_ipv4(10, 0, 0, 3), 443}};
    struct duet_handle handle;
    unsigned made = 0, refused = 0;

    attack_sent(attack, "%u calls to one destination with %u ports, then one to another", CALLS,
                LAST - FIRST + 1);
    target_config(attack, &config);
    config.port_first = FIRST;
    config.port_last = LAST;
    config.connections_max = 2 * CALLS;
    config.transfers_max = 2 * CALLS;
    target = target_new(attack, &config);
    for (unsigned i = 0; target != NULL && i < CALLS; i++) {
        int error = duet_connect(target->stack, 0, &to_one, &handle);

        made += error == DUET_OK;
        refused += error == DUET_E_ADDR;
    }
    attack_expect(attack, made == LAST - FIRST + 1 && refused == CALLS - made,
                  "%u calls were made and %u refused", made, refused);
    if (target != NULL)
        attack_expect(attack, duet_connect(target->stack, 0, &to_other, &handle) == DUET_OK,
                      "a call to another destination is refused");
    attack_did(attack, "used every port once, then said that no address is left; others are called "
                       "as before");
    target_free(target);
}

/* ---- B18 ---- */

void attack_B18(struct attack *attack)
{
    enum { BAD = 1000000, EVENTS = 100 };
    struct duet_config config;
    struct target *target;
    struct duet_trace_event event;
    uint64_t kept = 0;

    attack_sent(attack,
                "%u packets that are wrong in many ways, at a stack whose trace nobody "
                "reads",
                BAD);
    target_config(attack, &config);
    config.trace_events = EVENTS;
    target = target_new(attack, &config);
    for (uint32_t i = 0; target != NULL && i < BAD; i++) {
        uint8_t bytes[60];

        for (unsigned j = 0; j < sizeof bytes; j += 4)
            bytes[j] = (uint8_t)prng_next(&attack->prng);
        bytes[0] = (uint8_t)(i % 3 == 0 ? 0x45 : i % 3 == 1 ? 0x60 : i);
        target_input(target, bytes, 60 - i % 50);
        target_drain(target);
    }
    if (target == NULL)
        return;
    while (duet_next_trace(target->stack, &event))
        kept++;
    attack_expect(attack, kept <= EVENTS, "%llu events were kept", (unsigned long long)kept);
    attack_expect(attack, target_counters(target).trace_lost > BAD / 2,
                  "what found no room was not counted");
    attack_did(attack, "wrote no log; counted, and kept at most %u events of the trace", EVENTS);
    target_free(target);
}
