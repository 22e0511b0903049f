/* SPDX-License-Identifier: MIT */
/* duet bench tun: duet over a TUN device with the operating system's TCP as its peer, in turns with a
 * bare reader and writer over the same device, which is the limit. In a network namespace of its own;
 * root is not needed. */
#include "tun.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tools/bench.h"
#include "../tools/command.h"
#include "engine.h"
#include "spread.h"

/* What has its rounds in turns with duet's. */
enum beside { BARE, PASST };

struct tun_case {
    const char *name, *what;
    enum tun_work work;
    bool offload;
    enum beside beside;
    uint32_t bar; /* thousandths of the other's; 0: none */
    bool copies;
};

static const struct tun_case cases[] = {
    {"receive-offload", "the kernel sends, packets of up to 64 KiB", TUN_RECEIVE, true, BARE, 850,
     false},
    {"receive-passt", "the same beside passt", TUN_RECEIVE, true, PASST, 0, false},
    {"send-offload", "the kernel receives, packets of up to 64 KiB", TUN_SEND, true, BARE, 800,
     false},
    {"send-passt", "the same beside passt", TUN_SEND, true, PASST, 0, false},
    {"send-copied", "as send-offload, but the text is copied first", TUN_SEND, true, BARE, 0, true},
    {"receive", "the kernel sends, packets of 1500 bytes", TUN_RECEIVE, false, BARE, 0, false},
    {"send", "the kernel receives, packets of 1500 bytes", TUN_SEND, false, BARE, 0, false},
    {"connect", "connections with 64 bytes each way, beside passt", TUN_CONNECT, true, PASST, 2000,
     false},
    {"ask", "64 bytes there and back on one connection, beside passt", TUN_ASK, true, PASST, 0,
     false},
};
enum { CASES = sizeof cases / sizeof cases[0] };

struct tun {
    const char *command;
    uint64_t rounds, span_ms;
    bool json, failed;
    bool is_spread; /* over processors, as the operating system will have it */
    const char *only;
};

enum { KEY_JSON = 256, KEY_ROUNDS, KEY_SPAN, KEY_SPREAD };

