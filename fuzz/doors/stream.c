/* SPDX-License-Identifier: MIT */
/* What the bytes of a stream are, and what every packet that a stack sends must be (I-35, I-36, I-41). */
#include "doors.h"

#include "wire/tcp.h"

uint32_t stream_of(const struct duet_socket_address *from, const struct duet_socket_address *to)
{
    return from->address.bytes[15] * 0x01000193u ^ (uint32_t)from->port << 16 ^ to->port;
}

/* All streams are one long row of bytes, each from another place on. PERIOD is prime, so that no mistake by a power of
 * two looks right. */
enum { PERIOD = 65521, MOST = 4096 };

static const uint8_t *bytes_of(uint32_t stream, int64_t place)
{
    static uint8_t row[PERIOD + MOST];
    if (row[0] == 0) {
        uint32_t x = 1;
        for (unsigned i = 0; i < PERIOD; i++, x = x * 1664525u + 1013904223u)
            row[i] = (uint8_t)(x >> 24 | (i == 0));
        memcpy(row + PERIOD, row, MOST);
    }
    return row + ((uint64_t)stream + PERIOD * UINT64_C(0x20000) + (uint64_t)place) % PERIOD;
}

void stream_fill(uint32_t stream, int64_t place, uint8_t *bytes, size_t size)
{
    EXPECT(size <= MOST);
    memcpy(bytes, bytes_of(stream, place), size);
}

bool stream_is(uint32_t stream, int64_t place, const uint8_t *bytes, size_t size)
{
    EXPECT(size <= MOST);
    return memcmp(bytes, bytes_of(stream, place), size) == 0;
}

static uint32_t sum_of(const struct ip_packet *ip, const uint8_t *bytes, uint32_t size)
{
    uint32_t sum =
        sum_by_hand(0, ip->source.bytes + (ip->version == 4 ? 12 : 0), ip->version == 4 ? 4 : 16);
    sum = sum_by_hand(sum, ip->destination.bytes + (ip->version == 4 ? 12 : 0),
                      ip->version == 4 ? 4 : 16);
    return sum_by_hand(sum + ip->protocol + size, bytes, size);
}

/* The sum is right, or the link was told where to put it and given that of the pseudo-header. */
static void expect_sum(const struct end *end, const struct duet_packet *packet,
                       const struct ip_packet *ip)
{
    if ((packet->flags & DUET_PACKET_CHECKSUM_PARTIAL) == 0) {
        EXPECT(sum_of(ip, ip->payload, ip->payload_length) == 0xffff);
        return;
    }
    EXPECT((end->config.offload & DUET_OFFLOAD_CHECKSUM_OUT) != 0);
    EXPECT(packet->checksum_start == ip->header_length && packet->checksum_offset == 16);
    const uint32_t stored = ip->payload[16] * 256u + ip->payload[17];
    EXPECT(sum_by_hand(sum_of(ip, NULL, 0) + ip->payload_length, NULL, 0) == stored);
}

static void expect_flags(const struct tcp_header *tcp)
{
    const bool syn = (tcp->flags & DUET_SYN) != 0, rst = (tcp->flags & DUET_RST) != 0;
    EXPECT(!(syn && rst));
    if (rst)
        EXPECT(tcp->text_length == 0 && (tcp->flags & DUET_FIN) == 0);
    if (syn)
        EXPECT((tcp->flags & DUET_FIN) == 0);
    else
        EXPECT((tcp->options.present & (DUET_TRACE_MSS | DUET_TRACE_WINDOW_SCALE |
                                        DUET_TRACE_SACK_PERMITTED | DUET_TRACE_FAST_OPEN)) == 0);
    if (!syn && !rst)
        EXPECT((tcp->flags & DUET_ACK) != 0);
    if ((tcp->options.present & DUET_TRACE_WINDOW_SCALE) != 0)
        EXPECT(tcp->options.window_scale <= 14);
}

/* Blocks are of text beyond the acknowledgement, but for a first one that reports a duplicate (RFC
 * 2883), and none is empty. */
static void expect_blocks(const struct tcp_header *tcp)
{
    if ((tcp->options.present & DUET_TRACE_SACK) == 0)
        return;
    for (unsigned i = 0; i < tcp->options.sack_count; i++) {
        const struct tcp_sack_range *block = &tcp->options.sack[i];
        EXPECT((int32_t)(block->right - block->left) > 0);
        EXPECT(i == 0 || (int32_t)(block->left - tcp->ack) > 0);
    }
}

/* Text at a place of the stream is what the user wrote there, however often it is sent (I-11). */
static void expect_text(const struct end *end, const struct ip_packet *ip,
                        const struct tcp_header *tcp)
{
    const struct duet_socket_address local = {ip->source, tcp->source_port};
    const struct duet_socket_address remote = {ip->destination, tcp->destination_port};
    const struct slot *slot = slot_of(end, &local, &remote);
    struct duet_status status;
    if (tcp->text_length == 0)
        return;
    if (slot == NULL || duet_status(end->stack, slot->handle, &status) != DUET_OK)
        return;
    const bool syn = (tcp->flags & DUET_SYN) != 0;
    const uint32_t place = tcp->seq + syn - (status.iss + 1);
    if (place == UINT32_MAX) /* a probe of one byte below the stream */
        return;
    EXPECT(place + tcp->text_length <= slot->sent);
    EXPECT(stream_is(stream_of(&local, &remote), place, tcp->text, tcp->text_length));
}

void stream_expect_packet(const struct world *w, const struct end *end,
                          const struct duet_packet *packet)
{
    struct ip_packet ip;
    struct tcp_header tcp;
    EXPECT(ip_parse(packet->data, packet->length, &ip) == IP_OK);
    EXPECT(ip.header_length + ip.payload_length == packet->length);
    EXPECT(duet_address_equal(&ip.source, &end->address));
    EXPECT(!duet_address_equal(&ip.destination, &end->address));
    EXPECT(packet->departure <= w->now + 3600 * DUET_SECOND);
    if (packet->segment_size == 0)
        EXPECT(packet->length <= end->config.mtu);
    else
        EXPECT(packet->length <= end->config.packet_max);
    if (ip.protocol != IP_PROTOCOL_TCP) {
        EXPECT(packet->flags == 0);
        return;
    }
    EXPECT(tcp_parse(ip.payload, ip.payload_length, &tcp) == TCP_WIRE_OK);
    EXPECT(!tcp.options.malformed && tcp.source_port != 0 && tcp.destination_port != 0);
    if (packet->segment_size != 0)
        EXPECT(packet->segment_size + packet->length - tcp.text_length <= end->config.mtu);
    expect_sum(end, packet, &ip);
    expect_flags(&tcp);
    expect_blocks(&tcp);
    expect_text(end, &ip, &tcp);
}
