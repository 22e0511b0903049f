/* SPDX-License-Identifier: MIT */
/* duet script: plays packet timelines against the stack in virtual time. docs/SCRIPT.md is the
 * language; here are the options, the list of files, and the exit code.
 */
#include <argp.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "script.h"

enum { DEPTH_MAX = 32 };

struct texts {
    char **all;
    size_t count;
};

struct arguments {
    const char *command;
    struct script_run run;
    struct texts definitions, settings;
    const char *pcapng, *junit, *colour, *against, *differences;
    char *default_differences;        /* found in a folder */
    struct duet_script_random random; /* .count 0: files */
};

/* ---- options ---- */

enum {
    KEY_LADDER = 256,
    KEY_PCAPNG,
    KEY_JSON,
    KEY_JUNIT,
    KEY_CONFIG,
    KEY_AGAINST,
    KEY_LONGEST,
    KEY_RANDOM,
    KEY_KNOWN,
    KEY_DIFFERENCES,
    KEY_SHELL,
    KEY_PYTHON,
    KEY_PARSE,
    KEY_COLOUR,
    KEY_SETTING, /* and what follows: the option lines of scripts, in the order of settings[] */
};

/* Option lines that may stand on the command line, too. */
static const char *const settings[] = {
    "ip_version",
    "local_ip",
    "remote_ip",
    "gateway_ip",
    "netmask_ip",
    "bind_port",
    "connect_port",
    "mtu",
    "tolerance_usecs",
    "remote_isn",
    "seed",
    "tolerance_percent",
    "speed",
    "tcp_ts_tick_usecs",
    "non_fatal",
    "strict_segments",
    "option_order",
    "profile",
    "init_scripts",
    "tun_dev",
    "mss",
    "is_anyip",
};

static const struct argp_option options[] = {
    {0, 0, 0, 0, "What is said:", 1},
    {"verbose", 'v', 0, 0, "each event as it happens, and what was ignored", 1},
    {"ladder", KEY_LADDER, 0, 0, "the ladder of every script, not only of failed ones", 1},
    {"pcapng", KEY_PCAPNG, "FILE", 0, "the packets of one script, with comments", 1},
    {"json", KEY_JSON, 0, 0, "one JSON object a script, then the sums", 1},
    {"junit", KEY_JUNIT, "FILE", 0, "JUnit XML", 1},
    {"color", KEY_COLOUR, "WHEN", 0, "auto, always or never (default: auto)", 1},
    {0, 0, 0, 0, "How it is run:", 2},
    {"jobs", 'j', "N", 0, "scripts at a time (default: one a processor)", 2},
    {"define", 'D', "NAME=VALUE", 0, "NAME in a script stands for VALUE (repeatable)", 2},
    {"config", KEY_CONFIG, "NAME=VALUE", 0, "a field of struct duet_config (repeatable)", 2},
    {"against", KEY_AGAINST, "WHAT", 0,
     "core (duet's stack), kernel (the operating system's TCP) or both", 2},
    {"random", KEY_RANDOM, "N", 0,
     "N random timelines from --seed on, with --against both, instead of files", 2},
    {"known", KEY_KNOWN, "FILE", 0, "known differences of random timelines", 2},
    {"differences", KEY_DIFFERENCES, "FILE", 0,
     "scripts that may fail against the kernel (default: differences.tsv in a FOLDER)", 2},
    {"longest", KEY_LONGEST, "SECONDS", 0, "skip longer scripts against the kernel (20)", 2},
    {"allow-shell", KEY_SHELL, 0, 0, "run the commands between backticks", 2},
    {"allow-python", KEY_PYTHON, 0, 0, "run the code between %{ and }%", 2},
    {"dry-run", KEY_PARSE, 0, 0, "parse only", 2},
    {0, 0, 0, 0, "Option lines of scripts, for all of them (a script's own win):", 3},
    {"ip_version", KEY_SETTING, "V", 0, "ipv4, ipv6 or ipv4-mapped-ipv6", 3},
    {"local_ip", KEY_SETTING + 1, "IP", 0, "address of the stack", 3},
    {"remote_ip", KEY_SETTING + 2, "IP", 0, "address of the other end", 3},
    {"gateway_ip", KEY_SETTING + 3, "IP", OPTION_HIDDEN, 0, 3},
    {"netmask_ip", KEY_SETTING + 4, "IP", OPTION_HIDDEN, 0, 3},
    {"bind_port", KEY_SETTING + 5, "N", 0, "what bind(3, ..., ...) takes (8080)", 3},
    {"connect_port", KEY_SETTING + 6, "N", 0, "where connect(3, ..., ...) goes (8080)", 3},
    {"mtu", KEY_SETTING + 7, "N", 0, "of the link (1500)", 3},
    {"tolerance_usecs", KEY_SETTING + 8, "N", 0, "how early or late a packet may be (4000)", 3},
    {"remote_isn", KEY_SETTING + 9, "N", 0, "added to sequence numbers of packets in", 3},
    {"seed", KEY_SETTING + 10, "N", 0, "other sequence numbers and ports on the wire", 3},
    {"tolerance_percent", KEY_SETTING + 11, "N", OPTION_HIDDEN, 0, 3},
    {"speed", KEY_SETTING + 12, "N", OPTION_HIDDEN, 0, 3},
    {"tcp_ts_tick_usecs", KEY_SETTING + 13, "N", OPTION_HIDDEN, 0, 3},
    {"non_fatal", KEY_SETTING + 14, "WHAT", OPTION_HIDDEN, 0, 3},
    {"strict_segments", KEY_SETTING + 15, 0, 0, "compare segment by segment", 3},
    {"option_order", KEY_SETTING + 16, "ORDER", OPTION_HIDDEN, 0, 3},
    {"profile", KEY_SETTING + 17, "TCP", 0, "linux or duet: which TCP the script was written for",
     3},
    {"init_scripts", KEY_SETTING + 18, "X", OPTION_HIDDEN, 0, 3},
    {"tun_dev", KEY_SETTING + 19, "X", OPTION_HIDDEN, 0, 3},
    {"mss", KEY_SETTING + 20, "X", OPTION_HIDDEN, 0, 3},
    {"is_anyip", KEY_SETTING + 21, "X", OPTION_HIDDEN, 0, 3},
    {0, 0, 0, 0, 0, 0},
};

