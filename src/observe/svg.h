/* SPDX-License-Identifier: MIT */
/* The ladder as a drawing: where everything stands (svg_layout.c), and the drawing itself
 * (ladder_svg.c), which is also the picture in the middle of the HTML page. Lengths are CSS
 * pixels.
 */
#ifndef OBSERVE_SVG_H
#define OBSERVE_SVG_H

#include <stdio.h>

#include "observe/words.h"

enum {
    SVG_OUTER = 250,     /* from the edge to a lifeline: instants, states and events stand there */
    SVG_INNER_MIN = 440, /* between the lifelines */
    SVG_MARGIN = 20,
    SVG_BAR = 10,      /* width of a lifeline */
    SVG_CHARACTER = 7, /* width of a character of SVG_FONT, rounded up */
    SVG_FONT = 11,
    SVG_LINE = 15,  /* from one line of text to the next */
    SVG_SLANT = 26, /* how far an arrow goes down when nothing happens meanwhile */
};

/* A silence from which on the picture says how long it is, and breaks the time axis. */
#define SVG_GAP_SHOWN (500 * DUET_MILLISECOND)

/* What is shown in one place, from the top down. */
struct svg_item {
    size_t moment; /* LADDER_NONE: a gap */
    int y;
    duet_time gap; /* of a gap: how long */
};

struct svg_layout {
    const struct ladder *ladder;
    int width, height;
    int lifeline[DUET_RECORDER_ENDS]; /* x */
    int top, bottom;                  /* of the lifelines */
    struct svg_item *items;           /* gaps and shown moments, from the top down */
    size_t item_count;
    int *y; /* of each moment, 0: not shown */
};

/* Lays out a ladder below y = top. 0, or -1 with errno. */
int svg_layout_make(const struct ladder *ladder, int top, struct svg_layout *layout);
void svg_layout_free(struct svg_layout *layout);

/* How many columns of text a note may have, which stands between the lifelines. */
unsigned svg_note_columns(const struct svg_layout *layout);

/* The lines of text beside an arrow: 0 stands above it, 1 and 2 below. False past the last. */
bool svg_arrow_line(struct words *words, const struct ladder *ladder,
                    const struct ladder_arrow *arrow, unsigned index);

/* Where the lifelines begin: below title and lesson, if the drawing is a file of its own. */
int svg_top(const struct duet_ladder_options *options, bool alone);
/* Writes an <svg> element. alone: it is a file of its own, with a title, a lesson, a summary and
 * tooltips; else the page around it has these. */
void svg_write(const struct svg_layout *layout, const struct duet_ladder_options *options,
               bool alone, FILE *to);
/* The two layers of an arrow: ways are drawn before labels, so that no way hides a label of another
 * arrow. index is that of the arrow in the ladder. */
void svg_way(const struct svg_layout *layout, FILE *to, const struct ladder_arrow *arrow,
             size_t index, bool alone);
void svg_label(const struct svg_layout *layout, FILE *to, const struct ladder_arrow *arrow,
               size_t index, bool alone);
/* A <text> element, or nothing if the text is empty. anchor: "start", "middle" or "end". */
void svg_put_text(FILE *to, int x, int y, const char *class, const char *anchor, const char *text);
/* Text as it may stand in XML. */
void svg_text(FILE *to, const char *text);
const char *svg_state_colour(enum duet_state state);

#endif
