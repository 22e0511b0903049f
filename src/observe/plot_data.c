/* SPDX-License-Identifier: MIT */
/* From a recording to the data of a plot (plot.h): which connection and which direction, then one
 * walk over the records in their order. What a packet tells and what the trace tells are kept
 * apart, so that an end without a trace has all that packets show.
 */
#include <errno.h>
#include <stdlib.h>

#include "observe/plot.h"

struct plot_reader {
    struct plot *plot;
    unsigned shift; /* of the peer's window */
    int64_t una, nxt, window;
    int64_t pipe; /* PLOT_NONE: the trace has not told of it */
    uint32_t flow;
    bool has_flow;
};

/* ---- which connection ---- */

/* Text that each end sent on each pair, every transmission counted. */
static int choose(struct plot *plot, unsigned end)
{
    const struct ladder *ladder = &plot->ladder;
    uint64_t(*bytes)[DUET_RECORDER_ENDS] = calloc(ladder->pair_count + 1, sizeof *bytes);
    uint64_t most = 0;

    if (bytes == NULL)
        return -1;
    plot->pair = ladder->pair_count == 0 ? LADDER_NONE : 0;
    for (size_t i = 0; i < ladder->arrow_count; i++) {
        const struct ladder_arrow *arrow = &ladder->arrows[i];

        if (arrow->is_tcp && arrow->departure != LADDER_NONE)
            bytes[arrow->pair][arrow->from] += arrow->header.text_length;
    }
    for (size_t pair = 0; pair < ladder->pair_count; pair++) {
        if (bytes[pair][0] + bytes[pair][1] <= most)
            continue;
        most = bytes[pair][0] + bytes[pair][1];
        plot->pair = pair;
    }
    plot->end = end;
    if (end >= DUET_RECORDER_ENDS)
        plot->end = plot->pair != LADDER_NONE && bytes[plot->pair][1] > bytes[plot->pair][0];
    if (plot->pair != LADDER_NONE)
        plot->bytes = bytes[plot->pair][plot->end];
    free(bytes);
    return 0;
}

/* RFC 7323, 2.2: windows are scaled if both SYNs said so. */
static unsigned shift_of_peer(const struct plot *plot)
{
    bool offered[DUET_RECORDER_ENDS] = {false, false};
    unsigned shift = 0;

    for (size_t i = 0; i < plot->ladder.arrow_count; i++) {
        const struct ladder_arrow *arrow = &plot->ladder.arrows[i];

        if (!arrow->is_tcp || arrow->pair != plot->pair || (arrow->header.flags & DUET_SYN) == 0)
            continue;
        offered[arrow->from] = (arrow->header.options.present & DUET_TRACE_WINDOW_SCALE) != 0;
        if (arrow->from != plot->end)
            shift = arrow->header.options.window_scale;
    }
    return offered[0] && offered[1] ? shift : 0;
}

/* The trace of the sender names its connection by a flow; its segments have the ports. */
static void find_flow(struct plot_reader *reader)
{
    const struct plot *plot = reader->plot;
    const struct ladder_pair *pair = &plot->ladder.pairs[plot->pair];
    const struct duet_recorder *recorder = plot->ladder.recorder;

    for (size_t i = 0; i < recorder->count && !reader->has_flow; i++) {
        const struct record *record = &recorder->records[i];
        const struct duet_trace_event *event = &record->u.trace;

        if (record->kind != RECORD_TRACE || record->end != plot->end ||
            (event->kind != DUET_TRACE_SEGMENT_IN && event->kind != DUET_TRACE_SEGMENT_OUT))
            continue;
        reader->has_flow = event->u.segment.local_port == pair->ports[plot->end] &&
                           event->u.segment.remote_port == pair->ports[1 - plot->end];
        reader->flow = event->flow;
    }
}

/* ---- what packets tell ---- */

static void mark_time(struct plot *plot, duet_time time)
{
    plot->times[plot->time_count++] = time;
}

static void add_point(struct plot *plot, enum plot_curve curve, duet_time time, int64_t value,
                      const struct duet_trace_event *event, size_t arrow)
{
    struct plot_line *line = &plot->lines[curve];

    if (curve != PLOT_SAMPLE && line->count > 0 && line->points[line->count - 1].value == value)
        return;
    line->points[line->count++] =
        (struct plot_point){.time = time, .value = value, .event = event, .arrow = arrow};
}

static int64_t from_isn(struct ladder_number number)
{
    return (int32_t)number.value;
}

static void use_window(struct plot_reader *reader, duet_time time, size_t arrow)
{
    add_point(reader->plot, PLOT_IN_USE, time, reader->nxt - reader->una, NULL, arrow);
}

