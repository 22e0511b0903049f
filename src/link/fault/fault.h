/* SPDX-License-Identifier: MIT */
/* What all faults share: a link around a link that counts the packets sent through it, chooses
 * which of them are hit, and can hold copies back for a while.
 *
 * A fault is then one function, strike(), told to do its deed to one packet. Choosing is a matter
 * of numbers and of a seeded generator only, so the same seed and the same packets give the same
 * run. A packet that the inner link has no room for has not been sent: its number and its luck are
 * given back, and it gets the same ones when it is tried again.
 */
#ifndef LINK_FAULT_H
#define LINK_FAULT_H

#include "base/prng.h"
#include "duet/link.h"

/* A copy of a packet, to be sent at due. */
struct fault_held {
    struct fault_held *next;
    duet_time due;
    struct duet_packet packet; /* data points behind this struct */
};

struct fault {
    struct duet_link link; /* first, so that a link is a fault */
    struct duet_link *inner;
    enum duet_fault kind;
    enum duet_fault
        deed; /* what strike did: kind, unless it says otherwise; DUET_FAULTS: nothing */
    /* Does the deed. False: the packet could not be sent, nothing has happened. */
    bool (*strike)(struct fault *fault, duet_time now, const struct duet_packet *packet);
    /* A packet that was not chosen has been sent. May be NULL. */
    void (*passed)(struct fault *fault, duet_time now);
    bool spare_others; /* of a marking: what cannot be marked passes */
    duet_time time;    /* of a delay: how long; of a reordering: at most how long */
    uint32_t size_max; /* a longer packet is hit; 0: size does not matter */

    struct duet_fault_choice choice;
    struct fault_turn {
        uint32_t number; /* packets sent so far */
        struct prng prng;
    } turn;
    struct fault_held *held; /* by due; of equal ones the first held is first */
};

/* Makes a fault around inner that does strike; NULL and errno (EINVAL, ENOMEM) on failure, and
 * inner then still belongs to the caller. The maker may set passed, time, size_max and
 * link.offload afterwards. */
struct fault *fault_new(struct duet_link *inner, const struct duet_fault_choice *choice,
                        enum duet_fault kind,
                        bool (*strike)(struct fault *, duet_time, const struct duet_packet *));

/* at + more, but never past DUET_NEVER. */
static inline duet_time fault_later(duet_time at, duet_time more)
{
    return at > DUET_NEVER - more ? DUET_NEVER : at + more;
}

/* Sends the packet through the inner link. */
bool fault_pass(struct fault *fault, duet_time now, const struct duet_packet *packet);

/* Keeps a copy to be sent at due. NULL: no memory, link.error says so. */
struct fault_held *fault_hold(struct fault *fault, duet_time due, const struct duet_packet *packet);

/* Sends what is held and due by now, each as if at its due time. */
void fault_release(struct fault *fault, duet_time now);

#endif
