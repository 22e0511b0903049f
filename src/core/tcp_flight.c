/* SPDX-License-Identifier: MIT */
/* The ring of segments in flight; see tcp_flight.h. Knows what was sent and what is known of it,
 * not why anything is lost nor what follows from it. */
#include "core/tcp_flight.h"

#include "base/bytes.h"
#include "base/check.h"
#include "core/state.h"

#include <string.h>

enum { NAMES = 1 << 23, RECORD = sizeof(struct flight_record) };

_Static_assert(sizeof(struct flight_record) == 16, "a page holds a whole number of records");
_Static_assert(FLIGHT_NONE >= NAMES, "no record has the name of none");

void flight_init(struct tcp_flight *flight)
{
    *flight = (struct tcp_flight){.lost_list = {FLIGHT_NONE, FLIGHT_NONE},
                                  .again_list = {FLIGHT_NONE, FLIGHT_NONE}};
    buffer_init(&flight->ring);
}

void flight_clear(struct duet_stack *s, struct tcp_flight *flight)
{
    buffer_clear(&s->buffers, &flight->ring);
    flight_init(flight);
}

/* ---- names and places ---- */

static struct tcp_flight *flight_of(const struct duet_stack *s, const struct tcp_conn *c)
{
    return &transfer_of(s, c)->flight;
}

static uint32_t name_at(const struct tcp_flight *f, uint32_t place)
{
    return (f->first + place) % NAMES;
}

/* How many records are older; at least count if there is no such record (any more). */
static uint32_t place_of(const struct tcp_flight *f, uint32_t name)
{
    return name == FLIGHT_NONE ? UINT32_MAX : (name + NAMES - f->first) % NAMES;
}

static struct flight_record *at(const struct duet_stack *s, struct tcp_flight *f, uint32_t place)
{
    CHECK(place < f->count);
    if (f->ring.index == POOL_NONE)
        return &f->few[place];
    return buffer_at(&s->buffers, &f->ring, place * RECORD);
}

static struct seq start_of(const struct duet_stack *s, struct tcp_flight *f, uint32_t place)
{
    return place == 0 ? f->start : at(s, f, place - 1)->end;
}

static uint32_t bytes_of(const struct duet_stack *s, struct tcp_flight *f, uint32_t place)
{
    return seq_distance(start_of(s, f, place), at(s, f, place)->end);
}

