/* SPDX-License-Identifier: MIT */
/* Half-open records: when their SYN,ACK goes again, when they are forgotten, and who makes room for
 * whom, to the nanosecond, beside a model that is a plain list. */
#include "rig.h"

#include <stdlib.h>

#include "base/prng.h"

#define MS(n)  ((duet_time)(n)*DUET_MILLISECOND)
#define SEC(n) ((duet_time)(n)*DUET_SECOND)

/* A record keeps its birth in microseconds, rounded up, so that nothing is early. */
static duet_time birth(duet_time now)
{
    return (now + 999) / 1000 * 1000;
}

static struct rig *rig_new(uint32_t capacity, duet_time rto_initial, uint8_t retries)
{
    struct rig *rig = malloc(sizeof *rig);
    struct duet_config config;
    const struct duet_listen_options options = {.local = {.port = 80}, .backlog = 4};
    struct duet_handle listener;
    assert_non_null(rig);
    rig_config(&config);
    config.half_open_max = capacity;
    config.syn_cookies = false;
    config.rto_initial = rto_initial;
    config.syn_ack_retries = retries;
    rig_start(rig, &config);
    assert_int_equal(duet_listen(rig->stack, 0, &options, &listener), DUET_OK);
    return rig;
}

static void rig_free(struct rig *rig)
{
    rig_end(rig);
    free(rig);
}

static const struct rig_segment syn = {
    .flags = DUET_SYN, .seq = 0xfffffffe, .window = 1000, .mss = 1000};

static uint32_t open_half(struct rig *rig, const struct tcp_tuple *tuple)
{
    struct rig_segment answer;
    rig_input(rig, tuple, &syn);
    assert_true(rig_output(rig, NULL, &answer));
    assert_int_equal(answer.flags, DUET_SYN | DUET_ACK);
    return answer.seq;
}

static uint32_t alive(const struct rig *rig)
{
    struct duet_counters counters;
    duet_counters(rig->stack, &counters);
    return counters.half_open;
}

/* ---- one record ---- */

/* 1, 3, 7, .. times the initial RTO after the first, then nothing and the record goes. The clock of
 * a record has 32 bits: it may run over while the record lives. */
static void schedule(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        duet_time start, rto;
        uint8_t retries;
    } rows[] = {
        {"seven times", 0, SEC(1), 7},
        {"once", 12345, SEC(1), 1},
        {"three times, 300 ms", 999, MS(300), 3},
        {"a nanosecond after a tick", 1001, SEC(1), 7},
        {"over 2^31 microseconds", (INT64_C(1) << 31) * 1000 - SEC(20), SEC(1), 7},
        {"over 2^32 microseconds", (INT64_C(1) << 32) * 1000 - SEC(20) + 1, SEC(1), 7},
        {"seven times 3 s", (INT64_C(1) << 32) * 1000 - 1, SEC(3), 7},
        {"since 1970", INT64_C(1735689600) * SEC(1), SEC(1), 5},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *name = rows[i].name;
        struct rig *rig = rig_new(4, rows[i].rto, rows[i].retries);
        const struct tcp_tuple tuple = i % 2 == 0 ? rig_tuple(80, 4000) : rig_tuple6(80, 4000);
        rig->now = rows[i].start;
        const uint32_t iss = open_half(rig, &tuple);
        duet_time after = rows[i].rto;
        for (unsigned n = 0; n <= rows[i].retries; n++, after = 2 * after + rows[i].rto) {
            const duet_time due = birth(rows[i].start) + after;
            struct tcp_tuple to;
            struct rig_segment again;
            EXPECT_EQUAL(name, duet_deadline(rig->stack), due);
            rig->now = due - 1;
            duet_expire(rig->stack, rig->now);
            rig_silence(name, rig);
            EXPECT_EQUAL(name, alive(rig), 1);
            rig->now = due;
            duet_expire(rig->stack, rig->now);
            EXPECT_EQUAL(name, alive(rig), n < rows[i].retries);
            if (n == rows[i].retries)
                break;
            EXPECT(name, rig_output(rig, &to, &again));
            EXPECT(name, memcmp(&to, &tuple, sizeof to) == 0);
            EXPECT_EQUAL(name, again.flags, DUET_SYN | DUET_ACK);
            EXPECT_EQUAL(name, again.seq, iss);
            EXPECT_EQUAL(name, again.ack, syn.seq + 1);
        }
        rig_silence(name, rig);
        EXPECT_EQUAL(name, duet_deadline(rig->stack), DUET_NEVER);
        EXPECT_EQUAL(name, rig_hits(rig, TCP_RULE_HALF_OPEN_TIMEOUT), 1);
        rig_free(rig);
    }
}

