/* SPDX-License-Identifier: MIT */
/* What may happen next in the explored world: what the kind network would do, and beside it whatever the
 * bounds still allow to be lost, repeated, marked or late, and what users may call; see model.h. */
#include <string.h>

#include "model.h"

static void put(struct choice *choice, enum action_kind kind, unsigned end, unsigned number)
{
    struct action action = {(uint8_t)kind, (uint8_t)end, (uint16_t)number};

    for (unsigned i = 0; i < choice->count; i++)
        if (memcmp(&choice->actions[i], &action, sizeof action) == 0)
            return;
    choice->actions[choice->count++] = action;
}

duet_time machine_deadline(const struct machine *m, unsigned end)
{
    return m->sabotage == DUET_EXPLORE_TIMER && end == 0 ? DUET_NEVER
                                                         : m->model.views[end].deadline;
}

static void put_kind_close(const struct machine *m, struct choice *choice)
{
    for (unsigned end = 0; choice->count == 0 && end < ENDS; end++)
        if (m->model.users[end].holds && !m->model.users[end].closed)
            put(choice, ACTION_CLOSE, end, 0);
}

/* Two who probe each other are never silent: they close as soon as nothing is under way. */
static void put_kind(const struct machine *m, struct choice *choice)
{
    const struct model *model = &m->model;
    uint64_t hash, least = UINT64_MAX;
    unsigned first = machine_deadline(m, 1) < machine_deadline(m, 0);

    for (uint32_t i = 0; i < model->count; i++) {
        const struct model_packet *p = &model->packets[i];
        if ((hash = packet_meaning(m, p)) > least)
            continue;
        least = hash;
        choice->actions[0] =
            (struct action){ACTION_DELIVER, (uint8_t)(1 - p->from), (uint16_t)p->number};
        choice->count = 1;
    }
    for (unsigned end = 0; choice->count == 0 && end < ENDS; end++)
        if (user_may(m, end, ACTION_READ))
            put(choice, ACTION_READ, end, 0);
    if (m->bounds->keepalive)
        put_kind_close(m, choice);
    if (choice->count == 0 && machine_deadline(m, first) != DUET_NEVER)
        put(choice, ACTION_TIMER, first, 0);
    put_kind_close(m, choice);
    choice->is_kind = choice->count > 0;
}

/* Packets that mean the same are one choice. */
static void put_packets(const struct machine *m, struct choice *choice)
{
    const struct model *model = &m->model;
    uint64_t seen[MODEL_PACKETS];

    for (uint32_t i = 0; i < model->count; i++) {
        const struct model_packet *p = &model->packets[i];
        bool is_new = true;
        seen[i] = packet_meaning(m, p);
        for (uint32_t k = 0; k < i; k++)
            is_new = is_new && seen[k] != seen[i];
        if (!is_new)
            continue;
        put(choice, ACTION_DELIVER, 1u - p->from, p->number);
        if (model->duplicates > 0)
            put(choice, ACTION_DUPLICATE, 1u - p->from, p->number);
        if (model->marks > 0 && packet_can_be_marked(p))
            put(choice, ACTION_MARK, 1u - p->from, p->number);
        if (model->losses > 0)
            put(choice, ACTION_DROP, p->from, p->number);
    }
}

bool machine_is_busy(const struct machine *m)
{
    return m->model.count > 0 || user_may(m, 0, ACTION_READ) || user_may(m, 1, ACTION_READ);
}

static void put_timers(const struct machine *m, struct choice *choice)
{
    if (machine_is_busy(m) && m->model.late == 0)
        return;
    for (unsigned end = 0; end < ENDS; end++)
        if (machine_deadline(m, end) != DUET_NEVER &&
            (m->bounds->free_timers || machine_deadline(m, end) <= machine_deadline(m, 1 - end)))
            put(choice, ACTION_TIMER, end, 0);
}

void machine_choices(const struct machine *m, struct choice *choice)
{
    choice->count = 0;
    put_kind(m, choice);
    put_packets(m, choice);
    put_timers(m, choice);
    for (unsigned end = 0; end < ENDS; end++)
        for (unsigned kind = ACTION_LISTEN; kind <= ACTION_UNLISTEN; kind++)
            if (user_may(m, end, (enum action_kind)kind))
                put(choice, (enum action_kind)kind, end, 0);
}
