/* SPDX-License-Identifier: MIT */
/* The invariants of a stack as code: what must hold between any two doors or calls, whatever the
 * network and the user do. Numbered as in docs/INVARIANTS.md. A violation is a bug of duet, never
 * of its input.
 *
 * duet_check() walks everything and is meant for tests, simulation and fuzzing; the cheap ones
 * stand as CHECK where they could break, in every build.
 */
#include "base/check.h"
#include "core/config.h"
#include "core/user.h"

/* What a walk over the stack adds up, to be compared with what the pools and tables say. */
struct totals {
    uint32_t conns, transfers, reassemblies, ranges, accurate_ecn, indexes, pages, in_table,
        attempts;
};

/* ---- one connection ---- */

static const char *check_send_space(const struct duet_stack *s, const struct tcp_conn *c,
                                    const struct tcp_transfer *t)
{
    struct seq end = tcp_send_end(s, c);
    if (!seq_le(c->snd.una, c->snd.nxt))
        return "I-01: SND.UNA is beyond SND.NXT";
    if (t == NULL)
        return seq_eq(c->snd.una, c->snd.nxt) ? NULL
                                              : "I-24: something is in flight with no record of it";
    if (!seq_le(c->snd.nxt, seq_add(end, 1)))
        return "I-10: SND.NXT is beyond the FIN";
    if (conn_is(c, TCP_CONN_FIN_SENT) && !conn_is(c, TCP_CONN_FIN_ACKED) &&
        !seq_eq(c->snd.nxt, seq_add(end, 1)))
        return "I-10: the FIN was sent and SND.NXT is not behind it";
    if (t->send.length > s->config.send_buffer)
        return "I-07: more is queued than a connection may hold";
    return flight_check(s, c);
}

