/* SPDX-License-Identifier: MIT */
/* The canonical form of a stack: one number for everything that can decide what it will do. Two
 * blocks of the same configuration and secret with the same number behave alike from now on,
 * whatever their bytes; so an explorer that has seen one need not look at the other.
 *
 * How it is made: each record is copied, what means the same is brought to the same value, and all
 * of the copy is hashed. A field that this file does not name is hashed as it is, so a new field
 * can make two alike states look different, which costs time, but never two different ones alike.
 *
 *   brought to      what                       why nothing is lost
 *   time from now   every clock                the core only compares times with each other, and
 *                                              with now
 *   ISN             every sequence number      compared modulo 2^32 only (seq.h has no other way);
 *                                              the ISNs themselves count from those of the network, of
 *                                              the connection that is near
 *   one bit         indexes of borrowed        names of places: what lies there is hashed
 *                   records, links, wheel
 *   zero            generations                handles compare them for equality, and whoever asks
 *                                              for the number holds the same handles
 *   zero            rules that were noted,     told to the user and the trace, never read by a
 *                   statistics                 decision
 *   zero            a limiter's time that      the next event would start it anew
 *                   has run out
 *   the longest     how long nothing was sent  only compared with the RTO (RFC 5681, 4.1), which is
 *   RTO and 1 ms    if that is longer          never longer
 *   its length      age of a window of the     the next sample begins another (tcp_rtt.c)
 *                   least round trip that is
 *                   over
 *   zero            answers of a TIME-WAIT     the next one would count anew
 *                   record, in an interval
 *                   that is over
 *   left out        free lists, positions in   the order of places decides nothing; how many are
 *                   tables, shapes of trees,   left does, and is hashed
 *                   the draw for them
 *   left out        keys, configuration,       the same in every state of an exploration
 *                   listeners' buckets
 *   left out        answers to strangers in    they decide once there are 175 in a second; who
 *                   this second, guesses       explores keeps far below that
 *   left out        counters of RFC 6056       ports are given by the one who explores
 *   left out        counters, hits, trace      nothing reads them
 *   left out        all of an ended connection but its outcome: no packet finds it any more
 */
#include "core/tcp_canonical.h"

/* ---- the small lives ---- */

static void add_half_open(struct view *v)
{
    const struct half_open_ring *ring = &v->s->half_open;
    for (uint64_t at = ring->age.head; at < ring->age.tail; at++) {
        struct tcp_half_open half = ring->records[age_ring_index(&ring->age, at)];
        bool is_alive = (half.flags & TCP_HALF_OPEN_ALIVE) != 0;
        uint32_t repeats = 0;
        for (unsigned i = 0; i < TCP_SYN_ACK_RETRIES_MAX; i++)
            repeats |= (uint32_t)(ring->cursor[i] > at) << i;
        add(&v->digest, is_alive ? repeats : UINT64_MAX); /* a hole takes a place, too */
        if (!is_alive)
            continue;
        from_base(&half.iss, &v->base->sent);
        from_base(&half.irs, &v->base->received);
        ms_from_now(v, &half.ts_recent, (half.flags & TCP_HALF_OPEN_TIMESTAMPS) != 0);
        us_from_now(v, &half.created_us, true);
        add_bytes(&v->digest, &half, sizeof half);
    }
}

static void add_time_wait(struct view *v)
{
    const struct time_wait_ring *ring = &v->s->time_wait;
    for (uint64_t at = ring->age.head; at < ring->age.tail; at++) {
        struct tcp_time_wait record = ring->records[age_ring_index(&ring->age, at)];
        bool is_alive = (record.flags & TCP_TIME_WAIT_ALIVE) != 0;
        add(&v->digest, is_alive);
        if (!is_alive)
            continue;
        if (record.interval != time_wait_interval(v->s, &record))
            record.answers = 0;
        record.interval = 0;
        from_base(&record.snd_nxt, &v->base->sent);
        from_base(&record.rcv_nxt, &v->base->received);
        ms_from_now(v, &record.ts_recent, (record.flags & TCP_TIME_WAIT_TIMESTAMPS) != 0);
        us_from_now(v, &record.expires_us, true);
        add_bytes(&v->digest, &record, sizeof record);
    }
}

