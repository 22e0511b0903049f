/* SPDX-License-Identifier: MIT */
/* Buffers that follow the path: two stacks with 100 ms between them, and one stack by hand. Rows
 * 7323-3, 7323-4, SHLD-14, SHLD-19; attacks B14, D5, D6. */
#include "rig.h"

#include "host/coverage.h"

#include <stdlib.h>

#define RTT (100 * DUET_MILLISECOND)

/* ---- two stacks, a path of any rate, a clock that jumps ---- */

enum { ROOM = 1600, IN_FLIGHT = 16384 };

struct flight {
    duet_time due;
    uint32_t length;
    uint8_t bytes[ROOM];
};

struct end {
    struct duet_stack *stack;
    void *memory;
    struct duet_handle handle;
    struct flight *flights; /* on the way to it, the next one at head */
    uint32_t head, tail;
};

struct road {
    struct end a, b; /* a calls and sends, b listens and reads */
    duet_time now;
    uint64_t sent, received;
    uint32_t read_size; /* most that b reads at once, every read_every; 0: all, at once */
    duet_time read_every, read_at;
    bool connected;
};

static void end_start(struct end *end, uint8_t last, const struct duet_config *base)
{
    struct duet_config config = *base;
    config.interfaces[0] = (struct duet_interface){duet_ipv4(10, 0, 0, last), 24};
    config.interface_count = 1;
    const size_t size = duet_stack_footprint(&config);
    end->memory = malloc(size);
    end->flights = malloc(IN_FLIGHT * sizeof *end->flights);
    assert_true(end->memory != NULL && end->flights != NULL);
    assert_int_equal(duet_stack_init(end->memory, size, &config, &end->stack), DUET_OK);
}

static void path_config(struct duet_config *config)
{
    rig_config(config);
    config->autotune = true;
    config->quick_acks = 16;
    config->pacing = false;
    config->send_buffer = config->receive_buffer = 4 << 20;
    config->send_buffer_initial = config->receive_buffer_initial = 64 << 10;
    config->pages_max = 4096;
    config->page_size = 4096;
}

static struct road *road_new(const struct duet_config *config)
{
    struct road *p = calloc(1, sizeof *p);
    assert_non_null(p);
    end_start(&p->a, 1, config);
    end_start(&p->b, 2, config);
    p->now = DUET_SECOND;
    return p;
}

static void road_free(struct road *p)
{
    assert_null(duet_check(p->a.stack));
    assert_null(duet_check(p->b.stack));
    duet_coverage_note(p->a.stack);
    duet_coverage_note(p->b.stack);
    free(p->a.memory);
    free(p->a.flights);
    free(p->b.memory);
    free(p->b.flights);
    free(p);
}

static void path_listen(struct road *p)
{
    const struct duet_listen_options options = {.local = {duet_ipv4(10, 0, 0, 2), 80},
                                                .backlog = 5};
    assert_int_equal(duet_listen(p->b.stack, p->now, &options, &p->b.handle), DUET_OK);
}

static void path_connect(struct road *p)
{
    const struct duet_connect_options options = {.remote = {duet_ipv4(10, 0, 0, 2), 80}};
    assert_int_equal(duet_connect(p->a.stack, p->now, &options, &p->a.handle), DUET_OK);
}

static void write_all(struct road *p)
{
    static const uint8_t text[16384];
    int64_t n;
    while ((n = duet_send(p->a.stack, p->now, p->a.handle, text, sizeof text, 0)) > 0)
        p->sent += (uint64_t)n;
}

static void read_some(struct road *p)
{
    static uint8_t to[65536];
    if (!p->connected || p->now < p->read_at)
        return;
    p->read_at = p->now + p->read_every;
    const uint32_t size = p->read_size == 0 ? sizeof to : p->read_size;
    int64_t n;
    do {
        n = duet_receive(p->b.stack, p->now, p->b.handle, to, size);
        p->received += n > 0 ? (uint64_t)n : 0;
    } while (n > 0 && p->read_size == 0);
}

