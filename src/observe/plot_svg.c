/* SPDX-License-Identifier: MIT */
/* The plot as a drawing: title and lesson, and the panels one under the other on one axis of time,
 * with their scales and legends. It follows the reader's choice of a light or a dark page; nothing
 * is told by colour alone.
 */
#include <string.h>

#include "observe/canvas.h"
#include "observe/plot_pen.h"

enum {
    WIDTH = 1000,
    LEFT = 74,
    RIGHT = 976,
    MARGIN = 20,
    TITLE_LINE = 34,
    TEXT_LINE = 18,
    TEXT_COLUMNS = 135,
    HEAD = 26, /* of a panel: title and legend */
    GAP = 16,
    FOOT = 44,         /* below the last: the axis of time */
    LEGEND_LEFT = 172, /* from LEFT on */
    LABEL_LEAST = 38,  /* pixels between two labels of time */
};

static const int heights[PLOT_PANELS] = {400, 190, 140, 140};

/* Blue, vermilion, green, purple and orange of Okabe and Ito's palette, which differ in brightness
 * too; in the dark their brighter neighbours. */
static const char style[] =
    "text{font:12px system-ui,-apple-system,'Segoe UI','DejaVu Sans',Arial,sans-serif;"
    "fill:#1f2328}"
    ".paper{fill:#fff}.frame{fill:none;stroke:#8c959f}.grid path{stroke:#e3e7eb;fill:none}"
    ".title{font-size:19px;font-weight:600}.lesson{font-size:13.5px}"
    ".faded,.tick{fill:#57606a}.tick{font-size:11px}.heading{font-weight:600;font-size:13px}"
    ".key{font-size:11.5px}.cut{fill:#fff}.cut-line{stroke:#8c959f;fill:none}"
    ".sent{stroke:#0072b2;stroke-width:3.5;fill:none}"
    ".again{stroke:#d55e00;stroke-width:7;fill:none}"
    ".cross{stroke:#1f2328;stroke-width:2.2;fill:none}.cross .halo{stroke:#fff;stroke-width:5}"
    ".faint{opacity:.6}"
    ".una{stroke:#007a5a;stroke-width:1.6;fill:none}.ack{fill:#007a5a}"
    ".edge{stroke:#9b4f8a;stroke-width:1.6;stroke-dasharray:6 3;fill:none}"
    ".sack{stroke:#f3c969;stroke-width:8;fill:none}"
    ".flag{fill:#1f2328}.flag text{font-size:10.5px;font-weight:600;"
    "paint-order:stroke;stroke:#fff;stroke-width:3px}.name text{font-size:10.5px}"
    ".timer{stroke:#57606a;stroke-width:1.4;stroke-dasharray:2 3;fill:none}"
    ".cwnd{stroke:#0072b2;stroke-width:2;fill:none}.cwnd-point{fill:#0072b2}"
    ".ssthresh{stroke:#d55e00;stroke-width:1.6;stroke-dasharray:7 3;fill:none}"
    ".pipe{fill:#6e7781;fill-opacity:.28;stroke:#6e7781;stroke-width:1}"
    ".phase{stroke:none}.start{fill:#56b4e9;fill-opacity:.16}.avoid{fill:none}"
    ".recover{fill:#e69f00;fill-opacity:.24}.loss{fill:#d55e00;fill-opacity:.3}"
    ".rule{fill:#1f2328}.quiet{fill:transparent}"
    ".sample{fill:#0072b2}.srtt{stroke:#007a5a;stroke-width:2;fill:none}"
    ".rto{stroke:#d55e00;stroke-width:1.6;stroke-dasharray:7 3;fill:none}"
    "@media (prefers-color-scheme:dark){text{fill:#e6edf3}.paper,.cut{fill:#0d1117}"
    ".frame,.cut-line{stroke:#6e7681}.grid path{stroke:#262c36}.faded,.tick{fill:#9aa4af}"
    ".sent,.cwnd{stroke:#58b4f0}.cwnd-point,.sample{fill:#58b4f0}"
    ".again,.ssthresh,.rto{stroke:#ff8c42}.cross{stroke:#f0f3f6}.cross .halo{stroke:#0d1117}"
    ".una,.srtt{stroke:#35c99a}.ack{fill:#35c99a}.edge{stroke:#d79ac8}.sack{stroke:#a8842c}"
    ".flag,.rule{fill:#e6edf3}.flag text{"
    "stroke:#0d1117}.timer{stroke:#9aa4af}.pipe{fill:#9aa4af;stroke:#9aa4af}}";

