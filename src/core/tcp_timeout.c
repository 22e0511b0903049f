/* SPDX-License-Identifier: MIT */
/* TIMEOUTS (RFC 9293, 3.10.8). A connection has one node on the wheel, armed for the earliest of
 *
 *   timer           runs while                           lasts                  at its end
 *   retransmission  something is unacknowledged          RTO, then doubled      resend from SND.UNA
 *   probe           see tcp_probe.c: before the timer    2 SRTT                 probe the tail
 *   reordering      see tcp_rack.c: instead of it        the reordering window  judge what is missing
 *   pacing          something may not leave yet          see tcp_pace.c         send it
 *   persist         something waits, none in flight      RTO, then doubled      probe the window
 *   user            any of those, or a FIN waits for     user timeout (R2)      give up: E_TIMEOUT
 *                   a record to travel in
 *   delayed ACK     text is unacknowledged by us         config.delayed_ack     acknowledge
 *   keep-alive      enabled, idle, nothing in flight     idle, then interval    probe, or give up
 *   FIN-WAIT-2      nobody will read any more            config                 give up
 *   TIME-WAIT       in that state                        2 MSL                  CLOSED
 *
 * The node moves only to earlier times; when it fires early it is armed again. So an
 * acknowledgement that restarts the retransmission timer costs the wheel nothing. What a message sets and
 * its answer changes is noted by the wheel and never carried out.
 */
#include "base/cold.h"
#include "core/config.h"

#define STARVED_RETRY (100 * DUET_MILLISECOND)

static duet_time earlier(duet_time a, duet_time b)
{
    return a < b ? a : b;
}

/* SHLD-29, SHLD-30: the first probe after one RTO, the next ones exponentially further apart, but
 * none later than the user timeout lets an answer come, or a peer that answers each would seem silent
 * (MUST-37). */
static duet_time probe_interval(const struct duet_stack *s, const struct tcp_conn *c,
                                const struct tcp_transfer *t)
{
    duet_time interval = tcp_rto(c);
    for (unsigned i = 0; i < t->retransmissions && interval < s->config.rto_max; i++)
        interval *= 2;
    duet_time most = (duet_time)c->user_timeout_ms * DUET_MILLISECOND / 4 * 3;
    if (most != 0 && most < interval)
        interval = most > tcp_rto(c) ? most : tcp_rto(c);
    return earlier(interval, s->config.rto_max);
}

/* RFC 7765: with too few segments in flight for duplicate ACKs the timer counts from when the oldest
 * was sent. */
static duet_time head_start(const struct duet_stack *s, const struct tcp_conn *c,
                            const struct tcp_transfer *t)
{
    enum { FEW_SEGMENTS = 4 };
    struct flight_segment oldest = {.sent_us = t->flight.few[0].sent_us};
    if (!FEATURE_RTO_RESTART || !s->config.rto_restart || t->flight.count >= FEW_SEGMENTS ||
        t->flight.count == 0)
        return 0;
    if (t->flight.ring.index != POOL_NONE)
        (void)flight_oldest(s, c, &oldest);
    duet_time age = flight_age_us(s, oldest.sent_us) * DUET_MICROSECOND;
    return age < tcp_rto(c) ? age : 0;
}

void tcp_timer_restart(struct duet_stack *s, struct tcp_conn *c, enum duet_timer timer)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (timer == DUET_TIMER_PERSIST) {
        t->timer = DUET_TIMER_PERSIST;
        t->deadline = s->now + probe_interval(s, c, t);
        return;
    }
    t->timer = DUET_TIMER_RETRANSMISSION;
    t->rto_at = s->now + tcp_rto(c) - head_start(s, c, t);
    tcp_timer_choose(s, c);
}

/* Of the timers of what is in flight one runs: the reordering timer, else the probe's, else the
 * retransmission timer, which none of them outlasts (RFC 8985, 8). */
void tcp_timer_choose(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (t->rto_at == DUET_NEVER || t->timer == DUET_TIMER_PERSIST)
        return;
    duet_time probe = tcp_probe_at(s, c);
    t->timer = DUET_TIMER_RETRANSMISSION;
    if (t->rack.reorder_at <= t->rto_at)
        t->timer = DUET_TIMER_REORDERING;
    else if (probe != DUET_NEVER)
        t->timer = DUET_TIMER_PROBE;
    t->deadline = earlier(t->rto_at, earlier(probe, t->rack.reorder_at));
}

void tcp_timer_stop(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (t == NULL)
        return;
    t->deadline = DUET_NEVER;
    t->rto_at = DUET_NEVER;
    t->rack.reorder_at = DUET_NEVER;
    t->timer = DUET_TIMER_RETRANSMISSION;
}

