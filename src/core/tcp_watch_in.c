/* SPDX-License-Identifier: MIT */
/* What a segment that arrives may change (tcp_watch.h): one that is refused changes nothing but
 * counters, limits and what is owed (I-43); a RST counts only where it belongs (I-44); TS.Recent
 * follows only segments that cover the left edge (I-46). */
#include "core/user.h"

#include <string.h>

void watch_before(struct duet_stack *s, const struct tcp_conn *c)
{
    struct watch *watch = s->watch;
    const struct tcp_transfer *t = transfer_of(s, c);
    const struct tcp_reassembly *r = reassembly_of(s, c);
    (void)watch_of(s, c);
    memcpy(&watch->before, c, sizeof *c);
    if (t != NULL)
        memcpy(&watch->transfer, t, sizeof *t);
    watch->held = r == NULL ? 0 : r->held.count;
    watch->dropped = TCP_RULE_NONE;
}

static bool is_refusal(unsigned rule)
{
    switch (rule) {
    case TCP_RULE_TIMESTAMP_MISSING:
    case TCP_RULE_PAWS_REJECTED:
    case TCP_RULE_SEQ_UNACCEPTABLE:
    case TCP_RULE_RST_OUTSIDE_WINDOW:
    case TCP_RULE_RST_CHALLENGED:
    case TCP_RULE_SYN_CHALLENGED:
    case TCP_RULE_ACK_MISSING:
    case TCP_RULE_ACK_OF_UNSENT:
    case TCP_RULE_ACK_TOO_OLD:
        return true;
    default:
        return false;
    }
}

/* What an answer to a refused segment writes down: that one is owed, how many there were, what
 * arrived twice; and what an acknowledgement out of range proves of SND.UNA, which nothing but
 * SND.UNA decides. */
static void forget_allowed(struct tcp_conn *c)
{
    c->owes = 0;
    c->why = 0;
    c->flags &= ~(uint32_t)(TCP_CONN_ACK_DELAYED | TCP_CONN_ACK_FLOOR_PASSED);
    c->delayed_ack_us = 0;
    c->challenge_from = 0;
    c->challenges = 0;
    c->invalid_ack_at = 0;
    c->reassembly = 0;
    c->ecn = 0;
    c->ecn_count = 0;
    memset(&c->owing, 0, sizeof c->owing);
}

/* Copies of the same record, so bytes between the fields are the same, too. */
static bool is_same(const void *a, const void *b, size_t size)
{
    return memcmp(a, b, size) == 0;
}

static const char *check_refused(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct watch *watch = s->watch;
    const struct tcp_transfer *t = transfer_of(s, c);
    const struct tcp_reassembly *r = reassembly_of(s, c);
    struct tcp_conn before, after;
    memcpy(&before, &watch->before, sizeof before);
    memcpy(&after, c, sizeof after);
    forget_allowed(&before);
    forget_allowed(&after);
    if (!is_same(&before, &after, sizeof before))
        return "I-43: a segment that was refused has changed its connection";
    if (t != NULL && !is_same(&watch->transfer, t, sizeof *t))
        return "I-43: a segment that was refused has changed what is being sent";
    uint32_t held = r == NULL ? 0 : r->held.count;
    if (held != watch->held)
        return "I-43: a segment that was refused has changed what is held";
    return NULL;
}

static const char *check_reset(const struct duet_stack *s, const struct tcp_conn *c,
                               const struct tcp_segment *seg)
{
    const struct tcp_conn *before = &s->watch->before;
    bool has_ended = c->state == DUET_CLOSED && before->state != DUET_CLOSED;
    bool is_exact =
        before->state == DUET_SYN_SENT
            ? seg->has_ack && seq_lt(before->snd.una, seg->ack) && seq_le(seg->ack, before->snd.nxt)
            : seq_eq(seg->arrived_seq, before->rcv.nxt);
    if (seg->has_rst && has_ended && !is_exact)
        return "I-44: a RST was believed that is not exactly where it belongs";
    return NULL;
}

static const char *check_ts_recent(const struct duet_stack *s, const struct tcp_conn *c,
                                   const struct tcp_segment *seg)
{
    const struct tcp_conn *before = &s->watch->before;
    if (c->ts_recent == before->ts_recent || before->state <= DUET_SYN_SENT ||
        c->state <= DUET_SYN_SENT)
        return NULL;
    if (!seq_le(seg->arrived_seq, before->rcv.acked) || seg->options->tsval != c->ts_recent)
        return "I-46: TS.Recent follows a segment that does not cover the left edge";
    return NULL;
}

void watch_after(struct duet_stack *s, const struct tcp_conn *c, const struct tcp_segment *seg)
{
    const char *broken = is_refusal(s->watch->dropped) ? check_refused(s, c) : NULL;
    if (broken == NULL)
        broken = check_reset(s, c, seg);
    if (broken == NULL)
        broken = check_ts_recent(s, c, seg);
    if (broken != NULL)
        watch_broken(s, broken);
}

/* ---- packets of any kind ---- */

enum answered { BY_ANYTHING, BY_NO_RESET, BY_NOTHING };

/* What may answer a packet at most (I-36), read from its bytes. Extension headers hide the rest. */
static enum answered answer_to(const struct duet_packet *packet)
{
    const uint8_t *at = packet->data;
    uint32_t length = packet->length;
    bool is_ipv4 = length >= 20 && at[0] >> 4 == 4;
    bool is_ipv6 = length >= 40 && at[0] >> 4 == 6;
    if (!is_ipv4 && !is_ipv6)
        return BY_NOTHING;
    uint32_t header = is_ipv4 ? (at[0] & 15u) * 4 : 40;
    uint8_t protocol = is_ipv4 ? at[9] : at[6];
    bool is_multicast = is_ipv4 ? at[16] >= 224 : at[24] == 0xff;
    if (is_multicast || length < header + 14)
        return is_multicast ? BY_NOTHING : BY_ANYTHING;
    if (protocol == 1)
        return at[header] == 8 ? BY_ANYTHING : BY_NOTHING;
    if (protocol == 58)
        return at[header] == 128 ? BY_ANYTHING : BY_NOTHING;
    return protocol == 6 && (at[header + 13] & DUET_RST) != 0 ? BY_NO_RESET : BY_ANYTHING;
}

void watch_input(struct duet_stack *s, const struct duet_packet *packet, uint64_t replies)
{
    enum answered most = answer_to(packet);
    s->watch->outputs = 0;
    for (uint64_t at = replies; at < s->replies.tail; at++) {
        const struct reply *reply = &s->replies.records[at % s->replies.capacity];
        bool is_reset = reply->kind == REPLY_SEGMENT && (reply->flags & DUET_RST) != 0;
        if (most == BY_NOTHING || (most == BY_NO_RESET && is_reset))
            watch_broken(s, "I-36: an answer to a RST, an ICMP error or a packet for many");
    }
}
