/* SPDX-License-Identifier: MIT */
/* ECN in use: reporting what routers have marked, and answering what the peer reports (RFC 3168,
 * 6.1.2 to 6.1.6, as RFC 8311 has it; RFC 9768, 3.2.2).
 *
 * Theory of operation. Goal: to learn of congestion before anything is lost. What may be marked is
 * new text alone, with ECT(0): no SYN, no pure ACK, no FIN without text, no retransmission, no
 * window probe, no RST.
 *
 *   as receiver  classic   CE turns ECE on for every segment out, CWR on text turns it off again
 *                accurate  CE is counted; the three bits of ACE say the count modulo 8. Said at
 *                          once for the first CE after a packet without, and for every second CE
 *                          (every third where only ACKs are marked)
 *   as sender    both      at most one reduction in a round trip, [SND.UNA, ecn_end), by the
 *                          congestion controller; nothing is sent again; an ACK that reports
 *                          congestion grows no window
 *                classic   CWR on the next new text
 *                accurate  the step of ACE, modulo 8, unwrapped as far as the bytes acknowledged
 *                          (or the AccECN option) tell
 *
 * Limits: one reduction in a round trip whatever the peer says; counters are modulo 8 or saturate,
 * so that a peer that marks all, or never says CWR, costs its own rate and nothing else.
 *
 * State: 16 bits of the connection (tcp_ecn.h); ecn_end while something is in flight. This file must
 * not know how anything was agreed (tcp_ecn_open.c).
 */
#include "base/bytes.h"
#include "base/check.h"
#include "core/state.h"

enum { ACE_ECE = 1, ACE_CWR = 2, ACE_CE_ON_HANDSHAKE = 6 };

enum duet_ecn_agreed tcp_ecn_agreed(const struct tcp_conn *c)
{
    if (tcp_ecn_is_accurate(c))
        return DUET_ECN_ACCURATE;
    return tcp_ecn_mode(c) == TCP_ECN_CLASSIC ? DUET_ECN_CLASSIC : DUET_ECN_NOT_AGREED;
}

/* ---- segments out ---- */

bool tcp_ecn_is_capable(const struct tcp_conn *c)
{
    return tcp_ecn_mode(c) > TCP_ECN_NOT && !tcp_ecn_is(c, TCP_ECN_MUTE);
}

uint8_t tcp_ecn_codepoint(const struct tcp_conn *c, bool is_new)
{
    return is_new && tcp_ecn_is_capable(c) ? TCP_ECT_0 : TCP_NOT_ECT;
}

static bool is_pure_ack(const struct tcp_header *header)
{
    return header->text_length == 0 && (header->flags & (DUET_FIN | DUET_SYN | DUET_RST)) == 0 &&
           header->options.sack_count == 0;
}

static unsigned classic_bits(struct tcp_conn *c, bool is_new)
{
    unsigned ace = tcp_ecn_is(c, TCP_ECN_ECHO) ? ACE_ECE : 0;
    if (!is_new || !tcp_ecn_is(c, TCP_ECN_CWR_OWED))
        return ace;
    tcp_ecn_drop(c, TCP_ECN_CWR_OWED);
    return ace | ACE_CWR;
}

/* Whatever leaves tells the count, so no mark is recent any more. */
static unsigned accurate_bits(struct tcp_conn *c, const struct tcp_header *header)
{
    unsigned ace = tcp_ecn_count(c, TCP_ECN_COUNT_R_CEP);
    if (tcp_ecn_is(c, TCP_ECN_HANDSHAKE) && is_pure_ack(header))
        ace = tcp_ecn_encoding(tcp_ecn_count(c, TCP_ECN_COUNT_RECENT));
    tcp_ecn_drop(c, TCP_ECN_HANDSHAKE);
    if (c->state != DUET_SYN_RECEIVED)
        tcp_ecn_set_count(c, TCP_ECN_COUNT_RECENT, 0);
    return ace;
}

uint16_t tcp_ecn_flags(struct duet_stack *s, struct tcp_conn *c, const struct tcp_header *header,
                       bool is_new)
{
    if ((header->flags & DUET_SYN) != 0)
        return tcp_ecn_syn_bits(s, c);
    if (tcp_ecn_mode(c) == TCP_ECN_CLASSIC)
        return tcp_ecn_flag_bits(classic_bits(c, is_new));
    return tcp_ecn_is_accurate(c) ? tcp_ecn_flag_bits(accurate_bits(c, header)) : 0;
}

