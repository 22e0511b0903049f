/* SPDX-License-Identifier: MIT */
/* All of a stack's state lies in its block: copied away and back it goes on as it was, bit for bit,
 * and the same inputs make the same outputs, whatever was in the memory before. Two stacks talk over
 * a wire that loses and repeats packets, their users do everything at random; every packet, event,
 * result and trace event is written to a log. */
#include "unit.h"

#include <stdlib.h>

#include "base/prng.h"
#include "duet/trace.h"

enum { NODES = 2, HANDLES = 8, WIRE = 64, PACKET = 1500, STEPS = 6000 };

struct packet {
    uint8_t bytes[PACKET];
    uint32_t length;
};

/* Everything outside of the blocks, so that it can be copied, too. */
struct outside {
    struct prng prng;
    duet_time now;
    uint64_t hash; /* of the log so far */
    struct duet_handle handles[NODES][HANDLES];
    struct duet_handle listener;
    struct packet wire[NODES][WIRE]; /* on the way to a node */
    uint32_t waiting[NODES];
};

struct world {
    uint8_t *blocks[NODES];
    size_t sizes[NODES];
    struct duet_stack *stacks[NODES];
    struct outside outside;
    uint64_t log[STEPS]; /* the hash after each step */
};

/* ---- start and end ---- */

static void node_config(struct duet_config *config, unsigned node)
{
    duet_config_default(config);
    for (unsigned i = 0; i < DUET_SECRET_SIZE; i++)
        config->secret[i] = (uint8_t)(i * 5 + node);
    config->interfaces[0] = (struct duet_interface){duet_ipv4(10, 0, 0, (uint8_t)(node + 1)), 24};
    config->interface_count = 1;
    config->connections_max = 6;
    config->half_open_max = 1 + 3 * (node == 0); /* SYN cookies, too */
    config->time_wait_max = 3;
    config->transfers_max = 4;
    config->reassemblies_max = 2;
    config->ranges_max = 8;
    config->listeners_max = 2;
    config->replies_max = 8;
    config->replies_per_second = 3;
    config->pages_max = 40;
    config->page_size = 512;
    config->send_buffer = 8000;
    config->receive_buffer = node == 0 ? 6000 : 100000;
    config->msl = 2 * DUET_SECOND;
    config->trace_events = 128;
    config->watch = true;
}

static void listen_on_second(struct world *w)
{
    const struct duet_listen_options options = {.local = {.port = 80}, .backlog = 2};
    assert_int_equal(duet_listen(w->stacks[1], 0, &options, &w->outside.listener), DUET_OK);
}

/* rubbish: what the memory holds before init. */
static struct world *world_new(uint64_t seed, int rubbish)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    for (unsigned node = 0; node < NODES; node++) {
        struct duet_config config;
        node_config(&config, node);
        w->sizes[node] = duet_stack_footprint(&config);
        w->blocks[node] = malloc(w->sizes[node]);
        assert_non_null(w->blocks[node]);
        memset(w->blocks[node], rubbish, w->sizes[node]);
        assert_int_equal(
            duet_stack_init(w->blocks[node], w->sizes[node], &config, &w->stacks[node]), DUET_OK);
    }
    prng_seed(&w->outside.prng, seed);
    listen_on_second(w);
    return w;
}

static void world_free(struct world *w)
{
    free(w->blocks[0]);
    free(w->blocks[1]);
    free(w);
}

static uint32_t below(struct world *w, uint64_t limit)
{
    return (uint32_t)prng_below(&w->outside.prng, limit);
}

/* ---- the log (FNV-1a) ---- */

static void log_bytes(struct world *w, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++)
        w->outside.hash = (w->outside.hash ^ at[i]) * UINT64_C(0x100000001b3);
}

static void log_number(struct world *w, int64_t number)
{
    log_bytes(w, &number, sizeof number);
}

/* ---- the wire ---- */

static void put_on_wire(struct world *w, unsigned to, const struct duet_packet *packet)
{
    struct outside *o = &w->outside;
    const uint32_t copies = below(w, 12) == 0 ? 0 : below(w, 20) == 0 ? 2 : 1;
    for (uint32_t i = 0; i < copies && o->waiting[to] < WIRE; i++) {
        struct packet *slot = &o->wire[to][o->waiting[to]++];
        memcpy(slot->bytes, packet->data, packet->length);
        slot->length = packet->length;
    }
}

