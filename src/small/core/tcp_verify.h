/* SPDX-License-Identifier: MIT */
/* The small build's stand-in for src/core/tcp_verify.h: what a peer acknowledges is not put to the test
 * (RFC 5681, 5 leaves that open). */
#ifndef CORE_TCP_VERIFY_H
#define CORE_TCP_VERIFY_H

#include "core/seq.h"
#include "core/tcp_flight.h"

struct duet_stack;
struct tcp_conn;
struct tcp_segment;

enum { TCP_VERIFY_INTERVAL = 1 << 22, TCP_VERIFY_SUSPICION = 1 << 17 };

struct tcp_verify {
    struct seq start, since;
    bool due, withheld;
};

static inline void tcp_verify_begin(const struct duet_stack *s, const struct tcp_conn *c)
{
    (void)s;
    (void)c;
}

static inline void tcp_verify_rtt(const struct duet_stack *s, const struct tcp_conn *c,
                                  uint32_t rtt_us)
{
    (void)s;
    (void)c;
    (void)rtt_us;
}

static inline bool tcp_verify_is_due(const struct duet_stack *s, const struct tcp_conn *c)
{
    (void)s;
    (void)c;
    return false;
}

static inline void tcp_verify_withhold(struct duet_stack *s, struct tcp_conn *c)
{
    (void)s;
    (void)c;
}

static inline bool tcp_verify_has_lied(const struct duet_stack *s, const struct tcp_conn *c,
                                       const struct tcp_segment *seg)
{
    (void)s;
    (void)c;
    (void)seg;
    return false;
}

static inline void tcp_verify_sent(const struct duet_stack *s, const struct tcp_conn *c,
                                   struct seq left, struct seq right)
{
    (void)s;
    (void)c;
    (void)left;
    (void)right;
}

static inline bool tcp_verify_lost(struct duet_stack *s, struct tcp_conn *c,
                                   const struct flight_segment *segment)
{
    (void)s;
    (void)c;
    (void)segment;
    return false;
}

#endif
