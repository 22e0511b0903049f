/* SPDX-License-Identifier: MIT */
/* Worlds on several processors. Workers are processes: each takes the next seed from memory that all
 * share, adds what came of it to a place of its own there, and writes failures into a pipe. A world
 * that ends its process is a failure, too: the worker's place says which seed it was at. */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "sim.h"

enum { WORKERS_MOST = 256, TICK_MS = 500 };

struct place { /* of one worker */
    uint64_t seed;
    bool is_busy;
    struct sim_totals totals;
};

struct board {
    atomic_uint_fast64_t next;
    atomic_bool stop;
    struct place places[WORKERS_MOST];
};

struct notice { /* through the pipe */
    uint64_t seed;
    struct duet_sim_result result;
};

struct team {
    const struct sim_campaign *campaign;
    struct board *board;
    pid_t workers[WORKERS_MOST];
    unsigned count, alive;
    int pipe[2];
};

double sim_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double cpu_seconds(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec * 1e-6 +
           (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec * 1e-6;
}

static void add(struct sim_totals *to, const struct duet_sim_result *result)
{
    to->worlds++;
    to->failed += result->failed;
    to->events += result->events;
    to->packets += result->packets;
    to->bytes += result->bytes;
    to->connections += result->connections;
    to->hosts += result->hosts;
    to->clean += result->clean;
    to->reset += result->reset;
    to->refused += result->refused;
    to->timed_out += result->timed_out;
    to->lost += result->lost;
    to->connection_hours += (double)result->connection_time / 3.6e12;
    for (unsigned i = 0; i < DUET_SIM_FAULTS; i++)
        to->faults[i] += result->faults[i];
}

static void sum_up(const struct team *team, struct sim_totals *sum)
{
    *sum = (struct sim_totals){0};
    for (unsigned i = 0; i < team->count; i++) {
        const struct sim_totals *one = &team->board->places[i].totals;

        sum->worlds += one->worlds;
        sum->failed += one->failed;
        sum->died += one->died;
        sum->events += one->events;
        sum->packets += one->packets;
        sum->bytes += one->bytes;
        sum->connections += one->connections;
        sum->hosts += one->hosts;
        sum->clean += one->clean;
        sum->reset += one->reset;
        sum->refused += one->refused;
        sum->timed_out += one->timed_out;
        sum->lost += one->lost;
        sum->connection_hours += one->connection_hours;
        sum->cpu_seconds += one->cpu_seconds;
        for (unsigned k = 0; k < DUET_SIM_FAULTS; k++)
            sum->faults[k] += one->faults[k];
    }
}

/* ---- a worker ---- */

static void write_all(int to, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;

    while (size > 0) {
        ssize_t written = write(to, at, size);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            _exit(1);
        at += written;
        size -= (size_t)written;
    }
}

static void run_seed(const struct team *team, struct place *place, uint64_t seed)
{
    const struct sim_campaign *campaign = team->campaign;
    const struct duet_sim_recipe recipe = {
        .seed = seed, .plain = !campaign->swarm, .defect = campaign->defect};
    const struct duet_sim_options options = {.check = campaign->check};
    struct notice notice = {.seed = seed};

    place->seed = seed;
    place->is_busy = true;
    if (duet_sim_run(&recipe, &options, &notice.result) != 0)
        _exit(1);
    add(&place->totals, &notice.result);
    place->totals.cpu_seconds = cpu_seconds();
    if (notice.result.failed || campaign->hashes)
        write_all(team->pipe[1], &notice, sizeof notice); /* below PIPE_BUF: whole */
    place->is_busy = false;
}

static _Noreturn void work(struct team *team, unsigned number)
{
    struct board *board = team->board;
    uint64_t count = team->campaign->last - team->campaign->first;

    (void)close(team->pipe[0]);
    while (!atomic_load(&board->stop)) {
        uint64_t next = atomic_fetch_add(&board->next, 1);

        if (next > count)
            break;
        run_seed(team, &board->places[number], team->campaign->first + next);
    }
    exit(0); /* what was covered is written down then */
}

static bool hire(struct team *team, unsigned number)
{
    pid_t pid;

    (void)fflush(NULL);
    pid = fork();
    if (pid == 0)
        work(team, number);
    team->workers[number] = pid;
    team->alive += pid > 0;
    return pid > 0;
}

/* ---- this process ---- */

/* Workers that are gone: one that a signal ended has found something, and another takes its place. */
static void look_after(struct team *team, sim_failed *failed)
{
    for (unsigned i = 0; i < team->count; i++) {
        struct place *place = &team->board->places[i];
        int status;

        if (team->workers[i] <= 0 || waitpid(team->workers[i], &status, WNOHANG) <= 0)
            continue;
        team->workers[i] = 0;
        team->alive--;
        if (!place->is_busy)
            continue;
        place->is_busy = false;
        place->totals.worlds++;
        place->totals.failed++;
        place->totals.died++;
        failed(team->campaign, place->seed, NULL, WIFSIGNALED(status) ? WTERMSIG(status) : 1);
        (void)hire(team, i);
    }
}

static void take_notices(struct team *team, sim_failed *failed)
{
    struct pollfd ready = {.fd = team->pipe[0], .events = POLLIN};
    int wait = TICK_MS;

    while (poll(&ready, 1, wait) > 0 && (ready.revents & POLLIN) != 0) {
        struct notice notice;

        if (read(team->pipe[0], &notice, sizeof notice) != (ssize_t)sizeof notice)
            return;
        failed(team->campaign, notice.seed, &notice.result, 0);
        wait = 0;
    }
}

static bool open_team(struct team *team)
{
    team->board =
        mmap(NULL, sizeof *team->board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (team->board == MAP_FAILED || pipe(team->pipe) != 0)
        return false;
    team->count = team->campaign->jobs < WORKERS_MOST ? team->campaign->jobs : WORKERS_MOST;
    for (unsigned i = 0; i < team->count; i++)
        if (!hire(team, i))
            return team->alive > 0; /* fewer do it too */
    return true;
}

bool sim_run_campaign(const struct sim_campaign *campaign, sim_failed *failed,
                      struct sim_totals *totals)
{
    struct team team = {.campaign = campaign};
    double begin = sim_now();

    if (!open_team(&team)) {
        command_complain(campaign->command, "cannot make processes: %s", strerror(errno));
        return false;
    }
    while (team.alive > 0) {
        take_notices(&team, failed);
        look_after(&team, failed);
        sum_up(&team, totals);
        if (campaign->progress)
            sim_progress(totals, sim_now() - begin, false);
        if (campaign->seconds > 0 && sim_now() - begin >= campaign->seconds)
            atomic_store(&team.board->stop, true);
    }
    take_notices(&team, failed);
    sum_up(&team, totals);
    if (campaign->progress)
        sim_progress(totals, sim_now() - begin, true);
    (void)close(team.pipe[0]);
    (void)close(team.pipe[1]);
    (void)munmap(team.board, sizeof *team.board);
    return true;
}

int sim_run_apart(const struct duet_sim_recipe *recipe, enum duet_sim_check check,
                  struct duet_sim_result *result)
{
    const struct duet_sim_options options = {.check = check};
    int ends[2], status;
    ssize_t got;
    pid_t pid;

    if (pipe(ends) != 0)
        return -1;
    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        if (duet_sim_run(recipe, &options, result) != 0)
            _exit(1);
        write_all(ends[1], result, sizeof *result);
        _exit(0);
    }
    (void)close(ends[1]);
    if (pid < 0) {
        (void)close(ends[0]);
        return -1;
    }
    got = read(ends[0], result, sizeof *result);
    (void)close(ends[0]);
    (void)waitpid(pid, &status, 0);
    if (got == (ssize_t)sizeof *result)
        return 0;
    *result = (struct duet_sim_result){.failed = true, .connection = -1};
    (void)snprintf(result->violation, sizeof result->violation, "CRASH: signal %d",
                   WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    return 0;
}
