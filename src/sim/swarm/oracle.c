/* SPDX-License-Identifier: MIT */
/* The judges: what must hold across both ends of a connection, and when everything is over.
 *
 * A connection keeps its promise if every byte that one application gave reaches the other one, once
 * and in order, or else both are told that this may not be so, or one of them wanted it so. Both:
 * nobody may believe that all went well when it did not (I-54, I-64, I-66). */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "sim/swarm/swarm.h"

_Noreturn void swarm_fail(struct swarm *w, int64_t session, const char *format, ...)
{
    struct duet_sim_result *result = w->result;
    va_list arguments;
    size_t used = 0;

    if (session >= 0) {
        result->connection = w->sessions[session].number;
    }
    va_start(arguments, format);
    (void)vsnprintf(result->violation, sizeof result->violation, format, arguments);
    va_end(arguments);
    used = strlen(result->violation);
    if (session >= 0)
        (void)snprintf(result->violation + used, sizeof result->violation - used,
                       " (connection %u, hosts %u and %u)", w->sessions[session].number,
                       w->sessions[session].client, w->sessions[session].server);
    result->failed = true;
    result->failed_at = w->now;
    result->failed_event = result->events;
    longjmp(w->escape, 1);
}

_Noreturn void swarm_no_memory(struct swarm *w)
{
    w->has_no_memory = true;
    longjmp(w->escape, 1);
}

/* ---- while both ends live ---- */

static bool is_at_most(uint32_t a, uint32_t b)
{
    return (int32_t)(b - a) >= 0;
}

static void across(struct swarm *w, uint32_t session, const struct duet_status *a,
                   const struct duet_status *b, const char *side)
{
    if (a->iss != b->irs || a->state < DUET_ESTABLISHED || b->state < DUET_ESTABLISHED)
        return;
    if (!is_at_most(a->snd_una, b->rcv_nxt))
        swarm_fail(w, session, "I-61: more was acknowledged to the %s than its peer has", side);
    if (!is_at_most(b->rcv_nxt, a->snd_nxt))
        swarm_fail(w, session, "I-61: the peer of the %s has more than was sent", side);
    if (!w->sessions[session].is_tampered &&
        !is_at_most(a->snd_una + a->snd_wnd, b->rcv_nxt + b->rcv_wnd))
        swarm_fail(w, session, "I-62: the %s believes in a window that was never offered", side);
}

void oracle_across(struct swarm *w, struct endpoint *e)
{
    const struct session *session = &w->sessions[e->session];
    int32_t other = session->ends[1 - e->side];
    struct duet_status mine, theirs;
    const struct endpoint *peer;

    if (other == SWARM_NONE || e->is_over)
        return;
    peer = &w->endpoints[other];
    if (!peer->is_open || peer->is_over)
        return;
    if (duet_status(w->hosts[e->host].stack, e->handle, &mine) != DUET_OK ||
        duet_status(w->hosts[peer->host].stack, peer->handle, &theirs) != DUET_OK)
        swarm_fail(w, e->session, "API: a live connection has no status");
    across(w, e->session, &mine, &theirs, e->side == 0 ? "client" : "server");
    across(w, e->session, &theirs, &mine, e->side == 0 ? "server" : "client");
}

/* ---- when all is over ---- */

static bool has_died(const struct endpoint *e)
{
    return e->is_dead;
}

/* The bytes that the stack of e has acknowledged: what the application got and what it left. */
static uint64_t arrived(const struct endpoint *e)
{
    return e->received_when_over + e->outcome.bytes_unread;
}

static void judge_outcome(struct swarm *w, const struct endpoint *e)
{
    const struct duet_outcome *o = &e->outcome;

    if (e->is_early)
        return;
    if (o->error == DUET_OK && !(o->fin_acknowledged && o->peer_fin_received))
        swarm_fail(w, e->session, "I-64: an end without error, but the FINs were not exchanged");
    if (o->error == DUET_OK && o->bytes_unacknowledged != 0)
        swarm_fail(w, e->session, "I-54: an end without error, but bytes were not acknowledged");
    if (o->fin_acknowledged && !e->has_shut)
        swarm_fail(w, e->session, "I-64: a FIN was acknowledged that nobody asked for");
    if (o->bytes_unacknowledged > e->sent)
        swarm_fail(w, e->session, "I-54: more is said to be unacknowledged than was sent");
}

