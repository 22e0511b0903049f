/* SPDX-License-Identifier: MIT */
/* Fuzzer of the doors: a byte string becomes segments, time and user calls at one stack, with every invariant checked after
 * each step. Most segments are near the edges of the sequence space in use, so that they are not all thrown out by
 * the first test. */
#include <stdlib.h>
#include <string.h>

#include "duet/trace.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HANDLES = 4, PACKET = 1500 };

struct fuzz {
    const uint8_t *at, *end;
    struct duet_stack *stack;
    duet_time now;
    struct duet_handle listener;
    struct duet_handle handles[HANDLES];
    unsigned next; /* handle that the next connection replaces */
};

static uint8_t take(struct fuzz *f)
{
    return f->at < f->end ? *f->at++ : 0;
}

static uint32_t take32(struct fuzz *f)
{
    uint32_t value = take(f);
    value = value << 8 | take(f);
    value = value << 8 | take(f);
    return value << 8 | take(f);
}

static struct duet_handle some_handle(struct fuzz *f)
{
    unsigned n = take(f) % (HANDLES + 1);
    return n == HANDLES ? f->listener : f->handles[n];
}

static void sound(const struct fuzz *f)
{
    if (duet_check(f->stack) != NULL)
        __builtin_trap();
}

/* Sequence numbers: near what the connection has, or anything. */
static uint32_t near_or_any(struct fuzz *f, uint32_t base)
{
    uint8_t how = take(f);
    if (how == 255)
        return take32(f);
    return base + (uint32_t)((int32_t)how - 8);
}

static struct tcp_options some_options(struct fuzz *f)
{
    uint8_t present = take(f);
    struct tcp_options options = {.present = present & 31};
    options.mss = (uint16_t)take32(f);
    options.window_scale = take(f);
    options.tsval = take(f);
    options.tsecr = take(f);
    options.sack_count = (present & DUET_TRACE_SACK) != 0;
    options.sack[0] = (struct tcp_sack_range){take32(f), take32(f)};
    return options;
}

static void segment(struct fuzz *f)
{
    struct duet_status status = {0};
    uint8_t bytes[PACKET + 128];
    uint8_t text[256];
    (void)duet_status(f->stack, some_handle(f), &status);
    uint16_t remote_port =
        status.remote.port != 0 ? status.remote.port : (uint16_t)(4000 + take(f) % 4);
    struct tcp_header header = {
        .source_port = remote_port,
        .destination_port = status.local.port != 0 ? status.local.port : 80,
        .flags = take(f) & 63,
        .window = (uint16_t)(take(f) << (take(f) & 8)),
        .urgent = take(f),
        .options = some_options(f),
    };
    header.seq = near_or_any(f, status.rcv_nxt);
    header.ack = near_or_any(f, status.snd_nxt);
    header.text_length = take(f);
    memset(text, take(f), sizeof text);
    struct ip_packet ip = {
        .source = duet_ipv4(10, 0, 0, 2),
        .destination = duet_ipv4(10, 0, 0, 1),
        .protocol = IP_PROTOCOL_TCP,
        .ttl = 64,
    };
    uint32_t tcp = tcp_build(bytes + IPV4_HEADER, &header);
    memcpy(bytes + IPV4_HEADER + tcp, text, header.text_length);
    ip.payload_length = tcp + header.text_length;
    ip_build(bytes, &ip);
    struct checksum sum = {0};
    checksum_add_pseudo(&sum, &ip.source, &ip.destination, IP_PROTOCOL_TCP, ip.payload_length);
    checksum_add(&sum, bytes + IPV4_HEADER, ip.payload_length);
    uint16_t check = checksum_finish(&sum);
    bytes[IPV4_HEADER + 16] = (uint8_t)(check >> 8);
    bytes[IPV4_HEADER + 17] = (uint8_t)check;
    struct duet_packet packet = {.data = bytes, .length = IPV4_HEADER + ip.payload_length};
    duet_input(f->stack, f->now, &packet);
}

