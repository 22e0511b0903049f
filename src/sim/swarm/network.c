/* SPDX-License-Identifier: MIT */
/* The way of a packet from one stack to another. Each host has a link to one core that loses
 * nothing; what goes wrong goes wrong on the sender's link:
 *
 *     stack -> weather (what lasts: partitions, small MTUs, slow links, middleboxes)
 *           -> faults (what strikes this packet: loss, corruption, strangers)
 *           -> translator -> latency of both links -> stack
 *
 * A packet on which nothing is to happen takes two comparisons. */
#include <string.h>

#include "base/check.h"
#include "sim/swarm/timeline.h"
#include "wire/checksum.h"
#include "wire/ip.h"

enum { HEADERS_MOST = 40 + 60 }; /* bytes of a packet that are part of the history */

/* ---- addresses ---- */

/* The last bytes of an address name a host and, behind a translator, which of its addresses. */
static const uint8_t *destination_of(const struct swarm *w, const uint8_t *bytes)
{
    return w->plan.ipv6 ? bytes + 24 : bytes + 16;
}

static uint8_t *source_of(const struct swarm *w, uint8_t *bytes)
{
    return w->plan.ipv6 ? bytes + 8 : bytes + 12;
}

static uint32_t address_size(const struct swarm *w)
{
    return w->plan.ipv6 ? 16 : 4;
}

/* One byte of the address is 0 for a host's own one, and counts its later ones. */
static uint8_t *translation_in(const struct swarm *w, uint8_t *address)
{
    return address + (w->plan.ipv6 ? 5 : 2);
}

/* Where the checksum that covers the addresses stands; 0: there is none. */
static uint32_t checksum_place(const struct swarm *w, const uint8_t *bytes)
{
    uint8_t protocol = bytes[w->plan.ipv6 ? 6 : 9];

    if (protocol == IP_PROTOCOL_TCP)
        return (w->plan.ipv6 ? IPV6_HEADER : IPV4_HEADER) + 16;
    return protocol == IP_PROTOCOL_ICMPV6 ? IPV6_HEADER + 2 : 0;
}

/* Changes one byte of an address and keeps every checksum that covers it right (RFC 1624). */
static void translate(struct swarm *w, uint8_t *bytes, uint32_t length, uint8_t *byte, uint8_t to)
{
    bool is_high = ((byte - bytes) & 1) == 0;
    uint32_t before = (uint32_t)*byte << (is_high ? 8 : 0);
    uint32_t after = (uint32_t)to << (is_high ? 8 : 0);
    uint32_t places[2] = {checksum_place(w, bytes), w->plan.ipv6 ? 0 : 10};

    *byte = to;
    for (unsigned i = 0; i < 2; i++) {
        uint32_t sum;

        if (places[i] == 0 || places[i] + 2 > length)
            continue;
        sum = (uint16_t)~bytes_get16(bytes + places[i]);
        sum += (uint16_t)~before + after;
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        bytes_put16(bytes + places[i], (uint16_t)~sum);
    }
}

void network_finish_checksum(struct swarm *w, uint32_t slot)
{
    struct packet_slot *info = &w->packets.slots[slot];
    uint8_t *bytes = packet_bytes(&w->packets, slot);
    struct checksum sum = {0};

    info->flags &= (uint16_t)~DUET_PACKET_CHECKED;
    if ((info->flags & DUET_PACKET_CHECKSUM_PARTIAL) == 0)
        return;
    info->flags &= (uint16_t)~DUET_PACKET_CHECKSUM_PARTIAL;
    checksum_add(&sum, bytes + info->checksum_start, info->length - info->checksum_start);
    bytes_put16(bytes + info->checksum_start + info->checksum_offset, checksum_finish(&sum));
}

void network_count(struct swarm *w, enum duet_sim_fault fault, const struct host *host,
                   uint32_t number)
{
    struct duet_sim_hits *hits = w->options.hits;

    w->result->faults[fault]++;
    if (hits == NULL)
        return;
    if (hits->count == hits->room) {
        hits->lost = true;
        return;
    }
    hits->hits[hits->count++] = (struct duet_sim_hit){(uint8_t)fault, host->number, number};
}

/* ---- the way ---- */

/* Servers have a translation that stays: only what a host has opened itself changes its address. */
static bool is_served(const struct swarm *w, const uint8_t *bytes, bool at_source)
{
    const uint8_t *tcp = bytes + (w->plan.ipv6 ? IPV6_HEADER : IPV4_HEADER);
    uint16_t port = bytes_get16(tcp + (at_source ? 0 : 2));

    return bytes[w->plan.ipv6 ? 6 : 9] == IP_PROTOCOL_TCP &&
           (port == SWARM_PORT || port == SWARM_DEAF_PORT);
}

