/* SPDX-License-Identifier: MIT */
/* One line of a picture in a terminal (canvas.h). */
#include "observe/canvas.h"

#include <stdint.h>
#include <string.h>

static const char *const escapes[CANVAS_STYLES] = {
    [CANVAS_PLAIN] = "\033[0m",      [CANVAS_DIM] = "\033[0;2m",
    [CANVAS_BOLD] = "\033[0;1m",     [CANVAS_FAULT] = "\033[0;1;31m",
    [CANVAS_IDLE] = "\033[0;37m",    [CANVAS_OPENING] = "\033[0;33m",
    [CANVAS_OPEN] = "\033[0;32m",    [CANVAS_CLOSING] = "\033[0;35m",
    [CANVAS_WAITING] = "\033[0;36m",
};

/* Reads one character: its bytes (1 .. 4) and the columns it takes. */
static size_t next_character(const char *text, size_t length, char bytes[5], unsigned *columns)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t size = at[0] < 0x80   ? 1
                  : at[0] < 0xc2 ? 0
                  : at[0] < 0xe0 ? 2
                  : at[0] < 0xf0 ? 3
                  : at[0] < 0xf5 ? 4
                                 : 0;
    uint32_t code = size <= 1 ? at[0] : at[0] & (0xffu >> (size + 1));

    *columns = 1;
    for (size_t i = 1; i < size; i++) {
        if (i >= length || (at[i] & 0xc0) != 0x80)
            size = 0;
        else
            code = (code << 6) | (at[i] & 0x3f);
    }
    if (size == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0)) {
        memcpy(bytes, size == 0 ? "?" : " ", 2);
        return size == 0 ? 1 : size;
    }
    memcpy(bytes, text, size);
    bytes[size] = '\0';
    if ((code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xa4cf) ||
        (code >= 0xac00 && code <= 0xd7a3) || (code >= 0xf900 && code <= 0xfaff) ||
        (code >= 0xfe30 && code <= 0xfe6f) || (code >= 0xff00 && code <= 0xff60) ||
        (code >= 0xffe0 && code <= 0xffe6) || (code >= 0x1f300 && code <= 0x1faff) ||
        (code >= 0x20000 && code <= 0x3fffd))
        *columns = 2;
    return size;
}

static void clear(struct canvas *canvas)
{
    for (unsigned i = 0; i < canvas->columns; i++)
        canvas->cells[i] = (struct canvas_cell){.bytes = " ", .style = CANVAS_PLAIN};
}

void canvas_start(struct canvas *canvas, FILE *to, unsigned columns, bool colour)
{
    canvas->to = to;
    canvas->colour = colour;
    canvas->columns = columns < CANVAS_COLUMNS_MIN   ? CANVAS_COLUMNS_MIN
                      : columns > CANVAS_COLUMNS_MAX ? CANVAS_COLUMNS_MAX
                                                     : columns;
    clear(canvas);
}

unsigned canvas_put(struct canvas *canvas, unsigned column, unsigned limit, const char *text,
                    size_t length, enum canvas_style style)
{
    if (limit > canvas->columns)
        limit = canvas->columns;
    for (size_t i = 0; i < length;) {
        struct canvas_cell cell = {.style = style};
        unsigned columns;

        i += next_character(text + i, length - i, cell.bytes, &columns);
        if (column + columns > limit)
            break;
        canvas->cells[column] = cell;
        if (columns == 2)
            canvas->cells[column + 1] = (struct canvas_cell){.bytes = "", .style = style};
        column += columns;
    }
    return column;
}

unsigned canvas_text(struct canvas *canvas, unsigned column, const char *text,
                     enum canvas_style style)
{
    return canvas_put(canvas, column, canvas->columns, text, strlen(text), style);
}

void canvas_right(struct canvas *canvas, unsigned limit, const char *text, enum canvas_style style)
{
    unsigned width = canvas_width(text, strlen(text));

    canvas_put(canvas, width > limit ? 0 : limit - width, limit, text, strlen(text), style);
}

void canvas_fill(struct canvas *canvas, unsigned from, unsigned to, const char *character,
                 enum canvas_style style)
{
    for (unsigned column = from; column < to; column++)
        canvas_put(canvas, column, to, character, strlen(character), style);
}

void canvas_flush(struct canvas *canvas)
{
    unsigned used = canvas->columns;
    enum canvas_style style = CANVAS_PLAIN;

    while (used > 0 && strcmp(canvas->cells[used - 1].bytes, " ") == 0)
        used--;
    for (unsigned i = 0; i < used; i++) {
        const struct canvas_cell *cell = &canvas->cells[i];

        if (canvas->colour && cell->style != style && strcmp(cell->bytes, " ") != 0) {
            style = cell->style;
            fputs(escapes[style], canvas->to);
        }
        fputs(cell->bytes, canvas->to);
    }
    if (style != CANVAS_PLAIN)
        fputs(escapes[CANVAS_PLAIN], canvas->to);
    fputc('\n', canvas->to);
    clear(canvas);
}

unsigned canvas_width(const char *text, size_t length)
{
    unsigned width = 0;

    for (size_t i = 0; i < length;) {
        char bytes[5];
        unsigned columns;

        i += next_character(text + i, length - i, bytes, &columns);
        width += columns;
    }
    return width;
}

size_t canvas_wrap(const char *text, unsigned width, const char **next)
{
    size_t length = strlen(text), at = 0, space = 0;
    unsigned used = 0;

    while (at < length) {
        char bytes[5];
        unsigned columns;
        size_t size = next_character(text + at, length - at, bytes, &columns);

        if (text[at] == ' ')
            space = at;
        if (used + columns > width && at > 0)
            break;
        used += columns;
        at += size;
    }
    if (at < length && space > 0)
        at = space;
    *next = text + at;
    while (**next == ' ')
        (*next)++;
    return at;
}
