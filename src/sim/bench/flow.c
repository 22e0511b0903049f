/* SPDX-License-Identifier: MIT */
/* See flow.h.
 *
 * All flows send the same stream, each from a place of its own: random bytes that repeat after a
 * prime number of them, so that a segment in the wrong place, or of the wrong flow, does not pass
 * for the right one. The stream is kept twice in a row, so that any piece of it lies in one stretch
 * and is compared by one memcmp. The bytes are the same on every machine of one byte order; nothing
 * that is measured depends on them. */
#include "sim/bench/flow.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/prng.h"
#include "wire/ip.h"
#include "wire/tcp.h"

enum {
    STREAM_PERIOD = 65521, /* the largest prime below 2^16 */
    STREAM_PIECE = 65536,  /* longest stretch, at least a page of the largest buffers */
    STREAM_ROOM = (STREAM_PERIOD + STREAM_PIECE + 7) / 8 * 8,
    STREAM_STEP = 7919, /* from the place of one flow to that of the next */
};

#define RTO_LEAST   (200 * DUET_MILLISECOND) /* as configured by default */
#define DELAYED_ACK (40 * DUET_MILLISECOND)

static const uint8_t *stream_at(const struct flows *flows, const struct flow *flow,
                                uint64_t position)
{
    const uint64_t number = (uint64_t)(flow - flows->flow);

    return flows->stream + (position + number * STREAM_STEP) % STREAM_PERIOD;
}

static bool make_stream(struct flows *flows, uint64_t seed)
{
    struct prng prng;

    flows->stream = malloc(STREAM_ROOM);
    if (flows->stream == NULL) {
        net_fail(&flows->net, "no memory for the stream");
        return false;
    }
    prng_seed(&prng, seed);
    for (size_t i = 0; i < STREAM_PERIOD; i += 8) {
        const uint64_t eight = prng_next(&prng);

        memcpy(flows->stream + i, &eight, sizeof(eight));
    }
    /* In pieces that do not overlap what they are copied from. */
    memcpy(flows->stream + STREAM_PERIOD, flows->stream, STREAM_PERIOD);
    memcpy(flows->stream + 2 * (size_t)STREAM_PERIOD, flows->stream, STREAM_PIECE - STREAM_PERIOD);
    return true;
}

/* ---- sending ---- */

static void write_more(struct flows *flows, struct flow *flow)
{
    struct net *net = &flows->net;

    while (flow->sent < flow->size) {
        const uint64_t left = flow->size - flow->sent;
        int64_t taken = duet_send(flow->sender->stack, net->now, flow->sending,
                                  stream_at(flows, flow, flow->sent),
                                  left < STREAM_PIECE ? (size_t)left : STREAM_PIECE, 0);

        if (taken == DUET_E_AGAIN)
            return;
        if (taken < 0) {
            net_fail(net, "sending: %s", duet_error_sentence((int)taken));
            return;
        }
        flow->sent += (uint64_t)taken;
    }
}

void flow_start(struct flows *flows, unsigned number, uint64_t size)
{
    struct net *net = &flows->net;
    struct flow *flow = &flows->flow[number];
    const struct duet_connect_options options = {.remote = {net->receiver.address, NET_PORT}};
    struct duet_status status;
    int result;

    flow->sender = &net->senders[number];
    flow->size = size;
    flow->progress = DUET_NEVER;
    result = duet_connect(flow->sender->stack, net->now, &options, &flow->sending);
    if (result == DUET_OK)
        result = duet_status(flow->sender->stack, flow->sending, &status);
    if (result != DUET_OK)
        net_fail(net, "connecting: %s", duet_error_sentence(result));
    else
        flow->first = status.iss + 1;
    net_settle(net, flow->sender);
}

static void sender_told(struct flows *flows, const struct net_host *host,
                        const struct duet_event *event)
{
    struct flow *flow = &flows->flow[host - flows->net.senders];

    if ((event->bits & DUET_EVENT_CLOSED) != 0)
        net_fail(&flows->net, "a sender's connection ended: %s", duet_error_sentence(event->error));
    else if ((event->bits & (DUET_EVENT_CONNECTED | DUET_EVENT_WRITABLE)) != 0)
        write_more(flows, flow);
}

/* ---- receiving ---- */

static void accept_all(struct flows *flows, struct duet_handle listener)
{
    struct net *net = &flows->net;
    struct duet_socket_address remote;
    struct duet_handle handle;

    while (duet_accept(net->receiver.stack, net->now, listener, &handle, &remote) == DUET_OK) {
        const unsigned number = remote.address.bytes[15]; /* as net.c gives them out */

        if (number < 1 || number > net->sender_count) {
            net_fail(net, "a connection from nobody");
            return;
        }
        flows->flow[number - 1].receiving = handle;
    }
}

