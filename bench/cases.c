/* SPDX-License-Identifier: MIT */
/* The cases, and how one is measured: each engine opens what it needs, finds out how much it does in the
 * time of a round, then the engines take turns. What counts is the processor's time of this thread, so
 * that others who want the processor are not measured. */
#include "cases.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { BUFFER = 256 * 1024 };

#define SETUP(mtu_, sums_, connections_, time_wait_)                                               \
    {                                                                                              \
        .mtu = (mtu_), .checksums = (sums_), .connections = (connections_),                        \
        .time_wait = (time_wait_), .buffer = BUFFER                                                \
    }

const struct speed_case speed_cases[] = {
    {"bulk-1500", "one connection, MTU 1500", WORK_BULK, SETUP(1500, true, 1, 0), 1, 0, 4000, NULL,
     0},
    {"bulk-1500-nosum", "the same, no TCP checksums", WORK_BULK, SETUP(1500, false, 1, 0), 1, 0,
     1300, NULL, 0},
    {"bulk-65535", "one connection, MTU 65535", WORK_BULK, SETUP(65535, true, 1, 0), 1, 0, 1200,
     NULL, 0},
    {"bulk-65535-nosum", "the same, no TCP checksums", WORK_BULK, SETUP(65535, false, 1, 0), 1, 0,
     1200, NULL, 0},
    {"pingpong", "one byte there and back", WORK_EXCHANGE, SETUP(1500, true, 1, 0), 1, 1, 2300,
     NULL, 0},
    {"rr-1", "64 bytes there and back, 1 connection", WORK_EXCHANGE, SETUP(1500, true, 1, 0), 1, 64,
     0, NULL, 0},
    {"rr-1k", "a random one of 1,000", WORK_EXCHANGE, SETUP(1500, true, 1000, 0), 1000, 64, 0,
     "rr-1", 5},
    {"rr-10k", "a random one of 10,000", WORK_EXCHANGE, SETUP(1500, true, 10000, 0), 10000, 64, 0,
     "rr-1", 5},
    {"rr-100k", "a random one of 100,000", WORK_EXCHANGE, SETUP(1500, true, 100000, 0), 100000, 64,
     1000000, "rr-1", 5},
    {"rr-1M", "a random one of 1,000,000", WORK_EXCHANGE, SETUP(1500, true, 1000000, 0), 1000000,
     64, 0, "rr-1", 5},
    {"life", "whole connections, 64 bytes each way", WORK_LIFE, SETUP(1500, true, 1, 0), 0, 0, 1700,
     NULL, 0},
    {"life-idle", "the same beside 100,000 idle ones", WORK_LIFE, SETUP(1500, true, 100000, 0),
     100000, 0, 0, "life", 2},
    {"life-idle-1M", "the same beside 1,000,000 idle ones", WORK_LIFE,
     SETUP(1500, true, 1000000, 0), 1000000, 0, 0, "life", 2},
    {"life-full", "beside 100,000 idle and 100,000 in TIME-WAIT", WORK_LIFE,
     SETUP(1500, true, 100000, 100000), 100000, 0, 0, "life", 2},
};
const size_t speed_case_count = sizeof speed_cases / sizeof speed_cases[0];

static const uint64_t round_ns = 60000000;

static uint64_t thread_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Numbers that look random, the same for each engine. */
static uint32_t draw(uint64_t *state, uint32_t below)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(((*state >> 32) * below) >> 32);
}

struct player {
    struct engine *engine;
    uint64_t random;
    uint64_t amount; /* units in a round */
    uint32_t next;   /* connection of the next exchange */
};

/* With a random connection; the one after it is drawn already. */
static bool exchange(const struct speed_case *what, struct player *player)
{
    const uint32_t connection = player->next;

    player->next = draw(&player->random, what->open);
    if (player->engine->expect != NULL && what->open > 1)
        player->engine->expect(player->next);
    return player->engine->exchange(connection, what->bytes);
}

