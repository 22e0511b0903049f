/* SPDX-License-Identifier: MIT */
/* SEGMENT ARRIVES in SYN-RECEIVED and the synchronized states (RFC 9293, 3.10.7.4).
 *
 * tcp_segment_arrives() is the table of contents. Every step below it is one function, in the order
 * of the RFC and with its ordinal, and says TCP_CONTINUE or TCP_DROP. Nothing here builds a
 * segment: a step records what is owed and tcp_output.c pays; that acknowledgements of a batch
 * become one (MUST-58, MUST-59) follows from that.
 */
#include "base/bytes.h"
#include "base/check.h"
#include "core/user.h"

enum tcp_verdict tcp_drop(struct duet_stack *s, struct tcp_conn *c, enum tcp_rule rule,
                          const struct tcp_segment *seg)
{
    tcp_rule(s, c, rule, seg);
    if (s->watch != NULL)
        s->watch->dropped = (uint16_t)rule;
    return TCP_DROP;
}

static uint32_t now_ms(const struct duet_stack *s)
{
    return s->now_ms;
}

/* ---- how often an invalid segment is answered ---- */

/* A challenge ACK (RFC 5961, 7), at most challenge_limit in each interval, counted for this
 * connection alone so that nobody can observe another's count. */
bool tcp_may_challenge(struct duet_stack *s, struct tcp_conn *c)
{
    uint32_t interval = (uint32_t)(s->config.challenge_interval / DUET_MILLISECOND);
    uint32_t *from = tcp_accecn_challenge_from(s, c);
    if (c->challenges == 0 || now_ms(s) - *from >= interval) {
        *from = now_ms(s);
        c->challenges = 0;
    }
    if (c->challenges >= s->config.challenge_limit) {
        tcp_rule(s, c, TCP_RULE_CHALLENGE_LIMIT, NULL);
        return false;
    }
    c->challenges++;
    return true;
}

void tcp_owe_challenge(struct duet_stack *s, struct tcp_conn *c, enum tcp_rule rule)
{
    if (tcp_may_challenge(s, c))
        tcp_owe(s, c, TCP_OWES_ACK, rule);
}

/* The ACK that answers an unacceptable segment. One without text may itself be such an answer, so
 * those are spaced: two confused ends fall silent instead of acknowledging each other for ever. */
static void owe_ack_for_invalid(struct duet_stack *s, struct tcp_conn *c,
                                const struct tcp_segment *seg, enum tcp_rule rule)
{
    uint32_t spacing = (uint32_t)(s->config.invalid_ack_spacing / DUET_MILLISECOND);
    bool is_bare = seg->text_length == 0 && !seg->has_fin;
    if (is_bare && c->invalid_ack_at != 0 && now_ms(s) - c->invalid_ack_at < spacing) {
        tcp_rule(s, c, TCP_RULE_INVALID_ACK_LIMIT, seg);
        return;
    }
    if (is_bare)
        c->invalid_ack_at = now_ms(s) != 0 ? now_ms(s) : UINT32_MAX; /* 0 is for none */
    tcp_note_old(s, c, seg);
    tcp_owe(s, c, TCP_OWES_ACK, rule);
}

/* ---- step 0: timestamps (RFC 7323, 3.2, 4.3 and 5.3) ---- */

static enum tcp_verdict check_timestamps(struct duet_stack *s, struct tcp_conn *c,
                                         const struct tcp_segment *seg)
{
    bool has = (seg->options->present & DUET_TRACE_TIMESTAMPS) != 0;
    if (!conn_is(c, TCP_CONN_TIMESTAMPS) || seg->has_rst || (seg->has_syn && !has))
        return TCP_CONTINUE; /* a SYN without them is challenged like any other (RFC 5961, 4.2) */
    if (!has)
        return tcp_drop(s, c, TCP_RULE_TIMESTAMP_MISSING, seg);
    bool recent_is_valid = !tcp_ts_recent_is_stale(s, c);
    if (!recent_is_valid || seq_le(seq_of(c->ts_recent), seq_of(seg->options->tsval)))
        return TCP_CONTINUE;
    owe_ack_for_invalid(s, c, seg, TCP_RULE_PAWS_REJECTED);
    return tcp_drop(s, c, TCP_RULE_PAWS_REJECTED, seg);
}

