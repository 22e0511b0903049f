/* SPDX-License-Identifier: MIT */
/* The Internet checksum against the example of RFC 1071, against a sum written as the RFC words it,
 * and on packets whose sums were worked out by hand. */
#include "unit.h"

#include "base/prng.h"
#include "wire/checksum.h"

/* RFC 1071, section 1, word for word: pairs of bytes as 16-bit integers, one's complement. */
static uint16_t naive_sum(const uint8_t *bytes, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
        if (sum > 0xffff)
            sum -= 0xffff;
    }
    return (uint16_t)sum;
}

/* Zero has two forms in one's complement, 0000 and ffff. A sum becomes 0000 only if all of it is
 * zeros, in both ways to add, so the two agree bit for bit. */
static uint16_t sum_of(const uint8_t *bytes, size_t size)
{
    struct checksum checksum = {0};
    checksum_add(&checksum, bytes, size);
    return checksum_partial(&checksum);
}

static void small_sums(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t bytes[12];
        size_t size;
        uint16_t sum;
    } rows[] = {
        {"nothing", {0}, 0, 0x0000},
        {"zeros", {0}, 12, 0x0000},
        {"one byte is the upper half", {0x12}, 1, 0x1200},
        {"one word", {0x12, 0x34}, 2, 0x1234},
        {"three bytes", {0x12, 0x34, 0x56}, 3, 0x6834},
        {"RFC 1071, section 3", {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}, 8, 0xddf2},
        {"carry comes round", {0xff, 0xff, 0x00, 0x01}, 4, 0x0001},
        {"all ones", {0xff, 0xff, 0xff, 0xff}, 4, 0xffff},
        {"word and its complement", {0x12, 0x34, 0xed, 0xcb}, 4, 0xffff},
        {"sums of ones and a carry", {0xff, 0xff, 0xff, 0xff, 0x80, 0x00, 0x80, 0x01}, 8, 0x0002},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        EXPECT_EQUAL(rows[i].name, sum_of(rows[i].bytes, rows[i].size), rows[i].sum);
        struct checksum checksum = {0};
        checksum_add(&checksum, rows[i].bytes, rows[i].size);
        EXPECT_EQUAL(rows[i].name, checksum_finish(&checksum), 0xffff ^ rows[i].sum);
    }
}

static void fill(struct prng *prng, uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)prng_next(prng);
}

static void every_length_flush_against_a_guard_page(void **state)
{
    (void)state;
    uint8_t bytes[600];
    struct prng prng;
    const struct guard guard = guard_make(sizeof bytes);
    prng_seed(&prng, 1);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        fill(&prng, bytes, size);
        const uint8_t *at = guard_place(&guard, bytes, size);
        EXPECT_EQUAL("random bytes", sum_of(at, size), naive_sum(bytes, size));
    }
    guard_drop(&guard);
}

/* The 64 bits of a sum are summed up as if they were data, so that all carries are seen. */
static void any_sum_is_folded_right(void **state)
{
    (void)state;
    static const uint64_t sums[] = {
        0,
        1,
        0xffff,
        0x10000,
        0x1ffff,
        0xffffffff,
        0x100000000,
        0x10000ffff,
        UINT64_C(0x00010000ffffffff),
        UINT64_C(0xfffffffffffe0002),
        UINT64_MAX,
    };
    struct prng prng;
    prng_seed(&prng, 7);
    for (unsigned i = 0; i < COUNT_OF(sums) + 100000; i++) {
        const struct checksum checksum = {
            .sum = i < COUNT_OF(sums) ? sums[i] : prng_next(&prng) >> prng_below(&prng, 64)};
        uint8_t bytes[8];
        memcpy(bytes, &checksum.sum, 8);
        EXPECT_EQUAL("folded", checksum_partial(&checksum), naive_sum(bytes, 8));
    }
}

static void largest_packet_of_ones_carries_everything(void **state)
{
    (void)state;
    static uint8_t bytes[65535];
    memset(bytes, 0xff, sizeof bytes);
    EXPECT_EQUAL("even", sum_of(bytes, 65534), 0xffff);
    EXPECT_EQUAL("odd", sum_of(bytes, 65535), 0xff00);
}

