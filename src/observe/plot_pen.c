/* SPDX-License-Identifier: MIT */
/* The two kinds of marks of a plot, and the entries of its legends (plot_pen.h). */
#include "observe/plot_pen.h"

#include <string.h>

enum {
    KEY_SHAPE = 24,    /* from the shape of a key to its text */
    KEY_CHARACTER = 7, /* of the text of a key, rounded up */
    KEY_GAP = 14,
    SHAPE_HALF = 9,
    BEYOND = 50,
};

const char pen_dot[] = "<circle r=\"2.2\"/>";
const char pen_cross[] = "<path class=\"halo\" d=\"M-5 -5L5 5M-5 5L5 -5\"/>"
                         "<path d=\"M-5 -5L5 5M-5 5L5 -5\"/>";
const char pen_triangle[] = "<path d=\"M-5 0H5L0 8Z\"/>";

const char key_line[] = "<path d=\"M-9 0H9\"/>";
const char key_bar[] = "<path d=\"M0 -6V6\"/>";
const char key_block[] = "<path d=\"M-8 -5H8V5H-8Z\"/>";
const char key_dot[] = "<circle r=\"3\"/>";
const char key_cross[] = "<path d=\"M-5 -5L5 5M-5 5L5 -5\"/>";
const char key_triangle[] = "<path d=\"M-5 -4H5L0 4Z\"/>";

double pen_x(const struct plot_pen *pen, duet_time time)
{
    return plot_time_at(pen->time, time);
}

double pen_y(const struct plot_pen *pen, int64_t value)
{
    return plot_axis_at(pen->axis, value);
}

void pen_title(const struct plot_pen *pen, const struct words *words)
{
    const char *text = words->text, *end;
    struct words line;

    fputs("<title>", pen->to);
    for (; (end = strchr(text, '\n')) != NULL; text = end + 1) {
        words_clear(&line);
        words_add(&line, "%.*s", (int)(end - text), text);
        svg_text(pen->to, line.text);
        fputs("&#10;", pen->to);
    }
    svg_text(pen->to, text);
    fputs("</title>", pen->to);
}

/* A picture of two pixels at least: a short segment beside long ones is still seen. */
void pen_bar(const struct plot_pen *pen, const char *class, duet_time time, int64_t low,
             int64_t high, const struct words *words)
{
    double bottom = pen_y(pen, low), top = pen_y(pen, high);

    if (bottom - top < 2) {
        top = bottom - 2;
    } else if (bottom - top > 4) { /* those that touch are told apart */
        top += 0.7;
        bottom -= 0.7;
    }
    fprintf(pen->to, "<path class=\"%s\" d=\"M%.1f %.1fV%.1f\">", class, pen_x(pen, time), bottom,
            top);
    pen_title(pen, words);
    fputs("</path>\n", pen->to);
}

void pen_mark(const struct plot_pen *pen, const char *class, duet_time time, int64_t value,
              const char *shape, const struct words *words)
{
    fprintf(pen->to, "<g class=\"%s\" transform=\"translate(%.1f %.1f)\">%s", class,
            pen_x(pen, time), pen_y(pen, value), shape);
    if (words != NULL)
        pen_title(pen, words);
    fputs("</g>\n", pen->to);
}

void pen_stairs(const struct plot_pen *pen, const char *class, const struct plot_line *line,
                bool is_filled)
{
    const struct plot *plot = pen->plot;
    bool is_drawn = false;

    if (line->count == 0)
        return;
    fprintf(pen->to, "<path class=\"%s\" d=\"", class);
    for (size_t i = 0; i < line->count; i++) {
        double x = pen_x(pen, line->points[i].time), y = pen_y(pen, line->points[i].value);

        if (y < pen->axis->top - BEYOND) /* ssthresh is arbitrarily high at first */
            y = pen->axis->top - BEYOND;

        if (!is_drawn && is_filled)
            fprintf(pen->to, "M%.1f %.1fV%.1f", x, pen->axis->bottom, y);
        else
            fprintf(pen->to, is_drawn ? "H%.1fV%.1f" : "M%.1f %.1f", x, y);
        is_drawn = true;
    }
    fprintf(pen->to, "H%.1f", pen_x(pen, plot->times[plot->time_count - 1]));
    if (is_filled)
        fprintf(pen->to, "V%.1fZ", pen->axis->bottom);
    fputs("\"/>\n", pen->to);
}

void pen_dots(const struct plot_pen *pen, enum plot_curve curve, const char *class)
{
    const struct plot_line *line = &pen->plot->lines[curve];
    struct words words;

    for (size_t i = 0; i < line->count; i++) {
        plot_say_point(&words, pen->plot, curve, &line->points[i]);
        pen_mark(pen, class, line->points[i].time, line->points[i].value, pen_dot, &words);
    }
}

void pen_band(const struct plot_pen *pen, const char *class, duet_time from, duet_time until,
              const struct words *words)
{
    fprintf(pen->to, "<path class=\"%s\" d=\"M%.1f %.1fV%.1fH%.1fV%.1fZ\">", class,
            pen_x(pen, from), pen->axis->bottom, pen->axis->top, pen_x(pen, until),
            pen->axis->bottom);
    pen_title(pen, words);
    fputs("</path>\n", pen->to);
}

int pen_key(FILE *to, int x, int y, const struct plot_key *key)
{
    fprintf(to, "<g class=\"%s\" transform=\"translate(%d %d)\">%s</g>", key->class, x + SHAPE_HALF,
            y - 4, key->shape);
    svg_put_text(to, x + KEY_SHAPE, y, "key", "start", key->text);
    return x + KEY_SHAPE + KEY_CHARACTER * (int)strlen(key->text) + KEY_GAP;
}
