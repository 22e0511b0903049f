/* SPDX-License-Identifier: MIT */
/* The life of one connection between a stack and the kernel's TCP, played in real time and
 * recorded: open, bytes both ways, bytes in the half-closed direction, close, TIME-WAIT. */
#ifndef TOOLS_PEER_STORY_H
#define TOOLS_PEER_STORY_H

#include "duet/kernel.h"
#include "duet/observe.h"

/* The client connects, asks, and closes first; the server is the other. is_client: duet is the
 * client. The client is end 0 of the recording, the server end 1. Takes about a second, at most
 * half a minute, and closes the kernel's link. True if everything came to its end and every byte
 * arrived as it was sent; else one sentence in why[0, size) says what did not. */
bool peer_story_play(struct duet_kernel *kernel, bool is_client, bool is_ipv6,
                     struct duet_recorder *recorder, char *why, size_t size);

#endif
