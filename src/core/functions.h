/* SPDX-License-Identifier: MIT */
/* What the files of the core ask of each other, by file. Included by state.h. */
#ifndef CORE_FUNCTIONS_H
#define CORE_FUNCTIONS_H

#include "core/state.h"

/* config.c */
uint8_t window_scale_for(uint32_t receive_buffer);

/* tcp_state.c */
void tcp_inherit_state(struct tcp_conn *c, enum duet_state state);
void tcp_set_state(struct duet_stack *s, struct tcp_conn *c, enum duet_state to,
                   enum tcp_rule rule);
void tcp_record_edge(struct duet_stack *s, const struct tcp_tuple *tuple, enum duet_state from,
                     enum duet_state to, enum tcp_rule rule);

/* demux.c */
size_t demux_slots(const struct duet_config *config);
void demux_init(struct demux *demux, uint32_t *slots, uint32_t capacity);
uint64_t demux_hash(const struct duet_stack *s, const struct tcp_tuple *tuple);
void demux_prepare(struct duet_stack *s, const struct tcp_tuple *tuple);
void demux_expect(struct duet_stack *s, const struct tcp_tuple *tuple);
struct demux_ref demux_find(const struct duet_stack *s, const struct tcp_tuple *tuple);
/* The same for whoever will ask for this pair again: its place is kept. */
struct demux_ref demux_find_first(struct duet_stack *s, const struct tcp_tuple *tuple);
void demux_add(struct duet_stack *s, const struct tcp_tuple *tuple, enum demux_kind kind,
               uint32_t index);
void demux_remove(struct duet_stack *s, const struct tcp_tuple *tuple);
void demux_replace(struct duet_stack *s, const struct tcp_tuple *tuple, enum demux_kind kind,
                   uint32_t index);
struct tcp_listener *demux_listener(const struct duet_stack *s, const struct tcp_tuple *tuple);

/* tcp_isn.c */
struct seq tcp_isn(const struct duet_stack *s, const struct tcp_tuple *tuple);
void tcp_isn_prepare(struct duet_stack *s, const struct tcp_tuple *tuple);
struct seq tcp_isn_take(struct duet_stack *s, const struct tcp_tuple *tuple);
uint32_t tcp_timestamp_offset(const struct duet_stack *s, const struct tcp_tuple *tuple);
/* The same for a connection that begins: it will ask for its ISN, too. */
uint32_t tcp_timestamp_offset_take(struct duet_stack *s, const struct tcp_tuple *tuple);
uint16_t tcp_choose_port(struct duet_stack *s, struct tcp_tuple *tuple);

/* ip.c */
void ip_input(struct duet_stack *s, const struct duet_packet *packet);
bool ip_is_ours(const struct duet_stack *s, const struct duet_address *address);
bool ip_is_talkable(const struct duet_stack *s, const struct duet_address *address);
/* Both addresses of a packet that arrives are as they may be. */
bool ip_is_for_us(const struct duet_stack *s, const struct duet_address *source,
                  const struct duet_address *destination);
bool ip_may_come_from(const struct duet_stack *s, const struct duet_address *source);
bool ip_choose_source(const struct duet_stack *s, const struct duet_address *remote,
                      struct duet_address *local);

/* icmp.c */
void icmp_input(struct duet_stack *s, const struct ip_packet *ip);

/* tcp_input.c */
void tcp_input(struct duet_stack *s, const struct duet_packet *packet, const struct ip_packet *ip);

/* tcp_arrive.c */
void tcp_closed_arrives(struct duet_stack *s, const struct tcp_tuple *tuple,
                        const struct tcp_segment *seg);
void tcp_listen_arrives(struct duet_stack *s, struct tcp_listener *listener,
                        const struct tcp_tuple *tuple, struct tcp_segment *seg,
                        const struct seq *iss_above);
enum tcp_rule tcp_listen_refusal(const struct tcp_listener *listener,
                                 const struct tcp_segment *seg);
void tcp_syn_sent_arrives(struct duet_stack *s, struct tcp_conn *c, struct tcp_segment *seg);

/* tcp_synchronized.c */
void tcp_segment_arrives(struct duet_stack *s, struct tcp_conn *c, struct tcp_segment *seg);
bool tcp_trim_right(const struct tcp_conn *c, struct tcp_segment *seg);
void tcp_after_ack(struct duet_stack *s, struct tcp_conn *c, struct tcp_segment *seg);

