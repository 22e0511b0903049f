/* SPDX-License-Identifier: MIT */
/* Handles and arguments: every call with a handle that is dead or never lived, what generations are
 * for, and every argument just outside of its range, each with the exact error. */
#include "rig.h"

#include <stdlib.h>

static const struct rig_segment offer = {.seq = 0xffffff00, .window = 60000, .mss = 1000};
static const struct duet_address any;

static struct rig *rig_new(void)
{
    struct rig *rig = malloc(sizeof *rig);
    struct duet_config config;
    assert_non_null(rig);
    rig_config(&config);
    config.connections_max = 4;
    config.transfers_max = 2;
    config.listeners_max = 3;
    rig_start(rig, &config);
    return rig;
}

static void rig_free(struct rig *rig)
{
    rig_end(rig);
    free(rig);
}

static struct duet_handle listen_at(struct rig *rig, uint16_t port)
{
    struct duet_handle handle;
    const struct duet_listen_options options = {.local = {.port = port}, .backlog = 1};
    assert_int_equal(duet_listen(rig->stack, rig->now, &options, &handle), DUET_OK);
    return handle;
}

static struct rig_conn open_one(struct rig *rig, uint16_t remote_port)
{
    struct rig_conn conn = {.tuple = rig_tuple(1000, remote_port)};
    rig_connect(rig, &conn, &offer);
    return conn;
}

static void take_events(struct rig *rig)
{
    struct duet_event event;
    while (duet_next_event(rig->stack, &event))
        continue;
}

/* ---- dead handles ---- */

static void expect_dead(const char *row, struct rig *rig, struct duet_handle h)
{
    struct duet_stack *s = rig->stack;
    const struct duet_socket_address remote = {duet_ipv4(10, 0, 0, 2), 80};
    struct duet_handle connection = {77, 77};
    struct duet_socket_address from;
    struct duet_status status;
    uint8_t bytes[8] = {0};
    void *room = NULL;
    const void *data = NULL;
    size_t size = 5;
    EXPECT_EQUAL(row, duet_send(s, 0, h, bytes, sizeof bytes, 0), DUET_E_NOCONN);
    EXPECT_EQUAL(row, duet_send(s, 0, h, bytes, 0, 0), DUET_E_NOCONN);
    EXPECT_EQUAL(row, duet_send_lent(s, 0, h, bytes, sizeof bytes, 0), DUET_E_NOCONN);
    EXPECT_EQUAL(row, duet_send_reserve(s, h, &room, &size), DUET_E_NOCONN);
    EXPECT_EQUAL(row, duet_send_commit(s, 0, h, 1, 0), DUET_E_NOCONN);
    EXPECT_EQUAL(row, duet_send_commit(s, 0, h, 0, 0), DUET_E_NOCONN);
    EXPECT_EQUAL(row, duet_receive(s, 0, h, bytes, sizeof bytes), DUET_E_NOCONN);
    EXPECT_EQUAL(row, duet_receive_peek(s, h, &data, &size), DUET_E_NOCONN);
    EXPECT_EQUAL(row, duet_receive_consume(s, 0, h, 0), DUET_E_NOCONN);
    EXPECT_EQUAL(row, duet_shutdown(s, 0, h), DUET_E_NOCONN);
    EXPECT_EQUAL(row, duet_close(s, 0, h), DUET_E_NOCONN);
    EXPECT_EQUAL(row, duet_abort(s, 0, h), DUET_E_NOCONN);
    EXPECT_EQUAL(row, duet_set(s, 0, h, DUET_OPTION_NODELAY, 1), DUET_E_NOCONN);
    EXPECT_EQUAL(row, duet_status(s, h, &status), DUET_E_NOCONN);
    EXPECT_EQUAL(row, duet_accept(s, 0, h, &connection, &from), DUET_E_NOCONN);
    EXPECT_EQUAL(row, duet_connect_listener(s, 0, h, &remote, &connection), DUET_E_NOCONN);
    EXPECT(row, connection.index == 77 && connection.generation == 77);
    EXPECT(row, room == NULL && data == NULL && size == 5);
    rig_silence(row, rig);
}

