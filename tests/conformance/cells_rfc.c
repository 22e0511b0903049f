/* SPDX-License-Identifier: MIT */
/* What the RFCs say about a segment that arrives: RFC 9293, 3.10.7, with RFC
 * 5961, 6191 and 1337, step by step in their order. Written from their text,
 * and from docs/decisions/rfc.md where they leave a choice (D1 to D9); knows
 * nothing of the stack. No timestamps, no data queued. */
#include "cells.h"

static bool has(const struct segment *seg, unsigned flag)
{
    return (seg->flags & flag) != 0;
}

static uint32_t length(const struct segment *seg)
{
    return seg->text + has(seg, SYN) + has(seg, FIN);
}

/* Modulo 2^32, as everywhere in TCP. */
static bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static bool in_window(const struct tcb *tcb, uint32_t seq)
{
    return seq - tcb->rcv_nxt < tcb->rcv_wnd;
}

static struct outcome stays(const struct tcb *tcb, unsigned answers, const char *because)
{
    return (struct outcome){tcb->state, answers, tcb->rcv_nxt, tcb->una, 0, because};
}

static struct outcome goes(const struct tcb *tcb, enum state to, unsigned answers,
                           const char *because)
{
    struct outcome outcome = stays(tcb, answers, because);
    outcome.state = to;
    return outcome;
}

/* ---- 3.10.7.1: CLOSED ---- */

static struct outcome closed(const struct tcb *tcb, const struct segment *seg)
{
    if (has(seg, RST))
        return stays(tcb, ANSWER_NOTHING, "3.10.7.1: a segment with RST is discarded");
    if (!has(seg, ACK))
        return stays(tcb, ANSWER_RST_ACK, "3.10.7.1: ACK off: <0><SEQ+LEN><RST,ACK>");
    return stays(tcb, ANSWER_RST, "3.10.7.1: ACK on: <SEG.ACK><RST>");
}

/* ---- 3.10.7.2: LISTEN ---- */

static struct outcome listen_state(const struct tcb *tcb, const struct segment *seg)
{
    if (has(seg, RST))
        return stays(tcb, ANSWER_NOTHING, "3.10.7.2 first: RST is ignored");
    if (has(seg, ACK))
        return stays(tcb, ANSWER_RST, "3.10.7.2 second: any ACK is bad");
    if (!has(seg, SYN))
        return stays(tcb, ANSWER_NOTHING, "3.10.7.2 fourth: drop and return");
    if (has(seg, FIN))
        return stays(tcb, ANSWER_NOTHING, "decision: SYN with FIN is dropped at a listener");
    struct outcome outcome = goes(tcb, SYN_RECEIVED, ANSWER_SYN_ACK, "3.10.7.2 third: SYN");
    outcome.rcv_nxt = seg->seq + 1; /* decision: text on the SYN is not kept */
    return outcome;
}

/* ---- steps sixth to eighth, for segments that start at or before RCV.NXT, or
 * behind it ---- */

static enum state after_fin(const struct tcb *tcb, bool ours_acked)
{
    if (tcb->state == ESTABLISHED)
        return CLOSE_WAIT;
    if (tcb->state == FIN_WAIT_1)
        return ours_acked ? TIME_WAIT : CLOSING;
    return TIME_WAIT;
}

