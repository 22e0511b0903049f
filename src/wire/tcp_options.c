/* SPDX-License-Identifier: MIT */
/* TCP options: MSS (RFC 9293, 3.7.1), window scale and timestamps (RFC 7323), SACK (RFC 2018), user
 * timeout (RFC 5482), Fast Open (RFC 7413), AccECN (RFC 9768, 3.2.3). They are read in any order
 * and at any alignment (MUST-5, MUST-64), and written in groups of whole 32-bit words, so that no
 * padding is needed (MUST-69 asks for zeros where it is). */
#include "wire/tcp_options.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/features.h"
#include "wire/checksum.h"

#include <string.h>

enum { /* bytes of an option, kind and length included */
       MSS_SIZE = 4,
       WINDOW_SCALE_SIZE = 3,
       SACK_PERMITTED_SIZE = 2,
       TIMESTAMPS_SIZE = 10,
       SACK_HEAD_SIZE = 2,
       SACK_BLOCK_SIZE = 8,
       USER_TIMEOUT_SIZE = 4,
       FAST_OPEN_HEAD_SIZE = 2,
       ACCURATE_ECN_HEAD_SIZE = 2,
       ACCURATE_ECN_FIELD_SIZE = 3,
};

enum { /* bytes of a group, NOPs included */
       MSS_GROUP = 4,
       WINDOW_SCALE_GROUP = 4,
       SACK_PERMITTED_GROUP = 4,
       TIMESTAMPS_GROUP = 12, /* with SACK-permitted in place of the NOPs if both are sent */
       SACK_GROUP_HEAD = 4,
       USER_TIMEOUT_GROUP = 4,
};

/* What this build never writes. */
enum {
    ABSENT = (FEATURE_USER_TIMEOUT ? 0 : DUET_TRACE_USER_TIMEOUT) |
             (FEATURE_FAST_OPEN ? 0 : DUET_TRACE_FAST_OPEN) |
             (FEATURE_ECN ? 0 : DUET_TRACE_ACCURATE_ECN)
};

static bool has(const struct tcp_options *options, enum duet_trace_option option)
{
    return (options->present & ~(unsigned)ABSENT & option) != 0;
}

/* ---- bytes to values ---- */

/* Each reader is given a whole option, and says whether its length is one that its kind can have.
 */

static bool read_mss(const uint8_t *option, struct tcp_options *options)
{
    if (option[1] != MSS_SIZE)
        return false;
    options->mss = bytes_get16(option + 2);
    options->present |= DUET_TRACE_MSS;
    return true;
}

static bool read_window_scale(const uint8_t *option, struct tcp_options *options)
{
    if (option[1] != WINDOW_SCALE_SIZE)
        return false;
    options->window_scale = option[2];
    options->present |= DUET_TRACE_WINDOW_SCALE;
    return true;
}

static bool read_sack_permitted(const uint8_t *option, struct tcp_options *options)
{
    if (option[1] != SACK_PERMITTED_SIZE)
        return false;
    options->present |= DUET_TRACE_SACK_PERMITTED;
    return true;
}

static bool read_sack(const uint8_t *option, struct tcp_options *options)
{
    const unsigned blocks = (unsigned)(option[1] - SACK_HEAD_SIZE) / SACK_BLOCK_SIZE;
    if (blocks < 1 || option[1] != SACK_HEAD_SIZE + blocks * SACK_BLOCK_SIZE)
        return false;
    CHECK(blocks <= TCP_SACK_MAX); /* 40 bytes of options hold no fifth */
    for (unsigned i = 0; i < blocks; i++) {
        const uint8_t *block = option + SACK_HEAD_SIZE + i * SACK_BLOCK_SIZE;
        options->sack[i].left = bytes_get32(block);
        options->sack[i].right = bytes_get32(block + 4);
    }
    options->sack_count = (uint8_t)blocks;
    options->present |= DUET_TRACE_SACK;
    return true;
}

