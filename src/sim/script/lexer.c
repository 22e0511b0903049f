/* SPDX-License-Identifier: MIT */
/* From characters to tokens: see lexer.h. Total: any bytes at all end in TOKEN_END or TOKEN_BROKEN.
 */
#include "lexer.h"

#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_name(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/* The character n places ahead, or NUL at the end of the source. */
static char peek(const struct lexer_source *source, size_t n)
{
    return (size_t)(source->end - source->at) > n ? source->at[n] : '\0';
}

static void step(struct lexer_source *source, size_t count)
{
    for (; count > 0 && source->at < source->end; count--, source->at++) {
        if (*source->at == '\n') {
            source->line++;
            source->column = 1;
        } else {
            source->column++;
        }
    }
}

static bool at_text(const struct lexer_source *source, const char *text)
{
    size_t length = strlen(text);
    return (size_t)(source->end - source->at) >= length && memcmp(source->at, text, length) == 0;
}

/* Steps over blanks and comments. False: a comment has no end. */
static bool skip_blanks(struct lexer_source *source)
{
    while (source->at < source->end) {
        if (is_blank(*source->at)) {
            step(source, 1);
        } else if (*source->at == '#' || at_text(source, "//")) {
            while (source->at < source->end && *source->at != '\n') {
                step(source, 1);
            }
        } else if (at_text(source, "/*")) {
            struct lexer_source comment = *source;
            step(source, 2);
            while (source->at < source->end && !at_text(source, "*/")) {
                step(source, 1);
            }
            if (source->at == source->end) {
                *source = comment;
                return false;
            }
            step(source, 2);
        } else {
            break;
        }
    }
    return true;
}

static size_t number_length(const struct lexer_source *source, bool *fraction)
{
    size_t n = 0;
    *fraction = false;
    if (peek(source, 0) == '0' && (peek(source, 1) | 0x20) == 'x' && is_hex(peek(source, 2))) {
        for (n = 2; is_hex(peek(source, n)); n++) {
        }
        return n;
    }
    for (; is_digit(peek(source, n)); n++) {
    }
    /* "0...0.2" is a number, an ellipsis and a number; "1." is not a number with a fraction. */
    if (peek(source, n) == '.' && is_digit(peek(source, n + 1))) {
        *fraction = true;
        for (n++; is_digit(peek(source, n)); n++) {
        }
    }
    return n;
}

static char unescape(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'r':
        return '\r';
    case '0':
        return '\0';
    default:
        return c;
    }
}

