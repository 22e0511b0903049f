/* SPDX-License-Identifier: MIT */
/* What a packet that leaves must be (tcp_watch.h): well formed to a strict reader, ours, inside both
 * windows, and true about what has arrived. Looked at when it has been built, with what the
 * connection was at the door before. */
#include "base/bytes.h"
#include "core/user.h"

/* Beyond cwnd may be two segments of limited transmit (RFC 3042), one tail-loss probe or override of
 * silly-window avoidance. */
enum { SEGMENTS_BEYOND = 3 };

static const char *check_text(const struct duet_stack *s, const struct tcp_conn *c,
                              const struct watch_conn *w, const struct watch_segment *segment)
{
    struct seq end = seq_add(segment->seq, segment->text_length);
    bool has_fin = (segment->flags & DUET_FIN) != 0;
    if (c->state <= DUET_SYN_SENT || (!has_fin && segment->text_length == 0))
        return NULL; /* nothing, or what Fast Open sends */
    if (has_fin ? !seq_eq(end, w->end) : seq_lt(w->end, end))
        return "I-10: a FIN that does not stand behind the last byte, or text behind it";
    if (c->state == DUET_SYN_RECEIVED && conn_is(c, TCP_CONN_PASSIVE) &&
        !tcp_fast_open_is_attempt(s, c))
        return "I-40: text for a peer that has proved nothing";
    if (!seq_lt(w->nxt, seq_add(end, has_fin)))
        return NULL; /* nothing new in it */
    struct seq right = seq_add(c->snd.una, max_u32(c->snd.wnd, 1));
    if (seq_lt(right, seq_add(end, has_fin)))
        return "I-04: new text beyond the peer's window";
    uint64_t most = (uint64_t)c->cwnd + SEGMENTS_BEYOND * (uint64_t)tcp_send_mss(c);
    bool is_probe =
        transfer_of(s, c) != NULL && transfer_at(s, c)->rack.probe_out; /* RFC 8985, 7.3 */
    /* A FIN that carries no text may go beyond: it is the last, and takes no room on the path. */
    if (segment->text_length > 0 && !is_probe && flight_in_network(s, c) > most)
        return "I-06: new text beyond the congestion window";
    return NULL;
}

static const char *check_window(const struct tcp_conn *c, const struct watch_conn *w,
                                const struct watch_segment *segment)
{
    bool is_syn = (segment->flags & DUET_SYN) != 0;
    if (is_syn || w->state <= DUET_SYN_SENT)
        return NULL;
    uint32_t unit = (uint32_t)1 << c->receive_scale;
    struct seq edge = seq_add(segment->ack, segment->window * unit);
    if (!seq_eq(c->rcv.adv, seq_max(w->adv, edge)))
        return "I-12: what is remembered as advertised is not what was";
    if (!seq_lt(w->adv, seq_add(edge, unit)))
        return "I-12: a window that takes back what was offered";
    return NULL;
}

/* So long a silence that TSval, in milliseconds, may have gone half way round. */
#define TSVAL_MAY_WRAP (24 * INT64_C(86400) * DUET_SECOND)

static const char *check_timestamps(const struct duet_stack *s, const struct tcp_conn *c,
                                    struct watch_conn *w, const struct watch_segment *segment)
{
    bool is_first = (segment->flags & DUET_ACK) == 0;
    if (!is_first && segment->has_timestamps != conn_is(c, TCP_CONN_TIMESTAMPS))
        return "I-38: timestamps without agreement, or none in spite of it";
    if (!segment->has_timestamps)
        return NULL;
    bool is_near = w->has_tsval && s->now - w->ts_at < TSVAL_MAY_WRAP;
    if (is_near && (int32_t)(segment->tsval - w->tsval) < 0)
        return "I-38: TSval went back";
    w->tsval = segment->tsval;
    w->ts_at = s->now;
    w->has_tsval = true;
    if (!is_first && segment->tsecr != c->ts_recent)
        return "I-38: TSecr is not TS.Recent";
    return NULL;
}

