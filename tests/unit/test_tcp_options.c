/* SPDX-License-Identifier: MIT */
/* TCP options: each rule of the walk by a table, every kind with every length at every place in
 * front of a guard page, and the exact bytes that are built. */
#include "unit.h"

#include "base/prng.h"
#include "wire/tcp.h"

enum {
    MSS = DUET_TRACE_MSS,
    WS = DUET_TRACE_WINDOW_SCALE,
    SOK = DUET_TRACE_SACK_PERMITTED,
    SACK = DUET_TRACE_SACK,
    TS = DUET_TRACE_TIMESTAMPS,
    OTHER = DUET_TRACE_OTHER,
    UTO = DUET_TRACE_USER_TIMEOUT,
    FO = DUET_TRACE_FAST_OPEN,
};

/* Parses a header whose options are these bytes and which ends at the guard page. size: 0 .. 40, a
 * multiple of 4. */
static struct tcp_options parse(const struct guard *guard, const uint8_t *options, size_t size)
{
    uint8_t bytes[60] = {0};
    struct tcp_header header;
    bytes[12] = (uint8_t)((20 + size) / 4 << 4);
    memcpy(bytes + 20, options, size);
    const uint8_t *at = guard_place(guard, bytes, 20 + size);
    EXPECT_EQUAL("verdict", tcp_parse(at, (uint32_t)(20 + size), &header), TCP_WIRE_OK);
    EXPECT_EQUAL("no text", header.text_length, 0);
    return header.options;
}

static void rules_of_the_walk(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t size;
        uint8_t bytes[40];
        uint8_t present;
        bool malformed;
        uint16_t mss;
    } rows[] = {
        {"no options", 0, {0}, 0, false, 0},
        {"only NOPs", 4, {1, 1, 1, 1}, 0, false, 0},
        {"EOL at once", 4, {0, 0, 0, 0}, 0, false, 0},
        {"MSS", 4, {2, 4, 0x05, 0xb4}, MSS, false, 1460},
        {"MSS 0", 4, {2, 4, 0, 0}, MSS, false, 0},
        {"MSS 65535", 4, {2, 4, 0xff, 0xff}, MSS, false, 65535},
        {"MSS at an odd place", 8, {1, 2, 4, 0x05, 0xb4, 0, 0, 0}, MSS, false, 1460},
        {"MSS at 2 modulo 4", 8, {1, 1, 2, 4, 0x05, 0xb4, 0, 0}, MSS, false, 1460},
        {"MSS at 3 modulo 4", 8, {1, 1, 1, 2, 4, 0x05, 0xb4, 0}, MSS, false, 1460},
        {"MSS up to the last byte", 8, {1, 1, 1, 1, 2, 4, 0x05, 0xb4}, MSS, false, 1460},
        {"EOL hides what follows", 8, {0, 2, 4, 0x05, 0xb4, 0, 0, 0}, 0, false, 0},
        {"EOL hides garbage", 8, {2, 4, 0x05, 0xb4, 0, 8, 1, 255}, MSS, false, 1460},
        {"MSS twice: the last counts", 8, {2, 4, 1, 1, 2, 4, 0x05, 0xb4}, MSS, false, 1460},
        {"MSS of 3 bytes", 8, {2, 3, 9, 2, 4, 0x05, 0xb4, 0}, MSS, true, 1460},
        {"MSS of 2 bytes", 4, {2, 2, 1, 1}, 0, true, 0},
        {"MSS of 5 bytes", 8, {2, 5, 9, 9, 9, 1, 1, 1}, 0, true, 0},
        {"MSS cut by the end", 4, {1, 2, 4, 5}, 0, true, 0},
        {"kind without length", 4, {1, 1, 1, 2}, 0, true, 0},
        {"unknown kind without length", 4, {1, 1, 1, 254}, 0, true, 0},
        {"length 0", 8, {254, 0, 1, 1, 2, 4, 0x05, 0xb4}, 0, true, 0},
        {"length 1", 8, {254, 1, 1, 1, 2, 4, 0x05, 0xb4}, 0, true, 0},
        {"length 0 after MSS", 8, {2, 4, 0x05, 0xb4, 254, 0, 1, 1}, MSS, true, 1460},
        {"unknown kind skipped", 8, {254, 4, 2, 4, 2, 4, 0x05, 0xb4}, MSS | OTHER, false, 1460},
        {"unknown kind of 2 bytes", 8, {76, 2, 2, 4, 0x05, 0xb4, 1, 1}, MSS | OTHER, false, 1460},
        {"unknown kind to the end", 4, {254, 4, 2, 4}, OTHER, false, 0},
        {"unknown kind past the end", 4, {254, 5, 2, 4}, 0, true, 0},
        {"unknown kind of 255 bytes", 4, {254, 255, 2, 4}, 0, true, 0},
        {"window scale", 4, {3, 3, 7, 0}, WS, false, 0},
        {"window scale of 4 bytes", 4, {3, 4, 7, 7}, 0, true, 0},
        {"SACK-permitted", 4, {4, 2, 1, 1}, SOK, false, 0},
        {"SACK-permitted of 3 bytes", 4, {4, 3, 1, 1}, 0, true, 0},
        {"timestamps", 12, {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}, TS, false, 0},
        {"timestamps of 9 bytes", 12, {1, 1, 8, 9, 1, 2, 3, 4, 5, 6, 7, 1}, 0, true, 0},
        {"user timeout", 4, {28, 4, 0x01, 0x2c}, UTO, false, 0}, /* 5482-1 */
        {"user timeout of 3 bytes", 4, {28, 3, 1, 1}, 0, true, 0},
        {"user timeout of 6 bytes", 8, {28, 6, 1, 1, 1, 1, 1, 1}, 0, true, 0},
        /* 7413-1 */
        {"Fast Open, a cookie is asked for", 4, {34, 2, 1, 1}, FO, false, 0},
        {"cookie of 4 bytes", 8, {34, 6, 1, 2, 3, 4, 1, 1}, FO, false, 0},
        {"cookie of 2 bytes", 4, {34, 4, 1, 2}, 0, true, 0},
        {"cookie of 5 bytes", 8, {34, 7, 1, 2, 3, 4, 5, 1}, 0, true, 0},
        {"cookie of 16 bytes", 20, {34, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9}, FO, false, 0},
        {"cookie of 18 bytes", 20, {34, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 0, true, 0},
        {"SACK without a block", 4, {5, 2, 1, 1}, 0, true, 0},
        {"SACK of one block", 12, {1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2}, SACK, false, 0},
        {"SACK of half a block", 8, {5, 6, 0, 0, 0, 1, 1, 1}, 0, true, 0},
        {"SACK of one block and a byte", 12, {5, 11, 0, 0, 0, 1, 0, 0, 0, 2, 9, 1}, 0, true, 0},
        {"SACK past the end", 12, {5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1}, 0, true, 0},
        {"SYN as deployed",
         20,
         {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7},
         MSS | SOK | TS | WS,
         false,
         1460},
    };
    const struct guard guard = guard_make(64);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct tcp_options options = parse(&guard, rows[i].bytes, rows[i].size);
        EXPECT_EQUAL(rows[i].name, options.present, rows[i].present);
        EXPECT_EQUAL(rows[i].name, options.malformed, rows[i].malformed);
        EXPECT_EQUAL(rows[i].name, options.mss, rows[i].mss);
    }
    guard_drop(&guard);
}

