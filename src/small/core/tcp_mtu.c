/* SPDX-License-Identifier: MIT */
/* Path MTU of a connection in a small build: RFC 1191 with the care of RFC 5927, 7.2, and a fall to what
 * almost every path carries where full segments vanish without a word (RFC 2923, 2.1).
 *
 *   a router says packet too big   believed, unless packets of that size have arrived: then only once a
 *                                  timeout confirms it
 *   r1_retransmissions timeouts    of a segment above PATH_BASE_IPV4: smaller from here on
 *
 * What was learnt is the connection's own and lasts as long as it does. What is in flight is sent again in
 * smaller pieces, which is no congestion.
 */
#include "core/tcp_mtu.h"

#include "base/bytes.h"
#include "core/state.h"

/* Packets of this size are known to arrive. */
static uint32_t proven_size(const struct tcp_conn *c, const struct tcp_mtu_memory *m)
{
    if (!conn_is(c, TCP_CONN_MTU_PROVEN))
        return m->size_acked;
    return max_u32(m->size_acked, tcp_headers_of(c) + tcp_send_mss(c));
}

static void shrink(struct duet_stack *s, struct tcp_conn *c, uint32_t mtu, enum tcp_rule why)
{
    struct tcp_transfer *t = transfer_of(s, c);
    uint32_t old_mss = tcp_send_mss(c);
    c->mtu = (uint16_t)mtu;
    uint32_t mss = tcp_send_mss(c);
    tcp_cc_lower(s, c, max_u32(mss, (uint32_t)((uint64_t)c->cwnd * mss / old_mss)));
    c->flags &= ~(uint32_t)TCP_CONN_MTU_PROVEN;
    t->mtu.size_sent = (uint16_t)min_u32(t->mtu.size_sent, mtu);
    t->mtu.size_acked = (uint16_t)min_u32(t->mtu.size_acked, mtu);
    t->timing = false; /* Karn */
    tcp_rule(s, c, why, NULL);
    if (c->state <= DUET_SYN_RECEIVED)
        return;
    (void)flight_cut(s, c, mss);
    t->mtu.excused = t->flight.lost > 0 && t->phase == TCP_PHASE_OPEN;
    t->mtu.excuse_end = c->snd.nxt;
    tcp_owe(s, c, TCP_OWES_DATA, why);
}

void tcp_mtu_sent(struct duet_stack *s, struct tcp_conn *c, struct seq start, struct seq end)
{
    struct tcp_mtu_memory *m = &transfer_at(s, c)->mtu;
    m->size_sent = (uint16_t)max_u32(m->size_sent, tcp_packet_size(c, start, end));
}

void tcp_mtu_delivered(struct duet_stack *s, struct tcp_conn *c, struct seq left, struct seq right)
{
    struct tcp_mtu_memory *m = &transfer_at(s, c)->mtu;
    m->size_acked = (uint16_t)max_u32(m->size_acked, tcp_packet_size(c, left, right));
    if (seq_distance(left, right) >= tcp_send_mss(c))
        c->flags |= TCP_CONN_MTU_PROVEN;
}

/* What was sent since is lost, too: that is congestion. */
void tcp_mtu_lost(struct duet_stack *s, struct tcp_conn *c, const struct flight_segment *segment)
{
    struct tcp_mtu_memory *m = &transfer_at(s, c)->mtu;
    if ((segment->flags & FLIGHT_AGAIN) != 0 || seq_lt(m->excuse_end, segment->end))
        m->excused = false;
}

void tcp_mtu_acked(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_mtu_memory *m = &transfer_at(s, c)->mtu;
    if (seq_le(m->excuse_end, c->snd.una))
        m->excused = false;
    if (seq_lt(m->claim_seq, c->snd.una))
        m->claim = 0; /* what it called too big has arrived */
}

void tcp_mtu_timeout(struct duet_stack *s, struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    uint16_t claim = t->mtu.claim;
    bool is_large = tcp_packet_size(c, c->snd.una, c->snd.nxt) > PATH_BASE_IPV4;
    transfer_at(s, c)->mtu.excused = false;
    transfer_at(s, c)->mtu.claim = 0;
    if (claim != 0 && claim < c->mtu)
        shrink(s, c, claim, TCP_RULE_ICMP_MTU_CONFIRMED);
    else if (is_large && t->retransmissions >= s->config.r1_retransmissions)
        shrink(s, c, PATH_BASE_IPV4, TCP_RULE_MTU_BLACK_HOLE);
}

void tcp_mtu_claimed(struct duet_stack *s, struct tcp_conn *c, const struct tcp_mtu_claim *claim)
{
    struct tcp_mtu_memory *m = &transfer_at(s, c)->mtu;
    uint32_t size = min_u32(claim->quoted_size, min_u32(m->size_sent, c->mtu));
    /* A router that does not say takes a half at least: RFC 1191, 5 allows any estimate. */
    uint32_t said = max_u32(claim->mtu == 0 ? size / 2 : claim->mtu, PATH_FLOOR_IPV4);
    if (said >= size) { /* RFC 5927, 7.2: no packet of ours was larger */
        tcp_rule(s, c, TCP_RULE_ICMP_MTU_NOT_LOWER, NULL);
    } else if (said < proven_size(c, m)) {
        m->claim = (uint16_t)max_u32(m->claim, said);
        m->claim_seq = claim->quoted_seq;
        tcp_rule(s, c, TCP_RULE_ICMP_MTU_UNCONFIRMED, NULL);
    } else {
        shrink(s, c, said, TCP_RULE_ICMP_MTU_LOWERED);
    }
}
