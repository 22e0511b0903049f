/* SPDX-License-Identifier: MIT */
/* The AccECN option: how many bytes arrived with which ECN field (RFC 9768, 3.2.3).
 *
 * Theory of operation. ACE counts packets modulo 8; where many ACKs are lost or thinned out it may
 * go round unseen. The option adds three counters of bytes, 24 bits each on the wire. It is sent
 * when a counter has moved since it was last told, with every counter that ever moved, those that
 * must be told first; it is left out where it finds no room, where two SACK blocks would not fit
 * beside it, and on retransmissions, in case it is what the path does not let through.
 *
 * The counters need 44 bytes, which an idle connection has not. A record for them is borrowed when
 * accurate ECN is agreed, from a pool of config.accurate_ecn_max, and given back at the end. Its
 * index takes the place of tcp_conn.challenge_from, which moves into the record: no connection pays
 * for it, and no packet looks anything up. Without a record ACE does alone, as RFC 9768 allows.
 *
 * This file must not know what congestion costs.
 */
#include "base/bytes.h"
#include "base/check.h"
#include "core/state.h"

#define COUNTER_MASK UINT32_C(0xffffff)

enum { OPTION_HEAD = 2, OPTION_FIELD = 3, SACK_OF_TWO = 4 + 2 * 8, ALWAYS_MARKED_ROUNDS = 4 };
enum { INITIAL_E0B = 1, INITIAL_CEB = 0, INITIAL_E1B = 1 }; /* 9768, 3.2.1 */

struct tcp_accurate_ecn *tcp_accecn_of(const struct duet_stack *s, const struct tcp_conn *c)
{
    return tcp_ecn_is_accurate(c) && tcp_ecn_is(c, TCP_ECN_RECORD)
               ? pool_at(&s->accurate_ecn, c->accurate_ecn)
               : NULL;
}

void tcp_accecn_borrow(struct duet_stack *s, struct tcp_conn *c)
{
    uint32_t index = pool_take(&s->accurate_ecn);
    if (index == POOL_NONE) {
        tcp_rule(s, c, TCP_RULE_ECN_NO_RECORD_LEFT, NULL);
        return;
    }
    struct tcp_accurate_ecn *record = pool_at(&s->accurate_ecn, index);
    *record = (struct tcp_accurate_ecn){
        .received = {INITIAL_E0B, INITIAL_CEB, INITIAL_E1B},
        .reported = {INITIAL_E0B, INITIAL_CEB, INITIAL_E1B},
        .challenge_from = c->challenge_from,
    };
    if (!conn_is(c, TCP_CONN_PASSIVE))
        record->flags = TCP_ACCURATE_ECN_TELL_ACK | TCP_ACCURATE_ECN_TELL_DATA;
    c->accurate_ecn = index;
    tcp_ecn_put(c, TCP_ECN_RECORD);
}

void tcp_accecn_return(struct duet_stack *s, struct tcp_conn *c)
{
    const struct tcp_accurate_ecn *record = tcp_accecn_of(s, c);
    if (record == NULL)
        return;
    uint32_t index = c->accurate_ecn;
    c->challenge_from = record->challenge_from;
    tcp_ecn_drop(c, TCP_ECN_RECORD);
    pool_give(&s->accurate_ecn, index);
}

uint32_t *tcp_accecn_challenge_from(const struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_accurate_ecn *record = tcp_accecn_of(s, c);
    return record != NULL ? &record->challenge_from : &c->challenge_from;
}

/* ---- what arrives ---- */

static unsigned counter_of(unsigned ip_ecn)
{
    static const uint8_t counter[] = {
        [TCP_ECT_1] = TCP_COUNTER_E1B, [TCP_ECT_0] = TCP_COUNTER_E0B, [TCP_CE] = TCP_COUNTER_CEB};
    CHECK(ip_ecn != TCP_NOT_ECT);
    return counter[ip_ecn & 3];
}

void tcp_accecn_received(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                         uint32_t packets)
{
    struct tcp_accurate_ecn *record = tcp_accecn_of(s, c);
    if (record == NULL || seg->ip_ecn == TCP_NOT_ECT)
        return;
    if (seg->ip_ecn == TCP_CE)
        record->marks_received += packets;
    if (seg->arrived_text == 0)
        return;
    unsigned counter = counter_of(seg->ip_ecn);
    record->received[counter] = (record->received[counter] + seg->arrived_text) & COUNTER_MASK;
    record->changed = (uint8_t)(record->changed | 1u << counter);
    record->fresh = (uint8_t)(record->fresh | 1u << counter);
}

/* ---- telling it ---- */

/* The counter that stands at this place of the option. */
static unsigned counter_at(unsigned order, unsigned place)
{
    return order == 0 ? place : TCP_COUNTERS - 1 - place;
}

/* Fields up to the last of these counters. */
static unsigned fields_for(unsigned order, unsigned counters)
{
    unsigned fields = 0;
    for (unsigned place = 0; place < TCP_COUNTERS; place++)
        if ((counters & 1u << counter_at(order, place)) != 0)
            fields = place + 1;
    return fields;
}