static const char *check_receive_space(const struct duet_stack *s, const struct tcp_conn *c)
{
    uint32_t unit = (uint32_t)1 << c->receive_scale;
    if (!seq_le(c->rcv.nxt, c->rcv.adv))
        return "I-13: RCV.NXT is beyond what was advertised";
    if (!seq_le(c->rcv.acked, c->rcv.nxt))
        return "I-20: more was acknowledged than received";
    if (c->receive.length > s->config.receive_buffer + unit)
        return "I-16: more is held than the receive buffer and one unit of the scale";
    if (conn_is(c, TCP_CONN_FIN_RECEIVED) && tcp_has_hole(s, c))
        return "I-17: something is held behind the FIN";
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

static const char *check_congestion(const struct tcp_conn *c)
{
    if (!is_synchronized(c) || !conn_is(c, TCP_CONN_SYN_ACKED))
        return NULL;
    if (c->cwnd == 0 || c->ssthresh == 0)
        return "I-22: a synchronized connection whose congestion window was never set";
    if (tcp_send_mss(c) == 0)
        return "I-06: segments of no text";
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

static const char *check_timers(const struct duet_stack *s, const struct tcp_conn *c,
                                const struct tcp_transfer *t)
{
    bool in_flight = !seq_eq(c->snd.una, c->snd.nxt);
    bool runs = t != NULL && t->deadline != DUET_NEVER;
    bool waits = t != NULL && !t->paced && !in_flight && t->send.length > 0 && is_synchronized(c);
    if (in_flight && !runs && !owes(c))
        return "I-24: something is unacknowledged and no timer runs";
    if (waits && !runs && !owes(c))
        return "I-25: something waits, nothing is in flight, and no timer runs";
    if (!in_flight && runs && t->timer != DUET_TIMER_PERSIST && !owes(c))
        return "I-09: the retransmission timer runs and nothing is in flight";
    duet_time ack_at = tcp_delayed_ack_at(s, c);
    if (ack_at != DUET_NEVER && ack_at > s->now + 500 * DUET_MILLISECOND)
        return "I-26: an acknowledgement is delayed for more than 500 ms";
    duet_time rto = tcp_rto(c);
    if (rto > s->config.rto_max && rto > 3 * DUET_SECOND)
        return "I-29: the RTO is above its maximum";
    return NULL;
}

/* An orphan must end by itself; and whatever is due must be on the wheel. */
static const char *check_liveness(const struct duet_stack *s, const struct tcp_conn *c)
{
    uint32_t index = conn_index(s, c);
    bool is_armed = wheel_is_armed(&s->wheel, index);
    if (conn_is(c, TCP_CONN_USER_GONE) && !is_armed && !owes(c))
        return "I-31: nobody holds this connection and no timer will end it";
    if ((c->owes & TCP_OWES_SYN) != 0 && conn_is(c, TCP_CONN_SYN_ACKED))
        return "I-31: a SYN is owed that has been acknowledged";
    if (owes(c) != list_has(&s->owing, index))
        return "I-31: a debt that nobody will pay, or a place on the list without one";
    duet_time due = tcp_timers_due(s, c);
    if (due != DUET_NEVER && (!is_armed || c->timer.deadline > due))
        return "I-32: a timer is due before the wheel will look";
    return NULL;
}

static const char *check_ended(const struct duet_stack *s, const struct tcp_conn *c)
{
    if (c->transfer != POOL_NONE || c->reassembly != POOL_NONE || owes(c))
        return "I-30: an ended connection holds something";
    if (conn_is(c, TCP_CONN_IN_TABLE) || wheel_is_armed(&s->wheel, conn_index(s, c)))
        return "I-30: an ended connection can still be found, or has a timer";
    return NULL;
}

static const char *check_conn(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    if (c->state == DUET_LISTEN || c->state >= DUET_STATES)
        return "I-21: a connection in no state of its own";
    if (c->state == DUET_CLOSED || conn_is(c, TCP_CONN_DETACHED))
        return check_ended(s, c);
    struct demux_ref ref = demux_find(s, &c->tuple);
    if (ref.kind != DEMUX_CONN || ref.index != conn_index(s, c))
        return "I-50: the pair of sockets does not lead to its connection";
    const char *broken = check_send_space(s, c, t);
    if (broken == NULL && c->state > DUET_SYN_SENT)
        broken = check_receive_space(s, c);
    if (broken == NULL)
        broken = check_reassembly(s, c);
    if (broken == NULL)
        broken = check_congestion(c);
    if (broken == NULL)
        broken = check_amplification(s, c);
    if (broken == NULL)
        broken = check_timers(s, c, t);
    return broken != NULL ? broken : check_liveness(s, c);
}

/* ---- the whole stack ---- */

static void add_buffer(const struct duet_stack *s, const struct buffer *buffer,
                       struct totals *totals)
{
    totals->indexes += buffer->index != POOL_NONE;
    totals->pages += buffer_pages(&s->buffers, buffer);
}

static void add_conn(const struct duet_stack *s, const struct tcp_conn *c, struct totals *totals)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    totals->conns++;
    totals->transfers += t != NULL;
    const struct tcp_reassembly *r = reassembly_of(s, c);
    totals->reassemblies += r != NULL;
    totals->ranges += r == NULL ? 0 : r->held.count;
    totals->accurate_ecn += tcp_accecn_of(s, c) != NULL;
    totals->in_table += conn_is(c, TCP_CONN_IN_TABLE);
    totals->attempts += tcp_fast_open_is_counted(s, c);
    add_buffer(s, &c->receive, totals);
    if (t == NULL)
        return;
    add_buffer(s, &t->send, totals);
    add_buffer(s, &t->flight.ring, totals);
}

static const char *check_conns(const struct duet_stack *s, struct totals *totals)
{
    for (uint32_t i = 0; i < s->conns.fresh; i++) {
        const struct tcp_conn *c = conn_at(s, i);
        if (c->generation == 0)
            continue;
        const char *broken = check_conn(s, c);
        if (broken != NULL)
            return broken;
        add_conn(s, c, totals);
    }
    return NULL;
}

static uint32_t echo_pages(const struct duet_stack *s)
{
    uint32_t pages = 0;
    for (uint64_t at = s->replies.head; at < s->replies.tail; at++)
        pages += s->replies.records[at % s->replies.capacity].page != POOL_NONE;
    return pages;
}

static const char *check_small_lives(const struct duet_stack *s)
{
    uint32_t half_open = 0;
    uint32_t time_wait = 0;
    for (uint64_t at = s->half_open.age.head; at < s->half_open.age.tail; at++)
        half_open +=
            (s->half_open.records[at % s->half_open.age.capacity].flags & TCP_HALF_OPEN_ALIVE) != 0;
    for (uint64_t at = s->time_wait.age.head; at < s->time_wait.age.tail; at++)
        time_wait +=
            (s->time_wait.records[at % s->time_wait.age.capacity].flags & TCP_TIME_WAIT_ALIVE) != 0;
    if (half_open != s->half_open.age.alive ||
        s->half_open.age.tail - s->half_open.age.head > s->half_open.age.capacity)
        return "I-49: half-open records are miscounted";
    if (time_wait != s->time_wait.age.alive ||
        s->time_wait.age.tail - s->time_wait.age.head > s->time_wait.age.capacity)
        return "I-51: TIME-WAIT records are miscounted";
    return NULL;
}

static const char *check_listeners(const struct duet_stack *s, const struct totals *totals)
{
    uint32_t attempts = 0;
    for (uint32_t i = 0; i < s->config.listeners_max; i++) {
        const struct tcp_listener *listener = &s->listeners[i];
        if (!listener->used)
            continue;
        if (listener->queue.count > listener->backlog)
            return "I-49: more wait for accept than the backlog allows";
        if (listener->fast_open_pending > listener->fast_open_max)
            return "I-49: more have begun without a handshake than the listener allows";
        attempts += listener->fast_open_pending;
    }
    return attempts == totals->attempts ? NULL
                                        : "I-49: attempts without a handshake are miscounted";
}

static const char *check_paths(const struct duet_stack *s)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < s->paths.sets * PATH_WAYS; i++) {
        const struct path *path = &s->paths.records[i];
        if (!path->is_used)
            continue;
        used++;
        if (path->search_low < path_floor(s, &path->remote) || path->search_low > path->mtu ||
            path->mtu > path->search_high || path->search_high > s->config.mtu)
            return "I-45: a path MTU lies outside what is searched, or below the floor";
    }
    return used == s->paths.used ? NULL : "I-52: records of paths are miscounted";
}

