/* SPDX-License-Identifier: MIT */
/* An arrow of the drawing: its way from lifeline to lifeline, or as far as it came, and its label
 * in the sender's half.
 */
#include "observe/svg.h"

/* How steep a way may be for its label to be slanted with it. */
#define SLOPE_MAX 0.3

struct line {
    double x1, y1, x2, y2;
};

/* From where to where an arrow is drawn: from lifeline to lifeline, or as far as it came. */
static struct line line_of(const struct svg_layout *layout, const struct ladder_arrow *arrow)
{
    double from = layout->lifeline[arrow->from], to = layout->lifeline[arrow->to];
    double side = arrow->from == 0 ? SVG_BAR / 2.0 : -SVG_BAR / 2.0;
    struct line line = {.x1 = from + side, .x2 = to - side};

    if (arrow->departure != LADDER_NONE)
        line.y1 = layout->y[arrow->departure];
    if (arrow->arrival != LADDER_NONE)
        line.y2 = layout->y[arrow->arrival];
    if (arrow->arrival == LADDER_NONE) { /* lost half way */
        line.x2 = from + (to - from) * 0.55;
        line.y2 = line.y1 + SVG_SLANT * 0.55;
    }
    if (arrow->departure ==
        LADDER_NONE) { /* it comes from nowhere, or is a copy that the network made */
        line.x1 = from + (to - from) * 0.45;
        line.y1 = line.y2 - SVG_SLANT * 0.55;
    }
    return line;
}

static void put_labels(const struct svg_layout *layout, FILE *to, const struct ladder_arrow *arrow,
                       const struct line *line)
{
    double slope = (line->y2 - line->y1) / (line->x2 - line->x1);
    bool rightwards = arrow->from == 0;
    const char *anchor = rightwards ? "start" : "end";
    struct words words;

    int up = -5, down = 13;

    /* Text is slanted with its line; beside a steep one it stands straight, and all of it above. */
    if (slope > SLOPE_MAX || slope < -SLOPE_MAX) {
        slope = 0;
        for (unsigned i = 1; svg_arrow_line(&words, layout->ladder, arrow, i); i++)
            up -= SVG_LINE - 2;
        down = up + SVG_LINE - 2;
    }
    fprintf(to, "<g transform=\"matrix(1 %.4f 0 1 %.1f %.1f)\">\n", slope, line->x1, line->y1);
    for (unsigned i = 0; svg_arrow_line(&words, layout->ladder, arrow, i); i++)
        svg_put_text(to, rightwards ? 14 : -14, i == 0 ? up : down + ((int)i - 1) * (SVG_LINE - 2),
                     i == 0 ? "flags" : "fields", anchor, words.text);
    fputs("</g>\n", to);
}

static void put_why(const struct svg_layout *layout, FILE *to, const struct ladder_arrow *arrow)
{
    struct words words;

    words_clear(&words);
    words_rule(&words, arrow->rule);
    fputs("<title>", to);
    svg_text(to, words.text);
    if (arrow->arrival != LADDER_NONE) {
        const struct ladder_moment *arrival = &layout->ladder->moments[arrow->arrival];

        words_clear(&words);
        words_add(&words, "\n%s: ", layout->ladder->recorder->ends[arrow->to].name);
        words_rule(&words, words_verdict(arrival));
        if (words_verdict(arrival) != 0)
            svg_text(to, words.text);
    }
    fputs("</title>\n", to);
}

/* Opens the group of an arrow, of which there are two: ways are drawn before labels, so that no
 * way hides a label of another arrow. */
static void open_group(FILE *to, const struct ladder_arrow *arrow, size_t index, const char *class,
                       bool focusable)
{
    bool bad =
        arrow->lost != DUET_NEVER || (arrow->is_tcp && (arrow->header.flags & DUET_RST) != 0);

    fprintf(to, "<g class=\"arrow %s%s\" data-arrow=\"%zu\"%s>\n", class, bad ? " bad" : "", index,
            focusable ? " tabindex=\"0\" role=\"button\"" : "");
}

void svg_way(const struct svg_layout *layout, FILE *to, const struct ladder_arrow *arrow,
             size_t index, bool alone)
{
    struct line line = line_of(layout, arrow);
    bool lost = arrow->lost != DUET_NEVER;
    bool reset = arrow->is_tcp && (arrow->header.flags & DUET_RST) != 0;

    open_group(to, arrow, index, "way", !alone);
    if (alone)
        put_why(layout, to, arrow);
    fprintf(to, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"reach\"/>\n",
            line.x1, line.y1, line.x2, line.y2);
    fprintf(to, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"shaft%s\"%s/>\n",
            line.x1, line.y1, line.x2, line.y2, arrow->departure == LADDER_NONE ? " copy" : "",
            lost    ? ""
            : reset ? " marker-end=\"url(#head-bad)\""
                    : " marker-end=\"url(#head)\"");
    if (lost) {
        fprintf(to, "<path class=\"cross\" d=\"M%.1f %.1f l12 12 m0 -12 l-12 12\"/>\n", line.x2 - 6,
                line.y2 - 6);
        svg_put_text(to, (int)line.x2 + (arrow->from == 0 ? 12 : -12), (int)line.y2 + 4, "lost",
                     arrow->from == 0 ? "start" : "end", "lost");
    }
    fputs("</g>\n", to);
}

void svg_label(const struct svg_layout *layout, FILE *to, const struct ladder_arrow *arrow,
               size_t index, bool alone)
{
    struct line line = line_of(layout, arrow);

    open_group(to, arrow, index, "label", false);
    if (alone)
        put_why(layout, to, arrow);
    put_labels(layout, to, arrow, &line);
    fputs("</g>\n", to);
}
