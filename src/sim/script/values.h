/* SPDX-License-Identifier: MIT */
/* Constants of the socket interface by name, with the numbers they have on Linux, so that scripts
 * mean the same wherever duet is built; and the values that expressions stand for.
 */
#ifndef SCRIPT_VALUES_H
#define SCRIPT_VALUES_H

#include "sim/script/script.h"

enum { /* those that the calls act on */
       S_AF_UNSPEC = 0,
       S_AF_INET = 2,
       S_AF_INET6 = 10,
       S_SOCK_STREAM = 1,
       S_SOCK_NONBLOCK = 04000,
       S_SOCK_CLOEXEC = 02000000,
       S_O_RDWR = 2,
       S_O_NONBLOCK = 04000,
       S_IPPROTO_IP = 0,
       S_IPPROTO_TCP = 6,
       S_IPPROTO_IPV6 = 41,
       S_SOL_SOCKET = 1,
       S_MSG_OOB = 1,
       S_MSG_PEEK = 2,
       S_MSG_TRUNC = 0x20,
       S_MSG_DONTWAIT = 0x40,
       S_MSG_EOR = 0x80,
       S_MSG_WAITALL = 0x100,
       S_MSG_MORE = 0x8000,
       S_MSG_FASTOPEN = 0x20000000,
       S_MSG_ERRQUEUE = 0x2000,
       S_SHUT_RD = 0,
       S_SHUT_WR = 1,
       S_SHUT_RDWR = 2,
       S_POLLIN = 1,
       S_POLLPRI = 2,
       S_POLLOUT = 4,
       S_POLLERR = 8,
       S_POLLHUP = 16,
       S_POLLNVAL = 32,
       S_POLLRDNORM = 0x40,
       S_POLLWRNORM = 0x100,
       S_POLLRDHUP = 0x2000,
       S_EPOLLET = (int)0x80000000,
       S_EPOLLONESHOT = 1 << 30,
       S_EPOLL_CTL_ADD = 1,
       S_EPOLL_CTL_DEL = 2,
       S_EPOLL_CTL_MOD = 3,
       S_F_GETFL = 3,
       S_F_SETFL = 4,
       S_F_GETFD = 1,
       S_F_SETFD = 2,
       S_FIONREAD = 0x541B,
       S_SIOCOUTQ = 0x5411,
       S_SIOCOUTQNSD = 0x894B,
       S_FIONBIO = 0x5421,
       S_SIOCATMARK = 0x8905,
       S_SO_REUSEADDR = 2,
       S_SO_TYPE = 3,
       S_SO_ERROR = 4,
       S_SO_SNDBUF = 7,
       S_SO_RCVBUF = 8,
       S_SO_KEEPALIVE = 9,
       S_SO_OOBINLINE = 10,
       S_SO_LINGER = 13,
       S_SO_RCVTIMEO = 20,
       S_SO_SNDTIMEO = 21,
       S_SO_ACCEPTCONN = 30,
       S_SO_SNDBUFFORCE = 32,
       S_SO_RCVBUFFORCE = 33,
       S_SO_PROTOCOL = 38,
       S_SO_DOMAIN = 39,
       S_IP_TOS = 1,
       S_IP_TTL = 2,
       S_IP_MTU = 14,
       S_IPV6_UNICAST_HOPS = 16,
       S_IPV6_TCLASS = 67,
       S_TCP_NODELAY = 1,
       S_TCP_MAXSEG = 2,
       S_TCP_CORK = 3,
       S_TCP_KEEPIDLE = 4,
       S_TCP_LINGER2 = 8,
       S_TCP_INFO = 11,
       S_TCP_QUICKACK = 12,
       S_TCP_CONGESTION = 13,
       S_TCP_USER_TIMEOUT = 18,
       S_TCP_FASTOPEN = 23,
};

/* False: there is no constant of that name. */
bool constant_value(const char *name, int64_t *value);

/* errno numbers and names of Linux. Unknown: -1, and "E?". */
int errno_number(const char *name);
const char *errno_name(int number);
const char *errno_sentence(int number);

/* A number, a constant, a | of them, htons(N), htonl(N), ...: false if it is something else. */
bool expression_number(const struct expression *expression, int64_t *value);
/* True for ... and for a missing expression: nothing to compare with, nothing to obey. */
bool expression_is_any(const struct expression *expression);
/* The value of a field of a structure by name, or the one at that place if it has no names. NULL:
 * none. */
const struct expression *expression_field(const struct expression *structure, const char *name,
                                          unsigned place);
/* {sa_family = AF_INET, sin_port = htons(N), sin_addr = inet_addr("A")}. False: not understood.
 * family is set to a S_AF_ constant. */
bool expression_address(const struct expression *expression, struct duet_socket_address *address,
                        int64_t *family);
/* The expression as it may be shown in a message. */
char *expression_print(const struct expression *expression, char *to, size_t size);

#endif
