/* SPDX-License-Identifier: MIT */
/* What the commands of the program share: exit codes, complaints, numbers, colours, output files.
 */
#ifndef TOOLS_COMMAND_H
#define TOOLS_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Exit codes, the same for every command. */
enum {
    COMMAND_OK = 0,
    COMMAND_FAILED = 1, /* the command was understood, and what it tried did not succeed */
    COMMAND_USAGE = 2,  /* a wrong option, name, number or file on the command line */
};

/* The commands; main.c holds the table. argv[0] is "duet NAME", the rest are its arguments. */
int command_show(int argc, char **argv);
int command_script(int argc, char **argv);
int command_attack(int argc, char **argv);
int command_isn(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_explore(int argc, char **argv);
int command_sim(int argc, char **argv);

/* One line on standard error: "duet NAME: what is wrong". */
void command_complain(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A decimal number in [least, most]; false if the text is anything else. */
bool command_number(const char *text, uint64_t least, uint64_t most, uint64_t *number);

/* The same for an option without which the command cannot go on: complains that the text is no
 * such thing, and exits with COMMAND_USAGE. */
uint64_t command_number_of(const char *command, const char *what, const char *text, uint64_t least,
                           uint64_t most);

/* An option that says one thing: that something is so, or how much of it. */
struct command_option {
    int key;          /* of argp; 0 ends a table */
    bool *is_so;      /* NULL: a number */
    uint64_t *number; /* what it is, from least to most, is called what */
    const char *what;
    uint64_t least, most;
};

/* Does what the option of a table says, as command_number_of() does. False: the key is another's. */
bool command_take(const char *command, const struct command_option *table, int key,
                  const char *text);

/* "auto", "always" or "never" to colour or not, for output to this stream. auto means a terminal
 * that has not asked for none (NO_COLOR, TERM=dumb). False if the word is another. */
bool command_colour(const char *word, FILE *to, bool *colour);

/* The width of the terminal that the stream is, or otherwise if it is none or does not tell. */
unsigned command_columns(FILE *to, unsigned otherwise);

/* An output file that appears whole or not at all: it is written under a name of its own beside its
 * place, and put there by a rename at the end. */
struct command_output {
    FILE *file;       /* write here */
    const char *path; /* NULL: standard output */
    char *temporary;  /* name until then */
};

/* path NULL or "-": standard output. Returns 0, or -1 with errno. */
int command_output_open(struct command_output *output, const char *path);
/* Puts the file in its place if keep, removes it otherwise. Returns 0, or -1 with errno when
 * something could not be written; then nothing is left. */
int command_output_close(struct command_output *output, bool keep);

#endif
