/* SPDX-License-Identifier: MIT */
/* Two stacks of duet in one thread: what the one puts out, the other takes in, from the same room. Time
 * is virtual, so that neither the clock of the machine nor its scheduler is measured; pacing is off, for
 * there is no network to be kind to. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "duet/bench.h"
#include "host.h"

enum {
    PORTS_A_LISTENER = 50000, /* connections that differ in the active end's port */
    PORT_ACTIVE = 10000,      /* the first of these */
    PORT_PASSIVE = 1000,      /* the first listener's */
    BURST = 64,               /* packets one way before the other end has its turn */
    ROOM = 65536,             /* of a packet */
    SETTLED = 10,             /* seconds after the last handshake until nothing runs any more */
    LIFE_PORTS = 64,          /* listeners of short connections, behind those of the open ones */
};

/* The two ends of a connection. */
struct pair {
    struct duet_handle active, passive;
};

static _Thread_local struct {
    struct engine_setup setup;
    struct bench_host active, passive;
    struct duet_address address; /* of the passive host */
    struct duet_packet packet;
    duet_time now, life_step;
    uint32_t connections, accepted;
    uint64_t lives;
    struct pair *pairs; /* by number */
    size_t pairs_size;
    struct duet_handle listeners[HOST_LISTENERS];

    /* The work at hand. */
    uint64_t position;         /* in the pattern: what the passive end gets next */
    uint64_t answer;           /* likewise, what the active end gets next */
    uint64_t wanted, answered; /* bytes: to arrive before the passive end answers; that came back */
    bool answers;              /* the passive end answers */
    bool life, life_ended[2], aborts;
    uint32_t connected;
    struct duet_handle one, other; /* ends of the connection that works */
    bool failed;
} duet;

static _Thread_local struct engine engine;

static bool fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (!duet.failed)
        vsnprintf(engine.why, sizeof engine.why, format, arguments);
    va_end(arguments);
    duet.failed = true;
    return false;
}

/* ---- making and unmaking ---- */

