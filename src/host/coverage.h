/* SPDX-License-Identifier: MIT */
/* Which rules and edges did this program reach? A test harness notes each stack before it drops it;
 * when the program ends, the sums are written where tests/run.py collects them.
 */
#ifndef HOST_COVERAGE_H
#define HOST_COVERAGE_H

struct duet_stack;

/* Adds the stack's rule and edge hits to those of this program. Call once a stack, before its memory is
 * given up. At exit, if the environment names a folder in DUET_COVERAGE_DIR, the sums are appended
 * to DUET_COVERAGE_DIR/PID.txt: lines "rule NAME HITS" and "edge FROM TO HITS", zeroes included, so
 * that the reader knows what there was to reach. Not for use by several threads at once. */
void duet_coverage_note(const struct duet_stack *stack);

#endif
