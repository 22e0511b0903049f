/* SPDX-License-Identifier: MIT */
/* duet_check(): a sound stack has nothing to hide, and every invariant that it knows is named when the state that
 * it speaks of is spoilt by hand. */
#include "rig.h"

#include <stdlib.h>

static const struct rig_segment offer = {
    .seq = 0xfffffff0, .window = 60000, .mss = 1000, .sack = true};

/* One connection with text in flight, text held behind a hole, text to read. */
struct subject {
    struct rig rig;
    struct rig_conn conn;
    struct tcp_conn *c;
    struct tcp_transfer *t;
    struct tcp_reassembly *r;
};

static struct subject *subject_new(void)
{
    struct subject *subject = calloc(1, sizeof *subject);
    assert_non_null(subject);
    struct duet_config config;
    rig_config(&config);
    rig_start(&subject->rig, &config);
    subject->conn.tuple = rig_tuple(80, 4000);
    rig_accept(&subject->rig, &subject->conn, &offer);
    rig_say(&subject->rig, &subject->conn, DUET_PSH, 0, "0123456789", 10);
    rig_say(&subject->rig, &subject->conn, DUET_PSH, 20, "0123456789", 10);
    rig_write(&subject->rig, &subject->conn, "hello", 5);
    rig_drain(&subject->rig);
    subject->c = conn_at(subject->rig.stack, subject->conn.handle.index);
    subject->t = transfer_of(subject->rig.stack, subject->c);
    subject->r = reassembly_of(subject->rig.stack, subject->c);
    assert_non_null(subject->t);
    assert_non_null(subject->r);
    return subject;
}

static void subject_free(struct subject *subject)
{
    rig_end(&subject->rig);
    free(subject);
}

static void sound_stack_breaks_nothing(void **state)
{
    (void)state;
    struct subject *subject = subject_new();
    assert_null(duet_check(subject->rig.stack));
    subject_free(subject);
}

/* ---- one way to spoil each ---- */

