/* SPDX-License-Identifier: MIT */
/* What IPv4 and IPv6 have in common: every truncation in front of a guard page, random damage that
 * must not be read past its end, headers built and read back, and kinds of addresses. */
#include "packets.h"

#include "base/prng.h"

static void every_truncation(void **state)
{
    (void)state;
    static const uint8_t options[] = {1, 7, 7, 4, 0, 0, 0, 0, 99, 3, 0, 0};
    struct packet packets[] = {ipv4_packet(NULL, 0), ipv4_packet(options, sizeof options),
                               ipv6_with_many_extensions()};
    const struct guard guard = guard_make(PACKET_MAX);
    ipv4_seal(&packets[0]);
    ipv4_seal(&packets[1]);
    for (size_t i = 0; i < COUNT_OF(packets); i++) {
        for (uint32_t length = 0; length <= packets[i].length; length++) {
            const uint8_t *at = guard_place(&guard, packets[i].bytes, length);
            struct ip_packet ip;
            EXPECT_EQUAL("link cut it", ip_parse(at, length, &ip),
                         length < packets[i].length ? IP_TRUNCATED : IP_OK);
        }
    }
    guard_drop(&guard);
}

/* The header's own length shrinks with the packet, so that the walk meets the end everywhere. */
static void every_truncation_that_the_header_admits(void **state)
{
    (void)state;
    const struct packet whole = ipv6_with_many_extensions();
    const struct guard guard = guard_make(PACKET_MAX);
    for (uint32_t length = 40; length <= whole.length; length++) {
        struct packet packet = whole;
        struct ip_packet ip;
        bytes_put16(packet.bytes + 4, (uint16_t)(length - 40));
        const uint8_t *at = guard_place(&guard, packet.bytes, length);
        EXPECT_EQUAL("cut", ip_parse(at, length, &ip), length < 80 ? IP_BAD_EXTENSION : IP_OK);
        EXPECT_EQUAL("quoted", ip_parse_quoted(at, length, &ip), length == 88);
    }
    guard_drop(&guard);
}

static void random_damage_stays_inside(void **state)
{
    (void)state;
    static const uint8_t interesting[] = {0, 1, 2, 6, 7, 43, 44, 60, 131, 137, 255};
    const struct guard guard = guard_make(PACKET_MAX);
    struct prng prng;
    uint32_t verdicts[IP_UNKNOWN_OPTION + 1] = {0};
    prng_seed(&prng, 11);
    for (unsigned turn = 0; turn < 300000; turn++) {
        struct packet packet = ipv6_with_many_extensions();
        if (prng_chance(&prng, 0.5)) {
            uint8_t options[40];
            for (size_t i = 0; i < sizeof options; i++)
                options[i] = interesting[prng_below(&prng, sizeof interesting)];
            packet = ipv4_packet(options, 4 * (uint32_t)prng_below(&prng, 11));
        }
        for (uint64_t changes = prng_below(&prng, 4); changes > 0; changes--)
            packet.bytes[prng_below(&prng, packet.length)] =
                prng_chance(&prng, 0.5) ? interesting[prng_below(&prng, sizeof interesting)]
                                        : (uint8_t)prng_next(&prng);
        if (packet.bytes[0] >> 4 == 4)
            ipv4_seal(&packet);
        const uint32_t length = prng_chance(&prng, 0.7)
                                    ? packet.length
                                    : (uint32_t)prng_below(&prng, packet.length + 1);
        const uint8_t *at = guard_place(&guard, packet.bytes, length);
        struct ip_packet ip;
        const enum ip_verdict verdict = ip_parse(at, length, &ip);
        verdicts[verdict]++;
        if (verdict == IP_OK) {
            EXPECT("inside", ip.payload == at + ip.header_length);
            EXPECT("inside", ip.header_length + ip.payload_length <= length);
        }
        if (ip_parse_quoted(at, length, &ip)) {
            EXPECT("8 bytes at least", ip.payload_length >= 8);
            EXPECT("inside", ip.payload + ip.payload_length <= at + length);
        }
    }
    for (size_t i = 0; i < COUNT_OF(verdicts); i++)
        EXPECT("every verdict was met", verdicts[i] > 0 || i == IP_BAD_CHECKSUM);
    guard_drop(&guard);
}

static void built_header_is_read_back(void **state)
{
    (void)state;
    const struct duet_address ipv6_source = {{0xfe, 0x80, [15] = 1}};
    const struct duet_address ipv6_destination = {{0xfe, 0x80, [15] = 2}};
    const struct ip_packet rows[] = {
        {.source = duet_ipv4(10, 1, 2, 3),
         .destination = duet_ipv4(192, 0, 2, 255),
         .protocol = 6,
         .ttl = 64,
         .traffic_class = 0xb9,
         .identification = 7,
         .payload_length = 100},
        {.source = ipv6_source,
         .destination = ipv6_destination,
         .protocol = 58,
         .ttl = 255,
         .traffic_class = 0xff,
         .flow_label = 0xfffff,
         .payload_length = 100},
        {.source = ipv6_source, .destination = ipv6_destination, .protocol = 6, .ttl = 1},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t bytes[200];
        struct ip_packet ip;
        memset(bytes, 0xff, sizeof bytes);
        const uint32_t header = ip_build(bytes, &rows[i]);
        const bool is_ipv4 = duet_address_is_ipv4(&rows[i].source);
        EXPECT_EQUAL("header", header, is_ipv4 ? IPV4_HEADER : IPV6_HEADER);
        EXPECT_EQUAL("behind it", bytes[header], 0xff);
        EXPECT_EQUAL("verdict", ip_parse(bytes, header + rows[i].payload_length, &ip), IP_OK);
        EXPECT("source", duet_address_equal(&ip.source, &rows[i].source));
        EXPECT("destination", duet_address_equal(&ip.destination, &rows[i].destination));
        EXPECT_EQUAL("protocol", ip.protocol, rows[i].protocol);
        EXPECT_EQUAL("ttl", ip.ttl, rows[i].ttl);
        EXPECT_EQUAL("traffic class", ip.traffic_class, rows[i].traffic_class);
        EXPECT_EQUAL("flow label", ip.flow_label, rows[i].flow_label);
        EXPECT_EQUAL("identification", ip.identification, 0);
        EXPECT_EQUAL("payload length", ip.payload_length, rows[i].payload_length);
        if (is_ipv4)
            EXPECT_EQUAL("DF, offset 0", bytes_get16(bytes + 6), 0x4000);
    }
}

