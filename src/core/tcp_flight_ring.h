/* SPDX-License-Identifier: MIT */
/* How the records of tcp_flight.h are kept: for the files of the scoreboard alone.
 *
 *   place   how many records are older; changes with each one that is acknowledged
 *   name    a number that a record keeps for its life; lists link names
 *
 * A record that is lost, or in flight again, stands on a list; a sacked one uses the same link for a
 * place behind its run. What a record's flags say, its list and the counts of bytes change together.
 */
#ifndef CORE_TCP_FLIGHT_RING_H
#define CORE_TCP_FLIGHT_RING_H

#include "base/check.h"
#include "core/state.h"

enum { FLIGHT_NAMES = 1 << 23, FLIGHT_RECORD = sizeof(struct flight_record) };

_Static_assert(sizeof(struct flight_record) == 16, "a page holds a whole number of records");
_Static_assert(FLIGHT_NONE >= FLIGHT_NAMES, "no record has the name of none");

static inline struct tcp_flight *flight_of(const struct duet_stack *s, const struct tcp_conn *c)
{
    return &transfer_at(s, c)->flight;
}

/* ---- names and places ---- */

static inline uint32_t ring_name(const struct tcp_flight *f, uint32_t place)
{
    return (f->first + place) % FLIGHT_NAMES;
}

/* At least count if there is no such record (any more). */
static inline uint32_t ring_place(const struct tcp_flight *f, uint32_t name)
{
    return name == FLIGHT_NONE ? UINT32_MAX : (name + FLIGHT_NAMES - f->first) % FLIGHT_NAMES;
}

static inline struct flight_record *ring_at(const struct duet_stack *s, struct tcp_flight *f,
                                            uint32_t place)
{
    CHECK(place < f->count);
    if (f->ring.index == POOL_NONE)
        return &f->few[place];
    return buffer_at(&s->buffers, &f->ring, place * FLIGHT_RECORD);
}

static inline struct seq ring_start(const struct duet_stack *s, struct tcp_flight *f,
                                    uint32_t place)
{
    return place == 0 ? f->start : ring_at(s, f, place - 1)->end;
}

static inline uint32_t ring_bytes(const struct duet_stack *s, struct tcp_flight *f, uint32_t place)
{
    return seq_distance(ring_start(s, f, place), ring_at(s, f, place)->end);
}

/* False: there is none. */
bool ring_describe(const struct duet_stack *s, struct tcp_flight *f, uint32_t place,
                   struct flight_segment *segment);

/* ---- the flags of a record ---- */

static inline bool record_is(const struct flight_record *r, enum flight_flag flag)
{
    return (r->flags & flag) != 0;
}

/* Is there such a record, not older than `fresh`, and SACKed? */
static inline bool ring_is_sacked_ahead(const struct duet_stack *s, struct tcp_flight *f,
                                        uint32_t place)
{
    return place < f->count && place >= ring_place(f, f->fresh) &&
           record_is(ring_at(s, f, place), FLIGHT_SACKED);
}

static inline void record_set(struct flight_record *r, enum flight_flag flag)
{
    r->flags = (r->flags | flag) & 0xff;
}

static inline void record_unset(struct flight_record *r, enum flight_flag flag)
{
    r->flags = (r->flags & ~(uint32_t)flag) & 0xff;
}

/* ---- lists and counts ---- */

void ring_list_push_back(const struct duet_stack *s, struct tcp_flight *f, struct flight_list *list,
                         uint32_t place);
void ring_list_push_front(const struct duet_stack *s, struct tcp_flight *f,
                          struct flight_list *list, uint32_t place);

/* A record that is not SACKed leaves the list that its flags have put it on, and its bytes their
 * count. The flags are then the caller's to change. */
void ring_leave_state(const struct duet_stack *s, struct tcp_flight *f, struct flight_record *r,
                      uint32_t bytes);
/* A record that was on no list is lost. */
void ring_enter_lost(const struct duet_stack *s, struct tcp_flight *f, uint32_t place,
                     uint32_t bytes);
/* Counts what is SACKed from f->fresh on; for all of it, record by record. */
void ring_count_ahead(const struct duet_stack *s, struct tcp_flight *f);
/* Nothing is on a list; the flags of the records are the caller's. */
void ring_forget_lists(struct tcp_flight *f);

#endif
