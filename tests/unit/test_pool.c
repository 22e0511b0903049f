/* SPDX-License-Identifier: MIT */
/* Pools: all records once and then none, reuse in LIFO order, memory untouched before first use. */
#include "unit.h"

#include "base/pool.h"
#include "base/prng.h"

enum { RECORDS = 16 };

struct record {
    uint64_t words[3];
};

static void every_record_comes_once_and_then_none(void **state)
{
    (void)state;
    struct record records[RECORDS];
    struct pool pool;
    bool taken[RECORDS] = {false};

    pool_init(&pool, records, sizeof records[0], RECORDS);
    for (uint32_t i = 0; i < RECORDS; i++) {
        const uint32_t index = pool_take(&pool);
        EXPECT("in range", index < RECORDS);
        EXPECT("once", !taken[index]);
        EXPECT("at", pool_at(&pool, index) == (void *)&records[index]);
        taken[index] = true;
    }
    EXPECT_EQUAL("used", pool.used, RECORDS);
    EXPECT_EQUAL("empty", pool_take(&pool), POOL_NONE);
    EXPECT_EQUAL("still empty", pool_take(&pool), POOL_NONE);
    EXPECT_EQUAL("used after refusal", pool.used, RECORDS);
}

static void last_given_is_first_taken(void **state)
{
    (void)state;
    struct record records[RECORDS];
    struct pool pool;

    pool_init(&pool, records, sizeof records[0], RECORDS);
    for (uint32_t i = 0; i < 8; i++)
        pool_take(&pool);
    pool_give(&pool, 3);
    pool_give(&pool, 6);
    pool_give(&pool, 0);
    EXPECT_EQUAL("used", pool.used, 5);
    EXPECT_EQUAL("third given", pool_take(&pool), 0);
    EXPECT_EQUAL("second given", pool_take(&pool), 6);
    EXPECT_EQUAL("first given", pool_take(&pool), 3);
    EXPECT_EQUAL("then a fresh one", pool_take(&pool), 8);
}

static void full_pool_lives_again_after_one_is_given(void **state)
{
    (void)state;
    struct record record;
    struct pool pool;

    pool_init(&pool, &record, sizeof record, 1);
    for (unsigned turn = 0; turn < 3; turn++) {
        EXPECT_EQUAL("taken", pool_take(&pool), 0);
        EXPECT_EQUAL("empty", pool_take(&pool), POOL_NONE);
        pool_give(&pool, 0);
        EXPECT_EQUAL("used", pool.used, 0);
    }
}

static void pool_of_nothing_is_empty(void **state)
{
    (void)state;
    struct record record;
    struct pool pool;
    pool_init(&pool, &record, sizeof record, 0);
    EXPECT_EQUAL("count 0", pool_take(&pool), POOL_NONE);
}

static void memory_is_not_touched_before_it_is_taken(void **state)
{
    (void)state;
    struct record records[RECORDS];
    uint8_t pattern[sizeof records];
    struct pool pool;

    memset(records, 0xa5, sizeof records);
    memset(pattern, 0xa5, sizeof pattern);
    pool_init(&pool, records, sizeof records[0], RECORDS);
    EXPECT_BYTES("after init", records, pattern, sizeof records);
    pool_take(&pool);
    pool_take(&pool);
    pool_give(&pool, 1);
    EXPECT_BYTES("behind the link of record 1", (uint8_t *)&records[1] + 4, pattern,
                 sizeof records - sizeof records[0] - 4);
}

static void records_may_be_four_bytes_at_any_alignment(void **state)
{
    (void)state;
    uint8_t memory[1 + 3 * 5];
    struct pool pool;
    pool_init(&pool, memory + 1, 5, 3);
    for (uint32_t i = 0; i < 3; i++)
        EXPECT_EQUAL("fresh", pool_take(&pool), i);
    for (uint32_t i = 0; i < 3; i++)
        pool_give(&pool, i);
    for (uint32_t i = 3; i-- > 0;)
        EXPECT_EQUAL("reused", pool_take(&pool), i);
    EXPECT_EQUAL("empty", pool_take(&pool), POOL_NONE);
}

static void random_use_never_gives_a_record_twice(void **state)
{
    (void)state;
    struct record records[RECORDS];
    bool taken[RECORDS] = {false};
    uint32_t used = 0;
    struct pool pool;
    struct prng prng;

    prng_seed(&prng, 1);
    pool_init(&pool, records, sizeof records[0], RECORDS);
    for (unsigned step = 0; step < 100000; step++) {
        if (prng_chance(&prng, 0.5)) {
            const uint32_t index = pool_take(&pool);
            EXPECT_EQUAL("empty exactly when all are taken", index == POOL_NONE, used == RECORDS);
            if (index == POOL_NONE)
                continue;
            EXPECT("free until now", index < RECORDS && !taken[index]);
            taken[index] = true;
            memset(&records[index], (int)step & 0xff, sizeof records[index]);
            used++;
        } else {
            const uint32_t index = (uint32_t)prng_below(&prng, RECORDS);
            if (!taken[index])
                continue;
            pool_give(&pool, index);
            taken[index] = false;
            used--;
        }
        EXPECT_EQUAL("used", pool.used, used);
    }
}

static void give_a_record_that_was_never_taken(void)
{
    struct record records[RECORDS];
    struct pool pool;
    pool_init(&pool, records, sizeof records[0], RECORDS);
    pool_take(&pool);
    pool_give(&pool, 1);
}

static void give_a_record_twice(void)
{
    struct record records[RECORDS];
    struct pool pool;
    pool_init(&pool, records, sizeof records[0], RECORDS);
    pool_take(&pool);
    pool_take(&pool);
    pool_give(&pool, 1);
    pool_give(&pool, 1);
}

static void misuse_is_caught(void **state)
{
    (void)state;
    expect_check_failure("never taken", give_a_record_that_was_never_taken,
                         "duet: check failed: index < pool->fresh (");
    expect_check_failure("twice", give_a_record_twice, "duet: check failed: index != pool->free (");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_record_comes_once_and_then_none),
        cmocka_unit_test(last_given_is_first_taken),
        cmocka_unit_test(full_pool_lives_again_after_one_is_given),
        cmocka_unit_test(pool_of_nothing_is_empty),
        cmocka_unit_test(memory_is_not_touched_before_it_is_taken),
        cmocka_unit_test(records_may_be_four_bytes_at_any_alignment),
        cmocka_unit_test(random_use_never_gives_a_record_twice),
        cmocka_unit_test(misuse_is_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
