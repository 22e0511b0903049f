/* SPDX-License-Identifier: MIT */
/* Fuzzer of the header in which Linux tells what is left to do to a packet of a TUN device: ten bytes of it, then the
 * packet. What is taken from it lies within the packet; written and read again it says the same. */
#include "fuzz.h"

#include "link/virtio.h"

/* The places that a link or the stack will write to or cut at. */
static void expect_inside(const struct duet_packet *packet)
{
    if ((packet->flags & DUET_PACKET_CHECKSUM_PARTIAL) != 0)
        EXPECT(packet->checksum_start + packet->checksum_offset + 2u <= packet->length);
    if (packet->segment_size == 0)
        return;
    EXPECT((packet->flags & DUET_PACKET_CHECKSUM_PARTIAL) != 0);
    EXPECT(packet->checksum_start + 20u <= packet->length);
    const uint32_t tcp = (packet->data[packet->checksum_start + 12] / 16u) * 4u;
    EXPECT(tcp >= 20 && packet->checksum_start + tcp <= packet->length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, data + size};
    struct virtio_net_hdr header, again;
    if (size < sizeof header)
        return 0;
    memcpy(&header, data, sizeof header);
    input.at += sizeof header;
    uint8_t *bytes = fuzz_copy(&input);
    struct duet_packet packet = {.data = bytes, .length = (uint32_t)left(&input)};
    if (virtio_read(&header, &packet)) {
        expect_inside(&packet);
        struct duet_packet read = packet;
        EXPECT(virtio_write(&again, &packet) && virtio_read(&again, &read));
        expect_inside(&read);
        EXPECT(read.checksum_start == packet.checksum_start);
        EXPECT(read.checksum_offset == packet.checksum_offset);
        EXPECT(read.segment_size == packet.segment_size || read.segment_size == 0);
    }
    free(bytes);
    return 0;
}
