/* SPDX-License-Identifier: MIT */
/* Demultiplexing: from a pair of sockets to the record that stands for it (RFC 9293, 3.10.7).
 *
 * One open-addressed table for connections, half-open and TIME-WAIT records, so that a packet costs
 * one look-up. The hash is keyed, so that nobody outside can choose collisions.
 *
 * Theory of operation. A pair of sockets is at home in the slot that its hash names, or in one of those
 * behind it. Entries stand in the order of their homes ("Robin Hood hashing", P. Celis, 1986), so that
 * a search ends where an entry is met that is less far from home than the one that is looked for would
 * be. A new entry moves those behind it on by one slot, up to the next empty one; when one goes, those
 * behind it move back, up to one that is at home. There are no tombstones. A slot is 4 bytes:
 *
 *     31   30 29         24 23                      0
 *     kind    home mod 64   more of the hash, index      0: empty
 *
 * Sorted entries are so close to home that these 6 bits say how far: neither who enters nor who leaves
 * reads a record but its own. Should an entry ever be 64 slots from home (one table of ten million in
 * fifteen, when it is full), the hash is asked instead until the table is empty (far).
 *
 * The table is never more than six sevenths full, and that only when every record of each kind is in
 * use: then it takes 4 slots to find one, and 5 to know that there is none, which lie beside each other.
 */
#include "base/check.h"
#include "core/state.h"

#include <string.h>

enum { LOW_BITS = 24, HOME_BITS = 6, HOMES = 1 << HOME_BITS };

_Static_assert(sizeof(struct tcp_tuple) == 36, "hashed as bytes: no padding");

/* A multiple of HOMES: so many slots on, round the end or not, the 6 bits are the same. */
size_t demux_slots(const struct duet_config *config)
{
    size_t records =
        (size_t)config->connections_max + config->half_open_max + config->time_wait_max;
    return (records + records / 6 + 8 + HOMES - 1) / HOMES * HOMES;
}

/* No index is larger than the number of slots: what that leaves of 24 bits is for the hash. */
void demux_init(struct demux *demux, uint32_t *slots, uint32_t capacity)
{
    CHECK(capacity % HOMES == 0);
    memset(slots, 0, (size_t)capacity * sizeof *slots);
    *demux = (struct demux){.slots = slots, .capacity = capacity};
    while (demux->index_mask < capacity - 1 && demux->index_mask < (1u << LOW_BITS) - 1)
        demux->index_mask = demux->index_mask << 1 | 1;
}

/* A pair of IPv4 is told apart by 12 bytes: SipHash hashes the length, too, so no pair of IPv6 has the
 * same message. */
uint64_t demux_hash(const struct duet_stack *s, const struct tcp_tuple *tuple)
{
    enum { PART = 4, QUAD = 12 };
    uint8_t message[3 * PART];
    if (!address_is_ipv4(&tuple->remote))
        return siphash_1_3(&s->table_key, tuple, sizeof *tuple);
    memcpy(message, tuple->local.bytes + QUAD, PART);
    memcpy(message + PART, tuple->remote.bytes + QUAD, PART);
    memcpy(message + 2 * PART, &tuple->local_port, PART); /* and the remote one behind it */
    return siphash_1_3(&s->table_key, message, sizeof message);
}

/* The upper half of the hash chooses the slot, the lower one is told apart by. */
static uint32_t home_of(const struct demux *demux, uint64_t hash)
{
    return (uint32_t)(((hash >> 32) * demux->capacity) >> 32);
}

/* All of a slot but kind and index. */
static uint32_t tag_of(const struct demux *demux, uint32_t home, uint64_t hash)
{
    return (home % HOMES) << LOW_BITS |
           ((uint32_t)hash & ((1u << LOW_BITS) - 1) & ~demux->index_mask);
}

static uint32_t tag_mask(const struct demux *demux)
{
    return ((1u << (LOW_BITS + HOME_BITS)) - 1) & ~demux->index_mask;
}

static uint32_t slot_value(enum demux_kind kind, uint32_t tag, uint32_t index)
{
    return ((uint32_t)kind << (LOW_BITS + HOME_BITS)) | tag | index;
}

