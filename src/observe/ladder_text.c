/* SPDX-License-Identifier: MIT */
/* The ladder in a terminal.
 *
 *       CLOSED │ SYN 000010  seq 0  win 64240                  #1 │ LISTEN
 *     SYN-SENT ├─────────────────────────────────────────────────▶┤ SYN-RECEIVED
 *        0.000 │ <mss 1460,sackOK,TS val 1 ecr 0,ws 7>            │ 0.010
 *              │ why: ...
 *
 * Each end has a column of SIDE characters and a lifeline; what passes between them is written in
 * the middle. Beside the arrow stands the state after it was sent or taken, above that the state
 * before if it was another one, below the instant.
 */
#include <stdlib.h>
#include <string.h>

#include "observe/text_page.h"

/* A silence from which on the picture says how long it is. */
#define GAP_SHOWN (500 * DUET_MILLISECOND)

/* In real time an answer leaves this much later than what it answers arrived. */
#define AT_ONCE DUET_MILLISECOND

/* ---- a packet ---- */

/* The header fields, as many lines as they need; the states before stand beside the last one. */
static void put_label(struct text_picture *picture, const struct ladder_arrow *arrow,
                      const struct text_sides *sides, const char *extra)
{
    struct canvas *canvas = &picture->canvas;
    enum canvas_style style =
        arrow->is_tcp && (arrow->header.flags & DUET_RST) != 0 ? CANVAS_FAULT : CANVAS_BOLD;
    unsigned first = picture->left + 2, limit = picture->right - 1, at;
    struct words words;

    words_clear(&words);
    words_flags(&words, arrow);
    at = canvas_put(canvas, first, limit, words.text, words.length, style);
    for (unsigned i = 0; extra == NULL && words_field(&words, picture->ladder, arrow, i); i++) {
        unsigned width = canvas_width(words.text, words.length);

        if (width == 0)
            continue;
        if (at + 2 + width > limit) {
            page_line(picture);
            at = first;
        }
        at = canvas_put(canvas, at + 2, limit, words.text, words.length, CANVAS_PLAIN);
    }
    if (extra != NULL)
        canvas_put(canvas, at + 2, limit, extra, strlen(extra), CANVAS_PLAIN);
    for (unsigned end = 0; end < DUET_RECORDER_ENDS; end++)
        page_side(picture, end, &sides->before[end], sides->before_style[end]);
    page_line(picture);
}

/* Which part of the way of a packet a line shows. */
enum part { PART_WHOLE, PART_DEPARTURE, PART_ARRIVAL, PART_LOST };

/* The number of the packet, set into the shaft near its tail. */
static void put_number(struct canvas *canvas, const struct ladder_arrow *arrow, unsigned tail)
{
    char text[16];

    snprintf(text, sizeof text, " #%u ", arrow->tag);
    if (arrow->tag != 0 && arrow->from == 0)
        canvas_text(canvas, tail + 4, text, CANVAS_DIM);
    else if (arrow->tag != 0)
        canvas_right(canvas, tail - 3, text, CANVAS_DIM);
}

static void put_arrow(struct text_picture *picture, const struct ladder_arrow *arrow,
                      enum part part)
{
    struct canvas *canvas = &picture->canvas;
    bool rightwards = arrow->from == 0;
    unsigned first = picture->left + 1, last = picture->right - 1;
    unsigned middle = (first + last) / 2;
    enum canvas_style style =
        part == PART_LOST || arrow->faults[DUET_FAULT_CORRUPT] ? CANVAS_FAULT : CANVAS_PLAIN;
    bool near_sender = part == PART_DEPARTURE || part == PART_LOST;

    /* The half that is not shown belongs to the other end of the way. */
    if (part != PART_WHOLE && near_sender == rightwards)
        last = middle;
    else if (part != PART_WHOLE)
        first = middle;
    canvas_fill(canvas, first, last + 1, "─", style);
    if (part == PART_DEPARTURE || part == PART_LOST)
        canvas_fill(canvas, rightwards ? last - 3 : first, rightwards ? last + 1 : first + 4, "╌",
                    style);
    if (part == PART_ARRIVAL)
        canvas_fill(canvas, rightwards ? first : last - 3, rightwards ? first + 4 : last + 1, "╌",
                    style);
    if (part == PART_LOST && rightwards)
        canvas_text(canvas, last + 1, "✗ lost", style);
    else if (part == PART_LOST)
        canvas_right(canvas, first, "lost ✗", style);
    else
        canvas_text(canvas, rightwards ? last : first, rightwards ? "▶" : "◀", style);
    put_number(canvas, arrow, rightwards ? first : last);
    canvas_text(canvas, picture->left, rightwards && part != PART_ARRIVAL ? "├" : "│", CANVAS_DIM);
    canvas_text(canvas, picture->right, !rightwards && part != PART_ARRIVAL ? "┤" : "│",
                CANVAS_DIM);
}

