/* SPDX-License-Identifier: MIT */
/* The parser's TCP options, <mss 1460,sackOK,TS val 1 ecr 0>, and ICMP messages. */
#include <string.h>

#include "sim/script/parser.h"

/* ---- TCP options ---- */

static bool option_number(struct parser *parser, const char *what, uint64_t max,
                          struct packet_option *option)
{
    uint64_t number = 0;
    bool good = parser_number(parser, what, max, &number);
    option->values[option->value_count++] = (uint32_t)number;
    return good;
}

/* left:right left:right ..., also with commas. */
static bool parse_blocks(struct parser *parser, struct packet_option *option)
{
    while (parser->lexer.token.kind == TOKEN_NUMBER) {
        if (option->value_count == OPTION_VALUES_MAX) {
            return parser_wrong(parser, "at most eight blocks");
        }
        if (!option_number(parser, "the left edge of a block", UINT32_MAX, option) ||
            !parser_symbol(parser, ':') ||
            !option_number(parser, "the right edge of a block", UINT32_MAX, option)) {
            return false;
        }
    }
    return option->value_count > 0 || parser_expected(parser, "a block left:right");
}

static bool parse_timestamps(struct parser *parser, struct packet_option *option)
{
    option->kind = OPTION_TIMESTAMPS;
    if (!parser_takes_name(parser, "val")) {
        return parser_expected(parser, "val");
    }
    if (!option_number(parser, "the timestamp", UINT32_MAX, option)) {
        return false;
    }
    if (!parser_takes_name(parser, "ecr")) {
        return parser_expected(parser, "ecr");
    }
    return option_number(parser, "the echoed timestamp", UINT32_MAX, option);
}

/* ECN e0b 1 ceb 0 e1b 1, in the order that tells the kind; the tail may be missing. */
static bool parse_acc_ecn(struct parser *parser, struct packet_option *option)
{
    static const char *const order[2][3] = {{"e0b", "ceb", "e1b"}, {"e1b", "ceb", "e0b"}};
    bool swapped = token_is_name(&parser->lexer.token, "e1b");
    option->kind = swapped ? OPTION_ACC_ECN_1 : OPTION_ACC_ECN_0;
    for (unsigned i = 0; i < 3 && parser_takes_name(parser, order[swapped][i]); i++) {
        if (!option_number(parser, "a counter of 24 bits", 0xffffff, option)) {
            return false;
        }
    }
    return true;
}

static bool parse_option_bytes(struct parser *parser, struct packet_option *option, unsigned max,
                               bool may_be_empty)
{
    bool here = parser->lexer.token.kind == TOKEN_NUMBER || parser->lexer.token.kind == TOKEN_NAME;
    if (!here && may_be_empty) {
        return true;
    }
    return parser_hex(parser, option->bytes, max, &option->byte_count);
}

static bool is_multipath(struct parser *parser)
{
    static const char *const names[] = {"mp_capable",     "mp_join_syn", "mp_join_syn_ack",
                                        "mp_join_ack",    "dss",         "add_address",
                                        "remove_address", "mp_prio",     "mp_fail",
                                        "mp_fastclose",   "mp_join",     "mp_capable_no_cs"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (token_is_name(&parser->lexer.token, names[i])) {
            parser->script->unsupported = "MPTCP";
            return true;
        }
    }
    return false;
}

/* uto 300, in seconds; uto 120 min. */
static bool parse_user_timeout(struct parser *parser, struct packet_option *option)
{
    option->kind = OPTION_USER_TIMEOUT;
    if (!option_number(parser, "a user timeout of 15 bits", 0x7fff, option)) {
        return false;
    }
    if (parser_takes_name(parser, "min")) {
        option->values[0] |= 0x8000;
    }
    return true;
}

