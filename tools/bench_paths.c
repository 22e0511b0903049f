/* SPDX-License-Identifier: MIT */
/* duet bench paths: how fast duet is on bad paths. A grid of paths, each with one flow that never
 * ends and then with short flows, in virtual time; one row of the table for each. */
#include <argp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "bench_grid.h"
#include "command.h"

enum { JOBS_MOST = 256 };

struct paths {
    const char *command;
    struct grid_filter filter;
    bool json;
    uint64_t jobs, seed;
    size_t *cells; /* numbers of those to measure */
    size_t count;
    bool failed;
};

enum { KEY_QUICK = 256, KEY_JSON, KEY_ONLY, KEY_JOBS, KEY_SEED };

static const struct argp_option argp_options[] = {
    {"json", KEY_JSON, 0, 0, "one JSON object a line", 0},
    {"only", KEY_ONLY, "FILTER", 0,
     "only the paths that match: words rtt=, rate=, loss=, reorder=, buffer=, controller=, each "
     "with "
     "values of the table, separated by commas",
     0},
    {"jobs", KEY_JOBS, "N", 0, "processes at a time (default: one for each processor)", 0},
    {"seed", KEY_SEED, "N", 0, "other losses (default: 1)", 0},
    {0, 0, 0, 0, 0, 0},
};

static void set_number(const struct paths *paths, const char *what, const char *text,
                       uint64_t least, uint64_t most, uint64_t *number)
{
    if (command_number(text, least, most, number))
        return;
    command_complain(paths->command, "'%s' is no %s; it is a number from %llu to %llu", text, what,
                     (unsigned long long)least, (unsigned long long)most);
    exit(COMMAND_USAGE);
}

