/* SPDX-License-Identifier: MIT */
/* Fifth, check the ACK field (RFC 9293, 3.10.7.4; RFC 5961, 5; RFC 5681): what an acknowledgement
 * says about what we sent, about the peer's window, and about our FIN. */
#include "base/bytes.h"
#include "base/check.h"
#include "core/user.h"

/* ---- timestamps (RFC 7323, 4.3 and 5.5) ---- */

enum { PAWS_IDLE_DAYS = 24 };

/* After so long a silence the peer's clock may have gone half way round. */
bool tcp_ts_recent_is_stale(const struct duet_stack *s, const struct tcp_conn *c)
{
    return s->now - c->heard >= PAWS_IDLE_DAYS * INT64_C(86400) * DUET_SECOND;
}

/* TS.Recent follows acceptable segments that start at or before the last ACK sent. PAWS has seen that
 * it is not older than the one before, or that the one before is stale. */
static void take_timestamp(struct tcp_conn *c, const struct tcp_segment *seg)
{
    if (conn_is(c, TCP_CONN_TIMESTAMPS) && !seg->is_outside &&
        seq_le(seg->arrived_seq, c->rcv.acked))
        c->ts_recent = seg->options->tsval;
}

/* ---- is the acknowledgement believable? ---- */

/* RFC 5961, 5.2: [SND.UNA - MAX.SND.WND, SND.NXT], and never below ISS + 1 while SND.UNA has not
 * left it by more than MAX.SND.WND, or an old acknowledgement of a byte that was never sent would
 * pass. */
static bool ack_is_in_range(struct tcp_conn *c, const struct tcp_segment *seg)
{
    struct seq first = seq_add(c->snd.iss, 1);
    if (!conn_is(c, TCP_CONN_ACK_FLOOR_PASSED) && seq_distance(first, c->snd.una) > c->snd.wnd_max)
        c->flags |= TCP_CONN_ACK_FLOOR_PASSED;
    struct seq low = seq_sub(c->snd.una, c->snd.wnd_max);
    if (!conn_is(c, TCP_CONN_ACK_FLOOR_PASSED))
        low = first;
    return seq_le(low, seg->ack) && seq_le(seg->ack, c->snd.nxt);
}

static uint32_t scaled_window(const struct tcp_conn *c, const struct tcp_segment *seg)
{
    return seg->arrived_syn ? seg->window : seg->window << c->send_scale; /* RFC 7323, 2.2 */
}

static void take_window(struct tcp_conn *c, const struct tcp_segment *seg)
{
    c->snd.wnd = scaled_window(c, seg);
    c->snd.wnd_max = max_u32(c->snd.wnd_max, c->snd.wnd);
    c->snd.wl1 = seg->seq;
    c->snd.wl2 = seg->ack;
}

static enum tcp_verdict syn_received_check_ack(struct duet_stack *s, struct tcp_conn *c,
                                               const struct tcp_segment *seg)
{
    if (!seq_lt(c->snd.una, seg->ack) || !seq_le(seg->ack, c->snd.nxt)) {
        if (!seg->is_outside) /* then it is acknowledged already: one answer is enough */
            reply_reset(s, &c->tuple, seg, DUET_SYN_RECEIVED, TCP_RULE_SYN_RECEIVED_BAD_ACK);
        return TCP_DROP;
    }
    if (transfer_of(s, c) != NULL)
        tcp_rtt_acked(s, c, seg, 0);
    else if (c->srtt_us == 0 && conn_is(c, TCP_CONN_TIMESTAMPS))
        tcp_rtt_from_echo(s, c, seg);
    c->snd.una = seq_add(c->snd.iss, 1);
    take_window(c, seg);
    tcp_conn_establish(s, c, TCP_RULE_SYN_RECEIVED_ESTABLISHED);
    tcp_owe(s, c, TCP_OWES_DATA, TCP_RULE_SYN_RECEIVED_ESTABLISHED);
    return TCP_CONTINUE;
}

