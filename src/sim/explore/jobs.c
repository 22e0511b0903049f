/* SPDX-License-Identifier: MIT */
/* The processes of a search: shared memory, gifts of work from one to another, and what becomes of
 * a worker that dies. Workers are processes, not threads, so that a failed CHECK, which ends one, is
 * found with the way that led to it, and so that blocks lie at the same place in each. */
#include "search.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PROGRESS_MS = 250 };

/* ---- gifts ---- */

static struct gift *gift_at(struct shared *shared, unsigned index)
{
    return (struct gift *)((uint8_t *)(shared + 1) + index * shared->gift_size);
}

static void update_hunger(struct shared *shared)
{
    shared->hungry = shared->idle > shared->gifts ? shared->idle - shared->gifts : 0;
}

bool search_is_wanted(const struct search *search)
{
    return search->shared->hungry > 0;
}

void search_give(struct search *search, const struct gift *gift, uint8_t *const blocks[ENDS])
{
    struct shared *shared = search->shared;
    struct gift *to;
    uint8_t *at;

    pthread_mutex_lock(&shared->lock);
    to = gift_at(shared, shared->gifts); /* hungry never exceeds the places: GIFTS of JOBS_MAX */
    *to = *gift;
    at = (uint8_t *)(to + 1);
    for (unsigned end = 0; end < ENDS; end++) {
        memcpy(at, blocks[end], search->machine.sizes[end]);
        at += search->machine.sizes[end];
    }
    shared->gifts++;
    update_hunger(shared);
    pthread_cond_signal(&shared->news);
    pthread_mutex_unlock(&shared->lock);
}

static void unpack(const struct search *search, struct gift *gift, uint8_t *blocks[ENDS])
{
    struct shared *shared = search->shared;
    const struct gift *from = gift_at(shared, --shared->gifts);
    const uint8_t *at = (const uint8_t *)(from + 1);

    *gift = *from;
    for (unsigned end = 0; end < ENDS; end++) {
        memcpy(blocks[end], at, search->machine.sizes[end]);
        at += search->machine.sizes[end];
    }
}

bool search_take(struct search *search, struct gift *gift, uint8_t *blocks[ENDS])
{
    struct shared *shared = search->shared;
    bool taken = false;

    pthread_mutex_lock(&shared->lock);
    shared->idle++;
    update_hunger(shared);
    while (shared->gifts == 0 && shared->idle < shared->jobs && !shared->stop)
        pthread_cond_wait(&shared->news, &shared->lock);
    if (shared->gifts > 0 && !shared->stop) {
        unpack(search, gift, blocks);
        shared->idle--;
        taken = true;
    }
    update_hunger(shared);
    if (!taken)
        pthread_cond_broadcast(&shared->news); /* so it is for the others, too */
    pthread_mutex_unlock(&shared->lock);
    return taken;
}

/* ---- shared memory ---- */

static int open_shared(struct search *search, unsigned jobs)
{
    size_t gift = sizeof(struct gift) + search->machine.sizes[0] + search->machine.sizes[1];
    pthread_mutexattr_t lock;
    pthread_condattr_t news;

    gift = (gift + 63) / 64 * 64;
    search->shared_size = sizeof *search->shared + JOBS_MAX * gift;
    search->shared = mmap(NULL, search->shared_size, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (search->shared == MAP_FAILED) {
        errno = ENOMEM;
        return -1;
    }
    search->shared->gift_size = gift;
    search->shared->jobs = jobs;
    pthread_mutexattr_init(&lock);
    pthread_mutexattr_setpshared(&lock, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&search->shared->lock, &lock);
    pthread_condattr_init(&news);
    pthread_condattr_setpshared(&news, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&search->shared->news, &news);
    return 0;
}

/* ---- workers ---- */

struct crew {
    struct pollfd pipes[JOBS_MAX];
    pid_t pids[JOBS_MAX];
    unsigned count, left;
    int crashed; /* which one, -1: none */
    int signal;
};

static int start(struct search *search, struct crew *crew)
{
    int ends[2];
    pid_t pid;

    if (pipe(ends) != 0)
        return -1;
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        search_work(search, &search->shared->reports[crew->count], crew->count == 0);
        _exit(0);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return -1;
    }
    crew->pids[crew->count] = pid;
    crew->pipes[crew->count++] = (struct pollfd){.fd = ends[0], .events = POLLIN};
    return 0;
}

static void stop_all(struct shared *shared)
{
    shared->stop = true;
    pthread_mutex_lock(&shared->lock);
    pthread_cond_broadcast(&shared->news);
    pthread_mutex_unlock(&shared->lock);
}

