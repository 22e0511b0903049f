/* SPDX-License-Identifier: MIT */
/* The panel of sequence numbers, as Stevens and tcptrace draw it: a bar for each segment from its
 * first to its last byte where it left, the stairs of acknowledgements below and of the window's
 * right edge above, SACK blocks where they arrived, and a cross on what the network lost.
 */
#include <string.h>

#include "observe/plot_pen.h"

enum {
    ROOM_ABOVE = 20, /* a twentieth of the height stays free above, */
    ROOM_BELOW = 40, /* and a fortieth below */
    FLAG_ROOM = 40,  /* pixels of the name of a control bit */
    EDGE_TIMES = 2,  /* a window that reaches further than so many times the data is left out */
    SMALL = 10,      /* bytes; a picture of SYN and FIN alone */
};

static int64_t highest(const struct plot *plot)
{
    int64_t most = SMALL;

    for (size_t i = 0; i < plot->segment_count; i++)
        if (plot->segments[i].end > most)
            most = plot->segments[i].end;
    return most;
}

static int64_t highest_edge(const struct plot *plot)
{
    int64_t most = 0;

    for (size_t i = 0; i < plot->ack_count; i++)
        if (!plot->acks[i].is_lost && plot->acks[i].ack + plot->acks[i].window > most)
            most = plot->acks[i].ack + plot->acks[i].window;
    return most;
}

void plot_sequence_scale(const struct plot *plot, struct plot_axis *axis)
{
    int64_t until = highest(plot), edge = highest_edge(plot);

    if (edge > until && edge <= EDGE_TIMES * until)
        until = edge;
    plot_axis_make(axis, -until / ROOM_BELOW - 1, until + until / ROOM_ABOVE + 1);
}

/* ---- stairs ---- */

/* The acknowledgement that counts (edge: and the window's right edge), as it moves: an old one that
 * arrives late moves nothing, a new connection begins at the bottom. */
static void put_stairs(const struct plot_pen *pen, const char *class, bool edge)
{
    const struct plot *plot = pen->plot;
    int64_t una = -1;
    bool is_drawn = false;

    fprintf(pen->to, "<path class=\"%s\" d=\"", class);
    for (size_t i = 0; i < plot->ack_count; i++) {
        const struct plot_ack *ack = &plot->acks[i];
        const struct ladder_arrow *arrow = &plot->ladder.arrows[ack->arrow];
        bool is_syn = (arrow->header.flags & DUET_SYN) != 0;

        if (ack->is_lost || arrow->injected || (ack->ack < una && !is_syn))
            continue;
        una = ack->ack;
        fprintf(pen->to, is_drawn ? "H%.1fV%.1f" : "M%.1f %.1f", pen_x(pen, ack->time),
                pen_y(pen, edge ? una + ack->window : una));
        is_drawn = true;
    }
    if (is_drawn)
        fprintf(pen->to, "H%.1f", pen_x(pen, plot->times[plot->time_count - 1]));
    fputs("\"/>\n", pen->to);
}

static void put_acks(const struct plot_pen *pen)
{
    const struct plot *plot = pen->plot;
    struct words words;

    for (size_t i = 0; i < plot->ack_count; i++) {
        const struct plot_ack *ack = &plot->acks[i];
        const struct ladder_arrow *arrow = &plot->ladder.arrows[ack->arrow];

        plot_say_ack(&words, plot, ack);
        for (unsigned k = 0; k < arrow->header.options.sack_count; k++)
            if (!ack->is_lost)
                pen_bar(pen, "sack", ack->time, (int32_t)arrow->sack[k][0].value,
                        (int32_t)arrow->sack[k][1].value, &words);
        pen_mark(pen, ack->is_lost ? "cross faint" : "ack", ack->time, ack->ack,
                 ack->is_lost ? pen_cross : pen_dot, &words);
    }
}

/* ---- segments ---- */

static const char *letters(uint16_t flags)
{
    if ((flags & DUET_RST) != 0)
        return "RST";
    if ((flags & DUET_SYN) != 0)
        return "SYN";
    return (flags & DUET_FIN) != 0 ? "FIN" : NULL;
}

static void put_flag(const struct plot_pen *pen, const struct plot_segment *segment,
                     const char *flag, const struct words *words)
{
    const struct plot_piece *last = &pen->time->pieces[pen->time->count - 1];
    bool has_room = pen_x(pen, segment->time) + FLAG_ROOM < last->right;
    char shape[128];

    snprintf(shape, sizeof shape,
             "<circle r=\"2.5\"/><text x=\"%d\" y=\"-5\" text-anchor=\"%s\">%s</text>",
             has_room ? 5 : -5, has_room ? "start" : "end", flag);
    pen_mark(pen, "flag", segment->time, segment->end, shape, words);
}

static void put_segments(const struct plot_pen *pen)
{
    const struct plot *plot = pen->plot;
    struct words words;

    for (size_t i = 0; i < plot->segment_count; i++) {
        const struct plot_segment *segment = &plot->segments[i];
        const struct ladder_arrow *arrow = &plot->ladder.arrows[segment->arrow];
        const char *flag = letters(arrow->header.flags);

        plot_say_segment(&words, plot, segment);
        if (segment->end > segment->seq)
            pen_bar(pen, arrow->retransmission ? "again" : "sent", segment->time, segment->seq,
                    segment->end, &words);
        if (flag != NULL)
            put_flag(pen, segment, flag, &words);
        if (arrow->lost != DUET_NEVER)
            pen_mark(pen, "cross", arrow->lost, (segment->seq + segment->end) / 2, pen_cross,
                     &words);
    }
}

/* Beside its line if the one before is far enough, at its left if there is no more room at its right. */
static void put_timer_name(const struct plot_pen *pen, const struct plot_event *event,
                           double *free_from)
{
    const struct plot_piece *last = &pen->time->pieces[pen->time->count - 1];
    const char *name = duet_timer_name(event->event->u.timer.timer);
    const double x = pen_x(pen, event->time), width = 6 * (double)strlen(name) + 8;
    const bool has_room = x + width < last->right;
    char shape[96];

    if (*free_from > (has_room ? x : x - width))
        return;
    *free_from = x + (has_room ? width : 0);
    snprintf(shape, sizeof shape, "<text x=\"%d\" y=\"13\" text-anchor=\"%s\">%s</text>",
             has_room ? 5 : -5, has_room ? "start" : "end", name);
    pen_mark(pen, "name", event->time, pen->axis->until, shape, NULL);
}

/* A timer that ran out is a line over the whole height. */
static void put_timers(const struct plot_pen *pen)
{
    struct words words;
    double free_from = 0;

    for (size_t i = 0; i < pen->plot->event_count; i++) {
        const struct plot_event *event = &pen->plot->events[i];
        double x = pen_x(pen, event->time);

        if (event->event->kind != DUET_TRACE_TIMER)
            continue;
        plot_say_event(&words, pen->plot, event);
        fprintf(pen->to, "<path class=\"timer\" d=\"M%.1f %.1fV%.1f\">", x, pen->axis->bottom,
                pen->axis->top);
        pen_title(pen, &words);
        fputs("</path>\n", pen->to);
        put_timer_name(pen, event, &free_from);
    }
}

void plot_sequence_draw(const struct plot_pen *pen)
{
    put_timers(pen);
    put_stairs(pen, "edge", true);
    put_stairs(pen, "una", false);
    put_acks(pen);
    put_segments(pen);
}
