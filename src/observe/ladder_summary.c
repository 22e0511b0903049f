/* SPDX-License-Identifier: MIT */
/* What a ladder comes to: who opened, how much went each way, who closed, how long TIME-WAIT
 * lasted. */
#include "observe/ladder.h"

static void count_departure(struct ladder_summary *summary, const struct ladder_arrow *arrow)
{
    const struct tcp_header *header = &arrow->header;
    unsigned end = arrow->from;

    if (arrow->lost != DUET_NEVER)
        summary->lost++;
    if (!arrow->is_tcp || arrow->duplicate || arrow->injected)
        return;
    summary->segments[end]++;
    summary->retransmissions[end] += arrow->retransmission;
    if ((header->flags & (DUET_SYN | DUET_ACK)) == DUET_SYN)
        summary->opened[end] = true;
    if ((header->flags & DUET_FIN) != 0) {
        summary->fin_sent[end] = true;
        if (summary->first_fin == LADDER_BOTH_ENDS)
            summary->first_fin = end;
    }
}

/* Text of each epoch counts once: what lies beyond the largest number seen so far. */
static void count_bytes(struct ladder *ladder)
{
    for (size_t i = 0; i < ladder->pair_count; i++)
        for (unsigned end = 0; end < DUET_RECORDER_ENDS; end++)
            for (unsigned e = 0; e < ladder->pairs[i].from[end].count; e++)
                ladder->pairs[i].from[end].epochs[e].high = 1; /* past the SYN */
    for (size_t i = 0; i < ladder->arrow_count; i++) {
        const struct ladder_arrow *arrow = &ladder->arrows[i];
        struct ladder_direction *direction;

        if (!arrow->is_tcp || arrow->header.text_length == 0 || arrow->injected)
            continue;
        direction = &ladder->pairs[arrow->pair].from[arrow->from];
        for (unsigned e = direction->count; e-- > 0;) {
            struct ladder_epoch *epoch = &direction->epochs[e];
            uint32_t start =
                arrow->header.seq + ((arrow->header.flags & DUET_SYN) != 0) - epoch->isn;
            uint32_t end = start + arrow->header.text_length;

            if (start > epoch->high + LADDER_SLACK)
                continue;
            if (end > epoch->high) {
                ladder->summary.bytes[arrow->from] += end - epoch->high;
                epoch->high = end;
            }
            break;
        }
    }
}

static void count_moment(struct ladder *ladder, const struct ladder_moment *moment)
{
    struct ladder_summary *summary = &ladder->summary;
    unsigned end = moment->end;

    if (end == LADDER_BOTH_ENDS)
        return;
    if (moment->kind == LADDER_DEPARTURE)
        count_departure(summary, &ladder->arrows[moment->arrow]);
    if (moment->after == DUET_ESTABLISHED)
        summary->established[end] = true;
    if (moment->kind == LADDER_ARRIVAL && moment->after == DUET_CLOSED &&
        moment->before != DUET_CLOSED &&
        (ladder->arrows[moment->arrow].header.flags & DUET_RST) != 0)
        summary->reset_by = ladder->arrows[moment->arrow].from;
    if (moment->after == DUET_TIME_WAIT && moment->before != DUET_TIME_WAIT)
        summary->time_wait_from[end] = moment->time;
    if (moment->before == DUET_TIME_WAIT && moment->after != DUET_TIME_WAIT &&
        summary->time_wait_from[end] != DUET_NEVER)
        summary->time_wait_for[end] = moment->time - summary->time_wait_from[end];
}

/* Both closed at once if neither FIN had arrived when the other left. */
static bool fins_crossed(const struct ladder *ladder)
{
    duet_time sent[DUET_RECORDER_ENDS] = {DUET_NEVER, DUET_NEVER};
    duet_time arrived[DUET_RECORDER_ENDS] = {DUET_NEVER, DUET_NEVER};

    for (size_t i = 0; i < ladder->arrow_count; i++) {
        const struct ladder_arrow *arrow = &ladder->arrows[i];

        if (!arrow->is_tcp || arrow->injected || (arrow->header.flags & DUET_FIN) == 0)
            continue;
        if (arrow->sent < sent[arrow->from])
            sent[arrow->from] = arrow->sent;
        if (arrow->arrived < arrived[arrow->from])
            arrived[arrow->from] = arrow->arrived;
    }
    return sent[0] != DUET_NEVER && sent[1] != DUET_NEVER && sent[0] < arrived[1] &&
           sent[1] < arrived[0];
}

void ladder_summarise(struct ladder *ladder)
{
    ladder->summary = (struct ladder_summary){
        .first_fin = LADDER_BOTH_ENDS,
        .reset_by = LADDER_BOTH_ENDS,
        .time_wait_from = {DUET_NEVER, DUET_NEVER},
        .time_wait_for = {DUET_NEVER, DUET_NEVER},
    };
    for (size_t i = 0; i < ladder->moment_count; i++)
        count_moment(ladder, &ladder->moments[i]);
    ladder->summary.both_fins_crossed = fins_crossed(ladder);
    count_bytes(ladder);
}
