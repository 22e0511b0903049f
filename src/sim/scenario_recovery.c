/* SPDX-License-Identifier: MIT */
/* Scenarios of what TCP does when the network loses, delays, reorders or narrows (RFC 5681, RFC
 * 6298, RFC 8985). docs/RECOVERY.md goes through them with their plots.
 *
 * Faults count the packets of one host: its SYN is the first, its ACK of the handshake the second,
 * so that the client's first segment of data is its third packet. */
#include "sim/scenario.h"

enum { MSS = 1448, DATA = 3 /* the client's first packet of data */ };

/* A server that reads all there is, then closes. */
static const struct actor_step reader[] = {
    {.act = ACTOR_LISTEN},      {.act = ACTOR_ACCEPT},
    {.act = ACTOR_RECEIVE_END}, {.act = ACTOR_CLOSE, .pause_ms = 5},
    {.act = ACTOR_END},
};

/* ---- fast-retransmit: ten segments, two of them lost, and two more ---- */

static const struct actor_step bulk[] = {
    {.act = ACTOR_CONNECT},
    {.act = ACTOR_SEND, .amount = 10 * MSS, .pause_ms = 10},
    {.act = ACTOR_SEND, .amount = 2 * MSS, .pause_ms = 25},
    {.act = ACTOR_SHUTDOWN, .pause_ms = 70},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

/* ---- tail-loss: nothing comes behind what is lost ---- */

static const struct actor_step request[] = {
    {.act = ACTOR_CONNECT},
    {.act = ACTOR_SEND, .amount = 6 * MSS, .pause_ms = 10},
    {.act = ACTOR_SHUTDOWN, .pause_ms = 150},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

/* ---- spurious-timeout: the network holds everything back for a while ---- */

static const struct actor_step stalled[] = {
    {.act = ACTOR_CONNECT},
    {.act = ACTOR_SEND,
     .amount = 6 * MSS,
     .pause_ms = 10,
     .say = "From here on the network holds everything of the client back for a while, as a "
            "mobile link does that changes its cell."},
    {.act = ACTOR_SEND, .amount = 6 * MSS, .pause_ms = 400},
    {.act = ACTOR_SHUTDOWN, .pause_ms = 60},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

/* ---- reordering: a harmless one teaches the sender what helps with the next ---- */

static const struct actor_step overtaken[] = {
    {.act = ACTOR_CONNECT},
    {.act = ACTOR_SEND,
     .amount = 3 * MSS,
     .pause_ms = 10,
     .say = "The second of three segments is 3 ms slower: one other overtakes it."},
    {.act = ACTOR_SEND,
     .amount = 6 * MSS,
     .pause_ms = 18,
     .say = "Now four others overtake the second of six."},
    {.act = ACTOR_SHUTDOWN, .pause_ms = 60},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

/* ---- zero-window-recovery: the news of an open window is lost ---- */

static const struct actor_step waiting_writer[] = {
    {.act = ACTOR_CONNECT},
    {.act = ACTOR_SEND, .amount = 6 * MSS, .pause_ms = 10},
    {.act = ACTOR_SHUTDOWN, .pause_ms = 1000},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

static const struct actor_step late_reader[] = {
    {.act = ACTOR_LISTEN},
    {.act = ACTOR_ACCEPT},
    {.act = ACTOR_RECEIVE_END,
     .pause_ms = 350,
     .say = "The server reads, and there is room again. The ACK that says so will be lost."},
    {.act = ACTOR_CLOSE, .pause_ms = 5},
    {.act = ACTOR_END},
};

/* ---- ecn-mark: a router's queue is long, and it says so instead of losing something ---- */

static const struct actor_step careful[] = {
    {.act = ACTOR_CONNECT},
    {.act = ACTOR_SEND, .amount = 6 * MSS, .pause_ms = 10},
    {.act = ACTOR_SEND, .amount = 4 * MSS, .pause_ms = 30},
    {.act = ACTOR_SHUTDOWN, .pause_ms = 60},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

/* ---- mtu-black-hole: a tunnel on the way takes 1300 bytes, and nobody says so ---- */

static const struct actor_step tunneled[] = {
    {.act = ACTOR_CONNECT},
    {.act = ACTOR_SEND,
     .amount = 5 * MSS,
     .pause_ms = 10,
     .say = "A tunnel on the way takes no packet of more than 1300 bytes, and no router says so."},
    {.act = ACTOR_SHUTDOWN, .pause_ms = 1200},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

static const struct scenario recovery_table[] = {
    {
        .face = {"fast-retransmit",
                 "Two segments of ten are lost: SACK tells what has arrived behind them, so both "
                 "are sent again within a round trip, and the window shrinks once."},
        .client = bulk,
        .server = reader,
        .faults = {{.fault = DUET_FAULT_DROP, .packet = DATA + 1, .count = OF_CLIENT},
                   {.fault = DUET_FAULT_DROP, .packet = DATA + 4, .count = OF_CLIENT}},
        .fault_count = 2,
    },
    {
        .face = {"tail-loss",
                 "The last segments are lost, and nothing behind them can tell: a probe after two "
                 "round trips asks, long before the retransmission timer would."},
        .client = request,
        .server = reader,
        .faults = {{.fault = DUET_FAULT_DROP, .packet = DATA + 4, .count = OF_CLIENT, .run = 2}},
        .fault_count = 1,
    },
    {
        .face = {"spurious-timeout",
                 "Nothing is lost, all is late: the timer runs out and the window collapses, until "
                 "an echoed timestamp shows that the first copies had arrived, and all is undone."},
        .client = stalled,
        .server = reader,
        .faults =
            {{.fault = DUET_FAULT_DELAY,
              .packet = DATA,
              .count = OF_CLIENT,
              .run = 6,
              .delay_ms = 270},
             {.fault = DUET_FAULT_DELAY, .packet = DATA + 6, .count = OF_CLIENT, .delay_ms = 230},
             {.fault = DUET_FAULT_DELAY, .packet = DATA + 7, .count = OF_CLIENT, .delay_ms = 40}},
        .fault_count = 3,
    },
    {
        .face = {"reordering",
                 "One segment overtakes another, and the sender learns that this path reorders: "
                 "when four overtake one, it waits a quarter of a round trip, and sends nothing "
                 "again."},
        .client = overtaken,
        .server = reader,
        .faults =
            {{.fault = DUET_FAULT_DELAY, .packet = DATA + 1, .count = OF_CLIENT, .delay_ms = 3},
             {.fault = DUET_FAULT_DELAY, .packet = DATA + 4, .count = OF_CLIENT, .delay_ms = 4}},
        .fault_count = 2,
    },
    {
        .face = {"zero-window-recovery",
                 "The window opens again, but the news of it is lost: the probes of the sender "
                 "that waits find out."},
        .client = waiting_writer,
        .server = late_reader,
        .faults = {{.fault = DUET_FAULT_DROP, .packet = 5, .count = OF_SERVER}},
        .fault_count = 1,
        .server_buffer = 3 * MSS,
    },
    {
        .face = {"ecn-mark",
                 "A router whose queue grows marks a packet instead of losing one: the receiver "
                 "echoes the mark, the sender slows down, and nothing is sent again."},
        .client = careful,
        .server = reader,
        .faults = {{.fault = DUET_FAULT_MARK, .packet = DATA + 1, .count = OF_CLIENT}},
        .fault_count = 1,
        .asks_for_ecn = true,
    },
    {
        .face =
            {"mtu-black-hole",
             "Small packets pass, large ones vanish without a word: after two timeouts the sender "
             "concludes that the path is narrower than its link, and cuts what it sends."},
        .client = tunneled,
        .server = reader,
        .faults = {{.fault = DUET_FAULT_MTU, .mtu = 1300}},
        .fault_count = 1,
    },
};

const struct scenario_table scenarios_recovery = {recovery_table,
                                                  sizeof recovery_table / sizeof recovery_table[0]};