/* Nobody called duet_expire for hours, as when a laptop sleeps: what was due is done then. */
static void long_sleep(void **state)
{
    (void)state;
    static const duet_time sleeps[] = {SEC(255),  SEC(1800), SEC(2148),  SEC(2500),  SEC(4295),
                                       SEC(4400), SEC(6500), SEC(10800), SEC(86400), SEC(864000)};
    for (size_t i = 0; i < COUNT_OF(sleeps); i++) {
        struct rig *rig = rig_new(4, SEC(1), 7);
        const struct tcp_tuple tuple = rig_tuple(80, 4000), other = rig_tuple(80, 4001);
        char row[32];
        snprintf(row, sizeof row, "%" PRId64 " s", sleeps[i] / SEC(1));
        open_half(rig, &tuple);
        rig->now = sleeps[i];
        duet_expire(rig->stack, rig->now);
        rig_drain(rig);
        EXPECT_EQUAL(row, alive(rig), 0);
        open_half(rig, &other);
        EXPECT_EQUAL(row, duet_deadline(rig->stack), rig->now + SEC(1));
        rig_free(rig);
    }
}

/* A packet comes before anybody calls duet_expire. */
static void syn_after_a_long_sleep(void **state)
{
    (void)state;
    static const duet_time sleeps[] = {SEC(300), SEC(2500), SEC(4400), SEC(10800)};
    for (size_t i = 0; i < COUNT_OF(sleeps); i++) {
        struct rig *rig = rig_new(4, SEC(1), 7);
        const struct tcp_tuple tuple = rig_tuple(80, 4000), other = rig_tuple(80, 4001);
        char row[32];
        snprintf(row, sizeof row, "%" PRId64 " s", sleeps[i] / SEC(1));
        open_half(rig, &tuple);
        rig->now = sleeps[i];
        open_half(rig, &other);
        duet_expire(rig->stack, rig->now);
        rig_drain(rig);
        EXPECT_EQUAL(row, alive(rig), 1);
        EXPECT_EQUAL(row, duet_deadline(rig->stack), rig->now + SEC(1));
        rig_free(rig);
    }
}

/* ---- who makes room ---- */

static void reset_half(struct rig *rig, const struct tcp_tuple *tuple)
{
    const uint32_t before = alive(rig);
    rig_input(rig, tuple, &(struct rig_segment){.flags = DUET_RST, .seq = syn.seq + 1});
    assert_int_equal(alive(rig), before - 1);
}

static bool lives(struct rig *rig, const struct tcp_tuple *tuple)
{
    return demux_find(rig->stack, tuple).kind == DEMUX_HALF_OPEN;
}

static void oldest_goes_when_full(void **state)
{
    (void)state;
    struct rig *rig = rig_new(5, SEC(1), 7);
    for (uint16_t i = 0; i < 20; i++) {
        const struct tcp_tuple tuple = rig_tuple(80, (uint16_t)(4000 + i));
        open_half(rig, &tuple);
        EXPECT_EQUAL("alive", alive(rig), i < 5 ? i + 1 : 5);
        for (uint16_t j = 0; j <= i; j++) {
            const struct tcp_tuple earlier = rig_tuple(80, (uint16_t)(4000 + j));
            EXPECT_EQUAL("the latest five", lives(rig, &earlier), j + 5 > i);
        }
        EXPECT_EQUAL("by name", rig_hits(rig, TCP_RULE_HALF_OPEN_RECYCLED), i < 5 ? 0 : i - 4);
    }
    rig_free(rig);
}

/* Somebody who comes and goes takes no room from somebody who stays. */
static void who_has_gone_leaves_room(void **state)
{
    (void)state;
    struct rig *rig = rig_new(5, SEC(1), 7);
    const struct tcp_tuple stays = rig_tuple(80, 4000);
    open_half(rig, &stays);
    for (uint16_t i = 1; i < 50; i++) {
        const struct tcp_tuple goes = rig_tuple(80, (uint16_t)(4000 + i));
        open_half(rig, &goes);
        reset_half(rig, &goes);
        EXPECT("stays", lives(rig, &stays));
    }
    EXPECT_EQUAL("alone", alive(rig), 1);
    EXPECT_EQUAL("nobody made room", rig_hits(rig, TCP_RULE_HALF_OPEN_RECYCLED), 0);
    rig_free(rig);
}

