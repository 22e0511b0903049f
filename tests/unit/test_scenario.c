/* SPDX-License-Identifier: MIT */
/* Scenarios and the world they are played in: names, options out of range, sameness, the limits
 * that end a world that does not end, and that a wrong byte does not pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "duet/scenario.h"
#include "sim/actor.h"

#define MS DUET_MILLISECOND

/* ---- names ---- */

static void names_are_found_and_unique(void **state)
{
    const struct duet_scenario *scenario;

    (void)state;
    for (unsigned i = 0; (scenario = duet_scenario(i)) != NULL; i++) {
        assert_ptr_equal(duet_scenario_find(scenario->name), scenario);
        assert_true(strlen(scenario->lesson) > 20);
    }
    assert_null(duet_scenario_find("no-such-scenario"));
    assert_null(duet_scenario_find(""));
    assert_string_equal(duet_scenario(0)->name, "three-way");
}

static void nearest_name_is_a_slip_away_or_none(void **state)
{
    (void)state;
    assert_string_equal(duet_scenario_nearest("lost-sin")->name, "lost-syn");
    assert_string_equal(duet_scenario_nearest("threeway")->name, "three-way");
    assert_string_equal(duet_scenario_nearest("simultaneous-opne")->name, "simultaneous-open");
    assert_null(duet_scenario_nearest("xxxxxxxxxxxxxxxxx"));
    assert_null(duet_scenario_nearest("a-name-that-is-longer-than-any-scenario-could-have"));
    assert_null(duet_scenario_nearest(""));
}

/* ---- playing ---- */

struct played {
    int result;
    char problem[256];
    char *json;
    size_t size;
};

static struct played play(const char *name, const struct duet_scenario_options *options)
{
    struct played played = {0};
    struct duet_recorder *recorder;
    FILE *file = open_memstream(&played.json, &played.size);

    assert_non_null(file);
    assert_int_equal(duet_recorder_new(&recorder), 0);
    played.result = duet_scenario_run(duet_scenario_find(name), options, recorder, played.problem,
                                      sizeof played.problem);
    assert_int_equal(duet_trace_json(recorder, file), 0);
    assert_int_equal(fclose(file), 0);
    duet_recorder_free(recorder);
    return played;
}

static struct played play_and_free(const char *name, const struct duet_scenario_options *options)
{
    struct played played = play(name, options);

    free(played.json);
    return played;
}

static void same_options_give_the_same_run_and_another_seed_another(void **state)
{
    struct duet_scenario_options options = {.seed = 7, .latency = 10 * MS};
    struct played first = play("three-way", &options), again = play("three-way", &options), other;

    (void)state;
    options.seed = 8;
    other = play("three-way", &options);
    assert_int_equal(first.result, 0);
    assert_int_equal(other.result, 0);
    assert_string_equal(first.json, again.json);
    assert_string_not_equal(first.json, other.json);
    free(first.json);
    free(again.json);
    free(other.json);
}

static void every_scenario_ends_with_any_latency_and_both_families(void **state)
{
    static const duet_time latencies[] = {0, 1, 3 * MS, 250 * MS};
    const struct duet_scenario *scenario;

    (void)state;
    for (unsigned i = 0; (scenario = duet_scenario(i)) != NULL; i++) {
        for (unsigned j = 0; j < sizeof latencies / sizeof latencies[0]; j++) {
            struct duet_scenario_options options = {
                .seed = i + j, .latency = latencies[j], .ipv6 = j % 2 == 1};
            struct played played = play_and_free(scenario->name, &options);

            if (played.result != 0)
                fail_msg("%s, latency %lld ns: %s", scenario->name, (long long)latencies[j],
                         played.problem);
        }
    }
}

static void options_out_of_range_are_refused(void **state)
{
    static const struct duet_scenario_fault wrong[] = {
        {.fault = DUET_FAULT_DROP, .packet = 0},
        {.fault = DUET_FAULT_CORRUPT, .packet = 1},
        {.fault = DUET_FAULT_DELAY, .packet = 1, .delay = -1},
    };
    struct duet_scenario_options options = {.latency = -1};

    (void)state;
    assert_int_equal(play_and_free("three-way", &options).result, -1);
    options.latency = 10 * MS;
    options.fault_count = 1;
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        options.faults = &wrong[i];
        assert_int_equal(play_and_free("three-way", &options).result, -1);
    }
}

static void fault_on_a_packet_that_is_never_sent_is_told(void **state)
{
    struct duet_scenario_fault late = {.fault = DUET_FAULT_DROP, .packet = 99};
    struct duet_scenario_options options = {.latency = 10 * MS, .faults = &late, .fault_count = 1};
    struct played played = play_and_free("three-way", &options);

    (void)state;
    assert_int_equal(played.result, -1);
    assert_non_null(strstr(played.problem, "no packet 99"));
}

