/* SPDX-License-Identifier: MIT */
/* The tables of `duet bench paths`, as text in columns and as JSON, one object a line. */
#ifndef TOOLS_BENCH_TABLE_H
#define TOOLS_BENCH_TABLE_H

#include "bench_kernel.h"
#include "bench_measure.h"

void table_head(void);
void table_row(const struct grid_cell *cell, const struct measure_result *result);
void table_json(const struct grid_cell *cell, const struct measure_result *result);

/* Does it reach its bar? */
bool table_kernel_is_good(const struct kernel_summary *summary);
void table_kernel_head(void);
void table_kernel_row(const struct grid_cell *cell, const struct kernel_summary *summary);
void table_kernel_json(const struct grid_cell *cell, const struct kernel_summary *summary);

/* "flows=1 rtt=20 ...", at most size bytes with the NUL. */
void table_cell_name(const struct grid_cell *cell, char *text, size_t size);

#endif
