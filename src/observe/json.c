/* SPDX-License-Identifier: MIT */
/* A recording as JSON, one object a line. Which fields a line has, under which keys, stands in
 * trace_fields.def; docs/TRACE.md is the schema made from it.
 *
 * A record is first laid out as a struct json_line, of which the table names members; so there is
 * one writer for all of them, and no key that is not documented.
 */
#include "observe/json.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "observe/recording.h"
#include "wire/ip.h"
#include "wire/print.h"
#include "wire/tcp.h"

struct json_line {
    duet_time time;
    const char *kind, *end;
    uint32_t tag, bytes;
    const char *source, *destination;
    char addresses[2][DUET_ADDRESS_TEXT];
    uint8_t protocol;
    struct tcp_header header;
    uint8_t fault, state;
    bool inferred;
    const char *note;
    struct duet_trace_event trace;
    const char *rule, *section, *sentence, *edge;
};

enum json_group {
#define GROUP(name, kinds) JSON_##name,
#define FIELD(group, member, key, type, meaning)
#include "observe/trace_fields.def"
#undef GROUP
#undef FIELD
};

enum json_type {
    TYPE_NUMBER,
    TYPE_TIME,
    TYPE_TEXT,
    TYPE_BOOL,
    TYPE_FLAGS,
    TYPE_BITS,
    TYPE_OPTIONS,
    TYPE_STATE,
    TYPE_FAULT,
    TYPE_TIMER,
    TYPE_ACTION,
    TYPE_CALL,
    TYPE_PHASE,
};

struct json_field {
    enum json_group group;
    enum json_type type;
    bool is_signed;
    size_t offset, size;
    const char *key, *meaning;
};

#define MEMBER(member) (((struct json_line *)0)->member)
/* Pointers are no numbers, so the question of a sign is asked of numbers only. */
#define IS_SIGNED(member)                                                                          \
    _Generic(MEMBER(member), int64_t : true, const char * : false, default : false)

static const struct json_field fields[] = {
#define GROUP(name, kinds)
#define FIELD(group, member, key, type, meaning)                                                   \
    {JSON_##group,                                                                                 \
     TYPE_##type,                                                                                  \
     IS_SIGNED(member),                                                                            \
     offsetof(struct json_line, member),                                                           \
     sizeof(MEMBER(member)),                                                                       \
     key,                                                                                          \
     meaning},
#include "observe/trace_fields.def"
#undef GROUP
#undef FIELD
};

enum { FIELD_COUNT = sizeof fields / sizeof fields[0] };

/* ---- values ---- */

void json_text(FILE *to, const char *text)
{
    if (text == NULL) {
        fputs("null", to);
        return;
    }
    fputc('"', to);
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte == '"' || byte == '\\')
            fprintf(to, "\\%c", byte);
        else if (byte < 0x20 || byte == 0x7f ||
                 byte == '<') /* so that it may also stand in a page's script */
            fprintf(to, "\\u%04x", byte);
        else
            fputc(byte, to);
    }
    fputc('"', to);
}

static uint64_t get_number(const struct json_line *line, const struct json_field *field)
{
    const unsigned char *at = (const unsigned char *)line + field->offset;
    uint8_t byte;
    uint16_t half;
    uint32_t word;
    uint64_t value;

    switch (field->size) {
    case sizeof byte:
        return *at;
    case sizeof half:
        memcpy(&half, at, sizeof half);
        return half;
    case sizeof word:
        memcpy(&word, at, sizeof word);
        return word;
    default:
        memcpy(&value, at, sizeof value);
        return value;
    }
}

static void put_options(FILE *to, uint64_t options)
{
    static const char *const names[] = {"mss",       "window-scale", "sack-permitted",
                                        "sack",      "timestamps",   "other",
                                        "fast-open", "user-timeout", "accurate-ecn"};
    const char *separator = "";

    fputc('[', to);
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((options & (1u << i)) == 0)
            continue;
        fprintf(to, "%s\"%s\"", separator, names[i]);
        separator = ",";
    }
    fputc(']', to);
}

