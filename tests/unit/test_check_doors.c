/* SPDX-License-Identifier: MIT */
/* The cheap invariants stand at the end of every door, in every build: a stack whose state was spoilt by
 * hand does not go on, and check_failed() hears the number. */
#include "rig.h"

#include <setjmp.h>
#include <stdlib.h>

#include "base/check.h"

static jmp_buf stopped;
static const char *reason;

/* In place of that of src/host, which ends the program. */
_Noreturn void check_failed(const char *what, const char *file, int line)
{
    (void)file;
    (void)line;
    reason = what;
    longjmp(stopped, 1);
}

struct subject {
    struct rig rig;
    struct rig_conn conn;
    struct tcp_conn *c;
    struct tcp_transfer *t;
};

static struct subject *subject_new(void)
{
    static const struct rig_segment offer = {
        .seq = 0xfffffff0, .window = 60000, .mss = 1000, .sack = true};
    struct subject *x = calloc(1, sizeof *x);
    assert_non_null(x);
    struct duet_config config;
    rig_config(&config);
    rig_start(&x->rig, &config);
    x->conn.tuple = rig_tuple(80, 4000);
    rig_accept(&x->rig, &x->conn, &offer);
    rig_write(&x->rig, &x->conn, "hello", 5);
    rig_drain(&x->rig);
    x->c = conn_at(x->rig.stack, x->conn.handle.index);
    x->t = transfer_of(x->rig.stack, x->c);
    assert_non_null(x->t);
    return x;
}

static void subject_free(struct subject *x)
{
    rig_end(&x->rig);
    free(x);
}

static void una_beyond_nxt(struct subject *x)
{
    x->c->snd.una = seq_add(x->c->snd.nxt, 1);
}
static void more_sacked_than_sent(struct subject *x)
{
    x->t->flight.sacked = 6;
}
static void queue_beyond_its_limit(struct subject *x)
{
    x->t->send.length = x->rig.config.send_buffer + 1;
}
static void nxt_beyond_the_fin(struct subject *x)
{
    x->c->snd.nxt = seq_add(x->c->snd.nxt, 2);
}
static void rcv_nxt_beyond_the_edge(struct subject *x)
{
    x->c->rcv.nxt = seq_add(x->c->rcv.adv, 1);
}
static void acked_beyond_rcv_nxt(struct subject *x)
{
    x->c->rcv.acked = seq_add(x->c->rcv.nxt, 1);
}
static void in_state_listen(struct subject *x)
{
    tcp_inherit_state(x->c, DUET_LISTEN);
}
static void no_congestion_window(struct subject *x)
{
    x->c->cwnd = 0;
}
static void no_timer_for_flight(struct subject *x)
{
    x->t->deadline = DUET_NEVER;
}
static void flight_without_record(struct subject *x)
{
    x->c->transfer = POOL_NONE;
}
static void ended_with_a_record(struct subject *x)
{
    tcp_inherit_state(x->c, DUET_CLOSED);
}
static void ended_but_found(struct subject *x)
{
    tcp_inherit_state(x->c, DUET_CLOSED);
    x->c->transfer = POOL_NONE;
}
static void debt_off_the_list(struct subject *x)
{
    x->c->owes = TCP_OWES_ACK;
}
static void challenges_above_the_limit(struct subject *x)
{
    x->c->challenges = (uint8_t)(x->rig.config.challenge_limit + 1);
}

/* Does it, and remembers why it was stopped. */
static void attempt(void (*act)(struct subject *subject), struct subject *subject)
{
    reason = "nothing";
    if (setjmp(stopped) == 0)
        act(subject);
}

static void look(struct subject *x)
{
    tcp_conn_must_be_sound(x->rig.stack, x->c);
}
static void segment_arrives(struct subject *x)
{
    rig_say(&x->rig, &x->conn, 0, 0, NULL, 0);
}
static void timer_runs_out(struct subject *x)
{
    duet_expire(x->rig.stack, x->rig.now + 10 * DUET_SECOND);
}
static void user_closes(struct subject *x)
{
    (void)duet_shutdown(x->rig.stack, x->rig.now, x->conn.handle);
}
static void packet_leaves(struct subject *x)
{
    struct duet_packet packet = {.data = x->rig.out, .size = sizeof x->rig.out};
    tcp_owe(x->rig.stack, x->c, TCP_OWES_ACK, TCP_RULE_TEXT_ACCEPTED);
    (void)duet_output(x->rig.stack, x->rig.now, &packet);
}
static void state_without_an_edge(struct subject *x)
{
    tcp_set_state(x->rig.stack, x->c, DUET_SYN_SENT, TCP_RULE_ABORT);
}

static void spoilt_connection_stops_at_the_next_door(void **state)
{
    (void)state;
    static const struct {
        const char *row, *number;
        void (*spoil)(struct subject *subject);
    } rows[] = {
        {"una beyond nxt", "I-01", una_beyond_nxt},
        {"more sacked than sent", "I-05", more_sacked_than_sent},
        {"queue beyond its limit", "I-07", queue_beyond_its_limit},
        {"nxt beyond the FIN", "I-10", nxt_beyond_the_fin},
        {"rcv.nxt beyond the edge", "I-13", rcv_nxt_beyond_the_edge},
        {"acked beyond rcv.nxt", "I-20", acked_beyond_rcv_nxt},
        {"in state LISTEN", "I-21", in_state_listen},
        {"no congestion window", "I-22", no_congestion_window},
        {"no timer for flight", "I-24", no_timer_for_flight},
        {"flight without record", "I-24", flight_without_record},
        {"ended with a record", "I-30", ended_with_a_record},
        {"ended but found", "I-30", ended_but_found},
        {"debt off the list", "I-31", debt_off_the_list},
        {"challenges above the limit", "I-37", challenges_above_the_limit},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct subject *x = subject_new();
        rows[i].spoil(x);
        attempt(look, x);
        if (strncmp(reason, rows[i].number, 4) != 0)
            fail_msg("%s: %s, not %s", rows[i].row, reason, rows[i].number);
        subject_free(x);
    }
}

/* A segment, a timer, a call and a packet out: each of them looks. */
static void every_door_looks(void **state)
{
    (void)state;
    void (*const doors[])(struct subject * subject) = {segment_arrives, timer_runs_out, user_closes,
                                                       packet_leaves};
    for (size_t i = 0; i < COUNT_OF(doors); i++) {
        struct subject *x = subject_new();
        x->c->challenges = UINT8_MAX;
        attempt(doors[i], x);
        EXPECT("door", strncmp(reason, "I-37", 4) == 0);
        subject_free(x);
    }
}

/* An edge that tcp_edges.def does not have. */
static void change_of_state_without_an_edge_stops(void **state)
{
    (void)state;
    struct subject *x = subject_new();
    attempt(state_without_an_edge, x);
    assert_non_null(strstr(reason, "tcp_edges.def"));
    subject_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spoilt_connection_stops_at_the_next_door),
        cmocka_unit_test(every_door_looks),
        cmocka_unit_test(change_of_state_without_an_edge_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
