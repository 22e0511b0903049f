/* SPDX-License-Identifier: MIT */
/* A fast path for the first SYN of a connection and the SYN,ACK of a half-open record, beside tcp_output.c and
 * reply.c, which leave the stack as this does; tests/unit/test_fast.c compares the two.
 *
 * Theory of operation. Where all four options of a SYN are said, MSS, SACK-permitted, timestamps and window
 * scale, and no other, its header has ten words, of which four are known before anything is: they are added up
 * as they are written. Nothing else of a SYN is at stake then: it carries no text, leaves whatever windows say,
 * and is the first. Those that are sent again, with a cookie, a user timeout or counters of marks go the other
 * way.
 */
#include "base/bytes.h"
#include "core/tcp_half_open.h"
#include "wire/tcp_options.h"

enum { SYN_HEADER = TCP_HEADER + 20 };

struct syn {
    const struct tcp_tuple *tuple;
    uint32_t seq, ack, flags, window;
    uint8_t ttl, dscp;
    uint32_t ts_offset;
    struct tcp_options options; /* the four */
};

/* The TCP header but for its sum; returns the sum of what was written. */
static uint64_t put_tcp(uint8_t *at, const struct syn *syn)
{
    const uint32_t ports = (uint32_t)syn->tuple->local_port << 16 | syn->tuple->remote_port;
    uint64_t sum = checksum_put32(at, ports);
    sum += checksum_put32(at + 4, syn->seq);
    sum += checksum_put32(at + 8, syn->ack);
    sum += checksum_put32(at + 12, (uint32_t)SYN_HEADER / 4 << 28 | syn->flags << 16 | syn->window);
    sum += checksum_put32(at + 16, 0);
    return sum + tcp_options_put_syn(at + TCP_HEADER, &syn->options);
}

static void build(struct duet_stack *s, struct duet_packet *packet, const struct syn *syn)
{
    const struct tcp_tuple *tuple = syn->tuple;
    const struct ip_packet ip = {
        .source = tuple->local,
        .destination = tuple->remote,
        .protocol = IP_PROTOCOL_TCP,
        .ttl = syn->ttl,
        .traffic_class = (uint8_t)(syn->dscp << 2),
        .flow_label = flow_label(syn->ts_offset), /* of IPv6 */
        .payload_length = SYN_HEADER,
    };
    const uint32_t ip_size = ip_build(packet->data, &ip);
    uint8_t *tcp = packet->data + ip_size;
    const bool link_sums = (s->config.offload & DUET_OFFLOAD_CHECKSUM_OUT) != 0;
    const uint64_t header = put_tcp(tcp, syn);
    struct checksum sum = {.sum = link_sums ? 0 : header};
    checksum_add_pseudo(&sum, &tuple->local, &tuple->remote, IP_PROTOCOL_TCP, SYN_HEADER);
    bytes_put16(tcp + 16, link_sums ? checksum_partial(&sum) : checksum_finish(&sum));
    segment_is_built(s, packet, ip_size, ip_size + SYN_HEADER);
    packet->flags = link_sums ? DUET_PACKET_CHECKSUM_PARTIAL : 0;
}

/* As the other way does. */
static void trace(struct duet_stack *s, const struct duet_packet *packet,
                  const struct tcp_tuple *tuple, enum duet_state state, enum tcp_rule rule)
{
    struct tcp_header header;
    if (s->config.trace_events == 0)
        return;
    (void)tcp_parse(packet->data + packet->checksum_start, SYN_HEADER, &header);
    trace_segment(s, DUET_TRACE_SEGMENT_OUT, tuple, state, rule, &header, TCP_NOT_ECT, false);
}

/* ---- the SYN of a connection ---- */

static bool is_plain(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct duet_config *config = &s->config;
    return c->state == DUET_SYN_SENT && transfer_at(s, c)->fast_open == TCP_FAST_OPEN_NONE &&
           !conn_is(c, TCP_CONN_SYN_RETRANSMITTED | TCP_CONN_USER_TIMEOUT_OPTION) &&
           config->fast_path && config->sack && config->timestamps && config->window_scaling;
}

/* True: the packet is built, and the SYN is owed no longer. */
bool tcp_fast_syn_output(struct duet_stack *s, struct tcp_conn *c, struct duet_packet *packet)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (!is_plain(s, c))
        return false;
    c->owes &= (uint8_t)~TCP_OWES_SYN;
    count_rule(s, TCP_RULE_SEND_SYN);
    struct syn syn;
    syn.tuple = &c->tuple;
    syn.seq = c->snd.iss.raw;
    syn.ack = 0;
    syn.flags = (uint32_t)DUET_SYN | tcp_ecn_syn_bits(s, c);
    syn.window = tcp_receive_window(s, c, true);
    syn.ttl = c->ttl;
    syn.dscp = c->dscp;
    syn.ts_offset = c->ts_offset;
    syn.options.mss = tcp_receive_mss(s, c);
    syn.options.tsval = tcp_timestamp(s, c->ts_offset);
    syn.options.tsecr = c->ts_recent;
    syn.options.window_scale = s->window_scale;
    build(s, packet, &syn);
    trace(s, packet, &c->tuple, DUET_SYN_SENT, TCP_RULE_SEND_SYN);
    t->progress = s->now;
    tcp_timer_restart(s, c, DUET_TIMER_RETRANSMISSION);
    tcp_rtt_start(s, t, seq_add(c->snd.iss, 1));
    return true;
}

/* ---- the SYN,ACK of a record ---- */

static bool is_plain_record(const struct duet_stack *s, const struct tcp_half_open *half,
                            const struct tcp_listener *listener)
{
    const unsigned wanted =
        TCP_HALF_OPEN_ALIVE | TCP_HALF_OPEN_TIMESTAMPS | TCP_HALF_OPEN_SACK; /* and no ECN */
    return s->config.fast_path && half->flags == wanted &&
           half->peer_scale != TCP_HALF_OPEN_NO_SCALING &&
           (listener->flags & TCP_CONN_USER_TIMEOUT_OPTION) == 0;
}

/* The answer has no option of Fast Open. True: the packet is built. */
bool tcp_fast_syn_ack(struct duet_stack *s, const struct reply *reply,
                      const struct tcp_half_open *half, struct duet_packet *packet)
{
    const struct tcp_listener *listener = half_open_listener(s, half);
    if (!is_plain_record(s, half, listener))
        return false;
    struct syn syn;
    syn.tuple = &half->tuple;
    syn.seq = half->iss.raw;
    syn.ack = half_open_rcv_nxt(half).raw;
    syn.flags = (uint32_t)DUET_SYN | DUET_ACK | reply->flags;
    syn.window = half_open_window(listener);
    syn.ttl = reply->ttl;
    syn.dscp = reply->dscp;
    syn.ts_offset = tcp_timestamp_offset(s, &half->tuple);
    syn.options.mss = half_open_mss(s, half, listener);
    syn.options.tsval = tcp_timestamp(s, syn.ts_offset);
    syn.options.tsecr = half->ts_recent;
    syn.options.window_scale = s->window_scale;
    build(s, packet, &syn);
    trace(s, packet, &half->tuple, (enum duet_state)reply->state, (enum tcp_rule)reply->rule);
    return true;
}
