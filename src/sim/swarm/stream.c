/* SPDX-License-Identifier: MIT */
/* See stream.h. */
#include "sim/swarm/stream.h"

enum { WORD = 8 };

static uint64_t word_at(uint64_t key, uint64_t number)
{
    uint64_t word = key + number * UINT64_C(0x9e3779b97f4a7c15);

    return word ^ word >> 29;
}

static void put_word(uint8_t *bytes, uint64_t word)
{
    for (unsigned i = 0; i < WORD; i++)
        bytes[i] = (uint8_t)(word >> 8 * i);
}

static uint64_t get_word(const uint8_t *bytes)
{
    uint64_t word = 0;

    for (unsigned i = 0; i < WORD; i++)
        word |= (uint64_t)bytes[i] << 8 * i;
    return word;
}

static uint8_t byte_at(uint64_t key, uint64_t at)
{
    return (uint8_t)(word_at(key, at / WORD) >> 8 * (at % WORD));
}

void stream_write(uint64_t key, uint64_t at, uint8_t *bytes, size_t size)
{
    size_t done = 0;

    for (; done < size && (at + done) % WORD != 0; done++)
        bytes[done] = byte_at(key, at + done);
    for (; done + WORD <= size; done += WORD)
        put_word(bytes + done, word_at(key, (at + done) / WORD));
    for (; done < size; done++)
        bytes[done] = byte_at(key, at + done);
}

size_t stream_match(uint64_t key, uint64_t at, const uint8_t *bytes, size_t size)
{
    size_t done = 0;

    for (; done < size && (at + done) % WORD != 0; done++)
        if (bytes[done] != byte_at(key, at + done))
            return done;
    for (; done + WORD <= size; done += WORD)
        if (get_word(bytes + done) != word_at(key, (at + done) / WORD))
            break;
    for (; done < size; done++)
        if (bytes[done] != byte_at(key, at + done))
            return done;
    return done;
}
