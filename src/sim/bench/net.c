/* SPDX-License-Identifier: MIT */
/* See net.h. At each instant packets arrive first, then timers run out, then waiting packets leave;
 * hosts are served in the order of their numbers. So nothing depends on anything but the options. */
#include "sim/bench/net.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "duet/trace.h"

enum {
    NET_ROOM = 65536,
    NET_SMALL = 32, /* of things of which there are few */
    NET_PAGE_SMALL = 4096,
    NET_PAGE_LARGE = 65536,
    NET_BUFFER_LARGE = 1 << 20, /* from here on large pages, so that their index stays short */
};

void net_fail(struct net *net, const char *format, ...)
{
    va_list arguments;

    if (net->failed)
        return;
    net->failed = true;
    va_start(arguments, format);
    (void)vsnprintf(net->why, net->why_size, format, arguments);
    va_end(arguments);
}

/* ---- making ---- */

static uint32_t connections_of(const struct net *net, const struct net_host *host)
{
    return host == &net->receiver ? net->sender_count : 1;
}

static void configure(const struct net *net, const struct net_host *host,
                      const struct duet_bench_options *options, enum duet_controller controller,
                      struct prng *prng, struct duet_config *config)
{
    const uint32_t connections = connections_of(net, host);

    duet_config_default(config);
    for (unsigned i = 0; i < DUET_SECRET_SIZE; i++)
        config->secret[i] = (uint8_t)prng_next(prng);
    config->interfaces[0] = (struct duet_interface){host->address, 16};
    config->interface_count = 1;
    config->mtu = net->a->mtu;
    config->offload = net->a->offload;
    config->controller = controller;
    config->connections_max = connections + 1;
    config->transfers_max = connections + 1;
    config->reassemblies_max = connections + 1;
    config->half_open_max = config->time_wait_max = config->replies_max = NET_SMALL;
    config->listeners_max = 1;
    config->send_buffer = config->receive_buffer = options->buffer;
    config->autotune = false; /* the path is measured, not how fast buffers grow */
    config->page_size = options->buffer >= NET_BUFFER_LARGE ? NET_PAGE_LARGE : NET_PAGE_SMALL;
    /* Twice what a connection may hold, because a queue to send leaves a quarter of all pages. */
    config->pages_max = (connections + 1) * 2 * (options->buffer / config->page_size + 4);
}

static bool open_stack(struct net *net, struct net_host *host,
                       const struct duet_bench_options *options, enum duet_controller controller,
                       struct prng *prng)
{
    struct duet_config config;
    size_t size;

    configure(net, host, options, controller, prng, &config);
    size = duet_stack_footprint(&config);
    host->memory = size == 0 ? NULL : malloc(size);
    if (size != 0 && host->memory == NULL)
        net_fail(net, "no memory for a stack of %zu bytes", size);
    else if (size == 0 || duet_stack_init(host->memory, size, &config, &host->stack) != DUET_OK)
        net_fail(net, "the stack's configuration is out of its range");
    host->deadline = DUET_NEVER;
    return !net->failed;
}

static bool open_access(struct net *net, struct net_host *host, duet_time delay)
{
    const struct duet_path_options access = {.from_a = {.delay = delay},
                                             .from_b = {.delay = delay},
                                             .mtu = net->a->mtu,
                                             .offload = net->a->offload};

    host->link = net->a;
    if (delay == 0 || duet_path_pair(&access, &host->link, &host->access) == 0)
        return true;
    host->link = net->a;
    net_fail(net, "cannot make an access of a path: %s", strerror(errno));
    return false;
}

bool net_open(struct net *net, const struct duet_bench_options *options, unsigned sender_count,
              const struct duet_bench_flow *flows)
{
    struct duet_path_options path = options->path;
    struct prng prng;

    path.offload = DUET_OFFLOAD_CHECKSUM_OUT | DUET_OFFLOAD_CHECKSUM_IN;
    prng_seed(&prng, options->seed);
    net->sender_count = sender_count;
    if (sender_count < 1 || sender_count > NET_SENDERS_MAX) {
        net_fail(net, "a measurement has 1 to %d senders", NET_SENDERS_MAX);
        return false;
    }
    if (duet_path_pair(&path, &net->a, &net->b) != 0) {
        net_fail(net, "cannot make a path: %s", strerror(errno));
        return false;
    }
    net->rooms = malloc((size_t)NET_ROOM * (sender_count + 2));
    if (net->rooms == NULL) {
        net_fail(net, "no memory for packets");
        return false;
    }
    net->room = (struct duet_packet){.data = net->rooms, .size = NET_ROOM};
    net->receiver.address = duet_ipv4(198, 51, 100, 1);
    net->receiver.link = net->b;
    for (unsigned i = 0; i <= sender_count; i++) {
        struct net_host *host = i < sender_count ? &net->senders[i] : &net->receiver;

        host->waiting =
            (struct duet_packet){.data = net->rooms + (size_t)NET_ROOM * (i + 1), .size = NET_ROOM};
        if (i < sender_count) {
            host->address = duet_ipv4(192, 0, 2, (uint8_t)(i + 1));
            if (!open_access(net, host, flows[i].extra_delay))
                return false;
        }
        if (!open_stack(net, host, options, flows[i < sender_count ? i : 0].controller, &prng))
            return false;
    }
    return true;
}

