/* SPDX-License-Identifier: MIT */
/* The IPv4 header (RFC 791, section 3.1) as an end host reads it (RFC 1122, section 3.2.1).
 * Fragments are not put together again: TCP sends with DF and so do the peers it meets. */
#include "base/bytes.h"
#include "base/check.h"
#include "wire/checksum.h"
#include "wire/ip_versions.h"

enum {
    OPTION_EOL = 0,
    OPTION_NOP = 1,
    OPTION_LSRR = 131,
    OPTION_SSRR = 137,
    OPTION_ROUTE_MIN = 3, /* type, length, pointer */
};

enum { DONT_FRAGMENT = 0x4000, MORE_FRAGMENTS = 0x2000, FRAGMENT_OFFSET = 0x1fff };

static uint32_t header_length(const uint8_t *bytes)
{
    return (bytes[0] & 15U) * 4U;
}

static struct duet_address read_address(const uint8_t *at)
{
    return duet_ipv4(at[0], at[1], at[2], at[3]);
}

static void read_fixed_header(const uint8_t *bytes, struct ip_packet *packet)
{
    packet->source = read_address(bytes + 12);
    packet->destination = read_address(bytes + 16);
    packet->protocol = bytes[9];
    packet->ttl = bytes[8];
    packet->traffic_class = bytes[1];
    packet->identification = bytes_get16(bytes + 4);
    packet->header_length = header_length(bytes);
    packet->payload = bytes + packet->header_length;
}

/* Every turn takes at least one of at most 40 bytes. Options we do not know are passed over. */
static enum ip_verdict check_options(const uint8_t *at, const uint8_t *end)
{
    bool source_route = false;
    while (at < end && *at != OPTION_EOL) {
        if (*at == OPTION_NOP) {
            at++;
            continue;
        }
        if (end - at < 2 || at[1] < 2 || at[1] > end - at)
            return IP_BAD_HEADER;
        if (*at == OPTION_LSRR || *at == OPTION_SSRR) {
            if (at[1] < OPTION_ROUTE_MIN)
                return IP_BAD_HEADER;
            source_route = true;
        }
        at += at[1];
    }
    return source_route ? IP_SOURCE_ROUTE : IP_OK;
}

enum ip_verdict ipv4_parse(const uint8_t *bytes, uint32_t length, struct ip_packet *packet)
{
    if (length < IPV4_HEADER)
        return IP_TRUNCATED;
    const uint32_t header = header_length(bytes);
    const uint32_t total = bytes_get16(bytes + 2);
    if (header < IPV4_HEADER || total < header)
        return IP_BAD_HEADER;
    if (total > length)
        return IP_TRUNCATED;

    struct checksum checksum = {0}; /* RFC 1122, 3.2.1.2: a host MUST verify it */
    checksum_add_words(&checksum, bytes, header);
    if (checksum_finish(&checksum) != 0)
        return IP_BAD_CHECKSUM;

    const enum ip_verdict options =
        header > IPV4_HEADER ? check_options(bytes + IPV4_HEADER, bytes + header) : IP_OK;
    if (options == IP_BAD_HEADER)
        return IP_BAD_HEADER;

    read_fixed_header(bytes, packet);
    packet->payload_length = total - header;
    if ((bytes_get16(bytes + 6) & (MORE_FRAGMENTS | FRAGMENT_OFFSET)) != 0)
        return IP_FRAGMENT;
    return options;
}

/* Neither the checksum nor the total length is asked for much: routers on the way changed the TTL,
 * and what they quote is cut. */
bool ipv4_parse_quoted(const uint8_t *bytes, uint32_t length, struct ip_packet *packet)
{
    if (length < IPV4_HEADER)
        return false;
    const uint32_t header = header_length(bytes);
    const uint32_t available = min_u32(length, bytes_get16(bytes + 2));
    if (header < IPV4_HEADER || available < header + IP_QUOTED_PAYLOAD_MIN)
        return false;
    if ((bytes_get16(bytes + 6) & FRAGMENT_OFFSET) != 0)
        return false;
    read_fixed_header(bytes, packet);
    packet->payload_length = available - header;
    return true;
}

uint32_t ipv4_build(uint8_t *bytes, const struct ip_packet *packet)
{
    const uint32_t total = IPV4_HEADER + packet->payload_length;
    CHECK(total <= UINT16_MAX);

    const uint32_t source = bytes_get32(packet->source.bytes + 12);
    const uint32_t destination = bytes_get32(packet->destination.bytes + 12);
    const uint32_t first = UINT32_C(0x45000000) | (uint32_t)packet->traffic_class << 16 | total;
    const uint32_t second =
        DONT_FRAGMENT; /* RFC 6864, 4.1: the rest means nothing in an atomic one */
    const uint32_t third = (uint32_t)packet->ttl << 24 | (uint32_t)packet->protocol << 16;
    /* Summed as values: to read back at once, in other widths, what was just written takes long. */
    const uint16_t sum = checksum_fold((uint64_t)first + second + third + source + destination);

    bytes_put32(bytes, first);
    bytes_put32(bytes + 4, second);
    bytes_put32(bytes + 8, third | (uint16_t)~sum);
    bytes_put32(bytes + 12, source);
    bytes_put32(bytes + 16, destination);
    return IPV4_HEADER;
}
