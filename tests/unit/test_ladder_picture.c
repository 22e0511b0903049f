/* SPDX-License-Identifier: MIT */
/* The drawings: that they are well formed, that no label stands on another, that the page needs
 * nothing from elsewhere and that no text of a recording can break out of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scene.h"

static const struct duet_ladder_options options = {
    .title = "A <title> & \"more\"",
    .lesson = "A lesson that is long enough to need a second line below the title, because it says "
              "the same thing "
              "again and again in other words, so that it must be broken somewhere.",
};

static int svg(const struct duet_recorder *recorder, FILE *to)
{
    return duet_ladder_svg(recorder, &options, to);
}

static int html(const struct duet_recorder *recorder, FILE *to)
{
    return duet_ladder_html(recorder, &options, to);
}

static void assert_has(const char *text, const char *what)
{
    if (strstr(text, what) == NULL)
        fail_msg("no \"%s\"", what);
}

static unsigned count(const char *text, const char *what)
{
    unsigned found = 0;

    for (; (text = strstr(text, what)) != NULL; text += strlen(what))
        found++;
    return found;
}

/* ---- scenes ---- */

/* Lost, duplicated, delayed beyond other packets, forged; notes of several lines; a burst. */
static void troubled(const struct scene *scene)
{
    struct scene_packet slow, packet;

    scene_simultaneous_open(scene);
    duet_recorder_note(scene->recorder, MS(30),
                       "A note that is too long for the space between two lifelines, so "
                       "that it takes more than one line; </script><b>&amp;");
    scene_build(
        scene, 1,
        &(struct scene_segment){.flags = DUET_PSH | DUET_ACK, .seq = 1, .ack = 1, .text = "slow"},
        &slow);
    scene_sent(scene, MS(40), DUET_ESTABLISHED, 6, &slow);
    duet_recorder_fault(scene->recorder, MS(40), DUET_FAULT_DELAY, slow.packet.tag);
    for (unsigned i = 0; i < 6; i++) {
        unsigned from = i % 2;

        scene_call(scene, MS(50 + 30 * i), from, DUET_ESTABLISHED, DUET_CALL_SEND, 1);
        scene_build(scene, from,
                    &(struct scene_segment){
                        .flags = DUET_PSH | DUET_ACK, .seq = 1 + i, .ack = 1, .text = "x"},
                    &packet);
        scene_sent(scene, MS(50 + 30 * i), DUET_ESTABLISHED, 6, &packet);
        if (i == 2) {
            duet_recorder_fault(scene->recorder, MS(50 + 30 * i), DUET_FAULT_DROP,
                                packet.packet.tag);
            continue;
        }
        scene_arrived(scene, MS(60 + 30 * i), DUET_ESTABLISHED, &packet);
        if (i == 4)
            scene_arrived(scene, MS(61 + 30 * i), DUET_ESTABLISHED, &packet);
    }
    scene_timer(scene, MS(9000), 0, DUET_ESTABLISHED, DUET_TIMER_RETRANSMISSION, DUET_TIMER_EXPIRED,
                0);
    scene_arrived(scene, MS(9500), DUET_ESTABLISHED, &slow);
    scene_build(scene, 0, &(struct scene_segment){.flags = DUET_RST, .seq = 4000}, &packet);
    scene_arrived(scene, MS(9600), DUET_ESTABLISHED, &packet);
    scene_state(scene, MS(9600), 1, DUET_ESTABLISHED, DUET_CLOSED, 2);
}

static void (*const scenes[])(const struct scene *scene) = {scene_whole_life,
                                                            scene_simultaneous_open, troubled};

enum { SCENES = sizeof scenes / sizeof scenes[0] };

/* ---- well formed ---- */

/* Every tag is closed by its own; attributes and texts have no bare '<'. */
static void assert_well_formed(const char *text)
{
    char stack[32][32];
    unsigned depth = 0;

    while ((text = strchr(text, '<')) != NULL) {
        size_t length = strcspn(text, ">");
        bool closing = text[1] == '/';
        size_t name = strcspn(text + 1 + closing, " />");

        assert_int_equal(text[length], '>');
        assert_true(memchr(text + 1, '<', length - 1) == NULL);
        assert_true(name > 0 && name < sizeof stack[0]);
        if (closing) {
            assert_true(depth > 0);
            depth--;
            assert_int_equal(strlen(stack[depth]), name);
            assert_memory_equal(stack[depth], text + 2, name);
        } else if (text[length - 1] != '/') {
            assert_true(depth < 32);
            memcpy(stack[depth], text + 1, name);
            stack[depth++][name] = '\0';
        }
        text += length;
    }
    assert_int_equal(depth, 0);
}

