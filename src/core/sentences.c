/* SPDX-License-Identifier: MIT */
/* What rules and edges are called, where they stand in an RFC, and what they mean, in a sentence each:
 * for people, beside the core, which knows them by their numbers. */
#include "core/tcp.h"

static const struct duet_edge edges[TCP_EDGES] = {
#define EDGE(from, to, section) {DUET_##from, DUET_##to, "RFC 9293 " section},
#include "core/tcp_edges.def"
#undef EDGE
};

static const struct duet_rule rules[TCP_RULES] = {
    {"NONE", "", "no rule"},
#define RULE(name, section, sentence) {#name, "RFC " section, sentence},
#include "core/tcp_rules.def"
#undef RULE
};

const struct duet_rule *duet_rule(unsigned index)
{
    return &rules[index < TCP_RULES ? index : 0];
}

unsigned duet_rule_count(void)
{
    return TCP_RULES;
}

const struct duet_edge *duet_edge(unsigned index)
{
    return index < TCP_EDGES ? &edges[index] : NULL;
}

unsigned duet_edge_count(void)
{
    return TCP_EDGES;
}
