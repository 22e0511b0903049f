/* SPDX-License-Identifier: MIT */
/* A private namespace with the kernel's TCP on one side of a link and the caller on the other. See
 * duet/kernel.h.
 *
 * Over a veth pair there is nobody who would answer ARP or neighbour discovery for duet, so the
 * kernel's end knows duet's MAC address for ever. That MAC is not the one duet's end of the pair
 * has: the kernel's own IP takes every frame that reaches that end for somebody else's, and stays
 * silent.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "duet/kernel.h"
#include "duet/loop.h"
#include "host/kernel/namespace.h"
#include "host/kernel/netlink.h"

enum { LOOPBACK_DEVICE = 1, MTU_DEFAULT = 1500, MTU_MIN = 1280, MTU_MAX = 65535 };
#define READY_MAX (10 * DUET_SECOND)
enum { IPV4_PREFIX = 24, IPV6_PREFIX = 64 };

#define TUN_NAME "duet0"

/* Ends of the veth pair, and the address at which the kernel believes duet to be. All are locally
 * administered (RFC 7042, section 2.1). */
static const struct netlink_veth_end veth_ends[2] = {
    {.name = "kernel0", .mac = {0x02, 'k', 'r', 'n', 'l', 0x01}},
    {.name = "duet0", .mac = {0x02, 'd', 'u', 'e', 't', 0x01}},
};
static const uint8_t duet_mac[MAC_SIZE] = {0x02, 'd', 'u', 'e', 't', 0x02};

const char *duet_kernel_link_name(enum duet_kernel_link link)
{
    switch (link) {
    case DUET_KERNEL_ANY:
        return "any";
    case DUET_KERNEL_TUN:
        return "tun";
    case DUET_KERNEL_PACKET:
        return "packet";
    case DUET_KERNEL_LINKS:
        break;
    }
    return "unknown";
}

static struct duet_address ipv6_77(uint8_t last)
{
    return (struct duet_address){.bytes = {0xfd, 0x77, [15] = last}};
}

static void set_addresses(struct duet_kernel *kernel)
{
    kernel->ours[0] = (struct duet_interface){duet_ipv4(10, 77, 0, 2), IPV4_PREFIX};
    kernel->ours[1] = (struct duet_interface){ipv6_77(2), IPV6_PREFIX};
    kernel->kernels[0] = duet_ipv4(10, 77, 0, 1);
    kernel->kernels[1] = ipv6_77(1);
}

/* ---- failing with a sentence ---- */

struct trouble {
    char *why;
    size_t size;
};

/* "what: why", where why is that of errno, which stays. */
static int failed(const struct trouble *trouble, const char *what)
{
    int why = errno;

    (void)snprintf(trouble->why, trouble->size, "%s: %s", what, strerror(why));
    errno = why;
    return -1;
}

/* The two usual reasons deserve better words than those of errno. */
static int failed_to_enter(const struct trouble *trouble)
{
    int why = errno;

    if (why == EPERM)
        (void)snprintf(trouble->why, trouble->size,
                       "cannot make a private network namespace: this system does not let its "
                       "users make namespaces");
    else if (why == ENOSPC)
        (void)snprintf(trouble->why, trouble->size,
                       "cannot make a private network namespace: no more are allowed (sysctl "
                       "user.max_user_namespaces, user.max_net_namespaces)");
    else
        return failed(trouble, "cannot make a private network namespace");
    errno = why;
    return -1;
}

/* ---- a quiet kernel ---- */

/* Keeps new devices from talking by themselves (router solicitations, link-local addresses). Where
 * /proc is closed it only means a few packets more, which are not TCP. */
static void set_quiet(const char *device, const char *setting, const char *value)
{
    char path[128];
    int file;

    (void)snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", device, setting);
    file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return;
    if (write(file, value, strlen(value)) < 0)
        errno = 0; /* as if it were not there */
    close(file);
}

static int switch_off(int control, const char *device, uint32_t what)
{
    struct ethtool_value value = {.cmd = what, .data = 0};
    struct ifreq request = {.ifr_data = (void *)&value};

    memcpy(request.ifr_name, device, strlen(device));
    return ioctl(control, SIOCETHTOOL, &request);
}

/* Makes the kernel send packets as they would be on a real wire: complete, and within the MTU. */
static int switch_off_offloads(const char *device)
{
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int result = -1;

    if (control < 0)
        return -1;
    if (switch_off(control, device, ETHTOOL_STSO) == 0 &&
        switch_off(control, device, ETHTOOL_SGSO) == 0 &&
        switch_off(control, device, ETHTOOL_STXCSUM) == 0)
        result = 0;
    close(control);
    return result;
}

/* ---- waiting for the kernel to get ready, which it does in the background ---- */

static int is_device_ready(int netlink, const void *what)
{
    return netlink_is_operational(netlink, if_nametoindex(what));
}

static int is_address_ready(int netlink, const void *what)
{
    return netlink_is_local(netlink, what);
}

/* is_ready says 1: ready, 0: not yet, or -1 with errno. */
static int wait_until(int (*is_ready)(int netlink, const void *what), int netlink, const void *what)
{
    const duet_time until = duet_loop_now() + READY_MAX;

    for (;;) {
        int ready = is_ready(netlink, what);

        if (ready != 0)
            return ready < 0 ? -1 : 0;
        if (duet_loop_now() > until) {
            errno = ETIMEDOUT;
            return -1;
        }
        (void)poll(NULL, 0, 1);
    }
}

/* ---- the two kinds of link ---- */

