/* SPDX-License-Identifier: MIT */
/* duet bench hold: what a connection costs that does nothing, in bytes of memory, with millions of them
 * in this process; then each is used once, and ended in one of four ways. IPv6 throughout. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "../tools/bench.h"
#include "../tools/command.h"
#include "engine.h"

enum { SMALL_RECORDS = 1000000, ENDS_MAX = 25000000, HOLD_BUFFER = 65536 };

struct hold {
    const char *command;
    uint64_t ends; /* of connections */
    bool json;
};

enum { KEY_ENDS = 256, KEY_JSON };

static const struct argp_option argp_options[] = {
    {"ends", KEY_ENDS, "N", 0, "ends of connections, two each (default: 1000000)", 0},
    {"json", KEY_JSON, 0, 0, "one JSON object a line", 0},
    {0, 0, 0, 0, 0, 0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct hold *hold = state->input;
    const struct command_option table[] = {
        {KEY_ENDS, NULL, &hold->ends, "number of ends", 2, ENDS_MAX},
        {.key = KEY_JSON, .is_so = &hold->json},
        {0},
    };

    return command_take(hold->command, table, key, argument) ? 0 : ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
    .options = argp_options,
    .parser = parse_option,
    .doc = "Holds connections open in this process, counts the memory that is there for them, uses "
           "each "
           "once and ends it.\v"
           "Exit status: 0 if all of it went well, 1 if not, 2 for a wrong command line.",
};

/* ---- what came of it ---- */

static void print_bytes(const struct hold *hold, const char *what, uint64_t count, uint64_t bytes,
                        unsigned bar)
{
    const uint64_t tenths = bytes * 10 / count;

    if (hold->json)
        printf("{\"held\":\"%s\",\"count\":%llu,\"bytes\":%llu,\"bytes_each\":%llu.%llu,"
               "\"bar\":%u}\n",
               what, (unsigned long long)count, (unsigned long long)bytes,
               (unsigned long long)(tenths / 10), (unsigned long long)(tenths % 10), bar);
    else
        printf("%-22s %10llu %8llu.%llu bytes each, %6llu MB; the bar is %u\n", what,
               (unsigned long long)count, (unsigned long long)(tenths / 10),
               (unsigned long long)(tenths % 10), (unsigned long long)(bytes >> 20), bar);
    fflush(stdout);
}

static void print_time(const struct hold *hold, const char *what, uint64_t count, uint64_t ns)
{
    if (hold->json)
        printf("{\"done\":\"%s\",\"count\":%llu,\"ns_each\":%llu}\n", what,
               (unsigned long long)count, (unsigned long long)(ns / count));
    else
        printf("%-22s %10llu %10llu ns each\n", what, (unsigned long long)count,
               (unsigned long long)(ns / count));
    fflush(stdout);
}

static uint64_t thread_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Resident memory of the whole process, bytes; 0 where the system does not tell. */
static uint64_t process_resident(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long long all = 0, resident = 0;

    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu %llu", &all, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * 4096;
}

/* The most that it ever was. */
static uint64_t process_most(void)
{
    struct rusage usage = {0};

    (void)getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_maxrss * 1024;
}

/* ---- the work ---- */

static bool use_each(const struct hold *hold, const struct engine *engine, uint32_t count)
{
    const uint64_t before = thread_time();

    for (uint32_t i = 0; i < count; i++)
        if (!engine->exchange(i, 1 + i % 100))
            return false;
    print_time(hold, "used once", count, thread_time() - before);
    return true;
}

static bool end_each(const struct hold *hold, const struct engine *engine, uint32_t count)
{
    static const char *const names[ENDINGS] = {"active end first", "passive end first",
                                               "both at once", "aborted"};
    uint64_t taken[ENDINGS] = {0};

    for (uint32_t i = 0; i < count; i++) {
        const enum engine_ending how = (enum engine_ending)(i % ENDINGS);
        const uint64_t before = i < count / 100 ? thread_time() : 0; /* the clock is not cheap */

        if (!engine->end(i, how))
            return false;
        if (before != 0)
            taken[how] += thread_time() - before;
    }
    for (unsigned i = 0; i < ENDINGS && count >= 400; i++)
        print_time(hold, names[i], count / 100 / ENDINGS, taken[i]);
    return true;
}

static bool hold_open(const struct hold *hold)
{
    const uint32_t count = (uint32_t)(hold->ends / 2);
    const struct engine_setup setup = {.mtu = 1500,
                                       .checksums = true,
                                       .counted = true,
                                       .connections = count,
                                       .time_wait = count / 2 + 1,
                                       .ipv6 = true,
                                       .buffer = HOLD_BUFFER};
    struct engine *engine = engine_duet();
    const uint64_t before = thread_time();

    if (!engine->open(&setup) || !engine->connect(count))
        return false;
    print_time(hold, "opened", count, thread_time() - before);
    print_bytes(hold, "established, idle", 2ull * count, engine->resident(true, true), 256);
    print_bytes(hold, "the whole process", 2ull * count, process_resident(), 400);
    if (!use_each(hold, engine, count) || !end_each(hold, engine, count))
        return false;
    print_bytes(hold, "the process at most", 2ull * count, process_most(), 400);
    engine->close();
    return true;
}

/* What stays when the engine has been opened and has done one thing is not counted again. */
static bool hold_small(const struct hold *hold, bool half_open)
{
    const struct engine_setup setup = {.mtu = 1500,
                                       .checksums = true,
                                       .counted = true,
                                       .connections = 1,
                                       .time_wait = half_open ? 1 : SMALL_RECORDS,
                                       .half_open = half_open ? SMALL_RECORDS : 1,
                                       .ipv6 = true,
                                       .buffer = HOLD_BUFFER};
    struct engine *engine = engine_duet();

    if (!engine->open(&setup))
        return false;
    if (half_open && !engine->half_open(SMALL_RECORDS))
        return false;
    for (uint32_t i = 0; i < SMALL_RECORDS && !half_open; i++)
        if (!engine->life())
            return false;
    print_bytes(hold, half_open ? "half open" : "TIME-WAIT", SMALL_RECORDS,
                engine->resident(!half_open, half_open), 64);
    engine->close();
    return true;
}

int bench_hold(int argc, char **argv)
{
    struct hold hold = {.command = argv[0], .ends = 1000000};

    argp_err_exit_status = COMMAND_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &hold);
    engine_pattern_make();
    if (hold_open(&hold) && hold_small(&hold, false) && hold_small(&hold, true))
        return COMMAND_OK;
    command_complain(argv[0], "%s", engine_duet()->why);
    return COMMAND_FAILED;
}
