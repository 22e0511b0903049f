/* SPDX-License-Identifier: MIT */
/* Proportional rate reduction (RFC 9937): how much may be sent while fast recovery runs.
 *
 * Theory of operation. The controller has named ssthresh. While more than that is in the network,
 * ssthresh / RecoverFS segments leave for each one that arrives, so that the window shrinks evenly
 * over a round trip instead of falling silent for half of it. Once less than that is in the
 * network, because much was lost, what arrives is replaced, and one segment more for each
 * acknowledgement that shows progress without a new loss. The first acknowledgement always lets one
 * segment out.
 */
#include "base/bytes.h"
#include "core/state.h"

/* 6.1. flight: RecoverFS, what was in the network when the loss was noticed. */
void tcp_prr_begin(struct duet_stack *s, struct tcp_conn *c, uint32_t flight)
{
    struct tcp_transfer *t = transfer_of(s, c);
    t->prr = (struct tcp_prr){.recover_fs = max_u32(1, flight)};
    t->rescued = false;
}

/* SndCnt, 6.2: bytes that may be sent in answer to an acknowledgement that delivered some. */
static uint32_t to_send(const struct tcp_conn *c, const struct tcp_prr *prr, uint32_t in_network,
                        uint32_t delivered, bool is_safe, uint32_t mss)
{
    if (in_network > c->ssthresh) {
        uint64_t share = (uint64_t)prr->delivered * c->ssthresh;
        uint64_t allowed = (share + prr->recover_fs - 1) / prr->recover_fs;
        return allowed > prr->out ? (uint32_t)(allowed - prr->out) : 0;
    }
    uint32_t owed = prr->delivered > prr->out ? prr->delivered - prr->out : 0;
    uint32_t count = max_u32(owed, delivered);
    if (is_safe)
        count += mss;
    return min_u32(count, c->ssthresh - in_network);
}

/* delivered: DeliveredData of this acknowledgement; is_safe: SND.UNA advanced and no further loss
 * was found. Sets cwnd. */
void tcp_prr_acked(struct duet_stack *s, struct tcp_conn *c, uint32_t delivered, bool is_safe)
{
    struct tcp_prr *prr = &transfer_at(s, c)->prr;
    uint32_t mss = tcp_send_mss(c);
    uint32_t in_network = flight_in_network(s, c);
    if (delivered == 0 && prr->out > 0)
        return;
    prr->delivered += delivered;
    uint32_t count = to_send(c, prr, in_network, delivered, is_safe, mss);
    if (prr->out == 0)
        count = max_u32(count, mss);
    c->cwnd = max_u32(mss, in_network + count);
}

void tcp_prr_sent(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (t->phase == TCP_PHASE_RECOVERY)
        t->prr.out += bytes;
}
