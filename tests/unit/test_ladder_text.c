/* SPDX-License-Identifier: MIT */
/* The ladder in a terminal: what stands where, and that nothing ever stands beyond the width. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "observe/canvas.h"
#include "scene.h"

static char *draw(const struct scene *scene, const struct duet_ladder_options *options)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    assert_non_null(to);
    assert_int_equal(duet_ladder_text(scene->recorder, options, to), 0);
    assert_int_equal(fclose(to), 0);
    return text;
}

static void assert_has(const char *text, const char *what)
{
    if (strstr(text, what) == NULL)
        fail_msg("no \"%s\" in\n%s", what, text);
}

static void assert_has_not(const char *text, const char *what)
{
    if (strstr(text, what) != NULL)
        fail_msg("\"%s\" in\n%s", what, text);
}

/* A long life full of trouble, so that every kind of line comes up. */
static void troubled(const struct scene *scene)
{
    struct scene_packet packet;

    scene_whole_life(scene);
    duet_recorder_note(
        scene->recorder, MS(300000),
        "A note that is much longer than any line of a picture in a terminal could possibly be, "
        "withonewordthatisfartoolongtobebrokenatanyspacebecausethereisnoneforalongwhile 한국어도 "
        "있다");
    scene_build(scene, 0,
                &(struct scene_segment){.flags = DUET_PSH | DUET_ACK | DUET_URG | DUET_FIN,
                                        .seq = 2000000000,
                                        .ack = 3000000000u,
                                        .text = "0123456789",
                                        .urgent = 10},
                &packet);
    scene_sent(scene, MS(300001), DUET_SYN_RECEIVED, 3, &packet);
    duet_recorder_fault(scene->recorder, MS(300001), DUET_FAULT_DROP, packet.packet.tag);
    scene_timer(scene, MS(400000), 1, DUET_SYN_RECEIVED, DUET_TIMER_RETRANSMISSION,
                DUET_TIMER_EXPIRED, 0);
    scene_rule(scene, MS(400000), 1, DUET_SYN_RECEIVED, 2);
    scene_sent(scene, MS(400000), DUET_SYN_RECEIVED, 3, &packet);
    duet_recorder_fault(scene->recorder, MS(400001), DUET_FAULT_DUPLICATE, packet.packet.tag);
    duet_recorder_fault(scene->recorder, MS(400001), DUET_FAULT_DELAY, packet.packet.tag);
    duet_recorder_fault(scene->recorder, MS(400001), DUET_FAULT_CORRUPT, packet.packet.tag);
    scene_arrived(scene, MS(500000), DUET_ESTABLISHED, &packet);
    scene_arrived(scene, MS(500000) + 1500, DUET_ESTABLISHED, &packet);
    packet.packet.tag = 0;
    scene_arrived(scene, MS(500010), DUET_ESTABLISHED, &packet);
    scene_call(scene, MS(500020), 1, DUET_CLOSED, DUET_CALL_CONNECT, DUET_E_NOREMOTE);
}

static void assert_fits(const char *text, unsigned columns)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");

        if (canvas_width(text, length) > columns)
            fail_msg("%u columns instead of %u: %.*s", canvas_width(text, length), columns,
                     (int)length, text);
        assert_int_equal(text[length], '\n');
        assert_true(length == 0 || text[length - 1] != ' ');
        text += length + 1;
    }
}

static void every_line_fits_whatever_the_width(void **state)
{
    (void)state;
    for (unsigned columns = 0; columns <= 200; columns += 3) {
        struct scene scene;
        char *text;

        scene_start(&scene);
        duet_recorder_name(scene.recorder, 0, "a name that is too long for its column", true);
        troubled(&scene);
        text = draw(&scene, &(struct duet_ladder_options){
                                .title = "a title",
                                .lesson = "What is to be learnt here takes more than "
                                          "a line to say, whatever the width may be.",
                                .columns = columns,
                                .absolute = columns % 2 == 1});
        assert_fits(text, columns < 80 ? 80 : columns > 132 ? 132 : columns);
        free(text);
        scene_end(&scene);
    }
}

static void width_is_used_to_the_last_column(void **state)
{
    static const unsigned widths[] = {80, 100, 132};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct scene scene;
        char *text, *line;

        scene_start(&scene);
        scene_whole_life(&scene);
        text = draw(&scene, &(struct duet_ladder_options){.columns = widths[i]});
        line = strstr(text, "SYN-RECEIVED");
        assert_non_null(line);
        for (size_t back = 0; line[-1] != '\n'; back++, line--)
            assert_true(back < 1000);
        assert_int_equal(canvas_width(line, strcspn(line, "\n")), widths[i] - 1);
        free(text);
        scene_end(&scene);
    }
}

