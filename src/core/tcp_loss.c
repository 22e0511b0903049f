/* SPDX-License-Identifier: MIT */
/* Loss recovery: what an acknowledgement, or its absence, means for what is in flight.
 *
 *   phase      begins                                  ends                      window
 *   open                                                                         the controller's
 *   recovery   a segment is found lost                 SND.UNA reaches recover   PRR (RFC 9937); without
 *                                                                                SACK, RFC 5681, 3.2
 *   loss       the retransmission timer runs out       SND.UNA reaches recover   one segment, slow start
 *
 * Who finds losses: RACK with SACK (tcp_rack.c), or RFC 6675 in its place (tcp_6675.c); three
 * duplicate ACKs without SACK (tcp_dupack.c); the timer always. Lost segments are sent again by
 * tcp_send.c as the window allows, the oldest first, before anything new. recover is SND.NXT when
 * the phase began, so that one window of data is one signal of congestion (RFC 6582, RFC 6675).
 * Recovery that was not needed is undone (tcp_undo.c).
 */
#include "base/bytes.h"
#include "core/state.h"

enum { REORDERED_TRIPS = 4, FLIGHT_COUNTED = 1 << 26 };

/* A segment of ours is known to have arrived, by acknowledgement or by SACK. */
void tcp_delivered(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                   const struct flight_segment *segment, struct tcp_news *news)
{
    uint32_t rtt_us = flight_age_us(s, segment->sent_us);
    if ((segment->flags & FLIGHT_COPIES) == 0) {
        news->rtt_us = max_u32(1, rtt_us); /* the last one is the latest sent */
        transfer_at(s, c)->rack.probe_spent = false;
    }
    if (conn_is(c, TCP_CONN_SACK))
        tcp_rack_delivered(s, c, seg, segment);
    tcp_mtu_delivered(s, c, segment->start, segment->end);
}

/* A detector has found a segment lost. Names of records change if it was a probe of the path MTU,
 * which is cut. */
void tcp_found_lost(struct duet_stack *s, struct tcp_conn *c, const struct flight_segment *segment)
{
    flight_mark_lost(s, c, segment->number);
    if (!tcp_verify_lost(s, c, segment))
        tcp_mtu_lost(s, c, segment);
}

struct tcp_news tcp_news_begin(const struct duet_stack *s, const struct tcp_conn *c)
{
    struct tcp_news news = {0};
    if (transfer_of(s, c) == NULL)
        return news;
    flight_allow(s, c);
    news.flight = flight_in_network(s, c);
    const struct tcp_flight *flight = &transfer_at(s, c)->flight;
    news.sacked_before = flight->sacked;
    news.records = flight->count - flight->sacked_count;
    return news;
}

/* ---- the phases ---- */

static void set_phase(struct duet_stack *s, struct tcp_conn *c, enum tcp_phase phase)
{
    transfer_at(s, c)->phase = (uint8_t)phase;
}

/* What was in the network when all was still well: what is sent because of SACKs or duplicate ACKs
 * since then does not count (RFC 6675, 5; RFC 5681, 3.2). Where something is always SACKed, because
 * the path reorders or loses all the time, all is never well. Then it is no more than the window of
 * now, which what was noted before may have filled, and that is said anew each round trip, or, where
 * the path is known to reorder, each fourth: there a retransmission makes PAWS drop what is late
 * behind it (RFC 7323, 5.3), and such losses follow each other without any congestion. */
static void note_disorder(struct duet_stack *s, struct tcp_conn *c, const struct tcp_news *news)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (t->phase != TCP_PHASE_OPEN || !news->sacked)
        return;
    if (news->sacked_before == 0) {
        t->flight_before = news->flight;
        t->disorder_answered = false;
    } else if (seq_le(t->disorder_end, c->snd.una)) {
        t->flight_before = min_u32(c->cwnd, max_u32(t->flight_before, news->flight));
    } else {
        return;
    }
    uint32_t more = c->reordering_seen ? REORDERED_TRIPS - 1 : 0;
    t->disorder_end = seq_add(c->snd.nxt, more * min_u32(tcp_flight(c), FLIGHT_COUNTED));
}

