/* SPDX-License-Identifier: MIT */
/* Sections E and F of the attack table: forged ICMP, and what can be made of this host to hurt
 * others. */
#include <string.h>

#include "base/bytes.h"
#include "observe/statistics.h"
#include "sim/attack/attack.h"

enum { REMOTE_PORT = 1000 };
static const uint8_t much[20000];

/* A connection with segments in flight. */
static bool begin(struct attack *attack, struct target **target, struct peer *peer)
{
    *target = target_small(attack);
    if (*target == NULL || !peer_open(peer, *target, REMOTE_PORT, &peer_plain)) {
        target_free(*target);
        return false;
    }
    (void)duet_send((*target)->stack, (*target)->now, peer->handle, much, sizeof much, 0);
    target_drain(*target);
    return true;
}

/* ---- E1 ---- */

static void try_hard_errors(struct attack *attack, enum duet_state state)
{
    struct target *target = target_small(attack);
    struct peer peer;
    uint8_t quote[100];

    if (target == NULL || !peer_reach(&peer, target, REMOTE_PORT, state, &peer_plain)) {
        target_free(target);
        return;
    }
    for (uint8_t code = 0; code < 16; code++) {
        static const int32_t places[] = {-2, -1, 0, 1, 2, 1000};
        struct ends wrong = peer.ends;

        wrong.remote_port++;
        for (unsigned i = 0; code != 4 && i < sizeof places / sizeof places[0]; i++) {
            bool is_exact = peer.iss == peer.ack - 1 + (uint32_t)places[i];

            target_icmp(target, &wrong, 3, code, 0, quote,
                        forge_quote(quote, &wrong, peer.ack + (uint32_t)places[i], 1500));
            if (state == DUET_SYN_SENT && is_exact)
                continue;
            target_icmp(target, &peer.ends, 3, code, 0, quote,
                        forge_quote(quote, &peer.ends, peer.ack - 1 + (uint32_t)places[i], 1500));
        }
    }
    attack_expect(attack, peer_state(&peer) == state || state == DUET_SYN_RECEIVED,
                  "an ICMP error has ended a connection in %s", duet_state_name(state));
    if (state == DUET_SYN_RECEIVED)
        attack_expect(attack, target_counters(target).half_open == 1,
                      "an ICMP error has ended a half-open record");
    target_free(target);
}

void attack_E1(struct attack *attack)
{
    attack_sent(attack, "every unreachable code for the right and a wrong pair of sockets, quoting "
                        "numbers around what is in flight, in nine states");
    for (unsigned state = DUET_SYN_SENT; state < DUET_STATES; state++)
        try_hard_errors(attack, (enum duet_state)state);
    attack_did(attack,
               "took all for advice, and none of a number that is not in flight; in SYN-SENT "
               "only one that quotes its SYN counts");
}

/* ---- E2, E4 ---- */

/* Messages of these types, 10,000 a second for a second, change nothing. */
static void expect_ignored(struct attack *attack, uint8_t type, uint8_t type6)
{
    struct target *target;
    struct peer peer;
    struct duet_status before, after;
    uint8_t quote[100];

    if (!begin(attack, &target, &peer) || !peer_status(&peer, &before))
        return;
    for (unsigned i = 0; i < 10000; i++) {
        const struct ends other = ends6_of(TARGET_PORT, REMOTE_PORT);

        target->now += 100 * DUET_MICROSECOND;
        target_icmp(target, &peer.ends, type, (uint8_t)(i % 4), 0, quote,
                    forge_quote(quote, &peer.ends, peer.ack, 1500));
        target_icmp(target, &other, type6, 0, 0, quote, forge_quote(quote, &other, peer.ack, 1500));
    }
    attack_expect(attack,
                  peer_status(&peer, &after) &&
                      after.congestion_window == before.congestion_window &&
                      after.send_mss == before.send_mss && after.state == before.state,
                  "type %u has changed the connection", type);
    attack_expect(attack, target_drain(target) == 0, "type %u was answered", type);
    target_free(target);
}

void attack_E2(struct attack *attack)
{
    attack_sent(attack, "10,000 source quenches in a second that quote what is in flight");
    expect_ignored(attack, 4, 100);
    attack_did(attack, "kept its window (RFC 6633)");
}

void attack_E4(struct attack *attack)
{
    attack_sent(attack, "10,000 redirects of each family that quote what is in flight");
    expect_ignored(attack, 5, 137);
    attack_did(attack, "ignored them: it has no routes to change");
}

/* ---- E3 ---- */

