/* SPDX-License-Identifier: MIT */
/* read, write and their families. Bytes that a script leaves open follow a pattern by their place
 * in the stream, and what is read is compared with it.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/script/profile.h"
#include "sim/script/transfer.h"
#include "sim/script/values.h"

/* ---- sending ---- */

/* While the socket is corked, an incomplete segment waits. */
static unsigned send_flags(const struct transfer *transfer)
{
    bool more = transfer->sock->corked || (transfer->flags & S_MSG_MORE) != 0;
    bool urgent = (transfer->flags & S_MSG_OOB) != 0;
    return (more ? DUET_SEND_MORE : 0u) | (urgent ? DUET_SEND_URGENT : 0u);
}

void sock_flush(struct player *player, struct sock *sock, bool more)
{
    if (sock->holds && sock->has_handle) {
        sock->holds = duet_send(player->stack, player->now, sock->handle, &sock->held, 1,
                                more ? DUET_SEND_MORE : 0) == DUET_E_AGAIN;
    }
}

/* True if the bytes up to end leave an incomplete segment at the end of the queue. */
static bool leaves_tail(struct player *player, const struct sock *sock, uint32_t end)
{
    struct duet_status status;
    return duet_status(player->stack, sock->handle, &status) == DUET_OK && status.send_mss > 0 &&
           end % status.send_mss != 0;
}

/* Sends as much as there is room for. Returns bytes, or a duet error when not one could be sent. */
static int64_t push(struct player *player, const struct transfer *transfer, int64_t done)
{
    enum { PIECE = 1 << 16 };
    struct sock *sock = transfer->sock;
    int64_t sent = 0;
    sock_flush(player, sock, true);
    while (done + sent < transfer->size && !sock->holds) {
        size_t left = (size_t)(transfer->size - done - sent);
        size_t size = left < PIECE ? left : PIECE;
        uint8_t *bytes = transfer_text(transfer, sock->text_offset, size, (size_t)(done + sent));
        unsigned flags = send_flags(transfer);
        /* The mark belongs behind the last byte of all, and only that one is pushed. */
        bool last = size == left;
        flags = last ? flags : (flags & ~(unsigned)DUET_SEND_URGENT) | DUET_SEND_MORE;
        /* A cork comes off without a byte to push with, so one is kept for that. */
        bool hold =
            last && sock->corked && leaves_tail(player, sock, sock->text_offset + (uint32_t)size);
        sock->held = bytes[size - 1];
        size -= hold ? 1 : 0;
        int64_t n = duet_send(player->stack, player->now, sock->handle, bytes, size, flags);
        free(bytes);
        if (hold && n == (int64_t)size) {
            sock->holds = true;
            n = (int64_t)++size;
        }
        sock->last = n < 0 ? (int)n : DUET_OK;
        if (n < 0) {
            return sent > 0 ? sent : n;
        }
        sent += n;
        sock->text_offset += (uint32_t)n;
        player_flow(player, &sock->local, &sock->remote)->text_end = sock->text_offset;
        if ((size_t)n < size) {
            break;
        }
    }
    return sent;
}

/* Why a socket takes no bytes, as errno; 0: it may. */
static int send_problem(struct sock *sock)
{
    if (sock->error != 0) {
        /* Linux: a reset after the peer's FIN is a broken pipe to who writes. */
        int error = sock_take_error(sock);
        return sock->outcome.peer_fin_received ? errno_number("EPIPE") : error;
    }
    bool never = sock->kind != SOCK_CONNECTION;
    return never || sock->write_shut || sock->closed ? errno_number("EPIPE") : 0;
}

static enum call_status call_send(struct player *player, struct call_state *state,
                                  struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct transfer transfer = {.sock = argument_sock(player, state, result, &status)};
    if (transfer.sock == NULL) {
        return status;
    }
    if (!transfer_read(player, state, &transfer)) {
        return CALL_WRONG;
    }
    struct sock *sock = transfer.sock;
    bool now = sock->nonblocking || (transfer.flags & S_MSG_DONTWAIT) != 0;
    if (transfer.flags & S_MSG_FASTOPEN) {
        return call_fails(result, errno_number("EOPNOTSUPP"));
    }
    int problem = send_problem(sock);
    if (problem != 0) {
        return state->progress > 0 ? call_returns(result, state->progress)
                                   : call_fails(result, problem);
    }
    if (sock->connecting && !sock->connected) {
        return call_waits(player, state, result, now, sock->send_timeout, errno_number("EAGAIN"));
    }
    if (transfer.text != NULL) {
        player_flow(player, &sock->local, &sock->remote)->text_known = false;
    }
    int64_t n = push(player, &transfer, state->progress);
    quick_ack_text_out(player, sock);
    if (n < 0 && n != DUET_E_AGAIN) {
        int error = sock->error != 0 ? sock_take_error(sock) : sock_errno((int)n);
        return call_fails(result, error);
    }
    state->progress += n > 0 ? n : 0;
    bool waits = state->progress < transfer.size && !(now && state->progress > 0);
    if (waits) {
        status = call_waits(player, state, result, now, sock->send_timeout, errno_number("EAGAIN"));
        bool partial = status == CALL_DONE && state->progress > 0;
        return partial ? call_returns(result, state->progress) : status;
    }
    return call_returns(result, state->progress);
}

