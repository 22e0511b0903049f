/* SPDX-License-Identifier: MIT */
/* A fast path for what nearly every packet of a connection is: the next text, or a pure ACK, in
 * ESTABLISHED, or the next step of its end, up to TIME-WAIT. It stands beside the path that follows the
 * RFC's order (ip.c, tcp_input.c, tcp_synchronized.c) and leaves the stack as that one would;
 * tests/unit/test_fast.c compares the two.
 *
 * Theory of operation (V. Jacobson, "4BSD Header Prediction", 1990). Before anything is changed, the
 * bytes of the packet are compared with what the connection expects:
 *
 *   IP       no options, no fragment, no ECN mark, a right header sum
 *   TCP      ACK, maybe PSH and FIN; no options, or timestamps as RFC 7323, appendix A, lays them out
 *   socket   in the table, and nobody's but a synchronized connection's that has no hole, no urgent
 *            data, no agreement on ECN, and has been accepted; or a half-open record's
 *   numbers  SEQ is RCV.NXT, the text fits into the window, SND.UNA <= ACK <= SND.NXT,
 *            TSval is not older than TS.Recent
 *   sum      right; the text is copied to its place while it is summed
 *
 * If all holds, steps zero to four of the RFC find nothing to do, and six and eight neither while nobody
 * closes. What remains is the acknowledgement and the text, or steps five to eight, for which the same
 * functions are called as ever. A half-open record is asked by its own steps, and SYNs are looked at in
 * tcp_fast_syn.c. If anything does not hold, nothing has been changed, and the packet goes
 * the other way from its beginning. The addresses of a packet for a connection need no look: those of its
 * pair of sockets were looked at when it was opened.
 */
#include "base/bytes.h"
#include "core/user.h"

#include <string.h>

enum {
    NO_FRAGMENT_BITS = 0x4000, /* DF may be set, nothing else */
    TIMESTAMPS_HEADER = TCP_HEADER + 12,
    PURE_ACK_FLAGS = 0xffff & ~(DUET_PSH | DUET_FIN), /* of what must be ACK alone */
    FLAGS_MASK = 0x1ff,
};

/* What the packet says, as far as it matters here. */
struct prediction {
    struct tcp_tuple tuple;   /* once it is needed */
    const uint8_t *addresses; /* source and destination, one behind the other */
    uint64_t addresses_sum;   /* of their words */
    bool is_ipv4;
    const uint8_t *tcp;
    uint32_t tcp_length;
    uint32_t header; /* of TCP */
    uint8_t traffic_class;
};

static bool predict_ipv4(const uint8_t *bytes, uint32_t length, struct prediction *p)
{
    struct checksum sum = {0};
    if (length < IPV4_HEADER + TCP_HEADER || bytes[0] != (4 << 4 | IPV4_HEADER / 4))
        return false;
    uint32_t total = bytes_get16(bytes + 2);
    bool is_whole = (bytes_get16(bytes + 6) & ~NO_FRAGMENT_BITS) == 0;
    if (total < IPV4_HEADER + TCP_HEADER || total > length || !is_whole ||
        bytes[9] != IP_PROTOCOL_TCP)
        return false;
    p->addresses = bytes + 12;
    checksum_add_words(&sum, p->addresses, 8);
    p->addresses_sum = sum.sum;
    checksum_add_words(&sum, bytes, 12);
    if (!checksum_is_right(&sum))
        return false;
    p->is_ipv4 = true;
    p->tcp = bytes + IPV4_HEADER;
    p->tcp_length = total - IPV4_HEADER;
    p->traffic_class = bytes[1];
    return true;
}

static bool predict_ipv6(const uint8_t *bytes, uint32_t length, struct prediction *p)
{
    if (length < IPV6_HEADER + TCP_HEADER || bytes[0] >> 4 != 6 || bytes[6] != IP_PROTOCOL_TCP)
        return false;
    uint32_t payload = bytes_get16(bytes + 4);
    if (payload < TCP_HEADER || payload > length - IPV6_HEADER)
        return false;
    memcpy(p->tuple.remote.bytes, bytes + 8, 16);
    memcpy(p->tuple.local.bytes, bytes + 24, 16);
    p->addresses = bytes + 8;
    struct checksum sum = {0};
    checksum_add_words(&sum, p->addresses, 32);
    p->addresses_sum = sum.sum;
    p->is_ipv4 = false;
    p->tcp = bytes + IPV6_HEADER;
    p->tcp_length = payload;
    p->traffic_class = (uint8_t)(bytes_get16(bytes) >> 4);
    /* A mapped address on the wire would pass for one of IPv4. */
    return !address_is_ipv4(&p->tuple.remote) && !address_is_ipv4(&p->tuple.local);
}

