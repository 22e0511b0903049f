/* SPDX-License-Identifier: MIT */
/* SYN-RECEIVED of a passive open, in 56 bytes (RFC 9293, 3.10.7.4 as far as it concerns it; RFC
 * 4987, 3.6: a SYN cache). The connection itself is made when the third segment proves that the
 * peer is there.
 *
 * Theory of operation. Records stand in a ring in order of creation. A SYN,ACK is sent again 1, 3,
 * 7, 15, 31, 63 and 127 times the initial RTO after the first, and the record goes at 255 times;
 * since all records live by the same schedule, one cursor for each retransmission walks the ring
 * and no record needs a timer. When the ring is full a SYN is answered by a cookie and needs no record
 * (tcp_cookie.c); where that cannot be, the oldest record makes room. The way back from here is to
 * LISTEN (MUST-11). What a segment means to a record is in tcp_half_open_arrives.c.
 */
#include "core/tcp_half_open.h"
#include "base/bytes.h"
#include "base/check.h"

void half_open_init(struct half_open_ring *ring, struct tcp_half_open *records, uint32_t capacity)
{
    *ring = (struct half_open_ring){.records = records, .age = {.capacity = capacity}};
}

static struct tcp_half_open *record_at(const struct half_open_ring *ring, uint64_t position)
{
    return &ring->records[age_ring_index(&ring->age, position)];
}

/* The listener that this record would go to now. There is one: with it its records go. */
struct tcp_listener *half_open_listener(const struct duet_stack *s,
                                        const struct tcp_half_open *half)
{
    struct tcp_listener *listener = demux_listener(s, &half->tuple);
    CHECK(listener != NULL);
    return listener;
}

/* Its place in the table is free, or another's. */
void half_open_leave_ring(struct duet_stack *s, struct tcp_half_open *half)
{
    half->flags = 0;
    s->half_open.age.alive--;
    s->counters.half_open--;
}

/* The record leaves SYN-RECEIVED for LISTEN, or for CLOSED with its listener. */
static void forget(struct duet_stack *s, struct tcp_half_open *half)
{
    demux_remove(s, &half->tuple);
    half_open_leave_ring(s, half);
}

void half_open_back_to_listen(struct duet_stack *s, struct tcp_half_open *half, enum tcp_rule rule)
{
    tcp_record_edge(s, &half->tuple, DUET_SYN_RECEIVED, DUET_LISTEN, rule);
    forget(s, half);
}

/* Holes at the head go; a packet skips no more than AGE_RING_SKIPS. */
static void skip_dead(struct half_open_ring *ring, uint64_t most)
{
    for (; most > 0 && ring->age.head < ring->age.tail &&
           !half_open_is_alive(record_at(ring, ring->age.head));
         most--)
        ring->age.head++;
    for (unsigned i = 0; i < TCP_SYN_ACK_RETRIES_MAX; i++)
        if (ring->cursor[i] < ring->age.head)
            ring->cursor[i] = ring->age.head;
}

/* When retransmission i (0, 1, ...) of a record made at created_us is due; for i = syn_ack_retries,
 * when the record goes. */
static duet_time due_after(const struct duet_stack *s, int64_t created_us, unsigned i)
{
    return created_us * DUET_MICROSECOND + s->config.rto_initial * ((INT64_C(2) << i) - 1);
}

static duet_time due_at(const struct duet_stack *s, const struct tcp_half_open *half, unsigned i)
{
    return due_after(s, age_ring_clock(&s->half_open.age, half->created_us), i);
}

/* A record moves up over a hole. A cursor that has passed it must not meet it again. */
static void move_up(struct duet_stack *s, uint64_t from, uint64_t to)
{
    struct half_open_ring *ring = &s->half_open;
    *record_at(ring, to) = *record_at(ring, from);
    record_at(ring, from)->flags = 0;
    demux_replace(s, &record_at(ring, to)->tuple, DEMUX_HALF_OPEN, age_ring_index(&ring->age, to));
    for (unsigned i = 0; i < TCP_SYN_ACK_RETRIES_MAX; i++)
        if (ring->cursor[i] > from && ring->cursor[i] <= to)
            ring->cursor[i] = to + 1;
}

