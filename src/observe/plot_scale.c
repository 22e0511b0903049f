/* SPDX-License-Identifier: MIT */
/* Where times and values stand in a plot (plot.h), and the round numbers beside its axes: steps
 * are 1, 2 or 5 times a power of ten.
 *
 * Most of a recording may be silence: a retransmission after a second among round trips of
 * milliseconds can be borne, two idle hours before a keep-alive cannot. A silence longer than
 * SILENCE times everything else together is cut out.
 */
#include <inttypes.h>
#include <stdio.h>

#include "observe/plot.h"

enum {
    SILENCE = 8,
    CUTS_MAX = PLOT_PIECES_MAX - 1,
    CUT_WIDTH = 36, /* pixels of a cut */
    LABELS_ACROSS = 9,
    LABELS_UP = 5,
    DECADES_FEW = 100, /* up to this ratio a logarithmic axis has room for 1, 2 and 5 */
};

/* ---- steps ---- */

/* The smallest round number that is at least this, >= 1. */
static int64_t round_up(int64_t least)
{
    int64_t power = 1;

    while (least > 10 * power)
        power *= 10;
    if (least <= power)
        return power;
    if (least <= 2 * power)
        return 2 * power;
    return least <= 5 * power ? 5 * power : 10 * power;
}

/* The largest round number below this one, which is round and above 1. */
static int64_t round_below(int64_t round)
{
    int64_t below = 1;

    while (round_up(below + 1) < round)
        below = round_up(below + 1);
    return below;
}

/* The first multiple of step at or after value. */
static int64_t multiple(int64_t value, int64_t step)
{
    return value <= 0 ? -(-value / step) * step : (value + step - 1) / step * step;
}

/* Writes value, which is a multiple of step, in units, with as many digits after the point as
 * multiples of step need. */
static void put_number(char label[PLOT_LABEL], int64_t value, int64_t step, int64_t unit,
                       const char *name)
{
    int digits = 0;

    for (int64_t at = step; at % unit != 0 && digits < 6; at *= 10)
        digits++;
    snprintf(label, PLOT_LABEL, "%.*f%s", digits, (double)value / (double)unit, name);
}

/* ---- time ---- */

/* The longest silences, longest first, each as the index of the instant before it. */
static unsigned find_silences(const struct plot *plot, size_t *silences)
{
    unsigned count = 0;

    for (size_t i = 0; i + 1 < plot->time_count; i++) {
        duet_time silence = plot->times[i + 1] - plot->times[i];
        unsigned at = count;

        for (; at > 0; at--) {
            size_t other = silences[at - 1];

            if (plot->times[other + 1] - plot->times[other] >= silence)
                break;
            if (at < CUTS_MAX)
                silences[at] = other;
        }
        if (at < CUTS_MAX)
            silences[at] = i;
        count += count < CUTS_MAX;
    }
    return count;
}

/* How many of them are to be cut: as many as leave one that outweighs all that then remains. */
static unsigned count_cuts(const struct plot *plot, const size_t *silences, unsigned count)
{
    duet_time left = plot->times[plot->time_count - 1] - plot->times[0];
    unsigned cuts = 0;

    for (unsigned i = 0; i < count; i++) {
        duet_time silence = plot->times[silences[i] + 1] - plot->times[silences[i]];

        left -= silence;
        if (left > 0 && silence / SILENCE > left)
            cuts = i + 1;
    }
    return cuts;
}

/* Pieces in the order of time; silences are few, so an insertion does. */
static void cut(struct plot_time *time, const struct plot *plot, const size_t *silences,
                unsigned count)
{
    time->count = 1;
    time->pieces[0].from = plot->times[0];
    time->pieces[0].until = plot->times[plot->time_count - 1];
    for (unsigned i = 0; i < count; i++) {
        duet_time before = plot->times[silences[i]], after = plot->times[silences[i] + 1];
        unsigned at = 0;

        while (time->pieces[at].until < after)
            at++;
        for (unsigned k = time->count++; k > at; k--)
            time->pieces[k] = time->pieces[k - 1];
        time->pieces[at].until = before;
        time->pieces[at + 1].from = after;
    }
}

/* A little room beside the first and the last mark of each piece, and the pixels of each. */
static void lay_out(struct plot_time *time, double left, double right)
{
    double room = right - left - (time->count - 1) * CUT_WIDTH, sum = 0;
    duet_time margin = 0;

    for (unsigned i = 0; i < time->count; i++)
        margin += time->pieces[i].until - time->pieces[i].from;
    margin = margin / 40 + DUET_MILLISECOND / 2;
    for (unsigned i = 0; i < time->count; i++) {
        time->pieces[i].from -= margin;
        time->pieces[i].until += margin;
        sum += (double)(time->pieces[i].until - time->pieces[i].from);
    }
    for (unsigned i = 0; i < time->count; i++) {
        struct plot_piece *piece = &time->pieces[i];

        piece->left = left;
        left += room * (double)(piece->until - piece->from) / sum;
        piece->right = left;
        left += CUT_WIDTH;
    }
    time->step = round_up((int64_t)sum / LABELS_ACROSS);
}

