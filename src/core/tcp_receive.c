/* SPDX-License-Identifier: MIT */
/* The receive queue, reassembly, and the window that is advertised (RFC 9293, 3.8.6 and 3.10.7.4
 * seventh).
 *
 *     read by user     rcv.nxt                       rcv.adv
 *   ------|---------------|----[held]------[held]-----|------
 *         | can be read   |        RCV.WND            | refused
 *
 * Text beyond a hole is written to its place in the buffer at once; only its range is kept beside
 * it. The right edge never moves left (SHLD-14) and moves right only in useful steps (MUST-39);
 * what the scaled field says may lie below it by less than one unit (RFC 7323, 2.4), what was
 * promised is kept.
 */
#include "base/bytes.h"
#include "base/check.h"
#include "core/state.h"

/* The largest text we would be sent: what our MSS option says (MUST-67). */
uint16_t tcp_receive_mss(const struct duet_stack *s, const struct tcp_conn *c)
{
    uint32_t mtu = conn_is(c, TCP_CONN_MSS_SET) ? c->mtu : s->config.mtu;
    return (uint16_t)(mtu - ip_header_size(&c->tuple.remote) - TCP_HEADER);
}

void tcp_return_reassembly(struct duet_stack *s, struct tcp_conn *c)
{
    if (c->reassembly != POOL_NONE)
        pool_give(&s->reassemblies, c->reassembly);
    c->reassembly = POOL_NONE;
}

static struct tcp_reassembly *borrow(struct duet_stack *s, struct tcp_conn *c)
{
    if (c->reassembly == POOL_NONE) {
        c->reassembly = pool_take(&s->reassemblies) & POOL_NONE;
        if (c->reassembly == POOL_NONE)
            return NULL;
        struct tcp_reassembly *r = reassembly_of(s, c);
        r->count = 0;
        r->stamp = 0;
        r->has_fin = false;
    }
    return reassembly_of(s, c);
}

/* Adds [left, right) to the ranges, merging what touches. False: no room for one more. The loops
 * are bounded by TCP_REASSEMBLY_MAX. */
static bool add_range(struct tcp_reassembly *r, struct seq left, struct seq right)
{
    uint32_t first = 0;
    while (first < r->count && seq_lt(r->ranges[first].right, left))
        first++;
    uint32_t last = first;
    while (last < r->count && seq_le(r->ranges[last].left, right)) {
        left = seq_min(left, r->ranges[last].left);
        right = seq_max(right, r->ranges[last].right);
        last++;
    }
    if (first == last && r->count == TCP_REASSEMBLY_MAX)
        return false;
    if (first == last) {
        for (uint32_t i = r->count; i > first; i--)
            r->ranges[i] = r->ranges[i - 1];
        r->count++;
    } else {
        uint32_t gone = last - first - 1;
        for (uint32_t i = last; i < r->count; i++)
            r->ranges[i - gone] = r->ranges[i];
        r->count -= gone;
    }
    r->ranges[first].left = left;
    r->ranges[first].right = right;
    r->ranges[first].stamp = ++r->stamp;
    return true;
}

static void remove_first_range(struct tcp_reassembly *r)
{
    r->count--;
    for (uint32_t i = 0; i < r->count; i++)
        r->ranges[i] = r->ranges[i + 1];
}

/* RCV.NXT has moved: what it has reached is no longer out of order. */
static void absorb(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_reassembly *r = reassembly_of(s, c);
    if (r == NULL)
        return;
    while (r->count > 0 && seq_le(r->ranges[0].left, c->rcv.nxt)) {
        if (seq_lt(c->rcv.nxt, r->ranges[0].right)) {
            buffer_extend(&c->receive, seq_distance(c->rcv.nxt, r->ranges[0].right));
            c->rcv.nxt = r->ranges[0].right;
        }
        remove_first_range(r);
    }
    if (r->count == 0 && !r->has_fin)
        tcp_return_reassembly(s, c);
}

