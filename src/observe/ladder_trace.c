/* SPDX-License-Identifier: MIT */
/* What the ends say of themselves, attached to the moments it belongs to (see ladder.h).
 *
 * A flow of the trace is a pair of sockets; which ports they have is known from its segments
 * only, so flows are mapped to pairs before the walk. A flow without segments is a listener.
 */
#include <stdlib.h>
#include <string.h>

#include "observe/ladder.h"

/* How much later than the packet that changed its state an end may be asked for it. */
#define ANSWER_DELAY (20 * DUET_MILLISECOND)

static size_t *flow_slot(const struct ladder_reader *reader, unsigned end, uint32_t flow)
{
    for (size_t i = 0; i < reader->flow_count; i++)
        if (reader->flows[i].end == end && reader->flows[i].flow == flow)
            return &reader->flows[i].pair;
    return NULL;
}

static bool is_segment(const struct duet_trace_event *event)
{
    return event->kind == DUET_TRACE_SEGMENT_IN || event->kind == DUET_TRACE_SEGMENT_OUT;
}

int ladder_map_flows(struct ladder_reader *reader)
{
    const struct duet_recorder *recorder = reader->ladder->recorder;

    for (size_t i = 0; i < recorder->count; i++) {
        const struct record *record = &recorder->records[i];
        const struct duet_trace_event *event = &record->u.trace;
        struct ladder_flow *moved;
        size_t pair;

        if (record->kind != RECORD_TRACE)
            continue;
        reader->has_trace[record->end] = true;
        if (!is_segment(event) || flow_slot(reader, record->end, event->flow) != NULL)
            continue;
        pair = ladder_pair_of(reader->ladder, record->end, event->u.segment.local_port,
                              event->u.segment.remote_port);
        moved = realloc(reader->flows, (reader->flow_count + 1) * sizeof *moved);
        if (moved != NULL)
            reader->flows = moved;
        if (moved == NULL || pair == LADDER_NONE)
            return -1;
        moved[reader->flow_count++] = (struct ladder_flow){record->end, event->flow, pair};
    }
    return 0;
}

enum duet_state ladder_state_of(const struct ladder_reader *reader, unsigned end, size_t pair)
{
    if (pair == LADDER_NONE)
        pair = reader->last_pair[end];
    if (pair != LADDER_NONE && reader->ladder->pairs[pair].state_known[end])
        return reader->ladder->pairs[pair].state[end];
    return reader->listening[end] ? DUET_LISTEN : DUET_CLOSED;
}

static void set_state(struct ladder_reader *reader, unsigned end, size_t pair,
                      enum duet_state state)
{
    if (pair != LADDER_NONE) {
        reader->ladder->pairs[pair].state_known[end] = true;
        reader->ladder->pairs[pair].state[end] = state;
    } else {
        reader->listening[end] = state == DUET_LISTEN;
    }
}

/* The moment that what is said now belongs to, or NULL. */
static struct ladder_moment *context_of(struct ladder_reader *reader, unsigned end, duet_time time,
                                        size_t pair)
{
    struct ladder_moment *moment;

    if (reader->context[end] == LADDER_NONE)
        return NULL;
    moment = &reader->ladder->moments[reader->context[end]];
    if (moment->time != time ||
        (pair != LADDER_NONE && moment->pair != LADDER_NONE && moment->pair != pair))
        return NULL;
    return moment;
}

static void add_rule(struct ladder_moment *moment, uint16_t rule)
{
    if (rule == 0 || moment->rule_count == LADDER_RULES_MAX)
        return;
    for (unsigned i = 0; i < moment->rule_count; i++)
        if (moment->rules[i] == rule)
            return;
    moment->rules[moment->rule_count++] = rule;
}

static void set_tcb(struct ladder_reader *reader, struct ladder_moment *moment, uint32_t una,
                    uint32_t nxt, uint32_t wnd, uint32_t rcv_nxt, uint32_t rcv_wnd)
{
    struct ladder *ladder = reader->ladder;
    const struct ladder_direction *from = NULL;

    /* Half-open and TIME-WAIT records have no such numbers. */
    if (moment->pair == LADDER_NONE || (una | nxt | wnd | rcv_nxt | rcv_wnd) == 0)
        return;
    from = ladder->pairs[moment->pair].from;
    moment->tcb = (struct ladder_tcb){
        .known = true,
        .una = ladder_number(ladder, &from[moment->end], una),
        .nxt = ladder_number(ladder, &from[moment->end], nxt),
        .wnd = wnd,
        .rcv_nxt = ladder_number(ladder, &from[1 - moment->end], rcv_nxt),
        .rcv_wnd = rcv_wnd,
    };
    ladder->pairs[moment->pair].tcb[moment->end] = moment->tcb;
}

