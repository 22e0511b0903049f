/* SPDX-License-Identifier: MIT */
/* IPv4 headers: each verdict from a packet that differs from a good one in one thing. */
#include "packets.h"

static void good_packet(void **state)
{
    (void)state;
    struct packet packet = ipv4_packet(NULL, 0);
    struct ip_packet ip;
    const struct duet_address source = duet_ipv4(10, 0, 0, 1), destination = duet_ipv4(10, 0, 0, 2);
    ipv4_seal(&packet);
    EXPECT_EQUAL("verdict", ip_parse(packet.bytes, packet.length, &ip), IP_OK);
    EXPECT("source", duet_address_equal(&ip.source, &source));
    EXPECT("destination", duet_address_equal(&ip.destination, &destination));
    EXPECT_EQUAL("version", ip.version, 4);
    EXPECT_EQUAL("protocol", ip.protocol, 6);
    EXPECT_EQUAL("ttl", ip.ttl, 64);
    EXPECT_EQUAL("traffic class", ip.traffic_class, 0xba);
    EXPECT_EQUAL("identification", ip.identification, 0x1c46);
    EXPECT_EQUAL("header", ip.header_length, 20);
    EXPECT("payload", ip.payload == packet.bytes + 20);
    EXPECT_EQUAL("payload length", ip.payload_length, 24);
}

/* The header of RFC 1071's usual worked example, checksum b861 and all. */
static void header_from_a_book(void **state)
{
    (void)state;
    uint8_t bytes[115] = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                          0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};
    struct ip_packet ip;
    EXPECT_EQUAL("verdict", ip_parse(bytes, sizeof bytes, &ip), IP_OK);
    EXPECT_EQUAL("protocol", ip.protocol, 17);
    EXPECT_EQUAL("payload", ip.payload_length, 95);
}

static void one_field_at_a_time(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t at;
        uint16_t value; /* of the 16 bits at at */
        enum ip_verdict verdict;
    } rows[] = {
        {"nothing changed", 0, 0x45ba, IP_OK},
        {"version 0", 0, 0x05ba, IP_BAD_VERSION},
        {"version 5", 0, 0x55ba, IP_BAD_VERSION},
        {"version 15", 0, 0xf5ba, IP_BAD_VERSION},
        {"IHL 0", 0, 0x40ba, IP_BAD_HEADER},
        {"IHL 4", 0, 0x44ba, IP_BAD_HEADER},
        {"IHL 12, longer than the packet", 0, 0x4cba, IP_BAD_HEADER},
        {"total length 0", 2, 0, IP_BAD_HEADER},
        {"total length 19", 2, 19, IP_BAD_HEADER},
        {"total length 20, no payload", 2, 20, IP_OK},
        {"total length one less: padding", 2, 43, IP_OK},
        {"total length one more", 2, 45, IP_TRUNCATED},
        {"total length 65535", 2, 65535, IP_TRUNCATED},
        {"DF off", 6, 0x0000, IP_OK},
        {"reserved flag", 6, 0x8000, IP_OK},
        {"more fragments", 6, 0x2000, IP_FRAGMENT},
        {"more fragments and DF", 6, 0x6000, IP_FRAGMENT},
        {"offset 8", 6, 0x0001, IP_FRAGMENT},
        {"last offset", 6, 0x1fff, IP_FRAGMENT},
        {"TTL 0 is no business of a host", 8, 0x0006, IP_OK},
        {"some other protocol", 8, 0x40ff, IP_OK},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct packet packet = ipv4_packet(NULL, 0);
        struct ip_packet ip;
        bytes_put16(packet.bytes + rows[i].at, rows[i].value);
        ipv4_seal(&packet);
        EXPECT_EQUAL(rows[i].name, ip_parse(packet.bytes, packet.length, &ip), rows[i].verdict);
        EXPECT_EQUAL(rows[i].name, ip.version, packet.bytes[0] >> 4);
        if (rows[i].verdict == IP_OK)
            EXPECT_EQUAL(rows[i].name, ip.payload_length, bytes_get16(packet.bytes + 2) - 20);
        if (rows[i].verdict > IP_BAD_CHECKSUM)
            EXPECT_EQUAL(rows[i].name, bytes_get32(ip.source.bytes + 12), 0x0a000001);
    }
}

static void header_length_against_total_length(void **state)
{
    (void)state;
    for (uint32_t ihl = 0; ihl < 16; ihl++) {
        for (uint32_t total = 0; total <= 80; total++) {
            for (uint32_t length = 20; length <= 80; length += 4) {
                struct packet packet = ipv4_packet(NULL, 0);
                struct ip_packet ip;
                memset(packet.bytes + 20, 0, 60);
                packet.bytes[0] = (uint8_t)(0x40 | ihl);
                bytes_put16(packet.bytes + 2, (uint16_t)total);
                ipv4_seal(&packet);
                const enum ip_verdict expected = ihl < 5 || total < ihl * 4 ? IP_BAD_HEADER
                                                 : total > length           ? IP_TRUNCATED
                                                                            : IP_OK;
                EXPECT_EQUAL("verdict", ip_parse(packet.bytes, length, &ip), expected);
                if (expected == IP_OK) {
                    EXPECT_EQUAL("header", ip.header_length, ihl * 4);
                    EXPECT_EQUAL("payload", ip.payload_length, total - ihl * 4);
                }
            }
        }
    }
}

