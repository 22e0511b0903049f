/* SPDX-License-Identifier: MIT */
/* The kernel's TCP at both ends of a path of ours. See duet/kernel.h.
 *
 *     namespace 1: sender -- TUN -- this process: a  path  b -- TUN -- receiver: namespace 2
 *
 * Both namespaces look alike, and in each the kernel is 10.77.0.1 and takes its peer for 10.77.0.2.
 * So source and destination of every packet are exchanged on the way, which no checksum notices:
 * they are sums.
 *
 * The process sleeps until the next packet is due and then delivers it; how late it was at worst is
 * part of the result, because a busy machine makes any TCP look bad.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/prng.h"
#include "duet/kernel.h"
#include "duet/loop.h"

enum {
    PATH_PORT = 4242,
    PATH_ROOM = 65536,
    PATH_BURST = 64,           /* packets taken from a device before the other is looked at */
    PATH_DEVICE_QUEUE = 20000, /* packets that wait for this process: never to be the bottleneck */
    PATH_PIECE = 65536,
    PATH_PERIOD = 262139, /* the stream repeats after this prime number of bytes */
};

#define PATH_SPIN (50 * DUET_MICROSECOND) /* shorter pauses are not slept: waking takes as long */

struct side {
    struct duet_kernel kernel;
    struct duet_link *end; /* of the path */
};

struct run {
    const struct duet_kernel_path_options *options;
    struct duet_kernel_path_result *result;
    struct side sides[2]; /* sender's, receiver's */
    int sender, listener, receiver;
    uint64_t sent, received, received_before; /* before: in the first quarter */
    duet_time begin, quarter, progress;
    uint8_t *stream, *room;
    char *why;
    size_t size;
    bool failed;
    int error; /* errno of that */
};

static bool trouble(struct run *run, const char *what)
{
    int why = errno;

    if (!run->failed) {
        (void)snprintf(run->why, run->size, "%s: %s", what, strerror(why));
        run->error = why;
    }
    run->failed = true;
    return false;
}

/* ---- setting up ---- */

static bool write_setting(struct run *run, const char *name, const char *value)
{
    char path[128];
    FILE *file;
    bool good;

    (void)snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
    file = fopen(path, "we");
    if (file == NULL)
        return trouble(run, path);
    good = fputs(value, file) >= 0;
    good = fclose(file) == 0 && good;
    return good || trouble(run, path);
}

/* Buffers as large as the path needs; nothing is remembered from one connection to the next. */
static bool set_up_kernel(struct run *run)
{
    char sizes[64];

    (void)snprintf(sizes, sizeof(sizes), "4096 131072 %u", run->options->buffer);
    return write_setting(run, "tcp_rmem", sizes) && write_setting(run, "tcp_wmem", sizes) &&
           write_setting(run, "tcp_no_metrics_save", "1");
}

static bool lengthen_queue(struct run *run, const char *device)
{
    struct ifreq request = {.ifr_qlen = PATH_DEVICE_QUEUE};
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool good;

    memcpy(request.ifr_name, device, strlen(device));
    good = control >= 0 && ioctl(control, SIOCSIFTXQLEN, &request) == 0;
    if (!good)
        (void)trouble(run, "cannot set the queue of a TUN device");
    if (control >= 0)
        close(control);
    return good;
}

static bool open_side(struct run *run, struct side *side)
{
    const struct duet_kernel_options options = {.link = DUET_KERNEL_TUN, .mtu = side->end->mtu};

    if (duet_kernel_open(&options, &side->kernel, run->why, run->size) != 0) {
        run->failed = true;
        run->error = errno;
        return false;
    }
    return lengthen_queue(run, "duet0") && set_up_kernel(run);
}

static bool open_sender(struct run *run)
{
    const char *controller = run->options->controller;

    run->sender = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (run->sender < 0)
        return trouble(run, "cannot make a socket");
    if (setsockopt(run->sender, IPPROTO_TCP, TCP_CONGESTION, controller,
                   (socklen_t)strlen(controller)) != 0)
        return trouble(run, "the kernel does not have that congestion controller");
    return true;
}

static bool open_listener(struct run *run)
{
    const struct duet_socket_address here = {run->sides[1].kernel.kernels[0], PATH_PORT};

    run->listener = duet_kernel_socket(&here, NULL);
    return run->listener >= 0 || trouble(run, "cannot listen");
}

