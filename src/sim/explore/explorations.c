/* SPDX-License-Identifier: MIT */
/* The explorations that are shipped, as data. */
#include <string.h>

#include "duet/explore.h"

enum {
    LISTEN = DUET_EXPLORE_LISTEN,
    CONNECT = DUET_EXPLORE_CONNECT,
    SEND = DUET_EXPLORE_SEND,
    READ = DUET_EXPLORE_READ,
    SHUTDOWN = DUET_EXPLORE_SHUTDOWN,
    CLOSE = DUET_EXPLORE_CLOSE,
    ABORT = DUET_EXPLORE_ABORT,
    UNLISTEN = DUET_EXPLORE_UNLISTEN,
};

/* One loss, one duplicate, one late timer, every order. */
#define EACH_ONCE .losses = 1, .duplicates = 1, .late = 1, .in_flight = 4, .send_size = 3

static const struct duet_exploration explorations[] = {
    {"handshake",
     "One end connects, the other listens, sooner or later; either may give up "
     "at any moment.",
     {.ends = {{.calls = CONNECT | CLOSE | ABORT, .opens = 1},
               {.calls = LISTEN | CLOSE | ABORT | UNLISTEN, .opens = 1}},
      EACH_ONCE}},
    {"transfer",
     "Both ends of a connection send; what they send may be lost, repeated and "
     "reordered.",
     {.ends = {{.calls = CONNECT | SEND, .opens = 1, .sends = 2},
               {.calls = LISTEN | SEND, .opens = 1, .sends = 1}},
      EACH_ONCE,
      .established = true}},
    {"teardown",
     "The ends of a connection shut down, close or abort at any moment, one of "
     "them may send.",
     {.ends = {{.calls = CONNECT | SEND | SHUTDOWN | CLOSE, .opens = 1, .sends = 1},
               {.calls = LISTEN | SHUTDOWN | CLOSE | ABORT, .opens = 1}},
      EACH_ONCE,
      .established = true}},
    {"simultaneous-open",
     "Both ends connect to each other, sooner or later; one may close.",
     {.ends = {{.calls = CONNECT | CLOSE, .opens = 1}, {.calls = CONNECT, .opens = 1}}, EACH_ONCE}},
    {"simultaneous-close",
     "Both ends send and close for good, whatever is under way.",
     {.ends = {{.calls = CONNECT | SEND | CLOSE, .opens = 1, .sends = 1},
               {.calls = LISTEN | SEND | CLOSE, .opens = 1, .sends = 1}},
      EACH_ONCE,
      .established = true}},
    {"window",
     "A reader takes his time, and his buffer is smaller than what is sent.",
     {.ends = {{.calls = CONNECT | SEND, .opens = 1, .sends = 3},
               {.calls = LISTEN | READ, .opens = 1, .receive_buffer = 4}},
      .losses = 1,
      .duplicates = 1,
      .late = 2,
      .in_flight = 4,
      .send_size = 3,
      .established = true}},
    {"reuse",
     "A pair of sockets is used twice, while packets of the first connection "
     "may still arrive.",
     {.ends = {{.calls = CONNECT | CLOSE, .opens = 2}, {.calls = LISTEN | CLOSE, .opens = 1}},
      EACH_ONCE}},
    {"timestamps",
     "A transfer with timestamps: old duplicates, round trips and spurious "
     "timeouts are told by them.",
     {.ends = {{.calls = CONNECT | SEND, .opens = 1, .sends = 2}, {.calls = LISTEN, .opens = 1}},
      EACH_ONCE,
      .established = true,
      .timestamps = true}},
    {"without-sack",
     "A peer that cannot say what it holds: three duplicate acknowledgements, and the timer.",
     {.ends = {{.calls = CONNECT | SEND, .opens = 1, .sends = 4}, {.calls = LISTEN, .opens = 1}},
      EACH_ONCE,
      .established = true,
      .without_sack = true}},
    {"holes",
     "The same with SACK: holes, probes of the tail, and what only came in another order.",
     {.ends = {{.calls = CONNECT | SEND, .opens = 1, .sends = 3}, {.calls = LISTEN, .opens = 1}},
      .losses = 2,
      .duplicates = 1,
      .late = 1,
      .in_flight = 4,
      .send_size = 3,
      .established = true}},
    {"ecn",
     "Routers mark packets instead of dropping them (RFC 3168), and acknowledgements that say so "
     "are lost.",
     {.ends = {{.calls = CONNECT | SEND, .opens = 1, .sends = 2},
               {.calls = LISTEN | SEND, .opens = 1, .sends = 1}},
      EACH_ONCE,
      .marks = 1,
      .established = true,
      .ecn = DUET_ECN_REQUEST}},
    {"accurate-ecn",
     "The same with counters of what was marked (RFC 9768), from the first SYN on.",
     {.ends = {{.calls = CONNECT | SEND, .opens = 1, .sends = 2}, {.calls = LISTEN, .opens = 1}},
      EACH_ONCE,
      .marks = 1,
      .ecn = DUET_ECN_REQUEST_ACCURATE}},
    {"fast-open",
     "Text rides on the SYN of a second connection (RFC 7413): lost, repeated, late.",
     {.ends = {{.calls = CONNECT | SEND | CLOSE, .opens = 1, .sends = 1},
               {.calls = LISTEN | CLOSE, .opens = 1}},
      EACH_ONCE,
      .fast_open = true}},
    {"half-close",
     "One end has nothing more to send and reads on, until the other has said all.",
     {.ends = {{.calls = CONNECT | SHUTDOWN, .opens = 1},
               {.calls = LISTEN | SEND | SHUTDOWN, .opens = 1, .sends = 2}},
      EACH_ONCE,
      .established = true}},
    {"abort",
     "Either end gives up at any moment, with text under way or unread.",
     {.ends = {{.calls = CONNECT | SEND | ABORT, .opens = 1, .sends = 1},
               {.calls = LISTEN | SEND | ABORT | READ, .opens = 1, .sends = 1}},
      EACH_ONCE,
      .established = true}},
    {"keep-alive",
     "Two silent ends ask whether the other is still there; one closes, or goes away for good.",
     {.ends = {{.calls = CONNECT | CLOSE, .opens = 1}, {.calls = LISTEN | ABORT, .opens = 1}},
      EACH_ONCE,
      .established = true,
      .keepalive = true}},
    {"silly-window",
     "A reader with room for three bytes and a writer with six.",
     {.ends = {{.calls = CONNECT | SEND, .opens = 1, .sends = 2},
               {.calls = LISTEN | READ, .opens = 1, .receive_buffer = 3}},
      EACH_ONCE,
      .established = true}},
};

const struct duet_exploration *duet_exploration(unsigned index)
{
    return index < sizeof explorations / sizeof explorations[0] ? &explorations[index] : NULL;
}

const struct duet_exploration *duet_exploration_find(const char *name)
{
    const struct duet_exploration *exploration;

    for (unsigned i = 0; (exploration = duet_exploration(i)) != NULL; i++)
        if (strcmp(exploration->name, name) == 0)
            return exploration;
    return NULL;
}