static bool read_timestamps(const uint8_t *option, struct tcp_options *options)
{
    if (option[1] != TIMESTAMPS_SIZE)
        return false;
    options->tsval = bytes_get32(option + 2);
    options->tsecr = bytes_get32(option + 6);
    options->present |= DUET_TRACE_TIMESTAMPS;
    return true;
}

static bool read_user_timeout(const uint8_t *option, struct tcp_options *options)
{
    if (option[1] != USER_TIMEOUT_SIZE)
        return false;
    options->user_timeout = bytes_get16(option + 2);
    options->present |= DUET_TRACE_USER_TIMEOUT;
    return true;
}

static bool read_fast_open(const uint8_t *option, struct tcp_options *options)
{
    const unsigned length = (unsigned)(option[1] - FAST_OPEN_HEAD_SIZE);
    if (length != 0 && (length < TCP_COOKIE_MIN || length > TCP_COOKIE_MAX || length % 2 != 0))
        return false;
    options->cookie_length = (uint8_t)length;
    memcpy(options->cookie, option + FAST_OPEN_HEAD_SIZE, length);
    options->present |= DUET_TRACE_FAST_OPEN;
    return true;
}

/* Of a length that is none of the four, the whole fields that fit are used (RFC 9768, 3.2.3). */
static bool read_accurate_ecn(const uint8_t *option, struct tcp_options *options)
{
    struct tcp_accurate_ecn_option *to = &options->accurate_ecn;
    const uint32_t room = (option[1] - (uint32_t)ACCURATE_ECN_HEAD_SIZE) / ACCURATE_ECN_FIELD_SIZE;
    *to = (struct tcp_accurate_ecn_option){
        .order = option[0] == TCP_OPTION_ACCURATE_ECN_1,
        .fields = (uint8_t)min_u32(room, TCP_ACCURATE_ECN_FIELDS),
    };
    const uint8_t *at = option + ACCURATE_ECN_HEAD_SIZE;
    for (unsigned i = 0; i < to->fields; i++, at += ACCURATE_ECN_FIELD_SIZE)
        to->field[i] = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
    options->present |= DUET_TRACE_ACCURATE_ECN;
    return true;
}

/* MUST-6. */
static bool ignore(struct tcp_options *options)
{
    options->present |= DUET_TRACE_OTHER;
    return true;
}

static bool read_option(const uint8_t *option, struct tcp_options *options)
{
    switch (option[0]) {
    case TCP_OPTION_MSS:
        return read_mss(option, options);
    case TCP_OPTION_WINDOW_SCALE:
        return read_window_scale(option, options);
    case TCP_OPTION_SACK_PERMITTED:
        return read_sack_permitted(option, options);
    case TCP_OPTION_SACK:
        return read_sack(option, options);
    case TCP_OPTION_TIMESTAMPS:
        return read_timestamps(option, options);
    case TCP_OPTION_USER_TIMEOUT:
        return FEATURE_USER_TIMEOUT ? read_user_timeout(option, options) : ignore(options);
    case TCP_OPTION_FAST_OPEN:
        return FEATURE_FAST_OPEN ? read_fast_open(option, options) : ignore(options);
    case TCP_OPTION_ACCURATE_ECN_0:
    case TCP_OPTION_ACCURATE_ECN_1:
        return FEATURE_ECN ? read_accurate_ecn(option, options) : ignore(options);
    default:
        return ignore(options);
    }
}

/* NOP NOP timestamps, and nothing else (RFC 7323, appendix A). */
static bool is_timestamps_group(const uint8_t *at, const uint8_t *end)
{
    return end - at == TIMESTAMPS_GROUP &&
           bytes_get32(at) == ((uint32_t)TCP_OPTION_NOP << 24 | TCP_OPTION_NOP << 16 |
                               TCP_OPTION_TIMESTAMPS << 8 | TIMESTAMPS_SIZE);
}