static void read_rule(struct ladder_reader *reader, unsigned end, size_t pair,
                      const struct duet_trace_event *event)
{
    struct ladder_moment *moment = context_of(reader, end, event->time, pair);

    if (moment == NULL) {
        moment = ladder_add_moment(reader, LADDER_STATE, event->time, end, pair);
        moment->minor = true;
    }
    add_rule(moment, event->rule);
    set_tcb(reader, moment, event->u.tcb.una, event->u.tcb.nxt, event->u.tcb.wnd,
            event->u.tcb.rcv_nxt, event->u.tcb.rcv_wnd);
}

static void read_change(struct ladder_reader *reader, unsigned end, size_t pair,
                        const struct duet_trace_event *event)
{
    struct ladder_moment *moment = context_of(reader, end, event->time, pair);
    enum duet_state to = (enum duet_state)event->u.state_change.to;

    if (moment == NULL) {
        moment = ladder_add_moment(reader, LADDER_STATE, event->time, end, pair);
        moment->before = (enum duet_state)event->u.state_change.from;
    }
    moment->minor = false;
    if (moment->state_rule == 0)
        moment->before = (enum duet_state)event->u.state_change.from;
    moment->after = to;
    moment->state_rule = event->rule;
    moment->inferred = false;
    add_rule(moment, event->rule);
    set_state(reader, end, pair, to);
    if (pair != LADDER_NONE && event->u.state_change.iss != 0)
        ladder_learn_isn(&reader->ladder->pairs[pair].from[end], event->u.state_change.iss, false);
    set_tcb(reader, moment, event->u.state_change.una, event->u.state_change.nxt,
            event->u.state_change.wnd, event->u.state_change.rcv_nxt,
            event->u.state_change.rcv_wnd);
}

static void read_timer(struct ladder_reader *reader, unsigned end, size_t pair,
                       const struct duet_trace_event *event)
{
    struct ladder_moment *moment;

    if (event->u.timer.action == DUET_TIMER_EXPIRED) {
        moment = ladder_add_moment(reader, LADDER_TIMER, event->time, end, pair);
        moment->cause = event;
        moment->minor = event->u.timer.timer == DUET_TIMER_DELAYED_ACK;
        add_rule(moment, event->rule);
        return;
    }
    moment = context_of(reader, end, event->time, pair);
    if (moment != NULL && event->u.timer.action == DUET_TIMER_STARTED &&
        event->u.timer.timer == DUET_TIMER_TIME_WAIT)
        moment->time_wait_until = event->u.timer.deadline;
}

/* Why the window changed belongs to what is at hand. A timer has a reason of its own, and that it
 * starts at the initial window goes without saying. */
static void read_congestion(struct ladder_reader *reader, unsigned end, size_t pair,
                            const struct duet_trace_event *event)
{
    struct ladder_moment *moment = context_of(reader, end, event->time, pair);

    if (moment == NULL || event->rule == 0 || event->u.congestion.cwnd == 0 ||
        strcmp(duet_rule(event->rule)->name, "INITIAL_WINDOW") == 0)
        return;
    if (moment->kind == LADDER_ARRIVAL)
        add_rule(moment, event->rule);
    moment->window = event;
}

static bool is_minor_call(const struct duet_trace_event *event)
{
    switch ((enum duet_call)event->u.call.call) {
    case DUET_CALL_LISTEN:
    case DUET_CALL_CONNECT:
    case DUET_CALL_SHUTDOWN:
    case DUET_CALL_CLOSE:
    case DUET_CALL_ABORT:
        return false;
    case DUET_CALL_SEND:
        return event->u.call.result <= 0; /* it only found that there is no room yet */
    case DUET_CALL_ACCEPT:
    case DUET_CALL_RECEIVE:
    case DUET_CALLS:
        break;
    }
    return true;
}

