/* SPDX-License-Identifier: MIT */
/* The program `duet`: a table of commands and the way into each. */
#include <stdlib.h>
#include <string.h>

#include "command.h"

struct command {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
    {"show", "watch one TCP connection from SYN to the end of TIME-WAIT", command_show},
    {"script", "play packet timelines against the stack, in virtual time", command_script},
    {"attack", "play the attack table: what hostile peers and strangers do", command_attack},
    {"explore", "every order of packets, timers and calls between two stacks, state by state",
     command_explore},
    {"isn", "judge how a host chooses its initial sequence numbers, by a capture", command_isn},
    {"bench", "measure: speed beside lwIP, bytes held, TUN, goodput over bad paths", command_bench},
    {"sim", "simulate worlds by seed, and judge what happens in them", command_sim},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void print_help(FILE *to)
{
    fputs("Usage: duet COMMAND [OPTION...]\n"
          "A TCP that shows its work.\n\nCommands:\n",
          to);
    for (unsigned i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fputs("  help       what a command does and which options it has\n\n"
          "`duet COMMAND --help` says more. `duet --version` names the version.\n",
          to);
}

static int run(const char *name, int argc, char **argv)
{
    static char called[64];

    for (unsigned i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            /* So that messages and --help speak of "duet show". */
            snprintf(called, sizeof called, "duet %s", name);
            argv[0] = called;
            return commands[i].run(argc, argv);
        }
    }
    command_complain("duet", "there is no command '%s'; `duet --help` lists them", name);
    return COMMAND_USAGE;
}

static int help(int argc, char **argv)
{
    static char option[] = "--help";
    char *arguments[] = {argv[0], option, NULL};

    if (argc < 3) {
        print_help(stdout);
        return COMMAND_OK;
    }
    return run(argv[2], 2, arguments);
}

/* Output that nobody could read has failed, even if all else went well. */
static int finish(int code)
{
    bool lost = fflush(stdout) != 0 || ferror(stdout) != 0;

    if (!lost || code != COMMAND_OK)
        return code;
    command_complain("duet", "standard output cannot be written");
    return COMMAND_FAILED;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return COMMAND_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return finish(COMMAND_OK);
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("duet " DUET_VERSION);
        return finish(COMMAND_OK);
    }
    if (strcmp(argv[1], "help") == 0)
        return finish(help(argc, argv));
    return finish(run(argv[1], argc - 1, argv + 1));
}
