/* SPDX-License-Identifier: MIT */
/* Calls of ours that act: those of duet/stack.h themselves, never blocking, with the RFC's errors.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/script/player.h"
#include "sim/script/values.h"

static enum call_status duet_result(struct sock *sock, struct call_result *result, int64_t value)
{
    sock->last = value < 0 ? (int)value : DUET_OK;
    if (value < 0) {
        result->duet_error = (int)value;
        return call_returns(result, -1);
    }
    return call_returns(result, value);
}

/* The socket of the first argument, closed ones too, for a stale handle has an answer of its own.
 */
static struct sock *any_sock(struct player *player, struct call_state *state)
{
    int64_t fd = -1;
    if (!argument_number(player, state, 0, -1, &fd)) {
        return NULL;
    }
    struct sock *sock = fd >= 0 ? sock_find_any(player, (int)fd) : NULL;
    if (sock == NULL) {
        (void)player_broken(player, "%s(): there never was a descriptor %lld", state->call->name,
                            (long long)fd);
    }
    return sock;
}

/* ---- OPEN ---- */

static enum call_status open_connection(struct player *player, struct sock *sock,
                                        struct call_result *result, int error)
{
    if (error != DUET_OK) {
        return duet_result(sock, result, error);
    }
    sock->kind = SOCK_CONNECTION;
    sock->has_handle = sock->connecting = true;
    struct duet_status status;
    if (duet_status(player->stack, sock->handle, &status) == DUET_OK) {
        sock->local = status.local;
        sock->remote = status.remote;
        player->current = player_flow(player, &sock->local, &sock->remote);
        flow_begin_text(player->current);
    }
    return duet_result(sock, result, DUET_OK);
}

/* duet_send() of size bytes of the pattern. */
static int64_t send_pattern(struct player *player, struct sock *sock, int64_t size, unsigned flags)
{
    uint8_t *bytes = must_allocate((size_t)size);
    for (int64_t i = 0; i < size; i++) {
        bytes[i] = flow_pattern(sock->text_offset + (uint32_t)i);
    }
    int64_t n = duet_send(player->stack, player->now, sock->handle, bytes, (size_t)size, flags);
    free(bytes);
    sock->text_offset += n > 0 ? (uint32_t)n : 0;
    if (n > 0) {
        player_flow(player, &sock->local, &sock->remote)->text_end = sock->text_offset;
    }
    return n;
}

/* FAST_OPEN, and how many bytes are queued before the SYN can leave. */
static bool fast_open_arguments(struct player *player, const struct call_state *state, bool *fast,
                                int64_t *size)
{
    *size = 0;
    *fast = state->call->count > 2;
    if (!*fast) {
        return true;
    }
    const struct expression *word = argument(state, 2);
    if (word->kind != EXPRESSION_NAME || strcmp(word->text, "FAST_OPEN") != 0) {
        return player_broken(player, "duet_connect() knows FAST_OPEN");
    }
    if (state->call->count < 4) {
        return true;
    }
    return argument_number(player, state, 3, 0, size) &&
           ((*size >= 0 && *size <= 1 << 20) || player_broken(player, "that many bytes"));
}

static enum call_status call_duet_connect(struct player *player, struct call_state *state,
                                          struct call_result *result)
{
    struct sock *sock = any_sock(player, state);
    if (sock == NULL) {
        return CALL_WRONG;
    }
    const struct duet_socket_address usual = {player->settings.remote,
                                              player->settings.connect_port};
    struct duet_connect_options options = {.local = sock->local};
    struct duet_handle handle = {0};
    int64_t family = 0;
    if (!argument_address(player, state, 1, &usual, &options.remote, &family)) {
        return CALL_WRONG;
    }
    bool fast = false;
    int64_t size = 0;
    if (!fast_open_arguments(player, state, &fast, &size)) {
        return CALL_WRONG;
    }
    options.flags = fast ? DUET_CONNECT_FAST_OPEN : 0;
    int error = duet_connect(player->stack, player->now, &options, &handle);
    if (error == DUET_OK) {
        sock->handle = handle;
        sock->has_handle = true;
        sock->closed = sock->user_closed = false;
        sock_apply(player, sock);
    }
    enum call_status status = open_connection(player, sock, result, error);
    if (error == DUET_OK && size > 0) {
        sock->last = send_pattern(player, sock, size, 0) == size ? DUET_OK : DUET_E_AGAIN;
    }
    return status;
}

