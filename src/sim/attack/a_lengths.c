/* SPDX-License-Identifier: MIT */
/* Section A of the attack table: lengths that lie, and bits that were flipped. Expectations come
 * from oracles of a few lines that know nothing of src/wire. */
#include <string.h>

#include "base/bytes.h"
#include "sim/attack/attack.h"
#include "wire/checksum.h"

enum { FRAME_MAX = 96, CLOSED_PORT = 81, REMOTE_PORT = 4000 };
enum { NOP = 1 };

/* How many RSTs for connections that do not exist have come this far through the parsers. */
struct counter {
    struct target *target;
    unsigned index; /* of the rule CLOSED_RST */
};

static bool find_counter(struct counter *counter, struct target *target)
{
    *counter = (struct counter){.target = target};
    while (strcmp(duet_rule(counter->index)->name, "CLOSED_RST") != 0)
        if (++counter->index == duet_rule_count())
            return false;
    return true;
}

static bool is_taken(const struct counter *counter, const uint8_t *bytes, uint32_t length)
{
    uint64_t before = duet_rule_hits(counter->target->stack, counter->index);

    target_input_at_edge(counter->target, bytes, length);
    return duet_rule_hits(counter->target->stack, counter->index) != before;
}

/* ---- A4 ---- */

/* What a frame claims. */
struct claim {
    uint32_t frame, header, total, offset; /* bytes, units of 4, bytes, units of 4 */
};

static void put_tcp_rst(uint8_t *tcp, uint32_t offset)
{
    memset(tcp, NOP, FRAME_MAX);
    bytes_put16(tcp, REMOTE_PORT);
    bytes_put16(tcp + 2, CLOSED_PORT);
    bytes_put16(tcp + 12, (uint16_t)(offset << 12 | DUET_RST));
    bytes_put16(tcp + 16, 0);
}

static void sum_tcp(uint8_t *tcp, const struct ends *ends, uint32_t length)
{
    struct checksum sum = {0};

    if (length < TCP_HEADER || length > FRAME_MAX)
        return;
    checksum_add_pseudo(&sum, &ends->remote, &ends->local, IP_PROTOCOL_TCP, length);
    checksum_add(&sum, tcp, length);
    bytes_put16(tcp + 16, checksum_finish(&sum));
}

static bool should_be_taken(const struct claim *claim)
{
    uint32_t header = claim->header * 4, offset = claim->offset * 4;

    return claim->frame >= IPV4_HEADER && header >= IPV4_HEADER && header <= claim->total &&
           claim->total <= claim->frame && offset >= TCP_HEADER && offset <= claim->total - header;
}

static void try_claim(const struct counter *counter, const struct claim *claim)
{
    const struct ends ends = ends_of(CLOSED_PORT, REMOTE_PORT);
    uint8_t bytes[4 * FRAME_MAX];
    uint32_t header = claim->header * 4;
    struct checksum sum = {0};

    memset(bytes, NOP, sizeof bytes);
    forge_ip(bytes, &ends, IP_PROTOCOL_TCP, 0);
    bytes[0] = (uint8_t)(0x40 | claim->header);
    bytes_put16(bytes + 2, (uint16_t)claim->total);
    bytes_put16(bytes + 10, 0);
    checksum_add(&sum, bytes, header);
    if (header >= IPV4_HEADER)
        bytes_put16(bytes + 10, checksum_finish(&sum));
    put_tcp_rst(bytes + header, claim->offset);
    if (claim->total >= header)
        sum_tcp(bytes + header, &ends, claim->total - header);
    attack_expect(counter->target->attack,
                  is_taken(counter, bytes, claim->frame) == should_be_taken(claim),
                  "a frame of %u bytes with header length %u, total length %u and data offset %u "
                  "was judged wrongly",
                  claim->frame, claim->header, claim->total, claim->offset);
}

static void try_claims_of_frame(const struct counter *counter, uint32_t frame)
{
    struct claim claim = {.frame = frame};

    for (claim.header = 0; claim.header < 16; claim.header++)
        for (uint32_t i = 18; i <= FRAME_MAX + 2; i++)
            for (claim.offset = 0; claim.offset < 16; claim.offset++) {
                claim.total = i == 18 ? 0 : i == FRAME_MAX + 2 ? 65535 : i;
                try_claim(counter, &claim);
            }
}