/* The order that is read in one says the same as another order. */
static void a_syn_as_deployed_says_what_another_order_says(void **state)
{
    (void)state;
    static const uint8_t deployed[20] = {2,    4,    0x12, 0x34, 4,    2,    8, 10, 0xa1, 0xa2,
                                         0xa3, 0xa4, 0xb1, 0xb2, 0xb3, 0xb4, 1, 3,  3,    250};
    static const uint8_t other[20] = {8, 10, 0xa1, 0xa2, 0xa3, 0xa4, 0xb1, 0xb2, 0xb3, 0xb4,
                                      1, 3,  3,    250,  4,    2,    2,    4,    0x12, 0x34};
    const struct guard guard = guard_make(64);
    const struct tcp_options a = parse(&guard, deployed, sizeof deployed);
    const struct tcp_options b = parse(&guard, other, sizeof other);
    EXPECT_EQUAL("present", a.present, b.present);
    EXPECT_EQUAL("present", a.present, MSS | SOK | TS | WS);
    EXPECT_EQUAL("mss", a.mss, b.mss);
    EXPECT_EQUAL("tsval", a.tsval, b.tsval);
    EXPECT_EQUAL("tsecr", a.tsecr, b.tsecr);
    EXPECT_EQUAL("window scale", a.window_scale, b.window_scale);
    EXPECT("well formed", !a.malformed && !b.malformed);
    guard_drop(&guard);
}

