/* SPDX-License-Identifier: MIT */
/* What `duet sim` says: figures for people, or JSON. */
#include <stdio.h>

#include "sim.h"

/* 12,345,678 */
static const char *grouped(uint64_t number, char *text, size_t size)
{
    char digits[32];
    size_t at = size - 1, count = 0;

    (void)snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    text[at] = '\0';
    while (digits[count] != '\0')
        count++;
    for (size_t i = 0; i < count && at > 1; i++) {
        if (i > 0 && i % 3 == 0)
            text[--at] = ',';
        text[--at] = digits[count - 1 - i];
    }
    return text + at;
}

static double per_core(const struct sim_totals *totals)
{
    return totals->cpu_seconds > 0 ? (double)totals->events / totals->cpu_seconds : 0;
}

static void line(const char *what, uint64_t number, const char *more)
{
    char text[40];

    printf("%-18s %18s%s\n", what, grouped(number, text, sizeof text), more);
}

static void report_text(const struct sim_totals *totals, double seconds)
{
    char more[120], text[40];

    (void)snprintf(more, sizeof more, "  of %.1f hosts each",
                   totals->worlds == 0 ? 0.0 : (double)totals->hosts / (double)totals->worlds);
    line("worlds", totals->worlds, more);
    (void)snprintf(more, sizeof more,
                   "  %llu closed, %llu reset, %llu refused, %llu timed out, %llu lost with a host",
                   (unsigned long long)totals->clean, (unsigned long long)totals->reset,
                   (unsigned long long)totals->refused, (unsigned long long)totals->timed_out,
                   (unsigned long long)totals->lost);
    line("connections", totals->connections, more);
    line("connection-hours", (uint64_t)totals->connection_hours, "");
    (void)snprintf(more, sizeof more, "  %s a second a core",
                   grouped((uint64_t)per_core(totals), text, sizeof text));
    line("events", totals->events, more);
    line("packets", totals->packets, "");
    line("bytes delivered", totals->bytes, "  each compared with what was sent");
    printf("faults\n");
    for (unsigned i = 0; i < DUET_SIM_FAULTS; i++)
        printf("  %-14s %12s%s", duet_sim_fault_name(i),
               grouped(totals->faults[i], text, sizeof text), i % 3 == 2 ? "\n" : "");
    if (DUET_SIM_FAULTS % 3 != 0)
        putchar('\n');
    printf("%llu violations in %.1f s\n", (unsigned long long)totals->failed, seconds);
}

void sim_json_text(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        if ((unsigned char)*text >= ' ')
            putchar(*text);
    }
    putchar('"');
}

static void report_json(const struct sim_totals *totals, double seconds)
{
    printf(
        "{\"worlds\": %llu, \"hosts\": %llu, \"connections\": %llu, \"connection_hours\": %.1f, ",
        (unsigned long long)totals->worlds, (unsigned long long)totals->hosts,
        (unsigned long long)totals->connections, totals->connection_hours);
    printf("\"closed\": %llu, \"reset\": %llu, \"refused\": %llu, \"timed_out\": %llu, \"lost\": "
           "%llu, ",
           (unsigned long long)totals->clean, (unsigned long long)totals->reset,
           (unsigned long long)totals->refused, (unsigned long long)totals->timed_out,
           (unsigned long long)totals->lost);
    printf("\"events\": %llu, \"events_per_second_per_core\": %.0f, \"packets\": %llu, \"bytes\": "
           "%llu, ",
           (unsigned long long)totals->events, per_core(totals),
           (unsigned long long)totals->packets, (unsigned long long)totals->bytes);
    printf("\"faults\": {");
    for (unsigned i = 0; i < DUET_SIM_FAULTS; i++)
        printf("%s\"%s\": %llu", i == 0 ? "" : ", ", duet_sim_fault_name(i),
               (unsigned long long)totals->faults[i]);
    printf("}, \"violations\": %llu, \"seconds\": %.1f}\n", (unsigned long long)totals->failed,
           seconds);
}

void sim_report(const struct sim_campaign *campaign, const struct sim_totals *totals,
                double seconds)
{
    if (campaign->json)
        report_json(totals, seconds);
    else
        report_text(totals, seconds);
}

void sim_report_failure(const struct sim_campaign *campaign, const struct duet_sim_recipe *recipe,
                        const struct duet_sim_result *result)
{
    if (campaign->json) {
        printf("{\"recipe\": \"");
        (void)duet_sim_recipe_print(recipe, stdout);
        printf("\", \"violation\": ");
        sim_json_text(result->violation);
        printf(", \"at\": %.6f, \"event\": %llu}\n", (double)result->failed_at / 1e9,
               (unsigned long long)result->failed_event);
        return;
    }
    (void)duet_sim_recipe_print(recipe, stdout);
    printf("\n  %s\n  after %.6f s, at event %llu\n", result->violation,
           (double)result->failed_at / 1e9, (unsigned long long)result->failed_event);
}

void sim_progress(const struct sim_totals *totals, double seconds, bool is_over)
{
    if (is_over)
        fprintf(stderr, "\r%78s\r", "");
    else
        fprintf(stderr, "\r%llu worlds, %llu connections, %.1f M events, %llu violations, %.0f s ",
                (unsigned long long)totals->worlds, (unsigned long long)totals->connections,
                (double)totals->events / 1e6, (unsigned long long)totals->failed, seconds);
}