static void una_beyond_nxt(struct subject *x)
{
    x->c->snd.una = seq_add(x->c->snd.nxt, 1);
}
static void records_short_of_nxt(struct subject *x)
{
    x->t->flight.few[0].end = seq_sub(x->c->snd.nxt, 1);
}
static void record_sacked_and_lost(struct subject *x)
{
    x->t->flight.few[0].flags = FLIGHT_SACKED | FLIGHT_LOST;
}
static void lost_miscounted(struct subject *x)
{
    x->t->flight.lost = 1;
}
static void lost_but_not_listed(struct subject *x)
{
    x->t->flight.few[0].flags = FLIGHT_LOST;
    x->t->flight.lost = 5;
}
static void nxt_beyond_queue(struct subject *x)
{
    x->c->snd.nxt = seq_add(x->c->snd.nxt, 2);
}
static void fin_sent_but_not_counted(struct subject *x)
{
    x->c->flags |= TCP_CONN_FIN_SENT;
}
static void flight_without_record(struct subject *x)
{
    x->c->transfer = POOL_NONE;
}
static void rcv_nxt_beyond_edge(struct subject *x)
{
    x->c->rcv.nxt = seq_add(x->c->rcv.adv, 1);
}
static void acked_beyond_rcv_nxt(struct subject *x)
{
    x->c->rcv.acked = seq_add(x->c->rcv.nxt, 1);
}
static void range_at_rcv_nxt(struct subject *x)
{
    struct range_node *node = pool_at(&x->rig.stack->ranges.nodes, x->r->held.root);
    node->range.left = x->c->rcv.nxt;
}
static void range_beyond_edge(struct subject *x)
{
    struct range_node *node = pool_at(&x->rig.stack->ranges.nodes, x->r->held.root);
    node->range.right = seq_add(x->c->rcv.adv, 1);
}
static void duplicate_nobody_reports(struct subject *x)
{
    x->r->has_duplicate = true;
    x->r->duplicate.left = seq_sub(x->c->rcv.nxt, 2);
    x->r->duplicate.right = x->c->rcv.nxt;
}
static void held_behind_fin(struct subject *x)
{
    x->c->flags |= TCP_CONN_FIN_RECEIVED;
}
static void more_read_than_allowed(struct subject *x)
{
    x->c->receive.length = x->rig.config.receive_buffer + (2u << 14);
}
static void no_congestion_window(struct subject *x)
{
    x->c->cwnd = 0;
}
static void no_timer_for_flight(struct subject *x)
{
    x->t->deadline = DUET_NEVER;
}
static void timer_without_flight(struct subject *x)
{
    x->c->snd.una = x->c->snd.nxt;
    x->t->flight.count = 0;
    x->t->send.length = 0;
}
static void ack_delayed_too_long(struct subject *x)
{
    const uint32_t index = conn_index(x->rig.stack, x->c);
    x->c->flags |= TCP_CONN_ACK_DELAYED;
    x->c->delayed_ack_us = (uint32_t)(x->rig.now / DUET_MICROSECOND);
    wheel_disarm(&x->rig.stack->wheel, index);
    wheel_arm(&x->rig.stack->wheel, index, x->rig.now + DUET_SECOND);
}
static void rto_above_maximum(struct subject *x)
{
    x->c->rto_us = UINT32_MAX;
}
static void not_in_table(struct subject *x)
{
    demux_remove(x->rig.stack, &x->c->tuple);
}
static void debt_off_the_list(struct subject *x)
{
    x->c->owes = TCP_OWES_ACK;
}
static void due_before_the_wheel_looks(struct subject *x)
{
    x->t->deadline = x->rig.now + 1;
    x->c->timer.deadline = x->rig.now + DUET_SECOND;
}
static void ended_with_a_record(struct subject *x)
{
    tcp_inherit_state(x->c, DUET_CLOSED);
}
static void in_state_listen(struct subject *x)
{
    tcp_inherit_state(x->c, DUET_LISTEN);
}
static void half_open_miscounted(struct subject *x)
{
    x->rig.stack->half_open.age.alive++;
}
static void time_wait_miscounted(struct subject *x)
{
    x->rig.stack->time_wait.age.alive++;
}
static void page_lost(struct subject *x)
{
    pool_take(&x->rig.stack->buffers.pages);
}
static void transfer_lost(struct subject *x)
{
    pool_take(&x->rig.stack->transfers);
}
static void table_entry_lost(struct subject *x)
{
    x->rig.stack->demux.used++;
}

