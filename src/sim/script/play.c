/* SPDX-License-Identifier: MIT */
/* Goes through the events of a script and comes to a verdict. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sim/script/player.h"
#include "sim/script/record.h"
#include "sim/script/system.h"

/* ---- verdicts ---- */

static void give_verdict(struct player *player, enum duet_script_verdict verdict,
                         const char *format, va_list arguments)
{
    if (player->over) {
        return;
    }
    player->over = true;
    struct duet_script_result *result = player->result;
    result->verdict = verdict;
    result->line = player->event != NULL ? player->event->line : 0;
    result->column = player->event != NULL ? player->event->column : 0;
    if (vasprintf(&result->problem, format, arguments) < 0) {
        result->problem = NULL;
    }
    if (player->event != NULL && player->event->source[0] != '\0' && result->expected == NULL) {
        result->expected = must_format("%s", player->event->source);
    }
}

bool player_fail(struct player *player, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    give_verdict(player, DUET_SCRIPT_FAILED, format, arguments);
    va_end(arguments);
    return false;
}

bool player_broken(struct player *player, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    give_verdict(player, DUET_SCRIPT_BROKEN, format, arguments);
    va_end(arguments);
    return false;
}

bool player_skip(struct player *player, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    give_verdict(player, DUET_SCRIPT_SKIPPED, format, arguments);
    va_end(arguments);
    return false;
}

void player_log(struct player *player, const char *format, ...)
{
    if (player->log == NULL) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    fprintf(player->log, "%10.6f ", (double)player->now / 1e9);
    vfprintf(player->log, format, arguments);
    fputc('\n', player->log);
    va_end(arguments);
}

/* ---- events ---- */

static void mark_rules(struct player *player)
{
    for (unsigned i = 0; player->stack != NULL && i < duet_rule_count(); i++) {
        player->rule_marks[i] = duet_rule_hits(player->stack, i);
    }
}

static duet_time tolerance(const struct player *player, duet_time since)
{
    const struct settings *settings = &player->settings;
    duet_time fixed = (duet_time)settings->rules.tolerance_usecs * DUET_MICROSECOND;
    duet_time share = since > 0 ? since / 100 * settings->tolerance_percent : 0;
    return share > fixed ? share : fixed;
}

/* A call that blocks holds up the next one, as it would in a process of one thread. */
static bool wait_for_pending(struct player *player, duet_time limit)
{
    while (player->pending.call != NULL && engine_step(player, limit, true)) {
    }
    if (player->over || player->pending.call == NULL) {
        return !player->over;
    }
    player->event = player->pending_event;
    return player_fail(player, "%s() still blocks at %.6f s", player->pending.call->name,
                       (double)player->now / 1e9);
}

/* Up to the next event; a blocking call must have returned by its own time. */
static void run_until(struct player *player, duet_time time, bool inclusive)
{
    duet_time limit = player->pending_due + tolerance(player, 0);
    if (player->pending.call != NULL && limit < time && !wait_for_pending(player, limit)) {
        return;
    }
    while (engine_step(player, time, inclusive)) {
    }
}

/* A call on a line without an end time may still take time, if nothing but time is needed. */
static enum call_status wait_in_line(struct player *player, struct call_state *state,
                                     struct call_result *result)
{
    duet_time limit = player->now + player->system->patience;
    enum call_status status = CALL_BLOCKS;
    while (status == CALL_BLOCKS) {
        duet_time until = state->deadline < limit ? state->deadline : limit;
        bool more = engine_step(player, until, true);
        if (player->over) {
            return CALL_WRONG;
        }
        status = sockets_call(player, state, result);
        engine_drain(player);
        if (!more && status == CALL_BLOCKS && player->now >= limit) {
            (void)player_fail(player, "%s() blocks for ever", state->call->name);
            return CALL_WRONG;
        }
    }
    return status;
}

