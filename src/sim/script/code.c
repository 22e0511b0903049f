/* SPDX-License-Identifier: MIT */
/* Commands and code of a script. This is the only file that starts a process, and it does so only
 * when the options allow it: allow_shell for commands, allow_python for code.
 *
 * Code is collected with the tcpi_ values of its time and run as one program at the end, so that
 * later pieces see the variables of earlier ones.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/script/player.h"
#include "sim/script/values.h"

enum { TCP_INFO_FIELDS_MAX = 64 };

struct code_piece {
    struct code_piece *next;
    const struct event *event;
    unsigned count;
    struct tcp_info_field fields[TCP_INFO_FIELDS_MAX];
};

/* ---- struct tcp_info of Linux ---- */

static int64_t linux_state(enum duet_state state)
{
    switch (state) {
    case DUET_CLOSED:
        return 7;
    case DUET_LISTEN:
        return 10;
    case DUET_SYN_SENT:
        return 2;
    case DUET_SYN_RECEIVED:
        return 3;
    case DUET_ESTABLISHED:
        return 1;
    case DUET_FIN_WAIT_1:
        return 4;
    case DUET_FIN_WAIT_2:
        return 5;
    case DUET_CLOSE_WAIT:
        return 8;
    case DUET_CLOSING:
        return 11;
    case DUET_LAST_ACK:
        return 9;
    case DUET_TIME_WAIT:
        return 6;
    case DUET_STATES:
        break;
    }
    return 0;
}

static int64_t segments(int64_t bytes, const struct duet_status *status)
{
    int64_t mss = status->send_mss > 0 ? status->send_mss : 1;
    return (bytes + mss - 1) / mss;
}

unsigned sock_tcp_info(struct player *player, const struct sock *sock,
                       struct tcp_info_field *fields, unsigned max)
{
    struct duet_status status;
    memset(&status, 0, sizeof(status));
    if (player->stack != NULL && sock->has_handle) {
        (void)duet_status(player->stack, sock->handle, &status);
    }
    int64_t infinite = 2147483647; /* TCP_INFINITE_SSTHRESH */
    bool no_threshold = (int64_t)status.slow_start_threshold >= infinite;
    int64_t options = (status.timestamps ? 1 : 0) | (status.sack ? 2 : 0) |
                      (status.send_scale != 0 || status.receive_scale != 0 ? 4 : 0);
    const struct tcp_info_field all[] = {
        {"tcpi_state", linux_state(status.state)},
        {"tcpi_retransmits", status.retransmissions},
        {"tcpi_backoff", status.retransmissions},
        {"tcpi_options", options},
        {"tcpi_snd_wscale", status.send_scale},
        {"tcpi_rcv_wscale", status.receive_scale},
        {"tcpi_rto", status.rto / DUET_MICROSECOND},
        {"tcpi_snd_mss", status.send_mss},
        {"tcpi_advmss", player->settings.config.mtu - (sock->v6 ? 60 : 40)},
        {"tcpi_pmtu", player->settings.config.mtu},
        {"tcpi_unacked", segments(status.in_flight, &status)},
        {"tcpi_rtt", status.smoothed_rtt / DUET_MICROSECOND},
        {"tcpi_rttvar", status.rtt_variance / DUET_MICROSECOND},
        {"tcpi_min_rtt", status.rtt_min / DUET_MICROSECOND},
        {"tcpi_snd_ssthresh",
         no_threshold ? infinite
                      : status.slow_start_threshold / (status.send_mss > 0 ? status.send_mss : 1)},
        {"tcpi_snd_cwnd", status.congestion_window / (status.send_mss > 0 ? status.send_mss : 1)},
        {"tcpi_rcv_space", status.rcv_wnd},
        {"tcpi_rcv_wnd", status.rcv_wnd},
        {"tcpi_snd_wnd", status.snd_wnd},
        {"tcpi_total_retrans", status.retransmitted},
        {"tcpi_notsent_bytes", (int64_t)status.send_queued - status.in_flight},
    };
    unsigned count = sizeof(all) / sizeof(all[0]);
    count = count < max ? count : max;
    memcpy(fields, all, count * sizeof(all[0]));
    return count;
}

