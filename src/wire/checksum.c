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

enum { BLOCK = 64, CHUNK = 4096 };

/* The four lanes are independent, so that the compiler can keep them in vectors. A lane takes four
 * words a block: it cannot overflow before 2^30 blocks, 64 GiB. */
static uint64_t sum_blocks(const uint8_t *at, size_t blocks)
{
    uint64_t lanes[4] = {0, 0, 0, 0};
    for (; blocks > 0; blocks--, at += BLOCK) {
        uint64_t words[BLOCK / 8];
        memcpy(words, at, BLOCK);
        for (unsigned i = 0; i < 4; i++)
            lanes[i] += (words[i] & UINT32_MAX) + (words[i] >> 32) + (words[i + 4] & UINT32_MAX) +
                        (words[i + 4] >> 32);
    }
    return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

static uint64_t sum_bytes(const uint8_t *at, size_t size)
{
    uint64_t sum = sum_blocks(at, size / BLOCK);
    at += size / BLOCK * BLOCK;
    size %= BLOCK;

    for (; size >= 4; size -= 4, at += 4) {
        uint32_t word;
        memcpy(&word, at, 4);
        sum += word;
    }
    uint8_t tail[4] = {0, 0, 0, 0}; /* RFC 1071, section 1: the last odd byte is padded with zero */
    for (size_t i = 0; i < size; i++)
        tail[i] = at[i];
    uint32_t word;
    memcpy(&word, tail, 4);
    return sum + word;
}

static uint16_t fold(uint64_t sum)
{
    sum = (sum & UINT32_MAX) + (sum >> 32); /* below 2^33 */
    sum = (sum & UINT16_MAX) + (sum >> 16); /* below 2^18 */
    sum = (sum & UINT16_MAX) + (sum >> 16); /* at most 2^16 + 2 */
    sum = (sum & UINT16_MAX) + (sum >> 16);
    return (uint16_t)sum;
}

void checksum_add(struct checksum *checksum, const void *data, size_t size)
{
    uint16_t piece = fold(sum_bytes(data, size));
    if ((checksum->odd & 1) != 0)
        piece = (uint16_t)(piece << 8 | piece >> 8);
    checksum->sum += piece;
    checksum->odd ^= size & 1;
}

void checksum_copy(struct checksum *checksum, void *to, const void *from, size_t size)
{
    /* A chunk stays in the first-level cache between the two, so memory is read once. */
    uint8_t *target = to;
    const uint8_t *source = from;
    while (size > 0) {
        const size_t chunk = size < CHUNK ? size : CHUNK;
        memcpy(target, source, chunk);
        checksum_add(checksum, target, chunk);
        target += chunk;
        source += chunk;
        size -= chunk;
    }
}

void checksum_add_pseudo(struct checksum *checksum, const struct duet_address *source,
                         const struct duet_address *destination, uint8_t protocol, uint32_t length)
{
    /* IPv4 writes zero, protocol and a 16-bit length; IPv6 a 32-bit length, three zeros and the
     * protocol. A length below 2^16 makes the same sum in both forms. */
    const size_t skipped = duet_address_is_ipv4(source) ? 12 : 0;
    uint8_t tail[8] = {0};

    bytes_put32(tail, length);
    tail[7] = protocol;
    checksum_add(checksum, source->bytes + skipped, sizeof source->bytes - skipped);
    checksum_add(checksum, destination->bytes + skipped, sizeof destination->bytes - skipped);
    checksum_add(checksum, tail, sizeof tail);
}

uint16_t checksum_partial(const struct checksum *checksum)
{
    const uint16_t sum = fold(checksum->sum);
    uint8_t bytes[2];
    memcpy(bytes, &sum, 2);
    return bytes_get16(bytes);
}

uint16_t checksum_finish(const struct checksum *checksum)
{
    return (uint16_t)~checksum_partial(checksum);
}
