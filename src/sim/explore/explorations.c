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

static const struct duet_exploration explorations[] = {
    {"handshake",
     "One end connects, the other listens, sooner or later; either may give up at any moment.",
     {.ends = {{.calls = CONNECT | CLOSE | ABORT, .opens = 1},
               {.calls = LISTEN | CLOSE | ABORT | UNLISTEN, .opens = 1}},
      .losses = 1,
      .duplicates = 1,
      .late = 1,
      .in_flight = 4,
      .send_size = 3}},
    {"transfer",
     "Both ends of a connection send; what they send may be lost, repeated and reordered.",
     {.ends = {{.calls = CONNECT | SEND, .opens = 1, .sends = 2},
               {.calls = LISTEN | SEND, .opens = 1, .sends = 1}},
      .losses = 1,
      .duplicates = 1,
      .late = 1,
      .in_flight = 4,
      .send_size = 3,
      .established = true}},
    {"teardown",
     "Both ends of a connection send once, shut down, close or abort, in any order.",
     {.ends = {{.calls = CONNECT | SEND | SHUTDOWN | CLOSE | ABORT, .opens = 1, .sends = 1},
               {.calls = LISTEN | SEND | SHUTDOWN | CLOSE | ABORT, .opens = 1, .sends = 1}},
      .losses = 1,
      .duplicates = 1,
      .late = 1,
      .in_flight = 4,
      .send_size = 3,
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