static void whole_life_shows_states_bits_numbers_and_instants(void **state)
{
    struct scene scene;
    char *text, wanted[1024];

    (void)state;
    scene_start(&scene);
    scene_whole_life(&scene);
    text = draw(&scene, &(struct duet_ladder_options){.columns = 80});
    assert_has(text,
               "              │ SYN 000010  seq 0  win 64240                     │ LISTEN\n"
               "     SYN-SENT ├──── #1 ─────────────────────────────────────────▶│ SYN-RECEIVED\n"
               "        0.000 │ <mss 1460,sackOK,TS,ws 7>                        │ 0.010\n");
    assert_has(text,
               "     SYN-SENT │ SYN,ACK 010010  seq 0  ack 1  win 64240          │\n"
               "  ESTABLISHED │◀───────────────────────────────────────── #2 ────┤ SYN-RECEIVED\n"
               "        0.020 │ <mss 1460,sackOK,TS,ws 7>                        │ 0.010\n");
    assert_has(text, "│ PSH,ACK 011000  seq 1:6(5)  ack 1  win 64240     │\n");
    assert_has(text,
               "          │ FIN,ACK 010001  seq 6  ack 1  win 64240          │ ESTABLISHED\n"
               "   FIN-WAIT-1 ├──── #6 ─────────────────────────────────────────▶│ CLOSE-WAIT\n");
    assert_has(text, "client: TIME-WAIT for 240 s, until 240.130");
    assert_has(text, "239.990 s pass");
    assert_has(text, "    TIME-WAIT ● TIME-WAIT is over");
    assert_has(text, " opened by  client\n");
    assert_has(text, " sent       client 5 bytes in 6 segments, server 3 bytes in 5 segments\n");
    assert_has(text, " closed by  client first, then server\n");
    assert_has(text, " TIME-WAIT  client, 240 s\n");
    snprintf(wanted, sizeof wanted, "why: %.20s", duet_rule(3)->sentence);
    assert_has(text, wanted);
    snprintf(wanted, sizeof wanted, "server: %.20s", duet_rule(4)->sentence);
    assert_has(text, wanted);
    free(text);
    scene_end(&scene);
}

static void absolute_numbers_are_those_of_the_wire(void **state)
{
    struct scene scene;
    char *text;

    (void)state;
    scene_start(&scene);
    scene_whole_life(&scene);
    text = draw(&scene, &(struct duet_ladder_options){.columns = 80, .absolute = true});
    assert_has(text, "SYN 000010  seq 4294967290  win 64240");
    assert_has(text, "seq 1000000  ack 4294967291");
    assert_has(text, "seq 4294967291:0(5)");
    free(text);
    scene_end(&scene);
}

static void crossing_packets_show_both_moments(void **state)
{
    struct scene scene;
    char *text;

    (void)state;
    scene_start(&scene);
    scene_simultaneous_open(&scene);
    text = draw(&scene, &(struct duet_ladder_options){.columns = 80});
    assert_has(text, "     SYN-SENT ├──── #1 ─────────────╌╌╌▶                         │\n");
    assert_has(text,
               "              │                        ◀╌╌╌────────────── #2 ────┤ SYN-SENT\n");
    assert_has(text, " SYN-RECEIVED │◀──────────────── #2 ╌╌╌╌                         │\n");
    assert_has(text, "SYN 000010  sent at 0.000");
    assert_has(text, "both ends, each with a SYN of its own");
    free(text);
    scene_end(&scene);
}

static void trouble_is_named(void **state)
{
    struct scene scene;
    char *text;

    (void)state;
    scene_start(&scene);
    troubled(&scene);
    text = draw(&scene, &(struct duet_ladder_options){.columns = 100});
    assert_has(text, "✗ lost");
    assert_has(text, "timer: retransmission runs out");
    assert_has(text, "duplicated, delayed, corrupted");
    assert_has(text, "second copy, delayed, corrupted");
    assert_has(text, "from neither end");
    assert_has(text, "URG");
    assert_has(text, "urg 10");
    assert_has(text, "» A note that is much longer");
    assert_has(text, duet_error_sentence(DUET_E_NOREMOTE));
    free(text);
    scene_end(&scene);
}

