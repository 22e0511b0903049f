/* SPDX-License-Identifier: MIT */
/* duet_explore: from bounds to a verdict. The shipped explorations stand in explorations.c, the
 * search in search.c, and what is searched in machine.c. */
#include <errno.h>
#include <stdlib.h>

#include "search.h"

const char *duet_explore_sabotage_name(unsigned sabotage)
{
    static const char *const names[DUET_EXPLORE_SABOTAGES] = {"sound", "swap", "timer", "leak",
                                                              "crash"};

    return sabotage < DUET_EXPLORE_SABOTAGES ? names[sabotage] : "unknown";
}

static bool are_in_range(const struct duet_explore_bounds *b)
{
    for (unsigned end = 0; end < ENDS; end++)
        if (b->ends[end].opens > 3 || b->ends[end].sends > 8)
            return false;
    return b->losses <= 8 && b->duplicates <= 8 && b->late <= 8 && b->marks <= 8 &&
           b->in_flight >= 1 && b->in_flight <= DUET_EXPLORE_IN_FLIGHT_MAX && b->send_size >= 1 &&
           b->send_size <= DUET_EXPLORE_SIZE_MAX;
}

int duet_explore(const struct duet_exploration *exploration,
                 const struct duet_explore_options *options, struct duet_recorder *recorder,
                 struct duet_explore_result *result)
{
    struct search *search;
    struct way *way;
    int status = -1;

    *result = (struct duet_explore_result){0};
    if (!are_in_range(&exploration->bounds) || options->jobs > JOBS_MAX) {
        errno = EINVAL;
        return -1;
    }
    search = calloc(1, sizeof *search);
    way = calloc(1, sizeof *way);
    if (search != NULL && way != NULL) {
        search->exploration = exploration;
        search->options = options;
        status = machine_start(&search->machine, exploration, options, NULL);
        if (status == 0) {
            status = search_run(search, result, way);
            machine_end(&search->machine);
        }
        if (status >= 0 && result->end == DUET_EXPLORE_VIOLATION)
            status = counterexample_show(search, way, status == 1, recorder, result);
    }
    free(search);
    free(way);
    return status < 0 ? -1 : 0;
}
