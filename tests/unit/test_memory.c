/* SPDX-License-Identifier: MIT */
/* What a life costs: each record counted with its slot of the table, by what the footprint grows;
 * and that nothing borrowed is kept by whoever is idle. All of it with IPv6. */
#include "rig.h"

#include <stdlib.h>

/* ---- the footprint ---- */

enum { MORE = 100000 };

/* Pages are few beside connections here, as they are where connections are counted in millions, so
 * that the indexes of buffers are as many as the pages and no more. */
static void base_config(struct duet_config *config)
{
    rig_config(config);
    config->connections_max = 1000000;
    config->half_open_max = 1000000;
    config->time_wait_max = 1000000;
    config->pages_max = 4096;
    config->watch = false;
}

static void bytes_of_a_record(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t offset, most;
    } rows[] = {
        {"idle connection", offsetof(struct duet_config, connections_max), 256},
        {"half-open", offsetof(struct duet_config, half_open_max), 64},
        {"TIME-WAIT", offsetof(struct duet_config, time_wait_max), 64},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct duet_config config;
        uint32_t count;
        base_config(&config);
        const size_t before = duet_stack_footprint(&config);
        memcpy(&count, (uint8_t *)&config + rows[i].offset, sizeof count);
        count += MORE;
        memcpy((uint8_t *)&config + rows[i].offset, &count, sizeof count);
        const size_t each = (duet_stack_footprint(&config) - before + MORE - 1) / MORE;
        EXPECT(rows[i].name, each <= rows[i].most);
        EXPECT(rows[i].name, each >= rows[i].most * 3 / 4); /* they are counted, not forgotten */
    }
}

/* The design point: ten million idle connections in one process, and what is fixed beside them. */
static void ten_million(void **state)
{
    (void)state;
    struct duet_config config;
    base_config(&config);
    config.connections_max = 10000000;
    config.half_open_max = config.time_wait_max = 1;
    config.transfers_max = config.reassemblies_max = config.pages_max = 1;
    EXPECT("ten million", duet_stack_footprint(&config) <= UINT64_C(10000000) * 256 + 65536);
}

/* ---- who is idle keeps nothing ---- */

enum { CONNECTIONS = 40 };

static struct rig *rig_new(void)
{
    struct rig *rig = malloc(sizeof *rig);
    struct duet_config config;
    assert_non_null(rig);
    rig_config(&config);
    config.connections_max = CONNECTIONS;
    config.half_open_max = CONNECTIONS;
    config.time_wait_max = CONNECTIONS;
    config.transfers_max = 2;
    config.reassemblies_max = 1;
    rig_start(rig, &config);
    return rig;
}

static void expect_nothing_borrowed(const char *row, const struct rig *rig)
{
    EXPECT_EQUAL(row, rig->stack->transfers.used, 0);
    EXPECT_EQUAL(row, rig->stack->reassemblies.used, 0);
    EXPECT_EQUAL(row, ranges_used(&rig->stack->ranges), 0);
    EXPECT_EQUAL(row, rig->stack->buffers.indexes.used, 0);
    EXPECT_EQUAL(row, rig->stack->buffers.pages.used, 0);
}

static const struct rig_segment offer = {.seq = 0xffffff00, .window = 60000, .mss = 1200};

static struct rig_conn open_one(struct rig *rig, uint16_t i)
{
    struct rig_conn conn = {.tuple = rig_tuple6((uint16_t)(1000 + i), 4000)};
    rig_connect(rig, &conn, &offer);
    assert_int_equal(duet_set(rig->stack, rig->now, conn.handle, DUET_OPTION_NODELAY, 1), DUET_OK);
    return conn;
}

/* Bytes in both directions, a hole and its end, all acknowledged and read. */
static void talk(struct rig *rig, struct rig_conn *conn)
{
    static const uint8_t text[3000];
    uint8_t to[3000];
    rig_write(rig, conn, text, 3000);
    while (rig_output(rig, NULL, NULL))
        continue;
    conn->ack += 3000;
    rig_say(rig, conn, 0, 1000, text, 1000);
    rig_say(rig, conn, 0, 0, text, 1000);
    conn->seq += 2000;
    EXPECT_EQUAL("read", duet_receive(rig->stack, rig->now, conn->handle, to, sizeof to), 2000);
    rig_drain(rig);
}

