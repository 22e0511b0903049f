/* SPDX-License-Identifier: MIT */
/* The table of pairs of sockets beside a model that is searched from end to end, and which of
 * several listeners a segment reaches. */
#include "rig.h"

#include <stdlib.h>

#include "base/prng.h"

/* ---- the table ---- */

enum { RECORDS = 63, PAIRS = 3 * RECORDS + 40 };

struct world {
    struct duet_stack stack; /* only what demux.c looks at */
    struct tcp_conn conns[RECORDS];
    struct tcp_half_open half_open[RECORDS];
    struct tcp_time_wait time_wait[RECORDS];
    uint32_t slots[256];
    struct tcp_tuple pairs[PAIRS];
    struct demux_ref model[PAIRS]; /* DEMUX_NONE: not in the table */
    bool taken[4][RECORDS];        /* by kind */
    struct prng prng;
};

/* Pairs that differ in one bit, one port or one address from their neighbours, of both families. */
static struct tcp_tuple pair_of(uint32_t i)
{
    struct tcp_tuple pair = i % 2 == 0 ? rig_tuple(80, 1000) : rig_tuple6(80, 1000);
    pair.remote_port = (uint16_t)(pair.remote_port + i % 7);
    pair.local_port = (uint16_t)(pair.local_port + i / 7 % 5);
    pair.remote.bytes[15] = (uint8_t)(pair.remote.bytes[15] + i / 35 % 3);
    pair.local.bytes[14] = (uint8_t)(i / 105);
    return pair;
}

static struct world *world_new(uint32_t capacity, uint64_t seed)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    prng_seed(&w->prng, seed);
    w->stack.table_key = (struct siphash_key){seed, ~seed};
    pool_init(&w->stack.conns, w->conns, sizeof w->conns[0], RECORDS);
    w->stack.half_open.records = w->half_open;
    w->stack.time_wait.records = w->time_wait;
    assert_true(capacity <= COUNT_OF(w->slots));
    demux_init(&w->stack.demux, w->slots, capacity);
    for (uint32_t i = 0; i < PAIRS; i++)
        w->pairs[i] = pair_of(i);
    return w;
}

static uint32_t below(struct world *w, uint32_t limit)
{
    return (uint32_t)prng_below(&w->prng, limit);
}

/* A record of a random kind that nobody uses, with this pair in it. */
static struct demux_ref take_record(struct world *w, const struct tcp_tuple *pair)
{
    struct demux_ref ref;
    do {
        ref.kind = (enum demux_kind)(1 + below(w, 3));
        ref.index = below(w, RECORDS);
    } while (w->taken[ref.kind][ref.index]);
    w->taken[ref.kind][ref.index] = true;
    if (ref.kind == DEMUX_CONN)
        w->conns[ref.index].tuple = *pair;
    else if (ref.kind == DEMUX_HALF_OPEN)
        w->half_open[ref.index].tuple = *pair;
    else
        w->time_wait[ref.index].tuple = *pair;
    return ref;
}

static void leave_record(struct world *w, struct demux_ref ref)
{
    w->taken[ref.kind][ref.index] = false;
}

static uint32_t used(const struct world *w)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < PAIRS; i++)
        n += w->model[i].kind != DEMUX_NONE;
    return n;
}

static void compare(const char *row, const struct world *w)
{
    EXPECT_EQUAL(row, w->stack.demux.used, used(w));
    for (uint32_t i = 0; i < PAIRS; i++) {
        const struct demux_ref found = demux_find(&w->stack, &w->pairs[i]);
        EXPECT_EQUAL(row, found.kind, w->model[i].kind);
        if (found.kind != DEMUX_NONE)
            EXPECT_EQUAL(row, found.index, w->model[i].index);
    }
}

/* Adds what is not there, removes or replaces what is; fill says how much of the table is wanted.
 */
static void operate(struct world *w, uint32_t most, uint32_t fill)
{
    const uint32_t i = below(w, PAIRS);
    const struct tcp_tuple *pair = &w->pairs[i];
    struct demux_ref *ref = &w->model[i];
    const uint32_t looked_up = below(w, 2) == 0 ? i : below(w, PAIRS); /* its place is kept */
    if (below(w, 3) == 0)
        demux_expect(&w->stack, &w->pairs[below(w, PAIRS)]); /* its hash is kept */
    if (below(w, 3) == 0)
        demux_prepare(&w->stack, &w->pairs[looked_up]);
    EXPECT_EQUAL("looked up", demux_find_first(&w->stack, &w->pairs[looked_up]).kind,
                 w->model[looked_up].kind);
    if (ref->kind == DEMUX_NONE) {
        if (used(w) == most || below(w, 100) >= fill)
            return;
        *ref = take_record(w, pair);
        demux_add(&w->stack, pair, ref->kind, ref->index);
    } else if (below(w, 3) == 0 && used(w) < 3 * RECORDS) {
        const struct demux_ref next = take_record(w, pair);
        demux_replace(&w->stack, pair, next.kind, next.index);
        leave_record(w, *ref);
        *ref = next;
    } else if (below(w, 100) >= fill) {
        demux_remove(&w->stack, pair);
        leave_record(w, *ref);
        ref->kind = DEMUX_NONE;
    }
}

