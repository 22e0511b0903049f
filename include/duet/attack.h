/* SPDX-License-Identifier: MIT */
/* The attack table: what hostile peers and strangers have done to other stacks, played against
 * this one in process and in virtual time. docs/ATTACKS.md shows it with the results of the last
 * run; `duet attack` runs it.
 *
 * A row has no side effects beyond the memory that it frees again, but a broken stack may crash or
 * never return: whoever runs rows in earnest does so in a process of their own, as `duet attack`
 * does.
 */
#ifndef DUET_ATTACK_H
#define DUET_ATTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stack.h"

#ifdef __cplusplus
extern "C" {
#endif

enum duet_attack_verdict {
    DUET_ATTACK_PASSED,
    DUET_ATTACK_FAILED,
    DUET_ATTACK_NOT_APPLICABLE, /* duet does not contain what this attacks */
};

struct duet_attack {
    const char *id;     /* "A1": section and number */
    const char *title;  /* what it is */
    const char *safe;   /* what a safe stack does */
    const char *absent; /* why it is not applicable yet; NULL: it is run */
};

unsigned duet_attack_count(void);
const struct duet_attack *duet_attack_at(unsigned index); /* NULL past the end */

struct duet_attack_result {
    enum duet_attack_verdict verdict;
    uint64_t packets, bytes; /* that were sent to the stack */
    uint64_t answers;        /* packets that came back */
    uint64_t steps; /* most that one packet took, in or out, in a build that counts them; else 0 */
    char sent[256]; /* in words */
    char did[320];  /* what the stack did; of a failure, the first thing that was wrong */
};

/* No packet may take more steps, in or out: basic blocks of base, wire and core, loops included. Most
 * take less than a thousand. The dearest are acknowledgements of what was lost, sent again and SACKed
 * piece by piece (rows B9 and D4); they are followed as far as 48 segments at a time (tcp_flight.h). */
#define DUET_ATTACK_STEPS_MOST 12000

/* Runs one row; the same seed sends the same packets. Quick: rows that send tens of millions of
 * packets, or play tens of thousands of peers, make do with a part of them. */
void duet_attack_run(unsigned index, uint64_t seed, bool quick, struct duet_attack_result *result);

/* Memory of this process that no file stands behind, in KB, for who measures what an attack makes
 * grow: code that runs for the first time is no growth. 0 where the system does not say. Uses some
 * itself the first time. */
long duet_attack_memory_kb(void);

/* ---- the long campaign ---- */

/* Blind segments and ICMP errors at live connections whose ports the attacker is granted: RST, SYN,
 * data, FIN and errors with sequence numbers drawn at random. */
struct duet_attack_campaign {
    uint64_t injections;
    uint64_t wrong;         /* of them, wrong by construction: whatever the numbers, no effect */
    uint64_t effects;       /* connections that ended, bytes that were delivered, sizes that sank */
    uint64_t wrong_effects; /* of those, by an injection that was wrong by construction */
    double expected;        /* effects that chance allows, from the width of what is accepted */
    double expected_at_least; /* with six standard deviations to either side */
    double expected_at_most;
};
/* Returns 0, or -1 if a stack cannot be made. */
int duet_attack_campaign(uint64_t injections, uint64_t seed, struct duet_attack_campaign *result);

#ifdef __cplusplus
}
#endif
#endif
