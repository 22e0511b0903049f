/* SPDX-License-Identifier: MIT */
/* Packets that no stack of the world sent: of strangers who know much or little, and what boxes on the path make of those
 * that one did. Most numbers are near the edges of what a connection has, so that they are not all thrown out by
 * the first test. */
#include "doors.h"

#include "wire/icmp.h"
#include "wire/tcp.h"

enum { TEXT_MAX = 700, QUOTE_MAX = 128 };

/* ---- sums ---- */

static void put_sum(uint8_t *at, uint32_t sum)
{
    at[0] = (uint8_t)(~sum >> 8);
    at[1] = (uint8_t)~sum;
}

static uint32_t pseudo(const struct ip_packet *ip)
{
    const unsigned skip = ip->version == 4 ? 12 : 0;
    uint32_t sum = sum_by_hand(0, ip->source.bytes + skip, 16 - skip);
    sum = sum_by_hand(sum, ip->destination.bytes + skip, 16 - skip);
    return sum_by_hand(sum + ip->protocol + ip->payload_length, NULL, 0);
}

bool forge_mend(uint8_t *bytes, uint32_t length)
{
    struct ip_packet ip;
    if (length >= IPV4_HEADER && bytes[0] >> 4 == 4 && (bytes[0] & 15u) * 4u <= length) {
        bytes[10] = bytes[11] = 0;
        put_sum(bytes + 10, sum_by_hand(0, bytes, (bytes[0] & 15u) * 4u));
    }
    if (ip_parse(bytes, length, &ip) != IP_OK || ip.protocol != IP_PROTOCOL_TCP ||
        ip.payload_length < TCP_HEADER)
        return false;
    uint8_t *tcp = bytes + ip.header_length;
    tcp[16] = tcp[17] = 0;
    put_sum(tcp + 16, sum_by_hand(pseudo(&ip), tcp, ip.payload_length));
    return true;
}

/* ---- whom it is about ---- */

/* A record of the stack: of a connection, half open, waiting or listening; or none: all zero. */
static struct duet_status some_record(struct world *w, const struct end *end)
{
    struct duet_status status = {0}, found = {0};
    struct duet_handle handle;
    uint64_t cursor = 0;
    unsigned which = take8(&w->input) % 8u;
    for (unsigned i = 0; i <= which && duet_next_status(end->stack, &cursor, &handle, &status); i++)
        found = status;
    return found;
}

/* The other end, or a stranger of its family. */
static struct duet_address some_address(struct world *w, unsigned to)
{
    struct duet_address address = w->ends[1 - to].address;
    const uint8_t who = take8(&w->input);
    if (who >= 200)
        address.bytes[15] = (uint8_t)(3 + who % 4);
    return address;
}

static uint32_t near(struct world *w, uint32_t number)
{
    const uint8_t how = take8(&w->input);
    if (how < 16)
        return number;
    if (how < 128)
        return number + (uint32_t)((int32_t)how - 72);
    if (how < 192)
        return number + (uint32_t)((int32_t)how - 160) * 64u;
    return how < 254 ? number + ((uint32_t)how << 24) : take32(&w->input);
}

/* ---- segments ---- */

static struct tcp_options some_options(struct world *w, const struct duet_status *about, bool syn)
{
    const uint8_t which = take8(&w->input);
    struct tcp_options options = {.present = 0};
    if (which == 0)
        return options;
    const unsigned offers = DUET_TRACE_MSS | DUET_TRACE_WINDOW_SCALE | DUET_TRACE_SACK_PERMITTED;
    options.present = (uint16_t)(syn ? which & offers : 0);
    if (about->timestamps || (which & DUET_TRACE_TIMESTAMPS) != 0)
        options.present |= DUET_TRACE_TIMESTAMPS;
    options.present |= (which & 64) != 0 ? DUET_TRACE_USER_TIMEOUT : 0;
    options.present |= (which & 32) != 0 ? DUET_TRACE_ACCURATE_ECN : 0;
    options.present |= (which & 128) != 0 && syn ? DUET_TRACE_FAST_OPEN : 0;
    options.mss = (which & 3) == 3 ? take16(&w->input) : 1000;
    options.window_scale = (uint8_t)(which >> 4);
    options.tsval = near(w, (uint32_t)(w->now / DUET_MILLISECOND));
    options.tsecr = near(w, (uint32_t)(w->now / DUET_MILLISECOND));
    options.user_timeout = (which & 64) != 0 ? take16(&w->input) : 0;
    options.cookie_length = (which & 128) != 0 ? (uint8_t)(take8(&w->input) % 7 * 2 + 4) : 0;
    options.accurate_ecn.order = which & 1;
    options.accurate_ecn.fields = (which & 32) != 0 ? take8(&w->input) % 4 : 0;
    for (unsigned i = 0; i < options.accurate_ecn.fields; i++)
        options.accurate_ecn.field[i] = take8(&w->input);
    if (!syn && (which & DUET_TRACE_SACK) != 0) {
        options.present |= DUET_TRACE_SACK;
        options.sack_count = (uint8_t)(1 + take8(&w->input) % 3);
        for (unsigned i = 0; i < options.sack_count; i++) {
            options.sack[i].left = near(w, i == 0 ? about->snd_una : options.sack[0].right);
            options.sack[i].right = options.sack[i].left + take8(&w->input) * 8u;
        }
    }
    return options;
}