void net_free(struct net *net)
{
    for (unsigned i = 0; i < net->sender_count && i < NET_SENDERS_MAX; i++) {
        struct net_host *host = &net->senders[i];

        if (host->access != NULL) {
            host->link->close(host->link);
            host->access->close(host->access);
        }
        free(host->memory);
    }
    free(net->receiver.memory);
    if (net->a != NULL) {
        net->a->close(net->a);
        net->b->close(net->b);
    }
    free(net->rooms);
}

/* ---- what happens at an instant ---- */

static uint64_t losses(const struct net *net)
{
    struct duet_path_counts counts;

    duet_path_counts(net->a, &counts);
    return counts.lost + counts.overflown;
}

static void give(struct net *net, struct duet_link *link, const struct duet_packet *packet)
{
    if (!link->send(link, net->now, packet))
        net_fail(net, "the path refused a packet: %s", strerror(link->error));
}

/* A path decides what becomes of a packet when it is given. */
static void give_path(struct net *net, struct net_host *host, const struct duet_packet *packet)
{
    const uint64_t before = losses(net);

    give(net, net->a, packet);
    if (net->lost != NULL && losses(net) > before)
        net->lost(net->context, host, packet);
}

static void transmit(struct net *net, struct net_host *host)
{
    host->has_waiting = false;
    if (host == &net->receiver) {
        give(net, host->link, &host->waiting);
        return;
    }
    net->packets++;
    if (net->passes != NULL && !net->passes(net->context, &host->waiting))
        return;
    if (host->link == net->a)
        give_path(net, host, &host->waiting);
    else
        give(net, host->link, &host->waiting);
}

static void send_owed(struct net *net, struct net_host *host)
{
    while (!net->failed) {
        if (!host->has_waiting) {
            host->waiting.departure = 0;
            host->has_waiting = duet_output(host->stack, net->now, &host->waiting);
        }
        if (!host->has_waiting || host->waiting.departure > net->now)
            return;
        transmit(net, host);
    }
}

void net_settle(struct net *net, struct net_host *host)
{
    struct duet_event event;
    bool was_told;

    do {
        was_told = false;
        while (!net->failed && duet_next_event(host->stack, &event)) {
            net->told(net->context, host, &event);
            was_told = true;
        }
        send_owed(net, host);
    } while (was_told);
    host->deadline = duet_deadline(host->stack);
}

static void take_in(struct net *net, struct net_host *host)
{
    duet_input(host->stack, net->now, &net->room);
    net_settle(net, host);
}

/* Whom a packet that leaves the path at a is for: its destination, in the IPv4 header, tells. */
static struct net_host *find_sender(struct net *net)
{
    const unsigned number = net->room.data[19];

    return number >= 1 && number <= net->sender_count ? &net->senders[number - 1] : NULL;
}

static void receive_all(struct net *net)
{
    while (!net->failed && net->b->receive(net->b, net->now, &net->room))
        take_in(net, &net->receiver);
    while (!net->failed && net->a->receive(net->a, net->now, &net->room)) {
        struct net_host *host = find_sender(net);

        if (host == NULL)
            net_fail(net, "a packet for nobody");
        else if (host->access != NULL)
            give(net, host->access, &net->room);
        else
            take_in(net, host);
    }
    for (unsigned i = 0; i < net->sender_count; i++) {
        struct net_host *host = &net->senders[i];

        if (host->access == NULL)
            continue;
        while (!net->failed && host->access->receive(host->access, net->now, &net->room))
            give_path(net, host, &net->room);
        while (!net->failed && host->link->receive(host->link, net->now, &net->room))
            take_in(net, host);
    }
}

static void serve(struct net *net, struct net_host *host)
{
    bool is_due = host->deadline <= net->now;

    if (is_due)
        duet_expire(host->stack, net->now);
    if (is_due || (host->has_waiting && host->waiting.departure <= net->now))
        net_settle(net, host);
}

/* ---- the clock ---- */

static duet_time earlier(duet_time a, duet_time b)
{
    return a < b ? a : b;
}

static duet_time host_next(const struct net_host *host)
{
    return host->has_waiting ? earlier(host->deadline, host->waiting.departure) : host->deadline;
}

static duet_time next_time(const struct net *net)
{
    duet_time next = earlier(net->a->deadline(net->a), net->b->deadline(net->b));

    next = earlier(next, host_next(&net->receiver));
    for (unsigned i = 0; i < net->sender_count; i++) {
        const struct net_host *host = &net->senders[i];

        next = earlier(next, host_next(host));
        if (host->access != NULL)
            next = earlier(next, earlier(host->access->deadline(host->access),
                                         host->link->deadline(host->link)));
    }
    return next;
}

void net_run(struct net *net, duet_time until, bool (*may_go_on)(void *context))
{
    while (!net->failed && may_go_on(net->context)) {
        duet_time next = next_time(net);

        if (next > until) {
            net->now = until;
            return;
        }
        if (next > net->now)
            net->now = next;
        receive_all(net);
        serve(net, &net->receiver);
        for (unsigned i = 0; i < net->sender_count; i++)
            serve(net, &net->senders[i]);
    }
}

uint64_t net_rule_hits(const struct net_host *host, const char *rule)
{
    for (unsigned i = 0; i < duet_rule_count(); i++)
        if (strcmp(duet_rule(i)->name, rule) == 0)
            return duet_rule_hits(host->stack, i);
    return 0;
}
