/* SPDX-License-Identifier: MIT */
/* Segments for people: flags by name and as the six bits URG-ACK-PSH-RST-SYN-FIN. */
#ifndef WIRE_PRINT_H
#define WIRE_PRINT_H

#include <stddef.h>
#include <stdint.h>

/* "SYN,ACK" in the order URG ACK PSH RST SYN FIN reversed to reading habit: SYN FIN RST PSH ACK URG
 * ECE CWR AE. No flag: "none". Returns the length; writes at most size bytes with the NUL. size >=
 * 40 always fits. */
size_t print_flags(char *to, size_t size, uint16_t flags);

/* The six control bits in the order URG-ACK-PSH-RST-SYN-FIN: SYN is "000010". Writes 7 bytes. */
void print_bits(char *to, uint16_t flags);

#endif
