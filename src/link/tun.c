/* SPDX-License-Identifier: MIT */
/* A TUN device of Linux: IP packets to and from the kernel through a descriptor.
 *
 * With offloads every packet has a struct virtio_net_hdr in front. The kernel then hands over
 * packets of up to 64 KB with their checksum undone, and takes such; without them (offload 0)
 * packets are as on a real wire. A reader of this link needs room for 65535 bytes where it asked
 * for segmentation.
 *
 * A device may have several queues, each a descriptor of its own. The kernel sends a flow to the
 * queue that its addresses and ports say, by a hash that is the same for both directions, or to
 * the one on which the flow was last sent to it, which it remembers for some seconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "duet/link.h"
#include "link/virtio.h"

/* Bad packets are skipped, but not for ever: after so many, receive says that there is none. */
enum { TUN_SKIP_MAX = 16 };

struct tun {
    struct duet_link link; /* first, so that a link is a TUN */
    int descriptor;
    bool has_header; /* a struct virtio_net_hdr before each packet */
};

static struct tun *tun_of(struct duet_link *link)
{
    return (struct tun *)(void *)link;
}

static bool is_temporary(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ENOBUFS ||
           error == ENOMEM;
}

static bool tun_send(struct duet_link *link, duet_time now, const struct duet_packet *packet)
{
    struct tun *tun = tun_of(link);
    struct virtio_net_hdr header;
    struct iovec parts[2 + UINT8_MAX]; /* 4 KiB, of which few are used: not to be cleared */
    int skip = tun->has_header ? 0 : 1, count = 2;

    (void)now;
    parts[0] = (struct iovec){.iov_base = &header, .iov_len = sizeof(header)};
    parts[1] = (struct iovec){.iov_base = packet->data, .iov_len = packet->length};
    for (unsigned i = 0; i < packet->piece_count && i < UINT8_MAX; i++, count++) {
        memcpy(&parts[count].iov_base, &packet->pieces[i].data, sizeof(void *));
        parts[count].iov_len = packet->pieces[i].size;
        parts[1].iov_len -= packet->pieces[i].size;
    }
    if (tun->has_header
            ? !virtio_write(&header, packet)
            : packet->segment_size != 0 || (packet->flags & DUET_PACKET_CHECKSUM_PARTIAL) != 0) {
        link->error = EINVAL;
        return false;
    }
    if (writev(tun->descriptor, parts + skip, count - skip) >= 0)
        return true;
    if (!is_temporary(errno))
        link->error = errno;
    return false;
}

/* The bytes of the next packet, or a negative number. */
static ssize_t read_packet(struct tun *tun, struct virtio_net_hdr *header,
                           struct duet_packet *packet)
{
    struct iovec parts[2] = {{.iov_base = header, .iov_len = sizeof(*header)},
                             {.iov_base = packet->data, .iov_len = packet->size}};
    int skip = tun->has_header ? 0 : 1;
    ssize_t got = readv(tun->descriptor, parts + skip, 2 - skip);

    if (got < 0) {
        if (!is_temporary(errno))
            tun->link.error = errno;
        return -1;
    }
    if (!tun->has_header)
        return got;
    return got < (ssize_t)sizeof(*header) ? 0 : got - (ssize_t)sizeof(*header);
}

static bool tun_receive(struct duet_link *link, duet_time now, struct duet_packet *packet)
{
    struct tun *tun = tun_of(link);
    struct virtio_net_hdr header = {0};

    (void)now;
    for (int i = 0; i < TUN_SKIP_MAX; i++) {
        ssize_t got = read_packet(tun, &header, packet);

        if (got < 0)
            return false;
        packet->length = (uint32_t)got;
        packet->tag = 0;
        packet->departure = 0;
        if (got > 0 && virtio_read(&header, packet))
            return true;
    }
    return false;
}

static duet_time tun_deadline(const struct duet_link *link)
{
    (void)link;
    return DUET_NEVER;
}

static int tun_descriptor(const struct duet_link *link)
{
    return ((const struct tun *)(const void *)link)->descriptor;
}

static void tun_close(struct duet_link *link)
{
    struct tun *tun = tun_of(link);

    close(tun->descriptor);
    free(tun);
}

