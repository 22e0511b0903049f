/* SPDX-License-Identifier: MIT */
/* Offloads to and from Linux's virtio header: what is believed, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "link/virtio.h"
#include "wire/tcp.h"

enum { LENGTH = 3000, IP = 20, SUM = 16 };

/* An IPv4 packet of 3000 bytes: 20 of IP, 20 of TCP. Only what virtio.c looks at is filled in. */
static struct duet_packet large_packet(uint8_t *data)
{
    memset(data, 0, LENGTH);
    data[0] = 0x45;
    data[IP + 12] = 0x50;
    data[IP + 13] = DUET_ACK;
    return (struct duet_packet){.data = data, .size = LENGTH, .length = LENGTH};
}

static struct virtio_net_hdr large_header(void)
{
    return (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                   .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
                                   .hdr_len = IP + TCP_HEADER,
                                   .gso_size = 1460,
                                   .csum_start = IP,
                                   .csum_offset = SUM};
}

static void empty_header_means_a_packet_as_on_a_wire(void **state)
{
    uint8_t data[LENGTH];
    struct duet_packet packet = large_packet(data);
    const struct virtio_net_hdr header = {0};

    (void)state;
    packet.flags = DUET_PACKET_CHECKED;
    packet.segment_size = 7;
    assert_true(virtio_read(&header, &packet));
    assert_int_equal(packet.flags, 0);
    assert_int_equal(packet.segment_size, 0);
}

static void large_packet_is_read_with_its_place_of_checksum(void **state)
{
    uint8_t data[LENGTH];
    struct duet_packet packet = large_packet(data);
    struct virtio_net_hdr header = large_header();

    (void)state;
    header.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
    assert_true(virtio_read(&header, &packet));
    assert_int_equal(packet.flags, DUET_PACKET_CHECKED | DUET_PACKET_CHECKSUM_PARTIAL);
    assert_int_equal(packet.checksum_start, IP);
    assert_int_equal(packet.checksum_offset, SUM);
    assert_int_equal(packet.segment_size, 1460);
}

static void verified_packet_is_marked_checked(void **state)
{
    uint8_t data[LENGTH];
    struct duet_packet packet = large_packet(data);
    const struct virtio_net_hdr header = {.flags = VIRTIO_NET_HDR_F_DATA_VALID};

    (void)state;
    assert_true(virtio_read(&header, &packet));
    assert_int_equal(packet.flags, DUET_PACKET_CHECKED);
}

static void read_back_is_what_was_written(void **state)
{
    uint8_t data[LENGTH];
    struct duet_packet packet = large_packet(data), again = packet;
    struct virtio_net_hdr header;

    (void)state;
    packet.flags = DUET_PACKET_CHECKSUM_PARTIAL;
    packet.checksum_start = IP;
    packet.checksum_offset = SUM;
    packet.segment_size = 1400;
    assert_true(virtio_write(&header, &packet));
    assert_int_equal(header.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
    assert_int_equal(header.hdr_len, IP + TCP_HEADER);
    assert_true(virtio_read(&header, &again));
    assert_int_equal(again.segment_size, 1400);
    assert_int_equal(again.checksum_start, IP);
    assert_int_equal(again.checksum_offset, SUM);

    data[0] = 0x60;
    data[IP + 13] |= DUET_CWR;
    assert_true(virtio_write(&header, &packet));
    assert_int_equal(header.gso_type, VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN);
}

static void packet_of_one_segment_is_not_cut(void **state)
{
    uint8_t data[LENGTH];
    struct duet_packet packet = large_packet(data);
    struct virtio_net_hdr header;

    (void)state;
    packet.flags = DUET_PACKET_CHECKSUM_PARTIAL;
    packet.checksum_start = IP;
    packet.checksum_offset = SUM;
    packet.segment_size = LENGTH - IP - TCP_HEADER;
    assert_true(virtio_write(&header, &packet));
    assert_int_equal(header.gso_type, VIRTIO_NET_HDR_GSO_NONE);
    assert_int_equal(header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
}

/* One change to the good header, or to the packet, that makes reading it wrong. */
struct bad_read {
    const char *why;
    uint32_t length;
    uint8_t data_offset; /* byte 12 of the TCP header */
    struct virtio_net_hdr header;
};

static void fields_out_of_range_are_refused_when_read(void **state)
{
    const uint8_t sum = VIRTIO_NET_HDR_F_NEEDS_CSUM, tcp4 = VIRTIO_NET_HDR_GSO_TCPV4;
    const struct bad_read rows[] = {
        {"checksum starts past the end", LENGTH, 0x50, {sum, 0, 0, 0, LENGTH, 0}},
        {"checksum lies past the end", LENGTH, 0x50, {sum, 0, 0, 0, LENGTH - 4, 3}},
        {"sum of start and offset wraps 16 bits", LENGTH, 0x50, {sum, 0, 0, 0, IP, 65530}},
        {"segments of nothing", LENGTH, 0x50, {sum, tcp4, 40, 0, IP, SUM}},
        {"segments without a checksum to fill in", LENGTH, 0x50, {0, tcp4, 40, 1460, IP, SUM}},
        {"IPv6 segments of an IPv4 packet",
         LENGTH,
         0x50,
         {sum, VIRTIO_NET_HDR_GSO_TCPV6, 40, 1460, IP, SUM}},
        {"UDP segments", LENGTH, 0x50, {sum, VIRTIO_NET_HDR_GSO_UDP, 40, 1460, IP, SUM}},
        {"unknown kind of segments", LENGTH, 0x50, {sum, 77, 40, 1460, IP, SUM}},
        {"TCP header past the end", LENGTH, 0x50, {sum, tcp4, 40, 1460, LENGTH - 19, SUM}},
        {"data offset below the header", LENGTH, 0x40, {sum, tcp4, 40, 1460, IP, SUM}},
        {"data offset past the end", IP + 30, 0xf0, {sum, tcp4, 40, 1460, IP, SUM}},
        {"no packet", 0, 0x50, {0, tcp4, 40, 1460, IP, SUM}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t data[LENGTH];
        struct duet_packet packet = large_packet(data);

        packet.length = rows[i].length;
        data[IP + 12] = rows[i].data_offset;
        if (virtio_read(&rows[i].header, &packet))
            fail_msg("%s: was believed", rows[i].why);
    }
}

static void impossible_wishes_are_refused_when_written(void **state)
{
    uint8_t data[LENGTH];
    struct duet_packet packet = large_packet(data);
    struct virtio_net_hdr header;

    (void)state;
    packet.segment_size = 1460; /* without CHECKSUM_PARTIAL */
    assert_false(virtio_write(&header, &packet));
    packet.flags = DUET_PACKET_CHECKSUM_PARTIAL;
    packet.checksum_start = LENGTH;
    assert_false(virtio_write(&header, &packet));
    packet.checksum_start = LENGTH - 18; /* room for the sum, not for a TCP header */
    packet.checksum_offset = SUM;
    assert_false(virtio_write(&header, &packet));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_header_means_a_packet_as_on_a_wire),
        cmocka_unit_test(large_packet_is_read_with_its_place_of_checksum),
        cmocka_unit_test(verified_packet_is_marked_checked),
        cmocka_unit_test(read_back_is_what_was_written),
        cmocka_unit_test(packet_of_one_segment_is_not_cut),
        cmocka_unit_test(fields_out_of_range_are_refused_when_read),
        cmocka_unit_test(impossible_wishes_are_refused_when_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
