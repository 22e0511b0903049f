/* SPDX-License-Identifier: MIT */
/* Birth and death of a connection: what it starts with, the one edge on which congestion control
 * and buffers are initialised (into ESTABLISHED), how it ends, and when its record can be used
 * again.
 *
 *   a record lives until   it has ended (CLOSED, or TIME-WAIT in a record of its own)
 *                     and  the user has let go of the handle
 *                     and  the user has been told how it ended
 */
#include "base/bytes.h"
#include "base/check.h"
#include "core/user.h"

#include <string.h>

/* What counts as a full-sized segment of the peer until a larger one has been seen: small writes
 * of a peer are not acknowledged every second one. */
enum { RECEIVE_MSS_GUESS = 536 };

static uint16_t default_mss(const struct tcp_conn *c)
{
    return address_is_ipv4(&c->tuple.remote) ? 536 : 1220; /* MUST-15 */
}

/* What connections and listeners start with until the user says otherwise. */
uint32_t tcp_conn_default_flags(const struct duet_stack *s)
{
    return (s->config.error_reports ? TCP_CONN_ERROR_REPORTS : 0u) |
           (s->config.user_timeout_option ? TCP_CONN_USER_TIMEOUT_OPTION : 0u);
}

/* A connection in CLOSED, in the table, with defaults. NULL: none left. */
struct tcp_conn *tcp_conn_new(struct duet_stack *s, const struct tcp_tuple *tuple)
{
    uint32_t index = pool_take(&s->conns);
    if (index == POOL_NONE)
        return NULL;
    demux_add(s, tuple, DEMUX_CONN, index);
    return tcp_conn_make(s, index, tuple);
}

/* The same in a record that has been taken, and is in the table already. */
struct tcp_conn *tcp_conn_make(struct duet_stack *s, uint32_t index, const struct tcp_tuple *tuple)
{
    struct tcp_conn *c = conn_at(s, index);
    bytes_clear(c, sizeof *c);
    c->tuple = *tuple;
    c->generation = s->generation++;
    c->transfer = POOL_NONE;
    c->reassembly = POOL_NONE;
    c->sent_at = s->now_ms;
    c->mtu = path_mtu(s, &tuple->remote);
    c->ts_offset = tcp_timestamp_offset_take(s, tuple);
    c->receive_limit = tcp_first_receive_limit(s);
    c->send_limit = tcp_first_send_limit(s);
    c->user_timeout_ms = s->user_timeout_ms;
    c->keepalive_idle_ms = s->keepalive_idle_ms;
    c->receive_mss = RECEIVE_MSS_GUESS;
    c->heard = s->now;
    c->ttl = s->config.ttl;
    c->controller = s->config.controller & 3u;
    c->ecn = s->config.ecn & TCP_ECN_MODE;
    c->flags = tcp_conn_default_flags(s) | TCP_CONN_IN_TABLE;
    if (s->generation == 0)
        s->generation = 1;
    c->peer_mss = default_mss(c); /* until the peer's SYN says otherwise */
    buffer_init(&c->receive);
    list_link_init(&c->owing);
    list_link_init(&c->telling);
    wheel_node_init(&c->timer);
    tcp_inherit_state(c, DUET_CLOSED);
    tcp_rtt_init(s, c);
    s->counters.connections++;
    return c;
}

static uint16_t sane_mss(const struct duet_stack *s, const struct tcp_conn *c, bool given,
                         uint16_t mss)
{
    if (!given)
        return default_mss(c);
    return (uint16_t)max_u32(mss, s->config.mss_min);
}

/* What both sides put on their SYN takes effect (RFC 7323, 2018; RFC 9293, 3.7.1). We always offer
 * what the configuration allows, so the peer's options decide. */
