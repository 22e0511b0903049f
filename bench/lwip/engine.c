/* SPDX-License-Identifier: MIT */
/* lwIP, the distribution's package, through its raw API. A process has one lwIP, so both ends live in
 * it, each bound to a network interface of its own; what leaves the one interface is copied, as a
 * driver does, and goes into the other.
 *
 * Its options are those of the package: buffers of 64 KiB, window scaling, an MSS of at most 1460, no
 * timestamps, checksums while copying, memory from malloc. It counts no time here: its timers walk all
 * connections every 250 ms, which is left out for its benefit. Nor does it keep TIME-WAIT: after each
 * short connection the record is taken away. Its list of connections, which it walks for every packet,
 * is set aside while many are opened, or that would take hours. */
#include <limits.h> /* lwIP asks whether SSIZE_MAX is there */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine.h"
#include "sums.h"

#include <lwip/init.h>
#include <lwip/ip.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/tcp.h>

enum {
    PORTS_A_LISTENER = 50000,
    PORT_ACTIVE = 10000,
    PORT_PASSIVE = 1000,
    LISTENERS = 256,
    QUEUE = 1 << 16, /* packets on the wire; a power of two */
};

struct wire_packet {
    struct pbuf *packet;
    struct netif *to;
};

static struct {
    bool is_started;
    struct engine_setup setup;
    struct netif ends[2]; /* active, passive */
    ip_addr_t addresses[2];
    struct tcp_pcb *listeners[LISTENERS];
    struct tcp_pcb **connection[2]; /* by number */
    uint32_t connections, connected, accepted;
    struct tcp_pcb *aside, *aside_last; /* open connections, while others are opened */
    uint32_t head, tail;
    struct wire_packet wire[QUEUE];

    /* The work at hand, as in duet.c. */
    struct tcp_pcb *one, *other;
    uint64_t position, answer, wanted, answered, sent, total;
    bool answers, life, life_ended[2];
    bool failed;
} lwip;

static struct engine engine;

static bool fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (!lwip.failed)
        vsnprintf(engine.why, sizeof engine.why, format, arguments);
    va_end(arguments);
    lwip.failed = true;
    return false;
}

/* ---- the wire ---- */

static err_t send_packet(struct netif *from, struct pbuf *packet, const ip4_addr_t *to)
{
    struct pbuf *copy = pbuf_alloc(PBUF_RAW, packet->tot_len, PBUF_RAM);

    (void)to;
    if (copy == NULL || lwip.tail - lwip.head == QUEUE)
        return ERR_MEM;
    pbuf_copy(copy, packet);
    lwip.wire[lwip.tail++ % QUEUE] =
        (struct wire_packet){copy, from == &lwip.ends[0] ? &lwip.ends[1] : &lwip.ends[0]};
    return ERR_OK;
}

/* What is on the wire now arrives. False: nothing. */
static bool turn(void)
{
    const uint32_t end = lwip.tail;
    const bool some = lwip.head != end;

    while (lwip.head != end) {
        const struct wire_packet *next = &lwip.wire[lwip.head++ % QUEUE];

        if (next->to->input(next->packet, next->to) != ERR_OK)
            pbuf_free(next->packet);
    }
    return some;
}

