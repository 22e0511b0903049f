/* SPDX-License-Identifier: MIT */
/* Finding scenarios by name, and playing one; see duet/scenario.h. */
#include "sim/scenario.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    NAME_MAX_LENGTH = 32,
    NAME_NEAR = 4, /* edits; more than that is another word */
    SCENARIO_TURNS_MAX = 200000,
};
/* Keep-alive waits two hours before it asks, and long enough again before it gives up. */
#define SCENARIO_TIME_MAX (24 * 3600 * DUET_SECOND)

/* In the order in which one would learn them. */
static const struct scenario_table *const tables[] = {
    &scenarios_open, &scenarios_data, &scenarios_recovery, &scenarios_close, &scenarios_reset,
};
enum { TABLES = sizeof tables / sizeof tables[0] };

const struct duet_scenario *duet_scenario(unsigned index)
{
    for (unsigned i = 0; i < TABLES; i++) {
        if (index < tables[i]->count)
            return &tables[i]->scenarios[index].face;
        index -= tables[i]->count;
    }
    return NULL;
}

const struct duet_scenario *duet_scenario_find(const char *name)
{
    const struct duet_scenario *scenario;

    for (unsigned i = 0; (scenario = duet_scenario(i)) != NULL; i++)
        if (strcmp(scenario->name, name) == 0)
            return scenario;
    return NULL;
}

/* ---- the nearest name ---- */

static unsigned smallest(unsigned a, unsigned b, unsigned c)
{
    unsigned two = a < b ? a : b;

    return two < c ? two : c;
}

/* Levenshtein's distance: letters to put in, take out or change. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[NAME_MAX_LENGTH + 1];
    size_t width = strlen(b);

    for (unsigned j = 0; j <= width; j++)
        row[j] = j;
    for (unsigned i = 1; a[i - 1] != '\0'; i++) {
        unsigned diagonal = row[0];

        row[0] = i;
        for (unsigned j = 1; j <= width; j++) {
            unsigned above = row[j];

            row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[width];
}

const struct duet_scenario *duet_scenario_nearest(const char *name)
{
    const struct duet_scenario *scenario, *nearest = NULL;
    unsigned least = NAME_NEAR + 1;

    if (strlen(name) > NAME_MAX_LENGTH)
        return NULL;
    for (unsigned i = 0; (scenario = duet_scenario(i)) != NULL; i++) {
        unsigned edits = distance(name, scenario->name);

        if (edits < least && edits < strlen(scenario->name)) {
            least = edits;
            nearest = scenario;
        }
    }
    return nearest;
}

/* ---- playing ---- */

static struct world_fault of_scenario(const struct scenario_fault *fault)
{
    return (struct world_fault){
        .fault = fault->fault,
        .packet = fault->packet,
        .run = fault->run == 0 ? 1 : fault->run,
        .of_host = fault->count != OF_BOTH,
        .host = fault->count == OF_SERVER,
        .delay = fault->delay_ms * DUET_MILLISECOND,
        .mtu = fault->mtu,
    };
}

/* Faults are wrapped around the wire in this order: a packet that is dropped is not delayed too. */
static size_t gather_faults(const struct scenario *scenario,
                            const struct duet_scenario_options *options, struct world_fault *faults)
{
    static const enum duet_fault order[] = {DUET_FAULT_MTU, DUET_FAULT_MARK, DUET_FAULT_DELAY,
                                            DUET_FAULT_DUPLICATE, DUET_FAULT_DROP};
    size_t count = 0;

    for (unsigned kind = 0; kind < sizeof order / sizeof order[0]; kind++) {
        for (unsigned i = 0; i < scenario->fault_count; i++)
            if (scenario->faults[i].fault == order[kind])
                faults[count++] = of_scenario(&scenario->faults[i]);
        for (size_t i = 0; i < options->fault_count; i++)
            if (options->faults[i].fault == order[kind])
                faults[count++] = (struct world_fault){
                    .fault = order[kind],
                    .packet = options->faults[i].packet,
                    .run = 1,
                    .delay = options->faults[i].delay,
                };
    }
    return count;
}

