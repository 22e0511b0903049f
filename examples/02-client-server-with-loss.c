/* SPDX-License-Identifier: MIT */
/* A client sends a file's worth of bytes to a server over a wire that loses a tenth of all packets.
 * Both are in this process, and time is a number that the loop advances: the run takes milliseconds
 * and is the same every time.
 * run: plain */
#include <duet/link.h>
#include <duet/trace.h>
#include <stdio.h>
#include <stdlib.h>

enum { TOTAL = 200000, PORT = 80 };

struct host {
    struct duet_stack *stack;
    void *memory;
    struct duet_link *link;
    struct duet_address address;
    struct duet_handle listener, connection;
    uint32_t to_send; /* by the client */
    uint32_t sent, received;
    bool finished;
};

static void must(int code, const char *what)
{
    if (code != DUET_OK) {
        fprintf(stderr, "%s: %s\n", what, code < 0 ? duet_error_sentence(code) : "failed");
        exit(1);
    }
}

static void make_host(struct host *host, uint8_t number, struct duet_link *link)
{
    struct duet_config config;
    size_t size;

    duet_config_default(&config);
    for (int i = 0; i < DUET_SECRET_SIZE; i++)
        config.secret[i] = (uint8_t)(number * (2 * i + 1)); /* a real program asks getrandom() */
    host->address = duet_ipv4(192, 0, 2, number);
    config.interfaces[config.interface_count++] = (struct duet_interface){host->address, 24};
    size = duet_stack_footprint(&config);
    host->memory = malloc(size);
    must(duet_stack_init(host->memory, size, &config, &host->stack), "init");
    host->link = link;
}

static uint8_t byte_at(uint32_t position)
{
    return (uint8_t)(position * 7 + position / 256);
}

static void client_send(struct host *client, duet_time now)
{
    uint8_t piece[1000];

    while (client->sent < client->to_send) {
        size_t size = client->to_send - client->sent < sizeof piece ? client->to_send - client->sent
                                                                    : sizeof piece;
        int64_t taken;

        for (size_t i = 0; i < size; i++)
            piece[i] = byte_at(client->sent + (uint32_t)i);
        taken = duet_send(client->stack, now, client->connection, piece, size, 0);
        if (taken == DUET_E_AGAIN)
            return;
        must(taken < 0 ? (int)taken : DUET_OK, "send");
        client->sent += (uint32_t)taken;
    }
    must(duet_close(client->stack, now, client->connection), "close");
    client->finished = true;
}

static void server_receive(struct host *server, duet_time now)
{
    uint8_t piece[1000];
    int64_t got;

    while ((got = duet_receive(server->stack, now, server->connection, piece, sizeof piece)) > 0)
        for (int64_t i = 0; i < got; i++)
            if (piece[i] != byte_at(server->received++))
                must(DUET_E_ARG, "a byte is wrong");
    if (got == DUET_E_CLOSING) { /* the end of the stream */
        must(duet_close(server->stack, now, server->connection), "close");
        server->finished = true;
    }
}

static void act(struct host *host, duet_time now)
{
    struct duet_event event;

    while (duet_next_event(host->stack, &event)) {
        if (event.bits & DUET_EVENT_ACCEPTABLE)
            must(duet_accept(host->stack, now, host->listener, &host->connection, NULL), "accept");
        if (host->finished)
            continue;
        if (host->to_send > 0)
            client_send(host, now);
        else
            server_receive(host, now);
    }
}

/* Everything a host has to do now; true if it did anything. */
static bool step(struct host *host, duet_time now)
{
    static uint8_t bytes[65536];
    struct duet_packet packet = {.data = bytes, .size = sizeof bytes};
    bool busy = false;

    if (duet_deadline(host->stack) <= now)
        duet_expire(host->stack, now);
    for (; host->link->receive(host->link, now, &packet); busy = true)
        duet_input(host->stack, now, &packet);
    act(host, now);
    for (; duet_output(host->stack, now, &packet); busy = true)
        host->link->send(host->link, now, &packet);
    return busy;
}

static duet_time deadline(const struct host *host)
{
    duet_time stack = duet_deadline(host->stack), link = host->link->deadline(host->link);

    return stack < link ? stack : link;
}

int main(void)
{
    struct duet_fault_choice tenth = {.probability = 0.1, .seed = 42};
    struct duet_listen_options listen = {.local.port = PORT, .backlog = 1};
    struct duet_connect_options connect = {.remote.port = PORT};
    struct host client = {0}, server = {0};
    struct duet_counters counters;
    struct duet_link *a, *b;
    duet_time now = 0;

    must(duet_wire_pair(10 * DUET_MILLISECOND, &a, &b), "wire");
    must(duet_fault_drop(a, &tenth, &a), "fault");
    tenth.seed++;
    must(duet_fault_drop(b, &tenth, &b), "fault");
    make_host(&client, 1, a);
    client.to_send = TOTAL;
    make_host(&server, 2, b);
    must(duet_listen(server.stack, now, &listen, &server.listener), "listen");
    connect.remote.address = server.address;
    must(duet_connect(client.stack, now, &connect, &client.connection), "connect");

    /* Until nothing is left to happen, TIME-WAIT included. */
    while (now != DUET_NEVER) {
        bool busy = step(&client, now);

        busy |= step(&server, now);
        if (!busy)
            now = deadline(&client) < deadline(&server) ? deadline(&client) : deadline(&server);
    }
    duet_counters(client.stack, &counters);
    printf("%u of %u bytes arrived; the client sent %llu segments, %llu of them again\n",
           server.received, client.to_send, (unsigned long long)counters.segments_out,
           (unsigned long long)counters.segments_retransmitted);
    a->close(a);
    b->close(b);
    free(client.memory);
    free(server.memory);
    return server.received == TOTAL ? 0 : 1;
}