/* The header has one of the two lengths, and nothing but what these can have. */
static bool predict_tcp(struct prediction *p)
{
    const uint8_t *tcp = p->tcp;
    p->header = (tcp[12] >> 4) * 4u;
    if ((bytes_get16(tcp + 12) & FLAGS_MASK & PURE_ACK_FLAGS) != DUET_ACK ||
        p->header > p->tcp_length)
        return false;
    if (p->header == TIMESTAMPS_HEADER) {
        const uint32_t head =
            (uint32_t)TCP_OPTION_NOP << 24 | TCP_OPTION_NOP << 16 | TCP_OPTION_TIMESTAMPS << 8 | 10;
        if (bytes_get32(tcp + TCP_HEADER) != head)
            return false;
    } else if (p->header != TCP_HEADER) {
        return false;
    }
    return true;
}

/* ---- the connection ---- */

/* Is that the pair of sockets of a packet of IPv4? */
static bool is_of(const struct tcp_conn *c, const struct prediction *p)
{
    return memcmp(c->tuple.remote.bytes + 12, p->addresses, 4) == 0 &&
           memcmp(c->tuple.local.bytes + 12, p->addresses + 4, 4) == 0 &&
           c->tuple.remote_port == bytes_get16(p->tcp) &&
           c->tuple.local_port == bytes_get16(p->tcp + 2) && address_is_ipv4(&c->tuple.remote);
}

/* That of the packet before is asked by the bytes of the header, the table by a pair of sockets made
 * of them, which stands in the prediction then. */
static struct demux_ref find(struct duet_stack *s, struct prediction *p)
{
    const uint8_t *a = p->addresses;
    if (p->is_ipv4) {
        struct tcp_conn *c = conn_at(s, s->recent);
        if (s->recent < s->conns.fresh && conn_is(c, TCP_CONN_IN_TABLE) && is_of(c, p))
            return (struct demux_ref){DEMUX_CONN, s->recent};
        p->tuple.remote = duet_ipv4(a[0], a[1], a[2], a[3]);
        p->tuple.local = duet_ipv4(a[4], a[5], a[6], a[7]);
    }
    p->tuple.remote_port = bytes_get16(p->tcp);
    p->tuple.local_port = bytes_get16(p->tcp + 2);
    return demux_find_recent(s, &p->tuple);
}

/* Neither end has begun to close. */
static inline bool is_open(const struct tcp_conn *c)
{
    const uint32_t never = TCP_CONN_URGENT_RECEIVED | TCP_CONN_UNACCEPTED | TCP_CONN_USER_GONE |
                           TCP_CONN_FIN_WANTED | TCP_CONN_FIN_RECEIVED;
    return c->state == DUET_ESTABLISHED && (c->flags & never) == 0;
}

/* Both are there, and one at least has. */
static bool is_closing(const struct tcp_conn *c)
{
    const uint32_t never = TCP_CONN_URGENT_RECEIVED | TCP_CONN_UNACCEPTED;
    return c->state >= DUET_ESTABLISHED && c->state < DUET_TIME_WAIT && (c->flags & never) == 0;
}

/* Nothing is going on but text, acknowledgements and FINs. */
static bool is_plain(const struct tcp_conn *c, bool has_timestamps)
{
    return (is_open(c) || is_closing(c)) && c->reassembly == POOL_NONE &&
           tcp_ecn_mode(c) == TCP_ECN_NOT && conn_is(c, TCP_CONN_SYN_ACKED) &&
           conn_is(c, TCP_CONN_TIMESTAMPS) == has_timestamps;
}

/* SEQ, ACK and TSval are the next ones. */
static bool is_next(const struct duet_stack *s, const struct tcp_conn *c,
                    const struct tcp_segment *seg)
{
    return seq_eq(seg->seq, c->rcv.nxt) && seg->len <= rcv_wnd(c) && seq_le(c->snd.una, seg->ack) &&
           seq_le(seg->ack, c->snd.nxt) &&
           (!conn_is(c, TCP_CONN_TIMESTAMPS) ||
            (seq_le(seq_of(c->ts_recent), seq_of(seg->options->tsval)) &&
             !tcp_ts_recent_is_stale(s, c)));
}

static inline struct tcp_segment segment_of(const struct prediction *p,
                                            const struct duet_packet *packet,
                                            const struct tcp_options *options)
{
    const uint8_t *tcp = p->tcp;
    const struct seq seq = seq_of(bytes_get32(tcp + 4));
    const uint32_t length = p->tcp_length - p->header;
    const bool has_fin = (tcp[13] & DUET_FIN) != 0;
    return (struct tcp_segment){
        .seq = seq,
        .ack = seq_of(bytes_get32(tcp + 8)),
        .len = length + has_fin,
        .window = bytes_get16(tcp + 14),
        .up = seq_add(seq, bytes_get16(tcp + 18)),
        .arrived_seq = seq,
        .arrived_len = length + has_fin,
        .arrived_text = length,
        .link_segment = packet->segment_size,
        .has_ack = true,
        .has_fin = has_fin,
        .has_psh = (tcp[13] & DUET_PSH) != 0,
        .text = tcp + p->header,
        .text_length = length,
        .options = options,
    };
}

