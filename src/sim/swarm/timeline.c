/* SPDX-License-Identifier: MIT */
/* See timeline.h. What a timeline cannot say (settings of one connection, packets that no parser
 * reads) is left out; whoever writes it plays it and sees whether it tells the same story. */
#include "sim/swarm/timeline.h"

#include "sim/swarm/forge.h"
#include "wire/tcp.h"

#include <string.h>

enum { LISTENER = 3, SERVED = 4 }; /* descriptors */

static bool is_told(const struct swarm *w, const struct host *host)
{
    const struct session *session = &w->sessions[0];

    if (w->options.timeline == NULL || w->session_count != 1)
        return false;
    return host->number == (w->options.timeline_end == 0 ? session->client : session->server);
}

static int descriptor(const struct swarm *w)
{
    return w->options.timeline_end == 0 ? LISTENER : SERVED;
}

static void print_time(const struct swarm *w)
{
    fprintf(w->options.timeline, "%.6f ", (double)(w->now - w->sessions[0].starts_at) / 1e9);
}

/* ---- the head ---- */

static void print_sizes(const struct duet_config *c, FILE *to)
{
#define NUMBER(name) fprintf(to, "--config " #name "=%llu\n", (unsigned long long)c->name)
    NUMBER(connections_max);
    NUMBER(transfers_max);
    NUMBER(reassemblies_max);
    NUMBER(half_open_max);
    NUMBER(time_wait_max);
    NUMBER(accurate_ecn_max);
    NUMBER(ranges_max);
    NUMBER(replies_max);
    NUMBER(paths_max);
    NUMBER(page_size);
    NUMBER(pages_max);
    NUMBER(send_buffer);
    NUMBER(receive_buffer);
    NUMBER(send_buffer_initial);
    NUMBER(receive_buffer_initial);
    NUMBER(mtu_initial);
    NUMBER(keepalive_probes);
    NUMBER(initial_window);
    NUMBER(quick_acks);
    NUMBER(syn_ack_retries);
    NUMBER(ecn);
#undef NUMBER
}

static void print_times(const struct duet_config *c, FILE *to)
{
#define TIME(name) fprintf(to, "--config " #name "=%lldns\n", (long long)c->name)
    TIME(msl);
    TIME(rto_min);
    TIME(rto_max);
    TIME(delayed_ack);
    TIME(user_timeout);
    TIME(keepalive_interval);
    TIME(fin_wait_2_timeout);
#undef TIME
}

static void print_switches(const struct duet_config *c, FILE *to)
{
#define SWITCH(name) fprintf(to, "--config " #name "=%s\n", c->name ? "true" : "false")
    SWITCH(timestamps);
    SWITCH(window_scaling);
    SWITCH(sack);
    SWITCH(autotune);
    SWITCH(rack);
    SWITCH(pacing);
    SWITCH(rto_restart);
    SWITCH(time_wait_rst);
    SWITCH(plpmtud);
    SWITCH(hystart);
    SWITCH(empty_window_probes);
    SWITCH(user_timeout_option);
#undef SWITCH
    fprintf(to, "--config controller=%s\n", c->controller == DUET_CUBIC ? "cubic" : "newreno");
}

void timeline_begin(struct swarm *w, const struct host *host)
{
    FILE *to = w->options.timeline;

    if (!is_told(w, host))
        return;
    fprintf(to, "--ip_version=%s\n--mtu=%u\n--option_order=free\n", w->plan.ipv6 ? "ipv6" : "ipv4",
            host->config.mtu);
    print_sizes(&host->config, to);
    print_times(&host->config, to);
    print_switches(&host->config, to);
    fprintf(to, "\n0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3\n");
    if (w->options.timeline_end == 1)
        fprintf(to, "+0 bind(3, ..., ...) = 0\n+0 listen(3, 4) = 0\n");
}

/* ---- packets ---- */

/* The first SYN of each direction says where its numbers begin. */
static void learn(struct swarm *w, const struct tcp_header *tcp, bool arrives)
{
    struct timeline_numbers *numbers = arrives ? &w->timeline.theirs : &w->timeline.ours;

    if (!numbers->is_known && (tcp->flags & DUET_SYN) != 0)
        *numbers = (struct timeline_numbers){.is_known = true, .isn = tcp->seq};
    if (!numbers->has_clock && (tcp->options.present & DUET_TRACE_TIMESTAMPS) != 0) {
        numbers->has_clock = true;
        numbers->clock = tcp->options.tsval;
    }
}

static void print_flags(uint16_t flags, FILE *to)
{
    static const struct {
        uint16_t flag;
        char letter;
    } letters[] = {{DUET_FIN, 'F'}, {DUET_SYN, 'S'}, {DUET_RST, 'R'},
                   {DUET_PSH, 'P'}, {DUET_ACK, '.'}, {DUET_URG, 'U'},
                   {DUET_ECE, 'E'}, {DUET_CWR, 'W'}, {DUET_AE, 'A'}};
    bool any = false;

    for (unsigned i = 0; i < sizeof letters / sizeof letters[0]; i++) {
        if ((flags & letters[i].flag) == 0)
            continue;
        fputc(letters[i].letter, to);
        any = true;
    }
    if (!any)
        fputc('-', to);
}