/* Fast recovery: one window of data is one signal. Where the path reorders, losses of a disorder that
 * has not ended since the window was reduced say nothing of where the network is full. */
static void enter_recovery(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    bool is_answered = c->reordering_seen && t->disorder_answered;
    tcp_undo_begin(s, c);
    if (tcp_ecn_loss(s, c))
        tcp_cc_congestion(s, c, is_answered ? TCP_CONGESTION_GOES_ON : TCP_CONGESTION_LOSS,
                          t->flight_before);
    t->disorder_answered = true;
    set_phase(s, c, TCP_PHASE_RECOVERY);
    t->recover = c->snd.nxt;
    t->timing = false; /* Karn */
    tcp_prr_begin(s, c, t->flight_before);
    tcp_prr_acked(s, c, 0, false);
    trace_congestion(s, c, TCP_RULE_RECOVERY_BY_SACK);
    tcp_owe(s, c, TCP_OWES_DATA, TCP_RULE_RECOVERY_BY_SACK);
}

static void leave_recovery(struct duet_stack *s, struct tcp_conn *c)
{
    c->cwnd = max_u32(c->ssthresh, tcp_send_mss(c)); /* RFC 9937, 6.4 */
    set_phase(s, c, TCP_PHASE_OPEN);
    tcp_rack_recovered(c);
    trace_congestion(s, c, TCP_RULE_RECOVERY_COMPLETE);
}

static void leave_loss(struct duet_stack *s, struct tcp_conn *c)
{
    set_phase(s, c, TCP_PHASE_OPEN);
    tcp_rack_recovered(c);
}

static bool has_recovered(const struct tcp_conn *c, const struct tcp_transfer *t)
{
    return t->phase != TCP_PHASE_OPEN && seq_le(t->recover, c->snd.una);
}

static void find_losses(struct duet_stack *s, struct tcp_conn *c, const struct tcp_news *news)
{
    if (tcp_uses_rack(s))
        tcp_rack_detect(s, c);
    else
        tcp_6675_acked(s, c, news);
}

/* A segment was found lost while all was well, or is still. That a packet was too large for the path
 * is no congestion (tcp_mtu.c). */
static void respond(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (t->phase == TCP_PHASE_OPEN && t->flight.lost > 0 && !t->mtu.excused)
        enter_recovery(s, c);
    else if (t->flight.lost > 0)
        tcp_owe(s, c, TCP_OWES_DATA, TCP_RULE_SEND_AGAIN);
}

/* RFC 8985, 7.4.2: a probe has repaired what was lost. There is nothing to recover. */
static void respond_to_probe(struct duet_stack *s, struct tcp_conn *c, const struct tcp_news *news)
{
    if (!tcp_ecn_loss(s, c))
        return;
    tcp_cc_congestion(s, c, TCP_CONGESTION_LOSS, news->flight);
    c->cwnd = c->ssthresh;
    trace_congestion(s, c, TCP_RULE_PROBE_REPAIRED);
}

