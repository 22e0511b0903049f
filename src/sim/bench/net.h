/* SPDX-License-Identifier: MIT */
/* The network of a measurement: up to 16 senders, one path, one receiver and one virtual clock.
 *
 *     sender 0 --- access ---+
 *     sender 1 --------------+--- a  path  b --- receiver
 *     ...                    |
 *
 * An access is a path without a bottleneck that only adds delay, for flows that have any. The clock
 * jumps from one thing that happens to the next. What the applications do stands in flow.h; they
 * hear of events through told. */
#ifndef SIM_BENCH_NET_H
#define SIM_BENCH_NET_H

#include "duet/bench.h"

enum { NET_SENDERS_MAX = DUET_BENCH_FLOWS_MAX, NET_PORT = 4242 };

struct net;

struct net_host {
    struct duet_stack *stack;
    void *memory;
    struct duet_address address;
    struct duet_link *link;     /* to send through: the path, or its access */
    struct duet_link *access;   /* the hub's end of it, or NULL */
    duet_time deadline;         /* of the stack */
    struct duet_packet waiting; /* built, but not to leave yet */
    bool has_waiting;
};

struct net {
    duet_time now;
    struct duet_link *a, *b;
    struct net_host senders[NET_SENDERS_MAX];
    unsigned sender_count;
    struct net_host receiver;
    uint64_t packets; /* sent by the senders */
    uint8_t *rooms;
    struct duet_packet room;

    void *context;
    /* An event of that host's stack. */
    void (*told)(void *context, struct net_host *host, const struct duet_event *event);
    /* A sender is about to send: false loses the packet. May be NULL. */
    bool (*passes)(void *context, const struct duet_packet *packet);
    /* The path has lost a packet of a sender. May be NULL. */
    void (*lost)(void *context, struct net_host *host, const struct duet_packet *packet);

    char *why; /* the first thing that went wrong */
    size_t why_size;
    bool failed;
};

/* flows: one for each sender. False: failed, see why. net_free is due in either case. */
bool net_open(struct net *net, const struct duet_bench_options *options, unsigned sender_count,
              const struct duet_bench_flow *flows);
void net_free(struct net *net);

void net_fail(struct net *net, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Lets everything happen that happens until then, and puts the clock there; stops early, after
 * some instant, where may_go_on says so. */
void net_run(struct net *net, duet_time until, bool (*may_go_on)(void *context));

/* After calls on a host's stack outside of told: sends what it owes. */
void net_settle(struct net *net, struct net_host *host);

/* How often the named rule was applied in a stack. */
uint64_t net_rule_hits(const struct net_host *host, const char *rule);

#endif