void tcp_delayed_ack_start(const struct duet_stack *s, struct tcp_conn *c)
{
    if (conn_is(c, TCP_CONN_ACK_DELAYED))
        return;
    /* Rounded up, without a division. */
    duet_time left = s->now - s->now_us * DUET_MICROSECOND + s->delayed_ack_ns;
    uint32_t carried = 0u + (left > 0) + (left > DUET_MICROSECOND);
    c->flags |= TCP_CONN_ACK_DELAYED;
    c->delayed_ack_us = (uint32_t)s->now_us + s->delayed_ack_us + carried;
}

/* When the pending acknowledgement must leave. It is never more than half a second away, so the low
 * bits of its time tell all of it: what seems to lie farther ahead was due before a silence of hours. */
duet_time tcp_delayed_ack_at(const struct duet_stack *s, const struct tcp_conn *c)
{
    int64_t now_us = s->now_us;
    int32_t ahead = (int32_t)(c->delayed_ack_us - (uint32_t)now_us);
    if (!conn_is(c, TCP_CONN_ACK_DELAYED))
        return DUET_NEVER;
    return (now_us + (ahead > DELAYED_ACK_MOST / DUET_MICROSECOND ? 0 : ahead)) * DUET_MICROSECOND;
}

/* ---- when each is due ---- */

/* No transfer record was left for a FIN to travel in. */
static bool fin_waits(const struct tcp_conn *c)
{
    return conn_is(c, TCP_CONN_FIN_WANTED) && !conn_is(c, TCP_CONN_FIN_SENT) &&
           c->transfer == POOL_NONE;
}

/* R2: how long without progress until the connection is given up. */
static inline duet_time give_up_at(const struct duet_stack *s, const struct tcp_conn *c,
                                   const struct tcp_transfer *t)
{
    bool runs = t != NULL ? t->deadline != DUET_NEVER : fin_waits(c);
    if (!runs)
        return DUET_NEVER;
    duet_time user = c->user_timeout_ms * DUET_MILLISECOND;
    duet_time limit = user == 0 ? DUET_NEVER : user;
    if (!conn_is(c, TCP_CONN_SYN_ACKED)) /* in FIN-WAIT-1, too, if the user could not wait */
        limit = earlier(limit, s->config.syn_timeout);
    if (limit == DUET_NEVER)
        return DUET_NEVER;
    return (t != NULL ? t->progress : c->heard) + limit;
}

static bool is_idle(const struct tcp_conn *c)
{
    return seq_eq(c->snd.una, c->snd.nxt) && c->state >= DUET_ESTABLISHED;
}

static duet_time keepalive_at(const struct duet_stack *s, const struct tcp_conn *c)
{
    bool runs = conn_is(c, TCP_CONN_KEEPALIVE) && is_idle(c) && c->state != DUET_TIME_WAIT;
    if (!runs)
        return DUET_NEVER;
    return c->heard + tcp_user_timeout_before_probe(c) * DUET_MILLISECOND +
           c->probes * s->config.keepalive_interval;
}

static duet_time fin_wait_2_at(const struct duet_stack *s, const struct tcp_conn *c)
{
    bool runs = c->state == DUET_FIN_WAIT_2 && conn_is(c, TCP_CONN_USER_GONE);
    return runs ? c->heard + s->config.fin_wait_2_timeout : DUET_NEVER;
}

static duet_time time_wait_at(const struct duet_stack *s, const struct tcp_conn *c)
{
    bool runs = c->state == DUET_TIME_WAIT && !conn_is(c, TCP_CONN_DETACHED);
    return runs ? c->heard + 2 * s->config.msl : DUET_NEVER;
}

/* A pool was empty: a FIN found no transfer record to travel in, or duet_send no memory while
 * nothing of this connection is in flight whose acknowledgement would wake it. It asks again. */
static bool is_starved(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    if (!conn_is(c, TCP_CONN_FIN_WANTED | TCP_CONN_WRITE_BLOCKED))
        return false;
    bool user_waits = conn_is(c, TCP_CONN_WRITE_BLOCKED) && (t == NULL || t->send.length == 0);
    return user_waits || fin_waits(c);
}

static void feed_starved(struct duet_stack *s, struct tcp_conn *c)
{
    if (conn_is(c, TCP_CONN_FIN_WANTED))
        tcp_owe(s, c, TCP_OWES_DATA, TCP_RULE_CLOSE);
    if (conn_is(c, TCP_CONN_WRITE_BLOCKED)) {
        c->flags &= ~(uint32_t)TCP_CONN_WRITE_BLOCKED;
        tcp_tell(s, c, DUET_EVENT_WRITABLE);
    }
}