static void read_departure(struct plot_reader *reader, size_t index)
{
    struct plot *plot = reader->plot;
    const struct ladder_arrow *arrow = &plot->ladder.arrows[index];
    const struct tcp_header *header = &arrow->header;
    int64_t seq = from_isn(arrow->seq);
    int64_t next = seq + (int32_t)(ladder_end_of(header) - header->seq);

    if (arrow->seq.base != LADDER_RELATIVE ||
        (header->text_length == 0 && (header->flags & (DUET_SYN | DUET_FIN | DUET_RST)) == 0))
        return;
    plot->segments[plot->segment_count++] = (struct plot_segment){
        .arrow = index, .time = arrow->sent, .seq = seq, .end = from_isn(arrow->end)};
    plot->again += arrow->retransmission;
    plot->lost += arrow->lost != DUET_NEVER;
    if ((header->flags & DUET_SYN) != 0)
        reader->una = reader->nxt = 0;
    if (next > reader->nxt)
        reader->nxt = next;
    use_window(reader, arrow->sent, index);
}

static bool has_ack(const struct ladder_arrow *arrow)
{
    return (arrow->header.flags & DUET_ACK) != 0 && arrow->ack.base == LADDER_RELATIVE;
}

static int64_t scaled(const struct plot_reader *reader, const struct tcp_header *header)
{
    bool is_syn = (header->flags & DUET_SYN) != 0;

    return (int64_t)header->window << (is_syn ? 0 : reader->shift);
}

static void add_ack(struct plot_reader *reader, size_t index, duet_time time, bool is_lost)
{
    struct plot *plot = reader->plot;
    const struct ladder_arrow *arrow = &plot->ladder.arrows[index];

    plot->acks[plot->ack_count++] = (struct plot_ack){.arrow = index,
                                                      .time = time,
                                                      .ack = from_isn(arrow->ack),
                                                      .window = scaled(reader, &arrow->header),
                                                      .is_lost = is_lost};
}

/* What nobody sent (an attack) is drawn, but the sender's numbers do not follow it. */
static void read_arrival(struct plot_reader *reader, size_t index, duet_time time)
{
    const struct ladder_arrow *arrow = &reader->plot->ladder.arrows[index];
    int64_t ack = from_isn(arrow->ack);

    if (!has_ack(arrow))
        return;
    add_ack(reader, index, time, false);
    if (arrow->injected || ack < reader->una || ack > reader->nxt)
        return;
    reader->una = ack;
    use_window(reader, time, index);
    add_point(reader->plot, PLOT_WINDOW, time, scaled(reader, &arrow->header), NULL, index);
}

static void read_packet(struct plot_reader *reader, const struct ladder_moment *moment)
{
    struct plot *plot = reader->plot;
    const struct ladder_arrow *arrow = &plot->ladder.arrows[moment->arrow];

    if (!arrow->is_tcp || arrow->pair != plot->pair)
        return;
    mark_time(plot, moment->time);
    if (moment->kind == LADDER_ARRIVAL && moment->end == plot->end)
        read_arrival(reader, moment->arrow, moment->time);
    else if (moment->kind == LADDER_DEPARTURE && moment->end == plot->end)
        read_departure(reader, moment->arrow);
    else if (moment->kind == LADDER_DEPARTURE && arrow->lost != DUET_NEVER && has_ack(arrow))
        add_ack(reader, moment->arrow, arrow->lost, true);
}

/* ---- what the trace tells ---- */

static void enter_phase(struct plot *plot, duet_time time, enum duet_phase phase)
{
    size_t count = plot->phase_count;

    if (count > 0 && plot->phases[count - 1].phase == phase)
        return;
    if (count > 0)
        plot->phases[count - 1].until = time;
    plot->phases[count] = (struct plot_phase){.from = time, .until = DUET_NEVER, .phase = phase};
    plot->phase_count++;
}

static void read_congestion(struct plot_reader *reader, const struct duet_trace_event *event)
{
    struct plot *plot = reader->plot;

    if (event->u.congestion.rtt > 0)
        add_point(plot, PLOT_SAMPLE, event->time, event->u.congestion.rtt, event, LADDER_NONE);
    if (event->u.congestion.srtt > 0)
        add_point(plot, PLOT_SRTT, event->time, event->u.congestion.srtt, event, LADDER_NONE);
    add_point(plot, PLOT_RTO, event->time, event->u.congestion.rto, event, LADDER_NONE);
    if (event->rule != 0)
        plot->events[plot->event_count++] = (struct plot_event){event->time, event};
    if (event->u.congestion.cwnd == 0) /* not open yet */
        return;
    add_point(plot, PLOT_CWND, event->time, event->u.congestion.cwnd, event, LADDER_NONE);
    add_point(plot, PLOT_SSTHRESH, event->time, event->u.congestion.ssthresh, event, LADDER_NONE);
    add_point(plot, PLOT_PIPE, event->time, event->u.congestion.pipe, event, LADDER_NONE);
    reader->pipe = event->u.congestion.pipe;
    plot->mss = event->u.congestion.mss;
    enter_phase(plot, event->time, (enum duet_phase)event->u.congestion.phase);
}

