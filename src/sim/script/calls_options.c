/* SPDX-License-Identifier: MIT */
/* setsockopt, getsockopt, ioctl, fcntl. What duet has no equal of is remembered and given back, so
 * that a script which only sets it goes on.
 */
#include <stdio.h>
#include <string.h>

#include "sim/script/player.h"
#include "sim/script/values.h"

/* ---- values ---- */

int64_t sock_value(const struct sock *sock, int level, int name, int64_t otherwise)
{
    for (unsigned i = 0; i < sock->value_count; i++) {
        if (sock->values[i].level == level && sock->values[i].name == name) {
            return sock->values[i].value;
        }
    }
    return otherwise;
}

void sock_remember(struct sock *sock, int level, int name, int64_t value)
{
    for (unsigned i = 0; i < sock->value_count; i++) {
        if (sock->values[i].level == level && sock->values[i].name == name) {
            sock->values[i].value = value;
            return;
        }
    }
    if (sock->value_count < SOCK_VALUES_MAX) {
        sock->values[sock->value_count++] = (struct sock_value){level, name, value};
    }
}

static uint32_t clamp(int64_t value, int64_t least, int64_t most)
{
    return (uint32_t)(value < least ? least : value > most ? most : value);
}

/* Hands one option to the stack. False: duet has nothing like it. */
static bool apply(struct player *player, struct sock *sock, int level, int name, int64_t value)
{
    const struct duet_config *config = &player->settings.config;
    enum duet_option option;
    uint32_t to = clamp(value, 0, UINT32_MAX);
    if (level == S_SOL_SOCKET && name == S_SO_KEEPALIVE) {
        option = DUET_OPTION_KEEPALIVE;
        to = value != 0;
    } else if (level == S_SOL_SOCKET && (name == S_SO_RCVBUF || name == S_SO_RCVBUFFORCE)) {
        option = DUET_OPTION_RECEIVE_BUFFER;
        to = clamp(value, 1, config->receive_buffer);
    } else if (level == S_SOL_SOCKET && (name == S_SO_SNDBUF || name == S_SO_SNDBUFFORCE)) {
        option = DUET_OPTION_SEND_BUFFER;
        to = clamp(value, 1, config->send_buffer);
    } else if (level == S_IPPROTO_TCP && name == S_TCP_NODELAY) {
        option = DUET_OPTION_NODELAY;
        to = value != 0;
    } else if (level == S_IPPROTO_TCP && name == S_TCP_KEEPIDLE) {
        option = DUET_OPTION_KEEPALIVE_IDLE;
        to = clamp(value, 1, INT32_MAX / 1000) * 1000;
    } else if (level == S_IPPROTO_TCP && name == S_TCP_USER_TIMEOUT) {
        option = DUET_OPTION_USER_TIMEOUT;
    } else if (level == S_IPPROTO_TCP && name == S_TCP_MAXSEG) {
        option = DUET_OPTION_MSS;
    } else if (level == S_IPPROTO_TCP && name == S_TCP_CONGESTION) {
        option = DUET_OPTION_CONTROLLER;
    } else if (level == S_IPPROTO_TCP && name == S_TCP_QUICKACK) {
        option = DUET_OPTION_DELAYED_ACK;
        to = value == 0;
    } else if ((level == S_IPPROTO_IP && name == S_IP_TOS) ||
               (level == S_IPPROTO_IPV6 && name == S_IPV6_TCLASS)) {
        option = DUET_OPTION_DSCP;
        to = clamp(value, 0, 255) >> 2;
    } else if ((level == S_IPPROTO_IP && name == S_IP_TTL) ||
               (level == S_IPPROTO_IPV6 && name == S_IPV6_UNICAST_HOPS)) {
        option = DUET_OPTION_TTL;
    } else {
        return false;
    }
    if (sock->has_handle && !sock->user_closed) {
        sock->last = duet_set(player->stack, player->now, sock->handle, option, to);
    }
    return true;
}

void sock_apply(struct player *player, struct sock *sock)
{
    const struct settings *settings = &player->settings;
    if (settings->receive_buffer != 0) {
        (void)apply(player, sock, S_SOL_SOCKET, S_SO_RCVBUF, settings->receive_buffer);
    }
    if (settings->send_buffer != 0) {
        (void)apply(player, sock, S_SOL_SOCKET, S_SO_SNDBUF, settings->send_buffer);
    }
    for (unsigned i = 0; i < sock->value_count; i++) {
        const struct sock_value *value = &sock->values[i];
        (void)apply(player, sock, value->level, value->name, value->value);
    }
}

