/* SPDX-License-Identifier: MIT */
/* The words of the pictures (words.h): packets, calls, timers and rules. */
#include "observe/words.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wire/icmp.h"
#include "wire/print.h"

void words_clear(struct words *words)
{
    words->length = 0;
    words->text[0] = '\0';
}

void words_add(struct words *words, const char *format, ...)
{
    va_list arguments;
    int wanted;

    va_start(arguments, format);
    wanted = vsnprintf(words->text + words->length, WORDS_SIZE - words->length, format, arguments);
    va_end(arguments);
    if (wanted > 0)
        words->length += (size_t)wanted;
    if (words->length >= WORDS_SIZE)
        words->length = WORDS_SIZE - 1;
}

void words_instant(struct words *words, const struct ladder *ladder, duet_time time)
{
    duet_time since = time - ladder->origin;

    if (ladder->microseconds)
        words_add(words, "%" PRId64 ".%06" PRId64, since / DUET_SECOND,
                  since % DUET_SECOND / DUET_MICROSECOND);
    else
        words_add(words, "%" PRId64 ".%03" PRId64, since / DUET_SECOND,
                  since % DUET_SECOND / DUET_MILLISECOND);
}

void words_duration(struct words *words, duet_time duration)
{
    if (duration < DUET_MILLISECOND)
        words_add(words, "%" PRId64 " µs", duration / DUET_MICROSECOND);
    else if (duration < DUET_SECOND)
        words_add(words, "%" PRId64 " ms", duration / DUET_MILLISECOND);
    else if (duration % DUET_SECOND < DUET_MILLISECOND)
        words_add(words, "%" PRId64 " s", duration / DUET_SECOND);
    else
        words_add(words, "%" PRId64 ".%03" PRId64 " s", duration / DUET_SECOND,
                  duration % DUET_SECOND / DUET_MILLISECOND);
}

void words_number(struct words *words, struct ladder_number number)
{
    switch (number.base) {
    case LADDER_RELATIVE: /* a little before the ISN rather than four thousand millions after it */
        words_add(words, "%" PRId32, (int32_t)number.value);
        break;
    case LADDER_OLD:
        words_add(words, "%" PRId32 "(old)", (int32_t)number.value);
        break;
    case LADDER_ABSOLUTE:
        words_add(words, "%" PRIu32, number.value);
        break;
    }
}

/* ---- packets ---- */

static const char *icmp_name(enum icmp_kind kind)
{
    switch (kind) {
    case ICMP_MALFORMED:
        return "malformed ICMP";
    case ICMP_IGNORED:
        return "ICMP";
    case ICMP_ECHO_REQUEST:
        return "ICMP echo request";
    case ICMP_UNREACHABLE_SOFT:
        return "ICMP destination unreachable";
    case ICMP_UNREACHABLE_HARD:
        return "ICMP port or protocol unreachable";
    case ICMP_PACKET_TOO_BIG:
        return "ICMP packet too big";
    case ICMP_TIME_EXCEEDED:
        return "ICMP time exceeded";
    case ICMP_PARAMETER_PROBLEM:
        return "ICMP parameter problem";
    case ICMP_SOURCE_QUENCH:
        return "ICMP source quench";
    case ICMP_REDIRECT:
        return "ICMP redirect";
    }
    return "ICMP";
}

void words_flags(struct words *words, const struct ladder_arrow *arrow)
{
    static const char *const ecn_fields[] = {"", " [ECT1]", " [ECT0]", " [CE]"};
    char names[40], bits[7];

    if (arrow->is_tcp) {
        print_flags(names, sizeof names, arrow->header.flags);
        print_bits(bits, arrow->header.flags);
        words_add(words, "%s %s%s", names, bits, ecn_fields[arrow->ip.traffic_class & 3]);
    } else if (arrow->ip.protocol == IP_PROTOCOL_ICMP || arrow->ip.protocol == IP_PROTOCOL_ICMPV6) {
        struct icmp_message message;

        icmp_parse(&arrow->ip, &message);
        words_add(words, "%s", icmp_name(message.kind));
    } else {
        words_add(words, "packet of %" PRIu32 " bytes", arrow->packet->u.packet.length);
    }
}

static bool add_sequence(struct words *words, const struct ladder_arrow *arrow)
{
    words_add(words, "seq ");
    words_number(words, arrow->seq);
    if (arrow->header.text_length == 0)
        return true;
    words_add(words, ":");
    words_number(words, arrow->end);
    words_add(words, "(%" PRIu32 ")", arrow->header.text_length);
    return true;
}

bool words_field(struct words *words, const struct ladder *ladder, const struct ladder_arrow *arrow,
                 unsigned index)
{
    const struct tcp_header *header = &arrow->header;

    words_clear(words);
    if (!arrow->is_tcp)
        return false;
    switch (index) {
    case 0:
        return add_sequence(words, arrow);
    case 1:
        if ((header->flags & DUET_ACK) != 0) {
            words_add(words, "ack ");
            words_number(words, arrow->ack);
        }
        return true;
    case 2:
        words_add(words, "win %u", header->window);
        return true;
    case 3:
        if ((header->flags & DUET_URG) != 0)
            words_add(words, "urg %u", header->urgent);
        return true;
    case 4:
        if (ladder->pair_count > 1)
            words_add(words, "ports %u>%u", header->source_port, header->destination_port);
        return true;
    default:
        return false;
    }
}

