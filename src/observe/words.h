/* SPDX-License-Identifier: MIT */
/* The words of the pictures, the same in all of them: instants, segments, options, calls, timers,
 * rules. */
#ifndef OBSERVE_WORDS_H
#define OBSERVE_WORDS_H

#include "observe/ladder.h"

enum { WORDS_SIZE = 768 };

/* A text that grows at its end and is cut when it is full. */
struct words {
    char text[WORDS_SIZE];
    size_t length;
};

void words_clear(struct words *words);
__attribute__((format(printf, 2, 3))) void words_add(struct words *words, const char *format, ...);

/* "0.010", or "0.010250" in a recording that needs it. */
void words_instant(struct words *words, const struct ladder *ladder, duet_time time);
/* "240 s", "200 ms", "1.5 s" */
void words_duration(struct words *words, duet_time duration);
void words_number(struct words *words, struct ladder_number number);

/* "SYN,ACK 010010", or what kind of packet it is. */
void words_flags(struct words *words, const struct ladder_arrow *arrow);
/* Writes the field with this index ("seq 1:6(5)", "ack 1", ..); false past the last. */
bool words_field(struct words *words, const struct ladder *ladder, const struct ladder_arrow *arrow,
                 unsigned index);
/* "<mss 1460,sackOK,TS,ws 7>", or nothing. all: with the numbers of the timestamps, and on every
 * segment. */
void words_options(struct words *words, const struct ladder_arrow *arrow, bool all);
/* What is out of the ordinary about it: "retransmission", "duplicated, delayed", or nothing. Loss
 * is drawn. */
void words_faults(struct words *words, const struct ladder_arrow *arrow);

/* "CONNECT", "retransmission timer runs out (2nd time)"; of a note its text. */
void words_title(struct words *words, const struct ladder_moment *moment);
/* "TIME-WAIT for 240 s" where it begins, or nothing. */
void words_wait(struct words *words, const struct ladder_moment *moment);
/* The congestion window and its threshold, where a decision changed them. */
void words_window(struct words *words, const struct ladder_moment *moment);
/* "sentence [RFC 9293 3.10.7.4]" of a rule. */
void words_rule(struct words *words, uint16_t rule);
/* A state as it is shown: "~ESTABLISHED" if inferred. */
void words_state(struct words *words, enum duet_state state, bool inferred);

/* Whether a rule says more than that a segment was processed as every segment is. */
bool words_is_telling(uint16_t rule);
/* The rule a moment is to be explained by if there is room for one: that of the change of state,
 * else the last telling one, else the most telling of the others. 0: none. */
uint16_t words_verdict(const struct ladder_moment *moment);

/* Line number index (0, 1, ..) of the summary and what it is about; the line may be empty. False
 * past the last. */
bool words_summary(struct words *words, const struct ladder *ladder, unsigned index,
                   const char **about);

#endif
