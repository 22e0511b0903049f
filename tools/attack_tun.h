/* SPDX-License-Identifier: MIT */
/* A flood of SYNs in real time, over a TUN device. */
#ifndef TOOLS_ATTACK_TUN_H
#define TOOLS_ATTACK_TUN_H

/* Runs it for so long and prints what came of it; an exit code. */
int attack_tun(const char *command, unsigned seconds);

#endif
