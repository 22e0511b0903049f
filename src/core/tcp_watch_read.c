/* SPDX-License-Identifier: MIT */
/* Packets of ours as a strict reader understands them, written from RFC 791, 8200, 9293, 7323 and
 * 2018 once more on purpose: what src/wire builds wrong it would read wrong, too (I-35, I-36). */
#include "base/bytes.h"
#include "core/state.h"

#include <string.h>

enum { IPV4 = 20, IPV6 = 40, TCP = 20 };
enum { KIND_END, KIND_NOP, KIND_MSS, KIND_SCALE, KIND_SACK_OK, KIND_SACK, KIND_TIMESTAMPS = 8 };
enum { KIND_USER_TIMEOUT = 28, KIND_FAST_OPEN = 34, KIND_ACCECN_0 = 172, KIND_ACCECN_1 = 174 };

/* The one's complement sum of bytes as 16-bit words, folded. */
static uint32_t sum_of(uint32_t sum, const uint8_t *bytes, uint32_t size)
{
    for (uint32_t i = 0; i + 1 < size; i += 2)
        sum += bytes_get16(bytes + i);
    if (size % 2 != 0)
        sum += (uint32_t)bytes[size - 1] << 8;
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static const char *read_ipv4(const uint8_t *at, const struct duet_packet *packet,
                             struct watch_segment *segment, uint8_t *protocol)
{
    if (packet->length < IPV4 || at[0] != 0x45)
        return "I-35: an IPv4 header with options, or cut off";
    bool cut_later = packet->segment_size != 0;
    if (bytes_get16(at + 2) != packet->length && !cut_later)
        return "I-35: the length of the packet is not what its header says";
    if (bytes_get16(at + 6) != 0x4000)
        return "I-35: a packet that may be fragmented, or is a fragment";
    if (sum_of(0, at, IPV4) != 0xffff || at[8] == 0)
        return "I-35: the checksum of the IP header is wrong, or its TTL is 0";
    segment->tuple.local = duet_ipv4(at[12], at[13], at[14], at[15]);
    segment->tuple.remote = duet_ipv4(at[16], at[17], at[18], at[19]);
    *protocol = at[9];
    return NULL;
}

static const char *read_ipv6(const uint8_t *at, const struct duet_packet *packet,
                             struct watch_segment *segment, uint8_t *protocol)
{
    if (packet->length < IPV6 || at[7] == 0)
        return "I-35: an IPv6 header is cut off, or its hop limit is 0";
    if (bytes_get16(at + 4) + (uint32_t)IPV6 != packet->length && packet->segment_size == 0)
        return "I-35: the length of the packet is not what its header says";
    memcpy(segment->tuple.local.bytes, at + 8, 16);
    memcpy(segment->tuple.remote.bytes, at + 24, 16);
    *protocol = at[6];
    return NULL;
}

static const char *read_sack(const uint8_t *at, struct watch_segment *segment)
{
    segment->blocks = (at[1] - 2u) / 8;
    if (segment->blocks == 0 || segment->blocks > 4 || (at[1] - 2u) % 8 != 0)
        return "I-18: a SACK option of no or too many blocks";
    for (uint32_t i = 0; i < segment->blocks; i++) {
        struct range *block = &segment->block[i];
        block->left = seq_of(bytes_get32(at + 2 + 8 * i));
        block->right = seq_of(bytes_get32(at + 6 + 8 * i));
        if (!seq_lt(block->left, block->right))
            return "I-18: a SACK block of nothing";
    }
    return NULL;
}

static const char *read_option(const uint8_t *at, struct watch_segment *segment)
{
    bool is_syn = (segment->flags & DUET_SYN) != 0;
    switch (at[0]) {
    case KIND_MSS:
        segment->has_mss = true;
        return is_syn && at[1] == 4 ? NULL : "I-35: an MSS option outside of a SYN";
    case KIND_SCALE:
        segment->has_scale = true;
        segment->scale = at[2];
        return is_syn && at[1] == 3 && at[2] <= 14
                   ? NULL
                   : "I-35: a window scale outside of a SYN, or above 14";
    case KIND_SACK_OK:
        return is_syn && at[1] == 2 ? NULL : "I-35: SACK is permitted outside of a SYN";
    case KIND_SACK:
        return read_sack(at, segment);
    case KIND_TIMESTAMPS:
        segment->has_timestamps = true;
        segment->tsval = bytes_get32(at + 2);
        segment->tsecr = bytes_get32(at + 6);
        return at[1] == 10 ? NULL : "I-35: a timestamp option of a wrong length";
    case KIND_USER_TIMEOUT:
        return at[1] == 4 ? NULL : "I-35: a user timeout option of a wrong length";
    case KIND_FAST_OPEN:
        return is_syn && at[1] <= 18 ? NULL : "I-35: a Fast Open option outside of a SYN";
    case KIND_ACCECN_0:
    case KIND_ACCECN_1:
        return (at[1] - 2u) % 3 == 0 && at[1] <= 11 ? NULL : "I-35: an AccECN option of no fields";
    default:
        return "I-35: an option that nobody knows";
    }
}

static const char *read_options(const uint8_t *at, const uint8_t *end,
                                struct watch_segment *segment)
{
    while (at < end) {
        if (*at == KIND_NOP) {
            at++;
            continue;
        }
        if (*at == KIND_END)
            return "I-42: options end before the header does";
        if (end - at < 2 || at[1] < 2 || at[1] > end - at)
            return "I-35: options do not fit";
        const char *broken = read_option(at, segment);
        if (broken != NULL)
            return broken;
        at += at[1];
    }
    return NULL;
}

/* In IPv4 addresses only the last four bytes count. */
static uint32_t pseudo_sum(const struct watch_segment *segment, uint32_t length)
{
    uint32_t from = duet_address_is_ipv4(&segment->tuple.local) ? 12 : 0;
    uint8_t tail[4];
    bytes_put32(tail, length);
    uint32_t sum = sum_of(6, segment->tuple.local.bytes + from, 16 - from);
    sum = sum_of(sum, segment->tuple.remote.bytes + from, 16 - from);
    return sum_of(sum, tail, sizeof tail);
}

static const char *read_tcp(const uint8_t *at, uint32_t length, const struct duet_packet *packet,
                            struct watch_segment *segment)
{
    uint32_t header = length < TCP ? 0 : at[12] / 16u * 4;
    if (header < TCP || header > length)
        return "I-35: a TCP header that is cut off";
    segment->tuple.local_port = bytes_get16(at);
    segment->tuple.remote_port = bytes_get16(at + 2);
    segment->seq = seq_of(bytes_get32(at + 4));
    segment->ack = seq_of(bytes_get32(at + 8));
    segment->flags = bytes_get16(at + 12) & 0xfff;
    segment->window = bytes_get16(at + 14);
    segment->text_length = length - header;
    segment->is_tcp = true;
    bool link_sums = (packet->flags & DUET_PACKET_CHECKSUM_PARTIAL) != 0;
    uint32_t pseudo = pseudo_sum(segment, length);
    if (link_sums ? bytes_get16(at + 16) != pseudo : sum_of(pseudo, at, length) != 0xffff)
        return "I-35: the checksum of the segment is wrong";
    if ((segment->flags & 0xe00) != 0)
        return "I-35: a reserved bit is set";
    if ((segment->flags & DUET_URG) == 0 && bytes_get16(at + 18) != 0)
        return "I-42: an urgent pointer that means nothing is not 0";
    if ((segment->flags & DUET_ACK) == 0 && bytes_get32(at + 8) != 0)
        return "I-42: an acknowledgement number that means nothing is not 0";
    return read_options(at + TCP, at + header, segment);
}

const char *watch_read(const struct duet_stack *s, const struct duet_packet *packet,
                       struct watch_segment *segment)
{
    const uint8_t *at = packet->data;
    bool is_ipv4 = packet->length > 0 && at[0] >> 4 == 4;
    uint8_t protocol = 0;
    *segment = (struct watch_segment){0};
    const char *broken = is_ipv4 ? read_ipv4(at, packet, segment, &protocol)
                                 : read_ipv6(at, packet, segment, &protocol);
    if (broken != NULL)
        return broken;
    if (packet->length > (packet->segment_size != 0 ? s->config.packet_max : s->config.mtu))
        return "I-35: a packet larger than the link takes";
    uint32_t header = is_ipv4 ? IPV4 : IPV6;
    return protocol == 6 ? read_tcp(at + header, packet->length - header, packet, segment) : NULL;
}