/* A ring that is never more than three quarters full: many come and go at random, the oldest stay,
 * and nobody has to give way. */
static void three_quarters_full(void **state)
{
    (void)state;
    enum { RING = 100, STAYING = 10, MOST = 75 };
    struct rig *rig = rig_new(RING, SEC(1), 7);
    struct prng prng;
    uint16_t ports[MOST];
    uint32_t count = 0;
    prng_seed(&prng, 75);
    for (uint16_t next = 1; next < 4000; next++) {
        const struct tcp_tuple comes = rig_tuple(80, next);
        if (count == MOST || (count > STAYING && prng_below(&prng, 2) == 0)) {
            const uint32_t i = STAYING + (uint32_t)prng_below(&prng, count - STAYING);
            const struct tcp_tuple goes = rig_tuple(80, ports[i]);
            reset_half(rig, &goes);
            ports[i] = ports[--count];
        }
        open_half(rig, &comes);
        ports[count++] = next;
        EXPECT_EQUAL("alive", alive(rig), count);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct tcp_tuple tuple = rig_tuple(80, ports[i]);
        EXPECT("all are there", lives(rig, &tuple));
    }
    EXPECT_EQUAL("nobody made room", rig_hits(rig, TCP_RULE_HALF_OPEN_RECYCLED), 0);
    rig_free(rig);
}

/* ---- random lives beside a model ---- */

enum { PEERS = 40, CAPACITY = 12, RETRIES = 5, SWEEP = 2 * CAPACITY / AGE_RING_SWEEP_STEPS + 2 };

struct life {
    bool alive;
    bool answered; /* by hand, since the last repeat: the next one is left out */
    duet_time born;
    uint64_t number; /* in order of birth */
    unsigned repeats;
};

struct world {
    struct rig *rig;
    struct life lives[PEERS];
    uint32_t iss[PEERS];
    uint64_t births;
    uint32_t most; /* alive at a time: all, or three quarters */
    uint32_t calm; /* arrivals since more than three quarters were alive */
    struct prng prng;
};

static struct tcp_tuple peer(uint32_t i)
{
    return rig_tuple(80, (uint16_t)(4000 + i));
}

static uint32_t below(struct world *w, uint64_t limit)
{
    return (uint32_t)prng_below(&w->prng, limit);
}

static duet_time next_of(const struct life *life)
{
    return life->born + SEC(1) * ((INT64_C(2) << life->repeats) - 1);
}

static duet_time next_of_all(const struct world *w)
{
    duet_time next = DUET_NEVER;
    for (uint32_t i = 0; i < PEERS; i++)
        if (w->lives[i].alive && next_of(&w->lives[i]) < next)
            next = next_of(&w->lives[i]);
    return next;
}

/* What is due now: who is sent a SYN,ACK. */
static void model_expire(struct world *w, bool sent[PEERS])
{
    for (uint32_t i = 0; i < PEERS; i++) {
        struct life *life = &w->lives[i];
        sent[i] = false;
        if (!life->alive || next_of(life) > w->rig->now)
            continue;
        if (life->repeats == RETRIES) {
            life->alive = false;
            continue;
        }
        sent[i] = !life->answered;
        life->answered = false;
        life->repeats++;
    }
}

static void expect_repeats(struct world *w, bool sent[PEERS])
{
    struct tcp_tuple to;
    struct rig_segment again;
    while (rig_output(w->rig, &to, &again)) {
        const uint32_t i = to.remote_port - 4000u;
        EXPECT("due", i < PEERS && sent[i]);
        EXPECT_EQUAL("its own", again.seq, w->iss[i]);
        sent[i] = false;
    }
    for (uint32_t i = 0; i < PEERS; i++)
        EXPECT("all that are due", !sent[i]);
}

static void pass(struct world *w, duet_time until)
{
    bool sent[PEERS];
    for (;;) {
        const duet_time due = next_of_all(w);
        const duet_time deadline = duet_deadline(w->rig->stack);
        EXPECT("never later", deadline <= due);
        if (deadline > until)
            break;
        w->rig->now = deadline > w->rig->now ? deadline : w->rig->now;
        duet_expire(w->rig->stack, w->rig->now);
        EXPECT("there is progress", duet_deadline(w->rig->stack) > w->rig->now);
        model_expire(w, sent);
        expect_repeats(w, sent);
    }
    w->rig->now = until;
}

static uint32_t model_alive(const struct world *w)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < PEERS; i++)
        n += w->lives[i].alive;
    return n;
}

