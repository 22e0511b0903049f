/* SPDX-License-Identifier: MIT */
/* The timer wheel beside a model that is too simple to be wrong: an array of deadlines that is
 * searched from end to end. A timer is due when its deadline, rounded up to 1024 ns, has come. */
#include "unit.h"

#include "base/prng.h"
#include "base/wheel.h"

#define TICK   INT64_C(1024)
#define SECOND INT64_C(1000000000)
#define YEAR   (INT64_C(31557600) * SECOND)
#define NEVER  INT64_MAX

enum { TIMERS = 64 };

struct record {
    uint8_t before[8];
    struct wheel_node node;
    uint32_t after;
};

struct fixture {
    struct record records[TIMERS];
    struct wheel wheel;
};

static void fixture_init(struct fixture *f)
{
    memset(f->records, 0x5a, sizeof f->records);
    for (uint32_t i = 0; i < TIMERS; i++)
        wheel_node_init(&f->records[i].node);
    wheel_init(&f->wheel, &f->records[0].node, sizeof f->records[0]);
}

/* Runs the wheel to a time at which nothing may be due. */
static void pass_in_silence(const char *row, struct fixture *f, int64_t now)
{
    EXPECT_EQUAL(row, wheel_expire(&f->wheel, now), WHEEL_NONE);
}

static void empty_wheel(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    EXPECT_EQUAL("deadline", wheel_deadline(&f.wheel), NEVER);
    EXPECT("armed", !wheel_is_armed(&f.wheel, 0));
    wheel_disarm(&f.wheel, 0);
    EXPECT_EQUAL("count", f.wheel.count, 0);
    pass_in_silence("now 0", &f, 0);
    pass_in_silence("the end of time", &f, NEVER);
    EXPECT_EQUAL("deadline", wheel_deadline(&f.wheel), NEVER);
}

static int64_t round_up(int64_t deadline)
{
    return deadline <= 0 ? 0 : (deadline + TICK - 1) / TICK * TICK;
}

/* One timer, armed at start: silent one ns before it is due, found when it is. */
static void single_timer_is_neither_early_nor_late(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t start, deadline;
    } rows[] = {
        {"one ns", 0, 1},
        {"exactly one tick", 0, TICK},
        {"one ns after a tick", 0, TICK + 1},
        {"last slot of level 0", 0, 63 * TICK},
        {"first of level 1", 0, 64 * TICK},
        {"one after that", 0, 65 * TICK},
        {"last of level 1", 0, 4095 * TICK},
        {"first of level 2", 0, 4096 * TICK},
        {"next tick over a digit", 63 * TICK, 64 * TICK},
        {"next tick over two digits", 4095 * TICK, 4096 * TICK},
        {"next tick over seven digits", ((INT64_C(1) << 42) - 1) * TICK, (INT64_C(1) << 42) * TICK},
        {"next tick over eight digits", ((INT64_C(1) << 48) - 1) * TICK, (INT64_C(1) << 48) * TICK},
        {"40 ms", 17, 40 * SECOND / 1000},
        {"240 s", 5 * SECOND + 3, 245 * SECOND + 3},
        {"two hours", SECOND, 7201 * SECOND},
        {"ten years", 0, 10 * YEAR},
        {"a clock that began in 1970", 55 * YEAR + 12345, 55 * YEAR + 12345 + 120 * SECOND},
        {"from 1970 at once", 0, 55 * YEAR},
        {"290 years", YEAR, 290 * YEAR},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fixture f;
        fixture_init(&f);
        const char *name = rows[i].name;
        pass_in_silence(name, &f, rows[i].start);
        wheel_arm(&f.wheel, 7, rows[i].deadline);
        EXPECT(name, wheel_is_armed(&f.wheel, 7));
        EXPECT(name, wheel_deadline(&f.wheel) <= round_up(rows[i].deadline));
        EXPECT(name, wheel_deadline(&f.wheel) >= rows[i].start);
        pass_in_silence(name, &f, round_up(rows[i].deadline) - 1);
        EXPECT_EQUAL(name, wheel_deadline(&f.wheel), round_up(rows[i].deadline));
        EXPECT_EQUAL(name, wheel_expire(&f.wheel, round_up(rows[i].deadline)), 7);
        EXPECT(name, !wheel_is_armed(&f.wheel, 7));
        EXPECT_EQUAL(name, f.wheel.count, 0);
        pass_in_silence(name, &f, round_up(rows[i].deadline));
    }
}

/* Who calls expire at each deadline() gets there in at most nine calls, and never goes round
 * without making way. */
