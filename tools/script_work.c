/* SPDX-License-Identifier: MIT */
/* Plays scripts in worker processes. Worker k of n takes the scripts k, k + n, k + 2n, ... and
 * writes each result to a pipe. When a worker dies, the script it was at has failed, and another
 * worker goes on behind it; when a script takes too long in real time, its worker is stopped.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "script.h"

enum { SECONDS_MAX = 120, JOBS_MAX = 64, TEXTS = 5 };

struct worker {
    pid_t pid;
    int from;    /* its pipe, -1: none */
    size_t next; /* the script it is at */
    double since;
};

/* What comes through the pipe: this, then the texts. */
struct record {
    size_t index;
    enum duet_script_verdict verdict;
    unsigned line, column, events, code_skipped;
    duet_time duration;
    double seconds;
    int64_t lengths[TEXTS]; /* -1: NULL */
};

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- in the worker ---- */

static void write_all(int to, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t n = write(to, at, size);
        if (n < 0 && errno != EINTR) {
            exit(1); /* nobody is listening any more */
        }
        at += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
}

static void write_result(int to, size_t index, double seconds,
                         const struct duet_script_result *result)
{
    const char *const texts[TEXTS] = {result->problem, result->expected, result->actual,
                                      result->ladder, result->log};
    struct record record;
    memset(&record, 0, sizeof(record));
    record.index = index;
    record.verdict = result->verdict;
    record.line = result->line;
    record.column = result->column;
    record.events = result->events;
    record.code_skipped = result->code_skipped;
    record.duration = result->duration;
    record.seconds = seconds;
    for (size_t i = 0; i < TEXTS; i++) {
        record.lengths[i] = texts[i] != NULL ? (int64_t)strlen(texts[i]) : -1;
    }
    write_all(to, &record, sizeof(record));
    for (size_t i = 0; i < TEXTS; i++) {
        if (texts[i] != NULL) {
            write_all(to, texts[i], strlen(texts[i]));
        }
    }
}

/* On duet's stack first, and only what passes there on the kernel, so that a difference is one between
 * the two and not one of the script. */
static void play(const struct script_run *run, const char *path, struct duet_script_result *result)
{
    struct duet_script_options options = run->options;
    if (run->both) {
        options.against_kernel = false;
        duet_script_run(path, &options, result);
        if (result->verdict != DUET_SCRIPT_PASSED) {
            return;
        }
        duet_script_result_free(result);
        options.against_kernel = true;
    }
    duet_script_run(path, &options, result);
    if (options.against_kernel && result->verdict == DUET_SCRIPT_FAILED) {
        char *problem = NULL;
        if (asprintf(&problem, "the kernel %s: %s", run->both ? "differs from duet" : "does not",
                     result->problem) >= 0) {
            free(result->problem);
            result->problem = problem;
        }
    }
}

static _Noreturn void work(const struct script_run *run, size_t first, int to)
{
    for (size_t i = first; i < run->count; i += run->jobs) {
        struct duet_script_result result;
        double begin = now_seconds();
        play(run, run->items[i].path, &result);
        if (run->options.pcapng != NULL) {
            fflush(run->options.pcapng);
        }
        write_result(to, i, now_seconds() - begin, &result);
        duet_script_result_free(&result);
    }
    exit(0);
}

/* ---- in the parent ---- */

static int start(struct script_run *run, struct worker *worker)
{
    int ends[2];
    if (pipe(ends) != 0) {
        return -1;
    }
    fflush(NULL);
    worker->pid = fork();
    if (worker->pid == 0) {
        close(ends[0]);
        work(run, worker->next, ends[1]);
    }
    close(ends[1]);
    worker->from = ends[0];
    worker->since = now_seconds();
    if (worker->pid < 0) {
        close(ends[0]);
        worker->from = -1;
        return -1;
    }
    return 0;
}

