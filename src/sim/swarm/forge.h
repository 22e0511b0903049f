/* SPDX-License-Identifier: MIT */
/* Packets that no stack made, or that are no longer what a stack made: those of strangers, of
 * routers and of middleboxes. */
#ifndef SIM_SWARM_FORGE_H
#define SIM_SWARM_FORGE_H

#include "sim/swarm/swarm.h"

/* Where things are in an intact TCP packet without IPv6 extension headers. */
struct forge_view {
    uint8_t *bytes, *tcp, *text;
    uint32_t text_length;
};
/* False: the packet is no such one; its checksum, which must have been finished, is looked at, too, so
 * that nobody mends what was corrupted. */
bool forge_look(struct swarm *w, uint32_t slot, struct forge_view *view);
/* After changes: lengths and checksums of the packet with so much text. */
void forge_mend(struct swarm *w, uint32_t slot, uint32_t text_length);

uint8_t forge_ecn(const uint8_t *bytes);
void forge_set_ecn(uint8_t *bytes, uint8_t ecn);

/* A segment or an ICMP error from somebody who knows addresses and ports of the packet in slot, and
 * no numbers. */
void forge_stranger(struct swarm *w, uint32_t slot, enum duet_sim_fault fault, struct prng *prng);
/* A router tells the sender of the packet that it is too big. */
void forge_too_big(struct swarm *w, uint32_t slot, uint32_t mtu);

/* boxes.c: middleboxes. SPLIT: the first part goes ahead, the rest stays in slot. */
void forge_split(struct swarm *w, uint32_t slot, struct prng *prng, duet_time later);
/* MERGE: keeps the packet for the next one. Always false: it is not to go on now. */
bool forge_hold(struct swarm *w, struct host *from, uint32_t slot);
/* What is held joins the packet in slot, or goes ahead of it. */
void forge_release(struct swarm *w, struct host *from, int32_t slot);
void forge_strip(struct swarm *w, struct host *from, uint32_t slot);
void forge_rewrite(struct swarm *w, struct host *from, uint32_t slot);

#endif
