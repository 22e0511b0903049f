/* SPDX-License-Identifier: MIT */
/* Something fails at every index: each scenario is played again and again, and each time another record of
 * memory is refused, once or from then on; another packet does not get onto the link, once or from then on;
 * a clock jumps, stalls or calls too late at another door; a host starts without entropy. Each run ends with
 * the right bytes at both ends or with an error that its user is told, no invariant is broken on the way, and
 * when the users let go nothing is left. Each scenario is played in several variants: other options, other
 * controllers, other sizes.
 *
 * INJECTION=fault/variant/scenario/host/index/lasting plays one run alone, and says how it ended.
 * timeout: 300 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/state.h"
#include "sim/scenario.h"

enum fault { NO_FAULT, NO_MEMORY, NO_LINK, CLOCK_AHEAD, CLOCK_STALLED, TIMERS_LATE, NO_ENTROPY };

static const char *const fault_names[] = {"nothing",       "memory",      "link",   "clock ahead",
                                          "clock stalled", "timers late", "entropy"};

struct run {
    unsigned variant;
    const struct scenario *scenario;
    enum fault fault;
    unsigned host;  /* at which it happens */
    uint64_t index; /* of the record, packet, door or start, from 1 */
    bool lasting;   /* and at all after it */

    uint64_t counted[WORLD_HOSTS]; /* of what index counts, in this run */
    uint64_t boots;
    bool left;         /* something was, when both users had let go */
    char problem[240]; /* what the world says */
};

/* ---- variants ---- */

static void plain(struct duet_config *config)
{
    (void)config;
}
static void without_sack(struct duet_config *config)
{
    config->sack = false;
    config->controller = DUET_NEWRENO;
}
static void without_timestamps(struct duet_config *config)
{
    config->timestamps = false;
    config->window_scaling = false;
    config->rack = false;
}
static void with_everything(struct duet_config *config)
{
    config->ecn = DUET_ECN_REQUEST_ACCURATE;
    config->user_timeout_option = true;
    config->accurate_ecn_max = 2;
    config->autotune = true;
    config->quick_acks = 16;
}
static void in_small_pages(struct duet_config *config)
{
    config->page_size = 512;
    config->pages_max = 1024;
    config->pacing = false;
}

static const struct {
    const char *name;
    void (*change)(struct duet_config *config);
    bool ipv6;
} variants[] = {
    {"plain", plain, false},
    {"no SACK, NewReno", without_sack, true},
    {"no timestamps, no scaling, RFC 6675", without_timestamps, false},
    {"accurate ECN, user timeout, tuning", with_everything, true},
    {"small pages, no pacing", in_small_pages, false},
};
enum { VARIANTS = sizeof variants / sizeof variants[0] };

/* ---- a hand in the world ---- */

static bool is_hit(const struct run *run, unsigned host)
{
    if (host != run->host || run->counted[host] < run->index)
        return false;
    return run->lasting || run->counted[host] == run->index;
}

static void configure(void *context, unsigned host, uint64_t boot, struct duet_config *config)
{
    struct run *run = context;
    (void)boot;
    config->paths_max = 8;
    config->connections_max = config->half_open_max = config->time_wait_max = 4;
    variants[run->variant].change(config);
    run->counted[host] += run->fault == NO_ENTROPY;
    if (run->fault == NO_ENTROPY && is_hit(run, host))
        memset(config->secret, 0, sizeof config->secret);
}

static void started(void *context, unsigned host, struct duet_stack *stack)
{
    const struct run *run = context;
    if (run->fault == NO_MEMORY && host == run->host)
        (void)duet_refuse_record(stack, run->index, run->lasting);
}

/* Ahead, and stalled: it stays ten seconds behind for good, of which the first ten stand still. */
static duet_time clock_of(void *context, unsigned host)
{
    struct run *run = context;
    if (run->fault != CLOCK_AHEAD && run->fault != CLOCK_STALLED)
        return 0;
    run->counted[host]++;
    if (host != run->host || run->counted[host] < run->index)
        return 0;
    if (run->fault == CLOCK_STALLED)
        return -10 * DUET_SECOND;
    return run->lasting ? 90 * INT64_C(86400) * DUET_SECOND : 20 * DUET_SECOND;
}

static duet_time lateness(void *context, unsigned host)
{
    const struct run *run = context;
    bool is_late = run->fault == TIMERS_LATE && host == run->host;
    return is_late ? (duet_time)run->index * 37 * DUET_MILLISECOND : 0;
}

static bool sends(void *context, unsigned host)
{
    struct run *run = context;
    if (run->fault != NO_LINK)
        return true;
    run->counted[host]++;
    return !is_hit(run, host);
}