void plot_time_make(const struct plot *plot, double left, double right, struct plot_time *time)
{
    size_t silences[CUTS_MAX];
    unsigned count;

    *time = (struct plot_time){.origin = plot->ladder.origin};
    if (plot->time_count == 0) {
        time->count = 1;
        time->pieces[0].from = time->pieces[0].until = time->origin;
        lay_out(time, left, right);
        return;
    }
    count = count_cuts(plot, silences, find_silences(plot, silences));
    cut(time, plot, silences, count);
    lay_out(time, left, right);
    time->seconds = plot->times[plot->time_count - 1] - time->origin >= 2 * DUET_SECOND;
}

double plot_time_at(const struct plot_time *time, duet_time when)
{
    unsigned at = 0;
    const struct plot_piece *piece;

    while (at + 1 < time->count && when >= time->pieces[at + 1].from)
        at++;
    piece = &time->pieces[at];
    if (when >= piece->until)
        return piece->right;
    return piece->left + (piece->right - piece->left) * (double)(when - piece->from) /
                             (double)(piece->until - piece->from);
}

/* The step of the whole, or a smaller one where a piece is too short for it. */
static duet_time step_of(const struct plot_time *time, const struct plot_piece *piece)
{
    duet_time step = time->step;

    while (step > DUET_MICROSECOND &&
           multiple(piece->from - time->origin, step) > piece->until - time->origin)
        step = round_below(step);
    return step;
}

duet_time plot_time_tick(const struct plot_time *time, unsigned piece, duet_time when)
{
    duet_time since = when < time->origin ? 0 : when - time->origin;
    duet_time tick = time->origin + multiple(since, step_of(time, &time->pieces[piece]));

    return tick <= time->pieces[piece].until ? tick : DUET_NEVER;
}

void plot_time_label(const struct plot_time *time, duet_time when, char label[PLOT_LABEL])
{
    unsigned at = 0;

    while (at + 1 < time->count && when >= time->pieces[at + 1].from)
        at++;
    put_number(label, when - time->origin, step_of(time, &time->pieces[at]),
               time->seconds ? DUET_SECOND : DUET_MILLISECOND, "");
}

/* ---- values ---- */

/* No library of mathematics: the same digits on every machine. x >= 1; the series of
 * artanh((x-1)/(x+1)) converges fast below 2. */
static double logarithm(double x)
{
    double sum = 0, power, square;
    int halvings = 0;

    while (x >= 2) {
        x /= 2;
        halvings++;
    }
    power = (x - 1) / (x + 1);
    square = power * power;
    for (int i = 1; i < 40; i += 2, power *= square)
        sum += 2 * power / i;
    return sum + halvings * 0.69314718055994530942;
}

void plot_axis_make(struct plot_axis *axis, int64_t from, int64_t until)
{
    axis->from = from;
    axis->until = until > from ? until : from + 1;
    axis->step = axis->is_logarithmic ? 0 : round_up((axis->until - from) / LABELS_UP);
}

double plot_axis_at(const struct plot_axis *axis, int64_t value)
{
    double from = (double)axis->from, until = (double)axis->until, at = (double)value, part;

    if (!axis->is_logarithmic)
        part = (at - from) / (until - from);
    else if (at >= from)
        part = logarithm(at / from) / logarithm(until / from);
    else
        part = -logarithm(from / at) / logarithm(until / from);
    return axis->bottom + (axis->top - axis->bottom) * part;
}

bool plot_axis_tick(const struct plot_axis *axis, unsigned index, int64_t *value)
{
    if (!axis->is_logarithmic) {
        *value = multiple(axis->from, axis->step) + index * axis->step;
        return *value <= axis->until;
    }
    *value = round_up(axis->from);
    if (axis->until / axis->from > DECADES_FEW) {
        int64_t power = 1;

        while (power < axis->from)
            power *= 10;
        *value = power;
    }
    for (; index > 0 && *value <= axis->until; index--)
        *value = axis->until / axis->from > DECADES_FEW ? 10 * *value : round_up(*value + 1);
    return *value <= axis->until;
}

void plot_axis_label(const struct plot_axis *axis, int64_t value, char label[PLOT_LABEL])
{
    static const struct {
        const char *name;
        int64_t size;
    } units[2][3] = {{{" B", 1}, {" kB", 1000}, {" MB", 1000000}},
                     {{" µs", DUET_MICROSECOND}, {" ms", DUET_MILLISECOND}, {" s", DUET_SECOND}}};
    unsigned at = 0;

    if (value == 0) {
        snprintf(label, PLOT_LABEL, "0");
        return;
    }
    while (at < 2 &&
           (axis->is_logarithmic ? value : axis->until) >= units[axis->is_time][at + 1].size)
        at++;
    put_number(label, value, axis->is_logarithmic ? value : axis->step,
               units[axis->is_time][at].size, units[axis->is_time][at].name);
}
