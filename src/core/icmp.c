/* SPDX-License-Identifier: MIT */
/* ICMP as a TCP end host meets it: echo is answered; errors are advice that anybody could have
 * forged, so they are believed only as far as RFC 5927 goes (RFC 9293, 3.9.2.2):
 *
 *   the quoted sequence number must be in flight (4.1), in SYN-SENT it must be ISS;
 *   hard errors end a connection only in SYN-SENT, elsewhere they are soft (5.2);
 *   packet-too-big may only lower the path MTU, and not below the floor of the family (7.2;
 *   what is done about it stands in tcp_mtu.c);
 *   source quench and redirect do nothing (MUST-55).
 */
#include "base/bytes.h"
#include "core/state.h"

/* What the error quotes: our own segment, so that its source is our local end. */
struct quoted {
    struct tcp_tuple tuple;
    struct seq seq;
    uint32_t size; /* of the packet, as its header says */
};

static bool read_quoted(const struct icmp_message *message, struct quoted *quoted)
{
    struct ip_packet inner;
    if (!ip_parse_quoted(message->data, message->data_length, &inner) ||
        inner.protocol != IP_PROTOCOL_TCP)
        return false;
    quoted->tuple = (struct tcp_tuple){
        .local = inner.source,
        .remote = inner.destination,
        .local_port = bytes_get16(inner.payload),
        .remote_port = bytes_get16(inner.payload + 2),
    };
    quoted->seq = seq_of(bytes_get32(inner.payload + 4));
    quoted->size = version_is_ipv4(inner.version)
                       ? bytes_get16(message->data + 2)
                       : IPV6_HEADER + (uint32_t)bytes_get16(message->data + 4);
    return true;
}

static void conn_error(struct duet_stack *s, struct tcp_conn *c, const struct icmp_message *message,
                       const struct quoted *quoted)
{
    struct seq seq = quoted->seq;
    bool in_flight = c->state == DUET_SYN_SENT ? seq_eq(seq, c->snd.iss)
                                               : seq_le(c->snd.una, seq) && seq_lt(seq, c->snd.nxt);
    if (!in_flight) {
        tcp_rule(s, c, TCP_RULE_ICMP_NOT_IN_FLIGHT, NULL);
        return;
    }
    if (message->kind == ICMP_PACKET_TOO_BIG) {
        struct tcp_mtu_claim claim = {message->mtu, quoted->size, seq};
        tcp_mtu_claimed(s, c, &claim);
        return;
    }
    if (message->kind == ICMP_UNREACHABLE_HARD && c->state == DUET_SYN_SENT) {
        tcp_conn_end(s, c, TCP_RULE_ICMP_HARD_ERROR, DUET_E_REFUSED);
        return;
    }
    tcp_rule(s, c, TCP_RULE_ICMP_SOFT_ERROR, NULL);
    tcp_soft_error(s, c, DUET_E_UNREACHABLE);
}

static void error_input(struct duet_stack *s, const struct ip_packet *ip,
                        const struct icmp_message *message)
{
    struct quoted quoted;
    if (!read_quoted(message, &quoted) || !address_equal(&quoted.tuple.local, &ip->destination)) {
        stack_rule(s, NULL, DUET_CLOSED, TCP_RULE_ICMP_BAD_QUOTE);
        return;
    }
    struct demux_ref ref = demux_find(s, &quoted.tuple);
    switch (ref.kind) {
    case DEMUX_CONN:
        conn_error(s, conn_at(s, ref.index), message, &quoted);
        return;
    case DEMUX_HALF_OPEN:
    case DEMUX_TIME_WAIT:
    case DEMUX_NONE:
        stack_rule(s, &quoted.tuple, DUET_CLOSED, TCP_RULE_ICMP_NO_CONNECTION);
        return;
    }
}

void icmp_input(struct duet_stack *s, const struct ip_packet *ip)
{
    struct icmp_message message;
    icmp_parse(ip, &message);
    switch (message.kind) {
    case ICMP_ECHO_REQUEST:
        reply_echo(s, ip, message.data, message.data_length, message.identifier, message.sequence);
        return;
    case ICMP_UNREACHABLE_SOFT:
    case ICMP_UNREACHABLE_HARD:
    case ICMP_PACKET_TOO_BIG:
    case ICMP_TIME_EXCEEDED:
    case ICMP_PARAMETER_PROBLEM:
        error_input(s, ip, &message);
        return;
    case ICMP_SOURCE_QUENCH:
        stack_rule(s, NULL, DUET_CLOSED, TCP_RULE_ICMP_SOURCE_QUENCH);
        return;
    case ICMP_REDIRECT:
    case ICMP_IGNORED:
        stack_rule(s, NULL, DUET_CLOSED, TCP_RULE_ICMP_IGNORED);
        return;
    case ICMP_MALFORMED:
        stack_rule(s, NULL, DUET_CLOSED, TCP_RULE_ICMP_MALFORMED);
        return;
    }
}
