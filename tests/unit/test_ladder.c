/* SPDX-License-Identifier: MIT */
/* The ladder model: which trace belongs to which packet, which numbers are shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "observe/ladder.h"
#include "scene.h"

static const struct scene_segment syn = {.flags = DUET_SYN},
                                  syn_ack = {.flags = DUET_SYN | DUET_ACK, .ack = 1};

static void make(const struct scene *scene, struct ladder *ladder)
{
    assert_int_equal(ladder_make(scene->recorder, false, ladder), 0);
}

static void finish(struct scene *scene, struct ladder *ladder)
{
    ladder_free(ladder);
    scene_end(scene);
}

/* ---- states and rules ---- */

static void whole_life_has_the_states_of_both_ends_beside_every_segment(void **state)
{
    static const struct {
        enum duet_state sender, before, after;
    } wanted[] = {
        {DUET_SYN_SENT, DUET_LISTEN, DUET_SYN_RECEIVED},
        {DUET_SYN_RECEIVED, DUET_SYN_SENT, DUET_ESTABLISHED},
        {DUET_ESTABLISHED, DUET_SYN_RECEIVED, DUET_ESTABLISHED},
        {DUET_ESTABLISHED, DUET_ESTABLISHED, DUET_ESTABLISHED},
        {DUET_ESTABLISHED, DUET_ESTABLISHED, DUET_ESTABLISHED},
        {DUET_FIN_WAIT_1, DUET_ESTABLISHED, DUET_CLOSE_WAIT},
        {DUET_CLOSE_WAIT, DUET_FIN_WAIT_1, DUET_FIN_WAIT_2},
        {DUET_CLOSE_WAIT, DUET_FIN_WAIT_2, DUET_FIN_WAIT_2},
        {DUET_FIN_WAIT_2, DUET_CLOSE_WAIT, DUET_CLOSE_WAIT},
        {DUET_LAST_ACK, DUET_FIN_WAIT_2, DUET_TIME_WAIT},
        {DUET_TIME_WAIT, DUET_LAST_ACK, DUET_CLOSED},
    };
    struct scene scene;
    struct ladder ladder;

    (void)state;
    scene_start(&scene);
    scene_whole_life(&scene);
    make(&scene, &ladder);
    assert_int_equal(ladder.arrow_count, sizeof wanted / sizeof wanted[0]);
    for (size_t i = 0; i < ladder.arrow_count; i++) {
        const struct ladder_arrow *arrow = &ladder.arrows[i];

        assert_int_equal(ladder.moments[arrow->departure].after, wanted[i].sender);
        assert_int_equal(ladder.moments[arrow->arrival].before, wanted[i].before);
        assert_int_equal(ladder.moments[arrow->arrival].after, wanted[i].after);
        assert_int_equal(arrow->arrived - arrow->sent, MS(10));
        assert_true(arrow->explained);
    }
    assert_int_equal(ladder.arrows[0].rule, 3);
    assert_int_equal(ladder.moments[ladder.arrows[0].arrival].state_rule, 4);
    assert_int_equal(ladder.moments[ladder.arrows[9].arrival].time_wait_until, MS(240130));
    finish(&scene, &ladder);
}

static void summary_tells_who_opened_who_closed_and_how_long_it_waited(void **state)
{
    struct scene scene;
    struct ladder ladder;
    const struct ladder_summary *summary = &ladder.summary;

    (void)state;
    scene_start(&scene);
    scene_whole_life(&scene);
    make(&scene, &ladder);
    assert_true(summary->opened[0]);
    assert_false(summary->opened[1]);
    assert_int_equal(summary->bytes[0], 5);
    assert_int_equal(summary->bytes[1], 3);
    assert_int_equal(summary->segments[0], 6);
    assert_int_equal(summary->first_fin, 0);
    assert_false(summary->both_fins_crossed);
    assert_int_equal(summary->time_wait_for[0], 240 * DUET_SECOND);
    assert_int_equal(summary->time_wait_from[1], DUET_NEVER);
    assert_int_equal(summary->reset_by, LADDER_BOTH_ENDS);
    finish(&scene, &ladder);
}

