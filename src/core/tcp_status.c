/* SPDX-License-Identifier: MIT */
/* STATUS (RFC 9293, 3.10.6), listings of everything a stack knows, and what can be set for one
 * connection. */
#include "base/bytes.h"
#include "core/user.h"

/* ---- STATUS ---- */

static struct duet_status status_of_tuple(const struct tcp_tuple *tuple, enum duet_state state)
{
    return (struct duet_status){
        .state = state,
        .local = {tuple->local, tuple->local_port},
        .remote = {tuple->remote, tuple->remote_port},
    };
}

static void fill_sending(const struct duet_stack *s, const struct tcp_conn *c,
                         struct duet_status *status)
{
    const struct tcp_transfer *t = transfer_of(s, c);
    status->iss = c->snd.iss.raw;
    status->snd_una = c->snd.una.raw;
    status->snd_nxt = c->snd.nxt.raw;
    status->snd_wnd = c->snd.wnd;
    status->snd_up = t != NULL && t->urgent ? t->up.raw : c->snd.una.raw;
    status->send_queued = t == NULL ? 0 : t->send.length;
    status->send_room = tcp_send_room(s, c);
    status->in_flight = tcp_flight(c);
    status->controller = (enum duet_controller)c->controller;
    status->retransmissions = t == NULL ? 0 : t->retransmissions;
    status->retransmitted = c->retransmitted;
    status->send_scale = c->send_scale;
    if (c->state < DUET_ESTABLISHED)
        return;
    status->send_mss = tcp_send_mss(c);
    status->congestion_window = c->state == DUET_CLOSED ? 0 : c->cwnd;
    status->slow_start_threshold = c->state == DUET_CLOSED ? 0 : c->ssthresh;
}

static void fill_receiving(const struct tcp_conn *c, struct duet_status *status)
{
    struct seq read = seq_sub(c->rcv.nxt, c->receive.length);
    status->irs = c->rcv.irs.raw;
    status->rcv_nxt = c->rcv.nxt.raw;
    status->rcv_wnd = rcv_wnd(c);
    status->rcv_up = c->rcv.up.raw;
    status->receive_queued = c->receive.length;
    status->urgent_left = conn_is(c, TCP_CONN_URGENT_RECEIVED) ? seq_distance(read, c->rcv.up) : 0;
    status->receive_scale = c->receive_scale;
}

static struct duet_status status_of_conn(const struct duet_stack *s, const struct tcp_conn *c)
{
    struct duet_status status = status_of_tuple(&c->tuple, (enum duet_state)c->state);
    fill_sending(s, c, &status);
    fill_receiving(c, &status);
    if (c->srtt_us != 0) {
        status.smoothed_rtt = (duet_time)(c->srtt_us >> 3) * DUET_MICROSECOND;
        status.rtt_variance = (duet_time)(c->rttvar_us >> 2) * DUET_MICROSECOND;
        status.rtt_min = c->rtt_min_us * DUET_MICROSECOND;
    }
    status.rto = tcp_rto(c);
    status.user_timeout = c->user_timeout_ms * DUET_MILLISECOND;
    status.timestamps = conn_is(c, TCP_CONN_TIMESTAMPS);
    status.sack = conn_is(c, TCP_CONN_SACK);
    status.peer_fin_received = conn_is(c, TCP_CONN_FIN_RECEIVED);
    status.fin_acknowledged = conn_is(c, TCP_CONN_FIN_ACKED);
    const struct tcp_accurate_ecn *counters = tcp_accecn_of(s, c);
    status.ecn = (uint8_t)tcp_ecn_agreed(c);
    status.ecn_capable = tcp_ecn_is_capable(c);
    status.ecn_received = counters == NULL ? 0 : counters->marks_received;
    status.ecn_reported = counters == NULL ? 0 : counters->marks_reported;
    status.error = c->error;
    return status;
}

static struct duet_status status_of_listener(const struct duet_stack *s,
                                             const struct tcp_listener *listener)
{
    return (struct duet_status){
        .state = DUET_LISTEN,
        .local = listener->local,
        .remote = listener->remote,
        .controller = (enum duet_controller)listener->controller,
        .backlog_used = listener->queue.count,
        .half_open = half_open_count(s, listener),
    };
}

