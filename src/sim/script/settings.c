/* SPDX-License-Identifier: MIT */
/* Where a script is played: option lines and fields of the configuration. */
#include "sim/script/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- fields of duet_config by name ---- */

enum field_kind { FIELD_U8, FIELD_U16, FIELD_U32, FIELD_BOOL, FIELD_TIME, FIELD_CONTROLLER };

struct field {
    const char *name;
    enum field_kind kind;
    size_t offset;
};

#define FIELD(kind, name)                                                                          \
    {                                                                                              \
#name, kind, offsetof(struct duet_config, name)                                            \
    }

static const struct field fields[] = {
    FIELD(FIELD_BOOL, any_local_address),
    FIELD(FIELD_BOOL, loopback_allowed),
    FIELD(FIELD_U32, mtu),
    FIELD(FIELD_U32, offload),
    FIELD(FIELD_U32, mtu_initial),
    FIELD(FIELD_U32, packet_max),
    FIELD(FIELD_U32, connections_max),
    FIELD(FIELD_U32, half_open_max),
    FIELD(FIELD_U32, time_wait_max),
    FIELD(FIELD_U32, transfers_max),
    FIELD(FIELD_U32, reassemblies_max),
    FIELD(FIELD_U32, accurate_ecn_max),
    FIELD(FIELD_U32, ranges_max),
    FIELD(FIELD_U32, listeners_max),
    FIELD(FIELD_U32, replies_max),
    FIELD(FIELD_U32, replies_per_second),
    FIELD(FIELD_U32, paths_max),
    FIELD(FIELD_U32, pages_max),
    FIELD(FIELD_U32, page_size),
    FIELD(FIELD_U32, send_buffer),
    FIELD(FIELD_U32, receive_buffer),
    FIELD(FIELD_U32, send_buffer_initial),
    FIELD(FIELD_U32, receive_buffer_initial),
    FIELD(FIELD_U32, trace_events),
    FIELD(FIELD_TIME, msl),
    FIELD(FIELD_TIME, rto_initial),
    FIELD(FIELD_TIME, rto_min),
    FIELD(FIELD_TIME, rto_max),
    FIELD(FIELD_TIME, rttvar_min),
    FIELD(FIELD_TIME, delayed_ack),
    FIELD(FIELD_TIME, user_timeout),
    FIELD(FIELD_TIME, user_timeout_min),
    FIELD(FIELD_TIME, user_timeout_max),
    FIELD(FIELD_TIME, syn_timeout),
    FIELD(FIELD_TIME, keepalive_idle),
    FIELD(FIELD_TIME, keepalive_interval),
    FIELD(FIELD_TIME, fin_wait_2_timeout),
    FIELD(FIELD_TIME, pmtu_timeout),
    FIELD(FIELD_TIME, fast_open_key_life),
    FIELD(FIELD_TIME, fast_open_pause),
    FIELD(FIELD_TIME, ecn_pause),
    FIELD(FIELD_TIME, challenge_interval),
    FIELD(FIELD_TIME, invalid_ack_spacing),
    FIELD(FIELD_U32, challenge_limit),
    FIELD(FIELD_U32, keepalive_probes),
    FIELD(FIELD_U32, r1_retransmissions),
    FIELD(FIELD_BOOL, syn_cookies),
    FIELD(FIELD_BOOL, timestamps),
    FIELD(FIELD_BOOL, window_scaling),
    FIELD(FIELD_BOOL, autotune),
    FIELD(FIELD_BOOL, sack),
    FIELD(FIELD_BOOL, rack),
    FIELD(FIELD_BOOL, pacing),
    FIELD(FIELD_BOOL, rto_restart),
    FIELD(FIELD_BOOL, time_wait_rst),
    FIELD(FIELD_BOOL, verify_acks),
    FIELD(FIELD_BOOL, plpmtud),
    FIELD(FIELD_BOOL, error_reports),
    FIELD(FIELD_CONTROLLER, controller),
    FIELD(FIELD_BOOL, fast_path),
    FIELD(FIELD_BOOL, hystart),
    FIELD(FIELD_BOOL, empty_window_probes),
    FIELD(FIELD_BOOL, user_timeout_option),
    FIELD(FIELD_BOOL, watch),
    FIELD(FIELD_U16, mss_min),
    FIELD(FIELD_U16, port_first),
    FIELD(FIELD_U16, port_last),
    FIELD(FIELD_U8, ttl),
    FIELD(FIELD_U8, initial_window),
    FIELD(FIELD_U8, quick_acks),
    FIELD(FIELD_U8, syn_ack_retries),
    FIELD(FIELD_U8, ecn),
};

