/* SPDX-License-Identifier: MIT */
/* Plays a random timeline on both systems, finds the first event in which they differ, and names
 * the difference by classes: the state, what kind of event it was, and what each side did.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/script/random.h"

/* What makes the two comparable without waiting: every segment is acknowledged at once, no answer
 * is held back to save packets, and no retransmission comes before the end. */
static const char *const settings[] = {
    "config=delayed_ack=1ms",
    "config=rto_min=10s",
    "config=invalid_ack_spacing=0",
    "config=challenge_limit=255",
};
enum { SETTINGS = sizeof(settings) / sizeof(settings[0]) };

int random_host_open(struct kernel_host *host, char *why, size_t size)
{
    struct settings v4, v6;
    char problem[200];
    settings_default(&v4);
    v4.config.delayed_ack = DUET_MILLISECOND;
    v6 = v4;
    v6.mode = IP_MODE_IPV6;
    if (!settings_finish(&v4, problem, sizeof(problem)) ||
        !settings_finish(&v6, problem, sizeof(problem))) {
        snprintf(why, size, "%s", problem);
        return -1;
    }
    if (kernel_host_open(host, &v4, why, size) != 0) {
        return -1;
    }
    if (kernel_host_add(host, &v6) != 0) {
        snprintf(why, size, "the private namespace cannot have IPv6");
        return -1;
    }
    static const char *const rows[][2] = {
        {"net.ipv4.tcp_rto_min_us", "10000000"},  {"net.ipv4.tcp_invalid_ratelimit", "0"},
        {"net.ipv4.tcp_min_snd_mss", "216"},      {"net.ipv4.tcp_rfc1337", "1"},
        {"net.ipv4.tcp_comp_sack_nr", "0"},       {"net.ipv4.tcp_syncookies", "0"},
        {"net.ipv4.tcp_max_syn_backlog", "4096"}, {"net.ipv4.tcp_rmem", "4096 131072 6291456"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)kernel_host_set(rows[i][0], rows[i][1]);
    }
    return 0;
}

static void play(const char *text, struct kernel_host *host, struct record *record, char *broken,
                 size_t size)
{
    const struct duet_script_options options = {
        .settings = settings, .setting_count = SETTINGS, .against_kernel = host != NULL};
    struct duet_script_result result;
    player_run("random", text, strlen(text), &options, record, host, &result);
    if (result.verdict != DUET_SCRIPT_PASSED) {
        snprintf(broken, size, "%s, line %u: %s", host != NULL ? "kernel" : "core", result.line,
                 result.problem != NULL ? result.problem : "");
    }
    duet_script_result_free(&result);
}

/* ---- classes ---- */

/* Where the sequence spaces stood before an event, as far as the packets say. */
struct spaces {
    uint32_t una, end; /* of what the stack sent: acknowledged, highest sent */
    uint32_t nxt;      /* the last acknowledgement it sent */
    uint32_t ts;       /* the last timestamp it was sent */
    bool clock;        /* timestamps were agreed on, as far as the peer's SYN says */
    /* What later calls depend on: a small window, a SYN that came again, a mark of urgent data, an
     * acknowledgement on a segment just left of the window, text with an old acknowledgement. */
    bool narrow, again, urgent, early, refused;
    bool reset; /* the next SYN may open another connection */
    unsigned syns;
};

struct seen {
    char flags[16];
    uint32_t seq, end, length, ack, window, val, echo;
    bool has_ack, has_clock;
};

/* A packet of a line or a record: "FLAGS seq:end(length) ack N win N <...>". */
static bool read_seen(const char *text, struct seen *seen)
{
    *seen = (struct seen){.window = 1};
    if (sscanf(text, "%15s %" SCNu32 ":%" SCNu32 "(%" SCNu32 ")", seen->flags, &seen->seq,
               &seen->end, &seen->length) != 4) {
        return false;
    }
    char rest[RECORD_TEXT_MAX];
    snprintf(rest, sizeof(rest), "%.*s", (int)strcspn(text, ";"), text);
    const char *ack = strstr(rest, " ack "), *window = strstr(rest, " win ");
    const char *clock = strstr(rest, "TS val ");
    seen->has_ack = ack != NULL && sscanf(ack, " ack %" SCNu32, &seen->ack) == 1;
    if (window != NULL) {
        (void)sscanf(window, " win %" SCNu32, &seen->window);
    }
    seen->has_clock = clock != NULL && sscanf(clock, "TS val %" SCNu32 " ecr %" SCNu32, &seen->val,
                                              &seen->echo) == 2;
    return true;
}

static uint32_t end_of(const struct seen *seen)
{
    return seen->end + (strchr(seen->flags, 'S') != NULL) + (strchr(seen->flags, 'F') != NULL);
}

