/* SPDX-License-Identifier: MIT */
/* The canonical form of one connection: itself, its transfer, what is in flight, what waits behind a hole.
 * What is brought to which value, and why nothing is lost, stands in tcp_canonical.c. */
#include "base/bytes.h"
#include "core/tcp_canonical.h"
#include "core/tcp_flight_ring.h"

#include <string.h>

/* ---- buffers ---- */

/* Bytes that are in the queue, or beyond it behind a hole. */
static void add_buffer_bytes(struct view *v, const struct buffer *buffer, uint32_t offset,
                             uint32_t size)
{
    uint32_t page = UINT32_C(1) << v->s->buffers.page_log;
    while (size > 0) {
        uint32_t some = min_u32(size, page - ((buffer->start + offset) & (page - 1)));
        add_bytes(&v->digest, buffer_at(&v->s->buffers, buffer, offset), some);
        offset += some;
        size -= some;
    }
}

/* Where a buffer's first byte lies in its page is left out: pages come and go by it, which decides
 * nothing before the last page is taken, and how many are taken is hashed. */
static void buffer_to_length(struct buffer *buffer)
{
    *buffer = (struct buffer){.length = buffer->length};
}

/* ---- what is in flight ---- */

static uint32_t place_of(const struct tcp_flight *f, uint32_t name)
{
    return ring_place(f, name) & FLIGHT_NONE;
}

/* A sacked record's link is a short cut to behind its run: it saves steps and decides nothing. */
static void add_flight(struct view *v, struct tcp_flight *f, struct seq iss)
{
    for (uint32_t place = 0; place < f->count; place++) {
        const struct flight_record *r = ring_at(v->s, f, place);
        bool is_listed =
            (r->flags & FLIGHT_SACKED) == 0 && (r->flags & (FLIGHT_LOST | FLIGHT_AGAIN)) != 0;
        add(&v->digest, (uint64_t)(r->end.raw - iss.raw) << 32 | (r->sent_us - v->now_us));
        add(&v->digest, r->flags);
        if (is_listed)
            add(&v->digest, (uint64_t)place_of(f, r->next) << 32 | place_of(f, r->prev));
    }
}

/* The latest transmission decides about the next one only if that leaves in the same microsecond. */
static void flight_to_places(const struct view *v, struct tcp_flight *f, struct seq iss)
{
    bool is_now = f->latest_us - v->now_us < FLIGHT_MAX; /* as flight_age_us() has it */
    f->fresh = f->count == 0 ? 0 : place_of(f, f->fresh);
    f->lost_list.first = place_of(f, f->lost_list.first);
    f->lost_list.last = place_of(f, f->lost_list.last);
    f->again_list.first = place_of(f, f->again_list.first);
    f->again_list.last = place_of(f, f->again_list.last);
    from(&f->start, iss, f->count > 0);
    us_from_now(v, &f->latest_us, is_now);
    from(&f->latest_end, iss, is_now);
    f->first = is_now;
    memset(f->few, 0, sizeof f->few);
    buffer_to_length(&f->ring);
}

/* ---- a transfer ---- */

static void curve_from_now(const struct view *v, struct tcp_cubic_curve *curve)
{
    us_from_now(v, &curve->counted_us, curve->w_est != 0);
}

static void recovery_from(const struct view *v, struct tcp_transfer *t, struct seq iss)
{
    curve_from_now(v, &t->cc.cubic);
    curve_from_now(v, &t->cc.saved.cubic);
    from(&t->cc.round.end, iss, true);
    from(&t->cc.full_until, iss, true);
    from(&t->cc.risky_until, iss, true);
    from(&t->mtu.probe_start, iss, t->mtu.probing || t->mtu.judging);
    from(&t->mtu.probe_end, iss, t->mtu.probing || t->mtu.judging);
    from(&t->mtu.judged_at, iss, t->mtu.judging);
    from(&t->mtu.claim_seq, iss, t->mtu.claim != 0);
    from(&t->mtu.excuse_end, iss, t->mtu.excused);
    from(&t->verify.start, iss, t->verify.withheld);
    from(&t->verify.since, iss, true);
    from_now(v, &t->mtu.look_at);
    t->mtu.epoch -= v->s->paths.epoch; /* compared with the table's for equality */
    us_from_now(v, &t->rack.sent_us, t->rack.valid);
    from(&t->rack.end, iss, t->rack.valid);
    from(&t->rack.fack, iss, true);
    from(&t->rack.dsack_round, iss, t->rack.in_dsack_round);
    from(&t->rack.probe_end, iss, t->rack.probe_out);
    from_now(v, &t->rack.reorder_at);
    from_now(v, &t->rack.probe_at);
    ms_from_now(v, &t->undo.tsval, t->undo.has_tsval);
    from(&t->undo.una, iss, t->undo.active);
    from(&t->undo.undone_at, iss, t->undo.was_undone);
}

