/* SPDX-License-Identifier: MIT */
/* Scenarios of data on its way (RFC 9293, section 3.8). */
#include "sim/scenario.h"

/* A server that reads all there is, then closes. */
static const struct actor_step reader[] = {
    {.act = ACTOR_LISTEN},      {.act = ACTOR_ACCEPT},
    {.act = ACTOR_RECEIVE_END}, {.act = ACTOR_CLOSE, .pause_ms = 50},
    {.act = ACTOR_END},
};

/* ---- delayed-ack: three segments of 1448 bytes ---- */

static const struct actor_step three_segments[] = {
    {.act = ACTOR_CONNECT},
    {.act = ACTOR_SEND, .amount = 3 * 1448, .pause_ms = 50},
    {.act = ACTOR_SHUTDOWN, .pause_ms = 200},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

/* ---- nagle ---- */

static const struct actor_step small_writes[] = {
    {.act = ACTOR_CONNECT},
    {.act = ACTOR_SEND,
     .amount = 10,
     .pause_ms = 50,
     .say = "The client writes 10 bytes three times, 2 ms apart."},
    {.act = ACTOR_SEND, .amount = 10, .pause_ms = 2},
    {.act = ACTOR_SEND, .amount = 10, .pause_ms = 2},
    {.act = ACTOR_SHUTDOWN, .pause_ms = 200},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

/* ---- lost-data: six segments, so that three duplicate ACKs tell of the second ---- */

static const struct actor_step many_segments[] = {
    {.act = ACTOR_CONNECT},
    {.act = ACTOR_SEND, .amount = 6 * 1448, .pause_ms = 50},
    {.act = ACTOR_SHUTDOWN, .pause_ms = 200},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

/* ---- urgent ---- */

static const struct actor_step urgent_client[] = {
    {.act = ACTOR_CONNECT},
    {.act = ACTOR_SEND, .amount = 100, .pause_ms = 50},
    {.act = ACTOR_SEND_URGENT,
     .amount = 1,
     .pause_ms = 100,
     .say = "The client sends one byte more, and marks it urgent."},
    {.act = ACTOR_SHUTDOWN, .pause_ms = 200},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

static const struct actor_step urgent_server[] = {
    {.act = ACTOR_LISTEN},
    {.act = ACTOR_ACCEPT},
    {.act = ACTOR_AWAIT_URGENT},
    {.act = ACTOR_RECEIVE_END, .say = "Told of urgent data, the server reads up to the mark."},
    {.act = ACTOR_CLOSE, .pause_ms = 50},
    {.act = ACTOR_END},
};

/* ---- zero-window ---- */

static const struct actor_step fast_writer[] = {
    {.act = ACTOR_CONNECT},
    {.act = ACTOR_SEND, .amount = 5000, .pause_ms = 50},
    {.act = ACTOR_SHUTDOWN, .pause_ms = 5000},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

static const struct actor_step slow_reader[] = {
    {.act = ACTOR_LISTEN},
    {.act = ACTOR_ACCEPT},
    {.act = ACTOR_PAUSE, .pause_ms = 2000},
    {.act = ACTOR_RECEIVE_END, .say = "At last the server reads, and there is room again."},
    {.act = ACTOR_CLOSE, .pause_ms = 50},
    {.act = ACTOR_END},
};

/* ---- keep-alive ---- */

static const struct actor_step vanishing_client[] = {
    {.act = ACTOR_CONNECT},
    {.act = ACTOR_SEND, .amount = 20, .pause_ms = 50},
    {.act = ACTOR_REBOOT,
     .pause_ms = 3 * 3600 * 1000,
     .say = "The client's machine loses power and starts again: no FIN, no RST, no memory."},
    {.act = ACTOR_END},
};

static const struct actor_step careful_server[] = {
    {.act = ACTOR_LISTEN},
    {.act = ACTOR_ACCEPT},
    {.act = ACTOR_SET, .option = DUET_OPTION_KEEPALIVE, .amount = 1},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

static const struct scenario data_table[] = {
    {
        .face = {"delayed-ack", "Every second full segment is acknowledged at once, a lone one "
                                "after a moment, in the hope of data to ride on."},
        .client = three_segments,
        .server = reader,
    },
    {
        .face = {"nagle", "Small writes wait while something small is unacknowledged, and leave "
                          "together."},
        .client = small_writes,
        .server = reader,
    },
    {
        .face = {"lost-data", "A segment amid others is lost: what comes behind it is "
                              "acknowledged again and again, and that is the sign to resend."},
        .client = many_segments,
        .server = reader,
        .faults = {{.fault = DUET_FAULT_DROP, .packet = 5}},
        .fault_count = 1,
    },
    {
        .face = {"reordered", "A segment is overtaken by another: the receiver keeps what came "
                              "early, and one duplicate ACK is no reason to resend."},
        .client = three_segments,
        .server = reader,
        .faults = {{.fault = DUET_FAULT_DELAY, .packet = 5, .delay_ms = 1}},
        .fault_count = 1,
    },
    {
        .face = {"urgent", "Urgent data is a mark in the stream, not a second channel: URG says "
                           "how far to hurry."},
        .client = urgent_client,
        .server = urgent_server,
    },
    {
        .face = {"zero-window", "The reader is slow and its window closes: the writer waits, and "
                                "probes so that no lost update stops it for ever."},
        .client = fast_writer,
        .server = slow_reader,
        .server_buffer = 2048,
    },
    {
        .face = {"keep-alive", "After two idle hours a probe asks whether the peer still lives; "
                               "one that has restarted answers RST."},
        .client = vanishing_client,
        .server = careful_server,
    },
};

const struct scenario_table scenarios_data = {data_table, sizeof data_table / sizeof data_table[0]};