static void dupacks_of_nothing(struct subject *x)
{
    x->c->snd.una = x->c->snd.nxt;
    x->t->flight.count = 0;
    x->t->send.length = 0;
    x->t->deadline = DUET_NEVER;
    x->t->dupacks = 2;
}
static void waits_without_a_timer(struct subject *x)
{
    x->c->snd.nxt = x->c->snd.una;
    x->t->flight.count = 0;
    x->t->deadline = DUET_NEVER;
}
static void governed_by_a_foreign_timer(struct subject *x)
{
    x->t->timer = DUET_TIMER_KEEPALIVE;
}
static void persist_beside_retransmission(struct subject *x)
{
    x->t->timer = DUET_TIMER_PERSIST;
}
static void queue_beyond_its_limit(struct subject *x)
{
    x->t->send.length = x->rig.config.send_buffer + 1;
}
static void more_sacked_than_sent(struct subject *x)
{
    x->t->flight.sacked = 4;
    x->t->flight.lost = 4;
}
static void window_beyond_the_buffer(struct subject *x)
{
    x->c->rcv.adv = seq_add(x->c->rcv.adv, 30000);
}
static void two_segments_without_an_ack(struct subject *x)
{
    x->c->rcv.acked = seq_sub(x->c->rcv.nxt, 2u * x->c->receive_mss);
}
static void text_without_an_ack(struct subject *x)
{
    x->c->rcv.acked = seq_sub(x->c->rcv.nxt, 1);
}
static void closed_window_that_nobody_opens(struct subject *x)
{
    x->c->rcv.adv = x->c->rcv.nxt;
    tcp_return_reassembly(x->rig.stack, x->c);
}
static void rto_below_minimum(struct subject *x)
{
    x->c->srtt_us = 8;
    x->c->rto_us = 1000;
}
static void challenges_above_the_limit(struct subject *x)
{
    x->c->challenges = (uint8_t)(x->rig.config.challenge_limit + 1);
}
static void segments_of_no_text(struct subject *x)
{
    x->c->peer_mss = 12;
    tcp_return_reassembly(x->rig.stack, x->c);
    x->c->flags |= TCP_CONN_TIMESTAMPS;
}
static void cwnd_of_no_segment(struct subject *x)
{
    x->c->cwnd = 1;
}
static void text_to_a_stranger(struct subject *x)
{
    tcp_inherit_state(x->c, DUET_SYN_RECEIVED);
}
static void time_wait_without_end(struct subject *x)
{
    tcp_return_transfer(x->rig.stack, x->c);
    tcp_return_reassembly(x->rig.stack, x->c);
    x->c->snd.una = x->c->snd.nxt;
    tcp_inherit_state(x->c, DUET_TIME_WAIT);
    x->c->heard = x->rig.now + DUET_SECOND;
}
static void fin_wait_2_without_end(struct subject *x)
{
    tcp_return_transfer(x->rig.stack, x->c);
    tcp_return_reassembly(x->rig.stack, x->c);
    x->c->snd.una = x->c->snd.nxt;
    tcp_inherit_state(x->c, DUET_FIN_WAIT_2);
    x->c->flags |= TCP_CONN_USER_GONE;
    x->c->heard = x->rig.now + DUET_SECOND;
}
static void orphan_without_end(struct subject *x)
{
    x->c->flags |= TCP_CONN_USER_GONE;
    x->c->owes = 0;
    tcp_return_transfer(x->rig.stack, x->c);
    tcp_return_reassembly(x->rig.stack, x->c);
    x->c->snd.una = x->c->snd.nxt;
    wheel_disarm(&x->rig.stack->wheel, conn_index(x->rig.stack, x->c));
}
static void reading_that_nobody_was_told(struct subject *x)
{
    x->c->flags &= ~(uint32_t)TCP_CONN_READ_TOLD;
}
static void event_that_nobody_hears(struct subject *x)
{
    tcp_forget_events(x->rig.stack, x->c);
    x->c->events = DUET_EVENT_WRITABLE;
}
static void end_of_stream_in_established(struct subject *x)
{
    tcp_return_reassembly(x->rig.stack, x->c);
    x->c->flags |= TCP_CONN_FIN_RECEIVED;
}
static void timer_in_no_slot(struct subject *x)
{
    x->rig.stack->wheel.count++;
}
static void timer_in_a_wrong_slot(struct subject *x)
{
    wheel_carry_out(&x->rig.stack->wheel);
    x->c->timer.deadline = 1;
}
static void list_of_debts_miscounted(struct subject *x)
{
    x->rig.stack->owing.count++;
}
static void list_of_events_miscounted(struct subject *x)
{
    x->rig.stack->telling.count++;
}
static void counters_disagree(struct subject *x)
{
    x->rig.stack->counters.segments_in = x->rig.stack->counters.packets_in + 1;
}
static void more_again_than_sent(struct subject *x)
{
    x->rig.stack->counters.segments_retransmitted = x->rig.stack->counters.segments_out + 1;
}
static void half_open_counted_twice(struct subject *x)
{
    x->rig.stack->counters.half_open++;
}
static void generation_to_come(struct subject *x)
{
    x->c->generation = x->rig.stack->generation;
}
static void path_out_of_bounds(struct subject *x)
{
    path_obtain(x->rig.stack, &x->c->tuple.remote)->search_low = 1;
}
static void half_open_that_is_not_found(struct subject *x)
{
    const struct tcp_tuple tuple = rig_tuple(80, 4001);
    rig_input(&x->rig, &tuple, &(struct rig_segment){.flags = DUET_SYN, .window = 100});
    x->rig.stack->half_open.records[x->rig.stack->half_open.age.head].tuple.local_port++;
}
static void time_wait_that_is_too_long(struct subject *x)
{
    (void)rig_time_wait(&x->rig, rig_tuple(90, 90), NOBODY, &offer);
    x->rig.stack->time_wait.records[0].expires_us += 5000000;
    x->rig.stack->time_wait.age.newest_us += 5000000;
}
static void time_wait_that_is_not_found(struct subject *x)
{
    (void)rig_time_wait(&x->rig, rig_tuple(90, 90), NOBODY, &offer);
    x->rig.stack->time_wait.records[0].tuple.local_port++;
}
static void stranger_in_the_accept_queue(struct subject *x)
{
    tcp_forget_events(x->rig.stack, x->c);
    list_append(&x->rig.stack->listeners[0].queue, conn_index(x->rig.stack, x->c));
}
static void accept_queue_above_its_backlog(struct subject *x)
{
    x->rig.stack->listeners[0].queue.count = 9;
}

