/* SPDX-License-Identifier: MIT */
/* What duet does has not changed unnoticed. Each timeline, some worlds of the simulation and the
 * beginning of each exploration are played, and what stacks did in them is compared with
 * tests/golden/histories/hashes.txt: a hash of every packet, trace event, counter and status, or how many
 * states there are. The hashes are the same on every machine and with every compiler, so one that
 * differs means that behaviour has changed. If that was meant, `make histories` writes the file anew, and
 * the commit says which histories changed and why.
 *
 * Arguments name parts: a folder of timelines, "worlds", "plain-worlds", "explorations" or "whole-explorations"; without any, all. With
 * DUET_UPDATE in the environment the file is written. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "duet/explore.h"
#include "duet/script.h"
#include "duet/sim.h"

enum { SHOWN = 20, STATES = 8000, LINE = 512 };

static const char golden[] = "tests/golden/histories/hashes.txt";
static FILE *now; /* the lines "PART NAME HISTORY" as they are */

/* ---- parts ---- */

static void timelines(const char *folder)
{
    char pattern[LINE];
    glob_t found;

    snprintf(pattern, sizeof pattern, "tests/lifecycle/%s/*.pkt", folder);
    if (glob(pattern, 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const struct duet_script_options options = {0};
        struct duet_script_result result;

        duet_script_run(found.gl_pathv[i], &options, &result);
        fprintf(now, "%s %s ", folder, strrchr(found.gl_pathv[i], '/') + 1);
        if (result.verdict == DUET_SCRIPT_PASSED)
            fprintf(now, "%016llx\n", (unsigned long long)result.hash);
        else
            fprintf(now, "%s\n", duet_script_verdict_name(result.verdict));
        duet_script_result_free(&result);
    }
    globfree(&found);
}

static void worlds_of(const char *part, uint64_t first, uint64_t last, bool plain)
{
    for (uint64_t seed = first; seed <= last; seed++) {
        const struct duet_sim_recipe recipe = {.seed = seed, .plain = plain};
        struct duet_sim_result result;
        bool failed = duet_sim_run(&recipe, NULL, &result) != 0 || result.failed;

        fprintf(now, "%s %llu %016llx%s\n", part, (unsigned long long)seed,
                (unsigned long long)result.hash, failed ? " failed" : "");
    }
}

static void worlds(const char *part)
{
    worlds_of(part, 101, 130, false);
}

static void plain_worlds(const char *part)
{
    worlds_of(part, 1, 3, true);
}

static void explore(const char *part, const char *how, const struct duet_exploration *exploration,
                    uint64_t states_max)
{
    const struct duet_explore_options options = {.seed = 1, .states_max = states_max};
    static struct duet_explore_result result;
    int error = duet_explore(exploration, &options, NULL, &result);

    fprintf(now, "%s %s%s %llu/%llu/%llu/%llu%s\n", part, exploration->name, how,
            (unsigned long long)result.states, (unsigned long long)result.transitions,
            (unsigned long long)result.depth, (unsigned long long)result.endings,
            error != 0 || result.end == DUET_EXPLORE_VIOLATION ? " failed" : "");
}

/* The first states of each. */
static void explorations(const char *part)
{
    const struct duet_exploration *exploration;

    for (unsigned i = 0; (exploration = duet_exploration(i)) != NULL; i++)
        explore(part, "", exploration, STATES);
}

/* All states of some, in narrower bounds. */
static void whole_explorations(const char *part)
{
    struct duet_exploration handshake = *duet_exploration_find("handshake");
    struct duet_exploration transfer = *duet_exploration_find("transfer");

    handshake.bounds.late = 0;
    explore(part, "-in-time", &handshake, 0);
    for (unsigned end = 0; end < DUET_EXPLORE_ENDS; end++)
        if (transfer.bounds.ends[end].sends > 1)
            transfer.bounds.ends[end].sends = 1;
    explore(part, "-of-one-send", &transfer, 0);
}

static const struct {
    const char *name;
    void (*play)(const char *part);
} others[] = {{"worlds", worlds},
              {"plain-worlds", plain_worlds},
              {"explorations", explorations},
              {"whole-explorations", whole_explorations}};

static void play(const char *part)
{
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcmp(others[i].name, part) == 0) {
            others[i].play(part);
            return;
        }
    }
    timelines(part);
}

/* ---- the comparison ---- */

/* The whole golden file, or nothing. */
static char *read_golden(void)
{
    FILE *from = fopen(golden, "r");
    char *text = NULL, line[LINE];
    size_t size;
    FILE *to = open_memstream(&text, &size);

    while (from != NULL && fgets(line, LINE, from) != NULL)
        fputs(line, to);
    if (from != NULL)
        fclose(from);
    fclose(to);
    return text;
}

/* The line of a text that is about the same as this one, NULL: none. */
static const char *line_about(const char *text, const char *line)
{
    size_t length = (size_t)(strrchr(line, ' ') + 1 - line);

    for (; *text != '\0'; text = strchr(text, '\n') + 1)
        if (strncmp(text, line, length) == 0)
            return text;
    return NULL;
}

/* Prints the lines of a part in one text that are not in the other; how many. */
static unsigned missing(const char *part, const char *what, const char *from, const char *in)
{
    size_t length = strlen(part);
    unsigned count = 0;

    for (; *from != '\0'; from = strchr(from, '\n') + 1) {
        char line[LINE];
        const char *other;

        if (strncmp(from, part, length) != 0 || from[length] != ' ')
            continue;
        snprintf(line, sizeof line, "%.*s", (int)strcspn(from, "\n"), from);
        other = line_about(in, line);
        if ((other == NULL || strncmp(other, line, strlen(line)) != 0) && count++ < SHOWN)
            printf("# %s %s\n", what, line);
    }
    return count;
}

static bool compare(const char *part, const char *text)
{
    char *wanted = read_golden();
    unsigned gone = missing(part, "it was", wanted, text);
    unsigned come = missing(part, "it is ", text, wanted);

    free(wanted);
    if (gone + come > 0)
        printf(
            "# %u histories are not as they were, %u are new; if that was meant: make histories\n",
            gone, come);
    return gone + come == 0 && *text != '\0';
}

static bool judge(const char *part)
{
    static unsigned number;
    char *text = NULL;
    size_t size;
    bool good;

    now = open_memstream(&text, &size);
    play(part);
    fclose(now);
    good = compare(part, text);
    printf("%s %u - the histories of %s are those that were\n", good ? "ok" : "not ok", ++number,
           part);
    free(text);
    return good;
}

/* ---- all of them ---- */

/* Calls use with the name of each part; true if it always is. */
static bool each_part(bool (*use)(const char *part))
{
    glob_t found;
    bool good = true;

    glob("tests/lifecycle/*", GLOB_ONLYDIR, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc; i++)
        good &= use(strrchr(found.gl_pathv[i], '/') + 1);
    globfree(&found);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        good &= use(others[i].name);
    return good;
}

static bool write_part(const char *part)
{
    play(part);
    return true;
}

int main(int argc, char **argv)
{
    const char *source = getenv("DUET_SOURCE");
    bool good = true;

    if (source != NULL && chdir(source) != 0)
        return 2;
    if (getenv("DUET_UPDATE") != NULL) {
        now = fopen(golden, "w");
        return now == NULL || !each_part(write_part) || fclose(now) != 0;
    }
    for (int i = 1; i < argc; i++)
        good &= judge(argv[i]);
    if (argc == 1)
        good = each_part(judge);
    return good ? 0 : 1;
}
