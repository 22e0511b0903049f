/* SPDX-License-Identifier: MIT */
/* Scenarios of reset: how it is made, whom it is believed, and what it repairs (RFC 9293, sections
 * 3.5.1 to 3.5.3, and RFC 5961). */
#include "sim/scenario.h"

static const struct actor_step talking_client[] = {
    {.act = ACTOR_CONNECT},     {.act = ACTOR_SEND, .amount = 30, .pause_ms = 50},
    {.act = ACTOR_RECEIVE_END}, {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

/* ---- reset ---- */

static const struct actor_step aborting_server[] = {
    {.act = ACTOR_LISTEN},
    {.act = ACTOR_ACCEPT},
    {.act = ACTOR_RECEIVE, .amount = 30},
    {.act = ACTOR_SEND, .amount = 50, .pause_ms = 20},
    {.act = ACTOR_ABORT, .pause_ms = 200, .say = "The server aborts: no more data, no FIN."},
    {.act = ACTOR_END},
};

/* ---- close-unread ---- */

static const struct actor_step careless_server[] = {
    {.act = ACTOR_LISTEN},
    {.act = ACTOR_ACCEPT},
    {.act = ACTOR_CLOSE,
     .pause_ms = 200,
     .say = "The server closes without having read what it was sent."},
    {.act = ACTOR_END},
};

/* ---- half-open-recovery (RFC 9293, figure 9) ---- */

static const struct actor_step crashing_client[] = {
    {.act = ACTOR_CONNECT},
    {.act = ACTOR_SEND, .amount = 30, .pause_ms = 50},
    {.act = ACTOR_REBOOT,
     .pause_ms = 200,
     .say = "The client's machine loses power and starts again. The server knows nothing of it."},
    {.act = ACTOR_CONNECT_AGAIN,
     .pause_ms = 300,
     .say = "The client connects again, from the same port."},
    {.act = ACTOR_SEND, .amount = 30, .pause_ms = 50},
    {.act = ACTOR_SHUTDOWN, .pause_ms = 100},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

static const struct actor_step patient_server[] = {
    {.act = ACTOR_LISTEN},
    {.act = ACTOR_ACCEPT},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE, .pause_ms = 50},
    {.act = ACTOR_ACCEPT},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE, .pause_ms = 50},
    {.act = ACTOR_END},
};

/* ---- half-open-data (RFC 9293, figure 10) ---- */

static const struct actor_step forgetful_client[] = {
    {.act = ACTOR_CONNECT},
    {.act = ACTOR_SEND, .amount = 30, .pause_ms = 50},
    {.act = ACTOR_REBOOT,
     .pause_ms = 200,
     .say = "The client's machine loses power and starts again."},
    {.act = ACTOR_END},
};

static const struct actor_step sending_server[] = {
    {.act = ACTOR_LISTEN},
    {.act = ACTOR_ACCEPT},
    {.act = ACTOR_RECEIVE, .amount = 30},
    {.act = ACTOR_SEND,
     .amount = 50,
     .pause_ms = 1000,
     .say = "The server sends into a connection that only it remembers."},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

/* ---- blind-reset, blind-syn ---- */

static const struct actor_step attacked_client[] = {
    {.act = ACTOR_CONNECT},
    {.act = ACTOR_SEND, .amount = 30, .pause_ms = 50},
    {.act = ACTOR_SEND,
     .amount = 30,
     .pause_ms = 1000,
     .say = "The connection is as alive as before."},
    {.act = ACTOR_SHUTDOWN, .pause_ms = 100},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

static const struct actor_step attacked_server[] = {
    {.act = ACTOR_LISTEN},      {.act = ACTOR_ACCEPT},
    {.act = ACTOR_RECEIVE_END}, {.act = ACTOR_CLOSE, .pause_ms = 50},
    {.act = ACTOR_END},
};

static const struct scenario reset_table[] = {
    {
        .face = {"reset", "An abort throws the connection away: RST, no TIME-WAIT, and the peer "
                          "hears of an error instead of an end."},
        .client = talking_client,
        .server = aborting_server,
    },
    {
        .face = {"close-unread", "To close with bytes unread is to lose them, and RST says so "
                                 "where FIN would lie."},
        .client = talking_client,
        .server = careless_server,
    },
    {
        .face = {"half-open-recovery",
                 "A host that crashed connects again: the old half is found "
                 "out and reset, then the open succeeds (RFC 9293, figure 9)."},
        .client = crashing_client,
        .server = patient_server,
        .no_timestamps = true,
    },
    {
        .face = {"half-open-data", "Data for a connection that the peer has forgotten is answered "
                                   "by RST (RFC 9293, figure 10)."},
        .client = forgetful_client,
        .server = sending_server,
    },
    {
        .face = {"blind-reset", "An attacker guesses: a RST outside the window is ignored, one "
                                "inside is challenged, only an exact one would be obeyed."},
        .client = attacked_client,
        .server = attacked_server,
        .forgeries = {{.at_ms = 500,
                       .victim = 1,
                       .flags = DUET_RST,
                       .ahead = 1000000,
                       .say = "An attacker forges a RST; its sequence number is far off."},
                      {.at_ms = 700,
                       .victim = 1,
                       .flags = DUET_RST,
                       .ahead = 1000,
                       .say = "Another guess falls into the window, 1000 past the exact number."}},
    },
    {
        .face = {"blind-syn", "A SYN amid a connection proves nothing: it is answered by a "
                              "challenge ACK, and the true peer ignores that."},
        .client = attacked_client,
        .server = attacked_server,
        .no_timestamps = true,
        .forgeries = {{.at_ms = 500,
                       .victim = 1,
                       .flags = DUET_SYN,
                       .ahead = 1000,
                       .say = "An attacker forges a SYN for the connection that exists."}},
    },
};

const struct scenario_table scenarios_reset = {reset_table,
                                               sizeof reset_table / sizeof reset_table[0]};