enum tcp_verdict tcp_drop(struct duet_stack *s, struct tcp_conn *c, enum tcp_rule rule,
                          const struct tcp_segment *seg);
bool tcp_may_challenge(struct duet_stack *s, struct tcp_conn *c);
void tcp_owe_challenge(struct duet_stack *s, struct tcp_conn *c, enum tcp_rule rule);

/* tcp_ack.c: the fifth step */
enum tcp_verdict tcp_fifth_check_ack(struct duet_stack *s, struct tcp_conn *c,
                                     const struct tcp_segment *seg);
enum tcp_verdict tcp_ack_rest(struct duet_stack *s, struct tcp_conn *c);
void tcp_ack_spares(const struct duet_stack *s, struct tcp_conn *c);
bool tcp_ts_recent_is_stale(const struct duet_stack *s, const struct tcp_conn *c);

/* tcp_half_open.c */
void half_open_init(struct half_open_ring *ring, struct tcp_half_open *records, uint32_t capacity);
bool half_open_has_room(struct duet_stack *s);
void half_open_open(struct duet_stack *s, const struct tcp_tuple *tuple,
                    const struct tcp_segment *seg, struct seq iss, enum duet_state from);
uint32_t half_open_count(const struct duet_stack *s, const struct tcp_listener *listener);
void half_open_arrives(struct duet_stack *s, uint32_t index, struct tcp_segment *seg);
void half_open_expire(struct duet_stack *s);
duet_time half_open_deadline(const struct duet_stack *s);
void half_open_drop_listener(struct duet_stack *s, const struct tcp_listener *listener);
struct tcp_half_open half_open_of_syn(const struct duet_stack *s, const struct tcp_tuple *tuple,
                                      const struct tcp_segment *seg, struct seq iss);
void half_open_syn_ack(const struct duet_stack *s, const struct tcp_half_open *half,
                       struct tcp_header *header);

/* tcp_cookie.c */
uint32_t tcp_cookie_interval(const struct duet_stack *s); /* number of the present one */
bool tcp_cookie_syn(struct duet_stack *s, struct tcp_listener *listener,
                    const struct tcp_tuple *tuple, const struct tcp_segment *seg);
uint32_t tcp_cookies_kept(const struct duet_config *config);
bool tcp_cookie_arrives(struct duet_stack *s, struct tcp_listener *listener,
                        const struct tcp_tuple *tuple, struct tcp_segment *seg);

/* tcp_time_wait.c */
void time_wait_init(struct time_wait_ring *ring, struct tcp_time_wait *records, uint32_t capacity);
uint32_t time_wait_interval(const struct duet_stack *s, const struct tcp_time_wait *record);
bool time_wait_has_place(const struct duet_stack *s, duet_time expiry);
void time_wait_keep(struct duet_stack *s, struct tcp_conn *c);
void time_wait_arrives(struct duet_stack *s, uint32_t index, struct tcp_segment *seg);
void time_wait_conn_arrives(struct duet_stack *s, struct tcp_conn *c, struct tcp_segment *seg);
void time_wait_expire(struct duet_stack *s);
duet_time time_wait_deadline(const struct duet_stack *s);

/* tcp_conn.c: birth and death of a connection */
uint32_t tcp_conn_default_flags(const struct duet_stack *s);
struct tcp_conn *tcp_conn_new(struct duet_stack *s, const struct tcp_tuple *tuple);
struct tcp_conn *tcp_conn_make(struct duet_stack *s, uint32_t index, const struct tcp_tuple *tuple);
void tcp_conn_from_half_open(struct duet_stack *s, struct tcp_conn *c,
                             const struct tcp_half_open *half, struct tcp_listener *listener);
void tcp_conn_options(const struct duet_stack *s, struct tcp_conn *c,
                      const struct tcp_options *peer);
bool tcp_borrow_transfer(struct duet_stack *s, struct tcp_conn *c);
void tcp_return_transfer(struct duet_stack *s, struct tcp_conn *c);
void tcp_conn_queue_for_accept(struct duet_stack *s, struct tcp_conn *c);
void tcp_conn_syn_acked(const struct duet_stack *s, struct tcp_conn *c);
void tcp_conn_establish(struct duet_stack *s, struct tcp_conn *c, enum tcp_rule rule);
void tcp_conn_end(struct duet_stack *s, struct tcp_conn *c, enum tcp_rule rule, int error);
void tcp_conn_enter_time_wait(struct duet_stack *s, struct tcp_conn *c, enum tcp_rule rule);
void tcp_conn_detach_time_wait(struct duet_stack *s, struct tcp_conn *c);
void tcp_conn_settle(struct duet_stack *s, struct tcp_conn *c);
void tcp_conn_reset(struct duet_stack *s, struct tcp_conn *c, enum tcp_rule rule, int error);

