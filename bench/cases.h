/* SPDX-License-Identifier: MIT */
/* What `duet bench` measures in process: the same work by each engine, in turns. */
#ifndef BENCH_CASES_H
#define BENCH_CASES_H

#include "engine.h"
#include "spread.h"

enum case_work {
    WORK_BULK,     /* unit: a byte */
    WORK_EXCHANGE, /* unit: a request and its answer, on a connection chosen at random */
    WORK_LIFE,     /* unit: a connection from SYN to the last acknowledgement */
};

struct speed_case {
    const char *name, *what;
    enum case_work work;
    struct engine_setup setup;
    uint32_t open;       /* connections, before the work begins */
    uint32_t bytes;      /* of a request */
    uint32_t bar;        /* thousandths: how many times as fast as lwIP; 0: none */
    const char *than;    /* another case of duet's own, NULL: none, */
    uint32_t than_times; /* which this may take at most so many times the time of */
};

extern const struct speed_case speed_cases[];
extern const size_t speed_case_count;

/* Who may do the work. */
enum case_engine { ENGINE_DUET, ENGINE_LWIP, ENGINE_LOOPBACK, ENGINE_VETH, ENGINES };
enum { CASE_ROUNDS_MAX = SPREAD_MAX };

/* Times of a unit, in picoseconds, one for each round. */
struct case_result {
    char why[ENGINES][ENGINE_WHY]; /* what went wrong with an engine, or why there is none */
    bool measured[ENGINES];
    uint64_t time[ENGINES][CASE_ROUNDS_MAX];
    unsigned rounds;
};

/* Does so many units of a case once, unmeasured: for profilers. amount 0 only opens what it needs. */
bool speed_case_run(const struct speed_case *what, uint64_t amount, char *why, size_t size);

/* Measures duet, and beside it each engine that was asked for and that there is: a round each, in turns. */
void speed_case_measure(const struct speed_case *what, unsigned rounds, const bool asked[ENGINES],
                        struct case_result *result);

#endif