static void take_outputs(struct world *w, unsigned node)
{
    uint8_t room[PACKET];
    struct duet_event event;
    struct duet_trace_event trace;
    struct duet_packet packet = {.data = room, .size = sizeof room};
    while (duet_output(w->stacks[node], w->outside.now, &packet)) {
        log_number(w, packet.length);
        log_bytes(w, packet.data, packet.length);
        put_on_wire(w, 1 - node, &packet);
    }
    while (duet_next_event(w->stacks[node], &event)) {
        log_number(w, event.handle.index);
        log_number(w, event.handle.generation);
        log_number(w, event.bits);
        log_number(w, event.error);
        log_number(w, event.outcome.rule);
        log_number(w, (int64_t)event.outcome.bytes_unacknowledged);
        log_number(w, (int64_t)event.outcome.bytes_unread);
    }
    while (duet_next_trace(w->stacks[node], &trace))
        log_bytes(w, &trace, sizeof trace);
    log_number(w, duet_deadline(w->stacks[node]));
}

/* Mostly the oldest packet, at times another one. */
static void deliver(struct world *w, unsigned node)
{
    struct outside *o = &w->outside;
    if (o->waiting[node] == 0)
        return;
    const uint32_t i = below(w, 8) == 0 ? below(w, o->waiting[node]) : 0;
    struct packet arrived = o->wire[node][i];
    const struct duet_packet packet = {
        .data = arrived.bytes, .size = PACKET, .length = arrived.length};
    o->waiting[node]--;
    memmove(&o->wire[node][i], &o->wire[node][i + 1],
            (o->waiting[node] - i) * sizeof o->wire[node][0]);
    duet_input(w->stacks[node], o->now, &packet);
}

/* ---- the users ---- */

static void call(struct world *w, unsigned node)
{
    static uint8_t bytes[4000];
    struct outside *o = &w->outside;
    struct duet_stack *s = w->stacks[node];
    struct duet_handle *h = &o->handles[node][below(w, HANDLES)];
    const struct duet_connect_options options = {.remote = {duet_ipv4(10, 0, 0, 2), 80}};
    switch (below(w, 24)) {
    case 0:
        if (node == 0)
            log_number(w, duet_connect(s, o->now, &options, h));
        break;
    case 1:
        log_number(w, duet_shutdown(s, o->now, *h));
        break;
    case 2:
        log_number(w, duet_close(s, o->now, *h));
        break;
    case 3:
        if (below(w, 4) == 0)
            log_number(w, duet_abort(s, o->now, *h));
        break;
    case 4:
        log_number(w, duet_set(s, o->now, *h, (enum duet_option)below(w, DUET_OPTION_ECN + 1),
                               below(w, 3000)));
        break;
    case 5:
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
        memset(bytes, (int)below(w, 256), sizeof bytes);
        log_number(w, duet_send(s, o->now, *h, bytes, below(w, sizeof bytes), below(w, 4)));
        break;
    default: {
        const int64_t n = duet_receive(s, o->now, *h, bytes, below(w, sizeof bytes));
        log_number(w, n);
        log_bytes(w, bytes, n > 0 ? (size_t)n : 0);
        break;
    }
    }
    if (node == 1)
        log_number(w, duet_accept(s, o->now, o->listener, h, NULL));
}

static void step(struct world *w)
{
    static const duet_time pauses[] = {DUET_MICROSECOND, DUET_MILLISECOND, 40 * DUET_MILLISECOND,
                                       DUET_SECOND};
    const unsigned node = below(w, NODES);
    switch (below(w, 10)) {
    case 0:
    case 1:
    case 2:
    case 3:
        deliver(w, node);
        break;
    case 4:
    case 5:
    case 6:
        call(w, node);
        break;
    case 7:
        w->outside.now += (duet_time)below(w, (uint64_t)pauses[below(w, COUNT_OF(pauses))]);
        break;
    default:
        duet_expire(w->stacks[node], w->outside.now);
        break;
    }
    take_outputs(w, 0);
    take_outputs(w, 1);
}

static void run(struct world *w, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        step(w);
        w->log[i] = w->outside.hash;
    }
}

static unsigned rules_seen(const struct world *w)
{
    unsigned seen = 0;
    for (unsigned rule = 1; rule < duet_rule_count(); rule++)
        seen += duet_rule_hits(w->stacks[0], rule) > 0 || duet_rule_hits(w->stacks[1], rule) > 0;
    return seen;
}

static void expect_same_log(const struct world *a, const struct world *b, unsigned from)
{
    for (unsigned i = from; i < STEPS; i++) {
        if (a->log[i] != b->log[i])
            print_error("step %u is the first that differs\n", i);
        EXPECT("log", a->log[i] == b->log[i]);
    }
}

/* ---- the tests ---- */

static void same_inputs_same_trace(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct world *a = world_new(seed, 0), *b = world_new(seed, 0xa5);
        run(a, 0, STEPS);
        run(b, 0, STEPS);
        expect_same_log(a, b, 0);
        EXPECT("much has happened", rules_seen(a) >= 40);
        world_free(a);
        world_free(b);
    }
}

