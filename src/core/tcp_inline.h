/* SPDX-License-Identifier: MIT */
/* What every path asks of a connection several times for each packet, in line. Included by state.h. */
#ifndef CORE_TCP_INLINE_H
#define CORE_TCP_INLINE_H

#include "base/bytes.h"
#include "core/state.h"

#include <string.h>

/* ---- tcp_trace.c: counted always, written down where somebody reads it ---- */

static inline bool is_traced(const struct duet_stack *s)
{
    return FEATURE_TRACE && s->config.trace_events != 0;
}

static inline void tcp_rule(struct duet_stack *s, const struct tcp_conn *c, enum tcp_rule rule,
                            const struct tcp_segment *seg)
{
    count_rule(s, rule);
    if (is_traced(s))
        trace_rule(s, c, rule, seg);
}

static inline void trace_call(struct duet_stack *s, const struct tcp_tuple *tuple,
                              enum duet_state state, enum duet_call call, int64_t result,
                              uint64_t size)
{
    if (is_traced(s))
        trace_put_call(s, tuple, state, call, result, size);
}

static inline void trace_congestion(struct duet_stack *s, const struct tcp_conn *c,
                                    enum tcp_rule rule)
{
    count_rule(s, rule);
    if (is_traced(s))
        trace_put_congestion(s, c, rule, 0);
}

/* The same without a rule: an acknowledgement has told something (rtt 0), or a round trip was
 * measured. */
static inline void trace_progress(struct duet_stack *s, const struct tcp_conn *c, duet_time rtt)
{
    if (is_traced(s))
        trace_put_congestion(s, c, TCP_RULE_NONE, rtt);
}

/* ---- demux.c ---- */

/* memcmp() without the call. */
static inline bool tuple_eq(const struct tcp_tuple *a, const struct tcp_tuple *b)
{
    _Static_assert(sizeof *a == 36, "four words of 64 bits and one of 32");
    uint64_t differing = 0;
    uint64_t x[4], y[4];
    uint32_t x_ports, y_ports;
    memcpy(x, a, sizeof x);
    memcpy(y, b, sizeof y);
    memcpy(&x_ports, &a->local_port, sizeof x_ports);
    memcpy(&y_ports, &b->local_port, sizeof y_ports);
    for (unsigned i = 0; i < 4; i++)
        differing |= x[i] ^ y[i];
    return (differing | (x_ports ^ y_ports)) == 0;
}

static inline bool demux_is_at(const struct duet_stack *s, uint32_t index,
                               const struct tcp_tuple *tuple)
{
    const struct tcp_conn *c = conn_at(s, index);
    return index < s->conns.fresh && conn_is(c, TCP_CONN_IN_TABLE) && tuple_eq(&c->tuple, tuple);
}

/* demux_find(); the connection of the packet before this one is looked at first, then the one that sent
 * last (C. Partridge and S. Pink, "A Faster UDP", 1993): lines that are in the cache. */
static inline struct demux_ref demux_find_recent(struct duet_stack *s,
                                                 const struct tcp_tuple *tuple)
{
    if (demux_is_at(s, s->recent, tuple))
        return (struct demux_ref){.kind = DEMUX_CONN, .index = s->recent};
    if (demux_is_at(s, s->awaited, tuple)) {
        s->recent = s->awaited;
        return (struct demux_ref){.kind = DEMUX_CONN, .index = s->recent};
    }
    struct demux_ref ref = demux_find_first(s, tuple);
    if (ref.kind == DEMUX_CONN) {
        s->recent = ref.index;
        transfer_expect(transfer_of(s, conn_at(s, ref.index)));
    }
    return ref;
}

/* ---- tcp_send.c ---- */

/* Sequence number of the first byte in the queue. */
static inline struct seq tcp_send_start(const struct tcp_conn *c)
{
    return conn_is(c, TCP_CONN_SYN_ACKED) ? c->snd.una : seq_add(c->snd.iss, 1);
}

/* One past the last byte in the queue: where the FIN stands. */
static inline struct seq tcp_send_end(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    return seq_add(tcp_send_start(c), t == NULL ? 0 : t->send.length);
}

static inline uint32_t tcp_flight(const struct tcp_conn *c)
{
    return seq_distance(c->snd.una, c->snd.nxt);
}

enum { USER_TIMEOUT_ROOM = 4 };

static inline bool tcp_user_timeout_is_first_data(const struct tcp_conn *c, struct seq seq)
{
    return seq_eq(seq, seq_add(c->snd.iss, 1));
}

/* Payload that a segment gives up for the option of RFC 5482, while the first data is on its way. */
static inline uint32_t tcp_user_timeout_room(const struct tcp_conn *c)
{
    bool is_carried =
        conn_is(c, TCP_CONN_USER_TIMEOUT_OPTION) && tcp_user_timeout_is_first_data(c, c->snd.una);
    return is_carried ? USER_TIMEOUT_ROOM : 0;
}

/* Payload of a full segment: the smaller of what the peer takes and the path carries, less our
 * options (MUST-16). Never below 1, whatever the peer and the path claim. */