static bool play_call(struct player *player, const struct event *event, duet_time begin)
{
    struct call_result result = {0};
    if (!sockets_only_asks(player, event->call)) {
        duet_time limit = player->pending_due + tolerance(player, 0);
        if (player->pending.call != NULL && !wait_for_pending(player, limit)) {
            return false;
        }
        mark_rules(player);
    }
    struct call_state state = {.call = event->call, .deadline = DUET_NEVER};
    enum call_status status = sockets_call(player, &state, &result);
    engine_drain(player);
    if (event->is_blocking) {
        duet_time due = begin - event->time + event->time_end;
        if (status == CALL_BLOCKS) {
            player->pending = state;
            player->pending_event = event;
            player->pending_due = due;
            return true;
        }
        if (status == CALL_DONE && due - player->now > tolerance(player, due - begin)) {
            return player_fail(player, "%s() returned at once, not at %.6f s", event->call->name,
                               (double)due / 1e9);
        }
    }
    if (status == CALL_BLOCKS) {
        status = wait_in_line(player, &state, &result);
    }
    return status == CALL_DONE && !player->over && sockets_judge(player, event->call, &result);
}

static bool play_packet(struct player *player, const struct event *event, duet_time begin)
{
    if (event->packet->inbound) {
        mark_rules(player);
        return player_send_in(player, event->packet);
    }
    duet_time since = begin - player->event_time;
    duet_time allowed = tolerance(player, event->time_kind == TIME_RELATIVE ? event->time : since);
    duet_time end = begin;
    if (event->time_kind == TIME_ANY) {
        return player_expect(player, event, 0, player->now + player->system->patience);
    }
    if (event->is_range) {
        end = begin - event->time + event->time_end;
    }
    return player_expect(player, event, begin - allowed, end + allowed);
}

static bool play_event(struct player *player, const struct event *event)
{
    player->event = event;
    duet_time begin = event->time;
    if (event->time_kind == TIME_RELATIVE) {
        begin += player->event_time;
    } else if (event->time_kind == TIME_ANY) {
        begin = player->event_time;
    }
    bool starts =
        event->kind == EVENT_PACKET || event->kind == EVENT_CALL || player->system->command != NULL;
    if (starts && !player->started && !engine_start(player)) {
        return false;
    }
    bool outbound = event->kind == EVENT_PACKET && !event->packet->inbound;
    if (!outbound) {
        run_until(player, begin, event->kind != EVENT_PACKET);
    }
    if (player->over) {
        return false;
    }
    player->event = event;
    player_log(player, "line %u: %s", event->line, event->source);
    bool good = true;
    duet_time previous = player->event_time;
    player->event_time = begin;
    switch (event->kind) {
    case EVENT_PACKET:
        player->event_time = previous;
        good = play_packet(player, event, begin);
        if (!event->is_range && event->time_kind != TIME_ANY) {
            player->event_time = begin;
        }
        break;
    case EVENT_CALL:
        good = play_call(player, event, begin);
        break;
    case EVENT_COMMAND:
        good = player_command(player, event);
        break;
    case EVENT_CODE:
        player_note_code(player, event);
        break;
    }
    player->result->events += good ? 1 : 0;
    return good && !player->over;
}

/* How long the script takes where time is real, as far as its lines say. */
static duet_time length_of(const struct script *script)
{
    duet_time now = 0;
    for (const struct event *i = script->events; i != NULL; i = i->next) {
        bool counts = i->time_kind != TIME_ANY;
        duet_time time = i->is_range && i->time_end > i->time ? i->time_end : i->time;
        now = counts ? time + (i->time_kind == TIME_RELATIVE ? now : 0) : now;
    }
    return now;
}

/* ---- a whole script ---- */

static void play_events(struct player *player)
{
    player_foresee(player);
    for (const struct event *i = player->script->events; i != NULL; i = i->next) {
        if (!play_event(player, i)) {
            return;
        }
    }
    if (player->pending.call != NULL &&
        !wait_for_pending(player, player->pending_due + tolerance(player, 0))) {
        return;
    }
    /* packetdrill does not look at what is sent after the last line that expects something. */
    bool strict = player->settings.profile == PROFILE_DUET;
    (void)((!strict || player_expect_silence(player, player->event_time)) &&
           player_run_code(player));
}

