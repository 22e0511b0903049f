/* SPDX-License-Identifier: MIT */
/* Depth first through all states, by one or more processes that share the set of those found.
 *
 * A worker keeps a copy of the world for each step of the way that led it where it is, and so goes
 * back by copying. Another worker that has nothing to do is given what the lowest of those steps
 * has left: copies of blocks mean the same in every process, because all are forks of one that had
 * the blocks at their places.
 *
 * Liveness: the first thing tried in a state is what a kind network would do. So below a state that
 * was just found stands the chain of those to which kindness leads, until it comes to a state
 * that is known to end well, or to one where nothing is left to do and all is free: then the whole
 * chain ends well. A chain that comes back to itself is a violation.
 */
#ifndef SIM_EXPLORE_SEARCH_H
#define SIM_EXPLORE_SEARCH_H

#include <pthread.h>
#include <stdatomic.h>

#include "model.h"
#include "visited.h"

enum { WAY_MAX = 1 << 16, JOBS_MAX = 64, GIFTS = 32 };

/* The actions from the beginning to a state. */
struct way {
    uint32_t length;
    struct action actions[WAY_MAX];
};

/* What one worker has to say; in shared memory, so that it outlives him. */
struct report {
    _Atomic uint64_t transitions, depth, endings;
    _Atomic bool has_problem;
    char problem[sizeof(((struct machine *)0)->problem)];
    struct way way;         /* its actions lead to where he is, its length to where he began */
    _Atomic uint32_t steps; /* of them, so far */
    struct duet_explore_result reached;
};

/* A state with actions left to try, for whoever is idle. */
struct gift {
    struct way way;
    struct choice choice;
    unsigned next;
    struct model model;
};

struct shared {
    pthread_mutex_t lock;
    pthread_cond_t news;
    unsigned jobs, idle, gifts; /* under lock */
    _Atomic unsigned hungry;    /* idle workers without a gift in sight */
    _Atomic bool stop, is_full;
    _Atomic uint64_t waiting; /* states not looked at when they stopped */
    uint64_t states;
    size_t gift_size;
    struct report reports[JOBS_MAX];
    /* gifts follow: struct gift and both blocks each */
};

struct search {
    const struct duet_exploration *exploration;
    const struct duet_explore_options *options;
    struct machine machine;
    struct visited visited;
    struct shared *shared;
    size_t shared_size;
    uint64_t memory;
};

/* jobs.c */
int search_run(struct search *search, struct duet_explore_result *result, struct way *way);
/* A gift for this worker; waits for one. False: there is nothing left to do for anybody. */
bool search_take(struct search *search, struct gift *gift, uint8_t *blocks[ENDS]);
/* False: nobody needs one. */
bool search_is_wanted(const struct search *search);
void search_give(struct search *search, const struct gift *gift, uint8_t *const blocks[ENDS]);

/* search.c: what a worker does until nothing is left. */
void search_work(struct search *search, struct report *report, bool begins);

/* kindness.c: from the world as it is the network is kind. Sets machine->problem if that does not
 * end well. Adds to the way, if not NULL, what then happens. */
void kindness_run(struct machine *machine, struct way *way);

/* counterexample.c: plays a way into the recorder, after making it as short as it can be made. */
int counterexample_show(const struct search *search, struct way *way, bool crashes,
                        struct duet_recorder *recorder, struct duet_explore_result *result);

#endif
