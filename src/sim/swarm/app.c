/* SPDX-License-Identifier: MIT */
/* What applications do. All of them are one loop with different habits (struct manner): read what
 * they want, write what they may, and go when they are done:
 *
 *     told of an event, or woken by the clock  ->  read  ->  write  ->  leave
 *
 * Each finishes by itself if the network does its part, whoever the other end is: nobody waits for
 * a peer that has said its last word, and everybody reads to the end. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "sim/swarm/app.h"
#include "sim/swarm/stream.h"

enum { PIECE_MOST = SWARM_SCRATCH };

/* ---- who is who ---- */

uint32_t app_id(const struct swarm *w, const struct endpoint *e)
{
    return (uint32_t)(e - w->endpoints);
}

/* The earliest that was asked for counts: whoever is woken before his time asks again. */
static void wake_at(struct swarm *w, struct endpoint *e, duet_time at)
{
    if (at >= e->wakes_at)
        return;
    e->wakes_at = at;
    swarm_note(w, at, AGENDA_APP, app_id(w, e));
}

/* ---- the end ---- */

static void count_end(struct swarm *w, const struct endpoint *e)
{
    struct duet_sim_result *result = w->result;
    bool waits = e->outcome.we_closed_first && e->outcome.error == DUET_OK;

    if (e->side != 0)
        return;
    result->connection_time += w->now - e->opened_at;
    if (waits)
        result->connection_time += 2 * w->hosts[e->host].config.msl;
    if (e->is_dead)
        result->lost++;
    else if (e->outcome.error == DUET_OK)
        result->clean++;
    else if (e->outcome.error == DUET_E_REFUSED)
        result->refused++;
    else if (e->outcome.error == DUET_E_TIMEOUT || e->outcome.error == DUET_E_UNREACHABLE)
        result->timed_out++;
    else
        result->reset++;
}

static void release(struct swarm *w, struct endpoint *e)
{
    struct host *host = endpoint_host(w, e);

    if (!e->has_closed && !e->has_aborted && w->recipe->defect != DUET_SIM_LEAK) {
        swarm_event(w);
        if (duet_close(host->stack, host_now(w, host), e->handle) != DUET_OK)
            swarm_fail(w, e->session, "API: duet_close of a connection that ended is no success");
    }
    CHECK(e->is_open);
    e->is_open = false;
    host->by_index[e->handle.index] = SWARM_NONE;
    w->unfinished--;
    count_end(w, e);
}

void app_host_died(struct swarm *w, struct host *host)
{
    for (uint32_t i = 0; i < w->endpoint_count; i++) {
        struct endpoint *e = &w->endpoints[i];

        if (e->host != host->number || !e->is_open)
            continue;
        e->is_dead = true;
        e->is_open = false;
        w->unfinished--;
        count_end(w, e);
    }
}

/* ---- reading ---- */

void app_take(struct swarm *w, struct endpoint *e, const uint8_t *bytes, size_t size)
{
    struct session *session = endpoint_session(w, e);
    size_t same = stream_match(session->keys[1 - e->side], e->received, bytes, size);

    if (same < size)
        swarm_fail(w, e->session, "I-14: byte %llu of the stream to the %s is not what was sent",
                   (unsigned long long)e->received + same, e->side == 0 ? "client" : "server");
    e->received += size;
    w->result->bytes += size;
}

/* One piece. What duet_receive would return. */
static int64_t read_piece(struct swarm *w, struct endpoint *e, size_t most)
{
    struct host *host = endpoint_host(w, e);
    const void *data;
    int64_t got;

    swarm_event(w);
    if (!e->manner.zero_copy) {
        got = duet_receive(host->stack, host_now(w, host), e->handle, w->scratch, most);
        if (got > 0)
            app_take(w, e, w->scratch, (size_t)got);
        return got;
    }
    got = duet_receive_peek(host->stack, e->handle, &data, &most);
    if (got != DUET_OK)
        return got;
    app_take(w, e, data, most);
    got = duet_receive_consume(host->stack, host_now(w, host), e->handle, most);
    return got == DUET_OK ? (int64_t)most : got;
}

