/* SPDX-License-Identifier: MIT */
/* The trace: one stream of small plain events from which everything that people see is made.
 *
 * A stack configured with trace_events > 0 keeps the latest events in its own block until
 * duet_next_trace() takes them. Take them after each door and call: what stands between two doors
 * belongs to the first.
 */
#ifndef DUET_TRACE_H
#define DUET_TRACE_H

#include "stack.h"

#ifdef __cplusplus
extern "C" {
#endif

enum duet_trace_kind {
    DUET_TRACE_SEGMENT_IN,  /* a TCP segment arrived and was parsed: .segment */
    DUET_TRACE_SEGMENT_OUT, /* a TCP segment was built, because of rule: .segment */
    DUET_TRACE_RULE,        /* a decision about the segment, call or timer at hand: .tcb */
    DUET_TRACE_STATE,       /* a change of state, because of rule: .state */
    DUET_TRACE_TIMER,       /* a timer was started, stopped or ran out: .timer */
    DUET_TRACE_CALL,        /* a user call: .call */
    DUET_TRACE_CONGESTION,  /* congestion window or estimates, after a rule or an acknowledgement:
                               .congestion */
    DUET_TRACE_KINDS
};

/* Control bits as on the wire (RFC 9293, section 3.1). */
enum duet_flag {
    DUET_FIN = 1 << 0,
    DUET_SYN = 1 << 1,
    DUET_RST = 1 << 2,
    DUET_PSH = 1 << 3,
    DUET_ACK = 1 << 4,
    DUET_URG = 1 << 5,
    DUET_ECE = 1 << 6,
    DUET_CWR = 1 << 7,
    DUET_AE = 1 << 8,
};

enum duet_trace_option { /* which TCP options the segment carried */
                         DUET_TRACE_MSS = 1 << 0,
                         DUET_TRACE_WINDOW_SCALE = 1 << 1,
                         DUET_TRACE_SACK_PERMITTED = 1 << 2,
                         DUET_TRACE_SACK = 1 << 3,
                         DUET_TRACE_TIMESTAMPS = 1 << 4,
                         DUET_TRACE_OTHER = 1 << 5,
                         DUET_TRACE_FAST_OPEN = 1 << 6,
                         DUET_TRACE_USER_TIMEOUT = 1 << 7,
                         DUET_TRACE_ACCURATE_ECN = 1 << 8,
};

enum duet_timer {
    DUET_TIMER_RETRANSMISSION,
    DUET_TIMER_PERSIST,
    DUET_TIMER_DELAYED_ACK,
    DUET_TIMER_KEEPALIVE,
    DUET_TIMER_TIME_WAIT,
    DUET_TIMER_USER,
    DUET_TIMER_FIN_WAIT_2,
    DUET_TIMER_PROBE,      /* RFC 8985, 7 */
    DUET_TIMER_REORDERING, /* RFC 8985, 6.2 */
    DUET_TIMERS
};
/* What the congestion window is doing (RFC 5681, 3.1 and 3.2; RFC 6298, 5). */
enum duet_phase {
    DUET_PHASE_SLOW_START, /* cwnd below ssthresh: it doubles in a round trip */
    DUET_PHASE_AVOIDANCE,  /* congestion avoidance: it grows a little in a round trip */
    DUET_PHASE_RECOVERY,   /* fast recovery: holes that acknowledgements told of are repaired */
    DUET_PHASE_LOSS,       /* after a timeout: all that was in flight is sent anew */
    DUET_PHASES
};
enum duet_timer_action { DUET_TIMER_STARTED, DUET_TIMER_STOPPED, DUET_TIMER_EXPIRED };

enum duet_call {
    DUET_CALL_LISTEN,
    DUET_CALL_CONNECT,
    DUET_CALL_ACCEPT,
    DUET_CALL_SEND,
    DUET_CALL_RECEIVE,
    DUET_CALL_SHUTDOWN,
    DUET_CALL_CLOSE,
    DUET_CALL_ABORT,
    DUET_CALLS
};

/* 64 bytes. A new field takes the place of padding, never of another. */
struct duet_trace_event {
    duet_time time;
    uint32_t flow; /* same for every record of one pair of sockets, half-open and TIME-WAIT too */
    uint16_t rule; /* index for duet_rule(), 0: none */
    uint8_t kind;  /* enum duet_trace_kind */
    uint8_t state; /* enum duet_state before this event */
    union {
        struct {
            uint32_t seq, ack, length; /* length: text only */
            uint32_t window;           /* as on the wire, unscaled */
            uint32_t tsval, tsecr;
            uint32_t sack_left, sack_right; /* of the first block */
            uint16_t flags;                 /* enum duet_flag */
            uint16_t urgent;
            uint16_t mss;
            uint16_t local_port, remote_port;
            uint16_t options; /* enum duet_trace_option */
            uint8_t window_scale;
            uint8_t sack_blocks;
            uint8_t retransmission; /* out: 1 if any of it was sent before */
            uint8_t ecn;            /* IP ECN field, 0 .. 3 */
        } segment;
        struct {
            uint32_t una, nxt, wnd;    /* send side */
            uint32_t rcv_nxt, rcv_wnd; /* receive side */
            uint32_t seq, ack, length; /* of the segment that was judged, if any */
        } tcb;
        struct {
            uint8_t from, to; /* enum duet_state */
            uint8_t edge;     /* index for duet_edge() */
            uint32_t iss, irs;
            uint32_t una, nxt, wnd, rcv_nxt, rcv_wnd;
        } state_change;
        struct {
            uint8_t timer, action; /* enum duet_timer, enum duet_timer_action */
            uint8_t count;         /* times it ran out in a row */
            duet_time deadline;    /* with STARTED */
        } timer;
        struct {
            uint8_t call; /* enum duet_call */
            int64_t result;
            uint64_t size;
        } call;
        struct {
            uint32_t cwnd, ssthresh, flight, mss;
            int64_t srtt, rto;
            int64_t rtt;   /* the sample that was just taken, 0: this is about something else */
            uint32_t pipe; /* of flight, what is thought to be in the network still */
            uint8_t phase; /* enum duet_phase */
        } congestion;
        uint8_t bytes[48];
    } u;
};

/* Takes the oldest event. False: none. */
bool duet_next_trace(struct duet_stack *stack, struct duet_trace_event *event);

/* A rule of tcp_rules.def: why something happened. */
struct duet_rule {
    const char *name;     /* "RST_CHALLENGED" */
    const char *section;  /* "RFC 5961 3.2" */
    const char *sentence; /* one sentence of ours */
};
const struct duet_rule *
duet_rule(unsigned index); /* never NULL; index 0 and unknown ones: "NONE" */
unsigned duet_rule_count(void);
/* Times it was applied; UINT64_MAX: this build does not count. The same of edges below. */
uint64_t duet_rule_hits(const struct duet_stack *stack, unsigned index);

/* An edge of tcp_edges.def: a legal change of state. */
struct duet_edge {
    enum duet_state from, to;
    const char *section;
};
const struct duet_edge *duet_edge(unsigned index); /* NULL past the end */
unsigned duet_edge_count(void);
uint64_t duet_edge_hits(const struct duet_stack *stack, unsigned index);

const char *duet_trace_kind_name(unsigned kind); /* "segment-in" */
const char *duet_timer_name(unsigned timer);     /* "retransmission" */
const char *duet_call_name(unsigned call);       /* "connect" */
const char *duet_phase_name(unsigned phase);     /* "slow-start" */

#ifdef __cplusplus
}
#endif
#endif
