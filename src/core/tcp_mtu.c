/* SPDX-License-Identifier: MIT */
/* Path MTU discovery (tcp_mtu.h).
 *
 * Theory of operation. A connection sends packets of at most c->mtu bytes, its copy of what the path
 * cache knows (path.c has the bounds of the search). It learns in three ways.
 *
 *   packet too big   Anybody can forge one that quotes a sequence number in flight. For a size that
 *                    was never acknowledged it is believed at once; where such a size did arrive,
 *                    the claim waits until a timeout of what it quotes confirms it (RFC 5927, 7.2).
 *                    What was in flight is sent again once, in smaller segments, whatever the number
 *                    of messages; that is no congestion.
 *   probes           While the path MTU is below what link and peer take: one segment of new data,
 *                    larger than the MSS. Acknowledged, segments grow to its size. Lost while
 *                    nothing beside it was, it counts against that size, and the congestion window
 *                    stays: the search goes on below (path.c). Lost with others, it tells
 *                    nothing. On the average of the search and the rest after it, as many round
 *                    trips as cwnd has segments lie between such losses, so that responses to
 *                    congestion are never suppressed more often than additive increase would pay
 *                    for (RFC 4821, 4).
 *   timeouts         A segment of more than the base that times out again and again, while nothing
 *                    says why, is taken to be in a black hole (RFC 4821, 7.7): after R1 timeouts if
 *                    segments of its size have arrived before, after two if none has.
 *
 * A probe leaves only if everything in flight is well, and if three segments can follow it, so that
 * its loss is found without a timeout (7.4). Where the congestion window is used up it waits for
 * room, while three segments are in flight; this costs no more than its own size.
 *
 * When segments shrink, cwnd shrinks in proportion, so that the number of segments in flight does
 * not grow (RFC 5681, 3.1); when they grow it stays (RFC 4821, 4).
 *
 * This file knows what was lost and what has arrived, not how that was found out.
 */
#include "core/tcp_mtu.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/cold.h"
#include "core/state.h"

enum { BEHIND_PROBE = 3 };         /* segments: as many as make a fast retransmission */
enum { TIMEOUTS_IF_UNPROVEN = 2 }; /* of a size that never arrived: a black hole */

/* ---- sizes ---- */

/* Most that link and peer take, and that a limit of the user allows. */
static uint16_t limit_of(const struct duet_stack *s, const struct tcp_conn *c)
{
    if (conn_is(c, TCP_CONN_MSS_SET))
        return c->mtu;
    uint32_t peer = (uint32_t)c->peer_mss + ip_header_size(&c->tuple.remote) + TCP_HEADER;
    return (uint16_t)min_u32(peer, s->config.mtu);
}

/* Packets of this size are known to arrive. */
static uint16_t proven_size(const struct tcp_conn *c, const struct tcp_transfer *t)
{
    if (!conn_is(c, TCP_CONN_MTU_PROVEN))
        return t->mtu.size_acked;
    return (uint16_t)max_u32(t->mtu.size_acked, tcp_headers_of(c) + tcp_send_mss(c));
}

/* ---- following the path ---- */

/* What is lost of [SND.UNA, SND.NXT) was too large: no response to congestion until all of it is
 * acknowledged, unless something else is lost as well. */
static void excuse(const struct tcp_conn *c, struct tcp_transfer *t, bool cut)
{
    t->mtu.excused = true;
    t->mtu.cut = cut;
    t->mtu.excuse_end = c->snd.nxt;
}

void tcp_mtu_excuse(const struct tcp_conn *c, struct tcp_transfer *t)
{
    excuse(c, t, false);
}

/* What is in flight is too large: cut and sent again. */
static void send_again_smaller(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    t->timing = false; /* Karn */
    (void)flight_cut(s, c, tcp_send_mss(c));
    if (t->flight.lost > 0 && t->phase == TCP_PHASE_OPEN)
        excuse(c, t, true);
}