static void trace_may_come_before_its_packet_is_recorded(void **state)
{
    struct scene scene;
    struct scene_packet first, second;
    struct ladder ladder;

    (void)state;
    scene_start(&scene);
    scene_build(&scene, 0, &(struct scene_segment){.flags = DUET_ACK, .seq = 1, .ack = 1}, &first);
    scene_build(&scene, 0, &(struct scene_segment){.flags = DUET_ACK, .seq = 1, .ack = 2}, &second);
    for (unsigned i = 0; i < 2; i++) {
        const struct scene_packet *packet = i == 0 ? &first : &second;
        struct duet_trace_event event = {
            .kind = DUET_TRACE_SEGMENT_OUT, .rule = (uint16_t)(1 + i), .flow = 7};

        event.u.segment.seq = packet->header.seq;
        event.u.segment.ack = packet->header.ack;
        event.u.segment.flags = packet->header.flags;
        event.u.segment.local_port = packet->header.source_port;
        event.u.segment.remote_port = packet->header.destination_port;
        duet_recorder_trace(scene.recorder, 0, &event);
    }
    duet_recorder_sent(scene.recorder, 0, 0, &first.packet);
    duet_recorder_sent(scene.recorder, 0, 0, &second.packet);
    make(&scene, &ladder);
    assert_int_equal(ladder.arrows[0].rule, 1);
    assert_int_equal(ladder.arrows[1].rule, 2);
    finish(&scene, &ladder);
}

static void decision_after_a_call_belongs_to_the_call_not_to_the_packet_before(void **state)
{
    struct scene scene;
    struct scene_packet packet;
    struct ladder ladder;

    (void)state;
    scene_start(&scene);
    scene_build(&scene, 1, &syn_ack, &packet);
    scene_sent(&scene, 0, DUET_SYN_RECEIVED, 0, &packet);
    scene_arrived(&scene, MS(10), DUET_SYN_SENT, &packet);
    scene_state(&scene, MS(10), 0, DUET_SYN_SENT, DUET_ESTABLISHED, 5);
    scene_call(&scene, MS(10), 0, DUET_ESTABLISHED, DUET_CALL_CLOSE, 0);
    scene_state(&scene, MS(10), 0, DUET_ESTABLISHED, DUET_FIN_WAIT_1, 9);
    make(&scene, &ladder);
    assert_int_equal(ladder.moments[1].after, DUET_ESTABLISHED);
    assert_int_equal(ladder.moments[2].kind, LADDER_CALL);
    assert_int_equal(ladder.moments[2].before, DUET_ESTABLISHED);
    assert_int_equal(ladder.moments[2].after, DUET_FIN_WAIT_1);
    assert_int_equal(ladder.moments[2].state_rule, 9);
    finish(&scene, &ladder);
}

static void later_decision_does_not_belong_to_an_earlier_moment(void **state)
{
    struct scene scene;
    struct scene_packet packet;
    struct ladder ladder;

    (void)state;
    scene_start(&scene);
    scene_build(&scene, 0, &syn, &packet);
    scene_sent(&scene, 0, DUET_SYN_SENT, 3, &packet);
    scene_state(&scene, MS(500), 0, DUET_SYN_SENT, DUET_CLOSED, 2);
    make(&scene, &ladder);
    assert_int_equal(ladder.moment_count, 2);
    assert_int_equal(ladder.moments[0].after, DUET_SYN_SENT);
    assert_int_equal(ladder.moments[1].kind, LADDER_STATE);
    assert_int_equal(ladder.moments[1].after, DUET_CLOSED);
    finish(&scene, &ladder);
}

