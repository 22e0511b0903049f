/* SPDX-License-Identifier: MIT */
/* A world that failed: shrunk, shown as a ladder, and written as files. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "sim.h"

enum { EVENTS_BEFORE = 300, COLUMNS_USUAL = 120 };

struct context {
    const struct sim_campaign *campaign;
};

static int run(void *context, const struct duet_sim_recipe *recipe, struct duet_sim_result *result)
{
    const struct context *c = context;

    return sim_run_apart(recipe, c->campaign->check, result);
}

static void told(void *context, unsigned runs, const struct duet_sim_recipe *best)
{
    const struct context *c = context;

    if (c->campaign->progress)
        fprintf(stderr, "\rshrinking: %u runs, %u connections, %u faults   ", runs,
                best->connection_count, best->hit_count);
}

/* ---- files ---- */

typedef int painter(const struct duet_recorder *recorder, const struct duet_ladder_options *options,
                    FILE *to);

static int paint_pcapng(const struct duet_recorder *recorder,
                        const struct duet_ladder_options *options, FILE *to)
{
    (void)options;
    return duet_recorder_pcapng(recorder, to);
}

static bool write_file(const struct sim_campaign *campaign, const struct duet_recorder *recorder,
                       const struct duet_ladder_options *options, const char *ending,
                       painter *paint)
{
    struct command_output output;
    char path[4096];
    bool good;

    (void)snprintf(path, sizeof path, "%s%s", campaign->prefix, ending);
    if (command_output_open(&output, path) != 0) {
        command_complain(campaign->command, "%s: %s", path, strerror(errno));
        return false;
    }
    good = paint(recorder, options, output.file) == 0;
    if (command_output_close(&output, good) == 0 && good)
        return true;
    command_complain(campaign->command, "%s: %s", path, strerror(errno));
    return false;
}

static bool write_files(const struct sim_campaign *campaign, const struct duet_recorder *recorder,
                        const struct duet_ladder_options *options)
{
    bool good = write_file(campaign, recorder, options, ".txt", duet_ladder_text);

    good = write_file(campaign, recorder, options, ".svg", duet_ladder_svg) && good;
    good = write_file(campaign, recorder, options, ".html", duet_ladder_html) && good;
    return write_file(campaign, recorder, options, ".pcapng", paint_pcapng) && good;
}

/* ---- showing ---- */

static bool show(const struct sim_campaign *campaign, const struct duet_sim_recipe *recipe,
                 const struct duet_sim_result *failure)
{
    struct duet_sim_options options = {.check = campaign->check};
    struct duet_ladder_options ladder = {.title = failure->violation};
    struct duet_sim_result result;
    bool good = true;

    if (strncmp(failure->violation, "CRASH", 5) == 0)
        return true; /* it would take us with it */
    if (duet_recorder_new(&options.recorder) != 0)
        return false;
    duet_recorder_name(options.recorder, 0, "client", false);
    duet_recorder_name(options.recorder, 1, "server", false);
    if (failure->failed_event > EVENTS_BEFORE)
        options.record_from = failure->failed_event - EVENTS_BEFORE;
    ladder.columns = command_columns(stdout, COLUMNS_USUAL);
    (void)command_colour("auto", stdout, &ladder.colour);
    if (duet_sim_run(recipe, &options, &result) == 0 && !campaign->json)
        (void)duet_ladder_text(options.recorder, &ladder, stdout);
    ladder.colour = false;
    ladder.columns = COLUMNS_USUAL;
    if (campaign->prefix != NULL)
        good = write_files(campaign, options.recorder, &ladder) &&
               sim_write_timeline(campaign, recipe);
    duet_recorder_free(options.recorder);
    return good;
}

bool sim_explain(const struct sim_campaign *campaign, const struct duet_sim_recipe *recipe)
{
    struct context context = {campaign};
    const struct duet_sim_shrinking how = {
        .run = run,
        .told = told,
        .context = &context,
        .check = campaign->check,
        .runs_most = campaign->shrinks ? campaign->shrink_runs : 0,
    };
    struct duet_sim_recipe smallest;
    struct duet_sim_result result;
    bool good = true;

    if (duet_sim_shrink(recipe, &how, &smallest, &result) != 0) {
        command_complain(campaign->command, "out of memory");
        return false;
    }
    if (campaign->progress)
        fprintf(stderr, "\r%60s\r", "");
    if (result.failed)
        sim_report_failure(campaign, &smallest, &result);
    if (campaign->explains || result.failed)
        good = show(campaign, &smallest, &result);
    duet_sim_recipe_free(&smallest);
    return good;
}
