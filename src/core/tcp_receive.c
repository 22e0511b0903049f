/* SPDX-License-Identifier: MIT */
/* The receive queue and the window that is advertised (RFC 9293, 3.8.6 and 3.10.7.4
 * seventh).
 *
 *     read by user     rcv.nxt                       rcv.adv
 *   ------|---------------|----[held]------[held]-----|------
 *         | can be read   |        RCV.WND            | refused
 *
 * Text beyond a hole is written to its place in the buffer at once; only its range is kept beside
 * it (tcp_reassembly.c). The right edge never moves left (SHLD-14) and moves right only in useful steps (MUST-39);
 * what the scaled field says may lie below it by less than one unit (RFC 7323, 2.4), what was
 * promised is kept.
 */
#include "base/bytes.h"
#include "base/check.h"
#include "core/state.h"

enum { DEFAULT_MSS = 536 };

static void tell_readable(struct duet_stack *s, struct tcp_conn *c)
{
    if (!conn_is(c, TCP_CONN_READ_TOLD))
        tcp_tell(s, c, DUET_EVENT_READABLE);
    c->flags |= TCP_CONN_READ_TOLD;
}

/* ---- acknowledging one by one ----
 *
 * Segments of bulk transfers, which are at least of the smallest default size (MUST-15); in a dialogue
 * the answer carries the acknowledgement. */

enum { QUICK_AFTER_HOLE = 15 }; /* what tcp_conn.quick can hold */

/* The peer is in slow start, and its window grows with each acknowledgement: the first segments of
 * a connection are not made to wait for a second one. The count begins again after 4 GiB, which does
 * no harm. */
static bool is_at_start(const struct duet_stack *s, const struct tcp_conn *c)
{
    uint32_t received = seq_distance(c->rcv.irs, c->rcv.nxt) - 1;
    return received <= (uint32_t)s->config.quick_acks * c->receive_mss;
}

/* A hole tells that the peer has lost something, and its window is small now. If it is of an odd number
 * of segments, a delayed acknowledgement would add its delay to each round trip. */
static void hole_was_seen(const struct duet_stack *s, struct tcp_conn *c)
{
    c->quick = min_u32(s->config.quick_acks, QUICK_AFTER_HOLE) & QUICK_AFTER_HOLE;
}

/* Why a full segment that needs no acknowledgement yet is given one. TCP_RULE_NONE: it waits. */
static enum tcp_rule why_quick(const struct duet_stack *s, struct tcp_conn *c)
{
    if (seq_distance(c->rcv.acked, c->rcv.nxt) < DEFAULT_MSS)
        return TCP_RULE_NONE;
    if (c->quick == 0)
        return is_at_start(s, c) ? TCP_RULE_QUICK_ACK : TCP_RULE_NONE;
    c->quick--;
    return TCP_RULE_QUICK_ACK_AFTER_HOLE;
}

/* Delayed acknowledgement (RFC 9293, 3.8.6.3; RFC 5681, 4.2): at once for the second full-sized
 * segment and for all that concerns a hole, else within config.delayed_ack. */
static void owe_ack(struct duet_stack *s, struct tcp_conn *c, bool at_once)
{
    uint32_t unacknowledged = seq_distance(c->rcv.acked, c->rcv.nxt);
    bool is_due =
        at_once || conn_is(c, TCP_CONN_NO_DELAYED_ACK) || unacknowledged >= 2u * c->receive_mss;
    enum tcp_rule rule = is_due ? TCP_RULE_TEXT_ACKNOWLEDGED : why_quick(s, c);
    if (rule == TCP_RULE_NONE) {
        tcp_delayed_ack_start(s, c);
        return;
    }
    if ((c->owes & TCP_OWES_ACK) == 0)
        count_rule(s, rule);
    tcp_owe(s, c, TCP_OWES_ACK, rule);
}

/* Puts the next text behind the queue. False: none of it, for want of memory. */
static bool put_next(struct duet_stack *s, struct tcp_conn *c, struct tcp_segment *seg)
{
    uint32_t taken = seg->text_length;
    if (!seg->is_placed)
        taken = buffer_write(&s->buffers, &c->receive, BUFFER_IN_ORDER, c->receive.length,
                             seg->text, seg->text_length);
    if (taken < seg->text_length) {
        tcp_rule(s, c, TCP_RULE_TEXT_NO_MEMORY, seg);
        seg->has_fin = false;
    }
    if (taken == 0) {
        owe_ack(s, c, true);
        return false;
    }
    buffer_extend(&c->receive, taken);
    c->rcv.nxt = seq_add(c->rcv.nxt, taken);
    return true;
}