static void deadline_leads_to_the_timer(void **state)
{
    (void)state;
    static const int64_t deadlines[] = {1,    40 * SECOND / 1000, 240 * SECOND,
                                        YEAR, 55 * YEAR,          290 * YEAR};
    for (size_t i = 0; i < COUNT_OF(deadlines); i++) {
        struct fixture f;
        int64_t now = 0;
        unsigned calls = 1;
        fixture_init(&f);
        wheel_arm(&f.wheel, 0, deadlines[i]);
        for (;; calls++) {
            const int64_t next = wheel_deadline(&f.wheel);
            EXPECT("goes on", next > now);
            now = next;
            if (wheel_expire(&f.wheel, now) == 0)
                break;
        }
        EXPECT("few calls", calls <= WHEEL_LEVELS);
        EXPECT_EQUAL("time", now, round_up(deadlines[i]));
    }
}

static void deadline_in_the_past_is_due_at_once(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t now, deadline;
    } rows[] = {
        {"zero at zero", 0, 0},
        {"negative", 0, -5},
        {"least", 0, INT64_MIN},
        {"long ago", 100 * SECOND, SECOND},
        {"a tick ago", 9 * TICK, 8 * TICK},
        {"this tick", 9 * TICK + 5, 9 * TICK},
        {"over a digit", 64 * TICK, 63 * TICK},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fixture f;
        fixture_init(&f);
        pass_in_silence(rows[i].name, &f, rows[i].now);
        wheel_arm(&f.wheel, 1, rows[i].deadline);
        EXPECT(rows[i].name, wheel_deadline(&f.wheel) <= rows[i].now);
        EXPECT_EQUAL(rows[i].name, wheel_expire(&f.wheel, rows[i].now), 1);
        pass_in_silence(rows[i].name, &f, rows[i].now);
    }
}

static void never_does_not_come(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    wheel_arm(&f.wheel, 0, NEVER);
    pass_in_silence("300 years", &f, NEVER);
    EXPECT("armed", wheel_is_armed(&f.wheel, 0));
    EXPECT_EQUAL("deadline", wheel_deadline(&f.wheel), NEVER);
    wheel_disarm(&f.wheel, 0);
    EXPECT_EQUAL("count", f.wheel.count, 0);
}

static void moving_a_timer_forgets_its_old_deadline(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    wheel_arm(&f.wheel, 0, SECOND);
    wheel_arm(&f.wheel, 0, 3 * SECOND);
    EXPECT_EQUAL("count", f.wheel.count, 1);
    pass_in_silence("old deadline", &f, 2 * SECOND);
    wheel_arm(&f.wheel, 0, 2 * SECOND + 5 * TICK);
    EXPECT_EQUAL("earlier again", wheel_expire(&f.wheel, 2 * SECOND + 6 * TICK), 0);
    pass_in_silence("once", &f, 10 * SECOND);
}

static void timers_of_one_slot_leave_in_any_order(void **state)
{
    (void)state;
    for (uint32_t row = 0; row < 6; row++) {
        const uint32_t removed = row % 3, apart = row < 3 ? 1 : WHEEL_CHAINS; /* of one chain */
        struct fixture f;
        fixture_init(&f);
        for (uint32_t i = 0; i < 3; i++)
            wheel_arm(&f.wheel, i * apart, 300 * SECOND);
        wheel_disarm(&f.wheel, removed * apart);
        wheel_disarm(&f.wheel, removed * apart);
        EXPECT_EQUAL("count", f.wheel.count, 2);
        EXPECT("sound", wheel_is_sound(&f.wheel));
        uint32_t seen = 0;
        for (uint32_t index; (index = wheel_expire(&f.wheel, 301 * SECOND)) != WHEEL_NONE;)
            seen |= 1U << index / apart;
        EXPECT_EQUAL("the other two", seen, 7U & ~(1U << removed));
    }
}

static void earlier_ticks_come_first(void **state)
{
    (void)state;
    static const int64_t deadlines[] = {
        90 * SECOND, 2 * TICK, YEAR, 70 * TICK, SECOND, 1, 5000 * TICK, 240 * SECOND, 64 * TICK,
    };
    struct fixture f;
    int64_t last = 0;
    fixture_init(&f);
    for (uint32_t i = 0; i < COUNT_OF(deadlines); i++)
        wheel_arm(&f.wheel, i, deadlines[i]);
    for (size_t i = 0; i < COUNT_OF(deadlines); i++) {
        const uint32_t index = wheel_expire(&f.wheel, 2 * YEAR);
        EXPECT("found", index < COUNT_OF(deadlines));
        EXPECT("in order", deadlines[index] >= last);
        last = deadlines[index];
    }
    pass_in_silence("all found", &f, 2 * YEAR);
}