static void explain(struct text_flow *flow, const char *who, uint16_t rule)
{
    struct words words;

    if (rule == 0)
        return;
    words_clear(&words);
    words_add(&words, "%s: ", who);
    words_rule(&words, rule);
    flow_text(flow, words.text, 2, CANVAS_DIM);
}

static void explain_wait(struct text_flow *flow, const char *who,
                         const struct ladder_moment *moment)
{
    struct words words;

    if (moment->time_wait_until == DUET_NEVER)
        return;
    words_clear(&words);
    words_add(&words, "%s: ", who);
    words_wait(&words, moment);
    words_add(&words, ", until ");
    words_instant(&words, flow->picture->ladder, moment->time_wait_until);
    flow_text(flow, words.text, 2, CANVAS_WAITING);
}

static void explain_window(struct text_flow *flow, const char *who,
                           const struct ladder_moment *moment)
{
    struct words words;

    if (moment->window == NULL)
        return;
    words_clear(&words);
    words_add(&words, "%s: ", who);
    words_window(&words, moment);
    flow_text(flow, words.text, 2, CANVAS_DIM);
}

static enum part part_of(const struct ladder *ladder, const struct ladder_arrow *arrow,
                         bool departs, bool arrives)
{
    /* An end that is not observed shows no arrivals; nobody says that they did not happen. */
    bool unseen = arrow->arrival == LADDER_NONE && ladder->recorder->ends[arrow->to].inferred;
    bool whole_arrival = arrow->departure == LADDER_NONE && !arrow->duplicate && !arrow->injected;

    if (departs)
        return arrives || (unseen && arrow->lost == DUET_NEVER) ? PART_WHOLE
               : arrow->lost != DUET_NEVER                      ? PART_LOST
                                                                : PART_DEPARTURE;
    return whole_arrival ? PART_WHOLE : PART_ARRIVAL;
}

/* Why it was sent. What the receiver said of the packet before need not be said twice. */
static void explain_departure(struct text_flow *flow, const struct ladder_arrow *arrow,
                              const struct ladder_moment *departure)
{
    struct text_picture *picture = flow->picture;
    const struct ladder_moment *last = picture->last_arrival[departure->end];
    struct words words;
    bool answers = false;

    for (unsigned i = 0;
         last != NULL && departure->time - last->time <= AT_ONCE && i < last->rule_count; i++)
        answers = answers || last->rules[i] == arrow->rule;
    if (arrow->rule == 0 || !answers) {
        explain(flow, "why", arrow->rule);
        return;
    }
    words_clear(&words);
    words_add(&words, "why: the answer to #%u [%s]", picture->ladder->arrows[last->arrow].tag,
              duet_rule(arrow->rule)->section);
    flow_text(flow, words.text, 2, CANVAS_DIM);
}

/* What it did: every decision that tells something, or the one that says most. */
static void explain_arrival(struct text_flow *flow, const char *receiver,
                            const struct ladder_moment *arrival)
{
    uint16_t verdict = words_verdict(arrival);

    for (unsigned i = 0; i < arrival->rule_count; i++)
        if (arrival->rules[i] != verdict && words_is_telling(arrival->rules[i]))
            explain(flow, receiver, arrival->rules[i]);
    explain(flow, receiver, verdict);
}

/* What is said under an arrow. */
static void explain_packet(struct text_flow *flow, const struct ladder_arrow *arrow,
                           const struct ladder_moment *departure,
                           const struct ladder_moment *arrival)
{
    const char *receiver = flow->picture->ladder->recorder->ends[arrow->to].name;
    struct words words;

    words_clear(&words);
    if (departure != NULL || arrow->injected)
        words_options(&words, arrow, false);
    flow_text(flow, words.text, 2, CANVAS_PLAIN);
    words_clear(&words);
    words_faults(&words, arrow);
    flow_text(flow, words.text, 2, CANVAS_FAULT);
    if (departure != NULL) {
        explain_departure(flow, arrow, departure);
        explain_wait(flow, flow->picture->ladder->recorder->ends[arrow->from].name, departure);
    }
    if (arrival != NULL) {
        explain_arrival(flow, receiver, arrival);
        explain_window(flow, receiver, arrival);
        flow->picture->last_arrival[arrival->end] = arrow->tag == 0 ? NULL : arrival;
        explain_wait(flow, receiver, arrival);
    }
    flow_end(flow);
}

