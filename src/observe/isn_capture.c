/* SPDX-License-Identifier: MIT */
/* Initial sequence numbers out of a capture: the classic file format of tcpdump and pcapng, of either
 * byte order. Every length is compared with what is left before it is believed. */
#include <stdlib.h>
#include <string.h>

#include "duet/isn.h"
#include "wire/ip.h"
#include "wire/tcp.h"

enum { PACKET_MAX = 262144 };

enum {
    LINK_NULL = 0,
    LINK_ETHERNET = 1,
    LINK_RAW = 101,
    LINK_LOOP = 108,
    LINK_SLL = 113,
    LINK_IPV4 = 228,
    LINK_IPV6 = 229,
    LINK_SLL2 = 276
};

#define MAGIC_MICROSECONDS UINT32_C(0xa1b2c3d4)
#define MAGIC_NANOSECONDS  UINT32_C(0xa1b23c4d)
#define BLOCK_SECTION      UINT32_C(0x0a0d0d0a)
#define BYTE_ORDER_MAGIC   UINT32_C(0x1a2b3c4d)
enum { BLOCK_INTERFACE = 1, BLOCK_PACKET = 6, INTERFACES_MAX = 64 };

struct reader {
    FILE *file;
    struct duet_isn_capture *capture;
    bool swapped;
    const char *why;
    struct {
        uint32_t link;            /* its type */
        uint8_t resolution;       /* of its times: if_tsresol */
    } interfaces[INTERFACES_MAX]; /* pcapng */
    uint32_t interface_count;
    uint8_t *bytes;
};

static uint32_t word(const struct reader *reader, const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return reader->swapped ? __builtin_bswap32(value) : value;
}

/* ---- keeping what was found ---- */

static struct duet_isn_host *host_of(struct duet_isn_capture *capture,
                                     const struct duet_address *address)
{
    struct duet_isn_host *more;

    for (size_t i = 0; i < capture->host_count; i++)
        if (duet_address_equal(&capture->hosts[i].address, address))
            return &capture->hosts[i];
    more = realloc(capture->hosts, (capture->host_count + 1) * sizeof *more);
    if (more == NULL)
        return NULL;
    capture->hosts = more;
    more[capture->host_count] = (struct duet_isn_host){.address = *address};
    return &more[capture->host_count++];
}

/* Equal pairs of sockets have equal numbers, others hardly ever. */
static uint64_t pair_number(const struct ip_packet *ip, const struct tcp_header *tcp)
{
    uint64_t number = UINT64_C(14695981039346656037);
    uint8_t bytes[2 * sizeof ip->source + 4];

    memcpy(bytes, &ip->source, sizeof ip->source);
    memcpy(bytes + sizeof ip->source, &ip->destination, sizeof ip->destination);
    memcpy(bytes + 2 * sizeof ip->source, &tcp->source_port, 2);
    memcpy(bytes + 2 * sizeof ip->source + 2, &tcp->destination_port, 2);
    for (size_t i = 0; i < sizeof bytes; i++)
        number = (number ^ bytes[i]) * UINT64_C(1099511628211);
    return number;
}

static bool keep(struct duet_isn_capture *capture, const struct duet_address *address,
                 const struct duet_isn_sample *sample)
{
    struct duet_isn_host *host = host_of(capture, address);
    struct duet_isn_sample *more;

    if (host == NULL)
        return false;
    for (size_t i = host->count; i > 0; i--) /* the latest of the pair: sent again? */
        if (host->samples[i - 1].pair == sample->pair) {
            if (host->samples[i - 1].isn == sample->isn)
                return true;
            break;
        }
    if ((host->count & (host->count - 1)) == 0) { /* room for twice as many */
        more = realloc(host->samples, (host->count == 0 ? 1 : 2 * host->count) * sizeof *more);
        if (more == NULL)
            return false;
        host->samples = more;
    }
    host->samples[host->count++] = *sample;
    return true;
}

/* ---- packets ---- */

