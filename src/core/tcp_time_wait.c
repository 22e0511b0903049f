/* SPDX-License-Identifier: MIT */
/* TIME-WAIT (RFC 9293, 3.6.1 and 3.10.7.4; RFC 1337; RFC 6191; RFC 7323).
 *
 * Theory of operation. When the user has let go of a connection, TIME-WAIT needs only 56 bytes. The
 * records stand in a ring in order of expiry, which is the order of arrival because all wait
 * equally long, 2 MSL; so no record needs a timer. A repeated FIN moves its record to the end. When
 * the ring is full the oldest goes early, counted under a rule of its own. A connection whose user
 * still holds the handle waits in its own record, by the same verdicts.
 */
#include "base/bytes.h"
#include "base/check.h"
#include "core/state.h"

void time_wait_init(struct time_wait_ring *ring, struct tcp_time_wait *records, uint32_t capacity)
{
    *ring = (struct time_wait_ring){.records = records, .age = {.capacity = capacity}};
}

static struct tcp_time_wait *record_at(const struct time_wait_ring *ring, uint64_t position)
{
    return &ring->records[age_ring_index(&ring->age, position)];
}

static bool is_alive(const struct tcp_time_wait *record)
{
    return (record->flags & TCP_TIME_WAIT_ALIVE) != 0;
}

static duet_time expiry_of(const struct duet_stack *s, const struct tcp_time_wait *record)
{
    return age_ring_clock(&s->time_wait.age, record->expires_us) * DUET_MICROSECOND;
}

/* Holes at the head go; a packet skips no more than AGE_RING_SKIPS. */
static void skip_dead(struct time_wait_ring *ring, uint64_t most)
{
    for (;
         most > 0 && ring->age.head < ring->age.tail && !is_alive(record_at(ring, ring->age.head));
         most--)
        ring->age.head++;
}

static void forget(struct duet_stack *s, struct tcp_time_wait *record)
{
    demux_remove(s, &record->tuple);
    record->flags = 0;
    s->time_wait.age.alive--;
    s->counters.time_wait--;
}

static void end(struct duet_stack *s, struct tcp_time_wait *record, enum tcp_rule rule)
{
    tcp_record_edge(s, &record->tuple, DUET_TIME_WAIT, DUET_CLOSED, rule);
    forget(s, record);
}

static void sweep(struct duet_stack *s)
{
    struct time_wait_ring *ring = &s->time_wait;
    uint64_t from;
    age_ring_sweep_begin(&ring->age);
    for (unsigned i = 0; i < AGE_RING_SWEEP_STEPS && age_ring_sweep_next(&ring->age, &from); i++) {
        struct tcp_time_wait *record = record_at(ring, from);
        if (!is_alive(record))
            continue;
        uint64_t to = age_ring_sweep_keep(&ring->age);
        if (to == from)
            continue;
        *record_at(ring, to) = *record;
        record->flags = 0;
        demux_replace(s, &record_at(ring, to)->tuple, DEMUX_TIME_WAIT,
                      age_ring_index(&ring->age, to));
    }
}

/* Puts a record at the end of the ring, to expire at the given time but not before those in front
 * of it. Returns its index. */
static uint32_t append(struct duet_stack *s, const struct tcp_time_wait *record, duet_time expiry)
{
    struct time_wait_ring *ring = &s->time_wait;
    if (ring->age.newest_us * DUET_MICROSECOND <= s->now)
        time_wait_expire(s); /* nobody waits any more, and their clocks may go round */
    sweep(s);
    skip_dead(ring, AGE_RING_SKIPS);
    if (age_ring_is_full(&ring->age)) {
        end(s, record_at(ring, ring->age.head), TCP_RULE_TIME_WAIT_RECYCLED);
        skip_dead(ring, AGE_RING_SKIPS);
    }
    int64_t expires_us = (expiry + DUET_MICROSECOND - 1) / DUET_MICROSECOND;
    if (ring->age.alive > 0 && expires_us < ring->age.newest_us)
        expires_us = ring->age.newest_us;
    uint64_t position = age_ring_append(&ring->age, expires_us);
    struct tcp_time_wait *to = record_at(ring, position);
    *to = *record;
    to->expires_us = (uint32_t)expires_us;
    to->flags = (record->flags | (unsigned)TCP_TIME_WAIT_ALIVE) & 3u;
    s->counters.time_wait++;
    return age_ring_index(&ring->age, position);
}