/* tcp_events.c */
void tcp_tell(struct duet_stack *s, struct tcp_conn *c, unsigned bits);
void tcp_tell_listener(struct duet_stack *s, struct tcp_listener *listener, unsigned bits);
void tcp_forget_events(struct duet_stack *s, struct tcp_conn *c);
void tcp_soft_error(struct duet_stack *s, struct tcp_conn *c, int error);

/* tcp_send.c: the send queue and what may be sent of it */
struct tcp_offer {
    struct seq seq;
    uint32_t length; /* text */
    uint32_t number; /* again: of the first record in flight that is sent again */
    bool again;
    bool fin, psh, urg;
    bool mtu_probe; /* one segment of more than the MSS */
    bool unlost;    /* again: though it is not lost, to use the window (RFC 6675, NextSeg 3) */
    bool rescue;    /* again: the highest that is not SACKed, lost or not (NextSeg 4) */
};
bool tcp_send_next(struct duet_stack *s, struct tcp_conn *c, uint32_t most,
                   struct tcp_offer *offer);
bool tcp_send_lost(struct duet_stack *s, struct tcp_conn *c, uint32_t most, uint32_t congestion,
                   struct tcp_offer *offer);
bool tcp_send_again(struct duet_stack *s, struct tcp_conn *c, const struct flight_segment *segment,
                    struct tcp_offer *offer);
bool tcp_send_probe(struct duet_stack *s, struct tcp_conn *c, struct tcp_offer *offer);
void tcp_send_acked(struct duet_stack *s, struct tcp_conn *c, uint32_t bytes);
bool tcp_send_blocked(const struct duet_stack *s, const struct tcp_conn *c);
uint32_t tcp_send_room(const struct duet_stack *s, const struct tcp_conn *c);

/* tcp_sent.c */
void tcp_sent(struct duet_stack *s, struct tcp_conn *c, const struct tcp_offer *offer);

/* tcp_receive.c: the receive queue and the window */
void tcp_receive_text(struct duet_stack *s, struct tcp_conn *c, struct tcp_segment *seg);
void tcp_receive_next_text(struct duet_stack *s, struct tcp_conn *c, struct tcp_segment *seg);
bool tcp_receive_fin_is_next(const struct duet_stack *s, const struct tcp_conn *c,
                             const struct tcp_segment *seg);
uint16_t tcp_receive_window(struct duet_stack *s, struct tcp_conn *c, bool is_syn);
uint16_t tcp_window_field(struct tcp_conn *c);
bool tcp_receive_window_moved(const struct duet_stack *s, const struct tcp_conn *c);
void tcp_receive_room(struct duet_stack *s, struct tcp_conn *c);

/* tcp_reassembly.c: what is held beyond a hole, what arrived twice, and the SACK option */
uint32_t tcp_joinable(const struct duet_stack *s, const struct tcp_conn *c,
                      const struct tcp_segment *seg);
bool tcp_can_hold(struct duet_stack *s, struct tcp_conn *c);
bool tcp_has_hole(const struct duet_stack *s, const struct tcp_conn *c);
bool tcp_holds_text(const struct duet_stack *s, const struct tcp_conn *c);
bool tcp_hold(struct duet_stack *s, struct tcp_conn *c, struct seq seq, uint32_t kept,
              bool has_fin);
void tcp_absorb_held(struct duet_stack *s, struct tcp_conn *c);
void tcp_forget_held(struct duet_stack *s, struct tcp_conn *c);
void tcp_note_old(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg);
void tcp_note_repeated(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg);
bool tcp_has_duplicate(const struct duet_stack *s, const struct tcp_conn *c);
void tcp_duplicate_reported(struct duet_stack *s, struct tcp_conn *c);
void tcp_receive_sack(const struct duet_stack *s, const struct tcp_conn *c,
                      struct tcp_options *options, uint32_t most);
void tcp_return_reassembly(struct duet_stack *s, struct tcp_conn *c);

