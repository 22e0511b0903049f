/* SPDX-License-Identifier: MIT */
/* duet bench paths: how fast and fair duet is on bad paths. A grid of paths, each with one flow that
 * never ends and then with short flows, or with several that share it, in virtual time; one row of
 * the table for each. With --against kernel some of them in real time too, with the operating
 * system's TCP at both ends. */
#include <argp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "bench_table.h"
#include "command.h"

enum { JOBS_MOST = 256 };

struct paths {
    const char *command;
    struct grid_filter filter;
    bool json, quick, kernel;
    uint64_t jobs, seed; /* jobs 0: as many as are useful */
    uint64_t seconds;    /* of each run; 0: as the grid says */
    size_t *cells;       /* numbers of those to measure */
    size_t count;
    unsigned rounds;                               /* of each, against the kernel */
    struct kernel_round last[KERNEL_ROUNDS_LIGHT]; /* of the cell whose rounds come in */
    unsigned good, below;                          /* cells by their bar */
    bool failed;
};

enum { KEY_QUICK = 256, KEY_JSON, KEY_ONLY, KEY_JOBS, KEY_SEED, KEY_SECONDS, KEY_AGAINST };

enum { SECONDS_MOST = 100000 };

static const struct argp_option argp_options[] = {
    {"quick", KEY_QUICK, 0, 0, "a few paths of the table, in seconds", 0},
    {"against", KEY_AGAINST, "kernel", 0,
     "some paths in real time too, with the operating system's TCP at both ends (minutes)", 0},
    {"json", KEY_JSON, 0, 0, "one JSON object a line", 0},
    {"only", KEY_ONLY, "FILTER", 0,
     "only the paths that match: words flows=, rtt=, rate=, loss=, reorder=, buffer=, controller=, "
     "each "
     "with "
     "values of the table, separated by commas",
     0},
    {"jobs", KEY_JOBS, "N", 0, "processes at a time (default: one for each processor)", 0},
    {"seed", KEY_SEED, "N", 0, "other losses (default: 1)", 0},
    {"seconds", KEY_SECONDS, "N", 0,
     "each run of flows without an end takes so long, however many packets that is", 0},
    {0, 0, 0, 0, 0, 0},
};

static void set_filter(struct paths *paths, const char *text)
{
    char wrong[64];

    if (grid_filter_parse(text, &paths->filter, wrong, sizeof wrong))
        return;
    command_complain(paths->command,
                     "'%s' is no word of a filter; write for example 'rtt=20 loss=1,5'", wrong);
    exit(COMMAND_USAGE);
}

