/* SPDX-License-Identifier: MIT */
/* duet show --plot. See show_plot.h. */
#include "show_plot.h"

#include <errno.h>
#include <string.h>

#include "command.h"

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);

    return length > end_length && strcmp(text + length - end_length, end) == 0;
}

bool show_plot_file(struct show_plot *plot, const char *command, const char *file)
{
    plot->file = file;
    if (ends_with(file, ".svg") || ends_with(file, ".html"))
        return true;
    command_complain(command, "'%s' is no plot; its name ends with .svg or .html", file);
    return false;
}

bool show_plot_end(struct show_plot *plot, const char *command, const char *end)
{
    plot->end = strcmp(end, "server") == 0;
    if (plot->end == 1 || strcmp(end, "client") == 0)
        return true;
    command_complain(command, "there is no end '%s'; there are client and server", end);
    return false;
}

int show_plot_write(const struct show_plot *plot, const char *command,
                    const struct duet_recorder *recorder, const char *title, const char *lesson)
{
    const struct duet_plot_options options = {.title = title, .lesson = lesson, .end = plot->end};
    struct command_output output;
    int drawn;

    if (command_output_open(&output, plot->file) != 0) {
        command_complain(command, "cannot write %s: %s", plot->file, strerror(errno));
        return COMMAND_USAGE;
    }
    if (ends_with(plot->file, ".html"))
        drawn = duet_plot_html(recorder, &options, output.file);
    else
        drawn = duet_plot_svg(recorder, &options, output.file);
    if (drawn != 0) {
        command_complain(command, "cannot draw: %s", strerror(errno));
        (void)command_output_close(&output, false);
        return COMMAND_FAILED;
    }
    if (command_output_close(&output, true) != 0) {
        command_complain(command, "cannot write %s: %s", plot->file, strerror(errno));
        return COMMAND_FAILED;
    }
    return COMMAND_OK;
}
