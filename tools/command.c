/* SPDX-License-Identifier: MIT */
/* What the commands of the program share; see command.h. */
#include "command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

void command_complain(const char *command, const char *format, ...)
{
    va_list arguments;

    fflush(stdout);
    fprintf(stderr, "%s: ", command);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

bool command_number(const char *text, uint64_t least, uint64_t most, uint64_t *number)
{
    unsigned long long value;
    char *end;

    /* strtoull takes signs and spaces, which no number here has. */
    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < least || value > most)
        return false;
    *number = value;
    return true;
}

uint64_t command_number_of(const char *command, const char *what, const char *text, uint64_t least,
                           uint64_t most)
{
    uint64_t number;

    if (command_number(text, least, most, &number))
        return number;
    command_complain(command, "'%s' is no %s; it is a number from %" PRIu64 " to %" PRIu64, text,
                     what, least, most);
    exit(COMMAND_USAGE);
}

bool command_take(const char *command, const struct command_option *table, int key,
                  const char *text)
{
    for (; table->key != 0; table++) {
        if (table->key != key)
            continue;
        if (table->is_so != NULL)
            *table->is_so = true;
        else if (text != NULL) /* without one it is as it is */
            *table->number =
                command_number_of(command, table->what, text, table->least, table->most);
        return true;
    }
    return false;
}

bool command_colour(const char *word, FILE *to, bool *colour)
{
    const char *none = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");

    if (strcmp(word, "always") == 0)
        *colour = true;
    else if (strcmp(word, "never") == 0)
        *colour = false;
    else if (strcmp(word, "auto") == 0)
        *colour = isatty(fileno(to)) == 1 && (none == NULL || none[0] == '\0') &&
                  (terminal == NULL || strcmp(terminal, "dumb") != 0);
    else
        return false;
    return true;
}

unsigned command_columns(FILE *to, unsigned otherwise)
{
    struct winsize size;

    if (isatty(fileno(to)) != 1 || ioctl(fileno(to), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return otherwise;
    return size.ws_col;
}

/* ---- output files ---- */

/* What a newly made file may be read and written by, as the user has set it. */
static mode_t permissions(void)
{
    mode_t mask = umask(0);

    umask(mask);
    return 0666 & ~mask;
}

static int open_temporary(struct command_output *output)
{
    static const char suffix[] = ".XXXXXX";
    size_t length = strlen(output->path);
    int descriptor;

    output->temporary = malloc(length + sizeof suffix);
    if (output->temporary == NULL)
        return -1;
    memcpy(output->temporary, output->path, length);
    memcpy(output->temporary + length, suffix, sizeof suffix);
    descriptor = mkstemp(output->temporary);
    if (descriptor == -1)
        return -1;
    if (fchmod(descriptor, permissions()) == 0)
        output->file = fdopen(descriptor, "wb");
    if (output->file == NULL) {
        int why = errno;

        close(descriptor);
        unlink(output->temporary);
        errno = why;
        return -1;
    }
    return 0;
}

/* A device or a pipe is written to as it is: putting a file in its place would be no favour. */
static bool is_special(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && !S_ISREG(status.st_mode);
}

int command_output_open(struct command_output *output, const char *path)
{
    *output = (struct command_output){0};
    if (path == NULL || strcmp(path, "-") == 0) {
        output->file = stdout;
        return 0;
    }
    output->path = path;
    if (is_special(path)) {
        output->file = fopen(path, "wb");
        return output->file == NULL ? -1 : 0;
    }
    if (open_temporary(output) != 0) {
        free(output->temporary);
        return -1;
    }
    return 0;
}

int command_output_close(struct command_output *output, bool keep)
{
    int why = 0;

    errno = 0;
    if (ferror(output->file) != 0)
        why = EIO;
    if ((output->path == NULL ? fflush(output->file) : fclose(output->file)) != 0 && why == 0)
        why = errno;
    if (output->temporary != NULL) {
        if (why == 0 && keep && rename(output->temporary, output->path) != 0)
            why = errno;
        if (why != 0 || !keep)
            unlink(output->temporary);
        free(output->temporary);
    }
    errno = why;
    return why == 0 ? 0 : -1;
}
