/* SPDX-License-Identifier: MIT */
/* The ring of records of what is in flight (tcp_flight_ring.h): where they lie, how they are found,
 * and the two lists through them. Knows nothing of why a record changes. */
#include "core/tcp_flight_ring.h"

#include "base/bytes.h"

#include <string.h>

void flight_init(struct tcp_flight *flight)
{
    ring_forget_lists(flight);
    buffer_init(&flight->ring);
}

void flight_clear(struct duet_stack *s, struct tcp_flight *flight)
{
    buffer_clear(&s->buffers, &flight->ring);
}

/* ---- finding a record ---- */

bool ring_describe(const struct duet_stack *s, struct tcp_flight *f, uint32_t place,
                   struct flight_segment *segment)
{
    if (place >= f->count)
        return false;
    const struct flight_record *r = ring_at(s, f, place);
    *segment = (struct flight_segment){
        .number = ring_name(f, place),
        .start = ring_start(s, f, place),
        .end = r->end,
        .sent_us = r->sent_us,
        .flags = (uint8_t)r->flags,
    };
    return true;
}

bool flight_get(const struct duet_stack *s, const struct tcp_conn *c, uint32_t number,
                struct flight_segment *segment)
{
    struct tcp_flight *f = flight_of(s, c);
    return ring_describe(s, f, ring_place(f, number), segment);
}

bool flight_after(const struct duet_stack *s, const struct tcp_conn *c, uint32_t number,
                  struct flight_segment *segment)
{
    struct tcp_flight *f = flight_of(s, c);
    return ring_describe(s, f, ring_place(f, number) + 1, segment);
}

bool flight_oldest(const struct duet_stack *s, const struct tcp_conn *c,
                   struct flight_segment *segment)
{
    return ring_describe(s, flight_of(s, c), 0, segment);
}

bool flight_newest(const struct duet_stack *s, const struct tcp_conn *c,
                   struct flight_segment *segment)
{
    struct tcp_flight *f = flight_of(s, c);
    return ring_describe(s, f, f->count - 1, segment); /* of none it is a place far behind */
}

uint32_t flight_in_network(const struct duet_stack *s, const struct tcp_conn *c)
{
    struct tcp_flight *f = flight_of(s, c);
    uint32_t all = f->count == 0 ? 0 : seq_distance(f->start, ring_at(s, f, f->count - 1)->end);
    return all - f->sacked - f->lost;
}

/* ---- lists ---- */

void ring_list_push_back(const struct duet_stack *s, struct tcp_flight *f, struct flight_list *list,
                         uint32_t place)
{
    struct flight_record *r = ring_at(s, f, place);
    r->next = FLIGHT_NONE;
    r->prev = list->last & FLIGHT_NONE;
    if (list->last == FLIGHT_NONE)
        list->first = ring_name(f, place);
    else
        ring_at(s, f, ring_place(f, list->last))->next = ring_name(f, place) & FLIGHT_NONE;
    list->last = ring_name(f, place);
}

void ring_list_push_front(const struct duet_stack *s, struct tcp_flight *f,
                          struct flight_list *list, uint32_t place)
{
    struct flight_record *r = ring_at(s, f, place);
    if (list->first == FLIGHT_NONE) {
        ring_list_push_back(s, f, list, place);
        return;
    }
    r->prev = FLIGHT_NONE;
    r->next = list->first & FLIGHT_NONE;
    ring_at(s, f, ring_place(f, list->first))->prev = ring_name(f, place) & FLIGHT_NONE;
    list->first = ring_name(f, place);
}

static void list_take(const struct duet_stack *s, struct tcp_flight *f, struct flight_list *list,
                      const struct flight_record *r)
{
    if (r->prev == FLIGHT_NONE)
        list->first = r->next;
    else
        ring_at(s, f, ring_place(f, r->prev))->next = r->next;
    if (r->next == FLIGHT_NONE)
        list->last = r->prev;
    else
        ring_at(s, f, ring_place(f, r->next))->prev = r->prev;
}

void ring_leave_state(const struct duet_stack *s, struct tcp_flight *f, struct flight_record *r,
                      uint32_t bytes)
{
    CHECK(!record_is(r, FLIGHT_SACKED));
    if (record_is(r, FLIGHT_LOST)) {
        f->lost -= bytes;
        list_take(s, f, &f->lost_list, r);
    } else if (record_is(r, FLIGHT_AGAIN)) {
        list_take(s, f, &f->again_list, r);
    }
}

void ring_enter_lost(const struct duet_stack *s, struct tcp_flight *f, uint32_t place,
                     uint32_t bytes)
{
    record_set(ring_at(s, f, place), FLIGHT_LOST);
    f->lost += bytes;
    if (f->lost_list.first != FLIGHT_NONE && place < ring_place(f, f->lost_list.first))
        ring_list_push_front(s, f, &f->lost_list, place);
    else
        ring_list_push_back(s, f, &f->lost_list, place);
}

void ring_count_ahead(const struct duet_stack *s, struct tcp_flight *f)
{
    bool in_run = false;
    f->ahead.bytes = 0;
    f->ahead.runs = 0;
    for (uint32_t place = ring_place(f, f->fresh); place < f->count; place++) {
        bool sacked = record_is(ring_at(s, f, place), FLIGHT_SACKED);
        f->ahead.bytes += sacked ? ring_bytes(s, f, place) : 0;
        f->ahead.runs += sacked && !in_run;
        in_run = sacked;
    }
}

void ring_forget_lists(struct tcp_flight *f)
{
    f->lost = 0;
    f->lost_list = (struct flight_list){FLIGHT_NONE, FLIGHT_NONE};
    f->again_list = (struct flight_list){FLIGHT_NONE, FLIGHT_NONE};
}

/* ---- room ---- */

/* The records move from the transfer into a ring of their own. */
static bool move_to_ring(struct duet_stack *s, struct tcp_flight *f)
{
    uint32_t size = f->count * FLIGHT_RECORD;
    if (buffer_make_room(&s->buffers, &f->ring, BUFFER_IN_FLIGHT, 0, size) < size) {
        buffer_clear(&s->buffers, &f->ring);
        return false;
    }
    for (uint32_t i = 0; i < f->count; i++)
        memcpy(buffer_at(&s->buffers, &f->ring, i * FLIGHT_RECORD), &f->few[i], FLIGHT_RECORD);
    buffer_extend(&f->ring, size);
    return true;
}

uint32_t flight_reserve(struct duet_stack *s, struct tcp_conn *c, uint32_t wanted)
{
    struct tcp_flight *f = flight_of(s, c);
    if (f->ring.index == POOL_NONE && f->count + wanted <= FLIGHT_INLINE)
        return wanted;
    if (f->ring.index == POOL_NONE && !move_to_ring(s, f))
        return FLIGHT_INLINE - f->count;
    wanted = min_u32(wanted, FLIGHT_MAX - f->count);
    uint32_t room = buffer_make_room(&s->buffers, &f->ring, BUFFER_IN_FLIGHT, f->ring.length,
                                     wanted * FLIGHT_RECORD) /
                    FLIGHT_RECORD;
    if (room > 0 || f->count > 0)
        return room;
    buffer_clear(&s->buffers, &f->ring); /* nothing is in flight: the few in the transfer will do */
    return min_u32(wanted, FLIGHT_INLINE);
}
