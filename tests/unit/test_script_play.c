/* SPDX-License-Identifier: MIT */
/* Scripts from beginning to end through the library's own interface, and thousands of broken ones: whatever
 * stands in a script, the stack and the sockets around it stay whole. The scripts that are broken on purpose are
 * those of tests/script/language, which use every part of the language.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "duet/script.h"

static const char opened[] = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
                             "+0 bind(3, ..., ...) = 0\n"
                             "+0 listen(3, 5) = 0\n"
                             "+0 < S 0:0(0) win 65535 <mss 1460>\n"
                             "+0 > S. 0:0(0) ack 1 <mss 1460>\n"
                             "+0.1 < . 1:1(0) ack 1 win 65535\n"
                             "+0 accept(3, ..., ...) = 4\n"
                             "+0 state(4) = ";

static struct duet_script_result played(const char *state)
{
    char text[600];
    snprintf(text, sizeof(text), "%s%s\n", opened, state);
    const struct duet_script_options options = {.verbose = true};
    struct duet_script_result result;
    duet_script_run_text("text", text, strlen(text), &options, &result);
    return result;
}

static void a_script_that_passes(void **state)
{
    (void)state;
    struct duet_script_result result = played("ESTABLISHED");
    assert_int_equal(result.verdict, DUET_SCRIPT_PASSED);
    assert_null(result.problem);
    assert_null(result.ladder);
    assert_non_null(strstr(result.log, "state() = ESTABLISHED"));
    assert_int_equal(result.events, 8);
    assert_int_equal(result.duration, 100 * DUET_MILLISECOND);
    duet_script_result_free(&result);
    assert_null(result.log);
}

static void a_script_that_fails(void **state)
{
    (void)state;
    struct duet_script_result result = played("CLOSED");
    assert_int_equal(result.verdict, DUET_SCRIPT_FAILED);
    assert_int_equal(result.line, 8);
    assert_string_equal(result.problem, "state() returned ESTABLISHED, not CLOSED");
    assert_string_equal(result.expected, "+0 state(4) = CLOSED");
    assert_non_null(strstr(result.ladder, "SYN-RECEIVED"));
    duet_script_result_free(&result);
}

static void a_file_that_is_not_there(void **state)
{
    (void)state;
    const struct duet_script_options options = {0};
    struct duet_script_result result;
    duet_script_run("does/not/exist.pkt", &options, &result);
    assert_int_equal(result.verdict, DUET_SCRIPT_BROKEN);
    assert_string_equal(duet_script_verdict_name(result.verdict), "broken");
    assert_non_null(strstr(result.problem, "No such file"));
    duet_script_result_free(&result);
}

/* ---- broken scripts ---- */

enum { TEXT_MAX = 8192, ROUNDS = 60 };

static const char *const names[] = {
    "as_linux_would",
    "blocking_calls_return_in_time",
    "connect_in_both_ways",
    "corks_and_more",
    "epoll_tells_what_is_ready",
    "ipv6_icmp_and_fields",
    "options_of_sockets",
    "resets_and_errors",
    "segments_are_put_together_and_cut",
    "times_of_all_kinds",
    "two_connections_and_strangers",
    "vectors_and_messages",
};
enum { NAMES = sizeof(names) / sizeof(names[0]) };

static size_t read_script(const char *name, char *text)
{
    const char *source = getenv("DUET_SOURCE");
    char path[4096];
    snprintf(path, sizeof(path), "%s/tests/script/language/%s.pkt", source != NULL ? source : ".",
             name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return 0;
    }
    size_t length = fread(text, 1, TEXT_MAX, file);
    fclose(file);
    return length;
}

/* Changes a digit or a letter, takes a line out, or puts a line twice. */
static size_t mutate(struct prng *prng, char *text, size_t length)
{
    size_t at = (size_t)prng_below(prng, length);
    char *line = memchr(text + at, '\n', length - at);
    char *end = line != NULL ? memchr(line + 1, '\n', (size_t)(text + length - line - 1)) : NULL;
    size_t size = end != NULL ? (size_t)(end - line) : 0;
    switch (prng_below(prng, 4)) {
    case 0:
        if (size > 0) {
            memmove(line, end, (size_t)(text + length - end));
            return length - size;
        }
        break;
    case 1:
        if (size > 0 && length + size <= TEXT_MAX) {
            memmove(end + size, end, (size_t)(text + length - end));
            memcpy(end, line, size);
            return length + size;
        }
        break;
    case 2:
        text[at] = text[prng_below(prng, length)];
        break;
    default:
        while (at < length && (text[at] < '0' || text[at] > '9')) {
            at++;
        }
        if (at < length) {
            text[at] = (char)('0' + prng_below(prng, 10));
        }
        break;
    }
    return length;
}

static void broken_scripts_break_nothing_else(void **state)
{
    (void)state;
    static char original[TEXT_MAX], text[TEXT_MAX];
    unsigned verdicts[4] = {0};
    struct prng prng;
    prng_seed(&prng, 5961);
    for (size_t i = 0; i < NAMES; i++) {
        size_t length = read_script(names[i], original);
        assert_true(length > 0);
        for (unsigned round = 0; round < ROUNDS; round++) {
            memcpy(text, original, length);
            size_t now = length;
            for (unsigned change = 0; change <= round % 3; change++) {
                now = mutate(&prng, text, now);
            }
            const struct duet_script_options options = {0};
            struct duet_script_result result;
            duet_script_run_text(names[i], text, now, &options, &result);
            verdicts[result.verdict]++;
            assert_true(result.verdict == DUET_SCRIPT_PASSED || result.problem != NULL);
            duet_script_result_free(&result);
        }
    }
    /* If one kind were missing, the mutations would not be what they are meant to be. */
    assert_true(verdicts[DUET_SCRIPT_PASSED] > 0);
    assert_true(verdicts[DUET_SCRIPT_FAILED] > 0);
    assert_true(verdicts[DUET_SCRIPT_BROKEN] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_script_that_passes),
        cmocka_unit_test(a_script_that_fails),
        cmocka_unit_test(a_file_that_is_not_there),
        cmocka_unit_test(broken_scripts_break_nothing_else),
    };
    return cmocka_run_group_tests_name("script play", tests, NULL, NULL);
}