/* ---- receiving ---- */

void sock_learn_irs(struct player *player, struct sock *sock)
{
    struct duet_status status;
    if (duet_status(player->stack, sock->handle, &status) == DUET_OK && status.irs != 0) {
        sock->irs = status.irs;
    }
}

bool sock_text_is_right(struct player *player, const struct sock *sock, const uint8_t *bytes,
                        int64_t size)
{
    for (int64_t i = 0; i < size; i++) {
        uint32_t offset = sock->read_offset + (uint32_t)i;
        if (bytes[i] != flow_pattern(sock->irs + 1 + offset)) {
            return player_fail(player, "byte %u of what was read is not what was sent", offset + 1);
        }
    }
    return true;
}

/* Reads or peeks up to size bytes. Returns their number or a duet error. */
static int64_t pull(struct player *player, struct sock *sock, int64_t size, bool peek)
{
    int64_t taken = 0;
    sock_learn_irs(player, sock);
    if (peek) {
        const void *bytes = NULL;
        size_t there = 0;
        int error = duet_receive_peek(player->stack, sock->handle, &bytes, &there);
        taken = error != DUET_OK ? error : (int64_t)there < size ? (int64_t)there : size;
        (void)(taken > 0 && sock_text_is_right(player, sock, bytes, taken));
    } else {
        uint8_t *bytes = must_allocate((size_t)size);
        taken = duet_receive(player->stack, player->now, sock->handle, bytes, (size_t)size);
        (void)(taken > 0 && sock_text_is_right(player, sock, bytes, taken));
        sock->read_offset += taken > 0 ? (uint32_t)taken : 0;
        free(bytes);
    }
    sock->last = taken < 0 ? (int)taken : DUET_OK;
    return taken;
}

/* The end of what can be read: an error told once, or the end of the stream. */
static enum call_status end_of_text(struct sock *sock, struct call_state *state,
                                    struct call_result *result)
{
    if (state->progress > 0) {
        return call_returns(result, state->progress);
    }
    int error = sock_take_error(sock);
    return error != 0 ? call_fails(result, error) : call_returns(result, 0);
}

static enum call_status receive(struct player *player, struct call_state *state,
                                struct call_result *result, const struct transfer *transfer)
{
    struct sock *sock = transfer->sock;
    bool now = sock->nonblocking || (transfer->flags & S_MSG_DONTWAIT) != 0;
    bool peek = (transfer->flags & S_MSG_PEEK) != 0;
    bool all = (transfer->flags & S_MSG_WAITALL) != 0 && !peek;
    if (sock->connecting && !sock->connected && !sock->closed) {
        return call_waits(player, state, result, now, sock->receive_timeout,
                          errno_number("EAGAIN"));
    }
    int64_t n = pull(player, sock, transfer->size - state->progress, peek);
    if (player->over) {
        return CALL_WRONG;
    }
    if (n < 0 && n != DUET_E_AGAIN) {
        return end_of_text(sock, state, result);
    }
    if (n == DUET_E_AGAIN && sock->read_shut) {
        return end_of_text(sock, state, result);
    }
    state->progress += n > 0 ? n : 0;
    bool enough = state->progress > 0 && (!all || state->progress == transfer->size);
    if (enough || transfer->size == 0) {
        return call_returns(result, state->progress);
    }
    enum call_status status =
        call_waits(player, state, result, now, sock->receive_timeout, errno_number("EAGAIN"));
    bool partial = status == CALL_DONE && state->progress > 0;
    return partial ? call_returns(result, state->progress) : status;
}

static enum call_status call_receive(struct player *player, struct call_state *state,
                                     struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct transfer transfer = {.sock = argument_sock(player, state, result, &status)};
    if (transfer.sock == NULL) {
        return status;
    }
    if (!transfer_read(player, state, &transfer)) {
        return CALL_WRONG;
    }
    struct sock *sock = transfer.sock;
    if (transfer.flags & S_MSG_ERRQUEUE) {
        return call_fails(result, errno_number("EAGAIN"));
    }
    if (transfer.flags & S_MSG_OOB) {
        return call_fails(result,
                          errno_number("EINVAL")); /* urgent data stays in line: 9293, 3.8.5 */
    }
    if (sock->kind != SOCK_CONNECTION) {
        int error = sock->error != 0 ? sock_take_error(sock) : errno_number("ENOTCONN");
        return call_fails(result, error);
    }
    return receive(player, state, result, &transfer);
}

const struct call_entry *calls_data(void)
{
    static const struct call_entry table[] = {
        {"read", 3, 3, call_receive, false},
        {"readv", 2, 3, call_receive, false},
        {"recv", 3, 4, call_receive, false},
        {"recvfrom", 3, 6, call_receive, false},
        {"recvmsg", 2, 3, call_receive, false},
        {"write", 3, 3, call_send, false},
        {"writev", 2, 3, call_send, false},
        {"send", 3, 4, call_send, false},
        {"sendto", 3, 6, call_send, false},
        {"sendmsg", 2, 3, call_send, false},
        {NULL, 0, 0, NULL, false},
    };
    return table;
}
