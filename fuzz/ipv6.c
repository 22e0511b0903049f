/* SPDX-License-Identifier: MIT */
/* Fuzzer of the IPv6 header and its extension headers, against a second reading of RFC 8200 that follows the chain by
 * index. The input is the packet, whose first four bits are made 6. */
#include "fuzz.h"

#include "wire/ip.h"

enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION = 60 };

/* What the chain of extension headers comes to, and where. */
struct chain {
    enum ip_verdict verdict;
    bool first_fragment; /* one with more to come was met */
    size_t at;           /* of the payload */
    uint8_t protocol;
};

static bool is_mapped(const uint8_t *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(address, mapped, sizeof mapped) == 0;
}

/* RFC 8200, 4.2: type, length, data; type 0 alone is one byte of padding. */
static enum ip_verdict look_at_options(const uint8_t *options, size_t size)
{
    size_t i = 0;
    while (i < size) {
        if (options[i] == 0) {
            i += 1;
        } else if (i + 2 > size || i + 2 + options[i + 1] > size) {
            return IP_BAD_EXTENSION;
        } else if (options[i] > 63) {
            return IP_UNKNOWN_OPTION;
        } else {
            i += 2u + options[i + 1];
        }
    }
    return IP_OK;
}

static enum ip_verdict look_at_one(const uint8_t *bytes, size_t size, struct chain *chain)
{
    const uint8_t *header = bytes + chain->at;
    switch (chain->protocol) {
    case ROUTING:
        return header[3] > 0 ? IP_SOURCE_ROUTE : IP_OK;
    case FRAGMENT:
        if (header[2] > 0 || header[3] > 7)
            return IP_FRAGMENT;
        chain->first_fragment |= header[3] % 2 == 1;
        return IP_OK;
    default:
        return look_at_options(header + 2, size - 2);
    }
}

static struct chain follow(const uint8_t *bytes, size_t end)
{
    struct chain chain = {.at = 40, .protocol = bytes[6]};
    for (unsigned nth = 1;; nth++) {
        const uint8_t is = chain.protocol;
        if (is != HOP_BY_HOP && is != ROUTING && is != FRAGMENT && is != DESTINATION)
            return chain;
        chain.verdict = IP_BAD_EXTENSION;
        if (nth > 8 || chain.at + 8 > end || (is == HOP_BY_HOP && nth > 1))
            return chain;
        const size_t size = is == FRAGMENT ? 8 : 8 + 8u * bytes[chain.at + 1];
        if (chain.at + size > end || chain.at + size > 40 + 512)
            return chain;
        chain.verdict = look_at_one(bytes, size, &chain);
        if (chain.verdict != IP_OK)
            return chain;
        chain.protocol = bytes[chain.at];
        chain.at += size;
    }
}

static void expect_fields(const struct ip_packet *packet, const uint8_t *bytes)
{
    EXPECT(packet->version == 6);
    EXPECT(packet->traffic_class == (uint8_t)(bytes[0] << 4 | bytes[1] >> 4));
    EXPECT(packet->flow_label == (bytes[1] & 15u) * 65536u + bytes[2] * 256u + bytes[3]);
    EXPECT(packet->ttl == bytes[7]);
    EXPECT(memcmp(packet->source.bytes, bytes + 8, 16) == 0);
    EXPECT(memcmp(packet->destination.bytes, bytes + 24, 16) == 0);
}

static void expect_payload(const struct ip_packet *packet, const uint8_t *bytes,
                           const struct chain *chain, size_t end)
{
    EXPECT(packet->protocol == chain->protocol);
    EXPECT(packet->payload == bytes + chain->at);
    EXPECT(packet->header_length == chain->at);
    EXPECT(packet->payload_length == end - chain->at);
}

static void build_again(const struct ip_packet *packet)
{
    struct ip_packet again;
    uint8_t *built = malloc(IPV6_HEADER + packet->payload_length);
    if (built == NULL)
        abort();
    EXPECT(ip_build(built, packet) == IPV6_HEADER);
    memcpy(built + IPV6_HEADER, packet->payload, packet->payload_length);
    EXPECT(ip_parse(built, IPV6_HEADER + packet->payload_length, &again) == IP_OK);
    expect_fields(&again, built);
    EXPECT(again.payload_length == packet->payload_length && again.protocol == packet->protocol);
    EXPECT(again.flow_label == packet->flow_label && again.ttl == packet->ttl);
    EXPECT(again.traffic_class == packet->traffic_class);
    EXPECT(duet_address_equal(&again.source, &packet->source));
    EXPECT(duet_address_equal(&again.destination, &packet->destination));
    free(built);
}

static void read_packet(const uint8_t *bytes, size_t size)
{
    struct ip_packet packet;
    const enum ip_verdict verdict = ip_parse(bytes, (uint32_t)size, &packet);
    const size_t end = size < 40 ? 40 : 40 + bytes[4] * 256u + bytes[5];
    if (size < end) {
        EXPECT(verdict == IP_TRUNCATED);
        return;
    }
    if (is_mapped(bytes + 8) || is_mapped(bytes + 24)) {
        EXPECT(verdict == IP_BAD_HEADER);
        return;
    }
    const struct chain chain = follow(bytes, end);
    EXPECT(verdict == (chain.first_fragment ? IP_FRAGMENT : chain.verdict));
    expect_fields(&packet, bytes);
    if (verdict != IP_OK)
        return;
    expect_payload(&packet, bytes, &chain, end);
    build_again(&packet);
}

/* RFC 4443, 3.1: as much of the packet as fits, so that its end may be missing. */
static void read_quoted(const uint8_t *bytes, size_t size)
{
    struct ip_packet packet;
    const bool told = ip_parse_quoted(bytes, (uint32_t)size, &packet);
    if (size < 40 || is_mapped(bytes + 8) || is_mapped(bytes + 24)) {
        EXPECT(!told);
        return;
    }
    const size_t total = 40 + bytes[4] * 256u + bytes[5], end = total < size ? total : size;
    const struct chain chain = follow(bytes, end);
    EXPECT(told == (chain.verdict == IP_OK && end - chain.at >= 8));
    if (told) {
        expect_fields(&packet, bytes);
        expect_payload(&packet, bytes, &chain, end);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, data + size};
    if (size == 0)
        return 0;
    uint8_t *bytes = fuzz_copy(&input);
    bytes[0] = (uint8_t)(0x60 | (bytes[0] & 15));
    read_packet(bytes, size);
    read_quoted(bytes, size);
    free(bytes);
    return 0;
}