static void handles_that_never_lived(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    const struct duet_handle listener = listen_at(rig, 80);
    const struct rig_conn conn = open_one(rig, 4000);
    const uint32_t g = conn.handle.generation, lg = listener.generation;
    const struct {
        const char *name;
        struct duet_handle handle;
    } rows[] = {
        {"zero", {0, 0}},
        {"no generation", {conn.handle.index, 0}},
        {"next generation", {conn.handle.index, g + 1}},
        {"previous generation", {conn.handle.index, g - 1}},
        {"a record never used", {conn.handle.index + 1, g}},
        {"the last record", {3, g}},
        {"behind the records", {4, g}},
        {"far behind", {0x7fffffff, g}},
        {"a connection as a listener", {conn.handle.index | HANDLE_LISTENER, g}},
        {"a listener as a connection", {listener.index & ~HANDLE_LISTENER, lg}},
        {"listener, no generation", {listener.index, 0}},
        {"listener, another generation", {listener.index, lg + 1}},
        {"a listener never used", {listener.index + 1, lg}},
        {"behind the listeners", {3 | HANDLE_LISTENER, lg}},
        {"far behind the listeners", {0xffffffff, lg}},
    };
    EXPECT("handles are not zero", g != 0 && lg != 0 && g != lg);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        expect_dead(rows[i].name, rig, rows[i].handle);
    EXPECT_EQUAL("the living one", rig_status(rig, &conn).state, DUET_ESTABLISHED);
    rig_free(rig);
}

static void before_anything_was_opened(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    for (uint32_t generation = 0; generation < 4; generation++) {
        expect_dead("connection", rig, (struct duet_handle){0, generation});
        expect_dead("listener", rig, (struct duet_handle){HANDLE_LISTENER, generation});
    }
    rig_free(rig);
}

/* A handle dies when the user has let go and has been told the end, in either order; until then it
 * can be asked. */
static void handle_dies_after_close_and_event(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct rig_conn conn = open_one(rig, 4000);
    struct duet_event event;
    take_events(rig);
    assert_int_equal(duet_abort(rig->stack, rig->now, conn.handle), DUET_OK);
    EXPECT_EQUAL("let go", rig_status(rig, &conn).state, DUET_CLOSED);
    EXPECT_EQUAL("RST", rig_drain(rig), 1);
    EXPECT("event", duet_next_event(rig->stack, &event));
    EXPECT("of this one", event.handle.index == conn.handle.index &&
                              event.handle.generation == conn.handle.generation);
    EXPECT("the last one", (event.bits & DUET_EVENT_CLOSED) != 0);
    expect_dead("both", rig, conn.handle);

    conn = open_one(rig, 4001);
    take_events(rig);
    rig_say(rig, &conn, DUET_RST, 0, NULL, 0);
    EXPECT("told", duet_next_event(rig->stack, &event) && (event.bits & DUET_EVENT_CLOSED) != 0);
    EXPECT_EQUAL("told", rig_status(rig, &conn).error, DUET_E_RESET);
    assert_int_equal(duet_close(rig->stack, rig->now, conn.handle), DUET_OK);
    expect_dead("both, the other way round", rig, conn.handle);
    rig_free(rig);
}

/* The same record many times over: each life has a handle of its own. */
static void old_handle_does_not_reach_the_next_life(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct duet_handle old[50], listeners[50];
    for (uint32_t i = 0; i < COUNT_OF(old); i++) {
        const struct rig_conn conn = open_one(rig, (uint16_t)(4000 + i));
        old[i] = conn.handle;
        EXPECT_EQUAL("same record", conn.handle.index, old[0].index);
        for (uint32_t before = 0; before < i; before++) {
            struct duet_status status;
            EXPECT_EQUAL("old", duet_status(rig->stack, old[before], &status), DUET_E_NOCONN);
            EXPECT_EQUAL("old", duet_abort(rig->stack, 0, old[before]), DUET_E_NOCONN);
        }
        EXPECT_EQUAL("new", rig_status(rig, &conn).state, DUET_ESTABLISHED);
        assert_int_equal(duet_abort(rig->stack, 0, conn.handle), DUET_OK);
        rig_drain(rig);
        take_events(rig);
    }
    for (uint32_t i = 0; i < COUNT_OF(listeners); i++) {
        listeners[i] = listen_at(rig, 80);
        EXPECT_EQUAL("same record", listeners[i].index, listeners[0].index);
        for (uint32_t before = 0; before < i; before++)
            EXPECT_EQUAL("old", duet_close(rig->stack, 0, listeners[before]), DUET_E_NOCONN);
        assert_int_equal(duet_close(rig->stack, 0, listeners[i]), DUET_OK);
    }
    expect_dead("connection", rig, old[10]);
    expect_dead("listener", rig, listeners[10]);
    rig_free(rig);
}

