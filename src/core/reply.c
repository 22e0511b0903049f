/* SPDX-License-Identifier: MIT */
/* Answers that need no connection: resets from CLOSED and LISTEN (RFC 9293, 3.5.2),
 * acknowledgements of TIME-WAIT and half-open records, SYN,ACKs, echo replies. They wait in a small
 * ring until output builds them; when it is full the answer is not given, which every peer survives
 * (it asks again). Also the one function that writes the headers of any segment. */
#include "base/bytes.h"
#include "base/check.h"
#include "core/state.h"

#include <string.h>

void reply_init(struct reply_ring *ring, struct reply *records, uint32_t capacity)
{
    *ring = (struct reply_ring){.records = records, .capacity = capacity};
}

static struct reply *reply_new(struct duet_stack *s)
{
    struct reply_ring *ring = &s->replies;
    if (ring->tail - ring->head == ring->capacity || pool_refuses(&s->faults)) {
        stack_rule(s, NULL, DUET_CLOSED, TCP_RULE_REPLY_NO_ROOM);
        return NULL;
    }
    struct reply *reply = &ring->records[ring->tail++ % ring->capacity];
    *reply = (struct reply){.page = POOL_NONE, .ttl = s->config.ttl};
    return reply;
}

/* The two forms of 3.5.2; a RST never answers a RST. With timestamps in the segment the RST carries
 * TSval 0 and the segment's TSval as TSecr (RFC 7323, 5.2). */
void reply_reset(struct duet_stack *s, const struct tcp_tuple *tuple, const struct tcp_segment *seg,
                 enum duet_state state, enum tcp_rule rule)
{
    stack_rule(s, tuple, state, rule);
    if (seg->has_rst || !reply_is_allowed(s, &tuple->remote))
        return;
    struct reply *reply = reply_new(s);
    if (reply == NULL)
        return;
    reply->kind = REPLY_SEGMENT;
    reply->tuple = *tuple;
    reply->state = (uint8_t)state;
    reply->rule = (uint16_t)rule;
    reply->timestamps = (seg->options->present & DUET_TRACE_TIMESTAMPS) != 0;
    reply->tsecr = seg->options->tsval;
    if (seg->has_ack) {
        reply->seq = seg->ack.raw;
        reply->flags = DUET_RST;
    } else {
        reply->ack = seq_add(seg->seq, seg->len).raw;
        reply->flags = DUET_RST | DUET_ACK;
    }
}

/* tsecr: NULL where timestamps were not agreed. ecn: header bits. */
void reply_ack(struct duet_stack *s, const struct tcp_tuple *tuple, enum duet_state state,
               struct seq seq, struct seq ack, uint16_t window, const uint32_t *tsecr, uint16_t ecn,
               enum tcp_rule rule)
{
    struct reply *reply = reply_new(s);
    if (reply == NULL)
        return;
    reply->kind = REPLY_SEGMENT;
    reply->tuple = *tuple;
    reply->state = (uint8_t)state;
    reply->rule = (uint16_t)rule;
    reply->seq = seq.raw;
    reply->ack = ack.raw;
    reply->flags = DUET_ACK | ecn;
    reply->window = window;
    reply->timestamps = tsecr != NULL;
    if (tsecr != NULL) {
        reply->tsval = tcp_timestamp(s, tcp_timestamp_offset(s, tuple));
        reply->tsecr = *tsecr;
    }
}

static struct reply *reply_for_conn(struct duet_stack *s, const struct tcp_conn *c, uint16_t flags,
                                    enum tcp_rule rule)
{
    struct reply *reply = reply_new(s);
    if (reply == NULL)
        return NULL;
    reply->kind = REPLY_SEGMENT;
    reply->tuple = c->tuple;
    reply->state = c->state;
    reply->rule = (uint16_t)rule;
    reply->seq = c->snd.nxt.raw;
    reply->ack = c->rcv.nxt.raw;
    reply->flags = flags;
    reply->ttl = c->ttl;
    reply->dscp = c->dscp;
    reply->timestamps = conn_is(c, TCP_CONN_TIMESTAMPS);
    reply->tsval = tcp_timestamp(s, c->ts_offset);
    reply->tsecr = c->ts_recent;
    return reply;
}

