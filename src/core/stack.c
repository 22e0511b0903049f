/* SPDX-License-Identifier: MIT */
/* The stack as a whole: how its block of memory is cut, and the doors. */
#include "base/bytes.h"
#include "base/check.h"
#include "base/cold.h"
#include "core/config.h"
#include "core/user.h"

#include <stdalign.h>
#include <string.h>

/* ---- the block ---- */

/* Where each part begins, from the start of the block. In 64 bits: the largest configurations do
 * not fit into the size_t of a small machine, and must not seem to. */
struct layout {
    uint64_t conns, transfers, reassemblies, ranges, accurate_ecn, indexes, pages, slots, listeners,
        half_open, spent_cookies, time_wait, replies, paths, watch, trace;
    uint64_t end;
    uint32_t index_count;
    uint32_t slot_count;
};

static uint64_t place(uint64_t *end, uint64_t count, uint64_t size, uint64_t alignment)
{
    uint64_t at = (*end + alignment - 1) / alignment * alignment;
    *end = at + count * size;
    return at;
}

static struct layout lay_out(const struct duet_config *config)
{
    struct layout l = {.end = sizeof(struct duet_stack)};
    /* To send, received, and what is in flight. */
    uint64_t buffers = 3ull * config->connections_max;
    l.index_count = (uint32_t)(buffers < config->pages_max ? buffers : config->pages_max);
    l.slot_count = (uint32_t)demux_slots(config);

    l.conns =
        place(&l.end, config->connections_max, sizeof(struct tcp_conn), alignof(struct tcp_conn));
    l.transfers = place(&l.end, config->transfers_max, sizeof(struct tcp_transfer), 64);
    l.reassemblies = place(&l.end, config->reassemblies_max, sizeof(struct tcp_reassembly),
                           alignof(struct tcp_reassembly));
    l.accurate_ecn = place(&l.end, config->accurate_ecn_max, sizeof(struct tcp_accurate_ecn),
                           alignof(struct tcp_accurate_ecn));
    l.ranges =
        place(&l.end, config->ranges_max, sizeof(struct range_node), alignof(struct range_node));
    l.indexes =
        place(&l.end, l.index_count, sizeof(struct buffer_index), alignof(struct buffer_index));
    l.slots = place(&l.end, l.slot_count, sizeof(uint32_t), alignof(uint32_t));
    l.listeners = place(&l.end, config->listeners_max, sizeof(struct tcp_listener),
                        alignof(struct tcp_listener));
    l.half_open = place(&l.end, config->half_open_max, sizeof(struct tcp_half_open),
                        alignof(struct tcp_half_open));
    l.spent_cookies = place(&l.end, tcp_cookies_kept(config), sizeof(uint32_t), alignof(uint32_t));
    l.time_wait = place(&l.end, config->time_wait_max, sizeof(struct tcp_time_wait),
                        alignof(struct tcp_time_wait));
    l.replies = place(&l.end, config->replies_max, sizeof(struct reply), alignof(struct reply));
    l.paths = place(&l.end, path_records(config), sizeof(struct path), alignof(struct path));
    l.watch = place(&l.end, 1, watch_size(config), alignof(struct watch));
    l.trace = place(&l.end, config->trace_events, sizeof(struct duet_trace_event),
                    alignof(struct duet_trace_event));
    l.pages = place(&l.end, config->pages_max, config->page_size, 64);
    return l;
}

size_t stack_block_size(const struct duet_config *config)
{
    uint64_t end = lay_out(config).end;
    return end <= SIZE_MAX ? (size_t)end : 0;
}

size_t duet_stack_footprint(const struct duet_config *config)
{
    return config_is_valid(config) ? stack_block_size(config) : 0;
}

/* ---- keys ---- */

/* A key of its own for each use, so that what one use reveals says nothing about another. */
static struct siphash_key derive(const struct duet_config *config, uint8_t label)
{
    struct siphash_key first = siphash_key_load(config->secret);
    struct siphash_key second = siphash_key_load(config->secret + 16);
    uint8_t message[16 + 1];
    memcpy(message, config->secret + 16, 16);
    message[16] = label;
    struct siphash_key key;
    key.k0 = siphash_2_4(&first, message, sizeof message);
    memcpy(message, config->secret, 16);
    key.k1 = siphash_2_4(&second, message, sizeof message);
    return key;
}

static void derive_keys(struct duet_stack *s, const struct duet_config *config)
{
    s->isn_key = derive(config, 1);
    s->table_key = derive(config, 3);
    s->port_key = derive(config, 4);
    s->port_index_key = derive(config, 5);
    s->path_key = derive(config, 6);
    s->cookie_key = derive(config, 7);
    s->ranges.random = derive(config, 8).k0;
    s->syn_cookie_key = derive(config, 9);
    s->limit_key = derive(config, 10);
    memset(s->config.secret, 0, DUET_SECRET_SIZE); /* not needed again */
}

/* ---- init ---- */

static void init_lists(struct duet_stack *s)
{
    struct tcp_conn *first = conn_at(s, 0);
    list_init(&s->owing, &first->owing, sizeof *first);
    list_init(&s->telling, &first->telling, sizeof *first);
    list_init(&s->listener_telling, &s->listeners[0].telling, sizeof s->listeners[0]);
    wheel_init(&s->wheel, &first->timer, sizeof *first);
    for (unsigned i = 0; i < LISTENER_BUCKETS; i++)
        s->listener_buckets[i] = LIST_NONE;
}

