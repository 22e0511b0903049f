/* SPDX-License-Identifier: MIT */
/* Plays events from standard input through the congestion controller of the core, and says after each
 * what it made of it. tests/model/model.test.py makes the events and knows the answers.
 *
 * One connection, whose sending side is moved by hand: no segment is sent. A line is an event at a
 * time (microseconds), with its numbers; the answer is a line "cwnd ssthresh RTO".
 *
 *   new T C H P M S R    a connection: controller, HyStart++, pacing, MSS, sequence number, SYN lost
 *   window T CWND SSTHRESH
 *   send T BYTES         they are in the network, one more segment of them or many
 *   rtt T US             a round trip was measured
 *   ack T BYTES FLIGHT   acknowledged, FLIGHT had been in the network
 *   repaired T BYTES     acknowledged during recovery, which the controller does not see
 *   loss T FLIGHT        recovery begins, and cwnd falls to ssthresh at once
 *   ecn T FLIGHT
 *   timeout T FLIGHT AGAIN   one segment remains; AGAIN: the same segment as before
 *   undo T               the latest of these three was none
 *   idle T               nothing is in flight; the transfer record is given back and borrowed anew
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "core/state.h"

enum { NUMBERS = 7 };

struct subject {
    struct duet_stack *s;
    struct tcp_conn *c;
    void *block;
};

static void begin(struct subject *x, duet_time now, const uint64_t n[])
{
    struct duet_config config;
    struct tcp_tuple tuple = {.local = duet_ipv4(10, 0, 0, 1),
                              .remote = duet_ipv4(10, 0, 0, 2),
                              .local_port = 1,
                              .remote_port = 2};
    duet_config_default(&config);
    for (unsigned i = 0; i < DUET_SECRET_SIZE; i++)
        config.secret[i] = (uint8_t)(i * i);
    config.interfaces[0] = (struct duet_interface){tuple.local, 24};
    config.interface_count = 1;
    config.mtu = 65535;
    config.connections_max = config.transfers_max = config.pages_max = 1;
    config.half_open_max = config.time_wait_max = config.reassemblies_max = 1;
    config.listeners_max = config.replies_max = 1;
    config.controller = n[0] == 0 ? DUET_CUBIC : DUET_NEWRENO;
    config.hystart = n[1] != 0;
    config.pacing = n[2] != 0;
    const size_t size = duet_stack_footprint(&config);
    free(x->block);
    x->block = calloc(1, size);
    if (duet_stack_init(x->block, size, &config, &x->s) != DUET_OK)
        abort();
    stack_now(x->s, now);
    x->c = tcp_conn_new(x->s, &tuple);
    x->c->peer_mss = (uint16_t)n[3];
    x->c->snd.iss = seq_of((uint32_t)n[4] - 1);
    x->c->snd.una = x->c->snd.nxt = seq_of((uint32_t)n[4]);
    x->c->flags |= n[5] != 0 ? TCP_CONN_SYN_RETRANSMITTED : 0;
    tcp_cc_init(x->s, x->c);
    if (!tcp_borrow_transfer(x->s, x->c))
        abort();
}

static void send(struct subject *x, uint32_t bytes)
{
    if (seq_eq(x->c->snd.una, x->c->snd.nxt))
        tcp_cc_restart_after_idle(x->s, x->c);
    x->c->snd.nxt = seq_add(x->c->snd.nxt, bytes);
    x->c->sent_at = (uint32_t)(x->s->now / DUET_MILLISECOND);
}

static void congestion(struct subject *x, enum tcp_congestion kind, uint32_t flight)
{
    tcp_cc_remember(x->s, x->c);
    tcp_cc_congestion(x->s, x->c, kind, flight);
    if (kind == TCP_CONGESTION_LOSS)
        x->c->cwnd = x->c->ssthresh;
}

static void timed_out(struct subject *x, uint32_t flight, bool again)
{
    if (!again)
        congestion(x, TCP_CONGESTION_TIMEOUT, flight);
    x->c->cwnd = tcp_send_mss(x->c);
    tcp_rto_back_off(x->s, x->c);
}

static void play(struct subject *x, const char *event, const uint64_t n[])
{
    struct tcp_conn *c = x->c;
    const uint32_t first = (uint32_t)n[0];
    if (strcmp(event, "window") == 0) {
        c->cwnd = first;
        c->ssthresh = (uint32_t)n[1];
    } else if (strcmp(event, "send") == 0) {
        send(x, first);
    } else if (strcmp(event, "rtt") == 0) {
        tcp_rtt_sample(x->s, c, (duet_time)first * DUET_MICROSECOND);
        tcp_cc_rtt(x->s, c, first);
    } else if (strcmp(event, "ack") == 0) {
        c->snd.una = seq_add(c->snd.una, first);
        tcp_cc_acked(x->s, c, first, (uint32_t)n[1]);
    } else if (strcmp(event, "repaired") == 0) {
        c->snd.una = seq_add(c->snd.una, first);
    } else if (strcmp(event, "loss") == 0) {
        congestion(x, TCP_CONGESTION_LOSS, first);
    } else if (strcmp(event, "ecn") == 0) {
        congestion(x, TCP_CONGESTION_ECN, first);
    } else if (strcmp(event, "timeout") == 0) {
        timed_out(x, first, n[1] != 0);
    } else if (strcmp(event, "undo") == 0) {
        tcp_cc_undo(x->s, c);
    } else if (strcmp(event, "idle") == 0) {
        tcp_return_transfer(x->s, c);
        (void)tcp_borrow_transfer(x->s, c);
    } else {
        abort();
    }
}

int main(void)
{
    struct subject x = {0};
    char line[256];
    while (fgets(line, sizeof line, stdin) != NULL) {
        uint64_t n[NUMBERS] = {0};
        char *at = strchr(line, ' ');
        if (at == NULL)
            return 2;
        *at++ = '\0';
        const duet_time now = (duet_time)strtoull(at, &at, 10) * DUET_MICROSECOND;
        for (unsigned i = 0; i < NUMBERS; i++)
            n[i] = strtoull(at, &at, 10);
        if (strcmp(line, "new") == 0)
            begin(&x, now, n);
        if (x.s == NULL)
            return 2;
        stack_now(x.s, now);
        if (strcmp(line, "new") != 0)
            play(&x, line, n);
        printf("%" PRIu32 " %" PRIu32 " %" PRIu32 "\n", x.c->cwnd, x.c->ssthresh, x.c->rto_us);
    }
    free(x.block);
    return 0;
}
