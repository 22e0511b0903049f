/* SPDX-License-Identifier: MIT */
/* The send queue, and what may be sent of it now (RFC 9293, 3.8.6 and 3.7.4).
 *
 *        una                        nxt            end
 *   ------|--------------------------|--------------|  FIN
 *         | in flight, SACKed, lost  | not yet sent |
 *         |<------- SND.WND from una on ------>|
 *
 * What is in flight stands in tcp_flight.h; of it, what is lost is sent again before anything new.
 * Four things hold a segment back: the peer's window, the congestion window over what is in the
 * network, silly-window avoidance (MUST-38) and Nagle (SHLD-7).
 */
#include "base/bytes.h"
#include "base/check.h"
#include "core/state.h"

uint32_t tcp_send_room(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    uint32_t held = t == NULL ? 0 : t->send.length;
    return held < send_limit(c) ? send_limit(c) - held : 0;
}

/* bytes of text have been acknowledged. */
void tcp_send_acked(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (bytes > 0) {
        CHECK(t != NULL);
        buffer_drop(&s->buffers, &t->send, bytes);
    }
    if (!conn_is(c, TCP_CONN_WRITE_BLOCKED))
        return;
    tcp_tune_send(s, c);
    if (tcp_send_is_worth_telling(s, c)) {
        c->flags &= ~(uint32_t)TCP_CONN_WRITE_BLOCKED;
        tcp_tell(s, c, DUET_EVENT_WRITABLE);
    }
}

/* ---- what was lost goes first ---- */

/* Bytes from seq on that the peer's window takes now (SHLD-16); the oldest segment may always put one
 * octet there, so that a window that has shrunk is probed. */
static uint32_t window_from(const struct tcp_conn *c, struct seq seq)
{
    struct seq right = seq_add(c->snd.una, c->snd.wnd);
    if (seq_lt(seq, right))
        return seq_distance(seq, right);
    return seq_eq(seq, tcp_send_start(c)) ? 1 : 0;
}

/* [start, end) again, as text and FIN, at most `most` bytes of text of it. */
static struct tcp_offer offer_again(const struct duet_stack *s, const struct tcp_conn *c,
                                    const struct flight_segment *segment, struct seq end,
                                    uint32_t most)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    struct seq text_end = tcp_send_end(s, c);
    bool has_fin = seq_lt(text_end, end);
    uint32_t text = seq_distance(segment->start, has_fin ? text_end : end);
    uint32_t length = min_u32(text, most);
    return (struct tcp_offer){
        .seq = segment->start,
        .length = length,
        .number = segment->number,
        .again = true,
        .fin = has_fin && length == text,
        .psh = length > 0 && seq_eq(seq_add(segment->start, length), text_end),
        .urg = t->urgent && seq_lt(segment->start, t->up),
    };
}

/* May a lost segment that ends at next_end travel behind [start, end)? Only where a link that cuts the
 * packet makes the same segments of it that would leave one by one. */
static bool fits_behind(const struct duet_stack *s, const struct tcp_conn *c, struct seq start,
                        struct seq end, struct seq next_end, uint32_t room)
{
    uint32_t mss = tcp_send_mss(c);
    CHECK(mss != 0);
    struct seq text_end = tcp_send_end(s, c);
    uint32_t so_far = seq_distance(start, seq_min(end, text_end));
    uint32_t all = seq_distance(start, seq_min(next_end, text_end));
    return all <= room && (so_far % mss == 0 || so_far % mss + (all - so_far) <= mss);
}

/* What was refused as a window probe is a single octet: the text behind it goes with it. */
static void take_more(struct duet_stack *s, struct tcp_conn *c, uint32_t room, uint32_t window,
                      struct tcp_offer *offer)
{
    struct seq end = seq_add(offer->seq, offer->length);
    if (offer->fin || !seq_eq(end, c->snd.nxt) || flight_reserve(s, c, 1) == 0)
        return;
    uint32_t queued = seq_distance(end, tcp_send_end(s, c));
    uint32_t more = min_u32(room - offer->length, queued);
    offer->length += more;
    offer->psh = more == queued;
    offer->fin = conn_is(c, TCP_CONN_FIN_WANTED) && more == queued && window > offer->length;
}

