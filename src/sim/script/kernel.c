/* SPDX-License-Identifier: MIT */
/* Real time: packets come and go through a link into the kernel's namespace, and waiting is
 * poll(2). The clock of a script begins with its first call or packet.
 */
#include "sim/script/kernel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "duet/loop.h"
#include "sim/script/values.h"

/* A script's tolerance is meant for a stack alone on its machine. Here two clocks tick: the kernel's
 * every 4 ms, with timers that may be late by an eighth of their time. Other processes run, and ACKs
 * may be delayed by 40 ms. */
enum { TOLERANCE_USECS = 60000, TOLERANCE_PERCENT = 15 };
#define TICK     DUET_MILLISECOND
#define PATIENCE (10 * DUET_SECOND)

static struct duet_link *link_of(const struct player *player)
{
    return player->host != NULL ? player->host->peer.link : player->kernel->host.peer.link;
}

static duet_time real_now(const struct player *player)
{
    return duet_loop_now() - player->kernel->origin;
}

static bool kernel_start(struct player *player)
{
    char why[300];
    struct kernel *kernel = must_allocate(sizeof(*kernel));
    player->kernel = kernel;
    if (player->host == NULL) {
        if (kernel_host_open(&kernel->host, &player->settings, why, sizeof(why)) != 0) {
            return player_broken(player, "%s", why);
        }
        if (!kernel_settings_apply(player)) {
            return false;
        }
    }
    if (player->settings.rules.tolerance_usecs < TOLERANCE_USECS) {
        player->settings.rules.tolerance_usecs = TOLERANCE_USECS;
    }
    if (player->settings.tolerance_percent < TOLERANCE_PERCENT) {
        player->settings.tolerance_percent = TOLERANCE_PERCENT;
    }
    player->settings.rules.any_push = true; /* a sender's choice: RFC 9293, 3.9.1.2 */
    kernel->origin = duet_loop_now() - player->now;
    return true;
}

/* Nothing may go on in a namespace that others use after this script. */
static void let_go(int descriptor)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(descriptor);
}

static void kernel_stop(struct player *player)
{
    for (struct sock *sock = player->socks; sock != NULL; sock = sock->next) {
        if (sock->descriptor >= 0) {
            let_go(sock->descriptor);
        }
    }
    if (player->kernel != NULL) {
        kernel_host_close(&player->kernel->host);
    }
    free(player->kernel);
}

/* ---- packets ---- */

/* What hosts say to each other about themselves (router and neighbour discovery, multicast groups)
 * is not TCP's. */
static bool is_chatter(const struct duet_packet *packet)
{
    if (packet->length < 20) {
        return true;
    }
    uint8_t version = packet->data[0] >> 4;
    if (version == 4) {
        uint8_t protocol = packet->data[9];
        return protocol != 6 && protocol != 1;
    }
    if (version != 6 || packet->length < 48) {
        return true;
    }
    uint8_t protocol = packet->data[6], type = packet->data[40];
    return protocol != 6 && !(protocol == 58 && (type < 130 || type > 143));
}

/* In a shared namespace: what earlier scripts left behind. Ports tell, for each script has its own. */
static bool is_foreign(const struct player *player, const struct duet_packet *packet)
{
    const struct settings *settings = &player->settings;
    uint32_t at = packet->data[0] >> 4 == 6 ? 40 : (packet->data[0] & 15u) * 4;
    if (player->host == NULL || packet->length < at + 4) {
        return false;
    }
    uint16_t source = bytes_get16(packet->data + at), to = bytes_get16(packet->data + at + 2);
    return source != settings->bind_port && to != settings->connect_port;
}

/* Reads what has come. How many packets it was. */
static unsigned read_packets(struct player *player)
{
    uint8_t bytes[PACKET_BYTES_MAX];
    unsigned count = 0;
    struct duet_packet packet = {.data = bytes, .size = sizeof(bytes)};
    while (link_of(player)->receive(link_of(player), 0, &packet)) {
        if (!is_chatter(&packet) && !is_foreign(player, &packet)) {
            duet_time time = real_now(player);
            packet.tag = duet_recorder_sent(player->recorder, ENGINE_TESTED, time, &packet);
            engine_sent(player, time, &packet);
            player->now = time > player->now ? time : player->now;
            count++;
        }
    }
    return count;
}

