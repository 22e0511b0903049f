/* SPDX-License-Identifier: MIT */
/* Segments without options in IPv4 packets, between 10.0.0.2:4000 and the stack at 10.0.0.1:80. */
#ifndef CONFORMANCE_CELLS_WIRE_H
#define CONFORMANCE_CELLS_WIRE_H

#include "duet/stack.h"

enum { WIRE_LOCAL_PORT = 80, WIRE_REMOTE_PORT = 4000 };

struct wire_segment {
    unsigned flags; /* 6 bits */
    uint32_t seq, ack, window, urgent;
    uint32_t text; /* bytes */
};

void wire_input(struct duet_stack *stack, duet_time now, const struct wire_segment *segment);
/* False: nothing is sent. */
bool wire_output(struct duet_stack *stack, duet_time now, struct wire_segment *segment);

#endif