/* A worker's end of its pipe closes when it ends, however it does. */
static void bury(struct search *search, struct crew *crew, unsigned index)
{
    int status;

    close(crew->pipes[index].fd);
    crew->pipes[index].fd = -1;
    crew->left--;
    if (waitpid(crew->pids[index], &status, 0) != crew->pids[index])
        return;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        if (search->shared->reports[index].has_problem)
            stop_all(search->shared);
        return;
    }
    if (crew->crashed < 0) {
        crew->crashed = (int)index;
        crew->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    }
    stop_all(search->shared);
}

static void add_up(const struct search *search, struct duet_explore_result *result)
{
    const struct shared *shared = search->shared;

    result->states = shared->states;
    result->transitions = result->depth = result->endings = 0;
    result->waiting = shared->waiting;
    for (unsigned i = 0; i < shared->jobs; i++) {
        const struct report *report = &shared->reports[i];
        uint64_t depth = report->depth + report->way.length;
        result->transitions += report->transitions;
        result->endings += report->endings;
        result->depth = depth > result->depth ? depth : result->depth;
        for (unsigned k = 0; k < DUET_EXPLORE_RULES_MAX; k++)
            result->rules[k] |= report->reached.rules[k];
        for (unsigned k = 0; k < DUET_EXPLORE_EDGES_MAX; k++)
            result->edges[k] |= report->reached.edges[k];
        for (unsigned k = 0; k < DUET_EXPLORE_CELLS / 8; k++)
            result->cells[k] |= report->reached.cells[k];
    }
}

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void wait_for(struct search *search, struct crew *crew, struct duet_explore_result *result)
{
    const double begin = seconds_now(), most = search->options->seconds_max;

    crew->left = crew->count;
    while (crew->left > 0) {
        int ready = poll(crew->pipes, crew->count, PROGRESS_MS);
        for (unsigned i = 0; ready > 0 && i < crew->count; i++)
            if (crew->pipes[i].fd >= 0 && crew->pipes[i].revents != 0)
                bury(search, crew, i);
        add_up(search, result);
        if (most > 0 && crew->left > 0 && seconds_now() - begin > most) {
            search->shared->is_full = true;
            stop_all(search->shared);
        }
        if (search->options->progress != NULL)
            search->options->progress(search->options->context, result);
    }
}

/* ---- the whole ---- */

static void conclude(const struct search *search, const struct crew *crew,
                     struct duet_explore_result *result, struct way *way)
{
    struct shared *shared = search->shared;
    int culprit = crew->crashed;

    result->end = shared->is_full ? DUET_EXPLORE_BOUND : DUET_EXPLORE_COMPLETE;
    for (unsigned i = 0; culprit < 0 && i < shared->jobs; i++)
        if (shared->reports[i].has_problem)
            culprit = (int)i;
    if (culprit < 0)
        return;
    result->end = DUET_EXPLORE_VIOLATION;
    *way = shared->reports[culprit].way;
    way->length = shared->reports[culprit].steps;
    memcpy(result->problem, shared->reports[culprit].problem, sizeof result->problem);
    if (crew->crashed >= 0)
        snprintf(result->problem, sizeof result->problem,
                 "the process was ended by signal %d (6: a CHECK of the core failed)",
                 crew->signal);
}

/* result and way: what was found, and how one gets there. crew: 1 if a worker crashed. */
int search_run(struct search *search, struct duet_explore_result *result, struct way *way)
{
    unsigned jobs = search->options->jobs == 0 ? 1 : search->options->jobs;
    uint64_t first = 1 << 22; /* bytes; it grows while only one worker uses it */
    struct crew crew = {.crashed = -1};
    int failed = 0;

    search->memory = search->options->memory_max == 0 ? 1 << 30 : search->options->memory_max;
    if (open_shared(search, jobs) != 0)
        return -1;
    if (jobs > 1 || first > search->memory)
        first = search->memory;
    if (visited_open(&search->visited, first, &search->shared->states) != 0) {
        munmap(search->shared, search->shared_size);
        return -1;
    }
    for (unsigned i = 0; failed == 0 && i < jobs; i++)
        failed = start(search, &crew);
    if (failed != 0)
        stop_all(search->shared);
    wait_for(search, &crew, result);
    if (failed == 0)
        conclude(search, &crew, result, way);
    visited_close(&search->visited);
    munmap(search->shared, search->shared_size);
    return failed != 0 ? -1 : crew.crashed >= 0;
}
