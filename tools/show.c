/* SPDX-License-Identifier: MIT */
/* duet show: one TCP connection, drawn as it happens. Plays a scenario between two stacks in
 * virtual time (or, with --peer kernel, one connection with the operating system's TCP) and draws
 * what the recorder saw. */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "duet/scenario.h"
#include "show_peer.h"
#include "show_plot.h"

enum {
    COLUMNS_LEAST = 80,
    COLUMNS_MOST = 400,
    PACKET_MOST = 1000000,
    DELAY_MOST_MS = 24 * 3600 * 1000,
    LATENCY_DEFAULT_MS = 10,
    LATENCY_MOST_MS = 60 * 1000,
    PROBLEM_SIZE = 256,
};

/* ---- formats ---- */

struct format {
    const char *name;
    int (*write)(const struct duet_recorder *recorder, const struct duet_ladder_options *options,
                 FILE *to);
};

static int write_json(const struct duet_recorder *recorder,
                      const struct duet_ladder_options *options, FILE *to)
{
    (void)options;
    return duet_trace_json(recorder, to);
}

static int write_pcapng(const struct duet_recorder *recorder,
                        const struct duet_ladder_options *options, FILE *to)
{
    (void)options;
    return duet_recorder_pcapng(recorder, to);
}

static const struct format formats[] = {
    {"text", duet_ladder_text}, {"json", write_json},     {"svg", duet_ladder_svg},
    {"html", duet_ladder_html}, {"pcapng", write_pcapng},
};
enum { FORMATS = sizeof formats / sizeof formats[0] };

/* ---- options ---- */

struct show {
    const char *command;
    const struct duet_scenario *scenario;
    bool list;
    const struct format *format; /* NULL: none, only a plot is wanted */
    const char *output;
    const char *colour;
    uint64_t columns; /* 0: the terminal's */
    bool absolute;
    struct show_plot plot;
    const char *peer, *role, *link;
    bool scenario_only; /* an option was given that means nothing with --peer */
    struct duet_scenario_options options;
    struct duet_scenario_fault faults[DUET_SCENARIO_FAULTS_MAX];
};

enum {
    KEY_LIST = 256,
    KEY_DROP,
    KEY_DUPLICATE,
    KEY_DELAY,
    KEY_SEED,
    KEY_ABSOLUTE,
    KEY_COLUMNS,
    KEY_COLOUR,
    KEY_PEER,
    KEY_ROLE,
    KEY_LINK,
    KEY_LATENCY,
    KEY_PLOT,
    KEY_PLOT_END,
};

static const struct argp_option argp_options[] = {
    {0, 0, 0, 0, "What happens:", 1},
    {"scenario", 's', "NAME", 0, "the story to play (default: three-way)", 1},
    {"list", KEY_LIST, 0, 0, "list the scenarios and what each teaches", 1},
    {"drop", KEY_DROP, "N", 0, "the network loses packet N (repeatable)", 1},
    {"duplicate", KEY_DUPLICATE, "N", 0, "the network delivers packet N twice (repeatable)", 1},
    {"delay", KEY_DELAY, "N=MS", 0, "packet N takes MS milliseconds longer (repeatable)", 1},
    {"latency", KEY_LATENCY, "MS", 0, "time from end to end, in milliseconds (default: 10)", 1},
    {"seed", KEY_SEED, "N", 0, "other sequence numbers, ports and bytes (default: 1)", 1},
    {"ipv6", '6', 0, 0, "IPv6 instead of IPv4", 1},
    {0, 0, 0, 0, "How it is shown:", 2},
    {"format", 'f', "FORMAT", 0, "text, json, svg, html or pcapng (default: text)", 2},
    {"output", 'o', "FILE", 0, "write to FILE, whole or not at all", 2},
    {"plot", KEY_PLOT, "FILE", 0,
     "a plot over time, FILE.svg or FILE.html, instead of the ladder (besides it, with -f or -o)",
     2},
    {"plot-end", KEY_PLOT_END, "END", 0,
     "whose sending is plotted, client or server (default: who sent more)", 2},
    {"absolute", KEY_ABSOLUTE, 0, 0, "sequence numbers as on the wire, not from 0", 2},
    {"columns", KEY_COLUMNS, "N", 0, "width of the text, from 80 (default: the terminal's, or 80)",
     2},
    {"color", KEY_COLOUR, "WHEN", 0, "auto, always or never (default: auto)", 2},
    {0, 0, 0, 0, "Against the operating system:", 3},
    {"peer", KEY_PEER, "kernel", 0, "connect to the operating system's TCP, on real packets", 3},
    {"role", KEY_ROLE, "ROLE", 0, "what duet then is, client or server (default: client)", 3},
    {"link", KEY_LINK, "LINK", 0, "tun or packet (default: tun, and packet if that is closed)", 3},
    {0, 0, 0, 0, 0, 0},
};