/* Hardware that cuts clears CWR on all pieces but the first, or on none: neither is right for both
 * kinds of ECN (RFC 9768, 3.3.4). */
bool tcp_ecn_forbids_cutting(const struct tcp_conn *c)
{
    if (tcp_ecn_mode(c) == TCP_ECN_CLASSIC)
        return tcp_ecn_is(c, TCP_ECN_CWR_OWED);
    return tcp_ecn_is_accurate(c) && (tcp_ecn_count(c, TCP_ECN_COUNT_R_CEP) & ACE_CWR) != 0;
}

bool tcp_ecn_owes_pure_ack(const struct tcp_conn *c)
{
    return tcp_ecn_is_accurate(c) && tcp_ecn_is(c, TCP_ECN_HANDSHAKE) &&
           (c->owes & TCP_OWES_ACK) != 0;
}

/* ---- what arrives ---- */

static void classic_arrives(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg)
{
    if (seg->arrived_text == 0)
        return;
    if ((seg->ace & ACE_CWR) != 0 && tcp_ecn_is(c, TCP_ECN_ECHO)) {
        tcp_ecn_drop(c, TCP_ECN_ECHO);
        tcp_rule(s, c, TCP_RULE_ECN_CWR_RECEIVED, seg);
    }
    if (seg->ip_ecn != TCP_CE)
        return;
    tcp_rule(s, c, TCP_RULE_ECN_MARK_RECEIVED, seg);
    if (!tcp_ecn_is(c, TCP_ECN_ECHO)) /* news: the sooner, the shorter the queue */
        tcp_owe(s, c, TCP_OWES_ACK, TCP_RULE_ECN_MARK_RECEIVED);
    tcp_ecn_put(c, TCP_ECN_ECHO);
}

/* Packets that a link has put together arrive as one. */
static uint32_t packets_of(const struct tcp_segment *seg)
{
    if (seg->link_segment == 0 || seg->arrived_text <= seg->link_segment)
        return 1;
    return (seg->arrived_text + seg->link_segment - 1) / seg->link_segment;
}

/* CE marks since the last ACK that ask for one: 2, or 3 where there is nothing else to acknowledge,
 * so that ACKs of ACKs die out (9768, 3.2.2.5.1). */
static unsigned marks_to_acknowledge(const struct tcp_conn *c, const struct tcp_segment *seg)
{
    return seg->arrived_len > 0 || !seq_eq(c->rcv.acked, c->rcv.nxt) ? 2 : 3;
}

static void count_marks(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                        uint32_t packets)
{
    unsigned counted = tcp_ecn_count(c, TCP_ECN_COUNT_R_CEP);
    tcp_ecn_set_count(c, TCP_ECN_COUNT_R_CEP, (counted + packets) & 7);
    tcp_rule(s, c, TCP_RULE_ECN_MARK_COUNTED, seg);
    bool is_first = seg->arrived_text > 0 && !tcp_ecn_is(c, TCP_ECN_LAST_CE);
    tcp_ecn_put(c, TCP_ECN_LAST_CE);
    if (tcp_ecn_is(c, TCP_ECN_HANDSHAKE))
        return; /* an ACK is owed as it is */
    unsigned recent = min_u32(tcp_ecn_count(c, TCP_ECN_COUNT_RECENT) + packets, 3);
    tcp_ecn_set_count(c, TCP_ECN_COUNT_RECENT, recent);
    if (!is_first && recent < marks_to_acknowledge(c, seg))
        return;
    enum tcp_rule why =
        seg->arrived_len > 0 ? TCP_RULE_ECN_MARK_ACKNOWLEDGED : TCP_RULE_ECN_ACKS_ACKNOWLEDGED;
    if ((c->owes & TCP_OWES_ACK) == 0)
        count_rule(s, why);
    tcp_owe(s, c, TCP_OWES_ACK, why);
}