static void connection_left_open_is_told(void **state)
{
    struct duet_scenario_fault reset = {.fault = DUET_FAULT_DROP, .packet = 7}; /* the only RST */
    struct duet_scenario_options options = {.latency = 10 * MS, .faults = &reset, .fault_count = 1};
    struct played played = play_and_free("reset", &options);

    (void)state;
    assert_int_equal(played.result, -1);
    assert_non_null(strstr(played.problem, "client is left in ESTABLISHED"));
}

/* ---- the world ---- */

static const struct actor_step listener[] = {{.act = ACTOR_LISTEN}, {.act = ACTOR_END}};
static const struct actor_step caller[] = {{.act = ACTOR_CONNECT}, {.act = ACTOR_END}};

/* Runs a client that connects and stays, under these limits; the world's problem or "". */
static void run_limited(duet_time time_max, uint32_t turns_max, char *problem, size_t size)
{
    static const struct world_fault nothing_arrives = {
        .fault = DUET_FAULT_DROP, .packet = WORLD_EVERY_PACKET, .run = 1};
    struct duet_recorder *recorder;
    struct world_options options = {.latency = 10 * MS,
                                    .faults = &nothing_arrives,
                                    .fault_count = 1,
                                    .time_max = time_max,
                                    .turns_max = turns_max};
    struct actor client, server;
    struct world *world;

    assert_int_equal(duet_recorder_new(&recorder), 0);
    options.recorder = recorder;
    assert_int_equal(world_new(&options, &world), 0);
    actor_start(&client, world, 0, caller);
    actor_start(&server, world, 1, listener);
    (void)world_run(world);
    snprintf(problem, size, "%s", world_problem(world));
    world_free(world);
    duet_recorder_free(recorder);
}

static void world_ends_at_its_limit_of_time_or_turns(void **state)
{
    char problem[256];

    (void)state;
    run_limited(3600 * DUET_SECOND, 1000, problem, sizeof problem);
    assert_string_equal(problem, "");
    run_limited(10 * DUET_SECOND, 1000, problem, sizeof problem);
    assert_string_equal(problem, "no end after 10 s of virtual time");
    run_limited(3600 * DUET_SECOND, 3, problem, sizeof problem);
    assert_string_equal(problem, "no end after 3 turns of the world");
}

/* A user of the server's host that sends a byte which no actor would send. */
struct liar {
    struct world_user user;
    struct actor *actor; /* whose connection it uses */
    bool done;
};

static duet_time never(const struct world_user *user)
{
    (void)user;
    return DUET_NEVER;
}

static bool say_something_else(struct world_user *user)
{
    struct liar *liar = (struct liar *)(void *)user;

    if (liar->done || !liar->actor->is_connected)
        return false;
    liar->done = true;
    assert_int_equal(duet_send(world_stack(user->world, user->host), world_now(user->world),
                               liar->actor->connection, "!", 1, 0),
                     1);
    return true;
}

static void wrong_byte_fails_the_world(void **state)
{
    static const struct actor_step reading[] = {
        {.act = ACTOR_CONNECT}, {.act = ACTOR_RECEIVE, .amount = 1}, {.act = ACTOR_END}};
    static const struct actor_step accepting[] = {
        {.act = ACTOR_LISTEN}, {.act = ACTOR_ACCEPT}, {.act = ACTOR_END}};
    struct duet_recorder *recorder;
    struct world_options options = {
        .latency = 10 * MS, .time_max = 3600 * DUET_SECOND, .turns_max = 1000};
    struct actor client, server;
    struct liar liar = {.user = {.act = say_something_else, .deadline = never}, .actor = &server};
    struct world *world;

    (void)state;
    assert_int_equal(duet_recorder_new(&recorder), 0);
    options.recorder = recorder;
    assert_int_equal(world_new(&options, &world), 0);
    actor_start(&client, world, 0, reading);
    actor_start(&server, world, 1, accepting);
    world_add_user(world, &liar.user, 1);
    assert_int_equal(world_run(world), -1);
    assert_non_null(strstr(world_problem(world), "is not the one sent"));
    world_free(world);
    duet_recorder_free(recorder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found_and_unique),
        cmocka_unit_test(nearest_name_is_a_slip_away_or_none),
        cmocka_unit_test(same_options_give_the_same_run_and_another_seed_another),
        cmocka_unit_test(every_scenario_ends_with_any_latency_and_both_families),
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(fault_on_a_packet_that_is_never_sent_is_told),
        cmocka_unit_test(connection_left_open_is_told),
        cmocka_unit_test(world_ends_at_its_limit_of_time_or_turns),
        cmocka_unit_test(wrong_byte_fails_the_world),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