/* Generation 0 is skipped when the number runs over: no handle is ever all zero. */
static void generations_run_over(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    rig->stack->generation = 0xfffffffe;
    for (uint16_t i = 0; i < 4; i++) {
        const struct rig_conn conn = open_one(rig, (uint16_t)(4000 + i));
        EXPECT("not zero", conn.handle.generation != 0);
        EXPECT_EQUAL("alive", rig_status(rig, &conn).state, DUET_ESTABLISHED);
    }
    rig->stack->generation = 0xffffffff;
    EXPECT_EQUAL("listener", listen_at(rig, 80).generation, 0xffffffff);
    EXPECT_EQUAL("listener", listen_at(rig, 81).generation, 1);
    rig_free(rig);
}

/* ---- arguments ---- */

static void listen_arguments(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    const struct duet_address ours = duet_ipv4(10, 0, 0, 1), peer = duet_ipv4(10, 0, 0, 2);
    const struct {
        const char *name;
        struct duet_listen_options options;
        int error;
    } rows[] = {
        {"port 0", {{any, 0}, {any, 0}, 1, 0}, DUET_E_ARG},
        {"backlog 0", {{any, 80}, {any, 0}, 0, 0}, DUET_E_ARG},
        {"not ours", {{peer, 80}, {any, 0}, 1, 0}, DUET_E_ADDR},
        {"multicast", {{duet_ipv4(224, 0, 0, 1), 80}, {any, 0}, 1, 0}, DUET_E_ADDR},
        {"from multicast", {{ours, 80}, {duet_ipv4(224, 0, 0, 1), 0}, 1, 0}, DUET_E_ADDR},
        {"from broadcast", {{ours, 80}, {duet_ipv4(255, 255, 255, 255), 0}, 1, 0}, DUET_E_ADDR},
        {"from our broadcast", {{ours, 80}, {duet_ipv4(10, 0, 0, 255), 0}, 1, 0}, DUET_E_ADDR},
        {"every address", {{any, 80}, {any, 0}, 1, 0}, DUET_OK},
        {"twice", {{any, 80}, {any, 0}, 5, 0}, DUET_E_EXISTS},
        {"one address", {{ours, 80}, {any, 0}, 1, 0}, DUET_OK},
        {"one peer", {{ours, 80}, {peer, 4000}, UINT32_MAX, 0}, DUET_OK},
        {"twice", {{ours, 80}, {peer, 4000}, 1, 0}, DUET_E_EXISTS},
        {"no record left", {{ours, 80}, {peer, 4001}, 1, 0}, DUET_E_RES},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct duet_handle handle = {0};
        EXPECT_EQUAL(rows[i].name, duet_listen(rig->stack, 0, &rows[i].options, &handle),
                     rows[i].error);
        EXPECT_EQUAL(rows[i].name, handle.generation != 0, rows[i].error == DUET_OK);
    }
    rig_free(rig);
}