void tcp_conn_options(const struct duet_stack *s, struct tcp_conn *c,
                      const struct tcp_options *peer)
{
    c->peer_mss = sane_mss(s, c, (peer->present & DUET_TRACE_MSS) != 0, peer->mss);
    if ((peer->present & DUET_TRACE_WINDOW_SCALE) != 0 && s->config.window_scaling) {
        c->flags |= TCP_CONN_SCALING;
        c->send_scale = (uint8_t)(min_u32(peer->window_scale, 14) & 15);
        c->receive_scale = s->window_scale & 15u;
    }
    if ((peer->present & DUET_TRACE_TIMESTAMPS) != 0 && s->config.timestamps) {
        c->flags |= TCP_CONN_TIMESTAMPS;
        c->ts_recent = peer->tsval;
    }
    if ((peer->present & DUET_TRACE_SACK_PERMITTED) != 0 && s->config.sack)
        c->flags |= TCP_CONN_SACK;
}

/* The connection takes over in SYN-RECEIVED: the third segment has arrived for a half-open record,
 * or the SYN itself had a cookie (RFC 7413). */
void tcp_conn_from_half_open(struct duet_stack *s, struct tcp_conn *c,
                             const struct tcp_half_open *half, struct tcp_listener *listener)
{
    tcp_inherit_state(c, DUET_SYN_RECEIVED);
    c->flags = listener->flags | TCP_CONN_PASSIVE | TCP_CONN_UNACCEPTED | TCP_CONN_IN_TABLE;
    c->listener = (uint32_t)(listener - s->listeners);
    c->receive_limit = listener->receive_limit;
    c->send_limit = listener->send_limit;
    c->user_timeout_ms = listener->user_timeout_ms;
    c->keepalive_idle_ms = listener->keepalive_idle_ms;
    c->dscp = listener->dscp;
    c->ttl = listener->ttl;
    c->controller = listener->controller & 3u;
    c->mtu = (uint16_t)min_u32(listener->mtu, path_mtu(s, &half->tuple.remote));

    c->snd.iss = half->iss;
    c->snd.una = half->iss;
    c->snd.nxt = seq_add(half->iss, 1);
    c->rcv.irs = half->irs;
    c->rcv.nxt = seq_add(half->irs, 1);
    c->rcv.acked = c->rcv.nxt;
    c->rcv.adv = seq_add(c->rcv.nxt, min_u32(receive_limit(c), UINT16_MAX));
    tcp_tuning_start(s, c);
    c->rcv.up = c->rcv.nxt;
    c->snd.wl1 = half->irs;
    c->snd.wl2 = half->iss;

    struct tcp_options offered = {
        .mss = half->peer_mss, .window_scale = half->peer_scale, .tsval = half->ts_recent};
    if (half->peer_mss != 0)
        offered.present |= DUET_TRACE_MSS;
    if (half->peer_scale != TCP_HALF_OPEN_NO_SCALING)
        offered.present |= DUET_TRACE_WINDOW_SCALE;
    if ((half->flags & TCP_HALF_OPEN_TIMESTAMPS) != 0)
        offered.present |= DUET_TRACE_TIMESTAMPS;
    if ((half->flags & TCP_HALF_OPEN_SACK) != 0)
        offered.present |= DUET_TRACE_SACK_PERMITTED;
    tcp_conn_options(s, c, &offered);
    tcp_ecn_from_half_open(s, c, half);
}

/* ---- borrowing ---- */

bool tcp_borrow_transfer(struct duet_stack *s, struct tcp_conn *c)
{
    if (c->transfer != POOL_NONE)
        return true;
    c->transfer = pool_take(&s->transfers) & POOL_NONE;
    if (c->transfer == POOL_NONE) {
        tcp_rule(s, c, TCP_RULE_NO_TRANSFER_LEFT, NULL);
        return false;
    }
    struct tcp_transfer *t = transfer_of(s, c);
    bytes_clear(t, sizeof *t);
    t->recover = t->small = t->ecn_end = t->disorder_end = t->rack.fack = c->snd.una;
    t->deadline = t->rto_at = t->rack.reorder_at = DUET_NEVER;
    t->progress = t->last_sent = s->now;
    t->pace_at = -DUET_NEVER;
    t->rtt_min_since = s->now_ms;
    buffer_init(&t->send);
    flight_init(&t->flight);
    tcp_verify_begin(s, c);
    tcp_cc_begin(s, c);
    return true;
}