static void try_claim6(const struct counter *counter, uint32_t frame, uint32_t payload,
                       uint32_t offset)
{
    const struct ends ends = ends6_of(CLOSED_PORT, REMOTE_PORT);
    uint8_t bytes[4 * FRAME_MAX];
    bool wanted = frame >= IPV6_HEADER && IPV6_HEADER + payload <= frame && offset * 4 >= 20 &&
                  offset * 4 <= payload;

    forge_ip(bytes, &ends, IP_PROTOCOL_TCP, 0);
    bytes_put16(bytes + 4, (uint16_t)payload);
    put_tcp_rst(bytes + IPV6_HEADER, offset);
    sum_tcp(bytes + IPV6_HEADER, &ends, payload);
    attack_expect(counter->target->attack, is_taken(counter, bytes, frame) == wanted,
                  "an IPv6 frame of %u bytes with payload length %u and data offset %u was judged "
                  "wrongly",
                  frame, payload, offset);
}

void attack_A4(struct attack *attack)
{
    struct target *target = target_small(attack);
    struct counter counter;

    attack_sent(attack,
                "every frame of 0..%u bytes with every header length, total length and "
                "data offset, for IPv4 and IPv6",
                FRAME_MAX);
    if (target == NULL || !find_counter(&counter, target)) {
        target_free(target);
        return;
    }
    for (uint32_t frame = 0; frame <= FRAME_MAX; frame++)
        try_claims_of_frame(&counter, frame);
    for (uint32_t frame = 0; frame <= FRAME_MAX; frame++)
        for (uint32_t payload = 0; payload <= FRAME_MAX + 2; payload++)
            for (uint32_t offset = 0; offset < 16; offset++)
                try_claim6(&counter, frame, payload == FRAME_MAX + 2 ? 65535 : payload, offset);
    attack_did(attack, "judged each as an oracle of five comparisons does");
    target_free(target);
}

/* ---- A6 ---- */

enum { ROUTE_LOOSE = 131, ROUTE_STRICT = 137, ROUTE_MIN = 3 };

/* What an option of this kind and length at the start of the options means. */
static bool options_are_good(uint32_t kind, uint32_t length, uint32_t room)
{
    if (kind <= 1)
        return true; /* end, or no-operation before no-operations */
    if (length < 2 || length > room)
        return false;
    return kind != ROUTE_LOOSE && kind != ROUTE_STRICT;
}

static bool has_plain_syn_ack(struct target *target)
{
    struct seen seen;
    bool found = false;

    while (target_next(target, &seen)) {
        attack_expect(target->attack, seen.ip.header_length == IPV4_HEADER,
                      "an answer carries IP options");
        found = found || (seen.tcp.flags & DUET_SYN) != 0;
    }
    return found;
}

static void try_ip_option(struct target *target, uint32_t units, uint32_t kind, uint32_t length,
                          uint32_t at)
{
    static uint16_t remote_port;
    const struct ends ends = ends_of(TARGET_PORT, ++remote_port == 0 ? ++remote_port : remote_port);
    const struct forged syn = {.flags = DUET_SYN, .window = 1000};
    uint32_t header = units * 4, room = header - IPV4_HEADER - at;
    uint8_t bytes[120], plain[60];
    struct checksum sum = {0};
    uint32_t size = forge(plain, &ends, &syn);
    bool wanted = options_are_good(kind, length, room);

    memset(bytes, NOP, sizeof bytes);
    memcpy(bytes, plain, IPV4_HEADER);
    memcpy(bytes + header, plain + IPV4_HEADER, size - IPV4_HEADER);
    bytes[0] = (uint8_t)(0x40 | units);
    bytes[IPV4_HEADER + at] = (uint8_t)kind;
    if (room > 1)
        bytes[IPV4_HEADER + at + 1] = (uint8_t)length;
    bytes_put16(bytes + 2, (uint16_t)(header + size - IPV4_HEADER));
    bytes_put16(bytes + 10, 0);
    checksum_add(&sum, bytes, header);
    bytes_put16(bytes + 10, checksum_finish(&sum));
    if (room == 1 && kind > 1)
        wanted = false;
    if (room > 1 && kind == 1)
        wanted = options_are_good(length, NOP, room - 1); /* the length is a kind then */
    target_input_at_edge(target, bytes, header + size - IPV4_HEADER);
    attack_expect(target->attack, has_plain_syn_ack(target) == wanted,
                  "IP option %u of length %u in %u bytes was judged wrongly", kind, length, room);
}

