/* SPDX-License-Identifier: MIT */
/* What must hold in every explored state: the invariants of each stack (docs/INVARIANTS.md), and
 * those that only somebody who sees both ends can judge. */
#include <string.h>

#include "model.h"

static const char *const names[ENDS] = {"first", "second"};

/* ---- one end ---- */

/* The small records do not tell enough to be compared with the other end, but where they are. */
static void look_at_record(struct model_view *view, const struct duet_status *status)
{
    view->state = (uint8_t)status->state;
    if (status->state == DUET_SYN_RECEIVED) {
        view->una = status->iss;
        view->nxt = status->iss + 1;
        view->rcv_nxt = status->irs + 1;
    } else if (status->state == DUET_TIME_WAIT) {
        view->una = view->nxt = status->snd_nxt;
        view->rcv_nxt = status->rcv_nxt;
    }
}

static void look_at_connection(struct machine *m, unsigned end)
{
    struct model_view *view = &m->model.views[end];
    struct duet_handle handle;
    struct duet_status status;
    uint64_t cursor = 0;

    view->is_bound = false;
    view->state = DUET_CLOSED;
    while (duet_next_status(m->stacks[end], &cursor, &handle, &status)) {
        if (status.state == DUET_CLOSED || view->is_bound)
            continue;
        view->is_bound = handle.generation != 0 && status.state != DUET_LISTEN;
        if (!view->is_bound) {
            look_at_record(view, &status);
            continue;
        }
        view->state = (uint8_t)status.state;
        view->iss = status.iss;
        view->una = status.snd_una;
        view->nxt = status.snd_nxt;
        view->wnd = status.snd_wnd;
        view->irs = status.irs;
        view->rcv_nxt = status.rcv_nxt;
        view->rcv_wnd = status.rcv_wnd;
    }
}

/* The ISNs of all connections that this end has begun; one that has been counted may not have been sent. */
static struct duet_canonical_isns isns_of(const struct model *model, unsigned end)
{
    struct duet_canonical_isns isns = {.count = 0};

    for (unsigned i = 1; i <= model->users[end].own && i < MODEL_OPENS; i++)
        if (model->iss[end][i] != 0)
            isns.isns[isns.count++] = model->iss[end][i];
    return isns;
}

void oracle_look(struct machine *m, unsigned end)
{
    const struct model *model = &m->model;
    const struct duet_canonical_base base = {isns_of(model, end), isns_of(model, 1 - end)};
    struct model_view *view = &m->model.views[end];
    struct duet_counters counters;
    struct duet_canonical canonical;
    struct duet_packet no_room = {0};
    const char *broken = duet_check(m->stacks[end]);

    if (broken != NULL)
        machine_fail(m, "an invariant of the %s end is broken: %s", names[end], broken);
    look_at_connection(m, end);
    duet_counters(m->stacks[end], &counters);
    view->is_free = counters.connections == 0 && counters.half_open == 0 &&
                    counters.time_wait == 0 && counters.pages_used == 0;
    duet_output(m->stacks[end], model->now, &no_room); /* tells it the time and nothing else */
    duet_canonical(m->stacks[end], &base, &canonical);
    view->hash = canonical.hash;
    view->deadline = canonical.deadline;
}

void oracle_cover(const struct machine *m, struct duet_explore_result *reached)
{
    for (unsigned end = 0; end < ENDS; end++) {
        for (unsigned i = 1; i < duet_rule_count() && i < DUET_EXPLORE_RULES_MAX; i++)
            reached->rules[i] |= duet_rule_hits(m->stacks[end], i) > 0;
        for (unsigned i = 0; i < duet_edge_count() && i < DUET_EXPLORE_EDGES_MAX; i++)
            reached->edges[i] |= duet_edge_hits(m->stacks[end], i) > 0;
    }
}

/* ---- both ends ---- */

static bool is_at_most(uint32_t a, uint32_t b)
{
    return (int32_t)(b - a) >= 0;
}