void tcp_return_transfer(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (t == NULL)
        return;
    buffer_clear(&s->buffers, &t->send);
    flight_clear(s, &t->flight);
    pool_give(&s->transfers, c->transfer);
    c->transfer = POOL_NONE;
}

/* Gives the transfer record back if there was no use for it after all. */
void tcp_conn_idle(struct duet_stack *s, struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    bool is_idle = t != NULL && t->send.length == 0 && seq_eq(c->snd.una, c->snd.nxt) &&
                   !conn_is(c, TCP_CONN_FIN_WANTED);
    if (is_idle)
        tcp_return_transfer(s, c);
}

/* ---- into ESTABLISHED ---- */

void tcp_conn_queue_for_accept(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_listener *listener = &s->listeners[c->listener];
    if (list_has(&listener->queue, conn_index(s, c))) /* since its SYN (RFC 7413) */
        return;
    list_append(&listener->queue, conn_index(s, c));
    tcp_tell_listener(s, listener, DUET_EVENT_ACCEPTABLE);
}

/* A repeat of the SYN that has not left yet is owed no longer. */
void tcp_conn_syn_acked(const struct duet_stack *s, struct tcp_conn *c)
{
    tcp_fast_open_syn_acked(s, c);
    if (transfer_of(s, c) != NULL)
        tcp_verify_begin(s, c);
    c->flags |= TCP_CONN_SYN_ACKED;
    c->owes &= (uint8_t)~TCP_OWES_SYN;
}

void tcp_conn_establish(struct duet_stack *s, struct tcp_conn *c, enum tcp_rule rule)
{
    tcp_set_state(s, c, DUET_ESTABLISHED, rule);
    tcp_conn_syn_acked(s, c);
    c->rcv.up = c->rcv.nxt;
    if (conn_is(c, TCP_CONN_SYN_RETRANSMITTED))
        tcp_rto_after_lost_syn(c);
    tcp_cc_init(s, c);
    struct tcp_transfer *t = transfer_of(s, c);
    if (t != NULL) {
        if (!conn_is(c, TCP_CONN_PASSIVE))
            flight_all_lost(s, c, false); /* text of our SYN that was not taken (RFC 7413, 4.2.2) */
        t->retransmissions = 0;
        t->progress = s->now;
        tcp_timer_stop(s, c);
        if (!seq_eq(c->snd.una, c->snd.nxt))
            tcp_timer_restart(s, c, DUET_TIMER_RETRANSMISSION);
    }
    if (conn_is(c, TCP_CONN_UNACCEPTED))
        tcp_conn_queue_for_accept(s, c);
    else if (!conn_is(c, TCP_CONN_PASSIVE))
        tcp_tell(s, c, DUET_EVENT_CONNECTED | DUET_EVENT_WRITABLE);
    if (conn_is(c, TCP_CONN_CLOSE_DEFERRED)) {
        c->flags &= ~(uint32_t)TCP_CONN_CLOSE_DEFERRED;
        c->flags |= TCP_CONN_FIN_WANTED | TCP_CONN_WE_CLOSED_FIRST;
        tcp_set_state(s, c, DUET_FIN_WAIT_1, TCP_RULE_CLOSE);
    }
    tcp_conn_idle(s, c);
}

/* ---- the end ---- */

static void leave_table(struct duet_stack *s, struct tcp_conn *c)
{
    if (conn_is(c, TCP_CONN_IN_TABLE))
        demux_remove(s, &c->tuple);
    c->flags &= ~(uint32_t)TCP_CONN_IN_TABLE;
}

/* Gives back what a connection borrowed, but for bytes that its user may still read. */
static void release(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    c->left.unacknowledged = t == NULL ? 0 : t->send.length;
    c->left.unread = c->receive.length;
    tcp_return_transfer(s, c);
    tcp_return_reassembly(s, c);
    tcp_accecn_return(s, c);
    if (conn_is(c, TCP_CONN_USER_GONE) || c->receive.length == 0)
        buffer_clear(&s->buffers, &c->receive);
    tcp_delayed_ack_stop(c);
    c->owes = 0;
    if (list_link_is_on(&c->owing))
        list_remove(&s->owing, conn_index(s, c));
    wheel_disarm(&s->wheel, conn_index(s, c));
}

