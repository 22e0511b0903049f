/* SPDX-License-Identifier: MIT */
/* A fast path for what nearly every acknowledgement is: calm. It stands beside the fifth step in the
 * RFC's order (tcp_ack.c, tcp_loss.c) and does what that one would; tests/unit/test_fast.c compares the
 * two. For segments that tcp_fast.c has predicted, and for those by which connections close.
 *
 * Theory of operation. An acknowledgement is calm if all that could be going on beside it is not: no
 * segment is SACKed, lost or sent again, no recovery, probe, undo or persist timer runs, and no window
 * is or becomes closed. That is told once, from numbers that lie beside each other. Then an
 * acknowledgement means: the oldest records go, the round trip is measured, the controller may let the
 * window grow, and the timer starts again or stops.
 */
#include "base/bytes.h"
#include "base/check.h"
#include "core/user.h"

/* SND.UNA has not yet left ISS + 1 by more than MAX.SND.WND, or has and it is known: the check of the
 * range (tcp_ack.c) would change nothing. */
static bool floor_is_settled(const struct tcp_conn *c)
{
    struct seq first = seq_add(c->snd.iss, 1);
    return conn_is(c, TCP_CONN_ACK_FLOOR_PASSED) ||
           seq_distance(first, c->snd.una) <= c->snd.wnd_max;
}

static bool is_calm(const struct duet_stack *s, const struct tcp_conn *c,
                    const struct tcp_transfer *t)
{
    const struct tcp_flight *f = &t->flight;
    unsigned unrest = 0u + t->urgent + t->probed + t->dupacks + t->retransmissions +
                      t->undo.active + t->rack.in_dsack_round + t->rack.probe_out + t->mtu.probing +
                      t->mtu.judging + t->mtu.excused + t->mtu.claim + t->verify.withheld;
    return unrest == 0 && t->phase == TCP_PHASE_OPEN && f->lost == 0 && f->sacked_count == 0 &&
           f->again_list.first == FLIGHT_NONE && f->fresh == f->first &&
           seq_le(t->rack.fack, c->snd.una) && t->timer != DUET_TIMER_PERSIST &&
           conn_is(c, TCP_CONN_SACK) && s->config.rack;
}

static void take_window(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                        uint32_t window)
{
    bool grew = seq_lt(seq_add(c->snd.una, c->snd.wnd), seq_add(seg->ack, window));
    c->snd.wnd = window;
    c->snd.wnd_max = max_u32(c->snd.wnd_max, window);
    c->snd.wl1 = seg->seq;
    c->snd.wl2 = seg->ack;
    if (grew && tcp_send_waits(s, c))
        tcp_owe(s, c, TCP_OWES_DATA, TCP_RULE_WINDOW_OPENED);
}

/* The oldest records go, as tcp_delivered() has it for segments that were sent once. Returns the round
 * trip of the latest of them; 0: of none. */
static uint32_t take_records(struct duet_stack *s, struct tcp_conn *c, struct tcp_transfer *t,
                             const struct tcp_segment *seg)
{
    struct flight_segment segment;
    uint32_t mss = tcp_send_mss(c);
    uint32_t longest = 0, rtt_us = 0;
    while (seq_lt(t->flight.start, seg->ack) && t->flight.count > 0 &&
           flight_acked(s, c, seg->ack, &segment)) {
        rtt_us = flight_age_us(s, segment.sent_us);
        t->rack.fack = segment.end;
        tcp_rack_took(&t->rack, &segment, rtt_us);
        longest = max_u32(longest, seq_distance(segment.start, segment.end));
        rtt_us = max_u32(1, rtt_us);
    }
    if (rtt_us == 0)
        return 0;
    t->rack.probe_spent = false;
    uint32_t size = tcp_headers_of(c) + min_u32(longest, mss);
    t->mtu.size_acked = (uint16_t)max_u32(t->mtu.size_acked, size);
    if (longest >= mss)
        c->flags |= TCP_CONN_MTU_PROVEN;
    return rtt_us;
}

/* SND.UNA moves. Returns the round trip of the latest segment acknowledged. */
static uint32_t advance(struct duet_stack *s, struct tcp_conn *c, struct tcp_transfer *t,
                        const struct tcp_segment *seg)
{
    uint32_t rtt_us = take_records(s, c, t, seg);
    uint32_t text = seq_distance(c->snd.una, seg->ack);
    tcp_rtt_acked(s, c, seg, rtt_us);
    c->snd.una = seg->ack;
    t->progress = s->now;
    tcp_rule(s, c, TCP_RULE_ACK_ADVANCES, seg);
    tcp_send_acked(s, c, text);
    if (tcp_send_waits(s, c))
        tcp_owe(s, c, TCP_OWES_DATA, TCP_RULE_ACK_ADVANCES);
    if (t->flight.count == 0)
        tcp_timer_stop(s, c);
    else
        tcp_timer_restart(s, c, DUET_TIMER_RETRANSMISSION);
    return rtt_us;
}

