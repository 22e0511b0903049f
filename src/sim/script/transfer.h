/* SPDX-License-Identifier: MIT */
/* The arguments of read, write and their families, whichever system they go to. */
#ifndef SCRIPT_TRANSFER_H
#define SCRIPT_TRANSFER_H

#include "sim/script/sockets.h"

struct transfer {
    struct sock *sock;
    int64_t size, flags;
    const struct expression *text; /* a string for the first bytes, or NULL */
};

/* The size and flags of a call, by its form. False: the player has its verdict. */
bool transfer_read(struct player *player, const struct call_state *state,
                   struct transfer *transfer);
/* size bytes to write, skip behind the first, in fresh memory: those of the script, then the
 * pattern from offset on. */
uint8_t *transfer_text(const struct transfer *transfer, uint32_t offset, size_t size, size_t skip);

#endif
