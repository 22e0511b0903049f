/* SPDX-License-Identifier: MIT */
/* The clock of a world: what happens next is taken off the agenda until nothing is left on it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/check_hook.h"
#include "sim/swarm/swarm.h"

enum {
    FINISH_WITHIN =
        3600, /* s after the network has healed, or since something slow was looked at */
    SILENCE_WITHIN = 600, /* s after that: TIME-WAIT and the last SYN,ACKs */
    PACKET_EXTRA = 1024,  /* room for what middleboxes add */
};

void swarm_note(struct swarm *w, duet_time at, enum agenda_what what, uint32_t which)
{
    if (!agenda_note(&w->agenda, at, what, which))
        swarm_no_memory(w);
}

/* ---- making ---- */

static bool is_named(const struct duet_sim_recipe *recipe, uint32_t number)
{
    for (uint32_t i = 0; i < recipe->connection_count; i++)
        if (recipe->connections[i] == number)
            return true;
    return false;
}

/* Sessions of the recipe, in the order in which they start. */
static int by_start(const void *a, const void *b)
{
    const struct session *first = a, *second = b;

    if (first->starts_at != second->starts_at)
        return first->starts_at < second->starts_at ? -1 : 1;
    return first->number < second->number ? -1 : 1;
}

static void make_sessions(struct swarm *w)
{
    w->sessions = calloc(w->plan.session_count, sizeof *w->sessions);
    w->iss_buckets = 2 * w->plan.session_count + 1;
    w->by_iss = malloc(w->iss_buckets * sizeof *w->by_iss);
    if (w->sessions == NULL || w->by_iss == NULL)
        swarm_no_memory(w);
    for (uint32_t i = 0; i < w->iss_buckets; i++)
        w->by_iss[i] = UINT32_MAX;
    for (uint32_t number = 0; number < w->plan.session_count; number++) {
        if (w->recipe->connections != NULL && !is_named(w->recipe, number))
            continue;
        plan_session(w, number, &w->sessions[w->session_count++]);
    }
    qsort(w->sessions, w->session_count, sizeof *w->sessions, by_start);
    if (w->session_count > 0)
        swarm_note(w, w->sessions[0].starts_at, AGENDA_START, 0);
}

static void make_hosts(struct swarm *w)
{
    w->hosts = calloc(w->plan.host_count, sizeof *w->hosts);
    if (w->hosts == NULL)
        swarm_no_memory(w);
    for (uint32_t i = 0; i < w->plan.episode_count; i++)
        if (w->plan.episodes[i].fault == DUET_SIM_EXHAUSTION)
            w->hosts[w->plan.episodes[i].host].scarce++;
    for (unsigned i = 0; i < w->plan.host_count; i++) {
        struct host *host = &w->hosts[i];

        host->number = (uint8_t)i;
        if (!host_start(w, host))
            swarm_fail(w, SWARM_NONE, "host %u has a configuration that is out of range", i);
        faults_open(w, host);
    }
}

static void make_agenda(struct swarm *w)
{
    for (uint32_t i = 0; i < w->plan.episode_count; i++)
        swarm_note(w, w->plan.episodes[i].begin, AGENDA_BEGIN, i);
    swarm_note(w, w->plan.heal_at, AGENDA_HEAL, 0);
    if (w->recipe->defect == DUET_SIM_AMNESIA || w->recipe->defect == DUET_SIM_NOISE)
        swarm_note(w, 0, AGENDA_DEFECT, 0);
}

static void free_world(struct swarm *w)
{
    if (w->hosts != NULL)
        for (unsigned i = 0; i < w->plan.host_count; i++)
            host_free(&w->hosts[i]);
    free(w->hosts);
    free(w->sessions);
    free(w->by_iss);
    free(w->endpoints);
    free(w->scratch);
    packets_free(&w->packets);
    agenda_free(&w->agenda);
    plan_free(&w->plan);
}

/* ---- what happens ---- */

static void start(struct swarm *w, uint32_t number)
{
    if (w->sessions[number].tries == 0 && number + 1 < w->session_count)
        swarm_note(w, w->sessions[number + 1].starts_at, AGENDA_START, number + 1);
    app_open_session(w, number);
}

static void heal(struct swarm *w)
{
    duet_time last = w->plan.span > w->now ? w->plan.span : w->now;

    weather_heal(w);
    w->has_healed = true;
    app_heal(w);
    swarm_note(w, last + FINISH_WITHIN * DUET_SECOND, AGENDA_FINISH, 0);
}

