/* SPDX-License-Identifier: MIT */
/* A way that leads to a violation, made as short as leaving out single actions makes it, and played
 * once more with a recorder. */
#include "search.h"

#include <stdlib.h>
#include <string.h>

#define NOTHING UINT32_MAX /* is skipped */

/* The number that begins a problem's text names the invariant. */
static bool is_same_problem(const char *a, const char *b)
{
    size_t length = strcspn(a, ":");

    return strncmp(a, b, length) == 0 && b[length] == a[length];
}

/* Plays a way, but for the action at skip, and then a kind network. What was done is left in played,
 * with nothing skipped what kindness did, too.
 * An action that a missing one has made impossible is left out, too. */
static bool leads_there(const struct search *search, const struct way *way, uint32_t skip,
                        const char *problem, struct way *played, struct duet_recorder *recorder,
                        char *found)
{
    struct machine *m = malloc(sizeof *m);
    bool is_there = false;

    played->length = 0;
    if (m == NULL || machine_start(m, search->exploration, search->options, recorder) != 0) {
        free(m);
        return false;
    }
    for (uint32_t i = 0; i < way->length && m->problem[0] == '\0'; i++)
        if (i != skip && machine_step(m, way->actions[i]))
            played->actions[played->length++] = way->actions[i];
    if (m->problem[0] == '\0')
        kindness_run(m, skip == NOTHING ? played : NULL);
    is_there = m->problem[0] != '\0' && is_same_problem(problem, m->problem);
    memcpy(found, m->problem, sizeof m->problem);
    if (recorder != NULL)
        duet_recorder_note(recorder, machine_shown(m) + DUET_MICROSECOND, m->problem);
    machine_end(m);
    free(m);
    return is_there;
}

/* Actions are left out one by one, the latest first, until none can be. */
static void shorten(const struct search *search, struct way *way, struct way *other,
                    const char *problem)
{
    char found[sizeof(((struct machine *)0)->problem)];
    bool is_shorter = true;

    while (is_shorter) {
        is_shorter = false;
        for (uint32_t i = way->length; i-- > 0;) {
            if (!leads_there(search, way, i, problem, other, NULL, found) ||
                other->length >= way->length)
                continue;
            *way = *other;
            i = i < way->length ? i : way->length;
            is_shorter = true;
        }
    }
}

/* A way that ends the process is played up to the step before it. */
static void show_crash(const struct search *search, const struct way *way,
                       struct duet_recorder *recorder)
{
    struct machine *m = malloc(sizeof *m);

    if (m == NULL || machine_start(m, search->exploration, search->options, recorder) != 0) {
        free(m);
        return;
    }
    for (uint32_t i = 0; i + 1 < way->length && m->problem[0] == '\0'; i++)
        machine_step(m, way->actions[i]);
    duet_recorder_note(recorder, machine_shown(m) + DUET_MICROSECOND,
                       "the next step ends the process");
    machine_end(m);
    free(m);
}

int counterexample_show(const struct search *search, struct way *way, bool crashes,
                        struct duet_recorder *recorder, struct duet_explore_result *result)
{
    struct way *other = malloc(sizeof *other);
    char found[sizeof result->problem];

    if (other == NULL)
        return -1;
    if (!crashes)
        shorten(search, way, other, result->problem);
    if (recorder != NULL) {
        duet_recorder_name(recorder, 0, "first", false);
        duet_recorder_name(recorder, 1, "second", false);
    }
    if (crashes && recorder != NULL)
        show_crash(search, way, recorder);
    if (!crashes && leads_there(search, way, NOTHING, result->problem, other, recorder, found)) {
        *way = *other;
        memcpy(result->problem, found, sizeof result->problem);
    }
    result->steps = way->length;
    free(other);
    return 0;
}