static struct demux_ref ref_of(const struct demux *demux, uint32_t slot)
{
    return (struct demux_ref){(enum demux_kind)(slot >> (LOW_BITS + HOME_BITS)),
                              slot & demux->index_mask};
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

/* How far an entry is from home. */
static uint32_t distance_of(const struct duet_stack *s, uint32_t slot)
{
    const struct demux *demux = &s->demux;
    uint32_t value = demux->slots[slot];
    if (!demux->far)
        return (slot - (value >> LOW_BITS)) % HOMES;
    uint32_t home = home_of(demux, demux_hash(s, tuple_of(s, ref_of(demux, value))));
    return slot >= home ? slot - home : slot + demux->capacity - home;
}

/* Where a pair of sockets stands, or would. */
static struct demux_place place_of(const struct duet_stack *s, const struct tcp_tuple *tuple,
                                   uint64_t hash)
{
    const struct demux *demux = &s->demux;
    struct demux_place place = {.slot = home_of(demux, hash)};
    place.tag = tag_of(demux, place.slot, hash);
    for (;; place.slot = next_slot(demux, place.slot), place.distance++) {
        uint32_t value = demux->slots[place.slot];
        if (value == 0)
            return place;
        if ((value & tag_mask(demux)) == place.tag) {
            struct demux_ref ref = ref_of(demux, value);
            if (ref.kind == DEMUX_CONN)
                conn_expect(conn_at(s, ref.index));
            place.is_there = tuple_eq(tuple_of(s, ref), tuple);
        }
        if (place.is_there || distance_of(s, place.slot) < place.distance)
            return place;
    }
}

/* ---- the latest one, and an expected one ----
 *
 * What is done with a packet asks for its pair several times: is it there, then it enters, is replaced, or
 * goes. So the hash of the latest one is kept, and its place until an entry goes, which moves others; one that
 * enters is the latest then. Of many entries no slot is in the cache: who knows early for which pair it will
 * ask says so, and does something else until the slot has come. */

static bool is_latest(const struct duet_stack *s, const struct tcp_tuple *tuple)
{
    return s->latest.is_set && tuple_eq(&s->latest.tuple, tuple);
}

static uint64_t hash_of(const struct duet_stack *s, const struct tcp_tuple *tuple)
{
    const struct pair_number *expected = &s->expected;
    bool is_it = FEATURE_FAST_PATH && expected->is_set && tuple_eq(&expected->tuple, tuple);
    return is_it ? expected->number : demux_hash(s, tuple);
}

static void ask_for(const struct demux *demux, uint64_t hash)
{
    __builtin_prefetch(&demux->slots[home_of(demux, hash)], 1);
}

static void become_latest(struct duet_stack *s, const struct tcp_tuple *tuple)
{
    if (!is_latest(s, tuple))
        s->latest =
            (struct demux_latest){.tuple = *tuple, .hash = hash_of(s, tuple), .is_set = true};
}

/* The place of a pair that becomes the latest. */
static struct demux_place *look_up(struct duet_stack *s, const struct tcp_tuple *tuple)
{
    struct demux_latest *latest = &s->latest;
    become_latest(s, tuple);
    if (!latest->is_placed)
        latest->place = place_of(s, tuple, latest->hash);
    latest->is_placed = true;
    return &latest->place;
}

/* The place of one that does not. */
static struct demux_place peek(const struct duet_stack *s, const struct tcp_tuple *tuple)
{
    if (!is_latest(s, tuple))
        return place_of(s, tuple, hash_of(s, tuple));
    return s->latest.is_placed ? s->latest.place : place_of(s, tuple, s->latest.hash);
}

/* ---- what is asked and done ---- */

static struct demux_ref ref_at(const struct demux *demux, const struct demux_place *place)
{
    return place->is_there ? ref_of(demux, demux->slots[place->slot])
                           : (struct demux_ref){DEMUX_NONE, 0};
}

/* The pair will be looked up in a moment. */
void demux_prepare(struct duet_stack *s, const struct tcp_tuple *tuple)
{
    if (!FEATURE_FAST_PATH)
        return;
    become_latest(s, tuple);
    ask_for(&s->demux, s->latest.hash);
}

/* The pair will be asked for some time from now; others may be in between. */
void demux_expect(struct duet_stack *s, const struct tcp_tuple *tuple)
{
    if (!FEATURE_FAST_PATH)
        return;
    s->expected =
        (struct pair_number){.number = demux_hash(s, tuple), .tuple = *tuple, .is_set = true};
    ask_for(&s->demux, s->expected.number);
}

struct demux_ref demux_find(const struct duet_stack *s, const struct tcp_tuple *tuple)
{
    const struct demux_place place = peek(s, tuple);
    return ref_at(&s->demux, &place);
}

struct demux_ref demux_find_first(struct duet_stack *s, const struct tcp_tuple *tuple)
{
    return ref_at(&s->demux, look_up(s, tuple));
}

void demux_add(struct duet_stack *s, const struct tcp_tuple *tuple, enum demux_kind kind,
               uint32_t index)
{
    struct demux *demux = &s->demux;
    struct demux_place *place = look_up(s, tuple);
    CHECK(!place->is_there);
    CHECK(index <= demux->index_mask);
    CHECK(demux->used + 1 < demux->capacity);
    uint32_t carried = demux->slots[place->slot];
    demux->slots[place->slot] = slot_value(kind, place->tag, index);
    demux->far |= place->distance >= HOMES;
    for (uint32_t slot = place->slot; carried != 0;) {
        slot = next_slot(demux, slot);
        uint32_t next = demux->slots[slot];
        demux->slots[slot] = carried;
        demux->far |= (slot - (carried >> LOW_BITS)) % HOMES == 0; /* it has come round: 64 slots */
        carried = next;
    }
    demux->used++;
    place->is_there = true;
}

void demux_replace(struct duet_stack *s, const struct tcp_tuple *tuple, enum demux_kind kind,
                   uint32_t index)
{
    const struct demux_place place = peek(s, tuple);
    CHECK(place.is_there);
    CHECK(index <= s->demux.index_mask);
    s->demux.slots[place.slot] = slot_value(kind, place.tag, index);
}

void demux_remove(struct duet_stack *s, const struct tcp_tuple *tuple)
{
    struct demux *demux = &s->demux;
    const struct demux_place place = peek(s, tuple);
    CHECK(place.is_there);
    uint32_t hole = place.slot;
    uint32_t slot = next_slot(demux, hole);
    while (demux->slots[slot] != 0 && distance_of(s, slot) > 0) {
        demux->slots[hole] = demux->slots[slot];
        hole = slot;
        slot = next_slot(demux, slot);
    }
    demux->slots[hole] = 0;
    demux->used--;
    s->latest.is_placed = false;
    demux->far = demux->far && demux->used > 0;
}

static bool matches(const struct duet_socket_address *bound, const struct duet_address *address,
                    uint16_t port)
{
    return (bound->port == 0 || bound->port == port) &&
           (address_is_any(&bound->address) || address_equal(&bound->address, address));
}

/* How much a listener says about the pair: the most specific one is chosen. */
static unsigned specificity(const struct tcp_listener *listener)
{
    return (address_is_any(&listener->remote.address) ? 0u : 4u) +
           (listener->remote.port == 0 ? 0u : 2u) +
           (address_is_any(&listener->local.address) ? 0u : 1u);
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