static void connect_arguments(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    const struct duet_address ours = duet_ipv4(10, 0, 0, 1), peer = duet_ipv4(10, 0, 0, 2);
    const struct duet_address peer6 = rig_tuple6(1, 1).remote;
    const struct {
        const char *name;
        struct duet_connect_options options;
        int error;
    } rows[] = {
        {"no address", {{any, 0}, {any, 80}, 0}, DUET_E_NOREMOTE},
        {"no port", {{any, 0}, {peer, 0}, 0}, DUET_E_NOREMOTE},
        {"0.0.0.0", {{any, 0}, {duet_ipv4(0, 0, 0, 0), 80}, 0}, DUET_E_NOREMOTE},
        {"multicast", {{any, 0}, {duet_ipv4(239, 1, 2, 3), 80}, 0}, DUET_E_ADDR},
        {"broadcast", {{any, 0}, {duet_ipv4(255, 255, 255, 255), 80}, 0}, DUET_E_ADDR},
        {"our broadcast", {{any, 0}, {duet_ipv4(10, 0, 0, 255), 80}, 0}, DUET_E_ADDR},
        {"our network", {{any, 0}, {duet_ipv4(10, 0, 0, 0), 80}, 0}, DUET_E_ADDR},
        {"reserved", {{any, 0}, {duet_ipv4(241, 0, 0, 1), 80}, 0}, DUET_E_ADDR},
        {"loopback", {{any, 0}, {duet_ipv4(127, 0, 0, 1), 80}, 0}, DUET_E_ADDR},
        {"from a stranger", {{peer, 1}, {duet_ipv4(10, 0, 0, 3), 80}, 0}, DUET_E_ADDR},
        {"from IPv6 to IPv4", {{rig_tuple6(1, 1).local, 1}, {peer, 80}, 0}, DUET_E_ADDR},
        {"from IPv4 to IPv6", {{ours, 1}, {peer6, 80}, 0}, DUET_E_ADDR},
        {"good", {{ours, 5000}, {peer, 80}, 0}, DUET_OK},
        {"twice", {{ours, 5000}, {peer, 80}, 0}, DUET_E_EXISTS},
        {"twice, address chosen", {{any, 5000}, {peer, 80}, 0}, DUET_E_EXISTS},
        {"another peer", {{any, 5000}, {peer6, 80}, 0}, DUET_OK},
        {"no transfer left", {{any, 0}, {peer, 81}, 0}, DUET_E_RES},
        {"arguments first", {{any, 0}, {any, 81}, 0}, DUET_E_NOREMOTE},
    };
    struct duet_counters counters;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct duet_handle handle = {0};
        EXPECT_EQUAL(rows[i].name, duet_connect(rig->stack, 0, &rows[i].options, &handle),
                     rows[i].error);
        EXPECT_EQUAL(rows[i].name, handle.generation != 0, rows[i].error == DUET_OK);
    }
    duet_counters(rig->stack, &counters);
    EXPECT_EQUAL("what failed left nothing", counters.connections, 2);
    EXPECT_EQUAL("in the table", rig->stack->demux.used, 2);
    EXPECT_EQUAL("two SYN", rig_drain(rig), 2);
    rig_free(rig);
}

static void no_connection_left(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct duet_handle handle;
    for (uint16_t i = 0; i < 4; i++)
        open_one(rig, (uint16_t)(4000 + i));
    const struct duet_connect_options options = {.remote = {duet_ipv4(10, 0, 0, 2), 80}};
    EXPECT_EQUAL("five of four", duet_connect(rig->stack, 0, &options, &handle), DUET_E_RES);
    rig_free(rig);
}

static void option_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum duet_option option;
        uint32_t least, most;
    } rows[] = {
        {"nodelay", DUET_OPTION_NODELAY, 0, 1},
        {"keep-alive", DUET_OPTION_KEEPALIVE, 0, 1},
        {"keep-alive idle", DUET_OPTION_KEEPALIVE_IDLE, 1, INT32_MAX},
        {"user timeout", DUET_OPTION_USER_TIMEOUT, 0, INT32_MAX},
        {"user timeout option", DUET_OPTION_USER_TIMEOUT_ADVERTISE, 0, 1},
        {"DSCP", DUET_OPTION_DSCP, 0, 63},
        {"TTL", DUET_OPTION_TTL, 1, 255},
        {"receive buffer", DUET_OPTION_RECEIVE_BUFFER, 1, 65536},
        {"send buffer", DUET_OPTION_SEND_BUFFER, 1, 65536},
        {"error reports", DUET_OPTION_ERROR_REPORTS, 0, 1},
        {"delayed ACK", DUET_OPTION_DELAYED_ACK, 0, 1},
        {"MSS", DUET_OPTION_MSS, 88, 65495},
        {"controller", DUET_OPTION_CONTROLLER, 0, DUET_NEWRENO},
    };
    struct rig *rig = rig_new();
    const struct rig_conn conn = open_one(rig, 4000);
    const struct duet_handle handles[] = {conn.handle, listen_at(rig, 80)};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t h = 0; h < COUNT_OF(handles); h++) {
            const struct {
                uint32_t value;
                int error;
            } tries[] = {
                {rows[i].least, DUET_OK},        {rows[i].most, DUET_OK},
                {rows[i].most + 1, DUET_E_ARG},  {UINT32_MAX, DUET_E_ARG},
                {rows[i].least - 1, DUET_E_ARG}, /* or UINT32_MAX again */
            };
            for (size_t n = 0; n < COUNT_OF(tries); n++)
                EXPECT_EQUAL(rows[i].name,
                             duet_set(rig->stack, 0, handles[h], rows[i].option, tries[n].value),
                             tries[n].error);
        }
    }
    for (size_t h = 0; h < COUNT_OF(handles); h++) {
        EXPECT_EQUAL("MSS of the MTU", duet_set(rig->stack, 0, handles[h], DUET_OPTION_MSS, 0),
                     DUET_OK);
        EXPECT_EQUAL(
            "no such option",
            duet_set(rig->stack, 0, handles[h], (enum duet_option)(DUET_OPTION_ECN + 1), 1),
            DUET_E_ARG);
    }
    rig_free(rig);
}

