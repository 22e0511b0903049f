/* SPDX-License-Identifier: MIT */
/* One stack over one link in real time. See duet/loop.h.
 *
 * A turn takes a bounded number of packets in and out, so that neither direction, nor the timers,
 * nor the caller starve when the other side never pauses. A packet that the link fails to send is
 * lost, as on any network; a link that is broken says so through errno. A link without room is
 * asked again when its descriptor can be written, and without one a millisecond later.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "duet/loop.h"

#define LOOP_RETRY DUET_MILLISECOND

/* Room for the largest IP packet, and what one turn may do at most. */
enum { LOOP_PIECES = 64 };
enum { LOOP_ROOM = 65536, LOOP_IN_MAX = 64, LOOP_OUT_MAX = 256 };

/* A turn takes in no more bytes than this and what is left of a packet, so that the caller finds most of them
 * in the cache still. With less, acknowledgements leave more often, and wake the sender for less. */
enum { LOOP_IN_BYTES = 1 << 20 };

duet_time duet_loop_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (duet_time)now.tv_sec * DUET_SECOND + now.tv_nsec;
}

int duet_loop_init(struct duet_loop *loop, struct duet_stack *stack, struct duet_link *link)
{
    uint8_t *rooms = malloc((size_t)LOOP_ROOM * 2);
    const bool gathers = (link->offload & DUET_OFFLOAD_GATHER) != 0;
    struct duet_piece *pieces = gathers ? calloc(LOOP_PIECES, sizeof *pieces) : NULL;

    if (rooms == NULL || (gathers && pieces == NULL)) {
        free(rooms);
        free(pieces);
        return -1;
    }
    *loop = (struct duet_loop){.stack = stack,
                               .link = link,
                               .room = {.data = rooms, .size = LOOP_ROOM},
                               .waiting = {.data = rooms + LOOP_ROOM,
                                           .size = LOOP_ROOM,
                                           .pieces = pieces,
                                           .pieces_max = gathers ? LOOP_PIECES : 0}};
    return 0;
}

void duet_loop_free(struct duet_loop *loop)
{
    free(loop->room.data); /* both rooms */
    free(loop->waiting.pieces);
    *loop = (struct duet_loop){0};
}

static void after_door(struct duet_loop *loop, duet_time now)
{
    if (loop->after != NULL)
        loop->after(loop->context, now);
}

/* Errors that speak of one packet; any other speaks of the link. */
static bool is_packet_error(int error)
{
    return error == EMSGSIZE || error == EINVAL || error == EHOSTUNREACH || error == ENETUNREACH;
}

/* How many packets were taken, or -1. */
static int take_arrived(struct duet_loop *loop)
{
    int taken = 0;
    uint32_t bytes = 0;

    loop->link->error = 0;
    while (taken < LOOP_IN_MAX && bytes < LOOP_IN_BYTES) {
        duet_time now = duet_loop_now();

        if (!loop->link->receive(loop->link, now, &loop->room))
            break;
        duet_input(loop->stack, now, &loop->room);
        after_door(loop, now);
        bytes += loop->room.length;
        taken++;
    }
    if (loop->link->error == 0 || is_packet_error(loop->link->error))
        return taken;
    errno = loop->link->error;
    return -1;
}

/* What stays cannot rely on the stack to keep its text. */
static void keep_pieces(struct duet_packet *packet)
{
    uint32_t at = packet->length;

    for (unsigned i = 0; i < packet->piece_count; i++)
        at -= packet->pieces[i].size;
    for (unsigned i = 0; i < packet->piece_count; at += packet->pieces[i++].size)
        memcpy(packet->data + at, packet->pieces[i].data, packet->pieces[i].size);
    packet->piece_count = 0;
}

/* Sends the packet that waits, if it may leave. False: it stays. */
static bool send_waiting(struct duet_loop *loop, duet_time now)
{
    if (loop->waiting.departure > now) {
        keep_pieces(&loop->waiting);
        return false;
    }
    loop->link->error = 0;
    if (!loop->link->send(loop->link, now, &loop->waiting) && loop->link->error == 0) {
        loop->is_blocked = true;
        keep_pieces(&loop->waiting);
        return false;
    }
    loop->is_blocked = false;
    loop->has_waiting = false;
    return true;
}

