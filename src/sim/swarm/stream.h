/* SPDX-License-Identifier: MIT */
/* What applications say: byte number n of a stream depends on the stream's key and on n alone, so
 * each byte that arrives is compared with what it has to be, whenever and in whatever pieces. Eight
 * bytes are one word of an arithmetic sequence, stirred so that no word is like another. */
#ifndef SIM_SWARM_STREAM_H
#define SIM_SWARM_STREAM_H

#include <stddef.h>
#include <stdint.h>

/* Writes bytes [at, at + size) of the stream. */
void stream_write(uint64_t key, uint64_t at, uint8_t *bytes, size_t size);
/* How many of size bytes are what bytes [at, at + size) of the stream are, before the first that is
 * not. */
size_t stream_match(uint64_t key, uint64_t at, const uint8_t *bytes, size_t size);

#endif
