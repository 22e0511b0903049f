/* SPDX-License-Identifier: MIT */
/* What the rows of the attack table share: a stack as a target, packets that claim to be anything,
 * and a peer that leads a connection to any state before it turns against it.
 *
 * Ends are seen from the target: local is its own, remote the one that the attacker plays or
 * pretends to be. */
#ifndef SIM_ATTACK_ATTACK_H
#define SIM_ATTACK_ATTACK_H

#include "base/prng.h"
#include "duet/attack.h"
#include "wire/icmp.h"
#include "wire/tcp.h"

/* ---- a row while it runs ---- */

struct attack {
    struct duet_attack_result *result;
    struct prng prng;
    bool quick; /* a part of the packets will do */
};

void attack_sent(struct attack *attack, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void attack_did(struct attack *attack, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* If it does not hold, the row has failed, and the first reason stays. Returns holds. */
bool attack_expect(struct attack *attack, bool holds, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool attack_failed(const struct attack *attack);

/* ---- the target ---- */

enum { TARGET_PORT = 80, TARGET_PACKET_MAX = 65536 };

struct target {
    struct attack *attack;
    struct duet_config config;
    void *block;
    size_t size;
    struct duet_stack *stack;
    duet_time now;
    struct duet_handle listener;
    uint64_t packets_out, bytes_out;
    struct duet_packet packet; /* the latest that came out */
    uint8_t in[TARGET_PACKET_MAX], out[TARGET_PACKET_MAX];
};

/* 10.0.0.1/24 and fd00::1/64, small pools, no trace, segments leave at once. */
void target_config(struct attack *attack, struct duet_config *config);
/* A stack with a listener on TARGET_PORT. NULL: the configuration is refused, and the row fails. */
struct target *target_new(struct attack *attack, const struct duet_config *config);
struct target *target_small(struct attack *attack); /* of target_config() */
/* Checks every invariant first. NULL is allowed. */
void target_free(struct target *target);
/* The row fails if an invariant is broken. */
void target_check(struct target *target);

uint64_t target_hits(const struct target *target, const char *rule);
struct duet_counters target_counters(const struct target *target);

struct ends {
    struct duet_address local, remote;
    uint16_t local_port, remote_port;
};
struct ends ends_of(uint16_t local_port, uint16_t remote_port);  /* 10.0.0.1, 10.0.0.2 */
struct ends ends6_of(uint16_t local_port, uint16_t remote_port); /* fd00::1, fd00::2 */
struct ends ends_forged(uint32_t number);                        /* from anywhere to TARGET_PORT */

/* A segment to be forged. */
struct forged {
    uint32_t seq, ack;
    uint16_t flags, window, urgent;
    struct tcp_options options;
    const uint8_t *raw_options; /* these bytes instead, raw_size of them, a multiple of 4 */
    uint32_t raw_size;
    const uint8_t *text;
    uint32_t length;
};

/* Writes the packet; its length. */
uint32_t forge(uint8_t *bytes, const struct ends *ends, const struct forged *segment);
/* The same for any protocol: payload stands at bytes behind the header of this size already. */
uint32_t forge_ip_size(const struct ends *ends);
uint32_t forge_ip(uint8_t *bytes, const struct ends *ends, uint8_t protocol, uint32_t payload);
/* An ICMP error that quotes length bytes. mtu goes where packet-too-big has it. */
uint32_t forge_icmp(uint8_t *bytes, const struct ends *ends, uint8_t type, uint8_t code,
                    uint32_t mtu, const uint8_t *quote, uint32_t length);
/* The header of a segment that the target might have sent, for a quote: its length. */
uint32_t forge_quote(uint8_t *bytes, const struct ends *ends, uint32_t seq, uint16_t size);

void target_input(struct target *target, uint8_t *bytes, uint32_t length);
void target_send(struct target *target, const struct ends *ends, const struct forged *segment);
void target_icmp(struct target *target, const struct ends *ends, uint8_t type, uint8_t code,
                 uint32_t mtu, const uint8_t *quote, uint32_t length);
/* A packet so placed that the byte after its last one is not readable. */
void target_input_at_edge(struct target *target, const uint8_t *bytes, uint32_t length);

/* A packet that came out. */
struct seen {
    struct ip_packet ip;
    struct tcp_header tcp; /* if ip.protocol says so */
};
bool target_next(struct target *target, struct seen *seen);
unsigned target_drain(struct target *target); /* packets that came out */
/* Runs timers and lets everything out until then; packets that came out. */
unsigned target_pass(struct target *target, duet_time until);
void target_take_events(struct target *target);

/* ---- a peer ---- */

struct peer {
    struct target *target;
    struct ends ends;
    struct duet_handle handle;
    uint32_t iss, irs; /* of the target, of the peer */
    uint32_t seq, ack; /* next byte of the peer, next byte it expects */
    uint16_t window;
    bool timestamps;
    uint32_t tsval, tsecr;
    struct tcp_options offered; /* by the target */
};

/* What its SYN says: the window, and options. */
extern const struct forged peer_plain; /* MSS 1460, no other option, window 65535 */
extern const struct forged peer_full;  /* MSS, window scale, SACK-permitted, timestamps */

/* Connects to the listener; the target accepts. ends_of(TARGET_PORT, remote_port). */
bool peer_open(struct peer *peer, struct target *target, uint16_t remote_port,
               const struct forged *offer);
/* The same from any ends, in three steps of which the first two can be left. */
bool peer_syn(struct peer *peer, struct target *target, const struct ends *ends,
              const struct forged *offer);
void peer_third(struct peer *peer);
bool peer_accepted(struct peer *peer);
/* The target calls, the peer answers. */
bool peer_called(struct peer *peer, struct target *target, uint16_t remote_port,
                 const struct forged *offer);
/* Leads a new connection to a state. CLOSED and LISTEN: none is there, ends lead to a port that is
 * closed, or listens. */
bool peer_reach(struct peer *peer, struct target *target, uint16_t remote_port,
                enum duet_state state, const struct forged *offer);

/* A segment at seq + ahead and ack + beyond, with the ACK bit and these flags. */
void peer_say(struct peer *peer, uint16_t flags, uint32_t ahead, uint32_t beyond,
              const uint8_t *text, uint32_t length);
/* Takes what the target sends, acknowledging nothing: bytes of text that were new; ack advances. */
uint32_t peer_take(struct peer *peer);
bool peer_status(const struct peer *peer, struct duet_status *status);
enum duet_state peer_state(const struct peer *peer);
struct duet_status peer_status_now(const struct peer *peer); /* CLOSED if it is gone */
/* Bytes that the target's user can read now; taken. */
uint32_t peer_delivered(struct peer *peer);
/* A target whose user has 512 KB to send to this peer; 64 KB more each time. The caller frees it. */
bool peer_hungry(struct attack *attack, struct target **target, struct peer *peer,
                 const struct forged *offer);
/* The same in two steps, for a configuration that differs from its own. */
void peer_hungry_config(struct attack *attack, struct duet_config *config);
bool peer_hungry_with(struct attack *attack, struct target **target, struct peer *peer,
                      const struct forged *offer, const struct duet_config *config);
void peer_refill(struct peer *peer);

/* ---- bytes at the edge of a page ---- */

/* Copies them so that the byte after the last one is in a page that must not be read. Valid until
 * the next call; at most 64 KiB. NULL: no memory. */
uint8_t *guard_place(const uint8_t *bytes, size_t size);

/* ---- the rows, one function each (attack.def) ---- */

#define ROW(id, title, safe) void attack_##id(struct attack *attack);
#define ABSENT(id, title, safe, why)
#include "sim/attack/attack.def"
#undef ROW
#undef ABSENT

#endif
