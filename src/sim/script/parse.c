/* SPDX-License-Identifier: MIT */
/* The parser's upper half: option lines, events and their times. docs/SCRIPT.md is the grammar. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/script/parser.h"

/* ---- errors and small steps ---- */

static void describe(const struct token *token, char *to, size_t size)
{
    int shown = token->length > 30 ? 30 : (int)token->length;
    switch (token->kind) {
    case TOKEN_END:
        snprintf(to, size, "the end of the script");
        break;
    case TOKEN_NUMBER:
    case TOKEN_NAME:
    case TOKEN_ELLIPSIS:
        snprintf(to, size, "'%.*s'", shown, token->text);
        break;
    case TOKEN_STRING:
        snprintf(to, size, "a string");
        break;
    case TOKEN_COMMAND:
        snprintf(to, size, "a command");
        break;
    case TOKEN_CODE:
        snprintf(to, size, "code");
        break;
    case TOKEN_SYMBOL:
    case TOKEN_BROKEN:
        if (token->symbol >= ' ' && token->symbol <= '~') {
            snprintf(to, size, "'%c'", token->symbol);
        } else {
            snprintf(to, size, "the byte 0x%02x", (unsigned)(unsigned char)token->symbol);
        }
        break;
    }
}

bool parser_wrong(struct parser *parser, const char *sentence)
{
    if (!parser->failed) {
        const struct token *token = &parser->lexer.token;
        parser->failed = true;
        parser->error->line = token->line;
        parser->error->column = token->column;
        bool broken = token->kind == TOKEN_BROKEN;
        snprintf(parser->error->text, sizeof(parser->error->text), "%s",
                 broken ? parser->lexer.error : sentence);
    }
    return false;
}

bool parser_expected(struct parser *parser, const char *what)
{
    char sentence[200], got[80];
    describe(&parser->lexer.token, got, sizeof(got));
    snprintf(sentence, sizeof(sentence), "expected %.100s, got %s", what, got);
    return parser_wrong(parser, sentence);
}

bool parser_takes(struct parser *parser, char symbol)
{
    if (!token_is(&parser->lexer.token, symbol)) {
        return false;
    }
    lexer_next(&parser->lexer);
    return true;
}

bool parser_symbol(struct parser *parser, char symbol)
{
    const char what[] = {'\'', symbol, '\'', '\0'};
    return parser_takes(parser, symbol) || parser_expected(parser, what);
}

bool parser_takes_name(struct parser *parser, const char *name)
{
    if (!token_is_name(&parser->lexer.token, name)) {
        return false;
    }
    lexer_next(&parser->lexer);
    return true;
}