static bool is_one_of(const char *text, const char *a, const char *b)
{
    return strcmp(text, a) == 0 || strcmp(text, b) == 0;
}

/* A whole number, decimal or hex, and what follows it. */
static bool read_number(const char *text, uint64_t *number, const char **rest)
{
    char *end = NULL;
    errno = 0;
    *number = strtoull(text, &end, 0);
    *rest = end;
    return end != text && errno == 0 && text[0] >= '0' && text[0] <= '9';
}

static bool read_time(const char *text, int64_t *time)
{
    static const struct {
        const char *unit;
        int64_t size;
    } units[] = {{"", DUET_MILLISECOND},   {"ns", 1},          {"us", DUET_MICROSECOND},
                 {"ms", DUET_MILLISECOND}, {"s", DUET_SECOND}, {"min", 60 * DUET_SECOND},
                 {"h", 3600 * DUET_SECOND}};
    uint64_t number = 0;
    const char *rest = "";
    if (!read_number(text, &number, &rest)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(rest, units[i].unit) == 0 && number <= (uint64_t)(INT64_MAX / units[i].size)) {
            *time = (int64_t)number * units[i].size;
            return true;
        }
    }
    return false;
}

static bool read_controller(const char *text, enum duet_controller *controller)
{
    *controller = strcmp(text, "cubic") == 0 ? DUET_CUBIC : DUET_NEWRENO;
    return is_one_of(text, "cubic", "newreno") || strcmp(text, "reno") == 0;
}

static bool store(struct duet_config *config, const struct field *field, const char *value)
{
    uint8_t *at = (uint8_t *)config + field->offset;
    uint64_t number = 0;
    const char *rest = "";
    if (field->kind == FIELD_TIME) {
        duet_time time = 0;
        bool good = read_time(value, &time);
        memcpy(at, &time, good ? sizeof(time) : 0);
        return good;
    }
    if (field->kind == FIELD_CONTROLLER) {
        return read_controller(value, &config->controller);
    }
    bool truth = is_one_of(value, "true", "yes");
    bool word = field->kind == FIELD_BOOL && (truth || is_one_of(value, "false", "no"));
    number = truth;
    if (!word && (!read_number(value, &number, &rest) || *rest != '\0')) {
        return false;
    }
    switch (field->kind) {
    case FIELD_U8:
        *at = (uint8_t)number;
        return number <= UINT8_MAX;
    case FIELD_U16:
        memcpy(at, &(uint16_t){(uint16_t)number}, sizeof(uint16_t));
        return number <= UINT16_MAX;
    case FIELD_U32:
        memcpy(at, &(uint32_t){(uint32_t)number}, sizeof(uint32_t));
        return number <= UINT32_MAX;
    case FIELD_BOOL:
        memcpy(at, &(bool){number != 0}, sizeof(bool));
        return number <= 1;
    case FIELD_TIME:
    case FIELD_CONTROLLER:
        break;
    }
    return false;
}

bool settings_config(struct settings *settings, const char *pair, char *problem, size_t size)
{
    const char *equals = strchr(pair, '=');
    size_t length = equals != NULL ? (size_t)(equals - pair) : strlen(pair);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strlen(fields[i].name) != length || memcmp(fields[i].name, pair, length) != 0) {
            continue;
        }
        if (equals == NULL || !store(&settings->config, &fields[i], equals + 1)) {
            snprintf(problem, size, "not a value for %s: '%s'", fields[i].name,
                     equals != NULL ? equals + 1 : "");
            return false;
        }
        if (strcmp(fields[i].name, "receive_buffer") == 0) {
            settings->receive_buffer = 0; /* named outright: it is that of every socket, too */
        }
        return true;
    }
    snprintf(problem, size, "the configuration has no field '%.*s'", (int)length, pair);
    return false;
}

