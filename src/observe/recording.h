/* SPDX-License-Identifier: MIT */
/* What a recorder holds: everything that happened, in the order in which it was told. The pictures
 * read it through this header; nobody else does.
 */
#ifndef OBSERVE_RECORDING_H
#define OBSERVE_RECORDING_H

#include "duet/observe.h"

enum record_kind {
    RECORD_SENT,    /* a packet left an end */
    RECORD_ARRIVED, /* a packet reached an end */
    RECORD_FAULT,   /* the network did something to a packet */
    RECORD_TRACE,   /* an end explained itself */
    RECORD_NOTE,    /* a word of the scenario */
    RECORD_STATE,   /* the state of an end that has no trace */
};

struct record {
    duet_time time;
    enum record_kind kind;
    unsigned end; /* FAULT, NOTE: 0 */
    uint32_t tag; /* SENT, ARRIVED, FAULT */
    union {
        struct {
            uint8_t *bytes; /* a copy of our own, checksum filled in */
            uint32_t length;
        } packet;
        enum duet_fault fault;
        struct duet_trace_event trace;
        char *note;
        struct {
            enum duet_state state;
            bool inferred;
        } state;
    } u;
};

struct recorder_end {
    char *name;
    bool inferred;
};

struct duet_recorder {
    struct record *records;
    size_t count, room;
    uint32_t last_tag;
    struct recorder_end ends[DUET_RECORDER_ENDS];
    int error; /* ENOMEM once something could not be kept; every picture then fails with it */
};

#endif
