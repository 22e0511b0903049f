/* SPDX-License-Identifier: MIT */
/* How often strangers are answered: for each destination so many times a second. */
#include "rig.h"

#include <stdlib.h>

enum { SENT = 1000, LIMIT = 200 };

static struct rig *rig_new(void)
{
    struct rig *rig = malloc(sizeof *rig);
    struct duet_config config;
    assert_non_null(rig);
    rig_config(&config);
    rig_start(rig, &config);
    return rig;
}

static void rig_free(struct rig *rig)
{
    rig_end(rig);
    free(rig);
}

/* Segments from this host to a port where nobody is; how many of them were answered. */
static unsigned answers_to(struct rig *rig, uint8_t host)
{
    struct tcp_tuple tuple = rig_tuple(81, 1000);
    unsigned answers = 0;
    tuple.remote = duet_ipv4(10, 0, 0, host);
    for (unsigned i = 0; i < SENT; i++) {
        rig_input(rig, &tuple, &(struct rig_segment){.flags = DUET_SYN, .seq = i, .window = 1});
        answers += rig_drain(rig);
    }
    return answers;
}

static void resets_to_one_destination_are_limited(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    for (unsigned second = 0; second < 20; second++) {
        rig->now = second * DUET_SECOND;
        for (uint8_t host = 2; host < 5; host++) {
            const unsigned answers = answers_to(rig, host);
            EXPECT("at most the limit", answers <= LIMIT);
            EXPECT("no less than seven eighths of it", answers >= LIMIT * 7 / 8);
        }
    }
    EXPECT("the others met the rule",
           rig_hits(rig, TCP_RULE_REPLY_LIMIT) >= 20 * 3 * (SENT - LIMIT));
    rig_free(rig);
}

/* The limit itself does not stay the same, so that it cannot be counted out. */
static void limit_differs_from_second_to_second(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    bool differs = false;
    const unsigned first = answers_to(rig, 2);
    for (unsigned second = 1; second < 10; second++) {
        rig->now = second * DUET_SECOND;
        differs = differs || answers_to(rig, 2) != first;
    }
    assert_true(differs);
    rig_free(rig);
}

/* What a connection sends, a SYN,ACK too, is not counted. */
static void listener_answers_on(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct rig_conn conn = {.tuple = rig_tuple(80, 2000)};
    (void)answers_to(rig, 2);
    rig_accept(rig, &conn, &(struct rig_segment){.seq = 5, .window = 1000});
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resets_to_one_destination_are_limited),
        cmocka_unit_test(limit_differs_from_second_to_second),
        cmocka_unit_test(listener_answers_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
