/* SPDX-License-Identifier: MIT */
/* User calls (RFC 9293, 3.10.1 to 3.10.6): OPEN, SEND, RECEIVE, CLOSE, ABORT, STATUS, in that
 * order, each by state. What they change on the wire is owed and leaves with the next duet_output.
 */
#include "base/bytes.h"
#include "base/check.h"
#include "core/user.h"

/* ---- SEND ---- */

/* Why a connection takes no bytes at all, or DUET_OK. */
static int send_error(const struct tcp_conn *c)
{
    if (conn_is(c, TCP_CONN_USER_GONE | TCP_CONN_FIN_WANTED | TCP_CONN_CLOSE_DEFERRED))
        return DUET_E_CLOSING;
    switch ((enum duet_state)c->state) {
    case DUET_CLOSED:
        return c->error != DUET_OK ? c->error : DUET_E_CLOSING;
    case DUET_SYN_SENT:
    case DUET_SYN_RECEIVED:
    case DUET_ESTABLISHED:
    case DUET_CLOSE_WAIT:
        return DUET_OK;
    case DUET_FIN_WAIT_1:
    case DUET_FIN_WAIT_2:
    case DUET_CLOSING:
    case DUET_LAST_ACK:
    case DUET_TIME_WAIT:
    case DUET_LISTEN:
    case DUET_STATES:
        break;
    }
    unreachable("who has left ESTABLISHED wanted a FIN, and no record is in LISTEN");
}

/* The connection that a handle names, if it takes bytes; else why not. A listener opened with a
 * remote socket must be told to call first. */
static int find_sender(const struct duet_stack *s, struct duet_handle handle, struct tcp_conn **c)
{
    *c = conn_of_handle(s, handle);
    if (*c != NULL) {
        conn_expect(*c);
        return send_error(*c);
    }
    const struct tcp_listener *listener = listener_of_handle(s, handle);
    if (listener == NULL)
        return DUET_E_NOCONN;
    return duet_address_is_any(&listener->remote.address) ? DUET_E_NOREMOTE : DUET_E_AGAIN;
}

/* No more follows: what waited for it may leave. */
static void uncork(struct duet_stack *s, struct tcp_conn *c)
{
    c->flags &= ~(uint32_t)TCP_CONN_MORE;
    tcp_owe(s, c, TCP_OWES_DATA, TCP_RULE_SEND_DATA);
}

/* Bytes have been put into the queue. */
static void queued(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes, unsigned flags)
{
    if (s->watch != NULL)
        watch_written(s, c, bytes);
    if ((flags & DUET_SEND_MORE) != 0)
        c->flags |= TCP_CONN_MORE;
    else
        c->flags &= ~(uint32_t)TCP_CONN_MORE;
    if ((flags & DUET_SEND_URGENT) != 0) {
        struct tcp_transfer *t = transfer_of(s, c);
        t->urgent = true;
        t->up = tcp_send_end(s, c); /* MUST-62: the byte behind the last urgent one */
    }
    trace_call(s, &c->tuple, (enum duet_state)c->state, DUET_CALL_SEND, bytes, bytes);
    tcp_owe(s, c, TCP_OWES_DATA, TCP_RULE_SEND_DATA);
}

/* Copies as much as there is memory for to the end of a queue. */
static uint32_t fill_queue(struct duet_stack *s, struct buffer *queue, const uint8_t *data,
                           uint32_t size)
{
    uint32_t first = 0;
    if (queue->length == 0) {
        uint32_t most = min_u32(size, s->config.page_size);
        first = buffer_write(&s->buffers, queue, BUFFER_FIRST_TO_SEND, 0, data, most);
        buffer_extend(queue, first);
        if (first == size)
            return first;
    }
    uint32_t rest =
        buffer_write(&s->buffers, queue, BUFFER_TO_SEND, queue->length, data + first, size - first);
    buffer_extend(queue, rest);
    return first + rest;
}