static int add_addresses(int netlink, unsigned device, const struct duet_kernel *kernel)
{
    for (int i = 0; i < 2; i++)
        if (netlink_add_address(netlink, device, &kernel->kernels[i],
                                kernel->ours[i].prefix_length) < 0 ||
            wait_until(is_address_ready, netlink, &kernel->kernels[i]) < 0)
            return -1;
    return 0;
}

static int open_queues(const struct duet_kernel_options *options, struct duet_kernel *kernel)
{
    if (options->queues <= 1)
        return duet_tun_open(TUN_NAME, options->mtu, options->offload, &kernel->link);
    if (options->queues > DUET_KERNEL_QUEUES_MAX) {
        errno = EINVAL;
        return -1;
    }
    if (duet_tun_open_queues(TUN_NAME, options->mtu, options->offload, kernel->queues,
                             options->queues) < 0)
        return -1;
    kernel->link = kernel->queues[0];
    return 0;
}

static void close_queues(struct duet_kernel *kernel)
{
    for (unsigned i = 1; i < DUET_KERNEL_QUEUES_MAX && kernel->queues[i] != NULL; i++)
        kernel->queues[i]->close(kernel->queues[i]);
    kernel->link->close(kernel->link);
    memset(kernel->queues, 0, sizeof kernel->queues);
    kernel->link = NULL; /* or whoever gives up would close it again */
}

static int open_tun(int netlink, const struct duet_kernel_options *options,
                    struct duet_kernel *kernel, const struct trouble *trouble)
{
    if (open_queues(options, kernel) < 0)
        return failed(trouble, "cannot open a TUN device");
    kernel->kind = DUET_KERNEL_TUN;
    if (add_addresses(netlink, if_nametoindex(TUN_NAME), kernel) == 0)
        return 0;
    (void)failed(trouble, "cannot set up a TUN device");
    int error = errno;
    close_queues(kernel);
    errno = error;
    return -1;
}

static int set_up_veth(int netlink, const struct duet_kernel *kernel)
{
    unsigned device = if_nametoindex(veth_ends[0].name);

    set_quiet(veth_ends[1].name, "disable_ipv6", "1");
    if (netlink_set_up(netlink, if_nametoindex(veth_ends[1].name)) < 0 ||
        netlink_set_up(netlink, device) < 0)
        return -1;
    for (int i = 0; i < 2; i++)
        if (wait_until(is_device_ready, netlink, veth_ends[i].name) < 0)
            return -1;
    if (add_addresses(netlink, device, kernel) < 0)
        return -1;
    for (int i = 0; i < 2; i++)
        if (netlink_add_neighbour(netlink, device, &kernel->ours[i].address, duet_mac) < 0)
            return -1;
    return 0;
}

static int open_packet(int netlink, const struct duet_kernel_options *options,
                       struct duet_kernel *kernel, const struct trouble *trouble)
{
    if (netlink_add_veth(netlink, veth_ends, options->mtu) < 0)
        return failed(trouble, "cannot make a veth pair");
    if (options->offload == 0 && switch_off_offloads(veth_ends[0].name) < 0)
        return failed(trouble, "cannot switch off the offloads of a veth pair");
    if (set_up_veth(netlink, kernel) < 0)
        return failed(trouble, "cannot set up a veth pair");
    if (duet_packet_open(veth_ends[1].name, veth_ends[0].mac, &kernel->link) < 0)
        return failed(trouble, "cannot open an AF_PACKET socket");
    kernel->kind = DUET_KERNEL_PACKET;
    return 0;
}

/* ---- both ---- */

static int open_link(int netlink, const struct duet_kernel_options *options,
                     struct duet_kernel *kernel, const struct trouble *trouble)
{
    char tun_why[128];
    const struct trouble tun_trouble = {tun_why, sizeof(tun_why)};

    set_quiet("default", "addr_gen_mode", "1"); /* no link-local address */
    set_quiet("default", "router_solicitations", "0");
    if (netlink_set_up(netlink, LOOPBACK_DEVICE) < 0)
        return failed(trouble, "cannot bring up the loopback device");
    switch (options->link) {
    case DUET_KERNEL_TUN:
        return open_tun(netlink, options, kernel, trouble);
    case DUET_KERNEL_PACKET:
        return open_packet(netlink, options, kernel, trouble);
    case DUET_KERNEL_ANY:
        if (open_tun(netlink, options, kernel, &tun_trouble) == 0 ||
            open_packet(netlink, options, kernel, trouble) == 0)
            return 0;
        (void)snprintf(trouble->why + strlen(trouble->why), trouble->size - strlen(trouble->why),
                       "; and %s", tun_why);
        return -1;
    case DUET_KERNEL_LINKS:
        break;
    }
    errno = EINVAL;
    return failed(trouble, "no such kind of link");
}

int duet_kernel_open(const struct duet_kernel_options *options, struct duet_kernel *kernel,
                     char *why, size_t size)
{
    struct trouble trouble = {.size = size};
    struct duet_kernel_options wanted = *options;
    int netlink, result, error;

    trouble.why = why;
    *kernel = (struct duet_kernel){0};
    set_addresses(kernel);
    if (wanted.mtu == 0)
        wanted.mtu = MTU_DEFAULT;
    if (wanted.mtu < MTU_MIN || wanted.mtu > MTU_MAX) {
        errno = EINVAL;
        return failed(&trouble, "the MTU must be 1280 to 65535");
    }
    if (namespace_enter() < 0)
        return failed_to_enter(&trouble);
    netlink = netlink_open();
    if (netlink < 0)
        return failed(&trouble, "cannot open a netlink socket");
    result = open_link(netlink, &wanted, kernel, &trouble);
    error = errno;
    close(netlink);
    errno = error;
    return result;
}
