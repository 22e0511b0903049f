/* SPDX-License-Identifier: MIT */
/* The invariants of a stack as code: what must hold between any two doors or calls, whatever the
 * network and the user do. Numbered as in docs/INVARIANTS.md. A violation is a bug of duet, never
 * of its input.
 *
 *   tcp_check_conn.c   of one connection, what costs nothing: in every build, after every door
 *   tcp_check_all.c    of one connection, the rest
 *   here               of tables, rings, listeners and pools
 *   tcp_watch.c        what needs a memory of the door before (config.watch)
 */
#include "base/check.h"
#include "core/config.h"
#include "core/user.h"

/* What a walk over the stack adds up, to be compared with what the pools and tables say. */
struct totals {
    uint32_t conns, transfers, reassemblies, ranges, accurate_ecn, indexes, pages, in_table,
        attempts, armed, owing, telling, beyond;
};

static void add_buffer(const struct duet_stack *s, const struct buffer *buffer,
                       struct totals *totals)
{
    totals->indexes += buffer_has_record(buffer);
    totals->pages += buffer_pages(&s->buffers, buffer);
    totals->beyond += buffer_beyond(&s->buffers, buffer);
}

static void add_conn(const struct duet_stack *s, const struct tcp_conn *c, struct totals *totals)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    totals->conns++;
    totals->transfers += t != NULL;
    const struct tcp_reassembly *r = reassembly_of(s, c);
    totals->reassemblies += r != NULL;
    totals->ranges += r == NULL ? 0 : r->held.count;
    totals->accurate_ecn += tcp_accecn_of(s, c) != NULL;
    totals->in_table += conn_is(c, TCP_CONN_IN_TABLE);
    totals->armed += wheel_is_armed(&s->wheel, conn_index(s, c));
    totals->owing += list_has(&s->owing, conn_index(s, c));
    totals->telling += !conn_is(c, TCP_CONN_UNACCEPTED) && list_has(&s->telling, conn_index(s, c));
    totals->attempts += tcp_fast_open_is_counted(s, c);
    add_buffer(s, &c->receive, totals);
    if (t == NULL)
        return;
    add_buffer(s, &t->send, totals);
    add_buffer(s, &t->flight.ring, totals);
}

static const char *check_conns(const struct duet_stack *s, struct totals *totals)
{
    for (uint32_t i = 0; i < s->conns.fresh; i++) {
        const struct tcp_conn *c = conn_at(s, i);
        if (c->generation == 0)
            continue;
        const char *broken = tcp_conn_check_all(s, c);
        if (broken != NULL)
            return broken;
        if (c->generation >= s->generation && s->generation > s->conns.fresh)
            return "I-30: a connection of a generation that has not begun";
        add_conn(s, c, totals);
    }
    return NULL;
}

static uint32_t echo_pages(const struct duet_stack *s)
{
    uint32_t pages = 0;
    for (uint64_t at = s->replies.head; at < s->replies.tail; at++)
        pages += s->replies.records[at % s->replies.capacity].page != POOL_NONE;
    return pages;
}

static bool leads_to(const struct duet_stack *s, const struct tcp_tuple *tuple,
                     enum demux_kind kind, uint64_t index)
{
    struct demux_ref ref = demux_find(s, tuple);
    return ref.kind == kind && ref.index == index;
}

static const char *check_half_open(const struct duet_stack *s)
{
    const struct age_ring *age = &s->half_open.age;
    uint32_t alive = 0;
    if (age->tail - age->head > age->capacity)
        return "I-49: half-open records are miscounted";
    for (uint64_t at = age->head; at < age->tail; at++) {
        const struct tcp_half_open *half = &s->half_open.records[at % age->capacity];
        if ((half->flags & TCP_HALF_OPEN_ALIVE) == 0)
            continue;
        alive++;
        if (!leads_to(s, &half->tuple, DEMUX_HALF_OPEN, at % age->capacity))
            return "I-50: the pair of sockets does not lead to its half-open record";
    }
    return alive == age->alive ? NULL : "I-49: half-open records are miscounted";
}

/* In order of expiry, none of it farther away than twice the MSL and the microsecond that a record
 * rounds up. */
static const char *check_time_wait(const struct duet_stack *s)
{
    const struct age_ring *age = &s->time_wait.age;
    uint32_t alive = 0;
    int64_t last = INT64_MIN;
    int64_t limit = (s->now + 2 * s->config.msl) / DUET_MICROSECOND + 1;
    if (age->tail - age->head > age->capacity)
        return "I-51: TIME-WAIT records are miscounted";
    for (uint64_t at = age->head; at < age->tail; at++) {
        const struct tcp_time_wait *record = &s->time_wait.records[at % age->capacity];
        if ((record->flags & TCP_TIME_WAIT_ALIVE) == 0)
            continue;
        int64_t expires = age_ring_clock(age, record->expires_us);
        alive++;
        if (expires < last || expires > limit)
            return "I-27: TIME-WAIT records are out of order, or wait longer than twice the MSL";
        if (!leads_to(s, &record->tuple, DEMUX_TIME_WAIT, at % age->capacity))
            return "I-50: the pair of sockets does not lead to its TIME-WAIT record";
        last = expires;
    }
    return alive == age->alive ? NULL : "I-51: TIME-WAIT records are miscounted";
}

