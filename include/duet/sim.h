/* SPDX-License-Identifier: MIT */
/* Simulation: worlds of 2 to 64 hosts under one virtual clock, each made from a seed, with
 * applications that talk and a network that does its worst, and with judges who watch.
 *
 *     struct duet_sim_recipe recipe = {.seed = 42};
 *     struct duet_sim_result result;
 *     duet_sim_run(&recipe, NULL, &result);
 *     if (result.failed)
 *         puts(result.violation);       "I-14: connection 3: byte 512 of the client's stream ..."
 *
 * The seed chooses everything: hosts, their configurations, applications, the network and what it
 * does. Then the network heals, and everything must finish. The same recipe is the same history, on
 * every machine and with every compiler; duet_sim_result.hash tells. docs/SIMULATION.md says what a
 * world is made of.
 *
 * Allocates with malloc and frees what it allocates. One world at a time in a process.
 */
#ifndef DUET_SIM_H
#define DUET_SIM_H

#include <stdio.h>

#include "observe.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what a network, a clock or a host may do ---- */

/* DUET_SIM_FAULT(name, text, sentence), in the order of docs/SIMULATION.md. Those up to
 * DUET_SIM_REPLAY happen to packets, those after it to hosts and last for a while. */
#define DUET_SIM_FAULT_TABLE(FAULT)                                                                \
    FAULT(LOSS, "loss", "a packet is lost")                                                        \
    FAULT(DUPLICATE, "duplicate", "a packet arrives twice, the copy later")                        \
    FAULT(REORDER, "reorder", "a packet is overtaken by those sent up to half a second after it")  \
    FAULT(JITTER, "jitter", "a packet takes up to 20 ms longer")                                   \
    FAULT(CORRUPT, "corrupt", "bits of one 16-bit word are flipped")                               \
    FAULT(TRUNCATE, "truncate", "the end of a packet is cut off")                                  \
    FAULT(PAD, "pad", "a packet arrives with bytes behind its end")                                \
    FAULT(SPLIT, "split", "a middlebox cuts a segment in two")                                     \
    FAULT(MERGE, "merge", "a middlebox joins a segment with the one after it")                     \
    FAULT(MARK, "mark", "a router marks a packet that is ECN-capable")                             \
    FAULT(INJECT_RST, "inject-rst", "a stranger who knows the ports sends RST")                    \
    FAULT(INJECT_SYN, "inject-syn", "a stranger who knows the ports sends SYN")                    \
    FAULT(INJECT_DATA, "inject-data", "a stranger who knows the ports sends text")                 \
    FAULT(INJECT_ICMP, "inject-icmp", "a stranger sends an ICMP error")                            \
    FAULT(REPLAY, "replay", "a packet arrives again within a segment lifetime")                    \
    FAULT(BURST_LOSS, "burst-loss", "everything that a host sends is lost for up to 2 s")          \
    FAULT(MTU_CHANGE, "mtu-change", "a link takes only smaller packets, and a router says so")     \
    FAULT(BLACK_HOLE, "black-hole", "a link takes only smaller packets, and nobody says so")       \
    FAULT(RATE_LIMIT, "rate-limit", "a host's link is slow and its queue short")                   \
    FAULT(DEEP_BUFFER, "deep-buffer", "a host's link is slow and its queue holds seconds")         \
    FAULT(ONE_WAY, "one-way", "nothing that a host sends arrives")                                 \
    FAULT(PARTITION, "partition", "a host is cut off")                                             \
    FAULT(FLAP, "flap", "a host's link goes down and up again, several times")                     \
    FAULT(NAT, "nat", "a translator forgets a host: from now on it has another address")           \
    FAULT(STRIP, "strip", "a middlebox removes TCP options")                                       \
    FAULT(REWRITE, "rewrite", "a middlebox changes the values of TCP options")                     \
    FAULT(BLEACH, "bleach", "a middlebox clears the ECN field")                                    \
    FAULT(CLOCK_JUMP, "clock-jump", "a host's clock jumps, forward or back")                       \
    FAULT(CLOCK_STALL, "clock-stall", "a host's clock stands still")                               \
    FAULT(LATE_TIMERS, "late-timers", "a host runs its timers late")                               \
    FAULT(EXHAUSTION, "exhaustion", "a host's pools are small and run empty")                      \
    FAULT(STALL, "stall", "the applications of a host do nothing")                                 \
    FAULT(RESTART, "restart", "a host loses power and forgets everything")

enum duet_sim_fault {
#define DUET_SIM_FAULT_ENUM(name, text, sentence) DUET_SIM_##name,
    DUET_SIM_FAULT_TABLE(DUET_SIM_FAULT_ENUM)
#undef DUET_SIM_FAULT_ENUM
        DUET_SIM_FAULTS
};
const char *duet_sim_fault_name(unsigned fault);     /* "burst-loss" */
const char *duet_sim_fault_sentence(unsigned fault); /* what it does */

/* A judge must be able to find fault: each of these breaks a world in a way that one of them is
 * there to see. */
