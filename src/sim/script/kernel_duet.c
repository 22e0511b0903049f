/* SPDX-License-Identifier: MIT */
/* The calls of ours, as far as the kernel has the like: state() is asked by sock_diag(7), those that
 * act become the socket call that means the same, and questions only duet can answer are passed over.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sim/script/kernel.h"
#include "sim/script/transfer.h"
#include "sim/script/values.h"

enum { LEAST_PORT = 256 }; /* a number from here on that is no descriptor is a remote port */

static enum call_status call_unknown(struct player *player, struct call_state *state,
                                     struct call_result *result)
{
    (void)player;
    (void)state;
    result->unknown = true;
    return CALL_DONE;
}

static enum call_status call_pause(struct player *player, struct call_state *state,
                                   struct call_result *result)
{
    (void)player;
    (void)state;
    return call_returns(result, 0);
}

static enum call_status call_foreign(struct player *player, struct call_state *state,
                                     struct call_result *result)
{
    (void)result;
    (void)player_skip(player, "the kernel has nothing like %s()", state->call->name);
    return CALL_WRONG;
}

/* The socket of the first argument, closed ones too. NULL: verdict. */
static struct sock *any_sock(struct player *player, const struct call_state *state)
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

/* ---- state ---- */

static enum call_status returns_state(struct player *player, struct call_result *result,
                                      const struct duet_socket_address *local,
                                      const struct duet_socket_address *remote, int descriptor)
{
    enum duet_state state = DUET_CLOSED;
    if (duet_kernel_state(local, remote, descriptor, &state) != 0) {
        (void)player_skip(player, "the kernel does not tell the states of its connections: %s",
                          strerror(errno));
        return CALL_WRONG;
    }
    /* A listener of the port is not the connection that was asked for. */
    result->text = duet_state_name(state == DUET_LISTEN ? DUET_CLOSED : state);
    return CALL_DONE;
}

static enum call_status call_state(struct player *player, struct call_state *state,
                                   struct call_result *result)
{
    int64_t number = -1;
    const struct expression *which = argument(state, 0);
    const struct flow *flow = player->current;
    if (which != NULL && !argument_number(player, state, 0, -1, &number)) {
        return CALL_WRONG;
    }
    const struct sock *sock =
        which != NULL && number >= 0 ? sock_find_any(player, (int)number) : NULL;
    if (which != NULL && sock == NULL && number < LEAST_PORT) {
        (void)player_broken(player, "state(): there is no descriptor %lld", (long long)number);
        return CALL_WRONG;
    }
    if (sock != NULL && sock->kind == SOCK_LISTENER) {
        result->text = duet_state_name(sock->open ? DUET_LISTEN : DUET_CLOSED);
        return CALL_DONE;
    }
    if (sock != NULL && sock->kind != SOCK_PLAIN) {
        return returns_state(player, result, &sock->local, &sock->remote, -1);
    }
    for (unsigned i = 0; which != NULL && sock == NULL && i < player->flow_count; i++) {
        bool there = player->flows[i]->remote.port == (uint16_t)number;
        flow = there ? player->flows[i] : flow;
    }
    if (sock != NULL || flow == NULL) {
        result->text = duet_state_name(DUET_CLOSED);
        return CALL_DONE;
    }
    return returns_state(player, result, &flow->local, &flow->remote, -1);
}

/* ---- calls that act ---- */

