/* SPDX-License-Identifier: MIT */
/* The event loop of a world; see world.h. How one is made is told in world_make.c. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "sim/world_state.h"

const char *world_name(unsigned host)
{
    static const char *const names[WORLD_HOSTS] = {"client", "server"};

    return names[host];
}

duet_time world_now(const struct world *world)
{
    return world->now;
}

duet_time world_clock(const struct world *world, unsigned host)
{
    const struct world_hooks *hooks = hooks_of(world);
    duet_time now = world->now;

    if (hooks->clock != NULL)
        now += hooks->clock(hooks->context, host);
    return now > 0 ? now : 0;
}

/* A deadline of the host by the world's clock, too late if its timers are. */
static duet_time deadline_of(const struct world *world, unsigned host)
{
    const struct world_hooks *hooks = hooks_of(world);
    duet_time deadline = duet_deadline(world->hosts[host].stack);

    if (deadline == DUET_NEVER)
        return deadline;
    if (hooks->clock != NULL)
        deadline -= hooks->clock(hooks->context, host);
    if (hooks->lateness != NULL)
        deadline += hooks->lateness(hooks->context, host);
    return deadline;
}

uint64_t world_seed(const struct world *world)
{
    return world->options.seed;
}

uint32_t world_packets(const struct world *world)
{
    return world->packets;
}

struct duet_stack *world_stack(const struct world *world, unsigned host)
{
    return world->hosts[host].stack;
}

struct duet_address world_address(const struct world *world, unsigned host)
{
    return world->hosts[host].config.interfaces[0].address;
}

const char *world_problem(const struct world *world)
{
    return world->problem;
}

void world_fail(struct world *world, const char *format, ...)
{
    va_list arguments;

    if (world->problem[0] != '\0')
        return;
    va_start(arguments, format);
    vsnprintf(world->problem, sizeof world->problem, format, arguments);
    va_end(arguments);
}

void world_note(struct world *world, const char *text)
{
    duet_recorder_note(world->options.recorder, world->now, text);
}

void world_add_user(struct world *world, struct world_user *user, unsigned host)
{
    CHECK(world->user_count < WORLD_USERS_MAX);
    CHECK(host < WORLD_HOSTS);
    user->world = world;
    user->host = host;
    world->users[world->user_count++] = user;
}

/* ---- running ---- */

void world_observe(struct world *world, unsigned host)
{
    struct duet_trace_event event;
    const char *broken = duet_check(world->hosts[host].stack);

    while (duet_next_trace(world->hosts[host].stack, &event))
        duet_recorder_trace(world->options.recorder, host, &event);
    if (broken != NULL)
        world_fail(world, "an invariant of the %s is broken: %s", world_name(host), broken);
}

void world_inject(struct world *world, unsigned host, const uint8_t *bytes, uint32_t length)
{
    struct duet_packet packet = {.data = world->packet, .size = length, .length = length};

    CHECK(length <= sizeof world->packet);
    memcpy(world->packet, bytes, length);
    duet_recorder_arrived(world->options.recorder, host, world->now, &packet);
    duet_input(world->hosts[host].stack, world_clock(world, host), &packet);
    world_observe(world, host);
}

static bool deliver(struct world *world, unsigned number)
{
    struct world_host *host = &world->hosts[number];
    struct duet_packet packet = {.data = world->packet, .size = sizeof world->packet};

    if (!host->link->receive(host->link, world->now, &packet)) {
        if (host->link->error != 0)
            world_fail(world, "the link of the %s broke", world_name(number));
        return false;
    }
    duet_input(host->stack, world_clock(world, number), &packet);
    world_observe(world, number);
    return true;
}

static bool expire(struct world *world, unsigned number)
{
    struct world_host *host = &world->hosts[number];

    if (deadline_of(world, number) > world->now)
        return false;
    duet_expire(host->stack, world_clock(world, number));
    world_observe(world, number);
    return true;
}

static bool let_users_act(struct world *world, unsigned host)
{
    struct duet_event event;
    bool busy = false;

    while (duet_next_event(world->hosts[host].stack, &event)) {
        world_observe(world, host);
        busy = true;
        for (unsigned i = 0; i < world->user_count; i++)
            if (world->users[i]->host == host && world->users[i]->told != NULL)
                world->users[i]->told(world->users[i], &event);
    }
    for (unsigned i = 0; i < world->user_count; i++)
        if (world->users[i]->host == host && world->users[i]->act(world->users[i]))
            busy = true;
    return busy;
}

static bool send_one(struct world *world, unsigned number)
{
    const struct world_hooks *hooks = hooks_of(world);
    struct world_host *host = &world->hosts[number];
    struct duet_packet packet = {.data = world->packet, .size = sizeof world->packet};
    duet_time clock = world_clock(world, number);

    if (!duet_output(host->stack, clock, &packet))
        return false;
    packet.departure -= clock - world->now; /* the link has the world's clock */
    if (hooks->sends == NULL || hooks->sends(hooks->context, number)) {
        if (!host->link->send(host->link, world->now, &packet))
            world_fail(world, "the link of the %s takes no packet", world_name(number));
        world->packets++;
    }
    world_observe(world, number);
    return true;
}

/* One packet at a time: what a host answers to one packet is decided before it sees the next, so
 * that a ladder shows cause and effect. Users act before anything is sent, the server's first, so
 * that a server that starts at the instant of its client is ready for it. */
static bool turn(struct world *world)
{
    bool busy = false;

    for (unsigned host = 0; host < WORLD_HOSTS; host++) {
        busy |= deliver(world, host);
        busy |= expire(world, host);
    }
    for (unsigned host = WORLD_HOSTS; host-- > 0;)
        busy |= let_users_act(world, host);
    for (unsigned host = 0; host < WORLD_HOSTS; host++)
        while (world->problem[0] == '\0' && send_one(world, host))
            busy = true;
    return busy;
}

static duet_time next_deadline(const struct world *world)
{
    duet_time next = DUET_NEVER;

    for (unsigned i = 0; i < WORLD_HOSTS; i++) {
        const struct world_host *host = &world->hosts[i];
        duet_time link = host->link->deadline(host->link);
        duet_time stack = deadline_of(world, i);

        next = link < next ? link : next;
        next = stack < next ? stack : next;
    }
    for (unsigned i = 0; i < world->user_count; i++) {
        duet_time user = world->users[i]->deadline(world->users[i]);

        next = user < next ? user : next;
    }
    return next;
}

int world_run(struct world *world)
{
    while (world->problem[0] == '\0') {
        duet_time next;

        if (++world->turns > world->options.turns_max) {
            world_fail(world, "no end after %u turns of the world", world->options.turns_max);
            break;
        }
        if (turn(world))
            continue;
        next = next_deadline(world);
        if (next == DUET_NEVER)
            break;
        if (next > world->options.time_max) {
            world_fail(world, "no end after %lld s of virtual time",
                       (long long)(world->options.time_max / DUET_SECOND));
            break;
        }
        if (next > world->now)
            world->now = next;
    }
    for (unsigned host = 0; host < WORLD_HOSTS; host++) {
        struct duet_counters counters;

        duet_counters(world->hosts[host].stack, &counters);
        if (counters.trace_lost != 0)
            world_fail(world, "the trace of the %s has holes", world_name(host));
    }
    return world->problem[0] == '\0' ? 0 : -1;
}
