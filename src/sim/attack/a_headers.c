/* SPDX-License-Identifier: MIT */
/* Section A of the attack table: headers around TCP, their chains and nesting. */
#include <string.h>
#include <ucontext.h>

#include "base/bytes.h"
#include "link/virtio.h"
#include "sim/attack/attack.h"

enum { CLOSED_PORT = 81, REMOTE_PORT = 4000 };

/* ---- A7 ---- */

enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION = 60 };
enum { HEADERS_MOST = 8, HEADER_BYTES_MOST = 512, UNIT = 8, CHAIN_MAX = 300 };

/* A SYN behind a chain of count headers of this type, each of units * 8 bytes. */
static uint32_t put_chain(uint8_t *bytes, uint16_t remote_port, uint8_t type, uint32_t count,
                          uint32_t units, uint8_t option)
{
    const struct ends ends = ends6_of(TARGET_PORT, remote_port);
    const struct forged syn = {.flags = DUET_SYN, .window = 1000};
    uint8_t plain[IPV6_HEADER + TCP_HEADER];
    uint32_t size = forge(plain, &ends, &syn), chain = count * units * UNIT;
    uint8_t *at = bytes + IPV6_HEADER;

    memcpy(bytes, plain, IPV6_HEADER);
    memset(at, 0, chain);
    if (count > 0)
        bytes[6] = type;
    for (uint32_t i = 0; i < count; i++, at += units * UNIT) {
        at[0] = i + 1 == count ? IP_PROTOCOL_TCP : type;
        at[1] = (uint8_t)(units - 1);
        at[2] = option;
    }
    memcpy(at, plain + IPV6_HEADER, size - IPV6_HEADER);
    bytes_put16(bytes + 4, (uint16_t)(chain + size - IPV6_HEADER));
    return chain + size;
}

static bool answered(struct target *target)
{
    return target_drain(target) > 0;
}

static void try_chain(struct target *target, uint8_t type, uint32_t count, uint32_t units)
{
    static uint8_t bytes[TARGET_PACKET_MAX];
    static uint16_t remote_port = 1;
    uint32_t size;
    bool wanted = count <= HEADERS_MOST && count * units * UNIT <= HEADER_BYTES_MOST &&
                  (type != HOP_BY_HOP || count <= 1) && (type != FRAGMENT || units == 1);

    if (IPV6_HEADER + count * units * UNIT + TCP_HEADER > sizeof bytes)
        return;
    size = put_chain(bytes, remote_port++, type, count, units, 0);
    target_input_at_edge(target, bytes, size);
    attack_expect(target->attack, answered(target) == wanted,
                  "a chain of %u headers of type %u and %u bytes was judged wrongly", count, type,
                  units * UNIT);
    for (uint32_t cut = 1; cut < TCP_HEADER + UNIT && cut < size; cut++)
        target_input_at_edge(target, bytes, size - cut);
    attack_expect(target->attack, !answered(target), "a packet that was cut short was answered");
}

/* Options whose action bits say drop, a source route, a header cut by the payload length. */
static void try_bad_headers(struct target *target)
{
    uint8_t bytes[256];
    uint32_t size;

    for (unsigned option = 0; option < 256; option++) {
        size = put_chain(bytes, 60000, DESTINATION, 1, 1, (uint8_t)option);
        target_input_at_edge(target, bytes, size);
        attack_expect(target->attack, answered(target) == (option < 0x40),
                      "an unknown option %u was judged wrongly", option);
    }
    for (unsigned left = 1; left < 256; left++) {
        size = put_chain(bytes, 60001, ROUTING, 1, 1, 0);
        bytes[IPV6_HEADER + 3] = (uint8_t)left;
        target_input_at_edge(target, bytes, size);
    }
    for (unsigned length = 0; length < 28; length++) {
        size = put_chain(bytes, 60002, DESTINATION, 1, 1, 0);
        bytes_put16(bytes + 4, (uint16_t)length);
        target_input_at_edge(target, bytes, IPV6_HEADER + length);
        bytes[IPV6_HEADER] = 59; /* no next header */
        target_input_at_edge(target, bytes, size);
    }
    attack_expect(target->attack, !answered(target),
                  "a routing header with segments left, or a "
                  "chain without an end, was answered");
}

