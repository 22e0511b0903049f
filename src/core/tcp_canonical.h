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
    struct duet_canonical_base base;
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

/* A number that may belong to another connection than the one whose ISN it counts from. Windows are
 * smaller than FAR here, so of what is further away only the direction decides. */
static inline void from_base(struct seq *seq, uint32_t base)
{
    enum { FAR = 1 << 16 };
    uint32_t distance = seq->raw - base;
    bool is_near = distance + FAR < 2u * FAR;
    seq->raw = is_near ? distance : distance < UINT32_C(1) << 31 ? FAR : 0u - FAR;
}

static inline void link_to_bit(struct list_link *link)
{
    *link = (struct list_link){link->next != LIST_OFF, 0};
}

/* The number of one connection; the view's own digest stays as it is. */
uint64_t canonical_conn(struct view v, const struct tcp_conn *original);

#endif
