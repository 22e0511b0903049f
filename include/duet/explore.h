/* SPDX-License-Identifier: MIT */
/* Exhaustive exploration: two real stacks, a small network and two users, and every order in which
 * what can happen next may happen. Each state is looked at once (docs/EXPLORE.md).
 *
 *     duet_recorder_new(&recorder);
 *     duet_explore(duet_exploration_find("handshake"), &options, recorder, &result);
 *     if (result.end == DUET_EXPLORE_VIOLATION)
 *         duet_ladder_text(recorder, &ladder, stdout);
 */
#ifndef DUET_EXPLORE_H
#define DUET_EXPLORE_H

#include "observe.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the user of an end may do at any moment, besides what he does at once when he is told of it:
 * accept a connection, and read, unless reading is named here. When all is silent he closes. */
enum duet_explore_call {
    DUET_EXPLORE_LISTEN = 1 << 0,
    DUET_EXPLORE_CONNECT = 1 << 1,
    DUET_EXPLORE_SEND = 1 << 2,
    DUET_EXPLORE_READ = 1 << 3,
    DUET_EXPLORE_SHUTDOWN = 1 << 4,
    DUET_EXPLORE_CLOSE = 1 << 5,
    DUET_EXPLORE_ABORT = 1 << 6,
    DUET_EXPLORE_UNLISTEN = 1 << 7, /* closes the listener */
};

enum { DUET_EXPLORE_ENDS = 2, DUET_EXPLORE_IN_FLIGHT_MAX = 6, DUET_EXPLORE_SIZE_MAX = 32 };

struct duet_explore_end {
    unsigned calls;          /* enum duet_explore_call bits */
    uint32_t opens;          /* connects, 0 .. 3 */
    uint32_t sends;          /* calls of duet_send in each connection, 0 .. 8 */
    uint32_t receive_buffer; /* bytes, 0: more than is ever sent */
};

/* How far the network and the users may go. */
struct duet_explore_bounds {
    struct duet_explore_end ends[DUET_EXPLORE_ENDS];
    uint32_t losses;     /* packets that may vanish */
    uint32_t duplicates; /* packets that may arrive twice */
    uint32_t late;       /* timers that may run out while a packet is under way, or text unread */
    uint32_t marks;      /* ECN-capable packets that may be marked: congestion experienced */
    uint32_t in_flight;  /* packets under way in each direction, 1 .. DUET_EXPLORE_IN_FLIGHT_MAX */
    uint32_t send_size;  /* bytes of each send, 1 .. DUET_EXPLORE_SIZE_MAX */
    bool established;    /* the handshake is over when the exploration begins */
    bool timestamps;     /* RFC 7323: more states, for the age of each is one of its properties */
    bool free_timers;    /* of the two hosts, either timer may run out first */
    bool without_sack;   /* RFC 2018 */
    enum duet_ecn ecn;   /* what both ends want (RFC 3168, 9768) */
    bool fast_open; /* RFC 7413: an earlier connection brought a cookie, the first text rides on
                            the SYN */
    bool keepalive; /* both users ask for probes of a silent peer */
};

struct duet_exploration {
    const char *name;
    const char *lesson; /* one sentence of what is explored */
    struct duet_explore_bounds bounds;
};

/* The explorations that are shipped; NULL past the end. */
const struct duet_exploration *duet_exploration(unsigned index);
const struct duet_exploration *duet_exploration_find(const char *name);

/* Something broken on purpose, so that one can see that it is found. */
enum duet_explore_sabotage {
    DUET_EXPLORE_SOUND,
    DUET_EXPLORE_SWAP,  /* the network swaps two bytes of a text, which no checksum notices */
    DUET_EXPLORE_TIMER, /* the timers of the first end never run out */
    DUET_EXPLORE_LEAK,  /* the second user never takes the final event */
    DUET_EXPLORE_CRASH, /* the explorer itself is killed in its hundredth state */
    DUET_EXPLORE_SABOTAGES
};
const char *duet_explore_sabotage_name(unsigned sabotage); /* "swap" */

enum duet_explore_verdict {
    DUET_EXPLORE_COMPLETE,  /* every state that can be reached was looked at */
    DUET_EXPLORE_BOUND,     /* states_max, seconds_max or memory was reached before */
    DUET_EXPLORE_VIOLATION, /* something that must hold does not */
};

enum { DUET_EXPLORE_RULES_MAX = 512, DUET_EXPLORE_EDGES_MAX = 128 };
/* States x sets of control bits x classes of SEQ x classes of ACK (docs/EXPLORE.md). */
enum { DUET_EXPLORE_CELLS = 11 * 64 * 7 * 5 };

struct duet_explore_result {
    enum duet_explore_verdict end;
    uint64_t states, transitions;       /* distinct states, and steps that led to one */
    uint64_t depth;                     /* longest way on which one was found */
    uint64_t endings;                   /* states in which nothing is left to do and all is free */
    uint64_t waiting;                   /* states found and not yet looked at from all sides */
    unsigned steps;                     /* VIOLATION: of the counterexample */
    char problem[240];                  /* VIOLATION: what does not hold */
    bool rules[DUET_EXPLORE_RULES_MAX]; /* reached, by index of duet_rule() */
    bool edges[DUET_EXPLORE_EDGES_MAX]; /* and of duet_edge() */
    uint8_t cells[DUET_EXPLORE_CELLS / 8]; /* bits: in which a packet has arrived */
};

struct duet_explore_options {
    uint64_t seed;       /* other sequence numbers: the same states */
    uint64_t states_max; /* 0: no limit */
    double seconds_max;  /* 0: no limit */
    uint64_t memory_max; /* bytes for the set of states and what waits; 0: 1 GiB */
    unsigned jobs;       /* processes, 0 or 1: this one alone; at most 64 */
    enum duet_explore_sabotage sabotage;
    bool verify; /* a state that is found again must have the same successors as before; slow */
    /* Told now and then how far it is; may be NULL. */
    void (*progress)(void *context, const struct duet_explore_result *so_far);
    void *context;
};

/* Explores. Returns 0, or -1 with errno: EINVAL (a bound out of its range), ENOMEM. With VIOLATION
 * the recorder, if not NULL, holds the shortest counterexample that was found. */
int duet_explore(const struct duet_exploration *exploration,
                 const struct duet_explore_options *options, struct duet_recorder *recorder,
                 struct duet_explore_result *result);

#ifdef __cplusplus
}
#endif
#endif