/* ---- setsockopt ---- */

/* By place: {onoff=1, linger=0}, {l_onoff=1, l_linger=0} and {1, 0} are the same. */
static bool pair_of(const struct expression *value, int64_t *a, int64_t *b)
{
    if (value->kind == EXPRESSION_ARRAY && value->count == 1) {
        value = value->items;
    }
    if (value->kind != EXPRESSION_STRUCT || value->count != 2) {
        return false;
    }
    return expression_number(value->items, a) && expression_number(value->items->next, b);
}

/* Options that are structures. 1: done, 0: not one of these, -1: player has its verdict. */
static int set_structure(struct player *player, struct sock *sock, int level, int name,
                         const struct expression *value)
{
    int64_t a = 0, b = 0;
    bool linger = level == S_SOL_SOCKET && name == S_SO_LINGER;
    bool time = level == S_SOL_SOCKET && (name == S_SO_RCVTIMEO || name == S_SO_SNDTIMEO);
    if (!linger && !time) {
        return 0;
    }
    if (!pair_of(value, &a, &b)) {
        (void)player_broken(player, linger ? "SO_LINGER takes {onoff=1, linger=0}"
                                           : "a timeout is {tv_sec=1, tv_usec=0}");
        return -1;
    }
    duet_time timeout = a * DUET_SECOND + b * DUET_MICROSECOND;
    if (linger) {
        sock->linger_on = a != 0;
        sock->linger_seconds = b;
    } else if (name == S_SO_RCVTIMEO) {
        sock->receive_timeout = timeout;
    } else {
        sock->send_timeout = timeout;
    }
    return 1;
}

/* TCP_CONGESTION by the names of Linux, in the order of enum duet_controller. */
static const char *const controller_names[DUET_CONTROLLERS] = {"cubic", "reno"};

static bool controller_of_name(const struct expression *value, int64_t *controller)
{
    for (int64_t i = 0; value->kind == EXPRESSION_STRING && i < DUET_CONTROLLERS; i++) {
        if (value->length == strlen(controller_names[i]) &&
            memcmp(value->text, controller_names[i], value->length) == 0) {
            *controller = i;
            return true;
        }
    }
    return false;
}

static enum call_status set_number(struct player *player, struct call_result *result,
                                   struct sock *sock, int level, int name, int64_t value)
{
    if (level == S_SOL_SOCKET &&
        (name == S_SO_ERROR || name == S_SO_TYPE || name == S_SO_ACCEPTCONN)) {
        return call_fails(result, errno_number("ENOPROTOOPT"));
    }
    if (level == S_SOL_SOCKET && name == S_SO_OOBINLINE) {
        sock->oob_inline = value != 0;
    }
    if (level == S_IPPROTO_TCP && name == S_TCP_CORK) {
        sock->corked = value != 0;
        if (!sock->corked) {
            sock_flush(player, sock, false);
        }
        sock_remember(sock, level, name, value);
        return call_returns(result, 0);
    }
    if (level == S_IPPROTO_TCP && name == S_TCP_MAXSEG && (value < 88 || value > 32767)) {
        return call_fails(result, errno_number("EINVAL"));
    }
    if (level == S_IPPROTO_TCP && name == S_TCP_INFO) {
        return call_fails(result, errno_number("ENOPROTOOPT"));
    }
    sock_remember(sock, level, name, value);
    if (!apply(player, sock, level, name, value)) {
        player_log(player, "  remembered without effect: level %d option %d = %lld", level, name,
                   (long long)value);
    }
    return call_returns(result, 0);
}

static enum call_status call_setsockopt(struct player *player, struct call_state *state,
                                        struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *sock = argument_sock(player, state, result, &status);
    int64_t level = 0, name = 0, value = 0;
    if (sock == NULL) {
        return status;
    }
    if (!argument_number(player, state, 1, 0, &level) ||
        !argument_number(player, state, 2, 0, &name)) {
        return CALL_WRONG;
    }
    const struct expression *expression = argument(state, 3);
    int done = set_structure(player, sock, (int)level, (int)name, expression);
    if (done != 0) {
        return done > 0 ? call_returns(result, 0) : CALL_WRONG;
    }
    bool is_controller = level == S_IPPROTO_TCP && name == S_TCP_CONGESTION;
    bool known = is_controller ? controller_of_name(expression, &value)
                               : expression_number(expression, &value);
    if (!known) {
        /* Another congestion control, a key, a structure: nothing that duet could obey. */
        player_log(player, "  ignored: level %lld option %lld", (long long)level, (long long)name);
        return call_returns(result, 0);
    }
    return set_number(player, result, sock, (int)level, (int)name, value);
}

