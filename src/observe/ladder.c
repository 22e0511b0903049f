/* SPDX-License-Identifier: MIT */
/* From a recording to the ladder model (ladder.h): the walk over the records, and what packets
 * do. What the ends say of themselves is in ladder_trace.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "observe/ladder.h"

/* Milliseconds are enough for a recording in which nothing lies further than this behind one:
 * timers in virtual time run out a tick late, and that is not worth three more digits. */
#define COARSE (100 * DUET_MICROSECOND)

struct ladder_moment *ladder_add_moment(struct ladder_reader *reader, enum ladder_kind kind,
                                        duet_time time, unsigned end, size_t pair)
{
    struct ladder *ladder = reader->ladder;
    struct ladder_moment *moment = &ladder->moments[ladder->moment_count];

    *moment = (struct ladder_moment){
        .kind = kind,
        .time = time,
        .end = end,
        .pair = pair,
        .arrow = LADDER_NONE,
        .time_wait_until = DUET_NEVER,
    };
    if (end != LADDER_BOTH_ENDS) {
        moment->before = moment->after = ladder_state_of(reader, end, pair);
        moment->inferred = reader->inferred[end];
        if (pair != LADDER_NONE) {
            moment->tcb = ladder->pairs[pair].tcb[end];
            reader->last_pair[end] = pair;
        }
        reader->context[end] = ladder->moment_count;
    }
    ladder->moment_count++;
    return moment;
}

/* Parses what it can; anything else stays an arrow without numbers. */
static void parse(struct ladder *ladder, struct ladder_arrow *arrow)
{
    const struct record *packet = arrow->packet;

    if (ip_parse(packet->u.packet.bytes, packet->u.packet.length, &arrow->ip) != IP_OK)
        return;
    if (arrow->ip.protocol != IP_PROTOCOL_TCP ||
        tcp_parse(arrow->ip.payload, arrow->ip.payload_length, &arrow->header) != TCP_WIRE_OK)
        return;
    arrow->is_tcp = true;
    arrow->pair = ladder_pair_of(ladder, arrow->from, arrow->header.source_port,
                                 arrow->header.destination_port);
}

static void number(struct ladder *ladder, struct ladder_arrow *arrow)
{
    struct ladder_pair *pair = &ladder->pairs[arrow->pair];
    const struct tcp_header *header = &arrow->header;

    ladder_learn(&pair->from[arrow->from], header, arrow->injected);
    arrow->seq = ladder_number(ladder, &pair->from[arrow->from], header->seq);
    arrow->end = arrow->seq;
    arrow->end.value += header->text_length;
    arrow->ack = ladder_number(ladder, &pair->from[arrow->to], header->ack);
    for (unsigned i = 0; i < header->options.sack_count; i++) {
        const struct tcp_sack_range *range = &header->options.sack[i];

        arrow->sack[i][0] = ladder_number(ladder, &pair->from[arrow->to], range->left);
        arrow->sack[i][1] = ladder_number(ladder, &pair->from[arrow->to], range->right);
    }
}

static struct ladder_arrow *add_arrow(struct ladder *ladder, const struct record *packet,
                                      unsigned from)
{
    struct ladder_arrow *arrow = &ladder->arrows[ladder->arrow_count++];

    *arrow = (struct ladder_arrow){
        .from = from,
        .to = 1 - from,
        .tag = packet->tag,
        .departure = LADDER_NONE,
        .arrival = LADDER_NONE,
        .sent = DUET_NEVER,
        .arrived = DUET_NEVER,
        .lost = DUET_NEVER,
        .packet = packet,
        .pair = LADDER_NONE,
    };
    return arrow;
}

static int read_sent(struct ladder_reader *reader, const struct record *record)
{
    struct ladder *ladder = reader->ladder;
    size_t index = ladder->arrow_count;
    struct ladder_arrow *arrow = add_arrow(ladder, record, record->end);
    struct ladder_moment *moment;

    parse(ladder, arrow);
    if (arrow->is_tcp && arrow->pair == LADDER_NONE)
        return -1;
    if (arrow->is_tcp)
        number(ladder, arrow);
    arrow->sent = record->time;
    arrow->departure = ladder->moment_count;
    reader->by_tag[record->tag] = index;
    moment = ladder_add_moment(reader, LADDER_DEPARTURE, record->time, record->end, arrow->pair);
    moment->arrow = index;
    moment->packet = record;
    ladder_match_early(reader, index);
    return 0;
}

/* The arrow of which this is the arrival: the one that left, a further copy of it, or one that
 * nobody sent. NULL: no memory. */
static struct ladder_arrow *arriving(struct ladder_reader *reader, const struct record *record)
{
    struct ladder *ladder = reader->ladder;
    size_t known =
        record->tag <= ladder->recorder->last_tag ? reader->by_tag[record->tag] : LADDER_NONE;
    struct ladder_arrow *arrow;

