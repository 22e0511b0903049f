/* SPDX-License-Identifier: MIT */
/* What must hold from one door to the next (tcp_watch.h). Whatever a connection was at the end of
 * the door before is compared with what it is now, then remembered in its place. */
#include "core/user.h"

#include <string.h>

uint64_t watch_size(const struct duet_config *config)
{
    return config->watch ? sizeof(struct watch) +
                               (uint64_t)config->connections_max * sizeof(struct watch_conn)
                         : 0;
}

void watch_broken(struct duet_stack *s, const char *what)
{
    if (s->watch->broken == NULL)
        s->watch->broken = what;
}

/* ---- what is remembered ---- */

static uint8_t retransmissions_of(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    return t == NULL ? 0 : t->retransmissions;
}

static void remember(const struct duet_stack *s, const struct tcp_conn *c, struct watch_conn *w)
{
    w->una = c->snd.una;
    w->nxt = c->snd.nxt;
    w->rcv_nxt = c->rcv.nxt;
    w->adv = c->rcv.adv;
    w->wnd = c->snd.wnd;
    w->transfer = c->transfer;
    w->flags = c->flags;
    w->state = c->state;
    w->retransmissions = retransmissions_of(s, c);
}

struct watch_conn *watch_of(struct duet_stack *s, const struct tcp_conn *c)
{
    struct watch_conn *w = &s->watch->conns[conn_index(s, c)];
    if (w->generation == c->generation)
        return w;
    *w = (struct watch_conn){.generation = c->generation};
    w->end = tcp_send_end(s, c);
    w->right = c->snd.nxt;
    remember(s, c, w);
    return w;
}

void watch_written(struct duet_stack *s, const struct tcp_conn *c, uint32_t bytes)
{
    bool is_known = s->watch->conns[conn_index(s, c)].generation == c->generation;
    struct watch_conn *w = watch_of(s, c);
    if (is_known)
        w->end = seq_add(w->end, bytes);
}

/* ---- what never goes back ---- */

static const char *check_send(const struct duet_stack *s, const struct tcp_conn *c,
                              struct watch_conn *w)
{
    if (!seq_le(w->una, c->snd.una))
        return "I-02: SND.UNA went back";
    if (!seq_le(w->nxt, c->snd.nxt))
        return "I-02: SND.NXT went back";
    bool fin_acked = conn_is(c, TCP_CONN_FIN_ACKED);
    struct seq end = fin_acked ? seq_sub(c->snd.una, 1) : tcp_send_end(s, c);
    if (!seq_eq(end, w->end))
        return "I-01: the sequence space is not the SYN, what was written, and the FIN";
    struct seq right = seq_add(c->snd.una, c->snd.wnd);
    if (c->state <= DUET_SYN_RECEIVED) /* Fast Open: text before there is a window */
        right = seq_max(right, c->snd.nxt);
    w->right = seq_max(w->right, right);
    if (seq_lt(seq_add(w->right, 1), c->snd.nxt))
        return "I-03: more was sent than the peer ever offered to take, and one";
    return NULL;
}

static const char *check_receive(const struct tcp_conn *c, const struct watch_conn *w)
{
    if (w->state <= DUET_SYN_SENT)
        return NULL;
    if (!seq_le(w->adv, c->rcv.adv))
        return "I-12: the right edge of the receive window went back";
    if (!seq_le(w->rcv_nxt, c->rcv.nxt))
        return "I-13: RCV.NXT went back";
    if ((w->flags & TCP_CONN_FIN_RECEIVED) != 0 && !seq_eq(w->rcv_nxt, c->rcv.nxt))
        return "I-17: RCV.NXT moved behind the FIN";
    return NULL;
}

/* The backoff of the timer ends with a sign of life of the peer, not before. */
static const char *check_backoff(const struct duet_stack *s, const struct tcp_conn *c,
                                 const struct watch_conn *w)
{
    bool is_the_same = w->transfer == c->transfer && w->state == c->state;
    bool no_news = seq_eq(w->una, c->snd.una) && w->wnd == c->snd.wnd;
    if (is_the_same && no_news && retransmissions_of(s, c) < w->retransmissions)
        return "I-29: the backoff ended though nothing was acknowledged";
    return NULL;
}

/* Is there a way along the edges of tcp_edges.def? One door may take several. */
static bool leads_to(unsigned from, unsigned to)
{
    unsigned reached = 1u << from, before = 0;
    while (reached != before && (reached >> to & 1) == 0) {
        before = reached;
        for (unsigned i = 0; i < duet_edge_count(); i++)
            if ((before >> duet_edge(i)->from & 1) != 0 && duet_edge(i)->from != DUET_CLOSED)
                reached |= 1u << duet_edge(i)->to;
    }
    return (reached >> to & 1) != 0;
}

static const char *check_state(const struct tcp_conn *c, const struct watch_conn *w)
{
    bool is_new = w->state == DUET_CLOSED && c->generation == w->generation;
    if (c->state != w->state && !is_new && !leads_to(w->state, c->state))
        return "I-21: no edges lead from the state before to this one";
    uint32_t sticky = TCP_CONN_FIN_SENT | TCP_CONN_FIN_ACKED | TCP_CONN_FIN_RECEIVED |
                      TCP_CONN_SYN_ACKED | TCP_CONN_USER_GONE;
    if ((w->flags & sticky & ~c->flags) != 0)
        return "I-21: a FIN, or the acknowledgement of one, was forgotten";
    return NULL;
}

static const char *check_ended(const struct tcp_conn *c)
{
    bool is_clean = c->state == DUET_CLOSED && c->error == DUET_OK;
    if (is_clean && conn_is(c, TCP_CONN_FIN_ACKED) && c->left.unacknowledged > 0)
        return "I-54: our FIN was acknowledged and what was before it was not";
    return NULL;
}

void watch_compare(struct duet_stack *s, const struct tcp_conn *c)
{
    struct watch *watch = s->watch;
    struct watch_conn *w = watch_of(s, c);
    bool has_ended = c->state == DUET_CLOSED || conn_is(c, TCP_CONN_DETACHED);
    const char *broken = s->now < watch->now ? "I-59: the clock went back" : NULL;
    watch->now = s->now;
    if (broken == NULL)
        broken = check_state(c, w);
    if (broken == NULL)
        broken = has_ended ? check_ended(c) : check_send(s, c, w);
    if (broken == NULL && !has_ended)
        broken = check_receive(c, w);
    if (broken == NULL && !has_ended)
        broken = check_backoff(s, c, w);
    if (broken != NULL)
        watch_broken(s, broken);
    remember(s, c, w);
}

void watch_settled(struct duet_stack *s, const struct tcp_conn *c)
{
    watch_compare(s, c);
    s->watch->outputs = 0;
}

/* I-33: whatever ran is off, or runs later. */
void watch_expired(struct duet_stack *s)
{
    s->watch->outputs = 0;
    if (duet_deadline(s) <= s->now)
        watch_broken(s, "I-33: a timer is still due after all timers have run");
}
