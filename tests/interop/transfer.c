/* SPDX-License-Identifier: MIT */
/* See transfer.h. Both sides send the bytes of a seeded generator, each of its own, so that nothing
 * repeats and nobody can pass by echoing; the sums are computed on both sides and compared. */
#include "interop/transfer.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/prng.h"
#include "duet/loop.h"
#include "host/coverage.h"

enum { PORT = 7777, CHUNK = 32768, BUFFER = 1 << 20 };

/* Bytes to send: taken from the generator a chunk at a time, kept until they are sent. */
struct source {
    struct prng prng;
    uint8_t chunk[CHUNK];
    size_t at, length;
    uint64_t left; /* not yet generated */
};

struct transfer {
    const struct duet_kernel *kernel;
    const struct transfer_plan *plan;
    struct transfer_result *result;
    struct duet_stack *stack;
    struct duet_loop loop;
    struct pollfd also;
    struct duet_handle listener, connection;
    bool has_connection, stack_shut;
    int listening, socket;
    bool kernel_connected, kernel_shut;
    struct duet_socket_address kernel_name, stack_name;
    struct source from_stack, from_kernel;
    uint8_t room[CHUNK];
};

uint32_t transfer_crc(uint32_t sum, const uint8_t *data, size_t size)
{
    static uint32_t table[256];

    if (table[1] == 0)
        for (uint32_t i = 0; i < 256; i++) {
            table[i] = i;
            for (int bit = 0; bit < 8; bit++)
                table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320U : 0);
        }
    sum = ~sum;
    for (size_t i = 0; i < size; i++)
        sum = table[(sum ^ data[i]) & 0xff] ^ sum >> 8;
    return ~sum;
}

static bool trouble(struct transfer *t, const char *format, ...)
{
    va_list arguments;

    if (t->result->trouble[0] != '\0')
        return false;
    va_start(arguments, format);
    (void)vsnprintf(t->result->trouble, sizeof(t->result->trouble), format, arguments);
    va_end(arguments);
    return false;
}

/* ---- what is sent ---- */

static void source_init(struct source *source, uint64_t seed, uint64_t bytes)
{
    source->at = source->length = 0;
    source->left = bytes;
    prng_seed(&source->prng, seed);
}

/* True if there are bytes at chunk[at, length). */
static bool source_fill(struct source *source, struct transfer_side *side)
{
    if (source->at < source->length)
        return true;
    source->at = 0;
    source->length = source->left < CHUNK ? (size_t)source->left : CHUNK;
    source->left -= source->length;
    for (size_t i = 0; i < source->length; i += sizeof(uint64_t)) {
        uint64_t word = prng_next(&source->prng);

        memcpy(source->chunk + i, &word, sizeof(word));
    }
    side->sent_sum = transfer_crc(side->sent_sum, source->chunk, source->length);
    return source->length > 0;
}

static void source_took(struct source *source, struct transfer_side *side, size_t size)
{
    source->at += size;
    side->sent += size;
}

static void received(struct transfer_side *side, const uint8_t *data, size_t size)
{
    side->received += size;
    side->received_sum = transfer_crc(side->received_sum, data, size);
}

/* ---- the stack's side ---- */

static void stack_send(struct transfer *t, duet_time now)
{
    struct transfer_side *side = &t->result->stack;
    struct source *source = &t->from_stack;

    while (!t->stack_shut && source_fill(source, side)) {
        int64_t sent = duet_send(t->stack, now, t->connection, source->chunk + source->at,
                                 source->length - source->at, 0);

        if (sent == DUET_E_AGAIN)
            return;
        if (sent < 0) {
            (void)trouble(t, "duet_send: %s", duet_error_sentence((int)sent));
            return;
        }
        source_took(source, side, (size_t)sent);
    }
    if (t->stack_shut || (!t->plan->is_client && !side->end_seen))
        return;
    t->stack_shut = true;
    if (duet_shutdown(t->stack, now, t->connection) != DUET_OK)
        (void)trouble(t, "duet_shutdown failed");
}

static void stack_receive(struct transfer *t, duet_time now)
{
    struct transfer_side *side = &t->result->stack;

    while (!side->end_seen) {
        int64_t got = duet_receive(t->stack, now, t->connection, t->room, sizeof(t->room));

        if (got == DUET_E_CLOSING)
            side->end_seen = true;
        else if (got > 0)
            received(side, t->room, (size_t)got);
        else if (got != DUET_E_AGAIN)
            (void)trouble(t, "duet_receive: %s", duet_error_sentence((int)got));
        if (got <= 0)
            return;
    }
}

