/* SPDX-License-Identifier: MIT */
/* Packets under way: slots of one size, the last one given back is the next one taken, so that few
 * of them are in use and those stay in the cache. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "sim/swarm/swarm.h"

enum { PACKETS_FIRST = 256, PACKETS_NONE = -1 };

bool packets_open(struct packet_store *store, uint32_t room)
{
    *store = (struct packet_store){.room = room, .free = UINT32_MAX};
    return true;
}

void packets_free(struct packet_store *store)
{
    free(store->bytes);
    free(store->slots);
}

static bool grow(struct packet_store *store)
{
    uint32_t count = store->count == 0 ? PACKETS_FIRST : 2 * store->count;
    uint8_t *bytes = realloc(store->bytes, (size_t)count * store->room);
    struct packet_slot *slots;

    if (bytes == NULL)
        return false;
    store->bytes = bytes;
    slots = realloc(store->slots, count * sizeof *slots);
    if (slots == NULL)
        return false;
    store->slots = slots;
    for (uint32_t i = count; i-- > store->count;) {
        store->slots[i].next_free = store->free;
        store->free = i;
    }
    store->count = count;
    return true;
}

uint32_t packets_take(struct swarm *w)
{
    struct packet_store *store = &w->packets;
    uint32_t slot;

    if (store->free == UINT32_MAX && !grow(store))
        swarm_no_memory(w);
    slot = store->free;
    store->free = store->slots[slot].next_free;
    store->used++;
    return slot;
}

void packets_give(struct swarm *w, uint32_t slot)
{
    struct packet_store *store = &w->packets;

    CHECK(slot < store->count);
    CHECK(store->used > 0);
    store->slots[slot].next_free = store->free;
    store->free = slot;
    store->used--;
}

uint32_t packets_copy(struct swarm *w, uint32_t slot)
{
    uint32_t copy = packets_take(w);
    uint32_t next_free = w->packets.slots[copy].next_free;

    w->packets.slots[copy] = w->packets.slots[slot];
    w->packets.slots[copy].next_free = next_free;
    memcpy(packet_bytes(&w->packets, copy), packet_bytes(&w->packets, slot),
           w->packets.slots[slot].length);
    return copy;
}