static void tcb_follows_the_trace(void **state)
{
    struct scene scene;
    struct ladder ladder;
    const struct ladder_moment *last;

    (void)state;
    scene_start(&scene);
    scene_whole_life(&scene);
    make(&scene, &ladder);
    last = &ladder.moments[ladder.arrows[3].departure]; /* the client has sent "hello" */
    assert_true(last->tcb.known);
    assert_int_equal(last->tcb.una.value, 1);
    assert_int_equal(last->tcb.nxt.value, 6);
    assert_int_equal(last->tcb.rcv_nxt.value, 1);
    assert_int_equal(last->tcb.nxt.base, LADDER_RELATIVE);
    finish(&scene, &ladder);
}

/* ---- an end without trace ---- */

static void asked_state_belongs_to_the_packet_just_seen(void **state)
{
    struct scene scene;
    struct scene_packet packet;
    struct ladder ladder;

    (void)state;
    scene_start(&scene);
    scene.traced[1] = false;
    duet_recorder_name(scene.recorder, 1, "kernel", true);
    duet_recorder_state(scene.recorder, 1, 0, DUET_LISTEN, false);
    scene_build(&scene, 0, &syn, &packet);
    scene_sent(&scene, MS(1), DUET_SYN_SENT, 3, &packet);
    scene_arrived(&scene, MS(1), DUET_LISTEN, &packet);
    duet_recorder_state(scene.recorder, 1, MS(2), DUET_SYN_RECEIVED, true);
    duet_recorder_state(scene.recorder, 1, MS(900), DUET_SYN_RECEIVED, true);
    duet_recorder_state(scene.recorder, 1, MS(901), DUET_CLOSED, false);
    make(&scene, &ladder);
    assert_int_equal(ladder.moment_count, 4);
    assert_int_equal(ladder.moments[0].after, DUET_LISTEN);
    assert_false(ladder.moments[0].inferred);
    assert_int_equal(ladder.moments[2].before, DUET_LISTEN);
    assert_int_equal(ladder.moments[2].after, DUET_SYN_RECEIVED);
    assert_true(ladder.moments[2].inferred);
    assert_int_equal(ladder.moments[3].kind, LADDER_STATE);
    assert_int_equal(ladder.moments[3].time, MS(901));
    finish(&scene, &ladder);
}

static void end_that_starts_again_has_forgotten_everything(void **state)
{
    struct scene scene;
    struct ladder ladder;
    const struct ladder_moment *last;

    (void)state;
    scene_start(&scene);
    scene_simultaneous_open(&scene);
    duet_recorder_state(scene.recorder, 0, MS(21), DUET_CLOSED, false);
    make(&scene, &ladder);
    last = &ladder.moments[ladder.moment_count - 1];
    assert_int_equal(last->kind, LADDER_STATE);
    assert_int_equal(last->before, DUET_ESTABLISHED);
    assert_int_equal(last->after, DUET_CLOSED);
    assert_false(last->tcb.known);
    finish(&scene, &ladder);
}

/* ---- numbers ---- */

static void numbers_count_from_the_isn_through_the_wrap(void **state)
{
    struct scene scene;
    struct ladder ladder;
    const struct ladder_arrow *data;

    (void)state;
    scene_start(&scene); /* the client's ISN is 6 below 2^32, and it sends 5 bytes after its SYN */
    scene_whole_life(&scene);
    make(&scene, &ladder);
    data = &ladder.arrows[3];
    assert_int_equal(data->seq.value, 1);
    assert_int_equal(data->end.value, 6);
    assert_int_equal(data->ack.value, 1);
    assert_int_equal(ladder.arrows[5].seq.value, 6);
    assert_int_equal(ladder.arrows[5].seq.base, LADDER_RELATIVE);
    ladder_free(&ladder);
    assert_int_equal(ladder_make(scene.recorder, true, &ladder), 0);
    assert_int_equal(ladder.arrows[3].seq.value, 4294967291u);
    assert_int_equal(ladder.arrows[3].end.value, 0);
    assert_int_equal(ladder.arrows[3].seq.base, LADDER_ABSOLUTE);
    finish(&scene, &ladder);
}

