/* SPDX-License-Identifier: MIT */
/* What a script is played against: duet's stack in virtual time (engine.c), or the operating
 * system's TCP in real time (kernel.c). The player knows only this table.
 */
#ifndef SCRIPT_SYSTEM_H
#define SCRIPT_SYSTEM_H

#include "sim/script/sockets.h"

struct player;

struct system {
    const char *name;   /* "duet", "kernel" */
    duet_time patience; /* how long '*' and calls without a time wait */

    /* Makes it ready for the first packet or call. False: player has its verdict. */
    bool (*start)(struct player *player);
    /* Also after a start that failed, or none. */
    void (*stop)(struct player *player);
    /* As engine_step, engine_inject and engine_drain. */
    bool (*step)(struct player *player, duet_time limit, bool inclusive);
    void (*inject)(struct player *player, uint8_t *bytes, uint32_t length);
    void (*drain)(struct player *player);
    /* Takes the settings of a shell command, once started. NULL: they count before the start only. */
    void (*command)(struct player *player, const char *command);
    /* The i-th table of calls; NULL behind the last. */
    const struct call_entry *(*calls)(unsigned i);
};

extern const struct system system_core, system_kernel;

#endif
