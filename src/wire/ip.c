/* SPDX-License-Identifier: MIT */
/* What IPv4 and IPv6 have in common: the version in the first four bits, and kinds of addresses. */
#include "wire/ip.h"

#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/features.h"
#include "wire/ip_versions.h"

enum ip_verdict ip_parse(const uint8_t *bytes, uint32_t length, struct ip_packet *packet)
{
    *packet = (struct ip_packet){0};
    if (length == 0)
        return IP_TRUNCATED;
    packet->version = bytes[0] >> 4;
    if (packet->version == 4)
        return ipv4_parse(bytes, length, packet);
    if (packet->version == 6)
        return ipv6_parse(bytes, length, packet);
    return IP_BAD_VERSION;
}

bool ip_parse_quoted(const uint8_t *bytes, uint32_t length, struct ip_packet *packet)
{
    *packet = (struct ip_packet){0};
    if (length == 0)
        return false;
    packet->version = bytes[0] >> 4;
    if (packet->version == 4)
        return ipv4_parse_quoted(bytes, length, packet);
    return packet->version == 6 && ipv6_parse_quoted(bytes, length, packet);
}

uint32_t ip_build(uint8_t *bytes, const struct ip_packet *packet)
{
    const bool is_ipv4 = address_is_ipv4(&packet->source);
    CHECK(address_is_ipv4(&packet->destination) == is_ipv4);
    return is_ipv4 ? ipv4_build(bytes, packet) : ipv6_build(bytes, packet);
}

static enum ip_address_kind kind_of_ipv4(const uint8_t quad[4])
{
    if (quad[0] == 0)
        return IP_ADDRESS_UNSPECIFIED;
    if (quad[0] == 127)
        return IP_ADDRESS_LOOPBACK;
    if (quad[0] < 224)
        return IP_ADDRESS_UNICAST;
    if (quad[0] < 240)
        return IP_ADDRESS_MULTICAST;
    return bytes_get32(quad) == UINT32_MAX ? IP_ADDRESS_BROADCAST : IP_ADDRESS_RESERVED;
}

/* ::/96 is the unspecified address, loopback, and the IPv4-compatible addresses that RFC
 * 4291, 2.5.5.1 has done away with. */
static enum ip_address_kind kind_of_ipv6(const uint8_t bytes[16])
{
    static const uint8_t zeros[12];
    if (bytes[0] == 0xff)
        return IP_ADDRESS_MULTICAST;
    if (memcmp(bytes, zeros, sizeof zeros) != 0)
        return IP_ADDRESS_UNICAST;
    const uint32_t low = bytes_get32(bytes + 12);
    if (low == 0)
        return IP_ADDRESS_UNSPECIFIED;
    return low == 1 ? IP_ADDRESS_LOOPBACK : IP_ADDRESS_RESERVED;
}

enum ip_address_kind ip_address_kind(const struct duet_address *address)
{
    if (!FEATURE_IPV6 && !duet_address_is_ipv4(address))
        return IP_ADDRESS_RESERVED;
    return address_is_ipv4(address) ? kind_of_ipv4(address->bytes + 12)
                                    : kind_of_ipv6(address->bytes);
}

bool ip_is_subnet_broadcast(const struct duet_address *address,
                            const struct duet_interface *interface)
{
    if (!address_is_ipv4(address) || !address_is_ipv4(&interface->address))
        return false;
    if (interface->prefix_length > 30) /* RFC 3021: two hosts and no broadcast; or one host */
        return false;
    const uint32_t host_mask = UINT32_MAX >> interface->prefix_length;
    const uint32_t host = bytes_get32(address->bytes + 12);
    const uint32_t ours = bytes_get32(interface->address.bytes + 12);
    if (((host ^ ours) & ~host_mask) != 0)
        return false;
    return (host & host_mask) == 0 || (host & host_mask) == host_mask;
}