void tcp_conn_end(struct duet_stack *s, struct tcp_conn *c, enum tcp_rule rule, int error)
{
    tcp_fast_open_ended(s, c, rule);
    tcp_set_state(s, c, DUET_CLOSED, rule);
    c->error = (int8_t)error;
    leave_table(s, c);
    release(s, c);
    tcp_tell(s, c, DUET_EVENT_CLOSED | (error == DUET_OK ? 0u : DUET_EVENT_READABLE));
}

/* RST, then the end: ABORT and the RFC's other reasons for one (SHLD-3). */
void tcp_conn_reset(struct duet_stack *s, struct tcp_conn *c, enum tcp_rule rule, int error)
{
    reply_conn_reset(s, c, rule);
    tcp_conn_end(s, c, rule, error);
}

void tcp_conn_enter_time_wait(struct duet_stack *s, struct tcp_conn *c, enum tcp_rule rule)
{
    tcp_set_state(s, c, DUET_TIME_WAIT, rule);
    tcp_timer_stop(s, c);
    tcp_return_transfer(s, c);
    tcp_return_reassembly(s, c);
    c->heard = s->now;
    tcp_delayed_ack_stop(c);
    trace_timer(s, c, DUET_TIMER_TIME_WAIT, DUET_TIMER_STARTED, 0, s->now + 2 * s->config.msl,
                rule);
    if (conn_is(c, TCP_CONN_USER_GONE))
        tcp_conn_detach_time_wait(s, c);
}

/* The user is gone and only TIME-WAIT is left: a small record takes over, and the acknowledgement
 * still owed is sent in its name. A handle closed in the middle of TIME-WAIT may find no place in
 * the ring, which is in order of expiry; then the wait ends in the connection. */
void tcp_conn_detach_time_wait(struct duet_stack *s, struct tcp_conn *c)
{
    CHECK(c->state == DUET_TIME_WAIT);
    if (!time_wait_has_place(s, c->heard + 2 * s->config.msl))
        return;
    time_wait_keep(s, c);
    if ((c->owes & TCP_OWES_ACK) != 0)
        reply_conn_ack(s, c);
    c->flags &= ~(uint32_t)TCP_CONN_IN_TABLE;
    c->flags |= TCP_CONN_DETACHED;
    release(s, c);
    tcp_tell(s, c, DUET_EVENT_CLOSED);
}

/* An OPEN that failed half way: nothing of it remains. */
void tcp_conn_unmake(struct duet_stack *s, struct tcp_conn *c)
{
    leave_table(s, c);
    c->generation = 0;
    s->counters.connections--;
    pool_give(&s->conns, conn_index(s, c));
}

static bool has_ended(const struct tcp_conn *c)
{
    return c->state == DUET_CLOSED || conn_is(c, TCP_CONN_DETACHED);
}

/* A connection that nobody has accepted yet dies unseen. */
static void leave_accept_queue(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_listener *listener = &s->listeners[c->listener];
    if (list_has(&listener->queue, conn_index(s, c)))
        list_remove(&listener->queue, conn_index(s, c));
    c->flags &= ~(uint32_t)TCP_CONN_UNACCEPTED;
    c->flags |= TCP_CONN_USER_GONE | TCP_CONN_TOLD_CLOSED;
    c->events = 0;
}

/* To be called at the end of every door and call that touched the connection; c may be gone after
 * it. */
void tcp_conn_settle(struct duet_stack *s, struct tcp_conn *c)
{
    if (s->watch != NULL)
        watch_settled(s, c);
    if (!has_ended(c)) {
        tcp_timers_arm(s, c);
        tcp_conn_must_be_sound(s, c);
        return;
    }
    tcp_conn_must_be_sound(s, c);
    if (conn_is(c, TCP_CONN_UNACCEPTED) && c->receive.length == 0)
        leave_accept_queue(s, c);
    if (!conn_is(c, TCP_CONN_USER_GONE) || !conn_is(c, TCP_CONN_TOLD_CLOSED))
        return;
    buffer_clear(&s->buffers, &c->receive);
    tcp_forget_events(s, c);
    tcp_conn_unmake(s, c);
}
