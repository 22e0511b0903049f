/* SPDX-License-Identifier: MIT */
/* The one place where segments of connections are made: debts are paid here, when a link asks.
 *
 * Connections that owe something stand on a list and take turns, one packet each. A segment with
 * text or FIN also carries the acknowledgement, so that ACKs cost nothing while data flows the
 * other way.
 */
#include "base/bytes.h"
#include "base/check.h"
#include "core/state.h"

/* The reason of an acknowledgement is that of the first event that asked for one; of a
 * retransmission, the latest. */
void tcp_owe(struct duet_stack *s, struct tcp_conn *c, unsigned debt, enum tcp_rule why)
{
    if ((debt & TCP_OWES_ACK) != 0 && (c->owes & TCP_OWES_ACK) == 0)
        c->why = (unsigned)why & TCP_WHY_MASK;
    if ((debt & TCP_OWES_RETRANSMIT) != 0 && c->transfer != POOL_NONE)
        transfer_at(s, c)->why = (uint16_t)why;
    c->owes = (uint8_t)(c->owes | debt);
    if (!list_link_is_on(&c->owing))
        list_append(&s->owing, conn_index(s, c));
}

static void add_timestamps(const struct duet_stack *s, const struct tcp_conn *c,
                           struct tcp_options *options)
{
    options->present |= DUET_TRACE_TIMESTAMPS;
    options->tsval = tcp_timestamp(s, c->ts_offset);
    options->tsecr = c->ts_recent;
}

/* MSS, and what the configuration allows; on a SYN,ACK only what the SYN had. */
static void add_syn_options(const struct duet_stack *s, const struct tcp_conn *c,
                            struct tcp_options *options)
{
    bool is_first = c->state == DUET_SYN_SENT;
    options->present |= DUET_TRACE_MSS;
    options->mss = tcp_receive_mss(s, c);
    if (is_first ? s->config.sack : conn_is(c, TCP_CONN_SACK))
        options->present |= DUET_TRACE_SACK_PERMITTED;
    if (is_first ? s->config.timestamps : conn_is(c, TCP_CONN_TIMESTAMPS))
        add_timestamps(s, c, options);
    if (is_first ? s->config.window_scaling : conn_is(c, TCP_CONN_SCALING)) {
        options->present |= DUET_TRACE_WINDOW_SCALE;
        options->window_scale = s->window_scale;
    }
}

/* Timestamps on every segment once agreed (RFC 7323, 3.2), SACK blocks as far as text_length leaves
 * room. */
static void add_options(struct duet_stack *s, struct tcp_conn *c, uint32_t text_length,
                        bool is_retransmission, struct tcp_options *options)
{
    if (conn_is(c, TCP_CONN_TIMESTAMPS))
        add_timestamps(s, c, options);
    uint32_t used = tcp_options_size(options);
    uint32_t packet = ip_header_size(&c->tuple.remote) + TCP_HEADER + used + text_length;
    uint32_t path = c->mtu > packet ? c->mtu - packet : 0;
    uint32_t room = min_u32(path, TCP_OPTIONS_MAX - used);
    uint32_t sack_room = tcp_accecn_sack_room(s, c, room);
    if (sack_room >= 12)
        tcp_receive_sack(s, c, options, (sack_room - 4) / 8);
    room -= tcp_options_size(options) - used;
    tcp_accecn_add(s, c, text_length, is_retransmission, options, room);
}

/* What every segment of a connection has in common; text_length bytes from seq are copied by the
 * caller. */
struct draft {
    struct tcp_header header;
    struct segment_build build;
    enum tcp_rule rule;
    bool retransmission;
};

