/* SPDX-License-Identifier: MIT */
/* duet's side of a round over a TUN device: one stack in one thread, driven by the loop of
 * duet/loop.h, or as many as the device has queues. Every byte received is compared. See tun.h. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>

#include "duet/loop.h"
#include "engine.h"
#include "tun.h"

enum { CONNECTIONS = 4096, SMALL = 64 };
enum { RECEIVE_BUFFER = 4 << 20, SEND_BUFFER = 2 << 20 };
enum { PACKETS_AHEAD = 8, PACKET_TEXT = 65535 - 80 /* IPv6, TCP and timestamps */ };
enum { PAGE = 16384, PAGE_TO_SEND = 65536 };

struct node {
    const struct tun_round *round;
    struct duet_link *link;
    struct duet_stack *stack;
    struct duet_loop loop;
    struct duet_handle connection;
    void *block;
    size_t size;
    uint64_t position; /* of the bulk stream */
    uint64_t count;
    uint64_t measured; /* of count, within the span, which took so long */
    duet_time took;
    bool open;
    duet_time now;
    pthread_t thread;
    bool failed;
    char why[TUN_WHY];
};

static bool fail(struct node *node, const char *what)
{
    if (!node->failed)
        snprintf(node->why, TUN_WHY, "%s", what);
    node->failed = true;
    return false;
}

/* Does the link take packets that it cuts into segments? */
static bool cuts(const struct node *node)
{
    return (node->link->offload & DUET_OFFLOAD_SEGMENT) != 0;
}

