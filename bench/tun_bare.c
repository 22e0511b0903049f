/* SPDX-License-Identifier: MIT */
/* The limit of a TUN device: a reader that answers each packet with an acknowledgement from a template,
 * and a writer that sends the same packet again and again with other numbers. No TCP: nothing is lost
 * on the way, so nothing is kept, compared, copied or timed. The kernel's TCP on the other side does all
 * that it ever does. What the kernel is sent has right checksums, summed once for the payload. See
 * tun.h. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "duet/loop.h"
#include "engine.h"
#include "tun.h"

enum {
    IP = 20,
    TCP = 20,
    OPTIONS = 8, /* of a SYN: MSS, NOP, window scale */
    ROOM = 65536,
    SCALE = 9,
    SMALL_PAYLOAD = 1460,
    LARGE_PAYLOAD = 44 * SMALL_PAYLOAD,
    SYN = 2,
    RST = 4,
    ACK = 16,
    PORT = 40000,
    BURST = 64,
};

struct bare {
    struct tun_round *round;
    struct duet_link *link;
    struct duet_packet in, out;
    uint8_t rooms[2][ROOM];
    uint32_t payload, payload_sum;
    uint32_t seq, acked, window, ack; /* ours, what of it was acknowledged, the peer's */
    uint32_t peer_scale;
    uint8_t mine[4], its[4];
    uint16_t my_port, its_port;
    uint64_t count;
    bool open, owes_ack;
};

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, 4);
    return ntohl(value);
}

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

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

static uint32_t add(uint32_t sum, const uint8_t *at, uint32_t size)
{
    for (uint32_t i = 0; i + 1 < size; i += 2)
        sum += get16(at + i);
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)(sum + (sum >> 16));
}

/* Headers before payload bytes that lie in place already. */
static bool put(struct bare *bare, uint8_t flags, uint32_t seq, uint32_t payload)
{
    uint8_t *ip = bare->out.data, *tcp = ip + IP;
    const uint32_t header = TCP + ((flags & SYN) != 0 ? (uint32_t)OPTIONS : 0);
    const bool partial = (bare->link->offload & DUET_OFFLOAD_CHECKSUM_OUT) != 0;
    uint32_t sum;

    memset(ip, 0, IP + TCP);
    ip[0] = 0x45;
    put16(ip + 2, IP + header + payload);
    put16(ip + 6, 0x4000);
    ip[8] = 64;
    ip[9] = 6;
    memcpy(ip + 12, bare->mine, 4);
    memcpy(ip + 16, bare->its, 4);
    put16(ip + 10, (uint16_t)~fold(add(0, ip, IP)));
    put16(tcp, bare->my_port);
    put16(tcp + 2, bare->its_port);
    put32(tcp + 4, seq);
    put32(tcp + 8, (flags & ACK) != 0 ? bare->ack : 0);
    put16(tcp + 12, (header / 4) << 12 | flags);
    put16(tcp + 14, 0xffff);
    if ((flags & SYN) != 0) {
        static const uint8_t options[OPTIONS] = {
            2, 4, SMALL_PAYLOAD >> 8, SMALL_PAYLOAD & 255, 1, 3, 3, SCALE};
        memcpy(tcp + TCP, options, OPTIONS);
    }
    sum = add(6 + header + payload, ip + 12, 8);
    if (!partial)
        sum = add(sum, tcp, header) + (payload > 0 ? bare->payload_sum : 0);
    put16(tcp + 16, partial ? fold(sum) : (uint16_t)~fold(sum));
    bare->out.length = IP + header + payload;
    bare->out.flags = partial ? DUET_PACKET_CHECKSUM_PARTIAL : 0;
    bare->out.checksum_start = IP;
    bare->out.checksum_offset = 16;
    bare->out.segment_size = payload > SMALL_PAYLOAD ? SMALL_PAYLOAD : 0;
    const bool sent = bare->link->send(bare->link, 0, &bare->out);
    if ((flags & SYN) != 0) /* its options stood where the payload does */
        memcpy(tcp + TCP, engine_pattern(0), OPTIONS);
    return sent;
}

static void read_scale(struct bare *bare, const uint8_t *tcp)
{
    const uint8_t *end = tcp + (tcp[12] >> 4) * 4;

    for (const uint8_t *at = tcp + TCP; at + 2 < end && *at != 0; at += *at == 1 ? 1 : at[1] | 1)
        if (at[0] == 3)
            bare->peer_scale = at[2];
}

