/* SPDX-License-Identifier: MIT */
/* Scenarios of opening a connection (RFC 9293, section 3.5), and the whole life as the first of
 * all. */
#include "sim/scenario.h"

/* ---- three-way ---- */

static const struct actor_step whole_life_client[] = {
    {.act = ACTOR_CONNECT},
    {.act = ACTOR_SEND, .amount = 18, .pause_ms = 50},
    {.act = ACTOR_RECEIVE, .amount = 42},
    {.act = ACTOR_SHUTDOWN,
     .pause_ms = 100,
     .say = "The client has no more to send, and says so with FIN."},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

static const struct actor_step whole_life_server[] = {
    {.act = ACTOR_LISTEN},
    {.act = ACTOR_ACCEPT},
    {.act = ACTOR_RECEIVE, .amount = 18},
    {.act = ACTOR_SEND, .amount = 42, .pause_ms = 20},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_SEND,
     .amount = 30,
     .pause_ms = 60,
     .say = "The server still has data: that is why closing takes four steps."},
    {.act = ACTOR_CLOSE, .pause_ms = 100, .say = "Now the server has no more to send either."},
    {.act = ACTOR_END},
};

/* ---- a short life, which most stories about loss disturb ---- */

static const struct actor_step short_client[] = {
    {.act = ACTOR_CONNECT},
    {.act = ACTOR_SEND, .amount = 20, .pause_ms = 50},
    {.act = ACTOR_SHUTDOWN, .pause_ms = 100},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

static const struct actor_step short_server[] = {
    {.act = ACTOR_LISTEN},      {.act = ACTOR_ACCEPT},
    {.act = ACTOR_RECEIVE_END}, {.act = ACTOR_CLOSE, .pause_ms = 50},
    {.act = ACTOR_END},
};

/* ---- data-on-ack ---- */

static const struct actor_step eager_client[] = {
    {.act = ACTOR_CONNECT_START},
    {.act = ACTOR_SEND,
     .amount = 40,
     .say = "The client writes at once, before there is a connection."},
    {.act = ACTOR_SHUTDOWN, .pause_ms = 200},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

/* ---- simultaneous-open ---- */

static const struct actor_step crossing_client[] = {
    {.act = ACTOR_CONNECT, .amount = WORLD_PORT},
    {.act = ACTOR_SEND, .amount = 20, .pause_ms = 50},
    {.act = ACTOR_SHUTDOWN, .pause_ms = 100},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

static const struct actor_step crossing_server[] = {
    {.act = ACTOR_CONNECT,
     .amount = WORLD_PORT,
     .say = "Both ends open actively, to each other's port."},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE, .pause_ms = 50},
    {.act = ACTOR_END},
};

/* ---- refused, syn-timeout ---- */

static const struct actor_step only_connect[] = {{.act = ACTOR_CONNECT}, {.act = ACTOR_END}};
static const struct actor_step nobody[] = {{.act = ACTOR_END}};

/* ---- lost-ack: the client is silent until the server has asked again ---- */

static const struct actor_step silent_client[] = {
    {.act = ACTOR_CONNECT},
    {.act = ACTOR_SEND, .amount = 20, .pause_ms = 1500},
    {.act = ACTOR_SHUTDOWN, .pause_ms = 100},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

/* ---- old-duplicate-syn (RFC 9293, figure 8) ---- */

static const struct actor_step impatient_client[] = {
    {.act = ACTOR_CONNECT_START,
     .say = "A first attempt; its SYN gets lost in the network for 5 s."},
    {.act = ACTOR_CLOSE, .pause_ms = 500, .say = "The client gives up, and forgets the attempt."},
    {.act = ACTOR_CONNECT_AGAIN,
     .pause_ms = 4495,
     .say = "A new attempt from the same port; the old SYN arrives first."},
    {.act = ACTOR_SEND, .amount = 20, .pause_ms = 50},
    {.act = ACTOR_SHUTDOWN, .pause_ms = 100},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

/* ---- two-listeners (RFC 9293, figure 11) ---- */

static const struct actor_step only_listen[] = {{.act = ACTOR_LISTEN}, {.act = ACTOR_END}};

/* ---- fast-open, fast-open-lost: the first connection only fetches the cookie ---- */

static const struct actor_step fast_client[] = {
    {.act = ACTOR_CONNECT_FAST, .say = "The client asks for a cookie; it has none yet."},
    {.act = ACTOR_SEND, .amount = 40},
    {.act = ACTOR_RECEIVE, .amount = 60},
    {.act = ACTOR_SHUTDOWN},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_CONNECT_FAST,
     .pause_ms = 1000,
     .say = "With the cookie of the first time its request rides on the SYN."},
    {.act = ACTOR_SEND, .amount = 40},
    {.act = ACTOR_RECEIVE, .amount = 60},
    {.act = ACTOR_SHUTDOWN},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

static const struct actor_step fast_server[] = {
    {.act = ACTOR_LISTEN, .amount = 2},
    {.act = ACTOR_ACCEPT},
    {.act = ACTOR_RECEIVE, .amount = 40},
    {.act = ACTOR_SEND, .amount = 60},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_ACCEPT},
    {.act = ACTOR_RECEIVE, .amount = 40},
    {.act = ACTOR_SEND,
     .amount = 60,
     .say = "The server has answered before the handshake is over."},
    {.act = ACTOR_RECEIVE_END},
    {.act = ACTOR_CLOSE},
    {.act = ACTOR_END},
};

static const struct scenario open_table[] = {
    {
        .face = {"three-way", "The whole life: three steps to open, data each way, four steps to "
                              "close, and 240 s of TIME-WAIT."},
        .client = whole_life_client,
        .server = whole_life_server,
    },
    {
        .face = {"data-on-ack", "The third segment may carry data, when the application has "
                                "already written some."},
        .client = eager_client,
        .server = short_server,
    },
    {
        .face = {"simultaneous-open", "Both ends send SYN at once: the SYNs cross, and one "
                                      "connection results, not two."},
        .client = crossing_client,
        .server = crossing_server,
    },
    {
        .face = {"refused", "Nobody listens on the port: the SYN is answered by RST, and the open "
                            "fails at once."},
        .client = only_connect,
        .server = nobody,
    },
    {
        .face = {"lost-syn", "The first SYN is lost: the client sends it again after one second."},
        .client = short_client,
        .server = short_server,
        .faults = {{.fault = DUET_FAULT_DROP, .packet = 1}},
        .fault_count = 1,
    },
    {
        .face = {"lost-syn-ack",
                 "The SYN,ACK is lost: the client repeats its SYN, and the server sees "
                 "that its answer was missed."},
        .client = short_client,
        .server = short_server,
        /* The first SYN is slow, so that the server's own timer is not due at the same instant. */
        .faults = {{.fault = DUET_FAULT_DROP, .packet = 2},
                   {.fault = DUET_FAULT_DELAY, .packet = 1, .delay_ms = 300}},
        .fault_count = 2,
    },
    {
        .face = {"lost-ack", "The third segment is lost: the client is ESTABLISHED, the server "
                             "not yet, and it asks again."},
        .client = silent_client,
        .server = short_server,
        .faults = {{.fault = DUET_FAULT_DROP, .packet = 3}},
        .fault_count = 1,
    },
    {
        .face = {"syn-timeout", "Nobody answers at all: the SYN is repeated ever more rarely, "
                                "until the client gives up after three minutes."},
        .client = only_connect,
        .server = nobody,
        .faults = {{.fault = DUET_FAULT_DROP, .packet = WORLD_EVERY_PACKET}},
        .fault_count = 1,
    },
    {
        .face = {"old-duplicate-syn", "A SYN of an earlier attempt arrives late: three steps, not "
                                      "two, are what finds it out (RFC 9293, figure 8)."},
        .client = impatient_client,
        .server = short_server,
        .faults = {{.fault = DUET_FAULT_DELAY, .packet = 1, .delay_ms = 5000},
                   {.fault = DUET_FAULT_DELAY, .packet = 2, .delay_ms = 200}},
        .fault_count = 2,
    },
    {
        .face = {"fast-open", "Fast Open: with a cookie from an earlier connection the request "
                              "rides on the SYN, and the answer comes a round trip sooner."},
        .client = fast_client,
        .server = fast_server,
    },
    {
        .face = {"fast-open-lost", "The SYN with the request is lost: the next one goes without, "
                                   "and the request follows as ever."},
        .client = fast_client,
        .server = fast_server,
        .faults = {{.fault = DUET_FAULT_DROP, .packet = 8}},
        .fault_count = 1,
    },
    {
        .face = {"two-listeners", "An old SYN between two hosts that both only listen: RST sends "
                                  "both back to LISTEN (RFC 9293, figure 11)."},
        .client = only_listen,
        .server = only_listen,
        .forgeries = {{.at_ms = 100,
                       .victim = 1,
                       .flags = DUET_SYN,
                       .say = "A SYN from long ago arrives, seemingly from the client."}},
    },
};

const struct scenario_table scenarios_open = {open_table, sizeof open_table / sizeof open_table[0]};
