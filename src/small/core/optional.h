/* SPDX-License-Identifier: MIT */
/* The small build's stand-in for src/core/optional.h: the same functions, which do nothing or say what is
 * so where their feature is not. */
#ifndef CORE_OPTIONAL_H
#define CORE_OPTIONAL_H

#include "base/bytes.h"
#include "core/state.h"

/* ---- the trace: nothing is kept of what happened ---- */

static inline void trace_rule(struct duet_stack *s, const struct tcp_conn *c, enum tcp_rule rule,
                              const struct tcp_segment *seg)
{
    (void)s;
    (void)c;
    (void)rule;
    (void)seg;
}

static inline void stack_rule(struct duet_stack *s, const struct tcp_tuple *tuple,
                              enum duet_state state, enum tcp_rule rule)
{
    (void)tuple;
    (void)state;
    count_rule(s, rule);
}

static inline void trace_segment(struct duet_stack *s, enum duet_trace_kind kind,
                                 const struct tcp_tuple *tuple, enum duet_state state,
                                 enum tcp_rule rule, const struct tcp_header *header, uint8_t ecn,
                                 bool retransmission)
{
    (void)s;
    (void)kind;
    (void)tuple;
    (void)state;
    (void)rule;
    (void)header;
    (void)ecn;
    (void)retransmission;
}

static inline void trace_state(struct duet_stack *s, const struct tcp_tuple *tuple,
                               const struct tcp_conn *c, enum duet_state from, enum tcp_edge edge,
                               enum duet_state to, enum tcp_rule rule)
{
    (void)s;
    (void)tuple;
    (void)c;
    (void)from;
    (void)edge;
    (void)to;
    (void)rule;
}

static inline void trace_timer(struct duet_stack *s, const struct tcp_conn *c,
                               enum duet_timer timer, enum duet_timer_action action, uint8_t count,
                               duet_time deadline, enum tcp_rule rule)
{
    (void)s;
    (void)c;
    (void)timer;
    (void)action;
    (void)count;
    (void)deadline;
    (void)rule;
}

static inline void trace_put_call(struct duet_stack *s, const struct tcp_tuple *tuple,
                                  enum duet_state state, enum duet_call call, int64_t result,
                                  uint64_t size)
{
    (void)s;
    (void)tuple;
    (void)state;
    (void)call;
    (void)result;
    (void)size;
}

static inline void trace_put_congestion(struct duet_stack *s, const struct tcp_conn *c,
                                        enum tcp_rule rule, duet_time rtt)
{
    (void)s;
    (void)c;
    (void)rule;
    (void)rtt;
}

/* ---- fast paths: everything goes the way of the RFC ---- */

static inline bool tcp_fast_input(struct duet_stack *s, const struct duet_packet *packet)
{
    (void)s;
    (void)packet;
    return false;
}

static inline bool tcp_fast_ack(struct duet_stack *s, struct tcp_conn *c,
                                const struct tcp_segment *seg)
{
    (void)s;
    (void)c;
    (void)seg;
    return false;
}

static inline bool tcp_fast_syn_output(struct duet_stack *s, struct tcp_conn *c,
                                       struct duet_packet *packet)
{
    (void)s;
    (void)c;
    (void)packet;
    return false;
}

static inline bool tcp_fast_syn_ack(struct duet_stack *s, const struct reply *reply,
                                    const struct tcp_half_open *half, struct duet_packet *packet)
{
    (void)s;
    (void)reply;
    (void)half;
    (void)packet;
    return false;
}

static inline bool tcp_fast_output(struct duet_stack *s, struct tcp_conn *c,
                                   struct duet_packet *packet)
{
    (void)s;
    (void)c;
    (void)packet;
    return false;
}

/* ---- invariants that are looked at behind every door ---- */

static inline void tcp_conn_must_be_sound(const struct duet_stack *s, const struct tcp_conn *c)
{
    (void)s;
    (void)c;
}

/* ---- buffers have the size that they begin with, which is what an index of pages reaches ---- */

static inline uint32_t tcp_first_receive_limit(const struct duet_stack *s)
{
    return min_u32(s->config.receive_buffer, tcp_most_held(s));
}

static inline uint32_t tcp_first_send_limit(const struct duet_stack *s)
{
    return min_u32(s->config.send_buffer, tcp_most_held(s));
}

static inline void tcp_tuning_start(const struct duet_stack *s, struct tcp_conn *c)
{
    (void)s;
    (void)c;
}