void attack_A7(struct attack *attack)
{
    static const uint8_t types[] = {HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION};
    struct target *target = target_small(attack);

    attack_sent(attack, "chains of 0 to 300 extension headers, headers of 8 to 2048 bytes, every "
                        "option action, routing headers, each also cut short");
    for (unsigned i = 0; target != NULL && i < sizeof types; i++) {
        for (uint32_t count = 0; count <= CHAIN_MAX; count++)
            try_chain(target, types[i], count, 1);
        for (uint32_t units = 1; units <= 256; units++) {
            try_chain(target, types[i], 1, units);
            try_chain(target, types[i], 3, units);
        }
    }
    if (target != NULL)
        try_bad_headers(target);
    attack_did(attack, "walked chains of up to 8 headers and 512 bytes, dropped all others");
    target_free(target);
}

/* ---- A8 ---- */

enum { PROTOCOL_IPV4 = 4, PROTOCOL_IPV6 = 41, NESTED_MOST = 32, OWN_PINGS = 100000 };
enum { DEPTH_ROOM = 256 * 1024, DEPTH_MOST = 8 * 1024, PAINT = 0xa5 };

/* The deepest that the stack of a call ran: measured on a painted stack of its own. */
struct depth {
    struct target *target;
    uint8_t *bytes;
    uint32_t length;
    uint8_t stack[DEPTH_ROOM];
    ucontext_t caller, callee;
};

static struct depth *current; /* makecontext() passes no pointers */

static void run_deep(void)
{
    target_input(current->target, current->bytes, current->length);
}

/* Reads what lies around live frames, which a sanitizer would not have. */
__attribute__((no_sanitize("address"))) static size_t unpainted(const struct depth *depth)
{
    size_t clean = 0;

    while (clean < DEPTH_ROOM && depth->stack[clean] == PAINT)
        clean++;
    return DEPTH_ROOM - clean;
}

static size_t depth_of(struct depth *depth, uint8_t *bytes, uint32_t length)
{
    depth->bytes = bytes;
    depth->length = length;
    current = depth;
    memset(depth->stack, PAINT, sizeof depth->stack);
    if (getcontext(&depth->callee) != 0)
        return SIZE_MAX;
    depth->callee.uc_stack.ss_sp = depth->stack;
    depth->callee.uc_stack.ss_size = sizeof depth->stack;
    depth->callee.uc_link = &depth->caller;
    makecontext(&depth->callee, run_deep, 0);
    swapcontext(&depth->caller, &depth->callee);
    return unpainted(depth);
}

/* A SYN inside so many IP headers. */
static uint32_t put_nested(uint8_t *bytes, unsigned times, bool is_ipv4)
{
    const struct forged syn = {.flags = DUET_SYN, .window = 1000};
    const struct ends ends =
        is_ipv4 ? ends_of(TARGET_PORT, REMOTE_PORT) : ends6_of(TARGET_PORT, REMOTE_PORT);
    uint32_t size = forge(bytes, &ends, &syn);

    for (unsigned i = 0; i < times; i++) {
        uint32_t header = forge_ip_size(&ends);

        memmove(bytes + header, bytes, size);
        size = forge_ip(bytes, &ends, is_ipv4 ? PROTOCOL_IPV4 : PROTOCOL_IPV6, size);
    }
    return size;
}

static size_t try_nested(struct attack *attack, struct target *target)
{
    static uint8_t bytes[NESTED_MOST * IPV6_HEADER + 100];
    static struct depth depth;
    size_t most = 0;

    depth.target = target;
    for (unsigned times = 0; times <= NESTED_MOST; times++)
        for (unsigned v4 = 0; v4 < 2; v4++) {
            size_t deep = depth_of(&depth, bytes, put_nested(bytes, times, v4 == 1));

            attack_expect(attack, answered(target) == (times == 0),
                          "a SYN inside %u IP headers was judged wrongly", times);
            if (times > 0)
                most = deep > most ? deep : most;
        }
    return most;
}

