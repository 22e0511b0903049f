/* SPDX-License-Identifier: MIT */
/* The JSON trace: lines that parse, values that are what was recorded, and a documentation that
 * is fresh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "observe/json.h"
#include "scene.h"

/* The line number n (from 0) of text, in a buffer that the next call overwrites. */
static const char *line_of(const char *text, unsigned n)
{
    static char line[4096];

    for (; n > 0; n--)
        text = strchr(text, '\n') + 1;
    snprintf(line, sizeof line, "%.*s", (int)strcspn(text, "\n"), text);
    return line;
}

static void assert_has(const char *line, const char *what)
{
    if (strstr(line, what) == NULL)
        fail_msg("no %s in %s", what, line);
}

static void packet_has_its_header_and_number(void **state)
{
    struct scene scene;
    struct scene_packet packet;
    size_t size;
    char *text;

    (void)state;
    scene_start(&scene);
    scene_build(
        &scene, 0,
        &(struct scene_segment){.flags = DUET_PSH | DUET_ACK, .seq = 10, .ack = 1, .text = "abc"},
        &packet);
    scene_sent(&scene, MS(1), DUET_ESTABLISHED, 0, &packet);
    text = scene_draw(&scene, duet_trace_json, &size);
    assert_string_equal(
        line_of(text, 0),
        "{\"time\":1000000,\"kind\":\"sent\",\"end\":\"client\",\"packet\":1,\"bytes\":43,"
        "\"source\":\"10.0.0.1\",\"destination\":\"10.0.0.2\",\"protocol\":6,"
        "\"source_port\":49152,\"destination_port\":80,\"flags\":\"PSH,ACK\",\"bits\":\"011000\","
        "\"seq\":4,\"ack\":1000001,\"length\":3,\"window\":64240}");
    assert_has(line_of(text, 1), "\"kind\":\"segment-out\"");
    assert_has(line_of(text, 1), "\"rule\":null");
    free(text);
    scene_end(&scene);
}

static void rule_comes_with_section_and_sentence(void **state)
{
    struct scene scene;
    size_t size;
    char *text, wanted[1024];

    (void)state;
    scene_start(&scene);
    scene_state(&scene, MS(5), 1, DUET_SYN_RECEIVED, DUET_ESTABLISHED, 1);
    text = scene_draw(&scene, duet_trace_json, &size);
    snprintf(wanted, sizeof wanted, "\"rule\":\"%s\",\"section\":\"%s\",\"sentence\":\"%s\"",
             duet_rule(1)->name, duet_rule(1)->section, duet_rule(1)->sentence);
    assert_has(text, wanted);
    assert_has(text, "\"end\":\"server\"");
    assert_has(text, "\"from\":\"SYN-RECEIVED\",\"to\":\"ESTABLISHED\"");
    free(text);
    scene_end(&scene);
}

static void odd_text_stays_one_line(void **state)
{
    struct scene scene;
    size_t size;
    char *text;

    (void)state;
    scene_start(&scene);
    duet_recorder_note(scene.recorder, MS(5), "a \"word\"\nwith \\ and \x01");
    text = scene_draw(&scene, duet_trace_json, &size);
    assert_string_equal(text, "{\"time\":5000000,\"kind\":\"note\",\"end\":null,"
                              "\"text\":\"a \\\"word\\\"\\u000awith \\\\ and \\u0001\"}\n");
    free(text);
    scene_end(&scene);
}

static void faults_and_reports_are_lines_of_their_own(void **state)
{
    struct scene scene;
    struct scene_packet packet;
    size_t size;
    char *text;

    (void)state;
    scene_start(&scene);
    scene.traced[0] = false;
    scene_build(&scene, 0, &(struct scene_segment){.flags = DUET_SYN}, &packet);
    scene_sent(&scene, 0, DUET_SYN_SENT, 0, &packet);
    duet_recorder_fault(scene.recorder, 0, DUET_FAULT_DROP, 1);
    duet_recorder_state(scene.recorder, 0, MS(2), DUET_SYN_SENT, true);
    text = scene_draw(&scene, duet_trace_json, &size);
    assert_string_equal(
        line_of(text, 1),
        "{\"time\":0,\"kind\":\"fault\",\"end\":null,\"packet\":1,\"fault\":\"drop\"}");
    assert_string_equal(line_of(text, 2),
                        "{\"time\":2000000,\"kind\":\"state-report\",\"end\":\"client\","
                        "\"state\":\"SYN-SENT\",\"inferred\":true}");
    free(text);
    scene_end(&scene);
}

static void timer_without_deadline_has_null(void **state)
{
    struct scene scene;
    size_t size;
    char *text;

    (void)state;
    scene_start(&scene);
    scene_timer(&scene, 0, 0, DUET_ESTABLISHED, DUET_TIMER_PERSIST, DUET_TIMER_STOPPED, DUET_NEVER);
    scene_call(&scene, 0, 0, DUET_ESTABLISHED, DUET_CALL_SEND, DUET_E_AGAIN);
    text = scene_draw(&scene, duet_trace_json, &size);
    assert_has(line_of(text, 0),
               "\"timer\":\"persist\",\"action\":\"stopped\",\"count\":1,\"deadline\":null");
    assert_has(line_of(text, 1), "\"call\":\"send\",\"result\":-12,");
    free(text);
    scene_end(&scene);
}

/* ---- docs/TRACE.md ---- */

static const char begin_mark[] = "<!-- fields: begin -->\n", end_mark[] = "<!-- fields: end -->\n";

static char *read_documentation(char *path, size_t size)
{
    const char *source = getenv("DUET_SOURCE");
    char *text = calloc(1, 1 << 16);
    FILE *file;

    snprintf(path, size, "%s/docs/TRACE.md", source == NULL ? "." : source);
    file = fopen(path, "r");
    if (file == NULL)
        fail_msg("cannot open %s: run from the source folder, or set DUET_SOURCE", path);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 16) - 1, file) > 0);
    fclose(file);
    return text;
}

/* With DUET_UPDATE set in the environment the tables are written anew. */
static void documentation_has_the_fields_of_the_table(void **state)
{
    char path[4096], *tables = NULL, *text = read_documentation(path, sizeof path);
    char *begin = strstr(text, begin_mark), *end = strstr(text, end_mark);
    size_t size;
    FILE *to = open_memstream(&tables, &size);

    (void)state;
    assert_non_null(to);
    json_tables(to);
    fclose(to);
    assert_non_null(begin);
    assert_non_null(end);
    begin += strlen(begin_mark);
    if (getenv("DUET_UPDATE") != NULL) {
        to = fopen(path, "w");
        assert_non_null(to);
        fprintf(to, "%.*s%s%s", (int)(begin - text), text, tables, end);
        fclose(to);
    } else if ((size_t)(end - begin) != size || memcmp(begin, tables, size) != 0) {
        fail_msg("docs/TRACE.md is not what src/observe/trace_fields.def says: run this test with "
                 "DUET_UPDATE=1");
    }
    free(tables);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packet_has_its_header_and_number),
        cmocka_unit_test(rule_comes_with_section_and_sentence),
        cmocka_unit_test(odd_text_stays_one_line),
        cmocka_unit_test(faults_and_reports_are_lines_of_their_own),
        cmocka_unit_test(timer_without_deadline_has_null),
        cmocka_unit_test(documentation_has_the_fields_of_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