/* ---- stalls ---- */

/* What the receiver waits for was sent again while it waited, and the path has lost that too. The first
 * transmission may be lost so as well, when nothing else is in flight; only the timer repairs that. */
static void lost(void *context, struct net_host *host, const struct duet_packet *packet)
{
    struct flows *flows = context;
    struct flow *flow = &flows->flow[host - flows->net.senders];
    const uint32_t waits_for = flow->first + (uint32_t)flow->received;
    struct tcp_header header;
    struct ip_packet ip;

    if (ip_parse(packet->data, packet->length, &ip) == IP_OK &&
        tcp_parse(ip.payload, ip.payload_length, &header) == TCP_WIRE_OK)
        flow->again_lost |= waits_for - header.seq < header.text_length;
}

/* The sender hears of the last byte that the receiver took half a round trip later, and that
 * acknowledgement may have been delayed. After two round trips of silence it probes (RFC 8985, 7.2); if
 * the probe is lost it sends again one RTO later, and that takes half a round trip. The timer runs out
 * once without a second loss of what is missing, and then the RTO is twice what it was. */
static bool is_long(const struct flow *flow, duet_time stall)
{
    struct duet_status status;
    duet_time rto;

    if (stall <= RTO_LEAST || flow->again_lost ||
        duet_status(flow->sender->stack, flow->sending, &status) != DUET_OK)
        return false;
    rto = status.retransmissions > 0 ? status.rto / 2 : status.rto;
    return stall > rto + 3 * status.smoothed_rtt + DELAYED_ACK;
}

void flow_stalled(struct flow *flow, duet_time stall)
{
    if (stall > flow->stall)
        flow->stall = stall;
    flow->long_stalls += is_long(flow, stall);
    flow->again_lost = false;
}

static void received(struct flows *flows, struct flow *flow, const void *data, size_t size)
{
    const duet_time now = flows->net.now;

    if (flow->received + size > flow->size ||
        memcmp(data, stream_at(flows, flow, flow->received), size) != 0)
        net_fail(&flows->net, "a receiver was given other bytes than were sent, after %llu",
                 (unsigned long long)flow->received);
    if (flow->progress != DUET_NEVER)
        flow_stalled(flow, now - flow->progress);
    flow->progress = now;
    flow->received += size;
}

static void read_all(struct flows *flows, struct flow *flow)
{
    struct net *net = &flows->net;
    const void *data;
    size_t size;

    while (!net->failed &&
           duet_receive_peek(net->receiver.stack, flow->receiving, &data, &size) == DUET_OK) {
        size = size < STREAM_PIECE ? size : STREAM_PIECE;
        received(flows, flow, data, size);
        (void)duet_receive_consume(net->receiver.stack, net->now, flow->receiving, size);
    }
}

static void receiver_told(struct flows *flows, const struct duet_event *event)
{
    if ((event->bits & DUET_EVENT_CLOSED) != 0)
        net_fail(&flows->net, "a receiver's connection ended: %s",
                 duet_error_sentence(event->error));
    if ((event->bits & DUET_EVENT_ACCEPTABLE) != 0)
        accept_all(flows, event->handle);
    if ((event->bits & DUET_EVENT_READABLE) == 0)
        return;
    for (unsigned i = 0; i < flows->net.sender_count; i++) {
        struct flow *flow = &flows->flow[i];

        if (flow->receiving.index == event->handle.index &&
            flow->receiving.generation == event->handle.generation)
            read_all(flows, flow);
    }
}

static void told(void *context, struct net_host *host, const struct duet_event *event)
{
    struct flows *flows = context;

    if (host == &flows->net.receiver)
        receiver_told(flows, event);
    else
        sender_told(flows, host, event);
}

/* ---- all of them ---- */

static bool listen_at_receiver(struct net *net)
{
    const struct duet_listen_options options = {.local = {.port = NET_PORT},
                                                .backlog = NET_SENDERS_MAX};
    struct duet_handle handle;
    int result = duet_listen(net->receiver.stack, 0, &options, &handle);

    if (result != DUET_OK)
        net_fail(net, "listening: %s", duet_error_sentence(result));
    return result == DUET_OK;
}

bool flows_open(struct flows *flows, const struct duet_bench_options *options, unsigned count,
                const struct duet_bench_flow *which, char *why, size_t why_size)
{
    memset(flows, 0, sizeof(*flows));
    flows->net.why = why;
    flows->net.why_size = why_size;
    flows->net.context = flows;
    flows->net.told = told;
    flows->net.lost = lost;
    return net_open(&flows->net, options, count, which) && make_stream(flows, options->seed) &&
           listen_at_receiver(&flows->net);
}

void flows_close(struct flows *flows)
{
    net_free(&flows->net);
    free(flows->stream);
}
