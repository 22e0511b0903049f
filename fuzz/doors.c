/* SPDX-License-Identifier: MIT */
/* Fuzzer of the doors: a byte string becomes packets, time and user calls at two stacks with a network between them
 * (fuzz/doors/doors.h says what must hold). The first bytes choose the configurations; after that one byte is a step, its
 * highest bit the end that takes it, and what follows are the numbers that the step needs. */
#include "doors/doors.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ADDRESS_SANITIZER 1
#endif
#endif
#ifdef HAS_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size)   ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

#include <stdalign.h>

static alignas(64) uint8_t blocks[ENDS][BLOCK_MAX];

void expect_sound(const struct end *end)
{
    const char *broken = duet_check(end->stack);
    if (broken != NULL)
        fuzz_failed(broken, __FILE__, __LINE__);
}

void pass(struct world *w, duet_time now)
{
    w->now = now;
    for (unsigned e = 0; e < ENDS; e++) {
        duet_expire(w->ends[e].stack, now);
        const duet_time deadline = duet_deadline(w->ends[e].stack);
        EXPECT(deadline == DUET_NEVER || deadline > now); /* I-33 */
    }
}

/* ---- beginning ---- */

static void set_capacities(struct duet_config *config, uint8_t how)
{
    config->connections_max = 1 + how % 4u;
    config->half_open_max = 1 + how / 4 % 3u;
    config->time_wait_max = 1 + how / 8 % 3u;
    config->transfers_max = 1 + how / 2 % 4u;
    config->reassemblies_max = 1 + how / 16 % 2u;
    config->accurate_ecn_max = how / 32 % 3u;
    config->ranges_max = 1 + how % 7u;
    config->listeners_max = 2;
    config->replies_max = 1 + how / 4 % 4u;
    config->paths_max = 1 + how / 128u;
    config->pages_max = how >= 64 ? 24 : 6;
    config->page_size = 512;
    config->send_buffer = how % 2 == 0 ? 3000 : 8000;
    config->receive_buffer = how / 2 % 2 == 0 ? 2500 : 200000;
    config->send_buffer_initial = 2000;
    config->receive_buffer_initial = 2000;
}

static void set_switches(struct duet_config *config, uint8_t how, uint8_t more, uint8_t last)
{
    config->timestamps = (how & 1) == 0;
    config->sack = (how & 2) == 0;
    config->window_scaling = (how & 4) == 0;
    config->rack = (how & 8) == 0;
    config->pacing = (how & 16) == 0;
    config->plpmtud = (how & 32) == 0;
    config->hystart = (how & 64) == 0;
    config->controller = (how & 128) == 0 ? DUET_CUBIC : DUET_NEWRENO;
    config->ecn = more & 3;
    config->time_wait_rst = (more & 4) != 0;
    config->rto_restart = (more & 8) != 0;
    config->empty_window_probes = (more & 16) != 0;
    config->user_timeout_option = (more & 32) != 0;
    config->autotune = (more & 64) == 0;
    config->error_reports = (more & 128) == 0;
    config->offload = last & 15;
    config->trace_events = talk_is_on() ? 1000 : (last & 16) != 0 ? 8 : 0;
    config->rttvar_min = (last & 32) != 0 ? 200 * DUET_MILLISECOND : 0;
    config->mtu_initial = (last & 64) != 0 ? 1024 : 0;
    config->ttl = (last & 128) != 0 ? 64 : 63; /* odd: the link delivers large packets whole */
    config->initial_window = (last & 64) != 0 ? 2 : 10;
    config->quick_acks = (last & 128) != 0 ? 0 : 16;
    config->watch = true;
}

static void start_end(struct world *w, unsigned at, bool six)
{
    struct end *end = &w->ends[at];
    struct duet_config *config = &end->config;
    duet_config_default(config);
    for (unsigned i = 0; i < DUET_SECRET_SIZE; i++)
        config->secret[i] = (uint8_t)(i * 5 + 1 + at);
    const uint8_t last = (uint8_t)(1 + at);
    end->address = six ? (struct duet_address){{0xfd, [15] = last}} : duet_ipv4(10, 0, 0, last);
    config->interfaces[0] = (struct duet_interface){end->address, six ? 64 : 24};
    config->interface_count = 1;
    config->mtu = six ? 1400 : 600;
    config->packet_max = 3000;
    const uint8_t capacities = take8(&w->input), how = take8(&w->input), more = take8(&w->input);
    set_capacities(config, capacities);
    set_switches(config, how, more, take8(&w->input));
    if (w->heals) /* else one that talks to nobody keeps the others waiting for minutes */
        config->transfers_max = config->connections_max;
    if (w->heals && w->forgers)
        config->user_timeout_max = PATIENCE;

    end->size = duet_stack_footprint(config);
    end->block = blocks[at];
    EXPECT(end->size > 0 && end->size <= BLOCK_MAX);
    ASAN_UNPOISON_MEMORY_REGION(blocks[at], BLOCK_MAX);
    memset(end->block, 0xbe, end->size); /* what was there before must not matter */
    ASAN_POISON_MEMORY_REGION(end->block + end->size, BLOCK_MAX - end->size);
    EXPECT(duet_stack_init(end->block, end->size, config, &end->stack) == DUET_OK);
    memset(end->slots, 0, sizeof end->slots);
    end->lent_count = 0;
    end->lent_room = LENT_ROOM;
}