static void shrink(struct duet_stack *s, struct tcp_conn *c, uint16_t mtu, enum tcp_rule why)
{
    struct tcp_transfer *t = transfer_of(s, c);
    uint32_t old_mss = tcp_send_mss(c);
    c->mtu = mtu;
    uint32_t mss = tcp_send_mss(c);
    tcp_cc_lower(s, c, max_u32(mss, (uint32_t)((uint64_t)c->cwnd * mss / old_mss)));
    c->flags &= ~(uint32_t)TCP_CONN_MTU_PROVEN;
    t->mtu.size_sent = (uint16_t)min_u32(t->mtu.size_sent, mtu);
    t->mtu.size_acked = (uint16_t)min_u32(t->mtu.size_acked, mtu);
    t->mtu.probing = t->mtu.judging = t->mtu.others_lost = false;
    tcp_rule(s, c, why, NULL);
    /* An MSS set by the user bounds the steps of the window, too; the caller has the ACK sent. */
    if (tcp_receive_window_moved(s, c))
        c->owes |= TCP_OWES_ACK;
    send_again_smaller(s, c);
}

/* cwnd in bytes stays; a window of less than one segment has to grow first, and so has the one that
 * recovery will end with. */
static void grow(struct duet_stack *s, struct tcp_conn *c, uint16_t mtu)
{
    uint16_t old = c->mtu;
    c->mtu = mtu;
    if (min_u32(c->cwnd, c->ssthresh) >= tcp_send_mss(c)) {
        c->flags &= ~(uint32_t)TCP_CONN_MTU_PROVEN;
        tcp_rule(s, c, TCP_RULE_MTU_RAISED, NULL);
        return;
    }
    c->mtu = old;
    transfer_at(s, c)->mtu.look_at = s->now;
}

/* why: the reason if segments have to shrink. True: they do, and data is owed. */
static COLD bool follow(struct duet_stack *s, struct tcp_conn *c, enum tcp_rule why)
{
    struct tcp_mtu_memory *m = &transfer_at(s, c)->mtu;
    const struct path *path = path_find(s, &c->tuple.remote);
    m->epoch = s->paths.epoch;
    m->look_at = path == NULL ? DUET_NEVER : path->again_at;
    if (path == NULL)
        return false;
    uint16_t mtu = (uint16_t)min_u32(path->mtu, limit_of(s, c));
    if (mtu > c->mtu)
        grow(s, c, mtu);
    if (mtu >= c->mtu)
        return false;
    shrink(s, c, mtu, why);
    return true;
}

static bool refresh(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_transfer *t = transfer_of(s, c);
    if (t == NULL || c->state <= DUET_SYN_RECEIVED)
        return false;
    if (t->mtu.epoch == s->paths.epoch && s->now < t->mtu.look_at)
        return false;
    if (s->paths.used == 0) { /* nothing is known of any path */
        t->mtu.epoch = s->paths.epoch;
        t->mtu.look_at = DUET_NEVER;
        return false;
    }
    return follow(s, c, TCP_RULE_MTU_FOLLOWS_PATH);
}

void tcp_mtu_refresh(struct duet_stack *s, struct tcp_conn *c)
{
    if (refresh(s, c))
        c->owes |= TCP_OWES_DATA; /* it is being served: not on the list of those who owe */
}

bool tcp_mtu_rests(const struct duet_stack *s, const struct tcp_conn *c)
{
    return !s->config.plpmtud || c->mtu >= limit_of(s, c);
}

void tcp_mtu_sent(struct duet_stack *s, struct tcp_conn *c, struct seq start, struct seq end)
{
    struct tcp_mtu_memory *m = &transfer_at(s, c)->mtu;
    uint32_t size = tcp_packet_size(c, start, end);
    if (c->state <= DUET_SYN_RECEIVED) /* Fast Open: the peer's MSS may not be known yet */
        size = min_u32(tcp_headers_of(c) + TCP_OPTIONS_MAX + seq_distance(start, end), c->mtu);
    m->size_sent = (uint16_t)max_u32(m->size_sent, size);
}

/* ---- probes (RFC 4821, 7) ---- */

