/* SPDX-License-Identifier: MIT */
/* A segment with text or FIN is on the wire: SND.NXT, the records of what is in flight and the timers
 * follow. */
#include "core/state.h"

/* What was sent again is in flight again. */
static void sent_again(struct duet_stack *s, struct tcp_conn *c, const struct tcp_offer *offer,
                       struct seq end)
{
    struct flight_segment segment;
    bool more = flight_get(s, c, offer->number, &segment);
    while (more && seq_lt(segment.start, end)) {
        flight_resent(s, c, segment.number, seq_min(end, segment.end));
        tcp_undo_resent(s, c, segment.start);
        more = flight_after(s, c, segment.number, &segment);
    }
    tcp_verify_sent(s, c, offer->seq, end);
    transfer_at(s, c)->timing = false; /* Karn */
    if (seq_lt(c->snd.nxt, end)) {     /* new text went with a refused probe */
        flight_append(s, c, c->snd.nxt, end);
        c->snd.nxt = end;
    }
}

/* A rescue (RFC 6675, 4): what is known of the segment stays as it is. */
static void sent_rescue(struct duet_stack *s, struct tcp_conn *c, const struct tcp_offer *offer)
{
    flight_rescued(s, c, offer->number);
    tcp_undo_resent(s, c, offer->seq);
    transfer_at(s, c)->timing = false; /* Karn */
}

/* New text, one record for each segment of it; the FIN belongs to the last. */
static void sent_new(struct duet_stack *s, struct tcp_conn *c, const struct tcp_offer *offer,
                     struct seq end)
{
    uint32_t mss = tcp_send_mss(c);
    struct seq start = offer->seq;
    tcp_rtt_start(s, transfer_of(s, c), offer->length > mss ? seq_add(start, mss) : end);
    if (FEATURE_LARGE_PACKETS && offer->length > mss) {
        const uint32_t before = (offer->length - 1) / mss;
        flight_append_full(s, c, start, mss, before);
        start = seq_add(start, before * mss);
    }
    flight_append(s, c, start, end);
    c->snd.nxt = end;
    if (offer->length % mss != 0)
        transfer_at(s, c)->small = end;
}

/* More than the MSS in one segment: one record. */
static void sent_mtu_probe(struct duet_stack *s, struct tcp_conn *c, const struct tcp_offer *offer,
                           struct seq end)
{
    tcp_rtt_start(s, transfer_of(s, c), end);
    flight_append(s, c, offer->seq, end);
    c->snd.nxt = end;
    tcp_mtu_probe_sent(s, c, offer->seq, end);
}

/* An offer is on the wire: SND.NXT, the records of what is in flight and the timers follow. */
void tcp_sent(struct duet_stack *s, struct tcp_conn *c, const struct tcp_offer *offer)
{
    struct tcp_transfer *t = transfer_of(s, c);
    struct seq end = seq_add(offer->seq, offer->length + offer->fin);
    if (FEATURE_PLPMTUD && offer->mtu_probe)
        sent_mtu_probe(s, c, offer, end);
    else if (FEATURE_NEXT_SEG && offer->rescue)
        sent_rescue(s, c, offer);
    else if (offer->again)
        sent_again(s, c, offer, end);
    else
        sent_new(s, c, offer, end);
    if (FEATURE_NEXT_SEG && (offer->rescue || offer->unlost))
        tcp_6675_sent(s, c, offer);
    if (!offer->again)
        tcp_probe_schedule(s, c);
    if (offer->fin && !conn_is(c, TCP_CONN_FIN_SENT)) {
        c->flags |= TCP_CONN_FIN_SENT;
        if (!conn_is(c, TCP_CONN_FIN_RECEIVED))
            c->flags |= TCP_CONN_WE_CLOSED_FIRST;
    }
    tcp_prr_sent(s, c, offer->length);
    t->last_sent = s->now;
    if (!conn_is(c, TCP_CONN_UNACCEPTED))
        c->sent_at = s->now_ms;
    if (t->deadline == DUET_NEVER)
        t->progress = s->now;
    /* RFC 6298, 5.1; and the oldest segment has its full time again when it was sent again. */
    bool is_oldest_again = offer->again && seq_eq(offer->seq, tcp_send_start(c));
    if (t->deadline == DUET_NEVER || t->timer == DUET_TIMER_PERSIST || is_oldest_again)
        tcp_timer_restart(s, c, DUET_TIMER_RETRANSMISSION);
    else
        tcp_timer_choose(s, c);
}