/* Where IP begins behind a link header, or length if it is not there. */
static uint32_t ip_at(uint32_t link, const uint8_t *bytes, uint32_t length)
{
    switch (link) {
    case LINK_NULL:
    case LINK_LOOP:
        return 4;
    case LINK_ETHERNET:
        /* One VLAN tag may stand before the type. */
        return length > 18 && bytes[12] == 0x81 && bytes[13] == 0 ? 18 : 14;
    case LINK_SLL:
        return 16;
    case LINK_SLL2:
        return 20;
    case LINK_RAW:
    case LINK_IPV4:
    case LINK_IPV6:
        return 0;
    default:
        return length;
    }
}

static bool take_packet(struct reader *reader, uint32_t link, duet_time time, const uint8_t *bytes,
                        uint32_t length)
{
    uint32_t at = ip_at(link, bytes, length);
    struct ip_packet ip;
    struct tcp_header tcp;
    struct duet_isn_sample sample;

    reader->capture->packets++;
    if (at >= length || ip_parse(bytes + at, length - at, &ip) != IP_OK ||
        ip.protocol != IP_PROTOCOL_TCP ||
        tcp_parse(ip.payload, ip.payload_length, &tcp) != TCP_WIRE_OK)
        return true;
    if ((tcp.flags & DUET_SYN) == 0 || (tcp.flags & DUET_RST) != 0)
        return true;
    sample = (struct duet_isn_sample){time, pair_number(&ip, &tcp), tcp.seq};
    return keep(reader->capture, &ip.source, &sample);
}

/* ---- the classic format ---- */

static bool read_exactly(struct reader *reader, size_t size)
{
    return fread(reader->bytes, 1, size, reader->file) == size;
}

static bool read_pcap(struct reader *reader, bool is_nano)
{
    uint8_t *bytes = reader->bytes;
    uint32_t link;

    if (!read_exactly(reader, 20)) {
        reader->why = "the header of the capture is cut short";
        return false;
    }
    link = word(reader, bytes + 16) & 0xffff;
    while (read_exactly(reader, 16)) {
        duet_time time = (duet_time)word(reader, bytes) * DUET_SECOND;
        uint32_t fraction = word(reader, bytes + 4), length = word(reader, bytes + 8);

        time += (duet_time)fraction * (is_nano ? 1 : DUET_MICROSECOND);
        if (length > PACKET_MAX || !read_exactly(reader, length)) {
            reader->why = "a packet of the capture is cut short";
            return false;
        }
        if (!take_packet(reader, link, time, bytes, length)) {
            reader->why = "there is not enough memory";
            return false;
        }
    }
    return true;
}

/* ---- pcapng ---- */

enum { OPTION_END = 0, OPTION_RESOLUTION = 9, MICROSECONDS = 6, NANOSECONDS = 9 };

static uint32_t half_word(const struct reader *reader, const uint8_t *at)
{
    uint16_t value;

    memcpy(&value, at, sizeof value);
    return reader->swapped ? __builtin_bswap16(value) : value;
}

/* The option if_tsresol of an interface block: microseconds, if it has none. */
static uint8_t resolution_of(const struct reader *reader, const uint8_t *options, uint32_t length)
{
    while (length >= 4) {
        uint32_t code = half_word(reader, options), size = half_word(reader, options + 2);
        uint32_t padded = 4 + (size + 3) / 4 * 4;

        if (code == OPTION_END || padded > length)
            break;
        if (code == OPTION_RESOLUTION && size == 1)
            return options[4];
        options += padded;
        length -= padded;
    }
    return MICROSECONDS;
}

/* Ticks of 10^-n seconds, or 2^-n where the highest bit is set, as nanoseconds. Only differences of
 * times count: what does not fit is cut. */
static duet_time time_of(uint64_t ticks, uint8_t resolution)
{
    const uint64_t most = UINT64_C(1) << 62;
    unsigned n = resolution & 127u;

    if ((resolution & 128u) != 0) {
        uint64_t part = n >= 34 ? (ticks >> (n - 34)) : ticks << (34 - n); /* of 2^-34 s */

        return (duet_time)(((part >> 34) * DUET_SECOND +
                            (((part & ((UINT64_C(1) << 34) - 1)) * (uint64_t)DUET_SECOND) >> 34)) %
                           most);
    }
    for (; n > NANOSECONDS; n--)
        ticks /= 10;
    for (; n < NANOSECONDS; n++)
        ticks = ticks % (most / 10) * 10;
    return (duet_time)(ticks % most);
}

