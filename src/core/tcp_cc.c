/* SPDX-License-Identifier: MIT */
/* Congestion control as the rest of the core calls it: what every controller shares, and the way to
 * the one that a connection has chosen (tcp_cubic.c, tcp_newreno.c).
 *
 *   cwnd starts at   the initial window: RFC 6928, or one segment (RFC 5681, 3.1)
 *        grows       only where it was in use, by bytes acknowledged (RFC 3465, RFC 7661)
 *        restarts    at most at the initial window after an idle RTO (RFC 5681, 4.1)
 *
 * When was the window in use? An acknowledgement that finds the network full, as far as cwnd allows,
 * vouches for everything that was in flight then:
 *
 *        una                 nxt = full_until
 *   ------|-------------------|-------
 *         |<- flight ~ cwnd ->|
 *
 * So it does not matter into how many acknowledgements the peer divides the answer, nor that flight
 * is small when the last of a bunch arrives before anything could be sent. In slow start half of
 * cwnd is enough, for the other half has been opened by the acknowledgements of the same round trip.
 */
#include "base/bytes.h"
#include "core/tcp_controller.h"

static const struct tcp_controller *const controllers[DUET_CONTROLLERS] = {
    [DUET_CUBIC] = &tcp_cubic,
    [DUET_NEWRENO] = &tcp_newreno,
};

static const struct tcp_controller *controller_of(const struct tcp_conn *c)
{
    return controllers[c->controller];
}

/* ---- initial and restart window ---- */

/* Of a window larger than this the loss of a segment tells that it was too large (RFC 6928, 2). */
enum { LARGE_WINDOW = 4096 };

/* RFC 6928: ten segments, bounded in bytes; one if the SYN or SYN,ACK was lost (RFC 5681, 3.1). */
static uint32_t initial_window(const struct duet_stack *s, const struct tcp_conn *c)
{
    uint32_t mss = tcp_send_mss(c);
    if (conn_is(c, TCP_CONN_SYN_RETRANSMITTED))
        return mss;
    return min_u32(s->config.initial_window * mss, max_u32(2 * mss, 14600));
}

/* RFC 3390 once a large first window has lost something: two to four segments. */
static uint32_t restart_window(const struct duet_stack *s, const struct tcp_conn *c)
{
    uint32_t mss = tcp_send_mss(c);
    uint32_t window = initial_window(s, c);
    if (!conn_is(c, TCP_CONN_LARGE_WINDOW_LOST))
        return window;
    return min_u32(window, min_u32(4 * mss, max_u32(2 * mss, 4380)));
}

/* The next cwnd bytes are sent without the clock of acknowledgements. */
static void note_first_window(const struct tcp_conn *c, struct tcp_cc_memory *m, struct seq start)
{
    m->risky_until = c->cwnd > LARGE_WINDOW ? seq_add(start, c->cwnd) : start;
}

void tcp_cc_begin(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_cc_memory *m = &transfer_at(s, c)->cc;
    struct seq first = seq_add(c->snd.iss, 1);
    m->round.end = c->snd.nxt;
    m->full_until = m->risky_until = c->snd.una;
    if (seq_eq(c->snd.una, c->snd.iss) || seq_eq(c->snd.una, first))
        note_first_window(c, m, first);
    controller_of(c)->begin(c, m);
}

void tcp_cc_init(struct duet_stack *s, struct tcp_conn *c)
{
    c->cwnd = initial_window(s, c);
    c->ssthresh = CWND_MAX; /* SHOULD be arbitrarily high */
    c->plateau = TCP_PLATEAU_NEXT;
    struct tcp_transfer *t = transfer_of(s, c);
    if (t != NULL) {
        t->cc = (struct tcp_cc_memory){0};
        tcp_cc_begin(s, c);
    }
    trace_congestion(s, c, TCP_RULE_INITIAL_WINDOW);
}

void tcp_cc_choose(struct duet_stack *s, struct tcp_conn *c, enum duet_controller controller)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (c->controller == controller)
        return;
    c->controller = controller == DUET_CUBIC ? DUET_CUBIC : DUET_NEWRENO;
    c->plateau = TCP_PLATEAU_NEXT;
    if (t == NULL)
        return;
    t->cc.credit = 0;
    t->cc.cubic = (struct tcp_cubic_curve){0};
    t->cc.saved.cwnd = 0; /* nothing to go back to */
}

/* A stage of CUBIC would go back to the window that it began with. */
void tcp_cc_lower(struct duet_stack *s, struct tcp_conn *c, uint32_t cwnd)
{
    struct tcp_transfer *t = transfer_of(s, c);
    c->cwnd = min_u32(c->cwnd, cwnd);
    if (t == NULL)
        return;
    t->cc.cubic.w_est = 0;
    t->cc.credit = 0;
}

/* RFC 5681, 4.1: when nothing has been sent for an RTO, what was learnt about the path is stale. */
void tcp_cc_restart_after_idle(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    uint32_t idle_ms = s->now_ms - c->sent_at;
    if (t != NULL)
        controller_of(c)->paused(s, c);
    if (idle_ms * DUET_MILLISECOND <= tcp_rto(c))
        return;
    uint32_t restart = restart_window(s, c);
    if (c->cwnd <= restart)
        return;
    tcp_cc_lower(s, c, restart);
    if (t != NULL)
        note_first_window(c, &t->cc, c->snd.nxt);
    trace_congestion(s, c, TCP_RULE_RESTART_WINDOW);
}

/* ---- growth ---- */

/* cwnd may be larger than what is sent by two segments (Nagle, silly-window avoidance, a segment
 * that waits for its time), and by an eighth when segments are paced. */
