/* SPDX-License-Identifier: MIT */
/* Real time: one stack driven over one link, with CLOCK_MONOTONIC as its clock and ppoll(2) to
 * wait.
 *
 *     struct duet_loop loop;
 *     duet_loop_init(&loop, stack, link);
 *     while (duet_loop_run(&loop, DUET_NEVER) > 0)
 *         ...                                      look at events, make user calls
 *     duet_loop_free(&loop);
 *
 * The loop hands in what has arrived, runs timers that are due and sends what is owed, each packet
 * not before its departure time. Everything happens inside duet_loop_run, in one thread.
 */
#ifndef DUET_LOOP_H
#define DUET_LOOP_H

#include "link.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pollfd; /* poll.h */

struct duet_loop {
    struct duet_stack *stack;
    struct duet_link *link;

    /* May be set after init. */
    void (*after)(void *context,
                  duet_time now); /* called after each door: the place for the trace */
    void *context;
    struct pollfd *also; /* descriptors of the caller to wait for as well; revents is filled in */
    size_t also_count;   /* at most DUET_LOOP_ALSO_MAX */

    struct duet_packet room; /* arriving packets are read here */
    struct duet_packet
        waiting; /* built, not yet sent: before its departure, or no room in the link */
    bool has_waiting;
    bool is_blocked; /* the link had no room */
};

enum { DUET_LOOP_ALSO_MAX = 15 };

/* The clock of the loop, which is the one to use for user calls too. */
duet_time duet_loop_now(void);

/* 0, or -1 and errno ENOMEM. The loop owns neither stack nor link. */
int duet_loop_init(struct duet_loop *loop, struct duet_stack *stack, struct duet_link *link);
void duet_loop_free(struct duet_loop *loop);

/* Does all that can be done now: timers, then what is owed, then what has arrived, whose answer leaves in the
 * next run together with what the caller says to it. Then, if that was nothing, waits for the first of: a packet, a
 * timer, one of the descriptors in also, until. Returns 1 when something was done or a descriptor
 * is ready, 0 when until has passed, and -1 with errno when the link is broken. User calls that
 * make the stack owe something belong between two runs: they are paid in the next. */
int duet_loop_run(struct duet_loop *loop, duet_time until);

#ifdef __cplusplus
}
#endif
#endif
