/* SPDX-License-Identifier: MIT */
/* Is this the packet that the script expects? Each field as far as the script wrote it; the first
 * that differs is named.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "duet/trace.h"
#include "sim/script/packet.h"

struct match {
    const struct packet_event *expected, *actual;
    struct flow *flow;
    const struct packet_rules *rules;
    duet_time now;
    char *why;
    size_t size;
};

static bool differ(struct match *match, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool differ(struct match *match, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(match->why, match->size, format, arguments);
    va_end(arguments);
    return false;
}

static bool same(struct match *match, const char *what, uint32_t expected, uint32_t actual)
{
    return expected == actual || differ(match, "%s is %u, not %u", what, actual, expected);
}

static bool ip_matches(struct match *match)
{
    static const char *const names[] = {"noecn", "ect1", "ect0", "ce"};
    const struct packet_event *expected = match->expected, *actual = match->actual;
    bool ect = actual->ecn == 1 || actual->ecn == 2;
    if (expected->ecn_match == ECN_ECT01 && !ect) {
        return differ(match, "the ECN field is %s, not ect0 or ect1", names[actual->ecn & 3]);
    }
    if (expected->ecn_match == ECN_SET && expected->ecn != actual->ecn) {
        return differ(match, "the ECN field is %s, not %s", names[actual->ecn & 3],
                      names[expected->ecn & 3]);
    }
    if (expected->has_tos && !same(match, "TOS", expected->tos, actual->tos)) {
        return false;
    }
    if (expected->has_ttl && !same(match, "TTL", expected->ttl, actual->ttl)) {
        return false;
    }
    return !expected->has_flow_label ||
           same(match, "the flow label", expected->flow_label, actual->flow_label);
}

/* ---- TCP options ---- */

static bool ts_tick_is_right(struct match *match, uint32_t script, uint32_t live)
{
    const struct flow *flow = match->flow;
    if (match->rules->ts_tick_usecs == 0 || flow->clock_marks == 0) {
        return true;
    }
    int64_t tick = (int64_t)match->rules->ts_tick_usecs * DUET_MICROSECOND;
    int64_t passed = (int64_t)(uint32_t)(live - flow->clock[0].live);
    int64_t claimed = (int64_t)(uint32_t)(script - flow->clock[0].script);
    int64_t allowed = (int64_t)match->rules->tolerance_usecs * DUET_MICROSECOND / tick + 1;
    int64_t apart = passed > claimed ? passed - claimed : claimed - passed;
    return apart <= allowed ||
           differ(match, "TS val is %u, not %u", flow->clock[0].script + (uint32_t)passed, script);
}

static bool timestamps_match(struct match *match, const struct packet_option *expected,
                             const struct packet_option *actual)
{
    if (!ts_tick_is_right(match, expected->values[0], actual->values[0])) {
        return false;
    }
    return same(match, "TS ecr", expected->values[1], actual->values[1]);
}

static bool option_matches(struct match *match, const struct packet_option *expected,
                           const struct packet_option *actual)
{
    if (expected->kind != actual->kind) {
        return differ(match, "the options differ");
    }
    if (expected->kind == OPTION_TIMESTAMPS) {
        return timestamps_match(match, expected, actual);
    }
    if (expected->value_count != actual->value_count ||
        expected->byte_count != actual->byte_count) {
        return differ(match, "the options differ in length");
    }
    if (memcmp(expected->bytes, actual->bytes, expected->byte_count) != 0) {
        return differ(match, "the bytes of an option differ");
    }
    for (unsigned i = 0; i < expected->value_count; i++) {
        const char *what = expected->kind == OPTION_MSS      ? "mss"
                           : expected->kind == OPTION_WSCALE ? "wscale"
                           : expected->kind == OPTION_SACK   ? "an edge of sack"
                                                             : "a value in the options";
        if (!same(match, what, expected->values[i], actual->values[i])) {
            return false;
        }
    }
    return true;
}

static const struct packet_option *next_real(const struct packet_event *packet, unsigned *at)
{
    for (; *at < packet->option_count; ++*at) {
        enum option_kind kind = packet->options[*at].kind;
        if (kind != OPTION_NOP && kind != OPTION_EOL) {
            return &packet->options[(*at)++];
        }
    }
    return NULL;
}

static const struct packet_option *find_kind(const struct packet_event *packet,
                                             enum option_kind kind)
{
    for (unsigned i = 0; i < packet->option_count; i++) {
        if (packet->options[i].kind == kind) {
            return &packet->options[i];
        }
    }
    return NULL;
}

