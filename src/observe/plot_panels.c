/* SPDX-License-Identifier: MIT */
/* The panels of a plot (plot.h): what each must hold, its legend and what is drawn in it. The
 * panel of sequence numbers is in plot_sequence.c.
 */
#include <string.h>

#include "observe/plot_pen.h"

enum {
    ROOM_ABOVE = 8, /* an eighth of the height stays free above */
    RTO_TIMES = 6,  /* an RTO that is more than so many times the round trip needs a logarithm */
};

/* ---- scales ---- */

static int64_t most_of(const struct plot_line *line)
{
    int64_t most = 0;

    for (size_t i = 0; i < line->count; i++)
        if (line->points[i].value > most)
            most = line->points[i].value;
    return most;
}

static int64_t least_of(const struct plot_line *line)
{
    int64_t least = INT64_MAX;

    for (size_t i = 0; i < line->count; i++)
        if (line->points[i].value > 0 && line->points[i].value < least)
            least = line->points[i].value;
    return least;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

bool plot_panel_has(const struct plot *plot, enum plot_panel_kind kind)
{
    switch (kind) {
    case PLOT_SEQUENCE:
        return true;
    case PLOT_CONGESTION:
        return plot->lines[PLOT_CWND].count > 0;
    case PLOT_ROUND_TRIPS:
        return plot->lines[PLOT_RTO].count > 0;
    case PLOT_PEER:
        return plot->lines[PLOT_WINDOW].count > 0;
    case PLOT_PANELS:
        break;
    }
    return false;
}

static void scale_round_trips(const struct plot *plot, struct plot_axis *axis)
{
    const struct plot_line *lines = plot->lines;
    int64_t most = larger(most_of(&lines[PLOT_RTO]), most_of(&lines[PLOT_SAMPLE]));
    int64_t least = least_of(&lines[PLOT_SAMPLE]);

    axis->is_time = true;
    axis->is_logarithmic =
        lines[PLOT_SAMPLE].count > 0 && most / RTO_TIMES > most_of(&lines[PLOT_SAMPLE]);
    if (axis->is_logarithmic)
        plot_axis_make(axis, larger(least / 2, 1), 2 * most);
    else
        plot_axis_make(axis, 0, most + most / ROOM_ABOVE);
}

/* ssthresh is arbitrarily high until the first congestion: the picture does not follow it there. */
void plot_panel_scale(const struct plot *plot, struct plot_panel *panel)
{
    const struct plot_line *lines = plot->lines;
    int64_t most = 0;

    switch (panel->kind) {
    case PLOT_SEQUENCE:
        plot_sequence_scale(plot, &panel->axis);
        return;
    case PLOT_CONGESTION:
        most = larger(most_of(&lines[PLOT_CWND]), most_of(&lines[PLOT_PIPE]));
        break;
    case PLOT_ROUND_TRIPS:
        scale_round_trips(plot, &panel->axis);
        return;
    case PLOT_PEER:
        most = larger(most_of(&lines[PLOT_WINDOW]), most_of(&lines[PLOT_IN_USE]));
        break;
    case PLOT_PANELS:
        break;
    }
    plot_axis_make(&panel->axis, 0, most + most / ROOM_ABOVE + 1);
}

/* ---- words around them ---- */

const char *plot_panel_title(const struct plot_panel *panel)
{
    static const char *const titles[PLOT_PANELS] = {"Sequence numbers", "Congestion window",
                                                    "Round trips", "The peer's window"};

    return panel->axis.is_logarithmic ? "Round trips, log scale" : titles[panel->kind];
}

static bool has_phase(const struct plot *plot, enum duet_phase phase)
{
    for (size_t i = 0; i < plot->phase_count; i++)
        if (plot->phases[i].phase == phase)
            return true;
    return false;
}

static bool has_timer(const struct plot *plot)
{
    for (size_t i = 0; i < plot->event_count; i++)
        if (plot->events[i].event->kind == DUET_TRACE_TIMER)
            return true;
    return false;
}

static bool has_sack(const struct plot *plot)
{
    for (size_t i = 0; i < plot->ack_count; i++)
        if (plot->ladder.arrows[plot->acks[i].arrow].header.options.sack_count > 0)
            return true;
    return false;
}

static bool has_loss(const struct plot *plot)
{
    bool found = plot->lost > 0;

    for (size_t i = 0; i < plot->ack_count; i++)
        found |= plot->acks[i].is_lost;
    return found;
}

/* A large window may end far above everything that is sent. */
static bool has_edge(const struct plot *plot, const struct plot_axis *axis)
{
    for (size_t i = 0; i < plot->ack_count; i++)
        if (!plot->acks[i].is_lost && plot->acks[i].ack + plot->acks[i].window <= axis->until)
            return true;
    return false;
}

/* Only what is in the picture. */
static void sequence_legend(const struct plot *plot, const struct plot_axis *axis, FILE *to, int x,
                            int y)
{
    const struct {
        struct plot_key key;
        bool is_there;
    } keys[] = {
        {{"sent", key_bar, "sent"}, true},
        {{"again", key_bar, "sent again"}, plot->again > 0},
        {{"cross", key_cross, "lost"}, has_loss(plot)},
        {{"una", key_line, "acknowledged"}, plot->ack_count > 0},
        {{"edge", key_line, "end of the window"}, has_edge(plot, axis)},
        {{"sack", key_bar, "SACK"}, has_sack(plot)},
        {{"timer", key_bar, "timer"}, has_timer(plot)},
    };

    for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (keys[i].is_there)
            x = pen_key(to, x, y, &keys[i].key);
}

static const char *phase_class(enum duet_phase phase)
{
    static const char *const classes[DUET_PHASES] = {"phase start", "phase avoid", "phase recover",
                                                     "phase loss"};

    return classes[phase];
}

static void congestion_legend(const struct plot *plot, FILE *to, int x, int y)
{
    static const struct plot_key keys[] = {{"cwnd", key_line, "cwnd"},
                                           {"ssthresh", key_line, "ssthresh"},
                                           {"pipe", key_block, "in the network"},
                                           {"rule", key_triangle, "rule"}};

    for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; i++)
        x = pen_key(to, x, y, &keys[i]);
    for (unsigned phase = 0; phase < DUET_PHASES; phase++) {
        struct plot_key key = {phase_class((enum duet_phase)phase), key_block,
                               plot_phase_words((enum duet_phase)phase)};

        if (phase != DUET_PHASE_AVOIDANCE && has_phase(plot, (enum duet_phase)phase))
            x = pen_key(to, x, y, &key);
    }
}

