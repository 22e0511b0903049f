/* SPDX-License-Identifier: MIT */
/* SACK blocks that arrive (RFC 2018, 5; RFC 2883, 5): what they say goes to the records of what is
 * in flight. A block that cannot be true is ignored, one that reports a duplicate (D-SACK) is told
 * to those who ask whether a retransmission was needed. */
#include "base/bytes.h"
#include "core/state.h"

static bool is_inside(struct seq left, struct seq right, const struct tcp_sack_range *outer)
{
    return seq_le(seq_of(outer->left), left) && seq_le(right, seq_of(outer->right));
}

/* RFC 2883, 4: the first block lies below the ACK field of this very segment, or in the second. */
static bool is_dsack(const struct tcp_segment *seg)
{
    const struct tcp_options *options = seg->options;
    struct seq left = seq_of(options->sack[0].left);
    struct seq right = seq_of(options->sack[0].right);
    if (!seq_lt(left, right))
        return false;
    return seq_le(right, seg->ack) ||
           (options->sack_count > 1 && is_inside(left, right, &options->sack[1]));
}

/* Only what was sent can have come twice, and nobody remembers what is older than a window. */
static void take_dsack(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                       struct tcp_news *news)
{
    struct seq left = seq_of(seg->options->sack[0].left);
    struct seq right = seq_of(seg->options->sack[0].right);
    if (seq_lt(left, seq_sub(c->snd.una, c->snd.wnd_max)) || seq_lt(c->snd.nxt, right))
        return;
    news->dsacked = true;
    news->dsack_left = left.raw;
    news->dsack_right = right.raw;
    tcp_rule(s, c, TCP_RULE_DSACK_RECEIVED, seg);
}

/* The part of a block that lies in (SND.UNA, SND.NXT]. */
static void take_block(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                       const struct tcp_sack_range *block, struct tcp_news *news)
{
    struct seq left = seq_max(seq_of(block->left), c->snd.una);
    struct seq right = seq_of(block->right);
    struct flight_segment segment = {.number = FLIGHT_NONE};
    if (!seq_lt(left, right) || seq_lt(c->snd.nxt, right))
        return;
    while (flight_sack(s, c, &left, right, &segment)) {
        news->sacked = true;
        tcp_delivered(s, c, seg, &segment, news);
    }
}

/* Of the blocks from first on that have not been taken, the lowest: so what is left out when an
 * acknowledgement has no allowance left was sent later than all that was taken, and does not seem
 * lost. */
static uint32_t lowest_block(const struct tcp_options *options, uint32_t first, uint32_t taken)
{
    uint32_t lowest = TCP_SACK_MAX;
    for (uint32_t i = first; i < options->sack_count; i++)
        if ((taken >> i & 1) == 0 &&
            (lowest == TCP_SACK_MAX ||
             seq_lt(seq_of(options->sack[i].left), seq_of(options->sack[lowest].left))))
            lowest = i;
    return lowest;
}

void tcp_sack_arrives(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                      struct tcp_news *news)
{
    const struct tcp_options *options = seg->options;
    if (!conn_is(c, TCP_CONN_SACK) || (options->present & DUET_TRACE_SACK) == 0)
        return;
    bool dsack = is_dsack(seg);
    if (dsack)
        take_dsack(s, c, seg, news);
    if (transfer_of(s, c) == NULL)
        return; /* nothing is in flight */
    uint32_t taken = 0;
    for (uint32_t i = dsack; i < options->sack_count; i++) {
        uint32_t block = lowest_block(options, dsack, taken);
        taken |= UINT32_C(1) << block;
        take_block(s, c, seg, &options->sack[block], news);
    }
    if (news->sacked)
        tcp_rule(s, c, TCP_RULE_SACK_RECEIVED, seg);
}
