/* SPDX-License-Identifier: MIT */
/* The configuration: defaults, and the range of every field. */
#include "core/config.h"

#include <string.h>

void duet_config_default(struct duet_config *config)
{
    *config = (struct duet_config){
        .mtu = 1500,
        .packet_max = 65535,
        .connections_max = 1024,
        .half_open_max = 1024,
        .time_wait_max = 4096,
        .transfers_max = 1024,
        .reassemblies_max = 256,
        .accurate_ecn_max = FEATURE_ECN ? 256 : 0,
        .ranges_max = 8192,
        .listeners_max = 64,
        .replies_max = 256,
        .replies_per_second = 200,
        .paths_max = 1024,
        .pages_max = 4096,
        .page_size = 4096,
        .send_buffer = 4 * 1024 * 1024,
        .receive_buffer = 4 * 1024 * 1024,
        .send_buffer_initial = 64 * 1024,
        .receive_buffer_initial = 64 * 1024,
        .msl = 120 * DUET_SECOND,
        .rto_initial = DUET_SECOND,
        .rto_min = 200 * DUET_MILLISECOND,
        .rto_max = 120 * DUET_SECOND,
        .delayed_ack = 40 * DUET_MILLISECOND,
        .user_timeout = 300 * DUET_SECOND,
        .user_timeout_min = 100 * DUET_SECOND,
        .user_timeout_max = 3600 * DUET_SECOND,
        .syn_timeout = 180 * DUET_SECOND,
        .keepalive_idle = 7200 * DUET_SECOND,
        .keepalive_interval = 75 * DUET_SECOND,
        .fin_wait_2_timeout = 60 * DUET_SECOND,
        .pmtu_timeout = 600 * DUET_SECOND,
        .fast_open_key_life = 12 * 3600 * DUET_SECOND,
        .fast_open_pause = 3600 * DUET_SECOND,
        .ecn_pause = 3600 * DUET_SECOND,
        .challenge_interval = 5 * DUET_SECOND,
        .invalid_ack_spacing = 500 * DUET_MILLISECOND,
        .challenge_limit = 10,
        .keepalive_probes = 9,
        .r1_retransmissions = 3,
        .timestamps = true,
        .window_scaling = true,
        .sack = true,
        .autotune = FEATURE_AUTOTUNE,
        .syn_cookies = true,
        .rack = FEATURE_RACK,
        .pacing = FEATURE_PACING,
        .error_reports = true,
        .controller = FEATURE_CUBIC ? DUET_CUBIC : DUET_NEWRENO,
        .fast_path = FEATURE_FAST_PATH,
        .hystart = FEATURE_HYSTART,
        .verify_acks = FEATURE_VERIFY_ACKS,
        .plpmtud = FEATURE_PLPMTUD,
        .mss_min = 216,
        .port_first = 49152,
        .port_last = 65535,
        .ttl = 64,
        .initial_window = 10,
        .quick_acks = 16,
        .syn_ack_retries = 5,
        .ecn = FEATURE_ECN ? DUET_ECN_ANSWER : DUET_ECN_OFF,
    };
}

static bool in_range(uint64_t value, uint64_t least, uint64_t most)
{
    return value >= least && value <= most;
}

/* A run of equal bytes is a secret that was forgotten, or a generator that failed or stopped half
 * way; the same half twice is one of half the length. Real entropy looks like that once in 2^51. */
static bool has_secret(const struct duet_config *config)
{
    enum { RUN_MOST = 7, HALF = DUET_SECRET_SIZE / 2 };
    const uint8_t *secret = config->secret;
    unsigned run = 1;
    for (unsigned i = 1; i < DUET_SECRET_SIZE && run <= RUN_MOST; i++)
        run = secret[i] == secret[i - 1] ? run + 1 : 1;
    return run <= RUN_MOST && memcmp(secret, secret + HALF, HALF) != 0;
}

static bool interfaces_are_valid(const struct duet_config *config)
{
    if (!in_range(config->interface_count, 1, DUET_INTERFACES_MAX))
        return false;
    for (uint32_t i = 0; i < config->interface_count; i++) {
        const struct duet_interface *interface = &config->interfaces[i];
        bool is_ipv4 = address_is_ipv4(&interface->address);
        enum ip_address_kind kind = ip_address_kind(&interface->address);
        bool is_usable =
            kind == IP_ADDRESS_UNICAST || (kind == IP_ADDRESS_LOOPBACK && config->loopback_allowed);
        if (!is_usable || interface->prefix_length > (is_ipv4 ? 32 : 128))
            return false;
        if (!is_ipv4 && config->mtu < 1280)
            return false;
    }
    return true;
}