/* How many packets were sent, or -1. */
static int send_owed(struct duet_loop *loop)
{
    int sent = 0;

    while (sent < LOOP_OUT_MAX) {
        duet_time now = duet_loop_now();

        if (!loop->has_waiting) {
            loop->waiting.departure = 0;
            loop->has_waiting = duet_output(loop->stack, now, &loop->waiting);
        }
        if (!loop->has_waiting || !send_waiting(loop, now))
            break;
        after_door(loop, now);
        if (loop->link->error != 0 && !is_packet_error(loop->link->error)) {
            errno = loop->link->error;
            return -1;
        }
        sent++;
    }
    return sent;
}

/* Everything once; 1: something was done, 0: nothing to do now, -1: broken link. What is owed leaves
 * before new packets are taken, and not after: so the user hears of those first, and what he answers
 * goes with the acknowledgement in one packet. */
static int turn(struct duet_loop *loop)
{
    bool is_due = duet_deadline(loop->stack) <= duet_loop_now();
    int sent, taken;

    if (is_due) {
        duet_time now = duet_loop_now();

        duet_expire(loop->stack, now);
        after_door(loop, now);
    }
    sent = send_owed(loop);
    if (sent < 0)
        return -1;
    taken = take_arrived(loop);
    return taken < 0 ? -1 : taken > 0 || sent > 0 || is_due;
}

static duet_time earlier(duet_time a, duet_time b)
{
    return a < b ? a : b;
}

/* When there will be something to do though nothing arrives. */
static duet_time next_time(const struct duet_loop *loop, duet_time until)
{
    duet_time next = earlier(until, duet_deadline(loop->stack));
    bool can_poll = loop->link->descriptor(loop->link) >= 0;

    next = earlier(next, loop->link->deadline(loop->link));
    if (loop->has_waiting && !loop->is_blocked)
        next = earlier(next, loop->waiting.departure);
    if (loop->is_blocked && !can_poll)
        next = earlier(next, duet_loop_now() + LOOP_RETRY);
    return next;
}

/* Waits for descriptors until the given time. The number of those in also that are ready, or -1. */
static int wait_for(struct duet_loop *loop, duet_time next)
{
    struct pollfd all[DUET_LOOP_ALSO_MAX + 1];
    size_t also_count = loop->also_count;
    duet_time pause = next - duet_loop_now();
    struct timespec limit = {0};
    int ready = 0;

    if (pause > 0)
        limit = (struct timespec){.tv_sec = (time_t)(pause / DUET_SECOND),
                                  .tv_nsec = (long)(pause % DUET_SECOND)};
    all[0] = (struct pollfd){.fd = loop->link->descriptor(loop->link),
                             .events = (short)(POLLIN | (loop->is_blocked ? POLLOUT : 0))};
    for (size_t i = 0; i < also_count; i++)
        all[i + 1] = loop->also[i];
    if (ppoll(all, (nfds_t)(also_count + 1), next == DUET_NEVER ? NULL : &limit, NULL) < 0 &&
        errno != EINTR)
        return -1;
    for (size_t i = 0; i < also_count; i++) {
        loop->also[i].revents = all[i + 1].revents;
        ready += all[i + 1].revents != 0;
    }
    return ready;
}

int duet_loop_run(struct duet_loop *loop, duet_time until)
{
    if (loop->also_count > DUET_LOOP_ALSO_MAX) {
        errno = EINVAL;
        return -1;
    }
    for (;;) {
        int done = turn(loop);
        int ready;

        if (done < 0)
            return -1;
        if (done > 0 && loop->also_count == 0)
            return 1;
        /* After work the caller's descriptors are looked at too, but not waited for. */
        ready = wait_for(loop, done > 0 ? 0 : next_time(loop, until));
        if (ready < 0)
            return -1;
        if (done > 0 || ready > 0)
            return 1;
        if (duet_loop_now() >= until)
            return 0;
    }
}
