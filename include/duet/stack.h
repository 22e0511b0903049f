/* SPDX-License-Identifier: MIT */
/* A TCP stack as a value: five doors and the user calls of RFC 9293, section 3.10.
 *
 * The stack has no clock, no I/O, no threads, no globals and allocates nothing after init. It lives
 * in one block of memory that the caller gives. Time and packets are arguments:
 *
 *     duet_input(stack, now, packet)      a packet arrived
 *     duet_expire(stack, now)             time has passed duet_deadline(stack)
 *     duet_output(stack, now, packet)     is there a packet to send? build it here
 *     duet_next_event(stack, event)       has a connection something to tell?
 *     duet_connect, duet_send, ...        what the user wants
 *
 * A stack has one owner. Functions are not reentrant on the same stack; different stacks share
 * nothing. After any door or call, drain duet_output() and duet_next_event().
 *
 * Units: times are nanoseconds, sizes are bytes, ports are host byte order. "now" never goes back:
 * an earlier value counts as the latest one seen.
 */
#ifndef DUET_STACK_H
#define DUET_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- time -------------------------------------------------------------------------------- */

typedef int64_t duet_time; /* nanoseconds from any origin, which the caller chooses; >= 0 */

#define DUET_NEVER       INT64_MAX
#define DUET_MICROSECOND INT64_C(1000)
#define DUET_MILLISECOND INT64_C(1000000)
#define DUET_SECOND      INT64_C(1000000000)

/* ---- addresses --------------------------------------------------------------------------- */

/* An IPv6 address, or an IPv4 address a.b.c.d in its mapped form ::ffff:a.b.c.d. All zero: any. */
struct duet_address {
    uint8_t bytes[16];
};

struct duet_socket_address {
    struct duet_address address;
    uint16_t port; /* 0: any, the stack chooses */
};

struct duet_address duet_ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d);
bool duet_address_is_ipv4(const struct duet_address *address);
bool duet_address_is_any(const struct duet_address *address); /* :: or 0.0.0.0 */
bool duet_address_equal(const struct duet_address *a, const struct duet_address *b);

/* Text to address and back: dotted quad or RFC 4291 text; what is written is RFC 5952 text. Parse
 * returns DUET_OK or DUET_E_ARG. Format writes at most DUET_ADDRESS_TEXT bytes with the NUL and
 * returns the length without it. */
#define DUET_ADDRESS_TEXT 46
int duet_address_parse(const char *text, struct duet_address *address);
size_t duet_address_format(const struct duet_address *address, char *text);

/* ---- states ------------------------------------------------------------------------------ */

enum duet_state { /* RFC 9293, section 3.3.2, in its order */
                  DUET_CLOSED,
                  DUET_LISTEN,
                  DUET_SYN_SENT,
                  DUET_SYN_RECEIVED,
                  DUET_ESTABLISHED,
                  DUET_FIN_WAIT_1,
                  DUET_FIN_WAIT_2,
                  DUET_CLOSE_WAIT,
                  DUET_CLOSING,
                  DUET_LAST_ACK,
                  DUET_TIME_WAIT,
                  DUET_STATES
};

const char *duet_state_name(enum duet_state state); /* "FIN-WAIT-1", as the RFC spells it */

/* ---- configuration ----------------------------------------------------------------------- */

#define DUET_SECRET_SIZE    32
#define DUET_INTERFACES_MAX 8

/* An address of the stack and the length of its subnet prefix (0..32 or 0..128), which tells the
 * subnet broadcast address of IPv4. */
struct duet_interface {
    struct duet_address address;
    uint8_t prefix_length;
};

/* What a link can do for the stack, and may be handed because of it. */
enum duet_offload {
    DUET_OFFLOAD_CHECKSUM_OUT = 1 << 0, /* link fills in the TCP checksum: packet->checksum_start */
    DUET_OFFLOAD_CHECKSUM_IN = 1 << 1,  /* link may set DUET_PACKET_CHECKED on what it verified */
    DUET_OFFLOAD_SEGMENT = 1 << 2,      /* link cuts a large packet: packet->segment_size */
    DUET_OFFLOAD_PACE = 1 << 3,         /* link holds a packet until packet->departure */
    DUET_OFFLOAD_GATHER = 1 << 4,       /* link sends what stands in packet->pieces, too */
};