static void read_all(struct swarm *w, struct endpoint *e)
{
    bool hurries = e->must_finish || e->is_over;

    if (!hurries && w->now < e->read_at)
        wake_at(w, e, e->read_at);
    while (!e->has_seen_end && (hurries || w->now >= e->read_at)) {
        int64_t got = read_piece(w, e, hurries ? PIECE_MOST : e->manner.read_most);

        if (got == DUET_E_CLOSING)
            e->has_seen_end = true;
        else if (got < 0 && got != DUET_E_AGAIN)
            e->knows_error = true;
        if (got <= 0)
            return;
        if (e->manner.read_pause != 0 && !hurries) {
            e->read_at = w->now + e->manner.read_pause;
            wake_at(w, e, e->read_at);
        }
    }
}

/* ---- writing ---- */

/* How far the application has got something to say. */
static uint64_t may_send(const struct endpoint *e)
{
    const struct manner *m = &e->manner;
    uint64_t upto = m->goal;

    if (m->kind != APP_REQUEST)
        return upto;
    if (e->side == 0)
        upto = m->request * (1 + e->received / m->response);
    else
        upto = m->response * (e->received / m->request);
    return upto < m->goal ? upto : m->goal;
}

/* One piece. What duet_send would return. */
static int64_t write_piece(struct swarm *w, struct endpoint *e, size_t size)
{
    struct host *host = endpoint_host(w, e);
    uint64_t key = endpoint_session(w, e)->keys[e->side];
    uint64_t at = e->sent;
    size_t room;
    void *data;
    int64_t got;

    if (w->recipe->defect == DUET_SIM_LOST_BYTE && at > 0)
        at++;
    swarm_event(w);
    if (!e->manner.zero_copy) {
        stream_write(key, at, w->scratch, size);
        return duet_send(host->stack, host_now(w, host), e->handle, w->scratch, size, 0);
    }
    got = duet_send_reserve(host->stack, e->handle, &data, &room);
    if (got != DUET_OK)
        return got;
    size = room < size ? room : size;
    stream_write(key, at, data, size);
    got = duet_send_commit(host->stack, host_now(w, host), e->handle, size, 0);
    return got == DUET_OK ? (int64_t)size : got;
}

static void write_all(struct swarm *w, struct endpoint *e)
{
    if (!e->must_finish && w->now < e->write_at)
        wake_at(w, e, e->write_at);
    while (!e->has_shut && !e->knows_error && (e->must_finish || w->now >= e->write_at)) {
        uint64_t left = may_send(e) - e->sent;
        size_t size = left < e->manner.write_most ? (size_t)left : e->manner.write_most;
        int64_t sent;

        if (size == 0)
            return;
        sent = write_piece(w, e, size);
        if (sent < 0 && sent != DUET_E_AGAIN)
            e->knows_error = true;
        if (sent <= 0)
            return;
        e->sent += (uint64_t)sent;
        if (e->manner.write_pause != 0 && !e->must_finish) {
            e->write_at = w->now + e->manner.write_pause;
            wake_at(w, e, e->write_at);
        }
    }
}

/* ---- leaving ---- */

static void shut(struct swarm *w, struct endpoint *e)
{
    struct host *host = endpoint_host(w, e);

    swarm_event(w);
    e->has_shut = true;
    (void)duet_shutdown(host->stack, host_now(w, host), e->handle);
}

void app_close(struct swarm *w, struct endpoint *e)
{
    struct host *host = endpoint_host(w, e);

    swarm_event(w);
    e->is_early = !e->is_connected;
    e->has_shut = e->has_closed = true;
    if (duet_close(host->stack, host_now(w, host), e->handle) != DUET_OK)
        swarm_fail(w, e->session, "API: duet_close of a live connection is no success");
}

void app_abort(struct swarm *w, struct endpoint *e)
{
    struct host *host = endpoint_host(w, e);

    swarm_event(w);
    e->is_early = !e->is_connected;
    e->has_shut = e->has_aborted = true;
    if (duet_abort(host->stack, host_now(w, host), e->handle) != DUET_OK)
        swarm_fail(w, e->session, "API: duet_abort of a live connection is no success");
}

static bool is_done_writing(const struct endpoint *e)
{
    return e->sent >= e->manner.goal || e->has_seen_end || e->knows_error;
}

