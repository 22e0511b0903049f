/* SPDX-License-Identifier: MIT */
/* Listeners: passive OPEN, the queue of connections that wait for accept, and the end of both (RFC
 * 9293, 3.10.1 and 3.9.1.1). */
#include "base/bytes.h"
#include "base/check.h"
#include "core/user.h"

#include <string.h>

static struct tcp_tuple tuple_of(const struct tcp_listener *listener)
{
    return (struct tcp_tuple){
        .local = listener->local.address,
        .remote = listener->remote.address,
        .local_port = listener->local.port,
        .remote_port = listener->remote.port,
    };
}

static bool same_socket(const struct duet_socket_address *a, const struct duet_socket_address *b)
{
    return a->port == b->port && address_equal(&a->address, &b->address);
}

/* MUST-41: a second passive OPEN of the same socket is refused, the first is not touched. */
static bool is_taken(const struct duet_stack *s, const struct duet_listen_options *options)
{
    uint32_t bucket = options->local.port % LISTENER_BUCKETS;
    for (uint32_t i = s->listener_buckets[bucket]; i != LIST_NONE;
         i = s->listeners[i].next_in_bucket)
        if (same_socket(&s->listeners[i].local, &options->local) &&
            same_socket(&s->listeners[i].remote, &options->remote))
            return true;
    return false;
}

static struct tcp_listener *find_free(struct duet_stack *s)
{
    for (uint32_t i = 0; i < s->config.listeners_max; i++)
        if (!s->listeners[i].used)
            return &s->listeners[i];
    return NULL;
}

static void start(struct duet_stack *s, struct tcp_listener *listener,
                  const struct duet_listen_options *options)
{
    uint32_t index = (uint32_t)(listener - s->listeners);
    uint32_t bucket = options->local.port % LISTENER_BUCKETS;
    *listener = (struct tcp_listener){
        .local = options->local,
        .remote = options->remote,
        .generation = s->generation++,
        .flags = tcp_conn_default_flags(s),
        .backlog = options->backlog,
        .fast_open_max = options->fast_open,
        .receive_limit = tcp_first_receive_limit(s),
        .send_limit = tcp_first_send_limit(s),
        .user_timeout_ms = s->user_timeout_ms,
        .keepalive_idle_ms = s->keepalive_idle_ms,
        .next_in_bucket = s->listener_buckets[bucket],
        .mtu = (uint16_t)s->config.mtu,
        .ttl = s->config.ttl,
        .controller = (uint8_t)s->config.controller,
        .ecn = s->config.ecn,
        .used = true,
    };
    if (s->generation == 0)
        s->generation = 1;
    list_init(&listener->queue, &conn_at(s, 0)->telling, s->conns.record_size);
    list_link_init(&listener->telling);
    s->listener_buckets[bucket] = index;
    s->counters.listeners++;
}

int duet_listen(struct duet_stack *s, duet_time now, const struct duet_listen_options *options,
                struct duet_handle *handle)
{
    stack_now(s, now);
    if (options->local.port == 0 || options->backlog == 0)
        return DUET_E_ARG;
    bool is_any = duet_address_is_any(&options->local.address);
    if (!is_any && !ip_is_ours(s, &options->local.address))
        return DUET_E_ADDR;
    if (!duet_address_is_any(&options->remote.address) &&
        !ip_is_talkable(s, &options->remote.address))
        return DUET_E_ADDR;
    if (is_taken(s, options))
        return DUET_E_EXISTS;
    struct tcp_listener *listener = find_free(s);
    if (listener == NULL)
        return DUET_E_RES;
    start(s, listener, options);
    struct tcp_tuple tuple = tuple_of(listener);
    trace_call(s, &tuple, DUET_CLOSED, DUET_CALL_LISTEN, DUET_OK, options->backlog);
    tcp_record_edge(s, &tuple, DUET_CLOSED, DUET_LISTEN, TCP_RULE_OPEN_PASSIVE);
    *handle = (struct duet_handle){(uint32_t)(listener - s->listeners) | HANDLE_LISTENER,
                                   listener->generation};
    return DUET_OK;
}

int duet_accept(struct duet_stack *s, duet_time now, struct duet_handle handle,
                struct duet_handle *connection, struct duet_socket_address *remote)
{
    stack_now(s, now);
    struct tcp_listener *listener = listener_of_handle(s, handle);
    if (listener == NULL)
        return DUET_E_NOCONN;
    uint32_t index = list_pop(&listener->queue);
    if (index == LIST_NONE)
        return DUET_E_AGAIN;
    struct tcp_conn *c = conn_at(s, index);
    c->flags &= ~(uint32_t)TCP_CONN_UNACCEPTED;
    c->sent_at = s->now_ms;
    trace_call(s, &c->tuple, (enum duet_state)c->state, DUET_CALL_ACCEPT, DUET_OK, 0);
    tcp_tell(s, c, DUET_EVENT_WRITABLE);
    *connection = conn_handle(s, c);
    if (remote != NULL)
        *remote = (struct duet_socket_address){c->tuple.remote, c->tuple.remote_port};
    return DUET_OK;
}

static void unlink_from_bucket(struct duet_stack *s, const struct tcp_listener *listener)
{
    uint32_t index = (uint32_t)(listener - s->listeners);
    uint32_t *at = &s->listener_buckets[listener->local.port % LISTENER_BUCKETS];
    while (*at != index) {
        CHECK(*at != LIST_NONE);
        at = &s->listeners[*at].next_in_bucket;
    }
    *at = listener->next_in_bucket;
}

void listener_remove(struct duet_stack *s, struct tcp_listener *listener, enum duet_state to)
{
    uint32_t index;
    half_open_drop_listener(s, listener);
    while ((index = list_pop(&listener->queue)) != LIST_NONE) {
        struct tcp_conn *c = conn_at(s, index);
        c->flags &= ~(uint32_t)TCP_CONN_UNACCEPTED;
        c->flags |= TCP_CONN_USER_GONE | TCP_CONN_TOLD_CLOSED;
        if (c->state != DUET_CLOSED)
            tcp_conn_reset(s, c, TCP_RULE_LISTENER_CLOSED, DUET_E_RESET);
        tcp_conn_settle(s, c);
    }
    unlink_from_bucket(s, listener);
    if (list_has(&s->listener_telling, (uint32_t)(listener - s->listeners)))
        list_remove(&s->listener_telling, (uint32_t)(listener - s->listeners));
    struct tcp_tuple tuple = tuple_of(listener);
    listener->used = false;
    s->counters.listeners--;
    if (to != DUET_CLOSED)
        return;
    trace_call(s, &tuple, DUET_LISTEN, DUET_CALL_CLOSE, DUET_OK, 0);
    tcp_record_edge(s, &tuple, DUET_LISTEN, DUET_CLOSED, TCP_RULE_CLOSE_LISTEN);
}
