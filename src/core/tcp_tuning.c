/* SPDX-License-Identifier: MIT */
/* Buffers that follow the path: how many bytes a connection may hold in each direction.
 *
 * Goal: a flow is never held by its buffers as long as the peer or the user could go on and there is
 * memory; a connection that does not need more keeps the 64 KiB that it began with. A path holds
 * rate x round trip: 64 KiB are 5 Mbit/s at 100 ms, 4 MiB are 335 Mbit/s.
 *
 * Receiver (after dynamic right-sizing, Fisk and Feng 2001): what the user reads in one round trip is
 * what the peer sent in one. A peer in slow start has sent twice as much when that is seen, and sends
 * twice as much again when it hears of the answer. So when more than half of the limit was read in a
 * round trip, the limit becomes four times what was read: it stays ahead of slow start, and comes to
 * rest at two to four times what the path holds. A user who reads slowly, or a peer with little to
 * say, leaves it as it is.
 *
 * Sender: what is unacknowledged stays in the queue. To keep the congestion window full, the user
 * must be able to queue one window while one is in flight: the limit becomes twice the smaller of
 * the congestion and the peer's window, when the user waits for room. WRITABLE is told when a quarter
 * of the limit or 64 KiB are free, so that the user writes in few large pieces and the queue does
 * not run dry.
 *
 * Limits: config.receive_buffer and config.send_buffer; what the Window field can say; no growth
 * while less than half of the pages is free. What the user has set is not touched. Limits never
 * shrink, so the window does not either (SHLD-14).
 *
 * State: tuned_at and tuned_to, time and sequence number where the round began.
 */
#include "base/bytes.h"
#include "core/state.h"

enum { WORTH_TELLING = 65536 };
enum { UNIT_US = 4000, ROUND_MAX = UINT16_MAX / 4 };

uint32_t tcp_first_receive_limit(const struct duet_stack *s)
{
    const struct duet_config *config = &s->config;
    return config->autotune ? min_u32(config->receive_buffer_initial, config->receive_buffer)
                            : config->receive_buffer;
}

uint32_t tcp_first_send_limit(const struct duet_stack *s)
{
    const struct duet_config *config = &s->config;
    return config->autotune ? min_u32(config->send_buffer_initial, config->send_buffer)
                            : config->send_buffer;
}

static bool may_grow(const struct duet_stack *s, uint32_t limit)
{
    bool is_tuned = s->config.autotune && (limit & TCP_LIMIT_FIXED) == 0;
    return is_tuned && s->buffers.pages.used <= s->buffers.pages.count / 2;
}

static uint16_t now_units(const struct duet_stack *s)
{
    return (uint16_t)(s->now / (UNIT_US * DUET_MICROSECOND));
}

/* Length of a round in units: SRTT, or the RTO while nothing was measured. */
static uint32_t round_units(const struct tcp_conn *c)
{
    uint32_t us = c->srtt_us != 0 ? c->srtt_us >> 3 : c->rto_us;
    return min_u32(max_u32(1, us / UNIT_US), ROUND_MAX);
}

/* RCV.NXT has been set for the first time. */
void tcp_tuning_start(const struct duet_stack *s, struct tcp_conn *c)
{
    c->tuned_at = now_units(s);
    c->tuned_to = c->rcv.nxt;
}

/* The user has read. Once in a round: how much was it, in the time of one? A silence of minutes may
 * count as a short one; then a single read is taken for that of a round, which the window bounds. */
void tcp_tune_receive(struct duet_stack *s, struct tcp_conn *c)
{
    struct seq read = seq_sub(c->rcv.nxt, c->receive.length);
    uint32_t round = round_units(c);
    uint32_t elapsed = (uint16_t)(now_units(s) - c->tuned_at);
    if (elapsed < round)
        return;
    uint64_t bytes = (uint64_t)seq_distance(c->tuned_to, read) * round / elapsed;
    c->tuned_at = now_units(s);
    c->tuned_to = read;
    uint32_t most = min_u32(s->config.receive_buffer, (uint32_t)UINT16_MAX << c->receive_scale);
    uint32_t wanted = 4 * bytes < most ? (uint32_t)(4 * bytes) : most;
    bool is_used = 2 * bytes > receive_limit(c);
    if (!is_used || wanted <= receive_limit(c) || !may_grow(s, c->receive_limit))
        return;
    c->receive_limit = wanted;
    tcp_rule(s, c, TCP_RULE_RECEIVE_BUFFER_GROWS, NULL);
}

/* SND.UNA has moved, and the user waits for room. */
void tcp_tune_send(struct duet_stack *s, struct tcp_conn *c)
{
    uint64_t window = min_u32(c->cwnd, c->snd.wnd);
    uint64_t wanted = 2 * window + tcp_send_mss(c);
    if (wanted > s->config.send_buffer)
        wanted = s->config.send_buffer;
    if (wanted <= send_limit(c) || !may_grow(s, c->send_limit))
        return;
    c->send_limit = (uint32_t)wanted;
    count_rule(s, TCP_RULE_SEND_BUFFER_GROWS);
}

/* Is there enough room to wake a user who waits for it? */
bool tcp_send_is_worth_telling(const struct duet_stack *s, const struct tcp_conn *c)
{
    return tcp_send_room(s, c) >= max_u32(1, min_u32(send_limit(c) / 4, WORTH_TELLING));
}
