/* SPDX-License-Identifier: MIT */
/* One flow of a few bytes, and how long it takes. See duet/bench.h. */
#include "sim/bench/flow.h"

#include <stdlib.h>
#include <string.h>

#include "wire/ip.h"
#include "wire/tcp.h"

struct short_run {
    struct flows flows; /* first: the context of the net */
    bool tail_lost;
    uint32_t first; /* the sequence number of the first byte */
};

static bool is_under_way(void *context)
{
    const struct short_run *run = context;

    return run->flows.flow[0].received < run->flows.flow[0].size;
}

/* Loses the segment with the last byte, once. */
static bool passes(void *context, const struct duet_packet *packet)
{
    struct short_run *run = context;
    struct ip_packet ip;
    struct tcp_header header;

    if (ip_parse(packet->data, packet->length, &ip) != IP_OK ||
        tcp_parse(ip.payload, ip.payload_length, &header) != TCP_WIRE_OK)
        return true;
    if ((header.flags & DUET_SYN) != 0) {
        run->first = header.seq + 1;
        return true;
    }
    if (run->tail_lost || header.text_length == 0 ||
        header.seq + header.text_length != run->first + (uint32_t)run->flows.flow[0].size)
        return true;
    run->tail_lost = true;
    return false;
}

int duet_bench_short(const struct duet_bench_options *options, const struct duet_bench_short *flow,
                     struct duet_bench_short_result *result, char *why, size_t size)
{
    const struct duet_bench_flow one = {.controller = flow->controller};
    struct short_run *run = calloc(1, sizeof(*run));
    bool failed;

    memset(result, 0, sizeof(*result));
    if (run == NULL)
        return -1;
    if (flows_open(&run->flows, options, 1, &one, why, size)) {
        struct net *net = &run->flows.net;
        struct duet_counters counters;

        if (flow->lose_last)
            net->passes = passes;
        flow_start(&run->flows, 0, flow->bytes);
        net_run(net, options->time_max, is_under_way);
        duet_counters(net->senders[0].stack, &counters);
        result->time = is_under_way(run) ? DUET_NEVER : net->now;
        result->packets = net->packets;
        result->retransmitted = counters.segments_retransmitted;
        result->timeouts = net_rule_hits(&net->senders[0], "RETRANSMISSION_TIMEOUT");
        result->tail_lost = run->tail_lost;
    }
    failed = run->flows.net.failed;
    flows_close(&run->flows);
    free(run);
    return failed ? -1 : 0;
}
