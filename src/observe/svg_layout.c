/* SPDX-License-Identifier: MIT */
/* Where everything stands in the drawing. Time goes down, but not to scale: each row of the
 * ladder gets the room its labels need, what happens at one instant at both ends stands side by
 * side, and long silences are broken, so that no label stands on another.
 */
#include <errno.h>
#include <stdlib.h>

#include "observe/canvas.h"
#include "observe/svg.h"

enum {
    ROOM_ABOVE_ARROW = 22,
    ROOM_BELOW_ARROW = 36,
    ROOM_EVENT = 34,
    ROOM_FIRST = 20, /* for the states at the top */
    ROOM_GAP = 44,
    ROOM_CROSSING = 36, /* more, so that the arrow that crosses this one passes below its label */
};

bool svg_arrow_line(struct words *words, const struct ladder *ladder,
                    const struct ladder_arrow *arrow, unsigned index)
{
    struct words field;

    words_clear(words);
    if (index == 0) {
        words_flags(words, arrow);
        words_clear(&field);
        words_faults(&field, arrow);
        if (field.length > 0)
            words_add(words, " (%s)", field.text);
        return true;
    }
    if (index == 1) {
        for (unsigned i = 0; words_field(&field, ladder, arrow, i); i++)
            if (field.length > 0)
                words_add(words, "%s%s", words->length > 0 ? "  " : "", field.text);
        return words->length > 0;
    }
    if (index == 2)
        words_options(words, arrow, false);
    return words->length > 0;
}

