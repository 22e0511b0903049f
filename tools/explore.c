/* SPDX-License-Identifier: MIT */
/* duet explore: every order in which what can happen between two stacks may happen. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "duet/explore.h"

enum { COLUMNS_LEAST = 80, CODE_BOUND = 3, NAMES_MAX = 32 };

struct explore {
    const char *command;
    const struct duet_exploration *chosen[NAMES_MAX];
    unsigned count;
    bool list, json, is_terminal, absolute;
    const char *output;
    uint64_t jobs, megabytes, most_seconds, losses, duplicates, late, marks, in_flight,
        sends; /* NOT_GIVEN: as shipped */
    struct duet_explore_options options;
    struct timespec begin;
    const char *running;
    struct duet_explore_result all; /* of all that ran, added up */
    double seconds;
};

static const uint64_t NOT_GIVEN = UINT64_MAX;
static const double MOMENT = 0.001; /* so little is left when time is over */

/* ---- options ---- */

enum {
    KEY_LIST = 256,
    KEY_LOSSES,
    KEY_DUPLICATES,
    KEY_LATE,
    KEY_MARKS,
    KEY_IN_FLIGHT,
    KEY_SENDS,
    KEY_SEED,
    KEY_MEMORY,
    KEY_STATES,
    KEY_SECONDS,
    KEY_JSON,
    KEY_BREAK,
    KEY_ABSOLUTE,
    KEY_VERIFY,
};

static const struct argp_option argp_options[] = {
    {0, 0, 0, 0, "What is explored:", 1},
    {"list", KEY_LIST, 0, 0, "list the explorations", 1},
    {"losses", KEY_LOSSES, "N", 0, "packets that may be lost, 0 to 8", 1},
    {"duplicates", KEY_DUPLICATES, "N", 0, "packets that may arrive twice, 0 to 8", 1},
    {"late", KEY_LATE, "N", 0, "timers that may run out while a packet is under way, 0 to 8", 1},
    {"marks", KEY_MARKS, "N", 0, "packets that may be marked: congestion experienced, 0 to 8", 1},
    {"in-flight", KEY_IN_FLIGHT, "N", 0, "packets under way in each direction, 1 to 6", 1},
    {"sends", KEY_SENDS, "N", 0, "sends of each end that sends at all, 0 to 8", 1},
    {"seed", KEY_SEED, "N", 0, "other sequence numbers; the states are the same (default: 1)", 1},
    {"break", KEY_BREAK, "WHAT", 0, "break something, to see it found: swap, timer, leak or crash",
     1},
    {"verify", KEY_VERIFY, 0, 0,
     "check that states that look alike have the same successors (slow)", 1},
    {0, 0, 0, 0, "How far:", 2},
    {"max-states", KEY_STATES, "N", 0, "stop after N states", 2},
    {"seconds", KEY_SECONDS, "N", 0, "stop after N seconds, of all that is explored", 2},
    {"memory", KEY_MEMORY, "MB", 0, "for the set of states (default: 1024)", 2},
    {"jobs", 'j', "N", 0, "processes, 1 to 64 (default: 1)", 2},
    {0, 0, 0, 0, "How it is shown:", 3},
    {"json", KEY_JSON, 0, 0, "one JSON object for each exploration", 3},
    {"output", 'o', "FILE", 0,
     "a counterexample as FILE.svg, .html, .pcapng, .json or text, not to the terminal", 3},
    {"absolute", KEY_ABSOLUTE, 0, 0, "sequence numbers as on the wire, not from 0", 3},
    {0, 0, 0, 0, 0, 0},
};

static void choose(struct explore *explore, const char *name)
{
    bool is_all = strcmp(name, "all") == 0;
    const struct duet_exploration *exploration;
    unsigned found = 0;

    for (unsigned i = 0; (exploration = duet_exploration(i)) != NULL; i++) {
        if (!is_all && strcmp(exploration->name, name) != 0)
            continue;
        found++;
        if (explore->count < NAMES_MAX)
            explore->chosen[explore->count++] = exploration;
    }
    if (found > 0)
        return;
    command_complain(explore->command, "there is no exploration '%s'; --list names them", name);
    exit(COMMAND_USAGE);
}