static bool read_all(int from, void *bytes, size_t size)
{
    char *at = bytes;
    while (size > 0) {
        ssize_t n = read(from, at, size);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return false;
        }
        at += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool read_result(int from, struct script_run *run)
{
    struct record record;
    if (!read_all(from, &record, sizeof(record)) || record.index >= run->count) {
        return false;
    }
    char *texts[TEXTS] = {NULL};
    bool good = true;
    for (size_t i = 0; i < TEXTS && good; i++) {
        if (record.lengths[i] >= 0) {
            texts[i] = calloc(1, (size_t)record.lengths[i] + 1);
            good = texts[i] != NULL && read_all(from, texts[i], (size_t)record.lengths[i]);
        }
    }
    struct script_item *item = &run->items[record.index];
    item->done = true;
    item->seconds = record.seconds;
    item->result = (struct duet_script_result){.verdict = record.verdict,
                                               .line = record.line,
                                               .column = record.column,
                                               .problem = texts[0],
                                               .expected = texts[1],
                                               .actual = texts[2],
                                               .ladder = texts[3],
                                               .log = texts[4],
                                               .events = record.events,
                                               .code_skipped = record.code_skipped,
                                               .duration = record.duration};
    return good;
}

/* The worker is gone. Whatever it was at has failed. */
static int bury(struct script_run *run, struct worker *worker, bool too_long)
{
    int status = 0;
    close(worker->from);
    worker->from = -1;
    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (worker->next >= run->count) {
        return 0;
    }
    struct script_item *item = &run->items[worker->next];
    int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    item->done = true;
    item->seconds = now_seconds() - worker->since;
    item->result.verdict = DUET_SCRIPT_FAILED;
    if (too_long) {
        item->result.problem = strdup("it took more than two minutes of real time");
    } else {
        char text[80];
        snprintf(text, sizeof(text), "the stack stopped the program (signal %d, status %d)", signal,
                 WIFEXITED(status) ? WEXITSTATUS(status) : -1);
        item->result.problem = strdup(text);
    }
    worker->next += run->jobs;
    return worker->next < run->count ? start(run, worker) : 0;
}

/* Takes what one worker has to say. */
static int listen_to(struct script_run *run, struct worker *worker, bool readable)
{
    if (!readable) {
        if (now_seconds() - worker->since < SECONDS_MAX) {
            return 0;
        }
        kill(worker->pid, SIGKILL);
        return bury(run, worker, true);
    }
    if (!read_result(worker->from, run)) {
        return bury(run, worker, false);
    }
    worker->next += run->jobs;
    worker->since = now_seconds();
    return 0;
}

static int supervise(struct script_run *run, struct worker *workers)
{
    for (;;) {
        struct pollfd polled[JOBS_MAX];
        bool any = false;
        for (unsigned i = 0; i < run->jobs; i++) {
            polled[i] = (struct pollfd){.fd = workers[i].from, .events = POLLIN};
            any = any || workers[i].from >= 0;
        }
        if (!any) {
            return 0;
        }
        if (poll(polled, run->jobs, 1000) < 0 && errno != EINTR) {
            return -1;
        }
        for (unsigned i = 0; i < run->jobs; i++) {
            bool readable = workers[i].from >= 0 && polled[i].revents != 0;
            if (workers[i].from >= 0 && listen_to(run, &workers[i], readable) != 0) {
                return -1;
            }
        }
        script_report(run);
    }
}

int script_work(struct script_run *run)
{
    struct worker workers[JOBS_MAX];
    run->jobs = run->jobs > JOBS_MAX ? JOBS_MAX : run->jobs;
    run->jobs = run->jobs > run->count ? (unsigned)run->count : run->jobs;
    for (unsigned i = 0; i < run->jobs; i++) {
        workers[i] = (struct worker){.from = -1, .next = i};
        if (start(run, &workers[i]) != 0) {
            return -1;
        }
    }
    int result = supervise(run, workers);
    script_report(run);
    return result;
}
