/* SPDX-License-Identifier: MIT */
/* What happens when the network has become kind, followed from one state to its end (I-65). */
#include "search.h"

enum { STEPS_MAX = 100000 };

static void note(struct way *way, struct action action)
{
    if (way != NULL && way->length < WAY_MAX)
        way->actions[way->length++] = action;
}

void kindness_run(struct machine *m, struct way *way)
{
    struct choice choice;
    uint64_t marked = machine_hash(m);

    for (uint32_t steps = 1; steps < STEPS_MAX && m->problem[0] == '\0'; steps++) {
        machine_choices(m, &choice);
        if (!choice.is_kind) {
            oracle_ending(m);
            return;
        }
        if (choice.actions[0].kind == ACTION_CLOSE)
            oracle_silent(m);
        note(way, choice.actions[0]);
        machine_step(m, choice.actions[0]);
        if (machine_hash(m) == marked) {
            machine_fail(m, "I-65: from here on the network is kind, and yet what happens repeats "
                            "itself for ever");
            return;
        }
        if ((steps & (steps - 1)) == 0) /* Brent: the mark moves at powers of two */
            marked = machine_hash(m);
    }
    machine_fail(m, "I-65: a kind network has led nowhere in %d steps", (int)STEPS_MAX);
}