static void leave(struct swarm *w, struct endpoint *e)
{
    const struct manner *m = &e->manner;

    if (m->kind == APP_ABRUPT && e->sent + e->received >= m->leave_at && e->is_connected) {
        if (m->aborts)
            app_abort(w, e);
        else
            app_close(w, e);
        return;
    }
    /* Whoever has answered what he was asked may still be asked for more. */
    if (!is_done_writing(e) || (e->side == 0 && !e->is_connected))
        return;
    if (w->now < e->leave_at && !e->must_finish && !e->has_seen_end) {
        wake_at(w, e, e->leave_at);
        return;
    }
    if (e->has_seen_end)
        app_close(w, e);
    else if (!e->has_shut)
        shut(w, e);
}

/* ---- acting ---- */

void app_act(struct swarm *w, struct endpoint *e)
{
    uint32_t id = app_id(w, e);

    if (!e->is_open || endpoint_host(w, e)->stalled_apps != 0)
        return;
    if (!e->has_closed && !e->has_aborted) {
        if (e->manner.kind == APP_RANDOM && !e->must_finish && !e->is_over) {
            random_app_act(w, id);
            e = &w->endpoints[id];
        } else {
            read_all(w, e);
            if (!e->is_over) {
                write_all(w, e);
                leave(w, e);
            }
        }
    }
    if (e->is_over)
        release(w, e);
}

static void hash_outcome(struct swarm *w, const struct endpoint *e)
{
    const struct duet_outcome *outcome = &e->outcome;

    swarm_hash(w, e->received);
    swarm_hash(w, (uint64_t)(int64_t)outcome->error << 32 ^
                      (uint64_t)(outcome->we_closed_first ? 1 : 0) ^
                      (uint64_t)(outcome->fin_acknowledged ? 2 : 0) ^
                      (uint64_t)(outcome->peer_fin_received ? 4 : 0));
    swarm_hash(w, outcome->bytes_unacknowledged);
    swarm_hash(w, outcome->bytes_unread);
}

void app_told(struct swarm *w, struct host *host, const struct duet_event *event)
{
    struct endpoint *e;
    int32_t id;

    if (event->handle.index == host->listener.index &&
        event->handle.generation == host->listener.generation) {
        app_accept(w, host);
        return;
    }
    id = event->handle.index < host->config.connections_max ? host->by_index[event->handle.index]
                                                            : SWARM_NONE;
    if (id == SWARM_NONE || w->endpoints[id].handle.generation != event->handle.generation)
        swarm_fail(w, SWARM_NONE, "API: host %u is told of a connection that nobody holds",
                   host->number);
    e = &w->endpoints[id];
    swarm_hash(w, (uint64_t)(int64_t)event->error << 32 ^ event->bits);
    if (e->is_over)
        swarm_fail(w, e->session, "API: an event after the final one");
    if ((event->bits & DUET_EVENT_CONNECTED) != 0)
        e->is_connected = true;
    if ((event->bits & DUET_EVENT_CLOSED) != 0) {
        e->is_over = true;
        e->outcome = event->outcome;
        e->received_when_over = e->received;
        hash_outcome(w, e);
    }
    oracle_across(w, e);
    app_act(w, e);
}

void app_woken(struct swarm *w, uint32_t id)
{
    struct endpoint *e = &w->endpoints[id];
    struct host *host = endpoint_host(w, e);

    if (w->now != e->wakes_at) /* an earlier one has come */
        return;
    e->wakes_at = DUET_NEVER;
    if (!e->is_open)
        return;
    app_act(w, e);
    host_settle(w, host);
}

static void act_on(struct swarm *w, struct host *host, bool hurry)
{
    for (uint32_t i = 0; i < w->endpoint_count; i++) {
        if (w->endpoints[i].host != host->number || !w->endpoints[i].is_open)
            continue;
        if (hurry) {
            w->endpoints[i].must_finish = true;
            app_set_options(w, &w->endpoints[i]);
        }
        app_act(w, &w->endpoints[i]);
    }
    app_accept(w, host);
    host_settle(w, host);
}

void app_stall_over(struct swarm *w, struct host *host)
{
    act_on(w, host, false);
}

void app_heal(struct swarm *w)
{
    for (unsigned i = 0; i < w->plan.host_count; i++)
        act_on(w, &w->hosts[i], true);
}
