/* SPDX-License-Identifier: MIT */
/* The parser's packets: IP fields in brackets, endpoints, flags, numbers; TCP options and ICMP
 * stand in files of their own.
 */
#include <string.h>

#include "sim/script/parser.h"
#include "wire/tcp.h"

static bool is_endpoint(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '.' ||
           c == ':' || c == '[' || c == ']';
}

static bool at_endpoints(const struct parser *parser)
{
    return lexer_after_word(&parser->lexer, is_endpoint) == '>';
}

/* ---- IP fields ---- */

static bool field_number(struct parser *parser, uint64_t max, uint64_t *number)
{
    return parser_number(parser, "the value of the field", max, number);
}

static bool parse_ecn(struct parser *parser, struct packet_event *packet)
{
    static const char *const names[] = {"noecn", "ect1", "ect0", "ce"};
    for (uint8_t i = 0; i < 4; i++) {
        if (parser_takes_name(parser, names[i])) {
            packet->ecn_match = ECN_SET;
            packet->ecn = i;
            return true;
        }
    }
    if (parser_takes_name(parser, "ect01")) {
        packet->ecn_match = ECN_ECT01;
        packet->ecn = 2;
        return true;
    }
    return false;
}

/* The fields with a value that are ours, for packets in. */
static bool parse_strange_field(struct parser *parser, struct packet_event *packet)
{
    uint64_t number = 0;
    if (parser_takes_name(parser, "badsum")) {
        packet->bad_checksum = true;
    } else if (parser_takes_name(parser, "badipsum")) {
        packet->bad_ip_checksum = true;
    } else if (parser_takes_name(parser, "more")) {
        packet->more_fragments = true;
    } else if (parser_takes_name(parser, "offset")) {
        packet->has_offset = true;
        bool good = field_number(parser, 15, &number);
        packet->offset = (uint8_t)number;
        return good;
    } else if (parser_takes_name(parser, "cut")) {
        packet->has_cut = true;
        bool good = field_number(parser, 65535, &number);
        packet->cut = (uint32_t)number;
        return good;
    } else if (parser_takes_name(parser, "ipopt")) {
        return parser_hex(parser, packet->ip_options, sizeof(packet->ip_options),
                          &packet->ip_option_bytes);
    } else {
        return parser_expected(parser,
                               "an IP field (ect0, ect1, ce, noecn, tos, ttl, flowlabel ...)");
    }
    return true;
}

static bool parse_field(struct parser *parser, struct packet_event *packet)
{
    uint64_t number = 0;
    if (parse_ecn(parser, packet)) {
        return true;
    }
    if (parser_takes_name(parser, "tos") || parser_takes_name(parser, "tclass")) {
        packet->has_tos = true;
        bool good = field_number(parser, 255, &number);
        packet->tos = (uint8_t)number;
        return good;
    }
    if (parser_takes_name(parser, "ttl") || parser_takes_name(parser, "hlim")) {
        packet->has_ttl = true;
        bool good = field_number(parser, 255, &number);
        packet->ttl = (uint8_t)number;
        return good;
    }
    if (parser_takes_name(parser, "flowlabel")) {
        packet->has_flow_label = true;
        bool good = field_number(parser, 0xfffff, &number);
        packet->flow_label = (uint32_t)number;
        return good;
    }
    return parse_strange_field(parser, packet);
}

static bool parse_fields(struct parser *parser, struct packet_event *packet)
{
    const struct token *token = &parser->lexer.token;
    while ((token_is(token, '[') || token_is(token, '(')) && !at_endpoints(parser)) {
        char close = token_is(token, '[') ? ']' : ')';
        lexer_next(&parser->lexer);
        do {
            if (!parse_field(parser, packet)) {
                return false;
            }
        } while (parser_takes(parser, ','));
        if (!parser_symbol(parser, close)) {
            return false;
        }
    }
    return true;
}

/* ---- endpoints ---- */

