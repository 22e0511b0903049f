/* SPDX-License-Identifier: MIT */
/* What the panels of a plot are drawn with. All marks are of two kinds, so that the page can move
 * them when it zooms: a <path> of absolute M, H and V, and a <g> that is translated to its place.
 * Each has the class its looks come from, and a <title> if there is something to say.
 */
#ifndef OBSERVE_PLOT_PEN_H
#define OBSERVE_PLOT_PEN_H

#include "observe/plot.h"
#include "observe/svg.h"

struct plot_pen {
    FILE *to;
    const struct plot *plot;
    const struct plot_time *time;
    const struct plot_axis *axis;
};

double pen_x(const struct plot_pen *pen, duet_time time);
double pen_y(const struct plot_pen *pen, int64_t value);
/* <title>..</title> of the words, line for line. */
void pen_title(const struct plot_pen *pen, const struct words *words);
/* A bar from one value to the other, with its title. */
void pen_bar(const struct plot_pen *pen, const char *class, duet_time time, int64_t low,
             int64_t high, const struct words *words);
/* A mark of this shape: the elements of SVG around 0,0. */
void pen_mark(const struct plot_pen *pen, const char *class, duet_time time, int64_t value,
              const char *shape, const struct words *words);
/* A curve that keeps its value until the next point. is_filled: down to the bottom. */
void pen_stairs(const struct plot_pen *pen, const char *class, const struct plot_line *line,
                bool is_filled);
/* A dot on each point of a curve. */
void pen_dots(const struct plot_pen *pen, enum plot_curve curve, const char *class);
/* A band over the whole height. */
void pen_band(const struct plot_pen *pen, const char *class, duet_time from, duet_time until,
              const struct words *words);

/* The shapes: radius 2, a cross, a triangle pointing down. */
extern const char pen_dot[], pen_cross[], pen_triangle[];

/* One entry of a legend; returns the x of the next. */
struct plot_key {
    const char *class, *shape, *text; /* the shape is drawn in 18 by 10 pixels around 0,0 */
};
int pen_key(FILE *to, int x, int y, const struct plot_key *key);
extern const char key_line[], key_bar[], key_block[], key_dot[], key_cross[], key_triangle[];

/* The panel of sequence numbers, plot_sequence.c. */
void plot_sequence_scale(const struct plot *plot, struct plot_axis *axis);
void plot_sequence_draw(const struct plot_pen *pen);

#endif