static void svg_is_well_formed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SCENES; i++) {
        struct scene scene;
        size_t size;
        char *text;

        scene_start(&scene);
        scenes[i](&scene);
        text = scene_draw(&scene, svg, &size);
        assert_well_formed(text);
        assert_has(text, "A &lt;title&gt; &amp; &quot;more&quot;");
        free(text);
        scene_end(&scene);
    }
}

/* ---- no label stands on another ---- */

struct label {
    double x, y, slope; /* of the start of the base line */
    unsigned characters;
    char text[256];
};

enum { LABELS_MAX = 512 };

#define WIDTH   6.7 /* of a character of 11 pixels in the widest of the fonts asked for */
#define ASCENT  8.0
#define DESCENT 2.0

static double number_after(const char *text, const char *key)
{
    const char *at = strstr(text, key);

    assert_non_null(at);
    return strtod(at + strlen(key), NULL);
}

static unsigned read_labels(const char *text, struct label *labels)
{
    double slope = 0, x0 = 0, y0 = 0;
    unsigned found = 0;

    for (; (text = strchr(text, '<')) != NULL; text++) {
        struct label *label = &labels[found];
        const char *body, *end;
        double x, y;

        if (strncmp(text, "<g ", 3) == 0) {
            int read =
                sscanf(text, "<g transform=\"matrix(1 %lf 0 1 %lf %lf)\">", &slope, &x0, &y0);

            if (read != 3)
                slope = x0 = y0 = 0;
        }
        if (strncmp(text, "</g>", 4) == 0)
            slope = x0 = y0 = 0;
        if (strncmp(text, "<text ", 6) != 0)
            continue;
        assert_true(found < LABELS_MAX);
        x = number_after(text, "x=\"");
        y = number_after(text, " y=\"");
        body = strchr(text, '>') + 1;
        end = strchr(body, '<');
        label->characters = 0;
        for (const char *at = body; at < end; at++) {
            if (*at == '&')
                at += strcspn(at, ";");
            label->characters += ((unsigned char)*at & 0xc0) != 0x80;
        }
        if (strncmp(strstr(text, "anchor=\"") + 8, "end", 3) == 0)
            x -= label->characters * WIDTH;
        else if (strncmp(strstr(text, "anchor=\"") + 8, "middle", 6) == 0)
            x -= label->characters * WIDTH / 2;
        *label = (struct label){
            .x = x0 + x, .y = y0 + y + slope * x, .slope = slope, .characters = label->characters};
        snprintf(label->text, sizeof label->text, "%.*s", (int)(end - body), body);
        found++;
    }
    return found;
}

static bool overlap(const struct label *a, const struct label *b)
{
    for (unsigned i = 0; i < a->characters; i++) {
        for (unsigned j = 0; j < b->characters; j++) {
            double dx = (a->x + i * WIDTH) - (b->x + j * WIDTH);
            double dy = (a->y + a->slope * i * WIDTH) - (b->y + b->slope * j * WIDTH);

            if (dx < WIDTH && dx > -WIDTH && dy < ASCENT + DESCENT && dy > -ASCENT - DESCENT)
                return true;
        }
    }
    return false;
}

static void no_label_stands_on_another(void **state)
{
    static struct label labels[LABELS_MAX];

    (void)state;
    for (unsigned i = 0; i < SCENES; i++) {
        struct scene scene;
        unsigned found;
        size_t size;
        char *text;

        scene_start(&scene);
        scenes[i](&scene);
        text = scene_draw(&scene, svg, &size);
        found = read_labels(text, labels);
        assert_true(found > 20);
        for (unsigned a = 0; a < found; a++)
            for (unsigned b = a + 1; b < found; b++)
                if (overlap(&labels[a], &labels[b]))
                    fail_msg("scene %u: \"%s\" at %.0f,%.0f stands on \"%s\" at %.0f,%.0f", i,
                             labels[a].text, labels[a].x, labels[a].y, labels[b].text, labels[b].x,
                             labels[b].y);
        for (unsigned a = 0; a < found; a++) {
            double width = number_after(text, "viewBox=\"0 0 ");

            assert_true(labels[a].x >= 0);
            assert_true(labels[a].x + labels[a].characters * WIDTH <= width);
        }
        free(text);
        scene_end(&scene);
    }
}

