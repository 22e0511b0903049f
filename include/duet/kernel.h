/* SPDX-License-Identifier: MIT */
/* The operating system's own TCP as the peer of a stack (Linux), on real packets, without root.
 *
 * duet_kernel_open moves the calling process into a network namespace of its own and lays a link
 * into it. On the one side of the link is the kernel: sockets that this process makes from then on
 * live there. On the other side is whoever reads the link. Everything vanishes with the process.
 */
#ifndef DUET_KERNEL_H
#define DUET_KERNEL_H

#include "link.h"

#ifdef __cplusplus
extern "C" {
#endif

enum duet_kernel_link {
    DUET_KERNEL_ANY,    /* a TUN device, or a veth pair where TUN cannot be had */
    DUET_KERNEL_TUN,    /* needs /dev/net/tun to be open to the user */
    DUET_KERNEL_PACKET, /* AF_PACKET on one end of a veth pair, the kernel's TCP on the other */
    DUET_KERNEL_LINKS
};
const char *duet_kernel_link_name(enum duet_kernel_link link); /* "any", "tun", "packet" */

enum { DUET_KERNEL_QUEUES_MAX = 64 };

struct duet_kernel_options {
    enum duet_kernel_link link;
    uint32_t mtu; /* 1280 .. 65535; 0: 1500 */
    /* TUN: enum duet_offload bits wanted. PACKET: 0 makes the kernel send packets as on a real
     * wire; otherwise it leaves checksums undone and sends packets larger than the MTU. */
    uint32_t offload;
    uint32_t queues; /* TUN: queues of the device, at most DUET_KERNEL_QUEUES_MAX; 0: one */
};

struct duet_kernel {
    struct duet_link *link; /* duet's side; the caller closes it */
    /* With queues: all of them, of which link is the first. The caller closes each. */
    struct duet_link *queues[DUET_KERNEL_QUEUES_MAX];
    enum duet_kernel_link kind; /* TUN or PACKET */
    /* Index 0: IPv4 (prefix length 24), 1: IPv6 (64). */
    struct duet_interface ours[2];  /* for duet: 10.77.0.2, fd77::2 */
    struct duet_address kernels[2]; /* 10.77.0.1, fd77::1 */
};

/* The process must have one thread, and should have no sockets it wants to go on opening outside. A
 * process may open several peers one after the other; each has a namespace of its own, and sockets
 * are made in that of the last. 0, or -1 with errno and in why[0, size) one sentence that says what
 * could not be had. After a failure the process may be in a namespace without network. */
int duet_kernel_open(const struct duet_kernel_options *options, struct duet_kernel *kernel,
                     char *why, size_t size);

/* A socket of the kernel's TCP that never blocks: one that listens at kernel (for a single
 * connection not yet accepted) where peer is NULL, else one that has begun to connect to peer. -1
 * and errno on failure. */
int duet_kernel_socket(const struct duet_socket_address *kernel,
                       const struct duet_socket_address *peer);

/* The state of the kernel's end of a connection (kernel: its address and port; peer: duet's), also
 * after its socket was closed. Asked from the kernel by sock_diag(7); where that does not exist, by
 * TCP_INFO from socket, unless it is -1 or no longer knows. A connection unknown to the kernel is
 * CLOSED, or LISTEN where a listener has the port. 0, or -1 and errno where the kernel cannot be
 * asked. */
int duet_kernel_state(const struct duet_socket_address *kernel,
                      const struct duet_socket_address *peer, int socket, enum duet_state *state);

/* Where it cannot be asked: the state of an end after one of its segments left (is_departure) or
 * one of the other end's arrived, concluded from the state before. flags: enum duet_flag. acks_fin:
 * what arrived acknowledges this end's FIN. */
enum duet_state duet_kernel_infer(enum duet_state before, bool is_departure, unsigned flags,
                                  bool acks_fin);

/* ---- the kernel's TCP at both ends of a path (link.h), in real time ---- */

struct duet_kernel_path_options {
    struct duet_path_options path; /* offload: none */
    const char *controller;        /* "cubic", as the kernel names it */
    uint32_t buffer;               /* most that a socket may grow its buffers to, bytes */
    duet_time time_max;            /* the run ends after it */
    uint64_t bytes;                /* or when so many have been received; 0: no end */
};

struct duet_kernel_path_result {
    /* Bytes given to the receiver, and the time that took, without the first quarter of time_max. */
    uint64_t received;
    duet_time span;
    duet_time time;         /* with bytes: from connect to the last one; DUET_NEVER: not reached */
    uint64_t retransmitted; /* segments, as TCP_INFO counts them */
    duet_time stall;        /* the longest time without a byte for the receiver, after the first */
    duet_time late; /* the longest time by which this process was late to deliver a packet */
    struct duet_path_counts counts; /* what became of the sender's packets */
};

/* One connection between two namespaces whose TUN devices are the ends of a path. Every byte is
 * compared. As duet_kernel_open, it moves the process into a namespace; what it made is gone when it
 * returns or with the process. 0, or -1 with one sentence in why. */
int duet_kernel_path(const struct duet_kernel_path_options *options,
                     struct duet_kernel_path_result *result, char *why, size_t size);

#ifdef __cplusplus
}
#endif
#endif
