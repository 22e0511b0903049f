/* SPDX-License-Identifier: MIT */
/* duet bench without a name, or with names of cases: duet's speed in process, beside lwIP's. */
#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "../tools/bench.h"
#include "../tools/command.h"
#include "cases.h"
#include "plot.h"
#include "spread.h"

struct speed {
    const char *command;
    bool json, counts, asked[ENGINES];
    uint64_t rounds, amount;
    const char *plot;
    size_t cases[64]; /* numbers of those to measure */
    size_t count;
    size_t at;                   /* the one that is measured */
    struct case_result *results; /* by number of the case */
    bool failed;
};

enum { KEY_JSON = 256, KEY_AGAINST, KEY_ROUNDS, KEY_AMOUNT, KEY_PLOT };

static const struct argp_option argp_options[] = {
    {"json", KEY_JSON, 0, 0, "one JSON object a line", 0},
    {"against", KEY_AGAINST, "PEERS", 0,
     "lwip (the default), kernel (its TCP over loopback and over a veth pair), both with a comma "
     "between them, or none",
     0},
    {"rounds", KEY_ROUNDS, "N", 0, "rounds of each, in turns (default: 11)", 0},
    {"plot", KEY_PLOT, "FILE", 0,
     "a picture (SVG) of the time of a request by the number of connections, as far as it was "
     "measured",
     0},
    {"amount", KEY_AMOUNT, "N", 0,
     "duet alone does N units of work in this process, and nothing is measured: for profilers", 0},
    {0, 0, 0, 0, 0, 0},
};

static void set_peers(struct speed *speed, char *names)
{
    bool *asked = speed->asked;

    asked[ENGINE_LWIP] = asked[ENGINE_LOOPBACK] = asked[ENGINE_VETH] = false;
    for (char *name = strtok(names, ","); name != NULL; name = strtok(NULL, ",")) {
        if (strcmp(name, "lwip") == 0) {
            asked[ENGINE_LWIP] = true;
        } else if (strcmp(name, "kernel") == 0) {
            asked[ENGINE_LOOPBACK] = asked[ENGINE_VETH] = true;
        } else if (strcmp(name, "none") != 0) {
            command_complain(speed->command,
                             "there is nothing to measure against '%s'; there are 'lwip' and "
                             "'kernel'",
                             name);
            exit(COMMAND_USAGE);
        }
    }
}

/* A name chooses the case that has it, or all that begin with it and a dash. */
static bool is_meant(const struct speed_case *what, const char *name)
{
    const size_t length = strlen(name);

    return strncmp(what->name, name, length) == 0 &&
           (what->name[length] == '\0' || what->name[length] == '-');
}

