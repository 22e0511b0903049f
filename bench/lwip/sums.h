/* SPDX-License-Identifier: MIT */
/* TCP checksums of lwIP, on and off. */
#ifndef BENCH_LWIP_SUMS_H
#define BENCH_LWIP_SUMS_H

#include <stdbool.h>

bool lwip_sums_find(void); /* the library's own functions; false: they are not there */
void lwip_sums_set(bool on);

#endif