/* SEND, by one of the two ways into the queue. */
static int64_t send_text(struct duet_stack *s, duet_time now, struct duet_handle handle,
                         const void *data, size_t size, unsigned flags, bool lent)
{
    stack_now(s, now);
    struct tcp_conn *c;
    int error = find_sender(s, handle, &c);
    if (error != DUET_OK)
        return error;
    if (size == 0) {
        if ((flags & DUET_SEND_MORE) == 0)
            uncork(s, c);
        return 0;
    }
    uint32_t room = tcp_send_room(s, c);
    uint32_t wanted = (uint32_t)(size < room ? size : room);
    if (wanted > 0 && !tcp_borrow_transfer(s, c))
        wanted = 0;
    uint32_t taken = 0;
    if (wanted > 0)
        taken = lent && FEATURE_LARGE_BUFFERS
                    ? buffer_lend(&s->buffers, &transfer_at(s, c)->send, data, wanted)
                    : fill_queue(s, &transfer_at(s, c)->send, data, wanted);
    if (taken < size)
        c->flags |= TCP_CONN_WRITE_BLOCKED;
    if (taken == 0) {
        tcp_conn_idle(s, c);
        tcp_conn_settle(s, c); /* where memory is what lacks, only a timer wakes the user */
        return DUET_E_AGAIN;
    }
    queued(s, c, taken, flags);
    return taken;
}

int64_t duet_send(struct duet_stack *s, duet_time now, struct duet_handle handle, const void *data,
                  size_t size, unsigned flags)
{
    return send_text(s, now, handle, data, size, flags, false);
}

int64_t duet_send_lent(struct duet_stack *s, duet_time now, struct duet_handle handle,
                       const void *data, size_t size, unsigned flags)
{
    return send_text(s, now, handle, data, size, flags, true);
}

int duet_send_reserve(struct duet_stack *s, struct duet_handle handle, void **data, size_t *size)
{
    struct tcp_conn *c;
    int error = find_sender(s, handle, &c);
    if (error != DUET_OK)
        return error;
    uint32_t room = tcp_send_room(s, c);
    uint32_t contiguous = 0;
    uint8_t *place = NULL;
    if (room > 0 && tcp_borrow_transfer(s, c))
        place = buffer_reserve(&s->buffers, &transfer_at(s, c)->send, &contiguous);
    if (place == NULL) {
        c->flags |= TCP_CONN_WRITE_BLOCKED;
        tcp_conn_idle(s, c);
        tcp_conn_settle(s, c);
        return DUET_E_AGAIN;
    }
    *data = place;
    *size = min_u32(room, contiguous);
    return DUET_OK;
}

int duet_send_commit(struct duet_stack *s, duet_time now, struct duet_handle handle, size_t size,
                     unsigned flags)
{
    stack_now(s, now);
    struct tcp_conn *c;
    int error = find_sender(s, handle, &c);
    if (error != DUET_OK)
        return error;
    struct tcp_transfer *t = transfer_of(s, c);
    if (size == 0) {
        tcp_conn_idle(s, c);
        return DUET_OK;
    }
    uint32_t contiguous = 0;
    bool was_reserved = t != NULL && size <= tcp_send_room(s, c) &&
                        buffer_reserve(&s->buffers, &t->send, &contiguous) != NULL &&
                        size <= contiguous;
    if (!was_reserved)
        return DUET_E_ARG;
    buffer_extend(&t->send, (uint32_t)size);
    queued(s, c, (uint32_t)size, flags);
    return DUET_OK;
}

/* ---- RECEIVE ---- */

/* Why there is nothing to read. */
static int receive_error(const struct tcp_conn *c)
{
    if (conn_is(c, TCP_CONN_USER_GONE))
        return DUET_E_CLOSING;
    if (c->receive.length > 0)
        return DUET_OK;
    if (c->state == DUET_CLOSED && c->error != DUET_OK)
        return c->error;
    if (conn_is(c, TCP_CONN_FIN_RECEIVED) || c->state == DUET_CLOSED)
        return DUET_E_CLOSING;
    return DUET_E_AGAIN;
}

/* The connection that a handle names, if it has bytes to read; else why not. */
static int find_receiver(const struct duet_stack *s, struct duet_handle handle, struct tcp_conn **c)
{
    *c = conn_of_handle(s, handle);
    if (*c != NULL)
        return receive_error(*c);
    return listener_of_handle(s, handle) != NULL ? DUET_E_AGAIN : DUET_E_NOCONN;
}

