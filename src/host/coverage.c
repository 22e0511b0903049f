/* SPDX-License-Identifier: MIT */
/* Sums of rule and edge hits over all stacks of a program, written at exit. See coverage.h. */
#include "coverage.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "duet/stack.h"
#include "duet/trace.h"

static uint64_t *rule_hits; /* [0, duet_rule_count()) */
static uint64_t *edge_hits; /* [0, duet_edge_count()) */

/* A test must not count as covering what it failed to write down, so no error is passed over. */
static _Noreturn void give_up(const char *what)
{
    perror(what);
    _Exit(EXIT_FAILURE);
}

static void write_sums(FILE *to)
{
    /* Rule 0 is "NONE": no rule was applied. */
    for (unsigned i = 1; i < duet_rule_count(); i++)
        fprintf(to, "rule %s %" PRIu64 "\n", duet_rule(i)->name, rule_hits[i]);
    for (unsigned i = 0; i < duet_edge_count(); i++) {
        const struct duet_edge *edge = duet_edge(i);

        fprintf(to, "edge %s %s %" PRIu64 "\n", duet_state_name(edge->from),
                duet_state_name(edge->to), edge_hits[i]);
    }
}

static void write_at_exit(void)
{
    const char *folder = getenv("DUET_COVERAGE_DIR");
    char unfinished[4096];
    char path[sizeof(unfinished) + 4];

    if (folder != NULL) {
        /* The file gets the name that is looked for when it is whole, so that a program that is
         * killed here leaves nothing half-written. */
        snprintf(unfinished, sizeof(unfinished), "%s/XXXXXX", folder);
        int descriptor = mkstemp(unfinished);
        FILE *to = descriptor < 0 ? NULL : fdopen(descriptor, "w");
        if (to == NULL)
            give_up(unfinished);
        write_sums(to);
        snprintf(path, sizeof(path), "%s.txt", unfinished);
        if (fclose(to) != 0 || rename(unfinished, path) != 0)
            give_up(path);
    }
    free(rule_hits);
    free(edge_hits);
}

static void allocate(void)
{
    rule_hits = calloc(duet_rule_count(), sizeof(*rule_hits));
    edge_hits = calloc(duet_edge_count(), sizeof(*edge_hits));
    if (rule_hits == NULL || edge_hits == NULL || atexit(write_at_exit) != 0)
        give_up("coverage");
}

void duet_coverage_note(const struct duet_stack *stack)
{
    if (rule_hits == NULL)
        allocate();
    for (unsigned i = 0; i < duet_rule_count(); i++)
        rule_hits[i] += duet_rule_hits(stack, i);
    for (unsigned i = 0; i < duet_edge_count(); i++)
        edge_hits[i] += duet_edge_hits(stack, i);
}
