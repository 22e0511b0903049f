/* SPDX-License-Identifier: MIT */
/* What `duet script` says about each script, for people, as JSON lines and as JUnit XML. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

/* ---- for people ---- */

static void print_block(const char *label, const char *text)
{
    if (text == NULL || text[0] == '\0') {
        return;
    }
    printf("  %s%s\n", label, text);
}

static const char *paint(const struct script_run *run, enum duet_script_verdict verdict)
{
    if (!run->colour) {
        return "";
    }
    switch (verdict) {
    case DUET_SCRIPT_PASSED:
        return "\033[32m";
    case DUET_SCRIPT_FAILED:
    case DUET_SCRIPT_BROKEN:
        return "\033[31m";
    case DUET_SCRIPT_SKIPPED:
        return "\033[33m";
    }
    return "";
}

static void print_item(const struct script_run *run, const struct script_item *item)
{
    const struct duet_script_result *result = &item->result;
    if (result->log != NULL) {
        fputs(result->log, stdout);
    }
    bool passed = result->verdict == DUET_SCRIPT_PASSED;
    if (passed && !run->options.verbose && result->ladder == NULL) {
        return;
    }
    printf("%s", item->path);
    if (result->line > 0) {
        printf(":%u:%u", result->line, result->column);
    }
    printf(": %s%s%s", paint(run, result->verdict), duet_script_verdict_name(result->verdict),
           run->colour ? "\033[0m" : "");
    printf("%s%s\n", result->problem != NULL ? ": " : "",
           result->problem != NULL ? result->problem : "");
    if (!passed) {
        print_block("expected: ", result->expected);
        print_block("actual:   ", result->actual);
    }
    if (result->ladder != NULL) {
        fputs(result->ladder, stdout);
    }
}

/* ---- JSON ---- */

static void print_json_text(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            printf("\\%c", c);
        } else if (c == '\n') {
            fputs("\\n", stdout);
        } else if (c < ' ') {
            printf("\\u%04x", c);
        } else {
            putchar(c);
        }
    }
    putchar('"');
}

static void print_json_member(const char *name, const char *text)
{
    if (text != NULL) {
        printf(",\"%s\":", name);
        print_json_text(text);
    }
}

static void print_json(const struct script_item *item)
{
    const struct duet_script_result *result = &item->result;
    fputs("{\"script\":", stdout);
    print_json_text(item->path);
    print_json_member("verdict", duet_script_verdict_name(result->verdict));
    if (result->line > 0) {
        printf(",\"line\":%u,\"column\":%u", result->line, result->column);
    }
    print_json_member("problem", result->problem);
    print_json_member("expected", result->expected);
    print_json_member("actual", result->actual);
    print_json_member("ladder", result->ladder);
    print_json_member("log", result->log);
    printf(",\"events\":%u,\"code_skipped\":%u,\"duration_ns\":%" PRId64 ",\"seconds\":%.6f}\n",
           result->events, result->code_skipped, result->duration, item->seconds);
}

/* ---- all of them ---- */

static void count(struct script_run *run, const struct script_item *item)
{
    switch (item->result.verdict) {
    case DUET_SCRIPT_PASSED:
        run->passed++;
        break;
    case DUET_SCRIPT_FAILED:
        run->failed++;
        break;
    case DUET_SCRIPT_SKIPPED:
        run->skipped++;
        break;
    case DUET_SCRIPT_BROKEN:
        run->failed++;
        run->broken++;
        break;
    }
    run->code_skipped += item->result.code_skipped;
}

