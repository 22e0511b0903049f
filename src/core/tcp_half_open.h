/* SPDX-License-Identifier: MIT */
/* What the two files of half-open records share. */
#ifndef CORE_TCP_HALF_OPEN_H
#define CORE_TCP_HALF_OPEN_H

#include "base/bytes.h"
#include "core/state.h"

static inline bool half_open_is_alive(const struct tcp_half_open *half)
{
    return (half->flags & TCP_HALF_OPEN_ALIVE) != 0;
}

static inline struct seq half_open_rcv_nxt(const struct tcp_half_open *half)
{
    return seq_add(half->irs, 1);
}

/* What the SYN,ACK offers. */
static inline uint32_t half_open_window(const struct tcp_listener *listener)
{
    return min_u32(listener->receive_limit & ~TCP_LIMIT_FIXED, UINT16_MAX);
}

/* And what it says about our MSS (MUST-67). */
static inline uint16_t half_open_mss(const struct duet_stack *s, const struct tcp_half_open *half,
                                     const struct tcp_listener *listener)
{
    uint32_t headers = ip_header_size(&half->tuple.remote) + (uint32_t)TCP_HEADER;
    return (uint16_t)(min_u32(s->config.mtu, listener->mtu) - headers);
}

struct tcp_listener *half_open_listener(const struct duet_stack *s,
                                        const struct tcp_half_open *half);
/* The place in the table is another's now. */
void half_open_leave_ring(struct duet_stack *s, struct tcp_half_open *half);
void half_open_back_to_listen(struct duet_stack *s, struct tcp_half_open *half, enum tcp_rule rule);

#endif
