/* SPDX-License-Identifier: MIT */
/* The Internet checksum (RFC 1071): one's complement sum of 16-bit words, in pieces of any length.
 */
#ifndef WIRE_CHECKSUM_H
#define WIRE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "wire/address.h"

/* An unfolded sum. Pieces are added in order; odd says that an odd number of bytes came before. */
struct checksum {
    uint64_t sum;
    uint32_t odd;
    bool wide; /* checksum_can_be_wide() said so: long pieces are added by wide instructions */
};

/* Does this processor have wider vectors than every one of its kind? Asked once, for it costs much. */
bool checksum_can_be_wide(void);

/* Whole words of 32 bits at an even place: headers, whose size is best a constant. */
static inline void checksum_add_words(struct checksum *checksum, const uint8_t *at, size_t size)
{
    uint64_t sum = checksum->sum;
    for (; size >= 4; size -= 4, at += 4) {
        uint32_t word;
        memcpy(&word, at, 4);
        sum += word;
    }
    checksum->sum = sum;
}

/* Stores a word of a header, and returns what it adds to a sum. */
static inline uint64_t checksum_put32(uint8_t *at, uint32_t value)
{
    const uint32_t word = bytes_turn32(value);
    memcpy(at, &word, sizeof word);
    return word;
}

/* A sum of words of 16 or 32 bits as one of 16, in one's complement: what is carried out comes in again.
 * A number and the same with its halves exchanged have the sum of the halves twice, one above the other, and
 * what the lower one carries is what the upper one has lost. */
static inline uint16_t checksum_fold(uint64_t sum)
{
    const uint64_t halves = sum + (sum << 32 | sum >> 32);
    const uint32_t half = (uint32_t)(halves >> 32);
    return (uint16_t)((half + (half << 16 | half >> 16)) >> 16);
}

/* The sum was one over a header whose own field was in it, and right. */
static inline bool checksum_is_right(const struct checksum *checksum)
{
    return checksum_fold(checksum->sum) == UINT16_MAX; /* in whatever order its bytes are */
}

void checksum_add(struct checksum *checksum, const void *data, size_t size);
/* memcpy and checksum_add in one pass; the two pieces do not overlap. */
void checksum_copy(struct checksum *checksum, void *to, const void *from, size_t size);
/* The pseudo-header of IPv4 (RFC 9293, 3.1) or IPv6 (RFC 8200, 8.1), as the addresses say. */
void checksum_add_pseudo(struct checksum *checksum, const struct duet_address *source,
                         const struct duet_address *destination, uint8_t protocol, uint32_t length);
/* The value to store in a header whose field was 0, or 0 if a sum over a correct header is right.
 */
uint16_t checksum_finish(const struct checksum *checksum);
/* The folded sum without the final complement: what a link that completes checksums expects. */
uint16_t checksum_partial(const struct checksum *checksum);

#endif
