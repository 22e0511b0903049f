/* SPDX-License-Identifier: MIT */
/* Round-trip time and retransmission timeout (RFC 6298, RFC 7323 section 4).
 *
 * One segment at a time is timed in full resolution, never one that was retransmitted (Karn). Where
 * that leaves no sample, the echoed timestamp gives one in milliseconds when SND.UNA advances. When a
 * queue fills in slow start, round trips double while one segment is timed, and the timeout would run
 * out before the next sample: so those that come near it are samples out of turn. SRTT
 * is kept times 8 and RTTVAR times 4, in microseconds, so that the gains 1/8 and 1/4 need no
 * fractions.
 */
#include "base/bytes.h"
#include "base/check.h"
#include "core/state.h"

enum { CLOCK_GRANULARITY_US = 1000, RTO_AFTER_LOST_SYN_US = 3000000 };

static uint32_t to_us(duet_time t)
{
    return (uint32_t)(t / DUET_MICROSECOND);
}

void tcp_rtt_init_stack(struct duet_stack *s)
{
    s->rto_min_us = to_us(s->config.rto_min);
    s->rto_max_us = to_us(s->config.rto_max);
    s->rttvar_min_us = max_u32(CLOCK_GRANULARITY_US, to_us(s->config.rttvar_min));
}

void tcp_rtt_init(const struct duet_stack *s, struct tcp_conn *c)
{
    c->srtt_us = 0;
    c->rttvar_us = 0;
    c->rtt_min_us = 0;
    c->rto_us = to_us(s->config.rto_initial);
}

static void set_rto(const struct duet_stack *s, struct tcp_conn *c)
{
    uint32_t rto = (c->srtt_us >> 3) + max_u32(s->rttvar_min_us, c->rttvar_us);
    c->rto_us = min_u32(max_u32(rto, s->rto_min_us), s->rto_max_us);
}

/* RFC 6298, 2.2 and 2.3. A sample also ends the backoff of the timeouts before it. */
void tcp_rtt_sample(struct duet_stack *s, struct tcp_conn *c, duet_time rtt)
{
    duet_time longest = s->config.rto_max; /* at most 500 s, so that 8 times it fits in 32 bits */
    uint32_t r = max_u32(1, to_us(rtt < longest ? rtt : longest));
    if (c->srtt_us == 0) {
        c->srtt_us = r << 3;
        c->rttvar_us = r << 1; /* R/2, times 4 */
    } else {
        uint32_t srtt = c->srtt_us >> 3;
        uint32_t difference = srtt > r ? srtt - r : r - srtt;
        c->rttvar_us += difference - (c->rttvar_us >> 2);
        c->srtt_us += r - srtt;
    }
    if (transfer_of(s, c) == NULL)
        c->rtt_min_us = c->rtt_min_us == 0 ? r : min_u32(c->rtt_min_us, r);
    else
        tcp_rtt_min(s, c, r);
    set_rto(s, c);
    trace_progress(s, c, (duet_time)r * DUET_MICROSECOND);
}

/* The least round trip of the latest one or two windows of RTT_MIN_WINDOW_MS (RFC 8985, 6.2 step 1): a
 * path that has become longer is believed after a while. */
void tcp_rtt_min(struct duet_stack *s, struct tcp_conn *c, uint32_t rtt_us)
{
    struct tcp_transfer *t = transfer_at(s, c);
    uint32_t now_ms = s->now_ms;
    if (now_ms - t->rtt_min_since >= RTT_MIN_WINDOW_MS) {
        c->rtt_min_us = t->rtt_min_us == 0 ? rtt_us : t->rtt_min_us;
        t->rtt_min_us = rtt_us;
        t->rtt_min_since = now_ms;
    }
    if (rtt_us < c->rtt_min_us)
        tcp_verify_rtt(s, c, rtt_us);
    t->rtt_min_us = t->rtt_min_us == 0 ? rtt_us : min_u32(t->rtt_min_us, rtt_us);
    c->rtt_min_us = c->rtt_min_us == 0 ? rtt_us : min_u32(c->rtt_min_us, rtt_us);
}

/* An echo older than our latest transmission may come from an acknowledgement that was made again
 * after its first copy was lost: it says nothing about the round trip. */
static bool echo_is_fresh(const struct duet_stack *s, const struct tcp_conn *c,
                          const struct tcp_segment *seg, uint32_t *age_ms)
{
    if (!conn_is(c, TCP_CONN_TIMESTAMPS) || (seg->options->present & DUET_TRACE_TIMESTAMPS) == 0)
        return false;
    duet_time since_sent = s->now - transfer_at(s, c)->last_sent;
    *age_ms = tcp_timestamp(s, c->ts_offset) - seg->options->tsecr;
    return (duet_time)*age_ms <= since_sent / DUET_MILLISECOND + 1;
}

/* A round trip of a segment whose turn it is not: a sample if it is beyond half of the RTO, and
 * farther from SRTT than usual, so that it can only make the RTO longer. */
void tcp_rtt_out_of_turn(struct duet_stack *s, struct tcp_conn *c, uint32_t rtt_us)
{
    if (rtt_us > c->rto_us / 2 && rtt_us > (c->srtt_us >> 3) + c->rttvar_us / 2)
        tcp_rtt_sample(s, c, (duet_time)rtt_us * DUET_MICROSECOND);
}

/* The segment advances SND.UNA. rtt_us: the round trip of the latest segment that it acknowledges and
 * that was sent once; 0: of none. */
void tcp_rtt_acked(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                   uint32_t rtt_us)
{
    struct tcp_transfer *t = transfer_of(s, c);
    uint32_t age_ms;
    CHECK(t != NULL);
    if (t->timing) {
        if (!seq_lt(seg->ack, t->timed)) {
            t->timing = false;
            tcp_rtt_sample(s, c, s->now - t->timed_at);
        } else {
            tcp_rtt_out_of_turn(s, c, rtt_us);
        }
    } else if (echo_is_fresh(s, c, seg, &age_ms)) {
        tcp_rtt_sample(s, c, (duet_time)age_ms * DUET_MILLISECOND);
    }
}

/* RFC 6298, 5.5: doubled each time the timer runs out, up to rto_max; in force until the next
 * sample. */
void tcp_rto_back_off(struct duet_stack *s, struct tcp_conn *c)
{
    c->rto_us = min_u32(2 * c->rto_us, to_us(s->config.rto_max));
    trace_progress(s, c, 0);
}

/* RFC 6298, 5.7: a SYN that timed out leaves no estimate; data starts with at least 3 s. */
void tcp_rto_after_lost_syn(struct tcp_conn *c)
{
    if (c->srtt_us == 0)
        c->rto_us = RTO_AFTER_LOST_SYN_US;
}

/* The echo in the third segment of a passive open whose SYN,ACK was sent more than once. */
void tcp_rtt_from_echo(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg)
{
    uint32_t age_ms = tcp_timestamp(s, c->ts_offset) - seg->options->tsecr;
    if (age_ms <= (uint32_t)(s->config.rto_max / DUET_MILLISECOND))
        tcp_rtt_sample(s, c, (duet_time)age_ms * DUET_MILLISECOND);
}
