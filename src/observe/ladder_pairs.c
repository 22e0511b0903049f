/* SPDX-License-Identifier: MIT */
/* Which connection a packet belongs to, and sequence numbers as people count them: from the
 * initial sequence number of their direction, with 0 for the SYN.
 *
 * A number is looked for in the newest epoch first. It belongs there if it lies at most
 * LADDER_SLACK beyond what was sent in it, or a little before its start (a keep-alive probe, an
 * old acknowledgement).
 */
#include <stdlib.h>
#include <string.h>

#include "observe/ladder.h"

enum { SLACK_BEFORE = 1 << 10 };

size_t ladder_pair_of(struct ladder *ladder, unsigned end, uint16_t local, uint16_t remote)
{
    uint16_t ports[DUET_RECORDER_ENDS];
    struct ladder_pair *moved;

    ports[end] = local;
    ports[1 - end] = remote;
    for (size_t i = 0; i < ladder->pair_count; i++)
        if (memcmp(ladder->pairs[i].ports, ports, sizeof ports) == 0)
            return i;
    moved = realloc(ladder->pairs, (ladder->pair_count + 1) * sizeof *moved);
    if (moved == NULL)
        return LADDER_NONE;
    ladder->pairs = moved;
    memset(&moved[ladder->pair_count], 0, sizeof *moved);
    memcpy(moved[ladder->pair_count].ports, ports, sizeof ports);
    return ladder->pair_count++;
}

uint32_t ladder_end_of(const struct tcp_header *header)
{
    return header->seq + header->text_length + ((header->flags & DUET_SYN) != 0) +
           ((header->flags & DUET_FIN) != 0);
}

static void add_epoch(struct ladder_direction *direction, uint32_t isn, bool oldest)
{
    struct ladder_epoch epoch = {.isn = isn};
    unsigned at;

    if (direction->count == LADDER_EPOCHS_MAX) {
        direction->count--;
        memmove(&direction->epochs[0], &direction->epochs[1], direction->count * sizeof epoch);
    }
    at = oldest ? 0 : direction->count;
    memmove(&direction->epochs[at + 1], &direction->epochs[at],
            (direction->count - at) * sizeof epoch);
    direction->epochs[at] = epoch;
    direction->count++;
}

/* The index of the epoch a number belongs to, or count. */
static unsigned find_epoch(const struct ladder_direction *direction, uint32_t value)
{
    for (unsigned i = direction->count; i-- > 0;) {
        uint32_t offset = value - direction->epochs[i].isn;

        if (offset <= direction->epochs[i].high + LADDER_SLACK ||
            offset > UINT32_MAX - SLACK_BEFORE)
            return i;
    }
    return direction->count;
}

void ladder_learn_isn(struct ladder_direction *direction, uint32_t isn, bool injected)
{
    for (unsigned i = 0; i < direction->count; i++)
        if (direction->epochs[i].isn == isn)
            return;
    add_epoch(direction, isn, injected);
}

void ladder_learn(struct ladder_direction *direction, const struct tcp_header *header,
                  bool injected)
{
    unsigned at;
    uint32_t high;

    if ((header->flags & DUET_SYN) != 0)
        ladder_learn_isn(direction, header->seq, injected);
    at = find_epoch(direction, header->seq);
    if (injected || at == direction->count)
        return;
    high = ladder_end_of(header) - direction->epochs[at].isn;
    if (high > direction->epochs[at].high && high <= direction->epochs[at].high + LADDER_SLACK)
        direction->epochs[at].high = high;
}

struct ladder_number ladder_number(const struct ladder *ladder,
                                   const struct ladder_direction *direction, uint32_t value)
{
    unsigned at = ladder->absolute ? direction->count : find_epoch(direction, value);

    if (at == direction->count)
        return (struct ladder_number){.value = value, .base = LADDER_ABSOLUTE};
    return (struct ladder_number){
        .value = value - direction->epochs[at].isn,
        .base = at + 1 == direction->count ? LADDER_RELATIVE : LADDER_OLD,
    };
}