void tcp_ecn_arrives(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg)
{
    if (seg->is_outside)
        return;
    if (tcp_ecn_mode(c) == TCP_ECN_CLASSIC)
        classic_arrives(s, c, seg);
    if (!tcp_ecn_is_accurate(c))
        return;
    tcp_accecn_received(s, c, seg, packets_of(seg));
    if (seg->ip_ecn == TCP_CE)
        count_marks(s, c, seg, packets_of(seg));
    else
        tcp_ecn_drop(c, TCP_ECN_LAST_CE);
}

/* ---- what the peer reports ---- */

static void stop_sending_ect(struct duet_stack *s, struct tcp_conn *c, enum tcp_rule rule)
{
    tcp_ecn_put(c, TCP_ECN_MUTE);
    tcp_rule(s, c, rule, NULL);
}

void tcp_ecn_distrust(struct duet_stack *s, struct tcp_conn *c, enum tcp_rule rule)
{
    stop_sending_ect(s, c, rule);
    tcp_ecn_put(c, TCP_ECN_DEAF);
}

/* Which ECN field our SYN or SYN,ACK had where it arrived. It left here as Not-ECT, so anything else
 * is the work of the path; CE all the same means congestion. */
static void take_handshake_field(struct duet_stack *s, struct tcp_conn *c, unsigned ace)
{
    if (ace != tcp_ecn_encoding(TCP_ECT_1) && ace != tcp_ecn_encoding(TCP_ECT_0) &&
        ace != tcp_ecn_encoding(TCP_CE))
        return;
    stop_sending_ect(s, c, TCP_RULE_ECN_MANGLED);
    if (ace != ACE_CE_ON_HANDSHAKE)
        return;
    c->cwnd = min_u32(c->cwnd, tcp_send_mss(c));
    trace_congestion(s, c, TCP_RULE_ECN_HANDSHAKE_MARKED);
}

/* RFC 9768, table 4: a pure ACK that ends the handshake here. */
static void take_first_ack(struct duet_stack *s, struct tcp_conn *c, unsigned ace)
{
    if (ace == 0) {
        tcp_ecn_distrust(s, c, TCP_RULE_ECN_ZEROED);
        return;
    }
    if (ace == ACE_CE_ON_HANDSHAKE)
        tcp_ecn_set_count(c, TCP_ECN_COUNT_S_CEP, tcp_ecn_count(c, TCP_ECN_COUNT_S_CEP) + 1);
    take_handshake_field(s, c, ace);
}

/* Another acknowledgement that was sent later has been here before. */
static bool is_superseded(const struct tcp_conn *c, const struct tcp_segment *seg)
{
    bool is_newer = seq_lt(c->snd.wl1, seg->arrived_seq) ||
                    (seq_eq(c->snd.wl1, seg->arrived_seq) && seq_le(c->snd.wl2, seg->ack));
    return !is_newer || seq_lt(seg->ack, c->snd.una);
}

/* Packets that seg has shown to have arrived. Exactly, unless some were sent more than once. */
static uint32_t newly_acknowledged(const struct tcp_transfer *t, const struct tcp_news *news,
                                   bool *is_exact)
{
    uint32_t left = t == NULL ? 0 : t->flight.count - t->flight.sacked_count;
    *is_exact = t != NULL && t->phase == TCP_PHASE_OPEN && t->retransmissions == 0;
    return news->records > left ? news->records - left : 0;
}

/* Counters begin at 5, or at 6 when the SYN,ACK had CE: it takes two marked packets to come to zero
 * honestly, so the test (9768, 3.2.2.4) is made only where fewer are acknowledged. */
static bool cannot_be_zero(uint32_t packets, bool is_exact)
{
    return packets == 0 || (packets < 2 && is_exact);
}

/* How many packets of ours had CE, since the last ACK. */
static uint32_t decode_ace(struct duet_stack *s, struct tcp_conn *c, const struct tcp_transfer *t,
                           const struct tcp_segment *seg, const struct tcp_news *news,
                           bool is_first)
{
    bool is_exact;
    uint32_t packets = newly_acknowledged(t, news, &is_exact);
    if (seg->ace == 0 && tcp_accecn_is_first_ace(s, c, is_first) &&
        cannot_be_zero(packets, is_exact))
        tcp_ecn_distrust(s, c, TCP_RULE_ECN_ZEROED);
    uint32_t delta = (seg->ace - tcp_ecn_count(c, TCP_ECN_COUNT_S_CEP)) & 7;
    tcp_ecn_set_count(c, TCP_ECN_COUNT_S_CEP, seg->ace);
    return tcp_accecn_marks(s, c, seg, delta, packets, is_exact);
}

