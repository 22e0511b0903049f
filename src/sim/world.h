/* SPDX-License-Identifier: MIT */
/* A world: two hosts, the network between them and one virtual clock.
 *
 * A host is a stack, its block of memory and a chain of links: a tee that records, faults, and one
 * end of a wire. Users (actors, an attacker) sit on hosts and are asked to act. The world delivers
 * packets, runs timers, lets users act and sends what is owed, always in the same order, until
 * nothing is left to do at this instant; then the clock jumps to the next thing that will happen.
 * Nothing depends on anything but the options, so the same options give the same history, and four
 * minutes of TIME-WAIT pass in no time.
 *
 * The run is bounded in virtual time and in turns: a world that goes on for ever has a defect.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdarg.h>

#include "duet/observe.h"
#include "duet/scenario.h"

enum { WORLD_HOSTS = DUET_RECORDER_ENDS };
enum { WORLD_PORT = 4242 }; /* where servers listen; no protocol that Wireshark would look for */
enum { WORLD_USERS_MAX = 4, WORLD_FAULTS_MAX = DUET_SCENARIO_FAULTS_MAX + 8 };

enum { WORLD_EVERY_PACKET = 0 }; /* as the packet of a fault */
enum { WORLD_RUN_MAX = 16 };

/* What the network does. Packets are counted over both hosts, or among those that one host sends:
 * then the count does not depend on what the other sends meanwhile. */
struct world_fault {
    enum duet_fault fault;
    uint32_t packet; /* counted from 1, or WORLD_EVERY_PACKET */
    uint32_t run;    /* so many packets, from that one on; 1 .. WORLD_RUN_MAX */
    bool of_host;    /* packet is counted among those that host sends */
    unsigned host;
    duet_time delay; /* DELAY */
    uint32_t mtu;    /* MTU: longer packets vanish; packet and run mean nothing */
};

struct world;

/* Where a test may put its hand in; any of them may be NULL. */
struct world_hooks {
    void *context;
    /* A host is about to start, for the boot-th time; what it starts with may be changed. */
    void (*configure)(void *context, unsigned host, uint64_t boot, struct duet_config *config);
    /* Its stack is there. */
    void (*started)(void *context, unsigned host, struct duet_stack *stack);
    /* The clock of a host is so far from the world's; asked before each door. */
    duet_time (*clock)(void *context, unsigned host);
    /* Timers of a host run so much too late. */
    duet_time (*lateness)(void *context, unsigned host);
    /* Does the packet get onto the link? */
    bool (*sends)(void *context, unsigned host);
    /* The world has come to its end, or has failed; it is still there. */
    void (*ended)(void *context, struct world *world);
    uint32_t turns_max; /* 0: the world's */
};

/* Somebody who lives on a host and acts when it is time. The first member of a larger struct. */
struct world_user {
    /* Does what is to be done now. True if anything was done. */
    bool (*act)(struct world_user *user);
    /* Hears of an event of the host's stack; may be NULL. */
    void (*told)(struct world_user *user, const struct duet_event *event);
    /* When act has something to do without anything happening before, or DUET_NEVER. */
    duet_time (*deadline)(const struct world_user *user);
    struct world *world;
    unsigned host;
};

struct world_options {
    uint64_t seed;
    duet_time latency;
    bool ipv6;
    const struct world_fault *faults;
    size_t fault_count;
    uint32_t receive_buffer[WORLD_HOSTS]; /* 0: the default */
    bool no_timestamps;                   /* neither host offers them */
    bool asks_for_ecn;                    /* the client does */
    const struct world_hooks *hooks;      /* NULL: none */
    struct duet_recorder *recorder;
    duet_time time_max; /* of virtual time */
    uint32_t turns_max;
};

/* Makes a world, or returns -1 with errno (ENOMEM, EINVAL: an option is out of its range). */
int world_new(const struct world_options *options, struct world **made);
void world_free(struct world *world);

/* The user stays the caller's and must live as long as the world. */
void world_add_user(struct world *world, struct world_user *user, unsigned host);

/* Runs until nothing is left to happen. Returns 0, or -1 when the world failed. */
int world_run(struct world *world);

/* Why the world failed, or "" if it did not. The first failure counts. */
const char *world_problem(const struct world *world);
void world_fail(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));

duet_time world_now(const struct world *world);
duet_time world_clock(const struct world *world, unsigned host); /* what the host takes for now */
uint64_t world_seed(const struct world *world);
uint32_t world_packets(const struct world *world); /* sent so far by all hosts */
struct duet_stack *world_stack(const struct world *world, unsigned host);
struct duet_address world_address(const struct world *world, unsigned host);
const char *world_name(unsigned host); /* "client", "server" */

/* Hands the host's trace to the recorder. After each call of a user on a stack. */
void world_observe(struct world *world, unsigned host);

/* A word of the story for the recorder. */
void world_note(struct world *world, const char *text);

/* Host number loses power and starts again: its stack forgets everything and has a new secret. */
void world_reboot(struct world *world, unsigned number);

/* A packet of unknown origin reaches the host; at most 65536 bytes. */
void world_inject(struct world *world, unsigned host, const uint8_t *bytes, uint32_t length);

#endif