int duet_status(const struct duet_stack *s, struct duet_handle handle, struct duet_status *status)
{
    const struct tcp_listener *listener = listener_of_handle(s, handle);
    const struct tcp_conn *c = conn_of_handle(s, handle);
    if (listener != NULL)
        *status = status_of_listener(s, listener);
    else if (c != NULL)
        *status = status_of_conn(s, c);
    else
        return DUET_E_NOCONN;
    return DUET_OK;
}

/* ---- listings ---- */

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

/* ---- options ---- */

/* The fields that a listener hands on and a connection owns, so that one function sets both. */
struct settings {
    uint32_t *flags, *receive_limit, *send_limit, *user_timeout_ms, *keepalive_idle_ms;
    uint16_t *mtu;
    uint8_t *dscp, *ttl;
    uint16_t headers; /* IP and TCP header of this family */
};

static int set_flag(uint32_t *flags, uint32_t flag, uint32_t value)
{
    if (value > 1)
        return DUET_E_ARG;
    *flags = value == 1 ? *flags | flag : *flags & ~flag;
    return DUET_OK;
}

static int set_number(uint32_t *field, uint32_t value, uint32_t least, uint32_t most)
{
    if (value < least || value > most)
        return DUET_E_ARG;
    *field = value;
    return DUET_OK;
}

static int set_limit(uint32_t *limit, uint32_t value, uint32_t most)
{
    if (value < 1 || value > most)
        return DUET_E_ARG;
    *limit = value | TCP_LIMIT_FIXED;
    return DUET_OK;
}

static int set_small(uint8_t *field, uint32_t value, uint32_t least, uint32_t most)
{
    if (value < least || value > most)
        return DUET_E_ARG;
    *field = (uint8_t)value;
    return DUET_OK;
}

static int set_mss(const struct duet_stack *s, const struct settings *to, uint32_t value)
{
    if (value != 0 && (value < 88 || value > UINT16_MAX - 40))
        return DUET_E_ARG;
    uint32_t mtu = value == 0 ? s->config.mtu : min_u32(value + to->headers, s->config.mtu);
    *to->mtu = (uint16_t)mtu;
    return set_flag(to->flags, TCP_CONN_MSS_SET, value != 0);
}

/* From here on it is the user's, and the peer's advice does not change it (RFC 5482, 3.1). */
static int set_user_timeout(const struct settings *to, uint32_t value)
{
    int error = set_number(to->user_timeout_ms, value, 0, INT32_MAX);
    return error != DUET_OK ? error : set_flag(to->flags, TCP_CONN_USER_TIMEOUT_SET, 1);
}

static int set(const struct duet_stack *s, const struct settings *to, enum duet_option option,
               uint32_t value)
{
    switch (option) {
    case DUET_OPTION_NODELAY:
        return set_flag(to->flags, TCP_CONN_NODELAY, value);
    case DUET_OPTION_KEEPALIVE:
        return set_flag(to->flags, TCP_CONN_KEEPALIVE, value);
    case DUET_OPTION_KEEPALIVE_IDLE:
        return set_number(to->keepalive_idle_ms, value, 1, INT32_MAX);
    case DUET_OPTION_USER_TIMEOUT:
        return set_user_timeout(to, value);
    case DUET_OPTION_USER_TIMEOUT_ADVERTISE:
        return set_flag(to->flags, TCP_CONN_USER_TIMEOUT_OPTION, value);
    case DUET_OPTION_DSCP:
        return set_small(to->dscp, value, 0, 63);
    case DUET_OPTION_TTL:
        return set_small(to->ttl, value, 1, 255);
    case DUET_OPTION_RECEIVE_BUFFER:
        return set_limit(to->receive_limit, value, s->config.receive_buffer);
    case DUET_OPTION_SEND_BUFFER:
        return set_limit(to->send_limit, value, s->config.send_buffer);
    case DUET_OPTION_ERROR_REPORTS:
        return set_flag(to->flags, TCP_CONN_ERROR_REPORTS, value);
    case DUET_OPTION_DELAYED_ACK:
        return set_flag(to->flags, TCP_CONN_NO_DELAYED_ACK, value <= 1 ? 1 - value : value);
    case DUET_OPTION_MSS:
        return set_mss(s, to, value);
    case DUET_OPTION_CONTROLLER:
    case DUET_OPTION_ECN:
        break; /* set_controller(), set_ecn() */
    }
    return DUET_E_ARG;
}