static void set_filter(struct paths *paths, const char *text)
{
    char wrong[64];

    if (grid_filter_parse(text, &paths->filter, wrong, sizeof wrong))
        return;
    command_complain(paths->command,
                     "'%s' is no word of a filter; write for example 'rtt=20 loss=1,5'", wrong);
    exit(COMMAND_USAGE);
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct paths *paths = state->input;

    switch (key) {
    case KEY_JSON:
        paths->json = true;
        return 0;
    case KEY_ONLY:
        set_filter(paths, argument);
        return 0;
    case KEY_JOBS:
        set_number(paths, "number of processes", argument, 1, JOBS_MOST, &paths->jobs);
        return 0;
    case KEY_SEED:
        set_number(paths, "seed", argument, 0, UINT32_MAX, &paths->seed);
        return 0;
    case ARGP_KEY_ARG:
        command_complain(paths->command, "there is nothing to do with '%s'; see --help", argument);
        exit(COMMAND_USAGE);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = argp_options,
    .parser = parse_option,
    .doc = "Measures duet on bad paths, in virtual time: the same table on every machine.\v"
           "Exit status: 0 if every path was measured, 1 if not, 2 for a wrong command line.",
};

/* ---- the table ---- */

static const char *const size_names[GRID_SIZES] = {"10k", "100k", "1M"};

static const char *name_of(const struct grid_cell *cell, enum grid_property property)
{
    return grid_value_name(property, cell->at[property]);
}

static void print_head(void)
{
    printf("%4s %5s %6s %8s %8s %11s %7s %6s %5s %8s", "rtt", "rate", "loss", "reorder", "buffer",
           "controller", "goodput", "resent", "rto", "stall");
    for (unsigned i = 0; i < GRID_SIZES; i++)
        printf(" %8s %8s", size_names[i], "p95");
    putchar('\n');
}

/* In milliseconds, with one digit behind the point. */
static void print_ms(duet_time time)
{
    char text[32];

    if (time == DUET_NEVER)
        snprintf(text, sizeof text, "never");
    else
        snprintf(text, sizeof text, "%lld.%lld", (long long)(time / DUET_MILLISECOND),
                 (long long)(time % DUET_MILLISECOND / (DUET_MILLISECOND / 10)));
    printf(" %8s", text);
}

static void print_row(const struct grid_cell *cell, const struct grid_result *result)
{
    printf("%4s %5s %6s %8s %8s %11s %5u.%u %4u.%02u %5llu", name_of(cell, GRID_RTT),
           name_of(cell, GRID_RATE), name_of(cell, GRID_LOSS), name_of(cell, GRID_REORDER),
           name_of(cell, GRID_BUFFER), name_of(cell, GRID_CONTROLLER), result->goodput / 10,
           result->goodput % 10, result->resent / 100, result->resent % 100,
           (unsigned long long)result->bulk.timeouts);
    print_ms(result->bulk.stall);
    for (unsigned i = 0; i < GRID_SIZES; i++) {
        print_ms(result->median[i]);
        print_ms(result->late[i]);
    }
    putchar('\n');
}

static void print_json(const struct grid_cell *cell, const struct grid_result *result)
{
    putchar('{');
    for (unsigned p = 0; p < GRID_PROPERTIES; p++)
        printf("\"%s\":\"%s\",", grid_property_name(p), name_of(cell, p));
    printf("\"goodput\":%u.%u,\"resent\":%u.%02u,\"timeouts\":%llu,\"stall_ns\":%lld",
           result->goodput / 10, result->goodput % 10, result->resent / 100, result->resent % 100,
           (unsigned long long)result->bulk.timeouts, (long long)result->bulk.stall);
    printf(",\"span_ns\":%lld,\"bytes\":%llu,\"packets\":%llu,\"lost\":%llu,\"overflown\":%llu",
           (long long)result->bulk.span, (unsigned long long)result->bulk.bytes[0],
           (unsigned long long)result->bulk.packets, (unsigned long long)result->bulk.path.lost,
           (unsigned long long)result->bulk.path.overflown);
    for (unsigned i = 0; i < GRID_SIZES; i++)
        printf(",\"median_ns_%s\":%lld,\"p95_ns_%s\":%lld", size_names[i],
               (long long)result->median[i], size_names[i], (long long)result->late[i]);
    puts("}");
}

/* ---- the work ---- */

static void measure(void *context, size_t number, void *result)
{
    const struct paths *paths = context;
    struct grid_cell cell;

    (void)grid_cell(paths->cells[number], &cell);
    grid_measure(&cell, paths->seed, result);
}

static void print(void *context, size_t number, const void *result)
{
    const struct grid_result *one = result;
    struct paths *paths = context;
    struct grid_cell cell;

    (void)grid_cell(paths->cells[number], &cell);
    if (one->why[0] != '\0') {
        paths->failed = true;
        command_complain(paths->command,
                         "rtt=%s rate=%s loss=%s reorder=%s buffer=%s controller=%s: %s",
                         name_of(&cell, GRID_RTT), name_of(&cell, GRID_RATE),
                         name_of(&cell, GRID_LOSS), name_of(&cell, GRID_REORDER),
                         name_of(&cell, GRID_BUFFER), name_of(&cell, GRID_CONTROLLER), one->why);
    } else if (paths->json) {
        print_json(&cell, one);
    } else {
        print_row(&cell, one);
    }
    fflush(stdout);
}

static bool choose_cells(struct paths *paths)
{
    struct grid_cell cell;
    size_t all = 0;

    while (grid_cell(all, &cell))
        all++;
    paths->cells = calloc(all, sizeof(*paths->cells));
    if (paths->cells == NULL)
        return false;
    for (size_t i = 0; i < all; i++)
        if (grid_cell(i, &cell) && grid_filter_takes(&paths->filter, &cell))
            paths->cells[paths->count++] = i;
    return true;
}

int bench_paths(int argc, char **argv)
{
    struct paths paths = {.command = argv[0], .jobs = bench_processors(), .seed = 1};
    struct bench_jobs jobs = {.command = argv[0],
                              .result_size = sizeof(struct grid_result),
                              .run = measure,
                              .done = print,
                              .context = &paths};
    bool good;

    memset(paths.filter.has, 1, sizeof(paths.filter.has));
    argp_err_exit_status = COMMAND_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &paths);
    if (!choose_cells(&paths)) {
        command_complain(paths.command, "out of memory");
        return COMMAND_FAILED;
    }
    jobs.count = paths.count;
    jobs.jobs = (unsigned)paths.jobs;
    jobs.progress = isatty(STDERR_FILENO) == 1;
    if (!paths.json)
        print_head();
    good = bench_run_jobs(&jobs) && !paths.failed;
    free(paths.cells);
    return good ? COMMAND_OK : COMMAND_FAILED;
}
