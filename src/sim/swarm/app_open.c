/* SPDX-License-Identifier: MIT */
/* Applications come into being: a client opens its connection, a server accepts one, and the two ends
 * are found to be one by the ISS of the client, which no translator changes. */
#include <stdlib.h>

#include "base/check.h"
#include "sim/swarm/app.h"

enum { TRIES_MOST = 9, IDLE_MS = 10000 };

static struct endpoint *add_endpoint(struct swarm *w, uint32_t session, unsigned side,
                                     struct host *host, struct duet_handle handle)
{
    struct endpoint *e;

    if (w->endpoint_count == w->endpoint_room) {
        uint32_t room = w->endpoint_room == 0 ? 64 : 2 * w->endpoint_room;
        struct endpoint *endpoints = realloc(w->endpoints, room * sizeof *endpoints);

        if (endpoints == NULL)
            swarm_no_memory(w);
        w->endpoints = endpoints;
        w->endpoint_room = room;
    }
    e = &w->endpoints[w->endpoint_count++];
    *e = (struct endpoint){
        .session = session,
        .side = (uint8_t)side,
        .host = host->number,
        .is_open = true,
        .is_connected = side == 1,
        .must_finish = w->has_healed,
        .wakes_at = DUET_NEVER,
        .opened_at = w->now,
        .handle = handle,
        .prng = luck_for(w->recipe->seed, LUCK_APPLICATION, w->sessions[session].number, 2 + side),
    };
    plan_manner(w, &w->sessions[session], side, &e->manner);
    e->leave_at = w->now + e->manner.linger;
    CHECK(handle.index < host->config.connections_max);
    host->by_index[handle.index] = (int32_t)app_id(w, e);
    w->unfinished++;
    w->result->connections += side == 0;
    return e;
}

void app_set_options(struct swarm *w, struct endpoint *e)
{
    struct host *host = endpoint_host(w, e);
    duet_time now = host_now(w, host);

    if (e->manner.nodelay)
        (void)duet_set(host->stack, now, e->handle, DUET_OPTION_NODELAY, 1);
    if (e->must_finish && e->manner.kind == APP_RANDOM) { /* it may have made them tiny */
        (void)duet_set(host->stack, now, e->handle, DUET_OPTION_RECEIVE_BUFFER,
                       host->config.receive_buffer);
        (void)duet_set(host->stack, now, e->handle, DUET_OPTION_SEND_BUFFER,
                       host->config.send_buffer);
    }
    if (!e->manner.keepalive && !e->must_finish)
        return;
    (void)duet_set(host->stack, now, e->handle, DUET_OPTION_KEEPALIVE_IDLE, IDLE_MS);
    (void)duet_set(host->stack, now, e->handle, DUET_OPTION_KEEPALIVE, 1);
}

static void remember_iss(struct swarm *w, uint32_t number, uint32_t iss)
{
    uint32_t *bucket = &w->by_iss[iss % w->iss_buckets];

    w->sessions[number].iss = iss;
    w->sessions[number].next_of_iss = *bucket;
    *bucket = number;
}

void app_open_session(struct swarm *w, uint32_t number)
{
    struct session *session = &w->sessions[number];
    struct host *host = &w->hosts[session->client];
    const struct duet_connect_options options = {
        .remote = {.address = host_address(w, session->server),
                   .port = session->is_deaf ? SWARM_DEAF_PORT : SWARM_PORT},
    };
    struct duet_status status;
    struct duet_handle handle;
    struct endpoint *e;
    int code;

    swarm_event(w);
    session->tries++;
    code = host->stalled_apps != 0
               ? DUET_E_RES
               : duet_connect(host->stack, host_now(w, host), &options, &handle);
    if (code == DUET_E_RES) {
        session->is_started = session->tries == TRIES_MOST; /* it has been told, and gives up */
        if (!session->is_started)
            swarm_note(w, w->now + (DUET_SECOND << session->tries), AGENDA_START, number);
        return;
    }
    if (code != DUET_OK)
        swarm_fail(w, number, "API: duet_connect returns %s", duet_error_name(code));
    session->is_started = true;
    e = add_endpoint(w, number, 0, host, handle);
    session->ends[0] = (int32_t)app_id(w, e);
    if (duet_status(host->stack, handle, &status) != DUET_OK)
        swarm_fail(w, number, "API: a new connection has no status");
    remember_iss(w, number, status.iss);
    app_set_options(w, e);
    app_act(w, e);
    host_settle(w, host);
}

/* The session whose client has sent this ISS to the host; UINT32_MAX: none. */
static uint32_t find_session(const struct swarm *w, const struct host *host, uint32_t iss)
{
    uint32_t number = w->by_iss[iss % w->iss_buckets];

    while (number != UINT32_MAX &&
           (w->sessions[number].iss != iss || w->sessions[number].server != host->number))
        number = w->sessions[number].next_of_iss;
    return number;
}

void app_accept(struct swarm *w, struct host *host)
{
    struct duet_handle handle;

    if (host->stalled_apps != 0)
        return;
    while (duet_accept(host->stack, host_now(w, host), host->listener, &handle, NULL) == DUET_OK) {
        struct duet_status status;
        struct endpoint *e;
        uint32_t number;

        swarm_event(w);
        if (duet_status(host->stack, handle, &status) != DUET_OK)
            swarm_fail(w, SWARM_NONE, "API: an accepted connection has no status");
        number = find_session(w, host, status.irs);
        if (number == UINT32_MAX)
            swarm_fail(w, SWARM_NONE, "I-63: host %u accepts a connection that nobody opened",
                       host->number);
        if (w->sessions[number].ends[1] != SWARM_NONE)
            swarm_fail(w, number, "I-14: one connection was accepted twice");
        e = add_endpoint(w, number, 1, host, handle);
        w->sessions[number].ends[1] = (int32_t)app_id(w, e);
        app_set_options(w, e);
        app_act(w, e);
    }
}
