/* SPDX-License-Identifier: MIT */
/* The Internet checksum in a small build: words of 32 bits, one at a time (RFC 1071, 2, B and C: the sum
 * cares neither for the order of bytes within a word nor for the width of the words). The sum is kept in
 * machine order; a piece that begins at an odd place counts with its bytes swapped. */
#include "wire/checksum.h"

#include <string.h>

#include "base/bytes.h"

bool checksum_can_be_wide(void)
{
    return false;
}

void checksum_add(struct checksum *checksum, const void *data, size_t size)
{
    const uint8_t *at = data;
    uint8_t last[4] = {0}; /* RFC 1071, section 1: as if zeros followed */
    struct checksum piece = {0};
    checksum_add_words(&piece, at, size);
    memcpy(last, at + (size & ~(size_t)3), size & 3);
    checksum_add_words(&piece, last, sizeof last);
    uint32_t folded = checksum_fold(piece.sum);
    if ((checksum->odd & 1) != 0)
        folded = (folded & 255) << 8 | folded >> 8;
    checksum->sum += folded;
    checksum->odd ^= size & 1;
}

void checksum_copy(struct checksum *checksum, void *to, const void *from, size_t size)
{
    memcpy(to, from, size);
    checksum_add(checksum, from, size);
}

void checksum_add_pseudo(struct checksum *checksum, const struct duet_address *source,
                         const struct duet_address *destination, uint8_t protocol, uint32_t length)
{
    uint8_t tail[8] = {0}; /* a length below 2^16 makes the same sum in 32 bits */
    bytes_put32(tail, length);
    tail[7] = protocol;
    checksum_add_words(checksum, source->bytes + 12, 4);
    checksum_add_words(checksum, destination->bytes + 12, 4);
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
