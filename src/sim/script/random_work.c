/* SPDX-License-Identifier: MIT */
/* Many random timelines at a time: processes, each with a namespace of its own, compare seeds and
 * shrink what differs; this one gathers the differences into clusters.
 *
 * Real time is not exact, so a difference counts only when a second run shows the same one.
 */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/script/random.h"

enum { FIRST_PORT = 1025, LAST_PORT = 32000, JOBS_MAX = 64, AGAIN_MAX = 3, SHRINK_ROUNDS = 3 };

struct known {
    char *pattern, *why, *clause;
};

struct cluster {
    struct random_difference example; /* of the smallest script seen */
    struct random_script script;
    uint64_t count;
    const struct known *known;
};

struct work {
    const struct duet_script_random *options;
    struct known *known;
    size_t known_count;
    struct cluster *clusters;
    size_t cluster_count;
    struct duet_script_random_sums *sums;
};

/* What a process says about one task. */
struct answer {
    uint64_t task;
    bool steady; /* the difference was there again */
    bool no_host;
    struct random_difference difference;
    struct random_script script;
};

/* ---- in the process ---- */

struct place {
    struct kernel_host host;
    uint16_t port;
};

static void compare(struct place *place, const struct random_script *script,
                    struct random_difference *difference)
{
    place->port = place->port >= LAST_PORT ? FIRST_PORT : (uint16_t)(place->port + 1);
    random_compare(script, &place->host, place->port, difference);
}

static bool same(const struct random_difference *a, const struct random_difference *b)
{
    return a->found && b->found && strcmp(a->signature, b->signature) == 0;
}

static void try_seed(struct place *place, uint64_t seed, struct answer *answer)
{
    struct random_difference again;
    random_make(&answer->script, seed);
    compare(place, &answer->script, &answer->difference);
    answer->steady = true;
    for (unsigned i = 0; i < AGAIN_MAX && answer->difference.found; i++) {
        compare(place, &answer->script, &again);
        answer->steady = same(&again, &answer->difference);
        if (answer->steady) {
            return;
        }
        answer->difference = again;
    }
}

static void cut_line(struct random_script *script, unsigned line)
{
    memmove(script->lines[line], script->lines[line + 1],
            (script->count - line - 1) * sizeof(script->lines[0]));
    script->count--;
}

/* Leaves out what the first difference does not need: first all behind it, then line by line. */
static void shrink(struct place *place, struct answer *answer)
{
    struct random_script smaller = answer->script;
    struct random_difference found;
    unsigned keep = answer->difference.event + 1;
    if (keep + 1 < smaller.count) {
        snprintf(smaller.lines[keep], RANDOM_LINE_MAX, "pause() = 0");
        smaller.count = keep + 1;
    }
    compare(place, &smaller, &found);
    if (same(&found, &answer->difference)) {
        answer->script = smaller;
        answer->difference = found;
    }
    for (unsigned round = 0, cut = 1; round < SHRINK_ROUNDS && cut > 0; round++) {
        cut = 0;
        for (unsigned line = answer->script.count - 1; line-- > 0;) {
            smaller = answer->script;
            cut_line(&smaller, line);
            compare(place, &smaller, &found);
            if (same(&found, &answer->difference)) {
                answer->script = smaller;
                answer->difference = found;
                cut++;
            }
        }
    }
}

