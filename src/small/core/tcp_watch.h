/* SPDX-License-Identifier: MIT */
/* The small build's stand-in for src/core/tcp_watch.h: no stack is watched. */
#ifndef CORE_TCP_WATCH_H
#define CORE_TCP_WATCH_H

#include "core/tcp.h"

struct duet_stack;

/* No stack has one. */
struct watch {
    uint16_t dropped;
};

static inline uint64_t watch_size(const struct duet_config *config)
{
    (void)config;
    return 0;
}

static inline void watch_settled(struct duet_stack *s, const struct tcp_conn *c)
{
    (void)s;
    (void)c;
}

static inline void watch_written(struct duet_stack *s, const struct tcp_conn *c, uint32_t bytes)
{
    (void)s;
    (void)c;
    (void)bytes;
}

static inline void watch_before(struct duet_stack *s, const struct tcp_conn *c)
{
    (void)s;
    (void)c;
}

static inline void watch_after(struct duet_stack *s, const struct tcp_conn *c,
                               const struct tcp_segment *seg)
{
    (void)s;
    (void)c;
    (void)seg;
}

static inline void watch_input(struct duet_stack *s, const struct duet_packet *packet,
                               uint64_t replies)
{
    (void)s;
    (void)packet;
    (void)replies;
}

static inline void watch_output(struct duet_stack *s, const struct duet_packet *packet,
                                bool is_reply)
{
    (void)s;
    (void)packet;
    (void)is_reply;
}

static inline void watch_expired(struct duet_stack *s)
{
    (void)s;
}

#endif
