/* SPDX-License-Identifier: MIT */
/* What else a failed CHECK can do. A simulator that runs thousands of worlds wants to go on with
 * the next one: its hook does not return, it leaves with longjmp, and the stack is thrown away. */
#ifndef HOST_CHECK_HOOK_H
#define HOST_CHECK_HOOK_H

typedef void check_hook(const char *what, const char *file, int line);

/* Sets the hook, NULL: none, and returns the one before. If the hook returns, the program aborts. */
check_hook *check_failed_hook(check_hook *hook);

#endif
