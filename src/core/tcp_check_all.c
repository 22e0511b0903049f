/* SPDX-License-Identifier: MIT */
/* The invariants of one connection, all of them (tcp_check_conn.c has those that cost nothing).
 * duet_check() asks for them, in tests, simulation and fuzzing: what is held, what is in flight and
 * what is told are walked from end to end. */
#include "base/check.h"
#include "core/config.h"
#include "core/user.h"

/* ---- one connection, beyond what tcp_conn_check() looks at ---- */

static const char *check_send_space(const struct duet_stack *s, const struct tcp_conn *c,
                                    const struct tcp_transfer *t)
{
    bool in_flight = !seq_eq(c->snd.una, c->snd.nxt);
    if (conn_is(c, TCP_CONN_FIN_SENT) && !conn_is(c, TCP_CONN_FIN_ACKED) &&
        !seq_eq(c->snd.nxt, seq_add(tcp_send_end(s, c), 1)))
        return "I-10: the FIN was sent and SND.NXT is not behind it";
    if (!in_flight && conn_is(c, TCP_CONN_SYN_ACKED) && t->dupacks > 0)
        return "I-09: duplicate acknowledgements of nothing";
    return flight_check(s, c);
}

static uint32_t held_bytes(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_reassembly *r = reassembly_of(s, c);
    uint32_t bytes = 0;
    struct range range;
    if (r == NULL || !ranges_first(&s->ranges, &r->held, &range))
        return 0;
    do
        bytes += seq_distance(range.left, range.right);
    while (ranges_find(&s->ranges, &r->held, range.right, &range));
    return bytes;
}

static bool can_receive(const struct tcp_conn *c)
{
    return c->state == DUET_ESTABLISHED || c->state == DUET_FIN_WAIT_1 ||
           c->state == DUET_FIN_WAIT_2;
}

/* A limit that a user has lowered binds what comes, not what was promised before. */
static const char *check_receive_space(const struct duet_stack *s, const struct tcp_conn *c)
{
    uint32_t unit = (uint32_t)1 << c->receive_scale;
    uint32_t most = s->config.receive_buffer + unit;
    if (c->receive.length + held_bytes(s, c) > most)
        return "I-16: more is held than the receive buffer and one unit of the scale";
    if (c->receive.length + rcv_wnd(c) > most)
        return "I-16: a window beyond the receive buffer and one unit of the scale";
    if (conn_is(c, TCP_CONN_FIN_RECEIVED) && tcp_has_hole(s, c))
        return "I-17: something is held behind the FIN";
    uint32_t unacknowledged = seq_distance(c->rcv.acked, c->rcv.nxt);
    bool owes_ack = (c->owes & TCP_OWES_ACK) != 0 || conn_is(c, TCP_CONN_ACK_DELAYED);
    if (can_receive(c) && unacknowledged >= 2u * c->receive_mss && (c->owes & TCP_OWES_ACK) == 0)
        return "I-26: two full segments have arrived and no acknowledgement is owed";
    if (can_receive(c) && unacknowledged > 0 && !owes_ack)
        return "I-26: text has arrived and no acknowledgement will leave";
    return NULL;
}

static bool owes(const struct tcp_conn *c)
{
    return c->owes != 0;
}

static const char *check_reassembly(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_reassembly *r = reassembly_of(s, c);
    if (r == NULL)
        return NULL;
    if (!tcp_has_hole(s, c) && !r->has_duplicate)
        return "I-15: a reassembly record that holds nothing";
    if (r->has_duplicate && (!owes(c) || !seq_lt(r->duplicate.left, r->duplicate.right)))
        return "I-15: a duplicate of nothing, or that no acknowledgement will report";
    struct seq last = c->rcv.nxt;
    struct range range;
    bool more = ranges_first(&s->ranges, &r->held, &range);
    for (uint32_t i = 0; i < r->held.count; i++) {
        if (!more || !seq_lt(last, range.left) || !seq_lt(range.left, range.right))
            return "I-15: ranges out of order, touching, empty, at RCV.NXT, or miscounted";
        last = range.right;
        more = ranges_find(&s->ranges, &r->held, last, &range);
    }
    if (more)
        return "I-15: more ranges than were counted";
    return seq_le(last, c->rcv.adv) ? NULL : "I-15: a range beyond what was advertised";
}

static bool is_synchronized(const struct tcp_conn *c)
{
    return c->state >= DUET_ESTABLISHED;
}

static const char *check_congestion(const struct duet_stack *s, const struct tcp_conn *c)
{
    if (!is_synchronized(c) || !conn_is(c, TCP_CONN_SYN_ACKED))
        return NULL;
    const struct tcp_transfer *t = transfer_of(s, c);
    if (t != NULL && t->verify.withheld &&
        (seq_lt(t->verify.start, c->snd.una) || !seq_lt(t->verify.start, c->snd.nxt)))
        return "I-08: the segment that is withheld is not in flight";
    if (tcp_send_mss(c) == 0)
        return "I-06: segments of no text";
    if (c->cwnd + TCP_OPTIONS_MAX < tcp_send_mss(c)) /* options take room from some segments */
        return "I-06: cwnd of less than a segment";
    return NULL;
}

/* Whoever opened to us has proved nothing in SYN-RECEIVED, but by a cookie. */
static const char *check_amplification(const struct duet_stack *s, const struct tcp_conn *c)
{
    bool has_sent = seq_lt(seq_add(c->snd.iss, 1), c->snd.nxt);
    bool is_stranger = c->state == DUET_SYN_RECEIVED && conn_is(c, TCP_CONN_PASSIVE) &&
                       !tcp_fast_open_is_attempt(s, c);
    return is_stranger && has_sent ? "I-40: text was sent to a peer that has proved nothing" : NULL;
}

