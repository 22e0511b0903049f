/* SPDX-License-Identifier: MIT */
/* Explicit congestion notification (RFC 3168, 8311) and its accurate feedback (RFC 9768), as the
 * rest of the core sees it. Agreement stands in tcp_ecn_open.c, feedback and response in tcp_ecn.c,
 * the byte counters of the AccECN option in tcp_accecn.c.
 */
#ifndef CORE_TCP_ECN_H
#define CORE_TCP_ECN_H

#include "core/tcp.h"

/* The ECN field of IP (RFC 3168, 5). */
enum tcp_ip_ecn { TCP_NOT_ECT, TCP_ECT_1, TCP_ECT_0, TCP_CE };

/* The bits AE, CWR and ECE of a header as one number of 3 bits: ACE (RFC 9768, 3.2.2). */
static inline uint8_t tcp_ecn_bits(uint16_t flags)
{
    return (flags >> 6) & 7;
}

static inline uint16_t tcp_ecn_flag_bits(unsigned ace)
{
    return (uint16_t)((ace & 7u) << 6);
}

/* What tcp_conn.ecn holds in its low 3 bits. Until something is agreed: what the user wants, an
 * enum duet_ecn. */
enum tcp_ecn_mode {
    TCP_ECN_NOT = 4,
    TCP_ECN_CLASSIC,
    TCP_ECN_ACCURATE,
    TCP_ECN_ACCURATE_FIRST, /* the first ACK may be by the handshake's encoding (9768, 3.2.2.1) */
    TCP_ECN_MODE = 7,       /* mask */
};
/* And above them. */
enum tcp_ecn_state {
    TCP_ECN_SYN_RESET = 1 << 3, /* nothing is agreed yet: RST came for a SYN that asked */
    TCP_ECN_MUTE = 1 << 3,      /* no packet of ours is ECN-capable */
    TCP_ECN_ECHO = 1 << 4,      /* classic: ECE is said until CWR comes */
    TCP_ECN_LAST_CE = 1 << 4,   /* accurate: the packet before this one was marked */
    TCP_ECN_CWR_OWED = 1 << 5,  /* classic: new data will say that the window was reduced */
    TCP_ECN_DEAF = 1 << 5,      /* accurate: what the peer reports is not believed */
    TCP_ECN_HANDSHAKE = 1 << 6, /* accurate: the next pure ACK tells the SYN,ACK's ECN field */
    TCP_ECN_RECORD = 1 << 7,    /* accurate: a struct tcp_accurate_ecn is borrowed */
};

static inline enum tcp_ecn_mode tcp_ecn_mode(const struct tcp_conn *c)
{
    return (enum tcp_ecn_mode)(c->ecn & TCP_ECN_MODE);
}

static inline bool tcp_ecn_is_accurate(const struct tcp_conn *c)
{
    return (c->ecn & TCP_ECN_MODE) >= TCP_ECN_ACCURATE;
}

static inline bool tcp_ecn_is(const struct tcp_conn *c, unsigned state)
{
    return (c->ecn & state) != 0;
}

static inline void tcp_ecn_put(struct tcp_conn *c, unsigned state)
{
    c->ecn = (c->ecn | state) & 255u;
}

static inline void tcp_ecn_drop(struct tcp_conn *c, unsigned state)
{
    c->ecn = c->ecn & ~state & 255u;
}

static inline void tcp_ecn_set_mode(struct tcp_conn *c, enum tcp_ecn_mode mode)
{
    c->ecn = ((c->ecn & ~(unsigned)TCP_ECN_MODE) | (unsigned)mode) & 255u;
}

/* What tcp_conn.ecn_count holds, in accurate mode. */
enum tcp_ecn_count {
    TCP_ECN_COUNT_R_CEP = 0,  /* 3 bits: packets that arrived with CE, modulo 8 */
    TCP_ECN_COUNT_S_CEP = 3,  /* 3 bits: packets that the peer has told to have had CE */
    TCP_ECN_COUNT_RECENT = 6, /* 2 bits: CE since the last ACK; in SYN-RECEIVED, or with
                                 TCP_ECN_HANDSHAKE: the ECN field of the peer's SYN or SYN,ACK */
};

static inline unsigned tcp_ecn_count(const struct tcp_conn *c, enum tcp_ecn_count which)
{
    return (c->ecn_count >> which) & (which == TCP_ECN_COUNT_RECENT ? 3u : 7u);
}

static inline void tcp_ecn_set_count(struct tcp_conn *c, enum tcp_ecn_count which, unsigned value)
{
    unsigned mask = which == TCP_ECN_COUNT_RECENT ? 3u : 7u;
    c->ecn_count = ((c->ecn_count & ~(mask << which)) | (value & mask) << which) & 255u;
}

