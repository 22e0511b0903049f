/* SPDX-License-Identifier: MIT */
/* Sockets of the kernel, from addresses of ours. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "duet/kernel.h"

struct name {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } u;
    socklen_t size;
};

static struct name name_of(const struct duet_socket_address *address)
{
    struct name name = {0};

    if (duet_address_is_ipv4(&address->address)) {
        name.u.v4.sin_family = AF_INET;
        name.u.v4.sin_port = htons(address->port);
        memcpy(&name.u.v4.sin_addr, address->address.bytes + 12, 4);
        name.size = sizeof(name.u.v4);
    } else {
        name.u.v6.sin6_family = AF_INET6;
        name.u.v6.sin6_port = htons(address->port);
        memcpy(&name.u.v6.sin6_addr, address->address.bytes, 16);
        name.size = sizeof(name.u.v6);
    }
    return name;
}

static int listen_at(int descriptor, const struct name *here)
{
    if (bind(descriptor, &here->u.any, here->size) < 0)
        return -1;
    return listen(descriptor, 1);
}

static int begin_connect(int descriptor, const struct name *there)
{
    if (connect(descriptor, &there->u.any, there->size) < 0 && errno != EINPROGRESS)
        return -1;
    return 0;
}

int duet_kernel_socket(const struct duet_socket_address *kernel,
                       const struct duet_socket_address *peer)
{
    const struct name name = name_of(peer == NULL ? kernel : peer);
    int descriptor = socket(name.u.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int why;

    if (descriptor < 0)
        return -1;
    if ((peer == NULL ? listen_at(descriptor, &name) : begin_connect(descriptor, &name)) == 0)
        return descriptor;
    why = errno;
    close(descriptor);
    errno = why;
    return -1;
}