static void raw_packet(struct fuzz *f)
{
    uint8_t bytes[128];
    uint32_t length = take(f) % sizeof bytes;
    for (uint32_t i = 0; i < length; i++)
        bytes[i] = take(f);
    struct duet_packet packet = {.data = bytes, .length = length};
    duet_input(f->stack, f->now, &packet);
}

static void open_one(struct fuzz *f)
{
    struct duet_connect_options options = {
        .remote = {duet_ipv4(10, 0, 0, 2), (uint16_t)(4000 + take(f) % 4)}};
    struct duet_handle *handle = &f->handles[f->next++ % HANDLES];
    if (take(f) % 2 == 0)
        (void)duet_accept(f->stack, f->now, f->listener, handle, NULL);
    else
        (void)duet_connect(f->stack, f->now, &options, handle);
}

static void call(struct fuzz *f)
{
    static uint8_t bytes[4096];
    struct duet_handle handle = some_handle(f);
    struct duet_event event;
    switch (take(f) % 9) {
    case 0:
        (void)duet_send(f->stack, f->now, handle, bytes, take(f) * 16u, take(f) % 4);
        return;
    case 1:
        (void)duet_receive(f->stack, f->now, handle, bytes, take(f) * 16u);
        return;
    case 2:
        (void)duet_shutdown(f->stack, f->now, handle);
        return;
    case 3:
        (void)duet_close(f->stack, f->now, handle);
        return;
    case 4:
        (void)duet_abort(f->stack, f->now, handle);
        return;
    case 5:
        (void)duet_set(f->stack, f->now, handle, (enum duet_option)(take(f) % 11), take(f));
        return;
    case 6:
        (void)duet_next_event(f->stack, &event);
        return;
    default:
        open_one(f);
        return;
    }
}

static void output(struct fuzz *f)
{
    uint8_t bytes[PACKET];
    struct duet_packet packet = {.data = bytes, .size = sizeof bytes};
    for (unsigned i = 0; i < 4 && duet_output(f->stack, f->now, &packet); i++)
        sound(f);
}

static void wait(struct fuzz *f)
{
    duet_time deadline = duet_deadline(f->stack);
    if (take(f) % 2 == 0)
        f->now += take(f) * 10 * DUET_MILLISECOND;
    else if (deadline != DUET_NEVER && deadline > f->now)
        f->now = deadline;
    duet_expire(f->stack, f->now);
}

static void start(struct fuzz *f, void *memory, size_t size, const struct duet_config *config)
{
    struct duet_listen_options options = {.local = {.port = 80}, .backlog = 2};
    if (duet_stack_init(memory, size, config, &f->stack) != DUET_OK)
        __builtin_trap();
    (void)duet_listen(f->stack, f->now, &options, &f->listener);
}

static struct duet_config small_config(struct fuzz *f)
{
    struct duet_config config;
    duet_config_default(&config);
    for (unsigned i = 0; i < DUET_SECRET_SIZE; i++)
        config.secret[i] = (uint8_t)(i * 5 + 1);
    config.interfaces[0] = (struct duet_interface){duet_ipv4(10, 0, 0, 1), 24};
    config.interface_count = 1;
    config.connections_max = 3;
    config.half_open_max = 2;
    config.time_wait_max = 2;
    config.transfers_max = 2;
    config.reassemblies_max = 1;
    config.ranges_max = 5;
    config.replies_max = 4;
    config.paths_max = 1;
    config.pages_max = 6;
    config.page_size = 512;
    config.receive_buffer = 1000u << (take(f) & 8);
    config.send_buffer = 2000;
    config.time_wait_rst = take(f) % 2 == 0;
    config.watch = true;
    return config;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = {.at = data, .end = data + size};
    struct duet_config config = small_config(&f);
    size_t footprint = duet_stack_footprint(&config);
    void *memory = malloc(footprint);
    if (memory == NULL)
        return 0;
    start(&f, memory, footprint, &config);
    while (f.at < f.end) {
        switch (take(&f) % 6) {
        case 0:
        case 1:
            segment(&f);
            break;
        case 2:
            call(&f);
            break;
        case 3:
            output(&f);
            break;
        case 4:
            wait(&f);
            break;
        default:
            raw_packet(&f);
            break;
        }
        sound(&f);
    }
    free(memory);
    return 0;
}
