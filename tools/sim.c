/* SPDX-License-Identifier: MIT */
/* duet sim: worlds of many hosts under one virtual clock, each made from a seed, judged by what must
 * hold. What fails is shrunk and explained. */
#include <argp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "sim.h"

enum { JOBS_MOST = 256, SHRINK_RUNS = 2000, FAILURES_SHOWN = 5, LINE = 65536 };

struct sim {
    struct sim_campaign campaign;
    const char *recipe, *replay; /* instead of seeds */
    bool has_seeds;
};

static unsigned failures; /* shown so far */
static bool is_troubled;  /* something could not be written */

enum {
    KEY_SEEDS = 256,
    KEY_SEED,
    KEY_SWARM,
    KEY_HOURS,
    KEY_SECONDS,
    KEY_JOBS,
    KEY_CHECK,
    KEY_RECIPE,
    KEY_REPLAY,
    KEY_EXPLAIN,
    KEY_NO_SHRINK,
    KEY_JSON,
    KEY_HASHES,
    KEY_DEFECT,
};

static const struct argp_option argp_options[] = {
    {"seeds", KEY_SEEDS, "A..B", 0, "the worlds of these seeds (default: 1..100)", 0},
    {"seed", KEY_SEED, "N", 0, "the world of this seed", 0},
    {"swarm", KEY_SWARM, 0, 0,
     "each world has some of the faults, at rates of its own (default: all at usual rates)", 0},
    {"recipe", KEY_RECIPE, "TEXT", 0, "the world of this recipe, as a failure prints it", 0},
    {"replay", KEY_REPLAY, "FILE", 0, "the worlds of these recipes, one a line; # begins a comment",
     0},
    {"hours", KEY_HOURS, "H", 0, "go on with further seeds for so long", 0},
    {"seconds", KEY_SECONDS, "S", 0, "the same in seconds", 0},
    {"jobs", KEY_JOBS, "N", 0, "processes at a time (default: one for each processor)", 0},
    {"check", KEY_CHECK, "cheap|all", 0,
     "all: every invariant after every event (default: what costs little; the rest now and then)",
     0},
    {"explain", KEY_EXPLAIN, 0, 0, "show a world of --seed or --recipe, failed or not", 0},
    {"no-shrink", KEY_NO_SHRINK, 0, 0, "do not look for a smaller world that fails as well", 0},
    {"output", 'o', "PREFIX", 0,
     "write failures to PREFIX.txt, .svg, .html, .pcapng and, where one end suffices, .pkt", 0},
    {"json", KEY_JSON, 0, 0, "one JSON object for each failure, then one with the figures", 0},
    {"hashes", KEY_HASHES, 0, 0, "print the hash of each world's history", 0},
    {"defect", KEY_DEFECT, "NAME", 0,
     "break something on purpose: forged-byte, lost-byte, leak, amnesia or noise", 0},
    {0, 0, 0, 0, 0, 0},
};

static _Noreturn void refuse(const struct sim *sim, const char *what, const char *text)
{
    command_complain(sim->campaign.command, "'%s' is no %s", text, what);
    exit(COMMAND_USAGE);
}

static void set_seeds(struct sim *sim, char *text)
{
    char *dots = strstr(text, "..");

    if (dots == NULL)
        refuse(sim, "range of seeds; write for example 1..100", text);
    *dots = '\0';
    sim->campaign.first = command_number_of(sim->campaign.command, "seed", text, 0, UINT64_MAX);
    sim->campaign.last = command_number_of(sim->campaign.command, "seed", dots + 2, 0, UINT64_MAX);
    if (sim->campaign.last < sim->campaign.first)
        refuse(sim, "range of seeds: it ends before it begins", dots + 2);
    sim->has_seeds = true;
}

static void set_seed(struct sim *sim, const char *text)
{
    sim->campaign.first = sim->campaign.last =
        command_number_of(sim->campaign.command, "seed", text, 0, UINT64_MAX);
    sim->has_seeds = true;
}

static void set_time(struct sim *sim, const char *text, double unit)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !(value > 0))
        refuse(sim, "time", text);
    sim->campaign.seconds = value * unit;
}

static void set_defect(struct sim *sim, const char *name)
{
    for (unsigned i = 1; i < DUET_SIM_DEFECTS; i++)
        if (strcmp(name, duet_sim_defect_name(i)) == 0)
            sim->campaign.defect = (uint8_t)i;
    if (sim->campaign.defect == 0)
        refuse(sim, "defect; see --help", name);
}

