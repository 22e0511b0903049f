/* SPDX-License-Identifier: MIT */
/* A word into a sum of 64 bits, and a sum brought to its last form. Not for secrets. */
#ifndef SIM_EXPLORE_HASH_H
#define SIM_EXPLORE_HASH_H

#include <stdint.h>

static inline uint64_t hash_add(uint64_t sum, uint64_t word)
{
    uint64_t x = sum ^ word * UINT64_C(0x9e3779b185ebca87);
    return ((x << 29) | (x >> 35)) * UINT64_C(0xc2b2ae3d27d4eb4f);
}

static inline uint64_t hash_settle(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

#endif