static void try_mtu(struct attack *attack, uint16_t mtu)
{
    struct target *target;
    struct peer peer;
    struct seen seen;
    uint8_t quote[100];
    uint32_t floor = mtu < 552 ? 552 : mtu > 1500 ? 1500 : mtu, segments = 0, longest = 0;

    if (!begin(attack, &target, &peer))
        return;
    for (int32_t off = -2; off < 3; off++)
        target_icmp(target, &peer.ends, 3, 4, mtu, quote,
                    forge_quote(quote, &peer.ends, peer.ack + (uint32_t)off * 30000, 1500));
    target_icmp(target, &peer.ends, 3, 4, mtu, quote,
                forge_quote(quote, &peer.ends, peer.ack, 1500));
    for (unsigned turn = 0; turn < 300; turn++) {
        while (target_next(target, &seen)) {
            segments += seen.tcp.text_length > 0;
            if (segments > 30) /* the first flight was cut, which leaves ends */
                longest = target->packet.length > longest ? target->packet.length : longest;
            if ((int32_t)(seen.tcp.seq + seen.tcp.text_length - peer.ack) > 0)
                peer.ack = seen.tcp.seq + seen.tcp.text_length;
        }
        peer_say(&peer, 0, 0, 0, NULL, 0);
        duet_expire(target->stack, target->now += 10 * DUET_MILLISECOND);
    }
    attack_expect(attack, peer.ack == peer.iss + 1 + sizeof much, "MTU %u: it is stuck", mtu);
    attack_expect(attack, segments <= 2 * sizeof much / (floor - 40) + 30,
                  "MTU %u: %u segments for %zu bytes", mtu, segments, sizeof much);
    attack_expect(attack, longest <= floor, "MTU %u: a packet of %u bytes", mtu, longest);
    target_free(target);
}

void attack_E3(struct attack *attack)
{
    static const uint16_t sizes[] = {0, 1, 67, 68, 551, 552, 575, 576, 1279, 1280, 1500, 65535};

    attack_sent(attack,
                "packet-too-big for MTUs from 0 to 65535, quoting what is in flight and what "
                "is not");
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        try_mtu(attack, sizes[i]);
    attack_did(attack, "sent no packet below 552 bytes for it, and never a larger one");
}

/* ---- E5 ---- */

void attack_E5(struct attack *attack)
{
    struct target *target;
    struct peer peer;
    struct duet_status status;
    uint8_t quote[100], bytes[200];
    uint32_t full;

    attack_sent(attack, "errors of every type that quote 0 to 40 bytes of a real segment, or "
                        "garbage, each ending with its page");
    if (!begin(attack, &target, &peer))
        return;
    full = forge_quote(quote, &peer.ends, peer.ack, 1500);
    for (unsigned type = 0; type < 256; type++)
        for (uint32_t length = 0; length <= full; length++) {
            uint32_t size;

            size =
                forge_icmp(bytes, &peer.ends, (uint8_t)type, type == 3 ? 4 : 0, 600, quote, length);
            if (length < IPV4_HEADER + 8) /* more is enough to count */
                target_input_at_edge(target, bytes, size);
            for (uint32_t i = size - length; i < size; i++)
                bytes[i] = (uint8_t)prng_next(&attack->prng);
            target_input_at_edge(target, bytes, size);
        }
    attack_expect(attack,
                  peer_status(&peer, &status) && status.state == DUET_ESTABLISHED &&
                      status.send_mss == 1460 && status.error == DUET_OK,
                  "a quote that was cut short was believed");
    target_free(target);
    attack_did(attack, "believed none without an IP header and 8 bytes of TCP");
}

/* ---- E6 ---- */

void attack_E6(struct attack *attack)
{
    enum { TRIALS = 4000, MANY = 230, ANSWERS = 256 };
    struct target *target = target_small(attack);
    static uint64_t counts[2][ANSWERS];
    double bits;

    attack_sent(attack,
                "%u trials: in a half %u echo requests or segments to closed ports in "
                "another's name, in all %u of the attacker's own",
                TRIALS, MANY, MANY);
    memset(counts, 0, sizeof counts);
    for (unsigned trial = 0; target != NULL && trial < TRIALS; trial++) {
        struct ends own = ends_of(81, 1000), victim = ends_of(81, 1001);
        const struct forged syn = {.flags = DUET_SYN};
        bool pokes = prng_next(&attack->prng) & 1;
        unsigned answers = 0;

        victim.remote = duet_ipv4(10, 0, 0, 77);
        for (unsigned i = 0; pokes && i < MANY; i++) {
            target_send(target, &victim, &syn);
            target_drain(target);
        }
        for (unsigned i = 0; i < MANY; i++) {
            target_send(target, &own, &syn);
            answers += target_drain(target);
        }
        counts[pokes][answers < ANSWERS ? answers : ANSWERS - 1]++;
        target->now += DUET_SECOND;
    }
    bits = statistics_mutual_information(&counts[0][0], 2, ANSWERS);
    attack_expect(attack, bits < 0.01, "%.3f bits leak", bits);
    if (target != NULL)
        attack_expect(attack, target_hits(target, "REPLY_LIMIT") > 0, "there is no limit");
    attack_did(attack,
               "limits what goes to each destination by itself, at a limit that moves: %.4f "
               "bits leak",
               bits);
    target_free(target);
}