static bool parse_long_option(struct parser *parser, struct packet_option *option)
{
    if (parser_takes_name(parser, "FO")) {
        option->kind = OPTION_FAST_OPEN;
        if (parser_takes_name(parser, "cookie")) {
            option->value_count = 1;
            return true;
        }
        return parse_option_bytes(parser, option, 16, true);
    }
    if (parser_takes_name(parser, "FOEXP") || parser_takes_name(parser, "exp")) {
        option->kind = OPTION_FAST_OPEN_EXPERIMENTAL;
        return parse_option_bytes(parser, option, 16, true);
    }
    if (parser_takes_name(parser, "uto")) {
        return parse_user_timeout(parser, option);
    }
    if (parser_takes_name(parser, "md5")) {
        option->kind = OPTION_MD5;
        return parse_option_bytes(parser, option, 16, true);
    }
    if (parser_takes_name(parser, "raw")) {
        option->kind = OPTION_RAW;
        return parse_option_bytes(parser, option, OPTION_BYTES_MAX, false);
    }
    return !is_multipath(parser) &&
           parser_expected(parser,
                           "a TCP option (nop, eol, mss, wscale, sackOK, sack, TS, FO ...)");
}

static bool parse_tcp_option(struct parser *parser, struct packet_option *option)
{
    if (parser_takes_name(parser, "nop")) {
        option->kind = OPTION_NOP;
    } else if (parser_takes_name(parser, "eol")) {
        option->kind = OPTION_EOL;
    } else if (parser_takes_name(parser, "sackOK") || parser_takes_name(parser, "sackok")) {
        option->kind = OPTION_SACK_OK;
    } else if (parser_takes_name(parser, "mss")) {
        option->kind = OPTION_MSS;
        return option_number(parser, "the MSS", 65535, option);
    } else if (parser_takes_name(parser, "wscale")) {
        option->kind = OPTION_WSCALE;
        return option_number(parser, "the window scale", 255, option);
    } else if (parser_takes_name(parser, "sack")) {
        option->kind = OPTION_SACK;
        return parse_blocks(parser, option);
    } else if (parser_takes_name(parser, "TS") || parser_takes_name(parser, "ts")) {
        return parse_timestamps(parser, option);
    } else if (parser_takes_name(parser, "ECN")) {
        return parse_acc_ecn(parser, option);
    } else if (parser->lexer.token.kind == TOKEN_ELLIPSIS) {
        option->kind = OPTION_ANY;
        lexer_next(&parser->lexer);
    } else {
        return parse_long_option(parser, option);
    }
    return true;
}

bool parse_tcp_options(struct parser *parser, struct packet_event *packet)
{
    if (!token_is(&parser->lexer.token, '<')) {
        return true;
    }
    lexer_next(&parser->lexer);
    struct packet_option options[SCRIPT_OPTIONS_MAX] = {0};
    unsigned count = 0;
    while (!token_is(&parser->lexer.token, '>')) {
        if (count == SCRIPT_OPTIONS_MAX) {
            return parser_wrong(parser, "at most forty options");
        }
        if (!parse_tcp_option(parser, &options[count])) {
            return false;
        }
        packet->any_options |= options[count++].kind == OPTION_ANY;
        if (!parser_takes(parser, ',') && !token_is(&parser->lexer.token, '>')) {
            return parser_expected(parser, "',' or '>'");
        }
    }
    lexer_next(&parser->lexer);
    packet->option_count = count;
    packet->options = arena_new(&parser->script->arena, (count + 1) * sizeof(options[0]));
    memcpy(packet->options, options, count * sizeof(options[0]));
    return true;
}

/* ---- ICMP ---- */

struct icmp_name {
    const char *name;
    bool v6;
    uint8_t type;
    int code; /* -1: this is a type */
};

