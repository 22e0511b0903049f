/* SPDX-License-Identifier: MIT */
/* socket, bind, listen, accept, connect, shutdown, close with real sockets. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sim/script/kernel.h"
#include "sim/script/values.h"

/* ---- addresses ---- */

union any_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* As the family of the socket wants it; IPv4 on an IPv6 socket is mapped. */
static socklen_t put_address(const struct duet_socket_address *address, bool v6,
                             union any_address *to)
{
    memset(to, 0, sizeof(*to));
    if (v6) {
        to->v6.sin6_family = AF_INET6;
        to->v6.sin6_port = htons(address->port);
        memcpy(&to->v6.sin6_addr, address->address.bytes, 16);
        return sizeof(to->v6);
    }
    to->v4.sin_family = AF_INET;
    to->v4.sin_port = htons(address->port);
    memcpy(&to->v4.sin_addr, address->address.bytes + 12, 4);
    return sizeof(to->v4);
}

static void get_address(const union any_address *from, struct duet_socket_address *address)
{
    *address = (struct duet_socket_address){0};
    if (from->any.sa_family == AF_INET6) {
        address->port = ntohs(from->v6.sin6_port);
        memcpy(address->address.bytes, &from->v6.sin6_addr, 16);
    } else if (from->any.sa_family == AF_INET) {
        uint8_t ip[4];
        memcpy(ip, &from->v4.sin_addr, 4);
        address->port = ntohs(from->v4.sin_port);
        address->address = duet_ipv4(ip[0], ip[1], ip[2], ip[3]);
    }
}

static bool ask_ends(const struct sock *sock, struct duet_socket_address *local,
                     struct duet_socket_address *remote)
{
    union any_address address = {.v6 = {0}}; /* whole: the largest member */
    socklen_t size = sizeof(address);
    if (getsockname(sock->descriptor, &address.any, &size) != 0) {
        return false;
    }
    get_address(&address, local);
    size = sizeof(address);
    if (getpeername(sock->descriptor, &address.any, &size) == 0) {
        get_address(&address, remote);
    }
    return true;
}

void kernel_learn_ends(struct player *player, struct sock *sock, bool is_current)
{
    if (!ask_ends(sock, &sock->local, &sock->remote)) {
        return;
    }
    struct flow *flow = player_flow(player, &sock->local, &sock->remote);
    flow->text_known = true;
    player->current = is_current ? flow : player->current;
}

struct sock *kernel_sock(struct player *player, const struct call_state *state,
                         struct call_result *result, enum call_status *status)
{
    return argument_sock(player, state, result, status);
}

/* ---- calls ---- */

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
    int descriptor = socket((int)family, (int)type | SOCK_NONBLOCK | SOCK_CLOEXEC, (int)protocol);
    if (descriptor < 0) {
        return kernel_returns(result, -1);
    }
    struct sock *sock = sock_new(player, SOCK_PLAIN);
    struct settings usual;
    settings_default(&usual);
    duet_time timeout = player->settings.config.user_timeout;
    if (timeout != usual.config.user_timeout) {
        unsigned ms = (unsigned)(timeout / DUET_MILLISECOND);
        (void)setsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
    }
    /* Urgent data in line is what RFC 6093 asks for, and all that duet knows. */
    const int yes = 1;
    (void)setsockopt(descriptor, SOL_SOCKET, SO_OOBINLINE, &yes, sizeof(yes));
    sock->descriptor = descriptor;
    sock->v6 = family == S_AF_INET6;
    sock->nonblocking = (type & S_SOCK_NONBLOCK) != 0;
    result->new_descriptor = true;
    return CALL_DONE;
}

