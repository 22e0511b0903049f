/* SPDX-License-Identifier: MIT */
/* A network namespace for this process alone, without privilege. */
#ifndef HOST_KERNEL_NAMESPACE_H
#define HOST_KERNEL_NAMESPACE_H

/* Moves the calling process, which must have one thread only, into a new network namespace; where
 * it may not do that it moves into a new user namespace first, in which it may. Open files stay
 * what they are. The namespace vanishes with the last process and descriptor in it. 0, or -1 and
 * errno. */
int namespace_enter(void);

#endif
