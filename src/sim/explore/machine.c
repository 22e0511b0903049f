/* SPDX-License-Identifier: MIT */
/* The machine that runs the explored world: how it starts, what one step does, what state it is then in;
 * see model.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "hash.h"
#include "model.h"

enum { TRACE_EVENTS = 512 };

/* All times of the world are whole milliseconds, so that the stacks' clocks, which are coarser than
 * ours, count the same from whatever moment one looks. */
#define TICK  DUET_MILLISECOND
#define WHEEL (DUET_MICROSECOND * 2) /* a timer is at most this late */
#define BEGIN (3600 * DUET_SECOND)

/* ---- start and end ---- */

/* Pools for what two ends can need, and not much more: a block is copied with every step. */
static void configure(const struct machine *m, unsigned end, uint64_t seed, bool recorded,
                      struct duet_config *config)
{
    uint32_t buffer = m->bounds->ends[end].receive_buffer;
    struct prng prng;

    duet_config_default(config);
    prng_seed(&prng, seed * ENDS + end);
    for (unsigned i = 0; i < DUET_SECRET_SIZE; i++)
        config->secret[i] = (uint8_t)prng_next(&prng);
    config->interfaces[0] = (struct duet_interface){duet_ipv4(192, 0, 2, (uint8_t)(end + 1)), 24};
    config->interface_count = 1;
    config->mtu = 576;
    config->connections_max = 3;
    config->half_open_max = 2;
    config->time_wait_max = 2;
    config->transfers_max = 3;
    config->reassemblies_max = 2;
    config->accurate_ecn_max = m->bounds->ecn == DUET_ECN_OFF ? 0 : 2;
    config->ranges_max = 8;
    config->listeners_max = 1;
    config->replies_max = 4;
    config->paths_max = 1;
    config->pages_max = 8;
    config->page_size = 512;
    config->send_buffer = 512;
    config->receive_buffer = buffer == 0 ? 512 : buffer;
    config->autotune = false;
    config->pacing = false;
    config->plpmtud = false;
    config->ecn = (uint8_t)m->bounds->ecn;
    config->sack = !m->bounds->without_sack;
    config->watch = true; /* what must hold from one door to the next */
    config->timestamps = m->bounds->timestamps;
    config->quick_acks = 0;
    config->trace_events = recorded ? TRACE_EVENTS : 0;
}

static int make_end(struct machine *m, unsigned end, const struct duet_explore_options *options)
{
    struct duet_config *config = &m->config[end];

    configure(m, end, options->seed, m->record != NULL, config);
    size_t size = duet_stack_footprint(config);
    m->blocks[end] = size == 0 ? NULL : calloc(1, size);
    if (m->blocks[end] == NULL) {
        errno = ENOMEM;
        return -1;
    }
    if (duet_stack_init(m->blocks[end], size, config, &m->stacks[end]) != DUET_OK) {
        errno = EINVAL;
        return -1;
    }
    m->sizes[end] = duet_snapshot_size(m->stacks[end]);
    return 0;
}

/* The kind network alone: until nothing is under way, or until nothing is left to do. */
static void follow_kindness(struct machine *m, bool to_the_end)
{
    struct choice choice;

    for (;;) {
        machine_choices(m, &choice);
        if (!choice.is_kind || (!to_the_end && choice.actions[0].kind != ACTION_DELIVER))
            break;
        machine_step(m, choice.actions[0]);
    }
}

/* A connection from its first to its last packet, which brings a cookie of Fast Open. */
static void have_been_there(struct machine *m)
{
    struct model_user *first = &m->model.users[0];

    user_act(m, 1, ACTION_LISTEN);
    machine_step(m, (struct action){.kind = ACTION_CONNECT});
    follow_kindness(m, true);
    first->opens = m->bounds->ends[0].opens;
}

/* Until both are connected. */
static void establish(struct machine *m)
{
    if (!m->model.users[1].listens)
        user_act(m, 1, ACTION_LISTEN);
    machine_step(m, (struct action){.kind = ACTION_CONNECT});
    follow_kindness(m, false);
}

