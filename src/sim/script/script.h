/* SPDX-License-Identifier: MIT */
/* A parsed script: options, then events in order. Everything lies in the script's arena and holds
 * pointers only within it (and into nothing of the caller's), until script_free.
 */
#ifndef SCRIPT_SCRIPT_H
#define SCRIPT_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "duet/stack.h"
#include "sim/script/arena.h"
#include "sim/script/lexer.h"

/* ---- values in calls ---- */

enum expression_kind {
    EXPRESSION_ANY,    /* ... */
    EXPRESSION_NUMBER, /* .number */
    EXPRESSION_STRING, /* .text, .length */
    EXPRESSION_NAME,   /* .text: a constant, or a word of a call of ours */
    EXPRESSION_OR,     /* the two items or-ed */
    EXPRESSION_ARRAY,  /* the items */
    EXPRESSION_STRUCT, /* the items, FIELDs among them */
    EXPRESSION_FIELD,  /* .text = first item */
    EXPRESSION_CALL,   /* .text(items): htons, inet_addr, ... */
};

struct expression {
    enum expression_kind kind;
    int64_t number;
    const char *text;
    size_t length; /* of a STRING, which may hold NULs */
    struct expression *items, *next;
    unsigned count; /* of items */
    unsigned line, column;
};

struct call_event {
    const char *name;
    struct expression *arguments; /* a list */
    unsigned count;
    bool has_result; /* else anything will do; = ? is EXPRESSION_ANY */
    struct expression *result;
    const char *error; /* errno name, or NULL */
};

/* ---- packets ---- */

enum option_kind {
    OPTION_EOL,
    OPTION_NOP,
    OPTION_MSS,
    OPTION_WSCALE,
    OPTION_SACK_OK,
    OPTION_SACK,
    OPTION_TIMESTAMPS,
    OPTION_FAST_OPEN,              /* kind 34, bytes are the cookie; one value: it is ours */
    OPTION_FAST_OPEN_EXPERIMENTAL, /* kind 254 with magic 0xF989 */
    OPTION_USER_TIMEOUT,           /* kind 28, as on the wire: minutes with bit 15 */
    OPTION_MD5,
    OPTION_ACC_ECN_0, /* kind 172: e0b, ceb, e1b */
    OPTION_ACC_ECN_1, /* kind 174: e1b, ceb, e0b */
    OPTION_RAW,       /* bytes are all of it */
    OPTION_ANY,       /* ... */
};

enum { OPTION_VALUES_MAX = 16, OPTION_BYTES_MAX = 40, SCRIPT_OPTIONS_MAX = 40 };

struct packet_option {
    enum option_kind kind;
    unsigned value_count;               /* SACK: twice the blocks */
    uint32_t values[OPTION_VALUES_MAX]; /* MSS, WSCALE, edges, TS val and ecr, counters */
    unsigned byte_count;
    uint8_t bytes[OPTION_BYTES_MAX];
};

enum packet_protocol { PACKET_TCP, PACKET_ICMP, PACKET_ICMPV6 };

/* How the ECN field is compared; SET is also what is sent. */
enum ecn_match { ECN_ANY, ECN_SET, ECN_ECT01 };

struct packet_endpoint {
    bool has_address, has_port;
    struct duet_address address;
    uint16_t port;
};

struct packet_event {
    bool inbound;
    enum packet_protocol protocol;

    /* IP */
    enum ecn_match ecn_match;
    uint8_t ecn;
    bool has_tos, has_ttl, has_flow_label;
    uint8_t tos, ttl;
    uint32_t flow_label;
    bool bad_checksum, bad_ip_checksum, more_fragments, has_offset, has_cut;
    uint8_t offset;
    uint32_t cut;
    uint8_t ip_options[40];
    unsigned ip_option_bytes;

    bool has_endpoints;
    struct packet_endpoint source, destination;

    /* TCP; and the quoted segment of an ICMP error */
    uint16_t flags;
    bool ace; /* the three bits were written as a number */
    uint32_t seq, end, length;
    bool has_seq; /* ICMP: something is quoted */
    bool has_ack, has_window, has_urgent;
    uint32_t ack;
    uint16_t window, urgent;
    bool any_options;
    unsigned option_count;
    struct packet_option *options;

    /* ICMP */
    uint8_t type, code;
    uint32_t mtu;
};

/* ---- events ---- */

enum event_kind { EVENT_PACKET, EVENT_CALL, EVENT_COMMAND, EVENT_CODE };
enum event_time { TIME_ABSOLUTE, TIME_RELATIVE, TIME_ANY };

struct event {
    enum event_kind kind;
    enum event_time time_kind;
    duet_time time;
    bool is_range, is_blocking;
    duet_time time_end; /* of the range, or when the blocking call returns */
    unsigned line, column;
    const char *source; /* the event as written, one line */
    struct packet_event *packet;
    struct call_event *call;
    const char *text; /* COMMAND, CODE */
    struct event *next;
};

struct script_option {
    const char *name;  /* without the dashes */
    const char *value; /* NULL: none */
    unsigned line, column;
    struct script_option *next;
};

struct script_error {
    unsigned line, column;
    char text[256]; /* what was expected and what stood there */
};

struct script {
    struct arena arena;
    struct script_option *options;
    struct event *events;
    unsigned event_count;
    const char
        *unsupported; /* a part of the language that duet has nothing for: "UDP"; else NULL */
};

/* Parses text[0, length). False: error says where and why. Either way script_free must follow. */
bool script_parse(struct script *script, const char *text, size_t length,
                  const struct definition *definitions, size_t definition_count,
                  struct script_error *error);
void script_free(struct script *script);

#endif
