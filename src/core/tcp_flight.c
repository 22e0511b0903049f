/* SPDX-License-Identifier: MIT */
/* What happens to segments in flight: sent, acknowledged, SACKed, lost, sent again; see tcp_flight.h.
 * Knows what was sent and what is known of it, not why anything is lost nor what follows from it. */
#include "core/tcp_flight_ring.h"

#include "base/bytes.h"

#include <string.h>

/* ---- sending ---- */

enum { AHEAD_MAX = 1000 }; /* microseconds: it takes as many acknowledgements in one of them */

static uint32_t now_us(const struct duet_stack *s)
{
    return (uint32_t)(s->now / DUET_MICROSECOND);
}

uint32_t flight_age_us(const struct duet_stack *s, uint32_t sent_us)
{
    uint32_t ahead = sent_us - now_us(s);
    return ahead <= AHEAD_MAX ? 0 : now_us(s) - sent_us;
}

/* What is noted as the time of a transmission up to end. */
static uint32_t stamp(const struct duet_stack *s, struct tcp_flight *f, struct seq end)
{
    uint32_t time = now_us(s);
    uint32_t ahead = f->latest_us - time;
    if (ahead < AHEAD_MAX)
        time = f->latest_us + seq_le(end, f->latest_end);
    f->latest_us = time;
    f->latest_end = end;
    return time;
}

void flight_append(struct duet_stack *s, struct tcp_conn *c, struct seq start, struct seq end)
{
    struct tcp_flight *f = flight_of(s, c);
    CHECK(seq_lt(start, end));
    if (f->count == 0)
        f->start = f->latest_end = start;
    CHECK(seq_eq(ring_start(s, f, f->count), start));
    if (f->ring.index != POOL_NONE)
        buffer_extend(&f->ring, FLIGHT_RECORD);
    uint32_t sent_us = stamp(s, f, end);
    f->count++;
    *ring_at(s, f, f->count - 1) = (struct flight_record){
        .end = end, .sent_us = sent_us, .next = FLIGHT_NONE, .prev = FLIGHT_NONE};
}

void flight_resent(struct duet_stack *s, struct tcp_conn *c, uint32_t number, struct seq sent)
{
    struct tcp_flight *f = flight_of(s, c);
    uint32_t place = ring_place(f, number);
    struct flight_record *r = ring_at(s, f, place);
    CHECK(!record_is(r, FLIGHT_SACKED));
    ring_leave_state(s, f, r, ring_bytes(s, f, place));
    record_unset(r, FLIGHT_LOST);
    record_set(r, FLIGHT_AGAIN);
    if (seq_lt(sent, r->end))
        record_set(r, FLIGHT_CUT);
    else
        record_unset(r, FLIGHT_CUT);
    r->sent_us = stamp(s, f, sent);
    ring_list_push_back(s, f, &f->again_list, place);
}

void flight_rescued(struct duet_stack *s, struct tcp_conn *c, uint32_t number)
{
    struct tcp_flight *f = flight_of(s, c);
    record_set(ring_at(s, f, ring_place(f, number)), FLIGHT_RESCUED);
}

/* ---- acknowledged ---- */

static void drop_oldest(struct duet_stack *s, struct tcp_flight *f)
{
    struct seq end = ring_at(s, f, 0)->end;
    if (f->ring.index != POOL_NONE) {
        buffer_drop(&s->buffers, &f->ring, FLIGHT_RECORD);
        buffer_settle(&s->buffers, &f->ring, false); /* empty: the next ones need no page */
    } else {
        memmove(&f->few[0], &f->few[1], (f->count - 1) * FLIGHT_RECORD);
    }
    if (f->fresh == f->first)
        f->fresh = ring_name(f, 1);
    f->start = end;
    f->first = ring_name(f, 1);
    f->count--;
}

/* The oldest record is acknowledged up to ack. What was not sent again with its beginning is still
 * missing. */