static bool make_stack(struct node *node)
{
    const struct duet_kernel *kernel = node->round->kernel;
    struct duet_config config;

    duet_config_default(&config);
    if (getrandom(config.secret, sizeof config.secret, 0) != (ssize_t)sizeof config.secret)
        return fail(node, "no random bytes");
    config.interfaces[0] = kernel->ours[0];
    config.interface_count = 1;
    config.mtu = node->link->mtu;
    config.offload = node->link->offload;
    config.packet_max = 65535;
    config.connections_max = config.half_open_max = config.transfers_max = CONNECTIONS;
    config.listeners_max = TUN_PORTS;
    config.time_wait_max = 1 << 20;
    config.page_size = node->round->work == TUN_SEND && cuts(node) ? PAGE_TO_SEND : PAGE;
    config.pages_max = (128 << 20) / config.page_size;
    config.send_buffer = SEND_BUFFER;
    config.receive_buffer = RECEIVE_BUFFER;
    config.pacing = false; /* there is no network */
    node->size = duet_stack_footprint(&config);
    node->block = mmap(NULL, node->size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (node->block == MAP_FAILED)
        return fail(node, "no memory");
    (void)madvise(node->block, node->size, MADV_HUGEPAGE);
    (void)madvise(node->block, node->size, MADV_DONTDUMP); /* it holds keys */
    if (duet_stack_init(node->block, node->size, &config, &node->stack) != DUET_OK)
        return fail(node, "duet does not start");
    return true;
}

static void receive_all(struct node *node, struct duet_handle handle)
{
    const void *data;
    size_t size;

    while (duet_receive_peek(node->stack, handle, &data, &size) == DUET_OK) {
        if (size > ENGINE_PIECE)
            size = ENGINE_PIECE;
        if (memcmp(data, engine_pattern(node->position), size) != 0)
            fail(node, "duet got other bytes than were sent");
        node->position += size;
        (void)duet_receive_consume(node->stack, node->now, handle, size);
    }
    node->count = node->position;
}

/* A request is answered with the same bytes. */
static void answer(struct node *node, struct duet_handle handle)
{
    uint8_t bytes[SMALL];
    int64_t got = duet_receive(node->stack, node->now, handle, bytes, SMALL);

    if (got <= 0)
        return;
    if (got != SMALL || memcmp(bytes, engine_pattern(0), SMALL) != 0 ||
        duet_send(node->stack, node->now, handle, bytes, SMALL, 0) != SMALL)
        fail(node, "a request did not come as it was sent");
    node->count++;
}

/* The pattern stays where it is. Whole pages, so that none of them are copied. */
static void lend_more(struct node *node, const struct duet_status *status)
{
    for (uint32_t room = status->send_room; room >= ENGINE_PIECE; room -= ENGINE_PIECE) {
        int64_t taken = duet_send_lent(node->stack, node->now, node->connection,
                                       engine_pattern(node->position), ENGINE_PIECE, 0);

        if (taken <= 0)
            return;
        node->position += (uint64_t)taken;
    }
}

/* Queues no more than some packets ahead of what has left, so that they are still in the cache when
 * they leave; whole ones, so that they leave whole. What the kernel has acknowledged counts as sent. */
static void copy_more(struct node *node, const struct duet_status *status)
{
    const uint32_t whole = PACKET_TEXT / status->send_mss * status->send_mss;
    const uint32_t ahead = cuts(node) ? PACKETS_AHEAD * whole : whole;
    const uint32_t unsent = status->send_queued - status->in_flight;
    uint32_t left = unsent < ahead ? ahead - unsent : 0;

    while (left > 0) {
        const uint32_t piece = left < ENGINE_PIECE ? left : ENGINE_PIECE;
        int64_t taken = duet_send(node->stack, node->now, node->connection,
                                  engine_pattern(node->position), piece, 0);

        if (taken <= 0)
            return;
        node->position += (uint64_t)taken;
        left -= (uint32_t)taken;
    }
}

static void send_more(struct node *node)
{
    struct duet_status status;

    if (duet_status(node->stack, node->connection, &status) != DUET_OK || status.send_mss == 0)
        return;
    if (node->round->copies)
        copy_more(node, &status);
    else
        lend_more(node, &status);
}

static void connected(struct node *node)
{
    node->open = true;
    if (!node->round->copies) /* all of it at once, for the queue is filled by whole pages */
        (void)duet_set(node->stack, node->now, node->connection, DUET_OPTION_SEND_BUFFER,
                       SEND_BUFFER);
}

static void told(struct node *node, const struct duet_event *event)
{
    const enum tun_work work = node->round->work;
    struct duet_handle handle;

    while ((event->bits & DUET_EVENT_ACCEPTABLE) != 0 &&
           duet_accept(node->stack, node->now, event->handle, &handle, NULL) == DUET_OK)
        (void)duet_set(node->stack, node->now, handle, DUET_OPTION_NODELAY, 1);
    if ((event->bits & DUET_EVENT_READABLE) != 0) {
        if (work == TUN_RECEIVE)
            receive_all(node, event->handle);
        else
            answer(node, event->handle);
    }
    if ((event->bits & DUET_EVENT_CONNECTED) != 0)
        connected(node);
    if ((event->bits & DUET_EVENT_PEER_CLOSED) != 0)
        (void)duet_close(node->stack, node->now, event->handle);
    if ((event->bits & DUET_EVENT_CLOSED) == 0)
        return;
    (void)duet_close(node->stack, node->now, event->handle);
    if (work == TUN_SEND && event->error == DUET_E_REFUSED) { /* nobody listens yet */
        const struct duet_connect_options to = {
            .remote = {node->round->kernel->kernels[0], TUN_PORT}};

        (void)duet_connect(node->stack, node->now, &to, &node->connection);
    }
}

static uint64_t done(const struct node *node)
{
    struct duet_status status;

    if (node->round->work != TUN_SEND ||
        duet_status(node->stack, node->connection, &status) != DUET_OK)
        return node->count;
    return node->position - status.send_queued;
}

static bool run_until(struct node *node, duet_time until)
{
    struct duet_event event;

    while (!node->failed && node->now < until) {
        if (duet_loop_run(&node->loop, until) < 0)
            return fail(node, "the TUN device is broken");
        node->now = duet_loop_now();
        while (duet_next_event(node->stack, &event))
            told(node, &event);
        if (node->open)
            send_more(node);
    }
    return !node->failed;
}

static bool run(struct node *node)
{
    const duet_time start = duet_loop_now(), begin = start + node->round->span / 10;
    uint64_t before;

    node->now = start;
    if (!run_until(node, begin))
        return false;
    before = done(node);
    const duet_time from = node->now;
    if (!run_until(node, from + node->round->span))
        return false;
    node->measured = done(node) - before;
    node->took = node->now - from;
    return true;
}

static bool listen_at(struct node *node, uint16_t port)
{
    const struct duet_listen_options here = {.local = {.port = port}, .backlog = CONNECTIONS};
    struct duet_handle listener;

    return duet_listen(node->stack, node->now, &here, &listener) == DUET_OK ||
           fail(node, "duet does not listen");
}

static bool begin(struct node *node)
{
    const struct duet_connect_options to = {.remote = {node->round->kernel->kernels[0], TUN_PORT}};

    node->now = duet_loop_now();
    if (node->round->work == TUN_SEND)
        return duet_connect(node->stack, node->now, &to, &node->connection) == DUET_OK ||
               fail(node, "duet does not connect");
    for (unsigned i = 0; i < TUN_PORTS; i++)
        if (!listen_at(node, (uint16_t)(TUN_PORT + i)))
            return false;
    return true;
}

static bool prepare(struct node *node, const struct tun_round *round, struct duet_link *link)
{
    node->round = round;
    node->link = link;
    return make_stack(node) && duet_loop_init(&node->loop, node->stack, link) == 0 && begin(node);
}

static void *run_in_thread(void *node)
{
    (void)run(node);
    return NULL;
}

/* All stacks at once. */
static void run_all(struct node *nodes, unsigned count)
{
    unsigned started = 1;

    for (; started < count; started++)
        if (pthread_create(&nodes[started].thread, NULL, run_in_thread, &nodes[started]) != 0)
            break;
    if (started < count)
        fail(&nodes[0], "no thread");
    (void)run(&nodes[0]);
    for (unsigned i = 1; i < started; i++)
        (void)pthread_join(nodes[i].thread, NULL);
}

static bool start_clients(const struct tun_round *round, pid_t clients[TUN_CLIENTS])
{
    const unsigned count = round->clients == 0 ? 1 : round->clients;

    for (unsigned i = 0; i < count && i < TUN_CLIENTS; i++) {
        clients[i] = tun_kernel_start(round);
        if (clients[i] < 0)
            return false;
    }
    return true;
}

/* A client that has ended before its time was refused something, by the wrong stack for example. */
static void stop_clients(struct node *node, const pid_t clients[TUN_CLIENTS])
{
    for (unsigned i = 0; i < TUN_CLIENTS && clients[i] > 0; i++) {
        if (waitpid(clients[i], NULL, WNOHANG) == clients[i])
            fail(node, "a connection of the kernel's was broken");
        else
            tun_kernel_stop(clients[i]);
    }
}

static void clear(struct node *node)
{
    if (node->loop.link != NULL)
        duet_loop_free(&node->loop);
    if (node->block != NULL && node->block != MAP_FAILED)
        munmap(node->block, node->size);
}

bool tun_round_duet(struct tun_round *round)
{
    static struct node nodes[DUET_KERNEL_QUEUES_MAX];
    const unsigned count = round->stacks == 0 ? 1 : round->stacks;
    pid_t clients[TUN_CLIENTS] = {0};
    bool good = true;

    memset(nodes, 0, sizeof nodes);
    round->to = round->kernel->ours[0].address;
    for (unsigned i = 0; i < count; i++)
        good = prepare(&nodes[i], round,
                       count == 1 ? round->kernel->link : round->kernel->queues[i]) &&
               good;
    if (good && start_clients(round, clients))
        run_all(nodes, count);
    stop_clients(&nodes[0], clients);
    round->count = 0;
    for (unsigned i = 0; i < count; i++) {
        round->count += nodes[i].measured;
        round->took = nodes[i].took;
        good = good && !nodes[i].failed && nodes[i].took > 0;
        if (nodes[i].why[0] != '\0')
            snprintf(round->why, TUN_WHY, "%s", nodes[i].why);
        clear(&nodes[i]);
    }
    return good;
}
