/* SPDX-License-Identifier: MIT */
/* Luck: numbers that depend on the seed and on what they are for, never on what was drawn before.
 * So what is left out of a world does not change the rest of it. */
#ifndef SIM_SWARM_LUCK_H
#define SIM_SWARM_LUCK_H

#include "base/prng.h"
#include "duet/stack.h"

/* What numbers are for. */
enum luck_purpose {
    LUCK_WORLD,
    LUCK_HOST,
    LUCK_SECRET,
    LUCK_CONNECTION,
    LUCK_APPLICATION,
    LUCK_STREAM,
    LUCK_RATE,
    LUCK_HIT,
    LUCK_DEED,
    LUCK_EPISODE,
};

/* SplitMix64's finish: every bit of the result depends on every bit of the value. */
static inline uint64_t luck_mix(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

static inline uint64_t luck_number(uint64_t seed, enum luck_purpose purpose, uint64_t a, uint64_t b)
{
    uint64_t value = luck_mix(seed + UINT64_C(0x9e3779b97f4a7c15) * ((uint64_t)purpose + 1));

    value = luck_mix(value + UINT64_C(0xd1342543de82ef95) * (a + 1));
    return luck_mix(value + UINT64_C(0xaef17502108ef2d9) * (b + 1));
}

/* A generator for one purpose. */
static inline struct prng luck_for(uint64_t seed, enum luck_purpose purpose, uint64_t a, uint64_t b)
{
    struct prng prng;

    prng_seed(&prng, luck_number(seed, purpose, a, b));
    return prng;
}

/* [least, most]. */
static inline uint64_t luck_between(struct prng *prng, uint64_t least, uint64_t most)
{
    return least + prng_below(prng, most - least + 1);
}

static inline bool luck_one_in(struct prng *prng, uint64_t count)
{
    return prng_below(prng, count) == 0;
}

/* [least, most], every power of two as likely as the next: small numbers come often, large ones
 * come too. Without floating point, so that every machine agrees. least >= 1, most < 2^63. */
static inline uint64_t luck_scale(struct prng *prng, uint64_t least, uint64_t most)
{
    unsigned low = 0, high = 0;
    uint64_t from, to, power;

    while (least >> low > 1)
        low++;
    while (most >> high > 1)
        high++;
    power = luck_between(prng, low, high);
    from = UINT64_C(1) << power;
    to = 2 * from - 1;
    return luck_between(prng, from < least ? least : from, to > most ? most : to);
}

#endif
