/* SPDX-License-Identifier: MIT */
/* What a plot says of a thing that is pointed at: a line of facts, then each rule that decided, with
 * its section. Lines are parted by line feeds. */
#include <inttypes.h>

#include "observe/plot.h"

/* ---- pieces ---- */

static void add_time(struct words *words, const struct plot *plot, duet_time time)
{
    words_instant(words, &plot->ladder, time);
    words_add(words, " s");
}

/* 1.25 ms; three digits are what a picture can show. */
static void add_duration(struct words *words, int64_t time)
{
    words_add(words, "%" PRId64 ".%03" PRId64 " ms", time / DUET_MILLISECOND,
              time % DUET_MILLISECOND / DUET_MICROSECOND);
}

static void add_rule(struct words *words, const char *who, uint16_t rule)
{
    if (rule == 0)
        return;
    words_add(words, "\n%s: ", who);
    words_rule(words, rule);
}

static const char *name_of(const struct plot *plot, unsigned end)
{
    return plot->ladder.recorder->ends[end].name;
}

/* What the end where the packet arrived decided about it. */
static void add_verdicts(struct words *words, const struct plot *plot,
                         const struct ladder_arrow *arrow)
{
    const struct ladder_moment *moment;

    if (arrow->arrival == LADDER_NONE)
        return;
    moment = &plot->ladder.moments[arrow->arrival];
    for (unsigned i = 0; i < moment->rule_count; i++)
        add_rule(words, name_of(plot, arrow->to), moment->rules[i]);
}

static void add_header(struct words *words, const struct plot *plot,
                       const struct ladder_arrow *arrow)
{
    struct words field;

    if (arrow->tag != 0)
        words_add(words, "#%" PRIu32 " ", arrow->tag);
    words_flags(words, arrow);
    for (unsigned i = 0; words_field(&field, &plot->ladder, arrow, i); i++)
        if (field.length > 0)
            words_add(words, "  %s", field.text);
    words_clear(&field);
    words_options(&field, arrow, false);
    if (field.length > 0)
        words_add(words, "  %s", field.text);
    words_clear(&field);
    words_faults(&field, arrow);
    if (field.length > 0)
        words_add(words, "  (%s)", field.text);
}

/* ---- things ---- */

void plot_say_segment(struct words *words, const struct plot *plot,
                      const struct plot_segment *segment)
{
    const struct ladder_arrow *arrow = &plot->ladder.arrows[segment->arrow];

    words_clear(words);
    add_header(words, plot, arrow);
    words_add(words, "\nleaves at ");
    add_time(words, plot, segment->time);
    if (arrow->lost != DUET_NEVER) {
        words_add(words, ", and is lost on its way");
    } else if (arrow->arrived != DUET_NEVER) {
        words_add(words, ", arrives at ");
        add_time(words, plot, arrow->arrived);
    }
    add_rule(words, "why", arrow->rule);
    add_verdicts(words, plot, arrow);
}

void plot_say_ack(struct words *words, const struct plot *plot, const struct plot_ack *ack)
{
    const struct ladder_arrow *arrow = &plot->ladder.arrows[ack->arrow];

    words_clear(words);
    add_header(words, plot, arrow);
    words_add(words, ack->is_lost ? "\nlost on its way at " : "\narrives at ");
    add_time(words, plot, ack->time);
    if (ack->window != arrow->header.window)
        words_add(words, "\nwindow, scaled: %" PRId64 " bytes", ack->window);
    add_rule(words, "why", arrow->rule);
    add_verdicts(words, plot, arrow);
}

static void add_congestion(struct words *words, const struct plot *plot,
                           const struct duet_trace_event *event)
{
    uint32_t cwnd = event->u.congestion.cwnd, mss = event->u.congestion.mss;

    add_time(words, plot, event->time);
    if (cwnd > 0) {
        words_add(words, "  cwnd %" PRIu32, cwnd);
        if (mss > 0)
            words_add(words, " (%" PRIu32 ".%" PRIu32 " segments)", cwnd / mss,
                      cwnd % mss * 10 / mss);
        if (event->u.congestion.ssthresh < 1U << 30)
            words_add(words, ", ssthresh %" PRIu32, event->u.congestion.ssthresh);
        words_add(words, ", pipe %" PRIu32 ", flight %" PRIu32 "\n%s", event->u.congestion.pipe,
                  event->u.congestion.flight,
                  plot_phase_words((enum duet_phase)event->u.congestion.phase));
    }
}

static void add_estimates(struct words *words, const struct plot *plot,
                          const struct duet_trace_event *event)
{
    add_time(words, plot, event->time);
    if (event->u.congestion.rtt > 0) {
        words_add(words, "  round trip ");
        add_duration(words, event->u.congestion.rtt);
    }
    if (event->u.congestion.srtt > 0) {
        words_add(words, "  SRTT ");
        add_duration(words, event->u.congestion.srtt);
    }
    words_add(words, "  RTO ");
    add_duration(words, event->u.congestion.rto);
}

void plot_say_point(struct words *words, const struct plot *plot, enum plot_curve curve,
                    const struct plot_point *point)
{
    words_clear(words);
    switch (curve) {
    case PLOT_CWND:
    case PLOT_SSTHRESH:
    case PLOT_PIPE:
        if (point->event == NULL) {
            add_time(words, plot, point->time);
            words_add(words, "  pipe %" PRId64, point->value);
            return;
        }
        add_congestion(words, plot, point->event);
        break;
    case PLOT_SAMPLE:
    case PLOT_SRTT:
    case PLOT_RTO:
        add_estimates(words, plot, point->event);
        break;
    case PLOT_WINDOW:
    case PLOT_IN_USE:
        add_time(words, plot, point->time);
        words_add(words, curve == PLOT_WINDOW ? "  window %" PRId64 : "  in use %" PRId64,
                  point->value);
        return;
    case PLOT_CURVES:
        return;
    }
    add_rule(words, "why", point->event->rule);
}

void plot_say_event(struct words *words, const struct plot *plot, const struct plot_event *event)
{
    const struct ladder_moment timer = {.kind = LADDER_TIMER, .cause = event->event};

    words_clear(words);
    if (event->event->kind != DUET_TRACE_TIMER) {
        add_congestion(words, plot, event->event);
    } else {
        add_time(words, plot, event->time);
        words_add(words, "  ");
        words_title(words, &timer);
    }
    add_rule(words, "why", event->event->rule);
}

void plot_say_summary(struct words *words, const struct plot *plot)
{
    unsigned text = 0;

    words_clear(words);
    if (plot->pair == LADDER_NONE) {
        words_add(words, "no connection was recorded");
        return;
    }
    for (size_t i = 0; i < plot->segment_count; i++)
        text += plot->segments[i].end > plot->segments[i].seq;
    words_add(words, "%s to %s: %" PRIu64 " bytes in %u segment%s", name_of(plot, plot->end),
              name_of(plot, 1 - plot->end), plot->bytes, text, text == 1 ? "" : "s");
    if (plot->again > 0)
        words_add(words, ", %u sent again", plot->again);
    if (plot->lost > 0)
        words_add(words, ", %u lost on the way", plot->lost);
}

const char *plot_phase_words(enum duet_phase phase)
{
    switch (phase) {
    case DUET_PHASE_SLOW_START:
        return "slow start";
    case DUET_PHASE_AVOIDANCE:
        return "congestion avoidance";
    case DUET_PHASE_RECOVERY:
        return "recovery";
    case DUET_PHASE_LOSS:
        return "after a timeout";
    case DUET_PHASES:
        break;
    }
    return "";
}