static void losses_gaps_and_forgeries_are_drawn(void **state)
{
    struct scene scene;
    size_t size;
    char *text;

    (void)state;
    scene_start(&scene);
    troubled(&scene);
    text = scene_draw(&scene, svg, &size);
    assert_int_equal(count(text, "class=\"cross\""), 1);
    assert_int_equal(count(text, "class=\"shaft copy\""),
                     2); /* the second copy, and the forged RST */
    assert_has(text, "(from neither end)");
    assert_has(text, "(delayed)");
    assert_has(text, ">8.790 s pass<");
    free(text);
    scene_end(&scene);
}

/* ---- the page ---- */

static void page_needs_nothing_from_elsewhere(void **state)
{
    struct scene scene;
    size_t size;
    char *text;

    (void)state;
    scene_start(&scene);
    scene_whole_life(&scene);
    text = scene_draw(&scene, html, &size);
    assert_int_equal(count(text, "http"),
                     2); /* the name of the SVG name space, in the drawing and in the script */
    assert_int_equal(count(text, "http://www.w3.org/2000/svg"), 2);
    assert_int_equal(count(text, "src="), 0);
    assert_int_equal(count(text, "<link"), 0);
    assert_int_equal(count(text, "@import"), 0);
    assert_int_equal(count(text, "url("), count(text, "url(#"));
    free(text);
    scene_end(&scene);
}

static void page_has_a_step_for_every_moment_with_both_states_and_tcbs(void **state)
{
    struct scene scene;
    size_t size;
    char *text;

    (void)state;
    scene_start(&scene);
    scene_whole_life(&scene);
    text = scene_draw(&scene, html, &size);
    assert_int_equal(count(text, "{\"y\":"), 29); /* 11 packets twice, 6 calls, 1 timer */
    assert_int_equal(count(text, "data-step="), 29);
    assert_int_equal(count(text, "tabindex=\"0\""), 11);
    assert_has(text, "\"title\":\"server: SYN 000010 arrives (packet #1)\"");
    assert_has(text, "\"state\":[\"SYN-SENT\",\"SYN-RECEIVED\"]");
    assert_has(text, "\"SND.UNA\":\"1\",\"SND.NXT\":\"6\"");
    assert_has(text, duet_rule(3)->section);
    free(text);
    scene_end(&scene);
}

static void text_of_a_recording_cannot_break_out_of_the_page(void **state)
{
    struct scene scene;
    size_t size;
    char *text;

    (void)state;
    scene_start(&scene);
    duet_recorder_name(scene.recorder, 0, "<img onerror=x>", false);
    troubled(&scene);
    text = scene_draw(&scene, html, &size);
    assert_int_equal(count(text, "</script>"), 1);
    assert_int_equal(count(text, "<img"), 0);
    assert_int_equal(count(text, "<b>"), 0);
    free(text);
    scene_end(&scene);
}

static void empty_recording_is_an_empty_picture(void **state)
{
    struct scene scene;
    size_t size;
    char *text;

    (void)state;
    scene_start(&scene);
    text = scene_draw(&scene, svg, &size);
    assert_well_formed(text);
    assert_has(text, ">client<");
    free(text);
    text = scene_draw(&scene, html, &size);
    assert_has(text, "const steps=[];");
    free(text);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(svg_is_well_formed),
        cmocka_unit_test(no_label_stands_on_another),
        cmocka_unit_test(losses_gaps_and_forgeries_are_drawn),
        cmocka_unit_test(page_needs_nothing_from_elsewhere),
        cmocka_unit_test(page_has_a_step_for_every_moment_with_both_states_and_tcbs),
        cmocka_unit_test(text_of_a_recording_cannot_break_out_of_the_page),
        cmocka_unit_test(empty_recording_is_an_empty_picture),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
