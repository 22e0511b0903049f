/* SPDX-License-Identifier: MIT */
/* duet isn: how a host chooses its initial sequence numbers, judged by the numbers in a capture, or
 * by those of a stack of duet in this process. */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "duet/block.h"
#include "duet/isn.h"

enum { SELF_NUMBERS = 100000, SELF_PAIRS = 200, SELF_EVERY = 10 };
#define SELF_STEP (37 * DUET_MICROSECOND)

struct audit {
    const char *command;
    char *path;
    bool self, json;
};

enum { KEY_SELF = 256, KEY_JSON };

static const struct argp_option argp_options[] = {
    {"self", KEY_SELF, 0, 0, "100,000 numbers of a stack of duet in this process", 0},
    {"json", KEY_JSON, 0, 0, "one JSON object for each host", 0},
    {0, 0, 0, 0, 0, 0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct audit *audit = state->input;

    const struct command_option options[] = {
        {KEY_SELF, &audit->self, 0, 0, 0, 0},
        {KEY_JSON, &audit->json, 0, 0, 0, 0},
        {0, 0, 0, 0, 0, 0},
    };

    if (command_take(audit->command, options, key, argument))
        return 0;
    if (key != ARGP_KEY_ARG || audit->path != NULL)
        return ARGP_ERR_UNKNOWN;
    audit->path = argument;
    return 0;
}

static const struct argp argp = {
    .options = argp_options,
    .parser = parse_option,
    .args_doc = "[FILE]",
    .doc =
        "Judges how each host of a capture (pcap, pcapng) chooses its initial sequence numbers: "
        "like RFC 9293, random, by one counter for all, or always the same.\v"
        "Exit status: 0 if every host that can be judged is RFC 9293-like or random, 1 if not, 2 "
        "for a wrong command line or file.",
};

static bool is_safe(enum duet_isn_verdict verdict)
{
    return verdict == DUET_ISN_TOO_FEW || verdict == DUET_ISN_RFC9293 ||
           verdict == DUET_ISN_RANDOM || verdict == DUET_ISN_UNPREDICTED;
}

static void print_text(const char *name, const struct duet_isn_report *report)
{
    printf("%s: %s\n  %s\n", name, duet_isn_verdict_name(report->verdict),
           duet_isn_verdict_sentence(report->verdict));
    printf("  %zu numbers (%zu different) of %zu pairs of sockets, %zu of pairs seen before\n",
           report->samples, report->distinct, report->pairs, report->repeats);
    if (report->verdict == DUET_ISN_TOO_FEW)
        return;
    printf(
        "  over pairs    %.1f bits are left to guess when the best common clock is known; serial "
        "correlation %.4f\n",
        report->spread_bits, report->serial_correlation);
    printf("                chi-square %.1f (highest byte) and %.1f (lowest) deviations from "
           "chance; entropy %.2f and, of increments, %.2f bits of 8\n",
           report->uniformity_top, report->uniformity_low, report->entropy_top,
           report->increment_entropy);
    if (report->repeats > 0)
        printf("  within pairs  %.1f bits are left to guess; %.0f ticks a second; %.1f %% had "
               "grown\n",
               report->pair_spread_bits, report->pair_rate, 100 * report->monotone);
}

static void print_json(const char *name, const struct duet_isn_report *report)
{
    printf("{\"host\":\"%s\",\"verdict\":\"%s\",\"samples\":%zu,\"distinct\":%zu,\"pairs\":%zu,"
           "\"repeats\":%zu,\"spread_bits\":%.3f,\"serial_correlation\":%.6f,"
           "\"uniformity_top\":%.3f,\"uniformity_low\":%.3f,\"entropy_top\":%.4f,"
           "\"increment_entropy\":%.4f,\"pair_spread_bits\":%.3f,\"pair_rate\":%.1f,"
           "\"monotone\":%.4f}\n",
           name, duet_isn_verdict_name(report->verdict), report->samples, report->distinct,
           report->pairs, report->repeats, report->spread_bits, report->serial_correlation,
           report->uniformity_top, report->uniformity_low, report->entropy_top,
           report->increment_entropy, report->pair_spread_bits, report->pair_rate,
           report->monotone);
}

/* Returns an exit code. */
static int judge(const struct audit *audit, const char *name, const struct duet_isn_sample *samples,
                 size_t count)
{
    struct duet_isn_report report;

    if (duet_isn_judge(samples, count, &report) != 0) {
        command_complain(audit->command, "there is not enough memory");
        return COMMAND_FAILED;
    }
    (audit->json ? print_json : print_text)(name, &report);
    return is_safe(report.verdict) ? COMMAND_OK : COMMAND_FAILED;
}

/* ---- duet itself ---- */

static bool next_number(struct duet_stack *stack, duet_time now, uint32_t i,
                        struct duet_isn_sample *sample)
{
    bool again = i % SELF_EVERY == 0;
    uint32_t number = again ? i / SELF_EVERY % SELF_PAIRS : i;
    const struct duet_connect_options options = {
        .local = {.port = (uint16_t)(1024 + (again ? number : i % 60000))},
        .remote = {duet_ipv4(again ? 100 : 101, (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                             (uint8_t)number),
                   80}};
    struct duet_handle handle;
    struct duet_status status;
    struct duet_event event;

    if (duet_connect(stack, now, &options, &handle) != DUET_OK ||
        duet_status(stack, handle, &status) != DUET_OK)
        return false;
    *sample = (struct duet_isn_sample){now, (uint64_t)again << 32 | number, status.iss};
    duet_abort(stack, now, handle);
    while (duet_next_event(stack, &event))
        continue;
    return true;
}

static int judge_self(const struct audit *audit)
{
    struct duet_isn_sample *samples = calloc(SELF_NUMBERS, sizeof *samples);
    struct duet_config config;
    struct duet_stack *stack = NULL;
    struct duet_block block;
    int code = COMMAND_FAILED;
    uint32_t count = 0;

    duet_config_default(&config);
    config.interfaces[0] = (struct duet_interface){duet_ipv4(10, 0, 0, 1), 24};
    config.interface_count = 1;
    config.connections_max = 16;
    if (duet_block_start(&block, &config, &stack) != 0) {
        command_complain(audit->command, "a stack cannot be made: %s", strerror(errno));
        free(samples);
        return COMMAND_FAILED;
    }
    if (samples != NULL)
        while (count < SELF_NUMBERS &&
               next_number(stack, (duet_time)count * SELF_STEP, count, &samples[count]))
            count++;
    if (count == SELF_NUMBERS)
        code = judge(audit, "duet", samples, count);
    else
        command_complain(audit->command, "its numbers cannot be had");
    duet_block_end(&block);
    free(samples);
    return code;
}

/* ---- a capture ---- */

static int judge_file(const struct audit *audit)
{
    struct duet_isn_capture capture;
    FILE *file = fopen(audit->path, "rb");
    char why[160];
    int code = COMMAND_OK;

    if (file == NULL) {
        command_complain(audit->command, "%s: %s", audit->path, strerror(errno));
        return COMMAND_USAGE;
    }
    if (duet_isn_capture_read(file, &capture, why, sizeof why) != 0) {
        command_complain(audit->command, "%s: %s", audit->path, why);
        code = COMMAND_USAGE;
    }
    for (size_t i = 0; code != COMMAND_USAGE && i < capture.host_count; i++) {
        char name[DUET_ADDRESS_TEXT];

        duet_address_format(&capture.hosts[i].address, name);
        if (judge(audit, name, capture.hosts[i].samples, capture.hosts[i].count) != COMMAND_OK)
            code = COMMAND_FAILED;
    }
    if (code == COMMAND_OK && capture.host_count == 0)
        command_complain(audit->command, "%s: there is no SYN among %zu packets", audit->path,
                         capture.packets);
    duet_isn_capture_free(&capture);
    fclose(file);
    return code;
}

int command_isn(int argc, char **argv)
{
    struct audit audit = {.command = argv[0]};

    argp_err_exit_status = COMMAND_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &audit);
    if (audit.self == (audit.path != NULL)) {
        command_complain(audit.command, "name a capture, or --self");
        return COMMAND_USAGE;
    }
    return audit.self ? judge_self(&audit) : judge_file(&audit);
}
