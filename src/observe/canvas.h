/* SPDX-License-Identifier: MIT */
/* One line of a picture in a terminal: text is put at columns, what lies beyond the width is cut,
 * and the line is written at once. So no line is ever wider than asked, whatever was put on it.
 *
 * Text is UTF-8. East Asian wide characters take two columns, everything else one; a broken byte
 * shows as '?', and a control character as a space, so that no text can steer the terminal.
 */
#ifndef OBSERVE_CANVAS_H
#define OBSERVE_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { CANVAS_COLUMNS_MIN = 80, CANVAS_COLUMNS_MAX = 132 };

enum canvas_style {
    CANVAS_PLAIN,
    CANVAS_DIM,
    CANVAS_BOLD,
    CANVAS_FAULT,
    CANVAS_IDLE,    /* CLOSED, LISTEN */
    CANVAS_OPENING, /* SYN-SENT, SYN-RECEIVED */
    CANVAS_OPEN,    /* ESTABLISHED */
    CANVAS_CLOSING, /* FIN-WAIT-1 .. LAST-ACK */
    CANVAS_WAITING, /* TIME-WAIT */
    CANVAS_STYLES
};

struct canvas_cell {
    char bytes[5]; /* "" for the right half of a wide character */
    enum canvas_style style;
};

struct canvas {
    FILE *to;
    bool colour;
    unsigned columns;
    struct canvas_cell cells[CANVAS_COLUMNS_MAX];
};

void canvas_start(struct canvas *canvas, FILE *to, unsigned columns, bool colour);
/* Puts text from column on, no further than limit (exclusive). Returns the column after it. */
unsigned canvas_put(struct canvas *canvas, unsigned column, unsigned limit, const char *text,
                    size_t length, enum canvas_style style);
unsigned canvas_text(struct canvas *canvas, unsigned column, const char *text,
                     enum canvas_style style);
/* The same so that it ends before column limit. */
void canvas_right(struct canvas *canvas, unsigned limit, const char *text, enum canvas_style style);
void canvas_fill(struct canvas *canvas, unsigned from, unsigned to, const char *character,
                 enum canvas_style style);
/* Writes the line without blanks at its end, and clears it. */
void canvas_flush(struct canvas *canvas);

/* Columns that text takes. */
unsigned canvas_width(const char *text, size_t length);
/* How many bytes of text fit into width columns, broken at a space where there is one; *next is
 * where the next line begins. At least one character is taken. */
size_t canvas_wrap(const char *text, unsigned width, const char **next);

#endif