static void random_operations(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t capacity, most;
    } rows[] = {
        {"as large as the configuration makes it", 256, 3 * RECORDS},
        {"one slot is always empty", 64, RECORDS},
        {"all records, three slots empty", 192, 3 * RECORDS},
        {"two thirds full", 64, 43},
    };
    static const uint32_t fills[] = {90, 20, 60, 95, 5, 50};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world *w = world_new(rows[i].capacity, i + 1);
        for (uint32_t n = 0; n < 3000; n++) {
            operate(w, rows[i].most, fills[n / 500]);
            if (n % 10 == 0)
                compare(rows[i].name, w);
        }
        for (uint32_t p = 0; p < PAIRS; p++)
            if (w->model[p].kind != DEMUX_NONE) {
                demux_remove(&w->stack, &w->pairs[p]);
                w->model[p].kind = DEMUX_NONE;
                compare(rows[i].name, w);
            }
        EXPECT(rows[i].name, !w->stack.demux.far);
        for (uint32_t slot = 0; slot < rows[i].capacity; slot++)
            EXPECT_EQUAL(rows[i].name, w->slots[slot], 0);
        free(w);
    }
}

/* So full that some stand further from home than their slots can tell, until all have gone. */
static void some_stand_far_from_home(void **state)
{
    (void)state;
    enum { MANY = 1 << 12 };
    struct duet_stack *s = calloc(1, sizeof *s);
    struct tcp_conn *conns = calloc(MANY, sizeof *conns);
    uint32_t *slots = calloc(MANY, sizeof *slots);
    assert_true(s != NULL && conns != NULL && slots != NULL);
    s->table_key = (struct siphash_key){15, 12};
    pool_init(&s->conns, conns, sizeof *conns, MANY);
    demux_init(&s->demux, slots, MANY);
    for (uint32_t i = 0; i < MANY - 2; i++) {
        conns[i].tuple = pair_of(i % 210);
        conns[i].tuple.remote_port = (uint16_t)i;
        demux_add(s, &conns[i].tuple, DEMUX_CONN, i);
    }
    EXPECT("far", s->demux.far);
    for (uint32_t gone = 0; gone < MANY - 2; gone++) {
        EXPECT_EQUAL("there", demux_find(s, &conns[gone].tuple).kind, DEMUX_CONN);
        demux_remove(s, &conns[gone].tuple);
        EXPECT_EQUAL("gone", demux_find(s, &conns[gone].tuple).kind, DEMUX_NONE);
        for (uint32_t i = gone + 1; i < MANY - 2; i += 97)
            EXPECT_EQUAL("another", demux_find(s, &conns[i].tuple).index, i);
    }
    EXPECT("all have gone", !s->demux.far);
    free(slots);
    free(conns);
    free(s);
}

/* The hash is keyed: who does not know the key cannot tell which pairs fall together. */
static void another_key_another_order(void **state)
{
    (void)state;
    struct world *a = world_new(64, 1), *b = world_new(64, 2);
    uint32_t same = 0;
    for (uint32_t i = 0; i < PAIRS; i++) {
        const uint64_t x = demux_hash(&a->stack, &a->pairs[i]);
        const uint64_t y = demux_hash(&b->stack, &b->pairs[i]);
        EXPECT_EQUAL("same key", x, demux_hash(&a->stack, &a->pairs[i]));
        same += (x >> 58) == (y >> 58);
    }
    EXPECT("one of 64 by chance, of 220", same < 15);
    free(a);
    free(b);
}

static struct duet_config config_with(uint32_t connections, uint32_t half_open, uint32_t time_wait)
{
    struct duet_config config;
    rig_config(&config);
    config.connections_max = connections;
    config.half_open_max = half_open;
    config.time_wait_max = time_wait;
    return config;
}

/* "Never more than six sevenths full", whatever the capacities. */
static void table_is_large_enough(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t connections, half_open, time_wait;
    } rows[] = {
        {"one of each", 1, 1, 1},
        {"small", 16, 16, 16},
        {"default", 1024, 1024, 4096},
        {"largest", 0xffffff, 0xffffff, 0xffffff},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct duet_config config =
            config_with(rows[i].connections, rows[i].half_open, rows[i].time_wait);
        const uint64_t records =
            (uint64_t)rows[i].connections + rows[i].half_open + rows[i].time_wait;
        EXPECT(rows[i].name, 6 * (uint64_t)demux_slots(&config) >= 7 * records);
        EXPECT(rows[i].name, demux_slots(&config) <= records * 3 / 2 + 80);
    }
}

