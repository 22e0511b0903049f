/* SPDX-License-Identifier: MIT */
/* IPv6 headers and chains of extension headers, each from a packet that ends at a guard page. */
#include "packets.h"

static void good_packet(void **state)
{
    (void)state;
    static const uint8_t payload[20] = {1, 2, 3};
    const struct packet packet = ipv6_packet(6, payload, sizeof payload);
    struct ip_packet ip;
    EXPECT_EQUAL("verdict", ip_parse(packet.bytes, packet.length, &ip), IP_OK);
    EXPECT_EQUAL("version", ip.version, 6);
    EXPECT_BYTES("source", ip.source.bytes, packet.bytes + 8, 16);
    EXPECT_BYTES("destination", ip.destination.bytes, packet.bytes + 24, 16);
    EXPECT_EQUAL("protocol", ip.protocol, 6);
    EXPECT_EQUAL("hop limit", ip.ttl, 63);
    EXPECT_EQUAL("traffic class", ip.traffic_class, 0xba);
    EXPECT_EQUAL("flow label", ip.flow_label, 0x54321);
    EXPECT_EQUAL("header", ip.header_length, 40);
    EXPECT("payload", ip.payload == packet.bytes + 40);
    EXPECT_EQUAL("payload length", ip.payload_length, 20);
}

static void length_and_padding(void **state)
{
    (void)state;
    static const uint8_t payload[20] = {0};
    for (uint32_t claimed = 0; claimed <= 24; claimed++) {
        struct packet packet = ipv6_packet(6, payload, sizeof payload);
        struct ip_packet ip;
        bytes_put16(packet.bytes + 4, (uint16_t)claimed);
        EXPECT_EQUAL("verdict", ip_parse(packet.bytes, packet.length, &ip),
                     claimed <= 20 ? IP_OK : IP_TRUNCATED);
        if (claimed <= 20)
            EXPECT_EQUAL("payload", ip.payload_length, claimed);
    }
}

static void packet_in_ipv4_clothes_is_refused(void **state)
{
    (void)state;
    static const uint8_t payload[20] = {0};
    for (uint32_t at = 8; at <= 24; at += 16) {
        struct packet packet = ipv6_packet(6, payload, sizeof payload);
        const struct duet_address mapped = duet_ipv4(10, 0, 0, 1);
        struct ip_packet ip;
        memcpy(packet.bytes + at, mapped.bytes, 16);
        EXPECT_EQUAL("mapped", ip_parse(packet.bytes, packet.length, &ip), IP_BAD_HEADER);
        EXPECT("quoted", !ip_parse_quoted(packet.bytes, packet.length, &ip));
    }
}