/* bytes of sequence space have been acknowledged: which of them were SYN, text and FIN? */
static void advance_una(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                        struct tcp_news *news)
{
    struct tcp_transfer *t = transfer_of(s, c);
    struct flight_segment segment;
    CHECK(t != NULL);
    while (flight_acked(s, c, seg->ack, &segment))
        if ((segment.flags & FLIGHT_SACKED) == 0)
            tcp_delivered(s, c, seg, &segment, news);
    struct seq fin_acked_at = seq_add(tcp_send_end(s, c), 1);
    uint32_t text = seq_distance(tcp_send_start(c), seg->ack);
    news->advanced = true;
    news->advanced_space = text;
    tcp_rtt_acked(s, c, seg, news->rtt_us);
    if (!conn_is(c, TCP_CONN_SYN_ACKED)) {
        tcp_conn_syn_acked(s, c);
        tcp_cc_init(s, c);
    }
    if (conn_is(c, TCP_CONN_FIN_SENT) && seq_eq(seg->ack, fin_acked_at)) {
        c->flags |= TCP_CONN_FIN_ACKED;
        text--;
    }
    c->snd.una = seg->ack;
    news->acked = text;
    t->progress = s->now;
    t->probed = false;
    if (t->urgent && seq_le(t->up, c->snd.una))
        t->urgent = false;
    tcp_rule(s, c, TCP_RULE_ACK_ADVANCES, seg);
    tcp_send_acked(s, c, text);
    if (tcp_send_waits(s, c))
        tcp_owe(s, c, TCP_OWES_DATA, TCP_RULE_ACK_ADVANCES);
    if (conn_is(c, TCP_CONN_FIN_ACKED)) {
        tcp_tell(s, c, DUET_EVENT_FIN_ACKED);
        tcp_timer_stop(s, c);
    } else if (seq_eq(c->snd.una, c->snd.nxt)) {
        tcp_timer_stop(s, c); /* RFC 6298, 5.2 */
    } else {
        tcp_timer_restart(s, c, DUET_TIMER_RETRANSMISSION); /* RFC 6298, 5.3 */
    }
}

/* RFC 5681, 2: outstanding data, no text, no SYN or FIN, the same ACK, the same window. */
static bool is_duplicate_ack(const struct tcp_conn *c, const struct tcp_segment *seg)
{
    return seq_eq(seg->ack, c->snd.una) && !seq_eq(c->snd.una, c->snd.nxt) &&
           seg->arrived_len == 0 && scaled_window(c, seg) == c->snd.wnd;
}

static void window_has_opened(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    tcp_owe(s, c, TCP_OWES_DATA, TCP_RULE_WINDOW_OPENED);
    tcp_rule(s, c, TCP_RULE_WINDOW_OPENED, NULL);
    if (t == NULL)
        return;
    /* What was sent into the closed window, a probe, was refused: begin again behind what is
     * acknowledged. If the window was closed for less than a timeout, what left before may still
     * arrive. */
    if (t->retransmissions > 0)
        flight_all_lost(s, c, false);
    t->retransmissions = 0;
    t->timing = false;
    if (t->timer == DUET_TIMER_PERSIST)
        tcp_timer_stop(s, c);
}

/* SND.WND follows the segment that is newest by SEQ, then by ACK. A retransmission of the peer's has
 * an old SEQ; where its ACK is news it was sent after all that came before, so its window counts.
 * Else SND.UNA would move and SND.WND stay, and their sum be an edge that nobody offered. */
static void update_window(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                          bool advanced)
{
    bool is_newer = advanced || seq_lt(c->snd.wl1, seg->seq) ||
                    (seq_eq(c->snd.wl1, seg->seq) && seq_le(c->snd.wl2, seg->ack));
    if (!is_newer)
        return;
    bool was_closed = c->snd.wnd == 0;
    bool grew = seq_lt(seq_add(c->snd.una, c->snd.wnd), seq_add(seg->ack, scaled_window(c, seg)));
    take_window(c, seg);
    if (was_closed && c->snd.wnd > 0)
        window_has_opened(s, c);
    else if (grew && tcp_send_waits(s, c))
        tcp_owe(s, c, TCP_OWES_DATA, TCP_RULE_WINDOW_OPENED);
}

