/* SPDX-License-Identifier: MIT */
/* Addresses as text, by the examples of RFC 4291 and RFC 5952, and beside the C library's functions
 * on random addresses. */
#include "unit.h"

#include <arpa/inet.h>

#include "base/prng.h"
#include "duet/stack.h"

static void text_there_and_back(void **state)
{
    (void)state;
    static const struct {
        const char *text, *canonical;
    } rows[] = {
        {"0.0.0.0", "0.0.0.0"},
        {"1.2.3.4", "1.2.3.4"},
        {"192.0.2.255", "192.0.2.255"},
        {"255.255.255.255", "255.255.255.255"},
        {"10.20.100.9", "10.20.100.9"},
        {"::", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"::FFFF:C000:0201", "192.0.2.1"},
        {"0:0:0:0:0:ffff:0:0", "0.0.0.0"},
        {"::192.0.2.1", "::c000:201"},
        {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
        {"1:2:3:4:5:6:7.8.9.10", "1:2:3:4:5:6:708:90a"},
        {"1::5:6:7.8.9.10", "1::5:6:708:90a"},
        {"2001:db8:0:0:8:800:200c:417a", "2001:db8::8:800:200c:417a"},
        {"FF01:0:0:0:0:0:0:101", "ff01::101"},
        {"2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"},
        {"2001:db8::0:1", "2001:db8::1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"1:0:0:4:5:6:7:8", "1::4:5:6:7:8"},
        {"0:0:3:4:5:6:7:8", "::3:4:5:6:7:8"},
        {"0:2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
        {"1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0"},
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
        {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
        {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
        {"ABCD:EF01:2345:6789:abcd:ef01:2345:6789", "abcd:ef01:2345:6789:abcd:ef01:2345:6789"},
        {"fe80::00a0:000b", "fe80::a0:b"},
        {"10:200:3000::f", "10:200:3000::f"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct duet_address address, again;
        char text[DUET_ADDRESS_TEXT];
        EXPECT_EQUAL(rows[i].text, duet_address_parse(rows[i].text, &address), DUET_OK);
        EXPECT_EQUAL(rows[i].text, duet_address_format(&address, text), strlen(rows[i].canonical));
        EXPECT_TEXT(rows[i].text, text, rows[i].canonical);
        EXPECT_EQUAL(rows[i].text, duet_address_parse(text, &again), DUET_OK);
        EXPECT(rows[i].text, duet_address_equal(&address, &again));
    }
}

static void what_is_no_address(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        " ",
        "1",
        "1.2.3",
        "1.2.3.",
        "1.2.3.4.",
        "1.2.3.4.5",
        ".1.2.3.4",
        "1..3.4",
        "256.1.1.1",
        "1.1.1.1000",
        "01.2.3.4",
        "1.2.3.00",
        "1.2.3.4 ",
        " 1.2.3.4",
        "1.2.3.-4",
        "1.2.3.a",
        "0x1.2.3.4",
        ":",
        ":::",
        "1:",
        ":1",
        "1:2",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8:",
        "1:2:3:4:5:6:7:8::",
        "1:2:3:4::5:6:7:8",
        "::1:2:3:4:5:6:7:8",
        ":1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7:",
        "1::2::3",
        "1:::2",
        ":::1",
        "12345::",
        "00001::",
        "g::",
        "::g",
        "1::-2",
        "::1%eth0",
        "::1/64",
        "::1 ",
        "[::1]",
        "::1.2.3",
        "::1.2.3.4.5",
        "::1.2.3.256",
        "::01.2.3.4",
        "::1.2.3.4:5",
        "1.2.3.4::",
        "1:2:3:4:5:6:7:1.2.3.4",
        "1:2:3:4:5:1.2.3.4",
        "1:2:3:4:5:6::1.2.3.4",
        "::ffff:1.2.3.4 ",
        "::a.2.3.4",
        "::1234.2.3.4",
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct duet_address address, untouched;
        memset(&address, 0x77, sizeof address);
        memset(&untouched, 0x77, sizeof untouched);
        EXPECT_EQUAL(rows[i], duet_address_parse(rows[i], &address), DUET_E_ARG);
        EXPECT_BYTES(rows[i], &address, &untouched, sizeof address);
    }
    struct duet_address address;
    EXPECT_EQUAL("no text", duet_address_parse(NULL, &address), DUET_E_ARG);
}

static void predicates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_ipv4, is_any;
    } rows[] = {
        {"0.0.0.0", true, true},
        {"0.0.0.1", true, false},
        {"10.0.0.1", true, false},
        {"::", false, true},
        {"::1", false, false},
        {"::ffff:0:0", true, true},
        {"::10.0.0.1", false, false},
        {"::fffe:10.0.0.1", false, false},
        {"1::ffff:10.0.0.1", false, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct duet_address address;
        EXPECT_EQUAL(rows[i].text, duet_address_parse(rows[i].text, &address), DUET_OK);
        EXPECT_EQUAL(rows[i].text, duet_address_is_ipv4(&address), rows[i].is_ipv4);
        EXPECT_EQUAL(rows[i].text, duet_address_is_any(&address), rows[i].is_any);
    }
}

static void equal_means_every_byte(void **state)
{
    (void)state;
    const struct duet_address address = duet_ipv4(10, 1, 2, 3);
    static const uint8_t bytes[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3};
    EXPECT_BYTES("mapped", address.bytes, bytes, 16);
    EXPECT("itself", duet_address_equal(&address, &address));
    for (size_t i = 0; i < 16; i++) {
        struct duet_address other = address;
        other.bytes[i] ^= 0x80;
        EXPECT("one byte", !duet_address_equal(&address, &other));
    }
}

static void longest_texts_fit(void **state)
{
    (void)state;
    struct duet_address address;
    char text[DUET_ADDRESS_TEXT + 1];
    memset(&address, 0xff, sizeof address);
    text[DUET_ADDRESS_TEXT] = '!';
    EXPECT_EQUAL("IPv6", duet_address_format(&address, text), 39);
    EXPECT_EQUAL("IPv6", text[DUET_ADDRESS_TEXT], '!');
    address = duet_ipv4(255, 255, 255, 255);
    EXPECT_EQUAL("IPv4", duet_address_format(&address, text), 15);
}

/* Random addresses, rich in zeros, as inet_ntop has them; and what it writes is read the same. It
 * leaves IPv4-compatible addresses as dotted quads, which RFC 5952 does not ask for. */
static void random_addresses_beside_the_c_library(void **state)
{
    (void)state;
    struct prng prng;
    prng_seed(&prng, 8);
    for (unsigned turn = 0; turn < 100000; turn++) {
        struct duet_address address = {{0}}, read;
        char ours[DUET_ADDRESS_TEXT], theirs[INET6_ADDRSTRLEN];
        const uint64_t zeros = prng_next(&prng);
        for (unsigned i = 0; i < 16; i++)
            address.bytes[i] = (zeros >> (i / 2) & 1) != 0 ? 0 : (uint8_t)prng_next(&prng);
        assert_non_null(inet_ntop(AF_INET6, address.bytes, theirs, sizeof theirs));
        duet_address_format(&address, ours);
        EXPECT_EQUAL(theirs, duet_address_parse(theirs, &read), DUET_OK);
        EXPECT(theirs, duet_address_equal(&read, &address));
        if (strchr(theirs, '.') == NULL)
            EXPECT_TEXT(theirs, ours, theirs);
    }
}

/* Damaged text: we take it exactly when the C library does. */
static void random_text_beside_the_c_library(void **state)
{
    (void)state;
    static const char alphabet[] = "0011fa9::::...5";
    struct prng prng;
    unsigned taken = 0;
    prng_seed(&prng, 9);
    for (unsigned turn = 0; turn < 300000; turn++) {
        char text[40] = "1:2::3:1.2.3.4";
        size_t length = strlen(text);
        if (prng_chance(&prng, 0.3))
            for (length = 0; length < 15; length++)
                text[length] = alphabet[prng_below(&prng, sizeof alphabet - 1)];
        for (uint64_t changes = prng_below(&prng, 4); changes > 0; changes--)
            text[prng_below(&prng, length)] = alphabet[prng_below(&prng, sizeof alphabet - 1)];
        text[prng_chance(&prng, 0.5) ? length : prng_below(&prng, length + 1)] = '\0';

        struct duet_address ours;
        uint8_t theirs[16], quad[4];
        const bool is_quad = inet_pton(AF_INET, text, quad) == 1;
        const bool is_group = inet_pton(AF_INET6, text, theirs) == 1;
        const bool is_ours = duet_address_parse(text, &ours) == DUET_OK;
        EXPECT_EQUAL(text, is_ours, is_quad || is_group);
        if (is_quad)
            EXPECT_BYTES(text, ours.bytes + 12, quad, 4);
        else if (is_group)
            EXPECT_BYTES(text, ours.bytes, theirs, 16);
        taken += is_ours;
    }
    EXPECT("both kinds of text came", taken > 10000 && taken < 290000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_there_and_back),
        cmocka_unit_test(what_is_no_address),
        cmocka_unit_test(predicates),
        cmocka_unit_test(equal_means_every_byte),
        cmocka_unit_test(longest_texts_fit),
        cmocka_unit_test(random_addresses_beside_the_c_library),
        cmocka_unit_test(random_text_beside_the_c_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