static void extension_headers(void **state)
{
    (void)state;
    enum { NONE = 59, HOP = 0, ROUTE = 43, FRAGMENT = 44, DEST = 60, AH = 51, ESP = 50, TCP = 6 };
    static const struct {
        const char *name;
        uint8_t first;
        uint32_t length;
        uint8_t bytes[40];
        enum ip_verdict verdict;
        uint8_t protocol;
        uint32_t header;
    } rows[] = {
        {"no next header", NONE, 8, {0}, IP_OK, NONE, 40},
        {"AH counts as payload", AH, 8, {TCP}, IP_OK, AH, 40},
        {"ESP counts as payload", ESP, 8, {TCP}, IP_OK, ESP, 40},
        {"hop-by-hop with PadN", HOP, 12, {TCP, 0, 1, 4}, IP_OK, TCP, 48},
        {"hop-by-hop with Pad1s", HOP, 12, {TCP, 0, 0, 0, 0, 0, 0, 0}, IP_OK, TCP, 48},
        {"hop-by-hop of 16 bytes", HOP, 20, {TCP, 1, 1, 12}, IP_OK, TCP, 56},
        {"hop-by-hop with router alert", HOP, 8, {TCP, 0, 5, 2, 0, 0, 1, 0}, IP_OK, TCP, 48},
        {"destination options", DEST, 8, {TCP, 0, 1, 4}, IP_OK, TCP, 48},
        {"option that may be skipped", DEST, 8, {TCP, 0, 0x1e, 4}, IP_OK, TCP, 48},
        {"option: discard", DEST, 8, {TCP, 0, 0x5e, 4}, IP_UNKNOWN_OPTION, 0, 0},
        {"option: discard and tell", DEST, 8, {TCP, 0, 0x9e, 4}, IP_UNKNOWN_OPTION, 0, 0},
        {"option: tell unless multicast", DEST, 8, {TCP, 0, 0xde, 4}, IP_UNKNOWN_OPTION, 0, 0},
        {"jumbo payload", HOP, 8, {TCP, 0, 0xc2, 4, 0, 1, 0, 0}, IP_UNKNOWN_OPTION, 0, 0},
        {"PadN past its header", DEST, 8, {TCP, 0, 1, 5}, IP_BAD_EXTENSION, 0, 0},
        {"option without length", DEST, 8, {TCP, 0, 1, 3, 0, 0, 0, 1}, IP_BAD_EXTENSION, 0, 0},
        {"hop-by-hop, destination, TCP",
         HOP,
         16,
         {DEST, 0, 1, 4, 0, 0, 0, 0, TCP, 0, 1, 4},
         IP_OK,
         TCP,
         56},
        {"destination before routing",
         DEST,
         16,
         {ROUTE, 0, 1, 4, 0, 0, 0, 0, TCP, 0, 0, 0},
         IP_OK,
         TCP,
         56},
        {"hop-by-hop twice",
         HOP,
         16,
         {HOP, 0, 1, 4, 0, 0, 0, 0, TCP, 0, 1, 4},
         IP_BAD_EXTENSION,
         0,
         0},
        {"hop-by-hop after destination",
         DEST,
         16,
         {HOP, 0, 1, 4, 0, 0, 0, 0, TCP, 0, 1, 4},
         IP_BAD_EXTENSION,
         0,
         0},
        {"routing followed to its end", ROUTE, 8, {TCP, 0, 4, 0}, IP_OK, TCP, 48},
        {"routing with a segment left", ROUTE, 8, {TCP, 0, 4, 1}, IP_SOURCE_ROUTE, 0, 0},
        {"routing type 0 with segments left", ROUTE, 24, {TCP, 2, 0, 1}, IP_SOURCE_ROUTE, 0, 0},
        {"routing type 0 at its end", ROUTE, 24, {TCP, 2, 0, 0}, IP_OK, TCP, 64},
        {"atomic fragment", FRAGMENT, 8, {TCP, 0, 0, 0, 1, 2, 3, 4}, IP_OK, TCP, 48},
        {"atomic fragment, odd reserved byte",
         FRAGMENT,
         8,
         {TCP, 77, 0, 0, 1, 2, 3, 4},
         IP_OK,
         TCP,
         48},
        {"first fragment", FRAGMENT, 8, {TCP, 0, 0, 1}, IP_FRAGMENT, 0, 0},
        {"later fragment", FRAGMENT, 8, {TCP, 0, 0, 8}, IP_FRAGMENT, 0, 0},
        {"first fragment with a bad rest", FRAGMENT, 8, {DEST, 0, 0, 1}, IP_FRAGMENT, 0, 0},
        {"chain that ends in nothing", HOP, 8, {DEST, 0, 1, 4}, IP_BAD_EXTENSION, 0, 0},
        {"extension cut", DEST, 7, {TCP, 0, 1, 4}, IP_BAD_EXTENSION, 0, 0},
        {"extension longer than the packet", DEST, 8, {TCP, 1, 1, 4}, IP_BAD_EXTENSION, 0, 0},
        {"extension of 2048 bytes", DEST, 8, {TCP, 255, 1, 4}, IP_BAD_EXTENSION, 0, 0},
        {"fragment header cut", FRAGMENT, 7, {TCP}, IP_BAD_EXTENSION, 0, 0},
        {"ICMPv6 behind an extension", DEST, 16, {58, 0, 1, 4}, IP_OK, 58, 48},
    };
    const struct guard guard = guard_make(PACKET_MAX);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct packet packet = ipv6_packet(rows[i].first, rows[i].bytes, rows[i].length);
        struct ip_packet ip;
        const uint8_t *at = guard_place(&guard, packet.bytes, packet.length);
        EXPECT_EQUAL(rows[i].name, ip_parse(at, packet.length, &ip), rows[i].verdict);
        if (rows[i].verdict > IP_BAD_CHECKSUM)
            EXPECT_BYTES(rows[i].name, ip.source.bytes, packet.bytes + 8, 16);
        if (rows[i].verdict != IP_OK)
            continue;
        EXPECT_EQUAL(rows[i].name, ip.protocol, rows[i].protocol);
        EXPECT_EQUAL(rows[i].name, ip.header_length, rows[i].header);
        EXPECT("payload", ip.payload == at + rows[i].header);
        EXPECT_EQUAL(rows[i].name, ip.payload_length, packet.length - rows[i].header);
    }
    guard_drop(&guard);
}