/* Packets are counted from 1 in the order in which both ends send them: the numbers on the ladder.
 */
static bool add_fault(struct show *show, enum duet_fault fault, const char *packet,
                      uint64_t delay_ms)
{
    uint64_t number;

    if (!command_number(packet, 1, PACKET_MOST, &number)) {
        command_complain(show->command, "'%s' is not the number of a packet, 1 to %d", packet,
                         PACKET_MOST);
        return false;
    }
    if (show->options.fault_count == DUET_SCENARIO_FAULTS_MAX) {
        command_complain(show->command, "more than %d faults", DUET_SCENARIO_FAULTS_MAX);
        return false;
    }
    show->faults[show->options.fault_count++] = (struct duet_scenario_fault){
        .fault = fault,
        .packet = (uint32_t)number,
        .delay = (duet_time)delay_ms * DUET_MILLISECOND,
    };
    return true;
}

static bool add_delay(struct show *show, char *argument)
{
    char *equals = strchr(argument, '=');
    uint64_t ms;

    if (equals == NULL || !command_number(equals + 1, 0, DELAY_MOST_MS, &ms)) {
        command_complain(show->command, "'%s' is no delay; write N=MS, MS at most %d", argument,
                         DELAY_MOST_MS);
        return false;
    }
    *equals = '\0';
    return add_fault(show, DUET_FAULT_DELAY, argument, ms);
}

static bool set_number(const struct show *show, const char *what, const char *text, uint64_t least,
                       uint64_t most, uint64_t *number)
{
    if (command_number(text, least, most, number))
        return true;
    command_complain(show->command, "'%s' is no %s; it is a number from %llu to %llu", text, what,
                     (unsigned long long)least, (unsigned long long)most);
    return false;
}

static bool set_latency(struct show *show, const char *text)
{
    uint64_t ms;

    if (!set_number(show, "latency", text, 0, LATENCY_MOST_MS, &ms))
        return false;
    show->options.latency = (duet_time)ms * DUET_MILLISECOND;
    return true;
}

static bool set_scenario(struct show *show, const char *name)
{
    const struct duet_scenario *nearest = duet_scenario_nearest(name);

    show->scenario = duet_scenario_find(name);
    if (show->scenario != NULL)
        return true;
    if (nearest != NULL)
        command_complain(show->command, "there is no scenario '%s'; did you mean '%s'?", name,
                         nearest->name);
    else
        command_complain(show->command, "there is no scenario '%s'; `duet show --list` lists them",
                         name);
    return false;
}

static bool set_format(struct show *show, const char *name)
{
    for (unsigned i = 0; i < FORMATS; i++) {
        if (strcmp(formats[i].name, name) == 0) {
            show->format = &formats[i];
            return true;
        }
    }
    command_complain(show->command,
                     "there is no format '%s'; there are text, json, svg, html and "
                     "pcapng",
                     name);
    return false;
}

/* One of the words, which end with NULL. */
static bool set_word(const struct show *show, const char *what, const char *word,
                     const char *const *words, const char **set)
{
    for (unsigned i = 0; words[i] != NULL; i++) {
        if (strcmp(word, words[i]) == 0) {
            *set = words[i];
            return true;
        }
    }
    command_complain(show->command, "there is no %s '%s'; see --help", what, word);
    return false;
}

