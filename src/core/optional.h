/* SPDX-License-Identifier: MIT */
/* The functions of the core that a small build may do without, by file; included by state.h. What is
 * listed here can be replaced as one: by a header with the same functions and constant answers, so that
 * the compiler drops what asks. */
#ifndef CORE_OPTIONAL_H
#define CORE_OPTIONAL_H

#include "core/state.h"

/* tcp_trace.c; most of it is called through tcp_inline.h */
void trace_rule(struct duet_stack *s, const struct tcp_conn *c, enum tcp_rule rule,
                const struct tcp_segment *seg);
void stack_rule(struct duet_stack *s, const struct tcp_tuple *tuple, enum duet_state state,
                enum tcp_rule rule);
void trace_segment(struct duet_stack *s, enum duet_trace_kind kind, const struct tcp_tuple *tuple,
                   enum duet_state state, enum tcp_rule rule, const struct tcp_header *header,
                   uint8_t ecn, bool retransmission);
/* A state changes; c only where there is a connection whose numbers can be shown. */
void trace_state(struct duet_stack *s, const struct tcp_tuple *tuple, const struct tcp_conn *c,
                 enum duet_state from, enum tcp_edge edge, enum duet_state to, enum tcp_rule rule);
void trace_timer(struct duet_stack *s, const struct tcp_conn *c, enum duet_timer timer,
                 enum duet_timer_action action, uint8_t count, duet_time deadline,
                 enum tcp_rule rule);
void trace_put_call(struct duet_stack *s, const struct tcp_tuple *tuple, enum duet_state state,
                    enum duet_call call, int64_t result, uint64_t size);
void trace_put_congestion(struct duet_stack *s, const struct tcp_conn *c, enum tcp_rule rule,
                          duet_time rtt);

/* tcp_fast.c */
bool tcp_fast_input(struct duet_stack *s, const struct duet_packet *packet);
/* tcp_fast_syn.c */
bool tcp_fast_syn(struct duet_stack *s, const struct duet_packet *packet, const uint8_t *tcp,
                  uint32_t length);
/* tcp_fast_syn_output.c */
bool tcp_fast_syn_output(struct duet_stack *s, struct tcp_conn *c, struct duet_packet *packet);
bool tcp_fast_syn_ack(struct duet_stack *s, const struct reply *reply,
                      const struct tcp_half_open *half, struct duet_packet *packet);
/* tcp_fast_ack.c */
bool tcp_fast_ack(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg);
/* tcp_fast_output.c */
bool tcp_fast_output(struct duet_stack *s, struct tcp_conn *c, struct duet_packet *packet);

/* tcp_check_conn.c, tcp_check_all.c */
const char *tcp_conn_check(const struct duet_stack *s, const struct tcp_conn *c);
const char *tcp_conn_check_all(const struct duet_stack *s, const struct tcp_conn *c);
void tcp_conn_must_be_sound(const struct duet_stack *s, const struct tcp_conn *c);

/* tcp_tuning.c: how many bytes may pile up */
uint32_t tcp_first_receive_limit(const struct duet_stack *s);
uint32_t tcp_first_send_limit(const struct duet_stack *s);
void tcp_tuning_start(const struct duet_stack *s, struct tcp_conn *c);
void tcp_tune_receive(struct duet_stack *s, struct tcp_conn *c);
void tcp_tune_send(struct duet_stack *s, struct tcp_conn *c);
bool tcp_send_is_worth_telling(const struct duet_stack *s, const struct tcp_conn *c);

/* tcp_user_timeout.c */
uint16_t tcp_user_timeout_encode(uint32_t ms);
uint32_t tcp_user_timeout_decode(uint16_t value);
bool tcp_user_timeout_is_due(const struct tcp_conn *c);
void tcp_user_timeout_put(const struct duet_stack *s, const struct tcp_conn *c,
                          struct tcp_header *header);
void tcp_user_timeout_put_syn_ack(const struct duet_stack *s, const struct tcp_listener *listener,
                                  struct tcp_options *options);
void tcp_user_timeout_changed(struct duet_stack *s, struct tcp_conn *c);
void tcp_user_timeout_arrives(struct duet_stack *s, struct tcp_conn *c,
                              const struct tcp_segment *seg);
uint32_t tcp_user_timeout_before_probe(const struct tcp_conn *c);