static void init_pools(struct duet_stack *s, uint8_t *block, const struct layout *l)
{
    const struct duet_config *config = &s->config;
    pool_init(&s->conns, block + l->conns, sizeof(struct tcp_conn), config->connections_max);
    pool_init(&s->transfers, block + l->transfers, sizeof(struct tcp_transfer),
              config->transfers_max);
    pool_init(&s->reassemblies, block + l->reassemblies, sizeof(struct tcp_reassembly),
              config->reassemblies_max);
    pool_init(&s->accurate_ecn, block + l->accurate_ecn, sizeof(struct tcp_accurate_ecn),
              config->accurate_ecn_max);
    pool_init(&s->ranges.nodes, block + l->ranges, sizeof(struct range_node), config->ranges_max);
    ranges_space_init(&s->ranges);
    pool_init(&s->buffers.indexes, block + l->indexes, sizeof(struct buffer_index), l->index_count);
    pool_init(&s->buffers.pages, block + l->pages, config->page_size, config->pages_max);
    struct pool *const pools[] = {&s->conns,        &s->transfers,    &s->reassemblies,
                                  &s->accurate_ecn, &s->ranges.nodes, &s->buffers.indexes,
                                  &s->buffers.pages};
    for (unsigned i = 0; i < sizeof pools / sizeof pools[0]; i++)
        pools[i]->faults = &s->faults;
    while ((config->page_size >> s->buffers.page_log) > 1)
        s->buffers.page_log++;
    if (config->pages_max / 4 >= config->connections_max)
        buffer_share(&s->buffers);
}

int duet_stack_init(void *memory, size_t size, const struct duet_config *config,
                    struct duet_stack **stack)
{
    if (!config_is_valid(config))
        return DUET_E_ARG;
    struct layout l = lay_out(config);
    if (memory == NULL || size < l.end)
        return DUET_E_RES;
    if ((uintptr_t)memory % alignof(max_align_t) != 0)
        return DUET_E_ARG;

    uint8_t *block = memory;
    struct duet_stack *s = memory;
    memset(s, 0, sizeof *s);
    s->config = *config;
    s->generation = 1;
    s->isn_tick = -1;
    s->wide_vectors = checksum_can_be_wide();
    derive_keys(s, config);
    tcp_rtt_init_stack(s);
    s->user_timeout_ms = (uint32_t)(config->user_timeout / DUET_MILLISECOND);
    s->keepalive_idle_ms = (uint32_t)(config->keepalive_idle / DUET_MILLISECOND);
    s->window_scale = window_scale_for(config->receive_buffer);
    s->delayed_ack_us = (uint32_t)(config->delayed_ack / DUET_MICROSECOND);
    s->delayed_ack_ns = (uint32_t)(config->delayed_ack % DUET_MICROSECOND);
    init_pools(s, block, &l);
    s->listeners = (void *)(block + l.listeners);
    memset(s->listeners, 0, config->listeners_max * sizeof *s->listeners);
    demux_init(&s->demux, (void *)(block + l.slots), l.slot_count);
    s->spent_cookies = (uint32_t *)(void *)(block + l.spent_cookies);
    memset(s->spent_cookies, 0, tcp_cookies_kept(config) * sizeof(uint32_t));
    half_open_init(&s->half_open, (void *)(block + l.half_open), config->half_open_max);
    time_wait_init(&s->time_wait, (void *)(block + l.time_wait), config->time_wait_max);
    reply_init(&s->replies, (void *)(block + l.replies), config->replies_max);
    path_init(&s->paths, (void *)(block + l.paths), path_records(config));
    s->watch = config->watch ? (void *)(block + l.watch) : NULL;
    if (s->watch != NULL)
        memset(s->watch, 0, (size_t)watch_size(config));
    s->trace = (void *)(block + l.trace);
    init_lists(s);
    *stack = s;
    return DUET_OK;
}

/* ---- the doors ---- */

void duet_input(struct duet_stack *s, duet_time now, const struct duet_packet *packet)
{
    stack_now(s, now);
    s->counters.packets_in++;
    s->counters.bytes_in += packet->length;
    uint64_t replies = s->replies.tail;
    if (!tcp_fast_input(s, packet))
        ip_input(s, packet);
    if (s->watch != NULL)
        watch_input(s, packet, replies);
}

void duet_expire(struct duet_stack *s, duet_time now)
{
    stack_now(s, now);
    tcp_timeouts(s);
    half_open_expire(s);
    time_wait_expire(s);
    if (s->watch != NULL)
        watch_expired(s);
}

duet_time duet_deadline(const struct duet_stack *s)
{
    duet_time deadline = wheel_deadline(&s->wheel);
    duet_time half_open = half_open_deadline(s);
    duet_time time_wait = time_wait_deadline(s);
    deadline = half_open < deadline ? half_open : deadline;
    return time_wait < deadline ? time_wait : deadline;
}

/* Something is to be answered, or somebody owes something. */
static COLD bool build_next(struct duet_stack *s, struct duet_packet *packet)
{
    bool is_reply = s->replies.head != s->replies.tail && reply_output(s, packet);
    if (!is_reply && (s->owing.count == 0 || !tcp_output(s, packet)))
        return false;
    if (s->watch != NULL)
        watch_output(s, packet, is_reply);
    s->counters.packets_out++;
    s->counters.bytes_out += packet->length;
    return true;
}

bool duet_output(struct duet_stack *s, duet_time now, struct duet_packet *packet)
{
    stack_now(s, now);
    packet->piece_count = 0;
    bool is_silent = s->replies.head == s->replies.tail && s->owing.count == 0;
    return !is_silent && packet->size >= s->config.mtu && build_next(s, packet);
}

uint64_t duet_refuse_record(struct duet_stack *s, uint64_t nth, bool lasting)
{
    s->faults.refuse_at = nth;
    s->faults.lasting = lasting;
    return s->faults.asked;
}

void duet_counters(const struct duet_stack *s, struct duet_counters *counters)
{
    *counters = s->counters;
    counters->pages_used = s->buffers.pages.used;
}
