/* SPDX-License-Identifier: MIT */
/* Section A of the attack table: TCP options, segment sizes, the urgent pointer. */
#include <string.h>

#include "base/bytes.h"
#include "sim/attack/attack.h"

enum { OPTIONS_MAX = TCP_OPTIONS_MAX };

/* Is the stack well: does it answer, and deliver what an honest peer says? */
static void expect_service(struct target *target, uint16_t remote_port)
{
    static const uint8_t text[] = "are you still there?";
    struct peer peer;

    target_drain(target);
    if (!peer_open(&peer, target, remote_port, &peer_plain))
        return;
    peer_say(&peer, DUET_PSH, 0, 0, text, sizeof text);
    attack_expect(target->attack, peer_delivered(&peer) == sizeof text,
                  "afterwards an honest peer's text is not delivered");
    duet_abort(target->stack, target->now, peer.handle);
    target_take_events(target);
    target_drain(target);
}

/* One segment to the listener and one to a connection, each so placed that it ends with its page. */
static void send_both(struct target *target, struct peer *peer, const uint8_t *options,
                      uint32_t size)
{
    static uint16_t remote_port = 1024;
    struct ends ends = ends_of(TARGET_PORT, 0);
    struct forged segment = {
        .flags = DUET_SYN, .window = 1000, .raw_options = options, .raw_size = size};
    uint8_t bytes[IPV6_HEADER + TCP_HEADER + OPTIONS_MAX];

    ends.remote_port = remote_port = remote_port == UINT16_MAX ? 1024 : (uint16_t)(remote_port + 1);
    target_input_at_edge(target, bytes, forge(bytes, &ends, &segment));
    segment.flags = DUET_ACK;
    segment.seq = peer->seq;
    segment.ack = peer->ack;
    target_input_at_edge(target, bytes, forge(bytes, &peer->ends, &segment));
    target_drain(target);
}

void attack_A1(struct attack *attack)
{
    struct target *target = target_small(attack);
    struct peer peer;
    uint8_t options[OPTIONS_MAX];

    attack_sent(attack, "every kind with every length at each of the 40 places, on a SYN and in a "
                        "connection, the packet ending with its page");
    if (target == NULL || !peer_open(&peer, target, 1000, &peer_plain)) {
        target_free(target);
        return;
    }
    for (unsigned at = 0; at < OPTIONS_MAX; at++) {
        for (unsigned kind = 0; kind < 256; kind++) {
            for (unsigned length = 0; length < 256; length++) {
                memset(options, TCP_OPTION_NOP, sizeof options);
                options[at] = (uint8_t)kind;
                if (at + 1 < OPTIONS_MAX)
                    options[at + 1] = (uint8_t)length;
                send_both(target, &peer, options, sizeof options);
            }
        }
    }
    expect_service(target, 1001);
    attack_did(attack, "came back from every one; the listener and the connection serve as before");
    target_free(target);
}

void attack_A2(struct attack *attack)
{
    struct target *target = target_small(attack);
    struct peer peer;
    uint8_t options[OPTIONS_MAX];

    attack_sent(attack, "headers of every length whose last byte is each kind of option, before a "
                        "page that cannot be read");
    if (target == NULL || !peer_open(&peer, target, 1000, &peer_plain)) {
        target_free(target);
        return;
    }
    for (unsigned size = 4; size <= OPTIONS_MAX; size += 4) {
        for (unsigned kind = 0; kind < 256; kind++) {
            memset(options, TCP_OPTION_NOP, sizeof options);
            options[size - 1] = (uint8_t)kind;
            send_both(target, &peer, options, size);
            options[size - 2] = TCP_OPTION_SACK; /* the kind is then a length that reaches out */
            send_both(target, &peer, options, size);
        }
    }
    expect_service(target, 1001);
    attack_did(attack, "read no byte beyond the header");
    target_free(target);
}

/* ---- A3 ---- */

enum { FLOOD = 1000000, MSS_FLOOR = 216, HANDFUL = 32, MSS_ABSENT = 70000 };

struct segments {
    uint32_t count, least, bytes;
};

/* Takes bytes from the target, acknowledging all of it; what the segments looked like. */
static struct segments take_flood(struct peer *peer)
{
    static const uint8_t text[16384];
    struct target *target = peer->target;
    struct segments segments = {.least = UINT32_MAX};
    uint32_t given = 0;

    for (unsigned turn = 0; segments.bytes < FLOOD && turn < 20000; turn++) {
        uint32_t most = FLOOD - given < sizeof text ? FLOOD - given : (uint32_t)sizeof text;
        int64_t took = most == 0 ? 0
                                 : duet_send(target->stack, target->now, peer->handle, text, most,
                                             given + most < FLOOD ? DUET_SEND_MORE : 0);
        struct seen seen;

        given += took > 0 ? (uint32_t)took : 0;
        while (target_next(target, &seen)) {
            if (seen.tcp.text_length == 0)
                continue;
            segments.count++;
            segments.bytes += seen.tcp.text_length;
            if (seen.tcp.text_length < segments.least && segments.bytes < FLOOD)
                segments.least = seen.tcp.text_length;
            peer->ack = seen.tcp.seq + seen.tcp.text_length;
        }
        peer_say(peer, 0, 0, 0, NULL, 0);
        duet_expire(target->stack, target->now += DUET_MILLISECOND);
    }
    return segments;
}

