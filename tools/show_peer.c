/* SPDX-License-Identifier: MIT */
/* duet show --peer kernel. See show_peer.h. */
#include "show_peer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "command.h"
#include "peer_story.h"

enum { TEXT_MAX = 160 };

static const char command[] = "duet show";

/* ---- the picture ---- */

static int draw(const struct show_peer_options *options, const struct duet_recorder *recorder,
                const struct duet_ladder_options *ladder, FILE *to)
{
    if (strcmp(options->format, "json") == 0)
        return duet_trace_json(recorder, to);
    if (strcmp(options->format, "svg") == 0)
        return duet_ladder_svg(recorder, ladder, to);
    if (strcmp(options->format, "html") == 0)
        return duet_ladder_html(recorder, ladder, to);
    if (strcmp(options->format, "pcapng") == 0)
        return duet_recorder_pcapng(recorder, to);
    return duet_ladder_text(recorder, ladder, to);
}

static const char *link_in_words(const struct duet_kernel *kernel)
{
    return kernel->kind == DUET_KERNEL_TUN ? "a TUN device" : "AF_PACKET on a veth pair";
}

/* output: NULL if no ladder is wanted. */
static int write_ladder(const struct show_peer_options *options,
                        const struct duet_recorder *recorder,
                        const struct duet_ladder_options *ladder, struct command_output *output)
{
    if (output == NULL)
        return COMMAND_OK;
    if (draw(options, recorder, ladder, output->file) < 0) {
        command_complain(command, "the picture cannot be drawn: %s", strerror(errno));
        (void)command_output_close(output, false);
        return COMMAND_FAILED;
    }
    if (command_output_close(output, true) < 0) {
        command_complain(command, "%s cannot be written: %s",
                         options->output == NULL ? "standard output" : options->output,
                         strerror(errno));
        return COMMAND_FAILED;
    }
    return COMMAND_OK;
}

static int write_pictures(const struct show_peer_options *options,
                          const struct duet_recorder *recorder, const struct duet_kernel *kernel,
                          struct command_output *output)
{
    struct utsname system = {0};
    char title[TEXT_MAX], lesson[TEXT_MAX];
    const struct duet_ladder_options ladder = {.title = title,
                                               .lesson = lesson,
                                               .columns = options->columns,
                                               .colour = options->colour,
                                               .absolute = options->absolute};
    int written;

    (void)uname(&system);
    (void)snprintf(title, sizeof(title), "duet and %.30s %.40s", system.sysname, system.release);
    (void)snprintf(lesson, sizeof(lesson),
                   "Real packets in real time over %s, IPv%c; duet is the %s.",
                   link_in_words(kernel), options->ipv6 ? '6' : '4', options->role);
    written = write_ladder(options, recorder, &ladder, output);
    if (written == COMMAND_OK && options->plot->file != NULL)
        written = show_plot_write(options->plot, command, recorder, title, lesson);
    return written;
}

/* ---- the play ---- */

static enum duet_kernel_link wanted_link(const char *name)
{
    if (name == NULL)
        return DUET_KERNEL_ANY;
    return strcmp(name, "tun") == 0 ? DUET_KERNEL_TUN : DUET_KERNEL_PACKET;
}

static bool play(const struct show_peer_options *options, struct duet_recorder *recorder,
                 struct duet_kernel *kernel, char *why, size_t size)
{
    const bool is_client = strcmp(options->role, "client") == 0;

    duet_recorder_name(recorder, 0, is_client ? "duet" : "Linux", false);
    duet_recorder_name(recorder, 1, is_client ? "Linux" : "duet", false);
    return peer_story_play(kernel, is_client, options->ipv6, recorder, why, size);
}

static int play_and_draw(const struct show_peer_options *options, struct duet_recorder *recorder,
                         struct command_output *output)
{
    const struct duet_kernel_options kernel_options = {.link = wanted_link(options->link)};
    struct duet_kernel kernel;
    char why[2 * TEXT_MAX];
    bool is_good;
    int result;

    if (duet_kernel_open(&kernel_options, &kernel, why, sizeof(why)) < 0) {
        command_complain(command, "%s", why);
        if (output != NULL)
            (void)command_output_close(output, false);
        return COMMAND_FAILED;
    }
    is_good = play(options, recorder, &kernel, why, sizeof(why));
    /* What went wrong is best seen on the ladder, so it is drawn in any case. */
    result = write_pictures(options, recorder, &kernel, output);
    if (is_good)
        return result;
    command_complain(command, "%s", why);
    return COMMAND_FAILED;
}

int show_peer(const struct show_peer_options *options)
{
    struct command_output output;
    struct duet_recorder *recorder;
    int result;

    if (options->format != NULL && command_output_open(&output, options->output) < 0) {
        command_complain(command, "%s cannot be written: %s", options->output, strerror(errno));
        return COMMAND_USAGE;
    }
    if (duet_recorder_new(&recorder) < 0) {
        command_complain(command, "%s", strerror(errno));
        if (options->format != NULL)
            (void)command_output_close(&output, false);
        return COMMAND_FAILED;
    }
    result = play_and_draw(options, recorder, options->format == NULL ? NULL : &output);
    duet_recorder_free(recorder);
    return result;
}