static void timer_armed_while_others_expire_is_found_too(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    wheel_arm(&f.wheel, 0, SECOND);
    wheel_arm(&f.wheel, 1, 5 * SECOND);
    EXPECT_EQUAL("first", wheel_expire(&f.wheel, 10 * SECOND), 0);
    wheel_arm(&f.wheel, 2, 3 * SECOND); /* later than the one found, before the next */
    wheel_arm(&f.wheel, 3, SECOND / 2); /* before the one found */
    EXPECT_EQUAL("past one", wheel_expire(&f.wheel, 10 * SECOND), 3);
    EXPECT_EQUAL("new one", wheel_expire(&f.wheel, 10 * SECOND), 2);
    wheel_arm(&f.wheel, 2, 10 * SECOND); /* re-arms itself at now */
    EXPECT_EQUAL("second", wheel_expire(&f.wheel, 10 * SECOND), 1);
    EXPECT_EQUAL("again", wheel_expire(&f.wheel, round_up(10 * SECOND)), 2);
    pass_in_silence("no more", &f, round_up(10 * SECOND));
}

static void time_that_goes_back_changes_nothing(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    pass_in_silence("forth", &f, 100 * SECOND);
    wheel_arm(&f.wheel, 0, 110 * SECOND);
    pass_in_silence("back", &f, 50 * SECOND);
    pass_in_silence("negative", &f, -1);
    pass_in_silence("not yet", &f, 109 * SECOND);
    EXPECT_EQUAL("due", wheel_expire(&f.wheel, 111 * SECOND), 0);
}

static void wheel_writes_to_its_nodes_only(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    for (uint32_t i = 0; i < TIMERS; i++)
        wheel_arm(&f.wheel, i, (int64_t)i * SECOND);
    while (wheel_expire(&f.wheel, 40 * SECOND) != WHEEL_NONE)
        continue;
    for (uint32_t i = 0; i < TIMERS; i++) {
        for (size_t k = 0; k < sizeof f.records[i].before; k++)
            EXPECT_EQUAL("before", f.records[i].before[k], 0x5a);
        EXPECT_EQUAL("after", f.records[i].after, 0x5a5a5a5a);
    }
}

/* ---- what is only noted ---- */

static void what_is_set_again_is_not_carried_out(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    wheel_set(&f.wheel, 3, SECOND);
    wheel_set(&f.wheel, 3, 5 * SECOND);
    EXPECT_EQUAL("in no slot", f.wheel.count, 0);
    EXPECT_EQUAL("one timer", wheel_armed(&f.wheel), 1);
    EXPECT("armed", wheel_is_armed(&f.wheel, 3));
    EXPECT_EQUAL("for", wheel_armed_for(&f.wheel, 3), 5 * SECOND);
    EXPECT_EQUAL("deadline", wheel_deadline(&f.wheel), round_up(5 * SECOND));
    pass_in_silence("what was set first", &f, 2 * SECOND);
    EXPECT_EQUAL("carried out then", f.wheel.count, 1);
    EXPECT_EQUAL("one timer still", wheel_armed(&f.wheel), 1);
    EXPECT_EQUAL("due", wheel_expire(&f.wheel, round_up(5 * SECOND)), 3);
    EXPECT_EQUAL("none is left", wheel_armed(&f.wheel), 0);
}

static void another_timer_has_it_carried_out(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    wheel_set(&f.wheel, 0, SECOND);
    wheel_set(&f.wheel, 1, 2 * SECOND);
    EXPECT_EQUAL("the first is in a slot", f.wheel.count, 1);
    EXPECT_EQUAL("two timers", wheel_armed(&f.wheel), 2);
    wheel_set(&f.wheel, 0, 9 * SECOND);
    EXPECT_EQUAL("a node moves to earlier times only", wheel_armed_for(&f.wheel, 0), SECOND);
    wheel_set(&f.wheel, 0, SECOND / 2);
    EXPECT_EQUAL("earlier", wheel_armed_for(&f.wheel, 0), SECOND / 2);
    EXPECT_EQUAL("the second keeps its own", wheel_armed_for(&f.wheel, 1), 2 * SECOND);
    EXPECT_EQUAL("first", wheel_expire(&f.wheel, 3 * SECOND), 0);
    EXPECT_EQUAL("second", wheel_expire(&f.wheel, 3 * SECOND), 1);
    pass_in_silence("no more", &f, 10 * SECOND);
}

