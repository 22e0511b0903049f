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
    return (uint32_t)s->now_us;
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

static void begin_append(const struct duet_stack *s, struct tcp_flight *f, struct seq start)
{
    if (f->count == 0)
        f->start = f->latest_end = start;
    else
        CHECK(seq_eq(ring_start(s, f, f->count), start));
}

static struct flight_record sent_once(struct seq end, uint32_t sent_us)
{
    return (struct flight_record){
        .end = end, .sent_us = sent_us, .next = FLIGHT_NONE, .prev = FLIGHT_NONE};
}

void flight_append(struct duet_stack *s, struct tcp_conn *c, struct seq start, struct seq end)
{
    struct tcp_flight *f = flight_of(s, c);
    CHECK(seq_lt(start, end));
    begin_append(s, f, start);
    const struct flight_record record = sent_once(end, stamp(s, f, end));
    if (flight_has_place(f)) {
        f->few[f->count++] = record;
        return;
    }
    buffer_extend(&f->ring, FLIGHT_RECORD);
    f->count++;
    *ring_at(s, f, f->count - 1) = record;
}

/* Makes room for records that lie behind one another, at most count; how many. */
static uint32_t extend(const struct duet_stack *s, struct tcp_flight *f, uint32_t count)
{
    if (flight_has_place(f)) {
        f->count++;
        return 1;
    }
    uint32_t passed = (f->ring.start + f->ring.length) & (s->config.page_size - 1);
    uint32_t run = min_u32(count, (s->config.page_size - passed) / FLIGHT_RECORD);
    buffer_extend(&f->ring, run * FLIGHT_RECORD);
    f->count += run;
    return run;
}