/* What decides how much may be in flight (docs/CONGESTION.md). */
enum duet_controller {
    DUET_CUBIC,   /* RFC 9438 */
    DUET_NEWRENO, /* RFC 5681 */
    DUET_CONTROLLERS
};

/* Explicit congestion notification (RFC 3168; RFC 9768 for accurate feedback): routers mark packets
 * instead of dropping them. A SYN that asks for accurate ECN also asks for the classic one. */
enum duet_ecn {
    DUET_ECN_OFF,              /* neither asked for nor answered */
    DUET_ECN_ANSWER,           /* what the peer asks for is agreed to, classic or accurate */
    DUET_ECN_REQUEST,          /* our SYN asks for classic ECN; else as ANSWER */
    DUET_ECN_REQUEST_ACCURATE, /* our SYN asks for accurate ECN; else as ANSWER */
};
enum duet_ecn_agreed { DUET_ECN_NOT_AGREED, DUET_ECN_CLASSIC, DUET_ECN_ACCURATE };

/* Start from duet_config_default(), set the secret and at least one interface, change the rest at
 * will. The stack copies it. */
struct duet_config {
    uint8_t secret[DUET_SECRET_SIZE]; /* entropy; init refuses 8 equal bytes in a row,
                                       * and 16 bytes that come twice */
    struct duet_interface interfaces[DUET_INTERFACES_MAX];
    uint32_t interface_count;
    bool any_local_address; /* serve packets to every unicast address (a VPN, a sandbox) */
    bool loopback_allowed;  /* 127/8 and ::1 may appear on this link */

    uint32_t mtu;         /* of the link, bytes of IP packet, 576 (1280 with IPv6) .. 65535 */
    uint32_t offload;     /* enum duet_offload bits */
    uint32_t mtu_initial; /* of packets to a new destination, from where probes search upward (RFC
                             4821, 7.2: 1024 where caution is due); 0: as large as the link takes */
    uint32_t packet_max;  /* largest packet output may build when DUET_OFFLOAD_SEGMENT, <= 65535 */

    /* Capacities. They fix the footprint; nothing grows later. */
    uint32_t connections_max;  /* 1 .. 2^24-1 */
    uint32_t half_open_max;    /* SYN-RECEIVED records of listeners, 1 .. 2^24-1 */
    uint32_t time_wait_max;    /* TIME-WAIT records, 1 .. 2^24-1 */
    uint32_t transfers_max;    /* connections with unacknowledged bytes at a time, 1 .. 2^24-1 */
    uint32_t reassemblies_max; /* connections with a hole in what they received, 1 .. 2^24-1 */
    uint32_t accurate_ecn_max; /* connections that send and read the AccECN option (RFC 9768,
                                * 3.2.3), 0 .. 2^24-1; the others have accurate ECN without it */
    uint32_t ranges_max;       /* of bytes held behind holes, in all of those, 1 .. 2^24-1 */
    uint32_t listeners_max;    /* 1 .. 2^16 */
    uint32_t replies_max; /* stateless answers (RST, ACK, echo) waiting for output, 1 .. 2^16 */
    uint32_t replies_per_second; /* RSTs and echo replies to one destination where no connection is,
                                  * 1 .. 65535; 200 */
    uint32_t paths_max;          /* destinations with something to remember, 1 .. 2^20 */
    uint32_t pages_max;      /* of buffer memory shared by all connections, 1 .. 2^24-1. From 4 for
                                  * each connection on a quarter is set aside for shares; from 16 on
                                  * nobody can keep a connection from its share */
    uint32_t page_size;      /* power of two, 512 .. 65536 */
    uint32_t send_buffer;    /* most bytes one connection may hold unacknowledged, <= 2^30; 4 MiB */
    uint32_t receive_buffer; /* most bytes one connection may hold unread, <= 2^30; 4 MiB */
    /* What a connection begins with when autotune is on, 1 .. 2^30, at most the above; 64 KiB, which
     * is what the unscaled window of a SYN can say, and four initial windows. */
    uint32_t send_buffer_initial, receive_buffer_initial;
    uint32_t trace_events; /* events kept until duet_next_trace takes them; 0: no trace */