/* Applications that have left, and timers that were stopped since, may still be on the agenda. */
static void judge_silence(struct swarm *w)
{
    for (size_t i = 0; i < w->agenda.count; i++) {
        const struct agenda_entry *entry = &w->agenda.heap[i];
        bool is_void = entry->what == AGENDA_APP ||
                       (entry->what == AGENDA_WAKE &&
                        duet_deadline(w->hosts[entry->which].stack) == DUET_NEVER);

        if (!is_void)
            swarm_fail(w, SWARM_NONE, "I-39: all is over, and still something happens");
    }
}

/* What all hosts know belongs to the history, too. */
static void remember(struct swarm *w)
{
    for (unsigned i = 0; i < w->plan.host_count; i++)
        w->hash = history_add_stack(w->hash, w->hosts[i].stack);
}

static void happen(struct swarm *w, const struct agenda_entry *entry)
{
    bool is_turn = entry->what >= AGENDA_BEGIN && entry->what <= AGENDA_HEAL;

    if (is_turn || entry->what == AGENDA_FINISH)
        remember(w);
    switch ((enum agenda_what)entry->what) {
    case AGENDA_DELIVER:
        network_deliver(w, entry->which);
        break;
    case AGENDA_WAKE:
        if (w->hosts[entry->which].wakes_at == entry->at)
            host_wake(w, &w->hosts[entry->which]);
        break;
    case AGENDA_APP:
        app_woken(w, entry->which);
        break;
    case AGENDA_START:
        start(w, entry->which);
        break;
    case AGENDA_BEGIN:
        weather_begin(w, entry->which);
        break;
    case AGENDA_END:
        weather_end(w, entry->which);
        break;
    case AGENDA_HEAL:
        heal(w);
        break;
    case AGENDA_RELEASE:
        weather_release(w, &w->hosts[entry->which]);
        break;
    case AGENDA_DEFECT:
        defect_happen(w);
        break;
    case AGENDA_FINISH:
        if (oracle_finished(w))
            swarm_note(w, w->now + SILENCE_WITHIN * DUET_SECOND, AGENDA_SILENCE, 0);
        else
            swarm_note(w, w->now + FINISH_WITHIN * DUET_SECOND, AGENDA_FINISH, 0);
        break;
    case AGENDA_SILENCE:
        judge_silence(w);
        break;
    }
}

static void run(struct swarm *w)
{
    struct agenda_entry entry;

    make_sessions(w);
    make_hosts(w);
    make_agenda(w);
    while (agenda_take(&w->agenda, &entry)) {
        w->now = entry.at;
        if (entry.what < AGENDA_FINISH)
            w->result->duration = w->now;
        happen(w, &entry);
    }
    oracle_end(w);
}

/* ---- the public face ---- */

static struct swarm *running; /* for what has no other way to know */

static _Noreturn void check_hooked(const char *what, const char *file, int line)
{
    struct swarm *w = running;

    swarm_fail(w, SWARM_NONE, "CHECK: %s (%s:%d)", what, file, line);
}

static int finish(struct swarm *w)
{
    w->result->hash = w->hash;
    w->result->hosts = w->plan.host_count;
    for (uint32_t i = 0; i < w->endpoint_count; i++)
        if (w->endpoints[i].side == 0 && w->endpoints[i].is_open)
            w->result->connection_time += w->now - w->endpoints[i].opened_at;
    free_world(w);
    errno = w->has_no_memory ? ENOMEM : 0;
    return w->has_no_memory ? -1 : 0;
}

static bool open_world(struct swarm *w)
{
    uint32_t room;

    if (plan_make(w->recipe, &w->plan) != 0)
        return false;
    room = w->plan.mtu + PACKET_EXTRA;
    packets_open(&w->packets, (room + 63) / 64 * 64);
    w->scratch = malloc(SWARM_SCRATCH);
    w->check_countdown = 1;
    return w->scratch != NULL;
}

int duet_sim_run(const struct duet_sim_recipe *recipe, const struct duet_sim_options *options,
                 struct duet_sim_result *result)
{
    struct swarm w = {.recipe = recipe, .result = result};
    check_hook *before;

    *result = (struct duet_sim_result){.connection = SWARM_NONE};
    if (options != NULL)
        w.options = *options;
    if (!open_world(&w)) {
        free_world(&w);
        errno = ENOMEM;
        return -1;
    }
    running = &w;
    before = check_failed_hook(check_hooked);
    /* A violation ends the world wherever it is found, also inside a stack. */
    if (setjmp(w.escape) == 0)
        run(&w);
    (void)check_failed_hook(before);
    running = NULL;
    return finish(&w);
}