static void begin(struct duet_stack *s, struct tcp_conn *c, struct draft *draft,
                  struct duet_packet *packet, uint32_t text_length)
{
    bool is_syn = (draft->header.flags & DUET_SYN) != 0;
    draft->header.text_length = text_length;
    tcp_user_timeout_put(s, c, &draft->header);
    if (is_syn) {
        add_syn_options(s, c, &draft->header.options);
        tcp_accecn_add_to_syn_ack(s, c, draft->retransmission, &draft->header.options);
    } else {
        add_options(s, c, text_length, draft->retransmission, &draft->header.options);
    }
    bool is_new = text_length > 0 && !is_syn && !draft->retransmission &&
                  draft->rule != TCP_RULE_WINDOW_PROBE;
    draft->header.flags |= tcp_ecn_flags(s, c, &draft->header, is_new);
    uint8_t ecn = tcp_ecn_codepoint(c, is_new);
    if ((draft->header.flags & DUET_ACK) != 0) {
        draft->header.ack = c->rcv.nxt.raw;
        tcp_ack_leaves(c);
    }
    draft->header.window = tcp_receive_window(s, c, is_syn);
    trace_segment(s, DUET_TRACE_SEGMENT_OUT, &c->tuple, (enum duet_state)c->state, draft->rule,
                  &draft->header, ecn, draft->retransmission);
    struct ip_packet ip = {.ttl = c->ttl,
                           .traffic_class = (uint8_t)(c->dscp << 2 | ecn),
                           .flow_label = flow_label(c->ts_offset)};
    segment_begin(s, &draft->build, packet, &c->tuple, &draft->header, &ip, text_length);
    if (draft->retransmission) {
        s->counters.segments_retransmitted++;
        c->retransmitted++;
    }
}

/* The text is left where it stands, in pieces, for a link that has room for them. False: it is to be
 * copied. Worth it where it is long. */
static bool gather(struct duet_stack *s, struct draft *draft, const struct buffer *queue,
                   uint32_t offset, uint32_t length)
{
    enum { WORTH_GATHERING = 4096 };
    struct duet_packet *packet = draft->build.packet;
    if (!FEATURE_LARGE_PACKETS || packet->pieces == NULL || !draft->build.link_sums ||
        s->watch != NULL || length < WORTH_GATHERING)
        return false;
    packet->piece_count = (uint16_t)buffer_pieces(&s->buffers, queue, offset, length,
                                                  packet->pieces, packet->pieces_max);
    return packet->piece_count > 0;
}

/* Copies the text of [seq, seq + length) from the send queue and finishes the segment. */
static void finish(struct duet_stack *s, struct tcp_conn *c, struct draft *draft, struct seq seq,
                   uint32_t length)
{
    if (length > 0) {
        const struct tcp_transfer *t = transfer_of(s, c);
        uint32_t offset = seq_distance(tcp_send_start(c), seq);
        if (!gather(s, draft, &t->send, offset, length))
            buffer_read(&s->buffers, &t->send, offset, draft->build.text, length,
                        draft->build.link_sums ? NULL : &draft->build.sum);
    }
    segment_end(&draft->build);
}

/* ---- one function a debt ---- */

static void pay_syn(struct duet_stack *s, struct tcp_conn *c, struct duet_packet *packet)
{
    struct tcp_transfer *t = transfer_of(s, c);
    bool is_first = c->state == DUET_SYN_SENT;
    bool again = conn_is(c, TCP_CONN_SYN_RETRANSMITTED);
    bool is_attempt = tcp_fast_open_is_attempt(s, c);
    struct draft draft = {
        .header = {.seq = c->snd.iss.raw,
                   .flags = (uint16_t)(is_first ? DUET_SYN : DUET_SYN | DUET_ACK)},
        .rule = again        ? TCP_RULE_SYN_RETRANSMITTED
                : is_first   ? TCP_RULE_SEND_SYN
                : is_attempt ? TCP_RULE_FAST_OPEN_ACCEPTED
                             : TCP_RULE_SYN_SENT_SIMULTANEOUS_OPEN,
        .retransmission = again,
    };
    c->owes &= (uint8_t)~TCP_OWES_SYN;
    if (draft.rule == TCP_RULE_SEND_SYN)
        count_rule(s, draft.rule);
    struct seq end = seq_add(c->snd.iss, 1);
    uint32_t length = tcp_fast_open_syn(s, c, &draft.header);
    tcp_fast_open_syn_ack(s, c, &draft.header.options);
    begin(s, c, &draft, packet, length);
    finish(s, c, &draft, end, length);
    if (t->deadline == DUET_NEVER) {
        t->progress = s->now;
        tcp_timer_restart(s, c, DUET_TIMER_RETRANSMISSION);
    }
    if (length > 0) {
        flight_append(s, c, end, seq_add(end, length));
        tcp_mtu_sent(s, c, end, seq_add(end, length));
        c->snd.nxt = seq_add(end, length);
    }
    if (!draft.retransmission && (is_first || is_attempt))
        tcp_rtt_start(s, t, end);
}

