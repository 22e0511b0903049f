/* SPDX-License-Identifier: MIT */
/* Scripts: timelines of packets and calls in the language of packetdrill, played against a stack in
 * virtual time. docs/SCRIPT.md describes the language.
 *
 *     struct duet_script_options options = {0};
 *     struct duet_script_result result;
 *     duet_script_run("open.pkt", &options, &result);
 *     puts(result.verdict == DUET_SCRIPT_PASSED ? "passed" : result.problem);
 *     duet_script_result_free(&result);
 */
#ifndef DUET_SCRIPT_H
#define DUET_SCRIPT_H

#include <stdio.h>

#include "stack.h"

#ifdef __cplusplus
extern "C" {
#endif

struct duet_script_options {
    /* Each is "NAME=VALUE". definitions: NAME in a script stands for VALUE. settings: option lines
     * without their dashes that all scripts begin with. config: fields of struct duet_config. */
    const char *const *definitions;
    size_t definition_count;
    const char *const *settings;
    size_t setting_count;
    bool parse_only;
    bool verbose;        /* result.log tells each event and what was ignored */
    bool ladder;         /* result.ladder even when the script passes */
    bool colour;         /* of the ladder */
    unsigned columns;    /* of the ladder, >= 80; 0: 80 */
    bool allow_shell;    /* run the commands of the script */
    bool allow_python;   /* run the code of the script with python3 */
    bool against_kernel; /* the operating system's TCP in real time, not duet's stack */
    uint32_t longest; /* seconds; scripts that take longer are skipped in real time. 0: no limit */
    FILE *pcapng;     /* where the packets go, may be NULL; left open */
};

enum duet_script_verdict {
    DUET_SCRIPT_PASSED,
    DUET_SCRIPT_FAILED,  /* the stack did something else, or a command or code failed */
    DUET_SCRIPT_SKIPPED, /* it needs what is not there, or would take too long */
    DUET_SCRIPT_BROKEN,  /* it cannot be read or parsed, or makes no sense */
};
const char *duet_script_verdict_name(enum duet_script_verdict verdict); /* "passed" */

struct duet_script_result {
    enum duet_script_verdict verdict;
    unsigned line, column; /* of the problem; 0: none in particular */
    char *problem;         /* one sentence; NULL when passed */
    char *expected;        /* the event as the script has it, and */
    char *actual;          /* what happened instead; NULL: nothing to show */
    char *ladder;          /* NULL: not wanted, or nothing happened */
    char *log;             /* NULL: not wanted */
    unsigned events;       /* that happened */
    unsigned code_skipped; /* pieces of code that were not run */
    unsigned unknown;      /* questions that only duet can answer, not asked of the kernel */
    duet_time duration;    /* virtual */
    uint64_t hash;         /* of all that duet's stack did: the same on every machine */
};

/* Plays the script in a file, "-" for standard input. Always fills result, whose texts
 * duet_script_result_free gives up. */
void duet_script_run(const char *path, const struct duet_script_options *options,
                     struct duet_script_result *result);
/* The same with text[0, length); path is only its name. */
void duet_script_run_text(const char *path, const char *text, size_t length,
                          const struct duet_script_options *options,
                          struct duet_script_result *result);
void duet_script_result_free(struct duet_script_result *result);

/* Random timelines, each played on duet's stack and on the operating system's TCP. */
struct duet_script_random {
    uint64_t count, seed; /* seeds seed, seed + 1, ... */
    unsigned jobs;        /* at a time, each in a namespace of its own; at least 1 */
    const char *known;    /* file of known differences, may be NULL: see docs/SCRIPT.md */
};
struct duet_script_random_sums {
    uint64_t scripts, agreed, differing;
    uint64_t unsteady;     /* differed, but not again or not the same way: real time is not exact */
    uint64_t broken, died; /* could not be played; processes that were lost: faults of ours */
    uint64_t known, unknown; /* clusters of differences */
    char why[256];           /* the last problem, or why there can be no namespace */
};
/* Reports clusters to a stream: known ones by name, the others with the smallest script that shows
 * them. 0, or -1 where there can be no namespace. */
int duet_script_random_run(const struct duet_script_random *options,
                           struct duet_script_random_sums *sums, FILE *to);

#ifdef __cplusplus
}
#endif
#endif
