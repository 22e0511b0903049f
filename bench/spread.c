/* SPDX-License-Identifier: MIT */
/* The median of rounds, and half of them; see spread.h. */
#include "spread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

struct spread spread_of(const uint64_t *values, uint64_t count)
{
    uint64_t sorted[SPREAD_MAX];

    memcpy(sorted, values, count * sizeof sorted[0]);
    qsort(sorted, count, sizeof sorted[0], compare);
    return (struct spread){sorted[count / 2], sorted[count / 4], sorted[count - 1 - count / 4]};
}

struct spread spread_of_ratios(const uint64_t *over, const uint64_t *under, uint64_t count)
{
    uint64_t ratios[SPREAD_MAX] = {0};

    for (uint64_t i = 0; i < count; i++)
        ratios[i] = over[i] * 1000 / (under[i] == 0 ? 1 : under[i]);
    return spread_of(ratios, count);
}

void spread_print_ratio(uint64_t thousandths)
{
    printf(" %5llu.%02llu", (unsigned long long)(thousandths / 1000),
           (unsigned long long)(thousandths % 1000 / 10));
}

void spread_print(struct spread ratio)
{
    spread_print_ratio(ratio.median);
    spread_print_ratio(ratio.low);
    spread_print_ratio(ratio.high);
}
