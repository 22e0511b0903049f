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
    x->r->ranges[0].left = x->c->rcv.nxt;
}
static void range_beyond_edge(struct subject *x)
{
    x->r->ranges[0].right = seq_add(x->c->rcv.adv, 1);
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
    x->c->flags |= TCP_CONN_ACK_DELAYED;
    x->c->delayed_ack_us = (uint32_t)((x->rig.now + DUET_SECOND) / DUET_MICROSECOND);
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
        EXPECT(rows[i].row, broken != NULL && strncmp(broken, rows[i].number, 4) == 0);
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