    if (known != LADDER_NONE && ladder->arrows[known].arrival == LADDER_NONE)
        return &ladder->arrows[known];
    if (known != LADDER_NONE) {
        arrow = &ladder->arrows[ladder->arrow_count++];
        *arrow = ladder->arrows[known];
        arrow->departure = LADDER_NONE;
        arrow->duplicate = true;
        return arrow;
    }
    arrow = add_arrow(ladder, record, 1 - record->end);
    arrow->injected = !ladder->recorder->ends[arrow->from].inferred;
    parse(ladder, arrow);
    if (arrow->is_tcp && arrow->pair == LADDER_NONE)
        return NULL;
    if (arrow->is_tcp)
        number(ladder, arrow);
    return arrow;
}

static int read_arrived(struct ladder_reader *reader, const struct record *record)
{
    struct ladder_arrow *arrow = arriving(reader, record);
    struct ladder_moment *moment;

    if (arrow == NULL)
        return -1;
    arrow->arrived = record->time;
    arrow->lost = DUET_NEVER;
    arrow->arrival = reader->ladder->moment_count;
    moment = ladder_add_moment(reader, LADDER_ARRIVAL, record->time, record->end, arrow->pair);
    moment->arrow = (size_t)(arrow - reader->ladder->arrows);
    moment->packet = record;
    return 0;
}

static void read_fault(struct ladder_reader *reader, const struct record *record)
{
    size_t known = record->tag <= reader->ladder->recorder->last_tag ? reader->by_tag[record->tag]
                                                                     : LADDER_NONE;
    struct ladder_arrow *arrow;

    if (known == LADDER_NONE)
        return;
    arrow = &reader->ladder->arrows[known];
    arrow->faults[record->u.fault] = true;
    bool is_lost = record->u.fault == DUET_FAULT_DROP || record->u.fault == DUET_FAULT_MTU;
    if (is_lost && arrow->arrival == LADDER_NONE)
        arrow->lost = record->time;
}

static int walk(struct ladder_reader *reader)
{
    const struct duet_recorder *recorder = reader->ladder->recorder;

    for (size_t i = 0; i < recorder->count; i++) {
        const struct record *record = &recorder->records[i];

        switch (record->kind) {
        case RECORD_SENT:
            if (read_sent(reader, record) != 0)
                return -1;
            break;
        case RECORD_ARRIVED:
            if (read_arrived(reader, record) != 0)
                return -1;
            break;
        case RECORD_FAULT:
            read_fault(reader, record);
            break;
        case RECORD_TRACE:
            ladder_read_trace(reader, record->end, &record->u.trace);
            break;
        case RECORD_NOTE:
            ladder_add_moment(reader, LADDER_NOTE, record->time, LADDER_BOTH_ENDS, LADDER_NONE)
                ->note = record->u.note;
            break;
        case RECORD_STATE:
            ladder_read_state(reader, record);
            break;
        }
    }
    return 0;
}

bool ladder_is_shown(const struct ladder_moment *moment)
{
    return !moment->minor || moment->before != moment->after;
}

static void settle_times(struct ladder *ladder)
{
    if (ladder->moment_count == 0)
        return;
    ladder->origin = ladder->moments[0].time;
    for (size_t i = 0; i < ladder->moment_count; i++)
        if (ladder_is_shown(&ladder->moments[i]) &&
            (ladder->moments[i].time - ladder->origin) % DUET_MILLISECOND >= COARSE)
            ladder->microseconds = true;
}

static int allocate(struct ladder_reader *reader)
{
    struct ladder *ladder = reader->ladder;
    /* A record makes at most one moment and one arrow. */
    size_t most = ladder->recorder->count + 1;

    ladder->moments = calloc(most, sizeof *ladder->moments);
    ladder->arrows = calloc(most, sizeof *ladder->arrows);
    reader->early = calloc(most, sizeof *reader->early);
    reader->early_end = calloc(most, sizeof *reader->early_end);
    reader->by_tag = calloc((size_t)ladder->recorder->last_tag + 1, sizeof *reader->by_tag);
    if (ladder->moments == NULL || ladder->arrows == NULL || reader->early == NULL ||
        reader->early_end == NULL || reader->by_tag == NULL)
        return -1;
    for (size_t tag = 0; tag <= ladder->recorder->last_tag; tag++)
        reader->by_tag[tag] = LADDER_NONE;
    return 0;
}

int ladder_make(const struct duet_recorder *recorder, bool absolute, struct ladder *ladder)
{
    struct ladder_reader reader = {
        .ladder = ladder,
        .context = {LADDER_NONE, LADDER_NONE},
        .last_pair = {LADDER_NONE, LADDER_NONE},
        .inferred = {recorder->ends[0].inferred, recorder->ends[1].inferred},
    };
    int result;

    *ladder = (struct ladder){.recorder = recorder, .absolute = absolute};
    if (recorder->error != 0) {
        errno = recorder->error;
        return -1;
    }
    result = allocate(&reader);
    if (result == 0)
        result = ladder_map_flows(&reader);
    if (result == 0)
        result = walk(&reader);
    free(reader.flows);
    free(reader.early);
    free(reader.early_end);
    free(reader.by_tag);
    if (result != 0) {
        ladder_free(ladder);
        errno = ENOMEM;
        return -1;
    }
    settle_times(ladder);
    ladder_summarise(ladder);
    return 0;
}

void ladder_free(struct ladder *ladder)
{
    free(ladder->moments);
    free(ladder->arrows);
    free(ladder->pairs);
    *ladder = (struct ladder){.moments = NULL};
}