static bool describe(const struct duet_stack *s, struct tcp_flight *f, uint32_t place,
                     struct flight_segment *segment)
{
    if (place >= f->count)
        return false;
    const struct flight_record *r = at(s, f, place);
    *segment = (struct flight_segment){
        .number = name_at(f, place),
        .start = start_of(s, f, place),
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
    return describe(s, f, place_of(f, number), segment);
}

bool flight_after(const struct duet_stack *s, const struct tcp_conn *c, uint32_t number,
                  struct flight_segment *segment)
{
    struct tcp_flight *f = flight_of(s, c);
    return describe(s, f, place_of(f, number) + 1, segment);
}

bool flight_oldest(const struct duet_stack *s, const struct tcp_conn *c,
                   struct flight_segment *segment)
{
    return describe(s, flight_of(s, c), 0, segment);
}

bool flight_newest(const struct duet_stack *s, const struct tcp_conn *c,
                   struct flight_segment *segment)
{
    struct tcp_flight *f = flight_of(s, c);
    return f->count > 0 && describe(s, f, f->count - 1, segment);
}

uint32_t flight_in_network(const struct duet_stack *s, const struct tcp_conn *c)
{
    struct tcp_flight *f = flight_of(s, c);
    uint32_t all = f->count == 0 ? 0 : seq_distance(f->start, at(s, f, f->count - 1)->end);
    return all - f->sacked - f->lost;
}

/* ---- lists: of records that are lost, or in flight again ---- */

static void list_push_back(const struct duet_stack *s, struct tcp_flight *f,
                           struct flight_list *list, uint32_t place)
{
    struct flight_record *r = at(s, f, place);
    r->next = FLIGHT_NONE;
    r->prev = list->last & FLIGHT_NONE;
    if (list->last == FLIGHT_NONE)
        list->first = name_at(f, place);
    else
        at(s, f, place_of(f, list->last))->next = name_at(f, place) & FLIGHT_NONE;
    list->last = name_at(f, place);
}

static void list_push_front(const struct duet_stack *s, struct tcp_flight *f,
                            struct flight_list *list, uint32_t place)
{
    struct flight_record *r = at(s, f, place);
    if (list->first == FLIGHT_NONE) {
        list_push_back(s, f, list, place);
        return;
    }
    r->prev = FLIGHT_NONE;
    r->next = list->first & FLIGHT_NONE;
    at(s, f, place_of(f, list->first))->prev = name_at(f, place) & FLIGHT_NONE;
    list->first = name_at(f, place);
}

static void list_take(const struct duet_stack *s, struct tcp_flight *f, struct flight_list *list,
                      const struct flight_record *r)
{
    if (r->prev == FLIGHT_NONE)
        list->first = r->next;
    else
        at(s, f, place_of(f, r->prev))->next = r->next;
    if (r->next == FLIGHT_NONE)
        list->last = r->prev;
    else
        at(s, f, place_of(f, r->next))->prev = r->prev;
}

static bool is(const struct flight_record *r, enum flight_flag flag)
{
    return (r->flags & flag) != 0;
}

static void set(struct flight_record *r, enum flight_flag flag)
{
    r->flags = (r->flags | flag) & 0xff;
}

static void unset(struct flight_record *r, enum flight_flag flag)
{
    r->flags = (r->flags & ~(uint32_t)flag) & 0xff;
}

/* A record leaves the list that its state has put it on, and its bytes their count. */
static void leave_state(const struct duet_stack *s, struct tcp_flight *f, struct flight_record *r,
                        uint32_t bytes)
{
    if (is(r, FLIGHT_SACKED)) {
        f->sacked -= bytes;
        f->sacked_count--;
    } else if (is(r, FLIGHT_LOST)) {
        f->lost -= bytes;
        list_take(s, f, &f->lost_list, r);
    } else if (is(r, FLIGHT_AGAIN)) {
        list_take(s, f, &f->again_list, r);
    }
}

static void enter_lost(const struct duet_stack *s, struct tcp_flight *f, uint32_t place,
                       uint32_t bytes)
{
    set(at(s, f, place), FLIGHT_LOST);
    f->lost += bytes;
    if (f->lost_list.first != FLIGHT_NONE && place < place_of(f, f->lost_list.first))
        list_push_front(s, f, &f->lost_list, place);
    else
        list_push_back(s, f, &f->lost_list, place);
}

/* ---- sending ---- */

/* The records move from the transfer into a ring of their own. */
static bool move_to_ring(struct duet_stack *s, struct tcp_flight *f)
{
    uint32_t size = f->count * RECORD;
    if (buffer_make_room(&s->buffers, &f->ring, BUFFER_IN_FLIGHT, 0, size) < size) {
        buffer_clear(&s->buffers, &f->ring);
        return false;
    }
    for (uint32_t i = 0; i < f->count; i++)
        memcpy(buffer_at(&s->buffers, &f->ring, i * RECORD), &f->few[i], RECORD);
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
    return buffer_make_room(&s->buffers, &f->ring, BUFFER_IN_FLIGHT, f->ring.length,
                            wanted * RECORD) /
           RECORD;
}

static uint32_t now_us(const struct duet_stack *s)
{
    return (uint32_t)(s->now / DUET_MICROSECOND);
}

void flight_append(struct duet_stack *s, struct tcp_conn *c, struct seq start, struct seq end)
{
    struct tcp_flight *f = flight_of(s, c);
    CHECK(seq_lt(start, end));
    if (f->count == 0)
        f->start = start;
    CHECK(seq_eq(start_of(s, f, f->count), start));
    if (f->ring.index != POOL_NONE)
        buffer_extend(&f->ring, RECORD);
    f->count++;
    *at(s, f, f->count - 1) = (struct flight_record){
        .end = end, .sent_us = now_us(s), .next = FLIGHT_NONE, .prev = FLIGHT_NONE};
}

void flight_resent(struct duet_stack *s, struct tcp_conn *c, uint32_t number, struct seq sent)
{
    struct tcp_flight *f = flight_of(s, c);
    uint32_t place = place_of(f, number);
    struct flight_record *r = at(s, f, place);
    CHECK(!is(r, FLIGHT_SACKED));
    leave_state(s, f, r, bytes_of(s, f, place));
    unset(r, FLIGHT_LOST);
    set(r, FLIGHT_AGAIN);
    if (seq_lt(sent, r->end))
        set(r, FLIGHT_CUT);
    else
        unset(r, FLIGHT_CUT);
    r->sent_us = now_us(s);
    list_push_back(s, f, &f->again_list, place);
}

/* ---- acknowledged ---- */

static void drop_oldest(struct duet_stack *s, struct tcp_flight *f)
{
    struct seq end = at(s, f, 0)->end;
    if (f->ring.index != POOL_NONE) {
        buffer_drop(&s->buffers, &f->ring, RECORD);
        buffer_settle(&s->buffers, &f->ring, false); /* empty: the next ones need no page */
    } else {
        memmove(&f->few[0], &f->few[1], (f->count - 1) * RECORD);
    }
    if (f->fresh == f->first)
        f->fresh = name_at(f, 1);
    f->start = end;
    f->first = name_at(f, 1);
    f->count--;
}

/* The oldest record is acknowledged up to ack. What was not sent again with its beginning is still
 * missing. */
static void shorten_oldest(const struct duet_stack *s, struct tcp_flight *f, struct seq ack)
{
    struct flight_record *r = at(s, f, 0);
    uint32_t gone = seq_distance(f->start, ack);
    uint32_t left = seq_distance(ack, r->end);
    if (is(r, FLIGHT_SACKED)) {
        f->sacked -= gone;
    } else if (is(r, FLIGHT_LOST)) {
        f->lost -= gone;
    } else if (is(r, FLIGHT_CUT)) {
        leave_state(s, f, r, gone);
        enter_lost(s, f, 0, left);
    }
    unset(r, FLIGHT_CUT);
    f->start = ack;
}

bool flight_acked(struct duet_stack *s, struct tcp_conn *c, struct seq ack,
                  struct flight_segment *segment)
{
    struct tcp_flight *f = flight_of(s, c);
    if (!describe(s, f, 0, segment) || !seq_lt(segment->start, ack))
        return false;
    if (seq_lt(ack, segment->end)) {
        shorten_oldest(s, f, ack);
        return false;
    }
    leave_state(s, f, at(s, f, 0), seq_distance(segment->start, segment->end));
    drop_oldest(s, f);
    return true;
}

/* ---- SACK ---- */

/* The place behind the run of sacked records that begins at place. */
static uint32_t run_end(const struct duet_stack *s, struct tcp_flight *f, uint32_t place)
{
    uint32_t end = place;
    while (end < f->count && is(at(s, f, end), FLIGHT_SACKED))
        end = place_of(f, at(s, f, end)->next);
    while (place < end) {
        struct flight_record *r = at(s, f, place);
        place = place_of(f, r->next);
        r->next = name_at(f, end) & FLIGHT_NONE;
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
        if (seq_lt(at(s, f, middle)->end, seq))
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
    if (!describe(s, f, place, segment) || seq_lt(right, segment->end))
        return false;
    struct flight_record *r = at(s, f, place);
    uint32_t bytes = seq_distance(segment->start, segment->end);
    leave_state(s, f, r, bytes);
    unset(r, FLIGHT_LOST);
    set(r, FLIGHT_SACKED);
    f->sacked += bytes;
    f->sacked_count++;
    r->next = name_at(f, place + 1) & FLIGHT_NONE;
    *from = segment->end;
    return true;
}

/* ---- lost ---- */

void flight_mark_lost(struct duet_stack *s, struct tcp_conn *c, uint32_t number)
{
    struct tcp_flight *f = flight_of(s, c);
    uint32_t place = place_of(f, number);
    struct flight_record *r = at(s, f, place);
    if (is(r, FLIGHT_LOST) || is(r, FLIGHT_SACKED))
        return;
    uint32_t bytes = bytes_of(s, f, place);
    leave_state(s, f, r, bytes);
    enter_lost(s, f, place, bytes);
}

void flight_all_lost(struct duet_stack *s, struct tcp_conn *c, bool forget)
{
    struct tcp_flight *f = flight_of(s, c);
    f->lost = 0;
    f->lost_list = (struct flight_list){FLIGHT_NONE, FLIGHT_NONE};
    f->again_list = (struct flight_list){FLIGHT_NONE, FLIGHT_NONE};
    if (forget) {
        f->sacked = 0;
        f->sacked_count = 0;
    }
    for (uint32_t place = 0; place < f->count; place++) {
        struct flight_record *r = at(s, f, place);
        if (is(r, FLIGHT_SACKED) && !forget)
            continue;
        unset(r, FLIGHT_SACKED);
        enter_lost(s, f, place, bytes_of(s, f, place));
    }
}

void flight_none_lost(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_flight *f = flight_of(s, c);
    while (f->lost_list.first != FLIGHT_NONE) {
        uint32_t place = place_of(f, f->lost_list.first);
        struct flight_record *r = at(s, f, place);
        leave_state(s, f, r, bytes_of(s, f, place));
        unset(r, FLIGHT_LOST);
        if (is(r, FLIGHT_AGAIN))
            list_push_front(s, f, &f->again_list, place);
    }
    f->fresh = f->first;
}

bool flight_first_lost(const struct duet_stack *s, const struct tcp_conn *c,
                       struct flight_segment *segment)
{
    struct tcp_flight *f = flight_of(s, c);
    return f->lost_list.first != FLIGHT_NONE && flight_get(s, c, f->lost_list.first, segment);
}

bool flight_oldest_sent(struct duet_stack *s, struct tcp_conn *c, bool again,
                        struct flight_segment *segment)
{
    struct tcp_flight *f = flight_of(s, c);
    if (again)
        return f->again_list.first != FLIGHT_NONE && flight_get(s, c, f->again_list.first, segment);
    uint32_t place = place_of(f, f->fresh);
    while (place < f->count) {
        const struct flight_record *r = at(s, f, place);
        if (is(r, FLIGHT_SACKED))
            place = run_end(s, f, place);
        else if (is(r, FLIGHT_LOST) || is(r, FLIGHT_AGAIN))
            place++;
        else
            break;
    }
    f->fresh = name_at(f, place);
    return describe(s, f, place, segment);
}

bool flight_next_sent(struct duet_stack *s, struct tcp_conn *c, struct flight_segment *segment)
{
    struct tcp_flight *f = flight_of(s, c);
    uint32_t place = place_of(f, segment->number);
    if ((segment->flags & FLIGHT_AGAIN) != 0)
        return describe(s, f, place_of(f, at(s, f, place)->next), segment);
    do
        place = run_end(s, f, place + 1);
    while (place < f->count && (at(s, f, place)->flags & (FLIGHT_LOST | FLIGHT_AGAIN)) != 0);
    return describe(s, f, place, segment);
}

/* ---- cutting ---- */

static uint32_t pieces(uint32_t bytes, uint32_t mss)
{
    return max_u32(1, (bytes + mss - 1) / mss);
}

/* Lost records side by side become one. */
static void merge_lost(const struct duet_stack *s, struct tcp_flight *f)
{
    uint32_t to = 0;
    for (uint32_t from = 0; from < f->count; from++) {
        struct flight_record r = *at(s, f, from);
        struct flight_record *last = to > 0 ? at(s, f, to - 1) : NULL;
        if (last != NULL && is(last, FLIGHT_LOST) && is(&r, FLIGHT_LOST))
            last->end = r.end;
        else
            *at(s, f, to++) = r;
    }
    if (f->ring.index != POOL_NONE)
        buffer_shorten(&f->ring, (f->count - to) * RECORD);
    f->count = to;
}

/* Moves the records apart, from the newest on, and writes each one as its pieces. */
static void spread(const struct duet_stack *s, struct tcp_flight *f, uint32_t mss,
                   uint32_t old_count)
{
    uint32_t to = f->count;
    for (uint32_t from = old_count; from > 0; from--) {
        struct flight_record whole = *at(s, f, from - 1);
        struct seq start = start_of(s, f, from - 1);
        uint32_t bytes = seq_distance(start, whole.end);
        uint32_t n = pieces(bytes, mss);
        unset(&whole, FLIGHT_CUT);
        for (uint32_t i = n; i > 0; i--) {
            struct flight_record *piece = at(s, f, --to);
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
    f->lost = 0;
    f->lost_list = (struct flight_list){FLIGHT_NONE, FLIGHT_NONE};
    f->again_list = (struct flight_list){FLIGHT_NONE, FLIGHT_NONE};
    f->fresh = f->first;
    for (uint32_t place = 0; place < f->count; place++) {
        struct flight_record *r = at(s, f, place);
        uint32_t bytes = bytes_of(s, f, place);
        if (is(r, FLIGHT_SACKED)) {
            f->sacked += bytes;
            f->sacked_count++;
            r->next = name_at(f, place + 1) & FLIGHT_NONE;
        } else if (is(r, FLIGHT_LOST)) {
            enter_lost(s, f, place, bytes);
        } else if (is(r, FLIGHT_AGAIN)) {
            list_push_back(s, f, &f->again_list, place);
        }
    }
}

bool flight_cut(struct duet_stack *s, struct tcp_conn *c, uint32_t mss)
{
    struct tcp_flight *f = flight_of(s, c);
    for (uint32_t place = 0; place < f->count; place++)
        if (bytes_of(s, f, place) > mss && !is(at(s, f, place), FLIGHT_SACKED))
            set(at(s, f, place), FLIGHT_LOST);
    merge_lost(s, f);
    uint32_t old_count = f->count;
    uint32_t count = 0;
    for (uint32_t place = 0; place < old_count; place++)
        count += pieces(bytes_of(s, f, place), mss);
    bool has_room = flight_reserve(s, c, count - old_count) == count - old_count;
    if (has_room && f->ring.index != POOL_NONE)
        buffer_extend(&f->ring, (count - old_count) * RECORD);
    if (has_room) {
        f->count = count;
        spread(s, f, mss, old_count);
    }
    relist(s, f);
    return has_room;
}

/* ---- what must hold ---- */

static uint32_t list_length(const struct duet_stack *s, struct tcp_flight *f,
                            const struct flight_list *list)
{
    uint32_t n = 0;
    for (uint32_t name = list->first; name != FLIGHT_NONE && n <= f->count; n++) {
        if (place_of(f, name) >= f->count)
            return UINT32_MAX;
        name = at(s, f, place_of(f, name))->next;
    }
    return n;
}

const char *flight_check(const struct duet_stack *s, const struct tcp_conn *c)
{
    struct tcp_flight *f = flight_of(s, c);
    struct seq start = f->start;
    uint32_t sacked = 0;
    uint32_t lost = 0;
    uint32_t lost_count = 0;
    uint32_t again_count = 0;
    for (uint32_t place = 0; place < f->count; place++) {
        const struct flight_record *r = at(s, f, place);
        uint32_t bytes = seq_distance(start, r->end);
        if (!seq_lt(start, r->end))
            return "I-08: an empty record in flight, or out of order";
        if (is(r, FLIGHT_SACKED) && is(r, FLIGHT_LOST))
            return "I-05: a record is sacked and lost";
        sacked += is(r, FLIGHT_SACKED) ? bytes : 0;
        lost += is(r, FLIGHT_LOST) ? bytes : 0;
        lost_count += is(r, FLIGHT_LOST);
        again_count += is(r, FLIGHT_AGAIN) && !is(r, FLIGHT_LOST) && !is(r, FLIGHT_SACKED);
        start = r->end;
    }
    if (f->count > 0 && (!seq_eq(start, c->snd.nxt) || !seq_eq(f->start, tcp_send_start(c))))
        return "I-08: the records do not reach from SND.UNA to SND.NXT";
    if (f->count == 0 && seq_lt(tcp_send_start(c), c->snd.nxt))
        return "I-08: something is in flight without a record";
    if (sacked != f->sacked || lost != f->lost)
        return "I-05: sacked or lost bytes are miscounted";
    if (list_length(s, f, &f->lost_list) != lost_count ||
        list_length(s, f, &f->again_list) != again_count)
        return "I-05: a list of segments in flight has lost one, or gained one";
    return NULL;
}