static void read_call(struct ladder_reader *reader, unsigned end, size_t pair,
                      const struct duet_trace_event *event)
{
    struct ladder_moment *moment = ladder_add_moment(reader, LADDER_CALL, event->time, end, pair);

    moment->cause = event;
    moment->minor = is_minor_call(event);
}

/* Whether a trace event and a packet are about the same segment. */
static bool is_same(const struct ladder_arrow *arrow, unsigned local_end,
                    const struct duet_trace_event *event)
{
    const struct tcp_header *header = &arrow->header;
    bool leaves = arrow->from == local_end;
    uint16_t local = leaves ? header->source_port : header->destination_port;
    uint16_t remote = leaves ? header->destination_port : header->source_port;

    return arrow->is_tcp && local == event->u.segment.local_port &&
           remote == event->u.segment.remote_port && header->seq == event->u.segment.seq &&
           header->flags == event->u.segment.flags &&
           ((header->flags & DUET_ACK) == 0 || header->ack == event->u.segment.ack);
}

/* A half-open record has too little for a TCB in the trace; what it knows stands in its SYN,ACK
 * and in the SYN that it answers. */
static void learn_half_open(struct ladder *ladder, const struct ladder_arrow *arrow)
{
    struct ladder_moment *moment = &ladder->moments[arrow->departure];

    if (moment->tcb.known || (arrow->header.flags & (DUET_SYN | DUET_ACK)) != (DUET_SYN | DUET_ACK))
        return;
    moment->tcb = (struct ladder_tcb){
        .known = true,
        .una = arrow->seq,
        .nxt = {.value = arrow->seq.value + 1, .base = arrow->seq.base},
        .rcv_nxt = arrow->ack,
        .rcv_wnd = arrow->header.window,
    };
    for (size_t i = ladder->arrow_count; i-- > 0;) {
        const struct ladder_arrow *syn = &ladder->arrows[i];

        if (!syn->is_tcp || syn->to != arrow->from || syn->pair != arrow->pair ||
            (syn->header.flags & DUET_SYN) == 0)
            continue;
        moment->tcb.wnd = syn->header.window;
        break;
    }
    ladder->pairs[arrow->pair].tcb[arrow->from] = moment->tcb;
}

static void explain(struct ladder_reader *reader, struct ladder_arrow *arrow,
                    const struct duet_trace_event *event)
{
    struct ladder *ladder = reader->ladder;
    struct ladder_moment *moment = &ladder->moments[arrow->departure];
    struct ladder_pair *pair = &ladder->pairs[arrow->pair];
    struct ladder_number next =
        ladder_number(ladder, &pair->from[arrow->from], ladder_end_of(&arrow->header));

    arrow->explained = true;
    arrow->rule = event->rule;
    arrow->retransmission = event->u.segment.retransmission != 0;
    if (moment->state_rule == 0)
        moment->before = moment->after = (enum duet_state)event->state;
    learn_half_open(ladder, arrow);
    if (moment->tcb.known && moment->tcb.nxt.base == next.base &&
        (int32_t)(next.value - moment->tcb.nxt.value) > 0) {
        moment->tcb.nxt = next;
        pair->tcb[arrow->from] = moment->tcb;
    }
    reader->context[arrow->from] = arrow->departure;
}

static void read_out(struct ladder_reader *reader, unsigned end,
                     const struct duet_trace_event *event)
{
    struct ladder *ladder = reader->ladder;
    size_t first =
        ladder->arrow_count > LADDER_MATCH_BACK ? ladder->arrow_count - LADDER_MATCH_BACK : 0;

    for (size_t i = first; i < ladder->arrow_count; i++) {
        struct ladder_arrow *arrow = &ladder->arrows[i];

        if (arrow->from == end && arrow->departure != LADDER_NONE && !arrow->explained &&
            is_same(arrow, end, event)) {
            explain(reader, arrow, event);
            return;
        }
    }
    reader->early_end[reader->early_count] = end;
    reader->early[reader->early_count++] = event;
    reader->context[end] = LADDER_NONE;
}

void ladder_match_early(struct ladder_reader *reader, size_t index)
{
    struct ladder_arrow *arrow = &reader->ladder->arrows[index];
    size_t first =
        reader->early_count > LADDER_MATCH_BACK ? reader->early_count - LADDER_MATCH_BACK : 0;

    for (size_t i = first; i < reader->early_count; i++) {
        if (reader->early[i] == NULL || reader->early_end[i] != arrow->from ||
            !is_same(arrow, arrow->from, reader->early[i]))
            continue;
        explain(reader, arrow, reader->early[i]);
        reader->early[i] = NULL;
        return;
    }
}

