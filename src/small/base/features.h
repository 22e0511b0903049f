/* SPDX-License-Identifier: MIT */
/* The small build's stand-in for src/base/features.h: it has none of them. */
#ifndef BASE_FEATURES_H
#define BASE_FEATURES_H

enum {
    FEATURE_IPV6 = 0,          /* RFC 8200 */
    FEATURE_TRACE = 0,         /* config.trace_events */
    FEATURE_RULE_COUNTS = 0,   /* duet_rule_hits(), duet_edge_hits() */
    FEATURE_WATCH = 0,         /* config.watch */
    FEATURE_FAST_PATH = 0,     /* config.fast_path */
    FEATURE_AUTOTUNE = 0,      /* config.autotune */
    FEATURE_RACK = 0,          /* config.rack: RFC 8985 */
    FEATURE_NEXT_SEG = 0,      /* RFC 6675, NextSeg (3) and (4) */
    FEATURE_DSACK = 0,         /* RFC 2883: what arrived twice is reported */
    FEATURE_PACING = 0,        /* config.pacing */
    FEATURE_RTO_RESTART = 0,   /* config.rto_restart: RFC 7765 */
    FEATURE_CUBIC = 0,         /* DUET_CUBIC: RFC 9438 */
    FEATURE_HYSTART = 0,       /* config.hystart: RFC 9406 */
    FEATURE_VERIFY_ACKS = 0,   /* config.verify_acks */
    FEATURE_PLPMTUD = 0,       /* config.plpmtud: RFC 4821 */
    FEATURE_USER_TIMEOUT = 0,  /* config.user_timeout_option: RFC 5482 */
    FEATURE_FAST_OPEN = 0,     /* RFC 7413 */
    FEATURE_ECN = 0,           /* config.ecn: RFC 3168, RFC 9768 */
    FEATURE_LARGE_BUFFERS = 0, /* of more than 15 pages: tcp_most_held() */
    FEATURE_LARGE_PACKETS = 0, /* DUET_OFFLOAD_SEGMENT, _GATHER, _PACE */
};

#endif
