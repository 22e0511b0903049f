/* SPDX-License-Identifier: MIT */
/* SipHash-c-d as the paper has it ("SipHash: a fast short-input PRF", section 2): four words of
 * state, c rounds for each 8 bytes of message, d rounds at the end. Words are little endian. */
#include "base/siphash.h"

#include "base/bytes.h"

#include <string.h>

struct sip_state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t load_le(const uint8_t *at, size_t size)
{
    uint64_t word = 0;
    if (bytes_least_first()) { /* one instruction for a size that the compiler knows */
        memcpy(&word, at, size);
        return word;
    }
    for (size_t i = 0; i < size; i++)
        word |= (uint64_t)at[i] << (8 * i);
    return word;
}

static inline uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static inline void sip_rounds(struct sip_state *s, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        s->v0 += s->v1;
        s->v2 += s->v3;
        s->v1 = rotate_left(s->v1, 13) ^ s->v0;
        s->v3 = rotate_left(s->v3, 16) ^ s->v2;
        s->v0 = rotate_left(s->v0, 32);
        s->v2 += s->v1;
        s->v0 += s->v3;
        s->v1 = rotate_left(s->v1, 17) ^ s->v2;
        s->v3 = rotate_left(s->v3, 21) ^ s->v0;
        s->v2 = rotate_left(s->v2, 32);
    }
}

static inline void sip_absorb(struct sip_state *s, uint64_t word, unsigned rounds)
{
    s->v3 ^= word;
    sip_rounds(s, rounds);
    s->v0 ^= word;
}

static inline uint64_t siphash(const struct siphash_key *key, const uint8_t *message, size_t size,
                               unsigned c, unsigned d)
{
    /* "somepseudorandomlygeneratedbytes" */
    struct sip_state s = {
        .v0 = key->k0 ^ UINT64_C(0x736f6d6570736575),
        .v1 = key->k1 ^ UINT64_C(0x646f72616e646f6d),
        .v2 = key->k0 ^ UINT64_C(0x6c7967656e657261),
        .v3 = key->k1 ^ UINT64_C(0x7465646279746573),
    };
    size_t left = size;

    for (; left >= 8; left -= 8, message += 8)
        sip_absorb(&s, load_le(message, 8), c);

    /* The last word has what is left and, in its upper byte, the length modulo 256. */
    sip_absorb(&s, load_le(message, left) | (uint64_t)size << 56, c);
    s.v2 ^= 0xff;
    sip_rounds(&s, d);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

struct siphash_key siphash_key_load(const uint8_t bytes[16])
{
    return (struct siphash_key){.k0 = load_le(bytes, 8), .k1 = load_le(bytes + 8, 8)};
}

uint64_t siphash_2_4(const struct siphash_key *key, const void *message, size_t size)
{
    return siphash(key, message, size, 2, 4);
}

uint64_t siphash_1_3(const struct siphash_key *key, const void *message, size_t size)
{
    return siphash(key, message, size, 1, 3);
}