/* A connection that is under way changes more than a field. */
static int set_controller(struct duet_stack *s, struct tcp_listener *l, struct tcp_conn *c,
                          uint32_t value)
{
    if (value >= DUET_CONTROLLERS)
        return DUET_E_ARG;
    if (l != NULL) {
        l->controller = (uint8_t)value;
        return DUET_OK;
    }
    tcp_cc_choose(s, c, (enum duet_controller)value);
    count_rule(s, TCP_RULE_OPTION_SET);
    return DUET_OK;
}

/* Of a listener it counts for what it accepts; of a connection, for the SYN that has not left. */
static int set_ecn(struct duet_stack *s, struct tcp_listener *l, struct tcp_conn *c, uint32_t value)
{
    if (value > DUET_ECN_REQUEST_ACCURATE)
        return DUET_E_ARG;
    count_rule(s, TCP_RULE_OPTION_SET);
    if (l == NULL)
        return tcp_ecn_set(c, (enum duet_ecn)value);
    l->ecn = (uint8_t)value;
    return DUET_OK;
}

int duet_set(struct duet_stack *s, duet_time now, struct duet_handle handle,
             enum duet_option option, uint32_t value)
{
    stack_now(s, now);
    struct tcp_listener *l = listener_of_handle(s, handle);
    struct tcp_conn *c = conn_of_handle(s, handle);
    if (c != NULL && conn_is(c, TCP_CONN_USER_GONE)) /* it may live on as a small record only */
        return DUET_E_CLOSING;
    if (option == DUET_OPTION_CONTROLLER && (l != NULL || c != NULL))
        return set_controller(s, l, c, value);
    if (option == DUET_OPTION_ECN && (l != NULL || c != NULL))
        return set_ecn(s, l, c, value);
    if (l != NULL) {
        struct settings to = {&l->flags,
                              &l->receive_limit,
                              &l->send_limit,
                              &l->user_timeout_ms,
                              &l->keepalive_idle_ms,
                              &l->mtu,
                              &l->dscp,
                              &l->ttl,
                              (uint16_t)(ip_header_size(&l->local.address) + TCP_HEADER)};
        return set(s, &to, option, value);
    }
    if (c == NULL)
        return DUET_E_NOCONN;
    struct settings to = {&c->flags,
                          &c->receive_limit,
                          &c->send_limit,
                          &c->user_timeout_ms,
                          &c->keepalive_idle_ms,
                          &c->mtu,
                          &c->dscp,
                          &c->ttl,
                          (uint16_t)(ip_header_size(&c->tuple.remote) + TCP_HEADER)};
    int error = set(s, &to, option, value);
    count_rule(s, TCP_RULE_OPTION_SET);
    bool is_user_timeout =
        option == DUET_OPTION_USER_TIMEOUT || option == DUET_OPTION_USER_TIMEOUT_ADVERTISE;
    if (is_user_timeout && error == DUET_OK)
        tcp_user_timeout_changed(s, c);
    bool is_step = option == DUET_OPTION_RECEIVE_BUFFER || option == DUET_OPTION_MSS;
    if (is_step && error == DUET_OK) /* the window may open by smaller steps than before */
        tcp_receive_room(s, c);
    if (option == DUET_OPTION_MSS && c->state >= DUET_ESTABLISHED) /* one segment always fits */
        c->cwnd = max_u32(c->cwnd, tcp_send_mss(c));
    if (c->state >= DUET_ESTABLISHED)
        tcp_owe(s, c, TCP_OWES_DATA, TCP_RULE_OPTION_SET); /* Nagle may let go of something */
    tcp_conn_settle(s, c);
    return error;
}
