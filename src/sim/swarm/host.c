/* SPDX-License-Identifier: MIT */
/* A host: a stack, the block that it lives in, and a clock of its own that may be wrong. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "duet/trace.h"
#include "host/coverage.h"
#include "sim/swarm/timeline.h"

enum {
    CHECK_EVERY = 4096, /* events, where checks are to be cheap */
    BURST_MOST = 20000, /* packets because of one event: more than the largest buffer in the
                              smallest segments, for some connections */
};

/* RFC 2544 sets 198.18/15 aside for measurements, RFC 3849 2001:db8::/32 for documentation. */
struct duet_address host_address(const struct swarm *w, unsigned number)
{
    if (w->plan.ipv6)
        return (struct duet_address){{0x20, 0x01, 0x0d, 0xb8, [15] = (uint8_t)(number + 1)}};
    return duet_ipv4(198, 18, 0, (uint8_t)(number + 1));
}

/* ---- life ---- */

/* Each start has a secret of its own, as real entropy would give it. */
static void draw_secret(const struct swarm *w, struct host *host)
{
    struct prng prng = luck_for(w->recipe->seed, LUCK_SECRET, host->number, host->boots);

    for (unsigned i = 0; i < DUET_SECRET_SIZE; i++)
        host->config.secret[i] = (uint8_t)prng_next(&prng);
}

static bool boot(struct swarm *w, struct host *host)
{
    const struct duet_listen_options options = {
        .local = {.port = SWARM_PORT},
        .backlog = max_u32(w->plan.session_count / 4, 4),
    };

    for (uint32_t i = 0; i < host->config.connections_max; i++)
        host->by_index[i] = SWARM_NONE;
    return duet_stack_init(host->memory, host->memory_size, &host->config, &host->stack) ==
               DUET_OK &&
           duet_listen(host->stack, host_now(w, host), &options, &host->listener) == DUET_OK;
}

bool host_start(struct swarm *w, struct host *host)
{
    plan_host(w, host);
    host->mtu = host->config.mtu;
    host->held = SWARM_NONE;
    host->wakes_at = DUET_NEVER;
    host->stalled_until = -1;
    draw_secret(w, host);
    host->memory_size = duet_stack_footprint(&host->config);
    if (host->memory_size == 0)
        return false;
    /* Zeroed, so that nothing depends on what was there. */
    host->memory = calloc(1, host->memory_size);
    host->by_index = malloc(host->config.connections_max * sizeof *host->by_index);
    if (host->memory == NULL || host->by_index == NULL)
        swarm_no_memory(w);
    timeline_begin(w, host);
    return boot(w, host);
}

void host_free(struct host *host)
{
    if (host->stack != NULL)
        duet_coverage_note(host->stack);
    free(host->memory);
    free(host->snapshot);
    free(host->by_index);
}

void host_restart(struct swarm *w, struct host *host)
{
    duet_coverage_note(host->stack);
    app_host_died(w, host);
    host->boots++;
    draw_secret(w, host);
    if (!boot(w, host))
        swarm_fail(w, SWARM_NONE, "host %u does not start again", host->number);
    host_settle(w, host);
}

/* ---- its clock ---- */

duet_time host_now(const struct swarm *w, const struct host *host)
{
    return w->now < host->stalled_until ? host->stalled_at : w->now + host->offset;
}

/* When, in the time of the world, the clock of the host shows local. */
static duet_time world_time(const struct swarm *w, const struct host *host, duet_time local)
{
    duet_time at = local - host->offset;

    if (w->now < host->stalled_until && at < host->stalled_until)
        at = host->stalled_until;
    at += host->lateness;
    return at > w->now ? at : w->now;
}

void host_reschedule(struct swarm *w, struct host *host)
{
    duet_time deadline = duet_deadline(host->stack);
    duet_time at;

    if (deadline == DUET_NEVER)
        return;
    at = world_time(w, host, deadline);
    if (at >= host->wakes_at)
        return;
    host->wakes_at = at;
    swarm_note(w, at, AGENDA_WAKE, host->number);
}

void host_wake(struct swarm *w, struct host *host)
{
    duet_time now = host_now(w, host);

    host->wakes_at = DUET_NEVER;
    if (duet_deadline(host->stack) > now) { /* it was put off meanwhile */
        host_reschedule(w, host);
        return;
    }
    swarm_event(w);
    duet_expire(host->stack, now);
    host_observe(w, host);
    if (duet_deadline(host->stack) <= now)
        swarm_fail(w, SWARM_NONE, "I-33: host %u: a timer that has run is due again at once",
                   host->number);
    host_settle(w, host);
}

/* ---- its stack ---- */

/* The recorder has two ends: those of the one connection that there is. */
void host_observe(struct swarm *w, struct host *host)
{
    struct duet_recorder *recorder = w->options.recorder;
    struct duet_trace_event event;

    if (recorder == NULL && w->options.timeline == NULL)
        return;
    while (duet_next_trace(host->stack, &event)) {
        timeline_call(w, host, &event);
        if (recorder == NULL || w->result->events < w->options.record_from)
            continue;
        event.time = w->now; /* one clock for both ends */
        duet_recorder_trace(recorder, host->number == w->sessions[0].client ? 0 : 1, &event);
    }
}

void host_check(struct swarm *w, struct host *host)
{
    const char *broken;

    if (w->options.check == DUET_SIM_CHECK_CHEAP && --w->check_countdown != 0)
        return;
    w->check_countdown = CHECK_EVERY;
    broken = duet_check(host->stack);
    if (broken != NULL)
        swarm_fail(w, SWARM_NONE, "%s (host %u)", broken, host->number);
}

static bool send_one(struct swarm *w, struct host *host)
{
    uint32_t slot = packets_take(w);
    struct duet_packet packet = {.data = packet_bytes(&w->packets, slot), .size = host->config.mtu};
    struct packet_slot *info = &w->packets.slots[slot];
    duet_time now = host_now(w, host);

    host_observe(w, host); /* the calls that the packet follows */
    if (!duet_output(host->stack, now, &packet)) {
        packets_give(w, slot);
        return false;
    }
    swarm_event(w);
    host->sent++;
    w->result->packets++;
    info->length = packet.length;
    info->flags = packet.flags;
    info->checksum_start = packet.checksum_start;
    info->checksum_offset = packet.checksum_offset;
    info->from = host->number;
    network_send(w, host, slot, packet.departure > now ? packet.departure - now : 0);
    host_observe(w, host);
    return true;
}

void host_settle(struct swarm *w, struct host *host)
{
    struct duet_event event;
    unsigned burst = 0;
    bool was_told;

    host_check(w, host);
    do {
        was_told = false;
        while (duet_next_event(host->stack, &event)) {
            was_told = true;
            app_told(w, host, &event);
        }
        while (send_one(w, host))
            if (++burst > BURST_MOST)
                swarm_fail(w, SWARM_NONE, "I-34: host %u does not stop sending", host->number);
    } while (was_told);
    host_reschedule(w, host);
}

void host_input(struct swarm *w, struct host *host, uint32_t slot)
{
    const struct packet_slot *info = &w->packets.slots[slot];
    struct duet_packet packet = {
        .data = packet_bytes(&w->packets, slot),
        .size = w->packets.room,
        .length = info->length,
        .flags = info->flags & DUET_PACKET_CHECKED,
    };

    swarm_event(w);
    duet_input(host->stack, host_now(w, host), &packet);
    host_observe(w, host);
    packets_give(w, slot);
    host_settle(w, host);
}