/* ---- E7 ---- */

void attack_E7(struct attack *attack)
{
    static const uint8_t errors[] = {3, 4, 5, 11, 12}, errors6[] = {1, 2, 3, 4};
    struct target *target = target_small(attack);
    uint8_t quote[100], bytes[200];

    attack_sent(attack,
                "ICMP errors about errors, echo requests and segments to and from multicast "
                "and broadcast, fragments, unknown protocols");
    for (unsigned i = 0; target != NULL && i < sizeof errors; i++) {
        const struct ends ends = ends_of(TARGET_PORT, REMOTE_PORT);
        uint32_t size = forge_icmp(quote, &ends, 3, 1, 0, much, 28);

        target_icmp(target, &ends, errors[i], 0, 0, quote, size);
    }
    for (unsigned i = 0; target != NULL && i < sizeof errors6; i++) {
        const struct ends ends = ends6_of(TARGET_PORT, REMOTE_PORT);
        uint32_t size = forge_icmp(quote, &ends, 1, 1, 0, much, 28);

        target_icmp(target, &ends, errors6[i], 0, 0, quote, size);
    }
    for (unsigned protocol = 0; target != NULL && protocol < 256; protocol++) {
        const struct ends ends = ends_of(TARGET_PORT, REMOTE_PORT);
        struct ends group = ends;
        uint32_t size = forge_ip(bytes, &ends, (uint8_t)protocol, 100);

        target_input(target, bytes, size);
        group.local = duet_ipv4(224, 0, 0, 1);
        target_input(target, bytes, forge_ip(bytes, &group, (uint8_t)protocol, 100));
        group.local = duet_ipv4(10, 0, 0, 255);
        target_input(target, bytes, forge_ip(bytes, &group, (uint8_t)protocol, 100));
    }
    if (target != NULL) /* garbage of TCP is not an error's business either */
        attack_expect(attack, target_drain(target) == 0, "something was answered");
    attack_did(attack, "answered none: it sends no ICMP errors at all");
    target_free(target);
}

/* ---- F1 ---- */

void attack_F1(struct attack *attack)
{
    enum { SOURCES = 50 };
    struct target *target = target_small(attack);
    uint64_t in, out, cookies;

    attack_sent(attack,
                "one forged SYN from each of %u addresses, 180 s of silence; then as many "
                "while every half-open record is in use",
                SOURCES);
    if (target == NULL)
        return;
    for (unsigned i = 0; i < SOURCES; i++) {
        const struct ends ends = ends_of(TARGET_PORT, (uint16_t)(1000 + i));
        struct forged syn = peer_full;

        syn.flags = DUET_SYN;
        target_send(target, &ends, &syn);
    }
    in = attack->result->bytes;
    target_pass(target, 180 * DUET_SECOND);
    out = target->bytes_out;
    attack_expect(attack, out <= 6 * in, "%llu bytes came out for %llu", (unsigned long long)out,
                  (unsigned long long)in);
    attack_expect(attack, target->packets_out <= 6 * SOURCES, "%llu SYN,ACKs for %u SYNs",
                  (unsigned long long)target->packets_out, SOURCES);
    for (uint32_t i = 0; i < target->config.half_open_max; i++) {
        const struct ends ends = ends_of(TARGET_PORT, (uint16_t)(3000 + i));
        const struct forged syn = {.flags = DUET_SYN};

        target_send(target, &ends, &syn);
        target_drain(target);
    }
    cookies = target->packets_out;
    for (unsigned i = 0; i < SOURCES; i++) {
        const struct ends ends = ends_of(TARGET_PORT, (uint16_t)(9000 + i));
        const struct forged syn = {.flags = DUET_SYN};

        target_send(target, &ends, &syn);
        target_drain(target);
    }
    attack_expect(attack, target->packets_out - cookies == SOURCES,
                  "not one SYN,ACK for each SYN that found no record");
    attack_did(attack,
               "sent %.1f times the bytes in 180 s, and one SYN,ACK where it answered by "
               "cookie",
               (double)out / (double)in);
    target_free(target);
}