static void put_number(FILE *to, const struct json_field *field, uint64_t number)
{
    if (field->is_signed)
        fprintf(to, "%" PRId64, (int64_t)number);
    else
        fprintf(to, "%" PRIu64, number);
}

static const char *action_name(uint64_t action)
{
    static const char *const names[] = {"started", "stopped", "expired"};

    return action < 3 ? names[action] : "unknown";
}

static void put_value(FILE *to, const struct json_line *line, const struct json_field *field)
{
    uint64_t number = get_number(line, field);
    const char *text;
    char flags[40];

    switch (field->type) {
    case TYPE_NUMBER:
        put_number(to, field, number);
        break;
    case TYPE_TIME:
        if (number == (uint64_t)DUET_NEVER)
            fputs("null", to);
        else
            put_number(to, field, number);
        break;
    case TYPE_TEXT:
        memcpy(&text, (const unsigned char *)line + field->offset, sizeof text);
        json_text(to, text);
        break;
    case TYPE_BOOL:
        fputs(number != 0 ? "true" : "false", to);
        break;
    case TYPE_FLAGS:
        print_flags(flags, sizeof flags, (uint16_t)number);
        json_text(to, flags);
        break;
    case TYPE_BITS:
        print_bits(flags, (uint16_t)number);
        json_text(to, flags);
        break;
    case TYPE_OPTIONS:
        put_options(to, number);
        break;
    case TYPE_STATE:
        json_text(to, duet_state_name((enum duet_state)number));
        break;
    case TYPE_FAULT:
        json_text(to, duet_fault_name((enum duet_fault)number));
        break;
    case TYPE_TIMER:
        json_text(to, duet_timer_name((unsigned)number));
        break;
    case TYPE_ACTION:
        json_text(to, action_name(number));
        break;
    case TYPE_CALL:
        json_text(to, duet_call_name((unsigned)number));
        break;
    case TYPE_PHASE:
        json_text(to, duet_phase_name((unsigned)number));
        break;
    }
}

/* ---- lines ---- */

static void put_group(FILE *to, const struct json_line *line, enum json_group group)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (fields[i].group != group)
            continue;
        fprintf(to, "%s\"%s\":", i == 0 ? "{" : ",", fields[i].key);
        put_value(to, line, &fields[i]);
    }
}

static void put_packet(FILE *to, struct json_line *line, const struct record *record)
{
    struct ip_packet ip;
    bool is_ip = ip_parse(record->u.packet.bytes, record->u.packet.length, &ip) == IP_OK;

    line->kind = record->kind == RECORD_SENT ? "sent" : "arrived";
    line->tag = record->tag;
    line->bytes = record->u.packet.length;
    if (is_ip) {
        duet_address_format(&ip.source, line->addresses[0]);
        duet_address_format(&ip.destination, line->addresses[1]);
        line->source = line->addresses[0];
        line->destination = line->addresses[1];
        line->protocol = ip.protocol;
    }
    put_group(to, line, JSON_EVERY);
    put_group(to, line, JSON_PACKET);
    if (is_ip && ip.protocol == IP_PROTOCOL_TCP &&
        tcp_parse(ip.payload, ip.payload_length, &line->header) == TCP_WIRE_OK)
        put_group(to, line, JSON_HEADER);
}

static enum json_group group_of(const struct duet_trace_event *event)
{
    switch ((enum duet_trace_kind)event->kind) {
    case DUET_TRACE_SEGMENT_IN:
    case DUET_TRACE_SEGMENT_OUT:
        return JSON_SEGMENT;
    case DUET_TRACE_STATE:
        return JSON_STATE;
    case DUET_TRACE_TIMER:
        return JSON_TIMER;
    case DUET_TRACE_CALL:
        return JSON_CALL;
    case DUET_TRACE_CONGESTION:
        return JSON_CONGESTION;
    case DUET_TRACE_RULE:
    case DUET_TRACE_KINDS:
        break;
    }
    return JSON_RULE;
}