/* Nothing is missing, and no other probe is unresolved (7.4). */
static bool is_well(const struct tcp_transfer *t)
{
    return !t->mtu.probing && !t->mtu.judging && !t->verify.withheld && t->retransmissions == 0 &&
           t->dupacks == 0 && t->phase == TCP_PHASE_OPEN && t->flight.lost == 0 &&
           t->flight.sacked == 0;
}

bool tcp_mtu_is_well(const struct tcp_transfer *t)
{
    return is_well(t);
}

/* Size of the packet that ought to be tried next; 0: none. */
static uint16_t wanted_size(const struct duet_stack *s, const struct tcp_conn *c)
{
    uint16_t limit = limit_of(s, c);
    if (!s->config.plpmtud || c->mtu >= limit)
        return 0;
    const struct path *path = path_peek(s, &c->tuple.remote);
    if (path == NULL) /* a cautious start; or what was known gave way to others: stay */
        return c->mtu == path_default(s, &c->tuple.remote) ? limit : 0;
    uint16_t size = path_next_probe(s, path, limit);
    return size > c->mtu ? size : 0;
}

/* Text of the probe that is wanted and could be followed by enough; 0: none. */
static uint32_t wanted_probe(const struct duet_stack *s, const struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    if (t == NULL || c->state <= DUET_SYN_RECEIVED || !is_well(t))
        return 0;
    uint32_t size = wanted_size(s, c);
    if (size == 0 || tcp_user_timeout_room(c) != 0) /* the option would not fit beside the text */
        return 0;
    uint32_t text = size - tcp_headers_of(c);
    uint32_t with_others = text + BEHIND_PROBE * (uint32_t)tcp_send_mss(c);
    struct seq end = tcp_send_end(s, c);
    struct seq right = seq_add(c->snd.una, c->snd.wnd);
    bool has_data = seq_lt(c->snd.nxt, end) && seq_distance(c->snd.nxt, end) >= with_others;
    bool has_window = seq_lt(c->snd.nxt, right) && seq_distance(c->snd.nxt, right) >= with_others;
    return has_data && has_window && c->cwnd >= with_others ? text : 0;
}

uint32_t tcp_mtu_probe_size(const struct duet_stack *s, const struct tcp_conn *c)
{
    return wanted_probe(s, c);
}

bool tcp_mtu_probe_waits(const struct duet_stack *s, const struct tcp_conn *c)
{
    uint32_t text = wanted_probe(s, c);
    return text != 0 && tcp_flight(c) + text > c->cwnd;
}

void tcp_mtu_probe_sent(struct duet_stack *s, struct tcp_conn *c, struct seq start, struct seq end)
{
    struct tcp_mtu_memory *m = &transfer_at(s, c)->mtu;
    m->probing = true;
    m->others_lost = false;
    m->probe_start = start;
    m->probe_end = end;
    m->probe = (uint16_t)(tcp_headers_of(c) + seq_distance(start, end));
    m->size_sent = (uint16_t)max_u32(m->size_sent, m->probe);
    path_obtain(s, &c->tuple.remote);
}

/* A probe did not get through: a round trip for each segment of the window (RFC 4821, 4). */
static void space_probes(const struct duet_stack *s, const struct tcp_conn *c, struct path *path)
{
    uint32_t in_use = min_u32(c->cwnd, c->snd.wnd_max); /* no more of the window can be */
    uint64_t trips = max_u32(1, in_use / tcp_send_mss(c));
    path_space_probes(s, path, (duet_time)(trips * (c->srtt_us >> 3)) * DUET_MICROSECOND);
}

/* The lost probe has been sent again and arrived; alone tells whether it was the only loss. */
static void judge(struct duet_stack *s, struct tcp_conn *c, bool alone)
{
    struct tcp_mtu_memory *m = &transfer_at(s, c)->mtu;
    struct path *path = path_find(s, &c->tuple.remote);
    m->probing = m->judging = m->others_lost = false;
    if (path == NULL)
        return;
    tcp_rule(s, c, alone ? TCP_RULE_MTU_PROBE_FAILED : TCP_RULE_MTU_PROBE_INCONCLUSIVE, NULL);
    if (alone)
        path_probe_failed(s, path, m->probe);
    space_probes(s, c, path);
}