static void take_in_order(struct duet_stack *s, struct tcp_conn *c, struct tcp_segment *seg)
{
    bool fills_hole = tcp_has_hole(s, c);
    if (!put_next(s, c, seg))
        return;
    tcp_absorb_held(s, c);
    tcp_rule(s, c, TCP_RULE_TEXT_ACCEPTED, seg);
    tell_readable(s, c);
    if (fills_hole)
        hole_was_seen(s, c);
    owe_ack(s, c, fills_hole || tcp_has_duplicate(s, c));
}

/* SHLD-31: hold it for later, and say at once what is missing (MAY-13; RFC 5681, 4.2). */
static void hold_out_of_order(struct duet_stack *s, struct tcp_conn *c,
                              const struct tcp_segment *seg)
{
    tcp_owe(s, c, TCP_OWES_ACK, TCP_RULE_TEXT_OUT_OF_ORDER);
    if (!tcp_can_hold(s, c)) {
        tcp_rule(s, c, TCP_RULE_NO_REASSEMBLY_LEFT, seg);
        return;
    }
    uint32_t offset = c->receive.length + seq_distance(c->rcv.nxt, seg->seq);
    uint32_t kept = buffer_write(&s->buffers, &c->receive, BUFFER_OUT_OF_ORDER, offset, seg->text,
                                 seg->text_length);
    bool is_whole = kept == seg->text_length;
    bool is_held = tcp_hold(s, c, seg->seq, kept, seg->has_fin && is_whole);
    if (!is_held)
        buffer_settle(&s->buffers, &c->receive, tcp_holds_text(s, c));
    tcp_rule(s, c, is_held && is_whole ? TCP_RULE_TEXT_OUT_OF_ORDER : TCP_RULE_TEXT_NO_MEMORY, seg);
}

static void note_size(const struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg)
{
    uint32_t size = seg->link_segment != 0 ? seg->link_segment : seg->text_length;
    if (size > c->receive_mss)
        c->receive_mss = (uint16_t)max_u32(c->receive_mss, min_u32(size, tcp_receive_mss(s, c)));
}

/* tcp_receive_text() of the next text, where there is no hole, nothing arrived twice, and no FIN. */
void tcp_receive_next_text(struct duet_stack *s, struct tcp_conn *c, struct tcp_segment *seg)
{
    note_size(s, c, seg);
    if (!put_next(s, c, seg))
        return;
    tcp_rule(s, c, TCP_RULE_TEXT_ACCEPTED, seg);
    tell_readable(s, c);
    owe_ack(s, c, false);
}

/* Seventh, process the segment text, which lies inside the window. */
void tcp_receive_text(struct duet_stack *s, struct tcp_conn *c, struct tcp_segment *seg)
{
    if (seg->text_length == 0 && !seg->has_fin)
        return;
    note_size(s, c, seg);
    tcp_note_repeated(s, c, seg);
    uint32_t joinable = tcp_joinable(s, c, seg);
    if (joinable < seg->text_length) {
        tcp_rule(s, c, TCP_RULE_TEXT_JOINS_MUCH, seg);
        seg->text_length = joinable;
        seg->has_fin = false;
    }
    if (!seq_eq(seg->seq, c->rcv.nxt))
        hold_out_of_order(s, c, seg);
    else if (seg->text_length > 0)
        take_in_order(s, c, seg);
}

/* Has all text before a FIN been received? Of this segment, or of one that came early. */
bool tcp_receive_fin_is_next(const struct duet_stack *s, const struct tcp_conn *c,
                             const struct tcp_segment *seg)
{
    const struct tcp_reassembly *r = reassembly_of(s, c);
    if (r != NULL && r->has_fin && seq_eq(r->fin, c->rcv.nxt))
        return true;
    return seg->has_fin && seq_eq(seq_add(seg->seq, seg->text_length), c->rcv.nxt);
}

/* ---- the window ---- */

