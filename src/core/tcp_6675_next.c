/* SPDX-License-Identifier: MIT */
/* What to send next is NextSeg (4). Lost segments go first and new ones second, with RACK and
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

/* The segment of a rescue. One that was sent again less than a round trip ago may still arrive: not yet. */
static bool find_rescue(const struct duet_stack *s, const struct tcp_conn *c,
                        struct flight_segment *segment)
{
    if (transfer_at(s, c)->rescued || !flight_highest(s, c, segment))
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
        transfer_at(s, c)->rescued = true;
}
