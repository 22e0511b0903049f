/* SPDX-License-Identifier: MIT */
/* Congestion control in a small build: NewReno (RFC 5681, 3.1 and 4.1; windows of RFC 6928).
 *
 *   acknowledged, cwnd < ssthresh   cwnd grows by what was acknowledged, a segment at most
 *   else                            by a segment for each window that was acknowledged
 *   loss                            ssthresh is half of what was in the network, two segments at least
 *   idle for longer than the RTO    cwnd falls to the initial window
 *
 * The window grows only where it was in use (RFC 7661, 1 says why).
 */
#include "core/tcp_cc.h"

#include "base/bytes.h"
#include "core/state.h"

enum { CWND_MAX = 1 << 30 };

/* RFC 6928, 2; after a lost SYN one segment (RFC 5681, 3.1). */
static uint32_t initial_window(const struct duet_stack *s, const struct tcp_conn *c)
{
    uint32_t mss = tcp_send_mss(c);
    if (conn_is(c, TCP_CONN_SYN_RETRANSMITTED))
        return mss;
    return min_u32(s->config.initial_window * mss, max_u32(2 * mss, 14600));
}

void tcp_cc_begin(struct duet_stack *s, struct tcp_conn *c)
{
    transfer_at(s, c)->cc = (struct tcp_cc_memory){.full_until = c->snd.una};
}

void tcp_cc_init(struct duet_stack *s, struct tcp_conn *c)
{
    c->cwnd = initial_window(s, c);
    c->ssthresh = CWND_MAX; /* SHOULD be arbitrarily high */
    if (transfer_of(s, c) != NULL)
        tcp_cc_begin(s, c);
    count_rule(s, TCP_RULE_INITIAL_WINDOW);
}

void tcp_cc_lower(struct duet_stack *s, struct tcp_conn *c, uint32_t cwnd)
{
    struct tcp_transfer *t = transfer_of(s, c);
    c->cwnd = min_u32(c->cwnd, cwnd);
    if (t != NULL)
        t->cc.credit = 0;
}

void tcp_cc_restart_after_idle(struct duet_stack *s, struct tcp_conn *c)
{
    uint32_t idle_ms = (uint32_t)(s->now / DUET_MILLISECOND) - c->sent_at;
    uint32_t restart = initial_window(s, c);
    if (idle_ms * DUET_MILLISECOND <= tcp_rto(c) || c->cwnd <= restart)
        return;
    tcp_cc_lower(s, c, restart);
    count_rule(s, TCP_RULE_RESTART_WINDOW);
}

/* Two segments less than the window still fill it: Nagle and the peer's window take their part. */
static bool window_is_full(const struct tcp_conn *c, uint32_t flight)
{
    uint32_t use = c->cwnd < c->ssthresh ? c->cwnd / 2 : c->cwnd - c->cwnd / 8;
    return flight + 2u * tcp_send_mss(c) >= use;
}

void tcp_cc_acked(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes, uint32_t flight)
{
    struct tcp_cc_memory *m = &transfer_at(s, c)->cc;
    uint32_t mss = tcp_send_mss(c);
    if (window_is_full(c, flight))
        m->full_until = c->snd.nxt;
    bool used = seq_lt(seq_sub(c->snd.una, bytes), m->full_until);
    m->full_until = seq_max(m->full_until, c->snd.una);
    if (!used || c->cwnd >= CWND_MAX)
        return;
    if (c->cwnd < c->ssthresh) {
        c->cwnd += min_u32(min_u32(bytes, mss), c->ssthresh - c->cwnd);
        return;
    }
    m->credit += min_u32(bytes, c->cwnd); /* more than a window is no more than a round trip */
    if (m->credit >= c->cwnd) {
        m->credit -= c->cwnd;
        c->cwnd += mss;
    }
}

void tcp_cc_congestion(struct duet_stack *s, struct tcp_conn *c, enum tcp_congestion kind,
                       uint32_t flight)
{
    (void)kind;
    transfer_at(s, c)->cc.credit = 0;
    c->ssthresh = max_u32(flight / 2, 2u * tcp_send_mss(c));
}
