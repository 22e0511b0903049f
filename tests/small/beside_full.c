/* SPDX-License-Identifier: MIT */
/* A small stack and a full one send each other a megabyte over a path that loses packets, close, and have
 * nothing left but TIME-WAIT. Each is client and server in turn, with and without SACK and timestamps.
 * Argument: the small build as a module. Prints TAP. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doors.h"

enum { TOTAL = 1 << 20, PACKET = 2048, PORT = 80, IN_FLIGHT = 1024 };

#define DELAY (10 * DUET_MILLISECOND)

struct end {
    const struct doors *doors;
    struct duet_stack *stack;
    void *memory;
    struct duet_handle listener, connection;
    uint32_t sent, received;
    bool opened, shut, saw_end, closed, is_wrong;
    int error;
};

struct flying {
    duet_time arrives;
    uint32_t length;
    uint8_t bytes[PACKET];
};

struct way {
    struct flying packets[IN_FLIGHT];
    unsigned head, tail;
    unsigned sent;
};

struct variant {
    const char *name;
    bool full_listens, sack, timestamps;
    unsigned lose; /* every so many packets of each way; 0: none */
};

static struct duet_address address_of(unsigned number)
{
    return duet_ipv4(192, 0, 2, (uint8_t)(number + 1));
}

static bool start(struct end *end, unsigned number, const struct variant *variant)
{
    struct duet_config config;
    end->doors->config_default(&config);
    for (unsigned i = 0; i < DUET_SECRET_SIZE; i++)
        config.secret[i] = (uint8_t)((i + 1) * (2 * number + 3));
    config.interfaces[config.interface_count++] = (struct duet_interface){address_of(number), 24};
    config.connections_max = config.half_open_max = config.time_wait_max = 8;
    config.transfers_max = config.reassemblies_max = 8;
    config.sack = variant->sack;
    config.timestamps = variant->timestamps;
    size_t size = end->doors->footprint(&config);
    end->memory = calloc(1, size);
    return end->memory != NULL &&
           end->doors->init(end->memory, size, &config, &end->stack) == DUET_OK;
}

static uint8_t byte_at(uint32_t position, unsigned number)
{
    return (uint8_t)(position * 7 + position / 253 + number);
}

static void send_more(struct end *end, unsigned number, duet_time now)
{
    uint8_t text[1000];
    while (end->sent < TOTAL) {
        uint32_t n = TOTAL - end->sent < sizeof text ? TOTAL - end->sent : sizeof text;
        for (uint32_t i = 0; i < n; i++)
            text[i] = byte_at(end->sent + i, number);
        int64_t taken = end->doors->send(end->stack, now, end->connection, text, n, 0);
        if (taken <= 0)
            return;
        end->sent += (uint32_t)taken;
    }
    if (!end->shut)
        end->shut = end->doors->shutdown(end->stack, now, end->connection) == DUET_OK;
}

static void read_all(struct end *end, unsigned peer, duet_time now)
{
    uint8_t text[3000];
    int64_t n;
    while ((n = end->doors->receive(end->stack, now, end->connection, text, sizeof text)) > 0)
        for (int64_t i = 0; i < n; i++)
            end->is_wrong |= text[i] != byte_at(end->received++, peer);
    end->saw_end |= n == DUET_E_CLOSING;
}

/* Everything a user does at this instant. */
static void act(struct end *end, unsigned number, duet_time now)
{
    struct duet_event event;
    if (!end->opened && end->listener.generation != 0)
        end->opened =
            end->doors->accept(end->stack, now, end->listener, &end->connection, NULL) == DUET_OK;
    while (end->doors->next_event(end->stack, &event)) {
        end->opened |= (event.bits & DUET_EVENT_CONNECTED) != 0;
        end->closed |= (event.bits & DUET_EVENT_CLOSED) != 0;
        end->error = (event.bits & DUET_EVENT_CLOSED) != 0 ? event.error : end->error;
    }
    if (!end->opened || end->closed)
        return;
    send_more(end, number, now);
    read_all(end, 1 - number, now);
    if (end->saw_end && end->shut)
        end->doors->close(end->stack, now, end->connection);
}

static bool put_on_wire(struct end *end, struct way *way, duet_time now, unsigned lose)
{
    struct flying *flying = &way->packets[way->tail % IN_FLIGHT];
    struct duet_packet packet = {.data = flying->bytes, .size = PACKET};
    if (way->tail - way->head == IN_FLIGHT || !end->doors->output(end->stack, now, &packet))
        return false;
    flying->length = packet.length;
    flying->arrives = (packet.departure > now ? packet.departure : now) + DELAY;
    way->sent++;
    way->tail += lose == 0 || way->sent % lose != 0;
    return true;
}

static bool take_from_wire(struct end *end, struct way *way, duet_time now)
{
    struct flying *flying = &way->packets[way->head % IN_FLIGHT];
    struct duet_packet packet = {.data = flying->bytes, .length = flying->length};
    if (way->head == way->tail || flying->arrives > now)
        return false;
    end->doors->input(end->stack, now, &packet);
    way->head++;
    return true;
}

static void move(struct end ends[2], struct way ways[2], duet_time now, unsigned lose)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (unsigned i = 0; i < 2; i++) {
            ends[i].doors->expire(ends[i].stack, now);
            moved |= take_from_wire(&ends[i], &ways[1 - i], now);
            act(&ends[i], i, now);
            moved |= put_on_wire(&ends[i], &ways[i], now, lose);
        }
    }
}