/* Do they talk to each other, and have both heard so? */
static bool are_a_pair(const struct model_view *a, const struct model_view *b)
{
    return a->is_bound && b->is_bound && a->state >= DUET_ESTABLISHED &&
           b->state >= DUET_SYN_RECEIVED && a->iss == b->irs && b->iss == a->irs;
}

static void check_direction(struct machine *m, unsigned from)
{
    const struct model_view *a = &m->model.views[from], *b = &m->model.views[1 - from];

    if (!is_at_most(a->una, b->rcv_nxt))
        machine_fail(m, "I-61: what the %s end sent was acknowledged before it had arrived",
                     names[from]);
    if (!is_at_most(b->rcv_nxt, a->nxt))
        machine_fail(m, "I-61: more has arrived than the %s end has sent", names[from]);
    if (a->state < DUET_TIME_WAIT && b->state < DUET_TIME_WAIT &&
        !is_at_most(a->una + a->wnd, b->rcv_nxt + b->rcv_wnd))
        machine_fail(m, "I-62: the %s end believes in more room than was advertised", names[from]);
}

void oracle_pair(struct machine *m)
{
    const struct model_view *a = &m->model.views[0], *b = &m->model.views[1];
    const struct model_user *users = m->model.users;

    if (are_a_pair(a, b) && are_a_pair(b, a))
        for (unsigned end = 0; end < ENDS; end++)
            check_direction(m, end);
    for (unsigned end = 0; end < ENDS; end++) {
        const struct model_user *reader = &users[end], *writer = &users[1 - end];
        if (!reader->holds || reader->peers != writer->mine || reader->peers == 0)
            continue;
        if (reader->received > writer->sent)
            machine_fail(m, "I-14: the %s end read more than was ever written", names[end]);
        if (reader->at_end && (!writer->shut || reader->received != writer->sent))
            machine_fail(m, "I-14: the %s end was told of the end of a stream before it",
                         names[end]);
    }
}

/* A user is told how his connection ended (I-64, I-66). */
void oracle_ended(struct machine *m, unsigned end, const struct duet_outcome *outcome)
{
    const struct model_user *user = &m->model.users[end], *other = &m->model.users[1 - end];
    bool is_same = other->peers == user->mine && user->mine != 0 && other->mine != 0;

    if (outcome->error != DUET_OK || !is_same)
        return;
    if (!outcome->fin_acknowledged || !outcome->peer_fin_received)
        machine_fail(m, "I-64: the %s end was told of a good end without both FINs", names[end]);
    if (outcome->bytes_unacknowledged != 0 || outcome->bytes_unread != 0)
        machine_fail(m, "I-64: the %s end was told of a good end, and bytes were left", names[end]);
    if (!other->closed && (m->bounds->ends[1 - end].calls & DUET_EXPLORE_READ) == 0 &&
        other->received != user->sent)
        machine_fail(m, "I-66: the %s end was told of a good end, and its peer has not read all",
                     names[end]);
}

/* Nothing is under way, no timer runs, all was read, and users hold open connections: then all that
 * was written has arrived. */
void oracle_silent(struct machine *m)
{
    if (m->bounds->keepalive)
        return; /* timers run all the time */
    for (unsigned end = 0; end < ENDS; end++) {
        const struct model_user *reader = &m->model.users[end], *writer = &m->model.users[1 - end];
        bool are_open = reader->holds && writer->holds && !reader->closed && !writer->closed &&
                        !reader->ended && !writer->ended;
        if (are_open && reader->peers == writer->mine && reader->received != writer->sent)
            machine_fail(m, "I-54: all is silent, and the %s end has not got what was written",
                         names[end]);
    }
}

void oracle_ending(struct machine *m)
{
    for (unsigned end = 0; end < ENDS; end++) {
        const struct model_user *user = &m->model.users[end];
        if (user->holds)
            machine_fail(m, "I-65: the %s user has closed and is never told that it has ended",
                         names[end]);
        if (!m->model.views[end].is_free)
            machine_fail(m, "I-52: all has ended, and the %s end still holds something",
                         names[end]);
    }
}