static void half_open_found_under_the_pair_of_another(struct subject *x)
{
    struct half_open_ring *ring = &x->rig.stack->half_open;
    const struct rig_segment syn = {.flags = DUET_SYN, .window = 100};
    const struct tcp_tuple first = rig_tuple(80, 4001), second = rig_tuple(80, 4002);
    rig_input(&x->rig, &first, &syn);
    rig_input(&x->rig, &second, &syn);
    ring->records[age_ring_index(&ring->age, ring->age.tail - 1)].tuple =
        ring->records[age_ring_index(&ring->age, ring->age.tail - 2)].tuple;
}
static void accept_queue_without_end(struct subject *x)
{
    const struct tcp_tuple tuple = rig_tuple(80, 4001);
    struct rig_segment segment = {.flags = DUET_SYN, .seq = 9, .window = 100}, answer;
    rig_input(&x->rig, &tuple, &segment);
    assert_true(rig_output(&x->rig, NULL, &answer));
    segment =
        (struct rig_segment){.flags = DUET_ACK, .seq = 10, .ack = answer.seq + 1, .window = 100};
    rig_input(&x->rig, &tuple, &segment);
    assert_null(duet_check(x->rig.stack));
    const uint32_t index = x->rig.stack->listeners[0].queue.first;
    assert_true(index != LIST_NONE);
    conn_at(x->rig.stack, index)->telling.next = index;
}
static void lost_list_without_end(struct subject *x)
{
    lost_but_not_listed(x);
    x->t->flight.lost_list.first = x->t->flight.lost_list.last = x->t->flight.first;
    x->t->flight.few[0].next = x->t->flight.first & FLIGHT_NONE;
}

