/* SPDX-License-Identifier: MIT */
/* TIME-WAIT: how long it lasts and who makes room for whom (RFC 9293, 3.6.1), for the small record and
 * for a connection whose user still holds the handle. What segments mean there: see
 * test_time_wait_segments.c. */
#include "rig.h"

#include <stdlib.h>

#include "base/prng.h"

#define US(n)  ((duet_time)(n)*DUET_MICROSECOND)
#define SEC(n) ((duet_time)(n)*DUET_SECOND)

static struct rig *rig_new(uint32_t capacity, duet_time msl, bool rst)
{
    struct rig *rig = malloc(sizeof *rig);
    struct duet_config config;
    assert_non_null(rig);
    rig_config(&config);
    config.time_wait_max = capacity;
    config.msl = msl;
    config.time_wait_rst = rst;
    rig_start(rig, &config);
    return rig;
}

static void rig_free(struct rig *rig)
{
    rig_end(rig);
    free(rig);
}

static const struct rig_segment plain = {.seq = 0xfffffff0, .window = 60000, .mss = 1000};

/* What is known of a pair of sockets: the state of its record, CLOSED: none. */
static enum duet_state state_of(const struct rig *rig, const struct tcp_tuple *tuple)
{
    struct duet_handle handle;
    struct duet_status status;
    uint64_t cursor = 0;
    while (duet_next_status(rig->stack, &cursor, &handle, &status))
        if (status.local.port == tuple->local_port && status.remote.port == tuple->remote_port &&
            duet_address_equal(&status.remote.address, &tuple->remote))
            return status.state;
    return DUET_CLOSED;
}

static uint32_t alive(const struct rig *rig)
{
    struct duet_counters counters;
    duet_counters(rig->stack, &counters);
    return counters.time_wait;
}

/* ---- how long ---- */

/* Up to the next tick: of a microsecond for a record, of the wheel for a connection. */
static void expect_end(const char *row, struct rig *rig, const struct tcp_tuple *tuple,
                       duet_time due)
{
    EXPECT(row, duet_deadline(rig->stack) <= due + US(2));
    rig_pass(rig, due - 1);
    EXPECT_EQUAL(row, state_of(rig, tuple), DUET_TIME_WAIT);
    rig_pass(rig, due + US(2));
    EXPECT_EQUAL(row, state_of(rig, tuple), DUET_CLOSED);
    EXPECT_EQUAL(row, duet_deadline(rig->stack), DUET_NEVER);
    rig_silence(row, rig);
}

static void lasts_two_msl(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        duet_time start, msl;
    } rows[] = {
        {"240 s", 0, SEC(120)},
        {"a nanosecond after a tick", 1000001, SEC(120)},
        {"2 ms", 999, DUET_MILLISECOND},
        {"half an hour", 17, SEC(900)},
        {"over 2^31 microseconds", (INT64_C(1) << 31) * 1000 - SEC(20), SEC(120)},
        {"over 2^32 microseconds", (INT64_C(1) << 32) * 1000 - SEC(20) + 1, SEC(900)},
        {"since 1970", INT64_C(1735689600) * SEC(1), SEC(120)},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (enum rig_holder holder = NOBODY; holder <= USER; holder++) {
            struct rig *rig = rig_new(4, rows[i].msl, false);
            rig->now = rows[i].start;
            const struct rig_conn conn = rig_time_wait(rig, rig_tuple6(1000, 4000), holder, &plain);
            EXPECT_EQUAL(rows[i].name, alive(rig), holder == NOBODY);
            expect_end(rows[i].name, rig, &conn.tuple, rows[i].start + 2 * rows[i].msl);
            rig_free(rig);
        }
    }
}

/* The peer missed our ACK and repeats its FIN: acknowledged again, and the wait starts anew. */
static void repeated_fin_starts_anew(void **state)
{
    (void)state;
    for (enum rig_holder holder = NOBODY; holder <= USER; holder++) {
        struct rig *rig = rig_new(4, SEC(120), false);
        struct rig_conn conn = rig_time_wait(rig, rig_tuple(1000, 4000), holder, &plain);
        duet_time start = rig->now;
        for (unsigned n = 0; n < 5; n++) {
            struct rig_segment answer;
            rig_pass(rig, start + SEC(239) + 123);
            rig_say(rig, &conn, DUET_FIN, UINT32_MAX, NULL, 0);
            EXPECT("acknowledged", rig_output(rig, NULL, &answer));
            EXPECT_EQUAL("flags", answer.flags, DUET_ACK);
            EXPECT_EQUAL("seq", answer.seq, conn.ack);
            EXPECT_EQUAL("ack", answer.ack, conn.seq);
            start = rig->now;
        }
        expect_end("repeated", rig, &conn.tuple, start + SEC(240));
        rig_free(rig);
    }
}

