/* SPDX-License-Identifier: MIT */
/* Sequence arithmetic at the places where 32 bits run out: around 0, 2^31 and 2^32. The model does
 * the same with 64-bit integers on a line without a wrap. */
#include "unit.h"

#include "core/seq.h"

#define TWO_31 (INT64_C(1) << 31)
#define TWO_32 (INT64_C(1) << 32)

static const struct {
    const char *name;
    uint32_t raw;
} anchors[] = {
    {"0", 0},
    {"1", 1},
    {"2", 2},
    {"1000", 1000},
    {"2^31 - 2", 0x7ffffffe},
    {"2^31 - 1", 0x7fffffff},
    {"2^31", 0x80000000},
    {"2^31 + 1", 0x80000001},
    {"2^32 - 1000", 0xfffffc18},
    {"2^32 - 2", 0xfffffffe},
    {"2^32 - 1", 0xffffffff},
};

/* How far b is from a, negative: behind it. Never exactly half way round, where neither is ahead.
 */
static const int64_t distances[] = {
    0,          1,           2,           3,     1460,  65535,      65536,       1 << 30,
    TWO_31 - 2, TWO_31 - 1,  -1,          -2,    -3,    -1460,      -65535,      -65536,
    -(1 << 30), -TWO_31 + 2, -TWO_31 + 1, 32767, 32768, 0x40000001, -0x40000001,
};

static uint32_t wrap(int64_t number)
{
    return (uint32_t)(((number % TWO_32) + TWO_32) % TWO_32);
}

static void comparisons(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(anchors); i++) {
        for (size_t j = 0; j < COUNT_OF(distances); j++) {
            char row[64];
            const int64_t far = distances[j];
            const struct seq a = seq_of(anchors[i].raw);
            const struct seq b = seq_of(wrap(anchors[i].raw + far));
            snprintf(row, sizeof row, "%s and %" PRId64 " ahead", anchors[i].name, far);
            EXPECT_EQUAL(row, seq_eq(a, b), far == 0);
            EXPECT_EQUAL(row, seq_lt(a, b), far > 0);
            EXPECT_EQUAL(row, seq_lt(b, a), far < 0);
            EXPECT_EQUAL(row, seq_le(a, b), far >= 0);
            EXPECT_EQUAL(row, seq_le(b, a), far <= 0);
            EXPECT_EQUAL(row, seq_max(a, b).raw, far > 0 ? b.raw : a.raw);
            EXPECT_EQUAL(row, seq_max(b, a).raw, far > 0 ? b.raw : a.raw);
            EXPECT_EQUAL(row, seq_min(a, b).raw, far > 0 ? a.raw : b.raw);
            EXPECT_EQUAL(row, seq_min(b, a).raw, far > 0 ? a.raw : b.raw);
            EXPECT_EQUAL(row, seq_distance(a, b), wrap(far));
        }
    }
}

/* Exactly half way round neither is ahead of the other. */
static void half_way_round(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(anchors); i++) {
        const struct seq a = seq_of(anchors[i].raw), b = seq_of(wrap(anchors[i].raw + TWO_31));
        EXPECT(anchors[i].name, !seq_lt(a, b) && !seq_lt(b, a));
        EXPECT(anchors[i].name, !seq_le(a, b) && !seq_le(b, a) && !seq_eq(a, b));
    }
}

static void addition_and_subtraction(void **state)
{
    (void)state;
    static const uint32_t steps[] = {0, 1, 2, 1460, 65535, 0x7fffffff, 0x80000000, 0xffffffff};
    for (size_t i = 0; i < COUNT_OF(anchors); i++) {
        for (size_t j = 0; j < COUNT_OF(steps); j++) {
            const char *row = anchors[i].name;
            const struct seq a = seq_of(anchors[i].raw);
            EXPECT_EQUAL(row, seq_add(a, steps[j]).raw, wrap((int64_t)a.raw + steps[j]));
            EXPECT_EQUAL(row, seq_sub(a, steps[j]).raw, wrap((int64_t)a.raw - steps[j]));
            EXPECT_EQUAL(row, seq_distance(a, seq_add(a, steps[j])), steps[j]);
        }
    }
}

/* A number is in a window if one of the window's octets has it: those just outside and inside of
 * both edges, for windows of every size that TCP has, wherever they lie. */
static void windows(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 2, 3, 65535, 65536, 1 << 20, 0x3fffc000, TWO_31 - 1};
    for (size_t i = 0; i < COUNT_OF(anchors); i++) {
        for (size_t j = 0; j < COUNT_OF(sizes); j++) {
            const int64_t size = sizes[j];
            const int64_t offsets[] = {-2, -1, 0, 1, 2, size - 2, size - 1, size, size + 1, TWO_31};
            for (size_t k = 0; k < COUNT_OF(offsets); k++) {
                char row[96];
                const struct seq s = seq_of(wrap(anchors[i].raw + offsets[k]));
                snprintf(row, sizeof row, "%" PRId64 " from %s, window %" PRId64, offsets[k],
                         anchors[i].name, size);
                EXPECT_EQUAL(row, seq_in_window(s, seq_of(anchors[i].raw), (uint32_t)size),
                             offsets[k] >= 0 && offsets[k] < size);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparisons),
        cmocka_unit_test(half_way_round),
        cmocka_unit_test(addition_and_subtraction),
        cmocka_unit_test(windows),
    };
    return cmocka_run_group_tests_name("seq", tests, NULL, NULL);
}
