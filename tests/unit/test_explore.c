/* SPDX-License-Identifier: MIT */
/* The explorer: it comes to an end, always with the same states, and what is broken on purpose is
 * found, with a short way to it. */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>

#include "duet/explore.h"

static struct duet_explore_result explore(const struct duet_exploration *exploration,
                                          const struct duet_explore_options *options)
{
    static struct duet_explore_result result;
    assert_int_equal(duet_explore(exploration, options, NULL, &result), 0);
    return result;
}

/* A shipped one without faults, which takes no time. */
static struct duet_exploration calm(const char *name)
{
    const struct duet_exploration *shipped = duet_exploration_find(name);
    assert_non_null(shipped);
    struct duet_exploration calm = *shipped;
    calm.bounds.losses = calm.bounds.duplicates = calm.bounds.late = 0;
    return calm;
}

static void without_faults_all_is_looked_at(void **state)
{
    (void)state;
    static const char *const names[] = {"handshake", "transfer"};
    for (unsigned i = 0; i < COUNT_OF(names); i++) {
        const struct duet_exploration exploration = calm(names[i]);
        const struct duet_explore_options options = {.seed = 1};
        const struct duet_explore_result result = explore(&exploration, &options);
        EXPECT_EQUAL(names[i], result.end, DUET_EXPLORE_COMPLETE);
        EXPECT(names[i], result.states > 400 && result.transitions > result.states);
        EXPECT(names[i], result.endings > 0 && result.waiting == 0);
    }
}

/* Every ISN is another one, the states are the same; so no hash has lost one, and the canonical form
 * depends on nothing that it should not. */
static void other_seeds_the_same_states(void **state)
{
    (void)state;
    struct duet_exploration exploration = calm("transfer");
    exploration.bounds.losses = 1;
    const struct duet_explore_options one = {.seed = 1}, two = {.seed = 99};
    const struct duet_explore_result a = explore(&exploration, &one);
    const struct duet_explore_result b = explore(&exploration, &two);
    EXPECT_EQUAL("states", a.states, b.states);
    EXPECT_EQUAL("transitions", a.transitions, b.transitions);
    EXPECT_EQUAL("endings", a.endings, b.endings);
}

static void several_workers_the_same_states(void **state)
{
    (void)state;
    struct duet_exploration exploration = calm("transfer");
    exploration.bounds.losses = 1;
    const struct duet_explore_options alone = {.seed = 1},
                                      three = {.seed = 1, .jobs = 3, .memory_max = 1 << 24};
    const struct duet_explore_result a = explore(&exploration, &alone);
    const struct duet_explore_result b = explore(&exploration, &three);
    EXPECT_EQUAL("verdict", b.end, DUET_EXPLORE_COMPLETE);
    EXPECT_EQUAL("states", a.states, b.states);
    EXPECT_EQUAL("transitions", a.transitions, b.transitions);
}

/* An oracle or a CHECK that cannot fail would say nothing. */
static void what_is_broken_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *row, *problem;
        enum duet_explore_sabotage sabotage;
        unsigned steps_most;
    } rows[] = {
        {"swapped bytes", "I-14", DUET_EXPLORE_SWAP, 3},
        {"a timer that never runs out", "I-52", DUET_EXPLORE_TIMER, 20},
        {"an event that is never taken", "I-65", DUET_EXPLORE_LEAK, 20},
        {"a worker that dies", "the process", DUET_EXPLORE_CRASH, UINT32_MAX},
    };
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        const struct duet_exploration exploration = calm("transfer");
        const struct duet_explore_options options = {.seed = 1, .sabotage = rows[i].sabotage};
        const struct duet_explore_result result = explore(&exploration, &options);
        EXPECT_EQUAL(rows[i].row, result.end, DUET_EXPLORE_VIOLATION);
        EXPECT(rows[i].row, strncmp(result.problem, rows[i].problem, strlen(rows[i].problem)) == 0);
        EXPECT(rows[i].row, result.steps > 0 && result.steps <= rows[i].steps_most);
    }
}

/* What is found is recorded, so that it can be drawn. */
static void counterexample_is_recorded(void **state)
{
    (void)state;
    const struct duet_exploration exploration = calm("transfer");
    const struct duet_explore_options options = {.seed = 1, .sabotage = DUET_EXPLORE_SWAP};
    const struct duet_ladder_options ladder = {.columns = 80};
    static struct duet_explore_result result;
    struct duet_recorder *recorder;
    char *text;
    size_t size;
    assert_int_equal(duet_recorder_new(&recorder), 0);
    assert_int_equal(duet_explore(&exploration, &options, recorder, &result), 0);
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    assert_int_equal(duet_ladder_text(recorder, &ladder, to), 0);
    fclose(to);
    EXPECT("what does not hold", strstr(text, "I-14") != NULL);
    EXPECT("what was sent", strstr(text, "1:4(3)") != NULL);
    free(text);
    duet_recorder_free(recorder);
}

static void bounds_stop_it(void **state)
{
    (void)state;
    const struct duet_explore_options few = {.seed = 1, .states_max = 200};
    const struct duet_explore_options small = {.seed = 1, .memory_max = 4096 * 8};
    const struct duet_exploration *shipped = duet_exploration_find("handshake");
    const struct duet_explore_result states = explore(shipped, &few);
    EXPECT_EQUAL("states", states.end, DUET_EXPLORE_BOUND);
    EXPECT("states", states.states >= 200 && states.states < 300 && states.waiting > 0);
    EXPECT_EQUAL("memory", explore(shipped, &small).end, DUET_EXPLORE_BOUND);
}

static void arguments_out_of_range(void **state)
{
    (void)state;
    static struct duet_explore_result result;
    const struct duet_explore_options options = {.seed = 1}, crowd = {.jobs = 65};
    struct duet_exploration exploration = calm("transfer");
    assert_int_equal(duet_explore(&exploration, &crowd, NULL, &result), -1);
    assert_int_equal(errno, EINVAL);
    exploration.bounds.in_flight = DUET_EXPLORE_IN_FLIGHT_MAX + 1;
    assert_int_equal(duet_explore(&exploration, &options, NULL, &result), -1);
    exploration = calm("transfer");
    exploration.bounds.ends[1].opens = 4;
    assert_int_equal(duet_explore(&exploration, &options, NULL, &result), -1);
    assert_null(duet_exploration_find("nothing of the kind"));
    assert_string_equal(duet_explore_sabotage_name(DUET_EXPLORE_SWAP), "swap");
    assert_string_equal(duet_explore_sabotage_name(99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_faults_all_is_looked_at),
        cmocka_unit_test(other_seeds_the_same_states),
        cmocka_unit_test(several_workers_the_same_states),
        cmocka_unit_test(what_is_broken_is_found),
        cmocka_unit_test(counterexample_is_recorded),
        cmocka_unit_test(bounds_stop_it),
        cmocka_unit_test(arguments_out_of_range),
    };
    return cmocka_run_group_tests_name("explore", tests, NULL, NULL);
}