static bool build_offer(struct duet_stack *s, struct tcp_conn *c, struct duet_packet *packet,
                        const struct tcp_offer *offer, enum tcp_rule rule)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    struct draft draft = {
        .header = {.seq = offer->seq.raw, .flags = DUET_ACK},
        .rule = rule,
        .retransmission = offer->again,
    };
    if (offer->psh)
        draft.header.flags |= DUET_PSH;
    if (offer->fin)
        draft.header.flags |= DUET_FIN;
    if (offer->urg) {
        draft.header.flags |= DUET_URG;
        draft.header.urgent = (uint16_t)min_u32(seq_distance(offer->seq, t->up), UINT16_MAX);
    }
    begin(s, c, &draft, packet, offer->length);
    finish(s, c, &draft, offer->seq, offer->length);
    if (!offer->mtu_probe) {
        tcp_mtu_sent(s, c, offer->seq, seq_add(offer->seq, offer->length));
        if (offer->length > tcp_send_mss(c))
            packet->segment_size = tcp_send_mss(c);
    }
    tcp_pace_sent(s, c, packet);
    tcp_sent(s, c, offer);
    return true;
}

/* <SEQ=seq><ACK=RCV.NXT><CTL=ACK>, no text. */
static bool pay_empty(struct duet_stack *s, struct tcp_conn *c, struct duet_packet *packet,
                      struct seq seq, enum tcp_rule rule)
{
    struct draft draft = {.header = {.seq = seq.raw, .flags = DUET_ACK}, .rule = rule};
    begin(s, c, &draft, packet, 0);
    finish(s, c, &draft, seq, 0);
    return true;
}

/* The first lost segment once more, whatever the congestion window says. */
static bool pay_retransmission(struct duet_stack *s, struct tcp_conn *c, struct duet_packet *packet)
{
    struct tcp_transfer *t = transfer_of(s, c);
    c->owes &= (uint8_t)~TCP_OWES_RETRANSMIT;
    struct tcp_offer offer;
    if (t == NULL || !tcp_send_lost(s, c, tcp_send_mss(c), UINT32_MAX, &offer))
        return false;
    return build_offer(s, c, packet, &offer, (enum tcp_rule)t->why);
}

/* Two round trips without a sign of life: new data if there is some, else the newest segment once
 * more (RFC 8985, 7.3). */
static bool pay_tail_probe(struct duet_stack *s, struct tcp_conn *c, struct duet_packet *packet)
{
    struct tcp_offer offer;
    struct flight_segment newest;
    c->owes &= (uint8_t)~TCP_OWES_TAIL_PROBE;
    if (transfer_of(s, c) == NULL || !tcp_probe_may(s, c)) /* a sign of life came meanwhile */
        return false;
    if (!flight_newest(s, c, &newest))
        return false;
    /* Since the timer ran out the newest may have been SACKed: that is the sign of life asked for. */
    bool is_pointless = (newest.flags & FLIGHT_SACKED) != 0;
    if (!tcp_send_probe(s, c, &offer) && (is_pointless || !tcp_send_again(s, c, &newest, &offer)))
        return false;
    build_offer(s, c, packet, &offer, TCP_RULE_TAIL_LOSS_PROBE);
    tcp_probe_sent(s, c, offer.again);
    tcp_timer_restart(s, c, DUET_TIMER_RETRANSMISSION);
    return true;
}

/* What a window probe carries from SND.UNA on: one octet, or the FIN, into a closed window; what fits
 * into one that is open but too small to be worth a segment. */
static bool offer_probe(struct duet_stack *s, struct tcp_conn *c, struct tcp_offer *offer)
{
    if (!seq_eq(c->snd.una, c->snd.nxt)) { /* the probe before it, once more */
        flight_all_lost(s, c, false);
        return tcp_send_lost(s, c, tcp_send_mss(c), UINT32_MAX, offer);
    }
    const struct tcp_transfer *t = transfer_of(s, c);
    struct seq end = tcp_send_end(s, c);
    uint32_t queued = seq_distance(c->snd.una, end);
    uint32_t n = min_u32(min_u32(tcp_send_mss(c), max_u32(1, c->snd.wnd)), queued);
    *offer = (struct tcp_offer){
        .seq = c->snd.una,
        .length = n,
        .fin = n == 0 && conn_is(c, TCP_CONN_FIN_WANTED),
        .psh = n > 0 && n == queued,
        .urg = t->urgent && seq_lt(c->snd.una, t->up),
    };
    return (n > 0 || offer->fin) && flight_reserve(s, c, 1) == 1;
}

/* The persist timer ran out: a probe, or the override of 3.8.6.2.1. If it was stopped since, by an
 * acknowledgement or a window that came before this could leave, it begins anew. */
