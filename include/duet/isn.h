/* SPDX-License-Identifier: MIT */
/* How a host chooses its initial sequence numbers, judged by the numbers themselves: RFC 9293, 3.4.1
 * (RFC 6528) wants a clock for each pair of sockets, each with an offset that nobody can guess. */
#ifndef DUET_ISN_H
#define DUET_ISN_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "stack.h"

#ifdef __cplusplus
extern "C" {
#endif

struct duet_isn_sample {
    duet_time time;
    uint64_t pair; /* equal for equal pairs of sockets, different for others */
    uint32_t isn;
};

enum duet_isn_verdict {
    DUET_ISN_TOO_FEW,     /* fewer than DUET_ISN_SAMPLES_MIN */
    DUET_ISN_CONSTANT,    /* the same numbers again and again */
    DUET_ISN_COUNTER,     /* one counter or clock for all pairs: the next one can be guessed */
    DUET_ISN_RFC9293,     /* a clock for each pair, offsets that look random */
    DUET_ISN_RANDOM,      /* looks random, within a pair too, so that old segments may fit */
    DUET_ISN_UNPREDICTED, /* looks random, and no pair came twice: random or RFC 9293 */
    DUET_ISN_WEAK,        /* no counter, but not random either */
    DUET_ISN_VERDICTS
};
#define DUET_ISN_SAMPLES_MIN 20
const char *duet_isn_verdict_name(enum duet_isn_verdict verdict);     /* "RFC 9293-like" */
const char *duet_isn_verdict_sentence(enum duet_isn_verdict verdict); /* what follows from it */

struct duet_isn_report {
    enum duet_isn_verdict verdict;
    size_t samples, pairs;
    size_t repeats;        /* samples of a pair that had been seen before */
    size_t distinct;       /* numbers */
    double uniformity_top; /* chi-square of the highest byte over pairs, in standard deviations */
    double uniformity_low; /* of the lowest byte */
    double serial_correlation; /* of numbers that follow each other, over pairs */
    double entropy_top;        /* bits of 8, of the highest byte */
    double increment_entropy;  /* bits of 8, of the highest byte of differences */
    double spread_bits;        /* what is left to guess of the next number when the best common
                                      clock is known: log2 of the median error */
    double pair_spread_bits;   /* the same within a pair */
    double pair_rate;          /* ticks a second within a pair, median */
    double monotone;           /* part of the repeats where the number had grown */
};

/* samples in order of time. Returns 0, or -1 if there is no memory. */
int duet_isn_judge(const struct duet_isn_sample *samples, size_t count,
                   struct duet_isn_report *report);

/* ---- from a capture ---- */

/* What one host of a capture chose, in order of time. */
struct duet_isn_host {
    struct duet_address address;
    struct duet_isn_sample *samples;
    size_t count;
};

struct duet_isn_capture {
    struct duet_isn_host *hosts; /* whoever sent a SYN or a SYN,ACK */
    size_t host_count;
    size_t packets;
};

/* Reads a capture (pcap or pcapng; Ethernet, raw IP, Linux cooked, loopback). A SYN that is sent
 * again counts once. Returns 0, or -1 and in why one sentence; what was read up to there is kept.
 * Free it either way. */
int duet_isn_capture_read(FILE *file, struct duet_isn_capture *capture, char *why, size_t size);
void duet_isn_capture_free(struct duet_isn_capture *capture);

#ifdef __cplusplus
}
#endif
#endif