static void choose_sabotage(struct explore *explore, const char *name)
{
    for (unsigned i = 1; i < DUET_EXPLORE_SABOTAGES; i++) {
        if (strcmp(duet_explore_sabotage_name(i), name) == 0) {
            explore->options.sabotage = (enum duet_explore_sabotage)i;
            return;
        }
    }
    command_complain(explore->command, "'%s' is nothing to break: swap, timer, leak or crash",
                     name);
    exit(COMMAND_USAGE);
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct explore *e = state->input;
    const struct command_option options[] = {
        {KEY_LIST, &e->list, 0, 0, 0, 0},
        {KEY_JSON, &e->json, 0, 0, 0, 0},
        {KEY_ABSOLUTE, &e->absolute, 0, 0, 0, 0},
        {KEY_VERIFY, &e->options.verify, 0, 0, 0, 0},
        {'j', 0, &e->jobs, "number of processes", 1, 64},
        {KEY_LOSSES, 0, &e->losses, "number of losses", 0, 8},
        {KEY_DUPLICATES, 0, &e->duplicates, "number of duplicates", 0, 8},
        {KEY_LATE, 0, &e->late, "number of late timers", 0, 8},
        {KEY_MARKS, 0, &e->marks, "number of marks", 0, 8},
        {KEY_IN_FLIGHT, 0, &e->in_flight, "number of packets", 1, DUET_EXPLORE_IN_FLIGHT_MAX},
        {KEY_SENDS, 0, &e->sends, "number of sends", 0, 8},
        {KEY_SEED, 0, &e->options.seed, "seed", 0, UINT64_MAX},
        {KEY_STATES, 0, &e->options.states_max, "number of states", 1, UINT64_MAX},
        {KEY_SECONDS, 0, &e->most_seconds, "number of seconds", 1, 1 << 30},
        {KEY_MEMORY, 0, &e->megabytes, "number of megabytes", 1, 1 << 20},
        {0, 0, 0, 0, 0, 0},
    };

    if (command_take(e->command, options, key, text))
        return 0;
    switch (key) {
    case 'o':
        e->output = text;
        return 0;
    case KEY_BREAK:
        choose_sabotage(e, text);
        return 0;
    case ARGP_KEY_ARG:
        choose(e, text);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = argp_options,
    .parser = parse_option,
    .args_doc = "NAME...|all",
    .doc = "Explores every order in which packets may arrive, be lost or repeated, timers run out "
           "and users call, between two stacks: the shipping code, state by state.\v"
           "Exit status: 0 if every state was looked at and all was well, 1 for a violation (which "
           "is drawn), 2 for a wrong command line, 3 if a bound was reached first.",
};

/* ---- what it says ---- */

static double seconds_since(const struct timespec *begin)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begin->tv_sec) + (double)(now.tv_nsec - begin->tv_nsec) / 1e9;
}

static void show_progress(void *context, const struct duet_explore_result *r)
{
    const struct explore *explore = context;

    fprintf(stderr, "\r%s: %" PRIu64 " states, %" PRIu64 " transitions, depth %" PRIu64 ", %.0f s ",
            explore->running, r->states, r->transitions, r->depth, seconds_since(&explore->begin));
    fflush(stderr);
}

static unsigned count_set(const bool *bits, unsigned count)
{
    unsigned set = 0;

    for (unsigned i = 0; i < count; i++)
        set += bits[i];
    return set;
}

static unsigned count_cells(const struct duet_explore_result *r)
{
    unsigned set = 0;

    for (unsigned i = 0; i < DUET_EXPLORE_CELLS; i++)
        set += ((unsigned)r->cells[i / 8] >> (i % 8)) & 1u;
    return set;
}

static const char *const verdicts[] = {"complete", "bound reached", "violation"};

static void print_json(const struct explore *explore, const struct duet_explore_result *r,
                       double seconds)
{
    printf("{\"exploration\":\"%s\",\"verdict\":\"%s\",\"states\":%" PRIu64
           ",\"transitions\":%" PRIu64 ",\"depth\":%" PRIu64 ",\"endings\":%" PRIu64
           ",\"waiting\":%" PRIu64 ",\"edges\":%u,\"edges_all\":%u,\"rules\":%u,\"rules_all\":%u,"
           "\"cells\":%u,\"cells_all\":%u,\"seconds\":%.1f",
           explore->running, verdicts[r->end], r->states, r->transitions, r->depth, r->endings,
           r->waiting, count_set(r->edges, DUET_EXPLORE_EDGES_MAX), duet_edge_count(),
           count_set(r->rules, DUET_EXPLORE_RULES_MAX), duet_rule_count() - 1, count_cells(r),
           (unsigned)DUET_EXPLORE_CELLS, seconds);
    /* No problem has a quote or a backslash in it. */
    if (r->end == DUET_EXPLORE_VIOLATION)
        printf(",\"problem\":\"%s\",\"steps\":%u", r->problem, r->steps);
    puts("}");
}