static bool are_valid(const struct duet_scenario_options *options)
{
    if (options->latency < 0 || options->latency > SCENARIO_TIME_MAX ||
        options->fault_count > DUET_SCENARIO_FAULTS_MAX)
        return false;
    for (size_t i = 0; i < options->fault_count; i++) {
        const struct duet_scenario_fault *fault = &options->faults[i];

        if (fault->packet == WORLD_EVERY_PACKET || fault->delay < 0 ||
            fault->delay > SCENARIO_TIME_MAX)
            return false;
        if (fault->fault != DUET_FAULT_DROP && fault->fault != DUET_FAULT_DUPLICATE &&
            fault->fault != DUET_FAULT_DELAY)
            return false;
    }
    return true;
}

/* The world has come to rest: is the story told, and is everything closed? */
static void judge_end(struct world *world, const struct actor *actors)
{
    for (unsigned host = 0; host < WORLD_HOSTS; host++) {
        struct duet_handle handle;
        struct duet_status status;
        uint64_t cursor = 0;

        while (duet_next_status(world_stack(world, host), &cursor, &handle, &status))
            if (status.state != DUET_LISTEN && status.state != DUET_CLOSED)
                world_fail(world, "nothing more will happen, but the %s is left in %s",
                           world_name(host), duet_state_name(status.state));
    }
    for (unsigned host = 0; host < WORLD_HOSTS; host++)
        if (actor_waits_for(&actors[host]) != NULL)
            world_fail(world, "nothing more will happen, but the %s waits to %s", world_name(host),
                       actor_waits_for(&actors[host]));
}

/* A number that no packet had is more likely a slip than a wish. */
static void judge_faults(struct world *world, const struct duet_scenario_options *options)
{
    for (size_t i = 0; i < options->fault_count; i++)
        if (options->faults[i].packet > world_packets(world))
            world_fail(world, "there was no packet %u to %s, only %u were sent",
                       options->faults[i].packet, duet_fault_name(options->faults[i].fault),
                       world_packets(world));
}

static void play(struct world *world, const struct scenario *scenario,
                 const struct duet_scenario_options *options)
{
    struct actor actors[WORLD_HOSTS];
    struct attacker attacker;

    actor_start(&actors[0], world, 0, scenario->client);
    actor_start(&actors[1], world, 1, scenario->server);
    attacker_start(&attacker, world, scenario->forgeries, actors);
    if (world_run(world) == 0) {
        judge_faults(world, options);
        judge_end(world, actors);
    }
}

int scenario_run(const struct scenario *played, const struct duet_scenario_options *options,
                 const struct world_hooks *hooks, struct duet_recorder *recorder, char *problem,
                 size_t problem_size)
{
    struct world_fault faults[DUET_SCENARIO_FAULTS_MAX + SCENARIO_FAULTS];
    struct world_options world_options = {
        .seed = options->seed,
        .latency = options->latency,
        .ipv6 = options->ipv6,
        .faults = faults,
        .receive_buffer = {0, played->server_buffer},
        .no_timestamps = played->no_timestamps,
        .asks_for_ecn = played->asks_for_ecn,
        .hooks = hooks,
        .recorder = recorder,
        .time_max = SCENARIO_TIME_MAX,
        .turns_max = hooks != NULL && hooks->turns_max != 0 ? hooks->turns_max : SCENARIO_TURNS_MAX,
    };
    struct world *world;
    int result;

    if (!are_valid(options)) {
        snprintf(problem, problem_size, "an option of the scenario is out of its range");
        return -1;
    }
    world_options.fault_count = gather_faults(played, options, faults);
    if (world_new(&world_options, &world) != 0) {
        snprintf(problem, problem_size, "the world cannot be made: %s", strerror(errno));
        return -1;
    }
    play(world, played, options);
    result = world_problem(world)[0] == '\0' ? 0 : -1;
    snprintf(problem, problem_size, "%s", world_problem(world));
    if (hooks != NULL && hooks->ended != NULL)
        hooks->ended(hooks->context, world);
    world_free(world);
    return result;
}

int duet_scenario_run(const struct duet_scenario *scenario,
                      const struct duet_scenario_options *options, struct duet_recorder *recorder,
                      char *problem, size_t problem_size)
{
    return scenario_run((const struct scenario *)(const void *)scenario, options, NULL, recorder,
                        problem, problem_size);
}