static void long_sleep(void **state)
{
    (void)state;
    static const duet_time sleeps[] = {SEC(241),  SEC(2148), SEC(2500),  SEC(4295),
                                       SEC(4500), SEC(6500), SEC(10800), SEC(864000)};
    for (size_t i = 0; i < COUNT_OF(sleeps); i++) {
        struct rig *rig = rig_new(4, SEC(120), false);
        char row[32];
        snprintf(row, sizeof row, "%" PRId64 " s", sleeps[i] / SEC(1));
        rig_time_wait(rig, rig_tuple(1000, 4000), NOBODY, &plain);
        rig->now = sleeps[i];
        duet_expire(rig->stack, rig->now);
        EXPECT_EQUAL(row, alive(rig), 0);
        const struct rig_conn conn = rig_time_wait(rig, rig_tuple(1000, 4001), NOBODY, &plain);
        expect_end(row, rig, &conn.tuple, sleeps[i] + SEC(240));
        rig_free(rig);
    }
}

/* ---- who makes room ---- */

static struct tcp_tuple peer(uint32_t i)
{
    return rig_tuple(1000, (uint16_t)(4000 + i));
}

static void oldest_goes_when_full(void **state)
{
    (void)state;
    struct rig *rig = rig_new(5, SEC(120), false);
    for (uint32_t i = 0; i < 20; i++) {
        rig_time_wait(rig, peer(i), NOBODY, &plain);
        rig_pass(rig, rig->now + SEC(1));
        for (uint32_t j = 0; j <= i; j++) {
            const struct tcp_tuple earlier = peer(j);
            EXPECT_EQUAL("the latest five", state_of(rig, &earlier),
                         j + 5 > i ? DUET_TIME_WAIT : DUET_CLOSED);
        }
        EXPECT_EQUAL("by name", rig_hits(rig, TCP_RULE_TIME_WAIT_RECYCLED), i < 5 ? 0 : i - 4);
    }
    rig_free(rig);
}

/* One that starts anew, again and again, takes no room from the others. */
static void starting_anew_takes_no_room(void **state)
{
    (void)state;
    struct rig *rig = rig_new(5, SEC(120), false);
    rig_time_wait(rig, peer(0), NOBODY, &plain);
    struct rig_conn conn = rig_time_wait(rig, peer(1), NOBODY, &plain);
    for (unsigned n = 0; n < 50; n++) {
        const struct tcp_tuple other = peer(0);
        rig_pass(rig, rig->now + SEC(1));
        rig_say(rig, &conn, DUET_FIN, UINT32_MAX, NULL, 0);
        EXPECT_EQUAL("acknowledged", rig_drain(rig), 1);
        EXPECT_EQUAL("the other stays", state_of(rig, &other), DUET_TIME_WAIT);
    }
    EXPECT_EQUAL("both", alive(rig), 2);
    EXPECT_EQUAL("nobody made room", rig_hits(rig, TCP_RULE_TIME_WAIT_RECYCLED), 0);
    rig_free(rig);
}

/* ---- random lives beside a model ---- */

enum { PEERS = 24, CAPACITY = 10, SWEEP = 2 * CAPACITY / AGE_RING_SWEEP_STEPS + 2 };

struct life {
    bool alive;
    duet_time expires;
    uint64_t number; /* in order of entering, or of starting anew */
    struct rig_conn conn;
};

struct world {
    struct rig *rig;
    struct life lives[PEERS];
    uint64_t numbers;
    uint32_t most; /* alive at a time: all, or three quarters */
    uint32_t calm; /* arrivals since more than three quarters were alive */
    struct prng prng;
};

static uint32_t below(struct world *w, uint64_t limit)
{
    return (uint32_t)prng_below(&w->prng, limit);
}

