/* SPDX-License-Identifier: MIT */
/* The ladder model: what the network did to packets, and in which rows a picture shows them. */
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

/* The rows of a ladder as text: D departure, A arrival, J both in one row, c call, t timer, s
 * state, n note; packets with their number. */
static void assert_rows(const struct ladder *ladder, const char *wanted)
{
    static const char letters[] = {'D', 'A', 'c', 't', 's', 'n'};
    struct ladder_row *rows;
    size_t count, at = 0;
    char text[256];

    assert_int_equal(ladder_order(ladder, &rows, &count), 0);
    for (size_t i = 0; i < count; i++) {
        const struct ladder_moment *moment = &ladder->moments[rows[i].moment];
        char letter = rows[i].arrival == LADDER_NONE ? letters[moment->kind] : 'J';

        at += (size_t)snprintf(text + at, sizeof text - at, "%s%c", i == 0 ? "" : " ", letter);
        if (moment->arrow != LADDER_NONE)
            at += (size_t)snprintf(text + at, sizeof text - at, "%u",
                                   ladder->arrows[moment->arrow].tag);
    }
    free(rows);
    assert_string_equal(text, wanted);
}

/* ---- what the network did ---- */

static void lost_packet_has_no_arrival(void **state)
{
    struct scene scene;
    struct scene_packet packet;
    struct ladder ladder;

    (void)state;
    scene_start(&scene);
    scene_build(&scene, 0, &syn, &packet);
    scene_sent(&scene, 0, DUET_SYN_SENT, 3, &packet);
    duet_recorder_fault(scene.recorder, MS(2), DUET_FAULT_DROP, packet.packet.tag);
    duet_recorder_fault(scene.recorder, MS(2), DUET_FAULT_DROP,
                        99); /* of no packet that is known */
    make(&scene, &ladder);
    assert_int_equal(ladder.arrow_count, 1);
    assert_int_equal(ladder.arrows[0].lost, MS(2));
    assert_int_equal(ladder.arrows[0].arrival, LADDER_NONE);
    assert_int_equal(ladder.summary.lost, 1);
    finish(&scene, &ladder);
}

static void duplicate_is_an_arrow_of_its_own(void **state)
{
    struct scene scene;
    struct scene_packet packet;
    struct ladder ladder;

    (void)state;
    scene_start(&scene);
    scene_build(&scene, 0, &syn, &packet);
    scene_sent(&scene, 0, DUET_SYN_SENT, 3, &packet);
    duet_recorder_fault(scene.recorder, 0, DUET_FAULT_DUPLICATE, packet.packet.tag);
    scene_arrived(&scene, MS(10), DUET_LISTEN, &packet);
    scene_arrived(&scene, MS(11), DUET_SYN_RECEIVED, &packet);
    make(&scene, &ladder);
    assert_int_equal(ladder.arrow_count, 2);
    assert_true(ladder.arrows[1].duplicate);
    assert_int_equal(ladder.arrows[1].departure, LADDER_NONE);
    assert_int_equal(ladder.arrows[1].arrived, MS(11));
    assert_int_equal(ladder.summary.segments[0], 1);
    assert_rows(&ladder, "J1 A1");
    finish(&scene, &ladder);
}

static void packet_of_nobody_is_injected_unless_its_end_cannot_be_observed(void **state)
{
    (void)state;
    for (unsigned inferred = 0; inferred < 2; inferred++) {
        struct scene scene;
        struct scene_packet packet;
        struct ladder ladder;

        scene_start(&scene);
        duet_recorder_name(scene.recorder, 0, "peer", inferred == 1);
        scene_build(&scene, 0, &(struct scene_segment){.flags = DUET_RST}, &packet);
        scene_arrived(&scene, MS(1), DUET_ESTABLISHED, &packet);
        make(&scene, &ladder);
        assert_int_equal(ladder.arrows[0].injected, inferred == 0);
        assert_int_equal(ladder.arrows[0].from, 0);
        assert_int_equal(ladder.arrows[0].sent, DUET_NEVER);
        finish(&scene, &ladder);
    }
}

static void broken_packet_is_an_arrow_without_numbers(void **state)
{
    struct scene scene;
    uint8_t bytes[] = {0xde, 0xad};
    struct duet_packet packet = {.data = bytes, .length = sizeof bytes};
    struct ladder ladder;

    (void)state;
    scene_start(&scene);
    duet_recorder_sent(scene.recorder, 0, 0, &packet);
    make(&scene, &ladder);
    assert_false(ladder.arrows[0].is_tcp);
    assert_int_equal(ladder.arrows[0].pair, LADDER_NONE);
    finish(&scene, &ladder);
}

/* ---- order ---- */

static void nothing_between_departure_and_arrival_is_one_row(void **state)
{
    struct scene scene;
    struct ladder ladder;

    (void)state;
    scene_start(&scene);
    scene_whole_life(&scene);
    make(&scene, &ladder);
    assert_rows(&ladder, "c c J1 J2 J3 c J4 J5 c J6 J7 c J8 J9 c J10 J11 t");
    finish(&scene, &ladder);
}

static void packets_that_cross_have_two_rows_each(void **state)
{
    struct scene scene;
    struct ladder ladder;

    (void)state;
    scene_start(&scene);
    scene_simultaneous_open(&scene);
    make(&scene, &ladder);
    assert_rows(&ladder, "c D1 c D2 A2 D3 A1 D4 A4 A3");
    finish(&scene, &ladder);
}

