/* SPDX-License-Identifier: MIT */
/* A hierarchical timer wheel: any number of timers, O(1) to arm and to disarm.
 *
 * Nine levels of 64 slots. A tick is 1024 ns; deadlines round up to a tick, so a timer is never
 * early and at most 1.024 us late. A timer further away sits on a higher level and is moved down
 * when its slot comes up, at most eight times in its life. A bitmap a level finds the next slot
 * without a search. The wheel reaches 2^54 ticks, more than there are in an int64_t of nanoseconds.
 *
 * A slot is four chains, by the number of the record (in a small build it is one). When thousands of
 * records that are in no cache move down at once, the processor waits for the next of each chain at the
 * same time.
 *
 * Nodes live inside the caller's records, as the links of list.h do.
 *
 * A timer is often set several times in a row, for a delayed acknowledgement, for what is sent instead
 * of it, for the next one. So what wheel_set() was told last is only noted, and carried out when another
 * timer is set, or when the wheel is asked to expire; whoever asks about a timer is told as if it had
 * been.
 */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/features.h"

#define WHEEL_NONE   UINT32_MAX
#define WHEEL_OFF    (UINT32_MAX - 1) /* in node.next: not armed */
#define WHEEL_LEVELS 9
#define WHEEL_SLOTS  64
#define WHEEL_CHAINS (FEATURE_FAST_PATH ? 4 : 1) /* of a slot */

struct wheel_node {
    uint32_t next, prev; /* WHEEL_OFF in next while not armed; prev may name a slot */
    int64_t deadline;    /* ns */
};

struct wheel {
    uint8_t *nodes; /* address of the node of record 0 */
    size_t stride;
    int64_t tick; /* all ticks up to and including this one have been run */
    struct {
        uint32_t index;   /* WHEEL_NONE: nothing waits to be carried out, */
        int64_t deadline; /* and this is INT64_MAX */
    } noted;
    uint64_t occupied[WHEEL_LEVELS];
    uint32_t slots[WHEEL_LEVELS][WHEEL_SLOTS][WHEEL_CHAINS];
    uint32_t count; /* nodes in slots */
};

void wheel_init(struct wheel *wheel, void *node_of_record_0, size_t stride);
void wheel_node_init(struct wheel_node *node);
bool wheel_is_armed(const struct wheel *wheel, uint32_t index);
/* When an armed timer will be looked at; INT64_MAX: it is not armed. */
int64_t wheel_armed_for(const struct wheel *wheel, uint32_t index);
uint32_t wheel_armed(const struct wheel *wheel); /* timers in all */
/* Arms, or moves, the timer of a record. A deadline in the past is due at once. */
void wheel_arm(struct wheel *wheel, uint32_t index, int64_t deadline);
void wheel_disarm(struct wheel *wheel, uint32_t index); /* harmless if not armed */
/* What was noted last is carried out. */
void wheel_carry_out(struct wheel *wheel);
/* Takes one timer with deadline <= now off the wheel, or says WHEEL_NONE. Earlier ticks first. Call
 * until WHEEL_NONE. Timers armed meanwhile with deadline <= now are found too. */
uint32_t wheel_expire(struct wheel *wheel, int64_t now);
/* No timer is due before this. INT64_MAX: nothing armed. Exact when the earliest timer is on the
 * lowest level, else the time at which its slot must be looked at. */
int64_t wheel_deadline(const struct wheel *wheel);
/* Every armed timer is in exactly one slot, the one that its deadline names. Walks all of them. */
bool wheel_is_sound(const struct wheel *wheel);

void wheel_set_another(struct wheel *wheel, uint32_t index, int64_t deadline);
/* The timer is to run out at the deadline, or before it: a node moves to earlier times only.
 * INT64_MAX: it is disarmed. */
static inline void wheel_set(struct wheel *wheel, uint32_t index, int64_t deadline)
{
    if (wheel->noted.index == index && deadline != INT64_MAX)
        wheel->noted.deadline = deadline;
    else
        wheel_set_another(wheel, index, deadline);
}

#endif
