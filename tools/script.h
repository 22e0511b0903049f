/* SPDX-License-Identifier: MIT */
/* What the files of `duet script` share: the scripts of a run, their results, reports about them.
 */
#ifndef TOOLS_SCRIPT_H
#define TOOLS_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "duet/script.h"

struct script_item {
    char *path;
    bool done;
    double seconds; /* of real time */
    struct duet_script_result result;
};

/* A difference between duet and the kernel that is known, and the clause that allows it. */
struct script_difference {
    char *script, *what, *clause;
};

struct script_run {
    struct script_item *items;
    size_t count;
    struct duet_script_options options;
    unsigned jobs;
    bool json, colour;
    size_t reported; /* items told about so far, from the first on */
    size_t passed, failed, skipped, broken, code_skipped;
    bool both; /* first duet's stack, then the kernel */
    struct script_difference *differences;
    size_t difference_count;
    size_t differing, agreeing; /* cited scripts that fail against the kernel, and that pass */
};

/* Plays all scripts in processes of their own, so that a stack which stops the program fails one
 * script only, and reports each in order. Returns 0, or -1 with errno. */
int script_work(struct script_run *run);

/* Reports the items that are done and have not been reported, in order. */
void script_report(struct script_run *run);
void script_report_summary(const struct script_run *run);
int script_report_junit(const struct script_run *run, FILE *to);

/* What playing against the kernel needs besides: the file of differences (NULL: none), and a kernel.
 * Returns the exit code, COMMAND_OK to go on. */
int script_kernel_prepare(const char *command, struct script_run *run, const char *differences);
/* Random timelines, and the figures about them. Returns the exit code. */
int script_random(const char *command, struct duet_script_random *random);
void script_differences_free(struct script_run *run);
/* The known difference of a script, or NULL. */
const struct script_difference *script_difference_of(const struct script_run *run,
                                                     const char *path);

#endif