/* ---- first: sequence number ---- */

/* The four cases of the acceptability test (RFC 9293, table 6). */
static bool is_acceptable(const struct tcp_conn *c, const struct tcp_segment *seg)
{
    uint32_t window = rcv_wnd(c);
    uint32_t len = seg->has_rst ? 0 : seg->len; /* RFC 5961, 3.2: SEQ alone decides about a RST */
    if (len == 0 && window == 0)
        return seq_eq(seg->seq, c->rcv.nxt);
    if (len == 0)
        return seq_in_window(seg->seq, c->rcv.nxt, window);
    return seq_in_window(seg->seq, c->rcv.nxt, window) ||
           seq_in_window(seq_add(seg->seq, len - 1), c->rcv.nxt, window);
}

/* Cuts away what was received before. What is cut may be a SYN, too. */
static void trim_left(const struct tcp_conn *c, struct tcp_segment *seg)
{
    if (!seq_lt(seg->seq, c->rcv.nxt))
        return;
    uint32_t old = min_u32(seq_distance(seg->seq, c->rcv.nxt), seg->len);
    uint32_t text = old;
    if (seg->has_syn) { /* the first of what is old */
        seg->has_syn = false;
        text--;
    }
    text = min_u32(text, seg->text_length);
    seg->text += text;
    seg->text_length -= text;
    seg->seq = seq_add(seg->seq, old);
    seg->len -= old;
    if (seg->len == 0)
        seg->has_fin = false;
}

/* Cuts away what lies beyond the window; a FIN behind it goes too. True: something was cut. */
bool tcp_trim_right(const struct tcp_conn *c, struct tcp_segment *seg)
{
    uint32_t room = seq_distance(seg->seq, c->rcv.adv);
    if (seq_lt(c->rcv.adv, seg->seq))
        room = 0;
    if (seg->text_length + seg->has_fin <= room)
        return false;
    seg->has_fin = false;
    seg->text_length = min_u32(seg->text_length, room);
    seg->len = seg->text_length + seg->has_syn;
    return true;
}

/* MUST-66: with a closed window the text is refused, but RST, URG and ACK still count. So do those
 * of a segment that starts one before RCV.NXT (doubt D5): the other SYN,ACK of a simultaneous open,
 * a repeated FIN, a keep-alive. A RST, and a SYN in a later state, have been seen to before. */
static bool counts_for_its_ack(const struct tcp_conn *c, const struct tcp_segment *seg)
{
    if (rcv_wnd(c) == 0 && seq_eq(seg->seq, c->rcv.nxt))
        return true;
    bool is_one_before = seq_eq(seq_add(seg->seq, 1), c->rcv.nxt) && seg->len <= 1;
    return is_one_before && (!seg->has_syn || seg->has_ack);
}