static void clear_holes(struct tcp_transfer *t)
{
    typedef struct tcp_transfer T;
    clear(t, END_OF(T, cc.round.css_rounds), offsetof(T, cc.credit));
    clear(t, END_OF(T, cc.saved.plateau), offsetof(T, mtu));
    clear(t, END_OF(T, mtu.cut), offsetof(T, mtu.excuse_end));
    clear(t, END_OF(T, mtu.excuse_end), offsetof(T, rack));
    clear(t, END_OF(T, rack.probe_spent), offsetof(T, prr));
    clear(t, END_OF(T, verify.withheld), offsetof(T, timer));
    const bool bits[] = {t->urgent, t->timing, t->has_rest, t->rescued, t->fast_open_grants};
    clear(t, END_OF(T, paced), offsetof(T, fast_open)); /* they do not fill their byte */
    t->urgent = bits[0];
    t->timing = bits[1];
    t->has_rest = bits[2];
    t->rescued = bits[3];
    t->fast_open_grants = bits[4];
    clear(t, END_OF(T, fast_open), offsetof(T, why));
    clear(t, END_OF(T, listener_generation), sizeof(T));
}

static void add_transfer(struct view *v, const struct tcp_conn *c)
{
    struct tcp_transfer *original = transfer_of(v->s, c);
    if (original == NULL)
        return;
    struct tcp_transfer t = *original;
    struct seq iss = c->snd.iss;
    add_flight(v, &original->flight, iss);
    add_buffer_bytes(v, &original->send, 0, original->send.length);
    flight_to_places(v, &t.flight, iss);
    buffer_to_length(&t.send);
    from(&t.up, iss, t.urgent);
    from(&t.small, iss, true);
    from(&t.recover, iss, true);
    from(&t.ecn_end, iss, t.ecn_answered);
    from(&t.disorder_end, iss, true);
    from(&t.timed, iss, t.timing);
    from(&t.rest, iss, t.has_rest);
    t.timed_at = t.timing ? t.timed_at - v->s->now : 0;
    from_now(v, &t.deadline);
    from_now(v, &t.rto_at);
    t.progress -= v->s->now;
    t.last_sent -= v->s->now;
    from_now(v, &t.pace_at);
    t.pace_at = v->s->config.pacing ? t.pace_at : 0;
    from_now(v, &t.ecn_hold);
    t.rtt_min_since = min_u32(v->now_ms - t.rtt_min_since, RTT_MIN_WINDOW_MS);
    t.why = 0;
    t.listener_generation = 0;
    recovery_from(v, &t, iss);
    clear_holes(&t);
    add_bytes(&v->digest, &t, sizeof t);
}

/* ---- what waits behind a hole ---- */

static void add_reassembly(struct view *v, const struct tcp_conn *c)
{
    const struct tcp_reassembly *original = reassembly_of(v->s, c);
    if (original == NULL)
        return;
    struct tcp_reassembly r = *original;
    struct seq at = c->rcv.nxt;
    struct range range;
    while (ranges_find(&v->s->ranges, &original->held, at, &range)) {
        uint32_t offset = seq_distance(c->rcv.nxt, range.left);
        uint32_t size = seq_distance(range.left, range.right);
        add(&v->digest, (uint64_t)offset << 32 | size);
        add_buffer_bytes(v, &c->receive, c->receive.length + offset, size);
        at = range.right;
    }
    r.held.root = 0;
    for (unsigned i = 0; i < TCP_RECENT_MAX; i++)
        from(&r.recent[i], c->rcv.irs, i < r.recent_count);
    from(&r.fin, c->rcv.irs, r.has_fin);
    from(&r.duplicate.left, c->rcv.irs, r.has_duplicate);
    from(&r.duplicate.right, c->rcv.irs, r.has_duplicate);
    clear(&r, END_OF(struct tcp_reassembly, recent_count), sizeof r);
    add_bytes(&v->digest, &r, sizeof r);
}

static void add_accurate_ecn(struct view *v, const struct tcp_conn *c)
{
    const struct tcp_accurate_ecn *original = tcp_accecn_of(v->s, c);
    if (original == NULL)
        return;
    struct tcp_accurate_ecn record = *original;
    record.challenge_from = 0; /* hashed with the connection's limiter */
    record.marks_received = record.marks_reported = 0;
    add_bytes(&v->digest, &record, sizeof record);
}

/* ---- a connection ---- */

static void numbers_from(const struct view *v, struct tcp_conn *c)
{
    struct seq iss = c->snd.iss, irs = c->rcv.irs;
    bool knows_peer = c->state > DUET_SYN_SENT;
    from(&c->snd.una, iss, true);
    from(&c->snd.nxt, iss, true);
    from(&c->snd.wl2, iss, knows_peer);
    from(&c->snd.wl1, irs, knows_peer);
    from(&c->rcv.nxt, irs, knows_peer);
    from(&c->rcv.adv, irs, knows_peer);
    from(&c->rcv.acked, irs, knows_peer);
    from(&c->rcv.up, irs, knows_peer);
    from(&c->tuned_to, irs, v->s->config.autotune);
    from_base(&c->snd.iss, &v->base->sent);
    if (knows_peer)
        from_base(&c->rcv.irs, &v->base->received);
}