static void shorten_oldest(const struct duet_stack *s, struct tcp_flight *f, struct seq ack)
{
    struct flight_record *r = ring_at(s, f, 0);
    uint32_t gone = seq_distance(f->start, ack);
    uint32_t left = seq_distance(ack, r->end);
    if (record_is(r, FLIGHT_SACKED)) {
        f->ahead.bytes -= f->fresh == f->first ? gone : 0;
        f->sacked -= gone;
    } else if (record_is(r, FLIGHT_LOST)) {
        f->lost -= gone;
    } else if (record_is(r, FLIGHT_CUT)) {
        ring_leave_state(s, f, r, gone);
        ring_enter_lost(s, f, 0, left);
    }
    record_unset(r, FLIGHT_CUT);
    f->start = ack;
}

bool flight_acked(struct duet_stack *s, struct tcp_conn *c, struct seq ack,
                  struct flight_segment *segment)
{
    struct tcp_flight *f = flight_of(s, c);
    if (!ring_describe(s, f, 0, segment) || !seq_lt(segment->start, ack))
        return false;
    if (seq_lt(ack, segment->end)) {
        shorten_oldest(s, f, ack);
        return false;
    }
    uint32_t bytes = seq_distance(segment->start, segment->end);
    if (ring_is_sacked_ahead(s, f, 0)) {
        f->ahead.bytes -= bytes;
        f->ahead.runs -= !ring_is_sacked_ahead(s, f, 1);
    }
    ring_leave_state(s, f, ring_at(s, f, 0), bytes);
    drop_oldest(s, f);
    return true;
}
/* ---- SACK ---- */

/* The place behind the run of sacked records that begins at place. */
static uint32_t run_end(const struct duet_stack *s, struct tcp_flight *f, uint32_t place)
{
    uint32_t end = place;
    while (end < f->count && record_is(ring_at(s, f, end), FLIGHT_SACKED))
        end = ring_place(f, ring_at(s, f, end)->next);
    while (place < end) {
        struct flight_record *r = ring_at(s, f, place);
        place = ring_place(f, r->next);
        r->next = ring_name(f, end) & FLIGHT_NONE;
    }
    return end;
}

/* The place of the first record that begins at or behind seq. */
static uint32_t first_from(const struct duet_stack *s, struct tcp_flight *f, struct seq seq)
{
    uint32_t low = 0;
    uint32_t high = f->count;
    if (seq_le(seq, f->start))
        return 0;
    while (low < high) { /* the first whose end is at or behind seq; the one after it is meant */
        uint32_t middle = low + (high - low) / 2;
        if (seq_lt(ring_at(s, f, middle)->end, seq))
            low = middle + 1;
        else
            high = middle;
    }
    return low + 1;
}

bool flight_sack(struct duet_stack *s, struct tcp_conn *c, struct seq *from, struct seq right,
                 struct flight_segment *segment)
{
    struct tcp_flight *f = flight_of(s, c);
    uint32_t place = first_from(s, f, *from);
    if (place < f->count)
        place = run_end(s, f, place);
    if (!ring_describe(s, f, place, segment) || seq_lt(right, segment->end))
        return false;
    struct flight_record *r = ring_at(s, f, place);
    uint32_t bytes = seq_distance(segment->start, segment->end);
    ring_leave_state(s, f, r, bytes);
    record_unset(r, FLIGHT_LOST);
    record_set(r, FLIGHT_SACKED);
    f->sacked += bytes;
    f->sacked_count++;
    if (ring_is_sacked_ahead(s, f, place)) {
        bool joins_older = place > 0 && ring_is_sacked_ahead(s, f, place - 1);
        bool joins_newer = ring_is_sacked_ahead(s, f, place + 1);
        f->ahead.bytes += bytes;
        f->ahead.runs = f->ahead.runs + 1 - joins_older - joins_newer;
    }
    r->next = ring_name(f, place + 1) & FLIGHT_NONE;
    *from = segment->end;
    return true;
}
/* ---- lost ---- */

void flight_mark_lost(struct duet_stack *s, struct tcp_conn *c, uint32_t number)
{
    struct tcp_flight *f = flight_of(s, c);
    uint32_t place = ring_place(f, number);
    struct flight_record *r = ring_at(s, f, place);
    if (record_is(r, FLIGHT_LOST) || record_is(r, FLIGHT_SACKED))
        return;
    uint32_t bytes = ring_bytes(s, f, place);
    ring_leave_state(s, f, r, bytes);
    ring_enter_lost(s, f, place, bytes);
}

