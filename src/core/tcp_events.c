/* SPDX-License-Identifier: MIT */
/* The one place where the user is told something. A connection collects bits; the first one puts it
 * on a list, and duet_next_event takes it off with all of them. So an event costs nothing per
 * packet and none is lost or told twice. */
#include "base/check.h"
#include "core/state.h"

void tcp_tell(struct duet_stack *s, struct tcp_conn *c, unsigned bits)
{
    c->events = (c->events | bits) & 1023u;
    if (conn_is(c, TCP_CONN_UNACCEPTED)) /* its link is on the accept queue; the bits wait */
        return;
    if (c->events != 0 && !list_link_is_on(&c->telling))
        list_append(&s->telling, conn_index(s, c));
}

void tcp_tell_listener(struct duet_stack *s, struct tcp_listener *listener, unsigned bits)
{
    uint32_t index = (uint32_t)(listener - s->listeners);
    listener->events = (uint16_t)(listener->events | bits);
    if (!list_has(&s->listener_telling, index))
        list_append(&s->listener_telling, index);
}

void tcp_forget_events(struct duet_stack *s, struct tcp_conn *c)
{
    if (list_link_is_on(&c->telling))
        list_remove(&s->telling, conn_index(s, c));
    c->events = 0;
}

/* An error that does not end the connection (MUST-47), unless reports are off (SHLD-20). */
void tcp_soft_error(struct duet_stack *s, struct tcp_conn *c, int error)
{
    c->error = (int8_t)error;
    if (conn_is(c, TCP_CONN_ERROR_REPORTS))
        tcp_tell(s, c, DUET_EVENT_SOFT_ERROR);
}

static void fill_outcome(const struct tcp_conn *c, struct duet_outcome *outcome)
{
    *outcome = (struct duet_outcome){
        .error = c->error,
        .rule = c->rule,
        .we_closed_first = conn_is(c, TCP_CONN_WE_CLOSED_FIRST),
        .fin_acknowledged = conn_is(c, TCP_CONN_FIN_ACKED),
        .peer_fin_received = conn_is(c, TCP_CONN_FIN_RECEIVED),
        .bytes_unacknowledged = c->left.unacknowledged,
        .bytes_unread = c->left.unread,
    };
}

static void take_conn_event(struct duet_stack *s, uint32_t index, struct duet_event *event)
{
    struct tcp_conn *c = conn_at(s, index);
    *event = (struct duet_event){
        .handle = {index, c->generation},
        .bits = c->events,
        .error = c->error,
    };
    c->events = 0;
    if ((event->bits & DUET_EVENT_CLOSED) == 0)
        return;
    fill_outcome(c, &event->outcome);
    c->flags |= TCP_CONN_TOLD_CLOSED;
    tcp_conn_settle(s, c);
}

bool duet_next_event(struct duet_stack *s, struct duet_event *event)
{
    uint32_t index;
    if (s->listener_telling.count != 0) {
        index = list_pop(&s->listener_telling);
        struct tcp_listener *listener = &s->listeners[index];
        *event = (struct duet_event){
            .handle = {index | HANDLE_LISTENER, listener->generation},
            .bits = listener->events,
        };
        listener->events = 0;
        return true;
    }
    if (s->telling.count == 0)
        return false;
    index = list_pop(&s->telling);
    take_conn_event(s, index, event);
    return true;
}
