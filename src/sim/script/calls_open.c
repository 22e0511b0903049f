/* SPDX-License-Identifier: MIT */
/* socket, bind, listen, accept, connect. */
#include <string.h>

#include "sim/script/profile.h"
#include "sim/script/values.h"

/* ---- socket, bind ---- */

static enum call_status call_socket(struct player *player, struct call_state *state,
                                    struct call_result *result)
{
    int64_t family = 0, type = 0, protocol = 0;
    bool v6 = player->settings.mode != IP_MODE_IPV4;
    if (!argument_number(player, state, 0, v6 ? S_AF_INET6 : S_AF_INET, &family) ||
        !argument_number(player, state, 1, S_SOCK_STREAM, &type) ||
        !argument_number(player, state, 2, S_IPPROTO_TCP, &protocol)) {
        return CALL_WRONG;
    }
    bool stream = (type & 0xf) == S_SOCK_STREAM;
    if (stream && protocol == 262) {
        return call_fails(result, errno_number("EPROTONOSUPPORT")); /* MPTCP */
    }
    if ((family != S_AF_INET && family != S_AF_INET6) || !stream) {
        return call_fails(result, errno_number("EAFNOSUPPORT"));
    }
    if (protocol != S_IPPROTO_TCP && protocol != S_IPPROTO_IP) {
        return call_fails(result, errno_number("EPROTONOSUPPORT"));
    }
    struct sock *sock = sock_new(player, SOCK_PLAIN);
    sock->v6 = family == S_AF_INET6;
    sock->nonblocking = (type & S_SOCK_NONBLOCK) != 0;
    result->new_descriptor = true;
    return CALL_DONE;
}

static enum call_status call_bind(struct player *player, struct call_state *state,
                                  struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *sock = argument_sock(player, state, result, &status);
    if (sock == NULL) {
        return status;
    }
    const struct duet_socket_address usual = {player->settings.local, player->settings.bind_port};
    struct duet_socket_address address;
    int64_t family = 0;
    if (!argument_address(player, state, 1, &usual, &address, &family)) {
        return CALL_WRONG;
    }
    if (sock->bound || sock->kind != SOCK_PLAIN) {
        return call_fails(result, errno_number("EINVAL"));
    }
    bool ours = duet_address_is_any(&address.address) ||
                duet_address_equal(&address.address, &player->settings.local);
    if (!ours) {
        return call_fails(result, errno_number("EADDRNOTAVAIL"));
    }
    sock->bound = true;
    sock->local = address;
    return call_returns(result, 0);
}

/* ---- listen, accept ---- */

static enum call_status call_listen(struct player *player, struct call_state *state,
                                    struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *sock = argument_sock(player, state, result, &status);
    if (sock == NULL) {
        return status;
    }
    int64_t backlog = 1, family = 0;
    static const struct duet_socket_address nobody;
    struct duet_listen_options options = {.local = sock->local};
    if (!argument_number(player, state, 1, 1, &backlog) ||
        (state->call->count > 2 &&
         !argument_address(player, state, 2, &nobody, &options.remote, &family))) {
        return CALL_WRONG;
    }
    if (sock->kind == SOCK_LISTENER) {
        return call_returns(result, 0);
    }
    if (sock->kind != SOCK_PLAIN) {
        return call_fails(result, errno_number("EINVAL"));
    }
    backlog += player->settings.profile == PROFILE_LINUX ? 1 : 0;
    backlog = backlog < 1 ? 1 : backlog;
    options.backlog = backlog > 65535 ? 65535 : (uint32_t)backlog;
    if (options.local.port == 0) {
        options.local.port = player->settings.bind_port;
    }
    int64_t fast_open = sock_value(sock, S_IPPROTO_TCP, S_TCP_FASTOPEN, 0);
    options.fast_open = fast_open < 0 || fast_open > 65535 ? 65535 : (uint32_t)fast_open;
    sock->last = duet_listen(player->stack, player->now, &options, &sock->handle);
    if (sock->last != DUET_OK) {
        return call_fails(result, sock_errno(sock->last));
    }
    sock->local = options.local;
    sock->has_handle = true;
    sock->kind = SOCK_LISTENER;
    quick_ack_start(player, sock);
    sock_apply(player, sock);
    player->listened = true; /* the next SYN is a connection of this listener */
    return call_returns(result, 0);
}

/* A connection is a socket of its own with the listener's options. */
static struct sock *inherit(struct player *player, const struct sock *listener)
{
    struct sock *sock = sock_new(player, SOCK_CONNECTION);
    sock->v6 = listener->v6;
    sock->local = listener->local;
    sock->linger_on = listener->linger_on;
    sock->linger_seconds = listener->linger_seconds;
    sock->receive_timeout = listener->receive_timeout;
    sock->send_timeout = listener->send_timeout;
    sock->oob_inline = listener->oob_inline;
    memcpy(sock->values, listener->values, sizeof(sock->values));
    sock->value_count = listener->value_count;
    sock->has_handle = true;
    sock->connected = true;
    return sock;
}

/* The text on this pair of sockets is a new one. */
static void begin_text(struct player *player, struct sock *sock)
{
    struct duet_status status;
    if (duet_status(player->stack, sock->handle, &status) == DUET_OK) {
        sock->local = status.local;
        sock->remote = status.remote;
        flow_begin_text(player_flow(player, &sock->local, &sock->remote));
    }
}

