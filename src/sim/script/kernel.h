/* SPDX-License-Identifier: MIT */
/* Scripts against the operating system's TCP: a private network namespace with the addresses of the
 * script, real time, real sockets. Sockets never block; a call that has to wait says so and is tried
 * again when its descriptor is ready, like one of duet's.
 */
#ifndef SCRIPT_KERNEL_H
#define SCRIPT_KERNEL_H

#include "duet/kernel.h"
#include "sim/script/player.h"

/* The namespace and the link into it. It can serve several scripts, one after the other. */
struct kernel_host {
    struct duet_kernel peer; /* .link NULL: not open */
    unsigned device;         /* on the kernel's side of the link */
};

struct kernel {
    struct kernel_host host;
    duet_time origin; /* real time of the start of the script */
    /* What the call that blocks waits for; descriptor -1: a little time only. */
    bool waits;
    int wait_descriptor;
    short wait_events;
};

/* ---- kernel_host.c ---- */

/* Enters a namespace of its own: see duet_kernel_open, whose conditions hold. 0, or -1 and one
 * sentence. */
int kernel_host_open(struct kernel_host *host, const struct settings *settings, char *why,
                     size_t size);
/* Another address and the way to its family. 0, or -1 with errno. */
int kernel_host_add(struct kernel_host *host, const struct settings *settings);
void kernel_host_close(struct kernel_host *host);
/* Writes to /proc/sys in the namespace: name with dots, net.ipv4. or net.ipv6. only. */
bool kernel_host_set(const char *name, const char *value);

/* ---- kernel_settings.c ---- */

/* Makes the namespace what the script's settings say. False: player has been told to skip. */
bool kernel_settings_apply(struct player *player);
/* Obeys the sysctl assignments of a command, and nothing else of it. */
void kernel_command(struct player *player, const char *command);

/* ---- for the calls ---- */

enum call_status kernel_waits(struct player *player, struct call_state *state,
                              struct call_result *result, const struct sock *sock, short events,
                              duet_time timeout, int error);
/* value, or -1 with errno. */
enum call_status kernel_returns(struct call_result *result, int64_t value);
/* The same for a call of ours. Refusals are in the RFC's words there and in those of POSIX here: only
 * that it failed counts. */
enum call_status kernel_acts(const struct call_state *state, struct call_result *result,
                             int64_t value);
/* The operating system's descriptor of the first argument. -1: result says EBADF, or status is
 * WRONG. */
struct sock *kernel_sock(struct player *player, const struct call_state *state,
                         struct call_result *result, enum call_status *status);
/* Remembers both ends of a connection, and that its text follows the pattern. */
void kernel_learn_ends(struct player *player, struct sock *sock, bool is_current);

const struct call_entry *kernel_calls_open(void);
const struct call_entry *kernel_calls_data(void);
const struct call_entry *kernel_calls_options(void);
const struct call_entry *kernel_calls_poll(void);
const struct call_entry *kernel_calls_duet(void);

#endif
