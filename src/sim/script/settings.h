/* SPDX-License-Identifier: MIT */
/* Where a script is played: addresses, tolerance and the configuration of the stack, from option
 * lines, the command line and the sysctl commands that duet understands.
 */
#ifndef SCRIPT_SETTINGS_H
#define SCRIPT_SETTINGS_H

#include "duet/stack.h"
#include "sim/script/packet.h"

enum profile { PROFILE_DUET, PROFILE_LINUX };
enum ip_mode { IP_MODE_IPV4, IP_MODE_IPV6, IP_MODE_MAPPED };

struct settings {
    struct duet_config config;
    enum ip_mode mode;
    enum profile profile;
    struct duet_address local, remote;
    bool local_given, remote_given;
    uint16_t bind_port, connect_port;
    uint64_t seed;
    uint32_t remote_isn;
    uint32_t tolerance_percent;
    struct packet_rules rules;
    bool strict_segments;
    bool non_fatal_packet;
    /* What a socket starts with: tcp_rmem[1] and tcp_wmem[1], 0: the config's. */
    uint32_t receive_buffer, send_buffer;
};

void settings_default(struct settings *settings);
/* --name=value. Returns 0, 1 if it is understood but has no effect here, or -1 with a sentence in
 * problem. */
int settings_option(struct settings *settings, const char *name, const char *value, char *problem,
                    size_t size);
/* A field of duet_config by name, "delayed_ack=40ms". False: problem. */
bool settings_config(struct settings *settings, const char *pair, char *problem, size_t size);
/* Takes what it understands of a shell command. told is called with a line for each assignment,
 * what became of it; may be NULL. Returns false if the command is more than assignments. */
bool settings_command(struct settings *settings, const char *command,
                      void (*told)(void *context, const char *text), void *context);
/* Calls each for every assignment NAME=VALUE in a command, name with dots. Returns false if the
 * command is more than assignments. */
bool settings_assignments(const char *command,
                          void (*each)(void *context, const char *name, const char *value),
                          void *context);
/* After all options: addresses of the family, MTU, secret. False: problem. */
bool settings_finish(struct settings *settings, char *problem, size_t size);

#endif