static inline void tcp_tune_receive(struct duet_stack *s, struct tcp_conn *c)
{
    (void)s;
    (void)c;
}

static inline void tcp_tune_send(struct duet_stack *s, struct tcp_conn *c)
{
    (void)s;
    (void)c;
}

/* A quarter of the queue is free. */
static inline bool tcp_send_is_worth_telling(const struct duet_stack *s, const struct tcp_conn *c)
{
    return tcp_send_room(s, c) >= max_u32(1, send_limit(c) / 4);
}

/* ---- RFC 5482: the user timeout is told to nobody and taken from nobody ---- */

static inline bool tcp_user_timeout_is_due(const struct tcp_conn *c)
{
    (void)c;
    return false;
}

static inline void tcp_user_timeout_put(const struct duet_stack *s, const struct tcp_conn *c,
                                        struct tcp_header *header)
{
    (void)s;
    (void)c;
    (void)header;
}

static inline void tcp_user_timeout_put_syn_ack(const struct duet_stack *s,
                                                const struct tcp_listener *listener,
                                                struct tcp_options *options)
{
    (void)s;
    (void)listener;
    (void)options;
}

static inline void tcp_user_timeout_changed(struct duet_stack *s, struct tcp_conn *c)
{
    (void)s;
    (void)c;
}

static inline void tcp_user_timeout_arrives(struct duet_stack *s, struct tcp_conn *c,
                                            const struct tcp_segment *seg)
{
    (void)s;
    (void)c;
    (void)seg;
}

static inline uint32_t tcp_user_timeout_before_probe(const struct tcp_conn *c)
{
    return c->keepalive_idle_ms;
}

/* ---- RFC 7413: Fast Open is neither asked for nor granted ---- */

static inline void tcp_fast_open_grant(struct duet_stack *s, const struct duet_address *remote,
                                       struct tcp_options *options)
{
    (void)s;
    (void)remote;
    (void)options;
}

static inline bool tcp_fast_open_is_asked(const struct duet_stack *s,
                                          const struct tcp_listener *listener,
                                          const struct duet_address *remote,
                                          const struct tcp_segment *seg)
{
    (void)s;
    (void)listener;
    (void)remote;
    (void)seg;
    return false;
}

static inline bool tcp_fast_open_is_attempt(const struct duet_stack *s, const struct tcp_conn *c)
{
    (void)s;
    (void)c;
    return false;
}

static inline bool tcp_fast_open_listen(struct duet_stack *s, struct tcp_listener *listener,
                                        const struct tcp_tuple *tuple,
                                        const struct tcp_segment *seg, struct seq iss,
                                        enum duet_state from)
{
    (void)s;
    (void)listener;
    (void)tuple;
    (void)seg;
    (void)iss;
    (void)from;
    return false;
}

static inline bool tcp_fast_open_syn_repeated(struct duet_stack *s, struct tcp_conn *c,
                                              const struct tcp_segment *seg)
{
    (void)s;
    (void)c;
    (void)seg;
    return false;
}

static inline void tcp_fast_open_syn_acked(const struct duet_stack *s, const struct tcp_conn *c)
{
    (void)s;
    (void)c;
}

static inline void tcp_fast_open_ended(struct duet_stack *s, struct tcp_conn *c, enum tcp_rule rule)
{
    (void)s;
    (void)c;
    (void)rule;
}

static inline bool tcp_fast_open_may_send(const struct duet_stack *s, const struct tcp_conn *c)
{
    (void)s;
    (void)c;
    return false;
}

static inline void tcp_fast_open_syn_ack(struct duet_stack *s, const struct tcp_conn *c,
                                         struct tcp_options *options)
{
    (void)s;
    (void)c;
    (void)options;
}

static inline void tcp_fast_open_want(const struct duet_stack *s, const struct tcp_conn *c)
{
    (void)s;
    (void)c;
}

static inline uint32_t tcp_fast_open_syn(struct duet_stack *s, struct tcp_conn *c,
                                         struct tcp_header *header)
{
    (void)s;
    (void)c;
    (void)header;
    return 0;
}

static inline void tcp_fast_open_syn_timeout(struct duet_stack *s, struct tcp_conn *c)
{
    (void)s;
    (void)c;
}

static inline void tcp_fast_open_answered(struct duet_stack *s, struct tcp_conn *c,
                                          const struct tcp_segment *seg)
{
    (void)s;
    (void)c;
    (void)seg;
}

