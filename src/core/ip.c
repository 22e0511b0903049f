/* SPDX-License-Identifier: MIT */
/* The little of IP that a TCP end host needs (RFC 1122 section 3, RFC 8200): who may talk to us,
 * which of our addresses answers, and where a packet goes next. No forwarding, no reassembly. */
#include "base/check.h"
#include "base/cold.h"
#include "core/state.h"

static bool is_interface(const struct duet_stack *s, const struct duet_address *address)
{
    for (uint32_t i = 0; i < s->config.interface_count; i++)
        if (address_equal(&s->config.interfaces[i].address, address))
            return true;
    return false;
}

static bool is_broadcast(const struct duet_stack *s, const struct duet_address *address)
{
    for (uint32_t i = 0; i < s->config.interface_count; i++)
        if (ip_is_subnet_broadcast(address, &s->config.interfaces[i]))
            return true;
    return false;
}

/* An address TCP may have as its peer: unicast, and loopback only where the link is one (MUST-46,
 * MUST-57, MUST-63). */
bool ip_is_talkable(const struct duet_stack *s, const struct duet_address *address)
{
    switch (ip_address_kind(address)) {
    case IP_ADDRESS_UNICAST:
        return !is_broadcast(s, address);
    case IP_ADDRESS_LOOPBACK:
        return s->config.loopback_allowed;
    case IP_ADDRESS_UNSPECIFIED:
    case IP_ADDRESS_MULTICAST:
    case IP_ADDRESS_BROADCAST:
    case IP_ADDRESS_RESERVED:
        return false;
    }
    unreachable("ip_address_kind() names no other");
}

bool ip_is_ours(const struct duet_stack *s, const struct duet_address *address)
{
    return is_interface(s, address) || (s->config.any_local_address && ip_is_talkable(s, address));
}

static unsigned common_prefix(const struct duet_address *a, const struct duet_address *b)
{
    unsigned byte = 0, bits = 0;
    while (byte < 16 && a->bytes[byte] == b->bytes[byte])
        byte++;
    while (byte < 16 && ((a->bytes[byte] ^ b->bytes[byte]) & (0x80 >> bits)) == 0)
        bits++;
    return byte * 8 + bits;
}

/* MUST-44: the address of the same family that shares the longest prefix with the remote one (RFC
 * 6724, rule 8). False: no address of that family. */
bool ip_choose_source(const struct duet_stack *s, const struct duet_address *remote,
                      struct duet_address *local)
{
    const struct duet_address *best = NULL;
    for (uint32_t i = 0; i < s->config.interface_count; i++) {
        const struct duet_address *candidate = &s->config.interfaces[i].address;
        if (address_is_ipv4(candidate) != address_is_ipv4(remote))
            continue;
        if (best == NULL || common_prefix(candidate, remote) > common_prefix(best, remote))
            best = candidate;
    }
    if (best != NULL)
        *local = *best;
    return best != NULL;
}

static enum tcp_rule rule_of(enum ip_verdict verdict)
{
    switch (verdict) {
    case IP_TRUNCATED:
        return TCP_RULE_IP_TRUNCATED;
    case IP_BAD_VERSION:
        return TCP_RULE_IP_BAD_VERSION;
    case IP_BAD_HEADER:
        return TCP_RULE_IP_BAD_HEADER;
    case IP_BAD_CHECKSUM:
        return TCP_RULE_IP_BAD_CHECKSUM;
    case IP_FRAGMENT:
        return TCP_RULE_IP_FRAGMENT;
    case IP_SOURCE_ROUTE:
        return TCP_RULE_IP_SOURCE_ROUTE;
    case IP_BAD_EXTENSION:
        return TCP_RULE_IP_BAD_EXTENSION;
    case IP_UNKNOWN_OPTION:
        return TCP_RULE_IP_UNKNOWN_OPTION;
    case IP_OK:
        break;
    }
    unreachable("IP_OK is no fault");
}

/* Of our own addresses packets come only where the link is a loopback. */
bool ip_may_come_from(const struct duet_stack *s, const struct duet_address *source)
{
    return s->config.loopback_allowed || !is_interface(s, source);
}

/* Why a packet with a sound header is not for us, or NONE. */
static enum tcp_rule address_rule(const struct duet_stack *s, const struct duet_address *source,
                                  const struct duet_address *destination)
{
    if (!ip_is_talkable(s, source))
        return TCP_RULE_IP_BAD_SOURCE;
    if (!ip_may_come_from(s, source))
        return TCP_RULE_IP_OWN_SOURCE;
    if (!ip_is_talkable(s, destination))
        return TCP_RULE_IP_NOT_UNICAST;
    if (!ip_is_ours(s, destination))
        return TCP_RULE_IP_NOT_OURS;
    return TCP_RULE_NONE;
}

bool ip_is_for_us(const struct duet_stack *s, const struct duet_address *source,
                  const struct duet_address *destination)
{
    return address_rule(s, source, destination) == TCP_RULE_NONE;
}

COLD void ip_input(struct duet_stack *s, const struct duet_packet *packet)
{
    struct ip_packet ip;
    enum ip_verdict verdict = ip_parse(packet->data, packet->length, &ip);
    enum tcp_rule rule =
        verdict == IP_OK ? address_rule(s, &ip.source, &ip.destination) : rule_of(verdict);
    if (rule != TCP_RULE_NONE) {
        stack_rule(s, NULL, DUET_CLOSED, rule);
        return;
    }
    if (ip.protocol == IP_PROTOCOL_TCP)
        tcp_input(s, packet, &ip);
    else if (ip.protocol == (version_is_ipv4(ip.version) ? IP_PROTOCOL_ICMP : IP_PROTOCOL_ICMPV6))
        icmp_input(s, &ip);
    else
        stack_rule(s, NULL, DUET_CLOSED, TCP_RULE_IP_UNKNOWN_PROTOCOL);
}