    /* Times. Each says what the RFC allows and what is chosen. */
    duet_time msl;         /* 9293 3.4.2: 2 min, at most 15 min; TIME-WAIT lasts twice this */
    duet_time rto_initial; /* 6298 2.1: 1 s */
    duet_time rto_min;     /* 6298 2.4: SHOULD 1 s; 200 ms as deployed stacks do */
    duet_time rto_max;     /* 6298 2.5: at least 60 s; 120 s, at most 500 s */
    duet_time
        rttvar_min; /* floor of the term 4*RTTVAR of the RTO; 0: none, 200 ms as Linux has it */
    duet_time delayed_ack;  /* 9293 3.8.6.3: below 500 ms; 40 ms */
    duet_time user_timeout; /* 9293 3.10.1: 5 min; R2 for data, >= 100 s (SHLD-11) */
    duet_time
        user_timeout_min; /* 5482 3.1: least that the peer's advice leads to; 100 s (SHOULD) */
    duet_time user_timeout_max;    /* 5482 3.1: most that it leads to, <= 24 d; 1 h */
    duet_time syn_timeout;         /* R2 for SYN, 9293 MUST-23: >= 3 min; 3 min */
    duet_time keepalive_idle;      /* 9293 MUST-28: >= 2 h; 2 h */
    duet_time keepalive_interval;  /* between unanswered probes; 75 s */
    duet_time fin_wait_2_timeout;  /* of a connection nobody can read any more; 60 s */
    duet_time pmtu_timeout;        /* until a larger path MTU is tried, 1191 6.3: >= 5 min; 10 min;
                                      0: never */
    duet_time fast_open_key_life;  /* 7413 4.1.2: cookies change so often and are good for one to
                                      two of these; 12 h */
    duet_time fast_open_pause;     /* 7413 4.1.3.1: a server where Fast Open failed is opened the
                                      plain way for so long; 1 h */
    duet_time ecn_pause;           /* 9768 3.1.4.1: a host that answers no SYN that asks for ECN,
                                      three times running, is opened without for so long; 1 h */
    duet_time challenge_interval;  /* 5961 7: 10 challenge ACKs in 5 s, per connection */
    duet_time invalid_ack_spacing; /* between ACKs that answer segments without data; 500 ms */
    uint32_t challenge_limit;      /* challenge ACKs per challenge_interval; 10 */
    uint32_t keepalive_probes;     /* unanswered probes that end a connection, > 1 (MUST-29); 9 */
    uint32_t r1_retransmissions;   /* 9293 SHLD-10: >= 3; 3 */

