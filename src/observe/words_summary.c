/* SPDX-License-Identifier: MIT */
/* The lines under a picture: who opened, what went each way, who closed, how long TIME-WAIT
 * lasted. */
#include <inttypes.h>

#include "observe/words.h"

static void say_opened(struct words *words, const struct ladder *ladder, const char *const *names)
{
    const struct ladder_summary *summary = &ladder->summary;

    if (!summary->opened[0] && !summary->opened[1])
        return;
    if (summary->opened[0] && summary->opened[1])
        words_add(words, "both ends, each with a SYN of its own");
    else
        words_add(words, "%s", names[summary->opened[0] ? 0 : 1]);
    if (!summary->established[0] && !summary->established[1])
        words_add(words, ", but no connection came about");
}

static void say_traffic(struct words *words, const struct ladder *ladder, const char *const *names)
{
    const struct ladder_summary *summary = &ladder->summary;
    unsigned again = summary->retransmissions[0] + summary->retransmissions[1];

    for (unsigned end = 0; end < DUET_RECORDER_ENDS; end++)
        words_add(words, "%s%s %" PRIu64 " byte%s in %u segment%s", end == 0 ? "" : ", ",
                  names[end], summary->bytes[end], summary->bytes[end] == 1 ? "" : "s",
                  summary->segments[end], summary->segments[end] == 1 ? "" : "s");
    if (summary->lost > 0)
        words_add(words, "; %u lost on the way", summary->lost);
    if (again > 0)
        words_add(words, "; %u sent again", again);
}

static void say_closed(struct words *words, const struct ladder *ladder, const char *const *names)
{
    const struct ladder_summary *summary = &ladder->summary;
    unsigned first = summary->first_fin;

    if (first != LADDER_BOTH_ENDS && summary->both_fins_crossed)
        words_add(words, "both at the same time");
    else if (first != LADDER_BOTH_ENDS && summary->fin_sent[1 - first])
        words_add(words, "%s first, then %s", names[first], names[1 - first]);
    else if (first != LADDER_BOTH_ENDS)
        words_add(words, "%s; %s never did", names[first], names[1 - first]);
    if (summary->reset_by != LADDER_BOTH_ENDS)
        words_add(words, "%sa RST of %s ended %s", words->length == 0 ? "" : "; ",
                  names[summary->reset_by], words->length == 0 ? "it" : "a connection");
}

static void say_time_wait(struct words *words, const struct ladder *ladder,
                          const char *const *names)
{
    const struct ladder_summary *summary = &ladder->summary;

    for (unsigned end = 0; end < DUET_RECORDER_ENDS; end++) {
        if (summary->time_wait_from[end] == DUET_NEVER)
            continue;
        words_add(words, "%s%s, ", words->length == 0 ? "" : "; ", names[end]);
        if (summary->time_wait_for[end] == DUET_NEVER)
            words_add(words, "not over yet");
        else
            words_duration(words, summary->time_wait_for[end]);
    }
}

bool words_summary(struct words *words, const struct ladder *ladder, unsigned index,
                   const char **about)
{
    static const struct {
        const char *about;
        void (*say)(struct words *words, const struct ladder *ladder, const char *const *names);
    } lines[] = {
        {"opened by", say_opened},
        {"sent", say_traffic},
        {"closed by", say_closed},
        {"TIME-WAIT", say_time_wait},
    };
    const char *names[DUET_RECORDER_ENDS] = {ladder->recorder->ends[0].name,
                                             ladder->recorder->ends[1].name};

    words_clear(words);
    if (index >= sizeof lines / sizeof lines[0])
        return false;
    lines[index].say(words, ladder, names);
    *about = lines[index].about;
    return true;
}
