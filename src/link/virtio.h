/* SPDX-License-Identifier: MIT */
/* The header by which Linux and a program tell each other what is left to do to a packet: its
 * checksum, and its cutting into segments (struct virtio_net_hdr of linux/virtio_net.h, in the byte
 * order of the machine). Values only; no descriptor is touched here. */
#ifndef LINK_VIRTIO_H
#define LINK_VIRTIO_H

#include <linux/virtio_net.h>

#include "duet/stack.h"

/* Fills in packet's flags, checksum_start, checksum_offset and segment_size from what came with its
 * bytes [0, length). False: a field points outside the packet or contradicts it; drop the packet.
 * A sum that the kernel has not filled in yet is marked both CHECKSUM_PARTIAL, with its place, and
 * CHECKED: no wire was there to damage it. */
bool virtio_read(const struct virtio_net_hdr *header, struct duet_packet *packet);

/* The header for a packet to be sent. False: the packet asks for what cannot be done. */
bool virtio_write(struct virtio_net_hdr *header, const struct duet_packet *packet);

#endif
