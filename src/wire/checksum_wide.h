/* SPDX-License-Identifier: MIT */
/* The inner loops of checksum.c for processors with wider vectors. Only where checksum_can_be_wide(). */
#ifndef WIRE_CHECKSUM_WIDE_H
#define WIRE_CHECKSUM_WIDE_H

#include <stddef.h>
#include <stdint.h>

/* Sums whole blocks of CHECKSUM_BLOCK bytes. */
uint64_t checksum_wide_sum(const uint8_t *at, size_t blocks);
/* The same, and copies them. */
uint64_t checksum_wide_copy(uint8_t *to, const uint8_t *from, size_t blocks);

#endif