static bool begin_to_connect(struct run *run)
{
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(PATH_PORT)};

    memcpy(&there.sin_addr, run->sides[0].kernel.ours[0].address.bytes + 12, 4);
    if (connect(run->sender, (const struct sockaddr *)&there, sizeof(there)) == 0 ||
        errno == EINPROGRESS)
        return true;
    return trouble(run, "cannot connect");
}

static bool make_stream(struct run *run)
{
    struct prng prng;

    run->stream = malloc(PATH_PERIOD + PATH_PIECE);
    run->room = malloc(PATH_ROOM);
    if (run->stream == NULL || run->room == NULL)
        return trouble(run, "no memory");
    prng_seed(&prng, run->options->path.seed);
    for (size_t i = 0; i < PATH_PERIOD; i++)
        run->stream[i] = (uint8_t)(prng_next(&prng) >> 56);
    memcpy(run->stream + PATH_PERIOD, run->stream, PATH_PIECE);
    return true;
}

static bool set_up(struct run *run)
{
    struct duet_path_options path = run->options->path;

    path.offload = 0;
    if (duet_path_pair(&path, &run->sides[0].end, &run->sides[1].end) != 0)
        return trouble(run, "cannot make a path");
    /* Timers of this process are to be exact, not only within the usual 50 microseconds. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    return make_stream(run) && open_side(run, &run->sides[0]) && open_sender(run) &&
           open_side(run, &run->sides[1]) && open_listener(run);
}

static void close_descriptor(int descriptor)
{
    if (descriptor >= 0)
        close(descriptor);
}

static void tear_down(struct run *run)
{
    close_descriptor(run->sender);
    close_descriptor(run->listener);
    close_descriptor(run->receiver);
    for (int i = 0; i < 2; i++) {
        if (run->sides[i].kernel.link != NULL)
            run->sides[i].kernel.link->close(run->sides[i].kernel.link);
        if (run->sides[i].end != NULL)
            run->sides[i].end->close(run->sides[i].end);
    }
    free(run->stream);
    free(run->room);
}

/* ---- packets ---- */

/* IPv4: source at 12, destination at 16. False: IPv6, which nobody here sends on purpose. */
static bool turn_round(struct duet_packet *packet)
{
    uint8_t source[4];

    if (packet->length < 20 || packet->data[0] >> 4 != 4)
        return false;
    memcpy(source, packet->data + 12, 4);
    memcpy(packet->data + 12, packet->data + 16, 4);
    memcpy(packet->data + 16, source, 4);
    return true;
}

/* From the device of a side into the path. Devices and paths report errors that speak of a packet
 * as well; such a packet is lost. */
static int take_from_device(struct run *run, struct side *side)
{
    struct duet_packet packet = {.data = run->room, .size = PATH_ROOM};
    int taken = 0;

    while (taken < PATH_BURST && side->kernel.link->receive(side->kernel.link, 0, &packet)) {
        if (turn_round(&packet))
            (void)side->end->send(side->end, duet_loop_now(), &packet);
        taken++;
    }
    return taken;
}

static int give_to_device(struct run *run, struct side *side)
{
    struct duet_packet packet = {.data = run->room, .size = PATH_ROOM};
    int given = 0;

    for (; given < PATH_BURST; given++) {
        const duet_time due = side->end->deadline(side->end), now = duet_loop_now();

        if (!side->end->receive(side->end, now, &packet))
            break;
        if (now - due > run->result->late)
            run->result->late = now - due;
        (void)side->kernel.link->send(side->kernel.link, now, &packet);
    }
    return given;
}

/* ---- bytes ---- */

static void write_some(struct run *run)
{
    const uint64_t end = run->options->bytes;

    while (end == 0 || run->sent < end) {
        const size_t most = end != 0 && end - run->sent < PATH_PIECE ? (size_t)(end - run->sent)
                                                                     : (size_t)PATH_PIECE;
        ssize_t written =
            send(run->sender, run->stream + run->sent % PATH_PERIOD, most, MSG_NOSIGNAL);

        if (written < 0) {
            if (errno != EAGAIN && errno != EINPROGRESS && errno != EINTR)
                (void)trouble(run, "sending");
            return;
        }
        run->sent += (uint64_t)written;
    }
}

static void received(struct run *run, size_t size, duet_time now)
{
    if (memcmp(run->room, run->stream + run->received % PATH_PERIOD, size) != 0) {
        errno = EBADMSG;
        (void)trouble(run, "other bytes were received than sent");
    }
    if (run->progress != DUET_NEVER && now - run->progress > run->result->stall)
        run->result->stall = now - run->progress;
    run->progress = now;
    run->received += size;
    if (now < run->quarter)
        run->received_before = run->received;
    if (run->received == run->options->bytes)
        run->result->time = now - run->begin;
}

static void read_some(struct run *run)
{
    for (int i = 0; i < PATH_BURST; i++) {
        ssize_t got = recv(run->receiver, run->room, PATH_PIECE, 0);

        if (got > 0) {
            received(run, (size_t)got, duet_loop_now());
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            errno = got == 0 ? ECONNRESET : errno;
            (void)trouble(run, "receiving");
            return;
        } else {
            return;
        }
    }
}

/* ---- the loop ---- */

static duet_time earlier(duet_time a, duet_time b)
{
    return a < b ? a : b;
}

static void wait_for(struct run *run, duet_time until, struct pollfd polls[4])
{
    const bool wants_to_send = run->options->bytes == 0 || run->sent < run->options->bytes;
    duet_time pause = earlier(until, earlier(run->sides[0].end->deadline(run->sides[0].end),
                                             run->sides[1].end->deadline(run->sides[1].end))) -
                      duet_loop_now();
    struct timespec limit = {0};

    if (pause > PATH_SPIN)
        limit = (struct timespec){.tv_sec = (time_t)(pause / DUET_SECOND),
                                  .tv_nsec = (long)(pause % DUET_SECOND)};
    for (int i = 0; i < 2; i++)
        polls[i] =
            (struct pollfd){.fd = run->sides[i].kernel.link->descriptor(run->sides[i].kernel.link),
                            .events = POLLIN};
    polls[2] = (struct pollfd){.fd = run->sender, .events = (short)(wants_to_send ? POLLOUT : 0)};
    polls[3] =
        (struct pollfd){.fd = run->receiver >= 0 ? run->receiver : run->listener, .events = POLLIN};
    if (ppoll(polls, 4, &limit, NULL) < 0 && errno != EINTR)
        (void)trouble(run, "waiting");
}

static void turn(struct run *run, duet_time until)
{
    struct pollfd polls[4];

    wait_for(run, until, polls);
    for (int i = 0; i < 2; i++) {
        if ((polls[i].revents & POLLIN) != 0)
            (void)take_from_device(run, &run->sides[i]);
        (void)give_to_device(run, &run->sides[i]);
    }
    if ((polls[3].revents & POLLIN) != 0) {
        if (run->receiver >= 0)
            read_some(run);
        else
            run->receiver = accept4(run->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    if ((polls[2].revents & (POLLOUT | POLLERR | POLLHUP)) != 0)
        write_some(run);
}

static void sum_up(struct run *run, duet_time now)
{
    struct duet_kernel_path_result *result = run->result;
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);

    result->received = run->received - run->received_before;
    result->span = now - run->quarter;
    if (run->progress != DUET_NEVER && run->options->bytes == 0 &&
        now - run->progress > result->stall)
        result->stall = now - run->progress;
    if (getsockopt(run->sender, IPPROTO_TCP, TCP_INFO, &info, &size) == 0)
        result->retransmitted = info.tcpi_total_retrans;
    duet_path_counts(run->sides[0].end, &result->counts);
}

static void play(struct run *run)
{
    const duet_time begin = duet_loop_now(), end = begin + run->options->time_max;
    duet_time now = begin;

    run->begin = begin;
    run->quarter = begin + run->options->time_max / 4;
    run->progress = DUET_NEVER;
    if (!begin_to_connect(run))
        return;
    while (!run->failed && now < end &&
           (run->options->bytes == 0 || run->received < run->options->bytes)) {
        turn(run, end);
        now = duet_loop_now();
    }
    sum_up(run, now);
}

int duet_kernel_path(const struct duet_kernel_path_options *options,
                     struct duet_kernel_path_result *result, char *why, size_t size)
{
    struct run run = {.options = options,
                      .result = result,
                      .sender = -1,
                      .listener = -1,
                      .receiver = -1,
                      .size = size};

    run.why = why;
    *result = (struct duet_kernel_path_result){.time = DUET_NEVER};
    if (set_up(&run))
        play(&run);
    tear_down(&run);
    errno = run.error;
    return run.failed ? -1 : 0;
}