/* ---- frame ---- */

/* In a file of its own the title stands above, and the lesson below it, wrapped. */
static unsigned lesson_lines(const char *lesson)
{
    unsigned lines = 0;
    const char *next;

    for (; lesson != NULL && *lesson != '\0'; lesson = next, lines++)
        (void)canvas_wrap(lesson, TEXT_COLUMNS, &next);
    return lines;
}

static int top_of(const struct duet_plot_options *options, bool alone)
{
    int top = MARGIN;

    if (alone && options->title != NULL)
        top += TITLE_LINE;
    if (alone)
        top += TEXT_LINE * (int)(lesson_lines(options->lesson) + 1);
    return top;
}

static void put_head(FILE *to, const struct plot *plot, const struct duet_plot_options *options)
{
    int y = TITLE_LINE;
    struct words words;
    const char *text, *next;

    if (options->title != NULL) {
        svg_put_text(to, MARGIN, y, "title", "start", options->title);
        y += TEXT_LINE + 4;
    }
    for (text = options->lesson; text != NULL && *text != '\0'; text = next, y += TEXT_LINE) {
        words_clear(&words);
        words_add(&words, "%.*s", (int)canvas_wrap(text, TEXT_COLUMNS, &next), text);
        svg_put_text(to, MARGIN, y, "lesson", "start", words.text);
    }
    plot_say_summary(&words, plot);
    svg_put_text(to, MARGIN, y, "faded", "start", words.text);
}

/* ---- scales ---- */

static void put_values(FILE *to, const struct plot_panel *panel)
{
    const struct plot_axis *axis = &panel->axis;
    char label[PLOT_LABEL];
    int64_t value;

    for (unsigned i = 0; plot_axis_tick(axis, i, &value); i++) {
        double y = plot_axis_at(axis, value);

        plot_axis_label(axis, value, label);
        fprintf(to, "<path d=\"M%d %.1fH%d\"/>", LEFT, y, RIGHT);
        fprintf(to, "<text x=\"%d\" y=\"%.1f\" class=\"tick\" text-anchor=\"end\">%s</text>\n",
                LEFT - 6, y + 4, label);
    }
}

/* Lines of time in a panel; with labels below the last one. */
static void put_times(FILE *to, const struct plot_time *time, double top, double bottom,
                      bool has_labels)
{
    double last = -LABEL_LEAST;
    char label[PLOT_LABEL];

    for (unsigned i = 0; i < time->count; i++) {
        duet_time tick = plot_time_tick(time, i, time->pieces[i].from);

        for (; tick != DUET_NEVER; tick = plot_time_tick(time, i, tick + 1)) {
            double x = plot_time_at(time, tick);

            if (x - last < LABEL_LEAST)
                continue;
            last = x;
            fprintf(to, "<path d=\"M%.1f %.1fV%.1f\"/>", x, top, bottom);
            if (!has_labels)
                continue;
            plot_time_label(time, tick, label);
            fprintf(to,
                    "<text x=\"%.1f\" y=\"%.1f\" class=\"tick\" text-anchor=\"middle\">%s</text>\n",
                    x, bottom + 16, label);
        }
    }
    fputc('\n', to);
}

/* Where silence was cut out: the panel is torn, and below stands for how long. */
static void put_cuts(FILE *to, const struct plot_time *time, double top, double bottom,
                     bool is_last)
{
    struct words words;

    for (unsigned i = 0; i + 1 < time->count; i++) {
        double left = time->pieces[i].right, right = time->pieces[i + 1].left;
        duet_time cut = time->pieces[i + 1].from - time->pieces[i].until;

        fprintf(to, "<path class=\"cut\" d=\"M%.1f %.1fV%.1fH%.1fV%.1fZ\"/>", left, top - 1,
                bottom + 1, right, top - 1);
        fprintf(to, "<path class=\"cut-line\" d=\"M%.1f %.1fV%.1fM%.1f %.1fV%.1f\"/>\n", left,
                top - 4, bottom + 4, right, top - 4, bottom + 4);
        if (!is_last)
            continue;
        words_clear(&words);
        if (cut > 10 * DUET_SECOND)
            cut = (cut + DUET_SECOND / 2) / DUET_SECOND * DUET_SECOND;
        words_duration(&words, cut);
        svg_put_text(to, (int)(left + right) / 2, (int)bottom + 30, "tick", "middle", words.text);
    }
}

