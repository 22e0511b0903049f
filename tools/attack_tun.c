/* SPDX-License-Identifier: MIT */
/* duet attack --tun: forged SYNs through the operating system's IP and a TUN device at a stack, in a
 * network namespace of this process's own, while clients of the operating system's TCP connect. One
 * process does all of it in turns: some SYNs, what the stack has to say, the clients. */
#include "attack_tun.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "duet/attack.h"
#include "duet/block.h"
#include "duet/kernel.h"

enum { RATE = 105000, BATCH = 50, CLIENT_RATE = 100, CLIENTS_MOST = 512, PORT = 80 };
enum { SYN_BYTES = 40, PACKET_MAX = 65536 };
#define CLIENT_LIMIT DUET_SECOND

struct client {
    int socket; /* -1: none */
    duet_time began;
};

struct flood {
    const char *command;
    struct duet_kernel kernel;
    struct duet_stack *stack;
    struct duet_handle listener;
    int raw;
    uint32_t number; /* of SYNs sent */
    struct client clients[CLIENTS_MOST];
    unsigned asked, connected, late;
    duet_time begin;
    uint8_t packet[PACKET_MAX];
};

static duet_time clock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (duet_time)now.tv_sec * DUET_SECOND + now.tv_nsec;
}

/* ---- the stack ---- */

static void serve(struct flood *flood)
{
    struct duet_link *link = flood->kernel.link;
    struct duet_packet packet = {.data = flood->packet, .size = sizeof flood->packet};
    struct duet_handle handle;
    struct duet_event event;

    while (link->receive(link, clock_now(), &packet)) {
        duet_input(flood->stack, clock_now(), &packet);
        packet = (struct duet_packet){.data = flood->packet, .size = sizeof flood->packet};
        while (duet_output(flood->stack, clock_now(), &packet))
            (void)link->send(link, clock_now(), &packet);
        packet = (struct duet_packet){.data = flood->packet, .size = sizeof flood->packet};
    }
    duet_expire(flood->stack, clock_now());
    while (duet_output(flood->stack, clock_now(), &packet))
        (void)link->send(link, clock_now(), &packet);
    while (duet_accept(flood->stack, clock_now(), flood->listener, &handle, NULL) == DUET_OK)
        (void)duet_close(flood->stack, clock_now(), handle);
    while (duet_next_event(flood->stack, &event))
        continue;
}

/* ---- the attacker ---- */