static void take_events(struct road *p)
{
    struct duet_event event;
    while (duet_next_event(p->a.stack, &event))
        if ((event.bits & DUET_EVENT_WRITABLE) != 0)
            write_all(p);
    while (duet_next_event(p->b.stack, &event))
        if ((event.bits & DUET_EVENT_ACCEPTABLE) != 0) {
            struct duet_handle listener = event.handle;
            assert_int_equal(duet_accept(p->b.stack, p->now, listener, &p->b.handle, NULL),
                             DUET_OK);
            p->connected = true;
        }
}

static void send_out(struct road *p, struct end *from, struct end *to)
{
    for (;;) {
        struct flight *flight = &to->flights[to->tail % IN_FLIGHT];
        struct duet_packet packet = {.data = flight->bytes, .size = ROOM};
        assert_true(to->tail - to->head < IN_FLIGHT);
        if (!duet_output(from->stack, p->now, &packet))
            break;
        flight->length = packet.length;
        flight->due = p->now + RTT / 2;
        to->tail++;
    }
}

static void settle(struct road *p)
{
    take_events(p);
    read_some(p);
    send_out(p, &p->a, &p->b);
    send_out(p, &p->b, &p->a);
}

static void arrive(struct road *p, struct end *at)
{
    while (at->head != at->tail && at->flights[at->head % IN_FLIGHT].due <= p->now) {
        struct flight *flight = &at->flights[at->head++ % IN_FLIGHT];
        const struct duet_packet packet = {
            .data = flight->bytes, .size = ROOM, .length = flight->length};
        duet_input(at->stack, p->now, &packet);
        settle(p); /* or one acknowledgement would speak for all that arrive at this instant */
    }
    duet_expire(at->stack, p->now);
}

static duet_time next_of(const struct end *end)
{
    const duet_time deadline = duet_deadline(end->stack);
    if (end->head == end->tail)
        return deadline;
    const duet_time due = end->flights[end->head % IN_FLIGHT].due;
    return due < deadline ? due : deadline;
}

static void path_run(struct road *p, duet_time until)
{
    for (;;) {
        arrive(p, &p->a);
        arrive(p, &p->b);
        settle(p);
        duet_time next = next_of(&p->a);
        if (next_of(&p->b) < next)
            next = next_of(&p->b);
        if (p->read_size != 0 && p->read_at < next && p->connected)
            next = p->read_at;
        if (next > until)
            break;
        p->now = next > p->now ? next : p->now;
    }
    p->now = until;
}

static struct tcp_conn *conn_of(const struct end *end)
{
    return conn_at(end->stack, end->handle.index);
}

/* ---- what the path and the user need ---- */

/* 4 MiB in each round trip, from 64 KiB: the window stays ahead of slow start, which it never holds. */
static void buffers_reach_the_product_of_rate_and_delay(void **state)
{
    (void)state;
    struct duet_config config;
    path_config(&config);
    struct road *p = road_new(&config);
    path_listen(p);
    path_connect(p);
    path_run(p, DUET_SECOND + 2 * RTT);
    EXPECT_EQUAL("begins small", receive_limit(conn_of(&p->b)), 64 << 10);
    EXPECT_EQUAL("begins small", send_limit(conn_of(&p->a)), 64 << 10);
    uint64_t before = 0;
    for (unsigned trip = 2; trip < 16; trip++) {
        before = p->received;
        path_run(p, DUET_SECOND + (duet_time)(trip + 1) * RTT);
        print_message("# trip %u: window %u KiB, send buffer %u KiB, cwnd %u KiB, read %u KiB\n",
                      trip + 1, receive_limit(conn_of(&p->b)) >> 10,
                      send_limit(conn_of(&p->a)) >> 10, conn_of(&p->a)->cwnd >> 10,
                      (unsigned)(p->received - before) >> 10);
    }
    EXPECT_EQUAL("the largest window", receive_limit(conn_of(&p->b)), 4 << 20);
    EXPECT_EQUAL("the largest queue", send_limit(conn_of(&p->a)), 4 << 20);
    EXPECT("a window in a round trip", p->received - before >= 3 << 20);
    road_free(p);
}