/* Those that a connection may have while neither end closes. */
static inline duet_time due_in_dialogue(const struct duet_stack *s, const struct tcp_conn *c,
                                        const struct tcp_transfer *t)
{
    duet_time due = earlier(t == NULL ? DUET_NEVER : t->deadline, give_up_at(s, c, t));
    if (FEATURE_PACING && t != NULL && t->paced)
        due = earlier(due, t->pace_at);
    if (conn_is(c, TCP_CONN_ACK_DELAYED))
        due = earlier(due, tcp_delayed_ack_at(s, c));
    return due;
}

/* The earliest of all timers of a connection, or DUET_NEVER. */
COLD duet_time tcp_timers_due(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    duet_time due = due_in_dialogue(s, c, t);
    if (conn_is(c, TCP_CONN_KEEPALIVE))
        due = earlier(due, keepalive_at(s, c));
    due = earlier(due, fin_wait_2_at(s, c));
    return earlier(due, time_wait_at(s, c));
}

static COLD void arm_any(struct duet_stack *s, struct tcp_conn *c)
{
    duet_time due = tcp_timers_due(s, c);
    if (is_starved(s, c)) {
        due = earlier(due, s->now + STARVED_RETRY);
        wheel_carry_out(&s->wheel); /* or what is noted would begin anew each time */
    }
    wheel_set(&s->wheel, conn_index(s, c), due);
}

void tcp_timers_arm(struct duet_stack *s, struct tcp_conn *c)
{
    const uint32_t others = TCP_CONN_KEEPALIVE | TCP_CONN_FIN_WANTED | TCP_CONN_WRITE_BLOCKED;
    bool is_dialogue = c->state == DUET_ESTABLISHED && !conn_is(c, others);
    if (FEATURE_FAST_PATH && is_dialogue)
        wheel_set(&s->wheel, conn_index(s, c), due_in_dialogue(s, c, transfer_of(s, c)));
    else
        arm_any(s, c);
}

/* ---- what each does ---- */

/* R1: negative advice, and a soft error for the user, once (SHLD-9, SHLD-10, MUST-20). */
static void check_r1(struct duet_stack *s, struct tcp_conn *c, struct tcp_transfer *t)
{
    if (t->retransmissions < s->config.r1_retransmissions || t->r1_told)
        return;
    t->r1_told = true;
    tcp_rule(s, c, TCP_RULE_R1_REACHED, NULL);
    tcp_soft_error(s, c, DUET_E_TIMEOUT);
}

static void retransmission_expired(struct duet_stack *s, struct tcp_conn *c, struct tcp_transfer *t)
{
    if (!conn_is(c, TCP_CONN_SYN_ACKED)) {
        tcp_fast_open_syn_timeout(s, c);
        c->flags |= TCP_CONN_SYN_RETRANSMITTED;
        t->timing = false;
        flight_all_lost(s, c, false);
        tcp_owe(s, c, TCP_OWES_SYN | TCP_OWES_DATA, TCP_RULE_SYN_RETRANSMITTED);
    } else {
        tcp_mtu_timeout(s, c);
        tcp_loss_timeout(s, c);
        tcp_owe(s, c, TCP_OWES_RETRANSMIT | TCP_OWES_DATA, TCP_RULE_RETRANSMISSION_TIMEOUT);
    }
}

static enum tcp_rule transfer_rule(const struct tcp_conn *c, const struct tcp_transfer *t)
{
    if (t->timer == DUET_TIMER_PERSIST && t->ecn_hold != 0)
        return TCP_RULE_ECN_WINDOW_OF_ONE;
    if (t->timer == DUET_TIMER_PERSIST)
        return c->snd.wnd > 0 ? TCP_RULE_SWS_OVERRIDE : TCP_RULE_PERSIST_TIMEOUT;
    return conn_is(c, TCP_CONN_SYN_ACKED) ? TCP_RULE_RETRANSMISSION_TIMEOUT
                                          : TCP_RULE_SYN_RETRANSMITTED;
}

/* The timers of RFC 8985 run out before the retransmission timer does, and leave it running. */
static void early_timer_expired(struct duet_stack *s, struct tcp_conn *c,
                                const struct tcp_transfer *t)
{
    enum duet_timer timer = (enum duet_timer)t->timer;
    bool is_probe = timer == DUET_TIMER_PROBE;
    enum tcp_rule rule = is_probe ? TCP_RULE_TAIL_LOSS_PROBE : TCP_RULE_REORDERING_TIMEOUT;
    tcp_rule(s, c, rule, NULL);
    trace_timer(s, c, timer, DUET_TIMER_EXPIRED, 1, 0, rule);
    if (!is_probe) {
        tcp_loss_reordering_expired(s, c);
        return;
    }
    tcp_probe_expired(s, c);
    tcp_timer_restart(s, c, DUET_TIMER_RETRANSMISSION);
}