static void set_peer(struct paths *paths, const char *name)
{
    paths->kernel = strcmp(name, "kernel") == 0;
    if (paths->kernel)
        return;
    command_complain(paths->command, "there is nothing to measure against '%s'; there is 'kernel'",
                     name);
    exit(COMMAND_USAGE);
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct paths *paths = state->input;

    switch (key) {
    case KEY_QUICK:
        paths->quick = true;
        return 0;
    case KEY_AGAINST:
        set_peer(paths, argument);
        return 0;
    case KEY_JSON:
        paths->json = true;
        return 0;
    case KEY_ONLY:
        set_filter(paths, argument);
        return 0;
    case KEY_JOBS:
        paths->jobs =
            command_number_of(paths->command, "number of processes", argument, 1, JOBS_MOST);
        return 0;
    case KEY_SEED:
        paths->seed = command_number_of(paths->command, "seed", argument, 0, UINT32_MAX);
        return 0;
    case KEY_SECONDS:
        paths->seconds =
            command_number_of(paths->command, "number of seconds", argument, 1, SECONDS_MOST);
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

/* ---- duet alone ---- */

static void complain(struct paths *paths, const struct grid_cell *cell, const char *why)
{
    char name[160];

    paths->failed = true;
    table_cell_name(cell, name, sizeof name);
    command_complain(paths->command, "%s: %s", name, why);
}

static void measure(void *context, size_t number, void *result)
{
    const struct paths *paths = context;
    struct grid_cell cell;

    (void)grid_cell(paths->cells[number], &cell);
    measure_cell(&cell, paths->seed, (duet_time)paths->seconds * DUET_SECOND, result);
}

static void print(void *context, size_t number, const void *result)
{
    const struct measure_result *one = result;
    struct paths *paths = context;
    struct grid_cell cell;

    (void)grid_cell(paths->cells[number], &cell);
    if (one->why[0] != '\0')
        complain(paths, &cell, one->why);
    else if (paths->json)
        table_json(&cell, one);
    else
        table_row(&cell, one);
    fflush(stdout);
}

/* ---- against the kernel: rounds of one cell after the other ---- */

static void measure_round(void *context, size_t number, void *result)
{
    const struct paths *paths = context;
    struct grid_cell cell;

    (void)grid_cell(paths->cells[number / paths->rounds], &cell);
    kernel_measure(&cell, paths->seed + number % paths->rounds, result);
}

static void print_summary(struct paths *paths, const struct grid_cell *cell)
{
    struct kernel_summary summary;

    for (unsigned i = 0; i < paths->rounds; i++) {
        if (paths->last[i].why[0] != '\0') {
            complain(paths, cell, paths->last[i].why);
            return;
        }
    }
    kernel_sum_up(cell, paths->last, paths->rounds, &summary);
    if (table_kernel_is_good(&summary))
        paths->good++;
    else
        paths->below++;
    if (paths->json)
        table_kernel_json(cell, &summary);
    else
        table_kernel_row(cell, &summary);
    fflush(stdout);
}

static void print_round(void *context, size_t number, const void *result)
{
    struct paths *paths = context;
    const unsigned round = (unsigned)(number % paths->rounds);
    struct grid_cell cell;

    memcpy(&paths->last[round], result, sizeof(paths->last[round]));
    (void)grid_cell(paths->cells[number / paths->rounds], &cell);
    if (round + 1 == paths->rounds)
        print_summary(paths, &cell);
}

/* ---- both ---- */

static bool takes(const struct paths *paths, const struct grid_cell *cell)
{
    bool is_in;

    if (paths->kernel)
        is_in = paths->quick ? grid_is_quick_in_kernel(cell) : grid_is_in_kernel(cell);
    else
        is_in = paths->quick ? grid_is_quick(cell) : grid_is_in_table(cell);
    return is_in && grid_filter_takes(&paths->filter, cell);
}

static bool choose_cells(struct paths *paths)
{
    struct grid_cell cell;
    size_t all = 0;

    while (grid_cell(all, &cell))
        all++;
    paths->cells = calloc(all + 1, sizeof(*paths->cells)); /* so that it is never nothing */
    if (paths->cells == NULL)
        return false;
    for (size_t i = 0; i < all; i++)
        if (grid_cell(i, &cell) && takes(paths, &cell))
            paths->cells[paths->count++] = i;
    return true;
}

static bool run_alone(struct paths *paths)
{
    const struct bench_jobs jobs = {
        .command = paths->command,
        .count = paths->count,
        .result_size = sizeof(struct measure_result),
        .jobs = paths->jobs > 0 ? (unsigned)paths->jobs : bench_processors(),
        .progress = isatty(STDERR_FILENO) == 1,
        .run = measure,
        .done = print,
        .context = paths,
    };

    if (!paths->json)
        table_head();
    return bench_run_jobs(&jobs);
}

/* Those that losses keep nearly empty come last; returns how many do not. */
static size_t part_cells(struct paths *paths)
{
    struct grid_cell cell;
    size_t heavy = 0;

    for (size_t i = 0; i < paths->count; i++) {
        const size_t number = paths->cells[i];

        (void)grid_cell(number, &cell);
        if (grid_is_light(&cell))
            continue;
        memmove(&paths->cells[heavy + 1], &paths->cells[heavy],
                (i - heavy) * sizeof(paths->cells[0]));
        paths->cells[heavy++] = number;
    }
    return heavy;
}

/* In real time a process mostly waits, so some of them share a processor. */
static bool run_rounds(struct paths *paths, size_t count, unsigned rounds, unsigned shared)
{
    const struct bench_jobs jobs = {
        .command = paths->command,
        .count = count * rounds,
        .result_size = sizeof(struct kernel_round),
        .jobs = paths->jobs > 0 ? (unsigned)paths->jobs : shared * bench_processors(),
        .progress = isatty(STDERR_FILENO) == 1,
        .run = measure_round,
        .done = print_round,
        .context = paths,
    };

    paths->rounds = rounds;
    return bench_run_jobs(&jobs);
}

static bool run_against_kernel(struct paths *paths)
{
    const size_t heavy = part_cells(paths);
    size_t *const cells = paths->cells;
    bool good;

    if (!paths->json)
        table_kernel_head();
    good = run_rounds(paths, heavy, paths->quick ? KERNEL_ROUNDS_QUICK : KERNEL_ROUNDS, 2);
    paths->cells += heavy;
    good &= run_rounds(paths, paths->count - heavy,
                       paths->quick ? KERNEL_ROUNDS_QUICK : KERNEL_ROUNDS_LIGHT, 8);
    paths->cells = cells;
    if (!paths->json)
        printf("%u of %u paths reach their bar\n", paths->good, paths->good + paths->below);
    return good;
}

int bench_paths(int argc, char **argv)
{
    struct paths paths = {.command = argv[0], .seed = 1};
    bool good;

    memset(paths.filter.has, 1, sizeof(paths.filter.has));
    argp_err_exit_status = COMMAND_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &paths);
    if (!choose_cells(&paths)) {
        command_complain(paths.command, "out of memory");
        return COMMAND_FAILED;
    }
    good = paths.kernel ? run_against_kernel(&paths) : run_alone(&paths);
    free(paths.cells);
    return good && !paths.failed ? COMMAND_OK : COMMAND_FAILED;
}
