/* SPDX-License-Identifier: MIT */
/* CHECK states an invariant and stays on in release builds: a stack that has lost an invariant must
 * not go on. Input is never checked this way, it meets a named rule.
 *
 * check_failed() is the one function the core asks of its environment beside memcpy, memmove,
 * memset and memcmp. src/host/check_failed.c prints and aborts; firmware brings its own. It does
 * not return.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

_Noreturn void check_failed(const char *what, const char *file, int line);

#define CHECK(condition) ((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))

/* For the end of a switch that names every case, and similar places that no input can reach. */
#define unreachable(why) check_failed("unreachable: " why, __FILE__, __LINE__)

#endif