static inline uint16_t tcp_send_mss(const struct tcp_conn *c)
{
    uint32_t path = (uint32_t)c->mtu - ip_header_size(&c->tuple.remote) - TCP_HEADER;
    uint32_t options = conn_is(c, TCP_CONN_TIMESTAMPS) ? 12 : 0;
    if (conn_is(c, TCP_CONN_SACK) && c->reassembly != POOL_NONE)
        options += 12; /* one block, so that data does not hide the hole (RFC 2018, 4) */
    options += tcp_user_timeout_room(c);
    return (uint16_t)(min_u32(c->peer_mss, path) - options);
}

/* Bytes of a packet that are not text. */
static inline uint32_t tcp_headers_of(const struct tcp_conn *c)
{
    return ip_header_size(&c->tuple.remote) + TCP_HEADER +
           (conn_is(c, TCP_CONN_TIMESTAMPS) ? 12u : 0) + tcp_user_timeout_room(c);
}

/* Size of the packet that carries [start, end), or each full segment of it. */
static inline uint16_t tcp_packet_size(const struct tcp_conn *c, struct seq start, struct seq end)
{
    return (uint16_t)(tcp_headers_of(c) + min_u32(seq_distance(start, end), tcp_send_mss(c)));
}

/* Is there anything that more room in a window would let out, a recovery that fills it, or a path that
 * has changed and is to be followed? Else a visit of output would find nothing to do. */
static inline bool tcp_send_waits(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    if (conn_is(c, TCP_CONN_FIN_WANTED) && !conn_is(c, TCP_CONN_FIN_SENT))
        return true;
    return t != NULL && (t->flight.lost > 0 || t->phase != TCP_PHASE_OPEN ||
                         seq_lt(c->snd.nxt, tcp_send_end(s, c)) || t->mtu.epoch != s->paths.epoch);
}

/* A packet has been built: is text still owed? */
static inline void tcp_data_left(const struct duet_stack *s, struct tcp_conn *c)
{
    if (!tcp_send_waits(s, c))
        c->owes &= (uint8_t)~TCP_OWES_DATA;
}

/* ---- tcp_timeout.c, tcp_rtt.c, tcp_isn.c ---- */

static inline void tcp_delayed_ack_stop(struct tcp_conn *c)
{
    c->flags &= ~(uint32_t)TCP_CONN_ACK_DELAYED;
}

static inline duet_time tcp_rto(const struct tcp_conn *c)
{
    return (duet_time)c->rto_us * DUET_MICROSECOND;
}

/* A segment that ends at end is about to be sent for the first time. */
static inline void tcp_rtt_start(const struct duet_stack *s, struct tcp_transfer *t, struct seq end)
{
    if (t->timing)
        return;
    t->timed = end;
    t->timed_at = s->now;
    t->timing = true;
}

/* The timestamp clock ticks every millisecond (RFC 7323, 5.4: between 1 ms and 1 s). */
static inline uint32_t tcp_timestamp(const struct duet_stack *s, uint32_t offset)
{
    return s->now_ms + offset;
}

/* A segment with ACK is leaving. */
static inline void tcp_ack_leaves(struct tcp_conn *c)
{
    c->rcv.acked = c->rcv.nxt;
    c->owes &= (uint8_t)~TCP_OWES_ACK;
    tcp_delayed_ack_stop(c);
}

/* ---- tcp_rack.c ---- */

/* RACK_sent_after(): by time, then by sequence. That is the order in which segments left, because
 * tcp_flight.c sees to it where it would not be. */
static inline bool tcp_rack_sent_after(uint32_t a_us, struct seq a_end, uint32_t b_us,
                                       struct seq b_end)
{
    return a_us == b_us ? seq_lt(b_end, a_end) : (int32_t)(a_us - b_us) > 0;
}

/* The end of steps 2 and 3: a segment has been delivered, and which copy of it is certain. */
static inline void tcp_rack_took(struct tcp_rack *rack, const struct flight_segment *segment,
                                 uint32_t rtt_us)
{
    if (rack->valid &&
        !tcp_rack_sent_after(segment->sent_us, segment->end, rack->sent_us, rack->end))
        return;
    rack->valid = true;
    rack->sent_us = segment->sent_us;
    rack->end = segment->end;
    rack->rtt_us = rtt_us;
}

/* ---- tcp_input.c ---- */

/* The link has compared the checksum, and may be believed. */
static inline bool tcp_link_has_summed(const struct duet_stack *s, const struct duet_packet *packet)
{
    return (packet->flags & DUET_PACKET_CHECKED) != 0 &&
           (s->config.offload & DUET_OFFLOAD_CHECKSUM_IN) != 0;
}

/* ---- reply.c, tcp_fast_output.c, tcp_fast_syn_output.c ---- */

/* A packet of one segment, behind an IP header of ip_size; its flags are the caller's. */
static inline void segment_is_built(struct duet_stack *s, struct duet_packet *packet,
                                    uint32_t ip_size, uint32_t length)
{
    packet->length = length;
    packet->segment_size = 0;
    packet->departure = s->now;
    packet->checksum_start = (uint16_t)ip_size;
    packet->checksum_offset = 16;
    s->counters.segments_out++;
}

/* ---- tcp_receive.c ---- */

/* The largest text we would be sent: what our MSS option says (MUST-67). */
static inline uint16_t tcp_receive_mss(const struct duet_stack *s, const struct tcp_conn *c)
{
    uint32_t mtu = conn_is(c, TCP_CONN_MSS_SET) ? c->mtu : s->config.mtu;
    return (uint16_t)(mtu - ip_header_size(&c->tuple.remote) - TCP_HEADER);
}

#endif