static void sweep(struct duet_stack *s)
{
    struct half_open_ring *ring = &s->half_open;
    uint64_t from;
    age_ring_sweep_begin(&ring->age);
    for (unsigned i = 0; i < AGE_RING_SWEEP_STEPS && age_ring_sweep_next(&ring->age, &from); i++) {
        if (!half_open_is_alive(record_at(ring, from)))
            continue;
        uint64_t to = age_ring_sweep_keep(&ring->age);
        if (to != from)
            move_up(s, from, to);
    }
}

/* What a SYN says, as far as it must be remembered. */
struct tcp_half_open half_open_of_syn(const struct duet_stack *s, const struct tcp_tuple *tuple,
                                      const struct tcp_segment *seg, struct seq iss)
{
    const struct tcp_options *options = seg->options;
    struct tcp_half_open half = {
        .tuple = *tuple,
        .iss = iss,
        .irs = seg->seq,
        .ts_recent = options->tsval,
        .peer_scale = TCP_HALF_OPEN_NO_SCALING,
    };
    if ((options->present & DUET_TRACE_MSS) != 0)
        half.peer_mss = (uint16_t)max_u32(options->mss, 1); /* raised to mss_min either way */
    if ((options->present & DUET_TRACE_TIMESTAMPS) != 0 && s->config.timestamps)
        half.flags |= TCP_HALF_OPEN_TIMESTAMPS;
    if ((options->present & DUET_TRACE_SACK_PERMITTED) != 0 && s->config.sack)
        half.flags |= TCP_HALF_OPEN_SACK;
    if ((options->present & DUET_TRACE_WINDOW_SCALE) != 0 && s->config.window_scaling)
        half.peer_scale = (uint8_t)(min_u32(options->window_scale, 14) & 15);
    return half;
}

/* Is there a record for one more, without the oldest having to go? */
bool half_open_has_room(struct duet_stack *s)
{
    struct half_open_ring *ring = &s->half_open;
    if (due_after(s, ring->age.newest_us, s->config.syn_ack_retries) <= s->now)
        half_open_expire(s); /* nobody lives any more, and their clocks may go round */
    sweep(s);
    skip_dead(ring, AGE_RING_SKIPS);
    return !age_ring_is_full(&ring->age);
}

void half_open_open(struct duet_stack *s, const struct tcp_tuple *tuple,
                    const struct tcp_segment *seg, struct seq iss, enum duet_state from)
{
    struct half_open_ring *ring = &s->half_open;
    int64_t created_us = (s->now + DUET_MICROSECOND - 1) / DUET_MICROSECOND;
    if (age_ring_is_full(&ring->age)) {
        half_open_back_to_listen(s, record_at(ring, ring->age.head), TCP_RULE_HALF_OPEN_RECYCLED);
        skip_dead(ring, AGE_RING_SKIPS);
    }
    uint64_t position = age_ring_append(&ring->age, created_us);
    uint32_t index = age_ring_index(&ring->age, position);
    struct tcp_half_open *half = record_at(ring, position);
    *half = half_open_of_syn(s, tuple, seg, iss);
    half->created_us = (uint32_t)created_us;
    half->flags |= TCP_HALF_OPEN_ALIVE;

    s->counters.half_open++;
    demux_add(s, tuple, DEMUX_HALF_OPEN, index);
    tcp_record_edge(s, tuple, from, DUET_SYN_RECEIVED, TCP_RULE_LISTEN_SYN);
    reply_syn_ack(s, index, seg, TCP_RULE_LISTEN_SYN, tcp_ecn_half_open_begin(s, half, seg));
}

/* The SYN,ACK of a record: options only where the SYN had them (RFC 7323 2.3 and 3.2, RFC 2018 2).
 */
void half_open_syn_ack(const struct duet_stack *s, const struct tcp_half_open *half,
                       struct tcp_header *header)
{
    const struct tcp_listener *listener = half_open_listener(s, half);
    *header = (struct tcp_header){
        .seq = half->iss.raw,
        .ack = half_open_rcv_nxt(half).raw,
        .flags = DUET_SYN | DUET_ACK,
        .window = (uint16_t)half_open_window(listener),
    };
    struct tcp_options *options = &header->options;
    options->present = DUET_TRACE_MSS;
    options->mss = half_open_mss(s, half, listener);
    if ((half->flags & TCP_HALF_OPEN_SACK) != 0)
        options->present |= DUET_TRACE_SACK_PERMITTED;
    if ((half->flags & TCP_HALF_OPEN_TIMESTAMPS) != 0) {
        options->present |= DUET_TRACE_TIMESTAMPS;
        options->tsval = tcp_timestamp(s, tcp_timestamp_offset(s, &half->tuple));
        options->tsecr = half->ts_recent;
    }
    if (half->peer_scale != TCP_HALF_OPEN_NO_SCALING) {
        options->present |= DUET_TRACE_WINDOW_SCALE;
        options->window_scale = s->window_scale;
    }
    tcp_user_timeout_put_syn_ack(s, listener, options);
    tcp_ecn_half_open_option(s, half, options);
}

