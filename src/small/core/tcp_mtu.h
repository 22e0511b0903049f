/* SPDX-License-Identifier: MIT */
/* The small build's stand-in for src/core/tcp_mtu.h: routers are believed as far as RFC 5927, 7.2 goes,
 * and a size that vanishes is given up; nothing larger is ever probed for. */
#ifndef CORE_TCP_MTU_H
#define CORE_TCP_MTU_H

#include "core/seq.h"
#include "core/tcp_flight.h"
#include "duet/stack.h"

struct duet_stack;
struct tcp_conn;
struct tcp_transfer;

/* What is kept while a transfer lasts. */
struct tcp_mtu_memory {
    uint32_t epoch;
    struct seq probe_start;         /* there is no probe: probing and judging are never set */
    struct seq claim_seq;           /* what the claim quoted */
    struct seq excuse_end;          /* until this is acknowledged, with excused */
    uint16_t claim;                 /* a path MTU that awaits a timeout to confirm it; 0: none */
    uint16_t size_sent, size_acked; /* largest packet sent, and known to have arrived */
    bool probing, judging;
    bool excused; /* what is lost was too large for the path: no congestion */
};

static inline void tcp_mtu_refresh(struct duet_stack *s, struct tcp_conn *c)
{
    (void)s;
    (void)c;
}

static inline uint32_t tcp_mtu_probe_size(const struct duet_stack *s, const struct tcp_conn *c)
{
    (void)s;
    (void)c;
    return 0;
}

static inline bool tcp_mtu_probe_waits(const struct duet_stack *s, const struct tcp_conn *c)
{
    (void)s;
    (void)c;
    return false;
}

static inline void tcp_mtu_probe_sent(struct duet_stack *s, struct tcp_conn *c, struct seq start,
                                      struct seq end)
{
    (void)s;
    (void)c;
    (void)start;
    (void)end;
}

/* As in src/core/tcp_mtu.h. */
void tcp_mtu_sent(struct duet_stack *s, struct tcp_conn *c, struct seq start, struct seq end);
void tcp_mtu_delivered(struct duet_stack *s, struct tcp_conn *c, struct seq left, struct seq right);
void tcp_mtu_lost(struct duet_stack *s, struct tcp_conn *c, const struct flight_segment *segment);
void tcp_mtu_acked(struct duet_stack *s, struct tcp_conn *c);
void tcp_mtu_timeout(struct duet_stack *s, struct tcp_conn *c);

struct tcp_mtu_claim {
    uint32_t mtu;
    uint32_t quoted_size;
    struct seq quoted_seq;
};
void tcp_mtu_claimed(struct duet_stack *s, struct tcp_conn *c, const struct tcp_mtu_claim *claim);

#endif