/* A user who reads 6,400 bytes each 100 ms fills the window and needs no larger one. */
static void slow_reader_keeps_it_small(void **state)
{
    (void)state;
    struct duet_config config;
    path_config(&config);
    struct road *p = road_new(&config);
    p->read_size = 6400;
    p->read_every = RTT;
    path_listen(p);
    path_connect(p);
    path_run(p, 20 * DUET_SECOND);
    EXPECT_EQUAL("window", receive_limit(conn_of(&p->b)), 64 << 10);
    EXPECT("reads all the time", p->received > 100u * 6400);
    EXPECT("the window is full", conn_of(&p->b)->receive.length > 50000);
    EXPECT("pages", p->b.stack->buffers.pages.used <= 20);
    EXPECT("nor does the queue of a peer that is held by it grow",
           send_limit(conn_of(&p->a)) <= 256 << 10);
    road_free(p);
}

/* Whoever sets a limit keeps it, at a listener and on a connection. */
static void limits_of_the_user_stay(void **state)
{
    (void)state;
    struct duet_config config;
    path_config(&config);
    struct road *p = road_new(&config);
    path_listen(p);
    assert_int_equal(duet_set(p->b.stack, p->now, p->b.handle, DUET_OPTION_RECEIVE_BUFFER, 100000),
                     DUET_OK);
    path_connect(p);
    assert_int_equal(duet_set(p->a.stack, p->now, p->a.handle, DUET_OPTION_SEND_BUFFER, 200000),
                     DUET_OK);
    path_run(p, 3 * DUET_SECOND);
    EXPECT_EQUAL("receive", receive_limit(conn_of(&p->b)), 100000);
    EXPECT_EQUAL("send", send_limit(conn_of(&p->a)), 200000);
    EXPECT("used", p->received > 10 * 90000);
    const uint32_t beyond = TCP_LIMIT_FIXED | 1000;
    EXPECT_EQUAL("no such size",
                 duet_set(p->a.stack, p->now, p->a.handle, DUET_OPTION_SEND_BUFFER, beyond),
                 DUET_E_ARG);
    road_free(p);
}

/* Half of the pages must be free for a buffer to grow. */
static void no_growth_without_memory(void **state)
{
    (void)state;
    struct duet_config config;
    path_config(&config);
    config.pages_max = 64;
    struct road *p = road_new(&config);
    path_listen(p);
    path_connect(p);
    path_run(p, 5 * DUET_SECOND);
    EXPECT("a part of the pages", send_limit(conn_of(&p->a)) < 64 * 4096);
    EXPECT("goes on", p->received > 1 << 20);
    road_free(p);
}

static void switched_off(void **state)
{
    (void)state;
    struct duet_config config;
    path_config(&config);
    config.autotune = false;
    config.receive_buffer = 300000;
    struct road *p = road_new(&config);
    path_listen(p);
    path_connect(p);
    path_run(p, 2 * DUET_SECOND);
    EXPECT_EQUAL("all of it from the beginning", receive_limit(conn_of(&p->b)), 300000);
    EXPECT_EQUAL("all of it from the beginning", send_limit(conn_of(&p->a)), 4 << 20);
    road_free(p);
}

/* B14: the receiver's pages are gone in the middle of a transfer, and come back: it goes on within one
 * persist interval. */
