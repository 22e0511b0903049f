/* SPDX-License-Identifier: MIT */
/* The state of a stack: everything lies in the block given at init, this struct first, so that
 * copying the block away and back restores the stack. */
#ifndef CORE_STATE_H
#define CORE_STATE_H

#include "base/pool.h"
#include "base/siphash.h"
#include "core/age_ring.h"
#include "core/path.h"
#include "core/tcp.h"
#include "core/tcp_ecn.h"
#include "core/tcp_watch.h"
#include "wire/icmp.h"

/* A pair of sockets, and the number that a hash made of it. */
struct pair_number {
    uint64_t number;
    struct tcp_tuple tuple;
    bool is_set;
};

/* ---- demultiplexing (demux.c) ---- */

enum demux_kind { DEMUX_NONE, DEMUX_CONN, DEMUX_HALF_OPEN, DEMUX_TIME_WAIT };

/* Where a pair of sockets leads. */
struct demux_ref {
    enum demux_kind kind;
    uint32_t index;
};

struct demux {
    uint32_t *slots; /* kind, tag of the hash, index; 0: empty */
    uint32_t capacity;
    uint32_t used;
    uint32_t index_mask; /* the low bits of a slot that are the index */
    bool far;            /* some entry is too far from home for its slot to tell */
};

/* Where a pair of sockets stands in the table, or would. */
struct demux_place {
    uint32_t slot, tag;
    uint32_t distance;
    bool is_there;
};

/* The pair that was looked up last, its hash, and its place. */
struct demux_latest {
    struct tcp_tuple tuple;
    bool is_set, is_placed; /* tuple and hash are known; the place is */
    uint64_t hash;
    struct demux_place place;
};

/* ---- rings of the small lives ---- */

enum { TCP_SYN_ACK_RETRIES_MAX = 7 };

struct half_open_ring {
    struct tcp_half_open *records;
    struct age_ring age;
    uint64_t cursor[TCP_SYN_ACK_RETRIES_MAX]; /* first not yet retransmitted i + 1 times */
};

struct time_wait_ring {
    struct tcp_time_wait *records;
    struct age_ring age;
};

/* ---- answers without a connection (reply.c) ---- */

enum reply_kind { REPLY_SEGMENT, REPLY_SYN_ACK, REPLY_COOKIE, REPLY_ECHO };

struct reply {
    struct tcp_tuple tuple;
    enum reply_kind kind;
    uint32_t seq, ack;
    uint16_t flags, window;
    uint32_t tsval, tsecr;
    uint16_t rule;
    uint8_t state; /* of the record that answers, for the trace */
    bool timestamps;
    bool fast_open;            /* SYN_ACK: with a cookie (RFC 7413) */
    uint32_t index;            /* SYN_ACK: where the record was */
    uint8_t half_flags, scale; /* COOKIE: what the SYN asked for, as a half-open record has it */
    uint32_t page, length;     /* ECHO: the message */
    uint16_t identifier, sequence;
    uint8_t ttl, dscp;
};

struct reply_ring {
    struct reply *records;
    uint32_t capacity;
    uint64_t head, tail;
};

#define HANDLE_LISTENER UINT32_C(0x80000000) /* in handle.index */

enum { PORT_TABLE = 4096 };       /* RFC 6056, algorithm 4 */
enum { LIMIT_TABLE = 1024 };      /* answers by where they go */
enum { SYN_GUESS_TABLE = 1024 };  /* wrong SYN cookies by where they came from */
enum { LISTENER_BUCKETS = 1024 }; /* listeners are found by local port */

/* Whoever adds what can decide something adds it to snapshot.c, and to tcp_canonical.c. */
struct duet_stack {
    struct pool conns, transfers, reassemblies; /* first, where the shortest instructions reach */
    duet_time now;  /* the latest time seen; written by stack_now() alone */
    int64_t now_us; /* the same in microseconds, and the low bits of it in milliseconds */
    uint32_t now_ms;
    struct duet_config config;
    int64_t isn_tick;  /* of the latest initial sequence number, in 4 us */
    bool wide_vectors; /* checksum_can_be_wide() */
    /* Of config, worked out once. */
    uint32_t rto_min_us, rto_max_us, rttvar_min_us;
    uint32_t user_timeout_ms, keepalive_idle_ms;
    uint8_t window_scale;                    /* that our SYNs offer */
    uint32_t delayed_ack_us, delayed_ack_ns; /* whole microseconds, and the rest */

    struct siphash_key isn_key, table_key, port_key, port_index_key, path_key, cookie_key,
        syn_cookie_key, limit_key;
    struct demux_latest latest;
    struct pair_number expected; /* demux_expect(): what finds its slot */
    struct pair_number numbered; /* who began last: its ISN and its timestamps begin with that */