void attack_A8(struct attack *attack)
{
    struct target *target = target_small(attack);
    struct ends own = ends_of(TARGET_PORT, TARGET_PORT);
    static const uint8_t echo[] = "to myself";
    size_t depth;

    attack_sent(attack,
                "SYNs in 1 to %u IP headers, and %u echo requests and SYNs from its own "
                "address",
                NESTED_MOST, OWN_PINGS);
    if (target == NULL)
        return;
    own.remote = own.local;
    depth = try_nested(attack, target);
    for (unsigned i = 0; i < OWN_PINGS; i++) {
        const struct forged syn = {.flags = DUET_SYN, .seq = i, .window = 1000};

        target_icmp(target, &own, 8, 0, i, echo, sizeof echo);
        target_send(target, &own, &syn);
    }
    attack_expect(attack, !answered(target), "a packet from its own address was answered");
    attack_expect(attack, depth <= DEPTH_MOST, "a nested packet took %zu bytes of stack", depth);
    attack_did(attack, "unwrapped none, answered none of its own; %u bytes of stack are enough",
               DEPTH_MOST);
    target_free(target);
}

/* ---- A10 ---- */

static void try_icmp(struct target *target, bool is_ipv4, uint8_t type, uint8_t code,
                     uint32_t length)
{
    const struct ends ends =
        is_ipv4 ? ends_of(TARGET_PORT, REMOTE_PORT) : ends6_of(TARGET_PORT, REMOTE_PORT);
    uint8_t quote[64], bytes[128];
    uint8_t echo = is_ipv4 ? 8 : 128;
    uint32_t size;

    for (unsigned i = 0; i < sizeof quote; i++)
        quote[i] = (uint8_t)prng_next(&target->attack->prng);
    if (length >= 8) {
        size = forge_icmp(bytes, &ends, type, code, 1280, quote, length - 8);
        target_input_at_edge(target, bytes, size);
        attack_expect(target->attack, answered(target) == (type == echo),
                      "ICMP type %u code %u of %u bytes was judged wrongly", type, code, length);
    } else {
        size = forge_ip(bytes, &ends, is_ipv4 ? IP_PROTOCOL_ICMP : IP_PROTOCOL_ICMPV6, length);
        bytes[size - length] = echo;
        target_input_at_edge(target, bytes, size);
        attack_expect(target->attack, !answered(target), "%u bytes of ICMP were answered", length);
    }
    /* The same message as the other family's protocol. */
    if (length >= 8)
        size = forge_icmp(bytes, &ends, type, code, 1280, quote, length - 8);
    bytes[is_ipv4 ? 9 : 6] = is_ipv4 ? IP_PROTOCOL_ICMPV6 : IP_PROTOCOL_ICMP;
    if (is_ipv4)
        forge_ip(bytes, &ends, IP_PROTOCOL_ICMPV6, size - IPV4_HEADER);
    target_input_at_edge(target, bytes, size);
    attack_expect(target->attack, !answered(target), "ICMP of the other family was answered");
}

void attack_A10(struct attack *attack)
{
    struct target *target = target_small(attack);

    attack_sent(attack, "every ICMP type with 17 codes and 0 to 72 bytes, of both families and of "
                        "one inside the other; neighbour discovery and router advertisements too");
    for (unsigned type = 0; target != NULL && type < 256; type++)
        for (unsigned code = 0; code <= 16; code++)
            for (uint32_t length = code == 0 ? 1 : 8; length <= 72; length += code == 0 ? 1 : 16) {
                try_icmp(target, true, (uint8_t)type, (uint8_t)code, length);
                try_icmp(target, false, (uint8_t)type, (uint8_t)code, length);
            }
    attack_did(attack, "answered echo requests of the right family, nothing else; neighbour "
                       "discovery is not read at all");
    target_free(target);
}

/* ---- A13 ---- */

static void try_cut(struct target *target, uint8_t first, uint8_t protocol, uint32_t length)
{
    uint8_t bytes[64];

    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)prng_next(&target->attack->prng);
    bytes[0] = first;
    bytes[first >> 4 == 6 ? 6 : 9] = protocol;
    target_input_at_edge(target, bytes, length);
}

void attack_A13(struct attack *attack)
{
    static const uint8_t protocols[] = {0, 1, 4, 6, 17, 41, 43, 44, 58, 59, 60};
    struct target *target = target_small(attack);

    attack_sent(attack, "packets of 0 to 64 bytes with every first byte and 11 protocols, and the "
                        "header of a TUN device before each, ending with their page");
    for (unsigned first = 0; target != NULL && first < 256; first++)
        for (unsigned i = 0; i < sizeof protocols; i++)
            for (uint32_t length = 0; length <= 64; length++)
                try_cut(target, (uint8_t)first, protocols[i], length);
    for (uint32_t length = 0; target != NULL && length <= 64; length++) {
        uint8_t bytes[64] = {0x45};
        const struct virtio_net_hdr header = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                              .csum_start = 20,
                                              .csum_offset = 16,
                                              .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
                                              .gso_size = 8};
        struct duet_packet packet = {.data = guard_place(bytes, length), .length = length};

        attack_expect(attack, !virtio_read(&header, &packet) || length >= 40,
                      "a header that reaches beyond its packet was believed");
    }
    if (target != NULL)
        attack_expect(attack, !answered(target), "garbage was answered");
    attack_did(attack,
               "dropped every one unread where it ends; there is no Ethernet header to cut");
    target_free(target);
}