static void stack_events(struct transfer *t)
{
    struct duet_event event;

    while (duet_next_event(t->stack, &event)) {
        if ((event.bits & DUET_EVENT_CLOSED) == 0)
            continue;
        t->result->is_closed = true;
        t->result->outcome = event.outcome;
    }
}

static void stack_step(struct transfer *t, duet_time now)
{
    struct duet_status status;

    stack_events(t);
    if (!t->has_connection)
        t->has_connection =
            duet_accept(t->stack, now, t->listener, &t->connection, NULL) == DUET_OK;
    if (!t->has_connection || t->result->is_closed)
        return;
    if (duet_status(t->stack, t->connection, &status) == DUET_OK) {
        t->stack_name.port = status.local.port;
        t->kernel_name.port = status.remote.port;
        if (status.state == DUET_SYN_SENT || status.state == DUET_SYN_RECEIVED)
            return;
    }
    stack_receive(t, now);
    stack_send(t, now);
}

/* ---- the kernel's side ---- */

static void kernel_send(struct transfer *t)
{
    struct transfer_side *side = &t->result->kernel;
    struct source *source = &t->from_kernel;

    while (!t->kernel_shut && source_fill(source, side)) {
        ssize_t sent =
            send(t->socket, source->chunk + source->at, source->length - source->at, MSG_NOSIGNAL);

        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent < 0) {
            (void)trouble(t, "the kernel's send: %s", strerror(errno));
            return;
        }
        source_took(source, side, (size_t)sent);
    }
    if (t->kernel_shut || (t->plan->is_client && !side->end_seen))
        return;
    t->kernel_shut = true;
    if (shutdown(t->socket, SHUT_WR) < 0)
        (void)trouble(t, "the kernel's shutdown: %s", strerror(errno));
}

static void kernel_receive(struct transfer *t)
{
    struct transfer_side *side = &t->result->kernel;

    while (!side->end_seen) {
        ssize_t got = recv(t->socket, t->room, sizeof(t->room), 0);

        if (got < 0 && errno == EAGAIN)
            return;
        if (got < 0) {
            (void)trouble(t, "the kernel's recv: %s", strerror(errno));
            return;
        }
        if (got == 0)
            side->end_seen = true;
        received(side, t->room, (size_t)got);
    }
}

