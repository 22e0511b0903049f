/* SPDX-License-Identifier: MIT */
/* STATUS (RFC 9293, 3.10.6). */
#include "base/bytes.h"
#include "core/user.h"

struct duet_status status_of_tuple(const struct tcp_tuple *tuple, enum duet_state state)
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
    status->congestion_window = c->cwnd;
    status->slow_start_threshold = c->ssthresh;
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

struct duet_status status_of_conn(const struct duet_stack *s, const struct tcp_conn *c)
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

struct duet_status status_of_listener(const struct duet_stack *s,
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
