/* SPDX-License-Identifier: MIT */
/* The TCP header: fields at their places, Data Offset against length, truncation in front of a
 * guard page, and what is built is read back. Options have their own tests. */
#include "unit.h"

#include "base/bytes.h"
#include "base/prng.h"
#include "wire/tcp.h"

/* RFC 9293, figure 1, every field with a value of its own. */
static const uint8_t sample[24] = {
    0x12, 0x34, 0x56, 0x78, /* ports */
    0xa1, 0xa2, 0xa3, 0xa4, /* sequence number */
    0xb1, 0xb2, 0xb3, 0xb4, /* acknowledgement number */
    0x50, 0x12, 0xc1, 0xc2, /* Data Offset 5, SYN and ACK, window */
    0xd1, 0xd2, 0xe1, 0xe2, /* checksum, urgent pointer */
    'd',  'u',  'e',  't',
};

static void every_field(void **state)
{
    (void)state;
    struct tcp_header header;
    EXPECT_EQUAL("verdict", tcp_parse(sample, sizeof sample, &header), TCP_WIRE_OK);
    EXPECT_EQUAL("source port", header.source_port, 0x1234);
    EXPECT_EQUAL("destination port", header.destination_port, 0x5678);
    EXPECT_EQUAL("seq", header.seq, 0xa1a2a3a4);
    EXPECT_EQUAL("ack", header.ack, 0xb1b2b3b4);
    EXPECT_EQUAL("flags", header.flags, DUET_SYN | DUET_ACK);
    EXPECT_EQUAL("window", header.window, 0xc1c2);
    EXPECT_EQUAL("checksum", header.checksum, 0xd1d2);
    EXPECT_EQUAL("urgent", header.urgent, 0xe1e2);
    EXPECT_EQUAL("options", header.options.present, 0);
    EXPECT("well formed", !header.options.malformed);
    EXPECT("text", header.text == sample + 20);
    EXPECT_EQUAL("text length", header.text_length, 4);
}

static void every_flag(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t upper, lower; /* bytes 12 and 13 */
        uint16_t flags;
    } rows[] = {
        {"none", 0x50, 0x00, 0},       {"FIN", 0x50, 0x01, DUET_FIN},
        {"SYN", 0x50, 0x02, DUET_SYN}, {"RST", 0x50, 0x04, DUET_RST},
        {"PSH", 0x50, 0x08, DUET_PSH}, {"ACK", 0x50, 0x10, DUET_ACK},
        {"URG", 0x50, 0x20, DUET_URG}, {"ECE", 0x50, 0x40, DUET_ECE},
        {"CWR", 0x50, 0x80, DUET_CWR}, {"AE", 0x51, 0x00, DUET_AE},
        {"all", 0x51, 0xff, 0x1ff},    {"reserved bits are ignored", 0x5e, 0x10, DUET_ACK},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t bytes[sizeof sample];
        struct tcp_header header;
        memcpy(bytes, sample, sizeof sample);
        bytes[12] = rows[i].upper;
        bytes[13] = rows[i].lower;
        EXPECT_EQUAL(rows[i].name, tcp_parse(bytes, sizeof bytes, &header), TCP_WIRE_OK);
        EXPECT_EQUAL(rows[i].name, header.flags, rows[i].flags);
    }
}

static void data_offset_against_length(void **state)
{
    (void)state;
    const struct guard guard = guard_make(64);
    for (uint32_t offset = 0; offset < 16; offset++) {
        for (uint32_t length = 0; length <= 64; length++) {
            uint8_t bytes[64];
            struct tcp_header header;
            memset(bytes, TCP_OPTION_NOP, sizeof bytes);
            bytes[12] = (uint8_t)(offset << 4);
            const uint8_t *at = guard_place(&guard, bytes, length);
            const enum tcp_verdict_wire expected = length < 20           ? TCP_WIRE_TRUNCATED
                                                   : offset < 5          ? TCP_WIRE_BAD_OFFSET
                                                   : offset * 4 > length ? TCP_WIRE_TRUNCATED
                                                                         : TCP_WIRE_OK;
            EXPECT_EQUAL("verdict", tcp_parse(at, length, &header), expected);
            if (expected == TCP_WIRE_OK) {
                EXPECT("text", header.text == at + offset * 4);
                EXPECT_EQUAL("text length", header.text_length, length - offset * 4);
                EXPECT("NOPs", !header.options.malformed && header.options.present == 0);
            }
        }
    }
    guard_drop(&guard);
}

static void header_is_read_at_any_alignment(void **state)
{
    (void)state;
    uint8_t bytes[sizeof sample + 8];
    for (uint32_t shift = 0; shift < 8; shift++) {
        struct tcp_header header;
        memcpy(bytes + shift, sample, sizeof sample);
        EXPECT_EQUAL("verdict", tcp_parse(bytes + shift, sizeof sample, &header), TCP_WIRE_OK);
        EXPECT_EQUAL("seq", header.seq, 0xa1a2a3a4);
        EXPECT_EQUAL("urgent", header.urgent, 0xe1e2);
    }
}