/* <SEQ=SND.NXT><ACK=RCV.NXT><CTL=RST,ACK>: every segment after the first SYN carries ACK. */
void reply_conn_reset(struct duet_stack *s, const struct tcp_conn *c, enum tcp_rule rule)
{
    reply_for_conn(s, c, DUET_RST | DUET_ACK, rule);
}

/* The acknowledgement that a connection owes when its record goes away (the last ACK, for
 * TIME-WAIT). */
void reply_conn_ack(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_header header = {.flags = DUET_ACK};
    header.flags |= tcp_ecn_flags(s, c, &header, false);
    struct reply *reply = reply_for_conn(s, c, header.flags, (enum tcp_rule)c->why);
    if (reply != NULL)
        reply->window = tcp_window_field(c);
}

/* The SYN,ACK has the IP fields that the listener hands on to the connection. seg: the SYN that it
 * answers, NULL when it is sent again without having been asked. ecn:
 * header bits. */
void reply_syn_ack(struct duet_stack *s, uint32_t half_open_index, const struct tcp_segment *seg,
                   enum tcp_rule rule, uint16_t ecn)
{
    struct reply *reply = reply_new(s);
    if (reply == NULL)
        return;
    reply->kind = REPLY_SYN_ACK;
    reply->flags = ecn;
    reply->index = half_open_index;
    reply->tuple = s->half_open.records[half_open_index].tuple;
    reply->state = DUET_SYN_RECEIVED;
    reply->rule = (uint16_t)rule;
    const struct tcp_listener *listener = demux_listener(s, &reply->tuple);
    CHECK(listener != NULL);
    reply->ttl = listener->ttl;
    reply->dscp = listener->dscp;
    reply->fast_open =
        seg != NULL && tcp_fast_open_is_asked(s, listener, &reply->tuple.remote, seg);
}

/* The SYN,ACK to a SYN of which nothing is remembered: half lives as long as the call. */
void reply_cookie(struct duet_stack *s, const struct tcp_half_open *half, uint32_t tsval,
                  uint16_t ecn)
{
    struct reply *reply = reply_new(s);
    if (reply == NULL)
        return;
    reply->kind = REPLY_COOKIE;
    reply->tuple = half->tuple;
    reply->state = DUET_LISTEN;
    reply->rule = TCP_RULE_SYN_COOKIE_SENT;
    reply->seq = half->iss.raw;
    reply->ack = seq_add(half->irs, 1).raw;
    reply->flags = ecn;
    reply->half_flags = half->flags;
    reply->scale = half->peer_scale;
    reply->tsval = tsval;
    reply->tsecr = half->ts_recent;
    const struct tcp_listener *listener = demux_listener(s, &reply->tuple);
    CHECK(listener != NULL);
    reply->ttl = listener->ttl;
    reply->dscp = listener->dscp;
}

void reply_echo(struct duet_stack *s, const struct ip_packet *ip, const uint8_t *data,
                uint32_t length, uint16_t identifier, uint16_t sequence)
{
    uint32_t room = s->config.mtu - (ip->version == 4 ? IPV4_HEADER : IPV6_HEADER) - 8;
    if (length > min_u32(room, s->config.page_size)) {
        stack_rule(s, NULL, DUET_CLOSED, TCP_RULE_ECHO_TOO_LARGE);
        return;
    }
    if (!reply_is_allowed(s, &ip->source))
        return;
    uint32_t page = pool_take(&s->buffers.pages);
    if (page == POOL_NONE) {
        stack_rule(s, NULL, DUET_CLOSED, TCP_RULE_REPLY_NO_ROOM);
        return;
    }
    struct reply *reply = reply_new(s);
    if (reply == NULL) {
        pool_give(&s->buffers.pages, page);
        return;
    }
    stack_rule(s, NULL, DUET_CLOSED, TCP_RULE_ECHO_ANSWERED);
    memcpy(pool_at(&s->buffers.pages, page), data, length);
    reply->kind = REPLY_ECHO;
    reply->tuple = (struct tcp_tuple){.local = ip->destination, .remote = ip->source};
    reply->page = page;
    reply->length = length;
    reply->identifier = identifier;
    reply->sequence = sequence;
}

