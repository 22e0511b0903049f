/* SPDX-License-Identifier: MIT */
/* SEGMENT ARRIVES in CLOSED, LISTEN and SYN-SENT (RFC 9293, 3.10.7.1 to 3.10.7.3). Steps are
 * functions in the order of the RFC, with its ordinals. */
#include "base/bytes.h"
#include "core/state.h"

/* 3.10.7.1: CLOSED. All data in the segment is dropped; anything but a RST is answered by one. */
void tcp_closed_arrives(struct duet_stack *s, const struct tcp_tuple *tuple,
                        const struct tcp_segment *seg)
{
    if (seg->has_rst)
        stack_rule(s, tuple, DUET_CLOSED, TCP_RULE_CLOSED_RST);
    else
        reply_reset(s, tuple, seg, DUET_CLOSED, TCP_RULE_CLOSED_NO_CONNECTION);
}

/* ---- 3.10.7.2: LISTEN ---- */

/* Why a listener would not take this SYN, or NONE. */
enum tcp_rule tcp_listen_refusal(const struct tcp_listener *listener, const struct tcp_segment *seg)
{
    if (seg->has_fin)
        return TCP_RULE_LISTEN_SYN_FIN;
    return listener->queue.count >= listener->backlog ? TCP_RULE_LISTEN_BACKLOG_FULL
                                                      : TCP_RULE_NONE;
}

/* Third, check for a SYN. Text and FIN on it are not kept, the peer sends them again: a half-open
 * record has no room for bytes of somebody who has proved nothing (who has, by a cookie, makes a
 * connection at once: RFC 7413). iss_above: the last sequence
 * number of the incarnation that this SYN follows (MAY-2), or NULL. */
static void listen_third_check_syn(struct duet_stack *s, struct tcp_listener *listener,
                                   const struct tcp_tuple *tuple, const struct tcp_segment *seg,
                                   const struct seq *iss_above)
{
    enum tcp_rule refusal = tcp_listen_refusal(listener, seg);
    if (refusal != TCP_RULE_NONE) {
        stack_rule(s, tuple, DUET_LISTEN, refusal);
        return;
    }
    struct seq iss = tcp_isn_take(s, tuple);
    if (iss_above != NULL && seq_le(iss, *iss_above))
        iss = seq_add(*iss_above, 1 + (iss.raw & 0xffff));
    enum duet_state from = iss_above != NULL ? DUET_TIME_WAIT : DUET_LISTEN;
    if (tcp_fast_open_listen(s, listener, tuple, seg, iss, from))
        return;
    /* A cookie cannot be made to lie above a former incarnation. */
    if (!half_open_has_room(s) && iss_above == NULL && tcp_cookie_syn(s, listener, tuple, seg))
        return;
    half_open_open(s, tuple, seg, iss, from);
}

void tcp_listen_arrives(struct duet_stack *s, struct tcp_listener *listener,
                        const struct tcp_tuple *tuple, struct tcp_segment *seg,
                        const struct seq *iss_above)
{
    /* First, check for a RST. */
    if (seg->has_rst)
        stack_rule(s, tuple, DUET_LISTEN, TCP_RULE_LISTEN_RST);
    /* Second, check for an ACK; if SYNs were answered by cookies, it may show one. */
    else if (tcp_cookie_arrives(s, listener, tuple, seg))
        return;
    else if (seg->has_ack)
        reply_reset(s, tuple, seg, DUET_LISTEN, TCP_RULE_LISTEN_ACK);
    else if (seg->has_syn)
        listen_third_check_syn(s, listener, tuple, seg, iss_above);
    /* Fourth, other data or control. */
    else
        stack_rule(s, tuple, DUET_LISTEN, TCP_RULE_LISTEN_OTHER);
}

/* ---- 3.10.7.3: SYN-SENT ---- */

static bool syn_sent_ack_is_good(const struct tcp_conn *c, const struct tcp_segment *seg)
{
    return seg->has_ack && seq_lt(c->snd.una, seg->ack) && seq_le(seg->ack, c->snd.nxt);
}

/* First, check the ACK bit. */
static enum tcp_verdict syn_sent_first_check_ack(struct duet_stack *s, struct tcp_conn *c,
                                                 const struct tcp_segment *seg)
{
    if (!seg->has_ack || syn_sent_ack_is_good(c, seg))
        return TCP_CONTINUE;
    if (seg->has_rst)
        tcp_rule(s, c, TCP_RULE_SYN_SENT_RST_BAD_ACK, seg);
    else
        reply_reset(s, &c->tuple, seg, DUET_SYN_SENT, TCP_RULE_SYN_SENT_BAD_ACK);
    return TCP_DROP;
}

