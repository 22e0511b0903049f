/* SPDX-License-Identifier: MIT */
/* Settings in shell commands: what a script for Linux or FreeBSD asks of the kernel, asked of duet
 * where duet has it. Nothing is run here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/script/settings.h"

/* How a value becomes one of duet's. */
enum translation {
    SAME,         /* the number itself */
    SECONDS,      /* to a time */
    MILLISECONDS, /* to a time */
    MICROSECONDS, /* to a time */
    INVERTED,     /* 0 is true */
    SYN_RETRIES,  /* n more SYNs, the timeout doubling from 1 s: 2^(n+1) - 1 seconds */
    RETRIES,      /* the same from 200 ms on, up to 120 s each */
    MEMORY_READ,  /* "min default max" */
    MEMORY_WRITE,
    PORT_RANGE,   /* "first last" */
    WORD,         /* the word itself */
    NOTHING_LEFT, /* duet always does this, or never: no difference to tell */
};

struct translated {
    const char *name;
    enum translation how;
    const char *field; /* of duet_config */
};

static const struct translated table[] = {
    {"net.ipv4.tcp_sack", SAME, "sack"},
    {"net.ipv4.tcp_timestamps", SAME, "timestamps"},
    {"net.ipv4.tcp_window_scaling", SAME, "window_scaling"},
    {"net.ipv4.tcp_rfc1337", INVERTED, "time_wait_rst"},
    {"net.ipv4.tcp_syn_retries", SYN_RETRIES, "syn_timeout"},
    {"net.ipv4.tcp_synack_retries", SAME, "syn_ack_retries"},
    {"net.ipv4.tcp_retries1", SAME, "r1_retransmissions"},
    {"net.ipv4.tcp_retries2", RETRIES, "user_timeout"},
    {"net.ipv4.tcp_fin_timeout", SECONDS, "fin_wait_2_timeout"},
    {"net.ipv4.tcp_keepalive_time", SECONDS, "keepalive_idle"},
    {"net.ipv4.tcp_keepalive_intvl", SECONDS, "keepalive_interval"},
    {"net.ipv4.tcp_keepalive_probes", SAME, "keepalive_probes"},
    {"net.ipv4.tcp_challenge_ack_limit", SAME, "challenge_limit"},
    {"net.ipv4.tcp_invalid_ratelimit", MILLISECONDS, "invalid_ack_spacing"},
    {"net.ipv4.tcp_min_snd_mss", SAME, "mss_min"},
    {"net.ipv4.tcp_rto_min_us", MICROSECONDS, "rto_min"},
    {"net.ipv4.tcp_rto_max_ms", MILLISECONDS, "rto_max"},
    {"net.ipv4.ip_default_ttl", SAME, "ttl"},
    {"net.ipv4.ip_local_port_range", PORT_RANGE, ""},
    {"net.ipv4.tcp_congestion_control", WORD, "controller"},
    {"net.ipv4.tcp_rmem", MEMORY_READ, ""},
    {"net.ipv4.tcp_wmem", MEMORY_WRITE, ""},
    {"net.ipv4.tcp_low_latency", NOTHING_LEFT, ""},
    {"net.ipv4.tcp_no_metrics_save", NOTHING_LEFT, ""},
    {"net.ipv4.tcp_abc", NOTHING_LEFT, ""},
    {"net.ipv4.tcp_fastopen", NOTHING_LEFT, ""}, /* the calls say who wants it */
    {"net.inet.tcp.sack.enable", SAME, "sack"},
    {"net.inet.tcp.msl", MILLISECONDS, "msl"},
    {"net.inet.tcp.delacktime", MILLISECONDS, "delayed_ack"},
    {"net.inet.tcp.rexmit_min", MILLISECONDS, "rto_min"},
    {"net.inet.tcp.rexmit_initial", MILLISECONDS, "rto_initial"},
    {"net.inet.tcp.keepidle", MILLISECONDS, "keepalive_idle"},
    {"net.inet.tcp.keepintvl", MILLISECONDS, "keepalive_interval"},
    {"net.inet.tcp.keepcnt", SAME, "keepalive_probes"},
    {"net.inet.tcp.finwait2_timeout", MILLISECONDS, "fin_wait_2_timeout"},
    {"net.inet.tcp.initcwnd_segments", SAME, "initial_window"},
    {"net.inet.tcp.cc.algorithm", WORD, "controller"},
    {"net.inet.tcp.minmss", SAME, "mss_min"},
    {"net.inet.ip.ttl", SAME, "ttl"},
    {"net.inet.tcp.recvspace", SAME, "receive_buffer"},
    {"net.inet.tcp.sendspace", SAME, "send_buffer"},
};