/* ---- option lines ---- */

static bool number_up_to(const char *value, uint64_t max, uint64_t *number)
{
    const char *rest = "";
    return value != NULL && read_number(value, number, &rest) && *rest == '\0' && *number <= max;
}

struct number_option {
    const char *name;
    uint64_t max;
    size_t offset, width;
};

#define NUMBER(name, max, field)                                                                   \
    {                                                                                              \
        name, max, offsetof(struct settings, field), sizeof(((struct settings *)NULL)->field)      \
    }

static const struct number_option numbers[] = {
    NUMBER("bind_port", 65535, bind_port),
    NUMBER("connect_port", 65535, connect_port),
    NUMBER("seed", UINT64_MAX, seed),
    NUMBER("remote_isn", UINT32_MAX, remote_isn),
    NUMBER("tolerance_usecs", 1000000000, rules.tolerance_usecs),
    NUMBER("tolerance_percent", 1000, tolerance_percent),
    NUMBER("tcp_ts_tick_usecs", 1000000000, rules.ts_tick_usecs),
    NUMBER("mtu", 65535, config.mtu),
};

/* What scripts say that has no meaning in virtual time. */
static const char *const without_effect[] = {
    "gateway_ip", "netmask_ip", "speed",        "tun_dev",        "persistent_tun_dev",
    "verbose",    "dry_run",    "init_scripts", "send_omit_free", "so_filename",
    "so_flags",   "stop_at",    "debug",        "is_anyip",       "non_fatal_behaviour",
    "mss",        "udp_encaps", "no_cleanup",   "high_perf",      "allow_uninitialised",
};

static int wrong_value(const char *name, const char *value, char *problem, size_t size)
{
    snprintf(problem, size, "not a value for --%s: '%s'", name, value != NULL ? value : "");
    return -1;
}

static int set_number(struct settings *settings, const struct number_option *option,
                      const char *value, char *problem, size_t size)
{
    uint64_t number = 0;
    if (!number_up_to(value, option->max, &number)) {
        return wrong_value(option->name, value, problem, size);
    }
    uint8_t *at = (uint8_t *)settings + option->offset;
    if (option->width == sizeof(uint16_t)) {
        memcpy(at, &(uint16_t){(uint16_t)number}, sizeof(uint16_t));
    } else if (option->width == sizeof(uint32_t)) {
        memcpy(at, &(uint32_t){(uint32_t)number}, sizeof(uint32_t));
    } else {
        memcpy(at, &number, sizeof(number));
    }
    return 0;
}

static int set_mode(struct settings *settings, const char *value, char *problem, size_t size)
{
    static const char *const names[] = {"ipv4", "ipv6", "ipv4-mapped-ipv6"};
    for (int i = 0; value != NULL && i < 3; i++) {
        if (strcmp(value, names[i]) == 0) {
            settings->mode = (enum ip_mode)i;
            return 0;
        }
    }
    return wrong_value("ip_version", value, problem, size);
}

static int set_address(struct duet_address *address, bool *given, const char *name,
                       const char *value, char *problem, size_t size)
{
    *given = value != NULL && duet_address_parse(value, address) == DUET_OK;
    return *given ? 0 : wrong_value(name, value, problem, size);
}