static void limiters_from_now(const struct view *v, struct tcp_conn *c)
{
    uint32_t spacing = (uint32_t)(v->s->config.invalid_ack_spacing / DUET_MILLISECOND);
    uint32_t interval = (uint32_t)(v->s->config.challenge_interval / DUET_MILLISECOND);
    const uint32_t *from_ms = tcp_accecn_challenge_from(v->s, c); /* here or in its record */
    if (c->challenges == 0 || v->now_ms - *from_ms >= interval)
        c->challenges = 0;
    bool is_spaced = c->invalid_ack_at != 0 && v->now_ms - c->invalid_ack_at < spacing;
    c->invalid_ack_at = is_spaced ? c->invalid_ack_at - v->now_ms - 1 : 0; /* never 0 if it is */
    uint32_t since = c->challenges == 0 ? 0 : *from_ms - v->now_ms;
    c->challenge_from = since;
}

/* Is there a timer that counts from the peer's last sign of life? If not, only the 24 days are, after
 * which a timestamp is too old to compare with (RFC 7323, 5.5): days do. */
static bool heard_decides(const struct tcp_conn *c)
{
    bool fin_waits = (c->flags & TCP_CONN_FIN_WANTED) != 0 && c->transfer == POOL_NONE;
    return (c->flags & TCP_CONN_KEEPALIVE) != 0 || c->state == DUET_TIME_WAIT || fin_waits;
}

static void times_from_now(const struct view *v, struct tcp_conn *c)
{
    uint32_t longest_rto_ms = (uint32_t)(v->s->config.rto_max / DUET_MILLISECOND);
    limiters_from_now(v, c);
    us_from_now(v, &c->delayed_ack_us, (c->flags & TCP_CONN_ACK_DELAYED) != 0);
    ms_from_now(v, &c->ts_recent, (c->flags & TCP_CONN_TIMESTAMPS) != 0);
    if ((c->flags & TCP_CONN_UNACCEPTED) == 0)
        c->sent_at = min_u32(v->now_ms - c->sent_at, longest_rto_ms + 1);
    if (heard_decides(c))
        c->heard -= v->s->now;
    else
        c->heard = (v->s->now - c->heard) / (86400 * DUET_SECOND);
    c->tuned_at =
        v->s->config.autotune ? (uint16_t)(c->tuned_at - v->s->now / (4 * DUET_MILLISECOND)) : 0;
}

static void names_to_bits(struct tcp_conn *c)
{
    bool is_armed = c->timer.next != WHEEL_OFF;
    c->timer.next = is_armed;
    c->timer.prev = 0;
    if (!is_armed)
        c->timer.deadline = 0;
    link_to_bit(&c->owing);
    link_to_bit(&c->telling);
    c->transfer = c->transfer != POOL_NONE;
    c->reassembly = c->reassembly != POOL_NONE;
    c->generation = 0;
    c->rule = 0;
    c->why = 0;
    c->retransmitted = 0;
    buffer_to_length(&c->receive);
}

/* What is left when nothing can happen to it any more but calls of its user. */
static struct tcp_conn outcome_of(const struct tcp_conn *c)
{
    return (struct tcp_conn){
        .state = c->state,
        .error = c->error,
        .flags = c->flags,
        .left = {c->left.unacknowledged, c->left.unread},
        .receive = c->receive,
        .transfer = POOL_NONE,
        .reassembly = POOL_NONE,
        .events = c->events,
        .owing = c->owing,
        .telling = c->telling,
        .timer = c->timer,
    };
}

/* What is noted on the wheel counts as carried out. */
static void timer_as_told(const struct view *v, const struct tcp_conn *original, struct tcp_conn *c)
{
    uint32_t index = conn_index(v->s, original);
    c->timer.next = wheel_is_armed(&v->s->wheel, index) ? WHEEL_NONE : WHEEL_OFF;
    c->timer.deadline = wheel_armed_for(&v->s->wheel, index);
}

uint64_t canonical_conn(struct view v, const struct tcp_conn *original)
{
    bool has_ended = original->state == DUET_CLOSED || (original->flags & TCP_CONN_DETACHED) != 0;
    struct tcp_conn c = has_ended ? outcome_of(original) : *original;
    v.digest.sum = 0;
    timer_as_told(&v, original, &c);
    add_buffer_bytes(&v, &original->receive, 0, original->receive.length);
    if (!has_ended) {
        add_transfer(&v, original);
        add_reassembly(&v, original);
        add_accurate_ecn(&v, original);
        times_from_now(&v, &c);
        from_now(&v, &c.timer.deadline);
        numbers_from(&v, &c);
    }
    names_to_bits(&c);
    clear(&c, END_OF(struct tcp_conn, telling), offsetof(struct tcp_conn, timer));
    add_bytes(&v.digest, &c, sizeof c);
    return settled(&v.digest);
}