static unsigned digit_value(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

/* False if it does not fit. */
static bool number_value(const struct token *token, uint64_t max, uint64_t *number)
{
    bool hex = token->length > 2 && (token->text[1] | 0x20) == 'x';
    unsigned base = hex ? 16 : 10;
    *number = 0;
    for (size_t i = hex ? 2 : 0; i < token->length; i++) {
        unsigned digit = digit_value(token->text[i]);
        if (*number > (UINT64_MAX - digit) / base) {
            return false;
        }
        *number = *number * base + digit;
    }
    return *number <= max;
}

bool parser_number(struct parser *parser, const char *what, uint64_t max, uint64_t *number)
{
    const struct token *token = &parser->lexer.token;
    if (token->kind != TOKEN_NUMBER || token->fraction) {
        return parser_expected(parser, what);
    }
    if (!number_value(token, max, number)) {
        char sentence[160];
        snprintf(sentence, sizeof(sentence), "%.80s is at most %llu", what,
                 (unsigned long long)max);
        return parser_wrong(parser, sentence);
    }
    lexer_next(&parser->lexer);
    return true;
}

static bool is_hex_part(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == 'x';
}

bool parser_hex(struct parser *parser, uint8_t *bytes, unsigned max, unsigned *count)
{
    enum token_kind kind = parser->lexer.token.kind;
    if (kind != TOKEN_NUMBER && kind != TOKEN_NAME) {
        return parser_expected(parser, "hex digits");
    }
    struct token token = parser->lexer.token;
    size_t length = 0;
    const char *word = lexer_word(&parser->lexer, is_hex_part, &length);
    if (length >= 2 && word[0] == '0' && word[1] == 'x') {
        word += 2;
        length -= 2;
    }
    bool good =
        length > 0 && length % 2 == 0 && length / 2 <= max && memchr(word, 'x', length) == NULL;
    if (!good) {
        parser->lexer.token = token;
        return parser_wrong(parser,
                            length / 2 > max ? "too many bytes" : "expected pairs of hex digits");
    }
    for (size_t i = 0; i < length / 2; i++) {
        bytes[i] = (uint8_t)(digit_value(word[2 * i]) * 16 + digit_value(word[2 * i + 1]));
    }
    *count = (unsigned)(length / 2);
    return true;
}

char *parser_text(struct parser *parser, const struct token *token)
{
    return arena_text(&parser->script->arena, token->text, token->length);
}

/* ---- times ---- */

static bool parse_seconds(struct parser *parser, duet_time *time)
{
    const struct token *token = &parser->lexer.token;
    if (token->kind != TOKEN_NUMBER || (token->length > 1 && (token->text[1] | 0x20) == 'x')) {
        return parser_expected(parser, "a time in seconds");
    }
    int64_t value = 0, unit = DUET_SECOND;
    bool after_dot = false;
    for (size_t i = 0; i < token->length; i++) {
        char c = token->text[i];
        if (c == '.') {
            after_dot = true;
        } else if (after_dot) {
            unit /= 10;
            value += unit * (c - '0');
        } else if (value > INT64_C(1000000000) * DUET_SECOND / 10) {
            return parser_wrong(parser, "a time beyond thirty years");
        } else {
            value = value * 10 + DUET_SECOND * (c - '0');
        }
    }
    *time = value;
    lexer_next(&parser->lexer);
    return true;
}

static bool parse_time(struct parser *parser, struct event *event)
{
    if (parser_takes(parser, '*')) {
        event->time_kind = TIME_ANY;
        return true;
    }
    if (parser_takes(parser, '+')) {
        event->time_kind = TIME_RELATIVE;
    } else if (parser->lexer.token.kind == TOKEN_NUMBER) {
        event->time_kind = TIME_ABSOLUTE;
    } else {
        /* Without a time: at once. A packet must have one, for "<" may also begin options. */
        event->time_kind = TIME_RELATIVE;
        bool packet = token_is(&parser->lexer.token, '<') || token_is(&parser->lexer.token, '>');
        return !packet || parser_expected(parser, "a time in front of the packet");
    }
    if (!parse_seconds(parser, &event->time)) {
        return false;
    }
    event->is_range = parser_takes(parser, '~');
    if (!event->is_range && parser->lexer.token.kind == TOKEN_ELLIPSIS) {
        event->is_blocking = true;
        lexer_next(&parser->lexer);
    }
    if (!event->is_range && !event->is_blocking) {
        return true;
    }
    if (token_is(&parser->lexer.token, '+') && event->time_kind == TIME_ABSOLUTE) {
        return parser_wrong(parser, "both times of a range are absolute, or both begin with +");
    }
    (void)parser_takes(parser, '+');
    struct token token = parser->lexer.token;
    if (!parse_seconds(parser, &event->time_end)) {
        return false;
    }
    if (event->time_end < event->time) {
        parser->lexer.token = token;
        return parser_wrong(parser, "the second time is before the first");
    }
    return true;
}

/* ---- events ---- */

/* The source from begin to end on one line. */
static char *source_text(struct parser *parser, const char *begin, const char *end)
{
    char *text = arena_text(&parser->script->arena, begin, (size_t)(end - begin));
    size_t used = 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        bool blank = text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r';
        if (!blank) {
            text[used++] = text[i];
        } else if (used > 0 && text[used - 1] != ' ') {
            text[used++] = ' ';
        }
    }
    while (used > 0 && text[used - 1] == ' ') {
        used--;
    }
    text[used] = '\0';
    return text;
}

static bool parse_body(struct parser *parser, struct event *event)
{
    struct arena *arena = &parser->script->arena;
    const struct token *token = &parser->lexer.token;
    if (token_is(token, '<') || token_is(token, '>')) {
        event->kind = EVENT_PACKET;
        event->packet = arena_new(arena, sizeof(*event->packet));
        return parse_packet(parser, event->packet);
    }
    if (token->kind == TOKEN_NAME) {
        event->kind = EVENT_CALL;
        event->call = arena_new(arena, sizeof(*event->call));
        return parse_call(parser, event->call);
    }
    if (token->kind == TOKEN_COMMAND || token->kind == TOKEN_CODE) {
        event->kind = token->kind == TOKEN_COMMAND ? EVENT_COMMAND : EVENT_CODE;
        event->text = parser_text(parser, token);
        lexer_next(&parser->lexer);
        return true;
    }
    return parser_expected(parser, "a packet (< or >), a call, a `command` or %{ code }%");
}

static bool parse_event(struct parser *parser, struct event *event)
{
    struct lexer *lexer = &parser->lexer;
    unsigned depth = lexer->depth;
    const char *begin = lexer->token.begin;
    event->line = lexer->token.line;
    event->column = lexer->token.column;
    if (!parse_time(parser, event)) {
        return false;
    }
    struct token body = lexer->token;
    if (!parse_body(parser, event)) {
        return false;
    }
    bool outbound = event->kind == EVENT_PACKET && !event->packet->inbound;
    if ((event->is_range || event->time_kind == TIME_ANY) && !outbound) {
        lexer->token = body;
        return parser_wrong(parser, "only a packet out (>) can have a range of times or '*'");
    }
    if (event->is_blocking && event->kind != EVENT_CALL) {
        lexer->token = body;
        return parser_wrong(parser, "only a call can have the time at which it returns");
    }
    bool plain = depth == 0 && lexer->depth == 0;
    event->source = plain ? source_text(parser, begin, lexer->previous_end) : "";
    return true;
}