static bool port_value(const char *text, uint16_t *port)
{
    uint32_t value = 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (text[i] < '0' || text[i] > '9' || value > 65535) {
            return false;
        }
        value = value * 10 + (uint32_t)(text[i] - '0');
    }
    *port = (uint16_t)value;
    return text[0] != '\0' && value <= 65535;
}

/* PORT, ADDRESS:PORT, ADDRESS.PORT or [ADDRESS]:PORT; text is changed. */
static bool endpoint_value(char *text, struct packet_endpoint *endpoint)
{
    endpoint->has_port = true;
    if (port_value(text, &endpoint->port)) {
        return true;
    }
    endpoint->has_address = true;
    char *bracket = strchr(text, ']');
    if (text[0] == '[' && bracket != NULL) {
        *bracket = '\0';
        return bracket[1] == ':' && port_value(bracket + 2, &endpoint->port) &&
               duet_address_parse(text + 1, &endpoint->address) == DUET_OK;
    }
    char *colon = strrchr(text, ':'), *dot = strrchr(text, '.');
    char *mark = colon != NULL && colon == strchr(text, ':') ? colon : dot;
    if (mark == NULL) {
        return false;
    }
    *mark = '\0';
    return port_value(mark + 1, &endpoint->port) &&
           duet_address_parse(text, &endpoint->address) == DUET_OK;
}

static bool parse_endpoint(struct parser *parser, struct packet_endpoint *endpoint)
{
    struct token token = parser->lexer.token;
    size_t length = 0;
    const char *word = lexer_word(&parser->lexer, is_endpoint, &length);
    char *text = arena_text(&parser->script->arena, word, length);
    if (length > 0 && text[length - 1] == ':') {
        text[length - 1] = '\0'; /* tcpdump's colon after the second one */
    }
    if (!endpoint_value(text, endpoint)) {
        parser->lexer.token = token;
        return parser_wrong(parser, "expected a port, address:port or [address]:port");
    }
    return true;
}

static bool parse_endpoints(struct parser *parser, struct packet_event *packet)
{
    bool said = parser_takes_name(parser, "inject");
    if (!said && !at_endpoints(parser)) {
        return true;
    }
    packet->has_endpoints = true;
    bool good = parse_endpoint(parser, &packet->source) && parser_symbol(parser, '>') &&
                parse_endpoint(parser, &packet->destination);
    (void)(good && parser_takes(parser, ':'));
    return good;
}

/* ---- flags and numbers ---- */

static bool is_flag(char c)
{
    return c != '\0' && strchr("FSRP.UEWCAeN-01234567", c) != NULL;
}

static bool add_flag(struct packet_event *packet, char c)
{
    static const char letters[] = "FSRP.UEWACeN";
    static const uint16_t flags[] = {DUET_FIN, DUET_SYN, DUET_RST, DUET_PSH, DUET_ACK, DUET_URG,
                                     DUET_ECE, DUET_CWR, DUET_AE,  DUET_CWR, DUET_AE,  DUET_AE};
    if (c >= '0' && c <= '7') {
        unsigned counter = (unsigned)(c - '0');
        packet->ace = true;
        packet->flags |= (uint16_t)((counter & 4 ? DUET_AE : 0) | (counter & 2 ? DUET_CWR : 0) |
                                    (counter & 1 ? DUET_ECE : 0));
        return true;
    }
    if (c == '-') {
        return true;
    }
    const char *at = strchr(letters, c);
    uint16_t flag = flags[at - letters];
    bool fresh = (packet->flags & flag) == 0;
    packet->flags |= flag;
    return fresh;
}

