/* SPDX-License-Identifier: MIT */
/* A fast path for what nearly every SYN and SYN,ACK is, beside the one through ip.c, tcp_input.c and
 * tcp_options.c, and for the part of them alone: what the packet says. What is done about it is done by the
 * same functions as ever (tcp_arrive.c), and tests/unit/test_fast.c compares the two.
 *
 * Theory of operation. The IP header has been predicted (tcp_fast.c). A SYN has twenty bytes of options, MSS,
 * SACK-permitted, timestamps and window scale, in the order and with the padding in which every stack of
 * today writes them, no text and no bit but SYN and ACK; so its lengths and kinds are compared as words, and
 * the rest stands at known places. It is for a listener, or the answer to our own. If anything is not so,
 * nothing has been changed, and the packet goes the other way from its beginning.
 */
#include "base/bytes.h"
#include "base/cold.h"
#include "core/state.h"
#include "wire/tcp_options.h"

#include <string.h>

enum {
    SYN_HEADER = TCP_HEADER + 20,
    OFFSET_AND_FLAGS = 0xf1ff, /* all but the reserved bits */
    PLAIN_SYN = SYN_HEADER / 4 << 12 | DUET_SYN,
    PLAIN_SYN_ACK = PLAIN_SYN | DUET_ACK,
};

static struct tcp_tuple tuple_of(const uint8_t *packet, bool is_ipv4, const uint8_t *tcp)
{
    struct tcp_tuple tuple;
    if (is_ipv4) {
        tuple.remote = duet_ipv4(packet[12], packet[13], packet[14], packet[15]);
        tuple.local = duet_ipv4(packet[16], packet[17], packet[18], packet[19]);
    } else {
        memcpy(tuple.remote.bytes, packet + 8, 16);
        memcpy(tuple.local.bytes, packet + 24, 16);
    }
    tuple.remote_port = bytes_get16(tcp);
    tuple.local_port = bytes_get16(tcp + 2);
    return tuple;
}

static bool sum_is_right(const struct duet_stack *s, const struct duet_packet *packet, bool is_ipv4,
                         const uint8_t *tcp)
{
    struct checksum sum = {.sum =
                               (uint64_t)bytes_turn32(IP_PROTOCOL_TCP) + bytes_turn32(SYN_HEADER)};
    if (tcp_link_has_summed(s, packet))
        return true;
    if (is_ipv4)
        checksum_add_words(&sum, packet->data + 12, 8);
    else
        checksum_add_words(&sum, packet->data + 8, 32);
    checksum_add_words(&sum, tcp, SYN_HEADER);
    return checksum_is_right(&sum);
}

static struct tcp_segment segment_of(const struct duet_packet *packet, const uint8_t *tcp,
                                     const struct tcp_options *options)
{
    const struct seq seq = seq_of(bytes_get32(tcp + 4));
    return (struct tcp_segment){
        .seq = seq,
        .ack = seq_of(bytes_get32(tcp + 8)),
        .len = 1,
        .window = bytes_get16(tcp + 14),
        .up = seq_add(seq, bytes_get16(tcp + 18)),
        .arrived_seq = seq,
        .arrived_len = 1,
        .arrived_syn = true,
        .link_segment = packet->segment_size,
        .has_syn = true,
        .has_ack = (tcp[13] & DUET_ACK) != 0,
        .text = tcp + SYN_HEADER,
        .options = options,
    };
}

/* As the other way does. */
static void note(struct duet_stack *s, const struct tcp_tuple *tuple, enum duet_state state,
                 const uint8_t *tcp)
{
    struct tcp_header header;
    s->counters.segments_in++;
    if (s->config.trace_events == 0)
        return;
    (void)tcp_parse(tcp, SYN_HEADER, &header);
    trace_segment(s, DUET_TRACE_SEGMENT_IN, tuple, state, TCP_RULE_NONE, &header, TCP_NOT_ECT,
                  false);
}

static bool syn_arrives(struct duet_stack *s, const struct tcp_tuple *tuple, const uint8_t *tcp,
                        struct tcp_segment *seg)
{
    struct tcp_listener *listener = demux_listener(s, tuple);
    if (listener == NULL)
        return false;
    note(s, tuple, DUET_LISTEN, tcp);
    tcp_listen_arrives(s, listener, tuple, seg, NULL);
    return true;
}

/* The pair of sockets was looked at when it was opened. */
static bool syn_ack_arrives(struct duet_stack *s, struct tcp_conn *c, const uint8_t *tcp,
                            struct tcp_segment *seg)
{
    if (c->state != DUET_SYN_SENT || !ip_may_come_from(s, &c->tuple.remote))
        return false;
    note(s, &c->tuple, DUET_SYN_SENT, tcp);
    if (s->watch != NULL)
        watch_before(s, c);
    tcp_syn_sent_arrives(s, c, seg);
    if (s->watch != NULL)
        watch_after(s, c, seg);
    tcp_conn_settle(s, c);
    return true;
}

/* The TCP header and what is behind it are [tcp, tcp + length) of the packet, whose IP header is a plain one.
 * True: the packet has been taken. */
COLD bool tcp_fast_syn(struct duet_stack *s, const struct duet_packet *packet, const uint8_t *tcp,
                       uint32_t length)
{
    const uint32_t kind = bytes_get16(tcp + 12) & OFFSET_AND_FLAGS;
    const bool is_ipv4 = tcp == packet->data + IPV4_HEADER;
    struct tcp_options options;
    if (length != SYN_HEADER || (kind != PLAIN_SYN && kind != PLAIN_SYN_ACK) ||
        !tcp_options_read_syn(tcp + TCP_HEADER, tcp + SYN_HEADER, &options))
        return false;
    const struct tcp_tuple tuple = tuple_of(packet->data, is_ipv4, tcp);
    if (kind == PLAIN_SYN)
        demux_prepare(s, &tuple);
    if (tuple.remote_port == 0 || !sum_is_right(s, packet, is_ipv4, tcp) ||
        (kind == PLAIN_SYN && !ip_is_for_us(s, &tuple.remote, &tuple.local)))
        return false;
    const struct demux_ref ref = demux_find_recent(s, &tuple);
    if (ref.kind != (kind == PLAIN_SYN ? DEMUX_NONE : DEMUX_CONN))
        return false;
    struct tcp_segment seg = segment_of(packet, tcp, &options);
    return kind == PLAIN_SYN ? syn_arrives(s, &tuple, tcp, &seg)
                             : syn_ack_arrives(s, conn_at(s, ref.index), tcp, &seg);
}