static void split_at_every_point(void **state)
{
    (void)state;
    uint8_t bytes[203];
    struct prng prng;
    prng_seed(&prng, 2);
    fill(&prng, bytes, sizeof bytes);
    const uint16_t whole = naive_sum(bytes, sizeof bytes);
    for (size_t first = 0; first <= sizeof bytes; first++) {
        for (size_t second = first; second <= sizeof bytes; second++) {
            struct checksum checksum = {0};
            checksum_add(&checksum, bytes, first);
            checksum_add(&checksum, bytes + first, second - first);
            checksum_add(&checksum, bytes + second, sizeof bytes - second);
            EXPECT_EQUAL("three pieces", checksum_partial(&checksum), whole);
        }
    }
}

static void byte_by_byte(void **state)
{
    (void)state;
    uint8_t bytes[1461];
    struct prng prng;
    struct checksum checksum = {0};
    prng_seed(&prng, 3);
    fill(&prng, bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        checksum_add(&checksum, bytes + i, 1);
    EXPECT_EQUAL("all", checksum_partial(&checksum), naive_sum(bytes, sizeof bytes));
}

static void copy_is_memcpy_and_add(void **state)
{
    (void)state;
    static uint8_t from[9000 + 8], to[9000 + 16], expected[9000 + 16];
    static const size_t sizes[] = {0,   1,    2,    3,    7,    63,   64,  65,
                                   536, 1460, 4095, 4096, 4097, 8193, 9000};
    struct prng prng;
    prng_seed(&prng, 4);
    fill(&prng, from, sizeof from);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        for (size_t shift = 0; shift < 8; shift++) {
            for (uint32_t odd = 0; odd < 2; odd++) {
                struct checksum copied = {.sum = 5, .odd = odd}, added = copied;
                memset(to, 0xee, sizeof to);
                memset(expected, 0xee, sizeof expected);
                checksum_copy(&copied, to + 8 - shift, from + shift, sizes[i]);
                memcpy(expected + 8 - shift, from + shift, sizes[i]);
                checksum_add(&added, from + shift, sizes[i]);
                EXPECT_BYTES("bytes", to, expected, sizeof to);
                EXPECT_EQUAL("sum", checksum_partial(&copied), checksum_partial(&added));
                EXPECT_EQUAL("odd", copied.odd & 1, added.odd & 1);
            }
        }
    }
}

/* A SYN from 192.168.0.1:1025 to 192.168.0.2:80, by hand:
 *   pseudo-header  c0a8 + 0001 + c0a8 + 0002 + 0006 + 0014                      = 1816d -> 816e
 *   header         0401 + 0050 + 0000 + 0001 + 0000 + 0000 + 5002 + 2000 + 0000 = 7454
 *   816e + 7454 = f5c2, complement 0a3d */
static void syn_over_ipv4_by_hand(void **state)
{
    (void)state;
    static const uint8_t segment[20] = {0x04, 0x01, 0x00, 0x50, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00,
                                        0x00, 0x00, 0x50, 0x02, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00};
    const struct duet_address source = duet_ipv4(192, 168, 0, 1);
    const struct duet_address destination = duet_ipv4(192, 168, 0, 2);
    struct checksum checksum = {0};
    checksum_add_pseudo(&checksum, &source, &destination, 6, sizeof segment);
    EXPECT_EQUAL("pseudo-header", checksum_partial(&checksum), 0x816e);
    checksum_add(&checksum, segment, sizeof segment);
    EXPECT_EQUAL("segment", checksum_finish(&checksum), 0x0a3d);
}

/* The same SYN from 2001:db8::1 to 2001:db8::2:
 *   pseudo-header  2001 + 0db8 + 0001 + 2001 + 0db8 + 0002 + 0000 + 0014 + 0006 = 5b8f
 *   5b8f + 7454 = cfe3, complement 301c */
