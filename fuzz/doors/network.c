/* SPDX-License-Identifier: MIT */
/* The network of the fuzzer of the doors: what flies towards each end, in order unless the input says otherwise. It fills
 * in the sums that a stack left to its link, and cuts large packets as a link would, or delivers them whole. */
#include "doors.h"

#include "wire/tcp.h"

enum { CUTS_MAX = 16, AT_FLAGS = 13 };

static struct flying pool[ENDS][FLYING_MAX];

void network_start(struct world *w)
{
    for (unsigned e = 0; e < ENDS; e++) {
        w->ends[e].flying_count = 0;
        for (unsigned i = 0; i < FLYING_MAX; i++)
            w->ends[e].flying[i] = &pool[e][i];
    }
}

/* Room for one more towards an end; when there is none the oldest is lost. */
static struct flying *launch(struct world *w, unsigned to)
{
    struct end *end = &w->ends[to];
    if (end->flying_count == FLYING_MAX)
        network_lose(w, to, 0);
    struct flying *packet = end->flying[end->flying_count++];
    packet->segment_size = 0;
    packet->damaged = false;
    return packet;
}

void network_lose(struct world *w, unsigned to, unsigned index)
{
    struct end *end = &w->ends[to];
    if (index >= end->flying_count)
        return;
    struct flying *lost = end->flying[index];
    end->flying_count--;
    for (unsigned i = index; i < end->flying_count; i++)
        end->flying[i] = end->flying[i + 1];
    end->flying[end->flying_count] = lost;
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* As the network card of the sender would: each piece has the headers, its own number, FIN and PSH
 * only at the end and CWR only at the beginning. */
static void cut(struct world *w, unsigned to, const struct duet_packet *packet)
{
    struct ip_packet ip;
    struct tcp_header tcp;
    EXPECT(ip_parse(packet->data, packet->length, &ip) == IP_OK);
    EXPECT(tcp_parse(ip.payload, ip.payload_length, &tcp) == TCP_WIRE_OK);
    const uint32_t headers = packet->length - tcp.text_length;
    for (uint32_t at = 0; at < tcp.text_length; at += packet->segment_size) {
        const uint32_t rest = tcp.text_length - at;
        const uint32_t size = rest < packet->segment_size ? rest : packet->segment_size;
        struct flying *piece = launch(w, to);
        uint8_t *header = piece->bytes + ip.header_length;
        piece->length = headers + size;
        memcpy(piece->bytes, packet->data, headers);
        memcpy(piece->bytes + headers, tcp.text + at, size);
        if (ip.version == 4)
            put16(piece->bytes + 2, piece->length);
        else
            put16(piece->bytes + 4, piece->length - IPV6_HEADER);
        put16(header + 4, (tcp.seq + at) >> 16);
        put16(header + 6, tcp.seq + at);
        if (size < rest)
            header[AT_FLAGS] &= (uint8_t) ~(DUET_FIN | DUET_PSH);
        if (at > 0)
            header[AT_FLAGS] &= (uint8_t)~DUET_CWR;
        EXPECT(forge_mend(piece->bytes, piece->length));
    }
}

unsigned network_output(struct world *w, unsigned from, unsigned most)
{
    static uint8_t bytes[PACKET_ROOM];
    struct end *end = &w->ends[from];
    unsigned count = 0;
    for (; count < most; count++) {
        struct duet_packet packet = {.data = bytes, .size = sizeof bytes};
        if (!duet_output(end->stack, w->now, &packet))
            break;
        talk_packet(w, from, packet.segment_size != 0 ? "sends large" : "sends", bytes,
                    packet.length);
        stream_expect_packet(w, end, &packet);
        if (packet.segment_size != 0 && (w->ends[1 - from].config.ttl & 1) == 0) {
            cut(w, 1 - from, &packet);
            continue;
        }
        struct flying *flying = launch(w, 1 - from);
        flying->length = packet.length;
        flying->segment_size = packet.segment_size;
        memcpy(flying->bytes, bytes, packet.length);
        if ((packet.flags & DUET_PACKET_CHECKSUM_PARTIAL) != 0)
            EXPECT(forge_mend(flying->bytes, flying->length));
    }
    return count;
}

void network_deliver(struct world *w, unsigned to, unsigned index, bool keep)
{
    struct end *end = &w->ends[to];
    if (index >= end->flying_count)
        return;
    struct flying *flying = end->flying[index];
    const bool vouched = !flying->damaged && (end->config.offload & DUET_OFFLOAD_CHECKSUM_IN) != 0;
    const struct duet_packet packet = {
        .data = flying->bytes,
        .length = flying->length,
        .segment_size = flying->segment_size,
        .flags = vouched ? DUET_PACKET_CHECKED : 0,
    };
    talk_packet(w, to, "gets", flying->bytes, flying->length);
    if (!keep)
        network_lose(w, to, index); /* only its place: the bytes stay as they are */
    duet_input(end->stack, w->now, &packet);
}

bool network_exchange(struct world *w, unsigned rounds)
{
    bool moved = false;
    for (unsigned round = 0; round < rounds; round++) {
        unsigned count = 0;
        for (unsigned e = 0; e < ENDS; e++) {
            count += network_output(w, e, 8);
            while (w->ends[1 - e].flying_count > 0)
                network_deliver(w, 1 - e, 0, false);
        }
        if (count == 0)
            return moved;
        moved = true;
    }
    return moved;
}