static uint32_t at_most(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static bool make_host(struct bench_host *host, enum host_number number)
{
    char why[ENGINE_WHY];

    return bench_host_make(host, &duet.setup, number, why, sizeof why) || fail("%s", why);
}

static bool listen_on_all(void)
{
    for (uint32_t i = 0; i < HOST_LISTENERS; i++) {
        const struct duet_listen_options options = {.local = {.port = (uint16_t)(PORT_PASSIVE + i)},
                                                    .backlog = 4096};
        int result = duet_listen(duet.passive.stack, duet.now, &options, &duet.listeners[i]);

        if (result != DUET_OK)
            return fail("listening: %s", duet_error_sentence(result));
    }
    return true;
}

static bool duet_engine_open(const struct engine_setup *setup)
{
    memset(&duet, 0, sizeof duet);
    duet.setup = *setup;
    duet.now = DUET_SECOND;
    duet.life_step = setup->time_wait > 0 ? 240 * DUET_SECOND / setup->time_wait : DUET_MILLISECOND;
    duet.address = bench_host_address(setup, HOST_PASSIVE);
    duet.packet = (struct duet_packet){.data = aligned_alloc(64, ROOM), .size = ROOM};
    duet.pairs_size = (setup->connections + 1) * sizeof *duet.pairs;
    duet.pairs = bench_host_map(duet.pairs_size, setup->counted);
    if (duet.packet.data == NULL || duet.pairs == NULL)
        return fail("no memory");
    return make_host(&duet.active, HOST_ACTIVE) && make_host(&duet.passive, HOST_PASSIVE) &&
           listen_on_all();
}

static void duet_engine_close(void)
{
    bench_host_free(&duet.active);
    bench_host_free(&duet.passive);
    free(duet.packet.data);
    if (duet.pairs != NULL)
        munmap(duet.pairs, duet.pairs_size);
    memset(&duet, 0, sizeof duet);
}

/* ---- what the ends are told ---- */

static bool is_same(struct duet_handle a, struct duet_handle b)
{
    return a.index == b.index && a.generation == b.generation;
}

/* Compares all that can be read with the pattern from *position on. */
static void read_all(struct duet_stack *stack, struct duet_handle handle, uint64_t *position)
{
    const void *data;
    size_t size;

    while (duet_receive_peek(stack, handle, &data, &size) == DUET_OK) {
        if (size > ENGINE_PIECE)
            size = ENGINE_PIECE;
        if (memcmp(data, engine_pattern(*position), size) != 0)
            fail("other bytes arrived than were sent, at %llu", (unsigned long long)*position);
        *position += size;
        (void)duet_receive_consume(stack, duet.now, handle, size);
    }
}

static void write_pattern(struct duet_stack *stack, struct duet_handle handle, uint64_t from,
                          size_t size)
{
    if (duet_send(stack, duet.now, handle, engine_pattern(from), size, 0) != (int64_t)size)
        fail("sending %zu bytes failed", size);
}

static void accept_one(struct duet_handle listener)
{
    struct duet_socket_address remote;
    struct duet_handle handle;

    while (duet_accept(duet.passive.stack, duet.now, listener, &handle, &remote) == DUET_OK) {
        const uint32_t number = (listener.index - duet.listeners[0].index) * PORTS_A_LISTENER +
                                remote.port - PORT_ACTIVE;

        duet.other = handle;
        duet.accepted++;
        if (duet.life)
            continue;
        if (number >= duet.setup.connections)
            fail("a connection from nobody");
        else
            duet.pairs[number].passive = handle;
    }
}

static void end_told(struct duet_stack *stack, const struct duet_event *event, unsigned end)
{
    (void)duet_close(stack, duet.now, event->handle); /* of one that was reset */
    duet.life_ended[end] = (event->error == DUET_OK) != duet.aborts;
    if (!duet.life_ended[end])
        fail("a connection ended: %s", duet_error_sentence(event->error));
}

static void passive_told(const struct duet_event *event)
{
    struct duet_stack *stack = duet.passive.stack;

    if ((event->bits & DUET_EVENT_ACCEPTABLE) != 0)
        accept_one(event->handle);
    if ((event->bits & DUET_EVENT_READABLE) != 0 && is_same(event->handle, duet.other)) {
        read_all(stack, event->handle, &duet.position);
        if (duet.answers && duet.position == duet.wanted) {
            duet.answers = false;
            write_pattern(stack, event->handle, duet.answer, (size_t)duet.answered);
        }
    }
    if ((event->bits & DUET_EVENT_PEER_CLOSED) != 0)
        (void)duet_close(stack, duet.now, event->handle);
    if ((event->bits & DUET_EVENT_CLOSED) != 0)
        end_told(stack, event, 1);
}

static void active_told(const struct duet_event *event)
{
    struct duet_stack *stack = duet.active.stack;

    if ((event->bits & DUET_EVENT_CONNECTED) != 0)
        duet.connected++;
    if ((event->bits & DUET_EVENT_READABLE) != 0 && is_same(event->handle, duet.one))
        read_all(stack, event->handle, &duet.answer);
    if ((event->bits & DUET_EVENT_PEER_CLOSED) != 0)
        (void)duet_close(stack, duet.now, event->handle);
    if ((event->bits & DUET_EVENT_CLOSED) != 0)
        end_told(stack, event, 0);
}

/* ---- the wire ---- */

static unsigned carry(struct duet_stack *from, struct duet_stack *to)
{
    unsigned count = 0;

    while (count < BURST && duet_output(from, duet.now, &duet.packet)) {
        if ((duet.packet.flags & DUET_PACKET_CHECKSUM_PARTIAL) != 0)
            duet.packet.flags = DUET_PACKET_CHECKED;
        duet_input(to, duet.now, &duet.packet);
        count++;
    }
    return count;
}

/* Both ends once. False: nothing moved. */
static bool turn(void)
{
    struct duet_event event;
    unsigned moved = carry(duet.active.stack, duet.passive.stack);

    while (duet_next_event(duet.passive.stack, &event))
        passive_told(&event);
    moved += carry(duet.passive.stack, duet.active.stack);
    while (duet_next_event(duet.active.stack, &event))
        active_told(&event);
    return moved > 0;
}

static void expire_all(void)
{
    if (duet_deadline(duet.active.stack) <= duet.now)
        duet_expire(duet.active.stack, duet.now);
    if (duet_deadline(duet.passive.stack) <= duet.now)
        duet_expire(duet.passive.stack, duet.now);
}

/* Nothing can move before a timer runs out: it is that time now. */
static bool skip_to_deadline(void)
{
    const duet_time a = duet_deadline(duet.active.stack);
    const duet_time b = duet_deadline(duet.passive.stack);
    const duet_time next = a < b ? a : b;

    if (next == DUET_NEVER)
        return fail("nothing moves, and no timer runs");
    if (duet.now < next)
        duet.now = next;
    expire_all();
    return true;
}

/* ---- the work ---- */

static bool open_one(uint32_t listener, uint32_t port, struct duet_handle *handle)
{
    const struct duet_connect_options options = {
        .local = {.port = (uint16_t)(PORT_ACTIVE + port)},
        .remote = {duet.address, (uint16_t)(PORT_PASSIVE + listener)}};
    int result = duet_connect(duet.active.stack, duet.now, &options, handle);

    return result == DUET_OK || fail("connecting: %s", duet_error_sentence(result));
}

static bool duet_engine_connect(uint32_t count)
{
    const uint32_t end = duet.connections + count;

    while (duet.connections < end && !duet.failed) {
        const uint32_t some = at_most(end - duet.connections, HOST_AT_ONCE);

        duet.connected = duet.accepted = 0;
        for (uint32_t i = 0; i < some; i++, duet.connections++)
            if (!open_one(duet.connections / PORTS_A_LISTENER, duet.connections % PORTS_A_LISTENER,
                          &duet.pairs[duet.connections].active))
                return false;
        while (duet.connected < some || duet.accepted < some)
            if (!turn() && !skip_to_deadline())
                return false;
        duet.now += DUET_MILLISECOND;
        expire_all();
    }
    while (turn())
        ;
    duet.now += SETTLED * DUET_SECOND; /* timers of the handshakes run out unneeded: all are idle */
    expire_all();
    while (turn())
        ;
    return !duet.failed;
}

static bool duet_engine_bulk(uint64_t bytes)
{
    uint64_t sent = 0;

    duet.one = duet.pairs[0].active;
    duet.other = duet.pairs[0].passive;
    duet.position = 0;
    duet.answers = false;
    while (duet.position < bytes && !duet.failed) {
        while (sent < bytes) {
            const uint64_t left = bytes - sent;
            int64_t taken = duet_send(duet.active.stack, duet.now, duet.one, engine_pattern(sent),
                                      left < ENGINE_PIECE ? (size_t)left : (size_t)ENGINE_PIECE, 0);

            if (taken < 0)
                break;
            sent += (uint64_t)taken;
        }
        duet.now += 10 * DUET_MICROSECOND;
        expire_all();
        if (!turn() && !skip_to_deadline())
            return false;
    }
    return !duet.failed;
}

static bool duet_engine_exchange(uint32_t connection, uint32_t bytes)
{
    duet.one = duet.pairs[connection].active;
    duet.other = duet.pairs[connection].passive;
    duet.position = connection;
    duet.wanted = duet.position + bytes;
    duet.answer = connection + 1;
    duet.answered = bytes;
    duet.answers = true;
    duet.now += 10 * DUET_MICROSECOND;
    write_pattern(duet.active.stack, duet.one, duet.position, bytes);
    expire_all();
    while (duet.answer < connection + 1 + (uint64_t)bytes)
        if (duet.failed || (!turn() && !skip_to_deadline()))
            return false;
    return true;
}

static void duet_engine_expect(uint32_t connection)
{
    __builtin_prefetch(&duet.pairs[connection]);
}

static bool duet_engine_life(void)
{
    const uint64_t number = duet.lives++;
    const uint32_t listener =
        HOST_LISTENERS - 1 - (uint32_t)(number / PORTS_A_LISTENER % LIFE_PORTS);

    duet.life = true;
    duet.life_ended[0] = duet.life_ended[1] = false;
    duet.now += duet.life_step;
    expire_all();
    if (!open_one(listener, (uint32_t)(number % PORTS_A_LISTENER), &duet.one))
        return false;
    duet.position = number % 1000;
    duet.wanted = duet.position + ENGINE_LIFE_BYTES;
    duet.answer = number % 777;
    duet.answered = ENGINE_LIFE_BYTES;
    duet.answers = true;
    const uint64_t answer_end = duet.answer + ENGINE_LIFE_BYTES;
    write_pattern(duet.active.stack, duet.one, duet.position, ENGINE_LIFE_BYTES);
    while (duet.answer < answer_end)
        if (duet.failed || !turn())
            return fail("a short connection does not get its answer");
    (void)duet_close(duet.active.stack, duet.now, duet.one);
    while (!duet.life_ended[0] || !duet.life_ended[1])
        if (duet.failed || !turn())
            return fail("a short connection does not end");
    duet.life = false;
    return true;
}

static bool duet_engine_end(uint32_t connection, enum engine_ending how)
{
    const struct duet_handle active = duet.pairs[connection].active;
    const struct duet_handle passive = duet.pairs[connection].passive;

    duet.life_ended[0] = duet.life_ended[1] = false;
    duet.aborts = how == END_ABORT;
    duet.now += 10 * DUET_MICROSECOND;
    expire_all();
    if (how == END_ACTIVE_FIRST || how == END_BOTH_AT_ONCE)
        (void)duet_close(duet.active.stack, duet.now, active);
    if (how == END_PASSIVE_FIRST || how == END_BOTH_AT_ONCE)
        (void)duet_close(duet.passive.stack, duet.now, passive);
    if (how == END_ABORT)
        (void)duet_abort(duet.active.stack, duet.now, active);
    while (!duet.life_ended[0] || !duet.life_ended[1])
        if (duet.failed || !turn())
            return fail("a connection does not end");
    return true;
}

static bool duet_engine_half_open(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct duet_handle handle;

        if (!open_one(i / PORTS_A_LISTENER, i % PORTS_A_LISTENER, &handle))
            return false;
        (void)carry(duet.active.stack, duet.passive.stack);
        while (duet_output(duet.passive.stack, duet.now, &duet.packet))
            ;
        (void)duet_abort(duet.active.stack, duet.now, handle);
        while (turn())
            ;
    }
    struct duet_counters counters;
    duet_counters(duet.passive.stack, &counters);
    return counters.half_open == count || fail("%u are half open", counters.half_open);
}

static uint64_t duet_engine_resident(bool active, bool passive)
{
    return (active ? bench_host_resident(&duet.active) : 0) +
           (passive ? bench_host_resident(&duet.passive) : 0);
}

static _Thread_local struct engine engine = {
    .name = "duet",
    .version = "",
    .keeps_time_wait = true,
    .open = duet_engine_open,
    .close = duet_engine_close,
    .connect = duet_engine_connect,
    .bulk = duet_engine_bulk,
    .exchange = duet_engine_exchange,
    .expect = duet_engine_expect,
    .life = duet_engine_life,
    .end = duet_engine_end,
    .half_open = duet_engine_half_open,
    .resident = duet_engine_resident,
};

struct engine *engine_duet(void)
{
    return &engine;
}