/* ---- building ---- */

/* Writes IP and TCP header of a segment with text_length bytes of text, which the caller then puts
 * at build->text, adding them to build->sum unless the link sums. ip gives ttl, traffic class, flow
 * label; the rest of it is filled in. */
void segment_begin(struct duet_stack *s, struct segment_build *build, struct duet_packet *packet,
                   const struct tcp_tuple *tuple, struct tcp_header *header, struct ip_packet *ip,
                   uint32_t text_length)
{
    header->source_port = tuple->local_port;
    header->destination_port = tuple->remote_port;
    uint32_t ip_size = ip_header_size(&tuple->remote);
    uint32_t tcp_size = tcp_build(packet->data + ip_size, header);
    ip->source = tuple->local;
    ip->destination = tuple->remote;
    ip->protocol = IP_PROTOCOL_TCP;
    ip->payload_length = tcp_size + text_length;
    (void)ip_build(packet->data, ip);

    segment_is_built(s, packet, ip_size, ip_size + ip->payload_length);
    packet->flags = 0;
    build->packet = packet;
    build->text = packet->data + ip_size + tcp_size;
    build->header = tcp_size;
    build->sum = (struct checksum){.wide = s->wide_vectors};
    build->link_sums = (s->config.offload & DUET_OFFLOAD_CHECKSUM_OUT) != 0;
    checksum_add_pseudo(&build->sum, &ip->source, &ip->destination, IP_PROTOCOL_TCP,
                        ip->payload_length);
}

/* Stores the checksum, or what a link that sums expects in its place: the sum of the pseudo-header.
 */
void segment_end(struct segment_build *build)
{
    struct duet_packet *packet = build->packet;
    uint8_t *tcp = packet->data + packet->checksum_start;
    if (build->link_sums) {
        packet->flags |= DUET_PACKET_CHECKSUM_PARTIAL;
        bytes_put16(tcp + packet->checksum_offset, checksum_partial(&build->sum));
        return;
    }
    /* The header last: what was written long ago is read back faster. */
    checksum_add_words(&build->sum, tcp, build->header);
    bytes_put16(tcp + packet->checksum_offset, checksum_finish(&build->sum));
}

/* The flow label of IPv6 tells nothing but which packets belong together, from the SYN,ACK on (RFC
 * 6437). */
uint32_t flow_label(uint32_t timestamp_offset)
{
    return (timestamp_offset * UINT32_C(0x9e3779b1)) >> 12;
}

static struct ip_packet reply_ip(const struct duet_stack *s, const struct reply *reply)
{
    return (struct ip_packet){
        .ttl = reply->ttl,
        .traffic_class = (uint8_t)(reply->dscp << 2),
        .flow_label = address_is_ipv4(&reply->tuple.remote)
                          ? 0
                          : flow_label(tcp_timestamp_offset(s, &reply->tuple)),
    };
}

static bool build_segment(struct duet_stack *s, const struct reply *reply,
                          struct duet_packet *packet)
{
    struct tcp_header header = {
        .seq = reply->seq, .ack = reply->ack, .flags = reply->flags, .window = reply->window};
    if (reply->timestamps) {
        header.options.present = DUET_TRACE_TIMESTAMPS;
        header.options.tsval = reply->tsval;
        header.options.tsecr = reply->tsecr;
    }
    struct ip_packet ip = reply_ip(s, reply);
    trace_segment(s, DUET_TRACE_SEGMENT_OUT, &reply->tuple, (enum duet_state)reply->state,
                  (enum tcp_rule)reply->rule, &header, 0, false);
    struct segment_build build;
    segment_begin(s, &build, packet, &reply->tuple, &header, &ip, 0);
    segment_end(&build);
    return true;
}

static void finish_syn_ack(struct duet_stack *s, const struct reply *reply,
                           const struct tcp_half_open *half, struct tcp_header *header,
                           struct duet_packet *packet)
{
    header->flags |= reply->flags;
    struct ip_packet ip = reply_ip(s, reply);
    trace_segment(s, DUET_TRACE_SEGMENT_OUT, &half->tuple, (enum duet_state)reply->state,
                  (enum tcp_rule)reply->rule, header, 0,
                  (half->flags & TCP_HALF_OPEN_RETRANSMITTED) != 0);
    struct segment_build build;
    segment_begin(s, &build, packet, &half->tuple, header, &ip, 0);
    segment_end(&build);
    s->counters.segments_retransmitted += reply->rule == TCP_RULE_SYN_ACK_RETRANSMITTED;
}