static char *draw(const struct player *player)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (to == NULL) {
        return NULL;
    }
    unsigned columns = player->options->columns;
    const struct duet_ladder_options options = {.columns = columns >= 80 ? columns : 80,
                                                .colour = player->options->colour};
    int error = duet_ladder_text(player->recorder, &options, to);
    if (fclose(to) != 0 || error != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static void play(struct player *player)
{
    if (player->script->unsupported != NULL) {
        player->result->verdict = DUET_SCRIPT_SKIPPED;
        player->result->problem = must_format("it needs %s", player->script->unsupported);
        return;
    }
    if (!player_set_options(player) || player->options->parse_only) {
        return;
    }
    player->event = NULL;
    duet_time longest = player->options->longest * DUET_SECOND, length = length_of(player->script);
    if (player->options->against_kernel && longest > 0 && length > longest) {
        (void)player_skip(player, "it takes %lld s of real time",
                          (long long)(length / DUET_SECOND));
        return;
    }
    if (player->record != NULL) {
        record_events(player, player->record);
    } else {
        play_events(player);
    }
    struct duet_script_result *result = player->result;
    result->duration = player->now;
    bool wanted = player->options->ladder || result->verdict == DUET_SCRIPT_FAILED;
    if (player->recorder != NULL && wanted) {
        result->ladder = draw(player);
    }
    if (player->recorder != NULL && player->options->pcapng != NULL &&
        duet_recorder_pcapng(player->recorder, player->options->pcapng) != 0) {
        (void)player_broken(player, "the packets cannot be written: %s", strerror(errno));
    }
}

static void release(struct player *player)
{
    sockets_free(player);
    engine_stop(player);
    player_free_code(player);
    for (unsigned i = 0; i < player->flow_count; i++) {
        free(player->flows[i]);
    }
    free(player->flows);
    script_free(player->script);
}

/* "NAME=VALUE" cut in two, in memory of the arena. */
static struct definition *cut_definitions(struct arena *arena,
                                          const struct duet_script_options *options)
{
    struct definition *all = arena_new(arena, (options->definition_count + 1) * sizeof(*all));
    for (size_t i = 0; i < options->definition_count; i++) {
        const char *pair = options->definitions[i];
        size_t length = strcspn(pair, "=");
        all[i].name = arena_text(arena, pair, length);
        all[i].value = pair[length] == '=' ? pair + length + 1 : "";
    }
    return all;
}

void player_run(const char *path, const char *text, size_t length,
                const struct duet_script_options *options, struct record *record,
                struct kernel_host *host, struct duet_script_result *result)
{
    struct script script;
    struct script_error error;
    struct arena arena = {0};
    struct player *player = must_allocate(sizeof(*player));
    size_t log_size = 0;
    *result = (struct duet_script_result){.verdict = DUET_SCRIPT_PASSED};
    *player =
        (struct player){.path = path, .options = options, .script = &script, .result = result};
    player->record = record;
    player->host = host;
    player->system = options->against_kernel ? &system_kernel : &system_core;
    player->sent_end = &player->sent;
    player->code_end = &player->code;
    player->log = options->verbose ? open_memstream(&result->log, &log_size) : NULL;
    if (script_parse(&script, text, length, cut_definitions(&arena, options),
                     options->definition_count, &error)) {
        play(player);
    } else {
        (void)player_broken(player, "%s", error.text);
        result->line = error.line;
        result->column = error.column;
    }
    release(player);
    if (player->log != NULL) {
        fclose(player->log);
    }
    arena_free(&arena);
    free(player);
}

void duet_script_run_text(const char *path, const char *text, size_t length,
                          const struct duet_script_options *options,
                          struct duet_script_result *result)
{
    player_run(path, text, length, options, NULL, NULL, result);
}