static void add_option(struct words *words, bool *first, const char *text)
{
    words_add(words, "%s%s", *first ? "<" : ",", text);
    *first = false;
}

/* Byte counters by what was in the ECN field, in the order of the wire. */
static void add_accurate_ecn(struct words *words, bool *first,
                             const struct tcp_accurate_ecn_option *option)
{
    static const char *const names[] = {"e0b", "ceb", "e1b"};

    add_option(words, first, "ECN");
    for (unsigned i = 0; i < option->fields && i < sizeof names / sizeof *names; i++)
        words_add(words, " %s %" PRIu32, names[option->order == 0 ? i : 2 - i], option->field[i]);
}

void words_options(struct words *words, const struct ladder_arrow *arrow, bool all)
{
    const struct tcp_options *options = &arrow->header.options;
    bool syn = (arrow->header.flags & DUET_SYN) != 0, first = true;
    char text[64];

    if (!arrow->is_tcp)
        return;
    if ((options->present & DUET_TRACE_MSS) != 0) {
        snprintf(text, sizeof text, "mss %u", options->mss);
        add_option(words, &first, text);
    }
    if ((options->present & DUET_TRACE_SACK_PERMITTED) != 0)
        add_option(words, &first, "sackOK");
    if ((options->present & DUET_TRACE_TIMESTAMPS) != 0 && all) {
        snprintf(text, sizeof text, "TS val %" PRIu32 " ecr %" PRIu32, options->tsval,
                 options->tsecr);
        add_option(words, &first, text);
    } else if ((options->present & DUET_TRACE_TIMESTAMPS) != 0 && syn) {
        add_option(words, &first, "TS");
    }
    if ((options->present & DUET_TRACE_WINDOW_SCALE) != 0) {
        snprintf(text, sizeof text, "ws %u", options->window_scale);
        add_option(words, &first, text);
    }
    if ((options->present & DUET_TRACE_FAST_OPEN) != 0)
        add_option(words, &first, options->cookie_length > 0 ? "cookie" : "cookie?");
    if ((options->present & DUET_TRACE_USER_TIMEOUT) != 0) {
        bool minutes = (options->user_timeout & 0x8000) != 0;
        snprintf(text, sizeof text, "user timeout %u %s", options->user_timeout & 0x7fffu,
                 minutes ? "min" : "s");
        add_option(words, &first, text);
    }
    if ((options->present & DUET_TRACE_ACCURATE_ECN) != 0)
        add_accurate_ecn(words, &first, &options->accurate_ecn);
    for (unsigned i = 0; i < options->sack_count; i++) {
        add_option(words, &first, "SACK ");
        words_number(words, arrow->sack[i][0]);
        words_add(words, ":");
        words_number(words, arrow->sack[i][1]);
    }
    if ((options->present & DUET_TRACE_OTHER) != 0)
        add_option(words, &first, "others");
    if (!first)
        words_add(words, ">");
}

static void add_fault(struct words *words, const char *text)
{
    words_add(words, "%s%s", words->length == 0 ? "" : ", ", text);
}

void words_faults(struct words *words, const struct ladder_arrow *arrow)
{
    static const char *const names[DUET_FAULTS] = {NULL,
                                                   "duplicated",
                                                   "delayed",
                                                   "reordered",
                                                   "corrupted",
                                                   "marked CE",
                                                   "too large for the path"};

    if (arrow->retransmission)
        add_fault(words, "retransmission");
    if (arrow->duplicate)
        add_fault(words, "second copy");
    if (arrow->injected)
        add_fault(words, "from neither end");
    for (unsigned fault = DUET_FAULT_DUPLICATE; fault < DUET_FAULTS; fault++)
        if (arrow->faults[fault] && !(fault == DUET_FAULT_DUPLICATE && arrow->duplicate))
            add_fault(words, names[fault]);
}

/* ---- what happens at one end ---- */