static bool set_word(struct settings *settings, const char *field, const char *value)
{
    char pair[96], problem[160];
    snprintf(pair, sizeof(pair), "%.40s=%.40s", field, value);
    return settings_config(settings, pair, problem, sizeof(problem));
}

static bool set_field(struct settings *settings, const char *field, const char *format,
                      unsigned long long value)
{
    char number[40];
    snprintf(number, sizeof(number), format, value);
    return set_word(settings, field, number);
}

/* The memory of a connection: what sockets start with, and how far a buffer may grow. */
static bool set_memory(struct settings *settings, bool reading, const char *value)
{
    unsigned long least = 0, usual = 0, most = 0;
    if (sscanf(value, "%lu %lu %lu", &least, &usual, &most) != 3 || usual > most || usual == 0 ||
        most > 1ul << 30) {
        return false;
    }
    if (reading) {
        settings->config.receive_buffer = (uint32_t)most;
        /* Linux counts its own overhead in: half of the memory is offered as window. */
        settings->receive_buffer = (uint32_t)(usual > 1 ? usual / 2 : 1);
    } else {
        settings->config.send_buffer = (uint32_t)most;
        settings->send_buffer = (uint32_t)most; /* Linux grows it as the window opens */
    }
    return true;
}

static unsigned long long retries_to_ms(unsigned long long retries, unsigned long long first)
{
    unsigned long long sum = 0, timeout = first;
    for (unsigned long long i = 0; i <= retries && i < 64; i++) {
        sum += timeout;
        timeout = timeout * 2 < 120000 ? timeout * 2 : 120000;
    }
    return sum;
}

static bool translate(struct settings *settings, const struct translated *row, const char *value)
{
    char *end = NULL;
    unsigned long long number = strtoull(value, &end, 0);
    unsigned first = 0, last = 0;
    if (end == value && row->how != WORD) {
        return false;
    }
    switch (row->how) {
    case SAME:
        return set_field(settings, row->field, "%llu", number);
    case SECONDS:
        return set_field(settings, row->field, "%llus", number);
    case MILLISECONDS:
        return set_field(settings, row->field, "%llums", number);
    case MICROSECONDS:
        return set_field(settings, row->field, "%lluus", number);
    case INVERTED:
        return set_field(settings, row->field, "%llu", number == 0);
    case SYN_RETRIES:
        return set_field(settings, row->field, "%llums", retries_to_ms(number, 1000));
    case RETRIES:
        return set_field(settings, row->field, "%llums", retries_to_ms(number, 200));
    case MEMORY_READ:
    case MEMORY_WRITE:
        return set_memory(settings, row->how == MEMORY_READ, value);
    case PORT_RANGE:
        return sscanf(value, "%u %u", &first, &last) == 2 && first <= last && last <= 65535 &&
               set_field(settings, "port_first", "%llu", first) &&
               set_field(settings, "port_last", "%llu", last);
    case WORD:
        return set_word(settings, row->field, value);
    case NOTHING_LEFT:
        return true;
    }
    return false;
}

struct obedience {
    struct settings *settings;
    void (*told)(void *context, const char *text);
    void *context;
};

static void assign(void *context, const char *name, const char *value)
{
    const struct obedience *to = context;
    struct settings *settings = to->settings;
    char text[320];
    const struct translated *row = NULL;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        row = strcmp(table[i].name, name) == 0 ? &table[i] : row;
    }
    struct settings before = *settings;
    bool obeyed = row != NULL && translate(settings, row, value) &&
                  duet_stack_footprint(&settings->config) != 0;
    if (!obeyed) {
        *settings = before;
    }
    if (row == NULL) {
        snprintf(text, sizeof(text), "ignored: duet has nothing like %.120s", name);
    } else if (obeyed) {
        snprintf(text, sizeof(text), "obeyed: %.120s=%.120s", name, value);
    } else {
        snprintf(text, sizeof(text), "ignored: duet cannot do %.120s=%.120s", name, value);
    }
    if (to->told != NULL) {
        to->told(to->context, text);
    }
}