void plot_panel_legend(const struct plot *plot, const struct plot_panel *panel, FILE *to, int x,
                       int y)
{
    static const struct plot_key times[] = {{"sample", key_dot, "measured"},
                                            {"srtt", key_line, "SRTT, smoothed"},
                                            {"rto", key_line, "RTO"}};
    static const struct plot_key peers[] = {{"edge", key_line, "offered"},
                                            {"pipe", key_block, "in use: sent, not acknowledged"}};

    switch (panel->kind) {
    case PLOT_SEQUENCE:
        sequence_legend(plot, &panel->axis, to, x, y);
        break;
    case PLOT_CONGESTION:
        congestion_legend(plot, to, x, y);
        break;
    case PLOT_ROUND_TRIPS:
        for (unsigned i = 0; i < sizeof times / sizeof times[0]; i++)
            x = pen_key(to, x, y, &times[i]);
        break;
    case PLOT_PEER:
        for (unsigned i = 0; i < sizeof peers / sizeof peers[0]; i++)
            x = pen_key(to, x, y, &peers[i]);
        break;
    case PLOT_PANELS:
        break;
    }
    fputc('\n', to);
}

/* ---- inside ---- */

/* Where there is room for it, at the top of its band. */
static void put_phase_name(const struct plot_pen *pen, const struct plot_phase *phase,
                           duet_time until)
{
    const char *name = plot_phase_words(phase->phase);
    char shape[96];

    if (pen_x(pen, until) - pen_x(pen, phase->from) < 6.5 * (double)strlen(name) + 8)
        return;
    snprintf(shape, sizeof shape, "<text x=\"7\" y=\"13\">%s</text>", name);
    pen_mark(pen, "name", phase->from, pen->axis->until, shape, NULL);
}

static void put_phases(const struct plot_pen *pen)
{
    const struct plot *plot = pen->plot;
    struct words words;

    for (size_t i = 0; i < plot->phase_count; i++) {
        const struct plot_phase *phase = &plot->phases[i];
        duet_time until =
            phase->until == DUET_NEVER ? plot->times[plot->time_count - 1] : phase->until;

        if (until == phase->from)
            continue;
        words_clear(&words);
        words_add(&words, "%s, from ", plot_phase_words(phase->phase));
        words_instant(&words, &plot->ladder, phase->from);
        words_add(&words, " to ");
        words_instant(&words, &plot->ladder, until);
        words_add(&words, " s");
        pen_band(pen, phase_class(phase->phase), phase->from, until, &words);
        put_phase_name(pen, phase, until);
    }
}

static void put_rules(const struct plot_pen *pen)
{
    struct words words;

    for (size_t i = 0; i < pen->plot->event_count; i++) {
        const struct plot_event *event = &pen->plot->events[i];

        if (event->event->kind == DUET_TRACE_TIMER)
            continue;
        plot_say_event(&words, pen->plot, event);
        pen_mark(pen, "rule", event->time, pen->axis->until, pen_triangle, &words);
    }
}

void plot_panel_draw(const struct plot *plot, const struct plot_panel *panel,
                     const struct plot_time *time, FILE *to)
{
    const struct plot_pen pen = {.to = to, .plot = plot, .time = time, .axis = &panel->axis};
    const struct plot_line *lines = plot->lines;

    if (plot->time_count == 0)
        return;
    switch (panel->kind) {
    case PLOT_SEQUENCE:
        plot_sequence_draw(&pen);
        break;
    case PLOT_CONGESTION:
        put_phases(&pen);
        pen_stairs(&pen, "pipe", &lines[PLOT_PIPE], true);
        pen_stairs(&pen, "ssthresh", &lines[PLOT_SSTHRESH], false);
        pen_stairs(&pen, "cwnd", &lines[PLOT_CWND], false);
        pen_dots(&pen, PLOT_PIPE, "quiet");
        pen_dots(&pen, PLOT_CWND, "cwnd-point");
        put_rules(&pen);
        break;
    case PLOT_ROUND_TRIPS:
        pen_stairs(&pen, "rto", &lines[PLOT_RTO], false);
        pen_stairs(&pen, "srtt", &lines[PLOT_SRTT], false);
        pen_dots(&pen, PLOT_RTO, "quiet");
        pen_dots(&pen, PLOT_SAMPLE, "sample");
        break;
    case PLOT_PEER:
        pen_stairs(&pen, "pipe", &lines[PLOT_IN_USE], true);
        pen_stairs(&pen, "edge", &lines[PLOT_WINDOW], false);
        pen_dots(&pen, PLOT_IN_USE, "quiet");
        pen_dots(&pen, PLOT_WINDOW, "quiet");
        break;
    case PLOT_PANELS:
        break;
    }
}
