/* SPDX-License-Identifier: MIT */
/* The ladder as a drawing: two lifelines with coloured bars for the states, slanted arrows
 * between them, labels in the sender's half, instants and events outside.
 */
#include <string.h>

#include "observe/canvas.h"
#include "observe/svg.h"

enum { TITLE_ROOM = 34, DOT = 3 };

const char *svg_state_colour(enum duet_state state)
{
    switch (state) {
    case DUET_CLOSED:
        return "#a7adb5";
    case DUET_LISTEN:
        return "#5b8def";
    case DUET_SYN_SENT:
        return "#f2b134";
    case DUET_SYN_RECEIVED:
        return "#ee8434";
    case DUET_ESTABLISHED:
        return "#3fa34d";
    case DUET_FIN_WAIT_1:
        return "#b58be0";
    case DUET_FIN_WAIT_2:
        return "#8a56c2";
    case DUET_CLOSE_WAIT:
        return "#e07aa8";
    case DUET_CLOSING:
        return "#c43b7c";
    case DUET_LAST_ACK:
        return "#9c2f5f";
    case DUET_TIME_WAIT:
        return "#2296a5";
    case DUET_STATES:
        break;
    }
    return "#000000";
}

static void put_escaped(FILE *to, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        switch (text[i]) {
        case '<':
            fputs("&lt;", to);
            break;
        case '>':
            fputs("&gt;", to);
            break;
        case '&':
            fputs("&amp;", to);
            break;
        case '"':
            fputs("&quot;", to);
            break;
        default:
            fputc((unsigned char)text[i] < 0x20 ? ' ' : text[i], to);
        }
    }
}

void svg_text(FILE *to, const char *text)
{
    put_escaped(to, text, strlen(text));
}

static void put_part(FILE *to, int x, int y, const char *class, const char *anchor,
                     const char *text, size_t length)
{
    if (length == 0)
        return;
    fprintf(to, "<text x=\"%d\" y=\"%d\" class=\"%s\" text-anchor=\"%s\">", x, y, class, anchor);
    put_escaped(to, text, length);
    fputs("</text>\n", to);
}

void svg_put_text(FILE *to, int x, int y, const char *class, const char *anchor, const char *text)
{
    put_part(to, x, y, class, anchor, text, strlen(text));
}

/* ---- lifelines ---- */

static void put_bar(const struct svg_layout *layout, FILE *to, unsigned end, int from, int until,
                    enum duet_state state)
{
    if (until > from)
        fprintf(to, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\"/>\n",
                layout->lifeline[end] - SVG_BAR / 2, from, SVG_BAR, until - from,
                svg_state_colour(state));
}

/* The bars of one end: a colour from each change of state to the next. Returns the state at the
 * top, which is that before the first moment. */
static enum duet_state put_lifeline(const struct svg_layout *layout, FILE *to, unsigned end)
{
    const struct ladder *ladder = layout->ladder;
    enum duet_state first = DUET_CLOSED, state = DUET_CLOSED;
    bool started = false, inferred = ladder->recorder->ends[end].inferred;
    int from = layout->top;
    struct words words;

    for (size_t i = 0; i < layout->item_count; i++) {
        const struct svg_item *item = &layout->items[i];
        const struct ladder_moment *moment =
            item->moment == LADDER_NONE ? NULL : &ladder->moments[item->moment];

        if (moment == NULL || moment->end != end)
            continue;
        if (!started) {
            started = true;
            first = state = moment->before;
            inferred = moment->inferred;
        }
        if (moment->after == state)
            continue;
        put_bar(layout, to, end, from, item->y, state);
        from = item->y;
        state = moment->after;
    }
    put_bar(layout, to, end, from, layout->bottom, state);
    words_clear(&words);
    words_state(&words, first, inferred);
    svg_put_text(to, layout->lifeline[end] + (end == 0 ? -14 : 14), layout->top + 12, "state",
                 end == 0 ? "end" : "start", words.text);
    return first;
}