static enum call_status call_bind(struct player *player, struct call_state *state,
                                  struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *sock = kernel_sock(player, state, result, &status);
    if (sock == NULL) {
        return status;
    }
    const struct duet_socket_address usual = {player->settings.local, player->settings.bind_port};
    union any_address address = {.v6 = {0}}; /* whole: the largest member */
    int64_t family = 0;
    if (!argument_address(player, state, 1, &usual, &sock->local, &family)) {
        return CALL_WRONG;
    }
    socklen_t size = put_address(&sock->local, sock->v6, &address);
    return kernel_returns(result, bind(sock->descriptor, &address.any, size));
}

static enum call_status call_listen(struct player *player, struct call_state *state,
                                    struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *sock = kernel_sock(player, state, result, &status);
    int64_t backlog = 0;
    if (sock == NULL) {
        return status;
    }
    if (!argument_number(player, state, 1, 1, &backlog)) {
        return CALL_WRONG;
    }
    if (state->call->count > 2) {
        (void)player_skip(player, "it needs a passive open with a remote socket");
        return CALL_WRONG;
    }
    int error = listen(sock->descriptor, (int)backlog);
    if (error == 0) {
        sock->kind = SOCK_LISTENER;
        player->listened = true;
    }
    return kernel_returns(result, error);
}

static enum call_status call_accept(struct player *player, struct call_state *state,
                                    struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *sock = kernel_sock(player, state, result, &status);
    int64_t flags = 0;
    if (sock == NULL) {
        return status;
    }
    if (strcmp(state->call->name, "accept4") == 0 &&
        !argument_number(player, state, 3, 0, &flags)) {
        return CALL_WRONG;
    }
    int descriptor = accept4(sock->descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0 && errno == EAGAIN) {
        return kernel_waits(player, state, result, sock, POLLIN, sock->receive_timeout, EAGAIN);
    }
    if (descriptor < 0) {
        return kernel_returns(result, -1);
    }
    struct sock *child = sock_new(player, SOCK_CONNECTION);
    child->descriptor = descriptor;
    child->v6 = sock->v6;
    child->connected = true;
    child->nonblocking = (flags & S_SOCK_NONBLOCK) != 0;
    child->receive_timeout = sock->receive_timeout;
    child->send_timeout = sock->send_timeout;
    kernel_learn_ends(player, child, false);
    if (!output_address_matches(player, argument(state, 1), &child->remote)) {
        return CALL_WRONG;
    }
    result->new_descriptor = true;
    return CALL_DONE;
}