static void spoilt_state_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *row, *number;
        void (*spoil)(struct subject *subject);
    } rows[] = {
        {"una beyond nxt", "I-01", una_beyond_nxt},
        {"records short of nxt", "I-08", records_short_of_nxt},
        {"record sacked and lost", "I-05", record_sacked_and_lost},
        {"lost miscounted", "I-05", lost_miscounted},
        {"lost but not listed", "I-05", lost_but_not_listed},
        {"nxt beyond queue", "I-10", nxt_beyond_queue},
        {"fin sent but not counted", "I-10", fin_sent_but_not_counted},
        {"flight without record", "I-24", flight_without_record},
        {"rcv.nxt beyond edge", "I-13", rcv_nxt_beyond_edge},
        {"acked beyond rcv.nxt", "I-20", acked_beyond_rcv_nxt},
        {"range at rcv.nxt", "I-15", range_at_rcv_nxt},
        {"range beyond edge", "I-15", range_beyond_edge},
        {"duplicate nobody reports", "I-15", duplicate_nobody_reports},
        {"held behind fin", "I-17", held_behind_fin},
        {"more read than allowed", "I-16", more_read_than_allowed},
        {"no congestion window", "I-22", no_congestion_window},
        {"no timer for flight", "I-24", no_timer_for_flight},
        {"timer without flight", "I-09", timer_without_flight},
        {"ack delayed too long", "I-26", ack_delayed_too_long},
        {"rto above maximum", "I-29", rto_above_maximum},
        {"not in table", "I-50", not_in_table},
        {"debt off the list", "I-31", debt_off_the_list},
        {"due before the wheel looks", "I-32", due_before_the_wheel_looks},
        {"ended with a record", "I-30", ended_with_a_record},
        {"in state LISTEN", "I-21", in_state_listen},
        {"duplicate ACKs of nothing", "I-09", dupacks_of_nothing},
        {"waits without a timer", "I-25", waits_without_a_timer},
        {"governed by a foreign timer", "I-23", governed_by_a_foreign_timer},
        {"persist beside retransmission", "I-23", persist_beside_retransmission},
        {"queue beyond its limit", "I-07", queue_beyond_its_limit},
        {"more sacked than sent", "I-05", more_sacked_than_sent},
        {"window beyond the buffer", "I-16", window_beyond_the_buffer},
        {"two segments without an ACK", "I-26", two_segments_without_an_ack},
        {"text without an ACK", "I-26", text_without_an_ack},
        {"closed window that nobody opens", "I-19", closed_window_that_nobody_opens},
        {"rto below minimum", "I-29", rto_below_minimum},
        {"challenges above the limit", "I-37", challenges_above_the_limit},
        {"segments of no text", "I-06", segments_of_no_text},
        {"cwnd of no segment", "I-06", cwnd_of_no_segment},
        {"text to a stranger", "I-40", text_to_a_stranger},
        {"TIME-WAIT without end", "I-27", time_wait_without_end},
        {"FIN-WAIT-2 without end", "I-28", fin_wait_2_without_end},
        {"orphan without end", "I-31", orphan_without_end},
        {"reading that nobody was told", "I-55", reading_that_nobody_was_told},
        {"event that nobody hears", "I-55", event_that_nobody_hears},
        {"end of stream in ESTABLISHED", "I-55", end_of_stream_in_established},
        {"timer in no slot", "I-32", timer_in_no_slot},
        {"timer in a wrong slot", "I-32", timer_in_a_wrong_slot},
        {"list of debts miscounted", "I-31", list_of_debts_miscounted},
        {"list of events miscounted", "I-55", list_of_events_miscounted},
        {"counters disagree", "I-56", counters_disagree},
        {"more again than sent", "I-56", more_again_than_sent},
        {"half-open counted twice", "I-56", half_open_counted_twice},
        {"generation to come", "I-30", generation_to_come},
        {"path out of bounds", "I-45", path_out_of_bounds},
        {"half-open that is not found", "I-50", half_open_that_is_not_found},
        {"TIME-WAIT that is too long", "I-27", time_wait_that_is_too_long},
        {"TIME-WAIT that is not found", "I-50", time_wait_that_is_not_found},
        {"stranger in the accept queue", "I-49", stranger_in_the_accept_queue},
        {"accept queue above its backlog", "I-49", accept_queue_above_its_backlog},
        {"half-open, found under the pair of another", "I-50",
         half_open_found_under_the_pair_of_another},
        {"accept queue without end", "I-49", accept_queue_without_end},
        {"list of lost segments without end", "I-05", lost_list_without_end},
        {"half-open miscounted", "I-49", half_open_miscounted},
        {"time-wait miscounted", "I-51", time_wait_miscounted},
        {"page lost", "I-52", page_lost},
        {"transfer lost", "I-52", transfer_lost},
        {"table entry lost", "I-50", table_entry_lost},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct subject *subject = subject_new();
        rows[i].spoil(subject);
        const char *broken = duet_check(subject->rig.stack);
        if (broken == NULL || strncmp(broken, rows[i].number, 4) != 0)
            fail_msg("%s: %s, not %s", rows[i].row, broken == NULL ? "nothing" : broken,
                     rows[i].number);
        free(subject->rig.block);
        free(subject);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_stack_breaks_nothing),
        cmocka_unit_test(spoilt_state_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