static err_t init_end(struct netif *end)
{
    end->name[0] = 'b';
    end->name[1] = 'e';
    end->output = send_packet;
    end->mtu = (u16_t)lwip.setup.mtu;
    end->flags = NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

/* ---- what the ends are told ---- */

static void compare(const struct pbuf *packet, uint64_t *position)
{
    for (; packet != NULL; packet = packet->next) {
        if (memcmp(packet->payload, engine_pattern(*position), packet->len) != 0)
            fail("other bytes arrived than were sent, at %llu", (unsigned long long)*position);
        *position += packet->len;
    }
}

/* As much as there is room for. */
static void write_more(struct tcp_pcb *pcb)
{
    while (lwip.sent < lwip.total) {
        const uint64_t left = lwip.total - lwip.sent;
        uint32_t size = tcp_sndbuf(pcb);

        if (size > left)
            size = (uint32_t)left;
        if (size > 0xFFFF)
            size = 0xFFFF;
        if (size == 0 ||
            tcp_write(pcb, engine_pattern(lwip.sent), (u16_t)size, TCP_WRITE_FLAG_COPY) != ERR_OK)
            break;
        lwip.sent += size;
    }
    (void)tcp_output(pcb);
}

static void write_pattern(struct tcp_pcb *pcb, uint64_t from, uint64_t size)
{
    if (tcp_write(pcb, engine_pattern(from), (u16_t)size, TCP_WRITE_FLAG_COPY) != ERR_OK)
        fail("sending %llu bytes failed", (unsigned long long)size);
    (void)tcp_output(pcb);
}

static err_t told_sent(void *argument, struct tcp_pcb *pcb, u16_t bytes)
{
    (void)argument;
    (void)bytes;
    if (lwip.sent < lwip.total)
        write_more(pcb);
    return ERR_OK;
}

static void end_life(struct tcp_pcb *pcb, unsigned end)
{
    tcp_recv(pcb, NULL);
    tcp_err(pcb, NULL);
    lwip.life_ended[end] = tcp_close(pcb) == ERR_OK;
}

static err_t passive_received(void *argument, struct tcp_pcb *pcb, struct pbuf *packet, err_t error)
{
    (void)argument;
    (void)error;
    if (packet == NULL) {
        end_life(pcb, 1);
        return ERR_OK;
    }
    compare(packet, &lwip.position);
    tcp_recved(pcb, packet->tot_len);
    pbuf_free(packet);
    if (lwip.answers && lwip.position == lwip.wanted) {
        lwip.answers = false;
        write_pattern(pcb, lwip.answer, lwip.answered);
    }
    return ERR_OK;
}

static err_t active_received(void *argument, struct tcp_pcb *pcb, struct pbuf *packet, err_t error)
{
    (void)argument;
    (void)error;
    if (packet == NULL)
        return ERR_OK;
    compare(packet, &lwip.answer);
    tcp_recved(pcb, packet->tot_len);
    pbuf_free(packet);
    return ERR_OK;
}

static err_t accepted(void *argument, struct tcp_pcb *pcb, err_t error)
{
    struct tcp_pcb *const *const listener = argument;
    const uint32_t number =
        (uint32_t)(listener - lwip.listeners) * PORTS_A_LISTENER + pcb->remote_port - PORT_ACTIVE;

    (void)error;
    tcp_recv(pcb, passive_received);
    tcp_sent(pcb, told_sent);
    tcp_nagle_disable(pcb);
    lwip.accepted++;
    lwip.other = pcb;
    if (lwip.life)
        return ERR_OK;
    if (number >= lwip.setup.connections)
        fail("a connection from nobody");
    else
        lwip.connection[1][number] = pcb;
    return ERR_OK;
}

static err_t connected(void *argument, struct tcp_pcb *pcb, err_t error)
{
    (void)argument;
    (void)pcb;
    (void)error;
    lwip.connected++;
    return ERR_OK;
}

static void ended(void *argument, err_t error)
{
    (void)argument;
    fail("a connection ended with error %d of lwIP", (int)error);
}

/* ---- making and unmaking ---- */

static bool start_library(void)
{
    if (!lwip_sums_find())
        return fail("lwIP lacks its public checksum functions");
    lwip_init();
    for (unsigned i = 0; i < 2; i++) {
        ip4_addr_t address, mask, gateway;

        IP4_ADDR(&address, 10, 0, 0, i + 1);
        IP4_ADDR(&mask, 255, 255, 255, 0);
        IP4_ADDR(&gateway, 0, 0, 0, 0);
        ip_addr_copy_from_ip4(lwip.addresses[i], address);
        if (netif_add(&lwip.ends[i], &address, &mask, &gateway, NULL, init_end, ip_input) == NULL)
            return fail("lwIP does not take an interface");
        netif_set_up(&lwip.ends[i]);
    }
    lwip.is_started = true;
    return true;
}

static bool listen_on_all(void)
{
    for (unsigned i = 0; i < LISTENERS; i++) {
        struct tcp_pcb *pcb = tcp_new();

        if (pcb == NULL)
            return fail("lwIP has no memory for a listener");
        tcp_bind_netif(pcb, &lwip.ends[1]);
        if (tcp_bind(pcb, &lwip.addresses[1], (u16_t)(PORT_PASSIVE + i)) != ERR_OK)
            return fail("lwIP does not bind a listener");
        lwip.listeners[i] = tcp_listen_with_backlog(pcb, 255);
        if (lwip.listeners[i] == NULL)
            return fail("lwIP does not listen");
        tcp_arg(lwip.listeners[i], &lwip.listeners[i]);
        tcp_accept(lwip.listeners[i], accepted);
    }
    return true;
}

static bool lwip_open(const struct engine_setup *setup)
{
    lwip.setup = *setup;
    lwip.failed = false;
    engine_pattern_make();
    if (!lwip.is_started && !start_library())
        return false;
    for (unsigned i = 0; i < 2; i++) {
        lwip.ends[i].mtu = (u16_t)setup->mtu;
        lwip.connection[i] = calloc(setup->connections + 1, sizeof *lwip.connection[i]);
        if (lwip.connection[i] == NULL)
            return fail("no memory");
    }
    lwip.connections = 0;
    lwip_sums_set(setup->checksums);
    return listen_on_all();
}

static void abort_all(struct tcp_pcb **list)
{
    while (*list != NULL) {
        tcp_err(*list, NULL);
        tcp_abort(*list);
    }
}

/* The library has no end; the process has. */
static void lwip_close(void)
{
    for (unsigned i = 0; i < 2; i++)
        free(lwip.connection[i]);
}

/* ---- the work ---- */

static struct tcp_pcb *open_one(uint32_t listener, const uint16_t *port)
{
    struct tcp_pcb *pcb = tcp_new();

    if (pcb == NULL)
        return NULL;
    tcp_bind_netif(pcb, &lwip.ends[0]);
    tcp_recv(pcb, active_received);
    tcp_sent(pcb, told_sent);
    tcp_err(pcb, ended);
    tcp_nagle_disable(pcb);
    if (port != NULL && tcp_bind(pcb, &lwip.addresses[0], *port) != ERR_OK)
        return NULL;
    if (tcp_connect(pcb, &lwip.addresses[1], (u16_t)(PORT_PASSIVE + listener), connected) != ERR_OK)
        return NULL;
    return pcb;
}

/* The connections that are open go out of the way of those that are being opened. */
static void set_aside(void)
{
    struct tcp_pcb *first = tcp_active_pcbs, *last = first;

    if (first == NULL)
        return;
    while (last->next != NULL)
        last = last->next;
    last->next = lwip.aside;
    lwip.aside = first;
    tcp_active_pcbs = NULL;
}

static bool lwip_connect(uint32_t count)
{
    const uint32_t end = lwip.connections + count;

    while (lwip.connections < end && !lwip.failed) {
        const uint32_t some = end - lwip.connections < 100 ? end - lwip.connections : 100;

        lwip.connected = lwip.accepted = 0;
        for (uint32_t i = 0; i < some; i++, lwip.connections++) {
            const uint16_t port = (uint16_t)(PORT_ACTIVE + lwip.connections % PORTS_A_LISTENER);

            lwip.connection[0][lwip.connections] =
                open_one(lwip.connections / PORTS_A_LISTENER, &port);
            if (lwip.connection[0][lwip.connections] == NULL)
                return fail("lwIP does not connect");
        }
        while (lwip.connected < some || lwip.accepted < some)
            if (!turn())
                return fail("opening connections goes no further");
        while (turn())
            ;
        set_aside();
    }
    tcp_active_pcbs = lwip.aside;
    lwip.aside = NULL;
    return !lwip.failed;
}

static bool lwip_bulk(uint64_t bytes)
{
    lwip.position = 0;
    lwip.answers = false;
    lwip.sent = 0;
    lwip.total = bytes;
    write_more(lwip.connection[0][0]);
    while (lwip.position < bytes && !lwip.failed)
        if (!turn())
            tcp_tmr();
    while (turn())
        ;
    lwip.total = lwip.sent = 0;
    return !lwip.failed;
}

static bool lwip_exchange(uint32_t connection, uint32_t bytes)
{
    const uint64_t end = connection + 1 + (uint64_t)bytes;

    lwip.position = connection;
    lwip.wanted = lwip.position + bytes;
    lwip.answer = connection + 1;
    lwip.answered = bytes;
    lwip.answers = true;
    write_pattern(lwip.connection[0][connection], lwip.position, bytes);
    while (lwip.answer < end && !lwip.failed)
        if (!turn())
            tcp_tmr();
    return !lwip.failed;
}

static void lwip_expect(uint32_t connection)
{
    for (unsigned end = 0; end < 2; end++)
        __builtin_prefetch(&lwip.connection[end][connection]);
}

static bool lwip_life(void)
{
    static uint64_t number;
    uint64_t end;

    number++;
    lwip.life = true;
    lwip.life_ended[1] = false;
    lwip.one = open_one(LISTENERS - 1, NULL);
    if (lwip.one == NULL)
        return fail("lwIP does not open a short connection");
    lwip.position = number % 1000;
    lwip.wanted = lwip.position + ENGINE_LIFE_BYTES;
    lwip.answer = number % 777;
    lwip.answered = ENGINE_LIFE_BYTES;
    lwip.answers = true;
    end = lwip.answer + ENGINE_LIFE_BYTES;
    write_pattern(lwip.one, lwip.position, ENGINE_LIFE_BYTES);
    while (lwip.answer < end)
        if (lwip.failed || !turn())
            return fail("a short connection of lwIP does not get its answer");
    end_life(lwip.one, 0);
    while (turn())
        ;
    if (!lwip.life_ended[1] || tcp_tw_pcbs == NULL)
        return fail("a short connection of lwIP does not end");
    abort_all(&tcp_tw_pcbs);
    lwip.life = false;
    return true;
}

static struct engine engine = {
    .name = "lwip",
    .version = LWIP_VERSION_STRING,
    .open = lwip_open,
    .close = lwip_close,
    .connect = lwip_connect,
    .bulk = lwip_bulk,
    .exchange = lwip_exchange,
    .expect = lwip_expect,
    .life = lwip_life,
};

engine_module_function engine_module;
struct engine *engine_module(void)
{
    return &engine;
}
