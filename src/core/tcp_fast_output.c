/* SPDX-License-Identifier: MIT */
/* A fast path for what nearly every packet out is: the next text, of one segment, or a pure ACK, in
 * ESTABLISHED. It stands beside the path that pays debts one by one (tcp_output.c, tcp_send.c) and
 * leaves the stack as that one would; tests/unit/test_fast.c compares the two.
 *
 * Theory of operation. The connection owes nothing but text and an acknowledgement, and there is no
 * reason to send anything but the next text: nothing is lost, SACKed or urgent, no FIN waits, ECN was
 * not agreed, no hole is to be reported, and the path is as it was. Then the only options are
 * timestamps, what may leave is the least of four numbers (queue, MSS, the peer's window, the congestion
 * window), and the header is eight words, which are added up as they are written.
 *
 * If anything is not so, nothing has been changed but for what the other path does first, too, and
 * which finds nothing to do when asked twice: a change of the path followed, the restart after an idle
 * time.
 */
#include "base/bytes.h"
#include "base/check.h"
#include "core/state.h"

/* What one packet is made of. */
struct plan {
    uint32_t mss;
    uint32_t text; /* 0: a pure ACK */
    bool psh;
};

/* Nothing but text and acknowledgements. */
static bool is_plain(const struct tcp_conn *c)
{
    const uint32_t never =
        TCP_CONN_FIN_WANTED | TCP_CONN_USER_TIMEOUT_OPTION | TCP_CONN_CLOSE_DEFERRED;
    return c->state == DUET_ESTABLISHED && (c->owes & ~(TCP_OWES_ACK | TCP_OWES_DATA)) == 0 &&
           (c->flags & never) == 0 && conn_is(c, TCP_CONN_SYN_ACKED) &&
           c->reassembly == POOL_NONE && tcp_ecn_mode(c) == TCP_ECN_NOT;
}

/* A segment may have to be withheld (tcp_verify.h). */
static bool verify_is_due(const struct duet_stack *s, const struct tcp_conn *c,
                          const struct tcp_transfer *t)
{
    uint32_t least = t->verify.due ? TCP_VERIFY_SUSPICION : TCP_VERIFY_INTERVAL;
    return seq_distance(t->verify.since, c->snd.nxt) >= least && tcp_verify_is_due(s, c);
}

static bool is_calm(const struct duet_stack *s, const struct tcp_conn *c,
                    const struct tcp_transfer *t)
{
    return t->phase == TCP_PHASE_OPEN && t->flight.lost == 0 && t->flight.sacked == 0 &&
           t->dupacks == 0 && t->retransmissions == 0 && !t->urgent && !t->probed &&
           t->ecn_hold == 0 && !t->verify.withheld && !verify_is_due(s, c, t) &&
           tcp_mtu_rests(s, c);
}

/* How much text may go (RFC 9293, 3.8.6.2.1): a full segment, or all that is queued. Anything else is
 * for the other path. */
static bool plan_text(const struct tcp_conn *c, const struct tcp_transfer *t, struct plan *plan)
{
    uint32_t flight = tcp_flight(c);
    uint32_t queued = t->send.length - flight;
    struct seq right = seq_add(c->snd.una, c->snd.wnd);
    uint32_t window = seq_lt(c->snd.nxt, right) ? seq_distance(c->snd.nxt, right) : 0;
    uint32_t congestion = c->cwnd > flight ? c->cwnd - flight : 0;
    plan->text = min_u32(queued, plan->mss);
    plan->psh = plan->text == queued;
    if (plan->text == 0 || min_u32(window, congestion) < plan->text)
        return false;
    bool may_go = conn_is(c, TCP_CONN_NODELAY) || !seq_lt(c->snd.una, t->small);
    return plan->text == plan->mss || (may_go && !conn_is(c, TCP_CONN_MORE));
}

