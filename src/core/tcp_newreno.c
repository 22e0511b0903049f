/* SPDX-License-Identifier: MIT */
/* NewReno's window (RFC 5681, 3.1): the standard that others are measured against.
 *
 *   below ssthresh   slow start
 *   above            one segment more for each window of data acknowledged, counted in bytes (RFC
 *                    3465): so one segment a round trip, however the peer acknowledges
 *   congestion       half of what was in flight, two segments at least
 *
 * Which segments are sent again, and when, is not decided here (tcp_loss.c).
 */
#include "base/bytes.h"
#include "core/tcp_controller.h"

static void begin(struct tcp_conn *c, struct tcp_cc_memory *m)
{
    (void)c;
    m->credit = 0;
}

static void acked(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes, bool used)
{
    struct tcp_cc_memory *m = &transfer_at(s, c)->cc;
    if (used)
        bytes = tcp_slow_start(s, c, bytes);
    if (used && c->cwnd >= c->ssthresh) {
        m->credit += min_u32(bytes, c->cwnd); /* more than a window is no more than a round trip */
        if (m->credit >= c->cwnd) {
            m->credit -= c->cwnd;
            c->cwnd += tcp_send_mss(c);
        }
    }
    tcp_hystart_round(s, c);
}

static void congestion(struct duet_stack *s, struct tcp_conn *c, enum tcp_congestion kind,
                       uint32_t flight)
{
    (void)s;
    tcp_reduce_window(c, kind, flight, 1, 2);
}

static void paused(struct duet_stack *s, struct tcp_conn *c)
{
    (void)s;
    (void)c;
}

const struct tcp_controller tcp_newreno = {
    .begin = begin,
    .acked = acked,
    .rtt = tcp_hystart_rtt,
    .congestion = congestion,
    .paused = paused,
    .pacing_rate = tcp_window_rate,
};