static void read_in(struct ladder_reader *reader, unsigned end,
                    const struct duet_trace_event *event)
{
    struct ladder *ladder = reader->ladder;
    size_t first =
        ladder->arrow_count > LADDER_MATCH_BACK ? ladder->arrow_count - LADDER_MATCH_BACK : 0;
    size_t context = reader->context[end];

    /* Nearly always the packet that has just arrived; in a burst, the oldest that matches. */
    if (context == LADDER_NONE || ladder->moments[context].kind != LADDER_ARRIVAL ||
        !is_same(&ladder->arrows[ladder->moments[context].arrow], end, event)) {
        context = LADDER_NONE;
        for (size_t i = ladder->arrow_count; i-- > first && context == LADDER_NONE;)
            if (ladder->arrows[i].to == end && ladder->arrows[i].arrived == event->time &&
                is_same(&ladder->arrows[i], end, event))
                context = ladder->arrows[i].arrival;
    }
    reader->context[end] = context;
    if (context != LADDER_NONE)
        ladder->moments[context].before = ladder->moments[context].after =
            (enum duet_state)event->state;
}

void ladder_read_trace(struct ladder_reader *reader, unsigned end,
                       const struct duet_trace_event *event)
{
    const size_t *slot = flow_slot(reader, end, event->flow);
    size_t pair = slot == NULL ? LADDER_NONE : *slot;

    switch ((enum duet_trace_kind)event->kind) {
    case DUET_TRACE_SEGMENT_IN:
        read_in(reader, end, event);
        break;
    case DUET_TRACE_SEGMENT_OUT:
        read_out(reader, end, event);
        break;
    case DUET_TRACE_RULE:
        read_rule(reader, end, pair, event);
        break;
    case DUET_TRACE_STATE:
        read_change(reader, end, pair, event);
        break;
    case DUET_TRACE_TIMER:
        read_timer(reader, end, pair, event);
        break;
    case DUET_TRACE_CALL:
        read_call(reader, end, pair, event);
        break;
    case DUET_TRACE_CONGESTION:
        read_congestion(reader, end, pair, event);
        break;
    case DUET_TRACE_KINDS:
        break;
    }
}

/* An end with a trace says its state itself, unless it has lost it and starts again. */
static void restart(struct ladder_reader *reader, unsigned end, const struct record *record)
{
    struct ladder_moment *moment =
        ladder_add_moment(reader, LADDER_STATE, record->time, end, reader->last_pair[end]);

    moment->after = record->u.state.state;
    moment->note = "starts again, and knows of nothing";
    for (size_t i = 0; i < reader->ladder->pair_count; i++) {
        reader->ladder->pairs[i].state_known[end] = false;
        reader->ladder->pairs[i].tcb[end].known = false;
    }
    moment->tcb.known = false;
    reader->listening[end] = record->u.state.state == DUET_LISTEN;
    reader->context[end] = LADDER_NONE;
}

/* An end that is asked answers a little later than what it tells of; a change belongs to the
 * packet that it has just received or sent. */
void ladder_read_state(struct ladder_reader *reader, const struct record *record)
{
    unsigned end = record->end;
    size_t context = reader->context[end];
    size_t pair = reader->last_pair[end];
    enum duet_state now = record->u.state.state;
    struct ladder_moment *moment;

    if (reader->has_trace[end]) {
        restart(reader, end, record);
        return;
    }
    reader->inferred[end] = record->u.state.inferred;
    if (now == ladder_state_of(reader, end, pair)) {
        set_state(reader, end, pair, now);
        return;
    }
    moment = context == LADDER_NONE ? NULL : &reader->ladder->moments[context];
    if (moment == NULL || (moment->kind != LADDER_ARRIVAL && moment->kind != LADDER_DEPARTURE) ||
        record->time - moment->time > ANSWER_DELAY)
        moment = ladder_add_moment(reader, LADDER_STATE, record->time, end, pair);
    moment->after = now;
    moment->inferred = reader->inferred[end];
    set_state(reader, end, pair, now);
}