/* ---- listeners ---- */

static const struct duet_address any;

static struct duet_handle listen_at(struct rig *rig, struct duet_address local, uint16_t port,
                                    struct duet_address remote, uint16_t remote_port)
{
    struct duet_handle handle;
    const struct duet_listen_options options = {
        .local = {local, port}, .remote = {remote, remote_port}, .backlog = 1};
    assert_int_equal(duet_listen(rig->stack, rig->now, &options, &handle), DUET_OK);
    return handle;
}

/* Which of the listeners got the half-open record of a SYN: its place in the list, or none. */
static uint32_t who_answers(struct rig *rig, const struct duet_handle *listeners, uint32_t count,
                            const struct tcp_tuple *tuple)
{
    struct rig_segment answer;
    rig_input(rig, tuple, &(struct rig_segment){.flags = DUET_SYN, .seq = 7, .window = 1000});
    assert_true(rig_output(rig, NULL, &answer));
    if ((answer.flags & DUET_RST) != 0)
        return count;
    uint32_t who = count;
    for (uint32_t i = 0; i < count; i++) {
        struct duet_status status;
        assert_int_equal(duet_status(rig->stack, listeners[i], &status), DUET_OK);
        if (status.half_open == 0)
            continue;
        EXPECT("one listener, one record", who == count && status.half_open == 1);
        who = i;
    }
    rig_input(rig, tuple, &(struct rig_segment){.flags = DUET_RST, .seq = 8});
    return who;
}

/* The more a listener says about the pair of sockets the sooner it gets the segment; what it says
 * about the remote end counts more than what it says about ours. The order in which they were
 * opened says nothing. */
static void check_specificity(bool backwards)
{
    struct rig *rig = malloc(sizeof *rig);
    struct duet_config config;
    assert_non_null(rig);
    rig_config(&config);
    config.interfaces[2] = (struct duet_interface){duet_ipv4(10, 0, 0, 9), 24};
    config.interface_count = 3;
    rig_start(rig, &config);

    const struct duet_address here = duet_ipv4(10, 0, 0, 1), also_here = duet_ipv4(10, 0, 0, 9);
    const struct duet_address peer = duet_ipv4(10, 0, 0, 2), other = duet_ipv4(10, 0, 0, 3);
    const struct tcp_tuple bound[] = {
        {any, any, 80, 0},      {here, any, 80, 0},  {any, any, 80, 4000},
        {any, peer, 80, 0},     {here, peer, 80, 0}, {any, peer, 80, 4000},
        {here, peer, 80, 4000}, {here, any, 81, 0},  {any, any, 1104, 0}, /* bucket of port 80 */
    };
    struct duet_handle listeners[COUNT_OF(bound)];
    for (size_t n = 0; n < COUNT_OF(bound); n++) {
        const size_t i = backwards ? COUNT_OF(bound) - 1 - n : n;
        listeners[i] = listen_at(rig, bound[i].local, bound[i].local_port, bound[i].remote,
                                 bound[i].remote_port);
    }
    const struct {
        const char *name;
        struct tcp_tuple tuple;
        uint32_t who;
    } rows[] = {
        {"nothing fits but port", {also_here, other, 80, 5000}, 0},
        {"our address", {here, other, 80, 5000}, 1},
        {"remote port", {also_here, other, 80, 4000}, 2},
        {"remote port before our address", {here, other, 80, 4000}, 2},
        {"remote address", {also_here, peer, 80, 5000}, 3},
        {"both addresses", {here, peer, 80, 5000}, 4},
        {"remote socket", {also_here, peer, 80, 4000}, 5},
        {"everything", {here, peer, 80, 4000}, 6},
        {"another port", {here, peer, 81, 4000}, 7},
        {"another port, another address", {also_here, peer, 81, 4000}, COUNT_OF(bound)},
        {"same bucket", {here, peer, 1104, 4000}, 8},
        {"nobody", {here, peer, 82, 4000}, COUNT_OF(bound)},
        {"nobody in that bucket", {here, peer, 80 + 2048, 4000}, COUNT_OF(bound)},
        {"the other family", rig_tuple6(80, 5000), 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        EXPECT_EQUAL(rows[i].name, who_answers(rig, listeners, COUNT_OF(bound), &rows[i].tuple),
                     rows[i].who);
    rig_end(rig);
    free(rig);
}

static void most_specific_listener_answers(void **state)
{
    (void)state;
    check_specificity(false);
    check_specificity(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations),
        cmocka_unit_test(some_stand_far_from_home),
        cmocka_unit_test(another_key_another_order),
        cmocka_unit_test(table_is_large_enough),
        cmocka_unit_test(most_specific_listener_answers),
    };
    return cmocka_run_group_tests_name("demux", tests, NULL, NULL);
}