/* ---- getsockopt ---- */

/* The value of an option that is asked for. */
static int64_t current_value(struct player *player, struct sock *sock, int level, int name)
{
    struct duet_status status = {0};
    bool live = sock->has_handle && duet_status(player->stack, sock->handle, &status) == DUET_OK;
    const struct settings *settings = &player->settings;
    if (level == S_SOL_SOCKET && name == S_SO_ERROR) {
        return sock_take_error(sock);
    }
    if (level == S_SOL_SOCKET && name == S_SO_TYPE) {
        return S_SOCK_STREAM;
    }
    if (level == S_SOL_SOCKET && name == S_SO_PROTOCOL) {
        return S_IPPROTO_TCP;
    }
    if (level == S_SOL_SOCKET && name == S_SO_DOMAIN) {
        return sock->v6 ? S_AF_INET6 : S_AF_INET;
    }
    if (level == S_SOL_SOCKET && name == S_SO_ACCEPTCONN) {
        return sock->kind == SOCK_LISTENER;
    }
    if (level == S_IPPROTO_TCP && name == S_TCP_MAXSEG && live) {
        return status.send_mss;
    }
    if (level == S_IPPROTO_IP && name == S_IP_MTU) {
        return settings->config.mtu;
    }
    if (level == S_IPPROTO_IP && name == S_IP_TTL) {
        return sock_value(sock, level, name, settings->config.ttl);
    }
    return sock_value(sock, level, name, 0);
}

static enum call_status get_structure(struct player *player, struct call_result *result,
                                      const struct sock *sock, int name,
                                      const struct expression *value)
{
    int64_t a = sock->linger_on, b = sock->linger_seconds, x = 0, y = 0;
    if (name != S_SO_LINGER) {
        duet_time timeout = name == S_SO_RCVTIMEO ? sock->receive_timeout : sock->send_timeout;
        a = timeout / DUET_SECOND;
        b = timeout % DUET_SECOND / DUET_MICROSECOND;
    }
    if (!expression_is_any(value) && pair_of(value, &x, &y) && (x != a || y != b)) {
        (void)player_fail(player, "the option is {%lld, %lld}", (long long)a, (long long)b);
        return CALL_WRONG;
    }
    return call_returns(result, 0);
}

/* {tcpi_state=TCP_ESTABLISHED, ...}: the fields that the script names. */
static enum call_status get_tcp_info(struct player *player, struct call_result *result,
                                     const struct sock *sock, const struct expression *value)
{
    struct tcp_info_field fields[64];
    unsigned count = sock_tcp_info(player, sock, fields, 64);
    if (expression_is_any(value) || value->kind != EXPRESSION_STRUCT) {
        return call_returns(result, 0);
    }
    for (const struct expression *i = value->items; i != NULL; i = i->next) {
        for (unsigned f = 0; i->kind == EXPRESSION_FIELD && f < count; f++) {
            if (strcmp(fields[f].name, i->text) == 0 &&
                !output_matches(player, i->items, i->text, fields[f].value)) {
                return CALL_WRONG;
            }
        }
    }
    return call_returns(result, 0);
}

static enum call_status get_controller(struct player *player, struct call_result *result,
                                       const struct sock *sock, const struct expression *value)
{
    struct duet_status info = {0};
    bool live = sock->has_handle && duet_status(player->stack, sock->handle, &info) == DUET_OK;
    int64_t usual = live ? info.controller : player->settings.config.controller;
    int64_t actual = live ? usual : sock_value(sock, S_IPPROTO_TCP, S_TCP_CONGESTION, usual);
    int64_t expected = 0;
    if (!expression_is_any(value) &&
        (!controller_of_name(value, &expected) || expected != actual)) {
        (void)player_fail(player, "the congestion control is %s", controller_names[actual]);
        return CALL_WRONG;
    }
    return call_returns(result, 0);
}

