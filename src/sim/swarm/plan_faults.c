/* SPDX-License-Identifier: MIT */
/* Which faults are on, how often they strike packets, and the episodes that befall hosts.
 *
 * A world of the swarm has about half of the faults at rates of its own (Groce and others, "Swarm
 * testing", 2012: what is left out lets the rest show what it can do); a plain one has all of them
 * at usual rates. */
#include <errno.h>
#include <stdlib.h>

#include "sim/swarm/swarm.h"

enum { RATE_MOST = 100000, EPISODES_MOST = 8, FLAPS_MOST = 8 };

/* Hits in a million packets of a plain world. */
static const uint32_t usual_rates[SWARM_PACKET_FAULTS] = {
    [DUET_SIM_LOSS] = 10000,       [DUET_SIM_DUPLICATE] = 5000,   [DUET_SIM_REORDER] = 5000,
    [DUET_SIM_JITTER] = 20000,     [DUET_SIM_CORRUPT] = 2000,     [DUET_SIM_TRUNCATE] = 500,
    [DUET_SIM_PAD] = 2000,         [DUET_SIM_SPLIT] = 2000,       [DUET_SIM_MERGE] = 2000,
    [DUET_SIM_MARK] = 5000,        [DUET_SIM_INJECT_RST] = 1000,  [DUET_SIM_INJECT_SYN] = 1000,
    [DUET_SIM_INJECT_DATA] = 1000, [DUET_SIM_INJECT_ICMP] = 1000, [DUET_SIM_REPLAY] = 1000,
};

static bool is_off(const struct duet_sim_recipe *recipe, unsigned fault)
{
    return (recipe->faults_off >> fault & 1) != 0;
}

/* How often a fault strikes a packet, or for how many episodes a host is in for; 0: not at all. */
static uint32_t draw_rate(const struct duet_sim_recipe *recipe, unsigned fault)
{
    struct prng prng = luck_for(recipe->seed, LUCK_RATE, fault, 0);
    bool is_on = recipe->plain || luck_one_in(&prng, 2);
    bool is_packet_fault = fault < SWARM_PACKET_FAULTS;

    if (!is_on || is_off(recipe, fault))
        return 0;
    if (is_packet_fault)
        return recipe->plain ? usual_rates[fault] : (uint32_t)luck_scale(&prng, 50, RATE_MOST);
    return recipe->plain ? 1 : (uint32_t)luck_scale(&prng, 1, EPISODES_MOST);
}

/* ---- episodes ---- */

static duet_time draw_length(struct prng *prng, enum duet_sim_fault fault)
{
    const duet_time ms = DUET_MILLISECOND;

    if (fault == DUET_SIM_BURST_LOSS)
        return (duet_time)luck_scale(prng, 1, 2000) * ms;
    if (fault == DUET_SIM_CLOCK_STALL || fault == DUET_SIM_LATE_TIMERS || fault == DUET_SIM_STALL)
        return (duet_time)luck_scale(prng, 10, 60000) * ms;
    return (duet_time)luck_scale(prng, 10, 600000) * ms;
}

static bool add_episode(struct plan *plan, const struct episode *episode)
{
    struct episode *episodes;

    if ((plan->episode_count & (plan->episode_count - 1)) == 0) {
        size_t room = plan->episode_count == 0 ? 1 : 2 * plan->episode_count;

        episodes = realloc(plan->episodes, room * sizeof *episodes);
        if (episodes == NULL)
            return false;
        plan->episodes = episodes;
    }
    plan->episodes[plan->episode_count++] = *episode;
    return true;
}

static bool is_wanted(const struct duet_sim_recipe *recipe, const struct episode *episode)
{
    if (!recipe->has_hits)
        return true;
    for (uint32_t i = 0; i < recipe->hit_count; i++) {
        const struct duet_sim_hit *hit = &recipe->hits[i];

        if (hit->fault == episode->fault && hit->host == episode->host &&
            hit->number == episode->number)
            return true;
    }
    return false;
}

/* A link that flaps is down in the first half of each part of the time. */
static bool add_episodes(struct plan *plan, const struct episode *episode)
{
    unsigned parts = episode->fault == DUET_SIM_FLAP ? 2 + episode->strength % FLAPS_MOST : 1;
    duet_time part = (episode->end - episode->begin) / parts;

    for (unsigned i = 0; i < parts; i++) {
        struct episode one = *episode;

        one.begin += part * i;
        one.end = one.begin + (parts == 1 ? part : part / 2);
        if (!add_episode(plan, &one))
            return false;
    }
    return true;
}

static bool plan_episodes(const struct duet_sim_recipe *recipe, struct plan *plan,
                          enum duet_sim_fault fault, uint32_t most)
{
    for (unsigned host = 0; host < plan->host_count; host++) {
        struct prng prng = luck_for(recipe->seed, LUCK_EPISODE, fault, host);
        uint32_t count = (uint32_t)prng_below(&prng, most + 1);

        for (uint32_t number = 0; number < count; number++) {
            struct episode episode = {.fault = fault, .host = (uint8_t)host, .number = number};

            episode.begin = (duet_time)prng_below(&prng, (uint64_t)plan->span);
            episode.end = episode.begin + draw_length(&prng, fault);
            episode.strength = prng_next(&prng);
            if (is_wanted(recipe, &episode) && !add_episodes(plan, &episode))
                return false;
        }
    }
    return true;
}

int plan_faults(const struct duet_sim_recipe *recipe, struct plan *plan)
{
    for (unsigned fault = 0; fault < DUET_SIM_FAULTS; fault++) {
        uint32_t rate = draw_rate(recipe, fault);

        if (fault < SWARM_PACKET_FAULTS) {
            plan->rates[fault] = rate;
        } else if (!plan_episodes(recipe, plan, fault, rate)) {
            errno = ENOMEM;
            return -1;
        }
    }
    return 0;
}