static void values(void **state)
{
    (void)state;
    static const uint8_t bytes[40] = {
        3,    3,    255, /* window scale, as sent */
        8,    10,   0xa1, 0xa2, 0xa3, 0xa4, 0xb1, 0xb2, 0xb3, 0xb4, 1,
        5,    26,   0,    0,    0,    1,    0,    0,    0,    2, /* three blocks, */
        0xff, 0xff, 0xff, 0xff, 0,    0,    0,    3,             /* one over the wrap, */
        7,    7,    7,    7,    6,    6,    6,    6,             /* one upside down */
    };
    const struct guard guard = guard_make(64);
    const struct tcp_options options = parse(&guard, bytes, sizeof bytes);
    EXPECT("well formed", !options.malformed);
    EXPECT_EQUAL("window scale", options.window_scale, 255);
    EXPECT_EQUAL("tsval", options.tsval, 0xa1a2a3a4);
    EXPECT_EQUAL("tsecr", options.tsecr, 0xb1b2b3b4);
    EXPECT_EQUAL("blocks", options.sack_count, 3);
    EXPECT_EQUAL("first", options.sack[0].left, 1);
    EXPECT_EQUAL("first", options.sack[0].right, 2);
    EXPECT_EQUAL("second", options.sack[1].left, 0xffffffff);
    EXPECT_EQUAL("second", options.sack[1].right, 3);
    EXPECT_EQUAL("third", options.sack[2].left, 0x07070707);
    EXPECT_EQUAL("third", options.sack[2].right, 0x06060606);
    guard_drop(&guard);
}

static void sack_of_every_length(void **state)
{
    (void)state;
    const struct guard guard = guard_make(64);
    for (unsigned length = 2; length <= 40; length++) {
        uint8_t bytes[40];
        memset(bytes, 1, sizeof bytes);
        bytes[0] = TCP_OPTION_SACK;
        bytes[1] = (uint8_t)length;
        const struct tcp_options options = parse(&guard, bytes, sizeof bytes);
        const bool is_good = length == 10 || length == 18 || length == 26 || length == 34;
        EXPECT_EQUAL("malformed", options.malformed, !is_good);
        EXPECT_EQUAL("blocks", options.sack_count, is_good ? (length - 2) / 8 : 0);
    }
    guard_drop(&guard);
}

/* The one length each known kind may have (SACK has four). */
static bool is_length_of_kind(unsigned kind, unsigned length)
{
    switch (kind) {
    case TCP_OPTION_MSS:
        return length == 4;
    case TCP_OPTION_WINDOW_SCALE:
        return length == 3;
    case TCP_OPTION_SACK_PERMITTED:
        return length == 2;
    case TCP_OPTION_SACK:
        return length == 10 || length == 18 || length == 26 || length == 34;
    case TCP_OPTION_TIMESTAMPS:
        return length == 10;
    case TCP_OPTION_USER_TIMEOUT:
        return length == 4;
    case TCP_OPTION_FAST_OPEN:
        return length == 2 || (length >= 6 && length <= 18 && length % 2 == 0);
    default:
        return length >= 2;
    }
}

/* Behind `offset` NOPs stands an option of this kind and length, behind it NOPs again. */
static void every_kind_with_every_length_at_several_places(void **state)
{
    (void)state;
    static const size_t offsets[] = {0, 1, 2, 3, 5, 17, 29, 30, 36, 37, 38, 39};
    static const size_t sizes[] = {4, 8, 20, 40};
    const struct guard guard = guard_make(64);
    for (size_t o = 0; o < COUNT_OF(offsets) * COUNT_OF(sizes); o++) {
        const size_t offset = offsets[o / COUNT_OF(sizes)], size = sizes[o % COUNT_OF(sizes)];
        if (offset >= size)
            continue;
        for (unsigned kind = 0; kind < 256; kind++) {
            for (unsigned length = 0; length < 256; length++) {
                uint8_t bytes[40];
                memset(bytes, TCP_OPTION_NOP, sizeof bytes);
                bytes[offset] = (uint8_t)kind;
                if (offset + 1 < size)
                    bytes[offset + 1] = (uint8_t)length;
                const struct tcp_options options = parse(&guard, bytes, size);
                if (kind == TCP_OPTION_NOP)
                    continue; /* then the length is a kind */
                const bool fits = offset + 1 < size && length >= 2 && offset + length <= size;
                const bool is_good =
                    kind == TCP_OPTION_EOL || (fits && is_length_of_kind(kind, length));
                EXPECT_EQUAL("malformed", options.malformed, !is_good);
                EXPECT_EQUAL("present", options.present != 0, is_good && kind != TCP_OPTION_EOL);
            }
        }
    }
    guard_drop(&guard);
}