/* The shorter order: ECT(1) first only where ECT(0) never was. */
static unsigned order_for(unsigned counters)
{
    return fields_for(1, counters) < fields_for(0, counters) ? 1 : 0;
}

static uint32_t option_size(unsigned fields)
{
    return (OPTION_HEAD + fields * OPTION_FIELD + 3) / 4 * 4;
}

/* What an option sent now would have. 0 fields: none is due. The first ACK and the first text of who
 * opened have one to show the peer that options pass (9768, 3.2.3.2.1). */
static unsigned fields_due(const struct tcp_accurate_ecn *record, bool has_text)
{
    bool tells_ack = (record->flags & TCP_ACCURATE_ECN_TELL_ACK) != 0;
    bool tells_data = has_text && (record->flags & TCP_ACCURATE_ECN_TELL_DATA) != 0;
    if (tells_ack)
        return TCP_COUNTERS;
    if (record->fresh != 0)
        return fields_for(order_for(record->changed), record->changed);
    return tells_data ? 1 : 0;
}

/* ACKs that answer marked ACKs must not pass for duplicates (9768, 3.2.2.5.1). */
static bool is_ack_of_acks(const struct tcp_conn *c)
{
    return (c->owes & TCP_OWES_ACK) != 0 && c->why == TCP_RULE_ECN_ACKS_ACKNOWLEDGED;
}

uint32_t tcp_accecn_sack_room(const struct duet_stack *s, const struct tcp_conn *c, uint32_t room)
{
    const struct tcp_accurate_ecn *record = tcp_accecn_of(s, c);
    if (tcp_ecn_is_accurate(c) && is_ack_of_acks(c))
        return 0;
    unsigned fields = record == NULL ? 0 : fields_due(record, false);
    if (fields == 0 || room < SACK_OF_TWO + option_size(fields))
        return room;
    return room - option_size(fields);
}

static void put_option(const struct tcp_accurate_ecn *record, struct tcp_options *options,
                       unsigned order, unsigned fields)
{
    struct tcp_accurate_ecn_option *to = &options->accurate_ecn;
    options->present |= DUET_TRACE_ACCURATE_ECN;
    to->order = (uint8_t)order;
    to->fields = (uint8_t)fields;
    for (unsigned place = 0; place < fields; place++)
        to->field[place] = record->received[counter_at(order, place)];
}

void tcp_accecn_add(struct duet_stack *s, struct tcp_conn *c, uint32_t text_length,
                    bool is_retransmission, struct tcp_options *options, uint32_t room)
{
    struct tcp_accurate_ecn *record = tcp_accecn_of(s, c);
    unsigned fields = record == NULL || is_retransmission ? 0 : fields_due(record, text_length > 0);
    if (fields == 0)
        return;
    record->flags &= (uint8_t)~TCP_ACCURATE_ECN_TELL_ACK;
    if (text_length > 0)
        record->flags &= (uint8_t)~TCP_ACCURATE_ECN_TELL_DATA;
    unsigned order = order_for(record->changed);
    if (option_size(fields) > room) /* what has moved must be told, the rest may be left out */
        fields = fields_for(order, record->fresh);
    if (option_size(fields) > room)
        return;
    put_option(record, options, order, fields);
    record->fresh = 0;
}

/* The first SYN,ACK of a half-open record; a repeat goes without (9768, 3.2.3.2.2). */
void tcp_ecn_half_open_option(const struct duet_stack *s, const struct tcp_half_open *half,
                              struct tcp_options *options)
{
    static const struct tcp_accurate_ecn initial = {
        .received = {INITIAL_E0B, INITIAL_CEB, INITIAL_E1B}};
    bool is_repeat = (half->flags & TCP_HALF_OPEN_RETRANSMITTED) != 0;
    if (tcp_ecn_half_open_ace(half) == 0 || is_repeat || s->config.accurate_ecn_max == 0)
        return;
    put_option(&initial, options, 0, TCP_COUNTERS);
}

/* The first SYN,ACK of a connection that Fast Open or a simultaneous open has made without a half-open
 * record: as many fields as find room beside a cookie. It may leave after its user has shut down. */
void tcp_accecn_add_to_syn_ack(const struct duet_stack *s, const struct tcp_conn *c,
                               bool is_retransmission, struct tcp_options *options)
{
    const struct tcp_accurate_ecn *record = tcp_accecn_of(s, c);
    if (record == NULL || is_retransmission)
        return;
    CHECK(c->state != DUET_SYN_SENT); /* in which nothing was agreed */
    uint32_t room = TCP_OPTIONS_MAX - tcp_options_size(options);
    unsigned fields = TCP_COUNTERS;
    while (fields > 0 && option_size(fields) > room)
        fields--;
    if (fields > 0)
        put_option(record, options, 0, fields);
}

/* ---- reading what the peer tells ---- */

/* How far a counter of ours follows from one on the wire; SIZE_MAX of 24 bits is never reached,
 * because no more is ever in flight. */
static uint32_t advance(struct tcp_accurate_ecn *record, unsigned counter, uint32_t field)
{
    uint32_t step = (field - record->reported[counter]) & COUNTER_MASK;
    record->reported[counter] = field;
    return step;
}