/* A blocking connect that is under way. */
static enum call_status go_on_connecting(struct player *player, struct call_state *state,
                                         struct call_result *result, struct sock *sock)
{
    struct pollfd polled = {.fd = sock->descriptor, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof(error);
    if (poll(&polled, 1, 0) == 0) {
        return kernel_waits(player, state, result, sock, POLLOUT, sock->send_timeout, EINPROGRESS);
    }
    if (getsockopt(sock->descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        return kernel_returns(result, -1);
    }
    kernel_learn_ends(player, sock, false);
    return error != 0 ? call_fails(result, error) : call_returns(result, 0);
}

static enum call_status call_connect(struct player *player, struct call_state *state,
                                     struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *sock = kernel_sock(player, state, result, &status);
    if (sock == NULL) {
        return status;
    }
    if (state->begun) {
        return go_on_connecting(player, state, result, sock);
    }
    const struct duet_socket_address usual = {player->settings.remote,
                                              player->settings.connect_port};
    struct duet_socket_address remote;
    union any_address address = {.v6 = {0}}; /* whole: the largest member */
    int64_t family = 0;
    if (!argument_address(player, state, 1, &usual, &remote, &family)) {
        return CALL_WRONG;
    }
    socklen_t size = put_address(&remote, sock->v6, &address);
    bool named = argument(state, 1)->kind == EXPRESSION_STRUCT;
    if (named && family == S_AF_UNSPEC) {
        address.any.sa_family = AF_UNSPEC;
    }
    int error = connect(sock->descriptor, &address.any, size);
    int number = errno;
    if (error == 0 || number == EINPROGRESS) {
        bool fresh = sock->kind == SOCK_PLAIN;
        sock->kind = SOCK_CONNECTION;
        sock->remote = remote;
        kernel_learn_ends(player, sock, fresh);
    }
    errno = number;
    if (error != 0 && number == EINPROGRESS && !sock->nonblocking) {
        return go_on_connecting(player, state, result, sock);
    }
    return kernel_returns(result, error);
}

/* ---- the same, as calls of ours ---- */

static enum call_status call_ours(struct player *player, struct call_state *state,
                                  struct call_result *result)
{
    const char *name = state->call->name;
    enum call_status status = CALL_DONE;
    struct sock *sock = kernel_sock(player, state, result, &status);
    if (sock == NULL) {
        return status;
    }
    if (strcmp(name, "duet_connect") == 0 && state->call->count > 2) {
        (void)player_skip(player, "it needs a connect that queues text for the SYN");
        return CALL_WRONG;
    }
    sock->nonblocking = true;
    status = strcmp(name, "duet_listen") == 0   ? call_listen(player, state, result)
             : strcmp(name, "duet_accept") == 0 ? call_accept(player, state, result)
                                                : call_connect(player, state, result);
    if (status != CALL_DONE || result->new_descriptor) {
        return status;
    }
    bool begun = result->value == -1 && result->error == EINPROGRESS;
    errno = result->error;
    return kernel_acts(state, result, begun ? 0 : result->value);
}

/* ---- names ---- */

static enum call_status call_name(struct player *player, struct call_state *state,
                                  struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *sock = kernel_sock(player, state, result, &status);
    union any_address address = {.v6 = {0}}; /* whole: the largest member */
    socklen_t size = sizeof(address);
    if (sock == NULL) {
        return status;
    }
    bool peer = strcmp(state->call->name, "getpeername") == 0;
    int error = peer ? getpeername(sock->descriptor, &address.any, &size)
                     : getsockname(sock->descriptor, &address.any, &size);
    struct duet_socket_address is = {0};
    if (error == 0) {
        get_address(&address, &is);
    }
    if (error == 0 && !output_address_matches(player, argument(state, 1), &is)) {
        return CALL_WRONG;
    }
    return kernel_returns(result, error);
}

/* ---- the end ---- */

static enum call_status call_shutdown(struct player *player, struct call_state *state,
                                      struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *sock = kernel_sock(player, state, result, &status);
    int64_t how = 0;
    if (sock == NULL) {
        return status;
    }
    if (!argument_number(player, state, 1, S_SHUT_RDWR, &how)) {
        return CALL_WRONG;
    }
    return kernel_returns(result, shutdown(sock->descriptor, (int)how));
}

static enum call_status call_close(struct player *player, struct call_state *state,
                                   struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *sock = kernel_sock(player, state, result, &status);
    if (sock == NULL) {
        return status;
    }
    if (sock->linger_on && sock->linger_seconds > 0) {
        (void)player_skip(player, "a close that lingers would hold up the script");
        return CALL_WRONG;
    }
    sock->open = false;
    int error = close(sock->descriptor);
    sock->descriptor = -1;
    return kernel_returns(result, error);
}

const struct call_entry *kernel_calls_open(void)
{
    static const struct call_entry table[] = {
        {"socket", 3, 3, call_socket, false},     {"bind", 2, 3, call_bind, false},
        {"listen", 2, 3, call_listen, false},     {"accept", 1, 3, call_accept, false},
        {"accept4", 4, 4, call_accept, false},    {"connect", 2, 3, call_connect, false},
        {"getsockname", 2, 3, call_name, true},   {"getpeername", 2, 3, call_name, true},
        {"shutdown", 2, 2, call_shutdown, false}, {"close", 1, 1, call_close, false},
        {"duet_listen", 2, 3, call_ours, false},  {"duet_accept", 1, 1, call_ours, false},
        {"duet_connect", 2, 4, call_ours, false}, {NULL, 0, 0, NULL, false},
    };
    return table;
}
