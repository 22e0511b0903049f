/* SPDX-License-Identifier: MIT */
/* What must hold of the scoreboard, for duet_check(): lists, counts and flags of records say the same. */
#include "core/tcp_flight_ring.h"

static uint32_t list_length(const struct duet_stack *s, struct tcp_flight *f,
                            const struct flight_list *list)
{
    uint32_t n = 0;
    for (uint32_t name = list->first; name != FLIGHT_NONE && n <= f->count; n++) {
        if (ring_place(f, name) >= f->count)
            return UINT32_MAX;
        name = ring_at(s, f, ring_place(f, name))->next;
    }
    return n;
}

const char *flight_check(const struct duet_stack *s, const struct tcp_conn *c)
{
    struct tcp_flight *f = flight_of(s, c);
    struct seq start = f->start;
    uint32_t sacked = 0;
    uint32_t lost = 0;
    uint32_t sacked_count = 0;
    uint32_t lost_count = 0;
    uint32_t again_count = 0;
    uint32_t ahead = 0;
    uint32_t runs = 0;
    for (uint32_t place = 0; place < f->count; place++) {
        const struct flight_record *r = ring_at(s, f, place);
        uint32_t bytes = seq_distance(start, r->end);
        if (!seq_lt(start, r->end))
            return "I-08: an empty record in flight, or out of order";
        if (record_is(r, FLIGHT_SACKED) && record_is(r, FLIGHT_LOST))
            return "I-05: a record is sacked and lost";
        sacked += record_is(r, FLIGHT_SACKED) ? bytes : 0;
        lost += record_is(r, FLIGHT_LOST) ? bytes : 0;
        sacked_count += record_is(r, FLIGHT_SACKED);
        lost_count += record_is(r, FLIGHT_LOST);
        again_count += record_is(r, FLIGHT_AGAIN) && !record_is(r, FLIGHT_LOST) &&
                       !record_is(r, FLIGHT_SACKED);
        runs += ring_is_sacked_ahead(s, f, place) && !ring_is_sacked_ahead(s, f, place - 1);
        ahead += ring_is_sacked_ahead(s, f, place) ? bytes : 0;
        start = r->end;
    }
    if (f->count > 0 && (!seq_eq(start, c->snd.nxt) || !seq_eq(f->start, tcp_send_start(c))))
        return "I-08: the records do not reach from SND.UNA to SND.NXT";
    if (f->count == 0 && seq_lt(tcp_send_start(c), c->snd.nxt))
        return "I-08: something is in flight without a record";
    if (sacked != f->sacked || sacked_count != f->sacked_count || lost != f->lost)
        return "I-05: sacked or lost bytes are miscounted";
    if (ahead != f->ahead.bytes || runs != f->ahead.runs)
        return "I-05: what is sacked behind the oldest in flight is miscounted";
    if (list_length(s, f, &f->lost_list) != lost_count ||
        list_length(s, f, &f->again_list) != again_count)
        return "I-05: a list of segments in flight has lost one, or gained one";
    return NULL;
}
