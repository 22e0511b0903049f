/* SPDX-License-Identifier: MIT */
/* The range of every field of the configuration, and what follows from some of them. */
#ifndef CORE_CONFIG_H
#define CORE_CONFIG_H

#include "core/state.h"

/* An acknowledgement is delayed by less than this (RFC 9293, 3.8.6.3, MUST-40). */
#define DELAYED_ACK_MOST (500 * DUET_MILLISECOND)

bool config_is_valid(const struct duet_config *config);

/* stack.c: bytes of the block of a valid one. */
size_t stack_block_size(const struct duet_config *config);

#endif
