/* SPDX-License-Identifier: MIT */
/* See agenda.h. Four children: a line of cache holds most of them, and the heap is half as deep. */
#include "sim/swarm/agenda.h"

#include <stdlib.h>

enum { CHILDREN = 4, FIRST_ROOM = 1024 };

static bool is_before(const struct agenda_entry *a, const struct agenda_entry *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static bool grow(struct agenda *agenda)
{
    size_t room = agenda->room == 0 ? FIRST_ROOM : 2 * agenda->room;
    struct agenda_entry *heap = realloc(agenda->heap, room * sizeof *heap);

    if (heap == NULL)
        return false;
    agenda->heap = heap;
    agenda->room = room;
    return true;
}

bool agenda_note(struct agenda *agenda, duet_time at, uint32_t what, uint32_t which)
{
    const struct agenda_entry entry = {at, agenda->order++, what, which};
    size_t hole;

    if (agenda->count == agenda->room && !grow(agenda))
        return false;
    hole = agenda->count++;
    while (hole > 0) {
        size_t parent = (hole - 1) / CHILDREN;

        if (!is_before(&entry, &agenda->heap[parent]))
            break;
        agenda->heap[hole] = agenda->heap[parent];
        hole = parent;
    }
    agenda->heap[hole] = entry;
    return true;
}

/* The earliest child of the node, or count if it has none. */
static size_t first_child(const struct agenda *agenda, size_t node)
{
    size_t first = node * CHILDREN + 1;
    size_t end = first + CHILDREN < agenda->count ? first + CHILDREN : agenda->count;

    if (first >= agenda->count)
        return agenda->count;
    for (size_t i = first + 1; i < end; i++)
        if (is_before(&agenda->heap[i], &agenda->heap[first]))
            first = i;
    return first;
}

bool agenda_take(struct agenda *agenda, struct agenda_entry *entry)
{
    struct agenda_entry last;
    size_t hole = 0;

    if (agenda->count == 0)
        return false;
    *entry = agenda->heap[0];
    last = agenda->heap[--agenda->count];
    for (;;) {
        size_t child = first_child(agenda, hole);

        if (child == agenda->count || !is_before(&agenda->heap[child], &last))
            break;
        agenda->heap[hole] = agenda->heap[child];
        hole = child;
    }
    agenda->heap[hole] = last;
    return true;
}

void agenda_free(struct agenda *agenda)
{
    free(agenda->heap);
    *agenda = (struct agenda){0};
}