static duet_time earliest(const struct end ends[2], const struct way ways[2])
{
    duet_time next = DUET_NEVER;
    for (unsigned i = 0; i < 2; i++) {
        duet_time deadline = ends[i].doors->deadline(ends[i].stack);
        next = deadline < next ? deadline : next;
        const struct flying *first = &ways[i].packets[ways[i].head % IN_FLIGHT];
        if (ways[i].head != ways[i].tail && first->arrives < next)
            next = first->arrives;
    }
    return next;
}

static const char *play(const struct doors *small, const struct variant *variant)
{
    static struct way ways[2];
    struct end ends[2] = {{.doors = small}, {.doors = duet_doors()}};
    unsigned server = variant->full_listens ? 1 : 0;
    const struct duet_listen_options here = {.local.port = PORT, .backlog = 4};
    const struct duet_connect_options there = {.remote = {address_of(server), PORT}};
    memset(ways, 0, sizeof ways);
    if (!start(&ends[0], 0, variant) || !start(&ends[1], 1, variant))
        return "a stack did not start";
    struct end *client = &ends[1 - server];
    if (ends[server].doors->listen(ends[server].stack, 0, &here, &ends[server].listener) != DUET_OK)
        return "nobody listens";
    if (client->doors->connect(client->stack, 0, &there, &client->connection) != DUET_OK)
        return "nobody connects";
    duet_time now = 0;
    for (unsigned turns = 0; turns < 1000000 && !(ends[0].closed && ends[1].closed); turns++) {
        move(ends, ways, now, variant->lose);
        duet_time next = earliest(ends, ways);
        if (next == DUET_NEVER)
            break;
        now = next > now ? next : now + 1;
    }
    printf("# %s: %.1f s, %u and %u packets\n", variant->name, (double)now / 1e9, ways[0].sent,
           ways[1].sent);
    for (unsigned i = 0; i < 2; i++) {
        free(ends[i].memory);
        if (ends[i].is_wrong)
            return "a byte is another one";
        if (ends[i].received != TOTAL || !ends[i].saw_end)
            return "not everything has arrived";
        if (!ends[i].closed || ends[i].error != DUET_OK)
            return "an end did not close well";
    }
    return NULL;
}

/* What the small build has not cannot be had: a configuration that asks for it, and an address of IPv6
 * whose last bytes are an address that it would talk to. */
static const char *refuse(const struct doors *small)
{
    const struct variant plain = {"", true, true, true, 0};
    struct end end = {.doors = small};
    struct duet_config config;
    struct duet_connect_options there = {.remote = {address_of(1), PORT}};
    struct duet_handle connection;
    small->config_default(&config);
    for (unsigned i = 0; i < DUET_SECRET_SIZE; i++)
        config.secret[i] = (uint8_t)(3 * i + 1);
    config.interfaces[config.interface_count++] = (struct duet_interface){address_of(0), 24};
    if (small->footprint(&config) == 0)
        return "what it has is refused";
    config.rack = true;
    if (small->footprint(&config) != 0)
        return "RACK is not refused";
    config.rack = false;
    config.trace_events = 1;
    if (small->footprint(&config) != 0)
        return "a trace is not refused";
    there.remote.address.bytes[0] = 0x20;
    int code = start(&end, 0, &plain) ? small->connect(end.stack, 0, &there, &connection) : DUET_OK;
    free(end.memory);
    return code == DUET_E_ADDR ? NULL : "an address of IPv6 is not refused";
}

int main(int argc, char **argv)
{
    static const struct variant variants[] = {
        {"small opens, nothing is lost", true, true, true, 0},
        {"full opens, nothing is lost", false, true, true, 0},
        {"small opens, with losses", true, true, true, 41},
        {"full opens, with losses", false, true, true, 41},
        {"losses without SACK", true, false, true, 41},
        {"losses without SACK and timestamps", false, false, false, 41},
        {"many losses", true, true, true, 11},
    };
    enum { VARIANTS = sizeof variants / sizeof variants[0] };
    const struct doors *(*small)(void) = NULL;
    void *module = argc < 2 ? NULL : dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    void *symbol = module == NULL ? NULL : dlsym(module, "duet_doors");
    memcpy(&small, &symbol, sizeof small); /* POSIX lets it be called, C has no word for that */
    if (small == NULL || small() == duet_doors()) {
        fprintf(stderr, "no small build: %s\n", argc < 2 ? "no argument" : dlerror());
        return 2;
    }
    const char *accepted = refuse(small());
    unsigned failed = accepted != NULL;
    printf("%s 1 - the small build refuses what it has not\n", accepted == NULL ? "ok" : "not ok");
    if (accepted != NULL)
        printf("#   %s\n", accepted);
    for (unsigned i = 0; i < VARIANTS; i++) {
        const char *problem = play(small(), &variants[i]);
        printf("%s %u - small and full: %s\n", problem == NULL ? "ok" : "not ok", i + 2,
               variants[i].name);
        failed += problem != NULL;
        if (problem != NULL)
            printf("#   %s\n", problem);
    }
    printf("1..%d\n", 1 + VARIANTS);
    return failed == 0 ? 0 : 1;
}