/* One packet of the kernel: what it says of numbers is believed. */
static void take(struct bare *bare)
{
    const uint8_t *ip = bare->in.data, *tcp = ip + IP;
    const uint32_t header = (uint32_t)(tcp[12] >> 4) * 4;

    if (bare->in.length < IP + TCP || ip[0] != 0x45 || ip[9] != 6)
        return;
    const uint32_t payload = bare->in.length - IP - header;
    if (get16(tcp + 2) != bare->my_port || (tcp[13] & RST) != 0)
        return; /* of a round before this one */
    if (bare->round->work == TUN_RECEIVE && (tcp[13] & SYN) != 0)
        bare->its_port = get16(tcp);
    if (get16(tcp) != bare->its_port)
        return;
    bare->ack = get32(tcp + 4) + payload + ((tcp[13] & SYN) != 0);
    if ((tcp[13] & SYN) != 0)
        read_scale(bare, tcp);
    if ((tcp[13] & ACK) != 0) {
        const uint32_t acked = get32(tcp + 8);

        if (bare->round->work == TUN_SEND && bare->open)
            bare->count += acked - bare->acked;
        bare->acked = acked;
    }
    bare->window = (uint32_t)get16(tcp + 14) << ((tcp[13] & SYN) != 0 ? 0 : bare->peer_scale);
    if (bare->round->work == TUN_RECEIVE) {
        bare->count += payload;
        if ((tcp[13] & SYN) != 0)
            (void)put(bare, SYN | ACK, 0, 0);
        bare->owes_ack = bare->owes_ack || payload > 0;
        return;
    }
    if ((tcp[13] & (SYN | ACK)) == (SYN | ACK)) {
        bare->open = put(bare, ACK, 1, 0);
        bare->seq = 1;
    }
}

static void send_more(struct bare *bare)
{
    for (int i = 0; i < BURST && bare->open; i++) {
        if (bare->seq - bare->acked + bare->payload > bare->window ||
            !put(bare, ACK, bare->seq, bare->payload))
            return;
        bare->seq += bare->payload;
    }
}

static duet_time run_until(struct bare *bare, duet_time until)
{
    duet_time now = duet_loop_now(), tried = 0;

    for (; now < until; now = duet_loop_now()) {
        struct pollfd ready = {.fd = bare->link->descriptor(bare->link), .events = POLLIN};

        if (bare->round->work == TUN_SEND && !bare->open && now - tried > DUET_MILLISECOND) {
            (void)put(bare, SYN, 0, 0);
            tried = now;
        }
        for (int i = 0; i < BURST && bare->link->receive(bare->link, now, &bare->in); i++)
            take(bare);
        if (bare->owes_ack)
            (void)put(bare, ACK, 1, 0);
        bare->owes_ack = false;
        send_more(bare);
        (void)poll(&ready, 1, 1);
    }
    return now;
}

bool tun_round_bare(struct tun_round *round)
{
    static struct bare bare;
    pid_t kernel;
    uint64_t before;
    const uint64_t ports = (uint64_t)(duet_loop_now() / DUET_MILLISECOND);

    memset(&bare, 0, sizeof bare);
    bare.round = round;
    round->to = round->kernel->ours[0].address;
    bare.link = round->kernel->link;
    bare.in = (struct duet_packet){.data = bare.rooms[0], .size = ROOM};
    bare.out = (struct duet_packet){.data = bare.rooms[1], .size = ROOM};
    bare.payload = (bare.link->offload & DUET_OFFLOAD_SEGMENT) != 0 ? (uint32_t)LARGE_PAYLOAD
                                                                    : (uint32_t)SMALL_PAYLOAD;
    memcpy(bare.mine, round->kernel->ours[0].address.bytes + 12, 4);
    memcpy(bare.its, round->kernel->kernels[0].bytes + 12, 4);
    bare.my_port = round->work == TUN_SEND ? (uint16_t)(PORT + ports % 20000) : (uint16_t)TUN_PORT;
    bare.its_port = round->work == TUN_SEND ? TUN_PORT : 0;
    memcpy(bare.out.data + IP + TCP, engine_pattern(0), bare.payload);
    round->period = bare.payload;
    bare.payload_sum = fold(add(0, bare.out.data + IP + TCP, bare.payload));
    kernel = tun_kernel_start(round);
    if (kernel < 0)
        return false;
    const duet_time from = run_until(&bare, duet_loop_now() + round->span / 10);
    before = bare.count;
    const duet_time to = run_until(&bare, from + round->span);
    round->count = bare.count - before;
    round->took = to - from;
    tun_kernel_stop(kernel);
    return true;
}