/* With SACK. */
static void sack_acked(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                       const struct tcp_news *news)
{
    struct tcp_transfer *t = transfer_of(s, c);
    uint32_t lost_before = t->flight.lost;
    enum tcp_phase before = (enum tcp_phase)t->phase;
    note_disorder(s, c, news);
    tcp_rack_widen(s, c, news);
    if (tcp_undo_arrives(s, c, seg, news)) {
        t->dupacks = 0; /* they belonged to what was no loss */
        return;
    }
    if (has_recovered(c, t) && t->phase == TCP_PHASE_RECOVERY)
        leave_recovery(s, c);
    else if (has_recovered(c, t))
        leave_loss(s, c);
    note_disorder(s, c, news); /* in what was sent since */
    if (tcp_probe_repaired(s, c, seg, news) && t->phase == TCP_PHASE_OPEN)
        respond_to_probe(s, c, news);
    find_losses(s, c, news);
    respond(s, c);
    if (t->phase == TCP_PHASE_RECOVERY)
        tcp_prr_acked(s, c, news->delivered, news->advanced && t->flight.lost <= lost_before);
    else if (before == TCP_PHASE_LOSS && news->delivered > 0 && !t->ecn_marked)
        tcp_cc_acked(s, c, news->delivered, news->flight);
    else if (before == TCP_PHASE_OPEN && news->advanced &&
             !t->ecn_marked) /* RFC 3168, 6.1.2: no growth */
        tcp_cc_acked(s, c, news->acked, news->flight);
    if (news->sacked)
        tcp_owe(s, c, TCP_OWES_DATA, TCP_RULE_SACK_RECEIVED);
}

/* An acceptable acknowledgement has been read; the transfer record exists. */
void tcp_loss_acked(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                    struct tcp_news *news)
{
    struct tcp_transfer *t = transfer_of(s, c);
    news->delivered = news->advanced_space + t->flight.sacked - news->sacked_before;
    if (news->advanced) {
        t->retransmissions = 0;
        t->r1_told = false;
        tcp_probe_schedule(s, c);
    }
    if (news->rtt_us != 0) {
        tcp_rtt_min(s, c, news->rtt_us);
        tcp_cc_rtt(s, c, news->rtt_us);
        if (!news->advanced) /* by SACK: the timed segment may be behind a hole */
            tcp_rtt_out_of_turn(s, c, news->rtt_us);
    }
    if (conn_is(c, TCP_CONN_SACK))
        sack_acked(s, c, seg, news);
    else
        tcp_dupack_acked(s, c, seg, news);
    tcp_mtu_acked(s, c);
    if (news->delivered > 0 || news->duplicate)
        trace_progress(s, c, 0);
    tcp_timer_choose(s, c);
}

/* The reordering timer (RFC 8985, 6.2 step 5). */
void tcp_loss_reordering_expired(struct duet_stack *s, struct tcp_conn *c)
{
    tcp_rack_detect(s, c);
    respond(s, c);
    tcp_timer_choose(s, c);
}

/* The retransmission timer ran out. What is in flight counts as lost, as far as the detector says so,
 * and is sent again from SND.UNA on in slow start. Repeated timeouts of one segment lower ssthresh
 * once (RFC 5681, 3.1). If the oldest segment was SACKed the peer has broken its word (RFC 2018, 8),
 * and all that it said is forgotten. */
void tcp_loss_timeout(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    struct flight_segment oldest;
    bool has_oldest = flight_oldest(s, c, &oldest);
    bool reneged = has_oldest && (oldest.flags & FLIGHT_SACKED) != 0;
    if (reneged)
        tcp_rule(s, c, TCP_RULE_SACK_RENEGED, NULL);
    (void)tcp_ecn_loss(s, c); /* a timeout is news even in a window reduced before */
    if (t->retransmissions == 1) {
        tcp_undo_begin(s, c);
        tcp_cc_congestion(s, c, TCP_CONGESTION_TIMEOUT, tcp_flight(c) - t->flight.sacked);
    }
    if (conn_is(c, TCP_CONN_SACK) && tcp_uses_rack(s) && !reneged)
        tcp_rack_timeout(s, c);
    else
        flight_all_lost(s, c, reneged);
    c->cwnd = tcp_send_mss(c);
    set_phase(s, c, TCP_PHASE_LOSS);
    t->recover = c->snd.nxt;
    t->dupacks = 0;
    t->timing = false;
    t->rack.reorder_at = DUET_NEVER;
    t->rack.probe_out = false;
    trace_congestion(s, c, TCP_RULE_LOSS_WINDOW);
}
