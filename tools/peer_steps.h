/* SPDX-License-Identifier: MIT */
/* What the client and the server of a connection do, step by step, whoever they are. Neither side
 * ever blocks: it does what it can, and is asked again later. */
#ifndef TOOLS_PEER_STEPS_H
#define TOOLS_PEER_STEPS_H

#include "duet/observe.h"

/* The first thing that went wrong. */
struct complaint {
    char *why;
    size_t size;
    bool is_made;
};
void complain(struct complaint *complaint, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

enum step_kind {
    STEP_SEND,
    STEP_RECEIVE, /* and compare */
    STEP_END,     /* the other side has no more to send */
    STEP_PAUSE,
    STEP_SHUTDOWN,
    STEP_CLOSE,
    STEP_DONE,
};

struct step {
    enum step_kind kind;
    uint32_t bytes;   /* SEND, RECEIVE */
    const char *note; /* recorded when the step begins, may be NULL */
};

extern const struct step client_steps[], server_steps[];

/* What a call returns that moves bytes: their number, or one of these. */
enum { MOVED_END = 0, MOVED_NONE = -1 };

struct side {
    const char *name;
    uint8_t seed, other_seed; /* of the bytes that are sent, and expected */
    const struct step *step;
    struct complaint *complaint;
    struct duet_recorder *recorder;
    bool is_open; /* only then does it do anything */

    void *context; /* of the calls, which make the complaint about an error themselves */
    int64_t (*send)(void *context, const uint8_t *data, size_t size);
    int64_t (*receive)(void *context, uint8_t *data, size_t size);
    void (*shutdown)(void *context);
    void (*close)(void *context);

    bool has_begun;   /* with the step */
    duet_time since;  /* that */
    uint32_t done;    /* bytes of it */
    uint64_t in, out; /* bytes over all */
};

/* Does all that can be done now. */
void side_step(struct side *side, duet_time now);

/* When a pause of the side ends, or DUET_NEVER. */
duet_time side_deadline(const struct side *side);

#endif
