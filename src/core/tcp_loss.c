/* SPDX-License-Identifier: MIT */
/* Loss: how it is noticed and what it costs (RFC 5681, 3.2; RFC 6582, NewReno; RFC 6298, 5).
 *
 *   three duplicate ACKs   resend the segment at SND.UNA, halve the window, keep the ACK clock
 *   partial ACK            the next hole: resend it too
 *   full ACK               recovery is over
 *   timeout                one segment, and slow start from there over all that was in flight
 */
#include "base/bytes.h"
#include "core/state.h"

enum { DUPLICATE_ACK_THRESHOLD = 3 };

static void enter_recovery(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    /* Without what limited transmit has sent since. */
    tcp_cc_congestion(s, c, TCP_CONGESTION_LOSS, t->flight_at_first_dupack);
    c->cwnd = c->ssthresh + DUPLICATE_ACK_THRESHOLD * tcp_send_mss(c);
    t->recovering = true;
    t->recover = c->snd.nxt;
    t->timing = false; /* Karn */
    trace_congestion(s, c, TCP_RULE_FAST_RETRANSMIT);
    tcp_owe(s, c, TCP_OWES_RETRANSMIT | TCP_OWES_DATA, TCP_RULE_FAST_RETRANSMIT);
}

static bool is_repairing_probe(const struct tcp_conn *c, const struct tcp_transfer *t)
{
    return t->mtu.judging && seq_lt(c->snd.una, t->mtu.probe_end) &&
           seq_le(t->mtu.probe_start, c->snd.una);
}

void tcp_loss_duplicate_ack(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (t->dupacks < UINT8_MAX)
        t->dupacks++;
    if (t->dupacks == 1)
        t->flight_at_first_dupack = tcp_flight(c);
    if (t->recovering) {
        /* One segment has left the network; inflation is bounded by what was outstanding. */
        if (c->cwnd < c->ssthresh + tcp_flight(c))
            c->cwnd += tcp_send_mss(c);
        tcp_owe(s, c, TCP_OWES_DATA, TCP_RULE_ACK_DUPLICATE);
    } else if (is_repairing_probe(c, t)) {
        return;
    } else if (t->dupacks == DUPLICATE_ACK_THRESHOLD && seq_le(t->recover, c->snd.una)) {
        if (tcp_mtu_lost(s, c, c->snd.una, seq_add(c->snd.una, tcp_send_mss(c))))
            tcp_owe(s, c, TCP_OWES_RETRANSMIT, TCP_RULE_MTU_PROBE_LOST);
        else
            enter_recovery(s, c);
    } else if (t->dupacks < DUPLICATE_ACK_THRESHOLD) {
        count_rule(s, TCP_RULE_LIMITED_TRANSMIT);
        tcp_owe(s, c, TCP_OWES_DATA, TCP_RULE_LIMITED_TRANSMIT);
    }
}

static void leave_recovery(struct duet_stack *s, struct tcp_conn *c)
{
    uint32_t mss = tcp_send_mss(c);
    c->cwnd = min_u32(c->ssthresh, max_u32(tcp_flight(c), mss) + mss);
    transfer_of(s, c)->recovering = false;
    trace_congestion(s, c, TCP_RULE_RECOVERY_COMPLETE);
}

static void partial_ack(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes)
{
    uint32_t mss = tcp_send_mss(c);
    c->cwnd = c->cwnd > bytes ? c->cwnd - bytes : 0;
    if (bytes >= mss)
        c->cwnd += mss;
    c->cwnd = max_u32(c->cwnd, mss);
    trace_congestion(s, c, TCP_RULE_PARTIAL_ACK);
    tcp_owe(s, c, TCP_OWES_RETRANSMIT | TCP_OWES_DATA, TCP_RULE_PARTIAL_ACK);
}

/* SND.UNA has advanced by bytes of data. */
void tcp_loss_acked(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes)
{
    struct tcp_transfer *t = transfer_of(s, c);
    t->dupacks = 0;
    t->retransmissions = 0;
    t->r1_told = false;
    if (is_repairing_probe(c, t))
        tcp_owe(s, c, TCP_OWES_RETRANSMIT, TCP_RULE_MTU_PROBE_LOST);
    if (!t->recovering)
        tcp_cc_acked(s, c, bytes, tcp_flight(c) + bytes);
    else if (seq_lt(c->snd.una, t->recover))
        partial_ack(s, c, bytes);
    else
        leave_recovery(s, c);
}

/* The retransmission timer ran out: all that is in flight counts as lost, and is sent again from
 * SND.UNA in slow start. Repeated timeouts of one segment lower ssthresh once (RFC 5681, 3.1). */
void tcp_loss_timeout(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (t->retransmissions == 1)
        tcp_cc_congestion(s, c, TCP_CONGESTION_TIMEOUT, tcp_flight(c));
    c->cwnd = tcp_send_mss(c);
    t->recovering = false;
    t->recover = c->snd.nxt;
    t->resend = c->snd.una;
    t->dupacks = 0;
    t->timing = false; /* Karn */
    trace_congestion(s, c, TCP_RULE_LOSS_WINDOW);
}