static void add_listeners(struct view *v)
{
    for (uint32_t i = 0; i < v->s->config.listeners_max; i++) {
        struct tcp_listener listener = v->s->listeners[i];
        add(&v->digest, listener.used);
        if (!listener.used)
            continue;
        listener.generation = 0;
        listener.queue = (struct list){.count = listener.queue.count};
        link_to_bit(&listener.telling);
        listener.next_in_bucket = 0;
        if (listener.fast_open_max == 0)
            listener.fast_open_interval = 0;
        clear(&listener, END_OF(struct tcp_listener, used),
              offsetof(struct tcp_listener, cookies_until));
        add_bytes(&v->digest, &listener, sizeof listener);
    }
}

static void add_replies(struct view *v)
{
    const struct reply_ring *ring = &v->s->replies;
    for (uint64_t at = ring->head; at < ring->tail; at++) {
        struct reply reply = ring->records[at % ring->capacity];
        reply.rule = 0;
        reply.index = 0; /* a place */
        struct seq seq = seq_of(reply.seq), ack = seq_of(reply.ack);
        from_base(&seq, &v->base->sent);
        from_base(&ack, &v->base->received);
        reply.seq = seq.raw;
        reply.ack = ack.raw;
        ms_from_now(v, &reply.tsval, reply.timestamps && reply.tsval != 0);
        ms_from_now(v, &reply.tsecr, reply.timestamps);
        clear(&reply, END_OF(struct reply, scale), offsetof(struct reply, page));
        clear(&reply, END_OF(struct reply, dscp), sizeof reply);
        add_bytes(&v->digest, &reply, sizeof reply);
    }
}

static void add_paths(struct view *v)
{
    for (uint32_t i = 0; i < v->s->paths.sets * PATH_WAYS; i++) {
        struct path path = v->s->paths.records[i];
        if (!path.is_used)
            continue;
        path.used = 0; /* decides which of a full set gives way: explored with room to spare */
        from_now(v, &path.again_at);
        from_now(v, &path.probe_at);
        from_now(v, &path.no_cookie_until);
        from_now(v, &path.no_ecn_until);
        add_bytes(&v->digest, &path, sizeof path);
    }
}

/* How far the ISNs are ahead of their clock, from which the next one follows; else the clock alone decides. */
static uint64_t isn_ahead(const struct duet_stack *s)
{
    int64_t tick = s->now / (4 * DUET_MICROSECOND);
    return s->isn_tick < tick ? 0 : (uint64_t)(s->isn_tick - tick) + 1;
}

/* ---- the whole ---- */

/* The wheel's own deadline may be that of a slot, which depends on the hour: this is the timers'. */
static duet_time exact_deadline(const struct duet_stack *s)
{
    duet_time half_open = half_open_deadline(s), time_wait = time_wait_deadline(s);
    duet_time deadline = half_open < time_wait ? half_open : time_wait;
    for (uint32_t i = 0; i < s->conns.fresh; i++) {
        const struct tcp_conn *c = conn_at(s, i);
        duet_time at = c->generation != 0 ? wheel_armed_for(&s->wheel, i) : DUET_NEVER;
        deadline = at < deadline ? at : deadline;
    }
    return deadline;
}

void duet_canonical(const struct duet_stack *s, const struct duet_canonical_base *base,
                    struct duet_canonical *canonical)
{
    struct view v = {.s = s, .base = base, .now_us = (uint32_t)s->now_us, .now_ms = s->now_ms};
    uint64_t conns = 0; /* a sum: the order of records decides nothing */
    for (uint32_t i = 0; i < s->conns.fresh; i++)
        if (conn_at(s, i)->generation != 0)
            conns += canonical_conn(v, conn_at(s, i));
    add(&v.digest, conns);
    add(&v.digest, (uint64_t)s->conns.used << 32 | s->buffers.pages.used);
    add_half_open(&v);
    add_time_wait(&v);
    add_listeners(&v);
    add_replies(&v);
    add_paths(&v);
    add(&v.digest, isn_ahead(s));
    *canonical = (struct duet_canonical){settled(&v.digest), exact_deadline(s)};
}
