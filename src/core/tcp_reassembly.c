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
 * range touched last first. Bytes stand in the receive buffer; here are only their ranges, and the
 * place of a FIN that came early. The record is borrowed while there is something to say.
 */
#include "base/bytes.h"
#include "base/check.h"
#include "core/state.h"

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
        *reassembly_of(s, c) = (struct tcp_reassembly){0};
    }
    return reassembly_of(s, c);
}

/* Keeps the record no longer than it says something. */
static void settle(struct duet_stack *s, struct tcp_conn *c)
{
    const struct tcp_reassembly *r = reassembly_of(s, c);
    if (r != NULL && r->count == 0 && !r->has_fin && !r->has_duplicate)
        tcp_return_reassembly(s, c);
}

/* Is there a record to note a hole in? */
bool tcp_can_hold(const struct duet_stack *s, const struct tcp_conn *c)
{
    return c->reassembly != POOL_NONE || s->reassemblies.used < s->reassemblies.count;
}

bool tcp_has_hole(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_reassembly *r = reassembly_of(s, c);
    return r != NULL && (r->count > 0 || r->has_fin);
}

/* Does the buffer hold bytes beyond RCV.NXT? */
bool tcp_holds_text(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_reassembly *r = reassembly_of(s, c);
    return r != NULL && r->count > 0;
}

/* ---- ranges ---- */

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

/* ---- what is held ---- */

/* Notes that [seq, seq + kept), and behind it a FIN if has_fin, stand beyond a hole. False: no room
 * to remember it, as if it had not come. tcp_can_hold() must hold. */
bool tcp_hold(struct duet_stack *s, struct tcp_conn *c, struct seq seq, uint32_t kept, bool has_fin)
{
    struct tcp_reassembly *r = borrow(s, c);
    CHECK(r != NULL);
    bool added = kept == 0 || add_range(r, seq, seq_add(seq, kept));
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
    while (r->count > 0 && seq_le(r->ranges[0].left, c->rcv.nxt)) {
        if (seq_lt(c->rcv.nxt, r->ranges[0].right)) {
            buffer_extend(&c->receive, seq_distance(c->rcv.nxt, r->ranges[0].right));
            c->rcv.nxt = r->ranges[0].right;
        }
        remove_first_range(r);
    }
    settle(s, c);
}

/* The peer's FIN has been passed: nothing comes behind it. */
void tcp_forget_held(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_reassembly *r = reassembly_of(s, c);
    if (r == NULL)
        return;
    r->count = 0;
    r->has_fin = false;
    settle(s, c);
}

/* ---- what arrived twice ---- */

/* [left, right) was here before (RFC 2883, 4). One report a time: a piece that continues the one
 * not yet reported belongs to it, any other takes its place, being of the most recent segment.
 * Without a record there is no report. */
static void note_duplicate(struct duet_stack *s, struct tcp_conn *c, struct seq left,
                           struct seq right)
{
    if (!conn_is(c, TCP_CONN_SACK) || !seq_lt(left, right))
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

/* A segment that is dropped for its sequence number or its timestamp: the text of it below RCV.NXT.
 * A keep-alive without text and a repeated FIN have none. */
void tcp_note_old(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg)
{
    struct seq left = seq_add(seg->seq, seg->has_syn);
    note_duplicate(s, c, left, seq_min(seq_add(left, seg->text_length), c->rcv.nxt));
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
    uint32_t i = 0;
    while (r != NULL && i < r->count && seq_le(r->ranges[i].right, seg->seq))
        i++;
    if (r == NULL || i == r->count || !seq_lt(r->ranges[i].left, end))
        return;
    note_duplicate(s, c, seq_max(seg->seq, r->ranges[i].left), seq_min(end, r->ranges[i].right));
}

bool tcp_has_duplicate(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_reassembly *r = reassembly_of(s, c);
    return r != NULL && r->has_duplicate;
}

/* An acknowledgement has left: no other one says it again. */
void tcp_duplicate_reported(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_reassembly *r = reassembly_of(s, c);
    if (r == NULL)
        return;
    r->has_duplicate = false;
    settle(s, c);
}

/* ---- the option ---- */

static void add_block(struct tcp_options *options, struct seq left, struct seq right)
{
    options->sack[options->sack_count++] = (struct tcp_sack_range){left.raw, right.raw};
}

/* SACK blocks, at most `most`: the duplicate (RFC 2883, 4), then the range touched last, which
 * holds the duplicate if any does, then others by age (RFC 2018, 4). */
void tcp_receive_sack(const struct duet_stack *s, const struct tcp_conn *c,
                      struct tcp_options *options, uint32_t most)
{
    const struct tcp_reassembly *r = reassembly_of(s, c);
    if (r == NULL || !conn_is(c, TCP_CONN_SACK))
        return;
    most = min_u32(most, TCP_SACK_MAX);
    if (r->has_duplicate && most > 0)
        add_block(options, r->duplicate.left, r->duplicate.right);
    uint32_t below = UINT32_MAX;
    while (options->sack_count < most) {
        uint32_t best = UINT32_MAX;
        for (uint32_t i = 0; i < r->count; i++)
            if (r->ranges[i].stamp < below &&
                (best == UINT32_MAX || r->ranges[i].stamp > r->ranges[best].stamp))
                best = i;
        if (best == UINT32_MAX)
            break;
        below = r->ranges[best].stamp;
        add_block(options, r->ranges[best].left, r->ranges[best].right);
    }
    if (options->sack_count > 0)
        options->present |= DUET_TRACE_SACK;
}
