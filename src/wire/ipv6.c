/* SPDX-License-Identifier: MIT */
/* The IPv6 header and its extension headers (RFC 8200, sections 3 and 4). AH, ESP and whatever else
 * is not listed here count as the payload's protocol, which TCP is not. */
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "wire/ip_versions.h"

enum {
    EXTENSION_HOP_BY_HOP = 0,
    EXTENSION_ROUTING = 43,
    EXTENSION_FRAGMENT = 44,
    EXTENSION_DESTINATION = 60,
};

enum { EXTENSIONS_MAX = 8, EXTENSION_BYTES_MAX = 512, EXTENSION_UNIT = 8 };

enum { OPTION_PAD1 = 0, OPTION_ACTION = 0xc0 };

/* Where the walk along the extension headers stands. */
struct walk {
    const uint8_t *at, *end;
    uint8_t protocol; /* what stands at at */
    bool is_first_fragment;
};

/* RFC 8200, 4.2: the two upper bits of a type tell what to do if one does not know the option. 00,
 * which PadN has as well, is to pass it over. Each turn takes at least one byte. */
static enum ip_verdict check_options(const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        if (*at == OPTION_PAD1) {
            at++;
            continue;
        }
        if (end - at < 2 || at[1] > end - at - 2)
            return IP_BAD_EXTENSION;
        if ((*at & OPTION_ACTION) != 0)
            return IP_UNKNOWN_OPTION;
        at += 2 + at[1];
    }
    return IP_OK;
}

/* Section 4.5. An atomic fragment is a whole packet (RFC 6946); a first fragment may be read on in
 * an ICMP quote. */
static enum ip_verdict check_fragment(struct walk *walk)
{
    const uint16_t offset_and_more = bytes_get16(walk->at + 2);
    if (offset_and_more >> 3 != 0)
        return IP_FRAGMENT;
    if ((offset_and_more & 1) != 0)
        walk->is_first_fragment = true;
    return IP_OK;
}

/* Sections 4.3 to 4.6. Routing headers that have been followed to their end are passed over, those
 * with segments left are not: RFC 5095 has done away with type 0, and a host does not forward. */
static enum ip_verdict check_extension(struct walk *walk, uint32_t size)
{
    switch (walk->protocol) {
    case EXTENSION_FRAGMENT:
        return check_fragment(walk);
    case EXTENSION_ROUTING:
        return walk->at[3] != 0 ? IP_SOURCE_ROUTE : IP_OK;
    default:
        return check_options(walk->at + 2, walk->at + size);
    }
}

static bool is_extension(uint8_t protocol)
{
    return protocol == EXTENSION_HOP_BY_HOP || protocol == EXTENSION_ROUTING ||
           protocol == EXTENSION_FRAGMENT || protocol == EXTENSION_DESTINATION;
}

/* Goes on to the payload. Extension headers may come in any order, hop-by-hop only as the first
 * (section 4.1). Hosts may limit how many and how long they are (RFC 8504, 5.3). */
static enum ip_verdict walk_extensions(struct walk *walk)
{
    uint32_t bytes_left = EXTENSION_BYTES_MAX;
    for (unsigned count = 0; is_extension(walk->protocol); count++) {
        if (count == EXTENSIONS_MAX || walk->end - walk->at < EXTENSION_UNIT)
            return IP_BAD_EXTENSION;
        if (walk->protocol == EXTENSION_HOP_BY_HOP && count > 0)
            return IP_BAD_EXTENSION;

        const uint32_t units = walk->protocol == EXTENSION_FRAGMENT ? 1 : walk->at[1] + 1U;
        const uint32_t size = units * EXTENSION_UNIT;
        if (size > bytes_left || size > (uint32_t)(walk->end - walk->at))
            return IP_BAD_EXTENSION;

        const enum ip_verdict verdict = check_extension(walk, size);
        if (verdict != IP_OK)
            return verdict;
        bytes_left -= size;
        walk->protocol = walk->at[0];
        walk->at += size;
    }
    return IP_OK;
}

static bool read_fixed_header(const uint8_t *bytes, struct ip_packet *packet)
{
    const uint32_t first = bytes_get32(bytes);
    packet->traffic_class = (uint8_t)(first >> 20);
    packet->flow_label = first & 0xfffff;
    packet->ttl = bytes[7];
    memcpy(packet->source.bytes, bytes + 8, 16);
    memcpy(packet->destination.bytes, bytes + 24, 16);
    /* A mapped address names a node of IPv4. On an IPv6 packet it could pass for one to all code
     * behind this point, so it does not come in. */
    return !address_is_ipv4(&packet->source) && !address_is_ipv4(&packet->destination);
}

static void finish(const uint8_t *bytes, const struct walk *walk, struct ip_packet *packet)
{
    packet->protocol = walk->protocol;
    packet->payload = walk->at;
    packet->payload_length = (uint32_t)(walk->end - walk->at);
    packet->header_length = (uint32_t)(walk->at - bytes);
}

enum ip_verdict ipv6_parse(const uint8_t *bytes, uint32_t length, struct ip_packet *packet)
{
    if (length < IPV6_HEADER)
        return IP_TRUNCATED;
    const uint32_t total = IPV6_HEADER + bytes_get16(bytes + 4);
    if (total > length)
        return IP_TRUNCATED;
    if (!read_fixed_header(bytes, packet))
        return IP_BAD_HEADER;

    struct walk walk = {.at = bytes + IPV6_HEADER, .end = bytes + total, .protocol = bytes[6]};
    const enum ip_verdict verdict = walk_extensions(&walk);
    if (walk.is_first_fragment)
        return IP_FRAGMENT;
    if (verdict == IP_OK)
        finish(bytes, &walk, packet);
    return verdict;
}

bool ipv6_parse_quoted(const uint8_t *bytes, uint32_t length, struct ip_packet *packet)
{
    if (length < IPV6_HEADER || !read_fixed_header(bytes, packet))
        return false;
    const uint32_t available = min_u32(length, IPV6_HEADER + bytes_get16(bytes + 4));

    struct walk walk = {.at = bytes + IPV6_HEADER, .end = bytes + available, .protocol = bytes[6]};
    if (walk_extensions(&walk) != IP_OK)
        return false;
    finish(bytes, &walk, packet);
    return packet->payload_length >= IP_QUOTED_PAYLOAD_MIN;
}

uint32_t ipv6_build(uint8_t *bytes, const struct ip_packet *packet)
{
    CHECK(packet->payload_length <= UINT16_MAX);
    CHECK(packet->flow_label <= 0xfffff);

    bytes_put32(bytes,
                UINT32_C(6) << 28 | (uint32_t)packet->traffic_class << 20 | packet->flow_label);
    bytes_put16(bytes + 4, (uint16_t)packet->payload_length);
    bytes[6] = packet->protocol;
    bytes[7] = packet->ttl;
    memcpy(bytes + 8, packet->source.bytes, 16);
    memcpy(bytes + 24, packet->destination.bytes, 16);
    return IPV6_HEADER;
}
