/* SPDX-License-Identifier: MIT */
/* The first door, duet_input: packets that no script can write, and what happens when a pool is empty.
 * Each malformed packet meets the rule that its row names, no answer leaves, and no record is made. */
#include "rig.h"

#include "host/coverage.h"

enum { LOCAL_PORT = 80, REMOTE_PORT = 4321, IPV4_SUM = 10 };

static void finish(struct rig *rig)
{
    duet_coverage_note(rig->stack);
    rig_end(rig);
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void listen_at(struct rig *rig, const struct tcp_tuple *tuple, uint32_t backlog,
                      struct duet_handle *listener)
{
    const struct duet_listen_options options = {.local = {tuple->local, tuple->local_port},
                                                .backlog = backlog};
    assert_int_equal(duet_listen(rig->stack, rig->now, &options, listener), DUET_OK);
}

static void start_listening(struct rig *rig, const struct tcp_tuple *tuple)
{
    struct duet_config config;
    struct duet_handle listener;
    rig_config(&config);
    rig_start(rig, &config);
    listen_at(rig, tuple, 8, &listener);
}

static uint32_t encode_syn(uint8_t *bytes, const struct tcp_tuple *tuple)
{
    const struct rig_segment syn = {.flags = DUET_SYN, .seq = 0xfffffff0, .window = 65535};
    return rig_encode(bytes, tuple, &syn);
}

/* Bytes [0, length) go in; the rule must be applied once more, and nothing may come of it. */
static void expect_dropped(const char *row, struct rig *rig, const uint8_t *bytes, uint32_t length,
                           enum tcp_rule rule)
{
    struct guard guard = guard_make(length + 1);
    uint8_t *at = guard_place(&guard, bytes, length); /* reading on would stop the test */
    const uint64_t before = rig_hits(rig, rule);
    const struct duet_packet packet = {.data = at, .size = length, .length = length};
    duet_input(rig->stack, rig->now, &packet);
    EXPECT_EQUAL(row, rig_hits(rig, rule), before + 1);
    EXPECT_BYTES(row, at, bytes, length);
    rig_silence(row, rig);
    struct duet_counters counters;
    duet_counters(rig->stack, &counters);
    EXPECT_EQUAL(row, counters.half_open, 0);
    EXPECT_EQUAL(row, counters.connections, 0);
    guard_drop(&guard);
}

/* ---- IPv4 and TCP headers ---- */

enum { SAME = UINT16_MAX };

static void malformed_ipv4(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint16_t length; /* of the packet on the link, SAME: as encoded */
        uint16_t at[2];  /* bytes changed, 0: none */
        uint8_t to[2];
        enum tcp_rule rule;
        bool keep_sum; /* the header checksum is left wrong */
    } rows[] = {
        {"nothing at all", 0, {0}, {0}, TCP_RULE_IP_TRUNCATED, false},
        {"one byte", 1, {0}, {0}, TCP_RULE_IP_TRUNCATED, false},
        {"19 bytes", 19, {0}, {0}, TCP_RULE_IP_TRUNCATED, false},
        {"shorter than its total length", 39, {0}, {0}, TCP_RULE_IP_TRUNCATED, false},
        {"total length below the header", SAME, {3}, {19}, TCP_RULE_IP_BAD_HEADER, false},
        {"a wrong checksum", SAME, {8}, {1}, TCP_RULE_IP_BAD_CHECKSUM, true},
        {"more fragments follow", SAME, {6}, {0x20}, TCP_RULE_IP_FRAGMENT, false},
        {"a fragment from behind", SAME, {7}, {1}, TCP_RULE_IP_FRAGMENT, false},
        {"the protocol of UDP", SAME, {9}, {17}, TCP_RULE_IP_UNKNOWN_PROTOCOL, false},
        {"ICMPv6 on IPv4", SAME, {9}, {58}, TCP_RULE_IP_UNKNOWN_PROTOCOL, false},
        {"from 0.0.0.2", SAME, {12}, {0}, TCP_RULE_IP_BAD_SOURCE, false},
        {"from 127.0.0.2", SAME, {12}, {127}, TCP_RULE_IP_BAD_SOURCE, false},
        {"from 224.0.0.2", SAME, {12}, {224}, TCP_RULE_IP_BAD_SOURCE, false},
        {"from 240.0.0.2", SAME, {12}, {240}, TCP_RULE_IP_BAD_SOURCE, false},
        {"from the subnet's broadcast", SAME, {15}, {255}, TCP_RULE_IP_BAD_SOURCE, false},
        {"from the subnet's number", SAME, {15}, {0}, TCP_RULE_IP_BAD_SOURCE, false},
        {"from ourselves", SAME, {15}, {1}, TCP_RULE_IP_OWN_SOURCE, false},
        {"to the subnet's broadcast", SAME, {19}, {255}, TCP_RULE_IP_NOT_UNICAST, false},
        {"to 224.0.0.1", SAME, {16}, {224}, TCP_RULE_IP_NOT_UNICAST, false},
        {"to 10.0.0.3", SAME, {19}, {3}, TCP_RULE_IP_NOT_OURS, false},
        {"a TCP header cut short", SAME, {3}, {39}, TCP_RULE_SEGMENT_MALFORMED, false},
        {"no TCP header", SAME, {3}, {20}, TCP_RULE_SEGMENT_MALFORMED, false},
        {"Data Offset 4", SAME, {32}, {0x40}, TCP_RULE_SEGMENT_MALFORMED, false},
        {"Data Offset 6 of 20 bytes", SAME, {32}, {0x60}, TCP_RULE_SEGMENT_MALFORMED, false},
        {"a bit of the segment", SAME, {24}, {0}, TCP_RULE_SEGMENT_BAD_CHECKSUM, false},
        {"another source address", SAME, {15}, {9}, TCP_RULE_SEGMENT_BAD_CHECKSUM, false},
    };
    struct rig rig;
    const struct tcp_tuple tuple = rig_tuple(LOCAL_PORT, REMOTE_PORT);
    start_listening(&rig, &tuple);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t bytes[64];
        const uint32_t encoded = encode_syn(bytes, &tuple);
        for (unsigned e = 0; e < COUNT_OF(rows[i].at) && rows[i].at[e] != 0; e++)
            bytes[rows[i].at[e]] = rows[i].to[e];
        if (!rows[i].keep_sum) {
            put16(bytes + IPV4_SUM, 0);
            put16(bytes + IPV4_SUM, ~rig_sum(0, bytes, 20) & 0xffff);
        }
        const uint32_t length = rows[i].length == SAME ? encoded : rows[i].length;
        expect_dropped(rows[i].name, &rig, bytes, length, rows[i].rule);
    }
    finish(&rig);
}

