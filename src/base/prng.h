/* SPDX-License-Identifier: MIT */
/* A seeded generator for faults and simulation: same seed, same numbers, on every machine. Never
 * for anything that an attacker must not guess. */
#ifndef BASE_PRNG_H
#define BASE_PRNG_H

#include <stdbool.h>
#include <stdint.h>

struct prng {
    uint64_t state[4];
};

void prng_seed(struct prng *prng, uint64_t seed); /* any seed, 0 too */
uint64_t prng_next(struct prng *prng);
uint64_t prng_below(struct prng *prng, uint64_t limit);  /* [0, limit), without bias; limit >= 1 */
bool prng_chance(struct prng *prng, double probability); /* 0 never, 1 always */

#endif