static bool capacities_are_valid(const struct duet_config *config)
{
    const uint32_t index_max = (1u << 24) - 1;
    return in_range(config->connections_max, 1, index_max) &&
           in_range(config->half_open_max, 1, index_max) &&
           in_range(config->time_wait_max, 1, index_max) &&
           in_range(config->transfers_max, 1, index_max) &&
           in_range(config->reassemblies_max, 1, index_max) &&
           in_range(config->accurate_ecn_max, 0, FEATURE_ECN ? index_max : 0) &&
           in_range(config->ranges_max, 1, index_max) &&
           in_range(config->listeners_max, 1, 1u << 16) &&
           in_range(config->replies_max, 1, 1u << 16) &&
           in_range(config->replies_per_second, 1, UINT16_MAX) &&
           in_range(config->paths_max, 1, 1u << 20) && in_range(config->pages_max, 1, index_max) &&
           in_range(config->page_size, 512, 65536) &&
           (config->page_size & (config->page_size - 1)) == 0 &&
           in_range(config->send_buffer, 1, 1u << 30) &&
           in_range(config->receive_buffer, 1, 1u << 30) &&
           in_range(config->send_buffer_initial, 1, 1u << 30) &&
           in_range(config->receive_buffer_initial, 1, 1u << 30);
}

static bool times_are_valid(const struct duet_config *config)
{
    const duet_time day = 86400 * DUET_SECOND;
    const duet_time times[] = {
        config->rto_initial,
        config->rto_min,
        config->rto_max,
        config->delayed_ack,
        config->syn_timeout,
        config->keepalive_interval,
        config->challenge_interval,
        config->fin_wait_2_timeout,
        config->fast_open_pause,
        config->ecn_pause,
    };
    for (unsigned i = 0; i < sizeof times / sizeof times[0]; i++)
        if (times[i] < DUET_MILLISECOND || times[i] > day)
            return false;
    return config->msl >= DUET_MILLISECOND && config->msl <= 900 * DUET_SECOND &&
           config->rto_min <= config->rto_max && config->rto_max <= 500 * DUET_SECOND &&
           config->rto_initial <= 3 * DUET_SECOND && config->delayed_ack < 500 * DUET_MILLISECOND &&
           config->rttvar_min >= 0 && config->rttvar_min <= day && config->user_timeout >= 0 &&
           config->user_timeout <= 49 * day && config->user_timeout_min >= DUET_SECOND &&
           config->user_timeout_min <= config->user_timeout_max &&
           config->user_timeout_max <= 24 * day && config->fast_open_key_life >= DUET_SECOND &&
           config->fast_open_key_life <= 49 * day && config->keepalive_idle >= DUET_MILLISECOND &&
           config->keepalive_idle <= 49 * day && config->invalid_ack_spacing >= 0 &&
           config->invalid_ack_spacing <= day;
}

/* RFC 1191, 6.3, and RFC 8201, 4: nothing larger is tried for 5 minutes; 0 is for ever. */
static bool path_is_valid(const struct duet_config *config)
{
    bool is_time = config->pmtu_timeout >= 300 * DUET_SECOND &&
                   config->pmtu_timeout <= 49 * 86400 * DUET_SECOND;
    return (config->pmtu_timeout == 0 || is_time) && in_range(config->mtu_initial, 0, 65535);
}

/* Nothing is wanted that this build has not. */
static bool features_are_there(const struct duet_config *config)
{
    const uint32_t large = DUET_OFFLOAD_SEGMENT | DUET_OFFLOAD_GATHER | DUET_OFFLOAD_PACE;
    bool lacks = false;
    lacks |= config->watch && !FEATURE_WATCH;
    lacks |= config->fast_path && !FEATURE_FAST_PATH;
    lacks |= config->autotune && !FEATURE_AUTOTUNE;
    lacks |= config->rack && !FEATURE_RACK;
    lacks |= config->pacing && !FEATURE_PACING;
    lacks |= config->hystart && !FEATURE_HYSTART;
    lacks |= config->verify_acks && !FEATURE_VERIFY_ACKS;
    lacks |= config->plpmtud && !FEATURE_PLPMTUD;
    lacks |= config->user_timeout_option && !FEATURE_USER_TIMEOUT;
    lacks |= config->controller == DUET_CUBIC && !FEATURE_CUBIC;
    lacks |= (config->offload & large) != 0 && !FEATURE_LARGE_PACKETS;
    return !lacks;
}

bool config_is_valid(const struct duet_config *config)
{
    return has_secret(config) && in_range(config->mtu, 576, 65535) &&
           in_range(config->packet_max, config->mtu, 65535) && capacities_are_valid(config) &&
           times_are_valid(config) && interfaces_are_valid(config) && path_is_valid(config) &&
           features_are_there(config) && in_range(config->mss_min, 88, 536) &&
           config->port_first >= 1 && config->port_first <= config->port_last && config->ttl >= 1 &&
           in_range(config->initial_window, 1, 10) && config->controller < DUET_CONTROLLERS &&
           in_range(config->syn_ack_retries, 1, TCP_SYN_ACK_RETRIES_MAX) &&
           in_range(config->ecn, DUET_ECN_OFF,
                    FEATURE_ECN ? DUET_ECN_REQUEST_ACCURATE : DUET_ECN_OFF) &&
           in_range(config->challenge_limit, 1, 255) &&
           in_range(config->keepalive_probes, 2, 255) &&
           in_range(config->r1_retransmissions, 3, 255) &&
           in_range(config->trace_events, 0, FEATURE_TRACE ? 1u << 24 : 0);
}

/* The shift that lets a 16-bit field announce the whole buffer (RFC 7323, 2.3). */
uint8_t window_scale_for(uint32_t receive_buffer)
{
    uint8_t scale = 0;
    while (scale < 14 && (receive_buffer >> scale) > UINT16_MAX)
        scale++;
    return scale;
}
