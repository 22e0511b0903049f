/* SPDX-License-Identifier: MIT */
/* What is known of the way to a destination (RFC 8201, 5.2; RFC 4821, 5.2; RFC 7413, 4.1.3; RFC
 * 9768, 3.1.4.1).
 *
 * A record is kept for an address, never for a prefix, and only once there is something to
 * remember: a path MTU other than the usual one, a Fast Open cookie, or that SYNs which ask for ECN
 * come to nothing. Whoever finds none has the
 * defaults. Records are few and fixed (config.paths_max); the one of its set that was used longest
 * ago gives way, so a look-up costs a hash and at most PATH_WAYS comparisons.
 */
#ifndef CORE_PATH_H
#define CORE_PATH_H

#include "duet/stack.h"

enum { PATH_WAYS = 8 };
enum { PATH_COOKIE_MAX = 16 };

/* Smaller packets are never sent, whatever a router or a loss may say: IPv4's overhead becomes
 * unbearable (the RFC's own limit is 68), and no IPv6 link carries less than 1280. */
enum { PATH_FLOOR_IPV4 = 552, PATH_FLOOR_IPV6 = 1280 };
/* What almost every path carries (RFC 4821, 7.2): 1024 bytes of text and two headers without
 * options; and what every path of IPv6 does. */
enum { PATH_BASE_IPV4 = 1024 + 20 + 20, PATH_BASE_IPV6 = 1280 };

/* Sizes are of IP packets: floor <= search_low <= mtu <= search_high <= config.mtu. */
struct path {
    struct duet_address remote;
    duet_time used;      /* last looked at */
    duet_time again_at;  /* when a larger size may be tried again; DUET_NEVER: need not be waited */
    duet_time probe_at;  /* not before this the next probe, whatever connection sends it */
    uint16_t mtu;        /* no packet but a probe is larger */
    uint16_t search_low; /* gets through, or is believed to */
    uint16_t search_high; /* nothing larger gets through */
    uint16_t guess;       /* of all larger sizes the one to try first; 0: none is better */
    uint16_t probe;       /* smallest size of which a probe was lost, with failures */
    uint8_t failures;     /* probes of that size that were lost alone */
    bool is_used;         /* the record: holds something */

    uint8_t ecn_failures;  /* running: SYNs that asked for it were lost, one that did not was not */
    uint8_t cookie_length; /* 0: none */
    uint16_t cookie_mss;   /* that the peer sent with it */
    uint8_t cookie[PATH_COOKIE_MAX];
    duet_time no_cookie_until; /* Fast Open is not tried before; 0: no such experience */
    duet_time no_ecn_until;    /* SYNs do not ask for ECN before; 0: no such experience */
};

_Static_assert(sizeof(struct path) <= 96, "small enough for thousands");

struct path_table {
    struct path *records; /* sets of PATH_WAYS */
    uint32_t sets;
    uint32_t used;
    uint32_t epoch; /* changes when the MTU of any path does */
};

struct duet_stack;

/* Number of records for config.paths_max: whole sets. */
uint32_t path_records(const struct duet_config *config);
void path_init(struct path_table *table, struct path *records, uint32_t count);

uint16_t path_floor(const struct duet_stack *s, const struct duet_address *remote);
uint16_t path_base(const struct duet_stack *s, const struct duet_address *remote);

/* Largest packet to somebody of whom nothing is known. */
uint16_t path_default(const struct duet_stack *s, const struct duet_address *remote);

/* What is known, as it was when last brought up to the present. NULL: nothing. */
const struct path *path_peek(const struct duet_stack *s, const struct duet_address *remote);
/* What is known, brought up to the present: what has aged is forgotten. NULL: nothing. */
struct path *path_find(struct duet_stack *s, const struct duet_address *remote);
/* The same, made with the defaults if need be; never NULL. Valid until the next call of this. */
struct path *path_obtain(struct duet_stack *s, const struct duet_address *remote);

/* Largest packet for that destination, as far as is known. */
uint16_t path_mtu(struct duet_stack *s, const struct duet_address *remote);

/* A router says that no more than mtu gets through: believed. A larger one than now is ignored;
 * nothing larger is tried for config.pmtu_timeout. */
void path_lower(struct duet_stack *s, const struct duet_address *remote, uint16_t mtu);
/* Packets of the present size vanish without a word: fall to what was known to work, then to the
 * base, then half by half. False: there is nothing smaller. */
bool path_black_hole(struct duet_stack *s, const struct duet_address *remote, uint16_t vanishes);
/* A packet of this size, larger than the present MTU, was acknowledged. */
void path_raise(struct duet_stack *s, struct path *path, uint16_t mtu);
/* A probe was lost alone. */
void path_probe_failed(struct duet_stack *s, struct path *path, uint16_t size);
/* A probe was lost, which had no response of congestion control: the next such loss ought to come a
 * headway later. A search may run ahead of this by as long as it then rests (path.md). */
void path_space_probes(const struct duet_stack *s, struct path *path, duet_time headway);
/* Size of the next probe, at most limit; 0: the search rests. */
uint16_t path_next_probe(const struct duet_stack *s, const struct path *path, uint16_t limit);

/* ---- the Fast Open cookie (RFC 7413, 4.1.3) ---- */

struct path_cookie {
    uint8_t bytes[PATH_COOKIE_MAX];
    uint8_t length; /* 4 .. 16 */
    uint16_t mss;   /* of the SYN,ACK that brought it */
};

/* False: there is none. */
bool path_cookie_get(struct duet_stack *s, const struct duet_address *remote,
                     struct path_cookie *cookie);
void path_cookie_put(struct duet_stack *s, const struct duet_address *remote,
                     const struct path_cookie *cookie);
/* Fast Open failed there, and is not to be tried before until. */
void path_cookie_bar(struct duet_stack *s, const struct duet_address *remote, duet_time until);
bool path_cookie_is_barred(struct duet_stack *s, const struct duet_address *remote);

/* ---- SYNs that ask for ECN (RFC 9768, 3.1.4.1) ---- */

/* Those that asked were lost, or reset, and one that did not was answered. True: too often running,
 * no SYN should ask for config.ecn_pause. */
bool path_ecn_failed(struct duet_stack *s, const struct duet_address *remote);
/* One that asked was answered. */
void path_ecn_passed(struct duet_stack *s, const struct duet_address *remote);
bool path_ecn_is_barred(struct duet_stack *s, const struct duet_address *remote);

#endif