static const char *check_totals(const struct duet_stack *s, const struct totals *totals)
{
    if (totals->conns != s->conns.used || totals->conns != s->counters.connections)
        return "I-52: connection records are miscounted";
    if (totals->transfers != s->transfers.used || totals->reassemblies != s->reassemblies.used ||
        totals->accurate_ecn != s->accurate_ecn.used)
        return "I-52: borrowed records are miscounted";
    if (totals->ranges != s->ranges.nodes.used)
        return "I-52: ranges held are miscounted";
    if (totals->indexes != s->buffers.indexes.used)
        return "I-52: buffer indexes are miscounted";
    if (totals->pages + echo_pages(s) != s->buffers.pages.used)
        return "I-52: pages are miscounted";
    if (totals->in_table + s->half_open.age.alive + s->time_wait.age.alive != s->demux.used)
        return "I-50: the table holds something that does not exist, or misses something";
    return NULL;
}

const char *duet_check(const struct duet_stack *s)
{
    if (s->watch != NULL && s->watch->broken != NULL)
        return s->watch->broken;
    struct totals totals = {0};
    const char *broken = check_conns(s, &totals);
    if (broken == NULL)
        broken = check_small_lives(s);
    if (broken == NULL)
        broken = check_listeners(s, &totals);
    if (broken == NULL)
        broken = check_paths(s);
    return broken != NULL ? broken : check_totals(s, &totals);
}