/* The peer lives: keep-alive starts anew, and a persist timer that it answers does not count
 * towards R2 (MUST-37). But who has let go of the connection does not wait for ever: then only bytes
 * that are acknowledged count, or peers that keep their windows shut could use up what there is. */
static void take_sign_of_life(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    c->heard = s->now;
    c->probes = 0;
    if (t != NULL && (t->timer == DUET_TIMER_PERSIST || c->snd.wnd == 0) &&
        !conn_is(c, TCP_CONN_USER_GONE))
        t->progress = s->now;
}

/* opens: it has acknowledged our SYN just now, so no ACK has said the same before. */
static void common_check_ack(struct duet_stack *s, struct tcp_conn *c,
                             const struct tcp_segment *seg, bool opens)
{
    struct tcp_news news = tcp_news_begin(s, c);
    news.duplicate = !opens && is_duplicate_ack(c, seg) && c->snd.wnd > 0;
    if (seq_lt(c->snd.una, seg->ack))
        advance_una(s, c, seg, &news);
    else if (news.duplicate)
        tcp_rule(s, c, TCP_RULE_ACK_DUPLICATE, seg);
    tcp_sack_arrives(s, c, seg, &news);
    tcp_ecn_acked(s, c, seg, &news);
    if (transfer_of(s, c) != NULL)
        tcp_loss_acked(s, c, seg, &news);
    else
        tcp_rack_widen(s, c, &news); /* nothing else matters any more */
    if (seq_le(c->snd.una, seg->ack))
        update_window(s, c, seg, news.advanced);
    take_sign_of_life(s, c);
}

/* ---- one that acknowledges more than one packet may ask for (tcp_flight.h) ----
 *
 * Whoever acknowledges ACK acknowledges everything below it, too. So an acknowledgement of very many
 * segments is taken for one of the first of them, and a microsecond later, by the reordering timer,
 * for the rest; the next one from the peer says it as well. */

static struct seq reach_of(struct duet_stack *s, struct tcp_conn *c, struct seq ack)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (t == NULL || !seq_lt(c->snd.una, ack))
        return ack;
    struct seq reach = flight_reach(s, c, ack);
    t->has_rest = seq_lt(reach, ack);
    t->rest = ack;
    return reach;
}

static void await_rest(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (t == NULL || !t->has_rest)
        return;
    t->rack.reorder_at = (s->now_us + 1) * DUET_MICROSECOND;
    tcp_timer_choose(s, c);
}

/* What an acknowledgement of our FIN means, state by state. */
static enum tcp_verdict check_fin_acked(struct duet_stack *s, struct tcp_conn *c)
{
    if (!conn_is(c, TCP_CONN_FIN_ACKED))
        return TCP_CONTINUE;
    switch ((enum duet_state)c->state) {
    case DUET_FIN_WAIT_1:
        tcp_set_state(s, c, DUET_FIN_WAIT_2, TCP_RULE_FIN_ACKED);
        tcp_return_transfer(s, c);
        return TCP_CONTINUE;
    case DUET_CLOSING:
        tcp_conn_enter_time_wait(s, c, TCP_RULE_FIN_ACKED_CLOSING);
        return TCP_DROP;
    case DUET_LAST_ACK:
        tcp_conn_end(s, c, TCP_RULE_FIN_ACKED_LAST_ACK, DUET_OK);
        return TCP_DROP;
    case DUET_CLOSED:
    case DUET_LISTEN:
    case DUET_SYN_SENT:
    case DUET_SYN_RECEIVED:
    case DUET_ESTABLISHED:
    case DUET_FIN_WAIT_2:
    case DUET_CLOSE_WAIT:
    case DUET_TIME_WAIT:
    case DUET_STATES:
        break;
    }
    return TCP_CONTINUE;
}

static enum tcp_verdict settle_ack(struct duet_stack *s, struct tcp_conn *c)
{
    if (check_fin_acked(s, c) == TCP_DROP)
        return TCP_DROP;
    tcp_conn_idle(s, c);
    return TCP_CONTINUE;
}

/* One end or both are closing, in order: the segment is one that tcp_fast_ack() can read. Others of that
 * kind have been shown to it before. */