static struct tcp_time_wait record_of(struct tcp_conn *c)
{
    return (struct tcp_time_wait){
        .tuple = c->tuple,
        .snd_nxt = c->snd.nxt,
        .rcv_nxt = c->rcv.nxt,
        .ts_recent = c->ts_recent,
        .window = tcp_window_field(c),
        .scale = c->receive_scale,
        .flags = conn_is(c, TCP_CONN_TIMESTAMPS) ? TCP_TIME_WAIT_TIMESTAMPS : 0,
    };
}

/* May a record that expires then be put at the end of the ring? It must not have to wait for
 * those before it by more than a moment, or its pair of sockets stays taken too long. */
bool time_wait_has_place(const struct duet_stack *s, duet_time expiry)
{
    const struct time_wait_ring *ring = &s->time_wait;
    if (ring->age.alive == 0)
        return true;
    return ring->age.newest_us * DUET_MICROSECOND <= expiry + DUET_SECOND;
}

/* The connection's entry of the table now leads to a record of its own. */
void time_wait_keep(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_time_wait record = record_of(c);
    uint32_t index = append(s, &record, c->heard + 2 * s->config.msl);
    demux_replace(s, &c->tuple, DEMUX_TIME_WAIT, index);
}

/* ---- what a segment means here ---- */

enum verdict {
    NOTHING, /* drop silently */
    ANSWER,  /* acknowledge, and stay */
    RESTART, /* acknowledge, and wait 2 MSL again */
    DELETE,  /* leave for CLOSED */
    REUSE,   /* a new incarnation begins */
};

struct judgement {
    enum verdict verdict;
    enum tcp_rule rule;
    bool is_current; /* acceptable: its timestamp is the latest (RFC 7323, 4.3) */
};

/* RFC 6191, section 2: may this SYN begin a new incarnation? */
static struct judgement judge_syn(const struct tcp_time_wait *record, const struct tcp_segment *seg)
{
    bool old_has = (record->flags & TCP_TIME_WAIT_TIMESTAMPS) != 0;
    bool new_has = (seg->options->present & DUET_TRACE_TIMESTAMPS) != 0;
    bool seq_is_newer = seq_le(record->rcv_nxt, seg->seq);
    struct seq old_ts = seq_of(record->ts_recent);
    struct seq new_ts = seq_of(seg->options->tsval);

    if (new_has && (!old_has || seq_lt(old_ts, new_ts)))
        return (struct judgement){REUSE, TCP_RULE_TIME_WAIT_REUSED_BY_TIMESTAMP, false};
    if (seq_is_newer && (!new_has || seq_eq(old_ts, new_ts)))
        return (struct judgement){REUSE, TCP_RULE_TIME_WAIT_REUSED_BY_SEQUENCE, false};
    return (struct judgement){NOTHING, TCP_RULE_TIME_WAIT_SYN_REFUSED, false};
}

static struct judgement judge_rst(const struct duet_stack *s, const struct tcp_time_wait *record,
                                  const struct tcp_segment *seg, bool is_acceptable)
{
    if (!s->config.time_wait_rst)
        return (struct judgement){NOTHING, TCP_RULE_TIME_WAIT_RST_IGNORED, false};
    if (seq_eq(seg->seq, record->rcv_nxt))
        return (struct judgement){DELETE, TCP_RULE_TIME_WAIT_RST, false};
    if (is_acceptable)
        return (struct judgement){ANSWER, TCP_RULE_RST_CHALLENGED, false};
    return (struct judgement){NOTHING, TCP_RULE_RST_OUTSIDE_WINDOW, false};
}