/* The connection that code is about: the one opened last. */
static const struct sock *code_sock(const struct player *player)
{
    const struct sock *listener = NULL;
    for (const struct sock *sock = player->socks; sock != NULL; sock = sock->next) {
        if (sock->open && sock->kind == SOCK_CONNECTION) {
            return sock;
        }
        listener = sock->kind == SOCK_LISTENER && listener == NULL ? sock : listener;
    }
    return listener;
}

void player_note_code(struct player *player, const struct event *event)
{
    struct code_piece *piece = must_allocate(sizeof(*piece));
    const struct sock *sock = code_sock(player);
    piece->event = event;
    if (sock != NULL) {
        piece->count = sock_tcp_info(player, sock, piece->fields, TCP_INFO_FIELDS_MAX);
    }
    *player->code_end = piece;
    player->code_end = &piece->next;
}

void player_free_code(struct player *player)
{
    while (player->code != NULL) {
        struct code_piece *next = player->code->next;
        free(player->code);
        player->code = next;
    }
}

/* ---- processes ---- */

/* Runs a program in a folder, with its input from a file, and returns its wait status, or -1. What
 * it prints goes to text, cut to a few thousand characters. */
static int run_program(char *const arguments[], const char *folder, FILE *input, char *text,
                       size_t size)
{
    int ends[2];
    text[0] = '\0';
    if (pipe(ends) != 0) {
        return -1;
    }
    pid_t child = fork();
    if (child == 0) {
        if (input != NULL) {
            (void)dup2(fileno(input), STDIN_FILENO);
        }
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        if (chdir(folder) == 0) {
            execvp(arguments[0], arguments);
        }
        _exit(127);
    }
    close(ends[1]);
    size_t used = 0;
    char rest[512] = "";
    for (;;) {
        bool room = used + 1 < size;
        ssize_t n = read(ends[0], room ? text + used : rest, room ? size - used - 1 : sizeof(rest));
        if (n <= 0 && !(n < 0 && errno == EINTR)) {
            break;
        }
        used += room && n > 0 ? (size_t)n : 0;
    }
    text[used] = '\0';
    close(ends[0]);
    int status = -1;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        return -1;
    }
    return status;
}

static void told(void *context, const char *text)
{
    player_log(context, "  %s", text);
}

/* Runs a command in the folder of its script, as packetdrill does. */
static bool run_command(struct player *player, const struct event *event)
{
    char output[2000], shell[] = "/bin/sh", option[] = "-c";
    const char *slash = strrchr(player->path, '/');
    char *folder = slash != NULL ? must_format("%.*s/", (int)(slash - player->path), player->path)
                                 : must_format(".");
    char *command = must_format("%s", event->text);
    char *arguments[] = {shell, option, command, NULL};
    int status = run_program(arguments, folder, NULL, output, sizeof(output));
    free(command);
    free(folder);
    player_log(player, "  command: %s", output);
    if (status == 0) {
        return true;
    }
    size_t length = strcspn(output, "\n");
    return player_fail(player, "the command failed with status %d: %.*s",
                       WIFEXITED(status) ? WEXITSTATUS(status) : -1, (int)length, output);
}

bool player_command(struct player *player, const struct event *event)
{
    if (player->system->command != NULL) {
        player->system->command(player, event->text);
    } else if (!player->started) {
        (void)settings_command(&player->settings, event->text, told, player);
    } else {
        player_log(player, "  ignored: settings count until the first call or packet");
    }
    if (player->options->allow_shell) {
        return run_command(player, event);
    }
    player_log(player, "  not run: commands need --allow-shell");
    return true;
}

/* ---- code ---- */