static enum tcp_verdict first_check_sequence(struct duet_stack *s, struct tcp_conn *c,
                                             struct tcp_segment *seg)
{
    if (tcp_fast_open_syn_repeated(s, c, seg))
        return TCP_DROP;
    if (is_acceptable(c, seg)) {
        if (seg->has_rst)
            return TCP_CONTINUE;
        bool had_syn = seg->has_syn;
        trim_left(c, seg);
        seg->has_syn = had_syn;
        seg->is_cut = tcp_trim_right(c, seg);
        if (seg->is_cut)
            tcp_rule(s, c, TCP_RULE_TEXT_BEYOND_WINDOW, seg);
        return TCP_CONTINUE;
    }
    if (seg->has_rst)
        return tcp_drop(s, c, TCP_RULE_RST_OUTSIDE_WINDOW, seg);
    if (seg->has_syn && c->state > DUET_SYN_RECEIVED)
        return TCP_CONTINUE; /* RFC 5961, 4.2: whatever its sequence number, step four decides */
    if (tcp_ecn_take_syn_again(s, c, seg) == TCP_DROP)
        return TCP_DROP;
    if (!counts_for_its_ack(c, seg)) {
        owe_ack_for_invalid(s, c, seg, TCP_RULE_SEQ_UNACCEPTABLE);
        return tcp_drop(s, c, TCP_RULE_SEQ_UNACCEPTABLE, seg);
    }
    enum tcp_rule rule =
        rcv_wnd(c) == 0 ? TCP_RULE_ZERO_WINDOW_REFUSED : TCP_RULE_ONE_BEFORE_WINDOW;
    tcp_rule(s, c, rule, seg);
    owe_ack_for_invalid(s, c, seg, rule);
    seg->is_outside = true;
    trim_left(c, seg);
    (void)tcp_trim_right(c, seg);
    return TCP_CONTINUE;
}

/* ---- second: RST ---- */

static enum tcp_verdict second_check_rst(struct duet_stack *s, struct tcp_conn *c,
                                         const struct tcp_segment *seg)
{
    if (!seg->has_rst)
        return TCP_CONTINUE;
    if (!seq_eq(seg->seq, c->rcv.nxt)) {
        tcp_owe_challenge(s, c, TCP_RULE_RST_CHALLENGED);
        return tcp_drop(s, c, TCP_RULE_RST_CHALLENGED, seg);
    }
    bool is_refusal = c->state == DUET_SYN_RECEIVED && !conn_is(c, TCP_CONN_PASSIVE);
    int error = is_refusal ? DUET_E_REFUSED : DUET_E_RESET;
    tcp_conn_end(s, c, TCP_RULE_RST_EXACT, error);
    return TCP_DROP;
}

/* ---- fourth: SYN ---- */

static enum tcp_verdict fourth_check_syn(struct duet_stack *s, struct tcp_conn *c,
                                         const struct tcp_segment *seg)
{
    if (!seg->has_syn)
        return TCP_CONTINUE;
    tcp_owe_challenge(s, c, TCP_RULE_SYN_CHALLENGED);
    tcp_ecn_take_syn_ack_again(s, c, seg);
    return tcp_drop(s, c, TCP_RULE_SYN_CHALLENGED, seg);
}

/* ---- sixth: URG ---- */

static bool can_receive(const struct tcp_conn *c)
{
    return c->state == DUET_ESTABLISHED || c->state == DUET_FIN_WAIT_1 ||
           c->state == DUET_FIN_WAIT_2;
}

static void sixth_check_urg(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg)
{
    if (!seg->has_urg || !can_receive(c))
        return;
    struct seq up = seg->up;
    bool is_ahead = seq_lt(seq_sub(c->rcv.nxt, c->receive.length), up);
    bool is_news = !conn_is(c, TCP_CONN_URGENT_RECEIVED) || seq_lt(c->rcv.up, up);
    if (!is_ahead || !is_news)
        return;
    c->rcv.up = up;
    c->flags |= TCP_CONN_URGENT_RECEIVED;
    tcp_rule(s, c, TCP_RULE_URGENT_RECEIVED, seg);
    tcp_tell(s, c, DUET_EVENT_URGENT);
}

/* ---- seventh: text ---- */

static enum tcp_verdict seventh_process_text(struct duet_stack *s, struct tcp_conn *c,
                                             struct tcp_segment *seg)
{
    if (seg->text_length > 0 && !can_receive(c))
        tcp_rule(s, c, TCP_RULE_TEXT_AFTER_FIN, seg);
    if (!can_receive(c))
        return TCP_CONTINUE;
    if (seg->text_length > 0 && conn_is(c, TCP_CONN_USER_GONE)) {
        tcp_conn_reset(s, c, TCP_RULE_TEXT_AFTER_CLOSE, DUET_E_RESET);
        return TCP_DROP;
    }
    tcp_receive_text(s, c, seg);
    return TCP_CONTINUE;
}

