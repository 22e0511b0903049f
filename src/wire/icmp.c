/* SPDX-License-Identifier: MIT */
/* ICMP as TCP needs it: which message says what about a connection (RFC 9293, 3.9.2.2), in the
 * numbers of RFC 792 and RFC 1122, 3.2.2 for IPv4, of RFC 4443 for IPv6. */
#include "wire/icmp.h"

#include "base/bytes.h"
#include "wire/checksum.h"

enum { ICMP_HEAD = 8 };

enum {
    V4_ECHO_REPLY = 0,
    V4_UNREACHABLE = 3,
    V4_SOURCE_QUENCH = 4,
    V4_REDIRECT = 5,
    V4_ECHO_REQUEST = 8,
    V4_TIME_EXCEEDED = 11,
    V4_PARAMETER_PROBLEM = 12,
};

enum {
    V4_CODE_PROTOCOL = 2,
    V4_CODE_PORT = 3,
    V4_CODE_FRAGMENTATION_NEEDED = 4,
    V4_CODE_LAST = 15,
};

enum {
    V6_UNREACHABLE = 1,
    V6_PACKET_TOO_BIG = 2,
    V6_TIME_EXCEEDED = 3,
    V6_PARAMETER_PROBLEM = 4,
    V6_ECHO_REQUEST = 128,
    V6_ECHO_REPLY = 129,
    V6_REDIRECT = 137,
};

enum {
    V6_CODE_PROHIBITED = 1,
    V6_CODE_PORT = 4,
    V6_CODE_SOURCE_POLICY = 5, /* RFC 4443, 3.1: 5 and 6 say more exactly what 1 says */
    V6_CODE_REJECT_ROUTE = 6,
    V6_CODE_LAST = 8,
};

static enum icmp_kind kind_of_v4_unreachable(uint8_t code)
{
    if (code == V4_CODE_FRAGMENTATION_NEEDED)
        return ICMP_PACKET_TOO_BIG;
    if (code == V4_CODE_PROTOCOL || code == V4_CODE_PORT)
        return ICMP_UNREACHABLE_HARD;
    return code <= V4_CODE_LAST ? ICMP_UNREACHABLE_SOFT : ICMP_IGNORED;
}

static enum icmp_kind kind_of_v4(uint8_t type, uint8_t code)
{
    switch (type) {
    case V4_UNREACHABLE:
        return kind_of_v4_unreachable(code);
    case V4_SOURCE_QUENCH:
        return ICMP_SOURCE_QUENCH;
    case V4_REDIRECT:
        return ICMP_REDIRECT;
    case V4_ECHO_REQUEST:
        return ICMP_ECHO_REQUEST;
    case V4_TIME_EXCEEDED:
        return ICMP_TIME_EXCEEDED;
    case V4_PARAMETER_PROBLEM:
        return ICMP_PARAMETER_PROBLEM;
    default:
        return ICMP_IGNORED;
    }
}

static enum icmp_kind kind_of_v6_unreachable(uint8_t code)
{
    if (code == V6_CODE_PROHIBITED || code == V6_CODE_PORT || code == V6_CODE_SOURCE_POLICY ||
        code == V6_CODE_REJECT_ROUTE)
        return ICMP_UNREACHABLE_HARD;
    return code <= V6_CODE_LAST ? ICMP_UNREACHABLE_SOFT : ICMP_IGNORED;
}

static enum icmp_kind kind_of_v6(uint8_t type, uint8_t code)
{
    switch (type) {
    case V6_UNREACHABLE:
        return kind_of_v6_unreachable(code);
    case V6_PACKET_TOO_BIG:
        return ICMP_PACKET_TOO_BIG;
    case V6_TIME_EXCEEDED:
        return ICMP_TIME_EXCEEDED;
    case V6_PARAMETER_PROBLEM:
        return ICMP_PARAMETER_PROBLEM;
    case V6_ECHO_REQUEST:
        return ICMP_ECHO_REQUEST;
    case V6_REDIRECT:
        return ICMP_REDIRECT;
    default:
        return ICMP_IGNORED;
    }
}

/* RFC 792: over the message alone. RFC 4443, 2.3: with the pseudo-header. */
static bool has_good_checksum(const struct ip_packet *packet)
{
    struct checksum checksum = {0};
    if (!version_is_ipv4(packet->version))
        checksum_add_pseudo(&checksum, &packet->source, &packet->destination, IP_PROTOCOL_ICMPV6,
                            packet->payload_length);
    checksum_add(&checksum, packet->payload, packet->payload_length);
    return checksum_finish(&checksum) == 0;
}

void icmp_parse(const struct ip_packet *packet, struct icmp_message *message)
{
    const uint8_t *bytes = packet->payload;
    const uint8_t protocol =
        version_is_ipv4(packet->version) ? IP_PROTOCOL_ICMP : IP_PROTOCOL_ICMPV6;

    *message = (struct icmp_message){.kind = ICMP_MALFORMED};
    if (packet->protocol != protocol || packet->payload_length < ICMP_HEAD)
        return;
    if (!has_good_checksum(packet))
        return;

    message->type = bytes[0];
    message->code = bytes[1];
    message->kind = version_is_ipv4(packet->version) ? kind_of_v4(bytes[0], bytes[1])
                                                     : kind_of_v6(bytes[0], bytes[1]);
    message->data = bytes + ICMP_HEAD;
    message->data_length = packet->payload_length - ICMP_HEAD;
    if (message->kind == ICMP_ECHO_REQUEST) {
        message->identifier = bytes_get16(bytes + 4);
        message->sequence = bytes_get16(bytes + 6);
    }
    if (message->kind == ICMP_PACKET_TOO_BIG) /* RFC 1191, 4: the lower 16 bits; RFC 4443, 3.2 */
        message->mtu =
            version_is_ipv4(packet->version) ? bytes_get16(bytes + 6) : bytes_get32(bytes + 4);
}

void icmp_build_echo_reply(uint8_t *bytes, uint16_t identifier, uint16_t sequence,
                           uint32_t data_length, const struct duet_address *source,
                           const struct duet_address *destination)
{
    const bool is_ipv4 = address_is_ipv4(source);
    struct checksum checksum = {0};

    bytes[0] = is_ipv4 ? V4_ECHO_REPLY : V6_ECHO_REPLY;
    bytes[1] = 0;
    bytes_put16(bytes + 2, 0);
    bytes_put16(bytes + 4, identifier);
    bytes_put16(bytes + 6, sequence);
    if (!is_ipv4)
        checksum_add_pseudo(&checksum, source, destination, IP_PROTOCOL_ICMPV6,
                            ICMP_HEAD + data_length);
    checksum_add(&checksum, bytes, ICMP_HEAD + data_length);
    bytes_put16(bytes + 2, checksum_finish(&checksum));
}
