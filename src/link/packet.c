/* SPDX-License-Identifier: MIT */
/* The layer 3 of an Ethernet device through an AF_PACKET socket (Linux): the kernel adds and takes
 * off the Ethernet header, so ARP, NDP and whatever else is not IP never comes here.
 *
 * Meant for one end of a veth pair whose other end belongs to the kernel's own TCP. Such packets
 * were never on a wire, and the kernel knows it:
 *   - their checksum may not have been computed yet. The kernel says so beside each
 * (PACKET_AUXDATA, TP_STATUS_CSUMNOTREADY), and the packet is marked CHECKED: nothing could have
 * damaged it.
 *   - one of them may be many segments long (GSO). The virtio header that would tell their size is
 * for SOCK_RAW only, so such a packet is handed over as the one large segment that it looks like;
 * it is valid TCP. A reader needs room for 65535 bytes, or the packet counts as lost. Who wants
 * packets as on a real wire turns both off at the sending end (ethtool's tx and tso, gso), as
 * duet's own kernel peer does (duet/kernel.h). Nothing is asked of the kernel for what we send.
 */
#include <errno.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "duet/link.h"

/* Frames that are not for us are skipped, but not for ever: after so many, receive says "none". */
enum { PACKET_SKIP_MAX = 64 };

/* Bytes of packets that may wait: some hundred full ones. The kernel grants what its limit allows.
 */
enum { PACKET_WAITING = 4 << 20 };

struct packet_link {
    struct duet_link link; /* first, so that a link is a packet link */
    int descriptor;
    int device; /* index of the interface */
    uint8_t peer_mac[ETH_ALEN];
};

static struct packet_link *packet_link(struct duet_link *link)
{
    return (struct packet_link *)(void *)link;
}

static bool is_temporary(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ENOBUFS ||
           error == ENOMEM;
}

static uint16_t network16(uint16_t value)
{
    uint16_t result;
    uint8_t bytes[2];

    bytes_put16(bytes, value);
    memcpy(&result, bytes, sizeof(result));
    return result;
}

static bool packet_send(struct duet_link *link, duet_time now, const struct duet_packet *packet)
{
    struct packet_link *self = packet_link(link);
    struct sockaddr_ll to = {
        .sll_family = AF_PACKET, .sll_ifindex = self->device, .sll_halen = ETH_ALEN};
    bool is_ipv6 = packet->length > 0 && packet->data[0] >> 4 == 6;

    (void)now;
    if (packet->segment_size != 0 || (packet->flags & DUET_PACKET_CHECKSUM_PARTIAL) != 0) {
        link->error = EINVAL; /* not among this link's offloads */
        return false;
    }
    to.sll_protocol = network16(is_ipv6 ? ETH_P_IPV6 : ETH_P_IP);
    memcpy(to.sll_addr, self->peer_mac, ETH_ALEN);
    if (sendto(self->descriptor, packet->data, packet->length, MSG_DONTWAIT,
               (const struct sockaddr *)&to, sizeof(to)) >= 0)
        return true;
    if (!is_temporary(errno))
        link->error = errno;
    return false;
}

static bool has_checked_sum(struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        struct tpacket_auxdata aux;

        if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA ||
            c->cmsg_len < CMSG_LEN(sizeof(aux)))
            continue;
        memcpy(&aux, CMSG_DATA(c), sizeof(aux));
        return (aux.tp_status & (TP_STATUS_CSUMNOTREADY | TP_STATUS_CSUM_VALID)) != 0;
    }
    return false;
}

/* Whether this is an IP packet that came in whole. */
static bool is_for_us(const struct sockaddr_ll *from, const struct msghdr *message)
{
    return from->sll_pkttype != PACKET_OUTGOING && (message->msg_flags & MSG_TRUNC) == 0 &&
           (from->sll_protocol == network16(ETH_P_IP) ||
            from->sll_protocol == network16(ETH_P_IPV6));
}