static enum call_status call_connect_listener(struct player *player, struct call_state *state,
                                              struct call_result *result)
{
    struct sock *sock = any_sock(player, state);
    if (sock == NULL) {
        return CALL_WRONG;
    }
    struct duet_socket_address remote = {player->settings.remote, player->settings.connect_port};
    int64_t family = 0;
    bool named = state->call->count > 1;
    if (named && !argument_address(player, state, 1, &remote, &remote, &family)) {
        return CALL_WRONG;
    }
    struct duet_handle handle = {0};
    int error = duet_connect_listener(player->stack, player->now, sock->handle,
                                      named ? &remote : NULL, &handle);
    if (error == DUET_OK) {
        sock->handle = handle;
    }
    return open_connection(player, sock, result, error);
}

static enum call_status call_duet_listen(struct player *player, struct call_state *state,
                                         struct call_result *result)
{
    struct sock *sock = any_sock(player, state);
    if (sock == NULL) {
        return CALL_WRONG;
    }
    static const struct duet_socket_address nobody;
    struct duet_listen_options options = {.local = sock->local};
    int64_t backlog = 1, family = 0;
    if (!argument_number(player, state, 1, 1, &backlog) ||
        (state->call->count > 2 &&
         !argument_address(player, state, 2, &nobody, &options.remote, &family))) {
        return CALL_WRONG;
    }
    options.backlog = (uint32_t)backlog;
    struct duet_handle handle = {0};
    int error = duet_listen(player->stack, player->now, &options, &handle);
    if (error == DUET_OK) {
        sock->handle = handle;
        sock->has_handle = true;
        sock->kind = SOCK_LISTENER;
        sock_apply(player, sock);
        player->listened = true;
    }
    return duet_result(sock, result, error);
}

static enum call_status call_duet_accept(struct player *player, struct call_state *state,
                                         struct call_result *result)
{
    struct sock *sock = any_sock(player, state);
    if (sock == NULL) {
        return CALL_WRONG;
    }
    struct duet_handle handle = {0};
    struct duet_socket_address remote = {0};
    int error = duet_accept(player->stack, player->now, sock->handle, &handle, &remote);
    if (error != DUET_OK) {
        return duet_result(sock, result, error);
    }
    struct sock *child = sock_new(player, SOCK_CONNECTION);
    child->handle = handle;
    child->has_handle = child->connected = true;
    child->remote = remote;
    child->local = sock->local;
    struct duet_status status;
    if (duet_status(player->stack, handle, &status) == DUET_OK) {
        child->local = status.local;
        flow_begin_text(player_flow(player, &child->local, &child->remote));
    }
    sock->last = DUET_OK;
    result->new_descriptor = true;
    return CALL_DONE;
}

/* ---- SEND, RECEIVE ---- */

static bool size_argument(struct player *player, const struct call_state *state, int64_t *size)
{
    return argument_number(player, state, 1, 0, size) &&
           ((*size >= 0 && *size <= 1 << 28) || player_broken(player, "that many bytes"));
}

static enum call_status call_duet_send(struct player *player, struct call_state *state,
                                       struct call_result *result)
{
    struct sock *sock = any_sock(player, state);
    int64_t size = 0;
    if (sock == NULL || !size_argument(player, state, &size)) {
        return CALL_WRONG;
    }
    unsigned flags = 0;
    for (unsigned i = 2; i < state->call->count; i++) {
        const struct expression *word = argument(state, i);
        bool urgent = word->kind == EXPRESSION_NAME && strcmp(word->text, "URGENT") == 0;
        bool more = word->kind == EXPRESSION_NAME && strcmp(word->text, "MORE") == 0;
        if (!urgent && !more) {
            (void)player_broken(player, "duet_send() knows URGENT and MORE");
            return CALL_WRONG;
        }
        flags |= urgent ? DUET_SEND_URGENT : DUET_SEND_MORE;
    }
    return duet_result(sock, result, send_pattern(player, sock, size, flags));
}

