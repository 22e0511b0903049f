/* SPDX-License-Identifier: MIT */
/* Path MTU discovery of a connection, as the rest of the core sees it: by routers that say packet
 * too big (RFC 1191, RFC 8201, believed as far as RFC 5927, 7.2 goes), and by probes and timeouts
 * where no router speaks (RFC 4821). The connection holds its own copy of the path MTU (c->mtu);
 * what it learns, and what others learn, lies in the path cache (path.h).
 */
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
    duet_time look_at;                 /* the path is to be looked at again */
    uint32_t epoch;                    /* of the path cache, at the latest look */
    struct seq probe_start, probe_end; /* of the probe in flight, or of the lost one being judged */
    struct seq judged_at;  /* then: once SND.UNA is here, everything sent beside it is known */
    struct seq claim_seq;  /* what the claim quoted */
    uint16_t claim;        /* a path MTU that awaits a timeout to confirm it; 0: none */
    uint16_t probe;        /* size of the probe */
    uint16_t size_sent;    /* largest packet sent */
    uint16_t size_acked;   /* largest packet known to have arrived */
    bool probing;          /* a probe is in flight */
    bool judging;          /* it was lost: alone? */
    bool others_lost;      /* not alone */
    bool excused;          /* what is lost was too large for the path: no congestion */
    bool cut;              /* excused because segments had to shrink, not because of a probe */
    struct seq excuse_end; /* until this is acknowledged */
};

/* To be called when a connection is served, before anything is cut into segments: follows what has
 * been learnt of the path since the last time. Costs a comparison when that is nothing. */
void tcp_mtu_refresh(struct duet_stack *s, struct tcp_conn *c);

/* No probe will be due as long as the path stays what it is. */
bool tcp_mtu_rests(const struct duet_stack *s, const struct tcp_conn *c);

/* [start, end) is on the wire, once more or for the first time, in segments of at most the MSS. */
void tcp_mtu_sent(struct duet_stack *s, struct tcp_conn *c, struct seq start, struct seq end);

/* New data is about to be sent: the text of the probe that is due, to be sent as one segment; 0:
 * none is. */
uint32_t tcp_mtu_probe_size(const struct duet_stack *s, const struct tcp_conn *c);
/* A probe is due that the congestion window does not yet let out: nothing new is sent before it.
 * Only while enough is in flight whose acknowledgement makes the room. */
bool tcp_mtu_probe_waits(const struct duet_stack *s, const struct tcp_conn *c);
void tcp_mtu_probe_sent(struct duet_stack *s, struct tcp_conn *c, struct seq start, struct seq end);

/* Nothing is missing, and no probe is unresolved (RFC 4821, 7.4). */
bool tcp_mtu_is_well(const struct tcp_transfer *t);
/* The one segment that is lost says nothing of congestion: no response while nothing else is. */
void tcp_mtu_excuse(const struct tcp_conn *c, struct tcp_transfer *t);

/* [left, right), a segment as it was sent, has arrived. */
void tcp_mtu_delivered(struct duet_stack *s, struct tcp_conn *c, struct seq left, struct seq right);
/* A segment was found lost, and is marked so. A probe, whose loss alone is no congestion (RFC 4821,
 * 4), is cut into segments of the MSS: then records have new names. */
void tcp_mtu_lost(struct duet_stack *s, struct tcp_conn *c, const struct flight_segment *segment);
/* SND.UNA has advanced, or SACK told something; after the two above. */
void tcp_mtu_acked(struct duet_stack *s, struct tcp_conn *c);
/* The retransmission timer ran out, t->retransmissions times in a row; before the response. */
void tcp_mtu_timeout(struct duet_stack *s, struct tcp_conn *c);

/* A router says that a packet of ours was too big: mtu is what it takes, 0 if it does not say;
 * quoted_size the length of that packet, quoted_seq its sequence number, which is in flight. */
struct tcp_mtu_claim {
    uint32_t mtu;
    uint32_t quoted_size;
    struct seq quoted_seq;
};
void tcp_mtu_claimed(struct duet_stack *s, struct tcp_conn *c, const struct tcp_mtu_claim *claim);

#endif