/* ---- steps ---- */

static void wait(struct world *w, unsigned at)
{
    const uint8_t how = take8(&w->input);
    duet_time deadline = duet_deadline(w->ends[at].stack);
    if (how < 96 && deadline != DUET_NEVER && deadline > w->now)
        pass(w, deadline);
    else if (how < 192)
        pass(w, w->now + (how % 96) * DUET_MILLISECOND);
    else
        pass(w, w->now + (how - 191) * DUET_SECOND);
}

/* A packet arrives twice, the second time at the same stack brought back to before (I-60). */
static void deliver_again(struct world *w, unsigned to)
{
    static uint8_t before[BLOCK_MAX], after[BLOCK_MAX];
    struct end *end = &w->ends[to];
    if (end->flying_count == 0)
        return;
    memcpy(before, end->block, end->size);
    network_deliver(w, to, 0, true);
    memcpy(after, end->block, end->size);
    memcpy(end->block, before, end->size);
    network_deliver(w, to, 0, false);
    EXPECT(memcmp(after, end->block, end->size) == 0);
}

static void forge(struct world *w, unsigned to, unsigned kind)
{
    const uint8_t index = kind == 2 ? take8(&w->input) % FLYING_MAX : 0;
    if (!w->forgers)
        return;
    if (kind < 2)
        forge_segment(w, to);
    else if (kind == 2)
        forge_change(w, to, index);
    else if (kind == 3)
        forge_icmp(w, to);
    else
        forge_bytes(w, to);
}

static enum user_call some_call(unsigned kind, unsigned number)
{
    static const enum user_call calls[] = {
        USER_SEND,    USER_SEND,   USER_RECEIVE,       USER_RECEIVE,          USER_LISTEN,
        USER_CONNECT, USER_ACCEPT, USER_SEND_IN_PLACE, USER_SHUTDOWN,         USER_CLOSE,
        USER_ABORT,   USER_SET,    USER_ASK,           USER_RECEIVE_IN_PLACE, USER_CONNECT_LISTENER,
    };
    const enum user_call call = calls[kind % (sizeof calls / sizeof calls[0])];
    return call == USER_SEND && number == 1 ? USER_SEND_LENT : call;
}

static void step(struct world *w)
{
    const uint8_t byte = take8(&w->input);
    const unsigned at = byte >> 7, kind = byte & 31, number = byte >> 5 & 3;
    talk(w, at, "step %u, %u", kind, number);
    if (kind < 3)
        (void)network_output(w, at, 1 + number);
    else if (kind < 6)
        network_deliver(w, at, number % 2, number >= 2);
    else if (kind == 6)
        (void)network_exchange(w, 1 + number);
    else if (kind == 7)
        network_lose(w, at, number);
    else if (kind < 13)
        forge(w, at, kind - 8);
    else if (kind < 15)
        wait(w, at);
    else if (kind == 15)
        number == 0   ? deliver_again(w, at)
        : number == 1 ? user_stale_call(w, at)
                      : user_take_events(w, at);
    else
        user_call(w, at, some_call(kind - 16, number));
    const bool is_of_both = kind == 6 || kind == 13 || kind == 14; /* packets exchanged, time */
    for (unsigned e = 0; e < ENDS; e++) {
        talk_trace(w, e);
        if (is_of_both || e == at)
            expect_sound(&w->ends[e]);
    }
}

/* ---- the end ---- */

static duet_time next_deadline(const struct world *w)
{
    const duet_time a = duet_deadline(w->ends[0].stack), b = duet_deadline(w->ends[1].stack);
    return a < b ? a : b;
}

static void expect_nothing_left(const struct end *end)
{
    struct duet_counters counters;
    duet_counters(end->stack, &counters);
    EXPECT(counters.connections == 0);
    EXPECT(counters.half_open == 0);
    EXPECT(counters.time_wait == 0);
    EXPECT(counters.listeners == 0);
    EXPECT(counters.pages_used == 0);
}

/* From now on the network is kind and the users close all: in the end nothing is left (I-65). */
static void heal(struct world *w)
{
    for (unsigned round = 0;; round++) {
        EXPECT(round < 600);
        (void)network_exchange(w, 20);
        for (unsigned e = 0; e < ENDS; e++) {
            user_finish(w, e);
            talk_trace(w, e);
            expect_sound(&w->ends[e]);
        }
        if (network_exchange(w, 20))
            continue;
        const duet_time deadline = next_deadline(w);
        if (deadline == DUET_NEVER)
            break;
        talk(w, 0, "heals, round %u", round);
        pass(w, deadline);
    }
    for (unsigned e = 0; e < ENDS; e++)
        expect_nothing_left(&w->ends[e]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    w.input = (struct input){data, data + size};
    w.now = 0;
    const uint8_t world = take8(&w.input);
    w.forgers = (world & 1) != 0;
    w.heals = (world & 6) == 0;
    network_start(&w);
    for (unsigned e = 0; e < ENDS; e++)
        start_end(&w, e, (world & 8) != 0);
    while (w.input.at < w.input.end)
        step(&w);
    if (!w.forgers)
        users_agree(&w);
    if (w.heals)
        heal(&w);
    return 0;
}
