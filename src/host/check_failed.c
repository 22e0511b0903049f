/* SPDX-License-Identifier: MIT */
/* What a failed CHECK does on a machine with stderr and abort(). Firmware brings its own. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "host/check_hook.h"

static check_hook *hooked;

check_hook *check_failed_hook(check_hook *hook)
{
    check_hook *before = hooked;

    hooked = hook;
    return before;
}

_Noreturn void check_failed(const char *what, const char *file, int line)
{
    if (hooked != NULL)
        hooked(what, file, line);
    fprintf(stderr, "duet: check failed: %s (%s:%d)\n", what, file, line);
    abort();
}
