/* SPDX-License-Identifier: MIT */
/* The page of the ladder in a terminal (text_page.h). */
#include "observe/text_page.h"

enum canvas_style page_state_style(enum duet_state state)
{
    switch (state) {
    case DUET_CLOSED:
    case DUET_LISTEN:
        return CANVAS_IDLE;
    case DUET_SYN_SENT:
    case DUET_SYN_RECEIVED:
        return CANVAS_OPENING;
    case DUET_ESTABLISHED:
        return CANVAS_OPEN;
    case DUET_FIN_WAIT_1:
    case DUET_FIN_WAIT_2:
    case DUET_CLOSE_WAIT:
    case DUET_CLOSING:
    case DUET_LAST_ACK:
        return CANVAS_CLOSING;
    case DUET_TIME_WAIT:
        return CANVAS_WAITING;
    case DUET_STATES:
        break;
    }
    return CANVAS_PLAIN;
}

void page_side(struct text_picture *picture, unsigned end, const struct words *words,
               enum canvas_style style)
{
    if (end == 0)
        canvas_right(&picture->canvas, SIDE, words->text, style);
    else
        canvas_text(&picture->canvas, picture->right + 2, words->text, style);
}

void page_finish(struct text_picture *picture, const char *lifeline)
{
    canvas_text(&picture->canvas, picture->left, lifeline, CANVAS_DIM);
    canvas_text(&picture->canvas, picture->right, lifeline, CANVAS_DIM);
    canvas_flush(&picture->canvas);
}

void page_line(struct text_picture *picture)
{
    page_finish(picture, "│");
}

void flow_line(struct text_flow *flow, const char *text, size_t length, enum canvas_style style)
{
    struct text_picture *picture = flow->picture;

    if (flow->sides != NULL)
        for (unsigned end = 0; end < DUET_RECORDER_ENDS; end++)
            page_side(picture, end, &flow->sides->instant[end], CANVAS_DIM);
    flow->sides = NULL;
    canvas_put(&picture->canvas, picture->left + flow->indent, picture->right, text, length, style);
    page_line(picture);
}

void flow_text(struct text_flow *flow, const char *text, unsigned hang, enum canvas_style style)
{
    unsigned width = flow->picture->right - flow->picture->left - flow->indent - 1;
    const char *next;

    for (bool first = true; *text != '\0'; text = next, first = false) {
        size_t length = canvas_wrap(text, first ? width : width - hang, &next);

        flow->indent += first ? 0 : hang;
        flow_line(flow, text, length, style);
        flow->indent -= first ? 0 : hang;
    }
}

void flow_end(struct text_flow *flow)
{
    if (flow->sides != NULL)
        flow_line(flow, "", 0, CANVAS_PLAIN);
}

void page_sides_of(const struct text_picture *picture, const struct ladder_moment *moment,
                   struct text_sides *sides)
{
    unsigned end = moment->end;

    if (moment->before != moment->after)
        words_state(&sides->before[end], moment->before, moment->inferred);
    words_state(&sides->after[end], moment->after, moment->inferred);
    words_instant(&sides->instant[end], picture->ladder, moment->time);
    sides->before_style[end] = page_state_style(moment->before);
    sides->after_style[end] = page_state_style(moment->after);
}