/* ---- panels ---- */

static void put_panel(FILE *to, const struct plot_picture *picture, unsigned index)
{
    const struct plot_panel *panel = &picture->panels[index];
    const struct plot_axis *axis = &panel->axis;
    bool is_last = index + 1 == picture->panel_count;
    int y = (int)axis->top - 9;

    fprintf(to, "<g class=\"panel\">\n");
    svg_put_text(to, LEFT, y, "heading", "start", plot_panel_title(panel));
    plot_panel_legend(&picture->plot, panel, to, LEFT + LEGEND_LEFT, y);
    fputs("<g class=\"grid values\">\n", to);
    put_values(to, panel);
    fputs("</g>\n<g class=\"grid times\">\n", to);
    put_times(to, &picture->time, axis->top, axis->bottom, is_last);
    fprintf(to, "</g>\n<g class=\"data\" clip-path=\"url(#clip%u)\"><g>\n", index);
    plot_panel_draw(&picture->plot, panel, &picture->time, to);
    fprintf(to, "</g></g>\n<path class=\"frame\" d=\"M%d %.1fV%.1fH%dV%.1fZ\"/>\n", LEFT, axis->top,
            axis->bottom, RIGHT, axis->top);
    fputs("<g class=\"cuts\">\n", to);
    put_cuts(to, &picture->time, axis->top, axis->bottom, is_last);
    fputs("</g>\n</g>\n", to);
}

int plot_picture_make(const struct duet_recorder *recorder, const struct duet_plot_options *options,
                      bool alone, struct plot_picture *picture)
{
    int y = top_of(options, alone);

    *picture = (struct plot_picture){.panel_count = 0};
    if (plot_make(recorder, options->end, &picture->plot) != 0)
        return -1;
    plot_time_make(&picture->plot, LEFT, RIGHT, &picture->time);
    for (unsigned kind = 0; kind < PLOT_PANELS; kind++) {
        struct plot_panel *panel = &picture->panels[picture->panel_count];

        panel->kind = (enum plot_panel_kind)kind;
        if (!plot_panel_has(&picture->plot, panel->kind))
            continue;
        plot_panel_scale(&picture->plot, panel);
        panel->axis.top = y + HEAD;
        y += HEAD + heights[kind];
        panel->axis.bottom = y;
        y += GAP;
        picture->panel_count++;
    }
    picture->height = y - GAP + FOOT;
    return 0;
}

void plot_picture_write(const struct plot_picture *picture, const struct duet_plot_options *options,
                        bool alone, FILE *to)
{
    const struct plot_axis *last = &picture->panels[picture->panel_count - 1].axis;

    fprintf(to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\" role=\"img\">\n<style>%s</style>\n<defs>\n",
            WIDTH, picture->height, WIDTH, picture->height, style);
    for (unsigned i = 0; i < picture->panel_count; i++) {
        const struct plot_axis *axis = &picture->panels[i].axis;

        fprintf(to,
                "<clipPath id=\"clip%u\"><rect x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\"/>"
                "</clipPath>\n",
                i, LEFT, axis->top, RIGHT - LEFT, axis->bottom - axis->top);
    }
    fprintf(to, "</defs>\n<rect class=\"paper\" width=\"%d\" height=\"%d\"/>\n", WIDTH,
            picture->height);
    if (alone)
        put_head(to, &picture->plot, options);
    for (unsigned i = 0; i < picture->panel_count; i++)
        put_panel(to, picture, i);
    svg_put_text(to, (LEFT + RIGHT) / 2, (int)last->bottom + 34, "faded", "middle",
                 picture->time.seconds ? "time (s)" : "time (ms)");
    fputs("</svg>\n", to);
}

int duet_plot_svg(const struct duet_recorder *recorder, const struct duet_plot_options *options,
                  FILE *to)
{
    struct plot_picture picture;

    if (plot_picture_make(recorder, options, true, &picture) != 0)
        return -1;
    plot_picture_write(&picture, options, true, to);
    plot_free(&picture.plot);
    return ferror(to) ? -1 : 0;
}