static void *or_die(void *memory)
{
    if (memory == NULL) {
        command_complain("duet script", "out of memory");
        exit(COMMAND_USAGE);
    }
    return memory;
}

static void add_text(struct texts *texts, const char *format, const char *a, const char *b)
{
    char *text = NULL;
    if (asprintf(&text, format, a, b) < 0) {
        text = NULL;
    }
    texts->all = or_die(realloc(texts->all, (texts->count + 1) * sizeof(*texts->all)));
    texts->all[texts->count++] = or_die(text);
}

/* ---- files ---- */

static void add_item(struct script_run *run, const char *path)
{
    run->items = or_die(realloc(run->items, (run->count + 1) * sizeof(*run->items)));
    run->items[run->count] = (struct script_item){.path = or_die(strdup(path))};
    run->count++;
}

static int is_shown(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool has_ending(const char *path, const char *ending)
{
    size_t length = strlen(path), size = strlen(ending);
    return length > size && strcmp(path + length - size, ending) == 0;
}

/* A file as it is; of a folder, every *.pkt below it, in order. */
static bool add_path(struct arguments *arguments, const char *path, unsigned depth)
{
    struct stat status;
    bool is_standard = strcmp(path, "-") == 0;
    if (is_standard || (stat(path, &status) == 0 && !S_ISDIR(status.st_mode))) {
        if (depth == 0 || has_ending(path, ".pkt")) {
            add_item(&arguments->run, path);
        }
        return true;
    }
    struct dirent **entries = NULL;
    int count = depth < DEPTH_MAX ? scandir(path, &entries, is_shown, alphasort) : 0;
    if (count < 0) {
        command_complain(arguments->command, "%s: %s", path, strerror(errno));
        return false;
    }
    bool good = true;
    for (int i = 0; i < count; i++) {
        char *below = NULL;
        if (depth == 0 && strcmp(entries[i]->d_name, "differences.tsv") == 0) {
            free(arguments->default_differences);
            if (asprintf(&arguments->default_differences, "%s/differences.tsv", path) < 0) {
                arguments->default_differences = NULL;
            }
        }
        const char *slash = has_ending(path, "/") ? "" : "/";
        if (good && asprintf(&below, "%s%s%s", path, slash, entries[i]->d_name) >= 0) {
            good = add_path(arguments, below, depth + 1);
            free(below);
        }
        free(entries[i]);
    }
    free(entries);
    return good;
}

/* ---- argp ---- */

static error_t usage(const struct argp_state *state)
{
    (void)state;
    return EINVAL;
}

/* An option without a value. */
static bool take_switch(struct arguments *arguments, int key)
{
    struct duet_script_options *to = &arguments->run.options;
    const struct {
        int key;
        bool *to;
    } switches[] = {{'v', &to->verbose},
                    {KEY_LADDER, &to->ladder},
                    {KEY_JSON, &arguments->run.json},
                    {KEY_SHELL, &to->allow_shell},
                    {KEY_PYTHON, &to->allow_python},
                    {KEY_PARSE, &to->parse_only}};
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++)
        if (switches[i].key == key)
            return *switches[i].to = true;
    return false;
}