/* An accepted or connected socket, or -1 while there is none. */
static void kernel_connect_or_accept(struct transfer *t)
{
    struct pollfd ready = {.fd = t->socket, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof(error);

    if (t->plan->is_client) {
        t->socket = accept4(t->listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        t->kernel_connected = t->socket >= 0;
        return;
    }
    if (poll(&ready, 1, 0) <= 0)
        return;
    if (getsockopt(t->socket, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error != 0)
        (void)trouble(t, "the kernel's connect: %s", strerror(error));
    t->kernel_connected = true;
}

static void kernel_step(struct transfer *t)
{
    const struct transfer_side *side = &t->result->kernel;

    if (!t->kernel_connected)
        kernel_connect_or_accept(t);
    if (!t->kernel_connected)
        return;
    kernel_receive(t);
    kernel_send(t);
    t->also = (struct pollfd){
        .fd = t->socket,
        .events = (short)((side->end_seen ? 0 : POLLIN) | (t->kernel_shut ? 0 : POLLOUT))};
    if (t->kernel_shut && side->end_seen) /* else its hang-up wakes the loop for ever */
        t->also.fd = -1;
    /* Nothing to send but the end, which waits for the other side's: then room is no news. */
    if (t->from_kernel.left == 0 && t->from_kernel.at == t->from_kernel.length)
        t->also.events = (short)(t->also.events & ~POLLOUT);
}

/* ---- opening and running ---- */

static bool open_stack(struct transfer *t)
{
    struct duet_config config;
    size_t size;
    void *memory;
    int result;

    duet_config_default(&config);
    if (getrandom(config.secret, sizeof(config.secret), 0) != sizeof(config.secret))
        return trouble(t, "no entropy");
    config.interface_count = 2;
    memcpy(config.interfaces, t->kernel->ours, sizeof(t->kernel->ours));
    config.mtu = t->kernel->link->mtu;
    config.offload = t->kernel->link->offload;
    config.packet_max = 65535;
    config.connections_max = 4;
    config.pages_max = 4 * BUFFER / config.page_size;
    config.send_buffer = config.receive_buffer = BUFFER;
    config.msl = 50 * DUET_MILLISECOND;
    size = duet_stack_footprint(&config);
    if (size == 0)
        return trouble(t, "the configuration is out of range");
    memory = malloc(size);
    if (memory == NULL)
        return trouble(t, "no memory");
    result = duet_stack_init(memory, size, &config, &t->stack);
    if (result != DUET_OK) {
        free(memory);
        t->stack = NULL;
        return trouble(t, "duet_stack_init: %s", duet_error_sentence(result));
    }
    return true;
}

static bool open_stack_end(struct transfer *t, duet_time now)
{
    const struct duet_listen_options listen_options = {.local = t->stack_name, .backlog = 4};
    const struct duet_connect_options connect_options = {
        .local = {.address = t->stack_name.address}, .remote = t->kernel_name};
    int result = t->plan->is_client ? duet_connect(t->stack, now, &connect_options, &t->connection)
                                    : duet_listen(t->stack, now, &listen_options, &t->listener);

    t->has_connection = t->plan->is_client;
    return result == DUET_OK ||
           trouble(t, "opening the stack's end: %s", duet_error_sentence(result));
}

static bool open_kernel_end(struct transfer *t)
{
    const bool is_server = t->plan->is_client;
    int descriptor = duet_kernel_socket(&t->kernel_name, is_server ? NULL : &t->stack_name);

    if (descriptor < 0)
        return trouble(t, "the kernel's socket: %s", strerror(errno));
    *(is_server ? &t->listening : &t->socket) = descriptor;
    t->also = (struct pollfd){.fd = descriptor, .events = is_server ? POLLIN : POLLOUT};
    t->loop.also = &t->also;
    t->loop.also_count = 1;
    return true;
}

static bool is_done(const struct transfer *t)
{
    return t->kernel_shut && t->stack_shut && t->result->is_closed && t->result->kernel.end_seen &&
           t->result->stack.end_seen;
}

static void run(struct transfer *t)
{
    const duet_time until = duet_loop_now() + t->plan->limit;

    while (!is_done(t) && t->result->trouble[0] == '\0') {
        int more = duet_loop_run(&t->loop, until);

        if (more < 0)
            (void)trouble(t, "the loop: %s", strerror(errno));
        if (more == 0)
            (void)trouble(t, "not done in %lld s", (long long)(t->plan->limit / DUET_SECOND));
        stack_step(t, duet_loop_now());
        kernel_step(t);
    }
}

static void ask_kernel(struct transfer *t)
{
    if (duet_kernel_state(&t->kernel_name, &t->stack_name, -1, &t->result->kernel_state) < 0)
        (void)trouble(t, "the kernel could not be asked: %s", strerror(errno));
}

static void close_all(struct transfer *t)
{
    if (t->socket >= 0)
        close(t->socket);
    if (t->listening >= 0)
        close(t->listening);
    if (t->loop.stack != NULL) {
        duet_counters(t->stack, &t->result->counters);
        duet_loop_free(&t->loop);
    }
    if (t->stack != NULL)
        duet_coverage_note(t->stack);
    free(t->stack); /* which begins where its memory does */
}

void transfer_run(const struct duet_kernel *kernel, const struct transfer_plan *plan,
                  struct transfer_result *result)
{
    static struct transfer t;
    const int family = plan->is_ipv6;

    *result = (struct transfer_result){.kernel_state = DUET_STATES};
    t = (struct transfer){
        .kernel = kernel, .plan = plan, .result = result, .listening = -1, .socket = -1};
    t.kernel_name = (struct duet_socket_address){kernel->kernels[family], PORT};
    t.stack_name = (struct duet_socket_address){kernel->ours[family].address, PORT};
    source_init(&t.from_stack, 1, plan->bytes);
    source_init(&t.from_kernel, 2, plan->bytes);
    if (open_stack(&t) && duet_loop_init(&t.loop, t.stack, kernel->link) == 0 &&
        open_kernel_end(&t) && open_stack_end(&t, duet_loop_now()))
        run(&t);
    if (result->trouble[0] == '\0')
        ask_kernel(&t);
    close_all(&t);
}
