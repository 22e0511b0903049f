/* SPDX-License-Identifier: MIT */
/* The audit of initial sequence numbers; see include/duet/isn.h.
 *
 * Theory of operation. One question is asked twice: how well does a clock explain each number from
 * the one before? Once over all numbers in order of time (a common clock or counter leaves small
 * errors: whoever opens one connection can guess the next), once over the numbers of each pair of
 * sockets (a clock there is what RFC 9293 asks for, so that a new incarnation begins above the old
 * one). The rate of the clock is the median of the rates between neighbours. What no common clock
 * explains must look random: bytes equally frequent, neighbours uncorrelated.
 */
#include "duet/isn.h"

#include <stdlib.h>
#include <string.h>

#include "observe/statistics.h"

enum { BYTES = 256 };
#define GUESSABLE_BITS   24.0 /* a clock that leaves less than this to guess explains the numbers */
#define DEVIATIONS_MOST  6.0
#define CORRELATION_MOST 0.1
#define MONOTONE_LEAST   0.9

const char *duet_isn_verdict_name(enum duet_isn_verdict verdict)
{
    static const char *const names[DUET_ISN_VERDICTS] = {
        "too few numbers",         "constant", "global counter", "RFC 9293-like", "random",
        "random or RFC 9293-like", "weak"};

    return verdict < DUET_ISN_VERDICTS ? names[verdict] : "unknown";
}

const char *duet_isn_verdict_sentence(enum duet_isn_verdict verdict)
{
    static const char *const sentences[DUET_ISN_VERDICTS] = {
        "no judgement is possible from so few numbers",
        "the same numbers come again: anybody can guess them, and old segments fit new connections",
        "one counter or clock serves all connections: whoever opens one can guess the next",
        "each pair of sockets has a clock of its own, and one says nothing about another",
        "nothing can be guessed; but a new connection of the same pair may begin below the old one",
        "nothing can be guessed; no pair came twice, so nobody can say whether each has a clock",
        "no clock explains the numbers, but they do not look random either"};

    return verdict < DUET_ISN_VERDICTS ? sentences[verdict] : "";
}

/* ---- how well a clock explains the numbers ---- */

struct step {
    double seconds;
    uint32_t ticks;
};

