/* SPDX-License-Identifier: MIT */
/* The situations of which test_canonical.c asks for the canonical form, each on a rig of its own. */
#ifndef UNIT_CANONICAL_STAGE_H
#define UNIT_CANONICAL_STAGE_H

#include "rig.h"

struct stage {
    struct rig rig;
    struct rig_conn conn;
    uint32_t shift; /* of all clocks, in milliseconds, and of the peer's sequence numbers */
};

extern const unsigned stage_situations;

const char *stage_name(unsigned situation);
unsigned stage_named(const char *name);
/* Plays it; everything happens later by the shift. */
struct stage *stage_play(unsigned index, uint32_t shift);
void stage_end(struct stage *stage);
/* The one connection that there is. */
struct tcp_conn *stage_conn(const struct stage *stage);

#endif