static enum call_status call_duet_receive(struct player *player, struct call_state *state,
                                          struct call_result *result)
{
    struct sock *sock = any_sock(player, state);
    int64_t size = 0;
    if (sock == NULL || !size_argument(player, state, &size)) {
        return CALL_WRONG;
    }
    uint8_t *bytes = must_allocate((size_t)size);
    sock_learn_irs(player, sock);
    int64_t n = duet_receive(player->stack, player->now, sock->handle, bytes, (size_t)size);
    (void)(n > 0 && sock_text_is_right(player, sock, bytes, n));
    free(bytes);
    sock->read_offset += n > 0 ? (uint32_t)n : 0;
    return duet_result(sock, result, n);
}

/* ---- CLOSE, ABORT ---- */

static enum call_status call_duet_end(struct player *player, struct call_state *state,
                                      struct call_result *result)
{
    struct sock *sock = any_sock(player, state);
    if (sock == NULL) {
        return CALL_WRONG;
    }
    const char *name = state->call->name;
    int error = DUET_OK;
    if (strcmp(name, "duet_shutdown") == 0) {
        error = duet_shutdown(player->stack, player->now, sock->handle);
        sock->write_shut = sock->write_shut || error == DUET_OK;
    } else if (strcmp(name, "duet_close") == 0) {
        error = duet_close(player->stack, player->now, sock->handle);
        sock->user_closed = true;
    } else {
        error = duet_abort(player->stack, player->now, sock->handle);
        sock->user_closed = true;
    }
    return duet_result(sock, result, error);
}

/* ---- options ---- */

static const char *const option_names[] = {
    "NODELAY",     "KEEPALIVE", "KEEPALIVE_IDLE", "USER_TIMEOUT", "USER_TIMEOUT_ADVERTISE",
    "DSCP",        "TTL",       "RECEIVE_BUFFER", "SEND_BUFFER",  "ERROR_REPORTS",
    "DELAYED_ACK", "MSS",       "CONTROLLER"};
_Static_assert(sizeof(option_names) / sizeof(option_names[0]) == DUET_OPTION_CONTROLLER + 1,
               "a name for each enum duet_option");

static enum call_status call_duet_set(struct player *player, struct call_state *state,
                                      struct call_result *result)
{
    struct sock *sock = any_sock(player, state);
    int64_t value = 0;
    if (sock == NULL || !argument_number(player, state, 2, 0, &value)) {
        return CALL_WRONG;
    }
    const struct expression *word = argument(state, 1);
    for (unsigned i = 0; word->kind == EXPRESSION_NAME && i <= DUET_OPTION_CONTROLLER; i++) {
        if (strcmp(word->text, option_names[i]) == 0) {
            int error = duet_set(player->stack, player->now, sock->handle, (enum duet_option)i,
                                 (uint32_t)value);
            return duet_result(sock, result, error);
        }
    }
    (void)player_broken(player, "duet_set(): there is no option of that name");
    return CALL_WRONG;
}

const struct call_entry *calls_duet(void)
{
    static const struct call_entry table[] = {
        {"abort", 1, 1, call_duet_end, false},
        {"duet_abort", 1, 1, call_duet_end, false},
        {"duet_shutdown", 1, 1, call_duet_end, false},
        {"duet_close", 1, 1, call_duet_end, false},
        {"duet_send", 2, 4, call_duet_send, false},
        {"duet_receive", 2, 2, call_duet_receive, false},
        {"duet_listen", 2, 3, call_duet_listen, false},
        {"duet_accept", 1, 1, call_duet_accept, false},
        {"duet_connect", 2, 4, call_duet_connect, false},
        {"duet_connect_listener", 1, 2, call_connect_listener, false},
        {"duet_set", 3, 3, call_duet_set, false},
        {NULL, 0, 0, NULL, false},
    };
    return table;
}
