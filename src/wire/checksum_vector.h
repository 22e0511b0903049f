/* SPDX-License-Identifier: MIT */
/* The inner loops of the Internet checksum in vectors, whatever width of them the processor has that
 * they are compiled for: compilers cut the wide ones into what there is. In line, so that they can be
 * compiled more than once. */
#ifndef WIRE_CHECKSUM_VECTOR_H
#define WIRE_CHECKSUM_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Where a compiler knows no vectors, a word of 64 bits does. */
#if defined(__GNUC__)
typedef uint64_t checksum_vector __attribute__((vector_size(32)));
#define CHECKSUM_INLINE static inline __attribute__((always_inline))
#else
typedef uint64_t checksum_vector;
#define CHECKSUM_INLINE static inline
#endif

enum { CHECKSUM_WIDTH = sizeof(checksum_vector), CHECKSUM_BLOCK = 4 * CHECKSUM_WIDTH };

/* Each 64 bits as the sum of their halves of 32, so that a lane that collects them does not overflow
 * before 2^31 blocks. */
CHECKSUM_INLINE void checksum_halves(checksum_vector *lane, const uint8_t *at, unsigned i)
{
    checksum_vector word;
    memcpy(&word, at + (size_t)i * CHECKSUM_WIDTH, CHECKSUM_WIDTH);
    *lane += (word & UINT32_MAX) + (word >> 32);
}

CHECKSUM_INLINE uint64_t checksum_lanes(const checksum_vector *lanes)
{
    uint64_t part[CHECKSUM_WIDTH / 8], sum = 0;
    memcpy(part, lanes, CHECKSUM_WIDTH);
    for (unsigned i = 0; i < CHECKSUM_WIDTH / 8; i++)
        sum += part[i];
    return sum;
}

/* Four lanes, so that no addition waits for the one before it. */
CHECKSUM_INLINE uint64_t checksum_vector_sum(const uint8_t *at, size_t blocks)
{
    checksum_vector a = {0}, b = {0}, c = {0}, d = {0};
    for (; blocks > 0; blocks--, at += CHECKSUM_BLOCK) {
        checksum_halves(&a, at, 0);
        checksum_halves(&b, at, 1);
        checksum_halves(&c, at, 2);
        checksum_halves(&d, at, 3);
    }
    a += b + c + d;
    return checksum_lanes(&a);
}

/* checksum_halves() of what is copied with it: loaded once. */
CHECKSUM_INLINE void checksum_halves_copied(checksum_vector *lane, uint8_t *to, const uint8_t *from,
                                            unsigned i)
{
    checksum_vector word;
    memcpy(&word, from + (size_t)i * CHECKSUM_WIDTH, CHECKSUM_WIDTH);
    memcpy(to + (size_t)i * CHECKSUM_WIDTH, &word, CHECKSUM_WIDTH);
    *lane += (word & UINT32_MAX) + (word >> 32);
}

/* The same, and copies the blocks. */
CHECKSUM_INLINE uint64_t checksum_vector_copy(uint8_t *to, const uint8_t *from, size_t blocks)
{
    checksum_vector a = {0}, b = {0}, c = {0}, d = {0};
    for (; blocks > 0; blocks--, from += CHECKSUM_BLOCK, to += CHECKSUM_BLOCK) {
        checksum_halves_copied(&a, to, from, 0);
        checksum_halves_copied(&b, to, from, 1);
        checksum_halves_copied(&c, to, from, 2);
        checksum_halves_copied(&d, to, from, 3);
    }
    a += b + c + d;
    return checksum_lanes(&a);
}

#endif
