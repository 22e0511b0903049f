/* SPDX-License-Identifier: MIT */
/* What a failed CHECK does on a machine with stderr and abort(). Firmware brings its own. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "duet: check failed: %s (%s:%d)\n", what, file, line);
    abort();
}