/* A record with this pair of sockets. It is seldom not where it was. NULL: none. */
static const struct tcp_half_open *half_open_at(const struct duet_stack *s,
                                                const struct tcp_tuple *tuple, uint32_t index)
{
    const struct tcp_half_open *half = &s->half_open.records[index];
    if ((half->flags & TCP_HALF_OPEN_ALIVE) != 0 && tuple_eq(&half->tuple, tuple))
        return half;
    struct demux_ref ref = demux_find(s, tuple);
    return ref.kind == DEMUX_HALF_OPEN ? &s->half_open.records[ref.index] : NULL;
}

static bool build_syn_ack(struct duet_stack *s, const struct reply *reply,
                          struct duet_packet *packet)
{
    const struct tcp_half_open *half = half_open_at(s, &reply->tuple, reply->index);
    if (half == NULL)
        return false;
    if (!reply->fast_open && tcp_fast_syn_ack(s, reply, half, packet))
        return true;
    struct tcp_header header;
    half_open_syn_ack(s, half, &header);
    if (reply->fast_open)
        tcp_fast_open_grant(s, &half->tuple.remote, &header.options);
    finish_syn_ack(s, reply, half, &header, packet);
    return true;
}

/* Nobody would believe a cookie whose listener has gone since. */
static bool build_cookie(struct duet_stack *s, const struct reply *reply,
                         struct duet_packet *packet)
{
    if (demux_listener(s, &reply->tuple) == NULL)
        return false;
    const struct tcp_half_open half = {
        .tuple = reply->tuple,
        .iss = seq_of(reply->seq),
        .irs = seq_sub(seq_of(reply->ack), 1),
        .ts_recent = reply->tsecr,
        .flags = reply->half_flags,
        .peer_scale = reply->scale & 15u,
    };
    struct tcp_header header;
    half_open_syn_ack(s, &half, &header);
    header.options.tsval = reply->tsval;
    finish_syn_ack(s, reply, &half, &header, packet);
    return true;
}

static bool build_echo(struct duet_stack *s, const struct reply *reply, struct duet_packet *packet)
{
    uint32_t ip_size = ip_header_size(&reply->tuple.remote);
    struct ip_packet ip = reply_ip(s, reply);
    ip.source = reply->tuple.local;
    ip.destination = reply->tuple.remote;
    ip.protocol = ip_size == IPV4_HEADER ? IP_PROTOCOL_ICMP : IP_PROTOCOL_ICMPV6;
    ip.payload_length = 8 + reply->length;
    memcpy(packet->data + ip_size + 8, pool_at(&s->buffers.pages, reply->page), reply->length);
    pool_give(&s->buffers.pages, reply->page);
    ip_build(packet->data, &ip);
    icmp_build_echo_reply(packet->data + ip_size, reply->identifier, reply->sequence, reply->length,
                          &ip.source, &ip.destination);
    packet->length = ip_size + ip.payload_length;
    packet->segment_size = 0;
    packet->flags = 0;
    packet->departure = s->now;
    return true;
}

/* Builds the oldest answer that still makes sense. False: none. */
bool reply_output(struct duet_stack *s, struct duet_packet *packet)
{
    struct reply_ring *ring = &s->replies;
    while (ring->head != ring->tail) {
        const struct reply *reply = &ring->records[ring->head++ % ring->capacity];
        bool built = false;
        switch (reply->kind) {
        case REPLY_SEGMENT:
            built = build_segment(s, reply, packet);
            break;
        case REPLY_SYN_ACK:
            built = build_syn_ack(s, reply, packet);
            break;
        case REPLY_COOKIE:
            built = build_cookie(s, reply, packet);
            break;
        case REPLY_ECHO:
            built = build_echo(s, reply, packet);
            break;
        }
        if (built)
            return true;
    }
    return false;
}