/* Calls that belong to connections, on a listener, and the other way round. */
static void calls_on_the_wrong_kind(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    const struct duet_listen_options options = {
        .local = {.port = 81}, .remote = {duet_ipv4(10, 0, 0, 2), 4000}, .backlog = 1};
    const struct duet_handle open = listen_at(rig, 80);
    const struct rig_conn conn = open_one(rig, 4000);
    struct duet_handle bound, other;
    uint8_t byte = 0;
    void *room;
    const void *data;
    size_t size;
    assert_int_equal(duet_listen(rig->stack, 0, &options, &bound), DUET_OK);
    struct duet_stack *s = rig->stack;
    EXPECT_EQUAL("SEND, no remote", duet_send(s, 0, open, &byte, 1, 0), DUET_E_NOREMOTE);
    EXPECT_EQUAL("SEND, remote", duet_send(s, 0, bound, &byte, 1, 0), DUET_E_AGAIN);
    EXPECT_EQUAL("reserve, no remote", duet_send_reserve(s, open, &room, &size), DUET_E_NOREMOTE);
    EXPECT_EQUAL("reserve, remote", duet_send_reserve(s, bound, &room, &size), DUET_E_AGAIN);
    EXPECT_EQUAL("commit, no remote", duet_send_commit(s, 0, open, 1, 0), DUET_E_NOREMOTE);
    EXPECT_EQUAL("commit, remote", duet_send_commit(s, 0, bound, 1, 0), DUET_E_AGAIN);
    EXPECT_EQUAL("RECEIVE", duet_receive(s, 0, open, &byte, 1), DUET_E_AGAIN);
    EXPECT_EQUAL("peek", duet_receive_peek(s, open, &data, &size), DUET_E_AGAIN);
    EXPECT_EQUAL("accept of none", duet_accept(s, 0, open, &other, NULL), DUET_E_AGAIN);
    EXPECT_EQUAL("accept at a connection", duet_accept(s, 0, conn.handle, &other, NULL),
                 DUET_E_NOCONN);
    EXPECT_EQUAL("OPEN of a listener, no remote", duet_connect_listener(s, 0, open, NULL, &other),
                 DUET_E_NOREMOTE);
    EXPECT_EQUAL("OPEN of a listener", duet_connect_listener(s, 0, bound, NULL, &other), DUET_OK);
    assert_int_equal(rig_drain(rig), 1); /* its SYN */
    expect_dead("the listener is gone", rig, bound);
    rig_free(rig);
}

/* ---- what a connection says in each state of its end ---- */

static void sizes_and_ends(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct duet_stack *s = rig->stack;
    struct rig_conn conn = open_one(rig, 4000);
    const struct duet_handle h = conn.handle;
    uint8_t bytes[16] = {0};
    void *room;
    const void *data;
    size_t size;
    EXPECT_EQUAL("send nothing", duet_send(s, 0, h, bytes, 0, 0), 0);
    EXPECT_EQUAL("nothing to read", duet_receive(s, 0, h, bytes, 16), DUET_E_AGAIN);
    EXPECT_EQUAL("nothing to peek", duet_receive_peek(s, h, &data, &size), DUET_E_AGAIN);
    EXPECT_EQUAL("nothing to consume", duet_receive_consume(s, 0, h, 1), DUET_E_ARG);
    rig_say(rig, &conn, DUET_FIN, 0, "abc", 3);
    EXPECT_EQUAL("too much to consume", duet_receive_consume(s, 0, h, 4), DUET_E_ARG);
    EXPECT_EQUAL("read nothing", duet_receive(s, 0, h, bytes, 0), 0);
    EXPECT_EQUAL("read before the FIN", duet_receive(s, 0, h, bytes, 16), 3);
    EXPECT_EQUAL("end of stream", duet_receive(s, 0, h, bytes, 16), DUET_E_CLOSING);
    EXPECT_EQUAL("end of stream", duet_receive_peek(s, h, &data, &size), DUET_E_CLOSING);
    EXPECT_EQUAL("CLOSE", duet_shutdown(s, 0, h), DUET_OK);
    EXPECT_EQUAL("CLOSE again", duet_shutdown(s, 0, h), DUET_E_CLOSING);
    EXPECT_EQUAL("SEND after CLOSE", duet_send(s, 0, h, bytes, 1, 0), DUET_E_CLOSING);
    EXPECT_EQUAL("SEND nothing after CLOSE", duet_send(s, 0, h, bytes, 0, 0), DUET_E_CLOSING);
    EXPECT_EQUAL("reserve after CLOSE", duet_send_reserve(s, h, &room, &size), DUET_E_CLOSING);
    EXPECT_EQUAL("commit after CLOSE", duet_send_commit(s, 0, h, 1, 0), DUET_E_CLOSING);
    rig_free(rig);
}