/* Both users let go of everything, whatever came before; and time passes. */
static void let_go(struct duet_stack *s)
{
    uint8_t bytes[2048];
    struct duet_handle handle;
    struct duet_status status;
    struct duet_event event;
    uint64_t cursor = 0;
    duet_time now = s->now;
    while (duet_next_status(s, &cursor, &handle, &status))
        if (handle.generation != 0)
            (void)duet_abort(s, now, handle);
    for (unsigned i = 0; i < 10000; i++) {
        struct duet_packet packet = {.data = bytes, .size = sizeof bytes};
        while (duet_next_event(s, &event))
            continue;
        while (duet_output(s, now, &packet))
            continue;
        duet_time next = duet_deadline(s);
        if (next == DUET_NEVER)
            return;
        now = next > now ? next : now;
        duet_expire(s, now);
    }
}

static bool is_empty(const struct duet_stack *s)
{
    return s->conns.used == 0 && s->transfers.used == 0 && s->reassemblies.used == 0 &&
           s->accurate_ecn.used == 0 && ranges_used(&s->ranges) == 0 &&
           s->buffers.indexes.used == 0 && s->buffers.pages.used == 0 && s->demux.used == 0 &&
           s->wheel.count == 0 && s->counters.connections == 0 && s->counters.half_open == 0 &&
           s->counters.time_wait == 0;
}

static void ended(void *context, struct world *world)
{
    struct run *run = context;
    for (unsigned host = 0; host < WORLD_HOSTS; host++) {
        struct duet_stack *s = world_stack(world, host);
        if (run->fault == NO_FAULT)
            run->counted[host] = duet_refuse_record(s, 0, false);
        let_go(s);
        run->left |= !is_empty(s) || duet_check(s) != NULL;
    }
}

/* ---- one run ---- */

static void play(struct run *run)
{
    const struct world_hooks hooks = {.context = run,
                                      .configure = configure,
                                      .started = started,
                                      .clock = clock_of,
                                      .lateness = lateness,
                                      .sends = sends,
                                      .ended = ended,
                                      .turns_max = run->lasting ? 800 : 0};
    const struct duet_scenario_options options = {
        .seed = 1, .latency = 10 * DUET_MILLISECOND, .ipv6 = variants[run->variant].ipv6};
    struct duet_recorder *recorder;
    memset(run->counted, 0, sizeof run->counted);
    run->left = false;
    assert_int_equal(duet_recorder_new(&recorder), 0);
    (void)scenario_run(run->scenario, &options, &hooks, recorder, run->problem,
                       sizeof run->problem);
    duet_recorder_free(recorder);
}

static bool says(const struct run *run, const char *words)
{
    return strstr(run->problem, words) != NULL;
}

/* A RST is not sent again: where it is lost, the other end hears of it when it next speaks. */
static bool leans_on_a_reset(const struct scenario *scenario)
{
    return scenario >= scenarios_reset.scenarios &&
           scenario < scenarios_reset.scenarios + scenarios_reset.count;
}

/* The right bytes at both ends, or an error that a user was told. Where a failure lasts, a user may wait
 * for ever, or try again and again, as TCP without keep-alive does; that nothing is left once they let go
 * counts all the more. */
static bool ends_well(const struct run *run)
{
    if (run->left)
        return false;
    if (run->problem[0] == '\0' || says(run, " cannot "))
        return true;
    if (run->fault == NO_ENTROPY)
        return says(run, "the world cannot be made") || says(run, "does not start again");
    bool waits = says(run, "nothing more will happen");
    if (run->lasting)
        return waits || says(run, "turns of the world");
    return waits && leans_on_a_reset(run->scenario);
}

static void judge(const struct run *run)
{
    if (ends_well(run))
        return;
    print_error("%s, variant %s, scenario %s, host %u, index %llu, %s: %s%s\n"
                "INJECTION=%d/%u/%s/%u/%llu/%d\n",
                fault_names[run->fault], variants[run->variant].name, run->scenario->face.name,
                run->host, (unsigned long long)run->index, run->lasting ? "lasting" : "once",
                run->problem, run->left ? " (something is left)" : "", (int)run->fault,
                run->variant, run->scenario->face.name, run->host, (unsigned long long)run->index,
                run->lasting);
    fail();
}

/* ---- all of them ---- */

static const struct scenario *scenario_at(unsigned index)
{
    return (const struct scenario *)(const void *)duet_scenario(index);
}

struct tally {
    unsigned scenarios;
    unsigned long long runs, fine;
};

/* Plays it without a fault, to know how many indices there are; then with each. */
static void at_every_index(struct run *run, enum fault fault, bool lasting, struct tally *tally)
{
    const unsigned step = fault == CLOCK_AHEAD && lasting ? 7 : 1;
    run->fault = fault;
    run->lasting = lasting;
    for (run->host = 0; run->host < WORLD_HOSTS; run->host++) {
        uint64_t last = 1;
        for (run->index = 1; run->index <= last; run->index += step) {
            play(run);
            if (run->index == 1 && fault != NO_MEMORY)
                last = run->counted[run->host];
            judge(run);
            tally->runs++;
            tally->fine += run->problem[0] == '\0';
        }
    }
}