/* MSS; SACK-permitted and timestamps; NOP and window scale: five words, as nearly every SYN has them. */
enum {
    SYN_GROUP = MSS_GROUP + TIMESTAMPS_GROUP + WINDOW_SCALE_GROUP,
    SYN_PRESENT = DUET_TRACE_MSS | DUET_TRACE_SACK_PERMITTED | DUET_TRACE_TIMESTAMPS |
                  DUET_TRACE_WINDOW_SCALE,
    SYN_FIRST = TCP_OPTION_MSS << 8 | MSS_SIZE,
    SYN_SECOND = TCP_OPTION_SACK_PERMITTED << 24 | SACK_PERMITTED_SIZE << 16 |
                 TCP_OPTION_TIMESTAMPS << 8 | TIMESTAMPS_SIZE,
    SYN_FIFTH = TCP_OPTION_NOP << 16 | TCP_OPTION_WINDOW_SCALE << 8 | WINDOW_SCALE_SIZE,
};

static bool is_syn_group(const uint8_t *at, const uint8_t *end)
{
    return end - at == SYN_GROUP && bytes_get16(at) == SYN_FIRST &&
           bytes_get32(at + MSS_GROUP) == SYN_SECOND &&
           bytes_get32(at + MSS_GROUP + TIMESTAMPS_GROUP) >> 8 == SYN_FIFTH;
}

bool tcp_options_read_syn(const uint8_t *at, const uint8_t *end, struct tcp_options *options)
{
    if (!is_syn_group(at, end))
        return false;
    options->mss = bytes_get16(at + 2);
    options->tsval = bytes_get32(at + MSS_GROUP + 4);
    options->tsecr = bytes_get32(at + MSS_GROUP + 8);
    options->window_scale = at[MSS_GROUP + TIMESTAMPS_GROUP + 3];
    options->present = SYN_PRESENT;
    options->malformed = false;
    return true;
}

void tcp_options_parse(const uint8_t *at, const uint8_t *end, struct tcp_options *options)
{
    *options = (struct tcp_options){0};
    if (is_timestamps_group(at, end)) { /* as nearly every segment of a connection has them */
        (void)read_timestamps(at + 2, options);
        return;
    }
    if (tcp_options_read_syn(at, end, options))
        return;
    while (at < end && *at != TCP_OPTION_EOL) { /* each turn takes at least one byte */
        if (*at == TCP_OPTION_NOP) {
            at++;
            continue;
        }
        if (end - at < 2 || at[1] < 2 || at[1] > end - at) { /* MUST-7: no way to go on */
            options->malformed = true;
            return;
        }
        if (!read_option(at, options))
            options->malformed = true;
        at += at[1];
    }
}

/* ---- values to bytes ---- */

/* The AccECN option with the NOPs that fill up its words: 4, 8, 8 or 12 bytes. */
static uint32_t accurate_ecn_group(const struct tcp_options *options)
{
    const uint32_t size =
        ACCURATE_ECN_HEAD_SIZE + options->accurate_ecn.fields * (uint32_t)ACCURATE_ECN_FIELD_SIZE;
    return (size + 3) / 4 * 4;
}

static uint32_t fast_open_group(const struct tcp_options *options)
{
    return (FAST_OPEN_HEAD_SIZE + options->cookie_length + 3u) / 4 * 4;
}

/* Nearly every segment: no need to look for anything else. */
static bool has_at_most_timestamps(const struct tcp_options *options)
{
    return (options->present & ~(unsigned)DUET_TRACE_TIMESTAMPS) == 0;
}

/* Of what must fit: 20 bytes of a SYN and 20 of the longest cookie. */
static uint32_t size_of_the_first(const struct tcp_options *options)
{
    uint32_t size = 0;
    if (has(options, DUET_TRACE_MSS))
        size += MSS_GROUP;
    if (has(options, DUET_TRACE_TIMESTAMPS))
        size += TIMESTAMPS_GROUP;
    else if (has(options, DUET_TRACE_SACK_PERMITTED))
        size += SACK_PERMITTED_GROUP;
    if (has(options, DUET_TRACE_WINDOW_SCALE))
        size += WINDOW_SCALE_GROUP;
    if (has(options, DUET_TRACE_FAST_OPEN))
        size += fast_open_group(options);
    return size;
}