static void syn_over_ipv6_by_hand(void **state)
{
    (void)state;
    static const uint8_t segment[20] = {0x04, 0x01, 0x00, 0x50, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00,
                                        0x00, 0x00, 0x50, 0x02, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00};
    const struct duet_address source = {{0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
    const struct duet_address destination = {{0x20, 0x01, 0x0d, 0xb8, [15] = 2}};
    struct checksum checksum = {0};
    checksum_add_pseudo(&checksum, &source, &destination, 6, sizeof segment);
    EXPECT_EQUAL("pseudo-header", checksum_partial(&checksum), 0x5b8f);
    checksum_add(&checksum, segment, sizeof segment);
    EXPECT_EQUAL("segment", checksum_finish(&checksum), 0x301c);
}

static void pseudo_header_of_ipv6_has_a_32_bit_length(void **state)
{
    (void)state;
    const struct duet_address address = {{0x20, 0x01, [15] = 1}};
    struct checksum checksum = {0};
    checksum_add_pseudo(&checksum, &address, &address, 58, 0x00012345);
    /* 2001 + 0001 + 2001 + 0001 + 0001 + 2345 + 003a */
    EXPECT_EQUAL("length 74565", checksum_partial(&checksum), 0x6384);
}

static void right_packet_sums_to_zero_and_a_changed_one_does_not(void **state)
{
    (void)state;
    uint8_t segment[41];
    const struct duet_address source = duet_ipv4(10, 0, 0, 1), destination = duet_ipv4(10, 0, 0, 2);
    struct prng prng;
    prng_seed(&prng, 5);
    fill(&prng, segment, sizeof segment);
    segment[16] = segment[17] = 0;

    struct checksum checksum = {0};
    checksum_add_pseudo(&checksum, &source, &destination, 6, sizeof segment);
    checksum_add(&checksum, segment, sizeof segment);
    const uint16_t value = checksum_finish(&checksum);
    segment[16] = (uint8_t)(value >> 8);
    segment[17] = (uint8_t)value;

    for (size_t bit = 0; bit <= 8 * sizeof segment; bit++) {
        if (bit > 0)
            segment[(bit - 1) / 8] ^= (uint8_t)(1 << (bit - 1) % 8);
        checksum = (struct checksum){0};
        checksum_add_pseudo(&checksum, &source, &destination, 6, sizeof segment);
        checksum_add(&checksum, segment, sizeof segment);
        EXPECT_EQUAL("right only if unchanged", checksum_finish(&checksum) == 0, bit == 0);
        if (bit > 0)
            segment[(bit - 1) / 8] ^= (uint8_t)(1 << (bit - 1) % 8);
    }
}

/* What a link does that completes a partial sum: it sums from the checksum's field on, over the
 * pseudo-header's sum that stands in it. */
static void partial_sum_in_the_field_is_completed_by_the_link(void **state)
{
    (void)state;
    uint8_t segment[21];
    const struct duet_address source = duet_ipv4(10, 0, 0, 1), destination = duet_ipv4(10, 0, 0, 2);
    struct prng prng;
    prng_seed(&prng, 6);
    fill(&prng, segment, sizeof segment);
    segment[16] = segment[17] = 0;

    struct checksum whole = {0}, pseudo = {0}, completed = {0};
    checksum_add_pseudo(&whole, &source, &destination, 6, sizeof segment);
    checksum_add(&whole, segment, sizeof segment);
    checksum_add_pseudo(&pseudo, &source, &destination, 6, sizeof segment);
    segment[16] = (uint8_t)(checksum_partial(&pseudo) >> 8);
    segment[17] = (uint8_t)checksum_partial(&pseudo);
    checksum_add(&completed, segment, sizeof segment);
    EXPECT_EQUAL("completed", checksum_finish(&completed), checksum_finish(&whole));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_sums),
        cmocka_unit_test(every_length_flush_against_a_guard_page),
        cmocka_unit_test(any_sum_is_folded_right),
        cmocka_unit_test(largest_packet_of_ones_carries_everything),
        cmocka_unit_test(split_at_every_point),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(copy_is_memcpy_and_add),
        cmocka_unit_test(syn_over_ipv4_by_hand),
        cmocka_unit_test(syn_over_ipv6_by_hand),
        cmocka_unit_test(pseudo_header_of_ipv6_has_a_32_bit_length),
        cmocka_unit_test(right_packet_sums_to_zero_and_a_changed_one_does_not),
        cmocka_unit_test(partial_sum_in_the_field_is_completed_by_the_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
