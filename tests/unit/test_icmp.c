/* SPDX-License-Identifier: MIT */
/* ICMP and ICMPv6: what each type and code means to TCP, echo there and back, damage noticed. */
#include "packets.h"

#include "wire/checksum.h"
#include "wire/icmp.h"

/* A message of the family with a right checksum, as ip_parse would hand it on. */
static struct ip_packet message_packet(uint8_t version, uint8_t *bytes, uint32_t length)
{
    struct ip_packet ip = {.version = version, .payload = bytes, .payload_length = length};
    struct checksum checksum = {0};
    if (version == 4) {
        ip.protocol = 1;
        ip.source = duet_ipv4(10, 0, 0, 9);
        ip.destination = duet_ipv4(10, 0, 0, 1);
    } else {
        ip.protocol = 58;
        ip.source = (struct duet_address){{0x20, 0x01, [15] = 9}};
        ip.destination = (struct duet_address){{0x20, 0x01, [15] = 1}};
        checksum_add_pseudo(&checksum, &ip.source, &ip.destination, 58, length);
    }
    if (length >= 4) {
        bytes_put16(bytes + 2, 0);
        checksum_add(&checksum, bytes, length);
        bytes_put16(bytes + 2, checksum_finish(&checksum));
    }
    return ip;
}

static void types_and_codes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t version, type, code_first, code_last;
        enum icmp_kind kind;
    } rows[] = {
        {"v4 echo reply", 4, 0, 0, 0, ICMP_IGNORED},
        {"v4 unassigned", 4, 1, 0, 255, ICMP_IGNORED},
        {"v4 net and host unreachable", 4, 3, 0, 1, ICMP_UNREACHABLE_SOFT},
        {"v4 protocol and port unreachable", 4, 3, 2, 3, ICMP_UNREACHABLE_HARD},
        {"v4 fragmentation needed", 4, 3, 4, 4, ICMP_PACKET_TOO_BIG},
        {"v4 source route failed", 4, 3, 5, 5, ICMP_UNREACHABLE_SOFT},
        {"v4 unknown, isolated, prohibited, TOS", 4, 3, 6, 15, ICMP_UNREACHABLE_SOFT},
        {"v4 unreachable, unknown code", 4, 3, 16, 255, ICMP_IGNORED},
        {"v4 source quench", 4, 4, 0, 0, ICMP_SOURCE_QUENCH},
        {"v4 redirect", 4, 5, 0, 3, ICMP_REDIRECT},
        {"v4 echo request", 4, 8, 0, 0, ICMP_ECHO_REQUEST},
        {"v4 router advertisement", 4, 9, 0, 0, ICMP_IGNORED},
        {"v4 time exceeded", 4, 11, 0, 1, ICMP_TIME_EXCEEDED},
        {"v4 parameter problem", 4, 12, 0, 2, ICMP_PARAMETER_PROBLEM},
        {"v4 timestamp", 4, 13, 0, 0, ICMP_IGNORED},
        {"v4 with a type of v6", 4, 128, 0, 0, ICMP_IGNORED},
        {"v6 reserved", 6, 0, 0, 0, ICMP_IGNORED},
        {"v6 no route", 6, 1, 0, 0, ICMP_UNREACHABLE_SOFT},
        {"v6 prohibited", 6, 1, 1, 1, ICMP_UNREACHABLE_HARD},
        {"v6 beyond scope, address", 6, 1, 2, 3, ICMP_UNREACHABLE_SOFT},
        {"v6 port", 6, 1, 4, 4, ICMP_UNREACHABLE_HARD},
        {"v6 source policy, reject route", 6, 1, 5, 6, ICMP_UNREACHABLE_HARD},
        {"v6 source routing, headers too long", 6, 1, 7, 8, ICMP_UNREACHABLE_SOFT},
        {"v6 unreachable, unknown code", 6, 1, 9, 255, ICMP_IGNORED},
        {"v6 packet too big, any code", 6, 2, 0, 255, ICMP_PACKET_TOO_BIG},
        {"v6 time exceeded", 6, 3, 0, 1, ICMP_TIME_EXCEEDED},
        {"v6 parameter problem", 6, 4, 0, 2, ICMP_PARAMETER_PROBLEM},
        {"v6 unknown error", 6, 100, 0, 0, ICMP_IGNORED},
        {"v6 echo request", 6, 128, 0, 0, ICMP_ECHO_REQUEST},
        {"v6 echo reply", 6, 129, 0, 0, ICMP_IGNORED},
        {"v6 router and neighbour discovery", 6, 135, 0, 0, ICMP_IGNORED},
        {"v6 redirect", 6, 137, 0, 0, ICMP_REDIRECT},
        {"v6 with a type of v4", 6, 8, 0, 0, ICMP_IGNORED},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (unsigned code = rows[i].code_first; code <= rows[i].code_last; code++) {
            uint8_t bytes[8 + 28] = {rows[i].type, (uint8_t)code};
            const struct ip_packet ip = message_packet(rows[i].version, bytes, sizeof bytes);
            struct icmp_message message;
            icmp_parse(&ip, &message);
            EXPECT_EQUAL(rows[i].name, message.kind, rows[i].kind);
            EXPECT_EQUAL(rows[i].name, message.type, rows[i].type);
            EXPECT_EQUAL(rows[i].name, message.code, code);
            EXPECT(rows[i].name, message.data == bytes + 8);
            EXPECT_EQUAL(rows[i].name, message.data_length, 28);
        }
    }
}