static bool has_user_timeout(const struct tcp_options *options)
{
    return has(options, DUET_TRACE_USER_TIMEOUT) &&
           size_of_the_first(options) + USER_TIMEOUT_GROUP <= TCP_OPTIONS_MAX;
}

static uint32_t size_with_user_timeout(const struct tcp_options *options)
{
    return size_of_the_first(options) + (has_user_timeout(options) ? USER_TIMEOUT_GROUP : 0u);
}

static bool has_accurate_ecn(const struct tcp_options *options)
{
    return has(options, DUET_TRACE_ACCURATE_ECN) &&
           size_with_user_timeout(options) + accurate_ecn_group(options) <= TCP_OPTIONS_MAX;
}

static uint32_t size_without_sack(const struct tcp_options *options)
{
    return size_with_user_timeout(options) +
           (has_accurate_ecn(options) ? accurate_ecn_group(options) : 0u);
}

/* As many blocks as there is room for: four alone, three beside timestamps (RFC 2018, section 3).
 */
static uint32_t sack_blocks(const struct tcp_options *options)
{
    if (!has(options, DUET_TRACE_SACK))
        return 0;
    const uint32_t used = size_without_sack(options) + SACK_GROUP_HEAD;
    const uint32_t room = used < TCP_OPTIONS_MAX ? TCP_OPTIONS_MAX - used : 0;
    return min_u32(options->sack_count, room / SACK_BLOCK_SIZE);
}

uint32_t tcp_options_size(const struct tcp_options *options)
{
    if (has_at_most_timestamps(options))
        return options->present == 0 ? 0 : TIMESTAMPS_GROUP;
    if (options->present == SYN_PRESENT)
        return SYN_GROUP;
    const uint32_t blocks = sack_blocks(options);
    return size_without_sack(options) +
           (blocks > 0 ? SACK_GROUP_HEAD + blocks * SACK_BLOCK_SIZE : 0);
}

static uint8_t *put_head(uint8_t *at, uint8_t kind, unsigned size)
{
    at[0] = kind;
    at[1] = (uint8_t)size;
    return at + 2;
}

static uint8_t *put_nops(uint8_t *at, unsigned count)
{
    for (; count > 0; count--)
        *at++ = TCP_OPTION_NOP;
    return at;
}

static uint8_t *put_mss(uint8_t *at, const struct tcp_options *options)
{
    at = put_head(at, TCP_OPTION_MSS, MSS_SIZE);
    bytes_put16(at, options->mss);
    return at + 2;
}

/* SACK-permitted and timestamps fill three words together; each alone is filled up with two NOPs
 * (RFC 7323, appendix A). */
static uint8_t *put_sack_permitted_and_timestamps(uint8_t *at, const struct tcp_options *options)
{
    if (has(options, DUET_TRACE_SACK_PERMITTED) && has(options, DUET_TRACE_TIMESTAMPS))
        at = put_head(at, TCP_OPTION_SACK_PERMITTED, SACK_PERMITTED_SIZE);
    else if (has(options, DUET_TRACE_SACK_PERMITTED))
        return put_head(put_nops(at, 2), TCP_OPTION_SACK_PERMITTED, SACK_PERMITTED_SIZE);
    else if (has(options, DUET_TRACE_TIMESTAMPS))
        at = put_nops(at, 2);
    else
        return at;

    at = put_head(at, TCP_OPTION_TIMESTAMPS, TIMESTAMPS_SIZE);
    bytes_put32(at, options->tsval);
    bytes_put32(at + 4, options->tsecr);
    return at + 8;
}

