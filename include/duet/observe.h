/* SPDX-License-Identifier: MIT */
/* Observation: a recorder that collects what passed on the wire and what each end's trace said, and
 * the pictures made from it. Reads packets and trace events only, never a stack.
 *
 * Allocates with malloc. Functions return 0, or -1 with errno set.
 */
#ifndef DUET_OBSERVE_H
#define DUET_OBSERVE_H

#include <stdio.h>

#include "link.h"
#include "trace.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { DUET_RECORDER_ENDS = 2 };

struct duet_recorder;

int duet_recorder_new(struct duet_recorder **recorder);
void duet_recorder_free(struct duet_recorder *recorder);

/* Names an end for the pictures ("client", "server", "kernel"). inferred: its states are not
 * reported by a trace but concluded from packets, and are shown so. */
void duet_recorder_name(struct duet_recorder *recorder, unsigned end, const char *name,
                        bool inferred);

/* A packet leaves an end: gets and returns its tag (1, 2, ...). Call before the end's trace of the
 * same door. */
uint32_t duet_recorder_sent(struct duet_recorder *recorder, unsigned end, duet_time now,
                            const struct duet_packet *packet);
/* The link had no room for the packet that just got this tag: it never left, and its tag is given
 * again. */
void duet_recorder_unsent(struct duet_recorder *recorder, uint32_t tag);
/* A packet reaches an end. tag 0: never seen before (injected by nobody we know); it is recorded
 * then. Call before duet_input and then hand in the trace that it caused. */
void duet_recorder_arrived(struct duet_recorder *recorder, unsigned end, duet_time now,
                           const struct duet_packet *packet);
/* The network did something to the packet with this tag. */
void duet_recorder_fault(struct duet_recorder *recorder, duet_time now, enum duet_fault fault,
                         uint32_t tag);
/* An end's trace, in order. */
void duet_recorder_trace(struct duet_recorder *recorder, unsigned end,
                         const struct duet_trace_event *event);
/* A word of the scenario about what happens next ("the client's host crashes"). */
void duet_recorder_note(struct duet_recorder *recorder, duet_time now, const char *text);
/* The state of an end that has no trace, as asked from it (TCP_INFO) or inferred. */
void duet_recorder_state(struct duet_recorder *recorder, unsigned end, duet_time now,
                         enum duet_state state, bool inferred);

/* ---- pictures ---- */

struct duet_ladder_options {
    const char *title;  /* may be NULL */
    const char *lesson; /* a sentence of what it teaches, may be NULL */
    unsigned columns;   /* text: width, >= 80 */
    bool colour;        /* text: ANSI colours */
    bool absolute;      /* sequence numbers as on the wire instead of from 0 */
};

int duet_ladder_text(const struct duet_recorder *recorder,
                     const struct duet_ladder_options *options, FILE *to);
int duet_ladder_svg(const struct duet_recorder *recorder, const struct duet_ladder_options *options,
                    FILE *to);
int duet_ladder_html(const struct duet_recorder *recorder,
                     const struct duet_ladder_options *options, FILE *to);

struct duet_plot_options {
    const char *title;  /* may be NULL */
    const char *lesson; /* a sentence of what it teaches, may be NULL */
    unsigned end;       /* whose sending is drawn; DUET_RECORDER_ENDS: of the end that sent more */
};

/* One direction of a connection over time: sequence numbers, congestion window, round trips and
 * the peer's window, one panel under the other. Of an end without a trace only what packets tell.
 */
int duet_plot_svg(const struct duet_recorder *recorder, const struct duet_plot_options *options,
                  FILE *to);
int duet_plot_html(const struct duet_recorder *recorder, const struct duet_plot_options *options,
                   FILE *to);

/* One JSON object a line, schema in docs/TRACE.md. */
int duet_trace_json(const struct duet_recorder *recorder, FILE *to);
/* pcapng, link type raw IP, one interface an end, times in ns, our explanation as each packet's
 * comment. */
int duet_recorder_pcapng(const struct duet_recorder *recorder, FILE *to);

#ifdef __cplusplus
}
#endif
#endif