static unsigned hex_value(char c)
{
    return is_digit(c) ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

/* text[0, length) between quotes, escapes resolved. */
static void resolve_string(struct lexer *lexer, struct token *token)
{
    char *to = arena_new(lexer->arena, token->length + 1);
    size_t used = 0;
    for (size_t i = 0; i < token->length; i++) {
        char c = token->text[i];
        if (c == '\\' && i + 1 < token->length) {
            c = token->text[++i];
            if (c == 'x' && i + 2 < token->length && is_hex(token->text[i + 1]) &&
                is_hex(token->text[i + 2])) {
                c = (char)(hex_value(token->text[i + 1]) * 16 + hex_value(token->text[i + 2]));
                i += 2;
            } else {
                c = unescape(c);
            }
        }
        to[used++] = c;
    }
    token->text = to;
    token->length = used;
}

/* Takes what stands between two marks; missing is the error when the second never comes. */
static void take_quoted(struct lexer *lexer, enum token_kind kind, const char *open,
                        const char *close, const char *missing)
{
    struct lexer_source *source = &lexer->source[lexer->depth];
    step(source, strlen(open));
    lexer->token.text = source->at;
    while (source->at < source->end && !at_text(source, close)) {
        step(source, kind == TOKEN_STRING && *source->at == '\\' ? 2 : 1);
    }
    lexer->token.length = (size_t)(source->at - lexer->token.text);
    lexer->token.kind = kind;
    if (source->at == source->end) {
        lexer->token.kind = TOKEN_BROKEN;
        lexer->error = missing;
        return;
    }
    step(source, strlen(close));
    if (kind == TOKEN_STRING) {
        resolve_string(lexer, &lexer->token);
    }
}

static const struct definition *find_definition(const struct lexer *lexer,
                                                const struct token *token)
{
    for (size_t i = 0; i < lexer->definition_count; i++) {
        const char *name = lexer->definitions[i].name;
        if (strlen(name) == token->length && memcmp(name, token->text, token->length) == 0) {
            return &lexer->definitions[i];
        }
    }
    return NULL;
}

static void take_plain(struct lexer *lexer, enum token_kind kind, size_t length)
{
    struct lexer_source *source = &lexer->source[lexer->depth];
    lexer->token.kind = kind;
    lexer->token.text = source->at;
    lexer->token.length = length;
    lexer->token.symbol = *source->at;
    step(source, length);
}

static void take_token(struct lexer *lexer)
{
    struct lexer_source *source = &lexer->source[lexer->depth];
    char c = peek(source, 0);
    bool fraction = false;
    size_t length = 0;
    if (is_digit(c) || (c == '.' && is_digit(peek(source, 1)))) {
        length = number_length(source, &fraction);
        take_plain(lexer, TOKEN_NUMBER, length);
        lexer->token.fraction = fraction;
    } else if (is_name(c)) {
        for (; is_name(peek(source, length)); length++) {
        }
        take_plain(lexer, TOKEN_NAME, length);
    } else if (at_text(source, "...")) {
        take_plain(lexer, TOKEN_ELLIPSIS, 3);
    } else if (c == '"') {
        take_quoted(lexer, TOKEN_STRING, "\"", "\"", "a string without its closing \"");
    } else if (c == '`') {
        take_quoted(lexer, TOKEN_COMMAND, "`", "`", "a command without its closing `");
    } else if (at_text(source, "%{")) {
        take_quoted(lexer, TOKEN_CODE, "%{", "}%", "code without its closing }%");
    } else {
        take_plain(lexer, TOKEN_SYMBOL, 1);
    }
}

/* Leaves definitions that are read to their end; false when the script itself is, or is broken. */
static bool settle(struct lexer *lexer)
{
    for (;;) {
        struct lexer_source *source = &lexer->source[lexer->depth];
        if (!skip_blanks(source)) {
            lexer->token.kind = TOKEN_BROKEN;
            lexer->error = "a comment without its closing */";
            return false;
        }
        if (source->at < source->end) {
            return true;
        }
        if (lexer->depth == 0) {
            return false;
        }
        lexer->depth--;
    }
}

void lexer_next(struct lexer *lexer)
{
    lexer->previous_end = lexer->source[0].at;
    for (;;) {
        lexer->token = (struct token){.kind = TOKEN_END};
        bool more = settle(lexer);
        lexer->token_source = lexer->source[lexer->depth];
        lexer->token.begin = lexer->token_source.at;
        lexer->token.line = lexer->source[0].line;
        lexer->token.column = lexer->source[0].column;
        if (!more) {
            return;
        }
        take_token(lexer);
        if (lexer->token.kind != TOKEN_NAME) {
            return;
        }
        const struct definition *definition = find_definition(lexer, &lexer->token);
        /* A definition may use others, but a circle must end somewhere. */
        if (definition == NULL || lexer->depth + 1 == LEXER_DEPTH_MAX) {
            return;
        }
        struct lexer_source *inner = &lexer->source[++lexer->depth];
        inner->at = definition->value;
        inner->end = definition->value + strlen(definition->value);
        inner->line = inner->column = 1;
    }
}

void lexer_start(struct lexer *lexer, struct arena *arena, const char *text, size_t length,
                 const struct definition *definitions, size_t count)
{
    *lexer = (struct lexer){.arena = arena, .definitions = definitions, .definition_count = count};
    lexer->source[0] = (struct lexer_source){text, text + length, 1, 1};
    lexer_next(lexer);
}

const char *lexer_word(struct lexer *lexer, bool (*is_part)(char c), size_t *length)
{
    struct lexer_source *source = &lexer->source[lexer->depth];
    /* The token may have been the last of a definition, left only when the next one is looked at.
     */
    *source = lexer->token_source;
    const char *word = source->at;
    size_t n = 0;
    while (source->at + n < source->end && is_part(source->at[n])) {
        n++;
    }
    step(source, n);
    *length = n;
    lexer_next(lexer);
    return word;
}

char lexer_after_word(const struct lexer *lexer, bool (*is_part)(char c))
{
    const struct lexer_source *source = &lexer->token_source;
    const char *at = source->at;
    while (at < source->end && is_part(*at)) {
        at++;
    }
    while (at < source->end && is_blank(*at)) {
        at++;
    }
    return at < source->end ? *at : '\0';
}

bool lexer_skip_note(struct lexer *lexer)
{
    struct lexer_source *source = &lexer->source[lexer->depth];
    *source = lexer->token_source;
    unsigned open = 0;
    while (source->at < source->end) {
        char c = *source->at;
        step(source, 1);
        open += c == '(' ? 1 : 0;
        open -= c == ')' ? 1 : 0;
        if (open == 0) {
            lexer_next(lexer);
            return true;
        }
    }
    lexer_next(lexer);
    return false;
}

bool token_is(const struct token *token, char symbol)
{
    return token->kind == TOKEN_SYMBOL && token->symbol == symbol;
}

bool token_is_name(const struct token *token, const char *name)
{
    return token->kind == TOKEN_NAME && token->length == strlen(name) &&
           memcmp(token->text, name, token->length) == 0;
}