static void follow_out(struct spaces *spaces, const char *done)
{
    for (const char *at = strstr(done, "> "); at != NULL; at = strstr(at + 1, "> ")) {
        struct seen seen;
        if (!read_seen(at + 2, &seen) || strchr(seen.flags, 'R') != NULL) {
            continue;
        }
        if ((int32_t)(end_of(&seen) - spaces->end) > 0) {
            spaces->end = end_of(&seen);
        }
        spaces->nxt = seen.has_ack ? seen.ack : spaces->nxt;
    }
}

static void follow_in(struct spaces *spaces, const char *line)
{
    struct seen seen;
    if (line[0] != '<' || !read_seen(line + 2, &seen)) {
        return;
    }
    int32_t first = (int32_t)(seen.seq - spaces->nxt),
            last = (int32_t)(end_of(&seen) - spaces->nxt);
    bool syn = strchr(seen.flags, 'S') != NULL, opens = syn && (spaces->syns == 0 || spaces->reset);
    spaces->syns += syn;
    bool resets = strchr(seen.flags, 'R') != NULL && first == 0;
    spaces->reset = resets || (spaces->reset && !opens);
    spaces->again = spaces->syns > 1;
    spaces->urgent = spaces->urgent || strchr(seen.flags, 'U') != NULL;
    spaces->narrow = seen.window < 65535;
    bool left = first < 0 && (last == 0 || first == -1);
    spaces->early = spaces->early || (seen.has_ack && left && last <= 0);
    bool old = seen.has_ack && (int32_t)(seen.ack - spaces->una) < 0;
    spaces->refused = spaces->refused || (old && seen.length > 0);
    bool acks = seen.has_ack && (int32_t)(seen.ack - spaces->una) > 0 &&
                (int32_t)(seen.ack - spaces->end) <= 0;
    spaces->una = acks ? seen.ack : spaces->una;
    spaces->clock = opens ? seen.has_clock : spaces->clock;
    bool later = first <= 0 && last >= 0 && (int32_t)(seen.val - spaces->ts) > 0;
    spaces->ts = seen.has_clock && (opens || later) ? seen.val : spaces->ts;
}

static const char *seq_class(const struct seen *seen, const struct spaces *spaces)
{
    int32_t first = (int32_t)(seen->seq - spaces->nxt),
            last = (int32_t)(end_of(seen) - spaces->nxt);
    if (first == 0) {
        return "seq=";
    }
    if (first < 0 && first > -65536) {
        return last > 0 ? "seq<=" : first == -1 && last <= 0 ? "seq-1" : "seq<";
    }
    /* Between the windows that the two announce, 64240 and 65535, they cannot agree. */
    bool at_edge = last > 60000 && first < 70000;
    return first < 0 || first >= 70000 ? "seq!" : at_edge ? "seq~" : "seq>";
}

static const char *ack_class(const struct seen *seen, const struct spaces *spaces)
{
    if (!seen->has_ack) {
        return "";
    }
    int32_t from_una = (int32_t)(seen->ack - spaces->una),
            beyond = (int32_t)(seen->ack - spaces->end);
    if (beyond > 0) {
        return " ack>";
    }
    if (from_una > 0) {
        return beyond == 0 ? " ack=" : " ack+";
    }
    return from_una == 0 ? " ack0" : from_una > -65536 ? " ack<" : " ack<<";
}