    /* Switches. */
    bool timestamps;     /* 7323: offer and accept the option; true */
    bool window_scaling; /* 7323: offer and accept the option; true */
    bool sack;           /* 2018: offer and accept the option; true */
    bool autotune;       /* buffers grow with the path; false: they have their full size; true */
    bool syn_cookies;    /* 4987 3.6: when every half-open record is in use; false: the oldest goes;
                            true */
    bool rack;           /* 8985: losses are found by time, tails are probed; false: 6675; true */
    bool pacing;         /* segments leave evenly over the round trip; true */
    bool rto_restart;    /* 7765, experimental: the timer counts from the oldest segment; false */
    bool time_wait_rst;  /* RST in TIME-WAIT deletes it; false: ignored (RFC 1337, F1) */
    bool verify_acks;    /* 5681 5: a segment is withheld now and then, to catch a peer that
                            acknowledges what it has not received; true */
    bool plpmtud;        /* 4821: find the path MTU by probes, and black holes; true */
    bool error_reports;  /* 9293 SHLD-20: soft errors become events; true */
    enum duet_controller controller; /* 9293 MAY-18: any that conforms; DUET_CUBIC */
    bool fast_path; /* what is next in order goes a shorter way to the same end; true. For tests */
    bool hystart;   /* 9406: end the first slow start when the round trip grows; true */
    bool empty_window_probes; /* probe with an empty segment at SND.UNA - 1, as Linux does; false */
    bool
        watch; /* each connection's past is kept beside it, about 64 bytes, so that duet_check() knows
                   more: for tests, simulation, fuzzing; false */
    bool user_timeout_option; /* 5482: send and follow the option; off by default as there; false */
    uint16_t mss_min;         /* floor of the send MSS whatever the peer says, 88 .. 536; 216 */
    uint16_t port_first;      /* ephemeral ports, RFC 6056; 49152 */
    uint16_t port_last;       /* 65535 */
    uint8_t ttl;              /* 9293 MUST-49; 64 */
    uint8_t initial_window;   /* segments, 1 .. 10: RFC 6928; 10 */
    uint8_t quick_acks;       /* full segments ACKed singly at first, 0 .. 255, and after a hole,
                               * at most 15; 16 */
    uint8_t
        syn_ack_retries; /* 1 .. 7; 5, the last 31 s after the first (docs/decisions/attacks.md) */
    uint8_t ecn;         /* enum duet_ecn, 9293 SHLD-8; ANSWER */
};

void duet_config_default(struct duet_config *config);

/* ---- the block --------------------------------------------------------------------------- */

struct duet_stack;

/* Bytes a stack of this configuration needs, or 0 if a field is out of its range. */
size_t duet_stack_footprint(const struct duet_config *config);

/* Makes a stack in memory[0, size), which must be aligned for max_align_t and stay in place until
 * the stack is no longer used; nothing needs to be released. *stack points into it. Returns
 * DUET_OK, DUET_E_ARG (a field out of range, no entropy in the secret) or DUET_E_RES (size too
 * small). */
int duet_stack_init(void *memory, size_t size, const struct duet_config *config,
                    struct duet_stack **stack);

/* ---- packets ----------------------------------------------------------------------------- */

enum duet_packet_flag {
    DUET_PACKET_CHECKED = 1 << 0,          /* in: the link verified the TCP checksum */
    DUET_PACKET_CHECKSUM_PARTIAL = 1 << 1, /* the sum must be filled in from checksum_start on */
};

struct duet_piece {
    const void *data;
    uint32_t size;
};

/* One IP packet, or, with segment_size set, many segments of a TCP stream under one header. */
struct duet_packet {
    uint8_t *data;            /* first byte of the IP header; owned by the caller */
    uint32_t size;            /* out: room at data, at least the MTU */
    uint32_t length;          /* bytes of the packet: at data, but for pieces */
    uint16_t segment_size;    /* payload bytes in each segment after cutting; 0: a single segment */
    uint16_t checksum_start;  /* with CHECKSUM_PARTIAL: where the sum begins, from data */
    uint16_t checksum_offset; /* and where it is stored, from checksum_start */
    uint16_t flags;           /* enum duet_packet_flag bits */
    duet_time departure;      /* out: not to leave before this time (pacing) */
    uint32_t tag; /* for links and recorders: follows a packet; the stack leaves it alone */
    /* out: room for so many pieces, or NULL. With room, and a link that fills in checksums, the text of
     * a large packet may be left where the stack has it: length counts it, but it stands in piece_count
     * pieces behind what is at data. They hold until anything else is asked of the stack. */
    struct duet_piece *pieces;
    uint16_t pieces_max, piece_count;
};

/* ---- the five doors ---------------------------------------------------------------------- */

/* A packet arrived. It is read during the call only and never written. */
void duet_input(struct duet_stack *stack, duet_time now, const struct duet_packet *packet);

/* Runs every timer that is due. Harmless at any time. */
void duet_expire(struct duet_stack *stack, duet_time now);

/* When duet_expire should be called next, or DUET_NEVER. It may be earlier than the next timer,
 * never later. */
duet_time duet_deadline(const struct duet_stack *stack);