int machine_start(struct machine *m, const struct duet_exploration *exploration,
                  const struct duet_explore_options *options, struct duet_recorder *record)
{
    *m = (struct machine){
        .bounds = &exploration->bounds, .sabotage = options->sabotage, .record = record};
    for (unsigned end = 0; end < ENDS; end++)
        if (make_end(m, end, options) != 0) {
            machine_end(m);
            return -1;
        }
    m->model.now = BEGIN;
    m->model.losses = m->bounds->losses;
    m->model.duplicates = m->bounds->duplicates;
    m->model.late = m->bounds->late;
    m->model.marks = m->bounds->marks;
    for (unsigned end = 0; end < ENDS; end++) {
        m->model.users[end].opens = m->bounds->ends[end].opens;
        duet_expire(m->stacks[end], BEGIN);
    }
    if (m->bounds->fast_open)
        have_been_there(m);
    if (m->bounds->established)
        establish(m);
    for (unsigned end = 0; end < ENDS; end++)
        oracle_look(m, end);
    return 0;
}

void machine_end(struct machine *m)
{
    for (unsigned end = 0; end < ENDS; end++)
        free(m->blocks[end]);
}

void model_copy(struct model *to, const struct model *from)
{
    memcpy(to, from, offsetof(struct model, packets) + from->count * sizeof from->packets[0]);
}

void machine_fail(struct machine *m, const char *format, ...)
{
    va_list arguments;

    if (m->problem[0] != '\0')
        return;
    va_start(arguments, format);
    vsnprintf(m->problem, sizeof m->problem, format, arguments);
    va_end(arguments);
}

/* ---- the trace ---- */

/* Every step a little later than the one before it, though in the world no time has passed. */
duet_time machine_shown(const struct machine *m)
{
    return m->model.now - BEGIN + m->model.steps * DUET_MICROSECOND;
}

void machine_trace(struct machine *m, unsigned end)
{
    struct duet_trace_event event;

    while (m->record != NULL && duet_next_trace(m->stacks[end], &event)) {
        duet_time shown = machine_shown(m);

        if (event.kind == DUET_TRACE_TIMER && event.u.timer.action == DUET_TIMER_STARTED)
            event.u.timer.deadline += shown - event.time;
        event.time = shown;
        duet_recorder_trace(m->record, end, &event);
    }
}

/* ---- one step ---- */

static bool run_timer(struct machine *m, unsigned end)
{
    struct model *model = &m->model;
    duet_time due = machine_deadline(m, end);

    if (due == DUET_NEVER || (machine_is_busy(m) && model->late == 0))
        return false;
    model->late -= machine_is_busy(m);
    due = (due + WHEEL + TICK - 1) / TICK * TICK;
    if (due > model->now) {
        model->now = due;
        model->just_ended[0] = model->just_ended[1] = false;
    }
    m->touched |= 1u << (1 - end); /* time has passed there, too */
    machine_expire_packets(m);
    duet_expire(m->stacks[end], model->now);
    machine_trace(m, end);
    return true;
}

static bool close_silently(const struct machine *m, unsigned end)
{
    const struct model_user *user = &m->model.users[end];

    return user->holds && !user->closed;
}

static bool act(struct machine *m, struct action action)
{
    enum action_kind kind = (enum action_kind)action.kind;

    switch (kind) {
    case ACTION_DELIVER:
    case ACTION_DUPLICATE:
    case ACTION_MARK:
        return machine_deliver(m, action.end, action.number, kind);
    case ACTION_DROP:
        return machine_drop(m, action.end, action.number);
    case ACTION_TIMER:
        return run_timer(m, action.end);
    case ACTION_CLOSE:
        if (!close_silently(m, action.end))
            return false;
        break;
    case ACTION_LISTEN:
    case ACTION_CONNECT:
    case ACTION_SEND:
    case ACTION_READ:
    case ACTION_SHUTDOWN:
    case ACTION_ABORT:
    case ACTION_UNLISTEN:
        if (!user_may(m, action.end, kind))
            return false;
        break;
    }
    user_act(m, action.end, kind);
    return true;
}

