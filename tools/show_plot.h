/* SPDX-License-Identifier: MIT */
/* duet show --plot: the plot of what was shown, besides or instead of the ladder. */
#ifndef TOOLS_SHOW_PLOT_H
#define TOOLS_SHOW_PLOT_H

#include "duet/observe.h"

struct show_plot {
    const char *file; /* NULL: none is wanted */
    unsigned end;     /* as in struct duet_plot_options */
};

/* The option --plot; false, and a complaint, if FILE ends neither with .svg nor with .html. */
bool show_plot_file(struct show_plot *plot, const char *command, const char *file);
/* The option --plot-end: client or server. */
bool show_plot_end(struct show_plot *plot, const char *command, const char *end);

/* Writes the file, whole or not at all. Returns an exit status; problems are complained of. */
int show_plot_write(const struct show_plot *plot, const char *command,
                    const struct duet_recorder *recorder, const char *title, const char *lesson);

#endif
