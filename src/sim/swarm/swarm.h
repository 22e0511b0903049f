/* SPDX-License-Identifier: MIT */
/* A world of the swarm and what its parts know of each other.
 *
 *     plan.c       what the seed chooses: hosts, connections, applications, faults
 *     run.c       the clock: takes what happens next off the agenda
 *     host.c       a stack, its clock, its memory
 *     network.c    the way of a packet; faults.c, boxes.c, forge.c, weather.c: what happens on it
 *     app.c        what applications do; app_open.c: how they begin; random_app.c: one that calls anything at any time
 *     oracle.c     what must hold, across both ends and at the end
 *
 * Nothing here reads a clock, an address of memory or anything else that differs between two runs.
 */
#ifndef SIM_SWARM_SWARM_H
#define SIM_SWARM_SWARM_H

#include <setjmp.h>

#include "base/bytes.h"
#include "duet/sim.h"
#include "sim/history.h"
#include "sim/swarm/agenda.h"
#include "sim/swarm/luck.h"

enum {
    SWARM_HOSTS_MAX = 64,
    SWARM_PORT = 4242,      /* where every host listens */
    SWARM_DEAF_PORT = 4243, /* where none does */
    SWARM_PACKET_FAULTS = DUET_SIM_REPLAY + 1,
    SWARM_SCRATCH = 16384, /* bytes an application handles at a time */
    SWARM_NONE = -1,
};

/* ---- the plan (plan.c) ---- */

enum app_kind {
    APP_BULK,     /* sends all it has, closes at the end */
    APP_REQUEST,  /* requests and answers by turns */
    APP_SLOW,     /* reads a little now and then */
    APP_HALF,     /* says first that it will send no more, reads on */
    APP_ABRUPT,   /* goes away in the middle, with or without reading what came */
    APP_LINGERER, /* stays for long after all is said */
    APP_RANDOM,   /* any call at any time */
    APP_KINDS
};

/* What one application does, drawn for each end of each connection. */
struct manner {
    enum app_kind kind;
    uint32_t goal;              /* bytes to send */
    uint32_t request, response; /* REQUEST: sizes of both */
    uint32_t write_most, read_most;
    duet_time write_pause, read_pause, linger;
    uint64_t leave_at; /* ABRUPT: so many bytes moved */
    bool aborts;       /* ABRUPT: by abort, else by close */
    bool zero_copy, nodelay, keepalive;
};

struct episode {
    enum duet_sim_fault fault;
    uint8_t host;
    uint32_t number; /* of its fault and host */
    duet_time begin, end;
    uint64_t strength; /* what it means depends on the fault */
    bool is_on;
};

struct plan {
    bool ipv6;
    unsigned host_count;
    uint32_t session_count;
    uint32_t mtu;
    duet_time span;                      /* as drawn; everything begins within it */
    duet_time heal_at;                   /* at most span */
    uint32_t rates[SWARM_PACKET_FAULTS]; /* hits in a million packets */
    struct episode *episodes;
    size_t episode_count;
};

/* ---- parts ---- */

struct packet_slot {
    uint32_t length;
    uint32_t next_free;
    uint16_t flags, checksum_start, checksum_offset;
    uint8_t from, to; /* hosts; from: UINT8_MAX for a stranger */
    uint32_t tag;     /* of the recorder */
};

struct packet_store {
    uint8_t *bytes;
    struct packet_slot *slots;
    uint32_t room; /* bytes a slot */
    uint32_t count, used;
    uint32_t free; /* first free slot, or UINT32_MAX */
};

struct endpoint {
    uint32_t session;
    uint8_t side; /* 0: the client, 1: the server */
    uint8_t host;
    bool is_open;      /* there is a handle */
    bool is_connected; /* or was accepted */
    bool has_shut, has_closed, has_aborted;
    bool has_seen_end;   /* of the peer's stream */
    bool is_early;       /* left before it was connected */
    bool is_over;        /* the final event has come */
    bool is_dead;        /* its host has lost its memory */
    bool must_finish;    /* the network has healed */
    bool knows_error;    /* a call returned the error that ended the connection */
    duet_time wakes_at;  /* that counts */
    duet_time opened_at; /* world time */
    struct duet_handle handle;
    uint64_t sent, received; /* bytes taken from and given to the application */
    uint64_t received_when_over;
    duet_time write_at, read_at, leave_at; /* not before */
    struct manner manner;
    struct prng prng;
    struct duet_outcome outcome;
};