static void transfer_timer_expired(struct duet_stack *s, struct tcp_conn *c, struct tcp_transfer *t)
{
    enum duet_timer timer = (enum duet_timer)t->timer;
    if (timer == DUET_TIMER_PROBE || timer == DUET_TIMER_REORDERING) {
        early_timer_expired(s, c, t);
        return;
    }
    enum tcp_rule rule = transfer_rule(c, t);
    tcp_rule(s, c, rule, NULL);
    if (t->retransmissions < UINT8_MAX)
        t->retransmissions++;
    trace_timer(s, c, timer, DUET_TIMER_EXPIRED, t->retransmissions, 0, rule);
    if (timer == DUET_TIMER_PERSIST)
        tcp_owe(s, c, TCP_OWES_PROBE, rule);
    else {
        retransmission_expired(s, c, t);
        tcp_rto_back_off(s, c);
    }
    if (timer == DUET_TIMER_RETRANSMISSION)
        check_r1(s, c, t);
    tcp_timer_restart(s, c, timer);
}

static void keepalive_expired(struct duet_stack *s, struct tcp_conn *c)
{
    if (c->probes >= s->config.keepalive_probes) {
        tcp_conn_reset(s, c, TCP_RULE_KEEPALIVE_FAILED, DUET_E_TIMEOUT);
        return;
    }
    c->heard += s->now - keepalive_at(s, c); /* asked late: the answer has its whole interval */
    c->probes++;
    count_rule(s, TCP_RULE_KEEPALIVE_PROBE);
    trace_timer(s, c, DUET_TIMER_KEEPALIVE, DUET_TIMER_EXPIRED, c->probes, 0,
                TCP_RULE_KEEPALIVE_PROBE);
    tcp_owe(s, c, TCP_OWES_KEEPALIVE, TCP_RULE_KEEPALIVE_PROBE);
}

/* Runs what is due. The first that ends the connection ends the run. */
static void run(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (s->now >= time_wait_at(s, c)) {
        trace_timer(s, c, DUET_TIMER_TIME_WAIT, DUET_TIMER_EXPIRED, 1, 0,
                    TCP_RULE_TIME_WAIT_EXPIRED);
        tcp_conn_end(s, c, TCP_RULE_TIME_WAIT_EXPIRED, DUET_OK);
        return;
    }
    if (s->now >= fin_wait_2_at(s, c)) {
        trace_timer(s, c, DUET_TIMER_FIN_WAIT_2, DUET_TIMER_EXPIRED, 1, 0,
                    TCP_RULE_FIN_WAIT_2_TIMEOUT);
        tcp_conn_end(s, c, TCP_RULE_FIN_WAIT_2_TIMEOUT, DUET_E_TIMEOUT);
        return;
    }
    if (s->now >= give_up_at(s, c, t)) {
        trace_timer(s, c, DUET_TIMER_USER, DUET_TIMER_EXPIRED, 1, 0, TCP_RULE_USER_TIMEOUT);
        tcp_conn_end(s, c, TCP_RULE_USER_TIMEOUT, DUET_E_TIMEOUT);
        return;
    }
    if (t != NULL && s->now >= t->deadline)
        transfer_timer_expired(s, c, t);
    if (FEATURE_PACING && t != NULL && t->paced && s->now >= t->pace_at) {
        t->paced = false;
        tcp_owe(s, c, TCP_OWES_DATA, TCP_RULE_SEND_DATA);
    }
    if (s->now >= tcp_delayed_ack_at(s, c)) {
        tcp_delayed_ack_stop(c);
        tcp_owe(s, c, TCP_OWES_ACK, TCP_RULE_DELAYED_ACK);
        tcp_rule(s, c, TCP_RULE_DELAYED_ACK, NULL);
    }
    if (is_starved(s, c))
        feed_starved(s, c);
    if (s->now >= keepalive_at(s, c))
        keepalive_expired(s, c);
}

void tcp_timeouts(struct duet_stack *s)
{
    uint32_t index;
    while ((index = wheel_expire(&s->wheel, s->now)) != WHEEL_NONE) {
        struct tcp_conn *c = conn_at(s, index);
        if (tcp_ack_rest(s, c) == TCP_CONTINUE)
            run(s, c);
        tcp_conn_settle(s, c);
    }
}