static bool begins_at_zero(const struct tcp_accurate_ecn_option *option)
{
    for (unsigned place = 0; place < option->fields; place++)
        if (counter_at(option->order, place) != TCP_COUNTER_CEB && option->field[place] == 0)
            return true;
    return false;
}

/* The option of seg, or NULL where it has none or none is believed. */
static const struct tcp_accurate_ecn_option *option_of(struct duet_stack *s, struct tcp_conn *c,
                                                       struct tcp_accurate_ecn *record,
                                                       const struct tcp_segment *seg)
{
    const struct tcp_accurate_ecn_option *option = &seg->options->accurate_ecn;
    if ((seg->options->present & DUET_TRACE_ACCURATE_ECN) == 0)
        return NULL;
    bool is_first = (record->flags & TCP_ACCURATE_ECN_OPTION_SEEN) == 0 && option->fields > 0;
    if (is_first)
        record->flags |= TCP_ACCURATE_ECN_OPTION_SEEN;
    if (is_first && begins_at_zero(option)) {
        record->flags |= TCP_ACCURATE_ECN_OPTION_IGNORED;
        tcp_rule(s, c, TCP_RULE_ECN_OPTION_ZEROED, seg);
    }
    return (record->flags & TCP_ACCURATE_ECN_OPTION_IGNORED) != 0 ? NULL : option;
}

/* Takes the counters over. True: that of CE was among them, and moved by *marked bytes. */
static bool take(struct duet_stack *s, struct tcp_conn *c, struct tcp_accurate_ecn *record,
                 const struct tcp_segment *seg, uint32_t *marked)
{
    bool has_marked = false;
    const struct tcp_accurate_ecn_option *option = option_of(s, c, record, seg);
    for (unsigned place = 0; option != NULL && place < option->fields; place++) {
        unsigned counter = counter_at(option->order, place);
        uint32_t step = advance(record, counter, option->field[place]);
        if (counter != TCP_COUNTER_CEB)
            continue;
        has_marked = true;
        *marked = step;
    }
    return has_marked;
}

void tcp_accecn_take_option(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg)
{
    struct tcp_accurate_ecn *record = tcp_accecn_of(s, c);
    uint32_t marked;
    if (record != NULL)
        (void)take(s, c, record, seg, &marked);
}

bool tcp_accecn_is_first_ace(const struct duet_stack *s, const struct tcp_conn *c, bool is_first)
{
    const struct tcp_accurate_ecn *record = tcp_accecn_of(s, c);
    return record == NULL ? is_first : (record->flags & TCP_ACCURATE_ECN_ACE_SEEN) == 0;
}

/* The safest likely count (9768, 3.2.2.5.2): the largest that ACE allows among the packets
 * acknowledged. A step of 0 stays 0: eight marks in a row would have brought more than two ACKs,
 * which were all lost, and the next step will tell. */
static uint32_t unwrap(uint32_t delta, uint32_t packets)
{
    if (delta == 0 || packets <= 7)
        return delta;
    return packets - ((packets - delta) & 7);
}

/* The smallest count that ACE allows and that could hold so many marked bytes. */
static uint32_t unwrap_by_bytes(uint32_t delta, uint32_t marked, uint32_t mss)
{
    uint32_t least = (marked + mss - 1) / mss;
    return delta >= least ? delta : least + ((delta - least) & 7);
}

/* Is everything marked, round after round? Then nobody measures anything by it. */
static void watch_for_constant_marking(struct duet_stack *s, struct tcp_conn *c,
                                       struct tcp_accurate_ecn *record, uint32_t marks,
                                       uint32_t packets)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    if (packets > marks)
        record->flags |= TCP_ACCURATE_ECN_UNMARKED_SEEN;
    bool is_new_round = t != NULL && (!t->ecn_answered || seq_lt(t->ecn_end, c->snd.una));
    if ((record->flags & TCP_ACCURATE_ECN_UNMARKED_SEEN) != 0 || marks == 0 || !is_new_round)
        return;
    if (++record->marked_rounds == ALWAYS_MARKED_ROUNDS)
        tcp_ecn_distrust(s, c, TCP_RULE_ECN_ALWAYS_MARKED);
}

uint32_t tcp_accecn_marks(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                          uint32_t delta, uint32_t packets, bool is_exact)
{
    struct tcp_accurate_ecn *record = tcp_accecn_of(s, c);
    if (record == NULL)
        return unwrap(delta, packets);
    uint32_t marked = 0;
    bool has_marked = take(s, c, record, seg, &marked);
    uint32_t marks =
        has_marked ? unwrap_by_bytes(delta, marked, tcp_send_mss(c)) : unwrap(delta, packets);
    if (has_marked && marked > 0 && delta == 0 && packets <= 7 && is_exact) {
        tcp_ecn_put(c, TCP_ECN_MUTE);
        tcp_rule(s, c, TCP_RULE_ECN_INCONSISTENT, seg);
    }
    record->flags |= TCP_ACCURATE_ECN_ACE_SEEN;
    record->marks_reported += marks;
    watch_for_constant_marking(s, c, record, marks, packets);
    return marks;
}