static duet_time expiry(const struct world *w)
{
    return (w->rig->now + 2 * w->rig->config.msl + 999) / 1000 * 1000;
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
static void make_room(struct world *w, bool is_new)
{
    const uint32_t i = oldest(w), n = model_alive(w);
    const struct tcp_tuple tuple = peer(i);
    const bool gone = i < PEERS && demux_find(w->rig->stack, &tuple).kind == DEMUX_NONE;
    w->calm = 4 * n > 3 * CAPACITY ? 0 : w->calm + 1;
    if ((is_new && n == CAPACITY) || (w->calm <= SWEEP && gone))
        w->lives[i].alive = false;
}

static void begin_life(struct world *w, uint32_t i)
{
    struct life *life = &w->lives[i];
    if (life->alive || model_alive(w) >= w->most)
        return;
    life->conn = rig_time_wait(w->rig, peer(i), NOBODY, &plain);
    make_room(w, true);
    life->alive = true;
    life->expires = expiry(w);
    life->number = ++w->numbers;
}

static void start_anew(struct world *w, uint32_t i)
{
    struct life *life = &w->lives[i];
    if (!life->alive)
        return;
    rig_say(w->rig, &life->conn, DUET_FIN, UINT32_MAX, NULL, 0);
    EXPECT_EQUAL("acknowledged", rig_drain(w->rig), 1);
    life->alive = false; /* while it moves to the end */
    make_room(w, false);
    life->alive = true;
    life->expires = expiry(w);
    life->number = ++w->numbers;
}

static void reset(struct world *w, uint32_t i)
{
    struct life *life = &w->lives[i];
    if (!life->alive)
        return;
    rig_say(w->rig, &life->conn, DUET_RST, 0, NULL, 0);
    life->alive = false;
}

static void pass(struct world *w, duet_time until)
{
    rig_pass(w->rig, until);
    duet_time next = DUET_NEVER;
    for (uint32_t i = 0; i < PEERS; i++) {
        struct life *life = &w->lives[i];
        life->alive = life->alive && life->expires > until;
        if (life->alive && life->expires < next)
            next = life->expires;
    }
    EXPECT("never later", duet_deadline(w->rig->stack) <= next);
    duet_expire(w->rig->stack, until); /* looks at those that have gone since */
    EXPECT_EQUAL("exact", duet_deadline(w->rig->stack), next);
}

static void random_lives(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct world *w = calloc(1, sizeof *w);
        assert_non_null(w);
        w->rig = rig_new(CAPACITY, SEC(30), true);
        w->most = seed % 3 == 0 ? CAPACITY * 3 / 4 : CAPACITY + 1;
        w->calm = SWEEP;
        prng_seed(&w->prng, seed);
        w->rig->now = (INT64_C(1) << 32) * 1000 - SEC(100) + 7;
        for (unsigned n = 0; n < 1500; n++) {
            const uint32_t i = below(w, PEERS);
            switch (below(w, 5)) {
            case 0:
            case 1:
                begin_life(w, i);
                break;
            case 2:
                start_anew(w, i);
                break;
            case 3:
                reset(w, i);
                break;
            default:
                pass(w,
                     w->rig->now + (duet_time)below(w, seed % 2 == 0 ? 2000000000 : 20000000000));
                break;
            }
            EXPECT_EQUAL("alive", alive(w->rig), model_alive(w));
            for (uint32_t p = 0; p < PEERS; p++) {
                const struct tcp_tuple tuple = peer(p);
                EXPECT_EQUAL("in the table", demux_find(w->rig->stack, &tuple).kind,
                             w->lives[p].alive ? DEMUX_TIME_WAIT : DEMUX_NONE);
            }
        }
        pass(w, w->rig->now + SEC(61));
        EXPECT_EQUAL("all gone", alive(w->rig), 0);
        EXPECT_EQUAL("table", w->rig->stack->demux.used, 0);
        rig_free(w->rig);
        free(w);
    }
}

/* Ten answers in five seconds, then silence; an interval later there are ten more, and a repeated FIN, which
 * begins the wait anew, brings those of an interval that is over not back. */
static void answers_in_an_interval(void **state)
{
    (void)state;
    struct rig *rig = rig_new(4, SEC(120), false);
    struct rig_conn conn = rig_time_wait(rig, rig_tuple(80, 4000), NOBODY, &plain);
    conn.seq--; /* of the FIN */
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < rig->config.challenge_limit; i++) {
            rig_say(rig, &conn, 0, 100000, NULL, 0);
            EXPECT_EQUAL("answered", rig_drain(rig), 1);
        }
        rig_say(rig, &conn, 0, 100000, NULL, 0);
        rig_silence("the eleventh", rig);
        rig_say(rig, &conn, DUET_FIN, 0, NULL, 0);
        EXPECT_EQUAL("a FIN always", rig_drain(rig), 1);
        rig_say(rig, &conn, 0, 100000, NULL, 0);
        rig_silence("and one behind it", rig);
        rig->now += rig->config.challenge_interval + DUET_MILLISECOND;
        rig_say(rig, &conn, DUET_FIN, 0, NULL, 0);
        EXPECT_EQUAL("a FIN always", rig_drain(rig), 1);
    }
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lasts_two_msl),          cmocka_unit_test(repeated_fin_starts_anew),
        cmocka_unit_test(answers_in_an_interval), cmocka_unit_test(long_sleep),
        cmocka_unit_test(oldest_goes_when_full),  cmocka_unit_test(starting_anew_takes_no_room),
        cmocka_unit_test(random_lives),
    };
    return cmocka_run_group_tests_name("TIME-WAIT", tests, NULL, NULL);
}