static void connections_that_are_idle(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct rig_conn conns[CONNECTIONS];
    for (uint32_t i = 0; i < CONNECTIONS; i++)
        conns[i] = open_one(rig, (uint16_t)i);
    expect_nothing_borrowed("never used", rig);
    for (uint32_t i = 0; i < CONNECTIONS; i++)
        talk(rig, &conns[i]);
    expect_nothing_borrowed("used and idle", rig);
    EXPECT_EQUAL("alive", rig->stack->conns.used, CONNECTIONS);
    rig_end(rig);
    free(rig);
}

static void half_open_records(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    const struct duet_listen_options options = {.local = {.port = 80}, .backlog = 1};
    struct duet_handle listener;
    assert_int_equal(duet_listen(rig->stack, 0, &options, &listener), DUET_OK);
    for (uint32_t i = 0; i < CONNECTIONS; i++) {
        const struct tcp_tuple tuple = rig_tuple6(80, (uint16_t)(4000 + i));
        struct rig_segment syn = offer;
        syn.flags = DUET_SYN;
        rig_input(rig, &tuple, &syn);
        EXPECT_EQUAL("SYN,ACK", rig_drain(rig), 1);
    }
    expect_nothing_borrowed("half-open", rig);
    EXPECT_EQUAL("no connection", rig->stack->conns.used, 0);
    EXPECT_EQUAL("all there", rig->stack->half_open.age.alive, CONNECTIONS);
    rig_end(rig);
    free(rig);
}

/* The user closes, the peer closes, the record of the connection is free again at once. */
static void time_wait_records(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    for (uint32_t i = 0; i < CONNECTIONS; i++) {
        struct duet_event event;
        struct rig_conn conn = open_one(rig, (uint16_t)i);
        talk(rig, &conn);
        assert_int_equal(duet_close(rig->stack, rig->now, conn.handle), DUET_OK);
        EXPECT_EQUAL("FIN", rig_drain(rig), 1);
        conn.ack++;
        rig_say(rig, &conn, DUET_FIN, 0, NULL, 0);
        EXPECT_EQUAL("the last ACK", rig_drain(rig), 1);
        while (duet_next_event(rig->stack, &event))
            continue;
        EXPECT_EQUAL("the connection is gone", rig->stack->conns.used, 0);
        expect_nothing_borrowed("TIME-WAIT", rig);
    }
    EXPECT_EQUAL("all there", rig->stack->time_wait.age.alive, CONNECTIONS);
    rig_end(rig);
    free(rig);
}

/* A reset gives everything back, in the middle of everything. */
static void connections_that_end(void **state)
{
    (void)state;
    static const uint8_t text[3000];
    struct rig *rig = rig_new();
    struct duet_event event;
    struct rig_conn conn = open_one(rig, 0);
    rig_write(rig, &conn, text, 3000);
    rig_say(rig, &conn, 0, 0, text, 1000);
    rig_say(rig, &conn, 0, 2000, text, 1000);
    EXPECT("in use", rig->stack->transfers.used == 1 && rig->stack->reassemblies.used == 1 &&
                         rig->stack->buffers.pages.used > 0);
    assert_int_equal(duet_abort(rig->stack, rig->now, conn.handle), DUET_OK);
    while (duet_next_event(rig->stack, &event))
        continue;
    expect_nothing_borrowed("aborted", rig);
    EXPECT_EQUAL("gone", rig->stack->conns.used, 0);
    EXPECT_EQUAL("table", rig->stack->demux.used, 0);
    rig_end(rig);
    free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_of_a_record),         cmocka_unit_test(ten_million),
        cmocka_unit_test(connections_that_are_idle), cmocka_unit_test(half_open_records),
        cmocka_unit_test(time_wait_records),         cmocka_unit_test(connections_that_end),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