/* ---- eighth: FIN ---- */

static void take_fin(struct duet_stack *s, struct tcp_conn *c)
{
    c->rcv.nxt = seq_add(c->rcv.nxt, 1);
    c->rcv.adv = seq_max(c->rcv.adv, c->rcv.nxt);
    c->flags |= TCP_CONN_FIN_RECEIVED;
    tcp_forget_held(s, c);
    tcp_owe(s, c, TCP_OWES_ACK, TCP_RULE_FIN_RECEIVED);
    c->flags |= TCP_CONN_READ_TOLD;
    tcp_tell(s, c, DUET_EVENT_PEER_CLOSED | DUET_EVENT_READABLE);
}

static void eighth_check_fin(struct duet_stack *s, struct tcp_conn *c,
                             const struct tcp_segment *seg)
{
    if (!can_receive(c)) {
        if (seg->has_fin || seg->text_length > 0)
            tcp_owe(s, c, TCP_OWES_ACK, TCP_RULE_TEXT_AFTER_FIN);
        return;
    }
    if (!tcp_receive_fin_is_next(s, c, seg))
        return;
    take_fin(s, c);
    switch ((enum duet_state)c->state) {
    case DUET_ESTABLISHED:
        tcp_set_state(s, c, DUET_CLOSE_WAIT, TCP_RULE_FIN_RECEIVED);
        return;
    case DUET_FIN_WAIT_1:
        tcp_set_state(s, c, DUET_CLOSING, TCP_RULE_FIN_RECEIVED_BOTH);
        return;
    case DUET_FIN_WAIT_2:
        tcp_conn_enter_time_wait(s, c, TCP_RULE_FIN_RECEIVED_LAST);
        return;
    case DUET_CLOSED:
    case DUET_LISTEN:
    case DUET_SYN_SENT:
    case DUET_SYN_RECEIVED:
    case DUET_CLOSE_WAIT:
    case DUET_CLOSING:
    case DUET_LAST_ACK:
    case DUET_TIME_WAIT:
    case DUET_STATES:
        break;
    }
    unreachable("can_receive() names three states");
}

/* Steps sixth to eighth, also for what rides on the SYN,ACK of an active open. */
void tcp_after_ack(struct duet_stack *s, struct tcp_conn *c, struct tcp_segment *seg)
{
    tcp_user_timeout_arrives(s, c, seg);
    sixth_check_urg(s, c, seg);
    if (seventh_process_text(s, c, seg) == TCP_DROP)
        return;
    eighth_check_fin(s, c, seg);
}

void tcp_segment_arrives(struct duet_stack *s, struct tcp_conn *c, struct tcp_segment *seg)
{
    CHECK(c->state >= DUET_SYN_RECEIVED);
    CHECK(seq_le(c->snd.una, c->snd.nxt));

    if (c->state == DUET_TIME_WAIT) {
        time_wait_conn_arrives(s, c, seg);
        return;
    }
    if (check_timestamps(s, c, seg) == TCP_DROP)
        return;
    if (first_check_sequence(s, c, seg) == TCP_DROP)
        return;
    if (second_check_rst(s, c, seg) == TCP_DROP)
        return;
    /* Third, check security: duet has no compartments (RFC 9293, appendix A.1). */
    if (fourth_check_syn(s, c, seg) == TCP_DROP)
        return;
    if (tcp_fifth_check_ack(s, c, seg) == TCP_DROP)
        return;
    if (seg->is_cut)
        tcp_owe(s, c, TCP_OWES_ACK, TCP_RULE_TEXT_BEYOND_WINDOW);
    tcp_ecn_arrives(s, c, seg);
    tcp_after_ack(s, c, seg);
}
