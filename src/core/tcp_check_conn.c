/* SPDX-License-Identifier: MIT */
/* The invariants of one connection that cost nothing to look at: a few comparisons of numbers that a
 * door has just used. They stand in every build, at the end of each door that touched the
 * connection; duet_check() asks for them, too (tcp_check.c). What they cost is told by
 * bench/check_cost.py; so the fields are read here as they lie, without a call. */
#include "base/check.h"
#include "base/cold.h"
#include "core/user.h"

static bool owes(const struct tcp_conn *c)
{
    return c->owes != 0;
}

static const char *check_ended(const struct duet_stack *s, const struct tcp_conn *c)
{
    if (c->transfer != POOL_NONE || c->reassembly != POOL_NONE || owes(c))
        return "I-30: an ended connection holds something";
    if (conn_is(c, TCP_CONN_IN_TABLE) || wheel_is_armed(&s->wheel, conn_index(s, c)))
        return "I-30: an ended connection can still be found, or has a timer";
    return NULL;
}

static const char *check_receive(const struct tcp_conn *c)
{
    if (!seq_le(c->rcv.nxt, c->rcv.adv))
        return "I-13: RCV.NXT is beyond what was advertised";
    if (!seq_le(c->rcv.acked, c->rcv.nxt))
        return "I-20: more was acknowledged than received";
    return NULL;
}

static const char *check_synchronized(const struct duet_stack *s, const struct tcp_conn *c)
{
    if (conn_is(c, TCP_CONN_SYN_ACKED) && (c->cwnd == 0 || c->ssthresh == 0))
        return "I-22: a synchronized connection whose congestion window was never set";
    if (c->challenges > s->config.challenge_limit)
        return "I-37: more challenges than the limit";
    return check_receive(c);
}

static const char *check_transfer(const struct duet_stack *s, const struct tcp_conn *c,
                                  const struct tcp_transfer *t)
{
    struct seq start = conn_is(c, TCP_CONN_SYN_ACKED) ? c->snd.una : seq_add(c->snd.iss, 1);
    struct seq behind_fin = seq_add(start, t->send.length + 1);
    uint32_t flight = seq_distance(c->snd.una, c->snd.nxt);
    bool runs = t->deadline != DUET_NEVER;
    if (!seq_le(c->snd.nxt, behind_fin))
        return "I-10: SND.NXT is beyond the FIN";
    if (t->flight.sacked + t->flight.lost > flight)
        return "I-05: more is sacked and lost than was sent";
    if (t->send.length > s->config.send_buffer)
        return "I-07: more is queued than a connection may hold";
    if (flight > 0 && !runs && !owes(c))
        return "I-24: something is unacknowledged and no timer runs";
    return NULL;
}

const char *tcp_conn_check(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    const char *broken = NULL;
    if (c->state == DUET_LISTEN || c->state >= DUET_STATES)
        return "I-21: a connection in no state of its own";
    if (c->state == DUET_CLOSED || conn_is(c, TCP_CONN_DETACHED))
        return check_ended(s, c);
    if (!seq_le(c->snd.una, c->snd.nxt))
        return "I-01: SND.UNA is beyond SND.NXT";
    if (owes(c) != (c->owing.next != LIST_OFF))
        return "I-31: a debt that nobody will pay, or a place on the list without one";
    if (t != NULL)
        broken = check_transfer(s, c, t);
    else if (!seq_eq(c->snd.una, c->snd.nxt))
        return "I-24: something is in flight with no record of it";
    if (broken == NULL && c->state >= DUET_ESTABLISHED)
        broken = check_synchronized(s, c);
    else if (broken == NULL && c->state == DUET_SYN_RECEIVED)
        broken = check_receive(c);
    return broken;
}

/* Of numbers that are not after each other the difference has its highest bit set. */
static bool is_in_order(struct seq a, struct seq b, struct seq c)
{
    return ((seq_distance(a, b) | seq_distance(b, c)) >> 31) == 0;
}

/* The same for what nearly every connection is: then nothing above would find fault. A FIN takes one
 * number more than there is text. */
static inline bool is_plainly_sound(const struct duet_stack *s, const struct tcp_conn *c)
{
    uint32_t flight = seq_distance(c->snd.una, c->snd.nxt);
    bool is_open = c->state - (unsigned)DUET_ESTABLISHED <= DUET_LAST_ACK - DUET_ESTABLISHED;
    if (!is_open || !conn_is(c, TCP_CONN_SYN_ACKED) || owes(c) != list_link_is_on(&c->owing) ||
        !is_in_order(c->rcv.acked, c->rcv.nxt, c->rcv.adv) || c->cwnd == 0 || c->ssthresh == 0 ||
        c->challenges > s->config.challenge_limit)
        return false;
    if (c->transfer == POOL_NONE)
        return flight == 0;
    const struct tcp_transfer *t = transfer_of(s, c);
    return flight <= t->send.length + conn_is(c, TCP_CONN_FIN_SENT) &&
           t->send.length <= s->config.send_buffer && t->flight.sacked + t->flight.lost <= flight &&
           (flight == 0 || t->deadline != DUET_NEVER || owes(c));
}

/* What looks twice, for it was not plain. */
COLD static void look_closer(const struct duet_stack *s, const struct tcp_conn *c)
{
    const char *broken = tcp_conn_check(s, c);
    if (broken != NULL)
        check_failed(broken, __FILE__, __LINE__);
}

void tcp_conn_must_be_sound(const struct duet_stack *s, const struct tcp_conn *c)
{
    if (!FEATURE_FAST_PATH || !is_plainly_sound(s, c))
        look_closer(s, c);
}