static void what_is_noted_is_forgotten_when_it_is_disarmed_or_armed(void **state)
{
    (void)state;
    static const char *const names[] = {"to never", "disarmed", "armed"};
    for (unsigned how = 0; how < COUNT_OF(names); how++) {
        struct fixture f;
        fixture_init(&f);
        wheel_set(&f.wheel, 5, SECOND);
        if (how == 0)
            wheel_set(&f.wheel, 5, NEVER);
        else if (how == 1)
            wheel_disarm(&f.wheel, 5);
        else
            wheel_arm(&f.wheel, 5, 20 * SECOND);
        EXPECT_EQUAL(names[how], wheel_is_armed(&f.wheel, 5), how == 2);
        EXPECT_EQUAL(names[how], wheel_deadline(&f.wheel) == NEVER, how != 2);
        pass_in_silence(names[how], &f, 10 * SECOND);
    }
}

/* A million timers far away, as TIME-WAIT records are, each found at its time. */
static void many_timers(void **state)
{
    (void)state;
    enum { MANY = 1000000 };
    struct wheel_node *nodes = test_malloc(MANY * sizeof nodes[0]);
    struct wheel wheel;
    uint32_t found = 0;

    wheel_init(&wheel, nodes, sizeof nodes[0]);
    for (uint32_t i = 0; i < MANY; i++) {
        wheel_node_init(&nodes[i]);
        wheel_arm(&wheel, i, 240 * SECOND + (int64_t)i * 1000);
    }
    for (uint32_t passed = 0; passed <= MANY; passed += 1000) { /* a timer each microsecond */
        const int64_t now = 240 * SECOND + (int64_t)passed * 1000;
        for (uint32_t index; (index = wheel_expire(&wheel, now)) != WHEEL_NONE; found++)
            EXPECT("not early", nodes[index].deadline <= now);
        EXPECT("not late", found + 2 >= passed);
    }
    while (wheel_expire(&wheel, 242 * SECOND) != WHEEL_NONE)
        found++;
    EXPECT_EQUAL("all", found, MANY);
    EXPECT_EQUAL("none left", wheel.count, 0);
    test_free(nodes);
}

/* ---- random operations beside the model ---- */

struct model {
    int64_t due[TIMERS]; /* NEVER: not armed */
    int64_t reached;     /* what is armed for an earlier time counts as armed for this */
};

static int64_t model_minimum(const struct model *model)
{
    int64_t minimum = NEVER;
    for (uint32_t i = 0; i < TIMERS; i++)
        if (model->due[i] < minimum)
            minimum = model->due[i];
    return minimum;
}

/* A span from nothing to years, each size as likely as any other. */
static int64_t random_span(struct prng *prng)
{
    const unsigned bits = (unsigned)prng_below(prng, 58);
    return (int64_t)(prng_next(prng) & ((UINT64_C(1) << bits) - 1));
}

static int64_t random_step(struct prng *prng)
{
    const unsigned bits = (unsigned)prng_below(prng, prng_chance(prng, 0.01) ? 56 : 36);
    return (int64_t)(prng_next(prng) & ((UINT64_C(1) << bits) - 1));
}

static void arm_both(struct fixture *f, struct model *model, struct prng *prng, int64_t now)
{
    const uint32_t index = (uint32_t)prng_below(prng, TIMERS);
    int64_t deadline = now + random_span(prng);
    if (prng_chance(prng, 0.1))
        deadline = now - random_span(prng);
    wheel_arm(&f->wheel, index, deadline);
    deadline = round_up(deadline);
    model->due[index] = deadline > model->reached ? deadline : model->reached;
}

static uint64_t expire_both(struct fixture *f, struct model *model, struct prng *prng, int64_t now)
{
    uint64_t found = 0;
    for (uint32_t index; (index = wheel_expire(&f->wheel, now)) != WHEEL_NONE; found++) {
        EXPECT("in range", index < TIMERS);
        EXPECT("not early", f->records[index].node.deadline <= now && model->due[index] <= now);
        EXPECT_EQUAL("earliest first", model->due[index], model_minimum(model));
        model->reached = model->due[index];
        model->due[index] = NEVER;
        if (prng_chance(prng, 0.2))
            arm_both(f, model, prng, now);
    }
    EXPECT("not late", model_minimum(model) > now);
    model->reached = now / TICK * TICK;
    return found;
}