static enum call_status call_end(struct player *player, struct call_state *state,
                                 struct call_result *result)
{
    struct sock *sock = any_sock(player, state);
    const char *name = state->call->name;
    if (sock == NULL) {
        return CALL_WRONG;
    }
    if (sock->descriptor < 0) {
        errno = EBADF;
        return kernel_acts(state, result, -1);
    }
    if (strcmp(name, "duet_shutdown") == 0) {
        return kernel_acts(state, result, shutdown(sock->descriptor, SHUT_WR));
    }
    if (strcmp(name, "duet_close") != 0) {
        const struct linger hard = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(sock->descriptor, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    }
    int error = close(sock->descriptor);
    sock->descriptor = -1;
    sock->open = false;
    return kernel_acts(state, result, error);
}

static enum call_status call_send(struct player *player, struct call_state *state,
                                  struct call_result *result)
{
    struct transfer transfer = {.sock = any_sock(player, state)};
    int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    if (transfer.sock == NULL || !argument_number(player, state, 1, 0, &transfer.size)) {
        return CALL_WRONG;
    }
    for (unsigned i = 2; i < state->call->count; i++) {
        const struct expression *word = argument(state, i);
        bool urgent = word->kind == EXPRESSION_NAME && strcmp(word->text, "URGENT") == 0;
        flags |= urgent ? MSG_OOB : MSG_MORE;
    }
    struct sock *sock = transfer.sock;
    uint8_t *bytes = transfer_text(&transfer, sock->text_offset, (size_t)transfer.size, 0);
    int64_t n = send(sock->descriptor, bytes, (size_t)transfer.size, flags);
    sock->text_offset += n > 0 ? (uint32_t)n : 0;
    free(bytes);
    return kernel_acts(state, result, n);
}

static enum call_status call_receive(struct player *player, struct call_state *state,
                                     struct call_result *result)
{
    struct sock *sock = any_sock(player, state);
    int64_t size = 0;
    if (sock == NULL || !argument_number(player, state, 1, 0, &size)) {
        return CALL_WRONG;
    }
    uint8_t *bytes = must_allocate((size_t)size);
    int64_t n = recv(sock->descriptor, bytes, (size_t)size, MSG_DONTWAIT);
    free(bytes);
    /* The end of the stream is "connection closing" in the RFC's words. */
    return kernel_acts(state, result, n == 0 && size > 0 ? -1 : n);
}

static enum call_status call_set(struct player *player, struct call_state *state,
                                 struct call_result *result)
{
    static const struct {
        const char *word;
        int level, name;
    } rows[] = {
        {"NODELAY", IPPROTO_TCP, TCP_NODELAY},
        {"KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE},
        {"KEEPALIVE_IDLE", IPPROTO_TCP, TCP_KEEPIDLE},
        {"USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT},
        {"DSCP", IPPROTO_IP, IP_TOS},
        {"TTL", IPPROTO_IP, IP_TTL},
        {"RECEIVE_BUFFER", SOL_SOCKET, SO_RCVBUF},
        {"SEND_BUFFER", SOL_SOCKET, SO_SNDBUF},
        {"DELAYED_ACK", IPPROTO_TCP, TCP_QUICKACK},
        {"MSS", IPPROTO_TCP, TCP_MAXSEG},
    };
    const struct sock *sock = any_sock(player, state);
    int64_t value = 0;
    if (sock == NULL || !argument_number(player, state, 2, 0, &value)) {
        return CALL_WRONG;
    }
    const struct expression *word = argument(state, 1);
    for (size_t i = 0; word->kind == EXPRESSION_NAME && i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(word->text, rows[i].word) != 0) {
            continue;
        }
        int level = rows[i].level, name = rows[i].name, to = (int)value;
        if (level == IPPROTO_IP && sock->v6) {
            level = IPPROTO_IPV6;
            name = name == IP_TOS ? IPV6_TCLASS : IPV6_UNICAST_HOPS;
        }
        to = strcmp(word->text, "DSCP") == 0             ? to << 2
             : strcmp(word->text, "KEEPALIVE_IDLE") == 0 ? to / 1000
             : strcmp(word->text, "DELAYED_ACK") == 0    ? !to
                                                         : to;
        return kernel_acts(state, result,
                           setsockopt(sock->descriptor, level, name, &to, sizeof(to)));
    }
    (void)player_skip(player, "the kernel has nothing like duet_set() of that");
    return CALL_WRONG;
}

const struct call_entry *kernel_calls_duet(void)
{
    static const struct call_entry table[] = {
        {"state", 0, 1, call_state, true},
        {"pause", 0, 0, call_pause, true},
        {"status", 1, 2, call_unknown, true},
        {"event", 2, 2, call_unknown, true},
        {"outcome", 2, 2, call_unknown, true},
        {"last_error", 1, 1, call_unknown, true},
        {"rule", 1, 1, call_unknown, true},
        {"edge", 2, 2, call_unknown, true},
        {"abort", 1, 1, call_end, false},
        {"duet_abort", 1, 1, call_end, false},
        {"duet_shutdown", 1, 1, call_end, false},
        {"duet_close", 1, 1, call_end, false},
        {"duet_send", 2, 4, call_send, false},
        {"duet_receive", 2, 2, call_receive, false},
        {"duet_set", 3, 3, call_set, false},
        {"duet_connect_listener", 1, 2, call_foreign, false},
        {NULL, 0, 0, NULL, false},
    };
    return table;
}