static enum call_status call_getsockopt(struct player *player, struct call_state *state,
                                        struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *sock = argument_sock(player, state, result, &status);
    int64_t level = 0, name = 0;
    if (sock == NULL) {
        return status;
    }
    if (!argument_number(player, state, 1, 0, &level) ||
        !argument_number(player, state, 2, 0, &name)) {
        return CALL_WRONG;
    }
    const struct expression *value = argument(state, 3);
    if (level == S_SOL_SOCKET &&
        (name == S_SO_LINGER || name == S_SO_RCVTIMEO || name == S_SO_SNDTIMEO)) {
        return get_structure(player, result, sock, (int)name, value);
    }
    if (level == S_IPPROTO_TCP && name == S_TCP_INFO) {
        return get_tcp_info(player, result, sock, value);
    }
    if (level == S_IPPROTO_TCP && name == S_TCP_CONGESTION) {
        return get_controller(player, result, sock, value);
    }
    int64_t actual = current_value(player, sock, (int)level, (int)name);
    int64_t expected = 0;
    char what[64];
    const struct expression *label = argument(state, 2);
    snprintf(what, sizeof(what), "%.60s",
             label->kind == EXPRESSION_NAME ? label->text : "the option");
    if (!expression_is_any(value) && expression_number(value, &expected) &&
        !output_matches(player, value, what, actual)) {
        return CALL_WRONG;
    }
    return call_returns(result, 0);
}

/* ---- ioctl, fcntl ---- */

static enum call_status call_ioctl(struct player *player, struct call_state *state,
                                   struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *sock = argument_sock(player, state, result, &status);
    int64_t request = 0, value = 0;
    if (sock == NULL) {
        return status;
    }
    if (!argument_number(player, state, 1, 0, &request)) {
        return CALL_WRONG;
    }
    if (request == S_FIONBIO) {
        if (!argument_number(player, state, 2, 1, &value)) {
            return CALL_WRONG;
        }
        sock->nonblocking = value != 0;
        return call_returns(result, 0);
    }
    struct duet_status info = {0};
    bool live = sock->has_handle && duet_status(player->stack, sock->handle, &info) == DUET_OK;
    if (sock->kind == SOCK_LISTENER && request == S_FIONREAD) {
        return call_fails(result, errno_number("EINVAL"));
    }
    if (request == S_FIONREAD) {
        value = live ? info.receive_queued : 0;
    } else if (request == S_SIOCOUTQ) {
        value = live ? info.send_queued + (sock->holds ? 1 : 0) : 0;
    } else if (request == S_SIOCOUTQNSD) {
        value = live ? (int64_t)info.send_queued - info.in_flight : 0;
    } else if (request == S_SIOCATMARK) {
        value = live && info.urgent_left == 0 && sock->counts[5] > 0;
    } else {
        return call_fails(result, errno_number("ENOTTY"));
    }
    if (!output_matches(player, argument(state, 2), "the value", value)) {
        return CALL_WRONG;
    }
    return call_returns(result, 0);
}

static enum call_status call_fcntl(struct player *player, struct call_state *state,
                                   struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *sock = argument_sock(player, state, result, &status);
    int64_t command = 0, value = 0;
    if (sock == NULL) {
        return status;
    }
    if (!argument_number(player, state, 1, 0, &command) ||
        !argument_number(player, state, 2, 0, &value)) {
        return CALL_WRONG;
    }
    switch (command) {
    case S_F_GETFL:
        return call_returns(result, S_O_RDWR | (sock->nonblocking ? S_O_NONBLOCK : 0));
    case S_F_SETFL:
        sock->nonblocking = (value & S_O_NONBLOCK) != 0;
        return call_returns(result, 0);
    case S_F_GETFD:
    case S_F_SETFD:
        return call_returns(result, 0);
    default:
        return call_fails(result, errno_number("EINVAL"));
    }
}

const struct call_entry *calls_options(void)
{
    static const struct call_entry table[] = {
        {"setsockopt", 4, 5, call_setsockopt, false},
        {"getsockopt", 4, 5, call_getsockopt, true},
        {"ioctl", 2, 3, call_ioctl, false},
        {"fcntl", 2, 3, call_fcntl, false},
        {NULL, 0, 0, NULL, false},
    };
    return table;
}
