/* SPDX-License-Identifier: MIT */
/* What the seed chooses before anything happens: how many hosts, which configurations, who talks to
 * whom about what, and when the network heals. Each choice has luck of its own (luck.h), so that a
 * recipe can leave connections out and the others stay what they were.
 *
 * Choices are bounded so that nobody breaks a promise that TCP builds on: no packet is older than
 * the segment lifetime (MSL) of any host. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/swarm/swarm.h"

enum {
    SESSIONS_MOST = 2000,
    CONNECTIONS_SPARE = 16,
    SMALL = 32,
    TRACE_EVENTS = 4096,
    PAGES_MOST = 1 << 14,
    BYTES_COMMON = 16 * 1024,
    BYTES_MIDDLE = 256 * 1024,
    BYTES_MOST = 4 * 1024 * 1024,
};

/* ---- the world ---- */

static unsigned draw_hosts(struct prng *prng)
{
    switch (prng_below(prng, 8)) {
    case 0:
        return (unsigned)luck_between(prng, 9, SWARM_HOSTS_MAX);
    case 1:
    case 2:
        return (unsigned)luck_between(prng, 3, 8);
    default:
        return 2;
    }
}

static uint32_t draw_mtu(struct prng *prng, bool ipv6)
{
    switch (prng_below(prng, 8)) {
    case 0:
        return ipv6 ? 1280 : 576;
    case 1:
        return 9000;
    case 2:
        return (uint32_t)luck_between(prng, ipv6 ? 1280 : 576, 1500);
    default:
        return 1500;
    }
}

int plan_make(const struct duet_sim_recipe *recipe, struct plan *plan)
{
    struct prng prng = luck_for(recipe->seed, LUCK_WORLD, 0, 0);

    *plan = (struct plan){0};
    plan->host_count = draw_hosts(&prng);
    plan->session_count = (uint32_t)luck_scale(&prng, 1, SESSIONS_MOST);
    plan->ipv6 = luck_one_in(&prng, 3);
    plan->mtu = draw_mtu(&prng, plan->ipv6);
    plan->span = (duet_time)luck_scale(&prng, 1, 7200) * DUET_SECOND;
    plan->heal_at = plan->span;
    if (recipe->heal_at != 0 && recipe->heal_at < plan->heal_at)
        plan->heal_at = recipe->heal_at;
    return plan_faults(recipe, plan);
}

void plan_free(struct plan *plan)
{
    free(plan->episodes);
    plan->episodes = NULL;
}

/* ---- hosts ---- */

static uint32_t one_of(struct prng *prng, const uint32_t *choices, size_t count)
{
    return choices[prng_below(prng, count)];
}

