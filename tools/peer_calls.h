/* SPDX-License-Identifier: MIT */
/* The two ends of a connection between duet and the kernel, and the calls by which each of them
 * does its steps (peer_steps.h): duet's user calls, and those of a socket. */
#ifndef TOOLS_PEER_CALLS_H
#define TOOLS_PEER_CALLS_H

#include <sys/types.h>

#include "duet/observe.h"
#include "duet/stack.h"
#include "peer_steps.h"

struct peer_ends {
    struct duet_recorder *recorder;
    unsigned duet_end; /* of the recording */
    struct complaint complaint;
    struct duet_stack *stack;
    struct duet_handle listener, connection; /* duet's */
    int listening, socket;                   /* the kernel's, -1: none */
};

/* The result of a call: what it returned, or MOVED_NONE if nothing can be done now; on an error the
 * complaint is made. duet's trace of the call is recorded. */
int64_t duet_result(struct peer_ends *ends, const char *call, int64_t result);
int64_t kernel_result(struct peer_ends *ends, const char *call, ssize_t result);

/* Records what duet's trace has to tell. context: struct peer_ends. */
void drain_trace(void *context);

struct side duet_side(struct peer_ends *ends, const struct step *steps);
struct side kernel_side(struct peer_ends *ends, const struct step *steps);

#endif
