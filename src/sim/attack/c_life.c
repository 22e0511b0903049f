/* SPDX-License-Identifier: MIT */
/* Section C of the attack table: old lives, forged addresses, forged errors, forged cookies. */
#include <string.h>

#include "base/bytes.h"
#include "sim/attack/attack.h"

enum { REMOTE_PORT = 2000 };

/* ---- C9 ---- */

/* Everything an old incarnation may have left in the network. */
static void play_old(struct peer *old)
{
    static const uint16_t flags[] = {0, DUET_FIN, DUET_RST, DUET_PSH, DUET_URG, DUET_SYN};
    static const uint8_t stale[500] = "STALE";

    for (unsigned i = 0; i < sizeof flags / sizeof flags[0]; i++)
        for (unsigned j = 0; j < 8; j++) {
            const struct forged segment = {
                .seq = old->seq - 1 - j * 500,
                .ack = old->ack - j,
                .flags = (uint16_t)(DUET_ACK | flags[i]),
                .window = 65535,
                .text = stale,
                .length = j == 0 ? 0 : sizeof stale,
            };

            target_send(old->target, &old->ends, &segment);
            target_drain(old->target);
        }
}

void attack_C9(struct attack *attack)
{
    struct target *target = target_small(attack);
    static const uint8_t fresh[] = "of the new life";
    struct forged again = peer_plain;
    struct peer old, new;
    uint32_t got;

    attack_sent(attack, "every kind of late segment and RST into TIME-WAIT, SYNs of old numbers, "
                        "then a new incarnation among late segments of the old one");
    if (target == NULL || !peer_open(&old, target, REMOTE_PORT, &peer_plain)) {
        target_free(target);
        return;
    }
    duet_close(target->stack, target->now, old.handle);
    target_drain(target);
    peer_say(&old, DUET_FIN, 0, 1, NULL, 0);
    old.seq++;
    old.ack++;
    target_drain(target);
    target_take_events(target);
    play_old(&old);
    attack_expect(attack, target_counters(target).time_wait == 1,
                  "a late segment has ended TIME-WAIT");
    for (uint32_t back = 1; back < 100; back++) {
        const struct forged syn = {.seq = old.seq - back * 1000, .flags = DUET_SYN, .window = 1000};

        target_send(target, &old.ends, &syn);
    }
    attack_expect(attack, target_counters(target).half_open == 0, "an old SYN began a new life");

    again.seq = old.seq + 100000;
    again.flags = DUET_SYN;
    target_send(target, &old.ends, &again);
    new = old;
    new.seq = again.seq + 1;
    struct seen seen;
    if (attack_expect(attack, target_next(target, &seen) && (seen.tcp.flags & DUET_SYN) != 0,
                      "a new incarnation cannot begin")) {
        attack_expect(attack, (int32_t)(seen.tcp.seq - old.ack) > 0,
                      "the new ISS lies below the old incarnation's numbers");
        new.ack = seen.tcp.seq + 1;
        play_old(&old);
        peer_third(&new);
        attack_expect(attack, peer_accepted(&new), "the new incarnation is not accepted");
        play_old(&old);
        peer_say(&new, DUET_PSH, 0, 0, fresh, sizeof fresh);
        got = peer_delivered(&new);
        attack_expect(attack, got == sizeof fresh, "%u bytes were delivered of %zu", got,
                      sizeof fresh);
    }
    attack_did(attack,
               "stayed in TIME-WAIT, refused old SYNs; the new life got its own bytes only");
    target_free(target);
}

/* ---- C10 ---- */

static void expect_silence(struct target *target, const char *what)
{
    attack_expect(target->attack, target_drain(target) == 0, "%s was answered", what);
    attack_expect(target->attack, target_counters(target).half_open == 0,
                  "%s left a half-open record", what);
}

/* Every set of flags from this address to that one, and an echo request. */
static void send_all_flags(struct target *target, const struct ends *ends, const char *what)
{
    static const uint8_t echo[] = "ping";

    for (uint16_t flags = 0; flags < 64; flags++) {
        const struct forged segment = {.seq = flags, .flags = flags, .window = 1000};

        target_send(target, ends, &segment);
    }
    target_icmp(target, ends, duet_address_is_ipv4(&ends->local) ? 8 : 128, 0, 1, echo,
                sizeof echo);
    expect_silence(target, what);
}

