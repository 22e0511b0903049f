/* SPDX-License-Identifier: MIT */
/* The plot: what is drawn of one direction of a connection over time, as its sender sees it.
 *
 * plot_data.c reads a recording into curves and marks, through the ladder model; plot_scale.c
 * places times and values; plot_panels.c draws the panels of the picture that plot_svg.c frames,
 * and plot_html.c puts it on a page. Everything that can be pointed at has a sentence of
 * plot_words.c.
 *
 *   sequence numbers   segments as they left, what acknowledged them, the peer's window
 *   windows            cwnd, ssthresh and pipe, and the phase they are in
 *   round trips        samples, SRTT and RTO
 *   the peer's window  how wide it is, and how much of it is in use
 *
 * The first and the last come from packets alone, so they can be drawn of an end that has no
 * trace; the others from the events of its congestion control.
 */
#ifndef OBSERVE_PLOT_H
#define OBSERVE_PLOT_H

#include "observe/words.h"

/* ---- plot_data.c ---- */

/* A segment that left the sender: text, or SYN, FIN or RST. */
struct plot_segment {
    size_t arrow;
    duet_time time;
    int64_t seq, end; /* from the ISN; end is that of the text */
};

/* An acknowledgement that reached the sender, or that was lost on its way. */
struct plot_ack {
    size_t arrow;
    duet_time time;
    int64_t ack, window; /* window: scaled */
    bool is_lost;
};

enum plot_curve {
    PLOT_CWND,
    PLOT_SSTHRESH,
    PLOT_PIPE,
    PLOT_SAMPLE, /* points, not a line */
    PLOT_SRTT,
    PLOT_RTO,
    PLOT_WINDOW,
    PLOT_IN_USE,
    PLOT_CURVES
};

/* From this instant on the curve has this value. */
struct plot_point {
    duet_time time;
    int64_t value; /* bytes or nanoseconds; PLOT_NONE: nothing is known from here on */
    const struct duet_trace_event *event; /* that said so, or NULL */
    size_t arrow;                         /* that changed it, or LADDER_NONE */
};
enum { PLOT_NONE = -1 };

struct plot_line {
    struct plot_point *points;
    size_t count;
};

struct plot_phase {
    duet_time from, until;
    enum duet_phase phase;
};

/* A timer that ran out, or a rule of congestion control. */
struct plot_event {
    duet_time time;
    const struct duet_trace_event *event;
};

struct plot {
    struct ladder ladder;
    size_t pair; /* the connection, LADDER_NONE: the recording has none */
    unsigned end;
    struct plot_segment *segments;
    size_t segment_count;
    struct plot_ack *acks;
    size_t ack_count;
    struct plot_line lines[PLOT_CURVES];
    struct plot_phase *phases;
    size_t phase_count;
    struct plot_event *events;
    size_t event_count;
    duet_time *times; /* when something happens, in order */
    size_t time_count;
    uint64_t bytes; /* of text, each counted as often as it was sent */
    unsigned again, lost;
    uint32_t mss; /* 0: the trace does not say */
};

/* Reads one direction of the recording: that of the connection with most text, from end, or from
 * the end that sent more if end is DUET_RECORDER_ENDS. 0, or -1 with errno. */
int plot_make(const struct duet_recorder *recorder, unsigned end, struct plot *plot);
void plot_free(struct plot *plot);

/* ---- plot_scale.c ---- */

enum { PLOT_PIECES_MAX = 8, PLOT_LABEL = 24 };

/* Time goes from left to right; a silence that would leave no room for anything else is cut out.
 * Times are of the recording's clock, pixels from the left. */
struct plot_time {
    struct plot_piece {
        duet_time from, until;
        double left, right;
    } pieces[PLOT_PIECES_MAX];
    unsigned count;
    duet_time origin, step; /* of the labels */
    bool seconds;           /* labels are in seconds, not in milliseconds */
};

void plot_time_make(const struct plot *plot, double left, double right, struct plot_time *time);
double plot_time_at(const struct plot_time *time, duet_time when);
/* The first instant with a label in the piece at or after when; DUET_NEVER: there is none. */
duet_time plot_time_tick(const struct plot_time *time, unsigned piece, duet_time when);
void plot_time_label(const struct plot_time *time, duet_time when, char label[PLOT_LABEL]);

/* Values go from the bottom to the top. */
struct plot_axis {
    int64_t from, until; /* values at the bottom and at the top; of a logarithmic axis > 0 */
    double bottom, top;  /* pixels */
    bool is_logarithmic, is_time;
    int64_t step; /* between labels; of a logarithmic axis 0 */
};

void plot_axis_make(struct plot_axis *axis, int64_t from, int64_t until);
double plot_axis_at(const struct plot_axis *axis, int64_t value);
/* The value of label number index, from the bottom; false past the last. */
bool plot_axis_tick(const struct plot_axis *axis, unsigned index, int64_t *value);
void plot_axis_label(const struct plot_axis *axis, int64_t value, char label[PLOT_LABEL]);

/* ---- plot_words.c: what is said when a thing is pointed at ---- */

void plot_say_segment(struct words *words, const struct plot *plot,
                      const struct plot_segment *segment);
void plot_say_ack(struct words *words, const struct plot *plot, const struct plot_ack *ack);
void plot_say_point(struct words *words, const struct plot *plot, enum plot_curve curve,
                    const struct plot_point *point);
void plot_say_event(struct words *words, const struct plot *plot, const struct plot_event *event);
/* "client to server: 8688 bytes in 6 segments, 1 sent again, 1 lost on the way" */
void plot_say_summary(struct words *words, const struct plot *plot);
const char *plot_phase_words(enum duet_phase phase);

/* ---- plot_panels.c ---- */

enum plot_panel_kind { PLOT_SEQUENCE, PLOT_CONGESTION, PLOT_ROUND_TRIPS, PLOT_PEER, PLOT_PANELS };

struct plot_panel {
    enum plot_panel_kind kind;
    struct plot_axis axis;
};

/* Whether there is anything to draw in it. */
bool plot_panel_has(const struct plot *plot, enum plot_panel_kind kind);
/* What its axis must hold. */
void plot_panel_scale(const struct plot *plot, struct plot_panel *panel);
const char *plot_panel_title(const struct plot_panel *panel);
/* The legend, from x on, on the line at y. */
void plot_panel_legend(const struct plot *plot, const struct plot_panel *panel, FILE *to, int x,
                       int y);
/* What stands inside. */
void plot_panel_draw(const struct plot *plot, const struct plot_panel *panel,
                     const struct plot_time *time, FILE *to);

/* ---- plot_svg.c ---- */

struct plot_picture {
    struct plot plot;
    struct plot_time time;
    struct plot_panel panels[PLOT_PANELS];
    unsigned panel_count;
    int height;
};

int plot_picture_make(const struct duet_recorder *recorder, const struct duet_plot_options *options,
                      bool alone, struct plot_picture *picture);
/* Writes the <svg> element. alone: it is a file of its own, with its title and lesson. */
void plot_picture_write(const struct plot_picture *picture, const struct duet_plot_options *options,
                        bool alone, FILE *to);

#endif