static void title_call(struct words *words, const struct duet_trace_event *event)
{
    uint64_t size = event->u.call.size;

    switch ((enum duet_call)event->u.call.call) {
    case DUET_CALL_LISTEN:
        words_add(words, "user: OPEN, passive");
        break;
    case DUET_CALL_CONNECT:
        words_add(words, "user: OPEN, active");
        break;
    case DUET_CALL_ACCEPT:
        words_add(words, "user: accept");
        break;
    case DUET_CALL_SEND:
        if (event->u.call.result >= 0)
            size = (uint64_t)event->u.call.result;
        words_add(words, "user: SEND %" PRIu64 " byte%s", size, size == 1 ? "" : "s");
        break;
    case DUET_CALL_RECEIVE:
        if (event->u.call.result >= 0)
            size = (uint64_t)event->u.call.result;
        words_add(words, "user: RECEIVE %" PRIu64 " byte%s", size, size == 1 ? "" : "s");
        break;
    case DUET_CALL_SHUTDOWN:
        words_add(words, "user: CLOSE, reading goes on");
        break;
    case DUET_CALL_CLOSE:
        words_add(words, "user: CLOSE, both directions");
        break;
    case DUET_CALL_ABORT:
        words_add(words, "user: ABORT");
        break;
    case DUET_CALLS:
        break;
    }
    if (event->u.call.result < 0)
        words_add(words, ": %s", duet_error_sentence((int)event->u.call.result));
}

static void title_timer(struct words *words, const struct duet_trace_event *event)
{
    static const char *const suffixes[] = {"th", "st", "nd", "rd"};
    unsigned count = event->u.timer.count;
    unsigned tens = count / 10 % 10, ones = count % 10;

    switch ((enum duet_timer)event->u.timer.timer) {
    case DUET_TIMER_TIME_WAIT:
        words_add(words, "TIME-WAIT is over");
        return;
    case DUET_TIMER_FIN_WAIT_2:
        words_add(words, "FIN-WAIT-2 lasted too long");
        return;
    case DUET_TIMER_RETRANSMISSION:
    case DUET_TIMER_PERSIST:
    case DUET_TIMER_DELAYED_ACK:
    case DUET_TIMER_KEEPALIVE:
    case DUET_TIMER_USER:
    case DUET_TIMER_PROBE:
    case DUET_TIMER_REORDERING:
    case DUET_TIMERS:
        break;
    }
    words_add(words, "timer: %s runs out", duet_timer_name(event->u.timer.timer));
    if (count > 1)
        words_add(words, ", %u%s time", count, suffixes[tens != 1 && ones < 4 ? ones : 0]);
}

void words_title(struct words *words, const struct ladder_moment *moment)
{
    switch (moment->kind) {
    case LADDER_CALL:
        title_call(words, moment->cause);
        break;
    case LADDER_TIMER:
        title_timer(words, moment->cause);
        break;
    case LADDER_NOTE:
        words_add(words, "%s", moment->note);
        break;
    case LADDER_STATE:
        if (moment->note != NULL)
            words_add(words, "%s", moment->note);
        else if (moment->before == DUET_TIME_WAIT && moment->after != DUET_TIME_WAIT)
            words_add(words, "TIME-WAIT is over");
        else if (moment->before != moment->after)
            words_add(words, "now %s", duet_state_name(moment->after));
        break;
    case LADDER_DEPARTURE:
    case LADDER_ARRIVAL:
        break;
    }
}

void words_wait(struct words *words, const struct ladder_moment *moment)
{
    if (moment->time_wait_until == DUET_NEVER)
        return;
    words_add(words, "TIME-WAIT for ");
    words_duration(words, moment->time_wait_until - moment->time);
}

#define NO_THRESHOLD (UINT32_C(1) << 30) /* no congestion has been seen yet */

void words_window(struct words *words, const struct ladder_moment *moment)
{
    if (moment->window == NULL)
        return;
    words_add(words, "cwnd %" PRIu32, moment->window->u.congestion.cwnd);
    if (moment->window->u.congestion.ssthresh < NO_THRESHOLD)
        words_add(words, ", ssthresh %" PRIu32, moment->window->u.congestion.ssthresh);
}

void words_rule(struct words *words, uint16_t rule)
{
    const struct duet_rule *found = duet_rule(rule);

    if (rule != 0)
        words_add(words, "%s [%s]", found->sentence, found->section);
}

void words_state(struct words *words, enum duet_state state, bool inferred)
{
    words_add(words, "%s%s", inferred ? "~" : "", duet_state_name(state));
}

/* Decisions that come with every segment, the least telling first. */
static const char *const routine[] = {
    "INITIAL_WINDOW", "OPTION_SET",    "TEXT_ACKNOWLEDGED",
    "ACK_ADVANCES",   "WINDOW_OPENED", "TEXT_ACCEPTED",
};

enum { ROUTINE_COUNT = sizeof routine / sizeof routine[0] };

static unsigned weight(uint16_t rule)
{
    const char *name = duet_rule(rule)->name;

    for (unsigned i = 0; i < ROUTINE_COUNT; i++)
        if (strcmp(name, routine[i]) == 0)
            return i;
    return ROUTINE_COUNT;
}

bool words_is_telling(uint16_t rule)
{
    return weight(rule) == ROUTINE_COUNT;
}

uint16_t words_verdict(const struct ladder_moment *moment)
{
    uint16_t best = 0;

    if (moment->state_rule != 0)
        return moment->state_rule;
    for (unsigned i = 0; i < moment->rule_count; i++)
        if (best == 0 || weight(moment->rules[i]) >= weight(best))
            best = moment->rules[i];
    return best;
}
