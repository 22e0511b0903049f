/* SPDX-License-Identifier: MIT */
/* See forge.h. A stranger is off the path: he may know who talks to whom on which ports, but of 2^32
 * sequence numbers he has to guess. A stack that lets him change anything is broken. */
#include "sim/swarm/forge.h"

#include <string.h>

#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"

enum { ICMP_HEADER = 8, QUOTED = 8, FORGED_TEXT_MOST = 64 };

static uint32_t ip_header(const struct swarm *w)
{
    return w->plan.ipv6 ? IPV6_HEADER : IPV4_HEADER;
}

static struct duet_address address_at(const struct swarm *w, const uint8_t *bytes, bool source)
{
    struct duet_address address;

    if (w->plan.ipv6) {
        memcpy(address.bytes, bytes + (source ? 8 : 24), 16);
        return address;
    }
    bytes += source ? 12 : 16;
    return duet_ipv4(bytes[0], bytes[1], bytes[2], bytes[3]);
}

static uint16_t sum_up(const struct swarm *w, const uint8_t *bytes, uint32_t size)
{
    struct duet_address source = address_at(w, bytes, true);
    struct duet_address destination = address_at(w, bytes, false);
    struct checksum sum = {0};

    checksum_add_pseudo(&sum, &source, &destination, IP_PROTOCOL_TCP, size);
    checksum_add(&sum, bytes + ip_header(w), size);
    return checksum_finish(&sum);
}

bool forge_look(struct swarm *w, uint32_t slot, struct forge_view *view)
{
    uint32_t length = w->packets.slots[slot].length;
    uint32_t header = ip_header(w), offset, claimed;

    view->bytes = packet_bytes(&w->packets, slot);
    view->tcp = view->bytes + header;
    if (length < header + TCP_HEADER || view->bytes[w->plan.ipv6 ? 6 : 9] != IP_PROTOCOL_TCP)
        return false;
    claimed = w->plan.ipv6 ? header + bytes_get16(view->bytes + 4) : bytes_get16(view->bytes + 2);
    offset = (uint32_t)(view->tcp[12] >> 4) * 4;
    if (offset < TCP_HEADER || claimed > length || header + offset > claimed ||
        sum_up(w, view->bytes, claimed - header) != 0)
        return false;
    view->text = view->tcp + offset;
    view->text_length = claimed - header - offset;
    return true;
}

static void mend_ipv4(uint8_t *bytes, uint32_t length)
{
    struct checksum sum = {0};

    bytes_put16(bytes + 2, (uint16_t)length);
    bytes_put16(bytes + 10, 0);
    checksum_add(&sum, bytes, IPV4_HEADER);
    bytes_put16(bytes + 10, checksum_finish(&sum));
}

void forge_mend(struct swarm *w, uint32_t slot, uint32_t text_length)
{
    struct packet_slot *info = &w->packets.slots[slot];
    uint8_t *bytes = packet_bytes(&w->packets, slot);
    uint8_t *tcp = bytes + ip_header(w);
    uint32_t size = (uint32_t)(tcp[12] >> 4) * 4 + text_length;

    info->length = ip_header(w) + size;
    info->flags = 0;
    if (w->plan.ipv6)
        bytes_put16(bytes + 4, (uint16_t)size);
    else
        mend_ipv4(bytes, info->length);
    bytes_put16(tcp + 16, 0);
    bytes_put16(tcp + 16, sum_up(w, bytes, size));
}

uint8_t forge_ecn(const uint8_t *bytes)
{
    return bytes[0] >> 4 == 6 ? bytes[1] >> 4 & 3 : bytes[1] & 3;
}

void forge_set_ecn(uint8_t *bytes, uint8_t ecn)
{
    uint32_t sum;

    if (bytes[0] >> 4 == 6) {
        bytes[1] = (uint8_t)((bytes[1] & ~0x30) | ecn << 4);
        return;
    }
    sum = (uint16_t)~bytes_get16(bytes + 10) + (uint32_t)(uint16_t)~bytes_get16(bytes);
    bytes[1] = (uint8_t)((bytes[1] & ~3) | ecn);
    sum += bytes_get16(bytes);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    bytes_put16(bytes + 10, (uint16_t)~sum);
}

/* ---- strangers ---- */

/* An empty packet between the ends of the one in slot, in one of both directions. */
static uint32_t begin_packet(struct swarm *w, uint32_t slot, bool back, struct ip_packet *ip)
{
    uint32_t forged = packets_take(w);
    struct packet_slot *info = &w->packets.slots[forged];
    const uint8_t *bytes = packet_bytes(&w->packets, slot);

    *info = (struct packet_slot){.next_free = info->next_free, .from = UINT8_MAX};
    *ip = (struct ip_packet){
        .source = address_at(w, bytes, !back),
        .destination = address_at(w, bytes, back),
        .ttl = 64,
    };
    return forged;
}

