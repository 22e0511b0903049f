/* SPDX-License-Identifier: MIT */
/* A TUN device with four queues, a stack for each: connections of the kernel's come to whichever stack the
 * kernel chooses, and stay with it to their end. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "duet/kernel.h"
#include "duet/loop.h"

enum { QUEUES = 4, SOCKETS = 32, PORT = 4321, TURNS_MAX = 5000 };

struct node {
    struct duet_stack *stack;
    struct duet_loop loop;
    void *block;
    unsigned accepted, broken;
};

static void make(struct node *node, const struct duet_kernel *kernel, unsigned queue)
{
    const struct duet_listen_options here = {.local = {.port = PORT}, .backlog = SOCKETS};
    struct duet_config config;
    struct duet_handle listener;

    duet_config_default(&config);
    for (unsigned i = 0; i < DUET_SECRET_SIZE; i++)
        config.secret[i] = (uint8_t)(i * 7 + queue);
    config.interfaces[0] = kernel->ours[0];
    config.interface_count = 1;
    config.mtu = kernel->queues[queue]->mtu;
    config.offload = kernel->queues[queue]->offload;
    config.packet_max = 65535;
    const size_t size = duet_stack_footprint(&config);
    node->block = malloc(size);
    assert_non_null(node->block);
    assert_int_equal(duet_stack_init(node->block, size, &config, &node->stack), DUET_OK);
    assert_int_equal(duet_loop_init(&node->loop, node->stack, kernel->queues[queue]), 0);
    assert_int_equal(duet_listen(node->stack, duet_loop_now(), &here, &listener), DUET_OK);
}

/* What comes goes back. */
static void turn(struct node *node)
{
    struct duet_event event;
    struct duet_handle handle;
    uint8_t byte;

    assert_int_not_equal(duet_loop_run(&node->loop, duet_loop_now()), -1);
    while (duet_next_event(node->stack, &event)) {
        const duet_time now = duet_loop_now();

        while ((event.bits & DUET_EVENT_ACCEPTABLE) != 0 &&
               duet_accept(node->stack, now, event.handle, &handle, NULL) == DUET_OK)
            node->accepted++;
        while ((event.bits & DUET_EVENT_READABLE) != 0 &&
               duet_receive(node->stack, now, event.handle, &byte, 1) == 1)
            assert_int_equal(duet_send(node->stack, now, event.handle, &byte, 1, 0), 1);
        node->broken += (event.bits & DUET_EVENT_CLOSED) != 0;
    }
}

/* Each socket sends its number when it is connected, and gets it back. */
static bool is_answered(int descriptor, unsigned number, bool *asked)
{
    uint8_t byte = (uint8_t)number;

    if (!*asked)
        *asked = send(descriptor, &byte, 1, MSG_NOSIGNAL) == 1;
    if (*asked && recv(descriptor, &byte, 1, MSG_DONTWAIT) == 1) {
        assert_int_equal(byte, number);
        return true;
    }
    assert_true(errno == EAGAIN || errno == EINPROGRESS || errno == ENOTCONN);
    return false;
}

static void connections_stay_with_the_stack_that_got_their_syn(void **state)
{
    const struct duet_kernel_options options = {.link = DUET_KERNEL_TUN, .queues = QUEUES};
    struct duet_socket_address peer = {.port = PORT};
    struct duet_kernel kernel;
    struct node nodes[QUEUES] = {0};
    bool asked[2 * SOCKETS] = {false}, answered[2 * SOCKETS] = {false};
    int sockets[SOCKETS];
    unsigned count = 0, used = 0, accepted = 0;
    char why[256];

    (void)state;
    if (duet_kernel_open(&options, &kernel, why, sizeof why) != 0) {
        print_message("# %s\n", why);
        skip();
    }
    peer.address = kernel.ours[0].address;
    for (unsigned i = 0; i < QUEUES; i++)
        make(&nodes[i], &kernel, i);
    for (unsigned i = 0; i < SOCKETS; i++) {
        sockets[i] = duet_kernel_socket(NULL, &peer);
        assert_true(sockets[i] >= 0);
    }
    /* Twice, so that each has been silent while the others spoke. */
    for (unsigned round = 0; round < 2; round++)
        for (unsigned turns = 0; count < (round + 1) * SOCKETS && turns < TURNS_MAX; turns++) {
            for (unsigned i = 0; i < QUEUES; i++)
                turn(&nodes[i]);
            for (unsigned i = round * SOCKETS; i < (round + 1) * SOCKETS; i++)
                if (!answered[i] && is_answered(sockets[i % SOCKETS], i % SOCKETS, &asked[i])) {
                    answered[i] = true;
                    count++;
                }
        }
    assert_int_equal(count, 2 * SOCKETS);
    for (unsigned i = 0; i < QUEUES; i++) {
        used += nodes[i].accepted > 0;
        accepted += nodes[i].accepted;
        assert_int_equal(nodes[i].broken, 0);
    }
    assert_int_equal(accepted, SOCKETS);
    assert_true(used > 1);
    for (unsigned i = 0; i < SOCKETS; i++)
        close(sockets[i]);
    for (unsigned i = 0; i < QUEUES; i++) {
        duet_loop_free(&nodes[i].loop);
        kernel.queues[i]->close(kernel.queues[i]);
        free(nodes[i].block);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_stay_with_the_stack_that_got_their_syn),
    };
    return cmocka_run_group_tests_name("kernel_queues", tests, NULL, NULL);
}