/* One connection as planned, with the endpoints that it led to. */
struct session {
    uint32_t number; /* as the seed counts */
    uint8_t client, server;
    uint8_t tries;        /* to open it */
    bool is_started;      /* or has been given up */
    bool is_deaf;         /* nobody listens */
    bool is_tampered;     /* a middlebox has changed what the ends must agree on */
    bool is_slow;         /* for that reason or for want of memory: not ended in time, but moves */
    uint64_t read_before; /* bytes that both ends had read when it was last looked at */
    duet_time starts_at;
    uint32_t iss;         /* of the client */
    int32_t ends[2];      /* endpoints, SWARM_NONE: not yet */
    uint64_t keys[2];     /* of the streams of client and server */
    uint32_t next_of_iss; /* chain of the table by iss, or UINT32_MAX */
};

/* Where a fault of packets strikes next. */
struct strike {
    uint32_t next;    /* packet number, UINT32_MAX: never */
    uint32_t ordinal; /* hits so far; with a list of hits: place in it */
};

struct replay_copy {
    int32_t slot;
    duet_time sent_at;
};

enum { REPLAY_COPIES = 8 };

/* No packet is under way for longer: below the shortest MSL of any host. */
#define SWARM_LIFETIME (5 * DUET_SECOND)

struct host {
    struct duet_config config;
    struct duet_stack *stack;
    void *memory;
    size_t memory_size;
    uint8_t *snapshot; /* AMNESIA */
    uint8_t number;
    uint32_t boots;
    int32_t *by_index; /* endpoint of a connection's record, SWARM_NONE: none */
    struct duet_handle listener;
    uint32_t scarce; /* EXHAUSTION: this host has little of everything */

    /* its clock */
    duet_time offset;                    /* local time is world time and this */
    duet_time stalled_until, stalled_at; /* world time; what the clock shows meanwhile */
    duet_time lateness;                  /* of timers */
    duet_time wakes_at;                  /* world time of the entry of the agenda that counts */
    uint8_t stalled_apps;

    /* its link */
    duet_time latency;
    duet_time byte_time; /* ns, 0: no bottleneck */
    duet_time queue;     /* time that a packet may wait in the queue */
    duet_time free_at;
    uint32_t mtu; /* of the link now */
    bool hole;    /* no router says so */
    uint8_t out_blocked, in_blocked;
    uint8_t translation;     /* NAT: 0 is the host's own address */
    uint16_t strip, rewrite; /* enum duet_trace_option bits */
    bool strips_all, bleaches;
    bool is_troubled; /* any of these differs from what is usual */

    uint32_t sent; /* packets */
    uint32_t next_strike;
    struct strike strikes[SWARM_PACKET_FAULTS];
    int32_t held; /* MERGE: slot, SWARM_NONE: none */
    struct replay_copy copies[REPLAY_COPIES];
    uint32_t copy_count;
};

/* Of one direction, for a timeline. */
struct timeline_numbers {
    bool is_known, has_clock;
    uint32_t isn;   /* counts as 0 */
    uint32_t clock; /* the first timestamp */
};

enum agenda_what {
    AGENDA_DELIVER, /* slot */
    AGENDA_WAKE,    /* host: a timer of its stack */
    AGENDA_APP,     /* endpoint */
    AGENDA_START,   /* session */
    AGENDA_BEGIN,   /* episode */
    AGENDA_END,     /* episode */
    AGENDA_HEAL,
    AGENDA_RELEASE, /* host: what MERGE holds */
    AGENDA_DEFECT,
    AGENDA_FINISH,  /* every connection has to be over */
    AGENDA_SILENCE, /* nothing may happen any more */
};

struct swarm {
    const struct duet_sim_recipe *recipe;
    struct duet_sim_options options;
    struct duet_sim_result *result;
    struct plan plan;
    duet_time now;
    uint64_t hash;
    struct agenda agenda;
    struct packet_store packets;
    struct host *hosts;
    struct session *sessions; /* those of the recipe, by start */
    uint32_t session_count;
    uint32_t *by_iss; /* first session of a bucket */
    uint32_t iss_buckets;
    struct endpoint *endpoints;
    uint32_t endpoint_count, endpoint_room;
    uint32_t unfinished; /* endpoints that are open and have not been told the end */
    bool has_healed, has_no_memory;
    uint8_t *scratch; /* for applications */
    uint32_t check_countdown;
    unsigned defect_count; /* times the defect has happened */
    struct {
        struct timeline_numbers ours, theirs;
    } timeline;
    jmp_buf escape; /* from a violation */
};