enum duet_sim_defect {
    DUET_SIM_SOUND,
    DUET_SIM_FORGED_BYTE, /* the network changes a byte of text and mends the checksum */
    DUET_SIM_LOST_BYTE,   /* an application loses a byte between two sends */
    DUET_SIM_LEAK,        /* an application never closes its connection */
    DUET_SIM_AMNESIA,     /* a host's memory goes back to what it was 100 ms ago */
    DUET_SIM_NOISE,       /* the network sends a segment again and again, for ever */
    DUET_SIM_DEFECTS
};
const char *duet_sim_defect_name(unsigned defect); /* "forged-byte" */

/* ---- which world ---- */

/* One thing that went wrong for one host: packet number of those that it sent (from 1), or the
 * number of the episode (from 0). */
struct duet_sim_hit {
    uint8_t fault; /* enum duet_sim_fault */
    uint8_t host;
    uint32_t number;
};

/* A seed, and what is left out of the world that it stands for. Zero is "as the seed says". What is
 * left out does not change what the seed chooses for the rest. */
struct duet_sim_recipe {
    uint64_t seed;
    bool plain;            /* every fault at its usual rate, instead of some at rates of the seed */
    uint64_t faults_off;   /* bit i: enum duet_sim_fault i does not happen */
    uint32_t *connections; /* with connection_count: only these */
    uint32_t connection_count;
    struct duet_sim_hit *hits; /* with has_hits: only these happen, in order of their numbers */
    uint32_t hit_count;
    bool has_hits;
    uint32_t bytes_max; /* no application sends more */
    duet_time heal_at;  /* the network heals then, if that is earlier */
    uint8_t defect;     /* enum duet_sim_defect */
};

/* As text: "42", "42 plain without=loss,nat connections=3,17 hits=loss:0:12,flap:1:0 bytes=100
 * heal=1500000 defect=leak" (heal in us). Parse returns 0, or -1 with a sentence in problem. Free
 * what parse and copy (0, or -1: no memory) have made. */
int duet_sim_recipe_parse(const char *text, struct duet_sim_recipe *recipe, char *problem,
                          size_t problem_size);
int duet_sim_recipe_print(const struct duet_sim_recipe *recipe, FILE *to);
int duet_sim_recipe_copy(const struct duet_sim_recipe *recipe, struct duet_sim_recipe *copy);
void duet_sim_recipe_free(struct duet_sim_recipe *recipe);

/* ---- running ---- */

enum duet_sim_check {
    DUET_SIM_CHECK_CHEAP, /* what costs no more than the event; the rest now and then */
    DUET_SIM_CHECK_ALL,   /* everything after every event */
};

/* Told of each fault that happens; for shrinking. */
struct duet_sim_hits {
    struct duet_sim_hit *hits;
    size_t count, room;
    bool lost; /* there was no memory for all of them */
};

struct duet_sim_options {
    enum duet_sim_check check;
    /* What passes between the two hosts of a connection goes here, with their traces; may be NULL.
     * For worlds of one connection. */
    struct duet_recorder *recorder;
    uint64_t record_from;       /* from this event on */
    struct duet_sim_hits *hits; /* may be NULL */
    /* What one end of the one connection saw and did, as a timeline for duet_script_run; may be
     * NULL. It may leave out what a timeline cannot say. */
    FILE *timeline;
    unsigned timeline_end; /* 0: the client's, 1: the server's */
};

struct duet_sim_result {
    bool failed;
    char violation[240]; /* begins with the invariant: "I-14: ..." */
    duet_time failed_at; /* virtual */
    uint64_t failed_event;
    int64_t connection; /* whose it is, or -1 */
    uint64_t hash;      /* of the whole history */
    unsigned hosts;
    uint64_t connections;      /* opened */
    duet_time connection_time; /* sum of their lives, TIME-WAIT included */
    uint64_t events;           /* packets in and out of stacks, timers run, user calls */
    uint64_t packets, bytes;   /* sent by stacks; read by applications */
    uint64_t faults[DUET_SIM_FAULTS];
    duet_time duration;                              /* virtual */
    uint64_t clean, reset, refused, timed_out, lost; /* ends by outcome; lost: with their host */
};

/* Makes the world, lets it happen, and judges. Returns 0, failed or not; -1 with errno ENOMEM or
 * EINVAL when there is no such world. options may be NULL. */
int duet_sim_run(const struct duet_sim_recipe *recipe, const struct duet_sim_options *options,
                 struct duet_sim_result *result);

/* ---- shrinking ---- */

struct duet_sim_shrinking {
    /* Runs a world as duet_sim_run does, in this process or, where worlds may end a process, in
     * another one. */
    int (*run)(void *context, const struct duet_sim_recipe *recipe, struct duet_sim_result *result);
    /* What has been reached; may be NULL. */
    void (*told)(void *context, unsigned runs, const struct duet_sim_recipe *best);
    void *context;
    enum duet_sim_check check;
    unsigned runs_most;
};

/* The smallest world found that fails the way recipe does: fewer connections, faults and bytes, less
 * time. Free smallest. If recipe does not fail, smallest is a copy and result says so. Returns 0, or
 * -1 with errno ENOMEM. */
int duet_sim_shrink(const struct duet_sim_recipe *recipe, const struct duet_sim_shrinking *how,
                    struct duet_sim_recipe *smallest, struct duet_sim_result *result);

#ifdef __cplusplus
}
#endif
#endif