static bool make_plan(struct duet_stack *s, struct tcp_conn *c, struct plan *plan)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (t == NULL)
        return c->owes == TCP_OWES_ACK;
    tcp_mtu_refresh(s, c);
    plan->mss = tcp_send_mss(c);
    bool is_cut = (s->config.offload & DUET_OFFLOAD_SEGMENT) != 0 && t->send.length > plan->mss;
    if ((c->owes & TCP_OWES_DATA) == 0 || is_cut || !is_calm(s, c, t))
        return false;
    if (seq_eq(c->snd.una, c->snd.nxt))
        tcp_cc_restart_after_idle(s, c);
    return tcp_pace_may_send(s, c) && plan_text(c, t, plan) && flight_reserve(s, c, 1) == 1;
}

/* ---- the packet ---- */

static uint64_t sum_of_addresses(const struct tcp_tuple *tuple)
{
    uint32_t i = address_is_ipv4(&tuple->remote) ? 12 : 0;
    uint64_t sum = 0;
    for (; i < sizeof tuple->local.bytes; i += 4)
        sum += (uint64_t)bytes_get32(tuple->local.bytes + i) + bytes_get32(tuple->remote.bytes + i);
    return sum;
}

/* Of words of 32 bits. */
static uint16_t fold(uint64_t sum)
{
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    return (uint16_t)sum;
}

/* The words of the TCP header but for its sum; returns their number. */
static uint32_t make_words(struct duet_stack *s, struct tcp_conn *c, const struct plan *plan,
                           uint32_t words[8])
{
    bool has_timestamps = conn_is(c, TCP_CONN_TIMESTAMPS);
    uint32_t count = has_timestamps ? 8 : 5;
    uint32_t flags = count << 12 | DUET_ACK | (plan->psh ? DUET_PSH : 0u);
    words[0] = (uint32_t)c->tuple.local_port << 16 | c->tuple.remote_port;
    words[1] = c->snd.nxt.raw;
    words[2] = c->rcv.nxt.raw;
    words[3] = flags << 16 | tcp_receive_window(s, c, false);
    words[4] = 0;
    if (!has_timestamps)
        return count;
    words[5] =
        (uint32_t)TCP_OPTION_NOP << 24 | TCP_OPTION_NOP << 16 | TCP_OPTION_TIMESTAMPS << 8 | 10;
    words[6] = tcp_timestamp(s, c->ts_offset);
    words[7] = c->ts_recent;
    return count;
}

/* As the other way does. */
static void trace(struct duet_stack *s, const struct tcp_conn *c, const uint8_t *tcp,
                  uint32_t length, enum tcp_rule rule)
{
    struct tcp_header header;
    (void)tcp_parse(tcp, length, &header);
    trace_segment(s, DUET_TRACE_SEGMENT_OUT, &c->tuple, (enum duet_state)c->state, rule, &header, 0,
                  false);
}

/* The header of IPv4 in words, as ipv4_build() has it. */
static void put_ipv4(uint8_t *at, const struct tcp_conn *c, uint32_t length)
{
    uint32_t first = UINT32_C(0x45000000) | (uint32_t)c->dscp << 18 | (IPV4_HEADER + length);
    uint32_t second = 0x4000; /* DF */
    uint32_t third = (uint32_t)c->ttl << 24 | IP_PROTOCOL_TCP << 16;
    uint32_t source = bytes_get32(c->tuple.local.bytes + 12);
    uint32_t destination = bytes_get32(c->tuple.remote.bytes + 12);
    uint64_t sum = (uint64_t)first + second + third + source + destination;
    bytes_put32(at, first);
    bytes_put32(at + 4, second);
    bytes_put32(at + 8, third | (uint16_t)~fold(sum));
    bytes_put32(at + 12, source);
    bytes_put32(at + 16, destination);
}

static void put_ipv6(uint8_t *at, const struct tcp_conn *c, uint32_t length)
{
    struct ip_packet ip = {.source = c->tuple.local,
                           .destination = c->tuple.remote,
                           .protocol = IP_PROTOCOL_TCP,
                           .ttl = c->ttl,
                           .traffic_class = (uint8_t)(c->dscp << 2),
                           .flow_label = flow_label(c->ts_offset),
                           .payload_length = length};
    (void)ip_build(at, &ip);
}

