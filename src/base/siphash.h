/* SPDX-License-Identifier: MIT */
/* SipHash, a keyed pseudorandom function of short messages (Aumasson and Bernstein, 2012).
 * SipHash-2-4 where a peer sees the result (initial sequence numbers, timestamps, ports);
 * SipHash-1-3 where it only must not choose collisions (hash tables). */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t k0, k1;
};

/* The key as 16 bytes, little endian, as the reference vectors have it. */
struct siphash_key siphash_key_load(const uint8_t bytes[16]);

uint64_t siphash_2_4(const struct siphash_key *key, const void *message, size_t size);
uint64_t siphash_1_3(const struct siphash_key *key, const void *message, size_t size);

#endif