static void extension_limits(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t count;
        uint8_t units; /* bytes / 8 - 1 of each */
        enum ip_verdict verdict;
    } rows[] = {
        {"eight headers", 8, 0, IP_OK},     {"nine headers", 9, 0, IP_BAD_EXTENSION},
        {"one of 512 bytes", 1, 63, IP_OK}, {"one of 520 bytes", 1, 64, IP_BAD_EXTENSION},
        {"eight of 64 bytes", 8, 7, IP_OK}, {"eight of 72 bytes", 8, 8, IP_BAD_EXTENSION},
        {"two of 256 bytes", 2, 31, IP_OK}, {"two of 264 bytes", 2, 32, IP_BAD_EXTENSION},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t chain[1024] = {0}; /* Pad1 everywhere */
        const uint32_t size = (rows[i].units + 1U) * 8;
        struct ip_packet ip;
        for (uint32_t k = 0; k < rows[i].count; k++) {
            chain[k * size] = k + 1 < rows[i].count ? 60 : 6;
            chain[k * size + 1] = rows[i].units;
        }
        const struct packet packet = ipv6_packet(60, chain, rows[i].count * size + 20);
        EXPECT_EQUAL(rows[i].name, ip_parse(packet.bytes, packet.length, &ip), rows[i].verdict);
        if (rows[i].verdict == IP_OK)
            EXPECT_EQUAL(rows[i].name, ip.payload_length, 20);
    }
}

static void quoted_headers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t first;
        uint32_t length;
        uint8_t bytes[24];
        bool taken;
        uint32_t payload;
    } rows[] = {
        {"8 bytes of payload", 6, 8, {0}, true, 8},
        {"7 bytes of payload", 6, 7, {0}, false, 0},
        {"first fragment", 44, 16, {6, 0, 0, 1}, true, 8},
        {"later fragment", 44, 16, {6, 0, 0, 8}, false, 0},
        {"behind an extension", 60, 20, {6, 0, 1, 4}, true, 12},
        {"extension cut", 60, 8, {6, 1, 1, 4}, false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct packet packet = ipv6_packet(rows[i].first, rows[i].bytes, rows[i].length);
        struct ip_packet ip;
        bytes_put16(packet.bytes + 4, 1400); /* what is quoted was longer */
        EXPECT_EQUAL(rows[i].name, ip_parse_quoted(packet.bytes, packet.length, &ip),
                     rows[i].taken);
        if (rows[i].taken) {
            EXPECT_EQUAL(rows[i].name, ip.payload_length, rows[i].payload);
            EXPECT_EQUAL(rows[i].name, ip.protocol, 6);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_packet),
        cmocka_unit_test(length_and_padding),
        cmocka_unit_test(packet_in_ipv4_clothes_is_refused),
        cmocka_unit_test(extension_headers),
        cmocka_unit_test(extension_limits),
        cmocka_unit_test(quoted_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