/* Whom a packet is for, with the address that he knows of himself; NULL: nobody. */
static struct host *find_host(struct swarm *w, uint32_t slot)
{
    uint8_t *bytes = packet_bytes(&w->packets, slot);
    const uint8_t *end = destination_of(w, bytes) + address_size(w);
    uint8_t *translation = translation_in(w, bytes + (destination_of(w, bytes) - bytes));
    struct host *host;

    if (end[-1] < 1 || end[-1] > w->plan.host_count)
        return NULL;
    host = &w->hosts[end[-1] - 1];
    if (*translation != (is_served(w, bytes, false) ? 0 : host->translation))
        return NULL; /* the translator has forgotten that address */
    if (*translation != 0) {
        network_finish_checksum(w, slot);
        translate(w, bytes, w->packets.slots[slot].length, translation, 0);
    }
    return host;
}

void network_pass(struct swarm *w, uint32_t slot, duet_time later)
{
    struct packet_slot *info = &w->packets.slots[slot];
    const struct host *from = info->from < SWARM_HOSTS_MAX ? &w->hosts[info->from] : NULL;
    struct host *to;

    if (from != NULL && from->translation != 0 &&
        !is_served(w, packet_bytes(&w->packets, slot), true)) {
        uint8_t *bytes = packet_bytes(&w->packets, slot);

        network_finish_checksum(w, slot);
        translate(w, bytes, info->length, translation_in(w, source_of(w, bytes)),
                  from->translation);
    }
    to = find_host(w, slot);
    if (to == NULL) {
        packets_give(w, slot);
        return;
    }
    info->to = to->number;
    if ((info->flags & DUET_PACKET_CHECKSUM_PARTIAL) != 0) {
        if ((to->config.offload & DUET_OFFLOAD_CHECKSUM_IN) != 0)
            info->flags = DUET_PACKET_CHECKED;
        else
            network_finish_checksum(w, slot);
    }
    swarm_note(w, w->now + later + to->latency + (from != NULL ? from->latency : 0), AGENDA_DELIVER,
               slot);
}

static duet_time queue_for(const struct swarm *w, struct host *from, uint32_t length)
{
    duet_time begin = from->free_at > w->now ? from->free_at : w->now;

    if (begin - w->now > from->queue)
        return DUET_NEVER;
    from->free_at = begin + (duet_time)length * from->byte_time;
    return from->free_at - w->now;
}

void network_send(struct swarm *w, struct host *from, uint32_t slot, duet_time departure)
{
    struct packet_slot *info = &w->packets.slots[slot];
    duet_time later = departure;

    swarm_hash(w, (uint64_t)w->now << 8 ^ from->number);
    swarm_hash(w, (uint64_t)departure << 20 ^ info->length);
    w->hash = history_add_bytes(w->hash, packet_bytes(&w->packets, slot),
                                min_u32(info->length, HEADERS_MOST));
    if (w->options.timeline != NULL)
        timeline_packet(w, from, slot, false);
    if (w->options.recorder != NULL && w->result->events >= w->options.record_from) {
        const struct duet_packet packet = {.data = packet_bytes(&w->packets, slot),
                                           .length = info->length};

        info->tag = duet_recorder_sent(
            w->options.recorder, from->number == w->sessions[0].client ? 0 : 1, w->now, &packet);
    }
    if (w->recipe->defect == DUET_SIM_FORGED_BYTE)
        defect_touch(w, slot);
    if (from->is_troubled && !weather_touch(w, from, slot))
        return;
    if (from->byte_time != 0) {
        duet_time wait = queue_for(w, from, w->packets.slots[slot].length);

        if (wait == DUET_NEVER) {
            packets_give(w, slot);
            return;
        }
        later += wait;
    }
    if (from->sent >= from->next_strike && !faults_strike(w, from, slot, &later))
        return;
    network_pass(w, slot, later);
}

void network_deliver(struct swarm *w, uint32_t slot)
{
    const struct packet_slot *info = &w->packets.slots[slot];
    struct host *to = &w->hosts[info->to];

    if (to->in_blocked != 0) {
        packets_give(w, slot);
        return;
    }
    if (w->options.recorder != NULL && w->result->events >= w->options.record_from) {
        const struct duet_packet packet = {
            .data = packet_bytes(&w->packets, slot), .length = info->length, .tag = info->tag};

        duet_recorder_arrived(w->options.recorder, to->number == w->sessions[0].client ? 0 : 1,
                              w->now, &packet);
    }
    if (w->options.timeline != NULL)
        timeline_packet(w, to, slot, true);
    host_input(w, to, slot);
}