static uint16_t sum_of(const uint8_t *bytes, size_t size, uint32_t sum)
{
    for (size_t i = 0; i + 1 < size; i += 2)
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* A SYN from an address that nobody has; the kernel fills in the header checksum. */
static void forge_syn(const struct flood *flood, uint8_t *bytes)
{
    uint32_t number = flood->number;
    uint16_t sum;

    memset(bytes, 0, SYN_BYTES);
    bytes[0] = 0x45;
    put16(bytes + 2, SYN_BYTES);
    bytes[6] = 0x40;
    bytes[8] = 64;
    bytes[9] = IPPROTO_TCP;
    bytes[12] = (uint8_t)(20 + number % 100);
    bytes[13] = (uint8_t)(number >> 16);
    bytes[14] = (uint8_t)(number >> 8);
    bytes[15] = (uint8_t)(1 + number % 250);
    memcpy(bytes + 16, flood->kernel.ours[0].address.bytes + 12, 4);
    put16(bytes + 20, 1024 + number % 60000);
    put16(bytes + 22, PORT);
    put16(bytes + 24, number);
    bytes[32] = 5 << 4;
    bytes[33] = 2; /* SYN */
    put16(bytes + 34, 1000);
    sum = sum_of(bytes + 12, SYN_BYTES - 12, IPPROTO_TCP + 20);
    put16(bytes + 36, sum);
}

/* In one call of the system, so that the attacker costs less than the attacked. */
static void send_batch(struct flood *flood)
{
    uint8_t bytes[BATCH][SYN_BYTES];
    struct sockaddr_in to = {.sin_family = AF_INET};
    struct mmsghdr messages[BATCH];
    struct iovec pieces[BATCH];
    unsigned sent = 0;

    memcpy(&to.sin_addr, flood->kernel.ours[0].address.bytes + 12, 4);
    memset(messages, 0, sizeof messages);
    for (unsigned i = 0; i < BATCH; i++) {
        forge_syn(flood, bytes[i]);
        flood->number++;
        pieces[i] = (struct iovec){bytes[i], SYN_BYTES};
        messages[i].msg_hdr.msg_name = &to;
        messages[i].msg_hdr.msg_namelen = sizeof to;
        messages[i].msg_hdr.msg_iov = &pieces[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    while (sent < BATCH) { /* one that is refused is passed over */
        int some = sendmmsg(flood->raw, messages + sent, BATCH - sent, MSG_DONTWAIT);

        sent += some > 0 ? (unsigned)some : 1;
    }
}

/* ---- the clients ---- */

static void begin_client(struct flood *flood)
{
    const struct duet_socket_address here = {.address = flood->kernel.kernels[0]};
    const struct duet_socket_address there = {flood->kernel.ours[0].address, PORT};

    for (unsigned i = 0; i < CLIENTS_MOST; i++) {
        struct client *client = &flood->clients[i];

        if (client->socket >= 0)
            continue;
        client->socket = duet_kernel_socket(&here, &there);
        client->began = clock_now();
        flood->asked += client->socket >= 0;
        return;
    }
}

static void look_at_clients(struct flood *flood)
{
    for (unsigned i = 0; i < CLIENTS_MOST; i++) {
        struct client *client = &flood->clients[i];
        struct pollfd poll_one = {.fd = client->socket, .events = POLLOUT};
        bool over;

        if (client->socket < 0)
            continue;
        over = clock_now() - client->began > CLIENT_LIMIT;
        if (poll(&poll_one, 1, 0) > 0 && (poll_one.revents & POLLOUT) != 0 &&
            (poll_one.revents & POLLERR) == 0 && !over)
            flood->connected++;
        else if (over)
            flood->late++;
        else
            continue;
        close(client->socket);
        client->socket = -1;
    }
}

/* ---- all of it ---- */

static void run(struct flood *flood, unsigned seconds)
{
    duet_time end = flood->begin + (duet_time)seconds * DUET_SECOND;
    uint64_t begun = 0;
    duet_time looked = 0;

    while (clock_now() < end + CLIENT_LIMIT) {
        duet_time now = clock_now(), since = now - flood->begin;

        if (now < end && flood->number < (uint64_t)(since / DUET_MICROSECOND) * RATE / 1000000)
            send_batch(flood);
        serve(flood);
        if (now < end && begun < (uint64_t)(since / DUET_MILLISECOND) * CLIENT_RATE / 1000) {
            begin_client(flood);
            begun++;
        }
        if (now - looked > 5 * DUET_MILLISECOND) {
            look_at_clients(flood);
            looked = now;
        }
    }
    look_at_clients(flood);
}

/* All memory that the stack has is there from now on: what grows is somebody else's. */
static void touch(const struct duet_block *block)
{
    enum { PAGE = 4096 };
    volatile uint8_t *bytes = block->memory;

    for (size_t at = 0; at < block->size; at += PAGE) {
        uint8_t byte = bytes[at];

        bytes[at] = byte;
    }
}

static bool start_stack(struct flood *flood, struct duet_block *block)
{
    const struct duet_listen_options options = {.local = {.port = PORT}, .backlog = 1024};
    struct duet_config config;

    duet_config_default(&config);
    config.interfaces[0] = flood->kernel.ours[0];
    config.interface_count = 1;
    config.mtu = 1500;
    if (duet_block_start(block, &config, &flood->stack) != 0)
        return false;
    touch(block);
    return duet_listen(flood->stack, clock_now(), &options, &flood->listener) == DUET_OK;
}

static int judge(const struct flood *flood, unsigned seconds, long before)
{
    struct duet_counters counters;
    long grown = duet_attack_memory_kb() - before;
    bool good;

    duet_counters(flood->stack, &counters);
    good = flood->asked > 0 && (uint64_t)flood->connected * 100 >= (uint64_t)flood->asked * 99;
    printf("%u forged SYNs in %u s (%u a second), %u clients: %u connected within a second, %u did "
           "not\n",
           flood->number, seconds, flood->number / seconds, flood->asked, flood->connected,
           flood->late);
    printf(
        "%llu packets reached the stack; %u half-open records, %u pages in use, the process grew "
        "by %ld KB: %s\n",
        (unsigned long long)counters.packets_in, counters.half_open, counters.pages_used, grown,
        good ? "pass" : "FAIL");
    return good ? COMMAND_OK : COMMAND_FAILED;
}

int attack_tun(const char *command, unsigned seconds)
{
    static struct flood flood;
    const struct duet_kernel_options options = {.link = DUET_KERNEL_TUN, .mtu = 1500};
    struct duet_block block = {NULL, 0};
    char why[200];
    int code = COMMAND_FAILED;
    long before;

    flood.command = command;
    if (duet_kernel_open(&options, &flood.kernel, why, sizeof why) != 0) {
        command_complain(command, "%s", why);
        return COMMAND_FAILED;
    }
    for (unsigned i = 0; i < CLIENTS_MOST; i++)
        flood.clients[i].socket = -1;
    flood.raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    if (flood.raw < 0) {
        command_complain(command, "packets cannot be forged here: %s", strerror(errno));
    } else if (start_stack(&flood, &block)) {
        flood.begin = clock_now();
        (void)duet_attack_memory_kb();
        run(&flood, 1); /* so that every page that will be used has been, of what measures, too */
        flood.number = flood.asked = flood.connected = flood.late = 0;
        before = duet_attack_memory_kb();
        flood.begin = clock_now();
        run(&flood, seconds);
        code = judge(&flood, seconds, before);
    } else {
        command_complain(command, "the stack does not start");
    }
    close(flood.raw);
    flood.kernel.link->close(flood.kernel.link);
    duet_block_end(&block);
    return code;
}