/* Another seed makes another log, or the comparison would compare nothing. */
static void other_inputs_another_trace(void **state)
{
    (void)state;
    struct world *a = world_new(1, 0), *b = world_new(2, 0);
    run(a, 0, STEPS);
    run(b, 0, STEPS);
    EXPECT("log", a->log[STEPS - 1] != b->log[STEPS - 1]);
    world_free(a);
    world_free(b);
}

struct copy {
    uint8_t *blocks[NODES];
    struct outside outside;
};

static void copy_away(const struct world *w, struct copy *copy)
{
    for (unsigned node = 0; node < NODES; node++) {
        copy->blocks[node] = malloc(w->sizes[node]);
        assert_non_null(copy->blocks[node]);
        memcpy(copy->blocks[node], w->blocks[node], w->sizes[node]);
    }
    copy->outside = w->outside;
}

static void copy_back(struct world *w, const struct copy *copy)
{
    for (unsigned node = 0; node < NODES; node++)
        memcpy(w->blocks[node], copy->blocks[node], w->sizes[node]);
    w->outside = copy->outside;
}

static void copy_free(struct copy *copy)
{
    free(copy->blocks[0]);
    free(copy->blocks[1]);
}

/* Back to a moment, twice, from different futures: the same future follows each time, and at its end
 * the blocks are equal in every byte. */
static void copied_away_and_back(void **state)
{
    (void)state;
    static struct copy start, end, again;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        for (unsigned moment = 1; moment < STEPS - 1000; moment += 1499) {
            struct world *a = world_new(seed, 0x5a), *b = calloc(1, sizeof *b);
            assert_non_null(b);
            run(a, 0, moment);
            copy_away(a, &start);
            run(a, moment, STEPS);
            copy_away(a, &end);
            memcpy(b->log, a->log, sizeof b->log);

            copy_back(a, &start); /* another future first */
            prng_seed(&a->outside.prng, seed + 100);
            run(a, moment, STEPS);
            EXPECT("another future", a->log[STEPS - 1] != b->log[STEPS - 1]);

            copy_back(a, &start);
            run(a, moment, STEPS);
            copy_away(a, &again);
            expect_same_log(a, b, moment);
            for (unsigned node = 0; node < NODES; node++)
                EXPECT_BYTES("block", again.blocks[node], end.blocks[node], a->sizes[node]);
            copy_free(&start);
            copy_free(&end);
            copy_free(&again);
            world_free(a);
            free(b);
        }
    }
}

/* ---- snapshots ---- */

struct packed {
    uint8_t *bytes[NODES];
    struct outside outside;
};

static void pack(const struct world *w, struct packed *packed)
{
    for (unsigned node = 0; node < NODES; node++) {
        const size_t most = duet_snapshot_size(w->stacks[node]);
        packed->bytes[node] = malloc(most);
        assert_non_null(packed->bytes[node]);
        const size_t size = duet_snapshot(w->stacks[node], packed->bytes[node]);
        EXPECT("size", size > 0 && size <= most);
        packed->bytes[node] = realloc(packed->bytes[node], size); /* no byte beyond it is read */
        assert_non_null(packed->bytes[node]);
    }
    packed->outside = w->outside;
}

static void unpack(struct world *w, const struct packed *packed)
{
    for (unsigned node = 0; node < NODES; node++) {
        duet_restore(w->stacks[node], packed->bytes[node]);
        const char *broken = duet_check(w->stacks[node]);
        if (broken != NULL)
            print_error("%s\n", broken);
        EXPECT("sound", broken == NULL);
    }
    w->outside = packed->outside;
}

/* What a snapshot leaves out decides nothing: back from another future, and from another moment, the
 * same future follows, invariants from one door to the next with it. */
static void snapshot_and_back(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        for (unsigned moment = 1; moment < STEPS - 3000; moment += 1187) {
            static struct packed start;
            struct world *a = world_new(seed, 0x5a), *b = calloc(1, sizeof *b);
            assert_non_null(b);
            run(a, 0, moment);
            pack(a, &start);
            run(a, moment, STEPS);
            memcpy(b->log, a->log, sizeof b->log);
            for (unsigned other = 1; other <= 3; other++) {
                unpack(a, &start);
                prng_seed(&a->outside.prng, seed + 100 * other);
                run(a, moment, STEPS - 1000 * other);
                unpack(a, &start);
                run(a, moment, STEPS);
                expect_same_log(a, b, moment);
            }
            free(start.bytes[0]);
            free(start.bytes[1]);
            world_free(a);
            free(b);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_inputs_same_trace),
        cmocka_unit_test(other_inputs_another_trace),
        cmocka_unit_test(copied_away_and_back),
        cmocka_unit_test(snapshot_and_back),
    };
    return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