static bool take_option(struct show *show, int key, char *argument)
{
    static const char *const colours[] = {"auto", "always", "never", NULL};
    static const char *const peers[] = {"kernel", NULL};
    static const char *const roles[] = {"client", "server", NULL};
    static const char *const links[] = {"tun", "packet", NULL};

    switch (key) {
    case 's':
        return set_scenario(show, argument);
    case KEY_LIST:
        show->list = true;
        return true;
    case KEY_DROP:
        return add_fault(show, DUET_FAULT_DROP, argument, 0);
    case KEY_DUPLICATE:
        return add_fault(show, DUET_FAULT_DUPLICATE, argument, 0);
    case KEY_DELAY:
        return add_delay(show, argument);
    case KEY_LATENCY:
        return set_latency(show, argument);
    case KEY_SEED:
        return set_number(show, "seed", argument, 0, UINT64_MAX, &show->options.seed);
    case '6':
        show->options.ipv6 = true;
        return true;
    case 'f':
        return set_format(show, argument);
    case 'o':
        show->output = argument;
        return true;
    case KEY_PLOT:
        return show_plot_file(&show->plot, show->command, argument);
    case KEY_PLOT_END:
        return show_plot_end(&show->plot, show->command, argument);
    case KEY_ABSOLUTE:
        show->absolute = true;
        return true;
    case KEY_COLUMNS:
        return set_number(show, "width", argument, COLUMNS_LEAST, COLUMNS_MOST, &show->columns);
    case KEY_COLOUR:
        return set_word(show, "colour", argument, colours, &show->colour);
    case KEY_PEER:
        return set_word(show, "peer", argument, peers, &show->peer);
    case KEY_ROLE:
        return set_word(show, "role", argument, roles, &show->role);
    default:
        return set_word(show, "link", argument, links, &show->link);
    }
}

/* Options that choose or disturb a scenario mean nothing to a peer that is not ours. */
static bool is_for_scenarios(int key)
{
    return key == 's' || key == KEY_DROP || key == KEY_DUPLICATE || key == KEY_DELAY ||
           key == KEY_LATENCY || key == KEY_SEED;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct show *show = state->input;

    if (key == ARGP_KEY_ARG) {
        command_complain(show->command, "there is nothing to do with '%s'; see --help", argument);
        exit(COMMAND_USAGE);
    }
    if (key != KEY_LIST && argument == NULL && key != '6' && key != KEY_ABSOLUTE)
        return ARGP_ERR_UNKNOWN;
    show->scenario_only |= is_for_scenarios(key);
    if (!take_option(show, key, argument))
        exit(COMMAND_USAGE);
    return 0;
}

static const struct argp argp = {
    .options = argp_options,
    .parser = parse_option,
    .doc = "Shows one TCP connection: both ends' states beside every segment, and why.\v"
           "Exit status: 0 if both ends came to CLOSED, 1 if not, 2 for a wrong command line.",
};

/* ---- showing ---- */

static void print_list(void)
{
    const struct duet_scenario *scenario;

    for (unsigned i = 0; (scenario = duet_scenario(i)) != NULL; i++)
        printf("%-20s %s\n", scenario->name, scenario->lesson);
}

static int draw(const struct show *show, const struct duet_recorder *recorder,
                const struct duet_ladder_options *ladder, struct command_output *output)
{
    if (show->format->write(recorder, ladder, output->file) != 0) {
        command_complain(show->command, "cannot draw: %s", strerror(errno));
        command_output_close(output, false);
        return COMMAND_FAILED;
    }
    if (command_output_close(output, true) != 0) {
        command_complain(show->command, "cannot write %s: %s",
                         show->output == NULL ? "the output" : show->output, strerror(errno));
        return COMMAND_FAILED;
    }
    return COMMAND_OK;
}

