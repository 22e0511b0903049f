/* SPDX-License-Identifier: MIT */
/* Pieces of work on several processors. Processes take the next number from memory that all share,
 * put the result there and say so through a pipe; this process prints. A stack has no globals, so
 * threads would do as well; processes need no library, and one that fails takes no other with it.
 */
#include "bench.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"

enum { JOBS_MAX = 256 };

struct board {
    atomic_size_t next; /* to be taken */
    /* then: a flag for each piece of work that is done, then the results */
};

struct team {
    const struct bench_jobs *jobs;
    struct board *board;
    size_t size;
    bool *is_done;
    unsigned char *results;
    int pipe[2];
    pid_t workers[JOBS_MAX];
    unsigned worker_count;
};

unsigned bench_processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);

    return count < 1 ? 1 : count > JOBS_MAX ? JOBS_MAX : (unsigned)count;
}

void bench_pin(unsigned processor)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

static bool open_board(struct team *team)
{
    const struct bench_jobs *jobs = team->jobs;
    const size_t flags = (sizeof(struct board) + jobs->count + 63) / 64 * 64;
    void *memory;

    team->size = flags + jobs->count * jobs->result_size;
    memory = mmap(NULL, team->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    team->board = memory;
    atomic_init(&team->board->next, 0);
    team->is_done = (bool *)(team->board + 1);
    team->results = (unsigned char *)memory + flags;
    return true;
}

static void *result_of(const struct team *team, size_t number)
{
    return team->results + number * team->jobs->result_size;
}

/* One worker's life. */
static void work(const struct team *team)
{
    const struct bench_jobs *jobs = team->jobs;
    const char token = 1;

    for (;;) {
        size_t number = atomic_fetch_add(&team->board->next, 1);

        if (number >= jobs->count)
            _exit(0);
        jobs->run(jobs->context, number, result_of(team, number));
        team->is_done[number] = true;
        if (write(team->pipe[1], &token, 1) != 1)
            _exit(1);
    }
}

static bool hire(struct team *team)
{
    fflush(stdout);
    while (team->worker_count < team->jobs->jobs && team->worker_count < JOBS_MAX &&
           team->worker_count < team->jobs->count) {
        pid_t pid = fork();

        if (pid < 0)
            return team->worker_count > 0; /* fewer do it too */
        if (pid == 0) {
            close(team->pipe[0]);
            work(team);
        }
        team->workers[team->worker_count++] = pid;
    }
    return true;
}

static void show_progress(const struct team *team, size_t finished)
{
    if (!team->jobs->progress)
        return;
    if (finished < team->jobs->count)
        fprintf(stderr, "\r%zu of %zu", finished, team->jobs->count);
    else
        fprintf(stderr, "\r%*s\r", 32, "");
}

/* Hands on what is done until the last worker has gone. How many pieces were handed on. */
static size_t collect(const struct team *team)
{
    size_t finished = 0, handed_on = 0;
    char token;

    for (;;) {
        ssize_t got = read(team->pipe[0], &token, 1);

        if (got < 0 && errno == EINTR)
            continue;
        if (got != 1)
            return handed_on;
        show_progress(team, ++finished);
        while (handed_on < team->jobs->count && team->is_done[handed_on]) {
            team->jobs->done(team->jobs->context, handed_on, result_of(team, handed_on));
            handed_on++;
        }
    }
}

static bool run_team(struct team *team)
{
    size_t handed_on;

    if (!hire(team)) {
        command_complain(team->jobs->command, "cannot make a process: %s", strerror(errno));
        close(team->pipe[0]);
        close(team->pipe[1]);
        return false;
    }
    close(team->pipe[1]);
    handed_on = collect(team);
    close(team->pipe[0]);
    for (unsigned i = 0; i < team->worker_count; i++)
        (void)waitpid(team->workers[i], NULL, 0);
    if (handed_on == team->jobs->count)
        return true;
    command_complain(team->jobs->command, "a process ended before its work was done");
    return false;
}

bool bench_run_jobs(const struct bench_jobs *jobs)
{
    struct team team = {.jobs = jobs};
    bool good = false;

    if (jobs->count == 0)
        return true;
    if (!open_board(&team)) {
        command_complain(jobs->command, "no memory for results: %s", strerror(errno));
        return false;
    }
    if (pipe(team.pipe) == 0)
        good = run_team(&team);
    else
        command_complain(jobs->command, "cannot make a pipe: %s", strerror(errno));
    munmap(team.board, team.size);
    return good;
}