/* The steps of 3.10.7.4 with all that cannot happen any more left out. */
static struct judgement judge(const struct duet_stack *s, const struct tcp_time_wait *record,
                              const struct tcp_segment *seg)
{
    if (seg->has_syn && !seg->has_rst && !seg->has_ack)
        return judge_syn(record, seg);

    /* Step 0, PAWS. */
    bool has_both = (record->flags & TCP_TIME_WAIT_TIMESTAMPS) != 0 &&
                    (seg->options->present & DUET_TRACE_TIMESTAMPS) != 0;
    bool lacks_them = (record->flags & TCP_TIME_WAIT_TIMESTAMPS) != 0 && !has_both;
    if (lacks_them && !seg->has_rst && !seg->has_syn)
        return (struct judgement){NOTHING, TCP_RULE_TIMESTAMP_MISSING, false};
    if (has_both && !seg->has_rst && seq_lt(seq_of(seg->options->tsval), seq_of(record->ts_recent)))
        return (struct judgement){ANSWER, TCP_RULE_PAWS_REJECTED, false};

    /* First, sequence number; the repeated FIN is recognised before it can fail the test (doubt
     * D2). */
    if (seg->has_fin && !seg->has_rst && !seg->has_syn &&
        seq_eq(seq_add(seg->seq, seg->len), record->rcv_nxt))
        return (struct judgement){RESTART, TCP_RULE_TIME_WAIT_FIN_REPEATED, false};
    uint32_t window = max_u32((uint32_t)record->window << record->scale, 1);
    uint32_t len = seg->has_rst ? 0 : seg->len; /* RFC 5961, 3.2: SEQ alone decides about a RST */
    bool is_acceptable =
        seq_in_window(seg->seq, record->rcv_nxt, window) ||
        (len > 0 && seq_in_window(seq_add(seg->seq, len - 1), record->rcv_nxt, window));
    /* Second, RST. */
    if (seg->has_rst)
        return judge_rst(s, record, seg, is_acceptable);
    if (!is_acceptable)
        return (struct judgement){ANSWER, TCP_RULE_SEQ_UNACCEPTABLE, false};
    /* Fourth, SYN. */
    if (seg->has_syn)
        return (struct judgement){ANSWER, TCP_RULE_SYN_CHALLENGED, false};
    /* Fifth, ACK. */
    if (!seg->has_ack)
        return (struct judgement){NOTHING, TCP_RULE_ACK_MISSING, false};
    if (seq_lt(record->snd_nxt, seg->ack))
        return (struct judgement){ANSWER, TCP_RULE_ACK_OF_UNSENT, false};
    /* Sixth to eighth: the peer has already said that it has nothing more to say. */
    if (seg->len > 0)
        return (struct judgement){ANSWER, TCP_RULE_TEXT_AFTER_FIN, true};
    return (struct judgement){NOTHING, TCP_RULE_TIME_WAIT_ACK, true};
}

/* Intervals in which answers are counted go by the record's own life, backwards from its end: what a
 * record will do depends on how long it has, not on the hour. Six bits of their numbers tell them apart
 * in a life of 240 s in intervals of 5. */
uint32_t time_wait_interval(const struct duet_stack *s, const struct tcp_time_wait *record)
{
    return (uint32_t)((expiry_of(s, record) - s->now) / s->config.challenge_interval) & 63;
}

/* RFC 5961, 7: challenge_limit answers, at most 15, in each interval. */
static bool may_answer(struct duet_stack *s, struct tcp_time_wait *record)
{
    uint32_t interval = time_wait_interval(s, record);
    if (record->interval != interval)
        record->answers = 0;
    record->interval = interval & 63u;
    if (record->answers >= min_u32(s->config.challenge_limit, 15)) {
        stack_rule(s, &record->tuple, DUET_TIME_WAIT, TCP_RULE_CHALLENGE_LIMIT);
        return false;
    }
    record->answers = (record->answers + 1u) & 15u;
    return true;
}

/* The record waits anew, behind all others: in an interval that begins now, in which what it has answered in
 * the last one counts. */
static void wait_again(struct duet_stack *s, struct tcp_time_wait *record)
{
    struct tcp_time_wait copy = *record;
    if (copy.interval != time_wait_interval(s, record))
        copy.answers = 0;
    forget(s, record);
    uint32_t index = append(s, &copy, s->now + 2 * s->config.msl);
    struct tcp_time_wait *again = &s->time_wait.records[index];
    again->interval = time_wait_interval(s, again) & 63u;
    demux_add(s, &copy.tuple, DEMUX_TIME_WAIT, index);
}

static bool has_newer_timestamp(const struct tcp_time_wait *record, const struct tcp_segment *seg,
                                struct judgement judgement)
{
    return judgement.is_current && (seg->options->present & DUET_TRACE_TIMESTAMPS) != 0 &&
           seq_le(seg->seq, record->rcv_nxt);
}

static void answer(struct duet_stack *s, const struct tcp_time_wait *record, enum tcp_rule rule)
{
    bool timestamps = (record->flags & TCP_TIME_WAIT_TIMESTAMPS) != 0;
    reply_ack(s, &record->tuple, DUET_TIME_WAIT, record->snd_nxt, record->rcv_nxt, record->window,
              timestamps ? &record->ts_recent : NULL, 0, rule);
}

/* Whether the SYN of a new incarnation will be taken; only then may the old record go (RFC
 * 1337). */
