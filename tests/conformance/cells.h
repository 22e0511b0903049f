/* SPDX-License-Identifier: MIT */
/* The 24,640 cells: what may arrive, by state, control bits, sequence class and acknowledgement
 * class; and what then happens, told by the RFCs (cells_rfc.c) and by the stack (cells.c). The two
 * share these types and nothing else. */
#ifndef CONFORMANCE_CELLS_H
#define CONFORMANCE_CELLS_H

#include <stdbool.h>
#include <stdint.h>

enum state { /* RFC 9293, 3.3.2 */
             CLOSED,
             LISTEN,
             SYN_SENT,
             SYN_RECEIVED,
             ESTABLISHED,
             FIN_WAIT_1,
             FIN_WAIT_2,
             CLOSE_WAIT,
             CLOSING,
             LAST_ACK,
             TIME_WAIT,
             STATES
};

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32, FLAG_SETS = 64 };

/* Where a segment begins. */
enum seq_class {
    SEQ_FAR_BEFORE,   /* RCV.NXT - 2^30 */
    SEQ_ONE_BEFORE,   /* RCV.NXT - 1 */
    SEQ_NEXT,         /* RCV.NXT */
    SEQ_ONE_BEHIND,   /* RCV.NXT + 1 */
    SEQ_LAST,         /* the last octet of the window */
    SEQ_FIRST_BEYOND, /* RCV.NXT + RCV.WND */
    SEQ_FAR_BEYOND,   /* RCV.NXT + 2^30 */
    SEQ_CLASSES
};

/* What it acknowledges, whether the bit is set or not. */
enum ack_class {
    ACK_TOO_OLD, /* SND.UNA - MAX.SND.WND - 1 */
    ACK_OLD,     /* SND.UNA - MAX.SND.WND: the oldest that RFC 5961 takes */
    ACK_UNA,     /* SND.UNA */
    ACK_NXT,     /* SND.NXT: everything */
    ACK_UNSENT,  /* SND.NXT + 1 */
    ACK_CLASSES
};

enum { CELLS = STATES * FLAG_SETS * SEQ_CLASSES * ACK_CLASSES };

/* One end before the segment, as its peer can know it. */
struct tcb {
    enum state state;
    bool passive;  /* in SYN-RECEIVED: from LISTEN */
    bool listener; /* somebody listens at that port */
    uint32_t iss, una, nxt, max_wnd;
    uint32_t irs, rcv_nxt, rcv_wnd;
};

struct segment {
    unsigned flags;
    uint32_t seq, ack, text;
};

/* What may be answered; several bits: any of them. */
enum answer {
    ANSWER_NOTHING = 1,
    ANSWER_ACK = 2,     /* <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK> */
    ANSWER_SYN_ACK = 4, /* <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK> */
    ANSWER_RST = 8,     /* <SEQ=SEG.ACK><CTL=RST> */
    ANSWER_RST_ACK = 16 /* <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK> */
};

struct outcome {
    enum state state;
    unsigned answers;
    uint32_t rcv_nxt, una; /* afterwards, where the state has them */
    uint32_t delivered;    /* octets of text that the user can read now */
    const char *because;   /* the sentence of the RFC, or of the decision, that says so */
};

struct outcome rfc_says(const struct tcb *tcb, const struct segment *segment);

#endif
