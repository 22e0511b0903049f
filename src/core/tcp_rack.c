/* SPDX-License-Identifier: MIT */
/* RACK: loss detection by time (RFC 8985, 6), for connections with SACK.
 *
 * Theory of operation. When a segment is known to have arrived, everything that was sent a
 * reordering window before it has been lost. It works for retransmissions as for first
 * transmissions, for the tail of a flight as for its middle, and a path that reorders only widens
 * the window.
 *
 *   RACK.xmit_ts, RACK.end_seq   the latest-sent segment known to have arrived
 *   RACK.rtt                     its round trip
 *   lost                         sent before that one, and xmit_ts + RACK.rtt + reo_wnd <= now
 *   reo_wnd                      0 while no reordering was seen and three segments are SACKed, or
 *                                recovery runs; else min_RTT / 4 times a factor that D-SACKs
 *                                raise by one a round trip, at most SRTT
 *
 * Segments that are not yet old enough are looked at again by the reordering timer, which is set
 * for the one of them sent last. The work is that of the segments that are judged lost, and at most
 * WAITING_MAX more; where that is more than a packet may ask (tcp_flight.h), the timer runs out at once.
 */
#include "base/bytes.h"
#include "core/state.h"

enum {
    DUPLICATE_THRESHOLD = 3,
    PERSIST_RECOVERIES = 16,
    WIDENING_MAX = 63, /* the window is 64 quarters of min_RTT at most: sixteen round trips */
    WAITING_MAX = 40,  /* segments looked at for the reordering timer */
    STALE_US = 1 << 30,
};

/* The TSval that was on a segment sent then. */
static uint32_t tsval_at(const struct duet_stack *s, const struct tcp_conn *c, uint32_t sent_us)
{
    duet_time age = flight_age_us(s, sent_us) * DUET_MICROSECOND;
    return c->ts_offset + (uint32_t)((s->now - age) / DUET_MILLISECOND);
}

/* Step 2: an acknowledgement of a segment that was sent again may be for an earlier copy. */
static bool is_ambiguous(const struct duet_stack *s, const struct tcp_conn *c,
                         const struct tcp_segment *seg, const struct flight_segment *segment,
                         uint32_t rtt_us)
{
    if ((segment->flags & FLIGHT_COPIES) == 0)
        return false;
    /* Beyond a hole the peer echoes what came before the hole (RFC 7323, 4.3): that says nothing of
     * a segment that was SACKed. */
    bool has_echo = conn_is(c, TCP_CONN_TIMESTAMPS) && seq_le(segment->end, seg->ack) &&
                    (seg->options->present & DUET_TRACE_TIMESTAMPS) != 0;
    if (has_echo && seq_lt(seq_of(seg->options->tsecr), seq_of(tsval_at(s, c, segment->sent_us))))
        return true;
    return rtt_us < c->rtt_min_us;
}

/* The path reorders (6.2, step 3). */
void tcp_rack_reordered(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg)
{
    if (c->reordering_seen)
        return;
    c->reordering_seen = 1;
    tcp_rule(s, c, TCP_RULE_REORDERING_SEEN, seg);
}

/* Steps 2 and 3, for one segment that has just been delivered. */
void tcp_rack_delivered(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                        const struct flight_segment *segment)
{
    struct tcp_rack *rack = &transfer_at(s, c)->rack;
    uint32_t rtt_us = flight_age_us(s, segment->sent_us);
    bool again = (segment->flags & FLIGHT_COPIES) != 0;
    if (seq_lt(rack->fack, segment->end)) {
        rack->fack = segment->end;
    } else if (!again) {
        tcp_rack_reordered(s, c, seg);
    }
    if (is_ambiguous(s, c, seg, segment, rtt_us))
        return;
    tcp_rack_took(rack, segment, rtt_us);
}

/* True if the window was widened for what is in flight. A round ends when all that was in flight is
 * acknowledged, so that it needs no memory beyond that of the transfer. */
static bool is_in_dsack_round(struct duet_stack *s, const struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (t == NULL)
        return false;
    if (t->rack.in_dsack_round && seq_le(t->rack.dsack_round, c->snd.una))
        t->rack.in_dsack_round = false;
    return t->rack.in_dsack_round;
}