static void random_bytes_stay_inside(void **state)
{
    (void)state;
    static const uint8_t interesting[] = {0, 1, 2, 3, 4, 5, 8, 10, 18, 26, 34, 254};
    const struct guard guard = guard_make(64);
    struct prng prng;
    unsigned malformed = 0;
    prng_seed(&prng, 31);
    for (unsigned turn = 0; turn < 300000; turn++) {
        uint8_t bytes[40];
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = interesting[prng_below(&prng, sizeof interesting)];
        const struct tcp_options options = parse(&guard, bytes, 4 * prng_below(&prng, 11));
        EXPECT("blocks", options.sack_count <= TCP_SACK_MAX);
        EXPECT_EQUAL("blocks", options.sack_count > 0, (options.present & SACK) != 0);
        malformed += options.malformed;
    }
    EXPECT("both kinds came", malformed > 1000 && malformed < 299000);
    guard_drop(&guard);
}

static void built_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t present, sack_count;
        uint32_t size;
        uint8_t bytes[40];
    } rows[] = {
        {"none", 0, 0, 0, {0}},
        {"MSS", MSS, 0, 4, {2, 4, 0x05, 0xb4}},
        {"window scale", WS, 0, 4, {1, 3, 3, 7}},
        {"SACK-permitted", SOK, 0, 4, {1, 1, 4, 2}},
        {"timestamps", TS, 0, 12, {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}},
        {"SACK-permitted and timestamps", SOK | TS, 0, 12, {4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}},
        {"a whole SYN", MSS | SOK | TS | WS, 0, 20, {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 1, 2,
                                                     3, 4, 5,    6,    7, 8, 1, 3,  3, 7}},
        {"a SYN without timestamps",
         MSS | SOK | WS,
         0,
         12,
         {2, 4, 0x05, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7}},
        {"SACK asked for, no block", SACK, 0, 0, {0}},
        {"blocks there, SACK not asked for", TS, 4, 12, {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}},
        {"one block", SACK, 1, 12, {1, 1, 5, 10, 0, 0, 0, 16, 0, 0, 0, 17}},
        {"four blocks", SACK, 4, 36, {1, 1, 5, 34, 0, 0, 0, 16, 0, 0, 0, 17,
                                      0, 0, 0, 32, 0, 0, 0, 33, 0, 0, 0, 48,
                                      0, 0, 0, 49, 0, 0, 0, 64, 0, 0, 0, 65}},
        {"timestamps and three blocks", TS | SACK, 3, 40, {1, 1,  8, 10, 1, 2,  3, 4,  5, 6,
                                                           7, 8,  1, 1,  5, 26, 0, 0,  0, 16,
                                                           0, 0,  0, 17, 0, 0,  0, 32, 0, 0,
                                                           0, 33, 0, 0,  0, 48, 0, 0,  0, 49}},
        {"the fourth block has no room", TS | SACK, 4, 40, {1, 1,  8, 10, 1, 2,  3, 4,  5, 6,
                                                            7, 8,  1, 1,  5, 26, 0, 0,  0, 16,
                                                            0, 0,  0, 17, 0, 0,  0, 32, 0, 0,
                                                            0, 33, 0, 0,  0, 48, 0, 0,  0, 49}},
        {"user timeout of 120 min", UTO, 0, 4, {28, 4, 0x80, 0x78}}, /* 5482-1 */
        {"user timeout before a block",
         UTO | SACK,
         1,
         16,
         {28, 4, 0x80, 0x78, 1, 1, 5, 10, 0, 0, 0, 16, 0, 0, 0, 17}},
        {"four blocks beside it", UTO | SACK, 4, 40, {28, 4,  0x80, 0x78, 1, 1,  5, 34, 0, 0,
                                                      0,  16, 0,    0,    0, 17, 0, 0,  0, 32,
                                                      0,  0,  0,    33,   0, 0,  0, 48, 0, 0,
                                                      0,  49, 0,    0,    0, 64, 0, 0,  0, 65}},
        {"timestamps and two blocks beside it",
         UTO | TS | SACK,
         4,
         36,
         {1, 1,  8, 10, 1, 2,  3, 4, 5, 6,  7, 8, 28, 4,  0x80, 0x78, 1, 1,
          5, 18, 0, 0,  0, 16, 0, 0, 0, 17, 0, 0, 0,  32, 0,    0,    0, 33}},
        {"an unknown option is not built", OTHER, 0, 0, {0}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct tcp_header header = {
            .options = {.present = rows[i].present,
                        .mss = 1460,
                        .window_scale = 7,
                        .sack_count = rows[i].sack_count,
                        .tsval = 0x01020304,
                        .tsecr = 0x05060708,
                        .user_timeout = 0x8078,
                        .sack = {{16, 17}, {32, 33}, {48, 49}, {64, 65}}}};
        uint8_t bytes[61];
        memset(bytes, 0xaa, sizeof bytes);
        EXPECT_EQUAL(rows[i].name, tcp_options_size(&header.options), rows[i].size);
        EXPECT_EQUAL(rows[i].name, tcp_build(bytes, &header), 20 + rows[i].size);
        EXPECT_EQUAL(rows[i].name, bytes[12] >> 4, (20 + rows[i].size) / 4);
        EXPECT_BYTES(rows[i].name, bytes + 20, rows[i].bytes, rows[i].size);
        EXPECT_EQUAL("behind the header", bytes[20 + rows[i].size], 0xaa);
    }
}

