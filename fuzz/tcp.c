/* SPDX-License-Identifier: MIT */
/* Fuzzer of the TCP header and its options, against a second reading of RFC 9293, 3.1 that first cuts the options into a
 * list and then asks for the last of each kind. What was read is built and read again: nothing may be lost but what
 * the header of tcp_build says has no room, and a second time nothing at all. */
#include "fuzz.h"

#include "wire/print.h"
#include "wire/tcp.h"

enum { OPTIONS_MAX = TCP_OPTIONS_MAX / 2 };

struct option {
    uint8_t kind, length;
    const uint8_t *data; /* behind kind and length */
};

struct option_list {
    struct option options[OPTIONS_MAX];
    unsigned count;
    bool cut; /* one had a length that is none */
};

static struct option_list cut_up(const uint8_t *bytes, unsigned size)
{
    struct option_list list;
    list.count = 0;
    list.cut = false;
    for (unsigned i = 0; i < size && bytes[i] != 0;) {
        if (bytes[i] == 1) {
            i++;
            continue;
        }
        if (i + 1 == size || bytes[i + 1] < 2 || i + bytes[i + 1] > size) {
            list.cut = true;
            return list;
        }
        list.options[list.count++] = (struct option){bytes[i], bytes[i + 1], bytes + i + 2};
        i += bytes[i + 1];
    }
    return list;
}

static uint32_t number(const uint8_t *at, unsigned size)
{
    uint32_t value = 0;
    for (; size > 0; size--)
        value = value * 256 + *at++;
    return value;
}

/* Which bit of present a kind has, and whether a length is one of its. */
static uint16_t bit_of(const struct option *option, bool *fits)
{
    const unsigned length = option->length, cookie = length - 2u;
    switch (option->kind) {
    case 2:
        *fits = length == 4;
        return DUET_TRACE_MSS;
    case 3:
        *fits = length == 3;
        return DUET_TRACE_WINDOW_SCALE;
    case 4:
        *fits = length == 2;
        return DUET_TRACE_SACK_PERMITTED;
    case 5:
        *fits = length == 10 || length == 18 || length == 26 || length == 34;
        return DUET_TRACE_SACK;
    case 8:
        *fits = length == 10;
        return DUET_TRACE_TIMESTAMPS;
    case 28:
        *fits = length == 4;
        return DUET_TRACE_USER_TIMEOUT;
    case 34:
        *fits = cookie == 0 || (cookie >= 4 && cookie <= 16 && cookie % 2 == 0);
        return DUET_TRACE_FAST_OPEN;
    case 172:
    case 174:
        *fits = true;
        return DUET_TRACE_ACCURATE_ECN;
    default:
        *fits = true;
        return DUET_TRACE_OTHER;
    }
}

static void expect_sack(const struct tcp_options *read, const struct option *option)
{
    EXPECT(read->sack_count == (option->length - 2u) / 8u);
    for (unsigned i = 0; i < read->sack_count; i++) {
        EXPECT(read->sack[i].left == number(option->data + i * 8u, 4));
        EXPECT(read->sack[i].right == number(option->data + i * 8u + 4, 4));
    }
}

static void expect_accurate_ecn(const struct tcp_options *read, const struct option *option)
{
    const unsigned whole = (option->length - 2u) / 3u;
    EXPECT(read->accurate_ecn.order == (option->kind == 172 ? 0 : 1));
    EXPECT(read->accurate_ecn.fields == (whole < 3 ? whole : 3));
    for (unsigned i = 0; i < read->accurate_ecn.fields; i++)
        EXPECT(read->accurate_ecn.field[i] == number(option->data + i * 3u, 3));
}

static void expect_option(const struct tcp_options *read, uint16_t bit, const struct option *option)
{
    const unsigned cookie = option->length - 2u;
    if (bit == DUET_TRACE_MSS)
        EXPECT(read->mss == number(option->data, 2));
    if (bit == DUET_TRACE_WINDOW_SCALE)
        EXPECT(read->window_scale == option->data[0]);
    if (bit == DUET_TRACE_SACK)
        expect_sack(read, option);
    if (bit == DUET_TRACE_TIMESTAMPS)
        EXPECT(read->tsval == number(option->data, 4) &&
               read->tsecr == number(option->data + 4, 4));
    if (bit == DUET_TRACE_USER_TIMEOUT)
        EXPECT(read->user_timeout == number(option->data, 2));
    if (bit == DUET_TRACE_FAST_OPEN)
        EXPECT(read->cookie_length == cookie && memcmp(read->cookie, option->data, cookie) == 0);
    if (bit == DUET_TRACE_ACCURATE_ECN)
        expect_accurate_ecn(read, option);
}

static void expect_options(const struct tcp_options *read, const uint8_t *bytes, unsigned size)
{
    const struct option_list list = cut_up(bytes, size);
    uint16_t present = 0;
    bool malformed = list.cut;
    for (unsigned i = list.count; i-- > 0;) { /* from the last to the first: the last one counts */
        bool fits;
        const uint16_t bit = bit_of(&list.options[i], &fits);
        malformed |= !fits;
        if (fits && (present & bit) == 0)
            expect_option(read, bit, &list.options[i]);
        if (fits)
            present |= bit;
    }
    EXPECT(read->present == present);
    EXPECT(read->malformed == malformed);
}

