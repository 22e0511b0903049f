/* SPDX-License-Identifier: MIT */
/* Offloads of a packet to and from Linux's struct virtio_net_hdr. See virtio.h.
 *
 * Nothing of the header is believed before it has been compared with the bytes it came with: the
 * other side of a TUN device is the kernel, but of a device that was handed to us it may be
 * anybody.
 */
#include "link/virtio.h"

#include <string.h>

#include "wire/tcp.h"

/* In the TCP header: the byte with the data offset, and the byte with the control bits. */
enum { TCP_AT_OFFSET = 12, TCP_AT_FLAGS = 13, CHECKSUM_SIZE = 2 };

static bool is_place_inside(uint32_t start, uint32_t offset, uint32_t length)
{
    return start < length && start + offset + CHECKSUM_SIZE <= length;
}

/* The length of IP and TCP header, or 0 if they do not lie inside the packet. */
static uint32_t headers_length(const struct duet_packet *packet)
{
    uint32_t length;

    if ((uint32_t)packet->checksum_start + TCP_HEADER > packet->length)
        return 0;
    length =
        packet->checksum_start + 4U * (packet->data[packet->checksum_start + TCP_AT_OFFSET] >> 4);
    if (length < (uint32_t)packet->checksum_start + TCP_HEADER || length > packet->length)
        return 0;
    return length;
}

static uint8_t segmentation_type(const struct duet_packet *packet)
{
    return packet->data[0] >> 4 == 6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
}

static bool read_segmentation(const struct virtio_net_hdr *header, struct duet_packet *packet)
{
    uint8_t type = header->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;

    if (type == VIRTIO_NET_HDR_GSO_NONE)
        return true;
    if (packet->length == 0 || type != segmentation_type(packet))
        return false;
    if (header->gso_size == 0 || (packet->flags & DUET_PACKET_CHECKSUM_PARTIAL) == 0)
        return false;
    if (headers_length(packet) == 0)
        return false;
    packet->segment_size = header->gso_size;
    return true;
}

bool virtio_read(const struct virtio_net_hdr *header, struct duet_packet *packet)
{
    packet->flags = 0;
    packet->segment_size = 0;
    packet->checksum_start = 0;
    packet->checksum_offset = 0;
    if (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
        if (!is_place_inside(header->csum_start, header->csum_offset, packet->length))
            return false;
        packet->checksum_start = header->csum_start;
        packet->checksum_offset = header->csum_offset;
        packet->flags = DUET_PACKET_CHECKSUM_PARTIAL | DUET_PACKET_CHECKED;
    }
    if (header->flags & VIRTIO_NET_HDR_F_DATA_VALID)
        packet->flags |= DUET_PACKET_CHECKED;
    return read_segmentation(header, packet);
}

/* A packet that is one segment after all is sent as such: Linux refuses to cut it. */
static bool write_segmentation(struct virtio_net_hdr *header, const struct duet_packet *packet)
{
    uint32_t headers;

    if ((packet->flags & DUET_PACKET_CHECKSUM_PARTIAL) == 0)
        return false;
    headers = headers_length(packet);
    if (headers == 0)
        return false;
    if (packet->length - headers <= packet->segment_size)
        return true;
    header->gso_type = segmentation_type(packet);
    if (packet->data[packet->checksum_start + TCP_AT_FLAGS] & DUET_CWR)
        header->gso_type |= VIRTIO_NET_HDR_GSO_ECN; /* CWR belongs on the first segment only */
    header->hdr_len = (uint16_t)headers;
    header->gso_size = packet->segment_size;
    return true;
}

bool virtio_write(struct virtio_net_hdr *header, const struct duet_packet *packet)
{
    memset(header, 0, sizeof(*header));
    if (packet->flags & DUET_PACKET_CHECKSUM_PARTIAL) {
        if (!is_place_inside(packet->checksum_start, packet->checksum_offset, packet->length))
            return false;
        header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        header->csum_start = packet->checksum_start;
        header->csum_offset = packet->checksum_offset;
    }
    return packet->segment_size == 0 || write_segmentation(header, packet);
}
