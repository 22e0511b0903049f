/* SPDX-License-Identifier: MIT */
/* From characters to tokens. The language has a different notion of a word in each corner ("S.",
 * "192.0.2.1", "1:1001(1000)", "0...0.2"), so the parser looks at the next token, and where it
 * knows better takes a raw word from the token's start on.
 */
#ifndef SCRIPT_LEXER_H
#define SCRIPT_LEXER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"

enum token_kind {
    TOKEN_END,
    TOKEN_NUMBER,   /* digits, 0x..., or with a fraction */
    TOKEN_NAME,     /* letters, digits and _, not beginning with a digit */
    TOKEN_STRING,   /* "..." with the escapes of C, resolved */
    TOKEN_COMMAND,  /* `...` */
    TOKEN_CODE,     /* %{ ... }% */
    TOKEN_ELLIPSIS, /* ... */
    TOKEN_SYMBOL,   /* any other single character, in symbol */
    TOKEN_BROKEN,   /* the lexer's error says what is wrong */
};

struct token {
    enum token_kind kind;
    char symbol;
    bool fraction;         /* NUMBER: it has a dot */
    const char *text;      /* where it begins in its source; STRING, COMMAND, CODE: the content */
    size_t length;         /* of text */
    const char *begin;     /* first character in the source, quotes included */
    unsigned line, column; /* of begin, from 1 */
};

/* NAME=VALUE pairs; VALUE is read in place of NAME. */
struct definition {
    const char *name;
    const char *value;
};

enum { LEXER_DEPTH_MAX = 8 };

struct lexer_source {
    const char *at, *end;
    unsigned line, column;
};

struct lexer {
    struct arena *arena;
    const struct definition *definitions;
    size_t definition_count;
    struct lexer_source source[LEXER_DEPTH_MAX]; /* [0] is the script, above it definitions */
    unsigned depth;
    struct token token;               /* the next one, not yet taken */
    struct lexer_source token_source; /* source[depth] at the token's begin */
    const char *previous_end;         /* in the script itself: where the token before ended */
    const char *error;
};

void lexer_start(struct lexer *lexer, struct arena *arena, const char *text, size_t length,
                 const struct definition *definitions, size_t count);
/* Takes the token and looks at the next. */
void lexer_next(struct lexer *lexer);
/* Takes, from the begin of the token on, the longest run of characters for which is_part is true,
 * and looks at the token after it. */
const char *lexer_word(struct lexer *lexer, bool (*is_part)(char c), size_t *length);
/* The character after blanks that follow the run lexer_word would take; takes nothing. */
char lexer_after_word(const struct lexer *lexer, bool (*is_part)(char c));
/* The token is a '(': takes everything up to its ')', and that too. False: there is none. */
bool lexer_skip_note(struct lexer *lexer);

bool token_is(const struct token *token, char symbol);
bool token_is_name(const struct token *token, const char *name);

#endif
