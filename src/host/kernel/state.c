/* SPDX-License-Identifier: MIT */
/* Asking Linux for the state of one of its connections: sock_diag(7), which knows half-open and
 * TIME-WAIT ones too, or tcp(7) TCP_INFO. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "duet/kernel.h"

enum { DIAG_REPLY = 4096, DIAG_WAIT_SECONDS = 2 };

/* Numbers that netinet/tcp.h does not know: a half-open record of a listener, a socket that is
 * bound. */
enum { LINUX_NEW_SYN_RECV = 12, LINUX_BOUND_INACTIVE = 13 };

static int state_of_linux(int number, enum duet_state *state)
{
    static const enum duet_state states[] = {
        [TCP_ESTABLISHED] = DUET_ESTABLISHED,
        [TCP_SYN_SENT] = DUET_SYN_SENT,
        [TCP_SYN_RECV] = DUET_SYN_RECEIVED,
        [TCP_FIN_WAIT1] = DUET_FIN_WAIT_1,
        [TCP_FIN_WAIT2] = DUET_FIN_WAIT_2,
        [TCP_TIME_WAIT] = DUET_TIME_WAIT,
        [TCP_CLOSE] = DUET_CLOSED,
        [TCP_CLOSE_WAIT] = DUET_CLOSE_WAIT,
        [TCP_LAST_ACK] = DUET_LAST_ACK,
        [TCP_LISTEN] = DUET_LISTEN,
        [TCP_CLOSING] = DUET_CLOSING,
        [LINUX_NEW_SYN_RECV] = DUET_SYN_RECEIVED,
        [LINUX_BOUND_INACTIVE] = DUET_CLOSED,
    };

    if (number < TCP_ESTABLISHED || number > LINUX_BOUND_INACTIVE) {
        errno = EPROTO;
        return -1;
    }
    *state = states[number];
    return 0;
}

static void put_address(uint32_t to[4], const struct duet_address *address)
{
    memset(to, 0, 16);
    if (duet_address_is_ipv4(address))
        memcpy(to, address->bytes + 12, 4);
    else
        memcpy(to, address->bytes, 16);
}

static int diag_open(void)
{
    const struct timeval wait = {.tv_sec = DIAG_WAIT_SECONDS};
    int diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

    if (diag < 0)
        return -1;
    if (setsockopt(diag, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0) {
        close(diag);
        return -1;
    }
    return diag;
}

static int diag_send(int diag, const struct duet_socket_address *kernel,
                     const struct duet_socket_address *peer)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 body;
    } request = {
        .header = {.nlmsg_len = sizeof(request),
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST},
        .body = {.sdiag_family = duet_address_is_ipv4(&kernel->address) ? AF_INET : AF_INET6,
                 .sdiag_protocol = IPPROTO_TCP,
                 .idiag_states = UINT32_MAX,
                 .id = {.idiag_sport = htons(kernel->port),
                        .idiag_dport = htons(peer->port),
                        .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
    };

    put_address(request.body.id.idiag_src, &kernel->address);
    put_address(request.body.id.idiag_dst, &peer->address);
    return send(diag, &request, sizeof(request), 0) < 0 ? -1 : 0;
}

/* ENOENT is the kernel's word for a connection it does not know. Any other error, such as one about
 * a protocol nobody answers for, means that it cannot be asked. */
static int diag_receive(int diag, enum duet_state *state)
{
    union {
        struct nlmsghdr header;
        uint8_t bytes[DIAG_REPLY];
    } reply;
    ssize_t got = recv(diag, &reply, sizeof(reply), 0);

    if (got < 0)
        return -1;
    if ((size_t)got >= NLMSG_HDRLEN + sizeof(struct nlmsgerr) &&
        reply.header.nlmsg_type == NLMSG_ERROR) {
        struct nlmsgerr verdict;

        memcpy(&verdict, reply.bytes + NLMSG_HDRLEN, sizeof(verdict));
        errno = verdict.error == 0 ? EPROTO : -verdict.error;
        if (errno != ENOENT)
            return -1;
        *state = DUET_CLOSED;
        return 0;
    }
    if ((size_t)got >= NLMSG_HDRLEN + sizeof(struct inet_diag_msg) &&
        reply.header.nlmsg_type == SOCK_DIAG_BY_FAMILY) {
        struct inet_diag_msg found;

        memcpy(&found, reply.bytes + NLMSG_HDRLEN, sizeof(found));
        return state_of_linux(found.idiag_state, state);
    }
    errno = EPROTO;
    return -1;
}

static int ask_diag(const struct duet_socket_address *kernel,
                    const struct duet_socket_address *peer, enum duet_state *state)
{
    int diag = diag_open();
    int result, why;

    if (diag < 0)
        return -1;
    result = diag_send(diag, kernel, peer);
    if (result == 0)
        result = diag_receive(diag, state);
    why = errno;
    close(diag);
    errno = why;
    return result;
}

/* A socket whose connection went on to TIME-WAIT says CLOSED, so that word tells nothing. */
static int ask_socket(int socket, enum duet_state *state)
{
    struct tcp_info info;
    socklen_t size = sizeof(info);

    if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
        return -1;
    if (info.tcpi_state == TCP_CLOSE) {
        errno = ENOTCONN;
        return -1;
    }
    return state_of_linux(info.tcpi_state, state);
}

int duet_kernel_state(const struct duet_socket_address *kernel,
                      const struct duet_socket_address *peer, int socket, enum duet_state *state)
{
    if (ask_diag(kernel, peer, state) == 0)
        return 0;
    return socket >= 0 ? ask_socket(socket, state) : -1;
}
