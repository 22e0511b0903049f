/* SPDX-License-Identifier: MIT */
/* The options of a TCP header (RFC 9293, 3.1 and 3.2): what tcp.c needs of tcp_options.c. */
#ifndef WIRE_TCP_OPTIONS_H
#define WIRE_TCP_OPTIONS_H

#include "wire/tcp.h"

/* Reads the options in [at, end), at most 40 bytes, as tcp_parse says. */
void tcp_options_parse(const uint8_t *at, const uint8_t *end, struct tcp_options *options);

/* Writes tcp_options_size(options) bytes and returns where they end. */
uint8_t *tcp_options_build(uint8_t *at, const struct tcp_options *options);

#endif