/* ---- option lines ---- */

static bool is_option_name(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '-';
}

static bool is_option_value(char c)
{
    return c > ' ' && c <= '~' && c != '`' && c != '"';
}

/* --define NAME=VALUE counts from here on. */
static bool define(struct parser *parser, const char *pair)
{
    const char *equals = pair != NULL ? strchr(pair, '=') : NULL;
    if (equals == NULL || equals == pair) {
        return parser_expected(parser, "NAME=VALUE");
    }
    struct lexer *lexer = &parser->lexer;
    struct arena *arena = &parser->script->arena;
    struct definition *all = arena_new(arena, (lexer->definition_count + 1) * sizeof(*all));
    if (lexer->definition_count > 0) {
        memcpy(all, lexer->definitions, lexer->definition_count * sizeof(*all));
    }
    all[lexer->definition_count].name = arena_text(arena, pair, (size_t)(equals - pair));
    all[lexer->definition_count].value = equals + 1;
    lexer->definitions = all;
    lexer->definition_count++;
    return true;
}

static bool parse_option_value(struct parser *parser, struct script_option *option)
{
    struct lexer *lexer = &parser->lexer;
    if (lexer->token.kind == TOKEN_STRING || lexer->token.kind == TOKEN_COMMAND) {
        option->value = parser_text(parser, &lexer->token);
        lexer_next(lexer);
        return true;
    }
    if (lexer->token.kind == TOKEN_END) {
        return parser_expected(parser, "a value");
    }
    size_t length = 0;
    const char *word = lexer_word(lexer, is_option_value, &length);
    option->value = arena_text(&parser->script->arena, word, length);
    return length > 0 || parser_expected(parser, "a value");
}

static bool parse_option_line(struct parser *parser, struct script_option *option)
{
    struct lexer *lexer = &parser->lexer;
    unsigned line = lexer->token.line;
    option->line = line;
    option->column = lexer->token.column;
    size_t length = 0;
    const char *word = lexer_word(lexer, is_option_name, &length);
    if (length < 3 || word[1] != '-') {
        return parser_expected(parser, "--option=value");
    }
    option->name = arena_text(&parser->script->arena, word + 2, length - 2);
    if (parser_takes(parser, '=')) {
        return parse_option_value(parser, option);
    }
    /* --config NAME=VALUE and --define NAME=VALUE may stand apart, on the same line. */
    bool takes_pair = strcmp(option->name, "config") == 0 || strcmp(option->name, "define") == 0;
    if (!takes_pair) {
        return true;
    }
    struct token token = lexer->token;
    bool here = token.line == line && token.kind == TOKEN_NAME;
    if (here && parse_option_value(parser, option) && strchr(option->value, '=') != NULL) {
        return true;
    }
    lexer->token = token;
    return parser_expected(parser, "NAME=VALUE");
}

static bool parse_option(struct parser *parser, struct script_option *option)
{
    return parse_option_line(parser, option) &&
           (strcmp(option->name, "define") != 0 || define(parser, option->value));
}

static bool parse_script(struct parser *parser)
{
    struct arena *arena = &parser->script->arena;
    struct script_option **option = &parser->script->options;
    while (token_is(&parser->lexer.token, '-')) {
        *option = arena_new(arena, sizeof(**option));
        if (!parse_option(parser, *option)) {
            return false;
        }
        option = &(*option)->next;
    }
    struct event **event = &parser->script->events;
    while (parser->lexer.token.kind != TOKEN_END && parser->script->unsupported == NULL) {
        *event = arena_new(arena, sizeof(**event));
        if (!parse_event(parser, *event)) {
            return parser->script->unsupported != NULL;
        }
        event = &(*event)->next;
        parser->script->event_count++;
    }
    return parser->script->event_count > 0 || parser_expected(parser, "an event");
}

bool script_parse(struct script *script, const char *text, size_t length,
                  const struct definition *definitions, size_t definition_count,
                  struct script_error *error)
{
    *script = (struct script){0};
    *error = (struct script_error){0};
    struct parser *parser = must_allocate(sizeof(*parser));
    parser->script = script;
    parser->error = error;
    lexer_start(&parser->lexer, &script->arena, text, length, definitions, definition_count);
    bool good = parse_script(parser);
    free(parser);
    return good;
}

void script_free(struct script *script)
{
    arena_free(&script->arena);
    *script = (struct script){0};
}
