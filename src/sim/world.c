/* SPDX-License-Identifier: MIT */
/* The event loop of a world; see world.h. */
#include "sim/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/prng.h"
#include "host/coverage.h"

enum {
    WORLD_PACKET_MAX = 65536,
    WORLD_CONNECTIONS = 8,
    WORLD_PAGES = 512,
    WORLD_BUFFER = 65535,      /* so that windows are small enough to read without a scale */
    WORLD_TRACE_EVENTS = 4096, /* between two doors there are a few dozen */
    WORLD_PROBLEM = 240,
};

struct world_host {
    struct duet_config config;
    struct duet_stack *stack;
    void *memory;
    size_t memory_size;
    struct duet_link *link; /* tee -> faults -> wire */
    uint64_t boots;
};

struct world {
    struct world_options options;
    duet_time now;
    uint32_t turns;
    uint32_t packets; /* sent by all hosts */
    struct world_host hosts[WORLD_HOSTS];
    struct world_user *users[WORLD_USERS_MAX];
    unsigned user_count;
    uint32_t fault_numbers[WORLD_FAULTS_MAX][WORLD_RUN_MAX]; /* the links point to them */
    char problem[WORLD_PROBLEM];
    uint8_t packet[WORLD_PACKET_MAX];
};

const char *world_name(unsigned host)
{
    static const char *const names[WORLD_HOSTS] = {"client", "server"};

    return names[host];
}

duet_time world_now(const struct world *world)
{
    return world->now;
}