void flight_append_full(struct duet_stack *s, struct tcp_conn *c, struct seq start, uint32_t size,
                        uint32_t count)
{
    struct tcp_flight *f = flight_of(s, c);
    CHECK(size > 0);
    begin_append(s, f, start);
    uint32_t sent_us = stamp(s, f, seq_add(start, size * count));
    for (uint32_t done = 0; done < count;) {
        uint32_t run = extend(s, f, count - done);
        struct flight_record *r = ring_at(s, f, f->count - run);
        for (uint32_t i = 0; i < run; i++)
            r[i] = sent_once(seq_add(start, size * ++done), sent_us);
    }
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

/* ---- what one packet may ask ---- */

void flight_allow(const struct duet_stack *s, const struct tcp_conn *c)
{
    flight_of(s, c)->allowance = FLIGHT_ALLOWANCE;
}

bool flight_is_spent(const struct duet_stack *s, const struct tcp_conn *c)
{
    return flight_of(s, c)->allowance == 0;
}

static bool spend(struct tcp_flight *f)
{
    if (f->allowance == 0)
        return false;
    f->allowance--;
    return true;
}

/* ---- acknowledged ---- */

static void drop_oldest(struct duet_stack *s, struct tcp_flight *f, uint32_t count)
{
    struct seq end = ring_at(s, f, count - 1)->end;
    if (f->ring.index != POOL_NONE) {
        buffer_drop(&s->buffers, &f->ring, count * FLIGHT_RECORD);
        buffer_settle(&s->buffers, &f->ring, false); /* empty: the next ones need no page */
    } else {
        memmove(&f->few[0], &f->few[count], (f->count - count) * FLIGHT_RECORD);
    }
    if (ring_place(f, f->fresh) < count)
        f->fresh = ring_name(f, count);
    f->start = end;
    f->first = ring_name(f, count);
    f->count -= count;
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

/* The place behind the run of sacked records that begins at place; or, where the allowance does not
 * last, a place in it. */
static uint32_t run_end(const struct duet_stack *s, struct tcp_flight *f, uint32_t place)
{
    uint32_t end = place;
    while (end < f->count && record_is(ring_at(s, f, end), FLIGHT_SACKED) && spend(f))
        end = ring_place(f, ring_at(s, f, end)->next);
    while (place < end) {
        struct flight_record *r = ring_at(s, f, place);
        place = ring_place(f, r->next);
        r->next = ring_name(f, end) & FLIGHT_NONE;
    }
    return end;
}

/* The place of the first record that ends behind ack. */
static uint32_t first_unacked(const struct duet_stack *s, struct tcp_flight *f, struct seq ack)
{
    uint32_t low = 0;
    uint32_t high = f->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (seq_le(ring_at(s, f, middle)->end, ack))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Nothing has happened to any record but that it was sent. */
static bool is_plain(const struct tcp_flight *f)
{
    return f->sacked_count == 0 && f->lost_list.first == FLIGHT_NONE &&
           f->again_list.first == FLIGHT_NONE;
}

struct seq flight_reach(const struct duet_stack *s, const struct tcp_conn *c, struct seq ack)
{
    struct tcp_flight *f = flight_of(s, c);
    uint32_t most = (uint32_t)FLIGHT_PAGES << s->buffers.page_log;
    bool is_far = f->count > 0 && seq_distance(f->start, ack) > most;
    if (!is_far && f->count <= FLIGHT_ALLOWANCE)
        return ack;
    uint32_t end = first_unacked(s, f, is_far ? seq_add(f->start, most) : ack);
    uint32_t place = is_plain(f) ? end : 0;
    flight_allow(s, c);
    while (place < end && spend(f))
        place = record_is(ring_at(s, f, place), FLIGHT_SACKED) ? run_end(s, f, place) : place + 1;
    bool is_whole = place >= end && !is_far;
    return is_whole || end == 0 ? ack : ring_start(s, f, min_u32(place, end));
}

/* The oldest count records are SACKed, and the last of them ends at end: they are forgotten at once.
 */
static void drop_sacked(struct duet_stack *s, struct tcp_flight *f, uint32_t count, struct seq end)
{
    uint32_t fresh = ring_place(f, f->fresh);
    if (fresh < count) {
        f->ahead.bytes -= seq_distance(ring_start(s, f, fresh), end);
        f->ahead.runs -= !ring_is_sacked_ahead(s, f, count);
    }
    f->sacked -= seq_distance(f->start, end);
    f->sacked_count -= count;
    drop_oldest(s, f, count);
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
    enum { MANY = 4 }; /* from here on a search is cheaper than one after the other */
    if (f->count >= MANY && is_plain(f) && seq_le(ring_at(s, f, MANY - 1)->end, ack)) {
        struct seq start = segment->start;
        uint32_t count = first_unacked(s, f, ack);
        ring_describe(s, f, count - 1, segment);
        segment->start = start;
        drop_oldest(s, f, count);
        return true;
    }
    if ((segment->flags & FLIGHT_SACKED) != 0) {
        uint32_t count = max_u32(1, min_u32(run_end(s, f, 0), first_unacked(s, f, ack)));
        segment->end = ring_at(s, f, count - 1)->end;
        drop_sacked(s, f, count, segment->end);
        return true;
    }
    ring_leave_state(s, f, ring_at(s, f, 0), seq_distance(segment->start, segment->end));
    drop_oldest(s, f, 1);
    return true;
}

/* ---- SACK ---- */

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
    bool is_first = segment->number == FLIGHT_NONE;
    uint32_t place = is_first ? first_from(s, f, *from) : ring_place(f, segment->number) + 1;
    if (place < f->count)
        place = run_end(s, f, place);
    if (!ring_describe(s, f, place, segment) || seq_lt(right, segment->end) || !spend(f))
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
    return flight_get(s, c, f->lost_list.first, segment);
}

/* The first place from place on that is behind the run of SACKed records there. What `fresh` passes is
 * not ahead any more. */
static uint32_t pass_run(const struct duet_stack *s, struct tcp_flight *f, uint32_t place)
{
    uint32_t end = run_end(s, f, place);
    bool is_whole = end == f->count || !record_is(ring_at(s, f, end), FLIGHT_SACKED);
    f->ahead.bytes -= seq_distance(ring_start(s, f, place), ring_start(s, f, end));
    f->ahead.runs -= is_whole;
    return end;
}

bool flight_oldest_sent(struct duet_stack *s, struct tcp_conn *c, bool again,
                        struct flight_segment *segment)
{
    struct tcp_flight *f = flight_of(s, c);
    if (again)
        return flight_get(s, c, f->again_list.first, segment) && spend(f);
    uint32_t place = ring_place(f, f->fresh);
    bool allowed = true;
    while (place < f->count && (allowed = spend(f))) {
        const struct flight_record *r = ring_at(s, f, place);
        if (record_is(r, FLIGHT_SACKED))
            place = pass_run(s, f, place);
        else if (record_is(r, FLIGHT_LOST) || record_is(r, FLIGHT_AGAIN))
            place++;
        else
            break;
    }
    f->fresh = ring_name(f, place);
    return allowed && ring_describe(s, f, place, segment);
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
    return flight_get(s, c, f->again_list.last, segment);
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
    const uint32_t passed = FLIGHT_SACKED | FLIGHT_LOST | FLIGHT_AGAIN;
    if (!spend(f))
        return false;
    if ((segment->flags & FLIGHT_AGAIN) != 0)
        return ring_describe(s, f, ring_place(f, ring_at(s, f, place)->next), segment);
    do
        place = run_end(s, f, place + 1);
    while (place < f->count && (ring_at(s, f, place)->flags & passed) != 0 && spend(f));
    return !flight_is_spent(s, c) && ring_describe(s, f, place, segment);
}