/* Step 4, first half: D-SACKs say that the window was too narrow. */
void tcp_rack_widen(struct duet_stack *s, struct tcp_conn *c, const struct tcp_news *news)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (is_in_dsack_round(s, c) || !news->dsacked)
        return;
    if (t != NULL) {
        t->rack.in_dsack_round = true;
        t->rack.dsack_round = c->snd.nxt;
    }
    c->reordering_widening = min_u32(c->reordering_widening + 1u, WIDENING_MAX) & 63u;
    c->reordering_persist = PERSIST_RECOVERIES;
    tcp_rule(s, c, TCP_RULE_REORDERING_WIDENED, NULL);
}

/* A recovery has ended, after a loss or a timeout. */
void tcp_rack_recovered(struct tcp_conn *c)
{
    if (c->reordering_persist > 0)
        c->reordering_persist = (c->reordering_persist - 1u) & 31u;
    if (c->reordering_persist == 0)
        c->reordering_widening = 0;
}

uint32_t tcp_rack_window_us(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    bool is_sure = t->phase != TCP_PHASE_OPEN || t->flight.sacked_count >= DUPLICATE_THRESHOLD;
    if (!c->reordering_seen && is_sure)
        return 0;
    uint64_t window = (c->reordering_widening + UINT64_C(1)) * c->rtt_min_us / 4;
    uint32_t srtt = c->srtt_us >> 3;
    return window < srtt ? (uint32_t)window : srtt;
}

/* Marks those of one order (sent once, or again) that are old enough; *wait becomes the longest that
 * one of the others still has to wait, at most. False: there may be more of them than the allowance.
 */
static bool detect_among(struct duet_stack *s, struct tcp_conn *c, bool again, uint32_t patience_us,
                         uint32_t *wait_us)
{
    const struct tcp_rack *rack = &transfer_at(s, c)->rack;
    struct flight_segment segment;
    uint32_t waiting = 0;
    flight_allow(s, c);
    bool more = flight_oldest_sent(s, c, again, &segment);
    while (more && tcp_rack_sent_after(rack->sent_us, rack->end, segment.sent_us, segment.end)) {
        uint32_t age_us = flight_age_us(s, segment.sent_us);
        if (age_us >= patience_us) {
            tcp_found_lost(s, c, &segment);
            more = flight_oldest_sent(s, c, again, &segment);
            continue;
        }
        *wait_us = max_u32(*wait_us, patience_us - age_us);
        if (++waiting == WAITING_MAX)
            return true;
        more = flight_next_sent(s, c, &segment);
    }
    return waiting > 0 || !flight_is_spent(s, c);
}

/* Times are the low 32 bits of microseconds, so "before" means something for 35 minutes. Where nothing
 * was delivered for half of that (nothing in flight, or a window that stays closed), what was
 * delivered last says nothing any more: what is sent now would seem to have been sent before it. */
static bool is_valid(const struct duet_stack *s, const struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    bool is_fresh = t->flight.count > 0 && flight_age_us(s, t->rack.sent_us) <= STALE_US;
    t->rack.valid = t->rack.valid && is_fresh;
    return t->rack.valid;
}

/* Step 5. Also when the reordering timer has run out. */
void tcp_rack_detect(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_rack *rack = &transfer_at(s, c)->rack;
    rack->reorder_at = DUET_NEVER;
    if (!is_valid(s, c))
        return;
    uint32_t patience_us = rack->rtt_us + tcp_rack_window_us(s, c);
    uint32_t wait_us = 0;
    bool all_once = detect_among(s, c, false, patience_us, &wait_us);
    bool all_again = detect_among(s, c, true, patience_us, &wait_us);
    if (!all_once || !all_again)
        wait_us = 1; /* the rest is judged then */
    if (wait_us > 0)
        rack->reorder_at = (s->now_us + wait_us) * DUET_MICROSECOND;
}

/* 6.3: when the retransmission timer runs out, the oldest segment is lost, and so is what RACK would
 * have judged so; what was sent a moment ago is not. The whole flight is looked at, once a timeout.
 */
void tcp_rack_timeout(struct duet_stack *s, struct tcp_conn *c)
{
    const struct tcp_rack *rack = &transfer_at(s, c)->rack;
    uint32_t patience_us =
        (is_valid(s, c) ? rack->rtt_us : c->srtt_us >> 3) + tcp_rack_window_us(s, c);
    struct flight_segment segment;
    bool more = flight_oldest(s, c, &segment);
    bool is_first = true;
    while (more) {
        if (is_first || flight_age_us(s, segment.sent_us) >= patience_us)
            flight_mark_lost(s, c, segment.number);
        is_first = false;
        more = flight_after(s, c, segment.number, &segment);
    }
}
