/* SPDX-License-Identifier: MIT */
/* An attacker beside the path: it cannot see the packets of a connection, but it can send segments
 * that claim to come from one of its ends. It also plays old segments of forgotten connections,
 * which look the same to a TCP. */
#ifndef SIM_ATTACKER_H
#define SIM_ATTACKER_H

#include "sim/actor.h"

enum { ATTACKER_FORGERIES_MAX = 4 };

/* One forged segment. The attacker is granted what it would have to guess, the ports, and an exact
 * number to start from, so that a scenario can say how near its guess came. */
struct attacker_forgery {
    uint32_t at_ms;  /* 0: no forgery, end of the list */
    unsigned victim; /* host that receives it, from the other one by its looks */
    uint16_t flags;  /* enum duet_flag */
    uint32_t ahead;  /* of RCV.NXT of the victim, if it has a connection */
    const char *say; /* for the ladder */
};

struct attacker {
    struct world_user user;
    const struct attacker_forgery *forgeries;
    const struct actor *actors; /* of all hosts, to look at the victim's connection */
    unsigned at;
};

void attacker_start(struct attacker *attacker, struct world *world,
                    const struct attacker_forgery *forgeries, const struct actor *actors);

#endif
