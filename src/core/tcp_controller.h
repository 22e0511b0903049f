/* SPDX-License-Identifier: MIT */
/* What a congestion controller is made of, for tcp_cc.c, which calls it through a table, and the
 * parts that controllers share. Of the rest of the core a controller knows cwnd, ssthresh, the
 * smoothed round trip and the sequence numbers of the sending side.
 *
 * One that works by rate instead of by window finds what it needs here: what was delivered and when
 * (acked), every round trip (rtt), and a rate of its own (pacing_rate).
 */
#ifndef CORE_TCP_CONTROLLER_H
#define CORE_TCP_CONTROLLER_H

#include "core/state.h"

enum { CWND_MAX = 1 << 30 }; /* ssthresh: no congestion has been seen yet */

struct tcp_controller {
    /* A transfer record, all zero, is there. */
    void (*begin)(struct tcp_conn *c, struct tcp_cc_memory *m);
    /* bytes of data have been delivered; used: they were in a window that was in use. */
    void (*acked)(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes, bool used);
    void (*rtt)(struct duet_stack *s, struct tcp_conn *c, uint32_t rtt_us);
    void (*congestion)(struct duet_stack *s, struct tcp_conn *c, enum tcp_congestion kind,
                       uint32_t flight);
    /* Nothing was in flight up to now. */
    void (*paused)(struct duet_stack *s, struct tcp_conn *c);
    uint64_t (*pacing_rate)(const struct duet_stack *s, const struct tcp_conn *c);
};

extern const struct tcp_controller tcp_cubic, tcp_newreno;

/* ---- shared by controllers that have a window (tcp_cc.c) ---- */

/* cwnd grows towards ssthresh; returns what is left of bytes for congestion avoidance. */
uint32_t tcp_slow_start(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes);

/* ssthresh for a flight of which only numerator / denominator is to remain. */
void tcp_reduce_window(struct tcp_conn *c, enum tcp_congestion kind, uint64_t flight,
                       uint32_t numerator, uint32_t denominator);
uint64_t tcp_window_rate(const struct duet_stack *s, const struct tcp_conn *c);

/* ---- HyStart++ (tcp_hystart.c) ---- */

bool tcp_hystart_is_active(const struct duet_stack *s, const struct tcp_conn *c);
uint32_t tcp_hystart_acked(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes);
void tcp_hystart_rtt(struct duet_stack *s, struct tcp_conn *c, uint32_t rtt_us);
/* The acknowledgement has been dealt with: is that a new round, a new phase? */
void tcp_hystart_round(struct duet_stack *s, struct tcp_conn *c);

#endif