/* Builds the next packet to send in *packet, whose data and size the caller set. Returns false when
 * nothing is owed, or when packet->size is below the MTU. */
bool duet_output(struct duet_stack *stack, duet_time now, struct duet_packet *packet);

/* ---- handles and events ------------------------------------------------------------------ */

/* Names a listener or a connection. A value: copy it freely. A stale one is DUET_E_NOCONN. A
 * connection's handle goes stale when both have happened: the user called duet_close or duet_abort,
 * and DUET_EVENT_CLOSED has been returned. A connection that nobody asks for events is never freed.
 */
struct duet_handle {
    uint32_t index;
    uint32_t generation; /* never 0 for a real handle */
};

enum duet_event_bit {
    DUET_EVENT_ACCEPTABLE = 1 << 0,  /* listener: duet_accept has something */
    DUET_EVENT_CONNECTED = 1 << 1,   /* active open reached ESTABLISHED */
    DUET_EVENT_READABLE = 1 << 2,    /* there are bytes, or the end of the stream, to receive */
    DUET_EVENT_WRITABLE = 1 << 3,    /* open for sending, or room again after DUET_E_AGAIN */
    DUET_EVENT_PEER_CLOSED = 1 << 4, /* the peer's FIN has been taken (RFC: "connection closing") */
    DUET_EVENT_URGENT = 1 << 5,      /* urgent mode began or its mark moved (9293 MUST-32) */
    DUET_EVENT_SOFT_ERROR = 1 << 6,  /* R1 passed or an ICMP error came; error tells (MUST-47) */
    DUET_EVENT_FIN_ACKED = 1 << 7,   /* the peer acknowledged our FIN */
    DUET_EVENT_CLOSED = 1 << 8,      /* final: outcome tells how it ended */
};

/* How a connection ended: the truth of DUET_EVENT_CLOSED. */
struct duet_outcome {
    int error;                     /* DUET_OK: both FINs were exchanged and acknowledged */
    uint16_t rule;                 /* the rule of the last transition or reset (trace.h) */
    bool we_closed_first;          /* our FIN was sent before the peer's arrived */
    bool fin_acknowledged;         /* the peer has acknowledged our FIN, so all we sent */
    bool peer_fin_received;        /* the peer's FIN was taken, so all it sent */
    uint64_t bytes_unacknowledged; /* accepted by duet_send, never acknowledged */
    uint64_t bytes_unread;         /* acknowledged by us, never given to the user */
};

struct duet_event {
    struct duet_handle handle;
    uint32_t bits;               /* enum duet_event_bit */
    int error;                   /* with SOFT_ERROR or CLOSED */
    struct duet_outcome outcome; /* with CLOSED */
};

/* The next connection with something to tell, oldest first. False: none. Several bits may come
 * together; a bit is told once each time it becomes true. */
bool duet_next_event(struct duet_stack *stack, struct duet_event *event);

/* ---- user calls (RFC 9293, section 3.10.1-6) --------------------------------------------- */

/* Passive OPEN. local.address any: every address of the stack. remote.address any: every peer;
 * otherwise a fully specified passive OPEN. backlog bounds connections not yet accepted, >= 1.
 * DUET_E_ARG (port 0, backlog 0), DUET_E_ADDR (not ours), DUET_E_EXISTS, DUET_E_RES. */
struct duet_listen_options {
    struct duet_socket_address local;
    struct duet_socket_address remote;
    uint32_t backlog;
    /* Fast Open (RFC 7413): connections that may be accepted and read before their handshake ends,
     * at a time; 0: none. Only for services to which the same request may come twice: a SYN that
     * the network duplicated can deliver its text again, in a connection of its own, and nothing in
     * TCP can tell (6.1). What is accepted may be in SYN-RECEIVED, and may never get further. */
    uint32_t fast_open;
};
int duet_listen(struct duet_stack *stack, duet_time now, const struct duet_listen_options *options,
                struct duet_handle *handle);