/* What a half-open record holds in the upper bits of its flags. */
enum tcp_half_open_ecn {
    TCP_HALF_OPEN_ECN_NOT,
    TCP_HALF_OPEN_ECN_CLASSIC,
    TCP_HALF_OPEN_ECN_CLASSIC_MUTE,  /* a SYN without ECN came too */
    TCP_HALF_OPEN_ECN_ACCURATE_MUTE, /* a SYN without ECN came, or a SYN,ACK without it was sent */
    TCP_HALF_OPEN_ECN_ACCURATE,      /* and 3 more: plus the ECN field of the latest SYN */
};

/* Borrowed from agreement on accurate ECN to the end of the connection, as long as there are
 * records; without one the 3 bits of ACE are all the feedback. Counters of bytes are told in 24
 * bits (RFC 9768, 3.2.3); those of arrays in the order ECT(0), CE, ECT(1). */
enum { TCP_COUNTER_E0B, TCP_COUNTER_CEB, TCP_COUNTER_E1B, TCP_COUNTERS };
struct tcp_accurate_ecn {
    uint32_t received[TCP_COUNTERS]; /* r.e0b, r.ceb, r.e1b */
    uint32_t reported[TCP_COUNTERS]; /* s.e0b, s.ceb, s.e1b */
    uint32_t marks_received;         /* packets with CE */
    uint32_t marks_reported;         /* packets of ours that the peer says had CE */
    uint32_t challenge_from;         /* of the connection, which lends its place */
    uint8_t changed;                 /* bits by counter: it has ever moved */
    uint8_t fresh;                   /* bits by counter: it has moved since it was last told */
    uint8_t flags;                   /* enum tcp_accurate_ecn_flag */
    uint8_t marked_rounds;           /* round trips in which everything was marked */
};
enum tcp_accurate_ecn_flag {
    TCP_ACCURATE_ECN_ACE_SEEN = 1 << 0,    /* a segment of the peer has told its counter */
    TCP_ACCURATE_ECN_OPTION_SEEN = 1 << 1, /* one had the option */
    TCP_ACCURATE_ECN_OPTION_IGNORED = 1 << 2,
    TCP_ACCURATE_ECN_UNMARKED_SEEN = 1 << 3, /* something arrived without CE */
    TCP_ACCURATE_ECN_TELL_ACK = 1 << 4,      /* the ACK that ends the handshake has the option */
    TCP_ACCURATE_ECN_TELL_DATA = 1 << 5,     /* so has the first data (9768, 3.2.3.2.1) */
};

/* ---- tcp_ecn_open.c: what is agreed ---- */

/* The tables of RFC 3168, 6.1.1 and RFC 9768, 3.1.2 and 3.1.3: the mode of who answers a SYN with
 * these bits, and of who asked and gets this SYN,ACK. */
enum tcp_ecn_mode tcp_ecn_of_syn(enum duet_ecn wanted, unsigned ace);
enum tcp_ecn_mode tcp_ecn_of_syn_ack(enum duet_ecn wanted, unsigned ace);
/* The bits that tell which ECN field a SYN, or a SYN,ACK, had (RFC 9768, table 2 and 3). */
unsigned tcp_ecn_encoding(unsigned ip_ecn);

/* A half-open record begins; a further SYN comes for it (TCP_DROP: it is of the other kind and the
 * handshake must end by a RST); its SYN,ACK is repeated by the clock. Each returns, or leaves in
 * *flags, the header bits of the SYN,ACK. */
uint16_t tcp_ecn_half_open_begin(struct duet_stack *s, struct tcp_half_open *half,
                                 const struct tcp_segment *seg);
enum tcp_verdict tcp_ecn_half_open_again(struct tcp_half_open *half, const struct tcp_segment *seg,
                                         uint16_t *flags);
uint16_t tcp_ecn_half_open_repeat(struct duet_stack *s, struct tcp_half_open *half,
                                  unsigned repeats);
/* Bits of any other segment that a half-open record answers with. */
uint16_t tcp_ecn_half_open_ace(const struct tcp_half_open *half);
void tcp_ecn_half_open_option(const struct duet_stack *s, const struct tcp_half_open *half,
                              struct tcp_options *options);
void tcp_ecn_from_half_open(struct duet_stack *s, struct tcp_conn *c,
                            const struct tcp_half_open *half);

/* A SYN arrives in SYN-SENT, or makes a passive connection at once; again in SYN-RECEIVED
 * (TCP_DROP: of the other kind, the connection has been reset). */
