/* SPDX-License-Identifier: MIT */
/* The small build's stand-in for src/core/path.h: nothing is remembered of a destination when its
 * connections are gone. Each connection learns the path MTU for itself (tcp_mtu.c). */
#ifndef CORE_PATH_H
#define CORE_PATH_H

#include "base/bytes.h"
#include "duet/stack.h"

/* Smaller packets are never sent, whatever a router or a loss may say; what almost every path carries. */
enum { PATH_FLOOR_IPV4 = 552, PATH_BASE_IPV4 = 1024 + 20 + 20 };

/* The table is empty, and stays so. */
struct path {
    uint8_t nothing;
};

struct path_table {
    uint32_t epoch;
};

struct duet_stack;

static inline uint32_t path_records(const struct duet_config *config)
{
    (void)config;
    return 0;
}

static inline void path_init(struct path_table *table, struct path *records, uint32_t count)
{
    (void)records;
    (void)count;
    table->epoch = 0;
}

/* Largest packet to somebody of whom nothing is known: in path.c, as it needs the configuration. */
uint16_t path_mtu(const struct duet_stack *s, const struct duet_address *remote);

#endif
