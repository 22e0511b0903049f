/* SPDX-License-Identifier: MIT */
/* The part that all faults share: choosing packets, holding copies, and being a link. See fault.h.
 */
#include "link/fault/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A held packet that the inner link had no room for is tried again after this. */
#define FAULT_RETRY DUET_MILLISECOND

const char *duet_fault_name(enum duet_fault fault)
{
    switch (fault) {
    case DUET_FAULT_DROP:
        return "drop";
    case DUET_FAULT_DUPLICATE:
        return "duplicate";
    case DUET_FAULT_DELAY:
        return "delay";
    case DUET_FAULT_REORDER:
        return "reorder";
    case DUET_FAULT_CORRUPT:
        return "corrupt";
    case DUET_FAULT_MARK:
        return "mark";
    case DUET_FAULT_MTU:
        return "mtu";
    case DUET_FAULTS:
        break;
    }
    return "unknown";
}

static struct fault *fault_of(struct duet_link *link)
{
    return (struct fault *)(void *)link;
}

static duet_time earlier(duet_time a, duet_time b)
{
    return a < b ? a : b;
}

bool fault_pass(struct fault *fault, duet_time now, const struct duet_packet *packet)
{
    bool sent = fault->inner->send(fault->inner, now, packet);

    fault->link.error = fault->inner->error;
    return sent;
}

/* ---- held packets ---- */

static void insert_by_due(struct fault *fault, struct fault_held *held)
{
    struct fault_held **at = &fault->held;

    while (*at != NULL && (*at)->due <= held->due)
        at = &(*at)->next;
    held->next = *at;
    *at = held;
}

struct fault_held *fault_hold(struct fault *fault, duet_time due, const struct duet_packet *packet)
{
    struct fault_held *held = malloc(sizeof(*held) + packet->length);

    if (held == NULL) {
        fault->link.error = ENOMEM;
        return NULL;
    }
    held->due = due;
    held->packet = *packet;
    held->packet.data = (uint8_t *)(held + 1);
    memcpy(held->packet.data, packet->data, packet->length);
    insert_by_due(fault, held);
    return held;
}

void fault_release(struct fault *fault, duet_time now)
{
    while (fault->held != NULL && fault->held->due <= now) {
        struct fault_held *held = fault->held;

        fault->held = held->next;
        if (fault_pass(fault, held->due, &held->packet)) {
            free(held);
            continue;
        }
        /* Those behind it wait with it, so that a full link does not change their order. */
        held->due = fault_later(now, FAULT_RETRY);
        held->next = fault->held;
        fault->held = held;
        for (struct fault_held *at = held->next; at != NULL && at->due < held->due; at = at->next)
            at->due = held->due;
    }
}

/* ---- choosing ---- */

static bool is_named(const struct duet_fault_choice *choice, uint32_t number)
{
    for (size_t i = 0; i < choice->count; i++)
        if (choice->numbers[i] == number)
            return true;
    return false;
}

/* Draws once a packet whether or not its number is named, so that naming one more packet does not
 * change the luck of all later ones. */
static bool is_chosen(struct fault *fault, const struct duet_packet *packet)
{
    const struct duet_fault_choice *choice = &fault->choice;
    bool lucky = prng_chance(&fault->turn.prng, choice->probability);
    bool too_long = fault->size_max != 0 && packet->length > fault->size_max;

    fault->turn.number++;
    return lucky || too_long || is_named(choice, choice->by_tag ? packet->tag : fault->turn.number);
}

/* ---- being a link ---- */

static bool fault_send(struct duet_link *link, duet_time now, const struct duet_packet *packet)
{
    struct fault *fault = fault_of(link);
    const struct fault_turn before = fault->turn;

    fault_release(fault, now);
    if (is_chosen(fault, packet)) {
        fault->deed = fault->kind;
        if (!fault->strike(fault, now, packet)) {
            fault->turn = before;
            return false;
        }
        if (fault->choice.told != NULL && fault->deed != DUET_FAULTS)
            fault->choice.told(fault->choice.context, fault->deed, now, packet);
        return true;
    }
    if (!fault_pass(fault, now, packet)) {
        fault->turn = before;
        return false;
    }
    if (fault->passed != NULL)
        fault->passed(fault, now);
    return true;
}

static bool fault_receive(struct duet_link *link, duet_time now, struct duet_packet *packet)
{
    struct fault *fault = fault_of(link);
    bool received;

    fault_release(fault, now);
    received = fault->inner->receive(fault->inner, now, packet);
    link->error = fault->inner->error;
    return received;
}

static duet_time fault_deadline(const struct duet_link *link)
{
    const struct fault *fault = (const struct fault *)(const void *)link;
    duet_time inner = fault->inner->deadline(fault->inner);

    return fault->held != NULL ? earlier(inner, fault->held->due) : inner;
}

static int fault_descriptor(const struct duet_link *link)
{
    const struct fault *fault = (const struct fault *)(const void *)link;

    return fault->inner->descriptor(fault->inner);
}

static void fault_close(struct duet_link *link)
{
    struct fault *fault = fault_of(link);

    while (fault->held != NULL) {
        struct fault_held *held = fault->held;

        fault->held = held->next;
        free(held);
    }
    fault->inner->close(fault->inner);
    free(fault);
}

/* ---- making ---- */

struct fault *fault_new(struct duet_link *inner, const struct duet_fault_choice *choice,
                        enum duet_fault kind,
                        bool (*strike)(struct fault *, duet_time, const struct duet_packet *))
{
    struct fault *fault;

    if (!(choice->probability >= 0 && choice->probability <= 1)) { /* NaN too */
        errno = EINVAL;
        return NULL;
    }
    fault = calloc(1, sizeof(*fault));
    if (fault == NULL)
        return NULL;
    fault->link = (struct duet_link){.send = fault_send,
                                     .receive = fault_receive,
                                     .deadline = fault_deadline,
                                     .descriptor = fault_descriptor,
                                     .close = fault_close,
                                     .mtu = inner->mtu,
                                     .offload = inner->offload & ~(uint32_t)DUET_OFFLOAD_GATHER};
    fault->inner = inner;
    fault->kind = kind;
    fault->choice = *choice;
    fault->strike = strike;
    prng_seed(&fault->turn.prng, choice->seed);
    return fault;
}