static void print_text(const struct explore *explore, const struct duet_explore_result *r,
                       double seconds)
{
    printf("%-18s %s: %" PRIu64 " states, %" PRIu64 " transitions, depth %" PRIu64 ", %" PRIu64
           " endings, %.1f s\n",
           explore->running, verdicts[r->end], r->states, r->transitions, r->depth, r->endings,
           seconds);
    printf("%-18s %u of %u edges, %u of %u rules, %u of %u cells\n", "",
           count_set(r->edges, DUET_EXPLORE_EDGES_MAX), duet_edge_count(),
           count_set(r->rules, DUET_EXPLORE_RULES_MAX), duet_rule_count() - 1, count_cells(r),
           (unsigned)DUET_EXPLORE_CELLS);
    if (r->end == DUET_EXPLORE_BOUND)
        printf("%-18s the frontier is not empty: %" PRIu64 " states wait\n", "", r->waiting);
    if (r->end == DUET_EXPLORE_VIOLATION)
        printf("%-18s %s\n%-18s %u steps lead there\n", "", r->problem, "", r->steps);
}

static void add_up(struct explore *explore, const struct duet_explore_result *r, double seconds)
{
    struct duet_explore_result *all = &explore->all;

    all->states += r->states;
    all->transitions += r->transitions;
    all->endings += r->endings;
    all->waiting += r->waiting;
    all->depth = r->depth > all->depth ? r->depth : all->depth;
    all->end = r->end > all->end ? r->end : all->end;
    if (r->end == DUET_EXPLORE_VIOLATION) {
        memcpy(all->problem, r->problem, sizeof all->problem);
        all->steps = r->steps;
    }
    explore->seconds += seconds;
    for (unsigned i = 0; i < DUET_EXPLORE_EDGES_MAX; i++)
        all->edges[i] |= r->edges[i];
    for (unsigned i = 0; i < DUET_EXPLORE_RULES_MAX; i++)
        all->rules[i] |= r->rules[i];
    for (unsigned i = 0; i < DUET_EXPLORE_CELLS / 8; i++)
        all->cells[i] |= r->cells[i];
}

static void print_total(struct explore *explore)
{
    explore->running = "total";
    if (explore->count > 1 && !explore->json)
        print_text(explore, &explore->all, explore->seconds);
}

/* ---- a counterexample ---- */

static int draw_as(const char *name, const struct duet_recorder *recorder,
                   const struct duet_ladder_options *ladder, FILE *to)
{
    const char *dot = name == NULL ? NULL : strrchr(name, '.');

    if (dot != NULL && strcmp(dot, ".svg") == 0)
        return duet_ladder_svg(recorder, ladder, to);
    if (dot != NULL && strcmp(dot, ".html") == 0)
        return duet_ladder_html(recorder, ladder, to);
    if (dot != NULL && strcmp(dot, ".pcapng") == 0)
        return duet_recorder_pcapng(recorder, to);
    if (dot != NULL && strcmp(dot, ".json") == 0)
        return duet_trace_json(recorder, to);
    return duet_ladder_text(recorder, ladder, to);
}

static void draw(const struct explore *explore, const struct duet_explore_result *r,
                 const struct duet_recorder *recorder)
{
    struct command_output output;
    unsigned columns = command_columns(stdout, COLUMNS_LEAST);
    struct duet_ladder_options ladder = {
        .title = explore->running,
        .lesson = r->problem,
        .columns = explore->output != NULL || columns < COLUMNS_LEAST ? COLUMNS_LEAST : columns,
        .absolute = explore->absolute,
    };

    if (explore->json && explore->output == NULL)
        return;
    if (command_output_open(&output, explore->output) != 0) {
        command_complain(explore->command, "cannot write %s: %s", explore->output, strerror(errno));
        return;
    }
    command_colour(explore->output == NULL ? "auto" : "never", stdout, &ladder.colour);
    if (draw_as(explore->output, recorder, &ladder, output.file) != 0)
        command_complain(explore->command, "cannot draw: %s", strerror(errno));
    if (command_output_close(&output, true) != 0)
        command_complain(explore->command, "cannot write: %s", strerror(errno));
}