/* Active OPEN. local.address any: the stack chooses (MUST-44); local.port 0: chosen by RFC 6056.
 * Nagle and the rest start from their defaults and may be set before the SYN leaves.
 * DUET_E_NOREMOTE (no remote address or port), DUET_E_ADDR (broadcast or multicast, MUST-46; local
 * address not ours; no free port), DUET_E_EXISTS (that pair of sockets is in use, TIME-WAIT
 * included unless RFC 6191 lets it be reused), DUET_E_RES. */
enum duet_connect_flag {
    /* Fast Open (RFC 7413): what duet_send takes before the SYN leaves, with the next duet_output,
     * rides on it where the server has given a cookie before; else the SYN asks for one. Text that
     * the server does not take at once is sent again as ever. Only for requests that may arrive
     * twice (6.1, see duet_listen_options). */
    DUET_CONNECT_FAST_OPEN = 1 << 0,
};
struct duet_connect_options {
    struct duet_socket_address local;
    struct duet_socket_address remote;
    unsigned flags; /* enum duet_connect_flag */
};
int duet_connect(struct duet_stack *stack, duet_time now,
                 const struct duet_connect_options *options, struct duet_handle *handle);

/* Active OPEN on a listener: it becomes an active connection from the same local socket to remote
 * (any: the remote it was opened with, else DUET_E_NOREMOTE). The listener's handle is stale after
 * success; what waits in its accept queue is reset. Errors as duet_connect. */
int duet_connect_listener(struct duet_stack *stack, duet_time now, struct duet_handle handle,
                          const struct duet_socket_address *remote, struct duet_handle *connection);

/* Takes the oldest connection that a listener completed; remote may be NULL. DUET_E_AGAIN: none. */
int duet_accept(struct duet_stack *stack, duet_time now, struct duet_handle handle,
                struct duet_handle *connection, struct duet_socket_address *remote);

enum duet_send_flag {
    DUET_SEND_URGENT = 1 << 0, /* the last of these bytes is the end of urgent data (3.8.5) */
    DUET_SEND_MORE = 1 << 1,   /* more follows at once: an incomplete segment may wait for it */
};

/* SEND: copies as many bytes as there is room for and returns that number (>= 1), or 0 if size is
 * 0. DUET_E_AGAIN: no room, DUET_EVENT_WRITABLE will come. DUET_E_CLOSING after shutdown or close.
 * The error that ended the connection, if one did. On a listener: opened with a remote socket,
 * DUET_E_AGAIN (call duet_connect_listener first); else DUET_E_NOREMOTE. */
int64_t duet_send(struct duet_stack *stack, duet_time now, struct duet_handle handle,
                  const void *data, size_t size, unsigned flags);

/* The same, but most of the bytes are left where they are: whole pages (config.page_size) of the send
 * queue are lent to the stack, and only what does not fill one is copied. The bytes must stay in place
 * and as they are until the peer has acknowledged them: duet_status() tells in send_queued how many of
 * the last that were sent it has not. When DUET_EVENT_CLOSED has been returned none are needed any
 * more. With a link that gathers (DUET_OFFLOAD_GATHER) no byte is copied on its way to it. A copy of the
 * block, or a snapshot, has where the bytes are, not the bytes. */
int64_t duet_send_lent(struct duet_stack *stack, duet_time now, struct duet_handle handle,
                       const void *data, size_t size, unsigned flags);

/* RECEIVE: copies up to size bytes and returns their number (>= 1), or 0 if size is 0.
 * DUET_E_AGAIN: none yet, DUET_EVENT_READABLE will come. DUET_E_CLOSING: end of stream, the peer's
 * FIN has been reached. The error that ended the connection, if one did, after what was buffered.
 */
int64_t duet_receive(struct duet_stack *stack, duet_time now, struct duet_handle handle, void *data,
                     size_t size);

/* The same without a copy. Reserve gives room for at least 1 byte to be written in place, at most
 * *size; commit sends the first size bytes of it
 * (without a reserve before it: whatever memory held there). Peek shows the next bytes in place;
 * consume takes size of them. The pointers hold until the next call on the stack. Errors as
 * above. */
int duet_send_reserve(struct duet_stack *stack, struct duet_handle handle, void **data,
                      size_t *size);
