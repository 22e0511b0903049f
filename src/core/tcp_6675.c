/* SPDX-License-Identifier: MIT */
/* Loss recovery by SACK alone (RFC 6675), where the configuration has no RACK: a segment is lost (4)
 * when more than (DupThresh - 1) segments' worth of bytes behind it, or DupThresh separate runs,
 * have been SACKed; the oldest one also after DupThresh acknowledgements with news. The two are never combined (RFC 8985, 9.2).
 *
 * What lies behind a segment only grows while it waits, so one look from the oldest on, up to the
 * first that is not lost, finds all; the scoreboard counts what lies behind the oldest as SACKs
 * arrive. So the work is that of the segments that are judged lost. A retransmission that is lost
 * again is left to the timer.
 *
 * What to send next is NextSeg (4). Lost segments go first and new ones second, with RACK and
 * without (tcp_send.c). Where the window has room for a segment after that:
 *
 *   (3)   the oldest that was sent once, if something behind it was SACKed
 *   (4)   the highest that is not SACKed, once in a recovery: nothing behind it can tell of its
 *         loss. If it was sent again, not before a round trip is over, though the RFC would
 *
 * Neither leaves more in the network than it seems: the window shrinks by what is sent, until PRR
 * counts it at the next acknowledgement.
 */
#include "base/bytes.h"
#include "core/state.h"

enum { DUPLICATE_THRESHOLD = 3 };

/* 5, step 1: three acknowledgements with news beyond the hole, however small what they report. */
static void count_duplicates(struct duet_stack *s, struct tcp_conn *c, const struct tcp_news *news)
{
    struct tcp_transfer *t = transfer_of(s, c);
    struct flight_segment oldest;
    if (news->advanced)
        t->dupacks = 0;
    if (news->sacked && t->dupacks < DUPLICATE_THRESHOLD)
        t->dupacks++;
    if (t->dupacks == DUPLICATE_THRESHOLD && t->phase == TCP_PHASE_OPEN &&
        flight_oldest(s, c, &oldest))
        tcp_found_lost(s, c, &oldest);
}

void tcp_6675_acked(struct duet_stack *s, struct tcp_conn *c, const struct tcp_news *news)
{
    uint32_t enough = (DUPLICATE_THRESHOLD - 1) * tcp_send_mss(c);
    struct flight_segment segment;
    count_duplicates(s, c, news);
    while (transfer_of(s, c)->flight.sacked > 0 && flight_oldest_sent(s, c, false, &segment)) {
        uint32_t runs;
        uint32_t bytes = flight_sacked_behind(s, c, &runs);
        if (bytes <= enough && runs < DUPLICATE_THRESHOLD)
            return;
        tcp_found_lost(s, c, &segment);
    }
}

/* The segment of a rescue. One that was sent again less than a round trip ago may still arrive: not yet. */
static bool find_rescue(const struct duet_stack *s, const struct tcp_conn *c,
                        struct flight_segment *segment)
{
    if (transfer_of(s, c)->rescued || !flight_highest(s, c, segment))
        return false;
    return (segment->flags & FLIGHT_AGAIN) == 0 ||
           flight_age_us(s, segment->sent_us) >= c->srtt_us >> 3;
}

/* NextSeg (3) and (4); congestion: bytes that cwnd still lets into the network. A probe of the path
 * MTU is in no hurry. */
bool tcp_6675_next(struct duet_stack *s, struct tcp_conn *c, uint32_t congestion,
                   struct tcp_offer *offer)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    struct flight_segment segment;
    uint32_t runs;
    flight_allow(s, c);
    if (tcp_uses_rack(s) || t->phase != TCP_PHASE_RECOVERY || !conn_is(c, TCP_CONN_SACK) ||
        congestion < tcp_send_mss(c) || t->mtu.probing)
        return false;
    if (flight_oldest_sent(s, c, false, &segment) && flight_sacked_behind(s, c, &runs) > 0) {
        if (!tcp_send_again(s, c, &segment, offer))
            return false;
        offer->unlost = true;
        return true;
    }
    if (!find_rescue(s, c, &segment) || !tcp_send_again(s, c, &segment, offer))
        return false;
    offer->rescue = true;
    return true;
}

/* Such a segment was sent. */
void tcp_6675_sent(const struct duet_stack *s, struct tcp_conn *c, const struct tcp_offer *offer)
{
    uint32_t mss = tcp_send_mss(c);
    c->cwnd = c->cwnd > mss + offer->length ? c->cwnd - offer->length : mss;
    if (offer->rescue)
        transfer_of(s, c)->rescued = true;
}
