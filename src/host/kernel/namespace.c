/* SPDX-License-Identifier: MIT */
/* Entering a private namespace (user_namespaces(7), network_namespaces(7)). See namespace.h. */
#include "host/kernel/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int write_file(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t written;

    if (file < 0)
        return -1;
    written = write(file, text, strlen(text));
    close(file);
    return written == (ssize_t)strlen(text) ? 0 : -1;
}

/* Inside we are root, outside who we were. Linux lets an ordinary user map the one group only after
 * giving up setgroups(2); kernels before 3.19 have no such file. */
static int map_identity(uid_t user, gid_t group)
{
    char text[32];

    if (write_file("/proc/self/setgroups", "deny") < 0 && errno != ENOENT)
        return -1;
    (void)snprintf(text, sizeof(text), "0 %u 1", user);
    if (write_file("/proc/self/uid_map", text) < 0)
        return -1;
    (void)snprintf(text, sizeof(text), "0 %u 1", group);
    return write_file("/proc/self/gid_map", text);
}

int namespace_enter(void)
{
    uid_t user = geteuid();
    gid_t group = getegid();

    if (unshare(CLONE_NEWNET) == 0)
        return 0;
    if (errno != EPERM)
        return -1;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return -1;
    return map_identity(user, group);
}
