/* SPDX-License-Identifier: MIT */
/* Scenarios of closing a connection, and of what comes after (RFC 9293, section 3.6). */
#include "sim/scenario.h"

/* A client that says little and closes first; the packets are
 * 1 SYN, 2 SYN,ACK, 3 ACK, 4 data, 5 ACK, 6 FIN, 7 ACK, 8 FIN, 9 ACK. */
static const struct actor_step brief_client[] = {
    {.act = ACTOR_CONNECT},
    {.act = ACTOR_SEND, .amount = 20, .pause_ms = 50},
    {.act = ACTOR_SHUTDOWN, .pause_ms = 100},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

static const struct actor_step brief_server[] = {
    {.act = ACTOR_LISTEN},      {.act = ACTOR_ACCEPT},
    {.act = ACTOR_RECEIVE_END}, {.act = ACTOR_CLOSE, .pause_ms = 100},
    {.act = ACTOR_END},
};

/* ---- half-close ---- */

static const struct actor_step asking_client[] = {
    {.act = ACTOR_CONNECT},
    {.act = ACTOR_SEND,
     .amount = 20,
     .pause_ms = 50,
     .say = "The client asks, and closes its direction at once."},
    {.act = ACTOR_SHUTDOWN},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

static const struct actor_step answering_server[] = {
    {.act = ACTOR_LISTEN},
    {.act = ACTOR_ACCEPT},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_SEND,
     .amount = 1000,
     .pause_ms = 50,
     .say = "The other direction is open as ever."},
    {.act = ACTOR_SEND, .amount = 1000, .pause_ms = 100},
    {.act = ACTOR_SEND, .amount = 500, .pause_ms = 100},
    {.act = ACTOR_CLOSE, .pause_ms = 100},
    {.act = ACTOR_END},
};

/* ---- simultaneous-close: the client is connected one latency before the server ---- */

static const struct actor_step closing_client[] = {
    {.act = ACTOR_CONNECT},     {.act = ACTOR_SHUTDOWN, .pause_ms = 110},
    {.act = ACTOR_RECEIVE_END}, {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

static const struct actor_step closing_server[] = {
    {.act = ACTOR_LISTEN},
    {.act = ACTOR_ACCEPT},
    {.act = ACTOR_SHUTDOWN, .pause_ms = 100, .say = "Both ends close at the same instant."},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

/* ---- late-segment: packet 8 is the server's data ---- */

static const struct actor_step talking_server[] = {
    {.act = ACTOR_LISTEN},
    {.act = ACTOR_ACCEPT},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_SEND,
     .amount = 40,
     .pause_ms = 50,
     .say = "This segment takes a long way; a copy of it will be there first."},
    {.act = ACTOR_CLOSE, .pause_ms = 2000},
    {.act = ACTOR_END},
};

/* ---- time-wait-reuse: the server closes first, so it is the one in TIME-WAIT ---- */

static const struct actor_step returning_client[] = {
    {.act = ACTOR_CONNECT},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_CONNECT_AGAIN,
     .pause_ms = 2000,
     .say = "The client is back, from the same port, while the server is in TIME-WAIT."},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

static const struct actor_step serving_twice[] = {
    {.act = ACTOR_LISTEN},
    {.act = ACTOR_ACCEPT},
    {.act = ACTOR_SEND, .amount = 24, .pause_ms = 50},
    {.act = ACTOR_CLOSE, .pause_ms = 100},
    {.act = ACTOR_ACCEPT},
    {.act = ACTOR_SEND, .amount = 24, .pause_ms = 50},
    {.act = ACTOR_CLOSE, .pause_ms = 100},
    {.act = ACTOR_END},
};

static const struct scenario close_table[] = {
    {
        .face = {"half-close", "One end has closed its direction, and the other goes on sending "
                               "as long as it likes."},
        .client = asking_client,
        .server = answering_server,
    },
    {
        .face = {"simultaneous-close", "Both ends send FIN at once: both go through CLOSING, and "
                                       "both keep TIME-WAIT."},
        .client = closing_client,
        .server = closing_server,
    },
    {
        .face = {"lost-fin", "The FIN is lost: it is sent again like data, because it has a "
                             "sequence number like data."},
        .client = brief_client,
        .server = brief_server,
        .faults = {{.fault = DUET_FAULT_DROP, .packet = 6}},
        .fault_count = 1,
    },
    {
        .face = {"lost-last-ack", "The last ACK is lost: the server repeats its FIN, and "
                                  "TIME-WAIT is there to answer it and to start anew."},
        .client = brief_client,
        .server = brief_server,
        .faults = {{.fault = DUET_FAULT_DROP, .packet = 9}},
        .fault_count = 1,
    },
    {
        .face = {"late-segment", "A segment arrives long after the connection closed: TIME-WAIT "
                                 "absorbs it, so that no successor can mistake it for its own."},
        .client = brief_client,
        .server = talking_server,
        .faults = {{.fault = DUET_FAULT_DELAY, .packet = 8, .delay_ms = 20000}},
        .fault_count = 1,
    },
    {
        .face = {"time-wait-reuse", "A new SYN may end TIME-WAIT early, when its numbers prove "
                                    "that it is new (RFC 6191)."},
        .client = returning_client,
        .server = serving_twice,
    },
};

const struct scenario_table scenarios_close = {close_table,
                                               sizeof close_table / sizeof close_table[0]};
