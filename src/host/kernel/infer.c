/* SPDX-License-Identifier: MIT */
/* The state of an end that does not tell it, concluded from the segments that leave it and reach
 * it: the edges of figure 5 of RFC 9293, for segments that are taken to be acceptable. */
#include "duet/kernel.h"
#include "duet/trace.h"

static enum duet_state after_departure(enum duet_state before, unsigned flags)
{
    bool syn = flags & DUET_SYN, fin = flags & DUET_FIN;

    switch (before) {
    case DUET_CLOSED:
        return syn ? DUET_SYN_SENT : before;
    case DUET_LISTEN:
        return syn ? DUET_SYN_RECEIVED : before;
    case DUET_SYN_RECEIVED:
    case DUET_ESTABLISHED:
        return fin ? DUET_FIN_WAIT_1 : before;
    case DUET_CLOSE_WAIT:
        return fin ? DUET_LAST_ACK : before;
    case DUET_SYN_SENT:
    case DUET_FIN_WAIT_1:
    case DUET_FIN_WAIT_2:
    case DUET_CLOSING:
    case DUET_LAST_ACK:
    case DUET_TIME_WAIT:
    case DUET_STATES:
        break;
    }
    return before;
}

static enum duet_state after_arrival(enum duet_state before, unsigned flags, bool acks_fin)
{
    bool syn = flags & DUET_SYN, fin = flags & DUET_FIN, ack = flags & DUET_ACK;

    switch (before) {
    case DUET_LISTEN:
        return syn ? DUET_SYN_RECEIVED : before;
    case DUET_SYN_SENT:
        return !syn ? before : ack ? DUET_ESTABLISHED : DUET_SYN_RECEIVED;
    case DUET_SYN_RECEIVED:
        return !ack ? before : fin ? DUET_CLOSE_WAIT : DUET_ESTABLISHED;
    case DUET_ESTABLISHED:
        return fin ? DUET_CLOSE_WAIT : before;
    case DUET_FIN_WAIT_1:
        if (fin)
            return acks_fin ? DUET_TIME_WAIT : DUET_CLOSING;
        return acks_fin ? DUET_FIN_WAIT_2 : before;
    case DUET_FIN_WAIT_2:
        return fin ? DUET_TIME_WAIT : before;
    case DUET_CLOSING:
        return acks_fin ? DUET_TIME_WAIT : before;
    case DUET_LAST_ACK:
        return acks_fin ? DUET_CLOSED : before;
    case DUET_CLOSED:
    case DUET_CLOSE_WAIT:
    case DUET_TIME_WAIT:
    case DUET_STATES:
        break;
    }
    return before;
}

/* A RST ends every state but those in which there is nothing to end (RFC 9293, 3.10.7.2; RFC 1337).
 */
enum duet_state duet_kernel_infer(enum duet_state before, bool is_departure, unsigned flags,
                                  bool acks_fin)
{
    if (flags & DUET_RST)
        return before == DUET_LISTEN || before == DUET_TIME_WAIT ? before : DUET_CLOSED;
    return is_departure ? after_departure(before, flags) : after_arrival(before, flags, acks_fin);
}
