/* SPDX-License-Identifier: MIT */
/* See bench_table.h. */
#include "bench_table.h"

#include <stdio.h>

static const char *const size_names[MEASURE_SIZES] = {"10k", "100k", "1M"};
/* As wide as the longest value and the name of each property. */
static const int widths[GRID_PROPERTIES] = {5, 4, 5, 6, 8, 8, 11};

static const char *name_of(const struct grid_cell *cell, enum grid_property property)
{
    return grid_value_name(property, cell->at[property]);
}

void table_cell_name(const struct grid_cell *cell, char *text, size_t size)
{
    size_t at = 0;

    text[0] = '\0';
    for (unsigned p = 0; p < GRID_PROPERTIES && at < size; p++)
        at += (size_t)snprintf(text + at, size - at, "%s%s=%s", p == 0 ? "" : " ",
                               grid_property_name(p), name_of(cell, p));
}

static void print_properties(const struct grid_cell *cell)
{
    for (unsigned p = 0; p < GRID_PROPERTIES; p++)
        printf("%s%*s", p == 0 ? "" : " ", widths[p],
               cell == NULL ? grid_property_name(p) : name_of(cell, p));
}

/* In milliseconds, with one digit behind the point. */
static void print_ms(duet_time time)
{
    char text[32];

    if (time == DUET_NEVER)
        snprintf(text, sizeof text, "never");
    else
        snprintf(text, sizeof text, "%lld.%lld", (long long)(time / DUET_MILLISECOND),
                 (long long)(time % DUET_MILLISECOND / (DUET_MILLISECOND / 10)));
    printf(" %8s", text);
}

/* With one digit behind the point, which is cut, not rounded. */
static void print_percent(uint32_t millionths)
{
    printf(" %5u.%u", millionths / 10000, millionths / 1000 % 10);
}

/* With two: where most is lost the rest is to be compared. */
static void print_percent_finely(uint32_t millionths)
{
    printf(" %4u.%02u", millionths / 10000, millionths / 100 % 100);
}

static void json_percent(const char *name, uint32_t millionths)
{
    printf("\"%s\":%u.%04u,", name, millionths / 10000, millionths % 10000);
}

static void json_properties(const struct grid_cell *cell)
{
    putchar('{');
    for (unsigned p = 0; p < GRID_PROPERTIES; p++)
        printf("\"%s\":\"%s\",", grid_property_name(p), name_of(cell, p));
}

/* null: never */
static void json_time(const char *name, duet_time time)
{
    if (time == DUET_NEVER)
        printf(",\"%s\":null", name);
    else
        printf(",\"%s\":%lld", name, (long long)time);
}

/* ---- duet alone ---- */

void table_head(void)
{
    print_properties(NULL);
    printf(" %7s %6s %5s %8s %4s %5s", "goodput", "resent", "rto", "stall", "long", "jain");
    for (unsigned i = 0; i < MEASURE_SIZES; i++)
        printf(" %8s %8s", size_names[i], "p95");
    putchar('\n');
}

void table_row(const struct grid_cell *cell, const struct measure_result *result)
{
    print_properties(cell);
    print_percent(result->goodput);
    printf(" %3u.%02u %5llu", result->resent / 100, result->resent % 100,
           (unsigned long long)result->bulk.timeouts);
    print_ms(result->bulk.stall);
    printf(" %4llu", (unsigned long long)result->bulk.long_stalls);
    if (grid_is_single(cell)) {
        printf(" %5s", "-");
        for (unsigned i = 0; i < MEASURE_SIZES; i++) {
            print_ms(result->median[i]);
            print_ms(result->late[i]);
        }
    } else {
        printf(" %u.%03u", result->jain / 1000, result->jain % 1000);
    }
    putchar('\n');
}

void table_json(const struct grid_cell *cell, const struct measure_result *result)
{
    char name[32];

    json_properties(cell);
    json_percent("goodput", result->goodput);
    printf("\"resent\":%u.%02u,\"timeouts\":%llu", result->resent / 100, result->resent % 100,
           (unsigned long long)result->bulk.timeouts);
    json_time("stall_ns", result->bulk.stall);
    printf(",\"long_stalls\":%llu", (unsigned long long)result->bulk.long_stalls);
    json_time("span_ns", result->bulk.span);
    printf(",\"packets\":%llu,\"lost\":%llu,\"overflown\":%llu",
           (unsigned long long)result->bulk.packets, (unsigned long long)result->bulk.path.lost,
           (unsigned long long)result->bulk.path.overflown);
    if (!grid_is_single(cell))
        printf(",\"jain\":%u.%03u", result->jain / 1000, result->jain % 1000);
    for (unsigned i = 0; i < MEASURE_SIZES && grid_is_single(cell); i++) {
        snprintf(name, sizeof name, "median_ns_%s", size_names[i]);
        json_time(name, result->median[i]);
        snprintf(name, sizeof name, "p95_ns_%s", size_names[i]);
        json_time(name, result->late[i]);
    }
    puts("}");
}

/* ---- beside the kernel ---- */

void table_kernel_head(void)
{
    print_properties(NULL);
    printf(" %7s %7s %7s %7s %6s %5s %8s %8s %8s\n", "kernel", "least", "most", "duet", "ratio",
           "bar", "k 100k", "d 100k", "late");
}

bool table_kernel_is_good(const struct kernel_summary *summary)
{
    return summary->full || summary->ratio >= summary->bar;
}

void table_kernel_row(const struct grid_cell *cell, const struct kernel_summary *summary)
{
    print_properties(cell);
    print_percent_finely(summary->kernel);
    print_percent_finely(summary->kernel_least);
    print_percent_finely(summary->kernel_most);
    print_percent_finely(summary->duet);
    printf(" %2u.%03u %5s", summary->ratio / 1000, summary->ratio % 1000,
           !table_kernel_is_good(summary) ? "below"
           : summary->full                ? "full"
                                          : "good");
    print_ms(summary->kernel_short);
    print_ms(summary->duet_short);
    print_ms(summary->late);
    putchar('\n');
}

void table_kernel_json(const struct grid_cell *cell, const struct kernel_summary *summary)
{
    json_properties(cell);
    json_percent("kernel", summary->kernel);
    json_percent("kernel_least", summary->kernel_least);
    json_percent("kernel_most", summary->kernel_most);
    json_percent("duet", summary->duet);
    printf("\"ratio\":%u.%03u,\"bar\":%u.%03u,\"full\":%s", summary->ratio / 1000,
           summary->ratio % 1000, summary->bar / 1000, summary->bar % 1000,
           summary->full ? "true" : "false");
    json_time("kernel_ns_100k", summary->kernel_short);
    json_time("duet_ns_100k", summary->duet_short);
    json_time("late_ns", summary->late);
    puts("}");
}