/* The oldest lost segment and those lost right behind it, in one packet of at most `most` bytes of
 * text, as far as `congestion` bytes and the peer's window allow. False: none, or none may go. */
bool tcp_send_lost(struct duet_stack *s, struct tcp_conn *c, uint32_t most, uint32_t congestion,
                   struct tcp_offer *offer)
{
    struct flight_segment first, next;
    if (!flight_first_lost(s, c, &first))
        return false;
    uint32_t window = window_from(c, first.start);
    uint32_t room = min_u32(min_u32(most, congestion), window);
    struct seq end = first.end;
    /* A FIN alone takes no room. */
    uint32_t text = seq_distance(first.start, seq_min(end, tcp_send_end(s, c)));
    if (window == 0 || min_u32(text, tcp_send_mss(c)) > congestion)
        return false;
    next = first;
    while (flight_after(s, c, next.number, &next) && (next.flags & FLIGHT_LOST) != 0 &&
           fits_behind(s, c, first.start, end, next.end, room))
        end = next.end;
    *offer = offer_again(s, c, &first, end, room);
    if (offer->fin && offer->length == window)
        offer->fin = offer->length == 0;
    if (transfer_at(s, c)->probed)
        take_more(s, c, room, window, offer);
    return true;
}

/* One segment in flight once more, as a tail-loss probe. */
bool tcp_send_again(struct duet_stack *s, struct tcp_conn *c, const struct flight_segment *segment,
                    struct tcp_offer *offer)
{
    uint32_t room = min_u32(tcp_send_mss(c), window_from(c, segment->start));
    if (room == 0)
        return false;
    *offer = offer_again(s, c, segment, segment->end, room);
    return true;
}

/* ---- what was never sent ---- */

/* The numbers that decide. */
struct limits {
    struct seq cursor;
    uint32_t queued; /* text from cursor on */
    uint32_t window; /* of it and the FIN, what the peer's window takes */
    uint32_t congestion;
    uint32_t mss;
    bool fin_due; /* nothing but this stands between the FIN and the wire */
};

/* Bytes that cwnd still lets into the network. Without SACK a duplicate ACK does not lower what
 * counts as in flight, so that limited transmit (RFC 3042) adds one segment for each of the first
 * two. */
static uint32_t congestion_left(const struct duet_stack *s, const struct tcp_conn *c,
                                const struct tcp_transfer *t)
{
    uint32_t in_network = flight_in_network(s, c);
    bool is_limited =
        !conn_is(c, TCP_CONN_SACK) && t->phase != TCP_PHASE_RECOVERY && t->flight.lost == 0;
    uint32_t limited = is_limited ? min_u32(t->dupacks, 2) * tcp_send_mss(c) : 0;
    return c->cwnd + limited > in_network ? c->cwnd + limited - in_network : 0;
}

static struct limits find_limits(const struct duet_stack *s, const struct tcp_conn *c,
                                 uint32_t congestion)
{
    struct seq end = tcp_send_end(s, c);
    struct seq cursor = seq_max(c->snd.nxt, tcp_send_start(c));
    struct seq right = seq_add(c->snd.una, c->snd.wnd);
    return (struct limits){
        .cursor = cursor,
        .queued = seq_lt(cursor, end) ? seq_distance(cursor, end) : 0,
        .window = seq_lt(cursor, right) ? seq_distance(cursor, right) : 0,
        .congestion = congestion,
        .mss = tcp_send_mss(c),
        .fin_due = conn_is(c, TCP_CONN_FIN_WANTED) && seq_le(cursor, end),
    };
}

/* May the last, incomplete segment of the queue leave? Nagle, with Minshall's modification (RFC
 * 9293, A.3): not while another incomplete one is unacknowledged. So many small writes become
 * few segments, and the end of a large write does not wait for the peer's delayed ACK. */