/* Characters of a text: its bytes but for those that continue a character of UTF-8. */
static int count_characters(const char *text)
{
    int count = 0;

    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

/* Labels stand in the sender's half, so half of the space between the lifelines must hold the
 * longest. */
static int inner_width(const struct ladder *ladder)
{
    int width = SVG_INNER_MIN;
    struct words words;

    for (size_t i = 0; i < ladder->arrow_count; i++) {
        for (unsigned line = 0; svg_arrow_line(&words, ladder, &ladder->arrows[i], line); line++) {
            int wanted = 2 * (count_characters(words.text) * SVG_CHARACTER + 24);

            if (wanted > width)
                width = wanted;
        }
    }
    return width;
}

static void add_item(struct svg_layout *layout, size_t moment, int y, duet_time gap)
{
    layout->items[layout->item_count++] = (struct svg_item){.moment = moment, .y = y, .gap = gap};
    if (moment != LADDER_NONE)
        layout->y[moment] = y;
}

unsigned svg_note_columns(const struct svg_layout *layout)
{
    return (unsigned)(layout->lifeline[1] - layout->lifeline[0]) / (SVG_CHARACTER + 2);
}

static int note_height(const struct svg_layout *layout, const char *note)
{
    const char *next;
    int height = 0;

    for (; *note != '\0'; note = next) {
        canvas_wrap(note, svg_note_columns(layout), &next);
        height += SVG_LINE + 2;
    }
    return height;
}

/* The lowest places that are free at each end. */
struct svg_cursor {
    int y[DUET_RECORDER_ENDS];
    duet_time time; /* of what was placed last */
};

static int lowest(const struct svg_cursor *cursor)
{
    return cursor->y[0] > cursor->y[1] ? cursor->y[0] : cursor->y[1];
}

/* Where a row may begin that stands at one end: beside what happened at the same instant at the
 * other. */
static int beginning(struct svg_cursor *cursor, const struct ladder_moment *moment)
{
    int y = lowest(cursor);

    if (moment->end != LADDER_BOTH_ENDS && moment->time == cursor->time)
        return cursor->y[moment->end];
    cursor->y[0] = cursor->y[1] = y;
    return y;
}

static void place_departure(struct svg_layout *layout, const struct ladder_row *row,
                            struct svg_cursor *cursor)
{
    const struct ladder_moment *moment = &layout->ladder->moments[row->moment];
    const struct ladder_arrow *arrow = &layout->ladder->arrows[moment->arrow];
    struct words words;
    int options = svg_arrow_line(&words, layout->ladder, arrow, 2) ? SVG_LINE : 0;
    int y = (row->arrival != LADDER_NONE ? lowest(cursor) : beginning(cursor, moment)) +
            ROOM_ABOVE_ARROW;

    /* An arrow that may be steep has its whole label above. */
    if (row->arrival == LADDER_NONE && arrow->arrival != LADDER_NONE)
        y += SVG_LINE;
    add_item(layout, row->moment, y, 0);
    cursor->y[arrow->from] = y + ROOM_BELOW_ARROW + options;
    cursor->time = moment->time;
    if (row->arrival == LADDER_NONE) {
        cursor->y[arrow->from] += arrow->arrival == LADDER_NONE ? 0 : ROOM_CROSSING;
        return;
    }
    add_item(layout, row->arrival, y + SVG_SLANT, 0);
    /* The label stands in the sender's half, above the lower end. */
    cursor->y[0] = cursor->y[1] = y + SVG_SLANT + ROOM_BELOW_ARROW - SVG_LINE + options;
    cursor->time = layout->ladder->moments[row->arrival].time;
}

static void place(struct svg_layout *layout, const struct ladder_row *row,
                  struct svg_cursor *cursor)
{
    const struct ladder_moment *moment = &layout->ladder->moments[row->moment];
    int y;

    if (moment->kind == LADDER_DEPARTURE) {
        place_departure(layout, row, cursor);
        return;
    }
    y = beginning(cursor, moment) + SVG_LINE;
    /* A packet of nobody, or a further copy, has its label here. */
    if (moment->kind == LADDER_ARRIVAL &&
        layout->ladder->arrows[moment->arrow].departure == LADDER_NONE) {
        y = lowest(cursor) + ROOM_ABOVE_ARROW + SVG_LINE;
        cursor->y[1 - moment->end] = y + SVG_LINE;
    }
    add_item(layout, row->moment, y, 0);
    if (moment->end == LADDER_BOTH_ENDS)
        cursor->y[0] = cursor->y[1] = y + note_height(layout, moment->note) + SVG_LINE / 2;
    else
        cursor->y[moment->end] = y + ROOM_EVENT;
    cursor->time = moment->time;
}

static void place_all(struct svg_layout *layout, const struct ladder_row *rows, size_t count)
{
    const struct ladder *ladder = layout->ladder;
    duet_time clock = ladder->origin;
    struct svg_cursor cursor = {.y = {layout->top + ROOM_FIRST, layout->top + ROOM_FIRST},
                                .time = ladder->origin};

    for (size_t i = 0; i < count; i++) {
        const struct ladder_moment *moment = &ladder->moments[rows[i].moment];

        if (!ladder_is_shown(moment))
            continue;
        if (moment->time - clock >= SVG_GAP_SHOWN) {
            cursor.y[0] = cursor.y[1] = lowest(&cursor);
            add_item(layout, LADDER_NONE, cursor.y[0] + ROOM_GAP / 2, moment->time - clock);
            cursor.y[0] = cursor.y[1] = cursor.y[0] + ROOM_GAP;
        }
        place(layout, &rows[i], &cursor);
        if (moment->time > clock)
            clock = moment->time;
        if (rows[i].arrival != LADDER_NONE && ladder->moments[rows[i].arrival].time > clock)
            clock = ladder->moments[rows[i].arrival].time;
    }
    layout->bottom = lowest(&cursor);
    layout->height = layout->bottom + SVG_MARGIN;
}

int svg_layout_make(const struct ladder *ladder, int top, struct svg_layout *layout)
{
    struct ladder_row *rows;
    size_t count;

    if (ladder_order(ladder, &rows, &count) != 0)
        return -1;
    *layout = (struct svg_layout){
        .ladder = ladder,
        .top = top,
        .items = calloc(2 * ladder->moment_count + 1,
                        sizeof *layout->items), /* each may have a gap before it */
        .y = calloc(ladder->moment_count + 1, sizeof *layout->y),
    };
    if (layout->items == NULL || layout->y == NULL) {
        free(rows);
        svg_layout_free(layout);
        errno = ENOMEM;
        return -1;
    }
    layout->lifeline[0] = SVG_MARGIN + SVG_OUTER;
    layout->lifeline[1] = layout->lifeline[0] + inner_width(ladder);
    layout->width = layout->lifeline[1] + SVG_OUTER + SVG_MARGIN;
    place_all(layout, rows, count);
    free(rows);
    return 0;
}

void svg_layout_free(struct svg_layout *layout)
{
    free(layout->items);
    free(layout->y);
    layout->items = NULL;
    layout->y = NULL;
}