static const struct argp_option argp_options[] = {
    {"json", KEY_JSON, 0, 0, "one JSON object a line", 0},
    {"rounds", KEY_ROUNDS, "N", 0, "rounds of each, in turns (default: 7)", 0},
    {"spread", KEY_SPREAD, 0, 0,
     "on all processors, not on one; figures then move with the scheduler", 0},
    {"span", KEY_SPAN, "MS", 0, "length of a round (default: 400)", 0},
    {0, 0, 0, 0, 0, 0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct tun *tun = state->input;
    const struct command_option table[] = {
        {.key = KEY_JSON, .is_so = &tun->json},
        {.key = KEY_SPREAD, .is_so = &tun->is_spread},
        {KEY_ROUNDS, NULL, &tun->rounds, "number of rounds", 1, SPREAD_MAX},
        {KEY_SPAN, NULL, &tun->span_ms, "span in milliseconds", 1, 60000},
        {0},
    };

    if (command_take(tun->command, table, key, argument))
        return 0;
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    tun->only = argument;
    return 0;
}

static const struct argp argp = {
    .options = argp_options,
    .parser = parse_option,
    .args_doc = "[CASE]",
    .doc = "Measures duet over a TUN device with the operating system's TCP as its peer, in turns "
           "with a reader and writer of packets that does no TCP (bare), or with passt between the "
           "operating system's TCP and itself. Cases: receive-offload, receive-passt, "
           "send-offload, send-passt, send-copied, "
           "receive, send, connect, ask.\v"
           "Exit status: 0 if every case was measured, 1 if not, 2 for a wrong command line.",
};

/* Units in a second; for bulk, Mbit/s. */
static uint64_t rate_of(const struct tun_round *round)
{
    const uint64_t us = (uint64_t)(round->took / DUET_MICROSECOND);

    return us == 0                    ? 0
           : tun_is_bulk(round->work) ? round->count * 8 / us
                                      : round->count * 1000000 / us;
}

struct tun_result {
    char why[TUN_WHY];
    bool measured, compared;
    uint64_t duet, other; /* medians */
    struct spread ratio;
};

/* The round of whoever is measured beside duet. */
static bool play_other(enum beside beside, struct tun_round *round)
{
    return beside == BARE ? tun_round_bare(round) : tun_round_passt(round);
}

static void play(const struct tun *tun, const struct tun_case *what,
                 const struct duet_kernel *kernel, struct tun_result *result)
{
    uint64_t duet[SPREAD_MAX], other[SPREAD_MAX] = {0};

    result->compared = true;
    for (uint64_t i = 0; i < tun->rounds; i++) {
        struct tun_round round = {.kernel = kernel,
                                  .work = what->work,
                                  .copies = what->copies,
                                  .span = (duet_time)tun->span_ms * DUET_MILLISECOND};

        result->measured = tun_round_duet(&round);
        duet[i] = rate_of(&round);
        if (result->measured && result->compared) {
            result->compared = play_other(what->beside, &round);
            result->measured = !round.broken;
            other[i] = rate_of(&round);
        }
        if (round.why[0] != '\0')
            snprintf(result->why, TUN_WHY, "%s", round.why);
        if (!result->measured)
            return;
    }
    result->duet = spread_of(duet, tun->rounds).median;
    result->other = spread_of(other, tun->rounds).median;
    result->ratio = spread_of_ratios(duet, other, tun->rounds);
}

struct job {
    struct tun *tun;
    const struct tun_case *what;
};

/* In a process of its own, which goes into a namespace of its own. All on one processor, the kernel's side
 * too: on several the scheduler says whether a sender is measured or the way between two caches. */
static void run_case(void *context, size_t number, void *to)
{
    const struct job *job = context;
    const uint32_t offload = DUET_OFFLOAD_CHECKSUM_OUT | DUET_OFFLOAD_CHECKSUM_IN;
    const struct duet_kernel_options options = {
        .link = DUET_KERNEL_TUN,
        .offload = job->what->offload ? offload | DUET_OFFLOAD_SEGMENT | DUET_OFFLOAD_GATHER : 0};
    struct tun_result *result = to;
    struct duet_kernel kernel;

    (void)number;
    if (!job->tun->is_spread)
        bench_pin(bench_processors() - 1);
    engine_pattern_make();
    if (duet_kernel_open(&options, &kernel, result->why, TUN_WHY) != 0)
        return;
    play(job->tun, job->what, &kernel, result);
    kernel.link->close(kernel.link);
}

static const char *unit_of(const struct tun_case *what)
{
    return tun_is_bulk(what->work) ? "Mbit/s" : "1/s";
}

static void print_ratio(const struct tun_result *result)
{
    const uint64_t values[] = {result->ratio.median, result->ratio.low, result->ratio.high};

    printf(" %9llu", (unsigned long long)result->other);
    for (unsigned i = 0; i < 3; i++)
        printf(" %6llu.%llu%%", (unsigned long long)(values[i] / 10),
               (unsigned long long)(values[i] % 10));
}

static void print(const struct tun_case *what, const struct tun_result *result)
{
    printf("%-16s %-6s %9llu", what->name, unit_of(what), (unsigned long long)result->duet);
    if (result->compared)
        print_ratio(result);
    else
        printf(" %9s %9s %9s %9s", "-", "-", "-", "-");
    if (what->bar > 0)
        printf(" %4u%%", what->bar / 10);
    else
        printf(" %5s", "-");
    printf("  %s\n", what->what);
    if (result->why[0] != '\0')
        printf("  %s\n", result->why);
    fflush(stdout);
}

static void print_json(const struct tun_case *what, const struct tun_result *result)
{
    printf("{\"case\":\"tun-%s\",\"unit\":\"%s\",\"duet\":%llu", what->name, unit_of(what),
           (unsigned long long)result->duet);
    if (result->compared)
        printf(",\"%s\":%llu,\"ratio\":%llu.%03llu", what->beside == BARE ? "bare" : "passt",
               (unsigned long long)result->other, (unsigned long long)(result->ratio.median / 1000),
               (unsigned long long)(result->ratio.median % 1000));
    if (what->bar > 0)
        printf(",\"bar\":%u.%03u", what->bar / 1000, what->bar % 1000);
    puts("}");
}

static void case_done(void *context, size_t number, const void *given)
{
    struct job *job = context;
    const struct tun_result *result = given;

    (void)number;
    job->tun->failed = job->tun->failed || !result->measured;
    if (job->tun->json)
        print_json(job->what, result);
    else
        print(job->what, result);
}

int bench_tun(int argc, char **argv)
{
    struct tun tun = {.command = argv[0], .rounds = 7, .span_ms = 400};
    bool good = true;

    argp_err_exit_status = COMMAND_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &tun);
    if (!tun.json)
        printf("%-16s %-6s %9s %9s %8s %8s %8s %6s  %s\n", "case", "unit", "duet", "other", "ratio",
               "low", "high", "bar", "what");
    for (unsigned i = 0; i < CASES; i++) {
        struct job job = {.tun = &tun, .what = &cases[i]};
        const struct bench_jobs jobs = {.command = argv[0],
                                        .count = 1,
                                        .result_size = sizeof(struct tun_result),
                                        .jobs = 1,
                                        .run = run_case,
                                        .done = case_done,
                                        .context = &job};

        if (tun.only == NULL || strcmp(tun.only, cases[i].name) == 0)
            good = bench_run_jobs(&jobs) && good;
    }
    return good && !tun.failed ? COMMAND_OK : COMMAND_FAILED;
}
