/* SPDX-License-Identifier: MIT */
/* SEGMENT ARRIVES in SYN-RECEIVED of a passive open (RFC 9293, 3.10.7.4 as far as it concerns a record that
 * has no text): steps are functions in the order of the RFC, with its ordinals. Where records live, and how
 * they end by themselves, is in tcp_half_open.c. */
#include "core/tcp_half_open.h"

#include "base/bytes.h"
#include "base/check.h"

/* The first window in a segment without SYN, whose field is scaled (RFC 7323, 2.2); rounded down, because the
 * connection will begin with what the SYN,ACK has offered. */
static uint16_t window_after_syn(const struct duet_stack *s, const struct tcp_half_open *half)
{
    uint8_t scale = half->peer_scale == TCP_HALF_OPEN_NO_SCALING ? 0 : s->window_scale;
    return (uint16_t)(half_open_window(half_open_listener(s, half)) >> scale);
}

/* An acknowledgement of an invalid segment, a few times in the life of a record (RFC 5961, 7). */
static void answer(struct duet_stack *s, struct tcp_half_open *half, enum tcp_rule rule)
{
    if (half->answers >= min_u32(s->config.challenge_limit, 15)) {
        stack_rule(s, &half->tuple, DUET_SYN_RECEIVED, TCP_RULE_CHALLENGE_LIMIT);
        return;
    }
    half->answers = (uint8_t)((half->answers + 1) & 15);
    bool timestamps = (half->flags & TCP_HALF_OPEN_TIMESTAMPS) != 0;
    stack_rule(s, &half->tuple, DUET_SYN_RECEIVED, rule);
    reply_ack(s, &half->tuple, DUET_SYN_RECEIVED, seq_add(half->iss, 1), half_open_rcv_nxt(half),
              window_after_syn(s, half), timestamps ? &half->ts_recent : NULL,
              tcp_ecn_half_open_ace(half), rule);
}

/* Step 0: timestamps (RFC 7323, 3.2 and 5.3). */
static enum tcp_verdict check_timestamps(struct duet_stack *s, struct tcp_half_open *half,
                                         const struct tcp_segment *seg)
{
    bool has = (seg->options->present & DUET_TRACE_TIMESTAMPS) != 0;
    if ((half->flags & TCP_HALF_OPEN_TIMESTAMPS) == 0 || seg->has_rst || (seg->has_syn && !has))
        return TCP_CONTINUE;
    if (!has) {
        stack_rule(s, &half->tuple, DUET_SYN_RECEIVED, TCP_RULE_TIMESTAMP_MISSING);
        return TCP_DROP;
    }
    if (seq_le(seq_of(half->ts_recent), seq_of(seg->options->tsval)))
        return TCP_CONTINUE;
    answer(s, half, TCP_RULE_PAWS_REJECTED);
    return TCP_DROP;
}

/* The peer missed our SYN,ACK: once more, and the next timed repeat is left out (RFC 6298, 5). */
static void repeat_syn_ack(struct duet_stack *s, struct tcp_half_open *half,
                           const struct tcp_segment *seg)
{
    uint16_t ecn;
    if (tcp_ecn_half_open_again(half, seg, &ecn) == TCP_DROP) {
        reply_reset(s, &half->tuple, seg, DUET_SYN_RECEIVED, TCP_RULE_ECN_MIXED);
        half_open_back_to_listen(s, half, TCP_RULE_ECN_MIXED);
        return;
    }
    half->flags |= TCP_HALF_OPEN_RETRANSMITTED | TCP_HALF_OPEN_ANSWERED;
    stack_rule(s, &half->tuple, DUET_SYN_RECEIVED, TCP_RULE_SYN_REPEATED);
    reply_syn_ack(s, (uint32_t)(half - s->half_open.records), seg, TCP_RULE_SYN_REPEATED, ecn);
}

/* First, check sequence number. The repeated SYN, with or without text, is a cue to repeat the
 * SYN,ACK; with an ACK it is old all the same. */
static enum tcp_verdict first_check_sequence(struct duet_stack *s, struct tcp_half_open *half,
                                             const struct tcp_listener *listener,
                                             const struct tcp_segment *seg)
{
    uint32_t window = half_open_window(listener);
    uint32_t len = seg->has_rst ? 0 : seg->len; /* RFC 5961, 3.2: SEQ alone decides about a RST */
    struct seq nxt = half_open_rcv_nxt(half);
    if (seg->has_syn && !seg->has_rst && seq_eq(seg->seq, half->irs)) {
        if (seg->has_ack)
            answer(s, half, TCP_RULE_SEQ_UNACCEPTABLE);
        else
            repeat_syn_ack(s, half, seg);
        return TCP_DROP;
    }
    if (seq_in_window(seg->seq, nxt, window) ||
        (len > 0 && seq_in_window(seq_add(seg->seq, len - 1), nxt, window)))
        return TCP_CONTINUE;
    if (seg->has_rst)
        stack_rule(s, &half->tuple, DUET_SYN_RECEIVED, TCP_RULE_RST_OUTSIDE_WINDOW);
    else
        answer(s, half, TCP_RULE_SEQ_UNACCEPTABLE);
    return TCP_DROP;
}

