/* SPDX-License-Identifier: MIT */
/* read, write and their families with real sockets. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sim/script/kernel.h"
#include "sim/script/transfer.h"
#include "sim/script/values.h"

static bool is_read(const char *name)
{
    return strncmp(name, "re", 2) == 0; /* read, readv, recv, recvfrom, recvmsg */
}

/* Sends or receives what is left, as far as it goes now. */
static int64_t move(const struct transfer *transfer, bool read, int64_t done)
{
    struct sock *sock = transfer->sock;
    size_t size = (size_t)(transfer->size - done);
    int flags = (int)transfer->flags | MSG_DONTWAIT | MSG_NOSIGNAL;
    int64_t n = 0;
    if (read) {
        uint8_t *bytes = must_allocate(size);
        n = recv(sock->descriptor, bytes, size, flags & ~(MSG_NOSIGNAL | MSG_WAITALL));
        free(bytes);
        return n;
    }
    uint8_t *bytes = transfer_text(transfer, sock->text_offset, size, (size_t)done);
    n = send(sock->descriptor, bytes, size, flags);
    sock->text_offset += n > 0 ? (uint32_t)n : 0;
    free(bytes);
    return n;
}

static bool is_enough(const struct transfer *transfer, bool read, int64_t done)
{
    bool all = (transfer->flags & S_MSG_WAITALL) != 0 && !(transfer->flags & S_MSG_PEEK);
    bool now = transfer->sock->nonblocking || (transfer->flags & S_MSG_DONTWAIT) != 0;
    return done >= transfer->size || (done > 0 && (now || (read && !all)));
}

static enum call_status call_move(struct player *player, struct call_state *state,
                                  struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct transfer transfer = {.sock = kernel_sock(player, state, result, &status)};
    if (transfer.sock == NULL) {
        return status;
    }
    if (!transfer_read(player, state, &transfer)) {
        return CALL_WRONG;
    }
    struct sock *sock = transfer.sock;
    bool read = is_read(state->call->name);
    if (transfer.text != NULL) {
        player_flow(player, &sock->local, &sock->remote)->text_known = false;
    }
    int64_t n = move(&transfer, read, state->progress);
    if (n > 0) {
        state->progress += n;
    }
    if (n >= 0 && (n == 0 || is_enough(&transfer, read, state->progress))) {
        return call_returns(result, state->progress);
    }
    if (n < 0 && errno != EAGAIN) {
        return state->progress > 0 ? call_returns(result, state->progress)
                                   : kernel_returns(result, -1);
    }
    if (transfer.flags & (S_MSG_DONTWAIT | S_MSG_ERRQUEUE)) {
        return call_fails(result, EAGAIN);
    }
    short events = read ? POLLIN : POLLOUT;
    duet_time timeout = read ? sock->receive_timeout : sock->send_timeout;
    status = kernel_waits(player, state, result, sock, events, timeout, EAGAIN);
    bool partial = status == CALL_DONE && state->progress > 0;
    return partial ? call_returns(result, state->progress) : status;
}

const struct call_entry *kernel_calls_data(void)
{
    static const struct call_entry table[] = {
        {"read", 3, 3, call_move, false},    {"readv", 2, 3, call_move, false},
        {"recv", 3, 4, call_move, false},    {"recvfrom", 3, 6, call_move, false},
        {"recvmsg", 2, 3, call_move, false}, {"write", 3, 3, call_move, false},
        {"writev", 2, 3, call_move, false},  {"send", 3, 4, call_move, false},
        {"sendto", 3, 6, call_move, false},  {"sendmsg", 2, 3, call_move, false},
        {NULL, 0, 0, NULL, false},
    };
    return table;
}