static bool will_be_taken(struct duet_stack *s, const struct tcp_tuple *tuple,
                          const struct tcp_listener *listener, const struct tcp_segment *seg)
{
    if (listener == NULL) {
        reply_reset(s, tuple, seg, DUET_TIME_WAIT, TCP_RULE_TIME_WAIT_NOBODY_LISTENS);
        return false;
    }
    enum tcp_rule refusal = tcp_listen_refusal(listener, seg);
    if (refusal != TCP_RULE_NONE)
        stack_rule(s, tuple, DUET_TIME_WAIT, refusal);
    return refusal == TCP_RULE_NONE;
}

/* A new SYN takes the place of the record (MAY-2). */
static void reuse(struct duet_stack *s, const struct tcp_time_wait *record, struct tcp_segment *seg,
                  struct tcp_listener *listener)
{
    tcp_listen_arrives(s, listener, &record->tuple, seg, &record->snd_nxt);
}

void time_wait_arrives(struct duet_stack *s, uint32_t index, struct tcp_segment *seg)
{
    struct tcp_time_wait *record = &s->time_wait.records[index];
    CHECK(is_alive(record));
    struct judgement judgement = judge(s, record, seg);
    if (has_newer_timestamp(record, seg, judgement))
        record->ts_recent = seg->options->tsval;
    struct tcp_time_wait copy = *record;
    struct tcp_listener *listener = demux_listener(s, &copy.tuple);

    switch (judgement.verdict) {
    case NOTHING:
        stack_rule(s, &copy.tuple, DUET_TIME_WAIT, judgement.rule);
        return;
    case ANSWER:
        stack_rule(s, &copy.tuple, DUET_TIME_WAIT, judgement.rule);
        if (may_answer(s, record))
            answer(s, &copy, judgement.rule);
        return;
    case RESTART:
        stack_rule(s, &copy.tuple, DUET_TIME_WAIT, judgement.rule);
        answer(s, &copy, judgement.rule);
        wait_again(s, record);
        return;
    case DELETE:
        end(s, record, judgement.rule);
        return;
    case REUSE:
        if (!will_be_taken(s, &copy.tuple, listener, seg))
            return;
        stack_rule(s, &copy.tuple, DUET_TIME_WAIT, judgement.rule);
        forget(s, record);
        reuse(s, &copy, seg, listener);
        return;
    }
}

/* The same for a connection in TIME-WAIT whose user still holds the handle. */
void time_wait_conn_arrives(struct duet_stack *s, struct tcp_conn *c, struct tcp_segment *seg)
{
    struct tcp_time_wait record = record_of(c);
    struct judgement judgement = judge(s, &record, seg);
    bool covers_left_edge = seq_le(seg->arrived_seq, c->rcv.acked); /* the last ACK may be owed */
    if (covers_left_edge && has_newer_timestamp(&record, seg, judgement))
        c->ts_recent = record.ts_recent = seg->options->tsval;
    struct tcp_listener *listener = demux_listener(s, &c->tuple);

    switch (judgement.verdict) {
    case NOTHING:
        tcp_rule(s, c, judgement.rule, seg);
        return;
    case ANSWER:
        tcp_rule(s, c, judgement.rule, seg);
        if (tcp_may_challenge(s, c))
            answer(s, &record, judgement.rule);
        return;
    case RESTART:
        tcp_rule(s, c, judgement.rule, seg);
        answer(s, &record, judgement.rule);
        c->heard = s->now;
        trace_timer(s, c, DUET_TIMER_TIME_WAIT, DUET_TIMER_STARTED, 0, s->now + 2 * s->config.msl,
                    judgement.rule);
        return;
    case DELETE:
        tcp_conn_end(s, c, judgement.rule, DUET_OK);
        return;
    case REUSE:
        if (!will_be_taken(s, &c->tuple, listener, seg))
            return;
        tcp_conn_end(s, c, judgement.rule, DUET_OK);
        reuse(s, &record, seg, listener);
        return;
    }
}

/* ---- timeout ---- */

duet_time time_wait_deadline(const struct duet_stack *s)
{
    const struct time_wait_ring *ring = &s->time_wait;
    return ring->age.alive == 0 ? DUET_NEVER : expiry_of(s, record_at(ring, ring->age.head));
}

void time_wait_expire(struct duet_stack *s)
{
    struct time_wait_ring *ring = &s->time_wait;
    skip_dead(ring, UINT64_MAX);
    while (ring->age.head < ring->age.tail &&
           expiry_of(s, record_at(ring, ring->age.head)) <= s->now) {
        end(s, record_at(ring, ring->age.head), TCP_RULE_TIME_WAIT_EXPIRED);
        skip_dead(ring, UINT64_MAX);
        if (ring->age.head < ring->age.tail)
            demux_expect(s, &record_at(ring, ring->age.head)->tuple); /* the next to go */
    }
}