static void claimed_mtu(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t version, type, code;
        uint32_t word; /* bytes 4 to 7 */
        uint32_t mtu;
    } rows[] = {
        {"v4", 4, 3, 4, 1400, 1400},
        {"v4, upper half is not used", 4, 3, 4, 0xdead0240, 576},
        {"v4, old router says nothing", 4, 3, 4, 0, 0},
        {"v4, another error has none", 4, 3, 1, 1400, 0},
        {"v6", 6, 2, 0, 1280, 1280},
        {"v6, 32 bits", 6, 2, 0, 0xffffffff, 0xffffffff},
        {"v6, another error has none", 6, 1, 0, 1280, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t bytes[36] = {rows[i].type, rows[i].code};
        bytes_put32(bytes + 4, rows[i].word);
        const struct ip_packet ip = message_packet(rows[i].version, bytes, sizeof bytes);
        struct icmp_message message;
        icmp_parse(&ip, &message);
        EXPECT_EQUAL(rows[i].name, message.mtu, rows[i].mtu);
    }
}

static void malformed_messages(void **state)
{
    (void)state;
    static const uint8_t versions[] = {4, 6};
    const struct guard guard = guard_make(64);
    for (size_t v = 0; v < COUNT_OF(versions); v++) {
        for (uint32_t length = 0; length <= 16; length++) {
            uint8_t bytes[16] = {versions[v] == 4 ? 8 : 128};
            struct ip_packet ip = message_packet(versions[v], bytes, length);
            struct icmp_message message;
            ip.payload = guard_place(&guard, bytes, length);
            icmp_parse(&ip, &message);
            EXPECT_EQUAL("length", message.kind, length < 8 ? ICMP_MALFORMED : ICMP_ECHO_REQUEST);
        }
        for (uint32_t bit = 0; bit < 8 * 17; bit++) {
            uint8_t bytes[17] = {versions[v] == 4 ? 8 : 128, [16] = 0x31};
            const struct ip_packet ip = message_packet(versions[v], bytes, sizeof bytes);
            struct icmp_message message;
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            icmp_parse(&ip, &message);
            EXPECT_EQUAL("flipped bit", message.kind, ICMP_MALFORMED);
        }
    }
    guard_drop(&guard);
}