static void set_check(struct sim *sim, const char *name)
{
    if (strcmp(name, "all") == 0)
        sim->campaign.check = DUET_SIM_CHECK_ALL;
    else if (strcmp(name, "cheap") != 0)
        refuse(sim, "way to check; there are cheap and all", name);
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct sim *sim = state->input;
    const struct command_option table[] = {
        {.key = KEY_SWARM, .is_so = &sim->campaign.swarm},
        {.key = KEY_EXPLAIN, .is_so = &sim->campaign.explains},
        {.key = KEY_JSON, .is_so = &sim->campaign.json},
        {.key = KEY_HASHES, .is_so = &sim->campaign.hashes},
        {0},
    };

    if (command_take(sim->campaign.command, table, key, argument))
        return 0;
    switch (key) {
    case KEY_SEEDS:
        set_seeds(sim, argument);
        return 0;
    case KEY_SEED:
        set_seed(sim, argument);
        return 0;
    case KEY_RECIPE:
        sim->recipe = argument;
        return 0;
    case KEY_REPLAY:
        sim->replay = argument;
        return 0;
    case KEY_HOURS:
        set_time(sim, argument, 3600);
        return 0;
    case KEY_SECONDS:
        set_time(sim, argument, 1);
        return 0;
    case KEY_JOBS:
        sim->campaign.jobs = (unsigned)command_number_of(
            sim->campaign.command, "number of processes", argument, 0, JOBS_MOST);
        return 0;
    case KEY_CHECK:
        set_check(sim, argument);
        return 0;
    case KEY_NO_SHRINK:
        sim->campaign.shrinks = false;
        return 0;
    case 'o':
        sim->campaign.prefix = argument;
        return 0;
    case KEY_DEFECT:
        set_defect(sim, argument);
        return 0;
    case ARGP_KEY_ARG:
        command_complain(sim->campaign.command, "there is nothing to do with '%s'; see --help",
                         argument);
        exit(COMMAND_USAGE);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = argp_options,
    .parser = parse_option,
    .doc =
        "Simulates worlds of 2 to 64 hosts under one virtual clock. A seed chooses everything; the "
        "same seed is the same history everywhere. In the end the network heals and everything "
        "must finish. A world that fails is shrunk and shown.\v"
        "docs/SIMULATION.md tells what a world is and how to read a failure.\n\n"
        "Exit status: 0 if nothing was violated, 1 if something was, 2 for a wrong command line.",
};

/* ---- seeds ---- */

static void failed(const struct sim_campaign *campaign, uint64_t seed,
                   const struct duet_sim_result *result, int died)
{
    const struct duet_sim_recipe recipe = {
        .seed = seed, .plain = !campaign->swarm, .defect = campaign->defect};

    if (result != NULL && campaign->hashes)
        printf("%llu %016llx\n", (unsigned long long)seed, (unsigned long long)result->hash);
    if (result != NULL && !result->failed)
        return;
    if (failures++ < FAILURES_SHOWN) {
        if (!sim_explain(campaign, &recipe))
            is_troubled = true;
    } else if (result != NULL) {
        sim_report_failure(campaign, &recipe, result);
    } else {
        command_complain(campaign->command, "the world of seed %llu ended its process (%d)",
                         (unsigned long long)seed, died);
    }
    fflush(stdout);
}

static int run_seeds(struct sim *sim)
{
    struct sim_totals totals = {0};
    double begin = sim_now();

    if (sim->campaign.seconds > 0 && !sim->has_seeds)
        sim->campaign.last = UINT64_MAX;
    if (!sim_run_campaign(&sim->campaign, failed, &totals))
        return COMMAND_FAILED;
    sim_report(&sim->campaign, &totals, sim_now() - begin);
    return totals.failed == 0 && !is_troubled ? COMMAND_OK : COMMAND_FAILED;
}

/* ---- recipes ---- */

/* True: nothing was violated. */
static bool run_recipe(struct sim *sim, const char *text)
{
    struct duet_sim_recipe recipe = {0};
    struct duet_sim_result result;
    char problem[160];

    if (duet_sim_recipe_parse(text, &recipe, problem, sizeof problem) != 0) {
        command_complain(sim->campaign.command, "no recipe: %s", problem);
        exit(COMMAND_USAGE);
    }
    if (sim_run_apart(&recipe, sim->campaign.check, &result) != 0) {
        command_complain(sim->campaign.command, "cannot make a process");
        exit(COMMAND_FAILED);
    }
    if (sim->campaign.hashes)
        printf("%016llx  %s\n", (unsigned long long)result.hash, text);
    if ((result.failed || sim->campaign.explains) && !sim_explain(&sim->campaign, &recipe))
        is_troubled = true;
    duet_sim_recipe_free(&recipe);
    return !result.failed;
}

static int replay(struct sim *sim)
{
    FILE *file = fopen(sim->replay, "r");
    char *line = malloc(LINE);
    unsigned passed = 0, bad = 0;

    if (file == NULL || line == NULL) {
        command_complain(sim->campaign.command, "%s cannot be read", sim->replay);
        free(line);
        if (file != NULL)
            (void)fclose(file);
        return COMMAND_USAGE;
    }
    while (fgets(line, LINE, file) != NULL) {
        line[strcspn(line, "#\n")] = '\0';
        for (size_t i = strlen(line); i > 0 && line[i - 1] == ' '; i--)
            line[i - 1] = '\0';
        if (line[0] == '\0')
            continue;
        if (run_recipe(sim, line))
            passed++;
        else
            bad++;
    }
    free(line);
    (void)fclose(file);
    printf("%u recipes passed, %u failed\n", passed, bad);
    return bad == 0 && !is_troubled ? COMMAND_OK : COMMAND_FAILED;
}

int command_sim(int argc, char **argv)
{
    struct sim sim = {.campaign = {.command = argv[0],
                                   .first = 1,
                                   .last = 100,
                                   .shrinks = true,
                                   .shrink_runs = SHRINK_RUNS}};
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    sim.campaign.progress = isatty(STDERR_FILENO) == 1;
    argp_err_exit_status = COMMAND_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &sim);
    if (sim.campaign.jobs == 0)
        sim.campaign.jobs = processors < 1 ? 1 : (unsigned)processors;
    if (sim.replay != NULL)
        return replay(&sim);
    if (sim.recipe != NULL)
        return run_recipe(&sim, sim.recipe) && !is_troubled ? COMMAND_OK : COMMAND_FAILED;
    if (sim.campaign.explains) {
        struct duet_sim_recipe recipe = {.seed = sim.campaign.first,
                                         .plain = !sim.campaign.swarm,
                                         .defect = sim.campaign.defect};

        return sim_explain(&sim.campaign, &recipe) ? COMMAND_OK : COMMAND_FAILED;
    }
    return run_seeds(&sim);
}
