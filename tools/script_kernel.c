/* SPDX-License-Identifier: MIT */
/* What `duet script` needs besides when scripts are played against the operating system's TCP: to
 * know whether that can be had, and the file of differences that are known and cited.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "duet/kernel.h"
#include "script.h"

/* ---- is there a kernel to test? ---- */

bool script_kernel_is_there(char *why, size_t size)
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

int script_differences_read(struct script_run *run, const char *path)
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
