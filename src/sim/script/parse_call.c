/* SPDX-License-Identifier: MIT */
/* The parser's calls: name(arguments) = result ERRNO (note), as strace prints them. */
#include <string.h>

#include "sim/script/parser.h"

static bool parse_expression(struct parser *parser, struct expression **to);

static struct expression *new_expression(struct parser *parser, enum expression_kind kind)
{
    struct expression *expression = arena_new(&parser->script->arena, sizeof(*expression));
    expression->kind = kind;
    expression->line = parser->lexer.token.line;
    expression->column = parser->lexer.token.column;
    return expression;
}

/* Zero or more expressions with commas between them, then close. */
static bool parse_list(struct parser *parser, char close, struct expression **first,
                       unsigned *count)
{
    struct expression **next = first;
    *count = 0;
    if (parser_takes(parser, close)) {
        return true;
    }
    do {
        if (!parse_expression(parser, next)) {
            return false;
        }
        next = &(*next)->next;
        ++*count;
    } while (parser_takes(parser, ','));
    return parser_symbol(parser, close);
}

static bool parse_number_expression(struct parser *parser, struct expression **to)
{
    struct expression *number = new_expression(parser, EXPRESSION_NUMBER);
    bool negative = parser_takes(parser, '-');
    uint64_t value = 0;
    uint64_t max = negative ? INT64_MAX : UINT64_MAX;
    if (!parser_number(parser, "a number", max, &value)) {
        return false;
    }
    number->number = negative ? -(int64_t)value : (int64_t)value;
    *to = number;
    return true;
}

static struct expression *field_of(struct parser *parser, struct expression *name)
{
    struct expression *field = new_expression(parser, EXPRESSION_FIELD);
    field->text = name->text;
    field->line = name->line;
    field->column = name->column;
    return field;
}

/* NAME, NAME(...), and inside structures NAME = value and NAME(size) = value. */
static bool parse_name(struct parser *parser, struct expression **to)
{
    struct expression *name = new_expression(parser, EXPRESSION_NAME);
    name->text = parser_text(parser, &parser->lexer.token);
    lexer_next(&parser->lexer);
    *to = name;
    if (parser_takes(parser, '(')) {
        name->kind = EXPRESSION_CALL;
        if (!parse_list(parser, ')', &name->items, &name->count)) {
            return false;
        }
    }
    if (!token_is(&parser->lexer.token, '=')) {
        return true;
    }
    struct expression *field = field_of(parser, name);
    lexer_next(&parser->lexer);
    field->count = 1;
    *to = field;
    return parse_expression(parser, &field->items);
}

static bool parse_group(struct parser *parser, enum expression_kind kind, char close,
                        struct expression **to)
{
    *to = new_expression(parser, kind);
    lexer_next(&parser->lexer);
    return parse_list(parser, close, &(*to)->items, &(*to)->count);
}

static bool parse_primary(struct parser *parser, struct expression **to)
{
    const struct token *token = &parser->lexer.token;
    switch (token->kind) {
    case TOKEN_ELLIPSIS:
        *to = new_expression(parser, EXPRESSION_ANY);
        lexer_next(&parser->lexer);
        return true;
    case TOKEN_STRING:
        *to = new_expression(parser, EXPRESSION_STRING);
        (*to)->text = parser_text(parser, token);
        (*to)->length = token->length;
        lexer_next(&parser->lexer);
        return true;
    case TOKEN_NUMBER:
        return parse_number_expression(parser, to);
    case TOKEN_NAME:
        return parse_name(parser, to);
    case TOKEN_SYMBOL:
        break;
    case TOKEN_END:
    case TOKEN_COMMAND:
    case TOKEN_CODE:
    case TOKEN_BROKEN:
        return parser_expected(parser, "a value");
    }
    if (token_is(token, '-')) {
        return parse_number_expression(parser, to);
    }
    if (token_is(token, '[')) {
        return parse_group(parser, EXPRESSION_ARRAY, ']', to);
    }
    if (token_is(token, '{')) {
        return parse_group(parser, EXPRESSION_STRUCT, '}', to);
    }
    if (token_is(token, '&')) {
        lexer_next(&parser->lexer); /* inet_pton(AF_INET6, "::1", &sin6_addr) */
        return parse_primary(parser, to);
    }
    if (token_is(token, '?')) {
        *to = new_expression(parser, EXPRESSION_ANY);
        lexer_next(&parser->lexer);
        return true;
    }
    return parser_expected(parser, "a value");
}

static bool parse_expression(struct parser *parser, struct expression **to)
{
    if (parser->nesting == PARSER_NESTING_MAX) {
        return parser_wrong(parser, "nested too deeply");
    }
    parser->nesting++;
    bool good = parse_primary(parser, to);
    while (good && token_is(&parser->lexer.token, '|')) {
        struct expression *both = new_expression(parser, EXPRESSION_OR);
        lexer_next(&parser->lexer);
        both->items = *to;
        both->count = 2;
        good = parse_expression(parser, &both->items->next);
        *to = both;
    }
    parser->nesting--;
    return good;
}

/* A name that no call begins with: "= -1 EAGAIN" but not "= 3 close(3)". */
static bool is_error_name(struct parser *parser)
{
    const struct token *token = &parser->lexer.token;
    const struct lexer_source *rest = &parser->lexer.source[parser->lexer.depth];
    bool called = rest->at < rest->end && *rest->at == '(';
    return token->kind == TOKEN_NAME && !called && token->text[0] >= 'A' && token->text[0] <= 'Z';
}

static bool parse_result(struct parser *parser, struct call_event *call)
{
    call->has_result = true;
    if (!parse_expression(parser, &call->result)) {
        return false;
    }
    if (call->result->kind == EXPRESSION_NUMBER && is_error_name(parser)) {
        call->error = parser_text(parser, &parser->lexer.token);
        lexer_next(&parser->lexer);
    }
    if (token_is(&parser->lexer.token, '(') && !lexer_skip_note(&parser->lexer)) {
        return parser_expected(parser, "the ) of the note");
    }
    return true;
}

bool parse_call(struct parser *parser, struct call_event *call)
{
    call->name = parser_text(parser, &parser->lexer.token);
    lexer_next(&parser->lexer);
    if (!parser_symbol(parser, '(') || !parse_list(parser, ')', &call->arguments, &call->count)) {
        return false;
    }
    return !parser_takes(parser, '=') || parse_result(parser, call);
}