/* ---- opening ---- */

static int attach(int descriptor, const char *name, short flags)
{
    struct ifreq request = {0};

    if (strlen(name) >= sizeof(request.ifr_name)) {
        errno = EINVAL;
        return -1;
    }
    memcpy(request.ifr_name, name, strlen(name));
    request.ifr_flags = flags;
    return ioctl(descriptor, TUNSETIFF, &request);
}

/* Tells the kernel what it may leave undone, and says what is granted. It hands over large packets
 * only where it may leave the checksum undone as well, so the one brings the other. */
static uint32_t negotiate(int descriptor, uint32_t wanted)
{
    const uint32_t sum = DUET_OFFLOAD_CHECKSUM_OUT | DUET_OFFLOAD_CHECKSUM_IN;
    int size = (int)sizeof(struct virtio_net_hdr);

    if (wanted == 0 || ioctl(descriptor, TUNSETVNETHDRSZ, &size) < 0)
        return 0;
    if (wanted & DUET_OFFLOAD_SEGMENT &&
        ioctl(descriptor, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN) == 0)
        return sum | DUET_OFFLOAD_SEGMENT | (wanted & DUET_OFFLOAD_GATHER);
    if (wanted & DUET_OFFLOAD_CHECKSUM_IN && ioctl(descriptor, TUNSETOFFLOAD, TUN_F_CSUM) == 0)
        return wanted & sum;
    return wanted & DUET_OFFLOAD_CHECKSUM_OUT; /* to send with its sum undone needs no leave */
}

/* Sets the MTU and brings the device up, where it is not so already. */
static int configure(const char *name, uint32_t mtu)
{
    struct ifreq request = {0};
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int result = -1;

    if (control < 0)
        return -1;
    memcpy(request.ifr_name, name, strlen(name));
    if (ioctl(control, SIOCGIFMTU, &request) < 0)
        goto out;
    if (request.ifr_mtu != (int)mtu) {
        request.ifr_mtu = (int)mtu;
        if (ioctl(control, SIOCSIFMTU, &request) < 0)
            goto out;
    }
    if (ioctl(control, SIOCGIFFLAGS, &request) < 0)
        goto out;
    if ((request.ifr_flags & IFF_UP) == 0) {
        request.ifr_flags |= IFF_UP;
        if (ioctl(control, SIOCSIFFLAGS, &request) < 0)
            goto out;
    }
    result = 0;
out:
    close(control);
    return result;
}

/* One queue of the device. */
static int open_queue(const char *name, uint32_t mtu, uint32_t offload, short flags,
                      struct duet_link **link)
{
    struct tun *tun = calloc(1, sizeof(*tun));

    if (tun == NULL)
        return -1;
    tun->has_header = offload != 0;
    tun->link = (struct duet_link){.send = tun_send,
                                   .receive = tun_receive,
                                   .deadline = tun_deadline,
                                   .descriptor = tun_descriptor,
                                   .close = tun_close,
                                   .mtu = mtu};
    if (tun->has_header)
        flags |= IFF_VNET_HDR;
    tun->descriptor = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (tun->descriptor < 0)
        goto fail;
    if (attach(tun->descriptor, name, flags) < 0)
        goto fail;
    tun->link.offload = negotiate(tun->descriptor, offload);
    if (configure(name, mtu) < 0)
        goto fail;
    *link = &tun->link;
    return 0;
fail:
    if (tun->descriptor >= 0) {
        int why = errno;

        close(tun->descriptor);
        errno = why;
    }
    free(tun);
    return -1;
}

int duet_tun_open(const char *name, uint32_t mtu, uint32_t offload, struct duet_link **link)
{
    return open_queue(name, mtu, offload, IFF_TUN | IFF_NO_PI, link);
}

int duet_tun_open_queues(const char *name, uint32_t mtu, uint32_t offload, struct duet_link **links,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (open_queue(name, mtu, offload, IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE, &links[i]) == 0)
            continue;
        int why = errno;

        while (i-- > 0)
            links[i]->close(links[i]);
        errno = why;
        return -1;
    }
    return 0;
}
