/* SPDX-License-Identifier: MIT */
/* What has arrived beyond a hole, and what the peer is told of it: SACK (RFC 2018) and D-SACK (RFC
 * 2883).
 *
 *          rcv.nxt                                     rcv.adv
 *   ----------|--------[held]------[held]----[held]-------|----
 *     [dup]                          [dup]
 *
 * The first block of a SACK option names what arrived twice, if anything did since the last
 * acknowledgement; it is reported once and then forgotten. The next blocks name what is held, the
 * range touched last first. Bytes stand in the receive buffer; here are only their ranges (ranges.h:
 * O(log n) a segment), and the place of a FIN that came early. The record is borrowed while there
 * is something to say.
 *
 * Nothing that was reported is given up again (RFC 2018, 8 would allow it): when there is no node
 * for one more range, the new one is dropped. Text in order needs none, so the left edge always
 * moves.
 */
#include "base/bytes.h"
#include "base/check.h"
#include "core/state.h"

enum { JOINED_MAX = 16 };

void tcp_return_reassembly(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_reassembly *r = reassembly_of(s, c);
    if (r == NULL)
        return;
    ranges_clear(&s->ranges, &r->held);
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
        *r = (struct tcp_reassembly){0};
        ranges_init(&r->held);
    }
    return reassembly_of(s, c);
}

/* Keeps the record no longer than it says something. */
static void settle(struct duet_stack *s, struct tcp_conn *c)
{
    const struct tcp_reassembly *r = reassembly_of(s, c);
    if (r != NULL && r->held.count == 0 && !r->has_fin && !r->has_duplicate)
        tcp_return_reassembly(s, c);
}

/* Is there a record to note a hole in? If there is, tcp_hold() must follow. */
bool tcp_can_hold(struct duet_stack *s, struct tcp_conn *c)
{
    return borrow(s, c) != NULL;
}

bool tcp_has_hole(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_reassembly *r = reassembly_of(s, c);
    return r != NULL && (r->held.count > 0 || r->has_fin);
}

/* Does the buffer hold bytes beyond RCV.NXT? */
bool tcp_holds_text(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_reassembly *r = reassembly_of(s, c);
    return r != NULL && r->held.count > 0;
}

/* ---- which was touched last ---- */

/* The range that holds at has been touched: it is the most recent one, named by its sequence number
 * at. Others that it holds now are it. */
static void touch(const struct duet_stack *s, struct tcp_reassembly *r, struct seq at)
{
    struct range touched;
    CHECK(ranges_find(&s->ranges, &r->held, at, &touched));
    uint32_t kept = 0;
    for (uint32_t i = 0; i < r->recent_count; i++) {
        struct seq other = r->recent[i];
        if (seq_lt(other, touched.left) || !seq_lt(other, touched.right))
            r->recent[kept++] = other;
    }
    kept = min_u32(kept, TCP_RECENT_MAX - 1);
    for (uint32_t i = kept; i > 0; i--)
        r->recent[i] = r->recent[i - 1];
    r->recent[0] = at;
    r->recent_count = (uint8_t)(kept + 1);
}

/* ---- what is held ---- */

/* Text of a segment that joins at most JOINED_MAX ranges: all of it, or as far as the last of so many
 * reaches. Nobody needs to send what the peer holds already, so that many are joined only by who sent
 * very small segments before; the rest comes again. */
uint32_t tcp_joinable(const struct duet_stack *s, const struct tcp_conn *c,
                      const struct tcp_segment *seg)
{
    const struct tcp_reassembly *r = reassembly_of(s, c);
    if (r == NULL || r->held.count <= JOINED_MAX)
        return seg->text_length;
    struct seq end = seq_add(seg->seq, seg->text_length);
    struct range range = {.right = seq_sub(seg->seq, 1)};
    struct seq reached = end;
    for (uint32_t joined = 0; joined <= JOINED_MAX; joined++) {
        reached = range.right;
        if (!ranges_find(&s->ranges, &r->held, range.right, &range) || seq_lt(end, range.left))
            return seg->text_length;
    }
    return seq_distance(seg->seq, reached);
}

/* Notes that [seq, seq + kept), and behind it a FIN if has_fin, stand beyond a hole. False: no room
 * to remember it, as if it had not come. tcp_can_hold() must hold. */
bool tcp_hold(struct duet_stack *s, struct tcp_conn *c, struct seq seq, uint32_t kept, bool has_fin)
{
    struct tcp_reassembly *r = reassembly_of(s, c);
    CHECK(r != NULL);
    bool added = kept == 0 || ranges_add(&s->ranges, &r->held, seq, seq_add(seq, kept));
    if (added && kept > 0)
        touch(s, r, seq);
    if (added && has_fin) {
        r->has_fin = true;
        r->fin = seq_add(seq, kept);
    }
    settle(s, c);
    return added;
}

/* RCV.NXT has moved: what it has reached is no longer out of order. */
void tcp_absorb_held(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_reassembly *r = reassembly_of(s, c);
    if (r == NULL)
        return;
    struct range first;
    while (ranges_first(&s->ranges, &r->held, &first) && seq_le(first.left, c->rcv.nxt)) {
        if (seq_lt(c->rcv.nxt, first.right)) {
            buffer_extend(&c->receive, seq_distance(c->rcv.nxt, first.right));
            c->rcv.nxt = first.right;
        }
        ranges_drop_first(&s->ranges, &r->held);
    }
    settle(s, c);
}