static bool work(const struct speed_case *what, struct player *player, uint64_t amount)
{
    if (what->work == WORK_BULK)
        return player->engine->bulk(amount);
    for (uint64_t i = 0; i < amount; i++) {
        bool good = what->work == WORK_LIFE ? player->engine->life() : exchange(what, player);

        if (!good)
            return false;
    }
    return true;
}

enum { WARM_UNITS = 10000, WARM_STEP = 100 };

/* Until all memory that the work needs has been touched, or for a quarter of a second. */
static bool warm_up(const struct speed_case *what, struct player *player)
{
    const uint64_t before = thread_time();

    for (unsigned i = 0; i < WARM_UNITS / WARM_STEP && what->work != WORK_BULK; i++) {
        if (!work(what, player, WARM_STEP))
            return false;
        if (thread_time() - before > 4 * round_ns)
            break;
    }
    return true;
}

/* More and more, until it takes long enough to tell how much a round is. */
static bool find_amount(const struct speed_case *what, struct player *player)
{
    uint64_t amount = what->work == WORK_BULK ? 1 << 20 : 4;

    for (;;) {
        const uint64_t before = thread_time();
        uint64_t taken;

        if (!work(what, player, amount))
            return false;
        taken = thread_time() - before;
        if (taken > round_ns / 8) {
            player->amount = amount * round_ns / taken + 1;
            return true;
        }
        amount *= 2;
    }
}

static bool open_all(const struct speed_case *what, struct player *player)
{
    struct engine *engine = player->engine;

    if (!engine->open(&what->setup) || !engine->connect(what->open))
        return false;
    for (uint32_t i = 0; i < what->setup.time_wait && engine->keeps_time_wait; i++)
        if (!engine->life())
            return false;
    return true;
}

bool speed_case_run(const struct speed_case *what, uint64_t amount, char *why, size_t size)
{
    struct player player = {.engine = engine_duet(), .random = 1};
    bool good;

    engine_pattern_make();
    good = open_all(what, &player) && work(what, &player, amount);
    if (!good)
        snprintf(why, size, "%s", player.engine->why);
    player.engine->close();
    return good;
}

static bool play(const struct speed_case *what, struct player *player, uint64_t *time)
{
    const uint64_t before = thread_time();

    if (!work(what, player, player->amount))
        return false;
    *time = (thread_time() - before) * 1000 / player->amount;
    return true;
}

static void give_up(struct player *player, unsigned i, struct case_result *result)
{
    snprintf(result->why[i], ENGINE_WHY, "%s", player->engine->why);
    result->measured[i] = false;
}

static struct engine *engine_of(enum case_engine number, char *why)
{
    switch (number) {
    case ENGINE_DUET:
        return engine_duet();
    case ENGINE_LWIP:
        return engine_lwip(why, ENGINE_WHY);
    case ENGINE_LOOPBACK:
    case ENGINE_VETH:
        return engine_kernel(number == ENGINE_VETH);
    case ENGINES:
        break;
    }
    return NULL;
}

void speed_case_measure(const struct speed_case *what, unsigned rounds, const bool asked[ENGINES],
                        struct case_result *result)
{
    struct player players[ENGINES];

    memset(result, 0, sizeof *result);
    engine_pattern_make();
    for (unsigned i = 0; i < ENGINES; i++)
        players[i] = (struct player){
            .engine = asked[i] ? engine_of((enum case_engine)i, result->why[i]) : NULL,
            .random = 1};
    result->rounds = rounds;
    for (unsigned i = 0; i < ENGINES; i++) {
        result->measured[i] = players[i].engine != NULL;
        if (players[i].engine != NULL &&
            !(open_all(what, &players[i]) && warm_up(what, &players[i]) &&
              find_amount(what, &players[i])))
            give_up(&players[i], i, result);
    }
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned i = 0; i < ENGINES; i++)
            if (result->measured[i] && players[i].engine != NULL &&
                !play(what, &players[i], &result->time[i][round]))
                give_up(&players[i], i, result);
    for (unsigned i = 0; i < ENGINES; i++)
        if (players[i].engine != NULL)
            players[i].engine->close();
}
