/* SPDX-License-Identifier: MIT */
/* How a scenario is written down: two lists of steps, what the network does, what an attacker
 * sends. The scenarios themselves are in scenario_{open,data,recovery,close,reset}.c, one table each. */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include "sim/attacker.h"

enum { SCENARIO_FAULTS = 6 };

/* Where one host sends in bursts, the numbers of its packets over both hosts depend on when the
 * other answers; its own count does not. */
enum scenario_count { OF_BOTH, OF_CLIENT, OF_SERVER };

struct scenario {
    struct duet_scenario face; /* first: name and lesson, what the public sees */
    const struct actor_step *client, *server;
    struct scenario_fault {
        enum duet_fault fault;
        uint32_t packet; /* as in struct duet_scenario_fault, or WORLD_EVERY_PACKET */
        uint32_t delay_ms;
        enum scenario_count count; /* what packet counts */
        uint32_t mtu;              /* of DUET_FAULT_MTU, which hits whatever is longer */
        uint32_t run;              /* so many packets from that one on; 0: it alone */
    } faults[SCENARIO_FAULTS];
    unsigned fault_count;
    uint32_t server_buffer; /* for receiving; 0: the default */
    bool asks_for_ecn;      /* the client does; the server agrees to what it is asked for */
    bool no_timestamps;     /* where they would decide before the rule that is to be seen */
    struct attacker_forgery forgeries[ATTACKER_FORGERIES_MAX];
};

struct scenario_table {
    const struct scenario *scenarios;
    unsigned count;
};

/* duet_scenario_run() with a hand in it. */
int scenario_run(const struct scenario *played, const struct duet_scenario_options *options,
                 const struct world_hooks *hooks, struct duet_recorder *recorder, char *problem,
                 size_t problem_size);

extern const struct scenario_table scenarios_open, scenarios_data, scenarios_recovery,
    scenarios_close, scenarios_reset;

#endif