static void probe_arrived(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_mtu_memory *m = &transfer_at(s, c)->mtu;
    struct path *path = path_find(s, &c->tuple.remote);
    m->probing = m->others_lost = false;
    m->size_acked = (uint16_t)max_u32(m->size_acked, m->probe);
    tcp_rule(s, c, TCP_RULE_MTU_PROBE_ACKED, NULL);
    if (path == NULL) /* it gave way to others meanwhile */
        return;
    path_raise(s, path, m->probe);
    follow(s, c, TCP_RULE_MTU_FOLLOWS_PATH);
    if (c->mtu == m->probe)
        c->flags |= TCP_CONN_MTU_PROVEN;
}

/* ---- what becomes of what was sent ---- */

void tcp_mtu_delivered(struct duet_stack *s, struct tcp_conn *c, struct seq left, struct seq right)
{
    struct tcp_mtu_memory *m = &transfer_at(s, c)->mtu;
    uint16_t size = tcp_packet_size(c, left, right);
    m->size_acked = (uint16_t)max_u32(m->size_acked, size);
    if (seq_distance(left, right) >= tcp_send_mss(c))
        c->flags |= TCP_CONN_MTU_PROVEN;
    if (m->probing && seq_le(left, m->probe_start) && seq_le(m->probe_end, right))
        probe_arrived(s, c);
}

/* Text of the largest segment that is no probe, when no options but timestamps take room from it. */
static uint32_t most_text(const struct tcp_conn *c)
{
    uint32_t peer = (uint32_t)c->peer_mss - (conn_is(c, TCP_CONN_TIMESTAMPS) ? 12 : 0);
    return min_u32(peer, c->mtu - tcp_headers_of(c));
}

void tcp_mtu_lost(struct duet_stack *s, struct tcp_conn *c, const struct flight_segment *segment)
{
    struct tcp_mtu_memory *m = &transfer_at(s, c)->mtu;
    bool is_probe =
        m->probing && seq_lt(segment->start, m->probe_end) && seq_lt(m->probe_start, segment->end);
    bool was_too_large =
        m->cut && (segment->flags & FLIGHT_AGAIN) == 0 && seq_le(segment->end, m->excuse_end);
    if (!is_probe) {
        m->others_lost = true;
        if (!was_too_large)
            m->excused = m->cut = false;
        return;
    }
    m->probing = false;
    m->judging = true;
    m->judged_at = c->snd.nxt;
    count_rule(s, TCP_RULE_MTU_PROBE_LOST);
    (void)flight_cut(s, c, most_text(c));
    if (!m->others_lost)
        tcp_mtu_excuse(c, transfer_of(s, c));
}

void tcp_mtu_acked(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_mtu_memory *m = &transfer_at(s, c)->mtu;
    if (m->judging && seq_le(m->judged_at, c->snd.una))
        judge(s, c, !m->others_lost);
    if (m->probing && seq_le(m->probe_end, c->snd.una))
        m->probing = false; /* it was cut on its way: that it has arrived proves nothing */
    if (m->excused && seq_le(m->excuse_end, c->snd.una))
        m->excused = m->cut = false;
    if (m->claim != 0 && seq_lt(m->claim_seq, c->snd.una))
        m->claim = 0; /* what it called too big has arrived */
}

/* ---- timeouts ---- */

static void believe(struct duet_stack *s, struct tcp_conn *c, uint16_t mtu, enum tcp_rule why)
{
    path_lower(s, &c->tuple.remote, mtu);
    if (c->state <= DUET_SYN_RECEIVED)
        tcp_rule(s, c, why, NULL); /* followed once the connection is open */
    else if (follow(s, c, why))
        tcp_owe(s, c, TCP_OWES_DATA, why);
}