/* Three packets leave, an answer to the first leaves when it arrives: the three are one row each,
 * and the order at each end is what it was. */
static void burst_in_one_direction_is_one_row_each(void **state)
{
    struct scene scene;
    struct scene_packet data[3], answer;
    struct ladder ladder;

    (void)state;
    scene_start(&scene);
    for (unsigned i = 0; i < 3; i++) {
        scene_build(&scene, 0,
                    &(struct scene_segment){.flags = DUET_ACK, .seq = 1 + i, .ack = 1, .text = "x"},
                    &data[i]);
        scene_sent(&scene, 0, DUET_ESTABLISHED, 6, &data[i]);
    }
    scene_arrived(&scene, MS(10), DUET_ESTABLISHED, &data[0]);
    scene_build(&scene, 1, &(struct scene_segment){.flags = DUET_ACK, .seq = 1, .ack = 2}, &answer);
    scene_sent(&scene, MS(10), DUET_ESTABLISHED, 6, &answer);
    scene_arrived(&scene, MS(10), DUET_ESTABLISHED, &data[1]);
    scene_arrived(&scene, MS(10), DUET_ESTABLISHED, &data[2]);
    scene_arrived(&scene, MS(20), DUET_ESTABLISHED, &answer);
    make(&scene, &ladder);
    assert_rows(&ladder, "J1 D4 J2 J3 A4");
    finish(&scene, &ladder);
}

static void packet_that_is_overtaken_has_two_rows(void **state)
{
    struct scene scene;
    struct scene_packet data[2];
    struct ladder ladder;

    (void)state;
    scene_start(&scene);
    for (unsigned i = 0; i < 2; i++) {
        scene_build(&scene, 0,
                    &(struct scene_segment){.flags = DUET_ACK, .seq = 1 + i, .ack = 1, .text = "x"},
                    &data[i]);
        scene_sent(&scene, MS(i), DUET_ESTABLISHED, 6, &data[i]);
    }
    scene_arrived(&scene, MS(11), DUET_ESTABLISHED, &data[1]);
    scene_arrived(&scene, MS(15), DUET_ESTABLISHED, &data[0]);
    make(&scene, &ladder);
    assert_rows(&ladder, "D1 J2 A1");
    finish(&scene, &ladder);
}

static void what_the_receiver_does_meanwhile_and_notes_stand_in_between(void **state)
{
    struct scene scene;
    struct scene_packet packet;
    struct ladder ladder;

    (void)state;
    scene_start(&scene);
    scene_build(&scene, 0, &syn, &packet);
    scene_sent(&scene, 0, DUET_SYN_SENT, 3, &packet);
    scene_call(&scene, MS(5), 1, DUET_CLOSED, DUET_CALL_LISTEN, 0);
    scene_arrived(&scene, MS(10), DUET_LISTEN, &packet);
    scene_build(&scene, 1, &syn_ack, &packet);
    scene_sent(&scene, MS(10), DUET_SYN_RECEIVED, 3, &packet);
    duet_recorder_note(scene.recorder, MS(12), "a word");
    scene_arrived(&scene, MS(20), DUET_SYN_SENT, &packet);
    make(&scene, &ladder);
    assert_rows(&ladder, "D1 c A1 D2 n A2");
    finish(&scene, &ladder);
}

static void long_delayed_packet_does_not_split_those_sent_meanwhile(void **state)
{
    struct scene scene;
    struct scene_packet slow, quick;
    struct ladder ladder;

    (void)state;
    scene_start(&scene);
    scene_build(&scene, 0,
                &(struct scene_segment){.flags = DUET_ACK, .seq = 1, .ack = 1, .text = "x"}, &slow);
    scene_sent(&scene, 0, DUET_ESTABLISHED, 6, &slow);
    scene_build(&scene, 1, &(struct scene_segment){.flags = DUET_ACK, .seq = 1, .ack = 1}, &quick);
    scene_sent(&scene, MS(100), DUET_ESTABLISHED, 6, &quick);
    scene_arrived(&scene, MS(110), DUET_ESTABLISHED, &quick);
    scene_arrived(&scene, MS(5000), DUET_ESTABLISHED, &slow);
    make(&scene, &ladder);
    assert_rows(&ladder, "D1 J2 A1");
    finish(&scene, &ladder);
}

static void empty_recording_is_an_empty_ladder(void **state)
{
    struct scene scene;
    struct ladder ladder;

    (void)state;
    scene_start(&scene);
    make(&scene, &ladder);
    assert_int_equal(ladder.moment_count, 0);
    finish(&scene, &ladder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_packet_has_no_arrival),
        cmocka_unit_test(duplicate_is_an_arrow_of_its_own),
        cmocka_unit_test(packet_of_nobody_is_injected_unless_its_end_cannot_be_observed),
        cmocka_unit_test(broken_packet_is_an_arrow_without_numbers),
        cmocka_unit_test(nothing_between_departure_and_arrival_is_one_row),
        cmocka_unit_test(packets_that_cross_have_two_rows_each),
        cmocka_unit_test(burst_in_one_direction_is_one_row_each),
        cmocka_unit_test(packet_that_is_overtaken_has_two_rows),
        cmocka_unit_test(what_the_receiver_does_meanwhile_and_notes_stand_in_between),
        cmocka_unit_test(long_delayed_packet_does_not_split_those_sent_meanwhile),
        cmocka_unit_test(empty_recording_is_an_empty_ladder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