static void versions_and_header_lengths(void **state)
{
    (void)state;
    struct rig rig;
    const struct tcp_tuple tuple = rig_tuple(LOCAL_PORT, REMOTE_PORT);
    start_listening(&rig, &tuple);
    for (unsigned first = 0; first < 256; first++) {
        uint8_t bytes[64];
        const uint32_t length = encode_syn(bytes, &tuple);
        const unsigned version = first >> 4, words = first & 15;
        if (version == 6 || (version == 4 && words == 5))
            continue;
        bytes[0] = (uint8_t)first;
        /* The sum is that of the true header, so a longer one is not the sender's. */
        const enum tcp_rule rule = version != 4              ? TCP_RULE_IP_BAD_VERSION
                                   : words < 5 || words > 10 ? TCP_RULE_IP_BAD_HEADER
                                                             : TCP_RULE_IP_BAD_CHECKSUM;
        expect_dropped("first byte", &rig, bytes, length, rule);
    }
    finish(&rig);
}

/* A SYN with IPv4 options in front of it. */
static void ipv4_options(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t option[8];
        enum tcp_rule rule; /* NONE: the SYN is answered */
    } rows[] = {
        {"loose source route", {131, 7, 4, 10, 0, 0, 9, 0}, TCP_RULE_IP_SOURCE_ROUTE},
        {"strict source route", {137, 7, 4, 10, 0, 0, 9, 0}, TCP_RULE_IP_SOURCE_ROUTE},
        {"source route without a pointer", {131, 2, 1, 1, 1, 1, 1, 1}, TCP_RULE_IP_BAD_HEADER},
        {"length 0", {7, 0, 1, 1, 1, 1, 1, 1}, TCP_RULE_IP_BAD_HEADER},
        {"length 1", {7, 1, 1, 1, 1, 1, 1, 1}, TCP_RULE_IP_BAD_HEADER},
        {"length beyond the header", {7, 9, 1, 1, 1, 1, 1, 1}, TCP_RULE_IP_BAD_HEADER},
        {"kind without a length", {1, 1, 1, 1, 1, 1, 1, 7}, TCP_RULE_IP_BAD_HEADER},
        {"record route", {7, 7, 4, 0, 0, 0, 0, 0}, TCP_RULE_NONE},
        {"unknown", {222, 8, 1, 2, 3, 4, 5, 6}, TCP_RULE_NONE},
        {"behind the end of the list", {0, 131, 2, 0, 0, 0, 0, 0}, TCP_RULE_NONE},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig rig;
        const struct tcp_tuple tuple = rig_tuple(LOCAL_PORT, REMOTE_PORT);
        uint8_t plain[64], bytes[72];
        start_listening(&rig, &tuple);
        const uint32_t length = encode_syn(plain, &tuple) + 8;
        memcpy(bytes, plain, 20);
        memcpy(bytes + 20, rows[i].option, 8);
        memcpy(bytes + 28, plain + 20, length - 28);
        bytes[0] = 0x47;
        put16(bytes + 2, length);
        put16(bytes + IPV4_SUM, 0);
        put16(bytes + IPV4_SUM, ~rig_sum(0, bytes, 28) & 0xffff);
        if (rows[i].rule != TCP_RULE_NONE) {
            expect_dropped(rows[i].name, &rig, bytes, length, rows[i].rule);
        } else {
            const struct duet_packet packet = {.data = bytes, .size = length, .length = length};
            duet_input(rig.stack, 0, &packet);
            EXPECT_EQUAL(rows[i].name, rig_drain(&rig), 1);
        }
        finish(&rig);
    }
}