/* tcp_fast_open.c: cookies, and the end that listens */
void tcp_fast_open_grant(struct duet_stack *s, const struct duet_address *remote,
                         struct tcp_options *options);
bool tcp_fast_open_is_asked(const struct duet_stack *s, const struct tcp_listener *listener,
                            const struct duet_address *remote, const struct tcp_segment *seg);
bool tcp_fast_open_is_attempt(const struct duet_stack *s, const struct tcp_conn *c);
bool tcp_fast_open_is_counted(const struct duet_stack *s, const struct tcp_conn *c);
bool tcp_fast_open_listen(struct duet_stack *s, struct tcp_listener *listener,
                          const struct tcp_tuple *tuple, const struct tcp_segment *seg,
                          struct seq iss, enum duet_state from);
bool tcp_fast_open_syn_repeated(struct duet_stack *s, struct tcp_conn *c,
                                const struct tcp_segment *seg);
void tcp_fast_open_syn_acked(const struct duet_stack *s, const struct tcp_conn *c);
void tcp_fast_open_ended(struct duet_stack *s, struct tcp_conn *c, enum tcp_rule rule);
bool tcp_fast_open_may_send(const struct duet_stack *s, const struct tcp_conn *c);
void tcp_fast_open_syn_ack(struct duet_stack *s, const struct tcp_conn *c,
                           struct tcp_options *options);

/* tcp_fast_open_syn.c: the end that opens */
void tcp_fast_open_want(const struct duet_stack *s, const struct tcp_conn *c);
uint32_t tcp_fast_open_syn(struct duet_stack *s, struct tcp_conn *c, struct tcp_header *header);
void tcp_fast_open_syn_timeout(struct duet_stack *s, struct tcp_conn *c);
void tcp_fast_open_answered(struct duet_stack *s, struct tcp_conn *c,
                            const struct tcp_segment *seg);

/* tcp_rack.c */
void tcp_rack_delivered(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                        const struct flight_segment *segment);
void tcp_rack_reordered(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg);
void tcp_rack_widen(struct duet_stack *s, struct tcp_conn *c, const struct tcp_news *news);
void tcp_rack_detect(struct duet_stack *s, struct tcp_conn *c);
void tcp_rack_recovered(struct tcp_conn *c);
void tcp_rack_timeout(struct duet_stack *s, struct tcp_conn *c);
uint32_t tcp_rack_window_us(const struct duet_stack *s, const struct tcp_conn *c);

/* tcp_6675_next.c: what to send when nothing is lost or new */
bool tcp_6675_next(struct duet_stack *s, struct tcp_conn *c, uint32_t congestion,
                   struct tcp_offer *offer);
void tcp_6675_sent(const struct duet_stack *s, struct tcp_conn *c, const struct tcp_offer *offer);

/* tcp_probe.c: tail-loss probes */
void tcp_probe_schedule(const struct duet_stack *s, const struct tcp_conn *c);
/* Does nothing forbid a probe, such as a sign of life? There must be a transfer. */
bool tcp_probe_may(const struct duet_stack *s, const struct tcp_conn *c);
duet_time tcp_probe_at(const struct duet_stack *s, const struct tcp_conn *c);
void tcp_probe_expired(struct duet_stack *s, struct tcp_conn *c);
void tcp_probe_sent(struct duet_stack *s, struct tcp_conn *c, bool again);
bool tcp_probe_repaired(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                        const struct tcp_news *news);

/* tcp_prr.c */
void tcp_prr_begin(struct duet_stack *s, struct tcp_conn *c, uint32_t flight);
void tcp_prr_acked(struct duet_stack *s, struct tcp_conn *c, uint32_t delivered, bool is_safe);
void tcp_prr_sent(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes);

/* tcp_undo.c */
void tcp_undo_begin(struct duet_stack *s, struct tcp_conn *c);
void tcp_undo_resent(struct duet_stack *s, struct tcp_conn *c, struct seq start);
bool tcp_undo_arrives(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                      const struct tcp_news *news);

/* tcp_pace.c */
bool tcp_pace_may_send(struct duet_stack *s, struct tcp_conn *c);
void tcp_pace_sent(struct duet_stack *s, struct tcp_conn *c, struct duet_packet *packet);

#endif