static bool parse_flags(struct parser *parser, struct packet_event *packet)
{
    struct token token = parser->lexer.token;
    size_t length = 0;
    const char *word = lexer_word(&parser->lexer, is_flag, &length);
    bool good = length > 0;
    for (size_t i = 0; i < length && good; i++) {
        good = add_flag(packet, word[i]);
    }
    if (!good) {
        parser->lexer.token = token;
        return length > 0
                   ? parser_wrong(parser, "a flag stands twice")
                   : parser_expected(parser, "flags (F S R P . U E W A, 0-7, or - for none)");
    }
    return true;
}

static bool parse_range(struct parser *parser, struct packet_event *packet)
{
    uint64_t seq = 0, end = 0, length = 0;
    struct token token = parser->lexer.token;
    bool good =
        parser_number(parser, "seq:end(length)", UINT32_MAX, &seq) && parser_symbol(parser, ':') &&
        parser_number(parser, "the end of the range", UINT32_MAX, &end) &&
        parser_symbol(parser, '(') && parser_number(parser, "the length", INT32_MAX, &length) &&
        parser_symbol(parser, ')');
    if (!good) {
        return false;
    }
    packet->has_seq = true;
    packet->seq = (uint32_t)seq;
    packet->end = (uint32_t)end;
    packet->length = (uint32_t)length;
    if (packet->seq + packet->length != packet->end) {
        parser->lexer.token = token;
        return parser_wrong(parser, "the end is not the beginning plus the length");
    }
    if (packet->inbound && packet->protocol == PACKET_TCP && packet->length > 65000) {
        parser->lexer.token = token;
        return parser_wrong(parser, "a packet in has at most 65000 bytes of text");
    }
    return true;
}

static bool parse_fields_of_tcp(struct parser *parser, struct packet_event *packet)
{
    uint64_t number = 0;
    if (parser_takes_name(parser, "ack")) {
        packet->has_ack = true;
        if (!parser_number(parser, "the acknowledgement number", UINT32_MAX, &number)) {
            return false;
        }
        packet->ack = (uint32_t)number;
    }
    if (parser_takes_name(parser, "win")) {
        packet->has_window = true;
        if (!parser_number(parser, "the window", 65535, &number)) {
            return false;
        }
        packet->window = (uint16_t)number;
    }
    if (parser_takes_name(parser, "urg")) {
        packet->has_urgent = true;
        if (!parser_number(parser, "the urgent pointer", 65535, &number)) {
            return false;
        }
        packet->urgent = (uint16_t)number;
    }
    return true;
}

static bool parse_segment(struct parser *parser, struct packet_event *packet)
{
    (void)parser_takes_name(parser, "tcp");
    return parse_flags(parser, packet) && parse_range(parser, packet) &&
           parse_fields_of_tcp(parser, packet) && parse_tcp_options(parser, packet);
}

/* What duet does not have: the script is then not run at all, which is no error of the script. */
static bool is_unsupported(struct parser *parser)
{
    static const char *const words[][2] = {
        {"udp", "UDP"},     {"udplite", "UDP-Lite"}, {"sctp", "SCTP"},    {"dccp", "DCCP"},
        {"gre", "tunnels"}, {"ipv4", "tunnels"},     {"ipv6", "tunnels"}, {"mpls", "tunnels"},
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (token_is_name(&parser->lexer.token, words[i][0])) {
            parser->script->unsupported = words[i][1];
            return true;
        }
    }
    return false;
}

bool parse_packet(struct parser *parser, struct packet_event *packet)
{
    packet->inbound = token_is(&parser->lexer.token, '<');
    lexer_next(&parser->lexer);
    packet->ecn_match = ECN_ANY;
    if (!parse_fields(parser, packet) || !parse_endpoints(parser, packet) ||
        !parse_fields(parser, packet) || is_unsupported(parser)) {
        return false;
    }
    if (parser_takes_name(parser, "icmp") || parser_takes_name(parser, "icmpv4")) {
        return parse_icmp(parser, packet, false);
    }
    if (parser_takes_name(parser, "icmpv6")) {
        return parse_icmp(parser, packet, true);
    }
    return parse_segment(parser, packet);
}