static bool packet_receive(struct duet_link *link, duet_time now, struct duet_packet *packet)
{
    struct packet_link *self = packet_link(link);

    (void)now;
    for (int i = 0; i < PACKET_SKIP_MAX; i++) {
        union {
            char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
            struct cmsghdr align;
        } control;
        struct sockaddr_ll from = {0};
        struct iovec part = {.iov_base = packet->data, .iov_len = packet->size};
        struct msghdr message = {.msg_name = &from,
                                 .msg_namelen = sizeof(from),
                                 .msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control.bytes,
                                 .msg_controllen = sizeof(control.bytes)};
        ssize_t got = recvmsg(self->descriptor, &message, MSG_DONTWAIT);

        if (got < 0) {
            if (!is_temporary(errno))
                link->error = errno;
            return false;
        }
        if (!is_for_us(&from, &message))
            continue;
        packet->length = (uint32_t)got;
        packet->segment_size = packet->checksum_start = packet->checksum_offset = 0;
        packet->flags = has_checked_sum(&message) ? DUET_PACKET_CHECKED : 0;
        packet->departure = 0;
        packet->tag = 0;
        return true;
    }
    return false;
}

static duet_time packet_deadline(const struct duet_link *link)
{
    (void)link;
    return DUET_NEVER;
}

static int packet_descriptor(const struct duet_link *link)
{
    return ((const struct packet_link *)(const void *)link)->descriptor;
}

static void packet_close(struct duet_link *link)
{
    struct packet_link *self = packet_link(link);

    close(self->descriptor);
    free(self);
}

/* ---- opening ---- */

static int find_device(struct packet_link *self, const char *device)
{
    struct ifreq request = {0};

    if (strlen(device) >= sizeof(request.ifr_name)) {
        errno = EINVAL;
        return -1;
    }
    memcpy(request.ifr_name, device, strlen(device));
    if (ioctl(self->descriptor, SIOCGIFMTU, &request) < 0)
        return -1;
    self->link.mtu = (uint32_t)request.ifr_mtu;
    if (ioctl(self->descriptor, SIOCGIFINDEX, &request) < 0)
        return -1;
    self->device = request.ifr_ifindex;
    return 0;
}

/* One socket for IPv4 and IPv6 must ask for every protocol, and would see what we send as well. */
static int bind_to_device(struct packet_link *self)
{
    const struct sockaddr_ll here = {
        .sll_family = AF_PACKET, .sll_protocol = network16(ETH_P_ALL), .sll_ifindex = self->device};
    int on = 1, waiting = PACKET_WAITING;

    if (setsockopt(self->descriptor, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) < 0)
        return -1;
    /* Both spare work where they can be had; packet_receive() does without. */
    (void)setsockopt(self->descriptor, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
    (void)setsockopt(self->descriptor, SOL_SOCKET, SO_RCVBUF, &waiting, sizeof(waiting));
    return bind(self->descriptor, (const struct sockaddr *)&here, sizeof(here));
}

int duet_packet_open(const char *device, const uint8_t *peer_mac, struct duet_link **link)
{
    struct packet_link *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return -1;
    self->link = (struct duet_link){.send = packet_send,
                                    .receive = packet_receive,
                                    .deadline = packet_deadline,
                                    .descriptor = packet_descriptor,
                                    .close = packet_close,
                                    .offload = DUET_OFFLOAD_CHECKSUM_IN};
    memcpy(self->peer_mac, peer_mac, ETH_ALEN);
    /* Protocol 0: nothing is received before it is bound to the device. */
    self->descriptor = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (self->descriptor < 0)
        goto fail;
    if (find_device(self, device) < 0 || bind_to_device(self) < 0)
        goto fail;
    *link = &self->link;
    return 0;
fail:
    if (self->descriptor >= 0) {
        int why = errno;

        close(self->descriptor);
        errno = why;
    }
    free(self);
    return -1;
}