static uint32_t oldest(const struct world *w)
{
    uint32_t found = PEERS;
    for (uint32_t i = 0; i < PEERS; i++)
        if (w->lives[i].alive && (found == PEERS || w->lives[i].number < w->lives[found].number))
            found = i;
    return found;
}

/* Who must give way to a new one: the oldest if all records are alive. Where many were alive a few
 * arrivals ago the oldest may, because holes are not all swept yet (age_ring.h); else nobody. */
static void make_room(struct world *w)
{
    const uint32_t i = oldest(w), n = model_alive(w);
    const struct tcp_tuple tuple = peer(i);
    w->calm = 4 * n > 3 * CAPACITY ? 0 : w->calm + 1;
    if (n == CAPACITY || (w->calm <= SWEEP && i < PEERS && !lives(w->rig, &tuple)))
        w->lives[i].alive = false;
}

static void arrive(struct world *w, uint32_t i)
{
    const struct tcp_tuple tuple = peer(i);
    struct life *life = &w->lives[i];
    if (life->alive) { /* a repeated SYN */
        EXPECT_EQUAL("same ISS", open_half(w->rig, &tuple), w->iss[i]);
        life->answered = true;
        return;
    }
    if (model_alive(w) >= w->most)
        return;
    w->iss[i] = open_half(w->rig, &tuple);
    make_room(w);
    *life = (struct life){.alive = true, .born = birth(w->rig->now), .number = ++w->births};
}

/* The third segment: the record becomes a connection, which is of no further interest. */
static void complete(struct world *w, uint32_t i)
{
    const struct tcp_tuple tuple = peer(i);
    struct duet_handle listener, connection;
    struct duet_status status;
    struct duet_event event;
    uint64_t cursor = 0;
    if (!w->lives[i].alive)
        return;
    rig_input(w->rig, &tuple,
              &(struct rig_segment){.flags = DUET_ACK, .seq = syn.seq + 1, .ack = w->iss[i] + 1});
    assert_true(duet_next_status(w->rig->stack, &cursor, &listener, &status));
    assert_int_equal(duet_accept(w->rig->stack, w->rig->now, listener, &connection, NULL), DUET_OK);
    assert_int_equal(duet_abort(w->rig->stack, w->rig->now, connection), DUET_OK);
    while (duet_next_event(w->rig->stack, &event))
        continue;
    EXPECT_EQUAL("RST", rig_drain(w->rig), 1);
    w->lives[i].alive = false;
}

static void random_lives(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct world w = {.rig = rig_new(CAPACITY, SEC(1), RETRIES),
                          .most = seed % 3 == 0 ? CAPACITY * 3 / 4 : CAPACITY + 1,
                          .calm = SWEEP};
        prng_seed(&w.prng, seed);
        w.rig->now = (INT64_C(1) << 32) * 1000 - SEC(100) + 7;
        for (unsigned n = 0; n < 3000; n++) {
            const uint32_t i = below(&w, PEERS);
            const struct tcp_tuple tuple = peer(i);
            switch (below(&w, seed % 2 == 0 ? 8 : 5)) {
            case 0:
            case 1:
                arrive(&w, i);
                break;
            case 2:
                pass(&w, w.rig->now + (duet_time)below(&w, 2000000000));
                break;
            case 3:
                complete(&w, i);
                break;
            case 4:
                if (w.lives[i].alive)
                    reset_half(w.rig, &tuple);
                w.lives[i].alive = false;
                break;
            default:
                pass(&w, w.rig->now + MS(below(&w, 20000)));
                break;
            }
            EXPECT_EQUAL("alive", alive(w.rig), model_alive(&w));
            for (uint32_t p = 0; p < PEERS; p++) {
                const struct tcp_tuple each = peer(p);
                EXPECT_EQUAL("in the table", lives(w.rig, &each), w.lives[p].alive);
            }
        }
        pass(&w, w.rig->now + SEC(300));
        EXPECT_EQUAL("all gone", alive(w.rig), 0);
        EXPECT_EQUAL("table", w.rig->stack->demux.used, 0);
        rig_free(w.rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedule),
        cmocka_unit_test(long_sleep),
        cmocka_unit_test(syn_after_a_long_sleep),
        cmocka_unit_test(oldest_goes_when_full),
        cmocka_unit_test(who_has_gone_leaves_room),
        cmocka_unit_test(three_quarters_full),
        cmocka_unit_test(random_lives),
    };
    return cmocka_run_group_tests_name("half-open", tests, NULL, NULL);
}
