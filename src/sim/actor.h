/* SPDX-License-Identifier: MIT */
/* Actors: the programs of a story, as lists of steps that read like blocking socket calls.
 *
 *     {.act = ACTOR_CONNECT}, {.act = ACTOR_SEND, .amount = 18, .pause_ms = 100}, {.act =
 * ACTOR_RECEIVE, .amount = 30},
 *     {.act = ACTOR_SHUTDOWN}, {.act = ACTOR_RECEIVE_END}, {.act = ACTOR_CLOSE}, {.act = ACTOR_END}
 *
 * A step waits for its pause, then until it can be done. Steps without a pause between them are
 * done at one instant, before the stack sends anything. When a connection ends badly, the steps
 * that belong to it are skipped, as a program would do that met an error.
 *
 * What an actor sends is a stream of letters that depends on the seed, the host and the position
 * only, so what arrives is checked letter by letter.
 */
#ifndef SIM_ACTOR_H
#define SIM_ACTOR_H

#include "sim/world.h"

enum actor_act {
    ACTOR_END,
    ACTOR_LISTEN, /* amount: attempts of Fast Open at a time (RFC 7413), 0: none */
    ACTOR_ACCEPT,
    ACTOR_CONNECT,       /* and wait until it is established; amount: local port, 0: any */
    ACTOR_CONNECT_START, /* the same without waiting */
    ACTOR_CONNECT_FAST, /* with Fast Open, without waiting: what is sent next may ride on the SYN */
    ACTOR_CONNECT_AGAIN, /* from the same local port as last time, and wait */
    ACTOR_SEND,          /* amount bytes */
    ACTOR_SEND_URGENT,   /* amount bytes, the last of them urgent */
    ACTOR_AWAIT_URGENT,
    ACTOR_RECEIVE,     /* amount bytes */
    ACTOR_RECEIVE_END, /* all there is up to the end of the stream */
    ACTOR_SHUTDOWN,
    ACTOR_CLOSE,
    ACTOR_ABORT,
    ACTOR_AWAIT_CLOSED, /* until the connection is over, TIME-WAIT excepted */
    ACTOR_SET,          /* option to amount, on the connection */
    ACTOR_REBOOT,       /* the host loses power and starts again */
    ACTOR_PAUSE,        /* do nothing, for its pause */
};

struct actor_step {
    enum actor_act act;
    uint32_t amount;
    uint32_t pause_ms; /* before it */
    enum duet_option option;
    const char *say; /* for the ladder, when the step begins; may be NULL */
};

struct actor {
    struct world_user user; /* first: a user of a world */
    const struct actor_step *steps;
    unsigned at;
    bool begun;         /* the step at hand has been tried */
    duet_time ready_at; /* its pause is over */

    struct duet_handle listener, connection;
    bool has_connection, is_connected, is_over, is_closed_by_us, is_urgent;
    uint16_t local_port;
    struct duet_outcome outcome;
    uint32_t left;           /* bytes of the step at hand still to move */
    uint64_t sent, received; /* on this connection */
};

/* Makes an actor of the world on the host. */
void actor_start(struct actor *actor, struct world *world, unsigned host,
                 const struct actor_step *steps);

/* What the actor is still waiting for, in words, or NULL if its story is told. */
const char *actor_waits_for(const struct actor *actor);

#endif