static void any_flipped_bit_of_the_header_is_noticed(void **state)
{
    (void)state;
    struct packet packet = ipv4_packet(NULL, 0);
    struct ip_packet ip;
    ipv4_seal(&packet);
    for (uint32_t bit = 32; bit < 160; bit++) { /* behind version, IHL and total length */
        packet.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        EXPECT_EQUAL("bit", ip_parse(packet.bytes, packet.length, &ip), IP_BAD_CHECKSUM);
        packet.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    EXPECT_EQUAL("mended", ip_parse(packet.bytes, packet.length, &ip), IP_OK);
}

static void options(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t options[8];
        enum ip_verdict verdict;
    } rows[] = {
        {"NOPs", {1, 1, 1, 1, 1, 1, 1, 1}, IP_OK},
        {"EOL, then what must not be read", {0, 131, 0, 0, 9, 9, 9, 9}, IP_OK},
        {"unknown option", {99, 4, 7, 7, 1, 1, 1, 1}, IP_OK},
        {"unknown option up to the end", {99, 8, 7, 7, 1, 1, 1, 1}, IP_OK},
        {"unknown option past the end", {99, 9, 7, 7, 1, 1, 1, 1}, IP_BAD_HEADER},
        {"length 255", {99, 255, 7, 7, 1, 1, 1, 1}, IP_BAD_HEADER},
        {"length 0", {99, 0, 7, 7, 1, 1, 1, 1}, IP_BAD_HEADER},
        {"length 1", {99, 1, 7, 7, 1, 1, 1, 1}, IP_BAD_HEADER},
        {"kind without length", {1, 1, 1, 1, 1, 1, 1, 99}, IP_BAD_HEADER},
        {"loose source route", {131, 7, 4, 10, 0, 0, 9, 0}, IP_SOURCE_ROUTE},
        {"strict source route", {137, 7, 4, 10, 0, 0, 9, 0}, IP_SOURCE_ROUTE},
        {"completed source route", {131, 7, 8, 10, 0, 0, 9, 0}, IP_SOURCE_ROUTE},
        {"source route behind a NOP", {1, 131, 7, 4, 10, 0, 0, 9}, IP_SOURCE_ROUTE},
        {"source route without pointer", {131, 2, 1, 1, 1, 1, 1, 1}, IP_BAD_HEADER},
        {"source route, then a bad option", {131, 3, 4, 99, 1, 1, 1, 1}, IP_BAD_HEADER},
        {"record route", {7, 7, 4, 0, 0, 0, 0, 0}, IP_OK},
        {"router alert", {148, 4, 0, 0, 0, 0, 0, 0}, IP_OK},
    };
    const struct guard guard = guard_make(PACKET_MAX);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (uint16_t payload = 0; payload <= 24; payload += 24) {
            struct packet packet = ipv4_packet(rows[i].options, 8);
            struct ip_packet ip;
            bytes_put16(packet.bytes + 2, 28 + payload);
            ipv4_seal(&packet);
            const uint8_t *at = guard_place(&guard, packet.bytes, 28U + payload);
            EXPECT_EQUAL(rows[i].name, ip_parse(at, 28U + payload, &ip), rows[i].verdict);
            if (rows[i].verdict == IP_OK) {
                EXPECT_EQUAL(rows[i].name, ip.header_length, 28);
                EXPECT_EQUAL(rows[i].name, ip.payload_length, payload);
                EXPECT("payload behind the options", ip.payload == at + 28);
            }
        }
    }
    guard_drop(&guard);
}

static void quoted_headers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t length, at;
        uint16_t value;
        bool taken;
        uint32_t payload;
    } rows[] = {
        {"whole", 44, 6, 0x4000, true, 24},
        {"8 bytes of payload", 28, 6, 0x4000, true, 8},
        {"7 bytes of payload", 27, 6, 0x4000, false, 0},
        {"header only", 20, 6, 0x4000, false, 0},
        {"header cut", 19, 6, 0x4000, false, 0},
        {"nothing", 0, 6, 0x4000, false, 0},
        {"first fragment", 28, 6, 0x2000, true, 8},
        {"later fragment", 28, 6, 0x0001, false, 0},
        {"was longer than what is quoted", 28, 2, 1500, true, 8},
        {"claims no room for ports", 44, 2, 27, false, 0},
        {"total length 0", 44, 2, 0, false, 0},
        {"TTL 0, checksum of another TTL", 28, 8, 0x0006, true, 8},
        {"IHL 4", 44, 0, 0x4400, false, 0},
        {"IHL 15", 44, 0, 0x4f00, false, 0},
        {"version 5", 44, 0, 0x5500, false, 0},
    };
    const struct guard guard = guard_make(PACKET_MAX);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct packet packet = ipv4_packet(NULL, 0);
        struct ip_packet ip;
        ipv4_seal(&packet);
        bytes_put16(packet.bytes + rows[i].at, rows[i].value);
        const uint8_t *at = guard_place(&guard, packet.bytes, rows[i].length);
        EXPECT_EQUAL(rows[i].name, ip_parse_quoted(at, rows[i].length, &ip), rows[i].taken);
        if (rows[i].taken) {
            EXPECT_EQUAL(rows[i].name, ip.payload_length, rows[i].payload);
            EXPECT("payload", ip.payload == at + 20);
            EXPECT_EQUAL(rows[i].name, bytes_get32(ip.destination.bytes + 12), 0x0a000002);
            EXPECT_EQUAL(rows[i].name, ip.protocol, 6);
        }
    }
    guard_drop(&guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_packet),
        cmocka_unit_test(header_from_a_book),
        cmocka_unit_test(one_field_at_a_time),
        cmocka_unit_test(header_length_against_total_length),
        cmocka_unit_test(any_flipped_bit_of_the_header_is_noticed),
        cmocka_unit_test(options),
        cmocka_unit_test(quoted_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