/* ---- exploring ---- */

static struct duet_exploration with_changes(const struct explore *explore,
                                            const struct duet_exploration *shipped)
{
    struct duet_exploration changed = *shipped;
    struct duet_explore_bounds *bounds = &changed.bounds;

    if (explore->losses != NOT_GIVEN)
        bounds->losses = (uint32_t)explore->losses;
    if (explore->duplicates != NOT_GIVEN)
        bounds->duplicates = (uint32_t)explore->duplicates;
    if (explore->late != NOT_GIVEN)
        bounds->late = (uint32_t)explore->late;
    if (explore->marks != NOT_GIVEN)
        bounds->marks = (uint32_t)explore->marks;
    if (explore->in_flight != NOT_GIVEN)
        bounds->in_flight = (uint32_t)explore->in_flight;
    for (unsigned end = 0; end < DUET_EXPLORE_ENDS && explore->sends != NOT_GIVEN; end++)
        if ((bounds->ends[end].calls & DUET_EXPLORE_SEND) != 0)
            bounds->ends[end].sends = (uint32_t)explore->sends;
    return changed;
}

static int explore_one(struct explore *explore, const struct duet_exploration *shipped)
{
    static struct duet_explore_result result;
    struct duet_exploration exploration = with_changes(explore, shipped);
    struct duet_recorder *recorder;
    double seconds;

    if (duet_recorder_new(&recorder) != 0) {
        command_complain(explore->command, "%s", strerror(errno));
        return COMMAND_FAILED;
    }
    explore->running = shipped->name;
    if (explore->most_seconds != NOT_GIVEN) {
        double left = (double)explore->most_seconds - explore->seconds;
        explore->options.seconds_max = left > MOMENT ? left : MOMENT;
    }
    clock_gettime(CLOCK_MONOTONIC, &explore->begin);
    if (duet_explore(&exploration, &explore->options, recorder, &result) != 0) {
        command_complain(explore->command, "%s", strerror(errno));
        duet_recorder_free(recorder);
        return COMMAND_FAILED;
    }
    seconds = seconds_since(&explore->begin);
    if (explore->is_terminal)
        fputs("\r\033[K", stderr);
    add_up(explore, &result, seconds);
    if (explore->json)
        print_json(explore, &result, seconds);
    else
        print_text(explore, &result, seconds);
    if (result.end == DUET_EXPLORE_VIOLATION)
        draw(explore, &result, recorder);
    fflush(stdout);
    duet_recorder_free(recorder);
    if (result.end == DUET_EXPLORE_VIOLATION)
        return COMMAND_FAILED;
    return result.end == DUET_EXPLORE_BOUND ? CODE_BOUND : COMMAND_OK;
}

int command_explore(int argc, char **argv)
{
    struct explore explore = {
        .command = argv[0],
        .jobs = 1,
        .megabytes = 1024,
        .most_seconds = NOT_GIVEN,
        .losses = NOT_GIVEN,
        .duplicates = NOT_GIVEN,
        .late = NOT_GIVEN,
        .marks = NOT_GIVEN,
        .in_flight = NOT_GIVEN,
        .sends = NOT_GIVEN,
        .options = {.seed = 1},
    };
    const struct duet_exploration *exploration;
    int worst = COMMAND_OK;

    argp_err_exit_status = COMMAND_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &explore);
    if (explore.list) {
        for (unsigned i = 0; (exploration = duet_exploration(i)) != NULL; i++)
            printf("%-18s %s\n", exploration->name, exploration->lesson);
        return COMMAND_OK;
    }
    if (explore.count == 0) {
        command_complain(explore.command, "which exploration? --list names them, and `all` is all");
        return COMMAND_USAGE;
    }
    explore.options.jobs = (unsigned)explore.jobs;
    explore.options.memory_max = explore.megabytes << 20;
    explore.is_terminal = isatty(STDERR_FILENO) == 1 && !explore.json;
    if (explore.is_terminal) {
        explore.options.progress = show_progress;
        explore.options.context = &explore;
    }
    for (unsigned i = 0; i < explore.count && worst != COMMAND_FAILED; i++) {
        int code = explore_one(&explore, explore.chosen[i]);
        worst = code == COMMAND_OK ? worst : code;
    }
    print_total(&explore);
    return worst;
}