static void answer_names_what_it_answers(void **state)
{
    struct scene scene;
    struct scene_packet syn, reply;
    char *text, wanted[256];

    (void)state;
    scene_start(&scene);
    scene_build(&scene, 0, &(struct scene_segment){.flags = DUET_SYN}, &syn);
    scene_sent(&scene, 0, DUET_SYN_SENT, 3, &syn);
    scene_arrived(&scene, MS(10), DUET_CLOSED, &syn);
    scene_rule(&scene, MS(10), 1, DUET_CLOSED, 5);
    scene_build(&scene, 1, &(struct scene_segment){.flags = DUET_RST | DUET_ACK, .ack = 1}, &reply);
    scene_sent(&scene, MS(10), DUET_CLOSED, 5, &reply);
    text = draw(&scene, &(struct duet_ladder_options){.columns = 132});
    snprintf(wanted, sizeof wanted, "why: the answer to #1 [%s]", duet_rule(5)->section);
    assert_has(text, wanted);
    free(text);
    scene_end(&scene);
}

static void colour_comes_only_when_asked(void **state)
{
    struct scene scene;
    char *plain, *coloured;

    (void)state;
    scene_start(&scene);
    troubled(&scene);
    plain = draw(&scene, &(struct duet_ladder_options){.columns = 80});
    coloured = draw(&scene, &(struct duet_ladder_options){.columns = 80, .colour = true});
    assert_has_not(plain, "\033");
    assert_has(coloured, "\033[0;1;31m");
    assert_has(coloured, "\033[0m\n");
    free(plain);
    free(coloured);
    scene_end(&scene);
}

static void inferred_states_are_marked(void **state)
{
    struct scene scene;
    struct scene_packet packet;
    char *text;

    (void)state;
    scene_start(&scene);
    scene.traced[1] = false;
    duet_recorder_name(scene.recorder, 1, "kernel", true);
    scene_build(&scene, 0, &(struct scene_segment){.flags = DUET_SYN}, &packet);
    scene_sent(&scene, 1234567, DUET_SYN_SENT, 3, &packet);
    scene_arrived(&scene, 1234567, DUET_LISTEN, &packet);
    duet_recorder_state(scene.recorder, 1, 1234567, DUET_SYN_RECEIVED, true);
    duet_recorder_state(scene.recorder, 1, MS(500), DUET_ESTABLISHED, false);
    text = draw(&scene, &(struct duet_ladder_options){.columns = 80});
    assert_has(text, "│ ~SYN-RECEIVED\n");
    assert_has(text, "│ ESTABLISHED\n");
    assert_has(text, "0.498765\n"); /* microseconds, counted from the first packet */
    assert_has(text, "~ marks a state that was concluded");
    free(text);
    scene_end(&scene);
}

static void broken_text_cannot_steer_the_terminal(void **state)
{
    struct scene scene;
    char *text;

    (void)state;
    scene_start(&scene);
    duet_recorder_note(scene.recorder, 0, "a\033[31mb \xff\xc3 \x9b c");
    text = draw(&scene, &(struct duet_ladder_options){.columns = 80});
    assert_has(text, "a [31mb ?? ? c");
    free(text);
    scene_end(&scene);
}

/* ---- the canvas ---- */

static void wide_characters_take_two_columns(void **state)
{
    const char *next;

    (void)state;
    assert_int_equal(canvas_width("한국", 6), 4);
    assert_int_equal(canvas_width("─▶│", 9), 3);
    assert_int_equal(canvas_wrap("한국 어", 4, &next), 6);
    assert_string_equal(next, "어");
    assert_int_equal(canvas_wrap("한", 1, &next),
                     3); /* at least one character, or it would never end */
    assert_string_equal(next, "");
}

static void wrap_breaks_at_spaces_or_where_it_must(void **state)
{
    const char *next;

    (void)state;
    assert_int_equal(canvas_wrap("one two three", 8, &next), 7);
    assert_string_equal(next, "three");
    assert_int_equal(canvas_wrap("one two", 7, &next), 7);
    assert_string_equal(next, "");
    assert_int_equal(canvas_wrap("one two", 3, &next), 3);
    assert_string_equal(next, "two");
    assert_int_equal(canvas_wrap("abcdefgh", 3, &next), 3);
    assert_string_equal(next, "defgh");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_fits_whatever_the_width),
        cmocka_unit_test(width_is_used_to_the_last_column),
        cmocka_unit_test(whole_life_shows_states_bits_numbers_and_instants),
        cmocka_unit_test(absolute_numbers_are_those_of_the_wire),
        cmocka_unit_test(crossing_packets_show_both_moments),
        cmocka_unit_test(trouble_is_named),
        cmocka_unit_test(answer_names_what_it_answers),
        cmocka_unit_test(colour_comes_only_when_asked),
        cmocka_unit_test(inferred_states_are_marked),
        cmocka_unit_test(broken_text_cannot_steer_the_terminal),
        cmocka_unit_test(wide_characters_take_two_columns),
        cmocka_unit_test(wrap_breaks_at_spaces_or_where_it_must),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