/* The peer's FIN has been passed: nothing comes behind it. */
void tcp_forget_held(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_reassembly *r = reassembly_of(s, c);
    if (r == NULL)
        return;
    ranges_clear(&s->ranges, &r->held);
    r->has_fin = false;
    if (FEATURE_DSACK && r->has_duplicate && seq_lt(c->rcv.nxt, r->duplicate.right))
        r->has_duplicate = false; /* of what is no longer held */
    settle(s, c);
}

/* ---- what arrived twice ---- */

/* [left, right) was here before (RFC 2883, 4). One report a time: a piece that continues the one
 * not yet reported belongs to it, any other takes its place, being of the most recent segment.
 * Without a record there is no report. */
static void note_duplicate(struct duet_stack *s, struct tcp_conn *c, struct seq left,
                           struct seq right)
{
    if (!FEATURE_DSACK || !conn_is(c, TCP_CONN_SACK) || !seq_lt(left, right))
        return;
    struct tcp_reassembly *r = borrow(s, c);
    if (r == NULL)
        return;
    bool continues =
        r->has_duplicate && seq_le(left, r->duplicate.right) && seq_le(r->duplicate.left, right);
    r->duplicate.left = continues ? seq_min(left, r->duplicate.left) : left;
    r->duplicate.right = continues ? seq_max(right, r->duplicate.right) : right;
    r->has_duplicate = true;
    count_rule(s, TCP_RULE_DUPLICATE_REPORTED);
}

/* A segment that is dropped for its sequence number or its timestamp: the text of it below RCV.NXT,
 * as far as it has been received. What lies farther below than a window, or than all that has come so
 * far, has not, or so long ago that its number means something else by now. A keep-alive without text
 * and a repeated FIN have none. */
void tcp_note_old(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg)
{
    uint32_t so_far = seq_distance(seq_add(c->rcv.irs, 1), c->rcv.nxt);
    uint32_t received = min_u32(receive_limit(c), so_far);
    /* As distances below RCV.NXT, because half the sequence space away there is no left and right. */
    uint32_t begin = seq_distance(seq_add(seg->seq, seg->has_syn), c->rcv.nxt);
    uint32_t end = begin > seg->text_length ? begin - seg->text_length : 0;
    begin = min_u32(begin, received);
    if (end < begin)
        note_duplicate(s, c, seq_sub(c->rcv.nxt, begin), seq_sub(c->rcv.nxt, end));
}

/* A segment whose text is about to be taken, trimmed to the window: the first piece of it that was
 * here before, below RCV.NXT or in what is held. */
void tcp_note_repeated(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg)
{
    struct seq begin = seq_add(seg->arrived_seq, seg->arrived_syn);
    struct seq end = seq_add(seg->seq, seg->text_length);
    if (seq_lt(begin, seg->seq)) {
        note_duplicate(s, c, begin, seg->seq);
        return;
    }
    const struct tcp_reassembly *r = reassembly_of(s, c);
    struct range held;
    if (r != NULL && ranges_find(&s->ranges, &r->held, seg->seq, &held))
        note_duplicate(s, c, seq_max(seg->seq, held.left), seq_min(end, held.right));
}

bool tcp_has_duplicate(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_reassembly *r = reassembly_of(s, c);
    return FEATURE_DSACK && r != NULL && r->has_duplicate;
}

/* An acknowledgement has left: no other one says it again. */
void tcp_duplicate_reported(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_reassembly *r = reassembly_of(s, c);
    if (!FEATURE_DSACK || r == NULL)
        return;
    r->has_duplicate = false;
    settle(s, c);
}

/* ---- the option ---- */

static void add_block(struct tcp_options *options, const struct range *range)
{
    options->sack[options->sack_count++] =
        (struct tcp_sack_range){range->left.raw, range->right.raw};
}

static bool has_block(const struct tcp_options *options, uint32_t from, const struct range *range)
{
    for (uint32_t i = from; i < options->sack_count; i++)
        if (options->sack[i].left == range->left.raw)
            return true;
    return false;
}

/* SACK blocks, at most `most`: the duplicate (RFC 2883, 4), then the range touched last, which
 * holds the duplicate if any does, then others by age (RFC 2018, 4). Of so many that their age has
 * been forgotten, the leftmost. The loops are bounded by TCP_RECENT_MAX and by twice TCP_SACK_MAX.
 */
void tcp_receive_sack(const struct duet_stack *s, const struct tcp_conn *c,
                      struct tcp_options *options, uint32_t most)
{
    const struct tcp_reassembly *r = reassembly_of(s, c);
    if (r == NULL || !conn_is(c, TCP_CONN_SACK))
        return;
    most = min_u32(most, TCP_SACK_MAX);
    if (FEATURE_DSACK && r->has_duplicate && most > 0)
        add_block(options, &r->duplicate);
    uint32_t first = options->sack_count;
    struct range range;
    for (uint32_t i = 0; i < r->recent_count && options->sack_count < most; i++)
        if (ranges_find(&s->ranges, &r->held, r->recent[i], &range) &&
            seq_le(range.left, r->recent[i]))
            add_block(options, &range);
    struct seq at = c->rcv.nxt;
    while (options->sack_count < min_u32(most, first + r->held.count) &&
           ranges_find(&s->ranges, &r->held, at, &range)) {
        if (!has_block(options, first, &range))
            add_block(options, &range);
        at = range.right;
    }
    if (options->sack_count > 0)
        options->present |= DUET_TRACE_SACK;
}