static const struct icmp_name names[] = {
    {"echo_reply", false, 0, -1},
    {"unreachable", false, 3, -1},
    {"source_quench", false, 4, -1},
    {"redirect", false, 5, -1},
    {"echo_request", false, 8, -1},
    {"time_exceeded", false, 11, -1},
    {"parameter_problem", false, 12, -1},
    {"net_unreachable", false, 3, 0},
    {"host_unreachable", false, 3, 1},
    {"protocol_unreachable", false, 3, 2},
    {"port_unreachable", false, 3, 3},
    {"frag_needed", false, 3, 4},
    {"source_route_failed", false, 3, 5},
    {"net_unknown", false, 3, 6},
    {"host_unknown", false, 3, 7},
    {"source_host_isolated", false, 3, 8},
    {"net_prohibited", false, 3, 9},
    {"host_prohibited", false, 3, 10},
    {"net_unreachable_for_tos", false, 3, 11},
    {"net_tos_unreachable", false, 3, 11},
    {"host_unreachable_for_tos", false, 3, 12},
    {"host_tos_unreachable", false, 3, 12},
    {"packet_filtered", false, 3, 13},
    {"admin_prohibited", false, 3, 13},
    {"precedence_violation", false, 3, 14},
    {"precedence_cutoff", false, 3, 15},
    {"exceeded_ttl", false, 11, 0},
    {"ttl_exceeded", false, 11, 0},
    {"exceeded_frag_reassembly", false, 11, 1},
    {"frag_reassembly_exceeded", false, 11, 1},
    {"unreachable", true, 1, -1},
    {"packet_too_big", true, 2, -1},
    {"time_exceeded", true, 3, -1},
    {"parameter_problem", true, 4, -1},
    {"echo_request", true, 128, -1},
    {"echo_reply", true, 129, -1},
    {"no_route", true, 1, 0},
    {"noroute", true, 1, 0},
    {"admin_prohibited", true, 1, 1},
    {"not_neighbour", true, 1, 2},
    {"address_unreachable", true, 1, 3},
    {"host_unreachable", true, 1, 3},
    {"port_unreachable", true, 1, 4},
    {"exceeded_hop_limit", true, 3, 0},
    {"exceeded_frag_reassembly", true, 3, 1},
};

static const struct icmp_name *find_name(const struct token *token, bool v6, int type)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        bool fits = type < 0 ? names[i].code < 0 : names[i].code >= 0 && names[i].type == type;
        if (fits && names[i].v6 == v6 && token_is_name(token, names[i].name)) {
            return &names[i];
        }
    }
    return NULL;
}

static bool parse_byte(struct parser *parser, const char *what, uint8_t *byte)
{
    uint64_t number = 0;
    bool good = parser_number(parser, what, 255, &number);
    *byte = (uint8_t)number;
    return good;
}

static bool parse_type_and_code(struct parser *parser, struct packet_event *packet, bool v6)
{
    const struct token *token = &parser->lexer.token;
    const struct icmp_name *type = find_name(token, v6, -1);
    if (type != NULL) {
        packet->type = type->type;
        lexer_next(&parser->lexer);
    } else if (!parse_byte(parser, "an ICMP type", &packet->type)) {
        return false;
    }
    const struct icmp_name *code = find_name(token, v6, packet->type);
    if (code != NULL) {
        packet->code = (uint8_t)code->code;
        lexer_next(&parser->lexer);
    } else if (token->kind == TOKEN_NUMBER) {
        return parse_byte(parser, "an ICMP code", &packet->code);
    } else if (token->kind == TOKEN_NAME && !token_is_name(token, "mtu")) {
        return parser_expected(parser, "an ICMP code, 'mtu' or [seq:end(length)]");
    }
    return true;
}

static bool parse_quoted(struct parser *parser, struct packet_event *packet)
{
    uint64_t seq = 0, end = 0, length = 0;
    lexer_next(&parser->lexer);
    (void)parser_takes_name(parser, "tcp");
    bool good = parser_number(parser, "seq:end(length)", UINT32_MAX, &seq) &&
                parser_symbol(parser, ':') &&
                parser_number(parser, "the end of the range", UINT32_MAX, &end) &&
                parser_symbol(parser, '(') && parser_number(parser, "the length", 65000, &length) &&
                parser_symbol(parser, ')');
    packet->has_seq = true;
    packet->seq = (uint32_t)seq;
    packet->end = (uint32_t)end;
    packet->length = (uint32_t)length;
    return good && parser_symbol(parser, ']');
}

bool parse_icmp(struct parser *parser, struct packet_event *packet, bool v6)
{
    packet->protocol = v6 ? PACKET_ICMPV6 : PACKET_ICMP;
    if (!parse_type_and_code(parser, packet, v6)) {
        return false;
    }
    if (parser_takes_name(parser, "mtu")) {
        uint64_t mtu = 0;
        if (!parser_number(parser, "the MTU", UINT32_MAX, &mtu)) {
            return false;
        }
        packet->mtu = (uint32_t)mtu;
    }
    return !token_is(&parser->lexer.token, '[') || parse_quoted(parser, packet);
}