/* output: NULL if no ladder is wanted. */
static int play(const struct show *show, const struct duet_ladder_options *ladder,
                struct command_output *output)
{
    struct duet_recorder *recorder;
    char problem[PROBLEM_SIZE];
    int played, drawn;

    if (duet_recorder_new(&recorder) != 0) {
        command_complain(show->command, "%s", strerror(errno));
        if (output != NULL)
            command_output_close(output, false);
        return COMMAND_FAILED;
    }
    played = duet_scenario_run(show->scenario, &show->options, recorder, problem, sizeof problem);
    /* What went wrong is best seen on the ladder, so it is drawn in any case. */
    drawn = output == NULL ? COMMAND_OK : draw(show, recorder, ladder, output);
    if (show->plot.file != NULL && drawn == COMMAND_OK)
        drawn =
            show_plot_write(&show->plot, show->command, recorder, ladder->title, ladder->lesson);
    if (played != 0)
        command_complain(show->command, "%s", problem);
    duet_recorder_free(recorder);
    return played != 0 ? COMMAND_FAILED : drawn;
}

static int show_scenario(const struct show *show, unsigned columns, bool colour)
{
    struct command_output output;
    struct duet_ladder_options ladder = {
        .title = show->scenario->name,
        .lesson = show->scenario->lesson,
        .columns = columns,
        .colour = colour,
        .absolute = show->absolute,
    };

    if (show->format == NULL)
        return play(show, &ladder, NULL);
    if (command_output_open(&output, show->output) != 0) {
        command_complain(show->command, "cannot write %s: %s", show->output, strerror(errno));
        return COMMAND_USAGE;
    }
    return play(show, &ladder, &output);
}

static int show_kernel(const struct show *show, unsigned columns, bool colour)
{
    struct show_peer_options peer = {
        .role = show->role,
        .ipv6 = show->options.ipv6,
        .absolute = show->absolute,
        .format = show->format == NULL ? NULL : show->format->name,
        .plot = &show->plot,
        .output = show->output,
        .columns = columns,
        .colour = colour,
        .link = show->link,
    };

    if (show->scenario_only) {
        command_complain(show->command,
                         "--peer kernel goes its own way: it has no scenario, faults, "
                         "latency or seed");
        return COMMAND_USAGE;
    }
    return show_peer(&peer);
}

int command_show(int argc, char **argv)
{
    struct show show = {
        .command = argv[0],
        .scenario = duet_scenario(0),
        .plot = {.end = DUET_RECORDER_ENDS},
        .colour = "auto",
        .options = {.seed = 1, .latency = LATENCY_DEFAULT_MS * DUET_MILLISECOND},
    };
    unsigned columns;
    bool colour;

    argp_err_exit_status = COMMAND_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &show);
    show.options.faults = show.faults;
    if (show.list) {
        print_list();
        return COMMAND_OK;
    }
    if (show.peer == NULL && (show.role != NULL || show.link != NULL)) {
        command_complain(show.command, "--role and --link belong to --peer kernel");
        return COMMAND_USAGE;
    }
    if (show.plot.file == NULL && show.plot.end != DUET_RECORDER_ENDS) {
        command_complain(show.command, "--plot-end belongs to --plot");
        return COMMAND_USAGE;
    }
    if (show.role == NULL)
        show.role = "client";
    if (show.format == NULL && (show.plot.file == NULL || show.output != NULL))
        show.format = &formats[0];
    /* A file has no terminal's width and no terminal's colours. */
    columns = show.output == NULL ? command_columns(stdout, COLUMNS_LEAST) : COLUMNS_LEAST;
    if (columns < COLUMNS_LEAST)
        columns = COLUMNS_LEAST;
    if (show.columns != 0)
        columns = (unsigned)show.columns;
    command_colour(show.output == NULL || strcmp(show.colour, "always") == 0 ? show.colour
                                                                             : "never",
                   stdout, &colour);
    return show.peer == NULL ? show_scenario(&show, columns, colour)
                             : show_kernel(&show, columns, colour);
}