/* The one timer of what is in flight or waits (I-23: there is no place for a second). */
static const char *check_transfer_timer(const struct tcp_conn *c, const struct tcp_transfer *t)
{
    bool in_flight = !seq_eq(c->snd.una, c->snd.nxt);
    bool runs = t->deadline != DUET_NEVER;
    bool is_persist = t->timer == DUET_TIMER_PERSIST;
    bool waits = !t->paced && !in_flight && t->send.length > 0 && is_synchronized(c);
    if (waits && !runs && !owes(c))
        return "I-25: something waits, nothing is in flight, and no timer runs";
    if (!in_flight && runs && !is_persist && !owes(c))
        return "I-09: the retransmission timer runs and nothing is in flight";
    if (!is_persist && t->timer != DUET_TIMER_RETRANSMISSION && t->timer != DUET_TIMER_PROBE &&
        t->timer != DUET_TIMER_REORDERING)
        return "I-23: a transfer is governed by a timer that is none of its own";
    if (is_persist && runs && t->rto_at != DUET_NEVER && in_flight && !t->probed)
        return "I-23: the persist timer runs beside the retransmission timer";
    return NULL;
}

static const char *check_timers(const struct duet_stack *s, const struct tcp_conn *c)
{
    if (conn_is(c, TCP_CONN_ACK_DELAYED) &&
        wheel_armed_for(&s->wheel, conn_index(s, c)) > s->now + DELAYED_ACK_MOST)
        return "I-26: an acknowledgement is delayed for more than 500 ms";
    duet_time rto = tcp_rto(c);
    if (rto > s->config.rto_max && rto > 3 * DUET_SECOND)
        return "I-29: the RTO is above its maximum";
    if (c->srtt_us != 0 && rto < s->config.rto_min && rto < s->config.rto_max)
        return "I-29: the RTO is below its minimum";
    return NULL;
}

/* An orphan must end by itself; and whatever is due must be on the wheel. */
static const char *check_liveness(const struct duet_stack *s, const struct tcp_conn *c)
{
    uint32_t index = conn_index(s, c);
    bool is_armed = wheel_is_armed(&s->wheel, index);
    bool is_orphan = conn_is(c, TCP_CONN_USER_GONE);
    if (is_orphan && !is_armed && !owes(c))
        return "I-31: nobody holds this connection and no timer will end it";
    if ((c->owes & TCP_OWES_SYN) != 0 && conn_is(c, TCP_CONN_SYN_ACKED))
        return "I-31: a SYN is owed that has been acknowledged";
    duet_time due = tcp_timers_due(s, c);
    if (c->state == DUET_TIME_WAIT && due > s->now + 2 * s->config.msl)
        return "I-27: TIME-WAIT lasts longer than twice the MSL";
    if (c->state == DUET_FIN_WAIT_2 && is_orphan && due > s->now + s->config.fin_wait_2_timeout)
        return "I-28: FIN-WAIT-2 that nobody can read from lasts for ever";
    if (wheel_armed_for(&s->wheel, index) > due)
        return "I-32: a timer is due before the wheel will look";
    return NULL;
}

/* What the user was told, and what was remembered of it, agree with what is (I-55). */
static const char *check_readiness(const struct duet_stack *s, const struct tcp_conn *c)
{
    bool is_silent = conn_is(c, TCP_CONN_USER_GONE);
    bool can_read = c->receive.length > 0 && !is_silent;
    if (can_read && !conn_is(c, TCP_CONN_READ_TOLD))
        return "I-55: there is something to read and nobody was told";
    if (conn_is(c, TCP_CONN_FIN_RECEIVED) && !is_silent && c->state < DUET_CLOSE_WAIT)
        return "I-55: the end of the stream in a state that expects more";
    bool waits = conn_is(c, TCP_CONN_UNACCEPTED);
    if (c->events != 0 && !waits && !list_has(&s->telling, conn_index(s, c)))
        return "I-55: something to tell that nobody will hear";
    return NULL;
}

/* MUST-39 and its end: a window that may open again in a useful step is announced. */
static const char *check_window_update(const struct duet_stack *s, const struct tcp_conn *c)
{
    bool is_closed = rcv_wnd(c) == 0 && can_receive(c) && !conn_is(c, TCP_CONN_USER_GONE);
    bool owes_ack = (c->owes & TCP_OWES_ACK) != 0 || conn_is(c, TCP_CONN_ACK_DELAYED);
    if (is_closed && tcp_receive_window_moved(s, c) && !owes_ack)
        return "I-19: the window was closed, there is room again, and the peer will not hear of it";
    return NULL;
}

const char *tcp_conn_check_all(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    const char *broken = tcp_conn_check(s, c);
    if (broken != NULL || c->state == DUET_CLOSED || conn_is(c, TCP_CONN_DETACHED))
        return broken;
    struct demux_ref ref = demux_find(s, &c->tuple);
    if (ref.kind != DEMUX_CONN || ref.index != conn_index(s, c))
        return "I-50: the pair of sockets does not lead to its connection";
    if (t != NULL)
        broken = check_send_space(s, c, t);
    if (broken == NULL && t != NULL)
        broken = check_transfer_timer(c, t);
    if (broken == NULL && c->state > DUET_SYN_SENT)
        broken = check_receive_space(s, c);
    if (broken == NULL)
        broken = check_reassembly(s, c);
    if (broken == NULL)
        broken = check_congestion(s, c);
    if (broken == NULL)
        broken = check_amplification(s, c);
    if (broken == NULL)
        broken = check_timers(s, c);
    if (broken == NULL)
        broken = check_window_update(s, c);
    if (broken == NULL)
        broken = check_readiness(s, c);
    return broken != NULL ? broken : check_liveness(s, c);
}