/* The error that ended a connection, after what was buffered. */
static void calls_after_a_reset(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct duet_stack *s = rig->stack;
    struct rig_conn conn = open_one(rig, 4000);
    const struct duet_handle h = conn.handle;
    uint8_t bytes[16] = {0};
    void *room;
    size_t size;
    rig_say(rig, &conn, 0, 0, "abc", 3);
    conn.seq += 3;
    rig_say(rig, &conn, DUET_RST, 0, NULL, 0);
    EXPECT_EQUAL("SEND", duet_send(s, 0, h, bytes, 1, 0), DUET_E_RESET);
    EXPECT_EQUAL("reserve", duet_send_reserve(s, h, &room, &size), DUET_E_RESET);
    EXPECT_EQUAL("what was buffered", duet_receive(s, 0, h, bytes, 16), 3);
    EXPECT_EQUAL("then the error", duet_receive(s, 0, h, bytes, 16), DUET_E_RESET);
    EXPECT_EQUAL("no connection to close", duet_shutdown(s, 0, h), DUET_E_NOCONN);
    EXPECT_EQUAL("let go", duet_close(s, 0, h), DUET_OK);
    take_events(rig);
    expect_dead("after all", rig, h);
    rig_free(rig);
}

/* After duet_close nobody is there to be told anything, until the final event. */
static void calls_after_close(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct duet_stack *s = rig->stack;
    const struct rig_conn conn = open_one(rig, 4000);
    const struct duet_handle h = conn.handle;
    uint8_t bytes[16] = {0};
    void *room;
    const void *data;
    size_t size;
    EXPECT_EQUAL("close", duet_close(s, 0, h), DUET_OK);
    EXPECT_EQUAL("close again", duet_close(s, 0, h), DUET_OK);
    EXPECT_EQUAL("SEND", duet_send(s, 0, h, bytes, 1, 0), DUET_E_CLOSING);
    EXPECT_EQUAL("reserve", duet_send_reserve(s, h, &room, &size), DUET_E_CLOSING);
    EXPECT_EQUAL("commit", duet_send_commit(s, 0, h, 1, 0), DUET_E_CLOSING);
    EXPECT_EQUAL("RECEIVE", duet_receive(s, 0, h, bytes, 1), DUET_E_CLOSING);
    EXPECT_EQUAL("peek", duet_receive_peek(s, h, &data, &size), DUET_E_CLOSING);
    EXPECT_EQUAL("consume", duet_receive_consume(s, 0, h, 0), DUET_E_CLOSING);
    EXPECT_EQUAL("shutdown", duet_shutdown(s, 0, h), DUET_E_CLOSING);
    EXPECT_EQUAL("STATUS", rig_status(rig, &conn).state, DUET_FIN_WAIT_1);
    EXPECT_EQUAL("ABORT", duet_abort(s, 0, h), DUET_OK);
    take_events(rig);
    EXPECT_EQUAL("gone", duet_close(s, 0, h), DUET_E_NOCONN);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handles_that_never_lived),
        cmocka_unit_test(before_anything_was_opened),
        cmocka_unit_test(handle_dies_after_close_and_event),
        cmocka_unit_test(old_handle_does_not_reach_the_next_life),
        cmocka_unit_test(generations_run_over),
        cmocka_unit_test(listen_arguments),
        cmocka_unit_test(connect_arguments),
        cmocka_unit_test(no_connection_left),
        cmocka_unit_test(option_ranges),
        cmocka_unit_test(calls_on_the_wrong_kind),
        cmocka_unit_test(sizes_and_ends),
        cmocka_unit_test(calls_after_a_reset),
        cmocka_unit_test(calls_after_close),
    };
    return cmocka_run_group_tests_name("handles", tests, NULL, NULL);
}
