/* SPDX-License-Identifier: MIT */
/* setsockopt, getsockopt, ioctl, fcntl with real sockets. */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "sim/script/kernel.h"
#include "sim/script/values.h"

/* {1, 0}, {onoff=1, linger=0}, {tv_sec=1, tv_usec=0}. */
static bool pair_of(const struct expression *value, int64_t *a, int64_t *b)
{
    if (value->kind == EXPRESSION_ARRAY && value->count == 1) {
        value = value->items;
    }
    return value->kind == EXPRESSION_STRUCT && value->count == 2 &&
           expression_number(value->items, a) && expression_number(value->items->next, b);
}

static enum call_status set_linger(struct call_result *result, struct sock *sock, int64_t on,
                                   int64_t seconds)
{
    const struct linger linger = {.l_onoff = (int)on, .l_linger = (int)seconds};
    sock->linger_on = on != 0;
    sock->linger_seconds = seconds;
    return kernel_returns(
        result, setsockopt(sock->descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
}

static enum call_status call_setsockopt(struct player *player, struct call_state *state,
                                        struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *sock = kernel_sock(player, state, result, &status);
    int64_t level = 0, name = 0, number = 0, a = 0, b = 0;
    if (sock == NULL) {
        return status;
    }
    if (!argument_number(player, state, 1, 0, &level) ||
        !argument_number(player, state, 2, 0, &name)) {
        return CALL_WRONG;
    }
    const struct expression *value = argument(state, 3);
    if (expression_number(value, &number)) {
        int to = (int)number;
        return kernel_returns(result,
                              setsockopt(sock->descriptor, (int)level, (int)name, &to, sizeof(to)));
    }
    if (value->kind == EXPRESSION_STRING) {
        return kernel_returns(result, setsockopt(sock->descriptor, (int)level, (int)name,
                                                 value->text, (socklen_t)value->length));
    }
    bool pair = pair_of(value, &a, &b);
    if (pair && level == S_SOL_SOCKET && name == S_SO_LINGER) {
        return set_linger(result, sock, a, b);
    }
    if (pair && level == S_SOL_SOCKET && (name == S_SO_RCVTIMEO || name == S_SO_SNDTIMEO)) {
        /* The socket itself never blocks. */
        duet_time timeout = a * DUET_SECOND + b * DUET_MICROSECOND;
        *(name == S_SO_RCVTIMEO ? &sock->receive_timeout : &sock->send_timeout) = timeout;
        return call_returns(result, 0);
    }
    (void)player_skip(player, "it sets an option to a structure that is not known here");
    return CALL_WRONG;
}

/* ---- getsockopt ---- */

static enum call_status get_tcp_info(struct player *player, struct call_result *result,
                                     const struct sock *sock, const struct expression *value)
{
    struct tcp_info info;
    socklen_t size = sizeof(info);
    memset(&info, 0, sizeof(info));
    if (getsockopt(sock->descriptor, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
        return kernel_returns(result, -1);
    }
    const struct tcp_info_field fields[] = {
        {"tcpi_state", info.tcpi_state},
        {"tcpi_ca_state", info.tcpi_ca_state},
        {"tcpi_retransmits", info.tcpi_retransmits},
        {"tcpi_probes", info.tcpi_probes},
        {"tcpi_backoff", info.tcpi_backoff},
        {"tcpi_options", info.tcpi_options},
        {"tcpi_snd_wscale", info.tcpi_snd_wscale},
        {"tcpi_rcv_wscale", info.tcpi_rcv_wscale},
        {"tcpi_rto", info.tcpi_rto},
        {"tcpi_snd_mss", info.tcpi_snd_mss},
        {"tcpi_rcv_mss", info.tcpi_rcv_mss},
        {"tcpi_unacked", info.tcpi_unacked},
        {"tcpi_sacked", info.tcpi_sacked},
        {"tcpi_lost", info.tcpi_lost},
        {"tcpi_retrans", info.tcpi_retrans},
        {"tcpi_rtt", info.tcpi_rtt},
        {"tcpi_rttvar", info.tcpi_rttvar},
        {"tcpi_snd_ssthresh", info.tcpi_snd_ssthresh},
        {"tcpi_snd_cwnd", info.tcpi_snd_cwnd},
        {"tcpi_advmss", info.tcpi_advmss},
        {"tcpi_total_retrans", info.tcpi_total_retrans},
    };
    const struct expression *item = value->kind == EXPRESSION_STRUCT ? value->items : NULL;
    for (; item != NULL; item = item->next) {
        for (size_t f = 0; f < sizeof(fields) / sizeof(fields[0]); f++) {
            if (item->kind == EXPRESSION_FIELD && strcmp(fields[f].name, item->text) == 0 &&
                !output_matches(player, item->items, item->text, fields[f].value)) {
                return CALL_WRONG;
            }
        }
    }
    return call_returns(result, 0);
}

static enum call_status get_pair(struct player *player, struct call_result *result,
                                 const struct expression *value, int64_t a, int64_t b)
{
    int64_t x = 0, y = 0;
    if (!expression_is_any(value) && pair_of(value, &x, &y) && (x != a || y != b)) {
        (void)player_fail(player, "the option is {%lld, %lld}", (long long)a, (long long)b);
        return CALL_WRONG;
    }
    return call_returns(result, 0);
}

static enum call_status call_getsockopt(struct player *player, struct call_state *state,
                                        struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *sock = kernel_sock(player, state, result, &status);
    int64_t level = 0, name = 0;
    if (sock == NULL) {
        return status;
    }
    if (!argument_number(player, state, 1, 0, &level) ||
        !argument_number(player, state, 2, 0, &name)) {
        return CALL_WRONG;
    }
    const struct expression *value = argument(state, 3);
    if (level == S_SOL_SOCKET && name == S_SO_LINGER) {
        return get_pair(player, result, value, sock->linger_on, sock->linger_seconds);
    }
    if (level == S_SOL_SOCKET && (name == S_SO_RCVTIMEO || name == S_SO_SNDTIMEO)) {
        duet_time timeout = name == S_SO_RCVTIMEO ? sock->receive_timeout : sock->send_timeout;
        return get_pair(player, result, value, timeout / DUET_SECOND,
                        timeout % DUET_SECOND / DUET_MICROSECOND);
    }
    if (level == S_IPPROTO_TCP && name == S_TCP_INFO) {
        return get_tcp_info(player, result, sock, value);
    }
    int actual = 0;
    socklen_t size = sizeof(actual);
    if (getsockopt(sock->descriptor, (int)level, (int)name, &actual, &size) != 0) {
        return kernel_returns(result, -1);
    }
    int64_t number = 0;
    bool comparable = size == sizeof(actual) && expression_number(value, &number);
    if (comparable && !output_matches(player, value, "the option", actual)) {
        return CALL_WRONG;
    }
    return call_returns(result, 0);
}

/* ---- ioctl, fcntl ---- */

static enum call_status call_ioctl(struct player *player, struct call_state *state,
                                   struct call_result *result)
{
    enum call_status status = CALL_DONE;
    struct sock *sock = kernel_sock(player, state, result, &status);
    int64_t request = 0, on = 0;
    if (sock == NULL) {
        return status;
    }
    if (!argument_number(player, state, 1, 0, &request)) {
        return CALL_WRONG;
    }
    if (request == S_FIONBIO) {
        if (!argument_number(player, state, 2, 1, &on)) {
            return CALL_WRONG;
        }
        sock->nonblocking = on != 0;
        return call_returns(result, 0);
    }
    if (request != S_FIONREAD && request != S_SIOCOUTQ && request != S_SIOCOUTQNSD &&
        request != S_SIOCATMARK) {
        return call_fails(result, ENOTTY);
    }
    int value = 0;
    if (ioctl(sock->descriptor, (unsigned long)request, &value) != 0) {
        return kernel_returns(result, -1);
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
    struct sock *sock = kernel_sock(player, state, result, &status);
    int64_t command = 0, value = 0;
    if (sock == NULL) {
        return status;
    }
    if (!argument_number(player, state, 1, 0, &command) ||
        !argument_number(player, state, 2, 0, &value)) {
        return CALL_WRONG;
    }
    if (command == S_F_SETFL) {
        sock->nonblocking = (value & S_O_NONBLOCK) != 0;
    }
    bool known = command == S_F_SETFL || command == S_F_GETFD || command == S_F_SETFD;
    if (command == S_F_GETFL) {
        return call_returns(result, S_O_RDWR | (sock->nonblocking ? S_O_NONBLOCK : 0));
    }
    return known ? call_returns(result, 0) : call_fails(result, EINVAL);
}

const struct call_entry *kernel_calls_options(void)
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