int duet_send_commit(struct duet_stack *stack, duet_time now, struct duet_handle handle,
                     size_t size, unsigned flags);
int duet_receive_peek(struct duet_stack *stack, struct duet_handle handle, const void **data,
                      size_t *size);
int duet_receive_consume(struct duet_stack *stack, duet_time now, struct duet_handle handle,
                         size_t size);

/* CLOSE as the RFC has it: "I have no more data to send". FIN follows all that was sent; receiving
 * goes on. A second call is DUET_E_CLOSING and changes nothing. */
int duet_shutdown(struct duet_stack *stack, duet_time now, struct duet_handle handle);

/* CLOSE in both directions (MAY-1): shutdown, and nobody will read. Unread bytes, or bytes that
 * arrive later, reset the connection (SHLD-3). The final event still comes, with the outcome; until
 * then other calls return DUET_E_CLOSING. On a listener: the end of it; connections not yet
 * accepted are reset. Always DUET_OK on a live handle. */
int duet_close(struct duet_stack *stack, duet_time now, struct duet_handle handle);

/* ABORT: RST at once where the RFC asks for it, all data dropped, final event with DUET_E_RESET. */
int duet_abort(struct duet_stack *stack, duet_time now, struct duet_handle handle);

/* What can be set for one connection; a listener hands its values on to what it accepts. Each says
 * its unit. DUET_E_ARG: value out of range. */
enum duet_option {
    DUET_OPTION_NODELAY,        /* 0 or 1: Nagle off (MUST-17); 0 */
    DUET_OPTION_KEEPALIVE,      /* 0 or 1 (MUST-24, MUST-25); 0 */
    DUET_OPTION_KEEPALIVE_IDLE, /* ms, 1 .. 2^31-1 */
    DUET_OPTION_USER_TIMEOUT,   /* ms, 0: never; R2 for this connection (MUST-21). Once set, the
                                   peer's advice (RFC 5482) does not change it */
    DUET_OPTION_USER_TIMEOUT_ADVERTISE, /* 0 or 1: tell the peer our user timeout and follow its
                                           (RFC 5482); config.user_timeout_option */
    DUET_OPTION_DSCP,                   /* 0 .. 63 (MUST-48) */
    DUET_OPTION_TTL,                    /* 1 .. 255 (MUST-49) */
    /* Bytes, 1 .. config.receive_buffer and config.send_buffer; from then on they are not tuned.
     * The window never shrinks. */
    DUET_OPTION_RECEIVE_BUFFER,
    DUET_OPTION_SEND_BUFFER,
    DUET_OPTION_ERROR_REPORTS, /* 0 or 1 (SHLD-20); config.error_reports */
    DUET_OPTION_DELAYED_ACK,   /* 0 or 1; 1 */
    DUET_OPTION_MSS,        /* largest segment to send and to announce, 88 .. 65495; 0: the MTU's */
    DUET_OPTION_CONTROLLER, /* enum duet_controller; config.controller */
    DUET_OPTION_ECN, /* enum duet_ecn; config.ecn. Before the SYN leaves, later DUET_E_PERM */
};
int duet_set(struct duet_stack *stack, duet_time now, struct duet_handle handle,
             enum duet_option option, uint32_t value);