static void say(int to, const struct answer *answer)
{
    const char *at = (const char *)answer;
    for (size_t left = sizeof(*answer); left > 0;) {
        ssize_t n = write(to, at, left);
        if (n < 0 && errno != EINTR) {
            exit(1); /* nobody is listening any more */
        }
        at += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
}

/* Tasks first, first + step, ... below count: seeds, or clusters to shrink. */
static _Noreturn void process(const struct work *work, bool shrinks, uint64_t first, uint64_t step,
                              uint64_t count, int to)
{
    struct answer *answer = must_allocate(sizeof(*answer));
    struct place *place = must_allocate(sizeof(*place));
    place->port = FIRST_PORT;
    char why[300];
    if (random_host_open(&place->host, why, sizeof(why)) != 0) {
        answer->no_host = true;
        snprintf(answer->difference.broken, sizeof(answer->difference.broken), "%.180s", why);
        say(to, answer);
        exit(0);
    }
    for (uint64_t task = first; task < count; task += step) {
        memset(answer, 0, sizeof(*answer));
        answer->task = task;
        if (shrinks) {
            answer->script = work->clusters[task].script;
            answer->difference = work->clusters[task].example;
            shrink(place, answer);
        } else {
            try_seed(place, work->options->seed + task, answer);
        }
        say(to, answer);
    }
    exit(0);
}

/* ---- in the parent ---- */

static bool hear(int from, struct answer *answer)
{
    char *at = (char *)answer;
    for (size_t left = sizeof(*answer); left > 0;) {
        ssize_t n = read(from, at, left);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return false;
        }
        at += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static const struct known *find_known(const struct work *work, const char *signature)
{
    for (size_t i = 0; i < work->known_count; i++) {
        if (fnmatch(work->known[i].pattern, signature, FNM_NOESCAPE) == 0) {
            return &work->known[i];
        }
    }
    return NULL;
}

static void gather(struct work *work, const struct answer *answer)
{
    struct cluster *cluster = NULL;
    for (size_t i = 0; i < work->cluster_count && cluster == NULL; i++) {
        bool mine = same(&work->clusters[i].example, &answer->difference);
        cluster = mine ? &work->clusters[i] : NULL;
    }
    if (cluster == NULL) {
        work->clusters =
            must_grow(work->clusters, work->cluster_count + 1, sizeof(*work->clusters));
        cluster = &work->clusters[work->cluster_count++];
        *cluster = (struct cluster){.example = answer->difference, .script = answer->script};
        cluster->known = find_known(work, answer->difference.signature);
    }
    cluster->count++;
    if (answer->difference.event < cluster->example.event) {
        cluster->example = answer->difference;
        cluster->script = answer->script;
    }
}

/* Takes an answer. False: there can be no namespace. */
static bool take(struct work *work, bool shrinks, const struct answer *answer)
{
    struct duet_script_random_sums *sums = work->sums;
    if (answer->no_host) {
        snprintf(sums->why, sizeof(sums->why), "%s", answer->difference.broken);
        return false;
    }
    if (shrinks) {
        work->clusters[answer->task].script = answer->script;
        work->clusters[answer->task].example = answer->difference;
        return true;
    }
    sums->scripts++;
    if (answer->difference.broken[0] != '\0') {
        sums->broken++;
        snprintf(sums->why, sizeof(sums->why), "seed %" PRIu64 ": %s",
                 work->options->seed + answer->task, answer->difference.broken);
    } else if (!answer->difference.found) {
        sums->agreed++;
    } else if (!answer->steady) {
        sums->unsteady++;
    } else {
        sums->differing++;
        gather(work, answer);
    }
    return true;
}

/* Starts the processes for count tasks and hears them all. False: no namespace, or errno. */
static bool run(struct work *work, bool shrinks, uint64_t count)
{
    struct pollfd from[JOBS_MAX];
    pid_t pids[JOBS_MAX];
    unsigned jobs = work->options->jobs < JOBS_MAX ? work->options->jobs : JOBS_MAX;
    jobs = jobs > count ? (unsigned)count : jobs;
    bool good = true;
    fflush(NULL);
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        from[i] = (struct pollfd){.fd = -1, .events = POLLIN};
        pids[i] = -1;
    }
    for (unsigned i = 0; i < jobs; i++) {
        int ends[2];
        if (pipe(ends) != 0) {
            good = false;
            break;
        }
        pids[i] = fork();
        if (pids[i] == 0) {
            close(ends[0]);
            process(work, shrinks, i, jobs, count, ends[1]);
        }
        close(ends[1]);
        from[i].fd = ends[0];
    }
    struct answer *answer = must_allocate(sizeof(*answer));
    for (unsigned left = jobs; left > 0 && good;) {
        if (poll(from, jobs, -1) < 0 && errno != EINTR) {
            good = false;
        }
        for (unsigned i = 0; i < jobs && good; i++) {
            if (from[i].fd < 0 || from[i].revents == 0) {
                continue;
            }
            if (hear(from[i].fd, answer)) {
                good = take(work, shrinks, answer);
                continue;
            }
            close(from[i].fd);
            from[i].fd = -1;
            left--;
        }
    }
    free(answer);
    for (unsigned i = 0; i < jobs; i++) {
        if (from[i].fd >= 0) {
            close(from[i].fd);
        }
        if (pids[i] > 0) {
            kill(pids[i], good ? 0 : SIGKILL);
            int status = 0;
            (void)waitpid(pids[i], &status, 0);
            work->sums->died += good && status != 0;
        }
    }
    return good;
}

/* ---- the file of known clusters ---- */

static bool read_known(struct work *work)
{
    const char *path = work->options->known;
    FILE *file = path != NULL ? fopen(path, "r") : NULL;
    char *line = NULL;
    size_t room = 0;
    if (path != NULL && file == NULL) {
        snprintf(work->sums->why, sizeof(work->sums->why), "%s: %s", path, strerror(errno));
        return false;
    }
    while (file != NULL && getline(&line, &room, file) > 0) {
        char *why = strchr(line, '\t');
        char *clause = why != NULL ? strchr(why + 1, '\t') : NULL;
        if (line[0] == '#' || clause == NULL) {
            continue;
        }
        *why = *clause = '\0';
        clause[strcspn(clause + 1, "\n") + 1] = '\0';
        work->known = must_grow(work->known, work->known_count + 1, sizeof(*work->known));
        work->known[work->known_count++] = (struct known){
            must_format("%s", line), must_format("%s", why + 1), must_format("%s", clause + 1)};
    }
    free(line);
    if (file != NULL) {
        fclose(file);
    }
    return true;
}

/* ---- the report ---- */

static int by_count(const void *a, const void *b)
{
    const struct cluster *x = a, *y = b;
    bool known = x->known != NULL, other = y->known != NULL;
    if (known != other) {
        return known ? -1 : 1; /* what needs an answer comes last, where it is seen */
    }
    return x->count > y->count ? -1 : x->count < y->count;
}

static void report_cluster(const struct cluster *cluster, FILE *to)
{
    const struct random_difference *difference = &cluster->example;
    if (cluster->known != NULL) {
        fprintf(to, "%6" PRIu64 "  %s (%s)\n", cluster->count, cluster->known->why,
                cluster->known->clause);
        return;
    }
    fprintf(to, "\n%6" PRIu64 "  unknown: %s\n", cluster->count, difference->signature);
    char *text = random_print(&cluster->script, 8080);
    unsigned line = 0, first = 0;
    for (char *at = text; at != NULL && *at != '\0'; line++) {
        size_t length = strcspn(at, "\n");
        first = at[0] == '-' ? line + 1 : first;
        fprintf(to, "        %.*s\n", (int)length, at);
        if (line >= first && line - first == difference->event) {
            fprintf(to, "        // duet:   %s\n        // kernel: %s\n", difference->core,
                    difference->kernel);
        }
        at += length + (at[length] == '\n');
    }
    free(text);
}

/* Known clusters of the same explanation are told once. */
static void merge_known(struct work *work)
{
    for (size_t i = 0; i < work->cluster_count; i++) {
        for (size_t j = i + 1; j < work->cluster_count;) {
            struct cluster *a = &work->clusters[i], *b = &work->clusters[j];
            bool same_why =
                a->known != NULL && b->known != NULL && strcmp(a->known->why, b->known->why) == 0;
            if (!same_why) {
                j++;
                continue;
            }
            a->count += b->count;
            *b = work->clusters[--work->cluster_count];
        }
    }
}

static void release(struct work *work)
{
    for (size_t i = 0; i < work->known_count; i++) {
        free(work->known[i].pattern);
        free(work->known[i].why);
        free(work->known[i].clause);
    }
    free(work->known);
    free(work->clusters);
}

int duet_script_random_run(const struct duet_script_random *options,
                           struct duet_script_random_sums *sums, FILE *to)
{
    struct work work = {.options = options, .sums = sums};
    *sums = (struct duet_script_random_sums){0};
    bool good = read_known(&work) && run(&work, false, options->count);
    if (good) {
        merge_known(&work);
        if (work.cluster_count > 0) {
            qsort(work.clusters, work.cluster_count, sizeof(*work.clusters), by_count);
        }
        size_t known = 0;
        while (known < work.cluster_count && work.clusters[known].known != NULL) {
            known++;
        }
        sums->known = known;
        sums->unknown = work.cluster_count - known;
        struct work rest = work;
        rest.clusters += known;
        rest.cluster_count -= known;
        good = sums->unknown == 0 || run(&rest, true, sums->unknown);
        for (size_t i = 0; i < work.cluster_count; i++) {
            report_cluster(&work.clusters[i], to);
        }
    }
    release(&work);
    return good ? 0 : -1;
}