static void kernel_drain(struct player *player)
{
    (void)read_packets(player);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): a member of struct system, whose others write */
static void kernel_inject(struct player *player, uint8_t *bytes, uint32_t length)
{
    struct duet_packet packet = {.data = bytes, .size = length, .length = length};
    duet_time time = real_now(player);
    packet.tag = duet_recorder_sent(player->recorder, ENGINE_SCRIPT, time, &packet);
    duet_recorder_arrived(player->recorder, ENGINE_TESTED, time, &packet);
    /* A link that refuses the packet (malformed, for instance) loses it. */
    (void)link_of(player)->send(link_of(player), 0, &packet);
    link_of(player)->error = 0;
    kernel_drain(player);
    player->kernel->waits = false;
    engine_retry(player);
}

/* ---- time ---- */

/* Waits until a packet is there, the call that blocks can go on, or then. */
static void wait_until(struct player *player, duet_time then)
{
    struct kernel *kernel = player->kernel;
    struct pollfd polled[2] = {
        {.fd = link_of(player)->descriptor(link_of(player)), .events = POLLIN},
        {.fd = kernel->waits ? kernel->wait_descriptor : -1, .events = kernel->wait_events}};
    duet_time left = then - real_now(player);
    bool ticks = kernel->waits && kernel->wait_descriptor < 0;
    left = left < 0 ? 0 : ticks && left > TICK ? TICK : left;
    const struct timespec limit = {.tv_sec = left / DUET_SECOND, .tv_nsec = left % DUET_SECOND};
    (void)ppoll(polled, 2, &limit, NULL);
    if (polled[1].revents != 0 || ticks) {
        kernel->waits = false;
    }
}

static bool kernel_step(struct player *player, duet_time limit, bool inclusive)
{
    (void)inclusive;
    bool had_call = player->kernel->waits;
    for (;;) {
        if (player->over) {
            return false;
        }
        bool any = read_packets(player) > 0;
        duet_time now = real_now(player), deadline = player->pending.deadline;
        bool late = player->pending.call != NULL && now >= deadline;
        bool ready = had_call && !player->kernel->waits;
        if (any || ready || late) {
            player->now = now;
            player->kernel->waits = player->kernel->waits && !late;
            if (!player->kernel->waits) {
                engine_retry(player);
            }
            return !player->over;
        }
        if (now >= limit) {
            player->now = limit > player->now ? limit : player->now;
            return false;
        }
        wait_until(player, player->pending.call != NULL && deadline < limit ? deadline : limit);
    }
}

/* ---- calls ---- */

enum call_status kernel_returns(struct call_result *result, int64_t value)
{
    return value < 0 ? call_fails(result, errno) : call_returns(result, value);
}

enum call_status kernel_waits(struct player *player, struct call_state *state,
                              struct call_result *result, const struct sock *sock, short events,
                              duet_time timeout, int error)
{
    duet_time now = real_now(player);
    player->now = now > player->now ? now : player->now;
    enum call_status status =
        call_waits(player, state, result, sock != NULL && sock->nonblocking, timeout, error);
    if (status == CALL_BLOCKS) {
        player->kernel->waits = true;
        player->kernel->wait_descriptor = sock != NULL ? sock->descriptor : -1;
        player->kernel->wait_events = events;
    }
    return status;
}

enum call_status kernel_acts(const struct call_state *state, struct call_result *result,
                             int64_t value)
{
    int64_t expected = 0;
    const struct call_event *call = state->call;
    bool fails = call->has_result && expression_number(call->result, &expected) && expected == -1;
    result->unknown = fails && value < 0;
    return kernel_returns(result, value);
}

static const struct call_entry *kernel_calls(unsigned i)
{
    const struct call_entry *const tables[] = {kernel_calls_open(),    kernel_calls_data(),
                                               kernel_calls_options(), kernel_calls_poll(),
                                               kernel_calls_duet(),    NULL};
    return tables[i];
}

const struct system system_kernel = {
    .name = "kernel",
    .patience = PATIENCE,
    .start = kernel_start,
    .stop = kernel_stop,
    .step = kernel_step,
    .inject = kernel_inject,
    .drain = kernel_drain,
    .command = kernel_command,
    .calls = kernel_calls,
};
