/* SPDX-License-Identifier: MIT */
#include "forge.h"

#include <string.h>

enum { IP = 20, TCP = 20, WINDOW = 0xffff, SCALE = 9, MSS = 1460 };

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
    return get16(at) << 16 | get16(at + 2);
}

static uint32_t add(uint32_t sum, const uint8_t *at, uint32_t size)
{
    for (uint32_t i = 0; i + 1 < size; i += 2)
        sum += get16(at + i);
    return (size & 1) != 0 ? sum + (uint32_t)(at[size - 1] << 8) : sum;
}

static uint16_t finish(uint32_t sum)
{
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* Returns their length. */
static uint32_t put_options(uint8_t *at, const struct forge_segment *segment)
{
    uint8_t *const start = at;

    if ((segment->flags & FORGE_SYN) != 0) {
        const uint8_t syn[] = {2, 4, MSS >> 8, MSS & 255, 4, 2, 1, 3, 3, SCALE, 1, 1};
        memcpy(at, syn, sizeof syn);
        at += sizeof syn;
    }
    put32(at, 1u << 24 | 1u << 16 | 8 << 8 | 10);
    put32(at + 4, segment->tsval);
    put32(at + 8, segment->tsecr);
    at += 12;
    if (segment->sack_left != segment->sack_right) {
        put32(at, 1u << 24 | 1u << 16 | 5 << 8 | 10);
        put32(at + 4, segment->sack_left);
        put32(at + 8, segment->sack_right);
        at += 12;
    }
    return (uint32_t)(at - start);
}

uint32_t bench_forge(uint8_t *bytes, const struct forge_segment *segment)
{
    uint8_t *const tcp = bytes + IP;
    const uint32_t header = TCP + put_options(tcp + TCP, segment);
    const uint32_t length = header + segment->text;
    static const uint8_t addresses[] = {10, 0, 0, 2, 10, 0, 0, 1};

    put32(bytes, 0x45000000u | (IP + length));
    put32(bytes + 4, 0x4000);
    put32(bytes + 8, 64u << 24 | 6u << 16);
    memcpy(bytes + 12, addresses, sizeof addresses);
    put16(bytes + 10, finish(add(0, bytes, IP)));
    put32(tcp, (uint32_t)segment->port << 16 | (80u + segment->beside));
    put32(tcp + 4, segment->seq);
    put32(tcp + 8, (segment->flags & FORGE_ACK) != 0 ? segment->ack : 0);
    put32(tcp + 12, header / 4 << 28 | (uint32_t)segment->flags << 16 | WINDOW);
    put32(tcp + 16, 0);
    memset(tcp + header, (int)segment->seq & 255, segment->text);
    put16(tcp + 16, finish(add(add(6 + length, addresses, sizeof addresses), tcp, length)));
    return IP + length;
}

struct forge_read bench_forge_read(const uint8_t *bytes)
{
    const uint8_t *tcp = bytes + IP;
    const uint32_t header = (uint32_t)(tcp[12] >> 4) * 4;
    struct forge_read read = {.port = (uint16_t)get16(tcp + 2),
                              .flags = tcp[13],
                              .seq = get32(tcp + 4),
                              .ack = get32(tcp + 8),
                              .text = get16(bytes + 2) - IP - header};

    for (uint32_t i = TCP; i + 10 <= header; i += tcp[i] <= 1 ? 1 : tcp[i + 1]) {
        if (tcp[i] > 1 && tcp[i + 1] < 2)
            break;
        if (tcp[i] == 8)
            read.tsval = get32(tcp + i + 2);
    }
    return read;
}