void attack_C10(struct attack *attack)
{
    struct target *target = target_small(attack);

    attack_sent(attack, "all 64 sets of flags and an echo request from its own address, same port "
                        "and another, from loopback and from nowhere, IPv4 and IPv6");
    for (unsigned v4 = 0; target != NULL && v4 < 2; v4++) {
        struct ends ends =
            v4 ? ends_of(TARGET_PORT, TARGET_PORT) : ends6_of(TARGET_PORT, TARGET_PORT);

        ends.remote = ends.local;
        send_all_flags(target, &ends, "LAND");
        ends.remote_port = 5000;
        send_all_flags(target, &ends, "a packet from its own address");
        ends.remote = v4 ? duet_ipv4(127, 0, 0, 1) : (struct duet_address){{[15] = 1}};
        send_all_flags(target, &ends, "loopback from the wire");
        ends.remote = v4 ? duet_ipv4(0, 0, 0, 0) : (struct duet_address){{0}};
        send_all_flags(target, &ends, "a packet from nowhere");
    }
    if (target != NULL) { /* the second interface's address is its own, too */
        struct ends ends = ends_of(TARGET_PORT, 5000);

        ends.remote = ends.local;
        ends.remote_port = TARGET_PORT;
        send_all_flags(target, &ends, "a packet from its own address");
    }
    attack_did(attack, "dropped all in silence and kept nothing");
    target_free(target);
}

/* ---- C11 ---- */

void attack_C11(struct attack *attack)
{
    static const uint8_t quads[][4] = {{224, 0, 0, 1},  {239, 255, 255, 255}, {255, 255, 255, 255},
                                       {10, 0, 0, 255}, {10, 0, 0, 0},        {0, 0, 0, 0},
                                       {127, 0, 0, 1},  {240, 0, 0, 1},       {0, 1, 2, 3}};
    struct target *target = target_small(attack);

    attack_sent(attack, "all 64 sets of flags and echo requests from and to multicast, broadcast, "
                        "reserved and unspecified addresses");
    for (unsigned i = 0; target != NULL && i < sizeof quads / sizeof quads[0]; i++) {
        const struct duet_address odd =
            duet_ipv4(quads[i][0], quads[i][1], quads[i][2], quads[i][3]);
        struct ends ends = ends_of(TARGET_PORT, 5000);

        ends.remote = odd;
        send_all_flags(target, &ends, "a packet from an address that nobody has");
        ends = ends_of(TARGET_PORT, 5000);
        ends.local = odd;
        send_all_flags(target, &ends, "a packet that was not sent to one host");
    }
    for (unsigned to = 0; target != NULL && to < 2; to++) {
        const struct duet_address all_nodes = {{0xff, 0x02, [15] = 1}};
        struct ends ends = ends6_of(TARGET_PORT, 5000);

        *(to ? &ends.local : &ends.remote) = all_nodes;
        send_all_flags(target, &ends, "multicast");
    }
    attack_did(attack, "dropped all in silence");
    target_free(target);
}

/* ---- C14 ---- */

/* What an echo request of this size brings back. */
static uint32_t echo_size(struct target *target, const struct ends *ends, uint32_t size)
{
    static const uint8_t echo[2000];
    struct seen seen;
    uint32_t got = 0;

    target_icmp(target, ends, 8, 0, 1, echo, size);
    while (target_next(target, &seen))
        got = target->packet.length;
    return got;
}

/* The longest text of the segments that carry 5000 bytes to this peer, which acknowledges them. */
static uint32_t segment_size(struct peer *peer)
{
    static const uint8_t text[5000];
    struct target *target = peer->target;
    uint32_t longest = 0;
    struct seen seen;

    (void)duet_send(target->stack, target->now, peer->handle, text, sizeof text, 0);
    while (target_next(target, &seen)) {
        if (!duet_address_equal(&seen.ip.destination, &peer->ends.remote))
            continue;
        longest = seen.tcp.text_length > longest ? seen.tcp.text_length : longest;
        peer->ack = seen.tcp.seq + seen.tcp.text_length;
        peer_say(peer, 0, 0, 0, NULL, 0);
    }
    return longest;
}

void attack_C14(struct attack *attack)
{
    static const uint8_t text[20000];
    struct target *target = target_small(attack);
    struct ends other = ends_of(TARGET_PORT, 1001);
    struct peer a, b;
    uint8_t quote[100];
    uint32_t echo_before, mss_before;

    attack_sent(attack, "packet-too-big forged for one connection and for none; RSTs with numbers "
                        "around the window as a middlebox would let through");
    other.remote = duet_ipv4(10, 0, 0, 77);
    if (target == NULL || !peer_open(&a, target, 1000, &peer_plain) ||
        !attack_expect(attack, peer_syn(&b, target, &other, &peer_plain), "no answer")) {
        target_free(target);
        return;
    }
    peer_third(&b);
    attack_expect(attack, peer_accepted(&b), "not accepted");
    echo_before = echo_size(target, &b.ends, 1400);
    mss_before = segment_size(&b);
    (void)duet_send(target->stack, 0, a.handle, text, sizeof text, 0);
    target_drain(target);
    for (uint32_t seq = a.ack - 5; seq < a.ack + 5; seq++)
        target_icmp(target, &a.ends, 3, 4, 600, quote, forge_quote(quote, &a.ends, seq, 1500));
    for (uint16_t port = 1; port < 2000; port++) {
        struct ends nobody = ends_of(TARGET_PORT, port);

        target_icmp(target, &nobody, 3, 4, 600, quote, forge_quote(quote, &nobody, port, 1500));
        nobody.remote = b.ends.remote;
        nobody.remote_port = (uint16_t)(port + 2000);
        target_icmp(target, &nobody, 3, 4, 600, quote, forge_quote(quote, &nobody, port, 1500));
    }
    target_drain(target);
    attack_expect(attack, echo_size(target, &b.ends, 1400) == echo_before,
                  "echo replies to another host have changed");
    attack_expect(attack, segment_size(&b) == mss_before, "another connection's segments shrank");
    for (uint32_t ahead = 1; ahead < 60000; ahead += 7)
        peer_say(&b, DUET_RST, ahead, 0, NULL, 0);
    attack_expect(attack, peer_state(&b) == DUET_ESTABLISHED, "a RST in the window was believed");
    peer_say(&b, DUET_PSH, 0, 0, text, 100);
    attack_expect(attack, peer_delivered(&b) == 100, "the other connection does not go on");
    attack_did(attack, "believed it for the connection whose bytes were in flight, to its "
                       "destination only; the other connection and pings stayed as they were");
    target_free(target);
}

