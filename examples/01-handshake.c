/* SPDX-License-Identifier: MIT
 * Two stacks in memory open a connection by handing packets to each other. run: plain */
#include <duet/stack.h>
#include <stdio.h>
#include <stdlib.h>

static struct duet_stack *make_stack(struct duet_address address, uint8_t entropy)
{
    struct duet_config config;
    struct duet_stack *stack = NULL;
    duet_config_default(&config);
    for (int i = 0; i < DUET_SECRET_SIZE; i++)
        config.secret[i] = (uint8_t)(entropy * (i + 1)); /* a real program asks getrandom() */
    config.interfaces[config.interface_count++] = (struct duet_interface){address, 24};
    size_t size = duet_stack_footprint(&config);
    duet_stack_init(malloc(size), size, &config, &stack);
    return stack;
}

int main(void)
{
    struct duet_address addresses[] = {duet_ipv4(192, 0, 2, 1), duet_ipv4(192, 0, 2, 2)};
    struct duet_stack *stacks[] = {make_stack(addresses[0], 3), make_stack(addresses[1], 5)};
    struct duet_listen_options here = {.local.port = 80, .backlog = 1};
    struct duet_connect_options there = {.remote = {addresses[1], 80}};
    struct duet_handle listener, connection;
    struct duet_status status;
    duet_listen(stacks[1], 0, &here, &listener);
    duet_connect(stacks[0], 0, &there, &connection);
    for (unsigned from = 0, idle = 0; idle < 2; from = 1 - from, idle++)
        for (struct duet_packet packet = {.data = (uint8_t[2048]){0}, .size = 2048};
             duet_output(stacks[from], 0, &packet); idle = 0) {
            printf("host %u sends %u bytes\n", from + 1, packet.length);
            duet_input(stacks[1 - from], 0, &packet);
        }
    duet_status(stacks[0], connection, &status);
    printf("host 1 is %s\n", duet_state_name(status.state));
    free(stacks[0]), free(stacks[1]);
    return status.state != DUET_ESTABLISHED;
}
