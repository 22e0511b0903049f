/* SPDX-License-Identifier: MIT */
/* Demultiplexing: from a pair of sockets to the record that stands for it (RFC 9293, 3.10.7).
 *
 * One open-addressed table for connections, half-open and TIME-WAIT records, so that a packet costs
 * one look-up. A slot is 4 bytes: 2 bits of kind, 6 bits of the hash, 24 bits of index. Linear
 * probing; removal shifts back, so there are no tombstones. The hash is keyed, so that nobody
 * outside can choose collisions. The table is never more than six sevenths full, and
 * that only when every record of each kind is in use: then it takes 4 slots to find one, and 25 to know that
 * there is none, which lie beside each other.
 */
#include "base/check.h"
#include "core/state.h"

#include <string.h>

enum { INDEX_BITS = 24, TAG_BITS = 6 };

_Static_assert(sizeof(struct tcp_tuple) == 36, "hashed as bytes: no padding");

size_t demux_slots(const struct duet_config *config)
{
    size_t records =
        (size_t)config->connections_max + config->half_open_max + config->time_wait_max;
    return records + records / 6 + 8;
}

void demux_init(struct demux *demux, uint32_t *slots, uint32_t capacity)
{
    memset(slots, 0, (size_t)capacity * sizeof *slots);
    *demux = (struct demux){.slots = slots, .capacity = capacity};
}

uint64_t demux_hash(const struct duet_stack *s, const struct tcp_tuple *tuple)
{
    return siphash_1_3(&s->table_key, tuple, sizeof *tuple);
}

/* The upper half of the hash chooses the slot, bits 0..5 are the tag. */
static uint32_t home_of(const struct demux *demux, uint64_t hash)
{
    return (uint32_t)(((hash >> 32) * demux->capacity) >> 32);
}

static uint32_t slot_value(enum demux_kind kind, uint64_t hash, uint32_t index)
{
    uint32_t tag = (uint32_t)hash & ((1u << TAG_BITS) - 1);
    return ((uint32_t)kind << (INDEX_BITS + TAG_BITS)) | (tag << INDEX_BITS) | index;
}

static struct demux_ref ref_of(uint32_t slot)
{
    return (struct demux_ref){(enum demux_kind)(slot >> (INDEX_BITS + TAG_BITS)),
                              slot & ((1u << INDEX_BITS) - 1)};
}

static const struct tcp_tuple *tuple_of(const struct duet_stack *s, struct demux_ref ref)
{
    switch (ref.kind) {
    case DEMUX_CONN:
        return &conn_at(s, ref.index)->tuple;
    case DEMUX_HALF_OPEN:
        return &s->half_open.records[ref.index].tuple;
    case DEMUX_TIME_WAIT:
        return &s->time_wait.records[ref.index].tuple;
    case DEMUX_NONE:
        break;
    }
    unreachable("an empty slot has no tuple");
}

static uint32_t next_slot(const struct demux *demux, uint32_t slot)
{
    return slot + 1 == demux->capacity ? 0 : slot + 1;
}

/* The slot that holds this tuple, or the empty one where it would go. */
static uint32_t slot_for(const struct duet_stack *s, const struct tcp_tuple *tuple, uint64_t hash)
{
    const struct demux *demux = &s->demux;
    uint32_t tag = slot_value(DEMUX_NONE, hash, 0);
    uint32_t slot = home_of(demux, hash);
    while (demux->slots[slot] != 0) {
        uint32_t value = demux->slots[slot];
        bool same_tag = (value & slot_value(DEMUX_NONE, ~UINT64_C(0), 0)) == tag;
        if (same_tag && memcmp(tuple_of(s, ref_of(value)), tuple, sizeof *tuple) == 0)
            break;
        slot = next_slot(demux, slot);
    }
    return slot;
}

struct demux_ref demux_find(const struct duet_stack *s, const struct tcp_tuple *tuple)
{
    return ref_of(s->demux.slots[slot_for(s, tuple, demux_hash(s, tuple))]);
}

void demux_add(struct duet_stack *s, const struct tcp_tuple *tuple, enum demux_kind kind,
               uint32_t index)
{
    uint64_t hash = demux_hash(s, tuple);
    uint32_t slot = slot_for(s, tuple, hash);
    CHECK(s->demux.slots[slot] == 0);
    CHECK(index < 1u << INDEX_BITS);
    s->demux.slots[slot] = slot_value(kind, hash, index);
    s->demux.used++;
    CHECK(s->demux.used < s->demux.capacity);
}

void demux_replace(struct duet_stack *s, const struct tcp_tuple *tuple, enum demux_kind kind,
                   uint32_t index)
{
    uint64_t hash = demux_hash(s, tuple);
    uint32_t slot = slot_for(s, tuple, hash);
    CHECK(s->demux.slots[slot] != 0);
    s->demux.slots[slot] = slot_value(kind, hash, index);
}

void demux_remove(struct duet_stack *s, const struct tcp_tuple *tuple)
{
    struct demux *demux = &s->demux;
    uint32_t hole = slot_for(s, tuple, demux_hash(s, tuple));
    CHECK(demux->slots[hole] != 0);
    /* Shift back each follower that probing would no longer find across the hole. */
    for (uint32_t slot = next_slot(demux, hole); demux->slots[slot] != 0;
         slot = next_slot(demux, slot)) {
        uint32_t home = home_of(demux, demux_hash(s, tuple_of(s, ref_of(demux->slots[slot]))));
        bool stays = hole <= slot ? (home > hole && home <= slot) : (home > hole || home <= slot);
        if (stays)
            continue;
        demux->slots[hole] = demux->slots[slot];
        hole = slot;
    }
    demux->slots[hole] = 0;
    demux->used--;
}

static bool matches(const struct duet_socket_address *bound, const struct duet_address *address,
                    uint16_t port)
{
    return (bound->port == 0 || bound->port == port) &&
           (duet_address_is_any(&bound->address) || address_equal(&bound->address, address));
}

/* How much a listener says about the pair: the most specific one is chosen. */
static unsigned specificity(const struct tcp_listener *listener)
{
    return (duet_address_is_any(&listener->remote.address) ? 0u : 4u) +
           (listener->remote.port == 0 ? 0u : 2u) +
           (duet_address_is_any(&listener->local.address) ? 0u : 1u);
}

struct tcp_listener *demux_listener(const struct duet_stack *s, const struct tcp_tuple *tuple)
{
    struct tcp_listener *best = NULL;
    uint32_t bucket = tuple->local_port % LISTENER_BUCKETS;
    for (uint32_t i = s->listener_buckets[bucket]; i != LIST_NONE;
         i = s->listeners[i].next_in_bucket) {
        struct tcp_listener *listener = &s->listeners[i];
        if (!matches(&listener->local, &tuple->local, tuple->local_port) ||
            !matches(&listener->remote, &tuple->remote, tuple->remote_port))
            continue;
        if (best == NULL || specificity(listener) > specificity(best))
            best = listener;
    }
    return best;
}
