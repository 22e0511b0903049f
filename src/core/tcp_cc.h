/* SPDX-License-Identifier: MIT */
/* The congestion controller of a connection, as the rest of the core sees it (RFC 5681, 3.1).
 *
 * Loss detection and recovery decide what was lost, when, and what is sent again; the controller
 * decides how much may be in flight. It owns cwnd and ssthresh outside recovery; inside, recovery
 * moves cwnd towards the ssthresh that the controller has named. All functions need a connection in
 * a synchronized state; those below tcp_cc_init need its transfer record.
 */
#ifndef CORE_TCP_CC_H
#define CORE_TCP_CC_H

#include "core/seq.h"
#include "duet/stack.h"

struct tcp_conn;

/* What tells that the network is full. */
enum tcp_congestion {
    TCP_CONGESTION_LOSS,
    TCP_CONGESTION_GOES_ON, /* more losses of a disorder that was answered: no new W_max */
    TCP_CONGESTION_ECN,
    TCP_CONGESTION_TIMEOUT,
};

/* Where W_max of CUBIC lies, as far as ssthresh can tell: all that is kept of the curve while
 * nothing is in flight (tcp_cubic.c). */
enum tcp_plateau {
    TCP_PLATEAU_NEXT,       /* where congestion avoidance will begin next */
    TCP_PLATEAU_SSTHRESH,   /* there it began: slow start ended without a loss, or by a timeout */
    TCP_PLATEAU_LOSS,       /* ssthresh / beta */
    TCP_PLATEAU_CONVERGENCE /* ssthresh * (1 + beta) / (2 beta) */
};

/* The variables of RFC 9438, 4.1.2: bytes and microseconds. */
struct tcp_cubic_curve {
    uint32_t w_max, cwnd_prior; /* 0: unknown */
    uint32_t w_est;             /* 0: no stage of congestion avoidance has begun */
    int32_t k_us;               /* negative: the stage began beyond W_max */
    uint32_t t_us;              /* time in this stage, without what the application wasted */
    uint32_t counted_us;        /* low bits of the clock: t_us counts up to here */
};

/* RFC 9406, 4.2. */
struct tcp_hystart_round {
    uint32_t last_min_us, min_us; /* 0: no sample (the RFC: infinity) */
    uint32_t baseline_us;         /* 0: not in conservative slow start */
    struct seq end;               /* windowEnd */
    uint8_t samples;
    uint8_t css_rounds; /* complete ones */
};

/* What a controller keeps while a transfer lasts. */
struct tcp_cc_memory {
    struct tcp_cubic_curve cubic;
    struct tcp_hystart_round round;
    uint32_t credit;        /* acknowledged, not yet turned into a whole byte or segment of cwnd */
    uint32_t est_credit;    /* of W_est: fraction of a byte, in 2^-20 */
    struct seq full_until;  /* what lies before it was in the network while the window was full */
    struct seq risky_until; /* end of an initial or restart window above 4 KB (RFC 6928) */
    struct {
        struct tcp_cubic_curve cubic;
        uint32_t cwnd, ssthresh; /* 0: nothing is remembered */
        uint8_t plateau;
    } saved;
};
_Static_assert(sizeof(struct tcp_cc_memory) <= 96, "many transfers at a time");

/* The one edge into ESTABLISHED: initial window (RFC 6928), ssthresh arbitrarily high. */
void tcp_cc_init(struct duet_stack *s, struct tcp_conn *c);

/* The connection has borrowed a transfer record, which is all zeros: what ssthresh tells is put back into
 * it. */
void tcp_cc_begin(struct duet_stack *s, struct tcp_conn *c);

/* The user wants another controller. cwnd and ssthresh stay. */
void tcp_cc_choose(struct duet_stack *s, struct tcp_conn *c, enum duet_controller controller);

/* SND.UNA advanced over bytes of data, outside recovery; flight is what was in the network before
 * that. The window grows only where it was in use. */
void tcp_cc_acked(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes, uint32_t flight);

/* tcp_cc_rtt and tcp_cc_acked where the transfer is given back right after it: what it would
 * remember is not written down. mss: tcp_send_mss(). */
void tcp_cc_acked_last(struct duet_stack *s, struct tcp_conn *c, uint32_t rtt_us, uint32_t bytes,
                       uint32_t mss);

/* A round trip of a segment that was sent once, in microseconds; before the tcp_cc_acked of the
 * same acknowledgement. */
void tcp_cc_rtt(struct duet_stack *s, struct tcp_conn *c, uint32_t rtt_us);

/* Congestion, told once for each window of data (for timeouts: once for each segment that times
 * out). Sets ssthresh from flight, the bytes that were in the network. After a loss or a timeout
 * the caller sets cwnd; after an echo of ECN it is set here, for it may fall below ssthresh, down
 * to one segment. */
void tcp_cc_congestion(struct duet_stack *s, struct tcp_conn *c, enum tcp_congestion kind,
                       uint32_t flight);

/* To be called in front of tcp_cc_congestion. Should that turn out to have been none, everything
 * the controller knew comes back, cwnd and ssthresh included (RFC 9438, 4.9; RFC 4015), unless cwnd
 * is already above what it was. */
void tcp_cc_remember(struct duet_stack *s, struct tcp_conn *c);
void tcp_cc_undo(struct duet_stack *s, struct tcp_conn *c);

/* Nothing is in flight and something may be sent (RFC 5681, 4.1). Needs no transfer record. */
void tcp_cc_restart_after_idle(struct duet_stack *s, struct tcp_conn *c);

/* cwnd falls for another reason than congestion: an idle time, segments that have become smaller.
 * What the controller makes of ssthresh and of the past starts anew from there. */
void tcp_cc_lower(struct duet_stack *s, struct tcp_conn *c, uint32_t cwnd);

/* Bytes per second at which segments should leave. 0: no round trip is known, as fast as may be. */
uint64_t tcp_cc_pacing_rate(const struct duet_stack *s, const struct tcp_conn *c);

#endif
