/* SPDX-License-Identifier: MIT */
/* The world that is explored: two stacks, the packets between them, two users, one clock. What is not
 * in a stack's block lies in struct model, so that copying it and the two blocks copies the world.
 *
 * A step is one action and what follows from it at once at the end where it happens: its user takes
 * events, accepts and reads, and its link takes what the stack wants to send, as far as the network
 * has room. Deliveries take no time. Time passes when a timer runs out: the clock jumps there.
 */
#ifndef SIM_EXPLORE_MODEL_H
#define SIM_EXPLORE_MODEL_H

#include "duet/explore.h"

enum {
    ENDS = DUET_EXPLORE_ENDS,
    MODEL_PACKETS = ENDS * (DUET_EXPLORE_IN_FLIGHT_MAX + 1),
    MODEL_PACKET_BYTES = 20 + 60 + DUET_EXPLORE_SIZE_MAX,
    MODEL_OPENS = 8,
    MODEL_FAR = 1 << 16, /* sequence numbers further apart share no window */
    MODEL_ACTIONS = 4 * MODEL_PACKETS + 24,
};

/* ---- packets ---- */

struct model_packet {
    uint64_t meaning; /* hash of all but its age, numbers counted from base */
    duet_time sent;
    uint32_t base[ENDS]; /* ISNs that its numbers count from */
    bool counts[ENDS];   /* it has numbers that count from them */
    uint32_t number;     /* of those that its sender sent, from 1 */
    uint32_t tag;
    uint8_t from;
    uint8_t length;
    bool is_reset;
    uint8_t text; /* where text begins, 0: it has none */
    uint8_t bytes[MODEL_PACKET_BYTES];
};

/* ---- users ---- */

struct model_user {
    struct duet_handle handle, listener;
    uint32_t opens, sends; /* left */
    uint32_t sent, received;
    uint32_t own;         /* connections that this end has begun, by their ISNs */
    uint32_t mine, peers; /* which of them it holds, and which of the peer's it talks to */
    int32_t error;
    bool listens, holds; /* a listener, a connection */
    bool shut, closed;   /* duet_shutdown, duet_close or duet_abort was called */
    bool ended;          /* the final event has come */
    bool at_end;         /* of the peer's stream */
    bool readable;
    bool blocked; /* output waits for room in the network */
};

/* What one end says of itself. */
struct model_view {
    uint64_t hash;
    duet_time deadline;
    bool is_free;  /* holds nothing that was borrowed */
    bool is_bound; /* has a connection; then: */
    uint8_t state;
    uint32_t iss, una, nxt, wnd, irs, rcv_nxt, rcv_wnd;
};

struct model {
    duet_time now;
    uint32_t losses, duplicates, late, marks; /* left */
    uint32_t count;                           /* of packets */
    uint32_t base[ENDS];                      /* ISN of the latest SYN that left each end */
    uint32_t iss[ENDS][MODEL_OPENS];          /* of all of them */
    duet_time base_at[ENDS]; /* when it left: the next ISN will be as far from it */
    uint32_t sent[ENDS];     /* packets, for their numbers */
    uint32_t steps;
    bool just_ended[ENDS]; /* at this instant a connection ended that may have a successor */
    struct model_user users[ENDS];
    struct model_view views[ENDS];
    struct model_packet packets[MODEL_PACKETS]; /* the last member: only count of them are copied */
};

/* ---- actions ---- */

enum action_kind {
    ACTION_DELIVER,
    ACTION_DUPLICATE, /* it arrives, and will arrive again */
    ACTION_MARK,      /* it arrives, and has met with congestion on its way (RFC 3168) */
    ACTION_DROP,
    ACTION_TIMER,
    ACTION_LISTEN,
    ACTION_CONNECT,
    ACTION_SEND,
    ACTION_READ,
    ACTION_SHUTDOWN,
    ACTION_CLOSE,
    ACTION_ABORT,
    ACTION_UNLISTEN,
};

struct action {
    uint8_t kind;    /* enum action_kind */
    uint8_t end;     /* where it happens; DROP: who sent it */
    uint16_t number; /* of the packet */
};

/* The first action, if is_kind, is what happens next when the network has become kind: it loses and
 * repeats nothing, delivers before any timer runs out, and users only read, and close when all is
 * silent. It is a function of the state's meaning. */
struct choice {
    struct action actions[MODEL_ACTIONS];
    unsigned count;
    bool is_kind;
};

/* ---- the machine that runs it ---- */

struct machine {
    struct model model;
    const struct duet_explore_bounds *bounds;
    enum duet_explore_sabotage sabotage;
    struct duet_config config[ENDS];
    struct duet_stack *stacks[ENDS];
    void *blocks[ENDS];
    size_t sizes[ENDS];           /* of a snapshot, at most */
    unsigned touched;             /* bits: ends whose blocks the last step may have changed */
    bool answers_reset;           /* what is sent now was caused by a RST */
    struct duet_recorder *record; /* NULL: nobody watches */
    struct duet_explore_result *reached; /* cells; NULL: nobody asks */
    char problem[240];
};

int machine_start(struct machine *machine, const struct duet_exploration *exploration,
                  const struct duet_explore_options *options, struct duet_recorder *record);
void machine_end(struct machine *machine);
void model_copy(struct model *to, const struct model *from);

/* Does it. False: it cannot be done in this state. machine->problem tells what then does not hold. */
bool machine_step(struct machine *machine, struct action action);
/* Of the whole world. */
uint64_t machine_hash(const struct machine *machine);
void machine_fail(struct machine *machine, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* choices.c */
void machine_choices(const struct machine *machine, struct choice *choice);
/* When this end's next timer runs out, unless it is sabotaged. */
duet_time machine_deadline(const struct machine *machine, unsigned end);
/* Is something else about to happen, so that a timer that runs out now is ahead of it? */
bool machine_is_busy(const struct machine *machine);

/* packets.c */
void packet_understand(struct machine *machine, struct model_packet *packet);
uint64_t packet_meaning(const struct machine *machine, const struct model_packet *packet);
bool machine_send_all(struct machine *machine, unsigned end); /* true: something left */
bool machine_deliver(struct machine *machine, unsigned end, unsigned number, enum action_kind how);
/* Would a router mark it rather than drop it? */
bool packet_can_be_marked(const struct model_packet *packet);
bool machine_drop(struct machine *machine, unsigned from, unsigned number);
void machine_expire_packets(struct machine *machine);
/* Can a connection begin by this action? */
bool packets_begin_connection(const struct machine *machine, struct action action);
uint32_t machine_in_flight(const struct model *model, unsigned from);

/* users.c */
bool user_may(const struct machine *machine, unsigned end, enum action_kind kind);
void user_act(struct machine *machine, unsigned end, enum action_kind kind);
void user_settle(struct machine *machine, unsigned end);
uint64_t user_hash(const struct model_user *user);

/* oracle.c */
void oracle_look(struct machine *machine, unsigned end);
void oracle_pair(struct machine *machine);
void oracle_ended(struct machine *machine, unsigned end, const struct duet_outcome *outcome);
void oracle_silent(struct machine *machine);
/* Nothing is left to do: is all well? */
void oracle_ending(struct machine *machine);
/* Rules and edges that were reached so far: what counts them does not go back with the world. */
void oracle_cover(const struct machine *machine, struct duet_explore_result *reached);

/* cells.c */
void cells_note(struct machine *machine, unsigned end, const struct model_packet *packet);

/* trace of an end into the recorder, at a time that grows with every step */
duet_time machine_shown(const struct machine *machine);
void machine_trace(struct machine *machine, unsigned end);

#endif
