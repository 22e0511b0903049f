/* SPDX-License-Identifier: MIT */
/* Fast retransmit and fast recovery for peers without SACK (RFC 5681, 3.2; RFC 6582; RFC 3042).
 *
 *   three duplicate ACKs   resend the segment at SND.UNA, lower the window, keep the ACK clock
 *   partial ACK            the next hole: resend it too
 *   full ACK               recovery is over
 *
 * Each duplicate ACK says that one segment has left the network, but not which: cwnd is inflated by
 * it, never by more than was outstanding when the loss was noticed, so that a peer that makes them up
 * cannot have the whole of its window sent (RFC 5681, 3.2 step 4).
 */
#include "base/bytes.h"
#include "core/state.h"

enum { DUPLICATE_ACK_THRESHOLD = 3 };

static void resend_oldest(struct duet_stack *s, struct tcp_conn *c, enum tcp_rule why)
{
    struct flight_segment oldest;
    if (flight_oldest(s, c, &oldest))
        tcp_found_lost(s, c, &oldest);
    trace_congestion(s, c, why);
    tcp_owe(s, c, TCP_OWES_RETRANSMIT | TCP_OWES_DATA, why);
}

static void enter_recovery(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    tcp_undo_begin(s, c);
    if (tcp_ecn_loss(s, c))
        tcp_cc_congestion(s, c, TCP_CONGESTION_LOSS, t->flight_before);
    c->cwnd = c->ssthresh + DUPLICATE_ACK_THRESHOLD * tcp_send_mss(c);
    t->phase = TCP_PHASE_RECOVERY;
    t->recover = c->snd.nxt;
    t->timing = false; /* Karn */
    resend_oldest(s, c, TCP_RULE_FAST_RETRANSMIT);
}

/* Three duplicate ACKs for a probe of the path MTU, which was too large, or for what was never sent:
 * that is no congestion. */
static bool is_no_congestion(struct duet_stack *s, struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    struct flight_segment oldest;
    bool can_be = FEATURE_PLPMTUD || FEATURE_VERIFY_ACKS;
    if (!can_be || !flight_oldest(s, c, &oldest))
        return false;
    bool is_probe = t->mtu.probing && seq_eq(oldest.start, t->mtu.probe_start);
    bool is_withheld = t->verify.withheld && seq_eq(oldest.start, t->verify.start);
    if (!is_probe && !is_withheld)
        return false;
    tcp_found_lost(s, c, &oldest);
    tcp_owe(s, c, TCP_OWES_RETRANSMIT | TCP_OWES_DATA,
            is_probe ? TCP_RULE_MTU_PROBE_LOST : TCP_RULE_WITHHELD_MISSED);
    return true;
}

static void duplicate_ack(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (t->dupacks < UINT8_MAX)
        t->dupacks++;
    if (t->dupacks == 1 && t->phase != TCP_PHASE_RECOVERY)
        t->flight_before = tcp_flight(c); /* without what limited transmit will send */
    if (t->phase == TCP_PHASE_RECOVERY) {
        if (c->cwnd < c->ssthresh + t->flight_before)
            c->cwnd += tcp_send_mss(c);
        tcp_owe(s, c, TCP_OWES_DATA, TCP_RULE_ACK_DUPLICATE);
    } else if (t->mtu.excused) {
        return;
    } else if (t->dupacks == DUPLICATE_ACK_THRESHOLD && seq_le(t->recover, c->snd.una)) {
        if (!is_no_congestion(s, c))
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
    trace_congestion(s, c, TCP_RULE_RECOVERY_COMPLETE);
}

static void partial_ack(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes)
{
    uint32_t mss = tcp_send_mss(c);
    c->cwnd = c->cwnd > bytes ? c->cwnd - bytes : 0;
    if (bytes >= mss)
        c->cwnd += mss;
    c->cwnd = max_u32(c->cwnd, mss);
    resend_oldest(s, c, TCP_RULE_PARTIAL_ACK);
}

static void advanced(struct duet_stack *s, struct tcp_conn *c, const struct tcp_news *news)
{
    struct tcp_transfer *t = transfer_of(s, c);
    bool is_complete = seq_le(t->recover, c->snd.una);
    t->dupacks = 0;
    if (FEATURE_PLPMTUD && t->mtu.judging && t->flight.lost > 0) /* the rest of it */
        tcp_owe(s, c, TCP_OWES_RETRANSMIT, TCP_RULE_MTU_PROBE_LOST);
    if (t->phase == TCP_PHASE_RECOVERY && !is_complete) {
        partial_ack(s, c, news->acked);
        return;
    }
    if (t->phase == TCP_PHASE_RECOVERY)
        leave_recovery(s, c);
    else if (!t->ecn_marked) /* RFC 3168, 6.1.2: no growth */
        tcp_cc_acked(s, c, news->acked, news->flight);
    if (is_complete)
        t->phase = TCP_PHASE_OPEN;
}

void tcp_dupack_acked(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                      const struct tcp_news *news)
{
    if (tcp_undo_arrives(s, c, seg, news)) {
        transfer_at(s, c)->dupacks = 0;
        return;
    }
    if (news->advanced)
        advanced(s, c, news);
    else if (news->duplicate)
        duplicate_ack(s, c);
}