static const struct world_hooks *hooks_of(const struct world *world)
{
    static const struct world_hooks none = {0};

    return world->options.hooks == NULL ? &none : world->options.hooks;
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

/* ---- making ---- */

/* Each start of each host has a secret of its own, as real entropy would give it. */
static void draw_secret(const struct world *world, unsigned host, uint8_t *secret)
{
    struct prng prng;
    uint64_t boots = world->hosts[host].boots;

    prng_seed(&prng, world->options.seed);
    prng_seed(&prng, prng_next(&prng) + WORLD_HOSTS * boots + host);
    for (unsigned i = 0; i < DUET_SECRET_SIZE; i++)
        secret[i] = (uint8_t)prng_next(&prng);
}

static void configure(const struct world *world, unsigned host, struct duet_config *config)
{
    struct duet_interface *interface = &config->interfaces[0];
    uint8_t number = (uint8_t)(host + 1);

    duet_config_default(config);
    /* The addresses that RFC 5737 and RFC 3849 set aside for documentation. */
    if (world->options.ipv6) {
        interface->address = (struct duet_address){{0x20, 0x01, 0x0d, 0xb8, [15] = number}};
        interface->prefix_length = 64;
    } else {
        interface->address = duet_ipv4(192, 0, 2, number);
        interface->prefix_length = 24;
    }
    config->interface_count = 1;
    config->connections_max = WORLD_CONNECTIONS;
    config->half_open_max = WORLD_CONNECTIONS;
    config->time_wait_max = WORLD_CONNECTIONS;
    config->transfers_max = WORLD_CONNECTIONS;
    config->reassemblies_max = WORLD_CONNECTIONS;
    config->ranges_max = 64 * WORLD_CONNECTIONS;
    config->listeners_max = WORLD_CONNECTIONS;
    config->replies_max = WORLD_CONNECTIONS;
    config->pages_max = WORLD_PAGES;
    config->send_buffer = WORLD_BUFFER;
    config->receive_buffer = WORLD_BUFFER;
    config->autotune = false;
    config->quick_acks = 0; /* the shortest pictures show what holds for the rest of a life, too */
    if (world->options.receive_buffer[host] != 0)
        config->receive_buffer = world->options.receive_buffer[host];
    config->timestamps = !world->options.no_timestamps;
    if (world->options.asks_for_ecn && host == 0)
        config->ecn = DUET_ECN_REQUEST;
    config->trace_events = WORLD_TRACE_EVENTS;
    config->watch = true;
    draw_secret(world, host, config->secret);
    if (hooks_of(world)->configure != NULL)
        hooks_of(world)->configure(hooks_of(world)->context, host, world->hosts[host].boots,
                                   config);
}

static void has_started(const struct world *world, unsigned host)
{
    if (hooks_of(world)->started != NULL)
        hooks_of(world)->started(hooks_of(world)->context, host, world->hosts[host].stack);
}

static int make_host(struct world *world, unsigned number)
{
    struct world_host *host = &world->hosts[number];

    configure(world, number, &host->config);
    host->memory_size = duet_stack_footprint(&host->config);
    if (host->memory_size == 0) {
        errno = EINVAL;
        return -1;
    }
    host->memory = malloc(host->memory_size);
    if (host->memory == NULL)
        return -1;
    if (duet_stack_init(host->memory, host->memory_size, &host->config, &host->stack) != DUET_OK) {
        errno = EINVAL;
        return -1;
    }
    has_started(world, number);
    duet_recorder_name(world->options.recorder, number, world_name(number), false);
    return 0;
}

static void fault_told(void *context, enum duet_fault fault, duet_time now,
                       const struct duet_packet *packet)
{
    struct world *world = context;

    duet_recorder_fault(world->options.recorder, now, fault, packet->tag);
}

static int wrap_fault(struct world *world, size_t index, struct duet_link **link)
{
    const struct world_fault *fault = &world->options.faults[index];
    struct duet_fault_choice choice = {
        .numbers = world->fault_numbers[index],
        .count = fault->run,
        .told = fault_told,
        .context = world,
        .by_tag = !fault->of_host,
    };

    for (uint32_t i = 0; i < fault->run; i++)
        world->fault_numbers[index][i] = fault->packet + i;
    if (fault->packet == WORLD_EVERY_PACKET) {
        choice.count = 0;
        choice.probability = 1;
    }
    switch (fault->fault) {
    case DUET_FAULT_DROP:
        return duet_fault_drop(*link, &choice, link);
    case DUET_FAULT_DUPLICATE:
        return duet_fault_duplicate(*link, &choice, link);
    case DUET_FAULT_DELAY:
        return duet_fault_delay(*link, &choice, fault->delay, link);
    case DUET_FAULT_MARK:
        return duet_fault_mark(*link, &choice, true, link);
    case DUET_FAULT_MTU:
        choice.count = 0; /* only the length decides */
        choice.probability = 0;
        return duet_fault_mtu(*link, &choice, fault->mtu, link);
    case DUET_FAULT_REORDER:
    case DUET_FAULT_CORRUPT:
    case DUET_FAULTS:
        break;
    }
    errno = EINVAL;
    return -1;
}

static bool touches(const struct world_fault *fault, unsigned host)
{
    return !fault->of_host || fault->host == host;
}

static int make_network(struct world *world)
{
    if (duet_wire_pair(world->options.latency, &world->hosts[0].link, &world->hosts[1].link) != 0)
        return -1;
    for (unsigned host = 0; host < WORLD_HOSTS; host++) {
        struct duet_link **link = &world->hosts[host].link;

        for (size_t i = 0; i < world->options.fault_count; i++)
            if (touches(&world->options.faults[i], host) && wrap_fault(world, i, link) != 0)
                return -1;
        if (duet_tee(*link, world->options.recorder, host, link) != 0)
            return -1;
    }
    return 0;
}

int world_new(const struct world_options *options, struct world **made)
{
    struct world *world;

    if (options->latency < 0 || options->fault_count > WORLD_FAULTS_MAX) {
        errno = EINVAL;
        return -1;
    }
    for (size_t i = 0; i < options->fault_count; i++)
        CHECK(options->faults[i].run <= WORLD_RUN_MAX);
    world = calloc(1, sizeof *world);
    if (world == NULL)
        return -1;
    world->options = *options;
    for (unsigned host = 0; host < WORLD_HOSTS; host++) {
        if (make_host(world, host) != 0) {
            world_free(world);
            return -1;
        }
    }
    if (make_network(world) != 0) {
        world_free(world);
        return -1;
    }
    *made = world;
    return 0;
}

void world_free(struct world *world)
{
    if (world == NULL)
        return;
    for (unsigned host = 0; host < WORLD_HOSTS; host++) {
        struct duet_link *link = world->hosts[host].link;

        if (link != NULL)
            link->close(link);
        if (world->hosts[host].stack != NULL)
            duet_coverage_note(world->hosts[host].stack);
        free(world->hosts[host].memory);
    }
    free(world);
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

void world_reboot(struct world *world, unsigned number)
{
    struct world_host *host = &world->hosts[number];

    duet_coverage_note(host->stack);
    host->boots++;
    configure(world, number, &host->config);
    if (duet_stack_init(host->memory, host->memory_size, &host->config, &host->stack) != DUET_OK)
        world_fail(world, "the %s does not start again", world_name(number));
    else
        has_started(world, number);
    duet_recorder_state(world->options.recorder, number, world->now, DUET_CLOSED, false);
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