static bool may_send_tail(const struct tcp_conn *c, const struct tcp_transfer *t,
                          const struct limits *l)
{
    if (l->fin_due)
        return true;
    if (conn_is(c, TCP_CONN_MORE))
        return false;
    return conn_is(c, TCP_CONN_NODELAY) || !seq_lt(c->snd.una, t->small);
}

/* How much text may go: RFC 9293, 3.8.6.2.1, with the congestion window beside the peer's. */
static uint32_t text_to_send(const struct tcp_conn *c, const struct tcp_transfer *t,
                             const struct limits *l, uint32_t most)
{
    uint32_t n = min_u32(min_u32(l->queued, l->window), min_u32(l->congestion, most));
    CHECK(l->mss != 0);
    uint32_t tail = n % l->mss;
    if (tail == 0)
        return n;
    if (n == l->queued)
        return may_send_tail(c, t, l) ? n : n - tail;
    /* The peer's window cuts a segment short: only if that is half of all it ever offered. */
    bool window_cuts = n == l->window;
    if (window_cuts && tail >= c->snd.wnd_max / 2)
        return n;
    return n - tail;
}

static bool can_send_now(const struct duet_stack *s, const struct tcp_conn *c)
{
    bool is_open = c->state > DUET_SYN_RECEIVED || tcp_fast_open_may_send(s, c);
    return transfer_of(s, c) != NULL && is_open;
}

/* New text and FIN, as far as `congestion` bytes and the peer's window allow, and there is memory to
 * remember them as sent. */
static bool send_new(struct duet_stack *s, struct tcp_conn *c, uint32_t most, uint32_t congestion,
                     struct tcp_offer *offer)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    struct limits l = find_limits(s, c, congestion);
    if (seq_lt(tcp_send_end(s, c), l.cursor))
        return false;
    uint32_t n = text_to_send(c, t, &l, most);
    bool fin = l.fin_due && n == l.queued && l.window > n;
    if (n == 0 && !fin)
        return false;
    uint32_t records = max_u32(1, (n + l.mss - 1) / l.mss);
    uint32_t remembered = flight_reserve(s, c, records);
    if (remembered == 0)
        return false;
    if (remembered < records) {
        n = remembered * l.mss;
        fin = false;
    }
    *offer = (struct tcp_offer){
        .seq = l.cursor,
        .length = n,
        .fin = fin,
        .psh = n > 0 && n == l.queued, /* MUST-61: the segment that empties the queue */
        .urg = t->urgent && seq_lt(l.cursor, t->up),
    };
    return true;
}

/* What to send next, at most `most` bytes of text: what was lost, then what is new, then what RFC 6675
 * fills the window with. False: nothing may be sent now. */
bool tcp_send_next(struct duet_stack *s, struct tcp_conn *c, uint32_t most, struct tcp_offer *offer)
{
    if (!can_send_now(s, c))
        return false;
    uint32_t congestion = congestion_left(s, c, transfer_of(s, c));
    if (transfer_at(s, c)->flight.lost > 0)
        return tcp_send_lost(s, c, most, congestion, offer);
    if (tcp_ecn_holds(s, transfer_of(s, c)))
        return false;
    return send_new(s, c, most, congestion, offer) || tcp_6675_next(s, c, congestion, offer);
}

/* One segment of new data as a tail-loss probe, whatever cwnd says (RFC 8985, 7.3). */
bool tcp_send_probe(struct duet_stack *s, struct tcp_conn *c, struct tcp_offer *offer)
{
    uint32_t mss = tcp_send_mss(c);
    return can_send_now(s, c) && send_new(s, c, mss, mss, offer);
}

/* Something waits, nothing is in flight, and no acknowledgement will come to release it: the
 * persist timer must. */
bool tcp_send_blocked(const struct duet_stack *s, const struct tcp_conn *c)
{
    if (!can_send_now(s, c) || !seq_eq(c->snd.una, c->snd.nxt))
        return false;
    return transfer_at(s, c)->send.length > 0 || conn_is(c, TCP_CONN_FIN_WANTED);
}