/* Each block is held, or old: a duplicate that is reported. The report of one is forgotten by now. */
static const char *check_sack(const struct duet_stack *s, const struct tcp_conn *c,
                              const struct watch_segment *segment)
{
    const struct tcp_reassembly *r = reassembly_of(s, c);
    if (segment->blocks == 0)
        return NULL;
    if (!conn_is(c, TCP_CONN_SACK) || segment->blocks > (segment->has_timestamps ? 3u : 4u))
        return "I-18: SACK blocks without agreement, or too many";
    for (uint32_t i = 0; i < segment->blocks; i++) {
        const struct range *block = &segment->block[i];
        struct range held;
        bool is_held = r != NULL && ranges_find(&s->ranges, &r->held, block->left, &held) &&
                       seq_le(held.left, block->left) && seq_le(block->right, held.right);
        bool is_old = i == 0 && seq_le(block->right, c->rcv.nxt);
        if (!is_held && !is_old)
            return "I-18: a SACK block of what is not held";
        bool is_whole =
            is_held && seq_eq(held.left, block->left) && seq_eq(held.right, block->right);
        if (i > 0 && !is_whole)
            return "I-18: a SACK block of a part";
    }
    return NULL;
}

static const char *check_conn_segment(struct duet_stack *s, const struct tcp_conn *c,
                                      const struct watch_segment *segment)
{
    struct watch_conn *w = watch_of(s, c);
    bool is_first = c->state == DUET_SYN_SENT;
    if (((segment->flags & DUET_ACK) == 0) != is_first)
        return "I-20: an ACK bit that is missing, or on the first SYN";
    if (!is_first && !seq_eq(segment->ack, c->rcv.nxt))
        return "I-20: the acknowledgement is not RCV.NXT";
    const char *broken = check_text(s, c, w, segment);
    if (broken == NULL)
        broken = check_window(c, w, segment);
    if (broken == NULL)
        broken = check_timestamps(s, c, w, segment);
    return broken != NULL ? broken : check_sack(s, c, segment);
}

/* Segments of no connection: RSTs, and those of half-open and TIME-WAIT records. */
static const char *check_reply(const struct watch_segment *segment)
{
    bool is_reset = (segment->flags & DUET_RST) != 0;
    if (segment->text_length > 0)
        return is_reset ? "I-36: text on a RST" : "I-40: text for a peer that has proved nothing";
    if (!is_reset && (segment->flags & DUET_ACK) == 0)
        return "I-20: an ACK bit that is missing";
    return NULL;
}

/* I-34: a stack that sends for ever has a loop. Whatever is in the pages may leave in the smallest
 * of segments, and each connection may owe a few without text. */
static const char *check_run(struct duet_stack *s)
{
    uint64_t text = (uint64_t)s->config.pages_max * s->config.page_size;
    uint64_t most = s->config.replies_max + 8 * (uint64_t)s->config.connections_max + text;
    return ++s->watch->outputs > most ? "I-34: packets leave without end" : NULL;
}

static const char *check_packet(struct duet_stack *s, const struct duet_packet *packet,
                                bool is_reply)
{
    struct watch_segment segment;
    const char *broken = watch_read(s, packet, &segment);
    if (broken != NULL)
        return broken;
    if (!ip_is_ours(s, &segment.tuple.local) || !ip_is_talkable(s, &segment.tuple.remote))
        return "I-41: a packet from an address that is not ours, or to nobody";
    if (!segment.is_tcp)
        return NULL;
    if (is_reply)
        return check_reply(&segment);
    struct demux_ref ref = demux_find(s, &segment.tuple);
    if (ref.kind != DEMUX_CONN)
        return "I-41: a segment of a connection that is not there";
    const struct tcp_conn *c = conn_at(s, ref.index);
    broken = check_conn_segment(s, c, &segment);
    if (broken == NULL)
        watch_compare(s, c);
    return broken;
}

void watch_output(struct duet_stack *s, const struct duet_packet *packet, bool is_reply)
{
    const char *broken = check_packet(s, packet, is_reply);
    if (broken == NULL)
        broken = check_run(s);
    if (broken != NULL)
        watch_broken(s, broken);
}