static int compare_doubles(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double median(double *values, size_t count)
{
    if (count == 0)
        return 0;
    qsort(values, count, sizeof *values, compare_doubles);
    return values[count / 2];
}

/* log2 of the median error of the best clock: 0 (it explains all) to 31 (nothing). rate: of it. */
static double spread_of(const struct step *steps, size_t count, double *scratch, double *rate)
{
    size_t rates = 0;
    double error;

    for (size_t i = 0; i < count; i++)
        if (steps[i].seconds > 0)
            scratch[rates++] = (int32_t)steps[i].ticks / steps[i].seconds;
    *rate = median(scratch, rates);
    for (size_t i = 0; i < count; i++) {
        /* What the clock has done since, modulo 2^32: whole turns do not count. */
        double expected = *rate * steps[i].seconds;
        int64_t turns = (int64_t)(expected / 4294967296.0);
        uint32_t guess = (uint32_t)(int64_t)(expected - (double)turns * 4294967296.0);
        int32_t off = (int32_t)(steps[i].ticks - guess);

        scratch[i] = off < 0 ? -(double)off : off;
    }
    error = median(scratch, count);
    return error < 1 ? 0 : statistics_log2(error);
}

/* ---- the parts of the report ---- */

struct work {
    const struct duet_isn_sample **sorted; /* by pair, then by time */
    struct step *steps;
    double *scratch, *x, *y;
    uint32_t *numbers;
};

static int compare_pairs(const void *a, const void *b)
{
    const struct duet_isn_sample *x = *(const struct duet_isn_sample *const *)a;
    const struct duet_isn_sample *y = *(const struct duet_isn_sample *const *)b;

    if (x->pair != y->pair)
        return x->pair < y->pair ? -1 : 1;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return (x > y) - (x < y);
}

static int compare_numbers(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void count_distinct(const struct duet_isn_sample *samples, size_t count, struct work *work,
                           struct duet_isn_report *report)
{
    for (size_t i = 0; i < count; i++)
        work->numbers[i] = samples[i].isn;
    qsort(work->numbers, count, sizeof *work->numbers, compare_numbers);
    for (size_t i = 0; i < count; i++)
        report->distinct += i == 0 || work->numbers[i] != work->numbers[i - 1];
}

static double seconds_between(const struct duet_isn_sample *a, const struct duet_isn_sample *b)
{
    return (double)(b->time - a->time) / (double)DUET_SECOND;
}

/* The first number of each pair must look random; those that follow it are judged by its clock. */
static void judge_firsts(const struct work *work, size_t count, struct duet_isn_report *report)
{
    uint64_t top[BYTES] = {0}, low[BYTES] = {0};

    for (size_t i = 0; i < count; i++) {
        if (i > 0 && work->sorted[i - 1]->pair == work->sorted[i]->pair)
            continue;
        top[work->sorted[i]->isn >> 24]++;
        low[work->sorted[i]->isn & 255]++;
    }
    report->uniformity_top = statistics_uniformity(top, BYTES);
    report->uniformity_low = statistics_uniformity(low, BYTES);
    report->entropy_top = statistics_entropy(top, BYTES);
}

/* Numbers of the same pair that follow each other. */
static void judge_pairs(const struct duet_isn_sample *samples, size_t count, struct work *work,
                        struct duet_isn_report *report)
{
    size_t grown = 0;

    for (size_t i = 0; i < count; i++)
        work->sorted[i] = &samples[i];
    qsort(work->sorted, count, sizeof *work->sorted, compare_pairs);
    for (size_t i = 0; i < count; i++) {
        const struct duet_isn_sample *now = work->sorted[i],
                                     *before = i == 0 ? NULL : work->sorted[i - 1];

        if (before == NULL || before->pair != now->pair) {
            report->pairs++;
            continue;
        }
        work->steps[report->repeats++] =
            (struct step){seconds_between(before, now), now->isn - before->isn};
        grown += (int32_t)(now->isn - before->isn) > 0;
    }
    if (report->repeats == 0)
        return;
    report->monotone = (double)grown / (double)report->repeats;
    report->pair_spread_bits =
        spread_of(work->steps, report->repeats, work->scratch, &report->pair_rate);
}

/* All numbers in order of time, whatever their pair. */
static void judge_common(const struct duet_isn_sample *samples, size_t count, struct work *work,
                         struct duet_isn_report *report)
{
    uint64_t increments[BYTES] = {0};
    size_t between = 0;
    double rate;

    for (size_t i = 0; i < count; i++) {
        if (i == 0 || samples[i].pair == samples[i - 1].pair)
            continue;
        work->x[between] = samples[i - 1].isn;
        work->y[between] = samples[i].isn;
        increments[(samples[i].isn - samples[i - 1].isn) >> 24]++;
        work->steps[between++] = (struct step){seconds_between(&samples[i - 1], &samples[i]),
                                               samples[i].isn - samples[i - 1].isn};
    }
    if (between == 0)
        return;
    report->increment_entropy = statistics_entropy(increments, BYTES);
    report->serial_correlation = statistics_correlation(work->x, work->y, between);
    report->spread_bits = spread_of(work->steps, between, work->scratch, &rate);
}

/* What chance may do to a correlation of so few numbers counts, too. */
static bool looks_random(const struct duet_isn_report *report)
{
    double correlation =
        report->serial_correlation < 0 ? -report->serial_correlation : report->serial_correlation;
    double chance = 4 / statistics_root((double)report->samples);

    return report->uniformity_top < DEVIATIONS_MOST && report->uniformity_low < DEVIATIONS_MOST &&
           correlation < (chance > CORRELATION_MOST ? chance : CORRELATION_MOST);
}

static enum duet_isn_verdict verdict_of(const struct duet_isn_report *report)
{
    bool has_common = report->pairs > 1;

    if (report->samples < DUET_ISN_SAMPLES_MIN)
        return DUET_ISN_TOO_FEW;
    if (report->distinct * 2 < report->samples)
        return DUET_ISN_CONSTANT;
    if (has_common && report->spread_bits < GUESSABLE_BITS)
        return DUET_ISN_COUNTER;
    if (report->repeats >= DUET_ISN_SAMPLES_MIN / 2 && report->pair_spread_bits < GUESSABLE_BITS &&
        report->monotone >= MONOTONE_LEAST)
        return DUET_ISN_RFC9293;
    if (!looks_random(report))
        return DUET_ISN_WEAK;
    return report->repeats >= DUET_ISN_SAMPLES_MIN / 2 ? DUET_ISN_RANDOM : DUET_ISN_UNPREDICTED;
}

int duet_isn_judge(const struct duet_isn_sample *samples, size_t count,
                   struct duet_isn_report *report)
{
    struct work work = {
        .sorted = calloc(count + 1, sizeof *work.sorted),
        .steps = calloc(count + 1, sizeof *work.steps),
        .scratch = calloc(count + 1, sizeof *work.scratch),
        .x = calloc(count + 1, sizeof *work.x),
        .y = calloc(count + 1, sizeof *work.y),
        .numbers = calloc(count + 1, sizeof *work.numbers),
    };
    bool ok = work.sorted != NULL && work.steps != NULL && work.scratch != NULL && work.x != NULL &&
              work.y != NULL && work.numbers != NULL;

    *report = (struct duet_isn_report){.samples = count};
    if (ok && count > 0) {
        count_distinct(samples, count, &work, report);
        judge_pairs(samples, count, &work, report);
        judge_firsts(&work, count, report);
        judge_common(samples, count, &work, report);
        report->verdict = verdict_of(report);
    }
    free(work.sorted);
    free(work.steps);
    free(work.scratch);
    free(work.x);
    free(work.y);
    free(work.numbers);
    return ok ? 0 : -1;
}
