/* SPDX-License-Identifier: MIT */
/* The JSON trace beyond its public door: the tables of its documentation. */
#ifndef OBSERVE_JSON_H
#define OBSERVE_JSON_H

#include <stdio.h>

/* Writes text as a JSON string with its quotes; NULL as null. */
void json_text(FILE *to, const char *text);

/* The fields of every kind of line as tables in Markdown, as docs/TRACE.md has them. */
void json_tables(FILE *to);

#endif
