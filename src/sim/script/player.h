/* SPDX-License-Identifier: MIT */
/* A script being played: the stack, virtual time, what it sent and nobody has expected yet, the
 * pairs of sockets, the file descriptors. engine.c moves time, expect.c compares packets, calls*.c
 * are the socket layer, play.c goes through the events.
 */
#ifndef SCRIPT_PLAYER_H
#define SCRIPT_PLAYER_H

#include "duet/observe.h"
#include "duet/script.h"
#include "sim/script/flow.h"
#include "sim/script/script.h"
#include "sim/script/settings.h"
#include "sim/script/sockets.h"
#include "sim/script/system.h"

/* A packet that the stack sent. */
struct outbound {
    struct outbound *next;
    duet_time time;
    bool partial;   /* its TCP checksum is left to the link */
    uint32_t taken; /* bytes of text that earlier lines of the script have matched */
    uint32_t length;
    uint8_t bytes[];
};

/* The end that is the script, as if it were a TCP: peer_state.c. */
struct peer_state {
    enum duet_state state;
    bool fin_left;
    uint32_t fin_ack; /* what acknowledges it, on the wire */
};

struct code_piece; /* code.c */
struct record;
struct kernel_host;

struct player {
    const char *path;
    const struct duet_script_options *options;
    struct script *script;
    struct settings settings;
    struct duet_script_result *result;
    bool over; /* a verdict has been given */
    FILE *log; /* NULL: nobody wants to know */

    const struct system *system; /* what is tested */
    bool started;                /* by the first call or packet */
    struct kernel *kernel;       /* of system_kernel, once started */
    struct kernel_host *host;    /* where it plays, if not in a namespace of its own; NULL: none */
    struct record *record;       /* what happens is written here and not judged; NULL: it is */
    void *memory;
    struct duet_stack *stack; /* of system_core, once started */
    struct duet_recorder *recorder;
    struct peer_state peer;
    duet_time now;
    unsigned idle_wakes; /* times in a row that the stack was woken at one instant */

    struct outbound *sent, **sent_end;

    struct flow **flows;
    unsigned flow_count;
    struct flow *current; /* NULL: the next packet in makes it */
    bool listened;        /* since the last SYN in: the next one makes another */
    uint16_t next_remote_port;
    struct packet_option cookie; /* the last one that the stack gave: what FO cookie stands for */

    struct sock *socks;
    struct call_state pending; /* a blocking call that has not returned; .call NULL: none */
    const struct event *pending_event;
    duet_time pending_due;

    const struct event *event; /* being played */
    duet_time event_time;      /* when the last one was to happen, or did */
    uint64_t
        *rule_marks; /* hits of each rule when the last packet in or call of the script began */

    struct code_piece *code, **code_end;
};

/* ---- verdicts (play.c) ---- */

/* The script fails at the event being played. Always false. */
bool player_fail(struct player *player, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The script itself makes no sense there. Always false. */
bool player_broken(struct player *player, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The script needs what the system under test does not have. Always false. */
bool player_skip(struct player *player, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void player_log(struct player *player, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* duet_script_run_text, with a record and a namespace that may be NULL. */
void player_run(const char *path, const char *text, size_t length,
                const struct duet_script_options *options, struct record *record,
                struct kernel_host *host, struct duet_script_result *result);

/* ---- before the first event (prepare.c) ---- */

/* False: player has its verdict. */
bool player_set_options(struct player *player);
void player_foresee(struct player *player);

/* ---- time (engine.c, over the system that is tested) ---- */

enum engine_end { ENGINE_TESTED, ENGINE_SCRIPT }; /* of the recording */

bool engine_start(struct player *player);
void engine_stop(struct player *player);
/* Goes to the next instant before limit (or at it, if inclusive) at which something is due, and
 * lets it happen. False: there is none left, and now is limit. */
bool engine_step(struct player *player, duet_time limit, bool inclusive);
/* Hands a packet to the stack now. */
void engine_inject(struct player *player, uint8_t *bytes, uint32_t length);
/* Takes packets, events and trace out of the stack; must follow every call to it. */
void engine_drain(struct player *player);
/* For systems: a packet has been sent, and waits for its line; the blocking call tries again. */
void engine_sent(struct player *player, duet_time time, struct duet_packet *packet);
void engine_retry(struct player *player);

/* A packet leaves the end that is the script, or reaches it: tells the recorder of its state. */
void player_conclude_peer(struct player *player, unsigned end, const uint8_t *bytes,
                          uint32_t length, bool departs);

/* ---- pairs of sockets (expect.c) ---- */

struct flow *player_flow(struct player *player, const struct duet_socket_address *local,
                         const struct duet_socket_address *remote);
/* The pair that a packet line means. NULL: player has failed. */
struct flow *player_flow_of(struct player *player, const struct packet_event *packet);
/* A packet line of the script. */
bool player_send_in(struct player *player, const struct packet_event *packet);
bool player_expect(struct player *player, const struct event *event, duet_time from, duet_time to);
/* Nothing may be left that was sent before this time. */
bool player_expect_silence(struct player *player, duet_time before);

/* ---- code and commands (code.c) ---- */

void player_note_code(struct player *player, const struct event *event);
bool player_run_code(struct player *player);
bool player_command(struct player *player, const struct event *event);
void player_free_code(struct player *player);

#endif
