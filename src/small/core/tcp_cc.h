/* SPDX-License-Identifier: MIT */
/* The small build's stand-in for src/core/tcp_cc.h: one controller, NewReno (RFC 5681), which is not asked
 * to take anything back. Functions as described there. */
#ifndef CORE_TCP_CC_H
#define CORE_TCP_CC_H

#include "core/seq.h"
#include "duet/stack.h"

struct tcp_conn;

enum tcp_congestion { TCP_CONGESTION_LOSS, TCP_CONGESTION_GOES_ON, TCP_CONGESTION_TIMEOUT };

struct tcp_cc_memory {
    uint32_t credit;       /* acknowledged, not yet turned into a segment of cwnd */
    struct seq full_until; /* what lies before it was in the network while the window was full */
};

void tcp_cc_init(struct duet_stack *s, struct tcp_conn *c);
void tcp_cc_begin(struct duet_stack *s, struct tcp_conn *c);
void tcp_cc_acked(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes, uint32_t flight);
void tcp_cc_congestion(struct duet_stack *s, struct tcp_conn *c, enum tcp_congestion kind,
                       uint32_t flight);
void tcp_cc_restart_after_idle(struct duet_stack *s, struct tcp_conn *c);
void tcp_cc_lower(struct duet_stack *s, struct tcp_conn *c, uint32_t cwnd);

static inline void tcp_cc_choose(struct duet_stack *s, struct tcp_conn *c,
                                 enum duet_controller controller)
{
    (void)s;
    (void)c;
    (void)controller;
}

static inline void tcp_cc_rtt(struct duet_stack *s, struct tcp_conn *c, uint32_t rtt_us)
{
    (void)s;
    (void)c;
    (void)rtt_us;
}

#endif