void attack_A6(struct attack *attack)
{
    static const uint32_t lengths[] = {0, 1, 2, 3, 4, 5, 8, 11, 12, 39, 40, 41, 255};
    struct target *target = target_small(attack);

    attack_sent(attack, "SYNs behind every IP option kind and 13 lengths, at the start and the end "
                        "of headers of 24 to 60 bytes");
    for (uint32_t units = 6; target != NULL && units < 16; units++)
        for (uint32_t kind = 0; kind < 256; kind++)
            for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
                try_ip_option(target, units, kind, lengths[i], 0);
                try_ip_option(target, units, kind, lengths[i], units * 4 - IPV4_HEADER - 1);
            }
    attack_did(attack, "dropped source routes and what is malformed, answered the rest without an "
                       "IP option");
    target_free(target);
}

/* ---- A11 ---- */

enum { VALID_PACKETS = 1000, VALID_MAX = 200 };

/* Bits of an IPv6 header that no checksum covers: traffic class, flow label, hop limit. */
static bool is_uncovered(bool is_ipv4, uint32_t bit)
{
    return !is_ipv4 && ((bit >= 4 && bit < 32) || bit / 8 == 7);
}

static void flip_bits(const struct counter *counter, const struct ends *ends, uint16_t flags)
{
    struct attack *attack = counter->target->attack;
    struct duet_packet packet = {.flags = flags};
    struct forged rst = {.flags = DUET_RST, .seq = (uint32_t)prng_next(&attack->prng)};
    uint8_t text[64], bytes[VALID_MAX];
    uint32_t size;

    for (unsigned i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)prng_next(&attack->prng);
    rst.text = text;
    rst.length = (uint32_t)prng_below(&attack->prng, sizeof text);
    size = forge(bytes, ends, &rst);
    attack_expect(attack, is_taken(counter, bytes, size), "a sound packet was not taken");
    packet.data = bytes;
    packet.length = packet.size = size;
    for (uint32_t bit = 0; bit < 8 * size; bit++) {
        uint64_t before = duet_rule_hits(counter->target->stack, counter->index);

        if (is_uncovered(forge_ip_size(ends) == IPV4_HEADER, bit))
            continue;
        bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
        attack->result->packets++;
        attack->result->bytes += size;
        duet_input(counter->target->stack, 0, &packet);
        attack_expect(attack, duet_rule_hits(counter->target->stack, counter->index) == before,
                      "a packet with bit %u flipped was taken", bit);
        bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
    }
}

void attack_A11(struct attack *attack)
{
    struct duet_config config;
    struct target *target;
    struct counter counter;
    struct ends own = ends_of(CLOSED_PORT, REMOTE_PORT);
    const struct ends v4 = own, v6 = ends6_of(CLOSED_PORT, REMOTE_PORT);

    attack_sent(attack,
                "%u sound packets with each covered bit flipped in turn: over IPv4, IPv6, "
                "loopback, and marked as checked by a link that may not say so",
                VALID_PACKETS);
    own.remote = own.local;
    target_config(attack, &config);
    config.loopback_allowed = true; /* then its own address may come in, too */
    target = target_new(attack, &config);
    if (target == NULL || !find_counter(&counter, target)) {
        target_free(target);
        return;
    }
    for (unsigned i = 0; i < VALID_PACKETS / 4; i++) {
        flip_bits(&counter, &v4, 0);
        flip_bits(&counter, &v6, 0);
        flip_bits(&counter, &own, 0);
        flip_bits(&counter, &v4, DUET_PACKET_CHECKED);
    }
    attack_did(attack, "took every sound packet and not one of the others");
    target_free(target);
}