    struct pool_faults faults; /* of all pools, and of the ring of replies */
    struct pool accurate_ecn;
    struct range_space ranges;
    struct buffer_space buffers;
    struct demux demux;
    struct path_table paths;
    struct tcp_listener *listeners;
    uint32_t listener_buckets[LISTENER_BUCKETS]; /* first listener, through next_in_bucket */
    struct half_open_ring half_open;
    struct time_wait_ring time_wait;
    struct reply_ring replies;
    struct wheel wheel;
    struct list owing;            /* connections that owe something */
    struct list telling;          /* connections that have events */
    struct list listener_telling; /* listeners that have events */
    uint32_t recent;              /* connection that a packet was for last */
    uint32_t awaited;             /* connection that text was sent for last: an answer is awaited */
    uint32_t generation;          /* of the next handle */
    uint16_t ports[PORT_TABLE];
    uint32_t port_choices;                 /* so far */
    uint16_t syn_guesses[SYN_GUESS_TABLE]; /* wrong SYN cookies in this interval */
    uint32_t syn_guess_interval;
    uint32_t *spent_cookies; /* tcp_cookies_kept(): the SYN cookies that opened a connection last */
    uint16_t limit_counts[LIMIT_TABLE]; /* answers to strangers in this second */
    int64_t limit_second;

    struct duet_counters counters;
    uint64_t rule_hits[FEATURE_RULE_COUNTS ? TCP_RULES : 1];
    uint64_t edge_hits[FEATURE_RULE_COUNTS ? TCP_EDGES : 1];

    struct watch *watch;            /* NULL without config.watch */
    struct duet_trace_event *trace; /* ring of config.trace_events */
    uint32_t trace_head, trace_count;
};

/* ---- small things everybody needs ---- */

/* Time never goes back for a stack. */
static inline void stack_now(struct duet_stack *s, duet_time now)
{
    if (s->now >= now)
        return;
    s->now = now;
    s->now_us = now / DUET_MICROSECOND;
    s->now_ms = (uint32_t)(now / DUET_MILLISECOND);
}

static inline struct tcp_conn *conn_at(const struct duet_stack *s, uint32_t index)
{
    return (struct tcp_conn *)(void *)s->conns.records + index;
}

/* All lines of a record are asked for at once: of many connections none is in the cache. */
static inline void conn_expect(const struct tcp_conn *c)
{
    const uint8_t *record = (const uint8_t *)c;
    for (unsigned i = 0; i < sizeof *c; i += 64)
        __builtin_prefetch(record + i, 1);
    __builtin_prefetch(record + sizeof *c - 1, 1);
}

static inline uint32_t conn_index(const struct duet_stack *s, const struct tcp_conn *c)
{
    return (uint32_t)(c - (const struct tcp_conn *)(const void *)s->conns.records);
}

/* Of a connection that has borrowed one. */
static inline struct tcp_transfer *transfer_at(const struct duet_stack *s, const struct tcp_conn *c)
{
    return (struct tcp_transfer *)(void *)s->transfers.records + c->transfer;
}

static inline struct tcp_transfer *transfer_of(const struct duet_stack *s, const struct tcp_conn *c)
{
    return c->transfer == POOL_NONE ? NULL : transfer_at(s, c);
}

static inline void transfer_expect(const struct tcp_transfer *t)
{
    const uint8_t *record = (const uint8_t *)t;
    for (unsigned i = 0; i < sizeof *t && t != NULL; i += 64)
        __builtin_prefetch(record + i, 1);
}

static inline struct tcp_reassembly *reassembly_of(const struct duet_stack *s,
                                                   const struct tcp_conn *c)
{
    return c->reassembly == POOL_NONE ? NULL : pool_at(&s->reassemblies, c->reassembly);
}

static inline uint16_t ip_header_size(const struct duet_address *address)
{
    return address_is_ipv4(address) ? IPV4_HEADER : IPV6_HEADER;
}

static inline bool conn_is(const struct tcp_conn *c, uint32_t flag)
{
    return (c->flags & flag) != 0;
}

static inline uint32_t rcv_wnd(const struct tcp_conn *c)
{
    return seq_distance(c->rcv.nxt, c->rcv.adv);
}

static inline uint32_t receive_limit(const struct tcp_conn *c)
{
    return c->receive_limit & ~TCP_LIMIT_FIXED;
}

static inline uint32_t send_limit(const struct tcp_conn *c)
{
    return c->send_limit & ~TCP_LIMIT_FIXED;
}

/* Are losses found by time (RFC 8985)? Else by RFC 6675. */
static inline bool tcp_uses_rack(const struct duet_stack *s)
{
    return FEATURE_RACK && s->config.rack;
}

/* Bytes that a connection may hold each way, whatever its limits say. */
static inline uint32_t tcp_most_held(const struct duet_stack *s)
{
    return FEATURE_LARGE_BUFFERS ? UINT32_MAX : (BUFFER_SLOTS - 1) * s->config.page_size;
}

/* A rule was applied whose only trace is the segment that it sends. */
static inline void count_rule(struct duet_stack *s, enum tcp_rule rule)
{
    if (FEATURE_RULE_COUNTS)
        s->rule_hits[rule]++;
}

#include "core/functions.h"
#include "core/optional.h"
#include "core/tcp_inline.h"

#endif