static bool window_is_full(const struct tcp_conn *c, uint32_t flight, uint32_t mss)
{
    uint32_t slack = 2 * mss;
    uint32_t use = c->cwnd < c->ssthresh ? c->cwnd / 2 : c->cwnd - c->cwnd / 8;
    return flight + slack >= use;
}

/* Marks that SND.UNA has passed move on with it, or they would be ahead again 2^31 bytes later. */
static void move_marks(const struct tcp_conn *c, struct tcp_cc_memory *m)
{
    m->full_until = seq_max(m->full_until, c->snd.una);
    m->risky_until = seq_max(m->risky_until, c->snd.una);
    m->round.end = seq_max(m->round.end, c->snd.una);
}

void tcp_cc_acked(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes, uint32_t flight)
{
    struct tcp_cc_memory *m = &transfer_at(s, c)->cc;
    if (bytes == 0)
        return;
    if (window_is_full(c, flight, tcp_send_mss(c)))
        m->full_until = c->snd.nxt;
    struct seq una_before = seq_sub(c->snd.una, bytes);
    bool used = seq_lt(una_before, m->full_until);
    if (seq_eq(m->round.end, una_before)) /* nothing was in flight when the round began */
        m->round.end = c->snd.nxt;
    move_marks(c, m);
    controller_of(c)->acked(s, c, bytes, used && c->cwnd < CWND_MAX);
    c->cwnd = min_u32(c->cwnd, CWND_MAX);
}

/* A window that was not in use does not grow, and a round that has not begun to watch the delay ends
 * nothing. SND.UNA and SND.NXT are the same now, and all of bytes was in flight. */
void tcp_cc_acked_last(struct duet_stack *s, struct tcp_conn *c, uint32_t rtt_us, uint32_t bytes,
                       uint32_t mss)
{
    const struct tcp_cc_memory *m = &transfer_at(s, c)->cc;
    bool used = window_is_full(c, bytes, mss) || seq_lt(seq_sub(c->snd.una, bytes), m->full_until);
    if (!used && m->round.baseline_us == 0 && m->round.samples == 0)
        return;
    tcp_cc_rtt(s, c, rtt_us);
    tcp_cc_acked(s, c, bytes, bytes);
}

/* RFC 5681, 3.1: one segment for an acknowledgement, whatever it covers, and not beyond ssthresh.
 * The first slow start is that of HyStart++. */
uint32_t tcp_slow_start(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes)
{
    if (c->cwnd >= c->ssthresh)
        return bytes;
    if (tcp_hystart_is_active(s, c))
        return tcp_hystart_acked(s, c, bytes);
    uint32_t counted = min_u32(bytes, tcp_send_mss(c));
    uint32_t growth = min_u32(counted, c->ssthresh - c->cwnd);
    c->cwnd += growth;
    return counted - growth;
}

void tcp_cc_rtt(struct duet_stack *s, struct tcp_conn *c, uint32_t rtt_us)
{
    controller_of(c)->rtt(s, c, rtt_us);
}

/* ---- congestion ---- */

/* ssthresh is two segments at least. After ECN cwnd may fall to one, for nothing has to be sent
 * again (RFC 3168, 6.1.2; RFC 9438, 4.6). */
void tcp_reduce_window(struct tcp_conn *c, enum tcp_congestion kind, uint64_t flight,
                       uint32_t numerator, uint32_t denominator)
{
    uint32_t mss = tcp_send_mss(c);
    uint32_t left = (uint32_t)(flight * numerator / denominator);
    c->ssthresh = max_u32(left, 2 * mss);
    if (kind == TCP_CONGESTION_ECN)
        c->cwnd = min_u32(c->cwnd, max_u32(left, mss));
}

void tcp_cc_congestion(struct duet_stack *s, struct tcp_conn *c, enum tcp_congestion kind,
                       uint32_t flight)
{
    struct tcp_cc_memory *m = &transfer_at(s, c)->cc;
    if (kind != TCP_CONGESTION_ECN && seq_lt(c->snd.una, m->risky_until))
        c->flags |= TCP_CONN_LARGE_WINDOW_LOST;
    m->credit = 0;
    m->round.baseline_us = 0;
    controller_of(c)->congestion(s, c, kind, flight);
}

void tcp_cc_remember(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_cc_memory *m = &transfer_at(s, c)->cc;
    m->saved.cubic = m->cubic;
    m->saved.cwnd = c->cwnd;
    m->saved.ssthresh = c->ssthresh;
    m->saved.plateau = c->plateau;
}

void tcp_cc_undo(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_cc_memory *m = &transfer_at(s, c)->cc;
    if (c->cwnd < m->saved.cwnd) {
        m->cubic = m->saved.cubic;
        c->cwnd = m->saved.cwnd;
        c->ssthresh = m->saved.ssthresh;
        c->plateau = m->saved.plateau & 3u;
    }
    m->saved.cwnd = 0;
}

/* ---- pacing ---- */

uint64_t tcp_cc_pacing_rate(const struct duet_stack *s, const struct tcp_conn *c)
{
    return c->srtt_us == 0 ? 0 : controller_of(c)->pacing_rate(s, c);
}

/* cwnd in a round trip would be just enough, if SRTT were the round trip and the window always
 * full. Slow start needs twice that, for it sends two segments for each that is acknowledged;
 * afterwards a fifth more lets the window stay the limit when SRTT lags behind or a timer is late,
 * and still spreads a window over most of the round trip. */
uint64_t tcp_window_rate(const struct duet_stack *s, const struct tcp_conn *c)
{
    (void)s;
    uint64_t per_second =
        (uint64_t)c->cwnd * 8 * 1000000 / c->srtt_us; /* srtt_us is 8 times SRTT */
    return c->cwnd < c->ssthresh ? 2 * per_second : per_second * 6 / 5;
}
