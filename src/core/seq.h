/* SPDX-License-Identifier: MIT */
/* Sequence numbers (RFC 9293, section 3.4) as a type without '<': all comparisons are modulo 2^32,
 * so a < b means that b is ahead of a by less than 2^31. Of two numbers exactly 2^31 apart neither
 * is ahead: all comparisons say no, so that such a number is never taken for a new one.
 *
 *        una            nxt
 *   ------|--------------|------------->      [una, nxt) is what is in flight
 *    acked   outstanding    not yet sent
 */
#ifndef CORE_SEQ_H
#define CORE_SEQ_H

#include <stdbool.h>
#include <stdint.h>

struct seq {
    uint32_t raw;
};

static inline struct seq seq_of(uint32_t raw)
{
    return (struct seq){raw};
}

static inline bool seq_eq(struct seq a, struct seq b)
{
    return a.raw == b.raw;
}

static inline bool seq_lt(struct seq a, struct seq b)
{
    return (int32_t)(b.raw - a.raw) > 0;
}

static inline bool seq_le(struct seq a, struct seq b)
{
    return (int32_t)(b.raw - a.raw) >= 0;
}

static inline struct seq seq_add(struct seq a, uint32_t n)
{
    return (struct seq){a.raw + n};
}

static inline struct seq seq_sub(struct seq a, uint32_t n)
{
    return (struct seq){a.raw - n};
}

/* How far to is ahead of from. Meaningful when from <= to. */
static inline uint32_t seq_distance(struct seq from, struct seq to)
{
    return to.raw - from.raw;
}

static inline struct seq seq_max(struct seq a, struct seq b)
{
    return seq_lt(a, b) ? b : a;
}

static inline struct seq seq_min(struct seq a, struct seq b)
{
    return seq_lt(a, b) ? a : b;
}

/* s in [first, first + len). */
static inline bool seq_in_window(struct seq s, struct seq first, uint32_t len)
{
    return seq_distance(first, s) < len;
}

#endif