static void tell_readable(struct duet_stack *s, struct tcp_conn *c)
{
    if (!conn_is(c, TCP_CONN_READ_TOLD))
        tcp_tell(s, c, DUET_EVENT_READABLE);
    c->flags |= TCP_CONN_READ_TOLD;
}

/* Delayed acknowledgement (RFC 9293, 3.8.6.3; RFC 5681, 4.2): at once for the second full-sized
 * segment and for all that concerns a hole, else within config.delayed_ack. */
static void owe_ack(struct duet_stack *s, struct tcp_conn *c, bool at_once)
{
    uint32_t unacknowledged = seq_distance(c->rcv.acked, c->rcv.nxt);
    if (at_once || conn_is(c, TCP_CONN_NO_DELAYED_ACK) || unacknowledged >= 2u * c->receive_mss) {
        if ((c->owes & TCP_OWES_ACK) == 0)
            count_rule(s, TCP_RULE_TEXT_ACKNOWLEDGED);
        tcp_owe(s, c, TCP_OWES_ACK, TCP_RULE_TEXT_ACKNOWLEDGED);
    } else {
        tcp_delayed_ack_start(s, c);
    }
}

static void take_in_order(struct duet_stack *s, struct tcp_conn *c, struct tcp_segment *seg)
{
    bool fills_hole = c->reassembly != POOL_NONE;
    uint32_t taken = buffer_write(&s->buffers, &c->receive, BUFFER_IN_ORDER, c->receive.length,
                                  seg->text, seg->text_length);
    if (taken < seg->text_length) {
        tcp_rule(s, c, TCP_RULE_TEXT_NO_MEMORY, seg);
        seg->has_fin = false;
    }
    if (taken == 0) {
        owe_ack(s, c, true);
        return;
    }
    buffer_extend(&c->receive, taken);
    c->rcv.nxt = seq_add(c->rcv.nxt, taken);
    absorb(s, c);
    tcp_rule(s, c, TCP_RULE_TEXT_ACCEPTED, seg);
    tell_readable(s, c);
    owe_ack(s, c, fills_hole);
}

/* SHLD-31: hold it for later, and say at once what is missing (MAY-13; RFC 5681, 4.2). */
static void hold_out_of_order(struct duet_stack *s, struct tcp_conn *c,
                              const struct tcp_segment *seg)
{
    tcp_owe(s, c, TCP_OWES_ACK, TCP_RULE_TEXT_OUT_OF_ORDER);
    struct tcp_reassembly *r = borrow(s, c);
    if (r == NULL) {
        tcp_rule(s, c, TCP_RULE_NO_REASSEMBLY_LEFT, seg);
        return;
    }
    uint32_t offset = c->receive.length + seq_distance(c->rcv.nxt, seg->seq);
    uint32_t kept = buffer_write(&s->buffers, &c->receive, BUFFER_OUT_OF_ORDER, offset, seg->text,
                                 seg->text_length);
    bool added = kept == 0 || add_range(r, seg->seq, seq_add(seg->seq, kept));
    if (!added || kept < seg->text_length)
        tcp_rule(s, c, TCP_RULE_TEXT_NO_MEMORY, seg);
    else
        tcp_rule(s, c, TCP_RULE_TEXT_OUT_OF_ORDER, seg);
    if (seg->has_fin && added && kept == seg->text_length) {
        r->has_fin = true;
        r->fin = seq_add(seg->seq, seg->text_length);
    }
    if (r->count == 0 && !r->has_fin)
        tcp_return_reassembly(s, c);
}

