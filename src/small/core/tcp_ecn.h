/* SPDX-License-Identifier: MIT */
/* The small build's stand-in for src/core/tcp_ecn.h: ECN is neither asked for nor agreed to, so no packet
 * of ours is ECN-capable, and what a peer's bits say is not looked at. */
#ifndef CORE_TCP_ECN_H
#define CORE_TCP_ECN_H

#include "core/tcp.h"

enum { TCP_ECN_MODE = 7 };
enum tcp_ecn_mode { TCP_ECN_NOT = 4 };

/* Nobody has one: for the layout of the block, which holds none, and for what would be told of it. */
struct tcp_accurate_ecn {
    uint32_t marks_received, marks_reported;
};

static inline uint8_t tcp_ecn_bits(uint16_t flags)
{
    (void)flags;
    return 0;
}

static inline enum tcp_ecn_mode tcp_ecn_mode(const struct tcp_conn *c)
{
    (void)c;
    return TCP_ECN_NOT;
}

static inline void tcp_ecn_set_mode(struct tcp_conn *c, enum tcp_ecn_mode mode)
{
    (void)c;
    (void)mode;
}

/* ---- opening ---- */

static inline uint16_t tcp_ecn_half_open_begin(struct duet_stack *s, struct tcp_half_open *half,
                                               const struct tcp_segment *seg)
{
    (void)s;
    (void)half;
    (void)seg;
    return 0;
}

static inline enum tcp_verdict
tcp_ecn_half_open_again(struct tcp_half_open *half, const struct tcp_segment *seg, uint16_t *flags)
{
    (void)half;
    (void)seg;
    *flags = 0;
    return TCP_CONTINUE;
}

static inline uint16_t tcp_ecn_half_open_repeat(struct duet_stack *s, struct tcp_half_open *half,
                                                unsigned repeats)
{
    (void)s;
    (void)half;
    (void)repeats;
    return 0;
}

static inline uint16_t tcp_ecn_half_open_ace(const struct tcp_half_open *half)
{
    (void)half;
    return 0;
}

static inline void tcp_ecn_half_open_option(const struct duet_stack *s,
                                            const struct tcp_half_open *half,
                                            struct tcp_options *options)
{
    (void)s;
    (void)half;
    (void)options;
}

static inline void tcp_ecn_from_half_open(struct duet_stack *s, struct tcp_conn *c,
                                          const struct tcp_half_open *half)
{
    (void)s;
    (void)c;
    (void)half;
}

static inline void tcp_ecn_take_syn(struct duet_stack *s, struct tcp_conn *c,
                                    const struct tcp_segment *seg)
{
    (void)s;
    (void)c;
    (void)seg;
}

static inline enum tcp_verdict tcp_ecn_take_syn_again(struct duet_stack *s, struct tcp_conn *c,
                                                      const struct tcp_segment *seg)
{
    (void)s;
    (void)c;
    (void)seg;
    return TCP_CONTINUE;
}

static inline void tcp_ecn_take_syn_ack(struct duet_stack *s, struct tcp_conn *c,
                                        const struct tcp_segment *seg)
{
    (void)s;
    (void)c;
    (void)seg;
}

static inline void tcp_ecn_take_syn_ack_again(struct duet_stack *s, struct tcp_conn *c,
                                              const struct tcp_segment *seg)
{
    (void)s;
    (void)c;
    (void)seg;
}

static inline bool tcp_ecn_retries_plain(struct duet_stack *s, struct tcp_conn *c)
{
    (void)s;
    (void)c;
    return false;
}

static inline int tcp_ecn_set(struct tcp_conn *c, enum duet_ecn wanted)
{
    (void)c;
    return wanted == DUET_ECN_OFF ? DUET_OK : DUET_E_ARG;
}

/* ---- in use ---- */

static inline uint16_t tcp_ecn_flags(struct duet_stack *s, struct tcp_conn *c,
                                     const struct tcp_header *header, bool is_new)
{
    (void)s;
    (void)c;
    (void)header;
    (void)is_new;
    return 0;
}

static inline uint8_t tcp_ecn_codepoint(const struct tcp_conn *c, bool is_new)
{
    (void)c;
    (void)is_new;
    return 0;
}

static inline bool tcp_ecn_forbids_cutting(const struct tcp_conn *c)
{
    (void)c;
    return false;
}

static inline bool tcp_ecn_owes_pure_ack(const struct tcp_conn *c)
{
    (void)c;
    return false;
}

static inline void tcp_ecn_arrives(struct duet_stack *s, struct tcp_conn *c,
                                   const struct tcp_segment *seg)
{
    (void)s;
    (void)c;
    (void)seg;
}

static inline void tcp_ecn_acked(struct duet_stack *s, struct tcp_conn *c,
                                 const struct tcp_segment *seg, const struct tcp_news *news)
{
    (void)s;
    (void)c;
    (void)seg;
    (void)news;
}

static inline bool tcp_ecn_holds(const struct duet_stack *s, const struct tcp_transfer *t)
{
    (void)s;
    (void)t;
    return false;
}

/* Every loss is answered: nothing else has reduced the window before. */
static inline bool tcp_ecn_loss(struct duet_stack *s, struct tcp_conn *c)
{
    (void)s;
    (void)c;
    return true;
}

static inline bool tcp_ecn_is_capable(const struct tcp_conn *c)
{
    (void)c;
    return false;
}

static inline enum duet_ecn_agreed tcp_ecn_agreed(const struct tcp_conn *c)
{
    (void)c;
    return DUET_ECN_NOT_AGREED;
}

/* ---- the AccECN option ---- */

static inline struct tcp_accurate_ecn *tcp_accecn_of(const struct duet_stack *s,
                                                     const struct tcp_conn *c)
{
    (void)s;
    (void)c;
    return NULL;
}

static inline void tcp_accecn_return(struct duet_stack *s, struct tcp_conn *c)
{
    (void)s;
    (void)c;
}

static inline uint32_t *tcp_accecn_challenge_from(const struct duet_stack *s, struct tcp_conn *c)
{
    (void)s;
    return &c->challenge_from;
}

static inline uint32_t tcp_accecn_sack_room(const struct duet_stack *s, const struct tcp_conn *c,
                                            uint32_t room)
{
    (void)s;
    (void)c;
    return room;
}

static inline void tcp_accecn_add(struct duet_stack *s, struct tcp_conn *c, uint32_t text_length,
                                  bool is_retransmission, struct tcp_options *options,
                                  uint32_t room)
{
    (void)s;
    (void)c;
    (void)text_length;
    (void)is_retransmission;
    (void)options;
    (void)room;
}

static inline void tcp_accecn_add_to_syn_ack(const struct duet_stack *s, const struct tcp_conn *c,
                                             bool is_retransmission, struct tcp_options *options)
{
    (void)s;
    (void)c;
    (void)is_retransmission;
    (void)options;
}

#endif
