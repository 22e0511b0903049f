/* SPDX-License-Identifier: MIT */
/* The TCP header (RFC 9293, section 3.1). The bits between Data Offset and AE are reserved: sent as
 * zero, ignored when they come. */
#include "wire/tcp.h"

#include "base/bytes.h"
#include "base/check.h"
#include "wire/tcp_options.h"

enum { FLAGS = 0x1ff }; /* AE and the eight below it */

enum tcp_verdict_wire tcp_parse(const uint8_t *bytes, uint32_t length, struct tcp_header *header)
{
    if (length < TCP_HEADER)
        return TCP_WIRE_TRUNCATED;
    const uint32_t header_length = (bytes[12] >> 4) * 4U;
    if (header_length < TCP_HEADER)
        return TCP_WIRE_BAD_OFFSET;
    if (header_length > length)
        return TCP_WIRE_TRUNCATED;

    header->source_port = bytes_get16(bytes);
    header->destination_port = bytes_get16(bytes + 2);
    header->seq = bytes_get32(bytes + 4);
    header->ack = bytes_get32(bytes + 8);
    header->flags = bytes_get16(bytes + 12) & FLAGS;
    header->window = bytes_get16(bytes + 14);
    header->checksum = bytes_get16(bytes + 16);
    header->urgent = bytes_get16(bytes + 18);
    header->text = bytes + header_length;
    header->text_length = length - header_length;
    tcp_options_parse(bytes + TCP_HEADER, bytes + header_length, &header->options);
    return TCP_WIRE_OK;
}

uint32_t tcp_build(uint8_t *bytes, const struct tcp_header *header)
{
    const uint32_t length = TCP_HEADER + tcp_options_size(&header->options);
    CHECK(length % 4 == 0);
    CHECK(length <= TCP_HEADER + TCP_OPTIONS_MAX);
    CHECK((header->flags & ~FLAGS) == 0);

    bytes_put32(bytes, (uint32_t)header->source_port << 16 | header->destination_port);
    bytes_put32(bytes + 4, header->seq);
    bytes_put32(bytes + 8, header->ack);
    bytes_put32(bytes + 12, length / 4 << 28 | (uint32_t)header->flags << 16 | header->window);
    bytes_put32(bytes + 16, header->urgent); /* behind the checksum */
    const uint8_t *end = tcp_options_build(bytes + TCP_HEADER, &header->options);
    CHECK(end == bytes + length);
    return length;
}
