/* SPDX-License-Identifier: MIT */
/* Segments have become smaller while larger ones are in flight: their records are cut, as if smaller
 * ones had been sent and lost. */
#include "core/tcp_flight_ring.h"

#include "base/bytes.h"

static uint32_t pieces(uint32_t bytes, uint32_t mss)
{
    return max_u32(1, (bytes + mss - 1) / mss);
}

/* Lost records side by side become one. */
static void merge_lost(const struct duet_stack *s, struct tcp_flight *f)
{
    uint32_t to = 0;
    for (uint32_t from = 0; from < f->count; from++) {
        struct flight_record r = *ring_at(s, f, from);
        struct flight_record *last = to > 0 ? ring_at(s, f, to - 1) : NULL;
        if (last != NULL && record_is(last, FLIGHT_LOST) && record_is(&r, FLIGHT_LOST))
            last->end = r.end;
        else
            *ring_at(s, f, to++) = r;
    }
    if (f->ring.index != POOL_NONE)
        buffer_shorten(&f->ring, (f->count - to) * FLIGHT_RECORD);
    f->count = to;
}

/* Moves the records apart, from the newest on, and writes each one as its pieces. */
static void spread(const struct duet_stack *s, struct tcp_flight *f, uint32_t mss,
                   uint32_t old_count)
{
    uint32_t to = f->count;
    for (uint32_t from = old_count; from > 0; from--) {
        struct flight_record whole = *ring_at(s, f, from - 1);
        struct seq start = ring_start(s, f, from - 1);
        uint32_t bytes = seq_distance(start, whole.end);
        uint32_t n = pieces(bytes, mss);
        record_unset(&whole, FLIGHT_CUT);
        for (uint32_t i = n; i > 0; i--) {
            struct flight_record *piece = ring_at(s, f, --to);
            *piece = whole;
            if (i < n)
                piece->end = seq_add(start, i * mss);
        }
    }
    CHECK(to == 0);
}

/* Lists and counts as the flags of the records have them. */
static void relist(const struct duet_stack *s, struct tcp_flight *f)
{
    f->sacked = 0;
    f->sacked_count = 0;
    ring_forget_lists(f);
    f->fresh = f->first;
    for (uint32_t place = 0; place < f->count; place++) {
        struct flight_record *r = ring_at(s, f, place);
        uint32_t bytes = ring_bytes(s, f, place);
        if (record_is(r, FLIGHT_SACKED)) {
            f->sacked += bytes;
            f->sacked_count++;
            r->next = ring_name(f, place + 1) & FLIGHT_NONE;
        } else if (record_is(r, FLIGHT_LOST)) {
            ring_enter_lost(s, f, place, bytes);
        } else if (record_is(r, FLIGHT_AGAIN)) {
            ring_list_push_back(s, f, &f->again_list, place);
        }
    }
    ring_count_ahead(s, f);
}

bool flight_cut(struct duet_stack *s, struct tcp_conn *c, uint32_t mss)
{
    struct tcp_flight *f = flight_of(s, c);
    for (uint32_t place = 0; place < f->count; place++)
        if (ring_bytes(s, f, place) > mss && !record_is(ring_at(s, f, place), FLIGHT_SACKED))
            record_set(ring_at(s, f, place), FLIGHT_LOST);
    merge_lost(s, f);
    uint32_t old_count = f->count;
    uint32_t count = 0;
    for (uint32_t place = 0; place < old_count; place++)
        count += pieces(ring_bytes(s, f, place), mss);
    bool has_room = flight_reserve(s, c, count - old_count) == count - old_count;
    if (has_room && f->ring.index != POOL_NONE)
        buffer_extend(&f->ring, (count - old_count) * FLIGHT_RECORD);
    if (has_room) {
        f->count = count;
        spread(s, f, mss, old_count);
    }
    relist(s, f);
    return has_room;
}
