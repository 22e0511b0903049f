/* SPDX-License-Identifier: MIT */
/* What the files of the recursive-descent parser share. Each parse function takes its part of the
 * tokens and returns false after the first error, which is then in parser->error.
 */
#ifndef SCRIPT_PARSER_H
#define SCRIPT_PARSER_H

#include "sim/script/script.h"

enum { PARSER_NESTING_MAX = 32 };

struct parser {
    struct lexer lexer;
    struct script *script;
    struct script_error *error;
    bool failed;
    unsigned nesting; /* of expressions */
};

/* Says "expected WHAT, got TOKEN" at the next token, unless an error stands already. Always false.
 */
bool parser_expected(struct parser *parser, const char *what);
/* The same with a free sentence. */
bool parser_wrong(struct parser *parser, const char *sentence);

bool parser_symbol(struct parser *parser, char symbol); /* takes it or fails */
bool parser_takes(struct parser *parser, char symbol);  /* takes it if it is there */
bool parser_takes_name(struct parser *parser, const char *name);
/* A whole number from 0 to max, decimal or hex. */
bool parser_number(struct parser *parser, const char *what, uint64_t max, uint64_t *number);
/* Pairs of hex digits, 0x in front or not. */
bool parser_hex(struct parser *parser, uint8_t *bytes, unsigned max, unsigned *count);
char *parser_text(struct parser *parser, const struct token *token);

bool parse_call(struct parser *parser, struct call_event *call);
bool parse_packet(struct parser *parser, struct packet_event *packet);
bool parse_tcp_options(struct parser *parser, struct packet_event *packet);
bool parse_icmp(struct parser *parser, struct packet_event *packet, bool v6);

#endif