static void new_isn_begins_to_count_anew_and_old_numbers_are_marked(void **state)
{
    struct scene scene;
    struct scene_packet packet;
    struct ladder ladder;

    (void)state;
    scene_start(&scene);
    scene_build(&scene, 0, &syn, &packet);
    scene_sent(&scene, 0, DUET_SYN_SENT, 0, &packet);
    scene.isn[0] += 700000000;
    scene_build(&scene, 0, &syn, &packet);
    scene_sent(&scene, MS(1), DUET_SYN_SENT, 0, &packet);
    scene_build(&scene, 1, &(struct scene_segment){.flags = DUET_ACK, .seq = 9, .ack = 1}, &packet);
    scene_sent(&scene, MS(2), DUET_ESTABLISHED, 0, &packet);
    scene.isn[0] -= 700000000;
    scene_build(&scene, 1, &(struct scene_segment){.flags = DUET_ACK, .seq = 9, .ack = 31},
                &packet);
    scene_sent(&scene, MS(3), DUET_ESTABLISHED, 0, &packet);
    make(&scene, &ladder);
    assert_int_equal(ladder.arrows[1].seq.value, 0);
    assert_int_equal(ladder.arrows[2].ack.value, 1);
    assert_int_equal(ladder.arrows[2].ack.base, LADDER_RELATIVE);
    assert_int_equal(ladder.arrows[3].ack.value, 31);
    assert_int_equal(ladder.arrows[3].ack.base, LADDER_OLD);
    assert_int_equal(ladder.arrows[3].seq.base, LADDER_ABSOLUTE); /* the server never sent a SYN */
    assert_int_equal(ladder.arrows[3].seq.value, scene.isn[1] + 9);
    finish(&scene, &ladder);
}

static void number_a_little_before_the_isn_is_negative(void **state)
{
    struct ladder ladder = {.absolute = false};
    struct ladder_direction direction = {.count = 0};

    (void)state;
    ladder_learn_isn(&direction, 5, false);
    assert_int_equal((int32_t)ladder_number(&ladder, &direction, 4).value, -1);
    assert_int_equal(ladder_number(&ladder, &direction, 4).base, LADDER_RELATIVE);
    assert_int_equal(ladder_number(&ladder, &direction, 2000000000).base, LADDER_ABSOLUTE);
}

static void many_epochs_forget_the_oldest(void **state)
{
    struct ladder ladder = {.absolute = false};
    struct ladder_direction direction = {.count = 0};

    (void)state;
    for (uint32_t i = 0; i <= LADDER_EPOCHS_MAX; i++)
        ladder_learn_isn(&direction, i * 100000000, false);
    assert_int_equal(direction.count, LADDER_EPOCHS_MAX);
    assert_int_equal(ladder_number(&ladder, &direction, 1).base, LADDER_ABSOLUTE);
    assert_int_equal(ladder_number(&ladder, &direction, 100000001).base, LADDER_OLD);
    assert_int_equal(ladder_number(&ladder, &direction, 800000001).base, LADDER_RELATIVE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_life_has_the_states_of_both_ends_beside_every_segment),
        cmocka_unit_test(summary_tells_who_opened_who_closed_and_how_long_it_waited),
        cmocka_unit_test(trace_may_come_before_its_packet_is_recorded),
        cmocka_unit_test(decision_after_a_call_belongs_to_the_call_not_to_the_packet_before),
        cmocka_unit_test(later_decision_does_not_belong_to_an_earlier_moment),
        cmocka_unit_test(tcb_follows_the_trace),
        cmocka_unit_test(asked_state_belongs_to_the_packet_just_seen),
        cmocka_unit_test(end_that_starts_again_has_forgotten_everything),
        cmocka_unit_test(numbers_count_from_the_isn_through_the_wrap),
        cmocka_unit_test(new_isn_begins_to_count_anew_and_old_numbers_are_marked),
        cmocka_unit_test(number_a_little_before_the_isn_is_negative),
        cmocka_unit_test(many_epochs_forget_the_oldest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
