/* SPDX-License-Identifier: MIT */
/* The page of the ladder in a terminal: two columns of SIDE characters for the ends, their
 * lifelines, and the middle between them, into which text flows. */
#ifndef OBSERVE_TEXT_PAGE_H
#define OBSERVE_TEXT_PAGE_H

#include "observe/canvas.h"
#include "observe/words.h"

enum { SIDE = 13 };

struct text_picture {
    const struct ladder *ladder;
    struct canvas canvas;
    unsigned left, right; /* columns of the lifelines */
    duet_time clock;      /* the latest instant shown */
    bool tight;           /* the row before was a single line */
    const struct ladder_moment
        *last_arrival[DUET_RECORDER_ENDS]; /* shown last at that end; NULL: none */
};

/* What stands in the columns of the ends on the lines around an arrow or event. */
struct text_sides {
    struct words before[DUET_RECORDER_ENDS], after[DUET_RECORDER_ENDS], instant[DUET_RECORDER_ENDS];
    enum canvas_style before_style[DUET_RECORDER_ENDS], after_style[DUET_RECORDER_ENDS];
};

/* Lines of the middle: the first ones may have something in the side columns. */
struct text_flow {
    struct text_picture *picture;
    const struct text_sides *sides; /* instants go beside the first line; NULL: shown already */
    unsigned indent;                /* columns from the lifeline */
};

enum canvas_style page_state_style(enum duet_state state);
void page_side(struct text_picture *picture, unsigned end, const struct words *words,
               enum canvas_style style);
/* Writes the line, with that character as the lifelines. */
void page_finish(struct text_picture *picture, const char *lifeline);
/* Writes the line as it is with plain lifelines; if nothing was put on it, a blank one. */
void page_line(struct text_picture *picture);
/* What stands beside a moment of one end. */
void page_sides_of(const struct text_picture *picture, const struct ladder_moment *moment,
                   struct text_sides *sides);

void flow_line(struct text_flow *flow, const char *text, size_t length, enum canvas_style style);
/* Wraps text into the middle; lines after the first are set in by hang columns. */
void flow_text(struct text_flow *flow, const char *text, unsigned hang, enum canvas_style style);
/* The instants must be shown even if there was nothing to say. */
void flow_end(struct text_flow *flow);

#endif