static const char *check_small_lives(const struct duet_stack *s)
{
    const char *broken = check_half_open(s);
    return broken != NULL ? broken : check_time_wait(s);
}

/* Who waits for accept is open, or has begun with a cookie, and belongs to nobody yet. */
static const char *check_accept_queue(const struct duet_stack *s, const struct tcp_listener *l)
{
    uint32_t left = l->queue.count;
    for (uint32_t i = l->queue.first; i != LIST_NONE && left > 0; left--) {
        const struct tcp_conn *c = conn_at(s, i);
        bool is_begun = c->state >= DUET_ESTABLISHED || tcp_fast_open_is_attempt(s, c);
        bool is_dead = c->state == DUET_CLOSED && c->receive.length > 0;
        if (!conn_is(c, TCP_CONN_UNACCEPTED) || conn_is(c, TCP_CONN_USER_GONE) ||
            (!is_begun && !is_dead))
            return "I-49: somebody waits for accept who is not open, or not for the first time";
        i = c->telling.next;
    }
    return list_is_sound(&l->queue) ? NULL : "I-49: an accept queue is broken";
}

static const char *check_listeners(const struct duet_stack *s, const struct totals *totals)
{
    uint32_t attempts = 0;
    for (uint32_t i = 0; i < s->config.listeners_max; i++) {
        const struct tcp_listener *listener = &s->listeners[i];
        if (!listener->used)
            continue;
        if (listener->queue.count > listener->backlog)
            return "I-49: more wait for accept than the backlog allows";
        if (listener->fast_open_pending > listener->fast_open_max)
            return "I-49: more have begun without a handshake than the listener allows";
        attempts += listener->fast_open_pending;
        const char *broken = check_accept_queue(s, listener);
        if (broken != NULL)
            return broken;
    }
    return attempts == totals->attempts ? NULL
                                        : "I-49: attempts without a handshake are miscounted";
}

static const char *check_paths(const struct duet_stack *s)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < s->paths.sets * PATH_WAYS; i++) {
        const struct path *path = &s->paths.records[i];
        if (!path->is_used)
            continue;
        used++;
        if (path->search_low < path_floor(s, &path->remote) || path->search_low > path->mtu ||
            path->mtu > path->search_high || path->search_high > s->config.mtu)
            return "I-45: a path MTU lies outside what is searched, or below the floor";
    }
    return used == s->paths.used ? NULL : "I-52: records of paths are miscounted";
}

/* Timers, debts and events: each on its wheel or list once, and nothing else. */
static const char *check_lists(const struct duet_stack *s, const struct totals *totals)
{
    if (!wheel_is_sound(&s->wheel) || totals->armed != wheel_armed(&s->wheel))
        return "I-32: a timer is in no slot, in a wrong one, or in two";
    if (wheel_deadline(&s->wheel) < DUET_NEVER && wheel_armed(&s->wheel) == 0)
        return "I-32: an empty wheel has a deadline";
    if (!list_is_sound(&s->owing) || totals->owing != s->owing.count)
        return "I-31: the list of those who owe is broken";
    if (!list_is_sound(&s->telling) || totals->telling != s->telling.count)
        return "I-55: the list of those who have events is broken";
    return NULL;
}

/* What is counted twice is counted alike (I-56). */
static const char *check_counters(const struct duet_stack *s)
{
    const struct duet_counters *n = &s->counters;
    if (n->segments_in > n->packets_in || n->segments_out > n->packets_out)
        return "I-56: more segments than packets";
    if (n->segments_retransmitted > n->segments_out)
        return "I-56: more was sent again than was sent";
    if (n->half_open != s->half_open.age.alive || n->time_wait != s->time_wait.age.alive)
        return "I-56: records are counted in two ways that differ";
    return NULL;
}

static const char *check_totals(const struct duet_stack *s, const struct totals *totals)
{
    if (totals->conns != s->conns.used || totals->conns != s->counters.connections)
        return "I-52: connection records are miscounted";
    if (totals->transfers != s->transfers.used || totals->reassemblies != s->reassemblies.used ||
        totals->accurate_ecn != s->accurate_ecn.used)
        return "I-52: borrowed records are miscounted";
    if (totals->ranges != ranges_used(&s->ranges))
        return "I-52: ranges held are miscounted";
    if (totals->indexes != s->buffers.indexes.used)
        return "I-52: buffer indexes are miscounted";
    if (totals->pages + echo_pages(s) != s->buffers.pages.used)
        return "I-52: pages are miscounted";
    if (totals->beyond != s->buffers.beyond)
        return "I-52: pages beyond the shares of buffers are miscounted";
    if (totals->in_table + s->half_open.age.alive + s->time_wait.age.alive != s->demux.used)
        return "I-50: the table holds something that does not exist, or misses something";
    return NULL;
}

const char *duet_check(const struct duet_stack *s)
{
    struct totals totals = {0};
    const char *broken = s->watch == NULL ? NULL : s->watch->broken;
    if (broken == NULL)
        broken = check_conns(s, &totals);
    if (broken == NULL)
        broken = check_small_lives(s);
    if (broken == NULL)
        broken = check_listeners(s, &totals);
    if (broken == NULL)
        broken = check_paths(s);
    if (broken == NULL)
        broken = check_lists(s, &totals);
    if (broken == NULL)
        broken = check_counters(s);
    return broken != NULL ? broken : check_totals(s, &totals);
}
