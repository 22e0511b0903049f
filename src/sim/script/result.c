/* SPDX-License-Identifier: MIT */
/* Scripts in files, and results given up again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "duet/script.h"
#include "sim/script/arena.h"

enum { SCRIPT_SIZE_MAX = 16 << 20 };

const char *duet_script_verdict_name(enum duet_script_verdict verdict)
{
    switch (verdict) {
    case DUET_SCRIPT_PASSED:
        return "passed";
    case DUET_SCRIPT_FAILED:
        return "failed";
    case DUET_SCRIPT_SKIPPED:
        return "skipped";
    case DUET_SCRIPT_BROKEN:
        return "broken";
    }
    return "broken";
}

/* The whole of a stream. NULL: errno says why. */
static char *read_all(FILE *from, size_t *length)
{
    char *text = must_allocate(4096);
    size_t room = 4096;
    *length = 0;
    for (;;) {
        *length += fread(text + *length, 1, room - *length, from);
        if (*length < room) {
            break;
        }
        if (room >= SCRIPT_SIZE_MAX) {
            errno = EFBIG;
            free(text);
            return NULL;
        }
        room *= 2;
        text = must_grow(text, room, 1);
    }
    if (ferror(from)) {
        free(text);
        return NULL;
    }
    return text;
}

void duet_script_run(const char *path, const struct duet_script_options *options,
                     struct duet_script_result *result)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "rb");
    size_t length = 0;
    char *text = file != NULL ? read_all(file, &length) : NULL;
    int error = errno;
    if (file != NULL && !standard) {
        fclose(file);
    }
    if (text == NULL) {
        *result = (struct duet_script_result){.verdict = DUET_SCRIPT_BROKEN};
        result->problem = must_format("it cannot be read: %s", strerror(error));
        return;
    }
    duet_script_run_text(path, text, length, options, result);
    free(text);
}

void duet_script_result_free(struct duet_script_result *result)
{
    free(result->problem);
    free(result->expected);
    free(result->actual);
    free(result->ladder);
    free(result->log);
    *result = (struct duet_script_result){0};
}