/* 7413-1, and who gives way to a long cookie. */
static void built_cookies(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t present, cookie_length;
        uint32_t size;
        uint8_t bytes[40];
    } rows[] = {
        {"a cookie is asked for", MSS | FO, 0, 8, {2, 4, 0x05, 0xb4, 34, 2, 1, 1}},
        {"a cookie of 4 bytes", FO, 4, 8, {34, 6, 0xc0, 0xc1, 0xc2, 0xc3, 1, 1}},
        {"a cookie of 6 bytes", FO, 6, 8, {34, 8, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5}},
        {"the longest cookie leaves no room for the user timeout",
         MSS | SOK | TS | WS | FO | UTO,
         16,
         40,
         {2,    4,    0x05, 0xb4, 4,    2,    8,    10,   1,    2,    3,    4,    5,    6,
          7,    8,    1,    3,    3,    7,    34,   18,   0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5,
          0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 1,    1}},
        {"a shorter one does",
         MSS | SOK | TS | WS | FO | UTO,
         8,
         36,
         {2, 4,  0x05, 0xb4, 4,    2,    8,    10,   1,    2,    3,    4, 5, 6,  7, 8,    1,   3, 3,
          7, 34, 10,   0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 1, 1, 28, 4, 0x80, 0x78}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct tcp_header header = {.options = {.present = rows[i].present,
                                                .mss = 1460,
                                                .window_scale = 7,
                                                .tsval = 0x01020304,
                                                .tsecr = 0x05060708,
                                                .user_timeout = 0x8078,
                                                .cookie_length = rows[i].cookie_length}};
        for (size_t byte = 0; byte < TCP_COOKIE_MAX; byte++)
            header.options.cookie[byte] = (uint8_t)(0xc0 + byte);
        uint8_t bytes[60];
        EXPECT_EQUAL(rows[i].name, tcp_options_size(&header.options), rows[i].size);
        EXPECT_EQUAL(rows[i].name, tcp_build(bytes, &header), 20 + rows[i].size);
        EXPECT_BYTES(rows[i].name, bytes + 20, rows[i].bytes, rows[i].size);
    }
}

/* MUST-69 asks for zeros behind EOL. Every group fills whole words, so that there is never an EOL,
 * nor anything behind one. */
static void no_padding_is_ever_needed(void **state)
{
    (void)state;
    for (unsigned present = 0; present < 256; present++) {
        for (unsigned n = 0; n < (TCP_SACK_MAX + 1) * (TCP_COOKIE_MAX + 1); n++) {
            const unsigned blocks = n / (TCP_COOKIE_MAX + 1);
            const struct tcp_header header = {
                .options = {.present = (uint8_t)present,
                            .mss = 0xffff,
                            .window_scale = 14,
                            .sack_count = (uint8_t)blocks,
                            .cookie_length = (uint8_t)(n % (TCP_COOKIE_MAX + 1)),
                            .tsval = 0xffffffff,
                            .tsecr = 0xffffffff}};
            uint8_t bytes[60];
            const uint32_t length = tcp_build(bytes, &header);
            EXPECT("whole words", length % 4 == 0 && length <= 60);
            for (uint32_t at = 20; at < length;
                 at += bytes[at] == TCP_OPTION_NOP ? 1 : bytes[at + 1])
                EXPECT("no EOL", bytes[at] != TCP_OPTION_EOL);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_of_the_walk),
        cmocka_unit_test(values),
        cmocka_unit_test(a_syn_as_deployed_says_what_another_order_says),
        cmocka_unit_test(sack_of_every_length),
        cmocka_unit_test(every_kind_with_every_length_at_several_places),
        cmocka_unit_test(random_bytes_stay_inside),
        cmocka_unit_test(built_bytes),
        cmocka_unit_test(built_cookies),
        cmocka_unit_test(no_padding_is_ever_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