/* STATUS. Sequence numbers as on the wire. */
struct duet_status {
    enum duet_state state;
    struct duet_socket_address local;
    struct duet_socket_address remote;
    uint32_t iss, snd_una, snd_nxt, snd_wnd, snd_up;
    uint32_t irs, rcv_nxt, rcv_wnd, rcv_up;
    uint32_t send_queued;    /* bytes accepted, not acknowledged */
    uint32_t receive_queued; /* bytes that can be read */
    uint32_t send_room;      /* bytes duet_send would take */
    uint32_t urgent_left;    /* bytes up to the urgent mark still to read (MUST-33) */
    uint32_t send_mss;       /* payload of a full segment now */
    uint32_t congestion_window, slow_start_threshold, in_flight;
    enum duet_controller controller;           /* listener: of what it accepts */
    duet_time smoothed_rtt, rtt_variance, rto; /* 0: no sample yet */
    duet_time rtt_min;
    duet_time user_timeout;   /* in force (RFC 9293 MUST-21, RFC 5482); 0: never */
    uint32_t retransmissions; /* of the oldest unacknowledged segment */
    uint32_t retransmitted;   /* segments, over the life of the connection */
    uint8_t send_scale, receive_scale;
    bool timestamps, sack, peer_fin_received, fin_acknowledged;
    uint8_t ecn;           /* enum duet_ecn_agreed */
    bool ecn_capable;      /* data of ours may be marked: ECN is agreed and the path keeps it */
    uint32_t ecn_received; /* packets that arrived with CE; counted where the AccECN option is */
    uint32_t ecn_reported; /* packets of ours that arrived there with CE; likewise */
    int error;             /* what ended it, or the last soft error */
    uint32_t backlog_used; /* listener: connections waiting for accept */
    uint32_t half_open;    /* listener: in SYN-RECEIVED */
};
int duet_status(const struct duet_stack *stack, struct duet_handle handle,
                struct duet_status *status);

/* Walks everything the stack knows, TIME-WAIT and half-open records included, for listings. Start
 * with *cursor = 0; returns false at the end. handle is zero for records without one. */
bool duet_next_status(const struct duet_stack *stack, uint64_t *cursor, struct duet_handle *handle,
                      struct duet_status *status);

/* ---- counters ---------------------------------------------------------------------------- */

struct duet_counters {
    uint64_t packets_in, packets_out;
    uint64_t bytes_in, bytes_out; /* of IP packets */
    uint64_t segments_in, segments_out;
    uint64_t segments_retransmitted;
    uint32_t connections, half_open, time_wait, listeners; /* now */
    uint32_t pages_used;
    uint64_t trace_lost; /* events that found no room */
};
void duet_counters(const struct duet_stack *stack, struct duet_counters *counters);

/* Checks everything that must hold between two doors or calls. NULL: all does; else the
 * invariant of docs/INVARIANTS.md that is broken, which is a bug of duet. Walks the whole stack:
 * for tests and simulation. */
const char *duet_check(const struct duet_stack *stack);

/* For tests of what happens without memory: the nth record that the stack asks its pools for, counted
 * from init, is refused as if its pool were empty; with lasting every one after it, too. 0: none is.
 * Returns how many have been asked for. */
uint64_t duet_refuse_record(struct duet_stack *stack, uint64_t nth, bool lasting);

/* ---- canonical form, for explorers of states --------------------------------------------- */

/* Where the sequence numbers of the connections that are explored begin, the oldest first: those we
 * send, those the peer sends. */
enum { DUET_CANONICAL_ISNS = 8 };
struct duet_canonical_base {
    struct duet_canonical_isns {
        uint32_t isns[DUET_CANONICAL_ISNS];
        unsigned count;
    } sent, received;
};

struct duet_canonical {
    uint64_t hash;      /* of everything that can decide what the stack will do */
    duet_time deadline; /* when the next timer runs out, exactly; DUET_NEVER: none runs */
};

/* Stacks of the same configuration and secret with the same hash behave alike from now on, times
 * counted from now and sequence numbers from base (but for a collision of 64 bits). What is left
 * out, and why it cannot matter, stands in src/core/tcp_canonical.c. */
void duet_canonical(const struct duet_stack *stack, const struct duet_canonical_base *base,
                    struct duet_canonical *canonical);

/* What of the block can decide what the stack will do, packed: a tenth of copying the block, where
 * pools and tables are mostly empty. Hits of rules and edges, and the trace, are not part of it, and
 * so go on. Writes at most duet_snapshot_size() bytes, and returns how many. */
size_t duet_snapshot_size(const struct duet_stack *stack);
size_t duet_snapshot(struct duet_stack *stack, void *snapshot); /* leaves the stack as it is */
/* Brings a stack back to what it was: the same stack in the same place. */
void duet_restore(struct duet_stack *stack, const void *snapshot);

#ifdef __cplusplus
}
#endif
#endif
