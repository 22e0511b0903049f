/* SPDX-License-Identifier: MIT */
/* What the fuzzers share: expectations that end the run, the bytes of an input one after the other, and memory that is
 * exactly as long as what lies in it, so that AddressSanitizer sees a read of the next byte.
 *
 * A fuzzer is one function. libFuzzer calls it with bytes of its own invention (make fuzz); fuzz/replay/main.c with
 * those of files (make test). */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EXPECT(condition) ((condition) ? (void)0 : fuzz_failed(#condition, __FILE__, __LINE__))

static inline _Noreturn void fuzz_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
    abort();
}

/* ---- bytes of the input; past the end they are 0 ---- */

struct input {
    const uint8_t *at, *end;
};

static inline uint8_t take8(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

static inline uint16_t take16(struct input *input)
{
    const unsigned high = take8(input);
    return (uint16_t)(high << 8 | take8(input));
}

static inline uint32_t take32(struct input *input)
{
    const uint32_t high = take16(input);
    return high << 16 | take16(input);
}

static inline size_t left(const struct input *input)
{
    return (size_t)(input->end - input->at);
}

/* The rest of the input in memory of its own, to be freed. */
static inline uint8_t *fuzz_copy(const struct input *input)
{
    uint8_t *copy = calloc(1, left(input) > 0 ? left(input) : 1);
    if (copy == NULL)
        abort();
    if (left(input) > 0)
        memcpy(copy, input->at, left(input));
    return copy;
}

/* ---- the checksum of RFC 1071 as one would do it by hand ---- */

static inline uint32_t sum_by_hand(uint32_t sum, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

#endif
