/* SPDX-License-Identifier: MIT */
/* How a world comes to be, and goes: its hosts, which may start again, and the links between them. */
#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/prng.h"
#include "host/coverage.h"
#include "sim/world_state.h"

enum {
    WORLD_CONNECTIONS = 8,
    WORLD_PAGES = 512,
    WORLD_BUFFER = 65535,      /* so that windows are small enough to read without a scale */
    WORLD_TRACE_EVENTS = 4096, /* between two doors there are a few dozen */
};

/* ---- hosts ---- */

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

/* ---- the network ---- */

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

/* ---- the world ---- */

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
