/* SPDX-License-Identifier: MIT */
/* Counted work: in a build with -DDUET_STEPS=ON every basic block of base, wire and core that runs,
 * loops included, is one step. */
#ifndef HOST_STEPS_H
#define HOST_STEPS_H

#include <stdint.h>

/* Steps so far; always 0 in any other build. */
uint64_t steps_counted(void);

#endif