static bool pay_probe(struct duet_stack *s, struct tcp_conn *c, struct duet_packet *packet)
{
    struct tcp_transfer *t = transfer_of(s, c);
    struct tcp_offer offer;
    c->owes &= (uint8_t)~TCP_OWES_PROBE;
    if (t == NULL || t->timer != DUET_TIMER_PERSIST)
        return false;
    if (c->snd.wnd == 0 && s->config.empty_window_probes) {
        count_rule(s, TCP_RULE_WINDOW_PROBE);
        return pay_empty(s, c, packet, seq_sub(c->snd.una, 1), TCP_RULE_WINDOW_PROBE);
    }
    if (!offer_probe(s, c, &offer))
        return false;
    if (c->snd.wnd > 0) {
        bool held = t->ecn_hold != 0;
        t->ecn_hold = 0;
        return build_offer(s, c, packet, &offer,
                           held ? TCP_RULE_ECN_WINDOW_OF_ONE : TCP_RULE_SWS_OVERRIDE);
    }
    count_rule(s, TCP_RULE_WINDOW_PROBE);
    duet_time deadline = t->deadline;
    build_offer(s, c, packet, &offer, TCP_RULE_WINDOW_PROBE);
    t->probed = true;
    t->timer = DUET_TIMER_PERSIST; /* probes are governed by it alone */
    t->deadline = deadline;
    t->timing = false;
    return true;
}

/* SHLD-12: no text, one before SND.NXT, so that the peer must answer. */
static bool pay_keepalive(struct duet_stack *s, struct tcp_conn *c, struct duet_packet *packet)
{
    c->owes &= (uint8_t)~TCP_OWES_KEEPALIVE;
    return pay_empty(s, c, packet, seq_sub(c->snd.nxt, 1), TCP_RULE_KEEPALIVE_PROBE);
}

static bool pay_ack(struct duet_stack *s, struct tcp_conn *c, struct duet_packet *packet)
{
    return pay_empty(s, c, packet, c->snd.nxt, (enum tcp_rule)c->why);
}

/* So many segments one packet may be cut into: 64 KiB of full ones of Ethernet are 45. */
enum { SEGMENTS_AT_ONCE = 64 };

/* Most text in one packet: a full segment, or as many as the link will cut. */
static uint32_t most_text(const struct duet_stack *s, const struct tcp_conn *c,
                          const struct duet_packet *packet)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    uint32_t mss = tcp_send_mss(c);
    /* The link copies the urgent pointer to each segment, where it would point too far. */
    bool is_urgent = t != NULL && t->urgent && seq_lt(c->snd.una, t->up);
    /* It copies the options, too, and a duplicate is reported once (RFC 2883, 4). */
    bool is_single = is_urgent || tcp_has_duplicate(s, c) || tcp_ecn_forbids_cutting(c);
    if (!FEATURE_LARGE_PACKETS || (s->config.offload & DUET_OFFLOAD_SEGMENT) == 0 || is_single)
        return mss;
    uint32_t room = min_u32(min_u32(packet->size, s->config.packet_max), UINT16_MAX);
    uint32_t headers = ip_header_size(&c->tuple.remote) + TCP_HEADER + TCP_OPTIONS_MAX;
    return mss * max_u32(1, min_u32((room - headers) / mss, SEGMENTS_AT_ONCE));
}

static enum tcp_rule data_rule(const struct tcp_transfer *t, const struct tcp_offer *offer)
{
    if (FEATURE_PLPMTUD && offer->mtu_probe)
        return TCP_RULE_MTU_PROBE;
    if (FEATURE_NEXT_SEG && offer->rescue)
        return TCP_RULE_SEND_RESCUE;
    if (FEATURE_NEXT_SEG && offer->unlost)
        return TCP_RULE_SEND_UNLOST;
    if (offer->again)
        return t->probed ? TCP_RULE_SEND_REFUSED_PROBE : TCP_RULE_SEND_AGAIN;
    if (offer->length == 0)
        return TCP_RULE_SEND_FIN;
    return offer->fin ? TCP_RULE_SEND_DATA_AND_FIN : TCP_RULE_SEND_DATA;
}