/* ---- timeouts ---- */

static void skip_dead_cursor(struct half_open_ring *ring, unsigned i)
{
    while (ring->cursor[i] < ring->age.tail &&
           !half_open_is_alive(record_at(ring, ring->cursor[i])))
        ring->cursor[i]++;
}

duet_time half_open_deadline(const struct duet_stack *s)
{
    const struct half_open_ring *ring = &s->half_open;
    duet_time earliest = DUET_NEVER;
    if (ring->age.alive == 0)
        return earliest;
    for (unsigned i = 0; i < s->config.syn_ack_retries; i++) {
        if (ring->cursor[i] == ring->age.tail)
            continue;
        duet_time due = due_at(s, record_at(ring, ring->cursor[i]), i);
        earliest = due < earliest ? due : earliest;
    }
    duet_time gone = due_at(s, record_at(ring, ring->age.head), s->config.syn_ack_retries);
    return gone < earliest ? gone : earliest;
}

/* The SYN,ACK is due for the repeats-th time. */
static void repeat_if_due(struct duet_stack *s, struct tcp_half_open *half, unsigned repeats)
{
    if ((half->flags & TCP_HALF_OPEN_ANSWERED) != 0) {
        half->flags &= (uint8_t)~TCP_HALF_OPEN_ANSWERED;
        return;
    }
    half->flags |= TCP_HALF_OPEN_RETRANSMITTED;
    stack_rule(s, &half->tuple, DUET_SYN_RECEIVED, TCP_RULE_SYN_ACK_RETRANSMITTED);
    reply_syn_ack(s, (uint32_t)(half - s->half_open.records), NULL, TCP_RULE_SYN_ACK_RETRANSMITTED,
                  tcp_ecn_half_open_repeat(s, half, repeats));
}

void half_open_expire(struct duet_stack *s)
{
    struct half_open_ring *ring = &s->half_open;
    skip_dead(ring, UINT64_MAX);
    while (ring->age.head < ring->age.tail &&
           due_at(s, record_at(ring, ring->age.head), s->config.syn_ack_retries) <= s->now) {
        half_open_back_to_listen(s, record_at(ring, ring->age.head), TCP_RULE_HALF_OPEN_TIMEOUT);
        skip_dead(ring, UINT64_MAX);
    }
    for (unsigned i = 0; i < s->config.syn_ack_retries; i++) {
        skip_dead_cursor(ring, i);
        while (ring->cursor[i] < ring->age.tail &&
               due_at(s, record_at(ring, ring->cursor[i]), i) <= s->now) {
            repeat_if_due(s, record_at(ring, ring->cursor[i]++), i + 1);
            skip_dead_cursor(ring, i);
        }
    }
}

uint32_t half_open_count(const struct duet_stack *s, const struct tcp_listener *listener)
{
    const struct half_open_ring *ring = &s->half_open;
    uint32_t count = 0;
    for (uint64_t at = ring->age.head; at < ring->age.tail; at++)
        count += half_open_is_alive(record_at(ring, at)) &&
                 half_open_listener(s, record_at(ring, at)) == listener;
    return count;
}

/* The listener is about to close: what it began ends with it. */
void half_open_drop_listener(struct duet_stack *s, const struct tcp_listener *listener)
{
    struct half_open_ring *ring = &s->half_open;
    for (uint64_t at = ring->age.head; at < ring->age.tail; at++) {
        struct tcp_half_open *half = record_at(ring, at);
        if (!half_open_is_alive(half) || half_open_listener(s, half) != listener)
            continue;
        tcp_record_edge(s, &half->tuple, DUET_SYN_RECEIVED, DUET_CLOSED, TCP_RULE_LISTENER_CLOSED);
        forget(s, half);
    }
}
