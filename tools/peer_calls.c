/* SPDX-License-Identifier: MIT */
/* The calls by which duet and the kernel do the steps of a connection. See peer_calls.h. */
#include "peer_calls.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "duet/loop.h"
#include "duet/trace.h"

enum { DUET_SEED = 17, KERNEL_SEED = 101 };

/* ---- duet's calls ---- */

void drain_trace(void *context)
{
    struct peer_ends *ends = context;
    struct duet_trace_event event;

    while (duet_next_trace(ends->stack, &event))
        duet_recorder_trace(ends->recorder, ends->duet_end, &event);
}

int64_t duet_result(struct peer_ends *ends, const char *call, int64_t result)
{
    drain_trace(ends);
    if (result >= 0)
        return result;
    if (result != DUET_E_AGAIN)
        complain(&ends->complaint, "duet's %s: %s", call, duet_error_sentence((int)result));
    return MOVED_NONE;
}

static int64_t duet_side_send(void *context, const uint8_t *data, size_t size)
{
    struct peer_ends *ends = context;

    return duet_result(ends, "SEND",
                       duet_send(ends->stack, duet_loop_now(), ends->connection, data, size, 0));
}

static int64_t duet_side_receive(void *context, uint8_t *data, size_t size)
{
    struct peer_ends *ends = context;
    int64_t got = duet_receive(ends->stack, duet_loop_now(), ends->connection, data, size);

    return duet_result(ends, "RECEIVE", got == DUET_E_CLOSING ? MOVED_END : got);
}

static void duet_side_shutdown(void *context)
{
    struct peer_ends *ends = context;

    (void)duet_result(ends, "CLOSE", duet_shutdown(ends->stack, duet_loop_now(), ends->connection));
}

static void duet_side_close(void *context)
{
    struct peer_ends *ends = context;

    (void)duet_result(ends, "CLOSE", duet_close(ends->stack, duet_loop_now(), ends->connection));
}

/* ---- the kernel's calls ---- */

int64_t kernel_result(struct peer_ends *ends, const char *call, ssize_t result)
{
    if (result >= 0)
        return result;
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
        complain(&ends->complaint, "the kernel's %s: %s", call, strerror(errno));
    return MOVED_NONE;
}

static int64_t kernel_side_send(void *context, const uint8_t *data, size_t size)
{
    struct peer_ends *ends = context;

    return kernel_result(ends, "send", send(ends->socket, data, size, MSG_NOSIGNAL));
}

static int64_t kernel_side_receive(void *context, uint8_t *data, size_t size)
{
    struct peer_ends *ends = context;

    return kernel_result(ends, "recv", recv(ends->socket, data, size, 0));
}

static void kernel_side_shutdown(void *context)
{
    struct peer_ends *ends = context;

    (void)kernel_result(ends, "shutdown", shutdown(ends->socket, SHUT_WR));
}

static void kernel_side_close(void *context)
{
    struct peer_ends *ends = context;

    (void)kernel_result(ends, "close", close(ends->socket));
    ends->socket = -1;
}

/* ---- sides made of them ---- */

struct side duet_side(struct peer_ends *ends, const struct step *steps)
{
    return (struct side){.name = "duet",
                         .seed = DUET_SEED,
                         .other_seed = KERNEL_SEED,
                         .step = steps,
                         .complaint = &ends->complaint,
                         .recorder = ends->recorder,
                         .context = ends,
                         .send = duet_side_send,
                         .receive = duet_side_receive,
                         .shutdown = duet_side_shutdown,
                         .close = duet_side_close};
}

struct side kernel_side(struct peer_ends *ends, const struct step *steps)
{
    return (struct side){.name = "the kernel",
                         .seed = KERNEL_SEED,
                         .other_seed = DUET_SEED,
                         .step = steps,
                         .complaint = &ends->complaint,
                         .recorder = ends->recorder,
                         .context = ends,
                         .send = kernel_side_send,
                         .receive = kernel_side_receive,
                         .shutdown = kernel_side_shutdown,
                         .close = kernel_side_close};
}
