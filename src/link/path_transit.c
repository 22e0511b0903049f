/* SPDX-License-Identifier: MIT */
/* See path_transit.h. */
#include "link/path_transit.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

enum { SLAB_SLOTS = 256, ROOM_FIRST = 256 };

struct transit_slab {
    struct transit_slab *next;
};

/* In front of the bytes of a packet. */
struct slot {
    uint32_t length;
    uint32_t tag;
    uint16_t checksum_start, checksum_offset;
    uint16_t flags;
};

static size_t align_up(size_t size)
{
    return (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
}

void transit_init(struct transit *transit, uint32_t mtu)
{
    *transit = (struct transit){.slot_size = align_up(sizeof(struct slot) + mtu)};
}

void transit_free(struct transit *transit)
{
    while (transit->slabs != NULL) {
        struct transit_slab *slab = transit->slabs;

        transit->slabs = slab->next;
        free(slab);
    }
    free(transit->ring);
    free(transit->heap);
    *transit = (struct transit){.slot_size = transit->slot_size};
}

/* ---- slots ---- */

static void give_slot(struct transit *transit, uint8_t *slot)
{
    memcpy(slot, &transit->free_slots, sizeof(transit->free_slots));
    transit->free_slots = slot;
}

static bool grow_slots(struct transit *transit)
{
    const size_t head = align_up(sizeof(struct transit_slab));
    struct transit_slab *slab = malloc(head + SLAB_SLOTS * transit->slot_size);

    if (slab == NULL)
        return false;
    slab->next = transit->slabs;
    transit->slabs = slab;
    for (size_t i = SLAB_SLOTS; i > 0; i--)
        give_slot(transit, (uint8_t *)slab + head + (i - 1) * transit->slot_size);
    return true;
}

static uint8_t *take_slot(struct transit *transit)
{
    uint8_t *slot;

    if (transit->free_slots == NULL && !grow_slots(transit))
        return NULL;
    slot = transit->free_slots;
    memcpy(&transit->free_slots, slot, sizeof(transit->free_slots));
    return slot;
}

static void fill_slot(uint8_t *bytes, const struct duet_packet *packet)
{
    const struct slot slot = {.length = packet->length,
                              .tag = packet->tag,
                              .checksum_start = packet->checksum_start,
                              .checksum_offset = packet->checksum_offset,
                              .flags = packet->flags};

    memcpy(bytes, &slot, sizeof(slot));
    memcpy(bytes + sizeof(slot), packet->data, packet->length);
}

/* ---- the ring ---- */

static bool grow_ring(struct transit *transit)
{
    const size_t room = transit->ring_room == 0 ? ROOM_FIRST : 2 * transit->ring_room;
    struct transit_entry *ring = malloc(room * sizeof(*ring));

    if (ring == NULL)
        return false;
    for (size_t n = transit->head; n != transit->tail; n++)
        ring[n & (room - 1)] = transit->ring[n & (transit->ring_room - 1)];
    free(transit->ring);
    transit->ring = ring;
    transit->ring_room = room;
    return true;
}

static bool add_to_ring(struct transit *transit, const struct transit_entry *entry)
{
    if (transit->tail - transit->head == transit->ring_room && !grow_ring(transit))
        return false;
    transit->ring[transit->tail & (transit->ring_room - 1)] = *entry;
    transit->tail++;
    return true;
}

static const struct transit_entry *ring_first(const struct transit *transit)
{
    return transit->head == transit->tail
               ? NULL
               : &transit->ring[transit->head & (transit->ring_room - 1)];
}

/* ---- the heap: no entry is before its parent, at (i - 1) / 2 ---- */

static bool is_before(const struct transit_entry *a, const struct transit_entry *b)
{
    return a->arrival != b->arrival ? a->arrival < b->arrival : a->number < b->number;
}

static bool add_to_heap(struct transit *transit, const struct transit_entry *entry)
{
    size_t at;

    if (transit->heap_count == transit->heap_room) {
        const size_t room = transit->heap_room == 0 ? ROOM_FIRST : 2 * transit->heap_room;
        struct transit_entry *heap = realloc(transit->heap, room * sizeof(*heap));

        if (heap == NULL)
            return false;
        transit->heap = heap;
        transit->heap_room = room;
    }
    for (at = transit->heap_count++; at > 0 && is_before(entry, &transit->heap[(at - 1) / 2]);
         at = (at - 1) / 2)
        transit->heap[at] = transit->heap[(at - 1) / 2];
    transit->heap[at] = *entry;
    return true;
}

static void drop_heap_first(struct transit *transit)
{
    const struct transit_entry last = transit->heap[--transit->heap_count];
    size_t at = 0;

    for (size_t child = 1; child < transit->heap_count; child = 2 * at + 1) {
        if (child + 1 < transit->heap_count &&
            is_before(&transit->heap[child + 1], &transit->heap[child]))
            child++;
        if (!is_before(&transit->heap[child], &last))
            break;
        transit->heap[at] = transit->heap[child];
        at = child;
    }
    transit->heap[at] = last;
}

/* ---- both ---- */

bool transit_add(struct transit *transit, duet_time arrival, bool is_late,
                 const struct duet_packet *packet)
{
    struct transit_entry entry = {.arrival = arrival, .number = transit->number};

    CHECK(sizeof(struct slot) + packet->length <= transit->slot_size);
    entry.slot = take_slot(transit);
    if (entry.slot == NULL)
        return false;
    if (!(is_late ? add_to_heap(transit, &entry) : add_to_ring(transit, &entry))) {
        give_slot(transit, entry.slot);
        return false;
    }
    fill_slot(entry.slot, packet);
    transit->number++;
    return true;
}

/* Of the two first ones that which comes first; NULL: there is none. */
static const struct transit_entry *first_of(const struct transit *transit)
{
    const struct transit_entry *in_order = ring_first(transit);
    const struct transit_entry *late = transit->heap_count > 0 ? &transit->heap[0] : NULL;

    if (in_order == NULL || late == NULL)
        return in_order == NULL ? late : in_order;
    return is_before(late, in_order) ? late : in_order;
}

duet_time transit_next(const struct transit *transit)
{
    const struct transit_entry *first = first_of(transit);

    return first == NULL ? DUET_NEVER : first->arrival;
}

uint32_t transit_take(struct transit *transit, struct duet_packet *packet)
{
    const struct transit_entry *first = first_of(transit);
    struct slot slot;
    uint8_t *bytes;

    CHECK(first != NULL);
    bytes = first->slot;
    memcpy(&slot, bytes, sizeof(slot));
    packet->length = min_u32(slot.length, packet->size);
    memcpy(packet->data, bytes + sizeof(slot), packet->length);
    packet->segment_size = 0;
    packet->checksum_start = slot.checksum_start;
    packet->checksum_offset = slot.checksum_offset;
    packet->flags = slot.flags;
    packet->departure = 0;
    packet->tag = slot.tag;
    if (first == ring_first(transit))
        transit->head++;
    else
        drop_heap_first(transit);
    give_slot(transit, bytes);
    return slot.length;
}