static enum call_status call_accept(struct player *player, struct call_state *state,
                                    struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *sock = argument_sock(player, state, result, &status);
    if (sock == NULL) {
        return status;
    }
    int64_t flags = 0;
    bool accept4 = strcmp(state->call->name, "accept4") == 0;
    if (accept4 && !argument_number(player, state, 3, 0, &flags)) {
        return CALL_WRONG;
    }
    if (sock->kind != SOCK_LISTENER || sock->user_closed) {
        return call_fails(result, errno_number("EINVAL"));
    }
    struct duet_handle handle;
    struct duet_socket_address remote;
    sock->last = duet_accept(player->stack, player->now, sock->handle, &handle, &remote);
    if (sock->last == DUET_E_AGAIN) {
        return call_waits(player, state, result, sock->nonblocking, sock->receive_timeout,
                          errno_number("EAGAIN"));
    }
    if (sock->last != DUET_OK) {
        return call_fails(result, sock_errno(sock->last));
    }
    struct sock *child = inherit(player, sock);
    child->handle = handle;
    child->remote = remote;
    child->nonblocking = (flags & S_SOCK_NONBLOCK) != 0;
    begin_text(player, child);
    quick_ack_accepted(player, child);
    if (!output_address_matches(player, argument(state, 1), &remote)) {
        return CALL_WRONG;
    }
    result->new_descriptor = true;
    return CALL_DONE;
}

/* ---- connect ---- */

/* A connect that is under way, or has come to its end. */
static enum call_status connect_goes_on(struct player *player, struct call_state *state,
                                        struct call_result *result, struct sock *sock)
{
    if (sock->connected) {
        sock->connecting = false;
        return call_returns(result, 0);
    }
    if (sock->closed) {
        int error = sock_take_error(sock);
        sock->connecting = false;
        sock->kind = SOCK_PLAIN; /* another attempt may follow */
        sock->has_handle = sock->closed = false;
        return call_fails(result, error != 0 ? error : errno_number("ECONNABORTED"));
    }
    int error = errno_number(state->begun || state->progress > 0 ? "EINPROGRESS" : "EALREADY");
    return call_waits(player, state, result, sock->nonblocking, sock->send_timeout, error);
}

static enum call_status disconnect(struct player *player, struct sock *sock,
                                   struct call_result *result)
{
    if (sock->has_handle && sock->kind == SOCK_CONNECTION) {
        sock->user_closed = true;
        sock->last = duet_abort(player->stack, player->now, sock->handle);
    }
    sock->kind = SOCK_PLAIN;
    sock->has_handle = sock->connected = sock->connecting = sock->closed = false;
    sock->error = 0;
    return call_returns(result, 0);
}

static enum call_status call_connect(struct player *player, struct call_state *state,
                                     struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *sock = argument_sock(player, state, result, &status);
    if (sock == NULL) {
        return status;
    }
    const struct duet_socket_address usual = {player->settings.remote,
                                              player->settings.connect_port};
    struct duet_connect_options options = {.local = sock->local};
    int64_t family = 0;
    if (!argument_address(player, state, 1, &usual, &options.remote, &family)) {
        return CALL_WRONG;
    }
    if (family == S_AF_UNSPEC && argument(state, 1)->kind == EXPRESSION_STRUCT) {
        return disconnect(player, sock, result);
    }
    if (sock->connecting || state->begun) {
        return connect_goes_on(player, state, result, sock);
    }
    if (sock->kind != SOCK_PLAIN) {
        return call_fails(result, errno_number("EISCONN"));
    }
    sock->last = duet_connect(player->stack, player->now, &options, &sock->handle);
    if (sock->last != DUET_OK) {
        return call_fails(result, sock->last == DUET_E_NOREMOTE ? errno_number("EADDRNOTAVAIL")
                                                                : sock_errno(sock->last));
    }
    sock->kind = SOCK_CONNECTION;
    sock->has_handle = sock->connecting = true;
    quick_ack_start(player, sock);
    sock_apply(player, sock);
    begin_text(player, sock);
    player->current = player_flow(player, &sock->local, &sock->remote);
    state->progress = 1;
    return connect_goes_on(player, state, result, sock);
}

/* ---- names ---- */

static enum call_status call_name(struct player *player, struct call_state *state,
                                  struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *sock = argument_sock(player, state, result, &status);
    if (sock == NULL) {
        return status;
    }
    bool peer = strcmp(state->call->name, "getpeername") == 0;
    if (peer && !sock->connected) {
        return call_fails(result, errno_number("ENOTCONN"));
    }
    if (!output_address_matches(player, argument(state, 1), peer ? &sock->remote : &sock->local)) {
        return CALL_WRONG;
    }
    return call_returns(result, 0);
}

const struct call_entry *calls_open(void)
{
    static const struct call_entry table[] = {
        {"socket", 3, 3, call_socket, false},
        {"bind", 2, 3, call_bind, false},
        {"listen", 2, 3, call_listen, false},
        {"accept", 1, 3, call_accept, false},
        {"accept4", 4, 4, call_accept, false},
        {"connect", 2, 3, call_connect, false},
        {"getsockname", 2, 3, call_name, true},
        {"getpeername", 2, 3, call_name, true},
        {NULL, 0, 0, NULL, false},
    };
    return table;
}
