/* SPDX-License-Identifier: MIT */
/* The few things asked of Linux about network devices, as rtnetlink messages: devices up, veth
 * pairs, addresses, permanent neighbours. For a network namespace that this process has made for
 * itself.
 *
 * Every function sends one request, waits for its acknowledgement (two seconds at most) and returns
 * 0, or -1 with the kernel's errno. */
#ifndef HOST_KERNEL_NETLINK_H
#define HOST_KERNEL_NETLINK_H

#include "duet/stack.h"

enum { MAC_SIZE = 6 };

/* A descriptor for the functions below; the caller closes it. */
int netlink_open(void);

struct netlink_veth_end {
    const char *name;
    uint8_t mac[MAC_SIZE];
};
/* Makes a pair of Ethernet devices: what one sends, the other receives. Both are down. */
int netlink_add_veth(int netlink, const struct netlink_veth_end ends[2], uint32_t mtu);

int netlink_set_up(int netlink, unsigned device);

/* 1 if the device has a carrier and the kernel has noticed (RFC 2863: ifOperStatus up), 0 if not
 * yet. Until then an Ethernet device drops what is sent. */
int netlink_is_operational(int netlink, unsigned device);

/* Duplicates of an IPv6 address are not looked for. */
int netlink_add_address(int netlink, unsigned device, const struct duet_address *address,
                        uint8_t prefix_length);

/* 1 if packets to that address are for this host, 0 if not yet: the kernel takes an IPv6 address
 * into use some time after it was added. */
int netlink_is_local(int netlink, const struct duet_address *address);

/* Who has that address is at that MAC, for ever: neither ARP nor neighbour discovery asks. */
int netlink_add_neighbour(int netlink, unsigned device, const struct duet_address *address,
                          const uint8_t mac[MAC_SIZE]);

/* Every destination of the source's family is reached through that device, from that source where a
 * socket names none. at_once: TCP acknowledges
 * every segment it receives over this route, without waiting for a second one. */
int netlink_add_route(int netlink, unsigned device, const struct duet_address *source,
                      bool at_once);

#endif
