/* SPDX-License-Identifier: MIT */
/* duet bench tail: what the loss of the last segment of a flow costs. No acknowledgement follows it
 * that could tell, so either a probe does (RFC 8985, 7) or the retransmission timer runs out. Flows
 * of several lengths over paths of several round trips, each with and without the loss, in virtual
 * time. */
#include <argp.h>
#include <stdlib.h>

#include "bench.h"
#include "bench_measure.h"
#include "command.h"

enum {
    TAIL_RTTS = 4,
    TAIL_LENGTHS = 7,
    TAIL_ROUNDS = 20,
    TAIL_SEGMENT = 1448,
    TAIL_BUFFER = 1 << 18
};

static const unsigned tail_rtts[TAIL_RTTS] = {1, 20, 100, 300};              /* ms */
static const unsigned tail_lengths[TAIL_LENGTHS] = {1, 2, 3, 5, 10, 20, 50}; /* segments */
#define TAIL_RATE UINT64_C(100000000)
#define TAIL_TIME (60 * DUET_SECOND)

/* The bar: of a hundred lost tails, those that must be repaired without a timeout. */
enum { TAIL_BAR = 95 };

struct tail {
    unsigned flows, timeouts; /* flows that had any */
    duet_time extra[TAIL_ROUNDS];
};

static const struct argp argp = {
    .doc = "Loses the last segment of short flows, in virtual time, and tells how many of these "
           "losses were repaired without a retransmission timeout, and what they cost.\v"
           "Exit status: 0 if every flow was measured, 1 if not, 2 for a wrong command line.",
};

static bool measure(unsigned rtt, unsigned length, unsigned round, bool lose,
                    struct duet_bench_short_result *result, char *why, size_t size)
{
    /* The last segment is not a full one; each round has another length of it. */
    const struct duet_bench_short flow = {.bytes = (length - 1) * TAIL_SEGMENT + 1 +
                                                   round * (TAIL_SEGMENT - 1) / TAIL_ROUNDS,
                                          .lose_last = lose};
    const struct duet_path_direction direction = {.rate = TAIL_RATE,
                                                  .delay = (duet_time)rtt * DUET_MILLISECOND / 2};
    const struct duet_bench_options options = {
        .path = {.from_a = direction, .from_b = direction, .seed = round},
        .seed = round,
        .buffer = TAIL_BUFFER,
        .time_max = TAIL_TIME};

    return duet_bench_short(&options, &flow, result, why, size) == 0;
}

static bool measure_all(unsigned rtt, unsigned length, struct tail *tail, char *why, size_t size)
{
    *tail = (struct tail){0};
    for (unsigned i = 0; i < TAIL_ROUNDS; i++) {
        struct duet_bench_short_result whole, lost;

        if (!measure(rtt, length, i, false, &whole, why, size) ||
            !measure(rtt, length, i, true, &lost, why, size))
            return false;
        tail->flows += lost.tail_lost;
        tail->timeouts += lost.timeouts > 0 || lost.time == DUET_NEVER;
        tail->extra[i] = lost.time - whole.time;
    }
    return true;
}

static void print_row(unsigned rtt, unsigned length, struct tail *tail)
{
    const duet_time median = measure_percentile(tail->extra, TAIL_ROUNDS, 50);
    const duet_time late = measure_percentile(tail->extra, TAIL_ROUNDS, 95);
    const duet_time tenth = DUET_MILLISECOND / 10;

    printf("%4u %8u %5u %8u %6lld.%lld %6lld.%lld\n", rtt, length, tail->flows, tail->timeouts,
           (long long)(median / tenth / 10), (long long)(median / tenth % 10),
           (long long)(late / tenth / 10), (long long)(late / tenth % 10));
}

int bench_tail(int argc, char **argv)
{
    unsigned flows = 0, timeouts = 0;
    struct tail tail;
    char why[MEASURE_WHY];

    argp_err_exit_status = COMMAND_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    printf("%4s %8s %5s %8s %8s %8s\n", "rtt", "segments", "lost", "timeouts", "extra", "p95");
    for (unsigned r = 0; r < TAIL_RTTS; r++) {
        for (unsigned n = 0; n < TAIL_LENGTHS; n++) {
            if (!measure_all(tail_rtts[r], tail_lengths[n], &tail, why, sizeof why)) {
                command_complain(argv[0], "rtt %u, %u segments: %s", tail_rtts[r], tail_lengths[n],
                                 why);
                return COMMAND_FAILED;
            }
            print_row(tail_rtts[r], tail_lengths[n], &tail);
            flows += tail.flows;
            timeouts += tail.timeouts;
        }
    }
    printf("%u of %u lost tails were repaired without a timeout; the bar is %d%%\n",
           flows - timeouts, flows, TAIL_BAR);
    return COMMAND_OK;
}
