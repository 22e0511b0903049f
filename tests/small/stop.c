/* SPDX-License-Identifier: MIT */
/* What a failed invariant of the small build does in a test. Firmware brings its own. */
#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_failed(const char *what, const char *file, int line);

_Noreturn void check_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "small build: check failed in line %d%s%s\n", line, what == NULL ? "" : what,
            file == NULL ? "" : file);
    abort();
}
