/* SPDX-License-Identifier: MIT */
/* The ladder model: what the text, SVG and HTML pictures and the comments in a capture are drawn
 * from.
 *
 * A recording becomes *moments* in the order in which they were recorded. A packet is an *arrow*
 * with up to two moments, its departure at one end and its arrival at the other; each moment
 * carries the state of its end before and after, the rules that were applied there and the TCB
 * afterwards. Calls, timers, state changes without a packet and notes are moments of their own.
 *
 * What an end's trace says belongs to the moment that caused it: a segment that arrived, a
 * segment that left (matched by its header, so that it does not matter which of the two was
 * recorded first), a call or a timer. Time moves on between the doors of a stack, never inside
 * one, so a moment ends with its instant.
 *
 * Numbers are relative to the initial sequence number of the connection's *epoch*: a SYN with
 * another ISN begins a new one. Numbers that fit no epoch are shown as on the wire, and marked.
 */
#ifndef OBSERVE_LADDER_H
#define OBSERVE_LADDER_H

#include "observe/recording.h"
#include "wire/ip.h"
#include "wire/tcp.h"

#define LADDER_NONE SIZE_MAX

enum { LADDER_RULES_MAX = 8, LADDER_EPOCHS_MAX = 8, LADDER_BOTH_ENDS = DUET_RECORDER_ENDS };

/* A sequence number as it is to be shown. */
enum ladder_base {
    LADDER_RELATIVE, /* from the newest initial sequence number of its direction */
    LADDER_OLD,      /* from an earlier one: it belongs to an old incarnation */
    LADDER_ABSOLUTE, /* as on the wire */
};

struct ladder_number {
    uint32_t value;
    enum ladder_base base;
};

struct ladder_tcb {
    bool known;
    struct ladder_number una, nxt, rcv_nxt;
    uint32_t wnd, rcv_wnd;
};

enum ladder_kind {
    LADDER_DEPARTURE,
    LADDER_ARRIVAL,
    LADDER_CALL,  /* cause is the trace event */
    LADDER_TIMER, /* cause is the trace event */
    LADDER_STATE, /* reported, or decided with no packet, call or timer at hand */
    LADDER_NOTE,  /* end is LADDER_BOTH_ENDS */
};

struct ladder_moment {
    enum ladder_kind kind;
    duet_time time;
    unsigned end;
    size_t pair;                 /* LADDER_NONE: no connection */
    size_t arrow;                /* DEPARTURE, ARRIVAL */
    const struct record *packet; /* the same: as it was seen here */
    enum duet_state before, after;
    bool inferred; /* the states are concluded, not reported */
    bool minor;    /* of no interest in a picture, unless it changes the state */
    const struct duet_trace_event *cause;
    const char *note;                 /* NOTE, and STATE where there is something to say */
    uint16_t rules[LADDER_RULES_MAX]; /* in order, each once */
    unsigned rule_count;
    uint16_t state_rule;       /* of the last change of state here, 0: none */
    duet_time time_wait_until; /* TIME-WAIT began here and lasts until then; DUET_NEVER: no */
    const struct duet_trace_event
        *window;           /* why the congestion window changed here; NULL: it did not,
                                            * or in the usual way */
    struct ladder_tcb tcb; /* of this end, afterwards */
};

/* A packet, or a copy of it that the network made. */
struct ladder_arrow {
    unsigned from, to;
    uint32_t tag;
    size_t departure, arrival; /* moments, LADDER_NONE: none */
    duet_time sent, arrived;   /* DUET_NEVER: never */
    duet_time lost;            /* when the network lost it, or DUET_NEVER */
    bool faults[DUET_FAULTS];
    bool duplicate; /* a further copy: the first one has the departure */
    bool injected;  /* nobody we know sent it */
    const struct record *packet;
    bool is_tcp; /* then header holds and the numbers below do */
    struct ip_packet ip;
    struct tcp_header header;
    size_t pair;
    struct ladder_number seq, end, ack;
    struct ladder_number sack[TCP_SACK_MAX][2];
    bool explained; /* the sender's trace told of it: */
    uint16_t rule;
    bool retransmission;
};

/* Sequence numbers of one direction of a pair since a SYN. */
struct ladder_epoch {
    uint32_t isn, high; /* high: largest relative number sent */
};

struct ladder_direction {
    struct ladder_epoch epochs[LADDER_EPOCHS_MAX]; /* oldest first */
    unsigned count;
};

/* A pair of ports. Two connections between different addresses with the same ports would share
 * it; a recording of two ends has no such. */
struct ladder_pair {
    uint16_t ports[DUET_RECORDER_ENDS];
    struct ladder_direction from[DUET_RECORDER_ENDS];
    bool state_known[DUET_RECORDER_ENDS];
    enum duet_state state[DUET_RECORDER_ENDS];
    struct ladder_tcb tcb[DUET_RECORDER_ENDS];
};

