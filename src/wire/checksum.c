/* SPDX-License-Identifier: MIT */
/* RFC 1071 tells why this may be fast: the sum does not care for the order of bytes within a word
 * (section 2, B), so words are added as the machine loads them and the result is turned once at the
 * end; nor for the width of the words (C), so 32 bits are added at a time into 64.
 *
 * The sum is kept in machine order. A piece that begins at an odd place has each byte in the other
 * half of its word, which is the same as its sum with the two bytes swapped. */
#include "wire/checksum.h"

#include <string.h>

#include "base/bytes.h"
#include "wire/checksum_vector.h"
#include "wire/checksum_wide.h"

static inline uint64_t add_halves(uint64_t sum, uint64_t word)
{
    return sum + (word & UINT32_MAX) + (word >> 32);
}

/* What is left of a word of 32 bits: up to three bytes, as if a zero followed (RFC 1071,
 * section 1). */
static uint32_t last_bytes(const uint8_t *at, size_t size)
{
    uint32_t sum = 0;
    uint16_t word;
    if ((size & 2) != 0) {
        memcpy(&word, at, 2);
        sum += word;
        at += 2;
    }
    if ((size & 1) != 0) {
        const uint8_t last[2] = {*at, 0};
        memcpy(&word, last, 2);
        sum += word;
    }
    return sum;
}

/* What is left behind the blocks: vectors, 64 bits at a time, then once 32, 16 and 8. */
static uint64_t sum_tail(const uint8_t *at, size_t size)
{
    checksum_vector lane = {0};
    uint64_t sum, word64;
    uint32_t word32;

    for (; size >= CHECKSUM_WIDTH; size -= CHECKSUM_WIDTH, at += CHECKSUM_WIDTH)
        checksum_halves(&lane, at, 0);
    sum = checksum_lanes(&lane);
    for (; size >= 8; size -= 8, at += 8) {
        memcpy(&word64, at, 8);
        sum = add_halves(sum, word64);
    }
    if ((size & 4) != 0) {
        memcpy(&word32, at, 4);
        sum += word32;
        at += 4;
    }
    return sum + last_bytes(at, size);
}

static uint64_t sum_bytes(const uint8_t *at, size_t size, bool wide)
{
    const size_t blocks = size / CHECKSUM_BLOCK;
    uint64_t sum = 0;
    if (blocks > 0)
        sum = wide ? checksum_wide_sum(at, blocks) : checksum_vector_sum(at, blocks);
    return sum + sum_tail(at + blocks * CHECKSUM_BLOCK, size % CHECKSUM_BLOCK);
}

static uint64_t copy_bytes(uint8_t *to, const uint8_t *from, size_t size, bool wide)
{
    const size_t blocks = size / CHECKSUM_BLOCK, done = blocks * CHECKSUM_BLOCK;
    uint64_t sum = 0;
    if (blocks > 0)
        sum = wide ? checksum_wide_copy(to, from, blocks) : checksum_vector_copy(to, from, blocks);
    memcpy(to + done, from + done, size - done);
    return sum + sum_tail(from + done, size - done);
}

static void add_piece(struct checksum *checksum, uint64_t piece, size_t size)
{
    if ((checksum->odd & 1) != 0) {
        const uint16_t folded = checksum_fold(piece);
        piece = (uint16_t)(folded << 8 | folded >> 8);
    }
    checksum->sum += piece; /* far from overflow: 2^46 for the largest packet */
    checksum->odd ^= size & 1;
}

/* What is shorter than this is not worth the vectors. */
enum { SHORT = 24 };

/* Bytes that are few: words of 32 bits, then what is left. */
static uint64_t sum_short(const uint8_t *at, size_t size)
{
    uint64_t sum = 0;
    uint32_t word;
    for (; size >= 4; size -= 4, at += 4) {
        memcpy(&word, at, 4);
        sum += word;
    }
    return sum + last_bytes(at, size);
}

static uint64_t copy_short(uint8_t *to, const uint8_t *at, size_t size)
{
    uint64_t sum = 0;
    uint32_t word;
    for (; size >= 4; size -= 4, at += 4, to += 4) {
        memcpy(&word, at, 4);
        memcpy(to, &word, 4);
        sum += word;
    }
    if ((size & 2) != 0)
        memcpy(to, at, 2);
    if ((size & 1) != 0)
        to[size - 1] = at[size - 1];
    return sum + last_bytes(at, size);
}

void checksum_add(struct checksum *checksum, const void *data, size_t size)
{
    if (size < SHORT) {
        add_piece(checksum, sum_short(data, size), size);
        return;
    }
    add_piece(checksum, sum_bytes(data, size, checksum->wide), size);
}

void checksum_copy(struct checksum *checksum, void *to, const void *from, size_t size)
{
    if (size < SHORT) {
        add_piece(checksum, copy_short(to, from, size), size);
        return;
    }
    add_piece(checksum, copy_bytes(to, from, size, checksum->wide), size);
}

void checksum_add_pseudo(struct checksum *checksum, const struct duet_address *source,
                         const struct duet_address *destination, uint8_t protocol, uint32_t length)
{
    /* IPv4 writes zero, protocol and a 16-bit length; IPv6 a 32-bit length, three zeros and the
     * protocol. A length below 2^16 makes the same sum in both forms. */
    const size_t skipped = address_is_ipv4(source) ? 12 : 0;
    uint8_t tail[8] = {0};

    bytes_put32(tail, length);
    tail[7] = protocol;
    checksum_add_words(checksum, source->bytes + skipped, sizeof source->bytes - skipped);
    checksum_add_words(checksum, destination->bytes + skipped, sizeof destination->bytes - skipped);
    checksum_add_words(checksum, tail, sizeof tail);
}

uint16_t checksum_partial(const struct checksum *checksum)
{
    const uint16_t sum = checksum_fold(checksum->sum);
    uint8_t bytes[2];
    memcpy(bytes, &sum, 2);
    return bytes_get16(bytes);
}

uint16_t checksum_finish(const struct checksum *checksum)
{
    return (uint16_t)~checksum_partial(checksum);
}
