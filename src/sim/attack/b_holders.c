/* SPDX-License-Identifier: MIT */
/* Section B of the attack table: peers that hold what they get, and work that grows with what they
 * send. */
#include <stdlib.h>
#include <string.h>

#include "sim/attack/attack.h"

/* ---- B3 ---- */

enum { HOLDERS = 500, HOLD_MAX_S = 400 };

/* Answers every packet to a holder by an acknowledgement of nothing, with a closed window. */
static void answer_probes(struct target *target, struct peer *holders)
{
    struct seen seen;

    while (target_next(target, &seen)) {
        uint32_t number = seen.tcp.destination_port - 1000u;

        if (number < HOLDERS && (seen.tcp.flags & DUET_RST) == 0) {
            holders[number].ack = seen.tcp.seq;
            peer_say(&holders[number], 0, 0, 0, NULL, 0);
        }
    }
}

/* Can somebody else still ask for a kilobyte, and get one? */
static bool serves(struct target *target, uint16_t remote_port)
{
    static const uint8_t text[1000];
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
    good =
        peer_delivered(&peer) == sizeof text &&
        duet_send(target->stack, target->now, peer.handle, text, sizeof text, 0) == sizeof text &&
        peer_take(&peer) == sizeof text;
    duet_abort(target->stack, target->now, peer.handle);
    target_take_events(target);
    target_drain(target);
    return good;
}

static unsigned hold_all(struct target *target, struct peer *holders)
{
    static const uint8_t text[65536];
    unsigned held = 0;

    for (unsigned i = 0; i < HOLDERS; i++) {
        struct forged offer = peer_plain;

        offer.window = 0;
        if (!peer_open(&holders[i], target, (uint16_t)(1000 + i), &offer))
            return held;
        (void)duet_send(target->stack, target->now, holders[i].handle, text, sizeof text, 0);
        held++;
    }
    return held;
}

void attack_B3(struct attack *attack)
{
    static struct peer holders[HOLDERS];
    struct duet_config config;
    struct target *target;
    unsigned served = 0;

    attack_sent(attack,
                "%u connections that ask for 64 KB each with a window of 0 and answer every "
                "probe, then are closed",
                HOLDERS);
    target_config(attack, &config);
    config.connections_max = config.transfers_max = 2 * HOLDERS;
    config.pages_max = 32 * HOLDERS; /* less than they ask for */
    target = target_new(attack, &config);
    if (target == NULL || hold_all(target, holders) < HOLDERS) {
        target_free(target);
        return;
    }
    for (unsigned s = 0; s < 60; s++) {
        duet_expire(target->stack, target->now += DUET_SECOND);
        answer_probes(target, holders);
        served += serves(target, (uint16_t)(4000 + s));
    }
    attack_expect(attack, served == 60, "%u of 60 others were served", served);
    attack_expect(attack, target_counters(target).pages_used <= config.pages_max,
                  "too much memory");
    for (unsigned i = 0; i < HOLDERS; i++)
        duet_close(target->stack, target->now, holders[i].handle);
    for (unsigned s = 0; s < HOLD_MAX_S; s++) {
        duet_expire(target->stack, target->now += DUET_SECOND);
        answer_probes(target, holders);
        target_take_events(target);
    }
    attack_expect(attack, target_counters(target).connections == 0, "%u are held for ever",
                  target_counters(target).connections);
    attack_did(attack, "served all others meanwhile; what the user had closed was gone within the "
                       "user timeout");
    target_free(target);
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

/* ---- B10 ---- */

void attack_B10(struct attack *attack)
{
    static const uint8_t text[200000];
    struct target *target = target_small(attack);
    struct forged offer = peer_full;
    struct peer peer;
    uint64_t before, wire;
    uint32_t came = 0, given = 0;

    attack_sent(attack, "a SYN with MSS 48, then %zu bytes asked for in writes of 7 bytes and more",
                sizeof text);
    offer.options.mss = 48;
    if (target == NULL || !peer_open(&peer, target, 1000, &offer)) {
        target_free(target);
        return;
    }
    before = target->bytes_out;
    for (unsigned turn = 0; turn < 20000 && came < sizeof text; turn++) {
        uint32_t left = (uint32_t)sizeof text - given;
        uint32_t most = turn % 3 == 0 ? 7 : 3000;
        int64_t took =
            duet_send(target->stack, target->now, peer.handle, text, most < left ? most : left, 0);

        given += took > 0 ? (uint32_t)took : 0;
        came += peer_take(&peer);
        peer_say(&peer, 0, 0, 0, NULL, 0);
        duet_expire(target->stack, target->now += DUET_MILLISECOND);
    }
    wire = target->bytes_out - before;
    attack_expect(attack, came == sizeof text, "%u bytes came of %zu", came, sizeof text);
    attack_expect(attack, wire * 10 <= (uint64_t)came * 14, "%llu bytes on the wire for %u",
                  (unsigned long long)wire, came);
    attack_did(attack, "sent segments of at least the floor: %llu %% of the text on the wire",
               (unsigned long long)(wire * 100 / came));
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