/* What happened over all, for the line under the picture. */
struct ladder_summary {
    bool opened[DUET_RECORDER_ENDS]; /* sent a SYN without ACK */
    bool established[DUET_RECORDER_ENDS];
    uint64_t bytes[DUET_RECORDER_ENDS]; /* text sent, each byte once */
    unsigned segments[DUET_RECORDER_ENDS], retransmissions[DUET_RECORDER_ENDS], lost;
    unsigned first_fin;     /* the end that sent the first FIN, LADDER_BOTH_ENDS: none */
    bool both_fins_crossed; /* each was sent before the other's arrived */
    bool fin_sent[DUET_RECORDER_ENDS];
    unsigned reset_by; /* the end whose RST ended a connection, LADDER_BOTH_ENDS: none */
    duet_time time_wait_from[DUET_RECORDER_ENDS],
        time_wait_for[DUET_RECORDER_ENDS]; /* DUET_NEVER: none */
};

struct ladder {
    const struct duet_recorder *recorder;
    bool absolute;
    struct ladder_moment *moments;
    size_t moment_count;
    struct ladder_arrow *arrows;
    size_t arrow_count;
    struct ladder_pair *pairs;
    size_t pair_count;
    duet_time origin;  /* of the times shown */
    bool microseconds; /* milliseconds are too coarse for this recording */
    struct ladder_summary summary;
};

/* Reads a recording. Returns 0, or -1 with errno (ENOMEM). The ladder points into the recording. */
int ladder_make(const struct duet_recorder *recorder, bool absolute, struct ladder *ladder);
void ladder_free(struct ladder *ladder);
/* Whether a picture has room for it: it is not minor, or it changed a state. */
bool ladder_is_shown(const struct ladder_moment *moment);

/* ---- ladder_pairs.c: which connection, which numbers ---- */

/* Finds the pair (local port at end, port at the other), made if it is new. LADDER_NONE: no
 * memory. */
size_t ladder_pair_of(struct ladder *ladder, unsigned end, uint16_t local, uint16_t remote);
/* How far beyond what was sent a number may lie and still belong to its epoch: windows are
 * smaller than this, and for a random number of 32 bits the chance is 1 in 256. */
enum { LADDER_SLACK = 1 << 24 };

/* The sequence number after the segment: SYN and FIN take one each. */
uint32_t ladder_end_of(const struct tcp_header *header);
/* A new epoch begins, unless this ISN is known. What nobody we know sent is never newer than what
 * is there. */
void ladder_learn_isn(struct ladder_direction *direction, uint32_t isn, bool injected);
/* A packet was sent: learns its ISN if it is a SYN, and how far its epoch goes. */
void ladder_learn(struct ladder_direction *direction, const struct tcp_header *header,
                  bool injected);
struct ladder_number ladder_number(const struct ladder *ladder,
                                   const struct ladder_direction *direction, uint32_t value);

/* ---- ladder_trace.c: what the ends said ---- */

enum { LADDER_MATCH_BACK = 256 }; /* how many packets back a trace event looks for its own */

struct ladder_flow { /* which pair a flow of an end's trace is */
    unsigned end;
    uint32_t flow;
    size_t pair;
};

struct ladder_reader { /* the walk over a recording */
    struct ladder *ladder;
    size_t context
        [DUET_RECORDER_ENDS]; /* the moment that the trace of an end explains now, LADDER_NONE */
    size_t last_pair[DUET_RECORDER_ENDS];
    bool listening[DUET_RECORDER_ENDS];
    bool has_trace[DUET_RECORDER_ENDS];
    bool inferred[DUET_RECORDER_ENDS]; /* what is known of the state now was concluded */
    struct ladder_flow *flows;
    size_t flow_count;
    const struct duet_trace_event **early; /* segments out whose packet is not recorded yet */
    unsigned *early_end;
    size_t early_count;
    size_t *by_tag; /* arrow of each tag, LADDER_NONE */
};

/* Finds out which flow is which pair. 0, or -1 without memory. */
int ladder_map_flows(struct ladder_reader *reader);
struct ladder_moment *ladder_add_moment(struct ladder_reader *reader, enum ladder_kind kind,
                                        duet_time time, unsigned end, size_t pair);
enum duet_state ladder_state_of(const struct ladder_reader *reader, unsigned end, size_t pair);
void ladder_read_trace(struct ladder_reader *reader, unsigned end,
                       const struct duet_trace_event *event);
/* A packet, the arrow with this index, left: if its trace event came first, it is explained now. */
void ladder_match_early(struct ladder_reader *reader, size_t index);
/* The state of an end without trace. */
void ladder_read_state(struct ladder_reader *reader, const struct record *record);

/* ---- ladder_summary.c ---- */

void ladder_summarise(struct ladder *ladder);

/* ---- ladder_order.c: in which order a picture shows the moments ---- */

/* A row is one moment, or a departure with its arrival. */
struct ladder_row {
    size_t moment;
    size_t arrival; /* LADDER_NONE: moment alone */
};

/* The rows of a picture: as many packets as possible in one row, without changing the order at
 * either end and without hiding that two packets crossed. *rows is to be freed. 0, or -1 with
 * errno. */
int ladder_order(const struct ladder *ladder, struct ladder_row **rows, size_t *count);

#endif