/* The stream of a to b. */
static void judge_stream(struct swarm *w, const struct endpoint *a, const struct endpoint *b)
{
    uint64_t acknowledged = a->sent - a->outcome.bytes_unacknowledged;
    const char *side = a->side == 0 ? "client" : "server";

    if (arrived(b) > a->sent)
        swarm_fail(w, a->session, "I-14: more arrived than the %s has sent", side);
    if (arrived(b) < acknowledged)
        swarm_fail(w, a->session,
                   "I-54: %llu bytes of the %s were acknowledged, but only %llu arrived",
                   (unsigned long long)acknowledged, side, (unsigned long long)arrived(b));
    if (a->outcome.fin_acknowledged && !b->outcome.peer_fin_received)
        swarm_fail(w, a->session, "I-64: the FIN of the %s was acknowledged, but never arrived",
                   side);
    if (b->outcome.peer_fin_received && arrived(b) != a->sent)
        swarm_fail(w, a->session, "I-64: the stream of the %s ended early", side);
    if (b->has_seen_end && !a->has_shut)
        swarm_fail(w, a->session, "I-14: the stream of the %s ended and it had not said so", side);
    if (b->has_seen_end && b->received != a->sent)
        swarm_fail(w, a->session, "I-14: %llu bytes of the %s were sent, %llu read to the end",
                   (unsigned long long)a->sent, side, (unsigned long long)b->received);
    if (arrived(b) < a->sent && (a->outcome.error == DUET_OK || b->outcome.error == DUET_OK))
        swarm_fail(w, a->session, "I-66: bytes of the %s were lost and nobody was told", side);
}

static void judge_session(struct swarm *w, uint32_t number)
{
    const struct session *session = &w->sessions[number];
    const struct endpoint *ends[2] = {NULL, NULL};

    for (unsigned side = 0; side < 2; side++) {
        if (session->ends[side] == SWARM_NONE)
            continue;
        ends[side] = &w->endpoints[session->ends[side]];
        if (!has_died(ends[side]))
            judge_outcome(w, ends[side]);
    }
    if (ends[0] == NULL)
        return;
    if (ends[1] == NULL) {
        if (!has_died(ends[0]) && ends[0]->outcome.error == DUET_OK && !ends[0]->is_early)
            swarm_fail(w, number, "I-66: the client was served by nobody and not told");
        return;
    }
    if (has_died(ends[0]) || has_died(ends[1]))
        return;
    judge_stream(w, ends[0], ends[1]);
    judge_stream(w, ends[1], ends[0]);
}

static void judge_host(struct swarm *w, const struct host *host)
{
    const char *broken = duet_check(host->stack);
    struct duet_counters counters;

    duet_counters(host->stack, &counters);
    if (broken != NULL)
        swarm_fail(w, SWARM_NONE, "%s (host %u)", broken, host->number);
    if (counters.connections != 0 || counters.half_open != 0 || counters.time_wait != 0)
        swarm_fail(w, SWARM_NONE,
                   "I-30: host %u still holds %u connections, %u half-open ones, %u in TIME-WAIT",
                   host->number, counters.connections, counters.half_open, counters.time_wait);
    if (counters.pages_used != 0)
        swarm_fail(w, SWARM_NONE, "I-52: host %u still holds %u pages", host->number,
                   counters.pages_used);
}

/* What stays for the life of a connection may make it slow: a middlebox that took the window scale out of a SYN,ACK
 * only, so that the one end has a small part of the window that the other offers; a host with so little memory
 * that it drops parts of what comes, behind which a peer without RACK waits for one timeout after the other
 * (RFC 6298, 5.5). It goes on as long as something is read. */
static bool is_slow(const struct swarm *w, struct session *session)
{
    uint64_t read = 0;

    for (unsigned side = 0; side < 2; side++)
        if (session->ends[side] != SWARM_NONE)
            read += w->endpoints[session->ends[side]].received;
    bool has_moved = read > session->read_before;
    session->read_before = read;
    bool is_scarce = w->hosts[session->client].scarce != 0 || w->hosts[session->server].scarce != 0;
    return (session->is_tampered || is_scarce) && has_moved;
}

bool oracle_finished(struct swarm *w)
{
    bool is_finished = true;

    for (uint32_t i = 0; i < w->session_count; i++)
        w->sessions[i].is_slow = is_slow(w, &w->sessions[i]);
    for (uint32_t i = 0; i < w->endpoint_count; i++) {
        const struct endpoint *e = &w->endpoints[i];
        struct duet_status status;

        if (!e->is_open)
            continue;
        if (w->sessions[e->session].is_slow) {
            is_finished = false;
            continue;
        }
        if (duet_status(w->hosts[e->host].stack, e->handle, &status) != DUET_OK)
            swarm_fail(w, e->session, "API: a live connection has no status");
        swarm_fail(w, e->session,
                   "I-65: the %s is stuck in %s; read %llu, wrote %llu, queued %u and %u",
                   e->side == 0 ? "client" : "server", duet_state_name(status.state),
                   (unsigned long long)e->received, (unsigned long long)e->sent, status.send_queued,
                   status.receive_queued);
    }
    for (uint32_t i = 0; i < w->session_count; i++)
        if (!w->sessions[i].is_started)
            swarm_fail(w, i, "I-65: the client finds no room to open its connection");
    return is_finished;
}

void oracle_end(struct swarm *w)
{
    for (uint32_t i = 0; i < w->session_count; i++)
        judge_session(w, i);
    for (unsigned i = 0; i < w->plan.host_count; i++)
        judge_host(w, &w->hosts[i]);
}