static void build(struct duet_stack *s, struct tcp_conn *c, const struct plan *plan,
                  struct duet_packet *packet)
{
    uint32_t words[8];
    uint32_t count = make_words(s, c, plan, words);
    uint32_t length = count * 4 + plan->text;
    uint32_t ip_size = ip_header_size(&c->tuple.remote);
    if (ip_size == IPV4_HEADER)
        put_ipv4(packet->data, c, length);
    else
        put_ipv6(packet->data, c, length);
    uint8_t *tcp = packet->data + ip_size;
    uint64_t sum = sum_of_addresses(&c->tuple) + IP_PROTOCOL_TCP + length;
    bool link_sums = (s->config.offload & DUET_OFFLOAD_CHECKSUM_OUT) != 0;
    for (uint32_t i = 0; i < count; i++) {
        bytes_put32(tcp + 4 * (size_t)i, words[i]);
        sum += link_sums ? 0 : words[i];
    }
    if (plan->text > 0) {
        struct checksum text = {.wide = s->wide_vectors};
        buffer_read(&s->buffers, &transfer_of(s, c)->send, tcp_flight(c), tcp + 4 * (size_t)count,
                    plan->text, link_sums ? NULL : &text);
        sum += link_sums ? 0 : checksum_partial(&text);
    }
    uint16_t folded = fold(sum);
    bytes_put16(tcp + 16, link_sums ? folded : (uint16_t)~folded);
    packet->length = ip_size + length;
    packet->segment_size = 0;
    packet->flags = link_sums ? DUET_PACKET_CHECKSUM_PARTIAL : 0;
    packet->departure = s->now;
    packet->checksum_start = (uint16_t)ip_size;
    packet->checksum_offset = 16;
    s->counters.segments_out++;
}

/* ---- what follows from it ---- */

/* SND.NXT, the record of what is in flight and the timers follow. */
static void sent(struct duet_stack *s, struct tcp_conn *c, const struct plan *plan)
{
    struct tcp_transfer *t = transfer_of(s, c);
    struct seq end = seq_add(c->snd.nxt, plan->text);
    tcp_rtt_start(s, c, end);
    flight_append(s, c, c->snd.nxt, end);
    c->snd.nxt = end;
    if (plan->text < plan->mss)
        t->small = end;
    tcp_probe_schedule(s, c);
    t->last_sent = s->now;
    if (!conn_is(c, TCP_CONN_UNACCEPTED))
        c->sent_at = (uint32_t)(s->now / DUET_MILLISECOND);
    if (t->deadline == DUET_NEVER)
        t->progress = s->now;
    if (t->deadline == DUET_NEVER || t->timer == DUET_TIMER_PERSIST)
        tcp_timer_restart(s, c, DUET_TIMER_RETRANSMISSION);
    else
        tcp_timer_choose(s, c);
}

/* True: the packet is built, and what it paid is owed no longer. */
bool tcp_fast_output(struct duet_stack *s, struct tcp_conn *c, struct duet_packet *packet)
{
    struct plan plan = {0};
    if (!s->config.fast_path || !is_plain(c) || !make_plan(s, c, &plan))
        return false;
    enum tcp_rule rule = TCP_RULE_SEND_DATA;
    if (plan.text > 0)
        count_rule(s, rule);
    else
        rule = (enum tcp_rule)c->why;
    tcp_ack_leaves(c);
    build(s, c, &plan, packet);
    if (s->config.trace_events != 0) {
        uint32_t start = packet->checksum_start;
        trace(s, c, packet->data + start, packet->length - start, rule);
    }
    if (plan.text == 0) {
        c->owes = 0;
        return true;
    }
    tcp_mtu_sent(s, c, c->snd.nxt, seq_add(c->snd.nxt, plan.text));
    tcp_pace_sent(s, c, packet);
    sent(s, c, &plan);
    tcp_data_left(s, c);
    return true;
}