/* Text at its place of the stream that the pair of sockets has. */
static void put_text(uint8_t *bytes, const struct tcp_header *header, const struct ip_packet *ip,
                     const struct duet_status *about)
{
    const struct duet_socket_address from = {ip->source, header->source_port};
    const struct duet_socket_address to = {ip->destination, header->destination_port};
    const bool syn = (header->flags & DUET_SYN) != 0;
    const bool known = about->remote.port != 0 && about->state != DUET_SYN_SENT;
    const uint32_t first = known ? about->irs + 1 : header->seq + 1;
    const int32_t place =
        (int32_t)(header->seq + syn - first); /* of old text: before the first byte */
    stream_fill(stream_of(&from, &to), place, bytes, header->text_length);
}

static void fly(struct world *w, unsigned to, uint8_t *bytes, uint32_t length, uint8_t segment)
{
    const struct duet_packet packet = {.data = bytes, .length = length, .segment_size = segment};
    talk_packet(w, to, "gets forged", bytes, length);
    duet_input(w->ends[to].stack, w->now, &packet);
}

void forge_segment(struct world *w, unsigned to)
{
    static const uint16_t usual[] = {DUET_ACK,
                                     DUET_ACK,
                                     DUET_SYN,
                                     DUET_SYN | DUET_ACK,
                                     DUET_ACK | DUET_FIN,
                                     DUET_RST,
                                     DUET_ACK | DUET_PSH,
                                     DUET_SYN | DUET_ECE | DUET_CWR | DUET_AE};
    uint8_t bytes[IPV6_HEADER + TCP_HEADER + TCP_OPTIONS_MAX + TEXT_MAX];
    const struct end *end = &w->ends[to];
    const struct duet_status about = some_record(w, end);
    const uint8_t how = take8(&w->input);
    struct tcp_header header = {
        .source_port =
            about.remote.port != 0 ? about.remote.port : (uint16_t)(4000 + take8(&w->input) % 4),
        .destination_port = about.local.port != 0 ? about.local.port : 80,
        .flags = how < 224 ? usual[how % 8] : (uint16_t)(take16(&w->input) % 512),
        .window = (uint16_t)(take8(&w->input) * 8u),
        .urgent = (how & 8) != 0 ? take8(&w->input) : 0,
    };
    header.options = some_options(w, &about, (header.flags & DUET_SYN) != 0);
    header.seq = near(w, about.rcv_nxt);
    header.ack = near(w, about.snd_nxt);
    header.text_length = (how & 16) != 0 ? take8(&w->input) * 2u : 0;
    struct ip_packet ip = {
        .source = about.remote.port != 0 ? about.remote.address : some_address(w, to),
        .destination = end->address,
        .protocol = IP_PROTOCOL_TCP,
        .ttl = 64,
        .traffic_class = how & 3,
    };
    const uint32_t ip_size = duet_address_is_ipv4(&ip.source) ? IPV4_HEADER : IPV6_HEADER;
    const uint32_t tcp_size = tcp_build(bytes + ip_size, &header);
    put_text(bytes + ip_size + tcp_size, &header, &ip, &about);
    ip.payload_length = tcp_size + header.text_length;
    (void)ip_build(bytes, &ip);
    EXPECT(forge_mend(bytes, ip_size + ip.payload_length));
    fly(w, to, bytes, ip_size + ip.payload_length, (how & 48) == 48 ? 100 : 0);
}

/* ---- ICMP ---- */

