/* SPDX-License-Identifier: MIT */
/* Plays timelines against the small build: their paths come line by line, and for each of them goes out
 *
 *     VERDICT <tab> PATH <tab> LINE <tab> PROBLEM
 */
#include <duet/script.h>
#include <stdio.h>
#include <string.h>

/* What the player sets for every stack; and pages of which 15 hold the window that scripts expect. */
static const char *const settings[] = {"profile=duet", "config=watch=false",
                                       "config=trace_events=0", "config=page_size=65536",
                                       "config=pages_max=1024"};

int main(void)
{
    char path[4096];
    while (fgets(path, sizeof path, stdin) != NULL) {
        struct duet_script_options options = {
            .settings = settings,
            .setting_count = sizeof settings / sizeof settings[0],
        };
        struct duet_script_result result;
        path[strcspn(path, "\n")] = '\0';
        duet_script_run(path, &options, &result);
        printf("%s\t%s\t%u\t%s\n", duet_script_verdict_name(result.verdict), path, result.line,
               result.problem == NULL ? "" : result.problem);
        duet_script_result_free(&result);
    }
    return 0;
}