/* The user has read bytes: the window may open, the urgent mark may be passed. */
static void consumed(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes)
{
    buffer_drop(&s->buffers, &c->receive, bytes);
    buffer_settle(&s->buffers, &c->receive, tcp_holds_text(s, c));
    if (c->state == DUET_CLOSED) /* read after the end and before the final event was taken */
        c->left.unread = c->receive.length;
    if (c->receive.length == 0)
        c->flags &= ~(uint32_t)TCP_CONN_READ_TOLD;
    struct seq read = seq_sub(c->rcv.nxt, c->receive.length);
    if (conn_is(c, TCP_CONN_URGENT_RECEIVED) && seq_le(c->rcv.up, read))
        c->flags &= ~(uint32_t)TCP_CONN_URGENT_RECEIVED;
    trace_call(s, &c->tuple, (enum duet_state)c->state, DUET_CALL_RECEIVE, bytes, bytes);
    tcp_tune_receive(s, c);
    tcp_receive_room(s, c);
}

int64_t duet_receive(struct duet_stack *s, duet_time now, struct duet_handle handle, void *data,
                     size_t size)
{
    stack_now(s, now);
    struct tcp_conn *c;
    int error = find_receiver(s, handle, &c);
    if (error != DUET_OK || size == 0)
        return error;
    uint32_t bytes = (uint32_t)(size < c->receive.length ? size : c->receive.length);
    buffer_read(&s->buffers, &c->receive, 0, data, bytes, NULL);
    consumed(s, c, bytes);
    return bytes;
}

int duet_receive_peek(struct duet_stack *s, struct duet_handle handle, const void **data,
                      size_t *size)
{
    struct tcp_conn *c;
    int error = find_receiver(s, handle, &c);
    if (error != DUET_OK)
        return error;
    uint32_t contiguous;
    *data = buffer_peek(&s->buffers, &c->receive, &contiguous);
    *size = contiguous;
    return DUET_OK;
}

int duet_receive_consume(struct duet_stack *s, duet_time now, struct duet_handle handle,
                         size_t size)
{
    stack_now(s, now);
    struct tcp_conn *c = conn_of_handle(s, handle);
    if (c == NULL)
        return DUET_E_NOCONN;
    if (conn_is(c, TCP_CONN_USER_GONE))
        return DUET_E_CLOSING;
    if (size > c->receive.length)
        return DUET_E_ARG;
    if (size > 0)
        consumed(s, c, (uint32_t)size);
    return DUET_OK;
}

/* ---- CLOSE ---- */

static void want_fin(struct duet_stack *s, struct tcp_conn *c, enum duet_state to)
{
    c->flags |= TCP_CONN_FIN_WANTED;
    if (!tcp_borrow_transfer(s, c))
        c->heard = s->now; /* the FIN waits for a record as long as the user timeout lets it */
    tcp_set_state(s, c, to, TCP_RULE_CLOSE);
    tcp_owe(s, c, TCP_OWES_DATA, TCP_RULE_CLOSE);
}

static int close_sending(struct duet_stack *s, struct tcp_conn *c)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    switch ((enum duet_state)c->state) {
    case DUET_SYN_SENT:
        tcp_conn_end(s, c, TCP_RULE_CLOSE_SYN_SENT, DUET_E_CLOSING);
        return DUET_OK;
    case DUET_SYN_RECEIVED:
        if (conn_is(c, TCP_CONN_CLOSE_DEFERRED))
            return DUET_E_CLOSING;
        if (t != NULL && t->send.length > 0)
            c->flags |= TCP_CONN_CLOSE_DEFERRED;
        else
            want_fin(s, c, DUET_FIN_WAIT_1);
        return DUET_OK;
    case DUET_ESTABLISHED:
        want_fin(s, c, DUET_FIN_WAIT_1);
        return DUET_OK;
    case DUET_CLOSE_WAIT:
        want_fin(s, c, DUET_LAST_ACK);
        return DUET_OK;
    case DUET_FIN_WAIT_1:
    case DUET_FIN_WAIT_2:
    case DUET_CLOSING:
    case DUET_LAST_ACK:
    case DUET_TIME_WAIT:
        return DUET_E_CLOSING;
    case DUET_CLOSED:
        return DUET_E_NOCONN;
    case DUET_LISTEN:
    case DUET_STATES:
        break;
    }
    unreachable("no connection record is in LISTEN");
}