static void put_gap(const struct svg_layout *layout, FILE *to, const struct svg_item *item)
{
    struct words words;

    for (unsigned end = 0; end < DUET_RECORDER_ENDS; end++) {
        int x = layout->lifeline[end];

        fprintf(
            to,
            "<path class=\"break\" d=\"M%d %d l%d -6 l0 6 l%d -6 l0 12 l%d 6 l0 -6 l%d 6 z\"/>\n",
            x - 10, item->y - 2, 10, 10, -10, -10);
    }
    words_clear(&words);
    words_duration(&words, item->gap);
    words_add(&words, item->gap == DUET_SECOND ? " passes" : " pass");
    svg_put_text(to, (layout->lifeline[0] + layout->lifeline[1]) / 2, item->y + 4, "gap", "middle",
                 words.text);
}

/* ---- moments ---- */

static void put_note(const struct svg_layout *layout, FILE *to, const struct svg_item *item,
                     unsigned step)
{
    const char *text = layout->ladder->moments[item->moment].note, *next;
    int y = item->y + 4;

    fprintf(to, "<g class=\"moment\" data-step=\"%u\">\n", step);
    for (; *text != '\0'; text = next, y += SVG_LINE + 2) {
        size_t length = canvas_wrap(text, svg_note_columns(layout), &next);

        put_part(to, (layout->lifeline[0] + layout->lifeline[1]) / 2, y, "note", "middle", text,
                 length);
    }
    fputs("</g>\n", to);
}

/* Instant, state if it is new, and event, outside the lifeline. */
static void put_moment(const struct svg_layout *layout, FILE *to, const struct svg_item *item,
                       bool is_new, unsigned step)
{
    const struct ladder_moment *moment = &layout->ladder->moments[item->moment];
    unsigned end = moment->end;
    int sign = end == 0 ? -1 : 1, offset;
    const char *anchor = end == 0 ? "end" : "start";
    struct words words;

    fprintf(to, "<g class=\"moment\" data-step=\"%u\">\n", step);
    words_clear(&words);
    words_instant(&words, layout->ladder, moment->time);
    svg_put_text(to, layout->lifeline[end] + sign * 14, item->y + 4, "time", anchor, words.text);
    offset = 14 + ((int)words.length + 2) * SVG_CHARACTER;
    words_clear(&words);
    words_state(&words, moment->after, moment->inferred);
    if (is_new)
        svg_put_text(to, layout->lifeline[end] + sign * offset, item->y + 4, "state", anchor,
                     words.text);
    words_clear(&words);
    words_title(&words, moment);
    if (words.length == 0)
        words_wait(&words, moment);
    svg_put_text(to, layout->lifeline[end] + sign * 14, item->y + 4 + SVG_LINE, "event", anchor,
                 words.text);
    fprintf(to, "<circle cx=\"%d\" cy=\"%d\" r=\"%d\" class=\"dot\"/>\n</g>\n",
            layout->lifeline[end], item->y, DOT);
}

/* ---- the whole ---- */

static const char style[] =
    "text{font:11px 'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:#222}"
    ".title{font-size:18px;font-weight:bold}.lesson{font-size:12px}.end{font-size:14px;font-weight:"
    "bold}"
    ".state{font-weight:bold}.time{fill:#6b7280}.event{fill:#1d4f91}.note{font-weight:bold;font-"
    "size:12px}"
    ".gap{fill:#6b7280;font-style:italic}.flags{font-weight:bold}.lost,.bad .flags{fill:#c62828}"
    ".label text,.gap,.note{paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}"
    ".shaft{stroke:#333;stroke-width:1.5}.copy{stroke-dasharray:5 3}.bad .shaft{stroke:#c62828}"
    ".reach{stroke:transparent;stroke-width:22}.cross{stroke:#c62828;stroke-width:2.5;fill:none}"
    ".dot{fill:#fff;stroke:#333}.break{fill:#fff;stroke:#fff}.summary{fill:#444}";

static int put_lines(FILE *to, const struct svg_layout *layout, const char *class, const char *text,
                     int y)
{
    const char *next;

    for (; text != NULL && *text != '\0'; text = next, y += SVG_LINE + 2) {
        size_t length = canvas_wrap(
            text, (unsigned)(layout->width - 2 * SVG_MARGIN) / (SVG_CHARACTER + 1), &next);

        put_part(to, SVG_MARGIN, y, class, "start", text, length);
    }
    return y;
}