static bool same_blocks(const struct tcp_options *a, const struct tcp_options *b)
{
    for (unsigned i = 0; i < a->sack_count && i < b->sack_count; i++)
        if (a->sack[i].left != b->sack[i].left || a->sack[i].right != b->sack[i].right)
            return false;
    return true;
}

static bool same_counters(const struct tcp_accurate_ecn_option *a,
                          const struct tcp_accurate_ecn_option *b)
{
    return a->order == b->order && a->fields == b->fields &&
           memcmp(a->field, b->field, sizeof a->field) == 0;
}

/* Of the options that were built, which had to be there, and what they must say. */
static void expect_kept(const struct tcp_options *from, const struct tcp_options *to)
{
    const unsigned always = DUET_TRACE_MSS | DUET_TRACE_WINDOW_SCALE | DUET_TRACE_SACK_PERMITTED |
                            DUET_TRACE_TIMESTAMPS | DUET_TRACE_FAST_OPEN;
    EXPECT(!to->malformed);
    EXPECT((to->present & always) == (from->present & always));
    EXPECT((to->present & ~from->present) == 0 && (to->present & DUET_TRACE_OTHER) == 0);
    if ((to->present & DUET_TRACE_MSS) != 0)
        EXPECT(to->mss == from->mss);
    if ((to->present & DUET_TRACE_WINDOW_SCALE) != 0)
        EXPECT(to->window_scale == from->window_scale);
    if ((to->present & DUET_TRACE_TIMESTAMPS) != 0)
        EXPECT(to->tsval == from->tsval && to->tsecr == from->tsecr);
    if ((to->present & DUET_TRACE_FAST_OPEN) != 0)
        EXPECT(to->cookie_length == from->cookie_length &&
               memcmp(to->cookie, from->cookie, to->cookie_length) == 0);
    if ((to->present & DUET_TRACE_USER_TIMEOUT) != 0)
        EXPECT(to->user_timeout == from->user_timeout);
    if ((to->present & DUET_TRACE_SACK) != 0)
        EXPECT(to->sack_count <= from->sack_count && same_blocks(to, from));
    if ((to->present & DUET_TRACE_ACCURATE_ECN) != 0)
        EXPECT(same_counters(&to->accurate_ecn, &from->accurate_ecn));
}

static void build_again(const struct tcp_header *header)
{
    uint8_t built[TCP_HEADER + TCP_OPTIONS_MAX], twice[TCP_HEADER + TCP_OPTIONS_MAX];
    struct tcp_header again;
    const uint32_t size = tcp_build(built, header);
    EXPECT(size == TCP_HEADER + tcp_options_size(&header->options));
    EXPECT(tcp_parse(built, size, &again) == TCP_WIRE_OK);
    EXPECT(again.text == built + size && again.text_length == 0);
    EXPECT(again.source_port == header->source_port);
    EXPECT(again.destination_port == header->destination_port);
    EXPECT(again.seq == header->seq && again.ack == header->ack);
    EXPECT(again.flags == header->flags && again.window == header->window);
    EXPECT(again.urgent == header->urgent && again.checksum == 0);
    expect_kept(&header->options, &again.options);
    EXPECT(tcp_build(twice, &again) == size && memcmp(built, twice, size) == 0);
}

/* The names are as many as the bits, and what has no room is counted but not written. */
static void print(uint16_t flags, size_t room)
{
    char *text = malloc(room + 1), bits[7];
    unsigned names = 1;
    if (text == NULL)
        abort();
    const size_t length = print_flags(text, room + 1, flags);
    EXPECT(strlen(text) == (length < room ? length : room));
    for (const char *at = text; *at != '\0'; at++)
        names += *at == ',';
    if (length <= room)
        EXPECT(flags == 0 ? strcmp(text, "none") == 0
                          : names == (unsigned)__builtin_popcount(flags));
    free(text);
    print_bits(bits, flags);
    for (unsigned i = 0; i < 6; i++)
        EXPECT(bits[5 - i] == ((flags >> i & 1) != 0 ? '1' : '0'));
    EXPECT(bits[6] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tcp_header header;
    const enum tcp_verdict_wire verdict = tcp_parse(data, (uint32_t)size, &header);
    const unsigned length = size < TCP_HEADER ? 0 : (data[12] / 16u) * 4u;
    if (size < TCP_HEADER || (length >= TCP_HEADER && length > size)) {
        EXPECT(verdict == TCP_WIRE_TRUNCATED);
        return 0;
    }
    if (length < TCP_HEADER) {
        EXPECT(verdict == TCP_WIRE_BAD_OFFSET);
        return 0;
    }
    EXPECT(verdict == TCP_WIRE_OK);
    EXPECT(header.source_port == number(data, 2) && header.destination_port == number(data + 2, 2));
    EXPECT(header.seq == number(data + 4, 4) && header.ack == number(data + 8, 4));
    EXPECT(header.flags == number(data + 12, 2) % 512 && header.window == number(data + 14, 2));
    EXPECT(header.checksum == number(data + 16, 2) && header.urgent == number(data + 18, 2));
    EXPECT(header.text == data + length && header.text_length == size - length);
    expect_options(&header.options, data + TCP_HEADER, length - TCP_HEADER);
    build_again(&header);
    print(header.flags, header.window % 48);
    return 0;
}