static void add_cases(struct speed *speed, const char *name)
{
    const size_t before = speed->count;

    for (size_t i = 0; i < speed_case_count; i++)
        if (name == NULL || is_meant(&speed_cases[i], name))
            speed->cases[speed->count++] = i;
    if (speed->count > before || name == NULL)
        return;
    command_complain(speed->command, "there is no benchmark '%s'; `duet bench --help` lists them",
                     name);
    exit(COMMAND_USAGE);
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct speed *speed = state->input;
    const struct command_option table[] = {
        {.key = KEY_JSON, .is_so = &speed->json},
        {KEY_ROUNDS, NULL, &speed->rounds, "number of rounds", 1, CASE_ROUNDS_MAX},
        {KEY_AMOUNT, NULL, &speed->amount, "amount of work", 0, UINT64_C(1) << 40},
        {0},
    };

    speed->counts = speed->counts || key == KEY_AMOUNT;
    if (command_take(speed->command, table, key, argument))
        return 0;
    switch (key) {
    case KEY_AGAINST:
        set_peers(speed, argument);
        return 0;
    case KEY_PLOT:
        speed->plot = argument;
        return 0;
    case ARGP_KEY_ARG:
        add_cases(speed, argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = argp_options,
    .parser = parse_option,
    .args_doc = "[NAME...]",
    .doc =
        "Measures duet in process, in turns with lwIP where the build found it, and, if asked for, "
        "with the operating system's TCP in namespaces of its own, on one processor. All compare "
        "every byte.\v"
        "Exit status: 0 if every case was measured, 1 if not, 2 for a wrong command line.",
};

static void run_case(void *context, size_t number, void *result)
{
    const struct speed *speed = context;

    (void)number;
    speed_case_measure(&speed_cases[speed->cases[speed->at]], (unsigned)speed->rounds, speed->asked,
                       result);
}

/* ---- what came of it ---- */

/* Another's time over duet's, round by round. */
static struct spread ratio_of(const struct case_result *result, enum case_engine other)
{
    return spread_of_ratios(result->time[other], result->time[ENGINE_DUET], result->rounds);
}

/* Gbit/s for bytes, nanoseconds for all else, with one digit behind the point. */
static void print_time(const struct speed_case *what, uint64_t ps)
{
    const uint64_t tenths = what->work == WORK_BULK ? 80000 / (ps == 0 ? 1 : ps) : ps / 100;

    printf(" %8llu.%llu", (unsigned long long)(tenths / 10), (unsigned long long)(tenths % 10));
}

static void print_head(void)
{
    printf("%-16s %-6s %10s %10s %8s %8s %8s %8s  %s\n", "case", "unit", "duet", "lwip", "ratio",
           "low", "high", "bar", "what");
}

static const char *const names[ENGINES] = {"duet", "lwip", "loopback", "veth"};

static void print_row(const struct speed_case *what, const struct case_result *result,
                      enum case_engine other)
{
    for (unsigned i = 0; i < ENGINES; i++) {
        if (i != ENGINE_DUET && i != other)
            continue;
        if (result->measured[i])
            print_time(what, spread_of(result->time[i], result->rounds).median);
        else
            printf(" %10s", "-");
    }
    if (result->measured[ENGINE_DUET] && result->measured[other]) {
        spread_print(ratio_of(result, other));
    } else {
        printf(" %8s %8s %8s", "-", "-", "-");
    }
    if (what->bar > 0 && other == ENGINE_LWIP)
        spread_print_ratio(what->bar);
    else
        printf(" %8s", "-");
}

static void print_case(const struct speed *speed, const struct speed_case *what,
                       const struct case_result *result)
{
    const char *const unit = what->work == WORK_BULK ? "Gbit/s" : "ns";

    printf("%-16s %-6s", what->name, unit);
    print_row(what, result, ENGINE_LWIP);
    printf("  %s\n", what->what);
    for (unsigned i = ENGINE_LOOPBACK; i < ENGINES; i++) {
        if (!speed->asked[i])
            continue;
        printf("%-16s %-6s", "", unit);
        print_row(what, result, (enum case_engine)i);
        printf("  beside the kernel's TCP over %s\n", names[i]);
    }
    for (unsigned i = 0; i < ENGINES; i++)
        if (result->why[i][0] != '\0')
            printf("  %s: %s\n", names[i], result->why[i]);
    fflush(stdout);
}

static void print_json(const struct speed_case *what, const struct case_result *result)
{
    printf("{\"case\":\"%s\",\"unit\":\"%s\"", what->name,
           what->work == WORK_BULK ? "byte" : "operation");
    for (unsigned i = 0; i < ENGINES; i++) {
        if (!result->measured[i])
            continue;
        const struct spread time = spread_of(result->time[i], result->rounds);

        printf(",\"%s_ps\":%llu,\"%s_ps_low\":%llu,\"%s_ps_high\":%llu", names[i],
               (unsigned long long)time.median, names[i], (unsigned long long)time.low, names[i],
               (unsigned long long)time.high);
    }
    for (unsigned i = ENGINE_LWIP; i < ENGINES && result->measured[ENGINE_DUET]; i++) {
        if (!result->measured[i])
            continue;
        const struct spread ratio = ratio_of(result, (enum case_engine)i);

        printf(",\"%s%s\":%llu.%03llu", i == ENGINE_LWIP ? "ratio" : "ratio_",
               i == ENGINE_LWIP ? "" : names[i], (unsigned long long)(ratio.median / 1000),
               (unsigned long long)(ratio.median % 1000));
    }
    if (what->bar > 0)
        printf(",\"bar\":%u.%03u", what->bar / 1000, what->bar % 1000);
    puts("}");
}

static void case_done(void *context, size_t number, const void *given)
{
    struct speed *speed = context;
    const struct case_result *result = given;
    const size_t index = speed->cases[speed->at];

    (void)number;
    speed->results[index] = *result;
    if (!result->measured[0])
        speed->failed = true;
    if (speed->json)
        print_json(&speed_cases[index], result);
    else
        print_case(speed, &speed_cases[index], result);
}

/* Cases that are measured by duet's own time of another. */
static void print_own(const struct speed *speed)
{
    for (size_t i = 0; i < speed_case_count; i++) {
        const struct speed_case *what = &speed_cases[i];

        for (size_t j = 0; j < speed_case_count && what->than != NULL; j++) {
            const struct case_result *mine = &speed->results[i], *other = &speed->results[j];

            if (strcmp(speed_cases[j].name, what->than) != 0 || !mine->measured[0] ||
                !other->measured[0])
                continue;
            printf("%-16s takes", what->name);
            spread_print_ratio(spread_of(mine->time[0], mine->rounds).median * 1000 /
                               spread_of(other->time[0], other->rounds).median);
            printf(" times duet's %s; the bar is %u\n", what->than, what->than_times);
        }
    }
}

/* The medians of all cases that exchange 64 bytes. */
static void draw(struct speed *speed)
{
    struct plot_point points[16];
    struct command_output output;
    size_t count = 0;

    for (size_t i = 0; i < speed_case_count && count < 16; i++) {
        const struct case_result *result = &speed->results[i];

        if (strncmp(speed_cases[i].name, "rr-", 3) != 0 || !result->measured[0])
            continue;
        points[count] = (struct plot_point){.connections = speed_cases[i].open};
        for (unsigned j = 0; j <= ENGINE_LWIP; j++) /* what the picture has curves for */
            if (result->measured[j])
                points[count].ns[j] =
                    (double)spread_of(result->time[j], result->rounds).median / 1000;
        count++;
    }
    if (command_output_open(&output, speed->plot) != 0) {
        speed->failed = true;
        return;
    }
    bench_plot(output.file, points, count);
    if (command_output_close(&output, true) != 0)
        speed->failed = true;
}

/* Each case has a process of its own, with fresh memory. */
static void run_apart(struct speed *speed, size_t at)
{
    const struct bench_jobs jobs = {.command = speed->command,
                                    .count = 1,
                                    .result_size = sizeof(struct case_result),
                                    .jobs = 1,
                                    .run = run_case,
                                    .done = case_done,
                                    .context = speed};

    speed->at = at;
    if (!bench_run_jobs(&jobs))
        speed->failed = true;
}

/* The first case that was named, in this process. */
static int run_amount(const struct speed *speed)
{
    char why[ENGINE_WHY];

    if (speed_case_run(&speed_cases[speed->cases[0]], speed->amount, why, sizeof why))
        return COMMAND_OK;
    command_complain(speed->command, "%s", why);
    return COMMAND_FAILED;
}

int bench_speed(int argc, char **argv)
{
    struct speed speed = {
        .command = argv[0], .asked = {[ENGINE_DUET] = true, [ENGINE_LWIP] = true}, .rounds = 11};

    argp_err_exit_status = COMMAND_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &speed);
    if (speed.count == 0)
        add_cases(&speed, NULL);
    if (speed.counts)
        return run_amount(&speed);
    speed.results = calloc(speed_case_count, sizeof *speed.results);
    if (speed.results == NULL)
        return COMMAND_FAILED;
    bench_pin(bench_processors() - 1);
    if (!speed.json)
        print_head();
    for (size_t i = 0; i < speed.count; i++)
        run_apart(&speed, i);
    if (!speed.json)
        print_own(&speed);
    if (speed.plot != NULL)
        draw(&speed);
    free(speed.results);
    return speed.failed ? COMMAND_FAILED : COMMAND_OK;
}

void bench_speed_list(FILE *to)
{
    for (size_t i = 0; i < speed_case_count; i++)
        fprintf(to, "  %-16s %s\n", speed_cases[i].name, speed_cases[i].what);
}
