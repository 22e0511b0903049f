/* SPDX-License-Identifier: MIT */
/* HyStart++ (RFC 9406): the first slow start of a connection, which knows no ssthresh, ends when the
 * round trip grows instead of when the queue of the path overflows.
 *
 * Theory of operation. Acknowledgements are grouped into rounds: one ends when all that was in
 * flight at its start is acknowledged; where nothing was, all that is sent before the first
 * acknowledgement. Of each round the smallest round trip counts.
 *
 *   slow start       cwnd grows by what is acknowledged, at most L segments for one ACK
 *     |  ^           8 samples, and the smallest is above that of the round before by an eighth of
 *     v  |           it, at least 4 and at most 16 ms: the queue is growing, perhaps
 *   conservative     cwnd grows by a quarter of that; 8 samples and the smallest is below that at
 *   slow start       the entry: it was jitter, go back
 *     |
 *     v              five rounds, that of the entry included
 *   ssthresh = cwnd, congestion avoidance
 *
 * Congestion at any time sets ssthresh, and there is no HyStart++ any more: a later slow start ends
 * at a threshold that was measured. While nothing is in flight the phase is forgotten; it costs a
 * request and its answer at most a round of watching anew.
 */
#include "base/bytes.h"
#include "core/tcp_controller.h"

/* RFC 9406, 4.3: RECOMMENDED. */
enum {
    MIN_RTT_THRESH_US = 4000,
    MAX_RTT_THRESH_US = 16000,
    MIN_RTT_DIVISOR = 8,
    N_RTT_SAMPLE = 8,
    CSS_GROWTH_DIVISOR = 4, /* MUST be 2 at least */
    CSS_ROUNDS = 5,
    LIMIT = 8 /* L of who sends without pacing; else there is none */
};

static struct tcp_hystart_round *round_of(const struct duet_stack *s, const struct tcp_conn *c)
{
    return &transfer_at(s, c)->cc.round;
}

bool tcp_hystart_is_active(const struct duet_stack *s, const struct tcp_conn *c)
{
    return s->config.hystart && c->ssthresh == CWND_MAX;
}

/* All of bytes is used up: nothing is left for congestion avoidance. */
uint32_t tcp_hystart_acked(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes)
{
    struct tcp_cc_memory *m = &transfer_at(s, c)->cc;
    uint32_t counted = s->config.pacing ? bytes : min_u32(bytes, LIMIT * (uint32_t)tcp_send_mss(c));
    if (m->round.baseline_us == 0) {
        c->cwnd += counted;
        return 0;
    }
    m->credit += counted;
    c->cwnd += m->credit / CSS_GROWTH_DIVISOR;
    m->credit %= CSS_GROWTH_DIVISOR;
    return 0;
}

void tcp_hystart_rtt(struct duet_stack *s, struct tcp_conn *c, uint32_t rtt_us)
{
    struct tcp_hystart_round *round = round_of(s, c);
    round->min_us = round->min_us == 0 ? rtt_us : min_u32(round->min_us, rtt_us);
    if (round->samples < N_RTT_SAMPLE)
        round->samples++;
}

static bool delay_has_grown(const struct tcp_hystart_round *round)
{
    uint32_t eighth = round->last_min_us / MIN_RTT_DIVISOR;
    uint32_t threshold = max_u32(MIN_RTT_THRESH_US, min_u32(eighth, MAX_RTT_THRESH_US));
    return round->last_min_us != 0 && round->min_us >= round->last_min_us + threshold;
}

static void change_phase(struct duet_stack *s, struct tcp_conn *c, struct tcp_hystart_round *round)
{
    bool is_conservative = round->baseline_us != 0;
    if (round->samples < N_RTT_SAMPLE)
        return;
    if (!is_conservative && delay_has_grown(round)) {
        round->baseline_us = round->min_us;
        round->css_rounds = 0;
        trace_congestion(s, c, TCP_RULE_SLOW_START_CONSERVATIVE);
    } else if (is_conservative && round->min_us < round->baseline_us) {
        round->baseline_us = 0;
        trace_congestion(s, c, TCP_RULE_SLOW_START_RESUMED);
    }
}

static void next_round(struct duet_stack *s, struct tcp_conn *c, struct tcp_hystart_round *round)
{
    round->last_min_us = round->min_us;
    round->min_us = 0;
    round->samples = 0;
    round->end = c->snd.nxt;
    if (round->baseline_us == 0 || ++round->css_rounds < CSS_ROUNDS)
        return;
    round->baseline_us = 0;
    c->ssthresh = c->cwnd;
    trace_congestion(s, c, TCP_RULE_SLOW_START_LEFT);
}

void tcp_hystart_round(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_hystart_round *round = round_of(s, c);
    if (!tcp_hystart_is_active(s, c))
        return;
    change_phase(s, c, round);
    if (seq_le(round->end, c->snd.una))
        next_round(s, c, round);
}
