/* SPDX-License-Identifier: MIT */
/* Writes down what a system does with a script: see record.h. */
#include "sim/script/record.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duet/trace.h"
#include "sim/script/packet.h"
#include "sim/script/player.h"
#include "sim/script/values.h"

/* The first timestamp of a system counts as this one in the script. */
enum { RECORD_CLOCK = 1000 };

static void append(struct record_event *to, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append(struct record_event *to, const char *format, ...)
{
    va_list arguments;
    size_t used = strlen(to->done);
    va_start(arguments, format);
    vsnprintf(to->done + used, sizeof(to->done) - used, format, arguments);
    va_end(arguments);
}

/* ---- packets ---- */

static void append_option(struct record_event *to, const struct packet_option *option)
{
    switch (option->kind) {
    case OPTION_MSS:
        append(to, " mss %u", option->values[0]);
        break;
    case OPTION_WSCALE:
        append(to, " wscale");
        break;
    case OPTION_SACK_OK:
        append(to, " sackOK");
        break;
    case OPTION_SACK:
        append(to, " sack");
        for (unsigned i = 0; i + 1 < option->value_count; i += 2) {
            append(to, " %u:%u", option->values[i], option->values[i + 1]);
        }
        break;
    case OPTION_TIMESTAMPS:
        append(to, " ecr %u", option->values[1]);
        break;
    case OPTION_EOL:
    case OPTION_NOP:
        break; /* padding */
    case OPTION_USER_TIMEOUT:
    case OPTION_FAST_OPEN:
    case OPTION_FAST_OPEN_EXPERIMENTAL:
    case OPTION_MD5:
    case OPTION_ACC_ECN_0:
    case OPTION_ACC_ECN_1:
    case OPTION_RAW:
    case OPTION_ANY:
        append(to, " option");
        break;
    }
}

static void append_segment(struct record_event *to, const struct packet_event *segment)
{
    static const struct {
        uint16_t flag;
        char letter;
    } letters[] = {{DUET_FIN, 'F'}, {DUET_SYN, 'S'}, {DUET_RST, 'R'}, {DUET_ACK, '.'},
                   {DUET_URG, 'U'}, {DUET_ECE, 'E'}, {DUET_CWR, 'W'}};
    char flags[16] = "";
    for (size_t i = 0, used = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        if (segment->flags & letters[i].flag) {
            flags[used++] = letters[i].letter;
        }
    }
    append(to, "> %s %u:%u(%u)", flags, segment->seq, segment->end, segment->length);
    if (segment->has_ack) {
        append(to, " ack %u", segment->ack);
    }
    if (segment->window == 0 && !(segment->flags & DUET_RST)) {
        append(to, " win 0");
    }
    if (segment->has_urgent) {
        append(to, " urg %u", segment->urgent);
    }
    /* A reset may carry timestamps or not (RFC 7323, 3.2). */
    unsigned options = segment->flags & DUET_RST ? 0 : segment->option_count;
    for (unsigned i = 0; i < options; i++) {
        append_option(to, &segment->options[i]);
    }
    append(to, "; ");
}

static void learn_clock(struct flow *flow, const struct packet_event *segment, duet_time now)
{
    for (unsigned i = 0; i < segment->option_count && flow->clock_marks == 0; i++) {
        if (segment->options[i].kind == OPTION_TIMESTAMPS) {
            flow_clock_learn(flow, RECORD_CLOCK, segment->options[i].values[0], now);
        }
    }
}

static void take_packet(struct player *player, struct record_event *to, const struct outbound *sent)
{
    const char *reason = NULL;
    struct packet_seen *seen = must_allocate(sizeof(*seen));
    if (!packet_read(sent->bytes, sent->length, sent->partial, seen, &reason)) {
        append(to, "> %s; ", reason);
    } else if (seen->event.protocol != PACKET_TCP) {
        append(to, "> icmp %u %u; ", seen->event.type, seen->event.code);
    } else {
        struct duet_socket_address local = {seen->source, seen->source_port};
        struct duet_socket_address remote = {seen->destination, seen->destination_port};
        struct flow *flow = player_flow(player, &local, &remote);
        packet_make_relative(seen, flow, 0);
        learn_clock(flow, &seen->event, sent->time);
        append_segment(to, &seen->event);
    }
    free(seen);
}

static void take_packets(struct player *player, struct record_event *to)
{
    while (player->sent != NULL) {
        struct outbound *first = player->sent;
        player->sent = first->next;
        player->sent_end = player->sent == NULL ? &player->sent : player->sent_end;
        take_packet(player, to, first);
        free(first);
    }
}

/* ---- calls ---- */

static void play_call(struct player *player, const struct call_event *call, struct record_event *to)
{
    struct call_result result = {0};
    struct call_state state = {.call = call, .deadline = DUET_NEVER};
    enum call_status status = sockets_call(player, &state, &result);
    engine_drain(player);
    if (status != CALL_DONE) {
        append(to, status == CALL_BLOCKS ? "blocks; " : "wrong; ");
    } else if (result.value < 0) {
        append(to, "= -1 %s; ", errno_name(result.error));
    } else {
        append(to, "= %lld; ", result.new_descriptor ? 0 : (long long)result.value);
    }
}

static void ask_state(struct player *player, struct record_event *to)
{
    static const struct call_event ask = {.name = "state"};
    struct call_result result = {0};
    struct call_state state = {.call = &ask, .deadline = DUET_NEVER};
    to->state = "";
    if (player->current != NULL && sockets_call(player, &state, &result) == CALL_DONE &&
        result.text != NULL) {
        to->state = result.text;
    }
}

/* ---- events ---- */

static void run_until(struct player *player, duet_time time)
{
    while (engine_step(player, time, true)) {
    }
}

void record_events(struct player *player, struct record *record)
{
    record->count = 0;
    if (!engine_start(player)) {
        return;
    }
    struct record_event *at = NULL;
    for (const struct event *i = player->script->events; i != NULL; i = i->next) {
        duet_time begin = i->time + (i->time_kind == TIME_RELATIVE ? player->event_time : 0);
        if (record->count == RECORD_EVENTS_MAX) {
            return;
        }
        run_until(player, begin);
        if (at != NULL) {
            take_packets(player, at);
            ask_state(player, at);
        }
        at = &record->events[record->count++];
        at->done[0] = '\0';
        at->state = "";
        player->event = i;
        player->event_time = begin;
        if (i->kind == EVENT_PACKET && i->packet->inbound) {
            (void)player_send_in(player, i->packet);
        } else if (i->kind == EVENT_CALL) {
            play_call(player, i->call, at);
        }
        if (player->over) {
            return;
        }
    }
    if (at != NULL) {
        take_packets(player, at);
        ask_state(player, at);
    }
}
