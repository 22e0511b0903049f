/* SPDX-License-Identifier: MIT */
/* COLD: a function that is called seldom by one that is called for each packet, or not by every second call.
 * Kept out of line, it does not make its caller save registers for it. */
#ifndef BASE_COLD_H
#define BASE_COLD_H

#if defined(__GNUC__)
#define COLD __attribute__((noinline))
#else
#define COLD
#endif

#endif
