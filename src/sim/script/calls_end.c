/* SPDX-License-Identifier: MIT */
/* shutdown and close. */
#include "sim/script/player.h"
#include "sim/script/values.h"

static enum call_status call_shutdown(struct player *player, struct call_state *state,
                                      struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *sock = argument_sock(player, state, result, &status);
    int64_t how = 0;
    if (sock == NULL) {
        return status;
    }
    if (!argument_number(player, state, 1, S_SHUT_RDWR, &how)) {
        return CALL_WRONG;
    }
    if (how < S_SHUT_RD || how > S_SHUT_RDWR) {
        return call_fails(result, errno_number("EINVAL"));
    }
    if (sock->kind == SOCK_LISTENER) {
        if (how != S_SHUT_WR && !sock->user_closed) {
            sock->user_closed = true;
            sock->last = duet_close(player->stack, player->now, sock->handle);
        }
        return call_returns(result, 0);
    }
    if (sock->kind != SOCK_CONNECTION || sock->closed) {
        return call_fails(result, errno_number("ENOTCONN"));
    }
    sock->read_shut = sock->read_shut || how != S_SHUT_WR;
    if (how != S_SHUT_RD && !sock->write_shut) {
        sock_flush(player, sock, false);
        sock->write_shut = true;
        sock->last = duet_shutdown(player->stack, player->now, sock->handle);
    }
    return call_returns(result, 0);
}

/* SO_LINGER with a time: close returns when all is acknowledged, or the time is over. */
static enum call_status linger(struct player *player, struct call_state *state,
                               struct call_result *result, struct sock *sock)
{
    struct duet_status status;
    bool gone = duet_status(player->stack, sock->handle, &status) != DUET_OK;
    bool done = sock->closed || gone || status.fin_acknowledged;
    if (!done) {
        duet_time timeout = sock->linger_seconds * DUET_SECOND;
        enum call_status wait =
            call_waits(player, state, result, sock->nonblocking, timeout, errno_number("EAGAIN"));
        if (wait == CALL_BLOCKS) {
            return CALL_BLOCKS;
        }
    }
    sock->open = false;
    result->error = 0; /* the time being over is no error of close */
    return call_returns(result, 0);
}

static enum call_status call_close(struct player *player, struct call_state *state,
                                   struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *sock = argument_sock(player, state, result, &status);
    if (sock == NULL) {
        return status;
    }
    if (state->begun) {
        return linger(player, state, result, sock);
    }
    bool live = sock->has_handle && !sock->user_closed;
    bool aborts = sock->kind == SOCK_CONNECTION && sock->linger_on && sock->linger_seconds == 0;
    sock->user_closed = true;
    if (live && aborts) {
        sock->last = duet_abort(player->stack, player->now, sock->handle);
    } else if (live) {
        sock_flush(player, sock, false);
        sock->last = duet_close(player->stack, player->now, sock->handle);
    }
    if (live && sock->kind == SOCK_CONNECTION && sock->linger_on && !aborts) {
        return linger(player, state, result, sock);
    }
    sock->open = false;
    return call_returns(result, 0);
}

const struct call_entry *calls_end(void)
{
    static const struct call_entry table[] = {
        {"shutdown", 2, 2, call_shutdown, false},
        {"close", 1, 1, call_close, false},
        {NULL, 0, 0, NULL, false},
    };
    return table;
}
