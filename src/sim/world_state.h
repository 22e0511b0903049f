/* SPDX-License-Identifier: MIT */
/* What a world is made of; for world.c and world_make.c alone. */
#ifndef SIM_WORLD_STATE_H
#define SIM_WORLD_STATE_H

#include "sim/world.h"

enum { WORLD_PACKET_MAX = 65536, WORLD_PROBLEM = 240 };

struct world_host {
    struct duet_config config;
    struct duet_stack *stack;
    void *memory;
    size_t memory_size;
    struct duet_link *link; /* tee -> faults -> wire */
    uint64_t boots;
};

struct world {
    struct world_options options;
    duet_time now;
    uint32_t turns;
    uint32_t packets; /* sent by all hosts */
    struct world_host hosts[WORLD_HOSTS];
    struct world_user *users[WORLD_USERS_MAX];
    unsigned user_count;
    uint32_t fault_numbers[WORLD_FAULTS_MAX][WORLD_RUN_MAX]; /* the links point to them */
    char problem[WORLD_PROBLEM];
    uint8_t packet[WORLD_PACKET_MAX];
};

static inline const struct world_hooks *hooks_of(const struct world *world)
{
    static const struct world_hooks none = {0};

    return world->options.hooks == NULL ? &none : world->options.hooks;
}

#endif