static uint8_t *put_window_scale(uint8_t *at, const struct tcp_options *options)
{
    at = put_head(put_nops(at, 1), TCP_OPTION_WINDOW_SCALE, WINDOW_SCALE_SIZE);
    *at++ = options->window_scale;
    return at;
}

static uint8_t *put_fast_open(uint8_t *at, const struct tcp_options *options)
{
    const uint32_t size = FAST_OPEN_HEAD_SIZE + options->cookie_length;
    at = put_head(at, TCP_OPTION_FAST_OPEN, size);
    memcpy(at, options->cookie, options->cookie_length);
    return put_nops(at + options->cookie_length, fast_open_group(options) - size);
}

static uint8_t *put_user_timeout(uint8_t *at, const struct tcp_options *options)
{
    at = put_head(at, TCP_OPTION_USER_TIMEOUT, USER_TIMEOUT_SIZE);
    bytes_put16(at, options->user_timeout);
    return at + 2;
}

static uint8_t *put_sack(uint8_t *at, const struct tcp_options *options, uint32_t blocks)
{
    at = put_head(put_nops(at, 2), TCP_OPTION_SACK, SACK_HEAD_SIZE + blocks * SACK_BLOCK_SIZE);
    for (uint32_t i = 0; i < blocks; i++, at += SACK_BLOCK_SIZE) {
        bytes_put32(at, options->sack[i].left);
        bytes_put32(at + 4, options->sack[i].right);
    }
    return at;
}

static uint8_t *put_accurate_ecn(uint8_t *at, const struct tcp_options *options)
{
    const struct tcp_accurate_ecn_option *from = &options->accurate_ecn;
    const unsigned size = ACCURATE_ECN_HEAD_SIZE + from->fields * (unsigned)ACCURATE_ECN_FIELD_SIZE;
    CHECK(from->fields <= TCP_ACCURATE_ECN_FIELDS);
    at = put_nops(at, accurate_ecn_group(options) - size);
    at = put_head(at, from->order == 0 ? TCP_OPTION_ACCURATE_ECN_0 : TCP_OPTION_ACCURATE_ECN_1,
                  size);
    for (unsigned i = 0; i < from->fields; i++, at += ACCURATE_ECN_FIELD_SIZE) {
        at[0] = (uint8_t)(from->field[i] >> 16);
        bytes_put16(at + 1, (uint16_t)(from->field[i] & 0xffff));
    }
    return at;
}

uint64_t tcp_options_put_syn(uint8_t *at, const struct tcp_options *options)
{
    uint64_t sum = checksum_put32(at, (uint32_t)SYN_FIRST << 16 | options->mss);
    sum += checksum_put32(at + MSS_GROUP, SYN_SECOND);
    sum += checksum_put32(at + MSS_GROUP + 4, options->tsval);
    sum += checksum_put32(at + MSS_GROUP + 8, options->tsecr);
    return sum + checksum_put32(at + MSS_GROUP + TIMESTAMPS_GROUP,
                                (uint32_t)SYN_FIFTH << 8 | options->window_scale);
}

uint8_t *tcp_options_build(uint8_t *at, const struct tcp_options *options)
{
    if (has_at_most_timestamps(options))
        return put_sack_permitted_and_timestamps(at, options);
    if (options->present == SYN_PRESENT) {
        (void)tcp_options_put_syn(at, options);
        return at + SYN_GROUP;
    }
    const uint32_t blocks = sack_blocks(options);
    if (has(options, DUET_TRACE_MSS))
        at = put_mss(at, options);
    at = put_sack_permitted_and_timestamps(at, options);
    if (has(options, DUET_TRACE_WINDOW_SCALE))
        at = put_window_scale(at, options);
    if (has(options, DUET_TRACE_FAST_OPEN))
        at = put_fast_open(at, options);
    if (has_user_timeout(options))
        at = put_user_timeout(at, options);
    if (blocks > 0)
        at = put_sack(at, options, blocks);
    if (has_accurate_ecn(options))
        at = put_accurate_ecn(at, options);
    return at;
}