/* Interface description block: type of its links, how much of each packet was kept, options. */
static void take_interface(struct reader *reader, const uint8_t *bytes, uint32_t length)
{
    if (reader->interface_count == INTERFACES_MAX)
        return;
    reader->interfaces[reader->interface_count].link = half_word(reader, bytes);
    reader->interfaces[reader->interface_count++].resolution =
        resolution_of(reader, bytes + 8, length - 8);
}

/* Enhanced packet block: interface, time (64 bits), captured length, length, packet. */
static bool take_block(struct reader *reader, uint32_t type, uint32_t length)
{
    const uint8_t *bytes = reader->bytes;
    uint32_t interface, captured;
    uint64_t time;

    if (type == BLOCK_INTERFACE && length >= 8)
        take_interface(reader, bytes, length);
    if (type != BLOCK_PACKET || length < 20)
        return true;
    interface = word(reader, bytes);
    time = (uint64_t)word(reader, bytes + 4) << 32 | word(reader, bytes + 8);
    captured = word(reader, bytes + 12);
    if (interface >= reader->interface_count || captured > length - 20)
        return true;
    return take_packet(reader, reader->interfaces[interface].link,
                       time_of(time, reader->interfaces[interface].resolution), bytes + 20,
                       captured);
}

static bool read_pcapng(struct reader *reader)
{
    uint8_t head[8];
    bool first = true;

    memset(head, 0, sizeof head);
    while (first || fread(head, 1, 4, reader->file) == 4) {
        uint32_t type = BLOCK_SECTION, length;

        if (fread(head + 4, 1, 4, reader->file) != 4)
            break;
        if (!first)
            type = word(reader, head);
        if (type == BLOCK_SECTION) { /* its byte order is its own */
            if (!read_exactly(reader, 4))
                break;
            reader->swapped = false;
            reader->swapped = word(reader, reader->bytes) != BYTE_ORDER_MAGIC;
            reader->interface_count = 0;
        }
        length = word(reader, head + 4);
        if (length < 12 || length - 12 > PACKET_MAX || length % 4 != 0 ||
            (type == BLOCK_SECTION && length < 16)) {
            reader->why = "a block of the capture has an impossible length";
            return false;
        }
        length -= type == BLOCK_SECTION ? 12 : 8;
        if (!read_exactly(reader, length)) {
            reader->why = "a block of the capture is cut short";
            return false;
        }
        if (type != BLOCK_SECTION && !take_block(reader, type, length - 4)) {
            reader->why = "there is not enough memory";
            return false;
        }
        first = false;
    }
    return true;
}

int duet_isn_capture_read(FILE *file, struct duet_isn_capture *capture, char *why, size_t size)
{
    struct reader reader = {
        .file = file, .capture = capture, .bytes = malloc(PACKET_MAX), .why = "it is no capture"};
    bool good = false;

    *capture = (struct duet_isn_capture){0};
    if (reader.bytes == NULL)
        reader.why = "there is not enough memory";
    else if (read_exactly(&reader, 4)) {
        uint32_t magic = word(&reader, reader.bytes), turned = __builtin_bswap32(magic);

        reader.swapped = turned == MAGIC_MICROSECONDS || turned == MAGIC_NANOSECONDS;
        if (reader.swapped)
            magic = turned;
        if (magic == MAGIC_MICROSECONDS || magic == MAGIC_NANOSECONDS)
            good = read_pcap(&reader, magic == MAGIC_NANOSECONDS);
        else if (magic == BLOCK_SECTION)
            good = read_pcapng(&reader);
    }
    free(reader.bytes);
    if (!good)
        snprintf(why, size, "%s", reader.why);
    return good ? 0 : -1;
}

void duet_isn_capture_free(struct duet_isn_capture *capture)
{
    for (size_t i = 0; i < capture->host_count; i++)
        free(capture->hosts[i].samples);
    free(capture->hosts);
}
