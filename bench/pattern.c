/* SPDX-License-Identifier: MIT */
/* The bytes that benchmarks send; see engine.h. */
#include <string.h>

#include "engine.h"

enum { PERIOD = 65521 }; /* the largest prime below 2^16 */

static uint8_t pattern[PERIOD + ENGINE_PIECE];

/* xorshift64, G. Marsaglia, "Xorshift RNGs", 2003. */
void engine_pattern_make(void)
{
    uint64_t x = UINT64_C(88172645463325252);

    for (size_t i = 0; i < PERIOD; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        pattern[i] = (uint8_t)(x >> 32);
    }
    for (size_t i = PERIOD; i < sizeof pattern; i++)
        pattern[i] = pattern[i - PERIOD];
}

const uint8_t *engine_pattern(uint64_t position)
{
    return pattern + position % PERIOD;
}