static void put(char *to, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void put(char *to, size_t size, const char *format, ...)
{
    va_list arguments;
    size_t used = strlen(to);
    va_start(arguments, format);
    vsnprintf(to + used, size - used, format, arguments);
    va_end(arguments);
}

/* What kind of event a line is. */
static void classify_line(const char *line, const struct spaces *spaces, char *to, size_t size)
{
    struct seen seen;
    to[0] = '\0';
    if (line[0] != '<' || !read_seen(line + 2, &seen)) {
        put(to, size, "%.*s", (int)strcspn(line, "("), line);
        const char *option = strstr(line, "SHUT_");
        option = option != NULL ? option : strstr(line, "SO_");
        option = option != NULL ? option : strstr(line, "TCP_");
        put(to, size, "%s%.*s", option != NULL ? " " : "",
            option != NULL ? (int)strcspn(option, ",)") : 0, option != NULL ? option : "");
        bool writes = strncmp(line, "write", 5) == 0 || strncmp(line, "shut", 4) == 0;
        bool reads = strncmp(line, "read", 4) == 0;
        put(to, size, "%s%s%s%s", writes && spaces->narrow ? " narrow" : "",
            line[0] == 'w' && spaces->again ? " again" : "",
            line[0] == 'w' && spaces->early ? " early" : "",
            reads && spaces->urgent ? " urgent" : "");
        return;
    }
    put(to, size, "%s %s%s%s%s", seen.flags, seq_class(&seen, spaces),
        seen.length > 0 ? "+text" : "", ack_class(&seen, spaces),
        spaces->refused ? " refused" : "");
    if (!seen.has_clock && spaces->clock && strchr(seen.flags, 'R') == NULL) {
        put(to, size, " noTS");
    }
    if (seen.has_clock) {
        int32_t apart = (int32_t)(seen.val - spaces->ts);
        put(to, size, " TS%s%s",
            apart == INT32_MIN ? "=2^31"
            : apart < 0        ? "-"
            : apart > 1000     ? "!"
                               : "",
            seen.echo != 1000 || spaces->again ? " ecr!" : "");
    }
}

/* What was done: results of calls, packets in classes. */
static void classify_done(const struct record_event *event, const struct spaces *spaces, char *to,
                          size_t size)
{
    char piece[RECORD_TEXT_MAX];
    to[0] = '\0';
    for (const char *at = event->done; *at != '\0';) {
        size_t length = strcspn(at, ";");
        struct seen seen;
        long long value = 0;
        snprintf(piece, sizeof(piece), "%.*s", (int)length, at);
        if (piece[0] == '>' && read_seen(piece + 2, &seen)) {
            int32_t apart = (int32_t)(seen.ack - spaces->nxt);
            const char *clock = strstr(piece, " ecr ");
            put(to, size, "> %s%s%s%s%s%s%s, ", seen.flags, seen.length > 0 ? " text" : "",
                seen.seq == spaces->end                 ? ""
                : seen.seq == 0                         ? " seq0"
                : (int32_t)(seen.seq - spaces->end) < 0 ? " seq<"
                                                        : " seq>",
                !seen.has_ack ? ""
                : apart == 0  ? " ack="
                : apart > 0   ? " ack+"
                              : " ack-",
                seen.window == 0 ? " win0" : "", strstr(piece, " sack ") != NULL ? " sack" : "",
                clock == NULL                                ? ""
                : strtoul(clock + 5, NULL, 10) == spaces->ts ? " TS"
                                                             : " TS<");
        } else if (sscanf(piece, "= %lld", &value) == 1 && value > 0) {
            put(to, size, "= n, ");
        } else {
            put(to, size, "%s, ", piece);
        }
        at += length + strspn(at + length, "; ");
    }
    put(to, size, "%s", event->state);
}

/* ---- the comparison ---- */

static void describe(const struct random_script *script, const struct record *core,
                     const struct record *kernel, unsigned event,
                     struct random_difference *difference)
{
    struct spaces spaces = {.nxt = 0};
    for (unsigned i = 0; i < event; i++) {
        follow_in(&spaces, script->lines[i]);
        follow_out(&spaces, core->events[i].done);
    }
    char line[160], ours[RECORD_TEXT_MAX], theirs[RECORD_TEXT_MAX];
    classify_line(script->lines[event], &spaces, line, sizeof(line));
    follow_in(&spaces, script->lines[event]); /* what an answer may echo */
    classify_done(&core->events[event], &spaces, ours, sizeof(ours));
    classify_done(&kernel->events[event], &spaces, theirs, sizeof(theirs));
    const char *before = event > 0 ? core->events[event - 1].state : "";
    difference->found = true;
    difference->event = event;
    snprintf(difference->signature, sizeof(difference->signature), "%s | %s | %.240s | %.240s",
             before[0] != '\0' ? before : "CLOSED", line, ours, theirs);
    snprintf(difference->core, sizeof(difference->core), "%s%s", core->events[event].done,
             core->events[event].state);
    snprintf(difference->kernel, sizeof(difference->kernel), "%s%s", kernel->events[event].done,
             kernel->events[event].state);
}

void random_compare(const struct random_script *script, struct kernel_host *host, uint16_t port,
                    struct random_difference *difference)
{
    struct record *core = must_allocate(sizeof(*core)), *kernel = must_allocate(sizeof(*kernel));
    memset(difference, 0, sizeof(*difference));
    char *text = random_print(script, port);
    if (text == NULL) {
        snprintf(difference->broken, sizeof(difference->broken), "out of memory");
        goto out;
    }
    play(text, NULL, core, difference->broken, sizeof(difference->broken));
    if (difference->broken[0] == '\0') {
        play(text, host, kernel, difference->broken, sizeof(difference->broken));
    }
    free(text);
    for (unsigned i = 0; i < core->count && difference->broken[0] == '\0'; i++) {
        const struct record_event *a = &core->events[i], *b = &kernel->events[i];
        if (strcmp(a->done, b->done) != 0 || strcmp(a->state, b->state) != 0) {
            describe(script, core, kernel, i, difference);
            break;
        }
    }
out:
    free(core);
    free(kernel);
}
