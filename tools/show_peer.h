/* SPDX-License-Identifier: MIT */
/* duet show --peer kernel: one connection with the operating system's TCP, on real packets. */
#ifndef TOOLS_SHOW_PEER_H
#define TOOLS_SHOW_PEER_H

#include <stdbool.h>

#include "show_plot.h"

struct show_peer_options {
    const char *role; /* what duet is: "client" or "server" */
    bool ipv6;
    bool absolute;      /* sequence numbers as on the wire */
    const char *format; /* "text", "json", "svg", "html" or "pcapng"; NULL: only the plot */
    const struct show_plot *plot;
    const char *output; /* NULL: standard output */
    unsigned columns;
    bool colour;
    const char *link; /* "tun", "packet", or NULL: what can be had */
};

/* Plays and draws the life of a connection; says on standard error what went wrong. Returns the
 * exit code. The process is in another network namespace afterwards. */
int show_peer(const struct show_peer_options *options);

#endif