/* ---- C15 ---- */

static struct forged fast_open(const uint8_t *cookie, uint8_t length)
{
    static const uint8_t text[1000] = "GET /everything";
    struct forged syn = peer_plain;

    syn.flags = DUET_SYN;
    syn.options.present |= DUET_TRACE_FAST_OPEN;
    syn.options.cookie_length = length;
    if (length > 0)
        memcpy(syn.options.cookie, cookie, length);
    syn.text = text;
    syn.length = length > 0 ? sizeof text : 0;
    return syn;
}

static unsigned accepted(struct target *target, struct duet_handle listener)
{
    struct duet_handle handle;
    unsigned count = 0;

    while (duet_accept(target->stack, target->now, listener, &handle, NULL) == DUET_OK)
        count++;
    return count;
}

/* Text sent to strangers before they have acknowledged anything. */
static uint32_t text_out(struct target *target)
{
    struct seen seen;
    uint32_t text = 0;

    while (target_next(target, &seen))
        text += seen.tcp.text_length;
    return text;
}

void attack_C15(struct attack *attack)
{
    enum { FAST_PORT = 82, PENDING_MOST = 4, SOURCES = 500 };
    struct target *target = target_small(attack);
    const struct duet_listen_options options = {
        .local = {.port = FAST_PORT}, .backlog = 64, .fast_open = PENDING_MOST};
    struct duet_handle listener;
    struct ends ends = ends_of(FAST_PORT, 1000);
    uint8_t cookie[TCP_COOKIE_MAX] = {0};
    struct forged syn = fast_open(NULL, 0);
    struct seen seen;
    uint8_t length = 0;

    attack_sent(attack,
                "SYNs with text and with no cookie, random cookies, and a replayed one from "
                "its own and from %u spoofed addresses; to a plain listener too",
                SOURCES);
    if (target == NULL)
        return;
    attack_expect(attack, duet_listen(target->stack, 0, &options, &listener) == DUET_OK,
                  "no listener");
    target_send(target, &ends, &syn);
    while (target_next(target, &seen))
        if ((seen.tcp.options.present & DUET_TRACE_FAST_OPEN) != 0) {
            length = seen.tcp.options.cookie_length;
            memcpy(cookie, seen.tcp.options.cookie, length);
        }
    attack_expect(attack, length >= 8, "a cookie of %u bytes was given", length);
    for (unsigned i = 0; i < SOURCES && !attack_failed(attack); i++) {
        uint8_t guess[8];

        for (unsigned j = 0; j < sizeof guess; j++)
            guess[j] = (uint8_t)prng_next(&attack->prng);
        ends.remote = duet_ipv4(10, 1, (uint8_t)(i >> 8), (uint8_t)(i + 1));
        syn = fast_open(i % 2 == 0 ? cookie : guess, i % 2 == 0 ? length : sizeof guess);
        target_send(target, &ends, &syn);
        attack_expect(attack, text_out(target) == 0, "text answers a SYN");
    }
    attack_expect(attack, accepted(target, listener) == 0,
                  "a cookie of another address, or a random one, was taken");
    ends = ends_of(FAST_PORT, 3000);
    for (uint16_t i = 0; i < 50; i++, ends.remote_port++) {
        syn = fast_open(cookie, length);
        target_send(target, &ends, &syn);
        target_drain(target);
    }
    attack_expect(attack, accepted(target, listener) <= PENDING_MOST,
                  "more connections without a handshake than the user allowed");
    ends.local_port = TARGET_PORT;
    syn = fast_open(cookie, length);
    target_send(target, &ends, &syn);
    target_drain(target);
    attack_expect(attack, accepted(target, target->listener) == 0, "Fast Open is on by default");
    attack_did(attack,
               "off unless asked for; took its own cookie from its own address, at most %u "
               "at a time, and sent no text to strangers",
               PENDING_MOST);
    target_free(target);
}