static void built_header_byte_by_byte(void **state)
{
    (void)state;
    const struct tcp_header header = {
        .source_port = 0x1234,
        .destination_port = 0x5678,
        .seq = 0xa1a2a3a4,
        .ack = 0xb1b2b3b4,
        .flags = DUET_SYN | DUET_ACK,
        .window = 0xc1c2,
        .urgent = 0xe1e2,
        .checksum = 0xffff, /* not written: it is summed up later */
    };
    uint8_t bytes[24], expected[24];
    memset(bytes, 0xaa, sizeof bytes);
    memset(expected, 0xaa, sizeof expected);
    memcpy(expected, sample, 20);
    expected[16] = expected[17] = 0;
    EXPECT_EQUAL("length", tcp_build(bytes, &header), 20);
    EXPECT_BYTES("bytes", bytes, expected, sizeof bytes);
}

static struct tcp_header random_header(struct prng *prng)
{
    struct tcp_header header = {
        .source_port = (uint16_t)prng_next(prng),
        .destination_port = (uint16_t)prng_next(prng),
        .seq = (uint32_t)prng_next(prng),
        .ack = (uint32_t)prng_next(prng),
        .flags = prng_next(prng) & 0x1ff,
        .window = (uint16_t)prng_next(prng),
        .urgent = (uint16_t)prng_next(prng),
        .options = {.present = prng_next(prng) & 0x1f,
                    .mss = (uint16_t)prng_next(prng),
                    .window_scale = (uint8_t)prng_next(prng),
                    .sack_count = (uint8_t)(1 + prng_below(prng, 4)),
                    .tsval = (uint32_t)prng_next(prng),
                    .tsecr = (uint32_t)prng_next(prng)},
    };
    for (unsigned i = 0; i < TCP_SACK_MAX; i++) {
        header.options.sack[i].left = (uint32_t)prng_next(prng);
        header.options.sack[i].right = (uint32_t)prng_next(prng);
    }
    return header;
}

static void expect_same_options(const struct tcp_options *read, const struct tcp_options *sent)
{
    EXPECT("well formed", !read->malformed);
    EXPECT_EQUAL("present", read->present | DUET_TRACE_SACK, sent->present | DUET_TRACE_SACK);
    if ((sent->present & DUET_TRACE_MSS) != 0)
        EXPECT_EQUAL("mss", read->mss, sent->mss);
    if ((sent->present & DUET_TRACE_WINDOW_SCALE) != 0)
        EXPECT_EQUAL("window scale", read->window_scale, sent->window_scale);
    if ((sent->present & DUET_TRACE_TIMESTAMPS) != 0) {
        EXPECT_EQUAL("tsval", read->tsval, sent->tsval);
        EXPECT_EQUAL("tsecr", read->tsecr, sent->tsecr);
    }
    if ((sent->present & DUET_TRACE_SACK) == 0) {
        EXPECT_EQUAL("no blocks", read->sack_count, 0);
        return;
    }
    EXPECT("blocks", read->sack_count >= 2 || read->sack_count == sent->sack_count);
    EXPECT("blocks", read->sack_count <= sent->sack_count);
    for (unsigned i = 0; i < read->sack_count; i++) {
        EXPECT_EQUAL("left", read->sack[i].left, sent->sack[i].left);
        EXPECT_EQUAL("right", read->sack[i].right, sent->sack[i].right);
    }
}

static void what_is_built_is_read_back(void **state)
{
    (void)state;
    const struct guard guard = guard_make(64);
    struct prng prng;
    prng_seed(&prng, 21);
    for (unsigned turn = 0; turn < 100000; turn++) {
        const struct tcp_header sent = random_header(&prng);
        const uint32_t length = TCP_HEADER + tcp_options_size(&sent.options);
        uint8_t *at = guard.memory + guard.size - length;
        struct tcp_header read;
        EXPECT("at most 60 bytes", length <= 60);
        EXPECT_EQUAL("length", tcp_build(at, &sent), length);
        EXPECT_EQUAL("verdict", tcp_parse(at, length, &read), TCP_WIRE_OK);
        EXPECT_EQUAL("source port", read.source_port, sent.source_port);
        EXPECT_EQUAL("destination port", read.destination_port, sent.destination_port);
        EXPECT_EQUAL("seq", read.seq, sent.seq);
        EXPECT_EQUAL("ack", read.ack, sent.ack);
        EXPECT_EQUAL("flags", read.flags, sent.flags);
        EXPECT_EQUAL("window", read.window, sent.window);
        EXPECT_EQUAL("urgent", read.urgent, sent.urgent);
        EXPECT_EQUAL("checksum", read.checksum, 0);
        EXPECT_EQUAL("no text", read.text_length, 0);
        expect_same_options(&read.options, &sent.options);
    }
    guard_drop(&guard);
}

static void build_a_tenth_flag(void)
{
    uint8_t bytes[60];
    const struct tcp_header header = {.flags = 0x200};
    tcp_build(bytes, &header);
}

static void reserved_bits_are_never_sent(void **state)
{
    (void)state;
    expect_check_failure("flag 0x200", build_a_tenth_flag,
                         "duet: check failed: (header->flags & ~FLAGS) == 0 (");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field),
        cmocka_unit_test(every_flag),
        cmocka_unit_test(data_offset_against_length),
        cmocka_unit_test(header_is_read_at_any_alignment),
        cmocka_unit_test(built_header_byte_by_byte),
        cmocka_unit_test(what_is_built_is_read_back),
        cmocka_unit_test(reserved_bits_are_never_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
