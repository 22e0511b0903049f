/* SPDX-License-Identifier: MIT */
/* Random timelines, played on duet's stack and on the operating system's TCP, and what the two did
 * differently.
 *
 * A timeline is a list of lines, each an event; any of them may be left out and it is still a
 * script, which is what shrinking lives on.
 */
#ifndef SCRIPT_RANDOM_H
#define SCRIPT_RANDOM_H

#include <stdint.h>

#include "sim/script/kernel.h"
#include "sim/script/record.h"

enum { RANDOM_LINES_MAX = 48, RANDOM_LINE_MAX = 120 };

struct random_script {
    uint64_t seed;
    bool v6;
    uint32_t remote_isn;
    unsigned count;
    char lines[RANDOM_LINES_MAX][RANDOM_LINE_MAX];
};

/* The timeline of a seed (random_make.c). */
void random_make(struct random_script *script, uint64_t seed);
/* As a file: options and lines, in fresh memory. port: the stack's, or the peer's where the stack
 * opens; two scripts in one namespace must not share it. */
char *random_print(const struct random_script *script, uint16_t port);

/* The first event in which the two differ. */
struct random_difference {
    bool found;
    unsigned event;      /* index of the line */
    char signature[700]; /* state, event, what each did: in classes, not numbers */
    char core[RECORD_TEXT_MAX + 32], kernel[RECORD_TEXT_MAX + 32]; /* in numbers */
    char broken[200]; /* the script could not be played, or ended otherwise: why. "": it could */
};
/* Plays it on both (random_compare.c). host: open, with the settings of random_settings(). */
void random_compare(const struct random_script *script, struct kernel_host *host, uint16_t port,
                    struct random_difference *difference);
/* Opens a namespace in which random scripts of both families can be played. */
int random_host_open(struct kernel_host *host, char *why, size_t size);

#endif