int duet_shutdown(struct duet_stack *s, duet_time now, struct duet_handle handle)
{
    stack_now(s, now);
    struct tcp_listener *listener = listener_of_handle(s, handle);
    if (listener != NULL) {
        listener_remove(s, listener, DUET_CLOSED);
        return DUET_OK;
    }
    struct tcp_conn *c = conn_of_handle(s, handle);
    if (c == NULL)
        return DUET_E_NOCONN;
    if (conn_is(c, TCP_CONN_USER_GONE))
        return DUET_E_CLOSING;
    trace_call(s, &c->tuple, (enum duet_state)c->state, DUET_CALL_SHUTDOWN, 0, 0);
    int error = close_sending(s, c);
    tcp_conn_settle(s, c);
    return error;
}

/* Has the peer sent what nobody will read? (SHLD-3; RFC 2525, 2.17) */
static bool has_unread(const struct duet_stack *s, const struct tcp_conn *c)
{
    bool peer_can_be_told = c->state == DUET_SYN_RECEIVED || c->state == DUET_ESTABLISHED ||
                            c->state == DUET_FIN_WAIT_1 || c->state == DUET_FIN_WAIT_2 ||
                            c->state == DUET_CLOSE_WAIT;
    return peer_can_be_told && (c->receive.length > 0 || tcp_has_hole(s, c));
}

int duet_close(struct duet_stack *s, duet_time now, struct duet_handle handle)
{
    stack_now(s, now);
    struct tcp_listener *listener = listener_of_handle(s, handle);
    if (listener != NULL) {
        listener_remove(s, listener, DUET_CLOSED);
        return DUET_OK;
    }
    struct tcp_conn *c = conn_of_handle(s, handle);
    if (c == NULL)
        return DUET_E_NOCONN;
    if (conn_is(c, TCP_CONN_USER_GONE))
        return DUET_OK;
    trace_call(s, &c->tuple, (enum duet_state)c->state, DUET_CALL_CLOSE, 0, 0);
    c->flags |= TCP_CONN_USER_GONE;
    if (c->state == DUET_FIN_WAIT_2)
        c->heard = s->now; /* the local limit of FIN-WAIT-2 counts from here */
    if (has_unread(s, c))
        tcp_conn_reset(s, c, TCP_RULE_CLOSE_UNREAD, DUET_E_RESET);
    else if (c->state == DUET_TIME_WAIT)
        tcp_conn_detach_time_wait(s, c);
    else
        (void)close_sending(s, c);
    tcp_conn_settle(s, c);
    return DUET_OK;
}

/* ---- ABORT ---- */

static void abort_conn(struct duet_stack *s, struct tcp_conn *c)
{
    c->flags |= TCP_CONN_USER_GONE;
    switch ((enum duet_state)c->state) {
    case DUET_SYN_SENT:
        tcp_conn_end(s, c, TCP_RULE_ABORT, DUET_E_RESET);
        return;
    case DUET_SYN_RECEIVED:
    case DUET_ESTABLISHED:
    case DUET_FIN_WAIT_1:
    case DUET_FIN_WAIT_2:
    case DUET_CLOSE_WAIT:
        tcp_conn_reset(s, c, TCP_RULE_ABORT, DUET_E_RESET);
        return;
    case DUET_CLOSING:
    case DUET_LAST_ACK:
    case DUET_TIME_WAIT:
        if (!conn_is(c, TCP_CONN_DETACHED))
            tcp_conn_end(s, c, TCP_RULE_ABORT_CLOSING, DUET_E_RESET);
        return;
    case DUET_CLOSED:
        return;
    case DUET_LISTEN:
    case DUET_STATES:
        break;
    }
    unreachable("no connection record is in LISTEN");
}

int duet_abort(struct duet_stack *s, duet_time now, struct duet_handle handle)
{
    stack_now(s, now);
    struct tcp_listener *listener = listener_of_handle(s, handle);
    if (listener != NULL) {
        listener_remove(s, listener, DUET_CLOSED);
        return DUET_OK;
    }
    struct tcp_conn *c = conn_of_handle(s, handle);
    if (c == NULL)
        return DUET_E_NOCONN;
    trace_call(s, &c->tuple, (enum duet_state)c->state, DUET_CALL_ABORT, 0, 0);
    abort_conn(s, c);
    tcp_conn_settle(s, c);
    return DUET_OK;
}