/* Second, check the RST bit. */
static enum tcp_verdict second_check_rst(struct duet_stack *s, struct tcp_half_open *half,
                                         const struct tcp_segment *seg)
{
    if (!seg->has_rst)
        return TCP_CONTINUE;
    if (seq_eq(seg->seq, half_open_rcv_nxt(half)))
        half_open_back_to_listen(s, half, TCP_RULE_HALF_OPEN_RST);
    else
        answer(s, half, TCP_RULE_RST_CHALLENGED);
    return TCP_DROP;
}

/* Fourth, check the SYN bit: a passive open gives this attempt up. */
static enum tcp_verdict fourth_check_syn(struct duet_stack *s, struct tcp_half_open *half,
                                         const struct tcp_segment *seg)
{
    if (!seg->has_syn)
        return TCP_CONTINUE;
    half_open_back_to_listen(s, half, TCP_RULE_HALF_OPEN_SYN);
    return TCP_DROP;
}

/* The third segment ends the round trip that the SYN,ACK began, unless that was sent again (Karn). */
static void take_round_trip(struct duet_stack *s, struct tcp_conn *c,
                            const struct tcp_half_open *half)
{
    int32_t age_us = (int32_t)((uint32_t)s->now_us - half->created_us);
    age_us = age_us < 0 ? 0 : age_us; /* created_us is rounded up */
    if ((half->flags & TCP_HALF_OPEN_RETRANSMITTED) != 0)
        c->flags |= TCP_CONN_SYN_RETRANSMITTED;
    else
        tcp_rtt_sample(s, c, age_us * DUET_MICROSECOND);
}

/* Makes the connection of a record that has just been proved. NULL: no room, by a named rule. */
static struct tcp_conn *promote(struct duet_stack *s, struct tcp_half_open *half,
                                struct tcp_listener *listener)
{
    if (listener->queue.count >= listener->backlog) {
        stack_rule(s, &half->tuple, DUET_SYN_RECEIVED, TCP_RULE_ACCEPT_QUEUE_FULL);
        return NULL;
    }
    struct tcp_half_open copy = *half;
    uint32_t index = pool_take(&s->conns);
    if (index == POOL_NONE) {
        stack_rule(s, &copy.tuple, DUET_SYN_RECEIVED, TCP_RULE_NO_CONNECTION_LEFT);
        return NULL;
    }
    demux_replace(s, &copy.tuple, DEMUX_CONN, index);
    half_open_leave_ring(s, half);
    struct tcp_conn *c = tcp_conn_make(s, index, &copy.tuple);
    tcp_conn_from_half_open(s, c, &copy, listener);
    take_round_trip(s, c, &copy);
    return c;
}

/* Fifth, check the ACK field. */
static void fifth_check_ack(struct duet_stack *s, struct tcp_half_open *half,
                            struct tcp_listener *listener, struct tcp_segment *seg)
{
    if (!seg->has_ack) {
        stack_rule(s, &half->tuple, DUET_SYN_RECEIVED, TCP_RULE_ACK_MISSING);
        return;
    }
    if (!seq_eq(seg->ack, seq_add(half->iss, 1))) {
        reply_reset(s, &half->tuple, seg, DUET_SYN_RECEIVED, TCP_RULE_SYN_RECEIVED_BAD_ACK);
        return;
    }
    struct tcp_conn *c = promote(s, half, listener);
    if (c == NULL)
        return;
    tcp_segment_arrives(s, c, seg);
    tcp_conn_settle(s, c);
}

void half_open_arrives(struct duet_stack *s, uint32_t index, struct tcp_segment *seg)
{
    struct tcp_half_open *half = &s->half_open.records[index];
    CHECK(half_open_is_alive(half));
    struct tcp_listener *listener = half_open_listener(s, half);
    if (check_timestamps(s, half, seg) == TCP_DROP)
        return;
    if (first_check_sequence(s, half, listener, seg) == TCP_DROP)
        return;
    if (second_check_rst(s, half, seg) == TCP_DROP)
        return;
    /* Third, check security: duet has no compartments (RFC 9293, appendix A.1). */
    if (fourth_check_syn(s, half, seg) == TCP_DROP)
        return;
    fifth_check_ack(s, half, listener, seg);
}
