/* SPDX-License-Identifier: MIT */
/* From an IP payload to SEGMENT ARRIVES: checksum, header, options, and which record the segment is
 * for (RFC 9293, 3.1 and 3.10.7). A segment that fails here changes nothing and meets a named rule.
 */
#include "core/state.h"

static bool sum_is_right(const struct duet_stack *s, const struct duet_packet *packet,
                         const struct ip_packet *ip)
{
    if (tcp_link_has_summed(s, packet))
        return true;
    struct checksum sum = {.wide = s->wide_vectors};
    checksum_add_pseudo(&sum, &ip->source, &ip->destination, IP_PROTOCOL_TCP, ip->payload_length);
    checksum_add(&sum, ip->payload, ip->payload_length);
    return checksum_finish(&sum) == 0;
}

static struct tcp_segment segment_of(const struct tcp_header *header, uint16_t link_segment,
                                     uint8_t traffic_class)
{
    bool has_syn = (header->flags & DUET_SYN) != 0;
    bool has_fin = (header->flags & DUET_FIN) != 0;
    return (struct tcp_segment){
        .seq = seq_of(header->seq),
        .ack = seq_of(header->ack),
        .len = header->text_length + has_syn + has_fin,
        .window = header->window,
        .up = seq_add(seq_of(header->seq), header->urgent),
        .arrived_seq = seq_of(header->seq),
        .arrived_len = header->text_length + has_syn + has_fin,
        .arrived_syn = has_syn,
        .arrived_text = header->text_length,
        .link_segment = link_segment,
        .ace = tcp_ecn_bits(header->flags),
        .ip_ecn = traffic_class & 3,
        .has_syn = has_syn,
        .has_fin = has_fin,
        .has_ack = (header->flags & DUET_ACK) != 0,
        .has_rst = (header->flags & DUET_RST) != 0,
        .has_psh = (header->flags & DUET_PSH) != 0,
        .has_urg = (header->flags & DUET_URG) != 0,
        .text = header->text,
        .text_length = header->text_length,
        .options = &header->options,
    };
}

static enum duet_state state_of(const struct duet_stack *s, struct demux_ref ref,
                                const struct tcp_listener *listener)
{
    switch (ref.kind) {
    case DEMUX_CONN:
        return (enum duet_state)conn_at(s, ref.index)->state;
    case DEMUX_HALF_OPEN:
        return DUET_SYN_RECEIVED;
    case DEMUX_TIME_WAIT:
        return DUET_TIME_WAIT;
    case DEMUX_NONE:
        break;
    }
    return listener != NULL ? DUET_LISTEN : DUET_CLOSED;
}

static void conn_arrives(struct duet_stack *s, struct tcp_conn *c, struct tcp_segment *seg)
{
    if (s->watch != NULL)
        watch_before(s, c);
    if (c->state == DUET_SYN_SENT)
        tcp_syn_sent_arrives(s, c, seg);
    else
        tcp_segment_arrives(s, c, seg);
    if (s->watch != NULL)
        watch_after(s, c, seg);
    tcp_conn_settle(s, c);
}

void tcp_input(struct duet_stack *s, const struct duet_packet *packet, const struct ip_packet *ip)
{
    s->counters.segments_in++;
    struct tcp_header header;
    if (tcp_parse(ip->payload, ip->payload_length, &header) != TCP_WIRE_OK) {
        stack_rule(s, NULL, DUET_CLOSED, TCP_RULE_SEGMENT_MALFORMED);
        return;
    }
    if (!sum_is_right(s, packet, ip)) {
        stack_rule(s, NULL, DUET_CLOSED, TCP_RULE_SEGMENT_BAD_CHECKSUM);
        return;
    }
    if (header.source_port == 0 || header.destination_port == 0) {
        stack_rule(s, NULL, DUET_CLOSED, TCP_RULE_SEGMENT_PORT_ZERO);
        return;
    }
    struct tcp_tuple tuple = {
        .local = ip->destination,
        .remote = ip->source,
        .local_port = header.destination_port,
        .remote_port = header.source_port,
    };
    struct tcp_segment seg = segment_of(&header, packet->segment_size, ip->traffic_class);
    struct demux_ref ref = demux_find_recent(s, &tuple);
    struct tcp_listener *listener = ref.kind == DEMUX_NONE ? demux_listener(s, &tuple) : NULL;
    enum duet_state state = state_of(s, ref, listener);
    trace_segment(s, DUET_TRACE_SEGMENT_IN, &tuple, state, TCP_RULE_NONE, &header,
                  ip->traffic_class & 3, false);
    if (header.options.malformed)
        stack_rule(s, &tuple, state, TCP_RULE_OPTIONS_MALFORMED);

    switch (ref.kind) {
    case DEMUX_CONN:
        conn_arrives(s, conn_at(s, ref.index), &seg);
        return;
    case DEMUX_HALF_OPEN:
        half_open_arrives(s, ref.index, &seg);
        return;
    case DEMUX_TIME_WAIT:
        time_wait_arrives(s, ref.index, &seg);
        return;
    case DEMUX_NONE:
        if (listener != NULL)
            tcp_listen_arrives(s, listener, &tuple, &seg, NULL);
        else
            tcp_closed_arrives(s, &tuple, &seg);
        return;
    }
}
