/* SPDX-License-Identifier: MIT */
/* From a packet in a script to bytes for the stack. Built here, not with src/wire/, because a
 * script must be able to say things that no proper sender says, and because a test that builds with
 * the code under test proves less.
 */
#include <string.h>

#include "base/bytes.h"
#include "duet/trace.h"
#include "sim/script/packet.h"
#include "wire/checksum.h"
#include "wire/ip.h"

enum { PROTOCOL_TCP = 6, PROTOCOL_ICMP = 1, PROTOCOL_ICMPV6 = 58, TCP_HEAD = 20 };

static void put24(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 16);
    bytes_put16(at + 1, (uint16_t)value);
}

/* ---- TCP options ---- */

static uint32_t put_head(uint8_t *at, uint8_t kind, uint32_t length)
{
    at[0] = kind;
    at[1] = (uint8_t)length;
    return length;
}

static uint32_t put_bytes(uint8_t *at, uint8_t kind, const struct packet_option *option)
{
    memcpy(at + 2, option->bytes, option->byte_count);
    return put_head(at, kind, 2 + option->byte_count);
}

static uint32_t put_values(uint8_t *at, uint8_t kind, const struct packet_option *option,
                           uint32_t width, uint32_t offset)
{
    for (unsigned i = 0; i < option->value_count; i++) {
        uint8_t *to = at + 2 + i * width;
        if (width == 3) {
            put24(to, option->values[i]);
        } else {
            bytes_put32(to, option->values[i] + offset);
        }
    }
    return put_head(at, kind, 2 + option->value_count * width);
}

/* at has room for the longest option. Returns how much of it was used. */
static uint32_t put_option(uint8_t *at, const struct packet_option *option, const struct flow *flow)
{
    switch (option->kind) {
    case OPTION_EOL:
    case OPTION_NOP:
        at[0] = option->kind == OPTION_NOP;
        return 1;
    case OPTION_MSS:
        bytes_put16(at + 2, (uint16_t)option->values[0]);
        return put_head(at, 2, 4);
    case OPTION_WSCALE:
        at[2] = (uint8_t)option->values[0];
        return put_head(at, 3, 3);
    case OPTION_SACK_OK:
        return put_head(at, 4, 2);
    case OPTION_SACK:
        return put_values(at, 5, option, 4, flow->local_offset);
    case OPTION_TIMESTAMPS:
        bytes_put32(at + 2, option->values[0]);
        bytes_put32(at + 6, option->values[1] != 0 ? flow_clock_live(flow, option->values[1]) : 0);
        return put_head(at, 8, 10);
    case OPTION_FAST_OPEN:
        return put_bytes(at, 34, option);
    case OPTION_FAST_OPEN_EXPERIMENTAL:
        bytes_put16(at + 2, 0xf989);
        memcpy(at + 4, option->bytes, option->byte_count);
        return put_head(at, 254, 4 + option->byte_count);
    case OPTION_USER_TIMEOUT:
        bytes_put16(at + 2, (uint16_t)option->values[0]);
        return put_head(at, 28, 4);
    case OPTION_MD5:
        memcpy(at + 2, option->bytes, 16);
        return put_head(at, 19, 18);
    case OPTION_ACC_ECN_0:
        return put_values(at, 172, option, 3, 0);
    case OPTION_ACC_ECN_1:
        return put_values(at, 174, option, 3, 0);
    case OPTION_RAW:
        memcpy(at, option->bytes, option->byte_count);
        return option->byte_count;
    case OPTION_ANY:
        return 0;
    }
    return 0;
}

/* All of them, padded to words. More than 40 bytes are cut: no header can say them. */
static uint32_t put_options(uint8_t *at, const struct packet_event *packet, const struct flow *flow)
{
    uint8_t room[2 + 4 * OPTION_VALUES_MAX];
    uint32_t used = 0;
    for (unsigned i = 0; i < packet->option_count; i++) {
        uint32_t size = put_option(room, &packet->options[i], flow);
        size = min_u32(size, 40 - used);
        memcpy(at + used, room, size);
        used += size;
    }
    while (used % 4 != 0) {
        at[used++] = 0;
    }
    return used;
}

/* ---- TCP ---- */

static void put_text(uint8_t *at, const struct packet_event *packet, const struct flow *flow)
{
    uint32_t first = packet->seq + flow->remote_offset + ((packet->flags & DUET_SYN) ? 1 : 0);
    for (uint32_t i = 0; i < packet->length; i++) {
        at[i] = flow_pattern(first + i);
    }
}

static void put_checksum(uint8_t *message, uint32_t length, uint32_t at, uint8_t protocol,
                         const struct flow *flow, bool wrong)
{
    struct checksum sum = {0};
    if (protocol != PROTOCOL_ICMP) {
        checksum_add_pseudo(&sum, &flow->remote.address, &flow->local.address, protocol, length);
    }
    checksum_add(&sum, message, length);
    uint16_t value = checksum_finish(&sum);
    bytes_put16(message + at, wrong ? (uint16_t)(value ^ 0x0f0f) : value);
}

static uint32_t build_segment(const struct packet_event *packet, const struct flow *flow,
                              uint8_t *at)
{
    memset(at, 0, TCP_HEAD);
    uint32_t head = TCP_HEAD + put_options(at + TCP_HEAD, packet, flow);
    bytes_put16(at, flow->remote.port);
    bytes_put16(at + 2, flow->local.port);
    bytes_put32(at + 4, packet->seq + flow->remote_offset);
    bytes_put32(at + 8, packet->has_ack ? packet->ack + flow->local_offset : 0);
    uint32_t words = packet->has_offset ? packet->offset : head / 4;
    bytes_put16(at + 12, (uint16_t)(words << 12 | packet->flags));
    bytes_put16(at + 14, packet->window);
    bytes_put16(at + 18, packet->urgent);
    put_text(at + head, packet, flow);
    uint32_t length = head + packet->length;
    put_checksum(at, length, 16, PROTOCOL_TCP, flow, packet->bad_checksum);
    return length;
}

