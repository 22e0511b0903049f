/* SPDX-License-Identifier: MIT */
/* Fuzzer of the IPv4 header. The first byte says whether the checksum is made right before the packet is read; the rest is
 * the packet. The verdict must name a fault that a second, slower reading of RFC 791 finds as well, and there must be
 * none if it is IP_OK; then what was read, built and read again must be the same. */
#include "fuzz.h"

#include "wire/ip.h"

enum { MEND = 1, ANY_VERSION = 2 };

struct faults {
    bool truncated, bad_header, bad_checksum, fragment, source_route;
};

static void mend(uint8_t *bytes, size_t size)
{
    const size_t header = (bytes[0] & 15u) * 4u;
    if (header < 20 || header > size)
        return;
    bytes[10] = bytes[11] = 0;
    const uint32_t sum = sum_by_hand(0, bytes, header) ^ 0xffff;
    bytes[10] = (uint8_t)(sum >> 8);
    bytes[11] = (uint8_t)sum;
}

/* RFC 791, 3.1: options are single bytes 0 (end) and 1, or type, length, data. */
static void look_at_options(const uint8_t *options, unsigned size, struct faults *faults)
{
    for (unsigned i = 0; i < size;) {
        const unsigned type = options[i];
        if (type == 0)
            return;
        const unsigned length = type == 1 ? 1 : i + 1 < size ? options[i + 1] : 0;
        if (length < (type == 1 ? 1 : 2) || length > size - i)
            faults->bad_header = true;
        if (faults->bad_header)
            return;
        if (type == 131 || type == 137) {
            faults->source_route = true;
            faults->bad_header = length < 3;
        }
        i += length;
    }
}

static struct faults look(const uint8_t *bytes, size_t size)
{
    struct faults faults = {.truncated = size < 20};
    if (faults.truncated)
        return faults;
    const unsigned header = (bytes[0] & 15u) * 4u;
    const unsigned total = bytes[2] * 256u + bytes[3];
    faults.truncated = total > size;
    faults.bad_header = header < 20 || total < header;
    faults.fragment = (bytes[6] & 0x3f) != 0 || bytes[7] != 0;
    if (faults.bad_header || faults.truncated)
        return faults;
    faults.bad_checksum = sum_by_hand(0, bytes, header) != 0xffff;
    look_at_options(bytes + 20, header - 20, &faults);
    return faults;
}

static bool is_so(enum ip_verdict verdict, const struct faults *faults)
{
    switch (verdict) {
    case IP_OK:
        return !faults->truncated && !faults->bad_header && !faults->bad_checksum &&
               !faults->fragment && !faults->source_route;
    case IP_TRUNCATED:
        return faults->truncated;
    case IP_BAD_HEADER:
        return faults->bad_header;
    case IP_BAD_CHECKSUM:
        return faults->bad_checksum;
    case IP_FRAGMENT:
        return faults->fragment;
    case IP_SOURCE_ROUTE:
        return faults->source_route;
    case IP_BAD_VERSION:
    case IP_BAD_EXTENSION:
    case IP_UNKNOWN_OPTION:
        break;
    }
    return false;
}

static void expect_fields(const struct ip_packet *packet, const uint8_t *bytes)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    EXPECT(packet->version == 4);
    EXPECT(packet->traffic_class == bytes[1]);
    EXPECT(packet->ttl == bytes[8]);
    EXPECT(packet->protocol == bytes[9]);
    EXPECT(memcmp(packet->source.bytes, mapped, 12) == 0);
    EXPECT(memcmp(packet->source.bytes + 12, bytes + 12, 4) == 0);
    EXPECT(memcmp(packet->destination.bytes, mapped, 12) == 0);
    EXPECT(memcmp(packet->destination.bytes + 12, bytes + 16, 4) == 0);
    EXPECT(packet->header_length == (bytes[0] & 15u) * 4u);
    EXPECT(packet->payload == bytes + packet->header_length);
}

static void read_packet(const uint8_t *bytes, size_t size)
{
    struct ip_packet packet, again;
    const enum ip_verdict verdict = ip_parse(bytes, (uint32_t)size, &packet);
    const struct faults faults = look(bytes, size);
    EXPECT(is_so(verdict, &faults));
    if (verdict != IP_OK)
        return;
    expect_fields(&packet, bytes);
    EXPECT(packet.payload_length == bytes[2] * 256u + bytes[3] - packet.header_length);
    EXPECT(packet.identification == bytes[4] * 256u + bytes[5]);

    uint8_t *built = malloc(IPV4_HEADER + packet.payload_length);
    if (built == NULL)
        abort();
    EXPECT(ip_build(built, &packet) == IPV4_HEADER);
    memcpy(built + IPV4_HEADER, packet.payload, packet.payload_length);
    EXPECT(ip_parse(built, IPV4_HEADER + packet.payload_length, &again) == IP_OK);
    EXPECT(again.payload_length == packet.payload_length);
    EXPECT(again.protocol == packet.protocol && again.ttl == packet.ttl);
    EXPECT(again.traffic_class == packet.traffic_class && again.identification == 0);
    EXPECT(duet_address_equal(&again.source, &packet.source));
    EXPECT(duet_address_equal(&again.destination, &packet.destination));
    free(built);
}

/* RFC 792: the header and the first 64 bits behind it, of the first fragment. */
static void read_quoted(const uint8_t *bytes, size_t size)
{
    struct ip_packet packet;
    const bool told = ip_parse_quoted(bytes, (uint32_t)size, &packet);
    if (size < 20) {
        EXPECT(!told);
        return;
    }
    const size_t header = (bytes[0] & 15u) * 4u, total = bytes[2] * 256u + bytes[3];
    const size_t there = total < size ? total : size;
    EXPECT(told ==
           (header >= 20 && there >= header + 8 && (bytes[6] & 0x1f) == 0 && bytes[7] == 0));
    if (told) {
        expect_fields(&packet, bytes);
        EXPECT(packet.payload_length == there - header);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, data + size};
    const uint8_t how = take8(&input);
    uint8_t *bytes = fuzz_copy(&input);
    size = left(&input);
    if (size > 0 && (how & ANY_VERSION) == 0)
        bytes[0] = (uint8_t)(0x40 | (bytes[0] & 15));
    if (size > 0 && bytes[0] >> 4 == 4) {
        if ((how & MEND) != 0)
            mend(bytes, size);
        read_packet(bytes, size);
        read_quoted(bytes, size);
    } else {
        struct ip_packet packet;
        const enum ip_verdict verdict = ip_parse(bytes, (uint32_t)size, &packet);
        EXPECT(size > 0 ? bytes[0] >> 4 == 6 || verdict == IP_BAD_VERSION
                        : verdict == IP_TRUNCATED);
    }
    free(bytes);
    return 0;
}