/* ---- RFC 8985: losses are found by RFC 6675 instead, tails are not probed ---- */

static inline void tcp_rack_delivered(struct duet_stack *s, struct tcp_conn *c,
                                      const struct tcp_segment *seg,
                                      const struct flight_segment *segment)
{
    (void)s;
    (void)c;
    (void)seg;
    (void)segment;
}

static inline void tcp_rack_widen(struct duet_stack *s, struct tcp_conn *c,
                                  const struct tcp_news *news)
{
    (void)s;
    (void)c;
    (void)news;
}

static inline void tcp_rack_detect(struct duet_stack *s, struct tcp_conn *c)
{
    (void)s;
    (void)c;
}

static inline void tcp_rack_recovered(struct tcp_conn *c)
{
    (void)c;
}

static inline void tcp_rack_timeout(struct duet_stack *s, struct tcp_conn *c)
{
    (void)s;
    (void)c;
}

static inline bool tcp_6675_next(struct duet_stack *s, struct tcp_conn *c, uint32_t congestion,
                                 struct tcp_offer *offer)
{
    (void)s;
    (void)c;
    (void)congestion;
    (void)offer;
    return false;
}

static inline void tcp_6675_sent(const struct duet_stack *s, struct tcp_conn *c,
                                 const struct tcp_offer *offer)
{
    (void)s;
    (void)c;
    (void)offer;
}

static inline void tcp_probe_schedule(const struct duet_stack *s, const struct tcp_conn *c)
{
    (void)s;
    (void)c;
}

static inline bool tcp_probe_may(const struct duet_stack *s, const struct tcp_conn *c)
{
    (void)s;
    (void)c;
    return false;
}

static inline duet_time tcp_probe_at(const struct duet_stack *s, const struct tcp_conn *c)
{
    (void)s;
    (void)c;
    return DUET_NEVER;
}

static inline void tcp_probe_expired(struct duet_stack *s, struct tcp_conn *c)
{
    (void)s;
    (void)c;
}

static inline void tcp_probe_sent(struct duet_stack *s, struct tcp_conn *c, bool again)
{
    (void)s;
    (void)c;
    (void)again;
}

static inline bool tcp_probe_repaired(struct duet_stack *s, struct tcp_conn *c,
                                      const struct tcp_segment *seg, const struct tcp_news *news)
{
    (void)s;
    (void)c;
    (void)seg;
    (void)news;
    return false;
}

/* ---- RFC 9937: the window of a recovery is ssthresh from its beginning on, and its first segment is sent
 * whatever that says (RFC 6675, 5, step 4) ---- */

static inline void tcp_prr_begin(struct duet_stack *s, struct tcp_conn *c, uint32_t flight)
{
    (void)flight;
    transfer_at(s, c)->rescued = false;
    c->cwnd = c->ssthresh;
    tcp_owe(s, c, TCP_OWES_RETRANSMIT, TCP_RULE_RECOVERY_BY_SACK);
}

static inline void tcp_prr_acked(struct duet_stack *s, struct tcp_conn *c, uint32_t delivered,
                                 bool is_safe)
{
    (void)s;
    (void)c;
    (void)delivered;
    (void)is_safe;
}

static inline void tcp_prr_sent(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes)
{
    (void)s;
    (void)c;
    (void)bytes;
}

/* ---- a retransmission that was not needed is not taken back ---- */

static inline void tcp_undo_begin(struct duet_stack *s, struct tcp_conn *c)
{
    (void)s;
    (void)c;
}

static inline void tcp_undo_resent(struct duet_stack *s, struct tcp_conn *c, struct seq start)
{
    (void)s;
    (void)c;
    (void)start;
}

static inline bool tcp_undo_arrives(struct duet_stack *s, struct tcp_conn *c,
                                    const struct tcp_segment *seg, const struct tcp_news *news)
{
    (void)s;
    (void)c;
    (void)seg;
    (void)news;
    return false;
}

/* ---- a window leaves as fast as it may ---- */

static inline bool tcp_pace_may_send(struct duet_stack *s, struct tcp_conn *c)
{
    (void)s;
    (void)c;
    return true;
}

static inline void tcp_pace_sent(struct duet_stack *s, struct tcp_conn *c,
                                 struct duet_packet *packet)
{
    (void)s;
    (void)c;
    (void)packet;
}

#endif