static void forge_segment(struct swarm *w, uint32_t slot, enum duet_sim_fault fault,
                          struct prng *prng)
{
    bool back = luck_one_in(prng, 2);
    struct tcp_header header = {
        .seq = (uint32_t)prng_next(prng),
        .ack = (uint32_t)prng_next(prng),
        .flags = DUET_RST,
        .window = (uint16_t)prng_next(prng),
    };
    struct forge_view view;
    struct ip_packet ip;
    uint32_t forged, text = 0, size;
    uint8_t *bytes;

    if (!forge_look(w, slot, &view))
        return;
    header.source_port = bytes_get16(view.tcp + (back ? 2 : 0));
    header.destination_port = bytes_get16(view.tcp + (back ? 0 : 2));
    if (fault == DUET_SIM_INJECT_SYN)
        header.flags = DUET_SYN;
    if (fault == DUET_SIM_INJECT_DATA)
        header.flags = DUET_ACK | DUET_PSH;
    if (luck_one_in(prng, 2))
        header.flags |= DUET_ACK;
    if (fault == DUET_SIM_INJECT_DATA)
        text = (uint32_t)luck_between(prng, 1, FORGED_TEXT_MOST);
    if ((header.flags & DUET_ACK) == 0)
        header.ack = 0;
    forged = begin_packet(w, slot, back, &ip);
    bytes = packet_bytes(&w->packets, forged);
    ip.protocol = IP_PROTOCOL_TCP;
    size = tcp_build(bytes + ip_header(w), &header);
    memset(bytes + ip_header(w) + size, 'X', text);
    ip.payload_length = size + text;
    (void)ip_build(bytes, &ip);
    forge_mend(w, forged, text);
    network_pass(w, forged, 0);
}

/* ---- ICMP ---- */

/* The error about the packet quoted at bytes, for its sender. mtu 0: another error than too big. */
static void send_icmp(struct swarm *w, uint32_t slot, uint8_t type, uint8_t code, uint32_t mtu,
                      const uint32_t *seq)
{
    uint32_t header = ip_header(w), quoted = header + QUOTED;
    struct ip_packet ip;
    uint32_t forged = begin_packet(w, slot, true, &ip);
    uint8_t *bytes = packet_bytes(&w->packets, forged), *icmp = bytes + header;
    struct checksum sum = {0};

    ip.source = host_address(w, 253); /* a router */
    ip.protocol = w->plan.ipv6 ? IP_PROTOCOL_ICMPV6 : IP_PROTOCOL_ICMP;
    ip.payload_length = ICMP_HEADER + quoted;
    (void)ip_build(bytes, &ip);
    memset(icmp, 0, ICMP_HEADER);
    icmp[0] = type;
    icmp[1] = code;
    bytes_put32(icmp + 4, mtu);
    memcpy(icmp + ICMP_HEADER, packet_bytes(&w->packets, slot), quoted);
    if (seq != NULL)
        bytes_put32(icmp + ICMP_HEADER + header + 4, *seq);
    if (w->plan.ipv6)
        checksum_add_pseudo(&sum, &ip.source, &ip.destination, ip.protocol, ip.payload_length);
    checksum_add(&sum, icmp, ip.payload_length);
    bytes_put16(icmp + 2, checksum_finish(&sum));
    w->packets.slots[forged].length = header + ip.payload_length;
    network_pass(w, forged, 0);
}

static void forge_icmp(struct swarm *w, uint32_t slot, struct prng *prng)
{
    static const uint8_t errors[2][4][2] = {
        {{3, 0}, {3, 3}, {3, 4}, {11, 0}}, /* net, port, too big; time exceeded */
        {{1, 0}, {1, 4}, {2, 0}, {3, 0}},
    };
    const uint8_t *error = errors[w->plan.ipv6][prng_below(prng, 4)];
    uint32_t seq = (uint32_t)prng_next(prng);
    bool too_big = error == errors[w->plan.ipv6][2];
    struct forge_view view;

    if (forge_look(w, slot, &view))
        send_icmp(w, slot, error[0], error[1], too_big ? (uint32_t)luck_between(prng, 0, 1500) : 0,
                  &seq);
}

void forge_too_big(struct swarm *w, uint32_t slot, uint32_t mtu)
{
    struct forge_view view;

    if (!forge_look(w, slot, &view))
        return;
    if (w->plan.ipv6)
        send_icmp(w, slot, 2, 0, mtu, NULL);
    else
        send_icmp(w, slot, 3, 4, mtu, NULL);
}

void forge_stranger(struct swarm *w, uint32_t slot, enum duet_sim_fault fault, struct prng *prng)
{
    if (fault == DUET_SIM_INJECT_ICMP)
        forge_icmp(w, slot, prng);
    else
        forge_segment(w, slot, fault, prng);
}
