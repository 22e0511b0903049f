/* SPDX-License-Identifier: MIT */
/* The plot as a page: the drawing, and a little behaviour. Pointing at a segment, an
 * acknowledgement or a change of the window tells what it was and which rule decided; a rectangle
 * drawn with the mouse is zoomed into. Without scripts it is the drawing, with tooltips.
 */
#include <inttypes.h>

#include "observe/plot_page.h"
#include "observe/plot_pen.h"

static void put_lines(FILE *to, const char *const *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fprintf(to, "%s\n", lines[i]);
}

/* What the script must know of the scales. Times are relative to the first one shown as 0. */
static void put_scales(FILE *to, const struct plot_picture *picture)
{
    const struct plot_time *time = &picture->time;

    fprintf(to, "const plot = {seconds: %s, time: [", time->seconds ? "true" : "false");
    for (unsigned i = 0; i < time->count; i++)
        fprintf(to, "%s[%" PRId64 ", %" PRId64 ", %.1f, %.1f]", i == 0 ? "" : ", ",
                time->pieces[i].from - time->origin, time->pieces[i].until - time->origin,
                time->pieces[i].left, time->pieces[i].right);
    fputs("], panels: [\n", to);
    for (unsigned i = 0; i < picture->panel_count; i++) {
        const struct plot_axis *axis = &picture->panels[i].axis;

        fprintf(to,
                "  {from: %" PRId64 ", until: %" PRId64 ", bottom: %.1f, top: %.1f, time: %s, "
                "log: %s},\n",
                axis->from, axis->until, axis->bottom, axis->top, axis->is_time ? "true" : "false",
                axis->is_logarithmic ? "true" : "false");
    }
    fputs("]};\n", to);
}

static void put_head(FILE *to, const struct plot *plot, const struct duet_plot_options *options)
{
    const char *name = options->title == NULL ? "A TCP connection" : options->title;
    struct words words;

    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>",
          to);
    svg_text(to, name);
    fputs("</title>\n<style>\n", to);
    put_lines(to, plot_style, sizeof plot_style / sizeof plot_style[0]);
    fputs("</style>\n</head>\n<body>\n<header><h1>", to);
    svg_text(to, name);
    fputs("</h1>\n", to);
    if (options->lesson != NULL) {
        fputs("<p>", to);
        svg_text(to, options->lesson);
        fputs("</p>\n", to);
    }
    plot_say_summary(&words, plot);
    fputs("<p class=\"faded\">", to);
    svg_text(to, words.text);
    fputs("</p>\n</header>\n", to);
}

int duet_plot_html(const struct duet_recorder *recorder, const struct duet_plot_options *options,
                   FILE *to)
{
    struct plot_picture picture;

    if (plot_picture_make(recorder, options, false, &picture) != 0)
        return -1;
    put_head(to, &picture.plot, options);
    fputs("<main>\n<div class=\"picture\">\n", to);
    plot_picture_write(&picture, options, false, to);
    fputs("<div id=\"say\" role=\"status\"></div>\n</div>\n<div class=\"buttons\" hidden>"
          "<button id=\"in\">zoom in</button><button id=\"out\">zoom out</button>"
          "<button id=\"all\">all of it</button><span class=\"faded\">Point at a mark for its why. "
          "Drag a rectangle to see it larger, double-click for all; <kbd>+</kbd> <kbd>-</kbd> "
          "<kbd>0</kbd>, <kbd>&#8592;</kbd> <kbd>&#8594;</kbd>, or <kbd>Shift</kbd> and the "
          "wheel.</span></div>\n</main>\n<script>\n",
          to);
    put_scales(to, &picture);
    put_lines(to, plot_script, sizeof plot_script / sizeof plot_script[0]);
    fputs("</script>\n</body>\n</html>\n", to);
    plot_free(&picture.plot);
    return ferror(to) ? -1 : 0;
}
