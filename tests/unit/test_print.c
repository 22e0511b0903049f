/* SPDX-License-Identifier: MIT */
/* Flags as names and as six bits. */
#include "unit.h"

#include "duet/trace.h"
#include "wire/print.h"

static const struct {
    uint16_t flags;
    const char *names, *bits;
} rows[] = {
    {0, "none", "000000"},
    {DUET_SYN, "SYN", "000010"},
    {DUET_SYN | DUET_ACK, "SYN,ACK", "010010"},
    {DUET_ACK, "ACK", "010000"},
    {DUET_FIN, "FIN", "000001"},
    {DUET_FIN | DUET_ACK, "FIN,ACK", "010001"},
    {DUET_RST, "RST", "000100"},
    {DUET_RST | DUET_ACK, "RST,ACK", "010100"},
    {DUET_PSH | DUET_ACK, "PSH,ACK", "011000"},
    {DUET_URG | DUET_ACK, "ACK,URG", "110000"},
    {DUET_SYN | DUET_ECE | DUET_CWR, "SYN,ECE,CWR", "000010"},
    {DUET_AE, "AE", "000000"},
    {DUET_SYN | DUET_FIN, "SYN,FIN", "000011"},
    {0x3f, "SYN,FIN,RST,PSH,ACK,URG", "111111"},
    {0x1ff, "SYN,FIN,RST,PSH,ACK,URG,ECE,CWR,AE", "111111"},
    {0xfe00, "none", "000000"}, /* not flags at all */
};

static void names(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[40];
        EXPECT_EQUAL(rows[i].names, print_flags(text, sizeof text, rows[i].flags),
                     strlen(rows[i].names));
        EXPECT_TEXT(rows[i].names, text, rows[i].names);
    }
}

static void bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[8] = {[7] = '!'};
        print_bits(text, rows[i].flags);
        EXPECT_TEXT(rows[i].names, text, rows[i].bits);
        EXPECT_EQUAL("seven bytes", text[7], '!');
    }
}

static void too_little_room(void **state)
{
    (void)state;
    static const char *const expected[] = {"",     "",      "S",      "SY",      "SYN",
                                           "SYN,", "SYN,A", "SYN,AC", "SYN,ACK", "SYN,ACK"};
    for (size_t size = 0; size < COUNT_OF(expected); size++) {
        char text[16];
        memset(text, '!', sizeof text);
        EXPECT_EQUAL("length wanted", print_flags(text, size, DUET_SYN | DUET_ACK), 7);
        if (size > 0)
            EXPECT_TEXT("cut", text, expected[size]);
        for (size_t i = size; i < sizeof text; i++)
            EXPECT_EQUAL("behind the room", text[i], '!');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(bits),
        cmocka_unit_test(too_little_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