static void build_with_two_families(void)
{
    uint8_t bytes[64];
    const struct ip_packet packet = {.source = duet_ipv4(10, 0, 0, 1)};
    ip_build(bytes, &packet);
}

static void build_what_no_length_field_holds(void)
{
    uint8_t bytes[64];
    const struct ip_packet packet = {.source = duet_ipv4(10, 0, 0, 1),
                                     .destination = duet_ipv4(10, 0, 0, 2),
                                     .payload_length = 65535 - 20 + 1};
    ip_build(bytes, &packet);
}

static void building_nonsense_is_caught(void **state)
{
    (void)state;
    expect_check_failure("two families", build_with_two_families,
                         "duet: check failed: address_is_ipv4(&packet->destination)");
    expect_check_failure("too long", build_what_no_length_field_holds,
                         "duet: check failed: total <= UINT16_MAX");
}

/* ---- addresses ---- */

static struct duet_address address_of(const char *text)
{
    struct duet_address address;
    if (duet_address_parse(text, &address) != DUET_OK) {
        print_error("not an address: %s\n", text);
        fail();
    }
    return address;
}

static void kinds_of_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum ip_address_kind kind;
    } rows[] = {
        {"0.0.0.0", IP_ADDRESS_UNSPECIFIED},
        {"0.255.255.255", IP_ADDRESS_UNSPECIFIED},
        {"1.0.0.0", IP_ADDRESS_UNICAST},
        {"10.0.0.1", IP_ADDRESS_UNICAST},
        {"126.255.255.255", IP_ADDRESS_UNICAST},
        {"127.0.0.1", IP_ADDRESS_LOOPBACK},
        {"127.255.255.255", IP_ADDRESS_LOOPBACK},
        {"128.0.0.0", IP_ADDRESS_UNICAST},
        {"223.255.255.255", IP_ADDRESS_UNICAST},
        {"224.0.0.0", IP_ADDRESS_MULTICAST},
        {"239.255.255.255", IP_ADDRESS_MULTICAST},
        {"240.0.0.0", IP_ADDRESS_RESERVED},
        {"255.255.255.254", IP_ADDRESS_RESERVED},
        {"255.255.255.255", IP_ADDRESS_BROADCAST},
        {"::", IP_ADDRESS_UNSPECIFIED},
        {"::1", IP_ADDRESS_LOOPBACK},
        {"::2", IP_ADDRESS_RESERVED},
        {"::10.0.0.1", IP_ADDRESS_RESERVED},
        {"::1:0:0", IP_ADDRESS_UNICAST},
        {"2001:db8::1", IP_ADDRESS_UNICAST},
        {"fe80::1", IP_ADDRESS_UNICAST},
        {"feff::1", IP_ADDRESS_UNICAST},
        {"ff02::1", IP_ADDRESS_MULTICAST},
        {"ffff::", IP_ADDRESS_MULTICAST},
        {"64:ff9b::10.0.0.1", IP_ADDRESS_UNICAST},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct duet_address address = address_of(rows[i].text);
        EXPECT_EQUAL(rows[i].text, ip_address_kind(&address), rows[i].kind);
    }
}

static void broadcasts_of_subnets(void **state)
{
    (void)state;
    static const struct {
        const char *address, *interface;
        uint8_t prefix_length;
        bool is_broadcast;
    } rows[] = {
        {"192.168.1.255", "192.168.1.5", 24, true},   {"192.168.1.0", "192.168.1.5", 24, true},
        {"192.168.1.254", "192.168.1.5", 24, false},  {"192.168.1.5", "192.168.1.5", 24, false},
        {"192.168.2.255", "192.168.1.5", 24, false},  {"192.168.1.255", "192.168.1.5", 16, false},
        {"192.168.255.255", "192.168.1.5", 16, true}, {"10.0.0.3", "10.0.0.1", 30, true},
        {"10.0.0.0", "10.0.0.1", 30, true},           {"10.0.0.2", "10.0.0.1", 30, false},
        {"10.0.0.1", "10.0.0.0", 31, false},          {"10.0.0.1", "10.0.0.1", 32, false},
        {"255.255.255.255", "10.0.0.1", 0, true},     {"10.0.0.1", "10.0.0.1", 0, false},
        {"2001:db8::ff", "2001:db8::1", 24, false},   {"10.0.0.255", "2001:db8::1", 24, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct duet_address address = address_of(rows[i].address);
        const struct duet_interface interface = {.address = address_of(rows[i].interface),
                                                 .prefix_length = rows[i].prefix_length};
        EXPECT_EQUAL(rows[i].address, ip_is_subnet_broadcast(&address, &interface),
                     rows[i].is_broadcast);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation),
        cmocka_unit_test(every_truncation_that_the_header_admits),
        cmocka_unit_test(random_damage_stays_inside),
        cmocka_unit_test(built_header_is_read_back),
        cmocka_unit_test(building_nonsense_is_caught),
        cmocka_unit_test(kinds_of_addresses),
        cmocka_unit_test(broadcasts_of_subnets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
