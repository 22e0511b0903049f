/* SPDX-License-Identifier: MIT */
/* The clock beside a stack, and what goes in and out of it while it runs; see meter.h. */
#include "meter.h"

#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 20 };

/* ---- the clock ---- */

struct reading {
    uint64_t ns, instructions;
};

static struct reading read_clock(const struct meter *m)
{
    struct timespec now;
    struct reading reading = {0};

    if (m->counter >= 0 && read(m->counter, &reading.instructions, sizeof reading.instructions) < 0)
        reading.instructions = 0;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    reading.ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    return reading;
}

static void add(struct meter *m, enum segment_kind kind, struct reading since, unsigned count)
{
    struct reading now = read_clock(m);

    m->ns[kind] += now.ns - since.ns;
    m->instructions[kind] += now.instructions - since.instructions;
    m->done[kind] += count;
    m->all[kind] += count;
}

void meter_begin(struct meter *m)
{
    memset(m->ns, 0, sizeof m->ns);
    memset(m->instructions, 0, sizeof m->instructions);
    memset(m->done, 0, sizeof m->done);
}

static int open_counter(void)
{
    struct perf_event_attr what = {.type = PERF_TYPE_HARDWARE,
                                   .size = sizeof what,
                                   .config = PERF_COUNT_HW_INSTRUCTIONS,
                                   .exclude_kernel = 1,
                                   .exclude_hv = 1};

    return (int)syscall(SYS_perf_event_open, &what, 0, -1, -1, 0);
}

/* ---- the stack ---- */

bool meter_open(struct meter *m)
{
    struct duet_config config;
    const struct duet_listen_options here = {.local = {.port = 80}, .backlog = 4 * METER_BATCH};

    duet_config_default(&config);
    for (unsigned i = 0; i < DUET_SECRET_SIZE; i++)
        config.secret[i] = (uint8_t)(i * 11 + 3);
    config.interfaces[0] = (struct duet_interface){duet_ipv4(10, 0, 0, 1), 24};
    config.interface_count = 1;
    config.connections_max = config.transfers_max = config.reassemblies_max = 4 * METER_BATCH;
    config.half_open_max = config.replies_max = 4 * METER_BATCH;
    config.replies_per_second = UINT16_MAX;
    config.pages_max = 4096;
    config.send_buffer = config.receive_buffer = BUFFER;
    config.autotune = config.pacing = false;
    size_t size = duet_stack_footprint(&config);
    m->block = aligned_alloc(4096, (size + 4095) / 4096 * 4096);
    m->now = DUET_SECOND;
    m->out = (struct duet_packet){.data = malloc(65536), .size = 65536};
    m->counter = open_counter();
    return m->block != NULL && m->out.data != NULL &&
           duet_stack_init(m->block, size, &config, &m->stack) == DUET_OK &&
           duet_listen(m->stack, m->now, &here, &m->listener) == DUET_OK;
}

void meter_close(struct meter *m)
{
    free(m->block);
    free(m->out.data);
    if (m->counter >= 0)
        close(m->counter);
}

void meter_prepare(struct meter *m, const struct forge_segment *segment)
{
    m->lengths[m->count] = bench_forge(m->bytes[m->count], segment);
    m->count++;
}

static void arrive_all(struct meter *m)
{
    for (unsigned i = 0; i < m->count; i++) {
        const struct duet_packet packet = {.data = m->bytes[i], .length = m->lengths[i]};
        duet_input(m->stack, m->now, &packet);
    }
}

/* At most as many as there are connections. */
static void leave_batch(struct meter *m)
{
    while (m->left < METER_BATCH && duet_output(m->stack, m->now, &m->out)) {
        m->left++;
        if (m->sent_count < 2 * METER_BATCH)
            m->sent[m->sent_count++] = bench_forge_read(m->out.data);
    }
}

/* One function a kind, so that a profiler tells them apart (bench/segment_cost.py); the number of the
 * kind keeps a compiler from making one of all. */
#define MEASURED(which, function, work)                                                            \
    static __attribute__((noinline)) void function(struct meter *m)                                \
    {                                                                                              \
        m->kind = which;                                                                           \
        work(m);                                                                                   \
    }
MEASURED(IN_DATA, segment_in_data, arrive_all)
MEASURED(IN_ACK, segment_in_ack, arrive_all)
MEASURED(IN_REORDERED, segment_in_reordered, arrive_all)
MEASURED(IN_SACK, segment_in_sack, arrive_all)
MEASURED(IN_SYN, segment_in_syn, arrive_all)
MEASURED(IN_THIRD, segment_in_third, arrive_all)
MEASURED(IN_FIN, segment_in_fin, arrive_all)
MEASURED(IN_RST, segment_in_rst, arrive_all)
MEASURED(IN_BAD_SUM, segment_in_bad_sum, arrive_all)
MEASURED(IN_STRANGER, segment_in_stranger, arrive_all)
MEASURED(OUT_DATA, segment_out_data, leave_batch)
MEASURED(OUT_ACK, segment_out_ack, leave_batch)
MEASURED(OUT_SYN_ACK, segment_out_syn_ack, leave_batch)
MEASURED(OUT_RST, segment_out_rst, leave_batch)

static void (*const measured[KINDS])(struct meter *m) = {
    segment_in_data,     segment_in_ack,      segment_in_reordered, segment_in_sack,
    segment_in_syn,      segment_in_third,    segment_in_fin,       segment_in_rst,
    segment_in_bad_sum,  segment_in_stranger, segment_out_data,     segment_out_ack,
    segment_out_syn_ack, segment_out_rst,
};

void meter_arrive(struct meter *m)
{
    arrive_all(m);
    m->count = 0;
}

void meter_arrive_timed(struct meter *m, enum segment_kind kind)
{
    const struct reading since = read_clock(m);

    measured[kind](m);
    add(m, kind, since, m->count);
    m->count = 0;
}

void meter_leave(struct meter *m)
{
    while (m->sent_count < 2 * METER_BATCH && duet_output(m->stack, m->now, &m->out))
        m->sent[m->sent_count++] = bench_forge_read(m->out.data);
}

void meter_leave_timed(struct meter *m, enum segment_kind kind)
{
    const struct reading since = read_clock(m);

    m->left = 0;
    measured[kind](m);
    add(m, kind, since, m->left);
}

void meter_let_go(struct meter *m)
{
    struct duet_event event;

    while (duet_next_event(m->stack, &event))
        if ((event.bits & DUET_EVENT_CLOSED) != 0)
            (void)duet_close(m->stack, m->now, event.handle);
    m->sent_count = 0;
}

void meter_pass(struct meter *m, duet_time span)
{
    m->now += span;
    duet_expire(m->stack, m->now);
    meter_leave(m);
    m->sent_count = 0;
}