static void pool_is_exhausted_and_released(void **state)
{
    (void)state;
    struct duet_config config;
    path_config(&config);
    struct road *p = road_new(&config);
    static uint32_t taken[4096 + 1];
    uint32_t count = 0;
    path_listen(p);
    path_connect(p);
    path_run(p, DUET_SECOND + 8 * RTT);
    struct pool *pages = &p->b.stack->buffers.pages;
    while ((taken[count] = pool_take(pages)) != POOL_NONE)
        count++;
    path_run(p, p->now + 5 * DUET_SECOND);
    const uint64_t stood = p->received;
    path_run(p, p->now + DUET_SECOND);
    EXPECT_EQUAL("nothing moves", p->received, stood);
    while (count > 0)
        pool_give(pages, taken[--count]);
    const duet_time interval = tcp_rto(conn_of(&p->a)) + RTT;
    path_run(p, p->now + interval);
    EXPECT("goes on within a persist interval", p->received > stood);
    path_run(p, p->now + 20 * RTT);
    EXPECT("as before", p->received > stood + (4 << 20));
    road_free(p);
}

/* ---- one stack by hand ---- */

static const struct rig_segment offer = {
    .seq = 0xffffff00, .window = 60000, .mss = 1000, .sack = true, .scaling = true, .scale = 0};

static struct rig *hand_new(struct rig_conn *conn, uint32_t send_buffer, uint8_t quick_acks)
{
    struct rig *rig = malloc(sizeof *rig);
    struct duet_config config;
    assert_non_null(rig);
    rig_config(&config);
    config.send_buffer = send_buffer;
    config.quick_acks = quick_acks;
    rig_start(rig, &config);
    *conn = (struct rig_conn){.tuple = rig_tuple(80, 4000)};
    rig_accept(rig, conn, &offer);
    rig_take_events(rig);
    return rig;
}

static bool is_writable(struct rig *rig)
{
    struct duet_event event;
    bool writable = false;
    while (duet_next_event(rig->stack, &event))
        writable = writable || (event.bits & DUET_EVENT_WRITABLE) != 0;
    return writable;
}

static void writable_is_told_for_a_quarter(void **state)
{
    (void)state;
    static const uint8_t text[8000];
    struct rig_conn conn;
    struct rig *rig = hand_new(&conn, 8000, 0);
    EXPECT_EQUAL("full", duet_send(rig->stack, rig->now, conn.handle, text, 8000, 0), 8000);
    EXPECT("AGAIN", duet_send(rig->stack, rig->now, conn.handle, text, 1, 0) == DUET_E_AGAIN);
    rig_drain(rig);
    for (unsigned i = 0; i < 8; i++) {
        conn.ack += 1000;
        rig_say(rig, &conn, 0, 0, NULL, 0);
        EXPECT_EQUAL("told at the second segment, once", is_writable(rig), i == 1);
    }
    EXPECT_EQUAL("full", duet_send(rig->stack, rig->now, conn.handle, text, 8000, 0), 8000);
    rig_end(rig);
    free(rig);
}

/* The first three full segments are acknowledged one by one, then every second one; small ones wait
 * for company from the beginning. */
static void first_segments_are_acknowledged_at_once(void **state)
{
    (void)state;
    static const uint8_t text[1000];
    static const unsigned expected[] = {1, 1, 1, 0, 1, 0, 1};
    struct rig_conn conn;
    struct rig *rig = hand_new(&conn, 8000, 3);
    for (unsigned i = 0; i < COUNT_OF(expected); i++) {
        rig_say(rig, &conn, 0, 1000 * i, text, 1000);
        EXPECT_EQUAL("segment by segment", rig_drain(rig), expected[i]);
    }
    EXPECT_EQUAL("by name", rig_hits(rig, TCP_RULE_QUICK_ACK), 3);
    rig_end(rig);
    free(rig);
    rig = hand_new(&conn, 8000, 3);
    rig_say(rig, &conn, 0, 0, text, 535);
    EXPECT_EQUAL("of a dialogue", rig_drain(rig), 0);
    rig_say(rig, &conn, 0, 535, text, 1);
    rig_pass(rig, rig->now + DUET_SECOND);
    EXPECT_EQUAL("delayed", rig_drain(rig), 1);
    rig_end(rig);
    free(rig);
}

