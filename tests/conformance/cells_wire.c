/* SPDX-License-Identifier: MIT */
/* Segments to bytes and back; see cells_wire.h. */
#include "cells_wire.h"

#include <string.h>

enum { IP = 20, TCP = 20, PACKET_MAX = 1500 };

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
    return get16(at) << 16 | get16(at + 2);
}

static uint32_t sum_of(uint32_t sum, const uint8_t *bytes, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

void wire_input(struct duet_stack *stack, duet_time now, const struct wire_segment *segment)
{
    static const uint8_t addresses[8] = {10, 0, 0, 2, 10, 0, 0, 1};
    uint8_t bytes[PACKET_MAX] = {0x45};
    uint8_t *tcp = bytes + IP;
    const uint32_t size = TCP + segment->text;

    put16(bytes + 2, IP + size);
    bytes[8] = 64;
    bytes[9] = 6;
    memcpy(bytes + 12, addresses, sizeof addresses);
    put16(bytes + 10, 0xffff - sum_of(0, bytes, IP));
    put16(tcp, WIRE_REMOTE_PORT);
    put16(tcp + 2, WIRE_LOCAL_PORT);
    put32(tcp + 4, segment->seq);
    put32(tcp + 8, segment->ack);
    put16(tcp + 12, 5u << 12 | segment->flags);
    put16(tcp + 14, segment->window);
    put16(tcp + 18, segment->urgent);
    memset(tcp + TCP, 'x', segment->text);
    put16(tcp + 16, 0xffff - sum_of(sum_of(6 + size, addresses, sizeof addresses), tcp, size));
    const struct duet_packet packet = {.data = bytes, .size = sizeof bytes, .length = IP + size};
    duet_input(stack, now, &packet);
}

bool wire_output(struct duet_stack *stack, duet_time now, struct wire_segment *segment)
{
    uint8_t bytes[PACKET_MAX];
    struct duet_packet packet = {.data = bytes, .size = sizeof bytes};
    const uint8_t *tcp = bytes + IP;

    if (!duet_output(stack, now, &packet))
        return false;
    *segment = (struct wire_segment){
        .flags = tcp[13] & 0x3f,
        .seq = get32(tcp + 4),
        .ack = get32(tcp + 8),
        .window = get16(tcp + 14),
        .urgent = get16(tcp + 18),
        .text = packet.length - IP - (uint32_t)(tcp[12] >> 4) * 4,
    };
    return true;
}
