/* SPDX-License-Identifier: MIT */
/* A stack, how it is configured for measurements, and the memory it lies in; see host.h. */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct duet_address bench_host_address(const struct engine_setup *setup, enum host_number number)
{
    struct duet_address address = {.bytes = {0xfd, [15] = (uint8_t)number}};

    return setup->ipv6 ? address : duet_ipv4(10, 0, 0, (uint8_t)number);
}

/* Room for what is open, and for what is at work at a time, which is little. */
static void configure(struct duet_config *config, const struct engine_setup *setup,
                      enum host_number number)
{
    const uint32_t busy = setup->connections + 64 < 8192 ? setup->connections + 64 : 8192;

    duet_config_default(config);
    for (unsigned i = 0; i < DUET_SECRET_SIZE; i++)
        config->secret[i] = (uint8_t)(i * 7 + number);
    config->interfaces[0] =
        (struct duet_interface){bench_host_address(setup, number), setup->ipv6 ? 64 : 24};
    config->interface_count = 1;
    config->mtu = setup->mtu;
    config->packet_max = 65535;
    config->offload = setup->checksums ? 0 : DUET_OFFLOAD_CHECKSUM_OUT | DUET_OFFLOAD_CHECKSUM_IN;
    config->connections_max = setup->connections + 64;
    config->half_open_max = setup->half_open > 0 ? setup->half_open : 4 * HOST_AT_ONCE;
    if (setup->time_wait > 0)
        config->time_wait_max = setup->time_wait + 1024;
    else if (number == HOST_ACTIVE) /* which closes first: a life a millisecond leaves 240,000 */
        config->time_wait_max = 1 << 18;
    config->transfers_max = busy;
    config->reassemblies_max = 64;
    config->ranges_max = 1024;
    config->listeners_max = HOST_LISTENERS;
    config->page_size = setup->connections > 1 ? 2048 : 32768; /* few bytes each, or many on one */
    config->pages_max = (64 << 20) / config->page_size;
    config->send_buffer = config->receive_buffer = setup->buffer;
    config->autotune = false;
    config->pacing = false;
}

void *bench_host_map(size_t size, bool counted)
{
    const size_t large = 2 << 20, whole = (size + large - 1) / large * large;
    uint8_t *start = mmap(NULL, whole + large, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (start == MAP_FAILED)
        return NULL;
    start += (large - (uintptr_t)start % large) % large; /* what is before is never touched */
    if (!counted)
        (void)madvise(start, whole, MADV_HUGEPAGE);
    return start;
}

bool bench_host_make(struct bench_host *host, const struct engine_setup *setup,
                     enum host_number number, char *why, size_t size)
{
    struct duet_config config;

    configure(&config, setup, number);
    host->size = duet_stack_footprint(&config);
    if (host->size == 0) {
        (void)snprintf(why, size, "duet does not take the configuration");
        return false;
    }
    host->block = bench_host_map(host->size, setup->counted);
    if (host->block == NULL) {
        (void)snprintf(why, size, "no memory for a stack of %zu bytes", host->size);
        return false;
    }
    if (duet_stack_init(host->block, host->size, &config, &host->stack) != DUET_OK) {
        (void)snprintf(why, size, "duet does not start");
        return false;
    }
    return true;
}

void bench_host_free(struct bench_host *host)
{
    if (host->block != NULL)
        munmap(host->block, host->size);
}

uint64_t bench_host_resident(const struct bench_host *host)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (host->size + page - 1) / page;
    unsigned char *there = malloc(pages);
    uint64_t bytes = 0;

    if (there == NULL || mincore(host->block, host->size, there) != 0)
        bytes = host->size;
    else
        for (size_t i = 0; i < pages; i++)
            bytes += (there[i] & 1) * page;
    free(there);
    return bytes;
}