/* D5: the peer's window goes from 60,000 to 0 and to 10 with any number of segments in flight. */
static void window_is_pulled_back(void **state)
{
    (void)state;
    static const uint8_t text[60000];
    static const uint16_t windows[] = {0, 10, 999, 1000, 60000};
    for (unsigned in_flight = 0; in_flight <= 9; in_flight++) {
        struct rig_conn conn;
        struct rig *rig = hand_new(&conn, 65536, 0);
        rig_write(rig, &conn, text, in_flight * 1000);
        rig_drain(rig);
        for (unsigned i = 0; i < COUNT_OF(windows); i++) {
            const uint32_t nxt = rig_status(rig, &conn).snd_nxt;
            conn.window = windows[i];
            rig_say(rig, &conn, 0, 0, NULL, 0);
            rig_write(rig, &conn, text, 500);
            rig_drain(rig);
            rig_pass(rig, rig->now + 3 * DUET_SECOND);
            rig_drain(rig);
            const struct duet_status status = rig_status(rig, &conn);
            const uint32_t window = windows[i] == 0 ? 1 : windows[i]; /* a probe */
            const bool moved = status.snd_nxt != nxt;
            EXPECT("nothing new beyond it", !moved || status.snd_nxt - status.snd_una <= window);
        }
        for (unsigned i = 0; i < 100; i++) {
            conn.ack = rig_status(rig, &conn).snd_nxt;
            rig_say(rig, &conn, 0, 0, NULL, 0);
            rig_drain(rig);
            rig_pass(rig, rig->now + 200 * DUET_MILLISECOND);
            rig_drain(rig);
        }
        EXPECT_EQUAL("all arrives in the end", rig_status(rig, &conn).send_queued, 0);
        rig_end(rig);
        free(rig);
    }
}

/* D6: segments that end one to 1,000 bytes beyond the window, in and out of order. */
static void text_beyond_the_window(void **state)
{
    (void)state;
    static const uint8_t text[6000];
    enum { WINDOW = 5000 };
    for (uint32_t beyond = 1; beyond <= 1000; beyond += 37) {
        for (uint32_t offset = 0; offset < WINDOW; offset += 499) {
            struct rig *rig = malloc(sizeof *rig);
            struct duet_config config;
            struct rig_conn conn = {.tuple = rig_tuple(80, 4000)};
            struct rig_segment ack;
            assert_non_null(rig);
            rig_config(&config);
            config.receive_buffer = WINDOW;
            rig_start(rig, &config);
            rig_accept(rig, &conn, &offer);
            rig_say(rig, &conn, 0, offset, text, WINDOW + beyond - offset);
            EXPECT("acknowledged at once", rig_output(rig, NULL, &ack));
            EXPECT_EQUAL("ack", ack.ack - conn.seq, offset == 0 ? WINDOW : 0);
            EXPECT_EQUAL("block", ack.blocks, offset == 0 ? 0 : 1);
            if (offset > 0)
                EXPECT_EQUAL("up to the edge", ack.block[0].right - conn.seq, WINDOW);
            rig_say(rig, &conn, 0, WINDOW, text, beyond);
            EXPECT("nothing is promised of it", rig_output(rig, NULL, &ack));
            EXPECT("the window does not move", ack.ack + ack.window - conn.seq <= WINDOW);
            rig_end(rig);
            free(rig);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers_reach_the_product_of_rate_and_delay),
        cmocka_unit_test(slow_reader_keeps_it_small),
        cmocka_unit_test(limits_of_the_user_stay),
        cmocka_unit_test(no_growth_without_memory),
        cmocka_unit_test(switched_off),
        cmocka_unit_test(pool_is_exhausted_and_released),
        cmocka_unit_test(writable_is_told_for_a_quarter),
        cmocka_unit_test(first_segments_are_acknowledged_at_once),
        cmocka_unit_test(window_is_pulled_back),
        cmocka_unit_test(text_beyond_the_window),
    };
    return cmocka_run_group_tests_name("tuning", tests, NULL, NULL);
}