static void report(const char *what, const struct tally *tally)
{
    print_message("%s: %u scenarios, %llu runs, of which %llu told their story to the end\n", what,
                  tally->scenarios, tally->runs, tally->fine);
}

static void memory_refused(bool lasting, unsigned variants_played)
{
    struct tally tally = {0};
    for (unsigned v = 0; v < variants_played; v++) {
        for (unsigned i = 0; scenario_at(i) != NULL; i++) {
            struct run run = {.variant = v, .scenario = scenario_at(i)};
            play(&run);
            judge(&run);
            assert_string_equal(run.problem, "");
            uint64_t asked[WORLD_HOSTS];
            memcpy(asked, run.counted, sizeof asked);
            tally.scenarios++;
            run.fault = NO_MEMORY;
            run.lasting = lasting;
            for (run.host = 0; run.host < WORLD_HOSTS; run.host++) {
                for (run.index = 1; run.index <= asked[run.host]; run.index++) {
                    play(&run);
                    judge(&run);
                    tally.runs++;
                    tally.fine += run.problem[0] == '\0';
                }
            }
        }
    }
    report(lasting ? "memory, from then on" : "memory, once", &tally);
}

static void each_record_refused_once(void **state)
{
    (void)state;
    memory_refused(false, VARIANTS);
}

static void each_record_refused_from_then_on(void **state)
{
    (void)state;
    memory_refused(true, VARIANTS);
}

/* Each in two of the variants, which take turns. */
static void of_every_scenario(enum fault fault, bool lasting)
{
    struct tally tally = {0};
    for (unsigned i = 0; scenario_at(i) != NULL; i++) {
        for (unsigned more = 0; more < 2; more++) {
            struct run run = {.variant = (i + 2 * more) % VARIANTS, .scenario = scenario_at(i)};
            tally.scenarios++;
            at_every_index(&run, fault, lasting, &tally);
        }
    }
    report(fault_names[fault], &tally);
}

static void each_packet_lost_at_the_link(void **state)
{
    (void)state;
    of_every_scenario(NO_LINK, false);
    of_every_scenario(NO_LINK, true);
}

static void clock_jumps_at_each_door(void **state)
{
    (void)state;
    of_every_scenario(CLOCK_AHEAD, false);
    of_every_scenario(CLOCK_AHEAD, true);
}

static void clock_stalls_at_each_door(void **state)
{
    (void)state;
    of_every_scenario(CLOCK_STALLED, false);
}

/* By 37 ms, 74 ms, and so on up to five seconds. */
static void timers_run_late(void **state)
{
    (void)state;
    struct tally tally = {0};
    for (unsigned i = 0; scenario_at(i / 2) != NULL; i++) {
        struct run run = {.variant = (i / 2 + 2 * (i % 2)) % VARIANTS,
                          .scenario = scenario_at(i / 2),
                          .fault = TIMERS_LATE};
        tally.scenarios++;
        for (run.host = 0; run.host < WORLD_HOSTS; run.host++) {
            for (run.index = 1; run.index <= 128; run.index *= 2) {
                play(&run);
                judge(&run);
                tally.runs++;
                tally.fine += run.problem[0] == '\0';
            }
        }
    }
    report(fault_names[TIMERS_LATE], &tally);
}

static void host_starts_without_entropy(void **state)
{
    (void)state;
    of_every_scenario(NO_ENTROPY, false);
}

/* fault/variant/scenario/host/index/lasting */
static int play_one(const char *text)
{
    struct run run = {0};
    char name[64];
    int fault, lasting;
    unsigned long long index;
    if (sscanf(text, "%d/%u/%63[^/]/%u/%llu/%d", &fault, &run.variant, name, &run.host, &index,
               &lasting) != 6 ||
        duet_scenario_find(name) == NULL || run.variant >= VARIANTS)
        return 2;
    run.scenario = (const struct scenario *)(const void *)duet_scenario_find(name);
    run.fault = (enum fault)fault;
    run.index = index;
    run.lasting = lasting != 0;
    play(&run);
    printf("%s: \"%s\"%s\n", ends_well(&run) ? "well" : "badly", run.problem,
           run.left ? ", something is left" : "");
    return ends_well(&run) ? 0 : 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_record_refused_once),
        cmocka_unit_test(each_record_refused_from_then_on),
        cmocka_unit_test(each_packet_lost_at_the_link),
        cmocka_unit_test(clock_jumps_at_each_door),
        cmocka_unit_test(clock_stalls_at_each_door),
        cmocka_unit_test(timers_run_late),
        cmocka_unit_test(host_starts_without_entropy),
    };
    if (getenv("INJECTION") != NULL)
        return play_one(getenv("INJECTION"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
