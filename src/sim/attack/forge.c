/* SPDX-License-Identifier: MIT */
/* Packets that claim to be anything. */
#include <string.h>

#include "base/bytes.h"
#include "sim/attack/attack.h"
#include "wire/checksum.h"

enum { FORGE_TTL = 64, AT_CHECKSUM = 16, AT_OFFSET = 12, ICMP_HEAD = 8, AT_ICMP_CHECKSUM = 2 };

struct ends ends_of(uint16_t local_port, uint16_t remote_port)
{
    return (struct ends){duet_ipv4(10, 0, 0, 1), duet_ipv4(10, 0, 0, 2), local_port, remote_port};
}

struct ends ends6_of(uint16_t local_port, uint16_t remote_port)
{
    return (struct ends){
        .local = {{0xfd, [15] = 1}},
        .remote = {{0xfd, [15] = 2}},
        .local_port = local_port,
        .remote_port = remote_port,
    };
}

struct ends ends_forged(uint32_t number)
{
    struct ends ends = ends_of(TARGET_PORT, (uint16_t)(1024 + number % 60000));

    ends.remote = duet_ipv4((uint8_t)(20 + number % 100), (uint8_t)(number >> 16),
                            (uint8_t)(number >> 8), (uint8_t)(1 + number % 253));
    return ends;
}

uint32_t forge_ip_size(const struct ends *ends)
{
    return duet_address_is_ipv4(&ends->local) ? IPV4_HEADER : IPV6_HEADER;
}

uint32_t forge_ip(uint8_t *bytes, const struct ends *ends, uint8_t protocol, uint32_t payload)
{
    const struct ip_packet ip = {
        .source = ends->remote,
        .destination = ends->local,
        .protocol = protocol,
        .ttl = FORGE_TTL,
        .payload_length = payload,
    };

    return ip_build(bytes, &ip) + payload;
}

/* The header with raw options in the place of those that tcp_build() would make. */
static uint32_t put_tcp(uint8_t *tcp, const struct ends *ends, const struct forged *segment)
{
    struct tcp_header header = {
        .source_port = ends->remote_port,
        .destination_port = ends->local_port,
        .seq = segment->seq,
        .ack = segment->ack,
        .flags = segment->flags,
        .window = segment->window,
        .urgent = segment->urgent,
    };
    uint32_t size;

    if (segment->raw_size == 0) {
        header.options = segment->options;
        return tcp_build(tcp, &header);
    }
    size = tcp_build(tcp, &header) + segment->raw_size;
    memcpy(tcp + TCP_HEADER, segment->raw_options, segment->raw_size);
    tcp[AT_OFFSET] = (uint8_t)((size / 4 << 4) | (tcp[AT_OFFSET] & 15u));
    return size;
}

uint32_t forge(uint8_t *bytes, const struct ends *ends, const struct forged *segment)
{
    struct checksum sum = {0};
    uint8_t *tcp = bytes + forge_ip_size(ends);
    uint32_t size = put_tcp(tcp, ends, segment);

    if (segment->length > 0)
        memcpy(tcp + size, segment->text, segment->length);
    size += segment->length;
    checksum_add_pseudo(&sum, &ends->remote, &ends->local, IP_PROTOCOL_TCP, size);
    checksum_add(&sum, tcp, size);
    bytes_put16(tcp + AT_CHECKSUM, checksum_finish(&sum));
    return forge_ip(bytes, ends, IP_PROTOCOL_TCP, size);
}

uint32_t forge_icmp(uint8_t *bytes, const struct ends *ends, uint8_t type, uint8_t code,
                    uint32_t mtu, const uint8_t *quote, uint32_t length)
{
    bool is_ipv4 = duet_address_is_ipv4(&ends->local);
    uint8_t protocol = is_ipv4 ? IP_PROTOCOL_ICMP : IP_PROTOCOL_ICMPV6;
    uint8_t *icmp = bytes + forge_ip_size(ends);
    struct checksum sum = {0};

    memset(icmp, 0, ICMP_HEAD);
    icmp[0] = type;
    icmp[1] = code;
    bytes_put32(icmp + 4, mtu);
    if (length > 0)
        memcpy(icmp + ICMP_HEAD, quote, length);
    if (!is_ipv4)
        checksum_add_pseudo(&sum, &ends->remote, &ends->local, protocol, ICMP_HEAD + length);
    checksum_add(&sum, icmp, ICMP_HEAD + length);
    bytes_put16(icmp + AT_ICMP_CHECKSUM, checksum_finish(&sum));
    return forge_ip(bytes, ends, protocol, ICMP_HEAD + length);
}

uint32_t forge_quote(uint8_t *bytes, const struct ends *ends, uint32_t seq, uint16_t size)
{
    const struct ends turned = {ends->remote, ends->local, ends->remote_port, ends->local_port};
    const struct forged segment = {.seq = seq, .flags = DUET_ACK};
    uint32_t header = forge_ip_size(ends);
    uint32_t length = forge(bytes, &turned, &segment);

    if (header == IPV4_HEADER) /* a quote is cut, its length says what was sent */
        bytes_put16(bytes + 2, size);
    else
        bytes_put16(bytes + 4, (uint16_t)(size - header));
    return length;
}
