/* SPDX-License-Identifier: MIT */
/* Is the canonical form sound? Each time a state is found again, on another way and so as other
 * bytes, it must have the same successors as when it was found first. Costs several times what the
 * search does. */
#include "verify.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS_FIRST = 1 << 12 };

static bool grow(struct verify *v)
{
    uint64_t slots = v->slots == 0 ? SLOTS_FIRST : v->slots * 2;
    struct verify_entry *entries = calloc(slots, sizeof *entries);

    if (entries == NULL)
        return false;
    for (uint64_t i = 0; i < v->slots; i++) {
        uint64_t at = v->entries[i].hash;
        if (v->entries[i].hash == 0)
            continue;
        while (entries[at % slots].hash != 0)
            at++;
        entries[at % slots] = v->entries[i];
    }
    free(v->entries);
    v->entries = entries;
    v->slots = slots;
    return true;
}

static struct verify_entry *entry_of(struct verify *v, uint64_t hash)
{
    uint64_t at = hash;

    while (v->entries[at % v->slots].hash != 0 && v->entries[at % v->slots].hash != hash)
        at++;
    return &v->entries[at % v->slots];
}

static bool remember(struct verify *v, const struct machine *m)
{
    for (unsigned end = 0; end < ENDS; end++) {
        if (v->blocks[end] == NULL)
            v->blocks[end] = malloc(m->sizes[end]);
        if (v->blocks[end] == NULL)
            return false;
        duet_snapshot(m->stacks[end], v->blocks[end]);
    }
    model_copy(&v->model, &m->model);
    return true;
}

static void restore(const struct verify *v, struct machine *m)
{
    for (unsigned end = 0; end < ENDS; end++)
        duet_restore(m->stacks[end], v->blocks[end]);
    model_copy(&m->model, &v->model);
    m->touched = 0;
}

/* A sum over the successors: packets that mean the same may have other numbers and another order. */
static uint64_t successors(struct verify *v, struct machine *m)
{
    uint64_t sum = 0;
    struct choice choice;

    machine_choices(m, &choice);
    m->touched = 0;
    for (unsigned i = 0; i < choice.count; i++) {
        machine_step(m, choice.actions[i]);
        sum += machine_hash(m) * (2 * (uint64_t)choice.actions[i].kind + 1);
        restore(v, m);
    }
    return sum + choice.count;
}

void verify_state(struct verify *v, struct machine *m, uint64_t hash)
{
    struct verify_entry *entry;
    uint64_t sum;

    if (m->problem[0] != '\0' || !remember(v, m))
        return;
    sum = successors(v, m);
    if (m->problem[0] != '\0' || (v->used >= v->slots / 2 && !grow(v)))
        return;
    entry = entry_of(v, hash);
    if (entry->hash == 0) {
        *entry = (struct verify_entry){hash, sum};
        v->used++;
    } else if (entry->sum != sum) {
        machine_fail(m, "I-60: two states that look alike behave differently");
    }
}
