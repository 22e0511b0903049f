/* SPDX-License-Identifier: MIT */
/* xoshiro256** by Blackman and Vigna ("Scrambled linear pseudorandom number generators", 2021),
 * seeded by SplitMix64 as its authors advise: a state of zeros would yield zeros for ever, and
 * SplitMix64 never makes four of them in a row. */
#include "base/prng.h"

#include "base/check.h"

static uint64_t split_mix(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

void prng_seed(struct prng *prng, uint64_t seed)
{
    for (unsigned i = 0; i < 4; i++)
        prng->state[i] = split_mix(&seed);
}

uint64_t prng_next(struct prng *prng)
{
    uint64_t *s = prng->state;
    const uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    const uint64_t shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t prng_below(struct prng *prng, uint64_t limit)
{
    CHECK(limit >= 1);
    /* 2^64 is rarely a multiple of limit. The first 2^64 mod limit numbers are thrown away, so that
     * every remainder is left with equally many; fewer than two draws are needed on average. */
    const uint64_t surplus = (UINT64_MAX - limit + 1) % limit;
    uint64_t number;
    do
        number = prng_next(prng);
    while (number < surplus);
    return number % limit;
}

bool prng_chance(struct prng *prng, double probability)
{
    /* The upper 53 bits are a double in [0, 1), exactly, so the outcome is the same everywhere. */
    return (double)(prng_next(prng) >> 11) * 0x1p-53 < probability;
}