void tcp_ecn_take_syn(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg);
enum tcp_verdict tcp_ecn_take_syn_again(struct duet_stack *s, struct tcp_conn *c,
                                        const struct tcp_segment *seg);
/* The SYN,ACK of an active open, after tcp_cc_init; a late copy of it that has been answered. */
void tcp_ecn_take_syn_ack(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg);
void tcp_ecn_take_syn_ack_again(struct duet_stack *s, struct tcp_conn *c,
                                const struct tcp_segment *seg);
/* RST answers our SYN. True: it asked for ECN, and goes once more without (RFC 3168, 6.1.1.1). */
bool tcp_ecn_retries_plain(struct duet_stack *s, struct tcp_conn *c);
/* DUET_OPTION_ECN. DUET_E_PERM once the SYN has left. */
int tcp_ecn_set(struct tcp_conn *c, enum duet_ecn wanted);
uint16_t tcp_ecn_syn_bits(struct duet_stack *s, struct tcp_conn *c);

/* ---- tcp_ecn.c: in use ---- */

/* The bits of a segment with all but these in its header; what was owed is paid by it. is_new: text
 * that was never sent, and no window probe. */
uint16_t tcp_ecn_flags(struct duet_stack *s, struct tcp_conn *c, const struct tcp_header *header,
                       bool is_new);
/* The ECN field of its packet. */
uint8_t tcp_ecn_codepoint(const struct tcp_conn *c, bool is_new);
/* The next segment's bits must not be copied to several by a link that cuts. */
bool tcp_ecn_forbids_cutting(const struct tcp_conn *c);
/* The pure ACK that ends the handshake goes before any data (RFC 9768, 3.2.2.1). */
bool tcp_ecn_owes_pure_ack(const struct tcp_conn *c);

/* An acceptable segment, after its ACK was found good: its own ECN field. */
void tcp_ecn_arrives(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg);
/* The same segment, after SND.UNA and the scoreboard have moved and before the window does: what it
 * reports about what we sent. news: NULL for a SYN,ACK. */
void tcp_ecn_acked(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                   const struct tcp_news *news);
/* RFC 3168, 6.1.2: a window of one segment has met congestion, the next one waits for the timer. */
bool tcp_ecn_holds(const struct duet_stack *s, const struct tcp_transfer *t);
/* A loss was found. False: the window of it has been reduced already, because of ECN. */
bool tcp_ecn_loss(struct duet_stack *s, struct tcp_conn *c);
/* What the peer reports makes no sense: no ECT is sent any more, and nothing of it is believed. */
void tcp_ecn_distrust(struct duet_stack *s, struct tcp_conn *c, enum tcp_rule rule);
bool tcp_ecn_is_capable(const struct tcp_conn *c);
enum duet_ecn_agreed tcp_ecn_agreed(const struct tcp_conn *c);

/* ---- tcp_accecn.c: byte counters and the AccECN option ---- */

struct tcp_accurate_ecn *tcp_accecn_of(const struct duet_stack *s, const struct tcp_conn *c);
void tcp_accecn_borrow(struct duet_stack *s, struct tcp_conn *c);
void tcp_accecn_return(struct duet_stack *s, struct tcp_conn *c);
/* Where the start of the interval of challenges is kept. */
uint32_t *tcp_accecn_challenge_from(const struct duet_stack *s, struct tcp_conn *c);
void tcp_accecn_received(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                         uint32_t packets);
/* Bytes of options left for SACK, so that AccECN fits too where two blocks stay possible. */
uint32_t tcp_accecn_sack_room(const struct duet_stack *s, const struct tcp_conn *c, uint32_t room);
/* Adds the option if there is something to tell and room for it. */
void tcp_accecn_add(struct duet_stack *s, struct tcp_conn *c, uint32_t text_length,
                    bool is_retransmission, struct tcp_options *options, uint32_t room);
void tcp_accecn_add_to_syn_ack(const struct duet_stack *s, const struct tcp_conn *c,
                               bool is_retransmission, struct tcp_options *options);
/* A segment of the handshake: its option, but no count of marks. */
void tcp_accecn_take_option(struct duet_stack *s, struct tcp_conn *c,
                            const struct tcp_segment *seg);
/* Has no segment told its ACE yet? Without a record: is it the first that arrives here? */
bool tcp_accecn_is_first_ace(const struct duet_stack *s, const struct tcp_conn *c, bool is_first);
/* What ACE says, delta marks modulo 8, reconciled with the option: how many packets had CE. */
uint32_t tcp_accecn_marks(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                          uint32_t delta, uint32_t packets, bool is_exact);

#endif