/* ---- F2 ---- */

void attack_F2(struct attack *attack)
{
    enum { SEGMENTS = 1000000, SECONDS = 10 };
    struct target *target = target_small(attack);
    uint64_t limit;

    attack_sent(attack,
                "%u random segments to closed ports from one address in %u s, RSTs among "
                "them, then from broadcast and multicast",
                SEGMENTS, SECONDS);
    for (uint32_t i = 0; target != NULL && i < SEGMENTS; i++) {
        struct ends ends = ends_of((uint16_t)(81 + i % 1000), (uint16_t)(1 + i % 60000));
        const struct forged segment = {
            .seq = i, .ack = i, .flags = (uint16_t)(prng_next(&attack->prng) & 63)};
        unsigned answers;

        if (i % 100 == 0)
            ends.remote = i % 200 == 0 ? duet_ipv4(224, 0, 0, 1) : duet_ipv4(10, 0, 0, 255);
        target->now = (duet_time)i * SECONDS * DUET_SECOND / SEGMENTS;
        target_send(target, &ends, &segment);
        answers = target_drain(target);
        attack_expect(attack, answers <= 1, "%u answers to one segment", answers);
        attack_expect(attack, answers == 0 || ((segment.flags & DUET_RST) == 0 && i % 100 != 0),
                      "a RST, broadcast or multicast was answered");
    }
    if (target == NULL)
        return;
    limit = (uint64_t)target->config.replies_per_second * SECONDS;
    attack_expect(attack, target->packets_out > 0 && target->packets_out <= limit,
                  "%llu answers went to one address", (unsigned long long)target->packets_out);
    attack_did(attack, "sent %llu RSTs, at most %u a second to one destination, none to a RST",
               (unsigned long long)target->packets_out, target->config.replies_per_second);
    target_free(target);
}

/* ---- F3 ---- */

void attack_F3(struct attack *attack)
{
    static const uint8_t request[] = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";
    static const uint16_t flags[] = {DUET_SYN, DUET_SYN | DUET_PSH, DUET_PSH | DUET_ACK, DUET_PSH,
                                     DUET_SYN | DUET_ACK};
    struct target *target = target_small(attack);
    struct seen seen;

    attack_sent(attack, "SYN with a request, PSH,ACK with a request, SYN then PSH,ACK with a wrong "
                        "acknowledgement, from 1000 forged addresses");
    for (uint32_t i = 0; target != NULL && i < 5000; i++) {
        struct ends ends = ends_of(TARGET_PORT, (uint16_t)(1000 + i));
        const struct forged segment = {.seq = i,
                                       .ack = i * 3,
                                       .flags = flags[i % 5],
                                       .window = 65535,
                                       .text = request,
                                       .length = sizeof request};
        struct forged second = segment;

        ends.remote = duet_ipv4(50, 1, (uint8_t)(i >> 8), (uint8_t)(i | 1));
        target_send(target, &ends, &segment);
        second.seq++;
        second.flags = DUET_PSH | DUET_ACK;
        target_send(target, &ends, &second);
        while (target_next(target, &seen))
            attack_expect(attack, seen.tcp.text_length == 0, "text goes to a stranger");
    }
    if (target != NULL)
        attack_expect(attack, target_counters(target).connections == 0,
                      "a connection exists without a handshake");
    attack_did(attack, "sent no byte of text to anybody without a handshake");
    target_free(target);
}

/* ---- F4 ---- */

void attack_F4(struct attack *attack)
{
    static const uint8_t quads[][4] = {
        {10, 0, 0, 255}, {10, 0, 0, 0}, {255, 255, 255, 255}, {224, 0, 0, 1}, {239, 1, 2, 3}};
    static const uint8_t echo[56];
    struct target *target = target_small(attack);
    struct ends ends = ends_of(1, 1);

    attack_sent(attack, "echo requests to broadcast and multicast addresses, and one to its own");
    for (unsigned i = 0; target != NULL && i < sizeof quads / sizeof quads[0]; i++) {
        ends.local = duet_ipv4(quads[i][0], quads[i][1], quads[i][2], quads[i][3]);
        target_icmp(target, &ends, 8, 0, 1, echo, sizeof echo);
    }
    if (target == NULL)
        return;
    attack_expect(attack, target_drain(target) == 0, "an echo request to many was answered");
    ends = ends_of(1, 1);
    target_icmp(target, &ends, 8, 0, 1, echo, sizeof echo);
    attack_expect(attack, target_drain(target) == 1, "an honest echo request is not answered");
    attack_did(attack, "answered its own only");
    target_free(target);
}
