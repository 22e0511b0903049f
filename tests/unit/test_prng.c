/* SPDX-License-Identifier: MIT */
/* The generator against published outputs of xoshiro256** and SplitMix64, and its derived draws. */
#include "unit.h"

#include "base/prng.h"

static void state_1_2_3_4_gives_the_published_numbers(void **state)
{
    (void)state;
    static const uint64_t expected[] = {
        UINT64_C(11520),
        UINT64_C(0),
        UINT64_C(1509978240),
        UINT64_C(1215971899390074240),
        UINT64_C(1216172134540287360),
        UINT64_C(607988272756665600),
        UINT64_C(16172922978634559625),
        UINT64_C(8476171486693032832),
        UINT64_C(10595114339597558777),
        UINT64_C(2904607092377533576),
    };
    struct prng prng = {.state = {1, 2, 3, 4}};
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        EXPECT_EQUAL("xoshiro256**", prng_next(&prng), expected[i]);
}

static void seed_goes_through_split_mix(void **state)
{
    (void)state;
    static const uint64_t expected[4] = {
        UINT64_C(6457827717110365317),
        UINT64_C(3203168211198807973),
        UINT64_C(9817491932198370423),
        UINT64_C(4593380528125082431),
    };
    struct prng prng;
    prng_seed(&prng, 1234567);
    for (size_t i = 0; i < 4; i++)
        EXPECT_EQUAL("SplitMix64 of 1234567", prng.state[i], expected[i]);
}

static void seed_zero_is_a_seed(void **state)
{
    (void)state;
    struct prng prng;
    prng_seed(&prng, 0);
    const uint64_t first = prng_next(&prng), second = prng_next(&prng);
    EXPECT("seed 0", first != 0 && second != 0 && first != second);
}

static void below_reaches_all_of_its_range_and_nothing_else(void **state)
{
    (void)state;
    static const uint64_t limits[] = {1, 2, 3, 7, 64, 100};
    struct prng prng;
    prng_seed(&prng, 42);
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        uint32_t seen[100] = {0};
        for (unsigned draw = 0; draw < 20000; draw++) {
            const uint64_t number = prng_below(&prng, limits[i]);
            EXPECT("below", number < limits[i]);
            seen[number]++;
        }
        for (uint64_t number = 0; number < limits[i]; number++) {
            const double share = (double)seen[number] * (double)limits[i] / 20000;
            EXPECT("evenly", share > 0.6 && share < 1.4);
        }
    }
}

static void below_large_limits_is_not_biased(void **state)
{
    (void)state;
    /* With 3 * 2^62 a plain remainder would put half of all numbers in the first third. */
    const uint64_t limit = UINT64_C(3) << 62;
    struct prng prng;
    unsigned low = 0;
    prng_seed(&prng, 7);
    for (unsigned draw = 0; draw < 30000; draw++)
        low += prng_below(&prng, limit) < limit / 3;
    EXPECT("a third", low > 9500 && low < 10500);
}

static void below_zero_is_refused_now(void)
{
    struct prng prng;
    prng_seed(&prng, 1);
    prng_below(&prng, 0);
}

static void below_zero_is_refused(void **state)
{
    (void)state;
    expect_check_failure("limit 0", below_zero_is_refused_now, "duet: check failed: limit >= 1 (");
}

static void chance_keeps_its_promise(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double probability;
        unsigned least, most; /* of 10,000 */
    } rows[] = {
        {"never", 0.0, 0, 0},
        {"always", 1.0, 10000, 10000},
        {"one in ten", 0.1, 850, 1150},
        {"half", 0.5, 4750, 5250},
    };
    struct prng prng;
    prng_seed(&prng, 99);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        unsigned hits = 0;
        for (unsigned draw = 0; draw < 10000; draw++)
            hits += prng_chance(&prng, rows[i].probability);
        EXPECT(rows[i].name, hits >= rows[i].least && hits <= rows[i].most);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_1_2_3_4_gives_the_published_numbers),
        cmocka_unit_test(seed_goes_through_split_mix),
        cmocka_unit_test(seed_zero_is_a_seed),
        cmocka_unit_test(below_reaches_all_of_its_range_and_nothing_else),
        cmocka_unit_test(below_large_limits_is_not_biased),
        cmocka_unit_test(below_zero_is_refused),
        cmocka_unit_test(chance_keeps_its_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
