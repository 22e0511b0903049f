/* SPDX-License-Identifier: MIT */
/* The recorder: keeps copies of packets, trace events and notes in the order in which they come.
 *
 * Links may leave the TCP checksum to hardware. A recording has no hardware behind it, so the
 * copy gets the sum that the wire would have seen; otherwise every tool that opens it would call
 * it broken.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "observe/recording.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"

enum { TCP_CHECKSUM_AT = 16, RECORDS_FIRST = 64 };

static char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);

    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

int duet_recorder_new(struct duet_recorder **recorder)
{
    static const char *const names[DUET_RECORDER_ENDS] = {"client", "server"};
    struct duet_recorder *made = calloc(1, sizeof *made);

    if (made == NULL)
        return -1;
    for (unsigned end = 0; end < DUET_RECORDER_ENDS; end++) {
        made->ends[end].name = copy_text(names[end]);
        if (made->ends[end].name == NULL) {
            duet_recorder_free(made);
            errno = ENOMEM;
            return -1;
        }
    }
    *recorder = made;
    return 0;
}

void duet_recorder_free(struct duet_recorder *recorder)
{
    if (recorder == NULL)
        return;
    for (size_t i = 0; i < recorder->count; i++) {
        struct record *record = &recorder->records[i];

        if (record->kind == RECORD_SENT || record->kind == RECORD_ARRIVED)
            free(record->u.packet.bytes);
        if (record->kind == RECORD_NOTE)
            free(record->u.note);
    }
    for (unsigned end = 0; end < DUET_RECORDER_ENDS; end++)
        free(recorder->ends[end].name);
    free(recorder->records);
    free(recorder);
}

void duet_recorder_name(struct duet_recorder *recorder, unsigned end, const char *name,
                        bool inferred)
{
    char *copy = copy_text(name);

    if (copy == NULL) {
        recorder->error = ENOMEM;
        return;
    }
    free(recorder->ends[end].name);
    recorder->ends[end].name = copy;
    recorder->ends[end].inferred = inferred;
}

/* False if there is no memory, now or since an earlier record: a recording with holes would tell
 * lies. */
static bool append(struct duet_recorder *recorder, const struct record *record)
{
    if (recorder->error == 0 && recorder->count == recorder->room) {
        size_t room = recorder->room == 0 ? RECORDS_FIRST : recorder->room * 2;
        struct record *moved = realloc(recorder->records, room * sizeof *moved);

        if (moved == NULL) {
            recorder->error = ENOMEM;
            return false;
        }
        recorder->records = moved;
        recorder->room = room;
    }
    if (recorder->error != 0)
        return false;
    recorder->records[recorder->count++] = *record;
    return true;
}

/* Writes the checksum that the link's hardware would have written. */
static void complete_checksum(uint8_t *bytes, uint32_t length)
{
    struct ip_packet ip;
    struct checksum sum = {0};
    uint8_t *segment;

    if (ip_parse(bytes, length, &ip) != IP_OK || ip.protocol != IP_PROTOCOL_TCP ||
        ip.payload_length < TCP_HEADER)
        return;
    segment = bytes + ip.header_length;
    memset(segment + TCP_CHECKSUM_AT, 0, 2);
    checksum_add_pseudo(&sum, &ip.source, &ip.destination, IP_PROTOCOL_TCP, ip.payload_length);
    checksum_add(&sum, segment, ip.payload_length);
    segment[TCP_CHECKSUM_AT] = (uint8_t)(checksum_finish(&sum) >> 8);
    segment[TCP_CHECKSUM_AT + 1] = (uint8_t)checksum_finish(&sum);
}

static void append_packet(struct duet_recorder *recorder, struct record *record,
                          const struct duet_packet *packet)
{
    uint8_t *bytes = malloc(packet->length == 0 ? 1 : packet->length);

    if (bytes == NULL) {
        recorder->error = ENOMEM;
        return;
    }
    if (packet->length != 0)
        memcpy(bytes, packet->data, packet->length);
    if ((packet->flags & (DUET_PACKET_CHECKSUM_PARTIAL | DUET_PACKET_CHECKED)) != 0)
        complete_checksum(bytes, packet->length);
    record->u.packet.bytes = bytes;
    record->u.packet.length = packet->length;
    if (!append(recorder, record))
        free(bytes);
}

uint32_t duet_recorder_sent(struct duet_recorder *recorder, unsigned end, duet_time now,
                            const struct duet_packet *packet)
{
    struct record record = {
        .time = now, .kind = RECORD_SENT, .end = end, .tag = ++recorder->last_tag};

    append_packet(recorder, &record, packet);
    return recorder->last_tag;
}

void duet_recorder_unsent(struct duet_recorder *recorder, uint32_t tag)
{
    /* A fault may have spoken of the packet before the link below it refused. */
    while (recorder->count > 0 && recorder->records[recorder->count - 1].kind == RECORD_FAULT &&
           recorder->records[recorder->count - 1].tag == tag)
        recorder->count--;
    if (recorder->count == 0 || recorder->last_tag != tag)
        return;

    struct record *last = &recorder->records[recorder->count - 1];
    if (last->kind != RECORD_SENT || last->tag != tag)
        return;
    free(last->u.packet.bytes);
    recorder->count--;
    recorder->last_tag--;
}

void duet_recorder_arrived(struct duet_recorder *recorder, unsigned end, duet_time now,
                           const struct duet_packet *packet)
{
    struct record record = {.time = now, .kind = RECORD_ARRIVED, .end = end, .tag = packet->tag};

    append_packet(recorder, &record, packet);
}

void duet_recorder_fault(struct duet_recorder *recorder, duet_time now, enum duet_fault fault,
                         uint32_t tag)
{
    struct record record = {.time = now, .kind = RECORD_FAULT, .tag = tag, .u.fault = fault};

    append(recorder, &record);
}

void duet_recorder_trace(struct duet_recorder *recorder, unsigned end,
                         const struct duet_trace_event *event)
{
    struct record record = {
        .time = event->time, .kind = RECORD_TRACE, .end = end, .u.trace = *event};

    append(recorder, &record);
}

void duet_recorder_note(struct duet_recorder *recorder, duet_time now, const char *text)
{
    struct record record = {.time = now, .kind = RECORD_NOTE};
    char *copy = copy_text(text);

    if (copy == NULL)
        recorder->error = ENOMEM;
    if (append(recorder, &record))
        recorder->records[recorder->count - 1].u.note = copy;
    else
        free(copy);
}

void duet_recorder_state(struct duet_recorder *recorder, unsigned end, duet_time now,
                         enum duet_state state, bool inferred)
{
    struct record record = {.time = now,
                            .kind = RECORD_STATE,
                            .end = end,
                            .u.state = {.state = state, .inferred = inferred}};

    append(recorder, &record);
}
