/* SPDX-License-Identifier: MIT */
/* A packet as a script would have it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "duet/trace.h"
#include "sim/script/packet.h"

struct printer {
    char *to;
    size_t size, used;
};

static void put(struct printer *printer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put(struct printer *printer, const char *format, ...)
{
    if (printer->used + 1 >= printer->size) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    int length =
        vsnprintf(printer->to + printer->used, printer->size - printer->used, format, arguments);
    va_end(arguments);
    printer->used += length > 0 ? (size_t)length : 0;
    printer->used = printer->used < printer->size ? printer->used : printer->size - 1;
}

static void put_hex(struct printer *printer, const struct packet_option *option)
{
    put(printer, option->byte_count > 0 ? " " : "");
    for (unsigned i = 0; i < option->byte_count; i++) {
        put(printer, "%02x", option->bytes[i]);
    }
}

static void put_counters(struct printer *printer, const struct packet_option *option, bool swapped)
{
    static const char *const names[] = {"e0b", "ceb", "e1b"};
    put(printer, "ECN");
    for (unsigned i = 0; i < option->value_count && i < 3; i++) {
        put(printer, " %s %u", names[swapped ? 2 - i : i], option->values[i]);
    }
}

static void put_option(struct printer *printer, const struct packet_option *option,
                       const struct flow *flow)
{
    switch (option->kind) {
    case OPTION_EOL:
        put(printer, "eol");
        break;
    case OPTION_NOP:
        put(printer, "nop");
        break;
    case OPTION_MSS:
        put(printer, "mss %u", option->values[0]);
        break;
    case OPTION_WSCALE:
        put(printer, "wscale %u", option->values[0]);
        break;
    case OPTION_SACK_OK:
        put(printer, "sackOK");
        break;
    case OPTION_SACK:
        put(printer, "sack");
        for (unsigned i = 0; i + 1 < option->value_count; i += 2) {
            put(printer, " %u:%u", option->values[i], option->values[i + 1]);
        }
        break;
    case OPTION_TIMESTAMPS:
        put(printer, "TS val %u ecr %u",
            flow != NULL ? flow_clock_script(flow, option->values[0]) : option->values[0],
            option->values[1]);
        break;
    case OPTION_FAST_OPEN:
        put(printer, option->value_count > 0 ? "FO cookie" : "FO");
        put_hex(printer, option);
        break;
    case OPTION_FAST_OPEN_EXPERIMENTAL:
        put(printer, "FOEXP");
        put_hex(printer, option);
        break;
    case OPTION_USER_TIMEOUT:
        put(printer, "uto %u%s", option->values[0] & 0x7fff,
            option->values[0] & 0x8000 ? " min" : "");
        break;
    case OPTION_MD5:
        put(printer, "md5");
        put_hex(printer, option);
        break;
    case OPTION_ACC_ECN_0:
    case OPTION_ACC_ECN_1:
        put_counters(printer, option, option->kind == OPTION_ACC_ECN_1);
        break;
    case OPTION_RAW:
        put(printer, "raw");
        put_hex(printer, option);
        break;
    case OPTION_ANY:
        put(printer, "...");
        break;
    }
}

static void put_flags(struct printer *printer, const struct packet_event *packet)
{
    static const char letters[] = "SFRP.U";
    static const uint16_t flags[] = {DUET_SYN, DUET_FIN, DUET_RST, DUET_PSH, DUET_ACK, DUET_URG};
    size_t before = printer->used;
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (packet->flags & flags[i]) {
            put(printer, "%c", letters[i]);
        }
    }
    put(printer, "%s%s%s", packet->flags & DUET_ECE ? "E" : "", packet->flags & DUET_CWR ? "W" : "",
        packet->flags & DUET_AE ? "A" : "");
    put(printer, printer->used == before ? "-" : "");
}

static void put_segment(struct printer *printer, const struct packet_event *packet,
                        const struct flow *flow)
{
    put_flags(printer, packet);
    put(printer, " %u:%u(%u)", packet->seq, packet->end, packet->length);
    if (packet->has_ack) {
        put(printer, " ack %u", packet->ack);
    }
    if (packet->has_window) {
        put(printer, " win %u", packet->window);
    }
    if (packet->has_urgent) {
        put(printer, " urg %u", packet->urgent);
    }
    for (unsigned i = 0; i < packet->option_count; i++) {
        put(printer, i == 0 ? " <" : ",");
        put_option(printer, &packet->options[i], flow);
    }
    put(printer, packet->option_count > 0 ? ">" : "");
}

static void put_icmp(struct printer *printer, const struct packet_event *packet)
{
    put(printer, "%s %u %u", packet->protocol == PACKET_ICMP ? "icmp" : "icmpv6", packet->type,
        packet->code);
    if (packet->mtu != 0) {
        put(printer, " mtu %u", packet->mtu);
    }
    if (packet->has_seq) {
        put(printer, " [%u:%u(%u)]", packet->seq, packet->end, packet->length);
    }
}

char *packet_print(const struct packet_event *packet, const struct flow *flow, char *to,
                   size_t size)
{
    static const char *const ecn[] = {"noecn", "ect1", "ect0", "ce"};
    struct printer printer = {to, size, 0};
    to[0] = '\0';
    if (packet->ecn_match == ECN_ECT01) {
        put(&printer, "[ect01] ");
    } else if (packet->ecn_match == ECN_SET && packet->ecn != 0) {
        put(&printer, "[%s] ", ecn[packet->ecn & 3]);
    }
    if (packet->protocol == PACKET_TCP) {
        put_segment(&printer, packet, flow);
    } else {
        put_icmp(&printer, packet);
    }
    return to;
}