/* ---- A14 ---- */

static void try_virtio(struct attack *attack, const struct virtio_net_hdr *header, uint32_t length)
{
    uint8_t bytes[256] = {0x45};
    struct duet_packet packet = {.data = bytes, .length = length};

    bytes[header->csum_start % 200 + 12] = (uint8_t)(prng_next(&attack->prng) & 0xf0);
    attack->result->packets++;
    if (!virtio_read(header, &packet))
        return;
    if ((packet.flags & DUET_PACKET_CHECKSUM_PARTIAL) != 0)
        attack_expect(attack,
                      (uint32_t)packet.checksum_start + packet.checksum_offset + 2 <= length,
                      "a checksum place outside the packet was believed");
    if (packet.segment_size != 0)
        attack_expect(attack, (uint32_t)packet.checksum_start + TCP_HEADER <= length,
                      "a segment without a header was believed");
}

/* A stream once in segments and once put together by the link: the same bytes, the same answer. */
static void compare_streams(struct attack *attack, uint32_t pieces)
{
    uint8_t text[8 * 1000], got[2][sizeof text];
    uint32_t length[2] = {0, 0}, acked[2] = {0, 0};

    for (unsigned i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)prng_next(&attack->prng);
    for (unsigned way = 0; way < 2; way++) {
        struct target *target = target_small(attack);
        struct peer peer;
        struct duet_status status;

        if (target == NULL || !peer_open(&peer, target, 1000, &peer_plain)) {
            target_free(target);
            return;
        }
        for (uint32_t i = 0; i < (way == 0 ? pieces : 1); i++) {
            const struct forged segment = {
                .seq = peer.seq + i * 1000,
                .ack = peer.ack,
                .flags = DUET_ACK | DUET_PSH,
                .window = 65535,
                .text = text + i * 1000,
                .length = way == 0 ? 1000 : pieces * 1000,
            };
            struct duet_packet packet = {.data = target->in, .segment_size = way == 0 ? 0 : 1000};

            packet.length = packet.size = forge(target->in, &peer.ends, &segment);
            duet_input(target->stack, target->now, &packet);
        }
        length[way] = (uint32_t)duet_receive(target->stack, target->now, peer.handle, got[way],
                                             sizeof got[way]);
        acked[way] = peer_status(&peer, &status) ? status.rcv_nxt - peer.seq : 0;
        target_free(target);
    }
    attack_expect(attack,
                  length[0] == pieces * 1000 && length[0] == length[1] && acked[0] == acked[1] &&
                      memcmp(got[0], got[1], length[0]) == 0,
                  "%u segments that the link put together became another stream", pieces);
}

void attack_A14(struct attack *attack)
{
    static const uint16_t places[] = {0, 1, 19, 20, 40, 100, 198, 199, 200, 255, 32767, 65535};
    static const uint8_t types[] = {0, 1, 3, 4, 5, 0x81, 0xff};
    struct virtio_net_hdr header = {0};

    attack_sent(attack, "every combination of 12 values of each field of a TUN header with packets "
                        "of 0 to 256 bytes; streams with and without segments put together");
    for (unsigned i = 0; i < 12; i++)
        for (unsigned j = 0; j < 12; j++)
            for (unsigned k = 0; k < 12; k++)
                for (unsigned type = 0; type < sizeof types; type++)
                    for (uint32_t length = 0; length <= 256; length += 16) {
                        header.flags = (uint8_t)(k & 3);
                        header.csum_start = places[i];
                        header.csum_offset = places[j];
                        header.gso_size = places[k];
                        header.gso_type = types[type];
                        try_virtio(attack, &header, length > 200 ? 200 : length);
                    }
    for (uint32_t pieces = 1; pieces <= 8; pieces++)
        compare_streams(attack, pieces);
    attack_did(attack, "believed only what lies inside the packet; both ways give one stream");
}
