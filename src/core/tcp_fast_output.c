/* SPDX-License-Identifier: MIT */
/* A fast path for what nearly every packet out is: the next text, of one segment, or a pure ACK, in
 * ESTABLISHED, and the FIN of who has nothing left to send. It stands beside the path that pays debts
 * one by one (tcp_output.c, tcp_send.c) and leaves the stack as that one would; tests/unit/test_fast.c
 * compares the two.
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
#include "core/buffer_tree.h"
#include "core/state.h"

/* What one packet is made of. */
struct plan {
    uint32_t mss;
    uint32_t header; /* of TCP */
    uint32_t text;   /* 0, and no FIN: a pure ACK */
    bool psh, fin;
};

/* Nothing but text and acknowledgements, or the user has closed and the FIN has not left. */
static bool is_plain(const struct tcp_conn *c)
{
    const uint32_t never =
        TCP_CONN_FIN_SENT | TCP_CONN_USER_TIMEOUT_OPTION | TCP_CONN_CLOSE_DEFERRED;
    bool closes = conn_is(c, TCP_CONN_FIN_WANTED);
    bool is_state = closes ? c->state == DUET_FIN_WAIT_1 || c->state == DUET_LAST_ACK
                           : c->state == DUET_ESTABLISHED;
    return is_state && (c->owes & ~(TCP_OWES_ACK | TCP_OWES_DATA)) == 0 &&
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

/* The FIN alone: nothing is queued or in flight before it. It takes no room in the congestion window. */
static bool plan_fin(const struct tcp_conn *c, const struct tcp_transfer *t, struct plan *plan)
{
    plan->fin = t->send.length == 0 && seq_eq(c->snd.una, c->snd.nxt) && c->snd.wnd > 0;
    return plan->fin;
}

/* Long enough for the controller to care. */
static bool was_idle(const struct duet_stack *s, const struct tcp_conn *c,
                     const struct tcp_transfer *t)
{
    uint32_t idle_ms = s->now_ms - c->sent_at;
    return t->cc.cubic.w_est != 0 || idle_ms * DUET_MILLISECOND > tcp_rto(c);
}

static inline bool make_plan(struct duet_stack *s, struct tcp_conn *c, struct tcp_transfer *t,
                             struct plan *plan)
{
    bool closes = conn_is(c, TCP_CONN_FIN_WANTED);
    if (t == NULL)
        return c->owes == TCP_OWES_ACK && !closes;
    tcp_mtu_refresh(s, c);
    plan->mss = tcp_send_mss(c);
    bool is_cut = (s->config.offload & DUET_OFFLOAD_SEGMENT) != 0 && t->send.length > plan->mss;
    if ((c->owes & TCP_OWES_DATA) == 0 || is_cut || !is_calm(s, c, t))
        return false;
    if (seq_eq(c->snd.una, c->snd.nxt) && was_idle(s, c, t))
        tcp_cc_restart_after_idle(s, c);
    return (!s->config.pacing || tcp_pace_may_send(s, c)) &&
           (closes ? plan_fin(c, t, plan) : plan_text(c, t, plan)) &&
           (flight_has_place(&t->flight) || flight_reserve(s, c, 1) == 1);
}

/* ---- the packet ---- */

/* Words are summed as they lie in the packet, in whatever order the machine reads their bytes. */
static uint64_t sum_of_addresses(const struct tcp_tuple *tuple, bool ipv4)
{
    struct checksum sum = {0};
    const uint8_t *local = tuple->local.bytes, *remote = tuple->remote.bytes;
    if (ipv4) {
        checksum_add_words(&sum, local + 12, 4);
        checksum_add_words(&sum, remote + 12, 4);
    } else {
        checksum_add_words(&sum, local, 16);
        checksum_add_words(&sum, remote, 16);
    }
    return sum.sum;
}

/* The TCP header but for its sum; returns the sum of what was written. */
static uint64_t put_tcp(struct duet_stack *s, struct tcp_conn *c, const struct plan *plan,
                        uint8_t *at)
{
    bool has_timestamps = conn_is(c, TCP_CONN_TIMESTAMPS);
    uint32_t flags = (plan->header / 4) << 12 | DUET_ACK | (plan->psh ? DUET_PSH : 0u) |
                     (plan->fin ? DUET_FIN : 0u);
    uint64_t sum = checksum_put32(at, (uint32_t)c->tuple.local_port << 16 | c->tuple.remote_port);
    sum += checksum_put32(at + 4, c->snd.nxt.raw);
    sum += checksum_put32(at + 8, c->rcv.nxt.raw);
    sum += checksum_put32(at + 12, flags << 16 | tcp_receive_window(s, c, false));
    sum += checksum_put32(at + 16, 0);
    if (!has_timestamps)
        return sum;
    sum += checksum_put32(at + 20, (uint32_t)TCP_OPTION_NOP << 24 | TCP_OPTION_NOP << 16 |
                                       TCP_OPTION_TIMESTAMPS << 8 | 10);
    sum += checksum_put32(at + 24, tcp_timestamp(s, c->ts_offset));
    return sum + checksum_put32(at + 28, c->ts_recent);
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
static void put_ipv4(uint8_t *at, const struct tcp_conn *c, uint32_t length, uint64_t addresses)
{
    uint32_t first = UINT32_C(0x45000000) | (uint32_t)c->dscp << 18 | (IPV4_HEADER + length);
    uint32_t second = 0x4000; /* DF */
    uint32_t third = (uint32_t)c->ttl << 24 | IP_PROTOCOL_TCP << 16;
    uint64_t sum = checksum_put32(at, first) + checksum_put32(at + 4, second) +
                   checksum_put32(at + 8, third) + addresses;
    const uint16_t field = (uint16_t)~checksum_fold(sum);
    memcpy(at + 10, &field, sizeof field);
    memcpy(at + 12, c->tuple.local.bytes + 12, 4);
    memcpy(at + 16, c->tuple.remote.bytes + 12, 4);
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

static inline void build(struct duet_stack *s, struct tcp_conn *c, const struct tcp_transfer *t,
                         const struct plan *plan, struct duet_packet *packet)
{
    uint32_t length = plan->header + plan->text;
    uint32_t ip_size = ip_header_size(&c->tuple.remote);
    uint64_t addresses = sum_of_addresses(&c->tuple, ip_size == IPV4_HEADER);
    if (ip_size == IPV4_HEADER)
        put_ipv4(packet->data, c, length, addresses);
    else
        put_ipv6(packet->data, c, length);
    uint8_t *tcp = packet->data + ip_size;
    bool link_sums = (s->config.offload & DUET_OFFLOAD_CHECKSUM_OUT) != 0;
    uint64_t sum = put_tcp(s, c, plan, tcp);
    struct checksum text = {.wide = s->wide_vectors};
    const uint8_t *place =
        plan->text == 0 ? NULL
                        : buffer_in_one_page(&s->buffers, &t->send, tcp_flight(c), plan->text);
    if (place != NULL && !link_sums)
        checksum_copy(&text, tcp + plan->header, place, plan->text);
    else if (plan->text > 0)
        buffer_read(&s->buffers, &t->send, tcp_flight(c), tcp + plan->header, plan->text,
                    link_sums ? NULL : &text);
    sum = link_sums ? 0 : sum + text.sum;
    sum += addresses + bytes_turn32(IP_PROTOCOL_TCP) + bytes_turn32(length);
    const uint16_t folded = checksum_fold(sum);
    const uint16_t field = link_sums ? folded : (uint16_t)~folded;
    memcpy(tcp + 16, &field, sizeof field);
    segment_is_built(s, packet, ip_size, ip_size + length);
    packet->flags = link_sums ? DUET_PACKET_CHECKSUM_PARTIAL : 0;
}

/* ---- what follows from it ---- */

/* tcp_timer_restart() for what is alone in flight and was just sent: all of the RTO is ahead of it, and
 * nothing speaks against a probe but the peer, or that the one before it told nothing. */
static void start_timers(const struct duet_stack *s, const struct tcp_conn *c,
                         struct tcp_transfer *t)
{
    bool is_probed =
        s->config.rack && conn_is(c, TCP_CONN_SACK) && !t->rack.probe_out && !t->rack.probe_spent;
    t->progress = s->now;
    t->rto_at = s->now + tcp_rto(c);
    t->timer = is_probed ? DUET_TIMER_PROBE : DUET_TIMER_RETRANSMISSION;
    t->deadline = is_probed && t->rack.probe_at < t->rto_at ? t->rack.probe_at : t->rto_at;
}

/* SND.NXT, the record of what is in flight and the timers follow. */
static inline void sent(struct duet_stack *s, struct tcp_conn *c, struct tcp_transfer *t,
                        const struct plan *plan)
{
    struct seq end = seq_add(c->snd.nxt, plan->text + plan->fin);
    tcp_rtt_start(s, t, end);
    flight_append(s, c, c->snd.nxt, end);
    c->snd.nxt = end;
    if (plan->fin)
        c->flags |= TCP_CONN_FIN_SENT |
                    (conn_is(c, TCP_CONN_FIN_RECEIVED) ? 0u : (uint32_t)TCP_CONN_WE_CLOSED_FIRST);
    else if (plan->text < plan->mss)
        t->small = end;
    tcp_probe_schedule(s, c);
    t->last_sent = s->now;
    if (!conn_is(c, TCP_CONN_UNACCEPTED))
        c->sent_at = s->now_ms;
    if (t->deadline == DUET_NEVER)
        start_timers(s, c, t);
    else if (t->timer == DUET_TIMER_PERSIST)
        tcp_timer_restart(s, c, DUET_TIMER_RETRANSMISSION);
    else
        tcp_timer_choose(s, c);
}

/* True: the packet is built, and what it paid is owed no longer. */
bool tcp_fast_output(struct duet_stack *s, struct tcp_conn *c, struct duet_packet *packet)
{
    struct tcp_transfer *t = transfer_of(s, c);
    struct plan plan = {.header = conn_is(c, TCP_CONN_TIMESTAMPS) ? 32 : 20};
    if (!s->config.fast_path || !is_plain(c) || !make_plan(s, c, t, &plan))
        return false;
    enum tcp_rule rule = plan.fin ? TCP_RULE_SEND_FIN : TCP_RULE_SEND_DATA;
    if (plan.text > 0 || plan.fin)
        count_rule(s, rule);
    else
        rule = (enum tcp_rule)c->why;
    tcp_ack_leaves(c);
    build(s, c, t, &plan, packet);
    if (s->config.trace_events != 0) {
        uint32_t start = packet->checksum_start;
        trace(s, c, packet->data + start, packet->length - start, rule);
    }
    if (plan.text == 0 && !plan.fin) {
        c->owes = 0;
        return true;
    }
    t->mtu.size_sent = (uint16_t)max_u32(t->mtu.size_sent, packet->length);
    if (s->config.pacing)
        tcp_pace_sent(s, c, packet);
    sent(s, c, t, &plan);
    tcp_data_left(s, c);
    return true;
}