/* User and link, until neither has anything to do for the other. */
static void talk(struct machine *m, unsigned end)
{
    do {
        user_settle(m, end);
        m->touched |= 1u << end;
    } while (machine_send_all(m, end));
    m->answers_reset = false;
}

/* Room in the network that this step made is for who waits for it, at either end. */
static void settle(struct machine *m, unsigned end)
{
    talk(m, end);
    if (m->model.users[1 - end].blocked)
        talk(m, 1 - end);
}

static void look(struct machine *m)
{
    for (unsigned end = 0; end < ENDS; end++)
        if ((m->touched & 1u << end) != 0)
            oracle_look(m, end);
}

/* ISNs count microseconds (RFC 6528), and here no time passes: a connection must not begin in the
 * instant in which one between the same sockets ended, or both have the same ISN. */
static void note_ends(struct machine *m, const bool were_bound[ENDS])
{
    for (unsigned end = 0; end < ENDS; end++) {
        const struct model_user *user = &m->model.users[end];
        if (were_bound[end] && !m->model.views[end].is_bound && (user->listens || user->opens > 0))
            m->model.just_ended[end] = true;
    }
}

static void pass_an_instant(struct machine *m, struct action action)
{
    struct model *model = &m->model;

    if (!model->just_ended[action.end] || !packets_begin_connection(m, action))
        return;
    model->now += TICK;
    model->just_ended[0] = model->just_ended[1] = false;
    m->touched = 3;
}

bool machine_step(struct machine *m, struct action action)
{
    const bool were_bound[ENDS] = {m->model.views[0].is_bound, m->model.views[1].is_bound};

    pass_an_instant(m, action);
    m->model.steps++;
    m->answers_reset = false;
    if (!act(m, action)) {
        m->model.steps--;
        return false;
    }
    /* A loss is an event of the network alone, unless somebody waits for the room. */
    if (action.kind != ACTION_DROP || m->model.users[action.end].blocked)
        settle(m, action.end);
    look(m);
    note_ends(m, were_bound);
    oracle_pair(m);
    return true;
}

/* ---- what state it is in ---- */

/* How far the next ISN of this end will be from its latest one: 250 in a millisecond (RFC 6528). */
static uint64_t isn_clock(const struct model *model, unsigned end)
{
    duet_time ticks = (model->now - model->base_at[end]) / (4 * DUET_MICROSECOND);

    return ticks < MODEL_FAR ? (uint64_t)ticks : MODEL_FAR;
}

/* How far the ISNs of this end's connections are from each other: whether a number of one of them is in a
 * window of the next. */
static uint64_t add_distances(uint64_t sum, const struct model *model, unsigned end)
{
    for (unsigned i = 2; i <= model->users[end].own && i < MODEL_OPENS; i++) {
        uint32_t distance = model->iss[end][i] - model->iss[end][i - 1];

        sum = hash_add(sum, distance < MODEL_FAR ? distance : MODEL_FAR);
    }
    return sum;
}

/* Steps, numbers and tags are history and decide nothing. */
uint64_t machine_hash(const struct machine *m)
{
    const struct model *model = &m->model;
    uint64_t sum = 0, packets = 0;

    for (unsigned end = 0; end < ENDS; end++) {
        sum = hash_add(sum, model->views[end].hash);
        sum = hash_add(sum, user_hash(&model->users[end]) + model->just_ended[end]);
        sum = hash_add(sum, isn_clock(model, end));
        sum = add_distances(sum, model, end);
    }
    for (uint32_t i = 0; i < model->count; i++)
        packets += packet_meaning(m, &model->packets[i]);
    sum = hash_add(sum, packets);
    sum = hash_add(sum, (uint64_t)model->marks << 48 | (uint64_t)model->losses << 32 |
                            model->duplicates << 16 | model->late);
    return hash_settle(sum);
}