static void print_options(const struct swarm *w, const struct tcp_options *o, FILE *to)
{
    uint32_t clock = w->timeline.ours.has_clock ? w->timeline.ours.clock : 0;
    const char *comma = "";

    fputs(" <", to);
    if ((o->present & DUET_TRACE_MSS) != 0)
        comma = (fprintf(to, "mss %u", o->mss), ",");
    if ((o->present & DUET_TRACE_WINDOW_SCALE) != 0)
        comma = (fprintf(to, "%snop,wscale %u", comma, o->window_scale), ",");
    if ((o->present & DUET_TRACE_SACK_PERMITTED) != 0)
        comma = (fprintf(to, "%snop,nop,sackOK", comma), ",");
    if ((o->present & DUET_TRACE_TIMESTAMPS) != 0)
        comma = (fprintf(to, "%snop,nop,TS val %u ecr %u", comma, o->tsval,
                         o->tsecr == 0 ? 0 : o->tsecr - clock),
                 ",");
    if ((o->present & DUET_TRACE_SACK) != 0) {
        fprintf(to, "%snop,nop,sack", comma);
        for (unsigned i = 0; i < o->sack_count; i++)
            fprintf(to, " %u:%u", o->sack[i].left - w->timeline.ours.isn,
                    o->sack[i].right - w->timeline.ours.isn);
    }
    fputs(">", to);
}

/* Of ours only what fixes the relation of the clocks: the rest may be what it is. */
static void print_our_options(const struct tcp_options *o, FILE *to)
{
    fputs(o->present == 0 ? "" : " <...>", to);
}

/* The packet with its checksum, which a link may still have to fill in or not care about. */
static bool look(struct swarm *w, uint32_t slot, struct tcp_header *tcp, uint8_t *ecn)
{
    struct forge_view view;

    if (!forge_look(w, slot, &view))
        return false;
    *ecn = forge_ecn(view.bytes);
    return tcp_parse(view.tcp, (uint32_t)(view.text - view.tcp) + view.text_length, tcp) ==
           TCP_WIRE_OK;
}

/* Looks at it, and leaves it as it was: the world must go on as if nobody did. */
static bool look_only(struct swarm *w, uint32_t slot, struct tcp_header *tcp, uint8_t *ecn)
{
    struct packet_slot *info = &w->packets.slots[slot];
    const struct packet_slot before = *info;
    uint8_t *at = packet_bytes(&w->packets, slot) + info->checksum_start + info->checksum_offset;
    uint8_t sum[2];
    bool good;

    memcpy(sum, at, sizeof sum);
    if ((info->flags & DUET_PACKET_CHECKED) != 0)
        info->flags |= DUET_PACKET_CHECKSUM_PARTIAL;
    network_finish_checksum(w, slot);
    good = look(w, slot, tcp, ecn);
    memcpy(at, sum, sizeof sum);
    *info = before;
    return good;
}

void timeline_packet(struct swarm *w, const struct host *host, uint32_t slot, bool arrives)
{
    static const char *const ecn[] = {"", "[ect1] ", "[ect0] ", "[ce] "};
    FILE *to = w->options.timeline;
    const struct timeline_numbers *ours = &w->timeline.ours, *theirs = &w->timeline.theirs;
    const struct timeline_numbers *from = arrives ? theirs : ours, *other = arrives ? ours : theirs;
    struct tcp_header tcp;
    uint8_t codepoint;

    if (!is_told(w, host) || !look_only(w, slot, &tcp, &codepoint))
        return;
    learn(w, &tcp, arrives);
    print_time(w);
    fprintf(to, "%s %s", arrives ? "<" : ">", arrives ? ecn[codepoint] : "");
    print_flags(tcp.flags, to);
    fprintf(to, " %u:%u(%u)", tcp.seq - from->isn, tcp.seq - from->isn + tcp.text_length,
            tcp.text_length);
    if ((tcp.flags & DUET_ACK) != 0)
        fprintf(to, " ack %u", tcp.ack - other->isn);
    fprintf(to, " win %u", tcp.window);
    if ((tcp.flags & DUET_URG) != 0)
        fprintf(to, " urg %u", tcp.urgent);
    if (arrives && tcp.options.present != 0)
        print_options(w, &tcp.options, to);
    else
        print_our_options(&tcp.options, to);
    fputc('\n', to);
}

/* ---- calls ---- */

void timeline_call(struct swarm *w, const struct host *host, const struct duet_trace_event *event)
{
    FILE *to = w->options.timeline;
    int fd = descriptor(w);

    if (!is_told(w, host) || event->kind != DUET_TRACE_CALL || event->u.call.result < 0)
        return;
    switch ((enum duet_call)event->u.call.call) {
    case DUET_CALL_LISTEN:
    case DUET_CALLS:
        return;
    case DUET_CALL_CONNECT:
        print_time(w);
        fprintf(to, "duet_connect(3, ...) = 0\n");
        return;
    case DUET_CALL_ACCEPT:
        print_time(w);
        fprintf(to, "duet_accept(3) = 4\n");
        return;
    case DUET_CALL_SEND:
        print_time(w);
        fprintf(to, "duet_send(%d, %llu) = %lld\n", fd, (unsigned long long)event->u.call.size,
                (long long)event->u.call.result);
        return;
    case DUET_CALL_RECEIVE:
        print_time(w);
        fprintf(to, "duet_receive(%d, %llu) = %lld\n", fd, (unsigned long long)event->u.call.size,
                (long long)event->u.call.result);
        return;
    case DUET_CALL_SHUTDOWN:
        print_time(w);
        fprintf(to, "duet_shutdown(%d) = 0\n", fd);
        return;
    case DUET_CALL_CLOSE:
        print_time(w);
        fprintf(to, "duet_close(%d) = 0\n", fd);
        return;
    case DUET_CALL_ABORT:
        print_time(w);
        fprintf(to, "duet_abort(%d) = 0\n", fd);
        return;
    }
}
