/* SPDX-License-Identifier: MIT */
/* See steps.h. The compiler puts a call at the beginning of each basic block. */
#include "host/steps.h"

static uint64_t steps;

uint64_t steps_counted(void)
{
    return steps;
}

#ifdef DUET_STEPS
void __sanitizer_cov_trace_pc(void);

void __sanitizer_cov_trace_pc(void)
{
    steps++;
}
#endif
