/* SPDX-License-Identifier: MIT */
/* The namespace of a script: duet_kernel_open's, with the script's addresses and a way to everybody
 * else through the link.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "duet/loop.h"
#include "host/kernel/netlink.h"
#include "sim/script/kernel.h"

unsigned if_nametoindex(const char *name); /* net/if.h, which does not go with linux/if.h */

enum { PREFIX_IPV4 = 24, PREFIX_IPV6 = 64 };
#define READY_MAX (3 * DUET_SECOND)

/* Over a veth pair nobody answers ARP or neighbour discovery, so the kernel must not ask. */
static int switch_off_arp(const char *device)
{
    struct ifreq request = {0};
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memcpy(request.ifr_name, device, strlen(device));
    int result = control < 0 ? -1 : ioctl(control, SIOCGIFFLAGS, &request);
    request.ifr_flags = (short)(request.ifr_flags | IFF_NOARP);
    result = result < 0 ? -1 : ioctl(control, SIOCSIFFLAGS, &request);
    if (control >= 0) {
        close(control);
    }
    return result;
}

static int wait_for_address(int netlink, const struct duet_address *address)
{
    duet_time until = duet_loop_now() + READY_MAX;
    int ready = 0;
    while ((ready = netlink_is_local(netlink, address)) == 0) {
        if (duet_loop_now() > until) {
            errno = ETIMEDOUT;
            return -1;
        }
        usleep(500);
    }
    return ready < 0 ? -1 : 0;
}

int kernel_host_add(struct kernel_host *host, const struct settings *settings)
{
    bool tun = host->peer.kind == DUET_KERNEL_TUN;
    const char *device = tun ? "duet0" : "kernel0";
    bool v6 = !duet_address_is_ipv4(&settings->local);
    host->device = if_nametoindex(device);
    if (!tun && switch_off_arp(device) != 0) {
        return -1;
    }
    int netlink = netlink_open();
    if (netlink < 0) {
        return -1;
    }
    uint8_t prefix = settings->config.interfaces[0].prefix_length;
    prefix = prefix != 0 ? prefix : v6 ? PREFIX_IPV6 : PREFIX_IPV4;
    int result = netlink_add_address(netlink, host->device, &settings->local, prefix);
    result = result == 0 ? wait_for_address(netlink, &settings->local) : -1;
    bool at_once = settings->config.delayed_ack <= DUET_MILLISECOND; /* the least there is */
    result = result == 0 ? netlink_add_route(netlink, host->device, &settings->local, at_once) : -1;
    int error = errno;
    close(netlink);
    errno = error;
    return result;
}

/* What the two do alike by choice, so that what they do differently stands out: no tail loss probes (RFC 8985), no D-SACK (RFC 2883), no corking by itself, no memory of earlier
 * connections, no limit on answers. */
static void make_comparable(void)
{
    static const char *const rows[][2] = {
        {"net.ipv4.tcp_autocorking", "0"},
        {"net.ipv4.tcp_early_retrans", "0"},
        {"net.ipv4.tcp_invalid_ratelimit", "0"},
        {"net.ipv4.tcp_frto", "0"},
        {"net.ipv4.tcp_dsack", "1"},
        {"net.ipv4.tcp_no_metrics_save", "1"},
        {"net.ipv4.tcp_ecn", "2"},
        {"net.ipv4.tcp_syn_linear_timeouts", "0"},
        {"net.ipv4.icmp_ratelimit", "0"},
        {"net.ipv4.icmp_msgs_per_sec", "100000"},
        {"net.ipv4.conf.all.rp_filter", "0"},
        {"net.ipv4.conf.default.rp_filter", "0"},
        {"net.ipv4.conf.all.log_martians", "0"},
        {"net.ipv6.auto_flowlabels", "0"},
        {"net.ipv6.icmp.ratelimit", "0"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)kernel_host_set(rows[i][0], rows[i][1]); /* older kernels lack some */
    }
}

int kernel_host_open(struct kernel_host *host, const struct settings *settings, char *why,
                     size_t size)
{
    const struct duet_kernel_options options = {.mtu = settings->config.mtu};
    *host = (struct kernel_host){0};
    if (duet_kernel_open(&options, &host->peer, why, size) != 0) {
        host->peer.link = NULL;
        return -1;
    }
    make_comparable();
    if (kernel_host_add(host, settings) != 0) {
        snprintf(why, size, "the private namespace cannot be set up: %s", strerror(errno));
        kernel_host_close(host);
        return -1;
    }
    return 0;
}

void kernel_host_close(struct kernel_host *host)
{
    if (host->peer.link != NULL) {
        host->peer.link->close(host->peer.link);
        host->peer.link = NULL;
    }
}

bool kernel_host_set(const char *name, const char *value)
{
    char path[256];
    bool ours = strncmp(name, "net.ipv4.", 9) == 0 || strncmp(name, "net.ipv6.", 9) == 0;
    if (!ours || strchr(name, '/') != NULL || strstr(name, "..") != NULL ||
        snprintf(path, sizeof(path), "/proc/sys/%s", name) >= (int)sizeof(path)) {
        return false;
    }
    for (char *c = path + strlen("/proc/sys/"); *c != '\0'; c++) {
        *c = *c == '.' ? '/' : *c;
    }
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) {
        return false;
    }
    bool written = write(file, value, strlen(value)) == (ssize_t)strlen(value);
    close(file);
    return written;
}