/* Seventh, process the segment text, which lies inside the window. */
void tcp_receive_text(struct duet_stack *s, struct tcp_conn *c, struct tcp_segment *seg)
{
    if (seg->text_length == 0 && !seg->has_fin)
        return;
    uint32_t size = seg->link_segment != 0 ? seg->link_segment : seg->text_length;
    uint32_t full = min_u32(size, tcp_receive_mss(s, c));
    c->receive_mss = (uint16_t)max_u32(c->receive_mss, full);
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

static uint32_t space(const struct tcp_conn *c)
{
    return c->receive.length < c->receive_limit ? c->receive_limit - c->receive.length : 0;
}

/* MUST-39: the smallest step in which the right edge may move. */
static uint32_t useful_step(const struct duet_stack *s, const struct tcp_conn *c)
{
    return min_u32(c->receive_limit / 2, tcp_receive_mss(s, c));
}

static bool may_move(const struct tcp_conn *c, uint32_t step)
{
    uint32_t window = rcv_wnd(c);
    return space(c) > window && space(c) - window >= step;
}

/* The Window field that repeats what was promised, rounded up to a unit of the scale. */
uint16_t tcp_window_field(const struct tcp_conn *c)
{
    uint32_t unit = (uint32_t)1 << c->receive_scale;
    return (uint16_t)min_u32((rcv_wnd(c) + unit - 1) / unit, UINT16_MAX);
}

/* The Window field of a segment sent now; remembers the edge that it promises. Without a step worth
 * taking the old edge is repeated, rounded up by less than one unit of the scale so that it never
 * moves left. */
uint16_t tcp_receive_window(struct duet_stack *s, struct tcp_conn *c, bool is_syn)
{
    if (is_syn && c->state == DUET_SYN_SENT)
        return (uint16_t)min_u32(c->receive_limit, UINT16_MAX);
    if (is_syn)
        return (uint16_t)rcv_wnd(c); /* never scaled (RFC 7323, 2.2), less the text of the SYN */
    uint32_t unit = (uint32_t)1 << c->receive_scale;
    uint32_t field = tcp_window_field(c);
    if (may_move(c, useful_step(s, c)))
        field = max_u32(field, space(c) / unit);
    field = min_u32(field, max_u32(rcv_wnd(c) / unit, (space(c) + unit - 1) / unit));
    field = min_u32(field, UINT16_MAX);
    c->rcv.adv = seq_max(c->rcv.adv, seq_add(c->rcv.nxt, field * unit));
    return (uint16_t)field;
}

/* After the user has read: is the window worth an update of its own? When half the buffer is
 * new, when the window was nearly closed, or when it was small and grows by two segments; else
 * the next acknowledgement tells. */
bool tcp_receive_window_moved(const struct duet_stack *s, const struct tcp_conn *c)
{
    uint32_t step = useful_step(s, c);
    if (may_move(c, c->receive_limit / 2))
        return true;
    if (rcv_wnd(c) < step)
        return may_move(c, step);
    return rcv_wnd(c) <= c->receive_limit / 4 && may_move(c, 2 * step);
}

/* SACK blocks (RFC 2018, 4): the range touched last first, then others by age; at most `most`. */
void tcp_receive_sack(const struct duet_stack *s, const struct tcp_conn *c,
                      struct tcp_options *options, uint32_t most)
{
    const struct tcp_reassembly *r = reassembly_of(s, c);
    if (r == NULL || !conn_is(c, TCP_CONN_SACK))
        return;
    uint32_t below = UINT32_MAX;
    while (options->sack_count < min_u32(most, TCP_SACK_MAX)) {
        uint32_t best = UINT32_MAX;
        for (uint32_t i = 0; i < r->count; i++)
            if (r->ranges[i].stamp < below &&
                (best == UINT32_MAX || r->ranges[i].stamp > r->ranges[best].stamp))
                best = i;
        if (best == UINT32_MAX)
            break;
        below = r->ranges[best].stamp;
        options->sack[options->sack_count++] =
            (struct tcp_sack_range){r->ranges[best].left.raw, r->ranges[best].right.raw};
    }
    if (options->sack_count > 0)
        options->present |= DUET_TRACE_SACK;
}