static void put_packet(struct text_picture *picture, const struct ladder_row *row)
{
    const struct ladder *ladder = picture->ladder;
    const struct ladder_moment *moment = &ladder->moments[row->moment];
    const struct ladder_arrow *arrow = &ladder->arrows[moment->arrow];
    const struct ladder_moment *departure = NULL, *arrival = NULL;
    struct text_sides sides = {.before_style = {CANVAS_PLAIN}};
    struct text_flow flow = {.picture = picture, .sides = &sides, .indent = 2};
    struct words words;

    if (moment->kind == LADDER_ARRIVAL) {
        arrival = moment;
    } else {
        departure = moment;
        arrival = row->arrival == LADDER_NONE ? NULL : &ladder->moments[row->arrival];
    }
    if (departure != NULL)
        page_sides_of(picture, departure, &sides);
    if (arrival != NULL)
        page_sides_of(picture, arrival, &sides);
    words_clear(&words);
    if (departure == NULL && arrow->sent != DUET_NEVER) {
        words_add(&words, "sent at ");
        words_instant(&words, ladder, arrow->sent);
    }
    put_label(picture, arrow, &sides, words.length == 0 ? NULL : words.text);
    put_arrow(picture, arrow, part_of(ladder, arrow, departure != NULL, arrival != NULL));
    for (unsigned end = 0; end < DUET_RECORDER_ENDS; end++)
        page_side(picture, end, &sides.after[end], sides.after_style[end]);
    canvas_flush(&picture->canvas);
    explain_packet(&flow, arrow, departure, arrival);
}

/* ---- what happens at one end, and notes ---- */

/* The text of an event of the right end stands at the right. */
static unsigned event_indent(const struct text_picture *picture, unsigned end, const char *title,
                             bool has_rule)
{
    unsigned width = picture->right - picture->left - 1;
    unsigned wanted = canvas_width(title, strlen(title)) + 1;

    if (end == 0)
        return 2;
    if (has_rule && wanted < width * 2 / 3)
        wanted = width * 2 / 3;
    return wanted + 1 >= width ? 2 : width - wanted;
}

static void put_event(struct text_picture *picture, const struct ladder_moment *moment)
{
    struct text_sides sides = {.before_style = {CANVAS_PLAIN}};
    struct text_flow flow = {.picture = picture};
    struct words title, rule;
    const char *next;
    size_t length;
    bool changed = moment->before != moment->after;

    page_sides_of(picture, moment, &sides);
    words_clear(&title);
    words_title(&title, moment);
    words_clear(&rule);
    words_rule(&rule, words_verdict(moment));
    flow.indent = event_indent(picture, moment->end, title.text, rule.length > 0);

    /* Without a change the instant is enough, and the event is a single line. */
    page_side(picture, moment->end,
              changed ? &sides.before[moment->end] : &sides.instant[moment->end],
              changed ? sides.before_style[moment->end] : CANVAS_DIM);
    length = canvas_wrap(title.text, picture->right - picture->left - flow.indent - 1, &next);
    canvas_put(&picture->canvas, picture->left + flow.indent, picture->right, title.text, length,
               CANVAS_BOLD);
    canvas_text(&picture->canvas, picture->left, moment->end == 0 ? "●" : "│", CANVAS_BOLD);
    canvas_text(&picture->canvas, picture->right, moment->end == 1 ? "●" : "│", CANVAS_BOLD);
    canvas_flush(&picture->canvas);
    flow_text(&flow, next, 0, CANVAS_BOLD);
    if (changed)
        page_side(picture, moment->end, &sides.after[moment->end], sides.after_style[moment->end]);
    if (changed && rule.length == 0)
        page_line(picture);
    if (changed)
        flow.sides = NULL;
    for (const char *text = rule.text; *text != '\0'; text = next) {
        length = canvas_wrap(text, picture->right - picture->left - flow.indent - 1, &next);
        flow_line(&flow, text, length, CANVAS_DIM);
        if (changed && text == rule.text) /* the second line under the title carries the instant */
            flow.sides = &sides;
    }
    if (changed && rule.length == 0)
        flow.sides = &sides;
    words_clear(&rule);
    words_window(&rule, moment);
    flow_text(&flow, rule.text, 0, CANVAS_DIM);
    flow_end(&flow);
}

static void put_note(struct text_picture *picture, const char *note)
{
    struct text_flow flow = {.picture = picture, .indent = 2};
    struct words words;

    words_clear(&words);
    words_add(&words, "» %s", note);
    flow_text(&flow, words.text, 2, CANVAS_BOLD);
}

