/* SPDX-License-Identifier: MIT */
/* Tells what a fuzzer of the doors does: how to understand a finding. DUET_FUZZ_TALK=1 build/fuzz/fuzzers/doors INPUT. */
#include "doors.h"

#include <stdarg.h>

#include "wire/print.h"
#include "wire/tcp.h"

bool talk_is_on(void)
{
    static int is_on = -1;
    if (is_on < 0)
        is_on = getenv("DUET_FUZZ_TALK") != NULL;
    return is_on > 0;
}

static void begin(const struct world *w, unsigned at)
{
    printf("%12.6f %c ", (double)w->now / 1e9, 'A' + (int)at);
}

void talk(const struct world *w, unsigned at, const char *format, ...)
{
    va_list arguments;
    if (!talk_is_on())
        return;
    begin(w, at);
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

void talk_packet(const struct world *w, unsigned at, const char *what, const uint8_t *bytes,
                 uint32_t length)
{
    struct ip_packet ip;
    struct tcp_header tcp;
    char flags[40];
    if (!talk_is_on())
        return;
    if (ip_parse(bytes, length, &ip) != IP_OK || ip.protocol != IP_PROTOCOL_TCP ||
        tcp_parse(ip.payload, ip.payload_length, &tcp) != TCP_WIRE_OK) {
        talk(w, at, "%s %u bytes that are no segment", what, length);
        return;
    }
    (void)print_flags(flags, sizeof flags, tcp.flags);
    begin(w, at);
    printf("%s .%u:%u > .%u:%u %s seq %u ack %u win %u text %u", what, ip.source.bytes[15],
           tcp.source_port, ip.destination.bytes[15], tcp.destination_port, flags, tcp.seq, tcp.ack,
           tcp.window, tcp.text_length);
    if ((tcp.options.present & DUET_TRACE_TIMESTAMPS) != 0)
        printf(" TS %u %u", tcp.options.tsval, tcp.options.tsecr);
    for (unsigned i = 0; i < tcp.options.sack_count; i++)
        printf(" [%u, %u)", tcp.options.sack[i].left, tcp.options.sack[i].right);
    printf(" options %#x\n", tcp.options.present);
    fflush(stdout);
}

void talk_trace(const struct world *w, unsigned at)
{
    struct duet_trace_event event;
    while (talk_is_on() && duet_next_trace(w->ends[at].stack, &event)) {
        if (event.kind == DUET_TRACE_TIMER)
            talk(w, at, "    flow %u: %s timer %u, until %.6f", event.flow,
                 duet_timer_name(event.u.timer.timer), event.u.timer.action,
                 (double)event.u.timer.deadline / 1e9);
        else if (event.kind == DUET_TRACE_RULE || event.kind == DUET_TRACE_STATE)
            talk(w, at, "    flow %u: %s %s", event.flow,
                 duet_state_name((enum duet_state)event.state), duet_rule(event.rule)->name);
    }
}
