/* SPDX-License-Identifier: MIT */
/* Scenarios: small stories of two hosts and a network between them, played by two real stacks in
 * virtual time into a recorder. A scenario is deterministic: the same options, the same recording.
 *
 *     duet_recorder_new(&recorder);
 *     duet_scenario_run("three-way", &options, recorder, problem, sizeof problem);
 *     duet_ladder_text(recorder, &ladder, stdout);
 */
#ifndef DUET_SCENARIO_H
#define DUET_SCENARIO_H

#include "link.h"
#include "observe.h"

#ifdef __cplusplus
extern "C" {
#endif

struct duet_scenario {
    const char *name;   /* "lost-syn", as typed */
    const char *lesson; /* one sentence of what it teaches */
};

/* The scenarios in the order in which one would learn them; NULL past the end. The first one is the
 * whole life of a connection. */
const struct duet_scenario *duet_scenario(unsigned index);

/* The scenario of this name, or NULL. */
const struct duet_scenario *duet_scenario_find(const char *name);

/* The scenario whose name is nearest to a mistyped one, or NULL if none is near. */
const struct duet_scenario *duet_scenario_nearest(const char *name);

/* Something the network does to one packet, besides what the scenario itself has it do. */
struct duet_scenario_fault {
    enum duet_fault fault; /* DROP, DUPLICATE or DELAY */
    uint32_t packet;       /* the tag: packets of both ends are counted from 1 as they are sent */
    duet_time delay;       /* DELAY: how much longer than the others it is under way */
};

struct duet_scenario_options {
    uint64_t seed;     /* other seeds: other sequence numbers, ports and bytes */
    duet_time latency; /* of each direction, >= 0 */
    bool ipv6;
    const struct duet_scenario_fault *faults;
    size_t fault_count; /* <= DUET_SCENARIO_FAULTS_MAX */
};

#define DUET_SCENARIO_FAULTS_MAX 64

/* Plays a scenario until both ends are CLOSED and nothing is under way. Returns 0, or -1 with a
 * sentence in problem when that did not happen (the recorder then holds what did), when a fault
 * names a packet that was never sent, when memory ran out, or when an option is out of its range.
 */
int duet_scenario_run(const struct duet_scenario *scenario,
                      const struct duet_scenario_options *options, struct duet_recorder *recorder,
                      char *problem, size_t problem_size);

#ifdef __cplusplus
}
#endif
#endif