/* Between two acknowledgements the pipe grows by what is sent, whether or not for the first time
 * (RFC 6675, 4). */
static void read_segment_out(struct plot_reader *reader, const struct duet_trace_event *event)
{
    if (reader->pipe == PLOT_NONE || event->u.segment.length == 0)
        return;
    reader->pipe += event->u.segment.length;
    add_point(reader->plot, PLOT_PIPE, event->time, reader->pipe, NULL, LADDER_NONE);
}

/* Timers about sending. Those that end a connection would only stretch the time axis. */
static void read_timer(struct plot *plot, const struct duet_trace_event *event)
{
    if (event->u.timer.action != DUET_TIMER_EXPIRED ||
        event->u.timer.timer == DUET_TIMER_TIME_WAIT ||
        event->u.timer.timer == DUET_TIMER_FIN_WAIT_2 ||
        event->u.timer.timer == DUET_TIMER_DELAYED_ACK)
        return;
    mark_time(plot, event->time);
    plot->events[plot->event_count++] = (struct plot_event){event->time, event};
}

static void read_trace(struct plot_reader *reader, const struct record *record)
{
    const struct duet_trace_event *event = &record->u.trace;

    if (record->end != reader->plot->end || !reader->has_flow || event->flow != reader->flow)
        return;
    switch ((enum duet_trace_kind)event->kind) {
    case DUET_TRACE_SEGMENT_OUT:
        read_segment_out(reader, event);
        break;
    case DUET_TRACE_TIMER:
        read_timer(reader->plot, event);
        break;
    case DUET_TRACE_CONGESTION:
        read_congestion(reader, event);
        break;
    case DUET_TRACE_SEGMENT_IN:
    case DUET_TRACE_RULE:
    case DUET_TRACE_STATE:
    case DUET_TRACE_CALL:
    case DUET_TRACE_KINDS:
        break;
    }
}

/* ---- the whole ---- */

/* The moments of packets stand in the order of their records. */
static void walk(struct plot_reader *reader)
{
    const struct ladder *ladder = &reader->plot->ladder;
    size_t at = 0;

    for (size_t i = 0; i < ladder->recorder->count; i++) {
        const struct record *record = &ladder->recorder->records[i];

        if (record->kind == RECORD_TRACE)
            read_trace(reader, record);
        if (record->kind != RECORD_SENT && record->kind != RECORD_ARRIVED)
            continue;
        while (at < ladder->moment_count && ladder->moments[at].packet != record)
            at++;
        if (at < ladder->moment_count)
            read_packet(reader, &ladder->moments[at++]);
    }
}

static int by_time(const void *left, const void *right)
{
    const duet_time *a = left, *b = right;

    return (*a > *b) - (*a < *b);
}

static int allocate(struct plot *plot)
{
    size_t most = plot->ladder.recorder->count + 1; /* a record makes at most one of each */

    plot->segments = calloc(most, sizeof *plot->segments);
    plot->acks = calloc(most, sizeof *plot->acks);
    plot->phases = calloc(most, sizeof *plot->phases);
    plot->events = calloc(most, sizeof *plot->events);
    plot->times = calloc(most, sizeof *plot->times);
    for (unsigned curve = 0; curve < PLOT_CURVES; curve++) {
        plot->lines[curve].points = calloc(most, sizeof *plot->lines[curve].points);
        if (plot->lines[curve].points == NULL)
            return -1;
    }
    return plot->segments == NULL || plot->acks == NULL || plot->phases == NULL ||
                   plot->events == NULL || plot->times == NULL
               ? -1
               : 0;
}

int plot_make(const struct duet_recorder *recorder, unsigned end, struct plot *plot)
{
    struct plot_reader reader = {.plot = plot, .pipe = PLOT_NONE};

    *plot = (struct plot){.pair = LADDER_NONE};
    if (ladder_make(recorder, false, &plot->ladder) != 0)
        return -1;
    if (allocate(plot) != 0 || choose(plot, end) != 0) {
        plot_free(plot);
        errno = ENOMEM;
        return -1;
    }
    if (plot->pair == LADDER_NONE)
        return 0;
    reader.shift = shift_of_peer(plot);
    find_flow(&reader);
    walk(&reader);
    if (plot->time_count > 0)
        qsort(plot->times, plot->time_count, sizeof *plot->times, by_time);
    return 0;
}

void plot_free(struct plot *plot)
{
    for (unsigned curve = 0; curve < PLOT_CURVES; curve++)
        free(plot->lines[curve].points);
    free(plot->segments);
    free(plot->acks);
    free(plot->phases);
    free(plot->events);
    free(plot->times);
    ladder_free(&plot->ladder);
    *plot = (struct plot){.pair = LADDER_NONE};
}