/* A cited difference does not fail the run. */
static void excuse(struct script_run *run, struct script_item *item)
{
    const struct script_difference *known = script_difference_of(run, item->path);
    struct duet_script_result *result = &item->result;
    bool differs = result->verdict == DUET_SCRIPT_FAILED;
    if (known == NULL || !run->options.against_kernel ||
        (!differs && result->verdict != DUET_SCRIPT_PASSED)) {
        return;
    }
    run->differing += differs;
    run->agreeing += !differs;
    if (!differs) {
        fprintf(stderr, "%s: cited as different (%s), but it passes\n", item->path, known->what);
        return;
    }
    char *problem = NULL;
    if (asprintf(&problem, "it differs as cited: %s (%s)", known->what, known->clause) >= 0) {
        free(result->problem);
        free(result->ladder);
        result->problem = problem;
        result->ladder = NULL;
        result->verdict = DUET_SCRIPT_SKIPPED;
    }
}

void script_report(struct script_run *run)
{
    while (run->reported < run->count && run->items[run->reported].done) {
        struct script_item *item = &run->items[run->reported++];
        excuse(run, item);
        count(run, item);
        if (run->json) {
            print_json(item);
        } else {
            print_item(run, item);
        }
    }
}

void script_report_summary(const struct script_run *run)
{
    if (run->json) {
        printf("{\"passed\":%zu,\"failed\":%zu,\"skipped\":%zu,\"code_skipped\":%zu}\n",
               run->passed, run->failed, run->skipped, run->code_skipped);
        return;
    }
    if (run->code_skipped > 0) {
        printf("%zu pieces of code were not run (--allow-python)\n", run->code_skipped);
    }
    if (run->differing + run->agreeing > 0) {
        printf("%zu of those skipped differ from the kernel as cited", run->differing);
        printf(run->agreeing > 0 ? ", %zu cited ones do not\n" : "\n", run->agreeing);
    }
    printf("%zu passed, %zu failed, %zu skipped\n", run->passed, run->failed, run->skipped);
}

/* ---- JUnit ---- */

static void write_xml(FILE *to, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        switch (c) {
        case '&':
            fputs("&amp;", to);
            break;
        case '<':
            fputs("&lt;", to);
            break;
        case '>':
            fputs("&gt;", to);
            break;
        case '"':
            fputs("&quot;", to);
            break;
        default:
            /* XML has no way to say most control characters, not even escaped. */
            fputc(c < ' ' && c != '\n' && c != '\t' ? ' ' : c, to);
        }
    }
}

static void write_failure(FILE *to, const struct script_item *item)
{
    const struct duet_script_result *result = &item->result;
    const char *element = result->verdict == DUET_SCRIPT_BROKEN ? "error" : "failure";
    fprintf(to, "    <%s message=\"line %u: ", element, result->line);
    write_xml(to, result->problem != NULL ? result->problem : "");
    fputs("\">", to);
    const char *const texts[] = {"expected: ", result->expected, "actual: ", result->actual,
                                 "",           result->ladder};
    for (size_t i = 0; i + 1 < sizeof(texts) / sizeof(texts[0]); i += 2) {
        if (texts[i + 1] != NULL) {
            fputs(texts[i], to);
            write_xml(to, texts[i + 1]);
            fputc('\n', to);
        }
    }
    fprintf(to, "</%s>\n", element);
}

int script_report_junit(const struct script_run *run, FILE *to)
{
    fprintf(to, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    fprintf(to,
            "<testsuite name=\"duet script\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" "
            "skipped=\"%zu\">\n",
            run->count, run->failed - run->broken, run->broken, run->skipped);
    for (size_t i = 0; i < run->count; i++) {
        const struct script_item *item = &run->items[i];
        fputs("  <testcase classname=\"script\" name=\"", to);
        write_xml(to, item->path);
        fprintf(to, "\" time=\"%.6f\">\n", item->seconds);
        if (item->result.verdict == DUET_SCRIPT_SKIPPED) {
            fputs("    <skipped message=\"", to);
            write_xml(to, item->result.problem != NULL ? item->result.problem : "");
            fputs("\"/>\n", to);
        } else if (item->result.verdict != DUET_SCRIPT_PASSED) {
            write_failure(to, item);
        }
        fputs("  </testcase>\n", to);
    }
    fputs("</testsuite>\n", to);
    return ferror(to) ? -1 : 0;
}