/* The segment is acceptable, its ACK was good. */
static struct outcome text_and_fin(const struct tcb *tcb, const struct segment *seg, uint32_t una,
                                   bool ours_acked)
{
    uint32_t text_seq = seg->seq + has(seg, SYN);
    uint32_t room = tcb->rcv_nxt + tcb->rcv_wnd - text_seq; /* 3.10.7.4 first: trim the right */
    uint32_t kept = seg->text < room ? seg->text : room;
    bool fin = has(seg, FIN) && seg->text < room;
    bool cut = kept < seg->text || (has(seg, FIN) && !fin);
    struct outcome outcome = stays(tcb, ANSWER_NOTHING, "3.10.7.4 fifth: only an acknowledgement");

    outcome.una = una;
    if (tcb->state == FIN_WAIT_1 && ours_acked)
        outcome.state = FIN_WAIT_2;
    if (cut)
        outcome.answers = ANSWER_ACK;
    if (before(tcb->rcv_nxt, text_seq)) { /* a hole: held for later (SHLD-31), said at once */
        if (kept > 0 || fin)
            outcome.answers = ANSWER_ACK;
        outcome.because = "3.10.7.4 first: acceptable, but not next";
        return outcome;
    }
    uint32_t old = tcb->rcv_nxt - text_seq; /* 3.10.7.4 first: trim the left */
    if (old > kept + fin)
        return outcome;
    if (kept > old) {
        outcome.delivered = kept - old;
        outcome.rcv_nxt = tcb->rcv_nxt + outcome.delivered;
        outcome.answers = ANSWER_ACK;
        outcome.because = "3.10.7.4 seventh: text is taken and acknowledged";
    }
    if (fin && old <= kept) {
        outcome.rcv_nxt++;
        outcome.answers = ANSWER_ACK;
        outcome.state = after_fin(tcb, ours_acked);
        outcome.because = "3.10.7.4 eighth: RCV.NXT passes the FIN, which is acknowledged";
    }
    return outcome;
}

/* ---- 3.10.7.3: SYN-SENT ---- */

static struct outcome syn_sent(const struct tcb *tcb, const struct segment *seg)
{
    bool good = has(seg, ACK) && before(tcb->una, seg->ack) && !before(tcb->nxt, seg->ack);

    if (has(seg, ACK) && !good)
        return stays(tcb, has(seg, RST) ? ANSWER_NOTHING : ANSWER_RST,
                     "3.10.7.3 first: acknowledges what was never sent");
    if (has(seg, RST)) {
        if (good)
            return goes(tcb, CLOSED, ANSWER_NOTHING, "3.10.7.3 second: connection reset (D1)");
        return stays(tcb, ANSWER_NOTHING, "3.10.7.3 second: RST without ACK is dropped");
    }
    if (!has(seg, SYN))
        return stays(tcb, ANSWER_NOTHING, "3.10.7.3 fifth: neither SYN nor RST");
    if (!good) {
        struct outcome outcome =
            goes(tcb, SYN_RECEIVED, ANSWER_SYN_ACK, "3.10.7.3 fourth: simultaneous open");
        outcome.rcv_nxt = seg->seq + 1; /* decision: what rides on the SYN is not kept */
        return outcome;
    }
    struct tcb open = *tcb;
    open.state = ESTABLISHED;
    open.rcv_nxt = seg->seq + 1;
    struct outcome outcome = text_and_fin(&open, seg, seg->ack, false);
    outcome.answers = ANSWER_ACK;
    return outcome;
}

/* ---- TIME-WAIT ---- */

static bool acceptable(const struct tcb *tcb, const struct segment *seg)
{
    uint32_t len = length(seg); /* table 6; the window is never closed here */
    return in_window(tcb, seg->seq) || (len > 0 && in_window(tcb, seg->seq + len - 1));
}

/* Without timestamps on either side (RFC 6191, 2): only a SEQ above the last
 * one seen. */
static struct outcome reopened(const struct tcb *tcb, const struct segment *seg)
{
    if (before(seg->seq, tcb->rcv_nxt))
        return stays(tcb, ANSWER_NOTHING, "RFC 6191: not newer: silently dropped");
    if (has(seg, FIN))
        return stays(tcb, ANSWER_NOTHING, "decision: what a listener drops ends no TIME-WAIT");
    struct outcome outcome = goes(tcb, SYN_RECEIVED, ANSWER_SYN_ACK, "RFC 6191, MAY-2");
    outcome.rcv_nxt = seg->seq + 1;
    return outcome;
}