static void dialect_of_the_other_family(void **state)
{
    (void)state;
    uint8_t bytes[8] = {8};
    struct icmp_message message;
    struct ip_packet ip = message_packet(4, bytes, sizeof bytes);
    ip.protocol = 58;
    icmp_parse(&ip, &message);
    EXPECT_EQUAL("ICMPv6 in IPv4", message.kind, ICMP_MALFORMED);

    bytes[0] = 128;
    ip = message_packet(6, bytes, sizeof bytes);
    ip.protocol = 1;
    icmp_parse(&ip, &message);
    EXPECT_EQUAL("ICMP in IPv6", message.kind, ICMP_MALFORMED);
}

static void checksum_of_icmpv6_has_a_pseudo_header(void **state)
{
    (void)state;
    uint8_t bytes[8] = {128};
    struct ip_packet ip = message_packet(6, bytes, sizeof bytes);
    struct icmp_message message;
    ip.source.bytes[15] ^= 1;
    icmp_parse(&ip, &message);
    EXPECT_EQUAL("another source", message.kind, ICMP_MALFORMED);
}

/* An echo request as ping sends it, 32 bytes "abcdefg..", identifier 1, sequence 5: checksum 4d56.
 */
static void ping_by_hand(void **state)
{
    (void)state;
    uint8_t bytes[40] = {8, 0, 0x4d, 0x56, 0, 1, 0, 5};
    for (unsigned i = 0; i < 32; i++)
        bytes[8 + i] = (uint8_t)('a' + i % 23);
    const struct ip_packet ip = {
        .version = 4, .protocol = 1, .payload = bytes, .payload_length = sizeof bytes};
    struct icmp_message message;
    icmp_parse(&ip, &message);
    EXPECT_EQUAL("kind", message.kind, ICMP_ECHO_REQUEST);
    EXPECT_EQUAL("identifier", message.identifier, 1);
    EXPECT_EQUAL("sequence", message.sequence, 5);
    EXPECT_EQUAL("data", message.data_length, 32);

    const struct duet_address us = duet_ipv4(10, 0, 0, 1), them = duet_ipv4(10, 0, 0, 9);
    icmp_build_echo_reply(bytes, 1, 5, 32, &us, &them);
    static const uint8_t head[8] = {0, 0, 0x55, 0x56, 0, 1, 0, 5};
    EXPECT_BYTES("reply", bytes, head, sizeof head);
    EXPECT_BYTES("data stays", bytes + 8, "abcdefghijklmnopqrstuvwabcdefghi", 32);
}

static void reply_of_any_length_is_well_formed(void **state)
{
    (void)state;
    static const uint8_t versions[] = {4, 6};
    for (size_t v = 0; v < COUNT_OF(versions); v++) {
        for (uint32_t length = 0; length <= 65; length++) {
            uint8_t bytes[8 + 66];
            memset(bytes, 0xc3, sizeof bytes);
            struct ip_packet ip = message_packet(versions[v], bytes, 8);
            memset(bytes, 0xc3, sizeof bytes);
            icmp_build_echo_reply(bytes, 0xbeef, 0xffff, length, &ip.source, &ip.destination);
            ip.payload_length = 8 + length;
            struct icmp_message message;
            icmp_parse(&ip, &message);
            EXPECT_EQUAL("understood", message.kind, ICMP_IGNORED);
            EXPECT_EQUAL("type", message.type, versions[v] == 4 ? 0 : 129);
            EXPECT_EQUAL("identifier", bytes_get16(bytes + 4), 0xbeef);
            EXPECT_EQUAL("sequence", bytes_get16(bytes + 6), 0xffff);
            EXPECT_EQUAL("behind it", bytes[8 + length], 0xc3);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_and_codes),
        cmocka_unit_test(claimed_mtu),
        cmocka_unit_test(malformed_messages),
        cmocka_unit_test(dialect_of_the_other_family),
        cmocka_unit_test(checksum_of_icmpv6_has_a_pseudo_header),
        cmocka_unit_test(ping_by_hand),
        cmocka_unit_test(reply_of_any_length_is_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