/* Options with values that are words. 2: it is none of these. */
static int set_word(struct settings *settings, const char *name, const char *value, char *problem,
                    size_t size)
{
    if (strcmp(name, "ip_version") == 0) {
        return set_mode(settings, value, problem, size);
    }
    if (strcmp(name, "local_ip") == 0) {
        return set_address(&settings->local, &settings->local_given, name, value, problem, size);
    }
    if (strcmp(name, "remote_ip") == 0) {
        return set_address(&settings->remote, &settings->remote_given, name, value, problem, size);
    }
    if (strcmp(name, "profile") == 0) {
        bool known = value != NULL && is_one_of(value, "linux", "duet");
        return known ? 0 : wrong_value(name, value, problem, size); /* profile.c has seen to it */
    }
    if (strcmp(name, "option_order") == 0 && value != NULL && is_one_of(value, "free", "strict")) {
        settings->rules.free_option_order = strcmp(value, "free") == 0;
        return 0;
    }
    if (strcmp(name, "strict_segments") == 0) {
        settings->strict_segments = true;
        return 0;
    }
    if (strcmp(name, "non_fatal") == 0) {
        settings->non_fatal_packet = value != NULL && strstr(value, "packet") != NULL;
        return 0;
    }
    if (strcmp(name, "config") == 0) {
        return settings_config(settings, value != NULL ? value : "", problem, size) ? 0 : -1;
    }
    return strcmp(name, "define") == 0 ? 0 : 2; /* the parser has seen to definitions */
}

int settings_option(struct settings *settings, const char *name, const char *value, char *problem,
                    size_t size)
{
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(numbers[i].name, name) == 0) {
            return set_number(settings, &numbers[i], value, problem, size);
        }
    }
    int result = set_word(settings, name, value, problem, size);
    if (result != 2) {
        return result;
    }
    for (size_t i = 0; i < sizeof(without_effect) / sizeof(without_effect[0]); i++) {
        if (strcmp(without_effect[i], name) == 0) {
            return 1;
        }
    }
    if (strncmp(name, "wire_", 5) == 0 || strncmp(name, "so_", 3) == 0) {
        return 1;
    }
    snprintf(problem, size, "there is no option --%s", name);
    return -1;
}

/* ---- before and after ---- */

void settings_default(struct settings *settings)
{
    *settings = (struct settings){.bind_port = 8080, .connect_port = 8080, .seed = 1};
    settings->rules.tolerance_usecs = 4000;
    struct duet_config *config = &settings->config;
    duet_config_default(config);
    config->mtu = 1500;
    config->trace_events = 4096;
    config->watch = true;
    config->connections_max = 256;
    config->half_open_max = 256;
    config->time_wait_max = 256;
    config->transfers_max = 256;
    config->reassemblies_max = 256;
    config->listeners_max = 16;
    config->replies_max = 256;
    config->page_size = 4096;
    config->pages_max = 4096;
    config->send_buffer = 4194304;
    /* The largest of Linux's tcp_rmem, which asks for a window scale of 7; sockets start with less.
     */
    config->receive_buffer = 6291456;
    settings->receive_buffer = 65536;
    config->autotune = false;
    config->quick_acks = 0;
}

static void make_secret(struct duet_config *config, uint64_t seed)
{
    /* Not secret at all: a script gives the same result every time. splitmix64 of Steele and
     * others. */
    for (size_t i = 0; i < DUET_SECRET_SIZE; i += 8) {
        seed += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        z ^= z >> 31;
        memcpy(config->secret + i, &z, 8);
    }
}

bool settings_finish(struct settings *settings, char *problem, size_t size)
{
    bool v6 = settings->mode == IP_MODE_IPV6;
    if (!settings->local_given) {
        (void)duet_address_parse(v6 ? "fd3d:fa7b:d17d::1" : "192.168.0.1", &settings->local);
    }
    if (!settings->remote_given) {
        (void)duet_address_parse(v6 ? "2001:db8::1" : "192.0.2.1", &settings->remote);
    }
    if (duet_address_is_ipv4(&settings->local) == v6 ||
        duet_address_is_ipv4(&settings->remote) == v6) {
        snprintf(problem, size,
                 "local_ip and remote_ip must be of the family that ip_version says");
        return false;
    }
    struct duet_config *config = &settings->config;
    config->interfaces[0].address = settings->local;
    config->interfaces[0].prefix_length = v6 ? 64 : 24;
    config->interface_count = 1;
    make_secret(config, settings->seed);
    if (duet_stack_footprint(config) == 0) {
        snprintf(problem, size, "the configuration has a field out of its range");
        return false;
    }
    return true;
}
