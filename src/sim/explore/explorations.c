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
      .late = 3,
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
