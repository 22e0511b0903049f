/* SPDX-License-Identifier: MIT */
/* One of the two hosts of bench/duet.c: a stack in a block of memory, with room for what is to be measured. */
#ifndef BENCH_HOST_H
#define BENCH_HOST_H

#include "duet/stack.h"
#include "engine.h"

/* Each by the last octet of its address. The active one opens connections, and closes them first. */
enum host_number { HOST_ACTIVE = 1, HOST_PASSIVE };

enum {
    HOST_LISTENERS = 256,
    HOST_AT_ONCE = 250, /* handshakes */
};

struct bench_host {
    struct duet_stack *stack;
    void *block;
    size_t size;
};

struct duet_address bench_host_address(const struct engine_setup *setup, enum host_number number);

/* False: why[0, size) tells. */
bool bench_host_make(struct bench_host *host, const struct engine_setup *setup,
                     enum host_number number, char *why, size_t size);
void bench_host_free(struct bench_host *host);

/* Bytes of its block that lie in pages which are there. */
uint64_t bench_host_resident(const struct bench_host *host);

/* Memory of zeros, for munmap(); NULL: there is none. Of large pages, unless they are counted: their
 * addresses stay in the processor's memory for them where those of small ones would not. */
void *bench_host_map(size_t size, bool counted);

#endif