/* A segment of the stack as a router would quote it. */
static uint32_t quote(struct world *w, unsigned to, uint8_t *bytes)
{
    const struct duet_status about = some_record(w, &w->ends[to]);
    struct tcp_header header = {
        .source_port = about.local.port,
        .destination_port = about.remote.port,
        .seq = near(w, about.snd_una),
        .ack = about.rcv_nxt,
        .flags = DUET_ACK,
    };
    struct ip_packet ip = {
        .source = w->ends[to].address,
        .destination = about.remote.port != 0 ? about.remote.address : w->ends[1 - to].address,
        .protocol = IP_PROTOCOL_TCP,
        .ttl = 60,
        .payload_length = TCP_HEADER,
    };
    const uint32_t head = ip_build(bytes, &ip);
    return head + tcp_build(bytes + head, &header);
}

void forge_icmp(struct world *w, unsigned to)
{
    static const uint8_t types[2][8] = {{3, 3, 3, 11, 12, 8, 4, 5}, {1, 1, 2, 3, 4, 128, 2, 137}};
    uint8_t bytes[IPV6_HEADER + 8 + QUOTE_MAX] = {0};
    const bool six = !duet_address_is_ipv4(&w->ends[to].address);
    struct ip_packet ip = {
        .source = some_address(w, to),
        .destination = w->ends[to].address,
        .protocol = six ? IP_PROTOCOL_ICMPV6 : IP_PROTOCOL_ICMP,
        .ttl = 64,
    };
    uint8_t *message = bytes + (six ? IPV6_HEADER : IPV4_HEADER);
    const uint8_t how = take8(&w->input);
    message[0] = types[six][how % 8];
    message[1] = how / 8 % 8;
    const uint16_t mtu = take16(&w->input) % 1600;
    message[6] = (uint8_t)(mtu >> 8);
    message[7] = (uint8_t)mtu;
    const uint32_t quoted = quote(w, to, message + 8);
    ip.version = six ? 6 : 4;
    ip.payload_length = 8 + (how >= 192 ? take8(&w->input) % (quoted + 1) : quoted);
    put_sum(message + 2, sum_by_hand(six ? pseudo(&ip) : 0, message, ip.payload_length));
    const uint32_t head = ip_build(bytes, &ip);
    fly(w, to, bytes, head + ip.payload_length, 0);
}

void forge_bytes(struct world *w, unsigned to)
{
    uint8_t bytes[64];
    const uint32_t length = take8(&w->input) % sizeof bytes;
    for (uint32_t i = 0; i < length; i++)
        bytes[i] = take8(&w->input);
    if (length > 0)
        bytes[0] = (uint8_t)((bytes[0] & 0x8f) | 0x40 | (bytes[0] & 0x20));
    (void)forge_mend(bytes, length);
    fly(w, to, bytes, length, 0);
}

/* ---- boxes on the path ---- */

/* Overwrites one byte of the headers, not of what says where the text belongs. */
static void rewrite(struct world *w, uint8_t *tcp, uint32_t size)
{
    const uint8_t where = take8(&w->input), what = take8(&w->input);
    const uint32_t at = 8 + where % (size - 8);
    if (at == 12)
        return; /* the header's own length: text would become options */
    tcp[at] = what;
}

void forge_change(struct world *w, unsigned to, unsigned index)
{
    struct end *end = &w->ends[to];
    struct ip_packet ip;
    struct tcp_header tcp;
    if (index >= end->flying_count)
        return;
    struct flying *packet = end->flying[index];
    const uint8_t how = take8(&w->input);
    /* No box makes the sum of what was damaged right, and damage twice might. */
    if (packet->damaged || ip_parse(packet->bytes, packet->length, &ip) != IP_OK ||
        packet->length < 28)
        return;
    if (how < 64) { /* damaged on the way */
        packet->bytes[take16(&w->input) % packet->length] ^= (uint8_t)(1u << how % 8);
        packet->damaged = true;
        return;
    }
    if (how < 96) { /* cut off */
        packet->length -= take8(&w->input) % packet->length;
        packet->damaged = true;
        return;
    }
    if (how < 160 && ip.version == 4) { /* marked, or bleached */
        packet->bytes[1] = (uint8_t)((packet->bytes[1] & ~3) | (how & 3));
        (void)forge_mend(packet->bytes, packet->length);
        return;
    }
    if (ip.protocol != IP_PROTOCOL_TCP ||
        tcp_parse(ip.payload, ip.payload_length, &tcp) != TCP_WIRE_OK)
        return;
    rewrite(w, packet->bytes + ip.header_length, ip.payload_length - tcp.text_length);
    (void)forge_mend(packet->bytes, packet->length);
    talk_packet(w, to, "will get", packet->bytes, packet->length);
}
