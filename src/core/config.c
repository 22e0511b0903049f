/* SPDX-License-Identifier: MIT */
/* The configuration: defaults, and the range of every field. */
#include "core/config.h"

#include <stddef.h>
#include <string.h>

static const struct duet_config defaults = {
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

void duet_config_default(struct duet_config *config)
{
    *config = defaults;
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

/* ---- ranges ---- */

struct number_range {
    uint32_t offset;
    uint32_t least, most;
};

#define NUMBER(field, least, most)                                                                 \
    {                                                                                              \
        offsetof(struct duet_config, field), least, most                                           \
    }

enum { INDEX_MAX = (1 << 24) - 1, BYTES_MAX = 1 << 30 };

static const struct number_range numbers[] = {
    NUMBER(mtu, 576, 65535),
    NUMBER(mtu_initial, 0, 65535),
    NUMBER(packet_max, 576, 65535),
    NUMBER(connections_max, 1, INDEX_MAX),
    NUMBER(half_open_max, 1, INDEX_MAX),
    NUMBER(time_wait_max, 1, INDEX_MAX),
    NUMBER(transfers_max, 1, INDEX_MAX),
    NUMBER(reassemblies_max, 1, INDEX_MAX),
    NUMBER(accurate_ecn_max, 0, FEATURE_ECN ? INDEX_MAX : 0),
    NUMBER(ranges_max, 1, INDEX_MAX),
    NUMBER(listeners_max, 1, 1 << 16),
    NUMBER(replies_max, 1, 1 << 16),
    NUMBER(replies_per_second, 1, UINT16_MAX),
    NUMBER(paths_max, 1, 1 << 20),
    NUMBER(pages_max, 1, INDEX_MAX),
    NUMBER(page_size, 512, 65536),
    NUMBER(send_buffer, 1, BYTES_MAX),
    NUMBER(receive_buffer, 1, BYTES_MAX),
    NUMBER(send_buffer_initial, 1, BYTES_MAX),
    NUMBER(receive_buffer_initial, 1, BYTES_MAX),
    NUMBER(trace_events, 0, FEATURE_TRACE ? 1 << 24 : 0),
    NUMBER(challenge_limit, 1, 255),
    NUMBER(keepalive_probes, 2, 255),
    NUMBER(r1_retransmissions, 3, 255),
};

static bool numbers_are_valid(const struct duet_config *config)
{
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uint32_t number;
        memcpy(&number, (const uint8_t *)config + numbers[i].offset, sizeof number);
        if (!in_range(number, numbers[i].least, numbers[i].most))
            return false;
    }
    return config->packet_max >= config->mtu && (config->page_size & (config->page_size - 1)) == 0;
}

/* In milliseconds. */
struct time_range {
    uint32_t offset;
    uint32_t least, most;
};

#define SECONDS(n) ((n)*UINT32_C(1000))
#define DAYS(n)    ((n)*UINT32_C(86400000))

static const struct time_range times[] = {
    NUMBER(msl, 1, SECONDS(900)),
    NUMBER(rto_initial, 1, SECONDS(3)),
    NUMBER(rto_min, 1, SECONDS(500)),
    NUMBER(rto_max, 1, SECONDS(500)),
    NUMBER(rttvar_min, 0, DAYS(1)),
    NUMBER(delayed_ack, 1, DELAYED_ACK_MOST / DUET_MILLISECOND),
    NUMBER(user_timeout, 0, DAYS(49)),
    NUMBER(user_timeout_min, SECONDS(1), DAYS(24)),
    NUMBER(user_timeout_max, SECONDS(1), DAYS(24)),
    NUMBER(syn_timeout, 1, DAYS(1)),
    NUMBER(keepalive_idle, 1, DAYS(49)),
    NUMBER(keepalive_interval, 1, DAYS(1)),
    NUMBER(fin_wait_2_timeout, 1, DAYS(1)),
    NUMBER(fast_open_key_life, SECONDS(1), DAYS(49)),
    NUMBER(fast_open_pause, 1, DAYS(1)),
    NUMBER(ecn_pause, 1, DAYS(1)),
    NUMBER(challenge_interval, 1, DAYS(1)),
    NUMBER(invalid_ack_spacing, 0, DAYS(1)),
};

static bool times_are_valid(const struct duet_config *config)
{
    for (unsigned i = 0; i < sizeof times / sizeof times[0]; i++) {
        duet_time time;
        memcpy(&time, (const uint8_t *)config + times[i].offset, sizeof time);
        if (time < times[i].least * DUET_MILLISECOND || time > times[i].most * DUET_MILLISECOND)
            return false;
    }
    return config->rto_min <= config->rto_max && config->delayed_ack < DELAYED_ACK_MOST &&
           config->user_timeout_min <= config->user_timeout_max;
}

/* RFC 1191, 6.3, and RFC 8201, 4: nothing larger is tried for 5 minutes; 0 is for ever. */
static bool path_is_valid(const struct duet_config *config)
{
    bool is_time = config->pmtu_timeout >= 300 * DUET_SECOND &&
                   config->pmtu_timeout <= 49 * 86400 * DUET_SECOND;
    return config->pmtu_timeout == 0 || is_time;
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
    lacks |= config->rto_restart && !FEATURE_RTO_RESTART;
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
    return has_secret(config) && numbers_are_valid(config) && times_are_valid(config) &&
           interfaces_are_valid(config) && path_is_valid(config) && features_are_there(config) &&
           in_range(config->mss_min, 88, 536) && config->port_first >= 1 &&
           config->port_first <= config->port_last && config->ttl >= 1 &&
           in_range(config->initial_window, 1, 10) && config->controller < DUET_CONTROLLERS &&
           in_range(config->syn_ack_retries, 1, TCP_SYN_ACK_RETRIES_MAX) &&
           in_range(config->ecn, DUET_ECN_OFF,
                    FEATURE_ECN ? DUET_ECN_REQUEST_ACCURATE : DUET_ECN_OFF);
}

/* The shift that lets a 16-bit field announce the whole buffer (RFC 7323, 2.3). */
uint8_t window_scale_for(uint32_t receive_buffer)
{
    uint8_t scale = 0;
    while (scale < 14 && (receive_buffer >> scale) > UINT16_MAX)
        scale++;
    return scale;
}