static struct outcome time_wait(const struct tcb *tcb, const struct segment *seg)
{
    if (has(seg, RST))
        return stays(tcb, ANSWER_NOTHING, "RFC 1337: RST is ignored in TIME-WAIT (D8)");
    if (has(seg, SYN) && !has(seg, ACK))
        return reopened(tcb, seg);
    if (has(seg, SYN))
        return stays(tcb, ANSWER_ACK, "RFC 5961 4: SYN is challenged");
    if (has(seg, FIN) && seg->seq + length(seg) == tcb->rcv_nxt)
        return stays(tcb, ANSWER_ACK, "3.10.7.4 fifth: the FIN again is acknowledged (D2)");
    if (!acceptable(tcb, seg))
        return stays(tcb, ANSWER_ACK, "3.10.7.4 first: unacceptable");
    if (!has(seg, ACK))
        return stays(tcb, ANSWER_NOTHING, "3.10.7.4 fifth: ACK off");
    if (before(tcb->nxt, seg->ack))
        return stays(tcb, ANSWER_ACK, "3.10.7.4 fifth: acknowledges what was never sent");
    bool too_old = before(seg->ack, tcb->una - tcb->max_wnd);
    if (too_old && !has(seg, FIN)) /* MAY-12 */
        return stays(tcb, ANSWER_ACK | ANSWER_NOTHING, "RFC 5961 5: may be answered");
    if (has(seg, FIN))
        return stays(tcb, ANSWER_ACK, "3.10.7.4 eighth: remain, acknowledge");
    if (seg->text > 0)
        return stays(tcb, ANSWER_ACK | ANSWER_NOTHING, "3.10.7.4 seventh: text is ignored");
    return stays(tcb, ANSWER_NOTHING, "3.10.7.4 fifth: nothing is left to acknowledge");
}

/* ---- 3.10.7.4: the other states ---- */

static struct outcome fifth_check_ack(const struct tcb *tcb, const struct segment *seg)
{
    if (!has(seg, ACK))
        return stays(tcb, ANSWER_NOTHING, "3.10.7.4 fifth: ACK off: dropped");
    struct tcb now = *tcb;
    if (tcb->state == SYN_RECEIVED) {
        if (!before(tcb->una, seg->ack) || before(tcb->nxt, seg->ack))
            return stays(tcb, ANSWER_RST, "3.10.7.4 fifth: bad ACK in SYN-RECEIVED (D3)");
        now.state = ESTABLISHED;
    } else if (before(seg->ack, tcb->una - tcb->max_wnd) || before(tcb->nxt, seg->ack)) {
        return stays(tcb, ANSWER_ACK, "RFC 5961 5.2: out of range: acknowledged and dropped");
    }
    if (before(now.una, seg->ack))
        now.una = seg->ack;
    bool all = now.una == now.nxt; /* in states behind our FIN: it is acknowledged */
    if (tcb->state == CLOSING && all) {
        struct outcome outcome = goes(&now, TIME_WAIT, ANSWER_NOTHING, "fifth: CLOSING");
        if (seg->text > 0 || has(seg, FIN))
            outcome.answers = ANSWER_NOTHING | ANSWER_ACK;
        return outcome;
    }
    if (tcb->state == LAST_ACK && all)
        return goes(&now, CLOSED, ANSWER_NOTHING, "3.10.7.4 fifth: LAST-ACK");
    if (tcb->state == CLOSE_WAIT || tcb->state == CLOSING || tcb->state == LAST_ACK) {
        if (has(seg, FIN))
            return stays(&now, ANSWER_ACK, "3.10.7.4 eighth: remain; the FIN is acknowledged");
        if (seg->text > 0)
            return stays(&now, ANSWER_ACK | ANSWER_NOTHING, "3.10.7.4 seventh: ignored");
        return stays(&now, ANSWER_NOTHING, "3.10.7.4 fifth: only an acknowledgement");
    }
    return text_and_fin(&now, seg, now.una, all);
}

/* A segment that begins one before RCV.NXT and has at most one octet fails the
 * test, but what it acknowledges counts (D5). It is answered by an ACK in any
 * case. */