/* ---- IP ---- */

static uint32_t put_ipv4(uint8_t *at, const struct packet_event *packet,
                         const struct duet_address *from, const struct duet_address *to,
                         uint8_t protocol, uint32_t payload)
{
    uint32_t head = 20 + (packet->ip_option_bytes + 3) / 4 * 4;
    memset(at, 0, head);
    at[0] = (uint8_t)(0x40 | head / 4);
    at[1] = packet->has_tos ? packet->tos : 0;
    at[1] = packet->ecn_match != ECN_ANY ? (uint8_t)((at[1] & 0xfc) | packet->ecn) : at[1];
    bytes_put16(at + 2, (uint16_t)(head + payload));
    bytes_put16(at + 6, packet->more_fragments ? 0x2000 : 0x4000);
    at[8] = packet->has_ttl ? packet->ttl : 64;
    at[9] = protocol;
    memcpy(at + 12, from->bytes + 12, 4);
    memcpy(at + 16, to->bytes + 12, 4);
    memcpy(at + 20, packet->ip_options, packet->ip_option_bytes);
    struct checksum sum = {0};
    checksum_add(&sum, at, head);
    uint16_t value = checksum_finish(&sum);
    bytes_put16(at + 10, packet->bad_ip_checksum ? (uint16_t)(value ^ 0x0f0f) : value);
    return head;
}

static uint32_t put_ipv6(uint8_t *at, const struct packet_event *packet,
                         const struct duet_address *from, const struct duet_address *to,
                         uint8_t protocol, uint32_t payload)
{
    uint32_t class = packet->has_tos ? packet->tos : 0;
    class = packet->ecn_match != ECN_ANY ? (class & 0xfc) | packet->ecn : class;
    bytes_put32(at, 0x60000000u | class << 20 | packet->flow_label);
    bytes_put16(at + 4, (uint16_t)payload);
    at[6] = protocol;
    at[7] = packet->has_ttl ? packet->ttl : 64;
    memcpy(at + 8, from->bytes, 16);
    memcpy(at + 24, to->bytes, 16);
    return 40;
}

static uint32_t put_ip(uint8_t *at, const struct packet_event *packet,
                       const struct duet_address *from, const struct duet_address *to,
                       uint8_t protocol, uint32_t payload)
{
    return duet_address_is_ipv4(to) ? put_ipv4(at, packet, from, to, protocol, payload)
                                    : put_ipv6(at, packet, from, to, protocol, payload);
}

/* ---- ICMP ---- */

/* The packet of ours that an error quotes: its IP header and the head of its segment. */
static uint32_t put_quoted(uint8_t *at, const struct packet_event *packet, const struct flow *flow)
{
    static const struct packet_event plain;
    uint32_t head = put_ip(at, &plain, &flow->local.address, &flow->remote.address, PROTOCOL_TCP,
                           TCP_HEAD + packet->length);
    uint8_t *segment = at + head;
    memset(segment, 0, TCP_HEAD);
    bytes_put16(segment, flow->local.port);
    bytes_put16(segment + 2, flow->remote.port);
    bytes_put32(segment + 4, packet->seq + flow->local_offset);
    bytes_put16(segment + 12, (TCP_HEAD / 4) << 12 | DUET_ACK);
    return head + TCP_HEAD;
}

static uint32_t build_icmp(const struct packet_event *packet, const struct flow *flow,
                           const struct duet_address *router, uint8_t *at)
{
    bool v6 = packet->protocol == PACKET_ICMPV6;
    uint32_t length = 8;
    memset(at, 0, length);
    at[0] = packet->type;
    at[1] = packet->code;
    bool echo = packet->type == (v6 ? 128 : 8);
    if (echo) {
        bytes_put16(at + 4, 1);
        bytes_put16(at + 6, 1);
        for (uint32_t i = 0; i < 16; i++) {
            at[length++] = flow_pattern(i);
        }
    } else {
        bytes_put32(at + 4, packet->mtu);
    }
    if (packet->has_seq) {
        length += put_quoted(at + length, packet, flow);
    }
    struct flow way = *flow;
    way.remote.address = echo ? flow->remote.address : *router;
    put_checksum(at, length, 2, v6 ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP, &way, packet->bad_checksum);
    return length;
}

uint32_t packet_build(const struct packet_event *packet, const struct flow *flow,
                      const struct duet_address *router, uint8_t *bytes)
{
    uint8_t *payload = bytes + 128; /* behind the longest header; moved to its place then */
    uint32_t length = 0;
    uint8_t protocol = PROTOCOL_TCP;
    const struct duet_address *from = &flow->remote.address;
    if (packet->protocol == PACKET_TCP) {
        length = build_segment(packet, flow, payload);
    } else {
        bool v6 = packet->protocol == PACKET_ICMPV6;
        protocol = v6 ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP;
        length = build_icmp(packet, flow, router, payload);
        from = packet->has_seq ? router : from;
    }
    uint8_t header[60];
    uint32_t head = put_ip(header, packet, from, &flow->local.address, protocol, length);
    memmove(bytes + head, payload, length);
    memcpy(bytes, header, head);
    length += head;
    return packet->has_cut ? min_u32(length, packet->cut) : length;
}