static void random_life(uint64_t seed, int64_t origin)
{
    struct fixture f;
    struct model model;
    struct prng prng;
    int64_t now = origin;
    uint64_t found = 0;

    prng_seed(&prng, seed);
    fixture_init(&f);
    model.reached = 0;
    for (uint32_t i = 0; i < TIMERS; i++)
        model.due[i] = NEVER;
    for (unsigned step = 0; step < 100000; step++) {
        const uint32_t index = (uint32_t)prng_below(&prng, TIMERS);
        switch (prng_below(&prng, 4)) {
        case 0:
        case 1:
            arm_both(&f, &model, &prng, now);
            break;
        case 2:
            EXPECT_EQUAL("armed", wheel_is_armed(&f.wheel, index), model.due[index] != NEVER);
            wheel_disarm(&f.wheel, index);
            model.due[index] = NEVER;
            break;
        default:
            now += random_step(&prng);
            if (now > 280 * YEAR)
                return;
            found += expire_both(&f, &model, &prng, now);
            break;
        }
        const int64_t minimum = model_minimum(&model);
        EXPECT("deadline is not too late", wheel_deadline(&f.wheel) <= minimum);
        EXPECT_EQUAL("nothing armed", wheel_deadline(&f.wheel) == NEVER, minimum == NEVER);
    }
    EXPECT("something happened", found > 1000);
}

static void random_lives(void **state)
{
    (void)state;
    static const int64_t origins[] = {0, 1, SECOND, 55 * YEAR, (INT64_C(1) << 58) - 5 * SECOND};
    for (uint64_t seed = 0; seed < 10; seed++)
        random_life(seed, origins[seed % COUNT_OF(origins)]);
}

/* Timers as connections set them: what was set last counts. One may run out early, for what was set
 * before, and is set again then; none does late. */
static void random_settings(void **state)
{
    (void)state;
    struct fixture f;
    struct prng prng;
    int64_t wanted[TIMERS], now = 0;
    uint64_t in_time = 0, early = 0;

    prng_seed(&prng, 7);
    fixture_init(&f);
    for (uint32_t i = 0; i < TIMERS; i++)
        wanted[i] = NEVER;
    for (unsigned step = 0; step < 200000; step++) {
        const uint32_t index = (uint32_t)prng_below(&prng, prng_chance(&prng, 0.5) ? 2 : TIMERS);
        int64_t minimum = NEVER;

        if (prng_chance(&prng, 0.8)) {
            wanted[index] = prng_chance(&prng, 0.2) ? NEVER : now + random_step(&prng);
            wheel_set(&f.wheel, index, wanted[index]);
        } else {
            now += random_step(&prng) / 16;
            for (uint32_t due; (due = wheel_expire(&f.wheel, now)) != WHEEL_NONE;) {
                in_time += wanted[due] <= now;
                early += wanted[due] > now;
                wanted[due] = wanted[due] <= now ? NEVER : wanted[due];
                wheel_set(&f.wheel, due, wanted[due]);
            }
        }
        for (uint32_t i = 0; i < TIMERS; i++) {
            EXPECT("not late", wheel_armed_for(&f.wheel, i) <= wanted[i]);
            EXPECT_EQUAL("armed", wheel_is_armed(&f.wheel, i), wanted[i] != NEVER);
            minimum = wanted[i] < minimum ? wanted[i] : minimum;
        }
        EXPECT("deadline", minimum == NEVER || wheel_deadline(&f.wheel) <= round_up(minimum));
        EXPECT_EQUAL("nothing is set", wheel_deadline(&f.wheel) == NEVER, minimum == NEVER);
        if (step % 64 == 0)
            EXPECT("sound", wheel_is_sound(&f.wheel));
    }
    EXPECT("both happened", in_time > 1000 && early > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_wheel),
        cmocka_unit_test(single_timer_is_neither_early_nor_late),
        cmocka_unit_test(deadline_leads_to_the_timer),
        cmocka_unit_test(deadline_in_the_past_is_due_at_once),
        cmocka_unit_test(never_does_not_come),
        cmocka_unit_test(moving_a_timer_forgets_its_old_deadline),
        cmocka_unit_test(timers_of_one_slot_leave_in_any_order),
        cmocka_unit_test(earlier_ticks_come_first),
        cmocka_unit_test(timer_armed_while_others_expire_is_found_too),
        cmocka_unit_test(time_that_goes_back_changes_nothing),
        cmocka_unit_test(wheel_writes_to_its_nodes_only),
        cmocka_unit_test(what_is_set_again_is_not_carried_out),
        cmocka_unit_test(another_timer_has_it_carried_out),
        cmocka_unit_test(what_is_noted_is_forgotten_when_it_is_disarmed_or_armed),
        cmocka_unit_test(many_timers),
        cmocka_unit_test(random_lives),
        cmocka_unit_test(random_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