static void put_trace(FILE *to, struct json_line *line, const struct duet_trace_event *event)
{
    line->kind = duet_trace_kind_name(event->kind);
    line->trace = *event;
    if (event->rule != 0) {
        const struct duet_rule *rule = duet_rule(event->rule);

        line->rule = rule->name;
        line->section = rule->section;
        line->sentence = rule->sentence;
    }
    if (event->kind == DUET_TRACE_STATE && duet_edge(event->u.state_change.edge) != NULL)
        line->edge = duet_edge(event->u.state_change.edge)->section;
    put_group(to, line, JSON_EVERY);
    put_group(to, line, JSON_TRACE);
    put_group(to, line, group_of(event));
}

static void put_line(FILE *to, struct json_line *line, const struct record *record)
{
    switch (record->kind) {
    case RECORD_SENT:
    case RECORD_ARRIVED:
        put_packet(to, line, record);
        return;
    case RECORD_FAULT:
        line->kind = "fault";
        line->end = NULL;
        line->tag = record->tag;
        line->fault = (uint8_t)record->u.fault;
        put_group(to, line, JSON_EVERY);
        put_group(to, line, JSON_FAULT);
        return;
    case RECORD_TRACE:
        put_trace(to, line, &record->u.trace);
        return;
    case RECORD_NOTE:
        line->kind = "note";
        line->end = NULL;
        line->note = record->u.note;
        put_group(to, line, JSON_EVERY);
        put_group(to, line, JSON_NOTE);
        return;
    case RECORD_STATE:
        line->kind = "state-report";
        line->state = (uint8_t)record->u.state.state;
        line->inferred = record->u.state.inferred;
        put_group(to, line, JSON_EVERY);
        put_group(to, line, JSON_REPORT);
        return;
    }
}

int duet_trace_json(const struct duet_recorder *recorder, FILE *to)
{
    if (recorder->error != 0) {
        errno = recorder->error;
        return -1;
    }
    for (size_t i = 0; i < recorder->count; i++) {
        const struct record *record = &recorder->records[i];
        struct json_line line = {.time = record->time, .end = recorder->ends[record->end].name};

        put_line(to, &line, record);
        fputs("}\n", to);
    }
    return ferror(to) ? -1 : 0;
}

/* ---- the documentation ---- */

static const char *type_text(enum json_type type)
{
    switch (type) {
    case TYPE_NUMBER:
        return "number";
    case TYPE_TIME:
        return "number or null";
    case TYPE_BOOL:
        return "true, false";
    case TYPE_OPTIONS:
        return "list";
    case TYPE_TEXT:
    case TYPE_FLAGS:
    case TYPE_BITS:
    case TYPE_STATE:
    case TYPE_FAULT:
    case TYPE_TIMER:
    case TYPE_ACTION:
    case TYPE_CALL:
    case TYPE_PHASE:
        break;
    }
    return "string";
}

void json_tables(FILE *to)
{
    static const char *const kinds[] = {
#define GROUP(name, kinds) kinds,
#define FIELD(group, member, key, type, meaning)
#include "observe/trace_fields.def"
#undef GROUP
#undef FIELD
    };
    const char *separator = "";

    for (unsigned group = 0; group < sizeof kinds / sizeof kinds[0]; group++) {
        fprintf(to, "%s**%s**\n\n| key | type | meaning |\n|---|---|---|\n", separator,
                kinds[group]);
        for (size_t i = 0; i < FIELD_COUNT; i++)
            if (fields[i].group == (enum json_group)group)
                fprintf(to, "| `%s` | %s | %s |\n", fields[i].key, type_text(fields[i].type),
                        fields[i].meaning);
        separator = "\n";
    }
}
