/* SPDX-License-Identifier: MIT */
/* What a system did with each event of a script, in words that two systems share: sequence numbers
 * relative to both ISNs, no times, no timestamps of its own, windows open or closed, no PSH.
 * Scripts that are recorded are not judged.
 */
#ifndef SCRIPT_RECORD_H
#define SCRIPT_RECORD_H

#include "sim/script/script.h"

struct player;
struct kernel_host;

enum { RECORD_EVENTS_MAX = 64, RECORD_TEXT_MAX = 400 };

struct record_event {
    char done[RECORD_TEXT_MAX]; /* the call's result, then each packet sent: "> S. 0:0(0) ack 1" */
    const char *state;          /* of the connection after it */
};

struct record {
    unsigned count;
    struct record_event events[RECORD_EVENTS_MAX];
};

/* Goes through the events of a script and writes down what happens. */
void record_events(struct player *player, struct record *record);

#endif
