/* SPDX-License-Identifier: MIT */
/* A link that tells a recorder of the kernel's end: what reaches it, what leaves it, and the state
 * that the kernel reports after each. */
#ifndef TOOLS_KERNEL_WATCH_H
#define TOOLS_KERNEL_WATCH_H

#include "duet/kernel.h"
#include "duet/observe.h"

struct kernel_watch {
    struct duet_link *inner;
    struct duet_recorder *recorder;
    unsigned end; /* of the recording, the kernel's */
    /* Called when a packet of ours is in the kernel's hands and before its end is recorded: the
     * place to record the trace of the end that sent it. */
    void (*sent)(void *context);
    void *context;

    struct duet_socket_address kernel, peer;
    const int *socket;     /* the kernel's, -1: none */
    enum duet_state state; /* latest */
    bool is_inferred; /* it was concluded, once at least, because the kernel could not be asked */
    bool fin_left;    /* the kernel's FIN has left, and is acknowledged by fin_ack */
    uint32_t fin_ack;
};

/* A link around watch->inner, which the watch must outlive. -1 and errno on failure. */
int kernel_watch_link(struct kernel_watch *watch, struct duet_link **link);

/* Asks the kernel and records what it says; where it cannot be asked, that the state is still
 * believed to be the latest one. */
void kernel_watch_ask(struct kernel_watch *watch, duet_time now);

#endif
