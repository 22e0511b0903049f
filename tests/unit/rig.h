/* SPDX-License-Identifier: MIT */
/* A stack on a bench: packets go in and come out by hand, time is a number. What the tests say to
 * it and read from it passes through an encoder and a decoder of its own (rig.c), so that a mistake
 * in src/wire cannot hide one in src/core, nor the other way round.
 *
 * Tuples are seen from the stack: local is its end, remote the one that the test plays.
 */
#ifndef UNIT_RIG_H
#define UNIT_RIG_H

#include "unit.h"

#include "core/state.h"

enum { RIG_PACKET_MAX = 65535 };

struct rig {
    struct duet_config config;
    void *block;
    size_t size;
    struct duet_stack *stack;
    duet_time now;
    uint8_t in[RIG_PACKET_MAX], out[RIG_PACKET_MAX];
    struct duet_packet packet; /* the latest that came out */
};

struct rig_segment {
    uint16_t flags; /* enum duet_flag */
    uint32_t seq, ack;
    uint16_t window; /* as on the wire */
    uint16_t urgent;
    const uint8_t *text;
    uint32_t length;
    uint16_t mss;    /* 0: no option */
    bool scaling;    /* with scale */
    uint8_t scale;   /* shift count */
    bool sack;       /* SACK-permitted */
    bool timestamps; /* with tsval and tsecr */
    uint32_t tsval, tsecr;
    uint16_t user_timeout; /* RFC 5482, as on the wire; 0: no option */
    bool fast_open;        /* RFC 7413, with cookie */
    uint8_t cookie_length;
    uint8_t cookie[16];
    uint32_t blocks; /* of SACK */
    struct {
        uint32_t left, right;
    } block[4];
};

/* Secret, 10.0.0.1/24 and fd00::1/64, small pools, no trace. */
void rig_config(struct duet_config *config);
void rig_start(struct rig *rig, const struct duet_config *config);
void rig_end(struct rig *rig);

/* 10.0.0.1:local_port and 10.0.0.2:remote_port, or fd00::1 and fd00::2. */
struct tcp_tuple rig_tuple(uint16_t local_port, uint16_t remote_port);
struct tcp_tuple rig_tuple6(uint16_t local_port, uint16_t remote_port);

/* Writes the packet that carries a segment from the remote end to the local one; its length. */
uint32_t rig_encode(uint8_t *bytes, const struct tcp_tuple *tuple,
                    const struct rig_segment *segment);
/* Reads a packet that the local end sent, checksums included unless the link is to fill them in. */
void rig_decode(const struct duet_packet *packet, struct tcp_tuple *tuple,
                struct rig_segment *segment);
/* The one's complement sum of 16-bit words over bytes, added to sum, folded. */
uint32_t rig_sum(uint32_t sum, const uint8_t *bytes, size_t size);

void rig_input(struct rig *rig, const struct tcp_tuple *tuple, const struct rig_segment *segment);
/* The next packet out; false: silence. tuple and segment may be NULL. The text stays valid until
 * the next call. */
bool rig_output(struct rig *rig, struct tcp_tuple *tuple, struct rig_segment *segment);
void rig_silence(const char *row, struct rig *rig);
/* Lets everything out and forgets it; how many packets there were. */
unsigned rig_drain(struct rig *rig);
/* Lets time pass to now, calling duet_expire at each deadline. Packets stay in the stack. */
void rig_pass(struct rig *rig, duet_time now);
uint64_t rig_hits(const struct rig *rig, enum tcp_rule rule);

/* ---- a connection as its remote end knows it ---- */

struct rig_conn {
    struct tcp_tuple tuple;
    struct duet_handle handle;
    uint32_t iss, irs; /* of the stack */
    uint32_t seq;      /* next octet that the remote end sends */
    uint32_t ack;      /* next octet that it expects */
    uint16_t window;   /* that it offers, as on the wire */
    duet_time trip;    /* time from the stack's SYN to its acknowledgement */
    bool timestamps;
    uint32_t tsval, tsecr;
    struct rig_segment first; /* the SYN, or SYN,ACK, of the stack */
};

/* Passive open at a listener of its own, which stays. offer: the SYN, of which seq, window and the
 * options count. The third segment acknowledges at once; the connection is accepted. */
void rig_accept(struct rig *rig, struct rig_conn *conn, const struct rig_segment *offer);
/* Active open of the stack, answered by a SYN,ACK like offer. */
void rig_connect(struct rig *rig, struct rig_conn *conn, const struct rig_segment *offer);
/* A segment of the remote end at seq + offset with the ACK bit and flags; nothing is advanced. */
void rig_say(struct rig *rig, const struct rig_conn *conn, uint16_t flags, uint32_t offset,
             const void *text, uint32_t length);
/* A connection of its own that the stack closes first, up to TIME-WAIT; conn->seq and conn->ack are
 * then RCV.NXT and SND.NXT. NOBODY: duet_close, a small record is left; USER: duet_shutdown, the
 * handle lives. */
enum rig_holder { NOBODY, USER };
struct rig_conn rig_time_wait(struct rig *rig, struct tcp_tuple tuple, enum rig_holder holder,
                              const struct rig_segment *offer);
void rig_take_events(struct rig *rig); /* and forgets them */
struct duet_status rig_status(const struct rig *rig, const struct rig_conn *conn);
/* duet_send of all of it. */
void rig_write(struct rig *rig, const struct rig_conn *conn, const void *bytes, uint32_t size);

#endif
