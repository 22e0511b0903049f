/* SPDX-License-Identifier: MIT */
/* Pacing: segments leave evenly over the round trip instead of in one burst for each acknowledgement.
 *
 * Theory of operation. The controller names a rate, somewhat above cwnd / SRTT so that pacing never
 * limits throughput. Each packet pushes the earliest departure of the next one back by its length
 * at that rate. A link that can hold packets (DUET_OFFLOAD_PACE) is given them at once with their
 * departure times; for others the connection falls silent until then, and duet_deadline() says when
 * that is. Credit of a short pause may be spent in a burst of BURST_TIME, at least two segments and
 * at most BURST_BYTES; at the start of a flight, of the initial window (RFC 6928). Without an
 * estimate of the round trip there is no rate, and no pacing.
 */
#include "base/bytes.h"
#include "core/state.h"

#define BURST_TIME DUET_MILLISECOND
enum { BURST_BYTES = 65536 };
#define HORIZON (100 * DUET_MILLISECOND) /* a link is not asked to hold a packet for longer */

static duet_time time_of(uint32_t bytes, uint64_t rate)
{
    return (duet_time)((uint64_t)bytes * (uint64_t)DUET_SECOND / rate);
}

/* How far behind now the next departure may lie: what may leave at once. */
static duet_time credit(const struct duet_stack *s, const struct tcp_conn *c, uint64_t rate)
{
    enum { HEADERS = 80 };
    uint32_t mss = tcp_send_mss(c) + HEADERS;
    if (seq_eq(c->snd.una, c->snd.nxt))
        return time_of(s->config.initial_window * mss, rate);
    uint64_t burst = rate / (uint64_t)(DUET_SECOND / BURST_TIME);
    uint32_t bytes = burst < BURST_BYTES ? (uint32_t)burst : BURST_BYTES;
    return time_of(max_u32(bytes, 2 * mss), rate);
}

/* May a segment leave now? If not, the connection waits for its time. */
bool tcp_pace_may_send(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (t == NULL)
        return true;
    duet_time horizon = (s->config.offload & DUET_OFFLOAD_PACE) != 0 ? HORIZON : 0;
    t->paced = s->config.pacing && t->pace_at > s->now + horizon;
    return !t->paced;
}

/* A packet with text or FIN is leaving: when, and when may the next one? */
void tcp_pace_sent(struct duet_stack *s, struct tcp_conn *c, struct duet_packet *packet)
{
    struct tcp_transfer *t = transfer_of(s, c);
    uint64_t rate = s->config.pacing ? tcp_cc_pacing_rate(s, c) : 0;
    if (rate == 0)
        return;
    /* A pause gives credit, but not while nothing pauses: what one packet leaves is for the next. */
    duet_time earliest = s->now - credit(s, c, rate);
    bool is_burst = t->last_sent == s->now && !seq_eq(c->snd.una, c->snd.nxt);
    duet_time departure = t->pace_at > earliest || is_burst ? t->pace_at : earliest;
    if ((s->config.offload & DUET_OFFLOAD_PACE) != 0 && departure > s->now)
        packet->departure = departure;
    t->pace_at = departure + time_of(packet->length, rate);
}
