/* SPDX-License-Identifier: MIT */
/* Fuzzer of ICMP and ICMPv6 messages. The first byte chooses the family, whether the protocol number fits it, and whether
 * the checksum is made right; the rest is the message. Its kind is looked up in a table made from RFC 792, 1122 and
 * 4443; an echo request is answered, and the answer read. */
#include "fuzz.h"

#include "wire/icmp.h"

enum { SIX = 1, MEND = 2, WRONG_PROTOCOL = 4 };

static const struct {
    uint8_t version, type, first, last; /* codes */
    enum icmp_kind kind;
} kinds[] = {
    {4, 3, 0, 1, ICMP_UNREACHABLE_SOFT},     {4, 3, 2, 3, ICMP_UNREACHABLE_HARD},
    {4, 3, 4, 4, ICMP_PACKET_TOO_BIG},       {4, 3, 5, 15, ICMP_UNREACHABLE_SOFT},
    {4, 4, 0, 255, ICMP_SOURCE_QUENCH},      {4, 5, 0, 255, ICMP_REDIRECT},
    {4, 8, 0, 255, ICMP_ECHO_REQUEST},       {4, 11, 0, 255, ICMP_TIME_EXCEEDED},
    {4, 12, 0, 255, ICMP_PARAMETER_PROBLEM}, {6, 1, 0, 0, ICMP_UNREACHABLE_SOFT},
    {6, 1, 1, 1, ICMP_UNREACHABLE_HARD},     {6, 1, 2, 3, ICMP_UNREACHABLE_SOFT},
    {6, 1, 4, 6, ICMP_UNREACHABLE_HARD},     {6, 1, 7, 8, ICMP_UNREACHABLE_SOFT},
    {6, 2, 0, 255, ICMP_PACKET_TOO_BIG},     {6, 3, 0, 255, ICMP_TIME_EXCEEDED},
    {6, 4, 0, 255, ICMP_PARAMETER_PROBLEM},  {6, 128, 0, 255, ICMP_ECHO_REQUEST},
    {6, 137, 0, 255, ICMP_REDIRECT},
};

static enum icmp_kind kind_of(uint8_t version, uint8_t type, uint8_t code)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].version == version && kinds[i].type == type && kinds[i].first <= code &&
            code <= kinds[i].last)
            return kinds[i].kind;
    return ICMP_IGNORED;
}

/* The sum that is right when it is 0xffff. RFC 4443, 2.3: with source, destination, length, 58. */
static uint32_t sum_of(const struct ip_packet *packet)
{
    uint32_t sum = 0;
    if (packet->version == 6) {
        sum = sum_by_hand(sum, packet->source.bytes, 16);
        sum = sum_by_hand(sum, packet->destination.bytes, 16);
        sum = sum_by_hand(sum + packet->payload_length + 58, NULL, 0);
    }
    return sum_by_hand(sum, packet->payload, packet->payload_length);
}

static uint32_t number(const uint8_t *at, unsigned size)
{
    uint32_t value = 0;
    for (; size > 0; size--)
        value = value * 256 + *at++;
    return value;
}

static void answer(const struct ip_packet *packet, const struct icmp_message *message)
{
    struct ip_packet back = *packet;
    struct icmp_message reply;
    uint8_t *bytes = malloc(8 + message->data_length);
    if (bytes == NULL)
        abort();
    memcpy(bytes + 8, message->data, message->data_length);
    back.source = packet->destination;
    back.destination = packet->source;
    back.payload = bytes;
    icmp_build_echo_reply(bytes, message->identifier, message->sequence, message->data_length,
                          &back.source, &back.destination);
    EXPECT(sum_of(&back) == 0xffff);
    EXPECT(bytes[0] == (packet->version == 4 ? 0 : 129) && bytes[1] == 0);
    EXPECT(memcmp(bytes + 4, packet->payload + 4, packet->payload_length - 4) == 0);
    icmp_parse(&back, &reply);
    EXPECT(reply.kind == ICMP_IGNORED && reply.type == bytes[0]);
    free(bytes);
}

static void expect_message(const struct ip_packet *packet, const struct icmp_message *message)
{
    const uint8_t *bytes = packet->payload;
    EXPECT(message->kind == kind_of(packet->version, bytes[0], bytes[1]));
    EXPECT(message->type == bytes[0] && message->code == bytes[1]);
    EXPECT(message->data == bytes + 8 && message->data_length == packet->payload_length - 8);
    if (message->kind == ICMP_PACKET_TOO_BIG)
        EXPECT(message->mtu ==
               (packet->version == 4 ? number(bytes + 6, 2) : number(bytes + 4, 4)));
    if (message->kind == ICMP_ECHO_REQUEST) {
        EXPECT(message->identifier == number(bytes + 4, 2));
        EXPECT(message->sequence == number(bytes + 6, 2));
        answer(packet, message);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, data + size};
    const uint8_t how = take8(&input);
    const bool six = (how & SIX) != 0, fits = (how & WRONG_PROTOCOL) == 0;
    uint8_t *bytes = fuzz_copy(&input);
    struct ip_packet packet = {
        .version = six ? 6 : 4,
        .protocol = six == fits ? IP_PROTOCOL_ICMPV6 : IP_PROTOCOL_ICMP,
        .source = six ? (struct duet_address){{0x20, 1, [15] = 9}} : duet_ipv4(10, 0, 0, 2),
        .destination = six ? (struct duet_address){{0x20, 1, [15] = 1}} : duet_ipv4(10, 0, 0, 1),
        .payload = bytes,
        .payload_length = (uint32_t)left(&input),
    };
    struct icmp_message message;
    if ((how & MEND) != 0 && packet.payload_length >= 4) {
        bytes[2] = bytes[3] = 0;
        const uint32_t sum = sum_of(&packet) ^ 0xffff;
        bytes[2] = (uint8_t)(sum >> 8);
        bytes[3] = (uint8_t)sum;
    }
    icmp_parse(&packet, &message);
    if (!fits || packet.payload_length < 8 || sum_of(&packet) != 0xffff)
        EXPECT(message.kind == ICMP_MALFORMED);
    else
        expect_message(&packet, &message);
    free(bytes);
    return 0;
}