/* tcp_rtt.c */
enum { RTT_MIN_WINDOW_MS = 10000 }; /* how long a window of the least round trip lasts */
void tcp_rtt_acked(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                   uint32_t rtt_us);
void tcp_rtt_out_of_turn(struct duet_stack *s, struct tcp_conn *c, uint32_t rtt_us);
void tcp_rtt_init_stack(struct duet_stack *s);
void tcp_rtt_init(const struct duet_stack *s, struct tcp_conn *c);
void tcp_rtt_sample(struct duet_stack *s, struct tcp_conn *c, duet_time rtt);
void tcp_rtt_from_echo(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg);
void tcp_rtt_min(struct duet_stack *s, struct tcp_conn *c, uint32_t rtt_us);
void tcp_rto_back_off(struct duet_stack *s, struct tcp_conn *c);
void tcp_rto_after_lost_syn(struct tcp_conn *c);

/* tcp_loss.c */
struct tcp_news tcp_news_begin(const struct duet_stack *s, const struct tcp_conn *c);
void tcp_delivered(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                   const struct flight_segment *segment, struct tcp_news *news);
void tcp_found_lost(struct duet_stack *s, struct tcp_conn *c, const struct flight_segment *segment);
void tcp_loss_acked(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                    struct tcp_news *news);
void tcp_loss_reordering_expired(struct duet_stack *s, struct tcp_conn *c);
void tcp_loss_timeout(struct duet_stack *s, struct tcp_conn *c);

/* Who finds losses beside tcp_rack.c: tcp_6675.c, tcp_dupack.c */
void tcp_6675_acked(struct duet_stack *s, struct tcp_conn *c, const struct tcp_news *news);
void tcp_dupack_acked(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                      const struct tcp_news *news);

/* tcp_sack.c */
void tcp_sack_arrives(struct duet_stack *s, struct tcp_conn *c, const struct tcp_segment *seg,
                      struct tcp_news *news);

/* tcp_timeout.c */
void tcp_timer_restart(struct duet_stack *s, struct tcp_conn *c, enum duet_timer timer);
void tcp_timer_stop(struct duet_stack *s, struct tcp_conn *c);
void tcp_timer_choose(struct duet_stack *s, struct tcp_conn *c);
duet_time tcp_timers_due(const struct duet_stack *s, const struct tcp_conn *c);
void tcp_timers_arm(struct duet_stack *s, struct tcp_conn *c);
void tcp_timeouts(struct duet_stack *s);
void tcp_delayed_ack_start(const struct duet_stack *s, struct tcp_conn *c);
duet_time tcp_delayed_ack_at(const struct duet_stack *s, const struct tcp_conn *c);

/* tcp_output.c */
void tcp_owe(struct duet_stack *s, struct tcp_conn *c, unsigned debt, enum tcp_rule why);
bool tcp_output(struct duet_stack *s, struct duet_packet *packet);

/* limit.c */
bool reply_is_allowed(struct duet_stack *s, const struct duet_address *remote);

/* reply.c */
void reply_init(struct reply_ring *ring, struct reply *records, uint32_t capacity);
void reply_reset(struct duet_stack *s, const struct tcp_tuple *tuple, const struct tcp_segment *seg,
                 enum duet_state state, enum tcp_rule rule);
void reply_ack(struct duet_stack *s, const struct tcp_tuple *tuple, enum duet_state state,
               struct seq seq, struct seq ack, uint16_t window, const uint32_t *tsecr, uint16_t ecn,
               enum tcp_rule rule);
void reply_conn_reset(struct duet_stack *s, const struct tcp_conn *c, enum tcp_rule rule);
void reply_conn_ack(struct duet_stack *s, struct tcp_conn *c);
void reply_syn_ack(struct duet_stack *s, uint32_t half_open_index, const struct tcp_segment *seg,
                   enum tcp_rule rule, uint16_t ecn);
void reply_cookie(struct duet_stack *s, const struct tcp_half_open *half, uint32_t tsval,
                  uint16_t ecn);
void reply_echo(struct duet_stack *s, const struct ip_packet *ip, const uint8_t *data,
                uint32_t length, uint16_t identifier, uint16_t sequence);
bool reply_output(struct duet_stack *s, struct duet_packet *packet);
struct segment_build {
    struct duet_packet *packet;
    uint8_t *text;
    struct checksum sum;
    uint32_t header; /* of TCP, bytes */
    bool link_sums;  /* the link fills in the checksum */
};
void segment_begin(struct duet_stack *s, struct segment_build *build, struct duet_packet *packet,
                   const struct tcp_tuple *tuple, struct tcp_header *header, struct ip_packet *ip,
                   uint32_t text_length);
void segment_end(struct segment_build *build);
uint32_t flow_label(uint32_t timestamp_offset);

#endif
