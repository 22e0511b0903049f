/* SPDX-License-Identifier: MIT */
/* The options of a TCP header (RFC 9293, 3.1 and 3.2): what tcp.c needs of tcp_options.c. */
#ifndef WIRE_TCP_OPTIONS_H
#define WIRE_TCP_OPTIONS_H

#include <stdbool.h>

#include "wire/tcp.h"

/* Reads the options in [at, end), at most 40 bytes, as tcp_parse says. */
void tcp_options_parse(const uint8_t *at, const uint8_t *end, struct tcp_options *options);

/* The same where they are MSS, SACK-permitted, timestamps and window scale, as this file writes them.
 * False: they are others, and nothing was written. Only what is said to be present is. */
bool tcp_options_read_syn(const uint8_t *at, const uint8_t *end, struct tcp_options *options);

/* Writes these four, and returns what their words add to a checksum. */
uint64_t tcp_options_put_syn(uint8_t *at, const struct tcp_options *options);

/* Writes tcp_options_size(options) bytes and returns where they end. */
uint8_t *tcp_options_build(uint8_t *at, const struct tcp_options *options);

#endif