void flight_all_lost(struct duet_stack *s, struct tcp_conn *c, bool forget)
{
    struct tcp_flight *f = flight_of(s, c);
    ring_forget_lists(f);
    if (forget) {
        f->sacked = 0;
        f->sacked_count = 0;
        f->ahead.bytes = 0;
        f->ahead.runs = 0;
    }
    for (uint32_t place = 0; place < f->count; place++) {
        struct flight_record *r = ring_at(s, f, place);
        if (record_is(r, FLIGHT_SACKED) && !forget)
            continue;
        record_unset(r, FLIGHT_SACKED);
        ring_enter_lost(s, f, place, ring_bytes(s, f, place));
    }
}

void flight_none_lost(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_flight *f = flight_of(s, c);
    while (f->lost_list.first != FLIGHT_NONE) {
        uint32_t place = ring_place(f, f->lost_list.first);
        struct flight_record *r = ring_at(s, f, place);
        ring_leave_state(s, f, r, ring_bytes(s, f, place));
        record_unset(r, FLIGHT_LOST);
        if (record_is(r, FLIGHT_AGAIN))
            ring_list_push_front(s, f, &f->again_list, place);
    }
    f->fresh = f->first;
    ring_count_ahead(s, f);
}

bool flight_first_lost(const struct duet_stack *s, const struct tcp_conn *c,
                       struct flight_segment *segment)
{
    struct tcp_flight *f = flight_of(s, c);
    return f->lost_list.first != FLIGHT_NONE && flight_get(s, c, f->lost_list.first, segment);
}

/* The first place from place on that is behind the run of SACKed records there. What `fresh` passes is
 * not ahead any more. */
static uint32_t pass_run(const struct duet_stack *s, struct tcp_flight *f, uint32_t place)
{
    uint32_t end = run_end(s, f, place);
    f->ahead.bytes -= seq_distance(ring_start(s, f, place), ring_start(s, f, end));
    f->ahead.runs--;
    return end;
}

bool flight_oldest_sent(struct duet_stack *s, struct tcp_conn *c, bool again,
                        struct flight_segment *segment)
{
    struct tcp_flight *f = flight_of(s, c);
    if (again)
        return f->again_list.first != FLIGHT_NONE && flight_get(s, c, f->again_list.first, segment);
    uint32_t place = ring_place(f, f->fresh);
    while (place < f->count) {
        const struct flight_record *r = ring_at(s, f, place);
        if (record_is(r, FLIGHT_SACKED))
            place = pass_run(s, f, place);
        else if (record_is(r, FLIGHT_LOST) || record_is(r, FLIGHT_AGAIN))
            place++;
        else
            break;
    }
    f->fresh = ring_name(f, place);
    return ring_describe(s, f, place, segment);
}

/* What lies above a SACKed newest one and is missing was found lost, or filled a hole: it was sent
 * again, and last. */
bool flight_highest(const struct duet_stack *s, const struct tcp_conn *c,
                    struct flight_segment *segment)
{
    const struct tcp_flight *f = flight_of(s, c);
    if (!flight_newest(s, c, segment))
        return false;
    if ((segment->flags & FLIGHT_SACKED) == 0)
        return true;
    return f->again_list.last != FLIGHT_NONE && flight_get(s, c, f->again_list.last, segment);
}

uint32_t flight_sacked_behind(const struct duet_stack *s, const struct tcp_conn *c, uint32_t *runs)
{
    const struct tcp_flight *f = flight_of(s, c);
    *runs = f->ahead.runs;
    return f->ahead.bytes;
}

bool flight_next_sent(struct duet_stack *s, struct tcp_conn *c, struct flight_segment *segment)
{
    struct tcp_flight *f = flight_of(s, c);
    uint32_t place = ring_place(f, segment->number);
    if ((segment->flags & FLIGHT_AGAIN) != 0)
        return ring_describe(s, f, ring_place(f, ring_at(s, f, place)->next), segment);
    do
        place = run_end(s, f, place + 1);
    while (place < f->count && (ring_at(s, f, place)->flags & (FLIGHT_LOST | FLIGHT_AGAIN)) != 0);
    return ring_describe(s, f, place, segment);
}
