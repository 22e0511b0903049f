/* SPDX-License-Identifier: MIT */
/* Connections that their user has closed and whose peer keeps its window shut. */
#include "rig.h"

#include <stdlib.h>

#define SEC(n) ((n)*DUET_SECOND)

/* Lets time pass, answering every probe by an acknowledgement with a closed window. */
static void hold_window_shut(struct rig *rig, const struct rig_conn *conn, duet_time until)
{
    while (rig->now < until) {
        struct rig_segment out;
        rig_pass(rig, rig->now + DUET_SECOND);
        while (rig_output(rig, NULL, &out))
            if ((out.flags & DUET_RST) == 0)
                rig_say(rig, conn, 0, 0, NULL, 0);
    }
}

static struct rig *rig_with_shut_window(struct rig_conn *conn)
{
    static const uint8_t bytes[1000];
    struct rig *rig = malloc(sizeof *rig);
    struct duet_config config;
    assert_non_null(rig);
    rig_config(&config);
    rig_start(rig, &config);
    *conn = (struct rig_conn){.tuple = rig_tuple(80, 1000)};
    rig_accept(rig, conn, &(struct rig_segment){.seq = 5, .window = 0});
    rig_write(rig, conn, bytes, sizeof bytes);
    (void)rig_drain(rig);
    return rig;
}

/* MUST-37 is for a user who waits: there a peer may hold the window shut for ever. */
static void user_who_waits_keeps_the_connection(void **state)
{
    (void)state;
    struct rig_conn conn;
    struct rig *rig = rig_with_shut_window(&conn);
    hold_window_shut(rig, &conn, SEC(2000));
    assert_int_equal(rig_status(rig, &conn).state, DUET_ESTABLISHED);
    rig_end(rig);
    free(rig);
}

/* Nobody waits any more: without progress it ends after the user timeout, however lively the peer. */
static void orphan_ends_after_the_user_timeout(void **state)
{
    (void)state;
    struct rig_conn conn;
    struct duet_counters counters;
    struct rig *rig = rig_with_shut_window(&conn);
    assert_int_equal(duet_close(rig->stack, rig->now, conn.handle), DUET_OK);
    hold_window_shut(rig, &conn, SEC(299));
    duet_counters(rig->stack, &counters);
    assert_int_equal(counters.connections, 1);
    hold_window_shut(rig, &conn, SEC(302));
    rig_take_events(rig);
    duet_counters(rig->stack, &counters);
    assert_int_equal(counters.connections, 0);
    assert_int_equal(counters.pages_used, 0);
    rig_end(rig);
    free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(user_who_waits_keeps_the_connection),
        cmocka_unit_test(orphan_ends_after_the_user_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