#define ONE_OF(prng, ...)                                                                          \
    one_of(prng, (const uint32_t[]){__VA_ARGS__},                                                  \
           sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void draw_times(struct prng *prng, struct duet_config *config)
{
    config->msl = ONE_OF(prng, 10, 30, 120, 120) * DUET_SECOND;
    config->rto_min = ONE_OF(prng, 10, 200, 200, 1000) * DUET_MILLISECOND;
    config->rto_max = ONE_OF(prng, 60, 120) * DUET_SECOND;
    config->delayed_ack = ONE_OF(prng, 1, 40, 200, 490) * DUET_MILLISECOND;
    config->user_timeout = ONE_OF(prng, 100, 300, 300, 1200) * DUET_SECOND;
    config->keepalive_interval = ONE_OF(prng, 10, 75) * DUET_SECOND;
    config->keepalive_probes = ONE_OF(prng, 2, 9);
    config->fin_wait_2_timeout = ONE_OF(prng, 10, 60) * DUET_SECOND;
    config->syn_ack_retries = (uint8_t)ONE_OF(prng, 3, 5, 7);
}

static void draw_switches(struct prng *prng, struct duet_config *config)
{
    config->timestamps = !luck_one_in(prng, 4);
    config->window_scaling = !luck_one_in(prng, 4);
    config->sack = !luck_one_in(prng, 4);
    config->autotune = !luck_one_in(prng, 2);
    config->rack = !luck_one_in(prng, 4);
    config->pacing = !luck_one_in(prng, 4);
    config->rto_restart = luck_one_in(prng, 4);
    config->time_wait_rst = luck_one_in(prng, 4);
    config->plpmtud = !luck_one_in(prng, 4);
    config->hystart = !luck_one_in(prng, 4);
    config->controller = luck_one_in(prng, 2) ? DUET_NEWRENO : DUET_CUBIC;
    config->empty_window_probes = luck_one_in(prng, 4);
    config->user_timeout_option = luck_one_in(prng, 4);
    config->ecn = (uint8_t)ONE_OF(prng, DUET_ECN_OFF, DUET_ECN_ANSWER, DUET_ECN_REQUEST,
                                  DUET_ECN_REQUEST_ACCURATE);
    config->initial_window = (uint8_t)ONE_OF(prng, 1, 2, 4, 10, 10);
    config->quick_acks = (uint8_t)ONE_OF(prng, 0, 16, 255);
    config->mtu_initial = luck_one_in(prng, 4) ? 1024 : 0;
    if (!luck_one_in(prng, 4))
        config->offload = DUET_OFFLOAD_CHECKSUM_OUT | DUET_OFFLOAD_CHECKSUM_IN;
    if (luck_one_in(prng, 4))
        config->offload |= DUET_OFFLOAD_PACE;
}

static void draw_buffers(struct prng *prng, struct duet_config *config)
{
    config->send_buffer = (uint32_t)luck_scale(prng, 1024, 1 << 20);
    config->receive_buffer = (uint32_t)luck_scale(prng, 1024, 1 << 20);
    config->send_buffer_initial = (uint32_t)luck_scale(prng, 1024, 64 * 1024);
    config->receive_buffer_initial = (uint32_t)luck_scale(prng, 1024, 64 * 1024);
    config->page_size = ONE_OF(prng, 512, 2048, 4096);
}

/* Enough for everybody, as far as memory goes. */
static void draw_capacities(const struct swarm *w, struct prng *prng, struct duet_config *config)
{
    uint32_t connections =
        min_u32(w->plan.session_count, 4 * w->plan.session_count / w->plan.host_count) +
        CONNECTIONS_SPARE;
    uint64_t pages = (uint64_t)connections *
                     ((config->send_buffer + config->receive_buffer) / config->page_size + 4);

    config->connections_max = config->transfers_max = connections;
    config->reassemblies_max = connections;
    config->half_open_max = config->time_wait_max = connections;
    config->accurate_ecn_max = (uint32_t)luck_between(prng, 0, connections);
    config->ranges_max = 16 * connections;
    config->listeners_max = 4;
    config->replies_max = 2 * SMALL;
    config->paths_max = SWARM_HOSTS_MAX;
    config->pages_max = pages > PAGES_MOST ? PAGES_MOST : (uint32_t)pages;
}

/* EXHAUSTION: too little of each with a chance of a half. What one connection needs is there. */
static void make_scarce(struct prng *prng, struct duet_config *config)
{
    uint32_t *const capacities[] = {
        &config->connections_max, &config->transfers_max, &config->reassemblies_max,
        &config->half_open_max,   &config->time_wait_max, &config->ranges_max,
        &config->replies_max,     &config->paths_max,
    };

    for (unsigned i = 0; i < sizeof capacities / sizeof capacities[0]; i++) {
        uint32_t few = (uint32_t)luck_between(prng, 1, 8);

        if (luck_one_in(prng, 2) && few < *capacities[i])
            *capacities[i] = few;
    }
    if (luck_one_in(prng, 2))
        config->pages_max = (uint32_t)luck_between(prng, 16, 64);
}

void plan_host(const struct swarm *w, struct host *host)
{
    struct prng prng = luck_for(w->recipe->seed, LUCK_HOST, host->number, 0);
    struct duet_config *config = &host->config;

    duet_config_default(config);
    config->interfaces[0].address = host_address(w, host->number);
    config->interfaces[0].prefix_length = w->plan.ipv6 ? 64 : 24;
    config->interface_count = 1;
    config->mtu = w->plan.mtu;
    draw_times(&prng, config);
    draw_switches(&prng, config);
    draw_buffers(&prng, config);
    draw_capacities(w, &prng, config);
    /* Sequence numbers and timestamps depend on the clock: it starts anywhere. */
    host->offset = (duet_time)prng_below(&prng, UINT64_C(1) << 50);
    host->latency = (duet_time)luck_scale(&prng, 5, 100000) * DUET_MICROSECOND;
    if (host->scarce != 0)
        make_scarce(&prng, config);
    config->trace_events =
        w->options.recorder != NULL || w->options.timeline != NULL ? TRACE_EVENTS : 0;
    config->watch = w->options.check == DUET_SIM_CHECK_ALL;
}

/* ---- connections ---- */

void plan_session(const struct swarm *w, uint32_t number, struct session *session)
{
    struct prng prng = luck_for(w->recipe->seed, LUCK_CONNECTION, number, 0);
    unsigned hosts = w->plan.host_count;

    *session = (struct session){.number = number, .ends = {SWARM_NONE, SWARM_NONE}};
    session->client = (uint8_t)prng_below(&prng, hosts);
    session->server = (uint8_t)((session->client + 1 + prng_below(&prng, hosts - 1)) % hosts);
    session->is_deaf = luck_one_in(&prng, 32);
    session->starts_at = (duet_time)prng_below(&prng, (uint64_t)w->plan.span * 3 / 4);
    for (unsigned side = 0; side < 2; side++)
        session->keys[side] = luck_number(w->recipe->seed, LUCK_STREAM, number, side);
}

static uint32_t draw_bytes(struct prng *prng)
{
    switch (prng_below(prng, 32)) {
    case 0:
        return (uint32_t)luck_scale(prng, 1, BYTES_MOST);
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
        return (uint32_t)luck_scale(prng, 1, BYTES_MIDDLE);
    case 6:
        return 0;
    default:
        return (uint32_t)luck_scale(prng, 1, BYTES_COMMON);
    }
}

static enum app_kind draw_kind(struct prng *prng)
{
    switch (prng_below(prng, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        return APP_REQUEST;
    case 5:
        return APP_SLOW;
    case 6:
    case 7:
        return APP_HALF;
    case 8:
        return APP_ABRUPT;
    case 9:
    case 10:
        return APP_LINGERER;
    case 11:
        return APP_RANDOM;
    default:
        return APP_BULK;
    }
}

/* Requests and answers take two who agree about their sizes. */
static void draw_conversation(const struct swarm *w, const struct session *session, unsigned side,
                              struct manner *manner)
{
    struct prng prng = luck_for(w->recipe->seed, LUCK_CONNECTION, session->number, 1);
    uint32_t rounds = (uint32_t)luck_scale(&prng, 1, 64);

    manner->request = (uint32_t)luck_scale(&prng, 1, 2048);
    manner->response = (uint32_t)luck_scale(&prng, 1, 8192);
    manner->goal = rounds * (side == 0 ? manner->request : manner->response);
    if (w->recipe->bytes_max != 0) { /* the same number of rounds at both ends */
        uint32_t larger = max_u32(manner->request, manner->response);

        rounds = min_u32(rounds, max_u32(w->recipe->bytes_max / larger, 1));
        manner->goal = rounds * (side == 0 ? manner->request : manner->response);
    }
}

void plan_manner(const struct swarm *w, const struct session *session, unsigned side,
                 struct manner *manner)
{
    struct prng talk = luck_for(w->recipe->seed, LUCK_CONNECTION, session->number, 2);
    struct prng prng = luck_for(w->recipe->seed, LUCK_APPLICATION, session->number, side);
    bool is_conversation = draw_kind(&talk) == APP_REQUEST;

    *manner = (struct manner){.kind = draw_kind(&prng)};
    if (manner->kind == APP_REQUEST)
        manner->kind = APP_BULK;
    manner->goal = draw_bytes(&prng);
    if (w->recipe->bytes_max != 0)
        manner->goal = min_u32(manner->goal, w->recipe->bytes_max);
    manner->write_most = (uint32_t)luck_scale(&prng, 64, 16384);
    manner->read_most = (uint32_t)luck_scale(&prng, 64, 16384);
    if (luck_one_in(&prng, 4))
        manner->write_pause = (duet_time)luck_scale(&prng, 1, 2000) * DUET_MILLISECOND;
    manner->linger =
        manner->kind == APP_LINGERER ? (duet_time)luck_scale(&prng, 1, 7200) * DUET_SECOND : 0;
    if (manner->kind == APP_SLOW) {
        manner->read_most = (uint32_t)luck_scale(&prng, 1, 1024);
        manner->read_pause = (duet_time)luck_scale(&prng, 1, 5000) * DUET_MILLISECOND;
    }
    manner->leave_at = prng_below(&prng, (uint64_t)manner->goal + BYTES_COMMON);
    manner->aborts = luck_one_in(&prng, 2);
    manner->zero_copy = luck_one_in(&prng, 4);
    manner->nodelay = luck_one_in(&prng, 2);
    manner->keepalive = luck_one_in(&prng, 2);
    if (is_conversation && manner->kind != APP_ABRUPT && manner->kind != APP_RANDOM) {
        manner->kind = APP_REQUEST;
        draw_conversation(w, session, side, manner);
    }
}
