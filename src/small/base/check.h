/* SPDX-License-Identifier: MIT */
/* The small build's stand-in for src/base/check.h: the same invariants stop the stack, but say only in which
 * line: what and file are NULL. The texts are more than half of what an invariant costs. */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

_Noreturn void check_failed(const char *what, const char *file, int line);

#define CHECK(condition) ((condition) ? (void)0 : check_failed(0, 0, __LINE__))
#define unreachable(why) check_failed(0, 0, __LINE__)

#endif
