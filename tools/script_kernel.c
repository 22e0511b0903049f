/* SPDX-License-Identifier: MIT */
/* What `duet script` needs besides when scripts are played against the operating system's TCP: to
 * know whether that can be had, the file of differences that are known and cited, and the figures of
 * random timelines.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "duet/kernel.h"
#include "script.h"

enum { RANDOM_JOBS = 16 }; /* they mostly wait */

/* ---- is there a kernel to test? ---- */

static bool kernel_is_there(char *why, size_t size)
{
    int ends[2];
    why[0] = '\0';
    if (pipe(ends) != 0) {
        snprintf(why, size, "%s", strerror(errno));
        return false;
    }
    fflush(NULL);
    pid_t child = fork(); /* which goes into the namespace, and ends with it */
    if (child == 0) {
        const struct duet_kernel_options options = {0};
        struct duet_kernel kernel;
        if (duet_kernel_open(&options, &kernel, why, size) == 0) {
            _exit(0);
        }
        _exit(write(ends[1], why, strlen(why)) < 0 ? 2 : 1);
    }
    close(ends[1]);
    ssize_t n = child > 0 ? read(ends[0], why, size - 1) : -1;
    why[n > 0 ? n : 0] = '\0';
    close(ends[0]);
    int status = 1;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        snprintf(why, size, "%s", strerror(errno));
        return false;
    }
    if (status != 0 && why[0] == '\0') {
        snprintf(why, size, "a private network namespace cannot be made");
    }
    return status == 0;
}

/* ---- known differences ---- */

/* A line: script, what differs, which clause allows it; separated by tabs. */
static bool read_line(struct script_run *run, char *line)
{
    char *what = strchr(line, '\t');
    char *clause = what != NULL ? strchr(what + 1, '\t') : NULL;
    if (line[0] == '#' || clause == NULL) {
        return true;
    }
    *what = *clause = '\0';
    clause[1 + strcspn(clause + 1, "\n")] = '\0';
    void *more = realloc(run->differences, (run->difference_count + 1) * sizeof(*run->differences));
    if (more == NULL) {
        return false;
    }
    run->differences = more;
    struct script_difference *difference = &run->differences[run->difference_count++];
    *difference = (struct script_difference){strdup(line), strdup(what + 1), strdup(clause + 1)};
    return difference->script != NULL && difference->what != NULL && difference->clause != NULL;
}

static int read_differences(struct script_run *run, const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    bool good = file != NULL;
    while (good && getline(&line, &room, file) > 0) {
        good = read_line(run, line);
    }
    free(line);
    int error = errno;
    if (file != NULL) {
        fclose(file);
    }
    errno = error;
    return good ? 0 : -1;
}

void script_differences_free(struct script_run *run)
{
    for (size_t i = 0; i < run->difference_count; i++) {
        free(run->differences[i].script);
        free(run->differences[i].what);
        free(run->differences[i].clause);
    }
    free(run->differences);
}

/* The script is the end of a path: a whole folder may lie anywhere. */
const struct script_difference *script_difference_of(const struct script_run *run, const char *path)
{
    size_t length = strlen(path);
    for (size_t i = 0; i < run->difference_count; i++) {
        const char *script = run->differences[i].script;
        size_t size = strlen(script);
        bool ends = length >= size && strcmp(path + length - size, script) == 0;
        if (ends && (length == size || path[length - size - 1] == '/')) {
            return &run->differences[i];
        }
    }
    return NULL;
}

int script_kernel_prepare(const char *command, struct script_run *run, const char *differences)
{
    char why[300];
    if (!run->options.against_kernel || run->options.parse_only) {
        return COMMAND_OK;
    }
    if (differences != NULL && read_differences(run, differences) != 0) {
        command_complain(command, "%s: %s", differences, strerror(errno));
        return COMMAND_USAGE;
    }
    if (!kernel_is_there(why, sizeof(why))) {
        command_complain(command, "%s", why);
        return COMMAND_FAILED;
    }
    return COMMAND_OK;
}

/* ---- random timelines ---- */

int script_random(const char *command, struct duet_script_random *random)
{
    struct duet_script_random_sums sums;
    random->jobs = random->jobs != 0 ? random->jobs : RANDOM_JOBS;
    if (duet_script_random_run(random, &sums, stdout) != 0) {
        command_complain(command, "%s", sums.why);
        return COMMAND_FAILED;
    }
    if (sums.broken > 0 || sums.died > 0) {
        command_complain(command, "%" PRIu64 " broken, %" PRIu64 " lost: %s", sums.broken,
                         sums.died, sums.why);
    }
    printf("%" PRIu64 " scripts, %" PRIu64 " agreed, %" PRIu64 " differing, %" PRIu64
           " unsteady; clusters: %" PRIu64 " known, %" PRIu64 " unknown\n",
           sums.scripts, sums.agreed, sums.differing, sums.unsteady, sums.known, sums.unknown);
    return sums.unknown + sums.broken + sums.died > 0 ? COMMAND_FAILED : COMMAND_OK;
}
