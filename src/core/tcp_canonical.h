/* SPDX-License-Identifier: MIT */
/* What tcp_canonical.c and tcp_canonical_conn.c make their number with: a digest, and the ways to bring
 * what means the same to the same value. */
#ifndef CORE_TCP_CANONICAL_H
#define CORE_TCP_CANONICAL_H

#include "core/state.h"

#include <stddef.h>
#include <string.h>

struct digest {
    uint64_t sum;
};

struct view {
    const struct duet_stack *s;
    const struct duet_canonical_base *base;
    uint32_t now_us, now_ms;
    struct digest digest;
};

static inline void add(struct digest *d, uint64_t word)
{
    uint64_t x = d->sum ^ word * UINT64_C(0x9e3779b185ebca87);
    d->sum = ((x << 29) | (x >> 35)) * UINT64_C(0xc2b2ae3d27d4eb4f);
}

static inline void add_bytes(struct digest *d, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint64_t word;
    for (; size >= sizeof word; at += sizeof word, size -= sizeof word) {
        memcpy(&word, at, sizeof word);
        add(d, word);
    }
    word = 0;
    memcpy(&word, at, size);
    add(d, word ^ (uint64_t)size << 56);
}

static inline uint64_t settled(const struct digest *d)
{
    uint64_t x = d->sum;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* ---- bringing to the same value ---- */

/* What lies between two members of a record, or behind the last one, is whatever was there before: compilers
 * need not copy it, nor set it to zero. */
#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

static inline void clear(void *record, size_t from, size_t to)
{
    memset((uint8_t *)record + from, 0, to - from);
}

/* 0, never and long ago have meanings of their own, which no other time may take on. */
static inline void from_now(const struct view *v, duet_time *time)
{
    if (*time == DUET_NEVER || *time == -DUET_NEVER || *time == 0)
        return;
    *time -= v->s->now;
    if (*time == 0)
        *time = DUET_NEVER - 1;
}

static inline void us_from_now(const struct view *v, uint32_t *us, bool means)
{
    *us = means ? *us - v->now_us : 0;
}

static inline void ms_from_now(const struct view *v, uint32_t *ms, bool means)
{
    *ms = means ? *ms - v->now_ms : 0;
}

static inline void from(struct seq *seq, struct seq start, bool means)
{
    seq->raw = means ? seq->raw - start.raw : 0;
}

/* A number counts from the ISN of the connection that it belongs to, the latest that it is near to. Windows
 * are smaller than FAR here, so of what is far from all only the direction decides. */
static inline void from_base(struct seq *seq, const struct duet_canonical_isns *base)
{
    enum { FAR = 1 << 16, EACH = 1 << 20 };
    uint32_t latest = base->count == 0 ? 0 : base->isns[base->count - 1];
    for (unsigned i = base->count; i-- > 0;) {
        uint32_t distance = seq->raw - base->isns[i];
        if (distance + FAR < 2u * FAR) {
            seq->raw = i * EACH + distance + FAR;
            return;
        }
    }
    seq->raw = seq->raw - latest < UINT32_C(1) << 31 ? UINT32_MAX : UINT32_MAX - 1;
}

static inline void link_to_bit(struct list_link *link)
{
    *link = (struct list_link){link->next != LIST_OFF, 0};
}

/* The number of one connection; the view's own digest stays as it is. */
uint64_t canonical_conn(struct view v, const struct tcp_conn *original);

#endif
