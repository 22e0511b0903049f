/* SPDX-License-Identifier: MIT */
/* Does the peer acknowledge what it has received, or what it guesses was sent (RFC 5681, 5)?
 *
 * Theory of operation. An acknowledgement that comes early, or hides a loss, lets a peer have more
 * than its share: the window opens with each (S. Savage and others, "TCP Congestion Control with a
 * Misbehaving Receiver", 1999). It looks like any other. So once in a while one segment is left out
 * of the stream (R. Sherwood and others, "Misbehaving TCP Receivers Can Cause Internet-Wide
 * Congestion Collapse", 2005):
 *
 *        una              start                nxt
 *   ------|--- in flight --|.. withheld ..|-----|---
 *
 *   honest   reports the hole, as it would a loss; the segment leaves at once, and nothing else
 *            happens, because nothing was lost
 *   liar     acknowledges beyond start what was never sent: ignored and challenged, as RFC 9293,
 *            3.10.7.4, has it. Nothing moves before the timer sends the segment, in a window of one,
 *            and the next flight has such a gap again
 *
 * When? A round trip shorter than the handshake's by an eighth, and a millisecond, is suspicious: an
 * acknowledgement of our SYN proves a round trip, because its number cannot be guessed. Each test
 * that is passed proves the least round trip seen by then, so who has a reason to be faster is asked
 * a few times in its life, and not before 128 KiB have been sent: a path whose first round trip was
 * long because a radio had to wake up, or an address to be found, must not pay in its short transfers.
 * Apart from that, each time 256 windows, and 4 MiB, have been sent. A test
 * begins only while nothing is missing and three segments can follow, as that of a path MTU does
 * (RFC 4821, 7.4): then it takes a round trip, and no timer.
 *
 * What an honest peer pays is that one segment comes a round trip late, about once in 256. cwnd stays
 * as after the loss of a probe of the path MTU, whose excuse it shares.
 */
#include "core/tcp_verify.h"

#include "base/bytes.h"
#include "core/state.h"

enum { BEHIND = 3, WINDOWS = 256, LONGEST_INTERVAL = 1 << 30 };
enum { CLOCK_US = 1000 }; /* round trips that differ by less are the same */

/* What the handshake has proven, or the transfers before this one. */
void tcp_verify_begin(const struct duet_stack *s, const struct tcp_conn *c)
{
    transfer_at(s, c)->verify =
        (struct tcp_verify){.since = c->snd.nxt, .proven_us = c->rtt_min_us};
}

void tcp_verify_rtt(const struct duet_stack *s, const struct tcp_conn *c, uint32_t rtt_us)
{
    struct tcp_verify *v = &transfer_at(s, c)->verify;
    uint32_t slack = max_u32(CLOCK_US, v->proven_us / 8);
    if (v->proven_us > slack && rtt_us < v->proven_us - slack)
        v->due = true;
}

/* ---- one is left out ---- */

/* Bytes between tests of a peer that gives no reason for one. */
static uint32_t interval(const struct tcp_conn *c)
{
    uint32_t window = min_u32(c->cwnd, c->snd.wnd_max);
    if (window >= LONGEST_INTERVAL / WINDOWS)
        return LONGEST_INTERVAL;
    return max_u32(window * WINDOWS, TCP_VERIFY_INTERVAL);
}

/* Nothing is missing, and enough follows that the hole is noticed without the timer. */
static bool is_possible(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    uint32_t mss = tcp_send_mss(c);
    uint32_t all = (1 + BEHIND) * mss;
    struct seq end = tcp_send_end(s, c);
    struct seq right = seq_add(c->snd.una, c->snd.wnd);
    bool has_data = seq_lt(c->snd.nxt, end) && seq_distance(c->snd.nxt, end) >= all;
    bool has_window = seq_lt(c->snd.nxt, right) && seq_distance(c->snd.nxt, right) >= all;
    return c->state > DUET_SYN_RECEIVED && tcp_mtu_is_well(t) && !t->mtu.excused && !t->urgent &&
           !t->probed && has_data && has_window && c->cwnd >= all && tcp_flight(c) + mss <= c->cwnd;
}

bool tcp_verify_is_due(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_verify *v = &transfer_at(s, c)->verify;
    uint32_t least = v->due ? TCP_VERIFY_SUSPICION : interval(c);
    return s->config.verify_acks && seq_distance(v->since, c->snd.nxt) >= least;
}

void tcp_verify_withhold(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_verify *v = &transfer_at(s, c)->verify;
    if (!tcp_verify_is_due(s, c) || !is_possible(s, c) ||
        flight_reserve(s, c, 1 + BEHIND) < 1 + BEHIND)
        return;
    v->start = c->snd.nxt;
    c->snd.nxt = seq_add(c->snd.nxt, tcp_send_mss(c));
    v->withheld = true;
    flight_append(s, c, v->start, c->snd.nxt);
    tcp_rule(s, c, TCP_RULE_SEGMENT_WITHHELD, NULL);
}

/* ---- what becomes of it ---- */

static bool covers(struct seq left, struct seq right, struct seq start)
{
    return seq_le(left, start) && seq_lt(start, right);
}

static bool is_lie(struct seq start, const struct tcp_segment *seg)
{
    const struct tcp_options *options = seg->options;
    if (seq_lt(start, seg->ack))
        return true;
    if ((options->present & DUET_TRACE_SACK) == 0)
        return false;
    for (uint32_t i = 0; i < options->sack_count; i++)
        if (covers(seq_of(options->sack[i].left), seq_of(options->sack[i].right), start))
            return true;
    return false;
}

bool tcp_verify_has_lied(const struct duet_stack *s, const struct tcp_conn *c,
                         const struct tcp_segment *seg)
{
    struct tcp_verify *v = &transfer_at(s, c)->verify;
    if (!is_lie(v->start, seg))
        return false;
    v->due = true;
    return true;
}

void tcp_verify_sent(const struct duet_stack *s, const struct tcp_conn *c, struct seq left,
                     struct seq right)
{
    struct tcp_verify *v = &transfer_at(s, c)->verify;
    if (v->withheld && covers(left, right, v->start))
        v->withheld = false;
}

bool tcp_verify_lost(struct duet_stack *s, struct tcp_conn *c, const struct flight_segment *segment)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (!t->verify.withheld || !seq_eq(segment->start, t->verify.start))
        return false;
    t->verify.since = c->snd.nxt;
    t->verify.proven_us = c->rtt_min_us;
    t->verify.due = false;
    tcp_rule(s, c, TCP_RULE_WITHHELD_MISSED, NULL);
    if (t->phase == TCP_PHASE_OPEN && t->flight.lost == seq_distance(segment->start, segment->end))
        tcp_mtu_excuse(c, t);
    return true;
}