/* What was lost, then a probe of the path MTU if one is due, then what is new. */
static bool choose(struct duet_stack *s, struct tcp_conn *c, uint32_t most, struct tcp_offer *offer)
{
    if (tcp_mtu_probe_waits(s, c))
        return false;
    uint32_t probe = tcp_mtu_probe_size(s, c);
    if (probe == 0 || flight_reserve(s, c, 1) == 0) {
        const struct tcp_transfer *t = transfer_of(s, c);
        uint32_t least = t != NULL && t->verify.due ? TCP_VERIFY_SUSPICION : TCP_VERIFY_INTERVAL;
        if (FEATURE_VERIFY_ACKS && t != NULL && seq_distance(t->verify.since, c->snd.nxt) >= least)
            tcp_verify_withhold(s, c);
        return tcp_send_next(s, c, most, offer);
    }
    *offer = (struct tcp_offer){.seq = c->snd.nxt, .length = probe, .mtu_probe = true};
    return true;
}

static bool pay_data(struct duet_stack *s, struct tcp_conn *c, struct duet_packet *packet)
{
    if (conn_is(c, TCP_CONN_FIN_WANTED) && !conn_is(c, TCP_CONN_FIN_ACKED) &&
        !tcp_borrow_transfer(s, c))
        return false;
    if (seq_eq(c->snd.una, c->snd.nxt) && conn_is(c, TCP_CONN_SYN_ACKED))
        tcp_cc_restart_after_idle(s, c);
    struct tcp_offer offer;
    if (!tcp_pace_may_send(s, c) || !choose(s, c, most_text(s, c, packet), &offer))
        return false;
    enum tcp_rule rule = data_rule(transfer_of(s, c), &offer);
    count_rule(s, rule);
    build_offer(s, c, packet, &offer, rule);
    tcp_data_left(s, c);
    return true;
}

/* Nothing is in flight, so nothing but the persist timer can release what waits. */
static void start_persist(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (!tcp_send_blocked(s, c) || t->deadline != DUET_NEVER || t->paced)
        return;
    t->progress = s->now;
    tcp_timer_restart(s, c, DUET_TIMER_PERSIST);
    if (c->snd.wnd > 0) /* the override of silly-window avoidance: 0.1 to 1 s */
        t->deadline = tcp_ecn_holds(s, t) ? t->ecn_hold : s->now + 200 * DUET_MILLISECOND;
    count_rule(s, TCP_RULE_WINDOW_CLOSED);
    trace_timer(s, c, DUET_TIMER_PERSIST, DUET_TIMER_STARTED, 0, t->deadline,
                TCP_RULE_WINDOW_CLOSED);
}

static bool pay(struct duet_stack *s, struct tcp_conn *c, struct duet_packet *packet)
{
    tcp_mtu_refresh(s, c);
    tcp_ack_spares(s, c);
    if ((c->owes & TCP_OWES_SYN) != 0) {
        if (!tcp_fast_syn_output(s, c, packet))
            pay_syn(s, c, packet);
        return true;
    }
    if (tcp_user_timeout_is_due(c) || tcp_ecn_owes_pure_ack(c))
        return pay_ack(s, c, packet);
    if ((c->owes & TCP_OWES_RETRANSMIT) != 0 && pay_retransmission(s, c, packet))
        return true;
    if ((c->owes & TCP_OWES_PROBE) != 0 && pay_probe(s, c, packet))
        return true;
    if ((c->owes & TCP_OWES_TAIL_PROBE) != 0 && pay_tail_probe(s, c, packet))
        return true;
    if ((c->owes & TCP_OWES_DATA) != 0 && pay_data(s, c, packet))
        return true;
    c->owes &= (uint8_t)~TCP_OWES_DATA;
    if ((c->owes & TCP_OWES_KEEPALIVE) != 0)
        return pay_keepalive(s, c, packet);
    return (c->owes & TCP_OWES_ACK) != 0 && pay_ack(s, c, packet);
}

bool tcp_output(struct duet_stack *s, struct duet_packet *packet)
{
    uint32_t index;
    while ((index = list_pop(&s->owing)) != LIST_NONE) {
        struct tcp_conn *c = conn_at(s, index);
        bool was_plain =
            tcp_fast_output(s, c, packet); /* then nothing is blocked, nor a duplicate */
        bool built = was_plain || pay(s, c, packet);
        if (built && !was_plain)
            tcp_duplicate_reported(s, c);
        if (built && c->owes != 0)
            list_append(&s->owing, index); /* behind the others: one packet each */
        if (built && c->transfer != POOL_NONE)
            s->awaited = index;
        if (c->owes == 0 && !was_plain)
            start_persist(s, c);
        tcp_timers_arm(s, c);
        tcp_conn_must_be_sound(s, c);
        if (built)
            return true;
    }
    return false;
}
