/* SPDX-License-Identifier: MIT */
/* duet bench cores: as many stacks as there are processors, each in a thread of its own, beside one. In
 * process each thread has both ends of its connections; over TUN each stack has a queue of the device,
 * and the kernel's TCP as its peer, which wants the same processors. Stacks share nothing. */
#include <argp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../tools/bench.h"
#include "../tools/command.h"
#include "duet/loop.h"
#include "engine.h"
#include "spread.h"
#include "tun.h"

enum { THREADS_MAX = DUET_KERNEL_QUEUES_MAX, BUFFER = 256 * 1024 };
enum { BULK_STEP = 1000000, STEP = 16, WARM_STEPS = 64 };

enum work { BULK, EXCHANGE, LIFE, TUN };

struct cores_case {
    const char *name, *unit, *what;
    enum work work;
    enum tun_work tun;
};

static const struct cores_case cases[] = {
    {"bulk", "Mbit/s", "one connection in each thread, MTU 1500", BULK, 0},
    {"exchange", "1/s", "64 bytes there and back, one connection in each thread", EXCHANGE, 0},
    {"life", "1/s", "whole connections, 64 bytes each way", LIFE, 0},
    {"tun-connect", "1/s", "connections to a stack for each queue of a TUN device", TUN,
     TUN_CONNECT},
    {"tun-ask", "1/s", "64 bytes there and back on 8 connections to them", TUN, TUN_ASK},
};
enum { CASES = sizeof cases / sizeof cases[0] };

struct cores {
    const char *command;
    uint64_t rounds, span_ms, threads;
    bool json, failed;
    const char *only;
};

struct cores_result {
    char why[ENGINE_WHY];
    uint64_t one, all; /* a second */
    struct spread ratio;
};

struct job {
    struct cores *cores;
    const struct cores_case *what;
};

/* ---- in process ---- */

struct worker {
    const struct cores_case *what;
    pthread_barrier_t *start;
    pthread_t thread;
    unsigned processor;
    duet_time span;
    uint64_t rate; /* units in a second of its processor */
    char why[ENGINE_WHY];
};

/* So many units were done, of bulk Mbit; 0: it went wrong. */
static uint64_t step(enum work work, struct engine *engine)
{
    if (work == BULK)
        return engine->bulk(BULK_STEP) ? BULK_STEP * 8 / 1000000 : 0;
    for (unsigned i = 0; i < STEP; i++)
        if (!(work == LIFE ? engine->life() : engine->exchange(0, 64)))
            return 0;
    return STEP;
}

static bool warm(const struct worker *worker, struct engine *engine)
{
    const struct engine_setup setup = {
        .mtu = 1500, .checksums = true, .connections = 1, .buffer = BUFFER};

    if (!engine->open(&setup) || (worker->what->work != LIFE && !engine->connect(1)))
        return false;
    for (unsigned i = 0; i < WARM_STEPS; i++)
        if (step(worker->what->work, engine) == 0)
            return false;
    return true;
}

/* Who else wants the processor is not measured, but what the threads cost each other is. */
static duet_time thread_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (duet_time)now.tv_sec * DUET_SECOND + now.tv_nsec;
}

static void *work(void *context)
{
    struct worker *worker = context;
    struct engine *engine = engine_duet();
    uint64_t count = 0, some = 1;
    bool good;

    bench_pin(worker->processor);
    good = warm(worker, engine);
    (void)pthread_barrier_wait(worker->start);
    const duet_time from = duet_loop_now(), before = thread_time();
    duet_time now = from;

    for (; good && some > 0 && now - from < worker->span; now = duet_loop_now())
        count += some = step(worker->what->work, engine);
    if (!good || some == 0)
        snprintf(worker->why, sizeof worker->why, "%s", engine->why);
    else
        worker->rate = count * 1000000 / (uint64_t)((thread_time() - before) / DUET_MICROSECOND);
    engine->close();
    return NULL;
}

/* Units a second of so many threads together; 0: see why. */
static uint64_t rate_of_threads(const struct job *job, unsigned threads, char *why)
{
    static struct worker workers[THREADS_MAX];
    const duet_time span = (duet_time)job->cores->span_ms * DUET_MILLISECOND;
    pthread_barrier_t start;
    uint64_t rate = 0;

    (void)pthread_barrier_init(&start, NULL, threads);
    for (unsigned i = 0; i < threads; i++) {
        workers[i] = (struct worker){.what = job->what,
                                     .start = &start,
                                     .processor = (bench_processors() - 1 - i % bench_processors()),
                                     .span = span};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            command_complain(job->cores->command, "there are no %u threads", threads);
            exit(COMMAND_FAILED); /* the others wait for it */
        }
    }
    for (unsigned i = 0; i < threads; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        rate += workers[i].rate;
        if (workers[i].why[0] != '\0')
            snprintf(why, ENGINE_WHY, "%s", workers[i].why);
    }
    (void)pthread_barrier_destroy(&start);
    return why[0] == '\0' ? rate : 0;
}

/* ---- over TUN ---- */