static void put_gap(struct text_picture *picture, duet_time gap)
{
    struct words words;
    unsigned width;

    words_clear(&words);
    words_add(&words, "· · ·  ");
    words_duration(&words, gap);
    words_add(&words, "%s  · · ·", gap == DUET_SECOND ? " passes" : " pass");
    width = canvas_width(words.text, words.length);
    canvas_text(&picture->canvas,
                picture->left + 1 + (picture->right - picture->left - 1 - width) / 2, words.text,
                CANVAS_DIM);
    page_finish(picture, "┊");
    page_line(picture);
}

/* ---- the whole ---- */

static void put_row(struct text_picture *picture, const struct ladder_row *row)
{
    const struct ladder_moment *moment = &picture->ladder->moments[row->moment];
    bool event = moment->kind != LADDER_DEPARTURE && moment->kind != LADDER_ARRIVAL &&
                 moment->kind != LADDER_NOTE;
    bool tight = event && moment->before == moment->after && words_verdict(moment) == 0;

    if (event && !ladder_is_shown(moment))
        return;
    if (!(tight && picture->tight))
        page_line(picture);
    picture->tight = tight;
    if (moment->time - picture->clock >= GAP_SHOWN)
        put_gap(picture, moment->time - picture->clock);
    if (moment->time > picture->clock)
        picture->clock = moment->time;
    if (row->arrival != LADDER_NONE && picture->ladder->moments[row->arrival].time > picture->clock)
        picture->clock = picture->ladder->moments[row->arrival].time;
    if (moment->kind == LADDER_NOTE)
        put_note(picture, moment->note);
    else if (event)
        put_event(picture, moment);
    else
        put_packet(picture, row);
}

static void put_paragraph(struct text_picture *picture, const char *text, unsigned indent,
                          enum canvas_style style)
{
    const char *next;

    for (; text != NULL && *text != '\0'; text = next) {
        size_t length = canvas_wrap(text, picture->canvas.columns - 1 - indent, &next);

        canvas_put(&picture->canvas, indent, picture->canvas.columns, text, length, style);
        canvas_flush(&picture->canvas);
    }
}

static void put_head(struct text_picture *picture, const struct duet_ladder_options *options)
{
    const struct duet_recorder *recorder = picture->ladder->recorder;

    put_paragraph(picture, options->title, 1, CANVAS_BOLD);
    put_paragraph(picture, options->lesson, 1, CANVAS_PLAIN);
    if (options->title != NULL || options->lesson != NULL)
        canvas_flush(&picture->canvas);
    canvas_right(&picture->canvas, picture->left + 1, recorder->ends[0].name, CANVAS_BOLD);
    canvas_text(&picture->canvas, picture->right, recorder->ends[1].name, CANVAS_BOLD);
    canvas_flush(&picture->canvas);
}

static void put_foot(struct text_picture *picture)
{
    const struct duet_recorder *recorder = picture->ladder->recorder;
    struct words words;
    const char *about;

    page_line(picture);
    canvas_flush(&picture->canvas);
    for (unsigned i = 0; words_summary(&words, picture->ladder, i, &about); i++) {
        if (words.length == 0)
            continue;
        canvas_text(&picture->canvas, 1, about, CANVAS_DIM);
        put_paragraph(picture, words.text, 12, CANVAS_PLAIN);
    }
    if (recorder->ends[0].inferred || recorder->ends[1].inferred)
        put_paragraph(picture,
                      "~ marks a state that was concluded from packets, not reported by that end.",
                      1, CANVAS_DIM);
}

int duet_ladder_text(const struct duet_recorder *recorder,
                     const struct duet_ladder_options *options, FILE *to)
{
    struct text_picture picture;
    struct ladder ladder;
    struct ladder_row *rows;
    size_t count;

    if (ladder_make(recorder, options->absolute, &ladder) != 0)
        return -1;
    if (ladder_order(&ladder, &rows, &count) != 0) {
        ladder_free(&ladder);
        return -1;
    }
    picture = (struct text_picture){.ladder = &ladder, .clock = ladder.origin};
    canvas_start(&picture.canvas, to, options->columns, options->colour);
    picture.left = SIDE + 1;
    picture.right = picture.canvas.columns - SIDE - 2;
    put_head(&picture, options);
    for (size_t i = 0; i < count; i++)
        put_row(&picture, &rows[i]);
    put_foot(&picture);
    free(rows);
    ladder_free(&ladder);
    return ferror(to) ? -1 : 0;
}
