/* SPDX-License-Identifier: MIT */
/* A transfer of many bytes both ways between a stack and the kernel's TCP, in one process: the
 * stack by its calls, the kernel by a socket that does not block. */
#ifndef TESTS_INTEROP_TRANSFER_H
#define TESTS_INTEROP_TRANSFER_H

#include "duet/kernel.h"
#include "duet/stack.h"

struct transfer_plan {
    bool is_client; /* the stack connects and closes first; otherwise the kernel does both */
    bool is_ipv6;
    uint64_t bytes;  /* each way */
    duet_time limit; /* of real time */
};

/* What one side sent and received. */
struct transfer_side {
    uint64_t sent, received;
    uint32_t sent_sum, received_sum; /* CRC-32 */
    bool end_seen;                   /* of what the other side sends */
};

struct transfer_result {
    struct transfer_side stack, kernel;
    bool is_closed; /* the stack told of the end, and how: */
    struct duet_outcome outcome;
    enum duet_state kernel_state; /* as the kernel told it after both ends were closed */
    struct duet_counters counters;
    char trouble[160]; /* empty: none */
};

void transfer_run(const struct duet_kernel *kernel, const struct transfer_plan *plan,
                  struct transfer_result *result);

/* CRC-32 of IEEE 802.3, continued from an earlier result; 0 to begin. */
uint32_t transfer_crc(uint32_t sum, const uint8_t *data, size_t size);

#endif