/* What the rest of the flight and the controller make of it. */
static void follow(struct duet_stack *s, struct tcp_conn *c, struct tcp_transfer *t,
                   uint32_t rtt_us, uint32_t bytes, uint32_t flight)
{
    t->ecn_marked = false;
    t->r1_told = false;
    tcp_probe_schedule(s, c);
    if (rtt_us != 0) {
        tcp_rtt_min(s, c, rtt_us);
        tcp_cc_rtt(s, c, rtt_us);
    }
    if (t->flight.count > 0)
        tcp_rack_detect(s, c);
    else
        t->rack.valid = false; /* what it would come to */
    t->rack.reorder_at = t->flight.count > 0 ? t->rack.reorder_at : DUET_NEVER;
    tcp_cc_acked(s, c, bytes, flight);
    trace_progress(s, c, 0);
    tcp_timer_choose(s, c);
}

/* ---- the last one ----
 *
 * Nothing is queued behind what it acknowledges, so the transfer goes back to its pool, and of all that
 * would be written down in it only that counts which the connection keeps: RTO, window, path MTU. In a
 * dialogue each acknowledgement is such a one. */

static bool is_last(const struct duet_stack *s, const struct tcp_conn *c,
                    const struct tcp_transfer *t, const struct tcp_segment *seg)
{
    bool closes = conn_is(c, TCP_CONN_FIN_WANTED);
    bool covers_all = closes ? conn_is(c, TCP_CONN_FIN_SENT) && t->send.length == 0
                             : t->send.length == tcp_flight(c);
    return seq_eq(seg->ack, c->snd.nxt) && covers_all && flight_is_plain_and_few(&t->flight) &&
           !buffer_has_record(&t->send) && t->mtu.epoch == s->paths.epoch &&
           !conn_is(c, TCP_CONN_WRITE_BLOCKED);
}

static void take_last(struct duet_stack *s, struct tcp_conn *c, struct tcp_transfer *t,
                      const struct tcp_segment *seg)
{
    struct tcp_flight *f = &t->flight;
    uint32_t flight = tcp_flight(c);
    uint32_t rtt_us = max_u32(1, flight_age_us(s, f->few[f->count - 1].sent_us));
    uint32_t longest = 0;
    struct seq start = f->start;
    for (uint32_t i = 0; i < f->count; i++) {
        longest = max_u32(longest, seq_distance(start, f->few[i].end));
        start = f->few[i].end;
    }
    uint32_t mss = tcp_send_mss(c);
    if (longest >= mss)
        c->flags |= TCP_CONN_MTU_PROVEN;
    f->count = 0;
    tcp_rtt_acked(s, c, seg, rtt_us);
    c->snd.una = seg->ack;
    tcp_rule(s, c, TCP_RULE_ACK_ADVANCES, seg);
    bool closes = conn_is(c, TCP_CONN_FIN_WANTED); /* then the FIN is all there was */
    if (closes) {
        c->flags |= TCP_CONN_FIN_ACKED;
        tcp_tell(s, c, DUET_EVENT_FIN_ACKED);
    }
    tcp_rtt_min(s, c, rtt_us);
    tcp_cc_acked_last(s, c, rtt_us, flight - closes, mss);
    trace_progress(s, c, 0);
    if (!closes) /* else the change of state does it */
        tcp_return_transfer(s, c);
}

/* ---- either ---- */

/* The segment is the next one expected in a synchronized state, it has at most timestamps, ECN was not
 * agreed, and SND.UNA <= ACK <= SND.NXT. False: nothing has been changed, and the fifth step is to look
 * at it. */
bool tcp_fast_ack(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg)
{
    struct tcp_transfer *t = transfer_of(s, c);
    struct seq una = c->snd.una;
    bool advances = !seq_eq(seg->ack, una);
    uint32_t window = seg->window << c->send_scale;
    uint32_t flight = tcp_flight(c);
    if (c->snd.wnd == 0 || window == 0 || !floor_is_settled(c))
        return false;
    if (seq_distance(una, seg->ack) >> s->buffers.page_log >= FLIGHT_PAGES)
        return false; /* more than one packet may ask for */
    if (t == NULL ? advances : !advances || !is_calm(s, c, t))
        return false;
    if (advances && t->flight.count > FLIGHT_ALLOWANCE &&
        !seq_eq(flight_reach(s, c, seg->ack), seg->ack)) /* more than one may ask for */
        return false;
    bool last = advances && is_last(s, c, t, seg);
    bool covers_fin = conn_is(c, TCP_CONN_FIN_SENT) && seq_eq(seg->ack, c->snd.nxt);
    if (advances && covers_fin && !last)
        return false;
    if (conn_is(c, TCP_CONN_TIMESTAMPS) && seq_le(seg->seq, c->rcv.acked))
        c->ts_recent = seg->options->tsval;
    if (last) {
        take_last(s, c, t, seg);
        take_window(s, c, seg, window);
        c->heard = s->now;
        c->probes = 0;
        return true;
    }
    if (advances) {
        flight_allow(s, c);
        t->has_rest = false;
        t->rest = seg->ack;
        uint32_t rtt_us = advance(s, c, t, seg);
        follow(s, c, t, rtt_us, seq_distance(una, seg->ack), flight);
    }
    bool is_newer = advances || seq_lt(c->snd.wl1, seg->seq) ||
                    (seq_eq(c->snd.wl1, seg->seq) && seq_le(c->snd.wl2, seg->ack));
    if (is_newer)
        take_window(s, c, seg, window);
    c->heard = s->now;
    c->probes = 0;
    tcp_conn_idle(s, c);
    return true;
}
