/* SPDX-License-Identifier: MIT */
/* SYNs as every stack of today writes them, but for one thing: what a SYN on the ordinary path must not get
 * away with, it must not get away with on the fast one. */
#include "rig.h"

#include <stdlib.h>

static const struct rig_segment plain = {.flags = DUET_SYN,
                                         .seq = 0xfffffff0,
                                         .window = 60000,
                                         .mss = 1460,
                                         .sack = true,
                                         .timestamps = true,
                                         .tsval = 7,
                                         .scaling = true,
                                         .scale = 7};

static struct rig *start(void)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct duet_config config;
    assert_non_null(rig);
    rig_config(&config);
    rig_start(rig, &config);
    return rig;
}

static void stop(struct rig *rig)
{
    assert_null(duet_check(rig->stack));
    rig_end(rig);
    free(rig);
}

static void a_syn_from_port_0_is_from_nobody(void **state)
{
    (void)state;
    struct rig *rig = start();
    const struct duet_listen_options listen = {.local = {.port = 80}, .backlog = 1};
    const struct tcp_tuple nobody = rig_tuple(80, 0), somebody = rig_tuple(80, 1);
    struct duet_handle listener;
    struct rig_segment answer;
    assert_int_equal(duet_listen(rig->stack, rig->now, &listen, &listener), DUET_OK);
    rig_input(rig, &nobody, &plain);
    EXPECT_EQUAL("dropped", rig_hits(rig, TCP_RULE_SEGMENT_PORT_ZERO), 1);
    rig_silence("from port 0", rig);
    rig_input(rig, &somebody, &plain);
    assert_true(rig_output(rig, NULL, &answer));
    EXPECT_EQUAL("from port 1", answer.flags, DUET_SYN | DUET_ACK);
    stop(rig);
}

static void a_syn_ack_from_our_own_address_is_a_lie(void **state)
{
    (void)state;
    struct rig *rig = start();
    struct rig_conn conn = {.tuple = rig_tuple(1000, 2000)};
    conn.tuple.remote = conn.tuple.local;
    const struct duet_connect_options options = {
        .local = {conn.tuple.local, conn.tuple.local_port},
        .remote = {conn.tuple.remote, conn.tuple.remote_port}};
    struct rig_segment syn, answer = plain;
    assert_int_equal(duet_connect(rig->stack, rig->now, &options, &conn.handle), DUET_OK);
    assert_true(rig_output(rig, &conn.tuple, &syn));
    answer.flags = DUET_SYN | DUET_ACK;
    answer.ack = syn.seq + 1;
    answer.tsecr = syn.tsval;
    rig_input(rig, &conn.tuple, &answer);
    EXPECT_EQUAL("dropped", rig_hits(rig, TCP_RULE_IP_OWN_SOURCE), 1);
    EXPECT_EQUAL("state", rig_status(rig, &conn).state, DUET_SYN_SENT);
    rig_silence("from ourselves", rig);
    stop(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_syn_from_port_0_is_from_nobody),
        cmocka_unit_test(a_syn_ack_from_our_own_address_is_a_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
