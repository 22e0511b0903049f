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

#include <stdbool.h>
#include <stdint.h>

struct duet_stack;
struct tcp_conn;

enum tcp_controller { TCP_CONTROLLER_CUBIC, TCP_CONTROLLER_NEWRENO, TCP_CONTROLLERS };

/* What tells that the network is full. */
enum tcp_congestion { TCP_CONGESTION_LOSS, TCP_CONGESTION_ECN, TCP_CONGESTION_TIMEOUT };

/* What a controller keeps while a transfer lasts. */
struct tcp_cc_memory {
    uint32_t acked_bytes; /* counted towards the next step in congestion avoidance (RFC 3465) */
};

/* The one edge into ESTABLISHED: initial window (RFC 6928), ssthresh arbitrarily high. */
void tcp_cc_init(struct duet_stack *s, struct tcp_conn *c);

/* SND.UNA advanced over bytes of data, outside recovery; flight is what was in the network before
 * that. The window grows only where it was in use. */
void tcp_cc_acked(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes, uint32_t flight);

/* A round trip of a segment that was sent once, in microseconds. */
void tcp_cc_rtt(struct duet_stack *s, struct tcp_conn *c, uint32_t rtt_us);

/* Congestion, told once for each window of data (for timeouts: once for each segment that times
 * out). Sets ssthresh from flight, the bytes that were in the network; the caller then sets cwnd.
 */
void tcp_cc_congestion(struct duet_stack *s, struct tcp_conn *c, enum tcp_congestion kind,
                       uint32_t flight);

/* The congestion told last was none, or is: everything the controller knew before
 * tcp_cc_remember() comes back, cwnd and ssthresh included (RFC 9438, 4.9; RFC 4015). */
void tcp_cc_remember(struct duet_stack *s, struct tcp_conn *c);
void tcp_cc_undo(struct duet_stack *s, struct tcp_conn *c);

/* Nothing is in flight and something is about to be sent (RFC 5681, 4.1). */
void tcp_cc_restart_after_idle(struct duet_stack *s, struct tcp_conn *c);

/* Bytes per second at which segments should leave. 0: no round trip is known, as fast as may be. */
uint64_t tcp_cc_pacing_rate(const struct duet_stack *s, const struct tcp_conn *c);

#endif