static void try_mss(struct attack *attack, uint32_t mss)
{
    struct target *target = target_small(attack);
    struct forged offer = peer_plain;
    struct segments segments;
    struct peer peer;

    if (target == NULL)
        return;
    offer.options.mss = (uint16_t)mss;
    if (mss == MSS_ABSENT)
        offer.options.present = 0;
    if (peer_open(&peer, target, 1000, &offer)) {
        segments = take_flood(&peer);
        attack_expect(attack, segments.bytes == FLOOD, "MSS %u: only %u bytes came", mss,
                      segments.bytes);
        attack_expect(attack, segments.count <= FLOOD / MSS_FLOOR + HANDFUL,
                      "MSS %u: %u segments for %u bytes", mss, segments.count, FLOOD);
        attack_expect(attack, segments.least >= 1, "MSS %u: a segment without text", mss);
    }
    target_free(target);
}

void attack_A3(struct attack *attack)
{
    static const uint32_t sizes[] = {0,  1,  7,   8,   11,  12,   13,    47,        48,
                                     87, 88, 215, 216, 536, 1460, 65535, MSS_ABSENT};

    attack_sent(attack, "SYNs with 16 sizes from 0 to 65535 and without one, then 1 MB asked for");
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        try_mss(attack, sizes[i]);
    attack_did(attack, "sent at most %u segments for each megabyte, none without text",
               FLOOD / MSS_FLOOR + HANDFUL);
}

/* ---- A5 ---- */

enum { STREAM = 600, PIECE = 100 };

struct reader {
    struct peer peer;
    uint8_t got[2 * STREAM];
    uint32_t length;
};

static void read_some(struct reader *reader, size_t most)
{
    struct target *target = reader->peer.target;
    int64_t got;

    if (reader->length + most > sizeof reader->got)
        return;
    got = duet_receive(target->stack, target->now, reader->peer.handle,
                       reader->got + reader->length, most);
    if (got <= 0)
        return;
    attack_expect(target->attack, (size_t)got <= most, "a read of %zu bytes returned %lld", most,
                  (long long)got);
    reader->length += (uint32_t)got;
}

static void say_urgent(struct reader *reader, uint32_t at, const uint8_t *stream, uint16_t urgent,
                       uint16_t flags)
{
    const struct forged segment = {
        .seq = reader->peer.seq + at,
        .ack = reader->peer.ack,
        .flags = DUET_ACK | DUET_URG | flags,
        .window = reader->peer.window,
        .urgent = urgent,
        .text = stream + at,
        .length = PIECE,
    };

    target_send(reader->peer.target, &reader->peer.ends, &segment);
}

/* The stream in pieces, each with this pointer, some twice and out of order; read in small bites. */
static void try_urgent(struct attack *attack, uint16_t urgent, bool in_order, size_t bite)
{
    static const unsigned shuffled[] = {2, 1, 1, 0, 4, 5, 3, 3};
    static const unsigned ordered[] = {0, 1, 1, 2, 3, 4, 4, 5};
    struct target *target = target_small(attack);
    struct reader reader = {.length = 0};
    uint8_t stream[STREAM];

    for (unsigned i = 0; i < STREAM; i++)
        stream[i] = (uint8_t)(i * 7 + 3);
    if (target == NULL || !peer_open(&reader.peer, target, 1000, &peer_plain)) {
        target_free(target);
        return;
    }
    for (unsigned i = 0; i < 8; i++) {
        unsigned piece = in_order ? ordered[i] : shuffled[i];

        say_urgent(&reader, piece * PIECE, stream, (uint16_t)(urgent + (i % 3 == 2)), 0);
        read_some(&reader, bite);
        target_drain(target);
    }
    for (unsigned i = 0; i < 2 * STREAM; i++)
        read_some(&reader, bite);
    attack_expect(attack, reader.length == STREAM && memcmp(reader.got, stream, STREAM) == 0,
                  "pointer %u: %u bytes were read of %u, or others than were sent", urgent,
                  reader.length, STREAM);
    target_free(target);
}

/* The mark of one connection says nothing in the next between the same sockets, nor on a SYN. */
static void try_urgent_rebirth(struct attack *attack)
{
    struct target *target = target_small(attack);
    struct forged offer = peer_plain;
    struct duet_status status;
    struct peer peer;

    if (target == NULL)
        return;
    offer.flags = DUET_URG;
    offer.urgent = 5000;
    for (unsigned life = 0; life < 2; life++) {
        if (!peer_open(&peer, target, 1000, &offer))
            break;
        attack_expect(attack, peer_status(&peer, &status) && status.urgent_left == 0,
                      "a connection is born with an urgent mark");
        peer_say(&peer, DUET_URG, 0, 0, NULL, 0);
        peer_say(&peer, DUET_RST, 0, 0, NULL, 0);
        duet_close(target->stack, target->now, peer.handle);
        target_take_events(target);
        target_drain(target);
    }
    target_free(target);
}

void attack_A5(struct attack *attack)
{
    static const uint16_t pointers[] = {0, 1, PIECE - 1, PIECE, PIECE + 1, 32767, 65534};
    static const size_t bites[] = {1, 7, 64};

    attack_sent(attack, "URG with pointers from 0 to 65535 in and out of order, repeated with "
                        "another pointer, on a SYN, and across a reconnect");
    for (unsigned i = 0; i < sizeof pointers / sizeof pointers[0]; i++)
        for (unsigned j = 0; j < sizeof bites / sizeof bites[0]; j++) {
            try_urgent(attack, pointers[i], true, bites[j]);
            try_urgent(attack, pointers[i], false, bites[j]);
        }
    try_urgent_rebirth(attack);
    attack_did(attack, "delivered every stream byte for byte, in bites of 1 to 64 bytes");
}
