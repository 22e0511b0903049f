/* SPDX-License-Identifier: MIT */
/* Numbers in network byte order at any alignment (RFC 9293 MUST-64), and the smaller of two. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include "base/features.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Whole words with their bytes turned round where the machine has the least one first, which compilers
 * know how to do in one instruction; of single bytes they make one store each, and to read those back
 * as a word takes long. */
static inline bool bytes_least_first(void)
{
    const uint16_t one = 1;
    uint8_t first;
    memcpy(&first, &one, 1);
    return first == 1;
}

static inline uint32_t bytes_turn32(uint32_t value)
{
    if (!bytes_least_first())
        return value;
    return value >> 24 | (value >> 8 & 0xff00) | (value << 8 & 0xff0000) | value << 24;
}

static inline uint16_t bytes_turn16(uint16_t value)
{
    if (!bytes_least_first())
        return value;
    return (uint16_t)(value >> 8 | value << 8);
}

static inline uint16_t bytes_get16(const uint8_t *at)
{
    uint16_t word;
    memcpy(&word, at, sizeof word);
    return bytes_turn16(word);
}

static inline uint32_t bytes_get32(const uint8_t *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return bytes_turn32(word);
}

static inline void bytes_put16(uint8_t *at, uint16_t value)
{
    const uint16_t word = bytes_turn16(value);
    memcpy(at, &word, sizeof word);
}

static inline void bytes_put32(uint8_t *at, uint32_t value)
{
    const uint32_t word = bytes_turn32(value);
    memcpy(at, &word, sizeof word);
}

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* Line by line: for as much at once compilers choose an instruction that is slow to begin. The size is one that
 * the compiler knows. */
static inline void bytes_clear(void *record, size_t size)
{
    const size_t line = FEATURE_FAST_PATH ? 64 : size;
    uint8_t *bytes = record;
    size_t done = 0;
#pragma GCC unroll 8
    for (; done + line <= size; done += line)
        memset(bytes + done, 0, line);
    memset(bytes + done, 0, size - done);
}

#endif