/* ---- violations (oracle.c) ---- */

/* The world has failed: the first violation counts, and the world ends here. */
_Noreturn void swarm_fail(struct swarm *w, int64_t session, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
_Noreturn void swarm_no_memory(struct swarm *w);

/* ---- shared small things ---- */

static inline void swarm_hash(struct swarm *w, uint64_t value)
{
    w->hash = history_add(w->hash, value);
}

static inline void swarm_event(struct swarm *w)
{
    w->result->events++;
}

static inline struct host *endpoint_host(struct swarm *w, const struct endpoint *e)
{
    return &w->hosts[e->host];
}

static inline struct session *endpoint_session(struct swarm *w, const struct endpoint *e)
{
    return &w->sessions[e->session];
}

/* plan.c */
int plan_make(const struct duet_sim_recipe *recipe, struct plan *plan);
void plan_free(struct plan *plan);
void plan_host(const struct swarm *w, struct host *host);
void plan_session(const struct swarm *w, uint32_t number, struct session *session);
void plan_manner(const struct swarm *w, const struct session *session, unsigned side,
                 struct manner *manner);

/* plan_faults.c */
int plan_faults(const struct duet_sim_recipe *recipe, struct plan *plan);

/* run.c */
void swarm_note(struct swarm *w, duet_time at, enum agenda_what what, uint32_t which);

/* host.c */
bool host_start(struct swarm *w, struct host *host);
void host_free(struct host *host);
duet_time host_now(const struct swarm *w, const struct host *host);
void host_settle(struct swarm *w, struct host *host);     /* after anything was done to its stack */
void host_reschedule(struct swarm *w, struct host *host); /* its clock has changed */
void host_wake(struct swarm *w, struct host *host);
void host_input(struct swarm *w, struct host *host, uint32_t slot);
void host_restart(struct swarm *w, struct host *host);
void host_observe(struct swarm *w, struct host *host);
void host_check(struct swarm *w, struct host *host);
struct duet_address host_address(const struct swarm *w, unsigned number);

/* packets.c */
bool packets_open(struct packet_store *store, uint32_t room);
void packets_free(struct packet_store *store);
uint32_t packets_take(struct swarm *w);
void packets_give(struct swarm *w, uint32_t slot);
uint32_t packets_copy(struct swarm *w, uint32_t slot);
static inline uint8_t *packet_bytes(const struct packet_store *store, uint32_t slot)
{
    return store->bytes + (size_t)slot * store->room;
}

/* network.c */
void network_send(struct swarm *w, struct host *from, uint32_t slot, duet_time departure);
void network_deliver(struct swarm *w, uint32_t slot);
void network_pass(struct swarm *w, uint32_t slot, duet_time later);
void network_count(struct swarm *w, enum duet_sim_fault fault, const struct host *host,
                   uint32_t number);
void network_finish_checksum(struct swarm *w, uint32_t slot);

/* faults.c: what strikes single packets */
void faults_open(struct swarm *w, struct host *host);
bool faults_strike(struct swarm *w, struct host *from, uint32_t slot, duet_time *later);

/* weather.c: what lasts for a while */
void weather_begin(struct swarm *w, uint32_t number);
void weather_end(struct swarm *w, uint32_t number);
void weather_heal(struct swarm *w);
bool weather_touch(struct swarm *w, struct host *from, uint32_t slot);
void weather_release(struct swarm *w, struct host *host);

/* app.c */
void app_open_session(struct swarm *w, uint32_t number);
void app_accept(struct swarm *w, struct host *host);
void app_told(struct swarm *w, struct host *host, const struct duet_event *event);
void app_woken(struct swarm *w, uint32_t id);
void app_heal(struct swarm *w);
void app_host_died(struct swarm *w, struct host *host);
void app_stall_over(struct swarm *w, struct host *host);

/* oracle.c */
void oracle_across(struct swarm *w, struct endpoint *e);
/* False: what a middlebox made slow goes on. */
bool oracle_finished(struct swarm *w);
void oracle_end(struct swarm *w);

/* defect.c: what is broken on purpose */
void defect_happen(struct swarm *w);
void defect_touch(struct swarm *w, uint32_t slot);

#endif