static uint64_t rate_of_queues(const struct job *job, unsigned stacks, char *why)
{
    const struct duet_kernel_options options = {
        .link = DUET_KERNEL_TUN,
        .queues = stacks,
        .offload = DUET_OFFLOAD_CHECKSUM_OUT | DUET_OFFLOAD_CHECKSUM_IN | DUET_OFFLOAD_SEGMENT};
    struct duet_kernel kernel;
    struct tun_round round = {.kernel = &kernel,
                              .work = job->what->tun,
                              .stacks = stacks,
                              .clients = 8,
                              .span = (duet_time)job->cores->span_ms * DUET_MILLISECOND};
    bool good;

    if (duet_kernel_open(&options, &kernel, why, ENGINE_WHY) != 0)
        return 0;
    good = tun_round_duet(&round);
    snprintf(why, ENGINE_WHY, "%s", round.why);
    if (stacks == 1)
        kernel.link->close(kernel.link);
    for (unsigned i = 0; i < stacks && stacks > 1; i++)
        kernel.queues[i]->close(kernel.queues[i]);
    return good ? round.count * 1000000 / (uint64_t)(round.took / DUET_MICROSECOND) : 0;
}

/* ---- rounds ---- */

static void run_case(void *context, size_t number, void *to)
{
    const struct job *job = context;
    const unsigned threads = (unsigned)job->cores->threads;
    const uint64_t rounds = job->cores->rounds;
    struct cores_result *result = to;
    uint64_t one[SPREAD_MAX], all[SPREAD_MAX];

    (void)number;
    engine_pattern_make();
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t (*const rate)(const struct job *, unsigned, char *) =
            job->what->work == TUN ? rate_of_queues : rate_of_threads;

        one[i] = rate(job, 1, result->why);
        all[i] = one[i] == 0 ? 0 : rate(job, threads, result->why);
        if (all[i] == 0)
            return;
    }
    result->one = spread_of(one, rounds).median;
    result->all = spread_of(all, rounds).median;
    result->ratio = spread_of_ratios(all, one, rounds);
}

/* ---- what came of it ---- */

static void case_done(void *context, size_t number, const void *given)
{
    struct job *job = context;
    const struct cores_result *result = given;
    const struct cores_case *what = job->what;

    (void)number;
    job->cores->failed = job->cores->failed || result->all == 0;
    if (job->cores->json) {
        printf("{\"case\":\"cores-%s\",\"unit\":\"%s\",\"threads\":%llu,\"one\":%llu,\"all\":%llu,"
               "\"ratio\":%llu.%03llu}\n",
               what->name, what->unit, (unsigned long long)job->cores->threads,
               (unsigned long long)result->one, (unsigned long long)result->all,
               (unsigned long long)(result->ratio.median / 1000),
               (unsigned long long)(result->ratio.median % 1000));
        return;
    }
    printf("%-12s %-6s %10llu %10llu", what->name, what->unit, (unsigned long long)result->one,
           (unsigned long long)result->all);
    spread_print(result->ratio);
    printf("  %s\n", what->what);
    if (result->why[0] != '\0')
        printf("  %s\n", result->why);
    fflush(stdout);
}

enum { KEY_JSON = 256, KEY_ROUNDS, KEY_SPAN, KEY_THREADS };

static const struct argp_option argp_options[] = {
    {"json", KEY_JSON, 0, 0, "one JSON object a line", 0},
    {"rounds", KEY_ROUNDS, "N", 0, "rounds of each, in turns (default: 7)", 0},
    {"span", KEY_SPAN, "MS", 0, "length of a round (default: 300)", 0},
    {"threads", KEY_THREADS, "N", 0, "threads beside one (default: one for each processor)", 0},
    {0, 0, 0, 0, 0, 0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct cores *cores = state->input;
    const struct command_option table[] = {
        {.key = KEY_JSON, .is_so = &cores->json},
        {KEY_ROUNDS, NULL, &cores->rounds, "number of rounds", 1, SPREAD_MAX},
        {KEY_SPAN, NULL, &cores->span_ms, "span in milliseconds", 1, 60000},
        {KEY_THREADS, NULL, &cores->threads, "number of threads", 2, THREADS_MAX},
        {0},
    };

    if (command_take(cores->command, table, key, argument))
        return 0;
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    cores->only = argument;
    return 0;
}

static const struct argp argp = {
    .options = argp_options,
    .parser = parse_option,
    .args_doc = "[CASE]",
    .doc = "Measures duet with a stack in each of several threads, in turns with one, by the "
           "clock: in "
           "process (bulk, exchange, life), and over the queues of a TUN device with the operating "
           "system's TCP as their peer (tun-connect, tun-ask), which wants the same processors.\v"
           "Exit status: 0 if every case was measured, 1 if not, 2 for a wrong command line.",
};

static uint64_t threads_here(void)
{
    const unsigned processors = bench_processors();

    return processors < 2 ? 2 : processors > THREADS_MAX ? THREADS_MAX : processors;
}

int bench_cores(int argc, char **argv)
{
    struct cores cores = {
        .command = argv[0], .rounds = 7, .span_ms = 300, .threads = threads_here()};
    bool good = true;

    argp_err_exit_status = COMMAND_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &cores);
    if (!cores.json)
        printf("%-12s %-6s %10s %2llu at once %8s %8s %8s  %s\n", "case", "unit", "one",
               (unsigned long long)cores.threads, "ratio", "low", "high", "what");
    for (unsigned i = 0; i < CASES; i++) {
        struct job job = {.cores = &cores, .what = &cases[i]};
        const struct bench_jobs jobs = {.command = argv[0],
                                        .count = 1,
                                        .result_size = sizeof(struct cores_result),
                                        .jobs = 1,
                                        .run = run_case,
                                        .done = case_done,
                                        .context = &job};

        if (cores.only == NULL || strcmp(cores.only, cases[i].name) == 0)
            good = bench_run_jobs(&jobs) && good;
    }
    return good && !cores.failed ? COMMAND_OK : COMMAND_FAILED;
}
