/* SPDX-License-Identifier: MIT */
/* Fuzzer of the script parser: any bytes are a script, or an error that says where and what was expected. The seeds are
 * the scripts of tests/. */
#include "fuzz.h"

#include "sim/script/script.h"

static unsigned lines_of(const uint8_t *data, size_t size)
{
    unsigned lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct script script;
    struct script_error error = {0};
    const bool parsed = script_parse(&script, (const char *)data, size, NULL, 0, &error);
    if (!parsed) { /* an error without a place or a reason helps nobody */
        EXPECT(error.line >= 1 && error.line <= lines_of(data, size));
        EXPECT(error.text[0] != '\0');
    } else {
        unsigned events = 0;
        for (const struct event *event = script.events; event != NULL; event = event->next) {
            EXPECT(event->line >= 1 && event->line <= lines_of(data, size));
            events++;
        }
        /* Reading ends where something is met that duet has nothing for. */
        EXPECT(events == script.event_count || script.unsupported != NULL);
    }
    script_free(&script);
    return 0;
}