/* Where the user wants to hold less than one unit of the scale it is one unit: a window of less cannot
 * be said, and one of nothing would never open. */
static uint32_t space(const struct tcp_conn *c)
{
    uint32_t limit = max_u32(receive_limit(c), (uint32_t)1 << c->receive_scale);
    return c->receive.length < limit ? limit - c->receive.length : 0;
}

/* MUST-39: the smallest step in which the right edge may move. */
static uint32_t useful_step(const struct duet_stack *s, const struct tcp_conn *c)
{
    return min_u32(receive_limit(c) / 2, tcp_receive_mss(s, c));
}

/* Worth the step, and some of it can be said in units of the scale. */
static inline bool may_move(const struct tcp_conn *c, uint32_t step)
{
    uint32_t window = rcv_wnd(c), room = space(c);
    return room >= window && room - window >= step &&
           room >> c->receive_scale << c->receive_scale > window;
}

/* Rounded up. */
static uint32_t in_units(const struct tcp_conn *c, uint32_t bytes)
{
    uint32_t unit = (uint32_t)1 << c->receive_scale;
    return (bytes + unit - 1) >> c->receive_scale;
}

/* The Window field that repeats what was promised, rounded up to a unit of the scale as far as there is
 * room: else each FIN and each octet would add almost a unit to it. */
static inline uint16_t field_again(const struct tcp_conn *c)
{
    if (space(c) >= rcv_wnd(c))
        return (uint16_t)min_u32(in_units(c, rcv_wnd(c)), UINT16_MAX);
    uint32_t most = max_u32(rcv_wnd(c) >> c->receive_scale, in_units(c, space(c)));
    return (uint16_t)min_u32(min_u32(in_units(c, rcv_wnd(c)), most), UINT16_MAX);
}

static void promise(struct tcp_conn *c, uint32_t field)
{
    c->rcv.adv = seq_max(c->rcv.adv, seq_add(c->rcv.nxt, field << c->receive_scale));
}

/* The same, and what the rounding adds is promised, too. */
uint16_t tcp_window_field(struct tcp_conn *c)
{
    uint16_t field = field_again(c);
    promise(c, field);
    return field;
}

/* The Window field of a segment sent now; remembers the edge that it promises. Without a step worth
 * taking the old edge is repeated, rounded up by less than one unit of the scale so that it never
 * moves left. */
uint16_t tcp_receive_window(struct duet_stack *s, struct tcp_conn *c, bool is_syn)
{
    if (is_syn && c->state == DUET_SYN_SENT)
        return (uint16_t)min_u32(receive_limit(c), UINT16_MAX);
    if (is_syn)
        return (uint16_t)rcv_wnd(c); /* never scaled (RFC 7323, 2.2), less the text of the SYN */
    uint32_t field = field_again(c);
    if (may_move(c, useful_step(s, c)))
        field = min_u32(max_u32(field, space(c) >> c->receive_scale), UINT16_MAX);
    promise(c, field);
    return (uint16_t)field;
}

/* There is more room than before: is the window worth an update of its own? When half the buffer is
 * new, when the window was nearly closed, or when it was small and grows by two segments; else
 * the next acknowledgement tells. */
bool tcp_receive_window_moved(const struct duet_stack *s, const struct tcp_conn *c)
{
    if (rcv_wnd(c) > receive_limit(c) / 2 && rcv_wnd(c) >= UINT16_MAX) /* no step is as large */
        return false;
    if (may_move(c, receive_limit(c) / 2))
        return true;
    uint32_t step = useful_step(s, c);
    if (rcv_wnd(c) < step)
        return may_move(c, step);
    return rcv_wnd(c) <= receive_limit(c) / 4 && may_move(c, 2 * step);
}

/* There may be more room than before: the peer, if it may still send, is told of a window worth it. */
void tcp_receive_room(struct duet_stack *s, struct tcp_conn *c)
{
    bool peer_may_send =
        c->state == DUET_ESTABLISHED || c->state == DUET_FIN_WAIT_1 || c->state == DUET_FIN_WAIT_2;
    if (!peer_may_send || !tcp_receive_window_moved(s, c))
        return;
    count_rule(s, TCP_RULE_WINDOW_UPDATE);
    tcp_owe(s, c, TCP_OWES_ACK, TCP_RULE_WINDOW_UPDATE);
}
