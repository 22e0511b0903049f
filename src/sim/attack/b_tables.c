/* SPDX-License-Identifier: MIT */
/* Section B of the attack table: tables that fill: connections that end, queues, ports, paths, the
 * trace. */
#include "sim/attack/attack.h"

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
    const struct ends ends = ends_forged(number);
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
    const uint32_t lives = attack->quick ? 100000 : 1000000;
    struct target *target = target_small(attack);
    struct duet_counters counters;

    attack_sent(attack,
                "%u connections that the target closes first, one each millisecond of virtual time",
                lives);
    for (uint32_t i = 0; target != NULL && i < lives; i++) {
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
    attack_expect(attack, target_hits(target, "TIME_WAIT_RECYCLED") == lives - counters.time_wait,
                  "not every record that ended early was counted");
    attack_did(attack, "kept the latest %u, ended the oldest early and counted each",
               counters.time_wait);
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

/* ---- B16 ---- */

void attack_B16(struct attack *attack)
{
    enum { HOSTS = 2000, SMALL = 600 };
    static const uint8_t text[3000];
    struct target *target = target_small(attack);
    struct peer victim;
    uint8_t quote[100];
    struct seen seen;
    uint32_t longest = 0;

    attack_sent(attack,
                "packet-too-big for one honest path, then from %u hosts for connections of "
                "their own, more than the cache has places",
                HOSTS);
    if (target == NULL || !peer_open(&victim, target, 999, &peer_plain)) {
        target_free(target);
        return;
    }
    (void)duet_send(target->stack, target->now, victim.handle, text, sizeof text, 0);
    target_drain(target);
    target_icmp(target, &victim.ends, 3, 4, SMALL, quote,
                forge_quote(quote, &victim.ends, victim.ack, 1500));
    for (uint32_t i = 0; i < HOSTS; i++) {
        struct ends ends = ends_of(TARGET_PORT, 1000);
        struct peer peer;

        ends.remote = duet_ipv4(10, 1, (uint8_t)(i >> 8), (uint8_t)(i | 1));
        ends.remote_port = (uint16_t)(1000 + i);
        if (!attack_expect(attack, peer_syn(&peer, target, &ends, &peer_plain), "no answer"))
            break;
        peer_third(&peer);
        if (!attack_expect(attack, peer_accepted(&peer), "not accepted"))
            break;
        (void)duet_send(target->stack, target->now, peer.handle, text, sizeof text, 0);
        target_drain(target);
        target_icmp(target, &peer.ends, 3, 4, 700, quote,
                    forge_quote(quote, &peer.ends, peer.ack, 1500));
        duet_abort(target->stack, target->now, peer.handle);
        target_take_events(target);
        target_drain(target);
    }
    peer_say(&victim, 0, 0, sizeof text, NULL, 0);
    victim.ack += sizeof text;
    (void)duet_send(target->stack, target->now, victim.handle, text, sizeof text, 0);
    while (target_next(target, &seen))
        longest = target->packet.length > longest ? target->packet.length : longest;
    attack_expect(attack, longest > 0 && longest <= SMALL,
                  "the honest path carries packets of %u bytes", longest);
    target_check(target);
    attack_did(attack,
               "kept its table as large as it is; the connection that lives still knows its "
               "path. There is no neighbour table yet");
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