/* Python cares about the blanks in front: those of the first line are taken off all. */
static void write_code(FILE *to, const char *text)
{
    while (*text == '\n' || *text == '\r') {
        text++;
    }
    size_t margin = strspn(text, " \t");
    const char *first_end = text + strcspn(text, "\n");
    bool blank_first = text + margin == first_end && *first_end != '\0';
    if (blank_first) {
        write_code(to, first_end);
        return;
    }
    for (const char *line = text; *line != '\0';) {
        size_t length = strcspn(line, "\n"), blanks = strspn(line, " \t");
        size_t skip = blanks < margin ? blanks : margin;
        skip = skip < length ? skip : length;
        fprintf(to, "%.*s\n", (int)(length - skip), line + skip);
        line += length + (line[length] == '\n' ? 1 : 0);
    }
}

static void write_program(const struct player *player, FILE *to)
{
    for (const struct code_piece *piece = player->code; piece != NULL; piece = piece->next) {
        for (unsigned i = 0; i < piece->count; i++) {
            fprintf(to, "%s = %lld\n", piece->fields[i].name, (long long)piece->fields[i].value);
        }
        /* Names of Linux's headers that such code uses. */
        fputs("TCP_CA_Open, TCP_CA_Disorder, TCP_CA_CWR, TCP_CA_Recovery, TCP_CA_Loss = range(5)\n",
              to);
        fprintf(to, "_duet_line = %u\n", piece->event->line);
        write_code(to, piece->event->text);
    }
}

/* Which piece failed: the program says on its last line. */
static const char *const prologue =
    "import sys\n"
    "def _duet_hook(kind, value, trace):\n"
    "    import traceback\n"
    "    text = traceback.format_exception_only(kind, value)[-1].strip()\n"
    "    last = traceback.extract_tb(trace)[-1]\n"
    "    line = _duet_source[last.lineno - 1].strip() if last.filename == '<code>' else ''\n"
    "    print('@%d %s %s' % (_duet_space.get('_duet_line', 0), text, line))\n"
    "    sys.exit(3 if kind is NameError and 'tcpi_' in text else 1)\n"
    "sys.excepthook = _duet_hook\n"
    "import re\n"
    "_duet_text = sys.stdin.read()\n"
    /* Scripts of old say print x. */
    "_duet_text = re.sub(r'(?m)^([ \\t]*)print[ \\t]+([^( \\t].*)$', r'\\1print(\\2)', "
    "_duet_text)\n"
    "_duet_source = _duet_text.split('\\n')\n"
    "_duet_space = {}\n"
    "exec(compile(_duet_text, '<code>', 'exec'), _duet_space)\n";

static bool judge_code(struct player *player, int status, const char *output)
{
    const char *mark = strrchr(output, '@');
    unsigned line = mark != NULL ? (unsigned)strtoul(mark + 1, NULL, 10) : 0;
    const char *text = mark != NULL ? mark + 1 + strspn(mark + 1, "0123456789 ") : output;
    for (const struct code_piece *piece = player->code; piece != NULL; piece = piece->next) {
        if (piece->event->line == line) {
            player->event = piece->event;
        }
    }
    size_t length = strcspn(text, "\n");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 3) {
        player_log(player, "code from line %u on was not run: %.*s", line, (int)length, text);
        player->result->code_skipped++;
        return true;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
        return player_broken(player, "python3 cannot be run");
    }
    return player_fail(player, "the code failed: %.*s", (int)length, text);
}

bool player_run_code(struct player *player)
{
    if (!player->options->allow_python) {
        for (const struct code_piece *piece = player->code; piece != NULL; piece = piece->next) {
            player->result->code_skipped++;
        }
        return true;
    }
    if (player->code == NULL) {
        return true;
    }
    FILE *input = tmpfile();
    if (input == NULL) {
        return player_broken(player, "no room for the code: %s", strerror(errno));
    }
    write_program(player, input);
    rewind(input);
    char output[4000], python[] = "python3", option[] = "-c";
    char *program = must_format("%s", prologue);
    char *arguments[] = {python, option, program, NULL};
    int status = run_program(arguments, ".", input, output, sizeof(output));
    free(program);
    fclose(input);
    return status == 0 || judge_code(player, status, output);
}