/* Text that is to be read anyway for its sum is copied with it to where it belongs, behind the queue,
 * if there is room in place. If the sum is wrong these bytes are nobody's. queue: NULL for none. */
static bool sum_is_right(const struct duet_stack *s, const struct buffer *queue,
                         const struct duet_packet *packet, const struct prediction *p,
                         struct tcp_segment *seg)
{
    if (tcp_link_has_summed(s, packet))
        return true;
    struct checksum sum = {.sum = p->addresses_sum, .wide = s->wide_vectors};
    sum.sum += (uint64_t)bytes_turn32(IP_PROTOCOL_TCP) + bytes_turn32(p->tcp_length);
    checksum_add_words(&sum, p->tcp, TCP_HEADER);
    if (p->header == TIMESTAMPS_HEADER)
        checksum_add_words(&sum, p->tcp + TCP_HEADER, TIMESTAMPS_HEADER - TCP_HEADER);
    uint8_t *place = queue == NULL ? NULL : buffer_behind(&s->buffers, queue, seg->text_length);
    seg->is_placed = place != NULL && seg->text_length > 0;
    if (seg->is_placed)
        checksum_copy(&sum, place, seg->text, seg->text_length);
    else if (seg->text_length > 0)
        checksum_add(&sum, seg->text, seg->text_length);
    return checksum_is_right(&sum);
}

/* As the other way does. */
static void trace(struct duet_stack *s, const struct tcp_tuple *tuple, enum duet_state state,
                  const struct prediction *p)
{
    struct tcp_header header;
    (void)tcp_parse(p->tcp, p->tcp_length, &header);
    trace_segment(s, DUET_TRACE_SEGMENT_IN, tuple, state, TCP_RULE_NONE, &header, TCP_NOT_ECT,
                  false);
}

/* Only what is said to be present is ever read. */
static inline void read_options(const struct prediction *p, struct tcp_options *options)
{
    options->present = 0;
    options->malformed = false;
    options->sack_count = 0;
    if (p->header != TIMESTAMPS_HEADER)
        return;
    options->present = DUET_TRACE_TIMESTAMPS;
    options->tsval = bytes_get32(p->tcp + TCP_HEADER + 4);
    options->tsecr = bytes_get32(p->tcp + TCP_HEADER + 8);
}

/* A half-open record is shown the segment whatever it says; most are the third one. */
static bool half_open_takes(struct duet_stack *s, const struct duet_packet *packet,
                            const struct prediction *p, uint32_t index)
{
    struct tcp_options options;
    read_options(p, &options);
    struct tcp_segment seg = segment_of(p, packet, &options);
    if (!sum_is_right(s, NULL, packet, p, &seg))
        return false;
    s->counters.segments_in++;
    if (s->config.trace_events != 0)
        trace(s, &p->tuple, DUET_SYN_RECEIVED, p);
    half_open_arrives(s, index, &seg);
    return true;
}

/* True: the packet has been taken. False: nothing has been changed. */
bool tcp_fast_input(struct duet_stack *s, const struct duet_packet *packet)
{
    struct prediction p;
    if (!s->config.fast_path)
        return false;
    if (!predict_ipv4(packet->data, packet->length, &p) &&
        !predict_ipv6(packet->data, packet->length, &p))
        return false;
    if ((p.traffic_class & 3) != TCP_NOT_ECT)
        return false;
    if ((p.tcp[13] & DUET_SYN) != 0)
        return tcp_fast_syn(s, packet, p.tcp, p.tcp_length);
    if (!predict_tcp(&p))
        return false;
    struct demux_ref ref = find(s, &p);
    if (ref.kind == DEMUX_HALF_OPEN)
        return half_open_takes(s, packet, &p, ref.index);
    if (ref.kind != DEMUX_CONN)
        return false;
    struct tcp_conn *c = conn_at(s, ref.index);
    if (!is_plain(c, p.header == TIMESTAMPS_HEADER))
        return false;
    struct tcp_options options;
    read_options(&p, &options);
    struct tcp_segment seg = segment_of(&p, packet, &options);
    bool is_dialogue = is_open(c) && !seg.has_fin;
    if (!is_next(s, c, &seg) || !sum_is_right(s, &c->receive, packet, &p, &seg))
        return false;
    s->counters.segments_in++;
    if (s->config.trace_events != 0)
        trace(s, &c->tuple, (enum duet_state)c->state, &p);
    if (s->watch != NULL)
        watch_before(s, c);
    /* ACK is in range: only a lie about what was sent is dropped, and what ends the connection. */
    bool is_good = (is_dialogue && tcp_fast_ack(s, c, &seg)) ||
                   tcp_fifth_check_ack(s, c, &seg) == TCP_CONTINUE;
    if (is_good && !is_dialogue)
        tcp_after_ack(s, c, &seg);
    else if (is_good && seg.text_length > 0)
        tcp_receive_next_text(s, c, &seg);
    if (s->watch != NULL)
        watch_after(s, c, &seg);
    tcp_conn_settle(s, c);
    return true;
}