/* ---- IPv6 extension headers in front of a SYN ---- */

static void ipv6_extensions(void **state)
{
    (void)state;
    enum { SIZE_MAX_OF_ROW = 32 };
    static const struct {
        const char *name;
        uint8_t next; /* of the IPv6 header */
        uint8_t size; /* of what stands in front of TCP */
        uint8_t bytes[SIZE_MAX_OF_ROW];
        enum tcp_rule rule; /* NONE: the SYN is answered */
    } rows[] = {
        {"none", 6, 0, {0}, TCP_RULE_NONE},
        {"hop-by-hop, padding", 0, 8, {6, 0, 1, 4}, TCP_RULE_NONE},
        {"hop-by-hop that is not first",
         60,
         16,
         {0, 0, 1, 4, [8] = 6, 0, 1, 4},
         TCP_RULE_IP_BAD_EXTENSION},
        {"longer than the packet", 60, 8, {6, 200, 1, 4}, TCP_RULE_IP_BAD_EXTENSION},
        {"an option that leaves its header", 60, 8, {6, 0, 1, 5}, TCP_RULE_IP_BAD_EXTENSION},
        {"an option of one byte", 60, 8, {6, 0, 1, 3, 0, 0, 0, 5}, TCP_RULE_IP_BAD_EXTENSION},
        {"an unknown option to pass over", 60, 8, {6, 0, 0x1e, 4}, TCP_RULE_NONE},
        {"an unknown option: discard", 60, 8, {6, 0, 0x5e, 4}, TCP_RULE_IP_UNKNOWN_OPTION},
        {"an unknown option: and say so", 60, 8, {6, 0, 0x9e, 4}, TCP_RULE_IP_UNKNOWN_OPTION},
        {"an unknown option: if unicast", 60, 8, {6, 0, 0xde, 4}, TCP_RULE_IP_UNKNOWN_OPTION},
        {"routing header, segments left", 43, 8, {6, 0, 0, 1}, TCP_RULE_IP_SOURCE_ROUTE},
        {"routing header at its end", 43, 8, {6, 0, 200, 0}, TCP_RULE_NONE},
        {"first fragment", 44, 8, {6, 0, 0, 1}, TCP_RULE_IP_FRAGMENT},
        {"later fragment", 44, 8, {6, 0, 0, 8}, TCP_RULE_IP_FRAGMENT},
        {"atomic fragment", 44, 8, {6, 0, 0, 0}, TCP_RULE_NONE},
        {"no next header", 59, 0, {0}, TCP_RULE_IP_UNKNOWN_PROTOCOL},
        {"ICMP of IPv4", 1, 0, {0}, TCP_RULE_IP_UNKNOWN_PROTOCOL},
        {"UDP", 17, 0, {0}, TCP_RULE_IP_UNKNOWN_PROTOCOL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig rig;
        const struct tcp_tuple tuple = rig_tuple6(LOCAL_PORT, REMOTE_PORT);
        uint8_t plain[80], bytes[80 + SIZE_MAX_OF_ROW];
        start_listening(&rig, &tuple);
        const uint32_t length = encode_syn(plain, &tuple) + rows[i].size;
        memcpy(bytes, plain, 40);
        memcpy(bytes + 40, rows[i].bytes, rows[i].size);
        memcpy(bytes + 40 + rows[i].size, plain + 40, length - 40 - rows[i].size);
        bytes[6] = rows[i].next;
        put16(bytes + 4, length - 40);
        if (rows[i].rule != TCP_RULE_NONE) {
            expect_dropped(rows[i].name, &rig, bytes, length, rows[i].rule);
        } else {
            const struct duet_packet packet = {.data = bytes, .size = length, .length = length};
            duet_input(rig.stack, 0, &packet);
            EXPECT_EQUAL(rows[i].name, rig_drain(&rig), 1);
        }
        finish(&rig);
    }
}

static void ipv6_cut_and_forged(void **state)
{
    (void)state;
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct rig rig;
    const struct tcp_tuple tuple = rig_tuple6(LOCAL_PORT, REMOTE_PORT);
    uint8_t bytes[80];
    start_listening(&rig, &tuple);
    const uint32_t length = encode_syn(bytes, &tuple);
    for (uint32_t cut = 1; cut < length; cut++)
        expect_dropped("cut", &rig, bytes, cut, TCP_RULE_IP_TRUNCATED);
    memcpy(bytes + 8, mapped, sizeof mapped);
    expect_dropped("from a mapped address", &rig, bytes, length, TCP_RULE_IP_BAD_HEADER);
    encode_syn(bytes, &tuple);
    memset(bytes + 8, 0, 16);
    expect_dropped("from ::", &rig, bytes, length, TCP_RULE_IP_BAD_SOURCE);
    bytes[8 + 15] = 1;
    expect_dropped("from ::1", &rig, bytes, length, TCP_RULE_IP_BAD_SOURCE);
    bytes[8] = 0xff;
    expect_dropped("from multicast", &rig, bytes, length, TCP_RULE_IP_BAD_SOURCE);
    encode_syn(bytes, &tuple);
    bytes[24] = 0xff;
    expect_dropped("to multicast", &rig, bytes, length, TCP_RULE_IP_NOT_UNICAST);
    finish(&rig);
}

static void port_zero(void **state)
{
    (void)state;
    struct rig rig;
    const struct tcp_tuple tuple = rig_tuple(LOCAL_PORT, REMOTE_PORT);
    uint8_t bytes[64];
    start_listening(&rig, &tuple);
    const struct tcp_tuple from = rig_tuple(LOCAL_PORT, 0), to = rig_tuple(0, REMOTE_PORT);
    expect_dropped("from port 0", &rig, bytes, encode_syn(bytes, &from),
                   TCP_RULE_SEGMENT_PORT_ZERO);
    expect_dropped("to port 0", &rig, bytes, encode_syn(bytes, &to), TCP_RULE_SEGMENT_PORT_ZERO);
    finish(&rig);
}

/* The link's word counts only where the configuration lets it. */
static void checksum_that_the_link_verified(void **state)
{
    (void)state;
    for (unsigned allowed = 0; allowed < 2; allowed++) {
        struct rig rig;
        struct duet_config config;
        struct duet_handle listener;
        const struct tcp_tuple tuple = rig_tuple(LOCAL_PORT, REMOTE_PORT);
        uint8_t bytes[64];
        rig_config(&config);
        config.offload = allowed != 0 ? DUET_OFFLOAD_CHECKSUM_IN : 0;
        rig_start(&rig, &config);
        listen_at(&rig, &tuple, 8, &listener);
        const uint32_t length = encode_syn(bytes, &tuple);
        bytes[36] ^= 1; /* the TCP checksum */
        const struct duet_packet packet = {
            .data = bytes, .size = length, .length = length, .flags = DUET_PACKET_CHECKED};
        duet_input(rig.stack, 0, &packet);
        EXPECT_EQUAL("bad sums", rig_hits(&rig, TCP_RULE_SEGMENT_BAD_CHECKSUM), 1 - allowed);
        EXPECT_EQUAL("answers", rig_drain(&rig), allowed);
        finish(&rig);
    }
}

/* ---- ICMP ---- */

/* An ICMP message from 10.0.0.2, text behind its first four bytes. */
static uint32_t encode_icmp(uint8_t *bytes, uint8_t type, uint8_t code, const uint8_t *text,
                            uint32_t length)
{
    const struct tcp_tuple tuple = rig_tuple(LOCAL_PORT, REMOTE_PORT);
    encode_syn(bytes, &tuple);
    bytes[9] = 1;
    put16(bytes + 2, 24 + length);
    put16(bytes + IPV4_SUM, 0);
    put16(bytes + IPV4_SUM, ~rig_sum(0, bytes, 20) & 0xffff);
    bytes[20] = type;
    bytes[21] = code;
    put16(bytes + 22, 0);
    memcpy(bytes + 24, text, length);
    put16(bytes + 22, ~rig_sum(0, bytes + 20, 4 + length) & 0xffff);
    return 24 + length;
}

/* What an error quotes: four unused bytes, an IPv4 header of ours, eight bytes of TCP. */
static const uint8_t quote[] = {0,  0, 0, 0, 0x45, 0, 0, 40, 0, 0,  0x40, 0,    64, 6, 0, 0,
                                10, 0, 0, 1, 10,   0, 0, 2,  0, 80, 0x10, 0xe1, 0,  0, 0, 1};

static void icmp_messages(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t type, code;
        uint32_t length; /* of the quote */
        uint8_t at, to;  /* byte of the quote changed; 0: none */
        enum tcp_rule rule;
    } rows[] = {
        {"of a connection that is not there", 3, 3, sizeof quote, 0, 0,
         TCP_RULE_ICMP_NO_CONNECTION},
        {"time exceeded for nobody", 11, 0, sizeof quote, 0, 0, TCP_RULE_ICMP_NO_CONNECTION},
        {"source quench", 4, 0, sizeof quote, 0, 0, TCP_RULE_ICMP_SOURCE_QUENCH},
        {"redirect", 5, 1, sizeof quote, 0, 0, TCP_RULE_ICMP_IGNORED},
        {"an echo reply", 0, 0, sizeof quote, 0, 0, TCP_RULE_ICMP_IGNORED},
        {"a timestamp request", 13, 0, sizeof quote, 0, 0, TCP_RULE_ICMP_IGNORED},
        {"type 200", 200, 0, sizeof quote, 0, 0, TCP_RULE_ICMP_IGNORED},
        {"unreachable, code 99", 3, 99, sizeof quote, 0, 0, TCP_RULE_ICMP_IGNORED},
        {"shorter than its head", 3, 3, 3, 0, 0, TCP_RULE_ICMP_MALFORMED},
        {"without a quote", 3, 3, 4, 0, 0, TCP_RULE_ICMP_BAD_QUOTE},
        {"a quote of seven bytes of TCP", 3, 3, sizeof quote - 1, 0, 0, TCP_RULE_ICMP_BAD_QUOTE},
        {"a quote of UDP", 3, 3, sizeof quote, 13, 17, TCP_RULE_ICMP_BAD_QUOTE},
        {"a quote of version 5", 3, 3, sizeof quote, 4, 0x55, TCP_RULE_ICMP_BAD_QUOTE},
        {"a quote of somebody else's packet", 3, 3, sizeof quote, 19, 7, TCP_RULE_ICMP_BAD_QUOTE},
    };
    struct rig rig;
    const struct tcp_tuple tuple = rig_tuple(LOCAL_PORT, REMOTE_PORT);
    start_listening(&rig, &tuple);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t text[sizeof quote], bytes[128];
        memcpy(text, quote, sizeof quote);
        if (rows[i].at != 0)
            text[rows[i].at] = rows[i].to;
        const uint32_t length =
            encode_icmp(bytes, rows[i].type, rows[i].code, text, rows[i].length);
        expect_dropped(rows[i].name, &rig, bytes, length, rows[i].rule);
    }
    uint8_t bytes[128];
    const uint32_t length = encode_icmp(bytes, 8, 0, quote, sizeof quote);
    bytes[22] ^= 1;
    expect_dropped("a wrong checksum", &rig, bytes, length, TCP_RULE_ICMP_MALFORMED);
    finish(&rig);
}

static void echo_larger_than_a_packet_of_ours(void **state)
{
    (void)state;
    struct rig rig;
    const struct tcp_tuple tuple = rig_tuple(LOCAL_PORT, REMOTE_PORT);
    static uint8_t text[1480], bytes[2048];
    start_listening(&rig, &tuple);
    const uint32_t length = encode_icmp(bytes, 8, 0, text, 1480);
    expect_dropped("1476 bytes", &rig, bytes, length, TCP_RULE_ECHO_TOO_LARGE);
    finish(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_ipv4),
        cmocka_unit_test(versions_and_header_lengths),
        cmocka_unit_test(ipv4_options),
        cmocka_unit_test(ipv6_extensions),
        cmocka_unit_test(ipv6_cut_and_forged),
        cmocka_unit_test(port_zero),
        cmocka_unit_test(checksum_that_the_link_verified),
        cmocka_unit_test(icmp_messages),
        cmocka_unit_test(echo_larger_than_a_packet_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