static void put_summary(FILE *to, const struct svg_layout *layout)
{
    struct words words;
    const char *about;
    int y = layout->height + 4;

    for (unsigned i = 0; words_summary(&words, layout->ladder, i, &about); i++) {
        if (words.length == 0)
            continue;
        svg_put_text(to, SVG_MARGIN, y, "time", "start", about);
        svg_put_text(to, SVG_MARGIN + 90, y, "summary", "start", words.text);
        y += SVG_LINE + 2;
    }
}

static void put_picture(const struct svg_layout *layout, bool alone, FILE *to)
{
    const struct ladder *ladder = layout->ladder;
    enum duet_state shown[DUET_RECORDER_ENDS] = {DUET_CLOSED, DUET_CLOSED};
    unsigned step = 0;

    for (unsigned end = 0; end < DUET_RECORDER_ENDS; end++) {
        svg_put_text(to, layout->lifeline[end], layout->top - 10, "end", "middle",
                     ladder->recorder->ends[end].name);
        shown[end] = put_lifeline(layout, to, end);
    }
    for (size_t i = 0; i < ladder->arrow_count; i++)
        svg_way(layout, to, &ladder->arrows[i], i, alone);
    for (size_t i = 0; i < ladder->arrow_count; i++)
        svg_label(layout, to, &ladder->arrows[i], i, alone);
    for (size_t i = 0; i < layout->item_count; i++) {
        const struct svg_item *item = &layout->items[i];
        unsigned end =
            item->moment == LADDER_NONE ? LADDER_BOTH_ENDS : ladder->moments[item->moment].end;

        if (item->moment == LADDER_NONE) {
            put_gap(layout, to, item);
        } else if (end == LADDER_BOTH_ENDS) {
            put_note(layout, to, item, step++);
        } else {
            put_moment(layout, to, item, shown[end] != ladder->moments[item->moment].after, step++);
            shown[end] = ladder->moments[item->moment].after;
        }
    }
}

int svg_top(const struct duet_ladder_options *options, bool alone)
{
    int top = TITLE_ROOM + SVG_MARGIN;

    if (alone && options->title != NULL)
        top += TITLE_ROOM;
    if (alone &&
        options->lesson != NULL) /* at most so many lines, for the page is at least so wide */
        top += (SVG_LINE + 2) *
               (1 + (int)strlen(options->lesson) / ((2 * SVG_OUTER + SVG_INNER_MIN) / 8 - 8));
    return top;
}

void svg_write(const struct svg_layout *layout, const struct duet_ladder_options *options,
               bool alone, FILE *to)
{
    int height = layout->height + (alone ? 5 * (SVG_LINE + 2) : 0);

    fprintf(to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\" "
            "role=\"img\">\n",
            layout->width, height, layout->width, height);
    fprintf(to, "<style>%s</style>\n", style);
    fputs("<defs>\n"
          "<marker id=\"head\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" "
          "markerUnits=\"userSpaceOnUse\" markerWidth=\"12\" markerHeight=\"12\" "
          "orient=\"auto\"><path d=\"M0 1 L10 5 L0 9 z\" fill=\"#333\"/></marker>\n"
          "<marker id=\"head-bad\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" "
          "markerUnits=\"userSpaceOnUse\" "
          "markerWidth=\"12\" markerHeight=\"12\" orient=\"auto\"><path d=\"M0 1 L10 5 L0 9 z\" "
          "fill=\"#c62828\"/></marker>\n"
          "</defs>\n",
          to);
    fprintf(to, "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", layout->width, height);
    if (alone) {
        int y = put_lines(to, layout, "title", options->title, TITLE_ROOM);

        put_lines(to, layout, "lesson", options->lesson, y);
        put_summary(to, layout);
    }
    put_picture(layout, alone, to);
    fputs("</svg>\n", to);
}

int duet_ladder_svg(const struct duet_recorder *recorder, const struct duet_ladder_options *options,
                    FILE *to)
{
    struct ladder ladder;
    struct svg_layout layout;

    if (ladder_make(recorder, options->absolute, &ladder) != 0)
        return -1;
    if (svg_layout_make(&ladder, svg_top(options, true), &layout) != 0) {
        ladder_free(&ladder);
        return -1;
    }
    svg_write(&layout, options, true, to);
    svg_layout_free(&layout);
    ladder_free(&ladder);
    return ferror(to) ? -1 : 0;
}