static struct outcome one_before(const struct tcb *tcb, const struct segment *seg)
{
    struct segment bare = {seg->flags & (ACK | URG | PSH), tcb->rcv_nxt, seg->ack, 0};
    struct outcome outcome = fifth_check_ack(tcb, &bare);

    if (outcome.state == CLOSED)
        return outcome;
    outcome.answers = ANSWER_ACK; /* and no second answer, if the ACK is bad */
    return outcome;
}

static struct outcome unacceptable(const struct tcb *tcb, const struct segment *seg)
{
    bool is_half_open = tcb->state == SYN_RECEIVED && tcb->passive; /* D5 is about other peers */
    bool may_count = !is_half_open && seg->seq + 1 == tcb->rcv_nxt && length(seg) <= 1 &&
                     (!has(seg, SYN) || (tcb->state == SYN_RECEIVED && has(seg, ACK)));
    if (may_count)
        return one_before(tcb, seg);
    return stays(tcb, ANSWER_ACK, "3.10.7.4 first: unacceptable: acknowledged and dropped");
}

static struct outcome synchronized(const struct tcb *tcb, const struct segment *seg)
{
    if (has(seg, RST)) { /* RFC 5961, 3.2: its SEQ alone decides */
        if (!in_window(tcb, seg->seq))
            return stays(tcb, ANSWER_NOTHING, "3.10.7.4 second: RST outside the window");
        if (seg->seq != tcb->rcv_nxt)
            return stays(tcb, ANSWER_ACK, "3.10.7.4 second: RST in the window is challenged");
        bool back = tcb->state == SYN_RECEIVED && tcb->passive;
        return goes(tcb, back ? LISTEN : CLOSED, ANSWER_NOTHING, "3.10.7.4 second: RST");
    }
    /* By the letter an ACK; a peer that is still in SYN-SENT can only use the
   * SYN,ACK (D7). */
    if (has(seg, SYN) && !has(seg, ACK) && tcb->state == SYN_RECEIVED && seg->seq == tcb->irs)
        return stays(tcb, tcb->passive ? ANSWER_SYN_ACK : ANSWER_SYN_ACK | ANSWER_ACK,
                     "D7: the SYN that made this connection comes again");
    if (has(seg, SYN) && has(seg, ACK) && tcb->passive && tcb->state == SYN_RECEIVED &&
        seg->seq == tcb->irs)
        return stays(tcb, ANSWER_ACK, "D7: with ACK it is old, whatever rides on it");
    if (has(seg, SYN) && tcb->state != SYN_RECEIVED)
        return stays(tcb, ANSWER_ACK, "RFC 5961 4: SYN, whatever its SEQ, is challenged");
    if (!acceptable(tcb, seg))
        return unacceptable(tcb, seg);
    if (has(seg, SYN) && tcb->passive)
        return goes(tcb, LISTEN, ANSWER_NOTHING, "3.10.7.4 fourth: SYN in SYN-RECEIVED, passive");
    if (has(seg, SYN))
        return stays(tcb, ANSWER_ACK, "3.10.7.4 fourth: SYN in SYN-RECEIVED, active");
    return fifth_check_ack(tcb, seg);
}

struct outcome rfc_says(const struct tcb *tcb, const struct segment *seg)
{
    switch (tcb->state) {
    case CLOSED:
        return closed(tcb, seg);
    case LISTEN:
        return listen_state(tcb, seg);
    case SYN_SENT:
        return syn_sent(tcb, seg);
    case SYN_RECEIVED:
    case ESTABLISHED:
    case FIN_WAIT_1:
    case FIN_WAIT_2:
    case CLOSE_WAIT:
    case CLOSING:
    case LAST_ACK:
        return synchronized(tcb, seg);
    case TIME_WAIT:
        return time_wait(tcb, seg);
    case STATES:
        break;
    }
    return stays(tcb, ANSWER_NOTHING, "no state");
}
