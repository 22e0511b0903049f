/* SPDX-License-Identifier: MIT */
/* Congestion window (RFC 5681): slow start and congestion avoidance, by bytes acknowledged (RFC
 * 3465 with L = 1), so that dividing acknowledgements gains nothing. What a loss does to the window
 * stands in tcp_loss.c. */
#include "base/bytes.h"
#include "core/state.h"

enum { CWND_MAX = 1 << 30 };

/* RFC 6928: ten segments, bounded in bytes; one if the SYN or SYN,ACK was lost (RFC 5681, 3.1). */
static uint32_t initial_window(const struct duet_stack *s, const struct tcp_conn *c)
{
    uint32_t mss = tcp_send_mss(c);
    if (conn_is(c, TCP_CONN_SYN_RETRANSMITTED))
        return mss;
    return min_u32(s->config.initial_window * mss, max_u32(2 * mss, 14600));
}

void tcp_cc_init(struct duet_stack *s, struct tcp_conn *c)
{
    c->cwnd = initial_window(s, c);
    c->ssthresh = CWND_MAX; /* SHOULD be arbitrarily high */
    trace_congestion(s, c, TCP_RULE_INITIAL_WINDOW);
}

/* bytes of new data were acknowledged while there was no loss. The window grows only where it was
 * in use. */
void tcp_cc_acked(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes, uint32_t flight)
{
    struct tcp_transfer *t = transfer_of(s, c);
    uint32_t mss = tcp_send_mss(c);
    if (c->cwnd >= CWND_MAX || flight + 2 * mss < c->cwnd / 2)
        return;
    if (c->cwnd < c->ssthresh) {
        c->cwnd += min_u32(bytes, mss);
        return;
    }
    t->cc.acked_bytes += bytes;
    if (t->cc.acked_bytes >= c->cwnd) {
        t->cc.acked_bytes -= c->cwnd;
        c->cwnd += mss;
    }
}

/* RFC 5681, 4.1: when nothing has been sent for an RTO, what was learnt about the path is stale. */
void tcp_cc_restart_after_idle(struct duet_stack *s, struct tcp_conn *c)
{
    uint32_t restart = initial_window(s, c);
    uint32_t idle_ms = (uint32_t)(s->now / DUET_MILLISECOND) - c->sent_at;
    if (idle_ms * DUET_MILLISECOND <= tcp_rto(c) || c->cwnd <= restart)
        return;
    c->cwnd = restart;
    trace_congestion(s, c, TCP_RULE_RESTART_WINDOW);
}

void tcp_cc_rtt(struct duet_stack *s, struct tcp_conn *c, uint32_t rtt_us)
{
    (void)s;
    (void)c;
    (void)rtt_us;
}

void tcp_cc_congestion(struct duet_stack *s, struct tcp_conn *c, enum tcp_congestion kind,
                       uint32_t flight)
{
    (void)kind;
    c->ssthresh = max_u32(flight / 2, 2u * tcp_send_mss(c));
    transfer_of(s, c)->cc.acked_bytes = 0;
}

void tcp_cc_remember(struct duet_stack *s, struct tcp_conn *c)
{
    (void)s;
    (void)c;
}

void tcp_cc_undo(struct duet_stack *s, struct tcp_conn *c)
{
    (void)s;
    (void)c;
}

uint64_t tcp_cc_pacing_rate(const struct duet_stack *s, const struct tcp_conn *c)
{
    (void)s;
    (void)c;
    return 0;
}
