/* SPDX-License-Identifier: MIT */
/* Listings of everything that a stack knows: what `ss` shows. */
#include "core/user.h"

/* The cursor counts through listeners, connections, half-open and TIME-WAIT records, in that order.
 */
static bool listener_status(const struct duet_stack *s, uint32_t index, struct duet_handle *handle,
                            struct duet_status *status)
{
    const struct tcp_listener *listener = &s->listeners[index];
    if (!listener->used)
        return false;
    *handle = (struct duet_handle){index | HANDLE_LISTENER, listener->generation};
    *status = status_of_listener(s, listener);
    return true;
}

static bool conn_status(const struct duet_stack *s, uint32_t index, struct duet_handle *handle,
                        struct duet_status *status)
{
    const struct tcp_conn *c = conn_at(s, index);
    if (index >= s->conns.fresh || c->generation == 0 || conn_is(c, TCP_CONN_DETACHED))
        return false;
    *handle = conn_handle(s, c);
    *status = status_of_conn(s, c);
    return true;
}

static bool half_open_status(const struct duet_stack *s, uint32_t index, struct duet_status *status)
{
    const struct tcp_half_open *half = &s->half_open.records[index];
    if (index >= s->half_open.age.tail || (half->flags & TCP_HALF_OPEN_ALIVE) == 0)
        return false;
    *status = status_of_tuple(&half->tuple, DUET_SYN_RECEIVED);
    status->iss = half->iss.raw;
    status->irs = half->irs.raw;
    return true;
}

static bool time_wait_status(const struct duet_stack *s, uint32_t index, struct duet_status *status)
{
    const struct tcp_time_wait *record = &s->time_wait.records[index];
    if (index >= s->time_wait.age.tail || (record->flags & TCP_TIME_WAIT_ALIVE) == 0)
        return false;
    *status = status_of_tuple(&record->tuple, DUET_TIME_WAIT);
    status->snd_nxt = record->snd_nxt.raw;
    status->rcv_nxt = record->rcv_nxt.raw;
    return true;
}

bool duet_next_status(const struct duet_stack *s, uint64_t *cursor, struct duet_handle *handle,
                      struct duet_status *status)
{
    const uint64_t conns = s->config.listeners_max;
    const uint64_t half_open = conns + s->config.connections_max;
    const uint64_t time_wait = half_open + s->config.half_open_max;
    const uint64_t end = time_wait + s->config.time_wait_max;
    while (*cursor < end) {
        uint64_t at = (*cursor)++;
        bool found;
        *handle = (struct duet_handle){0};
        if (at < conns)
            found = listener_status(s, (uint32_t)at, handle, status);
        else if (at < half_open)
            found = conn_status(s, (uint32_t)(at - conns), handle, status);
        else if (at < time_wait)
            found = half_open_status(s, (uint32_t)(at - half_open), status);
        else
            found = time_wait_status(s, (uint32_t)(at - time_wait), status);
        if (found)
            return true;
    }
    return false;
}