/* The segment at SND.UNA, sent again and again: too large for the path? (RFC 4821, 7.7) */
static void check_black_hole(struct duet_stack *s, struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    uint16_t size = tcp_packet_size(c, c->snd.una, c->snd.nxt);
    uint16_t base = path_base(s, &c->tuple.remote);
    bool is_large = size > base || (c->mtu <= base && tcp_flight(c) >= tcp_send_mss(c));
    uint32_t least = proven_size(c, t) < size ? TIMEOUTS_IF_UNPROVEN : s->config.r1_retransmissions;
    if (!s->config.plpmtud || !is_large || t->retransmissions < least)
        return;
    if (path_black_hole(s, &c->tuple.remote, size))
        follow(s, c, TCP_RULE_MTU_BLACK_HOLE);
}

void tcp_mtu_timeout(struct duet_stack *s, struct tcp_conn *c)
{
    struct tcp_mtu_memory *m = &transfer_at(s, c)->mtu;
    bool probing = m->probing;
    m->excused = m->cut = false;
    if (m->probing || m->judging)
        judge(s, c, m->probing && seq_eq(m->probe_start, c->snd.una));
    if (probing)
        (void)flight_cut(s, c, most_text(c));
    uint16_t claim = m->claim;
    m->claim = 0;
    if (claim != 0)
        believe(s, c, claim, TCP_RULE_ICMP_MTU_CONFIRMED);
    else
        check_black_hole(s, c);
}

/* ---- packet too big ---- */

/* The largest packet that the claim can be about (RFC 5927, 7.2): the probe, or one of the others. */
static uint32_t size_in_question(const struct tcp_conn *c, const struct tcp_mtu_memory *m,
                                 const struct tcp_mtu_claim *claim)
{
    bool is_probe = m->probing && seq_le(m->probe_start, claim->quoted_seq) &&
                    seq_lt(claim->quoted_seq, m->probe_end);
    uint32_t largest = is_probe ? m->probe : min_u32(m->size_sent, c->mtu);
    return min_u32(claim->quoted_size, largest);
}

/* RFC 1191, 7: a router of before 1990 does not say; the MTUs that links have had since. */
static uint16_t plateau_below(uint32_t size)
{
    static const uint16_t plateaus[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006};
    for (unsigned i = 0; i < sizeof plateaus / sizeof plateaus[0]; i++)
        if (plateaus[i] < size)
            return plateaus[i];
    return 0; /* the floor */
}

void tcp_mtu_claimed(struct duet_stack *s, struct tcp_conn *c, const struct tcp_mtu_claim *claim)
{
    struct tcp_mtu_memory *m = &transfer_at(s, c)->mtu;
    bool is_ipv4 = address_is_ipv4(&c->tuple.remote);
    if (!is_ipv4 && claim->mtu < PATH_FLOOR_IPV6) { /* RFC 8201, 4: no link carries less */
        tcp_rule(s, c, TCP_RULE_ICMP_MTU_BELOW_MINIMUM, NULL);
        return;
    }
    if (refresh(s, c))
        tcp_owe(s, c, TCP_OWES_DATA, TCP_RULE_MTU_FOLLOWS_PATH);
    uint32_t size = size_in_question(c, m, claim);
    uint32_t said = claim->mtu == 0 ? plateau_below(size) : claim->mtu;
    said = max_u32(said, path_floor(s, &c->tuple.remote));
    if (said >= size) { /* RFC 5927, 7.2: no packet of ours was larger */
        tcp_rule(s, c, TCP_RULE_ICMP_MTU_NOT_LOWER, NULL);
    } else if (said >= c->mtu) {
        path_lower(s, &c->tuple.remote, (uint16_t)said);
        tcp_rule(s, c, TCP_RULE_ICMP_MTU_OF_PROBE, NULL);
    } else if (said < proven_size(c, transfer_of(s, c))) {
        m->claim = (uint16_t)max_u32(m->claim, said);
        m->claim_seq = claim->quoted_seq;
        tcp_rule(s, c, TCP_RULE_ICMP_MTU_UNCONFIRMED, NULL);
    } else {
        believe(s, c, (uint16_t)said, TCP_RULE_ICMP_MTU_LOWERED);
    }
}
