/* SPDX-License-Identifier: MIT */
/* Tests whether a peer acknowledges only what it has received (tcp_verify.c). */
#ifndef CORE_TCP_VERIFY_H
#define CORE_TCP_VERIFY_H

#include "core/seq.h"
#include "core/tcp_flight.h"

struct duet_stack;
struct tcp_conn;
struct tcp_segment;

/* Bytes that are sent at least before a test of a peer that gives no reason for one, and of one that
 * does. */
enum { TCP_VERIFY_INTERVAL = 1 << 22, TCP_VERIFY_SUSPICION = 1 << 17 };

/* What is kept while a transfer lasts. */
struct tcp_verify {
    struct seq start;   /* withheld: of the segment that counts as sent, and has not been */
    struct seq since;   /* SND.NXT when the latest test was passed */
    uint32_t proven_us; /* the least round trip that was proven; 0: none */
    bool due;           /* a test ought to begin */
    bool withheld;      /* one runs */
};

/* A transfer begins, or the handshake that it began with has ended. */
void tcp_verify_begin(const struct duet_stack *s, const struct tcp_conn *c);
/* A round trip shorter than all of the latest seconds. */
void tcp_verify_rtt(const struct duet_stack *s, const struct tcp_conn *c, uint32_t rtt_us);
/* Has enough been sent since the latest test? */
bool tcp_verify_is_due(const struct duet_stack *s, const struct tcp_conn *c);
/* New text is about to leave, and a test is due or may be after TCP_VERIFY_INTERVAL: its first segment
 * stays, if it is time for that. */
void tcp_verify_withhold(struct duet_stack *s, struct tcp_conn *c);

/* While a test runs: does the segment acknowledge what was never sent? */
bool tcp_verify_has_lied(const struct duet_stack *s, const struct tcp_conn *c,
                         const struct tcp_segment *seg);

/* Text of [left, right), which counted as sent, leaves. */
void tcp_verify_sent(const struct duet_stack *s, const struct tcp_conn *c, struct seq left,
                     struct seq right);
/* A segment was found lost. True: it was withheld, and the test is passed; that is no congestion. */
bool tcp_verify_lost(struct duet_stack *s, struct tcp_conn *c,
                     const struct flight_segment *segment);

#endif
