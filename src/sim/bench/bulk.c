/* SPDX-License-Identifier: MIT */
/* Flows that never end, and what they make of the path. See duet/bench.h. */
#include "sim/bench/flow.h"

#include <stdlib.h>
#include <string.h>

struct bulk_run {
    struct flows flows; /* first: the context of the net */
    uint64_t packets_max;
};

static bool has_packets_left(void *context)
{
    const struct bulk_run *run = context;

    return run->flows.net.packets < run->packets_max;
}

/* Runs to until or packets, and starts the flows whose time has come. */
static void run_to(struct bulk_run *run, const struct duet_bench_bulk *bulk, unsigned *started,
                   uint64_t packets, duet_time until)
{
    struct net *net = &run->flows.net;

    run->packets_max = packets;
    while (!net->failed && net->now < until && has_packets_left(run)) {
        duet_time stop = until;

        while (*started < bulk->flow_count && bulk->flows[*started].start <= net->now)
            flow_start(&run->flows, (*started)++, FLOW_ENDLESS);
        if (*started < bulk->flow_count && bulk->flows[*started].start < until)
            stop = bulk->flows[*started].start;
        net_run(net, stop, has_packets_left);
    }
}

static void sum_up(struct bulk_run *run, struct duet_bench_bulk_result *result)
{
    struct net *net = &run->flows.net;

    result->packets = net->packets;
    for (unsigned i = 0; i < net->sender_count; i++) {
        struct flow *flow = &run->flows.flow[i];
        struct duet_counters counters;

        duet_counters(net->senders[i].stack, &counters);
        result->retransmitted += counters.segments_retransmitted;
        result->timeouts += net_rule_hits(&net->senders[i], "RETRANSMISSION_TIMEOUT");
        if (flow->received == 0)
            continue;
        flow_stalled(flow, net->now - flow->progress); /* one that has not ended counts too */
        result->long_stalls += flow->long_stalls;
        if (flow->stall > result->stall)
            result->stall = flow->stall;
    }
    duet_path_counts(net->a, &result->path);
}

int duet_bench_bulk(const struct duet_bench_options *options, const struct duet_bench_bulk *bulk,
                    struct duet_bench_bulk_result *result, char *why, size_t size)
{
    struct bulk_run *run = calloc(1, sizeof(*run));
    uint64_t before[DUET_BENCH_FLOWS_MAX];
    duet_time begin;
    unsigned started = 0;
    bool failed;

    memset(result, 0, sizeof(*result));
    if (run == NULL)
        return -1;
    if (flows_open(&run->flows, options, bulk->flow_count, bulk->flows, why, size)) {
        struct net *net = &run->flows.net;

        run_to(run, bulk, &started, bulk->packets_max / 4, options->time_max / 4);
        begin = net->now;
        for (unsigned i = 0; i < bulk->flow_count; i++)
            before[i] = run->flows.flow[i].received;
        run_to(run, bulk, &started, bulk->packets_max, options->time_max);
        for (unsigned i = 0; i < bulk->flow_count; i++)
            result->bytes[i] = run->flows.flow[i].received - before[i];
        result->span = net->now - begin;
        sum_up(run, result);
    }
    failed = run->flows.net.failed;
    flows_close(&run->flows);
    free(run);
    return failed ? -1 : 0;
}
