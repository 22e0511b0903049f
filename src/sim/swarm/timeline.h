/* SPDX-License-Identifier: MIT */
/* What one end of the one connection of a world saw and did, as a packet timeline (docs/SCRIPT.md):
 * where that suffices to see a defect, no world is needed to mend it. */
#ifndef SIM_SWARM_TIMELINE_H
#define SIM_SWARM_TIMELINE_H

#include "sim/swarm/swarm.h"

/* The head: the configuration of the host, and the calls that open. */
void timeline_begin(struct swarm *w, const struct host *host);
/* A packet that the host has sent, or that reaches it now. */
void timeline_packet(struct swarm *w, const struct host *host, uint32_t slot, bool arrives);
/* A call of its application. */
void timeline_call(struct swarm *w, const struct host *host, const struct duet_trace_event *event);

#endif