/* An option whose value is kept as it is, and looked at later. */
static bool take_word(struct arguments *arguments, int key, const char *argument)
{
    const struct {
        int key;
        const char **to;
    } words[] = {{KEY_AGAINST, &arguments->against}, {KEY_KNOWN, &arguments->random.known},
                 {KEY_PCAPNG, &arguments->pcapng},   {KEY_DIFFERENCES, &arguments->differences},
                 {KEY_JUNIT, &arguments->junit},     {KEY_COLOUR, &arguments->colour}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (words[i].key == key) {
            *words[i].to = argument;
            return true;
        }
    }
    return false;
}

static error_t take_option(struct arguments *arguments, int key, char *argument,
                           struct argp_state *state)
{
    if (key >= KEY_SETTING && key < KEY_SETTING + (int)(sizeof(settings) / sizeof(settings[0]))) {
        const char *format = argument != NULL ? "%s=%s" : "%s%s";
        add_text(&arguments->settings, format, settings[key - KEY_SETTING],
                 argument != NULL ? argument : "");
        return 0;
    }
    if (take_switch(arguments, key) || take_word(arguments, key, argument))
        return 0;
    switch (key) {
    case 'j':
        arguments->run.jobs =
            (unsigned)command_number_of(arguments->command, "number of jobs", argument, 1, 64);
        return 0;
    case KEY_RANDOM:
        arguments->random.count =
            command_number_of(arguments->command, "number of timelines", argument, 1, 1000000000);
        return 0;
    case KEY_LONGEST: /* seconds */
        arguments->run.options.longest = (uint32_t)command_number_of(
            arguments->command, "number of seconds", argument, 1, 86400);
        return 0;
    case 'D':
        if (strchr(argument, '=') == NULL || argument[0] == '=') {
            command_complain(arguments->command, "'%s' is not NAME=VALUE", argument);
            return usage(state);
        }
        add_text(&arguments->definitions, "%s%s", argument, "");
        return 0;
    case KEY_CONFIG:
        add_text(&arguments->settings, "%s=%s", "config", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    if (key == ARGP_KEY_ARG) {
        return add_path(arguments, argument, 0) ? 0 : usage(state);
    }
    if (key == ARGP_KEY_NO_ARGS && arguments->random.count == 0) {
        command_complain(arguments->command, "no script given; '-' is standard input");
        return usage(state);
    }
    return take_option(arguments, key, argument, state);
}

/* ---- a run ---- */

static bool settle(struct arguments *arguments)
{
    struct script_run *run = &arguments->run;
    run->both = strcmp(arguments->against, "both") == 0;
    run->options.against_kernel = run->both || strcmp(arguments->against, "kernel") == 0;
    if (!run->options.against_kernel && strcmp(arguments->against, "core") != 0) {
        command_complain(arguments->command, "--against takes core, kernel or both");
        return false;
    }
    if (!command_colour(arguments->colour, stdout, &run->colour)) {
        command_complain(arguments->command, "--color takes auto, always or never");
        return false;
    }
    if (run->count == 0) {
        command_complain(arguments->command, "there are no *.pkt files there");
        return false;
    }
    if (arguments->pcapng != NULL && run->count != 1) {
        command_complain(arguments->command, "--pcapng takes one script, not %zu", run->count);
        return false;
    }
    if (run->jobs == 0) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        run->jobs = processors < 1 ? 1 : processors > 64 ? 64 : (unsigned)processors;
    }
    run->options.colour = run->colour && !run->json;
    run->options.columns = run->json ? 80 : command_columns(stdout, 100);
    run->options.definitions = (const char *const *)arguments->definitions.all;
    run->options.definition_count = arguments->definitions.count;
    run->options.settings = (const char *const *)arguments->settings.all;
    run->options.setting_count = arguments->settings.count;
    return true;
}

static bool complain_about(const struct arguments *arguments, const char *path)
{
    command_complain(arguments->command, "%s: %s", path, strerror(errno));
    return false;
}

static bool write_junit(const struct arguments *arguments)
{
    struct command_output output;
    if (arguments->junit == NULL) {
        return true;
    }
    if (command_output_open(&output, arguments->junit) != 0) {
        return complain_about(arguments, arguments->junit);
    }
    bool good = script_report_junit(&arguments->run, output.file) == 0;
    return command_output_close(&output, good) == 0 || complain_about(arguments, arguments->junit);
}

static bool work(struct arguments *arguments)
{
    struct command_output packets;
    if (arguments->pcapng != NULL) {
        if (command_output_open(&packets, arguments->pcapng) != 0) {
            return complain_about(arguments, arguments->pcapng);
        }
        arguments->run.options.pcapng = packets.file;
    }
    bool good = script_work(&arguments->run) == 0;
    if (!good) {
        command_complain(arguments->command, "%s", strerror(errno));
    }
    if (arguments->pcapng != NULL && command_output_close(&packets, good) != 0) {
        return complain_about(arguments, arguments->pcapng);
    }
    return good;
}

static void release(struct arguments *arguments)
{
    for (size_t i = 0; i < arguments->run.count; i++) {
        duet_script_result_free(&arguments->run.items[i].result);
        free(arguments->run.items[i].path);
    }
    free(arguments->run.items);
    free(arguments->default_differences);
    script_differences_free(&arguments->run);
    const struct texts *const lists[] = {&arguments->definitions, &arguments->settings};
    for (size_t list = 0; list < 2; list++) {
        for (size_t i = 0; i < lists[list]->count; i++) {
            free(lists[list]->all[i]);
        }
        free(lists[list]->all);
    }
}

static const char *differences(const struct arguments *arguments)
{
    return arguments->differences != NULL ? arguments->differences : arguments->default_differences;
}

static int run_random(struct arguments *arguments)
{
    uint64_t seed = 1;
    for (size_t i = 0; i < arguments->settings.count; i++) {
        const char *text = arguments->settings.all[i];
        if (strncmp(text, "seed=", 5) == 0 && !command_number(text + 5, 0, UINT64_MAX, &seed)) {
            command_complain(arguments->command, "--seed takes a number");
            return COMMAND_USAGE;
        }
    }
    if (strcmp(arguments->against, "both") != 0 || arguments->run.count > 0) {
        command_complain(arguments->command, "--random goes with --against both and without files");
        return COMMAND_USAGE;
    }
    arguments->random.seed = seed;
    arguments->random.jobs = arguments->run.jobs;
    return script_random(arguments->command, &arguments->random);
}

int command_script(int argc, char **argv)
{
    static const struct argp argp = {
        options,
        parse,
        "FILE.pkt|FOLDER...",
        "Play packet timelines (the language of packetdrill, docs/SCRIPT.md) against duet's stack, "
        "in virtual time.",
        NULL,
        NULL,
        NULL};
    struct arguments arguments = {.command = argv[0], .colour = "auto", .against = "core"};
    arguments.run.options.longest = 20;
    int code = COMMAND_USAGE;
    argp_err_exit_status = COMMAND_USAGE;
    bool good = argp_parse(&argp, argc, argv, 0, NULL, &arguments) == 0;
    if (good && arguments.random.count > 0) {
        code = run_random(&arguments);
    } else if (good && settle(&arguments) &&
               (code = script_kernel_prepare(arguments.command, &arguments.run,
                                             differences(&arguments))) == COMMAND_OK &&
               (code = work(&arguments) ? COMMAND_OK : COMMAND_USAGE) == COMMAND_OK) {
        script_report_summary(&arguments.run);
        const struct script_run *run = &arguments.run;
        code = run->broken > 0 ? COMMAND_USAGE : run->failed > 0 ? COMMAND_FAILED : COMMAND_OK;
        code = write_junit(&arguments) ? code : COMMAND_USAGE;
    }
    release(&arguments);
    return code;
}