/* Second, check the RST bit. RCV.NXT is not known yet, so the ACK alone decides (RFC 5961, 3.2). */
static enum tcp_verdict syn_sent_second_check_rst(struct duet_stack *s, struct tcp_conn *c,
                                                  const struct tcp_segment *seg)
{
    if (!seg->has_rst)
        return TCP_CONTINUE;
    if (!seg->has_ack)
        tcp_rule(s, c, TCP_RULE_SYN_SENT_RST_NO_ACK, seg);
    else if (!tcp_ecn_retries_plain(s, c))
        tcp_conn_end(s, c, TCP_RULE_SYN_SENT_REFUSED, DUET_E_REFUSED);
    return TCP_DROP;
}

static void syn_sent_take_syn(struct duet_stack *s, struct tcp_conn *c,
                              const struct tcp_segment *seg)
{
    c->rcv.irs = seg->seq;
    c->rcv.nxt = seq_add(seg->seq, 1);
    c->rcv.acked = c->rcv.nxt;
    c->rcv.adv = seq_add(c->rcv.nxt, min_u32(receive_limit(c), UINT16_MAX));
    tcp_tuning_start(s, c);
    c->snd.wnd = seg->window; /* never scaled on a SYN (RFC 7323, 2.2) */
    c->snd.wnd_max = seg->window;
    c->snd.wl1 = seg->seq;
    c->snd.wl2 = seg->has_ack ? seg->ack : c->snd.iss;
    c->heard = s->now;
    tcp_conn_options(s, c, seg->options);
    if (seg->has_ack)
        tcp_ecn_take_syn_ack(s, c, seg);
    else
        tcp_ecn_take_syn(s, c, seg);
}

/* The text, URG and FIN behind the SYN are judged as in ESTABLISHED (steps sixth to eighth). */
static void trim_syn(struct tcp_segment *seg)
{
    seg->seq = seq_add(seg->seq, 1);
    seg->len -= 1;
    seg->has_syn = false;
}

/* Fourth, check the SYN bit. */
static enum tcp_verdict syn_sent_fourth_check_syn(struct duet_stack *s, struct tcp_conn *c,
                                                  struct tcp_segment *seg)
{
    if (!seg->has_syn)
        return TCP_CONTINUE;
    syn_sent_take_syn(s, c, seg);
    if (!seg->has_ack) {
        tcp_set_state(s, c, DUET_SYN_RECEIVED, TCP_RULE_SYN_SENT_SIMULTANEOUS_OPEN);
        transfer_at(s, c)->timing = false;
        tcp_timer_stop(s, c); /* it starts again with the SYN,ACK */
        tcp_owe(s, c, TCP_OWES_SYN, TCP_RULE_SYN_SENT_SIMULTANEOUS_OPEN);
        return TCP_DROP;
    }
    tcp_rtt_acked(s, c, seg, 0);
    tcp_fast_open_answered(s, c, seg);
    c->snd.una = seg->ack;
    tcp_conn_establish(s, c, TCP_RULE_SYN_SENT_ESTABLISHED);
    tcp_ecn_acked(s, c, seg, NULL);
    tcp_owe(s, c, TCP_OWES_ACK | TCP_OWES_DATA, TCP_RULE_SYN_SENT_ESTABLISHED);
    trim_syn(seg);
    (void)tcp_trim_right(c, seg); /* the SYN is acknowledged at once anyway */
    tcp_after_ack(s, c, seg);
    return TCP_DROP;
}

void tcp_syn_sent_arrives(struct duet_stack *s, struct tcp_conn *c, struct tcp_segment *seg)
{
    if (syn_sent_first_check_ack(s, c, seg) == TCP_DROP)
        return;
    if (syn_sent_second_check_rst(s, c, seg) == TCP_DROP)
        return;
    /* Third, check security: duet has no compartments (RFC 9293, appendix A.1). */
    if (syn_sent_fourth_check_syn(s, c, seg) == TCP_DROP)
        return;
    /* Fifth, neither SYN nor RST. */
    tcp_rule(s, c, TCP_RULE_SYN_SENT_OTHER, seg);
}
