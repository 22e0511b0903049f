/* SPDX-License-Identifier: MIT */
/* The send queue, and what may be sent of it now (RFC 9293, 3.8.6 and 3.7.4).
 *
 *        una          resend        nxt            end
 *   ------|-------------|------------|--------------|  FIN
 *         | in flight   | going back | not yet sent |
 *         |<---- cwnd, and SND.WND from una on ---->|
 *
 * resend equals nxt, except while what was sent is being sent again after a timeout. Four things
 * hold a segment back: the peer's window, the congestion window, silly-window avoidance (MUST-38)
 * and Nagle (SHLD-7).
 */
#include "base/bytes.h"
#include "base/check.h"
#include "core/state.h"

/* Sequence number of the first byte in the queue. */
struct seq tcp_send_start(const struct tcp_conn *c)
{
    return conn_is(c, TCP_CONN_SYN_ACKED) ? c->snd.una : seq_add(c->snd.iss, 1);
}

/* One past the last byte in the queue: where the FIN stands. */
struct seq tcp_send_end(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    return seq_add(tcp_send_start(c), t == NULL ? 0 : t->send.length);
}

uint32_t tcp_flight(const struct tcp_conn *c)
{
    return seq_distance(c->snd.una, c->snd.nxt);
}

/* Payload of a full segment: the smaller of what the peer takes and the path carries, less our
 * options (MUST-16). Never below 1, whatever the peer and the path claim. */
uint16_t tcp_send_mss(const struct tcp_conn *c)
{
    uint32_t path = (uint32_t)c->mtu - ip_header_size(&c->tuple.remote) - TCP_HEADER;
    uint32_t options = conn_is(c, TCP_CONN_TIMESTAMPS) ? 12 : 0;
    if (conn_is(c, TCP_CONN_SACK) && c->reassembly != POOL_NONE)
        options += 12; /* one block, so that data does not hide the hole (RFC 2018, 4) */
    return (uint16_t)(min_u32(c->peer_mss, path) - options);
}

uint32_t tcp_send_room(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    uint32_t held = t == NULL ? 0 : t->send.length;
    return held < c->send_limit ? c->send_limit - held : 0;
}

/* bytes of text have been acknowledged. */
void tcp_send_acked(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (bytes > 0) {
        CHECK(t != NULL);
        buffer_drop(&s->buffers, &t->send, bytes);
    }
    if (conn_is(c, TCP_CONN_WRITE_BLOCKED) && tcp_send_room(s, c) > 0) {
        c->flags &= ~(uint32_t)TCP_CONN_WRITE_BLOCKED;
        tcp_tell(s, c, DUET_EVENT_WRITABLE);
    }
}

/* The numbers that decide. */
struct limits {
    struct seq cursor;
    uint32_t queued; /* text from cursor on */
    uint32_t window; /* of it and the FIN, what the peer's window takes */
    uint32_t congestion;
    uint32_t mss;
    bool fin_due; /* nothing but this stands between the FIN and the wire */
};

static struct limits find_limits(const struct duet_stack *s, const struct tcp_conn *c,
                                 const struct tcp_transfer *t)
{
    struct seq end = tcp_send_end(s, c);
    struct seq cursor = seq_max(t->resend, tcp_send_start(c));
    struct seq right = seq_add(c->snd.una, c->snd.wnd);
    uint32_t flight = seq_distance(c->snd.una, cursor);
    uint32_t mss = tcp_send_mss(c);
    bool resending = seq_lt(cursor, c->snd.nxt);
    /* Limited transmit (RFC 3042): one new segment for each of the first two duplicate ACKs. */
    bool is_limited = !resending && !t->recovering;
    uint32_t limited = is_limited ? min_u32(t->dupacks, 2) * mss : 0;
    return (struct limits){
        .cursor = cursor,
        .queued = seq_lt(cursor, end) ? seq_distance(cursor, end) : 0,
        .window = seq_lt(cursor, right) ? seq_distance(cursor, right) : 0,
        .congestion = c->cwnd + limited > flight ? c->cwnd + limited - flight : 0,
        .mss = mss,
        .fin_due = conn_is(c, TCP_CONN_FIN_WANTED) && seq_le(cursor, end),
    };
}

/* May the last, incomplete segment of the queue leave? Nagle, with Minshall's modification (RFC
 * 9293, A.3): not while another incomplete one is unacknowledged. So many small writes become
 * few segments, and the end of a large write does not wait for the peer's delayed ACK. */
static bool may_send_tail(const struct tcp_conn *c, const struct tcp_transfer *t,
                          const struct limits *l, bool again)
{
    if (again || l->fin_due)
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
    uint32_t tail = n % l->mss;
    if (tail == 0)
        return n;
    /* What a link cuts into segments may begin below SND.NXT and end beyond it. */
    bool again = seq_lt(seq_add(l->cursor, n - tail), c->snd.nxt);
    if (n == l->queued)
        return may_send_tail(c, t, l, again) ? n : n - tail;
    /* The peer's window cuts a segment short: only if that is half of all it ever offered. */
    bool window_cuts = n == l->window;
    if (window_cuts && (again || tail >= c->snd.wnd_max / 2))
        return n;
    return n - tail;
}

static bool can_send_now(const struct duet_stack *s, const struct tcp_conn *c)
{
    return transfer_of(s, c) != NULL && c->state > DUET_SYN_RECEIVED;
}

/* What to send next, at most `most` bytes of text. False: nothing may be sent now. */
bool tcp_send_next(struct duet_stack *s, struct tcp_conn *c, uint32_t most, struct tcp_offer *offer)
{
    if (!can_send_now(s, c))
        return false;
    const struct tcp_transfer *t = transfer_of(s, c);
    struct limits l = find_limits(s, c, t);
    if (seq_lt(tcp_send_end(s, c), l.cursor))
        return false;
    uint32_t n = text_to_send(c, t, &l, most);
    bool fin = l.fin_due && n == l.queued && l.window > n;
    if (n == 0 && !fin)
        return false;
    *offer = (struct tcp_offer){
        .seq = l.cursor,
        .length = n,
        .fin = fin,
        .psh = n > 0 && n == l.queued, /* MUST-61: the segment that empties the queue */
        .urg = t->urgent && seq_lt(l.cursor, t->up),
    };
    return true;
}

/* Something waits, nothing is in flight, and no acknowledgement will come to release it: the
 * persist timer must. */
bool tcp_send_blocked(const struct duet_stack *s, const struct tcp_conn *c)
{
    if (!can_send_now(s, c) || !seq_eq(c->snd.una, c->snd.nxt))
        return false;
    return transfer_of(s, c)->send.length > 0 || conn_is(c, TCP_CONN_FIN_WANTED);
}
