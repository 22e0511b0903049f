/* SPDX-License-Identifier: MIT */
/* What the user calls share: handles and listeners. */
#ifndef CORE_USER_H
#define CORE_USER_H

#include "core/state.h"

static inline struct duet_handle conn_handle(const struct duet_stack *s, const struct tcp_conn *c)
{
    return (struct duet_handle){conn_index(s, c), c->generation};
}

/* NULL: not such a handle, or a stale one. */
static inline struct tcp_conn *conn_of_handle(const struct duet_stack *s, struct duet_handle handle)
{
    if (handle.generation == 0 || handle.index >= s->conns.fresh)
        return NULL;
    struct tcp_conn *c = conn_at(s, handle.index);
    return c->generation == handle.generation ? c : NULL;
}

static inline struct tcp_listener *listener_of_handle(const struct duet_stack *s,
                                                      struct duet_handle handle)
{
    uint32_t index = handle.index & ~HANDLE_LISTENER;
    if ((handle.index & HANDLE_LISTENER) == 0 || index >= s->config.listeners_max)
        return NULL;
    struct tcp_listener *listener = &s->listeners[index];
    return listener->used && listener->generation == handle.generation ? listener : NULL;
}

/* tcp_listen.c. Resets what waits in the queue; the edge from LISTEN is recorded towards CLOSED
 * only. */
void listener_remove(struct duet_stack *s, struct tcp_listener *listener, enum duet_state to);

/* tcp_status.c */
struct duet_status status_of_tuple(const struct tcp_tuple *tuple, enum duet_state state);
struct duet_status status_of_conn(const struct duet_stack *s, const struct tcp_conn *c);
struct duet_status status_of_listener(const struct duet_stack *s,
                                      const struct tcp_listener *listener);

/* tcp_conn.c */
void tcp_conn_unmake(struct duet_stack *s, struct tcp_conn *c);
void tcp_conn_idle(struct duet_stack *s, struct tcp_conn *c);

#endif