static bool closes_in_order(const struct duet_stack *s, const struct tcp_conn *c,
                            const struct tcp_segment *seg)
{
    bool closes = seg->has_fin || c->state > DUET_ESTABLISHED;
    return closes && s->config.fast_path && c->state >= DUET_ESTABLISHED &&
           conn_is(c, TCP_CONN_SYN_ACKED) && c->reassembly == POOL_NONE &&
           tcp_ecn_mode(c) == TCP_ECN_NOT && (seg->options->present & DUET_TRACE_SACK) == 0 &&
           !seg->arrived_syn && seq_eq(seg->arrived_seq, c->rcv.nxt) && !seg->is_outside &&
           seq_le(c->snd.una, seg->ack) && seq_le(seg->ack, c->snd.nxt) &&
           !tcp_ts_recent_is_stale(s, c);
}

enum tcp_verdict tcp_fifth_check_ack(struct duet_stack *s, struct tcp_conn *c,
                                     const struct tcp_segment *seg)
{
    if (!seg->has_ack)
        return tcp_drop(s, c, TCP_RULE_ACK_MISSING, seg);
    const struct tcp_transfer *t = transfer_of(s, c);
    if (FEATURE_VERIFY_ACKS && t != NULL && t->verify.withheld && tcp_verify_has_lied(s, c, seg)) {
        tcp_owe_challenge(s, c, TCP_RULE_ACK_OF_WITHHELD);
        return tcp_drop(s, c, TCP_RULE_ACK_OF_WITHHELD, seg);
    }
    if (FEATURE_FAST_PATH && closes_in_order(s, c, seg) && tcp_fast_ack(s, c, seg))
        return settle_ack(s, c);
    bool opens = c->state == DUET_SYN_RECEIVED;
    if (opens && syn_received_check_ack(s, c, seg) == TCP_DROP)
        return TCP_DROP;
    if (!ack_is_in_range(c, seg)) {
        enum tcp_rule rule =
            seq_lt(c->snd.nxt, seg->ack) ? TCP_RULE_ACK_OF_UNSENT : TCP_RULE_ACK_TOO_OLD;
        tcp_owe_challenge(s, c, rule);
        return tcp_drop(s, c, rule, seg);
    }
    take_timestamp(c, seg);
    struct seq reach = reach_of(s, c, seg->ack);
    if (seq_eq(reach, seg->ack)) {
        common_check_ack(s, c, seg, opens);
        return settle_ack(s, c);
    }
    struct tcp_segment part = *seg;
    part.ack = reach;
    count_rule(s, TCP_RULE_ACK_OF_MUCH);
    common_check_ack(s, c, &part, opens);
    await_rest(s, c);
    return settle_ack(s, c);
}

/* A timer of the connection has run out, maybe that of the rest of an acknowledgement: as if its peer
 * had sent the same again. TCP_DROP: the connection has ended. */
enum tcp_verdict tcp_ack_rest(struct duet_stack *s, struct tcp_conn *c)
{
    static const struct tcp_options none = {0};
    struct tcp_transfer *t = transfer_of(s, c);
    if (t == NULL || !t->has_rest || s->now < t->rack.reorder_at)
        return TCP_CONTINUE;
    struct tcp_segment seg = {.seq = c->snd.wl1,
                              .ack = reach_of(s, c, t->rest),
                              .window = c->snd.wnd >> c->send_scale,
                              .has_ack = true,
                              .options = &none};
    struct tcp_news news = tcp_news_begin(s, c);
    t->rack.reorder_at = DUET_NEVER;
    CHECK(seq_lt(c->snd.una, seg.ack)); /* what is said since has begun the rest anew */
    advance_una(s, c, &seg, &news);
    tcp_loss_acked(s, c, &seg, &news);
    update_window(s, c, &seg, true);
    await_rest(s, c);
    return settle_ack(s, c);
}

/* An acknowledgement of our FIN has not been followed to its end yet. Nothing may go again: a peer
 * who has all of it may be gone, and would answer with a RST. */
void tcp_ack_spares(const struct duet_stack *s, struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    if (t != NULL && t->has_rest && conn_is(c, TCP_CONN_FIN_SENT) && seq_eq(t->rest, c->snd.nxt))
        c->owes &= TCP_OWES_ACK;
}
