/* SPDX-License-Identifier: MIT */
/* Which features this build has: 1, or 0 where src/small/base/features.h stands in for this header. What is
 * absent cannot be asked for in struct duet_config (config.c), so nobody gets less than was asked for. */
#ifndef BASE_FEATURES_H
#define BASE_FEATURES_H

enum {
    FEATURE_IPV6 = 1,          /* RFC 8200 */
    FEATURE_TRACE = 1,         /* config.trace_events */
    FEATURE_RULE_COUNTS = 1,   /* duet_rule_hits(), duet_edge_hits() */
    FEATURE_WATCH = 1,         /* config.watch */
    FEATURE_FAST_PATH = 1,     /* config.fast_path */
    FEATURE_AUTOTUNE = 1,      /* config.autotune */
    FEATURE_RACK = 1,          /* config.rack: RFC 8985 */
    FEATURE_NEXT_SEG = 1,      /* RFC 6675, NextSeg (3) and (4) */
    FEATURE_DSACK = 1,         /* RFC 2883: what arrived twice is reported */
    FEATURE_PACING = 1,        /* config.pacing */
    FEATURE_RTO_RESTART = 1,   /* config.rto_restart: RFC 7765 */
    FEATURE_CUBIC = 1,         /* DUET_CUBIC: RFC 9438 */
    FEATURE_HYSTART = 1,       /* config.hystart: RFC 9406 */
    FEATURE_VERIFY_ACKS = 1,   /* config.verify_acks */
    FEATURE_PLPMTUD = 1,       /* config.plpmtud: RFC 4821 */
    FEATURE_USER_TIMEOUT = 1,  /* config.user_timeout_option: RFC 5482 */
    FEATURE_FAST_OPEN = 1,     /* RFC 7413 */
    FEATURE_ECN = 1,           /* config.ecn: RFC 3168, RFC 9768 */
    FEATURE_LARGE_BUFFERS = 1, /* of more than 15 pages: tcp_most_held() */
    FEATURE_LARGE_PACKETS = 1, /* DUET_OFFLOAD_SEGMENT, _GATHER, _PACE */
};

#endif
