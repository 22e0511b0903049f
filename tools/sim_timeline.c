/* SPDX-License-Identifier: MIT */
/* A failure as a packet timeline, where one end suffices: what each end saw and did is played against a
 * stack alone, and the first that does the same again, or fails on the way, is the one to mend by. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "duet/script.h"
#include "sim.h"

/* Plays the timeline in a process of its own. True: the stack did the same, or the process died. */
static bool tells_the_story(const char *text, size_t length)
{
    int status;
    pid_t pid;

    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        const struct duet_script_options options = {0};
        struct duet_script_result result;

        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(1);
        duet_script_run_text("timeline", text, length, &options, &result);
        _exit(result.verdict == DUET_SCRIPT_PASSED ? 0 : 1);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return false;
    return WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* What the end saw and did; NULL: no memory, or the world does not fail while it is told. */
static char *tell(const struct sim_campaign *campaign, const struct duet_sim_recipe *recipe,
                  unsigned end, size_t *length)
{
    struct duet_sim_options options = {.check = campaign->check, .timeline_end = end};
    struct duet_sim_result result;
    char *text = NULL;

    options.timeline = open_memstream(&text, length);
    if (options.timeline == NULL)
        return NULL;
    fprintf(options.timeline, "// duet sim --recipe \"");
    (void)duet_sim_recipe_print(recipe, options.timeline);
    fprintf(options.timeline, "\"\n// The %s's end.\n", end == 0 ? "client" : "server");
    (void)duet_sim_run(recipe, &options, &result);
    fprintf(options.timeline, "// %s\n", result.violation);
    (void)fclose(options.timeline);
    if (result.violation[0] != '\0')
        return text;
    free(text);
    return NULL;
}

bool sim_write_timeline(const struct sim_campaign *campaign, const struct duet_sim_recipe *recipe)
{
    struct command_output output;
    char path[4096];

    for (unsigned end = 0; end < DUET_RECORDER_ENDS; end++) {
        size_t length = 0;
        char *text = tell(campaign, recipe, end, &length);
        bool good;

        if (text == NULL || !tells_the_story(text, length)) {
            free(text);
            continue;
        }
        (void)snprintf(path, sizeof path, "%s.pkt", campaign->prefix);
        good = command_output_open(&output, path) == 0;
        if (good) {
            (void)fwrite(text, 1, length, output.file);
            good = command_output_close(&output, true) == 0;
        }
        if (!good)
            command_complain(campaign->command, "%s: %s", path, strerror(errno));
        free(text);
        return good;
    }
    return true; /* it takes both ends */
}
