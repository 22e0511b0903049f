/* SPDX-License-Identifier: MIT */
/* An echo server behind a TUN device: duet answers on real packets, the rest of the machine is its
 * network. As a user who may open TUN devices (root, or in a network namespace of one's own):
 *
 *     ./03-echo-server-tun &
 *     ip address add 10.9.0.1/24 dev duet0 && ip link set duet0 up
 *     nc 10.9.0.2 7
 *
 * run: none (needs a TUN device) */
#include <duet/block.h>
#include <duet/link.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MTU = 1500, PORT = 7 };

static duet_time clock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * DUET_SECOND + now.tv_nsec;
}

/* The echo: bytes go from the receive buffer to the send buffer as long as both sides agree. What
 * does not fit stays unread, so the window closes and the peer waits. */
static void echo(struct duet_stack *stack, duet_time now, struct duet_handle connection)
{
    for (;;) {
        const void *data;
        size_t size;
        int64_t sent;
        int code = duet_receive_peek(stack, connection, &data, &size);

        if (code == DUET_E_AGAIN)
            return;
        if (code != DUET_OK) { /* the end of the stream, or of the connection */
            duet_close(stack, now, connection);
            return;
        }
        uint8_t piece[MTU];
        size = size < sizeof piece ? size : sizeof piece;
        memcpy(piece, data, size); /* peeked bytes hold only until the next call */
        sent = duet_send(stack, now, connection, piece, size, 0);
        if (sent <= 0)
            return;
        duet_receive_consume(stack, now, connection, (size_t)sent);
    }
}

static void serve(struct duet_stack *stack, duet_time now, struct duet_handle listener)
{
    struct duet_event event;
    struct duet_handle connection;

    while (duet_next_event(stack, &event)) {
        if (event.bits & DUET_EVENT_ACCEPTABLE)
            while (duet_accept(stack, now, listener, &connection, NULL) == DUET_OK)
                echo(stack, now, connection);
        else if (event.bits & DUET_EVENT_CLOSED)
            duet_close(stack, now, event.handle);
        else if (event.bits & (DUET_EVENT_READABLE | DUET_EVENT_WRITABLE | DUET_EVENT_PEER_CLOSED))
            echo(stack, now, event.handle);
    }
}

static void exchange(struct duet_stack *stack, struct duet_link *link, struct duet_handle listener)
{
    uint8_t bytes[65536];
    struct duet_packet packet = {.data = bytes, .size = sizeof bytes};

    duet_expire(stack, clock_now());
    while (link->receive(link, clock_now(), &packet))
        duet_input(stack, clock_now(), &packet);
    serve(stack, clock_now(), listener);
    while (duet_output(stack, clock_now(), &packet))
        link->send(link, clock_now(), &packet); /* a full device loses packets, as networks do */
}

static int milliseconds_until(duet_time deadline)
{
    duet_time left = deadline == DUET_NEVER ? DUET_SECOND : deadline - clock_now();

    return left <= 0 ? 0 : left >= DUET_SECOND ? 1000 : (int)(left / DUET_MILLISECOND) + 1;
}

int main(int argc, char **argv)
{
    struct duet_listen_options listen = {.local.port = PORT, .backlog = 16};
    struct duet_handle listener;
    struct duet_config config;
    struct duet_stack *stack;
    struct duet_block block; /* kept out of core files */
    struct duet_link *link;

    if (duet_tun_open(argc > 1 ? argv[1] : "duet0", MTU, 0, &link) != 0) {
        fprintf(stderr, "cannot open a TUN device: %s\n", strerror(errno));
        return 1;
    }
    duet_config_default(&config);
    config.mtu = link->mtu;
    config.interfaces[config.interface_count++] =
        (struct duet_interface){duet_ipv4(10, 9, 0, 2), 24};
    if (duet_block_start(&block, &config, &stack) != 0 ||
        duet_listen(stack, clock_now(), &listen, &listener) != DUET_OK)
        return 1;
    for (;;) {
        struct pollfd readable = {.fd = link->descriptor(link), .events = POLLIN};

        exchange(stack, link, listener);
        poll(&readable, 1, milliseconds_until(duet_deadline(stack)));
        if (link->error != 0) {
            fprintf(stderr, "the device is gone: %s\n", strerror(link->error));
            return 1;
        }
    }
}
