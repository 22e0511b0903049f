/* SPDX-License-Identifier: MIT */
/* Tail-loss probes (RFC 8985, 7), for connections with SACK.
 *
 * Theory of operation. When the last segments of a flight are lost, no later one tells of it and
 * only the retransmission timer would. So two round trips after the last sign of life one segment
 * more is sent, new data or the newest once more; its SACK lets RACK see the loss.
 *
 *   timer     runs while                                 lasts                           at its end
 *   probe     open phase, data in flight, none SACKed,   2 SRTT, 1 s without SRTT,       one segment
 *             no probe in flight, an RTT sample since    plus MAX_ACK_DELAY for a
 *             the latest one                             single segment; never beyond
 *                                                        the retransmission timer
 */
#include "base/bytes.h"
#include "core/state.h"

#define MAX_ACK_DELAY          (200 * DUET_MILLISECOND) /* TLP.max_ack_delay: what peers may take */
#define PROBE_WITHOUT_ESTIMATE DUET_SECOND

/* New data was sent, or SND.UNA has advanced: the wait begins anew (7.2). */
void tcp_probe_schedule(const struct duet_stack *s, const struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_at(s, c);
    duet_time wait = PROBE_WITHOUT_ESTIMATE;
    if (c->srtt_us != 0)
        wait = 2 * (duet_time)(c->srtt_us >> 3) * DUET_MICROSECOND;
    if (t->flight.count == 1)
        wait += MAX_ACK_DELAY;
    t->rack.probe_at = s->now + wait;
}

bool tcp_probe_may(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_at(s, c);
    return s->config.rack && conn_is(c, TCP_CONN_SACK) && conn_is(c, TCP_CONN_SYN_ACKED) &&
           t->phase == TCP_PHASE_OPEN && t->flight.count > 0 && t->flight.sacked == 0 &&
           t->flight.lost == 0 && !t->rack.probe_out && !t->rack.probe_spent && !t->probed &&
           t->retransmissions == 0;
}

/* When a probe is due, or DUET_NEVER. */
duet_time tcp_probe_at(const struct duet_stack *s, const struct tcp_conn *c)
{
    return tcp_probe_may(s, c) ? transfer_at(s, c)->rack.probe_at : DUET_NEVER;
}

/* The probe timer ran out; the retransmission timer runs from here (7.3). */
void tcp_probe_expired(struct duet_stack *s, struct tcp_conn *c)
{
    transfer_at(s, c)->rack.probe_at = DUET_NEVER;
    tcp_owe(s, c, TCP_OWES_TAIL_PROBE, TCP_RULE_TAIL_LOSS_PROBE);
}

void tcp_probe_sent(struct duet_stack *s, struct tcp_conn *c, bool again)
{
    struct tcp_rack *rack = &transfer_at(s, c)->rack;
    rack->probe_out = true;
    rack->probe_again = again;
    rack->probe_spent = true;
    rack->probe_end = c->snd.nxt;
}

/* 7.4.2: did the probe, if it was a retransmission, repair a loss? True: it did, and that loss is
 * congestion like any other. A D-SACK or a bare duplicate ACK says that the original had arrived.
 */
bool tcp_probe_repaired(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                        const struct tcp_news *news)
{
    struct tcp_rack *rack = &transfer_at(s, c)->rack;
    if (!rack->probe_out || seq_lt(seg->ack, rack->probe_end))
        return false;
    bool is_dsack = news->dsacked && seq_eq(seq_of(news->dsack_right), rack->probe_end);
    bool is_bare_duplicate = news->duplicate && (seg->options->present & DUET_TRACE_SACK) == 0;
    bool is_beyond = seq_lt(rack->probe_end, seg->ack);
    if (rack->probe_again && !is_dsack && !is_bare_duplicate && !is_beyond)
        return false; /* exactly the probe: the next acknowledgement decides */
    rack->probe_out = false;
    return rack->probe_again && is_beyond && !is_dsack;
}