static bool accurate_reports_congestion(struct duet_stack *s, struct tcp_conn *c,
                                        const struct tcp_transfer *t, const struct tcp_segment *seg,
                                        const struct tcp_news *news)
{
    bool is_first = tcp_ecn_mode(c) == TCP_ECN_ACCURATE_FIRST;
    tcp_ecn_set_mode(c, TCP_ECN_ACCURATE);
    if (is_first)
        tcp_ecn_set_count(c, TCP_ECN_COUNT_RECENT, 0); /* it held the field of a SYN */
    if (seg->arrived_syn) { /* a SYN,ACK reports by table 2, and its own CE counts once */
        if (is_first && seg->ip_ecn == TCP_CE)
            tcp_ecn_set_count(c, TCP_ECN_COUNT_R_CEP, tcp_ecn_count(c, TCP_ECN_COUNT_R_CEP) + 1);
        take_handshake_field(s, c, seg->ace);
        tcp_accecn_take_option(s, c, seg);
        return false;
    }
    if (is_first && seg->arrived_len == 0 && seg->options->sack_count == 0) {
        take_first_ack(s, c, seg->ace);
        tcp_accecn_take_option(s, c, seg);
        return false;
    }
    if (is_superseded(c, seg))
        return false;
    return decode_ace(s, c, t, seg, news, is_first) > 0;
}

static void reduce(struct duet_stack *s, struct tcp_conn *c, struct tcp_transfer *t,
                   uint32_t flight)
{
    t->ecn_answered = t->ecn_reduced = true;
    t->ecn_end = c->snd.nxt;
    tcp_cc_congestion(s, c, TCP_CONGESTION_ECN, flight);
    if (tcp_ecn_mode(c) == TCP_ECN_CLASSIC)
        tcp_ecn_put(c, TCP_ECN_CWR_OWED);
    trace_congestion(s, c, TCP_RULE_ECN_REDUCED);
}

bool tcp_ecn_holds(const struct duet_stack *s, const struct tcp_transfer *t)
{
    return t->ecn_hold > s->now;
}

/* The window cannot become smaller than one segment, so the next one goes later: not before the
 * timer of what was acknowledged would have run out. Where something is still in flight, that is
 * what starting the timer again does, as every acknowledgement of new data has it. */
static void hold_the_next_segment(struct duet_stack *s, struct tcp_conn *c, struct tcp_transfer *t,
                                  const struct tcp_segment *seg)
{
    if (c->cwnd > tcp_send_mss(c) || !seq_eq(seg->ack, c->snd.nxt))
        return;
    t->ecn_hold = s->now + tcp_rto(c);
    tcp_rule(s, c, TCP_RULE_ECN_WINDOW_OF_ONE, seg);
}

void tcp_ecn_acked(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                   const struct tcp_news *news)
{
    struct tcp_transfer *t = transfer_of(s, c);
    bool is_marked = false;
    if (tcp_ecn_mode(c) == TCP_ECN_CLASSIC)
        is_marked = !seg->arrived_syn && (seg->ace & ACE_ECE) != 0;
    else if (tcp_ecn_is_accurate(c))
        is_marked = accurate_reports_congestion(s, c, t, seg, news) && !tcp_ecn_is(c, TCP_ECN_DEAF);
    if (t == NULL)
        return;
    t->ecn_marked = is_marked;
    if (!is_marked || t->phase == TCP_PHASE_RECOVERY)
        return;
    hold_the_next_segment(s, c, t, seg);
    if (t->ecn_answered && seq_le(seg->ack, t->ecn_end))
        count_rule(s, TCP_RULE_ECN_ALREADY_REDUCED);
    else
        reduce(s, c, t, news->flight);
}

bool tcp_ecn_loss(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    bool is_answered = t->ecn_reduced && seq_lt(c->snd.una, t->ecn_end);
    t->ecn_answered = true;
    t->ecn_reduced = false;
    t->ecn_end = c->snd.nxt;
    if (tcp_ecn_mode(c) == TCP_ECN_CLASSIC)
        tcp_ecn_put(c, TCP_ECN_CWR_OWED);
    return !is_answered;
}