/* ---- as much shell as such commands use ---- */

enum { WORD_MAX = 256 };

/* The next word, quotes resolved. 0: the end, 1: a word, 2: a separator of commands, 3: '>'. */
static int next_word(const char **at, char *word)
{
    while (**at == ' ' || **at == '\t' || **at == '\r' || (**at == '\\' && (*at)[1] == '\n')) {
        *at += **at == '\\' ? 2 : 1;
    }
    char c = **at;
    if (c == '\0') {
        return 0;
    }
    if (c == '#') {
        *at += strcspn(*at, "\n");
        return next_word(at, word);
    }
    if (c == '\n' || c == ';' || c == '&' || c == '|') {
        ++*at;
        return 2;
    }
    if (c == '>') {
        ++*at;
        return 3;
    }
    size_t used = 0;
    char quote = '\0';
    for (; **at != '\0' && (quote != '\0' || strchr(" \t\r\n;&|>", **at) == NULL); ++*at) {
        if (**at == quote) {
            quote = '\0';
        } else if (quote == '\0' && (**at == '"' || **at == '\'')) {
            quote = **at;
        } else if (used + 1 < WORD_MAX) {
            word[used++] = **at;
        }
    }
    word[used] = '\0';
    return 1;
}

struct assignments {
    void (*each)(void *context, const char *name, const char *value);
    void *context;
};

static void assign_word(const struct assignments *to, char *word)
{
    char *equals = strchr(word, '=');
    if (equals != NULL) {
        *equals = '\0';
        for (char *c = word; *c != '\0'; c++) {
            *c = *c == '/' ? '.' : *c;
        }
        to->each(to->context, word, equals + 1);
    }
}

/* echo VALUE > /proc/sys/NAME */
static bool echo(const struct assignments *to, const char **at)
{
    char value[2 * WORD_MAX] = "", word[WORD_MAX];
    int kind = 0;
    while ((kind = next_word(at, word)) == 1) {
        size_t used = strlen(value);
        if (used + strlen(word) + 2 <= sizeof(value)) {
            value[used] = ' ';
            memcpy(value + used + (used > 0), word, strlen(word) + 1);
        }
    }
    static const char proc[] = "/proc/sys/";
    if (kind != 3 || next_word(at, word) != 1 || strncmp(word, proc, strlen(proc)) != 0) {
        return false;
    }
    char pair[3 * WORD_MAX + 2];
    snprintf(pair, sizeof(pair), "%s=%s", word + strlen(proc), value);
    assign_word(to, pair);
    return true;
}

static bool is_defaults(const char *word)
{
    static const char name[] = "defaults.sh";
    size_t length = strlen(word), size = strlen(name);
    return length >= size && strcmp(word + length - size, name) == 0;
}

bool settings_assignments(const char *command,
                          void (*each)(void *context, const char *name, const char *value),
                          void *context)
{
    const struct assignments to = {each, context};
    char word[WORD_MAX];
    bool all = true;
    const char *at = command;
    for (int kind = next_word(&at, word); kind != 0; kind = next_word(&at, word)) {
        if (kind == 2) {
            continue;
        }
        if (kind == 1 && strcmp(word, "echo") == 0) {
            all = echo(&to, &at) && all;
            continue;
        }
        if (kind == 1 && is_defaults(word)) {
            /* By custom such a file sets what a suite for Linux takes for granted; of that, the
             * largest receive buffer shows on the wire, as a window scale of 8. */
            each(context, "net.ipv4.tcp_rmem", "4096 131072 15728640");
        }
        bool sysctl =
            kind == 1 && (strcmp(word, "sysctl") == 0 || strcmp(word, "/sbin/sysctl") == 0);
        while ((kind = next_word(&at, word)) == 1 || kind == 3) {
            if (sysctl && kind == 1 && word[0] != '-') {
                assign_word(&to, word);
            }
        }
        all = all && sysctl;
        if (kind == 0) {
            break;
        }
    }
    return all;
}

bool settings_command(struct settings *settings, const char *command,
                      void (*told)(void *context, const char *text), void *context)
{
    struct obedience to = {settings, told, context};
    return settings_assignments(command, assign, &to);
}