/* The same options whatever their order and padding. */
static bool options_match_freely(struct match *match)
{
    unsigned expected_at = 0, actual_at = 0, expected_count = 0, actual_count = 0;
    const struct packet_option *expected = NULL;
    while ((expected = next_real(match->expected, &expected_at)) != NULL) {
        const struct packet_option *actual = find_kind(match->actual, expected->kind);
        if (actual == NULL) {
            return differ(match, "an option is missing");
        }
        if (!option_matches(match, expected, actual)) {
            return false;
        }
        expected_count++;
    }
    while (next_real(match->actual, &actual_at) != NULL) {
        actual_count++;
    }
    return expected_count == actual_count || differ(match, "there are other options");
}

static bool options_match(struct match *match)
{
    const struct packet_event *expected = match->expected, *actual = match->actual;
    if (expected->any_options) {
        return true;
    }
    if (match->rules->free_option_order) {
        return options_match_freely(match);
    }
    unsigned count = expected->option_count, has = actual->option_count;
    for (unsigned i = 0; i < count && i < has; i++) {
        if (!option_matches(match, &expected->options[i], &actual->options[i])) {
            return false;
        }
    }
    /* Padding that the script did not write is EOL up to the next word. */
    for (unsigned i = count; i < has; i++) {
        if (actual->options[i].kind != OPTION_EOL) {
            return differ(match, count == 0 ? "there are options" : "there are more options");
        }
    }
    return count <= has ||
           differ(match, has == 0 ? "there are no options" : "there are fewer options");
}

/* ---- TCP ---- */

/* RFC 9293, 3.9.1.2: PSH must stand on the last segment of what the user has written (MUST-60). Where more
 * text follows at once it says nothing, and stacks set it there by the sizes of their buffers. */
static bool push_is_left_to_sender(const struct match *match)
{
    const struct packet_event *expected = match->expected, *actual = match->actual;
    const struct flow *flow = match->flow;
    uint32_t end = actual->end - (flow->local_isn - flow->local_offset) - 1;
    bool more = (int32_t)(flow->text_end - end) > 0;
    return flow->local_known && more && (expected->flags & DUET_PSH) && actual->length > 0;
}

static bool segment_matches(struct match *match)
{
    const struct packet_event *expected = match->expected, *actual = match->actual;
    if (expected->seq != actual->seq || expected->length != actual->length) {
        return differ(match, "the sequence numbers are %u:%u(%u), not %u:%u(%u)", actual->seq,
                      actual->end, actual->length, expected->seq, expected->end, expected->length);
    }
    uint16_t pushed = match->rules->any_push || push_is_left_to_sender(match) ? DUET_PSH : 0;
    if ((expected->flags & ~pushed) != (actual->flags & ~pushed)) {
        return differ(match, "the flags differ");
    }
    if (expected->has_ack && !actual->has_ack) {
        return differ(match, "there is no acknowledgement number");
    }
    if (expected->has_ack && !same(match, "ack", expected->ack, actual->ack)) {
        return false;
    }
    if (expected->has_window && !same(match, "win", expected->window, actual->window)) {
        return false;
    }
    uint16_t urgent = actual->has_urgent ? actual->urgent : 0;
    if (expected->has_urgent && !same(match, "urg", expected->urgent, urgent)) {
        return false;
    }
    return options_match(match);
}

static void learn_clock(struct match *match)
{
    const struct packet_option *expected = find_kind(match->expected, OPTION_TIMESTAMPS);
    const struct packet_option *actual = find_kind(match->actual, OPTION_TIMESTAMPS);
    if (expected != NULL && actual != NULL) {
        flow_clock_learn(match->flow, expected->values[0], actual->values[0], match->now);
    }
}

bool packet_matches(const struct packet_event *expected, const struct packet_event *actual,
                    struct flow *flow, const struct packet_rules *rules, duet_time now, char *why,
                    size_t size)
{
    struct match match = {expected, actual, flow, rules, now, why, size};
    why[0] = '\0';
    if (expected->protocol != actual->protocol) {
        return differ(&match, "it is another protocol");
    }
    if (expected->protocol != PACKET_TCP) {
        return same(&match, "the type", expected->type, actual->type) &&
               same(&match, "the code", expected->code, actual->code) && ip_matches(&match);
    }
    if (!segment_matches(&match) || !ip_matches(&match)) {
        return false;
    }
    learn_clock(&match);
    return true;
}
